// Goal: every handshake is kept to its end, every fault of a server is counted by its name. Method:
// fake streams, a made-up server; what the tool sends is decoded. (Reads cut anywhere, WebSocket:
// mqtt_client_test.c.)
#include "tests/unit/loadgen/mqtt_fixture.h"

START_TEST(mqtt_says_hello_and_joins_as_the_options_say) {
    struct mqtt_connect connect;
    struct mqtt_subscribe subscribe;
    struct mqtt_filter filter;
    struct mqtt_error error;
    struct bytes body;
    uint8_t flags;
    BEGIN("rooms", "--qos", "1", "--heartbeat-s", "10.5", "--first-user", "40", "--first-room", "3",
          "--topic-prefix", "a/", "--shared-group", "g");
    client_on_open(&run, 0, 0);
    take_last();
    ck_assert_int_eq(next_packet(&body, &flags), MQTT_CONNECT);
    ck_assert_int_eq(mqtt_decode_connect(body, &connect, &error), MQTT_OK);
    ck_assert_int_eq(connect.version, MQTT_5);
    ck_assert(connect.is_clean && !connect.has_will);
    ck_assert_uint_eq(connect.keep_alive_s, 21);
    ck_assert(bytes_equal_string(connect.client_id, "u0000040"));
    put_connack(0, 0);
    feed();
    ck_assert_int_eq(run.clients[0].state, CLIENT_JOINING);
    take_last();
    ck_assert_int_eq(next_packet(&body, &flags), MQTT_SUBSCRIBE);
    ck_assert_int_eq(mqtt_decode_subscribe(body, MQTT_5, &subscribe, &error), MQTT_OK);
    struct bytes left = subscribe.filters;
    ck_assert(mqtt_subscribe_next(&subscribe, &left, &filter));
    ck_assert(bytes_equal_string(filter.text, "$share/g/a/bench-3"));
    ck_assert_uint_eq(filter.qos, 1);
    ck_assert_int_eq(filter.retain_handling, MQTT_RETAIN_NEVER);
    fake_end();
    BEGIN("hold", "--mqtt-version", "3.1.1", "--heartbeat-s", "0");
    client_on_open(&run, 0, 0);
    take_last();
    ck_assert_int_eq(next_packet(&body, &flags), MQTT_CONNECT);
    ck_assert_int_eq(mqtt_decode_connect(body, &connect, &error), MQTT_OK);
    ck_assert_int_eq(connect.version, MQTT_3_1_1);
    ck_assert_uint_eq(connect.keep_alive_s, 0);
    fake_end();
}
END_TEST

// --- what we send --------------------------------------------------------------------------------

static bool publishes(uint32_t number) {
    struct stamp stamp = {.intended_ns = 5, .number = number};
    run.clients[0].unanswered++;
    run.outstanding++;
    return run.protocol->try_publish(&run, 0, 0, &stamp);
}

START_TEST(mqtt_publishes_with_the_qos_asked_for) {
    struct stamp stamp;
    BEGIN("rooms", "--qos", "0");
    join();
    ck_assert(publishes(7));
    struct mqtt_publish publish = last_publish();
    ck_assert_uint_eq(publish.qos, 0);
    ck_assert(bytes_equal_string(publish.topic, TOPIC));
    ck_assert(stamp_decode(publish.payload, &stamp) && stamp.number == 7);
    ck_assert_uint_eq(publish.payload.size, 64);
    ck_assert_uint_eq(client_owed(&run, 0), 0); // nobody answers it
    put_publish((struct made){.number = 7});
    feed();
    ck_assert_uint_eq(run.outstanding, 0); // its own copy says that it was there
    fake_end();
    BEGIN("rooms", "--qos", "1");
    join();
    ck_assert(publishes(1));
    publish = last_publish();
    ck_assert_uint_eq(publish.qos, 1);
    ck_assert_uint_eq(client_owed(&run, 0), 1);
    put_ack(MQTT_PUBACK, publish.packet_id, MQTT_NO_MATCHING_SUBSCRIBERS); // a success, 3.4.2.1
    feed();
    ck_assert_uint_eq(result.answered_all, 1);
    ck_assert_uint_eq(client_owed(&run, 0), 0);
    nothing_is_wrong();
    fake_end();
}
END_TEST

