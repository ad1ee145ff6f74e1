#include "sched/mailbox.h"

#include "sched/server.h"
#include "sched/signal.h"

void mailbox_discard(struct scheduler *scheduler, const struct message *message, uint32_t reason) {
    const struct scheduler_kind *kind = &scheduler->kinds[pid_kind(message->target)];
    if (UNLIKELY(message_is_signal(message))) { // it waited for one that was frozen
        signal_discarded(scheduler, message, reason);
        return;
    }
    counter_add(scheduler->counters, COUNTER_MESSAGES_TO_DEAD, 1);
    if (kind->behaviour && kind->behaviour->discard)
        kind->behaviour->discard(kind->context, message);
    if (UNLIKELY(message->type == MESSAGE_CALL))
        server_discarded(scheduler, message, reason);
}

void mailbox_clear(struct scheduler *scheduler, struct actor *actor, uint32_t reason) {
    while (actor->mailbox_tail != SLAB_NONE) {
        uint32_t index;
        mailbox_discard(scheduler, mailbox_pop(scheduler, actor, &index), reason);
        slab_release(&scheduler->cells, index);
    }
}

bool mailbox_drop_oldest(struct scheduler *scheduler, struct actor *actor) {
    if (actor->mailbox_tail == SLAB_NONE)
        return false;
    uint32_t previous = actor->mailbox_tail;
    for (uint32_t i = 0; i < actor->mailbox_count; i++) {
        struct message *before = slab_at(&scheduler->cells, previous);
        uint32_t index = before->next;
        struct message *cell = slab_at(&scheduler->cells, index);
        if (!(cell->slab_word & MESSAGE_CELL_CONTROL)) {
            before->next = cell->next;
            if (index == actor->mailbox_tail)
                actor->mailbox_tail = index == previous ? SLAB_NONE : previous;
            actor->mailbox_count--;
            mailbox_discard(scheduler, cell, EXIT_BUDGET);
            slab_release(&scheduler->cells, index);
            return true;
        }
        previous = index;
    }
    return false;
}

void mailbox_validate(const struct scheduler *scheduler, const struct actor *actor, uint64_t pid) {
    uint32_t at = actor->mailbox_tail;
    for (uint32_t i = 0; i < actor->mailbox_count; i++) {
        const struct message *cell = slab_get(&scheduler->cells, at);
        CHECKF(cell->target == pid, "mail for %lx in the mailbox of %lx", cell->target, pid);
        at = cell->next;
    }
    CHECKF(at == actor->mailbox_tail && (actor->mailbox_count > 0) == (at != SLAB_NONE),
           "mailbox of %lx: %u cells counted", pid, actor->mailbox_count);
}
