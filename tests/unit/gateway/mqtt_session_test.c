// Goal: a session lives as MQTT 5.0 3.1.2 and 4.1 say: clean starts, resumption, take-over, expiry,
// its will's moment, a kill, the drain. Method: the real sessions over mqtt_rig.h, with outbox and
// inbox that only note what they are told.
#include "tests/unit/gateway/mqtt_rig.h"

// --- stand-ins -----------------------------------------------------------------------------------

void mqtt_outbox_resume(struct gateway *gateway, uint32_t session) {
    rig_log("resume %u\n", session);
}

void mqtt_outbox_on_offline(struct gateway *gateway, uint32_t session) {
}

void mqtt_outbox_flush(struct gateway *gateway, uint32_t session) {
    rig_log("flush %u\n", session);
}

void mqtt_outbox_release(struct gateway *gateway, uint32_t session) {
    rig_log("gone %u\n", session);
}

void mqtt_inbox_on_offline(struct gateway *gateway, uint32_t session) {
}

void mqtt_inbox_release(struct gateway *gateway, uint32_t session) {
}

static uint32_t conn_of(uint32_t session) {
    return rig_session(session)->conn;
}

static uint64_t sessions_count(void) {
    return RIG_COUNT(MQTT_SESSIONS_ONLINE) + RIG_COUNT(MQTT_SESSIONS_OFFLINE);
}

// --- begin and end -------------------------------------------------------------------------------

START_TEST(a_session_of_expiry_0_ends_with_its_connection) { // 3.1.2.11.2
    rig_open();
    uint32_t a = RIG_START(.id = "a");
    ck_assert(!rig_is_present);
    ck_assert_uint_eq(conn_at(&rig.gateway, conn_of(a))->session, a);
    RIG_EXPECT_LOG("readdress 0\nresume 0\n");
    rig_cut(conn_of(a));
    RIG_EXPECT_LOG("gone 0\nleave 0\n");
    ck_assert_uint_eq(sessions_count(), 0);
    (void)RIG_START(.id = "a");
    ck_assert(!rig_is_present); // [MQTT-3.2.2-2]
    rig_close();
}
END_TEST

START_TEST(a_session_waits_as_long_as_its_expiry_and_no_longer) { // 3.1.2.11.2 [MQTT-3.1.2-23]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    uint64_t pid = mqtt_session_pid(&rig.gateway, a);
    rig_cut(conn_of(a));
    ck_assert_uint_eq(RIG_COUNT(MQTT_SESSIONS_OFFLINE), 1);
    rig_wait_ms(9900);
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, pid), a);
    rig_wait_ms(1500);
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, pid), SLAB_NONE);
    ck_assert_uint_eq(RIG_COUNT(MQTT_EXPIRED), 1);
    ck_assert_uint_eq(sessions_count(), 0);
    rig_close();
}
END_TEST

START_TEST(a_connect_in_time_resumes_the_session) { // [MQTT-3.1.2-5] [MQTT-3.2.2-3]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    uint64_t pid = mqtt_session_pid(&rig.gateway, a);
    rig_cut(conn_of(a));
    rig_wait_ms(5000);
    rig_log_clear();
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 20), a);
    ck_assert(rig_is_present);
    ck_assert_uint_eq(mqtt_session_pid(&rig.gateway, a), pid);
    RIG_EXPECT_LOG("readdress 0\nresume 0\n");
    rig_wait_ms(60000); // its former time runs no more
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, pid), a);
    rig_close();
}
END_TEST

START_TEST(a_clean_start_discards_the_former_session) { // [MQTT-3.1.2-4]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    uint64_t pid = mqtt_session_pid(&rig.gateway, a);
    rig_cut(conn_of(a));
    rig_log_clear();
    uint32_t b = RIG_START(.id = "a", .expiry_s = 10, .is_clean = true);
    ck_assert(!rig_is_present);
    ck_assert(mqtt_session_pid(&rig.gateway, b) != pid); // answers to the former reach nobody
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, pid), SLAB_NONE);
    ck_assert_uint_eq(sessions_count(), 1);
    rig_close();
}
END_TEST

