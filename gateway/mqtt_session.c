// The diagram of a session's life stands in mqtt_session.h; who performs it:
//
//   (none) → online            begin, through mqtt_session_start
//   online → offline           go_offline, through mqtt_session_on_conn_end
//   offline → online           mqtt_session_start, finished by mqtt_session_resume
//   online → online            take_over, within mqtt_session_start
//   online → gone              go_offline with an expiry of 0
//   offline → gone             on_offline_timer, a clean start, mqtt_session_drain
//   any → gone                 a kill
// All ends lead through mqtt_session_terminate, which gives back whatever the session holds.
#include "gateway/mqtt_session.h"

#include <errno.h>

#include "chat/message.h"
#include "gateway/limits.h"
#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_format.h"
#include "gateway/mqtt_inbox.h"
#include "gateway/mqtt_outbox.h"
#include "gateway/mqtt_routes.h"
#include "gateway/mqtt_will.h"
#include "gateway/wire/utf8.h"
#include "sched/base/clock.h"
#include "sched/base/hash.h"

// Sessions that a drain ends in one turn.
#define DRAIN_SLICE 1024

#define BLOCKED_RETRY_MS 50

// "auto-" and 64 bits in hexadecimal: 21 of the 23 bytes that every server takes [MQTT-3.1.3-5].
#define MADE_ID_PREFIX "auto-"

static const struct slab *sessions(const struct gateway *gateway) {
    return &gateway->parts.scheduler->kinds[KIND_MQTT_SESSION].slab;
}

static uint64_t now_s(const struct gateway *gateway) {
    return gateway_now_ns(gateway) / NS_PER_S;
}

static void arm(struct gateway *gateway, uint32_t index, uint64_t at_ns) {
    scheduler_arm(gateway->parts.scheduler, KIND_MQTT_SESSION, index, at_ns);
}

static void end(struct gateway *gateway, uint32_t index) {
    scheduler_exit(gateway->parts.scheduler, KIND_MQTT_SESSION, index, EXIT_NORMAL);
}

static struct bytes id_of(const void *context, uint32_t index) {
    return mqtt_session_client_id(context, index);
}

// --- online and offline --------------------------------------------------------------------------

static void attach(struct gateway *gateway, uint32_t index, uint32_t conn) {
    mqtt_session_at(gateway, index)->conn = conn;
    conn_at(gateway, conn)->session = index;
    scheduler_disarm(gateway->parts.scheduler, KIND_MQTT_SESSION, index);
    counter_add(gateway->parts.counters, COUNTER_MQTT_SESSIONS_ONLINE, 1);
    counter_subtract(gateway->parts.counters, COUNTER_MQTT_SESSIONS_OFFLINE, 1);
}

static void detach(struct gateway *gateway, uint32_t index) {
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (session->conn == SLAB_NONE)
        return;
    conn_at(gateway, session->conn)->session = SLAB_NONE;
    session->conn = SLAB_NONE;
    mqtt_session_unmark(session, MQTT_SESSION_BLOCKED);
    scheduler_disarm(gateway->parts.scheduler, KIND_MQTT_SESSION, index);
    counter_subtract(gateway->parts.counters, COUNTER_MQTT_SESSIONS_ONLINE, 1);
    counter_add(gateway->parts.counters, COUNTER_MQTT_SESSIONS_OFFLINE, 1);
    mqtt_routes_on_offline(gateway, index);
    mqtt_inbox_on_offline(gateway, index);
    mqtt_outbox_on_offline(gateway, index);
}

static void arm_offline(struct gateway *gateway, uint32_t index) {
    uint64_t at_s = mqtt_session_at(gateway, index)->ends_s;
    uint64_t will_s = mqtt_will_due_s(gateway, index);
    arm(gateway, index, (will_s < at_s ? will_s : at_s) * NS_PER_S);
}

