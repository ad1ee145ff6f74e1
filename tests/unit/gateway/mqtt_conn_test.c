// Goal: whatever way the bytes of MQTT come, the same packets are acted on, in order, and what must
// not come ends the connection with the reason that the specification names. Method: the gateway
// over a stand-in for streams and for sessions; TCP and WebSocket, both versions.
#include "tests/unit/gateway/mqtt_conn_rig.h"

#include "gateway/mqtt_conn.h"

static const uint8_t publish_a[] = {0x30, 6, 0, 1, 'a', 'x', 'y', 'z'};    // 3.1.1
static const uint8_t publish_5[] = {0x30, 7, 0, 1, 'a', 0, 'x', 'y', 'z'}; // 5.0
static const uint8_t ping[] = {0xc0, 0};

#define BYTES(array) bytes_of(array, sizeof(array))

// --- bytes to packets ----------------------------------------------------------------------------

START_TEST(packet_whole_in_the_read_is_acted_on_where_it_lies) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(4, false, "c");
    uint8_t *copy = malloc(sizeof(publish_a));
    memcpy(copy, publish_a, sizeof(publish_a));
    stream_port_data(&rig.gateway, peer, rig_slot(peer)->owner, copy, sizeof(publish_a));
    ck_assert_str_eq(standin_said(), "publish a 3; ");
    ck_assert_ptr_eq(standin.publish_data, copy + 5);
    ck_assert_uint_eq(mqtt_rig_conn(peer)->reader, SLAB_NONE);
    free(copy);
    mqtt_rig_close();
}
END_TEST

// Every way to cut three packets in two, and byte by byte.
START_TEST(packets_cut_anywhere_are_acted_on_once_and_in_order) {
    static const uint8_t three[] = {0x30, 6,    0, 1, 'a', 'x', 'y', 'z', 0xc0,
                                    0,    0x30, 5, 0, 1,   'b', 'x', 'y'};
    mqtt_rig_open();
    for (int is_ws = 0; is_ws <= 1; is_ws++) {
        uint32_t peer = mqtt_rig_client(4, is_ws, "c");
        for (size_t cut = 0; cut <= sizeof(three); cut++) {
            mqtt_rig_send(peer, is_ws, bytes_of(three, cut));
            mqtt_rig_send(peer, is_ws, bytes_skip(BYTES(three), cut));
            ck_assert_str_eq(standin_said(), "publish a 3; publish b 2; ");
            rig_turn();
            ck_assert_str_eq(mqtt_rig_heard(peer), is_ws ? "8202d000" : "d000");
            ck_assert_uint_eq(mqtt_rig_conn(peer)->reader, SLAB_NONE);
        }
        for (size_t i = 0; i < sizeof(three); i++)
            mqtt_rig_send(peer, is_ws, bytes_of(three + i, 1));
        ck_assert_str_eq(standin_said(), "publish a 3; publish b 2; ");
    }
    mqtt_rig_close();
}
END_TEST

START_TEST(connect_may_come_byte_by_byte_with_what_follows_it) {
    mqtt_rig_open();
    for (int is_ws = 0; is_ws <= 1; is_ws++) {
        uint32_t peer = is_ws ? mqtt_rig_ws() : rig_connect();
        uint8_t text[256];
        struct writer w = writer_on(text, sizeof(text));
        writer_put(&w, mqtt_rig_connect_packet(&(struct mqtt_connect){
                           .version = 5, .is_clean = true, .client_id = BYTES_LITERAL("slow")}));
        writer_put(&w, BYTES(publish_5));
        writer_put(&w, BYTES(ping));
        for (size_t i = 0; i < w.size; i++)
            mqtt_rig_send(peer, is_ws, bytes_of(text + i, 1));
        ck_assert_str_eq(standin_said(),
                         "start slow user slow expiry 0 alive 3600; resume; publish a 3; ");
        rig_turn();
        ck_assert_int_eq(conn_state(mqtt_rig_conn(peer)), CONN_OPEN);
    }
    ck_assert_uint_eq(RIG_COUNT(MQTT_CONNECTS), 2);
    mqtt_rig_close();
}
END_TEST

