// Goal: what was recorded in N parts and sent over a wire is, merged, what one would have recorded,
// cell for cell; no text that a stranger can send is taken for a result. Method: the same random
// events recorded whole and in parts; every field of every list filled; texts broken one by one.
#include "loadgen/result_wire.h"

#include <stdio.h>
#include <string.h>

#include "sched/base/clock.h"
#include "sched/base/rng.h"
#include "tests/unit/unit.h"

#define PARTS 5

static struct result whole, parts[PARTS], merged, decoded;
static char error[RESULT_WIRE_ERROR_BYTES];

static void *field_at(struct result *r, const struct result_field *field) {
    return (char *)r + field->offset;
}

// One event of the run: the same call records it in the whole and in its part.
static void record(struct result *r, uint64_t random) {
    size_t count = 0;
    const struct result_field *fields = result_fields(RESULT_LIST_COUNTERS, &count);
    *(uint64_t *)field_at(r, &fields[random % count]) += random % 1000;
    fields = result_fields(RESULT_LIST_VERIFY, &count);
    *(uint64_t *)field_at(r, &fields[random % count]) += 1;
    fields = result_fields(RESULT_LIST_HISTOGRAMS, &count);
    // Values of all magnitudes, also beyond the range.
    histogram_record(field_at(r, &fields[random % count]), random >> (random % 64));
    fields = result_fields(RESULT_LIST_LEVELS, &count);
    *(uint32_t *)field_at(r, &fields[random % count]) += 1;
    r->failures[random % RESULT_FAILURE_COUNT]++;
    struct result_phase_row *row = &r->phase_rows[random % r->phase_row_count];
    row->sent++;
    row->received += 2;
    histogram_record(row->latency, random % 1000000);
    histogram_record(&r->interval, random % 77777);
}

static void begin(struct result *r) {
    result_fini(r);
    result_init(r);
    r->begin_ns = 1000;
    ck_assert_ptr_nonnull(result_add_phase(r, "morning", false, 1));
    ck_assert_ptr_nonnull(result_add_phase(r, "noon", true, 2));
}

static void assert_same_list(const struct result *a, const struct result *b, enum result_list list,
                             size_t size) {
    size_t count = 0;
    const struct result_field *fields = result_fields(list, &count);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(memcmp((const char *)a + fields[i].offset, (const char *)b + fields[i].offset,
                             size) == 0,
                      "%s differs", fields[i].name);
}

static void assert_same(const struct result *a, const struct result *b) {
    assert_same_list(a, b, RESULT_LIST_COUNTERS, sizeof(uint64_t));
    assert_same_list(a, b, RESULT_LIST_VERIFY, sizeof(uint64_t));
    assert_same_list(a, b, RESULT_LIST_PEAKS, sizeof(uint64_t));
    assert_same_list(a, b, RESULT_LIST_HISTOGRAMS, sizeof(struct histogram));
    assert_same_list(a, b, RESULT_LIST_LEVELS, sizeof(uint32_t));
    assert_same_list(a, b, RESULT_LIST_FLAGS, sizeof(bool));
    for (int i = 0; i < RESULT_FAILURE_COUNT; i++)
        ck_assert_uint_eq(a->failures[i], b->failures[i]);
    ck_assert_int_eq(memcmp(&a->interval, &b->interval, sizeof(a->interval)), 0);
    ck_assert_int_eq(memcmp(&a->window, &b->window, sizeof(a->window)), 0);
    ck_assert_uint_eq(a->begin_ns, b->begin_ns);
    ck_assert_uint_eq(a->connected_ns, b->connected_ns);
    ck_assert_uint_eq(a->phase, b->phase);
    ck_assert_uint_eq(a->phase_row_count, b->phase_row_count);
    for (uint32_t i = 0; i < a->phase_row_count; i++) {
        const struct result_phase_row *x = &a->phase_rows[i], *y = &b->phase_rows[i];
        ck_assert_str_eq(x->name, y->name);
        ck_assert_uint_eq(x->sent, y->sent);
        ck_assert_uint_eq(x->received, y->received);
        ck_assert_int_eq(memcmp(x->latency, y->latency, sizeof(*x->latency)), 0);
    }
}

