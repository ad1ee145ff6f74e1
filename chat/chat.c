// What the gateway calls, and KIND_CHAT: one actor per core that takes joins by the room's name and
// makes the room when there is none. It also takes what rooms that ended still owe this core:
// answers to publishes, and the word that all were given. Those need no state but chat's, so that
// they are taken even when the actor is gone (chat_actor_discard).
#include "chat/chat.h"

#include <errno.h>

#include "chat/leaf.h"
#include "chat/publish.h"
#include "chat/retained.h"
#include "chat/room.h"
#include "sched/base/hash.h"

#define CHAT_MAILBOX_MAX 65536

static int chat_actor_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context;
    (void)state;
    (void)argument;
    CHECK(index == 0);
    return 0;
}

static void chat_actor_terminate(void *context, void *state, uint32_t index,
                                 enum exit_reason reason) {
    (void)context;
    (void)state;
    (void)index;
    (void)reason;
}

// What was asked of a room that ended. False: the message is another.
static bool on_answer(struct chat *chat, const struct message *message) {
    if (message->type == CHAT_REFUSED)
        publish_refused(chat, message);
    else if (message->type == CHAT_ANSWERED)
        leaf_on_answered(chat, message->words[0]);
    else if (message->type == CHAT_PUBLISHED_TO)
        publish_answered(chat, message);
    else
        return false;
    return true;
}

static uint64_t make_room(struct chat *chat, struct bytes name) {
    struct room_birth birth = {.name_size = (uint8_t)name.size};
    memcpy(birth.name, name.data, name.size);
    return scheduler_spawn(chat->scheduler, KIND_ROOM, &birth);
}

static enum chat_refusal no_room(const struct chat *chat) {
    return slab_is_full(&chat->scheduler->kinds[KIND_ROOM].slab) ? REFUSAL_TOO_MANY_ROOMS
                                                                 : REFUSAL_MEMORY;
}

// Behind what came before from the same core, with which it waits in the room's mailbox.
static void on_publish_to(struct chat *chat, const struct message *message) {
    struct chat_publish publish = publish_view(chat->scheduler, message->words[0]);
    struct chat_published_to answer = {.refusal = REFUSAL_NONE};
    uint64_t room = registry_lookup(&chat->rooms, publish.room);
    if (room == PID_NONE && publish.is_retained && publish.body.size > 0) {
        room = make_room(chat, publish.room);
        answer.refusal = room == PID_NONE ? no_room(chat) : REFUSAL_NONE;
    }
    if (room != PID_NONE) {
        struct message forward = *message;
        forward.target = room;
        if (scheduler_try_send(chat->scheduler, &forward))
            return;
        counter_add(chat->scheduler->counters, COUNTER_BUSY, 1);
        answer.refusal = REFUSAL_BUSY;
    }
    publish_answer(chat, message, &answer);
}

static void chat_actor_handle(void *context, void *state, uint32_t index,
                              const struct message *message) {
    (void)state;
    (void)index;
    struct chat *chat = context;
    struct scheduler *scheduler = chat->scheduler;
    if (on_answer(chat, message))
        return;
    if (message->type == CHAT_PUBLISH_TO) {
        on_publish_to(chat, message);
        return;
    }
    CHECK(message->type == CHAT_JOIN);
    struct bytes name = join_view(scheduler, message->words[0]).room;
    uint64_t room = registry_lookup(&chat->rooms, name);
    if (room == PID_NONE)
        room = make_room(chat, name);
    if (room != PID_NONE) {
        struct message forward = *message;
        forward.target = room;
        scheduler_send(scheduler, &forward);
        return;
    }
    struct message refused = {.target = message->sender,
                              .type = CHAT_JOIN_REFUSED,
                              .small = no_room(chat),
                              .words = {message->words[1]}};
    payload_unref(scheduler, message->words[0]);
    scheduler_send(scheduler, &refused);
}

static void chat_actor_discard(void *context, const struct message *message) {
    struct chat *chat = context;
    if (on_answer(chat, message))
        return;
    if (message->type == CHAT_PUBLISH_TO) {
        struct chat_published_to answer = {.refusal = REFUSAL_BUSY};
        publish_answer(chat, message, &answer);
        return;
    }
    CHECK(message->type == CHAT_JOIN);
    struct message refused = {.target = message->sender,
                              .type = CHAT_JOIN_REFUSED,
                              .small = REFUSAL_BUSY,
                              .words = {message->words[1]}};
    payload_unref(chat->scheduler, message->words[0]);
    scheduler_send(chat->scheduler, &refused);
}

