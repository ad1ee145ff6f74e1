// Goal: PUBLISH and its four acknowledgements, both versions. Method: encode and decode; each
// forbidden flag, topic and code; every prefix.
#include "gateway/wire/mqtt_publish.h"
#include "tests/unit/gateway/wire/mqtt_packet.h"

static struct packet packet;
static struct mqtt_publish got;
static struct mqtt_error error;
static const struct bytes none = {0};

static void write_publish(const struct mqtt_publish *publish, struct bytes more) {
    struct writer *w = packet_begin(&packet);
    mqtt_encode_publish_head(w, publish, more);
    ck_assert_uint_eq(w->size, mqtt_publish_head_size(publish, more));
    writer_put(w, publish->payload);
    packet_end(&packet, MQTT_PUBLISH);
}

static enum mqtt_status decode(struct bytes body, uint8_t flags, enum mqtt_version version) {
    error = (struct mqtt_error){0};
    return mqtt_decode_publish(body, flags, version, &got, &error);
}

START_TEST(mqtt_publish_comes_back_at_every_qos_in_both_versions) {
    for (enum mqtt_version version = MQTT_3_1_1; version <= MQTT_5; version++) {
        for (uint8_t qos = 0; qos <= 2; qos++) {
            struct mqtt_publish publish = {.version = (uint8_t)version,
                                           .qos = qos,
                                           .is_duplicate = qos > 0,
                                           .is_retained = true,
                                           .packet_id = qos ? 65535 : 0,
                                           .topic = BYTES_LITERAL("room/lobby"),
                                           .payload = BYTES_LITERAL("hello")};
            write_publish(&publish, none);
            ck_assert_int_eq(decode(packet.body, packet.header.flags, version), MQTT_OK);
            ck_assert(got.qos == qos && got.is_duplicate == (qos > 0) && got.is_retained);
            ck_assert_uint_eq(got.packet_id, publish.packet_id);
            ck_assert(bytes_equal(got.topic, publish.topic));
            ck_assert(bytes_equal(got.payload, publish.payload));
            size_t head = packet.body.size - publish.payload.size;
            for (size_t cut = 0; cut < head; cut++)
                ck_assert_int_eq(
                    decode(bytes_of(packet.body.data, cut), packet.header.flags, version),
                    MQTT_BAD);
            ck_assert_int_eq( // an empty payload is a message, too (3.3.3)
                decode(bytes_of(packet.body.data, head), packet.header.flags, version), MQTT_OK);
        }
    }
}
END_TEST

START_TEST(mqtt_publish_carries_what_the_server_adds) {
    uint8_t more[64];
    struct writer w = writer_on(more, sizeof(more));
    mqtt_properties_put_subscription_id(&w, 9);
    mqtt_properties_put_user(&w, BYTES_LITERAL("seq"), BYTES_LITERAL("77"));
    struct mqtt_publish publish = {.version = MQTT_5, .topic = BYTES_LITERAL("room/a")};
    write_publish(&publish, writer_bytes(&w));
    ck_assert_int_eq(decode(packet.body, 0, MQTT_5), MQTT_OK);
    ck_assert_uint_eq(got.properties.subscription_id, 9);
    struct mqtt_pair pair;
    size_t at = 0;
    ck_assert(mqtt_properties_next_user(&got.properties, &at, &pair));
    ck_assert(bytes_equal_string(pair.name, "seq") && bytes_equal_string(pair.value, "77"));
}
END_TEST

START_TEST(mqtt_publish_flags_that_cannot_be_are_malformed) {
    struct bytes body = BODY(0, 1, 'a', 0, 1);
    ck_assert_int_eq(decode(body, 6, MQTT_3_1_1), MQTT_BAD); // [MQTT-3.3.1-4]
    ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
    ck_assert_int_eq(decode(body, 8, MQTT_3_1_1), MQTT_BAD); // [MQTT-3.3.1-2]
    ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
    ck_assert_int_eq(decode(body, 10, MQTT_3_1_1), MQTT_OK);
    ck_assert_int_eq(decode(BODY(0, 1, 'a', 0, 0), 2, MQTT_3_1_1), MQTT_BAD); // [MQTT-2.2.1-3]
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR);
}
END_TEST

START_TEST(mqtt_publish_topics_are_names_or_aliases) {
    ck_assert_int_eq(decode(BODY(0, 3, 'a', '/', '+'), 0, MQTT_3_1_1), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_TOPIC_NAME_INVALID); // [MQTT-3.3.2-2]
    ck_assert_int_eq(decode(BODY(0, 0), 0, MQTT_3_1_1), MQTT_BAD);
    ck_assert_int_eq(decode(BODY(0, 0, 0), 0, MQTT_5), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(decode(BODY(0, 0, 3, 0x23, 0, 1), 0, MQTT_5), MQTT_OK);
    ck_assert_uint_eq(got.properties.topic_alias, 1);
    ck_assert_int_eq(decode(BODY(0, 0, 3, 0x23, 0, 0), 0, MQTT_5), MQTT_BAD); // [MQTT-3.3.2-8]
    ck_assert_uint_eq(error.reason, MQTT_TOPIC_ALIAS_INVALID);
    ck_assert_int_eq(decode(BODY(0, 1, 'a', 4, 0x08, 0, 1, '#'), 0, MQTT_5), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR); // [MQTT-3.3.2-14]
    struct bytes with_alias = BODY(0, 0, 7, 0x23, 0, 1, 0x08, 0, 1, '#');
    ck_assert_int_eq(decode(with_alias, 0, MQTT_5), MQTT_BAD); // also where an alias stands in
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR);
}
END_TEST

