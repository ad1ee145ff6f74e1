// Goal: the model computes what its costs imply. Method: costs with round
// numbers, answers by hand; every limit in turn is the one that is hit first.
#include "tuning/model.h"

#include "tests/unit/unit.h"

#include <math.h>

static struct model_costs round_costs(void) {
    return (struct model_costs){.user_bytes = 200,
                                .kernel_bytes = 3800,
                                .fixed_bytes = 10e6,
                                .connect_ns = 50e3,
                                .heartbeat_ns = 10e3,
                                .fanout_count = 3,
                                .fanouts = {{1, 5e3}, {10, 20e3}, {1000, 2e6}}};
}

static struct model_machine machine_of(double memory_bytes, double connections_max, double cpus) {
    return (struct model_machine){memory_bytes, connections_max, cpus};
}

static void near(double have, double want) {
    ck_assert_msg(fabs(have - want) <= 1e-6 * fabs(want) + 1e-9, "%.10g, wanted %.10g", have, want);
}

START_TEST(a_measured_fanout_costs_what_was_measured) {
    struct model_costs costs = round_costs();
    near(model_publish_ns(&costs, 1), 5e3);
    near(model_publish_ns(&costs, 10), 20e3);
    near(model_publish_ns(&costs, 1000), 2e6);
}
END_TEST

START_TEST(between_fanouts_the_cost_is_a_power_law) {
    struct model_costs costs = round_costs();
    near(model_publish_ns(&costs, 100), 200e3); // the geometric middle of both
    double before = 0;
    for (double members = 1; members < 2000; members += 1) {
        double now = model_publish_ns(&costs, members);
        ck_assert_msg(now > before, "at %.0f", members);
        before = now;
    }
}
END_TEST

START_TEST(beyond_the_largest_fanout_the_last_slope_goes_on) {
    struct model_costs costs = round_costs();
    near(model_publish_ns(&costs, 2000), 2e6 + 1000 * (2e6 - 20e3) / 990);
    costs.fanouts[2].publish_ns = 10e3; // noise: cheaper than the smaller room
    near(model_publish_ns(&costs, 2000), 10e3);
}
END_TEST

START_TEST(one_fanout_alone_means_each_delivery_costs_the_same) {
    struct model_costs costs = round_costs();
    costs.fanout_count = 1;
    costs.fanouts[0] = (struct model_fanout){50, 100e3};
    near(model_publish_ns(&costs, 25), 50e3);
    near(model_publish_ns(&costs, 500), 1e6);
}
END_TEST

START_TEST(short_messages_may_fill_a_cpu_to_the_bound_long_ones_less) {
    near(model_share_max(1e3, 50e6), MODEL_SHARE_MAX);
    near(model_share_max(1e3, 0), MODEL_SHARE_MAX);
    double k = 2 * (50e6 - 10e6) / (log(100) * 10e6);
    near(model_share_max(10e6, 50e6), k / (1 + k));
    near(model_share_max(50e6, 50e6), 0);
    near(model_share_max(60e6, 50e6), 0);
    ck_assert(model_share_max(49.9e6, 50e6) > 0);
}
END_TEST

START_TEST(idle_connections_stop_at_memory_descriptors_or_cpu) {
    struct model_costs costs = round_costs();
    struct model_question question = {.room_members = 10, .heartbeat_s = 30};
    struct model_machine machine = machine_of(10e6 + 4000 * 1e5, 0, 1);
    struct model_answer answer;
    model_answer(&costs, &machine, &question, &answer);
    near(answer.idle_connections, 1e5);
    ck_assert_int_eq(answer.idle_limit, MODEL_BY_MEMORY);
    near(answer.idle_memory_bytes, machine.memory_bytes);
    near(answer.idle_cpus, 1e5 / 30 * 10e3 / 1e9);
    machine.connections_max = 99999;
    model_answer(&costs, &machine, &question, &answer);
    near(answer.idle_connections, 99999);
    ck_assert_int_eq(answer.idle_limit, MODEL_BY_DESCRIPTORS);
    machine = machine_of(1e12, 1e9, 2);
    model_answer(&costs, &machine, &question, &answer);
    near(answer.idle_connections, floor(2 * MODEL_SHARE_MAX * 30 / 10e-6));
    ck_assert_int_eq(answer.idle_limit, MODEL_BY_CPU);
    question.heartbeat_s = 0;
    model_answer(&costs, &machine, &question, &answer);
    near(answer.idle_connections, floor((1e12 - 10e6) / 4000));
    ck_assert_int_eq(answer.idle_limit, MODEL_BY_MEMORY);
}
END_TEST

