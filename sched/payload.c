// A reference is (core + 1) << 32 | block id, so that 0 is none.
#include "sched/payload.h"

struct payload_header {
    _Atomic uint32_t refs;
    uint32_t reserved;
};

static struct blocks *blocks_of(const struct scheduler *scheduler, uint64_t payload) {
    uint32_t core = (uint32_t)(payload >> 32) - 1;
    return core == scheduler->core ? scheduler->blocks : scheduler->mesh->endpoints[core].blocks;
}

static struct payload_header *header_of(const struct scheduler *scheduler, uint64_t payload) {
    CHECK(payload != PAYLOAD_NONE);
    return blocks_at(blocks_of(scheduler, payload), (uint32_t)payload);
}

uint64_t payload_acquire(struct scheduler *scheduler, size_t size) {
    if (size > SIZE_MAX - sizeof(struct payload_header))
        return PAYLOAD_NONE;
    uint32_t id = blocks_acquire(scheduler->blocks, sizeof(struct payload_header) + size);
    if (id == BLOCK_NONE)
        return PAYLOAD_NONE;
    struct payload_header *header = blocks_at(scheduler->blocks, id);
    atomic_init(&header->refs, 1);
    return (uint64_t)(scheduler->core + 1) << 32 | id;
}

void *payload_data(const struct scheduler *scheduler, uint64_t payload) {
    return header_of(scheduler, payload) + 1;
}

void payload_ref(const struct scheduler *scheduler, uint64_t payload, uint32_t count) {
    uint32_t refs = atomic_fetch_add_explicit(&header_of(scheduler, payload)->refs, count,
                                              memory_order_relaxed);
    CHECKF(refs > 0, "payload %lx counted up after its end", payload);
}

void payload_unref(struct scheduler *scheduler, uint64_t payload) {
    struct payload_header *header = header_of(scheduler, payload);
    // A sole holder needs no read-modify-write: nobody else can count up from nothing.
    uint32_t refs = atomic_load_explicit(&header->refs, memory_order_acquire);
    if (refs != 1)
        refs = atomic_fetch_sub_explicit(&header->refs, 1, memory_order_acq_rel);
    CHECKF(refs > 0, "payload %lx released twice", payload);
    if (refs != 1)
        return;
    atomic_store_explicit(&header->refs, 0, memory_order_relaxed);
    struct blocks *blocks = blocks_of(scheduler, payload);
    if (blocks == scheduler->blocks)
        blocks_release(blocks, (uint32_t)payload);
    else
        blocks_release_remote(blocks, (uint32_t)payload);
}
