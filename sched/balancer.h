// Balancer: when cores differ in load, the busiest gives some of its actors to the idlest. An actor
// of KIND_BALANCER on each core looks at all cores' counters once a period; only the one on the
// busiest core acts, so that no two give at once. What is given, and how, is the program's
// (balancer_port_move): the gateway moves connections.
//
// The load is the CPU time of the core's thread (COUNTER_CPU_NS): a turn's own time would leave out
// what the kernel does for it. To act: load at least BALANCER_LOAD_PERMILLE, the gap to the idlest
// core at least BALANCER_GAP_PERMILLE, for BALANCER_PERIODS in a row; then a quarter of the gap is
// given, and as many periods waited for the effect. A quarter, not half: what moved costs a while
// on both sides, and one that overshoots gives back what it took.
//
// Cost: one timer a second and core, one read of each core's counters. Thread: the core's own.
#ifndef FAIRLEAD_BALANCER_H
#define FAIRLEAD_BALANCER_H

#include "sched/scheduler.h"

#define BALANCER_LOAD_PERMILLE 300
#define BALANCER_GAP_PERMILLE 200
#define BALANCER_PERIODS 2
#define BALANCER_GIVE_MAX 1024 // in one period

struct balancer {
    struct scheduler *scheduler;
    const struct counters *const *counters; // by core, of core_count
    uint32_t core_count;
    enum counter items; // the counter of what can be given
    void *port;
    uint64_t period_ns;
    uint64_t looked_ns; // when cpu_ns was read
    uint32_t streak;    // periods in a row that called for a gift
    uint32_t rest;      // periods to wait for the effect of the last one
    uint64_t cpu_ns[MESH_ENDPOINTS_MAX];
};

// What a period showed: load of each core in thousandths of a CPU, and what it has to give.
struct balancer_view {
    uint32_t core; // who asks
    uint32_t core_count;
    uint32_t load_permille[MESH_ENDPOINTS_MAX];
    uint64_t items[MESH_ENDPOINTS_MAX];
};

struct balancer_gift {
    uint32_t to_core;
    uint32_t count; // 0: none
};

// Pure: what the asking core should give in a period like this.
struct balancer_gift balancer_decide(const struct balancer_view *view);

// Registers KIND_BALANCER. The struct's first six fields are filled in; it must stay where it is.
// Returns 0, or -ENOMEM. Start the actor by scheduler_spawn or a supervisor.
MUST_USE int balancer_register(struct balancer *balancer);

// Defined by the program: begin to give so many to that core. What cannot be given just now is not.
void balancer_port_move(void *port, uint32_t to_core, uint32_t count);

#endif
