// Worker: the loop that marries a scheduler (actors, no kernel) with a ring (the kernel, no
// actors). Read worker_run first: it is the engine on one screen. The load tool has no actors, and
// a loop of its own (loadgen/load.c).
//
// A worker owns nothing; it borrows the parts of its core for its life. Thread: the scheduler's
// own.

#ifndef FAIRLEAD_WORKER_H
#define FAIRLEAD_WORKER_H

#include "io/stream.h"
#include "io/wake.h"
#include "sched/scheduler.h"

enum worker_next {
    WORKER_WAIT,  // nothing is left to do: sleep until something happens
    WORKER_AGAIN, // more is to do at once
    WORKER_STOP,  // leave the loop once this turn's sends are submitted
};

struct worker {
    struct scheduler *scheduler;
    struct ring *ring;
    struct streams *streams;
    struct counters *counters;
    const struct ring_wake_target *wake_targets; // by endpoint of the mesh; NULL for a single core
    void *port;                                  // passed to the upcall below
    uint32_t now_s;
    enum worker_next next; // what the latest turn left
    bool is_asleep;        // true exactly while the mesh is told to wake this core
};

// Turns until worker_port_turn_end says stop. The ring must have been opened on this thread.
void worker_run(struct worker *worker);

// The loop's two halves, so that a simulation can run N workers on one thread. One turn, after
// ring_enter returned: sets worker->next.
void worker_turn(struct worker *worker);

// How long ring_enter may wait after the latest turn: 0 when work is left. Otherwise senders have
// been told to wake this core, until its next turn.
uint64_t worker_wait_begin(struct worker *worker);

// Defined by the program. At the end of each turn, before what was queued is sent.
enum worker_next worker_port_turn_end(void *port);

#endif
