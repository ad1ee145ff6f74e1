#include "gateway/wire/mqtt_connect.h"

#include "gateway/wire/mqtt_topic.h"

// 3.1.2.3
enum connect_flag {
    FLAG_RESERVED = 1 << 0,
    FLAG_CLEAN = 1 << 1,
    FLAG_WILL = 1 << 2,
    FLAG_WILL_QOS_SHIFT = 3,
    FLAG_WILL_QOS = 3 << FLAG_WILL_QOS_SHIFT,
    FLAG_WILL_RETAIN = 1 << 5,
    FLAG_PASSWORD = 1 << 6,
    FLAG_USER_NAME = 1 << 7,
};

static const struct bytes no_more = {0};

// 3.2.2.2: what a server may answer to a CONNECT [MQTT-3.2.2-8].
static const uint8_t connack_codes[] = {
    MQTT_SUCCESS,
    MQTT_UNSPECIFIED_ERROR,
    MQTT_MALFORMED_PACKET,
    MQTT_PROTOCOL_ERROR,
    MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
    MQTT_UNSUPPORTED_PROTOCOL_VERSION,
    MQTT_CLIENT_ID_NOT_VALID,
    MQTT_BAD_USER_NAME_OR_PASSWORD,
    MQTT_NOT_AUTHORIZED,
    MQTT_SERVER_UNAVAILABLE,
    MQTT_SERVER_BUSY,
    MQTT_BANNED,
    MQTT_BAD_AUTHENTICATION_METHOD,
    MQTT_TOPIC_NAME_INVALID,
    MQTT_PACKET_TOO_LARGE,
    MQTT_QUOTA_EXCEEDED,
    MQTT_PAYLOAD_FORMAT_INVALID,
    MQTT_RETAIN_NOT_SUPPORTED,
    MQTT_QOS_NOT_SUPPORTED,
    MQTT_USE_ANOTHER_SERVER,
    MQTT_SERVER_MOVED,
    MQTT_CONNECTION_RATE_EXCEEDED,
};

// 3.14.2.1, of both directions [MQTT-3.14.2-1].
static const uint8_t disconnect_codes[] = {
    MQTT_SUCCESS,
    MQTT_DISCONNECT_WITH_WILL,
    MQTT_UNSPECIFIED_ERROR,
    MQTT_MALFORMED_PACKET,
    MQTT_PROTOCOL_ERROR,
    MQTT_IMPLEMENTATION_SPECIFIC_ERROR,
    MQTT_NOT_AUTHORIZED,
    MQTT_SERVER_BUSY,
    MQTT_SERVER_SHUTTING_DOWN,
    MQTT_BAD_AUTHENTICATION_METHOD,
    MQTT_KEEP_ALIVE_TIMEOUT,
    MQTT_SESSION_TAKEN_OVER,
    MQTT_TOPIC_FILTER_INVALID,
    MQTT_TOPIC_NAME_INVALID,
    MQTT_RECEIVE_MAXIMUM_EXCEEDED,
    MQTT_TOPIC_ALIAS_INVALID,
    MQTT_PACKET_TOO_LARGE,
    MQTT_MESSAGE_RATE_TOO_HIGH,
    MQTT_QUOTA_EXCEEDED,
    MQTT_ADMINISTRATIVE_ACTION,
    MQTT_PAYLOAD_FORMAT_INVALID,
    MQTT_RETAIN_NOT_SUPPORTED,
    MQTT_QOS_NOT_SUPPORTED,
    MQTT_USE_ANOTHER_SERVER,
    MQTT_SERVER_MOVED,
    MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
    MQTT_CONNECTION_RATE_EXCEEDED,
    MQTT_MAXIMUM_CONNECT_TIME,
    MQTT_SUBSCRIPTION_IDS_NOT_SUPPORTED,
    MQTT_WILDCARDS_NOT_SUPPORTED,
};

