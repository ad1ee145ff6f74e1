// Shared subscriptions ($share/<group>/<filter>): a group at a filter's node. On a core with
// members it holds them; at a core that owns the filter's topics it knows which cores have how
// many. The owner picks a core, in turn and weighted by members, the core picks a member in turn,
// those who are online first.
//
// 64 B, a block for the name, and at the owner 16 B per core. A filter has at most
// TOPIC_GROUPS_OF_FILTER_MAX of them: each gets a copy of every message within one turn, and they
// are looked for one by one. Owned by the core's thread.
#ifndef FAIRLEAD_TOPIC_GROUP_H
#define FAIRLEAD_TOPIC_GROUP_H

#include "topics/topic_trie.h"

#define TOPIC_GROUPS_OF_FILTER_MAX 1024u

// What an owner knows of one core.
struct topic_share {
    uint32_t count; // members there
    uint32_t reserved;
    uint64_t group; // handle of the group there
};

struct topic_group {
    uint32_t slab_word;
    uint32_t next; // group of the same node, SLAB_NONE
    uint32_t node;
    uint32_t name;                // block
    struct topic_entries members; // never pinned
    uint32_t name_size;
    uint32_t turn;        // the member that comes next
    uint32_t owner_group; // as topic_node.owner_node: at the owner
    uint32_t pending;     // members that wait for owners' answers
    uint32_t shares;      // block of struct topic_share by core, BLOCK_NONE: not owned here
    uint32_t share_total; // members of all cores
    uint32_t share_turn;
    uint32_t reserved;
};

_Static_assert(sizeof(struct topic_group) == 64, "as the header says");

struct topic_groups {
    struct slab slab;
    struct topic_trie *trie;
    uint32_t core_count;
};

// Returns 0, or -ENOMEM.
MUST_USE int topic_groups_init(struct topic_groups *groups, struct topic_trie *trie,
                               uint32_t groups_max, uint32_t core_count,
                               struct memory_ledger *ledger);

static inline struct topic_group *topic_group_at(const struct topic_groups *groups,
                                                 uint32_t group) {
    return (struct topic_group *)slab_get(&groups->slab, group);
}

// The node's group of that name, or SLAB_NONE.
uint32_t topic_group_lookup(const struct topic_groups *groups, uint32_t node, struct bytes name);

// The same; it is made when it is not there. SLAB_NONE: memory is out, or the node has too many.
MUST_USE uint32_t topic_group_open(struct topic_groups *groups, uint32_t node, struct bytes name);

// Releases it when it has no meaning any more: its node is the caller's to prune then. True: it
// did.
bool topic_group_prune(struct topic_groups *groups, uint32_t group);

struct bytes topic_group_name(const struct topic_groups *groups, uint32_t group);

// At the owner. False: memory is out.
MUST_USE bool topic_group_share_add(struct topic_groups *groups, uint32_t group, uint32_t core,
                                    uint64_t handle);
void topic_group_share_remove(struct topic_groups *groups, uint32_t group, uint32_t core);

// At the owner: the core whose turn it is, of those not in `tried`; *handle: of its group.
// SLAB_NONE: there is none.
uint32_t topic_group_pick_core(struct topic_groups *groups, uint32_t group, uint64_t tried,
                               uint64_t *handle);

void topic_groups_validate(const struct topic_groups *groups);

#endif