static const struct behaviour chat_behaviour = {
    .name = "chat",
    .kind = KIND_CHAT,
    .version = 1,
    .mailbox_max = CHAT_MAILBOX_MAX - 1,
    .slot_size = sizeof(struct actor),
    .init = chat_actor_init,
    .handle = chat_actor_handle,
    .terminate = chat_actor_terminate,
    .discard = chat_actor_discard,
    .message_name = chat_message_name,
};

int chat_init(struct chat *chat, const struct chat_config *config, struct scheduler *scheduler,
              struct memory_ledger *ledger, void *port) {
    *chat = (struct chat){.config = *config,
                          .scheduler = scheduler,
                          .port = port,
                          .rng = {config->rng_seed},
                          .dirty_head = SLAB_NONE,
                          .dirty_tail = SLAB_NONE,
                          .graves = BLOCK_NONE};
    if (chat->config.turn_deliveries_max == 0)
        chat->config.turn_deliveries_max = CHAT_TURN_DELIVERIES;
    if (chat->config.publishes_max == 0)
        chat->config.publishes_max = CHAT_PUBLISHES_MAX / config->core_count;
    if (chat->config.retained_bytes_max == 0)
        chat->config.retained_bytes_max = CHAT_RETAINED_BYTES_MAX;
    registry_init(&chat->rooms, scheduler->blocks, config->seed);
    registry_init(&chat->leaves, scheduler->blocks, config->seed);
    if (slab_init(&chat->members, ledger, "members", sizeof(struct member), config->members_max) ||
        slab_init(&chat->users, ledger, "presence users", sizeof(struct presence_user),
                  config->users_max) ||
        slab_init(&chat->metas, ledger, "presence metas", sizeof(struct presence_meta),
                  config->users_max) ||
        texts_init(&chat->texts, ledger, config->users_max) ||
        scheduler_register(scheduler, &room_behaviour, chat, config->rooms_max) ||
        scheduler_register(scheduler, &leaf_behaviour, chat, config->rooms_max) ||
        scheduler_register(scheduler, &chat_behaviour, chat, 1) ||
        recorder_track(&scheduler->recorder, ledger, KIND_ROOM, config->rooms_max))
        return -ENOMEM;
    bool is_started =
        config->is_supervised || scheduler_spawn(scheduler, KIND_CHAT, NULL) != PID_NONE;
    CHECK(is_started);
    return 0;
}

void chat_fini(struct chat *chat) {
    slab_check_empty(&chat->members);
    const struct slab *rooms = &chat->scheduler->kinds[KIND_ROOM].slab;
    for (uint32_t i = 0; i < rooms->touched_count; i++)
        if (slab_is_used(rooms, i))
            scheduler_exit(chat->scheduler, KIND_ROOM, i, EXIT_SHUTDOWN);
    if (slab_is_used(&chat->scheduler->kinds[KIND_CHAT].slab, 0))
        scheduler_exit(chat->scheduler, KIND_CHAT, 0, EXIT_SHUTDOWN);
    uint32_t all = UINT32_MAX;
    presence_dig(chat, &all);
    CHECK(chat->scheduler->kinds[KIND_LEAF].slab.used_count == 0);
    slab_check_empty(&chat->users);
    slab_check_empty(&chat->metas);
    registry_fini(&chat->rooms);
    registry_fini(&chat->leaves);
}

uint32_t chat_room_tag(const struct chat *chat, struct bytes name) {
    return registry_tag(&chat->leaves, name);
}

struct bytes chat_tag_name(const struct chat *chat, uint32_t tag) {
    struct bytes name = registry_lookup_tag(&chat->leaves, tag);
    return name.size > 0 ? name : registry_lookup_tag(&chat->rooms, tag);
}

uint32_t chat_home_core(const struct chat *chat, struct bytes room) {
    uint64_t hash = hash_bytes(chat->config.seed, room);
    return (uint32_t)((hash >> 32) * chat->config.core_count >> 32);
}

