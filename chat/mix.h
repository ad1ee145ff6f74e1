// Mix: what a leaf keeps when its members are of several formats, or some get only a part of what
// the room says (observers, silent ones). A leaf whose members are all of format 0 and get all has
// none, and does nothing of this.
//
// A track is one shared format, or the last one: all who are served one by one. Each track has its
// own members, its own cells beside the leaf's parts, and its own gap: when memory is out for one
// format, only its members miss the message. Sources keep what the parts were made from, for those
// who are served one by one and for whoever is readdressed before it got them.
//
// LIMITATION: who is readdressed to a format whose gap could not be told yet, for lack of memory,
// is told of that gap too, though it got those messages at its former address.
//
// Bounds: one block of some 500 B per leaf, cells of 12 B and sources of 32 B per part of a turn.
// Made when the first such member joins, given back after the turn of the last. Owned by the core's
// thread.
#ifndef FAIRLEAD_CHAT_MIX_H
#define FAIRLEAD_CHAT_MIX_H

#include "chat/leaf.h"

#define MIX_EACH ADDRESS_FORMATS
#define MIX_TRACKS (ADDRESS_FORMATS + 1u)

struct mix_track {
    uint32_t member_count;
    uint32_t observer_count; // of these, who get presence alone
    uint32_t watcher_count;  // of these, who get presence
    uint32_t end_parcel;     // format 0: the leaf's
    struct leaf_loss loss;   // format 0: the leaf's
    struct leaf_array cells; // struct leaf_cell, of part 0 …; format 0: in the parts
};

// What a part was made from.
struct mix_source {
    uint64_t payload; // a count of it: messages, presence; else PAYLOAD_NONE
    uint64_t from;    // sequence number; of a gap the first; users
    uint64_t to;      // of a gap the last; connections
    bool is_for_each; // those who are served one by one get it
};

struct mix {
    uint32_t special_count;    // members because of whom there is a mix
    struct leaf_array sources; // struct mix_source, of part 0 …
    struct mix_track tracks[MIX_TRACKS];
};

static inline struct mix *mix_of(const struct chat *chat, const struct leaf *leaf) {
    return leaf->mix == BLOCK_NONE ? NULL
                                   : (struct mix *)blocks_at(chat->scheduler->blocks, leaf->mix);
}

static inline uint32_t mix_track(uint32_t address) {
    uint32_t format = address_format(address);
    CHECKF(format < ADDRESS_FORMATS || format == ADDRESS_EACH, "address %x", address);
    return format == ADDRESS_EACH ? MIX_EACH : format;
}

static inline uint32_t mix_receiver_count(const struct mix_track *track) {
    return track->member_count - track->observer_count;
}

// A track's gap and word of the end; `mix` may be NULL for track 0.
static inline struct leaf_loss *mix_loss(struct leaf *leaf, struct mix *mix, uint32_t track) {
    return track == 0 ? &leaf->loss : &mix->tracks[track].loss;
}

static inline uint32_t *mix_end_parcel(struct leaf *leaf, struct mix *mix, uint32_t track) {
    return track == 0 ? &leaf->end_parcel : &mix->tracks[track].end_parcel;
}

// Part `at` in a shared format, NULL when it came before the track's first member.
struct leaf_cell *mix_cell(const struct chat *chat, const struct leaf *leaf, uint32_t track,
                           uint32_t at);

// What part `at` was made from, NULL when it came before there was a mix.
struct mix_source *mix_source_at(const struct chat *chat, const struct mix *mix, uint32_t at);

// Room for this member in the counts. False: memory is out. A member is added once it is in.
MUST_USE bool mix_reserve(struct chat *chat, uint32_t index, const struct member *member);
void mix_add(struct chat *chat, const struct leaf *leaf, const struct member *member);
void mix_remove(struct chat *chat, const struct leaf *leaf, const struct member *member);

// The source of the next part, and its cell in one format. False: memory is out.
MUST_USE bool mix_reserve_source(struct chat *chat, struct leaf *leaf);
MUST_USE bool mix_reserve_cell(struct chat *chat, struct leaf *leaf, uint32_t track);

// Gives back the parts; and the whole mix when nobody needs it any more, or `is_final`.
void mix_drop_parts(struct chat *chat, struct leaf *leaf, bool is_final);

// A member gets its parts from `part_first` on. Returns how many parcels and messages that were.
uint32_t mix_deliver(struct chat *chat, const struct leaf *leaf, struct leaf_entry entry,
                     uint32_t part_first);

// The same for a member that goes to `address`, one by one, in its former format's place.
void mix_hand_over(struct chat *chat, struct leaf *leaf, struct leaf_entry entry,
                   uint32_t part_first, uint32_t address);

// How many messages a member is owed from `part_first` on.
uint32_t mix_owed(const struct chat *chat, const struct leaf *leaf, struct leaf_entry entry,
                  uint32_t part_first);

// The counts are those of the members. Between turns; tests and debug builds.
void mix_validate(const struct chat *chat, const struct leaf *leaf);

#endif