START_TEST(an_expiry_beyond_the_maximum_is_cut_to_it) {
    rig_open();
    rig.config.mqtt_session_expiry_max_s = 5;
    uint32_t a = RIG_START(.id = "a", .expiry_s = UINT32_MAX);
    rig_cut(conn_of(a));
    rig_wait_ms(4900);
    ck_assert_uint_eq(sessions_count(), 1);
    rig_wait_ms(1600);
    ck_assert_uint_eq(sessions_count(), 0);
    rig_close();
}
END_TEST

START_TEST(a_disconnect_may_change_the_expiry_but_not_from_0) { // 3.14.2.2.2
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    ck_assert(mqtt_session_set_expiry(&rig.gateway, a, 0));
    ck_assert(mqtt_session_set_expiry(&rig.gateway, a, 0));
    ck_assert(!mqtt_session_set_expiry(&rig.gateway, a, 1));
    rig_cut(conn_of(a));
    ck_assert_uint_eq(sessions_count(), 0);
    uint32_t b = RIG_START(.id = "b", .expiry_s = 10);
    ck_assert(mqtt_session_set_expiry(&rig.gateway, b, UINT32_MAX));
    ck_assert_uint_eq(rig_session(b)->expiry_s, rig.config.mqtt_session_expiry_max_s);
    rig_close();
}
END_TEST

START_TEST(settings_of_the_connect_are_those_of_the_newest_connection) { // 3.1.2.11
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10, .receive_max = 7, .packet_bytes_max = 99,
                           .alias_max = 3, .is_ws = true);
    ck_assert_uint_eq(mqtt_session_window(&rig.gateway, a), 7);
    ck_assert_uint_eq(mqtt_session_format(&rig.gateway, a), FORMAT_MQTT_5_WS);
    ck_assert_uint_eq(rig_session(a)->packet_bytes_max, 99);
    ck_assert_uint_eq(address_format(mqtt_session_address(&rig.gateway, a, false)), ADDRESS_EACH);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 10, .is_3 = true), a);
    ck_assert(rig_is_present);
    ck_assert_uint_eq(mqtt_session_window(&rig.gateway, a), rig.config.mqtt_inflight_max);
    ck_assert_uint_eq(mqtt_session_format(&rig.gateway, a), FORMAT_MQTT_3);
    ck_assert_uint_eq(rig_session(a)->packet_bytes_max, 0);
    ck_assert_uint_eq(rig_session(a)->alias_max, 0);
    ck_assert_uint_eq(mqtt_session_address(&rig.gateway, a, false),
                      address_of(FORMAT_MQTT_3, conn_at(&rig.gateway, conn_of(a))->stream));
    ck_assert_uint_eq(address_format(mqtt_session_address(&rig.gateway, a, true)), ADDRESS_EACH);
    rig_cut(conn_of(a));
    ck_assert_uint_eq(mqtt_session_address(&rig.gateway, a, false), address_of(ADDRESS_EACH, a));
    rig_close();
}
END_TEST

// --- take-over -----------------------------------------------------------------------------------

START_TEST(a_second_connection_takes_the_session_over) { // [MQTT-3.1.4-3]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    uint32_t old = conn_of(a);
    rig_log_clear();
    uint32_t conn = rig_connect();
    ck_assert_uint_eq(rig_start_on(conn, &(struct rig_connect){.id = "a", .expiry_s = 10}), a);
    ck_assert(rig_is_present);
    ck_assert_uint_eq(conn_of(a), conn);
    RIG_EXPECT_LOG("close 0 8e\nreaddress 0\nresume 0\n");
    ck_assert(!slab_is_used(&rig.scheduler.kinds[KIND_CONNECTION].slab, old));
    ck_assert_uint_eq(RIG_COUNT(MQTT_TAKEN_OVER), 1);
    ck_assert_uint_eq(sessions_count(), 1);
    rig_close();
}
END_TEST

