// Goal: what goes to a client with QoS 1 and 2 goes as MQTT 5.0 4.3, 4.4, 4.6 and 4.9 say, within
// its bounds, and is in the audit once. Method: the real sessions and outbox over mqtt_rig.h with
// messages that are numbers; random walks stand in mqtt_outbox_model_test.c.
#include "tests/unit/gateway/mqtt_outbox_rig.h"

void mqtt_inbox_on_offline(struct gateway *gateway, uint32_t session) {
}

void mqtt_inbox_release(struct gateway *gateway, uint32_t session) {
}

static uint32_t open_one(void) {
    rig_open();
    return RIG_START(.id = "a", .expiry_s = 1000);
}

static void come_back(uint32_t session) {
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 1000), session);
    ck_assert(rig_is_present);
    mqtt_outbox_validate(&rig.gateway, session);
}

// --- the three levels ----------------------------------------------------------------------------

START_TEST(qos_0_goes_at_once_or_is_dropped) { // [MQTT-4.3.1-1]
    uint32_t a = open_one();
    RIG_PUSH(a, .number = 1);
    RIG_EXPECT_TAKEN(a, "q0 #1\n");
    rig_lose(a);
    RIG_PUSH(a, .number = 2);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_OFFLINE), 1);
    come_back(a);
    RIG_EXPECT_TAKEN(a, "");
    ck_assert_uint_eq(RIG_COUNT(DELIVERED), 1);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(qos_1_is_gone_with_its_puback) { // [MQTT-4.3.2-1] … [MQTT-4.3.2-3]
    uint32_t a = open_one();
    size_t bytes = rig.blocks.bytes_used;
    RIG_PUSH(a, .number = 1, .qos = 1);
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1\n");
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 1);
    RIG_ACK(a, MQTT_PUBACK, 1);
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 0);
    ck_assert_uint_eq(rig_session(a)->outbox, BLOCK_NONE);
    ck_assert_uint_eq(rig.blocks.bytes_used, bytes);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(qos_2_is_gone_with_its_pubcomp) { // [MQTT-4.3.3-1] … [MQTT-4.3.3-5]
    uint32_t a = open_one();
    RIG_PUSH(a, .number = 1, .qos = 2);
    RIG_EXPECT_TAKEN(a, "q2 #1 id 1\n");
    RIG_ACK(a, MQTT_PUBREC, 1);
    RIG_EXPECT_TAKEN(a, "rel 1 00\n");
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 1);
    RIG_ACK(a, MQTT_PUBCOMP, 1);
    ck_assert_uint_eq(rig_session(a)->outbox, BLOCK_NONE);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(a_pubrec_that_refuses_ends_the_message) { // 4.3.3, [MQTT-4.9.0-2]
    uint32_t a = open_one();
    RIG_PUSH(a, .number = 1, .qos = 2);
    RIG_EXPECT_TAKEN(a, "q2 #1 id 1\n");
    ck_assert_int_eq(rig_ack(a, MQTT_PUBREC, 1, MQTT_QUOTA_EXCEEDED), MQTT_SUCCESS);
    RIG_EXPECT_TAKEN(a, "");
    ck_assert_uint_eq(rig_session(a)->outbox, BLOCK_NONE);
    rig_close();
}
END_TEST

