// Parcel: immutable encoded bytes for sending, counted on its own core, in a block. A room message
// is encoded once per wire protocol and core and shared by all its members there; a batch parcel
// holds several.
//
// Made by parcel_acquire with one reference, which its maker owns; parcel_ref for each further
// holder; parcel_unref gives one back. `size` bytes are readable at parcel_data once the maker has
// written them. Owner: the core that made it; never crosses cores.
#ifndef FAIRLEAD_PARCEL_H
#define FAIRLEAD_PARCEL_H

#include "sched/base/blocks.h"

enum parcel_class {
    PARCEL_CONTROL, // replies, pongs, closes: own budget, never dropped
    PARCEL_ROOM,    // room messages: budgeted, may be dropped with a gap
    PARCEL_STATE,   // presence: never queued twice, never in a gap (counted in the control budget)
    PARCEL_WHISPER, // dropped when over budget, without a gap; not in the audit
};

struct parcel {
    uint32_t refs;
    uint32_t size;          // bytes
    uint32_t room;          // leaf index on this core, to tell a gap; SLAB_NONE: none is told
    uint32_t message_count; // room messages inside: sequence numbers sequence_from … + count - 1
    uint64_t sequence_from;
    uint8_t class;           // enum parcel_class
    uint8_t close_when_over; // room policy `close` instead of drop_oldest
    uint8_t is_moved;        // never dropped: it came from another core, or has an acknowledgement
    uint8_t reserved[5];
    uint8_t data[];
};

_Static_assert(sizeof(struct parcel) == 32, "32 B before the bytes; a 64 B block leaves 24");

static inline struct parcel *parcel_at(const struct blocks *blocks, uint32_t id) {
    return (struct parcel *)blocks_at(blocks, id);
}

// A parcel with room for `size` bytes, one reference, size set; BLOCK_NONE when memory is out.
MUST_USE static inline uint32_t parcel_acquire(struct blocks *blocks, size_t size,
                                               enum parcel_class class) {
    CHECKF(size <= UINT32_MAX - sizeof(struct parcel), "parcel of %zu bytes", size);
    uint32_t id = blocks_acquire(blocks, sizeof(struct parcel) + size);
    if (id != BLOCK_NONE)
        *parcel_at(blocks, id) = (struct parcel){
            .refs = 1, .size = (uint32_t)size, .room = SLAB_NONE, .class = (uint8_t) class};
    return id;
}

static inline void parcel_ref(struct blocks *blocks, uint32_t id) {
    parcel_at(blocks, id)->refs++;
}

static inline void parcel_unref(struct blocks *blocks, uint32_t id) {
    struct parcel *parcel = parcel_at(blocks, id);
    CHECKF(parcel->refs > 0, "parcel %u released twice", id);
    if (--parcel->refs == 0)
        blocks_release(blocks, id);
}

#endif
