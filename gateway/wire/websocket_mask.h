// XOR with a WebSocket mask (RFC 6455 5.3), in place: sixteen bytes a step through the compiler's
// vector type (SSE2 on x86-64, NEON on ARM), and the byte-by-byte twin that tests hold it against.
//
// `phase` (0 … 3) is the position of data[0] in its frame's payload modulo 4. Pure, any thread.
#ifndef FAIRLEAD_WEBSOCKET_MASK_H
#define FAIRLEAD_WEBSOCKET_MASK_H

#include <stddef.h>
#include <stdint.h>

void websocket_mask(uint8_t *data, size_t size, const uint8_t mask[4], size_t phase);

void websocket_mask_scalar(uint8_t *data, size_t size, const uint8_t mask[4], size_t phase);

#endif
