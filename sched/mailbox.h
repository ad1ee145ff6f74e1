// Mailbox: a circular list of cells, the actor holds the newest. What a scheduler's actors have
// waiting shares one slab of cells per core; of cells_max all but the last eighth is for anyone's
// mail, the rest for control messages, whose number is bounded by what exists (members, rooms,
// publishes under way). As many more as the core may have ties are there for what those lead to
// when all that is watched or linked ends in one moment. So control messages always find one.
//
// Owned by the core's thread.
#ifndef FAIRLEAD_MAILBOX_H
#define FAIRLEAD_MAILBOX_H

#include "sched/scheduler.h"

#include <string.h>

// A cell for a message of this class is free.
static inline bool mailbox_has_cell(const struct scheduler *scheduler, enum mesh_class type) {
    const struct slab *cells = &scheduler->cells;
    uint32_t max = scheduler->cells_max;
    return cells->used_count < (type == MESH_CONTROL ? cells->slots_max : max - max / 8);
}

// slab_at for cells: their size is no variable.
static inline struct message *mailbox_at(const struct scheduler *scheduler, uint32_t index) {
    return (struct message *)scheduler->cells.slots + index;
}

// A cell with a copy of the message from its target on; one is free.
static inline struct message *mailbox_cell(struct scheduler *scheduler,
                                           const struct message *message, enum mesh_class type,
                                           uint32_t *index) {
    struct message *cell = slab_acquire_sized(&scheduler->cells, index, sizeof(*cell),
                                              type == MESH_CONTROL ? MESSAGE_CELL_CONTROL : 0);
    CHECKF(cell, "core %u: no message cell", scheduler->core);
    memcpy(&cell->target, &message->target, sizeof(*cell) - offsetof(struct message, target));
    return cell;
}

// Puts a copy behind the newest; a cell is free.
static inline struct message *mailbox_push(struct scheduler *scheduler, struct actor *actor,
                                           const struct message *message, enum mesh_class type) {
    uint32_t index;
    uint32_t tail = actor->mailbox_tail;
    struct message *cell = mailbox_cell(scheduler, message, type, &index);
    if (LIKELY(tail == SLAB_NONE)) {
        cell->next = index;
    } else {
        struct message *newest = mailbox_at(scheduler, tail);
        cell->next = newest->next;
        newest->next = index;
    }
    actor->mailbox_tail = index;
    actor->mailbox_word++; // the count, which does not overflow
    return cell;
}

static inline void mailbox_release(struct scheduler *scheduler, uint32_t index) {
    slab_release_sized(&scheduler->cells, index, sizeof(struct message));
}

// Takes the oldest cell out; the caller releases it (mailbox_release).
static inline struct message *mailbox_pop(struct scheduler *scheduler, struct actor *actor,
                                          uint32_t *index) {
    struct message *newest = mailbox_at(scheduler, actor->mailbox_tail);
    *index = newest->next;
    struct message *oldest = mailbox_at(scheduler, *index);
    if (LIKELY(oldest == newest))
        actor->mailbox_tail = SLAB_NONE;
    else
        newest->next = oldest->next;
    actor->mailbox_word--;
    return oldest;
}

// Discards the oldest message that is no control message; false: there is none. Walks over those
// that are, which are few.
MUST_USE bool mailbox_drop_oldest(struct scheduler *scheduler, struct actor *actor);

// Gives back what a message holds that nobody takes: counted as one to the dead. Who waits for an
// answer to it is told the reason.
void mailbox_discard(struct scheduler *scheduler, const struct message *message, uint32_t reason);

// Discards all of it; it is empty then.
void mailbox_clear(struct scheduler *scheduler, struct actor *actor, uint32_t reason);

// Its cells are in use, addressed to `pid`, and as many as counted.
void mailbox_validate(const struct scheduler *scheduler, const struct actor *actor, uint64_t pid);

#endif
