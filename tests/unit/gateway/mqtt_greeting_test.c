// Goal: who may come in, with what, and what each is told. Method: the gateway over a stand-in for
// streams and for sessions; answers as hexadecimal digits, byte for byte.
#include "tests/unit/gateway/mqtt_conn_rig.h"

static uint8_t user_bytes[300];

static struct mqtt_connect connect_5(void) {
    return (struct mqtt_connect){
        .version = 5, .is_clean = true, .keep_alive_s = 20, .client_id = BYTES_LITERAL("c")};
}

// What the gateway answers to this CONNECT of a fresh connection.
static const char *answer_to(const struct mqtt_connect *connect) {
    uint32_t peer = rig_connect();
    rig_bytes(peer, mqtt_rig_connect_packet(connect));
    rig_turns(2);
    return mqtt_rig_heard(peer);
}

static const char *answer_to_bytes(struct bytes bytes) {
    uint32_t peer = rig_connect();
    rig_bytes(peer, bytes);
    rig_turns(2);
    ck_assert(!rig.peers[peer].is_open);
    return mqtt_rig_heard(peer);
}

// CONNACK without a session, this reason, any properties; and nothing was begun.
#define EXPECT_REFUSED(connect, reason)                                                            \
    do {                                                                                           \
        const char *refused_answer = answer_to(connect);                                           \
        ck_assert_msg(strncmp(refused_answer, "20", 2) == 0 &&                                     \
                          strncmp(refused_answer + 4, "00" reason, 4) == 0,                        \
                      "%s", refused_answer);                                                       \
        ck_assert_str_eq(standin_said(), "");                                                      \
    } while (0)

#define EXPECT_ACCEPTED(connect, said)                                                             \
    do {                                                                                           \
        const char *accepted_answer = answer_to(connect);                                          \
        ck_assert_msg(strncmp(accepted_answer + 4, "0000", 4) == 0, "%s", accepted_answer);        \
        ck_assert_str_eq(standin_said(), said);                                                    \
    } while (0)

// --- versions ------------------------------------------------------------------------------------

START_TEST(a_version_not_spoken_here_is_told_in_its_form_mqtt_3_1_2_2) {
    static const uint8_t isdp[] = {0x10, 15, 0, 6, 'M', 'Q', 'I', 's', 'd',
                                   'p',  3,  2, 0, 0,   0,   1,   'c'};
    static const uint8_t six[] = {0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 6, 2, 0, 0, 0, 0, 1, 'c'};
    static const uint8_t three[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 3, 2, 0, 0, 0, 1, 'c'};
    mqtt_rig_open();
    ck_assert_str_eq(answer_to_bytes(bytes_of(isdp, sizeof(isdp))), "20020001");
    ck_assert_str_eq(answer_to_bytes(bytes_of(three, sizeof(three))), "20020001");
    ck_assert_int_eq(strncmp(answer_to_bytes(bytes_of(six, sizeof(six))) + 4, "0084", 4), 0);
    ck_assert_uint_eq(RIG_COUNT(MQTT_REFUSED_VERSION), 3);
    mqtt_rig_close();
}
END_TEST

START_TEST(a_malformed_connect_is_told_in_5_0_alone_mqtt_3_1_4_1) {
    static const uint8_t flag_5[] = {0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 3, 0, 0, 0, 0, 1, 'c'};
    static const uint8_t flag_4[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 3, 0, 0, 0, 1, 'c'};
    mqtt_rig_open();
    ck_assert_int_eq(strncmp(answer_to_bytes(bytes_of(flag_5, sizeof(flag_5))) + 4, "0081", 4), 0);
    ck_assert_str_eq(answer_to_bytes(bytes_of(flag_4, sizeof(flag_4))), "");
    ck_assert_uint_eq(RIG_COUNT(MQTT_MALFORMED), 2);
    mqtt_rig_close();
}
END_TEST