START_TEST(a_take_over_of_expiry_0_begins_anew) { // [MQTT-3.1.2-6] of 3.1.1
    rig_open();
    uint32_t a = RIG_START(.id = "a", .is_3 = true, .is_clean = true);
    uint64_t pid = mqtt_session_pid(&rig.gateway, a);
    uint32_t b = RIG_START(.id = "a", .is_3 = true, .expiry_s = 100);
    ck_assert(!rig_is_present);
    ck_assert(mqtt_session_pid(&rig.gateway, b) != pid);
    ck_assert_uint_eq(sessions_count(), 1);
    rig_close();
}
END_TEST

START_TEST(a_storm_of_take_overs_leaves_one_session) {
    rig_open();
    for (uint32_t i = 0; i < 1000; i++) {
        (void)RIG_START(.id = "a", .expiry_s = i % 3, .is_clean = i % 5 == 0, .will = "w");
        ck_assert_uint_eq(RIG_COUNT(MQTT_SESSIONS_ONLINE), 1);
        rig_log_clear();
        if (i % 7 == 0)
            rig_turn();
    }
    ck_assert_uint_eq(sessions_count(), 1);
    ck_assert_uint_eq(RIG_COUNT(MQTT_TAKEN_OVER), 999);
    ck_assert_uint_eq(rig.scheduler.kinds[KIND_CONNECTION].slab.used_count, 1);
    rig_close();
}
END_TEST

// --- bounds --------------------------------------------------------------------------------------

START_TEST(sessions_beyond_the_maximum_are_refused) {
    rig_open_with(2, 64 << 20);
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    ck_assert_uint_ne(RIG_START(.id = "b", .expiry_s = 10), SLAB_NONE);
    rig_cut(conn_of(a));
    ck_assert_uint_eq(RIG_START(.id = "c"), SLAB_NONE);
    ck_assert_int_eq(rig_reason, MQTT_QUOTA_EXCEEDED);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 10), a); // who is there may come back
    ck_assert_uint_eq(RIG_COUNT(MQTT_SESSIONS_REFUSED), 1);
    rig_close();
}
END_TEST

// Each block that can be short is, once: what was there stays whole.
START_TEST(memory_that_runs_out_refuses_the_connect_and_leaves_nothing) {
    static char id[300];
    memset(id, 'x', sizeof(id) - 1);
    rig_open_with(8, 4096);
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    uint32_t full[65]; // and the refusal
    uint32_t count = 0;
    while ((full[count] = blocks_acquire(&rig.blocks, 8)) != BLOCK_NONE)
        count++;
    rig_log_clear();
    ck_assert_uint_eq(RIG_START(.id = id), SLAB_NONE); // its id is long
    ck_assert_int_eq(rig_reason, MQTT_SERVER_UNAVAILABLE);
    ck_assert_uint_eq(RIG_START(.id = "b", .will = "w"), SLAB_NONE);
    ck_assert_int_eq(rig_reason, MQTT_SERVER_UNAVAILABLE);
    ck_assert_uint_eq(sessions_count(), 1);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 10, .will = "w"), SLAB_NONE);
    ck_assert_uint_eq(conn_of(a), SLAB_NONE); // it was taken over, and waits
    ck_assert_uint_eq(RIG_COUNT(MQTT_SESSIONS_OFFLINE), 1);
    while (count > 0)
        blocks_release(&rig.blocks, full[--count]);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 10, .will = "w"), a);
    ck_assert(rig_is_present);
    rig_close();
}
END_TEST

START_TEST(without_memory_for_the_directory_no_session_begins) {
    rig_open_with(8, 4096);
    uint32_t full[65]; // and the refusal
    uint32_t count = 0;
    while ((full[count] = blocks_acquire(&rig.blocks, 8)) != BLOCK_NONE)
        count++;
    ck_assert_uint_eq(RIG_START(.id = "a"), SLAB_NONE);
    ck_assert_int_eq(rig_reason, MQTT_SERVER_UNAVAILABLE);
    while (count > 0)
        blocks_release(&rig.blocks, full[--count]);
    ck_assert_uint_ne(RIG_START(.id = "a"), SLAB_NONE);
    rig_close();
}
END_TEST