START_TEST(mqtt_keeps_the_handshake_of_qos_2_to_its_end) {
    BEGIN("rooms", "--qos", "2");
    join();
    ck_assert(publishes(1));
    uint16_t id = last_publish().packet_id;
    put_ack(MQTT_PUBREC, id, 0);
    feed();
    take_last();
    next_is_ack(MQTT_PUBREL, id);
    ck_assert_uint_eq(result.answered_all, 0);
    put_ack(MQTT_PUBCOMP, id, 0);
    feed();
    ck_assert_uint_eq(result.answered_all, 1);
    nothing_is_wrong();
    ck_assert(publishes(2)); // a PUBREC that refuses is the end, MQTT-4.3.3-4
    id = last_publish().packet_id;
    put_ack(MQTT_PUBREC, id, MQTT_QUOTA_EXCEEDED);
    uint32_t before = fake.pushes;
    feed();
    ck_assert_uint_eq(fake.pushes, before);
    ck_assert_uint_eq(result.answered_all, 2);
    ck_assert_uint_eq(result.rejected, 1);
    ck_assert_str_eq(result.rejected_detail, "0x97 quota exceeded");
    fake_end();
}
END_TEST

START_TEST(mqtt_keeps_the_servers_receive_maximum) {
    BEGIN("rooms", "--qos", "1");
    client_on_open(&run, 0, 0);
    put_connack(0, 2);
    put_suback(65534, 1);
    feed();
    fake.pushes = 0;
    for (uint32_t i = 1; i <= 4; i++)
        ck_assert(publishes(i));
    ck_assert_uint_eq(fake.pushes, 2);
    ck_assert_uint_eq(client_owed(&run, 0), 4);
    put_ack(MQTT_PUBACK, 1, 0);
    feed();
    ck_assert_uint_eq(fake.pushes, 3);
    put_ack(MQTT_PUBACK, 2, 0);
    put_ack(MQTT_PUBACK, 3, 0);
    put_ack(MQTT_PUBACK, 4, 0);
    feed();
    ck_assert_uint_eq(fake.pushes, 4);
    ck_assert_uint_eq(client_owed(&run, 0), 0);
    ck_assert_uint_eq(result.answered_all, 4);
    nothing_is_wrong();
    fake_end();
}
END_TEST

START_TEST(mqtt_counts_acknowledgements_that_nobody_waits_for) {
    BEGIN("rooms", "--qos", "2");
    join();
    ck_assert(publishes(1));
    uint16_t id = last_publish().packet_id;
    put_ack(MQTT_PUBREC, id, 0);
    put_ack(MQTT_PUBREC, id, 0); // again: strange, and released again
    put_ack(MQTT_PUBCOMP, id, 0);
    put_ack(MQTT_PUBCOMP, id, 0); // twice
    put_ack(MQTT_PUBREL, 99, 0);  // was never delivered
    feed();
    ck_assert_uint_eq(result.answered_all, 1);
    ck_assert_uint_eq(result.verify.duplicates, 1);
    ck_assert_uint_eq(result.strange, 2);
    take_last();
    next_is_ack(MQTT_PUBREL, id);
    next_is_ack(MQTT_PUBREL, id);
    next_is_ack(MQTT_PUBCOMP, 99);
    fake_end();
}
END_TEST

START_TEST(mqtt_requests_are_matched_by_their_packet_identifiers) {
    BEGIN("echo");
    join();
    run.clients[0].asked = run.clients[0].unanswered = 2;
    run.outstanding = 2;
    struct stamp stamp = {.intended_ns = 5, .number = 1};
    ck_assert(run.protocol->try_request(&run, 0, &stamp));
    struct mqtt_publish publish = last_publish();
    ck_assert_uint_eq(publish.qos, 1); // with --qos 0, too
    ck_assert(bytes_equal_string(publish.topic, "room/echo-0"));
    stamp = (struct stamp){.intended_ns = 6, .number = 2};
    ck_assert(run.protocol->try_request(&run, 0, &stamp));
    put_ack(MQTT_PUBACK, 2, 0); // in the other order
    put_ack(MQTT_PUBACK, 1, MQTT_NOT_AUTHORIZED);
    feed();
    ck_assert_uint_eq(result.latency.count, 2);
    ck_assert_uint_eq(result.answered_all, 2);
    ck_assert_uint_eq(result.verify.disordered, 1);
    ck_assert_str_eq(result.rejected_detail, "0x87 not authorized");
    fake_end();
}
END_TEST

