// Rooms of MQTT sessions: memberships in chat that a session holds for its subscriptions of
// room/<name> (messages; it shows in the room's presence) and room/<name>/$presence (an observer:
// presence and nothing else). Linked from mqtt_session.members by member.next; what chat answers to
// a session comes here from chat_link.c.
//
// A member's tag holds its subscription's options, so that a membership costs no memory here. A
// second subscribe of a room that wants what is retained again joins it a second time, as a probe
// that gets nothing else and leaves when it has got it.
//
//   mqtt_rooms_join ──▶ pending ──on_joined──▶ joined ──mqtt_rooms_leave──▶ gone
//                          └──on_refused──▶ gone    └──on_ended──▶ chore ──turn end──▶ pending
// Bounds: --mqtt-subscriptions-max with those of topics. A membership whose room ended is joined
// again at once, and where that is refused once a second, until it stands or nobody wants it.
// Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_ROOMS_H
#define FAIRLEAD_MQTT_ROOMS_H

#include "gateway/mqtt_session.h"

struct mqtt_rooms_options {
    uint8_t qos;
    bool is_no_local;
    bool retains_as_published;
    uint32_t subscription_id; // 0: none
};

struct mqtt_rooms_request {
    struct bytes room;
    bool is_presence;
    bool wants_retained;
    struct mqtt_rooms_options options;
};

// The session's membership, joined or pending; SLAB_NONE.
uint32_t mqtt_rooms_lookup(const struct gateway *gateway, uint32_t session, struct bytes room,
                           bool is_presence);
uint32_t mqtt_rooms_count(const struct gateway *gateway, uint32_t session);

// Joins. The membership that is to be waited for (mqtt_pending.h), or SLAB_NONE with *refusal.
MUST_USE uint32_t mqtt_rooms_join(struct gateway *gateway, uint32_t session,
                                  const struct mqtt_rooms_request *request,
                                  enum chat_refusal *refusal);

// New options of an existing membership. What is to be waited for, SLAB_NONE: nothing.
uint32_t mqtt_rooms_change(struct gateway *gateway, uint32_t session, uint32_t member,
                           const struct mqtt_rooms_request *request);

// False: there was none.
bool mqtt_rooms_leave(struct gateway *gateway, uint32_t session, struct bytes room,
                      bool is_presence);
void mqtt_rooms_leave_all(struct gateway *gateway, uint32_t session);
void mqtt_rooms_readdress(struct gateway *gateway, uint32_t session);

// The stream has room again: presence that was missed is asked for.
void mqtt_rooms_on_writable(struct gateway *gateway, uint32_t session);

// The name of the room whose leaf this is; of no bytes: the session is not in it.
struct bytes mqtt_rooms_name_of_leaf(const struct gateway *gateway, uint32_t session,
                                     uint32_t leaf);

// What chat tells of a session's membership (chat/chat_port.h).
void mqtt_rooms_on_joined(struct gateway *gateway, uint32_t session, uint32_t member);
void mqtt_rooms_on_refused(struct gateway *gateway, uint32_t session, uint32_t member,
                           enum chat_refusal reason);
void mqtt_rooms_on_ended(struct gateway *gateway, uint32_t session, uint32_t member);
void mqtt_rooms_on_delivery(struct gateway *gateway, const struct chat_delivery *delivery);
void mqtt_rooms_on_gap(struct gateway *gateway, uint32_t session, uint32_t member, uint64_t from,
                       uint64_t to);
bool mqtt_rooms_on_presence(struct gateway *gateway, const struct chat_presence *presence);

// Chores that chat's calls could not do: at the end of each turn. True: more is to be done at once.
bool mqtt_rooms_turn_end(struct gateway *gateway);
void mqtt_rooms_close(struct gateway *gateway);

#endif
