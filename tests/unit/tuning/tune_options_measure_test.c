// Goal: the options of --measure, --knee and --try become numbers, or a sentence that helps.
// Method: command lines.
#include "tests/unit/unit.h"
#include "tuning/tune_options.h"

#include <string.h>

static struct tune_options o;
static char error[TUNE_OPTIONS_ERROR_BYTES];

#define PARSE(...)                                                                                 \
    parse((char *[]){(char *)(uintptr_t) "tune", __VA_ARGS__},                                     \
          (int)(sizeof((const char *[]){"tune", __VA_ARGS__}) / sizeof(char *)))

static enum tune_options_outcome parse(char *const *argv, int argc) {
    return tune_options_parse(&o, argc, argv, error);
}

static void bad(enum tune_options_outcome outcome, const char *text) {
    ck_assert_int_eq(outcome, TUNE_OPTIONS_BAD);
    ck_assert_msg(strstr(error, text) != NULL, "%s", error);
}

START_TEST(bounds_of_latency_are_written_with_a_unit_or_in_ms) {
    const struct {
        const char *text;
        double ms;
    } good[] = {{"50ms", 50}, {"50", 50}, {"0.2s", 200}, {"250us", 0.25}, {"3600s", 3.6e6}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(PARSE("--knee", "--slo", (char *)(uintptr_t)good[i].text),
                         TUNE_OPTIONS_RUN);
        ck_assert_msg(o.slo_ms > good[i].ms * 0.999 && o.slo_ms < good[i].ms * 1.001, "%s",
                      good[i].text);
    }
    const char *const worse[] = {"", "fast", "50 ms", "50min", "0", "-1ms", "nan", "3601s", "ms"};
    for (size_t i = 0; i < sizeof(worse) / sizeof(worse[0]); i++)
        bad(PARSE("--knee", "--slo", (char *)(uintptr_t)worse[i]), "--slo wants a time");
}
END_TEST

START_TEST(each_mode_has_a_window_of_its_own) {
    ck_assert_int_eq(PARSE("--knee"), TUNE_OPTIONS_RUN);
    ck_assert(o.step_s == 5 && o.slo_ms == 50 && o.rooms_of == 50 && o.connections == 5000);
    ck_assert_int_eq(PARSE("--measure"), TUNE_OPTIONS_RUN);
    ck_assert(o.step_s == 2.5 && o.heartbeat_s == 30 && o.messages_per_minute == 1);
    ck_assert_int_eq(PARSE("--try", "min-wait=0"), TUNE_OPTIONS_RUN);
    ck_assert(o.step_s == 4);
    ck_assert_int_eq(PARSE("--try", "min-wait=0", "--step-s", "0.5"), TUNE_OPTIONS_RUN);
    ck_assert(o.step_s == 0.5);
}
END_TEST

START_TEST(what_belongs_elsewhere_is_refused) {
    bad(PARSE("--measure", "--target", "ws://x/"), "--target belongs to --knee");
    bad(PARSE("--knee", "--control", "x:1"), "--control belongs to --target");
    bad(PARSE("--knee", "--target", "ws://x/", "--serve", "--echo"), "for a server of our own");
    bad(PARSE("--knee", "--target", "ws://x/", "--all-cpus"), "for a server of our own");
    bad(PARSE("--knee", "--from", "x.json"), "--from belongs to --measure");
    bad(PARSE("--knee", "--scenario", "storm"), "rooms or echo, not 'storm'");
    bad(PARSE("--knee", "--rate-start", "11", "--rate-max", "10"), "above --rate-max");
}
END_TEST

START_TEST(numbers_hold_their_bounds) {
    ck_assert_int_eq(PARSE("--try", "x=1", "--pairs", "2"), TUNE_OPTIONS_RUN);
    ck_assert_int_eq(PARSE("--try", "x=1", "--pairs", "25"), TUNE_OPTIONS_RUN);
    bad(PARSE("--try", "x=1", "--pairs", "26"), "out of range");
    bad(PARSE("--try", "x=1", "--pairs", "1"), "out of range");
    bad(PARSE("--measure", "--hold", "399"), "out of range");
    ck_assert_int_eq(PARSE("--measure", "--hold", "400"), TUNE_OPTIONS_RUN);
    bad(PARSE("--knee", "--port", "1023"), "out of range");
    bad(PARSE("--knee", "--port", "32001"), "out of range");
}
END_TEST

UNIT_MAIN("tuning/tune_options_measure", bounds_of_latency_are_written_with_a_unit_or_in_ms,
          each_mode_has_a_window_of_its_own, what_belongs_elsewhere_is_refused,
          numbers_hold_their_bounds)
