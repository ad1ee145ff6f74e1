// CONNECT, checked in the order in which a client can mend it: protocol and version, then who it
// is, then what it asks for. Only after all of that it is moved to its client id's home, and only
// there anything is made of it.
#include "gateway/mqtt_greeting.h"

#include <errno.h>

#include "gateway/conn_move.h"
#include "gateway/mqtt_conn.h"
#include "gateway/wire/mqtt_topic.h"
#include "gateway/wire/phoenix.h"
#include "sched/registry.h"

#define MADE_ID_SIZE 32
#define CONNACK_BYTES_MAX 256
#define CAUSE_BYTES_MAX 128
#define PROTOCOL_NAME_SIZE 6 // "MQTT" with its length; the version's byte follows

_Static_assert(CHAT_USER_BYTES_MAX == TEXT_BYTES_MAX, "a user is a text");

// --- CONNACK -------------------------------------------------------------------------------------

static void count_refusal(struct gateway *gateway, enum mqtt_reason reason) {
    switch ((unsigned)reason) {
    case MQTT_UNSUPPORTED_PROTOCOL_VERSION:
        gateway_count(gateway, COUNTER_MQTT_REFUSED_VERSION);
        return;
    case MQTT_CLIENT_ID_NOT_VALID:
    case MQTT_BAD_USER_NAME_OR_PASSWORD:
    case MQTT_BAD_AUTHENTICATION_METHOD:
    case MQTT_NOT_AUTHORIZED:
        gateway_count(gateway, COUNTER_MQTT_REFUSED_IDENTITY);
        return;
    case MQTT_SERVER_BUSY:
    case MQTT_SERVER_UNAVAILABLE:
    case MQTT_QUOTA_EXCEEDED:
        gateway_count(gateway, COUNTER_MQTT_REFUSED_FULL);
        return;
    default:
        gateway_count(gateway, COUNTER_MQTT_REFUSED_OTHER);
    }
    if (reason == MQTT_MALFORMED_PACKET)
        gateway_count(gateway, COUNTER_MQTT_MALFORMED);
}

struct refusal {
    uint8_t version;           // as in the CONNECT
    uint32_t packet_bytes_max; // that the client takes; 0: no bound
    enum mqtt_reason reason;
    const char *cause;
};

// 1011, 1013 or 1008, behind the CONNACK.
static uint16_t close_code_of(enum mqtt_reason reason) {
    return reason == MQTT_SERVER_BUSY || reason == MQTT_SERVER_UNAVAILABLE
               ? WEBSOCKET_CLOSE_TRY_AGAIN_LATER
               : WEBSOCKET_CLOSE_POLICY;
}

static void refuse(struct gateway *gateway, uint32_t index, const struct refusal *refusal) {
    bool is_5 = refusal->version >= MQTT_5;
    struct mqtt_connack connack = {.version = is_5 ? MQTT_5 : MQTT_3_1_1,
                                   .code = is_5 ? (uint8_t)refusal->reason
                                                : mqtt_connack_code_3_1_1(refusal->reason)};
    struct bytes cause = bytes_from_string(refusal->cause);
    uint8_t packet[CONNACK_BYTES_MAX];
    if (is_5 && cause.size <= CAUSE_BYTES_MAX)
        MQTT_PROPERTIES_SET(&connack.properties, reason_string, cause);
    struct writer w = writer_on(packet, sizeof(packet));
    mqtt_encode_connack(&w, &connack);
    if (refusal->packet_bytes_max > 0 && w.size > refusal->packet_bytes_max) {
        connack.properties = (struct mqtt_properties){0}; // [MQTT-3.2.2-19]
        w = writer_on(packet, sizeof(packet));
        mqtt_encode_connack(&w, &connack);
    }
    count_refusal(gateway, refusal->reason);
    gateway_record(gateway, index, RECORDER_MQTT_REFUSED, refusal->reason);
    mqtt_conn_send(gateway, index, writer_bytes(&w));
    conn_close(gateway, index,
               &(struct conn_farewell){.code = close_code_of(refusal->reason),
                                       .reason = cause,
                                       .counter = COUNTER_CLOSED_MQTT_REFUSED,
                                       .mqtt = (uint8_t)refusal->reason});
}

void mqtt_greeting_refuse(struct gateway *gateway, uint32_t index, uint8_t version,
                          enum mqtt_reason reason, const char *cause) {
    refuse(gateway, index, &(struct refusal){version, 0, reason, cause});
}

