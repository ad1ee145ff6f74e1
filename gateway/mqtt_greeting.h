// CONNECT: who may come in and with what (3.1, 3.2); moves the connection to its client id's home
// core first, where the CONNECT is decoded again.
//
//   CONNECT ──bad──▶ CONNACK with the reason, close        ──home elsewhere──▶ conn_move_begin
//           ──▶ mqtt_session_start ──▶ CONNACK ──▶ conn open ──▶ mqtt_session_resume
#ifndef FAIRLEAD_MQTT_GREETING_H
#define FAIRLEAD_MQTT_GREETING_H

#include "gateway/mqtt_routes.h"

// The first packet of an MQTT connection, whole. MQTT_RETRY: it moves, or cannot yet; the packet
// must stay where it is.
MUST_USE enum mqtt_next mqtt_greeting_on_connect(struct gateway *gateway, uint32_t index,
                                                 struct bytes body);

// CONNACK with a reason, and close. `version` as in the CONNECT: 4 or 5, others are answered in
// the form of 3.1.1 [3.1.2.2].
void mqtt_greeting_refuse(struct gateway *gateway, uint32_t index, uint8_t version,
                          enum mqtt_reason reason, const char *cause);

// The first packet's header is wrong, or announces too much. `input` begins with it.
void mqtt_greeting_on_bad_header(struct gateway *gateway, uint32_t index, struct bytes input,
                                 const struct mqtt_error *error);

#endif
