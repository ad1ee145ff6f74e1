// Goal: each scenario sends what it promises, from whom and when. Method: a made-up clock over the
// fake streams; what leaves is read back with the tool's own scanner.
#include "tests/unit/loadgen/fake_streams.h"

#include "loadgen/stamp.h"

#define BEGIN_NS NS_PER_S

// Turns at every millisecond until `until_ns`.
static void drive(uint64_t from_ns, uint64_t until_ns) {
    for (uint64_t now_ns = from_ns; now_ns < until_ns; now_ns += NS_PER_MS)
        scenario_turn(&run, now_ns);
}

static struct scan_message last_message(void) {
    struct scan_message message;
    ck_assert(scan_message(bytes_of(fake.last, fake.last_size), &message));
    return message;
}

START_TEST(scenario_rooms_publishes_at_the_rate_in_turns) {
    FAKE_BEGIN("rooms", "--connections", "8", "--room-size", "4", "--talkers", "2", "--rate", "400",
               "--warmup-s", "1", "--duration-s", "2", "--heartbeat-s", "3600");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    ck_assert_uint_eq(scenario_next_ns(&run), BEGIN_NS);
    drive(BEGIN_NS, BEGIN_NS + 4 * NS_PER_S);
    ck_assert_uint_eq(result.sent_all, 1200); // warm-up and window, none after it
    ck_assert_uint_eq(result.sent, 800);
    ck_assert_uint_eq(scenario_offered(&run, run.measure_to_ns), 800);
    ck_assert_uint_eq(run.rooms[0].published, 600);
    ck_assert_uint_eq(run.rooms[1].published, 600);
    // Members 0 and 2 of each room talk, evenly.
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(fake.pushes_of[i], i % 2 ? 0 : 300);
    fake_end();
}
END_TEST

START_TEST(scenario_publish_says_who_when_and_which) {
    FAKE_BEGIN("rooms", "--connections", "4", "--room-size", "4", "--rate", "10", "--first-user",
               "100", "--event", "shout", "--payload-bytes", "200", "--warmup-s", "0");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    scenario_turn(&run, BEGIN_NS + NS_PER_S / 10 + 5); // two are due
    struct scan_message message = last_message();
    struct stamp stamp;
    ck_assert(bytes_equal_string(message.event, "shout"));
    ck_assert(bytes_equal_string(message.topic, "room:bench-0"));
    ck_assert(bytes_equal_string(message.join_ref, "1"));
    ck_assert_uint_eq(message.payload.size, 200);
    ck_assert(stamp_decode(message.payload, &stamp));
    ck_assert_uint_eq(stamp.publisher, 100);
    ck_assert_uint_eq(stamp.number, 2);
    ck_assert_uint_eq(stamp.intended_ns, BEGIN_NS + NS_PER_S / 10);
    ck_assert_uint_gt(stamp.lag_us, 0); // the made-up time is long ago
    struct stamp ref;
    ck_assert(stamp_decode_ref(message.ref, result.begin_ns, &ref));
    ck_assert_uint_eq(ref.intended_ns, stamp.intended_ns);
    ck_assert_uint_eq(ref.lag_us, stamp.lag_us);
    ck_assert_uint_eq(run.flights.begun, 2);
    fake_end();
}
END_TEST

START_TEST(scenario_burst_sends_several_at_each_arrival) {
    FAKE_BEGIN("rooms", "--connections", "4", "--room-size", "4", "--rate", "100", "--burst", "20",
               "--warmup-s", "0", "--duration-s", "1");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    scenario_turn(&run, BEGIN_NS);
    ck_assert_uint_eq(result.sent_all, 20);
    scenario_turn(&run, BEGIN_NS + NS_PER_S / 5 - 1);
    ck_assert_uint_eq(result.sent_all, 20);
    drive(BEGIN_NS, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent_all, 100);
    ck_assert_uint_eq(scenario_offered(&run, run.measure_to_ns), 100);
    fake_end();
}
END_TEST

START_TEST(scenario_arrivals_of_members_who_left_are_not_sent) {
    FAKE_BEGIN("rooms", "--connections", "2", "--room-size", "1", "--rate", "100", "--warmup-s",
               "0", "--duration-s", "1");
    fake_join_all();
    client_on_end(&run, 1, STREAM_END_RESET);
    scenario_begin(&run, BEGIN_NS);
    drive(BEGIN_NS, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent_all, 50);
    ck_assert_uint_eq(result.unsendable, 50);
    ck_assert_uint_eq(run.rooms[1].published, 0);
    fake_end();
}
END_TEST

