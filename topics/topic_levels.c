#include "topics/topic_levels.h"

#include "sched/base/hash.h"

#define CAPACITY_FIRST 64

static struct topic_edge *edges(const struct topic_levels *levels) {
    return blocks_at(levels->blocks, levels->table);
}

// The text's hash, mixed with its parent: equal levels under many parents must not cluster.
static uint32_t edge_hash(uint64_t text_hash, uint32_t parent) {
    uint64_t mixed = (text_hash ^ parent) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(mixed >> 32);
}

int topic_levels_init(struct topic_levels *levels, struct memory_ledger *ledger,
                      struct blocks *blocks, const char *name, uint32_t node_size,
                      uint32_t nodes_max, uint64_t seed) {
    *levels = (struct topic_levels){.blocks = blocks, .seed = seed, .table = BLOCK_NONE};
    int result = slab_init(&levels->nodes, ledger, name, node_size, nodes_max);
    if (result < 0)
        return result;
    uint32_t root;
    struct topic_level *level = slab_acquire(&levels->nodes, &root);
    CHECK(level && root == TOPIC_ROOT);
    level->parent = SLAB_NONE;
    return 0;
}

void topic_levels_fini(struct topic_levels *levels) {
    CHECKF(levels->count == 0, "%s: %u are left", levels->nodes.name, levels->count);
    slab_release(&levels->nodes, TOPIC_ROOT);
    slab_check_empty(&levels->nodes);
    if (levels->table != BLOCK_NONE)
        blocks_release(levels->blocks, levels->table);
    levels->table = BLOCK_NONE;
    levels->capacity = 0;
}

struct topic_step topic_levels_step(const struct topic_levels *levels, struct bytes text) {
    return (struct topic_step){text, hash_bytes(levels->seed, text)};
}

bool topic_levels_split(const struct topic_levels *levels, struct bytes topic,
                        struct topic_path *path) {
    path->count = 0;
    for (;;) {
        const uint8_t *slash = topic.size > 0 ? memchr(topic.data, '/', topic.size) : NULL;
        size_t size = slash ? (size_t)(slash - topic.data) : topic.size;
        if (path->count == TOPICS_LEVELS_MAX)
            return false;
        path->steps[path->count++] = topic_levels_step(levels, bytes_of(topic.data, size));
        if (!slash)
            return true;
        topic = bytes_skip(topic, size + 1);
    }
}

static uint32_t text_block(const struct topic_level *level) {
    uint32_t block;
    memcpy(&block, level->text, sizeof(block));
    return block;
}

static struct bytes text_of(const struct topic_levels *levels, const struct topic_level *level) {
    const void *text = level->slab_word & TOPIC_LEVEL_LONG
                           ? blocks_at(levels->blocks, text_block(level))
                           : level->text;
    return bytes_of(text, level->text_size);
}

struct bytes topic_levels_text(const struct topic_levels *levels, uint32_t node) {
    return text_of(levels, topic_levels_at(levels, node));
}

uint32_t topic_levels_lookup(const struct topic_levels *levels, uint32_t parent,
                             const struct topic_step *step) {
    if (levels->count == 0)
        return SLAB_NONE;
    const struct topic_edge *table = edges(levels);
    const uint32_t mask = levels->capacity - 1;
    const uint32_t hash = edge_hash(step->hash, parent);
    for (uint32_t at = hash & mask; table[at].node != TOPIC_ROOT; at = (at + 1) & mask) {
        if (table[at].hash != hash)
            continue;
        const struct topic_level *level = slab_at(&levels->nodes, table[at].node);
        if (level->parent == parent && bytes_equal(text_of(levels, level), step->text))
            return table[at].node;
    }
    return SLAB_NONE;
}

static void place(struct topic_edge *table, uint32_t mask, struct topic_edge edge) {
    uint32_t at = edge.hash & mask;
    while (table[at].node != TOPIC_ROOT)
        at = (at + 1) & mask;
    table[at] = edge;
}

static bool grow(struct topic_levels *levels) {
    uint32_t capacity = levels->capacity ? levels->capacity * 2 : CAPACITY_FIRST;
    uint32_t block = blocks_acquire(levels->blocks, capacity * sizeof(struct topic_edge));
    if (block == BLOCK_NONE)
        return false;
    struct topic_edge *table = blocks_at(levels->blocks, block);
    memset(table, 0, capacity * sizeof(*table));
    for (uint32_t i = 0; i < levels->capacity; i++)
        if (edges(levels)[i].node != TOPIC_ROOT)
            place(table, capacity - 1, edges(levels)[i]);
    if (levels->table != BLOCK_NONE)
        blocks_release(levels->blocks, levels->table);
    levels->table = block;
    levels->capacity = capacity;
    return true;
}

