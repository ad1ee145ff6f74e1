#include "gateway/control_info.h"

#include "gateway/control_answer.h"
#include "io/features.h"
#include "sched/base/clock.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

// What the io_uring of this kernel does, and the gateway therefore uses; null: nobody has looked.
static json_t *features_json(const struct features *features) {
    if (!features)
        return json_null();
    json_t *root = json_object();
#define X(name, required, purpose) json_object_set_new(root, #name, json_boolean(features->name));
    FEATURES(X)
#undef X
    return root;
}

static json_t *limits_json(const struct config *config, const struct host_plan *plan) {
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        {"connections_max", plan->connections_max},
        {"connections_per_scheduler", plan->connections_per_scheduler},
        {"descriptors_per_lane", plan->descriptors_per_lane},
        {"rooms_max", config->rooms_max},
        {"channels_per_socket_max", config->channels_per_socket_max},
        {"message_bytes_max", config->message_bytes_max},
        {"out_queue_bytes_max", config->out_queue_bytes_max},
        {"send_buffer_bytes", config->send_buffer_bytes},
        {"idle_timeout_s", config->idle_timeout_s},
        {"handshake_timeout_s", config->handshake_timeout_s},
        {"drain_timeout_s", config->drain_timeout_s},
    };
    json_t *root = json_object();
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        json_object_set_new(root, limits[i].name, json_integer((json_int_t)limits[i].value));
    return root;
}

static json_t *cpus_json(const struct host_plan *plan) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < plan->scheduler_count; i++)
        json_array_append_new(list, json_integer(plan->cpus[i]));
    return list;
}

static void put_address(json_t *list, const struct config_address *address, const char *protocol,
                        const char *path) {
    char text[CONFIG_ADDRESS_TEXT_SIZE];
    json_t *one = json_pack("{s:s, s:s}", "address", config_address_encode(address, text),
                            "protocol", protocol);
    if (path)
        json_object_set_new(one, "path", json_string(path));
    json_array_append_new(list, one);
}

// Every address of --listen speaks every protocol: the first byte and the upgrade's path choose.
static json_t *listen_json(const struct config *config) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < config->listen_count; i++) {
        put_address(list, &config->listen[i], "phoenix", "/socket/websocket");
        put_address(list, &config->listen[i], "mqtt", NULL);
        put_address(list, &config->listen[i], "mqtt-ws", "/mqtt");
        if (config->echo)
            put_address(list, &config->listen[i], "ws-echo", "/echo");
    }
    for (uint32_t i = 0; i < config->listen_mqtt_count; i++)
        put_address(list, &config->listen_mqtt[i], "mqtt", NULL);
    return list;
}

static const char *control_text(const struct config *config, uint16_t port, char *text) {
    struct config_address address = config->control;
    address.port = port;
    return config_address_encode(&address, text);
}

enum MHD_Result control_info_answer(struct MHD_Connection *connection,
                                    const struct control_config *config, uint16_t control_port) {
    const struct host_plan *plan = config->plan;
    struct utsname system = {0};
    char started[CONTROL_ANSWER_TIME_SIZE], control[CONFIG_ADDRESS_TEXT_SIZE];
    uint64_t uptime_ns = clock_monotonic_ns() - config->started_ns;
    control_answer_time(clock_realtime_ns() - uptime_ns, started);
    if (uname(&system) != 0)
        snprintf(system.release, sizeof(system.release), "unknown");
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:i, s:s, s:I, s:s, s:s, s:i, s:o, s:I, s:o, s:o, s:o, s:s}", "name",
        "fairlead", "version", FAIRLEAD_VERSION, "build", FAIRLEAD_BUILD_ID, "pid", (int)getpid(),
        "started", started, "uptime_s", (json_int_t)(uptime_ns / NS_PER_S), "kernel",
        system.release, "machine", system.machine, "schedulers", (int)plan->scheduler_count, "cpus",
        cpus_json(plan), "lanes", (json_int_t)plan->lane_count * plan->scheduler_count, "io_uring",
        features_json(config->features), "limits", limits_json(config->config, plan), "listen",
        listen_json(config->config), "control",
        control_text(config->config, control_port, control));
    return control_answer_json(connection, MHD_HTTP_OK, root);
}
