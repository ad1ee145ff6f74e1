// SUBSCRIBEs under way: what each of their filters waits for, until a SUBACK can say all of it in
// one go (3.8.4). A list of blocks from mqtt_session.pending, oldest first; answers come in any
// order, a SUBACK leaves as soon as its last one is there.
//
// Bounds: MQTT_PENDING_MAX of one session; 5 B for each filter of the packet. Freed when the
// connection goes: a client subscribes again. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_PENDING_H
#define FAIRLEAD_MQTT_PENDING_H

#include "gateway/mqtt_session.h"

#define MQTT_PENDING_MAX 16u

// What a filter waits for: a subscription of topics, or a membership of chat.
enum mqtt_pending_kind {
    MQTT_PENDING_TOPIC,
    MQTT_PENDING_ROOM,
};

uint32_t mqtt_pending_count(const struct gateway *gateway, uint32_t session);

// A new record, last in the list: BLOCK_NONE when memory is out. Each filter is then answered or
// made to wait, in the order of the packet; mqtt_pending_seal ends that.
MUST_USE uint32_t mqtt_pending_open(struct gateway *gateway, uint32_t session, uint16_t packet_id,
                                    uint32_t filter_count);

// The next filter's code, final …
void mqtt_pending_answer(struct gateway *gateway, uint32_t record, enum mqtt_reason code);
// … or what it will be once `slot` was answered.
void mqtt_pending_wait(struct gateway *gateway, uint32_t record, enum mqtt_pending_kind kind,
                       uint32_t slot, enum mqtt_reason code);

// Every filter was seen: the SUBACK is sent if none waits.
void mqtt_pending_seal(struct gateway *gateway, uint32_t session, uint32_t record);

// `slot` was answered: MQTT_SUCCESS keeps the codes of those that waited for it, else they get
// `failure`. SUBACKs that are complete by this are sent. False: none waited for it.
bool mqtt_pending_settle(struct gateway *gateway, uint32_t session, enum mqtt_pending_kind kind,
                         uint32_t slot, enum mqtt_reason failure);

// Takes one record back before it was sealed: nothing is sent.
void mqtt_pending_drop(struct gateway *gateway, uint32_t session, uint32_t record);

// All of the session, without a word.
void mqtt_pending_release(struct gateway *gateway, uint32_t session);

#endif