START_TEST(mqtt_times_heartbeats_in_their_order) {
    BEGIN("hold");
    join();
    put_empty(MQTT_PINGRESP); // for nothing
    feed();
    ck_assert_uint_eq(result.strange, 1);
    struct stamp stamp = {.intended_ns = 5000};
    ck_assert(run.protocol->try_heartbeat(&run, 0, &stamp));
    stamp.intended_ns = 7000;
    ck_assert(run.protocol->try_heartbeat(&run, 0, &stamp));
    put_empty(MQTT_PINGRESP);
    feed();
    ck_assert_uint_eq(result.heartbeats_answered, 1);
    ck_assert_uint_eq(result.heartbeat.max_ns, run.read_ns - 5000);
    put_empty(MQTT_PINGRESP);
    feed();
    ck_assert_uint_eq(result.heartbeats_answered, 2);
    ck_assert_uint_eq(result.strange, 1);
    fake_end();
}
END_TEST

START_TEST(mqtt_leaves_and_joins_again) {
    BEGIN("rooms", "--qos", "1");
    join();
    put_publish((struct made){.number = 1});
    feed();
    ck_assert(client_try_leave(&run, 0));
    struct mqtt_suback unsuback = {
        .version = MQTT_5, .packet_id = 65535, .codes = BYTES_LITERAL("\0")};
    mqtt_encode_suback(&server, MQTT_UNSUBACK, &unsuback);
    feed();
    ck_assert_int_eq(run.clients[0].member, CLIENT_OUT);
    run.rooms[0].published = 5; // 2 … 5 while it was away
    ck_assert(client_try_join(&run, 0));
    put_suback(65534, 1);
    put_publish((struct made){.number = 5}); // under way when it came
    put_publish((struct made){.number = 6});
    put_publish((struct made){.number = 8});
    feed();
    run.rooms[0].published = 9;
    receive_finish(&run);
    ck_assert_uint_eq(result.verify.lost, 1);    // 7
    ck_assert_uint_eq(result.verify.missing, 1); // 9
    ck_assert_uint_eq(result.verify.duplicates + result.verify.disordered, 0);
    fake_end();
}
END_TEST

// --- faults in deliveries ------------------------------------------------------------------------

START_TEST(mqtt_counts_loss_duplicates_and_order_by_the_servers_numbers) {
    BEGIN("rooms");
    join();
    run.rooms[0].published = 7;
    put_publish((struct made){.number = 2, .sequence = 12}); // 1 was lost, or 11 is late
    put_publish((struct made){.number = 1, .sequence = 11});
    put_publish((struct made){.number = 2, .sequence = 12});
    put_publish((struct made){.number = 5, .sequence = 15}); // 13 and 14 never come
    put_publish((struct made){.sequence = 16});              // somebody else's
    feed();
    run.rooms[0].last_sequence = 18;
    receive_finish(&run);
    ck_assert_uint_eq(result.verify.disordered, 1);
    ck_assert_uint_eq(result.verify.duplicates, 1);
    ck_assert_uint_eq(result.verify.lost, 2);
    ck_assert_uint_eq(result.verify.missing, 2);
    ck_assert_uint_eq(result.foreign, 1);
    ck_assert(result.has_sequence && result.is_order_checked);
    fake_end();
}
END_TEST

START_TEST(mqtt_what_others_said_last_is_missing_to_nobody) {
    BEGIN("rooms");
    join();
    client_on_open(&run, 1, 1);
    put_connack(0, 0);
    put_suback(65534, 0);
    put_publish((struct made){.number = 1, .sequence = 11});
    feed_to(1, 0, server.size);
    server.size = 0;
    run.rooms[0].published = 1;
    put_publish((struct made){.number = 1, .sequence = 11});
    put_publish((struct made){.sequence = 12});
    put_publish((struct made){.publisher = 77, .number = 9, .sequence = 13}); // another tool's
    feed();
    receive_finish(&run);
    ck_assert_uint_eq(result.foreign, 2);
    ck_assert_uint_eq(result.verify.received, 4);
    nothing_is_wrong();
    fake_end();
}
END_TEST

START_TEST(mqtt_a_member_that_gets_nothing_at_all_misses_everything) {
    BEGIN("rooms");
    join();
    run.numbers = RUN_NUMBERS_SERVER; // others got theirs
    run.rooms[0].last_sequence = 30;
    run.rooms[0].published = 3;
    receive_finish(&run);
    ck_assert_uint_eq(result.verify.missing, 3);
    fake_end();
}
END_TEST

