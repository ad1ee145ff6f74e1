// Connections: opened at a rate, live when the protocol says so, kept, lost. States in run.h.
//
// client_on_… are called by the program's stream_port_… functions. Every failure is counted by
// cause and the first is told in one sentence. The run's thread.
#ifndef FAIRLEAD_CLIENT_H
#define FAIRLEAD_CLIENT_H

#include "loadgen/run.h"

// Reserves tables for run->client_count. 0, or -ENOMEM.
MUST_USE int client_init(struct run *run);

// Begins the connects that are due, within --connecting-max.
void client_connect_due(struct run *run, uint64_t now_ns);

// When the next connect is due, SCHEDULE_NEVER when none is or too many are under way.
uint64_t client_next_connect_ns(const struct run *run);

// Once a second: gives up connects that take too long.
void client_expire(struct run *run, uint64_t now_ns);

// Connections have ranks, in the order in which they come (and, the other way round, go); those
// beside the load (flood, watchers) have none.
uint32_t client_of_rank(const struct run *run, uint32_t rank);

// One that is not there connects; it was meant to at intended_ns.
void client_connect(struct run *run, uint32_t index, uint64_t intended_ns, uint64_t now_ns);

// Its attempt takes too long: fails with a sentence about what is missing.
void client_time_out(struct run *run, uint32_t index);

// It goes, by our own doing: reset at once, and no failure.
void client_depart(struct run *run, uint32_t index);

// True when every client that is to be there before the first phase is live or gone.
bool client_all_settled(const struct run *run);

void client_on_open(struct run *run, uint32_t index, uint32_t stream_index);
void client_on_connect_failed(struct run *run, uint32_t index, int error);
void client_on_end(struct run *run, uint32_t index, enum stream_end reason);

// From the protocol, in this order; the first where a join follows its hello.
void client_set_joining(struct run *run, uint32_t index);
void client_set_live(struct run *run, uint32_t index);

// A live client leaves its room, joins it again. False when it cannot (not in, not out, gone, the
// server does not read).
MUST_USE bool client_try_leave(struct run *run, uint32_t index);
MUST_USE bool client_try_join(struct run *run, uint32_t index);

// Its join is under way, the first or a later one.
static inline bool client_is_joining(const struct run *run, uint32_t index) {
    const struct client *client = &run->clients[index];
    return client->state == CLIENT_JOINING ||
           (client->state == CLIENT_LIVE && client->member == CLIENT_MEMBER_JOINING);
}

static inline bool client_is_member(const struct run *run, uint32_t index) {
    const struct client *client = &run->clients[index];
    return client->state == CLIENT_LIVE && client->member == CLIENT_IN;
}

// A message to its room is due to it, while it is a member: it counts for first, median and last
// receiver and for reach. Who is slow or comes and goes by our own doing does not.
static inline bool client_is_stable(const struct client *client) {
    return client->role == LAYOUT_PLAIN;
}

// It is in its room from now on, or out of it. Counts the room's members.
void client_enter_room(struct run *run, uint32_t index);
void client_leave_room(struct run *run, uint32_t index);

// Counts the cause, closes the stream, and that was it for this client.
void client_fail(struct run *run, uint32_t index, enum result_failure why, const char *format, ...)
    PRINTF_LIKE(4, 5);

// The same for what this machine refused, errno `error`, with the cure where there is one.
void client_fail_local(struct run *run, uint32_t index, int error);

// The server said something that is nothing of the protocol that it was greeted in.
struct client_stranger {
    enum result_failure why;
    const char *wanted; // "WebSocket"
    struct bytes head;  // what it said
    const char *cause;
};

void client_fail_stranger(struct run *run, uint32_t index, const struct client_stranger *stranger);

// Answers that the server owes it.
static inline uint32_t client_owed(const struct run *run, uint32_t index) {
    return run->protocol->count_owed ? run->protocol->count_owed(run, index)
                                     : run->clients[index].unanswered;
}

// Queues encoded bytes for the client's stream; the caller keeps its reference. False when the
// server does not read or the client is gone.
MUST_USE bool client_try_push(struct run *run, uint32_t index, uint32_t parcel);

// The same with a copy of `bytes`.
MUST_USE bool client_try_send(struct run *run, uint32_t index, struct bytes bytes);

struct bytes client_topic(const struct run *run, uint32_t room, char text[RUN_TOPIC_BYTES_MAX]);

// The first line of what a server said, for an error sentence: printable ASCII, ? for every other
// byte but control characters. (A sentence must be UTF-8 wherever it is cut.)
#define CLIENT_SHOWN_BYTES 121
const char *client_shown(struct bytes text, char out[CLIENT_SHOWN_BYTES]);

#endif