START_TEST(less_memory_than_the_server_itself_takes_holds_nobody) {
    struct model_costs costs = round_costs();
    near(model_connections_in(&costs, 1e6), 0);
    near(model_connections_in(&costs, 10e6 + 3999), 0);
    near(model_connections_in(&costs, 10e6 + 4000), 1);
    near(model_connections_in(&costs, 10e6 + 8001), 2);
    near(model_memory_bytes(&costs, 2), 10e6 + 8000);
}
END_TEST

START_TEST(rates_are_cpu_over_cost) {
    struct model_costs costs = round_costs();
    struct model_question question = {.room_members = 10, .heartbeat_s = 30};
    struct model_machine machine = machine_of(1e12, 0, 2);
    struct model_answer answer;
    model_answer(&costs, &machine, &question, &answer);
    near(answer.publishes_per_s, 2 * MODEL_SHARE_MAX / 20e-6);
    near(answer.deliveries_per_s, 20 * MODEL_SHARE_MAX / 20e-6);
    near(answer.connects_per_s, 2 * MODEL_SHARE_MAX / 50e-6);
    question.slo_ns = 20e3; // what one message takes
    model_answer(&costs, &machine, &question, &answer);
    near(answer.publishes_per_s, 0);
    near(answer.users, 0);
}
END_TEST

START_TEST(users_pay_for_messages_and_heartbeats) {
    struct model_costs costs = round_costs();
    struct model_question question = {
        .room_members = 10, .heartbeat_s = 30, .messages_per_minute = 1};
    struct model_machine machine = machine_of(1e12, 0, 1);
    struct model_answer answer;
    model_answer(&costs, &machine, &question, &answer);
    double each = 20e-6 / 60 + 10e-6 / 30;
    near(answer.users, floor(MODEL_SHARE_MAX / each));
    ck_assert_int_eq(answer.users_limit, MODEL_BY_CPU);
    ck_assert(answer.users_fit);
    near(answer.users_cpus, answer.users * each);
    near(answer.users_deliveries_per_s, answer.users / 60 * 10);
    near(answer.users_memory_bytes, 10e6 + answer.users * 4000);
    machine.memory_bytes = 10e6 + 4000 * 500;
    model_answer(&costs, &machine, &question, &answer);
    near(answer.users, 500);
    ck_assert_int_eq(answer.users_limit, MODEL_BY_MEMORY);
}
END_TEST

START_TEST(asked_for_users_are_told_whether_they_fit) {
    struct model_costs costs = round_costs();
    struct model_question question = {
        .room_members = 10, .heartbeat_s = 30, .messages_per_minute = 1, .users = 500};
    struct model_machine machine = machine_of(10e6 + 4000 * 500, 0, 1);
    struct model_answer answer;
    model_answer(&costs, &machine, &question, &answer);
    ck_assert(answer.users_fit);
    near(answer.users, 500);
    question.users = 501;
    model_answer(&costs, &machine, &question, &answer);
    ck_assert(!answer.users_fit);
    ck_assert_int_eq(answer.users_limit, MODEL_BY_MEMORY);
    near(answer.users_memory_bytes, 10e6 + 4000 * 501);
}
END_TEST

