// Outbox: what is under way to an MQTT client with QoS 1 and 2, and what waits for a place in its
// window; in the order of first delivery (MQTT 5.0 4.4, 4.6). A block that doubles, of 24 B entries
// that each hold a count of the shared payload; nothing while it is empty, 64 B for one message.
//
//   waiting ──place in the window──▶ sent (QoS 1) ──PUBACK──▶ gone
//                                    sent (QoS 2) ──PUBREC──▶ released ──PUBCOMP──▶ gone
// Topic aliases: up to 16 of those that the client takes, first come, for this connection.
// Connection lost: sent ones go again with DUP, released ones as PUBREL, in order, when it is back.
//
// Bounds: the window is the smaller of the client's receive maximum and --mqtt-inflight-max; those
// that wait --mqtt-session-queue-max messages and --mqtt-session-queue-bytes-max bytes: then the
// oldest that waits is dropped (dropped{slow}); any one message may wait. What the client's maximum
// packet size does not allow counts as dropped{too_large} [MQTT-3.1.2-25]. An entry is pushed into
// the stream only when the stream takes it whole: it is never dropped there. Audit: an entry that
// was not pushed yet counts in COUNTER_GATHERED; the first push counts as a room message of the
// stream, redelivery does not (COUNTER_MQTT_REDELIVERED). Expired [MQTT-3.3.2-5] before it was
// sent: dropped{expired}. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_OUTBOX_H
#define FAIRLEAD_MQTT_OUTBOX_H

#include "gateway/mqtt_session.h"
#include "gateway/wire/mqtt_publish.h"
#include "gateway/wire/mqtt_publish.h"

enum mqtt_source {
    MQTT_FROM_TOPIC, // payload: topics/topic_message.h
    MQTT_FROM_ROOM,  // payload: chat/publish.h
};

// One message for one session. `due` was counted for it; this module settles it.
struct mqtt_delivery {
    enum mqtt_source source;
    uint64_t payload;  // borrowed; a count is taken where it is kept
    uint64_t sequence; // of a room's message; 0: none
    uint8_t qos;       // effective
    bool is_retained;  // flag of the PUBLISH
    bool is_in_turn;   // QoS 0: behind those that wait, since all of its kind come this way
    uint32_t id_count;
    const uint32_t *ids; // subscription identifiers, borrowed
};

// QoS 0: encoded and pushed at once when online (room parcel without gap), dropped{offline} when
// not; in turn, behind those that wait. QoS 1 and 2: sent or queued as above.
void mqtt_outbox_push(struct gateway *gateway, uint32_t session,
                      const struct mqtt_delivery *delivery);

// PUBACK, PUBREC or PUBCOMP of an online session; a PUBREC is answered here, by PUBREL. Returns
// MQTT_SUCCESS; MQTT_PACKET_ID_NOT_FOUND for an identifier that is not under way (no fault: a
// former connection's, 4.4; the PUBREL says 0x92); MQTT_PROTOCOL_ERROR for an acknowledgement of
// the other QoS, or a PUBCOMP before the PUBREC: the caller closes.
enum mqtt_reason mqtt_outbox_on_ack(struct gateway *gateway, uint32_t session, enum mqtt_type type,
                                    const struct mqtt_ack *ack);

// The connection is there again: everything that was sent goes again with DUP, in order.
void mqtt_outbox_resume(struct gateway *gateway, uint32_t session);

// The connection is gone: what had been sent is to be sent again.
void mqtt_outbox_on_offline(struct gateway *gateway, uint32_t session);

// Sends what waits as far as window and stream allow: after acks, and from the connection's timer
// while MQTT_SESSION_BLOCKED.
void mqtt_outbox_flush(struct gateway *gateway, uint32_t session);

// The session ends: all is given up (dropped{closed}).
void mqtt_outbox_release(struct gateway *gateway, uint32_t session);

// Messages under way and waiting.
uint32_t mqtt_outbox_count(const struct gateway *gateway, uint32_t session);

// All invariants. Tests and debug builds; O(entries · log entries).
void mqtt_outbox_validate(struct gateway *gateway, uint32_t session);

#endif
