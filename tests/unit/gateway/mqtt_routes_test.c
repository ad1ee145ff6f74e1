// Publishes, subscribes and rooms through the whole gateway of one core: what each client is told,
// and that clients of Phoenix and MQTT in one room see one sequence.
#include "tests/unit/gateway/mqtt_peers.h"

// --- PUBLISH and its answers ---------------------------------------------------------------------

START_TEST(a_publish_is_acknowledged_once_it_was_accepted) { // [MQTT-4.3.2-4], [MQTT-4.3.3-8]
    peers_open();
    struct peer five = peer_5("five"), three = peer_3("three");
    SAY(five, .topic = "t", .body = "1", .qos = 1, .id = 7);
    EXPECT(five, "PUBACK 7 10\n"); // nobody subscribes
    SAY(five, .topic = "t", .body = "1", .qos = 2, .id = 8);
    EXPECT(five, "PUBREC 8 10\n");
    peer_ack(&five, MQTT_PUBREL, 8);
    EXPECT(five, "PUBCOMP 8 00\n");
    SAY(three, .topic = "t", .body = "1", .qos = 1, .id = 7);
    EXPECT(three, "PUBACK 7 00\n");
    SAY(three, .topic = "room/r", .body = "1", .qos = 1, .id = 8);
    EXPECT(three, "PUBACK 8 00\n");
    SUBSCRIBE(three, FILTER("t"));
    (void)peer_heard(&three);
    SAY(five, .topic = "t", .body = "1", .qos = 1, .id = 7);
    EXPECT(five, "PUBACK 7 00\n");
    SAY(five, .topic = "room/r", .body = "1", .qos = 1, .id = 7);
    EXPECT(five, "PUBACK 7 10\n");
    ck_assert_uint_eq(RIG_COUNT(MQTT_PUBLISHES_1), 5);
    ck_assert_uint_eq(RIG_COUNT(MQTT_PUBLISHES_2), 1);
    peers_close();
}
END_TEST

START_TEST(qos_2_sent_again_is_answered_again_and_passed_on_once) { // [MQTT-4.3.3-10, -12]
    peers_open();
    struct peer from = peer_3("from"), to = peer_3("to");
    SUBSCRIBE(to, FILTER("t"));
    (void)peer_heard(&to);
    for (int i = 0; i < 3; i++) {
        SAY(from, .topic = "t", .body = "once", .qos = 2, .id = 5, .is_duplicate = i > 0);
        EXPECT(from, "PUBREC 5 00\n");
    }
    EXPECT(to, "t=once q0\n");
    peer_ack(&from, MQTT_PUBREL, 5);
    EXPECT(from, "PUBCOMP 5 00\n");
    SAY(from, .topic = "t", .body = "next", .qos = 2, .id = 5);
    EXPECT(to, "t=next q0\n");
    peers_close();
}
END_TEST

START_TEST(topics_of_the_server_are_refused) { // 4.7.2
    static const char *const topics[] = {"$SYS/broker/uptime", "$x", "room/r/$presence"};
    peers_open();
    struct peer five = peer_5("five"), three = peer_3("three");
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        SAY(five, .topic = topics[i], .body = "1", .qos = 1, .id = 7);
        EXPECT(five, "PUBACK 7 87\n");
        SAY(five, .topic = topics[i], .body = "1", .qos = 2, .id = 7);
        EXPECT(five, "PUBREC 7 87\n");
        SAY(five, .topic = topics[i], .body = "1");
        EXPECT(five, "");
        SAY(three, .topic = topics[i], .body = "1", .qos = 1, .id = 7);
        EXPECT(three, "PUBACK 7 00\n"); // it cannot be told
        SAY(three, .topic = topics[i], .body = "1", .qos = 2, .id = 7);
        EXPECT(three, "PUBREC 7 00\n");
        peer_ack(&three, MQTT_PUBREL, 7);
        EXPECT(three, "PUBCOMP 7 00\n");
    }
    ck_assert_uint_eq(RIG_COUNT(MQTT_PUBLISHES_REFUSED), 15);
    peers_close();
}
END_TEST

START_TEST(what_no_room_can_be_called_is_an_invalid_topic) {
    static const char *const topics[] = {"room/", "room/a/b", "room/a\x01", "room//$presence"};
    peers_open();
    struct peer five = peer_5("five");
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        SAY(five, .topic = topics[i], .body = "1", .qos = 1, .id = 7);
        EXPECT(five, "PUBACK 7 90\n");
    }
    char longest[6 + 129] = "room/";
    memset(longest + 5, 'r', 129);
    longest[5 + 129] = 0;
    SAY(five, .topic = longest, .body = "1", .qos = 1, .id = 7);
    EXPECT(five, "PUBACK 7 90\n");
    longest[5 + 128] = 0;
    SAY(five, .topic = longest, .body = "1", .qos = 1, .id = 7);
    EXPECT(five, "PUBACK 7 10\n");
    SAY(five, .topic = "room", .body = "1", .qos = 1, .id = 7); // a topic like any other
    EXPECT(five, "PUBACK 7 10\n");
    peers_close();
}
END_TEST

