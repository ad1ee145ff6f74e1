// What a run is expected to show, as text of the command line, and whether it did:
//
//     --expect 'p99<50ms, last.p99<=80ms, loss=0, reach>=99.99%, rate>=1000'
//
//     expectations = expectation { "," expectation }
//     expectation  = name operator value          spaces may stand between them
//     operator     = "<" | "<=" | ">" | ">=" | "=" | "==" | "!="
//     name         = a count, rate or share (EXPECT_METRICS), or a latency:
//                    [histogram "."] ( "p" percent | "mean" | "min" | "max" ); percent 0 to 100,
//                    four decimals; without a histogram that of the replies or deliveries
//     value        = number and unit: times want ns, us, ms or s; counts and rates may have k or M;
//                    shares may have %
//
// A latency that nobody measured does not hold, whatever is expected of it: a run that saw nothing
// must not pass. An expectation about a fact (loss, duplicates …) replaces the tool's own "none at
// all" for that fact. Pure; at most EXPECT_TERMS_MAX expectations.
#ifndef FAIRLEAD_EXPECT_H
#define FAIRLEAD_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/base/check.h"

#define EXPECT_TERMS_MAX 32
#define EXPECT_TEXT_BYTES 64  // one expectation as written, without spaces
#define EXPECT_VALUE_BYTES 48 // "71.3 ms"
#define EXPECT_ERROR_BYTES 512

struct result;

// X(name, unit, is_fact, help). Facts are about the server whatever the client did; figures say
// nothing about it when the client was the limit.
#define EXPECT_METRICS(X)                                                                          \
    X(loss, COUNT, true, "messages lost without a word, or not there when waiting ended")          \
    X(announced, COUNT, true, "messages that the server announced as lost")                        \
    X(duplicates, COUNT, true, "messages or replies that came twice")                              \
    X(disorder, COUNT, true, "messages out of order")                                              \
    X(unanswered, COUNT, true, "requests without a reply at the end")                              \
    X(rejected, COUNT, true, "requests that the server answered with an error")                    \
    X(dropped, COUNT, true, "connections that joined and did not stay")                            \
    X(refused, COUNT, true, "connections that did not come about")                                 \
    X(will_loss, COUNT, true, "MQTT wills that did not come")                                      \
    X(will_duplicates, COUNT, true,                                                                \
      "MQTT wills that came twice, or of connections that were there")                             \
    X(reach, SHARE, true, "messages received of those that were due")                              \
    X(connections, COUNT, true, "connections that were up at once")                                \
    X(rate, RATE, false, "requests or publishes sent a second")                                    \
    X(received, RATE, false, "replies or deliveries received a second")                            \
    X(achieved, SHARE, false, "sent of what was offered")                                          \
    X(cpu, SHARE, false, "this tool's own CPU, of one core")

enum expect_metric {
#define X(name, unit, is_fact, help) EXPECT_##name,
    EXPECT_METRICS(X)
#undef X
        EXPECT_LATENCY, // of `histogram`
};

enum expect_operator {
    EXPECT_LESS,
    EXPECT_LESS_EQUAL,
    EXPECT_MORE,
    EXPECT_MORE_EQUAL,
    EXPECT_EQUAL,
    EXPECT_NOT_EQUAL,
};

enum expect_statistic {
    EXPECT_QUANTILE,
    EXPECT_MEAN,
    EXPECT_MIN,
    EXPECT_MAX,
};

struct expect_term {
    enum expect_metric metric;
    enum expect_operator operator;
    enum expect_statistic statistic; // LATENCY
    uint32_t histogram;              // LATENCY: index into the table of expect.c
    uint32_t ppm;                    // QUANTILE
    double value;                    // ns, a count, a second, or %
    char text[EXPECT_TEXT_BYTES];    // as written
};

struct expect {
    struct expect_term terms[EXPECT_TERMS_MAX];
    uint32_t count;
};

// What is compared. Rates and shares are the verdict's, so that both say the same number.
struct expect_seen {
    const struct result *result;
    double sent_per_s;
    double received_per_s;
    double cpu; // share of one core
};

enum expect_outcome {
    EXPECT_HOLDS,
    EXPECT_FAILS,
    EXPECT_UNMEASURED, // there was nothing to compare; counts as failed
};

// Adds the expectations of `text` to `e`. False with a sentence that names the column.
MUST_USE bool expect_parse(struct expect *e, const char *text, char error[EXPECT_ERROR_BYTES]);

// Judges one; `value` gets what was seen, with its unit.
enum expect_outcome expect_judge(const struct expect_term *term, const struct expect_seen *seen,
                                 char value[EXPECT_VALUE_BYTES]);

// True for those that hold or fail whatever the client did.
bool expect_is_fact(const struct expect_term *term);

// True when some expectation says what may happen of that fact.
bool expect_has(const struct expect *e, enum expect_metric metric);

// "expected p99<50ms, it was 71.3 ms; …" of the facts or of the figures that do not hold. Returns
// how many there are; the text is cut to fit.
uint32_t expect_list_failed(const struct expect *e, const struct expect_seen *seen, bool facts,
                            char *text, size_t text_size);

#endif
