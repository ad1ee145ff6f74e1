// Member:  pending --CHAT_JOINED--> joining (behind this turn's parts) --walk done--> in the array
//          pending --CHAT_JOINED--> in the array, when no part waits
//          in the array, joining --leaf_remove--> gone
//          in the array, joining --room or leaf ended: end_member (walk.c)--> gone
// Leaf:    quiet --message--> dirty --chat_flush--> walking --last slice--> quiet
//          paused while walking over more than a turn, when parts hold batch_bytes_max, and from
//          the end of its room until its members were told
#include "chat/leaf.h"

#include "chat/gather.h"
#include "chat/mix.h"
#include "chat/move.h"
#include "chat/publish.h"
#include "sched/base/parcel.h"

#define ARRAY_FIRST 8

static struct blocks *blocks_of(const struct chat *chat) {
    return chat->scheduler->blocks;
}

static void *array_data(const struct chat *chat, const struct leaf_array *array) {
    return blocks_at(blocks_of(chat), array->block);
}

bool leaf_array_reserve(struct chat *chat, struct leaf_array *array, size_t element_size,
                        uint32_t count) {
    if (count <= array->capacity)
        return true;
    uint32_t wanted = array->capacity ? array->capacity * 2 : ARRAY_FIRST;
    while (wanted < count)
        wanted *= 2;
    uint32_t block = blocks_acquire(blocks_of(chat), wanted * element_size - BLOCK_HEADER_BYTES);
    if (block == BLOCK_NONE)
        return false;
    if (array->capacity > 0) {
        memcpy(blocks_at(blocks_of(chat), block), array_data(chat, array),
               array->count * element_size);
        blocks_release(blocks_of(chat), array->block);
    }
    array->block = block;
    array->capacity = (uint32_t)(blocks_capacity(blocks_of(chat), block) / element_size);
    return true;
}

void leaf_array_free(struct chat *chat, struct leaf_array *array) {
    if (array->capacity > 0)
        blocks_release(blocks_of(chat), array->block);
    *array = (struct leaf_array){.block = BLOCK_NONE};
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    struct chat *chat = context;
    struct leaf *leaf = state;
    const struct bytes *name = argument;
    leaf->name =
        registry_insert(&chat->leaves, *name, scheduler_pid(chat->scheduler, KIND_LEAF, index));
    if (leaf->name == BLOCK_NONE)
        return -1;
    leaf->members.block = leaf->joining.block = leaf->parts.block = BLOCK_NONE;
    leaf->end_parcel = leaf->mix = BLOCK_NONE;
    struct room_settings settings;
    chat_port_settings(chat->port, *name, &settings);
    leaf->close_when_over = settings.close_when_over;
    return 0;
}

// Metas of members that are gone with their leaf, on their way to the room.
struct leaves {
    struct chat *chat;
    struct message message;
};

static void leaves_send(struct leaves *leaves) {
    if (leaves->message.flags > 0)
        scheduler_send(leaves->chat->scheduler, &leaves->message);
    leaves->message.flags = 0;
}

static void leaves_push(void *context, uint32_t meta) {
    struct leaves *leaves = context;
    uint32_t at = leaves->message.flags++;
    uint64_t *word = &leaves->message.words[at / 2];
    *word = at % 2 ? *word | (uint64_t)meta << 32 : meta;
    if (leaves->message.flags == CHAT_LEAVES_MAX)
        leaves_send(leaves);
}

static uint32_t encode_end(struct chat *chat, const struct leaf *leaf, uint32_t format) {
    return chat_port_encode_ended(chat->port, format, registry_name(&chat->leaves, leaf->name));
}

// What its members are told at the end, once per format.
static void encode_ends(struct chat *chat, struct leaf *leaf) {
    struct mix *mix = mix_of(chat, leaf);
    for (uint32_t track = 0; track < (mix ? MIX_EACH : 1); track++) {
        uint32_t *parcel = mix_end_parcel(leaf, mix, track);
        uint32_t members = mix ? mix->tracks[track].member_count : leaf_member_count(leaf);
        if (*parcel == BLOCK_NONE && members > 0)
            *parcel = encode_end(chat, leaf, track);
    }
}

void leaf_drop_ends(struct chat *chat, struct leaf *leaf) {
    struct mix *mix = mix_of(chat, leaf);
    for (uint32_t track = 0; track < (mix ? MIX_EACH : 1); track++) {
        uint32_t *parcel = mix_end_parcel(leaf, mix, track);
        if (*parcel != BLOCK_NONE && *parcel != CHAT_NOT_SENT)
            parcel_unref(blocks_of(chat), *parcel);
        *parcel = BLOCK_NONE;
    }
}