// --- wills ---------------------------------------------------------------------------------------

START_TEST(a_will_is_published_when_the_connection_is_lost) { // [MQTT-3.1.2-8]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 100, .will = "lost", .will_is_retained = true,
                           .will_expiry_s = 7);
    rig_log_clear();
    rig_cut(conn_of(a));
    RIG_EXPECT_LOG("readdress 0\npublish will lost qos 1 retain 1 expires 1007\n");
    rig_wait_ms(150000);
    RIG_EXPECT_LOG("gone 0\nleave 0\n"); // not again at the session's end
    ck_assert_uint_eq(RIG_COUNT(MQTT_WILLS), 1);
    rig_close();
}
END_TEST

START_TEST(a_farewell_drops_the_will) { // [MQTT-3.1.2-10] [MQTT-3.14.4-3]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .will = "w");
    uint32_t b = RIG_START(.id = "b", .expiry_s = 10, .will = "w");
    rig_log_clear();
    mqtt_session_on_conn_end(&rig.gateway, a, MQTT_SUCCESS);
    mqtt_session_on_conn_end(&rig.gateway, b, MQTT_SUCCESS);
    rig_wait_ms(20000);
    RIG_EXPECT_LOG("gone 0\nleave 0\nreaddress 1\ngone 1\nleave 1\n");
    ck_assert_uint_eq(RIG_COUNT(MQTT_WILLS), 0);
    rig_close();
}
END_TEST

START_TEST(a_disconnect_with_will_publishes_it) { // 3.14.2.1, 0x04
    rig_open();
    uint32_t a = RIG_START(.id = "a", .will = "w");
    rig_log_clear();
    mqtt_session_on_conn_end(&rig.gateway, a, MQTT_DISCONNECT_WITH_WILL);
    RIG_EXPECT_LOG("publish will w qos 1 retain 0 expires 0\ngone 0\nleave 0\n");
    rig_close();
}
END_TEST

START_TEST(a_will_waits_for_its_delay) { // 3.1.3.2.2
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 100, .will = "w", .will_delay_s = 5);
    rig_log_clear();
    rig_cut(conn_of(a));
    rig_wait_ms(4900);
    RIG_EXPECT_LOG("readdress 0\n");
    rig_wait_ms(1600);
    RIG_EXPECT_LOG("publish will w qos 1 retain 0 expires 0\n");
    ck_assert_uint_eq(sessions_count(), 1);
    rig_wait_ms(100000);
    RIG_EXPECT_LOG("gone 0\nleave 0\n");
    rig_close();
}
END_TEST

START_TEST(the_end_of_the_session_publishes_a_will_that_waits) { // 3.1.3.2.2
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 5, .will = "w", .will_delay_s = 50);
    rig_log_clear();
    rig_cut(conn_of(a));
    rig_wait_ms(6500);
    RIG_EXPECT_LOG("readdress 0\npublish will w qos 1 retain 0 expires 0\ngone 0\nleave 0\n");
    uint32_t b = RIG_START(.id = "b", .will = "w", .will_delay_s = 50);
    rig_log_clear();
    rig_cut(conn_of(b));
    RIG_EXPECT_LOG("publish will w qos 1 retain 0 expires 0\ngone 0\nleave 0\n");
    rig_close();
}
END_TEST

START_TEST(who_is_back_in_time_has_no_will_published) { // [MQTT-3.1.3-9]
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 100, .will = "w", .will_delay_s = 5);
    rig_cut(conn_of(a));
    rig_wait_ms(3000);
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 100), a);
    rig_log_clear();
    rig_cut(conn_of(a)); // its newest CONNECT had none
    rig_wait_ms(20000);
    RIG_EXPECT_LOG("readdress 0\n");
    ck_assert_uint_eq(RIG_COUNT(MQTT_WILLS), 0);
    rig_close();
}
END_TEST

