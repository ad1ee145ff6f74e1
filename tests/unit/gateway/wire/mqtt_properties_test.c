// Goal: every property is taken in the packets that may have it, once, within its range, and comes
// back from what is encoded. Method: all identifiers in all packets; each border of each range.
#include "gateway/wire/mqtt_properties.h"
#include "tests/unit/gateway/wire/mqtt_packet.h"

static struct mqtt_properties p;

static enum mqtt_reason decode(struct bytes block, uint32_t packet) {
    struct mqtt_error error = {0};
    struct mqtt_reader reader = mqtt_reader_on(block);
    mqtt_properties_decode(&reader, packet, &p);
    return mqtt_reader_end(&reader, &error) == MQTT_OK ? MQTT_SUCCESS : error.reason;
}

// A value of 1 in each type's form.
static size_t write_one(uint8_t id, uint8_t block[16]) {
    struct mqtt_properties one = {.present = 1ull << id};
    struct writer w = writer_on(block, 16);
#define SET_BOOL(field) one.field = 1;
#define SET_U16 SET_BOOL
#define SET_POSITIVE_U16 SET_BOOL
#define SET_U32 SET_BOOL
#define SET_POSITIVE_U32 SET_BOOL
#define SET_VARIABLE SET_BOOL
#define SET_STRING(field) one.field = BYTES_LITERAL("x");
#define SET_BINARY SET_STRING
#define SET_PAIR(field)                                                                            \
    one.field##_count = 1;                                                                         \
    one.raw = BYTES_LITERAL("\x26\x00\x01"                                                         \
                            "a\x00\x01"                                                            \
                            "b");
    switch ((enum mqtt_property)id) {
#define X(identifier, field, type, packets)                                                        \
    case identifier:                                                                               \
        SET_##type(field) break;
        MQTT_PROPERTIES(X)
#undef X
    case MQTT_PROPERTY_COUNT:
        break;
    }
    mqtt_properties_encode(&w, &one, (struct bytes){0});
    ck_assert_uint_eq(w.size, mqtt_properties_size(&one, (struct bytes){0}));
    return w.size;
}

static uint32_t packets_of(uint8_t id) {
    switch (id) {
#define X(identifier, field, type, packets)                                                        \
    case identifier:                                                                               \
        return (packets);
        MQTT_PROPERTIES(X)
#undef X
    default:
        return 0;
    }
}

START_TEST(mqtt_properties_are_taken_where_table_2_4_allows_them) {
    uint32_t taken = 0;
    for (uint8_t id = 1; id < MQTT_PROPERTY_COUNT; id++) {
        if (packets_of(id) == 0)
            continue;
        uint8_t block[16];
        size_t size = write_one(id, block);
        for (uint32_t packet = 0; packet <= MQTT_AUTH; packet++) {
            bool may = (packets_of(id) >> packet & 1) != 0;
            ck_assert_int_eq(decode(bytes_of(block, size), 1u << packet),
                             may ? MQTT_SUCCESS : MQTT_MALFORMED_PACKET);
            ck_assert(!may || mqtt_properties_has(&p, (enum mqtt_property)id));
            taken += may;
        }
    }
    ck_assert_uint_gt(taken, 60);
}
END_TEST

START_TEST(mqtt_properties_that_do_not_exist_are_malformed) {
    for (uint32_t id = 0; id < 128; id++)
        if (packets_of((uint8_t)id) == 0)
            ck_assert_int_eq(decode(BODY(2, (uint8_t)id, 0), MQTT_IN(MQTT_CONNACK)),
                             MQTT_MALFORMED_PACKET);
    ck_assert_int_eq(decode(BODY(3, 0x80, 1, 0), MQTT_IN(MQTT_CONNACK)), MQTT_MALFORMED_PACKET);
}
END_TEST

START_TEST(mqtt_properties_twice_are_a_protocol_error) {
    ck_assert_int_eq(decode(BODY(6, 0x21, 0, 1, 0x21, 0, 1), MQTT_IN(MQTT_CONNECT)),
                     MQTT_PROTOCOL_ERROR);
    // But for user properties, and subscription identifiers of a PUBLISH (3.8.2.1.2).
    ck_assert_int_eq(decode(BODY(4, 0x0b, 1, 0x0b, 2), MQTT_IN(MQTT_PUBLISH)), MQTT_SUCCESS);
    ck_assert_int_eq(decode(BODY(4, 0x0b, 1, 0x0b, 2), MQTT_IN(MQTT_SUBSCRIBE)),
                     MQTT_PROTOCOL_ERROR);
}
END_TEST

