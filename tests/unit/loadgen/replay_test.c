// Goal: a plan asks for as much of everything as was recorded, in as much time as the speed says.
// Method: shapes of known numbers; the plan's arrivals counted by the schedules that carry it out;
// whole files by replay_read.
#include "loadgen/replay.h"

#include "loadgen/schedule.h"
#include "sched/base/clock.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct shape shape;
static struct plan plan;
static uint32_t members_max;
static char error[LOAD_OPTIONS_ERROR_BYTES];

static void set(enum shape_series series, uint32_t second, uint32_t value) {
    shape.sums[series] += value - shape.series[series][second];
    shape.series[series][second] = value;
}

static void begin_shape(uint32_t second_count, uint64_t members) {
    shape = (struct shape){.second_count = second_count,
                           .seconds = second_count,
                           .connections = members,
                           .members = members};
}

static bool make(double speed) {
    if (!replay_make_plan(&shape, speed, &plan, &members_max, error))
        return false;
    plan_scale(&plan, &(struct plan_scale){.speed = speed, .rates = speed});
    return true;
}

static uint64_t arrivals(double rate, double duration_s) {
    struct schedule s;
    uint64_t duration_ns = (uint64_t)(duration_s * 1e9);
    schedule_init_shape(&s, &(struct schedule_shape){.start_ns = 1000,
                                                     .duration_ns = duration_ns,
                                                     .rate_per_s = rate,
                                                     .rate_end_per_s = rate});
    return schedule_offered(&s, 1000 + duration_ns);
}

// Of all phases together.
struct sums {
    uint64_t publishes;
    uint64_t pings;
    uint64_t churns;
    uint64_t turns;
    double seconds;
};

static struct sums sums_of_plan(void) {
    struct sums sums = {0};
    for (uint32_t i = 1; i < plan.count; i++) {
        const struct phase *p = &plan.phases[i];
        ck_assert(p->publish.begin == p->publish.end && p->ping.begin == p->ping.end);
        sums.publishes += arrivals(p->publish.begin, p->duration_s);
        sums.pings += arrivals(p->ping.begin, p->duration_s);
        sums.churns += arrivals(p->churn_rate, p->duration_s);
        sums.turns += arrivals(p->turnover_rate, p->duration_s);
        sums.seconds += p->duration_s;
    }
    return sums;
}

START_TEST(as_much_is_sent_as_was_recorded_at_every_speed_and_length) {
    static const double speeds[] = {0.5, 1, 3, 5, 50, 100};
    for (uint32_t seconds = 1; seconds <= SHAPE_SECONDS_MAX; seconds = seconds * 3 + 1)
        for (size_t s = 0; s < sizeof(speeds) / sizeof(speeds[0]); s++) {
            begin_shape(seconds, 100);
            for (uint32_t i = 0; i < seconds; i++) {
                set(SHAPE_publishes, i, i * 7919 % 1000);
                set(SHAPE_pings, i, i % 3);
            }
            ck_assert_msg(make(speeds[s]), "%s", error);
            struct sums sums = sums_of_plan();
            ck_assert_uint_eq(sums.publishes, shape.sums[SHAPE_publishes]);
            ck_assert_uint_eq(sums.pings, shape.sums[SHAPE_pings]);
            ck_assert(fabs(sums.seconds * speeds[s] - seconds) < 1e-6);
            ck_assert(fabs(plan.phases[0].duration_s - 1) < 1e-9);
            ck_assert(!plan.phases[0].is_measured && plan.phases[0].publish.begin == 0);
            ck_assert_uint_eq(members_max, 100);
        }
}
END_TEST

