// How long a client that lost its connection waits before it tries again: what real clients do, so
// that a storm is as bad as in life, or as good.
//
//     phoenix               phoenix.js, reconnectAfterMs: 10, 50, 100, 150, 200, 250, 500, 1,000,
//                           2,000 ms, then 5,000 each; no jitter. The default
//     fixed:MS              the same each time
//     exponential:MIN-MAX   full jitter: anything from 0 to MIN, 2 MIN, 4 MIN … at most MAX ms
//
// Pure. Sources: phoenix.js 1.7, assets/js/phoenix/socket.js; "Exponential Backoff And Jitter"
// (AWS Architecture Blog, 2015).
#ifndef FAIRLEAD_BACKOFF_H
#define FAIRLEAD_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"
#include "sched/base/rng.h"

#define BACKOFF_MS_MAX 3600000u // an hour

enum backoff_kind {
    BACKOFF_PHOENIX,
    BACKOFF_FIXED,
    BACKOFF_EXPONENTIAL,
};

struct backoff {
    enum backoff_kind kind;
    uint32_t min_ms; // fixed: the delay
    uint32_t max_ms;
};

// False when `text` is none of the three; *b is then unchanged.
MUST_USE bool backoff_parse(struct backoff *b, const char *text);

// What backoff_parse takes, for the sentence that refuses a text.
const char *backoff_wanted(void);

// Before the attempt of this number, from 1 on.
uint64_t backoff_delay_ns(const struct backoff *b, uint32_t attempt, struct rng *rng);

#endif