START_TEST(mqtt_redeliveries_are_no_duplicates_and_duplicates_are) {
    BEGIN("rooms", "--qos", "2");
    join();
    put_publish((struct made){.qos = 1, .packet_id = 1, .number = 1});
    put_publish((struct made){.qos = 1, .packet_id = 1, .number = 1, .is_duplicate = true});
    put_publish((struct made){.qos = 2, .packet_id = 2, .number = 2});
    put_publish((struct made){.qos = 2, .packet_id = 2, .number = 2, .is_duplicate = true});
    feed();
    ck_assert_uint_eq(result.redelivered, 2);
    ck_assert_uint_eq(result.verify.duplicates, 0);
    take_last();
    next_is_ack(MQTT_PUBACK, 1);
    next_is_ack(MQTT_PUBACK, 1);
    next_is_ack(MQTT_PUBREC, 2);
    next_is_ack(MQTT_PUBREC, 2);
    put_ack(MQTT_PUBREL, 2, 0);
    put_publish((struct made){.qos = 2, .packet_id = 2, .number = 2}); // a second time after all
    put_publish((struct made){.qos = 1, .packet_id = 3, .number = 1});
    feed();
    ck_assert_uint_eq(result.verify.duplicates, 2);
    ck_assert_uint_eq(result.redelivered, 2);
    fake_end();
}
END_TEST

START_TEST(mqtt_of_a_shared_group_exactly_one_gets_each_message) {
    BEGIN("rooms", "--shared-group", "g", "--topic-prefix", "room/");
    join();
    client_on_open(&run, 1, 1);
    put_connack(0, 0);
    put_suback(65534, 0);
    feed_to(1, 0, server.size);
    server.size = 0;
    run.rooms[0].published = 6;
    put_publish((struct made){.number = 1});
    put_publish((struct made){.number = 4});
    put_publish((struct made){.number = 3}); // out of order at this member
    feed();
    put_publish((struct made){.number = 2});
    put_publish((struct made){.number = 3}); // and had it already: two members
    feed_to(1, 0, server.size);
    receive_finish(&run);
    ck_assert_uint_eq(result.verify.disordered, 1);
    ck_assert_uint_eq(result.verify.duplicates, 1);
    ck_assert_uint_eq(result.verify.lost + result.verify.missing, 2); // 5 and 6
    fake_end();
}
END_TEST

// --- refusals ------------------------------------------------------------------------------------

START_TEST(mqtt_tells_why_a_connection_was_refused) {
    BEGIN("rooms");
    client_on_open(&run, 0, 0);
    put_connack(MQTT_NOT_AUTHORIZED, 0);
    is_refused(RESULT_REFUSED, "the server refused the connection: 0x87 not authorized");
    BEGIN("rooms", "--mqtt-version", "3.1.1");
    client_on_open(&run, 0, 0);
    put_connack(3, 0);
    is_refused(RESULT_REFUSED, "the server refused the connection: code 3 server unavailable");
    BEGIN("rooms"); // 3.1.1's own form of an answer
    client_on_open(&run, 0, 0);
    writer_put(&server, BYTES_LITERAL("\x20\x02\x00\x01"));
    is_refused(RESULT_REFUSED, "(for this server: --mqtt-version 3.1.1)");
    BEGIN("rooms", "--qos", "2");
    client_on_open(&run, 0, 0);
    struct mqtt_connack connack = {.version = MQTT_5};
    MQTT_PROPERTIES_SET(&connack.properties, maximum_qos, 1);
    mqtt_encode_connack(&server, &connack);
    is_refused(RESULT_REFUSED, "the server takes QoS 1 at most, --qos is 2");
    BEGIN("rooms", "--payload-bytes", "1000");
    client_on_open(&run, 0, 0);
    connack = (struct mqtt_connack){.version = MQTT_5};
    MQTT_PROPERTIES_SET(&connack.properties, packet_bytes_max, 1000);
    mqtt_encode_connack(&server, &connack);
    is_refused(RESULT_REFUSED, "packets of 1000 bytes at most, --payload-bytes 1000");
    BEGIN("rooms", "--shared-group", "g");
    client_on_open(&run, 0, 0);
    connack = (struct mqtt_connack){.version = MQTT_5};
    MQTT_PROPERTIES_SET(&connack.properties, shared_available, 0);
    mqtt_encode_connack(&server, &connack);
    is_refused(RESULT_REFUSED, "no shared subscriptions");
}
END_TEST

