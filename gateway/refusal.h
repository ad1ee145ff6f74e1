// How a connection is turned away before it is a WebSocket: an answer in HTTP, or a TLS alert, and
// the end. Each refusal is counted by its reason. Bounds: one answer of at most 512 bytes.
#ifndef FAIRLEAD_REFUSAL_H
#define FAIRLEAD_REFUSAL_H

#include "gateway/conn.h"

// The status chooses the counter: 403, 404, all else is a bad request.
void refusal_http(struct gateway *gateway, uint32_t index, uint16_t status, const char *cause);

// 503 with a random Retry-After: beyond connections_max, or draining.
void refusal_full(struct gateway *gateway, uint32_t index);

// TLS on a port that does not speak it: an alert, and the cure in the log once a minute.
void refusal_tls(struct gateway *gateway, uint32_t index);

// A first byte of no protocol that is spoken here.
void refusal_protocol(struct gateway *gateway, uint32_t index);

#endif
