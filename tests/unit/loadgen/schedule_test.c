// Goal: an open loop offers exactly its rate, evenly or as a Poisson process, constant or on a
// ramp, and forgets no arrival when it was late. Method: schedules are driven by made-up clocks, on
// time, late and in jumps; ramps are held against the integral of their rate, Poisson arrivals
// against mean and variance of counts and of gaps.
#include "loadgen/schedule.h"

#include <math.h>

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

START_TEST(schedule_without_rate_has_no_arrivals) {
    struct schedule s;
    uint64_t at;
    schedule_init(&s, 1000, 0);
    ck_assert_uint_eq(schedule_next_ns(&s), SCHEDULE_NEVER);
    ck_assert(!schedule_try_pop(&s, UINT64_MAX - 1, &at));
    ck_assert_uint_eq(schedule_offered(&s, UINT64_MAX), 0);
}
END_TEST

START_TEST(schedule_gives_nothing_before_its_time) {
    struct schedule s;
    uint64_t at;
    schedule_init(&s, 5000, 1000);
    ck_assert(!schedule_try_pop(&s, 4999, &at));
    ck_assert(schedule_try_pop(&s, 5000, &at));
    ck_assert_uint_eq(at, 5000);
    ck_assert(!schedule_try_pop(&s, 5000 + NS_PER_MS - 1, &at));
    ck_assert(schedule_try_pop(&s, 5000 + NS_PER_MS, &at));
    ck_assert_uint_eq(at, 5000 + NS_PER_MS);
}
END_TEST

START_TEST(schedule_keeps_the_intended_times_of_missed_arrivals) {
    struct schedule s;
    uint64_t at;
    schedule_init(&s, 0, 1000);
    for (uint64_t k = 0; k <= 500; k++) {
        ck_assert(schedule_try_pop(&s, 500 * NS_PER_MS, &at));
        ck_assert_uint_eq(at, k * NS_PER_MS);
    }
    ck_assert(!schedule_try_pop(&s, 500 * NS_PER_MS, &at));
}
END_TEST

START_TEST(schedule_does_not_drift_at_a_rate_that_divides_nothing) {
    struct schedule s;
    schedule_init(&s, 0, 333333);
    s.taken = 333333ull * 3600 * 24 * 100; // a hundred days
    ck_assert_uint_eq(schedule_next_ns(&s), 3600ull * 24 * 100 * NS_PER_S);
    schedule_init(&s, 7, 0.001);
    s.taken = 1;
    ck_assert_uint_eq(schedule_next_ns(&s), 7 + 1000 * NS_PER_S);
    schedule_init(&s, 0, SCHEDULE_RATE_MAX);
    s.taken = 3;
    ck_assert_uint_eq(schedule_next_ns(&s), 300);
}
END_TEST

START_TEST(schedule_offered_counts_what_try_pop_gives) {
    static const double rates[] = {0.5, 1, 3, 7.25, 999, 1000, 65537};
    for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
        for (uint64_t until = 1; until < 2 * NS_PER_S; until = until * 3 + 1) {
            struct schedule s;
            uint64_t at, popped = 0;
            schedule_init(&s, 0, rates[r]);
            schedule_stop_at(&s, until);
            while (schedule_try_pop(&s, UINT64_MAX - 1, &at)) {
                ck_assert_uint_lt(at, until);
                popped++;
            }
            ck_assert_uint_eq(schedule_offered(&s, until), popped);
            ck_assert_uint_eq(schedule_offered(&s, UINT64_MAX), popped);
        }
}
END_TEST

START_TEST(schedule_stops_before_its_stop) {
    struct schedule s;
    uint64_t at, count = 0;
    schedule_init(&s, 0, 1000);
    schedule_stop_at(&s, 10 * NS_PER_MS);
    while (schedule_try_pop(&s, NS_PER_S, &at))
        count++;
    ck_assert_uint_eq(count, 10); // 0 … 9 ms; the one at 10 ms lies on the stop
    ck_assert_uint_eq(schedule_next_ns(&s), SCHEDULE_NEVER);
}
END_TEST

// --- ramps ---------------------------------------------------------------------------------------