START_TEST(more_than_the_receive_maximum_ends_the_connection) { // [MQTT-3.3.4-7]
    peers_open();
    struct peer five = peer_5("five");
    for (uint16_t id = 1; id <= 8; id++)
        SAY(five, .topic = "t", .body = "1", .qos = 2, .id = id);
    ck_assert_ptr_nonnull(strstr(peer_heard(&five), "PUBREC 8 10\n"));
    SAY(five, .topic = "t", .body = "1", .qos = 2, .id = 9);
    EXPECT(five, "DISCONNECT 93\n");
    peers_close();
}
END_TEST

START_TEST(a_subscription_identifier_is_not_for_clients_to_send) { // [MQTT-3.3.4-6]
    static const uint8_t packet[] = {0x30, 6, 0, 1, 't', 2, 0x0b, 1};
    peers_open();
    struct peer five = peer_5("five");
    rig_bytes(five.at, bytes_of(packet, sizeof(packet)));
    rig_turns(2);
    EXPECT(five, "DISCONNECT 82\n");
    peers_close();
}
END_TEST

START_TEST(an_acknowledgement_of_another_qos_ends_the_connection) { // 4.3
    static const enum mqtt_type wrong[] = {MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBCOMP, MQTT_PUBCOMP};
    static const uint8_t qos[] = {2, 1, 1, 2}; // the last one comes before the PUBREC
    for (size_t i = 0; i < 4; i++) {
        peers_open();
        struct peer five = peer_5("five"), other = peer_5("other");
        SUBSCRIBE(five, FILTER("t", .qos = qos[i]));
        (void)peer_heard(&five);
        SAY(other, .topic = "t", .body = "1", .qos = 2, .id = 7);
        ck_assert_str_ne(peer_heard(&five), "");
        peer_ack(&five, wrong[i], 1);
        EXPECT(five, "DISCONNECT 82\n");
        peers_close();
    }
}
END_TEST

START_TEST(what_is_refused_where_it_belongs_is_told_or_ends_the_connection) {
    peers_open();
    rig.topics.config.retained_max = 0;
    struct peer five = peer_5("five"), three = peer_3("three");
    SAY(five, .topic = "t", .body = "1", .qos = 1, .id = 7, .is_retained = true);
    EXPECT(five, "PUBACK 7 97\n");
    SAY(five, .topic = "t", .body = "1", .qos = 2, .id = 7, .is_retained = true);
    EXPECT(five, "PUBREC 7 97\n");
    peer_ack(&five, MQTT_PUBREL, 7); // a refused one is over [MQTT-4.3.3-4]
    EXPECT(five, "PUBCOMP 7 92\n");
    SAY(five, .topic = "t", .body = "1", .is_retained = true);
    EXPECT(five, "");
    SAY(three, .topic = "t", .body = "1", .qos = 1, .id = 7, .is_retained = true);
    EXPECT(three, "");
    rig_wait_ms(100);
    ck_assert(!rig.peers[three.at].is_open);
    ck_assert(rig.peers[five.at].is_open);
    peers_close();
}
END_TEST

START_TEST(a_publish_that_is_too_early_waits_and_is_taken_later) {
    peers_open();
    struct peer from = peer_3("from"), to = peer_3("to");
    SUBSCRIBE(to, FILTER("room/r"));
    (void)peer_heard(&to);
    rig.chat.config.publishes_max = 2; // of this core, not answered yet
    struct writer w = PEER_WRITER;
    for (uint16_t id = 1; id <= 6; id++) {
        const struct mqtt_publish publish = {.version = MQTT_3_1_1,
                                             .qos = 1,
                                             .packet_id = id,
                                             .topic = BYTES_LITERAL("room/r"),
                                             .payload = BYTES_LITERAL("1")};
        mqtt_encode_publish_head(&w, &publish, (struct bytes){0});
        writer_put(&w, publish.payload);
    }
    peer_send(&from, &w);
    rig_turns(2);
    EXPECT(from, "PUBACK 1 00\nPUBACK 2 00\n");
    ck_assert(rig.peers[from.at].is_paused);
    rig_wait_ms(400);
    EXPECT(from, "PUBACK 3 00\nPUBACK 4 00\nPUBACK 5 00\nPUBACK 6 00\n");
    ck_assert_uint_eq(strlen(peer_heard(&to)), 6 * strlen("room/r=1 q0\n"));
    ck_assert_uint_eq(RIG_COUNT(MQTT_PUBLISHES_1), 6); // counted once each
    peers_close();
}
END_TEST

