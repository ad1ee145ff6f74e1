#include "sched/fsm.h"

#include <errno.h>

#include "sched/mailbox.h"
#include "sched/timed.h"

static struct fsm *fsm_of(void *state) {
    return (struct fsm *)((struct actor *)state + 1);
}

static const struct fsm_behaviour *behaviour_of(const struct fsm_context *context,
                                                const struct fsm *fsm) {
    return (const struct fsm_behaviour *)context->scheduler->kinds[fsm->kind].behaviour;
}

// --- kept events ---------------------------------------------------------------------------------

static struct message *kept_at(const struct fsm_context *context, uint32_t index) {
    return slab_at(&context->kept, index);
}

static void push(struct fsm_context *context, uint32_t *tail, uint32_t index) {
    struct message *cell = kept_at(context, index);
    if (*tail == SLAB_NONE) {
        cell->next = index;
    } else {
        struct message *newest = kept_at(context, *tail);
        cell->next = newest->next;
        newest->next = index;
    }
    *tail = index;
}

// Takes the oldest out; the caller releases it.
static uint32_t pop(struct fsm_context *context, uint32_t *tail) {
    struct message *newest = kept_at(context, *tail);
    uint32_t index = newest->next;
    if (index == *tail)
        *tail = SLAB_NONE;
    else
        newest->next = kept_at(context, index)->next;
    return index;
}

// Postponed ones are older than those still to be tried again: they go before them.
static void try_all_again(struct fsm_context *context, struct fsm *fsm) {
    if (fsm->postponed_tail == SLAB_NONE)
        return;
    if (fsm->again_tail == SLAB_NONE) {
        fsm->again_tail = fsm->postponed_tail;
    } else {
        struct message *postponed = kept_at(context, fsm->postponed_tail);
        struct message *again = kept_at(context, fsm->again_tail);
        uint32_t oldest = postponed->next;
        postponed->next = again->next;
        again->next = oldest;
    }
    fsm->postponed_tail = SLAB_NONE;
}

static void discard_all(struct fsm_context *context, uint32_t *tail, uint32_t reason) {
    while (*tail != SLAB_NONE) {
        uint32_t index = pop(context, tail);
        mailbox_discard(context->scheduler, kept_at(context, index), reason);
        slab_release(&context->kept, index);
    }
}

static struct message *keep(struct fsm_context *context, struct fsm *fsm, uint32_t *tail,
                            const struct message *event) {
    uint32_t index;
    struct message *cell = slab_acquire(&context->kept, &index);
    if (!cell)
        return NULL;
    uint32_t word = cell->slab_word;
    *cell = *event;
    cell->slab_word = word;
    push(context, tail, index);
    fsm->kept_count++;
    return cell;
}

// No room for one more. True: now there is; false: the event was discarded, or the machine ended.
COLD static bool make_room(struct fsm_context *context, struct fsm *fsm, uint32_t index,
                           const struct message *event) {
    struct scheduler *scheduler = context->scheduler;
    enum mailbox_policy policy = behaviour_of(context, fsm)->behaviour.mailbox_policy;
    counter_add(scheduler->counters, COUNTER_POSTPONED_OUT, 1);
    if (policy == MAILBOX_DROP_OLDEST && fsm->postponed_tail != SLAB_NONE) {
        uint32_t oldest = pop(context, &fsm->postponed_tail);
        fsm->kept_count--;
        mailbox_discard(scheduler, kept_at(context, oldest), EXIT_BUDGET);
        slab_release(&context->kept, oldest);
        return true;
    }
    mailbox_discard(scheduler, event, EXIT_BUDGET);
    if (policy == MAILBOX_DECLINE || policy == MAILBOX_EXIT)
        scheduler_exit(scheduler, fsm->kind, index, EXIT_BUDGET);
    return false;
}

// Keeps a copy. NULL: it found no room, and the policy has dealt with it.
static struct message *keep_within_bounds(struct fsm_context *context, struct fsm *fsm,
                                          uint32_t index, uint32_t *tail,
                                          const struct message *event) {
    bool has_room = fsm->kept_count < behaviour_of(context, fsm)->postponed_max &&
                    context->kept.used_count < context->kept.slots_max;
    if (UNLIKELY(!has_room) && !make_room(context, fsm, index, event))
        return NULL;
    return keep(context, fsm, tail, event);
}

