// The result as JSON (report.h). Times in ns, rates a second; fields are only ever added.
#include "loadgen/report.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

static json_t *number(uint64_t value) {
    return json_integer((json_int_t)value);
}

static json_t *latency(const struct histogram *h) {
    json_t *o = json_object();
    json_object_set_new(o, "count", number(h->count));
    json_object_set_new(o, "min", number(h->count ? h->min_ns : 0));
    json_object_set_new(o, "mean", json_real(histogram_mean_ns(h)));
    json_object_set_new(o, "p50", number(histogram_quantile_ns(h, HISTOGRAM_P50)));
    json_object_set_new(o, "p90", number(histogram_quantile_ns(h, HISTOGRAM_P90)));
    json_object_set_new(o, "p99", number(histogram_quantile_ns(h, HISTOGRAM_P99)));
    json_object_set_new(o, "p99_9", number(histogram_quantile_ns(h, HISTOGRAM_P999)));
    json_object_set_new(o, "p99_99", number(histogram_quantile_ns(h, HISTOGRAM_P9999)));
    json_object_set_new(o, "max", number(h->max_ns));
    json_object_set_new(o, "saturated", number(h->saturated));
    return o;
}

static json_t *asked(const struct load_options *o) {
    json_t *targets = json_array();
    for (uint32_t i = 0; i < o->target_count; i++)
        json_array_append_new(targets, json_string(o->targets[i]));
    json_t *root = json_pack(
        "{s:s, s:s, s:o, s:i, s:f, s:f, s:b, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:f, s:f}",
        "scenario", load_options_scenario_name(o->scenario), "protocol", o->protocol->name,
        "targets", targets, "connections", (int)o->connections, "connect_rate", o->connect_rate,
        "rate", o->rate, "closed", (int)o->is_closed, "in_flight", (int)o->closed, "room_size",
        (int)o->room_size, "talkers", (int)o->talkers, "burst", (int)o->burst, "payload_bytes",
        (int)o->payload_bytes, "flood", (int)o->has_flood, "raw_echo", (int)o->is_raw_echo,
        "warmup_s", o->warmup_s, "duration_s", o->duration_s);
    if (o->protocol->is_mqtt) {
        json_object_set_new(root, "mqtt_version", json_string(o->mqtt_version_text));
        json_object_set_new(root, "qos", json_integer(o->qos));
        json_object_set_new(root, "topic_prefix", json_string(o->topic_prefix));
        json_object_set_new(root, "shared_group", json_string(o->shared_group));
        json_object_set_new(root, "will", json_boolean(o->has_will));
    }
    if (o->plan_file) { // mix, replay
        json_object_set_new(root, "file", json_string(o->plan_file));
        json_object_set_new(root, "speed", json_real(o->speed));
    }
    return root;
}

static json_t *window(const struct result *r, const struct verdict *v) {
    json_t *o = json_object();
    json_object_set_new(o, "begin_monotonic_ns", number(r->window.begin_ns));
    json_object_set_new(o, "end_monotonic_ns", number(r->window.end_ns));
    json_object_set_new(o, "begin_realtime_ns", number(r->window.begin_wall_ns));
    json_object_set_new(o, "end_realtime_ns", number(r->window.end_wall_ns));
    json_object_set_new(o, "intended_from_monotonic_ns", number(r->window.intended_from_ns));
    json_object_set_new(o, "intended_to_monotonic_ns", number(r->window.intended_to_ns));
    json_object_set_new(o, "seconds", json_real(v->window_s));
    return o;
}

static json_t *connections(const struct result *r) {
    json_t *failures = json_object();
    for (int i = 0; i < RESULT_FAILURE_COUNT; i++)
        json_object_set_new(failures, result_failure_name((enum result_failure)i),
                            number(r->failures[i]));
    json_t *o = json_object();
    json_object_set_new(o, "wanted", number(r->wanted));
    json_object_set_new(o, "joined", number(r->live_max));
    json_object_set_new(o, "live_at_end", number(r->live));
    json_object_set_new(o, "refused", number(result_refused_count(r)));
    json_object_set_new(o, "dropped", number(result_dropped_count(r)));
    json_object_set_new(o, "failures", failures);
    json_object_set_new(o, "first_failure", json_string(r->detail));
    bool all = r->connected_ns > r->begin_ns;
    json_object_set_new(o, "connect_seconds",
                        json_real(all ? (double)(r->connected_ns - r->begin_ns) / 1e9 : 0));
    return o;
}

