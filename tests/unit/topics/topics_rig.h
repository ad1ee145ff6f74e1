// Topics without a gateway: schedulers joined by a mesh on one thread, and a port that records what
// every client gets. After every turn the audit must add up, after some all invariants
// hold.
//
// A client is a session: an owner on one core with subscriptions, online or not. A message's body
// is its number in world->sent.
#ifndef FAIRLEAD_TESTS_TOPICS_RIG_H
#define FAIRLEAD_TESTS_TOPICS_RIG_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "sched/base/clock.h"
#include "sched/base/parcel.h"
#include "sched/base/rng.h"
#include "topics/service.h"
#include "topics/subscribing.h"
#include "topics/topics.h"

#define CORES_MAX 3
#define CLIENTS_MAX 64
#define LOG_MAX 20000
#define SENT_MAX 40000
#define FILTERS_MAX 16 // of one client

struct got {
    uint32_t number; // in world->sent
    uint8_t qos;
    bool is_each;
    bool is_retained;
    bool is_replay;
    bool is_shared;
    uint32_t id_count;
    uint32_t ids[TOPICS_IDS_MAX];
};

struct held {
    uint32_t subscription; // SLAB_NONE: free
    bool is_confirmed;
    bool is_gone; // by topics_unsubscribe
    char filter[160];
    char group[16];
    uint8_t qos;
    bool is_no_local;
    bool as_published;
    uint32_t id;
    uint64_t since; // numbers from here on are owed
};

struct client {
    uint32_t core;
    bool is_offline;
    uint32_t answer_count; // topics_port_subscribed
    enum topics_refusal refusal;
    struct held held[FILTERS_MAX];
    struct got *log;
    uint32_t log_count;
    uint32_t published_count; // answers
    uint32_t refused_count;
    bool had_subscribers; // the latest answer
};

struct sent {
    char topic[160];
    uint64_t publisher;
    uint8_t qos;
    bool is_retained;
    bool is_empty;
    bool is_refused; // by its owner; for who gives the number as the note
    uint64_t expires_ns;
};

struct core {
    struct memory_ledger ledger;
    struct counters counters;
    struct blocks blocks;
    struct scheduler scheduler;
    struct topics topics;
    struct world *world;
    uint32_t encoded_count;
    uint32_t turn_count;
    uint32_t delivered_in_flush;
    bool sleeps; // takes no turns
};

struct world {
    struct mesh mesh;
    uint32_t core_count;
    uint64_t now_ns;
    bool has_no_memory; // for parcels
    bool is_crowded;    // subscriptions that are in no client's `held`
    struct core cores[CORES_MAX];
    const struct counters *counters[CORES_MAX];
    struct client clients[CLIENTS_MAX];
    struct sent *sent;
    uint32_t sent_count;
};

#define RIG_FORMATS 2u

static struct client *client_of(void *port, uint32_t owner) {
    struct core *core = port;
    ck_assert_uint_lt(owner, CLIENTS_MAX);
    struct client *client = &core->world->clients[owner];
    ck_assert_ptr_eq(&core->world->cores[client->core], core);
    return client;
}

static uint32_t number_of(const struct topic_message *message) {
    uint32_t number;
    ck_assert_uint_eq(message->properties.size, sizeof(number));
    memcpy(&number, message->properties.data, sizeof(number));
    return number;
}

static void check_message(const struct world *world, const struct topic_message *message) {
    uint32_t number = number_of(message);
    ck_assert_uint_lt(number, world->sent_count);
    const struct sent *sent = &world->sent[number];
    ck_assert(bytes_equal_string(message->topic, sent->topic));
    ck_assert_uint_eq(message->publisher, sent->publisher);
    ck_assert_uint_eq(message->qos, sent->qos);
    ck_assert_int_eq(message->is_retained, sent->is_retained);
    ck_assert(bytes_equal_string(message->body, sent->is_empty ? "" : "body"));
}

static void note(struct client *client, const struct got *got) {
    ck_assert_uint_lt(client->log_count, LOG_MAX);
    client->log[client->log_count++] = *got;
}

uint32_t topics_port_encode(void *port, uint32_t format, const struct topic_message *message) {
    struct core *core = port;
    ck_assert_uint_lt(format, RIG_FORMATS);
    ck_assert(!message->is_retained || true);
    check_message(core->world, message);
    core->encoded_count++;
    if (core->world->has_no_memory)
        return BLOCK_NONE;
    uint32_t id = parcel_acquire(&core->blocks, 8, PARCEL_ROOM);
    if (id == BLOCK_NONE)
        return BLOCK_NONE;
    uint32_t words[2] = {number_of(message), format};
    memcpy(parcel_at(&core->blocks, id)->data, words, sizeof(words));
    return id;
}

