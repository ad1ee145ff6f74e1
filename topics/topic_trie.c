#include "topics/topic_trie.h"

#include <errno.h>

static bool is_text(struct bytes text, char character) {
    return text.size == 1 && text.data[0] == (uint8_t)character;
}

int topic_trie_init(struct topic_trie *trie, const struct topic_trie_config *config,
                    struct memory_ledger *ledger, struct blocks *blocks) {
    *trie = (struct topic_trie){.owner = {blocks, config->on_moved, config->context}};
    int result = topic_levels_init(&trie->levels, ledger, blocks, "topic filters",
                                   sizeof(struct topic_node), config->nodes_max, config->seed);
    if (result < 0)
        return result;
    topic_trie_at(trie, TOPIC_ROOT)->groups = SLAB_NONE;
    topic_trie_at(trie, TOPIC_ROOT)->owner_node = SLAB_NONE;
    trie->plus = topic_levels_step(&trie->levels, BYTES_LITERAL("+"));
    trie->hash = topic_levels_step(&trie->levels, BYTES_LITERAL("#"));
    // As many as there may be nodes: a match never fails for want of memory.
    trie->matches =
        memory_reserve(ledger, "topic matches", config->nodes_max * sizeof(*trie->matches));
    return trie->matches ? 0 : -ENOMEM;
}

void topic_trie_fini(struct topic_trie *trie) {
    topic_levels_fini(&trie->levels);
}

uint32_t topic_trie_lookup(const struct topic_trie *trie, const struct topic_path *filter) {
    uint32_t node = TOPIC_ROOT;
    for (uint32_t i = 0; i < filter->count && node != SLAB_NONE; i++)
        node = topic_levels_lookup(&trie->levels, node, &filter->steps[i]);
    return node;
}

// The parent's flag that says there is such a child.
static uint32_t wildcard_flag(struct bytes text) {
    if (is_text(text, '+'))
        return TOPIC_NODE_PLUS;
    return is_text(text, '#') ? TOPIC_NODE_HASH : 0;
}

uint32_t topic_trie_open(struct topic_trie *trie, const struct topic_path *filter) {
    uint32_t node = TOPIC_ROOT;
    for (uint32_t i = 0; i < filter->count; i++) {
        uint32_t parent = node;
        node = topic_levels_lookup(&trie->levels, parent, &filter->steps[i]);
        if (node != SLAB_NONE)
            continue;
        node = topic_levels_insert(&trie->levels, parent, &filter->steps[i]);
        if (node == SLAB_NONE) {
            topic_trie_prune(trie, parent);
            return SLAB_NONE;
        }
        uint32_t flag = wildcard_flag(filter->steps[i].text);
        struct topic_node *made = topic_trie_at(trie, node);
        made->groups = SLAB_NONE;
        made->owner_node = SLAB_NONE;
        topic_trie_at(trie, parent)->level.slab_word |= flag;
        bool is_everywhere = parent == TOPIC_ROOT ? flag != 0
                                                  : topic_trie_at(trie, parent)->level.slab_word &
                                                        TOPIC_NODE_EVERYWHERE;
        made->level.slab_word |= is_everywhere ? TOPIC_NODE_EVERYWHERE : 0;
    }
    return node;
}

static bool is_terminal(const struct topic_node *node) {
    return node->entries.count > 0 || node->groups != SLAB_NONE || node->interest != 0;
}

static bool is_unused(const struct topic_node *node) {
    return node->level.children == 0 && !is_terminal(node) && node->pending == 0 &&
           node->entries.pins == 0 && node->owner_node == SLAB_NONE;
}

void topic_trie_prune(struct topic_trie *trie, uint32_t node) {
    while (node != TOPIC_ROOT && is_unused(topic_trie_at(trie, node))) {
        uint32_t parent = topic_trie_at(trie, node)->level.parent;
        topic_trie_at(trie, parent)->level.slab_word &=
            ~wildcard_flag(topic_levels_text(&trie->levels, node));
        topic_levels_remove(&trie->levels, node);
        node = parent;
    }
}

// A node that matched the topic's first `depth` levels.
struct visit {
    uint32_t node;
    uint32_t depth;
};

struct walk {
    struct topic_trie *trie;
    struct visit stack[TOPICS_LEVELS_MAX + 1]; // one is taken for each two that come, a level lower
    uint32_t stack_count;
    uint32_t match_count;
};

static void found(struct walk *walk, uint32_t node) {
    if (node != SLAB_NONE && is_terminal(topic_trie_at(walk->trie, node)))
        walk->trie->matches[walk->match_count++] = node;
}

static void visit_child(struct walk *walk, struct visit from, const struct topic_step *step) {
    uint32_t child = topic_levels_lookup(&walk->trie->levels, from.node, step);
    if (child == SLAB_NONE)
        return;
    CHECK(walk->stack_count <= TOPICS_LEVELS_MAX);
    walk->stack[walk->stack_count++] = (struct visit){child, from.depth + 1};
}

uint32_t topic_trie_match(struct topic_trie *trie, const struct topic_path *topic) {
    struct walk walk;
    walk.trie = trie;
    walk.stack_count = 1;
    walk.match_count = 0;
    walk.stack[0] = (struct visit){TOPIC_ROOT, 0};
    struct bytes first = topic->steps[0].text;
    bool is_system = first.size > 0 && first.data[0] == '$'; // [MQTT-4.7.2-1]
    while (walk.stack_count > 0) {
        struct visit at = walk.stack[--walk.stack_count];
        uint32_t flags = topic_trie_at(trie, at.node)->level.slab_word;
        if (is_system && at.node == TOPIC_ROOT)
            flags = 0;
        if (flags & TOPIC_NODE_HASH) // also of the parent level itself (4.7.1.2)
            found(&walk, topic_levels_lookup(&trie->levels, at.node, &trie->hash));
        if (at.depth == topic->count) {
            found(&walk, at.node);
            continue;
        }
        if (flags & TOPIC_NODE_PLUS)
            visit_child(&walk, at, &trie->plus);
        visit_child(&walk, at, &topic->steps[at.depth]);
    }
    return walk.match_count;
}

bool topic_trie_has_first(const struct topic_trie *trie, struct bytes first_level) {
    bool is_system = first_level.size > 0 && first_level.data[0] == '$';
    uint32_t flags = topic_trie_at(trie, TOPIC_ROOT)->level.slab_word;
    if (!is_system && flags & (TOPIC_NODE_PLUS | TOPIC_NODE_HASH))
        return true;
    struct topic_step step = topic_levels_step(&trie->levels, first_level);
    return topic_levels_lookup(&trie->levels, TOPIC_ROOT, &step) != SLAB_NONE;
}

void topic_trie_validate(const struct topic_trie *trie) {
    const struct slab *nodes = &trie->levels.nodes;
    topic_levels_validate(&trie->levels);
    for (uint32_t i = 0; i < nodes->touched_count; i++) {
        if (!slab_is_used(nodes, i) || i == TOPIC_ROOT)
            continue;
        const struct topic_node *node = topic_trie_at(trie, i);
        const struct topic_node *parent = topic_trie_at(trie, node->level.parent);
        uint32_t flag = wildcard_flag(topic_levels_text(&trie->levels, i));
        CHECKF(!is_unused(node), "filter node %u is of no use", i);
        CHECK((parent->level.slab_word & flag) == flag);
        uint32_t length = topic_entries_length(&node->entries);
        CHECK(node->entries.count == length ||
              (node->entries.count < length && node->entries.pins > 0));
    }
}
