// empty --join--> live --last leave--> empty --60 s--> gone; live --exit--> gone. Timers: the next
// of presence window, count, lost range and death; the handler looks at each.
#include "chat/room.h"

#include <errno.h>

#include "chat/leaf.h"
#include "chat/publish.h"
#include "chat/retained.h"
#include "sched/base/clock.h"

#define LOST_RETRY_NS (10 * NS_PER_MS)

static struct room_leaf *leaves_of(const struct chat *chat, const struct room *room) {
    return blocks_at(chat->scheduler->blocks, room->leaves);
}

struct bytes room_name(const struct chat *chat, const struct room *room) {
    return registry_name(&chat->rooms, room->name);
}

static bool has_counts(const struct room *room) {
    return room->presence.phase == PHASE_COUNTS || room->presence.phase == PHASE_SAMPLED;
}

static bool has_list(const struct room *room) {
    return room->presence.phase == PHASE_LIST || room->presence.phase == PHASE_SAMPLED;
}

static uint64_t window_ns(const struct room *room) {
    uint64_t share = room->connection_count * PRESENCE_WINDOW_NS_PER_CONNECTION;
    if (share < PRESENCE_WINDOW_NS)
        return PRESENCE_WINDOW_NS;
    return share < PRESENCE_WINDOW_NS_MAX ? share : PRESENCE_WINDOW_NS_MAX;
}

static bool is_presence_due(const struct chat *chat, const struct room *room) {
    if (presence_is_dirty(&room->presence))
        return true;
    for (uint32_t core = 0; core < chat->config.core_count; core++) {
        const struct room_leaf *leaf = &leaves_of(chat, room)[core];
        if (leaf->member_count > 0 && (leaf->wants_state || leaf->wants_state_all))
            return true;
    }
    return false;
}

static bool has_lost(const struct chat *chat, const struct room *room) {
    for (uint32_t core = 0; core < chat->config.core_count; core++)
        if (leaves_of(chat, room)[core].lost_to)
            return true;
    return false;
}

static void sooner(uint64_t *deadline_ns, uint64_t candidate_ns) {
    if (candidate_ns < *deadline_ns)
        *deadline_ns = candidate_ns;
}

static bool is_empty(const struct room *room) {
    return room->connection_count + room->observer_count == 0;
}

// Arms the timer for whatever is due next.
static void rearm(struct chat *chat, struct room *room, uint32_t index) {
    uint64_t deadline_ns = UINT64_MAX;
    if (is_presence_due(chat, room))
        sooner(&deadline_ns, room->window_ended_ns + window_ns(room));
    if (room->is_count_due)
        sooner(&deadline_ns, room->count_sent_ns + PRESENCE_COUNT_INTERVAL_NS);
    if (has_lost(chat, room))
        sooner(&deadline_ns, chat->scheduler->now_ns + LOST_RETRY_NS);
    sooner(&deadline_ns, retained_expires_ns(chat, room));
    if (room->empty_since_ns && room->retained == PAYLOAD_NONE)
        sooner(&deadline_ns, room->empty_since_ns + ROOM_LINGER_NS);
    if (deadline_ns == UINT64_MAX)
        scheduler_disarm(chat->scheduler, KIND_ROOM, index);
    else
        scheduler_arm(chat->scheduler, KIND_ROOM, index, deadline_ns);
}

