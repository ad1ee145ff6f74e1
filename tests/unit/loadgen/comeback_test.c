// Goal: clients that were cut come back by their back-off, attempts that fail are counted apart and
// tried again, and nothing of our own doing is called the server's. Method: a made-up clock over
// the fake streams; the server's part is played by hand.
#include "tests/unit/loadgen/fake_streams.h"

#define BEGIN_NS NS_PER_S

// The clock is real where failures and joins are timed, so the time of the run is the clock's, too.
static uint64_t now_ns;

static void begin(char *const *argv, int argc) {
    fake_begin(argv, argc);
    fake_join_all();
    now_ns = clock_monotonic_ns();
    timer_wheel_init(&run.comebacks.wheel, &run.comebacks.slab, offsetof(struct comeback, timer),
                     NS_PER_MS, now_ns);
    fake.connects = 0;
    fake.closes = 0;
    run.phases.is_on = true;
}

#define BEGIN(...)                                                                                 \
    begin((char *[]){"fairlead-load", __VA_ARGS__},                                                \
          (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)) + 1)

static void turn_at(uint64_t after_ms) {
    comeback_turn(&run, now_ns + after_ms * NS_PER_MS);
}

static void join(uint32_t index) {
    ck_assert_int_eq(run.clients[index].state, CLIENT_CONNECTING);
    client_on_open(&run, index, index);
    client_set_joining(&run, index);
    receive_joined(&run, index, 7);
}

START_TEST(comeback_cuts_its_share_evenly_over_the_rooms) {
    BEGIN("storm", "--connections", "100", "--room-size", "10", "--cut-percent", "30", "--backoff",
          "fixed:1000");
    comeback_cut(&run, 30, now_ns);
    ck_assert_uint_eq(result.storm_cut, 30);
    ck_assert_uint_eq(result.live, 70);
    ck_assert_uint_eq(fake.closes, 30);
    ck_assert_uint_eq(run.comebacks.away, 30);
    for (uint32_t room = 0; room < 10; room++)
        ck_assert_uint_eq(run.rooms[room].live, 7);
    ck_assert_uint_eq(result_dropped_count(&result), 0);
    comeback_cut(&run, 100, now_ns); // those that are there
    ck_assert_uint_eq(result.storm_cut, 100);
    ck_assert_uint_eq(result.live, 0);
    ck_assert_uint_eq(run.rooms[0].stable, 0);
    fake_end();
}
END_TEST

START_TEST(comeback_passes_over_who_might_take_a_message_along) {
    BEGIN("storm", "--connections", "8", "--room-size", "8", "--cut-percent", "50");
    run.numbers = RUN_NUMBERS_OWN; // a publish that goes with its sender would look lost
    run.clients[1].unanswered = 1;
    run.outstanding = 1;
    comeback_cut(&run, 50, now_ns);
    ck_assert_uint_eq(result.storm_cut, 4);
    ck_assert_int_eq(run.clients[1].state, CLIENT_LIVE);
    ck_assert_int_eq(run.clients[2].state, CLIENT_GONE);
    fake_end();
    BEGIN("storm", "--connections", "8", "--room-size", "8", "--cut-percent", "50");
    run.numbers = RUN_NUMBERS_SERVER; // without a number it is not missed
    run.clients[1].unanswered = 1;
    run.outstanding = 1;
    comeback_cut(&run, 50, now_ns);
    ck_assert_int_eq(run.clients[1].state, CLIENT_GONE);
    fake_end();
}
END_TEST

START_TEST(comeback_waits_tries_and_is_there_again) {
    BEGIN("storm", "--connections", "10", "--room-size", "10", "--backoff", "fixed:500");
    comeback_cut(&run, 10, now_ns);
    uint32_t index = 9;
    ck_assert(comeback_has(&run, index));
    turn_at(499);
    ck_assert_uint_eq(fake.connects, 0);
    ck_assert_uint_le(comeback_next_ns(&run), now_ns + 501 * NS_PER_MS);
    turn_at(502);
    ck_assert_uint_eq(fake.connects, 1);
    ck_assert_uint_eq(result.storm_attempts, 1);
    uint64_t connects_before = result.connect.count, connected_before = result.connected_ns;
    join(index);
    ck_assert(!comeback_has(&run, index));
    ck_assert_uint_eq(result.storm_back, 1);
    ck_assert_uint_eq(result.recovery.count, 1);
    ck_assert_uint_eq(result.live, 10);
    ck_assert_uint_eq(run.clients[index].verify.highest, 7); // checked from its new watermark
    // It is no connect of the run's beginning.
    ck_assert_uint_eq(result.connect.count, connects_before);
    ck_assert_uint_eq(result.connected_ns, connected_before);
    ck_assert_uint_eq(run.comebacks.away, 0);
    ck_assert_uint_eq(comeback_next_ns(&run), UINT64_MAX);
    fake_end();
}
END_TEST

