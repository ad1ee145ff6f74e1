#include "gateway/echo.h"

#include "gateway/frame_out.h"

void echo_on_chunk(struct gateway *gateway, uint32_t index, const struct websocket_event *event) {
    struct websocket_frame frame = {
        // RFC 6455 5.4: the first fragment names the type, the others are continuations
        .opcode = event->is_first ? event->opcode : WEBSOCKET_CONTINUATION,
        .is_not_final = !event->is_last,
        .payload_size = event->payload.size,
    };
    size_t size = websocket_header_size(frame.payload_size) + event->payload.size;
    struct blocks *blocks = gateway->parts.blocks;
    uint32_t parcel = parcel_acquire(blocks, size, PARCEL_CONTROL);
    if (parcel != BLOCK_NONE) {
        struct writer w = writer_on(parcel_at(blocks, parcel)->data, size);
        websocket_encode_header(&w, &frame);
        writer_put(&w, event->payload);
        CHECK(!w.overflow && w.size == size);
    }
    conn_push(gateway, index, parcel);
}