START_TEST(scenario_counts_what_a_server_that_does_not_read_keeps_back) {
    FAKE_BEGIN("rooms", "--connections", "2", "--room-size", "2", "--rate", "100", "--warmup-s",
               "0", "--duration-s", "1");
    fake_join_all();
    fake.answer = STREAM_PUSH_OVER_CONTROL;
    scenario_begin(&run, BEGIN_NS);
    drive(BEGIN_NS, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent_all, 0);
    ck_assert_uint_eq(result.unsendable, 100);
    ck_assert_uint_eq(run.rooms[0].published, 0); // no number is lost by it
    ck_assert_uint_eq(run.flights.begun, 0);
    ck_assert(scenario_is_quiet(&run));
    fake_end();
}
END_TEST

START_TEST(scenario_echo_asks_each_connection_in_turn) {
    FAKE_BEGIN("echo", "--connections", "10", "--rate", "1000", "--warmup-s", "0", "--duration-s",
               "1", "--heartbeat-s", "3600");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    drive(BEGIN_NS, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent_all, 1000);
    for (uint32_t i = 0; i < 10; i++)
        ck_assert_uint_eq(fake.pushes_of[i], 100);
    ck_assert(bytes_equal_string(last_message().event, "ping"));
    ck_assert(!scenario_is_quiet(&run));
    fake_end();
}
END_TEST

START_TEST(scenario_raw_echo_sends_the_bare_payload) {
    FAKE_BEGIN("echo", "--raw-echo", "--connections", "1", "--rate", "1", "--warmup-s", "0");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    scenario_turn(&run, BEGIN_NS);
    struct stamp stamp;
    ck_assert_uint_eq(fake.last_size, 64);
    ck_assert(stamp_decode(bytes_of(fake.last, fake.last_size), &stamp));
    ck_assert_uint_eq(stamp.intended_ns, BEGIN_NS);
    fake_end();
}
END_TEST

START_TEST(scenario_closed_echo_keeps_its_number_under_way) {
    FAKE_BEGIN("echo", "--connections", "4", "--closed", "6", "--warmup-s", "0", "--duration-s",
               "1");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    ck_assert_uint_eq(result.sent_all, 6);
    ck_assert_uint_eq(run.clients[0].unanswered, 2); // two of the six
    struct scan_message first = last_message();
    struct stamp first_ref, next_ref;
    ck_assert(stamp_decode_ref(first.ref, result.begin_ns, &first_ref));
    scenario_on_answer(&run, 1, BEGIN_NS + 1);
    ck_assert_uint_eq(result.sent_all, 7);
    ck_assert_uint_eq(fake.last_stream, 1);
    ck_assert(stamp_decode_ref(last_message().ref, result.begin_ns, &next_ref));
    ck_assert_uint_gt(next_ref.intended_ns,
                      first_ref.intended_ns); // refs differ though the clock hardly moved
    scenario_on_answer(&run, 1, run.measure_to_ns);
    ck_assert_uint_eq(result.sent_all, 7);
    fake_end();
}
END_TEST

START_TEST(scenario_closed_rooms_publishes_when_the_last_member_has_it) {
    FAKE_BEGIN("rooms", "--connections", "4", "--room-size", "2", "--closed", "3", "--warmup-s",
               "0", "--duration-s", "5");
    fake_join_all();
    scenario_begin(&run, BEGIN_NS);
    ck_assert_uint_eq(result.sent_all, 3);
    scenario_on_complete(&run, 1, BEGIN_NS + NS_PER_MS);
    ck_assert_uint_eq(result.sent_all, 4);
    ck_assert_uint_eq(run.rooms[1].published, 2);
    scenario_tick(&run, BEGIN_NS + 2 * NS_PER_S);
    ck_assert_uint_eq(result.sent_all, 4);
    scenario_tick(&run, BEGIN_NS + 3 * NS_PER_S); // all were lost: it begins anew
    ck_assert_uint_eq(result.sent_all, 7);
    scenario_end(&run, BEGIN_NS + 3 * NS_PER_S);
    scenario_on_complete(&run, 1, BEGIN_NS + 3 * NS_PER_S);
    ck_assert_uint_eq(result.sent_all, 7);
    fake_end();
}
END_TEST