START_TEST(without_a_rate_it_tells_how_many_messages_the_users_may_send) {
    struct model_costs costs = round_costs();
    struct model_question question = {.room_members = 10, .heartbeat_s = 30, .users = 1000};
    struct model_machine machine = machine_of(1e12, 0, 1);
    struct model_answer answer;
    model_answer(&costs, &machine, &question, &answer);
    double each = (MODEL_SHARE_MAX / 1000 - 10e-6 / 30) / (20e-6 / 60);
    near(answer.users_messages_per_minute, each);
    near(answer.users_cpus, MODEL_SHARE_MAX);
    question.users = 1e7; // heartbeats alone are too much
    model_answer(&costs, &machine, &question, &answer);
    near(answer.users_messages_per_minute, 0);
    ck_assert(!answer.users_fit);
}
END_TEST

// CPU = 4 µs a message, 1.5 µs a send, 0.2 µs a delivery.
static struct model_point point_of(double publishes, double members, double merge) {
    double deliveries = publishes * members, sends = deliveries / merge;
    return (struct model_point){publishes, sends, deliveries,
                                4e3 * publishes + 1.5e3 * sends + 200 * deliveries};
}

START_TEST(parts_are_found_from_runs_that_differ) {
    struct model_parts parts;
    struct model_point points[] = {point_of(1e5, 1, 1), point_of(1e4, 10, 1),
                                   point_of(1e3, 100, 1.1), point_of(100, 1000, 1.5),
                                   point_of(2e4, 100, 12)};
    ck_assert(model_fit(points, 5, &parts));
    near(parts.own_ns, 4e3);
    near(parts.send_ns, 1.5e3);
    near(parts.frame_ns, 200);
    near(parts.merge_max, 12);
    for (uint32_t i = 0; i < 5; i++) // 5 % of noise, up and down in turns
        points[i].cpu_ns *= i % 2 ? 1.05 : 0.95;
    ck_assert(model_fit(points, 5, &parts));
    ck_assert(fabs(parts.send_ns - 1.5e3) < 300 && fabs(parts.frame_ns - 200) < 60);
}
END_TEST

START_TEST(parts_that_cannot_be_told_apart_are_none) {
    struct model_parts parts;
    struct model_point alike[] = {point_of(1e5, 10, 1), point_of(1e4, 10, 1), point_of(1e3, 10, 1)};
    ck_assert(!model_fit(alike, 3, &parts));
    ck_assert(parts.own_ns == 0 && parts.send_ns == 0 && parts.frame_ns == 0);
    ck_assert(!model_fit(alike, 2, &parts));
}
END_TEST

START_TEST(no_part_is_below_zero) {
    struct model_parts parts;
    struct model_point points[] = {point_of(1e5, 1, 1), point_of(1e3, 100, 1),
                                   point_of(2e4, 100, 12)};
    points[2].cpu_ns = 1.5e3 * points[2].sends * 0.9; // merged ones cost less than their sends
    ck_assert(model_fit(points, 3, &parts));
    ck_assert(parts.own_ns >= 0 && parts.send_ns >= 0 && parts.frame_ns >= 0);
}
END_TEST

START_TEST(a_merged_run_tells_what_a_message_alone_would_cost) {
    struct model_parts parts = {4e3, 1.5e3, 200, 12};
    near(model_unmerged_ns(&parts, 100, 4e3 + 100 * (1.5e3 / 3 + 200), 3), 4e3 + 100 * 1.7e3);
    near(model_unmerged_ns(&parts, 100, 5e3, 1), 5e3);
    near(model_unmerged_ns(&parts, 100, 5e3, 0.9), 5e3); // replies beside the deliveries
}
END_TEST

