// The simulated body of sched/base/clock.h: time passes when the world says so. Linked before
// libbase.a, whose clock.o is then left out.
#include "sched/base/clock.h"
#include "tests/sim/sim.h"

static uint64_t clock_now_ns;

uint64_t clock_monotonic_ns(void) {
    return clock_now_ns;
}

uint64_t clock_realtime_ns(void) {
    return clock_now_ns;
}

// All cores share one thread: none is busier than another.
uint64_t clock_thread_cpu_ns(void) {
    return 0;
}

void clock_sleep_ns(uint64_t ns) {
    clock_now_ns += ns;
}

void clock_sim_set(uint64_t now_ns) {
    clock_now_ns = now_ns;
}

void clock_sim_advance(uint64_t ns) {
    clock_now_ns += ns;
}