uint32_t chat_join(struct chat *chat, const struct chat_join_request *request,
                   enum chat_refusal *reason) {
    struct scheduler *scheduler = chat->scheduler;
    uint32_t index;
    struct member *member = slab_acquire(&chat->members, &index);
    *reason = REFUSAL_MEMORY;
    if (!member)
        return SLAB_NONE;
    uint32_t leaf_index = leaf_open(chat, request->room);
    if (leaf_index != SLAB_NONE &&
        leaf_at(chat, leaf_index)->actor.slab_word & ACTOR_DOOMED) { // it takes no answer any more
        slab_release(&chat->members, index);
        *reason = REFUSAL_RESTARTED;
        return SLAB_NONE;
    }
    struct chat_join_view join = {request->room, request->user, request->meta};
    uint64_t payload = leaf_index == SLAB_NONE ? PAYLOAD_NONE : join_pack(scheduler, &join);
    struct message message = {
        .target = pid_service((uint8_t)chat_home_core(chat, request->room), KIND_CHAT),
        .type = CHAT_JOIN,
        .flags = (uint16_t)((request->is_observer ? CHAT_JOIN_OBSERVER : 0) |
                            (request->is_silent ? CHAT_JOIN_SILENT : 0) |
                            (request->wants_retained ? CHAT_JOIN_RETAINED : 0)),
        .words = {payload, handle_pack(slab_handle(&chat->members, index))}};
    bool is_sent = false;
    if (leaf_index == SLAB_NONE && slab_is_full(&scheduler->kinds[KIND_LEAF].slab))
        *reason = REFUSAL_TOO_MANY_ROOMS;
    if (payload != PAYLOAD_NONE) {
        *reason = REFUSAL_BUSY;
        message.sender = scheduler_pid(scheduler, KIND_LEAF, leaf_index);
        is_sent = scheduler_try_send(scheduler, &message);
        if (!is_sent)
            payload_unref(scheduler, payload);
    }
    if (!is_sent) {
        slab_release(&chat->members, index);
        if (leaf_index != SLAB_NONE)
            leaf_close_if_unused(chat, leaf_index);
        return SLAB_NONE;
    }
    member->slab_word |= MEMBER_PENDING | (request->is_silent ? MEMBER_SILENT : 0);
    member->leaf = leaf_index;
    member->owner = request->owner;
    member->address = request->address;
    member->tag = request->tag;
    member->next = SLAB_NONE;
    member->position = SLAB_NONE;
    member->meta = request->is_observer ? MEMBER_META_OBSERVER : SLAB_NONE;
    leaf_at(chat, leaf_index)->pending_count++;
    return index;
}

void chat_leave(struct chat *chat, uint32_t member_index, bool flush) {
    struct member *member = chat_member(chat, member_index);
    CHECKF(!(member->slab_word & MEMBER_ORPHAN), "member %u left twice", member_index);
    if (member->slab_word & MEMBER_PENDING) {
        member->slab_word |= MEMBER_ORPHAN;
        return;
    }
    uint32_t leaf_index = member->leaf;
    leaf_remove(chat, member_index, flush);
    if (member->slab_word & MEMBER_MOVING) { // what the room is told depends on its answer
        member->slab_word |= MEMBER_ORPHAN;
        member->leaf = SLAB_NONE;
        counter_subtract(chat->scheduler->counters, COUNTER_MEMBERS, 1);
        leaf_close_if_unused(chat, leaf_index);
        return;
    }
    leaf_send_leave(chat, leaf_index, member->meta);
    counter_subtract(chat->scheduler->counters, COUNTER_MEMBERS, 1);
    slab_release(&chat->members, member_index);
    leaf_close_if_unused(chat, leaf_index);
}

bool chat_publish(struct chat *chat, uint32_t member_index, const struct chat_publish *publish,
                  enum chat_refusal *reason) {
    struct scheduler *scheduler = chat->scheduler;
    const struct member *member = chat_member(chat, member_index);
    CHECK(!(member->slab_word & (MEMBER_PENDING | MEMBER_ORPHAN)));
    if (leaf_at(chat, member->leaf)->room == PID_NONE) {
        *reason = REFUSAL_RESTARTED;
        return false;
    }
    bool is_busy =
        chat->publish_count >= chat->config.publishes_max || member->slab_word & MEMBER_MOVING;
    uint64_t payload = is_busy ? PAYLOAD_NONE : publish_pack(scheduler, publish);
    if (payload == PAYLOAD_NONE) {
        *reason = is_busy ? REFUSAL_BUSY : REFUSAL_MEMORY;
        counter_add(scheduler->counters, COUNTER_BUSY, is_busy);
        return false;
    }
    struct message message = {
        .target = leaf_at(chat, member->leaf)->room,
        .sender = scheduler_pid(scheduler, KIND_LEAF, member->leaf),
        .type = CHAT_PUBLISH,
        .flags = publish->is_whisper,
        .words = {payload, handle_pack(slab_handle(&chat->members, member_index)), 0}};
    chat->publish_count++; // before: a room that has ended here answers at once
    if (scheduler_try_send(scheduler, &message))
        return true;
    chat->publish_count--;
    *reason = REFUSAL_BUSY;
    counter_add(scheduler->counters, COUNTER_BUSY, 1);
    payload_unref(scheduler, payload);
    return false;
}

