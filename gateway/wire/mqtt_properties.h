// MQTT 5 properties (2.2.2): one table of all of them with their type and the packets that may have
// them; decoded into one flat struct, encoded from it.
//
// What may occur more than once (user properties, and subscription identifiers of a PUBLISH) is not
// copied: `raw` is the block as it stood, and two walks find them again. Views point into the
// input. Memory: the struct, on the caller's stack. Pure functions, any thread.
#ifndef FAIRLEAD_MQTT_PROPERTIES_H
#define FAIRLEAD_MQTT_PROPERTIES_H

#include "gateway/wire/mqtt.h"

#define MQTT_PROPERTIES_SUBSCRIPTION_ID_MAX MQTT_REMAINING_SIZE_MAX

// Packets as bits of a mask; the will has its own block inside CONNECT.
#define MQTT_IN(type) (1u << (type))
#define MQTT_IN_WILL 1u
#define MQTT_IN_ACKS                                                                               \
    (MQTT_IN(MQTT_PUBACK) | MQTT_IN(MQTT_PUBREC) | MQTT_IN(MQTT_PUBREL) | MQTT_IN(MQTT_PUBCOMP))
#define MQTT_IN_ANSWERS                                                                            \
    (MQTT_IN(MQTT_CONNACK) | MQTT_IN_ACKS | MQTT_IN(MQTT_SUBACK) | MQTT_IN(MQTT_UNSUBACK) |        \
     MQTT_IN(MQTT_DISCONNECT) | MQTT_IN(MQTT_AUTH))
#define MQTT_IN_CONNECTS (MQTT_IN(MQTT_CONNECT) | MQTT_IN(MQTT_CONNACK))
#define MQTT_IN_MESSAGES (MQTT_IN(MQTT_PUBLISH) | MQTT_IN_WILL)

// Table 2-4: X(identifier, field, type, packets). BOOL: a byte of 0 or 1. POSITIVE: 0 is a protocol
// error.
#define MQTT_PROPERTIES(X)                                                                         \
    X(0x01, payload_format, BOOL, MQTT_IN_MESSAGES)                                                \
    X(0x02, message_expiry_s, U32, MQTT_IN_MESSAGES)                                               \
    X(0x03, content_type, STRING, MQTT_IN_MESSAGES)                                                \
    X(0x08, response_topic, STRING, MQTT_IN_MESSAGES)                                              \
    X(0x09, correlation_data, BINARY, MQTT_IN_MESSAGES)                                            \
    X(0x0b, subscription_id, VARIABLE, MQTT_IN(MQTT_PUBLISH) | MQTT_IN(MQTT_SUBSCRIBE))            \
    X(0x11, session_expiry_s, U32, MQTT_IN_CONNECTS | MQTT_IN(MQTT_DISCONNECT))                    \
    X(0x12, assigned_client_id, STRING, MQTT_IN(MQTT_CONNACK))                                     \
    X(0x13, server_keep_alive_s, U16, MQTT_IN(MQTT_CONNACK))                                       \
    X(0x15, auth_method, STRING, MQTT_IN_CONNECTS | MQTT_IN(MQTT_AUTH))                            \
    X(0x16, auth_data, BINARY, MQTT_IN_CONNECTS | MQTT_IN(MQTT_AUTH))                              \
    X(0x17, request_problem_info, BOOL, MQTT_IN(MQTT_CONNECT))                                     \
    X(0x18, will_delay_s, U32, MQTT_IN_WILL)                                                       \
    X(0x19, request_response_info, BOOL, MQTT_IN(MQTT_CONNECT))                                    \
    X(0x1a, response_info, STRING, MQTT_IN(MQTT_CONNACK))                                          \
    X(0x1c, server_reference, STRING, MQTT_IN(MQTT_CONNACK) | MQTT_IN(MQTT_DISCONNECT))            \
    X(0x1f, reason_string, STRING, MQTT_IN_ANSWERS)                                                \
    X(0x21, receive_max, POSITIVE_U16, MQTT_IN_CONNECTS)                                           \
    X(0x22, topic_alias_max, U16, MQTT_IN_CONNECTS)                                                \
    X(0x23, topic_alias, U16, MQTT_IN(MQTT_PUBLISH))                                               \
    X(0x24, maximum_qos, BOOL, MQTT_IN(MQTT_CONNACK))                                              \
    X(0x25, retain_available, BOOL, MQTT_IN(MQTT_CONNACK))                                         \
    X(0x26, user, PAIR, ~0u)                                                                       \
    X(0x27, packet_bytes_max, POSITIVE_U32, MQTT_IN_CONNECTS)                                      \
    X(0x28, wildcards_available, BOOL, MQTT_IN(MQTT_CONNACK))                                      \
    X(0x29, subscription_ids_available, BOOL, MQTT_IN(MQTT_CONNACK))                               \
    X(0x2a, shared_available, BOOL, MQTT_IN(MQTT_CONNACK))

