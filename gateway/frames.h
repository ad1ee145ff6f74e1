// A connection's incoming WebSocket frames: decodes what came, answers control frames, hands whole
// messages to the session and pieces of them to the echo.
//
// A message that lies whole in the received bytes is decoded in place and copied nowhere; one that
// is cut is gathered in the connection's reader. While the peer's replies have no room (past half
// of their budget) what it sends waits undecoded. Bounds: --message-bytes-max,
// LIMITS_WAITING_BYTES. Owned by the core's thread; called from stream_port_data and
// stream_port_writable only.
#ifndef FAIRLEAD_FRAMES_H
#define FAIRLEAD_FRAMES_H

#include "gateway/gateway.h"

// The connection is open or echoes. `data` is unmasked in place.
void frames_on_data(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size);

// Replies have room again: goes on with what waits. The connection is live and not paused for it.
void frames_resume(struct gateway *gateway, uint32_t index);

#endif
