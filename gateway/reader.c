#include "gateway/reader.h"

struct reader *reader_need(struct gateway *gateway, struct conn *conn) {
    if (conn->reader != SLAB_NONE)
        return slab_get(&gateway->readers, conn->reader);
    uint32_t index;
    struct reader *reader = slab_acquire(&gateway->readers, &index);
    if (!reader)
        return NULL;
    reader->block = BLOCK_NONE;
    reader->waiting = BLOCK_NONE;
    conn->reader = index;
    return reader;
}

struct reader *reader_lookup(const struct gateway *gateway, const struct conn *conn) {
    return conn->reader == SLAB_NONE ? NULL : slab_get(&gateway->readers, conn->reader);
}

// Appends to a block that doubles.
static bool append(struct blocks *blocks, uint32_t *block, uint32_t *size, struct bytes bytes) {
    size_t need = *size + bytes.size;
    if (bytes.size == 0)
        return true;
    if (*block == BLOCK_NONE || need > blocks_capacity(blocks, *block)) {
        size_t twice = (size_t)*size * 2;
        uint32_t larger = blocks_acquire(blocks, need > twice ? need : twice);
        if (larger == BLOCK_NONE)
            return false;
        if (*size > 0)
            memcpy(blocks_at(blocks, larger), blocks_at(blocks, *block), *size);
        if (*block != BLOCK_NONE)
            blocks_release(blocks, *block);
        *block = larger;
    }
    memcpy((uint8_t *)blocks_at(blocks, *block) + *size, bytes.data, bytes.size);
    *size = (uint32_t)need;
    return true;
}

bool reader_append(struct gateway *gateway, struct reader *reader, struct bytes bytes) {
    return append(gateway->parts.blocks, &reader->block, &reader->size, bytes);
}

bool reader_wait(struct gateway *gateway, struct reader *reader, struct bytes bytes) {
    return append(gateway->parts.blocks, &reader->waiting, &reader->waiting_size, bytes);
}

struct bytes reader_bytes(const struct gateway *gateway, const struct reader *reader) {
    if (reader->block == BLOCK_NONE)
        return (struct bytes){0};
    return bytes_of(blocks_at(gateway->parts.blocks, reader->block), reader->size);
}

void reader_clear(struct gateway *gateway, struct reader *reader) {
    if (reader->block != BLOCK_NONE)
        blocks_release(gateway->parts.blocks, reader->block);
    reader->block = BLOCK_NONE;
    reader->size = 0;
}

void reader_release(struct gateway *gateway, struct conn *conn) {
    if (conn->reader == SLAB_NONE)
        return;
    struct reader *reader = slab_get(&gateway->readers, conn->reader);
    reader_clear(gateway, reader);
    if (reader->waiting != BLOCK_NONE)
        blocks_release(gateway->parts.blocks, reader->waiting);
    slab_release(&gateway->readers, conn->reader);
    conn->reader = SLAB_NONE;
}