// A CONNECT that cannot be read: 5.0 is told [MQTT-3.1.4-2]; 3.1.1 wants no CONNACK [3.1.1:
// MQTT-3.1.4-1], except for a version that is not spoken here.
static void refuse_unread(struct gateway *gateway, uint32_t index, const struct refusal *error) {
    if (error->version >= MQTT_5 || error->reason == MQTT_UNSUPPORTED_PROTOCOL_VERSION) {
        refuse(gateway, index, error);
        return;
    }
    count_refusal(gateway, error->reason);
    gateway_record(gateway, index, RECORDER_MQTT_REFUSED, error->reason);
    conn_close(gateway, index,
               &(struct conn_farewell){.code = WEBSOCKET_CLOSE_PROTOCOL_ERROR,
                                       .reason = bytes_from_string(error->cause),
                                       .counter = COUNTER_CLOSED_MQTT_REFUSED,
                                       .mqtt = (uint8_t)error->reason});
}

void mqtt_greeting_on_bad_header(struct gateway *gateway, uint32_t index, struct bytes input,
                                 const struct mqtt_error *error) {
    static const uint8_t name[PROTOCOL_NAME_SIZE] = {0, 4, 'M', 'Q', 'T', 'T'};
    uint8_t version = 0;
    size_t at = 1;
    while (at < input.size && at < MQTT_HEADER_BYTES_MAX && input.data[at] & 0x80)
        at++;
    at++;
    if (at + sizeof(name) < input.size && memcmp(input.data + at, name, sizeof(name)) == 0)
        version = input.data[at + sizeof(name)];
    refuse_unread(gateway, index, &(struct refusal){version, 0, error->reason, error->cause});
}

// --- what is asked for ---------------------------------------------------------------------------

static const struct mqtt_error allowed = {MQTT_SUCCESS, NULL};

// MQTT_BAD_USER_NAME_OR_PASSWORD for what cannot be a user of a room; an empty one is none.
static struct mqtt_error check_identity(const struct mqtt_connect *connect) {
    if (mqtt_properties_has(&connect->properties, MQTT_PROPERTY_auth_method))
        return (struct mqtt_error){MQTT_BAD_AUTHENTICATION_METHOD,
                                   "no enhanced authentication is spoken here [MQTT-4.12.0-1]"};
    if (connect->client_id.size > REGISTRY_NAME_BYTES_MAX)
        return (struct mqtt_error){MQTT_CLIENT_ID_NOT_VALID,
                                   "the client identifier is longer than 255 bytes"};
    if (utf8_has_control_character(connect->client_id))
        return (struct mqtt_error){MQTT_CLIENT_ID_NOT_VALID,
                                   "the client identifier holds a control character"};
    if (connect->client_id.size == 0 && connect->version == MQTT_3_1_1 && !connect->is_clean)
        return (struct mqtt_error){MQTT_CLIENT_ID_NOT_VALID,
                                   "no client identifier, and no clean session [MQTT-3.1.3-8]"};
    if (connect->user_name.size > CHAT_USER_BYTES_MAX)
        return (struct mqtt_error){MQTT_BAD_USER_NAME_OR_PASSWORD,
                                   "the user name is longer than 64 bytes"};
    if (utf8_has_control_character(connect->user_name))
        return (struct mqtt_error){MQTT_BAD_USER_NAME_OR_PASSWORD,
                                   "the user name holds a control character"};
    return allowed;
}

// A will goes where a PUBLISH may go.
static struct mqtt_error check_will(const struct mqtt_connect *connect) {
    struct bytes topic = connect->will.topic;
    const struct bytes rooms = BYTES_LITERAL("room/");
    if (!connect->has_will)
        return allowed;
    if (!mqtt_topic_is_name(topic))
        return (struct mqtt_error){MQTT_TOPIC_NAME_INVALID, "the will's topic is no topic name"};
    if (topic.data[0] == '$')
        return (struct mqtt_error){MQTT_TOPIC_NAME_INVALID,
                                   "the will's topic: what begins with $ is read only"};
    if (bytes_starts_with(topic, rooms) && !phoenix_room_is_valid(bytes_skip(topic, rooms.size)))
        return (struct mqtt_error){MQTT_TOPIC_NAME_INVALID,
                                   "the will's topic: a room's name has 1 to 128 bytes, no level"};
    return allowed;
}

