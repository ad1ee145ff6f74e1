// Goal: CONNECT, CONNACK, DISCONNECT and AUTH of both versions, what is wrong in them by reason
// code. Method: encode and decode; each flag that is forbidden; every prefix.
#include "gateway/wire/mqtt_connect.h"
#include "tests/unit/gateway/wire/mqtt_packet.h"

static struct packet packet;
static struct mqtt_connect got;
static struct mqtt_error error;

static struct mqtt_connect full(enum mqtt_version version) {
    struct mqtt_connect connect = {.version = (uint8_t)version,
                                   .is_clean = true,
                                   .has_will = true,
                                   .has_user_name = true,
                                   .has_password = true,
                                   .keep_alive_s = 60,
                                   .client_id = BYTES_LITERAL("phone-7"),
                                   .user_name = BYTES_LITERAL("anna"),
                                   .password = BYTES_LITERAL("\x00\xffsecret")};
    connect.will = (struct mqtt_will){.topic = BYTES_LITERAL("room/lobby"),
                                      .payload = BYTES_LITERAL("gone"),
                                      .qos = 2,
                                      .is_retained = true};
    if (version == MQTT_5) {
        MQTT_PROPERTIES_SET(&connect.properties, session_expiry_s, 3600);
        MQTT_PROPERTIES_SET(&connect.properties, receive_max, 10);
        MQTT_PROPERTIES_SET(&connect.will.properties, will_delay_s, 5);
    }
    return connect;
}

static void write_connect(const struct mqtt_connect *connect) {
    mqtt_encode_connect(packet_begin(&packet), connect);
    packet_end(&packet, MQTT_CONNECT);
}

static enum mqtt_status decode(struct bytes body) {
    error = (struct mqtt_error){0};
    return mqtt_decode_connect(body, &got, &error);
}

START_TEST(mqtt_connect_comes_back_whole_in_both_versions) {
    for (enum mqtt_version version = MQTT_3_1_1; version <= MQTT_5; version++) {
        struct mqtt_connect connect = full(version);
        write_connect(&connect);
        ck_assert_int_eq(decode(packet.body), MQTT_OK);
        ck_assert_uint_eq(got.version, version);
        ck_assert(got.is_clean && got.has_will && got.has_user_name && got.has_password);
        ck_assert_uint_eq(got.keep_alive_s, 60);
        ck_assert(bytes_equal(got.client_id, connect.client_id));
        ck_assert(bytes_equal(got.user_name, connect.user_name));
        ck_assert(bytes_equal(got.password, connect.password));
        ck_assert(bytes_equal(got.will.topic, connect.will.topic));
        ck_assert(bytes_equal(got.will.payload, connect.will.payload));
        ck_assert(got.will.qos == 2 && got.will.is_retained);
        ck_assert_uint_eq(got.properties.session_expiry_s, version == MQTT_5 ? 3600 : 0);
        ck_assert_uint_eq(got.will.properties.will_delay_s, version == MQTT_5 ? 5 : 0);
        for (size_t cut = 0; cut < packet.body.size; cut++)
            ck_assert_int_eq(decode(bytes_of(packet.body.data, cut)), MQTT_BAD);
        ck_assert_int_eq(decode(bytes_of(packet.body.data, packet.body.size + 1)), MQTT_BAD);
        if (version == MQTT_5)
            break;
    }
}
END_TEST

START_TEST(mqtt_connect_of_another_protocol_is_told_apart) {
    ck_assert_int_eq(decode(BODY(0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 2, 0, 0, 0, 1, 'x')),
                     MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_UNSUPPORTED_PROTOCOL_VERSION); // [MQTT-3.1.2-2]
    ck_assert_uint_eq(got.version_byte, 3);
    ck_assert_int_eq(decode(BODY(0, 4, 'M', 'Q', 'T', 'T', 6, 2, 0, 0, 0, 1, 'x')), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_UNSUPPORTED_PROTOCOL_VERSION);
    ck_assert_int_eq(decode(BODY(0, 4, 'm', 'q', 't', 't', 4, 2, 0, 0, 0, 1, 'x')), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_UNSUPPORTED_PROTOCOL_VERSION); // [MQTT-3.1.2-1]
}
END_TEST

