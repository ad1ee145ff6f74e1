#include "gateway/control_actor.h"

#include "gateway/control_answer.h"
#include "gateway/control_port.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *state_of(const struct control_actor_info *actor) {
    if (actor->is_doomed)
        return "ending";
    if (actor->is_moving)
        return "moving";
    if (actor->is_paused)
        return "paused";
    return actor->is_ready ? "ready" : "idle";
}

static json_t *actor_json(const struct control_actor_info *actor) {
    json_t *supervisor =
        actor->supervisor ? json_sprintf("%016" PRIx64, actor->supervisor) : json_null();
    return json_pack(
        "{s:o, s:i, s:s, s:i, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "pid",
        json_sprintf("%016" PRIx64, actor->pid), "core", (int)actor->core, "name", actor->name,
        "version", (int)actor->version, "state", state_of(actor), "supervisor", supervisor,
        "mail_waiting", (json_int_t)actor->mailbox_count, "links", (json_int_t)actor->link_count,
        "monitors", (json_int_t)actor->monitor_count, "monitored_by",
        (json_int_t)actor->monitored_count, "timed_messages", (json_int_t)actor->timed_count);
}

enum MHD_Result control_actor(struct MHD_Connection *connection,
                              const struct control_config *config, const char *pid, bool is_end) {
    size_t size = strlen(pid);
    if (size < 1 || size > 16 || strspn(pid, "0123456789abcdefABCDEF") != size)
        return control_answer_error(connection, MHD_HTTP_BAD_REQUEST,
                                    "pid: 1 to 16 hexadecimal digits, as in /tree\n");
    struct control_actor_info actor = {.pid = strtoull(pid, NULL, 16)};
    switch (control_port_actor(config->gateway, &actor, is_end)) {
    case CONTROL_FOUND:
        return control_answer_json(connection, MHD_HTTP_OK, actor_json(&actor));
    case CONTROL_NOT_FOUND:
        return control_answer_error(connection, MHD_HTTP_NOT_FOUND, "there is no such actor\n");
    case CONTROL_SILENT:
        return control_answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                                    "core %u did not answer within %d ms\n", actor.core,
                                    CONTROL_ANSWER_MS);
    }
    UNREACHABLE();
}