START_TEST(a_connect_too_large_is_refused_from_its_header) {
    static const uint8_t large[] = {0x10, 0xff, 0xff, 3, 0, 4, 'M', 'Q', 'T', 'T', 5};
    mqtt_rig_open();
    ck_assert_int_eq(strncmp(answer_to_bytes(bytes_of(large, sizeof(large))) + 4, "0095", 4), 0);
    ck_assert_str_eq(answer_to_bytes(bytes_of(large, 4)), "");
    mqtt_rig_close();
}
END_TEST

// --- who -----------------------------------------------------------------------------------------

START_TEST(no_client_id_gets_one_where_it_may_mqtt_3_1_3_6) {
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    connect.client_id = (struct bytes){0};
    ck_assert_ptr_nonnull(strstr(answer_to(&connect), "1200096d6164652d68657265")); // [3.2.2-16]
    ck_assert_str_eq(standin_said(), "start made-here user made-here expiry 0 alive 20; resume; ");
    connect.version = 4;
    EXPECT_ACCEPTED(&connect, "start made-here user made-here expiry 0 alive 20; resume; ");
    connect.is_clean = false; // 3.1.1: [MQTT-3.1.3-8]
    EXPECT_REFUSED(&connect, "02");
    mqtt_rig_close();
}
END_TEST

START_TEST(a_client_id_of_255_bytes_is_taken_and_one_of_256_is_not) {
    mqtt_rig_open();
    memset(user_bytes, 'i', sizeof(user_bytes));
    struct mqtt_connect connect = connect_5();
    connect.client_id = bytes_of(user_bytes, 254);
    ck_assert_int_eq(strncmp(answer_to(&connect) + 4, "0000", 4), 0);
    connect.client_id.size = 255;
    ck_assert_int_eq(strncmp(answer_to(&connect) + 4, "0000", 4), 0);
    (void)standin_said();
    connect.client_id.size = 256;
    EXPECT_REFUSED(&connect, "85");
    connect.client_id = BYTES_LITERAL("a\nb");
    EXPECT_REFUSED(&connect, "85");
    mqtt_rig_close();
}
END_TEST

START_TEST(the_user_is_the_name_or_the_client_id_cut_at_a_character) {
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    connect.has_user_name = true;
    connect.user_name = BYTES_LITERAL("ada");
    EXPECT_ACCEPTED(&connect, "start c user ada expiry 0 alive 20; resume; ");
    connect.user_name = (struct bytes){0}; // an empty one is none
    EXPECT_ACCEPTED(&connect, "start c user c expiry 0 alive 20; resume; ");
    memset(user_bytes, 'i', 62);
    memcpy(user_bytes + 62, "€€", 6);
    connect.client_id = bytes_of(user_bytes, 68);
    (void)answer_to(&connect);
    char expected[400];
    snprintf(expected, sizeof(expected), "start %.68s user %.62s expiry 0 alive 20; resume; ",
             (const char *)user_bytes, (const char *)user_bytes);
    ck_assert_str_eq(standin_said(), expected);
    mqtt_rig_close();
}
END_TEST

START_TEST(a_user_name_of_64_bytes_is_taken_and_one_of_65_is_0x86) {
    mqtt_rig_open();
    memset(user_bytes, 'u', sizeof(user_bytes));
    struct mqtt_connect connect = connect_5();
    connect.has_user_name = true;
    for (size_t size = 63; size <= 64; size++) {
        connect.user_name = bytes_of(user_bytes, size);
        ck_assert_int_eq(strncmp(answer_to(&connect) + 4, "0000", 4), 0);
    }
    (void)standin_said();
    connect.user_name = bytes_of(user_bytes, 65);
    EXPECT_REFUSED(&connect, "86");
    connect.user_name = BYTES_LITERAL("a\tb");
    EXPECT_REFUSED(&connect, "86");
    connect.version = 4;
    EXPECT_REFUSED(&connect, "04");
    ck_assert_uint_eq(RIG_COUNT(MQTT_REFUSED_IDENTITY), 3);
    mqtt_rig_close();
}
END_TEST

