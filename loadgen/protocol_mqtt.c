// MQTT 3.1.1 and 5, over TCP and over WebSocket: one room per connection, which is a topic that is
// subscribed to. CONNECT is the hello, SUBSCRIBE the join, PUBLISH a publish, and a request is a
// PUBLISH to a topic that nobody subscribes to, answered by its PUBACK (PUBCOMP). What is under way
// is told by packet identifiers (mqtt_flow.h).
//
// Nobody answers a QoS 0 publish, so none is owed. Messages that the server's receive maximum does
// not let leave wait here, and their latency counts from when they were due. Sources: MQTT 5.0 and
// 3.1.1; docs/PROTOCOL.md for what a room's deliveries say besides.
#include <errno.h>
#include <stdio.h>

#include "loadgen/client.h"
#include "loadgen/cut.h"
#include "loadgen/mqtt_words.h"
#include "loadgen/receive.h"
#include "loadgen/ws_client.h"

// Packet identifiers without a message: above those of mqtt_flow.h.
#define JOIN_ID 65534u
#define LEAVE_ID 65535u

// 3.1.1 tells no receive maximum; this is what brokers allow at least.
#define WINDOW_3_1_1 20u
#define WINDOW_5 65535u // 3.2.2.3.3: absent

_Static_assert(JOIN_ID > MQTT_FLOW_ID_MAX, "apart from those of messages");

static struct mqtt_flows *flows_of(struct run *run) {
    return &run->mqtt.flows;
}

static bool is_5(const struct run *run) {
    return run->options.mqtt_version == MQTT_5;
}

// --- sending -------------------------------------------------------------------------------------

static struct bytes room_topic(const struct run *run, uint32_t index) {
    const struct mqtt_scan_expected *expected = &run->rooms[run_room_of(run, index)].mqtt;
    return bytes_of(expected->topic + 2, expected->size - 2u);
}

static struct bytes request_topic(const struct run *run, uint32_t index,
                                  char text[RUN_TOPIC_BYTES_MAX]) {
    int size = snprintf(text, RUN_TOPIC_BYTES_MAX, "%secho-%u", run->options.topic_prefix,
                        run->options.first_room + run_room_of(run, index));
    return bytes_of(text, (size_t)size);
}

static struct bytes filter_of(const struct run *run, uint32_t index,
                              char text[RUN_TOPIC_BYTES_MAX]) {
    struct bytes topic = room_topic(run, index);
    if (run->options.shared_group[0] == 0 || index >= run->options.connections)
        return topic;
    int size = snprintf(text, RUN_TOPIC_BYTES_MAX, "$share/%s/%.*s", run->options.shared_group,
                        (int)topic.size, (const char *)topic.data);
    return bytes_of(text, (size_t)size);
}

// A request wants an answer, so it is QoS 1 at least.
static uint8_t qos_of(const struct run *run, enum mqtt_flow_kind kind) {
    uint32_t qos = run->options.qos;
    return (uint8_t)(kind == MQTT_FLOW_REQUEST && qos == 0 ? 1 : qos);
}

static bool try_send_entry(struct run *run, uint32_t index, const struct mqtt_flow_entry *entry) {
    char text[RUN_TOPIC_BYTES_MAX];
    enum mqtt_flow_kind kind = (enum mqtt_flow_kind)entry->kind;
    struct mqtt_client_message message = {.topic = kind == MQTT_FLOW_REQUEST
                                                       ? request_topic(run, index, text)
                                                       : room_topic(run, index),
                                          .stamp = &entry->stamp,
                                          .payload_bytes = entry->payload_bytes,
                                          .qos = qos_of(run, kind),
                                          .packet_id = entry->packet_id};
    return mqtt_client_try_publish(run, index, &message);
}