START_TEST(acknowledgements_of_nothing_change_nothing) { // 3.6.2.1, 0x92
    uint32_t a = open_one();
    ck_assert_int_eq(rig_ack(a, MQTT_PUBACK, 7, MQTT_SUCCESS), MQTT_PACKET_ID_NOT_FOUND);
    ck_assert_int_eq(rig_ack(a, MQTT_PUBCOMP, 7, MQTT_SUCCESS), MQTT_PACKET_ID_NOT_FOUND);
    ck_assert_int_eq(rig_ack(a, MQTT_PUBREC, 7, MQTT_SUCCESS), MQTT_PACKET_ID_NOT_FOUND);
    RIG_EXPECT_TAKEN(a, "rel 7 92\n");
    RIG_PUSH(a, .number = 1, .qos = 1);
    RIG_PUSH(a, .number = 2, .qos = 2);
    ck_assert_int_eq(rig_ack(a, MQTT_PUBREC, 1, MQTT_SUCCESS), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(rig_ack(a, MQTT_PUBCOMP, 1, MQTT_SUCCESS), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(rig_ack(a, MQTT_PUBACK, 2, MQTT_SUCCESS), MQTT_PROTOCOL_ERROR);
    ck_assert_int_eq(rig_ack(a, MQTT_PUBCOMP, 2, MQTT_SUCCESS), MQTT_PROTOCOL_ERROR);
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 2);
    RIG_ACK(a, MQTT_PUBACK, 1);
    ck_assert_int_eq(rig_ack(a, MQTT_PUBACK, 1, MQTT_SUCCESS), MQTT_PACKET_ID_NOT_FOUND);
    rig_close();
}
END_TEST

START_TEST(subscription_identifiers_go_along) { // [MQTT-3.3.4-3]
    static const uint32_t ids[] = {5, 60, 700};
    uint32_t a = open_one();
    rig_lose(a);
    for (uint32_t i = 0; i <= 3; i++)
        RIG_PUSH(a, .number = i, .qos = 1, .id_count = i, .ids = ids);
    come_back(a);
    const uint32_t sums[] = {0, 5, 65, 765};
    for (uint32_t i = 0; i <= 3; i++) {
        struct rig_taken taken = rig_take(a);
        ck_assert_uint_eq(taken.publish.id_count, i);
        ck_assert_uint_eq(taken.publish.id_sum, sums[i]);
        ck_assert_uint_eq(taken.publish.sequence, i % 2 ? i : 0);
    }
    rig_close();
}
END_TEST

// --- connections lost ----------------------------------------------------------------------------

START_TEST(what_was_sent_goes_again_with_dup_in_order) { // [MQTT-4.4.0-1] [MQTT-4.6.0-1]
    uint32_t a = open_one();
    for (uint32_t i = 1; i <= 4; i++)
        RIG_PUSH(a, .number = i, .qos = (uint8_t)(1 + i % 2));
    RIG_EXPECT_TAKEN(a, "q2 #1 id 1\nq1 #2 id 2\nq2 #3 id 3\nq1 #4 id 4\n");
    RIG_ACK(a, MQTT_PUBACK, 2);
    RIG_ACK(a, MQTT_PUBREC, 3);
    RIG_EXPECT_TAKEN(a, "rel 3 00\n");
    rig_lose(a);
    RIG_PUSH(a, .number = 5, .qos = 1);
    come_back(a);
    RIG_EXPECT_TAKEN(a, "q2 #1 id 1 dup\nrel 3 00\nq1 #4 id 4 dup\nq1 #5 id 5\n");
    ck_assert_uint_eq(RIG_COUNT(MQTT_REDELIVERED), 2);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(qos_2_abandoned_at_each_step_is_taken_up_there) { // [MQTT-4.3.3-6], 4.4
    uint32_t a = open_one();
    RIG_PUSH(a, .number = 1, .qos = 2);
    rig_lose(a); // before the PUBLISH left
    come_back(a);
    RIG_EXPECT_TAKEN(a, "q2 #1 id 1 dup\n");
    rig_lose(a); // before the PUBREC
    come_back(a);
    RIG_EXPECT_TAKEN(a, "q2 #1 id 1 dup\n");
    RIG_ACK(a, MQTT_PUBREC, 1);
    rig_lose(a); // before the PUBREL left
    come_back(a);
    RIG_EXPECT_TAKEN(a, "rel 1 00\n");
    rig_lose(a); // before the PUBCOMP
    come_back(a);
    RIG_EXPECT_TAKEN(a, "rel 1 00\n");
    RIG_ACK(a, MQTT_PUBREC, 1); // again: its PUBREL too
    RIG_EXPECT_TAKEN(a, "rel 1 00\n");
    RIG_ACK(a, MQTT_PUBCOMP, 1);
    rig_lose(a);
    come_back(a);
    RIG_EXPECT_TAKEN(a, "");
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(redelivery_keeps_to_a_smaller_window) { // [MQTT-3.1.2-11] of receive maximum, 4.9
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000, .receive_max = 4);
    for (uint32_t i = 1; i <= 6; i++)
        RIG_PUSH(a, .number = i, .qos = i == 1 ? 2 : 1);
    RIG_EXPECT_TAKEN(a, "q2 #1 id 1\nq1 #2 id 2\nq1 #3 id 3\nq1 #4 id 4\n");
    RIG_ACK(a, MQTT_PUBREC, 1);
    rig_lose(a);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 1000, .receive_max = 2), a);
    RIG_EXPECT_TAKEN(a, "rel 1 00\nq1 #2 id 2 dup\nq1 #3 id 3 dup\n"); // a PUBREL needs no place
    RIG_ACK(a, MQTT_PUBCOMP, 1);
    RIG_EXPECT_TAKEN(a, "");
    RIG_ACK(a, MQTT_PUBACK, 3);
    RIG_EXPECT_TAKEN(a, "q1 #4 id 4 dup\n");
    RIG_ACK(a, MQTT_PUBACK, 2);
    RIG_ACK(a, MQTT_PUBACK, 4);
    RIG_EXPECT_TAKEN(a, "q1 #5 id 5\nq1 #6 id 6\n");
    rig_close();
}
END_TEST

