// Connecting, for clients: a plain socket with its options set, handed to the ring's table, then
// connected there, so that one process holds hundreds of thousands of connections over lanes.
// Needs stream_config.connects. Thread: the scheduler's own.
#ifndef FAIRLEAD_IO_CONNECT_H
#define FAIRLEAD_IO_CONNECT_H

#include "io/stream.h"

struct connect_config {
    const struct sockaddr *local; // bound with IP_BIND_ADDRESS_NO_PORT; NULL: none. Borrowed
    socklen_t local_size;
    const struct sockaddr *remote; // borrowed
    socklen_t remote_size;
    uint32_t receive_buffer_bytes; // SO_RCVBUF; 0: the kernel's own
    bool linger_zero;              // close by RST: no TIME_WAIT blocks the port of the next run
};

// Returns 0 and the stream: stream_port_open (STREAM_CONNECTED) or stream_port_connect_failed
// follows with `owner`. Or -errno and no upcall (EMFILE, ENOBUFS, EADDRNOTAVAIL; ENOSPC: every slot
// is taken).
MUST_USE int connect_open(struct streams *streams, uint32_t owner,
                          const struct connect_config *config, struct handle *stream);

#endif