static bool try_message(struct run *run, uint32_t index, const struct mqtt_flow_message *message) {
    if (qos_of(run, message->kind) == 0) {
        const struct mqtt_flow_entry unanswered = {.stamp = message->stamp,
                                                   .payload_bytes = message->payload_bytes};
        return try_send_entry(run, index, &unanswered);
    }
    if (!mqtt_flow_may_open(flows_of(run), index))
        return mqtt_flow_queue(flows_of(run), index, message);
    struct mqtt_flow_entry closed, *entry = mqtt_flow_open(flows_of(run), index, message);
    if (entry == NULL)
        return false;
    if (try_send_entry(run, index, entry))
        return true;
    CHECK(mqtt_flow_close(flows_of(run), index, entry->packet_id, &closed));
    return false;
}

static bool try_request(struct run *run, uint32_t index, const struct stamp *stamp) {
    return try_message(run, index,
                       &(struct mqtt_flow_message){MQTT_FLOW_REQUEST, run->request_bytes, *stamp});
}

static bool try_publish(struct run *run, uint32_t index, uint32_t room, const struct stamp *stamp) {
    return try_message(run, index,
                       &(struct mqtt_flow_message){MQTT_FLOW_PUBLISH, run->publish_bytes, *stamp});
}

static bool try_join(struct run *run, uint32_t index) {
    char text[RUN_TOPIC_BYTES_MAX];
    return mqtt_client_try_subscribe(run, index, filter_of(run, index, text), JOIN_ID);
}

static bool try_leave(struct run *run, uint32_t index) {
    char text[RUN_TOPIC_BYTES_MAX];
    return mqtt_client_try_unsubscribe(run, index, filter_of(run, index, text), LEAVE_ID);
}

static bool try_heartbeat(struct run *run, uint32_t index, const struct stamp *stamp) {
    struct mqtt_flow_entry closed;
    if (mqtt_flow_open(flows_of(run), index,
                       &(struct mqtt_flow_message){MQTT_FLOW_PING, 0, *stamp}) == NULL)
        return false;
    if (mqtt_client_try_ping(run, index))
        return true;
    CHECK(mqtt_flow_close_ping(flows_of(run), index, &closed));
    return false;
}

// The server takes one more: those that waited leave.
static void send_queued(struct run *run, uint32_t index) {
    struct mqtt_flow_entry *entry;
    while ((entry = mqtt_flow_open_next(flows_of(run), index)) != NULL)
        if (!try_send_entry(run, index, entry)) {
            client_fail_local(run, index, ENOBUFS);
            return;
        }
}

// --- refusals ------------------------------------------------------------------------------------

static void broken(struct run *run, uint32_t index, const struct mqtt_error *error) {
    client_fail(run, index, RESULT_PROTOCOL, "the server broke the MQTT protocol: %s",
                error->cause);
}

static void unexpected(struct run *run, uint32_t index, enum mqtt_type type) {
    client_fail(run, index, RESULT_PROTOCOL, "the server broke the MQTT protocol: it sent %s",
                mqtt_type_name(type));
}

static void refuse_stranger(struct run *run, uint32_t index, struct bytes head, const char *cause) {
    client_fail_stranger(
        run, index,
        &(struct client_stranger){
            .why = RESULT_NOT_MQTT, .wanted = "MQTT", .head = head, .cause = cause});
}

// ": reason string", or nothing.
static const char *said(const struct mqtt_properties *p, char out[CLIENT_SHOWN_BYTES + 2]) {
    out[0] = 0;
    if (mqtt_properties_has(p, MQTT_PROPERTY_reason_string)) {
        memcpy(out, ": ", 2);
        client_shown(p->reason_string, out + 2);
    }
    return out;
}

static void refused(struct run *run, uint32_t index, const struct mqtt_connack *connack) {
    char text[CLIENT_SHOWN_BYTES + 2];
    if (connack->version == MQTT_3_1_1)
        client_fail(run, index, RESULT_REFUSED, "the server refused the connection: code %u %s%s",
                    connack->code, mqtt_words_connack_3_1_1(connack->code),
                    is_5(run) && connack->code == 1 ? " (for this server: --mqtt-version 3.1.1)"
                                                    : "");
    else
        client_fail(run, index, RESULT_REFUSED, "the server refused the connection: 0x%02x %s%s",
                    connack->code, mqtt_words_reason(connack->code),
                    said(&connack->properties, text));
}