static void say_and_hang_up(const struct peer *peer, uint16_t id, uint8_t qos) {
    const struct mqtt_publish publish = {.version = MQTT_5,
                                         .qos = qos,
                                         .packet_id = id,
                                         .topic = BYTES_LITERAL("t"),
                                         .payload = BYTES_LITERAL("1")};
    struct writer w = PEER_WRITER;
    mqtt_encode_publish_head(&w, &publish, (struct bytes){0});
    writer_put(&w, publish.payload);
    peer_send(peer, &w);
    rig_hangup(peer->at);
}

// CONNECT and the PUBLISH again in one read, before the answer to the first could come.
static struct peer come_and_say_again(const char *client_id, uint16_t id, uint8_t qos) {
    struct peer peer = {.version = MQTT_5, .at = rig_connect()};
    struct mqtt_connect connect = {
        .version = MQTT_5, .keep_alive_s = 600, .client_id = bytes_from_string(client_id)};
    MQTT_PROPERTIES_SET(&connect.properties, session_expiry_s, 3600);
    const struct mqtt_publish publish = {.version = MQTT_5,
                                         .qos = qos,
                                         .packet_id = id,
                                         .is_duplicate = true,
                                         .topic = BYTES_LITERAL("t"),
                                         .payload = BYTES_LITERAL("1")};
    struct writer w = PEER_WRITER;
    mqtt_encode_connect(&w, &connect);
    mqtt_encode_publish_head(&w, &publish, (struct bytes){0});
    writer_put(&w, publish.payload);
    peer_send(&peer, &w);
    rig_turns(4);
    return peer;
}

START_TEST(an_answer_to_a_former_connection_is_nobodys) {
    struct coming coming = {.id = "kept", .is_kept = true};
    peers_open();
    struct peer to = peer_3("to"), from = peer_come(&coming);
    SUBSCRIBE(to, FILTER("t"));
    (void)peer_heard(&to);
    say_and_hang_up(&from, 7, 1);
    from = come_and_say_again("kept", 7, 1);
    EXPECT(from, "CONNACK\nPUBACK 7 00\n"); // one, for the second
    EXPECT(to, "t=1 q0\nt=1 q0\n");         // at least once
    say_and_hang_up(&from, 8, 2);
    from = come_and_say_again("kept", 8, 2);
    EXPECT(from, "CONNACK\nPUBREC 8 00\n");
    EXPECT(to, "t=1 q0\n"); // exactly once
    peers_close();
}
END_TEST

// --- SUBSCRIBE, UNSUBSCRIBE ----------------------------------------------------------------------

START_TEST(filters_that_cannot_be_are_refused_one_by_one) { // [MQTT-3.9.3-1, -2], [MQTT-4.8.2-1]
    peers_open();
    struct peer five = peer_5("five"), three = peer_3("three");
#define REFUSED                                                                                    \
    FILTER("a/#/b"), FILTER("room/+"), FILTER("room/r/#"), FILTER("$share/g/room/r"),              \
        FILTER("room/a/b"), FILTER("$share//x"), FILTER("ok", .qos = 1)
    SUBSCRIBE(five, REFUSED);
    EXPECT(five, "SUBACK 1 8f a2 a2 9e 8f 8f 01\n");
    SUBSCRIBE(three, REFUSED);
    EXPECT(three, "SUBACK 1 80 80 80 80 80 80 01\n");
#undef REFUSED
    peers_close();
}
END_TEST

START_TEST(a_session_has_at_most_its_subscriptions) {
    peers_open(); // 4
    struct peer five = peer_5("five");
    SUBSCRIBE(five, FILTER("a"), FILTER("room/r"), FILTER("room/r/$presence"));
    (void)peer_heard(&five);
    SUBSCRIBE(five, FILTER("b"), FILTER("c"), FILTER("room/s"), FILTER("a", .qos = 1));
    EXPECT(five, "SUBACK 1 00 97 97 01\n");
    UNSUBSCRIBE(five, FILTER("room/r"));
    (void)peer_heard(&five);
    SUBSCRIBE(five, FILTER("c"));
    EXPECT(five, "SUBACK 1 00\n");
    peers_close();
}
END_TEST

START_TEST(an_unsuback_tells_what_was_there) { // [MQTT-3.11.3-2], [MQTT-3.10.4-1 … 4]
    peers_open();
    struct peer five = peer_5("five"), three = peer_3("three");
    SUBSCRIBE(five, FILTER("a"), FILTER("room/r"), FILTER("room/r/$presence"));
    (void)peer_heard(&five);
    UNSUBSCRIBE(five, FILTER("a"), FILTER("a"), FILTER("room/r"), FILTER("room/s"),
                FILTER("room/r/$presence"), FILTER("room/#"), FILTER("a#"));
    EXPECT(five, "UNSUBACK 2 00 11 00 11 00 11 8f\n");
    SAY(five, .topic = "room/r", .body = "1");
    SAY(five, .topic = "a", .body = "1");
    EXPECT(five, "");
    UNSUBSCRIBE(three, FILTER("a"), FILTER("b"));
    EXPECT(three, "UNSUBACK 2\n"); // 3.1.1: no codes
    peers_close();
}
END_TEST