static enum mqtt_reason with_flags(uint8_t version, uint8_t flags) {
    const uint8_t body[] = {0, 4, 'M', 'Q', 'T', 'T', version, flags, 0, 0, 0, 1, 'x', 0, 0, 0, 0};
    struct bytes view = bytes_of(body, sizeof(body));
    return decode(view) == MQTT_OK ? MQTT_SUCCESS : error.reason;
}

START_TEST(mqtt_connect_flags_that_say_nothing_sensible_are_malformed) {
    for (uint8_t version = MQTT_3_1_1; version <= MQTT_5; version++) { // numbers: 5.0, (3.1.1)
        ck_assert_uint_eq(with_flags(version, 0x03), MQTT_MALFORMED_PACKET); // [MQTT-3.1.2-3]
        ck_assert_uint_eq(with_flags(version, 0x0a), MQTT_MALFORMED_PACKET); // -11 (-13)
        ck_assert_uint_eq(with_flags(version, 0x22), MQTT_MALFORMED_PACKET); // -13 (-15)
        ck_assert_uint_eq(with_flags(version, 0x1e), MQTT_MALFORMED_PACKET); // -12 (-14)
    }
    ck_assert_uint_eq(with_flags(4, 0x42), MQTT_MALFORMED_PACKET); // 3.1.1: [MQTT-3.1.2-22]
    ck_assert(error.cause != NULL && strstr(error.cause, "password") != NULL);
}
END_TEST

// What is left of the body behind client id "x".
static enum mqtt_reason with_payload(uint8_t version, uint8_t flags, struct bytes behind) {
    uint8_t body[64];
    struct writer w = writer_on(body, sizeof(body));
    mqtt_put_binary(&w, BYTES_LITERAL("MQTT"));
    writer_put_byte(&w, version);
    writer_put_byte(&w, flags);
    mqtt_put_u16(&w, 0);
    if (version == MQTT_5)
        writer_put_byte(&w, 0);
    mqtt_put_binary(&w, BYTES_LITERAL("x"));
    writer_put(&w, behind);
    return decode(writer_bytes(&w)) == MQTT_OK ? MQTT_SUCCESS : error.reason;
}

// [MQTT-3.1.2-9], [MQTT-3.1.2-16] to [MQTT-3.1.2-19], [MQTT-3.1.3-1]; 3.1.1: [MQTT-3.1.2-9],
// [MQTT-3.1.2-11], [MQTT-3.1.2-18] to [MQTT-3.1.2-21].
START_TEST(mqtt_connect_has_exactly_the_fields_its_flags_announce) {
    for (uint8_t version = MQTT_3_1_1; version <= MQTT_5; version++) {
        ck_assert_uint_eq(with_payload(version, 0x02, BODY(0, 1, 'u')), MQTT_MALFORMED_PACKET);
        ck_assert_uint_eq(with_payload(version, 0x82, BODY(0, 1, 'u')), MQTT_SUCCESS);
        ck_assert_uint_eq(with_payload(version, 0x82, (struct bytes){0}), MQTT_MALFORMED_PACKET);
        ck_assert_uint_eq(with_payload(version, 0x82, BODY(0, 1, 'u', 0, 1, 'p')),
                          MQTT_MALFORMED_PACKET);
        ck_assert_uint_eq(with_payload(version, 0xc2, BODY(0, 1, 'u', 0, 1, 'p')), MQTT_SUCCESS);
        ck_assert_uint_eq(with_payload(version, 0xc2, BODY(0, 1, 'u')), MQTT_MALFORMED_PACKET);
        ck_assert_uint_eq(with_payload(version, 0x06, (struct bytes){0}), MQTT_MALFORMED_PACKET);
        ck_assert_uint_eq(with_payload(version, 0x06, BODY(0, 0, 1, 't')), MQTT_MALFORMED_PACKET);
    }
    ck_assert_uint_eq(with_payload(MQTT_3_1_1, 0x06, BODY(0, 1, 't', 0, 0)), MQTT_SUCCESS);
    ck_assert_uint_eq(with_payload(MQTT_5, 0x06, BODY(0, 0, 1, 't', 0, 0)), MQTT_SUCCESS);
}
END_TEST

