// Goal: what `fairlead load record` is asked is understood as meant or refused by name. Method: its
// command lines. What it does with a gateway is in tests/e2e.
#include "loadgen/record.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct record_options o;
static char error[LOAD_OPTIONS_ERROR_BYTES];

static bool parse(const char *a, const char *b, const char *c) {
    const char *words[] = {"record", a, b, c};
    int count = 1;
    while (count < 4 && words[count])
        count++;
    return record_options_parse(&o, count, (char *const *)(uintptr_t)words, error);
}

START_TEST(without_options_it_is_a_minute_of_the_gateway_here) {
    ck_assert(parse(NULL, NULL, NULL));
    ck_assert_str_eq(o.url, "http://127.0.0.1:8081");
    ck_assert_str_eq(o.file, "shape.json");
    ck_assert(o.duration_s == 60 && !o.replaces && !o.is_quiet && !o.wants_help);
}
END_TEST

START_TEST(options_are_taken_in_both_forms) {
    ck_assert(parse("http://localhost:1", "--duration-s", "3600"));
    ck_assert_str_eq(o.url, "http://localhost:1");
    ck_assert(o.duration_s == 3600);
    ck_assert(parse("--duration-s=1", "--out=a=b", "--replace"));
    ck_assert_str_eq(o.file, "a=b");
    ck_assert(o.duration_s == 1 && o.replaces);
    ck_assert(parse("--quiet", "--help", NULL) && o.is_quiet && o.wants_help);
}
END_TEST

START_TEST(slips_are_refused_by_name) {
    static const char *const slips[][3] = {
        {"--duration-s=0", NULL, "from 1 to 3600, not '0'"},
        {"--duration-s=3601", NULL, "from 1 to 3600"},
        {"--duration-s=1.5", NULL, "a whole number"},
        {"--duration-s=5s", NULL, "not '5s'"},
        {"--duration-s=nan", NULL, "not 'nan'"},
        {"--duration-s", NULL, "--duration-s wants a value"},
        {"--out=", NULL, "wants a value"},
        {"--duration", "5", "did you mean --duration-s?"},
        {"--quite", NULL, "did you mean --quiet?"},
        {"http://a", "http://b", "one too many"},
    };
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        ck_assert_msg(!parse(slips[i][0], slips[i][1], NULL), "%s", slips[i][0]);
        ck_assert_msg(strstr(error, slips[i][2]) != NULL, "%s", error);
    }
}
END_TEST

UNIT_MAIN("loadgen/record", without_options_it_is_a_minute_of_the_gateway_here,
          options_are_taken_in_both_forms, slips_are_refused_by_name)
