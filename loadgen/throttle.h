// Slow readers: while a phase says so, a share of each room's members (layout.h: those of the role
// LAYOUT_SLOW) read so many bytes a second. After each read the connection is not read again until
// its bytes are paid for; with the small receive buffer that such members connect with, the peer's
// window closes soon, and what the server does with a reader that does not keep up can be seen.
//
// What they get late, or not at all, is their own doing and counted apart (receive.c). One read may
// bring up to a receive buffer of the ring at once, which is then paid for: the mean rate is kept,
// not the rate within a second.
//
// Memory: 24 B per connection, touched only by slow readers that wait. The run's thread.
#ifndef FAIRLEAD_THROTTLE_H
#define FAIRLEAD_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>

#include "sched/base/check.h"
#include "sched/timer_wheel.h"

// SO_RCVBUF of slow members. The kernel doubles it, and rounds small ones up.
#define THROTTLE_RECEIVE_BUFFER_BYTES 2048u

struct run;

struct throttle_pause {
    uint32_t slab_word;
    struct timer timer;
    uint64_t until_ns;
};

_Static_assert(sizeof(struct throttle_pause) == 24, "the memory that the header promises");

struct throttle {
    struct slab pauses; // at the client's index
    struct timer_wheel wheel;
    bool is_ready; // the plan has slow readers
    double share;  // of all members, now; 0: nobody is slow
    uint32_t bytes_per_s;
};

// Reserves when the plan has slow readers. 0, or -ENOMEM.
MUST_USE int throttle_init(struct run *run, uint64_t now_ns);

// From now on this share reads so fast; 0: everybody as fast as they can.
void throttle_set(struct run *run, double percent, uint32_t bytes_per_s);

// Is it one of those that read slowly now?
bool throttle_has(const struct run *run, uint32_t index);

// From receive.c: a live client has read.
void throttle_on_data(struct run *run, uint32_t index, size_t size);

// From client.c: its connection is over.
void throttle_forget(struct run *run, uint32_t index);

// Lets those read whose time has come.
void throttle_turn(struct run *run, uint64_t now_ns);

// When the next of them may, UINT64_MAX when none waits.
uint64_t throttle_next_ns(const struct run *run);

#endif
