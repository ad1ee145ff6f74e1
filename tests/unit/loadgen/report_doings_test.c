// Goal: the table tells what was done to the server, and when everybody was back. Method: results
// are made up, what is printed is read back.
#include "loadgen/report_doings.h"

#include <string.h>

#include "tests/unit/unit.h"

#define MS 1000000ull

static struct result r;

static void says(const char *sentence, bool is_said) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    report_doings_print(out, &r);
    fclose(out);
    ck_assert_msg((strstr(text, sentence) != NULL) == is_said, "'%s' in '%s'", sentence, text);
    free(text);
}

START_TEST(report_doings_of_a_plain_run_are_none) {
    result_init(&r);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    report_doings_print(out, &r);
    fclose(out);
    ck_assert_uint_eq(size, 0);
    free(text);
}
END_TEST

START_TEST(report_doings_tell_when_they_were_back) {
    result_init(&r);
    r.storm_cut = r.storm_back = 100;
    r.storm_attempts = 130;
    r.storm_refused_http = 30;
    for (uint64_t i = 1; i <= 100; i++)
        histogram_record(&r.recovery, i * MS);
    ck_assert_uint_eq(report_doings_back_ns(&r, 100), 100 * MS);
    ck_assert_uint_le(report_doings_back_ns(&r, 50) - 50 * MS, MS / 10);
    ck_assert_uint_le(report_doings_back_ns(&r, 99) - 99 * MS, MS / 10);
    says("100 cut, 100 back, half after 0.050 s, 99 % after 0.099 s, all after 0.100 s", true);
    says("130 attempts, 30 refused the upgrade\n", true);
    says("timed out", false);
}
END_TEST

START_TEST(report_doings_tell_a_share_of_those_that_were_cut) {
    result_init(&r);
    r.storm_cut = 100;
    r.storm_back = 60;
    for (uint64_t i = 1; i <= 60; i++)
        histogram_record(&r.recovery, i * MS);
    ck_assert_uint_le(report_doings_back_ns(&r, 50) - 50 * MS, MS / 10); // 50 of 100, not of 60
    ck_assert_uint_eq(report_doings_back_ns(&r, 60), 60 * MS);
    ck_assert_uint_eq(report_doings_back_ns(&r, 61), UINT64_MAX);
    says("60 back, half after 0.050 s, 99 % never, all never", true);
}
END_TEST

START_TEST(report_doings_tell_churn_and_absent) {
    result_init(&r);
    r.churn_leaves = 5;
    r.churn_joins = 4;
    r.absent = 3;
    r.dropped_back = 2;
    says("5 left, 4 joined again", true);
    says("3 not sent", true);
    says("2 that the server had dropped", true);
    says("storm", false);
}
END_TEST

UNIT_MAIN("loadgen/report_doings", report_doings_of_a_plain_run_are_none,
          report_doings_tell_when_they_were_back, report_doings_tell_a_share_of_those_that_were_cut,
          report_doings_tell_churn_and_absent)