// What the server does not do, and the options ask for. True when there is something.
static bool lacks(struct run *run, uint32_t index, const struct mqtt_properties *p) {
    const struct load_options *o = &run->options;
    size_t packet_bytes = room_topic(run, index).size + o->payload_bytes + 2 +
                          MQTT_HEADER_BYTES_MAX +
                          3; // topic's length, packet identifier, properties
    if (mqtt_properties_has(p, MQTT_PROPERTY_maximum_qos) && o->qos > p->maximum_qos)
        client_fail(run, index, RESULT_REFUSED, "the server takes QoS %u at most, --qos is %u",
                    p->maximum_qos, o->qos);
    else if (mqtt_properties_has(p, MQTT_PROPERTY_packet_bytes_max) &&
             packet_bytes > p->packet_bytes_max)
        client_fail(run, index, RESULT_REFUSED,
                    "the server takes packets of %u bytes at most, --payload-bytes %u makes "
                    "larger ones",
                    p->packet_bytes_max, o->payload_bytes);
    else if (o->shared_group[0] != 0 && mqtt_properties_has(p, MQTT_PROPERTY_shared_available) &&
             !p->shared_available)
        client_fail(run, index, RESULT_REFUSED,
                    "the server has no shared subscriptions (--shared-group)");
    return run->clients[index].state == CLIENT_GONE;
}

// --- answers -------------------------------------------------------------------------------------

// A server that speaks 3.1.1 only answers a CONNECT of 5.0 in its own form (two bytes).
static enum mqtt_status decode_connack(const struct run *run, struct bytes body,
                                       struct mqtt_connack *connack, struct mqtt_error *error) {
    enum mqtt_version version = (enum mqtt_version)run->options.mqtt_version;
    if (body.size == 2 && body.data[1] != 0)
        version = MQTT_3_1_1;
    return mqtt_decode_connack(body, version, connack, error);
}

static void on_connack(struct run *run, uint32_t index, const struct mqtt_client_packet *packet) {
    struct mqtt_connack connack;
    struct mqtt_error error;
    if (packet->header.type != MQTT_CONNACK) {
        refuse_stranger(run, index, packet->body, "its first packet is no CONNACK");
        return;
    }
    if (decode_connack(run, packet->body, &connack, &error) != MQTT_OK) {
        broken(run, index, &error);
        return;
    }
    const struct mqtt_properties *p = &connack.properties;
    bool tells_max = mqtt_properties_has(p, MQTT_PROPERTY_receive_max);
    if (connack.code != 0) {
        refused(run, index, &connack);
        return;
    }
    if (lacks(run, index, p))
        return;
    mqtt_flow_set_window(flows_of(run), index,
                         tells_max   ? p->receive_max
                         : is_5(run) ? WINDOW_5
                                     : WINDOW_3_1_1);
    client_set_joining(run, index);
    if (!try_join(run, index))
        client_fail_local(run, index, ENOBUFS);
}

static void on_suback(struct run *run, uint32_t index, const struct mqtt_suback *suback) {
    char text[RUN_TOPIC_BYTES_MAX];
    struct bytes filter = filter_of(run, index, text);
    uint8_t code = suback->codes.data[0];
    char words[CLIENT_SHOWN_BYTES + 2];
    if (suback->packet_id != JOIN_ID || !client_is_joining(run, index) || suback->codes.size != 1)
        receive_strange(run);
    else if (code >= MQTT_UNSPECIFIED_ERROR)
        client_fail(run, index, RESULT_JOIN, "the subscription to %.*s was refused: 0x%02x %s%s",
                    (int)filter.size, (const char *)filter.data, code,
                    is_5(run) ? mqtt_words_reason(code) : "failure",
                    said(&suback->properties, words));
    else if (code < run->options.qos)
        client_fail(run, index, RESULT_JOIN, "the subscription to %.*s got QoS %u, --qos is %u",
                    (int)filter.size, (const char *)filter.data, code, run->options.qos);
    else
        receive_joined(run, index, VERIFY_UNKNOWN);
}