void leaf_tell_ended(struct chat *chat, uint32_t index, uint32_t member_index) {
    uint32_t track = mix_track(chat_member(chat, member_index)->address);
    uint32_t parcel = CHAT_NOT_SENT;
    if (track != MIX_EACH)
        parcel = encode_end(chat, leaf_at(chat, index), track);
    chat_port_ended(chat->port, chat_member(chat, member_index)->owner, member_index, parcel);
    if (parcel != BLOCK_NONE && parcel != CHAT_NOT_SENT)
        parcel_unref(blocks_of(chat), parcel);
}

static void refuse_one(struct chat *chat, uint32_t index, uint32_t member_index) {
    const struct member *member = chat_member(chat, member_index);
    bool is_arriving = member->slab_word & MEMBER_ARRIVING;
    if (is_arriving && member->slab_word & MEMBER_TAKEN) // the room counts on it: it moves, or has
        leaf_tell_ended(chat, index, member_index);
    else if (is_arriving)
        chat_port_move_refused(chat->port, member->owner, member_index);
    else
        chat_port_join_refused(chat->port, member->owner, member_index, REFUSAL_RESTARTED);
}

// Joins under way are refused at once, while the leaf's name can still be told; their slots wait
// for the answer (on_discard).
static void refuse_pending(struct chat *chat, struct leaf *leaf, uint32_t index) {
    for (uint32_t at = 0; leaf->pending_count > 0; at++) {
        CHECKF(at < chat->members.touched_count, "leaf %u: a join under way is nowhere", index);
        if (!slab_is_used(&chat->members, at))
            continue;
        struct member *member = chat_member(chat, at);
        if (!(member->slab_word & MEMBER_PENDING) || member->leaf != index)
            continue;
        if (!(member->slab_word & MEMBER_ORPHAN))
            refuse_one(chat, index, at);
        member->slab_word |= MEMBER_ORPHAN;
        member->leaf = SLAB_NONE;
        leaf->pending_count--;
    }
}

static void forget_dirty(struct chat *chat, uint32_t index) {
    uint32_t before = SLAB_NONE;
    uint32_t at = chat->dirty_head;
    for (; at != index; at = leaf_at(chat, at)->dirty_next)
        before = at;
    uint32_t next = leaf_at(chat, index)->dirty_next;
    if (before == SLAB_NONE)
        chat->dirty_head = next;
    else
        leaf_at(chat, before)->dirty_next = next;
    if (next == SLAB_NONE)
        chat->dirty_tail = before;
}

// With members only by a kill: they and the room are told.
static void end_with_members(struct chat *chat, struct leaf *leaf, uint32_t index) {
    struct leaves leaves = {
        .chat = chat,
        .message = {.target = leaf->room,
                    .sender = scheduler_pid(chat->scheduler, KIND_LEAF, index),
                    .type = CHAT_LEAVES},
    };
    encode_ends(chat, leaf);
    leaf_end_all(chat, index, leaf->room == PID_NONE ? NULL : leaves_push, &leaves);
    leaves_send(&leaves);
    if (leaf->is_dirty)
        forget_dirty(chat, index);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)reason;
    struct chat *chat = context;
    struct leaf *leaf = state;
    end_with_members(chat, leaf, index);
    refuse_pending(chat, leaf, index);
    mix_drop_parts(chat, leaf, true);
    leaf_array_free(chat, &leaf->members);
    leaf_array_free(chat, &leaf->joining);
    leaf_array_free(chat, &leaf->parts);
    registry_remove(&chat->leaves, registry_name(&chat->leaves, leaf->name));
}

uint32_t leaf_open(struct chat *chat, struct bytes name) {
    uint64_t pid = registry_lookup(&chat->leaves, name);
    if (pid == PID_NONE)
        pid = scheduler_spawn(chat->scheduler, KIND_LEAF, &name);
    return pid == PID_NONE ? SLAB_NONE : pid_slot(pid).index;
}

void leaf_close_if_unused(struct chat *chat, uint32_t index) {
    const struct leaf *leaf = leaf_at(chat, index);
    if (leaf->members.count == 0 && leaf->joining.count == 0 && leaf->pending_count == 0 &&
        !leaf->is_dirty)
        scheduler_exit(chat->scheduler, KIND_LEAF, index, EXIT_NORMAL);
}

