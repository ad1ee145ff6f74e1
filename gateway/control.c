// One server per address; the page server is the same with fewer routes. The library calls
// on_request first with the headers alone, where what is refused is answered at once (it closes the
// connection then), and again at the end of the request, where the rest is (it keeps it).
#include "gateway/control.h"

#include "gateway/console/assets.h"
#include "gateway/control_actor.h"
#include "gateway/control_answer.h"
#include "gateway/control_info.h"
#include "gateway/control_lives.h"
#include "gateway/control_port.h"
#include "gateway/control_request.h"
#include "gateway/control_move.h"
#include "gateway/control_trace.h"
#include "gateway/control_traffic.h"
#include "gateway/host_port.h"
#include "gateway/metrics.h"
#include "sched/base/clock.h"

#include <jansson.h>
#include <microhttpd.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOMS_DEFAULT 100
#define ROOMS_MAX 10000
#define ROOM_PATH "/rooms/"
#define WEBSOCKET_PATH "/socket/websocket" // phoenix.js appends "/websocket" to the mount
#define TREE_TYPE "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
// The channel between threads is for MHD_quiesce_daemon.
#define SERVER_FLAGS                                                                               \
    (MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG)

_Static_assert(CONTROL_ERROR_SIZE >= HOST_PORT_ERROR_SIZE, "it explains into the caller's buffer");

struct server {
    struct MHD_Daemon *daemon;
    const struct control *control;
    struct config_address address;
    bool page_only;
};

struct control {
    struct control_config config;
    struct server main;
    struct server page;
};

// --- Routes ---

