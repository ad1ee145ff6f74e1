// What chat calls upward: the gateway (or a test) defines these, the linker joins them. All are
// called on the core of the struct chat whose `port` they get, within a turn; none may call back
// into chat.
//
// An `address` says in which format, and where, a member's bytes go (sched/base/address.h). An
// `owner` is the program's own name of who holds the membership (the gateway: its connection, or
// its MQTT session).
#ifndef FAIRLEAD_CHAT_PORT_H
#define FAIRLEAD_CHAT_PORT_H

#include "chat/message.h"
#include "sched/base/address.h"
#include "sched/base/bytes.h"

enum presence_mode {
    PRESENCE_LIST,
    PRESENCE_COUNTS,
    PRESENCE_OFF,
};

struct room_settings {
    enum presence_mode presence;
    uint32_t presence_list_max; // users
    bool close_when_over;       // room policy `close` instead of `drop_oldest`
};

// Asked once per life of a room and core.
void chat_port_settings(void *port, struct bytes room, struct room_settings *settings);

// This format has no such thing: nobody is sent anything, and nothing is lost by that.
#define CHAT_NOT_SENT (UINT32_MAX - 1)

// Encoders, called once per shared format that has members here: a parcel with one reference, which
// chat takes, or BLOCK_NONE when memory is out, or CHAT_NOT_SENT. The parcel's class is PARCEL_ROOM
// for messages, PARCEL_WHISPER, PARCEL_STATE for presence, PARCEL_CONTROL for a gap; chat fills in
// the rest of the parcel's head. A message that is not sent in a format is not owed in it either.
uint32_t chat_port_encode_message(void *port, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish, uint64_t sequence);
uint32_t chat_port_encode_whisper(void *port, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish);
uint32_t chat_port_encode_gap(void *port, uint32_t format, struct bytes room, uint64_t from,
                              uint64_t to);
// `records` are those of chat/message.h, for one presence_state or one presence_diff. Presence and
// counts go to members who are not silent.
uint32_t chat_port_encode_presence(void *port, uint32_t format, struct bytes room,
                                   struct bytes records, bool is_state);
uint32_t chat_port_encode_count(void *port, uint32_t format, struct bytes room, uint32_t users,
                                uint32_t connections);
// Tells members that their membership has ended and that they may join again.
uint32_t chat_port_encode_ended(void *port, uint32_t format, struct bytes room);

// Queues a parcel for a member; keeps its own reference. What cannot be queued is counted by the
// stream (room messages) and dealt with there (the connection closes by policy).
void chat_port_deliver(void *port, uint32_t address, uint32_t parcel);

// The same for presence: false when the member does not keep up; it then gets a fresh state later.
bool chat_port_deliver_state(void *port, uint32_t address, uint32_t parcel);

// True when nothing waits in the member's queue: it may be given a whole turn's messages as one
// batch.
bool chat_port_is_empty(void *port, uint32_t address);

// A leaf's walk will deliver to this address shortly: fetch its memory.
void chat_port_prefetch(void *port, uint32_t address);

// One message for one member whose address is ADDRESS_EACH, or was until it was readdressed just
// now; or, is_replay, what its room retains, right before chat_port_joined.
struct chat_delivery {
    uint32_t owner;
    uint32_t member;
    uint32_t address;
    uint64_t payload;            // borrowed; the port may take a count (payload_ref)
    struct chat_publish publish; // views into it, with the room's name
    uint64_t sequence;           // 0 of a replay
    bool is_replay;
};

// In the order of the room. `due` has counted it (replays too): the port adds to exactly one of
// delivered, dropped or pending, by what it does with it.
void chat_port_deliver_each(void *port, const struct chat_delivery *delivery);

// The same for what such a member never gets; in its place in the order. Not in the audit.
void chat_port_gap_each(void *port, uint32_t owner, uint32_t member, uint64_t from, uint64_t to);

// Presence for such a member, unless it is silent. Records, or a count (then they are no bytes).
struct chat_presence {
    uint32_t owner;
    uint32_t member;
    uint32_t address;
    struct bytes room;
    struct bytes records; // as chat_port_encode_presence gets them
    bool is_state;
    bool is_count;
    uint32_t users;
    uint32_t connections;
};

// False when it cannot take it now: it then gets a fresh state after chat_member_writable, or when
// it is readdressed.
bool chat_port_presence_each(void *port, const struct chat_presence *presence);

// What the room retains, for a joiner whose address has format 0, right before chat_port_joined: to
// be shown as a message without a number. In the audit as chat_port_deliver_each.
void chat_port_retained(void *port, uint32_t owner, uint32_t member,
                        const struct chat_publish *publish);

// The answer to chat_publish_to, on the core of pid_core(publisher).
struct chat_published_to {
    uint64_t publisher;
    uint32_t note;
    bool has_members;          // the room has some who get messages
    uint64_t sequence;         // 0: refused, or there is no room
    enum chat_refusal refusal; // REFUSAL_NONE: accepted
};

void chat_port_published_to(void *port, const struct chat_published_to *published);

// While chat->is_watched: the room's home accepted a message for so many members.
struct chat_published {
    uint64_t room; // its pid
    uint32_t body_size;
    uint32_t member_count;
    bool is_whisper;
};

void chat_port_published(void *port, const struct chat_published *published);

// Answers to what the owner asked for, encoded at once for that one member. `member` is in use
// during the call; after a refused join it is released.
void chat_port_joined(void *port, uint32_t owner, uint32_t member, uint64_t epoch,
                      uint64_t sequence);
void chat_port_join_refused(void *port, uint32_t owner, uint32_t member, enum chat_refusal reason);
void chat_port_accepted(void *port, uint32_t owner, uint32_t member,
                        const struct chat_publish *publish, uint64_t sequence);
void chat_port_refused(void *port, uint32_t owner, uint32_t member,
                       const struct chat_publish *publish, enum chat_refusal reason);

// A membership moved (chat/move.h). Out: it lives on the other core now; all messages up to
// `sequence` were delivered here. `member` is released after the call. In: all after `sequence`
// come here. Refused: on the core it should have left it is as it was; on the core it should have
// come to `member` is released after the call.
void chat_port_moved_out(void *port, uint32_t owner, uint32_t member, uint64_t sequence);
void chat_port_moved_in(void *port, uint32_t owner, uint32_t member, uint64_t sequence);
void chat_port_move_refused(void *port, uint32_t owner, uint32_t member);

// The membership has ended, not by its owner: the room or this core's part of it is gone. What the
// member was owed was delivered before. `parcel` is for it to be told (borrowed), BLOCK_NONE when
// memory is out: then the owner must find out in another way; CHAT_NOT_SENT when its format has no
// such thing, or its address is ADDRESS_EACH: then this call is all. `member` is released after it.
void chat_port_ended(void *port, uint32_t owner, uint32_t member, uint32_t parcel);

// The same of one on the move, with this core's part of the room: it may live on at the other core,
// which delivers what follows, and what lies between is lost: nothing could be told in its place.
void chat_port_torn(void *port, uint32_t owner, uint32_t member);

#endif
