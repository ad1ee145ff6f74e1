// Protocols: what a server is spoken to in. One file each with one constant table; another protocol
// is one new file and one line in protocol.c's list.
//
// A protocol file encodes requests and decodes what comes; everything that is the same in all of
// them (connections, latencies, loss, verdicts) is generic, and called from here:
//
//     TCP is up                 → on_open: says hello      → client_set_state(JOINING) …
//     it is through             → client_set_live, or with rooms receive_joined
//     bytes                     → on_data                  → receive_answer, receive_delivery,
//                                                            receive_gap, receive_heartbeat, …
//     refused, broken           → client_fail, and the client is gone: return at once
//
// Bytes that a read left over are kept in the client's cut (cut.h). `try_…` encode one request and
// hand it to client_try_push; false when it cannot leave. What the server's answer must bring back
// for a latency is the stamp (stamp.h): the intended time and the lag, in the payload or in a ref.
// The run's thread. A function that a protocol has no use for is NULL only where it says so.
#ifndef FAIRLEAD_PROTOCOL_H
#define FAIRLEAD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loadgen/result.h"
#include "loadgen/stamp.h"

struct run;

struct protocol {
    const char *name;           // as in --protocol
    const char *scheme;         // of the URLs it takes, without ://
    const char *default_target; // when no URL is given; NULL: one must be
    bool is_mqtt;               // takes --qos and its like
    bool has_rooms;             // publish, join, leave
    bool has_requests;          // one answer to each
    bool has_heartbeats;
    // What a server is counted as that answers the hello with nothing of this protocol.
    enum result_failure stranger;
    const char *hello;     // what the server must answer first, "the WebSocket upgrade"
    const char *join;      // and then, "the join"; NULL: nothing
    const char *join_hint; // after "… no answer to the join", ""

    // Reserves what it needs for run->client_count clients: 0, or -ENOMEM. NULL: nothing.
    int (*init)(struct run *run);
    void (*on_open)(struct run *run, uint32_t index);
    // `data` may be changed in place; it is the caller's.
    void (*on_data)(struct run *run, uint32_t index, uint8_t *data, size_t size);
    // The connection ends or times out before it is live: when a part of a refusal has come, tells
    // it with client_fail.
    void (*on_end_early)(struct run *run, uint32_t index);
    // The connection is over, whoever ended it: forgets what it kept of it. NULL: nothing.
    void (*on_gone)(struct run *run, uint32_t index);
    // Answers that the server owes this client. NULL: one to each request and publish.
    uint32_t (*count_owed)(const struct run *run, uint32_t index);

    // NULL without has_requests.
    bool (*try_request)(struct run *run, uint32_t index, const struct stamp *stamp);
    // These three NULL without has_rooms. Answers: receive_joined, receive_left.
    bool (*try_publish)(struct run *run, uint32_t index, uint32_t room, const struct stamp *stamp);
    bool (*try_join)(struct run *run, uint32_t index);
    bool (*try_leave)(struct run *run, uint32_t index);
    // NULL without has_heartbeats. Answer: receive_heartbeat.
    bool (*try_heartbeat)(struct run *run, uint32_t index, const struct stamp *stamp);
    // A parcel of `count` requests for the flood, BLOCK_NONE without memory; each answer:
    // receive_flood. NULL: it cannot be flooded.
    uint32_t (*encode_flood)(struct run *run, uint32_t count);
};

extern const struct protocol PROTOCOL_PHOENIX;
extern const struct protocol PROTOCOL_WS_ECHO;
extern const struct protocol PROTOCOL_TCP_ECHO;
extern const struct protocol PROTOCOL_MQTT;
extern const struct protocol PROTOCOL_MQTT_WS;

// By its name; NULL when there is none.
const struct protocol *protocol_lookup(const char *name);

// The protocol spoken at URLs of this form when nobody named one: the first of the list that takes
// the scheme. NULL when none does.
const struct protocol *protocol_of_url(const char *url);

// True when `url` begins with the protocol's scheme and ://.
bool protocol_takes_url(const struct protocol *protocol, const char *url);

// Every protocol, in the list's order; NULL behind the last.
const struct protocol *protocol_at(size_t position);

#endif
