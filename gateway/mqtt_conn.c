// What stays between two reads is a reader: in its block what is MQTT and not acted on yet, which
// is a cut packet, or, while reading pauses, all that came; over WebSocket its decoder and, in
// `waiting`, frames that are not looked at yet. A connection between two packets has none, and a
// packet that lies whole in the read is copied nowhere.
#include "gateway/mqtt_conn.h"

#include "gateway/frame_out.h"
#include "gateway/limits.h"
#include "gateway/mqtt_greeting.h"
#include "gateway/mqtt_inbox.h"
#include "gateway/mqtt_outbox.h"
#include "gateway/mqtt_rooms.h"
#include "gateway/mqtt_routes.h"
#include "gateway/reader.h"
#include "sched/base/clock.h"

#define ACK_BYTES_MAX 8
#define FAREWELL_BYTES_MAX 256 // a DISCONNECT with a cause of ours
#define NO_KEEP_ALIVE_LOOK_S 3600

// A cut header tells its packet's size after so many bytes at most.
_Static_assert(MQTT_HEADER_BYTES_MAX < ACK_BYTES_MAX, "PUBCOMP with a reason fits");

// Packets of this connection are still looked at.
static bool is_live(const struct conn *conn) {
    enum conn_state state = conn_state(conn);
    return (state == CONN_OPEN || state == CONN_HANDSHAKE || state == CONN_OVER_LIMIT) &&
           !conn_has(conn, CONN_DOOMED);
}

// What comes is kept: for replies' room, for a refused publish's pause, for the other core.
static bool waits(const struct conn *conn) {
    return conn_has(conn, CONN_PAUSED_QUEUE | CONN_PAUSED_BUSY | CONN_MOVING);
}

static uint32_t now_s(const struct gateway *gateway) {
    return (uint32_t)(gateway_now_ns(gateway) / NS_PER_S);
}

static enum mqtt_version version_of(const struct gateway *gateway, uint32_t session) {
    return mqtt_session_has(mqtt_session_at(gateway, session), MQTT_SESSION_5) ? MQTT_5
                                                                               : MQTT_3_1_1;
}

// --- to the client -------------------------------------------------------------------------------

uint32_t mqtt_conn_parcel(struct blocks *blocks, bool is_ws, size_t packet_size,
                          enum parcel_class parcel_class, struct writer *w) {
    size_t size = packet_size + (is_ws ? websocket_header_size(packet_size) : 0);
    uint32_t parcel = parcel_acquire(blocks, size, parcel_class);
    if (parcel == BLOCK_NONE)
        return BLOCK_NONE;
    *w = writer_on(parcel_at(blocks, parcel)->data, size);
    if (is_ws)
        websocket_encode_header(
            w, &(struct websocket_frame){.opcode = WEBSOCKET_BINARY, .payload_size = packet_size});
    return parcel;
}

static uint32_t parcel_of(struct gateway *gateway, uint32_t index, struct bytes packet) {
    struct writer w;
    uint32_t parcel =
        mqtt_conn_parcel(gateway->parts.blocks, conn_has(conn_at(gateway, index), CONN_MQTT_WS),
                         packet.size, PARCEL_CONTROL, &w);
    if (parcel != BLOCK_NONE)
        writer_put(&w, packet);
    return parcel;
}

void mqtt_conn_send(struct gateway *gateway, uint32_t index, struct bytes packet) {
    conn_push(gateway, index, parcel_of(gateway, index, packet));
}

// When even this finds no place the peer sees the connection end without it.
static void push_last(struct gateway *gateway, uint32_t index, uint32_t parcel) {
    struct streams *streams = gateway->parts.streams;
    if (parcel == BLOCK_NONE)
        return;
    (void)stream_push(streams, stream_handle(streams, conn_at(gateway, index)->stream), parcel);
    parcel_unref(gateway->parts.blocks, parcel);
}