START_TEST(what_is_unsubscribed_before_its_suback_is_answered_all_the_same) {
    peers_open();
    struct peer five = peer_5("five");
    const struct mqtt_filter filters[] = {FILTER("a", .qos = 1), FILTER("room/r", .qos = 2)};
    const struct mqtt_subscribe subscribe = {
        .version = MQTT_5, .has_options = true, .packet_id = 1, .filter_count = 2};
    const struct mqtt_subscribe unsubscribe = {
        .version = MQTT_5, .packet_id = 2, .filter_count = 2};
    struct writer w = PEER_WRITER;
    mqtt_encode_subscribe(&w, MQTT_SUBSCRIBE, &subscribe, filters);
    mqtt_encode_subscribe(&w, MQTT_UNSUBSCRIBE, &unsubscribe, filters);
    peer_send(&five, &w); // in one read, before anybody could answer
    rig_turns(4);
    EXPECT(five, "SUBACK 1 01 02\nUNSUBACK 2 00 00\n");
    SAY(five, .topic = "room/r", .body = "1");
    SAY(five, .topic = "a", .body = "1");
    EXPECT(five, "");
    peers_close();
}
END_TEST

START_TEST(sixteen_subscribes_under_way_are_enough) {
    peers_open();
    rig.config.mqtt_subscriptions_max = 1000;
    struct peer five = peer_5("five");
    struct writer w = PEER_WRITER;
    for (uint16_t i = 1; i <= 40; i++) {
        char name[8];
        snprintf(name, sizeof(name), "t%u", i);
        const struct mqtt_filter filter = {.text = bytes_from_string(name)};
        const struct mqtt_subscribe subscribe = {
            .version = MQTT_5, .has_options = true, .packet_id = i, .filter_count = 1};
        mqtt_encode_subscribe(&w, MQTT_SUBSCRIBE, &subscribe, &filter);
    }
    peer_send(&five, &w);
    rig_wait_ms(LIMITS_BUSY_PAUSE_MS - 20); // places come free before a pause is over
    char expected[40 * 16] = "";
    size_t size = 0;
    for (uint8_t i = 1; i <= 40; i++)
        size += (size_t)snprintf(expected + size, sizeof(expected) - size, "SUBACK %u 00\n", i);
    EXPECT(five, expected);
    peers_close();
}
END_TEST

START_TEST(more_filters_than_can_be_answered_end_the_connection) { // [MQTT-3.1.2-24]
    static struct mqtt_filter filters[36];
    peers_open();
    for (int i = 0; i < 36; i++)
        filters[i] = (struct mqtt_filter){.text = BYTES_LITERAL("f")};
    for (int i = 0; i < 2; i++) {
        enum mqtt_type type = i == 0 ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE;
        struct peer small = peer_come(&(struct coming){.id = "small", .packet_bytes_max = 40});
        peer_ask(&small, type, 1, 0, filters, 35); // 40 bytes
        ck_assert_uint_eq(strlen(peer_heard(&small)), (i == 0 ? 8 : 10) + 35 * 3 + 1);
        peer_ask(&small, type, 1, 0, filters, 36);
        EXPECT(small, "DISCONNECT 95\n");
    }
    peers_close();
}
END_TEST

START_TEST(a_suback_of_many_filters_has_all_codes) {
    static struct mqtt_filter filters[600];
    static char names[600][16], expected[600 * 3 + 16];
    peers_open();
    rig.config.mqtt_subscriptions_max = 500;
    struct peer five = peer_5("five");
    for (int i = 0; i < 600; i++) {
        snprintf(names[i], sizeof(names[i]), "f%d", i);
        filters[i] =
            (struct mqtt_filter){.text = bytes_from_string(names[i]), .qos = (uint8_t)(i % 3)};
    }
    size_t size = (size_t)snprintf(expected, sizeof(expected), "SUBACK 1");
    for (int i = 0; i < 600; i++)
        size += (size_t)snprintf(expected + size, sizeof(expected) - size, " %02x",
                                 i < 500 ? i % 3 : 0x97);
    snprintf(expected + size, sizeof(expected) - size, "\n");
    peer_ask(&five, MQTT_SUBSCRIBE, 1, 0, filters, 600);
    rig_turns(4);
    EXPECT(five, expected);
    peers_close();
}
END_TEST

// --- rooms ---------------------------------------------------------------------------------------

#define JOIN(topic) "[\"1\",\"1\",\"" topic "\",\"phx_join\",{}]"

static uint32_t phoenix_in_lobby(const char *user) {
    enum websocket_opcode opcode;
    uint32_t peer = rig_user(user);
    rig_text(peer, JOIN("room:lobby"));
    rig_wait_ms(200); // with its presence
    while (rig_next(peer, &opcode))
        ;
    return peer;
}

