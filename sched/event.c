#include "sched/event.h"

#include <string.h>

#include "sched/signal.h"

// Requests to the manager itself: words[0]: the handler; words[1]: argument; words[2]: of a swap,
// the old handler; small: is it supervised.
enum { EVENT_ADD = EVENT_TYPES_END, EVENT_DELETE, EVENT_SWAP };

_Static_assert(EVENT_SWAP == UINT16_MAX, "the last types of a request");
_Static_assert(EVENT_HANDLERS_MAX <= 16, "notified_set has a bit for each");

static uint64_t pack(struct event_handler_id handler) {
    return (uint64_t)handler.type << 32 | handler.id;
}

static struct event_handler_id unpack(uint64_t word) {
    return (struct event_handler_id){.type = (uint16_t)(word >> 32), .id = (uint32_t)word};
}

static struct scheduler *scheduler_of(const void *context) {
    return *(struct scheduler *const *)context;
}

static struct event_manager *manager_of(void *state) {
    return (struct event_manager *)((struct actor *)state + 1);
}

static const struct event_behaviour *behaviour_of(const void *context,
                                                  const struct event_manager *manager) {
    return (const struct event_behaviour *)scheduler_of(context)->kinds[manager->kind].behaviour;
}

static struct event_handler *find(struct event_manager *manager, struct event_handler_id wanted) {
    for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++) {
        struct event_handler *at = &manager->handlers[i];
        if (at->serial && at->type == wanted.type && at->id == wanted.id)
            return at;
    }
    return NULL;
}

static uint64_t pid_of_manager(const void *context, const struct event_manager *manager) {
    return scheduler_pid(scheduler_of(context), manager->kind, manager->index);
}

// --- handlers come and go ------------------------------------------------------------------------

// Its place is free before its terminate runs, on a copy: that may add and delete others.
static uint64_t take_out(void *context, void *state, struct event_handler *handler,
                         enum event_why why) {
    struct scheduler *scheduler = scheduler_of(context);
    struct event_manager *manager = manager_of(state);
    struct event_handler gone = *handler;
    handler->serial = 0;
    manager->count--;
    uint64_t pid = pid_of_manager(context, manager);
    uint64_t result =
        behaviour_of(context, manager)->types[gone.type].terminate(context, state, gone.state, why);
    if (why == EVENT_BROKEN)
        counter_add(scheduler->counters, COUNTER_HANDLERS_FAILED, 1);
    if (gone.owner == PID_NONE || why == EVENT_OWNER_DOWN)
        return result;
    (void)signal_demonitor(scheduler, manager->kind, manager->index, gone.monitor);
    scheduler_send(scheduler, &(struct message){.target = gone.owner,
                                                .sender = pid,
                                                .type = MESSAGE_HANDLER_GONE,
                                                .flags = (uint16_t)why,
                                                .small = gone.type,
                                                .words = {gone.id}});
    return result;
}

static struct event_handler *free_place(struct event_manager *manager) {
    for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++)
        if (!manager->handlers[i].serial && !(manager->notified_set >> i & 1))
            return &manager->handlers[i];
    return NULL;
}

// Into the place given, or into a free one.
static enum event_answer put_in(void *context, void *state, struct event_handler *place,
                                uint64_t owner, const struct event_addition *addition,
                                uint64_t inherited) {
    struct scheduler *scheduler = scheduler_of(context);
    struct event_manager *manager = manager_of(state);
    const struct event_behaviour *behaviour = behaviour_of(context, manager);
    if (addition->handler.type >= behaviour->type_count)
        return EVENT_NO_TYPE;
    if (find(manager, addition->handler))
        return EVENT_EXISTS;
    if (!place)
        place = free_place(manager);
    if (!place)
        return EVENT_FULL;
    *place = (struct event_handler){.owner = addition->is_supervised ? owner : PID_NONE,
                                    .serial = ++manager->serial,
                                    .id = addition->handler.id,
                                    .type = addition->handler.type};
    manager->count++;
    uint64_t serial = place->serial;
    uint64_t pid = pid_of_manager(context, manager);
    int result = behaviour->types[place->type].init(context, state, place->state,
                                                    addition->argument, inherited);
    // It may have ended its manager, or deleted itself.
    if (scheduler_lookup(scheduler, pid) != state || place->serial != serial)
        return EVENT_DECLINED;
    if (result < 0) {
        place->serial = 0;
        manager->count--;
        return EVENT_DECLINED;
    }
    if (place->owner != PID_NONE) {
        place->monitor = signal_monitor_tagged(scheduler, manager->kind, manager->index,
                                               place->owner, (uint64_t)(place - manager->handlers));
        if (!place->monitor) {
            place->owner = PID_NONE;
            (void)take_out(context, state, place, EVENT_STOP);
            return EVENT_FULL;
        }
    }
    return EVENT_OK;
}