// --- timeouts ------------------------------------------------------------------------------------

static uint64_t pid_of_slot(const struct fsm_context *context, const struct fsm *fsm,
                            uint32_t index) {
    return scheduler_pid(context->scheduler, fsm->kind, index);
}

static void cancel(struct fsm_context *context, struct fsm *fsm, uint32_t index,
                   enum fsm_timeout which) {
    uint32_t at = which - 1u;
    if (fsm->serials[at] == 0)
        return;
    uint64_t remaining_ns;
    (void)timed_cancel(context->scheduler, pid_of_slot(context, fsm, index), fsm->timed[at],
                       &remaining_ns);
    fsm->serials[at] = 0;
}

int fsm_set_timeout(void *context_of_kind, void *state, uint32_t index, enum fsm_timeout which,
                    uint64_t delay_ns) {
    struct fsm_context *context = context_of_kind;
    struct fsm *fsm = fsm_of(state);
    cancel(context, fsm, index, which);
    if (delay_ns == FSM_INFINITY)
        return 0;
    uint32_t serial = fsm->serial + 1 ? fsm->serial + 1 : 1;
    uint64_t pid = pid_of_slot(context, fsm, index);
    const struct message timeout = {.target = pid,
                                    .sender = pid,
                                    .type = MESSAGE_TIMEOUT,
                                    .flags = (uint16_t)which,
                                    .words = {serial}};
    uint64_t timed = timed_send_after(context->scheduler, &timeout, delay_ns, 0);
    if (!timed)
        return -ENOMEM;
    fsm->serial = serial;
    fsm->serials[which - 1u] = serial;
    fsm->timed[which - 1u] = timed;
    return 0;
}

// False: it was cancelled after it had run out. words[0] is 0 in one that was postponed.
static bool is_due(struct fsm *fsm, const struct message *event) {
    if (event->type != MESSAGE_TIMEOUT || event->words[0] == 0)
        return true;
    uint32_t at = event->flags - 1u;
    if (fsm->serials[at] != event->words[0])
        return false;
    fsm->serials[at] = 0;
    return true;
}

// --- the machine ---------------------------------------------------------------------------------

static void change(struct fsm_context *context, struct fsm *fsm, void *state, uint32_t index,
                   uint8_t next) {
    const struct fsm_behaviour *behaviour = behaviour_of(context, fsm);
    uint8_t from = fsm->state;
    if (next == from)
        return;
    CHECKF(next < behaviour->state_count && behaviour->states[from].next >> next & 1,
           "actor %lx (%s) goes from %s to state %u", pid_of_slot(context, fsm, index),
           behaviour->behaviour.name, behaviour->states[from].name, next);
    cancel(context, fsm, index, FSM_STATE_TIMEOUT);
    fsm->state = next;
    try_all_again(context, fsm);
    if (behaviour->states[next].enter)
        behaviour->states[next].enter(context, state, index, from);
}

// False: the actor has ended.
static bool handle_event(struct fsm_context *context, struct fsm *fsm, void *state, uint32_t index,
                         const struct message *event) {
    struct scheduler *scheduler = context->scheduler;
    if (!is_due(fsm, event))
        return true;
    cancel(context, fsm, index, FSM_EVENT_TIMEOUT);
    uint64_t pid = pid_of_slot(context, fsm, index);
    struct fsm_action action =
        behaviour_of(context, fsm)->states[fsm->state].handle(context, state, index, event);
    if (scheduler_lookup(scheduler, pid) != state)
        return false;
    if (action.is_postponed) {
        struct message *cell = keep_within_bounds(context, fsm, index, &fsm->postponed_tail, event);
        if (cell && cell->type == MESSAGE_TIMEOUT)
            cell->words[0] = 0;
        if (!cell && scheduler_lookup(scheduler, pid) != state)
            return false;
    }
    switch ((enum fsm_verb)action.verb) {
    case FSM_KEEP:
        return true;
    case FSM_NEXT:
        change(context, fsm, state, index, action.next);
        return scheduler_lookup(scheduler, pid) == state;
    case FSM_STOP:
        scheduler_exit(scheduler, fsm->kind, index, action.reason);
        return false;
    }
    UNREACHABLE();
}

