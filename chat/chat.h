// Chat on one core: rooms whose home is here, leaves of all rooms with members here, presence. What
// the gateway calls; what it must define stands in chat_port.h.
//
//   connection --chat_join--> leaf --CHAT_JOIN--> chat (home core) --> room --CHAT_JOINED--> leaf
//   connection --chat_publish--> room --CHAT_RELAY--> leaf of every core --> members
//                                                                     (at the end of the turn)
//
// Bounds: members, users, rooms and leaves are slabs with limits; a message to a full mailbox or
// mesh is refused ("busy"), and so are publishes beyond publishes_max. Everything is owned by the
// core's thread.
#ifndef FAIRLEAD_CHAT_H
#define FAIRLEAD_CHAT_H

#include "chat/chat_port.h"
#include "sched/base/rng.h"
#include "sched/base/text.h"
#include "sched/payload.h"
#include "sched/registry.h"
#include "sched/scheduler.h"

// One membership of one connection in one room. 32 B of the connection's budget.
struct member {
    uint32_t slab_word; // owner bits: MEMBER_*
    uint32_t leaf;      // slot of the room's leaf on this core
    uint32_t owner;     // the gateway's connection
    uint32_t next;      // the gateway's: next membership of the same connection
    uint32_t position;  // in the leaf's array; SLAB_NONE: join pending, or joining in this turn
    uint32_t address;   // where its messages go, and in which format (sched/base/address.h)
    uint32_t meta;      // at the room's home; MEMBER_META_OBSERVER: of an observer
    uint32_t tag;       // the gateway's (join_ref)
};

#define MEMBER_PENDING 0x01000000u // join sent, no answer yet
#define MEMBER_ORPHAN 0x02000000u  // left while pending: leaves as soon as the answer is here
#define MEMBER_WAITING 0x04000000u // gets the next presence_state, no diffs before it
#define MEMBER_STALE 0x08000000u   // missed presence; asks for a state once its queue is empty

#define MEMBER_MOVING 0x10000000u   // asked to move to another core, no answer yet
#define MEMBER_ARRIVING 0x20000000u // pending, and not by a join but by a move to here
#define MEMBER_TAKEN 0x40000000u    // arriving, and the room was told that its place is ready
#define MEMBER_SILENT 0x40000000u   // not arriving: gets no presence

#define MEMBER_META_OBSERVER (SLAB_NONE - 1)

// What one turn hands to members at most: some 10 ms.
#define CHAT_TURN_DELIVERIES 16384

// Publishes under way from all cores together. Each ends in a message that is always sent, so a
// core needs as many cells for those whose way back is full (see scheduler_send).
#define CHAT_PUBLISHES_MAX 65536

#define CHAT_RETAINED_BYTES_MAX (16u << 20)

struct chat_config {
    uint32_t core_count; // schedulers; a room's home is hash(name) mod core_count
    uint32_t rooms_max;  // on this core as home; leaves: the same again
    uint32_t members_max;
    uint32_t users_max;           // presence entries of rooms whose home is here
    uint32_t batch_bytes_max;     // a leaf's messages per turn (half of --out-queue-bytes-max)
    uint32_t turn_deliveries_max; // to members, in one chat_flush; 0: CHAT_TURN_DELIVERIES
    uint32_t publishes_max;       // of this core and not answered yet; 0: CHAT_PUBLISHES_MAX
    uint32_t retained_bytes_max;  // of rooms whose home is here; 0: CHAT_RETAINED_BYTES_MAX
    uint64_t seed;                // the same on all cores
    uint64_t rng_seed;            // different on each core
    bool is_supervised;           // KIND_CHAT is started by somebody else, not by chat_init
};

struct chat {
    struct chat_config config;
    struct scheduler *scheduler;
    void *port;
    struct registry rooms;
    struct registry leaves;
    struct slab members;
    struct slab users;
    struct slab metas;
    struct texts texts;
    struct rng rng;
    uint32_t dirty_head; // leaves with something to deliver at the turn's end, oldest first
    uint32_t dirty_tail;
    uint32_t publish_count;  // publishes and whispers of members here that were not answered yet
    bool is_watched;         // chat_port_published is told of each publish
    uint64_t retained_bytes; // of rooms whose home is here
    uint32_t retained_count; // these rooms
    uint32_t graves;         // block: presence of rooms that ended with members, freed in slices
};

// A core's KIND_CHAT, whoever that is now.
static inline uint64_t chat_service(uint8_t core) {
    return pid_service(core, KIND_CHAT);
}

// Registers its kinds of actors with the scheduler. Returns 0, or -ENOMEM.
MUST_USE int chat_init(struct chat *chat, const struct chat_config *config,
                       struct scheduler *scheduler, struct memory_ledger *ledger, void *port);