// Encoded to text, read back, decoded; the result is `decoded`, the caller's to finish.
static void travel(const struct result *r, const struct histogram *second) {
    json_t *json = result_wire_encode(r, second);
    ck_assert_ptr_nonnull(json);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(strlen(text), RESULT_WIRE_BYTES_MAX);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    ck_assert_ptr_nonnull(json);
    bool is_good = result_wire_decode(&decoded, json, error);
    json_decref(json);
    ck_assert_msg(is_good, "%s", error);
}

START_TEST(result_merge_of_parts_that_travelled_equals_one_that_recorded_all) {
    begin(&whole);
    for (int i = 0; i < PARTS; i++)
        begin(&parts[i]);
    struct rng rng = {42};
    for (int i = 0; i < 50000; i++) {
        uint64_t random = rng_next(&rng);
        record(&whole, random);
        record(&parts[random >> 32 & 0xff & 3], random);
    }
    result_init(&merged);
    for (int i = 0; i < PARTS; i++) { // the last part has seen nothing at all
        travel(&parts[i], NULL);
        assert_same(&parts[i], &decoded);
        ck_assert(result_merge(&merged, &decoded));
        result_fini(&decoded);
    }
    assert_same(&whole, &merged);
    result_fini(&merged);
}
END_TEST

START_TEST(result_merge_keeps_the_first_sentence_and_any_flag) {
    for (int i = 0; i < 3; i++)
        begin(&parts[i]);
    result_count_failure(&parts[1], RESULT_HTTP, "status 503");
    result_count_failure(&parts[2], RESULT_RESET, "reset");
    parts[2].has_sequence = true;
    parts[2].received_last_ns = 7;
    parts[1].received_last_ns = 9;
    result_init(&merged);
    for (int i = 0; i < 3; i++)
        ck_assert(result_merge(&merged, &parts[i]));
    ck_assert_str_eq(merged.detail, "status 503");
    ck_assert_uint_eq(merged.detail_of, RESULT_HTTP);
    ck_assert(merged.has_sequence);
    ck_assert(!merged.was_interrupted);
    ck_assert_uint_eq(merged.received_last_ns, 9);
    result_fini(&merged);
}
END_TEST

START_TEST(result_merge_takes_durations_not_clocks_of_other_machines) {
    begin(&parts[0]), begin(&parts[1]);
    parts[0].begin_ns = 1000, parts[0].connected_ns = 1500;
    parts[1].begin_ns = 900000, parts[1].connected_ns = 900700;
    parts[0].window = (struct result_window){.begin_ns = 2000,
                                             .end_ns = 3000,
                                             .intended_from_ns = 1999,
                                             .intended_to_ns = 2999,
                                             .begin_wall_ns = 50,
                                             .end_wall_ns = 60,
                                             .cpu_ns = 10,
                                             .late_max_ns = 3};
    parts[1].window = (struct result_window){.begin_ns = 800000,
                                             .end_ns = 801001,
                                             .intended_from_ns = 800000,
                                             .intended_to_ns = 800900,
                                             .begin_wall_ns = 45,
                                             .end_wall_ns = 58,
                                             .cpu_ns = 20,
                                             .late_max_ns = 2};
    parts[0].phase = RESULT_DONE, parts[1].phase = RESULT_MEASURE;
    result_init(&merged);
    ck_assert(result_merge(&merged, &parts[0]));
    ck_assert_uint_eq(merged.phase, RESULT_DONE);
    ck_assert(result_merge(&merged, &parts[1]));
    ck_assert_uint_eq(merged.begin_ns, 1000);
    ck_assert_uint_eq(merged.connected_ns, 1700);
    ck_assert_uint_eq(merged.phase, RESULT_MEASURE);
    ck_assert_uint_eq(merged.window.begin_ns, 2000);
    ck_assert_uint_eq(merged.window.end_ns, 3001);
    ck_assert_uint_eq(merged.window.intended_from_ns, 1999);
    ck_assert_uint_eq(merged.window.intended_to_ns, 2999);
    ck_assert_uint_eq(merged.window.begin_wall_ns, 45);
    ck_assert_uint_eq(merged.window.end_wall_ns, 60);
    ck_assert_uint_eq(merged.window.cpu_ns, 30);
    ck_assert_uint_eq(merged.window.late_max_ns, 3);
    parts[1].connected_ns = 0; // one part is not there yet: nor is the whole
    result_fini(&merged);
    result_init(&merged);
    ck_assert(result_merge(&merged, &parts[1]) && result_merge(&merged, &parts[0]));
    ck_assert_uint_eq(merged.connected_ns, 0);
    result_fini(&merged);
}
END_TEST

