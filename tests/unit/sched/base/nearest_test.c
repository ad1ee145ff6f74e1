// Goal: the hint names what was meant. Method: distances known from the definition.
#include "sched/base/nearest.h"
#include <stdio.h>

#include "tests/unit/unit.h"

START_TEST(distance_counts_letters_to_change) {
    ck_assert_uint_eq(nearest_distance("", ""), 0);
    ck_assert_uint_eq(nearest_distance("knee", "knee"), 0);
    ck_assert_uint_eq(nearest_distance("", "knee"), 4);
    ck_assert_uint_eq(nearest_distance("knee", ""), 4);
    ck_assert_uint_eq(nearest_distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(nearest_distance("aply", "apply"), 1);
    ck_assert_uint_eq(nearest_distance("ab", "ba"), 2);
}
END_TEST

START_TEST(distance_of_long_names_counts_31_letters) {
    const char *thirty = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char one[40], two[40];
    snprintf(one, sizeof(one), "%sx", thirty); // 31
    snprintf(two, sizeof(two), "%sy", thirty);
    ck_assert_uint_eq(nearest_distance(one, two), 1);
    snprintf(one, sizeof(one), "%saxxxx", thirty); // differ from the 32nd on
    snprintf(two, sizeof(two), "%sayyyy", thirty);
    ck_assert_uint_eq(nearest_distance(one, two), 0);
}
END_TEST

UNIT_MAIN("sched/base/nearest", distance_counts_letters_to_change,
          distance_of_long_names_counts_31_letters)