// The reason string only as far as the client takes packets of that size [MQTT-3.14.2-3].
static void say_disconnect(struct gateway *gateway, uint32_t index, uint32_t session,
                           const struct conn_farewell *farewell) {
    uint32_t size_max = mqtt_session_at(gateway, session)->packet_bytes_max;
    uint8_t packet[FAREWELL_BYTES_MAX];
    struct mqtt_farewell disconnect = {.reason = farewell->mqtt};
    if (farewell->reason.size > 0 && farewell->reason.size < FAREWELL_BYTES_MAX / 2)
        MQTT_PROPERTIES_SET(&disconnect.properties, reason_string, farewell->reason);
    struct writer w = writer_on(packet, sizeof(packet));
    mqtt_encode_farewell(&w, MQTT_DISCONNECT, MQTT_5, &disconnect);
    if (size_max > 0 && w.size > size_max) {
        disconnect.properties = (struct mqtt_properties){0};
        w = writer_on(packet, sizeof(packet));
        mqtt_encode_farewell(&w, MQTT_DISCONNECT, MQTT_5, &disconnect);
    }
    if (size_max == 0 || w.size <= size_max)
        push_last(gateway, index, parcel_of(gateway, index, writer_bytes(&w)));
}

void mqtt_conn_say_farewell(struct gateway *gateway, uint32_t index, bool was_open,
                            const struct conn_farewell *farewell) {
    struct conn *conn = conn_at(gateway, index);
    uint32_t session = conn->session;
    if (was_open)
        gateway_record(gateway, index, RECORDER_MQTT_CLOSED, farewell->mqtt);
    if (session != SLAB_NONE) {
        stream_seal(gateway->parts.streams, conn->stream);
        // [MQTT-3.14.0-1]: not before the CONNACK; 3.1.1's servers have none to send.
        if (was_open && !farewell->is_mqtt_quiet && version_of(gateway, session) == MQTT_5)
            say_disconnect(gateway, index, session, farewell);
        conn->session = SLAB_NONE;
        mqtt_session_on_conn_end(gateway, session, (enum mqtt_reason)farewell->mqtt);
    }
    if (!conn_has(conn, CONN_MQTT_WS))
        return;
    uint8_t frame[WEBSOCKET_CLOSE_BYTES_MAX];
    struct writer w = writer_on(frame, sizeof(frame));
    websocket_encode_close(&w, farewell->code, farewell->reason);
    push_last(gateway, index, frame_out_raw(gateway->parts.blocks, writer_bytes(&w)));
}

// Of a WebSocket's close frame beside the DISCONNECT.
static uint16_t close_code_of(enum mqtt_reason reason) {
    switch ((unsigned)reason) {
    case MQTT_SUCCESS:
    case MQTT_DISCONNECT_WITH_WILL:
        return WEBSOCKET_CLOSE_NORMAL;
    case MQTT_MALFORMED_PACKET:
    case MQTT_PROTOCOL_ERROR:
        return WEBSOCKET_CLOSE_PROTOCOL_ERROR;
    case MQTT_PACKET_TOO_LARGE:
        return WEBSOCKET_CLOSE_TOO_BIG;
    case MQTT_SERVER_SHUTTING_DOWN:
    case MQTT_SERVER_UNAVAILABLE:
        return WEBSOCKET_CLOSE_SERVICE_RESTART;
    case MQTT_SERVER_BUSY:
        return WEBSOCKET_CLOSE_TRY_AGAIN_LATER;
    case MQTT_KEEP_ALIVE_TIMEOUT:
        return WEBSOCKET_CLOSE_GOING_AWAY;
    default:
        return WEBSOCKET_CLOSE_POLICY;
    }
}

void mqtt_conn_close(struct gateway *gateway, uint32_t index, enum mqtt_reason reason,
                     const char *cause, enum counter counter) {
    if (reason == MQTT_MALFORMED_PACKET && conn_state(conn_at(gateway, index)) != CONN_CLOSING)
        gateway_count(gateway, COUNTER_MQTT_MALFORMED);
    conn_close(
        gateway, index,
        &(struct conn_farewell){.code = close_code_of(reason),
                                .reason = cause ? bytes_from_string(cause) : (struct bytes){0},
                                .counter = counter,
                                .mqtt = (uint8_t)reason,
                                .is_mqtt_quiet = reason == MQTT_SUCCESS});
}

