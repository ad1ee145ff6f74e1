// Goal: SUBSCRIBE, UNSUBSCRIBE and their answers, both versions. Method: encode, decode, walk; each
// option that is forbidden; every prefix.
#include "gateway/wire/mqtt_subscribe.h"
#include "tests/unit/gateway/wire/mqtt_packet.h"

static struct packet packet;
static struct mqtt_subscribe got;
static struct mqtt_error error;

static const struct mqtt_filter filters[] = {
    {.text = {(const uint8_t *)"room/lobby", 10}, .qos = 1, .is_no_local = true},
    {.text = {(const uint8_t *)"a/+/#", 5},
     .qos = 2,
     .retains_as_published = true,
     .retain_handling = MQTT_RETAIN_NEVER},
    {.text = {(const uint8_t *)"$share/g/x", 10}},
};

static struct mqtt_subscribe three(enum mqtt_version version) {
    return (struct mqtt_subscribe){.version = (uint8_t)version, .packet_id = 7, .filter_count = 3};
}

static enum mqtt_status decode(struct bytes body, enum mqtt_version version) {
    error = (struct mqtt_error){0};
    return mqtt_decode_subscribe(body, version, &got, &error);
}

START_TEST(mqtt_subscribe_comes_back_filter_by_filter) {
    struct mqtt_subscribe subscribe = three(MQTT_5);
    MQTT_PROPERTIES_SET(&subscribe.properties, subscription_id, 42);
    mqtt_encode_subscribe(packet_begin(&packet), MQTT_SUBSCRIBE, &subscribe, filters);
    packet_end(&packet, MQTT_SUBSCRIBE);
    ck_assert_int_eq(decode(packet.body, MQTT_5), MQTT_OK);
    ck_assert(got.packet_id == 7 && got.filter_count == 3 && got.properties.subscription_id == 42);
    struct bytes left = got.filters;
    struct mqtt_filter filter;
    for (size_t i = 0; i < 3; i++) {
        ck_assert(mqtt_subscribe_next(&got, &left, &filter));
        ck_assert(bytes_equal(filter.text, filters[i].text) && filter.is_valid);
        ck_assert(filter.qos == filters[i].qos && filter.is_no_local == filters[i].is_no_local);
        ck_assert(filter.retains_as_published == filters[i].retains_as_published);
        ck_assert_uint_eq(filter.retain_handling, filters[i].retain_handling);
    }
    ck_assert(!mqtt_subscribe_next(&got, &left, &filter));
}
END_TEST

START_TEST(mqtt_subscribe_cut_anywhere_but_between_filters_is_bad) {
    struct mqtt_subscribe subscribe = three(MQTT_5);
    mqtt_encode_subscribe(packet_begin(&packet), MQTT_SUBSCRIBE, &subscribe, filters);
    packet_end(&packet, MQTT_SUBSCRIBE);
    uint32_t good = 0;
    for (size_t cut = 0; cut < packet.body.size; cut++)
        good += decode(bytes_of(packet.body.data, cut), MQTT_5) == MQTT_OK;
    ck_assert_uint_eq(good, 2); // after the first and after the second
}
END_TEST

START_TEST(mqtt_subscribe_needs_a_filter_and_a_packet_id) {
    ck_assert_int_eq(decode(BODY(0, 1), MQTT_3_1_1), MQTT_BAD); // [MQTT-3.8.3-2]
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(decode(BODY(0, 0, 0, 1, 'a', 0), MQTT_3_1_1), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR); // [MQTT-2.2.1-3]
}
END_TEST

static enum mqtt_reason with_options(uint8_t options, enum mqtt_version version) {
    struct bytes old = BODY(0, 1, 0, 1, 'a', options), new = BODY(0, 1, 0, 0, 1, 'a', options);
    return decode(version == MQTT_5 ? new : old, version) == MQTT_OK ? MQTT_SUCCESS : error.reason;
}