START_TEST(a_session_that_ends_gives_all_up) {
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000, .receive_max = 2, .alias_max = 4);
    static const uint32_t ids[] = {1, 2};
    for (uint32_t i = 1; i <= 5; i++)
        RIG_PUSH(a, .number = i, .qos = 2, .id_count = 2, .ids = ids);
    (void)rig_take(a);
    RIG_ACK(a, MQTT_PUBREC, 1);
    rig_lose(a);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_CLOSED), 1); // in the stream
    rig_wait_ms(1002000);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_CLOSED), 4);
    ck_assert_uint_eq(RIG_COUNT(DELIVERED), 1);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

// --- window, stream, bounds ----------------------------------------------------------------------

START_TEST(no_more_are_under_way_than_the_window_holds) { // [MQTT-4.9.0-1] … [MQTT-4.9.0-3]
    rig_open();
    rig.config.mqtt_inflight_max = 3;
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000, .receive_max = 10);
    for (uint32_t i = 1; i <= 6; i++)
        RIG_PUSH(a, .number = i, .qos = i == 2 ? 2 : 1);
    RIG_PUSH(a, .number = 8);
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1\nq2 #2 id 2\nq1 #3 id 3\nq0 #8\n"); // QoS 0 needs no place
    RIG_ACK(a, MQTT_PUBREC, 2); // not yet: its place is free with the PUBCOMP
    RIG_EXPECT_TAKEN(a, "rel 2 00\n");
    RIG_ACK(a, MQTT_PUBACK, 3);
    RIG_EXPECT_TAKEN(a, "q1 #4 id 4\n");
    RIG_ACK(a, MQTT_PUBCOMP, 2);
    RIG_EXPECT_TAKEN(a, "q1 #5 id 5\n");
    RIG_ACK(a, MQTT_PUBACK, 1);
    RIG_EXPECT_TAKEN(a, "q1 #6 id 6\n");
    rig_close();
}
END_TEST

