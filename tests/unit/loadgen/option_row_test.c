// Goal: a table of options is read, refused and printed as its rows say. Method: a table of one row
// of each type.
#include "loadgen/option_row.h"
#include "tests/unit/unit.h"

struct made_options {
    bool is_loud;
    uint32_t count;
    double share;
    const char *name;
    uint32_t own;
    const char *own_text;
};

#define OPTION_ROW_OPTIONS made_options

static const struct option_row ROWS[] = {
    ROW_GROUP("First"),
    ROW_FLAG("loud", is_loud, "be loud"),
    ROW_COUNT("count", count, "N", "3", 1, 10, "how many"),
    ROW_NUMBER("share", share, "P", NULL, 0, 1.5, "how much"),
    ROW_GROUP("Second"),
    ROW_TEXT("name", name, "TEXT", "", "who"),
    {.name = "own", .help = "of our own", .type = OPTION_ROW_OWN, .own = 7},
    {.name = "own-text-with-a-long-name",
     .argument = "X",
     .help = "the same",
     .type = OPTION_ROW_OWN,
     .own = 8},
};

static bool set_own(void *options, const struct option_row *row, const char *text, char *error) {
    struct made_options *o = options;
    o->own = row->own;
    o->own_text = text;
    return text == NULL || text[0] != '!' || option_row_fail(error, "no !");
}

static const struct option_table TABLE = {ROWS, sizeof(ROWS) / sizeof(ROWS[0]), set_own};

static struct made_options options;
static char error[OPTION_ROW_ERROR_BYTES];

// Reads the words as a command line; how many options were set.
static int take(int argc, char *const *argv) {
    int count = 0;
    options = (struct made_options){.share = -1};
    error[0] = 0;
    option_row_init(&TABLE, &options);
    for (int at = 1; at < argc; at++, count++)
        if (option_row_take(&TABLE, &options, argc, argv, &at, error) == NULL)
            return -1;
    return count;
}

#define TAKE(...)                                                                                  \
    take((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)) + 1, (char *[]){"x", __VA_ARGS__})

static void refuses(char *word, const char *sentence) {
    ck_assert_int_eq(TAKE(word), -1);
    ck_assert_msg(strstr(error, sentence) != NULL, "%s: told '%s'", word, error);
}

START_TEST(option_row_takes_each_type_in_both_forms) {
    ck_assert_int_eq(TAKE("--loud", "--count", "10", "--share=0.25", "--name", "--loud"), 4);
    ck_assert(options.is_loud);
    ck_assert_uint_eq(options.count, 10);
    ck_assert_double_eq(options.share, 0.25);
    ck_assert_str_eq(options.name, "--loud");
    ck_assert_int_eq(TAKE("--own"), 1);
    ck_assert_uint_eq(options.own, 7);
    ck_assert_ptr_null(options.own_text);
    ck_assert_int_eq(TAKE("--own-text-with-a-long-name=", "--count=1"), 2);
    ck_assert_uint_eq(options.own, 8);
    ck_assert_str_eq(options.own_text, "");
}
END_TEST

START_TEST(option_row_begins_with_the_initial_values) {
    char *const nothing[] = {"x"};
    ck_assert_int_eq(take(1, nothing), 0);
    ck_assert_uint_eq(options.count, 3);
    ck_assert_str_eq(options.name, "");
    ck_assert_double_eq(options.share, -1); // none given: as it was
    ck_assert(!options.is_loud);
}
END_TEST

START_TEST(option_row_refuses_with_cause_and_cure) {
    refuses("--loud=yes", "--loud takes no value");
    refuses("--count", "--count wants a value: --count N");
    refuses("--count=0", "--count 0 is out of range: 1 to 10");
    refuses("--count=11", "--count 11 is out of range: 1 to 10");
    refuses("--count=2.5", "--count wants a whole number, not '2.5'");
    refuses("--count=", "--count wants a whole number, not ''");
    refuses("--share=1.6", "--share 1.6 is out of range: 0 to 1.5");
    refuses("--share=x", "--share wants a number, not 'x'");
    refuses("--share=nan", "--share wants a number, not 'nan'");
    refuses("--conut=3", "no option --conut; did you mean --count?");
    refuses("--hepl", "no option --hepl; did you mean --help?");
    refuses("--own-text-with-a-long-name=!", "no !");
    char long_name[300];
    memset(long_name, 'a', sizeof(long_name) - 1);
    memcpy(long_name, "--", 2);
    long_name[sizeof(long_name) - 1] = 0;
    refuses(long_name, "did you mean --"); // cut, not overrun
}
END_TEST

START_TEST(option_row_prints_every_row_with_its_default) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    option_row_print(&TABLE, out, 16, 60);
    fclose(out);
    ck_assert_str_eq(text, "\nFirst\n"
                           "  --loud           be loud\n"
                           "  --count N        how many (default 3)\n"
                           "  --share P        how much\n"
                           "\nSecond\n"
                           "  --name TEXT      who\n"
                           "  --own            of our own\n"
                           "  --own-text-with-a-long-name X \n"
                           "                   the same\n");
    free(text);
}
END_TEST

UNIT_MAIN("loadgen/option_row", option_row_takes_each_type_in_both_forms,
          option_row_begins_with_the_initial_values, option_row_refuses_with_cause_and_cure,
          option_row_prints_every_row_with_its_default)
