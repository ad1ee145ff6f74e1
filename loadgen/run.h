// The state of one run: a table of clients, a table of rooms, the streams below them, the result
// above. One thread owns all of it. load.c makes it and turns the loop, client.c brings connections
// up and down, the protocol encodes and decodes, receive.c counts what came, scenario.c says what
// is sent and when.
//
// Memory: 64 B per connection here, 32 B in the stream table, 168 B per room; a message cut by the
// end of a read holds a slot of about the payload's size plus 9 KiB until the rest comes; 4 B per
// connection with rooms of a mix of sizes, 32 B while it is away in a storm, 24 B while a slow
// reader waits. Nothing is allocated after the start.
#ifndef FAIRLEAD_RUN_H
#define FAIRLEAD_RUN_H

#include "io/stream.h"
#include "loadgen/comeback.h"
#include "loadgen/environment.h"
#include "loadgen/flight.h"
#include "loadgen/layout.h"
#include "loadgen/live.h"
#include "loadgen/mqtt_client.h"
#include "loadgen/mqtt_scan.h"
#include "loadgen/phases.h"
#include "loadgen/replay.h"
#include "loadgen/protocol.h"
#include "loadgen/publisher_order.h"
#include "loadgen/result.h"
#include "loadgen/scan.h"
#include "loadgen/schedule.h"
#include "loadgen/session.h"
#include "loadgen/target.h"
#include "loadgen/throttle.h"
#include "loadgen/wills.h"
#include "sched/base/clock.h"
#include "sched/base/rng.h"

#define RUN_TOPIC_BYTES_MAX 160 // $share/group/prefix/bench-4294967295
#define RUN_USER_BYTES_MAX 16   // u0000001

// NONE → CONNECTING client_connect_due → OPENING client_on_open (the protocol says hello) →
// JOINING client_set_joining (protocols with rooms) → LIVE client_set_live; any of them → GONE
// client_fail, client_on_end.
enum client_state {
    CLIENT_NONE,
    CLIENT_CONNECTING,
    CLIENT_OPENING,
    CLIENT_JOINING,
    CLIENT_LIVE,
    CLIENT_GONE,
};

// Of a live client in its room. OUT → JOINING client_try_join → IN receive_joined → LEAVING
// client_try_leave → OUT receive_left. Without rooms it is IN while it is live.
enum client_member {
    CLIENT_OUT,
    CLIENT_MEMBER_JOINING,
    CLIENT_IN,
    CLIENT_LEAVING,
};

struct client {
    struct handle stream;        // CONNECTING … LIVE
    struct verify_member verify; // numbers of the room
    uint64_t connect_ns;         // when the connect was meant to begin
    uint32_t cut;                // slot in run->cuts, SLAB_NONE when nothing is cut
    uint32_t asked;              // requests so far: the number of the last
    uint32_t replied;            // the highest number of a request that was answered
    uint32_t replied_window;     // bit k: replied - k was answered
    uint32_t unanswered;         // requests and publishes on their way
    uint32_t started_ms;         // when it did begin, since the run did
    uint32_t floor;              // own numbers of its room up to this are from before its join
    uint8_t state;               // enum client_state
    uint8_t member;              // enum client_member
    uint8_t role;                // enum layout_role
    uint8_t heartbeats;          // on their way, 255 at most
};

_Static_assert(sizeof(struct client) == 64, "the memory that the header promises");

struct room {
    uint64_t last_sequence; // highest of the server's numbers of our messages
    uint32_t live;          // members
    uint32_t stable;        // of them: neither slow nor coming and going; messages are due to these
    uint32_t published;     // by this process
    struct verify_member verify; // of a shared group: all its members together
    union {
        struct scan_expected phoenix;
        struct mqtt_scan_expected mqtt;
    };
};

// Whose numbers the deliveries carry; known with the first of them.
enum run_numbers {
    RUN_NUMBERS_UNKNOWN,
    RUN_NUMBERS_SERVER, // the sixth element of broadcasts
    RUN_NUMBERS_OWN,    // those in the payload
};

