// Goal: programs find what docs/LOADGEN.md names, under the names of before, and null for what is
// not known. Method: a made-up run, read back with a JSON parser.
#include "loadgen/report.h"

#include "tests/unit/loadgen/report_fixture.h"

static struct report_fixture f;

static json_t *written(void) {
    json_error_t error;
    ck_assert_int_eq(report_write_json(f.file, &f.report), 0);
    json_t *all = json_load_file(f.file, 0, &error);
    ck_assert_msg(all != NULL, "%s", error.text);
    return all;
}

// "latency_ns.delivery.p99"; arrays by number.
static const json_t *at(const json_t *all, const char *path) {
    char copy[128];
    char *rest = NULL;
    snprintf(copy, sizeof(copy), "%s", path);
    for (char *key = strtok_r(copy, ".", &rest); key != NULL; key = strtok_r(NULL, ".", &rest)) {
        all = json_is_array(all) ? json_array_get(all, strtoul(key, NULL, 10))
                                 : json_object_get(all, key);
        ck_assert_msg(all != NULL, "%s: no %s", path, key);
    }
    return all;
}

START_TEST(report_json_keeps_its_names_and_has_the_new_ones) {
    fixture_init(&f);
    json_t *all = written();
    static const char *const paths[] = {"tool",
                                        "verdict",
                                        "exit_code",
                                        "interrupted",
                                        "command",
                                        "asked.scenario",
                                        "asked.targets",
                                        "window.seconds",
                                        "connections.failures.unreachable",
                                        "messages.sent",
                                        "checks.lost",
                                        "checks.messages_complete",
                                        "client.cpu",
                                        "client.was_limit",
                                        "client.wait",
                                        "counters.strange"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        at(all, paths[i]);
    ck_assert_int_eq(json_integer_value(at(all, "latency_ns.delivery.count")), 1000);
    ck_assert_int_eq(json_integer_value(at(all, "latency_ns.last_receiver.max")), 20 * 1000 * 1000);
    ck_assert_int_eq(json_integer_value(at(all, "latency_ns.service.count")), 0);
    ck_assert_str_eq(json_string_value(at(all, "phases.0.name")), FIXTURE_PHASE);
    ck_assert_str_eq(json_string_value(at(all, "intervals.5.plan_phase")), FIXTURE_PHASE);
    ck_assert_str_eq(json_string_value(at(all, "intervals.5.phase")), "measure");
    ck_assert(json_real_value(at(all, "intervals.5.server_cpu")) == 0.5);
    ck_assert_str_eq(json_string_value(at(all, "server.found_by")), "its listener");
    json_decref(all);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_json_has_null_for_the_unknown) {
    fixture_init(&f);
    json_t *all = written();
    ck_assert(json_is_null(at(all, "intervals.0.server_cpu")));
    ck_assert(json_is_null(at(all, "intervals.0.server_memory_bytes")));
    ck_assert(json_is_null(at(all, "environment.server_info")));
    json_decref(all);
    for (int i = 0; i < 10; i++)
        f.result.intervals[i].server_memory_bytes = 0;
    all = written();
    ck_assert(json_is_null(at(all, "server")));
    json_decref(all);
    fixture_fini(&f);
}
END_TEST

START_TEST(report_json_tells_each_expectation) {
    char error[EXPECT_ERROR_BYTES];
    fixture_init(&f);
    ck_assert(expect_parse(&f.options.expect, "p99<1ms,loss=0,first.p50<1s", error));
    json_t *all = written();
    ck_assert_str_eq(json_string_value(at(all, "expectations.0.expected")), "p99<1ms");
    ck_assert_str_eq(json_string_value(at(all, "expectations.0.outcome")), "fails");
    ck_assert_str_eq(json_string_value(at(all, "expectations.1.outcome")), "holds");
    ck_assert_str_eq(json_string_value(at(all, "expectations.2.outcome")), "not measured");
    json_decref(all);
    fixture_fini(&f);
}
END_TEST

UNIT_MAIN("loadgen/report_json", report_json_keeps_its_names_and_has_the_new_ones,
          report_json_has_null_for_the_unknown, report_json_tells_each_expectation)