START_TEST(phoenix_and_mqtt_members_see_one_sequence) {
    peers_open();
    uint32_t ada = phoenix_in_lobby("ada");
    struct peer five = peer_5("five"), three = peer_3("three"), one = peer_5("one");
    struct peer web = peer_come(&(struct coming){.id = "web", .is_ws = true});
    SUBSCRIBE(five, FILTER("room/lobby"));
    SUBSCRIBE(three, FILTER("room/lobby"));
    SUBSCRIBE(one, FILTER("room/lobby", .qos = 1));
    SUBSCRIBE(web, FILTER("room/lobby"));
    EXPECT(five, "SUBACK 1 00\n");
    EXPECT(three, "SUBACK 1 00\n");
    EXPECT(one, "SUBACK 1 01\n");
    EXPECT(web, "SUBACK 1 00\n");
    rig_wait_ms(200);
    enum websocket_opcode opcode;
    while (rig_next(ada, &opcode))
        ;
    rig_text(ada, "[\"1\",\"2\",\"room:lobby\",\"say\",{\"a\":1}]");
    rig_turns(3);
    RIG_EXPECT(ada, "[\"1\",\"2\",\"room:lobby\",\"phx_reply\",{\"status\":\"ok\",\"response\":{"
                    "\"seq\":1}}]");
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"say\",{\"a\":1},1]");
    SAY(three, .topic = "room/lobby", .body = "{\"b\":2}", .qos = 1, .id = 3);
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"shout\",{\"b\":2},2]");
    SAY(five, .topic = "room/lobby", .body = "no json", .user = "v");
    RIG_EXPECT_FRAME(ada, WEBSOCKET_BINARY, "\x02\x0a\x05room:lobbyshoutno json");
    EXPECT(five, "room/lobby={\"a\":1} q0 seq:1 event:say\n"
                 "room/lobby={\"b\":2} q0 seq:2\n"
                 "room/lobby=no json q0 k:v seq:3\n");
    EXPECT(web, "room/lobby={\"a\":1} q0 seq:1 event:say\n"
                "room/lobby={\"b\":2} q0 seq:2\n"
                "room/lobby=no json q0 k:v seq:3\n");
    EXPECT(three, "room/lobby={\"a\":1} q0\nPUBACK 3 00\nroom/lobby={\"b\":2} q0\n"
                  "room/lobby=no json q0\n");
    EXPECT(one, "room/lobby={\"a\":1} q1 id1 seq:1 event:say\n"
                "room/lobby={\"b\":2} q1 id2 seq:2\n"
                "room/lobby=no json q0 k:v seq:3\n");
    peers_close();
}
END_TEST

START_TEST(a_member_may_publish_without_being_one) {
    peers_open();
    uint32_t ada = phoenix_in_lobby("ada");
    struct peer five = peer_5("five");
    SAY(five, .topic = "room/lobby", .body = "1", .qos = 2, .id = 3);
    EXPECT(five, "PUBREC 3 00\n");
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"shout\",1,1]");
    peers_close();
}
END_TEST

START_TEST(a_rooms_retained_message_comes_as_its_subscriber_wants) { // [MQTT-3.3.1-9 … -13]
    peers_open();
    struct peer from = peer_5("from"), to = peer_5("to");
    SAY(from, .topic = "room/lobby", .body = "\"kept\"", .is_retained = true);
    SUBSCRIBE(to, FILTER("room/lobby", .retain_handling = MQTT_RETAIN_NEVER));
    EXPECT(to, "SUBACK 1 00\n");
    SUBSCRIBE(to, FILTER("room/lobby", .retain_handling = MQTT_RETAIN_IF_NEW));
    EXPECT(to, "SUBACK 1 00\n");
    SUBSCRIBE_AS(to, 5, FILTER("room/lobby", .qos = 1));
    EXPECT(to, "room/lobby=\"kept\" q0 retain sub5\nSUBACK 1 01\n");
    SAY(from, .topic = "room/lobby", .body = "2", .qos = 1, .id = 1);
    EXPECT(to, "room/lobby=2 q1 id1 seq:2 sub5\n"); // once: what asked for it again has left
    uint32_t ada = rig_user("ada");
    rig_text(ada, JOIN("room:lobby"));
    rig_turns(4);
    RIG_EXPECT(ada, "[null,null,\"room:lobby\",\"shout\",\"kept\"]");
    struct peer late = peer_3("late");
    SUBSCRIBE(late, FILTER("room/lobby", .qos = 1));
    EXPECT(late, "room/lobby=\"kept\" q0 retain\nSUBACK 1 01\n");
    SAY(from, .topic = "room/lobby", .body = "", .is_retained = true);
    struct peer later = peer_3("later");
    SUBSCRIBE(later, FILTER("room/lobby"));
    EXPECT(later, "SUBACK 1 00\n");
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 4);
    peers_close();
}
END_TEST

