// Reads the deliveries of a room over MQTT, as little of each as is needed: a client that has to
// check hundreds of thousands a second cannot afford a decoder that looks at everything. What looks
// otherwise than usual is for the codec (gateway/wire/mqtt_publish.h), whatever is wrong with it.
//
// Pure functions on borrowed bytes, any thread.
#ifndef FAIRLEAD_MQTT_SCAN_H
#define FAIRLEAD_MQTT_SCAN_H

#include "gateway/wire/mqtt_publish.h"

#define MQTT_SCAN_TOPIC_BYTES_MAX 112

// The topic of one room as it stands in a PUBLISH.
struct mqtt_scan_expected {
    uint16_t size;
    uint8_t topic[2 + MQTT_SCAN_TOPIC_BYTES_MAX]; // with its length
};

void mqtt_scan_expect(struct mqtt_scan_expected *expected, struct bytes topic);

bool mqtt_scan_is_topic(const struct mqtt_scan_expected *expected, struct bytes topic);

struct mqtt_scan_delivery {
    uint16_t packet_id; // QoS 1 and 2
    uint64_t sequence;  // 0: none
    struct bytes payload;
};

// True when `body` is a PUBLISH to the topic with no property but perhaps `seq`.
MUST_USE bool mqtt_scan_usual(const struct mqtt_scan_expected *expected, struct bytes body,
                              uint8_t qos, enum mqtt_version version,
                              struct mqtt_scan_delivery *delivery);

// What the user properties say that a gateway adds (docs/PROTOCOL.md).
struct mqtt_scan_said {
    uint64_t sequence; // `seq`; 0: none
    bool has_gap;      // `gap`: from … to are lost to this member
    uint64_t gap_from;
    uint64_t gap_to;
};

void mqtt_scan_properties(const struct mqtt_properties *properties, struct mqtt_scan_said *said);

#endif
