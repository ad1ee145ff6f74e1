// topics_subscribe, topics_change, topics_unsubscribe, and what owners say to them.
#include "topics/subscribing.h"

#include "sched/base/hash.h"
#include "topics/service.h"

// Filters that begin with a wildcard: each costs every core a node.
#define EVERYWHERE_MAX 65536u

struct filter_head {
    uint16_t filter_size;
    uint16_t group_size;
    uint8_t bytes[];
};

static struct blocks *blocks_of(const struct topics *topics) {
    return topics->scheduler->blocks;
}

static uint64_t filter_pack(struct scheduler *scheduler, struct bytes filter, struct bytes group) {
    size_t size = filter.size + group.size;
    uint64_t payload = payload_acquire(scheduler, sizeof(struct filter_head) + size);
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct filter_head *head = payload_data(scheduler, payload);
    head->filter_size = (uint16_t)filter.size;
    head->group_size = (uint16_t)group.size;
    struct writer w = writer_on(head->bytes, size);
    writer_put(&w, filter);
    writer_put(&w, group);
    return payload;
}

struct bytes subscribing_filter(const struct scheduler *scheduler, uint64_t payload) {
    const struct filter_head *head = payload_data(scheduler, payload);
    return bytes_of(head->bytes, head->filter_size);
}

static struct bytes group_of(const struct scheduler *scheduler, uint64_t payload) {
    const struct filter_head *head = payload_data(scheduler, payload);
    return bytes_of(head->bytes + head->filter_size, head->group_size);
}

// --- who owns a filter ---------------------------------------------------------------------------

static bool is_shared(const struct topics_subscription *subscription) {
    return subscription->options & TOPICS_OPTION_SHARED;
}

static uint32_t node_of(const struct topics *topics,
                        const struct topics_subscription *subscription) {
    return is_shared(subscription) ? topic_group_at(&topics->groups, subscription->node)->node
                                   : subscription->node;
}

static bool is_everywhere(const struct topics *topics, uint32_t node) {
    return topic_trie_at(&topics->trie, node)->level.slab_word & TOPIC_NODE_EVERYWHERE;
}

static uint32_t owner_count(const struct topics *topics, uint32_t node) {
    return is_everywhere(topics, node) ? topics->config.core_count : 1;
}

static uint32_t owner_core(const struct topics *topics, uint32_t node, uint32_t at) {
    if (is_everywhere(topics, node))
        return at;
    uint32_t parent = topic_trie_at(&topics->trie, node)->level.parent;
    while (parent != TOPIC_ROOT) {
        node = parent;
        parent = topic_trie_at(&topics->trie, node)->level.parent;
    }
    return topics_owner_core(&topics->config, topic_levels_text(&topics->trie.levels, node));
}

// Where a filter or group stands at its owners: one number, or a block of one per core.
static uint32_t *places_of(const struct topics *topics, uint32_t *place, uint32_t node) {
    if (!is_everywhere(topics, node))
        return place;
    return *place == SLAB_NONE ? NULL : blocks_at(blocks_of(topics), *place);
}

// False: memory is out, or there are too many such filters.
static bool places_open(struct topics *topics, uint32_t *place, uint32_t node) {
    if (!is_everywhere(topics, node) || *place != SLAB_NONE)
        return true;
    if (topics->everywhere_count >= EVERYWHERE_MAX)
        return false;
    uint32_t count = topics->config.core_count;
    *place = blocks_acquire(blocks_of(topics), count * sizeof(uint32_t));
    if (*place == BLOCK_NONE)
        return false;
    for (uint32_t i = 0; i < count; i++)
        ((uint32_t *)blocks_at(blocks_of(topics), *place))[i] = SLAB_NONE;
    topics->everywhere_count++;
    return true;
}

_Static_assert(BLOCK_NONE == SLAB_NONE, "no place, whichever kind of it");

static void places_close(struct topics *topics, uint32_t *place, uint32_t node) {
    if (is_everywhere(topics, node) && *place != SLAB_NONE) {
        blocks_release(blocks_of(topics), *place);
        topics->everywhere_count--;
    }
    *place = SLAB_NONE;
}

static void tell_gone(struct topics *topics, uint32_t core, uint32_t place, uint16_t flags) {
    struct message message = {.target = service_pid(core),
                              .sender = service_pid(topics->scheduler->core),
                              .type = TOPICS_UNSUBSCRIBE,
                              .flags = flags,
                              .words = {place}};
    scheduler_send(topics->scheduler, &message);
}

// --- what has no meaning any more ----------------------------------------------------------------