START_TEST(mqtt_subscribe_options_are_checked_bit_by_bit) {
    for (uint32_t options = 0; options < 256; options++) {
        bool qos_ok = (options & 3) < 3;
        bool is_right_5 = qos_ok && (options & 0xc0) == 0 && (options & 0x30) != 0x30;
        bool is_right_3 = options < 3; // [MQTT-3.8.3-4] of 3.1.1
        ck_assert_int_eq(with_options((uint8_t)options, MQTT_5) == MQTT_SUCCESS, is_right_5);
        ck_assert_int_eq(with_options((uint8_t)options, MQTT_3_1_1) == MQTT_SUCCESS, is_right_3);
    }
    ck_assert_uint_eq(with_options(0x40, MQTT_5), MQTT_MALFORMED_PACKET); // [MQTT-3.8.3-5]
    ck_assert_uint_eq(with_options(0x30, MQTT_5), MQTT_PROTOCOL_ERROR);
    ck_assert_uint_eq(with_options(0x03, MQTT_5), MQTT_PROTOCOL_ERROR); // 3.8.3.1
}
END_TEST

START_TEST(mqtt_subscribe_no_local_on_a_shared_one_is_a_protocol_error) {
    struct mqtt_filter filter = {.text = BYTES_LITERAL("$share/g/x"), .is_no_local = true};
    struct mqtt_subscribe subscribe = {.version = MQTT_5, .packet_id = 1, .filter_count = 1};
    mqtt_encode_subscribe(packet_begin(&packet), MQTT_SUBSCRIBE, &subscribe, &filter);
    packet_end(&packet, MQTT_SUBSCRIBE);
    ck_assert_int_eq(decode(packet.body, MQTT_5), MQTT_BAD); // [MQTT-3.8.3-4]
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR);
}
END_TEST

START_TEST(mqtt_subscribe_tells_invalid_filters_one_by_one) {
    struct mqtt_filter wrong[] = {{.text = BYTES_LITERAL("a#")}, {.text = BYTES_LITERAL("ok")}};
    struct mqtt_subscribe subscribe = {.version = MQTT_3_1_1, .packet_id = 1, .filter_count = 2};
    mqtt_encode_subscribe(packet_begin(&packet), MQTT_SUBSCRIBE, &subscribe, wrong);
    packet_end(&packet, MQTT_SUBSCRIBE);
    ck_assert_int_eq(decode(packet.body, MQTT_3_1_1), MQTT_OK); // each gets a code of its own
    struct bytes left = got.filters;
    struct mqtt_filter filter;
    ck_assert(mqtt_subscribe_next(&got, &left, &filter) && !filter.is_valid);
    ck_assert(mqtt_subscribe_next(&got, &left, &filter) && filter.is_valid);
}
END_TEST

START_TEST(mqtt_unsubscribe_has_no_options) {
    struct mqtt_subscribe unsubscribe = three(MQTT_3_1_1);
    mqtt_encode_subscribe(packet_begin(&packet), MQTT_UNSUBSCRIBE, &unsubscribe, filters);
    packet_end(&packet, MQTT_UNSUBSCRIBE);
    ck_assert_int_eq(mqtt_decode_unsubscribe(packet.body, MQTT_3_1_1, &got, &error), MQTT_OK);
    ck_assert_uint_eq(got.filter_count, 3);
    struct bytes left = got.filters;
    struct mqtt_filter filter;
    ck_assert(mqtt_subscribe_next(&got, &left, &filter));
    ck_assert(bytes_equal(filter.text, filters[0].text) && filter.qos == 0);
    ck_assert_int_eq(mqtt_decode_unsubscribe(BODY(0, 1), MQTT_3_1_1, &got, &error), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR); // [MQTT-3.10.3-2]
}
END_TEST

START_TEST(mqtt_suback_has_one_code_per_filter) {
    static const uint8_t codes[] = {0, 1, 2, 0x9e};
    struct mqtt_suback back;
    for (enum mqtt_version version = MQTT_3_1_1; version <= MQTT_5; version++) {
        struct mqtt_suback ack = {.version = (uint8_t)version,
                                  .packet_id = 5,
                                  .codes = bytes_of(codes, version == MQTT_5 ? 4 : 3)};
        mqtt_encode_suback(packet_begin(&packet), MQTT_SUBACK, &ack);
        packet_end(&packet, MQTT_SUBACK);
        ck_assert_int_eq(mqtt_decode_suback(packet.body, MQTT_SUBACK, version, &back, &error),
                         MQTT_OK);
        ck_assert(back.packet_id == 5 && bytes_equal(back.codes, ack.codes));
    }
    ck_assert_int_eq(mqtt_decode_suback(BODY(0, 5), MQTT_SUBACK, MQTT_3_1_1, &back, &error),
                     MQTT_BAD);
    ck_assert_int_eq(mqtt_decode_suback(BODY(0, 5), MQTT_UNSUBACK, MQTT_3_1_1, &back, &error),
                     MQTT_OK); // 3.1.1: no codes
    ck_assert_int_eq(mqtt_decode_suback(BODY(0, 5, 0), MQTT_UNSUBACK, MQTT_3_1_1, &back, &error),
                     MQTT_BAD);
    ck_assert_int_eq(mqtt_decode_suback(BODY(0, 5, 0), MQTT_UNSUBACK, MQTT_5, &back, &error),
                     MQTT_BAD); // [MQTT-3.11.3-1]
}
END_TEST