START_TEST(result_merge_adds_intervals_second_by_second) {
    begin(&parts[0]), begin(&parts[1]);
    for (uint64_t i = 1; i <= 4; i++) {
        parts[0].sent_all = i;
        histogram_record(&parts[0].interval, i);
        result_snapshot(&parts[0], i * NS_PER_S)->client_cpu = 0.1 * (double)i;
    }
    for (uint64_t i = 1; i <= 2; i++) {
        parts[1].sent_all = 10 * i;
        histogram_record(&parts[1].interval, 10 * i);
        result_snapshot(&parts[1], i * NS_PER_S);
    }
    for (int order = 0; order < 2; order++) {
        result_init(&merged);
        ck_assert(result_merge(&merged, &parts[order]));
        ck_assert(result_merge(&merged, &parts[!order]));
        ck_assert_uint_eq(merged.interval_stored, 4);
        ck_assert_uint_eq(merged.intervals[0].sent, 11);
        ck_assert_uint_eq(merged.intervals[1].sent, 22);
        ck_assert_uint_eq(merged.intervals[2].sent, 23); // its totals stay when a part has ended
        ck_assert_uint_eq(merged.intervals[3].sent, 24);
        ck_assert_uint_eq(merged.intervals[1].max_ns, 20);
        ck_assert_uint_eq(merged.intervals[3].max_ns, 4);
        ck_assert_double_eq_tol(merged.intervals[3].client_cpu, 0.4, 1e-9);
        ck_assert_double_eq(merged.intervals[3].server_cpu, RESULT_CPU_UNKNOWN);
        result_fini(&merged);
    }
}
END_TEST

START_TEST(result_merge_refuses_phases_of_another_plan) {
    begin(&parts[0]);
    result_init(&merged);
    ck_assert_ptr_nonnull(result_add_phase(&merged, "evening", true, 1));
    ck_assert(!result_merge(&merged, &parts[0]));
    result_fini(&merged);
}
END_TEST

START_TEST(result_wire_carries_numbers_of_64_bits_and_texts) {
    begin(&parts[0]);
    parts[0].received = (uint64_t)-5; // as at a window's begin
    parts[0].sent = INT64_MAX;
    parts[0].answered = (uint64_t)INT64_MAX + 1;
    histogram_record(&parts[0].latency, UINT64_MAX - 1);
    result_count_failure(&parts[0], RESULT_HTTP, "said \033[2J\"ö\" and \x7f");
    snprintf(parts[0].flood_end, sizeof(parts[0].flood_end), "not UTF-8: \xff");
    travel(&parts[0], NULL);
    ck_assert_uint_eq(decoded.received, (uint64_t)-5);
    ck_assert_uint_eq(decoded.sent, INT64_MAX);
    ck_assert_uint_eq(decoded.answered, (uint64_t)INT64_MAX + 1);
    ck_assert_uint_eq(decoded.latency.max_ns, UINT64_MAX - 1);
    ck_assert_uint_eq(decoded.latency.saturated, 1);
    ck_assert_str_eq(decoded.detail, "said ?[2J\"ö\" and ?");
    ck_assert_str_eq(decoded.flood_end, "(a text that is not UTF-8)");
    result_fini(&decoded);
}
END_TEST