static void on_unsuback(struct run *run, uint32_t index, const struct mqtt_suback *unsuback) {
    if (unsuback->packet_id != LEAVE_ID)
        receive_strange(run);
    else
        receive_left(run, index);
}

static void on_suback_packet(struct run *run, uint32_t index,
                             const struct mqtt_client_packet *packet) {
    enum mqtt_type type = (enum mqtt_type)packet->header.type;
    struct mqtt_suback suback;
    struct mqtt_error error;
    if (mqtt_decode_suback(packet->body, type, (enum mqtt_version)run->options.mqtt_version,
                           &suback, &error) != MQTT_OK)
        broken(run, index, &error);
    else if (type == MQTT_SUBACK)
        on_suback(run, index, &suback);
    else
        on_unsuback(run, index, &suback);
}

static void on_pingresp(struct run *run, uint32_t index) {
    struct mqtt_flow_entry ping;
    if (mqtt_flow_close_ping(flows_of(run), index, &ping))
        receive_heartbeat(run, index, &ping.stamp);
    else
        receive_strange(run);
}

static void on_disconnect(struct run *run, uint32_t index,
                          const struct mqtt_client_packet *packet) {
    struct mqtt_farewell farewell;
    struct mqtt_error error;
    char text[CLIENT_SHOWN_BYTES + 2];
    bool was_live = run->clients[index].state == CLIENT_LIVE;
    if (!is_5(run)) // [MQTT-3.14.0-1] of 5.0: only there the server may
        unexpected(run, index, MQTT_DISCONNECT);
    else if (mqtt_decode_disconnect(packet->body, MQTT_5, &farewell, &error) != MQTT_OK)
        broken(run, index, &error);
    else
        client_fail(run, index, was_live ? RESULT_CLOSED : RESULT_CLOSED_EARLY,
                    "the server ended a connection: 0x%02x %s%s%s", farewell.reason,
                    mqtt_words_reason(farewell.reason), said(&farewell.properties, text),
                    farewell.reason == MQTT_KEEP_ALIVE_TIMEOUT ? " (a smaller --heartbeat-s?)"
                                                               : "");
}

// --- acknowledgements of what we sent ------------------------------------------------------------

static void reject(struct run *run, uint8_t reason) {
    char text[80];
    snprintf(text, sizeof(text), "0x%02x %s", reason, mqtt_words_reason(reason));
    receive_rejection(run, bytes_from_string(text));
}

// The exchange of one message is over.
static void finish(struct run *run, uint32_t index, const struct mqtt_ack *ack) {
    struct mqtt_flow_entry entry;
    if (!mqtt_flow_close(flows_of(run), index, ack->packet_id, &entry)) {
        run->result->verify.duplicates++; // answered before
        return;
    }
    if (ack->reason >= MQTT_UNSPECIFIED_ERROR)
        reject(run, ack->reason);
    send_queued(run, index);
    if (entry.kind == MQTT_FLOW_REQUEST)
        receive_answer(run, index, &entry.stamp);
    else
        receive_accepted(run, index, &entry.stamp);
}

// MQTT-4.3.3-4: a PUBREC that refuses ends it, any other is answered with PUBREL.
static void on_pubrec(struct run *run, uint32_t index, const struct mqtt_ack *ack) {
    struct mqtt_flow_entry *entry = mqtt_flow_lookup(flows_of(run), index, ack->packet_id);
    if (entry != NULL && ack->reason >= MQTT_UNSPECIFIED_ERROR) {
        finish(run, index, ack);
        return;
    }
    if (entry == NULL || entry->is_released)
        receive_strange(run);
    if (entry != NULL)
        entry->is_released = true;
    mqtt_client_put_ack(run, index, MQTT_PUBREL, ack->packet_id,
                        entry != NULL ? MQTT_SUCCESS : MQTT_PACKET_ID_NOT_FOUND);
}

