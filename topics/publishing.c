#include "topics/publishing.h"

#include "topics/service.h"

#define ONLINE_SCAN_MAX 64u // members of a group that are looked at for one who is online

static struct counters *counters_of(const struct topics *topics) {
    return topics->scheduler->counters;
}

static struct message to_core(const struct topics *topics, uint32_t core, uint16_t type) {
    return (struct message){
        .target = service_pid(core), .sender = service_pid(topics->scheduler->core), .type = type};
}

static void count_dropped(struct topics *topics, enum counter why) {
    counter_add(counters_of(topics), COUNTER_DUE, 1);
    counter_add(counters_of(topics), why, 1);
}

// --- the owner -----------------------------------------------------------------------------------

// Some core that has subscribers does not keep up.
static bool is_backed_up(const struct topics *topics, uint64_t cores) {
    for (uint64_t rest = cores; rest; rest &= rest - 1)
        if (!service_has_room(topics, (uint32_t)__builtin_ctzll(rest)))
            return true;
    return false;
}

static void relay(struct topics *topics, uint64_t payload, uint64_t cores) {
    for (uint64_t rest = cores; rest; rest &= rest - 1) {
        struct message message = to_core(topics, (uint32_t)__builtin_ctzll(rest), TOPICS_RELAY);
        message.words[0] = payload;
        payload_ref(topics->scheduler, payload, 1);
        if (scheduler_try_send(topics->scheduler, &message)) {
            counter_add(counters_of(topics), COUNTER_RELAYED, 1);
            continue;
        }
        payload_unref(topics->scheduler, payload);
        count_dropped(topics, COUNTER_DROPPED_BUSY);
    }
}

// To the core whose turn it is, of those that were not tried; takes over the payload's count.
static void share(struct topics *topics, uint32_t group, struct message *message) {
    uint64_t handle;
    uint32_t core = topic_group_pick_core(&topics->groups, group, message->words[3], &handle);
    if (core == SLAB_NONE && !(message->flags & SERVICE_ANYBODY)) { // nobody is online anywhere
        message->flags |= SERVICE_ANYBODY;
        message->words[3] = 0;
        core = topic_group_pick_core(&topics->groups, group, 0, &handle);
    }
    enum counter why = COUNTER_DROPPED_CLOSED;
    if (core != SLAB_NONE) {
        message->target = service_pid(core);
        message->sender = service_pid(topics->scheduler->core);
        message->type = TOPICS_SHARE;
        message->words[1] = handle;
        if (scheduler_try_send(topics->scheduler, message))
            return;
        why = COUNTER_DROPPED_BUSY;
    }
    payload_unref(topics->scheduler, message->words[0]);
    count_dropped(topics, why);
}

// One for each group of the matching nodes. Returns whether there was any.
static bool share_all(struct topics *topics, uint64_t payload, uint32_t node_count) {
    bool has_any = false;
    for (uint32_t i = 0; i < node_count; i++) {
        uint32_t at = topic_trie_at(&topics->trie, topics->trie.matches[i])->groups;
        for (; at != SLAB_NONE; at = topic_group_at(&topics->groups, at)->next) {
            if (topic_group_at(&topics->groups, at)->share_total == 0)
                continue; // of this core's members alone, whose owner is another
            struct message message = {0};
            message.words[0] = payload;
            message.words[2] = handle_pack(slab_handle(&topics->groups.slab, at));
            payload_ref(topics->scheduler, payload, 1);
            share(topics, at, &message);
            has_any = true;
        }
    }
    return has_any;
}

// What other owners hold is not to be had here.
static void bound_retained(struct topics *topics) {
    const struct topics_config *config = &topics->config;
    uint64_t count = 0, bytes = 0;
    for (uint32_t core = 0; config->core_counters && core < config->core_count; core++) {
        if (core == topics->scheduler->core)
            continue;
        count += counter_read(config->core_counters[core], COUNTER_MQTT_RETAINED);
        bytes += counter_read(config->core_counters[core], COUNTER_MQTT_RETAINED_BYTES);
    }
    topics->retained.messages_max =
        count < config->retained_max ? config->retained_max - (uint32_t)count : 0;
    topics->retained.bytes_max =
        bytes < config->retained_bytes_max ? config->retained_bytes_max - bytes : 0;
}