START_TEST(result_wire_snapshot_has_the_last_second_and_no_whole_histograms) {
    begin(&parts[0]);
    histogram_record(&parts[0].latency, 5);
    parts[0].sent_all = 3;
    result_snapshot(&parts[0], NS_PER_S);
    histogram_record(&parts[0].interval, 9);
    result_snapshot(&parts[0], 2 * NS_PER_S);
    static struct histogram second;
    histogram_init(&second);
    histogram_record(&second, 8);
    travel(&parts[0], &second);
    ck_assert_uint_eq(decoded.latency.count, 0);
    ck_assert_uint_eq(decoded.interval.count, 1);
    ck_assert_uint_eq(decoded.interval.max_ns, 8);
    ck_assert_uint_eq(decoded.interval_stored, 1);
    ck_assert_uint_eq(decoded.interval_count, 2);
    ck_assert_uint_eq(decoded.intervals[0].p50_ns, 9);
    ck_assert_uint_eq(decoded.sent_all, 3);
    ck_assert_uint_eq(decoded.phase_row_count, 2);
    ck_assert_uint_eq(decoded.phase_rows[1].latency->count, 0);
    result_fini(&decoded);
}
END_TEST

static bool takes(const char *text) {
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    ck_assert_msg(json != NULL, "the test's own text is no JSON: %s", text);
    bool is_good = result_wire_decode(&decoded, json, error);
    json_decref(json);
    ck_assert_msg(is_good == (error[0] == 0), "%s: %s", text, error);
    if (!is_good) {
        ck_assert_uint_eq(decoded.phase_row_count, 0);
        ck_assert_uint_eq(decoded.latency.count, 0);
    }
    result_fini(&decoded);
    return is_good;
}

