// Inbox: what an MQTT client has under way to us: packet identifiers of QoS 1 and 2 that are not
// answered to the end (4.3.3, method B: a QoS 2 message is passed on at once, its identifier kept
// until PUBREL), and the topic aliases it gave on this connection (3.3.2.3.4).
//
// Bounds: --mqtt-receive-max identifiers (5.0: our Receive Maximum, beyond it 0x93; 3.1.1: the
// connection is closed); --mqtt-topic-alias-max aliases. In one block, made at the first use.
// Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_INBOX_H
#define FAIRLEAD_MQTT_INBOX_H

#include "gateway/mqtt_session.h"
#include "gateway/wire/mqtt_publish.h"

enum mqtt_inbox_result {
    MQTT_INBOX_NEW,       // pass it on
    MQTT_INBOX_DUPLICATE, // QoS 2, seen: do not pass it on [MQTT-4.3.3-10]; PUBREC when
                          // mqtt_inbox_has, else its answer is still to come
    MQTT_INBOX_FULL,      // beyond the receive maximum
    MQTT_INBOX_IN_USE,    // a QoS 1 identifier that is not answered yet, used again without DUP
    MQTT_INBOX_MEMORY,
};

// A PUBLISH of QoS 1 or 2 came.
MUST_USE enum mqtt_inbox_result mqtt_inbox_begin(struct gateway *gateway, uint32_t session,
                                                 uint16_t packet_id, uint8_t qos);

// QoS 1 was answered, or a QoS 2 was refused (PUBREC ≥ 0x80): its identifier is free again.
void mqtt_inbox_end(struct gateway *gateway, uint32_t session, uint16_t packet_id);

// The answer to a QoS 2 is here, it was accepted: PUBREC is due. False when the identifier is not
// known any more: then none is. (The answer may come while the session is offline: the client sends
// again, is told MQTT_INBOX_DUPLICATE, and mqtt_inbox_has says that PUBREC can go at once.)
MUST_USE bool mqtt_inbox_accept(struct gateway *gateway, uint32_t session, uint16_t packet_id);

// PUBREL: false when the identifier is unknown (PUBCOMP carries 0x92 then).
MUST_USE bool mqtt_inbox_on_pubrel(struct gateway *gateway, uint32_t session, uint16_t packet_id);

// True when `packet_id` is known and its message was accepted: PUBREC went out.
bool mqtt_inbox_has(const struct gateway *gateway, uint32_t session, uint16_t packet_id);

// The topic of a PUBLISH of 5.0: sets or resolves its alias. `topic` is the packet's (may be
// empty), afterwards the real one, borrowed until the next call. False with *reason.
MUST_USE bool mqtt_inbox_resolve_alias(struct gateway *gateway, uint32_t session,
                                       const struct mqtt_publish *publish, struct bytes *topic,
                                       enum mqtt_reason *reason);

// The connection is gone: aliases, and QoS 1 identifiers (the client sends again), are forgotten;
// QoS 2 identifiers stay.
void mqtt_inbox_on_offline(struct gateway *gateway, uint32_t session);
void mqtt_inbox_release(struct gateway *gateway, uint32_t session);

#endif