START_TEST(an_authentication_method_is_0x8c_mqtt_4_12_0_1) {
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    MQTT_PROPERTIES_SET(&connect.properties, auth_method, BYTES_LITERAL("SCRAM-SHA-1"));
    EXPECT_REFUSED(&connect, "8c");
    mqtt_rig_close();
}
END_TEST

START_TEST(a_will_must_go_where_a_publish_may_go) {
    static const char *const bad[] = {"a/#", "+", "$SYS/x", "$other", "room/", "room/a/b"};
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    connect.has_will = true;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        connect.will.topic = bytes_from_string(bad[i]);
        const char *answer = answer_to(&connect);
        ck_assert_msg(strncmp(answer + 4, "0090", 4) == 0, "%s: %s", bad[i], answer);
    }
    connect.will.topic = BYTES_LITERAL("room/a");
    EXPECT_ACCEPTED(&connect, "start c user c expiry 0 alive 20; resume; ");
    mqtt_rig_close();
}
END_TEST

// --- with what -----------------------------------------------------------------------------------

START_TEST(connack_tells_what_differs_from_what_is_taken_for_granted) {
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    // receive maximum 1000, topic alias maximum 16, maximum packet size 65536
    ck_assert_str_eq(answer_to(&connect), "200e00000b2103e82200102700010000");
    rig.config.mqtt_receive_max = 65535;
    rig.config.mqtt_topic_alias_max = 0;
    ck_assert_str_eq(answer_to(&connect), "20080000052700010000");
    connect.version = 4;
    ck_assert_str_eq(answer_to(&connect), "20020000");
    standin.is_present = true;
    ck_assert_str_eq(answer_to(&connect), "20020100");
    mqtt_rig_close();
}
END_TEST

START_TEST(keep_alive_beyond_ours_or_none_is_given_ours_mqtt_3_2_2_21) {
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    connect.keep_alive_s = 3600;
    ck_assert_ptr_null(strstr(answer_to(&connect), "130e10"));
    connect.keep_alive_s = 3601;
    ck_assert_ptr_nonnull(strstr(answer_to(&connect), "130e10"));
    connect.keep_alive_s = 0;
    ck_assert_ptr_nonnull(strstr(answer_to(&connect), "130e10"));
    (void)standin_said();
    connect.version = 4; // it cannot be told
    connect.keep_alive_s = 3601;
    EXPECT_ACCEPTED(&connect, "start c user c expiry 0 alive 3601; resume; ");
    mqtt_rig_close();
}
END_TEST

START_TEST(expiry_beyond_ours_is_granted_ours_and_told) {
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    MQTT_PROPERTIES_SET(&connect.properties, session_expiry_s, 86400);
    ck_assert_ptr_null(strstr(answer_to(&connect), "1100015180"));
    connect.properties.session_expiry_s = 86401;
    ck_assert_ptr_nonnull(strstr(answer_to(&connect), "1100015180"));
    connect.properties.session_expiry_s = UINT32_MAX;
    (void)standin_said();
    EXPECT_ACCEPTED(&connect, "start c user c expiry 86400 alive 20; resume; ");
    connect = (struct mqtt_connect){.version = 4, .client_id = BYTES_LITERAL("c")};
    EXPECT_ACCEPTED(&connect, "start c user c expiry 86400 alive 0; resume; ");
    mqtt_rig_close();
}
END_TEST