START_TEST(mqtt_properties_values_have_ranges) {
    ck_assert_int_eq(decode(BODY(2, 0x01, 1), MQTT_IN(MQTT_PUBLISH)), MQTT_SUCCESS);
    ck_assert_int_eq(decode(BODY(2, 0x01, 2), MQTT_IN(MQTT_PUBLISH)), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(decode(BODY(3, 0x21, 0, 0), MQTT_IN(MQTT_CONNECT)), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(decode(BODY(3, 0x21, 0xff, 0xff), MQTT_IN(MQTT_CONNECT)), MQTT_SUCCESS);
    ck_assert_uint_eq(p.receive_max, 65535);
    ck_assert_int_eq(decode(BODY(5, 0x27, 0, 0, 0, 0), MQTT_IN(MQTT_CONNECT)), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(decode(BODY(2, 0x0b, 0), MQTT_IN(MQTT_SUBSCRIBE)), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(decode(BODY(5, 0x0b, 0xff, 0xff, 0xff, 0x7f), MQTT_IN(MQTT_SUBSCRIBE)),
                     MQTT_SUCCESS);
    ck_assert_uint_eq(p.subscription_id, MQTT_PROPERTIES_SUBSCRIPTION_ID_MAX);
    ck_assert_int_eq(decode(BODY(3, 0x22, 0, 0), MQTT_IN(MQTT_CONNECT)), MQTT_SUCCESS);
}
END_TEST

START_TEST(mqtt_properties_end_where_their_length_says) {
    ck_assert_int_eq(decode(BODY(0), MQTT_IN(MQTT_CONNECT)), MQTT_SUCCESS);
    ck_assert_int_eq(decode(BODY(2, 0x21, 0), MQTT_IN(MQTT_CONNECT)), MQTT_MALFORMED_PACKET);
    ck_assert_int_eq(decode(BODY(4, 0x21, 0, 1), MQTT_IN(MQTT_CONNECT)), MQTT_MALFORMED_PACKET);
    ck_assert_int_eq(decode((struct bytes){0}, MQTT_IN(MQTT_CONNECT)), MQTT_MALFORMED_PACKET);
}
END_TEST

START_TEST(mqtt_properties_walks_keep_the_order) {
    uint8_t block[64];
    struct writer w = writer_on(block + 1, sizeof(block) - 1);
    mqtt_properties_put_user(&w, BYTES_LITERAL("a"), BYTES_LITERAL("1"));
    mqtt_properties_put_subscription_id(&w, 7);
    mqtt_properties_put_user(&w, BYTES_LITERAL("a"), BYTES_LITERAL("2")); // names may repeat
    mqtt_properties_put_subscription_id(&w, 300);
    block[0] = (uint8_t)w.size;
    ck_assert_int_eq(decode(bytes_of(block, w.size + 1), MQTT_IN(MQTT_PUBLISH)), MQTT_SUCCESS);
    ck_assert_uint_eq(p.user_count, 2);
    struct mqtt_pair pair;
    size_t at = 0;
    ck_assert(mqtt_properties_next_user(&p, &at, &pair) && bytes_equal_string(pair.value, "1"));
    ck_assert(mqtt_properties_next_user(&p, &at, &pair) && bytes_equal_string(pair.value, "2"));
    ck_assert(!mqtt_properties_next_user(&p, &at, &pair));
    uint32_t id;
    at = 0;
    ck_assert(mqtt_properties_next_subscription_id(&p, &at, &id) && id == 7);
    ck_assert(mqtt_properties_next_subscription_id(&p, &at, &id) && id == 300);
    ck_assert(!mqtt_properties_next_subscription_id(&p, &at, &id));
}
END_TEST

START_TEST(mqtt_properties_encode_what_is_set_and_pass_user_properties_on) {
    uint8_t in[64], out[128], more[16];
    struct writer w = writer_on(in + 1, sizeof(in) - 1);
    mqtt_properties_put_user(&w, BYTES_LITERAL("k"), BYTES_LITERAL("v"));
    in[0] = (uint8_t)w.size;
    ck_assert_int_eq(decode(bytes_of(in, w.size + 1), MQTT_IN(MQTT_PUBLISH)), MQTT_SUCCESS);
    struct mqtt_properties passed = p;
    MQTT_PROPERTIES_SET(&passed, message_expiry_s, 60);
    MQTT_PROPERTIES_SET(&passed, content_type, BYTES_LITERAL("text/plain"));
    struct writer seq = writer_on(more, sizeof(more));
    mqtt_properties_put_user(&seq, BYTES_LITERAL("seq"), BYTES_LITERAL("42"));
    w = writer_on(out, sizeof(out));
    mqtt_properties_encode(&w, &passed, writer_bytes(&seq));
    ck_assert_uint_eq(w.size, mqtt_properties_size(&passed, writer_bytes(&seq)));
    ck_assert_int_eq(decode(writer_bytes(&w), MQTT_IN(MQTT_PUBLISH)), MQTT_SUCCESS);
    ck_assert_uint_eq(p.message_expiry_s, 60);
    ck_assert(bytes_equal_string(p.content_type, "text/plain"));
    ck_assert_uint_eq(p.user_count, 2);
}
END_TEST

UNIT_MAIN("gateway/wire/mqtt_properties", mqtt_properties_are_taken_where_table_2_4_allows_them,
          mqtt_properties_that_do_not_exist_are_malformed,
          mqtt_properties_twice_are_a_protocol_error, mqtt_properties_values_have_ranges,
          mqtt_properties_end_where_their_length_says, mqtt_properties_walks_keep_the_order,
          mqtt_properties_encode_what_is_set_and_pass_user_properties_on)
