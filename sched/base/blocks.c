#include "sched/base/blocks.h"

#include <errno.h>
#include <sys/mman.h>

struct block_header {
    uint32_t slab_word;
    uint32_t next; // free list (slab.c), or the remote list
};

_Static_assert(sizeof(struct block_header) == BLOCK_HEADER_BYTES, "blocks_at skips it");
_Static_assert(offsetof(struct block_huge, next) == offsetof(struct block_header, next),
               "one remote list for both");

#define BLOCK_INDEX_MASK ((1u << BLOCKS_CLASS_SHIFT) - 1)
#define BLOCK_HUGE_BITS ((uint32_t)BLOCKS_CLASS_COUNT << BLOCKS_CLASS_SHIFT)

static size_t class_bytes(uint32_t size_class) {
    return (size_t)BLOCKS_SMALLEST_BYTES << size_class;
}

int blocks_init(struct blocks *blocks, struct memory_ledger *ledger, size_t bytes_max) {
    static const char *const names[BLOCKS_CLASS_COUNT] = {
        "blocks 64",    "blocks 128",   "blocks 256",   "blocks 512",
        "blocks 1 Ki",  "blocks 2 Ki",  "blocks 4 Ki",  "blocks 8 Ki",
        "blocks 16 Ki", "blocks 32 Ki", "blocks 64 Ki", "blocks 128 Ki"};
    CHECKF(bytes_max <= BLOCKS_BYTES_MAX, "blocks of %zu bytes", bytes_max);
    *blocks = (struct blocks){.bytes_max = bytes_max};
    atomic_init(&blocks->remote_head, BLOCK_NONE);
    for (uint32_t size_class = 0; size_class < BLOCKS_CLASS_COUNT; size_class++) {
        size_t slots = bytes_max / class_bytes(size_class) + 1;
        size_t slots_limit = (1u << BLOCKS_CLASS_SHIFT) - 1;
        int result = slab_init(&blocks->classes[size_class], ledger, names[size_class],
                               (uint32_t)class_bytes(size_class),
                               (uint32_t)(slots < slots_limit ? slots : slots_limit));
        if (result < 0)
            return result;
    }
    return slab_init(&blocks->huge, ledger, "blocks huge", sizeof(struct block_huge),
                     BLOCKS_HUGE_MAX);
}

void blocks_fini(struct blocks *blocks) {
    for (uint32_t i = 0; i < blocks->huge.touched_count; i++) {
        if (slab_is_used(&blocks->huge, i))
            blocks_release(blocks, BLOCK_HUGE_BITS | i);
    }
}

static uint32_t class_of(size_t size) {
    size_t need = size + BLOCK_HEADER_BYTES;
    if (need <= BLOCKS_SMALLEST_BYTES)
        return 0;
    return 64u - (uint32_t)__builtin_clzll(need - 1) - 6u; // 64 = 2^6
}

static void account(struct blocks *blocks, size_t bytes) {
    blocks->bytes_used += bytes;
    if (blocks->bytes_used > blocks->bytes_high_water)
        blocks->bytes_high_water = blocks->bytes_used;
}

static uint32_t acquire_huge(struct blocks *blocks, size_t size) {
    uint32_t index;
    size_t bytes = (size + 4095) & ~(size_t)4095;
    if (bytes > blocks->bytes_max - blocks->bytes_used)
        return BLOCK_NONE;
    struct block_huge *huge = slab_acquire(&blocks->huge, &index);
    if (!huge)
        return BLOCK_NONE;
    huge->bytes = bytes;
    huge->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (huge->base == MAP_FAILED) {
        slab_release(&blocks->huge, index);
        return BLOCK_NONE;
    }
    account(blocks, bytes);
    return BLOCK_HUGE_BITS | index;
}

uint32_t blocks_acquire(struct blocks *blocks, size_t size) {
    // First, so that nothing below can overflow on a size that no memory has.
    if (size > blocks->bytes_max)
        return BLOCK_NONE;
    uint32_t size_class = class_of(size);
    if (size_class >= BLOCKS_CLASS_COUNT)
        return acquire_huge(blocks, size);
    if (class_bytes(size_class) > blocks->bytes_max - blocks->bytes_used)
        return BLOCK_NONE;
    uint32_t index;
    if (!slab_acquire_unfilled(&blocks->classes[size_class], &index))
        return BLOCK_NONE;
    account(blocks, class_bytes(size_class));
    return size_class << BLOCKS_CLASS_SHIFT | index;
}