void leaf_want_state(struct chat *chat, uint32_t index, bool is_for_all) {
    struct leaf *leaf = leaf_at(chat, index);
    if ((leaf->wants_state && !is_for_all) || leaf->room == PID_NONE)
        return;
    leaf->wants_state = true;
    struct message want = {.target = leaf->room,
                           .sender = scheduler_pid(chat->scheduler, KIND_LEAF, index),
                           .type = CHAT_WANT_STATE,
                           .flags = is_for_all};
    scheduler_send(chat->scheduler, &want);
}

void leaf_send_leave(struct chat *chat, uint32_t index, uint32_t meta) {
    struct message leave = {.target = leaf_at(chat, index)->room,
                            .sender = scheduler_pid(chat->scheduler, KIND_LEAF, index),
                            .type = CHAT_LEAVE,
                            .small = meta};
    if (leave.target != PID_NONE)
        scheduler_send(chat->scheduler, &leave);
}

void leaf_push_dirty(struct chat *chat, uint32_t index) {
    leaf_at(chat, index)->dirty_next = SLAB_NONE;
    if (chat->dirty_tail == SLAB_NONE)
        chat->dirty_head = index;
    else
        leaf_at(chat, chat->dirty_tail)->dirty_next = index;
    chat->dirty_tail = index;
}

void leaf_mark_dirty(struct chat *chat, uint32_t index) {
    struct leaf *leaf = leaf_at(chat, index);
    if (leaf->is_dirty)
        return;
    leaf->is_dirty = true;
    leaf_push_dirty(chat, index);
}

static void on_relay(struct chat *chat, struct leaf *leaf, uint32_t index,
                     const struct message *message) {
    struct scheduler *scheduler = chat->scheduler;
    struct chat_publish publish = publish_view(scheduler, message->words[0]);
    publish.room = registry_name(&chat->leaves, leaf->name);
    uint32_t publisher = SLAB_NONE;
    publish_settle(chat, message);
    if (message->small) {
        const struct member *member = slab_lookup(&chat->members, handle_unpack(message->words[2]));
        if (member && !(member->slab_word & MEMBER_ORPHAN)) {
            publisher = (uint32_t)message->words[2];
            if (publish.wants_reply)
                chat_port_accepted(chat->port, member->owner, publisher, &publish,
                                   message->words[1]);
        }
    }
    if (message->type == CHAT_RELAY && leaf_member_count(leaf) > 0) {
        if (publish.is_whisper)
            gather_whisper(chat, index, &publish, publisher);
        else
            gather_message(chat, index, message->words[0], &publish, message->words[1]);
    }
    payload_unref(scheduler, message->words[0]);
}

// Into the array, or behind the parts that wait to be delivered. False: memory is out.
bool leaf_admit(struct chat *chat, uint32_t index, uint32_t member_index) {
    struct leaf *leaf = leaf_at(chat, index);
    struct member *member = chat_member(chat, member_index);
    uint32_t members = leaf_member_count(leaf) + 1 + leaf->taken_count;
    gather_gaps(chat, index); // what is owed now is not owed to the joiner
    if (!gather_is_whole(chat, index, member->address) || !mix_reserve(chat, index, member))
        return false;
    if (!leaf_array_reserve(chat, &leaf->members, sizeof(struct leaf_entry), members))
        return false;
    if (leaf->parts.count > 0) {
        if (!leaf_array_reserve(chat, &leaf->joining, sizeof(struct leaf_joining),
                                leaf->joining.count + 1 + leaf->taken_count))
            return false;
        member->position = SLAB_NONE;
        leaf_joiners(chat, leaf)[leaf->joining.count++] =
            (struct leaf_joining){member_index, leaf->parts.count};
        mix_add(chat, leaf, member);
        leaf_mark_dirty(chat, index);
        return true;
    }
    member->position = leaf->members.count;
    leaf_entries(chat, leaf)[leaf->members.count++] =
        (struct leaf_entry){member_index, member->address};
    mix_add(chat, leaf, member);
    return true;
}

bool leaf_reserve(struct chat *chat, uint32_t index) {
    struct leaf *leaf = leaf_at(chat, index);
    uint32_t more = 1 + leaf->taken_count;
    return leaf_array_reserve(chat, &leaf->members, sizeof(struct leaf_entry),
                              leaf_member_count(leaf) + more) &&
           leaf_array_reserve(chat, &leaf->joining, sizeof(struct leaf_joining),
                              leaf->joining.count + more);
}

