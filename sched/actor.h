// An actor: a behaviour, a state of fixed size in a slab, a mailbox. Named by a pid of 64 bits that
// dies with it. Handlers run to completion on the actor's own core; nothing else touches its state.
//
// pid: core 8 | kind 4 | generation 24 | index 28, so 0 is no pid (kinds begin at 1).
// What some actors have and most do not (links, monitors, timed messages, a supervisor of their
// own) stands in side tables (sched/relation.h, sched/timed.h), so that a bare actor stays 16
// bytes.
#ifndef FAIRLEAD_ACTOR_H
#define FAIRLEAD_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/base/slab.h"
#include "sched/message.h"

#define PID_NONE 0ull
#define ACTOR_KINDS_MAX 16
// Programs use the kinds below; these are the runtime's own.
#define KIND_SUPERVISOR 15
#define KIND_NAMES 14
#define KIND_BALANCER 13
#define ACTOR_INDEX_MAX ((1u << 28) - 2)

static inline uint64_t pid_of(uint8_t core, uint8_t kind, struct handle slot) {
    return (uint64_t)core << 56 | (uint64_t)kind << 52 | (uint64_t)slot.generation << 28 |
           slot.index;
}

// An actor's name in its scheduler's run queue, and in its ties.
#define ACTOR_INDEX_BITS 28
#define ACTOR_INDEX_MASK ((1u << ACTOR_INDEX_BITS) - 1)

static inline uint32_t actor_run_id(uint8_t kind, uint32_t index) {
    return (uint32_t)kind << ACTOR_INDEX_BITS | index;
}

// Whoever holds slot 0 of a kind that is registered with one slot: a permanent service keeps this
// address over its restarts (OTP: a registered name).
static inline uint64_t pid_service(uint8_t core, uint8_t kind) {
    return (uint64_t)core << 56 | (uint64_t)kind << 52 | (uint64_t)SLAB_GENERATION_MASK << 28;
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
    uint32_t mailbox_tail; // newest cell of a circular list, SLAB_NONE when empty
    uint32_t run_next;     // kind 4 | index 28 of the next in the run queue
    union {
        struct {
            uint32_t mailbox_count : 20; // cells in the mailbox
            uint32_t state_bits : 12;    // free for the behaviour's use
        };
        uint32_t mailbox_word; // both: the count lies low, and so is counted up and down here
    };
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "mailbox_count lies in the low bits");
_Static_assert(sizeof(struct actor) == 16, "part of the 256 B budget of a connection");

#define ACTOR_QUEUED 0x01000000u
#define ACTOR_CONTINUE 0x02000000u // true exactly when scheduler_continue asked for another slice
#define ACTOR_PAUSED 0x04000000u   // true exactly between scheduler_pause and scheduler_resume
#define ACTOR_RELATED 0x08000000u  // has had records in sched/relation.h or timed.h
// True from an exit signal (or an exit within init) on: it gets no more mail, and its next go is
// its end. Its mailbox is empty, mailbox_tail holds the reason; ACTOR_ENDING while terminate runs.
#define ACTOR_DOOMED 0x10000000u
#define ACTOR_TRACED 0x20000000u // sched/trace.h
#define ACTOR_MOVING 0x40000000u // frozen for a move to another core (sched/move.h)

#define ACTOR_ENDING 0xfffffffeu
#define ACTOR_STOPPED (ACTOR_PAUSED | ACTOR_DOOMED | ACTOR_MOVING) // takes no mail

enum exit_reason {
    EXIT_NORMAL,
    EXIT_SHUTDOWN, // by its supervisor, or the process drains
    EXIT_KILLED,
    EXIT_PEER,         // the peer's or the world's fault
    EXIT_BUDGET,       // a bound was passed
    EXIT_NOPROC,       // of a link, monitor or call: there was no such actor
    EXIT_TIMEOUT,      // of a call: no answer in time
    EXIT_SYSTEM_LIMIT, // of a link, monitor or call: no memory for it
    EXIT_NAME_TAKEN,   // the name it should have had is another's
    EXIT_FAILED,       // it could not do what it is for
    EXIT_MOVED,        // not an end: it lives on another core now
    EXIT_REASON_COUNT,
    EXIT_USER = 256, // a program's own reasons, up to EXIT_USER_MAX
};

#define EXIT_USER_MAX 0xffffu

// OTP's "abnormal": a transient child is restarted, a link that is not trapped takes along.
static inline bool exit_is_abnormal(uint32_t reason) {
    return reason != EXIT_NORMAL && reason != EXIT_SHUTDOWN;
}

// "normal", "killed", …; a program's own: "user".
const char *exit_reason_name(uint32_t reason);

// What becomes of a scheduler_try_send to an actor whose mailbox holds mailbox_max.
enum mailbox_policy {
    MAILBOX_DECLINE,     // the sender is told, its policy decides
    MAILBOX_DROP_NEWEST, // this message is discarded
    MAILBOX_DROP_OLDEST, // the oldest message that is no control message is discarded
    MAILBOX_EXIT,        // the actor ends with EXIT_BUDGET
};

// Control messages may fill a mailbox to here; others only to the behaviour's mailbox_max.
#define ACTOR_MAILBOX_MAX ((1u << 20) - 1)

struct behaviour {
    const char *name;
    uint8_t kind; // 1 … 15, unique on a scheduler
    uint8_t version;
    uint16_t mailbox_max;
    enum mailbox_policy mailbox_policy;
    bool is_movable;
    bool is_private;        // nobody keeps its pids: a move leaves no translation of them
    bool traps_exit;        // exit signals come as MESSAGE_EXIT; only a kill is not trapped
    uint32_t slot_size;     // struct actor first
    uint32_t timer_offset;  // of a struct timer in the slot, 0: none
    uint64_t timer_tick_ns; // resolution of this kind's timers
    // 0, or -errno: then the actor never was. `context` is what scheduler_register got.
    int (*init)(void *context, void *state, uint32_t index, const void *argument);
    void (*handle)(void *context, void *state, uint32_t index, const struct message *message);
    // Runs at every end, also at a kill: it is the destructor. (OTP's does not run at a kill; what
    // a connection leaves behind in rooms is cleaned here.) An exit within it is ignored.
    void (*terminate)(void *context, void *state, uint32_t index, enum exit_reason reason);
    // A message that no actor of this kind will take (its target is gone): gives back what it
    // holds. May be NULL.
    void (*discard)(void *context, const struct message *message);
    // The argument for this actor's successor, as a payload (sched/payload.h) that the supervisor
    // takes; PAYLOAD_NONE: none. NULL: successors get no argument. Before terminate.
    uint64_t (*succession)(void *context, const void *state, uint32_t index);
    // Makes the state of the version before into this one's, in place. NULL: the same layout.
    void (*upgrade)(void *context, void *state, uint32_t index);
    // Moving to another core (sched/move.h). `depart` gives the state as a payload (PAYLOAD_NONE:
    // it stays); what it held of this core is given back by then. `arrive` makes the state of it
    // there, in place of init: 0, or -errno with nothing kept; then it is called on the former
    // core. Both NULL: the state moves as the bytes that it is.
    uint64_t (*depart)(void *context, void *state, uint32_t index, size_t *size);
    int (*arrive)(void *context, void *state, uint32_t index, const void *bytes, size_t size);
    // For traces and printouts: the name of one of its own message types, or NULL. May be NULL.
    const char *(*message_name)(uint16_t type);
};

#endif
