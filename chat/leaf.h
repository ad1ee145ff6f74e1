// A room's members on one core (KIND_LEAF): a dense array, walked once a turn. What the home relays
// in a turn is encoded once per format and gathered in parts (chat/gather.h); chat_flush gives
// every member all parts, runs of room messages as one batch parcel where the member's queue is
// empty. What is beside format 0 stands in chat/mix.h, which a leaf without has none of.
//
// Full: past batch_bytes_max the leaf is paused until its walk is done. The leaves of a core share
// turn_deliveries_max per turn, oldest first; a walk that is cut short goes on in the next turn,
// and no message is taken meanwhile, so parts and joins stand still; members may leave at any time.
//
// When the room ends (CHAT_ENDED) its members are told behind what they are owed, and are members
// no more. The leaf is paused until then, so that nothing of the room's next life gets between:
//   live --CHAT_ENDED--> ending --all that was asked of the room is answered--> ended --walk-->
//   live
// Members leave, and publishes are refused, in the meantime. When the leaf itself ends, by a kill,
// it tells its members, and the room (CHAT_LEAVES), within its terminate.
//
// LIMITATION: a leaf that is killed walks its members in one go, some 0.2 µs each, and, when joins
// were under way, all members of the core.
// LIMITATION: a gap that no parcel could be made for is told with the next message of any kind that
// the leaf gets, not by a timer of its own.
#ifndef FAIRLEAD_CHAT_LEAF_H
#define FAIRLEAD_CHAT_LEAF_H

#include "chat/chat.h"

#define LEAF_MAILBOX_MAX 16384
#define LEAF_PARTS_MAX 4096

enum leaf_part_kind {
    PART_MESSAGE, // room message, in the audit
    PART_PLAIN,   // whisper
    PART_GAP,
    PART_DIFF, // presence: not to those who wait for a state
    PART_COUNT,
    PART_STATE, // to those who wait
    PART_STATE_ALL,
};

enum leaf_phase {
    LEAF_LIVE,
    LEAF_ENDING,   // its room has ended, publishes are not answered yet
    LEAF_ANSWERED, // they are; the walk over what was owed is still under way
    LEAF_ENDED,    // the walk that tells the members is due or under way
};

// A part in one format.
struct leaf_cell {
    uint32_t parcel; // BLOCK_NONE: this format has none of it
    uint32_t batch;  // parcel of the run that begins here, BLOCK_NONE
    uint32_t run;    // parts in that run
};

struct leaf_part {
    struct leaf_cell cell; // in format 0
    uint32_t exclude;      // member, SLAB_NONE
    uint32_t kind;         // enum leaf_part_kind
};

struct leaf_entry {
    uint32_t member;
    uint32_t address;
};

struct leaf_joining {
    uint32_t member;
    uint32_t part_first; // the first part that it gets
};

// Messages that could not be had, or encoded: a gap that is owed.
struct leaf_loss {
    uint64_t from;
    uint64_t to; // 0: none
};

// An array in a block, grown by doubling.
struct leaf_array {
    uint32_t block;
    uint32_t count;
    uint32_t capacity;
};

struct leaf {
    struct actor actor;
    uint32_t name; // block of the registry
    uint32_t dirty_next;
    uint64_t room;             // pid, known once a join was answered; PID_NONE when it has ended
    struct leaf_array members; // struct leaf_entry
    struct leaf_array joining; // struct leaf_joining: joined in this turn, behind some parts
    struct leaf_array parts;   // struct leaf_part
    uint32_t pending_count;    // members whose join, or move to here, is under way
    uint32_t taken_count;      // … of these, for whom there is room in the arrays for sure
    uint32_t batch_bytes;
    uint32_t cursor;       // of the walk: members before it were served
    struct leaf_loss loss; // of format 0
    uint32_t end_parcel;   // in LEAF_ENDED, format 0: what members are told; BLOCK_NONE: no memory
    uint32_t mix;          // block of struct mix; BLOCK_NONE: all are of format 0 and get all
    uint8_t phase;         // enum leaf_phase
    bool is_dirty;         // true exactly when it is in chat's dirty list
    bool is_walking;
    bool is_paused;
    bool wants_state;      // CHAT_WANT_STATE for one member is under way
    bool awaits_state_all; // it lost presence: no diffs to anybody before the state for all
    bool close_when_over;
};

