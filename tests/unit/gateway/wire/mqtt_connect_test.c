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
    ck_assert_uint_eq(error.reason, MQTT_UNSUPPORTED_PROTOCOL_VERSION); // MQTT-3.1.2-2
    ck_assert_uint_eq(got.version_byte, 3);
    ck_assert_int_eq(decode(BODY(0, 4, 'M', 'Q', 'T', 'T', 6, 2, 0, 0, 0, 1, 'x')), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_UNSUPPORTED_PROTOCOL_VERSION);
    ck_assert_int_eq(decode(BODY(0, 4, 'm', 'q', 't', 't', 4, 2, 0, 0, 0, 1, 'x')), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_UNSUPPORTED_PROTOCOL_VERSION); // MQTT-3.1.2-1
}
END_TEST

static enum mqtt_reason with_flags(uint8_t version, uint8_t flags) {
    const uint8_t body[] = {0, 4, 'M', 'Q', 'T', 'T', version, flags, 0, 0, 0, 1, 'x', 0, 0, 0, 0};
    struct bytes view = bytes_of(body, sizeof(body));
    return decode(view) == MQTT_OK ? MQTT_SUCCESS : error.reason;
}

START_TEST(mqtt_connect_flags_that_say_nothing_sensible_are_malformed) {
    ck_assert_uint_eq(with_flags(4, 0x03), MQTT_MALFORMED_PACKET); // MQTT-3.1.2-3
    ck_assert_uint_eq(with_flags(4, 0x0a), MQTT_MALFORMED_PACKET); // MQTT-3.1.2-11
    ck_assert_uint_eq(with_flags(4, 0x22), MQTT_MALFORMED_PACKET); // MQTT-3.1.2-13
    ck_assert_uint_eq(with_flags(4, 0x1e), MQTT_MALFORMED_PACKET); // MQTT-3.1.2-12
    ck_assert_uint_eq(with_flags(4, 0x42), MQTT_MALFORMED_PACKET); // 3.1.1: MQTT-3.1.2-22
    ck_assert(error.cause != NULL && strstr(error.cause, "password") != NULL);
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
    ck_assert_int_eq(mqtt_decode_connack(BODY(1, 5), MQTT_3_1_1, &back, &error), MQTT_BAD);
    ck_assert_uint_eq(error.reason, MQTT_PROTOCOL_ERROR); // MQTT-3.2.2-6
    ck_assert_int_eq(mqtt_decode_connack(BODY(0, 5), MQTT_3_1_1, &back, &error), MQTT_OK);
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
          mqtt_connect_5_may_have_a_password_alone, mqtt_connect_refuses_a_will_to_no_topic_name,
          mqtt_connect_refuses_authentication_data_without_a_method,
          mqtt_connack_comes_back_in_both_versions,
          mqtt_connack_refuses_reserved_flags_and_a_session_with_a_refusal,
          mqtt_connack_codes_of_3_1_1_are_those_of_its_table,
          mqtt_disconnect_leaves_out_what_says_nothing, mqtt_auth_carries_its_method)
