// Goal: a result of fairlead load is read rightly, and what is none is refused. Method: JSON as
// loadgen/report_json.c writes it; every prefix of it.
#include "tuning/measure_load.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static const char RESULT[] =
    "{\"verdict\":\"ok: 10 replies/s\",\"exit_code\":0,"
    "\"window\":{\"begin_monotonic_ns\":9007199254740993,\"end_monotonic_ns\":9007199254750993},"
    "\"connections\":{\"wanted\":20,\"joined\":19,\"live_at_end\":18,\"refused\":1,\"dropped\":2,"
    "\"connect_seconds\":0.5},"
    "\"messages\":{\"offered\":1000,\"sent\":999,\"answered\":998,\"received\":9970,"
    "\"heartbeats_answered\":7,\"rejected\":3,\"unanswered\":4},"
    "\"latency_ns\":{\"delivery\":{\"p50\":1000,\"p99\":5000},\"connect\":{\"p99\":77}},"
    "\"checks\":{\"lost\":1,\"missing\":2,\"duplicates\":3,\"disordered\":4,\"order_checked\":true,"
    "\"announced_lost\":5},"
    "\"client\":{\"cpu\":0.25,\"was_limit\":false,\"limit_cause\":\"\"},"
    "\"intervals\":[{\"phase\":\"warmup\",\"received\":5,\"p50\":9},"
    "{\"phase\":\"measure\",\"received\":5,\"p50\":11},"
    "{\"phase\":\"measure\",\"received\":0,\"p50\":0},"
    "{\"phase\":\"measure\",\"received\":5,\"p50\":12}]}";

static char error[MEASURE_LOAD_TEXT_BYTES];
static struct measure_load load;
static struct knee_facts facts;

START_TEST(every_figure_is_read) {
    ck_assert_msg(measure_load_decode(RESULT, &load, error), "%s", error);
    ck_assert_int_eq(load.exit_code, 0);
    ck_assert_str_eq(load.verdict, "ok: 10 replies/s");
    ck_assert_uint_eq(load.begin_ns, 9007199254740993ull); // beyond a double's whole numbers
    ck_assert_uint_eq(load.end_ns - load.begin_ns, 10000);
    ck_assert(load.wanted == 20 && load.joined == 19 && load.live_at_end == 18);
    ck_assert(load.connect_seconds == 0.5 && load.heartbeats == 7);
    ck_assert(load.offered == 1000 && load.sent == 999 && load.received == 9970);
    ck_assert(load.p50_ns == 1000 && load.p99_ns == 5000 && load.connect_p99_ns == 77);
    ck_assert(load.client_cpu == 0.25 && !load.client_was_limit);
    ck_assert_uint_eq(load.interval_count, 2);
    ck_assert(load.interval_p50_ns[0] == 11 && load.interval_p50_ns[1] == 12);
}
END_TEST

START_TEST(facts_for_the_knee_are_those_of_the_result) {
    ck_assert(measure_load_decode(RESULT, &load, error));
    measure_load_facts(&load, &facts);
    ck_assert_uint_eq(facts.lost, 3);
    ck_assert_uint_eq(facts.duplicates, 3);
    ck_assert_uint_eq(facts.disordered, 4);
    ck_assert_uint_eq(facts.announced_lost, 5);
    ck_assert_uint_eq(facts.unanswered, 4);
    ck_assert_uint_eq(facts.rejected, 3);
    ck_assert_uint_eq(facts.dropped_connections, 2);
    ck_assert_uint_eq(facts.refused_connections, 1);
    ck_assert(facts.p99_ns == 5000 && facts.offered == 1000 && facts.sent == 999);
    ck_assert(!facts.client_was_limit && !facts.is_unreachable);
    ck_assert_uint_eq(facts.interval_count, 2);
    load.exit_code = 4;
    measure_load_facts(&load, &facts);
    ck_assert(!facts.is_unreachable); // some did connect
    load.joined = 0;
    measure_load_facts(&load, &facts);
    ck_assert(facts.is_unreachable);
}
END_TEST

START_TEST(echo_has_replies_and_exit_3_is_the_client) {
    const char *text = "{\"exit_code\":3,\"window\":{},\"latency_ns\":{\"reply\":{\"p99\":9}}}";
    ck_assert(measure_load_decode(text, &load, error));
    ck_assert(load.p99_ns == 9 && load.client_was_limit && load.joined == 0);
}
END_TEST

START_TEST(disorder_that_was_not_checked_is_none) {
    const char *text = "{\"exit_code\":0,\"window\":{},\"checks\":{\"disordered\":9,"
                       "\"order_checked\":false}}";
    ck_assert(measure_load_decode(text, &load, error));
    ck_assert(load.disordered == 0);
}
END_TEST

START_TEST(no_result_is_refused_and_so_is_every_prefix_of_one) {
    char text[sizeof(RESULT)];
    const char *const bad[] = {"",
                               "[]",
                               "{}",
                               "7",
                               "{\"exit_code\":\"0\",\"window\":{}}",
                               "{\"exit_code\":0}",
                               "fairlead load: no memory"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!measure_load_decode(bad[i], &load, error), "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(error, "fairlead load"));
    }
    for (size_t size = 0; size < sizeof(RESULT) - 1; size++) {
        memcpy(text, RESULT, size);
        text[size] = '\0';
        ck_assert(!measure_load_decode(text, &load, error));
    }
}
END_TEST

START_TEST(more_intervals_than_are_kept_are_cut) {
    static char text[200000];
    size_t size =
        (size_t)snprintf(text, sizeof(text), "{\"exit_code\":0,\"window\":{},\"intervals\":[");
    for (int i = 0; i < KNEE_INTERVALS_MAX + 3; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size,
                                 "%s{\"phase\":\"measure\",\"received\":1,\"p50\":%d}",
                                 i ? "," : "", i);
    snprintf(text + size, sizeof(text) - size, "]}");
    ck_assert(measure_load_decode(text, &load, error));
    ck_assert_uint_eq(load.interval_count, KNEE_INTERVALS_MAX);
}
END_TEST

UNIT_MAIN("tuning/measure_load", every_figure_is_read, facts_for_the_knee_are_those_of_the_result,
          echo_has_replies_and_exit_3_is_the_client, disorder_that_was_not_checked_is_none,
          no_result_is_refused_and_so_is_every_prefix_of_one, more_intervals_than_are_kept_are_cut)
