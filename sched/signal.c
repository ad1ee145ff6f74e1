// A link, seen from one side:
//   none --signal_link or SIGNAL_LINK--> linked --signal_unlink--> unlinking --SIGNAL_UNLINK_ACK-->
//   none; linked --SIGNAL_EXIT or SIGNAL_UNLINK--> none; unlinking --signal_link--> linked
// While a side is unlinking, links and exits that come through are from before: ignored. The
// unlinking's id tells an old acknowledgement from the one awaited.
#include "sched/signal.h"

#include <errno.h>

#include "sched/mailbox.h"
#include "sched/server.h"
#include "sched/move.h"

// The actor's link with `other`, which may know it by a former pid, or be known by one.
static struct relation *find_link(const struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                  uint64_t other) {
    struct relation *link = relation_find(scheduler, kind, index, RELATION_LINK, other);
    if (LIKELY(link || scheduler->moved_count == 0))
        return link;
    uint64_t now = move_translate(scheduler, other);
    for (link = relation_first(scheduler, kind, index); link; link = relation_next(scheduler, link))
        if (relation_kind(link) == RELATION_LINK && move_translate(scheduler, link->other) == now)
            return link;
    return NULL;
}

// The actor's monitor of this name, or NULL.
static struct relation *find_monitor(const struct scheduler *scheduler, uint8_t kind,
                                     uint32_t index, uint64_t monitor) {
    struct relation *watch = relation_at(scheduler, monitor);
    if (watch && watch->owner == actor_run_id(kind, index))
        return watch;
    return relation_find_word(scheduler, kind, index, RELATION_WATCH, monitor);
}

int signal_link(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t other) {
    uint64_t pid = scheduler_pid(scheduler, kind, index);
    CHECKF(pid_slot(other).generation != SLAB_GENERATION_MASK,
           "actor %lx links to a service: a link is to one life of it", pid);
    if (other == pid)
        return 0;
    struct relation *link = find_link(scheduler, kind, index, other);
    if (link && link->word == 0)
        return 0;
    if (!link)
        link = relation_add(scheduler, kind, index, RELATION_LINK, other);
    if (!link)
        return -ENOMEM;
    link->word = 0;
    link->other = other = move_translate(scheduler, other);
    scheduler_send(scheduler,
                   &(struct message){.target = other, .sender = pid, .type = SIGNAL_LINK});
    return 0;
}

void signal_unlink(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t other) {
    struct relation *link = find_link(scheduler, kind, index, other);
    if (!link || link->word != 0)
        return;
    link->word = ++scheduler->unlink_id;
    scheduler_send(scheduler, &(struct message){.target = other,
                                                .sender = scheduler_pid(scheduler, kind, index),
                                                .type = SIGNAL_UNLINK,
                                                .words = {link->word}});
}

uint64_t signal_monitor(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t other) {
    return signal_monitor_tagged(scheduler, kind, index, other, 0);
}

uint64_t signal_monitor_tagged(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                               uint64_t other, uint64_t tag) {
    other = move_translate(scheduler, other);
    struct relation *watch = relation_add(scheduler, kind, index, RELATION_MONITOR, other);
    if (!watch)
        return 0;
    watch->word = tag;
    uint64_t ref = relation_ref(scheduler, watch);
    scheduler_send(scheduler, &(struct message){.target = other,
                                                .sender = scheduler_pid(scheduler, kind, index),
                                                .type = SIGNAL_MONITOR,
                                                .words = {ref}});
    return ref;
}

bool signal_demonitor(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t monitor) {
    struct relation *watch = find_monitor(scheduler, kind, index, monitor);
    if (!watch)
        return false;
    scheduler_send(scheduler, &(struct message){.target = watch->other,
                                                .sender = scheduler_pid(scheduler, kind, index),
                                                .type = SIGNAL_DEMONITOR,
                                                .words = {monitor}});
    relation_remove(scheduler, watch);
    return true;
}

void signal_exit(struct scheduler *scheduler, uint64_t from, uint64_t to, uint32_t reason) {
    scheduler_send(
        scheduler,
        &(struct message){.target = to, .sender = from, .type = SIGNAL_EXIT, .small = reason});
}

// --- what arrives --------------------------------------------------------------------------------

