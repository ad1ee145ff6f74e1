// The header's size depends on the payload's, which is known only at the end: the payload is
// written behind a header of the largest size that the bound may need, and moved down where it
// turned out smaller. That happens to short payloads with a generous bound: a few dozen bytes.
#include "gateway/frame_out.h"

bool frame_out_begin(struct frame_out *out, struct blocks *blocks, size_t payload_bytes_max,
                     enum parcel_class parcel_class) {
    size_t header_size = websocket_header_size(payload_bytes_max);
    uint32_t parcel = parcel_acquire(blocks, header_size + payload_bytes_max, parcel_class);
    if (parcel == BLOCK_NONE)
        return false;
    *out = (struct frame_out){
        .w = writer_on(parcel_at(blocks, parcel)->data + header_size, payload_bytes_max),
        .blocks = blocks,
        .parcel = parcel,
    };
    return true;
}

uint32_t frame_out_finish(struct frame_out *out, enum websocket_opcode opcode) {
    CHECK(!out->w.overflow);
    struct parcel *parcel = parcel_at(out->blocks, out->parcel);
    struct websocket_frame frame = {.opcode = opcode, .payload_size = out->w.size};
    struct writer header = writer_on(parcel->data, websocket_header_size(out->w.size));
    uint8_t *payload = parcel->data + header.capacity;
    if (payload != out->w.data)
        memmove(payload, out->w.data, out->w.size);
    websocket_encode_header(&header, &frame);
    parcel->size = (uint32_t)(header.size + out->w.size);
    return out->parcel;
}

uint32_t frame_out_parcel(struct blocks *blocks, enum parcel_class parcel_class,
                          enum websocket_opcode opcode, struct bytes payload) {
    struct frame_out out;
    if (!frame_out_begin(&out, blocks, payload.size, parcel_class))
        return BLOCK_NONE;
    writer_put(&out.w, payload);
    return frame_out_finish(&out, opcode);
}

uint32_t frame_out_raw(struct blocks *blocks, struct bytes bytes) {
    uint32_t id = parcel_acquire(blocks, bytes.size, PARCEL_CONTROL);
    if (id != BLOCK_NONE)
        memcpy(parcel_at(blocks, id)->data, bytes.data, bytes.size);
    return id;
}
