// Fixed-size slots named by {index, generation}. Address space is reserved for the limit and
// committed on touch; free slots form a list through themselves, last released first reused. A
// stale handle dies at look-up: releasing a slot moves its generation on (never to all ones).
//
// Every slot type begins with `uint32_t slab_word`: generation in bits 0..23, in-use in bit 31;
// bits 24..30 belong to the slot's owner and are cleared by release. The slab owns the word's other
// bits. Owned by one thread. Index 0 is a slot like any other; SLAB_NONE means "no slot".
#ifndef FAIRLEAD_SLAB_H
#define FAIRLEAD_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/base/check.h"
#include "sched/base/memory.h"

#define SLAB_NONE UINT32_MAX
#define SLAB_GENERATION_MASK 0x00ffffffu
#define SLAB_OWNER_MASK 0x7f000000u
#define SLAB_USED 0x80000000u

struct handle {
    uint32_t index;
    uint32_t generation; // 24 bits
};

static inline uint64_t handle_pack(struct handle handle) {
    return (uint64_t)handle.generation << 32 | handle.index;
}

static inline struct handle handle_unpack(uint64_t packed) {
    return (struct handle){(uint32_t)packed, (uint32_t)(packed >> 32)};
}

#define HANDLE_NONE ((struct handle){SLAB_NONE, 0})

struct slab {
    uint8_t *slots;
    const char *name;
    uint32_t slot_size;
    uint32_t slots_max; // inclusive limit of slots in use
    uint32_t used_count;
    uint32_t used_high_water;
    uint32_t touched_count; // slots 0..touched_count-1 were handed out at least once
    uint32_t free_head;
    uint32_t retired_count; // gone from their owner, not yet free (slab_retire)
    bool chosen_by_kernel;  // slab_acquire_at only: no free list is kept
};

// Reserves address space in `ledger`. Returns 0, or -ENOMEM.
MUST_USE int slab_init(struct slab *slab, struct memory_ledger *ledger, const char *name,
                       uint32_t slot_size, uint32_t slots_max);

// A slot with its bytes after slab_word zeroed, or NULL when slots_max are in use.
MUST_USE void *slab_acquire(struct slab *slab, uint32_t *index);

// The same from the slots that were never handed out, which the kernel zeroed. For
// slab_acquire_unfilled alone.
MUST_USE void *slab_acquire_fresh(struct slab *slab, uint32_t *index);

// The same for a slot whose index somebody else chose (the kernel's direct descriptors). The slab
// must have been made for it: chosen_by_kernel set before the first use. The slot must be free.
void *slab_acquire_at(struct slab *slab, uint32_t index);

// The two halves of a release, for a slot that is still linked in a list of its owner's: retire
// ends its use (the handle is dead, it counts as unused, its bytes stay); recycle, once it is
// unlinked, makes it free again. Not for a slab whose slots the kernel chooses.
void slab_retire(struct slab *slab, uint32_t index);
void slab_recycle(struct slab *slab, uint32_t index);

// Every slot in use is released by now; CHECKs with the slab's name otherwise.
void slab_check_empty(const struct slab *slab);

// Every slot is in use, free or retired, and the counts say so. O(touched slots).
void slab_validate(const struct slab *slab);

static inline void *slab_at(const struct slab *slab, uint32_t index) {
    return slab->slots + (size_t)index * slab->slot_size;
}

static inline uint32_t slab_generation(const void *slot) {
    return *(const uint32_t *)slot & SLAB_GENERATION_MASK;
}

static inline bool slab_is_used(const struct slab *slab, uint32_t index) {
    return index < slab->slots_max && (*(const uint32_t *)slab_at(slab, index) & SLAB_USED);
}

// No slot is free: all are in use, or retired and not recycled yet.
static inline bool slab_is_full(const struct slab *slab) {
    return slab->used_count + slab->retired_count >= slab->slots_max;
}

// The slot in use at `index`; CHECKs that it is.
static inline void *slab_get(const struct slab *slab, uint32_t index) {
    CHECKF(slab_is_used(slab, index), "slab %s: slot %u", slab->name, index);
    return slab_at(slab, index);
}

// The slot that the handle names, or NULL when its owner is gone.
static inline void *slab_lookup(const struct slab *slab, struct handle handle) {
    if (handle.index >= slab->slots_max)
        return NULL;
    void *slot = slab_at(slab, handle.index);
    uint32_t word = *(const uint32_t *)slot & (SLAB_GENERATION_MASK | SLAB_USED);
    return word == (handle.generation | SLAB_USED) ? slot : NULL;
}

// What a free slot holds.
struct slab_free_slot {
    uint32_t slab_word;
    uint32_t next; // free index
};

// All ones is no generation: callers use it for names of their own.
static inline uint32_t slab_next_generation(uint32_t word) {
    uint32_t generation = (word + 1) & SLAB_GENERATION_MASK;
    return generation == SLAB_GENERATION_MASK ? 0 : generation;
}

static inline void slab_mark_used(struct slab *slab, uint32_t *word, uint32_t owner_bits) {
    uint32_t before = *word;
    CHECKF(!(before & SLAB_USED), "slab %s: slot taken twice", slab->name);
    *word = before | SLAB_USED | owner_bits;
    if (++slab->used_count > slab->used_high_water)
        slab->used_high_water = slab->used_count;
}

// slab_acquire_unfilled and slab_release where the slots' size is a constant of the caller's, and
// so no multiplication.
MUST_USE static ALWAYS_INLINE void *slab_acquire_sized(struct slab *slab, uint32_t *index,
                                                       uint32_t slot_size, uint32_t owner_bits) {
    uint32_t head = slab->free_head;
    if (UNLIKELY(head == SLAB_NONE)) {
        uint32_t *fresh = (uint32_t *)slab_acquire_fresh(slab, index);
        if (fresh)
            *fresh |= owner_bits;
        return fresh;
    }
    struct slab_free_slot *slot = (struct slab_free_slot *)(slab->slots + (size_t)head * slot_size);
    slab->free_head = slot->next;
    slab_mark_used(slab, &slot->slab_word, owner_bits);
    *index = head;
    return slot;
}

static ALWAYS_INLINE void slab_release_sized(struct slab *slab, uint32_t index,
                                             uint32_t slot_size) {
    struct slab_free_slot *slot =
        (struct slab_free_slot *)(slab->slots + (size_t)index * slot_size);
    CHECKF(index < slab->slots_max && (slot->slab_word & SLAB_USED), "slab %s: slot %u", slab->name,
           index);
    slot->slab_word = slab_next_generation(slot->slab_word);
    slab->used_count--;
    if (UNLIKELY(slab->chosen_by_kernel))
        return;
    slot->next = slab->free_head;
    slab->free_head = index;
}

// As slab_acquire, but the bytes after slab_word are what they were: for a caller that writes them.
MUST_USE static inline void *slab_acquire_unfilled(struct slab *slab, uint32_t *index) {
    return slab_acquire_sized(slab, index, slab->slot_size, 0);
}

static inline void slab_release(struct slab *slab, uint32_t index) {
    slab_release_sized(slab, index, slab->slot_size);
}

static inline struct handle slab_handle(const struct slab *slab, uint32_t index) {
    return (struct handle){index, slab_generation(slab_at(slab, index))};
}

#endif
