// Goal: everything that happens is counted once, in its second and in its cell, and nothing else
// is; off, nothing is. Method: the counting alone, at the edges of cells, seconds and times; then a
// gateway with peers that do a known number of things.
#include "tests/unit/gateway/rig.h"

#include "gateway/traffic.h"

static struct memory_ledger ledger;
static struct traffic traffic;

static void open_traffic(void) {
    ledger = (struct memory_ledger){0};
    ck_assert_int_eq(traffic_init(&traffic, &ledger), 0);
}

static uint32_t count_at(const struct traffic *t, uint32_t second, enum traffic_series series) {
    return t->shape->seconds[second].counts[series];
}

static uint64_t total_of(const struct traffic_histogram *h) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < TRAFFIC_CELLS; i++)
        sum += h->cells[i];
    return sum;
}

START_TEST(cells_follow_one_another_without_a_hole_and_are_an_eighth_wide) {
    ck_assert_uint_eq(traffic_cell_low(0), 0);
    for (uint32_t cell = 0; cell < TRAFFIC_CELLS; cell++) {
        uint32_t low = traffic_cell_low(cell), high = traffic_cell_high(cell);
        ck_assert_uint_le(low, high);
        ck_assert_uint_eq(traffic_cell(low), cell);
        ck_assert_uint_eq(traffic_cell(high), cell);
        ck_assert_uint_le(high - low, low / 8);
        if (cell > 0)
            ck_assert_uint_eq(traffic_cell_high(cell - 1) + 1, low);
    }
    ck_assert_uint_eq(traffic_cell(UINT32_MAX), TRAFFIC_CELLS - 1);
}
END_TEST