// [MQTT-3.1.3-4], [MQTT-3.1.3-11], [MQTT-3.1.3-12]; 3.1.1: [MQTT-3.1.3-4], [MQTT-3.1.3-10],
// [MQTT-3.1.3-11]. A password and a will's payload may be any bytes.
START_TEST(mqtt_connect_strings_are_utf8) {
    for (enum mqtt_version version = MQTT_3_1_1; version <= MQTT_5; version++) {
        struct mqtt_connect connect = full(version);
        struct bytes *fields[] = {&connect.client_id, &connect.will.topic, &connect.user_name};
        for (size_t i = 0; i < 3; i++) {
            struct bytes right = *fields[i];
            *fields[i] = BYTES_LITERAL("a\xff");
            write_connect(&connect);
            ck_assert_int_eq(decode(packet.body), MQTT_BAD);
            ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET);
            *fields[i] = right;
        }
        connect.will.payload = BYTES_LITERAL("\xff\x00\xfe");
        write_connect(&connect);
        ck_assert_int_eq(decode(packet.body), MQTT_OK);
    }
}
END_TEST

START_TEST(mqtt_connect_refuses_a_wildcard_in_a_wills_response_topic) {
    struct mqtt_connect connect = full(MQTT_5);
    MQTT_PROPERTIES_SET(&connect.will.properties, response_topic, BYTES_LITERAL("a/+"));
    write_connect(&connect);
    ck_assert_int_eq(decode(packet.body), MQTT_BAD); // [MQTT-3.3.2-14]
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR);
}
END_TEST

START_TEST(mqtt_connect_5_may_have_a_password_alone) {
    struct mqtt_connect connect = {
        .version = MQTT_5, .has_password = true, .password = BYTES_LITERAL("token")};
    write_connect(&connect);
    ck_assert_int_eq(decode(packet.body), MQTT_OK);
    ck_assert(bytes_equal_string(got.password, "token") && !got.has_user_name);
}
END_TEST

START_TEST(mqtt_connect_refuses_a_will_to_no_topic_name) {
    struct mqtt_connect connect = full(MQTT_5);
    connect.will.topic = BYTES_LITERAL("room/#");
    write_connect(&connect);
    ck_assert_int_eq(decode(packet.body), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_TOPIC_NAME_INVALID);
}
END_TEST

START_TEST(mqtt_connect_refuses_authentication_data_without_a_method) {
    struct mqtt_connect connect = {.version = MQTT_5};
    MQTT_PROPERTIES_SET(&connect.properties, auth_data, BYTES_LITERAL("x"));
    write_connect(&connect);
    ck_assert_int_eq(decode(packet.body), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR);
    MQTT_PROPERTIES_SET(&connect.properties, auth_method, BYTES_LITERAL("SCRAM"));
    write_connect(&connect);
    ck_assert_int_eq(decode(packet.body), MQTT_OK);
}
END_TEST

START_TEST(mqtt_connack_comes_back_in_both_versions) {
    for (enum mqtt_version version = MQTT_3_1_1; version <= MQTT_5; version++) {
        struct mqtt_connack ack = {.version = (uint8_t)version, .is_session_present = true}, back;
        if (version == MQTT_5)
            MQTT_PROPERTIES_SET(&ack.properties, assigned_client_id, BYTES_LITERAL("auto-1"));
        mqtt_encode_connack(packet_begin(&packet), &ack);
        packet_end(&packet, MQTT_CONNACK);
        ck_assert_int_eq(mqtt_decode_connack(packet.body, version, &back, &error), MQTT_OK);
        ck_assert(back.is_session_present && back.code == 0);
        ck_assert(version != MQTT_5 ||
                  bytes_equal_string(back.properties.assigned_client_id, "auto-1"));
        for (size_t cut = 0; cut < packet.body.size; cut++)
            ck_assert_int_eq(
                mqtt_decode_connack(bytes_of(packet.body.data, cut), version, &back, &error),
                MQTT_BAD);
    }
}
END_TEST