static void settle_node(struct topics *topics, uint32_t index) {
    struct topic_node *node = topic_trie_at(&topics->trie, index);
    if (node->entries.count == 0 && node->pending == 0 && node->owner_node != SLAB_NONE) {
        const uint32_t *places = places_of(topics, &node->owner_node, index);
        for (uint32_t i = 0; i < owner_count(topics, index); i++)
            if (places[i] != SLAB_NONE)
                tell_gone(topics, owner_core(topics, index, i), places[i], 0);
        places_close(topics, &node->owner_node, index);
    }
    topic_trie_prune(&topics->trie, index);
}

static void settle_group(struct topics *topics, uint32_t index) {
    struct topic_group *group = topic_group_at(&topics->groups, index);
    uint32_t node = group->node;
    if (group->members.count == 0 && group->pending == 0)
        places_close(topics, &group->owner_group, node);
    if (topic_group_prune(&topics->groups, index))
        settle_node(topics, node);
}

static void settle(struct topics *topics, uint32_t place, bool shared) {
    if (shared)
        settle_group(topics, place);
    else
        settle_node(topics, place);
}

static struct topic_entries *entries_of(const struct topics *topics,
                                        const struct topics_subscription *subscription) {
    if (is_shared(subscription))
        return &topic_group_at(&topics->groups, subscription->node)->members;
    return &topic_trie_at(&topics->trie, subscription->node)->entries;
}

// False: memory is out, or holes must go first.
static bool enter_entries(struct topics *topics, uint32_t index) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    struct topic_entries *entries = entries_of(topics, subscription);
    return !topic_entries_is_cluttered(entries) &&
           topic_entries_add(&topics->trie.owner, entries,
                             (struct topic_entry){index, subscription->address},
                             &subscription->position);
}

static void leave_entries(struct topics *topics, struct topics_subscription *subscription) {
    if (subscription->position == SLAB_NONE)
        return;
    topic_entries_remove(&topics->trie.owner, entries_of(topics, subscription),
                         subscription->position);
    subscription->position = SLAB_NONE;
}

// The owners that counted this member of a group, the first `count` of them, are told.
static void leave_shares(struct topics *topics, const struct topics_subscription *subscription,
                         uint32_t count) {
    struct topic_group *group = topic_group_at(&topics->groups, subscription->node);
    const uint32_t *places = places_of(topics, &group->owner_group, group->node);
    for (uint32_t i = 0; i < count; i++)
        tell_gone(topics, owner_core(topics, group->node, i), places[i], SERVICE_SHARED);
}

static void release(struct topics *topics, uint32_t index) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    uint32_t place = subscription->node;
    bool shared = is_shared(subscription);
    slab_release(&topics->subscriptions, index);
    counter_subtract(topics->scheduler->counters, COUNTER_MQTT_SUBSCRIPTIONS, 1);
    settle(topics, place, shared);
}

static void add_pending(struct topics *topics, const struct topics_subscription *subscription,
                        int32_t change) {
    uint32_t *pending = is_shared(subscription)
                            ? &topic_group_at(&topics->groups, subscription->node)->pending
                            : &topic_trie_at(&topics->trie, subscription->node)->pending;
    *pending += (uint32_t)change;
    topics->under_way += (uint32_t)change;
}

// --- asking the owners ---------------------------------------------------------------------------

// Asks the next owner. The first question may be declined; the others follow an answer, so that
// their number is bounded.
static bool ask(struct topics *topics, uint32_t index, uint64_t payload, bool is_first) {
    const struct topics_subscription *subscription = topics_subscription(topics, index);
    uint32_t node = node_of(topics, subscription);
    uint32_t at = owner_count(topics, node) - subscription->waiting;
    uint64_t group = 0;
    if (is_shared(subscription))
        group = handle_pack(slab_handle(&topics->groups.slab, subscription->node));
    uint32_t wants = subscription->slab_word & TOPICS_REPLAY;
    struct message message = {
        .target = service_pid(owner_core(topics, node, at)),
        .sender = service_pid(topics->scheduler->core),
        .type = TOPICS_SUBSCRIBE,
        .flags = (uint16_t)((is_shared(subscription) ? SERVICE_SHARED : 0) |
                            (wants ? SERVICE_REPLAY : 0)),
        .words = {payload, index, group},
    };
    if (is_first)
        return scheduler_try_send(topics->scheduler, &message);
    scheduler_send(topics->scheduler, &message);
    return true;
}

