// Event manager: an actor that passes each event to handlers that come and go, OTP's gen_event.
//
// A handler is a type (functions, in the manager's table) with an id, EVENT_STATE_BYTES of state
// and at most one owner. Its functions run within the manager, one handler after the other, in the
// order of their places; a new one takes the lowest free place.
//
//   add        by a call (event_add), which is answered EVENT_OK, EVENT_EXISTS, EVENT_FULL,
//              EVENT_DECLINED (its init did) or EVENT_NO_TYPE
//   delete     by a call (event_delete): EVENT_OK or EVENT_NONE
//   swap       by a call (event_swap): the old one's terminate gives the word that the new one's
//              init gets; without an old one it is an add. The new one takes the old one's place
//   notify     by a cast (event_notify), to all handlers there are when it is handled
//   sync       by a call (event_sync_notify), answered when all have handled it
//   info       everything else that reaches the manager is an event too, as it is
//
// A handler that returns EVENT_FAILED is removed (OTP: crashed), counted; the others do not notice.
// One that returns EVENT_REMOVE goes too. Handlers may delete themselves and others while they are
// notified: who is gone is not called any more; who is added meanwhile gets the next event.
//
// A *supervised* handler has an owner (OTP: add_sup_handler). The manager monitors the owner, and
// the handler goes with it (EVENT_OWNER_DOWN). The owner is told of every other end of its handler
// by MESSAGE_HANDLER_GONE {sender: the manager; flags: enum event_why; small: type; words[0]: id}.
// What differs from OTP: that is no link: an owner that must know of the manager's end monitors it.
// Of a manager that ends all handlers get their terminate (EVENT_STOP), owners are told.
//
// A payload in a notification is the manager's behaviour's business: `discard` when the manager is
// gone, `handled` (below) after the last handler had it.
//
// Events have any type below EVENT_TYPES_END; those above are the manager's own calls.
//
// Bounds: EVENT_HANDLERS_MAX a manager, 2 KiB in its slot. Cost of an event: one message and a call
// through a pointer per handler. LIMITATION: a manager does not move to another core. Thread: the
// manager's core's own.
#ifndef FAIRLEAD_EVENT_H
#define FAIRLEAD_EVENT_H

#include "sched/server.h"

#define EVENT_HANDLERS_MAX 16
#define EVENT_STATE_BYTES 88
#define EVENT_TYPES_END 0xfffdu

enum event_result {
    EVENT_KEEP,
    EVENT_REMOVE, // it is done
    EVENT_FAILED, // it could not do what it is for
};

// Why a handler goes.
enum event_why {
    EVENT_DONE, // it returned EVENT_REMOVE
    EVENT_BROKEN,
    EVENT_DELETED,
    EVENT_SWAPPED,
    EVENT_OWNER_DOWN,
    EVENT_UNWATCHED, // its owner's core has no memory to watch the owner
    EVENT_STOP,      // the manager ends
};

// Answers to event_add, event_delete, event_swap: code of the MESSAGE_REPLY.
enum event_answer {
    EVENT_OK,
    EVENT_EXISTS,
    EVENT_FULL, // no place, or no memory to monitor the owner
    EVENT_DECLINED,
    EVENT_NO_TYPE,
    EVENT_NONE,
};

struct event_handler_id {
    uint16_t type; // place in the manager's table
    uint32_t id;   // any; a type may have many handlers
};

struct event_handler_type {
    const char *name;
    // 0, or a negative: then it never was. `handler` is zeroed. `argument` is what event_add got,
    // `inherited` what the predecessor's terminate gave, or 0.
    int (*init)(void *context, void *manager, void *handler, uint64_t argument, uint64_t inherited);
    enum event_result (*handle)(void *context, void *manager, void *handler,
                                const struct message *event);
    uint64_t (*terminate)(void *context, void *manager, void *handler, enum event_why why);
};

struct event_handler {
    uint64_t owner;   // PID_NONE: none
    uint64_t monitor; // of the owner
    uint64_t serial;  // when it was added; 0: the place is free
    uint32_t id;
    uint16_t type;
    uint16_t reserved;
    uint64_t state[EVENT_STATE_BYTES / 8];
};

// In the slot, right behind struct actor.
struct event_manager {
    uint64_t serial; // the latest, of events and additions
    uint32_t index;
    uint16_t notified_set; // places that the event under way found taken: not given away meanwhile
    uint8_t kind;
    uint8_t count;
    struct event_handler handlers[EVENT_HANDLERS_MAX];
};

// What a manager registers: &behaviour goes to scheduler_register and scheduler_upgrade.
// behaviour.init, .handle and .terminate are event_init, event_handle and event_terminate. The
// kind's context begins with a `struct scheduler *`.
struct event_behaviour {
    struct behaviour behaviour;
    const struct event_handler_type *types;
    uint32_t type_count;
    int (*init)(void *context, void *state, uint32_t index, const void *argument); // may be NULL
    void (*terminate)(void *context, void *state, uint32_t index, enum exit_reason reason); // same
    void (*handled)(void *context, const struct message *event); // all have had it; may be NULL
};

int event_init(void *context, void *state, uint32_t index, const void *argument);
void event_handle(void *context, void *state, uint32_t index, const struct message *message);
void event_terminate(void *context, void *state, uint32_t index, enum exit_reason reason);

// --- from any actor, of any core -----------------------------------------------------------------
// The actor {kind, index} of this core gets a MESSAGE_REPLY (flags: enum event_answer) or a
// MESSAGE_CALL_FAILED. Each returns the call's name, or 0: declined (sched/server.h).

struct event_addition {
    struct event_handler_id handler;
    uint64_t argument;
    bool is_supervised; // the caller is its owner
};

MUST_USE uint64_t event_add(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                            uint64_t manager, const struct event_addition *addition);
MUST_USE uint64_t event_delete(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                               uint64_t manager, struct event_handler_id handler);
MUST_USE uint64_t event_swap(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                             uint64_t manager, struct event_handler_id old,
                             const struct event_addition *addition);

// An event: type, small and words[0 … 2] as the handlers know them; they see a MESSAGE_CAST or, of
// the second, a MESSAGE_CALL. False: declined, as by scheduler_try_send.
MUST_USE bool event_notify(struct scheduler *scheduler, uint64_t from, uint64_t manager,
                           const struct server_request *event);
MUST_USE uint64_t event_sync_notify(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                    uint64_t manager, const struct server_request *event,
                                    uint64_t timeout_ns);

// --- within the manager: from its handlers, init and callbacks -----------------------------------

enum event_answer event_add_here(void *context, void *manager, uint64_t owner,
                                 const struct event_addition *addition);
enum event_answer event_delete_here(void *context, void *manager, struct event_handler_id handler);

// Counts and ids agree.
void event_validate(const void *manager);

#endif
