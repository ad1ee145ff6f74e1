// Goal: every loss, duplicate and wrong order is found and none invented. Method: faults are
// injected into a run of numbers, one kind at a time and at random, and compared with what was
// injected.
#include "loadgen/verify.h"

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

static struct verify_member m;
static struct verify_totals totals;

static void begin(uint64_t watermark) {
    totals = (struct verify_totals){0};
    verify_start(&m, watermark);
}

static void take(uint64_t number) {
    verify_take(&m, &totals, number, true);
}

// `lost` with what is missing at the end.
static void totals_are(uint64_t lost, uint64_t announced, uint64_t duplicates,
                       uint64_t disordered) {
    ck_assert_uint_eq(totals.lost + totals.missing, lost);
    ck_assert_uint_eq(totals.announced, announced);
    ck_assert_uint_eq(totals.duplicates, duplicates);
    ck_assert_uint_eq(totals.disordered, disordered);
}

START_TEST(verify_finds_nothing_wrong_in_a_whole_run) {
    begin(10);
    for (uint64_t n = 11; n <= 1000; n++)
        take(n);
    verify_finish(&m, &totals, 1000);
    totals_are(0, 0, 0, 0);
    ck_assert_uint_eq(totals.received, 990);
}
END_TEST

START_TEST(verify_counts_holes_of_any_width) {
    static const uint64_t widths[] = {1, 2, 62, 63, 64, 65, 1000};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        begin(0);
        take(1);
        take(2 + widths[i]);
        take(3 + widths[i]);
        totals_are(widths[i], 0, 0, 0);
    }
}
END_TEST

START_TEST(verify_counts_the_first_as_lost_and_the_last_as_missing) {
    begin(5);
    take(7);
    verify_finish(&m, &totals, 9);
    ck_assert_uint_eq(totals.lost, 1);    // 6
    ck_assert_uint_eq(totals.missing, 2); // 8, 9
}
END_TEST

START_TEST(verify_counts_a_duplicate_once_and_loses_nothing) {
    begin(0);
    take(1);
    take(2);
    take(2);
    take(1);
    take(3);
    totals_are(0, 0, 2, 0);
}
END_TEST

START_TEST(verify_takes_a_message_from_before_the_join_as_duplicate) {
    begin(100);
    take(100);
    take(99);
    take(101);
    totals_are(0, 0, 2, 0);
}
END_TEST

START_TEST(verify_counts_a_late_one_as_disordered_and_no_longer_lost) {
    begin(0);
    take(1);
    take(3);
    totals_are(1, 0, 0, 0);
    take(2);
    totals_are(0, 0, 0, 1);
    take(2);
    totals_are(0, 0, 1, 1);
}
END_TEST

START_TEST(verify_window_ends_at_64) {
    begin(0);
    take(1);
    take(2 + 63); // 2 … 64 are holes
    totals_are(63, 0, 0, 0);
    take(2); // 63 below: still known
    totals_are(62, 0, 0, 1);
    take(1); // 64 below: beyond the window, cannot be told
    totals_are(62, 0, 0, 2);
}
END_TEST

START_TEST(verify_without_order_accepts_late_ones) {
    begin(0);
    verify_take(&m, &totals, 2, false);
    verify_take(&m, &totals, 1, false);
    totals_are(0, 0, 0, 0);
    verify_take(&m, &totals, 1, false);
    totals_are(0, 0, 1, 0);
}
END_TEST

START_TEST(verify_without_order_accepts_those_that_are_later_than_the_window) {
    begin(0);
    // Backlogs of two publishers, read one after the other.
    for (uint64_t n = 1; n <= 400; n += 2)
        ck_assert(verify_take(&m, &totals, n, false));
    totals_are(199, 0, 0, 0);
    for (uint64_t n = 2; n <= 400; n += 2)
        ck_assert(verify_take(&m, &totals, n, false));
    totals_are(0, 0, 0, 0);
}
END_TEST

START_TEST(verify_without_watermark_starts_at_the_first_number) {
    totals = (struct verify_totals){0};
    verify_init(&m);
    verify_finish(&m, &totals, 50);
    totals_are(0, 0, 0, 0);
    take(40);
    take(41);
    verify_finish(&m, &totals, 41);
    totals_are(0, 0, 0, 0);
}
END_TEST

START_TEST(verify_counts_an_announced_gap_apart) {
    begin(0);
    take(1);
    ck_assert(verify_take_gap(&m, &totals, 2, 100));
    take(101);
    totals_are(0, 99, 0, 0);
    ck_assert_uint_eq(totals.gap_events, 1);
    take(50); // announced as lost, and yet it comes
    totals_are(0, 99, 1, 0);
}
END_TEST

START_TEST(verify_gap_that_leaves_a_hole_or_overlaps_is_counted_right) {
    begin(0);
    take(1);
    ck_assert(verify_take_gap(&m, &totals, 4, 5)); // 2 and 3 went unannounced
    totals_are(2, 2, 0, 0);
    ck_assert(verify_take_gap(&m, &totals, 3, 6)); // only 6 is new
    totals_are(2, 3, 0, 0);
    ck_assert(verify_take_gap(&m, &totals, 1, 2));
    totals_are(2, 3, 0, 0);
}
END_TEST

START_TEST(verify_refuses_a_gap_that_is_no_range) {
    begin(0);
    ck_assert(!verify_take_gap(&m, &totals, 0, 1));
    ck_assert(!verify_take_gap(&m, &totals, 3, 2));
    ck_assert(!verify_take_gap(&m, &totals, 1, UINT64_MAX));
    totals_are(0, 0, 0, 0);
    ck_assert_uint_eq(totals.gap_events, 0);
}
END_TEST

START_TEST(verify_agrees_with_what_was_injected_at_random) {
    struct rng rng = {3};
    for (int round = 0; round < 200; round++) {
        uint64_t lost = 0, announced = 0, duplicates = 0, disordered = 0;
        begin(0);
        for (uint64_t n = 1; n <= 2000;) {
            uint64_t width = 1 + rng_below(&rng, 20);
            switch (rng_below(&rng, 12)) {
            case 0:
                lost += width;
                n += width;
                break;
            case 1:
                ck_assert(verify_take_gap(&m, &totals, n, n + width - 1));
                announced += width;
                n += width;
                break;
            case 2:
                take(n);
                take(n);
                duplicates++;
                n++;
                break;
            case 3:
                take(n + 1);
                take(n);
                disordered++;
                n += 2;
                break;
            default:
                take(n++);
            }
            if (n > 2000)
                verify_finish(&m, &totals, n - 1);
        }
        totals_are(lost, announced, duplicates, disordered);
    }
}
END_TEST

UNIT_MAIN("loadgen/verify", verify_finds_nothing_wrong_in_a_whole_run,
          verify_counts_holes_of_any_width, verify_counts_the_first_as_lost_and_the_last_as_missing,
          verify_counts_a_duplicate_once_and_loses_nothing,
          verify_takes_a_message_from_before_the_join_as_duplicate,
          verify_counts_a_late_one_as_disordered_and_no_longer_lost, verify_window_ends_at_64,
          verify_without_order_accepts_late_ones,
          verify_without_order_accepts_those_that_are_later_than_the_window,
          verify_without_watermark_starts_at_the_first_number, verify_counts_an_announced_gap_apart,
          verify_gap_that_leaves_a_hole_or_overlaps_is_counted_right,
          verify_refuses_a_gap_that_is_no_range, verify_agrees_with_what_was_injected_at_random)
