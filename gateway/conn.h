// Connection: an actor (KIND_CONNECTION) that holds a stream. Its slot is all there is of an idle
// connection in the gateway: what it half received is in a reader (gateway/reader.h), what it wants
// to send in its stream, its memberships in chat.
//
//   over limit ──any byte: 503, or in time──────────────┐
//   handshake ──upgrade──▶ open (Phoenix) ──close──▶ closing ──stream ended──▶ gone
//       │  └───upgrade /echo──▶ echo ──close────────────┘  ▲
//       └──refusal, slow──────────────────────────────────┘
// An open or echo connection may move to another core (gateway/conn_move.h):
//   arriving ──landed──▶ open, echo        arriving ──called off──▶ gone
// An MQTT connection (gateway/mqtt_conn.h) is in its handshake until its CONNECT was accepted, and
// moves in that state alone, to its client id's home.
// In every state the peer may end the stream, which ends the actor. Performed by: conn_become.
//
// Who closes: conn_close on the spot, from an upcall of the stream or the actor's own timer;
// conn_doom from within chat's walks, which happens at the actor's next go.
// Owned by the core's thread; pointers to a slot live for one call.
#ifndef FAIRLEAD_CONN_H
#define FAIRLEAD_CONN_H

#include "gateway/gateway.h"
#include "gateway/wire/websocket.h"

#define CONN_SLOT_BYTES 48

enum conn_state {
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_ECHO,
    CONN_CLOSING,    // all was said that we say; what still comes is not looked at
    CONN_OVER_LIMIT, // beyond connections_max, or while draining: whatever it asks is answered 503
    CONN_ARRIVING,   // comes from another core: takes deliveries, is not read yet
};

// In actor.state_bits, above the state. A bit is set exactly when …
#define CONN_STATE_BITS 7u
#define CONN_TRUSTED 0x008u      // … the peer is one of the trusted proxies
#define CONN_PAUSED_QUEUE 0x010u // … it is not read until its replies have left
#define CONN_PAUSED_BUSY 0x020u  // … it is not read until its timer fires
#define CONN_STALE 0x040u        // … a membership waits for presence that could not be queued
#define CONN_DOOMED 0x080u       // … conn_doom was called; closes at its next go
#define CONN_DOOM_MEMORY 0x100u  // … because memory was out, not because of a budget
#define CONN_MOVING 0x200u       // … it is about to leave for another core
#define CONN_MQTT 0x400u         // … it speaks MQTT: its first byte, its listener, or /mqtt
#define CONN_MQTT_WS 0x800u      // … in binary frames of a WebSocket

struct conn {
    struct actor actor;
    struct timer timer;
    uint32_t stream; // index; alive as long as the actor is, SLAB_NONE in its last moment
    uint32_t user;   // text, TEXT_NONE before the upgrade
    union {
        uint32_t members; // first membership in chat, linked by member.next
        uint32_t session; // with CONN_MQTT: its session (mqtt_session.h), SLAB_NONE before CONNECT
    };
    uint32_t reader; // SLAB_NONE: on a frame boundary
    // When bytes last came or half of the replies' budget was taken, in the scheduler's seconds.
    uint32_t heard_s;
};

_Static_assert(sizeof(struct conn) == CONN_SLOT_BYTES, "part of the 256 B of an idle connection");

extern const struct behaviour conn_behaviour;

static inline struct conn *conn_at(const struct gateway *gateway, uint32_t index) {
    return (struct conn *)slab_get(&gateway->parts.scheduler->kinds[KIND_CONNECTION].slab, index);
}

static inline enum conn_state conn_state(const struct conn *conn) {
    return (enum conn_state)(conn->actor.state_bits & CONN_STATE_BITS);
}

static inline bool conn_has(const struct conn *conn, uint32_t flag) {
    return conn->actor.state_bits & flag;
}

static inline void conn_mark(struct conn *conn, uint32_t flag) {
    conn->actor.state_bits = (conn->actor.state_bits | flag) & 0xfffu;
}

static inline void conn_unmark(struct conn *conn, uint32_t flag) {
    conn->actor.state_bits = conn->actor.state_bits & ~flag & 0xfffu;
}

// True when frames of this connection are still looked at.
static inline bool conn_is_live(const struct conn *conn) {
    enum conn_state state = conn_state(conn);
    return (state == CONN_OPEN || state == CONN_ECHO) && !conn_has(conn, CONN_DOOMED);
}

void conn_become(struct conn *conn, enum conn_state state);

// The handshake is done: open or echo. From now on silence is what ends it.
void conn_upgraded(struct gateway *gateway, uint32_t index, enum conn_state state);

// One that comes from another core, with its stream.
struct conn_newcomer {
    uint32_t stream;
    uint32_t marks; // of CONN_TRUSTED, CONN_MQTT, CONN_MQTT_WS
    bool has_user;
    const uint8_t *ip; // 16 bytes; NULL: not known
    struct bytes user;
};

// Its actor, CONN_ARRIVING; SLAB_NONE when there is no slot. The stream is still the caller's then.
MUST_USE uint32_t conn_arrive(struct gateway *gateway, const struct conn_newcomer *newcomer);

// It is open here now: timers, and what befell it while it arrived.
void conn_landed(struct gateway *gateway, uint32_t index);

// Queues a control parcel and takes its one reference. BLOCK_NONE (memory was out), a full budget
// or a stream that is going doom the connection or are ignored, so that callers need not look.
void conn_push(struct gateway *gateway, uint32_t index, uint32_t parcel);

// Why a connection is closed by us.
struct conn_farewell {
    uint16_t code;      // of the close frame; WEBSOCKET_CLOSE_NO_STATUS: an empty one
    uint8_t mqtt;       // enum mqtt_reason: of the DISCONNECT, and for the session
    bool is_mqtt_quiet; // no DISCONNECT: the client's own farewell
    struct bytes reason;
    enum counter counter;
};

// Sends a close frame, or a DISCONNECT, leaves all rooms, lets the stream end once all is sent.
void conn_close(struct gateway *gateway, uint32_t index, const struct conn_farewell *farewell);

// The upgrade at /mqtt: a WebSocket, and in the handshake still, until its CONNECT was accepted.
void conn_upgraded_mqtt(struct gateway *gateway, uint32_t index);

// The CONNECT was accepted: open. From now on the keep-alive is what ends it.
void conn_opened_mqtt(struct gateway *gateway, uint32_t index);

// The same without a frame: before the upgrade, or after an answer in HTTP.
void conn_finish(struct gateway *gateway, uint32_t index);

// Closes at the connection's next go, with 1008, or 1013 when memory was out.
void conn_doom(struct gateway *gateway, uint32_t index, bool is_memory);

// Reading stops when too many replies wait for the peer; it begins again by itself.
void conn_pause_if_full(struct gateway *gateway, uint32_t index);

// A publish was refused as busy: reading stops for LIMITS_BUSY_PAUSE_MS.
void conn_pause_busy(struct gateway *gateway, uint32_t index);

// What an MQTT connection paused for may have gone: it is looked at again at its next go, not when
// the pause is over. Harmless when it is not paused.
void conn_look_again(struct gateway *gateway, uint32_t index);

// Presence could not be queued: looks again later, and tells chat when there is room.
void conn_mark_stale(struct gateway *gateway, uint32_t index);

// The process drains: closes this one at `at_ns`.
void conn_drain_at(struct gateway *gateway, uint32_t index, uint64_t at_ns);

#endif