// [MQTT-1.5.7-1], [MQTT-3.3.2-1], [MQTT-3.3.2-13], [MQTT-3.3.2-19]; 3.1.1: [MQTT-3.3.2-1].
START_TEST(mqtt_publish_strings_are_utf8) {
    struct bytes bad[] = {BODY(0, 1, 0xff, 0),
                          BODY(0, 1, 'a', 4, 0x08, 0, 1, 0xff),               // response topic
                          BODY(0, 1, 'a', 4, 0x03, 0, 1, 0xff),               // content type
                          BODY(0, 1, 'a', 7, 0x26, 0, 1, 0xff, 0, 1, 'v'),    // user property
                          BODY(0, 1, 'a', 7, 0x26, 0, 1, 'n', 0, 1, 0xff),    // its value
                          BODY(0, 1, 'a', 8, 0x26, 0, 1, 'n', 0, 2, 'a', 0)}; // U+0000
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_int_eq(decode(bad[i], 0, MQTT_5), MQTT_BAD);
        ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
    }
    ck_assert_int_eq(decode(BODY(0, 1, 0xff), 0, MQTT_3_1_1), MQTT_BAD);
    ck_assert_int_eq(decode(BODY(0, 1, 'a', 4, 0x09, 0, 1, 0xff), 0, MQTT_5), MQTT_OK); // bytes
}
END_TEST

static const enum mqtt_type acks[] = {MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP};

START_TEST(mqtt_acks_come_back_as_short_as_they_may_be) {
    for (size_t i = 0; i < 4; i++) {
        struct mqtt_ack ack = {.version = MQTT_5, .packet_id = 258}, back;
        mqtt_encode_ack(packet_begin(&packet), acks[i], &ack);
        packet_end(&packet, acks[i]);
        ck_assert_uint_eq(packet.body.size, 2); // 3.4.2.1
        ck_assert_int_eq(mqtt_decode_ack(packet.body, acks[i], MQTT_5, &back, &error), MQTT_OK);
        ck_assert(back.packet_id == 258 && back.reason == MQTT_SUCCESS);
        ack.reason = i < 2 ? MQTT_QUOTA_EXCEEDED : MQTT_PACKET_ID_NOT_FOUND;
        mqtt_encode_ack(packet_begin(&packet), acks[i], &ack);
        packet_end(&packet, acks[i]);
        ck_assert_uint_eq(packet.body.size, 3);
        ck_assert_int_eq(mqtt_decode_ack(packet.body, acks[i], MQTT_5, &back, &error), MQTT_OK);
        ck_assert_uint_eq(back.reason, ack.reason);
        MQTT_PROPERTIES_SET(&ack.properties, reason_string, BYTES_LITERAL("full"));
        mqtt_encode_ack(packet_begin(&packet), acks[i], &ack);
        packet_end(&packet, acks[i]);
        ck_assert_int_eq(mqtt_decode_ack(packet.body, acks[i], MQTT_5, &back, &error), MQTT_OK);
        ck_assert(bytes_equal_string(back.properties.reason_string, "full"));
        ack.version = MQTT_3_1_1;
        mqtt_encode_ack(packet_begin(&packet), acks[i], &ack);
        packet_end(&packet, acks[i]);
        ck_assert_uint_eq(packet.body.size, 2);
    }
}
END_TEST

START_TEST(mqtt_acks_say_only_what_their_tables_allow) {
    struct mqtt_ack back;
    for (uint32_t reason = 0; reason < 256; reason++) {
        struct bytes body = BODY(0, 1, (uint8_t)reason);
        bool may = reason == 0 || reason == 0x10 || reason == 0x80 || reason == 0x83 ||
                   reason == 0x87 || reason == 0x90 || reason == 0x91 || reason == 0x97 ||
                   reason == 0x99;
        for (size_t i = 0; i < 4; i++) {
            bool wanted = i < 2 ? may : reason == 0 || reason == 0x92;
            enum mqtt_status status = mqtt_decode_ack(body, acks[i], MQTT_5, &back, &error);
            ck_assert_int_eq(status, wanted ? MQTT_OK : MQTT_BAD);
        }
    }
    ck_assert_int_eq(mqtt_decode_ack(BODY(0, 0), MQTT_PUBACK, MQTT_5, &back, &error), MQTT_BAD);
    ck_assert_int_eq(mqtt_decode_ack(BODY(1), MQTT_PUBACK, MQTT_5, &back, &error), MQTT_BAD);
    ck_assert_int_eq(mqtt_decode_ack(BODY(0, 1, 0), MQTT_PUBACK, MQTT_3_1_1, &back, &error),
                     MQTT_BAD);
}
END_TEST

UNIT_MAIN("gateway/wire/mqtt_publish", mqtt_publish_comes_back_at_every_qos_in_both_versions,
          mqtt_publish_carries_what_the_server_adds,
          mqtt_publish_flags_that_cannot_be_are_malformed, mqtt_publish_topics_are_names_or_aliases,
          mqtt_publish_strings_are_utf8, mqtt_acks_come_back_as_short_as_they_may_be,
          mqtt_acks_say_only_what_their_tables_allow)
