// When things ought to happen: the arrivals of an open loop, each with the time it was meant for.
// Latency is counted from that time, so a server (or a client) that stalls cannot hide the requests
// it held up ("coordinated omission").
//
// The rate is constant or moves in a straight line from one value to another. Let N(t) be how many
// arrivals such a rate makes by the time t. Even arrivals: number k is due when N(t) = k. Poisson
// arrivals, as many independent users make them: when N(t) = the sum of k + 1 exponential steps of
// mean one, so that a burst and a lull are as likely as in life, and a ramp is a Poisson process of
// changing rate. Each is computed from its own position: no drift over hours, for rates from 0.001
// to 10 million a second, without a table. Positions of Poisson arrivals are kept in 2^-24
// arrivals.
//
// Pure: reads no clock; a seed gives the same Poisson arrivals again. Owned by one thread.
#ifndef FAIRLEAD_SCHEDULE_H
#define FAIRLEAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/rng.h"

#define SCHEDULE_RATE_MAX 10000000.0 // a second
#define SCHEDULE_NEVER UINT64_MAX

struct schedule {
    uint64_t start_ns;
    uint64_t stop_ns;         // arrivals at or after this are none
    uint64_t rate_per_1000_s; // 0: nothing ever arrives, or a ramp
    uint64_t taken;           // arrivals handed out so far
    uint64_t position;        // Poisson: N(t) of the next arrival, in 2^-24
    double rate_per_s;        // ramp: at its begin
    double rise_per_s2;       // ramp: how fast the rate grows; 0: constant
    struct rng rng;
    bool is_poisson;
};

// Even arrivals at one rate from start_ns on. A rate of 0 gives an empty schedule.
void schedule_init(struct schedule *s, uint64_t start_ns, double rate_per_s);

struct schedule_shape {
    uint64_t start_ns;
    uint64_t duration_ns; // nothing arrives after it; SCHEDULE_NEVER: no end, then without a ramp
    double rate_per_s;
    double rate_end_per_s; // the same: no ramp
    bool is_poisson;
    uint64_t seed; // of Poisson arrivals
};

void schedule_init_shape(struct schedule *s, const struct schedule_shape *shape);

// No arrival at or after stop_ns.
void schedule_stop_at(struct schedule *s, uint64_t stop_ns);

// The intended time of the next arrival, SCHEDULE_NEVER when there is none.
uint64_t schedule_next_ns(const struct schedule *s);

// Takes the next arrival if it is due at now_ns and tells the time it was meant for. Those that
// were missed come one by one, each with its own time.
bool schedule_try_pop(struct schedule *s, uint64_t now_ns, uint64_t *intended_ns);

// Arrivals due before `until_ns` since the start, taken or not: what was offered. Of Poisson
// arrivals the ones not taken are counted one by one, and those taken all lie before `until_ns`.
uint64_t schedule_offered(const struct schedule *s, uint64_t until_ns);

#endif
