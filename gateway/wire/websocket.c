// websocket_decode, per call: header (take_header) → a control frame whole (take_control) or a
// chunk of a message (take_chunk). What a call leaves unfinished is in the state:
//
//   header_size 0                a frame begins with the next byte
//   header_size > 0              part of a header is in `header`
//   FLAG_IN_PAYLOAD              the header is whole; frame_left bytes of payload are still to come
//   FLAG_FRAME_BEGUN             a chunk of this frame was yielded
//   FLAG_MESSAGE_BEGUN           a chunk of this message was yielded
//   message_opcode               not 0 from a message's first header to its last byte
//
// The end of a frame clears all of it but the message's part; the end of a message clears that too.
#include "gateway/wire/websocket.h"

#include <endian.h>

#include "gateway/wire/websocket_mask.h"

enum websocket_flag {
    FLAG_IN_PAYLOAD = 1,
    FLAG_FRAME_BEGUN = 2,
    FLAG_MESSAGE_BEGUN = 4,
};

enum {
    HEADER_FIN = 0x80,
    HEADER_RESERVED = 0x70,
    HEADER_OPCODE = 0x0f,
    HEADER_CONTROL = 0x08,
    HEADER_MASKED = 0x80,
    HEADER_SIZE = 0x7f,
};

static enum websocket_status fail(struct websocket_event *event, uint16_t code, const char *cause) {
    *event = (struct websocket_event){.close_code = code, .cause = cause};
    return WEBSOCKET_BAD;
}

static const char *first_byte_fault(const struct websocket_decoder *d) {
    uint8_t first = d->header[0];
    uint8_t opcode = first & HEADER_OPCODE;
    if (first & HEADER_RESERVED) // RFC 6455 5.2: MUST be 0 unless an extension defines them
        return "reserved bits are set";
    if (opcode & HEADER_CONTROL) {
        if (opcode > WEBSOCKET_PONG)
            return "reserved opcode";
        // RFC 6455 5.5: control frames MUST NOT be fragmented
        return first & HEADER_FIN ? NULL : "fragmented control frame";
    }
    if (opcode > WEBSOCKET_BINARY)
        return "reserved opcode";
    if (opcode == WEBSOCKET_CONTINUATION)
        return d->message_opcode ? NULL : "continuation without a message";
    return d->message_opcode ? "new message inside a fragmented one" : NULL;
}

static const char *second_byte_fault(const struct websocket_decoder *d,
                                     const struct websocket_rules *rules) {
    bool is_masked = d->header[1] & HEADER_MASKED;
    if (is_masked == rules->is_client) // RFC 6455 5.1
        return is_masked ? "masked frame from a server" : "unmasked frame from a client";
    if ((d->header[0] & HEADER_CONTROL) && (d->header[1] & HEADER_SIZE) > WIRE_CONTROL_BYTES_MAX)
        return "control frame over 125 bytes";
    return NULL;
}

// Bytes that the payload's size takes after the second byte.
static uint8_t extended_size(uint8_t second) {
    uint8_t size = second & HEADER_SIZE;
    return size < 126 ? 0 : size == 126 ? 2 : 8;
}

static uint64_t payload_size(const struct websocket_decoder *d) {
    uint16_t size16;
    uint64_t size64;
    switch (extended_size(d->header[1])) {
    case 2:
        memcpy(&size16, d->header + 2, 2);
        return be16toh(size16);
    case 8:
        memcpy(&size64, d->header + 2, 8);
        return be64toh(size64);
    default:
        return d->header[1] & HEADER_SIZE;
    }
}

// Moves input into the header until it has `size` bytes; false when the input ends before.
static bool fill_header(struct websocket_decoder *d, struct websocket_input *input, uint8_t size) {
    if (d->header_size >= size)
        return true;
    size_t missing = (size_t)(size - d->header_size);
    size_t take = missing < input->size ? missing : input->size;
    if (take == 0) // an empty input may have no data at all
        return false;
    memcpy(d->header + d->header_size, input->data, take);
    d->header_size = (uint8_t)(d->header_size + take);
    input->data += take;
    input->size -= take;
    return take == missing;
}

