// Goal: what comes is timed from the right moment, counted once and in its own place: service time
// without our own lag, heartbeats, first, median and last receiver, reach, slow readers and
// churners. Method: the generic calls of a protocol at made-up times, over the fake streams.
#include "tests/unit/loadgen/fake_streams.h"

#define BEGIN_NS NS_PER_S

static void begin_rooms(void) {
    FAKE_BEGIN("rooms", "--connections", "4", "--room-size", "4");
    fake_join_all();
    run.measure_from_ns = BEGIN_NS;
    run.measure_to_ns = SCHEDULE_NEVER;
    for (uint32_t i = 0; i < 4; i++)
        verify_start(&run.clients[i].verify, 0);
}

// Meant for BEGIN_NS + n, sent 2 us later.
static struct stamp stamp_of(uint32_t number) {
    return (struct stamp){.intended_ns = BEGIN_NS + number, .number = number, .lag_us = 2};
}

static void publish(uint32_t number, uint32_t due) {
    struct flight_publish p = {.room = 0,
                               .number = number,
                               .due = due,
                               .intended_ns = stamp_of(number).intended_ns,
                               .is_measured = true};
    flight_begin(&run.flights, &p);
    run.rooms[0].published = number;
}

static void deliver(uint32_t index, uint32_t number, uint64_t after_ns) {
    struct stamp stamp = stamp_of(number);
    run.read_ns = stamp.intended_ns + after_ns;
    receive_delivery(&run, index, &stamp, number);
}

START_TEST(receive_service_time_is_latency_without_our_lag) {
    begin_rooms();
    publish(1, 4);
    deliver(0, 1, 10000);
    ck_assert_uint_eq(result.latency.max_ns, 10000);
    ck_assert_uint_eq(result.service.max_ns, 8000);
    deliver(1, 1, 1500); // less than the lag that its sender claims
    ck_assert_uint_eq(result.service.min_ns, 0);
    run.read_ns = 5; // a time in the future
    struct stamp stamp = stamp_of(1);
    receive_delivery(&run, 2, &stamp, 1);
    ck_assert_uint_eq(result.latency.min_ns, 0);
    ck_assert_uint_eq(result.service.count, 3);
    fake_end();
}
END_TEST

START_TEST(receive_before_the_window_is_counted_not_timed) {
    begin_rooms();
    run.measure_from_ns = BEGIN_NS + 2;
    deliver(0, 1, 1000);
    deliver(0, 2, 1000);
    ck_assert_uint_eq(result.received_all, 2);
    ck_assert_uint_eq(result.latency.count, 1);
    ck_assert_uint_eq(result.service.count, 1);
    ck_assert_uint_eq(result.interval.count, 2);
    fake_end();
}
END_TEST

START_TEST(receive_tells_first_median_and_last_and_who_was_reached) {
    begin_rooms();
    publish(1, 4);
    publish(2, 4);
    for (uint32_t i = 0; i < 4; i++)
        deliver(i, 1, (i + 1) * 1000);
    deliver(0, 2, 5000);
    deliver(0, 2, 6000); // twice: reaches nobody else
    ck_assert_uint_eq(result.first.count, 2);
    ck_assert_uint_eq(result.median.count, 1);
    ck_assert_uint_eq(result.last.count, 1);
    ck_assert_uint_eq(result.first.min_ns, 1000);
    ck_assert_uint_eq(result.median.max_ns, 2000);
    ck_assert_uint_eq(result.last.max_ns, 4000);
    receive_finish(&run);
    ck_assert_uint_eq(result.reach_due, 8);
    ck_assert_uint_eq(result.reach_received, 5);
    ck_assert_uint_eq(result.flights_complete, 1);
    ck_assert_uint_eq(result.flights_incomplete, 1);
    ck_assert_uint_eq(result.missed_worst_ppm, 750000);
    fake_end();
}
END_TEST