START_TEST(a_knee_counts_with_merging_where_rooms_talk_often) {
    struct model_costs costs = round_costs();
    costs.parts = (struct model_parts){4e3, 1.5e3, 200, 40};
    costs.fanouts[0] = (struct model_fanout){1, 5.7e3};
    costs.fanouts[1] = (struct model_fanout){10, 21e3};
    costs.fanouts[2] = (struct model_fanout){1000, 1704e3};
    struct model_question question = {.room_members = 10, .slo_ns = 50e6, .connections = 1000};
    struct model_machine machine = machine_of(1e12, 0, 1);
    struct model_answer answer;
    model_answer(&costs, &machine, &question, &answer);
    // A turn of 25 ms: 40,000 sends of 1.5 µs a second, the rest for 6 µs a message.
    near(answer.knee_publishes_per_s, (MODEL_SHARE_MAX - 0.06) / 6e-6);
    near(answer.knee_merge, answer.knee_publishes_per_s / 100 * 0.025);
    costs.parts.merge_max = 20; // more was not measured: 20 in a send, 40 turns a second, 100 rooms
    model_answer(&costs, &machine, &question, &answer);
    near(answer.knee_publishes_per_s, 20 * 40 * 100);
    near(answer.knee_merge, 20);
    question.connections = 1e6; // each room talks seldom: nothing to merge
    model_answer(&costs, &machine, &question, &answer);
    near(answer.knee_publishes_per_s, MODEL_SHARE_MAX / 21e-6);
    near(answer.knee_merge, 1);
    question.connections = 1000;
    costs.parts = (struct model_parts){0}; // not known
    model_answer(&costs, &machine, &question, &answer);
    near(answer.knee_publishes_per_s, MODEL_SHARE_MAX / 21e-6);
    question.connections = 0;
    model_answer(&costs, &machine, &question, &answer);
    near(answer.knee_publishes_per_s, 0);
}
END_TEST

START_TEST(an_idle_hour_is_its_heartbeats) {
    struct model_costs costs = round_costs();
    near(model_idle_hour_ns(&costs, 30), 120 * 10e3);
    near(model_idle_hour_ns(&costs, 0), 0);
}
END_TEST

START_TEST(costs_that_cannot_be_computed_with_are_refused) {
    char why[MODEL_WHY_BYTES];
    struct model_costs costs = round_costs();
    ck_assert(model_costs_validate(&costs, why));
    costs.user_bytes = 0;
    ck_assert(!model_costs_validate(&costs, why));
    ck_assert_str_eq(why, "bytes per connection");
    costs = round_costs();
    costs.user_bytes = NAN;
    ck_assert(!model_costs_validate(&costs, why));
    costs = round_costs();
    costs.heartbeat_ns = -1;
    ck_assert(!model_costs_validate(&costs, why));
    costs = round_costs();
    costs.fanout_count = 0;
    ck_assert(!model_costs_validate(&costs, why));
    costs.fanout_count = MODEL_FANOUTS_MAX + 1;
    ck_assert(!model_costs_validate(&costs, why));
    costs = round_costs();
    costs.fanouts[1].members = 1;
    ck_assert(!model_costs_validate(&costs, why));
    ck_assert_str_eq(why, "fan-outs in ascending order");
    costs = round_costs();
    costs.fanouts[2].publish_ns = 0;
    ck_assert(!model_costs_validate(&costs, why));
}
END_TEST

START_TEST(every_limit_has_a_name) {
    for (int i = 0; i < MODEL_LIMIT_COUNT; i++)
        ck_assert_ptr_nonnull(model_limit_name((enum model_limit)i));
}
END_TEST

UNIT_MAIN("tuning/model", a_measured_fanout_costs_what_was_measured,
          between_fanouts_the_cost_is_a_power_law, beyond_the_largest_fanout_the_last_slope_goes_on,
          one_fanout_alone_means_each_delivery_costs_the_same,
          short_messages_may_fill_a_cpu_to_the_bound_long_ones_less,
          idle_connections_stop_at_memory_descriptors_or_cpu,
          less_memory_than_the_server_itself_takes_holds_nobody, rates_are_cpu_over_cost,
          users_pay_for_messages_and_heartbeats, asked_for_users_are_told_whether_they_fit,
          without_a_rate_it_tells_how_many_messages_the_users_may_send,
          parts_are_found_from_runs_that_differ, parts_that_cannot_be_told_apart_are_none,
          no_part_is_below_zero, a_merged_run_tells_what_a_message_alone_would_cost,
          a_knee_counts_with_merging_where_rooms_talk_often, an_idle_hour_is_its_heartbeats,
          costs_that_cannot_be_computed_with_are_refused, every_limit_has_a_name)