// Checks are made in the order of the bytes and repeat harmlessly when a header comes in pieces.
static enum websocket_status take_header(struct websocket_decoder *d,
                                         const struct websocket_rules *rules,
                                         struct websocket_input *input,
                                         struct websocket_event *event) {
    if (!fill_header(d, input, 1))
        return WEBSOCKET_NEED_MORE;
    const char *fault = first_byte_fault(d);
    if (UNLIKELY(fault))
        return fail(event, WEBSOCKET_CLOSE_PROTOCOL_ERROR, fault);
    if (!fill_header(d, input, 2))
        return WEBSOCKET_NEED_MORE;
    fault = second_byte_fault(d, rules);
    if (UNLIKELY(fault))
        return fail(event, WEBSOCKET_CLOSE_PROTOCOL_ERROR, fault);

    uint8_t extended = extended_size(d->header[1]);
    if (!fill_header(d, input, (uint8_t)(2 + extended)))
        return WEBSOCKET_NEED_MORE;
    uint64_t size = payload_size(d);
    // RFC 6455 5.2: the minimal number of bytes MUST be used; the most significant bit MUST be 0
    if ((extended == 2 && size < 126) || (extended == 8 && size <= UINT16_MAX))
        return fail(event, WEBSOCKET_CLOSE_PROTOCOL_ERROR, "size not encoded in the fewest bytes");
    if (size > INT64_MAX)
        return fail(event, WEBSOCKET_CLOSE_PROTOCOL_ERROR, "size with its highest bit set");
    bool is_control = d->header[0] & HEADER_CONTROL;
    if (!is_control && (d->message_size > rules->message_bytes_max ||
                        size > rules->message_bytes_max - d->message_size))
        return fail(event, WEBSOCKET_CLOSE_TOO_BIG, "message over the limit");
    if (!rules->is_client && !fill_header(d, input, (uint8_t)(6 + extended)))
        return WEBSOCKET_NEED_MORE;

    d->flags |= FLAG_IN_PAYLOAD;
    d->frame_left = size;
    if (!is_control) {
        d->message_size += size;
        if (d->header[0] & HEADER_OPCODE)
            d->message_opcode = d->header[0] & HEADER_OPCODE;
    }
    return WEBSOCKET_OK;
}

static const uint8_t *mask_of(const struct websocket_decoder *d) {
    return d->header + d->header_size - 4;
}

static void end_frame(struct websocket_decoder *d) {
    *d = (struct websocket_decoder){
        .message_size = d->message_size,
        .message_opcode = d->message_opcode,
        .flags = d->flags & FLAG_MESSAGE_BEGUN,
        .utf8 = d->utf8,
    };
}

// RFC 6455 5.5.1, 7.4: no payload, or a code that may be sent and a reason in UTF-8.
static enum websocket_status check_close(struct websocket_event *event) {
    struct bytes payload = event->payload;
    event->close_code = WEBSOCKET_CLOSE_NO_STATUS;
    if (payload.size == 0)
        return WEBSOCKET_OK;
    if (payload.size == 1)
        return fail(event, WEBSOCKET_CLOSE_PROTOCOL_ERROR, "close payload of one byte");
    uint16_t code = (uint16_t)(payload.data[0] << 8 | payload.data[1]);
    if (!websocket_close_code_is_valid(code))
        return fail(event, WEBSOCKET_CLOSE_PROTOCOL_ERROR, "close code that must not be sent");
    event->close_code = code;
    event->payload = bytes_skip(payload, 2);
    if (!utf8_is_valid(event->payload))
        return fail(event, WEBSOCKET_CLOSE_INVALID_DATA, "close reason is not UTF-8");
    return WEBSOCKET_OK;
}

static enum websocket_status take_control(struct websocket_decoder *d,
                                          const struct websocket_rules *rules,
                                          struct websocket_input *input,
                                          struct websocket_event *event) {
    size_t size = d->header[1] & HEADER_SIZE;
    uint8_t *payload = input->data;
    size_t take = d->frame_left < input->size ? (size_t)d->frame_left : input->size;
    if (take < size) { // cut by an input's end: gathered in the caller's bytes
        payload = input->control;
        if (take > 0)
            memcpy(payload + size - d->frame_left, input->data, take);
    }
    if (take > 0) {
        input->data += take;
        input->size -= take;
        d->frame_left -= take;
    }
    if (d->frame_left > 0)
        return WEBSOCKET_NEED_MORE;
    if (!rules->is_client)
        websocket_mask(payload, size, mask_of(d), 0);
    *event = (struct websocket_event){
        .opcode = (enum websocket_opcode)(d->header[0] & HEADER_OPCODE),
        .payload = {payload, size},
        .is_first = true,
        .is_last = true,
        .is_frame_first = true,
        .is_frame_last = true,
        .is_final = true,
        .frame_size = size,
    };
    end_frame(d);
    return event->opcode == WEBSOCKET_CLOSE ? check_close(event) : WEBSOCKET_OK;
}

