// State machine: an actor whose handler is chosen by its state, OTP's gen_statem with callback mode
// [state_functions, state_enter].
//
// A handler gets one *event* (any message: info, calls, casts, timeouts, downs) and says what comes
// of it: fsm_keep, fsm_next, fsm_postpone, fsm_postpone_next or fsm_stop.
//
//   state change   the one table of legal ones is `next` in struct fsm_state: another is a bug of
//                  ours, a CHECK with the actor's name. To the state it is in: no change.
//   enter          runs after every change, and for the first state within init (from: FSM_NONE).
//                  It may set timeouts, send, spawn, exit; it cannot change the state.
//   state timeout  a MESSAGE_TIMEOUT with flags FSM_STATE_TIMEOUT; a state change cancels it. So
//                  set it in `enter`.
//   event timeout  flags FSM_EVENT_TIMEOUT; any event that is handled cancels it, one that is tried
//                  again too. What is cancelled does not come, also if it had run out already.
//   postpone       the event is kept, and tried again after the next change, before newer mail and
//                  in the order of arrival, as often as it is postponed. Timeouts may be postponed.
//
// What differs from OTP: no repeat_state, no generic timeouts (sched/timed.h has them), no hidden
// replies in actions: an event that is a MESSAGE_CALL is answered by server_answer, or kept by
// server_later (sched/server.h); a postponed one keeps its caller waiting.
//
// Life of an event:
//   mail --fsm_handle--> handled --keep, next--> gone
//                                --postpone--> postponed --state change--> to try again --> handled
// While some are to be tried again, newer ones queue behind them. Tries cost a reduction each; at
// the end of the turn's the rest goes on with MESSAGE_CONTINUE (the machine's own: its handlers
// never see one). So two states that postpone one event for each other keep only their own machine
// from its mail (as OTP's do), until that reaches the bound; no other actor.
//
// Bounds: what one machine keeps, postponed and to try again, is at most postponed_max; all of one
// context, what fsm_context_init got. Beyond it the behaviour's mailbox policy decides (counted):
// DROP_NEWEST: the event is discarded; DROP_OLDEST: the oldest postponed one; EXIT and DECLINE (it
// has been taken already): the machine ends with EXIT_BUDGET. A discarded call fails with that.
// Memory: 40 B in the slot, 64 B for an event that is kept. LIMITATION: kept events do not move to
// another core: a kind that moves declines in `depart` while fsm_kept_count is not 0. Thread: the
// core's own.
#ifndef FAIRLEAD_FSM_H
#define FAIRLEAD_FSM_H

#include "sched/scheduler.h"

#define FSM_STATES_MAX 32
#define FSM_NONE UINT8_MAX // `from` of the first enter
#define FSM_INFINITY UINT64_MAX

enum fsm_timeout { FSM_STATE_TIMEOUT = 1, FSM_EVENT_TIMEOUT = 2 };

// In the slot, right behind struct actor.
struct fsm {
    uint8_t state;
    uint8_t kind;
    uint16_t kept_count;     // postponed and to try again
    uint32_t serial;         // of the latest timeout that was set
    uint32_t postponed_tail; // newest of a circular list, SLAB_NONE when empty
    uint32_t again_tail;     // the same, of those to try again
    uint32_t serials[2];     // of the timeouts that are set, 0: none; state, event
    uint64_t timed[2];       // their timed messages
};

_Static_assert(sizeof(struct fsm) == 40, "what the header says");

// What a machine's context begins with.
struct fsm_context {
    struct scheduler *scheduler;
    struct slab kept;
};

enum fsm_verb { FSM_KEEP, FSM_NEXT, FSM_STOP };

struct fsm_action {
    uint8_t verb; // enum fsm_verb
    uint8_t next;
    bool is_postponed;
    uint32_t reason;
};

static inline struct fsm_action fsm_keep(void) {
    return (struct fsm_action){.verb = FSM_KEEP};
}
static inline struct fsm_action fsm_next(uint8_t next) {
    return (struct fsm_action){.verb = FSM_NEXT, .next = next};
}
static inline struct fsm_action fsm_postpone(void) {
    return (struct fsm_action){.verb = FSM_KEEP, .is_postponed = true};
}
// The event is the first to be tried again in the next state, behind older postponed ones.
static inline struct fsm_action fsm_postpone_next(uint8_t next) {
    return (struct fsm_action){.verb = FSM_NEXT, .next = next, .is_postponed = true};
}
static inline struct fsm_action fsm_stop(uint32_t reason) {
    return (struct fsm_action){.verb = FSM_STOP, .reason = reason};
}

struct fsm_state {
    const char *name;
    uint32_t next; // set (bit per state) of those it may change to
    void (*enter)(void *context, void *state, uint32_t index, uint8_t from); // may be NULL
    struct fsm_action (*handle)(void *context, void *state, uint32_t index,
                                const struct message *event);
};

// What a machine registers: &behaviour goes to scheduler_register and scheduler_upgrade.
// behaviour.init, .handle and .terminate are fsm_init, fsm_handle and fsm_terminate.
struct fsm_behaviour {
    struct behaviour behaviour;
    const struct fsm_state *states;
    uint8_t state_count;
    uint8_t initial;
    uint16_t postponed_max;
    int (*init)(void *context, void *state, uint32_t index, const void *argument); // before enter
    void (*terminate)(void *context, void *state, uint32_t index, enum exit_reason reason);
};

// Room for kept_max events of all machines of this context. Returns 0, or -ENOMEM.
MUST_USE int fsm_context_init(struct fsm_context *context, struct scheduler *scheduler,
                              uint32_t kept_max);

int fsm_init(void *context, void *state, uint32_t index, const void *argument);
void fsm_handle(void *context, void *state, uint32_t index, const struct message *message);
void fsm_terminate(void *context, void *state, uint32_t index, enum exit_reason reason);

// The state that an actor's slot is in.
static inline uint8_t fsm_state_of(const void *state) {
    return ((const struct fsm *)((const struct actor *)state + 1))->state;
}

// Events postponed and to be tried again.
static inline uint32_t fsm_kept_count(const void *state) {
    return ((const struct fsm *)((const struct actor *)state + 1))->kept_count;
}

// Sets the timeout, in place of one that is set; FSM_INFINITY: none. Returns 0, or -ENOMEM (then
// none is set). From the machine's own handlers, enter and init.
MUST_USE int fsm_set_timeout(void *context, void *state, uint32_t index, enum fsm_timeout which,
                             uint64_t delay_ns);

// Lists and counts of one machine agree.
void fsm_validate(const struct fsm_context *context, const void *state);

#endif
