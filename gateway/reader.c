#include "gateway/reader.h"

struct reader *reader_need(struct gateway *gateway, struct conn *conn) {
    if (conn->reader != SLAB_NONE)
        return slab_get(&gateway->readers, conn->reader);
    uint32_t index;
    struct reader *reader = slab_acquire(&gateway->readers, &index);
    if (!reader)
        return NULL;
    reader->block = BLOCK_NONE;
    conn->reader = index;
    return reader;
}

struct reader *reader_lookup(const struct gateway *gateway, const struct conn *conn) {
    return conn->reader == SLAB_NONE ? NULL : slab_get(&gateway->readers, conn->reader);
}

bool reader_append(struct gateway *gateway, struct reader *reader, struct bytes bytes) {
    struct blocks *blocks = gateway->parts.blocks;
    size_t need = reader->size + bytes.size;
    if (bytes.size == 0)
        return true;
    if (reader->block == BLOCK_NONE || need > blocks_capacity(blocks, reader->block)) {
        size_t twice = (size_t)reader->size * 2;
        uint32_t block = blocks_acquire(blocks, need > twice ? need : twice);
        if (block == BLOCK_NONE)
            return false;
        if (reader->size > 0)
            memcpy(blocks_at(blocks, block), blocks_at(blocks, reader->block), reader->size);
        if (reader->block != BLOCK_NONE)
            blocks_release(blocks, reader->block);
        reader->block = block;
    }
    memcpy((uint8_t *)blocks_at(blocks, reader->block) + reader->size, bytes.data, bytes.size);
    reader->size = (uint32_t)need;
    return true;
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
    reader_clear(gateway, slab_get(&gateway->readers, conn->reader));
    slab_release(&gateway->readers, conn->reader);
    conn->reader = SLAB_NONE;
}
