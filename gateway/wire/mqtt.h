// MQTT 3.1.1 and 5.0 control packets: what every packet family shares. Fixed header, reason codes,
// the reader and the field encoders; the families are in mqtt_connect.h, mqtt_publish.h and
// mqtt_subscribe.h, properties in mqtt_properties.h, topics in mqtt_topic.h.
//
// A packet is decoded in two steps: mqtt_decode_header says how large it is (or that it is too
// large, before the rest has come), then the family's decoder takes the body, which is whole. All
// views point into the input. BAD names the reason code that the specification gives it and the
// normative statement that was broken; 3.1.1 has no such codes on the wire and just closes.
//
// Bounds: a remaining length of at most 268,435,455 (2.1.4), and what the caller allows below it.
// Pure functions, any thread. Sources: OASIS MQTT Version 5.0 (2019), MQTT Version 3.1.1 Plus
// Errata 01 (2015). Numbers in brackets are theirs.
#ifndef FAIRLEAD_MQTT_H
#define FAIRLEAD_MQTT_H

#include "sched/base/bytes.h"
#include "sched/base/check.h"

enum mqtt_version {
    MQTT_3_1_1 = 4,
    MQTT_5 = 5,
};

// Table 2-1.
enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_PUBREC = 5,
    MQTT_PUBREL = 6,
    MQTT_PUBCOMP = 7,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
    MQTT_AUTH = 15, // 5.0 only
};

// Table 2-6. Several names of one value are one entry each.
enum mqtt_reason {
    MQTT_SUCCESS = 0x00, // also: normal disconnection, granted QoS 0
    MQTT_GRANTED_QOS_1 = 0x01,
    MQTT_GRANTED_QOS_2 = 0x02,
    MQTT_DISCONNECT_WITH_WILL = 0x04,
    MQTT_NO_MATCHING_SUBSCRIBERS = 0x10,
    MQTT_NO_SUBSCRIPTION_EXISTED = 0x11,
    MQTT_CONTINUE_AUTHENTICATION = 0x18,
    MQTT_REAUTHENTICATE = 0x19,
    MQTT_UNSPECIFIED_ERROR = 0x80,
    MQTT_MALFORMED_PACKET = 0x81,
    MQTT_PROTOCOL_ERROR = 0x82,
    MQTT_IMPLEMENTATION_SPECIFIC_ERROR = 0x83,
    MQTT_UNSUPPORTED_PROTOCOL_VERSION = 0x84,
    MQTT_CLIENT_ID_NOT_VALID = 0x85,
    MQTT_BAD_USER_NAME_OR_PASSWORD = 0x86,
    MQTT_NOT_AUTHORIZED = 0x87,
    MQTT_SERVER_UNAVAILABLE = 0x88,
    MQTT_SERVER_BUSY = 0x89,
    MQTT_BANNED = 0x8a,
    MQTT_SERVER_SHUTTING_DOWN = 0x8b,
    MQTT_BAD_AUTHENTICATION_METHOD = 0x8c,
    MQTT_KEEP_ALIVE_TIMEOUT = 0x8d,
    MQTT_SESSION_TAKEN_OVER = 0x8e,
    MQTT_TOPIC_FILTER_INVALID = 0x8f,
    MQTT_TOPIC_NAME_INVALID = 0x90,
    MQTT_PACKET_ID_IN_USE = 0x91,
    MQTT_PACKET_ID_NOT_FOUND = 0x92,
    MQTT_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MQTT_TOPIC_ALIAS_INVALID = 0x94,
    MQTT_PACKET_TOO_LARGE = 0x95,
    MQTT_MESSAGE_RATE_TOO_HIGH = 0x96,
    MQTT_QUOTA_EXCEEDED = 0x97,
    MQTT_ADMINISTRATIVE_ACTION = 0x98,
    MQTT_PAYLOAD_FORMAT_INVALID = 0x99,
    MQTT_RETAIN_NOT_SUPPORTED = 0x9a,
    MQTT_QOS_NOT_SUPPORTED = 0x9b,
    MQTT_USE_ANOTHER_SERVER = 0x9c,
    MQTT_SERVER_MOVED = 0x9d,
    MQTT_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9e,
    MQTT_CONNECTION_RATE_EXCEEDED = 0x9f,
    MQTT_MAXIMUM_CONNECT_TIME = 0xa0,
    MQTT_SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xa1,
    MQTT_WILDCARDS_NOT_SUPPORTED = 0xa2,
};

