// Who is subscribed to one filter: a dense array of 8-byte entries. One stands in the head itself,
// more in a block that doubles (7 in 64 B, so 8 … 18 B each).
//
//   not pinned: removal moves the last entry into the hole (on_moved is told)
//   pinned by a walk (fanout.h): positions stay; removal leaves a hole (key SLAB_NONE), what is
//   added comes at the end, beyond what the walk will see; the last unpin closes the holes
// Holes are bounded: topic_entries_is_cluttered, then nothing is to be added until walks are over.
// Owned by the core's thread.
#ifndef FAIRLEAD_TOPIC_ENTRIES_H
#define FAIRLEAD_TOPIC_ENTRIES_H

#include "sched/base/blocks.h"

struct topic_entry {
    uint32_t key;  // subscription, SLAB_NONE: a hole
    uint32_t data; // its address
};

struct topic_entries {
    union {
        struct topic_entry one;
        struct {
            uint32_t block;
            uint32_t length; // holes included
        } many;
    };
    uint32_t count; // holes apart
    uint16_t pins;
    uint16_t shape; // enum topic_entries_shape
};

_Static_assert(sizeof(struct topic_entries) == 16, "part of the budget of a subscription");

enum topic_entries_shape {
    TOPIC_ENTRIES_NONE, // all zeroes
    TOPIC_ENTRIES_ONE,
    TOPIC_ENTRIES_MANY,
};

#define TOPIC_ENTRIES_HOLES_MAX 1024u // more only with as many entries

// Where an entry of `key` stands now.
typedef void topic_entries_moved(void *context, uint32_t key, uint32_t position);

struct topic_entries_owner {
    struct blocks *blocks;
    topic_entries_moved *on_moved;
    void *context;
};

// False: memory is out.
MUST_USE bool topic_entries_add(const struct topic_entries_owner *owner,
                                struct topic_entries *entries, struct topic_entry entry,
                                uint32_t *position);
void topic_entries_remove(const struct topic_entries_owner *owner, struct topic_entries *entries,
                          uint32_t position);

// At most UINT16_MAX pins.
void topic_entries_pin(struct topic_entries *entries);
void topic_entries_unpin(const struct topic_entries_owner *owner, struct topic_entries *entries);

static inline uint32_t topic_entries_length(const struct topic_entries *entries) {
    if (entries->shape == TOPIC_ENTRIES_MANY)
        return entries->many.length;
    return entries->shape == TOPIC_ENTRIES_ONE;
}

// topic_entries_length of them, until the next add, remove or unpin.
static inline struct topic_entry *topic_entries_data(const struct blocks *blocks,
                                                     struct topic_entries *entries) {
    if (entries->shape == TOPIC_ENTRIES_MANY)
        return (struct topic_entry *)blocks_at(blocks, entries->many.block);
    return &entries->one;
}

static inline bool topic_entries_is_cluttered(const struct topic_entries *entries) {
    uint32_t holes = topic_entries_length(entries) - entries->count;
    return holes > TOPIC_ENTRIES_HOLES_MAX && holes > entries->count;
}

#endif
