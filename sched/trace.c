// off --trace_start--> on --trace_stop, or an event after until_ns--> off. While it is on, the
// actors in `actors` bear ACTOR_TRACED, as long as they live; nobody else does.
#include "sched/trace.h"

#include <errno.h>
#include <string.h>

#include "sched/scheduler.h"

int trace_init(struct trace *trace, struct memory_ledger *ledger) {
    *trace = (struct trace){0};
    trace->events =
        memory_reserve(ledger, "trace events", TRACE_EVENTS_MAX * sizeof(struct trace_event));
    return trace->events ? 0 : -ENOMEM;
}

static struct actor *lookup(const struct scheduler *scheduler, uint64_t pid) {
    return scheduler_lookup(scheduler, pid);
}

void trace_stop(struct scheduler *scheduler) {
    struct trace *trace = &scheduler->trace;
    for (uint32_t i = 0; i < trace->actor_count; i++) {
        struct actor *actor = lookup(scheduler, trace->actors[i]);
        if (actor)
            actor->slab_word &= ~ACTOR_TRACED;
    }
    trace->actor_count = 0;
    trace->until_ns = 0;
    trace->running = PID_NONE;
    scheduler_look_near(scheduler);
}

void trace_start(struct scheduler *scheduler, uint64_t until_ns) {
    trace_stop(scheduler);
    scheduler->trace.event_count = 0;
    scheduler->trace.until_ns = until_ns;
}

bool trace_add(struct scheduler *scheduler, uint64_t pid) {
    struct trace *trace = &scheduler->trace;
    struct actor *actor = lookup(scheduler, pid);
    if (!trace->events || !trace->until_ns || !actor)
        return false;
    if (actor->slab_word & ACTOR_TRACED)
        return true;
    if (trace->actor_count == TRACE_ACTORS_MAX)
        return false;
    actor->slab_word |= ACTOR_TRACED;
    trace->actors[trace->actor_count++] = pid;
    return true;
}

bool trace_is_on(const struct scheduler *scheduler) {
    return scheduler->now_ns < scheduler->trace.until_ns;
}

uint32_t trace_count(const struct trace *trace) {
    return trace->event_count < TRACE_EVENTS_MAX ? (uint32_t)trace->event_count : TRACE_EVENTS_MAX;
}

const struct trace_event *trace_at(const struct trace *trace, uint32_t age) {
    CHECKF(age < trace_count(trace), "trace event %u of %u", age, trace_count(trace));
    return &trace->events[(trace->event_count - 1 - age) % TRACE_EVENTS_MAX];
}

const char *trace_what_name(uint32_t what) {
    static const char *const names[TRACE_WHAT_COUNT] = {
        [TRACE_MAIL] = "mail",       [TRACE_IN] = "in",     [TRACE_OUT] = "out",
        [TRACE_RECEIVE] = "receive", [TRACE_SEND] = "send", [TRACE_EXIT] = "exit",
        [TRACE_BYTES] = "bytes",
    };
    return what < TRACE_WHAT_COUNT ? names[what] : "unknown";
}