// What the room before this one retained, as this one's.
static void inherit(struct chat *chat, struct room *room, const struct room_birth *birth) {
    if (birth->retained_size == 0)
        return;
    uint64_t payload = payload_acquire(chat->scheduler, birth->retained_size);
    if (payload == PAYLOAD_NONE)
        return;
    memcpy(payload_data(chat->scheduler, payload),
           (const uint8_t *)birth + offsetof(struct room_birth, name) + birth->name_size,
           birth->retained_size);
    bool is_kept = retained_put(chat, room, payload);
    counter_add(chat->scheduler->counters, COUNTER_RETAINED_LOST, !is_kept);
    payload_unref(chat->scheduler, payload);
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    struct chat *chat = context;
    struct room *room = state;
    const struct room_birth *birth = argument;
    struct bytes name = bytes_of(birth->name, birth->name_size);
    struct blocks *blocks = chat->scheduler->blocks;
    if (registry_lookup(&chat->rooms, name) != PID_NONE) {
        room->name = BLOCK_NONE;
        inherit(chat, room, birth);
        scheduler_continue(chat->scheduler, KIND_ROOM, index);
        return 0;
    }
    size_t leaves_size = chat->config.core_count * sizeof(struct room_leaf);
    room->leaves = blocks_acquire(blocks, leaves_size);
    if (room->leaves == BLOCK_NONE)
        return -ENOMEM;
    room->pid = scheduler_pid(chat->scheduler, KIND_ROOM, index);
    room->name = registry_insert(&chat->rooms, name, room->pid);
    if (room->name == BLOCK_NONE) {
        blocks_release(blocks, room->leaves);
        return -ENOMEM;
    }
    memset(leaves_of(chat, room), 0, leaves_size);
    struct room_settings settings;
    chat_port_settings(chat->port, name, &settings);
    presence_init(&room->presence, &settings);
    room->epoch = rng_next(&chat->rng);
    room->empty_since_ns = chat->scheduler->now_ns;
    counter_add(chat->scheduler->counters, COUNTER_ROOMS, 1);
    inherit(chat, room, birth);
    rearm(chat, room, index);
    recorder_record(&chat->scheduler->recorder, recorder_actor(KIND_ROOM, index),
                    RECORDER_ROOM_MADE, 0);
    return 0;
}

static uint64_t on_succession(void *context, const void *state, uint32_t index) {
    (void)index;
    struct chat *chat = context;
    const struct room *room = state;
    if (room->name == BLOCK_NONE)
        return PAYLOAD_NONE;
    struct bytes name = room_name(chat, room);
    size_t size = offsetof(struct room_birth, name) + name.size;
    struct bytes kept = {0};
    if (retained_is_live(chat, room)) {
        struct chat_publish publish = publish_view(chat->scheduler, room->retained);
        kept =
            bytes_of(payload_data(chat->scheduler, room->retained), publish_packed_size(&publish));
    }
    uint64_t payload = payload_acquire(chat->scheduler, size + kept.size);
    if (payload == PAYLOAD_NONE && kept.size > 0) {
        kept.size = 0;
        payload = payload_acquire(chat->scheduler, size);
    }
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct room_birth *birth = payload_data(chat->scheduler, payload);
    birth->retained_size = (uint32_t)kept.size;
    birth->name_size = (uint8_t)name.size;
    memcpy(birth->name, name.data, name.size);
    if (kept.size > 0)
        memcpy((uint8_t *)birth + size, kept.data, kept.size);
    return payload;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)reason;
    struct chat *chat = context;
    struct room *room = state;
    retained_clear(chat, room);
    if (room->name == BLOCK_NONE)
        return;
    struct recorder_subject subject = {.name = room_name(chat, room)};
    for (uint32_t core = 0; core < chat->config.core_count; core++) {
        const struct room_leaf *leaf = &leaves_of(chat, room)[core];
        struct message ended = {.target = leaf->leaf,
                                .sender = room->pid,
                                .type = CHAT_ENDED,
                                .words = {room->epoch, leaf->lost_from, leaf->lost_to}};
        if (leaf->member_count > 0)
            scheduler_send(chat->scheduler, &ended);
    }
    presence_fini(chat, &room->presence);
    blocks_release(chat->scheduler->blocks, room->leaves);
    recorder_describe(&chat->scheduler->recorder, scheduler_pid(chat->scheduler, KIND_ROOM, index),
                      &subject);
    registry_remove(&chat->rooms, room_name(chat, room));
    counter_subtract(chat->scheduler->counters, COUNTER_ROOMS, 1);
}

static void want_state_all(const struct chat *chat, const struct room *room) {
    for (uint32_t core = 0; core < chat->config.core_count; core++)
        leaves_of(chat, room)[core].wants_state_all = true;
}

