// Goal: every counted field is in exactly one list at its own place; phases and snapshots are
// bounded. Method: fields written through the lists and read by name, limits at max and max+1.
#include "loadgen/result.h"

#include <string.h>

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

static struct result r;

static size_t field_size(enum result_list list) {
    static const size_t sizes[] = {
        [RESULT_LIST_COUNTERS] = sizeof(uint64_t),
        [RESULT_LIST_VERIFY] = sizeof(uint64_t),
        [RESULT_LIST_HISTOGRAMS] = sizeof(struct histogram),
        [RESULT_LIST_LEVELS] = sizeof(uint32_t),
        [RESULT_LIST_FLAGS] = sizeof(bool),
        [RESULT_LIST_TEXTS] = RESULT_DETAIL_BYTES,
    };
    return sizes[list];
}

START_TEST(result_fields_do_not_overlap_and_have_names_and_help) {
    static uint8_t owner[sizeof(struct result)];
    memset(owner, 0, sizeof(owner));
    for (int list = 0; list < RESULT_LIST_COUNT; list++) {
        size_t count = 0;
        const struct result_field *fields = result_fields((enum result_list)list, &count);
        ck_assert_uint_gt(count, 0);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_gt(strlen(fields[i].name), 0);
            ck_assert_uint_gt(strlen(fields[i].help), 0);
            for (size_t at = 0; at < field_size((enum result_list)list); at++)
                ck_assert_uint_eq(owner[fields[i].offset + at]++, 0);
        }
    }
}
END_TEST

START_TEST(result_fields_lead_to_the_field_of_that_name) {
    result_init(&r);
    size_t count = 0;
    const struct result_field *fields = result_fields(RESULT_LIST_COUNTERS, &count);
    for (size_t i = 0; i < count; i++)
        *(uint64_t *)((char *)&r + fields[i].offset) = 1;
    ck_assert_uint_eq(r.offered, 1);
    ck_assert_uint_eq(r.flights_incomplete, 1);
    ck_assert_uint_eq(r.verify.lost, 0);
    fields = result_fields(RESULT_LIST_VERIFY, &count);
    ck_assert_str_eq(fields[0].name, "received");
    for (size_t i = 0; i < count; i++)
        *(uint64_t *)((char *)&r + fields[i].offset) = 2;
    ck_assert_uint_eq(r.verify.lost, 2);
    ck_assert_uint_eq(r.received, 1);
}
END_TEST

START_TEST(result_init_empties_every_histogram) {
    memset(&r, 0xff, sizeof(r));
    result_init(&r);
    size_t count = 0;
    const struct result_field *fields = result_fields(RESULT_LIST_HISTOGRAMS, &count);
    for (size_t i = 0; i < count; i++) {
        const struct histogram *h = (struct histogram *)((char *)&r + fields[i].offset);
        ck_assert_uint_eq(h->count, 0);
        ck_assert_uint_eq(h->min_ns, UINT64_MAX);
    }
    ck_assert_uint_eq(r.interval.min_ns, UINT64_MAX);
    ck_assert_uint_eq(r.phase_row_count, 0);
}
END_TEST

START_TEST(result_keeps_as_many_phases_as_it_has_room_for) {
    result_init(&r);
    char long_name[2 * RESULT_PHASE_NAME_BYTES];
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    for (uint32_t i = 0; i < RESULT_PHASES_MAX; i++) {
        struct result_phase_row *row = result_add_phase(&r, long_name, i % 2 == 1, 1.5);
        ck_assert_ptr_eq(row, &r.phase_rows[i]);
        ck_assert_uint_eq(strlen(row->name), RESULT_PHASE_NAME_BYTES - 1);
        ck_assert_uint_eq(row->latency->min_ns, UINT64_MAX);
    }
    ck_assert_ptr_null(result_add_phase(&r, "one too many", true, 1));
    ck_assert_uint_eq(r.phase_row_count, RESULT_PHASES_MAX);
    result_fini(&r);
    ck_assert_uint_eq(r.phase_row_count, 0);
}
END_TEST

START_TEST(result_snapshot_tells_the_last_second_and_begins_the_next) {
    result_init(&r);
    r.live = 7;
    r.sent_all = 11;
    result_count_failure(&r, RESULT_HTTP, "first");
    result_count_failure(&r, RESULT_RESET, "second");
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_record(&r.interval, i);
    const struct result_interval *row = result_snapshot(&r, r.begin_ns + 2 * NS_PER_S);
    ck_assert_ptr_eq(row, &r.intervals[0]);
    ck_assert_double_eq(row->at_s, 2);
    ck_assert_uint_eq(row->live, 7);
    ck_assert_uint_eq(row->sent, 11);
    ck_assert_uint_eq(row->failures, 2);
    ck_assert_uint_eq(row->p50_ns, 500);
    ck_assert_uint_eq(row->p90_ns, 900);
    ck_assert_uint_eq(row->p99_ns, 990);
    ck_assert_uint_eq(row->p999_ns, 999);
    ck_assert_uint_eq(row->max_ns, 1000);
    ck_assert_double_eq(row->client_cpu, RESULT_CPU_UNKNOWN);
    ck_assert_uint_eq(r.interval.count, 0);
    ck_assert_str_eq(r.detail, "first");
}
END_TEST

START_TEST(result_counts_snapshots_that_it_cannot_keep) {
    result_init(&r);
    for (uint32_t i = 0; i < RESULT_INTERVALS_MAX; i++)
        ck_assert_ptr_nonnull(result_snapshot(&r, i));
    ck_assert_ptr_null(result_snapshot(&r, RESULT_INTERVALS_MAX));
    ck_assert_uint_eq(r.interval_stored, RESULT_INTERVALS_MAX);
    ck_assert_uint_eq(r.interval_count, RESULT_INTERVALS_MAX + 1);
}
END_TEST

UNIT_MAIN("loadgen/result", result_fields_do_not_overlap_and_have_names_and_help,
          result_fields_lead_to_the_field_of_that_name, result_init_empties_every_histogram,
          result_keeps_as_many_phases_as_it_has_room_for,
          result_snapshot_tells_the_last_second_and_begins_the_next,
          result_counts_snapshots_that_it_cannot_keep)
