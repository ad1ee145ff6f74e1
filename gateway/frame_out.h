// A server's WebSocket frame, encoded straight into a parcel. frame_out_begin takes a parcel for a
// payload of at most so many bytes, its user writes the payload to `w`, frame_out_finish puts the
// header before it. Or all at once: frame_out_parcel.
//
// Any core, on its own blocks. The parcel has one reference, the caller's; BLOCK_NONE when memory
// is out.
#ifndef FAIRLEAD_FRAME_OUT_H
#define FAIRLEAD_FRAME_OUT_H

#include "gateway/wire/websocket.h"
#include "sched/base/parcel.h"

struct frame_out {
    struct writer w; // for the payload
    struct blocks *blocks;
    uint32_t parcel;
};

// False when memory is out; nothing is held then.
MUST_USE bool frame_out_begin(struct frame_out *out, struct blocks *blocks,
                              size_t payload_bytes_max, enum parcel_class parcel_class);

// The parcel. What was written must have fitted: the bound was the caller's.
uint32_t frame_out_finish(struct frame_out *out, enum websocket_opcode opcode);

uint32_t frame_out_parcel(struct blocks *blocks, enum parcel_class parcel_class,
                          enum websocket_opcode opcode, struct bytes payload);

// Any bytes as a parcel of class PARCEL_CONTROL: answers in HTTP, a TLS alert.
uint32_t frame_out_raw(struct blocks *blocks, struct bytes bytes);

#endif
