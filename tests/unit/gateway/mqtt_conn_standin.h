// Sessions, routes, inbox and outbox of MQTT as their headers promise them, as far as a connection
// needs them: what it hands over is written down, what it is answered a test chooses. For tests of
// the connection alone, which link none of the real ones. Header-only: one per test program.
#ifndef FAIRLEAD_TESTS_GATEWAY_MQTT_CONN_STANDIN_H
#define FAIRLEAD_TESTS_GATEWAY_MQTT_CONN_STANDIN_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/mqtt_greeting.h"
#include "gateway/mqtt_inbox.h"
#include "gateway/mqtt_outbox.h"
#include "gateway/mqtt_will.h"

static struct mqtt_standin {
    char log[65536]; // a word per call
    size_t log_size;
    enum mqtt_next publish_answer;
    enum mqtt_next subscribe_answer;
    enum mqtt_reason refusal; // of the next session, MQTT_SUCCESS: none
    bool is_present;
    bool knows_no_ids;
    uint32_t expiry_s; // of the latest session that lost its connection
    uint32_t flushes;  // that a blocked outbox needs
    uint32_t home;     // of all client ids that begin with '@'
    uint32_t core_count;
    const uint8_t *publish_data; // of the latest payload
} standin;

__attribute__((format(printf, 1, 2))) static inline void standin_note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(standin.log + standin.log_size, sizeof(standin.log) - standin.log_size,
                         format, arguments);
    va_end(arguments);
    standin.log_size += (size_t)size;
    if (standin.log_size > sizeof(standin.log) - 1024)
        standin.log_size = 0;
}

// What was written since the last call.
static inline const char *standin_said(void) {
    static char said[sizeof(standin.log)];
    memcpy(said, standin.log, standin.log_size);
    said[standin.log_size] = 0;
    standin.log_size = 0;
    return said;
}

static int standin_init(void *context, void *state, uint32_t index, const void *argument) {
    struct mqtt_session *session = state;
    session->members = SLAB_NONE;
    session->subscriptions = SLAB_NONE;
    return 0;
}

static void standin_handle(void *context, void *state, uint32_t index,
                           const struct message *message) {
}

static void standin_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
}

static const struct behaviour standin_behaviour = {.name = "sessions",
                                                   .kind = KIND_MQTT_SESSION,
                                                   .version = 1,
                                                   .mailbox_max = 16,
                                                   .slot_size = MQTT_SESSION_SLOT_BYTES,
                                                   .init = standin_init,
                                                   .handle = standin_handle,
                                                   .terminate = standin_terminate};

int mqtt_session_open(struct gateway *gateway) {
    return scheduler_register(gateway->parts.scheduler, &standin_behaviour, gateway, 512);
}

void mqtt_session_close(struct gateway *gateway) {
}

uint32_t mqtt_session_home_core(const struct gateway *gateway, struct bytes client_id) {
    if (standin.core_count > 0)
        return client_id.data[client_id.size - 1] % standin.core_count;
    return client_id.data[0] == '@' ? standin.home : gateway->parts.scheduler->core;
}

struct bytes mqtt_session_make_client_id(struct gateway *gateway, uint8_t *text) {
    memcpy(text, "made-here", 9);
    return bytes_of(text, 9);
}

uint32_t mqtt_session_start(struct gateway *gateway, const struct mqtt_session_start *start,
                            bool *is_session_present, enum mqtt_reason *reason) {
    const struct mqtt_connect *connect = start->connect;
    if (standin.refusal != MQTT_SUCCESS) {
        *reason = standin.refusal;
        return SLAB_NONE;
    }
    if (!gateway->parts.scheduler->kinds[KIND_MQTT_SESSION].behaviour)
        CHECK(mqtt_session_open(gateway) == 0);
    uint64_t pid = scheduler_spawn(gateway->parts.scheduler, KIND_MQTT_SESSION, NULL);
    uint32_t index = pid_slot(pid).index;
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    session->conn = start->conn;
    session->actor.state_bits =
        (connect->version == MQTT_5 ? MQTT_SESSION_5 : 0) | (start->is_ws ? MQTT_SESSION_WS : 0);
    session->expiry_s = start->expiry_s;
    session->keep_alive_s = start->keep_alive_s;
    session->packet_bytes_max = connect->properties.packet_bytes_max;
    *is_session_present = standin.is_present;
    struct bytes user = text_bytes(&gateway->users, conn_at(gateway, start->conn)->user);
    standin_note("start %.*s user %.*s expiry %u alive %u; ", (int)connect->client_id.size,
                 (const char *)connect->client_id.data, (int)user.size, (const char *)user.data,
                 start->expiry_s, start->keep_alive_s);
    return index;
}

void mqtt_session_resume(struct gateway *gateway, uint32_t index) {
    standin_note("resume; ");
}

void mqtt_session_on_conn_end(struct gateway *gateway, uint32_t index, enum mqtt_reason reason) {
    standin_note("end %02x; ", reason);
    standin.expiry_s = mqtt_session_at(gateway, index)->expiry_s;
    scheduler_exit(gateway->parts.scheduler, KIND_MQTT_SESSION, index, EXIT_NORMAL);
}

bool mqtt_session_set_expiry(struct gateway *gateway, uint32_t index, uint32_t expiry_s) {
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (session->expiry_s == 0 && expiry_s > 0)
        return false;
    session->expiry_s = expiry_s;
    return true;
}

enum mqtt_next mqtt_routes_publish(struct gateway *gateway, uint32_t session,
                                   const struct mqtt_publish *publish) {
    standin_note("publish %.*s %zu; ", (int)publish->topic.size, (const char *)publish->topic.data,
                 publish->payload.size);
    standin.publish_data = publish->payload.data;
    return standin.publish_answer;
}

enum mqtt_next mqtt_routes_subscribe(struct gateway *gateway, uint32_t session,
                                     const struct mqtt_subscribe *subscribe) {
    standin_note("subscribe %u; ", subscribe->packet_id);
    return standin.subscribe_answer;
}

enum mqtt_next mqtt_routes_unsubscribe(struct gateway *gateway, uint32_t session,
                                       const struct mqtt_subscribe *unsubscribe) {
    standin_note("unsubscribe %u; ", unsubscribe->packet_id);
    return standin.subscribe_answer;
}

enum mqtt_reason mqtt_outbox_on_ack(struct gateway *gateway, uint32_t session, enum mqtt_type type,
                                    const struct mqtt_ack *ack) {
    standin_note("%s %u; ", mqtt_type_name(type), ack->packet_id);
    return MQTT_SUCCESS;
}

void mqtt_outbox_flush(struct gateway *gateway, uint32_t session) {
    standin_note("flush; ");
    if (standin.flushes > 0 && --standin.flushes == 0)
        mqtt_session_at(gateway, session)->actor.state_bits &= ~MQTT_SESSION_BLOCKED & 0xfffu;
}

bool mqtt_inbox_on_pubrel(struct gateway *gateway, uint32_t session, uint16_t packet_id) {
    standin_note("pubrel %u; ", packet_id);
    return !standin.knows_no_ids;
}

#endif
