// Goal: numbers are grouped by thousands and never beyond their bytes. Method: borders by example.
#include "loadgen/grouped.h"
#include "tests/unit/unit.h"

START_TEST(grouped_numbers_have_a_comma_every_three_digits) {
    ck_assert_str_eq(GROUPED(0), "0");
    ck_assert_str_eq(GROUPED(999), "999");
    ck_assert_str_eq(GROUPED(1000), "1,000");
    ck_assert_str_eq(GROUPED(999999), "999,999");
    ck_assert_str_eq(GROUPED(1234567), "1,234,567");
    ck_assert_str_eq(GROUPED(-123456), "-123,456");
    ck_assert_str_eq(GROUPED(1999.6), "2,000");
}
END_TEST

START_TEST(grouped_numbers_stay_within_their_bytes) {
    char text[GROUPED_BYTES + 1];
    memset(text, 'x', sizeof(text));
    grouped(text, 1e300);
    ck_assert_uint_lt(strlen(text), GROUPED_BYTES);
    ck_assert_int_eq(text[GROUPED_BYTES], 'x');
}
END_TEST

UNIT_MAIN("loadgen/grouped", grouped_numbers_have_a_comma_every_three_digits,
          grouped_numbers_stay_within_their_bytes)