static enum mqtt_next stop(struct gateway *gateway, uint32_t index,
                           const struct mqtt_error *error) {
    if (error->reason == MQTT_PACKET_TOO_LARGE)
        gateway_record(gateway, index, RECORDER_TOO_BIG,
                       recorder_clamp(gateway->parts.config->message_bytes_max / 1024));
    mqtt_conn_close(gateway, index, error->reason, error->cause,
                    error->reason == MQTT_PACKET_TOO_LARGE ? COUNTER_CLOSED_TOO_BIG
                                                           : COUNTER_CLOSED_PROTOCOL);
    return MQTT_STOP;
}

static enum mqtt_next protocol_error(struct gateway *gateway, uint32_t index, const char *cause) {
    return stop(gateway, index, &(struct mqtt_error){MQTT_PROTOCOL_ERROR, cause});
}

// --- packets -------------------------------------------------------------------------------------

struct packet {
    const struct mqtt_header *header;
    struct bytes body;
    uint32_t session;
    enum mqtt_version version;
};

static enum mqtt_next on_publish(struct gateway *gateway, uint32_t index,
                                 const struct packet *packet) {
    struct mqtt_publish publish;
    struct mqtt_error error;
    if (mqtt_decode_publish(packet->body, packet->header->flags, packet->version, &publish,
                            &error) != MQTT_OK)
        return stop(gateway, index, &error);
    return mqtt_routes_publish(gateway, packet->session, &publish);
}

// PUBACK, PUBREC and PUBCOMP are the outbox's; so is the PUBREL that answers a PUBREC.
static enum mqtt_next on_ack(struct gateway *gateway, uint32_t index, const struct packet *packet) {
    enum mqtt_type type = (enum mqtt_type)packet->header->type;
    struct mqtt_ack ack;
    struct mqtt_error error;
    if (mqtt_decode_ack(packet->body, type, packet->version, &ack, &error) != MQTT_OK)
        return stop(gateway, index, &error);
    if (type != MQTT_PUBREL) {
        if (mqtt_outbox_on_ack(gateway, packet->session, type, &ack) == MQTT_PROTOCOL_ERROR)
            return protocol_error(gateway, index, "an acknowledgement of another QoS (4.3)");
        return MQTT_NEXT;
    }
    bool is_known = mqtt_inbox_on_pubrel(gateway, packet->session, ack.packet_id);
    uint8_t bytes[ACK_BYTES_MAX];
    struct writer w = writer_on(bytes, sizeof(bytes));
    // 3.1.1 [MQTT-4.3.3-2]: PUBCOMP in any case. 5.0, 3.7.2.1: with 0x92 when it is not known.
    const struct mqtt_ack answer = {
        .version = (uint8_t)packet->version,
        .packet_id = ack.packet_id,
        .reason = is_known || packet->version != MQTT_5 ? MQTT_SUCCESS : MQTT_PACKET_ID_NOT_FOUND};
    mqtt_encode_ack(&w, MQTT_PUBCOMP, &answer);
    mqtt_conn_send(gateway, index, writer_bytes(&w));
    return MQTT_NEXT;
}

static enum mqtt_next on_subscribe(struct gateway *gateway, uint32_t index,
                                   const struct packet *packet) {
    bool is_subscribe = packet->header->type == MQTT_SUBSCRIBE;
    struct mqtt_subscribe subscribe;
    struct mqtt_error error;
    enum mqtt_status status =
        is_subscribe ? mqtt_decode_subscribe(packet->body, packet->version, &subscribe, &error)
                     : mqtt_decode_unsubscribe(packet->body, packet->version, &subscribe, &error);
    if (status != MQTT_OK)
        return stop(gateway, index, &error);
    return is_subscribe ? mqtt_routes_subscribe(gateway, packet->session, &subscribe)
                        : mqtt_routes_unsubscribe(gateway, packet->session, &subscribe);
}

static enum mqtt_next on_ping(struct gateway *gateway, uint32_t index,
                              const struct packet *packet) {
    static const uint8_t answer[] = {MQTT_PINGRESP << 4, 0};
    if (packet->body.size > 0)
        return stop(gateway, index,
                    &(struct mqtt_error){MQTT_MALFORMED_PACKET, "PINGREQ has a body (3.12.1)"});
    gateway_note_traffic(gateway, TRAFFIC_heartbeats);
    mqtt_conn_send(gateway, index, bytes_of(answer, sizeof(answer)));
    return MQTT_NEXT;
}