// 3.15.2.1 [MQTT-3.15.2-1].
static const uint8_t auth_codes[] = {
    MQTT_SUCCESS,
    MQTT_CONTINUE_AUTHENTICATION,
    MQTT_REAUTHENTICATE,
};

#define CODES_3_1_1_MAX 5u // 3.1.1's table 3.1

static void check_code(struct mqtt_reader *reader, struct bytes codes, uint8_t code) {
    if (memchr(codes.data, code, codes.size) == NULL)
        mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR,
                         "a reason code that this packet cannot have (2.4)");
}

// --- CONNECT -------------------------------------------------------------------------------------

static void read_flags(struct mqtt_reader *reader, struct mqtt_connect *connect) {
    uint8_t flags = mqtt_read_u8(reader);
    connect->is_clean = (flags & FLAG_CLEAN) != 0;
    connect->has_will = (flags & FLAG_WILL) != 0;
    connect->has_user_name = (flags & FLAG_USER_NAME) != 0;
    connect->has_password = (flags & FLAG_PASSWORD) != 0;
    connect->will.qos = flags >> FLAG_WILL_QOS_SHIFT & 3;
    connect->will.is_retained = (flags & FLAG_WILL_RETAIN) != 0;
    if (flags & FLAG_RESERVED)
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET,
                         "CONNECT's reserved flag is set [MQTT-3.1.2-3]");
    if (!connect->has_will && (flags & (FLAG_WILL_QOS | FLAG_WILL_RETAIN)))
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET,
                         "a will's QoS or retain without a will [MQTT-3.1.2-11, -13]");
    if (connect->will.qos > 2)
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET, "a will of QoS 3 [MQTT-3.1.2-12]");
    if (connect->version == MQTT_3_1_1 && connect->has_password && !connect->has_user_name)
        mqtt_reader_fail(reader, MQTT_MALFORMED_PACKET,
                         "a password without a user name [MQTT-3.1.2-22]");
}

static void read_will(struct mqtt_reader *reader, struct mqtt_connect *connect) {
    struct mqtt_will *will = &connect->will;
    if (connect->version == MQTT_5)
        mqtt_properties_decode(reader, MQTT_IN_WILL, &will->properties);
    will->topic = mqtt_read_string(reader);
    will->payload = mqtt_read_binary(reader);
    if (!reader->is_bad && !mqtt_topic_is_name(will->topic))
        mqtt_reader_fail(reader, MQTT_TOPIC_NAME_INVALID,
                         "the will's topic is no topic name [MQTT-4.7.0-1]");
    if (mqtt_properties_has(&will->properties, MQTT_PROPERTY_response_topic) &&
        !mqtt_topic_is_name(will->properties.response_topic))
        mqtt_reader_fail(reader, MQTT_PROTOCOL_ERROR,
                         "a response topic with a wildcard [MQTT-3.3.2-14]");
}

// False: another protocol, or another version of it.
static bool read_protocol(struct mqtt_reader *reader, struct mqtt_connect *connect) {
    struct bytes name = mqtt_read_string(reader);
    connect->version_byte = mqtt_read_u8(reader);
    bool is_mqtt = bytes_equal_string(name, "MQTT");
    bool is_known = connect->version_byte == MQTT_3_1_1 || connect->version_byte == MQTT_5;
    if (is_mqtt && is_known)
        connect->version = connect->version_byte;
    else if (is_mqtt || bytes_equal_string(name, "MQIsdp"))
        mqtt_reader_fail(reader, MQTT_UNSUPPORTED_PROTOCOL_VERSION,
                         "only MQTT 3.1.1 and 5.0 are spoken here [MQTT-3.1.2-2]");
    else
        mqtt_reader_fail(reader, MQTT_UNSUPPORTED_PROTOCOL_VERSION,
                         "the protocol's name is not MQTT [MQTT-3.1.2-1]");
    return connect->version != 0;
}