static json_t *messages(const struct result *r, const struct verdict *v) {
    json_t *o = json_object();
    json_object_set_new(o, "offered", number(r->offered));
    json_object_set_new(o, "sent", number(r->sent));
    json_object_set_new(o, "answered", number(r->answered));
    json_object_set_new(o, "received", number(r->received));
    json_object_set_new(o, "offered_per_s", json_real(v->offered_rate));
    json_object_set_new(o, "sent_per_s", json_real(v->achieved_rate));
    json_object_set_new(o, "received_per_s", json_real(v->received_rate));
    json_object_set_new(o, "sent_all", number(r->sent_all));
    json_object_set_new(o, "answered_all", number(r->answered_all));
    json_object_set_new(o, "received_all", number(r->received_all));
    json_object_set_new(o, "rejected", number(r->rejected));
    json_object_set_new(o, "rejected_first", json_string(r->rejected_detail));
    json_object_set_new(o, "unsendable", number(r->unsendable));
    json_object_set_new(o, "unanswered", number(r->unanswered));
    json_object_set_new(o, "bytes_in", number(r->bytes_in));
    json_object_set_new(o, "bytes_out", number(r->bytes_out));
    json_object_set_new(o, "heartbeats", number(r->heartbeats));
    json_object_set_new(o, "heartbeats_answered", number(r->heartbeats_answered));
    json_object_set_new(o, "heartbeats_unanswered", number(r->heartbeats_unanswered));
    json_object_set_new(o, "flood_end", json_string(r->flood_end));
    json_object_set_new(o, "strange", number(r->strange));
    json_object_set_new(o, "flood_sent", number(r->flood_sent));
    json_object_set_new(o, "flood_answered", number(r->flood_answered));
    return o;
}

static json_t *checks(const struct result *r) {
    json_t *o = json_object();
    json_object_set_new(o, "received", number(r->verify.received));
    json_object_set_new(o, "lost", number(r->verify.lost));
    json_object_set_new(o, "missing", number(r->verify.missing));
    json_object_set_new(o, "announced_lost", number(r->verify.announced));
    json_object_set_new(o, "gap_events", number(r->verify.gap_events));
    json_object_set_new(o, "duplicates", number(r->verify.duplicates));
    json_object_set_new(o, "disordered", number(r->verify.disordered));
    json_object_set_new(o, "server_numbers", json_boolean(r->has_sequence));
    json_object_set_new(o, "order_checked", json_boolean(r->is_order_checked));
    json_object_set_new(o, "messages_complete", number(r->flights_complete));
    json_object_set_new(o, "messages_incomplete", number(r->flights_incomplete));
    json_object_set_new(o, "reach_due", number(r->reach_due));
    json_object_set_new(o, "reach_received", number(r->reach_received));
    json_object_set_new(o, "missed_worst_ppm", number(r->missed_worst_ppm));
    json_object_set_new(o, "slow_announced", number(r->slow_announced));
    json_object_set_new(o, "slow_gap_events", number(r->slow_gap_events));
    json_object_set_new(o, "slow_behind", number(r->slow_behind));
    return o;
}

// NULL as JSON has it, for what is not known.
static json_t *known(bool is_known, json_t *value) {
    if (is_known)
        return value;
    json_decref(value);
    return json_null();
}

static json_t *interval(const struct result *r, const struct result_interval *row) {
    json_t *o = json_object();
    json_object_set_new(o, "at_s", json_real(row->at_s));
    json_object_set_new(o, "phase", json_string(result_phase_name((enum result_phase)row->phase)));
    json_object_set_new(o, "plan_phase", json_string(report_phase_of(r, row)));
    json_object_set_new(o, "live", number(row->live));
    json_object_set_new(o, "sent", number(row->sent));
    json_object_set_new(o, "received", number(row->received));
    json_object_set_new(o, "failures", number(row->failures));
    json_object_set_new(o, "p50", number(row->p50_ns));
    json_object_set_new(o, "p90", number(row->p90_ns));
    json_object_set_new(o, "p99", number(row->p99_ns));
    json_object_set_new(o, "p99_9", number(row->p999_ns));
    json_object_set_new(o, "max", number(row->max_ns));
    json_object_set_new(o, "client_cpu", known(row->client_cpu >= 0, json_real(row->client_cpu)));
    json_object_set_new(o, "client_memory_bytes",
                        known(row->client_memory_bytes > 0, number(row->client_memory_bytes)));
    json_object_set_new(o, "server_cpu", known(row->server_cpu >= 0, json_real(row->server_cpu)));
    json_object_set_new(o, "server_memory_bytes",
                        known(row->server_memory_bytes > 0, number(row->server_memory_bytes)));
    return o;
}

static json_t *intervals(const struct result *r) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < r->interval_stored; i++)
        json_array_append_new(all, interval(r, &r->intervals[i]));
    return all;
}

static json_t *phases(const struct result *r) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < r->phase_row_count; i++) {
        const struct result_phase_row *row = &r->phase_rows[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(row->name));
        json_object_set_new(o, "measured", json_boolean(row->is_measured));
        json_object_set_new(o, "duration_s", json_real(row->duration_s));
        json_object_set_new(o, "begin_monotonic_ns", number(row->begin_ns));
        json_object_set_new(o, "end_monotonic_ns", number(row->end_ns));
#define X(name) json_object_set_new(o, #name, number(row->name));
        RESULT_PHASE_COUNTERS(X)
#undef X
        json_object_set_new(o, "latency_ns", latency(row->latency));
        json_array_append_new(all, o);
    }
    return all;
}