START_TEST(qos_0_in_turn_does_not_overtake_those_that_wait) { // SEMANTICS: order
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000, .receive_max = 2);
    for (uint32_t i = 1; i <= 7; i += 2)
        RIG_PUSH(a, .number = i, .qos = 1);
    RIG_PUSH(a, .number = 9, .is_in_turn = true);
    RIG_PUSH(a, .number = 10);
    RIG_PUSH(a, .number = 11, .qos = 2);
    RIG_PUSH(a, .number = 13, .is_in_turn = true);
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1\nq1 #3 id 2\nq0 #10\n");
    RIG_ACK(a, MQTT_PUBACK, 2);
    RIG_EXPECT_TAKEN(a, "q1 #5 id 3\n");
    RIG_ACK(a, MQTT_PUBACK, 1);
    RIG_EXPECT_TAKEN(a, "q1 #7 id 4\nq0 #9\n"); // which needs no place in the window
    RIG_ACK(a, MQTT_PUBACK, 3);
    RIG_EXPECT_TAKEN(a, "q2 #11 id 5\nq0 #13\n");
    RIG_PUSH(a, .number = 15, .is_in_turn = true);
    RIG_EXPECT_TAKEN(a, "q0 #15\n");
    RIG_ACK(a, MQTT_PUBACK, 4);
    RIG_ACK(a, MQTT_PUBREC, 5);
    RIG_ACK(a, MQTT_PUBCOMP, 5);
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 0);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(a_full_stream_is_waited_for) {
    uint32_t a = open_one();
    uint32_t half = rig.config.out_queue_bytes_max / 2 - 20;
    for (uint32_t i = 1; i <= 3; i++)
        RIG_PUSH(a, .number = i, .qos = 1, .size = half);
    ck_assert(mqtt_session_has(rig_session(a), MQTT_SESSION_BLOCKED));
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1\nq1 #2 id 2\n");
    rig_wait_ms(100); // its timer looks again
    RIG_EXPECT_TAKEN(a, "q1 #3 id 3\n");
    RIG_PUSH(a, .number = 4, .qos = 1, .size = half * 3); // an empty queue takes any one message
    RIG_PUSH(a, .number = 5, .qos = 1);
    RIG_EXPECT_TAKEN(a, "q1 #4 id 4\n");
    RIG_ACK(a, MQTT_PUBACK, 4);
    rig_turn(); // so does an acknowledgement, at once
    RIG_EXPECT_TAKEN(a, "q1 #5 id 5\n");
    ck_assert_uint_eq(RIG_COUNT(DROPPED_SLOW), 0);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(redelivered_pubrels_wait_for_room_among_replies) {
    uint32_t a = open_one();
    for (uint32_t i = 1; i <= 3; i++) {
        RIG_PUSH(a, .number = i, .qos = 2);
        (void)rig_take(a);
        RIG_ACK(a, MQTT_PUBREC, (uint16_t)i);
    }
    rig_lose(a);
    rig.gateway.parts.control_bytes_max = 8; // half of it is one PUBREL
    come_back(a);
    RIG_EXPECT_TAKEN(a, "rel 1 00\nrel 2 00\n");
    rig_wait_ms(100);
    RIG_EXPECT_TAKEN(a, "rel 3 00\n");
    rig_close();
}
END_TEST

START_TEST(beyond_the_queues_bound_the_oldest_is_dropped) {
    uint32_t a = open_one();
    rig.config.mqtt_session_queue_max = 3;
    RIG_PUSH(a, .number = 1, .qos = 1); // under way: not of those that wait
    rig_lose(a);
    for (uint32_t i = 2; i <= 4; i++)
        RIG_PUSH(a, .number = i, .qos = 1);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_SLOW), 0);
    RIG_PUSH(a, .number = 5, .qos = 1);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_SLOW), 1);
    RIG_PUSH(a, .number = 6, .qos = 1);
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 4);
    come_back(a);
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1 dup\nq1 #4 id 2\nq1 #5 id 3\nq1 #6 id 4\n");
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(beyond_the_queues_bytes_the_oldest_is_dropped) {
    uint32_t a = open_one();
    rig.config.mqtt_session_queue_bytes_max = 1000;
    rig_lose(a);
    RIG_PUSH(a, .number = 1, .qos = 1, .size = 500);
    RIG_PUSH(a, .number = 2, .qos = 1, .size = 500);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_SLOW), 0);
    RIG_PUSH(a, .number = 3, .qos = 1, .size = 100);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_SLOW), 1);
    RIG_PUSH(a, .number = 4, .qos = 1, .size = 5000); // any one may wait
    ck_assert_uint_eq(RIG_COUNT(DROPPED_SLOW), 3);
    come_back(a);
    RIG_EXPECT_TAKEN(a, "q1 #4 id 1\n");
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(what_expires_while_it_waits_is_not_sent) { // [MQTT-3.3.2-5]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000, .receive_max = 1);
    RIG_PUSH(a, .number = 1, .qos = 1, .expires_s = 5);
    RIG_PUSH(a, .number = 2, .qos = 1, .expires_s = 5);
    RIG_PUSH(a, .number = 3, .qos = 1, .expires_s = 50);
    rig_lose(a);
    rig_wait_ms(5000);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 1000, .receive_max = 1), a);
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1 dup\n"); // its delivery had begun
    RIG_ACK(a, MQTT_PUBACK, 1);
    struct rig_taken taken = rig_take(a);
    ck_assert_uint_eq(taken.publish.number, 3);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_EXPIRED), 1);
    RIG_PUSH(a, .number = 4, .expires_s = 1);
    RIG_EXPECT_TAKEN(a, "q0 #4\n");
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

