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
    return json_pack(
        "{s:s, s:s, s:o, s:i, s:f, s:f, s:b, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:f, s:f}",
        "scenario", load_options_scenario_name(o->scenario), "protocol", o->protocol->name,
        "targets", targets, "connections", (int)o->connections, "connect_rate", o->connect_rate,
        "rate", o->rate, "closed", (int)o->is_closed, "in_flight", (int)o->closed, "room_size",
        (int)o->room_size, "talkers", (int)o->talkers, "burst", (int)o->burst, "payload_bytes",
        (int)o->payload_bytes, "flood", (int)o->has_flood, "raw_echo", (int)o->is_raw_echo,
        "warmup_s", o->warmup_s, "duration_s", o->duration_s);
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

static json_t *intervals(const struct result *r) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < r->interval_stored; i++) {
        const struct result_interval *s = &r->intervals[i];
        json_array_append_new(
            all, json_pack("{s:f, s:s, s:i, s:I, s:I, s:I, s:I, s:I}", "at_s", s->at_s, "phase",
                           result_phase_name((enum result_phase)s->phase), "live", (int)s->live,
                           "sent", (json_int_t)s->sent, "received", (json_int_t)s->received, "p50",
                           (json_int_t)s->p50_ns, "p99", (json_int_t)s->p99_ns, "max",
                           (json_int_t)s->max_ns));
    }
    return all;
}

static json_t *client(const struct result *r, const struct verdict *v) {
    json_t *o = json_object();
    json_object_set_new(o, "cpu_ns", number(r->window.cpu_ns));
    json_object_set_new(o, "user_ns", number(r->window.user_ns));
    json_object_set_new(o, "cpu", json_real(v->cpu));
    json_object_set_new(o, "syscalls", number(r->window.syscalls));
    json_object_set_new(o, "loop_late_max_ns", number(r->window.late_max_ns));
    json_object_set_new(o, "was_limit", json_boolean(v->client_was_limit));
    json_object_set_new(o, "limit_cause", json_string(v->limit_cause));
    return o;
}

int report_write_json(const char *path, const struct load_options *o, const struct result *r,
                      const struct verdict *v) {
    json_t *latencies = json_object();
    json_object_set_new(latencies, o->scenario == LOAD_OPTIONS_ECHO ? "reply" : "delivery",
                        latency(&r->latency));
    json_object_set_new(latencies, "service", latency(&r->service));
    json_object_set_new(latencies, "first_receiver", latency(&r->first));
    json_object_set_new(latencies, "median_receiver", latency(&r->median));
    json_object_set_new(latencies, "last_receiver", latency(&r->last));
    json_object_set_new(latencies, "slow_readers", latency(&r->slow));
    json_object_set_new(latencies, "heartbeat", latency(&r->heartbeat));
    json_object_set_new(latencies, "send_lag", latency(&r->send_lag));
    json_object_set_new(latencies, "connect", latency(&r->connect));
    json_t *all = json_object();
    json_object_set_new(all, "tool", json_string("fairlead-load " FAIRLEAD_VERSION));
    json_object_set_new(all, "verdict", json_string(v->sentence));
    json_object_set_new(all, "exit_code", number(v->code));
    json_object_set_new(all, "interrupted", json_boolean(r->was_interrupted));
    json_object_set_new(all, "asked", asked(o));
    json_object_set_new(all, "window", window(r, v));
    json_object_set_new(all, "connections", connections(r));
    json_object_set_new(all, "messages", messages(r, v));
    json_object_set_new(all, "latency_ns", latencies);
    json_object_set_new(all, "checks", checks(r));
    json_object_set_new(all, "client", client(r, v));
    json_object_set_new(all, "intervals", intervals(r));
    errno = 0;
    size_t flags = JSON_INDENT(2);
    int status =
        strcmp(path, "-") == 0 ? json_dumpf(all, stdout, flags) : json_dump_file(all, path, flags);
    json_decref(all);
    if (status != 0)
        return errno != 0 ? -errno : -EIO;
    return 0;
}