// Frames' borders mean nothing [MQTT-6.0.0-2]: a packet over several, several in one, fragments,
// an empty one, a ping in between.
START_TEST(packets_over_frames_mqtt_6_0_0_2) {
    static const uint8_t two[] = {0x30, 6, 0, 1, 'a', 'x', 'y', 'z', 0xc0, 0};
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(4, true, "c");
    rig_frame(peer, WEBSOCKET_BINARY, bytes_of(two, 3));
    rig_frame(peer, WEBSOCKET_BINARY, bytes_of(two, 0));
    rig_frame(peer, WEBSOCKET_PING, BYTES_LITERAL("hi"));
    rig_frame(peer, WEBSOCKET_BINARY, bytes_of(two + 3, 5));
    ck_assert_str_eq(standin_said(), "publish a 3; ");
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "8a026869");
    rig_frame(peer, WEBSOCKET_BINARY, BYTES(two));
    rig_turn();
    ck_assert_str_eq(standin_said(), "publish a 3; ");
    ck_assert_str_eq(mqtt_rig_heard(peer), "8202d000");
    mqtt_rig_close();
}
END_TEST

START_TEST(text_frame_closes_mqtt_6_0_0_1) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, true, "c");
    rig_text(peer, "0");
    ck_assert_str_eq(standin_said(), "end 82; ");
    rig_turn();
    const char *heard = mqtt_rig_heard(peer);
    ck_assert_ptr_nonnull(strstr(heard, "e0")); // DISCONNECT in a frame, then the close frame
    ck_assert_ptr_nonnull(strstr(heard, "03eb"));
    ck_assert(mqtt_rig_is_closed(peer));
    mqtt_rig_close();
}
END_TEST

START_TEST(close_frame_without_disconnect_publishes_the_will) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, true, "c");
    rig_frame(peer, WEBSOCKET_CLOSE, bytes_of((const uint8_t[]){3, 232}, 2));
    ck_assert_str_eq(standin_said(), "end 80; ");
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "880203e8");
    mqtt_rig_close();
}
END_TEST

// --- limits --------------------------------------------------------------------------------------

// A PUBLISH of QoS 0 whose packet has `size` bytes, of which `sent` are sent.
static void send_large(uint32_t peer, uint32_t size, size_t sent) {
    uint8_t *packet = calloc(1, size);
    uint32_t remaining = size - 4;
    packet[0] = 0x30;
    packet[1] = (uint8_t)(0x80 | (remaining & 0x7f));
    packet[2] = (uint8_t)(0x80 | (remaining >> 7 & 0x7f));
    packet[3] = (uint8_t)(remaining >> 14);
    packet[5] = 1;
    packet[6] = 'a';
    rig_bytes(peer, bytes_of(packet, sent < size ? sent : size));
    free(packet);
}

START_TEST(packet_beyond_message_bytes_max_is_0x95_from_its_header) {
    mqtt_rig_open();
    uint32_t max = rig.config.message_bytes_max;
    uint32_t peer = mqtt_rig_client(4, false, "c");
    send_large(peer, max - 1, max);
    send_large(peer, max, max);
    ck_assert_str_eq(standin_said(), "publish a 65528; publish a 65529; ");
    send_large(peer, max + 1, 4);
    ck_assert_str_eq(standin_said(), "end 95; ");
    ck_assert_uint_eq(RIG_COUNT(CLOSED_TOO_BIG), 1);
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), ""); // 3.1.1 cannot be told
    peer = mqtt_rig_client(5, false, "c");
    send_large(peer, max + 1, 4);
    rig_turn();
    ck_assert_int_eq(strncmp(mqtt_rig_heard(peer), "e0", 2), 0);
    mqtt_rig_close();
}
END_TEST

// --- what must not come --------------------------------------------------------------------------

struct bad {
    const char *name;
    uint8_t bytes[16];
    size_t size;
    uint8_t reason;
};

