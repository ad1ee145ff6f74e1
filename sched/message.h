// A message between actors: one 64-byte cell, payload inline or a reference to a shared payload in
// the words. Copied into the receiver's cell slab; the receiver borrows it for the length of one
// handle().
#ifndef FAIRLEAD_MESSAGE_H
#define FAIRLEAD_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"

#define MESSAGE_WORDS 4

struct message {
    uint32_t slab_word;
    uint32_t next;   // the mailbox's circular list; in the mesh: enum mesh_class
    uint64_t target; // pid
    uint64_t sender; // pid, or PID_NONE
    uint16_t
        type; // the receiver's behaviour names its types; below MESSAGE_USER they are the runtime's
    uint16_t flags;
    uint32_t small;                // free for the type's use
    uint64_t words[MESSAGE_WORDS]; // free for the type's use
};

_Static_assert(sizeof(struct message) == 64, "one cache line");

// In slab_word, of a cell in a mailbox: it came by scheduler_send, no policy may drop it.
#define MESSAGE_CELL_CONTROL 0x01000000u
// … of a cell in a backlog: it goes as MESH_FORWARDED.
#define MESSAGE_CELL_FORWARDED 0x02000000u

// Below MESSAGE_USER the types are the runtime's. Signals never reach a handler: the runtime acts
// on them when they arrive at the target's core (sched/signal.h).
enum message_type {
    MESSAGE_NONE,
    MESSAGE_TIMER,       // the actor's timer ran out
    MESSAGE_CONTINUE,    // asked for by scheduler_continue: the next slice of long work
    MESSAGE_EXIT,        // a trapped exit signal: `sender` went, or asks to go; small: exit_reason
    MESSAGE_DOWN,        // a monitored actor went: sender; small: why; words[0 … 1]: monitor, tag
    MESSAGE_CALL,        // sched/server.h: flags: the request; words[3]: where the answer goes
    MESSAGE_CAST,        // sched/server.h: flags: the request
    MESSAGE_REPLY,       // sched/server.h: flags: the answer; words[3]: the call
    MESSAGE_CALL_FAILED, // sched/server.h: small: exit_reason; words[3]: the call
    MESSAGE_CHILD_EXIT,  // sched/supervisor.h: a child went: sender; small: exit_reason
    MESSAGE_NAME,        // sched/names.h
    MESSAGE_MOVED,       // sched/move.h: an actor has a new pid: words[0] old, words[1] new
    MESSAGE_SUPERVISOR,  // sched/supervisor.h: orders between supervisors
    MESSAGE_TIMEOUT,     // sched/fsm.h: a state or event timeout
    MESSAGE_HANDLER_GONE, // sched/event.h
    MESSAGE_SIGNALS = 32,
    SIGNAL_EXIT = MESSAGE_SIGNALS, // small: exit_reason; flags: SIGNAL_BY_LINK or 0
    SIGNAL_LINK,
    SIGNAL_UNLINK,      // words[0]: id of this unlinking
    SIGNAL_UNLINK_ACK,  // words[0]: the same
    SIGNAL_MONITOR,     // words[0]: the monitor
    SIGNAL_DEMONITOR,   // words[0]: the monitor
    SIGNAL_DOWN,        // words[0]: the monitor; small: exit_reason
    SIGNAL_REPLY,       // sched/server.h: an answer; words[3]: the call
    SIGNAL_CALL_FAILED, // sched/server.h: small: exit_reason; words[3]: the call
    SIGNAL_CALL_KEPT,   // sched/server.h: words[0]: the server's record; words[3]: the call
    SIGNAL_MOVE,        // sched/move.h, with what it is about in flags
    MESSAGE_SIGNALS_END,
    MESSAGE_USER = 64,
};

_Static_assert(MESSAGE_SIGNALS_END <= MESSAGE_USER, "signals are the runtime's");

static inline bool message_is_signal(const struct message *message) {
    return message->type >= MESSAGE_SIGNALS && message->type < MESSAGE_SIGNALS_END;
}

#endif
