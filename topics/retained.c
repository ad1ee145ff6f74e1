// A walk's step: down into the first child that may match, else on to the next of the same parent
// (below a '+' or '#'), else up. It stands at a node it has already looked at.
#include "topics/retained.h"

#define SIZE_MAX_OF_ONE UINT32_MAX

static struct retained_node *node_at(const struct retained *retained, uint32_t node) {
    return (struct retained_node *)slab_get(&retained->levels.nodes, node);
}

int retained_init(struct retained *retained, const struct retained_config *config,
                  struct scheduler *scheduler, struct memory_ledger *ledger) {
    *retained = (struct retained){.scheduler = scheduler,
                                  .messages_max = config->messages_max,
                                  .bytes_max = config->bytes_max};
    int result = topic_levels_init(&retained->levels, ledger, scheduler->blocks, "retained topics",
                                   sizeof(struct retained_node), config->nodes_max, config->seed);
    if (result == 0)
        node_at(retained, TOPIC_ROOT)->first_child = SLAB_NONE;
    return result;
}

static uint32_t insert(struct retained *retained, uint32_t parent_index,
                       const struct topic_step *step) {
    uint32_t index = topic_levels_insert(&retained->levels, parent_index, step);
    if (index == SLAB_NONE)
        return SLAB_NONE;
    struct retained_node *node = node_at(retained, index);
    struct retained_node *parent = node_at(retained, parent_index);
    node->first_child = SLAB_NONE;
    node->before = SLAB_NONE;
    node->next = parent->first_child;
    if (node->next != SLAB_NONE)
        node_at(retained, node->next)->before = index;
    parent->first_child = index;
    return index;
}

static void prune(struct retained *retained, uint32_t index) {
    while (index != TOPIC_ROOT) {
        struct retained_node *node = node_at(retained, index);
        if (node->level.children > 0 || node->payload != PAYLOAD_NONE || node->pins > 0)
            return;
        uint32_t parent = node->level.parent;
        if (node->next != SLAB_NONE)
            node_at(retained, node->next)->before = node->before;
        if (node->before != SLAB_NONE)
            node_at(retained, node->before)->next = node->next;
        else
            node_at(retained, parent)->first_child = node->next;
        topic_levels_remove(&retained->levels, index);
        index = parent;
    }
}

static void forget(struct retained *retained, struct retained_node *node) {
    if (node->payload == PAYLOAD_NONE)
        return;
    bool is_expiring = topic_message_view(retained->scheduler, node->payload).expires_ns > 0;
    retained->expiring_count -= is_expiring;
    retained->count--;
    retained->bytes -= node->size;
    payload_unref(retained->scheduler, node->payload);
    node->payload = PAYLOAD_NONE;
    node->size = 0;
}

static uint32_t lookup(const struct retained *retained, const struct topic_path *topic) {
    uint32_t node = TOPIC_ROOT;
    for (uint32_t i = 0; i < topic->count && node != SLAB_NONE; i++)
        node = topic_levels_lookup(&retained->levels, node, &topic->steps[i]);
    return node;
}

uint64_t retained_lookup(const struct retained *retained, const struct topic_path *topic) {
    uint32_t node = lookup(retained, topic);
    return node == SLAB_NONE ? PAYLOAD_NONE : node_at(retained, node)->payload;
}

static uint32_t open_node(struct retained *retained, const struct topic_path *topic) {
    uint32_t node = TOPIC_ROOT;
    for (uint32_t i = 0; i < topic->count; i++) {
        uint32_t parent = node;
        node = topic_levels_lookup(&retained->levels, parent, &topic->steps[i]);
        if (node == SLAB_NONE)
            node = insert(retained, parent, &topic->steps[i]);
        if (node == SLAB_NONE) {
            prune(retained, parent);
            return SLAB_NONE;
        }
    }
    return node;
}