// As a control message, in its place before what follows.
static void send_lost_now(struct chat *chat, const struct room *room, struct room_leaf *leaf) {
    if (leaf->lost_to)
        scheduler_send(chat->scheduler,
                       &(struct message){.target = leaf->leaf,
                                         .sender = room->pid,
                                         .type = CHAT_LOST,
                                         .words = {leaf->lost_from, leaf->lost_to}});
    leaf->lost_to = 0;
}

static void on_join(struct chat *chat, struct room *room, const struct message *message) {
    struct scheduler *scheduler = chat->scheduler;
    uint64_t payload = message->words[0];
    struct chat_join_view join = join_view(scheduler, payload);
    struct message reply = {.target = message->sender,
                            .sender = room->pid,
                            .words = {message->words[1], room->epoch, room->sequence}};
    bool is_new_list = false;
    bool is_observer = message->flags & CHAT_JOIN_OBSERVER;
    reply.small = MEMBER_META_OBSERVER;
    if (is_observer ||
        presence_join(chat, &room->presence, join.user, join.meta, &reply.small, &is_new_list)) {
        reply.type = CHAT_JOINED;
        reply.flags = has_list(room) && !(message->flags & CHAT_JOIN_SILENT);
        struct room_leaf *leaf = &leaves_of(chat, room)[pid_core(message->sender)];
        leaf->leaf = message->sender;
        leaf->member_count++;
        send_lost_now(chat, room, leaf); // before the joiner, to whom it is not owed
        leaf->wants_state |= reply.flags;
        if (is_empty(room))
            recorder_record(&scheduler->recorder, recorder_actor_of_pid(room->pid),
                            RECORDER_ROOM_OCCUPIED, 0);
        room->observer_count += is_observer;
        room->connection_count += !is_observer;
        if (message->flags & CHAT_JOIN_RETAINED)
            retained_send(chat, room, message->sender, message->words[1]);
        room->empty_since_ns = 0;
        room->is_count_due |= has_counts(room);
        if (is_new_list)
            want_state_all(chat, room);
    } else {
        reply.type = CHAT_JOIN_REFUSED;
        reply.small = REFUSAL_MEMORY;
    }
    payload_unref(scheduler, payload);
    scheduler_send(scheduler, &reply);
}

static void leave(struct chat *chat, struct room *room, uint8_t core, uint32_t meta) {
    struct room_leaf *leaf = &leaves_of(chat, room)[core];
    bool is_observer = meta == MEMBER_META_OBSERVER;
    uint32_t *count = is_observer ? &room->observer_count : &room->connection_count;
    CHECK(leaf->member_count > 0 && *count > 0);
    bool is_new_list = false;
    if (meta != SLAB_NONE && !is_observer)
        presence_leave(chat, &room->presence, meta, &is_new_list);
    if (is_new_list)
        want_state_all(chat, room);
    if (--leaf->member_count == 0)
        *leaf = (struct room_leaf){0};
    --*count;
    if (is_empty(room)) {
        room->empty_since_ns = chat->scheduler->now_ns;
        recorder_record(&chat->scheduler->recorder, recorder_actor_of_pid(room->pid),
                        RECORDER_ROOM_EMPTY, 0);
    }
    // A list that is whole again ends the counts: with a last one, for whoever shows them.
    room->is_count_due |= has_counts(room) || is_new_list;
    counter_add(chat->scheduler->counters, COUNTER_LEAVES, 1);
}

// The other core is asked first, so that what it said of its leaf before is known.
static void on_move(struct chat *chat, const struct room *room, const struct message *message) {
    struct message place = *message;
    place.target = message->words[2];
    place.sender = room->pid;
    place.type = CHAT_PLACE;
    place.words[2] = message->sender;
    scheduler_send(chat->scheduler, &place);
}