// A signal to an actor that is gone: who tied itself to it learns so.
static void on_dead(struct scheduler *scheduler, const struct message *signal, uint32_t reason) {
    counter_add(scheduler->counters, COUNTER_SIGNALS_TO_DEAD, 1);
    struct message answer = {.target = signal->sender, .sender = signal->target};
    switch (signal->type) {
    case SIGNAL_LINK:
        answer.type = SIGNAL_EXIT;
        answer.flags = SIGNAL_BY_LINK;
        answer.small = reason;
        break;
    case SIGNAL_UNLINK:
        answer.type = SIGNAL_UNLINK_ACK;
        answer.words[0] = signal->words[0];
        break;
    case SIGNAL_MONITOR:
        answer.type = SIGNAL_DOWN;
        answer.small = reason;
        answer.words[0] = signal->words[0];
        break;
    case SIGNAL_REPLY:
    case SIGNAL_CALL_FAILED:
    case SIGNAL_CALL_KEPT:
        server_deliver(scheduler, signal, false);
        return;
    default:
        return;
    }
    scheduler_send(scheduler, &answer);
}

// Into the mailbox, in line with the mail of the one that went.
static void hand_over(struct scheduler *scheduler, const struct message *signal, uint16_t type) {
    struct message message = *signal;
    message.type = type;
    scheduler_send(scheduler, &message);
}

static void on_exit_signal(struct scheduler *scheduler, const struct message *signal) {
    uint8_t kind = pid_kind(signal->target);
    uint32_t index = pid_slot(signal->target).index;
    bool is_by_link = signal->flags & SIGNAL_BY_LINK;
    if (is_by_link) {
        struct relation *link = find_link(scheduler, kind, index, signal->sender);
        if (!link || link->word != 0)
            return;
        relation_remove(scheduler, link);
    }
    bool is_kill = (signal->small == EXIT_KILLED && !is_by_link) || signal->flags & SIGNAL_FORCED;
    if (scheduler->kinds[kind].behaviour->traps_exit && !is_kill)
        hand_over(scheduler, signal, MESSAGE_EXIT);
    else if (signal->small != EXIT_NORMAL || is_kill)
        scheduler_doom(scheduler, kind, index, signal->small);
}

static void on_link(struct scheduler *scheduler, const struct message *signal) {
    uint8_t kind = pid_kind(signal->target);
    uint32_t index = pid_slot(signal->target).index;
    if (find_link(scheduler, kind, index, signal->sender))
        return; // linked, or unlinking: then this is from before
    if (!relation_add(scheduler, kind, index, RELATION_LINK, signal->sender))
        on_dead(scheduler, signal, EXIT_SYSTEM_LIMIT);
}

static void on_unlink(struct scheduler *scheduler, const struct message *signal) {
    struct relation *link = find_link(scheduler, pid_kind(signal->target),
                                      pid_slot(signal->target).index, signal->sender);
    if (link && link->word == 0)
        relation_remove(scheduler, link);
    scheduler_send(scheduler, &(struct message){.target = signal->sender,
                                                .sender = signal->target,
                                                .type = SIGNAL_UNLINK_ACK,
                                                .words = {signal->words[0]}});
}

static void on_unlink_ack(struct scheduler *scheduler, const struct message *signal) {
    struct relation *link = find_link(scheduler, pid_kind(signal->target),
                                      pid_slot(signal->target).index, signal->sender);
    if (link && link->word == signal->words[0])
        relation_remove(scheduler, link);
}

static void on_monitor(struct scheduler *scheduler, const struct message *signal) {
    struct relation *watched =
        relation_add(scheduler, pid_kind(signal->target), pid_slot(signal->target).index,
                     RELATION_MONITORED, signal->sender);
    if (watched)
        watched->word = signal->words[0];
    else
        on_dead(scheduler, signal, EXIT_SYSTEM_LIMIT);
}

static void on_demonitor(struct scheduler *scheduler, const struct message *signal) {
    if (signal->words[1]) {
        server_forget(scheduler, signal);
        return;
    }
    struct relation *watched =
        relation_find_word(scheduler, pid_kind(signal->target), pid_slot(signal->target).index,
                           RELATION_MONITORED, signal->words[0]);
    if (watched)
        relation_remove(scheduler, watched);
}