const char *trace_message_name(uint16_t type) {
    static const char *const names[MESSAGE_SIGNALS_END] = {
        [MESSAGE_NONE] = "none",
        [MESSAGE_TIMER] = "timer",
        [MESSAGE_CONTINUE] = "continue",
        [MESSAGE_EXIT] = "exit",
        [MESSAGE_DOWN] = "down",
        [MESSAGE_CALL] = "call",
        [MESSAGE_CAST] = "cast",
        [MESSAGE_REPLY] = "reply",
        [MESSAGE_CALL_FAILED] = "call_failed",
        [MESSAGE_CHILD_EXIT] = "child_exit",
        [MESSAGE_NAME] = "name",
        [MESSAGE_MOVED] = "moved",
        [MESSAGE_SUPERVISOR] = "supervisor",
        [MESSAGE_TIMEOUT] = "timeout",
        [MESSAGE_HANDLER_GONE] = "handler_gone",
        [SIGNAL_EXIT] = "exit_signal",
        [SIGNAL_LINK] = "link",
        [SIGNAL_UNLINK] = "unlink",
        [SIGNAL_UNLINK_ACK] = "unlink_ack",
        [SIGNAL_MONITOR] = "monitor",
        [SIGNAL_DEMONITOR] = "demonitor",
        [SIGNAL_DOWN] = "down_signal",
        [SIGNAL_REPLY] = "reply_signal",
        [SIGNAL_CALL_FAILED] = "call_failed_signal",
        [SIGNAL_CALL_KEPT] = "call_kept",
        [SIGNAL_MOVE] = "move",
    };
    if (type >= MESSAGE_USER)
        return NULL;
    bool is_named = type < MESSAGE_SIGNALS_END && names[type];
    return is_named ? names[type] : "of the runtime";
}

// --- events --------------------------------------------------------------------------------------

static void put(struct scheduler *scheduler, const struct trace_event *event) {
    struct trace *trace = &scheduler->trace;
    if (scheduler->now_ns >= trace->until_ns) {
        trace_stop(scheduler);
        return;
    }
    struct trace_event *place = &trace->events[trace->event_count++ % TRACE_EVENTS_MAX];
    *place = *event;
    place->time_ns = scheduler->now_ns;
}

static void put_message(struct scheduler *scheduler, enum trace_what what, uint64_t pid,
                        uint64_t other, const struct message *message) {
    struct trace_event event = {.actor = pid,
                                .other = other,
                                .small = message->small,
                                .type = message->type,
                                .flags = message->flags,
                                .what = (uint8_t)what};
    memcpy(event.words, message->words, sizeof(event.words));
    put(scheduler, &event);
}

void trace_on_mail(struct scheduler *scheduler, uint64_t pid, const struct message *message) {
    put_message(scheduler, TRACE_MAIL, pid, message->sender, message);
}

void trace_on_receive(struct scheduler *scheduler, uint64_t pid, const struct message *message) {
    put_message(scheduler, TRACE_RECEIVE, pid, message->sender, message);
}

void trace_on_send(struct scheduler *scheduler, const struct message *message) {
    put_message(scheduler, TRACE_SEND, scheduler->trace.running, message->target, message);
}

void trace_on_exit(struct scheduler *scheduler, uint64_t pid, uint32_t reason) {
    put(scheduler, &(struct trace_event){.actor = pid, .small = reason, .what = TRACE_EXIT});
}

void trace_on_bytes(struct scheduler *scheduler, uint64_t pid, size_t size) {
    uint32_t small = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    put(scheduler, &(struct trace_event){.actor = pid, .small = small, .what = TRACE_BYTES});
}

uint64_t trace_on_in(struct scheduler *scheduler, uint64_t pid) {
    struct trace *trace = &scheduler->trace;
    uint64_t before = trace->running;
    put(scheduler, &(struct trace_event){.actor = pid, .what = TRACE_IN});
    if (!trace->until_ns) // that was the end of it
        return PID_NONE;
    trace->running = pid;
    trace->reductions_left = scheduler->reductions_left;
    scheduler_look_near(scheduler);
    return before;
}

void trace_on_out(struct scheduler *scheduler, uint64_t pid, uint64_t before) {
    struct trace *trace = &scheduler->trace;
    if (trace->running != pid) // the trace ended, or began anew, within
        return;
    uint32_t left = scheduler->reductions_left;
    uint32_t used = trace->reductions_left > left ? trace->reductions_left - left : 0;
    put(scheduler, &(struct trace_event){.actor = pid, .small = used, .what = TRACE_OUT});
    trace->running = trace->until_ns ? before : PID_NONE;
    if (trace->running == PID_NONE)
        scheduler_look_near(scheduler);
}
