// Goal: the page says what the run said, in every state of a run, and holds no text of others as
// markup. Method: a made-up run, one state after the other, read as text.
#include "loadgen/report.h"

#include "tests/unit/loadgen/report_fixture.h"

static struct report_fixture f;

static char *page(void) {
    ck_assert_int_eq(report_write_html(f.file, &f.report), 0);
    return fixture_read(&f);
}

static uint32_t count_of(const char *text, const char *wanted) {
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
        count++;
    return count;
}

#define HAS(text, wanted) ck_assert_msg(strstr(text, wanted) != NULL, "no %s", wanted)
#define HAS_NOT(text, wanted) ck_assert_msg(strstr(text, wanted) == NULL, "%s", wanted)

START_TEST(report_html_shows_verdict_plots_tables_and_environment) {
    fixture_init(&f);
    char *text = page();
    HAS(text, "class=\"verdict good\"");
    HAS(text, "ok: 100 publishes/s became 5000 deliveries/s");
    HAS(text, "99 of 100 within 9.90 ms; the slowest took 10.0 ms");
    ck_assert_uint_eq(count_of(text, "<figcaption"),
                      6); // rates, latency, CPU, memory, connections, all
    HAS(text, "\"name\":\"server\"");
    HAS(text, "{\"name\":\"connect\",\"from\":0,\"to\":1,\"measured\":0}");
    HAS(text, "\"from\":2,\"to\":10,\"measured\":1}");
    HAS(text, "Asked for: 200 connections in rooms of 50, 200 messages a second in all, sent when");
    HAS(text, "last receiver");
    HAS_NOT(text, "first receiver"); // nothing was measured
    HAS(text, "share this machine");
    HAS(text, "unknown: &lt;nobody&gt; asked");
    HAS(text, "&lt;socket&gt;?a&amp;b");
    HAS(text, "fairlead load --event 'a&lt;b'");
    HAS_NOT(text, "<hour>");
    HAS_NOT(text, "<socket>");
    free(text);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_html_says_when_it_says_nothing_about_the_server) {
    fixture_init(&f);
    f.result.window.cpu_ns = 8 * NS_PER_S;
    verdict_decide(&f.verdict, &f.options, &f.result);
    char *text = page();
    HAS(text, "class=\"verdict warning\"");
    HAS(text, "says nothing about the server");
    HAS(text, "THE CLIENT WAS THE LIMIT");
    free(text);
    f.result.window.cpu_ns = NS_PER_S;
    f.result.wait_ns = 800 * NS_PER_MS;
    verdict_decide(&f.verdict, &f.options, &f.result);
    text = page();
    HAS(text, "class=\"verdict warning\"");
    HAS(text, "own thread waited 10 % for a CPU");
    free(text);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_html_shows_failures_and_expectations_that_do_not_hold) {
    char error[EXPECT_ERROR_BYTES];
    fixture_init(&f);
    ck_assert(expect_parse(&f.options.expect, "p99<1ms, loss=0", error));
    result_count_failure(&f.result, RESULT_HTTP, "HTTP 503: <b>full</b>");
    f.result.intervals[9].failures = 1;
    verdict_decide(&f.verdict, &f.options, &f.result);
    char *text = page();
    HAS(text, "class=\"verdict bad\"");
    HAS(text, "p99&lt;1ms");
    ck_assert_uint_eq(count_of(text, ">does not hold<"), 1);
    ck_assert_uint_eq(count_of(text, ">holds<"), 1);
    HAS(text, "http_status");
    HAS_NOT(text, "What the tool did to the server");
    HAS(text, "failed or dropped so far");
    HAS(text, "HTTP 503: &lt;b&gt;full");
    free(text);
    f.result.slow_announced = 12;
    text = page();
    HAS(text, "What the tool did to the server");
    HAS(text, ">slow announced<");
    HAS_NOT(text, "half back");
    free(text);
    f.result.storm_cut = 2;
    histogram_record(&f.result.recovery, 1500 * NS_PER_MS);
    text = page();
    HAS(text, ">1.500 s<");
    HAS(text, ">never<");
    free(text);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_html_groups_large_numbers_but_not_ports_and_fractions) {
    fixture_init(&f);
    snprintf(f.verdict.sentence, sizeof(f.verdict.sentence),
             "ok: 2000000 of 1234 at 10.0.0.1:20300, 12345, 0.123456 ms");
    char *text = page();
    HAS(text, "ok: 2,000,000 of 1234 at 10.0.0.1:20300, 12,345, 0.123456 ms<");
    memset(f.verdict.sentence, '7', sizeof(f.verdict.sentence) - 1);
    f.verdict.sentence[sizeof(f.verdict.sentence) - 1] = 0;
    free(text);
    text = page();
    HAS(text, "7,777,777");
    free(text);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_html_of_a_run_that_never_began_is_whole) {
    fixture_init(&f);
    result_fini(&f.result);
    result_init(&f.result);
    result_count_failure(&f.result, RESULT_UNREACHABLE, "127.0.0.1:1: Connection refused");
    f.result.wanted = 200;
    verdict_decide(&f.verdict, &f.options, &f.result);
    char *text = page();
    HAS(text, "no connection came about: 127.0.0.1:1: Connection refused");
    HAS(text, "not reached");
    ck_assert_uint_eq(count_of(text, "<figcaption"), 0);
    HAS(text, "</html>");
    free(text);
    fixture_fini(&f);
}
END_TEST

UNIT_MAIN("loadgen/report_html", report_html_shows_verdict_plots_tables_and_environment,
          report_html_says_when_it_says_nothing_about_the_server,
          report_html_shows_failures_and_expectations_that_do_not_hold,
          report_html_groups_large_numbers_but_not_ports_and_fractions,
          report_html_of_a_run_that_never_began_is_whole)