// [MQTT-3.14.4-3]: reason 0 discards the will; every other one publishes it.
static enum mqtt_next on_disconnect(struct gateway *gateway, uint32_t index,
                                    const struct packet *packet) {
    struct mqtt_farewell farewell;
    struct mqtt_error error;
    if (mqtt_decode_disconnect(packet->body, packet->version, &farewell, &error) != MQTT_OK)
        return stop(gateway, index, &error);
    if (mqtt_properties_has(&farewell.properties, MQTT_PROPERTY_session_expiry_s) &&
        !mqtt_session_set_expiry(gateway, packet->session, farewell.properties.session_expiry_s))
        return protocol_error(
            gateway, index,
            "a session that was to end with its connection cannot outlive it (3.14.2.2.2)");
    conn_close(gateway, index,
               &(struct conn_farewell){.code = WEBSOCKET_CLOSE_NORMAL,
                                       .counter = COUNTER_CLOSED_PEER,
                                       .mqtt = farewell.reason,
                                       .is_mqtt_quiet = true});
    return MQTT_STOP;
}

static enum mqtt_next on_open_packet(struct gateway *gateway, uint32_t index,
                                     const struct packet *packet) {
    switch ((enum mqtt_type)packet->header->type) {
    case MQTT_PUBLISH:
        return on_publish(gateway, index, packet);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return on_ack(gateway, index, packet);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return on_subscribe(gateway, index, packet);
    case MQTT_PINGREQ:
        return on_ping(gateway, index, packet);
    case MQTT_DISCONNECT:
        return on_disconnect(gateway, index, packet);
    case MQTT_CONNECT:
        return protocol_error(gateway, index, "a second CONNECT [MQTT-3.1.0-2]");
    case MQTT_AUTH:
        return protocol_error(gateway, index,
                              "AUTH without an authentication method in CONNECT (4.12)");
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
        return protocol_error(gateway, index, "a packet that only servers send (table 2-1)");
    }
    UNREACHABLE();
}

static enum mqtt_next on_packet(struct gateway *gateway, uint32_t index,
                                const struct mqtt_header *header, struct bytes body) {
    struct conn *conn = conn_at(gateway, index);
    if (UNLIKELY(conn_state(conn) != CONN_OPEN))
        return mqtt_greeting_on_connect(gateway, index, body);
    conn->heard_s = now_s(gateway); // [MQTT-3.1.2-22]: a whole packet is what counts
    const struct packet packet = {.header = header,
                                  .body = body,
                                  .session = conn->session,
                                  .version = version_of(gateway, conn->session)};
    return on_open_packet(gateway, index, &packet);
}

// True when it was acted on. False: it stays, or the connection has closed.
static bool act(struct gateway *gateway, uint32_t index, const struct mqtt_header *header,
                const uint8_t *data) {
    enum mqtt_next next =
        on_packet(gateway, index, header, bytes_of(data + header->size, header->remaining_size));
    if (next == MQTT_RETRY && !conn_has(conn_at(gateway, index), CONN_MOVING))
        conn_pause_busy(gateway, index);
    if (next != MQTT_NEXT)
        return false;
    gateway_count(gateway, COUNTER_MQTT_PACKETS_IN);
    conn_pause_if_full(gateway, index);
    return true;
}

// --- bytes to packets ----------------------------------------------------------------------------

// OK: a header is whole and allowed. BAD: it was answered, the connection has closed.
static enum mqtt_status look(struct gateway *gateway, uint32_t index, struct bytes input,
                             struct mqtt_header *header) {
    const struct conn *conn = conn_at(gateway, index);
    struct mqtt_error error;
    bool is_greeting = conn_state(conn) != CONN_OPEN;
    if (is_greeting && input.size > 0 && input.data[0] != MQTT_CONNECT << 4) {
        mqtt_conn_close(gateway, index, MQTT_PROTOCOL_ERROR,
                        "the first packet is no CONNECT [MQTT-3.1.0-1]", COUNTER_REFUSED_PROTOCOL);
        return MQTT_BAD;
    }
    enum mqtt_status status =
        mqtt_decode_header(input, gateway->parts.config->message_bytes_max, header, &error);
    if (status != MQTT_BAD)
        return status;
    if (is_greeting)
        mqtt_greeting_on_bad_header(gateway, index, input, &error);
    else
        (void)stop(gateway, index, &error);
    return MQTT_BAD;
}

