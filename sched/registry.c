// Removal shifts later entries of the same probe sequence back, so there are no tombstones
// (Knuth 6.4 R).
#include "sched/registry.h"

#include "sched/actor.h"
#include "sched/base/hash.h"

#define CAPACITY_FIRST 64
#define TAG_MASK ((1u << REGISTRY_TAG_BITS) - 1)

struct name_block {
    uint32_t size;
    uint8_t bytes[];
};

static struct registry_entry *entries(const struct registry *registry) {
    return blocks_at(registry->blocks, registry->table);
}

void registry_init(struct registry *registry, struct blocks *blocks, uint64_t seed) {
    *registry = (struct registry){.blocks = blocks, .seed = seed, .table = BLOCK_NONE};
}

void registry_fini(struct registry *registry) {
    CHECKF(registry->count == 0, "%u names are still registered", registry->count);
    if (registry->table != BLOCK_NONE)
        blocks_release(registry->blocks, registry->table);
    registry->table = BLOCK_NONE;
    registry->capacity = 0;
}

struct bytes registry_name(const struct registry *registry, uint32_t name_block) {
    const struct name_block *name = blocks_at(registry->blocks, name_block);
    return bytes_of(name->bytes, name->size);
}

// The position of the name, or of the empty entry where it would go.
static uint32_t probe(const struct registry *registry, uint64_t hash, struct bytes name) {
    const struct registry_entry *table = entries(registry);
    uint32_t at = (uint32_t)hash & (registry->capacity - 1);
    while (table[at].pid != PID_NONE &&
           !(table[at].hash == hash && bytes_equal(registry_name(registry, table[at].name), name)))
        at = (at + 1) & (registry->capacity - 1);
    return at;
}

uint64_t registry_lookup(const struct registry *registry, struct bytes name) {
    if (registry->count == 0)
        return PID_NONE;
    return entries(registry)[probe(registry, hash_bytes(registry->seed, name), name)].pid;
}

uint32_t registry_tag(const struct registry *registry, struct bytes name) {
    return (uint32_t)hash_bytes(registry->seed, name) & TAG_MASK;
}

struct bytes registry_lookup_tag(const struct registry *registry, uint32_t tag) {
    uint32_t mask = registry->capacity - 1;
    if (registry->count == 0 || mask > TAG_MASK)
        return (struct bytes){0};
    const struct registry_entry *table = entries(registry);
    for (uint32_t at = tag & mask; table[at].pid != PID_NONE; at = (at + 1) & mask)
        if (((uint32_t)table[at].hash & TAG_MASK) == tag)
            return registry_name(registry, table[at].name);
    return (struct bytes){0};
}

struct registry_entry *registry_find(const struct registry *registry, struct bytes name) {
    if (registry->count == 0)
        return NULL;
    struct registry_entry *entry =
        &entries(registry)[probe(registry, hash_bytes(registry->seed, name), name)];
    return entry->pid != PID_NONE ? entry : NULL;
}

struct registry_entry *registry_find_hash(const struct registry *registry, uint64_t hash,
                                          uint64_t pid) {
    uint32_t mask = registry->capacity - 1;
    if (registry->count == 0)
        return NULL;
    struct registry_entry *table = entries(registry);
    for (uint32_t at = (uint32_t)hash & mask; table[at].pid != PID_NONE; at = (at + 1) & mask)
        if (table[at].hash == hash && table[at].pid == pid)
            return &table[at];
    return NULL;
}

struct registry_entry *registry_entries(const struct registry *registry) {
    return registry->table == BLOCK_NONE ? NULL : entries(registry);
}

static bool grow(struct registry *registry) {
    uint32_t capacity = registry->capacity ? registry->capacity * 2 : CAPACITY_FIRST;
    uint32_t block = blocks_acquire(registry->blocks, capacity * sizeof(struct registry_entry));
    if (block == BLOCK_NONE)
        return false;
    struct registry_entry *table = blocks_at(registry->blocks, block);
    memset(table, 0, capacity * sizeof(*table));
    for (uint32_t i = 0; i < registry->capacity; i++) {
        struct registry_entry entry = entries(registry)[i];
        if (entry.pid == PID_NONE)
            continue;
        uint32_t at = (uint32_t)entry.hash & (capacity - 1);
        while (table[at].pid != PID_NONE)
            at = (at + 1) & (capacity - 1);
        table[at] = entry;
    }
    if (registry->table != BLOCK_NONE)
        blocks_release(registry->blocks, registry->table);
    registry->table = block;
    registry->capacity = capacity;
    return true;
}

uint32_t registry_insert(struct registry *registry, struct bytes name, uint64_t pid) {
    CHECK(pid != PID_NONE && name.size <= REGISTRY_NAME_BYTES_MAX);
    if (registry->count >= registry->capacity / 4 * 3 && !grow(registry))
        return BLOCK_NONE;
    uint32_t block = blocks_acquire(registry->blocks, sizeof(struct name_block) + name.size);
    if (block == BLOCK_NONE)
        return BLOCK_NONE;
    struct name_block *copy = blocks_at(registry->blocks, block);
    copy->size = (uint32_t)name.size;
    memcpy(copy->bytes, name.data, name.size);
    uint64_t hash = hash_bytes(registry->seed, name);
    struct registry_entry *entry = &entries(registry)[probe(registry, hash, name)];
    CHECKF(entry->pid == PID_NONE, "name %.*s is registered", (int)name.size, name.data);
    *entry = (struct registry_entry){.hash = hash, .pid = pid, .name = block};
    registry->count++;
    return block;
}

void registry_remove(struct registry *registry, struct bytes name) {
    CHECK(registry->count > 0);
    uint32_t mask = registry->capacity - 1;
    uint32_t at = probe(registry, hash_bytes(registry->seed, name), name);
    struct registry_entry *table = entries(registry);
    CHECKF(table[at].pid != PID_NONE, "name %.*s is not registered", (int)name.size, name.data);
    blocks_release(registry->blocks, table[at].name);
    registry->count--;
    for (uint32_t next = (at + 1) & mask; table[next].pid != PID_NONE; next = (next + 1) & mask) {
        uint32_t home = (uint32_t)table[next].hash & mask;
        // An entry may fill the hole when the hole lies between its home and its place.
        if (((next - home) & mask) >= ((next - at) & mask)) {
            table[at] = table[next];
            at = next;
        }
    }
    table[at] = (struct registry_entry){0};
}

uint64_t registry_next(const struct registry *registry, uint32_t *cursor) {
    while (*cursor < registry->capacity) {
        uint64_t pid = entries(registry)[(*cursor)++].pid;
        if (pid != PID_NONE)
            return pid;
    }
    return PID_NONE;
}

void registry_validate(const struct registry *registry) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < registry->capacity; i++) {
        const struct registry_entry *entry = &entries(registry)[i];
        if (entry->pid == PID_NONE)
            continue;
        struct bytes name = registry_name(registry, entry->name);
        CHECKF(entry->hash == hash_bytes(registry->seed, name) &&
                   probe(registry, entry->hash, name) == i,
               "name %.*s is not found at entry %u", (int)name.size, name.data, i);
        count++;
    }
    CHECKF(count == registry->count && count <= registry->capacity / 4 * 3,
           "registry: %u entries of %u, %u counted", count, registry->capacity, registry->count);
}
