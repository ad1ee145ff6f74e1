// A connection moves to another core: its stream (io/stream_move.h), its memberships (chat/move.h)
// and what the gateway itself knows of it. The peer notices nothing but, per room, a
// presence_state. Nobody keeps a connection's pid, so nothing forwards to the old one: a new actor
// takes over on the other core, and the old one ends with EXIT_MOVED, without an obituary.
//
//   A, the core that it leaves                       B, the core that it comes to
//   halting   conn_move_begin
//   asked     stream halted        ── ASK: who ──▶   a slot, a ticket: expecting; or REFUSED
//   passing   ◀── TICKET ──        pass the socket   arrived: an actor in CONN_ARRIVING, a place in
//             ◀── HERE: places ──                    chat for each membership
//   leaving   passed and HERE: asks chat to move
//             each membership      ── ASKED ──▶      (UNASKED before it: places that nobody takes)
//   gone      no membership left   ── STATE ──▶      landing: once all memberships are in, it opens
// Everything comes from gateway/conn_move.c (A) and gateway/conn_arrival.c (B). What is carried:
// gateway/conn_bundle.h.
//
// Reading stops with halting, so no request begins later; what was asked before is answered on A
// before its membership leaves (chat/move.h), and so stands in the queue that STATE carries.
// B's slot lives until A's OFF or STATE, which always comes; A's until it has sent one of them.
//
// What may happen meanwhile, and what becomes of it:
//   when             what                              outcome
//   halting … passing  B is full, draining, cannot; the  called off: it goes on here as if nothing
//                    pass fails; no memory; time over;  had been (COUNTER_CONN_MOVES_OFF). While a
//                    a join began before it halted      pass is in flight, once that is answered
//   any              the peer ends or resets, a kill,   A tells B OFF, and ends as ever; B lets go:
//                    doom, idleness, drain, stop on A   its memberships leave
//   arrived …        B's actor is killed or cut         GONE to A: before leaving called off; then
//                                                       closed with 1012
//   leaving          a room ends                        phx_error on A or B, as ever (chat/move.h)
//                    a leaf of A ends                   closed with 1012: messages may be lost
//                    a membership cannot move           phx_error for it: it joins again, on B
//                    time over, no memory for STATE     closed with 1012, with 1013
//   landing          killed or cut                      ends: the peer sees its connection end
//                    no memory                          closed with 1013: it reconnects
//                    time over                          closed with 1012
//                    doomed by what was delivered       lands, then closes as ever
//   drain begins     on A: closed as ever; on B: lands, then is closed as those there are
// A service that is killed loses no message: what its mailbox held is acted on (discard).
//
// LIMITATION: while it moves a connection counts on both cores, so that a full process may refuse
// one for each that moves. Its events of the flight recorder before the move stay on A, and go.
//
// Bounds: CONN_MOVES_MAX per core, half of them departures; CONN_MOVE_TIMEOUT_S for each half.
// Memory: 64 B per move, not per connection; while it moves what is carried, in blocks of A.
// Owned by the core's thread. Turn: looked at in gateway_turn_end while there are any.
#ifndef FAIRLEAD_CONN_MOVE_H
#define FAIRLEAD_CONN_MOVE_H

#include "gateway/conn.h"

#define CONN_MOVES_MAX 256 // an index of 8 bits: see conn_move_name
#define CONN_DEPARTURES_MAX (CONN_MOVES_MAX / 2)
#define CONN_MOVE_TIMEOUT_S 5

enum conn_move_stage {
    CONN_MOVE_HALTING, // source
    CONN_MOVE_ASKED,
    CONN_MOVE_PASSING,
    CONN_MOVE_LEAVING,
    CONN_MOVE_EXPECTING, // target
    CONN_MOVE_ARRIVED,
    CONN_MOVE_LANDING,
    CONN_MOVE_LOST, // waits for OFF or STATE, to be done with
};

