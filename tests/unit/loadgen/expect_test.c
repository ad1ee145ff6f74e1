// Goal: every expectation is read as meant or refused with its column, and judged by the right
// number. Method: each mistake once, each metric with a value of its own in a made-up result.
#include "loadgen/expect.h"

#include <string.h>

#include "loadgen/result.h"
#include "tests/unit/unit.h"

static struct result r;
static struct expect e;
static char error[EXPECT_ERROR_BYTES];
static char value[EXPECT_VALUE_BYTES];

static void refuses(const char *text, const char *why) {
    e.count = 0;
    ck_assert_msg(!expect_parse(&e, text, error), "'%s' was taken", text);
    ck_assert_msg(strstr(error, why) != NULL, "'%s': %s", text, error);
}

static enum expect_outcome judged(const char *text) {
    struct expect_seen seen = {
        .result = &r, .sent_per_s = 1000.5, .received_per_s = 52000, .cpu = 0.25};
    e.count = 0;
    ck_assert_msg(expect_parse(&e, text, error), "'%s': %s", text, error);
    ck_assert_uint_eq(e.count, 1);
    return expect_judge(&e.terms[0], &seen, value);
}

static void holds(const char *text) {
    ck_assert_msg(judged(text) == EXPECT_HOLDS, "%s: %s", text, value);
}

static void fails(const char *text, const char *seen) {
    ck_assert_msg(judged(text) == EXPECT_FAILS, "%s: %s", text, value);
    ck_assert_str_eq(value, seen);
}

// Latencies of 1 to 1,000 ms, every count another number.
static void fill(void) {
    result_init(&r);
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_record(&r.latency, i * 1000000);
    histogram_record(&r.last, 7000000);
    r.verify = (struct verify_totals){.received = 9985,
                                      .lost = 2,
                                      .missing = 3,
                                      .announced = 10,
                                      .duplicates = 5,
                                      .disordered = 6};
    r.unanswered = 7;
    r.rejected = 8;
    r.failures[RESULT_HTTP] = 9;
    r.failures[RESULT_RESET] = 11;
    r.live_max = 12;
    r.reach_due = 10000;
    r.reach_received = 9985;
    r.offered = 1000;
    r.sent = 990;
}

START_TEST(expect_refuses_what_it_cannot_read_and_names_the_column) {
    refuses("", "column 1: want an expectation such as p99<50ms");
    refuses("  ", "column 3: want an expectation");
    refuses("loss=0,", "column 8: want an expectation");
    refuses("loss=0,,p99<1s", "column 8: want an expectation");
    refuses("lost=0", "column 1: nothing is called 'lost'; there are p99, mean, max, service.p99");
    refuses("loss=0, median<3ms", "column 9: nothing is called 'median'");
    refuses("=0", "column 1: nothing is called ''");
    refuses("p99", "column 4: want one of < <= > >= = !=");
    refuses("p99 ~ 3ms", "column 5: want one of");
    refuses("last.p99.99999<3ms", "column 6: 'p99.99999' is none of p0 to p100");
    refuses("last.<3ms", "column 6: '' is none of");
    refuses("lost.p99<3ms", "column 1: nothing is called 'lost.p99'");
    refuses("p100.0001<1ms", "column 1: nothing is called");
    refuses("p<1ms", "column 1: nothing is called 'p'");
    refuses("p9.<1ms", "column 1: nothing is called");
    refuses("loss=0 duplicates=0", "column 8: want a comma");
}
END_TEST

START_TEST(expect_refuses_values_without_the_unit_that_they_need) {
    refuses("p99<50", "column 5: want a time: 50ms, 200us, 2s, not '50'");
    refuses("p99<50%", "column 5: want a time");
    refuses("p99<ms", "column 5: want a time");
    refuses("p99<-1ms", "column 5: want a time");
    refuses("p99<1.2.3ms", "column 5: want a time");
    refuses("p99<0x10ms", "column 5: want a time");
    refuses("p99<infs", "column 5: want a time");
    refuses("p99<1e3ms", "column 5: want a time");
    refuses("loss=0%", "column 6: want a count: 0, 100, 10k, not '0%'");
    refuses("loss=", "column 6: want a count");
    refuses("rate>=5ms", "column 7: want a number a second");
    refuses("reach>=99.9ms", "column 8: want a share: 99.9%");
    refuses("loss<1234567890123456789012345678901234567890", "column 6: want a count");
}
END_TEST

