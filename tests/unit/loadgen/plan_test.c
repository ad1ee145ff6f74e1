// Goal: options become the phases that they mean, and a plan that cannot be executed is refused
// with its phase and key. Method: command lines are parsed and turned into plans; plans are broken
// one value at a time, at max and just above it.
#include "loadgen/plan.h"

#include <math.h>
#include <string.h>

#include "loadgen/schedule.h"
#include "tests/unit/unit.h"

static struct load_options o;
static struct plan plan;
static struct plan_fault fault;

static void parse(const char *line) {
    static char text[1024], error[LOAD_OPTIONS_ERROR_BYTES];
    static char *argv[64];
    int argc = 1;
    argv[0] = "fairlead-load";
    snprintf(text, sizeof(text), "%s", line);
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    ck_assert_msg(load_options_parse(&o, argc, argv, error) == LOAD_OPTIONS_RUN, "%s", error);
}

static void preset(const char *line) {
    parse(line);
    plan_from_options(&plan, &o);
    ck_assert_msg(plan_check(&plan, &o, &fault), "%s: %s", fault.key, fault.text);
}

START_TEST(plan_of_rooms_is_a_warm_up_and_a_measured_phase) {
    preset("rooms --rate 300 --warmup-s 2 --duration-s 7");
    ck_assert_uint_eq(plan.count, 2);
    ck_assert(!plan.phases[0].is_measured && plan.phases[1].is_measured);
    ck_assert(plan.phases[0].duration_s == 2 && plan.phases[1].duration_s == 7);
    ck_assert_str_eq(plan.phases[0].name, "warm-up");
    ck_assert_str_eq(plan.phases[1].name, "rooms");
    for (uint32_t i = 0; i < 2; i++) {
        const struct phase *p = &plan.phases[i];
        ck_assert(p->publish.begin == 300 && p->publish.end == 300 && p->ping.begin == 0);
        ck_assert(!p->is_poisson && !p->is_closed && p->connections_percent == 100);
    }
    preset("rooms --warmup-s 0");
    ck_assert_uint_eq(plan.count, 1);
}
END_TEST

START_TEST(plan_of_each_scenario_asks_for_what_it_is_about) {
    preset("echo --rate 9 --rate-end 90 --arrivals poisson");
    ck_assert(plan.phases[0].ping.end == 9 && plan.phases[1].ping.end == 90);
    ck_assert(plan.phases[1].is_poisson && plan.phases[1].publish.end == 0);
    preset("echo --rate 0");
    ck_assert(plan.phases[1].is_closed && plan.phases[1].ping.begin == 0);
    preset("hold --duration-s 3");
    ck_assert_uint_eq(plan.count, 1);
    ck_assert(plan.phases[0].is_measured && !plan.phases[0].is_endless);
    ck_assert(plan.phases[0].publish.begin == 0 && plan.phases[0].duration_s == 3);
    preset("hold --hold-until-signal");
    ck_assert(plan.phases[0].is_endless);
    preset("storm --cut-percent 30");
    ck_assert(plan.phases[0].cut_percent == 0 && plan.phases[1].cut_percent == 30);
    preset("slow --slow-percent 7 --slow-bytes-per-s 55");
    ck_assert(plan.phases[0].slow_percent == 0 && plan.phases[1].slow_percent == 7);
    ck_assert_uint_eq(plan.phases[1].slow_bytes_per_s, 55);
    preset("rooms --churn-rate 4 --rate 5 --rate-end 0");
    ck_assert(plan.phases[1].churn_rate == 4 && plan.phases[1].publish.end == 0);
}
END_TEST

START_TEST(plan_measure_adds_the_phases_up) {
    struct plan_needs needs;
    preset("storm --rate 10 --rate-end 40 --warmup-s 2 --duration-s 5");
    plan_measure(&plan, &needs);
    ck_assert(needs.rooms && needs.cuts && needs.returns && !needs.requests && !needs.churn);
    ck_assert(needs.duration_s == 7 && needs.measured_s == 5 && needs.rate_max == 40);
    ck_assert(needs.measured_first == 1 && needs.measured_count == 1);
    plan.phases[0].connections_percent = 20;
    plan.phases[1].slow_percent = 3;
    plan_measure(&plan, &needs);
    ck_assert(needs.first_percent == 20 && needs.slow_percent == 3);
}
END_TEST

START_TEST(plan_scale_keeps_what_is_sent_when_both_grow) {
    preset("rooms --rate 10 --rate-end 30 --churn-rate 2 --warmup-s 4 --duration-s 8");
    plan_scale(&plan, &(struct plan_scale){.speed = 4, .rates = 4});
    ck_assert(plan.phases[0].duration_s == 1 && plan.phases[1].duration_s == 2);
    ck_assert(plan.phases[1].publish.begin == 40 && plan.phases[1].publish.end == 120);
    ck_assert(plan.phases[1].churn_rate == 8);
    plan_scale(&plan, &(struct plan_scale){.speed = 2, .rates = 1});
    ck_assert(plan.phases[1].duration_s == 1 && plan.phases[1].publish.begin == 40);
}
END_TEST

START_TEST(plan_has_a_bound_on_its_phases) {
    plan = (struct plan){0};
    for (uint32_t i = 0; i < PLAN_PHASES_MAX; i++) {
        struct phase *phase = plan_add(&plan, "a name that is longer than forty bytes is cut off");
        ck_assert_ptr_nonnull(phase);
        ck_assert_uint_eq(strlen(phase->name), PLAN_NAME_BYTES - 1);
        phase->duration_s = 1;
    }
    ck_assert_ptr_null(plan_add(&plan, "one more"));
    parse("rooms");
    ck_assert(plan_check(&plan, &o, &fault));
}
END_TEST