// Its place in the trie: node or group (and there the entry). False: *refusal says why, nothing was
// done.
static bool place(struct topics *topics, uint32_t index, const struct topics_request *request,
                  enum topics_refusal *refusal) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    *refusal = TOPICS_LEVELS;
    if (!topic_levels_split(&topics->trie.levels, request->filter, &topics->path))
        return false;
    *refusal = TOPICS_MEMORY;
    uint32_t node = topic_trie_open(&topics->trie, &topics->path);
    if (node == SLAB_NONE)
        return false;
    bool shared = is_shared(subscription);
    subscription->node = shared ? topic_group_open(&topics->groups, node, request->group) : node;
    if (subscription->node == SLAB_NONE) {
        topic_trie_prune(&topics->trie, node);
        return false;
    }
    uint32_t *places = shared ? &topic_group_at(&topics->groups, subscription->node)->owner_group
                              : &topic_trie_at(&topics->trie, node)->owner_node;
    subscription->position = SLAB_NONE;
    if (topic_entries_is_cluttered(entries_of(topics, subscription)))
        *refusal = TOPICS_BUSY;
    else if (places_open(topics, places, node) && (!shared || enter_entries(topics, index)))
        return true;
    settle(topics, subscription->node, shared);
    return false;
}

// False: *refusal; the subscription has its place, and keeps it.
static bool ask_first(struct topics *topics, uint32_t index, const struct topics_request *request,
                      enum topics_refusal *refusal) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    *refusal = TOPICS_BUSY;
    if (topics->under_way >= topics->config.publishes_max)
        return false;
    *refusal = TOPICS_MEMORY;
    uint64_t payload = filter_pack(topics->scheduler, request->filter, request->group);
    if (payload == PAYLOAD_NONE)
        return false;
    subscription->waiting = (uint8_t)owner_count(topics, node_of(topics, subscription));
    *refusal = TOPICS_BUSY;
    if (ask(topics, index, payload, true)) {
        add_pending(topics, subscription, 1);
        return true;
    }
    subscription->waiting = 0;
    payload_unref(topics->scheduler, payload);
    return false;
}

static uint8_t options_of(const struct topics_request *request) {
    return (uint8_t)((request->is_no_local ? TOPICS_OPTION_NO_LOCAL : 0) |
                     (request->retains_as_published ? TOPICS_OPTION_AS_PUBLISHED : 0) |
                     (request->group.size > 0 ? TOPICS_OPTION_SHARED : 0));
}

static void take_options(struct topics_subscription *subscription,
                         const struct topics_request *request) {
    subscription->qos = request->qos;
    subscription->options = options_of(request);
    subscription->subscription_id = request->subscription_id;
    subscription->address = request->address;
}

uint32_t topics_subscribe(struct topics *topics, const struct topics_request *request,
                          enum topics_refusal *refusal) {
    CHECK(request->filter.size > 0 && request->filter.size <= TOPICS_BYTES_MAX &&
          request->group.size <= TOPICS_BYTES_MAX);
    uint32_t index;
    struct topics_subscription *subscription = slab_acquire(&topics->subscriptions, &index);
    *refusal = TOPICS_MEMORY;
    if (!subscription)
        return SLAB_NONE;
    subscription->owner = request->owner;
    subscription->next = SLAB_NONE;
    take_options(subscription, request);
    if (!place(topics, index, request, refusal)) {
        slab_release(&topics->subscriptions, index);
        return SLAB_NONE;
    }
    counter_add(topics->scheduler->counters, COUNTER_MQTT_SUBSCRIPTIONS, 1);
    if (request->wants_retained && !is_shared(subscription)) // [MQTT 5.0 4.8.2]: not shared ones
        subscription->slab_word |= TOPICS_WANTS;
    if (ask_first(topics, index, request, refusal))
        return index;
    leave_entries(topics, subscription);
    release(topics, index);
    return SLAB_NONE;
}

static void change_later(struct topics *topics, uint32_t index) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    struct message message = {.target = service_pid(topics->scheduler->core),
                              .sender = service_pid(topics->scheduler->core),
                              .type = TOPICS_CHANGED,
                              .words = {index}};
    subscription->waiting = 1;
    add_pending(topics, subscription, 1);
    scheduler_send(topics->scheduler, &message);
}

// A round for new options: the owners are asked when they are to replay.
static void change_begin(struct topics *topics, uint32_t index, bool wants_retained,
                         struct bytes filter) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    enum topics_refusal refusal;
    subscription->slab_word |= TOPICS_CHANGE;
    if (wants_retained && !is_shared(subscription)) {
        subscription->slab_word |= TOPICS_REPLAY;
        struct topics_request request = {.filter = filter};
        if (ask_first(topics, index, &request, &refusal))
            return;
        subscription->slab_word &= ~TOPICS_REPLAY;
        counter_add(topics->scheduler->counters, COUNTER_MQTT_RETAINED_LOST, 1);
    }
    change_later(topics, index);
}