START_TEST(each_second_has_a_phase_while_there_are_enough) {
    begin_shape(PLAN_PHASES_MAX - 1, 10);
    for (uint32_t i = 0; i < shape.second_count; i++)
        set(SHAPE_publishes, i, i);
    ck_assert(make(1));
    ck_assert_uint_eq(plan.count, PLAN_PHASES_MAX);
    for (uint32_t i = 0; i < shape.second_count; i++)
        ck_assert_uint_eq(arrivals(plan.phases[i + 1].publish.begin, 1), i);
    begin_shape(PLAN_PHASES_MAX, 10);
    ck_assert(make(1));
    ck_assert_uint_eq(plan.count, 1 + PLAN_PHASES_MAX / 2);
    ck_assert(plan.phases[1].duration_s == 2);
}
END_TEST

START_TEST(a_last_second_that_was_cut_short_is_played_so) {
    begin_shape(3, 10);
    shape.seconds = 2.25;
    set(SHAPE_publishes, 2, 8);
    ck_assert(make(1));
    ck_assert_uint_eq(plan.count, 4);
    ck_assert(fabs(plan.phases[3].duration_s - 0.25) < 1e-9);
    ck_assert_uint_eq(sums_of_plan().publishes, 8);
    shape.seconds = 2.001; // too short for a phase of its own
    ck_assert(make(1));
    ck_assert_uint_eq(plan.count, 3);
    ck_assert(fabs(plan.phases[2].duration_s - 1.001) < 1e-9);
    ck_assert_uint_eq(sums_of_plan().publishes, 8);
}
END_TEST

START_TEST(members_come_and_go_as_recorded) {
    begin_shape(4, 100);
    set(SHAPE_joins, 0, 50); // 150
    set(SHAPE_joins, 1, 30); // 30 of them in the place of 30 who go
    set(SHAPE_departures, 1, 30);
    set(SHAPE_leaves, 2, 10); // 6 come back, 4 stay away: 146
    set(SHAPE_joins, 2, 6);
    set(SHAPE_departures, 3, 200); // more than there were: nobody is left
    ck_assert(make(1));
    ck_assert_uint_eq(members_max, 150);
    static const double members[] = {100, 150, 150, 146, 0};
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_msg(fabs(plan.phases[i].connections_percent - members[i] / 1.5) < 1e-9,
                      "phase %u: %f", i, plan.phases[i].connections_percent);
    ck_assert_uint_eq(arrivals(plan.phases[2].turnover_rate, 1), 30);
    ck_assert_uint_eq(arrivals(plan.phases[3].churn_rate, 1), 6);
    for (double speed = 1; speed <= 25; speed *= 5) {
        ck_assert(make(speed));
        struct sums sums = sums_of_plan();
        ck_assert_uint_eq(sums.turns, 30);
        ck_assert_uint_eq(sums.churns, 6);
    }
}
END_TEST

START_TEST(where_nobody_joins_connections_stand_for_members) {
    begin_shape(2, 0);
    shape.connections = 5;
    set(SHAPE_connects, 0, 5);
    set(SHAPE_disconnects, 1, 3);
    ck_assert(make(1));
    ck_assert_uint_eq(members_max, 10);
    ck_assert(plan.phases[0].connections_percent == 50 && plan.phases[2].connections_percent == 70);
    begin_shape(2, 0);
    ck_assert(!make(1));
    ck_assert_ptr_nonnull(strstr(error, "nobody was there"));
}
END_TEST

// --- whole files ---------------------------------------------------------------------------------

static const char recorded[] =
    "{\"shape\":\"fairlead-traffic\",\"format\":1,\"seconds\":2,"
    "\"begin\":{\"connections\":300,\"members\":300},\"per_second\":{\"connects\":[0,0],"
    "\"disconnects\":[0,0],\"joins\":[1,0],\"leaves\":[1,0],\"departures\":[0,0],"
    "\"publishes\":[60,40],\"deliveries\":[0,0],\"pings\":[5,5]},"
    "\"publish_bytes\":[[10,15,10],[200,207,90]],\"publish_gap_us\":[],\"fan_out\":[[96,103,100]],"
    "\"rooms_begin\":[[96,103,3]],\"rooms_end\":[[1,1,1]]}";

