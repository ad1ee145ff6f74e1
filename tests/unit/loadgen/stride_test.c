// Goal: a stride visits everybody once, and neighbours apart. Method: all counts up to a thousand,
// and some large ones.
#include "loadgen/stride.h"
#include "tests/unit/unit.h"

START_TEST(stride_visits_each_once) {
    static uint8_t seen[1000];
    for (uint32_t count = 1; count <= 1000; count++) {
        uint32_t stride = stride_of(count);
        memset(seen, 0, sizeof(seen));
        for (uint32_t k = 0; k < count; k++)
            seen[stride_at(stride, count, k)]++;
        for (uint32_t i = 0; i < count; i++)
            ck_assert_uint_eq(seen[i], 1);
    }
}
END_TEST

START_TEST(stride_keeps_neighbours_apart) {
    static const uint32_t counts[] = {100, 10000, 1000000, 4000000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint32_t stride = stride_of(counts[i]);
        ck_assert_uint_gt(stride, counts[i] / 2);
        ck_assert_uint_lt(stride, counts[i] * 3 / 4);
        ck_assert_uint_lt(stride_at(stride, counts[i], counts[i] - 1), counts[i]);
    }
}
END_TEST

UNIT_MAIN("loadgen/stride", stride_visits_each_once, stride_keeps_neighbours_apart)
