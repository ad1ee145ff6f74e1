// Timed messages: OTP's send_after and send_interval. Any number per actor, beside the one timer
// that a behaviour may have in its slot (scheduler_arm: cheaper, for kinds that always need one).
//
// A timed message belongs to its target when that lives on this core: it goes and moves with it.
// To another core's actor it is sent when the time has come. Where the mailbox is full or cells are
// short it is put off a tick and counted, never lost (unless a program's own message meets a policy
// that drops); of a repeated one only one is ever due.
//
// One that is cancelled, or whose target goes, is forgotten, not discarded, and a repeated one
// comes many times: words of a timed message hold nothing that must be given back (no payload).
//
// Cost: tickless, so a million armed ones cost nothing until the first is due. Bounds: timed_max of
// the scheduler's configuration; resolution TIMED_TICK_NS. Thread: the core's own.
#ifndef FAIRLEAD_TIMED_H
#define FAIRLEAD_TIMED_H

#include "sched/scheduler.h"

#define TIMED_TICK_NS 1000000ull

struct timed {
    uint32_t slab_word;
    struct timer timer;
    uint32_t next; // of the same target, newest first; SLAB_NONE at the end
    uint32_t previous;
    uint32_t small;
    uint16_t type;
    uint16_t flags;
    uint64_t target;
    uint64_t sender;
    uint64_t name; // what timed_send_after returned, also after a move
    uint64_t deadline_ns;
    uint64_t interval_ns; // 0: once
    uint64_t words[MESSAGE_WORDS];
};

// Sends the message (copied) after the delay, and then every interval_ns if that is not 0. Returns
// a name for timed_cancel, or 0 when timed_max are armed.
MUST_USE uint64_t timed_send_after(struct scheduler *scheduler, const struct message *message,
                                   uint64_t delay_ns, uint64_t interval_ns);

// True, with the time that was left: it will not come. False: it has come, or its target is gone.
// A name from before its target's move is found through that actor: pass its pid as the target.
bool timed_cancel(struct scheduler *scheduler, uint64_t target, uint64_t name,
                  uint64_t *remaining_ns);

// --- for the scheduler ---------------------------------------------------------------------------

MUST_USE int timed_init(struct scheduler *scheduler, uint32_t timed_max);
void timed_run(struct scheduler *scheduler);
void timed_ended(struct scheduler *scheduler, uint8_t kind, uint32_t index);

// An actor's timed messages stop while it is on the move; go on; arrive with it (false: timed_max).
void timed_freeze(struct scheduler *scheduler, uint8_t kind, uint32_t index);
void timed_thaw(struct scheduler *scheduler, uint8_t kind, uint32_t index);
MUST_USE bool timed_arrive(struct scheduler *scheduler, uint64_t pid, const struct timed *timed);

// The newest of an actor's, SLAB_NONE for none; for moves and printouts.
uint32_t timed_first(const struct scheduler *scheduler, uint8_t kind, uint32_t index);
static inline struct timed *timed_at(const struct scheduler *scheduler, uint32_t index);
void timed_validate(const struct scheduler *scheduler);

static inline struct timed *timed_at(const struct scheduler *scheduler, uint32_t index) {
    return (struct timed *)slab_at(&scheduler->timed, index);
}

#endif