enum event_answer event_add_here(void *context, void *state, uint64_t owner,
                                 const struct event_addition *addition) {
    return put_in(context, state, NULL, owner, addition, 0);
}

enum event_answer event_delete_here(void *context, void *state, struct event_handler_id wanted) {
    struct event_handler *handler = find(manager_of(state), wanted);
    if (!handler)
        return EVENT_NONE;
    (void)take_out(context, state, handler, EVENT_DELETED);
    return EVENT_OK;
}

// Checked before the old one goes: a swap that cannot be leaves things as they were, unless the new
// one's init declines.
static enum event_answer swap(void *context, void *state, const struct message *request,
                              const struct event_addition *addition) {
    struct event_manager *manager = manager_of(state);
    struct event_handler *old = find(manager, unpack(request->words[2]));
    if (!old)
        return put_in(context, state, NULL, request->sender, addition, 0);
    struct event_handler *same = find(manager, addition->handler);
    if (addition->handler.type >= behaviour_of(context, manager)->type_count)
        return EVENT_NO_TYPE;
    if (same && same != old)
        return EVENT_EXISTS;
    uint64_t inherited = take_out(context, state, old, EVENT_SWAPPED);
    if (old->serial) // its terminate has added another there
        old = NULL;
    return put_in(context, state, old, request->sender, addition, inherited);
}

// --- events --------------------------------------------------------------------------------------

static bool is_alive(const void *context, const void *state, uint64_t pid) {
    return scheduler_lookup(scheduler_of(context), pid) == state &&
           !(((const struct actor *)state)->slab_word & ACTOR_DOOMED);
}

// False: the manager has ended meanwhile.
static bool notify(void *context, void *state, const struct message *event) {
    struct event_manager *manager = manager_of(state);
    const struct event_behaviour *behaviour = behaviour_of(context, manager);
    uint64_t pid = event->target;
    uint64_t serial = ++manager->serial;
    manager->notified_set = 0;
    for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++)
        manager->notified_set |= (uint16_t)((manager->handlers[i].serial != 0) << i);
    bool is_up = true;
    for (uint32_t i = 0; i < EVENT_HANDLERS_MAX && is_up; i++) {
        struct event_handler *handler = &manager->handlers[i];
        uint64_t added = handler->serial;
        if (!added || added > serial)
            continue;
        enum event_result result =
            behaviour->types[handler->type].handle(context, state, handler->state, event);
        is_up = is_alive(context, state, pid);
        if (!is_up || result == EVENT_KEEP || handler->serial != added)
            continue;
        (void)take_out(context, state, handler, result == EVENT_FAILED ? EVENT_BROKEN : EVENT_DONE);
        is_up = is_alive(context, state, pid);
    }
    if (is_up)
        manager->notified_set = 0;
    if (behaviour->handled)
        behaviour->handled(context, event);
    return is_up;
}

static void on_call(void *context, void *state, const struct message *request) {
    const struct event_addition addition = {.handler = unpack(request->words[0]),
                                            .argument = request->words[1],
                                            .is_supervised = request->small};
    struct server_answer answer = {.code = EVENT_OK};
    bool is_up = true;
    if (request->flags == EVENT_ADD)
        answer.code = (uint16_t)event_add_here(context, state, request->sender, &addition);
    else if (request->flags == EVENT_DELETE)
        answer.code = (uint16_t)event_delete_here(context, state, addition.handler);
    else if (request->flags == EVENT_SWAP)
        answer.code = (uint16_t)swap(context, state, request, &addition);
    else
        is_up = notify(context, state, request);
    if (is_up)
        server_answer(scheduler_of(context), request, &answer);
    else
        server_discarded(scheduler_of(context), request, EXIT_NOPROC);
}