// The member belongs to its new core from this sequence number on; what is owed until here is owed
// on its old one.
static void on_placed(struct chat *chat, struct room *room, const struct message *message) {
    struct room_leaf *from = &leaves_of(chat, room)[pid_core(message->words[2])];
    struct room_leaf *to = &leaves_of(chat, room)[pid_core(message->sender)];
    struct message out = {.target = message->words[2],
                          .sender = room->pid,
                          .type = CHAT_MOVED_OUT,
                          .words = {message->words[0], room->sequence}};
    struct message in = {.target = message->sender,
                         .sender = room->pid,
                         .type = CHAT_MOVED_IN,
                         .flags = has_list(room),
                         .small = message->small,
                         .words = {message->words[1], room->sequence}};
    CHECK(from->member_count > 0);
    send_lost_now(chat, room, from);
    to->leaf = message->sender;
    send_lost_now(chat, room, to);
    if (--from->member_count == 0)
        *from = (struct room_leaf){0};
    to->member_count++;
    to->wants_state |= has_list(room);
    room->is_count_due |= has_counts(room);
    scheduler_send(chat->scheduler, &out);
    scheduler_send(chat->scheduler, &in);
}

// A leaf that ended with members.
static void on_leaves(struct chat *chat, struct room *room, const struct message *message) {
    for (uint32_t i = 0; i < message->flags; i++)
        leave(chat, room, pid_core(message->sender),
              (uint32_t)(message->words[i / 2] >> (i % 2 * 32)));
    scheduler_consume(chat->scheduler, message->flags - 1u);
}

// A leaf whose way there is three quarters full: its core does not keep up.
static bool is_pressed(const struct chat *chat, uint64_t leaf) {
    const struct scheduler *scheduler = chat->scheduler;
    if (pid_core(leaf) != scheduler->core)
        return mesh_fill_eighths(scheduler->mesh, scheduler->core, pid_core(leaf)) >= 6;
    const struct actor *actor = scheduler_lookup(scheduler, leaf);
    return actor && actor->mailbox_count >= LEAF_MAILBOX_MAX / 4 * 3;
}

static bool is_busy(const struct chat *chat, const struct room *room) {
    for (uint32_t core = 0; core < chat->config.core_count; core++) {
        const struct room_leaf *leaf = &leaves_of(chat, room)[core];
        if (leaf->member_count > 0 && is_pressed(chat, leaf->leaf))
            return true;
    }
    return false;
}

// Tells a leaf what it missed, before anything newer. False: there is still no place.
static bool send_lost(struct chat *chat, const struct room *room, struct room_leaf *leaf) {
    if (leaf->lost_to == 0)
        return true;
    struct message lost = {.target = leaf->leaf,
                           .sender = room->pid,
                           .type = CHAT_LOST,
                           .words = {leaf->lost_from, leaf->lost_to}};
    if (!scheduler_try_send(chat->scheduler, &lost))
        return false;
    leaf->lost_to = 0;
    return true;
}

// One relay. The payload's count for it is taken in any case.
static void relay(struct chat *chat, struct room *room, struct room_leaf *leaf,
                  const struct message *publish, uint64_t sequence) {
    struct scheduler *scheduler = chat->scheduler;
    bool is_publishers =
        publish->type == CHAT_PUBLISH && pid_core(publish->sender) == pid_core(leaf->leaf);
    struct message message = {.target = leaf->leaf,
                              .sender = room->pid,
                              .type = CHAT_RELAY,
                              .small = is_publishers,
                              .words = {publish->words[0], sequence, publish->words[1]}};
    if (send_lost(chat, room, leaf) && scheduler_try_send(scheduler, &message)) {
        room->relayed += sequence > 0;
        counter_add(scheduler->counters, COUNTER_RELAYED, sequence > 0);
        return;
    }
    if (sequence > 0) {
        if (leaf->lost_to == 0)
            recorder_record(&scheduler->recorder, recorder_actor_of_pid(publish->target),
                            RECORDER_ROOM_LOST, pid_core(leaf->leaf));
        room->lost++;
        leaf->lost_from = leaf->lost_to ? leaf->lost_from : sequence;
        leaf->lost_to = sequence;
    } else {
        counter_add(scheduler->counters, COUNTER_WHISPERS_DROPPED, 1);
    }
    if (is_publishers) {
        message.type = CHAT_ACCEPTED;
        scheduler_send(scheduler, &message);
    } else {
        payload_unref(scheduler, publish->words[0]);
    }
}

