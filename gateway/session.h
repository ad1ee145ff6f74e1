// Session: what a Phoenix message means (docs/PROTOCOL.md): joins, leaves, heartbeats, pings,
// whispers, publishes, and what is refused. One membership in chat per joined topic, linked from
// the connection by member.next.
//
//   topic not joined ──phx_join──▶ pending ──chat_port_joined──▶ joined ──phx_leave──▶ not joined
//                        ▲            └──chat_port_join_refused──▶ not joined
//                        └──phx_join again: phx_close for the old one first──┘
// A joined one also ends with its room: phx_error, chat_port_ended ──▶ not joined.
//
// Bounds: --channels-per-socket-max memberships. LIMITATION: a topic is found by walking them, so a
// message costs time in proportion to the channels of its own connection.
// Owned by the core's thread; called from stream_port_data, and session_leave_all by conn.c.
#ifndef FAIRLEAD_SESSION_H
#define FAIRLEAD_SESSION_H

#include "gateway/conn.h"

// One whole message of an open connection.
void session_on_message(struct gateway *gateway, uint32_t index, enum websocket_opcode opcode,
                        struct bytes message);

// The connection closes or is gone: ends all its memberships, without a word to it.
void session_leave_all(struct gateway *gateway, uint32_t index);

// Chat refused the join, or ended the membership: takes it out of the connection's list and frees
// its tag.
void session_forget(struct gateway *gateway, struct conn *conn, uint32_t member);

// True exactly when the membership is in the connection's list.
bool session_has(const struct gateway *gateway, uint32_t index, uint32_t member);

// Ends one membership as if its room had ended: its owner is told phx_error, and may join again.
void session_drop(struct gateway *gateway, uint32_t index, uint32_t member);

// Why a join is refused, beyond enum chat_refusal.
enum session_join_refusal {
    JOIN_UNMATCHED_TOPIC = 16,
    JOIN_INVALID_ROOM,
    JOIN_TOO_MANY_CHANNELS,
    JOIN_INVALID_META,
    JOIN_REF_TOO_LONG,
};

// The error reason of docs/PROTOCOL.md, of either enum.
const char *session_refusal_reason(uint32_t refusal);

#endif
