// MQTT session: what a client id owns, whether it is connected or not (MQTT 5.0 4.1): its
// subscriptions, what is under way to it (mqtt_outbox.h) and from it (mqtt_inbox.h), its will. An
// actor (KIND_MQTT_SESSION) on core hash(client id) mod cores: the connection is moved there before
// its CONNECT is acted on (mqtt_greeting.h), so that the directory of client ids, take-over and all
// else is local.
//
//   (none) ──CONNECT──▶ online ──connection ends, expiry 0──▶ gone
//                        ▲  └──connection ends, expiry > 0──▶ offline ──expiry──▶ gone
//                        │                                     │
//                        └──────────── CONNECT ────────────────┘
//   online ──CONNECT of the same client id──▶ the old connection gets 0x8E; the session goes on
//                                             with the new one, or, clean start, begins anew
// In every state an operator's or supervisor's kill ends it: the connection is closed (0x98).
//
// The will (3.1.2.5): published when the connection ends without a farewell (reason 0x00), after
// its delay or with the session, whichever is first; dropped when the client is back before
// [MQTT-3.1.3-9]. A take-over is such an end: with a delay of 0, or with a clean start, the former
// connection's will goes out.
// A drain (the process ends): each connection is told 0x8B, which is no farewell of the client's:
// wills without delay go out to those still there; when a core's last connection is gone, its
// sessions end with their wills in slices, so that rooms and topics can give up their places while
// they still work (mqtt_session_drain).
//
// Bounds: --mqtt-sessions-max per process (a share per core); --mqtt-subscriptions-max each;
// outbox and inbox as their headers say. LIMITATION: sessions live in memory; they do not outlast
// the process. Their place in the durable store is what mqtt_session_… and the outbox hold; nothing
// of it is a pointer. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_SESSION_H
#define FAIRLEAD_MQTT_SESSION_H

#include "gateway/conn.h"
#include "gateway/mqtt_directory.h"
#include "gateway/wire/mqtt_connect.h"

#define MQTT_SESSION_SLOT_BYTES 80

// Chat's and topics' `owner` is a session, not a connection, exactly when this bit is set.
#define MQTT_OWNER 0x80000000u

static inline bool mqtt_is_owner(uint32_t owner) {
    return owner & MQTT_OWNER;
}

struct mqtt_session {
    struct actor actor;        // state_bits: MQTT_SESSION_…
    struct timer timer;        // offline: the will's delay, then expiry; online: a blocked outbox
    uint32_t conn;             // SLAB_NONE: offline
    uint32_t client_id;        // in gateway->mqtt_clients (mqtt_directory.h)
    uint32_t members;          // first membership of a room (struct member), linked by next
    uint32_t subscriptions;    // first of topics (struct topics_subscription), linked by next
    uint32_t outbox;           // block, BLOCK_NONE: nothing waits or is under way to the client
    uint32_t inbox;            // block, BLOCK_NONE: no QoS 2 open, no topic alias
    uint32_t pending;          // block: SUBSCRIBEs whose SUBACK waits (mqtt_routes.h), BLOCK_NONE
    uint32_t will;             // block (mqtt_will.h), BLOCK_NONE
    uint32_t expiry_s;         // at most --mqtt-session-expiry-max-s; 0: ends with its connection
    uint32_t ends_s;           // offline: when it expires, in the scheduler's seconds
    uint32_t packet_bytes_max; // that the client takes; 0: no bound
    uint16_t receive_max;      // QoS 1 and 2 that the client takes at once
    uint16_t packet_id;        // given last
    uint16_t keep_alive_s;     // in force; 0: none
    uint16_t alias_max;        // topic aliases that the client takes
};

_Static_assert(sizeof(struct mqtt_session) <= MQTT_SESSION_SLOT_BYTES, "of 320 B per connection");

// In actor.state_bits. A bit is set exactly when …
#define MQTT_SESSION_5 0x001u        // … the client speaks 5.0, not 3.1.1
#define MQTT_SESSION_WS 0x002u       // … over WebSocket
#define MQTT_SESSION_BLOCKED 0x004u  // … its outbox waits for room in the stream (a timer looks)
#define MQTT_SESSION_PROBLEMS 0x008u // … reason strings may be sent (request problem information)
#define MQTT_SESSION_CLOSING 0x010u  // … its end is under way
#define MQTT_SESSION_PASSING 0x020u  // … another connection takes it over right now

