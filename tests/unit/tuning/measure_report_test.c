// Goal: what was measured becomes the sentence that people read, for each kind of question. Method:
// a measurement with round numbers, the questions of the command line.
#include "tuning/measure_report.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct measure_result result;
static struct measure_answers answers;
static char sentence[MEASURE_REPORT_SENTENCE_BYTES];

static struct tune_options options_of(double users, double messages_per_minute) {
    return (struct tune_options){.users = users,
                                 .messages_per_minute = messages_per_minute,
                                 .rooms_of = 10,
                                 .heartbeat_s = 30,
                                 .slo_ms = 50,
                                 .json_file = "",
                                 .html_file = ""};
}

// 4,000 B and, with two CPUs, 10 µs for a message to ten.
static void fill(void) {
    result = (struct measure_result){.cpu_count = 2,
                                     .memory_available_bytes = 4e9 / MEASURE_REPORT_MEMORY_SHARE,
                                     .user_bytes = 200,
                                     .kernel_bytes = 3800,
                                     .connect_ns = 50e3,
                                     .heartbeat_ns = 10e3};
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++) {
        result.sides[side] = (struct measure_side){.is_measured = true, .fanout_count = 1};
        result.sides[side].fanouts[0] =
            (struct measure_fanout){.members = 10, .publish_ns = side == MEASURE_ALL ? 10e3 : 5e3};
    }
}

static const char *ask(const struct tune_options *o) {
    measure_report_answer(&result, o, &answers);
    measure_report_sentence(&result, &answers, o, sentence);
    return sentence;
}

// With the table out of the way of the test's own words.
static void print(const struct tune_options *o, bool is_good) {
    fflush(stdout);
    int own = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    bool is_written = measure_report_print(&result, &answers, o, 0);
    fflush(stdout);
    dup2(own, STDOUT_FILENO);
    close(own);
    close(null);
    ck_assert_int_eq(is_written, is_good);
}

START_TEST(the_first_line_tells_connections_deliveries_and_users) {
    fill();
    struct tune_options o = options_of(0, 1);
    ck_assert_str_eq(ask(&o), "this machine: 1 M idle connections (limit: memory), or 1.9 M "
                              "deliveries/s, or 1 M users at one message a minute in rooms of 10 "
                              "(limit: memory)");
    ck_assert_int_eq(answers.best, MEASURE_ALL);
    ck_assert(fabs(answers.all[MEASURE_ONE].deliveries_per_s - 1.9e6) < 1);
}
END_TEST

START_TEST(asked_for_users_get_yes_or_no) {
    fill();
    struct tune_options o = options_of(500e3, 1);
    ck_assert_str_eq(ask(&o), "yes: 500,000 users at one message a minute in rooms of 10 take 0.25 "
                              "of 2 CPUs and 1.86 GiB of memory");
    o.users = 2e6;
    ck_assert_ptr_nonnull(strstr(ask(&o), "NO: 2 M users"));
    ck_assert_ptr_nonnull(strstr(sentence, "what is not enough: memory"));
    ck_assert(!answers.all[answers.best].users_fit);
}
END_TEST

START_TEST(without_a_rate_the_users_rate_is_told) {
    fill();
    struct tune_options o = options_of(100e3, 0);
    // 1.9 CPUs - 0.0333 of heartbeats, 10 µs each, 100,000 users: 111.99, never told higher.
    ck_assert_ptr_nonnull(strstr(ask(&o), "at 111 messages a minute"));
}
END_TEST

START_TEST(one_side_alone_stands_for_the_machine) {
    fill();
    result.sides[MEASURE_ALL].is_measured = false;
    struct tune_options o = options_of(0, 1);
    ask(&o);
    ck_assert_int_eq(answers.best, MEASURE_ONE);
    ck_assert(!answers.is_known[MEASURE_ALL]);
    result = (struct measure_result){.was_stopped = true};
    ck_assert_str_eq(ask(&o), "stopped before there was enough to say something");
}
END_TEST

START_TEST(descriptors_bound_what_memory_would_hold) {
    fill();
    result.connections_max[MEASURE_ALL] = 300e3;
    struct tune_options o = options_of(0, 1);
    ck_assert_ptr_nonnull(strstr(ask(&o), "300,000 idle connections (limit: descriptors)"));
}
END_TEST

START_TEST(a_result_in_json_can_be_asked_again) {
    char path[64], error[MEASURE_ERROR_BYTES];
    snprintf(path, sizeof(path), "/tmp/measure_report_test.%d", (int)getpid());
    fill();
    struct tune_options o = options_of(0, 1);
    o.json_file = path;
    ask(&o);
    print(&o, true);
    json_t *all = json_load_file(path, 0, NULL);
    unlink(path);
    ck_assert_ptr_nonnull(all);
    static struct measure_result again;
    ck_assert_msg(measure_result_decode(json_object_get(all, "measured"), &again, error), "%s",
                  error);
    const json_t *told = json_object_get(json_object_get(all, "answers"), "all");
    ck_assert(json_number_value(json_object_get(told, "idle_connections")) == 1e6);
    json_decref(all);
    o.json_file = "/nonexistent/folder/x.json";
    print(&o, false);
}
END_TEST

UNIT_MAIN("tuning/measure_report", the_first_line_tells_connections_deliveries_and_users,
          asked_for_users_get_yes_or_no, without_a_rate_the_users_rate_is_told,
          one_side_alone_stands_for_the_machine, descriptors_bound_what_memory_would_hold,
          a_result_in_json_can_be_asked_again)
