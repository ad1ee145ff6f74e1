// What the gateway calls, as far as it is not in subscribing.c and publishing.c.
#include "topics/topics.h"

#include "sched/base/hash.h"
#include "topics/service.h"
#include "topics/subscribing.h"

#define JOBS_MAX 4096u
#define TURN_DELIVERIES 16384u
#define NODES_PER_SUBSCRIPTION                                                                     \
    4u                  // here and, as an owner, for other cores: more only while others
                        // have fewer levels
#define SWEEP_NODES 16u // of the retained names, at each turn

// As chat's: answers that cannot go need as many cells.
#define PUBLISHES_MAX 65536u

static uint32_t nodes_max(uint32_t count) {
    uint64_t nodes = (uint64_t)count * NODES_PER_SUBSCRIPTION + 1024;
    return nodes < ACTOR_INDEX_MAX ? (uint32_t)nodes : ACTOR_INDEX_MAX;
}

static void on_moved(void *context, uint32_t subscription, uint32_t position) {
    topics_subscription(context, subscription)->position = position;
}

static void set_defaults(struct topics_config *config) {
    if (config->turn_deliveries_max == 0)
        config->turn_deliveries_max = TURN_DELIVERIES;
    if (config->jobs_max == 0)
        config->jobs_max = JOBS_MAX;
    if (config->publishes_max == 0)
        config->publishes_max = PUBLISHES_MAX / config->core_count;
    CHECKF(config->jobs_max < UINT16_MAX / 2, "%u jobs: each pins a filter", config->jobs_max);
    CHECK(config->core_count > 0 && config->core_count <= MESH_ENDPOINTS_MAX);
}

int topics_init(struct topics *topics, const struct topics_config *config,
                struct scheduler *scheduler, struct memory_ledger *ledger, void *port) {
    *topics = (struct topics){.config = *config, .scheduler = scheduler, .port = port};
    set_defaults(&topics->config);
    const struct topic_trie_config trie = {.nodes_max = nodes_max(config->subscriptions_max),
                                           .seed = config->seed,
                                           .on_moved = on_moved,
                                           .context = topics};
    const struct retained_config retained = {.messages_max = config->retained_max,
                                             .bytes_max = config->retained_bytes_max,
                                             .nodes_max = nodes_max(config->retained_max),
                                             .seed = config->seed};
    int result = slab_init(&topics->subscriptions, ledger, "subscriptions",
                           sizeof(struct topics_subscription), config->subscriptions_max);
    if (result == 0)
        result = topic_trie_init(&topics->trie, &trie, ledger, scheduler->blocks);
    if (result == 0)
        result = topic_groups_init(&topics->groups, &topics->trie, config->subscriptions_max,
                                   config->core_count, ledger);
    if (result == 0)
        result = retained_init(&topics->retained, &retained, scheduler, ledger);
    if (result == 0)
        result = replay_init(&topics->replays, config->subscriptions_max, ledger);
    if (result == 0)
        result = fanout_init(&topics->fanout, topics->config.jobs_max, ledger);
    if (result == 0)
        result = scheduler_register(scheduler, &service_behaviour, topics, 1);
    return result;
}

void topics_fini(struct topics *topics) {
    if (slab_is_used(&topics->scheduler->kinds[KIND_TOPICS].slab, 0))
        scheduler_exit(topics->scheduler, KIND_TOPICS, 0, EXIT_SHUTDOWN);
    fanout_fini(topics);
    replay_fini(topics);
    slab_check_empty(&topics->subscriptions);
    slab_check_empty(&topics->groups.slab);
    retained_fini(&topics->retained);
    topic_trie_fini(&topics->trie);
}

void topics_readdress(struct topics *topics, uint32_t index, uint32_t address) {
    struct topics_subscription *subscription = topics_subscription(topics, index);
    bool is_shared = subscription->options & TOPICS_OPTION_SHARED;
    struct topic_entries *entries =
        is_shared ? &topic_group_at(&topics->groups, subscription->node)->members
                  : &topic_trie_at(&topics->trie, subscription->node)->entries;
    subscription->address = address;
    if (subscription->position == SLAB_NONE)
        return;
    topic_entries_data(topics->scheduler->blocks, entries)[subscription->position].data = address;
}