// Every member has left and every room has died by now; frees the tables.
void chat_fini(struct chat *chat);

struct chat_join_request {
    uint32_t owner;
    uint32_t address;
    uint32_t tag;
    struct bytes room; // 1 … 128 bytes, checked by the caller
    struct bytes user; // 1 … 64 bytes
    struct bytes meta; // JSON object of at most 256 bytes; `{}` may be given as no bytes
    bool is_observer;  // gets presence and nothing else, and does not show in it
    bool is_silent;    // gets no presence
    bool wants_retained;
};

// Asks for a membership: chat_port_joined or chat_port_join_refused answers, always later. Returns
// the member's slot, which the owner keeps until one of: chat_leave, chat_port_join_refused; or
// SLAB_NONE with *reason.
MUST_USE uint32_t chat_join(struct chat *chat, const struct chat_join_request *request,
                            enum chat_refusal *reason);

// Ends a membership, pending or not; the slot is not the owner's any more. What the member had not
// been given yet is delivered first when `flush`, else (the connection is gone) counted as dropped.
void chat_leave(struct chat *chat, uint32_t member, bool flush);

// Publishes, or whispers. False when it was refused at once, with *reason; else chat_port_accepted
// or chat_port_refused follows when publish->wants_reply (the latter perhaps before it returns).
// The views are copied.
MUST_USE bool chat_publish(struct chat *chat, uint32_t member, const struct chat_publish *publish,
                           enum chat_refusal *reason);

// Publishes into a room by its name, member or not; what one core publishes so comes in its order.
// A room is made when the message is to be retained; else where there is none nobody gets it, and
// it is accepted. False when it was refused at once, with *reason (busy, memory). With note ≠ 0
// chat_port_published_to follows, always later: publish->publisher is a pid of this core then. The
// views are copied.
//
// Retained (publish->is_retained): the room keeps it in place of what it kept before, no body at
// all clears that, and gives it to joiners who want it until it expires; at most
// retained_bytes_max, and in half of rooms_max, on a core, then REFUSAL_MEMORY. To members it is a
// message like any other.
MUST_USE bool chat_publish_to(struct chat *chat, struct bytes room,
                              const struct chat_publish *publish, uint32_t note,
                              enum chat_refusal *reason);

// From now on the member's bytes go there. What it is still owed of this turn is delivered within
// this call, by chat_port_deliver_each and …_gap_each with the new address, so that nothing is lost
// or repeated; of presence it gets a new state. The gateway's own format, 0, cannot be changed from
// or to. Not from within chat_port_….
void chat_member_readdress(struct chat *chat, uint32_t member, uint32_t address);

// The member's queue is empty again: presence it missed is asked for.
void chat_member_writable(struct chat *chat, uint32_t member);

// At the end of each turn: delivers what leaves gathered, in slices, and frees what ended rooms
// left. Returns true when work is left.
bool chat_flush(struct chat *chat);

// The name of a member's room, borrowed until the turn's end.
struct bytes chat_room_name(const struct chat *chat, uint32_t member);

// 24 bits of a room's name, the same on all cores, and a name that has them: of a room with members
// or a home here, of no bytes when there is none.
uint32_t chat_room_tag(const struct chat *chat, struct bytes name);
struct bytes chat_tag_name(const struct chat *chat, uint32_t tag);

// The same by leaf slot (a parcel's `room`): empty when the leaf is gone.
struct bytes chat_leaf_name(const struct chat *chat, uint32_t leaf);

static inline struct member *chat_member(const struct chat *chat, uint32_t member) {
    return (struct member *)slab_get(&chat->members, member);
}

// The core where the room lives, or would. Any thread: it reads only the configuration.
uint32_t chat_home_core(const struct chat *chat, struct bytes room);

struct chat_room_info {
    struct bytes name;
    uint64_t epoch;
    uint64_t sequence;
    uint64_t relayed; // messages handed to leaves
    uint64_t lost;    // messages that a full mesh or mailbox kept from a leaf
    uint32_t users;
    uint32_t connections;
    uint32_t observers;
    bool is_retained;     // it retains a message
    const char *presence; // "list", "sampled", "counts", "off"
};

// Ends a room whose home is here: its members are told, and may join its next life. False: there is
// none of that name.
MUST_USE bool chat_room_end(struct chat *chat, struct bytes name, enum exit_reason reason);

// Rooms whose home is here, for the control plane: call with *cursor 0 first; false at the end.
MUST_USE bool chat_room_next(const struct chat *chat, uint32_t *cursor,
                             struct chat_room_info *info);
MUST_USE bool chat_room_lookup(const struct chat *chat, struct bytes name,
                               struct chat_room_info *info);

#endif