enum mqtt_status mqtt_decode_connect(struct bytes body, struct mqtt_connect *connect,
                                     struct mqtt_error *error) {
    *connect = (struct mqtt_connect){0};
    struct mqtt_reader reader = mqtt_reader_on(body);
    if (!read_protocol(&reader, connect))
        return mqtt_reader_end(&reader, error);
    read_flags(&reader, connect);
    connect->keep_alive_s = mqtt_read_u16(&reader);
    if (connect->version == MQTT_5)
        mqtt_properties_decode(&reader, MQTT_IN(MQTT_CONNECT), &connect->properties);
    connect->client_id = mqtt_read_string(&reader);
    if (connect->has_will)
        read_will(&reader, connect);
    if (connect->has_user_name)
        connect->user_name = mqtt_read_string(&reader);
    if (connect->has_password)
        connect->password = mqtt_read_binary(&reader);
    const struct mqtt_properties *p = &connect->properties;
    if (mqtt_properties_has(p, MQTT_PROPERTY_auth_data) &&
        !mqtt_properties_has(p, MQTT_PROPERTY_auth_method))
        mqtt_reader_fail(&reader, MQTT_PROTOCOL_ERROR,
                         "authentication data without a method (3.1.2.11.10)");
    return mqtt_reader_end(&reader, error);
}

void mqtt_encode_connect(struct writer *w, const struct mqtt_connect *connect) {
    const struct mqtt_will *will = &connect->will;
    bool is_5 = connect->version == MQTT_5;
    size_t size = 10 + 2 + connect->client_id.size;
    if (is_5)
        size += mqtt_properties_size(&connect->properties, no_more);
    if (connect->has_will)
        size += 4 + will->topic.size + will->payload.size +
                (is_5 ? mqtt_properties_size(&will->properties, no_more) : 0);
    size += connect->has_user_name ? 2 + connect->user_name.size : 0;
    size += connect->has_password ? 2 + connect->password.size : 0;
    mqtt_encode_header(w, MQTT_CONNECT, 0, (uint32_t)size);
    mqtt_put_binary(w, BYTES_LITERAL("MQTT"));
    writer_put_byte(w, connect->version);
    writer_put_byte(
        w, (uint8_t)((connect->is_clean ? FLAG_CLEAN : 0) | (connect->has_will ? FLAG_WILL : 0) |
                     will->qos << FLAG_WILL_QOS_SHIFT | (will->is_retained ? FLAG_WILL_RETAIN : 0) |
                     (connect->has_password ? FLAG_PASSWORD : 0) |
                     (connect->has_user_name ? FLAG_USER_NAME : 0)));
    mqtt_put_u16(w, connect->keep_alive_s);
    if (is_5)
        mqtt_properties_encode(w, &connect->properties, no_more);
    mqtt_put_binary(w, connect->client_id);
    if (connect->has_will && is_5)
        mqtt_properties_encode(w, &will->properties, no_more);
    if (connect->has_will) {
        mqtt_put_binary(w, will->topic);
        mqtt_put_binary(w, will->payload);
    }
    if (connect->has_user_name)
        mqtt_put_binary(w, connect->user_name);
    if (connect->has_password)
        mqtt_put_binary(w, connect->password);
}

// --- CONNACK -------------------------------------------------------------------------------------

uint8_t mqtt_connack_code_3_1_1(enum mqtt_reason reason) {
    if (reason == MQTT_SUCCESS)
        return 0;
    if (reason == MQTT_UNSUPPORTED_PROTOCOL_VERSION)
        return 1;
    if (reason == MQTT_CLIENT_ID_NOT_VALID)
        return 2;
    if (reason == MQTT_BAD_USER_NAME_OR_PASSWORD)
        return 4;
    if (reason == MQTT_NOT_AUTHORIZED || reason == MQTT_BANNED)
        return 5;
    return 3; // server unavailable
}