// Without connection from now on; perhaps it ends with it (3.1.2.11.2).
static void go_offline(struct gateway *gateway, uint32_t index) {
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (session->expiry_s == 0) {
        end(gateway, index);
        return;
    }
    uint64_t ends_s = now_s(gateway) + session->expiry_s + LIMITS_TIMER_SLACK_S;
    session->ends_s = ends_s < UINT32_MAX ? (uint32_t)ends_s : UINT32_MAX;
    mqtt_routes_readdress(gateway, index);
    if (mqtt_will_delay_s(gateway, index) == 0)
        mqtt_will_publish(gateway, index);
    (void)mqtt_will_wait(gateway, index);
    arm_offline(gateway, index);
}

void mqtt_session_on_conn_end(struct gateway *gateway, uint32_t index, enum mqtt_reason reason) {
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (session->conn == SLAB_NONE)
        return;
    detach(gateway, index);
    if (mqtt_session_has(session, MQTT_SESSION_CLOSING | MQTT_SESSION_PASSING))
        return; // who asked for the end goes on
    if (reason == MQTT_SUCCESS)
        mqtt_will_drop(gateway, index); // [MQTT-3.14.4-3]
    go_offline(gateway, index);
}

bool mqtt_session_set_expiry(struct gateway *gateway, uint32_t index, uint32_t expiry_s) {
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    uint32_t max_s = gateway->parts.config->mqtt_session_expiry_max_s;
    if (session->expiry_s == 0 && expiry_s > 0)
        return false;
    session->expiry_s = expiry_s < max_s ? expiry_s : max_s;
    return true;
}

void mqtt_session_block(struct gateway *gateway, uint32_t index) {
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (session->conn == SLAB_NONE || mqtt_session_has(session, MQTT_SESSION_BLOCKED))
        return;
    mqtt_session_mark(session, MQTT_SESSION_BLOCKED);
    arm(gateway, index, gateway_now_ns(gateway) + BLOCKED_RETRY_MS * NS_PER_MS);
}

// --- CONNECT -------------------------------------------------------------------------------------

// Its connection is told and closed; the session stays as it is without one [MQTT-3.1.4-3].
static void take_over(struct gateway *gateway, uint32_t index) {
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    mqtt_session_mark(session, MQTT_SESSION_PASSING);
    mqtt_conn_close(gateway, session->conn, MQTT_SESSION_TAKEN_OVER,
                    "another connection came with this client id", COUNTER_MQTT_TAKEN_OVER);
    detach(gateway, index); // a connection that was closing already does not tell
    mqtt_session_unmark(session, MQTT_SESSION_PASSING);
}

// The session that a CONNECT of this client id goes on with; SLAB_NONE: a new one begins.
static uint32_t find(struct gateway *gateway, const struct mqtt_connect *connect) {
    uint32_t index =
        mqtt_directory_lookup(&gateway->mqtt_clients, connect->client_id, id_of, gateway);
    if (index == SLAB_NONE)
        return SLAB_NONE;
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    bool was_online = session->conn != SLAB_NONE;
    if (was_online)
        take_over(gateway, index);
    // [MQTT-3.1.2-4]; 3.1.1 [MQTT-3.1.2-6]: with an expiry of 0 it would have ended with the
    // connection.
    if (connect->is_clean || session->expiry_s == 0) {
        end(gateway, index);
        return SLAB_NONE;
    }
    if (was_online && mqtt_will_delay_s(gateway, index) == 0)
        mqtt_will_publish(gateway, index);
    mqtt_will_drop(gateway, index); // [MQTT-3.1.3-9]
    return index;
}

// Client ids hash unevenly, so that a core may hold more than its share: what counts is the sum.
// Cores that begin one at the same moment may each see the last place.
static bool is_process_full(const struct gateway *gateway) {
    const struct gateway_parts *parts = &gateway->parts;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < parts->core_count; i++)
        sum += counter_read(parts->core_counters[i], COUNTER_MQTT_SESSIONS_ONLINE) +
               counter_read(parts->core_counters[i], COUNTER_MQTT_SESSIONS_OFFLINE);
    return parts->mqtt_sessions_total_max > 0 && sum >= parts->mqtt_sessions_total_max;
}

