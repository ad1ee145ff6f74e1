// Goal: slow members read at their rate and nobody else is held up. Method: bytes are handed over
// at made-up times over the fake streams, which count pauses and resumes.
#include "tests/unit/loadgen/fake_streams.h"

// Members 8 and 9 of ten are slow.
static void begin(char *bytes_per_s) {
    FAKE_BEGIN("slow", "--connections", "10", "--room-size", "10", "--slow-percent", "20",
               "--slow-bytes-per-s", bytes_per_s, "--warmup-s", "0");
    fake_join_all();
    throttle_set(&run, 20, run.options.slow_bytes_per_s);
}

static void read_at(uint32_t index, uint64_t at_ms, size_t size) {
    run.read_ns = 1 + at_ms * NS_PER_MS;
    throttle_on_data(&run, index, size);
}

static void turn_at(uint64_t at_ms) {
    throttle_turn(&run, 1 + at_ms * NS_PER_MS);
}

START_TEST(throttle_pauses_slow_members_until_their_bytes_are_paid_for) {
    begin("1000");
    read_at(8, 0, 500);
    ck_assert_uint_eq(fake.pauses, 1);
    turn_at(499);
    ck_assert_uint_eq(fake.resumes, 0);
    ck_assert_uint_le(throttle_next_ns(&run), 1 + 501 * NS_PER_MS);
    turn_at(502);
    ck_assert_uint_eq(fake.resumes, 1);
    ck_assert_uint_eq(throttle_next_ns(&run), UINT64_MAX);
    fake_end();
}
END_TEST

START_TEST(throttle_charges_what_the_kernel_had_taken_already) {
    begin("1000");
    read_at(9, 0, 500);
    read_at(9, 1, 500); // comes although it is paused
    ck_assert_uint_eq(fake.pauses, 1);
    turn_at(998);
    ck_assert_uint_eq(fake.resumes, 0);
    turn_at(1002);
    ck_assert_uint_eq(fake.resumes, 1);
    fake_end();
}
END_TEST

START_TEST(throttle_leaves_the_others_alone) {
    begin("1");
    for (uint32_t i = 0; i < 8; i++)
        read_at(i, 0, 100000);
    ck_assert_uint_eq(fake.pauses, 0);
    fake_end();
}
END_TEST

START_TEST(throttle_keeps_the_mean_rate) {
    begin("100000");
    uint64_t taken = 0;
    for (uint64_t at_ms = 0; at_ms < 10000; at_ms++) {
        turn_at(at_ms);
        if (!slab_is_used(&run.throttle.pauses, 8)) {
            read_at(8, at_ms, 777);
            taken += 777;
        }
    }
    ck_assert_uint_gt(taken, 850000); // up to a tick of a millisecond in eight is lost
    ck_assert_uint_lt(taken, 1001000);
    fake_end();
}
END_TEST

START_TEST(throttle_ends_with_the_phase_and_with_the_connection) {
    begin("1");
    read_at(8, 0, 1000);
    read_at(9, 0, 1000);
    ck_assert_uint_eq(fake.pauses, 2);
    client_on_end(&run, 9, STREAM_END_RESET);
    throttle_set(&run, 0, 0);
    ck_assert_uint_eq(fake.resumes, 1); // 8; 9 is gone
    read_at(8, 1, 1000);
    ck_assert_uint_eq(fake.pauses, 2);
    ck_assert_uint_eq(run.throttle.pauses.used_count, 0);
    fake_end();
}
END_TEST

START_TEST(throttle_of_a_smaller_share_takes_the_first_of_the_slow) {
    begin("1");
    throttle_set(&run, 10, 1);
    read_at(8, 0, 1000);
    read_at(9, 0, 1000);
    ck_assert_uint_eq(fake.pauses, 1);
    ck_assert(slab_is_used(&run.throttle.pauses, 8));
    fake_end();
}
END_TEST

START_TEST(throttle_members_are_not_asked_and_owe_no_heartbeat) {
    begin("1");
    for (uint64_t i = 0; i < 20; i++)
        scenario_send_ping(&run, 1000 + i);
    ck_assert_uint_eq(result.sent_all, 20);
    ck_assert_uint_eq(fake.pushes_of[8] + fake.pushes_of[9], 0);
    schedule_init(&run.heartbeats, 1, 10);
    for (uint64_t now_ns = 1; now_ns < NS_PER_S; now_ns += NS_PER_S / 10)
        scenario_turn(&run, now_ns);
    ck_assert_uint_eq(fake.pushes_of[8] + fake.pushes_of[9], 2); // they keep alive all the same
    ck_assert_uint_eq(result.heartbeats, 10);
    ck_assert_uint_eq(run.heartbeats_outstanding, 8);
    struct stamp stamp = {.intended_ns = 1};
    run.measure_from_ns = 0;
    run.measure_to_ns = UINT64_MAX;
    receive_heartbeat(&run, 8, &stamp);
    ck_assert_uint_eq(run.heartbeats_outstanding, 8);
    ck_assert_uint_eq(result.heartbeat.count, 0);
    receive_heartbeat(&run, 7, &stamp);
    ck_assert_uint_eq(run.heartbeats_outstanding, 7);
    ck_assert_uint_eq(result.heartbeat.count, 1);
    fake_end();
}
END_TEST

START_TEST(throttle_members_connect_with_a_small_buffer) {
    FAKE_BEGIN("slow", "--connections", "10", "--room-size", "10", "--slow-percent", "20");
    client_connect(&run, 7, 1, 1);
    ck_assert_uint_eq(fake.last_receive_buffer_bytes, 0);
    client_connect(&run, 8, 1, 1);
    ck_assert_uint_eq(fake.last_receive_buffer_bytes, THROTTLE_RECEIVE_BUFFER_BYTES);
    fake_end();
}
END_TEST

START_TEST(throttle_is_not_there_without_slow_readers) {
    FAKE_BEGIN("rooms", "--connections", "10", "--room-size", "10");
    fake_join_all();
    ck_assert(!run.throttle.is_ready);
    read_at(9, 0, 1000000);
    turn_at(1);
    ck_assert_uint_eq(fake.pauses, 0);
    ck_assert_uint_eq(throttle_next_ns(&run), UINT64_MAX);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/throttle", throttle_pauses_slow_members_until_their_bytes_are_paid_for,
          throttle_charges_what_the_kernel_had_taken_already, throttle_leaves_the_others_alone,
          throttle_keeps_the_mean_rate, throttle_ends_with_the_phase_and_with_the_connection,
          throttle_of_a_smaller_share_takes_the_first_of_the_slow,
          throttle_members_are_not_asked_and_owe_no_heartbeat,
          throttle_members_connect_with_a_small_buffer, throttle_is_not_there_without_slow_readers)