START_TEST(expect_takes_as_many_as_there_is_space_for) {
    char text[EXPECT_TERMS_MAX * 7 + 16] = "loss=0";
    for (int i = 1; i < EXPECT_TERMS_MAX; i++)
        memcpy(text + i * 7 - 1, ",loss=0", 8);
    e.count = 0;
    ck_assert_msg(expect_parse(&e, text, error), "%s", error);
    ck_assert_uint_eq(e.count, EXPECT_TERMS_MAX);
    memcpy(text + EXPECT_TERMS_MAX * 7 - 1, ",loss=0", 8);
    refuses(text, "more than 32 expectations");
}
END_TEST

START_TEST(expect_judges_latencies_by_their_histogram) {
    fill();
    holds("p50<=500.5ms");
    fails("p50<500ms", "500.1708 ms");
    holds("p99>989ms");
    holds(" p99.9 < 1s ");
    holds("p100=1000ms");
    holds("max=1s");
    holds("min=1000us");
    holds("mean=500.5ms");
    fails("mean!=500.5ms", "500.5 ms");
    holds("latency.max==1s");
    holds("last.max=7ms");
    fails("last.p99.99<7ms", "7 ms");
    holds("last.max=7000000ns");
}
END_TEST

START_TEST(expect_holds_nothing_of_a_latency_that_nobody_measured) {
    fill();
    ck_assert_int_eq(judged("first.p99<1s"), EXPECT_UNMEASURED);
    ck_assert_str_eq(value, "not measured");
    r.verify = (struct verify_totals){0};
    r.reach_due = 0;
    ck_assert_int_eq(judged("reach>=0%"), EXPECT_UNMEASURED);
    r.offered = 0;
    ck_assert_int_eq(judged("achieved>=0%"), EXPECT_UNMEASURED);
}
END_TEST

START_TEST(expect_judges_each_metric_by_its_own_number) {
    fill();
    fails("loss=0", "5");
    fails("announced=0", "10");
    fails("duplicates!=5", "5");
    fails("disorder=0", "6");
    fails("unanswered=0", "7");
    fails("rejected=0", "8");
    fails("refused=0", "9");
    fails("dropped=0", "11");
    fails("connections>=1k", "12");
    fails("reach>=99.9%", "99.85 %");
    holds("reach>=99.85");
    fails("rate>=1.001k/s", "1000.5/s");
    holds("rate>=1000.5");
    holds("received=52k");
    fails("achieved>=99.1%", "99 %");
    fails("cpu<25%", "25 %");
    holds("cpu<=25%");
}
END_TEST

START_TEST(expect_lists_failed_facts_and_figures_apart) {
    fill();
    struct expect_seen seen = {.result = &r, .sent_per_s = 10};
    char text[200];
    e.count = 0;
    ck_assert(
        expect_parse(&e, "loss = 0, rate >= 1k, duplicates<=5,first.p50<1s, refused=0", error));
    ck_assert_uint_eq(expect_list_failed(&e, &seen, true, text, sizeof(text)), 2);
    ck_assert_str_eq(text, "expected loss=0, it was 5; expected refused=0, it was 9");
    ck_assert_uint_eq(expect_list_failed(&e, &seen, false, text, sizeof(text)), 2);
    ck_assert_str_eq(text,
                     "expected rate>=1k, it was 10/s; expected first.p50<1s, it was not measured");
    ck_assert_uint_eq(expect_list_failed(&e, &seen, true, text, 20), 2);
    ck_assert_str_eq(text, "expected loss=0, it"); // cut, not overrun
    ck_assert(expect_has(&e, EXPECT_loss) && !expect_has(&e, EXPECT_disorder));
}
END_TEST

UNIT_MAIN("loadgen/expect", expect_refuses_what_it_cannot_read_and_names_the_column,
          expect_refuses_values_without_the_unit_that_they_need,
          expect_takes_as_many_as_there_is_space_for, expect_judges_latencies_by_their_histogram,
          expect_holds_nothing_of_a_latency_that_nobody_measured,
          expect_judges_each_metric_by_its_own_number, expect_lists_failed_facts_and_figures_apart)
