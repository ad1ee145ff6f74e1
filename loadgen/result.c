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
    [RESULT_REFUSED] = "connack_refused",
    [RESULT_NOT_MQTT] = "not_mqtt",
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
static const struct result_field PEAKS[] = {RESULT_PEAKS(ROW)};
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
    [RESULT_LIST_COUNTERS] = LIST(COUNTERS), [RESULT_LIST_VERIFY] = LIST(VERIFY),
    [RESULT_LIST_PEAKS] = LIST(PEAKS),       [RESULT_LIST_HISTOGRAMS] = LIST(HISTOGRAMS),
    [RESULT_LIST_LEVELS] = LIST(LEVELS),     [RESULT_LIST_FLAGS] = LIST(FLAGS),
    [RESULT_LIST_TEXTS] = LIST(TEXTS),
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

// --- merging -------------------------------------------------------------------------------------

static void *at(struct result *r, size_t offset) {
    return (char *)r + offset;
}

static const void *at_const(const struct result *r, size_t offset) {
    return (const char *)r + offset;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void merge_field(struct result *into, const struct result *from, enum result_list list,
                        size_t offset) {
    switch (list) {
    case RESULT_LIST_COUNTERS:
    case RESULT_LIST_VERIFY:
        *(uint64_t *)at(into, offset) += *(const uint64_t *)at_const(from, offset);
        return;
    case RESULT_LIST_PEAKS:
        *(uint64_t *)at(into, offset) =
            larger(*(uint64_t *)at(into, offset), *(const uint64_t *)at_const(from, offset));
        return;
    case RESULT_LIST_HISTOGRAMS:
        histogram_merge(at(into, offset), at_const(from, offset));
        return;
    case RESULT_LIST_LEVELS:
        *(uint32_t *)at(into, offset) += *(const uint32_t *)at_const(from, offset);
        return;
    case RESULT_LIST_FLAGS:
        *(bool *)at(into, offset) |= *(const bool *)at_const(from, offset);
        return;
    case RESULT_LIST_TEXTS:
        if (*(char *)at(into, offset) == 0)
            memcpy(at(into, offset), at_const(from, offset), RESULT_DETAIL_BYTES);
        return;
    case RESULT_LIST_COUNT:
        break;
    }
    UNREACHABLE();
}

// Two moments of which `into` keeps the first and the longer distance; 0 is "never".
static void merge_span(uint64_t into[2], uint64_t from_begin, uint64_t from_end) {
    if (from_begin == 0)
        return;
    if (into[0] == 0) {
        into[0] = from_begin;
        into[1] = from_end;
        return;
    }
    uint64_t mine = into[1] > into[0] ? into[1] - into[0] : 0;
    uint64_t theirs = from_end > from_begin ? from_end - from_begin : 0;
    if (mine > 0 || theirs > 0)
        into[1] = into[0] + larger(mine, theirs);
}

static void merge_times(struct result *into, const struct result *from) {
    bool is_first = into->begin_ns == 0;
    uint64_t connected[2] = {into->begin_ns, into->connected_ns};
    merge_span(connected, from->begin_ns, from->connected_ns);
    // All are connected when each part's are.
    bool all = from->connected_ns != 0 && (is_first || into->connected_ns != 0);
    into->begin_ns = connected[0];
    into->connected_ns = all ? connected[1] : 0;
    if (is_first || from->phase < into->phase)
        into->phase = from->phase;

    struct result_window *w = &into->window;
    const struct result_window *f = &from->window;
    uint64_t real[2] = {w->begin_ns, w->end_ns};
    uint64_t intended[2] = {w->intended_from_ns, w->intended_to_ns};
    merge_span(real, f->begin_ns, f->end_ns);
    merge_span(intended, f->intended_from_ns, f->intended_to_ns);
    w->begin_ns = real[0], w->end_ns = real[1];
    w->intended_from_ns = intended[0], w->intended_to_ns = intended[1];
    if (w->begin_wall_ns == 0 || (f->begin_wall_ns != 0 && f->begin_wall_ns < w->begin_wall_ns))
        w->begin_wall_ns = f->begin_wall_ns;
    w->end_wall_ns = larger(w->end_wall_ns, f->end_wall_ns);
    w->cpu_ns += f->cpu_ns;
    w->user_ns += f->user_ns;
    w->syscalls += f->syscalls;
    w->late_max_ns = larger(w->late_max_ns, f->late_max_ns);
}

// What a part shows in the seconds after its last: its totals stay as they were.
static struct result_interval row_after(const struct result *r) {
    struct result_interval row = {
        .client_cpu = RESULT_CPU_UNKNOWN, .server_cpu = RESULT_CPU_UNKNOWN, .phase = RESULT_DONE};
    if (r->interval_stored == 0)
        return row;
    const struct result_interval *last = &r->intervals[r->interval_stored - 1];
#define KEEP(name) row.name = last->name;
    RESULT_INTERVAL_SUMS(KEEP)
    return row;
}

static void merge_interval(struct result_interval *into, const struct result_interval *from) {
#define ADD(name) into->name += from->name;
#define WORST(name) into->name = larger(into->name, from->name);
    RESULT_INTERVAL_SUMS(ADD)
    RESULT_INTERVAL_WORST(WORST)
    into->phase = from->phase < into->phase ? from->phase : into->phase;
    into->client_cpu = from->client_cpu > into->client_cpu ? from->client_cpu : into->client_cpu;
    into->server_cpu = from->server_cpu > into->server_cpu ? from->server_cpu : into->server_cpu;
}

static void merge_intervals(struct result *into, const struct result *from) {
    const struct result_interval into_after = row_after(into), from_after = row_after(from);
    uint32_t stored = into->interval_stored;
    uint32_t count = stored > from->interval_stored ? stored : from->interval_stored;
    for (uint32_t i = 0; i < count; i++) {
        const struct result_interval *other =
            i < from->interval_stored ? &from->intervals[i] : &from_after;
        if (i >= stored) {
            into->intervals[i] = into_after;
            into->intervals[i].at_s = other->at_s;
        }
        merge_interval(&into->intervals[i], other);
    }
    into->interval_stored = count;
    if (from->interval_count > into->interval_count)
        into->interval_count = from->interval_count;
}

static bool merge_phases(struct result *into, const struct result *from) {
    for (uint32_t i = 0; i < from->phase_row_count; i++) {
        const struct result_phase_row *row = &from->phase_rows[i];
        if (i >= into->phase_row_count &&
            result_add_phase(into, row->name, row->is_measured, row->duration_s) == NULL)
            return false;
        struct result_phase_row *mine = &into->phase_rows[i];
        if (strcmp(mine->name, row->name) != 0)
            return false;
        uint64_t span[2] = {mine->begin_ns, mine->end_ns};
        merge_span(span, row->begin_ns, row->end_ns);
        mine->begin_ns = span[0], mine->end_ns = span[1];
#define ADD_COUNTER(name) mine->name += row->name;
        RESULT_PHASE_COUNTERS(ADD_COUNTER)
        histogram_merge(mine->latency, row->latency);
    }
    return true;
}

bool result_merge(struct result *into, const struct result *from) {
    if (into->detail[0] == 0)
        into->detail_of = from->detail_of;
    for (int list = 0; list < RESULT_LIST_COUNT; list++)
        for (size_t i = 0; i < LISTS[list].count; i++)
            merge_field(into, from, (enum result_list)list, LISTS[list].fields[i].offset);
    for (int i = 0; i < RESULT_FAILURE_COUNT; i++)
        into->failures[i] += from->failures[i];
    histogram_merge(&into->interval, &from->interval);
    merge_times(into, from);
    merge_intervals(into, from);
    return merge_phases(into, from);
}

// --- names ---------------------------------------------------------------------------------------

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
