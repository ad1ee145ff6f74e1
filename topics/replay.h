// Replays: the retained messages that match a new subscription, walked at the owner in slices and
// given to the subscriber's core before the subscription is confirmed.
//
// LIMITATION: the replay for a subscription that has ended goes on to its end; who subscribes to
// very much that is retained and unsubscribes, again and again, can keep an owner busy, in slices,
// up to the bound on subscribes under way, past which others are refused as busy.
//
// One replay per subscription and owner; a mesh without room stops it till the next turn, others go
// on. Owned by the core's thread.
#ifndef FAIRLEAD_REPLAY_H
#define FAIRLEAD_REPLAY_H

#include "sched/base/slab.h"

#define REPLAY_SLICE 256u // nodes of the tree of retained names that one sees in its go

struct topics;

// Who asks an owner to be subscribed: the answer goes back with it.
struct topics_asked {
    uint64_t filter; // payload: one count, which goes back with the answer
    uint32_t core;
    uint32_t subscription; // there
    uint32_t place;        // node or group here, SLAB_NONE
};

struct replay {
    uint32_t slab_word;
    uint32_t next;
    struct topics_asked asked;
    uint32_t node;  // pinned, where the walk stands
    uint32_t depth; // of it
};

struct replays {
    struct slab slab;
    uint32_t head; // in turn
    uint32_t tail;
};

// Returns 0, or -ENOMEM.
MUST_USE int replay_init(struct replays *replays, uint32_t replays_max,
                         struct memory_ledger *ledger);

// Gives up those that are under way.
void replay_fini(struct topics *topics);

// False: there is no room for another one.
MUST_USE bool replay_begin(struct topics *topics, const struct topics_asked *asked);

// A slice of each, while *budget lasts. True: work is left.
bool replay_flush(struct topics *topics, uint32_t *budget);

#endif