// --- accepted ------------------------------------------------------------------------------------

// The user name, else as much of the client identifier as a user has room for.
static struct bytes user_of(const struct mqtt_connect *connect) {
    if (connect->user_name.size > 0)
        return connect->user_name;
    return utf8_prefix(connect->client_id, CHAT_USER_BYTES_MAX);
}

// 3.1.2.11.2; 3.1.1 has clean sessions, and others, which end some day too.
static uint32_t expiry_of(const struct config *config, const struct mqtt_connect *connect) {
    uint32_t max_s = config->mqtt_session_expiry_max_s;
    if (connect->version != MQTT_5)
        return connect->is_clean ? 0 : max_s;
    uint32_t asked_s = connect->properties.session_expiry_s;
    return asked_s < max_s ? asked_s : max_s;
}

// [MQTT-3.2.2-21]; 3.1.1 cannot be told, so what it asks for holds.
static uint16_t keep_alive_of(const struct config *config, const struct mqtt_connect *connect) {
    uint16_t asked_s = connect->keep_alive_s;
    uint16_t max_s = (uint16_t)config->mqtt_keep_alive_max_s;
    if (connect->version != MQTT_5)
        return asked_s;
    return asked_s == 0 || asked_s > max_s ? max_s : asked_s;
}

struct welcome {
    const struct mqtt_connect *connect;
    const struct mqtt_session_start *start;
    bool is_assigned; // the client identifier is ours
    bool is_session_present;
};

// What differs from what the specification takes for granted (3.2.2.3).
static void put_properties(const struct config *config, const struct welcome *welcome,
                           struct mqtt_properties *p) {
    const struct mqtt_connect *connect = welcome->connect;
    if (welcome->start->expiry_s != connect->properties.session_expiry_s)
        MQTT_PROPERTIES_SET(p, session_expiry_s, welcome->start->expiry_s);
    if (config->mqtt_receive_max < UINT16_MAX)
        MQTT_PROPERTIES_SET(p, receive_max, (uint16_t)config->mqtt_receive_max);
    MQTT_PROPERTIES_SET(p, packet_bytes_max, config->message_bytes_max);
    if (welcome->is_assigned)
        MQTT_PROPERTIES_SET(p, assigned_client_id, connect->client_id);
    if (config->mqtt_topic_alias_max > 0)
        MQTT_PROPERTIES_SET(p, topic_alias_max, (uint16_t)config->mqtt_topic_alias_max);
    if (welcome->start->keep_alive_s != connect->keep_alive_s)
        MQTT_PROPERTIES_SET(p, server_keep_alive_s, welcome->start->keep_alive_s);
}

static size_t encode_welcome(const struct config *config, const struct welcome *welcome,
                             struct writer *w) {
    struct mqtt_connack connack = {.version = welcome->connect->version,
                                   .is_session_present = welcome->is_session_present};
    if (connack.version == MQTT_5)
        put_properties(config, welcome, &connack.properties);
    mqtt_encode_connack(w, &connack);
    return w->size;
}

// The CONNACK is queued before anything that the session has for the client [MQTT-3.2.0-1].
static enum mqtt_next welcome_client(struct gateway *gateway, const struct welcome *welcome) {
    uint32_t index = welcome->start->conn;
    uint32_t session = conn_at(gateway, index)->session;
    uint8_t packet[CONNACK_BYTES_MAX];
    struct writer w = writer_on(packet, sizeof(packet));
    (void)encode_welcome(gateway->parts.config, welcome, &w);
    mqtt_conn_send(gateway, index, writer_bytes(&w));
    if (conn_has(conn_at(gateway, index), CONN_DOOMED)) { // and nothing may come before it
        mqtt_conn_close(gateway, index, MQTT_SERVER_UNAVAILABLE, "out of memory",
                        COUNTER_CLOSED_MEMORY);
        return MQTT_STOP;
    }
    conn_opened_mqtt(gateway, index);
    gateway_count(gateway, COUNTER_MQTT_CONNECTS);
    mqtt_session_resume(gateway, session);
    return conn_state(conn_at(gateway, index)) == CONN_OPEN ? MQTT_NEXT : MQTT_STOP;
}

static void forget_user(struct gateway *gateway, struct conn *conn) {
    text_release(&gateway->users, conn->user);
    conn->user = TEXT_NONE;
}

