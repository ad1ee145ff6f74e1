// The echo endpoint (/echo, with --echo): every message comes back as it was. A message that came
// in one piece goes back in one frame; one that did not goes back fragment by fragment as its bytes
// come, so that a message of 16 MiB needs no 16 MiB here.
//
// Bounds: the control budget (limits.h); past half of it the peer is not read.
#ifndef FAIRLEAD_ECHO_H
#define FAIRLEAD_ECHO_H

#include "gateway/conn.h"

void echo_on_chunk(struct gateway *gateway, uint32_t index, const struct websocket_event *event);

#endif
