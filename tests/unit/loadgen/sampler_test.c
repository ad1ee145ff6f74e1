// Goal: draws follow the histogram within the stated error, stay in their cells and repeat by seed.
// Method: histograms of few and many cells, all prefixes of many draws.
#include "loadgen/sampler.h"

#include "tests/unit/unit.h"

#include <math.h>

static struct shape_histogram histogram;
static struct sampler sampler;

static void add_cell(uint32_t low, uint32_t high, uint64_t count) {
    histogram.cells[histogram.cell_count++] = (struct shape_cell){low, high, count};
    histogram.total += count;
}

static void init(uint64_t step, uint64_t seed, uint32_t min, uint32_t max) {
    sampler_init(&sampler,
                 &(struct sampler_config){
                     .histogram = &histogram, .step = step, .seed = seed, .min = min, .max = max});
}

static uint32_t cell_of(uint32_t value) {
    for (uint32_t i = 0; i < histogram.cell_count; i++)
        if (value >= histogram.cells[i].low && value <= histogram.cells[i].high)
            return i;
    ck_abort_msg("%u is in no cell", value);
}

static void expect_shares(uint64_t step, uint64_t seed, uint32_t draws) {
    uint32_t seen[SHAPE_CELLS_MAX] = {0};
    init(step, seed, 0, UINT32_MAX);
    for (uint32_t n = 1; n <= draws; n++) {
        seen[cell_of(sampler_next(&sampler))]++;
        if (n & (n - 1) && n != draws) // after each power of two, and at the end
            continue;
        for (uint32_t i = 0; i < histogram.cell_count; i++) {
            double share = (double)histogram.cells[i].count / (double)histogram.total;
            double off = fabs(seen[i] - share * n);
            ck_assert_msg(off <= SAMPLER_ERROR(n), "cell %u is off by %f after %u", i, off, n);
        }
    }
}

START_TEST(each_cell_is_drawn_its_share_within_the_stated_error) {
    static const uint64_t steps[] = {SAMPLER_STEP_SIZES, SAMPLER_STEP_ROOMS};
    for (uint32_t cells = 1; cells <= 64; cells = cells * 2 + 1) {
        histogram = (struct shape_histogram){0};
        for (uint32_t i = 0; i < cells; i++)
            add_cell(i * 10, i * 10 + 5, 1 + i * i * 37 % 1000);
        for (uint32_t s = 0; s < 2; s++)
            for (uint64_t seed = 1; seed <= 3; seed++)
                expect_shares(steps[s], seed, 100000);
    }
}
END_TEST

START_TEST(within_a_cell_all_values_come) {
    uint32_t seen[4] = {0};
    histogram = (struct shape_histogram){0};
    add_cell(100, 103, 5);
    init(SAMPLER_STEP_SIZES, 7, 0, UINT32_MAX);
    for (uint32_t n = 0; n < 4000; n++)
        seen[sampler_next(&sampler) - 100]++;
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_msg(seen[i] > 800 && seen[i] < 1200, "%u times", seen[i]);
    histogram = (struct shape_histogram){0};
    add_cell(0, UINT32_MAX, 1);
    init(SAMPLER_STEP_SIZES, 7, 0, UINT32_MAX);
    uint32_t most = 0;
    for (uint32_t n = 0; n < 100; n++) {
        uint32_t value = sampler_next(&sampler);
        most = value > most ? value : most;
    }
    ck_assert_uint_gt(most, UINT32_MAX / 2);
}
END_TEST

START_TEST(values_are_held_to_their_bounds) {
    histogram = (struct shape_histogram){0};
    add_cell(10, 60, 1);
    add_cell(1000, 2000, 1);
    init(SAMPLER_STEP_SIZES, 1, 55, 1500);
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t n = 0; n < 2000; n++) {
        uint32_t value = sampler_next(&sampler);
        ck_assert_uint_ge(value, 55);
        ck_assert_uint_le(value, 1500);
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    ck_assert_uint_eq(least, 55);
    ck_assert_uint_eq(most, 1500);
}
END_TEST

START_TEST(a_seed_gives_the_same_draws_and_another_seed_others) {
    uint32_t first[100], same = 0;
    histogram = (struct shape_histogram){0};
    add_cell(0, 9999, 1);
    init(SAMPLER_STEP_SIZES, 1, 0, UINT32_MAX);
    for (uint32_t n = 0; n < 100; n++)
        first[n] = sampler_next(&sampler);
    init(SAMPLER_STEP_SIZES, 1, 0, UINT32_MAX);
    for (uint32_t n = 0; n < 100; n++)
        ck_assert_uint_eq(sampler_next(&sampler), first[n]);
    init(SAMPLER_STEP_SIZES, 2, 0, UINT32_MAX);
    for (uint32_t n = 0; n < 100; n++)
        same += sampler_next(&sampler) == first[n];
    ck_assert_uint_lt(same, 10);
}
END_TEST

UNIT_MAIN("loadgen/sampler", each_cell_is_drawn_its_share_within_the_stated_error,
          within_a_cell_all_values_come, values_are_held_to_their_bounds,
          a_seed_gives_the_same_draws_and_another_seed_others)