START_TEST(one_room_named_many_times_takes_few_places) {
    peers_open(); // 4 subscriptions
    struct peer five = peer_5("five");
    struct mqtt_filter filters[100];
    for (int i = 0; i < 100; i++)
        filters[i] = (struct mqtt_filter)FILTER("room/lobby");
    SUBSCRIBE(five, filters[0]);
    EXPECT(five, "SUBACK 1 00\n");
    const struct mqtt_subscribe subscribe = {
        .version = MQTT_5, .has_options = true, .packet_id = 9, .filter_count = 100};
    struct writer w = PEER_WRITER;
    mqtt_encode_subscribe(&w, MQTT_SUBSCRIBE, &subscribe, filters);
    peer_send(&five, &w); // each asks for what is retained
    ck_assert_uint_eq(rig.chat.members.used_count, 4 + 16);
    rig_turns(8);
    ck_assert_uint_eq(strlen(peer_heard(&five)), strlen("SUBACK 9\n") + 100 * strlen(" 00"));
    ck_assert_uint_eq(rig.chat.members.used_count, 1);
    peers_close();
}
END_TEST

START_TEST(options_of_a_membership_are_replaced) { // [MQTT-3.8.4-3, -4]
    peers_open();
    struct peer one = peer_5("one"), two = peer_5("two");
    SUBSCRIBE(one, FILTER("room/lobby"));
    SUBSCRIBE_AS(one, 9, FILTER("room/lobby", .qos = 2, .is_no_local = true));
    EXPECT(one, "SUBACK 1 00\nSUBACK 1 02\n");
    SAY(one, .topic = "room/lobby", .body = "1");
    ck_assert_uint_eq(RIG_COUNT(DROPPED_NO_LOCAL), 1); // [MQTT-3.8.3-3]
    SAY(two, .topic = "room/lobby", .body = "2", .qos = 1, .id = 1);
    EXPECT(one, "room/lobby=2 q1 id1 seq:2 sub9\n");
    SUBSCRIBE(one, FILTER("room/lobby", .retains_as_published = true));
    SAY(two, .topic = "room/lobby", .body = "3", .is_retained = true, .expiry_s = 60);
    EXPECT(one, "SUBACK 1 00\nroom/lobby=3 q0 retain seq:3 expires60\n");
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 1);
    peers_close();
}
END_TEST

START_TEST(mqtt_members_show_in_presence_by_user_else_client_id) {
    peers_open();
    uint32_t ada = phoenix_in_lobby("ada");
    struct peer named = peer_come(&(struct coming){.id = "c1", .user = "bob"}),
                plain = peer_3("c2");
    SUBSCRIBE(named, FILTER("room/lobby"));
    SUBSCRIBE(plain, FILTER("room/lobby"));
    rig_wait_ms(300);
    enum websocket_opcode opcode;
    char seen[2048] = "";
    for (const char *text; (text = rig_next(ada, &opcode));)
        strncat(seen, text, sizeof(seen) - strlen(seen) - 1);
    ck_assert_ptr_nonnull(strstr(seen, "\"bob\":{\"metas\""));
    ck_assert_ptr_nonnull(strstr(seen, "\"c2\":{\"metas\""));
    EXPECT(named, "SUBACK 1 00\n"); // messages alone
    peers_close();
}
END_TEST

START_TEST(presence_is_readable_beside_the_room) {
    peers_open();
    struct peer eye = peer_5("eye"), web = peer_come(&(struct coming){.id = "w", .is_ws = true});
    SUBSCRIBE(eye, FILTER("room/lobby/$presence", .qos = 2));
    SUBSCRIBE_AS(web, 3, FILTER("room/lobby/$presence"));
    rig_wait_ms(300);
    EXPECT(eye, "SUBACK 1 00\nroom/lobby/$presence={\"state\":{}} q0 retain\n");
    EXPECT(web, "SUBACK 1 00\nroom/lobby/$presence={\"state\":{}} q0 retain sub3\n");
    struct peer bob = peer_5("bob");
    SUBSCRIBE(bob, FILTER("room/lobby"));
    rig_wait_ms(300);
    EXPECT(eye, "room/lobby/$presence={\"joins\":{\"bob\":{\"metas\":[{\"phx_ref\":\"1\"}]}},"
                "\"leaves\":{}} q0\n");
    EXPECT(web, "room/lobby/$presence={\"joins\":{\"bob\":{\"metas\":[{\"phx_ref\":\"1\"}]}},"
                "\"leaves\":{}} q0 sub3\n");
    SAY(bob, .topic = "room/lobby", .body = "1");
    EXPECT(eye, "");
    SUBSCRIBE(eye, FILTER("room/lobby/$presence"));
    rig_wait_ms(300);
    EXPECT(eye, "SUBACK 1 00\nroom/lobby/$presence={\"state\":{\"bob\":{\"metas\":[{\"phx_ref\":"
                "\"1\"}]}}} q0 retain\n");
    rig_hangup(bob.at);
    rig_wait_ms(300);
    EXPECT(eye, "room/lobby/$presence={\"joins\":{},\"leaves\":{\"bob\":{\"metas\":[{\"phx_ref\":"
                "\"1\"}]}}} q0\n");
    peers_close();
}
END_TEST