static enum websocket_status take_chunk(struct websocket_decoder *d,
                                        const struct websocket_rules *rules,
                                        struct websocket_input *input,
                                        struct websocket_event *event) {
    size_t take = d->frame_left < input->size ? (size_t)d->frame_left : input->size;
    if (take == 0 && d->frame_left > 0)
        return WEBSOCKET_NEED_MORE;
    uint8_t *payload = input->data;
    if (take > 0) {
        if (!rules->is_client)
            websocket_mask(payload, take, mask_of(d), d->mask_phase);
        input->data += take;
        input->size -= take;
        d->mask_phase = (uint8_t)((d->mask_phase + take) & 3);
        d->frame_left -= take;
    }
    bool is_final = d->header[0] & HEADER_FIN;
    bool is_last = is_final && d->frame_left == 0;
    struct bytes chunk = {payload, take};
    if (d->message_opcode == WEBSOCKET_TEXT &&
        (!utf8_accepts(&d->utf8, chunk) || (is_last && !utf8_is_complete(&d->utf8))))
        return fail(event, WEBSOCKET_CLOSE_INVALID_DATA, "text is not UTF-8");
    *event = (struct websocket_event){
        .opcode = (enum websocket_opcode)d->message_opcode,
        .payload = chunk,
        .is_first = !(d->flags & FLAG_MESSAGE_BEGUN),
        .is_last = is_last,
        .is_frame_first = !(d->flags & FLAG_FRAME_BEGUN),
        .is_frame_last = d->frame_left == 0,
        .is_final = is_final,
        .frame_size = payload_size(d),
    };
    d->flags |= FLAG_FRAME_BEGUN | FLAG_MESSAGE_BEGUN;
    if (is_last)
        *d = (struct websocket_decoder){0};
    else if (d->frame_left == 0)
        end_frame(d);
    return WEBSOCKET_OK;
}

enum websocket_status websocket_decode(struct websocket_decoder *decoder,
                                       const struct websocket_rules *rules,
                                       struct websocket_input *input,
                                       struct websocket_event *event) {
    if (!(decoder->flags & FLAG_IN_PAYLOAD)) {
        enum websocket_status status = take_header(decoder, rules, input, event);
        if (status != WEBSOCKET_OK)
            return status;
    }
    if (decoder->header[0] & HEADER_CONTROL)
        return take_control(decoder, rules, input, event);
    return take_chunk(decoder, rules, input, event);
}

bool websocket_decoder_is_idle(const struct websocket_decoder *decoder) {
    return decoder->header_size == 0 && decoder->message_opcode == 0;
}

bool websocket_close_code_is_valid(uint16_t code) {
    if (code >= 3000)
        return code <= 4999;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

void websocket_encode_header(struct writer *w, const struct websocket_frame *frame) {
    CHECK(frame->payload_size <= INT64_MAX);
    uint8_t header[WEBSOCKET_HEADER_BYTES_MAX];
    size_t size = websocket_header_size(frame->payload_size);
    header[0] = (uint8_t)((frame->is_not_final ? 0 : HEADER_FIN) | frame->opcode);
    uint8_t short_size = size == 2 ? (uint8_t)frame->payload_size : size == 4 ? 126 : 127;
    header[1] = (uint8_t)((frame->is_masked ? HEADER_MASKED : 0) | short_size);
    uint16_t size16 = htobe16((uint16_t)frame->payload_size);
    uint64_t size64 = htobe64(frame->payload_size);
    if (size == 4)
        memcpy(header + 2, &size16, 2);
    else if (size == 10)
        memcpy(header + 2, &size64, 8);
    if (frame->is_masked) {
        memcpy(header + size, frame->mask, 4);
        size += 4;
    }
    writer_put(w, bytes_of(header, size));
}

void websocket_encode_frame(struct writer *w, enum websocket_opcode opcode, struct bytes payload) {
    struct websocket_frame frame = {.opcode = opcode, .payload_size = payload.size};
    websocket_encode_header(w, &frame);
    writer_put(w, payload);
}

void websocket_encode_masked(struct writer *w, enum websocket_opcode opcode, struct bytes payload,
                             const uint8_t mask[4]) {
    struct websocket_frame frame = {
        .opcode = opcode, .is_masked = true, .payload_size = payload.size};
    memcpy(frame.mask, mask, 4);
    websocket_encode_header(w, &frame);
    size_t at = w->size;
    writer_put(w, payload);
    websocket_mask(w->data + at, w->size - at, mask, 0);
}

void websocket_encode_close(struct writer *w, uint16_t code, struct bytes reason) {
    uint8_t payload[WIRE_CONTROL_BYTES_MAX];
    size_t size = 0;
    if (code != WEBSOCKET_CLOSE_NO_STATUS) {
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        size_t keep = reason.size;
        if (keep > WIRE_CLOSE_REASON_BYTES_MAX) {
            keep = WIRE_CLOSE_REASON_BYTES_MAX;
            while (keep > 0 && (reason.data[keep] & 0xc0) == 0x80)
                keep--;
        }
        if (keep > 0)
            memcpy(payload + 2, reason.data, keep);
        size = 2 + keep;
    }
    websocket_encode_frame(w, WEBSOCKET_CLOSE, bytes_of(payload, size));
}
