// What a stream calls upward: declared here, defined by the program that owns the connections (the
// gateway, the load generator, a test). `port` is what streams_init was given; `owner` the number
// that stream_set_owner stored. All are called on the streams' own thread, from
// stream_on_completion, stream_settle or stream_tick; all may call any stream_* function except
// streams_fini, on this stream or another.
#ifndef FAIRLEAD_IO_STREAM_PORT_H
#define FAIRLEAD_IO_STREAM_PORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum stream_end {
    STREAM_END_PEER_CLOSED, // FIN: it sends no more. What is queued is still sent, within the
                            // linger
    STREAM_END_RESET,       // RST, or the peer vanished while we sent
    STREAM_END_ERROR,       // another error of the socket
    STREAM_END_LOCAL,       // after stream_close: all is done, the descriptor is free
};

enum stream_opened_by {
    STREAM_ACCEPTED,
    STREAM_ACCEPTED_OVER_LIMIT, // beyond connections_max, in a spare slot: answer 503 and close
    STREAM_CONNECTED,
    STREAM_ARRIVED, // passed here by another ring (io/stream_move.h)
};

struct stream_opening {
    enum stream_opened_by by;
    uint32_t owner;              // STREAM_CONNECTED: as given to connect_open; else SLAB_NONE
    uint32_t acceptor;           // accepted: the number that accept_open returned
    const struct sockaddr *peer; // accepted with peer_addresses, else NULL; borrowed
    uint64_t tag;                // STREAM_ARRIVED: as given to stream_move_expect
};

// A connection is there. The owner calls stream_set_owner before it returns; a stream without an
// owner gets no other upcall and should be closed. The first bytes may follow in the same turn.
void stream_port_open(void *port, uint32_t index, const struct stream_opening *opening);

// Bytes came. Mutable and borrowed until return. After stream_pause_reading what the kernel had
// taken already still comes: of a hot stream up to a turn's buffers, and again if the cancel missed
// it; of stream_read_singly at most one.
void stream_port_data(void *port, uint32_t index, uint32_t owner, uint8_t *data, size_t size);

// The control queue was over half its budget and is under half again.
void stream_port_writable(void *port, uint32_t index, uint32_t owner);

// Exactly once for each stream with an owner; the owner is forgotten after it.
void stream_port_end(void *port, uint32_t index, uint32_t owner, enum stream_end reason);

// The event that tells the peer which messages of the room it missed: a parcel whose reference the
// stream takes, or BLOCK_NONE to leave it out (the member has left meanwhile). Must not push.
uint32_t stream_port_gap(void *port, uint32_t owner, uint32_t room, uint64_t from, uint64_t to);

// Messages of the room are dropped because the peer does not keep up: the first of a gap. Must not
// push.
void stream_port_drops(void *port, uint32_t owner, uint32_t room);

// In place of stream_port_open for a connect that failed; `error` is an errno.
void stream_port_connect_failed(void *port, uint32_t owner, int error);

// The next two of io/stream_move.h. After stream_move_begin, from stream_settle: nothing of the
// stream is armed or in flight any more.
void stream_port_move_ready(void *port, uint32_t index, uint32_t owner);

// After stream_move_pass, from stream_on_completion: 0, the other ring has the socket too; or an
// errno, it has not (ENFILE: its table is full; EOWNERDEAD, EBADF, EBADFD: it is gone; ENOMEM).
void stream_port_move_passed(void *port, uint32_t index, uint32_t owner, int error);

#endif
