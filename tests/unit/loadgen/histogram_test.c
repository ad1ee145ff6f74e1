// Goal: the histogram tells quantiles to three digits, whatever was put in. Method: cells are
// walked one by one for gaps and overlaps; quantiles are compared with those of a sorted array.
#include "loadgen/histogram.h"

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

#define SAMPLE_COUNT 20000

static struct histogram a, b, all;
static uint64_t samples[SAMPLE_COUNT];

static int compare_u64(const void *left, const void *right) {
    uint64_t x = *(const uint64_t *)left, y = *(const uint64_t *)right;
    return (x > y) - (x < y);
}

START_TEST(histogram_is_empty_after_init) {
    histogram_init(&a);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P50), 0);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P100), 0);
    ck_assert(histogram_mean_ns(&a) == 0);
    ck_assert_uint_eq(histogram_count_to(&a, HISTOGRAM_VALUE_MAX), 0);
}
END_TEST

START_TEST(histogram_cells_tile_the_range_without_gap_or_overlap) {
    ck_assert_uint_eq(histogram_cell_low_ns(0), 0);
    for (uint32_t i = 0; i < HISTOGRAM_CELL_COUNT; i++) {
        uint64_t low = histogram_cell_low_ns(i), high = histogram_cell_high_ns(i);
        ck_assert_uint_eq(histogram_cell(low), i);
        ck_assert_uint_eq(histogram_cell(high), i);
        if (i + 1 < HISTOGRAM_CELL_COUNT)
            ck_assert_uint_eq(histogram_cell_low_ns(i + 1), high + 1);
        // Three significant digits: a cell is at most a thousandth of the values in it.
        ck_assert(high - low == 0 || (high - low + 1) * 1000 <= low);
    }
    ck_assert_uint_eq(histogram_cell_high_ns(HISTOGRAM_CELL_COUNT - 1), HISTOGRAM_VALUE_MAX);
}
END_TEST

START_TEST(histogram_range_covers_a_microsecond_to_an_hour_and_says_when_it_saturates) {
    histogram_init(&a);
    histogram_record(&a, 1000);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P50), 1000);
    ck_assert(HISTOGRAM_VALUE_MAX > 3600ull * 1000000000ull);
    histogram_record(&a, HISTOGRAM_VALUE_MAX - 1);
    histogram_record(&a, HISTOGRAM_VALUE_MAX);
    ck_assert_uint_eq(a.saturated, 0);
    histogram_record(&a, HISTOGRAM_VALUE_MAX + 1);
    ck_assert_uint_eq(a.saturated, 1);
    histogram_record(&a, UINT64_MAX / 4);
    ck_assert_uint_eq(a.saturated, 2);
    ck_assert_uint_eq(a.max_ns, UINT64_MAX / 4);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P100), UINT64_MAX / 4);
}
END_TEST

START_TEST(histogram_one_value_is_every_quantile_exactly) {
    histogram_init(&a);
    histogram_record(&a, 123456789);
    for (uint32_t ppm = 0; ppm <= 1000000; ppm += 50000)
        ck_assert_uint_eq(histogram_quantile_ns(&a, ppm), 123456789);
}
END_TEST

START_TEST(histogram_ranks_are_counted_in_integers) {
    histogram_init(&a);
    for (uint64_t v = 1; v <= 1000; v++)
        histogram_record(&a, v);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 0), 1);
    ck_assert_uint_eq(histogram_quantile_ns(&a, 1), 1);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P50), 500);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P50 + 1), 501);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P999 - 1), 999);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P999), 999);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P999 + 1), 1000);
    ck_assert_uint_eq(histogram_quantile_ns(&a, HISTOGRAM_P100), 1000);
    ck_assert_uint_eq(histogram_count_to(&a, 250), 250);
}
END_TEST

static void check_against_sorted(const struct histogram *h) {
    static const uint32_t asked[] = {1,      10000,  250000, HISTOGRAM_P50,   HISTOGRAM_P90,
                                     950000, 990000, 999000, HISTOGRAM_P9999, HISTOGRAM_P100};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        uint64_t rank = (SAMPLE_COUNT * (uint64_t)asked[i] + 999999) / 1000000;
        uint64_t exact = samples[rank - 1];
        uint64_t told = histogram_quantile_ns(h, asked[i]);
        ck_assert_msg(told >= exact && told - exact <= exact / 1000, "%u ppm: told %lu, is %lu",
                      asked[i], told, exact);
    }
}

START_TEST(histogram_quantiles_match_a_sorted_array_over_nine_decades) {
    struct rng rng = {7};
    histogram_init(&a);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        samples[i] = (rng_next(&rng) >> 24) >> rng_below(&rng, 30);
        histogram_record(&a, samples[i]);
    }
    qsort(samples, SAMPLE_COUNT, sizeof(samples[0]), compare_u64);
    check_against_sorted(&a);
    ck_assert_uint_eq(a.min_ns, samples[0]);
    ck_assert_uint_eq(a.max_ns, samples[SAMPLE_COUNT - 1]);
}
END_TEST

START_TEST(histogram_merge_equals_recording_everything_in_one) {
    struct rng rng = {11};
    histogram_init(&a);
    histogram_init(&b);
    histogram_init(&all);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        uint64_t value = rng_next(&rng) >> (20 + rng_below(&rng, 40));
        histogram_record(i % 3 ? &a : &b, value);
        histogram_record(&all, value);
    }
    histogram_merge(&a, &b);
    ck_assert_mem_eq(&a, &all, sizeof(all));
    histogram_init(&b);
    histogram_merge(&a, &b);
    ck_assert_mem_eq(&a, &all, sizeof(all));
}
END_TEST

START_TEST(histogram_dump_ends_at_the_maximum_and_names_the_count) {
    histogram_init(&a);
    for (uint64_t v = 1; v <= 100000; v++)
        histogram_record(&a, v * 1000);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    histogram_dump(&a, out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "  100.000000 1.000000000000     100000\n"));
    ck_assert_ptr_nonnull(strstr(text, " 0.500000000000"));
    ck_assert_ptr_nonnull(strstr(text, "Total count   =       100000]"));
    free(text);
    histogram_init(&a);
    out = open_memstream(&text, &size);
    histogram_dump(&a, out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "Total count   =            0]"));
    free(text);
}
END_TEST

UNIT_MAIN("loadgen/histogram", histogram_is_empty_after_init,
          histogram_cells_tile_the_range_without_gap_or_overlap,
          histogram_range_covers_a_microsecond_to_an_hour_and_says_when_it_saturates,
          histogram_one_value_is_every_quantile_exactly, histogram_ranks_are_counted_in_integers,
          histogram_quantiles_match_a_sorted_array_over_nine_decades,
          histogram_merge_equals_recording_everything_in_one,
          histogram_dump_ends_at_the_maximum_and_names_the_count)
