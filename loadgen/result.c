#include "loadgen/result.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/clock.h"

static const char *const FAILURE_NAMES[] = {
    [RESULT_UNREACHABLE] = "unreachable",
    [RESULT_HTTP] = "http_status",
    [RESULT_NOT_HTTP] = "not_websocket",
    [RESULT_JOIN] = "join_refused",
    [RESULT_TIMEOUT] = "connect_timeout",
    [RESULT_CLOSED_EARLY] = "closed_before_join",
    [RESULT_LOCAL] = "local",
    [RESULT_CLOSED] = "closed_by_server",
    [RESULT_RESET] = "reset",
    [RESULT_PROTOCOL] = "protocol_error",
};
static const char *const PHASE_NAMES[] = {
    [RESULT_CONNECT] = "connect",       [RESULT_WARMUP] = "warmup", [RESULT_MEASURE] = "measure",
    [RESULT_STRAGGLERS] = "stragglers", [RESULT_DONE] = "done",
};

_Static_assert(sizeof(FAILURE_NAMES) / sizeof(char *) == RESULT_FAILURE_COUNT, "each has a name");
_Static_assert(sizeof(PHASE_NAMES) / sizeof(char *) == RESULT_PHASE_COUNT, "each has a name");

#define ROW(name, unit, help) {#name, unit, help, offsetof(struct result, name)},
#define ROW_VERIFY(name, unit, help) {#name, unit, help, offsetof(struct result, verify.name)},
#define ROW_PLAIN(name, help) {#name, "", help, offsetof(struct result, name)},

static const struct result_field COUNTERS[] = {RESULT_COUNTERS(ROW)};
static const struct result_field VERIFY[] = {VERIFY_TOTALS(ROW_VERIFY)};
static const struct result_field HISTOGRAMS[] = {RESULT_HISTOGRAMS(ROW_PLAIN)};
static const struct result_field LEVELS[] = {RESULT_LEVELS(ROW_PLAIN)};
static const struct result_field FLAGS[] = {RESULT_FLAGS(ROW_PLAIN)};
static const struct result_field TEXTS[] = {RESULT_TEXTS(ROW_PLAIN)};

#define LIST(rows)                                                                                 \
    { rows, sizeof(rows) / sizeof((rows)[0]) }
static const struct {
    const struct result_field *fields;
    size_t count;
} LISTS[] = {
    [RESULT_LIST_COUNTERS] = LIST(COUNTERS),     [RESULT_LIST_VERIFY] = LIST(VERIFY),
    [RESULT_LIST_HISTOGRAMS] = LIST(HISTOGRAMS), [RESULT_LIST_LEVELS] = LIST(LEVELS),
    [RESULT_LIST_FLAGS] = LIST(FLAGS),           [RESULT_LIST_TEXTS] = LIST(TEXTS),
};

_Static_assert(sizeof(LISTS) / sizeof(LISTS[0]) == RESULT_LIST_COUNT, "each has its fields");

const struct result_field *result_fields(enum result_list list, size_t *count) {
    *count = LISTS[list].count;
    return LISTS[list].fields;
}

void result_init(struct result *r) {
    memset(r, 0, sizeof(*r));
    for (size_t i = 0; i < LISTS[RESULT_LIST_HISTOGRAMS].count; i++)
        histogram_init((struct histogram *)((char *)r + HISTOGRAMS[i].offset));
    histogram_init(&r->interval);
}

void result_fini(struct result *r) {
    for (uint32_t i = 0; i < r->phase_row_count; i++)
        free(r->phase_rows[i].latency);
    r->phase_row_count = 0;
}

struct result_phase_row *result_add_phase(struct result *r, const char *name, bool is_measured,
                                          double duration_s) {
    if (r->phase_row_count == RESULT_PHASES_MAX)
        return NULL;
    struct result_phase_row *row = &r->phase_rows[r->phase_row_count];
    *row = (struct result_phase_row){.is_measured = is_measured, .duration_s = duration_s};
    row->latency = malloc(sizeof(*row->latency));
    if (row->latency == NULL)
        return NULL;
    histogram_init(row->latency);
    snprintf(row->name, sizeof(row->name), "%s", name);
    r->phase_row_count++;
    return row;
}

void result_count_failure(struct result *r, enum result_failure why, const char *format, ...) {
    r->failures[why]++;
    if (r->detail[0] != 0)
        return;
    r->detail_of = why;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->detail, sizeof(r->detail), format, arguments);
    va_end(arguments);
}

struct result_interval *result_snapshot(struct result *r, uint64_t now_ns) {
    r->interval_count++;
    struct result_interval *row = NULL;
    if (r->interval_stored < RESULT_INTERVALS_MAX) {
        row = &r->intervals[r->interval_stored++];
        *row = (struct result_interval){
            .at_s = (double)(now_ns - r->begin_ns) / (double)NS_PER_S,
            .phase = r->phase,
            .live = r->live,
            .sent = r->sent_all,
            .received = r->received_all,
            .failures = result_refused_count(r) + result_dropped_count(r),
            .p50_ns = histogram_quantile_ns(&r->interval, HISTOGRAM_P50),
            .p90_ns = histogram_quantile_ns(&r->interval, HISTOGRAM_P90),
            .p99_ns = histogram_quantile_ns(&r->interval, HISTOGRAM_P99),
            .p999_ns = histogram_quantile_ns(&r->interval, HISTOGRAM_P999),
            .max_ns = r->interval.max_ns,
            .client_cpu = RESULT_CPU_UNKNOWN,
            .server_cpu = RESULT_CPU_UNKNOWN,
        };
    }
    histogram_init(&r->interval);
    return row;
}

const char *result_failure_name(enum result_failure why) {
    return FAILURE_NAMES[why];
}

const char *result_phase_name(enum result_phase phase) {
    return PHASE_NAMES[phase];
}

uint32_t result_refused_count(const struct result *r) {
    uint32_t sum = 0;
    for (int i = 0; i < RESULT_FAILURE_BEFORE_JOIN; i++)
        sum += r->failures[i];
    return sum;
}

uint32_t result_dropped_count(const struct result *r) {
    uint32_t sum = 0;
    for (int i = RESULT_FAILURE_BEFORE_JOIN; i < RESULT_FAILURE_COUNT; i++)
        sum += r->failures[i];
    return sum;
}
