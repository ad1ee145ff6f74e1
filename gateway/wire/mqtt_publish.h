// PUBLISH and its acknowledgements PUBACK, PUBREC, PUBREL, PUBCOMP (3.3 to 3.7).
//
// A PUBLISH to many members differs only in packet identifier, QoS, flags and a few properties:
// mqtt_encode_publish writes all but the payload, which the caller appends (or sends as a second
// piece). Pure functions on a whole body, any thread; views point into it.
#ifndef FAIRLEAD_MQTT_PUBLISH_H
#define FAIRLEAD_MQTT_PUBLISH_H

#include "gateway/wire/mqtt_properties.h"

struct mqtt_publish {
    uint8_t version; // enum mqtt_version
    uint8_t qos;
    bool is_duplicate;
    bool is_retained;
    uint16_t packet_id; // QoS 1 and 2
    struct bytes topic; // 5.0: empty with a topic alias
    struct bytes payload;
    struct mqtt_properties properties;
};

// `flags` are the fixed header's.
MUST_USE enum mqtt_status mqtt_decode_publish(struct bytes body, uint8_t flags,
                                              enum mqtt_version version,
                                              struct mqtt_publish *publish,
                                              struct mqtt_error *error);

// `more`: further properties, encoded. The payload's size counts, its bytes are not written.
void mqtt_encode_publish_head(struct writer *w, const struct mqtt_publish *publish,
                              struct bytes more);
size_t mqtt_publish_head_size(const struct mqtt_publish *publish, struct bytes more);

struct mqtt_ack {
    uint8_t version; // enum mqtt_version
    uint8_t reason;  // enum mqtt_reason; 3.1.1: always success
    uint16_t packet_id;
    struct mqtt_properties properties;
};

// `type`: MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL or MQTT_PUBCOMP. A reason code that the packet
// cannot have is a protocol error.
MUST_USE enum mqtt_status mqtt_decode_ack(struct bytes body, enum mqtt_type type,
                                          enum mqtt_version version, struct mqtt_ack *ack,
                                          struct mqtt_error *error);
void mqtt_encode_ack(struct writer *w, enum mqtt_type type, const struct mqtt_ack *ack);

#endif