enum mqtt_property {
#define X(id, field, type, packets) MQTT_PROPERTY_##field = (id),
    MQTT_PROPERTIES(X)
#undef X
        MQTT_PROPERTY_COUNT = 0x2b,
};

#define MQTT_FIELD_BOOL(field) uint8_t field;
#define MQTT_FIELD_U16(field) uint16_t field;
#define MQTT_FIELD_POSITIVE_U16(field) uint16_t field;
#define MQTT_FIELD_U32(field) uint32_t field;
#define MQTT_FIELD_POSITIVE_U32(field) uint32_t field;
#define MQTT_FIELD_VARIABLE(field) uint32_t field; // of several: the last
#define MQTT_FIELD_STRING(field) struct bytes field;
#define MQTT_FIELD_BINARY(field) struct bytes field;
#define MQTT_FIELD_PAIR(field) uint32_t field##_count;

struct mqtt_properties {
    uint64_t present; // bit <identifier>
    struct bytes raw; // the block without its length; encode: user properties are copied from here
#define X(id, field, type, packets) MQTT_FIELD_##type(field)
    MQTT_PROPERTIES(X)
#undef X
};

static inline bool mqtt_properties_has(const struct mqtt_properties *p, enum mqtt_property id) {
    return (p->present >> id & 1) != 0;
}

// Sets a scalar or a view: MQTT_PROPERTIES_SET(&p, session_expiry_s, 60).
#define MQTT_PROPERTIES_SET(p, name, value)                                                        \
    ((p)->name = (value), (p)->present |= 1ull << MQTT_PROPERTY_##name)

// Takes the length and the block off the reader. `packet` is one of MQTT_IN(…), or MQTT_IN_WILL.
// Unknown or not allowed there: malformed; more than once: protocol error [MQTT-3.1.2 ff.].
void mqtt_properties_decode(struct mqtt_reader *reader, uint32_t packet,
                            struct mqtt_properties *properties);

struct mqtt_pair {
    struct bytes name;
    struct bytes value;
};

// Walk over `raw`, in its order: *at is 0 before the first. False after the last.
bool mqtt_properties_next_user(const struct mqtt_properties *p, size_t *at, struct mqtt_pair *pair);
bool mqtt_properties_next_subscription_id(const struct mqtt_properties *p, size_t *at,
                                          uint32_t *id);

// Writes length and block: what is `present`, then the user properties of `raw` (order kept
// [MQTT-3.3.2-18]), then `more`, which is encoded properties as they are.
void mqtt_properties_encode(struct writer *w, const struct mqtt_properties *p, struct bytes more);

// What mqtt_properties_encode writes, its length field included.
size_t mqtt_properties_size(const struct mqtt_properties *p, struct bytes more);

// One user property, for `more`.
void mqtt_properties_put_user(struct writer *w, struct bytes name, struct bytes value);
void mqtt_properties_put_subscription_id(struct writer *w, uint32_t id);

#endif
