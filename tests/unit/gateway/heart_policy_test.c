// Goal: back-off and intensity at their limits. Method: deaths at invented times.
#include "gateway/heart_policy.h"

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

#define START_NS (1000 * NS_PER_S)

static struct heart_policy policy;

// UINT64_MAX: given up.
static uint64_t die_ms(uint64_t uptime_ns, uint64_t now_ns) {
    uint64_t delay_ns = 0;
    return heart_policy_on_death(&policy, uptime_ns, now_ns, &delay_ns) ? delay_ns / NS_PER_MS
                                                                        : UINT64_MAX;
}

START_TEST(the_first_restart_is_at_once_then_the_delay_doubles_up_to_ten_seconds) {
    static const uint64_t delays_ms[] = {0,    100,  200,   400,   800,   1600,
                                         3200, 6400, 10000, 10000, 10000, 10000};
    heart_policy_init(&policy, HEART_POLICY_INTENSITY_MAX, 1);
    for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++)
        ck_assert_uint_eq(die_ms(0, START_NS + i * 10 * NS_PER_S), delays_ms[i]);
    policy.step = UINT32_MAX - 1; // years of it
    ck_assert_uint_eq(die_ms(0, 2 * START_NS), 10000);
}
END_TEST

START_TEST(a_minute_of_life_begins_the_delays_anew) {
    uint64_t minute_ns = HEART_POLICY_HEALTHY_S * NS_PER_S;
    heart_policy_init(&policy, 100, 3600);
    ck_assert_uint_eq(die_ms(0, START_NS), 0);
    ck_assert_uint_eq(die_ms(minute_ns - 1, START_NS + 1), 100);
    ck_assert_uint_eq(die_ms(minute_ns, START_NS + 2), 0);
    ck_assert_uint_eq(die_ms(0, START_NS + 3), 100);
    ck_assert_uint_eq(die_ms(minute_ns + 1, START_NS + 4), 0);
}
END_TEST

START_TEST(one_death_more_than_the_intensity_within_the_period_is_too_many) {
    static const uint32_t intensities[] = {0, 1, 2, 5, HEART_POLICY_INTENSITY_MAX};
    for (size_t i = 0; i < sizeof(intensities) / sizeof(intensities[0]); i++) {
        heart_policy_init(&policy, intensities[i], 60);
        for (uint32_t death = 0; death < intensities[i]; death++)
            ck_assert_uint_ne(die_ms(0, START_NS + death), UINT64_MAX);
        ck_assert_uint_eq(die_ms(0, START_NS + intensities[i]), UINT64_MAX);
    }
}
END_TEST

// The window slides: what counts is each death's distance to the one `intensity` before it.
START_TEST(deaths_count_for_the_period_and_no_longer) {
    for (int off = -1; off <= 1; off++) {
        uint64_t period_ns = 60 * NS_PER_S, now_ns = START_NS;
        heart_policy_init(&policy, 2, 60);
        ck_assert_uint_ne(die_ms(0, now_ns), UINT64_MAX);
        ck_assert_uint_ne(die_ms(0, now_ns + period_ns / 2), UINT64_MAX);
        now_ns += period_ns + (uint64_t)off;
        ck_assert(off > 0 ? die_ms(0, now_ns) != UINT64_MAX : die_ms(0, now_ns) == UINT64_MAX);
    }
}
END_TEST

START_TEST(steady_deaths_below_the_intensity_go_on_for_ever) {
    heart_policy_init(&policy, HEART_POLICY_INTENSITY_MAX, 10);
    for (uint64_t i = 0; i < 1000; i++) // 100 in any 10 s, and one more just beyond
        ck_assert_uint_ne(die_ms(0, START_NS + i * (NS_PER_S / 10 + 1)), UINT64_MAX);
    heart_policy_init(&policy, HEART_POLICY_INTENSITY_MAX, 10);
    uint32_t deaths = 0;
    while (die_ms(0, START_NS + deaths * (NS_PER_S / 10)) != UINT64_MAX)
        deaths++;
    ck_assert_uint_eq(deaths, HEART_POLICY_INTENSITY_MAX);
}
END_TEST

UNIT_MAIN("gateway/heart_policy",
          the_first_restart_is_at_once_then_the_delay_doubles_up_to_ten_seconds,
          a_minute_of_life_begins_the_delays_anew,
          one_death_more_than_the_intensity_within_the_period_is_too_many,
          deaths_count_for_the_period_and_no_longer,
          steady_deaths_below_the_intensity_go_on_for_ever)
