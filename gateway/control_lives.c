// Times come from the cores' monotonic clock and are told as dates: by the distance of the two
// clocks now, so that a step of the wall clock moves all of them alike.
#include "gateway/control_lives.h"

#include "chat/message.h"
#include "gateway/control_answer.h"
#include "gateway/control_port.h"
#include "gateway/control_request.h"
#include "gateway/life_words.h"
#include "sched/base/clock.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 50
#define ARGUMENT_ERROR_SIZE 160

// --- the question --------------------------------------------------------------------------------

struct lives_request {
    struct control_who who;
    uint32_t limit;
    char error[ARGUMENT_ERROR_SIZE]; // empty: it is good
};

static bool decode_address(const char *text, uint8_t ip[16]) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(ip, mapped, sizeof(mapped));
    return inet_pton(AF_INET, text, ip + sizeof(mapped)) == 1 || inet_pton(AF_INET6, text, ip) == 1;
}

static void read_limit(struct lives_request *request, const char *text) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > CONTROL_LIVES_MAX)
        snprintf(request->error, ARGUMENT_ERROR_SIZE,
                 "limit: a whole number from 0 to %d is allowed", CONTROL_LIVES_MAX);
    request->limit = (uint32_t)value;
}

static enum MHD_Result on_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                   const char *escaped) {
    struct lives_request *request = context;
    struct control_who *who = &request->who;
    uint8_t text[256];
    int size = escaped ? control_request_name(escaped, text, sizeof(text) - 1) : 0;
    const char *cause = NULL;
    (void)kind;
    text[size > 0 ? size : 0] = '\0';
    if (strcmp(name, "limit") == 0) {
        read_limit(request, (const char *)text);
    } else if (strcmp(name, "user") == 0) {
        cause = size < 1 || size > CONTROL_USER_SIZE_MAX ? "user: a name has 1 to 64 bytes" : NULL;
        who->user_size = cause ? 0 : (uint32_t)size;
        memcpy(who->user, text, who->user_size);
    } else if (strcmp(name, "address") == 0) {
        who->has_address = true;
        if (!decode_address((const char *)text, who->address))
            cause = "address: an IPv4 or IPv6 address, without a port";
    } else if (strcmp(name, "pid") == 0) {
        if (!control_request_pid((const char *)text, &who->pid))
            cause = "pid: 1 to 16 hexadecimal digits, as in the answers";
    } else {
        cause = "the arguments here are user, address, pid and limit";
    }
    if (cause)
        snprintf(request->error, ARGUMENT_ERROR_SIZE, "%s", cause);
    return request->error[0] ? MHD_NO : MHD_YES;
}

// False: it was answered.
static bool read_request(struct MHD_Connection *connection, struct lives_request *request) {
    *request = (struct lives_request){.limit = LIMIT_DEFAULT};
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, on_argument, request);
    return request->error[0] == '\0';
}

// --- the answer ----------------------------------------------------------------------------------

struct dates {
    uint64_t offset_ns; // from the monotonic clock to the wall clock
};

static json_t *date_json(const struct dates *dates, uint64_t time_ns) {
    char text[CONTROL_ANSWER_TIME_SIZE];
    control_answer_time(time_ns + dates->offset_ns, text);
    return json_string(text);
}

static json_t *name_json(const uint8_t *name, size_t size) {
    return size > 0 ? json_stringn((const char *)name, size) : json_null();
}

static json_t *address_json(const struct recorder_obituary *record) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    if (!record->has_address)
        return json_null();
    if (memcmp(record->address, mapped, sizeof(mapped)) == 0)
        inet_ntop(AF_INET, record->address + sizeof(mapped), text, sizeof(text));
    else
        inet_ntop(AF_INET6, record->address, text, sizeof(text));
    return json_string(text);
}

static void put_detail(json_t *event, const struct recorder_mark *mark,
                       const struct control_name *room) {
    const char *name = recorder_event_detail_name(mark->type);
    const char *word = life_words_of_detail(mark->type, mark->detail);
    if (name[0] == '\0')
        return;
    if (strcmp(name, "room") == 0) {
        json_object_set_new(event, name, name_json(room->bytes, room->size));
        if (room->size == 0) // there is none of that name any more: the tag still tells two apart
            json_object_set_new(event, "room_tag", json_sprintf("%06x", mark->detail));
    } else {
        json_object_set_new(event, name, word ? json_string(word) : json_integer(mark->detail));
    }
}

