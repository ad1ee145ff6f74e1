#include "tuning/measure_load.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#define EXIT_CLIENT_LIMIT 3
#define EXIT_TARGET 4

static double number_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : 0;
}

static uint64_t time_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : 0;
}

static void text_at(const json_t *object, const char *key, char text[MEASURE_LOAD_TEXT_BYTES]) {
    const char *value = json_string_value(json_object_get(object, key));
    snprintf(text, MEASURE_LOAD_TEXT_BYTES, "%s", value ? value : "");
}

static void decode_intervals(const json_t *intervals, struct measure_load *load) {
    size_t i;
    const json_t *interval;
    json_array_foreach(intervals, i, interval) {
        const char *phase = json_string_value(json_object_get(interval, "phase"));
        // A second without a message has no latency.
        if (phase == NULL || strcmp(phase, "measure") != 0 || number_at(interval, "received") == 0)
            continue;
        if (load->interval_count < KNEE_INTERVALS_MAX)
            load->interval_p50_ns[load->interval_count++] = number_at(interval, "p50");
    }
}

static void decode_connections(const json_t *o, struct measure_load *load) {
    load->wanted = number_at(o, "wanted");
    load->joined = number_at(o, "joined");
    load->live_at_end = number_at(o, "live_at_end");
    load->dropped = number_at(o, "dropped");
    load->refused = number_at(o, "refused");
    load->connect_seconds = number_at(o, "connect_seconds");
}

static void decode_messages(const json_t *o, struct measure_load *load) {
    load->offered = number_at(o, "offered");
    load->sent = number_at(o, "sent");
    load->answered = number_at(o, "answered");
    load->received = number_at(o, "received");
    load->heartbeats = number_at(o, "heartbeats_answered");
    load->rejected = number_at(o, "rejected");
    load->unanswered = number_at(o, "unanswered");
}

static void decode_checks(const json_t *o, struct measure_load *load) {
    load->lost = number_at(o, "lost");
    load->missing = number_at(o, "missing");
    load->duplicates = number_at(o, "duplicates");
    load->disordered =
        json_is_true(json_object_get(o, "order_checked")) ? number_at(o, "disordered") : 0;
    load->announced_lost = number_at(o, "announced_lost");
}

static void decode_latencies(const json_t *all, struct measure_load *load) {
    const json_t *latency = json_object_get(all, "delivery");
    if (latency == NULL)
        latency = json_object_get(all, "reply");
    load->p50_ns = number_at(latency, "p50");
    load->p99_ns = number_at(latency, "p99");
    load->connect_p99_ns = number_at(json_object_get(all, "connect"), "p99");
}

bool measure_load_decode(const char *text, struct measure_load *load, char *error) {
    json_error_t cause;
    *load = (struct measure_load){0};
    json_t *all = json_loads(text, 0, &cause);
    if (!json_is_object(all) || !json_is_integer(json_object_get(all, "exit_code")) ||
        !json_is_object(json_object_get(all, "window"))) {
        snprintf(error, MEASURE_LOAD_TEXT_BYTES,
                 "fairlead load gave no result that can be read: %s",
                 all ? "it lacks exit_code or window" : cause.text);
        json_decref(all);
        return false;
    }
    load->exit_code = (int)number_at(all, "exit_code");
    text_at(all, "verdict", load->verdict);
    const json_t *window = json_object_get(all, "window");
    load->begin_ns = time_at(window, "begin_monotonic_ns");
    load->end_ns = time_at(window, "end_monotonic_ns");
    decode_connections(json_object_get(all, "connections"), load);
    decode_messages(json_object_get(all, "messages"), load);
    decode_checks(json_object_get(all, "checks"), load);
    decode_latencies(json_object_get(all, "latency_ns"), load);
    const json_t *client = json_object_get(all, "client");
    load->client_cpu = number_at(client, "cpu");
    load->client_was_limit =
        json_is_true(json_object_get(client, "was_limit")) || load->exit_code == EXIT_CLIENT_LIMIT;
    text_at(client, "limit_cause", load->limit_cause);
    decode_intervals(json_object_get(all, "intervals"), load);
    json_decref(all);
    return true;
}

void measure_load_facts(const struct measure_load *load, struct knee_facts *facts) {
    *facts = (struct knee_facts){
        .offered = load->offered,
        .sent = load->sent,
        .p99_ns = load->p99_ns,
        .lost = (uint64_t)(load->lost + load->missing),
        .duplicates = (uint64_t)load->duplicates,
        .disordered = (uint64_t)load->disordered,
        .announced_lost = (uint64_t)load->announced_lost,
        .unanswered = (uint64_t)load->unanswered,
        .rejected = (uint64_t)load->rejected,
        .dropped_connections = (uint64_t)load->dropped,
        .refused_connections = (uint64_t)load->refused,
        .client_was_limit = load->client_was_limit,
        .is_unreachable = load->exit_code == EXIT_TARGET && load->joined == 0,
        .interval_count = load->interval_count,
    };
    memcpy(facts->p50_ns, load->interval_p50_ns, sizeof(facts->p50_ns));
}
