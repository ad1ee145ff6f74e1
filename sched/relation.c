#include "sched/relation.h"

static uint32_t *head_of(const struct scheduler *scheduler, const struct relation *relation) {
    return &scheduler->kinds[relation_owner_kind(relation)]
                .relations[relation_owner_index(relation)];
}

static uint32_t index_of(const struct scheduler *scheduler, const struct relation *relation) {
    return (uint32_t)(relation - (const struct relation *)scheduler->relations.slots);
}

static struct relation *relation_slot(const struct scheduler *scheduler, uint32_t index) {
    return slab_at(&scheduler->relations, index);
}

struct relation *relation_add(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                              enum relation_kind type, uint64_t other) {
    uint32_t at;
    struct relation *relation = slab_acquire(&scheduler->relations, &at);
    if (!relation) {
        counter_add(scheduler->counters, COUNTER_RELATIONS_OUT, 1);
        return NULL;
    }
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    actor->slab_word |= ACTOR_RELATED;
    relation->slab_word |= (uint32_t)type << 24;
    relation->owner = actor_run_id(kind, index);
    relation->other = other;
    relation->previous = SLAB_NONE;
    uint32_t *head = head_of(scheduler, relation);
    relation->next = *head - 1; // 0, none, becomes SLAB_NONE
    if (relation->next != SLAB_NONE)
        relation_slot(scheduler, relation->next)->previous = at;
    *head = at + 1;
    return relation;
}

void relation_remove(struct scheduler *scheduler, struct relation *relation) {
    if (relation->next != SLAB_NONE)
        relation_slot(scheduler, relation->next)->previous = relation->previous;
    if (relation->previous != SLAB_NONE)
        relation_slot(scheduler, relation->previous)->next = relation->next;
    else
        *head_of(scheduler, relation) = relation->next + 1;
    slab_release(&scheduler->relations, index_of(scheduler, relation));
}

struct relation *relation_first(const struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    uint32_t head = scheduler->kinds[kind].relations[index];
    return head ? relation_slot(scheduler, head - 1) : NULL;
}

struct relation *relation_next(const struct scheduler *scheduler, const struct relation *relation) {
    return relation->next != SLAB_NONE ? relation_slot(scheduler, relation->next) : NULL;
}

struct relation *relation_find(const struct scheduler *scheduler, uint8_t kind, uint32_t index,
                               enum relation_kind type, uint64_t other) {
    struct relation *relation = relation_first(scheduler, kind, index);
    while (relation && !(relation_kind(relation) == type && relation->other == other))
        relation = relation_next(scheduler, relation);
    return relation;
}

struct relation *relation_find_word(const struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                    enum relation_kind type, uint64_t word) {
    struct relation *relation = relation_first(scheduler, kind, index);
    while (relation && !(relation_kind(relation) == type && relation->word == word))
        relation = relation_next(scheduler, relation);
    return relation;
}

uint64_t relation_ref(const struct scheduler *scheduler, const struct relation *relation) {
    // The core is one more than it is, so that no name is 0.
    return pid_of((uint8_t)(scheduler->core + 1), 0,
                  slab_handle(&scheduler->relations, index_of(scheduler, relation)));
}

struct relation *relation_at(const struct scheduler *scheduler, uint64_t ref) {
    if (pid_core(ref) != scheduler->core + 1)
        return NULL;
    return slab_lookup(&scheduler->relations, pid_slot(ref));
}

void relation_validate(const struct scheduler *scheduler) {
    slab_validate(&scheduler->relations);
    uint32_t listed = 0;
    for (uint8_t kind = 1; kind < ACTOR_KINDS_MAX; kind++) {
        const struct scheduler_kind *actors = &scheduler->kinds[kind];
        if (!actors->behaviour || scheduler->relations.touched_count == 0)
            continue;
        for (uint32_t i = 0; i < actors->slab.touched_count; i++) {
            const struct actor *actor = slab_at(&actors->slab, i);
            bool is_related = actor->slab_word & ACTOR_RELATED;
            CHECKF(is_related || actors->relations[i] == 0, "%s %u has ties that it does not know",
                   actors->behaviour->name, i);
            uint32_t previous = SLAB_NONE;
            for (const struct relation *at = relation_first(scheduler, kind, i); at;
                 at = relation_next(scheduler, at)) {
                CHECKF(slab_is_used(&scheduler->relations, index_of(scheduler, at)) &&
                           at->owner == actor_run_id(kind, i) && at->previous == previous,
                       "a tie of %s %u", actors->behaviour->name, i);
                previous = index_of(scheduler, at);
                listed++;
            }
        }
    }
    CHECKF(listed == scheduler->relations.used_count, "%u ties in use, %u listed",
           scheduler->relations.used_count, listed);
}