START_TEST(beyond_the_clients_packet_size_it_counts_as_delivered) { // [MQTT-3.1.2-24] and -25
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000, .packet_bytes_max = 100);
    RIG_PUSH(a, .number = 1, .qos = 1, .size = 100);
    RIG_PUSH(a, .number = 2, .qos = 1, .size = 101);
    RIG_PUSH(a, .number = 3, .qos = 0, .size = 101);
    RIG_PUSH(a, .number = 4, .qos = 0, .size = 100);
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1\nq0 #4\n");
    ck_assert_uint_eq(RIG_COUNT(DROPPED_TOO_LARGE), 2);
    rig_lose(a);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 1000, .packet_bytes_max = 99), a);
    RIG_EXPECT_TAKEN(a, ""); // what it took before is no drop
    ck_assert_uint_eq(RIG_COUNT(DROPPED_TOO_LARGE), 2);
    ck_assert_uint_eq(rig_session(a)->outbox, BLOCK_NONE);
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

// --- topic aliases -------------------------------------------------------------------------------

START_TEST(topics_are_named_once_where_the_client_takes_aliases) { // [MQTT-3.1.2-26], 3.3.2.3.4
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000, .alias_max = 2);
    static const struct {
        uint32_t topic;
        uint16_t alias;
        bool has_topic;
    } expected[] = {{7, 1, true}, {7, 1, false}, {8, 2, true},
                    {9, 0, true}, {8, 2, false}, {7, 1, false}};
    for (uint32_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        RIG_PUSH(a, .number = i, .qos = 1, .topic = expected[i].topic);
        struct rig_taken taken = rig_take(a);
        ck_assert_uint_eq(taken.publish.topic_alias, expected[i].alias);
        ck_assert_int_eq(taken.publish.has_topic, expected[i].has_topic);
    }
    rig_lose(a); // another connection knows none of them [MQTT-3.3.2-7]
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 1000, .alias_max = 1), a);
    struct rig_taken taken = rig_take(a);
    ck_assert(taken.publish.has_topic && taken.publish.topic_alias == 1);
    taken = rig_take(a);
    ck_assert(!taken.publish.has_topic && taken.publish.topic_alias == 1);
    taken = rig_take(a);
    ck_assert(taken.publish.has_topic && taken.publish.topic_alias == 0);
    rig_close();
}
END_TEST