// False: memory is out.
static bool text_write(struct topic_levels *levels, struct topic_level *level, struct bytes text) {
    level->text_size = (uint16_t)text.size;
    uint8_t *at = level->text;
    if (text.size > TOPIC_LEVEL_INLINE) {
        uint32_t block = blocks_acquire(levels->blocks, text.size);
        if (block == BLOCK_NONE)
            return false;
        level->slab_word |= TOPIC_LEVEL_LONG;
        memcpy(level->text, &block, sizeof(block));
        at = blocks_at(levels->blocks, block);
    }
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return true;
}

uint32_t topic_levels_insert(struct topic_levels *levels, uint32_t parent,
                             const struct topic_step *step) {
    CHECK(step->text.size <= TOPICS_BYTES_MAX);
    uint32_t node;
    if (levels->count >= levels->capacity / 4 * 3 && !grow(levels))
        return SLAB_NONE;
    struct topic_level *level = slab_acquire(&levels->nodes, &node);
    if (!level)
        return SLAB_NONE;
    if (!text_write(levels, level, step->text)) {
        slab_release(&levels->nodes, node);
        return SLAB_NONE;
    }
    level->parent = parent;
    level->hash = edge_hash(step->hash, parent);
    topic_levels_at(levels, parent)->children++;
    place(edges(levels), levels->capacity - 1, (struct topic_edge){level->hash, node});
    levels->count++;
    return node;
}

// Closes the hole: an edge may move into it when the hole lies between its home and its place.
static void edge_remove(struct topic_levels *levels, uint32_t hash, uint32_t node) {
    struct topic_edge *table = edges(levels);
    uint32_t mask = levels->capacity - 1;
    uint32_t at = hash & mask;
    while (table[at].node != node) {
        CHECKF(table[at].node != TOPIC_ROOT, "level %u has no edge", node);
        at = (at + 1) & mask;
    }
    for (uint32_t next = (at + 1) & mask; table[next].node != TOPIC_ROOT;
         next = (next + 1) & mask) {
        if (((next - table[next].hash) & mask) >= ((next - at) & mask)) {
            table[at] = table[next];
            at = next;
        }
    }
    table[at] = (struct topic_edge){0};
}

void topic_levels_remove(struct topic_levels *levels, uint32_t node) {
    struct topic_level *level = topic_levels_at(levels, node);
    CHECKF(level->children == 0 && node != TOPIC_ROOT, "level %u is removed with %u children", node,
           level->children);
    edge_remove(levels, level->hash, node);
    if (level->slab_word & TOPIC_LEVEL_LONG)
        blocks_release(levels->blocks, text_block(level));
    struct topic_level *parent = topic_levels_at(levels, level->parent);
    CHECK(parent->children > 0);
    parent->children--;
    levels->count--;
    slab_release(&levels->nodes, node);
}

void topic_levels_encode(const struct topic_levels *levels, uint32_t node, struct writer *w) {
    uint32_t nodes[TOPICS_LEVELS_MAX];
    uint32_t count = 0;
    for (; node != TOPIC_ROOT; node = topic_levels_at(levels, node)->parent) {
        CHECK(count < TOPICS_LEVELS_MAX);
        nodes[count++] = node;
    }
    while (count > 0) {
        writer_put(w, topic_levels_text(levels, nodes[--count]));
        if (count > 0)
            writer_put_byte(w, '/');
    }
}

void topic_levels_validate(const struct topic_levels *levels) {
    uint32_t count = 0;
    uint64_t children = 0;
    for (uint32_t i = 0; i < levels->nodes.touched_count; i++) {
        if (!slab_is_used(&levels->nodes, i))
            continue;
        const struct topic_level *level = slab_at(&levels->nodes, i);
        children += level->children;
        if (i == TOPIC_ROOT)
            continue;
        count++;
        struct topic_step step = topic_levels_step(levels, text_of(levels, level));
        CHECK(topic_levels_at(levels, level->parent)->children > 0);
        CHECKF(topic_levels_lookup(levels, level->parent, &step) == i, "level %u is not found", i);
    }
    CHECKF(count == levels->count && children == count && count <= levels->capacity / 4 * 3,
           "%s: %u, %u counted, %lu children", levels->nodes.name, count, levels->count, children);
}