START_TEST(comeback_failed_attempts_are_counted_by_cause_and_tried_again) {
    static const enum result_failure causes[] = {RESULT_HTTP,    RESULT_JOIN,  RESULT_UNREACHABLE,
                                                 RESULT_TIMEOUT, RESULT_RESET, RESULT_LOCAL};
    BEGIN("storm", "--connections", "4", "--room-size", "4", "--backoff", "fixed:10");
    comeback_cut(&run, 25, now_ns);
    for (uint32_t i = 0; i < 6; i++) {
        turn_at(1000 * (i + 1));
        ck_assert_uint_eq(result.storm_attempts, i + 1);
        client_fail(&run, 3, causes[i], "no");
        ck_assert_int_eq(run.clients[3].state, CLIENT_GONE);
        ck_assert(comeback_has(&run, 3));
    }
    ck_assert_uint_eq(result.storm_refused_http, 1);
    ck_assert_uint_eq(result.storm_refused_join, 1);
    ck_assert_uint_eq(result.storm_unreachable, 1);
    ck_assert_uint_eq(result.storm_timeouts, 1);
    ck_assert_uint_eq(result.storm_closed, 1);
    ck_assert_uint_eq(result.storm_local, 1);
    ck_assert_uint_eq(result_refused_count(&result) + result_dropped_count(&result), 0);
    ck_assert_str_eq(result.detail, "");
    fake_end();
}
END_TEST

START_TEST(comeback_attempts_wait_longer_and_longer) {
    BEGIN("storm", "--connections", "4", "--room-size", "4"); // phoenix: 10, 50, 100 … ms
    comeback_cut(&run, 25, now_ns);
    turn_at(12);
    ck_assert_uint_eq(fake.connects, 1);
    uint64_t failed_ns = clock_monotonic_ns();
    client_fail(&run, 3, RESULT_HTTP, "503");
    uint64_t next_ns = timer_wheel_deadline_ns(&run.comebacks.wheel, 3);
    ck_assert_uint_ge(next_ns, failed_ns + 50 * NS_PER_MS);
    ck_assert_uint_lt(next_ns, clock_monotonic_ns() + 52 * NS_PER_MS);
    fake_end();
}
END_TEST

START_TEST(comeback_gives_an_attempt_up_that_takes_too_long) {
    BEGIN("storm", "--connections", "4", "--room-size", "4", "--backoff", "fixed:10",
          "--connect-timeout-s", "3");
    comeback_cut(&run, 25, now_ns);
    turn_at(12);
    ck_assert_int_eq(run.clients[3].state, CLIENT_CONNECTING);
    client_expire(&run, now_ns + 60 * NS_PER_S); // is for those of the beginning
    ck_assert_int_eq(run.clients[3].state, CLIENT_CONNECTING);
    turn_at(3011);
    ck_assert_int_eq(run.clients[3].state, CLIENT_CONNECTING);
    ck_assert_uint_eq(fake.closes, 1); // the cut
    turn_at(3014);
    ck_assert_uint_eq(fake.closes, 2);
    ck_assert_uint_eq(result.storm_timeouts, 1);
    ck_assert(comeback_has(&run, 3));
    fake_end();
}
END_TEST

START_TEST(comeback_of_the_dropped_is_by_request_only) {
    BEGIN("rooms", "--connections", "4", "--room-size", "4");
    client_on_end(&run, 1, STREAM_END_RESET);
    ck_assert(!comeback_has(&run, 1));
    ck_assert_uint_eq(result_dropped_count(&result), 1);
    fake_end();
    BEGIN("rooms", "--connections", "4", "--room-size", "4", "--reconnect", "--backoff",
          "fixed:10");
    client_on_end(&run, 1, STREAM_END_RESET);
    ck_assert(comeback_has(&run, 1));
    ck_assert_uint_eq(result_dropped_count(&result), 1); // it was the server's doing all the same
    comeback_turn(&run, clock_monotonic_ns() + NS_PER_S);
    join(1);
    ck_assert_uint_eq(result.dropped_back, 1);
    ck_assert_uint_eq(result.storm_back, 0);
    ck_assert_uint_eq(result.recovery.count, 1);
    fake_end();
}
END_TEST

