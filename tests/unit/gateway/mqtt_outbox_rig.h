// mqtt_rig.h with the real outbox: messages that are a number, a topic and a size, encoded as a
// struct that the test reads back.
#ifndef FAIRLEAD_TESTS_GATEWAY_MQTT_OUTBOX_RIG_H
#define FAIRLEAD_TESTS_GATEWAY_MQTT_OUTBOX_RIG_H

#include "sched/payload.h"
#include "tests/unit/gateway/mqtt_rig.h"

struct rig_message {
    uint64_t expires_ns;
    uint32_t number;
    uint32_t topic;
    uint32_t size; // of its PUBLISH, with its topic; at least RIG_WIRE_BYTES
};

struct rig_wire {
    uint32_t number;
    uint32_t id_sum;
    uint64_t sequence;
    uint16_t packet_id;
    uint16_t topic_alias;
    uint8_t qos;
    bool is_duplicate;
    bool has_topic;
    bool is_retained;
    uint8_t id_count;
};

#define RIG_WIRE_BYTES 64u
#define RIG_TOPIC_BYTES 8u

_Static_assert(sizeof(struct rig_wire) <= RIG_WIRE_BYTES - RIG_TOPIC_BYTES, "fits");

static struct rig_message *rig_message_of(const struct mqtt_delivery *delivery) {
    return payload_data(&rig.scheduler, delivery->payload);
}

size_t mqtt_format_size(struct gateway *gateway, const struct mqtt_format_one *one) {
    return rig_message_of(one->delivery)->size - (one->has_topic ? 0 : RIG_TOPIC_BYTES);
}

uint64_t mqtt_format_expires_ns(struct gateway *gateway, const struct mqtt_delivery *delivery) {
    return rig_message_of(delivery)->expires_ns;
}

void mqtt_format_topic(struct gateway *gateway, const struct mqtt_delivery *delivery,
                       struct writer *w) {
    writer_put_string(w, "topic");
    writer_put_u64(w, rig_message_of(delivery)->topic);
}

uint32_t mqtt_format_encode(struct gateway *gateway, const struct mqtt_format_one *one) {
    uint32_t id =
        rig.is_encode_without_memory
            ? BLOCK_NONE
            : parcel_acquire(&rig.blocks, mqtt_format_size(gateway, one), one->parcel_class);
    if (id == BLOCK_NONE)
        return BLOCK_NONE;
    struct rig_wire wire = {.number = rig_message_of(one->delivery)->number,
                            .sequence = one->delivery->sequence,
                            .packet_id = one->packet_id,
                            .topic_alias = one->topic_alias,
                            .qos = one->delivery->qos,
                            .is_duplicate = one->is_duplicate,
                            .has_topic = one->has_topic,
                            .is_retained = one->delivery->is_retained,
                            .id_count = (uint8_t)one->delivery->id_count};
    for (uint32_t i = 0; i < one->delivery->id_count; i++)
        wire.id_sum += one->delivery->ids[i];
    memcpy(parcel_at(&rig.blocks, id)->data, &wire, sizeof(wire));
    return id;
}

// What a test says of one message.
struct rig_push {
    uint32_t number;
    uint8_t qos;
    uint32_t topic;
    uint32_t size; // 0: RIG_WIRE_BYTES
    uint32_t expires_s;
    bool is_in_turn;
    uint32_t id_count;
    const uint32_t *ids;
};

static inline void rig_push(uint32_t session, const struct rig_push *push) {
    uint64_t payload = payload_acquire(&rig.scheduler, sizeof(struct rig_message));
    ck_assert(payload != PAYLOAD_NONE);
    *(struct rig_message *)payload_data(&rig.scheduler, payload) = (struct rig_message){
        .number = push->number,
        .topic = push->topic,
        .size = push->size ? push->size : RIG_WIRE_BYTES,
        .expires_ns = push->expires_s ? rig.now_ns + push->expires_s * NS_PER_S : 0};
    const struct mqtt_delivery delivery = {.source =
                                               push->number % 2 ? MQTT_FROM_ROOM : MQTT_FROM_TOPIC,
                                           .payload = payload,
                                           .sequence = push->number % 2 ? push->number : 0,
                                           .qos = push->qos,
                                           .is_in_turn = push->is_in_turn,
                                           .id_count = push->id_count,
                                           .ids = push->ids};
    gateway_count(&rig.gateway, COUNTER_DUE);
    mqtt_outbox_push(&rig.gateway, session, &delivery);
    payload_unref(&rig.scheduler, payload);
    mqtt_outbox_validate(&rig.gateway, session);
}

