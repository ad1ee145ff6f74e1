// Goal: packet identifiers of a client are kept as long as method B of 4.3.3 asks, topic aliases
// mean what 3.3.2.3.4 says, both within their bounds. Method: the real inbox over mqtt_rig.h; the
// outbox does nothing.
#include "tests/unit/gateway/mqtt_rig.h"

void mqtt_outbox_resume(struct gateway *gateway, uint32_t session) {
}

void mqtt_outbox_on_offline(struct gateway *gateway, uint32_t session) {
}

void mqtt_outbox_flush(struct gateway *gateway, uint32_t session) {
}

void mqtt_outbox_release(struct gateway *gateway, uint32_t session) {
}

static uint32_t a;

static void open_one(void) {
    rig_open();
    a = RIG_START(.id = "a", .expiry_s = 1000);
}

static void come_back(void) {
    rig_cut(rig_session(a)->conn);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 1000), a);
}

static enum mqtt_inbox_result begin(uint16_t packet_id, uint8_t qos) {
    return mqtt_inbox_begin(&rig.gateway, a, packet_id, qos);
}

#define EXPECT_BEGIN(packet_id, qos, expected) ck_assert_int_eq(begin(packet_id, qos), expected)

static bool pubrel(uint16_t packet_id) {
    return mqtt_inbox_on_pubrel(&rig.gateway, a, packet_id);
}

START_TEST(a_qos_1_identifier_is_free_once_answered) { // [MQTT-4.3.2-4], [MQTT-4.3.2-5]
    open_one();
    EXPECT_BEGIN(1, 1, MQTT_INBOX_NEW);
    EXPECT_BEGIN(1, 1, MQTT_INBOX_IN_USE);
    ck_assert(!mqtt_inbox_accept(&rig.gateway, a, 1));
    ck_assert(!pubrel(1));
    mqtt_inbox_end(&rig.gateway, a, 1);
    ck_assert_uint_eq(rig_session(a)->inbox, BLOCK_NONE);
    EXPECT_BEGIN(1, 1, MQTT_INBOX_NEW); // a new message, whatever its DUP says
    mqtt_inbox_end(&rig.gateway, a, 1);
    mqtt_inbox_end(&rig.gateway, a, 1);
    rig_close();
}
END_TEST

START_TEST(a_qos_2_message_is_new_once_until_its_pubrel) { // [MQTT-4.3.3-9] … [MQTT-4.3.3-12]
    open_one();
    EXPECT_BEGIN(7, 2, MQTT_INBOX_NEW);
    EXPECT_BEGIN(7, 2, MQTT_INBOX_DUPLICATE);
    ck_assert(!mqtt_inbox_has(&rig.gateway, a, 7)); // its answer is not here
    ck_assert(mqtt_inbox_accept(&rig.gateway, a, 7));
    ck_assert(mqtt_inbox_has(&rig.gateway, a, 7));
    EXPECT_BEGIN(7, 2, MQTT_INBOX_DUPLICATE);
    EXPECT_BEGIN(7, 1, MQTT_INBOX_IN_USE);
    ck_assert(pubrel(7));
    ck_assert(!pubrel(7)); // 0x92
    ck_assert_uint_eq(rig_session(a)->inbox, BLOCK_NONE);
    EXPECT_BEGIN(7, 2, MQTT_INBOX_NEW); // [MQTT-4.3.3-12]: after PUBREL it is another message
    rig_close();
}
END_TEST

START_TEST(a_qos_2_message_abandoned_at_each_step_is_passed_on_once) {
    open_one();
    EXPECT_BEGIN(7, 2, MQTT_INBOX_NEW);
    come_back(); // before its answer
    EXPECT_BEGIN(7, 2, MQTT_INBOX_DUPLICATE);
    ck_assert(!mqtt_inbox_has(&rig.gateway, a, 7));
    rig_cut(rig_session(a)->conn);
    ck_assert(mqtt_inbox_accept(&rig.gateway, a, 7)); // which comes while nobody is there
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 1000), a);
    EXPECT_BEGIN(7, 2, MQTT_INBOX_DUPLICATE);
    ck_assert(mqtt_inbox_has(&rig.gateway, a, 7)); // PUBREC at once
    come_back();                                   // before its PUBREL
    ck_assert(pubrel(7));
    come_back(); // before its PUBCOMP arrived
    ck_assert(!pubrel(7));
    EXPECT_BEGIN(8, 2, MQTT_INBOX_NEW);
    mqtt_inbox_end(&rig.gateway, a, 8); // refused: sent again it is new
    EXPECT_BEGIN(8, 2, MQTT_INBOX_NEW);
    ck_assert(pubrel(8));
    ck_assert(!mqtt_inbox_accept(&rig.gateway, a, 8)); // an answer after a hasty PUBREL
    rig_close();
}
END_TEST

START_TEST(offline_qos_1_identifiers_are_forgotten_those_of_qos_2_kept) { // 4.1, 4.4
    open_one();
    for (uint16_t id = 1; id <= 40; id++)
        EXPECT_BEGIN(id, (uint8_t)(1 + id % 2), MQTT_INBOX_NEW);
    come_back();
    for (uint16_t id = 1; id <= 40; id++)
        EXPECT_BEGIN(id, (uint8_t)(1 + id % 2), id % 2 ? MQTT_INBOX_DUPLICATE : MQTT_INBOX_NEW);
    rig_close();
}
END_TEST