struct conn_move {
    uint32_t slab_word;
    uint8_t stage; // enum conn_move_stage
    uint8_t core;  // the other
    bool is_passed;
    bool is_here;   // source: HERE came
    bool is_off;    // source: called off once the pass is answered
    bool is_broken; // source: a membership may live there of which its owner was told that it ended
    uint16_t place_count;
    uint32_t conn;        // SLAB_NONE: none yet, or no more
    uint32_t peer;        // target: the source's name of it
    uint32_t places;      // target: block of member slots, until asked; BLOCK_NONE
    uint64_t who;         // payload (struct conn_bundle_who), until the places are known
    uint64_t here;        // source: payload of struct chat_place, in the order of `who`
    uint64_t state;       // target: payload (struct conn_bundle_state), once landing
    uint64_t deadline_ns; // source: of the whole; target: of landing
    struct handle expected;
};

_Static_assert(sizeof(struct conn_move) == 64, "as the header says");

enum conn_move_message {
    CONN_MOVE_ASK = MESSAGE_USER, // words: names, who
    CONN_MOVE_TICKET,             // words: names, ring, fd and lane, expected
    CONN_MOVE_REFUSED,            // words: names. small: errno
    CONN_MOVE_HERE,               // words: names, places
    CONN_MOVE_GONE,               // words: names
    CONN_MOVE_UNASKED,            // words: names. small: which place
    CONN_MOVE_ASKED_ALL,          // words: names
    CONN_MOVE_OFF,                // words: names
    CONN_MOVE_STATE,              // words: names, state
};

// Registers KIND_MOVE, the service that takes the messages above. Returns 0, or -ENOMEM.
MUST_USE int conn_move_open(struct gateway *gateway);

// Begins to move an open or echo connection of this core. 0; or why not, and nothing happens:
// -EINVAL (no other core of that number), -ENOTCONN (it is not open, closes, or ends), -EALREADY
// (it moves), -EAGAIN (a join is not answered yet), -EBUSY (CONN_DEPARTURES_MAX), -ESHUTDOWN,
// -EOPNOTSUPP (MQTT: its session's home is here).
MUST_USE int conn_move_begin(struct gateway *gateway, uint32_t index, uint32_t to_core);

// The same for an MQTT connection whose CONNECT is not acted on yet, to its client id's home: it
// goes along in the reader. -EBUSY and -ENOTCONN too when it cannot go now: it may try again.
MUST_USE int conn_move_home(struct gateway *gateway, uint32_t index, uint32_t to_core);

// Begins to move up to `count` connections to another core, chosen in turn over the slab; looks at
// most at CONN_MOVE_SCAN_MAX slots. Returns how many have begun.
#define CONN_MOVE_SCAN_MAX 4096
uint32_t gateway_move_some(struct gateway *gateway, uint32_t to_core, uint32_t count);

// --- from conn.c, gateway.c
// -----------------------------------------------------------------------

// It closes, or ends, in the middle.
void conn_move_gone(struct gateway *gateway, uint32_t index);

void conn_move_on_ready(struct gateway *gateway, uint32_t index);
void conn_move_on_passed(struct gateway *gateway, uint32_t index, int error);

// A membership that was asked to move has ended with its leaf here; whether it lives on there is
// not known.
void conn_move_break(struct gateway *gateway, uint32_t index);

// Once a turn while gateway->moves has any.
void conn_move_turn_end(struct gateway *gateway);

// --- between the two halves
// -----------------------------------------------------------------------

static inline struct conn_move *conn_move_at(const struct gateway *gateway, uint32_t move) {
    return (struct conn_move *)slab_get(&gateway->moves, move);
}

// A slot's name in messages: generation 24 | index 8.
static inline uint32_t conn_move_name(const struct gateway *gateway, uint32_t move) {
    return slab_handle(&gateway->moves, move).generation << 8 | move;
}

// The move of this connection, which has one.
uint32_t conn_move_of(const struct gateway *gateway, uint32_t connection);

// To the other core's service. Of `message` type, small and words[1 …] are given.
void conn_move_send(struct gateway *gateway, uint8_t core, uint64_t names,
                    const struct message *message);

#endif
