// Goal: numbers read as people write them; words become arguments. Method: values at each border.
#include "tuning/measure_words.h"

#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

START_TEST(counts_keep_the_digits_that_mean_something) {
    const struct {
        double value;
        const char *text;
    } all[] = {{0, "0"},
               {7.5, "7.5"},
               {99.4, "99.4"},
               {100, "100"},
               {999, "999"},
               {1234, "1,230"},
               {9999, "9,990"},
               {12345, "12,300"},
               {99999, "99,900"},
               {123456, "123,000"},
               {999999, "999,000"},
               {1e6, "1 M"},
               {2345678, "2.35 M"},
               {-1, "?"},
               {NAN, "?"}};
    char text[MEASURE_WORDS_BYTES];
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        ck_assert_str_eq(measure_words_count(all[i].value, text), all[i].text);
}
END_TEST

START_TEST(bytes_and_times_have_their_units) {
    char text[MEASURE_WORDS_BYTES];
    ck_assert_str_eq(measure_words_bytes(231.4, text), "231 B");
    ck_assert_str_eq(measure_words_bytes(9999, text), "9999 B");
    ck_assert_str_eq(measure_words_bytes(10240, text), "10 KiB");
    ck_assert_str_eq(measure_words_bytes(17.5 * (1 << 30), text), "17.5 GiB");
    ck_assert_str_eq(measure_words_bytes(1023.0 * (1 << 20), text), "1023 MiB");
    ck_assert_str_eq(measure_words_time(850, text), "850 ns");
    ck_assert_str_eq(measure_words_time(1720, text), "1.72 µs");
    ck_assert_str_eq(measure_words_time(2.5e9, text), "2.5 s");
    ck_assert_str_eq(measure_words_time(7.2e12, text), "7200 s");
}
END_TEST

START_TEST(words_become_arguments_and_too_many_are_refused) {
    static struct child_arguments arguments;
    measure_words_append("  --protocol   tcp-echo ", &arguments);
    ck_assert_uint_eq(arguments.count, 2);
    ck_assert_str_eq(arguments.text[0], "--protocol");
    ck_assert_str_eq(arguments.text[1], "tcp-echo");
    measure_words_append("", &arguments);
    ck_assert_uint_eq(arguments.count, 2);
    char many[128] = "";
    for (int i = 0; i < 40; i++)
        strncat(many, "x ", 3);
    ck_assert(measure_words_validate(many));
    strncat(many, "x", 2);
    ck_assert(!measure_words_validate(many));
    char wide[CHILD_ARGUMENT_BYTES + 1];
    memset(wide, 'y', sizeof(wide));
    wide[CHILD_ARGUMENT_BYTES - 1] = '\0';
    ck_assert(measure_words_validate(wide));
    wide[CHILD_ARGUMENT_BYTES - 1] = 'y';
    wide[CHILD_ARGUMENT_BYTES] = '\0';
    ck_assert(!measure_words_validate(wide));
}
END_TEST

UNIT_MAIN("tuning/measure_words", counts_keep_the_digits_that_mean_something,
          bytes_and_times_have_their_units, words_become_arguments_and_too_many_are_refused)