START_TEST(result_wire_refuses_what_is_no_result) {
    static const char *const bad[] = {
        "[]",
        "1",
        "{\"pi\":3}",
        "{\"phase\":\"late\"}",
        "{\"phase\":1}",
        "{\"counters\":[]}",
        "{\"counters\":{\"sent\":-1}}",
        "{\"counters\":{\"sent\":1.5}}",
        "{\"counters\":{\"sent\":\"12\"}}",
        "{\"counters\":{\"sent\":\"99999999999999999999\"}}",
        "{\"counters\":{\"sent\":\"-9223372036854775808\"}}",
        "{\"counters\":{\"sent\":null}}",
        "{\"counters\":{\"sold\":1}}",
        "{\"levels\":{\"live\":67108865}}",
        "{\"flags\":{\"has_sequence\":1}}",
        "{\"texts\":{\"detail\":1}}",
        "{\"failures\":{\"fatigue\":1}}",
        "{\"failures\":{\"reset\":67108865}}",
        "{\"detail_of\":\"fatigue\"}",
        "{\"detail_of\":1}",
        "{\"begin_ns\":\"9223372036854775808\"}",
        "{\"window\":{\"width\":1}}",
        "{\"window\":1}",
        "{\"interval_count\":4294967296}",
        "{\"intervals\":{}}",
        "{\"intervals\":[[0,0,0,0]]}",
        "{\"intervals\":[[0,9,0,0,0,0,0,0,0,0,0,0,0,0,0]]}",
        "{\"intervals\":[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]}",
        "{\"phases\":[{\"name\":\"x\"}]}",
        "{\"phases\":[{\"duration_s\":1}]}",
        "{\"phases\":[1]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!takes(bad[i]), "%s", bad[i]);
    ck_assert(takes("{}"));
    ck_assert(takes("{\"levels\":{\"live\":67108864}}"));
    ck_assert(takes("{\"intervals\":[[0,4,-1,-1.0,0,0,0,0,0,0,0,0,0,0,0]]}"));
    ck_assert(takes("{\"phases\":[{\"name\":\"x\",\"duration_s\":1}]}"));
}
END_TEST

START_TEST(result_wire_refuses_histograms_that_do_not_add_up) {
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        {"{\"count\":3,\"sum\":70,\"min\":10,\"max\":40,\"cells\":[10,1,10,1,20,1]}", true},
        {"{\"count\":1,\"cells\":[0,1]}", true}, // min and max are 0
        {"{\"count\":4,\"sum\":70,\"min\":10,\"max\":40,\"cells\":[10,1,10,1,20,1]}", false},
        {"{\"count\":3,\"min\":11,\"max\":40,\"cells\":[10,1,10,1,20,1]}", false},
        {"{\"count\":3,\"min\":10,\"max\":41,\"cells\":[10,1,10,1,20,1]}", false},
        {"{\"count\":3,\"min\":10,\"max\":40,\"saturated\":1,\"cells\":[10,1,10,1,20,1]}", false},
        {"{\"count\":2,\"min\":10,\"max\":10,\"cells\":[10,1,0,1]}", false}, // one cell twice
        {"{\"count\":1,\"min\":10,\"max\":20,\"cells\":[10,1,10,0]}", false},
        {"{\"count\":1,\"min\":10,\"max\":10,\"cells\":[10,1,10]}", false},
        {"{\"count\":1,\"min\":5000000000000,\"max\":5000000000000,\"saturated\":1,"
         "\"cells\":[33791,1]}",
         true},
        {"{\"count\":1,\"min\":5000000000000,\"max\":5000000000000,\"cells\":[33792,1]}", false},
        {"{\"count\":72057594037927936,\"min\":1,\"max\":1,\"cells\":[1,72057594037927936]}", true},
        {"{\"count\":72057594037927937,\"min\":1,\"max\":1,\"cells\":[1,72057594037927937]}",
         false},
        {"{\"count\":72057594037927937,\"min\":1,\"max\":2,\"cells\":[1,72057594037927936,1,1]}",
         false},
        {"{\"count\":0,\"cells\":[]}", false},
        {"{\"count\":1}", false},
        {"{}", false},
        {"[]", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[400];
        snprintf(text, sizeof(text), "{\"histograms\":{\"latency\":%s}}", cases[i].text);
        ck_assert_msg(takes(text) == cases[i].is_good, "%s: %s", text, error);
        snprintf(text, sizeof(text), "{\"interval\":%s}", cases[i].text);
        ck_assert_msg(takes(text) == cases[i].is_good, "%s: %s", text, error);
    }
}
END_TEST

START_TEST(result_wire_bounds_intervals_and_phases) {
    for (uint32_t extra = 0; extra <= 1; extra++) {
        json_t *o = json_object(), *rows = json_array(), *phases = json_array();
        for (uint32_t i = 0; i < RESULT_INTERVALS_MAX + extra; i++)
            json_array_append_new(rows, json_pack("[i,i,i,i,i,i,i,i,i,i,i,i,i,i,i]", 0, 0, 0, 0, 0,
                                                  0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
        json_object_set_new(o, "intervals", rows);
        ck_assert_int_eq(result_wire_decode(&decoded, o, error), extra == 0);
        result_fini(&decoded);
        json_object_clear(o);
        for (uint32_t i = 0; i < RESULT_PHASES_MAX + extra; i++)
            json_array_append_new(phases, json_pack("{s:s,s:i}", "name", "x", "duration_s", 1));
        json_object_set_new(o, "phases", phases);
        ck_assert_int_eq(result_wire_decode(&decoded, o, error), extra == 0);
        result_fini(&decoded);
        json_decref(o);
    }
}
END_TEST

UNIT_MAIN("loadgen/result_wire", result_merge_of_parts_that_travelled_equals_one_that_recorded_all,
          result_merge_keeps_the_first_sentence_and_any_flag,
          result_merge_takes_durations_not_clocks_of_other_machines,
          result_merge_adds_intervals_second_by_second, result_merge_refuses_phases_of_another_plan,
          result_wire_carries_numbers_of_64_bits_and_texts,
          result_wire_snapshot_has_the_last_second_and_no_whole_histograms,
          result_wire_refuses_what_is_no_result, result_wire_refuses_histograms_that_do_not_add_up,
          result_wire_bounds_intervals_and_phases)
