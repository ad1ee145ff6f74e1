// Goal: a difference counts only when the ranges do not overlap. Method: ranges
// that touch, overlap by one value, lie apart; equal noise on both sides.
#include "tuning/try_pairs.h"

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

#include <math.h>

static struct try_series series_of(const double *without, const double *with, uint32_t count) {
    struct try_series series = {.name = "x", .unit = "ns"};
    for (uint32_t i = 0; i < count; i++) {
        try_pairs_add(&series, false, without[i]);
        try_pairs_add(&series, true, with[i]);
    }
    return series;
}

START_TEST(runs_alternate_so_that_a_steady_drift_weighs_on_both_alike) {
    const bool wanted[] = {false, true, true, false, false, true, true, false};
    double without = 0, with = 0;
    for (uint32_t i = 0; i < 8; i++) {
        ck_assert_int_eq(try_pairs_is_with(i), wanted[i]);
        *(try_pairs_is_with(i) ? &with : &without) += i;
    }
    ck_assert(with == without);
}
END_TEST

START_TEST(ranges_apart_are_shown_and_which_side_is_better_depends_on_the_measure) {
    struct try_series series = series_of((double[]){10, 11, 12}, (double[]){7, 8, 9.99}, 3);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_BETTER);
    series.more_is_better = true;
    ck_assert_int_eq(try_pairs_compare(&series), TRY_WORSE);
    series = series_of((double[]){7, 8, 9.99}, (double[]){10, 11, 12}, 3);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_WORSE);
    series.more_is_better = true;
    ck_assert_int_eq(try_pairs_compare(&series), TRY_BETTER);
}
END_TEST

START_TEST(ranges_that_touch_or_overlap_show_nothing) {
    struct try_series series = series_of((double[]){10, 11, 12}, (double[]){7, 8, 10}, 3);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_NOT_SHOWN);
    series = series_of((double[]){10, 11, 12}, (double[]){7, 8, 11.5}, 3);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_NOT_SHOWN);
    series = series_of((double[]){10, 30, 12}, (double[]){15, 16, 17}, 3); // within
    ck_assert_int_eq(try_pairs_compare(&series), TRY_NOT_SHOWN);
    series = series_of((double[]){5, 5, 5}, (double[]){5, 5, 5}, 3);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_NOT_SHOWN);
}
END_TEST

START_TEST(single_runs_have_no_range) {
    struct try_series series = series_of((double[]){10}, (double[]){1}, 1);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_NOT_SHOWN);
    try_pairs_add(&series, true, 1);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_NOT_SHOWN);
    try_pairs_add(&series, false, 10);
    ck_assert_int_eq(try_pairs_compare(&series), TRY_BETTER);
}
END_TEST

START_TEST(equal_sides_are_shown_as_often_as_chance_has_it) {
    struct rng rng = {.state = 7};
    uint32_t shown = 0;
    for (uint32_t round = 0; round < 12600; round++) {
        struct try_series series = {0};
        for (uint32_t i = 0; i < 10; i++)
            try_pairs_add(&series, try_pairs_is_with(i), (double)(rng_next(&rng) >> 12));
        shown += try_pairs_compare(&series) != TRY_NOT_SHOWN;
    }
    ck_assert_uint_ge(shown, 60); // one in 126: 100 of 12,600
    ck_assert_uint_le(shown, 150);
}
END_TEST

START_TEST(medians_and_ranges_of_odd_even_and_no_values) {
    struct try_range range;
    try_pairs_range((double[]){3, 1, 2}, 3, &range);
    ck_assert(range.median == 2 && range.min == 1 && range.max == 3);
    try_pairs_range((double[]){4, 1, 2, 3}, 4, &range);
    ck_assert(range.median == 2.5);
    try_pairs_range(NULL, 0, &range);
    ck_assert(range.median == 0 && range.min == 0 && range.max == 0);
}
END_TEST

START_TEST(what_is_no_number_or_one_too_many_is_left_out) {
    struct try_series series = {0};
    try_pairs_add(&series, true, NAN);
    try_pairs_add(&series, true, INFINITY);
    ck_assert_uint_eq(series.with_count, 0);
    for (uint32_t i = 0; i < TRY_PAIRS_MAX + 3; i++)
        try_pairs_add(&series, true, i);
    ck_assert_uint_eq(series.with_count, TRY_PAIRS_MAX);
}
END_TEST

START_TEST(chance_is_as_combinatorics_has_it) {
    ck_assert(try_pairs_chance(0) == 1 && try_pairs_chance(1) == 1);
    ck_assert(fabs(1 / try_pairs_chance(2) - 3) < 1e-9);
    ck_assert(fabs(1 / try_pairs_chance(3) - 10) < 1e-9);
    ck_assert(fabs(1 / try_pairs_chance(5) - 126) < 1e-9);
    ck_assert(fabs(1 / try_pairs_chance(7) - 1716) < 1e-6);
}
END_TEST

START_TEST(several_measures_combine) {
    const enum try_shown better[] = {TRY_NOT_SHOWN, TRY_BETTER},
                         worse[] = {TRY_WORSE, TRY_NOT_SHOWN}, mixed[] = {TRY_WORSE, TRY_BETTER},
                         none[] = {TRY_NOT_SHOWN};
    ck_assert_int_eq(try_pairs_combine(better, 2), TRY_BETTER);
    ck_assert_int_eq(try_pairs_combine(worse, 2), TRY_WORSE);
    ck_assert_int_eq(try_pairs_combine(mixed, 2), TRY_MIXED);
    ck_assert_int_eq(try_pairs_combine(none, 1), TRY_NOT_SHOWN);
    ck_assert_int_eq(try_pairs_combine(none, 0), TRY_NOT_SHOWN);
    for (int i = 0; i < TRY_SHOWN_COUNT; i++)
        ck_assert_ptr_nonnull(try_shown_name((enum try_shown)i));
}
END_TEST

UNIT_MAIN("tuning/try_pairs", runs_alternate_so_that_a_steady_drift_weighs_on_both_alike,
          ranges_apart_are_shown_and_which_side_is_better_depends_on_the_measure,
          ranges_that_touch_or_overlap_show_nothing, single_runs_have_no_range,
          equal_sides_are_shown_as_often_as_chance_has_it,
          medians_and_ranges_of_odd_even_and_no_values,
          what_is_no_number_or_one_too_many_is_left_out, chance_is_as_combinatorics_has_it,
          several_measures_combine)
