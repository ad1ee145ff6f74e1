// A conversation between a coordinator and an agent: JSON objects, one a line, over a connected
// stream socket. Neither side trusts the other: a line is bounded, what is no JSON object ends the
// conversation.
//
//     {"type": "snapshot", ...}\n
//
// Never blocks: what the socket does not take waits here, up to CHANNEL_WAITING_MAX; a peer that
// does not read for so long is told from channel_send. Owns the socket. One thread.
#ifndef FAIRLEAD_CHANNEL_H
#define FAIRLEAD_CHANNEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "sched/base/check.h"

#define CHANNEL_WAITING_MAX ((size_t)128 << 20) // two of the largest lines

enum channel_outcome {
    CHANNEL_MESSAGE,  // *message is the caller's to decref
    CHANNEL_NOTHING,  // the next line is not whole yet
    CHANNEL_CLOSED,   // by the peer, or the connection broke: channel->error is the errno or 0
    CHANNEL_NOT_JSON, // the line is in channel_peek
    CHANNEL_TOO_LONG, // line_bytes_max without an end of line
};

struct channel {
    int fd; // -1: closed
    int error;
    size_t line_bytes_max;
    char *in;
    size_t in_size, in_capacity;
    size_t in_seen; // of it, holds no end of line
    char *out;
    size_t out_size, out_capacity;
    char peeked[80];
};

// Takes the socket and makes it non-blocking.
void channel_init(struct channel *c, int fd, size_t line_bytes_max);

// Closes the socket; what waits is lost.
void channel_fini(struct channel *c);

// Takes `message` (NULL when there was no memory for it) and sends what the socket takes. False
// when the peer is gone, does not read, or memory is out: the conversation is over.
MUST_USE bool channel_send(struct channel *c, json_t *message);

// Sends what waits. False as above.
MUST_USE bool channel_flush(struct channel *c);

static inline bool channel_has_waiting(const struct channel *c) {
    return c->out_size > 0;
}

// The next line that has come whole.
enum channel_outcome channel_receive(struct channel *c, json_t **message);

// The begin of the last line that was no JSON object, or of what came instead of a line: at most 60
// bytes that may be printed. Valid until the next call.
const char *channel_peek(struct channel *c);

#endif