static uint32_t begin(struct gateway *gateway, struct bytes client_id, enum mqtt_reason *reason) {
    struct scheduler *scheduler = gateway->parts.scheduler;
    *reason = MQTT_QUOTA_EXCEEDED;
    if (!slab_is_full(sessions(gateway)) && !is_process_full(gateway)) {
        *reason = MQTT_SERVER_UNAVAILABLE;
        uint64_t pid = scheduler_spawn(scheduler, KIND_MQTT_SESSION, &client_id);
        if (pid != PID_NONE)
            return pid_slot(pid).index;
    }
    gateway_count(gateway, COUNTER_MQTT_SESSIONS_REFUSED);
    return SLAB_NONE;
}

static void take_settings(struct gateway *gateway, uint32_t index,
                          const struct mqtt_session_start *start) {
    struct mqtt_session *session = mqtt_session_at(gateway, index);
    const struct mqtt_connect *connect = start->connect;
    const struct mqtt_properties *properties = &connect->properties;
    uint32_t max_s = gateway->parts.config->mqtt_session_expiry_max_s;
    bool is_5 = connect->version == MQTT_5;
    bool has_receive_max = mqtt_properties_has(properties, MQTT_PROPERTY_receive_max);
    bool refuses_problems = mqtt_properties_has(properties, MQTT_PROPERTY_request_problem_info) &&
                            properties->request_problem_info == 0;
    mqtt_session_unmark(session, MQTT_SESSION_5 | MQTT_SESSION_WS | MQTT_SESSION_PROBLEMS);
    mqtt_session_mark(session, (is_5 ? MQTT_SESSION_5 : 0) | (start->is_ws ? MQTT_SESSION_WS : 0) |
                                   (is_5 && !refuses_problems ? MQTT_SESSION_PROBLEMS : 0));
    session->expiry_s = start->expiry_s < max_s ? start->expiry_s : max_s;
    session->keep_alive_s = start->keep_alive_s;
    session->receive_max = is_5 && has_receive_max ? properties->receive_max : UINT16_MAX;
    // Absent: 0, which is what we take for no bound, and for no alias.
    session->packet_bytes_max = is_5 ? properties->packet_bytes_max : 0;
    session->alias_max = is_5 ? properties->topic_alias_max : 0;
}

uint32_t mqtt_session_start(struct gateway *gateway, const struct mqtt_session_start *start,
                            bool *is_session_present, enum mqtt_reason *reason) {
    const struct mqtt_connect *connect = start->connect;
    uint32_t index = find(gateway, connect);
    *is_session_present = index != SLAB_NONE;
    if (index == SLAB_NONE)
        index = begin(gateway, connect->client_id, reason);
    if (index == SLAB_NONE)
        return SLAB_NONE;
    if (connect->has_will && !mqtt_will_set(gateway, index, &connect->will)) {
        *reason = MQTT_SERVER_UNAVAILABLE;
        gateway_count(gateway, COUNTER_MQTT_SESSIONS_REFUSED);
        if (!*is_session_present)
            end(gateway, index);
        else
            go_offline(gateway, index);
        return SLAB_NONE;
    }
    take_settings(gateway, index, start);
    attach(gateway, index, start->conn);
    if (*is_session_present)
        gateway_count(gateway, COUNTER_MQTT_RESUMED);
    *reason = MQTT_SUCCESS;
    return index;
}

void mqtt_session_resume(struct gateway *gateway, uint32_t index) {
    mqtt_routes_readdress(gateway, index);
    mqtt_outbox_resume(gateway, index);
}

// --- the actor -----------------------------------------------------------------------------------

static int mqtt_session_init(void *context, void *state, uint32_t index, const void *argument) {
    struct gateway *gateway = context;
    struct mqtt_session *session = state;
    struct bytes client_id = *(const struct bytes *)argument;
    session->conn = SLAB_NONE;
    session->members = SLAB_NONE;
    session->subscriptions = SLAB_NONE;
    session->outbox = BLOCK_NONE;
    session->inbox = BLOCK_NONE;
    session->pending = BLOCK_NONE;
    session->will = BLOCK_NONE;
    session->client_id = mqtt_directory_id_acquire(&gateway->mqtt_clients, client_id);
    if (session->client_id == MQTT_ID_NONE)
        return -ENOMEM;
    if (!mqtt_directory_insert(&gateway->mqtt_clients, client_id, index)) {
        mqtt_directory_id_release(&gateway->mqtt_clients, session->client_id);
        return -ENOMEM;
    }
    counter_add(gateway->parts.counters, COUNTER_MQTT_SESSIONS_OFFLINE, 1);
    return 0;
}