// The oldest first.
static json_t *events_json(const struct control_life *life, const struct dates *dates,
                           const char *offset_name) {
    const struct recorder_obituary *record = &life->record;
    json_t *events = json_array();
    for (uint32_t i = record->mark_count; i-- > 0;) {
        const struct recorder_mark *mark = &record->marks[i];
        uint64_t before_ns = record->time_ns > mark->time_ns ? record->time_ns - mark->time_ns : 0;
        json_t *event = json_pack("{s:o, s:I, s:s}", "at", date_json(dates, mark->time_ns),
                                  offset_name, (json_int_t)(before_ns / NS_PER_MS), "event",
                                  recorder_event_name(mark->type));
        put_detail(event, mark, &life->mark_rooms[i]);
        json_array_append_new(events, event);
    }
    return events;
}

static json_t *head_json(const struct recorder_obituary *record) {
    bool is_room = pid_kind(record->pid) == KIND_ROOM;
    json_t *root =
        json_pack("{s:o, s:i, s:s}", "pid", json_sprintf("%016" PRIx64, record->pid), "core",
                  (int)pid_core(record->pid), "kind", is_room ? "room" : "connection");
    json_object_set_new(root, is_room ? "room" : "user",
                        name_json(record->name, record->name_size));
    if (!is_room)
        json_object_set_new(root, "address", address_json(record));
    return root;
}

static json_t *obituary_json(const struct control_life *life, const struct dates *dates) {
    const struct recorder_obituary *record = &life->record;
    json_t *root = head_json(record);
    json_object_set_new(root, "ended", date_json(dates, record->time_ns));
    json_object_set_new(root, "reason", json_string(exit_reason_name(record->reason)));
    json_object_set_new(root, "events", events_json(life, dates, "before_end_ms"));
    return root;
}

// What is spoken, and over what; null before it is known.
static void put_protocol(json_t *root, const struct control_life *life) {
    const char *protocol = life->mqtt_version == 5 ? "mqtt 5.0"
                           : life->mqtt_version    ? "mqtt 3.1.1"
                           : life->is_mqtt         ? "mqtt"
                                                   : life_words_of_protocol(life->state);
    json_object_set_new(root, "protocol", protocol ? json_string(protocol) : json_null());
    if (!life->is_mqtt)
        return;
    json_object_set_new(root, "over", json_string(life->is_mqtt_ws ? "websocket" : "tcp"));
    json_object_set_new(root, "client_id", name_json(life->client_id.bytes, life->client_id.size));
}

static json_t *connection_json(const struct control_life *life, const struct dates *dates) {
    json_t *root = head_json(&life->record);
    json_t *rooms = json_array();
    uint32_t shown =
        life->room_count < CONTROL_LIFE_ROOMS_MAX ? life->room_count : CONTROL_LIFE_ROOMS_MAX;
    for (uint32_t i = 0; i < shown; i++)
        json_array_append_new(rooms, name_json(life->rooms[i].bytes, life->rooms[i].size));
    json_t *state =
        json_pack("{s:s, s:I, s:b, s:b, s:b, s:b, s:I, s:I, s:I, s:o}", "state",
                  life_words_of_state(life->state), "silent_s", (json_int_t)life->silent_s,
                  "paused_for_unsent_replies", life->is_paused_queue, "paused_for_busy_room",
                  life->is_paused_busy, "presence_missed", life->is_stale, "doomed",
                  life->is_doomed, "room_queue_bytes", (json_int_t)life->room_queue_bytes,
                  "control_queue_bytes", (json_int_t)life->control_queue_bytes, "rooms_count",
                  (json_int_t)life->room_count, "rooms", rooms);
    put_protocol(root, life);
    json_object_update_new(root, state);
    json_object_set_new(root, "events", events_json(life, dates, "ago_ms"));
    return root;
}

