// Time as nanoseconds of CLOCK_MONOTONIC. Nothing below the worker reads a clock: the worker reads
// it once a turn and passes it down. Two bodies, chosen at link time: clock.c, and a simulation's
// own, which defines all functions here (tests/sim/clock_sim.c).
#ifndef FAIRLEAD_CLOCK_H
#define FAIRLEAD_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);

uint64_t clock_thread_cpu_ns(void); // of the calling thread

// Leaves the CPU to others for so long. Not on the data path.
void clock_sleep_ns(uint64_t ns);

#endif
