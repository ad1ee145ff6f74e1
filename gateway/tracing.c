#include "gateway/tracing.h"

#include "gateway/conn.h"
#include "gateway/lives.h"

static uint32_t add(struct core *core, uint64_t pid) {
    return pid != PID_NONE && trace_add(&core->scheduler, pid);
}

static uint32_t add_room(struct core *core, struct bytes name) {
    return add(core, registry_lookup(&core->chat.rooms, name)) +
           add(core, registry_lookup(&core->chat.leaves, name));
}

// True: that was the last slice.
static bool add_user(struct core *core, struct bytes user, uint64_t *cursor,
                     uint32_t *actor_count) {
    const struct slab *slab = &core->scheduler.kinds[KIND_CONNECTION].slab;
    for (uint32_t left = LIVES_SLICE; left > 0 && *cursor < slab->touched_count; left--) {
        uint32_t index = (uint32_t)(*cursor)++;
        if (!slab_is_used(slab, index))
            continue;
        const struct conn *conn = conn_at(&core->gateway, index);
        if (conn->user != TEXT_NONE &&
            bytes_equal(text_bytes(&core->gateway.users, conn->user), user))
            *actor_count += add(core, scheduler_pid(&core->scheduler, KIND_CONNECTION, index));
    }
    return *cursor >= slab->touched_count;
}

bool tracing_begin(struct core *core, const struct control_trace_order *order, uint64_t *cursor,
                   uint32_t *actor_count) {
    if (*cursor == 0)
        trace_start(&core->scheduler, order->until_ns);
    if (order->room.size > 0)
        *actor_count += add_room(core, bytes_of(order->room.bytes, order->room.size));
    else if (order->who.pid != PID_NONE)
        *actor_count += add(core, order->who.pid);
    else
        return add_user(core, bytes_of(order->who.user, order->who.user_size), cursor, actor_count);
    return true;
}

// Of a message: its receiver's behaviour names it.
static const char *message_name(const struct scheduler *scheduler,
                                const struct trace_event *event) {
    const char *name = trace_message_name(event->type);
    uint64_t receiver = event->what == TRACE_SEND ? event->other : event->actor;
    const struct behaviour *behaviour = scheduler->kinds[pid_kind(receiver)].behaviour;
    if (!name && behaviour && behaviour->message_name)
        name = behaviour->message_name(event->type);
    return name;
}

static bool is_of_message(const struct trace_event *event) {
    return event->what == TRACE_MAIL || event->what == TRACE_RECEIVE || event->what == TRACE_SEND;
}

void tracing_read(const struct core *core, struct control_trace *trace) {
    const struct scheduler *scheduler = &core->scheduler;
    uint32_t kept = trace_count(&scheduler->trace);
    trace->is_on = trace_is_on(scheduler);
    trace->actor_count = scheduler->trace.actor_count;
    trace->lost = scheduler->trace.event_count - kept;
    trace->kept = kept;
    for (uint32_t age = 0; age < kept && trace->event_count < trace->events_max; age++) {
        const struct trace_event *event = trace_at(&scheduler->trace, age);
        const struct behaviour *behaviour = scheduler->kinds[pid_kind(event->actor)].behaviour;
        trace->events[trace->event_count++] = (struct control_trace_event){
            .event = *event,
            .core = core->id,
            .sequence = scheduler->trace.event_count - age,
            .kind = behaviour ? behaviour->name : "",
            .message = is_of_message(event) ? message_name(scheduler, event) : NULL};
    }
}
