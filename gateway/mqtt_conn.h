// The connection of an MQTT client: bytes to packets, packets to what they mean, and back.
//
//   bytes ──▶ mqtt_conn_on_data (whole packets; a cut one waits in the reader)
//         ──▶ CONNECT: mqtt_greeting.h      ──▶ others: mqtt_routes, mqtt_outbox, mqtt_inbox
// Over WebSocket the same bytes come in binary frames, whose borders mean nothing.
// conn states: handshake until the CONNECT was accepted (CONN_MQTT is set from the first byte on,
// CONN_MQTT_WS with it over WebSocket), then open, closing as ever. conn.session in place of
// conn.members.
//
// Bounds: a packet of --message-bytes-max, told from its header before the rest has come (0x95).
// Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_CONN_H
#define FAIRLEAD_MQTT_CONN_H

#include "gateway/conn.h"
#include "gateway/wire/mqtt.h"

void mqtt_conn_on_data(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size);

// What waits undecoded is looked at again: the stream has room, or a pause is over.
void mqtt_conn_resume(struct gateway *gateway, uint32_t index);

// Queues one encoded packet, in a binary frame where the connection is a WebSocket; class
// PARCEL_CONTROL. What cannot be queued dooms the connection.
void mqtt_conn_send(struct gateway *gateway, uint32_t index, struct bytes packet);

// Ends it: 5.0 gets a DISCONNECT with the reason (and `cause` as reason string where allowed), then
// the session hears of it, then the stream is flushed and closed. `reason` MQTT_SUCCESS: nothing is
// sent (the client said farewell).
void mqtt_conn_close(struct gateway *gateway, uint32_t index, enum mqtt_reason reason,
                     const char *cause, enum counter counter);

// Writes a parcel that holds `packet_size` bytes of MQTT, with a WebSocket header before them when
// is_ws: the parcel, and a writer for the bytes; BLOCK_NONE when memory is out. Finished by filling
// exactly packet_size bytes.
uint32_t mqtt_conn_parcel(struct blocks *blocks, bool is_ws, size_t packet_size,
                          enum parcel_class parcel_class, struct writer *w);

// --- from conn.c
// -----------------------------------------------------------------------

// The MQTT half of conn_close, of a connection that is closing now: the DISCONNECT (`was_open`),
// the session's news, the close frame.
void mqtt_conn_say_farewell(struct gateway *gateway, uint32_t index, bool was_open,
                            const struct conn_farewell *farewell);

// Open, and not paused any more: silence, what the outbox could not push. When to look again; the
// connection may have closed.
uint64_t mqtt_conn_on_timer(struct gateway *gateway, uint32_t index);

// When it has been silent for too long; UINT64_MAX: never.
uint64_t mqtt_conn_silent_at_ns(const struct gateway *gateway, uint32_t index);

#endif
