#include "gateway/mqtt_alias.h"

#define TABLE_FIRST 8u // aliases that the first table has room for

struct alias_table {
    uint32_t capacity;
    uint32_t topics[]; // blocks, by alias - 1; BLOCK_NONE: not set
};

struct alias_topic {
    uint32_t size;
    uint8_t bytes[];
};

static struct alias_table *table_at(const struct blocks *blocks, uint32_t table) {
    return table == BLOCK_NONE ? NULL : blocks_at(blocks, table);
}

static struct bytes topic_of(const struct blocks *blocks, uint32_t block) {
    const struct alias_topic *topic = blocks_at(blocks, block);
    return bytes_of(topic->bytes, topic->size);
}

// Room for `alias`.
static bool reserve(struct blocks *blocks, uint32_t *table, uint16_t alias, uint16_t max) {
    const struct alias_table *before = table_at(blocks, *table);
    uint32_t kept = before ? before->capacity : 0;
    if (alias <= kept)
        return true;
    uint32_t capacity = kept > 0 ? kept : TABLE_FIRST;
    while (capacity < alias)
        capacity *= 2;
    if (capacity > max)
        capacity = max;
    uint32_t block =
        blocks_acquire(blocks, sizeof(struct alias_table) + capacity * sizeof(uint32_t));
    if (block == BLOCK_NONE)
        return false;
    struct alias_table *after = blocks_at(blocks, block);
    after->capacity = capacity;
    for (uint32_t i = 0; i < capacity; i++)
        after->topics[i] = i < kept ? before->topics[i] : BLOCK_NONE;
    if (*table != BLOCK_NONE)
        blocks_release(blocks, *table);
    *table = block;
    return true;
}

bool mqtt_alias_set(struct blocks *blocks, uint32_t *table, uint16_t alias, uint16_t max,
                    struct bytes topic) {
    CHECK(alias >= 1 && alias <= max);
    uint32_t block = blocks_acquire(blocks, sizeof(struct alias_topic) + topic.size);
    if (block == BLOCK_NONE)
        return false;
    if (!reserve(blocks, table, alias, max)) {
        blocks_release(blocks, block);
        return false;
    }
    struct alias_topic *copy = blocks_at(blocks, block);
    copy->size = (uint32_t)topic.size;
    memcpy(copy->bytes, topic.data, topic.size);
    uint32_t *place = &table_at(blocks, *table)->topics[alias - 1];
    if (*place != BLOCK_NONE)
        blocks_release(blocks, *place);
    *place = block;
    return true;
}

struct bytes mqtt_alias_topic(const struct blocks *blocks, uint32_t table, uint16_t alias) {
    const struct alias_table *at = table_at(blocks, table);
    bool is_set = at && alias >= 1 && alias <= at->capacity && at->topics[alias - 1] != BLOCK_NONE;
    return is_set ? topic_of(blocks, at->topics[alias - 1]) : (struct bytes){0};
}

uint16_t mqtt_alias_of(const struct blocks *blocks, uint32_t table, struct bytes topic) {
    const struct alias_table *at = table_at(blocks, table);
    for (uint32_t i = 0; at && i < at->capacity; i++)
        if (at->topics[i] != BLOCK_NONE && bytes_equal(topic_of(blocks, at->topics[i]), topic))
            return (uint16_t)(i + 1);
    return 0;
}

uint32_t mqtt_alias_free(const struct blocks *blocks, uint32_t table, uint16_t max) {
    const struct alias_table *at = table_at(blocks, table);
    uint32_t capacity = at ? at->capacity : 0;
    for (uint32_t i = 0; i < capacity; i++)
        if (at->topics[i] == BLOCK_NONE)
            return i + 1;
    return capacity + 1 <= max ? capacity + 1 : (uint32_t)max + 1;
}

void mqtt_alias_release(struct blocks *blocks, uint32_t *table) {
    const struct alias_table *at = table_at(blocks, *table);
    for (uint32_t i = 0; at && i < at->capacity; i++)
        if (at->topics[i] != BLOCK_NONE)
            blocks_release(blocks, at->topics[i]);
    if (at)
        blocks_release(blocks, *table);
    *table = BLOCK_NONE;
}
