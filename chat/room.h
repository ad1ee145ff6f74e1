// A room at its home core (KIND_ROOM): gives each publish the next sequence number and relays it to
// the leaf of every core with members; keeps presence, and one retained message. Born at the first
// join, or for what is to be retained; dies 60 s after the last leave, when it retains nothing (any
// more); each life has its own epoch. When it ends with members, by a kill or by an operator,
// each leaf is told (CHAT_ENDED) after all that the room sent before; what is asked of it
// afterwards is refused by on_discard: a join and a publish with REFUSAL_RESTARTED.
//
// Full: publishes are refused as busy when a leaf's mailbox or mesh ring is three quarters full. A
// relay that finds no place all the same is remembered as one range per core and told by CHAT_LOST
// before the next relay.
#ifndef FAIRLEAD_CHAT_ROOM_H
#define FAIRLEAD_CHAT_ROOM_H

#include "chat/presence.h"

#define ROOM_LINGER_NS (60 * NS_PER_S)
#define ROOM_MAILBOX_MAX 16384

struct room_leaf {
    uint64_t leaf; // pid
    uint64_t lost_from;
    uint64_t lost_to; // 0: nothing lost
    uint32_t member_count;
    bool wants_state; // a member there joined, or missed presence
    bool wants_state_all;
};

struct room {
    struct actor actor;
    struct timer timer;
    uint64_t pid;    // its own: what leaves know this life of the room by
    uint32_t name;   // block of the registry, BLOCK_NONE: not needed, ends at its first go
    uint32_t leaves; // block of core_count struct room_leaf
    uint32_t connection_count; // observers are not counted
    uint32_t observer_count;
    uint64_t retained; // payload chat_publish (chat/retained.h)
    uint64_t epoch;
    uint64_t sequence;
    uint64_t relayed;
    uint64_t lost;
    uint64_t window_ended_ns; // presence was last announced
    uint64_t count_sent_ns;
    uint64_t empty_since_ns; // 0: it has members
    bool is_count_due;
    bool has_retained; // a message to be retained, or the end of one, came in this life
    struct presence presence;
};

// What a room is made with, and what it leaves to a successor that its supervisor makes
// (behaviour.succession): its name, and a copy of what it retains. A room of that name may have
// been made in between, by a join; then the successor is not needed: it hands on what was retained,
// unless the other has got its own, and ends as soon as it has begun, with EXIT_NORMAL. (To decline
// in init would be a failed restart, which its supervisor tries again, and counts.) LIMITATION:
// those who joined in between are not given it.
struct room_birth {
    uint32_t retained_size; // bytes of a payload, behind the name; 0: none
    uint8_t name_size;
    uint8_t name[CHAT_ROOM_BYTES_MAX]; // name_size bytes of it are there
};

extern const struct behaviour room_behaviour;

struct bytes room_name(const struct chat *chat, const struct room *room);

#endif