START_TEST(mqtt_connack_refuses_reserved_flags_and_a_session_with_a_refusal) {
    struct mqtt_connack back;
    ck_assert_int_eq(mqtt_decode_connack(BODY(2, 0), MQTT_3_1_1, &back, &error), MQTT_BAD);
    ck_assert_int_eq(mqtt_decode_connack(BODY(0x80, 0, 0), MQTT_5, &back, &error), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_MALFORMED_PACKET); // [MQTT-3.2.2-1] of 5.0
    ck_assert_int_eq(mqtt_decode_connack(BODY(1, 5), MQTT_3_1_1, &back, &error), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR); // [MQTT-3.2.2-6]; 3.1.1: -4
    ck_assert_int_eq(mqtt_decode_connack(BODY(0, 5), MQTT_3_1_1, &back, &error), MQTT_OK);
}
END_TEST

static uint32_t is_one_of(uint32_t code, const uint8_t *codes) { // up to 0xff
    for (; *codes != 0xff; codes++)
        if (*codes == code)
            return 1;
    return 0;
}

START_TEST(mqtt_connack_says_only_what_its_table_allows) {
    static const uint8_t allowed[] = {0,    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86,
                                      0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
                                      0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f, 0xff};
    struct mqtt_connack back;
    for (uint32_t code = 0; code < 256; code++) { // [MQTT-3.2.2-8]
        enum mqtt_status status =
            mqtt_decode_connack(BODY(0, (uint8_t)code, 0), MQTT_5, &back, &error);
        ck_assert_int_eq(status, is_one_of(code, allowed) ? MQTT_OK : MQTT_BAD);
        status = mqtt_decode_connack(BODY(0, (uint8_t)code), MQTT_3_1_1, &back, &error);
        ck_assert_int_eq(status, code <= 5 ? MQTT_OK : MQTT_BAD);
    }
}
END_TEST

START_TEST(mqtt_disconnect_and_auth_say_only_what_their_tables_allow) {
    static const uint8_t allowed[] = {0,    4,    0x80, 0x81, 0x82, 0x83, 0x87, 0x89,
                                      0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94,
                                      0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c,
                                      0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2, 0xff};
    struct mqtt_farewell back;
    for (uint32_t code = 0; code < 256; code++) {
        enum mqtt_status status =
            mqtt_decode_disconnect(BODY((uint8_t)code), MQTT_5, &back, &error);
        ck_assert_int_eq(status, is_one_of(code, allowed) ? MQTT_OK : MQTT_BAD); // [MQTT-3.14.2-1]
        status = mqtt_decode_auth(BODY((uint8_t)code), &back, &error);
        bool may = code == 0 || code == 0x18 || code == 0x19; // [MQTT-3.15.2-1]
        ck_assert_int_eq(status, may ? MQTT_OK : MQTT_BAD);
        ck_assert(may || error.reason == MQTT_PROTOCOL_ERROR);
    }
}
END_TEST

START_TEST(mqtt_connack_codes_of_3_1_1_are_those_of_its_table) {
    ck_assert_uint_eq(mqtt_connack_code_3_1_1(MQTT_SUCCESS), 0);
    ck_assert_uint_eq(mqtt_connack_code_3_1_1(MQTT_UNSUPPORTED_PROTOCOL_VERSION), 1);
    ck_assert_uint_eq(mqtt_connack_code_3_1_1(MQTT_CLIENT_ID_NOT_VALID), 2);
    ck_assert_uint_eq(mqtt_connack_code_3_1_1(MQTT_SERVER_BUSY), 3);
    ck_assert_uint_eq(mqtt_connack_code_3_1_1(MQTT_BAD_USER_NAME_OR_PASSWORD), 4);
    ck_assert_uint_eq(mqtt_connack_code_3_1_1(MQTT_NOT_AUTHORIZED), 5);
}
END_TEST

