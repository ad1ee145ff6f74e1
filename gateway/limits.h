// Bounds of a connection that are not configured. Those that are stand in gateway/config.h, those
// of the wire formats in gateway/wire/wire_limits.h; docs/PROTOCOL.md lists them all for users.
#ifndef FAIRLEAD_LIMITS_H
#define FAIRLEAD_LIMITS_H

#include "gateway/config.h"

// Replies, pongs and presence that may wait for one peer. Past half of it the peer is not read.
#define LIMITS_CONTROL_BYTES (256u * 1024)

// An echo is bounded by what is read while it is unsent: half the budget, one buffer more
// (stream_read_singly), what a hot receive had taken when the upgrade came, and the headers of its
// fragments.
#define LIMITS_ECHO_CONTROL_BYTES (512u * 1024)

// What a peer sent before its reading stopped is not decoded, and so not answered, before its
// replies have room again. More than the kernel may have taken already (io/stream.h) is too much.
#define LIMITS_WAITING_BYTES (1024u * 1024)

// Kept of that budget for the close frame, which must always find a place.
#define LIMITS_CLOSE_BYTES 256u

// A connection beyond connections_max that says nothing leaves its spare slot after this.
#define LIMITS_OVER_LIMIT_TIMEOUT_S 2

// Retry-After of a 503 is 1 … this, at random, so that a crowd does not come back at once.
#define LIMITS_RETRY_AFTER_S_MAX 30

// A peer whose publish was refused as `busy` is not read for so long (rounded up to a tick).
#define LIMITS_BUSY_PAUSE_MS 50

// Timers of connections: resolution, and what timeouts of whole seconds are rounded up to, so that
// a second's worth of them fires together.
#define LIMITS_TIMER_TICK_MS 50
#define LIMITS_TIMER_SLACK_S 1

// A member whose presence could not be queued is looked at again after this.
#define LIMITS_STALE_RETRY_MS 200

static inline uint32_t limits_control_bytes(const struct config *config) {
    return config->echo ? LIMITS_ECHO_CONTROL_BYTES : LIMITS_CONTROL_BYTES;
}

#endif
