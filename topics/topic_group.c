#include "topics/topic_group.h"

static struct blocks *blocks_of(const struct topic_groups *groups) {
    return groups->trie->levels.blocks;
}

static struct topic_share *shares_of(const struct topic_groups *groups,
                                     const struct topic_group *group) {
    return blocks_at(blocks_of(groups), group->shares);
}

int topic_groups_init(struct topic_groups *groups, struct topic_trie *trie, uint32_t groups_max,
                      uint32_t core_count, struct memory_ledger *ledger) {
    *groups = (struct topic_groups){.trie = trie, .core_count = core_count};
    return slab_init(&groups->slab, ledger, "topic groups", sizeof(struct topic_group), groups_max);
}

struct bytes topic_group_name(const struct topic_groups *groups, uint32_t index) {
    const struct topic_group *group = topic_group_at(groups, index);
    return bytes_of(blocks_at(blocks_of(groups), group->name), group->name_size);
}

uint32_t topic_group_lookup(const struct topic_groups *groups, uint32_t node, struct bytes name) {
    uint32_t at = topic_trie_at(groups->trie, node)->groups;
    while (at != SLAB_NONE && !bytes_equal(topic_group_name(groups, at), name))
        at = topic_group_at(groups, at)->next;
    return at;
}

static bool is_full(const struct topic_groups *groups, uint32_t node) {
    uint32_t count = 0;
    for (uint32_t at = topic_trie_at(groups->trie, node)->groups; at != SLAB_NONE;
         at = topic_group_at(groups, at)->next)
        count++;
    return count >= TOPIC_GROUPS_OF_FILTER_MAX;
}

uint32_t topic_group_open(struct topic_groups *groups, uint32_t node_index, struct bytes name) {
    uint32_t index = topic_group_lookup(groups, node_index, name);
    if (index != SLAB_NONE || is_full(groups, node_index))
        return index;
    struct topic_group *group = slab_acquire(&groups->slab, &index);
    if (!group)
        return SLAB_NONE;
    group->name = blocks_acquire(blocks_of(groups), name.size);
    if (group->name == BLOCK_NONE) {
        slab_release(&groups->slab, index);
        return SLAB_NONE;
    }
    if (name.size > 0)
        memcpy(blocks_at(blocks_of(groups), group->name), name.data, name.size);
    struct topic_node *node = topic_trie_at(groups->trie, node_index);
    group->name_size = (uint32_t)name.size;
    group->node = node_index;
    group->next = node->groups;
    group->owner_group = SLAB_NONE;
    group->shares = BLOCK_NONE;
    node->groups = index;
    return index;
}

static bool is_unused(const struct topic_group *group) {
    return group->members.count == 0 && group->pending == 0 && group->share_total == 0 &&
           group->owner_group == SLAB_NONE;
}

bool topic_group_prune(struct topic_groups *groups, uint32_t index) {
    struct topic_group *group = topic_group_at(groups, index);
    if (!is_unused(group))
        return false;
    uint32_t *link = &topic_trie_at(groups->trie, group->node)->groups;
    while (*link != index)
        link = &topic_group_at(groups, *link)->next;
    *link = group->next;
    blocks_release(blocks_of(groups), group->name);
    if (group->shares != BLOCK_NONE)
        blocks_release(blocks_of(groups), group->shares);
    slab_release(&groups->slab, index);
    return true;
}

bool topic_group_share_add(struct topic_groups *groups, uint32_t index, uint32_t core,
                           uint64_t handle) {
    struct topic_group *group = topic_group_at(groups, index);
    if (group->shares == BLOCK_NONE) {
        size_t size = groups->core_count * sizeof(struct topic_share);
        group->shares = blocks_acquire(blocks_of(groups), size);
        if (group->shares == BLOCK_NONE)
            return false;
        memset(shares_of(groups, group), 0, size);
    }
    struct topic_share *share = &shares_of(groups, group)[core];
    share->count++;
    share->group = handle;
    group->share_total++;
    return true;
}

void topic_group_share_remove(struct topic_groups *groups, uint32_t index, uint32_t core) {
    struct topic_group *group = topic_group_at(groups, index);
    struct topic_share *share = &shares_of(groups, group)[core];
    CHECKF(share->count > 0, "group %u has no member on core %u", index, core);
    share->count--;
    group->share_total--;
}

uint32_t topic_group_pick_core(struct topic_groups *groups, uint32_t index, uint64_t tried,
                               uint64_t *handle) {
    struct topic_group *group = topic_group_at(groups, index);
    if (group->share_total == 0)
        return SLAB_NONE;
    const struct topic_share *shares = shares_of(groups, group);
    if (tried == 0)
        group->share_turn = (group->share_turn + 1) % group->share_total;
    uint32_t turn = group->share_turn % group->share_total;
    uint32_t fallback = SLAB_NONE;
    for (uint32_t core = 0; core < groups->core_count; core++) {
        if (shares[core].count == 0)
            continue;
        bool is_its_turn = turn < shares[core].count;
        turn -= is_its_turn ? 0 : shares[core].count;
        if (tried >> core & 1) { // whoever comes behind it, or else before
            turn = is_its_turn ? 0 : turn;
            continue;
        }
        if (fallback == SLAB_NONE)
            fallback = core;
        if (is_its_turn) {
            fallback = core;
            break;
        }
    }
    if (fallback != SLAB_NONE)
        *handle = shares[fallback].group;
    return fallback;
}

void topic_groups_validate(const struct topic_groups *groups) {
    for (uint32_t i = 0; i < groups->slab.touched_count; i++) {
        if (!slab_is_used(&groups->slab, i))
            continue;
        const struct topic_group *group = topic_group_at(groups, i);
        CHECKF(!is_unused(group), "group %u is of no use", i);
        CHECK(topic_group_lookup(groups, group->node, topic_group_name(groups, i)) == i);
        uint32_t total = 0;
        for (uint32_t core = 0; group->shares != BLOCK_NONE && core < groups->core_count; core++)
            total += shares_of(groups, group)[core].count;
        CHECKF(total == group->share_total, "group %u: %u members of %u", i, total,
               group->share_total);
    }
}