START_TEST(comeback_waits_until_all_have_connected) {
    BEGIN("rooms", "--connections", "4", "--room-size", "4", "--reconnect", "--backoff",
          "fixed:10");
    run.phases.is_on = false;
    client_on_end(&run, 1, STREAM_END_RESET);
    comeback_turn(&run, clock_monotonic_ns() + NS_PER_S);
    ck_assert_uint_eq(fake.connects, 0);
    ck_assert_uint_eq(comeback_next_ns(&run), UINT64_MAX);
    run.phases.is_on = true;
    comeback_turn(&run, clock_monotonic_ns() + NS_PER_S);
    ck_assert_uint_eq(fake.connects, 1);
    fake_end();
}
END_TEST

START_TEST(comeback_leaves_no_trace_of_the_cut_in_what_is_checked) {
    BEGIN("storm", "--connections", "4", "--room-size", "4", "--rate", "1000");
    scenario_begin(&run, BEGIN_NS);
    run.phases.publishes.taken = 0;
    struct flight_publish publish = {.room = 0, .number = 1, .due = 4};
    run.rooms[0].published = 1;
    run.flights.begun = 0;
    flight_begin(&run.flights, &publish);
    run.clients[3].unanswered = 2;
    run.outstanding = 2;
    client_depart(&run, 3);
    ck_assert_uint_eq(result.unanswered, 0);
    ck_assert_uint_eq(run.outstanding, 0);
    ck_assert_uint_eq(run.flights.begun, 0);
    receive_finish(&run);
    ck_assert_uint_eq(result.flights_incomplete, 0);
    ck_assert_uint_eq(result.reach_due, result.reach_received);
    fake_end();
}
END_TEST

START_TEST(comeback_of_who_is_not_wanted_any_more_is_not_missed) {
    BEGIN("storm", "--connections", "4", "--room-size", "4", "--backoff", "fixed:10");
    comeback_cut(&run, 50, now_ns);
    ck_assert_uint_eq(result.storm_cut, 2);
    client_depart(&run, 3);
    client_depart(&run, 2); // was there
    ck_assert_uint_eq(result.storm_cut, 1);
    ck_assert_uint_eq(run.comebacks.away, 1);
    turn_at(1000);
    ck_assert_uint_eq(fake.connects, 1);
    fake_end();
}
END_TEST

START_TEST(comeback_ends_with_the_run) {
    BEGIN("storm", "--connections", "4", "--room-size", "4", "--backoff", "fixed:10");
    comeback_cut(&run, 100, now_ns);
    comeback_end(&run);
    turn_at(1000);
    ck_assert_uint_eq(fake.connects, 0);
    ck_assert_uint_eq(comeback_next_ns(&run), UINT64_MAX);
    ck_assert(!comeback_has(&run, 0));
    fake_end();
}
END_TEST

START_TEST(comeback_cuts_and_connects_within_budgets_a_turn) {
    BEGIN("storm", "--connections", "2000", "--room-size", "50", "--backoff", "fixed:10",
          "--connecting-max", "4096");
    comeback_cut(&run, 100, now_ns);
    ck_assert_uint_eq(result.storm_cut, COMEBACK_CUTS_PER_TURN_MAX);
    ck_assert_uint_eq(comeback_next_ns(&run), 0); // go on at once
    turn_at(0);
    ck_assert_uint_eq(result.storm_cut, 2000);
    ck_assert_uint_ne(comeback_next_ns(&run), 0);
    turn_at(100);
    ck_assert_uint_le(fake.connects, COMEBACK_CONNECTS_PER_TURN_MAX);
    for (uint32_t i = 0; i < 20 && fake.connects < 2000; i++)
        turn_at(100);
    ck_assert_uint_eq(fake.connects, 2000);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/comeback", comeback_cuts_its_share_evenly_over_the_rooms,
          comeback_passes_over_who_might_take_a_message_along,
          comeback_waits_tries_and_is_there_again,
          comeback_failed_attempts_are_counted_by_cause_and_tried_again,
          comeback_attempts_wait_longer_and_longer,
          comeback_gives_an_attempt_up_that_takes_too_long,
          comeback_of_the_dropped_is_by_request_only, comeback_waits_until_all_have_connected,
          comeback_leaves_no_trace_of_the_cut_in_what_is_checked,
          comeback_of_who_is_not_wanted_any_more_is_not_missed, comeback_ends_with_the_run,
          comeback_cuts_and_connects_within_budgets_a_turn)
