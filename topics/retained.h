// Retained messages of the topics that this core owns: a tree of their names, so that a filter's
// walk sees only the part that may match.
//
// A walk (struct retained_walk) goes on over many turns; the node where it stands is pinned, so
// that what is stored, replaced and removed meanwhile does not matter to it: a message that is
// there from the walk's begin to its end is found exactly once.
//
// Bounds: messages_max, bytes_max (topics, bodies, properties). 64 B a node, an edge
// (topic_levels.h) and the payload. Expired ones are removed when a walk meets them, and by
// retained_sweep, a few at each turn. Owned by the core's thread.
#ifndef FAIRLEAD_RETAINED_H
#define FAIRLEAD_RETAINED_H

#include "sched/payload.h"
#include "topics/topic_levels.h"
#include "topics/topic_message.h"

struct retained_node {
    struct topic_level level;
    uint32_t first_child; // SLAB_NONE
    uint64_t payload;     // PAYLOAD_NONE: only a part of names
    uint32_t next;        // of the same parent, SLAB_NONE
    uint32_t before;
    uint32_t size; // of the message, in bytes_max
    uint32_t pins; // walks that stand here
};

_Static_assert(sizeof(struct retained_node) == 64, "as the header says");

struct retained {
    struct topic_levels levels;
    struct scheduler *scheduler;
    uint32_t messages_max; // may be lowered below what there is: then nothing is added
    size_t bytes_max;
    uint32_t count;
    size_t bytes;
    uint32_t expiring_count; // of them have an end
    uint32_t sweep;          // node where retained_sweep goes on
};

struct retained_config {
    uint32_t messages_max;
    size_t bytes_max;
    uint32_t nodes_max;
    uint64_t seed;
};

// Returns 0, or -ENOMEM.
MUST_USE int retained_init(struct retained *retained, const struct retained_config *config,
                           struct scheduler *scheduler, struct memory_ledger *ledger);

// Gives all messages back; no walk is under way.
void retained_fini(struct retained *retained);

// Keeps a message (taking a count of its payload) in the place of the topic's former one; an empty
// body removes that. False: beyond a bound, or memory is out; the former one stays.
MUST_USE bool retained_store(struct retained *retained, const struct topic_path *topic,
                             uint64_t payload);

// The topic's message, PAYLOAD_NONE: there is none.
uint64_t retained_lookup(const struct retained *retained, const struct topic_path *topic);

// A walk over the messages that match a filter. `filter` and what it views must stay until its end.
struct retained_walk {
    const struct topic_path *filter;
    uint32_t node;  // pinned; SLAB_NONE: over
    uint32_t depth; // of the node
};

struct retained_walk retained_walk_begin(struct retained *retained,
                                         const struct topic_path *filter);

// The next message (borrowed), or PAYLOAD_NONE: it is over, or *budget, which is lowered by each
// node that is seen, has run out.
uint64_t retained_walk_next(struct retained *retained, struct retained_walk *walk,
                            uint32_t *budget);
static inline bool retained_walk_is_over(const struct retained_walk *walk) {
    return walk->node == SLAB_NONE;
}

// Before its end.
void retained_walk_stop(struct retained *retained, struct retained_walk *walk);

// Removes those of the next `node_count` nodes that have expired.
void retained_sweep(struct retained *retained, uint32_t node_count);

void retained_validate(const struct retained *retained);

#endif
