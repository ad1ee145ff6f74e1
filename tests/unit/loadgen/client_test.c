// Goal: connections are paced and bounded, time out from when they really began, and every way to
// fail is counted by its own name. Method: a made-up clock over the fake streams.
#include "tests/unit/loadgen/fake_streams.h"

#include <errno.h>

static void is_failure(uint32_t index, enum result_failure why, const char *sentence) {
    ck_assert_int_eq(run.clients[index].state, CLIENT_GONE);
    ck_assert_uint_eq(result.failures[why], 1);
    ck_assert_msg(strstr(result.detail, sentence) != NULL, "told: %s", result.detail);
}

START_TEST(client_connects_at_the_rate_and_no_faster) {
    FAKE_BEGIN("--connections", "100", "--connect-rate", "10");
    client_connect_due(&run, 1);
    ck_assert_uint_eq(fake.connects, 1);
    ck_assert_uint_eq(client_next_connect_ns(&run), 1 + NS_PER_S / 10);
    client_connect_due(&run, NS_PER_S);
    ck_assert_uint_eq(fake.connects, 10);
    ck_assert_uint_eq(run.waiting, 10);
    fake_end();
}
END_TEST

START_TEST(client_bounds_handshakes_under_way) {
    FAKE_BEGIN("--connections", "100", "--connecting-max", "4");
    client_connect_due(&run, 3600 * NS_PER_S);
    ck_assert_uint_eq(fake.connects, 4);
    ck_assert_uint_eq(client_next_connect_ns(&run), SCHEDULE_NEVER);
    client_on_connect_failed(&run, 2, ECONNREFUSED);
    client_connect_due(&run, 3600 * NS_PER_S);
    ck_assert_uint_eq(fake.connects, 5);
    fake_end();
}
END_TEST

START_TEST(client_times_out_from_when_it_really_began) {
    FAKE_BEGIN("--connections", "2", "--connect-rate", "1000", "--connect-timeout-s", "10");
    client_connect_due(&run, 60 * NS_PER_S); // a minute behind its schedule
    client_expire(&run, 69 * NS_PER_S);
    ck_assert_uint_eq(run.waiting, 2);
    client_on_open(&run, 1, 1);
    client_expire(&run, 71 * NS_PER_S);
    ck_assert_uint_eq(run.waiting, 0);
    ck_assert_uint_eq(result.failures[RESULT_TIMEOUT], 2);
    ck_assert_ptr_nonnull(strstr(result.detail, "within 10.0 s no TCP connection"));
    ck_assert(client_all_settled(&run));
    fake_end();
}
END_TEST

START_TEST(client_times_out_each_in_its_turn_and_looks_at_each_once) {
    FAKE_BEGIN("--connections", "3", "--connect-rate", "0.25", "--connect-timeout-s", "10");
    client_connect_due(&run, 1);
    client_connect_due(&run, 5 * NS_PER_S);
    client_expire(&run, 9 * NS_PER_S);
    ck_assert_uint_eq(run.first_waiting, 0);
    client_expire(&run, 11 * NS_PER_S);
    ck_assert_uint_eq(result.failures[RESULT_TIMEOUT], 1);
    ck_assert_uint_eq(run.first_waiting, 1); // it began later: nobody beyond is looked at
    client_connect_due(&run, 12 * NS_PER_S);
    client_on_connect_failed(&run, 1, ECONNREFUSED);
    client_expire(&run, 16 * NS_PER_S);
    ck_assert_uint_eq(result.failures[RESULT_TIMEOUT], 1);
    ck_assert_uint_eq(run.first_waiting, 2);
    client_expire(&run, 23 * NS_PER_S);
    ck_assert_uint_eq(result.failures[RESULT_TIMEOUT], 2);
    ck_assert_uint_eq(run.first_waiting, 3);
    ck_assert(client_all_settled(&run));
    fake_end();
}
END_TEST

START_TEST(client_failures_are_told_apart) {
    FAKE_BEGIN("--connections", "1");
    client_connect_due(&run, NS_PER_S);
    client_on_connect_failed(&run, 0, ECONNREFUSED);
    is_failure(0, RESULT_UNREACHABLE, "is the server running there?");
    fake_end();
    FAKE_BEGIN("--connections", "1");
    client_connect_due(&run, NS_PER_S);
    client_on_connect_failed(&run, 0, EADDRNOTAVAIL);
    is_failure(0, RESULT_LOCAL, "--sources");
    fake_end();
    FAKE_BEGIN("--connections", "1");
    fake.connect_answer = -EMFILE;
    client_connect_due(&run, NS_PER_S);
    is_failure(0, RESULT_LOCAL, "ulimit -n");
    fake_end();
    FAKE_BEGIN("--connections", "1");
    client_connect_due(&run, NS_PER_S);
    client_on_open(&run, 0, 0);
    run.clients[0].state = CLIENT_JOINING;
    client_on_end(&run, 0, STREAM_END_RESET);
    is_failure(0, RESULT_CLOSED_EARLY, "before it answered the join");
    fake_end();
}
END_TEST

