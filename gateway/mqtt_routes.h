// Routes: where what an MQTT client says goes: room/<name> into the room (chat), room/<name>/
// $presence to its presence, all else to topics; and the answers back: SUBACK, UNSUBACK, PUBACK,
// PUBREC.
//
//   PUBLISH   ──▶ mqtt_inbox ──▶ chat_publish_to or topics_publish ──answer──▶ PUBACK, PUBREC
//   SUBSCRIBE ──▶ chat_join or topics_subscribe per filter ──all answered──▶ SUBACK
// A publish that is refused as busy at once is not taken: reading pauses and the packet is looked
// at again. Refused at its home: 5.0 is told 0x97; 3.1.1 is closed, since it cannot be told. What
// is refused because of its topic (0x87: $…, presence; 0x90: no room's name, too many levels) is
// acknowledged and dropped for 3.1.1.
//
// Acknowledgements leave as the owners of topics and rooms accept, not in the order of the
// PUBLISHes: mqtt_routes.c says why.
//
// A room that ends is joined again at once; the next life has another epoch.
// Bounds: SUBSCRIBEs under way: 16 per connection, then reading pauses. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_ROUTES_H
#define FAIRLEAD_MQTT_ROUTES_H

#include "gateway/mqtt_session.h"
#include "gateway/wire/mqtt_publish.h"
#include "gateway/wire/mqtt_subscribe.h"

// What the connection does after a packet.
enum mqtt_next {
    MQTT_NEXT,  // go on
    MQTT_RETRY, // the packet was not taken: pause reading, and offer it again
    MQTT_STOP,  // the connection was closed
};

MUST_USE enum mqtt_next mqtt_routes_publish(struct gateway *gateway, uint32_t session,
                                            const struct mqtt_publish *publish);
MUST_USE enum mqtt_next mqtt_routes_subscribe(struct gateway *gateway, uint32_t session,
                                              const struct mqtt_subscribe *subscribe);
MUST_USE enum mqtt_next mqtt_routes_unsubscribe(struct gateway *gateway, uint32_t session,
                                                const struct mqtt_subscribe *unsubscribe);

// A will, or a message of the gateway's own. Not answered; dropped when refused (counted).
struct topic_message;
void mqtt_routes_publish_message(struct gateway *gateway, const struct topic_message *message);

// Where a topic name, or a filter without wildcards, leads; *room is set for ROOM and PRESENCE.
enum mqtt_routes_place {
    MQTT_PLACE_TOPIC,
    MQTT_PLACE_ROOM,     // room/<name>
    MQTT_PLACE_PRESENCE, // room/<name>/$presence
    MQTT_PLACE_BAD_ROOM, // room/… else
    MQTT_PLACE_SERVER,   // $…
};
enum mqtt_routes_place mqtt_routes_place_of(struct bytes topic, struct bytes *room);

// What topics and chat answer to a publish.
void mqtt_routes_on_topic_published(struct gateway *gateway,
                                    const struct topics_published *published);
void mqtt_routes_on_room_published(struct gateway *gateway,
                                   const struct chat_published_to *published);

// The session went offline or came online: every membership and subscription gets its new address.
void mqtt_routes_readdress(struct gateway *gateway, uint32_t session);

// The session ends, or begins anew: leaves all rooms, ends all subscriptions.
void mqtt_routes_leave_all(struct gateway *gateway, uint32_t session);

// Of a connection that is gone: SUBACKs that are still owed are forgotten.
void mqtt_routes_on_offline(struct gateway *gateway, uint32_t session);

#endif
