// A member on the core that it leaves, and on the core that it comes to:
//
//   joined --chat_move_out--> moving --CHAT_MOVED_OUT--> gone
//                             moving --CHAT_MOVE_REFUSED--> joined
//   chat_move_in: arriving --CHAT_PLACE--> taken --CHAT_MOVED_IN--> joined
//                 arriving, taken --CHAT_MOVE_REFUSED--> gone;  arriving --chat_move_abort--> gone
// Moving, arriving and taken members whose owner has left, or whose leaf has ended, are orphans
// until the answer is here; there always is one (room.c, and move_discard).
#include "chat/move.h"

#include "chat/gather.h"
#include "chat/leaf.h"
#include "chat/publish.h"

uint32_t chat_move_in(struct chat *chat, const struct chat_move_request *request,
                      struct chat_place *place, enum chat_refusal *reason) {
    uint32_t index;
    *reason = REFUSAL_MEMORY;
    struct member *member = slab_acquire(&chat->members, &index);
    if (!member)
        return SLAB_NONE;
    uint32_t leaf = leaf_open(chat, request->room);
    if (leaf == SLAB_NONE || leaf_at(chat, leaf)->actor.slab_word & ACTOR_DOOMED) {
        *reason = leaf == SLAB_NONE ? REFUSAL_TOO_MANY_ROOMS : REFUSAL_RESTARTED;
        slab_release(&chat->members, index);
        return SLAB_NONE;
    }
    member->slab_word |= MEMBER_PENDING | MEMBER_ARRIVING;
    member->leaf = leaf;
    member->owner = request->owner;
    member->address = request->address;
    member->tag = request->tag;
    member->next = SLAB_NONE;
    member->position = SLAB_NONE;
    member->meta = SLAB_NONE;
    leaf_at(chat, leaf)->pending_count++;
    *place = (struct chat_place){scheduler_pid(chat->scheduler, KIND_LEAF, leaf),
                                 handle_pack(slab_handle(&chat->members, index))};
    return index;
}

// The place is not pending any more. Its leaf, NULL when that is gone.
static struct leaf *settle_place(struct chat *chat, const struct member *member) {
    struct leaf *leaf = member->leaf == SLAB_NONE ? NULL : leaf_at(chat, member->leaf);
    if (!leaf)
        return NULL;
    leaf->pending_count--;
    if (member->slab_word & MEMBER_TAKEN)
        leaf->taken_count--;
    return leaf;
}

void chat_move_abort(struct chat *chat, uint32_t member_index) {
    const struct member *member = chat_member(chat, member_index);
    CHECKF(member->slab_word & MEMBER_ARRIVING && !(member->slab_word & MEMBER_TAKEN),
           "member %u is expected", member_index);
    uint32_t leaf = member->leaf;
    (void)settle_place(chat, member);
    slab_release(&chat->members, member_index);
    if (leaf != SLAB_NONE)
        leaf_close_if_unused(chat, leaf);
}

bool chat_move_out(struct chat *chat, uint32_t member_index, const struct chat_place *place) {
    struct member *member = chat_member(chat, member_index);
    CHECKF(!(member->slab_word & (MEMBER_ORPHAN | MEMBER_MOVING)), "member %u moves already",
           member_index);
    const struct leaf *leaf = leaf_at(chat, member->leaf);
    if (member->slab_word & MEMBER_PENDING || member->slab_word & MEMBER_SILENT ||
        member->meta == MEMBER_META_OBSERVER || leaf->room == PID_NONE ||
        leaf->actor.slab_word & ACTOR_DOOMED)
        return false;
    CHECK(pid_core(place->leaf) != chat->scheduler->core);
    member->slab_word |= MEMBER_MOVING;
    struct message move = {.target = leaf->room,
                           .sender = scheduler_pid(chat->scheduler, KIND_LEAF, member->leaf),
                           .type = CHAT_MOVE,
                           .small = member->meta,
                           .words = {handle_pack(slab_handle(&chat->members, member_index)),
                                     place->member, place->leaf}};
    scheduler_send(chat->scheduler, &move);
    return true;
}

// --- what leaves are told ------------------------------------------------------------------------

static struct member *member_of(const struct chat *chat, uint64_t handle) {
    struct member *member = slab_lookup(&chat->members, handle_unpack(handle));
    CHECKF(member, "member %lx of a move is gone", handle);
    return member;
}

// In the name of a leaf that may be gone.
static void send_leave(struct chat *chat, uint64_t room, uint64_t leaf, uint32_t meta) {
    struct message leave = {.target = room, .sender = leaf, .type = CHAT_LEAVE, .small = meta};
    scheduler_send(chat->scheduler, &leave);
}