bool chat_publish_to(struct chat *chat, struct bytes room, const struct chat_publish *publish,
                     uint32_t note, enum chat_refusal *reason) {
    struct scheduler *scheduler = chat->scheduler;
    struct chat_publish named = *publish;
    named.room = room;
    named.is_whisper = named.wants_reply = false;
    CHECK(note == 0 || pid_core(publish->publisher) == scheduler->core);
    bool is_busy = chat->publish_count >= chat->config.publishes_max;
    uint64_t payload = is_busy ? PAYLOAD_NONE : publish_pack(scheduler, &named);
    if (payload == PAYLOAD_NONE) {
        *reason = is_busy ? REFUSAL_BUSY : REFUSAL_MEMORY;
        counter_add(scheduler->counters, COUNTER_BUSY, is_busy);
        return false;
    }
    struct message message = {.target = chat_service((uint8_t)chat_home_core(chat, room)),
                              .sender = chat_service(scheduler->core),
                              .type = CHAT_PUBLISH_TO,
                              .words = {payload, note}};
    chat->publish_count++;
    if (scheduler_try_send(scheduler, &message))
        return true;
    chat->publish_count--;
    *reason = REFUSAL_BUSY;
    counter_add(scheduler->counters, COUNTER_BUSY, 1);
    payload_unref(scheduler, payload);
    return false;
}

void chat_member_readdress(struct chat *chat, uint32_t member_index, uint32_t address) {
    struct member *member = chat_member(chat, member_index);
    CHECKF(!(member->slab_word & MEMBER_ORPHAN) && address_format(member->address) != 0 &&
               address_format(address) != 0,
           "member %u cannot get address %x", member_index, address);
    if (member->slab_word & MEMBER_PENDING)
        member->address = address;
    else
        leaf_readdress(chat, member_index, address);
}

void chat_member_writable(struct chat *chat, uint32_t member_index) {
    struct member *member = chat_member(chat, member_index);
    if (!(member->slab_word & MEMBER_STALE) ||
        member->slab_word & (MEMBER_PENDING | MEMBER_ORPHAN | MEMBER_MOVING))
        return;
    member->slab_word = (member->slab_word & ~MEMBER_STALE) | MEMBER_WAITING;
    leaf_want_state(chat, member->leaf, false);
}

struct bytes chat_room_name(const struct chat *chat, uint32_t member_index) {
    return registry_name(&chat->leaves, leaf_at(chat, chat_member(chat, member_index)->leaf)->name);
}

struct bytes chat_leaf_name(const struct chat *chat, uint32_t leaf_index) {
    if (!slab_is_used(&chat->scheduler->kinds[KIND_LEAF].slab, leaf_index))
        return (struct bytes){0};
    return registry_name(&chat->leaves, leaf_at(chat, leaf_index)->name);
}

bool chat_room_end(struct chat *chat, struct bytes name, enum exit_reason reason) {
    uint64_t pid = registry_lookup(&chat->rooms, name);
    if (pid == PID_NONE)
        return false;
    scheduler_exit(chat->scheduler, KIND_ROOM, pid_slot(pid).index, reason);
    return true;
}

static void room_info(const struct chat *chat, uint64_t pid, struct chat_room_info *info) {
    static const char *const phases[] = {[PHASE_OFF] = "off",
                                         [PHASE_COUNTS] = "counts",
                                         [PHASE_LIST] = "list",
                                         [PHASE_SAMPLED] = "sampled"};
    const struct room *room = scheduler_lookup(chat->scheduler, pid);
    CHECK(room);
    *info = (struct chat_room_info){.name = room_name(chat, room),
                                    .epoch = room->epoch,
                                    .sequence = room->sequence,
                                    .relayed = room->relayed,
                                    .lost = room->lost,
                                    .users = room->presence.user_count,
                                    .connections = room->connection_count,
                                    .observers = room->observer_count,
                                    .is_retained = retained_is_live(chat, room),
                                    .presence = phases[room->presence.phase]};
}

bool chat_room_next(const struct chat *chat, uint32_t *cursor, struct chat_room_info *info) {
    uint64_t pid = registry_next(&chat->rooms, cursor);
    if (pid == PID_NONE)
        return false;
    room_info(chat, pid, info);
    return true;
}

bool chat_room_lookup(const struct chat *chat, struct bytes name, struct chat_room_info *info) {
    uint64_t pid = registry_lookup(&chat->rooms, name);
    if (pid == PID_NONE)
        return false;
    room_info(chat, pid, info);
    return true;
}
