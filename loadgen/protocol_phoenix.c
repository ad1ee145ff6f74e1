// Phoenix Channels, serializer 2.0.0, over WebSocket: one channel per connection. A reply is
// matched by its ref, which is a stamp (stamp.h), so no table of requests is needed; what is not
// timed has a small number. Source: docs/PROTOCOL.md, phoenix.js.
#include <errno.h>
#include <stdio.h>

#include "gateway/wire/phoenix.h"
#include "loadgen/client.h"
#include "loadgen/protocol.h"
#include "loadgen/receive.h"
#include "loadgen/ws_client.h"

#define JOIN_REF "1" // also the channel's join_ref, in all of its lives
#define LEAVE_REF "2"
#define FLOOD_REF "3"
#define NUMBER_OF_PUBLISH 0u // in refs: requests are numbered from 1

_Static_assert(STAMP_REF_BYTES_MAX <= WIRE_REF_BYTES_MAX, "a stamp is a ref that servers take");

// --- sending -------------------------------------------------------------------------------------

static bool try_send(struct run *run, uint32_t index, const struct phoenix_message *message) {
    size_t offset = run->options.payload_bytes; // the payload may stand before it
    struct writer w = writer_on(run->scratch + offset, run->scratch_size - offset);
    phoenix_encode_text(&w, message, 0);
    CHECK(!w.overflow);
    return ws_client_try_send(run, index, WEBSOCKET_TEXT, writer_bytes(&w));
}

static bool try_send_stamped(struct run *run, uint32_t index, bool is_publish,
                             const struct stamp *stamp) {
    size_t payload_size = is_publish ? run->publish_bytes : run->request_bytes;
    char topic[RUN_TOPIC_BYTES_MAX];
    uint8_t ref_text[STAMP_REF_BYTES_MAX];
    struct writer ref = writer_on(ref_text, sizeof(ref_text));
    struct stamp ref_stamp = *stamp;
    if (is_publish)
        ref_stamp.number = NUMBER_OF_PUBLISH;
    stamp_encode_ref(&ref, run->result->begin_ns, &ref_stamp);
    stamp_encode(run->scratch, payload_size, stamp);
    struct phoenix_message message = {
        .join_ref = BYTES_LITERAL(JOIN_REF),
        .ref = writer_bytes(&ref),
        .topic = client_topic(run, run_room_of(run, index), topic),
        .event = bytes_from_string(is_publish ? run->options.event : "ping"),
        .payload = bytes_of(run->scratch, payload_size)};
    return try_send(run, index, &message);
}

static bool try_request(struct run *run, uint32_t index, const struct stamp *stamp) {
    return try_send_stamped(run, index, false, stamp);
}

static bool try_publish(struct run *run, uint32_t index, uint32_t room, const struct stamp *stamp) {
    return try_send_stamped(run, index, true, stamp);
}

static bool try_heartbeat(struct run *run, uint32_t index, const struct stamp *stamp) {
    uint8_t ref_text[STAMP_REF_BYTES_MAX];
    struct writer ref = writer_on(ref_text, sizeof(ref_text));
    stamp_encode_ref(&ref, run->result->begin_ns, stamp);
    struct writer w = writer_on(run->scratch, run->scratch_size);
    phoenix_encode_heartbeat(&w, writer_bytes(&ref));
    return ws_client_try_send(run, index, WEBSOCKET_TEXT, writer_bytes(&w));
}

static bool try_channel(struct run *run, uint32_t index, const char *event, struct bytes ref) {
    char topic[RUN_TOPIC_BYTES_MAX];
    struct phoenix_message message = {.join_ref = BYTES_LITERAL(JOIN_REF),
                                      .ref = ref,
                                      .topic = client_topic(run, run_room_of(run, index), topic),
                                      .event = bytes_from_string(event),
                                      .payload = BYTES_LITERAL("{}")};
    return try_send(run, index, &message);
}

static bool try_join(struct run *run, uint32_t index) {
    return try_channel(run, index, "phx_join", BYTES_LITERAL(JOIN_REF));
}

static bool try_leave(struct run *run, uint32_t index) {
    return try_channel(run, index, "phx_leave", BYTES_LITERAL(LEAVE_REF));
}

static uint32_t encode_flood(struct run *run, uint32_t count) {
    char topic[RUN_TOPIC_BYTES_MAX];
    struct phoenix_message ping = {.join_ref = BYTES_LITERAL(JOIN_REF),
                                   .ref = BYTES_LITERAL(FLOOD_REF),
                                   .topic = client_topic(run, run->room_count - 1, topic),
                                   .event = BYTES_LITERAL("ping"),
                                   .payload = BYTES_LITERAL("{}")};
    struct writer w = writer_on(run->scratch, run->scratch_size);
    phoenix_encode_text(&w, &ping, 0);
    CHECK(!w.overflow);
    return ws_client_encode_repeated(run, writer_bytes(&w), count);
}

// --- replies -------------------------------------------------------------------------------------

static bool is_ok(const struct scan_message *message) {
    struct bytes status;
    return scan_string(message->payload, "status", &status) && bytes_equal_string(status, "ok");
}

// What a refusal says: its reason, or all of it.
static struct bytes reason_of(const struct scan_message *message) {
    struct bytes reason;
    return scan_string(message->payload, "reason", &reason) ? reason : message->payload;
}

