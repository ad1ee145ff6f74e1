// A simulated client: a socket of the simulated ring, WebSocket frames, Phoenix Channels. It holds
// the server to docs/PROTOCOL.md: every reply answers a request, every room event belongs to a
// membership, numbers follow each other or are covered by a gap, presence adds and removes only
// what can be. It reads JSON with jansson and frames by itself, with none of the gateway's codecs.
//
//   away → shaking (request sent) → open → away
// A connection ends by the server's FIN, or the client's own fin, reset or close frame; what it
// was owed is then forgotten.
#ifndef FAIRLEAD_TESTS_SIM_CLIENT_H
#define FAIRLEAD_TESTS_SIM_CLIENT_H

#include "tests/sim/model.h"

#define CLIENT_REQUESTS_MAX 192

struct world;

enum client_phase {
    CLIENT_AWAY,
    CLIENT_SHAKING,
    CLIENT_OPEN,
};

enum membership_state {
    MEMBERSHIP_NONE,
    MEMBERSHIP_JOINING,
    MEMBERSHIP_JOINED,
};

// A meta that presence shows.
struct shown_meta {
    uint32_t phx_ref;
    uint32_t serial; // of the membership, from the meta itself
    uint32_t user;
};

struct heard_whisper {
    uint32_t serial;
    uint32_t number;
};

struct membership {
    enum membership_state state;
    uint32_t serial;      // its join_ref
    uint32_t next_serial; // joined again, or left and joined, before this one's phx_close; 0: not
    bool is_leaving;      // phx_leave was sent
    uint64_t epoch;
    uint64_t sequence; // of the latest message or gap
    bool has_state;    // a presence_state came
    bool has_counts;
    uint64_t count_users;
    uint64_t count_connections;
    struct shown_meta *shown;
    uint32_t shown_count;
    uint32_t shown_capacity;
    struct heard_whisper *heard;
    uint32_t heard_count;
    uint32_t heard_capacity;
};

enum request_kind {
    REQUEST_JOIN,
    REQUEST_LEAVE,
    REQUEST_PUBLISH,
    REQUEST_WHISPER,
    REQUEST_PING,      // answered ok whatever happens
    REQUEST_FORBIDDEN, // answered by an error
};

struct request {
    uint32_t ref;
    uint32_t serial; // join_ref; 0: none
    uint32_t publication;
    uint8_t room;
    uint8_t kind; // enum request_kind
    bool is_seen; // the message itself came before its reply
    bool is_moot; // its room has ended: an answer may come, an error
};

struct client {
    uint32_t id;
    uint32_t user;
    enum client_phase phase;
    uint32_t core;
    uint32_t peer;
    struct sim_buffer outbox; // not given to the socket yet
    struct sim_buffer inbox;  // taken from the socket, no whole frame yet
    struct membership rooms[MODEL_ROOMS_MAX];
    struct request requests[CLIENT_REQUESTS_MAX];
    uint32_t request_count;
    uint32_t next_ref;
    uint32_t whisper_count;
    uint64_t beat_ns;    // when it last sent anything
    uint32_t pings_owed; // pongs to come
    uint32_t split_max;  // bytes it gives the socket at once; 0: all
    bool is_stalled;     // reads nothing
    bool is_mute;        // has had its say: sends nothing more
    bool has_sinned;     // broke the protocol: may be closed for it
    bool must_close;     // the server skipped an answer or a gap: the connection has to end
    bool saw_close;
    // Over all connections.
    uint64_t connects;
    uint64_t messages;
    uint64_t gaps;
    uint64_t closes[4]; // by code: 1001, 1008, 1012, others
};

void client_init(struct client *client, uint32_t id, uint32_t user);
void client_fini(struct client *client);

// Connects to a core and asks for the upgrade.
void client_connect(struct world *world, struct client *client, uint32_t core);

// Moves bytes both ways, as its habits allow, and takes in what came.
void client_pump(struct world *world, struct client *client);

// Whether client_pump would move anything.
bool client_is_busy(struct world *world, struct client *client);

// What it may ask for. False: it cannot now.
bool client_join(struct world *world, struct client *client, uint32_t room);
bool client_leave(struct world *world, struct client *client, uint32_t room);
struct client_publish {
    uint32_t size; // of the payload, about
    bool is_binary;
    bool is_fragmented;
    bool wants_reply;
};
bool client_publish(struct world *world, struct client *client, uint32_t room,
                    const struct client_publish *publish);
bool client_whisper(struct world *world, struct client *client, uint32_t room);
bool client_ping(struct world *world, struct client *client);
bool client_forbidden(struct world *world, struct client *client, uint32_t room);
void client_frame_ping(struct world *world, struct client *client);

// How it ends, or sins.
void client_say_goodbye(struct world *world, struct client *client); // a close frame
void client_fin(struct world *world, struct client *client);
void client_reset(struct world *world, struct client *client);
void client_rubbish(struct world *world, struct client *client);

// Everything it asked for was answered. For quiet times: fails the simulation otherwise.
void client_check_quiet(const struct world *world, const struct client *client);

// Inside: takes one message (client_receive.c).
void client_on_text(struct world *world, struct client *client, const uint8_t *text, size_t size);
void client_on_binary(struct world *world, struct client *client, const uint8_t *data, size_t size);
void client_forget(struct client *client);

#endif