static void tell_published(struct chat *chat, const struct room *room,
                           const struct message *message) {
    struct chat_published published = {
        .room = room->pid,
        .body_size = (uint32_t)publish_view(chat->scheduler, message->words[0]).body.size,
        .member_count = room->connection_count,
        .is_whisper = message->flags};
    chat_port_published(chat->port, &published);
}

// To all leaves, with the next number. The payload stays the caller's.
static void relay_all(struct chat *chat, struct room *room, const struct message *message,
                      bool is_whisper) {
    uint64_t sequence = is_whisper ? 0 : ++room->sequence;
    counter_add(chat->scheduler->counters, is_whisper ? COUNTER_WHISPERS : COUNTER_PUBLISHES, 1);
    if (UNLIKELY(chat->is_watched))
        tell_published(chat, room, message);
    for (uint32_t core = 0; core < chat->config.core_count; core++) {
        struct room_leaf *leaf = &leaves_of(chat, room)[core];
        if (leaf->member_count == 0)
            continue;
        payload_ref(chat->scheduler, message->words[0], 1);
        relay(chat, room, leaf, message, sequence);
    }
}

static void on_publish(struct chat *chat, struct room *room, const struct message *message) {
    struct scheduler *scheduler = chat->scheduler;
    uint64_t payload = message->words[0];
    if (is_busy(chat, room)) {
        counter_add(scheduler->counters, COUNTER_BUSY, 1);
        struct message refused = {.target = message->sender,
                                  .type = CHAT_REFUSED,
                                  .small = REFUSAL_BUSY,
                                  .words = {payload, 0, message->words[1]}};
        scheduler_send(scheduler, &refused);
        return;
    }
    relay_all(chat, room, message, message->flags);
    payload_unref(scheduler, payload);
}

// By somebody who may be no member. What cannot be retained is not passed on either.
static void on_publish_to(struct chat *chat, struct room *room, const struct message *message) {
    struct chat_published_to answer = {.refusal = REFUSAL_NONE};
    if (is_busy(chat, room)) {
        counter_add(chat->scheduler->counters, COUNTER_BUSY, 1);
        answer.refusal = REFUSAL_BUSY;
    } else if (publish_view(chat->scheduler, message->words[0]).is_retained &&
               !retained_put(chat, room, message->words[0])) {
        answer.refusal = REFUSAL_MEMORY;
    } else {
        relay_all(chat, room, message, false);
        answer.has_members = room->connection_count > 0;
        answer.sequence = room->sequence;
    }
    publish_answer(chat, message, &answer);
}

// The room that ended had it, and this one has not spoken of it yet.
static void on_restore(struct chat *chat, struct room *room, const struct message *message) {
    bool is_kept = !room->has_retained && retained_put(chat, room, message->words[0]);
    counter_add(chat->scheduler->counters, COUNTER_RETAINED_LOST, !is_kept && !room->has_retained);
    payload_unref(chat->scheduler, message->words[0]);
}

// It is not needed: there is another room of its name.
static void hand_on(struct chat *chat, struct room *room, uint32_t index) {
    if (room->retained != PAYLOAD_NONE) {
        struct bytes name = publish_view(chat->scheduler, room->retained).room;
        struct message restore = {.target = registry_lookup(&chat->rooms, name),
                                  .type = CHAT_RESTORE,
                                  .words = {room->retained}};
        counter_add(chat->scheduler->counters, COUNTER_RETAINED_LOST, restore.target == PID_NONE);
        if (restore.target != PID_NONE) {
            payload_ref(chat->scheduler, room->retained, 1);
            scheduler_send(chat->scheduler, &restore);
        }
    }
    scheduler_exit(chat->scheduler, KIND_ROOM, index, EXIT_NORMAL);
}

