// The filters of one core, in one tree: those of its own subscriptions (entries, shared groups) and
// those that other cores announced to it as the owner of their topics (interest).
//
// A node has a meaning while something refers to it: topic_trie_is_unused tells when not, and
// topic_trie_prune takes it and its parents away. Matching walks down from the root without
// recursion: per level of the topic one look-up in a hash table for the text itself, and one more
// for '+' and for '#' where there are such children: its cost does not depend on filters that do
// not match.
//
// Memory, beside the 32 B of a subscription: a filter of its own costs a node of 72 B and an edge
// of 10.7 … 21.3 B (the table is 3/8 … 3/4 full), 93.3 B at most; its only entry stands in the
// node. A subscription to a filter that is there: 8 … 18 B in its entries. Owned by the core's
// thread.
#ifndef FAIRLEAD_TOPIC_TRIE_H
#define FAIRLEAD_TOPIC_TRIE_H

#include "topics/topic_entries.h"
#include "topics/topic_levels.h"

struct topic_node {
    struct topic_level level;
    uint32_t groups;              // first shared group (topic_group.h), SLAB_NONE
    uint64_t interest;            // other cores that have subscribers, bit by bit
    struct topic_entries entries; // of subscriptions here
    uint32_t owner_node; // at the core that owns this filter's topics, SLAB_NONE: not known
                         // yet, or this core; TOPIC_NODE_EVERYWHERE: block of one by core
    uint32_t pending;    // subscriptions here that wait for owners' answers
};

_Static_assert(sizeof(struct topic_node) == 72, "a filter of its own: ≤ 96 B with its edge");

#define TOPIC_NODE_PLUS (TOPIC_LEVEL_USER << 0)       // true exactly when a child is '+'
#define TOPIC_NODE_HASH (TOPIC_LEVEL_USER << 1)       // true exactly when a child is '#'
#define TOPIC_NODE_EVERYWHERE (TOPIC_LEVEL_USER << 2) // the filter begins with a wildcard

struct topic_trie {
    struct topic_levels levels;
    struct topic_entries_owner owner;
    struct topic_step plus;
    struct topic_step hash;
    uint32_t *matches; // the latest topic_trie_match's
};

struct topic_trie_config {
    uint32_t nodes_max;
    uint64_t seed;
    topic_entries_moved *on_moved;
    void *context;
};

// Returns 0, or -ENOMEM.
MUST_USE int topic_trie_init(struct topic_trie *trie, const struct topic_trie_config *config,
                             struct memory_ledger *ledger, struct blocks *blocks);
void topic_trie_fini(struct topic_trie *trie);

static inline struct topic_node *topic_trie_at(const struct topic_trie *trie, uint32_t node) {
    return (struct topic_node *)slab_get(&trie->levels.nodes, node);
}

// The filter's node, or SLAB_NONE.
uint32_t topic_trie_lookup(const struct topic_trie *trie, const struct topic_path *filter);

// The same; it is made when it is not there. SLAB_NONE: memory is out, nothing was made.
MUST_USE uint32_t topic_trie_open(struct topic_trie *trie, const struct topic_path *filter);

// Takes the node away if nothing refers to it, and then its parents.
void topic_trie_prune(struct topic_trie *trie, uint32_t node);

// Nodes with entries, groups or interest whose filter matches the topic, in trie->matches until the
// next match: how many. Each of them once.
uint32_t topic_trie_match(struct topic_trie *trie, const struct topic_path *topic);

// Some filter could match topics of this first level.
bool topic_trie_has_first(const struct topic_trie *trie, struct bytes first_level);

void topic_trie_validate(const struct topic_trie *trie);

#endif
