// Accepting: keeps accepts armed on listening sockets, on the first lane with room, and never lets
// the kernel meet a full table (it would drop the socket unheard): while a lane has room for a
// whole completion queue a multishot accept is armed there, for the last slots exact one-shots. Up
// to connections_max streams are opened, connections_spare more as STREAM_ACCEPTED_OVER_LIMIT,
// beyond them accepting pauses until slots come free. EMFILE, ENFILE, ENOBUFS and ENOMEM put it off
// (doubling, 1 s to 8 s). Thread: the scheduler's own.
#ifndef FAIRLEAD_IO_ACCEPT_H
#define FAIRLEAD_IO_ACCEPT_H

#include "io/stream.h"

#define ACCEPTORS_MAX 32

struct accept_config {
    int listen_fd;       // borrowed until accept_close_all has finished
    bool peer_addresses; // stream_opening.peer (--trusted-proxies): one-shots only
};

// Starts to accept with the next stream_flush_dirty. Returns the acceptor's number, or -ENOSPC.
MUST_USE int accept_open(struct streams *streams, const struct accept_config *config);

// Stops accepting everywhere (drain, clean exit): cancels; sockets accepted before that still open.
// To be followed by turns until accept_is_quiet; then the listening descriptors may be closed.
void accept_close_all(struct streams *streams);
bool accept_is_quiet(const struct streams *streams);

#endif