void topics_change(struct topics *topics, uint32_t index, const struct topics_request *request) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    CHECK(!(subscription->slab_word & TOPICS_ORPHAN));
    CHECK((request->group.size > 0) == is_shared(subscription));
    take_options(subscription, request);
    topics_readdress(topics, index, request->address);
    if (subscription->waiting == 0) {
        change_begin(topics, index, request->wants_retained, request->filter);
        return;
    }
    if (subscription->changes < UINT8_MAX)
        subscription->changes++;
    if (request->wants_retained)
        subscription->slab_word |= TOPICS_AGAIN;
}

void topics_unsubscribe(struct topics *topics, uint32_t index) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    CHECKF(!(subscription->slab_word & TOPICS_ORPHAN), "subscription %u ended twice", index);
    leave_entries(topics, subscription);
    if (subscription->waiting > 0) {
        subscription->slab_word |= TOPICS_ORPHAN;
        return;
    }
    if (is_shared(subscription))
        leave_shares(topics, subscription, owner_count(topics, node_of(topics, subscription)));
    release(topics, index);
}

// --- the owner -----------------------------------------------------------------------------------

void subscribing_answer(struct topics *topics, const struct topics_asked *asked,
                        enum topics_refusal refusal) {
    struct message message = {.target = service_pid(asked->core),
                              .sender = service_pid(topics->scheduler->core),
                              .type = TOPICS_SUBSCRIBED,
                              .small = refusal,
                              .words = {asked->filter, asked->subscription, 0, asked->place}};
    scheduler_send(topics->scheduler, &message);
}

// Notes that the core has somebody. SLAB_NONE: memory is out.
static uint32_t note_group(struct topics *topics, uint32_t core, const struct message *message) {
    uint32_t node = topic_trie_open(&topics->trie, &topics->path);
    if (node == SLAB_NONE)
        return SLAB_NONE;
    struct bytes name = group_of(topics->scheduler, message->words[0]);
    uint32_t group = topic_group_open(&topics->groups, node, name);
    if (group == SLAB_NONE) {
        topic_trie_prune(&topics->trie, node);
        return SLAB_NONE;
    }
    if (topic_group_share_add(&topics->groups, group, core, message->words[2]))
        return group;
    settle_group(topics, group);
    return SLAB_NONE;
}

static uint32_t note_core(struct topics *topics, uint32_t core) {
    uint32_t node = topic_trie_open(&topics->trie, &topics->path);
    if (node != SLAB_NONE)
        topic_trie_at(&topics->trie, node)->interest |= 1ull << core;
    return node;
}

void subscribing_on_subscribe(struct topics *topics, const struct message *message) {
    struct topics_asked asked = {.filter = message->words[0],
                                 .core = pid_core(message->sender),
                                 .subscription = (uint32_t)message->words[1],
                                 .place = SLAB_NONE};
    struct bytes filter = subscribing_filter(topics->scheduler, asked.filter);
    bool is_split = topic_levels_split(&topics->trie.levels, filter, &topics->path);
    CHECK(is_split); // the subscriber's core did
    bool is_here = asked.core == topics->scheduler->core;
    bool is_group = message->flags & SERVICE_SHARED;
    if (is_group)
        asked.place = note_group(topics, asked.core, message);
    else if (!is_here)
        asked.place = note_core(topics, asked.core);
    if (asked.place == SLAB_NONE && (is_group || !is_here)) {
        subscribing_answer(topics, &asked, TOPICS_MEMORY);
        return;
    }
    if (message->flags & SERVICE_REPLAY && topics->retained.count > 0) {
        if (replay_begin(topics, &asked))
            return;
        counter_add(topics->scheduler->counters, COUNTER_MQTT_RETAINED_LOST, 1);
    }
    subscribing_answer(topics, &asked, TOPICS_OK);
}

void subscribing_on_unsubscribe(struct topics *topics, const struct message *message) {
    uint32_t place = (uint32_t)message->words[0];
    uint32_t core = pid_core(message->sender);
    bool is_group = message->flags & SERVICE_SHARED;
    if (is_group)
        topic_group_share_remove(&topics->groups, place, core);
    else
        topic_trie_at(&topics->trie, place)->interest &= ~(1ull << core);
    settle(topics, place, is_group);
}

// --- the answers ---------------------------------------------------------------------------------