#define RIG_PUSH(session, ...) rig_push(session, &(struct rig_push){__VA_ARGS__})

// The audit: due = delivered + dropped + pending.
#define RIG_EXPECT_AUDIT()                                                                         \
    ck_assert_uint_eq(RIG_COUNT(DUE), RIG_COUNT(DELIVERED) + counters_dropped(&rig.counters) +     \
                                          RIG_COUNT(PENDING) + RIG_COUNT(GATHERED))

// What the client took: a PUBLISH, or a PUBREL.
struct rig_taken {
    bool is_any;
    bool is_pubrel;
    struct rig_wire publish;
    struct mqtt_ack pubrel;
};

static inline struct rig_taken rig_take(uint32_t session) {
    uint32_t conn = mqtt_session_at(&rig.gateway, session)->conn;
    uint32_t stream = conn_at(&rig.gateway, conn)->stream;
    struct rig_taken taken = {.is_any = rig.peers[stream].queue_count > 0};
    if (!taken.is_any)
        return taken;
    const struct parcel *parcel = parcel_at(&rig.blocks, rig.peers[stream].queue[0]);
    taken.is_pubrel = parcel->class == PARCEL_CONTROL;
    if (taken.is_pubrel) {
        struct mqtt_header header;
        struct mqtt_error error;
        struct bytes bytes = bytes_of(parcel->data, parcel->size);
        ck_assert_int_eq(mqtt_decode_header(bytes, 0, &header, &error), MQTT_OK);
        ck_assert_int_eq(header.type, MQTT_PUBREL);
        bool is_5 = mqtt_session_has(mqtt_session_at(&rig.gateway, session), MQTT_SESSION_5);
        ck_assert_int_eq(mqtt_decode_ack(bytes_skip(bytes, header.size), MQTT_PUBREL,
                                         is_5 ? MQTT_5 : MQTT_3_1_1, &taken.pubrel, &error),
                         MQTT_OK);
    } else {
        memcpy(&taken.publish, parcel->data, sizeof(taken.publish));
    }
    rig_pop(stream, COUNTER_DELIVERED);
    return taken;
}

// All that waits in the stream, as text: "q1 #5 id 1", "… dup", "rel 1 92".
static inline const char *rig_taken_text(uint32_t session) {
    static char text[8192];
    size_t size = 0;
    text[0] = 0;
    for (;;) {
        struct rig_taken taken = rig_take(session);
        if (!taken.is_any)
            return text;
        const struct rig_wire *wire = &taken.publish;
        char id[16] = "";
        if (wire->packet_id)
            snprintf(id, sizeof(id), " id %u", wire->packet_id);
        int more = taken.is_pubrel
                       ? snprintf(text + size, sizeof(text) - size, "rel %u %02x\n",
                                  taken.pubrel.packet_id, taken.pubrel.reason)
                       : snprintf(text + size, sizeof(text) - size, "q%u #%u%s%s\n", wire->qos,
                                  wire->number, id, wire->is_duplicate ? " dup" : "");
        size += (size_t)more;
        ck_assert_uint_lt(size, sizeof(text));
    }
}

#define RIG_EXPECT_TAKEN(session, expected) ck_assert_str_eq(rig_taken_text(session), expected)

static inline enum mqtt_reason rig_ack(uint32_t session, enum mqtt_type type, uint16_t packet_id,
                                       enum mqtt_reason reason) {
    const struct mqtt_ack ack = {
        .version = MQTT_5, .reason = (uint8_t)reason, .packet_id = packet_id};
    enum mqtt_reason result = mqtt_outbox_on_ack(&rig.gateway, session, type, &ack);
    mqtt_outbox_validate(&rig.gateway, session);
    return result;
}

#define RIG_ACK(session, type, packet_id)                                                          \
    ck_assert_int_eq(rig_ack(session, type, packet_id, MQTT_SUCCESS), MQTT_SUCCESS)

static inline void rig_lose(uint32_t session) {
    rig_cut(mqtt_session_at(&rig.gateway, session)->conn);
    mqtt_outbox_validate(&rig.gateway, session);
}

#endif