static const struct bad bad_packets[] = {
    {"second CONNECT [MQTT-3.1.0-2]",
     {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 0, 0, 0},
     15,
     0x82},
    {"CONNACK", {0x20, 3, 0, 0, 0}, 5, 0x82},
    {"SUBACK", {0x90, 4, 0, 1, 0, 0}, 6, 0x82},
    {"UNSUBACK", {0xb0, 4, 0, 1, 0, 0}, 6, 0x82},
    {"PINGRESP", {0xd0, 0}, 2, 0x82},
    {"AUTH without a method [MQTT-4.12.0-7]", {0xf0, 0}, 2, 0x82},
    {"type 0", {0x00, 0}, 2, 0x81},
    {"reserved flags of PINGREQ [MQTT-2.1.3-1]", {0xc1, 0}, 2, 0x81},
    {"PINGREQ with a body", {0xc0, 1, 0}, 3, 0x81},
    {"remaining length of five bytes", {0x30, 0xff, 0xff, 0xff, 0xff}, 5, 0x81},
    {"SUBSCRIBE with flags 0 [MQTT-3.8.1-1]", {0x80, 6, 0, 1, 0, 0, 1, 'a'}, 8, 0x81},
    {"SUBSCRIBE without a filter [MQTT-3.8.3-2]", {0x82, 3, 0, 1, 0}, 5, 0x82},
    {"PUBLISH of QoS 3 [MQTT-3.3.1-4]", {0x36, 6, 0, 1, 'a', 0, 1, 0}, 8, 0x81},
    {"PUBREL with flags 0 [MQTT-3.6.1-1]", {0x60, 2, 0, 1}, 4, 0x81},
};

static void check_bad(const struct bad *bad, bool is_ws) {
    char expected[32];
    uint32_t peer = mqtt_rig_client(5, is_ws, "c");
    mqtt_rig_send(peer, is_ws, bytes_of(bad->bytes, bad->size));
    snprintf(expected, sizeof(expected), "end %02x; ", bad->reason);
    const char *said = standin_said();
    ck_assert_msg(strcmp(said, expected) == 0, "%s: %s", bad->name, said);
    rig_turn();
    const struct bytes unread = rig_unread(peer);
    const uint8_t *packet = unread.data + 2 * is_ws;
    ck_assert_msg(unread.size > 4 && packet[0] == 0xe0 && packet[2] == bad->reason, "%s: %s",
                  bad->name, mqtt_rig_heard(peer));
    ck_assert(mqtt_rig_is_closed(peer));
}

START_TEST(bad_packet_gets_disconnect_with_its_reason_and_the_end) {
    mqtt_rig_open();
    for (size_t i = 0; i < sizeof(bad_packets) / sizeof(bad_packets[0]); i++) {
        check_bad(&bad_packets[i], false);
        check_bad(&bad_packets[i], true);
    }
    mqtt_rig_close();
}
END_TEST

START_TEST(bad_packet_of_3_1_1_just_ends_the_connection) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(4, false, "c");
    rig_bytes(peer, bytes_of((const uint8_t[]){0xc1, 0}, 2));
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "");
    ck_assert_uint_eq(RIG_COUNT(MQTT_MALFORMED), 1);
    ck_assert(mqtt_rig_is_closed(peer));
    mqtt_rig_close();
}
END_TEST

START_TEST(first_packet_that_is_no_connect_ends_it_mqtt_3_1_0_1) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_ws();
    rig_frame(peer, WEBSOCKET_BINARY, BYTES(ping));
    rig_turn();
    ck_assert_ptr_nonnull(strstr(mqtt_rig_heard(peer), "03ea")); // 1002, and no packet
    ck_assert(mqtt_rig_is_closed(peer));
    mqtt_rig_close();
}
END_TEST

// Bytes behind the packet that closed are not looked at [MQTT-3.14.4-2].
START_TEST(nothing_after_disconnect_is_acted_on) {
    static const uint8_t bytes[] = {0xe0, 0, 0x30, 6, 0, 1, 'a', 'x', 'y', 'z'};
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(4, false, "c");
    rig_bytes(peer, BYTES(bytes));
    rig_bytes(peer, BYTES(publish_a));
    ck_assert_str_eq(standin_said(), "end 00; ");
    mqtt_rig_close();
}
END_TEST

// --- dispatch ------------------------------------------------------------------------------------

