// Levels of topics: nodes of a tree, each found by its parent and the text of its level, in one
// open-addressing table for all of them (linear probing, XXH3 with a secret seed, removal by
// shifting back, as sched/registry). The tree of filters and that of retained names stand on it,
// with nodes of their own size that begin with a struct topic_level.
//
// Node 0 is the root and always there. Memory: the node, an edge of 8 B in a table 3/8 … 3/4 full
// (10.7 … 21.3 B; twice that in a table below 128 KiB), and a block for a text longer than
// TOPIC_LEVEL_INLINE. LIMITATION: doubling
// the table moves every edge in one go (about 5 ms at a million). Owned by the core's thread.
#ifndef FAIRLEAD_TOPIC_LEVELS_H
#define FAIRLEAD_TOPIC_LEVELS_H

#include "sched/base/blocks.h"
#include "sched/base/bytes.h"

#define TOPICS_BYTES_MAX 65535u // of a topic or filter
#define TOPICS_LEVELS_MAX 128u  // of a filter, and of a topic that is matched: refused beyond it

#define TOPIC_LEVEL_INLINE 18u

struct topic_level {
    uint32_t slab_word; // owner bits: TOPIC_LEVEL_LONG and the user's own, from TOPIC_LEVEL_USER on
    uint32_t parent;
    uint32_t hash;     // of the edge that leads here
    uint32_t children; // nodes whose parent this is
    uint16_t text_size;
    uint8_t text[TOPIC_LEVEL_INLINE]; // of a long one: its block's id
};

_Static_assert(sizeof(struct topic_level) == 36, "part of the budget of a subscription");

#define TOPIC_LEVEL_LONG 0x01000000u // true exactly when the text stands in a block
#define TOPIC_LEVEL_USER 0x02000000u

#define TOPIC_ROOT 0u

struct topic_edge {
    uint32_t hash;
    uint32_t node; // 0, the root: empty
};

struct topic_levels {
    struct slab nodes;
    struct blocks *blocks;
    uint64_t seed;
    uint32_t table; // block of `capacity` edges
    uint32_t capacity;
    uint32_t count;
};

// A topic or filter taken apart: views into it.
struct topic_step {
    struct bytes text;
    uint64_t hash;
};

struct topic_path {
    uint32_t count;
    struct topic_step steps[TOPICS_LEVELS_MAX];
};

// Returns 0, or -ENOMEM. `node_size` ≥ sizeof(struct topic_level).
MUST_USE int topic_levels_init(struct topic_levels *levels, struct memory_ledger *ledger,
                               struct blocks *blocks, const char *name, uint32_t node_size,
                               uint32_t nodes_max, uint64_t seed);

// Only the root is left by now.
void topic_levels_fini(struct topic_levels *levels);

struct topic_step topic_levels_step(const struct topic_levels *levels, struct bytes text);

// False: more than TOPICS_LEVELS_MAX levels. "a//b" has an empty level.
MUST_USE bool topic_levels_split(const struct topic_levels *levels, struct bytes topic,
                                 struct topic_path *path);

// The child of that text, or SLAB_NONE.
uint32_t topic_levels_lookup(const struct topic_levels *levels, uint32_t parent,
                             const struct topic_step *step);

// A child that is not there yet, its own part zeroed: its node, or SLAB_NONE when memory is out.
MUST_USE uint32_t topic_levels_insert(struct topic_levels *levels, uint32_t parent,
                                      const struct topic_step *step);

// Removes a node without children.
void topic_levels_remove(struct topic_levels *levels, uint32_t node);

static inline struct topic_level *topic_levels_at(const struct topic_levels *levels,
                                                  uint32_t node) {
    return (struct topic_level *)slab_get(&levels->nodes, node);
}

// Borrowed until the node is removed.
struct bytes topic_levels_text(const struct topic_levels *levels, uint32_t node);

// The topic or filter of a node, from the root on; levels joined by '/'.
void topic_levels_encode(const struct topic_levels *levels, uint32_t node, struct writer *w);

// Every node is found from its parent, children are counted right. O(nodes).
void topic_levels_validate(const struct topic_levels *levels);

#endif