static void flush_again(struct gateway *gateway, uint32_t index, struct mqtt_session *session) {
    mqtt_session_unmark(session, MQTT_SESSION_BLOCKED);
    mqtt_outbox_flush(gateway, index);
}

static void on_offline_timer(struct gateway *gateway, uint32_t index,
                             const struct mqtt_session *session) {
    if (now_s(gateway) >= session->ends_s) {
        gateway_count(gateway, COUNTER_MQTT_EXPIRED);
        end(gateway, index);
        return;
    }
    if (now_s(gateway) >= mqtt_will_due_s(gateway, index))
        mqtt_will_publish(gateway, index);
    arm_offline(gateway, index); // the wheel cuts very long times short
}

static void mqtt_session_handle(void *context, void *state, uint32_t index,
                                const struct message *message) {
    struct mqtt_session *session = state;
    if (session->conn != SLAB_NONE)
        flush_again(context, index, session);
    else if (message->type == MESSAGE_TIMER)
        on_offline_timer(context, index, session);
}

static void mqtt_session_terminate(void *context, void *state, uint32_t index,
                                   enum exit_reason reason) {
    struct gateway *gateway = context;
    struct mqtt_session *session = state;
    mqtt_session_mark(session, MQTT_SESSION_CLOSING);
    if (session->conn != SLAB_NONE)
        mqtt_conn_close(gateway, session->conn, MQTT_ADMINISTRATIVE_ACTION,
                        "the session was ended by an operator", COUNTER_MQTT_KILLED);
    detach(gateway, index);
    mqtt_will_publish(gateway, index); // [MQTT-3.1.2-8], unless it was dropped or published before
    mqtt_outbox_release(gateway, index);
    mqtt_inbox_release(gateway, index);
    mqtt_routes_leave_all(gateway, index);
    mqtt_directory_remove(&gateway->mqtt_clients, mqtt_session_client_id(gateway, index), index);
    mqtt_directory_id_release(&gateway->mqtt_clients, session->client_id);
    counter_subtract(gateway->parts.counters, COUNTER_MQTT_SESSIONS_OFFLINE, 1);
}

const struct behaviour mqtt_session_behaviour = {
    .name = "mqtt_sessions",
    .kind = KIND_MQTT_SESSION,
    .version = 1,
    .mailbox_max = 16, // nobody sends to sessions
    .slot_size = MQTT_SESSION_SLOT_BYTES,
    .timer_offset = offsetof(struct mqtt_session, timer),
    .timer_tick_ns = LIMITS_TIMER_TICK_MS * NS_PER_MS,
    .init = mqtt_session_init,
    .handle = mqtt_session_handle,
    .terminate = mqtt_session_terminate,
};

int mqtt_session_open(struct gateway *gateway) {
    const struct gateway_parts *parts = &gateway->parts;
    uint32_t sessions_max = parts->mqtt_sessions_max;
    if (sessions_max == 0)
        sessions_max = parts->connections_max * 2;
    int result = mqtt_directory_init(&gateway->mqtt_clients, parts->ledger, parts->blocks,
                                     sessions_max, parts->rng_seed);
    return result < 0 ? result
                      : scheduler_register(parts->scheduler, &mqtt_session_behaviour, gateway,
                                           sessions_max);
}

void mqtt_session_close(struct gateway *gateway) {
    slab_check_empty(sessions(gateway));
    mqtt_directory_fini(&gateway->mqtt_clients);
}