START_TEST(an_offline_session_stays_a_member_and_gets_what_it_missed) {
    peers_open();
    struct coming coming = {.id = "kept", .is_kept = true};
    struct peer from = peer_5("from"), to = peer_come(&coming);
    SUBSCRIBE(to, FILTER("room/lobby", .qos = 2), FILTER("room/lobby/$presence"));
    rig_wait_ms(300);
    (void)peer_heard(&to);
    rig_hangup(to.at);
    rig_turns(2);
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 2);
    SAY(from, .topic = "room/lobby", .body = "0");
    SAY(from, .topic = "room/lobby", .body = "1", .qos = 1, .id = 1);
    SAY(from, .topic = "room/lobby", .body = "2", .qos = 2, .id = 2);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_OFFLINE), 1);
    to = peer_come(&coming);
    rig_wait_ms(300);
    EXPECT(to, "room/lobby=1 q1 id1 seq:2\nroom/lobby=2 q2 id2 seq:3\n"
               "room/lobby/$presence={\"state\":{\"kept\":{\"metas\":[{\"phx_ref\":\"1\"}]}}} q0 "
               "retain\n");
    peers_close();
}
END_TEST

START_TEST(presence_goes_on_for_who_is_served_one_by_one_and_was_offline) {
    peers_open();
    struct coming coming = {.id = "kept", .is_kept = true};
    struct peer eye = peer_come(&coming);
    SUBSCRIBE_AS(eye, 3, FILTER("room/lobby/$presence"));
    rig_wait_ms(300);
    (void)peer_heard(&eye);
    rig_hangup(eye.at);
    rig_turns(2);
    struct peer bob = peer_5("bob");
    SUBSCRIBE(bob, FILTER("room/lobby"));
    rig_wait_ms(300); // he misses it
    eye = peer_come(&coming);
    rig_wait_ms(300);
    EXPECT(eye, "room/lobby/$presence={\"state\":{\"bob\":{\"metas\":[{\"phx_ref\":\"1\"}]}}} q0 "
                "retain sub3\n");
    rig_hangup(bob.at);
    rig_wait_ms(300);
    EXPECT(eye, "room/lobby/$presence={\"joins\":{},\"leaves\":{\"bob\":{\"metas\":[{\"phx_ref\":"
                "\"1\"}]}}} q0 sub3\n");
    peers_close();
}
END_TEST

START_TEST(a_room_that_ends_is_joined_again) {
    peers_open();
    struct peer five = peer_5("five"), three = peer_3("three");
    SUBSCRIBE_AS(five, 4, FILTER("room/lobby", .qos = 1));
    SUBSCRIBE(three, FILTER("room/lobby"));
    (void)peer_heard(&five), (void)peer_heard(&three);
    SAY(three, .topic = "room/lobby", .body = "1", .qos = 1, .id = 1);
    EXPECT(five, "room/lobby=1 q1 id1 seq:1 sub4\n");
    ck_assert(chat_room_end(&rig.chat, BYTES_LITERAL("lobby"), EXIT_KILLED));
    rig_turns(6);
    EXPECT(five, "");
    SAY(three, .topic = "room/lobby", .body = "2", .qos = 1, .id = 2);
    EXPECT(five, "room/lobby=2 q1 id2 seq:1 sub4\n"); // its next life
    EXPECT(three, "PUBACK 1 00\nroom/lobby=1 q0\nPUBACK 2 00\nroom/lobby=2 q0\n");
    ck_assert_uint_eq(rig.gateway.mqtt_chores, BLOCK_NONE);
    peers_close();
}
END_TEST

// What the stream tells of messages that it dropped, when it is sealed.
static void drop_some(const struct peer *peer) {
    uint32_t session = conn_at(&rig.gateway, rig_slot(peer->at)->owner)->session;
    uint32_t member = mqtt_session_at(&rig.gateway, session)->members;
    rig.peers[peer->at].has_gap = true;
    rig.peers[peer->at].gap_room = chat_member(&rig.chat, member)->leaf;
    rig.peers[peer->at].gap_from = 4;
    rig.peers[peer->at].gap_to = 9;
}

START_TEST(five_is_told_which_messages_it_lost_and_three_is_not) {
    peers_open();
    struct peer five = peer_5("five"), three = peer_3("three");
    struct peer web = peer_come(&(struct coming){.id = "web", .is_ws = true});
    struct peer *all[] = {&five, &three, &web};
    for (int i = 0; i < 3; i++) {
        SUBSCRIBE(*all[i], FILTER("room/lobby"));
        (void)peer_heard(all[i]);
        drop_some(all[i]);
        UNSUBSCRIBE(*all[i], FILTER("room/lobby")); // its gap is told before the end
    }
    EXPECT(five, "room/lobby= q0 gap:4-9\nUNSUBACK 2 00\n");
    EXPECT(web, "room/lobby= q0 gap:4-9\nUNSUBACK 2 00\n");
    EXPECT(three, "UNSUBACK 2\n");
    peers_close();
}
END_TEST