// Acts on the whole packets at the front of *input, and takes them off.
static void take(struct gateway *gateway, uint32_t index, struct bytes *input) {
    const struct conn *conn = conn_at(gateway, index);
    struct mqtt_header header;
    while (is_live(conn) && !waits(conn) && look(gateway, index, *input, &header) == MQTT_OK &&
           header.size + (size_t)header.remaining_size <= input->size &&
           act(gateway, index, &header, input->data))
        *input = bytes_skip(*input, header.size + (size_t)header.remaining_size);
}

// Puts bytes behind those that are held. Bounded: a packet, and what may come while it waits.
static void hold(struct gateway *gateway, uint32_t index, struct bytes bytes) {
    size_t max = (size_t)gateway->parts.config->message_bytes_max + LIMITS_WAITING_BYTES;
    struct reader *reader = reader_need(gateway, conn_at(gateway, index));
    bool is_held = reader && reader->size + bytes.size <= max;
    if (!is_held || !reader_append(gateway, reader, bytes))
        conn_doom(gateway, index, !reader || is_held);
}

// Moves up to `want` bytes of the input behind those held. False: memory is out.
static bool move_over(struct gateway *gateway, uint32_t index, struct reader *reader, size_t want,
                      struct bytes *input) {
    size_t size = want < input->size ? want : input->size;
    if (!reader_append(gateway, reader, bytes_of(input->data, size))) {
        conn_doom(gateway, index, true);
        return false;
    }
    *input = bytes_skip(*input, size);
    return true;
}

// Completes the cut packet that is held, byte by byte until its header is whole, and acts on it.
// True when nothing is held any more.
static bool complete(struct gateway *gateway, uint32_t index, struct reader *reader,
                     struct bytes *input) {
    for (;;) {
        struct mqtt_header header;
        struct bytes held = reader_bytes(gateway, reader);
        enum mqtt_status status = look(gateway, index, held, &header);
        size_t size = header.size + (size_t)header.remaining_size;
        if (status == MQTT_BAD)
            return false;
        if (status == MQTT_OK && held.size == size) {
            if (!act(gateway, index, &header, held.data))
                return false;
            reader_clear(gateway, reader);
            return true;
        }
        size_t want = status == MQTT_OK ? size - held.size : 1;
        if (input->size == 0 || !move_over(gateway, index, reader, want, input))
            return false;
    }
}

static void feed(struct gateway *gateway, uint32_t index, struct bytes input) {
    const struct conn *conn = conn_at(gateway, index);
    struct reader *reader = reader_lookup(gateway, conn);
    bool is_free =
        !reader || reader->size == 0 || waits(conn) || complete(gateway, index, reader, &input);
    if (is_free && !waits(conn))
        take(gateway, index, &input);
    if (input.size > 0 && is_live(conn))
        hold(gateway, index, input);
}

// --- frames to bytes -----------------------------------------------------------------------------

static void wait_raw(struct gateway *gateway, uint32_t index, struct bytes bytes) {
    struct reader *reader = reader_need(gateway, conn_at(gateway, index));
    bool is_held = reader && reader->waiting_size + bytes.size <= LIMITS_WAITING_BYTES;
    if (!is_held || !reader_wait(gateway, reader, bytes))
        conn_doom(gateway, index, !reader || is_held);
}

