// Wakes a scheduler that sleeps in ring_enter: from another scheduler by a message to its ring (no
// system call of its own: it leaves with the waker's next ring_enter), from any other thread by an
// eventfd. Wake only who declared that it sleeps (sched/mesh): a wake costs 23 us round trip.
#ifndef FAIRLEAD_IO_WAKE_H
#define FAIRLEAD_IO_WAKE_H

#include "io/ring.h"

// The waker's thread; `target` from ring_wake_target of the ring to wake.
void wake_from_scheduler(struct ring *own, struct ring_wake_target target);

// Any thread, also a signal handler.
void wake_from_outside(struct ring_wake_target target);

#endif