START_TEST(a_take_over_publishes_a_will_without_delay_only) { // [MQTT-3.1.4-3], 3.1.2.5
    rig_open();
    (void)RIG_START(.id = "a", .expiry_s = 100, .will = "now");
    rig_log_clear();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 100, .will = "later", .will_delay_s = 5);
    RIG_EXPECT_LOG("close 0 8e\npublish will now qos 1 retain 0 expires 0\n"
                   "readdress 0\nresume 0\n");
    ck_assert_uint_eq(RIG_START(.id = "a", .expiry_s = 100, .will = "last"), a);
    rig_wait_ms(20000);
    ck_assert_uint_eq(RIG_COUNT(MQTT_WILLS), 1);
    rig_close();
}
END_TEST

START_TEST(a_clean_start_ends_the_session_and_so_publishes_its_will) { // 3.1.2.5, 3.1.3.2.2
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 100, .will = "w", .will_delay_s = 50);
    rig_cut(conn_of(a));
    rig_log_clear();
    uint32_t b = RIG_START(.id = "a", .is_clean = true);
    ck_assert_uint_ne(b, SLAB_NONE);
    ck_assert_uint_eq(RIG_COUNT(MQTT_WILLS), 1);
    rig_close();
}
END_TEST

// --- kills, time, the drain ----------------------------------------------------------------------

START_TEST(a_kill_closes_the_connection_and_publishes_the_will) {
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 100, .will = "w", .will_delay_s = 50);
    rig_log_clear();
    scheduler_exit(&rig.scheduler, KIND_MQTT_SESSION, a, EXIT_KILLED);
    RIG_EXPECT_LOG("close 0 98\npublish will w qos 1 retain 0 expires 0\ngone 0\nleave 0\n");
    ck_assert_uint_eq(RIG_COUNT(MQTT_KILLED), 1);
    ck_assert_uint_eq(rig.scheduler.kinds[KIND_CONNECTION].slab.used_count, 0);
    rig_close();
}
END_TEST

START_TEST(a_blocked_outbox_is_flushed_again_by_the_sessions_timer) {
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 100);
    rig_log_clear();
    mqtt_session_block(&rig.gateway, a);
    mqtt_session_block(&rig.gateway, a);
    ck_assert(mqtt_session_has(rig_session(a), MQTT_SESSION_BLOCKED));
    rig_wait_ms(150);
    RIG_EXPECT_LOG("flush 0\n");
    ck_assert(!mqtt_session_has(rig_session(a), MQTT_SESSION_BLOCKED));
    mqtt_session_block(&rig.gateway, a);
    rig_cut(conn_of(a));
    mqtt_session_block(&rig.gateway, a); // offline: nothing to flush to
    rig_log_clear();
    rig_wait_ms(50000);
    RIG_EXPECT_LOG("");
    rig_wait_ms(52000);
    RIG_EXPECT_LOG("gone 0\nleave 0\n");
    rig_close();
}
END_TEST

START_TEST(a_drain_ends_sessions_once_the_last_connection_is_gone) {
    rig_open_with(4000, 64 << 20);
    char id[16];
    uint32_t last = SLAB_NONE;
    for (uint32_t i = 0; i < 2500; i++) {
        snprintf(id, sizeof(id), "s%u", i);
        last = RIG_START(.id = id, .expiry_s = 1000, .will = "w", .will_delay_s = 500);
        if (i < 2499)
            rig_cut(conn_of(last));
        rig_log_clear();
        rig_turn();
    }
    ck_assert(!mqtt_session_drain(&rig.gateway));
    ck_assert_uint_eq(sessions_count(), 2500);
    rig_cut(conn_of(last));
    uint32_t slices = 1;
    while (mqtt_session_drain(&rig.gateway)) {
        rig_log_clear();
        slices++;
        rig_turn();
    }
    ck_assert_uint_eq(slices, 3);
    ck_assert_uint_eq(sessions_count(), 0);
    ck_assert_uint_eq(RIG_COUNT(MQTT_WILLS), 2500);
    rig_close();
}
END_TEST

// --- names ---------------------------------------------------------------------------------------