START_TEST(scenario_heartbeats_reach_everyone_once_an_interval) {
    FAKE_BEGIN("hold", "--connections", "30", "--heartbeat-s", "30");
    fake_join_all();
    schedule_init(&run.heartbeats, 1, 30 / run.options.heartbeat_s); // as scenario_init does
    scenario_begin(&run, BEGIN_NS);
    drive(1, 30 * NS_PER_S);
    ck_assert_uint_eq(result.heartbeats, 30);
    for (uint32_t i = 0; i < 30; i++)
        ck_assert_uint_eq(fake.pushes_of[i], 1);
    ck_assert(bytes_equal_string(last_message().event, "heartbeat"));
    ck_assert_uint_eq(result.sent_all, 0);
    fake_end();
}
END_TEST

START_TEST(scenario_waits_at_the_end_for_heartbeats_of_those_who_stay) {
    FAKE_BEGIN("hold", "--connections", "3", "--heartbeat-s", "1", "--duration-s", "1");
    fake_join_all();
    schedule_init(&run.heartbeats, 1, 3);
    scenario_begin(&run, BEGIN_NS);
    drive(1, NS_PER_S);
    ck_assert_uint_eq(run.heartbeats_outstanding, 3);
    result.phase = RESULT_STRAGGLERS;
    run.straggle_from_ns = NS_PER_S;
    drive(NS_PER_S + 1, 2 * NS_PER_S); // none are sent while they are waited for
    ck_assert_uint_eq(result.heartbeats, 3);
    struct stamp stamp = {.intended_ns = BEGIN_NS};
    run.read_ns = BEGIN_NS;
    receive_heartbeat(&run, 0, &stamp);
    client_fail(&run, 1, RESULT_RESET, "gone, which is told by itself");
    ck_assert(!scenario_is_quiet(&run));
    receive_finish(&run);
    ck_assert_uint_eq(result.heartbeats_unanswered, 1);
    receive_heartbeat(&run, 2, &stamp);
    ck_assert(scenario_is_quiet(&run));
    drive(2 * NS_PER_S + 1, 3 * NS_PER_S); // but not for so long that a server gives up
    ck_assert_uint_gt(result.heartbeats, 3);
    fake_end();
}
END_TEST

START_TEST(scenario_without_heartbeats_is_silent) {
    FAKE_BEGIN("hold", "--connections", "30", "--heartbeat-s", "0");
    fake_join_all();
    ck_assert(scenario_init(&run, 1));
    scenario_begin(&run, BEGIN_NS);
    drive(1, 30 * NS_PER_S);
    ck_assert_uint_eq(result.heartbeats, 0);
    fake_end();
}
END_TEST

START_TEST(scenario_flood_stops_at_its_bounds) {
    FAKE_BEGIN("rooms", "--connections", "2", "--rate", "1", "--flood", "--flood-unanswered-max",
               "200", "--heartbeat-s", "3600");
    fake_join_all();
    scenario_turn(&run, 1);
    ck_assert_uint_eq(result.flood_sent, 0); // not before the load begins
    scenario_begin(&run, BEGIN_NS);
    scenario_turn(&run, BEGIN_NS);
    ck_assert_uint_eq(result.flood_sent, 192); // three parcels of 64
    run.flood_unanswered = 0;
    fake.control_bytes = 1 << 20; // the server does not read
    scenario_turn(&run, BEGIN_NS + 1);
    ck_assert_uint_eq(result.flood_sent, 192);
    ck_assert(bytes_equal_string(last_message().event, "msg") ||
              bytes_equal_string(last_message().event, "ping"));
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/scenario", scenario_rooms_publishes_at_the_rate_in_turns,
          scenario_publish_says_who_when_and_which, scenario_burst_sends_several_at_each_arrival,
          scenario_arrivals_of_members_who_left_are_not_sent,
          scenario_counts_what_a_server_that_does_not_read_keeps_back,
          scenario_echo_asks_each_connection_in_turn, scenario_raw_echo_sends_the_bare_payload,
          scenario_closed_echo_keeps_its_number_under_way,
          scenario_closed_rooms_publishes_when_the_last_member_has_it,
          scenario_heartbeats_reach_everyone_once_an_interval,
          scenario_waits_at_the_end_for_heartbeats_of_those_who_stay,
          scenario_without_heartbeats_is_silent, scenario_flood_stops_at_its_bounds)