bool retained_store(struct retained *retained, const struct topic_path *topic, uint64_t payload) {
    struct topic_message message = topic_message_view(retained->scheduler, payload);
    uint32_t index = lookup(retained, topic);
    if (message.body.size == 0) {
        if (index != SLAB_NONE) {
            forget(retained, node_at(retained, index));
            prune(retained, index);
        }
        return true;
    }
    size_t size = message.topic.size + message.body.size + message.properties.size;
    const struct retained_node *former = index == SLAB_NONE ? NULL : node_at(retained, index);
    bool is_new = !former || former->payload == PAYLOAD_NONE;
    size_t bytes = retained->bytes - (is_new ? 0 : former->size);
    if ((is_new && retained->count >= retained->messages_max) ||
        bytes + size > retained->bytes_max || size > SIZE_MAX_OF_ONE)
        return false;
    index = open_node(retained, topic);
    if (index == SLAB_NONE)
        return false;
    struct retained_node *node = node_at(retained, index);
    forget(retained, node);
    payload_ref(retained->scheduler, payload, 1);
    node->payload = payload;
    node->size = (uint32_t)size;
    retained->count++;
    retained->bytes += size;
    retained->expiring_count += message.expires_ns > 0;
    return true;
}

static bool is_wildcard(const struct retained_walk *walk, uint32_t level) {
    const struct bytes text = walk->filter->steps[level].text;
    return text.size == 1 && (text.data[0] == '+' || text.data[0] == '#');
}

static bool is_rest(const struct retained_walk *walk, uint32_t level) {
    const struct bytes text = walk->filter->steps[level].text;
    return text.size == 1 && text.data[0] == '#';
}

// The filter's level that stands for children of a node at `depth`: '#' stands for all below it.
// SLAB_NONE: the filter ends before.
static uint32_t level_below(const struct retained_walk *walk, uint32_t depth) {
    uint32_t last = walk->filter->count - 1;
    if (depth <= last)
        return depth;
    return is_rest(walk, last) ? last : SLAB_NONE;
}

// [MQTT-4.7.2-1]: a wildcard in the first level does not stand for $….
static bool is_hidden(const struct retained *retained, uint32_t depth, uint32_t node) {
    struct bytes text = topic_levels_text(&retained->levels, node);
    return depth == 1 && text.size > 0 && text.data[0] == '$';
}

struct retained_walk retained_walk_begin(struct retained *retained,
                                         const struct topic_path *filter) {
    node_at(retained, TOPIC_ROOT)->pins++;
    return (struct retained_walk){.filter = filter, .node = TOPIC_ROOT};
}

static void stand_at(struct retained *retained, struct retained_walk *walk, uint32_t node,
                     uint32_t depth) {
    uint32_t former = walk->node;
    if (node != SLAB_NONE)
        node_at(retained, node)->pins++;
    walk->node = node;
    walk->depth = depth;
    node_at(retained, former)->pins--;
    prune(retained, former);
}

static uint32_t first_below(const struct retained *retained, const struct retained_walk *walk) {
    uint32_t level = level_below(walk, walk->depth);
    if (level == SLAB_NONE)
        return SLAB_NONE;
    if (is_wildcard(walk, level))
        return node_at(retained, walk->node)->first_child;
    return topic_levels_lookup(&retained->levels, walk->node, &walk->filter->steps[level]);
}

static void step(struct retained *retained, struct retained_walk *walk) {
    uint32_t below = first_below(retained, walk);
    if (below != SLAB_NONE) {
        stand_at(retained, walk, below, walk->depth + 1);
        return;
    }
    uint32_t node = walk->node;
    uint32_t depth = walk->depth;
    while (node != TOPIC_ROOT) {
        uint32_t next = node_at(retained, node)->next;
        if (is_wildcard(walk, level_below(walk, depth - 1)) && next != SLAB_NONE) {
            stand_at(retained, walk, next, depth);
            return;
        }
        node = node_at(retained, node)->level.parent;
        depth--;
    }
    stand_at(retained, walk, SLAB_NONE, 0);
}