static const char *header_of(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result answer_asset(struct MHD_Connection *connection,
                                    const struct console_asset *asset) {
    bool gzip =
        control_request_accepts_gzip(header_of(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING));
    const char *seen = header_of(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
    bool is_known = control_request_has_etag(seen, asset->etag);
    const uint8_t *data = gzip ? asset->data : asset->raw;
    size_t size = is_known ? 0 : gzip ? asset->size : asset->raw_size;
    // Persistent memory is never written by the library; its parameter lacks the const.
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    control_answer_header(response, MHD_HTTP_HEADER_ETAG, asset->etag);
    control_answer_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    control_answer_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (gzip && !is_known)
        control_answer_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    return control_answer(connection, is_known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response,
                          asset->content_type, CONSOLE_CONTENT_SECURITY_POLICY);
}

// The data port that a browser at this page can reach: on loopback for a loopback page, else one
// beyond it where there is one.
static uint16_t data_port(const struct config *config, const char *host) {
    static const struct config_address none = {.port = 1};
    bool page_is_local = control_request_host_is_local(host, &none);
    for (uint32_t i = 0; i < config->listen_count; i++)
        if (config_address_is_loopback(&config->listen[i]) == page_is_local)
            return config->listen[i].port;
    return config->listen[0].port;
}

static enum MHD_Result answer_config(struct MHD_Connection *connection,
                                     const struct control *control) {
    uint16_t port = data_port(control->config.config, header_of(connection, MHD_HTTP_HEADER_HOST));
    return control_answer_json(connection, MHD_HTTP_OK,
                               json_pack("{s:s, s:n, s:i, s:s}", "version", FAIRLEAD_VERSION,
                                         "websocket_url", "port", port, "path", WEBSOCKET_PATH));
}

static json_t *death_json(const struct heart_death *death) {
    char at[24];
    time_t died = (time_t)death->died_s;
    struct tm utc;
    gmtime_r(&died, &utc);
    strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_pack("{s:s, s:s, s:s, s:I, s:b}", "at", at, "reason", death->reason, "cause",
                     death->cause, "uptime_ms", (json_int_t)(death->uptime_ns / NS_PER_MS),
                     "core_dumped", death->core_dumped);
}

// That this process lives, and how the one before it died.
static json_t *health_json(const struct heart_report *heart) {
    json_t *root = json_pack("{s:s, s:b}", "state", "alive", "supervised", heart != NULL);
    if (!heart)
        return root;
    json_object_set_new(root, "restarts", json_integer(heart->restarts));
    json_object_set_new(root, "last_death",
                        heart->restarts > 0 ? death_json(&heart->last) : json_null());
    return root;
}

static enum MHD_Result answer_ready(struct MHD_Connection *connection,
                                    const struct control *control) {
    void *gateway = control->config.gateway;
    uint64_t connections = 0, connections_max = control->config.plan->connections_max;
    bool is_draining = control_port_is_draining(gateway);
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++)
        connections += counter_read(control_port_counters(gateway, core), COUNTER_CONNECTIONS);
    bool is_full = connections * 100 >= connections_max * 95;
    const char *state = is_draining ? "draining" : is_full ? "full" : "ready";
    return control_answer_json(
        connection, is_draining || is_full ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
        json_pack("{s:s, s:I, s:I}", "state", state, "connections", (json_int_t)connections,
                  "connections_max", (json_int_t)connections_max));
}

static json_t *room_json(const struct control_room *room) {
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%" PRIu64, room->epoch); // as in the join reply
    return json_pack("{s:s%, s:i, s:s, s:I, s:i, s:i, s:b, s:s, s:I, s:I}", "name", room->name,
                     (size_t)room->name_size, "home_core", (int)room->home_core, "epoch", epoch,
                     "seq", (json_int_t)room->sequence, "users", (int)room->users, "connections",
                     (int)room->connections, "retained", room->is_retained, "presence",
                     room->presence ? room->presence : "", "relayed", (json_int_t)room->relayed,
                     "lost", (json_int_t)room->lost);
}

static enum MHD_Result answer_rooms(struct MHD_Connection *connection,
                                    const struct control *control) {
    const char *limit = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "limit");
    struct control_rooms rooms = {.rooms_max = ROOMS_DEFAULT};
    if (limit) {
        char *end;
        unsigned long value = strtoul(limit, &end, 10);
        if (*limit < '0' || *limit > '9' || *end || value > ROOMS_MAX)
            return control_answer_error(connection, MHD_HTTP_BAD_REQUEST,
                                        "limit: a whole number from 0 to %d is allowed\n",
                                        ROOMS_MAX);
        rooms.rooms_max = (uint32_t)value;
    }
    rooms.rooms = calloc(rooms.rooms_max + 1, sizeof(*rooms.rooms));
    if (!rooms.rooms)
        return MHD_NO;
    control_port_rooms(control->config.gateway, &rooms);
    json_t *list = json_array();
    for (uint32_t i = 0; i < rooms.room_count; i++)
        json_array_append_new(list, room_json(&rooms.rooms[i]));
    free(rooms.rooms);
    return control_answer_json(connection, MHD_HTTP_OK,
                               json_pack("{s:I, s:i, s:o, s:o}", "rooms_total",
                                         (json_int_t)rooms.rooms_total, "shown",
                                         (int)rooms.room_count, "cores_silent",
                                         control_answer_silent(rooms.cores_silent), "rooms", list));
}

// Shows one room, or ends it and shows what it was.
static enum MHD_Result answer_room(struct MHD_Connection *connection, const struct control *control,
                                   const char *escaped, bool is_end) {
    struct control_room room = {0};
    uint8_t name[CONTROL_ROOM_NAME_SIZE_MAX];
    int size = control_request_name(escaped, name, sizeof(name));
    if (size <= 0)
        return control_answer_error(connection, MHD_HTTP_NOT_FOUND,
                                    "a room's name has 1 to 128 bytes\n");
    struct bytes bytes = bytes_of(name, (size_t)size);
    void *gateway = control->config.gateway;
    switch (is_end ? control_port_room_end(gateway, bytes, &room)
                   : control_port_room(gateway, bytes, &room)) {
    case CONTROL_FOUND:
        return control_answer_json(connection, MHD_HTTP_OK, room_json(&room));
    case CONTROL_NOT_FOUND:
        return control_answer_error(connection, MHD_HTTP_NOT_FOUND, "there is no such room\n");
    case CONTROL_SILENT:
        return control_answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                    "core %u did not answer within %d ms\n", room.home_core,
                                    CONTROL_ANSWER_MS);
    }
    UNREACHABLE();
}