static void on_joined(struct chat *chat, struct leaf *leaf, uint32_t index,
                      const struct message *message) {
    uint32_t member_index = (uint32_t)message->words[0];
    struct member *member = chat_member(chat, member_index);
    leaf->room = message->sender;
    leaf->pending_count--;
    if (leaf_member_count(leaf) == 0)
        leaf->awaits_state_all = false; // the room forgot that wish with the last member
    member->meta = message->small;
    bool is_orphan = member->slab_word & MEMBER_ORPHAN;
    member->slab_word &= ~MEMBER_PENDING;
    if (is_orphan || !leaf_admit(chat, index, member_index)) {
        if (!is_orphan)
            chat_port_join_refused(chat->port, member->owner, member_index, REFUSAL_MEMORY);
        leaf_send_leave(chat, index, member->meta);
        slab_release(&chat->members, member_index);
        leaf_close_if_unused(chat, index);
        return;
    }
    if (message->flags)
        member->slab_word |= MEMBER_WAITING;
    counter_add(chat->scheduler->counters, COUNTER_JOINS, 1);
    counter_add(chat->scheduler->counters, COUNTER_MEMBERS, 1);
    chat_port_joined(chat->port, member->owner, member_index, message->words[1], message->words[2]);
}

// For a joiner, right before its CHAT_JOINED.
static void on_retained(struct chat *chat, const struct message *message) {
    uint64_t payload = message->words[0];
    uint32_t index = (uint32_t)message->words[1];
    const struct member *member = chat_member(chat, index);
    if (!(member->slab_word & MEMBER_ORPHAN)) {
        struct chat_delivery delivery = {.owner = member->owner,
                                         .member = index,
                                         .address = member->address,
                                         .payload = payload,
                                         .publish = publish_view(chat->scheduler, payload),
                                         .is_replay = true};
        counter_add(chat->scheduler->counters, COUNTER_DUE, 1);
        if (address_format(member->address) == 0)
            chat_port_retained(chat->port, member->owner, index, &delivery.publish);
        else
            chat_port_deliver_each(chat->port, &delivery);
    }
    payload_unref(chat->scheduler, payload);
}

static void on_join_refused(struct chat *chat, struct leaf *leaf, uint32_t index,
                            const struct message *message) {
    uint32_t member_index = (uint32_t)message->words[0];
    const struct member *member = chat_member(chat, member_index);
    leaf->pending_count--;
    if (!(member->slab_word & MEMBER_ORPHAN))
        chat_port_join_refused(chat->port, member->owner, member_index,
                               (enum chat_refusal)message->small);
    slab_release(&chat->members, member_index);
    leaf_close_if_unused(chat, index);
}

static void on_presence(struct chat *chat, struct leaf *leaf, uint32_t index,
                        const struct message *message) {
    uint64_t diff = message->words[0];
    uint64_t state = message->words[1];
    bool is_told = true;
    leaf->wants_state &= state == PAYLOAD_NONE;
    leaf->awaits_state_all &= !message->small || state == PAYLOAD_NONE;
    if (leaf_member_count(leaf) > 0) {
        if (diff != PAYLOAD_NONE && !leaf->awaits_state_all)
            is_told = gather_presence(chat, index, diff, PART_DIFF);
        if (state != PAYLOAD_NONE)
            is_told &=
                gather_presence(chat, index, state, message->small ? PART_STATE_ALL : PART_STATE);
    }
    if (!is_told) {
        leaf->awaits_state_all = true;
        leaf_want_state(chat, index, true);
    }
    publish_discard(chat->scheduler, message);
}

static void on_count(struct chat *chat, struct leaf *leaf, uint32_t index,
                     const struct message *message) {
    leaf->wants_state = false;
    if (leaf_member_count(leaf) > 0 &&
        !gather_count(chat, index, (uint32_t)message->words[0], (uint32_t)message->words[1]))
        leaf_want_state(chat, index, true);
}

// The room's life is over, and nothing of it comes after this. What this core asked of it and what
// was not answered comes back to the chat of this core, and behind that the answer to the question
// that is asked here: then all who published know, and can be told of the end.
static void on_ended(struct chat *chat, struct leaf *leaf, uint32_t index,
                     const struct message *message) {
    if (message->words[2])
        gather_lost(chat, index, (struct leaf_loss){message->words[1], message->words[2]});
    gather_gaps(chat, index);
    gather_forget_gaps(chat, index); // without memory they are told that all of it is gone
    leaf->room = PID_NONE;
    leaf->wants_state = leaf->awaits_state_all = false;
    if (leaf_member_count(leaf) == 0)
        return;
    leaf->phase = LEAF_ENDING;
    leaf->is_paused = true;
    scheduler_pause(chat->scheduler, KIND_LEAF, index);
    struct message ask = {.target = message->sender,
                          .sender = chat_service(chat->scheduler->core),
                          .type = CHAT_ASK_ANSWERED,
                          .words = {scheduler_pid(chat->scheduler, KIND_LEAF, index)}};
    scheduler_send(chat->scheduler, &ask);
}