static struct schedule shaped(double rate, double rate_end, uint64_t duration_s, bool is_poisson,
                              uint64_t seed) {
    const struct schedule_shape shape = {.start_ns = 5,
                                         .duration_ns = duration_s * NS_PER_S,
                                         .rate_per_s = rate,
                                         .rate_end_per_s = rate_end,
                                         .is_poisson = is_poisson,
                                         .seed = seed};
    struct schedule s;
    schedule_init_shape(&s, &shape);
    return s;
}

static uint64_t pop_all(struct schedule *s, uint64_t until_ns) {
    uint64_t at, last = 0, count = 0;
    for (; schedule_try_pop(s, until_ns - 1, &at); count++) {
        ck_assert_uint_ge(at, last);
        ck_assert_uint_lt(at, until_ns);
        last = at;
    }
    return count;
}

START_TEST(schedule_ramp_offers_the_integral_of_its_rate) {
    static const double ramps[][2] = {{0, 1000}, {1000, 0}, {100, 900}, {900, 100}, {500, 501}};
    for (size_t i = 0; i < sizeof(ramps) / sizeof(ramps[0]); i++)
        for (uint64_t at_s = 1; at_s <= 10; at_s++) {
            double from = ramps[i][0], rise = (ramps[i][1] - from) / 10;
            double due = (double)at_s * from + (double)(at_s * at_s) * rise / 2;
            struct schedule s = shaped(from, ramps[i][1], 10, false, 0);
            uint64_t popped = pop_all(&s, 5 + at_s * NS_PER_S);
            ck_assert_msg(fabs((double)popped - due) <= 1, "%f to %f, %lu s: %lu, due %f", from,
                          ramps[i][1], at_s, popped, due);
        }
}
END_TEST

START_TEST(schedule_ramp_stops_at_its_end_and_begins_at_its_begin) {
    struct schedule s = shaped(100, 200, 4, false, 0);
    uint64_t at;
    ck_assert(!schedule_try_pop(&s, 4, &at));
    ck_assert(schedule_try_pop(&s, 5, &at));
    ck_assert_uint_eq(at, 5);
    ck_assert_uint_eq(1 + pop_all(&s, UINT64_MAX), 600);
    ck_assert_uint_eq(schedule_next_ns(&s), SCHEDULE_NEVER);
}
END_TEST

START_TEST(schedule_ramp_does_not_drift_within_a_day) {
    struct schedule s = shaped(1000, 3000, 86400, false, 0);
    s.taken = 2000ull * 86400 - 1; // the last but one
    uint64_t end_ns = 5 + 86400 * NS_PER_S;
    ck_assert_uint_lt(schedule_next_ns(&s), end_ns);
    ck_assert_uint_gt(schedule_next_ns(&s), end_ns - NS_PER_S / 2900);
    s.taken++;
    ck_assert_uint_eq(schedule_next_ns(&s), SCHEDULE_NEVER);
}
END_TEST

START_TEST(schedule_ramp_offered_counts_what_try_pop_gives) {
    static const double ramps[][2] = {{0, 777}, {777, 0}, {1, 3000}, {0.001, 0.5}};
    for (size_t i = 0; i < sizeof(ramps) / sizeof(ramps[0]); i++)
        for (uint64_t until = 1; until < 6 * NS_PER_S; until = until * 3 + 1) {
            struct schedule s = shaped(ramps[i][0], ramps[i][1], 4, false, 0);
            struct schedule copy = s;
            ck_assert_uint_eq(schedule_offered(&copy, until), pop_all(&s, until));
        }
}
END_TEST

// --- Poisson -------------------------------------------------------------------------------------

START_TEST(schedule_poisson_has_the_mean_and_the_variance_of_its_name) {
    struct schedule s = shaped(1000, 1000, 1000, true, 42);
    double sum = 0, squares = 0;
    uint64_t at;
    for (uint64_t second = 1; second <= 1000; second++) {
        uint64_t count = 0;
        while (schedule_try_pop(&s, second * NS_PER_S, &at))
            count++;
        sum += (double)count;
        squares += (double)count * (double)count;
    }
    double mean = sum / 1000, variance = squares / 1000 - mean * mean;
    ck_assert_msg(fabs(mean - 1000) < 4, "mean %f", mean);               // σ of the mean is 1
    ck_assert_msg(fabs(variance - 1000) < 180, "variance %f", variance); // σ is 45; even: 0
}
END_TEST