static bool keep(struct topics *topics, uint64_t payload) {
    bound_retained(topics);
    bool is_kept = retained_store(&topics->retained, &topics->path, payload);
    topics_count_retained(topics);
    return is_kept;
}

// At the owner; topics->path is the topic's. The payload stays the caller's.
static enum topics_refusal accept(struct topics *topics, uint64_t payload, bool is_answered,
                                  bool *has_subscribers) {
    struct topic_message message = topic_message_view(topics->scheduler, payload);
    uint32_t node_count = topic_trie_match(&topics->trie, &topics->path);
    uint64_t cores = 0;
    for (uint32_t i = 0; i < node_count; i++)
        cores |= topic_trie_at(&topics->trie, topics->trie.matches[i])->interest;
    *has_subscribers = false;
    if (cores != 0 && is_backed_up(topics, cores))
        return TOPICS_BUSY;
    if (message.is_retained && !keep(topics, payload)) {
        // Whoever is told of it is refused; who is not loses the retained copy alone: QoS 0 may
        // [MQTT-3.3.1-7 of 3.1.1].
        if (is_answered)
            return TOPICS_MEMORY;
        counter_add(counters_of(topics), COUNTER_MQTT_RETAINED_LOST, 1);
    }
    counter_add(counters_of(topics), COUNTER_MQTT_TOPIC_PUBLISHES, 1);
    relay(topics, payload, cores);
    bool is_shared = share_all(topics, payload, node_count);
    *has_subscribers = fanout_push(topics, payload, node_count) || is_shared || cores != 0;
    return TOPICS_OK;
}

static void answer(struct topics *topics, uint32_t core, const struct topics_published *published) {
    struct message message = to_core(topics, core, TOPICS_PUBLISHED);
    message.flags = published->has_subscribers ? SERVICE_MATCHED : 0;
    message.small = published->note;
    message.words[0] = published->publisher;
    message.words[1] = published->refusal;
    scheduler_send(topics->scheduler, &message);
}

void publishing_on_publish(struct topics *topics, const struct message *message) {
    uint64_t payload = message->words[0];
    struct topic_message view = topic_message_view(topics->scheduler, payload);
    bool is_split = topic_levels_split(&topics->trie.levels, view.topic, &topics->path);
    CHECK(is_split); // the publisher's core did
    struct topics_published published = {.publisher = view.publisher, .note = message->small};
    published.refusal = accept(topics, payload, published.note != 0, &published.has_subscribers);
    if (published.note != 0)
        answer(topics, pid_core(message->sender), &published);
    else if (published.refusal != TOPICS_OK)
        count_dropped(topics, COUNTER_DROPPED_BUSY);
    payload_unref(topics->scheduler, payload);
}

// --- the publisher's core ------------------------------------------------------------------------

// False: refused.
static bool publish_here(struct topics *topics, uint64_t payload, uint32_t note,
                         enum topics_refusal *refusal) {
    struct topics_published published = {.note = note};
    *refusal = accept(topics, payload, note != 0, &published.has_subscribers);
    if (*refusal == TOPICS_OK && note != 0) {
        published.publisher = topic_message_view(topics->scheduler, payload).publisher;
        answer(topics, topics->scheduler->core, &published);
    }
    payload_unref(topics->scheduler, payload);
    service_pause_if_full(topics);
    return *refusal == TOPICS_OK;
}

static bool publish_there(struct topics *topics, uint32_t core, uint64_t payload, uint32_t note) {
    struct message message = to_core(topics, core, TOPICS_PUBLISH);
    message.words[0] = payload;
    message.small = note;
    if (scheduler_try_send(topics->scheduler, &message))
        return true;
    payload_unref(topics->scheduler, payload);
    return false;
}