START_TEST(acks_reach_outbox_and_inbox) {
    static const uint8_t acks[] = {0x40, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 3, 0x62, 2, 0, 4};
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, false, "c");
    rig_bytes(peer, BYTES(acks));
    ck_assert_str_eq(standin_said(), "PUBACK 1; PUBREC 2; PUBCOMP 3; pubrel 4; ");
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "70020004");
    standin.knows_no_ids = true;
    rig_bytes(peer, bytes_of(acks + 12, 4));
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "7003000492");
    mqtt_rig_close();
}
END_TEST

START_TEST(pubrel_of_3_1_1_is_answered_in_any_case_mqtt_4_3_3_2) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(4, false, "c");
    standin.knows_no_ids = true;
    rig_bytes(peer, bytes_of((const uint8_t[]){0x62, 2, 0, 4}, 4));
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "70020004");
    mqtt_rig_close();
}
END_TEST

static uint32_t client_with_expiry(uint32_t expiry_s) {
    struct mqtt_connect connect = {
        .version = 5, .is_clean = true, .keep_alive_s = 20, .client_id = BYTES_LITERAL("c")};
    MQTT_PROPERTIES_SET(&connect.properties, session_expiry_s, expiry_s);
    uint32_t peer = rig_connect();
    rig_bytes(peer, mqtt_rig_connect_packet(&connect));
    rig_turn();
    (void)mqtt_rig_heard(peer);
    (void)standin_said();
    return peer;
}

START_TEST(disconnect_may_change_the_expiry_but_not_from_zero_mqtt_3_14_2_2) {
    static const uint8_t bytes[] = {0xe0, 7, 4, 5, 0x11, 0, 0, 0, 9};
    mqtt_rig_open();
    uint32_t peer = client_with_expiry(60);
    rig_bytes(peer, BYTES(bytes));
    ck_assert_str_eq(standin_said(), "end 04; ");
    ck_assert_uint_eq(standin.expiry_s, 9);
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "");
    peer = client_with_expiry(0);
    rig_bytes(peer, BYTES(bytes));
    ck_assert_str_eq(standin_said(), "end 82; ");
    mqtt_rig_close();
}
END_TEST

// --- waiting -------------------------------------------------------------------------------------

START_TEST(refused_as_busy_the_packet_waits_and_is_offered_again) {
    static const uint8_t bytes[] = {0x30, 6, 0, 1, 'a', 'x', 'y', 'z', 0xc0, 0};
    mqtt_rig_open();
    for (int is_ws = 0; is_ws <= 1; is_ws++) {
        uint32_t peer = mqtt_rig_client(4, is_ws, "c");
        standin.publish_answer = MQTT_RETRY;
        mqtt_rig_send(peer, is_ws, bytes_of(bytes, 5));
        mqtt_rig_send(peer, is_ws, bytes_skip(BYTES(bytes), 5));
        mqtt_rig_send(peer, is_ws, BYTES(publish_a)); // what the kernel had taken already
        ck_assert_str_eq(standin_said(), "publish a 3; ");
        ck_assert(rig.peers[peer].is_paused);
        rig_wait_ms(LIMITS_BUSY_PAUSE_MS * 2);
        ck_assert_ptr_nonnull(strstr(standin_said(), "publish a 3; "));
        ck_assert(rig.peers[peer].is_paused);
        standin.publish_answer = MQTT_NEXT;
        rig_wait_ms(LIMITS_BUSY_PAUSE_MS * 2);
        ck_assert_str_eq(standin_said(), "publish a 3; publish a 3; ");
        ck_assert_str_eq(mqtt_rig_heard(peer), is_ws ? "8202d000" : "d000");
        ck_assert(!rig.peers[peer].is_paused);
        ck_assert_uint_eq(mqtt_rig_conn(peer)->reader, SLAB_NONE);
    }
    mqtt_rig_close();
}
END_TEST