void topics_port_deliver(void *port, uint32_t address, uint32_t parcel_id) {
    struct core *core = port;
    const struct parcel *parcel = parcel_at(&core->blocks, parcel_id);
    uint32_t words[2];
    memcpy(words, parcel->data, sizeof(words));
    ck_assert_uint_eq(words[1], address_format(address));
    ck_assert_uint_eq(parcel->message_count, 1);
    ck_assert_uint_eq(parcel->room, SLAB_NONE);
    struct client *client = client_of(port, address_place(address));
    ck_assert(!client->is_offline);
    note(client, &(struct got){.number = words[0]});
    core->delivered_in_flush++;
    counter_add(&core->counters, COUNTER_DELIVERED, 1);
}

void topics_port_prefetch(void *port, uint32_t address) {
    ck_assert_uint_lt(address_format(address), RIG_FORMATS);
    (void)client_of(port, address_place(address));
}

void topics_port_deliver_each(void *port, const struct topics_delivery *delivery) {
    struct core *core = port;
    struct client *client = client_of(port, delivery->owner);
    check_message(core->world, &delivery->message);
    struct topic_message message = topic_message_view(&core->scheduler, delivery->payload);
    ck_assert_ptr_eq(message.body.data, delivery->message.body.data);
    struct got got = {.number = number_of(&message),
                      .qos = delivery->qos,
                      .is_each = true,
                      .is_retained = delivery->is_retained,
                      .is_replay = delivery->is_replay,
                      .is_shared = delivery->is_shared,
                      .id_count = delivery->id_count};
    ck_assert_uint_le(delivery->id_count, TOPICS_IDS_MAX);
    memcpy(got.ids, delivery->ids, sizeof(got.ids));
    note(client, &got);
    core->delivered_in_flush++;
    counter_add(&core->counters, COUNTER_DELIVERED, 1);
}

void topics_port_subscribed(void *port, uint32_t owner, uint32_t subscription,
                            enum topics_refusal refusal) {
    struct client *client = client_of(port, owner);
    client->answer_count++;
    client->refusal = refusal;
    bool is_known = false;
    for (uint32_t i = 0; i < FILTERS_MAX; i++) {
        struct held *held = &client->held[i];
        if (held->subscription != subscription || held->is_gone)
            continue;
        is_known = true;
        held->is_confirmed = refusal == TOPICS_OK;
        if (refusal != TOPICS_OK)
            held->subscription = SLAB_NONE;
    }
    ck_assert(is_known || ((struct core *)port)->world->is_crowded);
}

void topics_port_published(void *port, const struct topics_published *published) {
    struct client *client = client_of(port, (uint32_t)published->publisher - 1);
    ck_assert_uint_ne(published->note, 0);
    client->published_count++;
    client->refused_count += published->refusal != TOPICS_OK;
    if (published->refusal != TOPICS_OK)
        ((struct core *)port)->world->sent[published->note].is_refused = true;
    client->had_subscribers = published->has_subscribers;
}

bool topics_port_is_publisher(void *port, uint32_t owner, uint64_t publisher) {
    (void)client_of(port, owner);
    return publisher == owner + 1;
}

bool topics_port_is_online(void *port, uint32_t owner) {
    return !client_of(port, owner)->is_offline;
}

struct rig_config {
    uint32_t core_count;
    uint32_t subscriptions_max; // 0: 4096
    uint32_t retained_max;      // 0: 4096
    size_t retained_bytes_max;  // 0: 1 MiB
    uint32_t turn_deliveries_max;
    uint32_t jobs_max;
    uint32_t publishes_max;
    bool bounds_all;         // retained_max is for all cores together
    uint32_t ring_cells;     // 0: 256
    size_t blocks_bytes_max; // 0: 64 MiB
};

static void core_open(struct world *world, uint32_t id, const struct rig_config *config) {
    struct core *core = &world->cores[id];
    core->world = world;
    world->counters[id] = &core->counters;
    size_t blocks_bytes_max = config->blocks_bytes_max ? config->blocks_bytes_max : 64u << 20;
    ck_assert_int_eq(blocks_init(&core->blocks, &core->ledger, blocks_bytes_max), 0);
    const struct scheduler_config scheduler = {.core = (uint8_t)id, .message_cells_max = 1u << 18};
    ck_assert_int_eq(scheduler_init(&core->scheduler, &scheduler, &world->mesh, &core->ledger,
                                    &core->blocks, &core->counters, world->now_ns),
                     0);
    const struct topics_config topics = {
        .core_count = world->core_count,
        .subscriptions_max = config->subscriptions_max ? config->subscriptions_max : 4096,
        .retained_max = config->retained_max ? config->retained_max : 4096,
        .retained_bytes_max = config->retained_bytes_max ? config->retained_bytes_max : 1u << 20,
        .turn_deliveries_max = config->turn_deliveries_max,
        .jobs_max = config->jobs_max,
        .publishes_max = config->publishes_max,
        .core_counters = config->bounds_all ? world->counters : NULL,
        .seed = 42,
    };
    ck_assert_int_eq(topics_init(&core->topics, &topics, &core->scheduler, &core->ledger, core), 0);
    ck_assert_uint_ne(scheduler_spawn(&core->scheduler, KIND_TOPICS, NULL), PID_NONE);
}

