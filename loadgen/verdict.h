// Did it go well, and if not, whose fault was it? One exit code and one sentence, the first line of
// the result. In this order, the first that holds:
//
//   4  no connection came about
//   1  messages were lost without a word, came twice or out of order, requests or heartbeats stayed
//      without an answer or were rejected, the server dropped connections; announced loss with
//      --fail-on-gap; each unless --expect says something about it, which is then what counts
//   4  some connections were refused
//   3  the client was the limit: its own CPU was busy for 95 % of the window or more (not looked at
//      with --flood, which fills it on purpose), or that together with the time that it was ready
//      and other processes had the CPU, or its own
//      lateness (handing over a request after the time it was meant for) had a p99 above
//      --send-lag-max-ms, or it achieved less than 99 % of what was offered while it was late
//      itself
//   1  a figure (latency, rate) that --expect wanted otherwise
//   0  otherwise
//
// Facts about the server (loss) stand whatever the client did; figures about it do not, when the
// client was the limit. Pure.
#ifndef FAIRLEAD_VERDICT_H
#define FAIRLEAD_VERDICT_H

#include "loadgen/load_options.h"
#include "loadgen/result.h"

#define VERDICT_CPU_MAX 0.95      // of one core
#define VERDICT_ACHIEVED_MIN 0.99 // of what was offered
#define VERDICT_WAIT_TOLD 0.05 // of the window: so much waiting for a CPU stands in the first line

enum verdict_code {
    VERDICT_OK = 0,
    VERDICT_FAILED = 1,
    VERDICT_USAGE = 2,
    VERDICT_CLIENT_LIMIT = 3,
    VERDICT_TARGET = 4,
};

struct verdict {
    enum verdict_code code;
    char sentence[640];
    bool client_was_limit; // whatever the code
    char limit_cause[240]; // empty when it was not
    double window_s;
    double cpu;  // share of one core in the window
    double wait; // share of the window that the thread was ready and got no CPU
    double offered_rate;
    double achieved_rate;
    double received_rate;
};

// What expectations are judged by, once decided: for the reports, which list each of them.
struct expect_seen verdict_seen(const struct verdict *v, const struct result *r);

void verdict_decide(struct verdict *v, const struct load_options *o, const struct result *r);

#endif
