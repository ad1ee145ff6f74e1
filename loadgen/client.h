// Connections: opened at a rate, upgraded, joined, kept, lost. States in run.h.
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

// True when every client is live or gone.
bool client_all_settled(const struct run *run);

void client_on_open(struct run *run, uint32_t index, uint32_t stream_index);
void client_on_connect_failed(struct run *run, uint32_t index, int error);
void client_on_end(struct run *run, uint32_t index, enum stream_end reason);

// The upgrade was accepted: joins, or is live where there is nothing to join.
void client_join(struct run *run, uint32_t index);

void client_set_live(struct run *run, uint32_t index);

// Counts the cause, closes the stream, and that was it for this client.
void client_fail(struct run *run, uint32_t index, enum result_failure why, const char *format, ...)
    PRINTF_LIKE(4, 5);

// Sends one masked frame. False when the server does not read or the client is gone.
MUST_USE bool client_try_send(struct run *run, uint32_t index, enum websocket_opcode opcode,
                              struct bytes payload);

// The same for frames that are encoded already; the caller keeps its reference.
MUST_USE bool client_try_push(struct run *run, uint32_t index, uint32_t parcel);

// Sec-WebSocket-Key of this client, the same each time.
void client_key(const struct run *run, uint32_t index, uint8_t key[24]);

struct bytes client_topic(const struct run *run, uint32_t room, char text[RUN_TOPIC_BYTES_MAX]);

// Forgets a message that was cut.
void client_release_cut(struct run *run, struct client *client);

#endif