static void on_join_reply(struct run *run, uint32_t index, const struct scan_message *message) {
    uint64_t watermark;
    char text[CLIENT_SHOWN_BYTES];
    if (!is_ok(message))
        client_fail(run, index, RESULT_JOIN, "the join of %.*s was refused: %s",
                    (int)message->topic.size, (const char *)message->topic.data,
                    client_shown(reason_of(message), text));
    else if (scan_number(message->payload, "seq", &watermark))
        receive_joined(run, index, watermark);
    else
        receive_joined(run, index, VERIFY_UNKNOWN);
}

static void on_timed_reply(struct run *run, uint32_t index, const struct scan_message *message,
                           const struct stamp *stamp) {
    uint64_t sequence;
    bool is_publish = stamp->number == NUMBER_OF_PUBLISH;
    if (!is_ok(message))
        receive_rejection(run, reason_of(message));
    else if (is_publish && scan_number(message->payload, "seq", &sequence))
        receive_sequence(run, index, sequence);
    if (is_publish)
        receive_accepted(run, index, stamp);
    else
        receive_answer(run, index, stamp);
}

static void on_reply(struct run *run, uint32_t index, const struct scan_message *message) {
    struct stamp stamp;
    if (stamp_decode_ref(message->ref, run->result->begin_ns, &stamp)) {
        if (bytes_equal_string(message->topic, "phoenix"))
            receive_heartbeat(run, index, &stamp);
        else
            on_timed_reply(run, index, message, &stamp);
    } else if (bytes_equal_string(message->ref, JOIN_REF) && client_is_joining(run, index)) {
        on_join_reply(run, index, message);
    } else if (bytes_equal_string(message->ref, LEAVE_REF)) {
        receive_left(run, index);
    } else if (bytes_equal_string(message->ref, FLOOD_REF)) {
        receive_flood(run);
    } else {
        receive_strange(run);
    }
}

// --- messages ------------------------------------------------------------------------------------

static void on_broadcast(struct run *run, uint32_t index, struct bytes payload, uint64_t sequence) {
    struct stamp stamp;
    if (LIKELY(stamp_decode(payload, &stamp)))
        receive_delivery(run, index, &stamp, sequence);
    else
        receive_foreign(run, index, sequence);
}

static void on_gap(struct run *run, uint32_t index, struct bytes payload) {
    uint64_t from, to;
    if (scan_number(payload, "from", &from) && scan_number(payload, "to", &to))
        receive_gap(run, index, from, to);
    else
        receive_strange(run);
}

// phx_close after a leave of our own belongs to it.
static void on_channel_end(struct run *run, uint32_t index, const struct scan_message *message) {
    if (client_is_member(run, index) || run->clients[index].state != CLIENT_LIVE)
        client_fail(run, index, RESULT_CLOSED, "the server ended a channel with %.*s",
                    (int)message->event.size, (const char *)message->event.data);
}

// What is no broadcast of the room in the form expected.
static void on_other(struct run *run, uint32_t index, struct scan_message *message) {
    if (bytes_starts_with(message->event, BYTES_LITERAL("presence_")))
        return; // may be long, and is nothing to us
    scan_rest(message);
    if (bytes_equal_string(message->event, "phx_reply"))
        on_reply(run, index, message);
    else if (bytes_equal_string(message->event, run->options.event))
        on_broadcast(run, index, message->payload, message->sequence);
    else if (bytes_equal_string(message->event, "gap"))
        on_gap(run, index, message->payload);
    else if (bytes_equal_string(message->event, "phx_error") ||
             bytes_equal_string(message->event, "phx_close"))
        on_channel_end(run, index, message);
    else
        receive_strange(run);
}

static void on_message(struct run *run, uint32_t index, struct bytes text) {
    struct bytes payload;
    uint64_t sequence;
    struct scan_message message;
    const struct room *room = &run->rooms[run_room_of(run, index)];
    if (LIKELY(scan_broadcast(&room->phoenix, text, &payload, &sequence)))
        on_broadcast(run, index, payload, sequence);
    else if (scan_names(text, &message))
        on_other(run, index, &message);
    else
        receive_strange(run);
}

static void on_upgraded(struct run *run, uint32_t index) {
    client_set_joining(run, index);
    if (!try_join(run, index))
        client_fail_local(run, index, ENOBUFS);
}

static void on_pong(struct run *run, uint32_t index, struct bytes payload) {
    receive_strange(run); // we send no pings
}

// --- the table -----------------------------------------------------------------------------------

static void on_open(struct run *run, uint32_t index) {
    char parameters[RUN_USER_BYTES_MAX + 32];
    snprintf(parameters, sizeof(parameters), "user=u%07u&vsn=2.0.0",
             run->options.first_user + index);
    ws_client_open(run, index, parameters, NULL);
}

static void on_data(struct run *run, uint32_t index, uint8_t *data, size_t size) {
    static const struct ws_client_calls calls = {
        .on_upgraded = on_upgraded, .on_message = on_message, .on_pong = on_pong};
    ws_client_take(run, index, bytes_of(data, size), &calls);
}

const struct protocol PROTOCOL_PHOENIX = {
    .name = "phoenix",
    .scheme = "ws",
    .default_target = "ws://127.0.0.1:8080/socket/websocket",
    .stranger = RESULT_NOT_HTTP,
    .has_rooms = true,
    .has_requests = true,
    .has_heartbeats = true,
    .hello = "the WebSocket upgrade",
    .join = "the join",
    .join_hint = ": is this a Phoenix server? (for any other WebSocket server: echo --raw-echo)",
    .on_open = on_open,
    .on_data = on_data,
    .on_end_early = ws_client_on_end_early,
    .try_request = try_request,
    .try_publish = try_publish,
    .try_join = try_join,
    .try_leave = try_leave,
    .try_heartbeat = try_heartbeat,
    .encode_flood = encode_flood,
};