// Pings whose answers nobody reads: reading stops at half the budget, what was read waits, and all
// are answered once the peer reads.
START_TEST(unread_answers_stop_the_reading_and_nothing_is_lost) {
    enum { PINGS = 200000 };
    mqtt_rig_open();
    for (int is_ws = 0; is_ws <= 1; is_ws++) {
        uint32_t peer = mqtt_rig_client(4, is_ws, "c");
        uint8_t *pings = malloc(2 * PINGS);
        for (size_t i = 0; i < PINGS; i++)
            memcpy(pings + 2 * i, ping, 2);
        rig.peers[peer].is_stalled = true;
        mqtt_rig_send(peer, is_ws, bytes_of(pings, PINGS));
        ck_assert(rig.peers[peer].is_paused);
        mqtt_rig_send(peer, is_ws, bytes_of(pings, PINGS));
        ck_assert(conn_has(mqtt_rig_conn(peer), CONN_PAUSED_QUEUE));
        rig.peers[peer].is_stalled = false;
        rig_turns(10);
        ck_assert(!rig.peers[peer].is_paused);
        ck_assert_uint_eq(rig_unread(peer).size, (size_t)PINGS * (is_ws ? 4 : 2));
        ck_assert_uint_eq(mqtt_rig_conn(peer)->reader, SLAB_NONE);
        free(pings);
    }
    mqtt_rig_close();
}
END_TEST

START_TEST(what_waits_is_bounded) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, false, "c");
    standin.publish_answer = MQTT_RETRY;
    rig_bytes(peer, BYTES(publish_5));
    size_t size = LIMITS_WAITING_BYTES + rig.config.message_bytes_max - sizeof(publish_5);
    uint8_t *bytes = calloc(1, size);
    rig_bytes(peer, bytes_of(bytes, size));
    ck_assert(!conn_has(mqtt_rig_conn(peer), CONN_DOOMED));
    rig_bytes(peer, bytes_of(bytes, 1));
    ck_assert(conn_has(mqtt_rig_conn(peer), CONN_DOOMED));
    free(bytes);
    rig_turns(2);
    ck_assert_str_eq(standin_said(), "publish a 3; end 97; ");
    ck_assert_int_eq(strncmp(mqtt_rig_heard(peer), "e0", 2), 0);
    mqtt_rig_close();
}
END_TEST

// --- time ----------------------------------------------------------------------------------------

// One and a half times 20 s, and a second of slack.
START_TEST(silence_of_one_and_a_half_keep_alives_ends_it_mqtt_3_1_2_22) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, false, "c");
    rig_wait_ms(25000);
    rig_bytes(peer, BYTES(ping));
    rig_bytes(peer, bytes_of(publish_5, 3)); // half a packet is none
    rig_wait_ms(29000);
    rig_bytes(peer, bytes_of(publish_5 + 3, 1));
    ck_assert_str_eq(standin_said(), "");
    rig_wait_ms(3000);
    ck_assert_str_eq(standin_said(), "end 8d; ");
    ck_assert_uint_eq(RIG_COUNT(CLOSED_IDLE), 1);
    ck_assert_ptr_nonnull(strstr(mqtt_rig_heard(peer), "8d"));
    mqtt_rig_close();
}
END_TEST

START_TEST(without_keep_alive_silence_is_allowed) {
    mqtt_rig_open();
    uint32_t peer = rig_connect();
    rig_bytes(peer, mqtt_rig_connect_packet(&(struct mqtt_connect){
                        .version = 4, .is_clean = true, .client_id = BYTES_LITERAL("c")}));
    for (int i = 0; i < 100; i++) {
        rig.now_ns += 100 * NS_PER_S;
        rig_turns(2);
    }
    ck_assert(rig.peers[peer].is_open);
    ck_assert_str_eq(standin_said(), "start c user c expiry 0 alive 0; resume; ");
    mqtt_rig_close();
}
END_TEST

START_TEST(blocked_outbox_is_flushed_by_the_timer) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(4, false, "c");
    struct mqtt_session *session = mqtt_session_at(&rig.gateway, mqtt_rig_conn(peer)->session);
    session->actor.state_bits |= MQTT_SESSION_BLOCKED;
    standin.flushes = 2;
    conn_mark_stale(&rig.gateway, rig_slot(peer)->owner);
    rig_wait_ms(1000);
    ck_assert_str_eq(standin_said(), "flush; flush; ");
    mqtt_rig_close();
}
END_TEST

