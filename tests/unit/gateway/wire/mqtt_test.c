// Goal: fixed headers and fields of MQTT are taken as the specification says, whatever is cut or
// wrong. Method: each statement by example, each limit at its border, each prefix.
#include "gateway/wire/mqtt.h"
#include "tests/unit/unit.h"

#define INPUT(...) bytes_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct mqtt_header header;
static struct mqtt_error error;

static enum mqtt_status decode(struct bytes input) {
    error = (struct mqtt_error){0};
    return mqtt_decode_header(input, 0, &header, &error);
}

static bool is_bad(struct bytes input, enum mqtt_reason reason) {
    return decode(input) == MQTT_BAD && error.reason == reason && error.cause != NULL;
}

START_TEST(mqtt_header_takes_every_type_with_its_flags) {
    for (uint8_t type = MQTT_CONNECT; type <= MQTT_AUTH; type++) {
        bool wants_2 = type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE;
        for (uint8_t flags = 0; flags < 16; flags++) {
            uint8_t first = (uint8_t)(type << 4 | flags);
            bool is_right = type == MQTT_PUBLISH || flags == (wants_2 ? 2 : 0);
            ck_assert_int_eq(decode(INPUT(first, 0)),
                             is_right ? MQTT_OK : MQTT_BAD); // [MQTT-2.1.3-1]
            ck_assert_uint_eq(header.type, type);
            ck_assert(is_right || error.reason == MQTT_MALFORMED_PACKET);
        }
    }
    ck_assert(is_bad(INPUT(0, 0), MQTT_MALFORMED_PACKET));
}
END_TEST

START_TEST(mqtt_header_remaining_length_has_one_to_four_bytes) {
    static const struct {
        uint32_t value;
        uint8_t size;
        uint8_t bytes[4];
    } table[] = {{0, 1, {0}},
                 {127, 1, {0x7f}},
                 {128, 2, {0x80, 1}},
                 {16383, 2, {0xff, 0x7f}},
                 {16384, 3, {0x80, 0x80, 1}},
                 {2097151, 3, {0xff, 0xff, 0x7f}},
                 {2097152, 4, {0x80, 0x80, 0x80, 1}},
                 {268435455, 4, {0xff, 0xff, 0xff, 0x7f}}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint8_t packet[8] = {0x30};
        struct writer w = writer_on(packet, sizeof(packet));
        mqtt_encode_header(&w, MQTT_PUBLISH, 0, table[i].value);
        ck_assert_uint_eq(w.size, 1u + table[i].size);
        ck_assert_mem_eq(packet + 1, table[i].bytes, table[i].size);
        ck_assert_uint_eq(mqtt_variable_size(table[i].value), table[i].size);
        for (size_t cut = 0; cut < w.size; cut++)
            ck_assert_int_eq(decode(bytes_of(packet, cut)), MQTT_NEED_MORE);
        ck_assert_int_eq(decode(writer_bytes(&w)), MQTT_OK);
        ck_assert_uint_eq(header.remaining_size, table[i].value);
        ck_assert_uint_eq(header.size, w.size);
    }
}
END_TEST

START_TEST(mqtt_header_refuses_lengths_that_are_longer_than_they_must_be) {
    ck_assert(is_bad(INPUT(0x30, 0x80, 0), MQTT_MALFORMED_PACKET)); // [MQTT-1.5.5-1]
    ck_assert(is_bad(INPUT(0x30, 0xff, 0x80, 0), MQTT_MALFORMED_PACKET));
    ck_assert(is_bad(INPUT(0x30, 0xff, 0xff, 0xff, 0xff), MQTT_MALFORMED_PACKET));
    ck_assert(is_bad(INPUT(0x30, 0xff, 0xff, 0xff, 0x80, 1), MQTT_MALFORMED_PACKET));
}
END_TEST

START_TEST(mqtt_header_refuses_a_packet_above_the_maximum_before_it_came) {
    struct bytes packet = INPUT(0x30, 0x08); // 10 bytes, header included
    ck_assert_int_eq(mqtt_decode_header(packet, 9, &header, &error), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PACKET_TOO_LARGE);
    ck_assert_int_eq(mqtt_decode_header(packet, 10, &header, &error), MQTT_OK);
    ck_assert_int_eq(mqtt_decode_header(packet, 11, &header, &error), MQTT_OK);
}
END_TEST