void blocks_release(struct blocks *blocks, uint32_t id) {
    uint32_t size_class = id >> BLOCKS_CLASS_SHIFT;
    uint32_t index = id & BLOCK_INDEX_MASK;
    if (size_class < BLOCKS_CLASS_COUNT) {
        slab_release(&blocks->classes[size_class], index);
        blocks->bytes_used -= class_bytes(size_class);
        return;
    }
    struct block_huge *huge = slab_get(&blocks->huge, index);
    munmap(huge->base, huge->bytes);
    blocks->bytes_used -= huge->bytes;
    slab_release(&blocks->huge, index);
}

static const struct slab *slab_of(const struct blocks *blocks, uint32_t id) {
    uint32_t size_class = id >> BLOCKS_CLASS_SHIFT;
    return size_class < BLOCKS_CLASS_COUNT ? &blocks->classes[size_class] : &blocks->huge;
}

// The link of the remote list: in the block's own header, or in the huge table's slot.
static uint32_t *remote_next(const struct blocks *blocks, uint32_t id) {
    return &((struct block_header *)slab_at(slab_of(blocks, id), id & BLOCK_INDEX_MASK))->next;
}

void blocks_release_remote(struct blocks *blocks, uint32_t id) {
    uint32_t *next = remote_next(blocks, id);
    uint32_t head = atomic_load_explicit(&blocks->remote_head, memory_order_relaxed);
    do {
        *next = head;
    } while (!atomic_compare_exchange_weak_explicit(&blocks->remote_head, &head, id,
                                                    memory_order_release, memory_order_relaxed));
}

void blocks_collect(struct blocks *blocks) {
    if (LIKELY(atomic_load_explicit(&blocks->remote_head, memory_order_relaxed) == BLOCK_NONE))
        return;
    uint32_t id = atomic_exchange_explicit(&blocks->remote_head, BLOCK_NONE, memory_order_acquire);
    while (id != BLOCK_NONE) {
        uint32_t next = *remote_next(blocks, id);
        blocks_release(blocks, id);
        id = next;
    }
}

size_t blocks_capacity(const struct blocks *blocks, uint32_t id) {
    uint32_t size_class = id >> BLOCKS_CLASS_SHIFT;
    uint32_t index = id & BLOCK_INDEX_MASK;
    if (size_class < BLOCKS_CLASS_COUNT)
        return class_bytes(size_class) - BLOCK_HEADER_BYTES;
    return ((struct block_huge *)slab_at(&blocks->huge, index))->bytes;
}

void blocks_check_empty(const struct blocks *blocks) {
    for (uint32_t size_class = 0; size_class < BLOCKS_CLASS_COUNT; size_class++)
        slab_check_empty(&blocks->classes[size_class]);
    slab_check_empty(&blocks->huge);
}

void blocks_validate(const struct blocks *blocks) {
    size_t bytes = 0;
    uint32_t used = blocks->huge.used_count;
    for (uint32_t size_class = 0; size_class < BLOCKS_CLASS_COUNT; size_class++) {
        slab_validate(&blocks->classes[size_class]);
        bytes += blocks->classes[size_class].used_count * class_bytes(size_class);
        used += blocks->classes[size_class].used_count;
    }
    slab_validate(&blocks->huge);
    for (uint32_t i = 0; i < blocks->huge.touched_count; i++) {
        if (slab_is_used(&blocks->huge, i))
            bytes += ((const struct block_huge *)slab_at(&blocks->huge, i))->bytes;
    }
    CHECKF(bytes == blocks->bytes_used && bytes <= blocks->bytes_max &&
               bytes <= blocks->bytes_high_water,
           "blocks: %zu bytes used, %zu counted", blocks->bytes_used, bytes);
    uint32_t id = atomic_load_explicit(&blocks->remote_head, memory_order_acquire);
    for (uint32_t seen = 0; id != BLOCK_NONE; seen++) {
        CHECKF(seen < used, "block %x was released twice by other threads", id);
        CHECKF(slab_is_used(slab_of(blocks, id), id & BLOCK_INDEX_MASK),
               "block %x waits for its owner and is free", id);
        id = *remote_next(blocks, id);
    }
}