static bool is_doomed(const void *state) {
    return ((const struct actor *)state)->slab_word & ACTOR_STOPPED;
}

// Those to be tried again, while reductions last.
static void try_again(struct fsm_context *context, struct fsm *fsm, void *state, uint32_t index) {
    struct scheduler *scheduler = context->scheduler;
    while (fsm->again_tail != SLAB_NONE) {
        if (scheduler->reductions_left == 0 || is_doomed(state)) {
            scheduler_continue(scheduler, fsm->kind, index);
            return;
        }
        scheduler_consume(scheduler, 1);
        uint32_t at = pop(context, &fsm->again_tail);
        struct message event = *kept_at(context, at);
        slab_release(&context->kept, at);
        fsm->kept_count--;
        if (!handle_event(context, fsm, state, index, &event))
            return;
    }
}

void fsm_handle(void *context_of_kind, void *state, uint32_t index, const struct message *message) {
    struct fsm_context *context = context_of_kind;
    struct fsm *fsm = fsm_of(state);
    if (UNLIKELY(message->type == MESSAGE_CONTINUE)) {
        // Ours: some are to be tried again, or were, meanwhile.
    } else if (UNLIKELY(fsm->again_tail != SLAB_NONE)) {
        uint64_t pid = pid_of_slot(context, fsm, index);
        (void)keep_within_bounds(context, fsm, index, &fsm->again_tail, message);
        if (scheduler_lookup(context->scheduler, pid) != state)
            return;
    } else if (!handle_event(context, fsm, state, index, message)) {
        return;
    }
    if (UNLIKELY(fsm->again_tail != SLAB_NONE))
        try_again(context, fsm, state, index);
}

int fsm_context_init(struct fsm_context *context, struct scheduler *scheduler, uint32_t kept_max) {
    context->scheduler = scheduler;
    return slab_init(&context->kept, scheduler->ledger, "postponed events", sizeof(struct message),
                     kept_max);
}

int fsm_init(void *context_of_kind, void *state, uint32_t index, const void *argument) {
    struct fsm_context *context = context_of_kind;
    struct fsm *fsm = fsm_of(state);
    *fsm = (struct fsm){.kind = (uint8_t)(context->scheduler->starting >> 28),
                        .postponed_tail = SLAB_NONE,
                        .again_tail = SLAB_NONE};
    const struct fsm_behaviour *behaviour = behaviour_of(context, fsm);
    fsm->state = behaviour->initial;
    int result = behaviour->init ? behaviour->init(context, state, index, argument) : 0;
    if (result == 0 && behaviour->states[fsm->state].enter)
        behaviour->states[fsm->state].enter(context, state, index, FSM_NONE);
    return result;
}

void fsm_terminate(void *context_of_kind, void *state, uint32_t index, enum exit_reason reason) {
    struct fsm_context *context = context_of_kind;
    struct fsm *fsm = fsm_of(state);
    const struct fsm_behaviour *behaviour = behaviour_of(context, fsm);
    if (behaviour->terminate)
        behaviour->terminate(context, state, index, reason);
    discard_all(context, &fsm->again_tail, reason);
    discard_all(context, &fsm->postponed_tail, reason);
    fsm->kept_count = 0;
}

static uint32_t count(const struct fsm_context *context, uint32_t tail) {
    if (tail == SLAB_NONE)
        return 0;
    uint32_t found = 1;
    for (uint32_t at = kept_at(context, tail)->next; at != tail; at = kept_at(context, at)->next) {
        CHECKF(slab_is_used(&context->kept, at), "kept event %u", at);
        found++;
    }
    return found;
}

void fsm_validate(const struct fsm_context *context, const void *state) {
    const struct fsm *fsm = (const struct fsm *)((const struct actor *)state + 1);
    slab_validate(&context->kept);
    uint32_t found = count(context, fsm->postponed_tail) + count(context, fsm->again_tail);
    CHECKF(found == fsm->kept_count, "%u events kept, %u counted", found, fsm->kept_count);
}