// The QoS with which it was sent says which acknowledgement ends it.
static void on_end_of_publish(struct run *run, uint32_t index, enum mqtt_type type,
                              const struct mqtt_ack *ack) {
    const struct mqtt_flow_entry *entry = mqtt_flow_lookup(flows_of(run), index, ack->packet_id);
    if (entry == NULL) {
        finish(run, index, ack); // which counts it
        return;
    }
    bool is_qos_2 = qos_of(run, (enum mqtt_flow_kind)entry->kind) == 2;
    if (is_qos_2 != (type == MQTT_PUBCOMP) || (is_qos_2 && !entry->is_released))
        unexpected(run, index, type);
    else
        finish(run, index, ack);
}

// MQTT-4.3.3-11: the delivery's identifier is free again.
static void on_pubrel(struct run *run, uint32_t index, const struct mqtt_ack *ack) {
    bool is_known = mqtt_flow_forget(flows_of(run), index, ack->packet_id);
    if (!is_known)
        receive_strange(run);
    mqtt_client_put_ack(run, index, MQTT_PUBCOMP, ack->packet_id,
                        is_known ? MQTT_SUCCESS : MQTT_PACKET_ID_NOT_FOUND);
}

static void on_ack(struct run *run, uint32_t index, const struct mqtt_client_packet *packet) {
    enum mqtt_type type = (enum mqtt_type)packet->header.type;
    struct mqtt_ack ack;
    struct mqtt_error error;
    if (mqtt_decode_ack(packet->body, type, (enum mqtt_version)run->options.mqtt_version, &ack,
                        &error) != MQTT_OK)
        broken(run, index, &error);
    else if (type == MQTT_PUBREC)
        on_pubrec(run, index, &ack);
    else if (type == MQTT_PUBREL)
        on_pubrel(run, index, &ack);
    else
        on_end_of_publish(run, index, type, &ack);
}

// --- deliveries ----------------------------------------------------------------------------------

struct delivery {
    uint8_t qos;
    uint16_t packet_id;
    bool is_duplicate; // the DUP flag
    uint64_t sequence; // 0: none
    struct bytes payload;
};

// The handshake of its QoS. True when it is a message, and not one that is repeated.
static bool acknowledge(struct run *run, uint32_t index, const struct delivery *d) {
    if (d->qos == 0)
        return true;
    if (d->qos == 1) {
        mqtt_client_put_ack(run, index, MQTT_PUBACK, d->packet_id, MQTT_SUCCESS);
        return true;
    }
    enum mqtt_flow_taking taking = mqtt_flow_take(flows_of(run), index, d->packet_id);
    if (taking == MQTT_FLOW_NO_MEMORY) {
        client_fail_local(run, index, ENOMEM);
        return false;
    }
    mqtt_client_put_ack(run, index, MQTT_PUBREC, d->packet_id, MQTT_SUCCESS);
    run->result->redelivered += taking == MQTT_FLOW_AGAIN;
    return taking == MQTT_FLOW_NEW;
}

static void take_delivery(struct run *run, uint32_t index, const struct delivery *d) {
    struct stamp stamp;
    // MQTT-3.8.4-2: a server may begin to deliver before it has answered the subscription; which
    // messages are due is known from the answer on.
    if (!acknowledge(run, index, d) || client_is_joining(run, index))
        return;
    bool is_ours = stamp_decode(d->payload, &stamp);
    if (UNLIKELY(is_ours && index >= run->options.connections))
        wills_take(run, index, &stamp, d->is_duplicate);
    else if (UNLIKELY(!is_ours))
        receive_foreign(run, index, d->sequence);
    else if (UNLIKELY(d->is_duplicate))
        receive_redelivery(run, index, &stamp, d->sequence);
    else
        receive_delivery(run, index, &stamp, d->sequence);
}