enum mqtt_status mqtt_decode_connack(struct bytes body, enum mqtt_version version,
                                     struct mqtt_connack *connack, struct mqtt_error *error) {
    *connack = (struct mqtt_connack){.version = (uint8_t)version};
    struct mqtt_reader reader = mqtt_reader_on(body);
    uint8_t flags = mqtt_read_u8(&reader);
    connack->is_session_present = (flags & 1) != 0;
    connack->code = mqtt_read_u8(&reader);
    if (flags > 1)
        mqtt_reader_fail(&reader, MQTT_MALFORMED_PACKET,
                         "CONNACK's reserved flags are set [MQTT-3.2.2-1]");
    if (connack->code != 0 && connack->is_session_present)
        mqtt_reader_fail(&reader, MQTT_PROTOCOL_ERROR,
                         "a refusal with a session present [MQTT-3.2.2-6]");
    if (version == MQTT_5)
        mqtt_properties_decode(&reader, MQTT_IN(MQTT_CONNACK), &connack->properties);
    if (version == MQTT_5)
        check_code(&reader, bytes_of(connack_codes, sizeof(connack_codes)), connack->code);
    else if (connack->code > CODES_3_1_1_MAX)
        mqtt_reader_fail(&reader, MQTT_PROTOCOL_ERROR, "a reserved return code (3.1.1: 3.2.2.3)");
    return mqtt_reader_end(&reader, error);
}

void mqtt_encode_connack(struct writer *w, const struct mqtt_connack *connack) {
    bool is_5 = connack->version == MQTT_5;
    size_t size = 2 + (is_5 ? mqtt_properties_size(&connack->properties, no_more) : 0);
    mqtt_encode_header(w, MQTT_CONNACK, 0, (uint32_t)size);
    writer_put_byte(w, connack->is_session_present);
    writer_put_byte(w, connack->code);
    if (is_5)
        mqtt_properties_encode(w, &connack->properties, no_more);
}

// --- DISCONNECT, AUTH ----------------------------------------------------------------------------

static enum mqtt_status decode_farewell(struct bytes body, uint32_t packet, struct bytes codes,
                                        struct mqtt_farewell *farewell, struct mqtt_error *error) {
    *farewell = (struct mqtt_farewell){0};
    struct mqtt_reader reader = mqtt_reader_on(body);
    if (reader.left.size > 0) // 3.14.2.1: left out, it is 0
        farewell->reason = mqtt_read_u8(&reader);
    if (reader.left.size > 0)
        mqtt_properties_decode(&reader, packet, &farewell->properties);
    check_code(&reader, codes, farewell->reason);
    return mqtt_reader_end(&reader, error);
}

enum mqtt_status mqtt_decode_disconnect(struct bytes body, enum mqtt_version version,
                                        struct mqtt_farewell *farewell, struct mqtt_error *error) {
    if (version == MQTT_5)
        return decode_farewell(body, MQTT_IN(MQTT_DISCONNECT),
                               bytes_of(disconnect_codes, sizeof(disconnect_codes)), farewell,
                               error); // [MQTT-3.14.2-1]
    *farewell = (struct mqtt_farewell){0};
    struct mqtt_reader reader = mqtt_reader_on(body);
    return mqtt_reader_end(&reader, error);
}

enum mqtt_status mqtt_decode_auth(struct bytes body, struct mqtt_farewell *farewell,
                                  struct mqtt_error *error) {
    return decode_farewell(body, MQTT_IN(MQTT_AUTH), bytes_of(auth_codes, sizeof(auth_codes)),
                           farewell, error); // [MQTT-3.15.2-1]
}

void mqtt_encode_farewell(struct writer *w, enum mqtt_type type, enum mqtt_version version,
                          const struct mqtt_farewell *farewell) {
    bool has_properties = farewell->properties.present != 0;
    if (version != MQTT_5 || (farewell->reason == 0 && !has_properties)) {
        mqtt_encode_header(w, type, 0, 0);
        return;
    }
    size_t size = 1 + (has_properties ? mqtt_properties_size(&farewell->properties, no_more) : 0);
    mqtt_encode_header(w, type, 0, (uint32_t)size);
    writer_put_byte(w, farewell->reason);
    if (has_properties)
        mqtt_properties_encode(w, &farewell->properties, no_more);
}