// One phase that is right, so that one value makes it wrong.
static struct phase *fresh(const char *line) {
    parse(line);
    plan = (struct plan){0};
    struct phase *phase = plan_add(&plan, "only");
    phase->duration_s = 1;
    ck_assert_msg(plan_check(&plan, &o, &fault), "%s", fault.text);
    return phase;
}

static void refuses(uint32_t phase, const char *key, const char *sentence) {
    ck_assert(!plan_check(&plan, &o, &fault));
    ck_assert_uint_eq(fault.phase, phase);
    ck_assert_str_eq(fault.key, key);
    ck_assert_msg(strstr(fault.text, sentence) != NULL, "told '%s'", fault.text);
}

START_TEST(plan_check_holds_each_value_against_its_bounds) {
    fresh("rooms")->cut_percent = 100;
    ck_assert(plan_check(&plan, &o, &fault));
    fresh("rooms")->cut_percent = 100.01;
    refuses(0, "cut_percent", "100.01 is out of range: 0 to 100");
    fresh("rooms")->connections_percent = -1;
    refuses(0, "connections_percent", "out of range");
    fresh("rooms")->churn_rate = PLAN_CHURN_RATE_MAX + 1;
    refuses(0, "churn_rate", "out of range");
    fresh("rooms")->publish.end = NAN;
    refuses(0, "publish_rate_end", "out of range");
    fresh("echo")->ping.begin = SCHEDULE_RATE_MAX * 2;
    refuses(0, "ping_rate", "out of range");
    fresh("rooms")->duration_s = PLAN_DURATION_S_MIN / 2;
    refuses(0, "duration_s", "too short");
    fresh("rooms")->duration_s = PLAN_DURATION_S_MAX + 1;
    refuses(PLAN_PHASES_MAX, "phases", "a week is the most");
    plan.count = 0;
    refuses(PLAN_PHASES_MAX, "phases", "at least one phase");
}
END_TEST

START_TEST(plan_check_refuses_what_no_client_can_do) {
    struct phase *phase = fresh("rooms --connections 5000 --room-size 5000");
    phase->publish.end = PLAN_RECEIVED_PER_S_MAX / 5000;
    ck_assert(plan_check(&plan, &o, &fault));
    phase->publish.end += 1;
    refuses(0, "publish_rate", "more than any one client can read");
    const struct plan wanted = plan;
    parse("rooms --connections 5000 --room-size 5000 --agents 10.0.0.1:9700,10.0.0.2:9700");
    plan = wanted;
    ck_assert(plan_check(&plan, &o, &fault)); // two can
}
END_TEST

START_TEST(plan_check_refuses_what_the_protocol_or_the_rooms_have_not) {
    fresh("echo --raw-echo")->publish.begin = 1;
    refuses(0, "publish_rate", "no rooms; use ping_rate");
    fresh("echo --raw-echo")->churn_rate = 1;
    refuses(0, "churn_rate", "no rooms to leave");
    fresh("rooms --room-size 1")->churn_rate = 1;
    refuses(0, "churn_rate", "raise --room-size");
    fresh("rooms")->slow_percent = 1;
    refuses(0, "slow_percent", "how slow? give slow_bytes_per_s");
    struct phase *phase = fresh("rooms --churn-percent 60");
    phase->slow_percent = 40;
    phase->slow_bytes_per_s = 1;
    phase->churn_rate = 1;
    ck_assert(plan_check(&plan, &o, &fault));
    phase->slow_percent = 40.5;
    refuses(0, "slow_percent", "more than everybody");
    phase->churn_rate = 0;
    ck_assert(plan_check(&plan, &o, &fault));
}
END_TEST

START_TEST(plan_check_wants_warm_up_before_measured_phases) {
    struct phase *first = fresh("rooms");
    first->is_measured = false;
    refuses(0, "measured", "no phase is measured");
    for (uint32_t i = 1; i < 4; i++)
        plan_add(&plan, "more")->duration_s = 1;
    ck_assert(plan_check(&plan, &o, &fault));
    plan.phases[2].is_measured = false;
    refuses(2, "measured", "stand before the measured ones");
    plan.phases[1].is_measured = false;
    ck_assert(plan_check(&plan, &o, &fault));
    plan.phases[1].is_endless = true;
    refuses(1, "duration_s", "only the last phase");
}
END_TEST

START_TEST(plan_names_the_option_behind_a_key) {
    ck_assert_str_eq(plan_option_of("publish_rate"), "--rate");
    ck_assert_str_eq(plan_option_of("slow_bytes_per_s"), "--slow-bytes-per-s");
    ck_assert_str_eq(plan_option_of("phases"), "phases");
}
END_TEST

UNIT_MAIN("loadgen/plan", plan_of_rooms_is_a_warm_up_and_a_measured_phase,
          plan_of_each_scenario_asks_for_what_it_is_about, plan_measure_adds_the_phases_up,
          plan_scale_keeps_what_is_sent_when_both_grow, plan_has_a_bound_on_its_phases,
          plan_check_holds_each_value_against_its_bounds, plan_check_refuses_what_no_client_can_do,
          plan_check_refuses_what_the_protocol_or_the_rooms_have_not,
          plan_check_wants_warm_up_before_measured_phases, plan_names_the_option_behind_a_key)