// What is no delivery of the room in its usual form.
static void on_other_publish(struct run *run, uint32_t index,
                             const struct mqtt_client_packet *packet) {
    const struct mqtt_scan_expected *expected = &run->rooms[run_room_of(run, index)].mqtt;
    struct mqtt_publish publish;
    struct mqtt_scan_said said;
    struct mqtt_error error;
    if (mqtt_decode_publish(packet->body, packet->header.flags,
                            (enum mqtt_version)run->options.mqtt_version, &publish,
                            &error) != MQTT_OK) {
        broken(run, index, &error);
        return;
    }
    mqtt_scan_properties(&publish.properties, &said);
    struct delivery d = {.qos = publish.qos,
                         .packet_id = publish.packet_id,
                         .is_duplicate = publish.is_duplicate,
                         .sequence = said.sequence,
                         .payload = publish.payload};
    if (!mqtt_scan_is_topic(expected, publish.topic)) {
        if (acknowledge(run, index, &d))
            receive_strange(run);
    } else if (publish.is_retained) {
        (void)acknowledge(run, index, &d); // from before
    } else if (said.has_gap) {
        if (acknowledge(run, index, &d))
            receive_gap(run, index, said.gap_from, said.gap_to);
    } else {
        take_delivery(run, index, &d);
    }
}

static void on_publish(struct run *run, uint32_t index, const struct mqtt_client_packet *packet) {
    const struct mqtt_scan_expected *expected = &run->rooms[run_room_of(run, index)].mqtt;
    struct mqtt_scan_delivery scanned;
    uint8_t qos = packet->header.flags >> 1;
    // DUP, retain and QoS 3 are for the codec.
    if (UNLIKELY((packet->header.flags & 9) != 0 || packet->body.size == 0 ||
                 !mqtt_scan_usual(expected, packet->body, qos,
                                  (enum mqtt_version)run->options.mqtt_version, &scanned))) {
        on_other_publish(run, index, packet);
        return;
    }
    struct delivery d = {.qos = qos,
                         .packet_id = scanned.packet_id,
                         .sequence = scanned.sequence,
                         .payload = scanned.payload};
    take_delivery(run, index, &d);
}

// --- packets -------------------------------------------------------------------------------------

static void on_packet(struct run *run, uint32_t index, const struct mqtt_client_packet *packet) {
    enum mqtt_type type = (enum mqtt_type)packet->header.type;
    if (UNLIKELY(run->mqtt.flows.flows[index].window == 0)) {
        on_connack(run, index, packet);
        return;
    }
    if (UNLIKELY(packet->is_truncated && type != MQTT_PUBLISH)) {
        client_fail(run, index, RESULT_PROTOCOL, "the server sent a %s of %u bytes",
                    mqtt_type_name(type), packet->header.remaining_size);
        return;
    }
    switch (type) {
    case MQTT_PUBLISH:
        on_publish(run, index, packet);
        return;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        on_ack(run, index, packet);
        return;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        on_suback_packet(run, index, packet);
        return;
    case MQTT_PINGRESP:
        on_pingresp(run, index);
        return;
    case MQTT_DISCONNECT:
        on_disconnect(run, index, packet);
        return;
    case MQTT_CONNECT:
    case MQTT_CONNACK:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
    case MQTT_PINGREQ:
    case MQTT_AUTH:
        unexpected(run, index, type);
        return;
    }
    UNREACHABLE();
}

static void on_garbage(struct run *run, uint32_t index, struct bytes head,
                       const struct mqtt_error *error) {
    if (run->mqtt.flows.flows[index].window == 0)
        refuse_stranger(run, index, head, error->cause);
    else
        broken(run, index, error);
}

