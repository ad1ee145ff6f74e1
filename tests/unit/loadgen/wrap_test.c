// Goal: sentences in 80 columns that read well. Method: texts and what they become.
#include "loadgen/wrap.h"

#include <string.h>

#include "tests/unit/unit.h"

static char text[4096];

static void wrap(const char *sentence, struct wrap how) {
    FILE *out = fmemopen(text, sizeof(text), "w");
    wrap_print(out, sentence, how);
    fclose(out);
}

START_TEST(lines_have_at_most_80_columns) {
    char sentence[2048] = "";
    for (int i = 0; i < 200; i++)
        strncat(sentence, i % 7 ? "µs " : "a-long-word ", sizeof(sentence) - strlen(sentence) - 1);
    wrap(sentence, (struct wrap){.indent = 4, .column = 10});
    size_t column = 10, lines = 0;
    for (const char *at = text; *at; at++) {
        lines += *at == '\n';
        column = *at == '\n' ? 0 : column + ((*at & 0xC0) != 0x80);
        ck_assert_uint_le(column, WRAP_COLUMNS);
    }
    ck_assert_uint_gt(lines, 5);
    ck_assert_ptr_nonnull(strstr(text, "\n    "));
}
END_TEST

// A short word at the begin of a line ends left of where the first line began.
START_TEST(words_stay_apart_on_every_line) {
    char sentence[128], expected[160];
    memset(sentence, 'x', 70);
    snprintf(sentence + 70, sizeof(sentence) - 70, " a b c");
    snprintf(expected, sizeof(expected), "%.70s\n  a b c\n", sentence);
    wrap(sentence, (struct wrap){.indent = 2, .column = 20});
    ck_assert_str_eq(text, expected);
}
END_TEST

START_TEST(a_number_stays_with_its_unit) {
    char sentence[128];
    memset(sentence, 'x', 75);
    snprintf(sentence + 75, sizeof(sentence) - 75, " 2.1 M");
    wrap(sentence, (struct wrap){0});
    ck_assert_ptr_nonnull(strstr(text, "\n2.1 M\n"));
}
END_TEST

START_TEST(a_word_that_fits_no_line_stands_alone) {
    char sentence[200];
    memset(sentence, 'x', 120);
    snprintf(sentence + 120, sizeof(sentence) - 120, " end");
    wrap(sentence, (struct wrap){0});
    ck_assert_uint_eq(strcspn(text, "\n"), 120);
    ck_assert_ptr_nonnull(strstr(text, "\nend\n"));
}
END_TEST

START_TEST(cells_are_filled_by_characters_not_bytes) {
    FILE *out = fmemopen(text, sizeof(text), "w");
    wrap_print_cell(out, "50 µs", 8);
    wrap_print_cell(out, "too long for it", 4);
    fputs("|", out);
    fclose(out);
    ck_assert_str_eq(text, "50 µs   too long for it |");
}
END_TEST

UNIT_MAIN("loadgen/wrap", lines_have_at_most_80_columns, words_stay_apart_on_every_line,
          a_number_stays_with_its_unit, a_word_that_fits_no_line_stands_alone,
          cells_are_filled_by_characters_not_bytes)