START_TEST(mqtt_disconnect_leaves_out_what_says_nothing) {
    struct mqtt_farewell farewell = {0}, back;
    mqtt_encode_farewell(packet_begin(&packet), MQTT_DISCONNECT, MQTT_5, &farewell);
    packet_end(&packet, MQTT_DISCONNECT);
    ck_assert_uint_eq(packet.body.size, 0);
    farewell.reason = MQTT_SESSION_TAKEN_OVER;
    mqtt_encode_farewell(packet_begin(&packet), MQTT_DISCONNECT, MQTT_5, &farewell);
    packet_end(&packet, MQTT_DISCONNECT);
    ck_assert_uint_eq(packet.body.size, 1);
    MQTT_PROPERTIES_SET(&farewell.properties, reason_string, BYTES_LITERAL("elsewhere"));
    mqtt_encode_farewell(packet_begin(&packet), MQTT_DISCONNECT, MQTT_5, &farewell);
    packet_end(&packet, MQTT_DISCONNECT);
    ck_assert_int_eq(mqtt_decode_disconnect(packet.body, MQTT_5, &back, &error), MQTT_OK);
    ck_assert_uint_eq(back.reason, MQTT_SESSION_TAKEN_OVER);
    ck_assert(bytes_equal_string(back.properties.reason_string, "elsewhere"));
    mqtt_encode_farewell(packet_begin(&packet), MQTT_DISCONNECT, MQTT_3_1_1, &farewell);
    packet_end(&packet, MQTT_DISCONNECT);
    ck_assert_uint_eq(packet.body.size, 0); // 3.1.1 has no body
    ck_assert_int_eq(mqtt_decode_disconnect(BODY(0), MQTT_3_1_1, &back, &error), MQTT_BAD);
}
END_TEST

START_TEST(mqtt_auth_carries_its_method) {
    struct mqtt_farewell auth = {.reason = MQTT_CONTINUE_AUTHENTICATION}, back;
    MQTT_PROPERTIES_SET(&auth.properties, auth_method, BYTES_LITERAL("SCRAM"));
    mqtt_encode_farewell(packet_begin(&packet), MQTT_AUTH, MQTT_5, &auth);
    packet_end(&packet, MQTT_AUTH);
    ck_assert_int_eq(mqtt_decode_auth(packet.body, &back, &error), MQTT_OK);
    ck_assert_uint_eq(back.reason, MQTT_CONTINUE_AUTHENTICATION);
    ck_assert(bytes_equal_string(back.properties.auth_method, "SCRAM"));
}
END_TEST

UNIT_MAIN("gateway/wire/mqtt_connect", mqtt_connect_comes_back_whole_in_both_versions,
          mqtt_connect_of_another_protocol_is_told_apart,
          mqtt_connect_flags_that_say_nothing_sensible_are_malformed,
          mqtt_connect_has_exactly_the_fields_its_flags_announce, mqtt_connect_strings_are_utf8,
          mqtt_connect_refuses_a_wildcard_in_a_wills_response_topic,
          mqtt_connack_says_only_what_its_table_allows,
          mqtt_disconnect_and_auth_say_only_what_their_tables_allow,
          mqtt_connect_5_may_have_a_password_alone, mqtt_connect_refuses_a_will_to_no_topic_name,
          mqtt_connect_refuses_authentication_data_without_a_method,
          mqtt_connack_comes_back_in_both_versions,
          mqtt_connack_refuses_reserved_flags_and_a_session_with_a_refusal,
          mqtt_connack_codes_of_3_1_1_are_those_of_its_table,
          mqtt_disconnect_leaves_out_what_says_nothing, mqtt_auth_carries_its_method)
