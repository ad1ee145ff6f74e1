#include "gateway/control_trace.h"

#include "gateway/control_answer.h"
#include "gateway/control_port.h"
#include "gateway/control_request.h"
#include "sched/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOR_S_DEFAULT 10
#define FOR_S_MAX 600
#define LIMIT_DEFAULT 1000
#define LINES_TYPE "application/x-ndjson; charset=utf-8"

static const char *argument(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

// --- POST ----------------------------------------------------------------------------------------

static bool is_number(const char *text, unsigned long min, unsigned long max,
                      unsigned long *value) {
    char *end;
    *value = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *value >= min && *value <= max;
}

// NULL: it is good; else the cause and the cure.
static const char *read_order(struct MHD_Connection *connection,
                              struct control_trace_order *order) {
    const char *room = argument(connection, "room"), *user = argument(connection, "user"),
               *pid = argument(connection, "pid"), *for_s = argument(connection, "for_s");
    unsigned long seconds = FOR_S_DEFAULT;
    if (!!room + !!user + !!pid != 1)
        return "one of room=NAME, user=NAME and pid=HEX says what to trace";
    if (for_s && !is_number(for_s, 1, FOR_S_MAX, &seconds))
        return "for_s: a whole number from 1 to 600 is allowed";
    order->until_ns = clock_monotonic_ns() + seconds * NS_PER_S;
    if (room) {
        int size = control_request_name(room, order->room.bytes, sizeof(order->room.bytes));
        order->room.size = (uint8_t)(size > 0 ? size : 0);
        return size > 0 ? NULL : "room: a name has 1 to 128 bytes";
    }
    if (user) {
        int size = control_request_name(user, order->who.user, sizeof(order->who.user));
        order->who.user_size = size > 0 ? (uint32_t)size : 0;
        return size > 0 ? NULL : "user: a name has 1 to 64 bytes";
    }
    return control_request_pid(pid, &order->who.pid)
               ? NULL
               : "pid: 1 to 16 hexadecimal digits, as in /connections";
}

static json_t *date_json(uint64_t monotonic_ns) {
    char text[CONTROL_ANSWER_TIME_SIZE];
    control_answer_time(monotonic_ns + clock_realtime_ns() - clock_monotonic_ns(), text);
    return json_string(text);
}

static enum MHD_Result begin(struct MHD_Connection *connection,
                             const struct control_config *config) {
    struct control_trace_order order = {0};
    uint64_t cores_silent;
    const char *cause = read_order(connection, &order);
    if (cause)
        return control_answer_error(connection, MHD_HTTP_BAD_REQUEST, "%s\n", cause);
    uint32_t actors = control_port_trace_begin(config->gateway, &order, &cores_silent);
    if (actors == 0)
        return control_answer_error(
            connection, MHD_HTTP_NOT_FOUND,
            "nobody of that name is here now (the trace before has ended)\n");
    return control_answer_json(connection, MHD_HTTP_OK,
                               json_pack("{s:i, s:o, s:o}", "actors", (int)actors, "until",
                                         date_json(order.until_ns), "cores_silent",
                                         control_answer_silent(cores_silent)));
}

// --- GET -----------------------------------------------------------------------------------------

static int by_time(const void *a, const void *b) {
    const struct control_trace_event *left = a, *right = b;
    if (left->event.time_ns != right->event.time_ns)
        return left->event.time_ns < right->event.time_ns ? -1 : 1;
    if (left->core != right->core)
        return left->core < right->core ? -1 : 1;
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

static json_t *pid_json(uint64_t pid) {
    return pid == PID_NONE ? json_null() : json_sprintf("%016" PRIx64, pid);
}

static json_t *event_json(const struct control_trace_event *traced) {
    const struct trace_event *event = &traced->event;
    json_t *root = json_pack("{s:o, s:i, s:o, s:s, s:s}", "at", date_json(event->time_ns), "core",
                             (int)traced->core, "actor", pid_json(event->actor), "kind",
                             traced->kind, "what", trace_what_name(event->what));
    switch ((enum trace_what)event->what) {
    case TRACE_MAIL:
    case TRACE_RECEIVE:
    case TRACE_SEND:
        json_object_set_new(root, "message",
                            traced->message ? json_string(traced->message)
                                            : json_sprintf("%u", event->type));
        json_object_set_new(root, event->what == TRACE_SEND ? "to" : "from",
                            pid_json(event->other));
        json_object_set_new(root, "small", json_integer(event->small));
        json_object_set_new(root, "flags", json_integer(event->flags));
        json_object_set_new(root, "words",
                            json_pack("[o, o, o]", json_sprintf("%" PRIx64, event->words[0]),
                                      json_sprintf("%" PRIx64, event->words[1]),
                                      json_sprintf("%" PRIx64, event->words[2])));
        break;
    case TRACE_OUT:
        json_object_set_new(root, "reductions", json_integer(event->small));
        break;
    case TRACE_EXIT:
        json_object_set_new(root, "reason", json_string(exit_reason_name(event->small)));
        break;
    case TRACE_BYTES:
        json_object_set_new(root, "bytes", json_integer(event->small));
        break;
    case TRACE_IN:
    case TRACE_WHAT_COUNT:
        break;
    }
    return root;
}

// Takes `root`.
static void put_line(FILE *out, json_t *root) {
    if (root && json_dumpf(root, out, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0)
        fputc('\n', out);
    json_decref(root);
}

static void put_lines(FILE *out, struct control_trace *trace, uint32_t limit) {
    uint32_t first = trace->event_count > limit ? trace->event_count - limit : 0;
    qsort(trace->events, trace->event_count, sizeof(*trace->events), by_time);
    put_line(out, json_pack("{s:b, s:i, s:i, s:i, s:I, s:o}", "on", trace->is_on, "actors",
                            (int)trace->actor_count, "kept", (int)trace->kept, "shown",
                            (int)(trace->event_count - first), "lost", (json_int_t)trace->lost,
                            "cores_silent", control_answer_silent(trace->cores_silent)));
    for (uint32_t i = first; i < trace->event_count; i++)
        put_line(out, event_json(&trace->events[i]));
}

static enum MHD_Result show(struct MHD_Connection *connection,
                            const struct control_config *config) {
    const char *limit = argument(connection, "limit");
    unsigned long lines = LIMIT_DEFAULT;
    if (limit && !is_number(limit, 0, TRACE_EVENTS_MAX, &lines))
        return control_answer_error(connection, MHD_HTTP_BAD_REQUEST,
                                    "limit: a whole number from 0 to %d is allowed\n",
                                    TRACE_EVENTS_MAX);
    struct control_trace trace = {.events_max = (uint32_t)lines};
    size_t count = lines * control_port_core_count(config->gateway) + 1;
    char *text = NULL;
    size_t size = 0;
    trace.events = calloc(count, sizeof(*trace.events));
    FILE *out = trace.events ? open_memstream(&text, &size) : NULL;
    if (!out) {
        free(trace.events);
        return MHD_NO;
    }
    control_port_trace(config->gateway, &trace);
    put_lines(out, &trace, (uint32_t)lines);
    free(trace.events);
    if (fclose(out) != 0 || !text)
        return MHD_NO;
    return control_answer_text(connection, MHD_HTTP_OK, text, size, LINES_TYPE);
}

enum MHD_Result control_trace_answer(struct MHD_Connection *connection,
                                     const struct control_config *config, const char *method) {
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return show(connection, config);
    if (control_answer_is_foreign(connection, config->config))
        return control_answer_error(connection, MHD_HTTP_FORBIDDEN,
                                    "the Origin is of another site: traces are switched by this "
                                    "control plane's own pages and by tools\n");
    if (strcmp(method, "POST") == 0)
        return begin(connection, config);
    uint64_t cores_silent;
    control_port_trace_end(config->gateway, &cores_silent);
    return control_answer_json(
        connection, MHD_HTTP_OK,
        json_pack("{s:b, s:o}", "on", false, "cores_silent", control_answer_silent(cores_silent)));
}
