// Goal: a will is kept as it was given and published once, with its own properties. When it is
// published is mqtt_session_test.c's. Method: the real sessions over mqtt_rig.h.
#include "tests/unit/gateway/mqtt_rig.h"

void mqtt_outbox_resume(struct gateway *gateway, uint32_t session) {
}

void mqtt_outbox_on_offline(struct gateway *gateway, uint32_t session) {
}

void mqtt_outbox_flush(struct gateway *gateway, uint32_t session) {
}

void mqtt_outbox_release(struct gateway *gateway, uint32_t session) {
}

void mqtt_inbox_on_offline(struct gateway *gateway, uint32_t session) {
}

void mqtt_inbox_release(struct gateway *gateway, uint32_t session) {
}

static uint32_t a;

static void open_one(void) {
    rig_open();
    a = RIG_START(.id = "a", .expiry_s = 1000);
    rig_log_clear();
}

START_TEST(a_will_is_published_once_from_a_copy) { // [MQTT-3.1.2-8] [MQTT-3.1.2-10]
    open_one();
    uint8_t text[] = "topic and body";
    const struct mqtt_will will = {.topic = bytes_of(text, 5), .payload = bytes_of(text + 10, 4)};
    ck_assert(!mqtt_will_is_set(&rig.gateway, a));
    ck_assert(mqtt_will_set(&rig.gateway, a, &will));
    memset(text, 'x', sizeof(text));
    ck_assert(mqtt_will_is_set(&rig.gateway, a));
    mqtt_will_publish(&rig.gateway, a);
    mqtt_will_publish(&rig.gateway, a);
    RIG_EXPECT_LOG("publish topic body qos 0 retain 0 expires 0\n");
    ck_assert_uint_eq(rig_session(a)->will, BLOCK_NONE);
    ck_assert_uint_eq(RIG_COUNT(MQTT_WILLS), 1);
    rig_close();
}
END_TEST

START_TEST(its_messages_properties_go_along_in_their_order_and_no_others) { // [MQTT-3.1.3-10]
    static const uint8_t raw[] = {0x26, 0,    1, 'b', 0,   1, '1', 0x18, 0,    0, 0,
                                  9,    0x26, 0, 1,   'a', 0, 1,   '2',  0x01, 1};
    open_one();
    struct mqtt_will will = {.topic = BYTES_LITERAL("t"), .qos = 2, .is_retained = true};
    uint8_t block[sizeof(raw) + 1] = {sizeof(raw)};
    memcpy(block + 1, raw, sizeof(raw));
    struct mqtt_reader reader = mqtt_reader_on(bytes_of(block, sizeof(block)));
    mqtt_properties_decode(&reader, MQTT_IN_WILL, &will.properties);
    ck_assert(!reader.is_bad);
    ck_assert(mqtt_will_set(&rig.gateway, a, &will));
    ck_assert_uint_eq(mqtt_will_delay_s(&rig.gateway, a), 9);
    mqtt_will_publish(&rig.gateway, a);
    RIG_EXPECT_LOG("publish t  qos 2 retain 1 expires 0\n"
                   "0101260001620001312600016100"
                   "0132\n");
    rig_close();
}
END_TEST

START_TEST(its_expiry_counts_from_its_publication) { // 3.1.3.2.4
    open_one();
    struct mqtt_will will = {.topic = BYTES_LITERAL("t")};
    MQTT_PROPERTIES_SET(&will.properties, message_expiry_s, 30);
    ck_assert(mqtt_will_set(&rig.gateway, a, &will));
    rig_wait_ms(500000);
    mqtt_will_publish(&rig.gateway, a);
    RIG_EXPECT_LOG("publish t  qos 0 retain 0 expires 1530\n");
    MQTT_PROPERTIES_SET(&will.properties, message_expiry_s, 0); // at once is not never
    ck_assert(mqtt_will_set(&rig.gateway, a, &will));
    mqtt_will_publish(&rig.gateway, a);
    RIG_EXPECT_LOG("publish t  qos 0 retain 0 expires 1500\n");
    rig_close();
}
END_TEST

START_TEST(a_new_one_replaces_it_and_a_drop_forgets_it) {
    open_one();
    const struct mqtt_will first = {.topic = BYTES_LITERAL("first")};
    const struct mqtt_will second = {.topic = BYTES_LITERAL("second")};
    ck_assert(mqtt_will_set(&rig.gateway, a, &first));
    ck_assert(mqtt_will_set(&rig.gateway, a, &second));
    mqtt_will_publish(&rig.gateway, a);
    RIG_EXPECT_LOG("publish second  qos 0 retain 0 expires 0\n");
    ck_assert(mqtt_will_set(&rig.gateway, a, &first));
    mqtt_will_drop(&rig.gateway, a);
    mqtt_will_drop(&rig.gateway, a);
    mqtt_will_publish(&rig.gateway, a);
    RIG_EXPECT_LOG("");
    ck_assert_uint_eq(mqtt_will_due_s(&rig.gateway, a), UINT64_MAX);
    rig_close();
}
END_TEST

START_TEST(its_delay_begins_when_it_is_told) {
    open_one();
    struct mqtt_will will = {.topic = BYTES_LITERAL("t")};
    MQTT_PROPERTIES_SET(&will.properties, will_delay_s, UINT32_MAX);
    ck_assert_uint_eq(mqtt_will_wait(&rig.gateway, a), UINT64_MAX);
    ck_assert(mqtt_will_set(&rig.gateway, a, &will));
    ck_assert_uint_eq(mqtt_will_wait(&rig.gateway, a), 1001ull + UINT32_MAX); // beyond 32 bits
    ck_assert_uint_eq(mqtt_will_due_s(&rig.gateway, a), 1001ull + UINT32_MAX);
    rig_close();
}
END_TEST

START_TEST(without_memory_the_former_one_stays) {
    rig_open_with(4, 4096);
    a = RIG_START(.id = "a", .expiry_s = 1000, .will = "w");
    rig_log_clear();
    uint32_t full[65]; // and the refusal
    uint32_t count = 0;
    while ((full[count] = blocks_acquire(&rig.blocks, 8)) != BLOCK_NONE)
        count++;
    const struct mqtt_will other = {.topic = BYTES_LITERAL("other")};
    ck_assert(!mqtt_will_set(&rig.gateway, a, &other));
    mqtt_will_publish(&rig.gateway, a);
    RIG_EXPECT_LOG("publish will w qos 1 retain 0 expires 0\n");
    while (count > 0)
        blocks_release(&rig.blocks, full[--count]);
    rig_close();
}
END_TEST

UNIT_MAIN("gateway/mqtt_will", a_will_is_published_once_from_a_copy,
          its_messages_properties_go_along_in_their_order_and_no_others,
          its_expiry_counts_from_its_publication, a_new_one_replaces_it_and_a_drop_forgets_it,
          its_delay_begins_when_it_is_told, without_memory_the_former_one_stays)
