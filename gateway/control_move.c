#include "gateway/control_move.h"

#include "gateway/control_answer.h"
#include "gateway/control_port.h"
#include "gateway/control_request.h"

#include <stdlib.h>

static const char *argument(struct MHD_Connection *connection, const char *name) {
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

// NULL: it is good; else the cause and the cure.
static const char *read_who(struct MHD_Connection *connection, struct control_who *who) {
    const char *user = argument(connection, "user"), *pid = argument(connection, "pid");
    if (!!user + !!pid != 1)
        return "one of user=NAME and pid=HEX says who is to move";
    if (pid)
        return control_request_pid(pid, &who->pid)
                   ? NULL
                   : "pid: 1 to 16 hexadecimal digits, as in /connections";
    int size = control_request_name(user, who->user, sizeof(who->user));
    who->user_size = size > 0 ? (uint32_t)size : 0;
    return size > 0 ? NULL : "user: a name has 1 to 64 bytes";
}

enum MHD_Result control_move_answer(struct MHD_Connection *connection,
                                    const struct control_config *config) {
    struct control_move move = {0};
    if (control_answer_is_foreign(connection, config->config))
        return control_answer_error(connection, MHD_HTTP_FORBIDDEN,
                                    "the Origin is of another site: connections are moved by this "
                                    "control plane's own pages and by tools\n");
    const char *cause = read_who(connection, &move.who);
    if (cause)
        return control_answer_error(connection, MHD_HTTP_BAD_REQUEST, "%s\n", cause);
    uint32_t core_count = control_port_core_count(config->gateway);
    const char *to = argument(connection, "to");
    char *end = NULL;
    unsigned long core = to ? strtoul(to, &end, 10) : 0;
    if (!to || *to < '0' || *to > '9' || *end || core >= core_count)
        return control_answer_error(connection, MHD_HTTP_BAD_REQUEST,
                                    "to: the core to move to, 0 to %u\n", core_count - 1);
    move.to_core = (uint32_t)core;
    control_port_move(config->gateway, &move);
    if (move.found > 0 && move.found == move.mqtt)
        return control_answer_error(connection, MHD_HTTP_CONFLICT,
                                    "MQTT connections stay on the core of their client identifier: "
                                    "their sessions live there\n");
    if (move.found == 0)
        return control_answer_error(connection, MHD_HTTP_NOT_FOUND,
                                    "nobody of that name is on another core\n");
    return control_answer_json(connection, MHD_HTTP_OK,
                               json_pack("{s:i, s:i, s:i, s:o}", "found", (int)move.found, "begun",
                                         (int)move.begun, "mqtt_stay", (int)move.mqtt,
                                         "cores_silent", control_answer_silent(move.cores_silent)));
}