// False: it is not about a handler's owner.
static bool on_down(void *context, void *state, const struct message *message) {
    struct event_manager *manager = manager_of(state);
    if (message->words[1] >= EVENT_HANDLERS_MAX)
        return false;
    struct event_handler *handler = &manager->handlers[message->words[1]];
    if (!handler->serial || handler->owner == PID_NONE || handler->monitor != message->words[0])
        return false;
    (void)take_out(context, state, handler,
                   message->small == EXIT_SYSTEM_LIMIT ? EVENT_UNWATCHED : EVENT_OWNER_DOWN);
    return true;
}

void event_handle(void *context, void *state, uint32_t index, const struct message *message) {
    (void)index;
    if (message->type == MESSAGE_CALL)
        on_call(context, state, message);
    else if (message->type != MESSAGE_DOWN || !on_down(context, state, message))
        (void)notify(context, state, message);
}

// --- the manager's own life ----------------------------------------------------------------------

static void take_all_out(void *context, void *state) {
    struct event_manager *manager = manager_of(state);
    for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++)
        if (manager->handlers[i].serial)
            (void)take_out(context, state, &manager->handlers[i], EVENT_STOP);
}

int event_init(void *context, void *state, uint32_t index, const void *argument) {
    struct event_manager *manager = manager_of(state);
    *manager = (struct event_manager){.index = index,
                                      .kind = (uint8_t)(scheduler_of(context)->starting >> 28)};
    const struct event_behaviour *behaviour = behaviour_of(context, manager);
    int result = behaviour->init ? behaviour->init(context, state, index, argument) : 0;
    if (result < 0 || ((const struct actor *)state)->slab_word & ACTOR_DOOMED)
        take_all_out(context, state); // terminate does not run
    return result;
}

void event_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    const struct event_behaviour *behaviour = behaviour_of(context, manager_of(state));
    take_all_out(context, state);
    if (behaviour->terminate)
        behaviour->terminate(context, state, index, reason);
}

void event_validate(const void *state) {
    const struct event_manager *manager =
        (const struct event_manager *)((const struct actor *)state + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++) {
        const struct event_handler *at = &manager->handlers[i];
        if (!at->serial)
            continue;
        count++;
        CHECKF(at->serial <= manager->serial && (at->owner == PID_NONE) == (at->monitor == 0),
               "event handler %u.%u", at->type, at->id);
        for (uint32_t j = 0; j < i; j++)
            CHECKF(!manager->handlers[j].serial || manager->handlers[j].type != at->type ||
                       manager->handlers[j].id != at->id,
                   "event handler %u.%u is there twice", at->type, at->id);
    }
    CHECKF(count == manager->count, "%u event handlers, %u counted", count, manager->count);
}

// --- from any actor ------------------------------------------------------------------------------

uint64_t event_add(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t manager,
                   const struct event_addition *addition) {
    const struct server_request request = {.type = EVENT_ADD,
                                           .small = addition->is_supervised,
                                           .words = {pack(addition->handler), addition->argument}};
    return server_call(scheduler, kind, index, manager, &request, SERVER_TIMEOUT_NS);
}

uint64_t event_delete(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t manager,
                      struct event_handler_id handler) {
    const struct server_request request = {.type = EVENT_DELETE, .words = {pack(handler)}};
    return server_call(scheduler, kind, index, manager, &request, SERVER_TIMEOUT_NS);
}

uint64_t event_swap(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t manager,
                    struct event_handler_id old, const struct event_addition *addition) {
    const struct server_request request = {
        .type = EVENT_SWAP,
        .small = addition->is_supervised,
        .words = {pack(addition->handler), addition->argument, pack(old)}};
    return server_call(scheduler, kind, index, manager, &request, SERVER_TIMEOUT_NS);
}

bool event_notify(struct scheduler *scheduler, uint64_t from, uint64_t manager,
                  const struct server_request *event) {
    CHECKF(event->type < EVENT_TYPES_END, "event %x to %lx", event->type, manager);
    return server_cast(scheduler, from, manager, event);
}

uint64_t event_sync_notify(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                           uint64_t manager, const struct server_request *event,
                           uint64_t timeout_ns) {
    CHECKF(event->type < EVENT_TYPES_END, "event %x to %lx", event->type, manager);
    return server_call(scheduler, kind, index, manager, event, timeout_ns);
}