static void on_frame(struct gateway *gateway, uint32_t index, const struct websocket_event *event) {
    switch (event->opcode) {
    case WEBSOCKET_BINARY: // [MQTT-6.0.0-2]: where frames begin and end means nothing
        feed(gateway, index, event->payload);
        return;
    case WEBSOCKET_TEXT:
        conn_close(gateway, index,
                   &(struct conn_farewell){
                       .code = WEBSOCKET_CLOSE_UNSUPPORTED_DATA,
                       .reason = BYTES_LITERAL("MQTT is spoken in binary frames [MQTT-6.0.0-1]"),
                       .counter = COUNTER_CLOSED_MESSAGE,
                       .mqtt = MQTT_PROTOCOL_ERROR});
        return;
    case WEBSOCKET_PING:
        conn_push(gateway, index,
                  frame_out_parcel(gateway->parts.blocks, PARCEL_CONTROL, WEBSOCKET_PONG,
                                   event->payload));
        conn_pause_if_full(gateway, index);
        return;
    case WEBSOCKET_PONG:
        return;
    case WEBSOCKET_CLOSE: // without a DISCONNECT before it: the will is published
        gateway_record(gateway, index, RECORDER_CLOSE_RECEIVED, event->close_code);
        conn_close(gateway, index,
                   &(struct conn_farewell){.code = event->close_code,
                                           .counter = COUNTER_CLOSED_PEER,
                                           .mqtt = MQTT_UNSPECIFIED_ERROR,
                                           .is_mqtt_quiet = true});
        return;
    case WEBSOCKET_CONTINUATION: // the decoder says the message's own opcode
        break;
    }
    UNREACHABLE();
}

static void keep_decoder(struct gateway *gateway, uint32_t index,
                         const struct websocket_decoder *decoder, const uint8_t *control) {
    struct conn *conn = conn_at(gateway, index);
    struct reader *reader = reader_lookup(gateway, conn);
    if (!reader && websocket_decoder_is_idle(decoder))
        return;
    reader = reader_need(gateway, conn);
    if (!reader) {
        conn_doom(gateway, index, true);
        return;
    }
    reader->decoder = *decoder;
    if (control != reader->control)
        memcpy(reader->control, control, sizeof(reader->control));
}

// A message may be as long as a session: what is bounded is a packet.
static void on_frames(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size) {
    const struct conn *conn = conn_at(gateway, index);
    const struct websocket_rules rules = {.message_bytes_max = INT64_MAX};
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    const struct reader *reader = reader_lookup(gateway, conn);
    struct websocket_decoder decoder = reader ? reader->decoder : (struct websocket_decoder){0};
    struct websocket_input input = {data, size, control};
    if (reader)
        memcpy(control, reader->control, sizeof(control));
    struct websocket_event event;
    enum websocket_status status = WEBSOCKET_NEED_MORE;
    uint64_t frame_count = 0;
    while (is_live(conn) && !waits(conn) &&
           (status = websocket_decode(&decoder, &rules, &input, &event)) == WEBSOCKET_OK) {
        frame_count += event.is_frame_last;
        on_frame(gateway, index, &event);
    }
    counter_add(gateway->parts.counters, COUNTER_FRAMES_IN, frame_count);
    if (status == WEBSOCKET_BAD && is_live(conn))
        conn_close(gateway, index,
                   &(struct conn_farewell){.code = event.close_code,
                                           .reason = bytes_from_string(event.cause),
                                           .counter = COUNTER_CLOSED_PROTOCOL,
                                           .mqtt = MQTT_PROTOCOL_ERROR});
    if (is_live(conn) && waits(conn) && input.size > 0)
        wait_raw(gateway, index, bytes_of(input.data, input.size));
    keep_decoder(gateway, index, &decoder, control);
}

// Lets the reader go when nothing is unfinished, or the connection is not looked at any more.
static void settle(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    const struct reader *reader = reader_lookup(gateway, conn);
    if (!reader)
        return;
    bool is_needed = reader->size > 0 || reader->waiting != BLOCK_NONE ||
                     !websocket_decoder_is_idle(&reader->decoder);
    if (!is_needed || !is_live(conn))
        reader_release(gateway, conn);
}

void mqtt_conn_on_data(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size) {
    const struct conn *conn = conn_at(gateway, index);
    if (size == 0 || !is_live(conn))
        return;
    if (!conn_has(conn, CONN_MQTT_WS))
        feed(gateway, index, bytes_of(data, size));
    else if (UNLIKELY(waits(conn)))
        wait_raw(gateway, index, bytes_of(data, size));
    else
        on_frames(gateway, index, data, size);
    settle(gateway, index);
}

