#include "sched/server.h"

#include "sched/mailbox.h"
#include "sched/signal.h"
#include "sched/timed.h"

#define SERVER_TIMED 1u // in a SIGNAL_CALL_FAILED: it is the call's own timed message

// --- a call's record -----------------------------------------------------------------------------

static uint32_t timed_of(const struct relation *call) {
    return (uint32_t)call->word; // index + 1
}

static uint32_t kept_of(const struct relation *call) {
    return (uint32_t)(call->word >> 32); // index + 1 in the server's core
}

static void set_timed(struct relation *call, uint64_t timed_name) {
    uint32_t timed = timed_name ? pid_slot(timed_name).index + 1 : 0;
    call->word = (call->word & ~(uint64_t)UINT32_MAX) | timed;
}

static uint64_t caller_of(const struct scheduler *scheduler, const struct relation *call) {
    return scheduler_pid(scheduler, relation_owner_kind(call), relation_owner_index(call));
}

// The waiting call that a signal is about, or NULL when it is over.
static struct relation *waiting(const struct scheduler *scheduler, const struct message *signal) {
    struct relation *call = relation_at(scheduler, signal->words[3]);
    return call && relation_kind(call) == RELATION_CALL ? call : NULL;
}

static void finish(struct scheduler *scheduler, struct relation *call) {
    uint32_t timed = timed_of(call);
    uint64_t remaining_ns;
    if (timed)
        (void)timed_cancel(scheduler, caller_of(scheduler, call),
                           timed_at(scheduler, timed - 1)->name, &remaining_ns);
    relation_remove(scheduler, call);
}

// The server need not remember whom it owes an answer. words[2]: where the record was told to be.
static void let_go(struct scheduler *scheduler, const struct server_from *from) {
    scheduler_send(scheduler, &(struct message){.target = from->server,
                                                .sender = from->caller,
                                                .type = SIGNAL_DEMONITOR,
                                                .words = {from->call, from->record, from->server}});
}

// Should the server have moved since it told its record, that has another place now: call->other
// has followed, the record's place has not. words[2] = PID_NONE: look for it.
void server_caller_ended(struct scheduler *scheduler, const struct relation *call,
                         uint64_t caller) {
    if (kept_of(call))
        scheduler_send(scheduler,
                       &(struct message){.target = call->other,
                                         .sender = caller,
                                         .type = SIGNAL_DEMONITOR,
                                         .words = {relation_ref(scheduler, call), kept_of(call)}});
}

// The server's record of a kept call, by its index + 1; NULL when it is gone.
static struct relation *kept_at(const struct scheduler *scheduler, uint64_t record, uint64_t call) {
    if (record == 0 || record > UINT32_MAX ||
        !slab_is_used(&scheduler->relations, (uint32_t)record - 1))
        return NULL;
    struct relation *kept = slab_at(&scheduler->relations, (uint32_t)record - 1);
    return relation_kind(kept) == RELATION_MONITORED && kept->word == call ? kept : NULL;
}

// Of a server that came from another core the records have other places than were told; elsewhere
// one that is not found is gone (late answers come here), and a walk would be in vain.
void server_forget(struct scheduler *scheduler, const struct message *signal) {
    struct relation *kept = kept_at(scheduler, signal->words[1], signal->words[0]);
    if (!kept && signal->target != signal->words[2])
        kept =
            relation_find_word(scheduler, pid_kind(signal->target), pid_slot(signal->target).index,
                               RELATION_MONITORED, signal->words[0]);
    if (kept)
        relation_remove(scheduler, kept);
}

// --- the caller's side ---------------------------------------------------------------------------

static uint64_t arm(struct scheduler *scheduler, uint64_t caller, uint64_t server, uint64_t call,
                    uint64_t timeout_ns) {
    const struct message timeout = {.target = caller,
                                    .sender = server,
                                    .type = SIGNAL_CALL_FAILED,
                                    .flags = SERVER_TIMED,
                                    .small = EXIT_TIMEOUT,
                                    .words = {0, 0, 0, call}};
    return timed_send_after(scheduler, &timeout, timeout_ns, 0);
}