enum mqtt_status {
    MQTT_OK,
    MQTT_NEED_MORE,
    MQTT_BAD,
};

struct mqtt_error {
    enum mqtt_reason reason;
    const char *cause; // a sentence with the statement's number
};

#define MQTT_REMAINING_SIZE_MAX 268435455u // [MQTT-1.5.5-1], 2.1.4
#define MQTT_HEADER_BYTES_MAX 5
#define MQTT_STRING_BYTES_MAX 65535u

struct mqtt_header {
    uint8_t type; // enum mqtt_type
    uint8_t flags;
    uint8_t size; // of the fixed header itself
    uint32_t remaining_size;
};

// OK: the header is whole and its type and flags are allowed. `packet_bytes_max` bounds the whole
// packet, header included; 0: no bound but the specification's.
MUST_USE enum mqtt_status mqtt_decode_header(struct bytes input, uint32_t packet_bytes_max,
                                             struct mqtt_header *header, struct mqtt_error *error);

// Writes a fixed header. remaining_size ≤ MQTT_REMAINING_SIZE_MAX (CHECKs).
void mqtt_encode_header(struct writer *w, enum mqtt_type type, uint8_t flags,
                        uint32_t remaining_size);

// "PUBLISH"; never NULL.
const char *mqtt_type_name(enum mqtt_type type);

// --- fields --------------------------------------------------------------------------------------

// Takes fields off the front of a body. The first that is wrong sticks: later gets give zeroes and
// empty views, so that one test at the end is enough.
struct mqtt_reader {
    struct bytes left;
    bool is_bad;
    struct mqtt_error error;
};

static inline struct mqtt_reader mqtt_reader_on(struct bytes body) {
    return (struct mqtt_reader){.left = body};
}

// Keeps the first error only.
void mqtt_reader_fail(struct mqtt_reader *reader, enum mqtt_reason reason, const char *cause);

uint8_t mqtt_read_u8(struct mqtt_reader *reader);
uint16_t mqtt_read_u16(struct mqtt_reader *reader);
uint32_t mqtt_read_u32(struct mqtt_reader *reader);
uint32_t mqtt_read_variable(struct mqtt_reader *reader); // 1.5.5, shortest form only
struct bytes mqtt_read_bytes(struct mqtt_reader *reader, size_t size);
struct bytes mqtt_read_binary(struct mqtt_reader *reader); // 1.5.6
struct bytes mqtt_read_string(struct mqtt_reader *reader); // 1.5.4: UTF-8, no U+0000

// [MQTT-2.2.1-3], [MQTT-2.3.1-1] in 3.1.1: not zero.
uint16_t mqtt_read_packet_id(struct mqtt_reader *reader);

// All of the body is used up, and nothing was wrong. `error` is set when not.
MUST_USE enum mqtt_status mqtt_reader_end(struct mqtt_reader *reader, struct mqtt_error *error);

void mqtt_put_u16(struct writer *w, uint16_t value);
void mqtt_put_u32(struct writer *w, uint32_t value);
void mqtt_put_variable(struct writer *w, uint32_t value);
void mqtt_put_binary(struct writer *w, struct bytes value); // ≤ MQTT_STRING_BYTES_MAX (CHECKs)

static inline uint32_t mqtt_variable_size(uint32_t value) {
    return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4;
}

#endif
