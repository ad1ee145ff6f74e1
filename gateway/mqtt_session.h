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
// Bounds: --mqtt-sessions-max per process (a share per core); --mqtt-subscriptions-max each;
// outbox and inbox as their headers say. LIMITATION: sessions live in memory; they do not outlast
// the process. Their place in the durable store is what mqtt_session_… and the outbox hold; nothing
// of it is a pointer. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_SESSION_H
#define FAIRLEAD_MQTT_SESSION_H

#include "gateway/conn.h"
#include "gateway/wire/mqtt_connect.h"

#define MQTT_SESSION_SLOT_BYTES 80

// Chat's and topics' `owner` is a session, not a connection, exactly when this bit is set.
#define MQTT_OWNER 0x80000000u

static inline bool mqtt_is_owner(uint32_t owner) {
    return owner & MQTT_OWNER;
}

struct mqtt_session {
    struct actor actor;        // state_bits: MQTT_SESSION_…
    struct timer timer;        // offline: the will's delay, then expiry
    uint32_t conn;             // SLAB_NONE: offline
    uint32_t client_id;        // block of gateway->mqtt_clients
    uint32_t members;          // first membership of a room (struct member), linked by next
    uint32_t subscriptions;    // first of topics (struct topics_subscription), linked by next
    uint32_t outbox;           // block, BLOCK_NONE: nothing waits or is under way to the client
    uint32_t inbox;            // block, BLOCK_NONE: no QoS 2 open, no topic alias
    uint32_t pending;          // block: SUBSCRIBEs whose SUBACK waits (mqtt_routes.h), BLOCK_NONE
    uint32_t will;             // block (mqtt_will.h), BLOCK_NONE
    uint32_t expiry_s;         // UINT32_MAX: never, within --mqtt-session-expiry-max-s
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

static inline struct mqtt_session *mqtt_session_at(const struct gateway *gateway, uint32_t index) {
    return (struct mqtt_session *)slab_get(&gateway->parts.scheduler->kinds[KIND_MQTT_SESSION].slab,
                                           index);
}

static inline bool mqtt_session_has(const struct mqtt_session *session, uint32_t flag) {
    return session->actor.state_bits & flag;
}

extern const struct behaviour mqtt_session_behaviour;

// Registers KIND_MQTT_SESSION and its tables. Returns 0, or -ENOMEM.
MUST_USE int mqtt_session_open(struct gateway *gateway);
void mqtt_session_close(struct gateway *gateway);

// The core where a client id's session lives. Any thread.
uint32_t mqtt_session_home_core(const struct gateway *gateway, struct bytes client_id);

// A client id for who gave none, whose home is this core, in 23 bytes or fewer.
struct bytes mqtt_session_make_client_id(struct gateway *gateway, uint8_t *text);

// CONNECT of a client id whose home is here, all checks done: resumes or begins the session,
// takes it over from another connection (which is told 0x8E and closed), stores the will. The
// CONNACK is the caller's to send, then mqtt_session_resume. Returns the session's slot, or
// SLAB_NONE with *reason (memory, sessions-max: quota exceeded).
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

// DISCONNECT of 5.0 may change it [MQTT-3.14.2-2].
void mqtt_session_set_expiry(struct gateway *gateway, uint32_t index, uint32_t expiry_s);

// The name by which it publishes (struct topic_message.publisher, struct chat_publish.publisher):
// its pid.
uint64_t mqtt_session_pid(const struct gateway *gateway, uint32_t index);

// By that name; SLAB_NONE when it is gone or elsewhere.
uint32_t mqtt_session_lookup(const struct gateway *gateway, uint64_t pid);

// User name (presence): that of its connection, else the client id. Borrowed for the call.
struct bytes mqtt_session_user(const struct gateway *gateway, uint32_t index);
struct bytes mqtt_session_client_id(const struct gateway *gateway, uint32_t index);

// The address under which chat and topics reach it: a shared format while it is online and nothing
// about this subscription is individual, else ADDRESS_EACH.
uint32_t mqtt_session_address(const struct gateway *gateway, uint32_t index, bool is_individual);

#endif