// One leaf's share of a window's news. False: no place, it needs everything anew.
static bool send_news(struct chat *chat, const struct room *room, struct room_leaf *leaf,
                      const struct presence_news *news) {
    struct scheduler *scheduler = chat->scheduler;
    bool wants_all = leaf->wants_state_all || news->has_lost_diff;
    bool wants = (wants_all || leaf->wants_state) && news->state != PAYLOAD_NONE;
    struct message message = {
        .target = leaf->leaf, .sender = room->pid, .type = CHAT_PRESENCE, .small = wants_all};
    message.words[0] = wants_all ? PAYLOAD_NONE : news->diff;
    message.words[1] = wants ? news->state : PAYLOAD_NONE;
    if (message.words[0] == PAYLOAD_NONE && message.words[1] == PAYLOAD_NONE)
        return !news->has_lost_diff;
    // Before it is sent: a leaf that is gone gives its counts back at once.
    for (uint32_t i = 0; i < 2; i++)
        if (message.words[i] != PAYLOAD_NONE)
            payload_ref(scheduler, message.words[i], 1);
    if (!scheduler_try_send(scheduler, &message)) {
        publish_discard(scheduler, &message);
        return false;
    }
    if (message.words[1] != PAYLOAD_NONE) {
        leaf->wants_state = false;
        leaf->wants_state_all = false;
    }
    return true;
}

static void announce(struct chat *chat, struct room *room) {
    bool is_state_wanted = false;
    struct room_leaf *leaves = leaves_of(chat, room);
    for (uint32_t core = 0; core < chat->config.core_count; core++)
        is_state_wanted |= leaves[core].member_count > 0 &&
                           (leaves[core].wants_state || leaves[core].wants_state_all);
    struct presence_news news = presence_announce(chat, &room->presence, is_state_wanted);
    for (uint32_t core = 0; core < chat->config.core_count; core++) {
        if (leaves[core].member_count > 0 && !send_news(chat, room, &leaves[core], &news))
            leaves[core].wants_state_all = true;
    }
    if (news.diff != PAYLOAD_NONE) {
        counter_add(chat->scheduler->counters, COUNTER_PRESENCE_DIFFS, 1);
        payload_unref(chat->scheduler, news.diff);
    }
    if (news.state != PAYLOAD_NONE)
        payload_unref(chat->scheduler, news.state);
    room->window_ended_ns = chat->scheduler->now_ns;
}

static void send_counts(struct chat *chat, struct room *room) {
    room->is_count_due = false;
    room->count_sent_ns = chat->scheduler->now_ns;
    for (uint32_t core = 0; core < chat->config.core_count; core++) {
        const struct room_leaf *leaf = &leaves_of(chat, room)[core];
        struct message message = {.target = leaf->leaf,
                                  .sender = room->pid,
                                  .type = CHAT_COUNT,
                                  .words = {room->presence.user_count, room->connection_count}};
        if (leaf->member_count > 0 && !scheduler_try_send(chat->scheduler, &message))
            room->is_count_due = true;
    }
}

static void on_timer(struct chat *chat, struct room *room, uint32_t index) {
    uint64_t now_ns = chat->scheduler->now_ns;
    for (uint32_t core = 0; core < chat->config.core_count; core++)
        (void)send_lost(chat, room, &leaves_of(chat, room)[core]);
    if (is_presence_due(chat, room) && now_ns >= room->window_ended_ns + window_ns(room))
        announce(chat, room);
    if (room->is_count_due && now_ns >= room->count_sent_ns + PRESENCE_COUNT_INTERVAL_NS)
        send_counts(chat, room);
    if (retained_expires_ns(chat, room) <= now_ns)
        retained_clear(chat, room);
    // A join may wait in the mailbox: then it lives on.
    if (room->empty_since_ns && room->retained == PAYLOAD_NONE &&
        now_ns >= room->empty_since_ns + ROOM_LINGER_NS && room->actor.mailbox_count == 0) {
        scheduler_exit(chat->scheduler, KIND_ROOM, index, EXIT_NORMAL);
        return;
    }
    rearm(chat, room, index);
}