START_TEST(connack_is_never_larger_than_the_client_takes_mqtt_3_1_2_24) {
    mqtt_rig_open();
    struct mqtt_connect connect = connect_5();
    MQTT_PROPERTIES_SET(&connect.properties, packet_bytes_max, 16);
    EXPECT_ACCEPTED(&connect, "start c user c expiry 0 alive 20; resume; ");
    connect.properties.packet_bytes_max = 15;
    ck_assert_str_eq(answer_to(&connect), "2003009500");
    connect.properties.packet_bytes_max = 16;
    connect.has_will = true;
    connect.will.topic = BYTES_LITERAL("#");
    ck_assert_str_eq(answer_to(&connect), "2003009000");
    mqtt_rig_close();
}
END_TEST

// --- who is full ---------------------------------------------------------------------------------

static uint32_t connect_over_limit(uint8_t version) {
    uint32_t peer = rig_connect_as(STREAM_ACCEPTED_OVER_LIMIT, NULL);
    struct mqtt_connect connect = connect_5();
    connect.version = version;
    struct bytes packet = mqtt_rig_connect_packet(&connect);
    for (size_t i = 0; i < packet.size; i++)
        rig_bytes(peer, bytes_of(packet.data + i, 1));
    rig_turns(2);
    ck_assert(!rig.peers[peer].is_open);
    return peer;
}

START_TEST(beyond_the_limit_or_draining_is_told_in_connack) {
    mqtt_rig_open();
    ck_assert_int_eq(strncmp(mqtt_rig_heard(connect_over_limit(5)) + 4, "0089", 4), 0);
    ck_assert_str_eq(mqtt_rig_heard(connect_over_limit(4)), "20020003");
    standin.refusal = MQTT_QUOTA_EXCEEDED;
    struct mqtt_connect connect = connect_5();
    EXPECT_REFUSED(&connect, "97");
    standin.refusal = MQTT_SUCCESS;
    gateway_drain_begin(&rig.gateway, rig.now_ns + 60 * NS_PER_S);
    ck_assert_int_eq(strncmp(mqtt_rig_heard(connect_over_limit(5)) + 4, "0088", 4), 0);
    ck_assert_uint_eq(RIG_COUNT(MQTT_REFUSED_FULL), 4);
    ck_assert_str_eq(standin_said(), "");
    mqtt_rig_close();
}
END_TEST

// Its home is elsewhere and it cannot go (the rig's streams do not move): it is looked at again
// until its handshake is over.
START_TEST(who_cannot_go_home_now_tries_again_until_its_time_is_over) {
    mqtt_rig_open();
    rig.chat.config.core_count = 2;
    standin.home = 1;
    struct mqtt_connect connect = connect_5();
    connect.client_id = BYTES_LITERAL("@away");
    uint32_t peer = rig_connect();
    rig_bytes(peer, mqtt_rig_connect_packet(&connect));
    rig_wait_ms(5000);
    ck_assert(rig.peers[peer].is_open);
    ck_assert_str_eq(standin_said(), "");
    standin.home = 0;
    rig_wait_ms(200);
    ck_assert_str_eq(standin_said(), "start @away user @away expiry 0 alive 20; resume; ");
    standin.home = 1;
    peer = rig_connect();
    rig_bytes(peer, mqtt_rig_connect_packet(&connect));
    rig_wait_ms(12000);
    ck_assert(!rig.peers[peer].is_open);
    rig.chat.config.core_count = 1;
    mqtt_rig_close();
}
END_TEST

// --- the upgrade ---------------------------------------------------------------------------------

