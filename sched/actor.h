// An actor: a behaviour, a state of fixed size in a slab, a mailbox. Named by a pid of 64 bits that
// dies with it. Handlers run to completion on the actor's own core; nothing else touches its state.
//
// pid: core 8 | kind 4 | generation 24 | index 28, so 0 is no pid (kinds begin at 1).
// Links, monitors, supervisors, upgrade between versions and moves between cores stand on this
// header later; `version` and the exit reasons are here for them.
#ifndef FAIRLEAD_ACTOR_H
#define FAIRLEAD_ACTOR_H

#include <stdint.h>

#include "sched/base/slab.h"
#include "sched/message.h"

#define PID_NONE 0ull
#define ACTOR_KINDS_MAX 16
#define ACTOR_INDEX_MAX ((1u << 28) - 2)

static inline uint64_t pid_of(uint8_t core, uint8_t kind, struct handle slot) {
    return (uint64_t)core << 56 | (uint64_t)kind << 52 | (uint64_t)slot.generation << 28 |
           slot.index;
}

static inline uint8_t pid_core(uint64_t pid) {
    return (uint8_t)(pid >> 56);
}

static inline uint8_t pid_kind(uint64_t pid) {
    return (uint8_t)(pid >> 52 & 15);
}

static inline struct handle pid_slot(uint64_t pid) {
    return (struct handle){.index = (uint32_t)(pid & ((1u << 28) - 1)),
                           .generation = (uint32_t)(pid >> 28) & SLAB_GENERATION_MASK};
}

// The first 16 bytes of every actor's slot.
struct actor {
    uint32_t slab_word; // owner bit ACTOR_QUEUED: true exactly when the actor is in the run queue
    uint32_t mailbox_tail;       // newest cell of a circular list, SLAB_NONE when empty
    uint32_t run_next;           // kind 4 | index 28 of the next in the run queue
    uint32_t mailbox_count : 20; // cells in the mailbox
    uint32_t state_bits : 12;    // free for the behaviour's use
};

_Static_assert(sizeof(struct actor) == 16, "part of the 256 B budget of a connection");

#define ACTOR_QUEUED 0x01000000u
#define ACTOR_CONTINUE 0x02000000u // true exactly when scheduler_continue asked for another slice
#define ACTOR_PAUSED 0x04000000u // true exactly between scheduler_pause and scheduler_resume

enum exit_reason {
    EXIT_NORMAL,
    EXIT_SHUTDOWN, // by its supervisor, or the process drains
    EXIT_KILLED,
    EXIT_PEER,   // the peer's or the world's fault
    EXIT_BUDGET, // a bound was passed
};

// Control messages may fill a mailbox to here; others only to the behaviour's mailbox_max.
#define ACTOR_MAILBOX_MAX ((1u << 20) - 1)

struct behaviour {
    const char *name;
    uint8_t kind; // 1 … 15, unique on a scheduler
    uint8_t version;
    uint16_t mailbox_max;
    uint32_t slot_size;     // struct actor first
    uint32_t timer_offset;  // of a struct timer in the slot, 0: none
    uint64_t timer_tick_ns; // resolution of this kind's timers
    // 0, or -errno: then the actor never was. `context` is what scheduler_register got.
    int (*init)(void *context, void *state, uint32_t index, const void *argument);
    void (*handle)(void *context, void *state, uint32_t index, const struct message *message);
    void (*terminate)(void *context, void *state, uint32_t index, enum exit_reason reason);
    // A message that no actor of this kind will take (its target is gone): gives back what it
    // holds. May be NULL.
    void (*discard)(void *context, const struct message *message);
};

#endif