START_TEST(beyond_the_receive_maximum_it_is_full) { // [MQTT-3.3.4-7], 0x93
    open_one();
    rig.config.mqtt_receive_max = 20;
    for (uint16_t id = 1; id <= 20; id++)
        EXPECT_BEGIN(id, 2, MQTT_INBOX_NEW);
    EXPECT_BEGIN(21, 1, MQTT_INBOX_FULL);
    EXPECT_BEGIN(20, 2, MQTT_INBOX_DUPLICATE); // it has its place
    ck_assert(pubrel(3));
    EXPECT_BEGIN(21, 1, MQTT_INBOX_NEW);
    EXPECT_BEGIN(22, 1, MQTT_INBOX_FULL);
    rig_close();
}
END_TEST

// --- topic aliases -------------------------------------------------------------------------------

static enum mqtt_reason resolve(const char *topic, int alias, struct bytes *resolved) {
    struct mqtt_publish publish = {.version = MQTT_5, .topic = bytes_from_string(topic)};
    enum mqtt_reason reason = MQTT_SUCCESS;
    if (alias >= 0)
        MQTT_PROPERTIES_SET(&publish.properties, topic_alias, (uint16_t)alias);
    if (mqtt_inbox_resolve_alias(&rig.gateway, a, &publish, resolved, &reason))
        return MQTT_SUCCESS;
    ck_assert_int_ne(reason, MQTT_SUCCESS);
    return reason;
}

#define EXPECT_TOPIC(topic, alias, expected)                                                       \
    do {                                                                                           \
        struct bytes resolved;                                                                     \
        ck_assert_int_eq(resolve(topic, alias, &resolved), MQTT_SUCCESS);                          \
        ck_assert(bytes_equal_string(resolved, expected));                                         \
    } while (0)

#define EXPECT_NO_TOPIC(topic, alias, expected)                                                    \
    do {                                                                                           \
        struct bytes resolved;                                                                     \
        ck_assert_int_eq(resolve(topic, alias, &resolved), expected);                              \
    } while (0)

START_TEST(an_alias_stands_for_the_topic_it_was_last_set_to) { // 3.3.2.3.4
    open_one();
    EXPECT_TOPIC("plain", -1, "plain");
    ck_assert_uint_eq(rig_session(a)->inbox, BLOCK_NONE);
    EXPECT_NO_TOPIC("", 3, MQTT_PROTOCOL_ERROR); // not set
    EXPECT_TOPIC("one", 3, "one");
    EXPECT_TOPIC("two", 16, "two");
    EXPECT_TOPIC("", 3, "one");
    EXPECT_TOPIC("", 16, "two");
    EXPECT_TOPIC("another", 3, "another");
    EXPECT_TOPIC("", 3, "another");
    EXPECT_NO_TOPIC("", 4, MQTT_PROTOCOL_ERROR);
    rig_close();
}
END_TEST

START_TEST(aliases_out_of_range_are_refused) { // [MQTT-3.3.2-8] [MQTT-3.3.2-9], 0x94
    open_one();
    EXPECT_NO_TOPIC("x", 0, MQTT_TOPIC_ALIAS_INVALID);
    EXPECT_TOPIC("x", 16, "x");
    EXPECT_NO_TOPIC("x", 17, MQTT_TOPIC_ALIAS_INVALID);
    rig.config.mqtt_topic_alias_max = 0;
    EXPECT_NO_TOPIC("x", 1, MQTT_TOPIC_ALIAS_INVALID);
    rig_close();
}
END_TEST

START_TEST(aliases_end_with_the_connection_and_identifiers_do_not) { // [MQTT-3.3.2-7]
    open_one();
    EXPECT_BEGIN(7, 2, MQTT_INBOX_NEW);
    EXPECT_TOPIC("x", 1, "x");
    come_back();
    EXPECT_NO_TOPIC("", 1, MQTT_PROTOCOL_ERROR);
    ck_assert(mqtt_inbox_accept(&rig.gateway, a, 7));
    EXPECT_TOPIC("x", 1, "x");
    ck_assert(pubrel(7));
    EXPECT_TOPIC("", 1, "x"); // the block stays for them
    rig_close();
}
END_TEST

START_TEST(without_memory_nothing_is_begun_and_nothing_kept) {
    uint32_t full[1024];
    for (uint32_t kept = 0; kept < 4; kept++) { // so many blocks are left
        uint32_t count = 0;
        rig_open_with(4, 1 << 14);
        a = RIG_START(.id = "a", .expiry_s = 1000);
        while ((full[count] = blocks_acquire(&rig.blocks, 8)) != BLOCK_NONE)
            count++;
        for (uint32_t i = 0; i < kept; i++)
            blocks_release(&rig.blocks, full[--count]);
        if (kept == 0)
            EXPECT_BEGIN(1, 2, MQTT_INBOX_MEMORY);
        if (kept < 3) // the inbox, the table, the topic
            EXPECT_NO_TOPIC("x", 1, MQTT_IMPLEMENTATION_SPECIFIC_ERROR);
        else
            EXPECT_TOPIC("x", 1, "x");
        ck_assert_int_eq(rig_session(a)->inbox == BLOCK_NONE, kept < 3);
        while (count > 0)
            blocks_release(&rig.blocks, full[--count]);
        rig_close();
    }
}
END_TEST

UNIT_MAIN("gateway/mqtt_inbox", a_qos_1_identifier_is_free_once_answered,
          a_qos_2_message_is_new_once_until_its_pubrel,
          a_qos_2_message_abandoned_at_each_step_is_passed_on_once,
          offline_qos_1_identifiers_are_forgotten_those_of_qos_2_kept,
          beyond_the_receive_maximum_it_is_full, an_alias_stands_for_the_topic_it_was_last_set_to,
          aliases_out_of_range_are_refused, aliases_end_with_the_connection_and_identifiers_do_not,
          without_memory_nothing_is_begun_and_nothing_kept)
