// WebSocket frames (RFC 6455), both roles: an incremental decoder whose state the caller holds, and
// the encoders.
//
// The decoder takes whatever bytes have arrived and yields chunks of messages and whole control
// frames. Data chunks are views of the input, unmasked in place. A frame that lies wholly in the
// input is one chunk, so a small message is one event with is_first and is_last; a larger one comes
// in pieces that the caller joins, or passes on piece by piece. The decoder never waits for more of
// a message than it has: a 16 MiB message needs no 16 MiB.
//
//     struct websocket_input input = {received, received_size, control};
//     while ((status = websocket_decode(&decoder, &rules, &input, &event)) == WEBSOCKET_OK)
//         on_event(&event);
//
// NEED_MORE: the input is used up, what was incomplete is kept in the state (headers) and in
// `control` (a ping, pong or close cut by the input's end). BAD: close with event.close_code; the
// decoder is of no further use. After a CLOSE event the caller stops as well.
//
// Bounds: `message_bytes_max` is enforced by the header that announces too much. Text is valid
// UTF-8 up to the chunk's end (a character may be cut there); an invalid byte fails at once.
//
// Pure functions, any thread. LIMITATION: no extensions; reserved bits are refused.
#ifndef FAIRLEAD_WEBSOCKET_H
#define FAIRLEAD_WEBSOCKET_H

#include "gateway/wire/utf8.h"
#include "gateway/wire/wire_limits.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

// RFC 6455 7.4.1, and the IANA registry for 1012 and 1013.
enum websocket_close_code {
    WEBSOCKET_CLOSE_NORMAL = 1000,
    WEBSOCKET_CLOSE_GOING_AWAY = 1001,
    WEBSOCKET_CLOSE_PROTOCOL_ERROR = 1002,
    WEBSOCKET_CLOSE_UNSUPPORTED_DATA = 1003,
    WEBSOCKET_CLOSE_NO_STATUS = 1005, // never on the wire: a close frame without a code
    WEBSOCKET_CLOSE_INVALID_DATA = 1007,
    WEBSOCKET_CLOSE_POLICY = 1008,
    WEBSOCKET_CLOSE_TOO_BIG = 1009,
    WEBSOCKET_CLOSE_INTERNAL_ERROR = 1011,
    WEBSOCKET_CLOSE_SERVICE_RESTART = 1012,
    WEBSOCKET_CLOSE_TRY_AGAIN_LATER = 1013,
};

enum websocket_status {
    WEBSOCKET_OK,
    WEBSOCKET_NEED_MORE,
    WEBSOCKET_BAD,
};

#define WEBSOCKET_HEADER_BYTES_MAX 14

// All zero: at a frame boundary, no message under way. An idle connection stores none of this.
struct websocket_decoder {
    uint64_t frame_left;   // payload bytes of the current frame still to come
    uint64_t message_size; // payload bytes of the message, up to the current frame's end
    uint8_t header[WEBSOCKET_HEADER_BYTES_MAX]; // of the current frame, as far as it has come
    uint8_t header_size;                        // bytes in it; 0 between frames
    uint8_t message_opcode;                     // of the message under way, 0 when none
    uint8_t flags;                              // private to websocket.c
    uint8_t mask_phase;                         // 0 … 3, of the next payload byte
    struct utf8 utf8;                           // of the text message under way
};

_Static_assert(sizeof(struct websocket_decoder) <= 40, "the state of a cut message is small");

struct websocket_rules {
    uint64_t message_bytes_max; // of a whole message
    bool is_client;             // the other side is a server: its frames must not be masked
};

// The bytes not yet decoded, moved forward by websocket_decode.
struct websocket_input {
    uint8_t *data;
    size_t size;
    uint8_t *control; // WIRE_CONTROL_BYTES_MAX bytes that live as long as the decoder's state;
                      // their content matters only while it is not idle
};

struct websocket_event {
    enum websocket_opcode opcode; // TEXT or BINARY of a chunk's message; or CLOSE, PING, PONG
    struct bytes payload;         // valid until the input or `control` changes. CLOSE: the reason
    bool is_first;                // the message's first chunk; true for control frames
    bool is_last;                 // the message's last chunk; true for control frames
    bool is_frame_first;          // the same of the chunk's frame
    bool is_frame_last;
    bool is_final;       // the frame is its message's last (FIN)
    uint64_t frame_size; // payload bytes of the chunk's frame
    uint16_t close_code; // CLOSE: as sent, or NO_STATUS. BAD: what to close with
    const char *cause;   // BAD only: a static sentence, fit for the close frame's reason
};

MUST_USE enum websocket_status websocket_decode(struct websocket_decoder *decoder,
                                                const struct websocket_rules *rules,
                                                struct websocket_input *input,
                                                struct websocket_event *event);

// True exactly when the state is all zero, which a caller need not store.
bool websocket_decoder_is_idle(const struct websocket_decoder *decoder);

// A code that may stand in a close frame (RFC 6455 7.4).
bool websocket_close_code_is_valid(uint16_t code);

// Bytes of a frame header without a mask; with one it is 4 more.
static inline size_t websocket_header_size(uint64_t payload_size) {
    return payload_size < 126 ? 2 : payload_size <= UINT16_MAX ? 4 : 10;
}

struct websocket_frame {
    enum websocket_opcode opcode;
    bool is_not_final;     // a fragment that others follow
    bool is_masked;        // sent by a client
    uint8_t mask[4];       // when is_masked
    uint64_t payload_size; // < 2^63
};

void websocket_encode_header(struct writer *w, const struct websocket_frame *frame);

// Header and payload of one whole server frame.
void websocket_encode_frame(struct writer *w, enum websocket_opcode opcode, struct bytes payload);

// The same from a client: the payload is masked as it is copied.
void websocket_encode_masked(struct writer *w, enum websocket_opcode opcode, struct bytes payload,
                             const uint8_t mask[4]);

// A server's close frame. code NO_STATUS: an empty one. The reason is cut at a character's end when
// it is over WIRE_CLOSE_REASON_BYTES_MAX.
#define WEBSOCKET_CLOSE_BYTES_MAX (2 + WIRE_CONTROL_BYTES_MAX)
void websocket_encode_close(struct writer *w, uint16_t code, struct bytes reason);

#endif