START_TEST(schedule_poisson_gaps_are_exponential) {
    struct schedule s = shaped(1000, 1000, 1000, true, 7);
    uint64_t at, last = 5, above_mean = 0, above_three = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        ck_assert(schedule_try_pop(&s, SCHEDULE_NEVER - 1, &at));
        above_mean += at - last > NS_PER_MS;
        above_three += at - last > 3 * NS_PER_MS;
        last = at;
    }
    ck_assert_msg(fabs((double)above_mean - 36788) < 800, "%lu of e^-1", above_mean);
    ck_assert_msg(fabs((double)above_three - 4979) < 350, "%lu of e^-3", above_three);
}
END_TEST

START_TEST(schedule_poisson_comes_again_by_its_seed) {
    struct schedule one = shaped(100, 900, 10, true, 3), two = one;
    struct schedule other = shaped(100, 900, 10, true, 4);
    uint64_t a, b, c, same = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert(schedule_try_pop(&one, SCHEDULE_NEVER - 1, &a));
        ck_assert(schedule_try_pop(&two, SCHEDULE_NEVER - 1, &b));
        ck_assert(schedule_try_pop(&other, SCHEDULE_NEVER - 1, &c));
        ck_assert_uint_eq(a, b);
        same += a == c;
    }
    ck_assert_uint_lt(same, 10);
}
END_TEST

START_TEST(schedule_poisson_follows_a_ramp) {
    struct schedule s = shaped(0, 2000, 100, true, 1);
    uint64_t half = pop_all(&s, 5 + 50 * NS_PER_S);
    uint64_t rest = pop_all(&s, 5 + 100 * NS_PER_S);
    ck_assert_msg(fabs((double)half - 25000) < 5 * sqrt(25000), "%lu", half);
    ck_assert_msg(fabs((double)rest - 75000) < 5 * sqrt(75000), "%lu", rest);
}
END_TEST

START_TEST(schedule_poisson_offered_counts_those_not_taken_too) {
    struct schedule s = shaped(500, 500, 4, true, 11), copy = s;
    uint64_t all = pop_all(&copy, UINT64_MAX);
    ck_assert_uint_eq(schedule_offered(&s, UINT64_MAX), all);
    uint64_t early = pop_all(&s, NS_PER_S);
    ck_assert_uint_eq(schedule_offered(&s, NS_PER_S), early);
    ck_assert_uint_eq(schedule_offered(&s, UINT64_MAX), all);
    ck_assert_uint_eq(pop_all(&s, UINT64_MAX), all - early);
}
END_TEST

START_TEST(schedule_poisson_at_the_ends_of_its_range_goes_on) {
    struct schedule fast = shaped(SCHEDULE_RATE_MAX, SCHEDULE_RATE_MAX, 86400, true, 1);
    fast.taken = 1;
    fast.position = (uint64_t)(SCHEDULE_RATE_MAX * 86000) << 24;
    uint64_t at;
    ck_assert(schedule_try_pop(&fast, SCHEDULE_NEVER - 1, &at));
    ck_assert_uint_eq(at, 5 + 86000 * NS_PER_S);
    ck_assert(schedule_try_pop(&fast, SCHEDULE_NEVER - 1, &at));
    ck_assert_uint_ge(at, 5 + 86000 * NS_PER_S);
    ck_assert_uint_lt(at, 5 + 86001 * NS_PER_S);
}
END_TEST

UNIT_MAIN("loadgen/schedule", schedule_without_rate_has_no_arrivals,
          schedule_gives_nothing_before_its_time,
          schedule_keeps_the_intended_times_of_missed_arrivals,
          schedule_does_not_drift_at_a_rate_that_divides_nothing,
          schedule_offered_counts_what_try_pop_gives, schedule_stops_before_its_stop,
          schedule_ramp_offers_the_integral_of_its_rate,
          schedule_ramp_stops_at_its_end_and_begins_at_its_begin,
          schedule_ramp_does_not_drift_within_a_day,
          schedule_ramp_offered_counts_what_try_pop_gives,
          schedule_poisson_has_the_mean_and_the_variance_of_its_name,
          schedule_poisson_gaps_are_exponential, schedule_poisson_comes_again_by_its_seed,
          schedule_poisson_follows_a_ramp, schedule_poisson_offered_counts_those_not_taken_too,
          schedule_poisson_at_the_ends_of_its_range_goes_on)