static struct load_options options;

static struct replay *read_with(const char *a, const char *b) {
    char path[64];
    snprintf(path, sizeof(path), "/tmp/fairlead_replay_test_%d", (int)getpid());
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(recorded, file);
    fclose(file);
    const char *argv[] = {"load", "replay", path, a, b};
    int argc = a ? b ? 5 : 4 : 3;
    ck_assert_msg(load_options_parse(&options, argc, (char *const *)(uintptr_t)argv, error) ==
                      LOAD_OPTIONS_RUN,
                  "%s", error);
    struct replay *replay = replay_read(&plan, &options, error);
    unlink(path);
    return replay;
}

START_TEST(a_file_sets_what_the_command_line_did_not) {
    char text[256];
    struct replay *replay = read_with("--speed", "5");
    ck_assert_msg(replay != NULL, "%s", error);
    ck_assert_uint_eq(options.connections, 300);
    ck_assert_uint_eq(options.payload_bytes, 207);
    ck_assert_uint_eq(load_options_room_count(&options), 3);
    ck_assert_uint_eq(plan.count, 3);
    ck_assert(fabs(plan.phases[1].duration_s - 0.2) < 1e-9);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t bytes = replay_next_bytes(replay);
        ck_assert(bytes == LOAD_OPTIONS_PAYLOAD_BYTES_MIN || (bytes >= 200 && bytes <= 207));
    }
    replay_describe(replay, text, sizeof(text));
    ck_assert_str_eq(text, "10 % of the messages were below 55 B or above 1048576 B");
    replay_close(replay);
}
END_TEST

START_TEST(the_command_line_wins) {
    struct replay *replay = read_with("--connections", "30");
    ck_assert_msg(replay != NULL, "%s", error);
    ck_assert_uint_eq(options.connections, 30);
    replay_close(replay);
    replay = read_with("--payload-bytes", "100");
    ck_assert_msg(replay != NULL && !replay->has_bytes, "%s", error);
    ck_assert_uint_eq(options.payload_bytes, 100);
    replay_close(replay);
    replay = read_with("--room-size", "10");
    ck_assert_msg(replay != NULL, "%s", error);
    ck_assert_uint_eq(load_options_room_count(&options), 30);
    ck_assert_uint_eq(replay->rooms.room_count, 0);
    replay_close(replay);
}
END_TEST

START_TEST(rooms_of_one_play_their_churn_as_people_who_come_anew) {
    struct replay *replay = read_with("--room-size", "1");
    ck_assert_msg(replay != NULL, "%s", error);
    ck_assert(plan.phases[1].churn_rate == 0);
    ck_assert_uint_eq(arrivals(plan.phases[1].turnover_rate, 1), 1);
    replay_close(replay);
}
END_TEST

START_TEST(a_speed_is_taken_up_to_where_nothing_is_left_of_the_time) {
    struct replay *replay = read_with("--speed", "200");
    ck_assert_msg(replay != NULL, "%s", error);
    ck_assert_uint_eq(plan.count, 2); // both seconds in the shortest phase there is
    ck_assert_uint_eq(sums_of_plan().publishes, 100);
    replay_close(replay);
    ck_assert_ptr_null(read_with("--speed", "201"));
    ck_assert_msg(strstr(error, "fairlead_replay_test") && strstr(error, "--speed 200 at most"),
                  "%s", error);
}
END_TEST

UNIT_MAIN("loadgen/replay", as_much_is_sent_as_was_recorded_at_every_speed_and_length,
          each_second_has_a_phase_while_there_are_enough,
          a_last_second_that_was_cut_short_is_played_so, members_come_and_go_as_recorded,
          where_nobody_joins_connections_stand_for_members,
          a_file_sets_what_the_command_line_did_not, the_command_line_wins,
          rooms_of_one_play_their_churn_as_people_who_come_anew,
          a_speed_is_taken_up_to_where_nothing_is_left_of_the_time)