START_TEST(receive_keeps_slow_readers_apart) {
    begin_rooms();
    run.clients[3].role = LAYOUT_SLOW;
    publish(1, 3);
    deliver(3, 1, 900000);
    ck_assert_uint_eq(result.slow.count, 1);
    ck_assert_uint_eq(result.latency.count + result.service.count + result.interval.count, 0);
    ck_assert_uint_eq(result.first.count, 0); // it is not among those that are due
    receive_gap(&run, 3, 2, 11);
    ck_assert_uint_eq(result.verify.announced, 0);
    ck_assert_uint_eq(result.verify.gap_events, 0);
    ck_assert_uint_eq(result.slow_announced, 10);
    ck_assert_uint_eq(result.slow_gap_events, 1);
    deliver(3, 14, 900000); // 12 and 13 were lost without a gap: the server's fault, as ever
    ck_assert_uint_eq(result.verify.lost, 2);
    run.rooms[0].last_sequence = 20;
    for (uint32_t i = 0; i < 3; i++)
        verify_start(&run.clients[i].verify, 20);
    receive_finish(&run);
    ck_assert_uint_eq(result.slow_behind, 6);
    ck_assert_uint_eq(result.verify.missing, 0);
    fake_end();
}
END_TEST

START_TEST(receive_checks_a_churner_from_its_join_to_its_leave) {
    begin_rooms();
    run.clients[3].role = LAYOUT_CHURNER;
    publish(1, 3);
    deliver(3, 1, 1000);
    ck_assert_uint_eq(result.latency.count, 1); // as good as any other's
    ck_assert_uint_eq(result.first.count, 0);   // but the message was not due to it
    ck_assert(client_try_leave(&run, 3));
    ck_assert(!client_try_leave(&run, 3));
    ck_assert(!client_try_join(&run, 3)); // not out yet
    receive_left(&run, 3);
    ck_assert_uint_eq(run.rooms[0].live, 3);
    run.rooms[0].last_sequence = 50;
    ck_assert(client_try_join(&run, 3));
    receive_joined(&run, 3, 40);
    ck_assert_uint_eq(run.rooms[0].live, 4);
    deliver(3, 42, 1000); // 41 is missing
    ck_assert_uint_eq(result.verify.lost, 1);
    ck_assert(client_try_leave(&run, 3));
    for (uint32_t i = 0; i < 3; i++)
        verify_start(&run.clients[i].verify, 50);
    receive_finish(&run); // it is leaving: what is beyond 42 is not known to be due
    ck_assert_uint_eq(result.verify.missing, 0);
    receive_left(&run, 0); // was never asked
    ck_assert_uint_eq(result.strange, 1);
    fake_end();
}
END_TEST

START_TEST(receive_heartbeats_are_timed_in_the_window) {
    FAKE_BEGIN("hold", "--connections", "2");
    fake_join_all();
    run.measure_from_ns = BEGIN_NS;
    run.measure_to_ns = SCHEDULE_NEVER;
    struct stamp before = {.intended_ns = BEGIN_NS - 1}, within = {.intended_ns = BEGIN_NS};
    run.read_ns = BEGIN_NS + 3000;
    receive_heartbeat(&run, 0, &before);
    receive_heartbeat(&run, 0, &within);
    ck_assert_uint_eq(result.heartbeats_answered, 2);
    ck_assert_uint_eq(result.heartbeat.count, 1);
    ck_assert_uint_eq(result.heartbeat.max_ns, 3000);
    ck_assert_uint_eq(result.latency.count, 0);
    fake_end();
}
END_TEST

START_TEST(receive_connection_costs_what_the_header_promises) {
    ck_assert_uint_le(sizeof(struct client), 64);
    // Beside it 32 B in the stream table, whose own test asserts that.
}
END_TEST

UNIT_MAIN("loadgen/receive", receive_service_time_is_latency_without_our_lag,
          receive_before_the_window_is_counted_not_timed,
          receive_tells_first_median_and_last_and_who_was_reached, receive_keeps_slow_readers_apart,
          receive_checks_a_churner_from_its_join_to_its_leave,
          receive_heartbeats_are_timed_in_the_window,
          receive_connection_costs_what_the_header_promises)