bool topics_publish(struct topics *topics, const struct topic_message *message, uint32_t note,
                    enum topics_refusal *refusal) {
    *refusal = TOPICS_LEVELS;
    if (!topic_levels_split(&topics->trie.levels, message->topic, &topics->path))
        return false;
    uint32_t core = topics_owner_core(&topics->config, topics->path.steps[0].text);
    bool is_here = core == topics->scheduler->core;
    *refusal = TOPICS_BUSY;
    if ((note != 0 && topics->under_way >= topics->config.publishes_max) ||
        (is_here && fanout_is_full(&topics->fanout))) {
        counter_add(counters_of(topics), COUNTER_BUSY, 1);
        return false;
    }
    uint64_t payload = topic_message_pack(topics->scheduler, message);
    if (payload == PAYLOAD_NONE) {
        *refusal = TOPICS_MEMORY;
        return false;
    }
    bool is_taken = is_here ? publish_here(topics, payload, note, refusal)
                            : publish_there(topics, core, payload, note);
    if (is_taken)
        topics->under_way += note != 0;
    else if (*refusal == TOPICS_BUSY)
        counter_add(counters_of(topics), COUNTER_BUSY, 1);
    return is_taken;
}

void publishing_on_published(struct topics *topics, const struct message *message) {
    CHECK(topics->under_way > 0);
    topics->under_way--;
    struct topics_published published = {
        .publisher = message->words[0],
        .note = message->small,
        .has_subscribers = message->flags & SERVICE_MATCHED,
        .refusal = (enum topics_refusal)message->words[1],
    };
    topics_port_published(topics->port, &published);
}

// --- a core with subscribers ---------------------------------------------------------------------

void publishing_on_relay(struct topics *topics, const struct message *message) {
    uint64_t payload = message->words[0];
    struct topic_message view = topic_message_view(topics->scheduler, payload);
    counter_add(counters_of(topics), COUNTER_RELAYS_TAKEN, 1);
    bool is_split = topic_levels_split(&topics->trie.levels, view.topic, &topics->path);
    CHECK(is_split);
    (void)fanout_push(topics, payload, topic_trie_match(&topics->trie, &topics->path));
    payload_unref(topics->scheduler, payload);
}

static bool is_online(struct topics *topics, struct topic_entry member) {
    return address_format(member.data) != ADDRESS_EACH ||
           topics_port_is_online(topics->port, topics_subscription(topics, member.key)->owner);
}

// The member whose turn it is; SLAB_NONE: none, or none is online.
static uint32_t pick_member(struct topics *topics, struct topic_group *group, bool takes_anybody) {
    uint32_t count = group->members.count;
    if (count == 0)
        return SLAB_NONE;
    const struct topic_entry *members =
        topic_entries_data(topics->scheduler->blocks, &group->members);
    uint32_t scan = takes_anybody ? 1 : count < ONLINE_SCAN_MAX ? count : ONLINE_SCAN_MAX;
    for (uint32_t i = 0; i < scan; i++) {
        uint32_t at = (group->turn + i) % count;
        if (!takes_anybody && !is_online(topics, members[at]))
            continue;
        group->turn = (at + 1) % count;
        return members[at].key;
    }
    group->turn = (group->turn + scan) % count; // others are looked at the next time
    return SLAB_NONE;
}

void publishing_on_share(struct topics *topics, const struct message *message) {
    struct topic_group *group = slab_lookup(&topics->groups.slab, handle_unpack(message->words[1]));
    uint32_t member = SLAB_NONE;
    if (group)
        member = pick_member(topics, group, message->flags & SERVICE_ANYBODY);
    if (member != SLAB_NONE) {
        fanout_deliver_shared(topics, message->words[0], member);
        payload_unref(topics->scheduler, message->words[0]);
        return;
    }
    struct message back = *message;
    back.target = message->sender;
    back.sender = service_pid(topics->scheduler->core);
    back.type = TOPICS_SHARE_BACK;
    if (scheduler_try_send(topics->scheduler, &back))
        return;
    payload_unref(topics->scheduler, message->words[0]);
    count_dropped(topics, COUNTER_DROPPED_BUSY);
}

void publishing_on_share_back(struct topics *topics, const struct message *message) {
    struct handle handle = handle_unpack(message->words[2]);
    struct message again = *message;
    again.words[3] |= 1ull << pid_core(message->sender);
    if (slab_lookup(&topics->groups.slab, handle)) {
        share(topics, handle.index, &again);
        return;
    }
    payload_unref(topics->scheduler, message->words[0]);
    count_dropped(topics, COUNTER_DROPPED_CLOSED);
}