extern const struct behaviour leaf_behaviour;

// The leaf of a room on this core, made if there is none: its slot, or SLAB_NONE when the slab is
// full.
MUST_USE uint32_t leaf_open(struct chat *chat, struct bytes name);

// Asks the home for presence that a member missed, or, when this core could not encode it, all did.
void leaf_want_state(struct chat *chat, uint32_t index, bool is_for_all);

// Tells the room, if there still is one, that a member has left.
void leaf_send_leave(struct chat *chat, uint32_t index, uint32_t meta);

// CHAT_ANSWERED: all that this core asked of the leaf's former room was answered.
void leaf_on_answered(struct chat *chat, uint64_t pid);

// Memberships that begin their end: the walk that tells all members is due.
void leaf_end_begin(struct chat *chat, uint32_t index);

// Ends all memberships now, in one go: what each is owed, then the word of the end. `meta` is told
// of each.
void leaf_end_all(struct chat *chat, uint32_t index, void (*on_meta)(void *context, uint32_t meta),
                  void *context);

// Presence to one member, as far as it is for it.
void leaf_deliver_presence(struct chat *chat, enum leaf_part_kind kind, uint32_t parcel,
                           struct leaf_entry entry);

// What the member did not get of presence it asks for when it can take it.
void leaf_mark_stale(struct chat *chat, struct member *member);

// Ends the leaf when nobody needs it any more.
void leaf_close_if_unused(struct chat *chat, uint32_t index);

// Behind the last of those that have something to deliver at the turn's end.
void leaf_push_dirty(struct chat *chat, uint32_t index);

// The same unless it is there already.
void leaf_mark_dirty(struct chat *chat, uint32_t index);

// Puts a member into the leaf, behind all that was gathered. False: memory is out.
MUST_USE bool leaf_admit(struct chat *chat, uint32_t index, uint32_t member_index);

// Room for one more member than all that were promised it (taken_count). False: memory is out.
MUST_USE bool leaf_reserve(struct chat *chat, uint32_t index);

// Gives back what the members of an ended room were told.
void leaf_drop_ends(struct chat *chat, struct leaf *leaf);

// Tells one owner that its membership has ended; the member is released by the caller.
void leaf_tell_ended(struct chat *chat, uint32_t index, uint32_t member_index);

// A member's new address. What it had not been given is handed over there, now.
void leaf_readdress(struct chat *chat, uint32_t member_index, uint32_t address);

// Takes a member that has joined out of the leaf. What it had not been given is delivered when
// `flush`, else counted as dropped.
void leaf_remove(struct chat *chat, uint32_t member_index, bool flush);

// Room for `count` elements; the array uses its block to the end. False: memory is out.
MUST_USE bool leaf_array_reserve(struct chat *chat, struct leaf_array *array, size_t element_size,
                                 uint32_t count);
void leaf_array_free(struct chat *chat, struct leaf_array *array);

static inline struct leaf *leaf_at(const struct chat *chat, uint32_t index) {
    return (struct leaf *)slab_get(&chat->scheduler->kinds[KIND_LEAF].slab, index);
}

// The arrays, until the next message to the leaf.
static inline struct leaf_entry *leaf_entries(const struct chat *chat, const struct leaf *leaf) {
    return (struct leaf_entry *)blocks_at(chat->scheduler->blocks, leaf->members.block);
}

static inline struct leaf_joining *leaf_joiners(const struct chat *chat, const struct leaf *leaf) {
    return (struct leaf_joining *)blocks_at(chat->scheduler->blocks, leaf->joining.block);
}

static inline struct leaf_part *leaf_parts(const struct chat *chat, const struct leaf *leaf) {
    return (struct leaf_part *)blocks_at(chat->scheduler->blocks, leaf->parts.block);
}

static inline uint32_t leaf_member_count(const struct leaf *leaf) {
    return leaf->members.count + leaf->joining.count;
}

void leaf_validate(const struct chat *chat, uint32_t index);

#endif