START_TEST(what_is_larger_than_a_client_takes_is_not_sent) { // [MQTT-3.1.2-24, -25]
    peers_open();
    struct peer small = peer_come(&(struct coming){.id = "small", .packet_bytes_max = 60});
    struct peer from = peer_3("from");
    SUBSCRIBE(small, FILTER("room/lobby"), FILTER("room/lobby/$presence"), FILTER("t"));
    rig_wait_ms(300);
    EXPECT(small, "SUBACK 1 00 00 00\n"); // its state has more
    SAY(from, .topic = "room/lobby", .body = "123456789-123456789-123456789-123456789-");
    SAY(from, .topic = "t", .body = "123456789-123456789-123456789-123456789-123456789-1234567");
    SAY(from, .topic = "room/lobby", .body = "small");
    SAY(from, .topic = "t", .body = "small");
    EXPECT(small, "room/lobby=small q0 seq:2\nt=small q0\n");
    ck_assert_uint_eq(RIG_COUNT(DROPPED_TOO_LARGE), 2);
    peers_close();
}
END_TEST

START_TEST(wills_go_where_publishes_go) { // [MQTT-3.1.2-8]
    peers_open();
    uint32_t ada = phoenix_in_lobby("ada");
    struct peer to = peer_3("to");
    SUBSCRIBE(to, FILTER("w"));
    (void)peer_heard(&to);
    struct peer one = peer_come(&(struct coming){.id = "one", .will = "room/lobby"});
    struct peer two = peer_come(&(struct coming){.id = "two", .will = "w"});
    rig_hangup(one.at);
    rig_hangup(two.at);
    rig_turns(4);
    RIG_EXPECT_FRAME(ada, WEBSOCKET_BINARY, "\x02\x0a\x05room:lobbyshoutwill");
    EXPECT(to, "w=will q0\n");
    peers_close();
}
END_TEST

START_TEST(who_unsubscribes_in_between_is_not_brought_back) {
    peers_open();
    struct peer five = peer_5("five");
    SUBSCRIBE(five, FILTER("room/lobby"));
    (void)peer_heard(&five);
    ck_assert(chat_room_end(&rig.chat, BYTES_LITERAL("lobby"), EXIT_KILLED));
    while (rig.gateway.mqtt_chores == BLOCK_NONE) { // as rig_turn, without the gateway's part
        (void)scheduler_turn(&rig.scheduler, rig.now_ns);
        (void)chat_flush(&rig.chat);
    }
    const struct mqtt_filter filter = FILTER("room/lobby");
    const struct mqtt_subscribe unsubscribe = {
        .version = MQTT_5, .packet_id = 2, .filter_count = 1};
    struct writer w = PEER_WRITER;
    mqtt_encode_subscribe(&w, MQTT_UNSUBSCRIBE, &unsubscribe, &filter);
    peer_send(&five, &w);
    rig_turns(4);
    EXPECT(five, "UNSUBACK 2 00\n");
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 0);
    peers_close();
}
END_TEST

UNIT_MAIN("gateway/mqtt_routes", a_publish_is_acknowledged_once_it_was_accepted,
          qos_2_sent_again_is_answered_again_and_passed_on_once, topics_of_the_server_are_refused,
          what_no_room_can_be_called_is_an_invalid_topic,
          more_than_the_receive_maximum_ends_the_connection,
          a_subscription_identifier_is_not_for_clients_to_send,
          an_acknowledgement_of_another_qos_ends_the_connection,
          what_is_refused_where_it_belongs_is_told_or_ends_the_connection,
          a_publish_that_is_too_early_waits_and_is_taken_later,
          an_answer_to_a_former_connection_is_nobodys,
          filters_that_cannot_be_are_refused_one_by_one, a_session_has_at_most_its_subscriptions,
          an_unsuback_tells_what_was_there,
          what_is_unsubscribed_before_its_suback_is_answered_all_the_same,
          sixteen_subscribes_under_way_are_enough, a_suback_of_many_filters_has_all_codes,
          more_filters_than_can_be_answered_end_the_connection,
          phoenix_and_mqtt_members_see_one_sequence, a_member_may_publish_without_being_one,
          a_rooms_retained_message_comes_as_its_subscriber_wants,
          one_room_named_many_times_takes_few_places, options_of_a_membership_are_replaced,
          mqtt_members_show_in_presence_by_user_else_client_id,
          presence_is_readable_beside_the_room,
          an_offline_session_stays_a_member_and_gets_what_it_missed,
          presence_goes_on_for_who_is_served_one_by_one_and_was_offline,
          a_room_that_ends_is_joined_again, five_is_told_which_messages_it_lost_and_three_is_not,
          what_is_larger_than_a_client_takes_is_not_sent, wills_go_where_publishes_go,
          who_unsubscribes_in_between_is_not_brought_back)