START_TEST(what_happens_is_counted_in_its_second_and_not_after_the_end) {
    open_traffic();
    uint64_t begin_ns = 5 * NS_PER_S + 7;
    traffic_begin(&traffic, begin_ns, begin_ns + 3 * NS_PER_S);
    traffic_count(&traffic, begin_ns - 9, TRAFFIC_joins); // its turn began before
    traffic_count(&traffic, begin_ns + NS_PER_S - 1, TRAFFIC_joins);
    traffic_count(&traffic, begin_ns + NS_PER_S, TRAFFIC_joins);
    traffic_count(&traffic, begin_ns + 3 * NS_PER_S - 1, TRAFFIC_joins);
    ck_assert(traffic.is_on);
    traffic_count(&traffic, begin_ns + 3 * NS_PER_S, TRAFFIC_joins);
    ck_assert(!traffic.is_on);
    ck_assert_uint_eq(count_at(&traffic, 0, TRAFFIC_joins), 2);
    ck_assert_uint_eq(count_at(&traffic, 1, TRAFFIC_joins), 1);
    ck_assert_uint_eq(count_at(&traffic, 2, TRAFFIC_joins), 1);
    ck_assert_uint_eq(count_at(&traffic, 3, TRAFFIC_joins), 0);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(the_longest_recording_counts_in_its_last_second) {
    open_traffic();
    uint64_t end_ns = 1 + TRAFFIC_SECONDS_MAX * NS_PER_S;
    traffic_begin(&traffic, 1, end_ns);
    traffic_count(&traffic, end_ns - 1, TRAFFIC_pings);
    ck_assert_uint_eq(count_at(&traffic, TRAFFIC_SECONDS_MAX - 1, TRAFFIC_pings), 1);
    ck_assert_uint_eq(traffic_seconds(1, end_ns, UINT64_MAX), TRAFFIC_SECONDS_MAX);
    ck_assert_uint_eq(traffic_seconds(1, end_ns, 1), 0);
    ck_assert_uint_eq(traffic_seconds(1, end_ns, 2), 1);
    ck_assert_uint_eq(traffic_seconds(1, end_ns, 1 + NS_PER_S), 1);
    ck_assert_uint_eq(traffic_seconds(1, end_ns, 2 + NS_PER_S), 2);
    memory_release_all(&ledger);
}
END_TEST

static uint64_t room(uint32_t index) {
    return pid_of(0, 1, (struct handle){.index = index, .generation = 3});
}

static void publish(uint64_t at_ns, uint64_t pid) {
    traffic_on_publish(&traffic, at_ns,
                       &(struct traffic_publish){.room = pid, .bytes = 100, .fan_out = 7});
}

START_TEST(gaps_are_those_of_one_room_and_of_this_recording) {
    open_traffic();
    traffic_begin(&traffic, NS_PER_S, 20 * NS_PER_S);
    const struct traffic_histogram *gaps = &traffic.shape->publish_gap_us;
    publish(2 * NS_PER_S, room(1));
    publish(2 * NS_PER_S + 1000 * NS_PER_US, room(2));
    ck_assert_uint_eq(total_of(gaps), 0);
    publish(2 * NS_PER_S + 3000 * NS_PER_US, room(1));
    ck_assert_uint_eq(gaps->cells[traffic_cell(3000)], 1);
    ck_assert_uint_eq(traffic.shape->gaps_unknown, 0);
    publish(3 * NS_PER_S, room(1 + TRAFFIC_ROOMS_MAX)); // takes the place of room 1
    publish(4 * NS_PER_S, room(1));
    ck_assert_uint_eq(total_of(gaps), 1);
    ck_assert_uint_eq(traffic.shape->gaps_unknown, 2);
    traffic_begin(&traffic, 5 * NS_PER_S, 9 * NS_PER_S);
    publish(6 * NS_PER_S, room(1)); // its publish before was of the recording before
    ck_assert_uint_eq(total_of(gaps), 0);
    ck_assert_uint_eq(traffic.shape->gaps_unknown, 0);
    ck_assert_uint_eq(total_of(&traffic.shape->publish_bytes), 1);
    ck_assert_uint_eq(traffic.shape->publish_bytes.cells[traffic_cell(100)], 1);
    ck_assert_uint_eq(traffic.shape->fan_out.cells[7], 1);
    ck_assert_uint_eq(count_at(&traffic, 1, TRAFFIC_deliveries), 7);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(an_end_keeps_what_was_counted) {
    open_traffic();
    traffic_begin(&traffic, NS_PER_S, 20 * NS_PER_S);
    publish(2 * NS_PER_S, room(1));
    traffic_end(&traffic, 3 * NS_PER_S);
    ck_assert(!traffic.is_on);
    ck_assert_uint_eq(traffic.until_ns, 3 * NS_PER_S);
    traffic_end(&traffic, 4 * NS_PER_S);
    ck_assert_uint_eq(traffic.until_ns, 3 * NS_PER_S);
    ck_assert_uint_eq(count_at(&traffic, 1, TRAFFIC_publishes), 1);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(shapes_of_cores_add_up) {
    open_traffic();
    struct traffic_shape *sum = calloc(1, sizeof(*sum));
    traffic_begin(&traffic, NS_PER_S, 20 * NS_PER_S);
    publish(NS_PER_S, room(1));
    publish(2 * NS_PER_S, room(1));
    traffic.shape->connections = 5;
    traffic.shape->members = 6;
    traffic.shape->rooms_begin.cells[3] = 1;
    traffic.shape->rooms_end.cells[4] = 2;
    traffic_add(sum, traffic.shape, 1);
    traffic_add(sum, traffic.shape, 2);
    ck_assert_uint_eq(sum->connections, 10);
    ck_assert_uint_eq(sum->members, 12);
    ck_assert_uint_eq(sum->rooms_begin.cells[3], 2);
    ck_assert_uint_eq(sum->rooms_end.cells[4], 4);
    ck_assert_uint_eq(sum->seconds[0].counts[TRAFFIC_publishes], 2);
    ck_assert_uint_eq(sum->seconds[1].counts[TRAFFIC_publishes], 1);
    ck_assert_uint_eq(total_of(&sum->publish_gap_us), 2);
    free(sum);
    memory_release_all(&ledger);
}
END_TEST

static void join(uint32_t peer) {
    rig_text(peer, "[\"1\",\"1\",\"room:lobby\",\"phx_join\",{}]");
    rig_turns(2);
}

// Three connect, join and speak; one leaves, one hangs up, one moves nothing.
static void live_a_little(void) {
    uint32_t ada = rig_user("ada"), bob = rig_user("bob"), eve = rig_user("eve");
    join(ada);
    join(bob);
    join(eve);
    rig_text(ada, "[\"1\",\"2\",\"room:lobby\",\"shout\",{\"a\":1}]");
    rig_text(ada, "[\"1\",\"3\",\"room:lobby\",\"whisper\",{}]");
    rig_text(ada, "[\"1\",\"4\",\"room:lobby\",\"ping\",{}]");
    rig_text(ada, "[null,\"5\",\"phoenix\",\"ping\",{}]");
    rig_text(ada, "[null,\"6\",\"phoenix\",\"heartbeat\",{}]");
    rig_text(ada, "[null,\"7\",\"room:other\",\"shout\",{}]"); // not joined
    rig_turns(3);
    rig_text(bob, "[\"1\",\"8\",\"room:lobby\",\"phx_leave\",{}]");
    rig_turns(2);
    rig_text(ada, "[\"1\",\"9\",\"room:lobby\",\"shout\",\"12345678901234567890\"]");
    rig_turns(2);
    rig_hangup(eve);
    rig_turns(2);
    rig_connect(); // says nothing, and is no client
    rig_turn();
}

START_TEST(a_gateway_counts_each_thing_once) {
    rig_config_default(&rig.config);
    rig_open(64, 4);
    traffic_begin(&rig.gateway.traffic, rig.now_ns, rig.now_ns + 3600 * NS_PER_S);
    rig.chat.is_watched = true;
    live_a_little();
    uint64_t counts[TRAFFIC_SERIES_COUNT] = {0};
    for (uint32_t s = 0; s < TRAFFIC_SERIES_COUNT; s++)
        for (uint32_t i = 0; i < TRAFFIC_SECONDS_MAX; i++)
            counts[s] += count_at(&rig.gateway.traffic, i, s);
    ck_assert_uint_eq(counts[TRAFFIC_connects], 3);
    ck_assert_uint_eq(counts[TRAFFIC_disconnects], 1);
    ck_assert_uint_eq(counts[TRAFFIC_joins], 3);
    ck_assert_uint_eq(counts[TRAFFIC_leaves], 1);
    ck_assert_uint_eq(counts[TRAFFIC_departures], 1);
    ck_assert_uint_eq(counts[TRAFFIC_publishes], 2);
    ck_assert_uint_eq(counts[TRAFFIC_deliveries], 3 + 2);
    ck_assert_uint_eq(counts[TRAFFIC_whispers], 1);
    ck_assert_uint_eq(counts[TRAFFIC_pings], 2);
    ck_assert_uint_eq(counts[TRAFFIC_heartbeats], 1);
    const struct traffic_shape *shape = rig.gateway.traffic.shape;
    ck_assert_uint_eq(shape->publish_bytes.cells[traffic_cell(7)], 1);
    ck_assert_uint_eq(shape->publish_bytes.cells[traffic_cell(22)], 1);
    ck_assert_uint_eq(shape->fan_out.cells[3], 1);
    ck_assert_uint_eq(shape->fan_out.cells[2], 1);
    ck_assert_uint_eq(total_of(&shape->publish_gap_us), 1);
    rig_close();
}
END_TEST

START_TEST(a_gateway_that_is_not_asked_counts_nothing) {
    rig_config_default(&rig.config);
    rig_open(64, 4);
    live_a_little();
    for (uint32_t s = 0; s < TRAFFIC_SERIES_COUNT; s++)
        ck_assert_uint_eq(count_at(&rig.gateway.traffic, 0, s), 0);
    ck_assert_uint_eq(total_of(&rig.gateway.traffic.shape->publish_bytes), 0);
    rig_close();
}
END_TEST

START_TEST(a_recording_that_is_over_stops_being_told_of_publishes) {
    rig_config_default(&rig.config);
    rig_open(64, 4);
    traffic_begin(&rig.gateway.traffic, rig.now_ns, rig.now_ns + 1);
    rig.chat.is_watched = true;
    rig_wait_ms(5);
    live_a_little();
    ck_assert(!rig.gateway.traffic.is_on);
    ck_assert(!rig.chat.is_watched);
    ck_assert_uint_eq(total_of(&rig.gateway.traffic.shape->publish_bytes), 0);
    rig_close();
}
END_TEST

UNIT_MAIN("gateway/traffic", cells_follow_one_another_without_a_hole_and_are_an_eighth_wide,
          what_happens_is_counted_in_its_second_and_not_after_the_end,
          the_longest_recording_counts_in_its_last_second,
          gaps_are_those_of_one_room_and_of_this_recording, an_end_keeps_what_was_counted,
          shapes_of_cores_add_up, a_gateway_counts_each_thing_once,
          a_gateway_that_is_not_asked_counts_nothing,
          a_recording_that_is_over_stops_being_told_of_publishes)
