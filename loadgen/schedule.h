// When things ought to happen: the arrivals of an open loop, evenly spaced at a rate, each with the
// time it was meant for. Latency is counted from that time, so a server (or a client) that stalls
// cannot hide the requests it held up ("coordinated omission").
//
// Arrival k is due at start + k / rate, computed from k each time: no drift over hours, for rates
// from 0.001 to 10 million a second. Pure: reads no clock. Owned by one thread.
#ifndef FAIRLEAD_SCHEDULE_H
#define FAIRLEAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_RATE_MAX 10000000.0 // a second
#define SCHEDULE_NEVER UINT64_MAX

struct schedule {
    uint64_t start_ns;
    uint64_t rate_per_1000_s; // 0: nothing ever arrives
    uint64_t taken;           // arrivals handed out so far
    uint64_t stop_ns;         // arrivals at or after this are none
};

// Arrivals from start_ns on. A rate of 0 gives an empty schedule.
void schedule_init(struct schedule *s, uint64_t start_ns, double rate_per_s);

// No arrival at or after stop_ns.
void schedule_stop_at(struct schedule *s, uint64_t stop_ns);

// The intended time of the next arrival, SCHEDULE_NEVER when there is none.
uint64_t schedule_next_ns(const struct schedule *s);

// Takes the next arrival if it is due at now_ns and tells the time it was meant for. Those that
// were missed come one by one, each with its own time.
bool schedule_try_pop(struct schedule *s, uint64_t now_ns, uint64_t *intended_ns);

// Arrivals due before `until_ns` since the start, taken or not: what was offered.
uint64_t schedule_offered(const struct schedule *s, uint64_t until_ns);

#endif
