// Server: an actor that answers calls, OTP's gen_server. A *call* is a request with an answer, a
// *cast* one without, *info* everything else that reaches the actor.
//
// What differs from OTP:
// - Nobody waits: handlers run to completion, so server_call returns at once with the call's name,
//   and the caller's own handler gets exactly one of
//     MESSAGE_REPLY        sender: the server; flags: the answer's code; small, words[0 … 2]: the
//                          answer; words[3]: the call
//     MESSAGE_CALL_FAILED  small: why; words[3]: the call. EXIT_NOPROC: no such actor;
//                          EXIT_TIMEOUT: no answer in time; EXIT_BUDGET: the server's mailbox
//                          dropped it; EXIT_SYSTEM_LIMIT: it had no memory to answer later; any
//                          other: the server ended with that reason
//   Many calls may be under way. One to itself is a call like any other: it is answered, not a
//   deadlock (OTP: calling_self).
// - A server that ended *after* it answered has answered: the reply comes, no failure.
// - A server at its mailbox's bound declines (server_call returns 0); OTP's grows.
// - An answer that comes after the timeout never reaches the caller (as with OTP's aliases): it is
//   counted, and goes to the discard of the caller's behaviour as a MESSAGE_REPLY, so that a
//   payload in it is given back. So do requests of a server that ended to the server's.
// - Any behaviour may take calls, not only one with server_handle (an fsm does): it answers each
//   MESSAGE_CALL with server_answer, or keeps it by server_later; else its callers time out.
//
// The life of a call, and what is held for it:
//   caller  none --server_call--> waiting --SIGNAL_REPLY, SIGNAL_CALL_FAILED, server_cancel--> none
//   server  in the mailbox --handle_call answers--> none
//           in the mailbox --server_later--> kept --server_reply, caller gone or out of time-->
//           none
// A waiting call is one RELATION_CALL of the caller's (word: its timed message + 1, and in the high
// half the server's record + 1 once it is kept) and one timed message for its timeout. A call that
// waits in a mailbox costs the server nothing: whoever empties that mailbox fails it. One that is
// kept is one RELATION_MONITORED of the server's, so that its end is told. Both sides name each
// other's record, so all of it is O(1), whatever is under way.
//
// Cost: 80 to 90 ns of CPU for call and reply on one core, 55 to 60 without a timeout.
// Bounds: relations_max and timed_max of the scheduler's configuration; a call without timeout
// (SERVER_INFINITY) takes no timed message. Answers are control messages: there is a cell for
// each tie that a core may have (sched/mailbox.h); timeouts wait for room, a tick at a time.
// An actor with calls waiting does not move to another core meanwhile. A server that keeps calls
// may: its answers go on, and finding their records there walks its ties.
// Thread: the core's own.
#ifndef FAIRLEAD_SERVER_H
#define FAIRLEAD_SERVER_H

#include "sched/relation.h"

#define SERVER_INFINITY UINT64_MAX
#define SERVER_TIMEOUT_NS 5000000000ull // OTP's default

struct server_request {
    uint16_t type; // the server's own
    uint32_t small;
    uint64_t words[3];
};

struct server_answer {
    uint16_t code; // the server's own
    uint32_t small;
    uint64_t words[3];
};

// A call that is answered later. Holds nothing; may be sent to other actors, also of other cores.
struct server_from {
    uint64_t caller;
    uint64_t server;
    uint64_t call;
    uint32_t record; // of the server's core + 1; 0: the caller has been told of a failure already
};

// --- the caller's side ---------------------------------------------------------------------------

// Calls the actor `to`, of any core. The call's name, or 0: declined, no message follows (no
// memory, or the server's mailbox or the way to it is full); a payload in it is still the caller's.
MUST_USE uint64_t server_call(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                              uint64_t to, const struct server_request *request,
                              uint64_t timeout_ns);

// The answer is of no interest any more: no message comes of that call. False: it was over; its
// message may be in the mailbox.
bool server_cancel(struct scheduler *scheduler, uint64_t call);

// False: declined, as by scheduler_try_send. `from` may be PID_NONE.
MUST_USE bool server_cast(struct scheduler *scheduler, uint64_t from, uint64_t to,
                          const struct server_request *request);

// --- the server's side ---------------------------------------------------------------------------

enum server_next {
    SERVER_REPLY, // with the answer, now; also from a handler that has ended its actor
    SERVER_LATER, // server_later has kept the call
    SERVER_STOP,  // the actor ends with stop_reason, the caller is told so (OTP: stop, no reply)
};

// `request` is a MESSAGE_CALL or MESSAGE_CAST: flags, small and words[0 … 2] as in the request,
// sender: who asks.
struct server_callbacks {
    // `answer` is zeroed. *stop_reason is EXIT_NORMAL.
    enum server_next (*handle_call)(void *context, void *state, uint32_t index,
                                    const struct message *request, struct server_answer *answer,
                                    enum exit_reason *stop_reason);
    void (*handle_cast)(void *context, void *state, uint32_t index, const struct message *request);
    void (*handle_info)(void *context, void *state, uint32_t index, const struct message *message);
};

// What a server registers: &behaviour goes to scheduler_register and scheduler_upgrade, so the
// callbacks change with the version. behaviour.handle is server_handle. The kind's context begins
// with a `struct scheduler *`.
struct server_behaviour {
    struct behaviour behaviour;
    struct server_callbacks callbacks;
};

void server_handle(void *context, void *state, uint32_t index, const struct message *message);

// Answers a call at once: for behaviours with a handle of their own.
void server_answer(struct scheduler *scheduler, const struct message *call,
                   const struct server_answer *answer);

// Keeps a call that the actor has in hand, to be answered by server_reply. Should the actor end
// before, the caller is told its reason.
MUST_USE struct server_from server_later(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                         const struct message *call);

// Answers a kept call, from any actor of any core. A second answer to one call is a late one.
void server_reply(struct scheduler *scheduler, const struct server_from *from,
                  const struct server_answer *answer);

// The callers that an actor keeps waiting are told when it ends; this tells one of them now.
void server_fail(struct scheduler *scheduler, const struct server_from *from, uint32_t reason);

// --- for the runtime -----------------------------------------------------------------------------

// A MESSAGE_CALL that nobody takes: its caller is told why.
void server_discarded(struct scheduler *scheduler, const struct message *call, uint32_t reason);

// A SIGNAL_REPLY, SIGNAL_CALL_FAILED or SIGNAL_CALL_KEPT has reached the caller's core. is_alive:
// the caller takes messages.
void server_deliver(struct scheduler *scheduler, const struct message *signal, bool is_alive);

// The actor that a waiting call of this core is about has ended.
void server_down(struct scheduler *scheduler, struct relation *call, uint32_t reason);

// A caller has gone (SIGNAL_DEMONITOR with a record of ours + 1 in words[1], in words[2] the pid of
// the server then): forgets its call.
void server_forget(struct scheduler *scheduler, const struct message *signal);

// The caller of `call` ends: nobody need answer it.
void server_caller_ended(struct scheduler *scheduler, const struct relation *call, uint64_t caller);

#endif
