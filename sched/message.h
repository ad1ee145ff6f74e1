// A message between actors: one 64-byte cell, payload inline or a reference to a shared payload in
// the words. Copied into the receiver's cell slab; the receiver borrows it for the length of one
// handle().
#ifndef FAIRLEAD_MESSAGE_H
#define FAIRLEAD_MESSAGE_H

#include <stdint.h>

#include "sched/base/check.h"

#define MESSAGE_WORDS 4

struct message {
    uint32_t slab_word;
    uint32_t next;   // the mailbox's circular list
    uint64_t target; // pid
    uint64_t sender; // pid, or PID_NONE
    uint16_t
        type; // the receiver's behaviour names its types; below MESSAGE_USER they are the runtime's
    uint16_t flags;
    uint32_t small;                // free for the type's use
    uint64_t words[MESSAGE_WORDS]; // free for the type's use
};

_Static_assert(sizeof(struct message) == 64, "one cache line");

enum message_type {
    MESSAGE_NONE,
    MESSAGE_TIMER,    // the actor's timer ran out
    MESSAGE_CONTINUE, // asked for by scheduler_continue: the next slice of long work
    MESSAGE_USER = 16,
};

#endif
