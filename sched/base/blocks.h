// Memory of varying size for parcels, payloads, member arrays and half-received messages: size
// classes of 64 B · 2^k up to 128 KiB as slabs, larger blocks each from mmap. Named by a 32-bit id,
// so that no pointer need be stored.
//
// Bounded by bytes_max for all classes together. Owned by one thread, which alone acquires and
// releases; another thread that holds the last reference to a shared payload gives it back by
// blocks_release_remote, the owner collects those at the start of a turn. That list is the only
// atomic here.
//
// Each block starts with an 8-byte header of this module's; blocks_at skips it. Alignment 8.
#ifndef FAIRLEAD_BLOCKS_H
#define FAIRLEAD_BLOCKS_H

#include <stdatomic.h>

#include "sched/base/slab.h"

#define BLOCKS_CLASS_COUNT 12 // 64 B … 128 KiB
#define BLOCKS_SMALLEST_BYTES 64
#define BLOCKS_HUGE_MAX 4096 // blocks beyond the largest class, at once
#define BLOCK_NONE UINT32_MAX
#define BLOCK_HEADER_BYTES 8
#define BLOCKS_CLASS_SHIFT 28
#define BLOCKS_BYTES_MAX ((size_t)1 << 42) // each class reserves so much address space

struct block_huge {
    uint32_t slab_word;
    uint32_t next; // free list, as in slab.c
    void *base;
    size_t bytes;
};

struct blocks {
    struct slab classes[BLOCKS_CLASS_COUNT];
    struct slab huge;
    size_t bytes_max;
    size_t bytes_used; // class sizes, not what was asked for
    size_t bytes_high_water;
    _Atomic uint32_t remote_head; // ids given back by other threads
};

// Reserves address space in `ledger`. Returns 0, or -ENOMEM.
MUST_USE int blocks_init(struct blocks *blocks, struct memory_ledger *ledger, size_t bytes_max);

// Frees what mmap gave for huge blocks (tests assert that none is left before).
void blocks_fini(struct blocks *blocks);

// Room for `size` bytes (uninitialised), or BLOCK_NONE when the budget or the host is out of
// memory.
MUST_USE uint32_t blocks_acquire(struct blocks *blocks, size_t size);

void blocks_release(struct blocks *blocks, uint32_t id);

// Any thread: the owner's next blocks_collect releases it.
void blocks_release_remote(struct blocks *blocks, uint32_t id);

// Owner: takes in what other threads gave back.
void blocks_collect(struct blocks *blocks);

// Bytes usable in this block (at least what was asked for).
size_t blocks_capacity(const struct blocks *blocks, uint32_t id);

// Readable from any thread that holds a reference to the block.
static inline void *blocks_at(const struct blocks *blocks, uint32_t id) {
    uint32_t size_class = id >> BLOCKS_CLASS_SHIFT;
    uint32_t index = id & ((1u << BLOCKS_CLASS_SHIFT) - 1);
    if (UNLIKELY(size_class >= BLOCKS_CLASS_COUNT))
        return ((struct block_huge *)slab_at(&blocks->huge, index))->base;
    return (uint8_t *)slab_at(&blocks->classes[size_class], index) + BLOCK_HEADER_BYTES;
}

void blocks_check_empty(const struct blocks *blocks);

// Slabs, budget and remote list agree. Owner, while no other thread releases; tests and debug
// builds.
void blocks_validate(const struct blocks *blocks);

#endif
