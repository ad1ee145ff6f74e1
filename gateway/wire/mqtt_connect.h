// CONNECT, CONNACK, DISCONNECT and AUTH, decoded and encoded (3.1, 3.2, 3.14, 3.15).
//
// A CONNECT of another protocol or version is told apart (`version` 0), since it gets an answer:
// 3.1.1 clients code 1 [MQTT-3.1.2-2 of 3.1.1], 5.0 clients reason 0x84. MQIsdp (3.1) is such a
// one. Pure functions on a whole body, any thread; views point into it.
#ifndef FAIRLEAD_MQTT_CONNECT_H
#define FAIRLEAD_MQTT_CONNECT_H

#include "gateway/wire/mqtt_properties.h"

struct mqtt_will {
    struct bytes topic;
    struct bytes payload;
    uint8_t qos;
    bool is_retained;
    struct mqtt_properties properties;
};

struct mqtt_connect {
    uint8_t version;      // enum mqtt_version
    uint8_t version_byte; // as it was sent
    bool is_clean;        // clean session (3.1.1), clean start (5.0)
    bool has_will;
    bool has_user_name;
    bool has_password;
    uint16_t keep_alive_s;  // 0: none
    struct bytes client_id; // may be empty
    struct bytes user_name;
    struct bytes password;
    struct mqtt_will will;
    struct mqtt_properties properties;
};

// BAD with MQTT_UNSUPPORTED_PROTOCOL_VERSION: another protocol; connect->version_byte says which.
MUST_USE enum mqtt_status mqtt_decode_connect(struct bytes body, struct mqtt_connect *connect,
                                              struct mqtt_error *error);
void mqtt_encode_connect(struct writer *w, const struct mqtt_connect *connect);

// 3.1.1's return codes (table 3.1) of a reason, 0 for success.
uint8_t mqtt_connack_code_3_1_1(enum mqtt_reason reason);

struct mqtt_connack {
    uint8_t version; // enum mqtt_version
    bool is_session_present;
    uint8_t code; // enum mqtt_reason; 3.1.1: table 3.1's
    struct mqtt_properties properties;
};

MUST_USE enum mqtt_status mqtt_decode_connack(struct bytes body, enum mqtt_version version,
                                              struct mqtt_connack *connack,
                                              struct mqtt_error *error);
void mqtt_encode_connack(struct writer *w, const struct mqtt_connack *connack);

// DISCONNECT and AUTH of 5.0: a reason and properties, both left out when they say nothing.
struct mqtt_farewell {
    uint8_t reason;
    struct mqtt_properties properties;
};

MUST_USE enum mqtt_status mqtt_decode_disconnect(struct bytes body, enum mqtt_version version,
                                                 struct mqtt_farewell *farewell,
                                                 struct mqtt_error *error);
MUST_USE enum mqtt_status mqtt_decode_auth(struct bytes body, struct mqtt_farewell *farewell,
                                           struct mqtt_error *error);
// `type` is MQTT_DISCONNECT or MQTT_AUTH.
void mqtt_encode_farewell(struct writer *w, enum mqtt_type type, enum mqtt_version version,
                          const struct mqtt_farewell *farewell);

#endif
