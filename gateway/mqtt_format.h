// Formats: how one message looks on the wire of each kind of member. Chat and topics ask for each
// format once per core (sched/base/address.h); the outbox encodes for one client.
//
// Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_FORMAT_H
#define FAIRLEAD_MQTT_FORMAT_H

#include "gateway/mqtt_outbox.h"
#include "sched/base/address.h"

enum wire_format {
    FORMAT_PHOENIX,
    FORMAT_MQTT_3,
    FORMAT_MQTT_5,
    FORMAT_MQTT_3_WS,
    FORMAT_MQTT_5_WS,
};

_Static_assert(FORMAT_MQTT_5_WS < ADDRESS_FORMATS, "a shared format");

static inline bool mqtt_format_is_ws(uint32_t format) {
    return format >= FORMAT_MQTT_3_WS;
}

static inline bool mqtt_format_is_5(uint32_t format) {
    return format == FORMAT_MQTT_5 || format == FORMAT_MQTT_5_WS;
}

// A PUBLISH of what `delivery` says, as one client takes it: BLOCK_NONE when memory is out; *size
// is the packet's (for the client's maximum packet size) also when `is_dry` and nothing is made.
struct mqtt_format_one {
    const struct mqtt_delivery *delivery;
    uint32_t format;
    uint16_t packet_id; // QoS 1 and 2
    bool is_duplicate;
    uint16_t topic_alias; // 0: none
    bool has_topic;       // false: the alias stands for it
    enum parcel_class parcel_class;
};
size_t mqtt_format_size(struct gateway *gateway, const struct mqtt_format_one *one);
uint32_t mqtt_format_encode(struct gateway *gateway, const struct mqtt_format_one *one);

// When a message of chat or topics expires, 0: never; and its topic, into `w` (room/<name>).
uint64_t mqtt_format_expires_ns(struct gateway *gateway, const struct mqtt_delivery *delivery);

#endif
