// Goal: one exit code and one sentence, the right ones, in the right precedence. Method: results
// are made up, one fault at a time and two together.
#include "loadgen/verdict.h"

#include <string.h>

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

static struct result r;
static struct load_options o;
static struct verdict v;

// Ten seconds at 100/s, all sent and received, half a core used.
static void good_run(enum load_scenario scenario) {
    static char *const argv[] = {"fairlead-load"};
    char error[LOAD_OPTIONS_ERROR_BYTES];
    ck_assert_int_eq(load_options_parse(&o, 1, argv, error), LOAD_OPTIONS_RUN);
    o.scenario = scenario;
    result_init(&r);
    r.wanted = r.live = r.live_max = 200;
    r.window.begin_ns = r.window.intended_from_ns = 5 * NS_PER_S;
    r.window.end_ns = r.window.intended_to_ns = 15 * NS_PER_S;
    r.window.cpu_ns = 5 * NS_PER_S;
    r.offered = r.sent = 1000;
    r.received = 50000;
    r.is_order_checked = true;
    for (int i = 0; i < 1000; i++) {
        histogram_record(&r.latency, NS_PER_MS);
        histogram_record(&r.send_lag, 50000);
    }
}

static void is(enum verdict_code code, const char *sentence) {
    verdict_decide(&v, &o, &r);
    ck_assert_msg(v.code == code && strstr(v.sentence, sentence) != NULL, "exit %d: %s", v.code,
                  v.sentence);
}

static void expect(const char *text) {
    char error[EXPECT_ERROR_BYTES];
    o.expect.count = 0;
    ck_assert_msg(expect_parse(&o.expect, text, error), "%s", error);
}

START_TEST(verdict_of_a_good_run_is_ok) {
    good_run(LOAD_OPTIONS_ROOMS);
    is(VERDICT_OK, "ok: 100 publishes/s became 5000 deliveries/s, p99 1.00 ms, none lost");
    ck_assert(v.cpu == 0.5 && v.window_s == 10 && !v.client_was_limit);
    good_run(LOAD_OPTIONS_ECHO);
    is(VERDICT_OK, "replies/s");
    good_run(LOAD_OPTIONS_HOLD);
    is(VERDICT_OK, "200 connections held");
    histogram_record(&r.heartbeat, 3 * NS_PER_MS);
    is(VERDICT_OK, "200 connections held, heartbeat p99 3.00 ms");
}
END_TEST

START_TEST(verdict_names_each_fault_of_the_server) {
    good_run(LOAD_OPTIONS_ROOMS);
    r.verify.lost = 3;
    is(VERDICT_FAILED, "3 messages lost without a word");
    r.verify.duplicates = 2;
    r.verify.missing = 4;
    is(VERDICT_FAILED, "4 messages had not arrived when waiting ended, 2 came twice");
    good_run(LOAD_OPTIONS_ROOMS);
    r.verify.disordered = 1;
    is(VERDICT_FAILED, "1 came out of order");
    r.is_order_checked = false;
    is(VERDICT_OK, "ok");
    good_run(LOAD_OPTIONS_ECHO);
    r.unanswered = 1;
    is(VERDICT_FAILED, "1 requests were not answered");
    good_run(LOAD_OPTIONS_HOLD);
    r.heartbeats_unanswered = 2;
    is(VERDICT_FAILED, "2 heartbeats were not answered");
    good_run(LOAD_OPTIONS_ROOMS);
    r.rejected = 4;
    is(VERDICT_FAILED, "4 requests were rejected");
    good_run(LOAD_OPTIONS_HOLD);
    r.failures[RESULT_RESET] = 5;
    is(VERDICT_FAILED, "5 connections were dropped");
}
END_TEST

START_TEST(verdict_wants_everybody_back_who_was_cut) {
    good_run(LOAD_OPTIONS_STORM);
    r.storm_cut = r.storm_back = 50;
    r.storm_refused_http = 500; // a server may refuse in a storm
    histogram_record(&r.recovery, 1234 * NS_PER_MS);
    is(VERDICT_OK, "none lost; all 50 that were cut were back within 1.23 s");
    r.storm_back = 47;
    is(VERDICT_FAILED, "3 of the clients that were cut had not come back when the run ended");
    r.was_interrupted = true; // they were not given the time
    is(VERDICT_OK, "ok");
}
END_TEST

START_TEST(verdict_takes_announced_loss_as_failure_only_when_asked) {
    good_run(LOAD_OPTIONS_ROOMS);
    r.verify.announced = 7;
    is(VERDICT_OK, "none lost unannounced");
    o.fails_on_gap = true;
    is(VERDICT_FAILED, "7 messages announced as lost");
}
END_TEST

START_TEST(verdict_says_when_the_client_s_cpu_was_the_limit) {
    good_run(LOAD_OPTIONS_ROOMS);
    r.window.cpu_ns = 9490 * NS_PER_MS;
    is(VERDICT_OK, "ok");
    r.window.cpu_ns = 9500 * NS_PER_MS;
    is(VERDICT_CLIENT_LIMIT, "THE CLIENT WAS THE LIMIT, not the server: its own CPU was 95 % busy");
    o.has_flood = true;
    is(VERDICT_OK, "ok");
}
END_TEST