uint64_t server_call(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t to,
                     const struct server_request *request, uint64_t timeout_ns) {
    struct relation *call = relation_add(scheduler, kind, index, RELATION_CALL, to);
    if (!call)
        return 0;
    uint64_t name = relation_ref(scheduler, call);
    uint64_t caller = scheduler_pid(scheduler, kind, index);
    if (timeout_ns != SERVER_INFINITY) {
        uint64_t timed = arm(scheduler, caller, to, name, timeout_ns);
        if (!timed) {
            relation_remove(scheduler, call);
            return 0;
        }
        set_timed(call, timed);
    }
    const struct message message = {
        .target = to,
        .sender = caller,
        .type = MESSAGE_CALL,
        .flags = request->type,
        .small = request->small,
        .words = {request->words[0], request->words[1], request->words[2], name}};
    // An actor of this core that is gone has failed the call by the time this returns.
    if (!scheduler_try_send(scheduler, &message)) {
        finish(scheduler, call);
        return 0;
    }
    counter_add(scheduler->counters, COUNTER_CALLS, 1);
    return name;
}

bool server_cancel(struct scheduler *scheduler, uint64_t name) {
    struct relation *call = waiting(scheduler, &(struct message){.words = {0, 0, 0, name}});
    if (!call)
        return false;
    server_caller_ended(scheduler, call, caller_of(scheduler, call));
    finish(scheduler, call);
    return true;
}

bool server_cast(struct scheduler *scheduler, uint64_t from, uint64_t to,
                 const struct server_request *request) {
    const struct message message = {
        .target = to,
        .sender = from,
        .type = MESSAGE_CAST,
        .flags = request->type,
        .small = request->small,
        .words = {request->words[0], request->words[1], request->words[2]}};
    return scheduler_try_send(scheduler, &message);
}

// --- what reaches the caller ---------------------------------------------------------------------

static void on_reply(struct scheduler *scheduler, const struct message *signal, bool is_alive) {
    struct message reply = *signal;
    reply.type = MESSAGE_REPLY;
    struct relation *call = waiting(scheduler, signal);
    if (LIKELY(call && is_alive)) {
        finish(scheduler, call);
        scheduler_send(scheduler, &reply);
        return;
    }
    counter_add(scheduler->counters, COUNTER_REPLIES_LATE, 1);
    mailbox_discard(scheduler, &reply, EXIT_TIMEOUT);
}

static void fail(struct scheduler *scheduler, struct relation *call, uint32_t reason) {
    const struct message failed = {.target = caller_of(scheduler, call),
                                   .sender = call->other,
                                   .type = MESSAGE_CALL_FAILED,
                                   .small = reason,
                                   .words = {0, 0, 0, relation_ref(scheduler, call)}};
    counter_add(scheduler->counters, COUNTER_CALLS_FAILED, 1);
    finish(scheduler, call);
    scheduler_send(scheduler, &failed);
}

void server_down(struct scheduler *scheduler, struct relation *call, uint32_t reason) {
    fail(scheduler, call, reason);
}

// The timed message is released by whoever sent it. Any number of calls may run out in one moment:
// where cells are short this one goes on waiting for a tick, its answer may still come.
static void on_timeout(struct scheduler *scheduler, struct relation *call) {
    uint64_t name = relation_ref(scheduler, call);
    set_timed(call, 0);
    if (UNLIKELY(!mailbox_has_cell(scheduler, MESH_ROOM))) {
        uint64_t again =
            arm(scheduler, caller_of(scheduler, call), call->other, name, TIMED_TICK_NS);
        set_timed(call, again);
        if (again)
            return;
    }
    counter_add(scheduler->counters, COUNTER_CALLS_TIMED_OUT, 1);
    server_caller_ended(scheduler, call, caller_of(scheduler, call));
    fail(scheduler, call, EXIT_TIMEOUT);
}

void server_deliver(struct scheduler *scheduler, const struct message *signal, bool is_alive) {
    if (signal->type == SIGNAL_REPLY) {
        on_reply(scheduler, signal, is_alive);
        return;
    }
    struct relation *call = is_alive ? waiting(scheduler, signal) : NULL;
    if (signal->type == SIGNAL_CALL_KEPT) {
        if (call)
            call->word = (call->word & UINT32_MAX) | signal->words[0] << 32;
        else
            let_go(scheduler, &(struct server_from){.caller = signal->target,
                                                    .server = signal->sender,
                                                    .call = signal->words[3],
                                                    .record = (uint32_t)signal->words[0]});
    } else if (call && signal->flags & SERVER_TIMED) {
        on_timeout(scheduler, call);
    } else if (call) {
        fail(scheduler, call, signal->small);
    }
}