START_TEST(mqtt_over_websocket_needs_its_subprotocol_mqtt_6_0_0_3) {
    mqtt_rig_open();
    uint32_t peer = rig_connect();
    rig_string(peer, RIG_UPGRADE("/mqtt", ""));
    rig_turn();
    const char *answer = rig_answer(peer);
    ck_assert_ptr_nonnull(strstr(answer, "400"));
    ck_assert_ptr_nonnull(strstr(answer, "subprotocol mqtt is not offered"));
    peer = rig_connect();
    rig_string(peer, RIG_UPGRADE("/mqtt", "Sec-WebSocket-Protocol: mqttv3.1\r\n"));
    rig_turn();
    ck_assert_ptr_nonnull(strstr(rig_answer(peer), "400"));
    peer = rig_connect();
    rig_string(peer, RIG_UPGRADE("/mqtt", "Sec-WebSocket-Protocol: MQTT\r\n"));
    rig_turn();
    ck_assert_ptr_nonnull(strstr(rig_answer(peer), "400"));
    peer = rig_connect();
    rig_string(peer, RIG_UPGRADE("/mqtt", "Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n"));
    rig_turn();
    ck_assert_ptr_nonnull(strstr(rig_answer(peer), "Sec-WebSocket-Protocol: mqtt\r\n"));
    peer = rig_connect();
    rig_string(peer,
               RIG_UPGRADE("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\nOrigin: http://x.y\r\n"));
    rig_turn();
    ck_assert_ptr_nonnull(strstr(rig_answer(peer), "403"));
    mqtt_rig_close();
}
END_TEST

START_TEST(a_refusal_over_websocket_ends_with_a_close_frame) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_ws();
    struct mqtt_connect connect = {.version = 4};
    rig_frame(peer, WEBSOCKET_BINARY, mqtt_rig_connect_packet(&connect));
    rig_turn();
    const char *heard = mqtt_rig_heard(peer);
    ck_assert_int_eq(strncmp(heard, "820420020002", 12), 0);
    ck_assert_int_eq(strncmp(heard + 12, "88", 2), 0);
    ck_assert_int_eq(strncmp(heard + 16, "03f0", 4), 0); // 1008
    mqtt_rig_close();
}
END_TEST

START_TEST(a_listener_of_mqtt_alone_takes_nothing_else) {
    mqtt_rig_open();
    rig.config.listen_count = 1;
    rig.config.listen_mqtt_count = 1;
    rig_acceptor = 1;
    uint32_t peer = rig_connect();
    rig_string(peer, "G");
    rig_turns(2);
    ck_assert(!rig.peers[peer].is_open);
    RIG_EXPECT_NOTHING(peer);
    ck_assert_uint_eq(RIG_COUNT(REFUSED_PROTOCOL), 1);
    struct mqtt_connect connect = connect_5();
    EXPECT_ACCEPTED(&connect, "start c user c expiry 0 alive 20; resume; ");
    rig_acceptor = 0;
    peer = rig_connect();
    rig_string(peer, "G");
    rig_turns(2);
    ck_assert(rig.peers[peer].is_open);
    mqtt_rig_close();
}
END_TEST

UNIT_MAIN("gateway/mqtt_greeting", a_version_not_spoken_here_is_told_in_its_form_mqtt_3_1_2_2,
          a_malformed_connect_is_told_in_5_0_alone_mqtt_3_1_4_1,
          a_connect_too_large_is_refused_from_its_header,
          no_client_id_gets_one_where_it_may_mqtt_3_1_3_6,
          a_client_id_of_255_bytes_is_taken_and_one_of_256_is_not,
          the_user_is_the_name_or_the_client_id_cut_at_a_character,
          a_user_name_of_64_bytes_is_taken_and_one_of_65_is_0x86,
          an_authentication_method_is_0x8c_mqtt_4_12_0_1, a_will_must_go_where_a_publish_may_go,
          connack_tells_what_differs_from_what_is_taken_for_granted,
          keep_alive_beyond_ours_or_none_is_given_ours_mqtt_3_2_2_21,
          expiry_beyond_ours_is_granted_ours_and_told,
          connack_is_never_larger_than_the_client_takes_mqtt_3_1_2_24,
          beyond_the_limit_or_draining_is_told_in_connack,
          who_cannot_go_home_now_tries_again_until_its_time_is_over,
          mqtt_over_websocket_needs_its_subprotocol_mqtt_6_0_0_3,
          a_refusal_over_websocket_ends_with_a_close_frame,
          a_listener_of_mqtt_alone_takes_nothing_else)