// A member there missed what was last said about presence, or with flags all members did.
static void on_want_state(struct chat *chat, struct room *room, const struct message *message) {
    struct room_leaf *leaf = &leaves_of(chat, room)[pid_core(message->sender)];
    if (leaf->member_count == 0)
        return;
    room->is_count_due |= has_counts(room) || room->count_sent_ns > 0; // it may be the last one
    if (!has_list(room))
        return;
    leaf->wants_state = true;
    leaf->wants_state_all |= message->flags;
}

static void on_message(void *context, void *state, uint32_t index, const struct message *message) {
    struct chat *chat = context;
    struct room *room = state;
    switch (message->type) {
    case MESSAGE_TIMER:
        on_timer(chat, room, index);
        return;
    case MESSAGE_CONTINUE:
        hand_on(chat, room, index);
        return;
    case CHAT_JOIN:
        on_join(chat, room, message);
        break;
    case CHAT_LEAVE:
        leave(chat, room, pid_core(message->sender), message->small);
        break;
    case CHAT_LEAVES:
        on_leaves(chat, room, message);
        break;
    case CHAT_PUBLISH:
        on_publish(chat, room, message);
        if (!has_lost(chat, room))
            return;
        break;
    case CHAT_PUBLISH_TO:
        on_publish_to(chat, room, message);
        break;
    case CHAT_RESTORE:
        on_restore(chat, room, message);
        break;
    case CHAT_MOVE:
        on_move(chat, room, message);
        break;
    case CHAT_PLACED:
        on_placed(chat, room, message);
        break;
    case CHAT_WANT_STATE:
        on_want_state(chat, room, message);
        break;
    default:
        CHECKF(false, "room got message %u", message->type);
    }
    rearm(chat, room, index);
}

// Neither side of a move that will not be.
static void refuse_move(struct chat *chat, const struct message *message) {
    bool is_placed = message->type == CHAT_PLACED;
    struct message refused = {.target = is_placed ? message->words[2] : message->sender,
                              .type = CHAT_MOVE_REFUSED,
                              .words = {message->words[0], message->target}};
    scheduler_send(chat->scheduler, &refused);
    refused.target = is_placed ? message->sender : message->words[2];
    refused.words[0] = message->words[1];
    scheduler_send(chat->scheduler, &refused);
}

// To a room that is gone or about to go. A join is not tried again at the next room: it could
// overtake there, or be overtaken by, another of the same core.
static void on_discard(void *context, const struct message *message) {
    struct chat *chat = context;
    struct message reply = {.target = message->sender};
    switch (message->type) {
    case CHAT_JOIN:
        reply.type = CHAT_JOIN_REFUSED;
        reply.small = REFUSAL_RESTARTED;
        reply.words[0] = message->words[1];
        payload_unref(chat->scheduler, message->words[0]);
        break;
    case CHAT_PUBLISH:
        reply.target = chat_service(pid_core(message->sender)); // the leaf may be paused
        reply.type = CHAT_REFUSED;
        reply.small = REFUSAL_RESTARTED;
        reply.words[0] = message->words[0];
        reply.words[2] = message->words[1];
        break;
    case CHAT_PUBLISH_TO:
        publish_answer(chat, message, &(struct chat_published_to){.refusal = REFUSAL_RESTARTED});
        return;
    case CHAT_RESTORE:
        publish_discard(chat->scheduler, message);
        return;
    case CHAT_ASK_ANSWERED:
        reply.type = CHAT_ANSWERED;
        reply.words[0] = message->words[0];
        break;
    case CHAT_MOVE:
    case CHAT_PLACED:
        refuse_move(chat, message);
        return;
    default: // leaves, and a wish for presence: there is nothing left of it
        return;
    }
    scheduler_send(chat->scheduler, &reply);
}

const struct behaviour room_behaviour = {
    .name = "rooms",
    .kind = KIND_ROOM,
    .version = 1,
    .mailbox_max = ROOM_MAILBOX_MAX,
    .slot_size = sizeof(struct room),
    .timer_offset = offsetof(struct room, timer),
    .timer_tick_ns = 10 * NS_PER_MS,
    .init = on_init,
    .handle = on_message,
    .terminate = on_terminate,
    .discard = on_discard,
    .succession = on_succession,
    .message_name = chat_message_name,
};