static enum mqtt_next refused(struct gateway *gateway, uint32_t index,
                              const struct mqtt_connect *connect, const struct mqtt_error *error) {
    refuse(gateway, index,
           &(struct refusal){connect->version, connect->properties.packet_bytes_max, error->reason,
                             error->cause});
    return MQTT_STOP;
}

static enum mqtt_next accept_client(struct gateway *gateway, uint32_t index,
                                    const struct mqtt_connect *connect, bool is_assigned) {
    struct conn *conn = conn_at(gateway, index);
    const struct config *config = gateway->parts.config;
    const struct mqtt_session_start start = {.conn = index,
                                             .connect = connect,
                                             .expiry_s = expiry_of(config, connect),
                                             .keep_alive_s = keep_alive_of(config, connect),
                                             .is_ws = conn_has(conn, CONN_MQTT_WS)};
    struct welcome welcome = {.connect = connect, .start = &start, .is_assigned = is_assigned};
    uint8_t packet[CONNACK_BYTES_MAX];
    struct writer w = writer_on(packet, sizeof(packet));
    uint32_t size_max = connect->properties.packet_bytes_max;
    if (size_max > 0 && encode_welcome(config, &welcome, &w) > size_max) // [MQTT-3.1.2-24]
        return refused(gateway, index, connect,
                       &(struct mqtt_error){MQTT_PACKET_TOO_LARGE,
                                            "a CONNACK is larger than the maximum packet size"});
    conn->user = text_acquire(&gateway->users, user_of(connect));
    CHECK(conn->user != TEXT_NONE); // there is one for every connection
    enum mqtt_reason reason = MQTT_SUCCESS;
    uint32_t session = mqtt_session_start(gateway, &start, &welcome.is_session_present, &reason);
    if (session == SLAB_NONE) {
        forget_user(gateway, conn);
        return refused(gateway, index, connect,
                       &(struct mqtt_error){reason, "no further session can be held here"});
    }
    conn->session = session;
    return welcome_client(gateway, &welcome);
}

// --- CONNECT -------------------------------------------------------------------------------------

// To the client identifier's home; the CONNECT stays undecoded and goes along.
static enum mqtt_next go_home(struct gateway *gateway, uint32_t index,
                              const struct mqtt_connect *connect, uint32_t home) {
    if (conn_move_home(gateway, index, home) != -ESHUTDOWN)
        return MQTT_RETRY; // it moves; or cannot yet, and looks again soon
    return refused(gateway, index, connect,
                   &(struct mqtt_error){MQTT_SERVER_UNAVAILABLE, "the server restarts"});
}

enum mqtt_next mqtt_greeting_on_connect(struct gateway *gateway, uint32_t index,
                                        struct bytes body) {
    struct mqtt_connect connect;
    struct mqtt_error error;
    if (mqtt_decode_connect(body, &connect, &error) != MQTT_OK) {
        uint8_t version = connect.version ? connect.version : connect.version_byte;
        uint32_t size_max = connect.properties.packet_bytes_max; // as far as it could be read
        refuse_unread(gateway, index,
                      &(struct refusal){version, size_max, error.reason, error.cause});
        return MQTT_STOP;
    }
    if (gateway->drain_begin_ns)
        error = (struct mqtt_error){MQTT_SERVER_UNAVAILABLE, "the server restarts"};
    else if (conn_state(conn_at(gateway, index)) == CONN_OVER_LIMIT)
        error = (struct mqtt_error){MQTT_SERVER_BUSY, "all connections are taken"};
    else
        error = check_identity(&connect);
    if (error.reason == MQTT_SUCCESS)
        error = check_will(&connect);
    if (error.reason != MQTT_SUCCESS)
        return refused(gateway, index, &connect, &error);

    uint8_t made[MADE_ID_SIZE];
    bool is_assigned = connect.client_id.size == 0;
    if (is_assigned) { // [MQTT-3.1.3-6], [MQTT-3.2.2-16]
        connect.client_id = mqtt_session_make_client_id(gateway, made);
        return accept_client(gateway, index, &connect, true);
    }
    uint32_t home = mqtt_session_home_core(gateway, connect.client_id);
    if (home != gateway->parts.scheduler->core)
        return go_home(gateway, index, &connect, home);
    return accept_client(gateway, index, &connect, false);
}