static void note_place(struct topics *topics, const struct topics_subscription *subscription,
                       uint32_t core, uint32_t place) {
    uint32_t node = node_of(topics, subscription);
    uint32_t *own = is_shared(subscription)
                        ? &topic_group_at(&topics->groups, subscription->node)->owner_group
                        : &topic_trie_at(&topics->trie, node)->owner_node;
    uint32_t *places = places_of(topics, own, node);
    places[is_everywhere(topics, node) ? core : 0] = place;
}

// The round is over and it stands: the owner is told, the next round begins.
static void round_end(struct topics *topics, uint32_t index) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    uint32_t word = subscription->slab_word;
    subscription->slab_word &= ~(TOPICS_REPLAY | TOPICS_CHANGE);
    uint32_t owner = subscription->owner;
    bool goes_on = subscription->changes > 0;
    if (goes_on) {
        subscription->changes--;
        subscription->slab_word &= ~TOPICS_AGAIN;
        uint8_t filter[TOPICS_BYTES_MAX];
        struct writer w = writer_on(filter, sizeof(filter));
        topic_levels_encode(&topics->trie.levels, node_of(topics, subscription), &w);
        change_begin(topics, index, word & TOPICS_AGAIN, writer_bytes(&w));
    }
    topics_port_subscribed(topics->port, owner, index, TOPICS_OK);
}

static void round_fail(struct topics *topics, uint32_t index, enum topics_refusal refusal) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    leave_entries(topics, subscription);
    for (uint32_t i = 0; i <= subscription->changes; i++)
        topics_port_subscribed(topics->port, subscription->owner, index, refusal);
    release(topics, index);
}

// All owners know of it. False: there is no memory for it to stand here.
static bool stand(struct topics *topics, uint32_t index) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    return subscription->position != SLAB_NONE || enter_entries(topics, index);
}

// A second round, for what is retained; takes over the payload.
static void replay_round(struct topics *topics, uint32_t index, uint64_t payload) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    subscription->slab_word &= ~TOPICS_WANTS;
    subscription->slab_word |= TOPICS_REPLAY | TOPICS_CHANGE;
    subscription->waiting = (uint8_t)owner_count(topics, node_of(topics, subscription));
    (void)ask(topics, index, payload, false);
}

void subscribing_on_subscribed(struct topics *topics, const struct message *message) {
    uint32_t index = (uint32_t)message->words[1];
    struct topics_subscription *subscription = topics_subscription(topics, index);
    enum topics_refusal refusal = (enum topics_refusal)message->small;
    bool is_accepted = refusal == TOPICS_OK;
    CHECK(subscription->waiting > 0);
    if (is_accepted && message->words[3] != SLAB_NONE)
        note_place(topics, subscription, pid_core(message->sender), (uint32_t)message->words[3]);
    subscription->waiting -= is_accepted;
    bool is_orphan = subscription->slab_word & TOPICS_ORPHAN;
    if (is_accepted && !is_orphan && subscription->waiting > 0) {
        (void)ask(topics, index, message->words[0], false);
        return;
    }
    if (is_accepted && !is_orphan && !stand(topics, index)) {
        is_accepted = false;
        refusal = TOPICS_MEMORY;
    }
    if (is_accepted && !is_orphan && subscription->slab_word & TOPICS_WANTS) {
        replay_round(topics, index, message->words[0]);
        return;
    }
    payload_unref(topics->scheduler, message->words[0]);
    uint32_t owners = owner_count(topics, node_of(topics, subscription));
    if (is_shared(subscription) && (is_orphan || !is_accepted))
        leave_shares(topics, subscription, owners - subscription->waiting);
    subscription->waiting = 0;
    add_pending(topics, subscription, -1);
    if (is_orphan)
        release(topics, index);
    else if (is_accepted)
        round_end(topics, index);
    else if (subscription->slab_word & TOPICS_CHANGE) // it stands; nothing more to replay
        round_end(topics, index);
    else
        round_fail(topics, index, refusal);
}

void subscribing_on_changed(struct topics *topics, const struct message *message) {
    uint32_t index = (uint32_t)message->words[0];
    struct topics_subscription *subscription = topics_subscription(topics, index);
    subscription->waiting = 0;
    add_pending(topics, subscription, -1);
    if (!(subscription->slab_word & TOPICS_ORPHAN)) {
        round_end(topics, index);
        return;
    }
    if (is_shared(subscription))
        leave_shares(topics, subscription, owner_count(topics, node_of(topics, subscription)));
    release(topics, index);
}

void subscribing_on_retained(struct topics *topics, uint32_t index, uint64_t payload) {
    if (!(topics_subscription(topics, index)->slab_word & TOPICS_ORPHAN))
        fanout_deliver_retained(topics, payload, index);
}
