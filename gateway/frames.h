// A connection's incoming WebSocket frames: decodes what came, answers control frames, hands whole
// messages to the session and pieces of them to the echo.
//
// A message that lies whole in the received bytes is decoded in place and copied nowhere; one that
// is cut is gathered in the connection's reader. Bounds: --message-bytes-max. Owned by the core's
// thread; called from stream_port_data only.
#ifndef FAIRLEAD_FRAMES_H
#define FAIRLEAD_FRAMES_H

#include "gateway/gateway.h"

// The connection is open or echoes. `data` is unmasked in place.
void frames_on_data(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size);

#endif
