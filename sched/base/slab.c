// A free slot holds {slab_word, next free index}.
#include "sched/base/slab.h"

#include <errno.h>
#include <string.h>

int slab_init(struct slab *slab, struct memory_ledger *ledger, const char *name, uint32_t slot_size,
              uint32_t slots_max) {
    CHECKF(slot_size >= sizeof(struct slab_free_slot) && slot_size % 4 == 0, "slab %s", name);
    *slab = (struct slab){
        .name = name, .slot_size = slot_size, .slots_max = slots_max, .free_head = SLAB_NONE};
    slab->slots = memory_reserve(ledger, name, (size_t)slot_size * slots_max);
    return slab->slots ? 0 : -ENOMEM;
}

// The bytes behind the word.
static void clear(const struct slab *slab, void *slot) {
    memset((uint32_t *)slot + 1, 0, slab->slot_size - sizeof(uint32_t));
}

// A slab whose slots the kernel chooses has no free list, so that each wrong call ends here.
void *slab_acquire_fresh(struct slab *slab, uint32_t *index) {
    CHECKF(!slab->chosen_by_kernel, "slab %s: the kernel chooses its slots", slab->name);
    if (slab->touched_count == slab->slots_max)
        return NULL;
    *index = slab->touched_count++;
    uint32_t *slot = slab_at(slab, *index);
    slab_mark_used(slab, slot, 0);
    return slot;
}

void *slab_acquire(struct slab *slab, uint32_t *index) {
    if (slab->free_head == SLAB_NONE)
        return slab_acquire_fresh(slab, index);
    void *slot = slab_acquire_unfilled(slab, index);
    clear(slab, slot);
    return slot;
}

void *slab_acquire_at(struct slab *slab, uint32_t index) {
    CHECKF(slab->chosen_by_kernel && index < slab->slots_max, "slab %s: slot %u", slab->name,
           index);
    if (index >= slab->touched_count)
        slab->touched_count = index + 1;
    uint32_t *slot = slab_at(slab, index);
    slab_mark_used(slab, slot, 0);
    clear(slab, slot);
    return slot;
}

void slab_retire(struct slab *slab, uint32_t index) {
    CHECKF(!slab->chosen_by_kernel, "slab %s: the kernel chooses its slots", slab->name);
    uint32_t *word = slab_get(slab, index);
    *word = (*word & SLAB_OWNER_MASK) | slab_next_generation(*word);
    slab->used_count--;
    slab->retired_count++;
}

void slab_recycle(struct slab *slab, uint32_t index) {
    struct slab_free_slot *slot = slab_at(slab, index);
    CHECKF(slab->retired_count > 0 && index < slab->touched_count && !(slot->slab_word & SLAB_USED),
           "slab %s: slot %u is not retired", slab->name, index);
    slot->slab_word &= SLAB_GENERATION_MASK;
    slab->retired_count--;
    slot->next = slab->free_head;
    slab->free_head = index;
}

void slab_check_empty(const struct slab *slab) {
    CHECKF(slab->used_count == 0, "slab %s: %u slots in use", slab->name, slab->used_count);
}

void slab_validate(const struct slab *slab) {
    CHECKF(slab->touched_count <= slab->slots_max && slab->used_count <= slab->used_high_water &&
               slab->used_high_water <= slab->touched_count,
           "slab %s: %u used, high water %u, touched %u", slab->name, slab->used_count,
           slab->used_high_water, slab->touched_count);
    uint32_t used = 0;
    for (uint32_t i = 0; i < slab->touched_count; i++)
        used += slab_is_used(slab, i);
    CHECKF(used == slab->used_count, "slab %s: %u slots are marked used, %u counted", slab->name,
           used, slab->used_count);
    if (slab->chosen_by_kernel)
        return;
    uint32_t unused = slab->touched_count - used;
    uint32_t free_count = 0;
    for (uint32_t at = slab->free_head; at != SLAB_NONE; free_count++) {
        const struct slab_free_slot *slot = slab_at(slab, at);
        CHECKF(free_count < unused && at < slab->touched_count && !(slot->slab_word & SLAB_USED),
               "slab %s: free list at slot %u", slab->name, at);
        at = slot->next;
    }
    CHECKF(free_count + slab->retired_count == unused, "slab %s: %u free, %u retired, %u unused",
           slab->name, free_count, slab->retired_count, unused);
}