static inline struct world *world_open(const struct rig_config *config) {
    struct world *world = calloc(1, sizeof(*world));
    ck_assert_ptr_nonnull(world);
    world->core_count = config->core_count;
    world->now_ns = NS_PER_S;
    world->sent = calloc(SENT_MAX, sizeof(*world->sent));
    world->sent_count = 1;
    const struct mesh_config mesh = {.scheduler_count = config->core_count,
                                     .ring_cells = config->ring_cells ? config->ring_cells : 256};
    ck_assert_int_eq(mesh_init(&world->mesh, &mesh), 0);
    for (uint32_t i = 0; i < config->core_count; i++)
        core_open(world, i, config);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &world->clients[i];
        client->core = i % config->core_count;
        client->log = calloc(LOG_MAX, sizeof(*client->log));
        for (uint32_t k = 0; k < FILTERS_MAX; k++)
            client->held[k].subscription = SLAB_NONE;
    }
    return world;
}

static inline void check_audit(const struct counters *c) {
    ck_assert_uint_eq(counter_read(c, COUNTER_DUE), counter_read(c, COUNTER_DELIVERED) +
                                                        counters_dropped(c) +
                                                        counter_read(c, COUNTER_GATHERED));
}

static inline bool core_turn(struct core *core) {
    if (core->sleeps)
        return false;
    core->delivered_in_flush = 0;
    bool has_work = scheduler_turn(&core->scheduler, core->world->now_ns);
    has_work |= topics_flush(&core->topics);
    (void)scheduler_publish(&core->scheduler);
    if (core->turn_count++ % 8 == 0) {
        scheduler_validate(&core->scheduler);
        topics_validate(&core->topics);
    }
    check_audit(&core->counters);
    return has_work;
}

static inline void world_turns(struct world *world, uint32_t turns) {
    for (uint32_t t = 0; t < turns; t++) {
        world->now_ns += NS_PER_US;
        for (uint32_t i = 0; i < world->core_count; i++)
            (void)core_turn(&world->cores[i]);
    }
}

static inline uint64_t world_sum(const struct world *world, enum counter which) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->core_count; i++)
        sum += counter_read(&world->cores[i].counters, which);
    return sum;
}

// Until nobody has anything to do.
static inline void world_settle(struct world *world) {
    uint32_t quiet = 0;
    for (uint32_t t = 0; quiet < 4; t++) {
        ck_assert_uint_lt(t, 100000);
        bool has_work = false;
        uint64_t sent = world_sum(world, COUNTER_MESH_SENT);
        for (uint32_t i = 0; i < world->core_count; i++)
            has_work |= core_turn(&world->cores[i]);
        has_work |= world_sum(world, COUNTER_MESH_SENT) != sent;
        quiet = has_work ? 0 : quiet + 1;
    }
}

// Its address now: shared format by its number when online and nothing is individual.
static inline uint32_t address_now(const struct client *client, uint32_t index,
                                   const struct held *held) {
    bool is_individual = held->qos > 0 || held->is_no_local || held->id > 0;
    if (client->is_offline || is_individual)
        return address_of(ADDRESS_EACH, index);
    return address_of(index % RIG_FORMATS, index);
}

static inline struct topics_request request_of(const struct client *client, uint32_t index,
                                               const struct held *held) {
    return (struct topics_request){.owner = index,
                                   .address = address_now(client, index, held),
                                   .filter = bytes_from_string(held->filter),
                                   .group = bytes_from_string(held->group),
                                   .qos = held->qos,
                                   .is_no_local = held->is_no_local,
                                   .retains_as_published = held->as_published,
                                   .subscription_id = held->id,
                                   .wants_retained = true};
}

static inline struct topics *topics_of(struct world *world, uint32_t index) {
    return &world->cores[world->clients[index].core].topics;
}

