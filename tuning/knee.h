// The knee of a server: the highest open-loop rate at which it keeps its
// promise (p99 under a bound). Pure: the search, and the judgement of one step;
// knee_run.h drives a server with them.
//
//     CLIMB    --pass--> twice the rate        --fail--> BISECT, or DESCEND
//     when nothing passed yet DESCEND  --fail--> half the rate, down to
//     rate_min       --pass--> BISECT BISECT   between the highest rate that
//     passed and the lowest that failed, by their geometric
//              mean, until they are `resolution` apart            --> DONE
//
// A rate fails when it failed `tries` times in a row (noise: another process
// took the CPU for a moment); it passes at the first pass. Steps are bounded by
// step_max.
#ifndef FAIRLEAD_KNEE_H
#define FAIRLEAD_KNEE_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"

#define KNEE_INTERVALS_MAX 600
#define KNEE_ACHIEVED_MIN 0.99 // of what was offered
#define KNEE_WHY_BYTES 240
#define KNEE_CLIENT_RATES_MAX 3

// The first that holds is told. Those up to OVERFLOW are facts about the
// server, whatever the client did; behind CLIENT stands what a busy client
// could have caused itself.
enum knee_verdict {
    KNEE_PASS,
    KNEE_TARGET,   // unreachable, refused: no step at all, the search ends
    KNEE_LOST,     // messages lost, twice, out of order, unanswered or rejected
    KNEE_DROPPED,  // connections closed by the server
    KNEE_OVERFLOW, // the server's own counters: dropped messages, overflows,
                   // "busy"
    KNEE_CLIENT,   // the client was the limit: the step says nothing about the
                   // server
    KNEE_ACHIEVED, // less than 99 % of what was offered was sent or arrived
    KNEE_LATENCY,
    KNEE_BACKLOG, // latencies grow over the step: it would fail if it were longer
    KNEE_VERDICT_COUNT,
};

// What one step saw.
struct knee_facts {
    double offered; // messages that the window called for
    double sent;
    double p99_ns;
    uint64_t lost; // missing at the end, too
    uint64_t duplicates;
    uint64_t disordered;
    uint64_t unanswered;
    uint64_t rejected;
    uint64_t announced_lost; // the server's gap events
    uint64_t dropped_connections;
    uint64_t refused_connections;
    bool has_server;           // its counters could be read
    uint64_t server_drops;     // messages
    uint64_t server_overflows; // of completion queues
    uint64_t server_busy;      // publishes refused
    bool client_was_limit;
    bool is_unreachable;
    uint32_t interval_count;
    double p50_ns[KNEE_INTERVALS_MAX]; // one a second
};

struct knee {
    // Set by the caller.
    double rate_start;
    double rate_min;
    double rate_max;
    double resolution; // 0.05: until 5 % apart
    uint32_t tries;    // >= 1
    uint32_t step_max;
    // The search's own.
    double rate; // of the step under way
    double pass; // the highest that passed, 0 when none did
    double fail; // the lowest that failed, 0 when none did
    enum knee_verdict fail_why;
    uint32_t failures;     // at this rate
    uint32_t client_rates; // that failed by the client before anything passed
    uint32_t step_count;
    bool is_done;
};

// Why a step fails, and the sentence of it (KNEE_WHY_BYTES; "" when it passes).
enum knee_verdict knee_judge(const struct knee_facts *facts, double slo_ns, char *why);

// Latencies that rise from one second to the next nearly always (nine of ten
// pairs), by more than a tenth of the bound in all. Fewer than four intervals:
// never.
bool knee_is_growing(const double *p50_ns, uint32_t interval_count, double slo_ns);

// The caller has set its fields (CHECKs their sense).
void knee_begin(struct knee *knee);

// What the step at knee->rate came to; knee->rate is then the next, unless
// knee->is_done.
void knee_tell(struct knee *knee, enum knee_verdict verdict);

// A few words: "p99", "client".
const char *knee_verdict_name(enum knee_verdict verdict);

// The sentence of the whole search. `unit`: "publishes/s".
void knee_describe(const struct knee *knee, const char *unit, double slo_ns, char *text,
                   uint32_t text_size);

#endif