START_TEST(mqtt_reader_keeps_its_first_error_and_gives_nothing_after_it) {
    struct mqtt_reader reader = mqtt_reader_on(INPUT(0, 5, 'a', 'b'));
    ck_assert_uint_eq(mqtt_read_binary(&reader).size, 0);
    ck_assert(reader.is_bad);
    mqtt_reader_fail(&reader, MQTT_QUOTA_EXCEEDED, "later");
    ck_assert_uint_eq(mqtt_read_u32(&reader), 0);
    ck_assert_int_eq(mqtt_reader_end(&reader, &error), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
}
END_TEST

START_TEST(mqtt_reader_takes_fields_big_endian) {
    struct mqtt_reader reader = mqtt_reader_on(INPUT(7, 1, 2, 1, 2, 3, 4, 0xff, 1, 0, 2, 'h', 'i'));
    ck_assert_uint_eq(mqtt_read_u8(&reader), 7);
    ck_assert_uint_eq(mqtt_read_u16(&reader), 0x0102);
    ck_assert_uint_eq(mqtt_read_u32(&reader), 0x01020304);
    ck_assert_uint_eq(mqtt_read_variable(&reader), 255);
    ck_assert(bytes_equal_string(mqtt_read_string(&reader), "hi"));
    ck_assert_int_eq(mqtt_reader_end(&reader, &error), MQTT_OK);
}
END_TEST

START_TEST(mqtt_reader_refuses_what_is_left_over) {
    struct mqtt_reader reader = mqtt_reader_on(INPUT(1));
    ck_assert_int_eq(mqtt_reader_end(&reader, &error), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
}
END_TEST

static bool string_is_bad(struct bytes field) {
    struct mqtt_reader reader = mqtt_reader_on(field);
    (void)mqtt_read_string(&reader);
    return reader.is_bad && reader.error.reason == MQTT_MALFORMED_PACKET;
}

START_TEST(mqtt_strings_are_utf8_without_nul) {
    ck_assert(string_is_bad(INPUT(0, 1, 0xff)));             // [MQTT-1.5.4-1]
    ck_assert(string_is_bad(INPUT(0, 3, 0xed, 0xa0, 0x80))); // a surrogate
    ck_assert(string_is_bad(INPUT(0, 3, 'a', 0, 'b')));      // [MQTT-1.5.4-2]
    ck_assert(string_is_bad(INPUT(0, 2, 'a')));
    ck_assert(!string_is_bad(INPUT(0, 3, 0xef, 0xbb, 0xbf))); // [MQTT-1.5.4-3]: U+FEFF stays
    ck_assert(!string_is_bad(INPUT(0, 0)));
}
END_TEST

START_TEST(mqtt_packet_id_zero_is_refused) {
    struct mqtt_reader reader = mqtt_reader_on(INPUT(0, 0));
    (void)mqtt_read_packet_id(&reader);
    ck_assert(reader.is_bad && reader.error.reason == MQTT_PROTOCOL_ERROR); // [MQTT-2.2.1-3]
    reader = mqtt_reader_on(INPUT(0xff, 0xff));
    ck_assert_uint_eq(mqtt_read_packet_id(&reader), 65535);
}
END_TEST

START_TEST(mqtt_type_names_are_those_of_the_specification) {
    ck_assert_str_eq(mqtt_type_name(MQTT_CONNECT), "CONNECT");
    ck_assert_str_eq(mqtt_type_name(MQTT_UNSUBSCRIBE), "UNSUBSCRIBE");
    ck_assert_str_eq(mqtt_type_name(MQTT_AUTH), "AUTH");
}
END_TEST

UNIT_MAIN("gateway/wire/mqtt", mqtt_header_takes_every_type_with_its_flags,
          mqtt_header_remaining_length_has_one_to_four_bytes,
          mqtt_header_refuses_lengths_that_are_longer_than_they_must_be,
          mqtt_header_refuses_a_packet_above_the_maximum_before_it_came,
          mqtt_reader_keeps_its_first_error_and_gives_nothing_after_it,
          mqtt_reader_takes_fields_big_endian, mqtt_reader_refuses_what_is_left_over,
          mqtt_strings_are_utf8_without_nul, mqtt_packet_id_zero_is_refused,
          mqtt_type_names_are_those_of_the_specification)