struct topics_subscription *topics_subscription(const struct topics *topics,
                                                uint32_t subscription) {
    return (struct topics_subscription *)slab_get(&topics->subscriptions, subscription);
}

bool topics_lookup_place(struct topics *topics, struct bytes filter, struct bytes group,
                         struct topics_place *place) {
    if (!topic_levels_split(&topics->trie.levels, filter, &topics->path))
        return false;
    place->is_shared = group.size > 0;
    place->node = topic_trie_lookup(&topics->trie, &topics->path);
    if (place->is_shared && place->node != SLAB_NONE)
        place->node = topic_group_lookup(&topics->groups, place->node, group);
    return place->node != SLAB_NONE;
}

bool topics_has_interest(const struct topics *topics, struct bytes first_level) {
    return topic_trie_has_first(&topics->trie, first_level);
}

uint32_t topics_owner_core(const struct topics_config *config, struct bytes topic) {
    const uint8_t *slash = topic.size > 0 ? memchr(topic.data, '/', topic.size) : NULL;
    if (slash)
        topic.size = (size_t)(slash - topic.data);
    uint64_t hash = hash_bytes(config->seed, topic);
    return (uint32_t)((hash >> 32) * config->core_count >> 32);
}

void topics_count_retained(struct topics *topics) {
    struct counters *counters = topics->scheduler->counters;
    counter_set(counters, COUNTER_MQTT_RETAINED, topics->retained.count);
    counter_set(counters, COUNTER_MQTT_RETAINED_BYTES, topics->retained.bytes);
}

bool topics_flush(struct topics *topics) {
    uint32_t budget = topics->config.turn_deliveries_max;
    uint32_t replay_budget = topics->config.turn_deliveries_max / 4 + 2;
    bool has_work = replay_flush(topics, &replay_budget);
    has_work |= fanout_flush(topics, &budget);
    if (topics->retained.expiring_count > 0) {
        retained_sweep(&topics->retained, SWEEP_NODES);
        topics_count_retained(topics);
    }
    if (topics->is_paused && !fanout_is_full(&topics->fanout)) {
        topics->is_paused = false;
        scheduler_resume(topics->scheduler, KIND_TOPICS, 0);
        has_work = true;
    }
    return has_work;
}

struct topics_stats topics_stats(const struct topics *topics) {
    return (struct topics_stats){.subscriptions = topics->subscriptions.used_count,
                                 .nodes = topics->trie.levels.count,
                                 .retained = topics->retained.count,
                                 .retained_bytes = topics->retained.bytes,
                                 .jobs = topics->fanout.jobs.used_count};
}

void topics_validate(const struct topics *topics) {
    const struct slab *subscriptions = &topics->subscriptions;
    uint32_t under_way = 0;
    for (uint32_t i = 0; i < subscriptions->touched_count; i++) {
        if (!slab_is_used(subscriptions, i))
            continue;
        const struct topics_subscription *subscription = topics_subscription(topics, i);
        bool is_orphan = subscription->slab_word & TOPICS_ORPHAN;
        bool is_shared = subscription->options & TOPICS_OPTION_SHARED;
        under_way += subscription->waiting > 0;
        CHECK(!is_orphan || subscription->waiting > 0);
        struct topic_entries *entries =
            is_shared ? &topic_group_at(&topics->groups, subscription->node)->members
                      : &topic_trie_at(&topics->trie, subscription->node)->entries;
        CHECK(subscription->position != SLAB_NONE || subscription->waiting > 0);
        if (subscription->position == SLAB_NONE)
            continue;
        CHECK(subscription->position < topic_entries_length(entries));
        struct topic_entry entry =
            topic_entries_data(topics->scheduler->blocks, entries)[subscription->position];
        CHECKF(entry.key == i && entry.data == subscription->address, "subscription %u", i);
    }
    CHECKF(under_way <= topics->under_way, "%u subscribes are under way, %u counted", under_way,
           topics->under_way);
    slab_validate(subscriptions);
    topic_trie_validate(&topics->trie);
    topic_groups_validate(&topics->groups);
    retained_validate(&topics->retained);
    fanout_validate(topics);
}