struct run {
    struct load_options options;
    const struct plan *plan;
    struct session *session; // with the coordinator; NULL: this process is alone
    const struct protocol *protocol;
    struct result *result;
    struct target_set *targets;
    struct environment *environment;
    struct process_watch self;
    struct server_watch server; // when it is on this machine
    const char *command;        // as typed
    struct memory_ledger ledger;
    struct counters counters;
    struct blocks blocks;
    struct ring *ring;
    struct streams streams;
    struct rng rng;
    struct rng jitter; // of back-off: --seed

    struct client *clients;
    uint32_t client_count; // with the flooding one or the watchers of wills, which are the last
    uint32_t room_count;   // with their room, which is the last
    uint32_t flood_client; // SLAB_NONE without --flood
    struct room *rooms;
    struct slab cuts;
    uint32_t cut_bytes; // that a cut holds
    struct flight_table flights;
    struct replay *replay;  // a recorded shape that is played, NULL: none
    uint32_t publish_bytes; // of the next publish
    uint32_t request_bytes; // of all requests
    struct mqtt_clients mqtt;
    struct wills wills;
    struct publisher_order order;
    uint8_t *scratch; // for one message on its way out
    size_t scratch_size;

    struct schedule connects;
    struct schedule heartbeats;
    struct layout layout;   // who is in which room
    uint32_t rank_stride;   // client_of_rank
    uint32_t connect_count; // ranks that connect before the first phase
    uint32_t next_client;   // the rank that connects next
    uint32_t first_waiting; // no rank below is CONNECTING … JOINING
    uint32_t waiting;       // clients that are
    uint32_t next_churner;
    uint32_t next_heartbeat;
    uint32_t heartbeat_stride; // in which order (stride.h)
    uint32_t room_stride;      // of the rooms that are published in
    struct phases phases;
    struct comebacks comebacks;
    struct throttle throttle;
    uint64_t measure_from_ns; // SCHEDULE_NEVER until known
    uint64_t measure_to_ns;
    uint64_t outstanding; // requests without an answer, all clients
    uint64_t heartbeats_outstanding;
    enum run_numbers numbers;
    uint64_t last_intended_ns; // closed loop
    uint32_t next_closed;      // closed loop: takes turns
    uint64_t last_progress_ns; // closed loop: something was answered
    bool sends_load;           // closed loop: answers make new requests
    bool floods;
    uint64_t flood_unanswered; // pings of the flood
    bool gives_up;             // nobody answers: do not connect any more
    bool is_stopping;          // Ctrl-C
    uint64_t straggle_from_ns;
    bool is_closing; // the run is over: ends are no failures any more
    struct live live;
    uint64_t load_from_ns; // when all were connected; 0 before
    uint64_t next_tick_ns;
    uint64_t read_ns; // when what is being decoded was read
    uint32_t flood_parcel;
};

static inline bool run_is_measured(const struct run *run, uint64_t intended_ns) {
    return intended_ns >= run->measure_from_ns && intended_ns < run->measure_to_ns;
}

// The room of a client's only channel; the flooding client has one to itself, watchers of wills,
// too.
static inline uint32_t run_room_of(const struct run *run, uint32_t client) {
    return client >= run->options.connections ? run->room_count - 1
                                              : layout_room_of(&run->layout, client);
}

// The phase that something meant for that time belongs to; NULL when none was on then.
static inline struct result_phase_row *run_row(const struct run *run, uint64_t intended_ns) {
    const struct phases *p = &run->phases;
    uint32_t at = p->at;
    while (at > 0 && intended_ns < p->from_ns[at])
        at--;
    bool is_within = intended_ns >= p->from_ns[at] && intended_ns < p->from_ns[at + 1];
    return is_within ? &run->result->phase_rows[at] : NULL;
}

// Publishes and pings go on beside each other: replies have a histogram of their own then.
static inline bool run_has_both(const struct run *run) {
    return run->phases.needs.rooms && run->phases.needs.requests;
}

#endif
