// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK (3.8 to 3.11).
//
// The filters are not copied: a walk takes them off the packet one by one, after the decoder has
// looked at all of them once. Pure functions on a whole body, any thread; views point into it.
#ifndef FAIRLEAD_MQTT_SUBSCRIBE_H
#define FAIRLEAD_MQTT_SUBSCRIBE_H

#include "gateway/wire/mqtt_properties.h"

enum mqtt_retain_handling {
    MQTT_RETAIN_ALWAYS = 0,
    MQTT_RETAIN_IF_NEW = 1,
    MQTT_RETAIN_NEVER = 2,
};

struct mqtt_filter {
    struct bytes text;
    uint8_t qos;
    bool is_no_local;
    bool retains_as_published;
    uint8_t retain_handling; // enum mqtt_retain_handling
    bool is_valid;           // mqtt_topic_is_filter, or a right shared subscription
};

// Of SUBSCRIBE and UNSUBSCRIBE.
struct mqtt_subscribe {
    uint8_t version;  // enum mqtt_version
    bool has_options; // SUBSCRIBE
    uint16_t packet_id;
    uint32_t filter_count; // at least 1 [MQTT-3.8.3-2], [MQTT-3.10.3-2]
    struct bytes filters;
    struct mqtt_properties properties;
};

MUST_USE enum mqtt_status mqtt_decode_subscribe(struct bytes body, enum mqtt_version version,
                                                struct mqtt_subscribe *subscribe,
                                                struct mqtt_error *error);
MUST_USE enum mqtt_status mqtt_decode_unsubscribe(struct bytes body, enum mqtt_version version,
                                                  struct mqtt_subscribe *unsubscribe,
                                                  struct mqtt_error *error);

// The next filter; *left begins as subscribe->filters. False after the last.
bool mqtt_subscribe_next(const struct mqtt_subscribe *subscribe, struct bytes *left,
                         struct mqtt_filter *filter);

// `type` is MQTT_SUBSCRIBE or MQTT_UNSUBSCRIBE.
void mqtt_encode_subscribe(struct writer *w, enum mqtt_type type,
                           const struct mqtt_subscribe *subscribe,
                           const struct mqtt_filter *filters);

// SUBACK and UNSUBACK: one code per filter, in order. UNSUBACK of 3.1.1 has none: they are left
// out. What 3.1.1's SUBACK says is the caller's to choose [3.1.1: MQTT-3.9.3-2].
struct mqtt_suback {
    uint8_t version; // enum mqtt_version
    uint16_t packet_id;
    struct bytes codes;
    struct mqtt_properties properties;
};

MUST_USE enum mqtt_status mqtt_decode_suback(struct bytes body, enum mqtt_type type,
                                             enum mqtt_version version, struct mqtt_suback *suback,
                                             struct mqtt_error *error);
void mqtt_encode_suback(struct writer *w, enum mqtt_type type, const struct mqtt_suback *suback);

#endif