// A hidden node's children are not walked either: on to the next.
static void skip_hidden(struct retained *retained, struct retained_walk *walk) {
    while (walk->node != SLAB_NONE && is_wildcard(walk, 0) &&
           is_hidden(retained, walk->depth, walk->node)) {
        uint32_t next = node_at(retained, walk->node)->next;
        stand_at(retained, walk, next, next == SLAB_NONE ? 0 : walk->depth);
    }
}

static bool is_match(const struct retained_walk *walk) {
    uint32_t count = walk->filter->count;
    if (is_rest(walk, count - 1)) // also the parent level itself (4.7.1.2)
        return walk->depth + 1 >= count && walk->depth > 0;
    return walk->depth == count;
}

uint64_t retained_walk_next(struct retained *retained, struct retained_walk *walk,
                            uint32_t *budget) {
    while (walk->node != SLAB_NONE && *budget > 0) {
        *budget -= 1;
        step(retained, walk);
        skip_hidden(retained, walk);
        if (walk->node == SLAB_NONE || !is_match(walk))
            continue;
        struct retained_node *node = node_at(retained, walk->node);
        if (node->payload == PAYLOAD_NONE)
            continue;
        uint64_t expires_ns = topic_message_view(retained->scheduler, node->payload).expires_ns;
        if (expires_ns == 0 || expires_ns > retained->scheduler->now_ns)
            return node->payload;
        forget(retained, node); // the node goes when the walk does
    }
    return PAYLOAD_NONE;
}

void retained_walk_stop(struct retained *retained, struct retained_walk *walk) {
    if (walk->node != SLAB_NONE)
        stand_at(retained, walk, SLAB_NONE, 0);
}

void retained_sweep(struct retained *retained, uint32_t node_count) {
    const struct slab *nodes = &retained->levels.nodes;
    for (uint32_t i = 0; i < node_count && retained->expiring_count > 0; i++) {
        uint32_t index = retained->sweep++;
        if (retained->sweep >= nodes->touched_count)
            retained->sweep = 0;
        if (!slab_is_used(nodes, index) || node_at(retained, index)->payload == PAYLOAD_NONE)
            continue;
        struct retained_node *node = node_at(retained, index);
        uint64_t expires_ns = topic_message_view(retained->scheduler, node->payload).expires_ns;
        if (expires_ns == 0 || expires_ns > retained->scheduler->now_ns)
            continue;
        forget(retained, node);
        prune(retained, index);
    }
}

void retained_fini(struct retained *retained) {
    const struct slab *nodes = &retained->levels.nodes;
    for (uint32_t i = 0; i < nodes->touched_count && retained->levels.count > 0; i++) {
        if (!slab_is_used(nodes, i) || i == TOPIC_ROOT)
            continue;
        forget(retained, node_at(retained, i));
        prune(retained, i);
    }
    topic_levels_fini(&retained->levels);
}

void retained_validate(const struct retained *retained) {
    uint32_t count = 0;
    size_t bytes = 0;
    const struct slab *nodes = &retained->levels.nodes;
    topic_levels_validate(&retained->levels);
    for (uint32_t i = 0; i < nodes->touched_count; i++) {
        if (!slab_is_used(nodes, i))
            continue;
        const struct retained_node *node = node_at(retained, i);
        uint32_t children = 0;
        for (uint32_t at = node->first_child; at != SLAB_NONE; at = node_at(retained, at)->next)
            children += node_at(retained, at)->level.parent == i;
        CHECKF(children == node->level.children, "retained node %u: %u children", i, children);
        CHECK(i == TOPIC_ROOT || children > 0 || node->payload != PAYLOAD_NONE || node->pins > 0);
        count += node->payload != PAYLOAD_NONE;
        bytes += node->size;
    }
    CHECKF(count == retained->count && bytes == retained->bytes, "%u retained, %u counted",
           retained->count, count);
}
