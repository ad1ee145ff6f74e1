// The gateway on one core: its connections, what they have half received, their users' names; and
// the pointers to everything else on that core. One per scheduler; the `port` of streams and chat.
//
// A turn of the worker, as far as the gateway has a part in it:
//     completions → stream_port_* (conn.c) … scheduler_turn → conn timers, doomed connections …
//     chat_flush → chat_port_* (chat_link.c) … gateway_turn_end … stream_flush_dirty
// The worker sets scheduler->now_ns before it takes completions: who was heard when depends on it.
//
// Bounds: connections_max + connections_spare connections of CONN_SLOT_BYTES each; a reader (what
// was half received) for each at most; blocks hold the rest. Owned by the core's thread.
#ifndef FAIRLEAD_GATEWAY_H
#define FAIRLEAD_GATEWAY_H

#include "chat/chat.h"
#include "gateway/addresses.h"
#include "gateway/mqtt_directory.h"
#include "gateway/traffic.h"
#include "io/stream.h"
#include "sched/base/rng.h"
#include "sched/base/text.h"
#include "sched/registry.h"
#include "sched/scheduler.h"
#include "topics/topics.h"

// What a gateway is made of; all pointers are borrowed until gateway_fini. `streams`, `chat`
// and `topics` may be initialised after the gateway, with it as their port, but before the first
// turn.
struct gateway_parts {
    struct scheduler *scheduler;
    struct streams *streams;
    struct chat *chat;
    struct topics *topics;
    struct blocks *blocks;
    struct counters *counters;
    struct memory_ledger *ledger;
    const struct config *config;
    uint32_t connections_max;   // on this core
    uint32_t connections_spare; // beyond it: answered with 503
    uint32_t mqtt_sessions_max; // on this core
    uint32_t control_bytes_max; // what streams_init got (limits_control_bytes)
    uint64_t rng_seed;          // different on each core
    // All cores together: who opens one too many is answered with 503 wherever it landed.
    // core_count 0: this core alone counts. Races let in at most one connection per other core.
    const struct counters *const *core_counters;
    uint32_t core_count;
    uint64_t connections_total_max;
    uint64_t mqtt_sessions_total_max; // likewise; 0: mqtt_sessions_max alone
};

struct gateway {
    struct gateway_parts parts;
    struct slab readers;
    struct texts users;                 // one name per connection
    struct texts refs;                  // join_refs that are no small numbers (gateway/ref_tag.h)
    struct slab moves;                  // to and from other cores (gateway/conn_move.h)
    struct mqtt_directory mqtt_clients; // client id → session (gateway/mqtt_session.h)
    struct traffic traffic;             // recorded for the control plane (gateway/traffic.h)
    struct addresses addresses;         // of peers, where they are recorded
    struct rng rng;
    uint32_t mqtt_chores; // blocks, oldest first (gateway/mqtt_rooms.c)
    uint32_t mqtt_chores_last;
    uint64_t sys_begin_ns;    // mqtt_sys.c: of the first turn
    uint64_t sys_looked_s;    // latest second that it looked in
    uint64_t sys_published_s; // 0: nobody subscribes
    uint32_t left_leaf;       // session.c: of the membership that has ended just now, SLAB_NONE
    struct bytes left_room;   // its room, while left_leaf says so
    uint64_t drain_begin_ns;  // 0: not draining
    uint64_t drain_window_ns;
    uint32_t drain_cursor;    // next connection slot to be told, up to the slab's touched_count
    uint32_t session_cursor;  // next session slot that the drain ends
    uint32_t departure_count; // moves to other cores
    uint32_t move_cursor;     // next connection slot that gateway_move_some looks at
    uint64_t tls_logged_ns;   // when TLS on the plain port was last logged, 0: never
};

// Registers KIND_CONNECTION. Returns 0, or -ENOMEM.
MUST_USE int gateway_init(struct gateway *gateway, const struct gateway_parts *parts);

// Every connection has ended by now: checks that nothing is left.
void gateway_fini(struct gateway *gateway);

// Once a turn, before stream_flush_dirty. True when it has more to do at once: do not sleep then.
bool gateway_turn_end(struct gateway *gateway);

// The process is to end: every connection is closed with 1012, evenly spread over at most 3/4 of
// the time to the deadline (a thousand a second where that is sooner), new ones are answered 503.
void gateway_drain_begin(struct gateway *gateway, uint64_t deadline_ns);

// Ends every connection at once, without a word: after the deadline, or a second SIGTERM.
void gateway_stop(struct gateway *gateway);

// True when no connection is left, and no session.
bool gateway_is_empty(const struct gateway *gateway);

static inline uint64_t gateway_now_ns(const struct gateway *gateway) {
    return gateway->parts.scheduler->now_ns;
}

// Into the flight recorder, of one connection.
static inline void gateway_record(struct gateway *gateway, uint32_t connection,
                                  enum recorder_event_type type, uint32_t detail) {
    recorder_record(&gateway->parts.scheduler->recorder,
                    recorder_actor(KIND_CONNECTION, connection), type, detail);
}

// The same, unless it repeats the event before.
static inline void gateway_record_change(struct gateway *gateway, uint32_t connection,
                                         enum recorder_event_type type, uint32_t detail) {
    recorder_record_change(&gateway->parts.scheduler->recorder,
                           recorder_actor(KIND_CONNECTION, connection), type, detail);
}

// Into the traffic's shape, while it is recorded.
static inline void gateway_note_traffic(struct gateway *gateway, enum traffic_series series) {
    if (UNLIKELY(gateway->traffic.is_on))
        traffic_count(&gateway->traffic, gateway_now_ns(gateway), series);
}

static inline void gateway_count(struct gateway *gateway, enum counter which) {
    counter_add(gateway->parts.counters, which, 1);
}

#endif
