// A membership moves to another core with its connection. The room is the point of order: at one
// sequence number n it moves from leaf A to leaf B; what A delivers is exactly what is numbered up
// to n, what B delivers exactly what follows, and each is told n behind, or before, those messages.
//
//   core B: chat_move_in               a place: leaf and member, pending
//   core A: chat_move_out(place)  CHAT_MOVE ▶ room  CHAT_PLACE ▶ leaf B  CHAT_PLACED ▶ room, at n:
//                                 ◀ CHAT_MOVED_OUT   and   CHAT_MOVED_IN ▶
//   chat_port_moved_out (A)            chat_port_moved_in (B)
//
// CHAT_MOVE comes from A, so behind all that A asked of the room: its answers are with A before n.
// CHAT_PLACED comes from B, so behind the joins and the end of B's former leaf. Both owners must
// take deliveries the whole time (io/stream_move.h: halted … passed, and arrived).
//
// Presence: nobody else sees anything, the meta and its phx_ref stay. The member gets a new
// presence_state on B, since what it missed on A until n is known there only (one per core and
// window, as for joins).
//
// What may happen meanwhile, and what the two owners must make of it:
//   the room ends          A: chat_port_ended. B: chat_port_move_refused
//   leaf B ends            before its place was ready: refused on both, all is as it was;
//                          after: A moved out, B: chat_port_ended
//   leaf A ends            A: chat_port_torn; B is moved in, or refused
//   the owner leaves on A  (chat_leave) is right at any time, and so on B: B is to leave too,
//   unless
//                          refused, when A has been told moved out or has left
//   memory is out          chat_move_in declines, or refused on both. LIMITATION: when B cannot
//                          make the event of a gap that it owes its other members just at n, the
//                          membership ends there: chat_port_ended
// Publishes of a member that moves are refused as busy.
#ifndef FAIRLEAD_MOVE_H
#define FAIRLEAD_MOVE_H

#include "chat/chat.h"

// What the other core gives to the core that a membership leaves: by value, in a message.
struct chat_place {
    uint64_t leaf;   // pid
    uint64_t member; // handle
};

struct chat_move_request {
    uint32_t owner;
    uint32_t address; // takes deliveries from now on
    uint32_t tag;
    struct bytes room;
};

// Core B: a place for a membership that is to come. Its slot, which the owner keeps until one of:
// chat_leave, chat_move_abort, chat_port_move_refused, chat_port_ended; or SLAB_NONE with *reason.
MUST_USE uint32_t chat_move_in(struct chat *chat, const struct chat_move_request *request,
                               struct chat_place *place, enum chat_refusal *reason);

// Core B: gives the place back. Only while chat_move_out was not, and will not be, called for it;
// also after chat_leave or chat_port_move_refused, since no answer will release it then.
void chat_move_abort(struct chat *chat, uint32_t member);

// Core A: asks for the move of a joined membership. chat_port_moved_out, chat_port_move_refused or
// chat_port_ended follows, unless the owner leaves. False: it does not move now (not joined yet, or
// its room or leaf ends; observers and silent members never do).
MUST_USE bool chat_move_out(struct chat *chat, uint32_t member, const struct chat_place *place);

// What a leaf is told, also one that is gone: CHAT_PLACE, CHAT_MOVED_OUT, CHAT_MOVED_IN,
// CHAT_MOVE_REFUSED. False: the message is another. (The room's part is in chat/room.c.)
bool move_on_leaf(struct chat *chat, uint32_t leaf, const struct message *message);
bool move_discard(struct chat *chat, const struct message *message);

#endif
