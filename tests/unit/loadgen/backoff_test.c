// Goal: clients come back when the real ones do. Method: the tables are written out here a second
// time; random delays are looked at for their bounds and their spread.
#include "loadgen/backoff.h"

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

START_TEST(backoff_refuses_what_is_none) {
    static const char *const bad[] = {
        "",
        "phoenix ",
        "Phoenix",
        "fixed",
        "fixed:",
        "fixed:0",
        "fixed:3600001",
        "fixed:10ms",
        "fixed:-5",
        "exponential:5",
        "exponential:10-9",
        "exponential:0-10",
        "fixed:1.5",
        "exponential:",
        "exponential:1-3600001",
        "exponential:1-2-3",
        "linear:5",
        "fixed:99999999999999999999",
    };
    struct backoff b = {BACKOFF_FIXED, 7, 7};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!backoff_parse(&b, bad[i]), "'%s' was taken", bad[i]);
        ck_assert(b.kind == BACKOFF_FIXED && b.min_ms == 7 && b.max_ms == 7);
    }
}
END_TEST

START_TEST(backoff_takes_its_bounds) {
    struct backoff b;
    ck_assert(backoff_parse(&b, "fixed:1") && b.min_ms == 1);
    ck_assert(backoff_parse(&b, "fixed:3600000") && b.min_ms == BACKOFF_MS_MAX);
    ck_assert(backoff_parse(&b, "exponential:5-5") && b.min_ms == 5 && b.max_ms == 5);
    ck_assert(backoff_parse(&b, "exponential:1-3600000") && b.max_ms == BACKOFF_MS_MAX);
}
END_TEST

START_TEST(backoff_phoenix_waits_as_phoenix_js_does) {
    static const uint64_t ms[] = {10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000};
    struct backoff b;
    struct rng rng = {1};
    ck_assert(backoff_parse(&b, "phoenix"));
    for (uint32_t i = 0; i < sizeof(ms) / sizeof(ms[0]); i++)
        ck_assert_uint_eq(backoff_delay_ns(&b, i + 1, &rng), ms[i] * NS_PER_MS);
    ck_assert_uint_eq(backoff_delay_ns(&b, UINT32_MAX, &rng), 5000 * NS_PER_MS);
}
END_TEST

START_TEST(backoff_fixed_is_the_same_each_time) {
    struct backoff b;
    struct rng rng = {1};
    ck_assert(backoff_parse(&b, "fixed:750"));
    ck_assert_uint_eq(backoff_delay_ns(&b, 1, &rng), 750 * NS_PER_MS);
    ck_assert_uint_eq(backoff_delay_ns(&b, 1000, &rng), 750 * NS_PER_MS);
}
END_TEST

START_TEST(backoff_exponential_spreads_over_a_window_that_doubles) {
    struct backoff b;
    struct rng rng = {99};
    ck_assert(backoff_parse(&b, "exponential:100-3000"));
    static const uint64_t ceiling_ms[] = {100, 200, 400, 800, 1600, 3000, 3000};
    for (uint32_t i = 0; i < 7; i++) {
        uint64_t sum = 0, max = 0, ceiling_ns = ceiling_ms[i] * NS_PER_MS;
        for (uint32_t n = 0; n < 10000; n++) {
            uint64_t delay = backoff_delay_ns(&b, i + 1, &rng);
            ck_assert_uint_le(delay, ceiling_ns);
            sum += delay;
            max = delay > max ? delay : max;
        }
        ck_assert_uint_gt(max, ceiling_ns / 100 * 99);
        ck_assert_uint_gt(sum / 10000, ceiling_ns / 100 * 48);
        ck_assert_uint_lt(sum / 10000, ceiling_ns / 100 * 52);
    }
    ck_assert_uint_le(backoff_delay_ns(&b, UINT32_MAX, &rng), 3000 * NS_PER_MS);
}
END_TEST

UNIT_MAIN("loadgen/backoff", backoff_refuses_what_is_none, backoff_takes_its_bounds,
          backoff_phoenix_waits_as_phoenix_js_does, backoff_fixed_is_the_same_each_time,
          backoff_exponential_spreads_over_a_window_that_doubles)