START_TEST(without_aliases_each_packet_has_its_topic) { // [MQTT-3.1.2-27]
    uint32_t a = open_one();
    for (uint32_t i = 0; i < 3; i++) {
        RIG_PUSH(a, .number = i, .qos = 1);
        struct rig_taken taken = rig_take(a);
        ck_assert(taken.publish.has_topic && taken.publish.topic_alias == 0);
    }
    rig_close();
}
END_TEST

// --- packet identifiers --------------------------------------------------------------------------

START_TEST(identifiers_go_round_without_0_and_past_those_in_use) { // [MQTT-2.2.1-3] [MQTT-2.2.1-4]
    uint32_t a = open_one();
    RIG_PUSH(a, .number = 1, .qos = 1);
    RIG_PUSH(a, .number = 2, .qos = 1);
    (void)rig_taken_text(a);
    RIG_ACK(a, MQTT_PUBACK, 1); // 2 stays
    for (uint32_t i = 3; i <= 65536; i++) {
        RIG_PUSH(a, .number = i, .qos = 1);
        struct rig_taken taken = rig_take(a);
        ck_assert_uint_eq(taken.publish.packet_id, i <= 65535 ? i : 1);
        RIG_ACK(a, MQTT_PUBACK, taken.publish.packet_id);
    }
    RIG_PUSH(a, .number = 0, .qos = 1);
    RIG_PUSH(a, .number = 0, .qos = 2);
    RIG_EXPECT_TAKEN(a, "q1 #0 id 3\nq2 #0 id 4\n");
    RIG_ACK(a, MQTT_PUBREC, 4);
    RIG_ACK(a, MQTT_PUBACK, 2);
    RIG_ACK(a, MQTT_PUBCOMP, 4);
    RIG_ACK(a, MQTT_PUBACK, 3);
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 0);
    rig_close();
}
END_TEST

START_TEST(when_all_identifiers_are_in_use_the_next_waits) {
    rig_open_with(4, 64 << 20);
    rig.config.mqtt_inflight_max = 65535;
    rig.config.mqtt_session_queue_max = 100000;
    rig.config.mqtt_session_queue_bytes_max = 1 << 30;
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000);
    uint64_t payload = payload_acquire(&rig.scheduler, sizeof(struct rig_message));
    *(struct rig_message *)payload_data(&rig.scheduler, payload) =
        (struct rig_message){.size = RIG_WIRE_BYTES};
    const struct mqtt_delivery delivery = {.source = MQTT_FROM_TOPIC, .payload = payload, .qos = 1};
    for (uint32_t i = 1; i <= 65536; i++) {
        mqtt_outbox_push(&rig.gateway, a, &delivery);
        while (rig_take(a).is_any)
            continue;
    }
    payload_unref(&rig.scheduler, payload);
    ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), 65536);
    mqtt_outbox_validate(&rig.gateway, a);
    const struct mqtt_ack ack = {.version = MQTT_5, .packet_id = 40000};
    ck_assert_int_eq(mqtt_outbox_on_ack(&rig.gateway, a, MQTT_PUBACK, &ack), MQTT_SUCCESS);
    ck_assert_uint_eq(rig_take(a).publish.packet_id, 40000); // the one that is free
    rig_close();
}
END_TEST

// --- memory --------------------------------------------------------------------------------------