// --- what waited ---------------------------------------------------------------------------------

void mqtt_conn_resume(struct gateway *gateway, uint32_t index) {
    struct blocks *blocks = gateway->parts.blocks;
    const struct conn *conn = conn_at(gateway, index);
    struct reader *reader = reader_lookup(gateway, conn);
    if (!reader || waits(conn) || !is_live(conn))
        return;
    if (reader->size > 0) {
        uint32_t block = reader->block;
        uint32_t size = reader->size;
        reader->block = BLOCK_NONE;
        reader->size = 0;
        feed(gateway, index, bytes_of(blocks_at(blocks, block), size));
        blocks_release(blocks, block);
    }
    if (reader->waiting != BLOCK_NONE && !waits(conn) && is_live(conn)) {
        uint32_t block = reader->waiting;
        uint32_t size = reader->waiting_size;
        reader->waiting = BLOCK_NONE;
        reader->waiting_size = 0;
        on_frames(gateway, index, blocks_at(blocks, block), size);
        blocks_release(blocks, block);
    }
    settle(gateway, index);
}

// --- time ----------------------------------------------------------------------------------------

uint64_t mqtt_conn_silent_at_ns(const struct gateway *gateway, uint32_t index) {
    const struct conn *conn = conn_at(gateway, index);
    uint32_t keep_alive_s = mqtt_session_at(gateway, conn->session)->keep_alive_s;
    if (keep_alive_s == 0)
        return UINT64_MAX;
    uint64_t allowed_s = (3 * (uint64_t)keep_alive_s + 1) / 2;
    return (conn->heard_s + allowed_s + LIMITS_TIMER_SLACK_S) * NS_PER_S;
}

// Presence that did not fit is told as soon as nothing waits for the peer.
static void try_stale(struct gateway *gateway, struct conn *conn) {
    if (!conn_has(conn, CONN_STALE) || !stream_is_empty(gateway->parts.streams, conn->stream))
        return;
    conn_unmark(conn, CONN_STALE);
    mqtt_rooms_on_writable(gateway, conn->session);
}

// True when the outbox still waits for room in the stream.
static bool try_blocked(struct gateway *gateway, struct conn *conn) {
    if (mqtt_session_has(mqtt_session_at(gateway, conn->session), MQTT_SESSION_BLOCKED))
        mqtt_outbox_flush(gateway, conn->session);
    return conn_state(conn) == CONN_OPEN &&
           mqtt_session_has(mqtt_session_at(gateway, conn->session), MQTT_SESSION_BLOCKED);
}

uint64_t mqtt_conn_on_timer(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    uint64_t now_ns = gateway_now_ns(gateway);
    try_stale(gateway, conn);
    bool is_blocked = try_blocked(gateway, conn);
    if (conn_state(conn) != CONN_OPEN)
        return 0;
    uint64_t silent_at_ns = mqtt_conn_silent_at_ns(gateway, index);
    if (now_ns >= silent_at_ns) {
        gateway_record(gateway, index, RECORDER_SILENT,
                       recorder_clamp(now_s(gateway) - conn->heard_s));
        // Nothing was heard because nothing was read: that is not silence.
        if (conn_has(conn, CONN_PAUSED_QUEUE))
            mqtt_conn_close(gateway, index, MQTT_QUOTA_EXCEEDED, "reads too slowly",
                            COUNTER_CLOSED_POLICY);
        else
            mqtt_conn_close(gateway, index, MQTT_KEEP_ALIVE_TIMEOUT,
                            "nothing was heard for one and a half keep-alives [MQTT-3.1.2-22]",
                            COUNTER_CLOSED_IDLE);
        return 0;
    }
    uint64_t at_ns = now_ns + NO_KEEP_ALIVE_LOOK_S * NS_PER_S;
    if (silent_at_ns < at_ns)
        at_ns = silent_at_ns;
    uint64_t soon_ns = now_ns + LIMITS_BUSY_PAUSE_MS * NS_PER_MS;
    bool is_soon = is_blocked || conn_has(conn, CONN_PAUSED_BUSY | CONN_STALE);
    return is_soon && soon_ns < at_ns ? soon_ns : at_ns;
}
