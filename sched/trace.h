// Tracing: what chosen actors do, while an operator looks. Switched on at run time for one actor,
// or for the few that make up a connection or a room; each of them bears ACTOR_TRACED, and the
// scheduler then takes a way of its own for it:
//
//   mail     a message was put into its mailbox        (deliver)
//   in, out  its go begins and ends, with what it used (run_ready, run_timers)
//   receive  its handler gets a message, a timer or its next slice
//   send     it sends a message during its go
//   exit     it ends
//   bytes    the program's: bytes came for it
//
// Costs nothing when off: the flag is looked at where the scheduler looks at the actor's slab_word
// anyway, and sends by `near_core`, which stands in for the scheduler's own number in a comparison
// that is made anyway (docs/DECISIONS.md has the counts); a message to another core, and an end,
// pay one untaken branch.
//
// Bounds: TRACE_ACTORS_MAX actors and TRACE_EVENTS_MAX events per core, of which the oldest are
// overwritten (and counted); the time until `until_ns`, after which the next event of any of them
// ends the trace. Events of one turn bear the turn's time, and stand in their order.
// Owned by the core's thread.
#ifndef FAIRLEAD_TRACE_H
#define FAIRLEAD_TRACE_H

#include "sched/actor.h"
#include "sched/base/memory.h"
#include "sched/message.h"

#define TRACE_EVENTS_MAX 4096 // 256 KiB, committed on touch
#define TRACE_ACTORS_MAX 16

struct scheduler;

enum trace_what {
    TRACE_MAIL,
    TRACE_IN,
    TRACE_OUT,
    TRACE_RECEIVE,
    TRACE_SEND,
    TRACE_EXIT,
    TRACE_BYTES,
    TRACE_WHAT_COUNT
};

struct trace_event {
    uint64_t time_ns;
    uint64_t actor;    // pid
    uint64_t other;    // mail, receive: the sender; send: the target; else PID_NONE
    uint64_t words[3]; // of the message
    uint32_t small;    // of the message; out: reductions used; exit: the reason; bytes: how many
    uint16_t type;     // of the message
    uint16_t flags;
    uint8_t what; // enum trace_what
    uint8_t reserved[7];
};

_Static_assert(sizeof(struct trace_event) == 64, "one cache line");

struct trace {
    struct trace_event *events; // NULL: there is no tracing here
    uint64_t event_count;     // since trace_start; the newest is at (count - 1) % TRACE_EVENTS_MAX
    uint64_t until_ns;        // 0: off
    uint64_t running;         // the traced actor whose go this is, PID_NONE
    uint32_t reductions_left; // of the turn when its go began
    uint32_t actor_count;
    uint64_t actors[TRACE_ACTORS_MAX];
};

// Reserves the buffer. Returns 0, or -ENOMEM.
MUST_USE int trace_init(struct trace *trace, struct memory_ledger *ledger);

// Begins a trace of nobody; the one before ends, its events are forgotten.
void trace_start(struct scheduler *scheduler, uint64_t until_ns);

// Traces this actor too. False: it is not there, or TRACE_ACTORS_MAX are traced.
MUST_USE bool trace_add(struct scheduler *scheduler, uint64_t pid);

// Nobody is traced any more; the events stay to be read.
void trace_stop(struct scheduler *scheduler);

// Whether somebody is, at this time.
bool trace_is_on(const struct scheduler *scheduler);

// Events that are kept, and one of them: age 0 is the newest.
uint32_t trace_count(const struct trace *trace);
const struct trace_event *trace_at(const struct trace *trace, uint32_t age);

// "mail", "in", …
const char *trace_what_name(uint32_t what);

// The runtime's message types: "timer", "exit", …; NULL from MESSAGE_USER on: a behaviour names its
// own.
const char *trace_message_name(uint16_t type);

// What the scheduler, and a program's own upcalls, call for an actor that bears ACTOR_TRACED.
void trace_on_mail(struct scheduler *scheduler, uint64_t pid, const struct message *message);
void trace_on_receive(struct scheduler *scheduler, uint64_t pid, const struct message *message);
void trace_on_exit(struct scheduler *scheduler, uint64_t pid, uint32_t reason);
void trace_on_bytes(struct scheduler *scheduler, uint64_t pid, size_t size);

// Around its go. `before`: who had its go around this one, for trace_on_out.
uint64_t trace_on_in(struct scheduler *scheduler, uint64_t pid);
void trace_on_out(struct scheduler *scheduler, uint64_t pid, uint64_t before);

// A send while scheduler->near_core is SCHEDULER_NOT_NEAR.
void trace_on_send(struct scheduler *scheduler, const struct message *message);

#endif