START_TEST(without_memory_for_an_entry_the_message_is_dropped) {
    static const uint32_t ids[] = {1, 2};
    rig_open_with(4, 8192);
    uint32_t a = RIG_START(.id = "a", .expiry_s = 1000);
    uint64_t payload = payload_acquire(&rig.scheduler, sizeof(struct rig_message));
    *(struct rig_message *)payload_data(&rig.scheduler, payload) =
        (struct rig_message){.size = RIG_WIRE_BYTES};
    struct mqtt_delivery delivery = {
        .source = MQTT_FROM_TOPIC, .payload = payload, .qos = 1, .id_count = 2, .ids = ids};
    uint32_t full[256];
    for (uint32_t kept = 0; kept < 6; kept++) { // so many blocks are left
        uint32_t count = 0;
        while ((full[count] = blocks_acquire(&rig.blocks, 8)) != BLOCK_NONE)
            count++;
        for (uint32_t i = 0; i < kept; i++)
            blocks_release(&rig.blocks, full[--count]);
        uint64_t dropped = RIG_COUNT(DROPPED_MEMORY);
        gateway_count(&rig.gateway, COUNTER_DUE);
        mqtt_outbox_push(&rig.gateway, a, &delivery);
        mqtt_outbox_validate(&rig.gateway, a);
        bool is_kept = kept >= 2; // its entry and its identifiers
        ck_assert_uint_eq(RIG_COUNT(DROPPED_MEMORY), dropped + !is_kept);
        ck_assert_uint_eq(mqtt_outbox_count(&rig.gateway, a), is_kept);
        RIG_EXPECT_AUDIT();
        while (count > 0)
            blocks_release(&rig.blocks, full[--count]);
        rig_wait_ms(100); // memory is there again: it goes
        struct rig_taken taken = rig_take(a);
        ck_assert_int_eq(taken.is_any, is_kept);
        ck_assert(!taken.publish.is_duplicate);
        if (is_kept)
            RIG_ACK(a, MQTT_PUBACK, taken.publish.packet_id);
    }
    payload_unref(&rig.scheduler, payload);
    rig_close();
}
END_TEST

START_TEST(a_stream_without_memory_is_tried_again) {
    uint32_t a = open_one();
    rig.is_push_without_memory = true;
    RIG_PUSH(a, .number = 1, .qos = 1);
    ck_assert(mqtt_session_has(rig_session(a), MQTT_SESSION_BLOCKED));
    RIG_EXPECT_AUDIT(); // counted as dropped by the stream; what follows is a repetition
    rig.is_push_without_memory = false;
    rig_wait_ms(100);
    RIG_EXPECT_TAKEN(a, "q1 #1 id 1\n"); // the client sees it for the first time: no DUP
    RIG_EXPECT_AUDIT();
    rig.is_encode_without_memory = true;
    RIG_PUSH(a, .number = 2, .qos = 1);
    RIG_PUSH(a, .number = 4, .qos = 0);
    ck_assert_uint_eq(RIG_COUNT(DROPPED_MEMORY), 2);
    rig.is_encode_without_memory = false;
    rig_wait_ms(100);
    RIG_EXPECT_TAKEN(a, "q1 #2 id 2\n");
    RIG_EXPECT_AUDIT();
    rig_close();
}
END_TEST

UNIT_MAIN(
    "gateway/mqtt_outbox", qos_0_goes_at_once_or_is_dropped, qos_1_is_gone_with_its_puback,
    qos_2_is_gone_with_its_pubcomp, a_pubrec_that_refuses_ends_the_message,
    acknowledgements_of_nothing_change_nothing, subscription_identifiers_go_along,
    what_was_sent_goes_again_with_dup_in_order, qos_2_abandoned_at_each_step_is_taken_up_there,
    redelivery_keeps_to_a_smaller_window, a_session_that_ends_gives_all_up,
    no_more_are_under_way_than_the_window_holds, qos_0_in_turn_does_not_overtake_those_that_wait,
    a_full_stream_is_waited_for, redelivered_pubrels_wait_for_room_among_replies,
    beyond_the_queues_bound_the_oldest_is_dropped, beyond_the_queues_bytes_the_oldest_is_dropped,
    what_expires_while_it_waits_is_not_sent, beyond_the_clients_packet_size_it_counts_as_delivered,
    topics_are_named_once_where_the_client_takes_aliases, without_aliases_each_packet_has_its_topic,
    identifiers_go_round_without_0_and_past_those_in_use,
    when_all_identifiers_are_in_use_the_next_waits,
    without_memory_for_an_entry_the_message_is_dropped, a_stream_without_memory_is_tried_again)