START_TEST(made_client_ids_live_here_and_are_new) { // [MQTT-3.1.3-6] [MQTT-3.1.3-7]
    rig_open();
    rig.chat.config.core_count = 4;
    uint8_t first[23], second[23];
    struct bytes a = mqtt_session_make_client_id(&rig.gateway, first);
    struct bytes b = mqtt_session_make_client_id(&rig.gateway, second);
    ck_assert_uint_le(a.size, 23);
    ck_assert_uint_eq(mqtt_session_home_core(&rig.gateway, a), 0);
    ck_assert_uint_eq(mqtt_session_home_core(&rig.gateway, b), 0);
    ck_assert(!bytes_equal(a, b));
    rig_close();
}
END_TEST

START_TEST(the_user_is_that_of_the_connection_else_the_client_id_cut_to_fit) {
    rig_open();
    uint32_t a = RIG_START(.id = "a", .expiry_s = 10);
    ck_assert(bytes_equal_string(mqtt_session_user(&rig.gateway, a), "a"));
    conn_at(&rig.gateway, conn_of(a))->user =
        text_acquire(&rig.gateway.users, BYTES_LITERAL("ada"));
    ck_assert(bytes_equal_string(mqtt_session_user(&rig.gateway, a), "ada"));
    rig_cut(conn_of(a));
    ck_assert(bytes_equal_string(mqtt_session_user(&rig.gateway, a), "a"));
    char id[80]; // 63 bytes, then a character of two: it would end within
    memset(id, 'x', sizeof(id));
    memcpy(id + 63, "\xc3\xa4", 3);
    uint32_t b = RIG_START(.id = id);
    ck_assert_uint_eq(mqtt_session_user(&rig.gateway, b).size, 63);
    ck_assert_uint_eq(mqtt_session_client_id(&rig.gateway, b).size, 65);
    rig_close();
}
END_TEST

START_TEST(a_pid_finds_its_session_only) {
    rig_open();
    uint32_t a = RIG_START(.id = "a");
    uint64_t pid = mqtt_session_pid(&rig.gateway, a);
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, pid), a);
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, 0), SLAB_NONE);
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, pid | 1ull << 56), SLAB_NONE);
    ck_assert_uint_eq(mqtt_session_lookup(
                          &rig.gateway, scheduler_pid(&rig.scheduler, KIND_CONNECTION, conn_of(a))),
                      SLAB_NONE);
    rig_cut(conn_of(a));
    ck_assert_uint_eq(mqtt_session_lookup(&rig.gateway, pid), SLAB_NONE);
    rig_close();
}
END_TEST

UNIT_MAIN(
    "gateway/mqtt_session", a_session_of_expiry_0_ends_with_its_connection,
    a_session_waits_as_long_as_its_expiry_and_no_longer, a_connect_in_time_resumes_the_session,
    a_clean_start_discards_the_former_session, an_expiry_beyond_the_maximum_is_cut_to_it,
    a_disconnect_may_change_the_expiry_but_not_from_0,
    settings_of_the_connect_are_those_of_the_newest_connection,
    a_second_connection_takes_the_session_over, a_take_over_of_expiry_0_begins_anew,
    a_storm_of_take_overs_leaves_one_session, sessions_beyond_the_maximum_are_refused,
    memory_that_runs_out_refuses_the_connect_and_leaves_nothing,
    without_memory_for_the_directory_no_session_begins,
    a_will_is_published_when_the_connection_is_lost, a_farewell_drops_the_will,
    a_disconnect_with_will_publishes_it, a_will_waits_for_its_delay,
    the_end_of_the_session_publishes_a_will_that_waits, who_is_back_in_time_has_no_will_published,
    a_take_over_publishes_a_will_without_delay_only,
    a_clean_start_ends_the_session_and_so_publishes_its_will,
    a_kill_closes_the_connection_and_publishes_the_will,
    a_blocked_outbox_is_flushed_again_by_the_sessions_timer,
    a_drain_ends_sessions_once_the_last_connection_is_gone, made_client_ids_live_here_and_are_new,
    the_user_is_that_of_the_connection_else_the_client_id_cut_to_fit, a_pid_finds_its_session_only)
