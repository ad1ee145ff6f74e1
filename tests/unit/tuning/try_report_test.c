// Goal: what the pairs show becomes one verdict and a sentence that says what to do. Method: series
// by hand.
#include "tuning/try_report.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct try_report report;
static char sentence[TRY_REPORT_SENTENCE_BYTES];

static void fill(enum try_measure measure, double without, double with) {
    for (int i = 0; i < 3; i++) {
        try_pairs_add(&report.series[measure], false, without + i);
        try_pairs_add(&report.series[measure], true, with + i);
    }
}

static void begin(const char *knob) {
    char error[TRY_KNOB_ERROR_BYTES];
    memset(&report, 0, sizeof(report));
    try_report_init(&report);
    ck_assert(try_knob_parse(knob, &report.knob, error));
}

static const char *say(void) {
    try_report_sentence(&report, sentence);
    return sentence;
}

START_TEST(better_says_how_to_keep_it) {
    begin("min-wait=0");
    fill(TRY_CPU, 100, 50);
    fill(TRY_P99, 100, 101);
    ck_assert_int_eq(try_report_verdict(&report), TRY_BETTER);
    ck_assert_str_eq(say(), "min-wait-us=0: better (CPU per delivery). To keep it: fairlead serve "
                            "--min-wait-us 0");
    begin("net.ipv4.tcp_rmem=4096 8192 16384");
    fill(TRY_CPU, 100, 50);
    ck_assert_ptr_nonnull(strstr(say(), "put back; to keep it: sysctl -w "
                                        "net.ipv4.tcp_rmem='4096 8192 16384'"));
}
END_TEST

START_TEST(worse_mixed_and_nothing_are_told_apart) {
    begin("min-wait=0");
    fill(TRY_MEMORY, 100, 150);
    ck_assert_str_eq(say(), "min-wait-us=0: worse (resident memory of the server)");
    fill(TRY_CPU, 100, 50);
    ck_assert_int_eq(try_report_verdict(&report), TRY_MIXED);
    ck_assert_ptr_nonnull(strstr(say(), "better: CPU per delivery; worse: resident memory"));
    begin("min-wait=0");
    fill(TRY_CPU, 100, 101);
    ck_assert_ptr_nonnull(strstr(say(), "not shown: every range overlaps"));
}
END_TEST

START_TEST(latencies_do_not_count_when_the_client_was_the_limit) {
    begin("min-wait=0");
    fill(TRY_P99, 100, 50);
    ck_assert_int_eq(try_report_verdict(&report), TRY_BETTER);
    report.client_limits = 1;
    ck_assert_int_eq(try_report_verdict(&report), TRY_NOT_SHOWN);
}
END_TEST

START_TEST(system_calls_are_told_but_not_judged) {
    begin("min-wait=0");
    fill(TRY_SYSCALLS, 100, 50);
    ck_assert_int_eq(try_report_verdict(&report), TRY_NOT_SHOWN);
}
END_TEST

START_TEST(a_trial_that_ended_early_shows_nothing) {
    begin("min-wait=0");
    fill(TRY_CPU, 100, 50);
    snprintf(report.error, sizeof(report.error), "the server died");
    ck_assert_str_eq(say(), "min-wait-us=0: ended early, nothing is shown: the server died");
    report.was_stopped = true;
    ck_assert_ptr_nonnull(strstr(say(), "stopped; so far min-wait-us=0: better"));
}
END_TEST

UNIT_MAIN("tuning/try_report", better_says_how_to_keep_it, worse_mixed_and_nothing_are_told_apart,
          latencies_do_not_count_when_the_client_was_the_limit,
          system_calls_are_told_but_not_judged, a_trial_that_ended_early_shows_nothing)
