// What stays between two calls is a reader: the decoder's state, the bytes of a cut control frame,
// a message's pieces. In between two frames there is none, so the usual call uses the stack alone.
#include "gateway/frames.h"

#include "gateway/echo.h"
#include "gateway/frame_out.h"
#include "gateway/limits.h"
#include "gateway/reader.h"
#include "gateway/session.h"

static enum counter counter_of_code(uint16_t code) {
    switch (code) {
    case WEBSOCKET_CLOSE_INVALID_DATA:
        return COUNTER_CLOSED_UTF8;
    case WEBSOCKET_CLOSE_TOO_BIG:
        return COUNTER_CLOSED_TOO_BIG;
    default:
        return COUNTER_CLOSED_PROTOCOL;
    }
}

// RFC 6455 5.5.1: the answer to a close frame carries its code.
static void on_close(struct gateway *gateway, uint32_t index, const struct websocket_event *event) {
    gateway_record(gateway, index, RECORDER_CLOSE_RECEIVED, event->close_code);
    conn_close(gateway, index,
               &(struct conn_farewell){.code = event->close_code, .counter = COUNTER_CLOSED_PEER});
}

// Adds a piece of a message; the last one hands it over.
static void on_piece(struct gateway *gateway, uint32_t index, const struct websocket_event *event) {
    struct reader *reader = reader_need(gateway, conn_at(gateway, index));
    if (!reader || !reader_append(gateway, reader, event->payload)) {
        conn_doom(gateway, index, true);
        return;
    }
    if (!event->is_last)
        return;
    session_on_message(gateway, index, event->opcode, reader_bytes(gateway, reader));
    reader_clear(gateway, reader);
}

static void on_event(struct gateway *gateway, uint32_t index, const struct websocket_event *event) {
    switch (event->opcode) {
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        if (conn_state(conn_at(gateway, index)) == CONN_ECHO)
            echo_on_chunk(gateway, index, event);
        else if (LIKELY(event->is_first && event->is_last))
            session_on_message(gateway, index, event->opcode, event->payload);
        else
            on_piece(gateway, index, event);
        return;
    case WEBSOCKET_PING: // RFC 6455 5.5.3: the pong carries the ping's bytes
        conn_push(gateway, index,
                  frame_out_parcel(gateway->parts.blocks, PARCEL_CONTROL, WEBSOCKET_PONG,
                                   event->payload));
        return;
    case WEBSOCKET_PONG: // RFC 6455 5.5.3: unasked for it is a heartbeat, and needs no answer
        return;
    case WEBSOCKET_CLOSE:
        on_close(gateway, index, event);
        return;
    case WEBSOCKET_CONTINUATION: // the decoder says the message's own opcode
        break;
    }
    UNREACHABLE();
}

// The peer takes no replies: what it sent waits undecoded, so that nobody who reads at all is
// closed for pushing many messages at once.
static void wait_for_room(struct gateway *gateway, uint32_t index, struct bytes bytes) {
    struct conn *conn = conn_at(gateway, index);
    struct reader *reader = reader_need(gateway, conn);
    bool is_held = reader && reader->waiting_size + bytes.size <= LIMITS_WAITING_BYTES;
    if (!is_held || !reader_wait(gateway, reader, bytes))
        conn_doom(gateway, index, !reader || is_held);
}

// Keeps what is unfinished, or lets the reader go when nothing is.
static void keep(struct gateway *gateway, uint32_t index, const struct websocket_decoder *decoder,
                 const uint8_t *control) {
    struct conn *conn = conn_at(gateway, index);
    const struct reader *held = reader_lookup(gateway, conn);
    bool waits = held && held->waiting != BLOCK_NONE;
    if ((websocket_decoder_is_idle(decoder) && !waits) || !conn_is_live(conn)) {
        reader_release(gateway, conn);
        return;
    }
    struct reader *reader = reader_need(gateway, conn);
    if (!reader) {
        conn_doom(gateway, index, true);
        return;
    }
    reader->decoder = *decoder;
    if (control != reader->control)
        memcpy(reader->control, control, sizeof(reader->control));
}

void frames_on_data(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size) {
    struct conn *conn = conn_at(gateway, index);
    if (UNLIKELY(conn_has(conn, CONN_PAUSED_QUEUE))) {
        wait_for_room(gateway, index, bytes_of(data, size));
        return;
    }
    const struct websocket_rules rules = {.message_bytes_max =
                                              gateway->parts.config->message_bytes_max};
    struct websocket_decoder decoder;
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    struct websocket_input input = {data, size, control};
    struct reader *reader = reader_lookup(gateway, conn);
    decoder = reader ? reader->decoder : (struct websocket_decoder){0};
    if (UNLIKELY(reader != NULL))
        input.control = reader->control;

    struct websocket_event event;
    enum websocket_status status = WEBSOCKET_NEED_MORE;
    uint64_t frame_count = 0;
    while (conn_is_live(conn) &&
           (status = websocket_decode(&decoder, &rules, &input, &event)) == WEBSOCKET_OK) {
        frame_count += event.is_frame_last;
        on_event(gateway, index, &event);
        conn_pause_if_full(gateway, index);
        if (UNLIKELY(conn_has(conn, CONN_PAUSED_QUEUE) && input.size > 0)) {
            wait_for_room(gateway, index, bytes_of(input.data, input.size));
            break;
        }
    }
    counter_add(gateway->parts.counters, COUNTER_FRAMES_IN, frame_count);
    if (UNLIKELY(status == WEBSOCKET_BAD && conn_is_live(conn))) {
        if (event.close_code == WEBSOCKET_CLOSE_TOO_BIG)
            gateway_record(gateway, index, RECORDER_TOO_BIG,
                           recorder_clamp(rules.message_bytes_max / 1024));
        conn_close(gateway, index,
                   &(struct conn_farewell){.code = event.close_code,
                                           .reason = bytes_from_string(event.cause),
                                           .counter = counter_of_code(event.close_code)});
    }
    keep(gateway, index, &decoder, input.control);
}

void frames_resume(struct gateway *gateway, uint32_t index) {
    struct blocks *blocks = gateway->parts.blocks;
    struct reader *reader = reader_lookup(gateway, conn_at(gateway, index));
    if (!reader || reader->waiting == BLOCK_NONE)
        return;
    uint32_t block = reader->waiting;
    uint32_t size = reader->waiting_size;
    reader->waiting = BLOCK_NONE;
    reader->waiting_size = 0;
    frames_on_data(gateway, index, blocks_at(blocks, block), size);
    blocks_release(blocks, block);
}