START_TEST(verdict_says_when_other_load_had_the_client_s_cpu) {
    good_run(LOAD_OPTIONS_ROOMS); // half a core used
    r.wait_ns = 490 * NS_PER_MS;
    is(VERDICT_OK, "none lost");
    ck_assert_ptr_null(strstr(v.sentence, "disturbed"));
    r.wait_ns = 500 * NS_PER_MS;
    is(VERDICT_OK, "none lost (disturbed: own thread waited 5 % for a CPU");
    r.wait_ns = 4490 * NS_PER_MS;
    is(VERDICT_OK, "own thread waited 45 % for a CPU");
    r.wait_ns = 4500 * NS_PER_MS; // it wanted one all the time
    is(VERDICT_CLIENT_LIMIT, "it used a CPU for 50 % of the time and waited for one for 45 %");
    o.has_flood = true;
    is(VERDICT_OK, "own thread waited 45 % for a CPU");
    good_run(LOAD_OPTIONS_ROOMS);
    r.wait_ns = 2 * NS_PER_S;
    r.sent = 900;
    is(VERDICT_CLIENT_LIMIT, "90.0 % of the offered rate; own thread waited 20 % for a CPU");
    r.verify.lost = 1;
    is(VERDICT_FAILED, "1 messages lost");
}
END_TEST

START_TEST(verdict_says_when_the_client_was_late) {
    good_run(LOAD_OPTIONS_ECHO);
    for (int i = 0; i < 9; i++)
        histogram_record(&r.send_lag, 11 * NS_PER_MS);
    is(VERDICT_OK, "ok");
    for (int i = 0; i < 9; i++)
        histogram_record(&r.send_lag, 11 * NS_PER_MS);
    is(VERDICT_CLIENT_LIMIT, "it sent late");
    o.is_closed = true;
    is(VERDICT_OK, "ok");
}
END_TEST

START_TEST(verdict_says_when_the_client_did_not_reach_its_rate) {
    good_run(LOAD_OPTIONS_ROOMS);
    r.sent = 990;
    is(VERDICT_OK, "ok");
    r.sent = 989;
    is(VERDICT_CLIENT_LIMIT, "it achieved 98.9 %");
    r.unsendable = 5000; // before the window: no excuse within it
    is(VERDICT_CLIENT_LIMIT, "it achieved 98.9 %");
    r.unsendable_window = 11; // the server did not read: not the client's doing
    is(VERDICT_OK, "ok");
}
END_TEST

START_TEST(verdict_puts_loss_before_the_client_s_limit_and_that_before_expectations) {
    good_run(LOAD_OPTIONS_ROOMS);
    r.window.cpu_ns = 10 * NS_PER_S;
    expect("p99<=0.5ms");
    is(VERDICT_CLIENT_LIMIT, "THE CLIENT");
    r.verify.lost = 1;
    is(VERDICT_FAILED, "and the client was the limit: its own CPU");
    good_run(LOAD_OPTIONS_ROOMS);
    expect("p99<=0.5ms, mean<2ms");
    is(VERDICT_FAILED, "FAILED: expected p99<=0.5ms, it was 1 ms");
    expect("p99<=1.1ms");
    is(VERDICT_OK, "ok");
}
END_TEST

START_TEST(verdict_takes_an_expectation_of_a_fact_in_place_of_none_at_all) {
    good_run(LOAD_OPTIONS_ROOMS);
    r.verify.lost = 2;
    r.verify.missing = 1;
    expect("loss<=3");
    // Allowed, and told.
    is(VERDICT_OK, "p99 1.00 ms (allowed: 2 messages lost without a word, 1 messages had not arr");
    expect("loss<=2, duplicates=0");
    is(VERDICT_FAILED, "FAILED: expected loss<=2, it was 3");
    r.rejected = 4; // beside what was expected of loss
    is(VERDICT_FAILED, "FAILED: 4 requests were rejected, expected loss<=2, it was 3");
    r.window.cpu_ns = 10 * NS_PER_S; // a fact whatever the client did
    is(VERDICT_FAILED, "it was 3 (and the client was the limit: its own CPU");
    good_run(LOAD_OPTIONS_ROOMS);
    result_count_failure(&r, RESULT_HTTP, "HTTP 503");
    expect("refused<=1");
    is(VERDICT_OK, "none lost (allowed: 1 connections did not come about)");
    expect("refused<1");
    is(VERDICT_FAILED, "expected refused<1, it was 1");
}
END_TEST

START_TEST(verdict_of_no_connection_is_that_of_the_target) {
    good_run(LOAD_OPTIONS_ROOMS);
    r.live = r.live_max = 0;
    result_count_failure(&r, RESULT_HTTP, "HTTP 503: %s", "full");
    result_count_failure(&r, RESULT_UNREACHABLE, "later");
    is(VERDICT_TARGET, "no connection came about: HTTP 503: full");
    good_run(LOAD_OPTIONS_ROOMS);
    result_count_failure(&r, RESULT_HTTP, "HTTP 503");
    is(VERDICT_TARGET, "1 of 200 connections did not come about: HTTP 503");
    good_run(LOAD_OPTIONS_ROOMS);
    result_count_failure(&r, RESULT_LOCAL, "no local ports left");
    is(VERDICT_CLIENT_LIMIT, "no local ports left");
}
END_TEST

UNIT_MAIN("loadgen/verdict", verdict_of_a_good_run_is_ok, verdict_names_each_fault_of_the_server,
          verdict_wants_everybody_back_who_was_cut,
          verdict_takes_announced_loss_as_failure_only_when_asked,
          verdict_says_when_the_client_s_cpu_was_the_limit,
          verdict_says_when_other_load_had_the_client_s_cpu, verdict_says_when_the_client_was_late,
          verdict_says_when_the_client_did_not_reach_its_rate,
          verdict_puts_loss_before_the_client_s_limit_and_that_before_expectations,
          verdict_takes_an_expectation_of_a_fact_in_place_of_none_at_all,
          verdict_of_no_connection_is_that_of_the_target)
