// Filters: what a session subscribes to. SUBSCRIBE and UNSUBSCRIBE of mqtt_routes.h: each filter is
// looked at, leads to a membership of a room (mqtt_rooms.h) or a subscription of topics, and is
// answered for in one SUBACK (mqtt_pending.h) or UNSUBACK.
//
//   filter                              goes to
//   room/<name>                         the room
//   room/<name>/$presence               its presence; QoS 0 is granted
//   room/… with + or #                  nowhere: 0xA2
//   $share/<group>/room/…               nowhere: 0x9E
//   room/… else                         nowhere: 0x8F, no room can have that name
//   all else, $share/<group>/… and $SYS/… too      topics
// 3.1.1 is told 0x80 for each of these [MQTT-3.9.3-2]. A shared subscription is understood
// of 3.1.1, too: nothing else could begin with `$share/`.
//
// What is retained comes before the SUBACK, which is allowed (3.8.4) and what clients take.
//
// Bounds: --mqtt-subscriptions-max of a session, rooms and topics together; beyond it 0x97.
// LIMITATION: a filter that is there already is found by walking all of the session's.
// Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_FILTERS_H
#define FAIRLEAD_MQTT_FILTERS_H

#include "gateway/mqtt_routes.h"

MUST_USE enum mqtt_next mqtt_filters_subscribe(struct gateway *gateway, uint32_t session,
                                               const struct mqtt_subscribe *subscribe);
MUST_USE enum mqtt_next mqtt_filters_unsubscribe(struct gateway *gateway, uint32_t session,
                                                 const struct mqtt_subscribe *unsubscribe);

void mqtt_filters_readdress(struct gateway *gateway, uint32_t session);
void mqtt_filters_leave_all(struct gateway *gateway, uint32_t session);

// What topics_port_subscribed tells.
void mqtt_filters_on_subscribed(struct gateway *gateway, uint32_t session, uint32_t subscription,
                                enum topics_refusal refusal);

#endif
