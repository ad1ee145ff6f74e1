// The core that a connection comes to: the other half of gateway/conn_move.h, where everything is
// said. Owned by the core's thread.
#ifndef FAIRLEAD_CONN_ARRIVAL_H
#define FAIRLEAD_CONN_ARRIVAL_H

#include "gateway/conn_move.h"

// From the core that it leaves.
void conn_arrival_on_message(struct gateway *gateway, const struct message *message);

// The socket is here (STREAM_ARRIVED), with the tag that stream_move_expect got.
void conn_arrival_on_stream(struct gateway *gateway, uint32_t stream, uint64_t tag);

// An arriving connection's actor ends before it has landed.
void conn_arrival_lost(struct gateway *gateway, uint32_t connection);

// Once a turn, for each that is not done yet.
void conn_arrival_look(struct gateway *gateway, uint32_t move);

#endif