static void give_up_place(struct chat *chat, uint64_t handle) {
    struct member *member = member_of(chat, handle);
    (void)settle_place(chat, member);
    if (!(member->slab_word & MEMBER_ORPHAN))
        chat_port_move_refused(chat->port, member->owner, (uint32_t)handle);
    slab_release(&chat->members, (uint32_t)handle);
}

static void on_place(struct chat *chat, const struct message *message, bool is_live) {
    struct member *member = member_of(chat, message->words[1]);
    struct message reply = *message;
    reply.sender = message->target;
    if (is_live && leaf_reserve(chat, member->leaf)) {
        member->slab_word |= MEMBER_TAKEN;
        leaf_at(chat, member->leaf)->taken_count++;
        reply.type = CHAT_PLACED;
        reply.target = message->sender;
    } else {
        give_up_place(chat, message->words[1]);
        reply.type = CHAT_MOVE_REFUSED;
        reply.target = message->words[2];
        reply.words[1] = message->sender;
    }
    scheduler_send(chat->scheduler, &reply);
}

static void on_moved_in(struct chat *chat, const struct message *message, bool is_live) {
    uint32_t index = (uint32_t)message->words[0];
    struct member *member = member_of(chat, message->words[0]);
    struct leaf *leaf = settle_place(chat, member);
    member->meta = message->small;
    bool is_orphan = member->slab_word & MEMBER_ORPHAN;
    member->slab_word &= ~(MEMBER_PENDING | MEMBER_ARRIVING | MEMBER_TAKEN);
    if (is_live && leaf) {
        leaf->room = message->sender;
        if (leaf_member_count(leaf) == 0)
            leaf->awaits_state_all = false;
    }
    if (is_orphan || !is_live || !leaf_admit(chat, member->leaf, index)) {
        if (!is_orphan)
            leaf_tell_ended(chat, member->leaf, index);
        send_leave(chat, message->sender, message->target, member->meta);
        slab_release(&chat->members, index);
        return;
    }
    if (message->flags)
        member->slab_word |= MEMBER_WAITING;
    counter_add(chat->scheduler->counters, COUNTER_MEMBERS_MOVED, 1);
    counter_add(chat->scheduler->counters, COUNTER_MEMBERS, 1);
    chat_port_moved_in(chat->port, member->owner, index, message->words[1]);
}

// A leaf that was told to exit has let messages pass: its member has a hole.
static void on_moved_out(struct chat *chat, const struct message *message, bool is_live) {
    uint32_t index = (uint32_t)message->words[0];
    struct member *member = member_of(chat, message->words[0]);
    if (!(member->slab_word & MEMBER_ORPHAN)) {
        leaf_remove(chat, index, true);
        if (!is_live)
            chat_port_torn(chat->port, member->owner, index);
        else if (gather_is_whole(chat, member->leaf, member->address))
            chat_port_moved_out(chat->port, member->owner, index, message->words[1]);
        else // for lack of memory it cannot be told what it misses
            chat_port_ended(chat->port, member->owner, index, BLOCK_NONE);
        counter_subtract(chat->scheduler->counters, COUNTER_MEMBERS, 1);
    }
    slab_release(&chat->members, index);
}

static void on_refused(struct chat *chat, const struct message *message) {
    struct member *member = member_of(chat, message->words[0]);
    if (member->slab_word & MEMBER_ARRIVING) {
        give_up_place(chat, message->words[0]);
        return;
    }
    member->slab_word &= ~MEMBER_MOVING;
    if (!(member->slab_word & MEMBER_ORPHAN)) {
        chat_port_move_refused(chat->port, member->owner, (uint32_t)message->words[0]);
        return;
    }
    send_leave(chat, message->words[1], message->target, member->meta);
    slab_release(&chat->members, (uint32_t)message->words[0]);
}

static bool take(struct chat *chat, const struct message *message, bool is_live) {
    if (message->type == CHAT_PLACE)
        on_place(chat, message, is_live);
    else if (message->type == CHAT_MOVED_IN)
        on_moved_in(chat, message, is_live);
    else if (message->type == CHAT_MOVED_OUT)
        on_moved_out(chat, message, is_live);
    else if (message->type == CHAT_MOVE_REFUSED)
        on_refused(chat, message);
    else
        return false;
    return true;
}

bool move_on_leaf(struct chat *chat, uint32_t leaf, const struct message *message) {
    if (!take(chat, message, true))
        return false;
    leaf_close_if_unused(chat, leaf);
    return true;
}

bool move_discard(struct chat *chat, const struct message *message) {
    return take(chat, message, false);
}