// --- the server's side ---------------------------------------------------------------------------

void server_answer(struct scheduler *scheduler, const struct message *call,
                   const struct server_answer *answer) {
    const struct message reply = {
        .target = call->sender,
        .sender = call->target,
        .type = SIGNAL_REPLY,
        .flags = answer->code,
        .small = answer->small,
        .words = {answer->words[0], answer->words[1], answer->words[2], call->words[3]}};
    scheduler_send(scheduler, &reply);
}

void server_discarded(struct scheduler *scheduler, const struct message *call, uint32_t reason) {
    scheduler_send(scheduler, &(struct message){.target = call->sender,
                                                .sender = call->target,
                                                .type = SIGNAL_CALL_FAILED,
                                                .small = reason,
                                                .words = {0, 0, 0, call->words[3]}});
}

struct server_from server_later(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                const struct message *call) {
    struct server_from from = {
        .caller = call->sender, .server = call->target, .call = call->words[3]};
    struct relation *kept = relation_add(scheduler, kind, index, RELATION_MONITORED, call->sender);
    if (!kept) {
        server_discarded(scheduler, call, EXIT_SYSTEM_LIMIT);
        return from;
    }
    kept->word = from.call;
    from.record = pid_slot(relation_ref(scheduler, kept)).index + 1;
    scheduler_send(scheduler, &(struct message){.target = from.caller,
                                                .sender = from.server,
                                                .type = SIGNAL_CALL_KEPT,
                                                .words = {from.record, 0, 0, from.call}});
    return from;
}

// The server's record goes before the answer does: from then on its end is no news.
static void settle(struct scheduler *scheduler, const struct server_from *from) {
    if (!from->record)
        return;
    const struct message gone = {.target = from->server,
                                 .words = {from->call, from->record, from->server}};
    const struct actor *server = scheduler_lookup(scheduler, from->server);
    if (server && !(server->slab_word & ACTOR_MOVING))
        server_forget(scheduler, &gone);
    else
        let_go(scheduler, from);
}

static struct message call_of(const struct server_from *from) {
    return (struct message){
        .sender = from->caller, .target = from->server, .words = {0, 0, 0, from->call}};
}

void server_reply(struct scheduler *scheduler, const struct server_from *from,
                  const struct server_answer *answer) {
    settle(scheduler, from);
    const struct message call = call_of(from);
    server_answer(scheduler, &call, answer);
}

void server_fail(struct scheduler *scheduler, const struct server_from *from, uint32_t reason) {
    settle(scheduler, from);
    const struct message call = call_of(from);
    server_discarded(scheduler, &call, reason);
}

static void on_call(struct scheduler *scheduler, const struct server_callbacks *callbacks,
                    void *context, void *state, uint32_t index, const struct message *message) {
    struct server_answer answer = {0};
    enum exit_reason reason = EXIT_NORMAL;
    switch (callbacks->handle_call(context, state, index, message, &answer, &reason)) {
    case SERVER_REPLY:
        server_answer(scheduler, message, &answer);
        return;
    case SERVER_LATER:
        return;
    case SERVER_STOP:
        server_discarded(scheduler, message, reason);
        scheduler_exit(scheduler, pid_kind(message->target), index, reason);
        return;
    }
    UNREACHABLE();
}

void server_handle(void *context, void *state, uint32_t index, const struct message *message) {
    struct scheduler *scheduler = *(struct scheduler **)context;
    const struct server_behaviour *server =
        (const struct server_behaviour *)scheduler->kinds[pid_kind(message->target)].behaviour;
    const struct server_callbacks *callbacks = &server->callbacks;
    if (LIKELY(message->type == MESSAGE_CALL))
        on_call(scheduler, callbacks, context, state, index, message);
    else if (message->type == MESSAGE_CAST)
        callbacks->handle_cast(context, state, index, message);
    else
        callbacks->handle_info(context, state, index, message);
}