static const struct mqtt_client_calls PACKET_CALLS = {on_packet, on_garbage};

// --- the tables ----------------------------------------------------------------------------------

static void say_hello(struct run *run, uint32_t index) {
    if (!mqtt_client_try_connect(run, index))
        client_fail_local(run, index, ENOBUFS);
}

static void on_data(struct run *run, uint32_t index, uint8_t *data, size_t size) {
    mqtt_client_take(run, index, bytes_of(data, size), &PACKET_CALLS);
    mqtt_client_flush(run, index);
}

static void on_end_early(struct run *run, uint32_t index) {
    struct bytes head = mqtt_client_held(run, index);
    if (head.size > 0 && run->mqtt.flows.flows[index].window == 0)
        refuse_stranger(run, index, head, "its answer to CONNECT ended early");
}

static uint32_t count_owed(const struct run *run, uint32_t index) {
    const struct mqtt_flow *flow = &run->mqtt.flows.flows[index];
    return (uint32_t)flow->open_count + flow->queue_count;
}

static void on_upgraded(struct run *run, uint32_t index) {
    client_set_joining(run, index); // what comes are frames from now on
    say_hello(run, index);
}

static void on_message(struct run *run, uint32_t index, struct bytes part) {
    mqtt_client_take(run, index, part, &PACKET_CALLS);
}

static void on_pong(struct run *run, uint32_t index, struct bytes payload) {
    receive_strange(run); // we send no pings of WebSocket's
}

// MQTT-6.0.0-3, -4: the subprotocol is mqtt.
static const struct ws_client_calls WS_CALLS = {.on_upgraded = on_upgraded,
                                                .on_message = on_message,
                                                .on_pong = on_pong,
                                                .subprotocol = "mqtt",
                                                .is_stream = true};

static void on_open_ws(struct run *run, uint32_t index) {
    ws_client_open(run, index, "", WS_CALLS.subprotocol);
}

static void on_data_ws(struct run *run, uint32_t index, uint8_t *data, size_t size) {
    ws_client_take(run, index, bytes_of(data, size), &WS_CALLS);
    mqtt_client_flush(run, index);
}

const struct protocol PROTOCOL_MQTT = {
    .name = "mqtt",
    .scheme = "mqtt",
    .default_target = "mqtt://127.0.0.1:8080",
    .is_mqtt = true,
    .has_rooms = true,
    .has_requests = true,
    .has_heartbeats = true,
    .stranger = RESULT_NOT_MQTT,
    .hello = "the MQTT CONNECT",
    .join = "the SUBSCRIBE",
    .join_hint = "",
    .init = mqtt_client_init,
    .on_open = say_hello,
    .on_data = on_data,
    .on_end_early = on_end_early,
    .on_gone = mqtt_client_forget,
    .count_owed = count_owed,
    .try_request = try_request,
    .try_publish = try_publish,
    .try_join = try_join,
    .try_leave = try_leave,
    .try_heartbeat = try_heartbeat,
};

const struct protocol PROTOCOL_MQTT_WS = {
    .name = "mqtt-ws",
    .scheme = "ws",
    .default_target = "ws://127.0.0.1:8080/mqtt",
    .is_mqtt = true,
    .has_rooms = true,
    .has_requests = true,
    .has_heartbeats = true,
    .stranger = RESULT_NOT_HTTP,
    .hello = "the WebSocket upgrade",
    .join = "the MQTT CONNECT or SUBSCRIBE",
    .join_hint = "",
    .init = mqtt_client_init,
    .on_open = on_open_ws,
    .on_data = on_data_ws,
    .on_end_early = ws_client_on_end_early,
    .on_gone = mqtt_client_forget,
    .count_owed = count_owed,
    .try_request = try_request,
    .try_publish = try_publish,
    .try_join = try_join,
    .try_leave = try_leave,
    .try_heartbeat = try_heartbeat,
};