// Returns its place in client->held, or FILTERS_MAX with client->refusal.
static inline uint32_t client_subscribe(struct world *world, uint32_t index,
                                        const struct held *wanted) {
    struct client *client = &world->clients[index];
    uint32_t at = 0;
    while (client->held[at].subscription != SLAB_NONE)
        ck_assert_uint_lt(++at, FILTERS_MAX);
    client->held[at] = *wanted;
    struct topics_request request = request_of(client, index, wanted);
    client->held[at].subscription =
        topics_subscribe(topics_of(world, index), &request, &client->refusal);
    return client->held[at].subscription == SLAB_NONE ? FILTERS_MAX : at;
}

static inline uint32_t client_subscribe_to(struct world *world, uint32_t index,
                                           const char *filter) {
    struct held held = {0};
    snprintf(held.filter, sizeof(held.filter), "%s", filter);
    return client_subscribe(world, index, &held);
}

static inline void client_unsubscribe(struct world *world, uint32_t index, uint32_t at) {
    struct held *held = &world->clients[index].held[at];
    topics_unsubscribe(topics_of(world, index), held->subscription);
    held->subscription = SLAB_NONE;
}

static inline void client_set_offline(struct world *world, uint32_t index, bool is_offline) {
    struct client *client = &world->clients[index];
    client->is_offline = is_offline;
    for (uint32_t i = 0; i < FILTERS_MAX; i++)
        if (client->held[i].subscription != SLAB_NONE)
            topics_readdress(topics_of(world, index), client->held[i].subscription,
                             address_now(client, index, &client->held[i]));
}

struct publish {
    uint32_t by; // client
    const char *topic;
    uint8_t qos;
    bool is_retained;
    bool is_empty;
    uint64_t expires_ns;
    uint32_t note;
};

// The number of what was sent; 0: refused, with client->refusal.
static inline uint32_t client_publish(struct world *world, const struct publish *publish) {
    ck_assert_uint_lt(world->sent_count, SENT_MAX);
    uint32_t number = world->sent_count;
    struct sent *sent = &world->sent[number];
    *sent = (struct sent){.publisher = publish->by + 1,
                          .qos = publish->qos,
                          .is_retained = publish->is_retained,
                          .is_empty = publish->is_empty,
                          .expires_ns = publish->expires_ns};
    snprintf(sent->topic, sizeof(sent->topic), "%s", publish->topic);
    struct topic_message message = {.topic = bytes_from_string(publish->topic),
                                    .body = bytes_from_string(publish->is_empty ? "" : "body"),
                                    .properties = bytes_of(&number, sizeof(number)),
                                    .publisher = publish->by + 1,
                                    .expires_ns = publish->expires_ns,
                                    .qos = publish->qos,
                                    .is_retained = publish->is_retained};
    struct client *client = &world->clients[publish->by];
    if (!topics_publish(topics_of(world, publish->by), &message, publish->note, &client->refusal))
        return 0;
    world->sent_count++;
    return number;
}

// Who wants it of what was written down since *from.
static inline uint32_t client_got(const struct client *client, uint32_t number) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < client->log_count; i++)
        count += client->log[i].number == number;
    return count;
}

// Everybody unsubscribes; nothing is left anywhere but what is retained, and that goes, too.
static inline void world_close(struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++)
        world->cores[i].sleeps = false;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        for (uint32_t k = 0; k < FILTERS_MAX; k++)
            if (world->clients[i].held[k].subscription != SLAB_NONE)
                client_unsubscribe(world, i, k);
    world_settle(world);
    ck_assert_uint_eq(world_sum(world, COUNTER_GATHERED), 0);
    ck_assert_uint_eq(world_sum(world, COUNTER_RELAYED), world_sum(world, COUNTER_RELAYS_TAKEN));
    ck_assert_uint_eq(world_sum(world, COUNTER_MQTT_SUBSCRIPTIONS), 0);
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct core *core = &world->cores[i];
        ck_assert_uint_eq(core->topics.trie.levels.count, 0);
        ck_assert_uint_eq(core->topics.under_way, 0);
        ck_assert_uint_eq(core->topics.everywhere_count, 0);
        topics_fini(&core->topics);
        slab_check_empty(&core->scheduler.cells);
    }
    for (uint32_t i = 0; i < world->core_count; i++) {
        blocks_collect(&world->cores[i].blocks);
        blocks_check_empty(&world->cores[i].blocks);
        blocks_fini(&world->cores[i].blocks);
    }
    for (uint32_t i = 0; i < world->core_count; i++)
        memory_release_all(&world->cores[i].ledger);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        free(world->clients[i].log);
    free(world->sent);
    mesh_fini(&world->mesh);
    free(world);
}

#endif
