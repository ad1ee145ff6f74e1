// Removal shifts later entries of the same probe sequence back, so there are no tombstones
// (Knuth 6.4 R; as sched/registry.c).
#include "gateway/mqtt_directory.h"

#include "sched/base/hash.h"

#define CAPACITY_FIRST 64

// Texts have bits 0 to 30; a block of an id is at most 128 KiB, so that its bit 31 says which it
// is.
#define LONG_ID 0x80000000u

struct long_id {
    uint32_t size;
    uint8_t bytes[];
};

int mqtt_directory_init(struct mqtt_directory *directory, struct memory_ledger *ledger,
                        struct blocks *blocks, uint32_t sessions_max, uint64_t seed) {
    *directory = (struct mqtt_directory){.blocks = blocks, .seed = seed, .table = BLOCK_NONE};
    return texts_init(&directory->ids, ledger, sessions_max);
}

void mqtt_directory_fini(struct mqtt_directory *directory) {
    CHECKF(directory->count == 0, "%u client ids are still entered", directory->count);
    for (uint32_t i = 0; i < TEXT_CLASS_COUNT; i++)
        slab_check_empty(&directory->ids.classes[i]);
    if (directory->table != BLOCK_NONE)
        blocks_release(directory->blocks, directory->table);
    directory->table = BLOCK_NONE;
    directory->capacity = 0;
}

uint32_t mqtt_directory_id_acquire(struct mqtt_directory *directory, struct bytes id) {
    CHECK(id.size >= 1 && id.size <= MQTT_DIRECTORY_ID_BYTES_MAX);
    if (id.size <= TEXT_BYTES_MAX)
        return text_acquire(&directory->ids, id);
    uint32_t block = blocks_acquire(directory->blocks, sizeof(struct long_id) + id.size);
    if (block == BLOCK_NONE)
        return MQTT_ID_NONE;
    CHECK(!(block & LONG_ID));
    struct long_id *copy = blocks_at(directory->blocks, block);
    copy->size = (uint32_t)id.size;
    memcpy(copy->bytes, id.data, id.size);
    return block | LONG_ID;
}

void mqtt_directory_id_release(struct mqtt_directory *directory, uint32_t id) {
    if (id & LONG_ID)
        blocks_release(directory->blocks, id & ~LONG_ID);
    else
        text_release(&directory->ids, id);
}

struct bytes mqtt_directory_id(const struct mqtt_directory *directory, uint32_t id) {
    if (!(id & LONG_ID))
        return text_bytes(&directory->ids, id);
    const struct long_id *copy = blocks_at(directory->blocks, id & ~LONG_ID);
    return bytes_of(copy->bytes, copy->size);
}

static struct mqtt_directory_entry *entries(const struct mqtt_directory *directory) {
    return blocks_at(directory->blocks, directory->table);
}

static uint32_t tag_of(const struct mqtt_directory *directory, struct bytes id) {
    return (uint32_t)hash_bytes(directory->seed, id);
}

uint32_t mqtt_directory_lookup(const struct mqtt_directory *directory, struct bytes id,
                               mqtt_directory_id_of *id_of, const void *context) {
    if (directory->count == 0)
        return SLAB_NONE;
    const struct mqtt_directory_entry *table = entries(directory);
    uint32_t tag = tag_of(directory, id);
    uint32_t mask = directory->capacity - 1;
    for (uint32_t at = tag & mask; table[at].session != 0; at = (at + 1) & mask) {
        uint32_t session = table[at].session - 1;
        if (table[at].tag == tag && bytes_equal(id_of(context, session), id))
            return session;
    }
    return SLAB_NONE;
}

static void put(struct mqtt_directory_entry *table, uint32_t capacity,
                struct mqtt_directory_entry entry) {
    uint32_t at = entry.tag & (capacity - 1);
    while (table[at].session != 0)
        at = (at + 1) & (capacity - 1);
    table[at] = entry;
}

static bool grow(struct mqtt_directory *directory) {
    uint32_t capacity = directory->capacity ? directory->capacity * 2 : CAPACITY_FIRST;
    size_t size = (size_t)capacity * sizeof(struct mqtt_directory_entry);
    uint32_t block = blocks_acquire(directory->blocks, size);
    if (block == BLOCK_NONE)
        return false;
    struct mqtt_directory_entry *table = blocks_at(directory->blocks, block);
    memset(table, 0, size);
    for (uint32_t i = 0; i < directory->capacity; i++)
        if (entries(directory)[i].session != 0)
            put(table, capacity, entries(directory)[i]);
    if (directory->table != BLOCK_NONE)
        blocks_release(directory->blocks, directory->table);
    directory->table = block;
    directory->capacity = capacity;
    return true;
}

bool mqtt_directory_insert(struct mqtt_directory *directory, struct bytes id, uint32_t session) {
    if (directory->count >= directory->capacity / 4 * 3 && !grow(directory))
        return false;
    put(entries(directory), directory->capacity,
        (struct mqtt_directory_entry){.tag = tag_of(directory, id), .session = session + 1});
    directory->count++;
    return true;
}

void mqtt_directory_remove(struct mqtt_directory *directory, struct bytes id, uint32_t session) {
    CHECK(directory->count > 0);
    struct mqtt_directory_entry *table = entries(directory);
    uint32_t mask = directory->capacity - 1;
    uint32_t at = tag_of(directory, id) & mask;
    while (table[at].session != session + 1) {
        CHECKF(table[at].session != 0, "session %u is not entered", session);
        at = (at + 1) & mask;
    }
    directory->count--;
    for (uint32_t next = (at + 1) & mask; table[next].session != 0; next = (next + 1) & mask) {
        uint32_t home = table[next].tag & mask;
        // An entry may fill the hole when the hole lies between its home and its place.
        if (((next - home) & mask) >= ((next - at) & mask)) {
            table[at] = table[next];
            at = next;
        }
    }
    table[at] = (struct mqtt_directory_entry){0};
}
