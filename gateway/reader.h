// Reader: what a connection has half received: an HTTP head, a WebSocket frame's header, a message
// in pieces; and what came while its replies had no room, as it came. A connection on a frame
// boundary whose peer reads has none.
//
// Bounds: one per connection, its bytes at most the caller's limit, in a block that doubles as they
// come: nothing is set aside for what is only announced. Owned by the core's thread.
#ifndef FAIRLEAD_READER_H
#define FAIRLEAD_READER_H

#include "gateway/conn.h"

struct reader {
    uint32_t slab_word;
    uint32_t block;        // BLOCK_NONE: no bytes held
    uint32_t size;         // bytes held
    uint32_t waiting;      // block of bytes not decoded yet, BLOCK_NONE: none
    uint32_t waiting_size; // LIMITS_WAITING_BYTES at most
    struct websocket_decoder decoder;
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
};

// The connection's reader, made when there is none; NULL when memory is out.
MUST_USE struct reader *reader_need(struct gateway *gateway, struct conn *conn);

// NULL when the connection has none.
struct reader *reader_lookup(const struct gateway *gateway, const struct conn *conn);

// False when memory is out; what was held stays.
MUST_USE bool reader_append(struct gateway *gateway, struct reader *reader, struct bytes bytes);

struct bytes reader_bytes(const struct gateway *gateway, const struct reader *reader);

// Lets the held bytes go, and keeps the reader.
void reader_clear(struct gateway *gateway, struct reader *reader);

// Puts bytes that are not decoded yet behind those that wait. False when memory is out.
MUST_USE bool reader_wait(struct gateway *gateway, struct reader *reader, struct bytes bytes);

// Harmless without one.
void reader_release(struct gateway *gateway, struct conn *conn);

#endif