static int by_time(const void *a, const void *b) {
    uint64_t left = ((const struct control_life *)a)->record.time_ns;
    uint64_t right = ((const struct control_life *)b)->record.time_ns;
    return left < right ? 1 : left > right ? -1 : 0;
}

static const char *addresses_note(const struct config *config) {
    if (config->peer_addresses)
        return "recorded";
    return config->trusted_proxy_count > 0
               ? "recorded, of clients behind trusted proxies as X-Forwarded-For says them"
               : "addresses are not recorded: start with --peer-addresses";
}

static const char *recorder_note(const struct config *config) {
    if (config->recorder_mib == 0)
        return "off: start with --recorder-mib 4";
    return config->obituaries == 0 ? "on, without obituaries: start with --obituaries 1024" : "on";
}

static json_t *answer_json(const struct control_config *config, const struct lives_request *request,
                           struct control_lives *lives, bool is_dead) {
    struct dates dates = {clock_realtime_ns() - clock_monotonic_ns()};
    json_t *list = json_array();
    qsort(lives->lives, lives->life_count, sizeof(*lives->lives), by_time);
    for (uint32_t i = 0; i < lives->life_count && i < request->limit; i++)
        json_array_append_new(list, is_dead ? obituary_json(&lives->lives[i], &dates)
                                            : connection_json(&lives->lives[i], &dates));
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:o, s:o}", "recorder", recorder_note(config->config), "addresses",
        addresses_note(config->config), is_dead ? "ended_total" : "open_total",
        (json_int_t)lives->total, "shown", (json_int_t)json_array_size(list), "cores_silent",
        control_answer_silent(lives->cores_silent), is_dead ? "obituaries" : "connections", list);
}

static enum MHD_Result answer_lives(struct MHD_Connection *connection,
                                    const struct control_config *config, bool is_dead) {
    struct lives_request request;
    if (!read_request(connection, &request))
        return control_answer_error(connection, MHD_HTTP_BAD_REQUEST, "%s\n", request.error);
    struct control_lives lives = {.lives_max = request.limit};
    size_t count = (size_t)request.limit * control_port_core_count(config->gateway) + 1;
    lives.lives = calloc(count, sizeof(*lives.lives));
    if (!lives.lives)
        return MHD_NO;
    if (is_dead)
        control_port_obituaries(config->gateway, &request.who, &lives);
    else
        control_port_connections(config->gateway, &request.who, &lives);
    json_t *root = answer_json(config, &request, &lives, is_dead);
    free(lives.lives);
    return control_answer_json(connection, MHD_HTTP_OK, root);
}

enum MHD_Result control_lives_obituaries(struct MHD_Connection *connection,
                                         const struct control_config *config) {
    return answer_lives(connection, config, true);
}

enum MHD_Result control_lives_connections(struct MHD_Connection *connection,
                                          const struct control_config *config) {
    return answer_lives(connection, config, false);
}

enum MHD_Result control_lives_actors(struct MHD_Connection *connection,
                                     const struct control_config *config) {
    struct control_kinds *kinds = calloc(1, sizeof(*kinds));
    if (!kinds)
        return MHD_NO;
    control_port_actors(config->gateway, kinds);
    json_t *list = json_array();
    for (uint32_t i = 0; i < kinds->kind_count; i++) {
        const struct control_kind *kind = &kinds->kinds[i];
        json_array_append_new(
            list, json_pack("{s:i, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "core",
                            (int)kind->core, "name", kind->name, "kind", (int)kind->kind, "version",
                            (int)kind->version, "count", (json_int_t)kind->count, "high_water",
                            (json_int_t)kind->high_water, "slots_max", (json_int_t)kind->slots_max,
                            "slot_bytes", (json_int_t)kind->slot_size, "mail_waiting",
                            (json_int_t)kind->mailbox_total, "mailbox_fullest",
                            (json_int_t)kind->mailbox_fullest, "mailbox_max",
                            (json_int_t)kind->mailbox_max));
    }
    json_t *root = json_pack("{s:o, s:o}", "cores_silent",
                             control_answer_silent(kinds->cores_silent), "actors", list);
    free(kinds);
    return control_answer_json(connection, MHD_HTTP_OK, root);
}