START_TEST(mqtt_tells_why_a_subscription_was_refused) {
    BEGIN("rooms");
    client_on_open(&run, 0, 0);
    put_connack(0, 0);
    put_suback(65534, MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
    is_refused(RESULT_JOIN, "room/bench-0 was refused: 0x9e shared subscriptions not supported");
    BEGIN("rooms", "--mqtt-version", "3.1.1");
    client_on_open(&run, 0, 0);
    put_connack(0, 0);
    put_suback(65534, 0x80);
    is_refused(RESULT_JOIN, "room/bench-0 was refused: 0x80 failure");
    BEGIN("rooms", "--qos", "2");
    client_on_open(&run, 0, 0);
    put_connack(0, 0);
    put_suback(65534, 1);
    is_refused(RESULT_JOIN, "room/bench-0 got QoS 1, --qos is 2");
}
END_TEST

START_TEST(mqtt_tells_when_a_server_speaks_something_else) {
    static const struct {
        const char *said;
        const char *told;
    } strangers[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "is no MQTT server"},
        {"SSH-2.0-OpenSSH_9.2p1\r\n", "it said 'SSH-2.0-OpenSSH_9.2p1'"},
        {"\x15\x03\x01", "speaks TLS"},
        {"\xd0", "is no MQTT server"}, // part of a PINGRESP, and then the end
    };
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        BEGIN("rooms");
        client_on_open(&run, 0, 0);
        writer_put_string(&server, strangers[i].said);
        feed();
        client_on_end(&run, 0, STREAM_END_PEER_CLOSED);
        is_refused(RESULT_NOT_MQTT, strangers[i].told);
    }
    BEGIN("rooms");
    client_on_open(&run, 0, 0);
    put_suback(1, 0); // MQTT-3.2.0-1
    is_refused(RESULT_NOT_MQTT, "its first packet is no CONNACK");
    BEGIN("rooms");
    client_on_open(&run, 0, 0);
    client_on_end(&run, 0, STREAM_END_PEER_CLOSED);
    is_refused(RESULT_NOT_MQTT, "before it answered the MQTT CONNECT");
}
END_TEST

START_TEST(mqtt_tells_why_a_connection_was_ended) {
    struct mqtt_farewell farewell = {.reason = MQTT_SESSION_TAKEN_OVER};
    MQTT_PROPERTIES_SET(&farewell.properties, reason_string, BYTES_LITERAL("who else"));
    BEGIN("rooms");
    join();
    ck_assert_uint_eq(fake.closes, 0);
    mqtt_encode_farewell(&server, MQTT_DISCONNECT, MQTT_5, &farewell);
    is_refused(RESULT_CLOSED, "ended a connection: 0x8e session taken over: who else");
    BEGIN("rooms", "--mqtt-version", "3.1.1");
    join();
    mqtt_encode_header(&server, MQTT_DISCONNECT, 0, 0);
    is_refused(RESULT_PROTOCOL, "it sent DISCONNECT");
    BEGIN("rooms");
    join();
    put_empty(MQTT_PINGREQ);
    is_refused(RESULT_PROTOCOL, "it sent PINGREQ");
    BEGIN("rooms");
    join();
    writer_put(&server, BYTES_LITERAL("\x36\x02\x00\x00")); // QoS 3
    is_refused(RESULT_PROTOCOL, "[MQTT-3.3.1-4]");
    BEGIN("rooms", "--qos", "1");
    join();
    ck_assert(publishes(1));
    put_ack(MQTT_PUBCOMP, 1, 0); // of a QoS 1 message
    is_refused(RESULT_PROTOCOL, "it sent PUBCOMP");
    BEGIN("rooms", "--qos", "2");
    join();
    ck_assert(publishes(1));
    put_ack(MQTT_PUBCOMP, 1, 0); // before PUBREC
    is_refused(RESULT_PROTOCOL, "it sent PUBCOMP");
}
END_TEST

UNIT_MAIN("loadgen/protocol_mqtt", mqtt_says_hello_and_joins_as_the_options_say,
          mqtt_publishes_with_the_qos_asked_for, mqtt_keeps_the_handshake_of_qos_2_to_its_end,
          mqtt_keeps_the_servers_receive_maximum,
          mqtt_counts_acknowledgements_that_nobody_waits_for,
          mqtt_requests_are_matched_by_their_packet_identifiers,
          mqtt_times_heartbeats_in_their_order, mqtt_leaves_and_joins_again,
          mqtt_counts_loss_duplicates_and_order_by_the_servers_numbers,
          mqtt_what_others_said_last_is_missing_to_nobody,
          mqtt_a_member_that_gets_nothing_at_all_misses_everything,
          mqtt_redeliveries_are_no_duplicates_and_duplicates_are,
          mqtt_of_a_shared_group_exactly_one_gets_each_message,
          mqtt_tells_why_a_connection_was_refused, mqtt_tells_why_a_subscription_was_refused,
          mqtt_tells_when_a_server_speaks_something_else, mqtt_tells_why_a_connection_was_ended)
