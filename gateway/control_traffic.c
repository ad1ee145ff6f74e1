#include "gateway/control_traffic.h"

#include "gateway/control_answer.h"
#include "gateway/control_port.h"
#include "sched/base/clock.h"

#include <stdlib.h>
#include <string.h>

#define FOR_S_DEFAULT 60
#define JSON_TYPE "application/json; charset=utf-8"

static json_t *date_json(uint64_t monotonic_ns) {
    char text[CONTROL_ANSWER_TIME_SIZE];
    control_answer_time(monotonic_ns + clock_realtime_ns() - clock_monotonic_ns(), text);
    return json_string(text);
}

// --- POST ----------------------------------------------------------------------------------------

static enum MHD_Result begin(struct MHD_Connection *connection,
                             const struct control_config *config) {
    const char *for_s = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "for_s");
    unsigned long seconds = FOR_S_DEFAULT;
    char *end = NULL;
    if (for_s)
        seconds = strtoul(for_s, &end, 10);
    if (for_s &&
        (*for_s < '0' || *for_s > '9' || *end || seconds < 1 || seconds > TRAFFIC_SECONDS_MAX))
        return control_answer_error(connection, MHD_HTTP_BAD_REQUEST,
                                    "for_s: a whole number from 1 to %d is allowed\n",
                                    TRAFFIC_SECONDS_MAX);
    uint64_t cores_silent, begin_ns = clock_monotonic_ns();
    struct control_traffic_order order = {.begin_ns = begin_ns,
                                          .until_ns = begin_ns + seconds * NS_PER_S};
    control_port_traffic_begin(config->gateway, &order, &cores_silent);
    return control_answer_json(connection, MHD_HTTP_OK,
                               json_pack("{s:b, s:o, s:I, s:o}", "on", true, "until",
                                         date_json(order.until_ns), "for_s", (json_int_t)seconds,
                                         "cores_silent", control_answer_silent(cores_silent)));
}

// --- GET -----------------------------------------------------------------------------------------

static json_t *histogram_json(const struct traffic_histogram *h) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < TRAFFIC_CELLS; i++)
        if (h->cells[i] > 0)
            json_array_append_new(list, json_pack("[I, I, I]", (json_int_t)traffic_cell_low(i),
                                                  (json_int_t)traffic_cell_high(i),
                                                  (json_int_t)h->cells[i]));
    return list;
}

static json_t *series_json(const struct control_traffic *traffic, enum traffic_series series) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < traffic->second_count; i++)
        json_array_append_new(list, json_integer(traffic->shape.seconds[i].counts[series]));
    return list;
}

static json_t *per_second_json(const struct control_traffic *traffic) {
    json_t *root = json_object();
#define X(name, help) json_object_set_new(root, #name, series_json(traffic, TRAFFIC_##name));
    TRAFFIC_SERIES(X)
#undef X
    return root;
}

static json_t *traffic_json(const struct control_traffic *traffic) {
    const struct traffic_shape *shape = &traffic->shape;
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t end_ns = now_ns < traffic->until_ns ? now_ns : traffic->until_ns;
    json_t *root = json_pack("{s:s, s:i, s:s, s:b, s:o, s:f, s:{s:I, s:I}, s:o, s:I, s:o}", "shape",
                             "fairlead-traffic", "format", 1, "version", FAIRLEAD_VERSION, "on",
                             traffic->is_on, "begun", date_json(traffic->begin_ns), "seconds",
                             (double)(end_ns - traffic->begin_ns) / 1e9, "begin", "connections",
                             (json_int_t)shape->connections, "members", (json_int_t)shape->members,
                             "per_second", per_second_json(traffic), "gaps_unknown",
                             (json_int_t)shape->gaps_unknown, "cores_silent",
                             control_answer_silent(traffic->cores_silent));
    json_object_set_new(root, "publish_bytes", histogram_json(&shape->publish_bytes));
    json_object_set_new(root, "publish_gap_us", histogram_json(&shape->publish_gap_us));
    json_object_set_new(root, "fan_out", histogram_json(&shape->fan_out));
    json_object_set_new(root, "rooms_begin", histogram_json(&shape->rooms_begin));
    json_object_set_new(root, "rooms_end", histogram_json(&shape->rooms_end));
    return root;
}

static enum MHD_Result show(struct MHD_Connection *connection,
                            const struct control_config *config) {
    struct control_traffic *traffic = calloc(1, sizeof(*traffic));
    if (!traffic)
        return MHD_NO;
    control_port_traffic(config->gateway, traffic);
    bool is_known = traffic->begin_ns > 0;
    json_t *root = is_known ? traffic_json(traffic) : NULL;
    uint64_t cores_silent = traffic->cores_silent;
    free(traffic);
    if (!is_known && cores_silent)
        return control_answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                    "no core that records answered within %d ms\n",
                                    CONTROL_SCAN_MS);
    if (!is_known)
        return control_answer_error(
            connection, MHD_HTTP_NOT_FOUND,
            "nothing was recorded yet: POST /traffic?for_s=60 begins a recording\n");
    // Compact: an hour has 36,000 numbers.
    char *text = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(root);
    return text ? control_answer_text(connection, MHD_HTTP_OK, text, strlen(text), JSON_TYPE)
                : MHD_NO;
}

// --- DELETE --------------------------------------------------------------------------------------

static enum MHD_Result end(struct MHD_Connection *connection, const struct control_config *config) {
    uint64_t cores_silent;
    control_port_traffic_end(config->gateway, &cores_silent);
    return control_answer_json(
        connection, MHD_HTTP_OK,
        json_pack("{s:b, s:o}", "on", false, "cores_silent", control_answer_silent(cores_silent)));
}

enum MHD_Result control_traffic_answer(struct MHD_Connection *connection,
                                       const struct control_config *config, const char *method) {
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return show(connection, config);
    if (control_answer_is_foreign(connection, config->config))
        return control_answer_error(connection, MHD_HTTP_FORBIDDEN,
                                    "the Origin is of another site: recordings are switched by "
                                    "this control plane's own pages and by tools\n");
    return strcmp(method, "POST") == 0 ? begin(connection, config) : end(connection, config);
}