START_TEST(mqtt_unsuback_of_3_1_1_is_written_without_codes) {
    struct mqtt_suback ack = {.version = MQTT_3_1_1, .packet_id = 5, .codes = BODY(0, 0x11)}, back;
    mqtt_encode_suback(packet_begin(&packet), MQTT_UNSUBACK, &ack);
    packet_end(&packet, MQTT_UNSUBACK);
    ck_assert_uint_eq(packet.body.size, 2); // 3.11.3 of 3.1.1
    ck_assert_int_eq(mqtt_decode_suback(packet.body, MQTT_UNSUBACK, MQTT_3_1_1, &back, &error),
                     MQTT_OK);
}
END_TEST

START_TEST(mqtt_suback_says_only_what_its_table_allows) {
    struct mqtt_suback back;
    for (uint32_t code = 0; code < 256; code++) {
        struct bytes old = BODY(0, 5, (uint8_t)code), new = BODY(0, 5, 0, (uint8_t)code);
        bool old_may = code <= 2 || code == 0x80; // 3.1.1: [MQTT-3.9.3-2]
        bool may = old_may || code == 0x83 || code == 0x87 || code == 0x8f || code == 0x91 ||
                   code == 0x97 || code == 0x9e || code == 0xa1 || code == 0xa2;
        bool un_may = code == 0 || code == 0x11 || code == 0x80 || code == 0x83 || code == 0x87 ||
                      code == 0x8f || code == 0x91;
        ck_assert_int_eq(mqtt_decode_suback(old, MQTT_SUBACK, MQTT_3_1_1, &back, &error),
                         old_may ? MQTT_OK : MQTT_BAD);
        ck_assert_int_eq(mqtt_decode_suback(new, MQTT_SUBACK, MQTT_5, &back, &error),
                         may ? MQTT_OK : MQTT_BAD); // [MQTT-3.9.3-2]
        ck_assert_int_eq(mqtt_decode_suback(new, MQTT_UNSUBACK, MQTT_5, &back, &error),
                         un_may ? MQTT_OK : MQTT_BAD); // [MQTT-3.11.3-2]
        ck_assert(un_may || error.reason == MQTT_PROTOCOL_ERROR);
    }
}
END_TEST

START_TEST(mqtt_subscribe_filters_are_utf8) {
    ck_assert_int_eq(decode(BODY(0, 1, 0, 0, 1, 0xff, 0), MQTT_5), MQTT_BAD); // [MQTT-3.8.3-1]
    ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
    ck_assert_int_eq(decode(BODY(0, 1, 0, 0, 1, 0, 0), MQTT_5), MQTT_BAD); // [MQTT-4.7.3-2]
    ck_assert_int_eq(mqtt_decode_unsubscribe(BODY(0, 1, 0, 1, 0xff), MQTT_3_1_1, &got, &error),
                     MQTT_BAD); // [MQTT-3.10.3-1]
    ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
}
END_TEST

UNIT_MAIN("gateway/wire/mqtt_subscribe", mqtt_unsuback_of_3_1_1_is_written_without_codes,
          mqtt_suback_says_only_what_its_table_allows, mqtt_subscribe_filters_are_utf8,
          mqtt_subscribe_comes_back_filter_by_filter,
          mqtt_subscribe_cut_anywhere_but_between_filters_is_bad,
          mqtt_subscribe_needs_a_filter_and_a_packet_id,
          mqtt_subscribe_options_are_checked_bit_by_bit,
          mqtt_subscribe_no_local_on_a_shared_one_is_a_protocol_error,
          mqtt_subscribe_tells_invalid_filters_one_by_one, mqtt_unsubscribe_has_no_options,
          mqtt_suback_has_one_code_per_filter)