// Every counter by its own name: what is added to the lists of result.h is here without a line.
static json_t *counters(const struct result *r) {
    json_t *all = json_object();
#define X(name, unit, help) json_object_set_new(all, #name, number(r->name));
    RESULT_COUNTERS(X)
#undef X
    return all;
}

static json_t *expectations(const struct report *report) {
    static const char *const outcomes[] = {
        [EXPECT_HOLDS] = "holds", [EXPECT_FAILS] = "fails", [EXPECT_UNMEASURED] = "not measured"};
    const struct expect *e = &report->options->expect;
    struct expect_seen seen = verdict_seen(report->verdict, report->result);
    json_t *all = json_array();
    for (uint32_t i = 0; i < e->count; i++) {
        char value[EXPECT_VALUE_BYTES];
        enum expect_outcome outcome = expect_judge(&e->terms[i], &seen, value);
        json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "expected", e->terms[i].text, "was",
                                             value, "outcome", outcomes[outcome]));
    }
    return all;
}

static json_t *agents(const struct result *r) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < r->part_count; i++) {
        const struct result_part *part = &r->parts[i];
        json_t *o = json_object();
        json_object_set_new(o, "address", json_string(part->address));
        json_object_set_new(o, "machine", json_string(part->machine));
        json_object_set_new(o, "wanted", number(part->wanted));
        json_object_set_new(o, "joined", number(part->live_max));
        json_object_set_new(o, "sent", number(part->sent));
        json_object_set_new(o, "received", number(part->received));
        json_object_set_new(o, "send_lag_p99", number(part->lag_p99_ns));
        json_object_set_new(o, "loop_late_max_ns", number(part->late_max_ns));
        json_object_set_new(o, "cpu", json_real(part->cpu));
        json_object_set_new(o, "limit_cause", json_string(part->limit));
        json_array_append_new(all, o);
    }
    return all;
}

static json_t *server(const struct report *report) {
    struct report_server seen;
    if (!report_measure_server(report, &seen))
        return json_null();
    return json_pack("{s:s, s:f, s:f, s:I}", "found_by",
                     server_watch_source_name(report->server_source), "cpu_mean", seen.cpu_mean,
                     "cpu_max", seen.cpu_max, "memory_max_bytes",
                     (json_int_t)seen.memory_max_bytes);
}

static json_t *client(const struct result *r, const struct verdict *v) {
    json_t *o = json_object();
    json_object_set_new(o, "cpu_ns", number(r->window.cpu_ns));
    json_object_set_new(o, "user_ns", number(r->window.user_ns));
    json_object_set_new(o, "cpu", json_real(v->cpu));
    json_object_set_new(o, "syscalls", number(r->window.syscalls));
    json_object_set_new(o, "loop_late_max_ns", number(r->window.late_max_ns));
    json_object_set_new(o, "wait_ns", number(r->wait_ns));
    json_object_set_new(o, "wait", json_real(v->wait));
    json_object_set_new(o, "was_limit", json_boolean(v->client_was_limit));
    json_object_set_new(o, "limit_cause", json_string(v->limit_cause));
    return o;
}

int report_write_json(const char *path, const struct report *report) {
    const struct load_options *o = report->options;
    const struct result *r = report->result;
    const struct verdict *v = report->verdict;
    struct report_latency list[REPORT_LATENCIES_MAX];
    uint32_t count = report_list_latencies(report, list);
    json_t *latencies = json_object();
    for (uint32_t i = 0; i < count; i++)
        json_object_set_new(latencies, list[i].key, latency(list[i].histogram));
    json_t *all = json_object();
    json_object_set_new(all, "tool", json_string("fairlead-load " FAIRLEAD_VERSION));
    json_object_set_new(all, "verdict", json_string(v->sentence));
    json_object_set_new(all, "exit_code", number(v->code));
    json_object_set_new(all, "interrupted", json_boolean(r->was_interrupted));
    json_object_set_new(all, "command", json_string(report->command));
    json_object_set_new(all, "asked", asked(o));
    json_object_set_new(all, "expectations", expectations(report));
    json_object_set_new(all, "environment", environment_json(report->environment));
    json_object_set_new(all, "window", window(r, v));
    json_object_set_new(all, "connections", connections(r));
    json_object_set_new(all, "messages", messages(r, v));
    json_object_set_new(all, "latency_ns", latencies);
    json_object_set_new(all, "checks", checks(r));
    json_object_set_new(all, "counters", counters(r));
    json_object_set_new(all, "client", client(r, v));
    json_object_set_new(all, "agents", agents(r));
    json_object_set_new(all, "server", server(report));
    json_object_set_new(all, "phases", phases(r));
    json_object_set_new(all, "intervals", intervals(r));
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    int status = out == NULL ? -errno : 0;
    errno = 0;
    if (out != NULL && (json_dumpf(all, out, JSON_INDENT(2)) != 0 || fflush(out) != 0))
        status = errno != 0 ? -errno : -EIO;
    if (out != NULL && out != stdout && fclose(out) != 0 && status == 0)
        status = -errno;
    json_decref(all);
    return status;
}
