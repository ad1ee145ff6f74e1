// MQTT wills (--will): each connection carries one, further connections (watchers) subscribe to the
// topic of all of them, and each will must come to each watcher exactly once, when its connection
// has ended and no sooner.
//
// A connection's will names its user and its life: how often that client has connected. A life that
// was accepted (CONNACK) and ended is due to every watcher that is there; it never ends with a
// DISCONNECT, because this tool resets what it ends. A life that ended before we saw its CONNACK
// may bring a will or not. Wills of other processes' clients are theirs to count.
//
//     wills_begin (CONNECT) ─▶ a life ─▶ wills_end: due ─▶ wills_take: received | twice
//                                └──── wills_take: wrong, until it turns out to have ended
//
// Memory: 16 B per client and 4 B per client and watcher, with --will only. The run's thread.
// Source: MQTT 5.0 and 3.1.1, 3.1.2.5.
#ifndef FAIRLEAD_WILLS_H
#define FAIRLEAD_WILLS_H

#include <stdbool.h>
#include <stdint.h>

#include "loadgen/stamp.h"
#include "sched/base/check.h"

#define WILLS_WATCHERS_MAX 64u
#define WILLS_PAYLOAD_BYTES STAMP_BYTES_MIN

struct run;

struct will {
    uint64_t ended_ns; // the last life that was accepted
    uint32_t life;     // from 1; 0: it never connected
    uint32_t due : 31; // the last life whose will is due
    bool is_alive : 1; // its CONNECT was sent, and the connection has not ended
};

_Static_assert(sizeof(struct will) == 16, "the memory that the header promises");

struct wills {
    struct will *wills; // by client; NULL without --will
    uint32_t *seen;     // by watcher and client: the last life whose will came
};

// How many watchers the run has; they are the last clients. 0 without --will.
uint32_t wills_watcher_count(const struct run *run);

static inline bool wills_has(const struct wills *wills) {
    return wills->wills != NULL;
}

// Reserves with --will. 0, or -ENOMEM.
MUST_USE int wills_init(struct run *run);

// The client connects: what its will is to say.
void wills_begin(struct run *run, uint32_t index, struct stamp *stamp);

// Its connection has ended; with the first call only. `was_accepted`: CONNACK had come.
void wills_end(struct run *run, uint32_t index, bool was_accepted);

// A will has come to a watcher; `is_repeated`: with the DUP flag.
void wills_take(struct run *run, uint32_t watcher, const struct stamp *stamp, bool is_repeated);

#endif
