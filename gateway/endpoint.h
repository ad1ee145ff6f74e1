// Endpoint: from the first bytes of a connection to a WebSocket, or to a refusal. The first byte
// chooses the protocol: a capital letter is HTTP, 0x10 is MQTT (its CONNECT), 0x16 is TLS (refused
// by name), all else a 400. The paths are /socket/websocket (Phoenix Channels), /mqtt (MQTT over
// WebSocket, subprotocol `mqtt`) and, with --echo, /echo.
//
// Bounds: a head of WIRE_HTTP_HEAD_BYTES_MAX, within handshake_timeout_s. It may come byte by byte:
// it is decoded once per line. Bytes behind the head belong to the WebSocket. Source:
// docs/PROTOCOL.md "Connecting"; RFC 6455 4.2, RFC 6454 for origins, MQTT 5.0 section 6.
#ifndef FAIRLEAD_ENDPOINT_H
#define FAIRLEAD_ENDPOINT_H

#include "gateway/gateway.h"
#include "gateway/wire/http1.h"

// The connection is in its handshake.
void endpoint_on_data(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size);

// It is beyond connections_max, or the process drains: 503, or the same in MQTT.
void endpoint_on_data_over_limit(struct gateway *gateway, uint32_t index, uint8_t *data,
                                 size_t size);

// An absent origin is allowed, and one whose host is that of `host`, whatever the ports, and those
// that are configured. Pure.
bool endpoint_origin_is_allowed(const struct config *config, struct bytes origin,
                                struct bytes host);

#endif