bool mqtt_session_drain(struct gateway *gateway) {
    const struct slab *slab = sessions(gateway);
    if (slab->used_count == 0 ||
        gateway->parts.scheduler->kinds[KIND_CONNECTION].slab.used_count > 0)
        return false;
    if (gateway->session_cursor >= slab->touched_count)
        gateway->session_cursor = 0;
    for (uint32_t ended = 0; ended < DRAIN_SLICE && gateway->session_cursor < slab->touched_count;
         gateway->session_cursor++) {
        if (!slab_is_used(slab, gateway->session_cursor))
            continue;
        scheduler_exit(gateway->parts.scheduler, KIND_MQTT_SESSION, gateway->session_cursor,
                       EXIT_SHUTDOWN);
        ended++;
    }
    return slab->used_count > 0;
}

// --- names ---------------------------------------------------------------------------------------

// As a room's: by the hash's high half; the directory uses the low one.
uint32_t mqtt_session_home_core(const struct gateway *gateway, struct bytes client_id) {
    const struct chat_config *config = &gateway->parts.chat->config;
    return (uint32_t)((hash_bytes(config->seed, client_id) >> 32) * config->core_count >> 32);
}

struct bytes mqtt_session_make_client_id(struct gateway *gateway, uint8_t *text) {
    static const char digits[] = "0123456789abcdef";
    struct writer w;
    do { // as many tries as there are cores, on average
        uint64_t random = rng_next(&gateway->rng);
        w = writer_on(text, 23);
        writer_put_string(&w, MADE_ID_PREFIX);
        for (uint32_t i = 0; i < 16; i++)
            writer_put_byte(&w, (uint8_t)digits[random >> (60 - 4 * i) & 15]);
    } while (mqtt_session_home_core(gateway, writer_bytes(&w)) != gateway->parts.scheduler->core ||
             mqtt_directory_lookup(&gateway->mqtt_clients, writer_bytes(&w), id_of, gateway) !=
                 SLAB_NONE);
    return writer_bytes(&w);
}

uint64_t mqtt_session_pid(const struct gateway *gateway, uint32_t index) {
    return scheduler_pid(gateway->parts.scheduler, KIND_MQTT_SESSION, index);
}

uint32_t mqtt_session_lookup(const struct gateway *gateway, uint64_t pid) {
    const struct mqtt_session *session =
        pid_kind(pid) == KIND_MQTT_SESSION ? scheduler_lookup(gateway->parts.scheduler, pid) : NULL;
    return session && !mqtt_session_has(session, MQTT_SESSION_CLOSING) ? pid_slot(pid).index
                                                                       : SLAB_NONE;
}

struct bytes mqtt_session_client_id(const struct gateway *gateway, uint32_t index) {
    return mqtt_directory_id(&gateway->mqtt_clients, mqtt_session_at(gateway, index)->client_id);
}

struct bytes mqtt_session_user(const struct gateway *gateway, uint32_t index) {
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (session->conn != SLAB_NONE && conn_at(gateway, session->conn)->user != TEXT_NONE)
        return text_bytes(&gateway->users, conn_at(gateway, session->conn)->user);
    return utf8_prefix(mqtt_session_client_id(gateway, index), CHAT_USER_BYTES_MAX);
}

uint32_t mqtt_session_window(const struct gateway *gateway, uint32_t index) {
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    uint32_t ours = gateway->parts.config->mqtt_inflight_max;
    return session->receive_max < ours ? session->receive_max : ours;
}

uint32_t mqtt_session_format(const struct gateway *gateway, uint32_t index) {
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (mqtt_session_has(session, MQTT_SESSION_WS))
        return mqtt_session_has(session, MQTT_SESSION_5) ? FORMAT_MQTT_5_WS : FORMAT_MQTT_3_WS;
    return mqtt_session_has(session, MQTT_SESSION_5) ? FORMAT_MQTT_5 : FORMAT_MQTT_3;
}

uint32_t mqtt_session_address(const struct gateway *gateway, uint32_t index, bool is_individual) {
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    if (is_individual || session->conn == SLAB_NONE || session->packet_bytes_max > 0)
        return address_of(ADDRESS_EACH, index);
    return address_of(mqtt_session_format(gateway, index), conn_at(gateway, session->conn)->stream);
}