START_TEST(drain_says_0x8b) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, false, "c");
    gateway_drain_begin(&rig.gateway, rig.now_ns + 10 * NS_PER_S);
    rig_wait_ms(10000);
    ck_assert_str_eq(standin_said(), "end 8b; ");
    ck_assert_ptr_nonnull(strstr(mqtt_rig_heard(peer), "8b"));
    mqtt_rig_close();
}
END_TEST

START_TEST(handshake_of_mqtt_has_its_timeout) {
    mqtt_rig_open();
    uint32_t peer = rig_connect();
    rig_bytes(peer, bytes_of((const uint8_t[]){0x10}, 1));
    rig_wait_ms(9000);
    ck_assert(rig.peers[peer].is_open);
    rig_wait_ms(3000);
    ck_assert(!rig.peers[peer].is_open);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_HANDSHAKE), 1);
    mqtt_rig_close();
}
END_TEST

// --- the end -------------------------------------------------------------------------------------

START_TEST(reset_tells_the_session) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, false, "c");
    rig_hangup(peer);
    rig_turns(2);
    ck_assert_str_eq(standin_said(), "end 80; ");
    mqtt_rig_close();
}
END_TEST

START_TEST(killed_says_0x98) {
    mqtt_rig_open();
    uint32_t peer = mqtt_rig_client(5, false, "c");
    scheduler_exit(&rig.scheduler, KIND_CONNECTION, rig_slot(peer)->owner, EXIT_KILLED);
    rig_turns(3);
    ck_assert_str_eq(standin_said(), "end 98; ");
    ck_assert_ptr_nonnull(strstr(mqtt_rig_heard(peer), "98"));
    ck_assert(!rig.peers[peer].is_open);
    mqtt_rig_close();
}
END_TEST

START_TEST(disconnect_is_never_larger_than_the_client_takes_mqtt_3_14_2_3) {
    struct mqtt_connect connect = {
        .version = 5, .is_clean = true, .keep_alive_s = 20, .client_id = BYTES_LITERAL("c")};
    MQTT_PROPERTIES_SET(&connect.properties, packet_bytes_max, 40);
    mqtt_rig_open();
    uint32_t peer = rig_connect();
    rig_bytes(peer, mqtt_rig_connect_packet(&connect));
    rig_turn();
    (void)mqtt_rig_heard(peer);
    mqtt_conn_close(&rig.gateway, rig_slot(peer)->owner, MQTT_SESSION_TAKEN_OVER,
                    "a cause that is too long for this client to take", COUNTER_CLOSED_POLICY);
    rig_turn();
    ck_assert_str_eq(mqtt_rig_heard(peer), "e0018e");
    mqtt_rig_close();
}
END_TEST

UNIT_MAIN("gateway/mqtt_conn", packet_whole_in_the_read_is_acted_on_where_it_lies,
          packets_cut_anywhere_are_acted_on_once_and_in_order,
          connect_may_come_byte_by_byte_with_what_follows_it, packets_over_frames_mqtt_6_0_0_2,
          text_frame_closes_mqtt_6_0_0_1, close_frame_without_disconnect_publishes_the_will,
          packet_beyond_message_bytes_max_is_0x95_from_its_header,
          bad_packet_gets_disconnect_with_its_reason_and_the_end,
          bad_packet_of_3_1_1_just_ends_the_connection,
          first_packet_that_is_no_connect_ends_it_mqtt_3_1_0_1,
          nothing_after_disconnect_is_acted_on, acks_reach_outbox_and_inbox,
          pubrel_of_3_1_1_is_answered_in_any_case_mqtt_4_3_3_2,
          disconnect_may_change_the_expiry_but_not_from_zero_mqtt_3_14_2_2,
          refused_as_busy_the_packet_waits_and_is_offered_again,
          unread_answers_stop_the_reading_and_nothing_is_lost, what_waits_is_bounded,
          silence_of_one_and_a_half_keep_alives_ends_it_mqtt_3_1_2_22,
          without_keep_alive_silence_is_allowed, blocked_outbox_is_flushed_by_the_timer,
          drain_says_0x8b, handshake_of_mqtt_has_its_timeout, reset_tells_the_session,
          killed_says_0x98, disconnect_is_never_larger_than_the_client_takes_mqtt_3_14_2_3)
