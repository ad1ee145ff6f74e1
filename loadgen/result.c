#include "loadgen/result.h"

#include <stdarg.h>
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

void result_init(struct result *r) {
    memset(r, 0, sizeof(*r));
    struct histogram *const all[] = {&r->latency,  &r->first,   &r->last,
                                     &r->send_lag, &r->connect, &r->interval};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        histogram_init(all[i]);
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

void result_snapshot(struct result *r, uint64_t now_ns) {
    r->interval_count++;
    if (r->interval_stored < RESULT_INTERVALS_MAX)
        r->intervals[r->interval_stored++] = (struct result_interval){
            .at_s = (double)(now_ns - r->begin_ns) / (double)NS_PER_S,
            .phase = r->phase,
            .live = r->live,
            .sent = r->sent_all,
            .received = r->received_all,
            .p50_ns = histogram_quantile_ns(&r->interval, HISTOGRAM_P50),
            .p99_ns = histogram_quantile_ns(&r->interval, HISTOGRAM_P99),
            .max_ns = r->interval.max_ns,
        };
    histogram_init(&r->interval);
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