static inline struct mqtt_session *mqtt_session_at(const struct gateway *gateway, uint32_t index) {
    return (struct mqtt_session *)slab_get(&gateway->parts.scheduler->kinds[KIND_MQTT_SESSION].slab,
                                           index);
}

static inline void mqtt_session_mark(struct mqtt_session *session, uint32_t flags) {
    session->actor.state_bits = (session->actor.state_bits | flags) & 0xfffu;
}

static inline void mqtt_session_unmark(struct mqtt_session *session, uint32_t flags) {
    session->actor.state_bits = session->actor.state_bits & ~flags & 0xfffu;
}

static inline bool mqtt_session_has(const struct mqtt_session *session, uint32_t flag) {
    return session->actor.state_bits & flag;
}

extern const struct behaviour mqtt_session_behaviour;

// Registers KIND_MQTT_SESSION and its tables. Returns 0, or -ENOMEM.
MUST_USE int mqtt_session_open(struct gateway *gateway);
void mqtt_session_close(struct gateway *gateway);

// While draining, at the end of a turn: once this core has no connection, ends sessions, a slice of
// them. True: some are left.
bool mqtt_session_drain(struct gateway *gateway);

// The core where a client id's session lives. Any thread.
uint32_t mqtt_session_home_core(const struct gateway *gateway, struct bytes client_id);

// A client id for who gave none, whose home is this core, in 23 bytes or fewer.
struct bytes mqtt_session_make_client_id(struct gateway *gateway, uint8_t *text);

// CONNECT of a client id (not empty) whose home is here, all checks done: resumes or begins the
// session, takes it over from another connection (which is told 0x8E and closed), stores the will,
// links connection and session. The CONNACK is the caller's to send, then mqtt_session_resume.
// Returns the session's slot, or SLAB_NONE with *reason: quota exceeded (--mqtt-sessions-max), or
// server unavailable (memory; a session that was there goes on without connection).
struct mqtt_session_start {
    uint32_t conn;
    const struct mqtt_connect *connect;
    uint32_t expiry_s;     // granted
    uint16_t keep_alive_s; // in force
    bool is_ws;
};
MUST_USE uint32_t mqtt_session_start(struct gateway *gateway,
                                     const struct mqtt_session_start *start,
                                     bool *is_session_present, enum mqtt_reason *reason);

// After the CONNACK: redelivers what was under way, in order, then what waits.
void mqtt_session_resume(struct gateway *gateway, uint32_t index);

// Its connection says farewell or is gone (also before that: conn_terminate). `reason` is the
// DISCONNECT's: MQTT_SUCCESS drops the will, all else publishes it (after its delay).
void mqtt_session_on_conn_end(struct gateway *gateway, uint32_t index, enum mqtt_reason reason);

// DISCONNECT of 5.0 may change it. False: it was 0 and must not become more (3.14.2.2.2: a protocol
// error); nothing was changed.
bool mqtt_session_set_expiry(struct gateway *gateway, uint32_t index, uint32_t expiry_s);

// The name by which it publishes (struct topic_message.publisher, struct chat_publish.publisher):
// its pid.
uint64_t mqtt_session_pid(const struct gateway *gateway, uint32_t index);

// By that name; SLAB_NONE when it is gone or elsewhere.
uint32_t mqtt_session_lookup(const struct gateway *gateway, uint64_t pid);

// Its outbox found no room: it is flushed again after a while (MQTT_SESSION_BLOCKED). The timer is
// the session's own, since the connection's has other things to do.
void mqtt_session_block(struct gateway *gateway, uint32_t index);

// QoS 1 and 2 that may be under way to it at once.
uint32_t mqtt_session_window(const struct gateway *gateway, uint32_t index);

// User name (presence): that of its connection, else the client id, cut to CHAT_USER_BYTES_MAX
// bytes between characters. Borrowed for the call.
struct bytes mqtt_session_user(const struct gateway *gateway, uint32_t index);
struct bytes mqtt_session_client_id(const struct gateway *gateway, uint32_t index);

// How it is encoded for (enum wire_format of mqtt_format.h).
uint32_t mqtt_session_format(const struct gateway *gateway, uint32_t index);

// The address under which chat and topics reach it: a shared format while it is online and nothing
// about this subscription is individual, else ADDRESS_EACH.
uint32_t mqtt_session_address(const struct gateway *gateway, uint32_t index, bool is_individual);

#endif
