// Formats: how one message looks on the wire of each kind of member. Chat and topics ask for each
// shared format once per core (sched/base/address.h); the outbox encodes for one client.
//
// What a publisher's properties are (3.3.2.3) travels with its message as an encoded block without
// its length: payload format, content type, response topic, correlation data and user properties,
// which the codec has validated when they came in; never a topic alias, subscription identifier or
// expiry, which are another one's for each receiver. 5.0 gets the block as it is, then what is
// ours: message expiry left [MQTT-3.3.2-6], topic alias, subscription identifiers [MQTT-3.3.4-3],
// and as user properties `seq` of a room's message and `event` where it is not `shout`.
//
// Parcels come with one reference, the caller's; BLOCK_NONE when memory is out. Owned by the core's
// thread.
#ifndef FAIRLEAD_MQTT_FORMAT_H
#define FAIRLEAD_MQTT_FORMAT_H

#include "gateway/mqtt_outbox.h"
#include "gateway/wire/mqtt_publish.h"
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

#define MQTT_FORMAT_ROOM_PREFIX "room/"
#define MQTT_FORMAT_PRESENCE_SUFFIX "/$presence"
#define MQTT_FORMAT_SHOUT "shout" // the event of what MQTT publishes

// --- shared formats ------------------------------------------------------------------------------

struct chat_publish;
struct topic_message;

// PUBLISH of QoS 0 without the retain flag, class PARCEL_ROOM.
uint32_t mqtt_format_room_message(struct gateway *gateway, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish, uint64_t sequence);
uint32_t mqtt_format_topic_message(struct gateway *gateway, uint32_t format,
                                   const struct topic_message *message);

// 5.0 only: an empty PUBLISH on the room's topic with user property `gap` = `from-to`; class
// PARCEL_CONTROL.
uint32_t mqtt_format_gap(struct gateway *gateway, uint32_t format, struct bytes room, uint64_t from,
                         uint64_t to);

// On room/<name>/$presence, as JSON, class PARCEL_STATE: {"state":{…}} with the retain flag,
// {"joins":{…},"leaves":{…}}, {"users":N,"connections":M}.
struct mqtt_format_presence {
    uint32_t format;
    struct bytes room;
    uint32_t subscription_id; // 0: none, or shared
};
uint32_t mqtt_format_presence(struct gateway *gateway, const struct mqtt_format_presence *how,
                              struct bytes records, bool is_state);
uint32_t mqtt_format_count(struct gateway *gateway, const struct mqtt_format_presence *how,
                           uint32_t users, uint32_t connections);

// Of a parcel of so many bytes in this format the MQTT packet's, without a WebSocket's header.
size_t mqtt_format_packet_size(uint32_t format, size_t parcel_size);

// --- for one client ------------------------------------------------------------------------------

// A PUBLISH of what `delivery` says, as one client takes it.
struct mqtt_format_one {
    const struct mqtt_delivery *delivery;
    uint32_t format;
    uint16_t packet_id; // QoS 1 and 2
    bool is_duplicate;
    uint16_t topic_alias; // 0: none
    bool has_topic;       // false: the alias stands for it
    enum parcel_class parcel_class;
};
// The packet's size (for the client's maximum packet size), without a WebSocket's header.
size_t mqtt_format_size(struct gateway *gateway, const struct mqtt_format_one *one);
uint32_t mqtt_format_encode(struct gateway *gateway, const struct mqtt_format_one *one);

// When a message of chat or topics expires, 0: never.
uint64_t mqtt_format_expires_ns(struct gateway *gateway, const struct mqtt_delivery *delivery);

// Its topic, into `w` (room/<name>): at most TOPICS_BYTES_MAX bytes.
void mqtt_format_topic(struct gateway *gateway, const struct mqtt_delivery *delivery,
                       struct writer *w);

// --- what came in --------------------------------------------------------------------------------

// The block that travels with a message: a view into the packet where nothing of it need be left
// out, else of a block of our own. False: memory is out, and nothing is held.
struct mqtt_format_block {
    struct bytes bytes;
    uint32_t block; // BLOCK_NONE: bytes are the packet's
};
MUST_USE bool mqtt_format_block_take(struct gateway *gateway,
                                     const struct mqtt_properties *properties,
                                     struct mqtt_format_block *block);
void mqtt_format_block_release(struct gateway *gateway, struct mqtt_format_block *block);

#endif