START_TEST(client_that_ends_after_its_join_is_dropped_not_refused) {
    FAKE_BEGIN("--connections", "3", "--room-size", "3");
    fake_join_all();
    run.clients[1].unanswered = 2;
    run.outstanding = 5;
    client_on_end(&run, 0, STREAM_END_RESET);
    client_on_end(&run, 1, STREAM_END_PEER_CLOSED);
    client_on_end(&run, 1, STREAM_END_LOCAL); // of the close that followed
    ck_assert_uint_eq(result.failures[RESULT_RESET], 1);
    ck_assert_uint_eq(result.failures[RESULT_CLOSED], 1);
    ck_assert_uint_eq(result_refused_count(&result), 0);
    ck_assert_uint_eq(result_dropped_count(&result), 2);
    ck_assert_uint_eq(result.live, 1);
    ck_assert_uint_eq(run.rooms[0].live, 1);
    ck_assert_uint_eq(result.unanswered, 2);
    ck_assert_uint_eq(run.outstanding, 3);
    fake_end();
}
END_TEST

START_TEST(client_ends_of_a_run_that_is_over_are_no_failures) {
    FAKE_BEGIN("--connections", "1");
    fake_join_all();
    run.is_closing = true;
    client_on_end(&run, 0, STREAM_END_RESET);
    ck_assert_uint_eq(result_dropped_count(&result), 0);
    fake_end();
}
END_TEST

START_TEST(client_gives_up_when_nobody_is_there) {
    FAKE_BEGIN("--connections", "1000", "--connecting-max", "1");
    uint32_t tried = 0;
    while (!client_all_settled(&run)) {
        client_connect_due(&run, 3600 * NS_PER_S);
        client_on_connect_failed(&run, tried++, ECONNREFUSED);
    }
    ck_assert_uint_eq(tried, 100);
    fake_end();
}
END_TEST

START_TEST(client_of_the_flood_fails_nobody) {
    FAKE_BEGIN("--connections", "2", "--flood");
    ck_assert_uint_eq(run.flood_client, 2);
    fake_join_all();
    client_on_end(&run, 2, STREAM_END_RESET);
    ck_assert_uint_eq(result_dropped_count(&result), 0);
    ck_assert_str_eq(result.flood_end, "the server reset a connection");
    fake_end();
}
END_TEST

START_TEST(client_rooms_are_filled_one_after_another) {
    FAKE_BEGIN("--connections", "10", "--room-size", "4", "--first-room", "7", "--flood");
    char text[RUN_TOPIC_BYTES_MAX];
    ck_assert_uint_eq(run.room_count, 4); // 4 + 4 + 2, and the flood's
    ck_assert_uint_eq(run_room_of(&run, 3), 0);
    ck_assert_uint_eq(run_room_of(&run, 4), 1);
    ck_assert_uint_eq(run_room_of(&run, 9), 2);
    ck_assert_uint_eq(run_room_of(&run, 10), 3);
    ck_assert(bytes_equal_string(client_topic(&run, 2, text), "room:bench-9"));
    ck_assert(bytes_equal_string(client_topic(&run, 3, text), "room:bench-flood"));
    fake_end();
}
END_TEST

START_TEST(client_connects_from_its_source) {
    FAKE_BEGIN("--connections", "2", "--sources", "127.9.8.1,127.9.8.2");
    client_connect_due(&run, NS_PER_S);
    ck_assert_ptr_eq(fake.last_local, &targets.sources[1]);
    fake_end();
    FAKE_BEGIN("--connections", "2");
    client_connect_due(&run, NS_PER_S);
    ck_assert_ptr_null(fake.last_local);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/client", client_connects_at_the_rate_and_no_faster,
          client_bounds_handshakes_under_way, client_times_out_from_when_it_really_began,
          client_times_out_each_in_its_turn_and_looks_at_each_once, client_failures_are_told_apart,
          client_that_ends_after_its_join_is_dropped_not_refused,
          client_ends_of_a_run_that_is_over_are_no_failures, client_gives_up_when_nobody_is_there,
          client_of_the_flood_fails_nobody, client_rooms_are_filled_one_after_another,
          client_connects_from_its_source)
