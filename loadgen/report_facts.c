// What all forms of the report have in common (report.h): which latencies and checks there are, how
// they are called.
#include <string.h>

#include "loadgen/report.h"
#include "sched/base/clock.h"

// In the order of reading. What a list of result.h has beyond these goes by its own name.
static const struct {
    const char *field;
    const char *title;
    const char *key;
    const char *help;
} LATENCIES[] = {
    {"latency", "delivery", "delivery", "every member's every message, from the time it was due"},
    {"service", "service time", "service", "the same without the tool's own send lag"},
    {"first", "first receiver", "first_receiver", "of each message: the first member has it"},
    {"median", "median receiver", "median_receiver", "of each message: half have it"},
    {"last", "last receiver", "last_receiver", "of each message: the last member has it"},
    {"slow", "slow readers", "slow_readers", "members that this tool throttled: its own doing"},
    {"reply", "reply to a ping", "ping_reply", "where members publish and ping side by side"},
    {"heartbeat", "heartbeat", "heartbeat", "from a heartbeat's due time to its reply"},
    {"recovery", "recovery", "recovery", "from the cut to joined again"},
    {"will", "will", "will", "from a connection's end to its will at a watcher"},
    {"rejoin", "join again", "rejoin", "churn: from asking to join to joined"},
    {"connect", "connect and join", "connect", "from a connect's due time to joined"},
    {"send_lag", "own send lag", "send_lag", "handed to the socket later than due: the tool"},
};

#define LATENCY_COUNT (sizeof(LATENCIES) / sizeof(LATENCIES[0]))

static size_t index_of_latency(const char *field) {
    size_t i = 0;
    while (i < LATENCY_COUNT && strcmp(LATENCIES[i].field, field) != 0)
        i++;
    return i;
}

static struct report_latency describe_latency(const struct report *report,
                                              const struct result_field *field) {
    size_t i = index_of_latency(field->name);
    struct report_latency latency = {.title = field->name, .key = field->name, .help = field->help};
    if (i < LATENCY_COUNT)
        latency = (struct report_latency){
            .title = LATENCIES[i].title, .key = LATENCIES[i].key, .help = LATENCIES[i].help};
    if (i == 0 && load_options_is_echo(report->options))
        latency = (struct report_latency){
            .title = "reply", .key = "reply", .help = "from a request's due time to its reply"};
    latency.histogram = (const void *)((const char *)report->result + field->offset);
    return latency;
}

uint32_t report_list_latencies(const struct report *report,
                               struct report_latency list[REPORT_LATENCIES_MAX]) {
    size_t field_count;
    const struct result_field *fields = result_fields(RESULT_LIST_HISTOGRAMS, &field_count);
    uint32_t count = 0;
    CHECK(field_count <= REPORT_LATENCIES_MAX);
    for (size_t i = 0; i <= LATENCY_COUNT; i++)
        for (size_t k = 0; k < field_count; k++)
            if (index_of_latency(fields[k].name) == i)
                list[count++] = describe_latency(report, &fields[k]);
    return count;
}

uint32_t report_list_checks(const struct report *report,
                            struct report_check list[REPORT_CHECKS_MAX]) {
    const struct result *r = report->result;
    bool is_echo = load_options_is_echo(report->options);
    uint32_t count = 0;
    if (!is_echo) {
        list[count++] = (struct report_check){"lost", r->verify.lost,
                                              "neither delivered nor announced as lost", true};
        list[count++] = (struct report_check){
            "missing at the end", r->verify.missing,
            "had not come when waiting ended: lost, or the server is that far behind", true};
        list[count++] = (struct report_check){"announced as lost", r->verify.announced,
                                              "lost, and the server told the member which",
                                              report->options->fails_on_gap};
    }
    list[count++] = (struct report_check){"came twice", r->verify.duplicates,
                                          "seen by a member that had it already", true};
    if (r->is_order_checked || is_echo)
        list[count++] = (struct report_check){"out of order", r->verify.disordered,
                                              "after one with a higher number", true};
    list[count++] = (struct report_check){"unanswered", r->unanswered,
                                          "requests without a reply at the end", true};
    if (r->heartbeats > 0)
        list[count++] = (struct report_check){"heartbeats unanswered", r->heartbeats_unanswered,
                                              "heartbeats without a reply at the end", true};
    list[count++] = (struct report_check){"rejected", r->rejected,
                                          "requests that the server answered with an error", true};
    if (r->wills_due > 0) {
        list[count++] = (struct report_check){"wills missing", result_wills_missing(r),
                                              "of connections that ended, not told", true};
        list[count++] =
            (struct report_check){"wills too many", r->wills_twice + r->wills_wrong,
                                  "told twice, or of connections that were there", true};
    }
    list[count++] = (struct report_check){"connections refused", result_refused_count(r),
                                          "did not come about", true};
    list[count++] = (struct report_check){"connections dropped", result_dropped_count(r),
                                          "ended by the server after they had joined", true};
    list[count++] = (struct report_check){"strange", r->strange,
                                          "messages that are not of this tool's making", false};
    CHECK(count <= REPORT_CHECKS_MAX);
    return count;
}

static bool is_in_window(const struct result *r, const struct result_interval *row) {
    double begin_s = (double)(r->window.begin_ns - r->begin_ns) / (double)NS_PER_S;
    double end_s = (double)(r->window.end_ns - r->begin_ns) / (double)NS_PER_S;
    // A row tells of the second before it.
    return r->window.end_ns > r->window.begin_ns && row->at_s > begin_s + 0.5 &&
           row->at_s < end_s + 0.5;
}

bool report_measure_server(const struct report *report, struct report_server *server) {
    const struct result *r = report->result;
    uint32_t count = 0;
    *server = (struct report_server){0};
    for (uint32_t i = 0; i < r->interval_stored; i++) {
        const struct result_interval *row = &r->intervals[i];
        if (row->server_memory_bytes > server->memory_max_bytes)
            server->memory_max_bytes = row->server_memory_bytes;
        if (row->server_cpu < 0 || !is_in_window(r, row))
            continue;
        server->cpu_mean += row->server_cpu;
        if (row->server_cpu > server->cpu_max)
            server->cpu_max = row->server_cpu;
        count++;
    }
    if (count > 0)
        server->cpu_mean /= count;
    return server->memory_max_bytes > 0;
}

const char *report_phase_of(const struct result *r, const struct result_interval *row) {
    uint64_t at_ns = r->begin_ns + (uint64_t)(row->at_s * (double)NS_PER_S);
    for (uint32_t i = 0; i < r->phase_row_count; i++) {
        const struct result_phase_row *phase = &r->phase_rows[i];
        if (phase->begin_ns != 0 && at_ns > phase->begin_ns &&
            (phase->end_ns == 0 || at_ns <= phase->end_ns))
            return phase->name;
    }
    return result_phase_name((enum result_phase)row->phase);
}
