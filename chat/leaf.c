// Member:  pending --CHAT_JOINED--> joining (behind this turn's parts) --walk done--> in the array
//          pending --CHAT_JOINED--> in the array, when no part waits
//          in the array, joining --leaf_remove--> gone
//          in the array, joining --room or leaf ended: end_member (walk.c)--> gone
// Leaf:    quiet --message--> dirty --chat_flush--> walking --last slice--> quiet
//          paused while walking over more than a turn, when parts hold batch_bytes_max, and from
//          the end of its room until its members were told
#include "chat/leaf.h"

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

// Room for `count` elements. The array uses its block to the end.
static bool array_reserve(struct chat *chat, struct leaf_array *array, size_t element_size,
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

static void array_free(struct chat *chat, struct leaf_array *array) {
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
    leaf->end_parcel = BLOCK_NONE;
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

void leaf_tell_ended(struct chat *chat, uint32_t index, uint32_t member_index) {
    uint32_t parcel = chat_port_encode_ended(
        chat->port, 0, registry_name(&chat->leaves, leaf_at(chat, index)->name));
    chat_port_ended(chat->port, chat_member(chat, member_index)->owner, member_index, parcel);
    if (parcel != BLOCK_NONE)
        parcel_unref(blocks_of(chat), parcel);
}

static void refuse_one(struct chat *chat, uint32_t index, uint32_t member_index) {
    const struct member *member = chat_member(chat, member_index);
    if (member->slab_word & MEMBER_TAKEN) // the room counts on it: it is moving, or has
        leaf_tell_ended(chat, index, member_index);
    else if (member->slab_word & MEMBER_ARRIVING)
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
    uint32_t parcel = leaf->end_parcel;
    if (parcel == BLOCK_NONE && leaf_member_count(leaf) > 0)
        parcel = chat_port_encode_ended(chat->port, 0, registry_name(&chat->leaves, leaf->name));
    leaf_end_all(chat, index, parcel, leaf->room == PID_NONE ? NULL : leaves_push, &leaves);
    leaves_send(&leaves);
    if (parcel != BLOCK_NONE)
        parcel_unref(blocks_of(chat), parcel);
    if (leaf->is_dirty)
        forget_dirty(chat, index);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)reason;
    struct chat *chat = context;
    struct leaf *leaf = state;
    end_with_members(chat, leaf, index);
    refuse_pending(chat, leaf, index);
    array_free(chat, &leaf->members);
    array_free(chat, &leaf->joining);
    array_free(chat, &leaf->parts);
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

// Appends a part; takes the parcel. False: no memory for it, the parcel is given back.
static bool part_push(struct chat *chat, struct leaf *leaf, uint32_t index,
                      const struct leaf_part *part) {
    if (!array_reserve(chat, &leaf->parts, sizeof(struct leaf_part), leaf->parts.count + 1)) {
        parcel_unref(blocks_of(chat), part->parcel);
        return false;
    }
    leaf_parts(chat, leaf)[leaf->parts.count++] = *part;
    leaf->batch_bytes += parcel_at(blocks_of(chat), part->parcel)->size;
    leaf_mark_dirty(chat, index);
    if (!leaf->is_paused && (leaf->batch_bytes >= chat->config.batch_bytes_max ||
                             leaf->parts.count >= LEAF_PARTS_MAX)) {
        leaf->is_paused = true;
        scheduler_pause(chat->scheduler, KIND_LEAF, index);
    }
    return true;
}

static void note_lost(struct leaf *leaf, uint64_t from, uint64_t to) {
    leaf->lost_from = leaf->lost_to ? leaf->lost_from : from;
    leaf->lost_to = to;
}

// Tells all members of what this core never got or could not encode, in its place in the order.
static void push_gap(struct chat *chat, struct leaf *leaf, uint32_t index) {
    if (leaf_member_count(leaf) == 0)
        leaf->lost_to = 0; // those who were owed it have left
    if (leaf->lost_to == 0)
        return;
    uint32_t parcel = chat_port_encode_gap(chat->port, 0, registry_name(&chat->leaves, leaf->name),
                                           leaf->lost_from, leaf->lost_to);
    struct leaf_part part = {
        .parcel = parcel, .batch = BLOCK_NONE, .exclude = SLAB_NONE, .kind = PART_PLAIN};
    if (parcel == BLOCK_NONE || !part_push(chat, leaf, index, &part))
        return;
    leaf->lost_to = 0;
    counter_add(chat->scheduler->counters, COUNTER_GAPS, leaf_member_count(leaf));
}

static void push_whisper(struct chat *chat, struct leaf *leaf, uint32_t index,
                         const struct chat_publish *publish, uint32_t publisher) {
    uint32_t parcel =
        chat_port_encode_whisper(chat->port, 0, registry_name(&chat->leaves, leaf->name), publish);
    struct leaf_part part = {
        .parcel = parcel, .batch = BLOCK_NONE, .exclude = publisher, .kind = PART_PLAIN};
    if (parcel == BLOCK_NONE || !part_push(chat, leaf, index, &part))
        counter_add(chat->scheduler->counters, COUNTER_WHISPERS_DROPPED, 1);
}

static void push_message(struct chat *chat, struct leaf *leaf, uint32_t index,
                         const struct chat_publish *publish, uint64_t sequence) {
    struct counters *counters = chat->scheduler->counters;
    uint32_t receivers = leaf_member_count(leaf);
    counter_add(counters, COUNTER_DUE, receivers);
    push_gap(chat, leaf, index);
    uint32_t id = BLOCK_NONE;
    if (leaf->lost_to == 0) // else the gap could not be told, and nothing may pass it
        id = chat_port_encode_message(chat->port, 0, registry_name(&chat->leaves, leaf->name),
                                      publish, sequence);
    struct leaf_part part = {
        .parcel = id, .batch = BLOCK_NONE, .exclude = SLAB_NONE, .kind = PART_MESSAGE};
    if (id != BLOCK_NONE) {
        struct parcel *parcel = parcel_at(blocks_of(chat), id);
        parcel->room = index;
        parcel->message_count = 1;
        parcel->sequence_from = sequence;
        parcel->close_when_over = leaf->close_when_over;
        if (part_push(chat, leaf, index, &part)) {
            counter_add(counters, COUNTER_GATHERED, receivers);
            return;
        }
    }
    counter_add(counters, COUNTER_DROPPED_MEMORY, receivers);
    note_lost(leaf, sequence, sequence);
}

static void on_relay(struct chat *chat, struct leaf *leaf, uint32_t index,
                     const struct message *message) {
    struct scheduler *scheduler = chat->scheduler;
    struct chat_publish publish = publish_view(scheduler, message->words[0]);
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
            push_whisper(chat, leaf, index, &publish, publisher);
        else
            push_message(chat, leaf, index, &publish, message->words[1]);
    }
    payload_unref(scheduler, message->words[0]);
}

// Into the array, or behind the parts that wait to be delivered. False: memory is out.
bool leaf_admit(struct chat *chat, uint32_t index, uint32_t member_index) {
    struct leaf *leaf = leaf_at(chat, index);
    struct member *member = chat_member(chat, member_index);
    uint32_t members = leaf_member_count(leaf) + 1 + leaf->taken_count;
    push_gap(chat, leaf, index); // what is owed now is not owed to the joiner
    if (leaf->lost_to)
        return false;
    if (!array_reserve(chat, &leaf->members, sizeof(struct leaf_entry), members))
        return false;
    if (leaf->parts.count > 0) {
        if (!array_reserve(chat, &leaf->joining, sizeof(struct leaf_joining),
                           leaf->joining.count + 1 + leaf->taken_count))
            return false;
        member->position = SLAB_NONE;
        leaf_joiners(chat, leaf)[leaf->joining.count++] =
            (struct leaf_joining){member_index, leaf->parts.count};
        leaf_mark_dirty(chat, index);
        return true;
    }
    member->position = leaf->members.count;
    leaf_entries(chat, leaf)[leaf->members.count++] =
        (struct leaf_entry){member_index, member->address};
    return true;
}

bool leaf_reserve(struct chat *chat, uint32_t index) {
    struct leaf *leaf = leaf_at(chat, index);
    uint32_t more = 1 + leaf->taken_count;
    return array_reserve(chat, &leaf->members, sizeof(struct leaf_entry),
                         leaf_member_count(leaf) + more) &&
           array_reserve(chat, &leaf->joining, sizeof(struct leaf_joining),
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

// False: memory was out.
static bool push_presence(struct chat *chat, struct leaf *leaf, uint32_t index, uint64_t payload,
                          enum leaf_part_kind kind) {
    uint32_t parcel =
        chat_port_encode_presence(chat->port, 0, registry_name(&chat->leaves, leaf->name),
                                  records_view(chat->scheduler, payload), kind != PART_DIFF);
    struct leaf_part part = {
        .parcel = parcel, .batch = BLOCK_NONE, .exclude = SLAB_NONE, .kind = (uint32_t)kind};
    return parcel != BLOCK_NONE && part_push(chat, leaf, index, &part);
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
            is_told = push_presence(chat, leaf, index, diff, PART_DIFF);
        if (state != PAYLOAD_NONE)
            is_told &= push_presence(chat, leaf, index, state,
                                     message->small ? PART_STATE_ALL : PART_STATE);
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
    if (leaf_member_count(leaf) == 0)
        return;
    uint32_t parcel =
        chat_port_encode_count(chat->port, 0, registry_name(&chat->leaves, leaf->name),
                               (uint32_t)message->words[0], (uint32_t)message->words[1]);
    struct leaf_part part = {
        .parcel = parcel, .batch = BLOCK_NONE, .exclude = SLAB_NONE, .kind = PART_COUNT};
    if (parcel == BLOCK_NONE || !part_push(chat, leaf, index, &part))
        leaf_want_state(chat, index, true);
}

// The room's life is over, and nothing of it comes after this. What this core asked of it and what
// was not answered comes back to the chat of this core, and behind that the answer to the question
// that is asked here: then all who published know, and can be told of the end.
static void on_ended(struct chat *chat, struct leaf *leaf, uint32_t index,
                     const struct message *message) {
    if (message->words[2])
        note_lost(leaf, message->words[1], message->words[2]);
    push_gap(chat, leaf, index);
    leaf->lost_to = 0; // without memory they are told that all of it is gone
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
    leaf->end_parcel =
        chat_port_encode_ended(chat->port, 0, registry_name(&chat->leaves, leaf->name));
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
    push_gap(chat, leaf, index); // there may be memory again
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
    case CHAT_LOST:
        note_lost(leaf, message->words[0], message->words[1]);
        push_gap(chat, leaf, index);
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