void leaf_end_begin(struct chat *chat, uint32_t index) {
    struct leaf *leaf = leaf_at(chat, index);
    leaf->phase = LEAF_ENDED;
    encode_ends(chat, leaf);
    leaf_mark_dirty(chat, index);
}

void leaf_on_answered(struct chat *chat, uint64_t pid) {
    struct leaf *leaf = scheduler_lookup(chat->scheduler, pid);
    if (!leaf)
        return;
    CHECK(leaf->phase == LEAF_ENDING);
    leaf->phase = LEAF_ANSWERED;
    if (!leaf->is_walking)
        leaf_end_begin(chat, pid_slot(pid).index);
}

// Of a life of the room that this leaf's members have no part in.
static bool is_foreign(const struct leaf *leaf, const struct message *message) {
    switch (message->type) {
    case CHAT_RELAY:
    case CHAT_LOST:
    case CHAT_PRESENCE:
    case CHAT_COUNT:
    case CHAT_ENDED:
        return message->sender != leaf->room;
    default:
        return false;
    }
}

static void on_message(void *context, void *state, uint32_t index, const struct message *message) {
    struct chat *chat = context;
    struct leaf *leaf = state;
    if (UNLIKELY(is_foreign(leaf, message))) {
        publish_settle(chat, message);
        publish_discard(chat->scheduler, message);
        return;
    }
    gather_gaps(chat, index); // there may be memory again
    switch (message->type) {
    case CHAT_RELAY:
    case CHAT_ACCEPTED:
        on_relay(chat, leaf, index, message);
        break;
    case CHAT_REFUSED:
        publish_refused(chat, message);
        break;
    case CHAT_JOINED:
        on_joined(chat, leaf, index, message);
        break;
    case CHAT_JOIN_REFUSED:
        on_join_refused(chat, leaf, index, message);
        break;
    case CHAT_RETAINED:
        on_retained(chat, message);
        break;
    case CHAT_LOST:
        gather_lost(chat, index, (struct leaf_loss){message->words[0], message->words[1]});
        break;
    case CHAT_PRESENCE:
        on_presence(chat, leaf, index, message);
        break;
    case CHAT_COUNT:
        on_count(chat, leaf, index, message);
        break;
    case CHAT_ENDED:
        on_ended(chat, leaf, index, message);
        break;
    default:
        if (!move_on_leaf(chat, index, message))
            CHECKF(false, "leaf got message %u", message->type);
    }
}

// The answer to a join whose leaf is gone, or is about to go.
static void discard_answer(struct chat *chat, const struct message *message) {
    uint32_t member_index = (uint32_t)message->words[0];
    const struct member *member = chat_member(chat, member_index);
    if (!(member->slab_word & MEMBER_ORPHAN))
        chat_port_join_refused(chat->port, member->owner, member_index, REFUSAL_RESTARTED);
    if (member->leaf != SLAB_NONE)
        leaf_at(chat, member->leaf)->pending_count--;
    if (message->type == CHAT_JOINED) {
        struct message leave = {.target = message->sender,
                                .sender = message->target,
                                .type = CHAT_LEAVE,
                                .small = message->small};
        scheduler_send(chat->scheduler, &leave);
    }
    slab_release(&chat->members, member_index);
}

static void on_discard(void *context, const struct message *message) {
    struct chat *chat = context;
    if (message->type == CHAT_JOINED || message->type == CHAT_JOIN_REFUSED)
        discard_answer(chat, message);
    else if (move_discard(chat, message))
        return;
    publish_settle(chat, message);
    publish_discard(chat->scheduler, message);
}

const struct behaviour leaf_behaviour = {
    .name = "leaves",
    .kind = KIND_LEAF,
    .version = 1,
    .mailbox_max = LEAF_MAILBOX_MAX,
    .slot_size = sizeof(struct leaf),
    .init = on_init,
    .handle = on_message,
    .terminate = on_terminate,
    .discard = on_discard,
    .message_name = chat_message_name,
};