static void on_down(struct scheduler *scheduler, const struct message *signal) {
    struct relation *watch = find_monitor(scheduler, pid_kind(signal->target),
                                          pid_slot(signal->target).index, signal->words[0]);
    if (!watch)
        return; // demonitored meanwhile
    if (relation_kind(watch) == RELATION_CALL) {
        server_down(scheduler, watch, signal->small);
        return;
    }
    struct message down = *signal;
    down.words[1] = watch->word;
    relation_remove(scheduler, watch);
    hand_over(scheduler, &down, MESSAGE_DOWN);
}

void signal_deliver(struct scheduler *scheduler, const struct message *signal) {
    counter_add(scheduler->counters, COUNTER_SIGNALS, 1);
    uint8_t kind = pid_kind(signal->target);
    const struct actor *actor =
        scheduler->kinds[kind].behaviour ? scheduler_lookup(scheduler, signal->target) : NULL;
    struct message own = *signal;
    if (actor) // not an alias
        own.target = scheduler_pid(scheduler, kind, pid_slot(signal->target).index);
    if (!actor || actor->mailbox_tail == ACTOR_ENDING) {
        on_dead(scheduler, signal, EXIT_NOPROC);
        return;
    }
    switch (own.type) {
    case SIGNAL_EXIT:
        on_exit_signal(scheduler, &own);
        return;
    case SIGNAL_LINK:
        on_link(scheduler, &own);
        return;
    case SIGNAL_UNLINK:
        on_unlink(scheduler, &own);
        return;
    case SIGNAL_UNLINK_ACK:
        on_unlink_ack(scheduler, &own);
        return;
    case SIGNAL_MONITOR:
        on_monitor(scheduler, &own);
        return;
    case SIGNAL_DEMONITOR:
        on_demonitor(scheduler, &own);
        return;
    case SIGNAL_DOWN:
        on_down(scheduler, &own);
        return;
    case SIGNAL_REPLY:
    case SIGNAL_CALL_FAILED:
    case SIGNAL_CALL_KEPT:
        server_deliver(scheduler, &own, true);
        return;
    case SIGNAL_MOVE:
        move_on_signal(scheduler, &own);
        return;
    default:
        CHECKF(false, "actor %lx got signal %u", own.target, own.type);
    }
}

void signal_discarded(struct scheduler *scheduler, const struct message *signal, uint32_t reason) {
    on_dead(scheduler, signal, reason);
}

// --- the end of an actor -------------------------------------------------------------------------

static void tell(struct scheduler *scheduler, const struct relation *relation, uint64_t pid,
                 uint32_t reason) {
    struct message signal = {.target = relation->other, .sender = pid, .small = reason};
    switch (relation_kind(relation)) {
    case RELATION_LINK:
        if (relation->word != 0)
            return; // unlinking
        signal.type = SIGNAL_EXIT;
        signal.flags = SIGNAL_BY_LINK;
        break;
    case RELATION_MONITORED:
        signal.type = SIGNAL_DOWN;
        signal.words[0] = relation->word;
        break;
    case RELATION_MONITOR:
        signal.type = SIGNAL_DEMONITOR;
        signal.words[0] = relation_ref(scheduler, relation);
        break;
    case RELATION_WATCH:
        signal.type = SIGNAL_DEMONITOR;
        signal.words[0] = relation->word;
        break;
    case RELATION_CALL:
        server_caller_ended(scheduler, relation, pid);
        return;
    case RELATION_CHILD:
        signal.type = MESSAGE_CHILD_EXIT;
        signal.words[1] = relation->word;
        break;
    case RELATION_MOVE:
        if (relation->other == PID_NONE) // from here
            scheduler->moving_count--;
        return;
    case RELATION_NAME:
    case RELATION_FORMER:
        return;
    }
    scheduler_send(scheduler, &signal);
}

void signal_ended(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint32_t reason) {
    uint64_t pid = scheduler_pid(scheduler, kind, index);
    for (const struct relation *at = relation_first(scheduler, kind, index); at;
         at = relation_next(scheduler, at))
        tell(scheduler, at, pid, reason);
    // Behind what was told: who knows it by a former pid needs its translation for that.
    struct relation *relation;
    while ((relation = relation_first(scheduler, kind, index))) {
        if (relation_kind(relation) == RELATION_FORMER)
            move_forget(scheduler, relation->word);
        relation_remove(scheduler, relation);
    }
}
