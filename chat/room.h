// A room at its home core (KIND_ROOM): gives each publish the next sequence number and relays it to
// the leaf of every core with members; keeps presence. Born at the first join, dies 60 s after the
// last leave; each life has its own epoch.
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
    uint32_t name;   // block of the registry
    uint32_t leaves; // block of core_count struct room_leaf
    uint32_t connection_count;
    uint64_t epoch;
    uint64_t sequence;
    uint64_t relayed;
    uint64_t lost;
    uint64_t window_ended_ns; // presence was last announced
    uint64_t count_sent_ns;
    uint64_t empty_since_ns; // 0: it has members
    bool is_count_due;
    struct presence presence;
};

extern const struct behaviour room_behaviour;

struct bytes room_name(const struct chat *chat, const struct room *room);

#endif
