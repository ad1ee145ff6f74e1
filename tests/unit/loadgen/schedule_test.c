// Goal: an open loop offers exactly its rate, evenly, and forgets no arrival when it was late.
// Method: schedules are driven by made-up clocks, on time, late and in jumps.
#include "loadgen/schedule.h"

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

UNIT_MAIN("loadgen/schedule", schedule_without_rate_has_no_arrivals,
          schedule_gives_nothing_before_its_time,
          schedule_keeps_the_intended_times_of_missed_arrivals,
          schedule_does_not_drift_at_a_rate_that_divides_nothing,
          schedule_offered_counts_what_try_pop_gives, schedule_stops_before_its_stop)