static enum MHD_Result answer_tree(struct MHD_Connection *connection,
                                   const struct control *control) {
    void *gateway = control->config.gateway;
    char tree[CONTROL_TREE_SIZE];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return MHD_NO;
    for (uint32_t core = 0; core < control_port_core_count(gateway); core++) {
        fprintf(out, "%score %u\n", core > 0 ? "\n" : "", core);
        if (control_port_tree(gateway, core, tree))
            fputs(tree, out);
        else
            fprintf(out, "did not answer within %d ms\n", CONTROL_ANSWER_MS);
    }
    if (fclose(out) != 0 || !text)
        return MHD_NO;
    return control_answer_text(connection, MHD_HTTP_OK, text, size, TREE_TYPE);
}

static enum MHD_Result answer_metrics(struct MHD_Connection *connection,
                                      const struct control *control) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return MHD_NO;
    metrics_print(out, control->config.gateway, control->config.plan, control->config.heart);
    if (fclose(out) != 0 || !text)
        return MHD_NO;
    return control_answer_text(connection, MHD_HTTP_OK, text, size, METRICS_TYPE);
}

static bool is_below(const char *path, const char *folder) {
    return strncmp(path, folder, strlen(folder)) == 0;
}

static enum MHD_Result route(struct MHD_Connection *connection, const struct server *server,
                             const char *path, const char *method) {
    const struct control *control = server->control;
    const struct console_asset *asset = console_asset_lookup(path);
    if (asset)
        return answer_asset(connection, asset);
    if (strcmp(path, "/config.json") == 0)
        return answer_config(connection, control);
    if (server->page_only)
        return control_answer_error(connection, MHD_HTTP_NOT_FOUND, "not found\n");
    if (strcmp(path, "/healthz") == 0)
        return control_answer_json(connection, MHD_HTTP_OK, health_json(control->config.heart));
    if (strcmp(path, "/readyz") == 0)
        return answer_ready(connection, control);
    if (strcmp(path, "/metrics") == 0)
        return answer_metrics(connection, control);
    if (strcmp(path, "/info") == 0)
        return control_info_answer(connection, &control->config, control_bound_port(control));
    if (strcmp(path, "/rooms") == 0)
        return answer_rooms(connection, control);
    bool is_end = strcmp(method, MHD_HTTP_METHOD_DELETE) == 0;
    if (is_below(path, ROOM_PATH))
        return answer_room(connection, control, path + strlen(ROOM_PATH), is_end);
    if (is_below(path, CONTROL_ACTOR_PATH))
        return control_actor(connection, &control->config, path + strlen(CONTROL_ACTOR_PATH),
                             is_end);
    if (strcmp(path, "/obituaries") == 0)
        return control_lives_obituaries(connection, &control->config);
    if (strcmp(path, "/connections") == 0)
        return control_lives_connections(connection, &control->config);
    if (strcmp(path, CONTROL_MOVE_PATH) == 0)
        return control_move_answer(connection, &control->config);
    if (strcmp(path, "/actors") == 0)
        return control_lives_actors(connection, &control->config);
    if (strcmp(path, "/trace") == 0)
        return control_trace_answer(connection, &control->config, method);
    if (strcmp(path, CONTROL_TRAFFIC_PATH) == 0)
        return control_traffic_answer(connection, &control->config, method);
    if (strcmp(path, "/tree") == 0)
        return answer_tree(connection, control);
    return control_answer_error(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

static const char *methods_of(const struct server *server, const char *path) {
    if (!server->page_only && strcmp(path, "/trace") == 0)
        return CONTROL_TRACE_METHODS;
    if (!server->page_only && strcmp(path, CONTROL_TRAFFIC_PATH) == 0)
        return CONTROL_TRAFFIC_METHODS;
    if (!server->page_only && strcmp(path, CONTROL_MOVE_PATH) == 0)
        return CONTROL_MOVE_METHODS;
    // No page of another origin can send a DELETE: it would have to ask first, by OPTIONS.
    bool may_end =
        !server->page_only && (is_below(path, ROOM_PATH) || is_below(path, CONTROL_ACTOR_PATH));
    return may_end ? "GET, HEAD, DELETE" : "GET, HEAD";
}

static bool has_method(const char *methods, const char *method) {
    const char *at = strstr(methods, method);
    size_t size = strlen(method);
    return at && size > 0 && (at == methods || at[-1] == ' ') &&
           (at[size] == ',' || at[size] == '\0');
}

static bool has_body(struct MHD_Connection *connection) {
    const char *size = header_of(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return header_of(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
           (size && strcmp(size, "0") != 0);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_size, void **request) {
    const struct server *server = context;
    const char *host = header_of(connection, MHD_HTTP_HEADER_HOST);
    if (!server->control->config.config->allow_anonymous &&
        !control_request_host_is_local(host, &server->address))
        return control_answer_error(
            connection, MHD_HTTP_FORBIDDEN,
            "This is a control plane for this machine: ask it by the name localhost "
            "or by its address (or start it with --allow-anonymous).\n");
    const char *methods = methods_of(server, path);
    if (!has_method(methods, method))
        return control_answer_not_allowed(connection, methods);
    if (has_body(connection))
        return control_answer_error(connection, MHD_HTTP_CONTENT_TOO_LARGE,
                                    "no body is taken here\n");
    if (!*request) {
        *request = context; // any address but NULL: the headers were seen
        return MHD_YES;
    }
    return route(connection, server, path, method);
}

// --- Start and stop ---

// Room names are decoded where they are looked up, strictly; the library would cut at %00.
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
    return strlen(text);
}

static void on_library_log(void *context, const char *format, va_list arguments) {
    char text[256];
    vsnprintf(text, sizeof(text), format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_line(LOG_DEBUG, "event=control_http text=\"%s\"", text);
}

// Takes `fd`.
static bool server_open(struct server *server, const char *option, int fd, char *error) {
    server->daemon = MHD_start_daemon(
        SERVER_FLAGS, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_library_log,
        NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)CONTROL_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned int)CONTROL_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONTROL_MEMORY_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_END);
    if (server->daemon)
        return true;
    close(fd);
    host_port_explain(option, &server->address, ENOMEM, error);
    return false;
}

struct control *control_open(const struct control_config *config, char *error) {
    struct control *control = calloc(1, sizeof(*control));
    if (!control) {
        snprintf(error, CONTROL_ERROR_SIZE, "no memory for the control plane");
        return NULL;
    }
    control->config = *config;
    control->main = (struct server){.control = control, .address = config->config->control};
    control->page =
        (struct server){.control = control, .address = config->config->page, .page_only = true};
    bool good = server_open(&control->main, "control", config->listen_fd, error);
    if (config->page_fd > 0) // also when the first did not open: it is taken
        good &= server_open(&control->page, "page", config->page_fd, error);
    if (good)
        return control;
    control_close(control);
    return NULL;
}

// A daemon that is stopped shuts its listening socket down, for everybody who has it: it is taken
// away before, because a supervisor's next gateway is to go on with it.
static void server_close(struct server *server) {
    if (!server->daemon)
        return;
    int fd = MHD_quiesce_daemon(server->daemon);
    MHD_stop_daemon(server->daemon);
    if (fd >= 0)
        close(fd);
}

void control_close(struct control *control) {
    server_close(&control->page);
    server_close(&control->main);
    free(control);
}

uint16_t control_bound_port(const struct control *control) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(control->main.daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info && info->port)
        return info->port;
    struct sockaddr_in6 sockaddr; // the port stands at the same place in both families
    socklen_t size = sizeof(sockaddr);
    info = MHD_get_daemon_info(control->main.daemon, MHD_DAEMON_INFO_LISTEN_FD);
    CHECK(getsockname(info->listen_fd, (struct sockaddr *)&sockaddr, &size) == 0);
    return ntohs(sockaddr.sin6_port);
}
