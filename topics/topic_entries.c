#include "topics/topic_entries.h"

#include <string.h>

#define FIRST_BYTES (BLOCKS_SMALLEST_BYTES - BLOCK_HEADER_BYTES)

static uint32_t capacity_of(const struct topic_entries_owner *owner,
                            const struct topic_entries *entries) {
    if (entries->shape == TOPIC_ENTRIES_MANY)
        return (uint32_t)(blocks_capacity(owner->blocks, entries->many.block) /
                          sizeof(struct topic_entry));
    return 1;
}

// From the head into a block, or into one of twice the size.
static bool grow(const struct topic_entries_owner *owner, struct topic_entries *entries) {
    uint32_t length = topic_entries_length(entries);
    size_t bytes = FIRST_BYTES;
    if (entries->shape == TOPIC_ENTRIES_MANY)
        bytes = (blocks_capacity(owner->blocks, entries->many.block) + BLOCK_HEADER_BYTES) * 2 -
                BLOCK_HEADER_BYTES;
    uint32_t block = blocks_acquire(owner->blocks, bytes);
    if (block == BLOCK_NONE)
        return false;
    memcpy(blocks_at(owner->blocks, block), topic_entries_data(owner->blocks, entries),
           length * sizeof(struct topic_entry));
    if (entries->shape == TOPIC_ENTRIES_MANY)
        blocks_release(owner->blocks, entries->many.block);
    entries->shape = TOPIC_ENTRIES_MANY;
    entries->many.block = block;
    entries->many.length = length;
    return true;
}

bool topic_entries_add(const struct topic_entries_owner *owner, struct topic_entries *entries,
                       struct topic_entry entry, uint32_t *position) {
    uint32_t length = topic_entries_length(entries);
    if (entries->shape == TOPIC_ENTRIES_NONE) {
        entries->shape = TOPIC_ENTRIES_ONE;
    } else {
        if (length == capacity_of(owner, entries) && !grow(owner, entries))
            return false;
        if (entries->shape == TOPIC_ENTRIES_MANY)
            entries->many.length++;
    }
    topic_entries_data(owner->blocks, entries)[length] = entry;
    entries->count++;
    *position = length;
    return true;
}

static void set_length(const struct topic_entries_owner *owner, struct topic_entries *entries,
                       uint32_t length) {
    if (length == 0 && entries->shape == TOPIC_ENTRIES_MANY)
        blocks_release(owner->blocks, entries->many.block);
    if (length == 0)
        entries->shape = TOPIC_ENTRIES_NONE;
    else if (entries->shape == TOPIC_ENTRIES_MANY)
        entries->many.length = length;
}

void topic_entries_remove(const struct topic_entries_owner *owner, struct topic_entries *entries,
                          uint32_t position) {
    uint32_t length = topic_entries_length(entries);
    struct topic_entry *data = topic_entries_data(owner->blocks, entries);
    CHECKF(position < length && data[position].key != SLAB_NONE, "entry %u of %u", position,
           length);
    entries->count--;
    if (entries->pins > 0) {
        data[position].key = SLAB_NONE;
        return;
    }
    if (position + 1 < length) {
        data[position] = data[length - 1];
        owner->on_moved(owner->context, data[position].key, position);
    }
    set_length(owner, entries, length - 1);
}

void topic_entries_pin(struct topic_entries *entries) {
    CHECK(entries->pins < UINT16_MAX);
    entries->pins++;
}

void topic_entries_unpin(const struct topic_entries_owner *owner, struct topic_entries *entries) {
    CHECK(entries->pins > 0);
    uint32_t length = topic_entries_length(entries);
    if (--entries->pins > 0 || length == entries->count)
        return;
    struct topic_entry *data = topic_entries_data(owner->blocks, entries);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < length; i++) {
        if (data[i].key == SLAB_NONE)
            continue;
        if (kept != i) {
            data[kept] = data[i];
            owner->on_moved(owner->context, data[i].key, kept);
        }
        kept++;
    }
    CHECK(kept == entries->count);
    set_length(owner, entries, kept);
}
