// Goal: every delivery is the one that a naive broker would make. Method: random subscribes,
// unsubscribes, changes, comings and goings, publishes and retained messages on one to three cores;
// settled between batches, all that each client got is compared with a broker that looks at every
// subscription with the scalar match. Then the same without settling, with small budgets, where
// each message that is owed for certain must come exactly once, in order.
#include "tests/unit/topics/topics_rig.h"

#include "gateway/wire/mqtt_topic.h"

#define TOPICS_COUNT 24
#define RETAINED_MAX 512

struct model {
    struct world *world;
    struct rng rng;
    uint32_t client_count;
    bool has_shared;
    struct {
        char topic[160];
        uint32_t number; // 0: none
    } retained[RETAINED_MAX];
    uint32_t retained_count;
};

static uint32_t below(struct model *model, uint32_t bound) {
    return rng_below(&model->rng, bound);
}

static const char *const levels[] = {"a", "b", "c", "", "$s", "a-level-of-more-than-18-bytes"};

static void draw(struct model *model, char *text, size_t size, bool is_filter) {
    uint32_t count = 1 + below(model, 4);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *level = levels[below(model, i == 0 ? 6 : 4)];
        if (i > 0 && below(model, 12) == 0)
            level = levels[5];
        uint32_t wild = is_filter ? below(model, 8) : 9;
        if (wild < 2)
            level = "+";
        else if (wild == 2)
            level = "#";
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "/" : "", level);
        if (wild == 2)
            break;
    }
    if (text[0] == '\0')
        snprintf(text, size, "a");
}

static bool matches(const char *filter, const char *topic) {
    return mqtt_topic_matches(bytes_from_string(filter), bytes_from_string(topic));
}

// --- what a naive broker does ------------------------------------------------------------------

struct expected {
    bool is_owed;
    bool is_each;
    bool as_published;
    uint8_t qos;
    uint32_t id_count;
    uint32_t ids[FILTERS_MAX];
    uint32_t slots[FILTERS_MAX];
};

static struct expected expect(const struct world *world, uint32_t index, uint32_t number) {
    const struct client *client = &world->clients[index];
    const struct sent *sent = &world->sent[number];
    struct expected expected = {0};
    for (uint32_t k = 0; k < FILTERS_MAX; k++) {
        const struct held *held = &client->held[k];
        if (held->subscription == SLAB_NONE || held->group[0] ||
            !matches(held->filter, sent->topic))
            continue;
        if (held->is_no_local && sent->publisher == index + 1)
            continue;
        expected.is_owed = true;
        expected.is_each |= address_format(address_now(client, index, held)) == ADDRESS_EACH;
        expected.as_published |= held->as_published;
        expected.qos = held->qos > expected.qos ? held->qos : expected.qos;
        if (held->id == 0)
            continue;
        uint32_t at = expected.id_count++;
        for (; at > 0 && expected.slots[at - 1] > held->subscription; at--) {
            expected.ids[at] = expected.ids[at - 1];
            expected.slots[at] = expected.slots[at - 1];
        }
        expected.ids[at] = held->id;
        expected.slots[at] = held->subscription;
    }
    if (expected.id_count > TOPICS_IDS_MAX)
        expected.id_count = TOPICS_IDS_MAX;
    return expected;
}

static void check_delivery(const struct world *world, const struct expected *expected,
                           const struct got *got) {
    const struct sent *sent = &world->sent[got->number];
    bool is_retained = sent->is_retained && expected->as_published;
    ck_assert_int_eq(got->is_each, expected->is_each || is_retained);
    if (!got->is_each)
        return;
    ck_assert_int_eq(got->is_retained, is_retained);
    ck_assert_uint_eq(got->qos, expected->qos < sent->qos ? expected->qos : sent->qos);
    ck_assert_uint_eq(got->id_count, expected->id_count);
    for (uint32_t i = 0; i < got->id_count; i++)
        ck_assert_uint_eq(got->ids[i], expected->ids[i]);
}

static const struct got *find(const struct client *client, uint32_t number, bool is_shared) {
    const struct got *found = NULL;
    for (uint32_t i = 0; i < client->log_count; i++) {
        const struct got *got = &client->log[i];
        if (got->number != number || got->is_replay || got->is_shared != is_shared)
            continue;
        ck_assert_ptr_null(found);
        found = got;
    }
    return found;
}

static void check_number(struct model *model, uint32_t number) {
    struct world *world = model->world;
    for (uint32_t i = 0; i < model->client_count; i++) {
        struct expected expected = expect(world, i, number);
        const struct got *got = find(&world->clients[i], number, false);
        ck_assert_msg((got != NULL) == expected.is_owed, "client %u, message %u to %s", i, number,
                      world->sent[number].topic);
        if (got)
            check_delivery(world, &expected, got);
    }
}

// One member of each group that matches, somebody who is online if there is one.
static void check_shared(struct model *model, uint32_t number) {
    struct world *world = model->world;
    uint32_t groups = 0, deliveries = 0;
    char seen[CLIENTS_MAX * FILTERS_MAX][192];
    for (uint32_t i = 0; i < model->client_count; i++) {
        const struct client *client = &world->clients[i];
        for (uint32_t k = 0; k < client->log_count; k++)
            deliveries += client->log[k].is_shared && client->log[k].number == number;
        for (uint32_t k = 0; k < FILTERS_MAX; k++) {
            const struct held *held = &client->held[k];
            if (held->subscription == SLAB_NONE || !held->group[0] ||
                !matches(held->filter, world->sent[number].topic))
                continue;
            char name[192];
            snprintf(name, sizeof(name), "%s/%s", held->group, held->filter);
            uint32_t at = 0;
            while (at < groups && strcmp(seen[at], name) != 0)
                at++;
            if (at == groups)
                memcpy(seen[groups++], name, sizeof(name));
        }
    }
    ck_assert_msg(deliveries == groups, "message %u to %s: %u groups, %u deliveries", number,
                  world->sent[number].topic, groups, deliveries);
}

static void remember_retained(struct model *model, const char *topic, uint32_t number) {
    uint32_t at = 0;
    while (at < model->retained_count && strcmp(model->retained[at].topic, topic) != 0)
        at++;
    ck_assert_uint_lt(at, RETAINED_MAX);
    if (at == model->retained_count)
        model->retained_count++;
    snprintf(model->retained[at].topic, sizeof(model->retained[at].topic), "%s", topic);
    model->retained[at].number = number;
}

// --- settled ---------------------------------------------------------------------------------

static struct held draw_held(struct model *model) {
    struct held held = {.qos = (uint8_t)below(model, 3),
                        .is_no_local = below(model, 5) == 0,
                        .as_published = below(model, 3) == 0,
                        .id = below(model, 2) * (1 + below(model, 100))};
    if (below(model, 2) == 0)
        held = (struct held){0};
    draw(model, held.filter, sizeof(held.filter), true);
    if (model->has_shared && below(model, 5) == 0) {
        snprintf(held.group, sizeof(held.group), "g%u", below(model, 2));
        held.is_no_local = false;
    }
    return held;
}

static bool has_same(const struct client *client, const struct held *wanted) {
    for (uint32_t k = 0; k < FILTERS_MAX; k++)
        if (client->held[k].subscription != SLAB_NONE &&
            strcmp(client->held[k].filter, wanted->filter) == 0 &&
            strcmp(client->held[k].group, wanted->group) == 0)
            return true;
    return false;
}

static uint32_t free_place(const struct client *client) {
    uint32_t at = 0;
    while (at < FILTERS_MAX && client->held[at].subscription != SLAB_NONE)
        at++;
    return at;
}

static void check_replay(struct model *model, uint32_t index, const struct held *held,
                         uint32_t log_from) {
    const struct client *client = &model->world->clients[index];
    uint32_t wanted = 0, got = 0;
    for (uint32_t i = 0; i < model->retained_count; i++) {
        uint32_t number = model->retained[i].number;
        if (number == 0 || held->group[0] || !matches(held->filter, model->retained[i].topic))
            continue;
        if (held->is_no_local && model->world->sent[number].publisher == index + 1)
            continue;
        wanted++;
        for (uint32_t k = log_from; k < client->log_count; k++)
            got += client->log[k].number == number && client->log[k].is_replay &&
                   client->log[k].is_retained;
    }
    ck_assert_msg(got == wanted && client->log_count - log_from == wanted,
                  "client %u, filter %s: %u retained, %u got", index, held->filter, wanted, got);
}

static void subscribe_one(struct model *model) {
    uint32_t index = below(model, model->client_count);
    struct client *client = &model->world->clients[index];
    struct held held = draw_held(model);
    if (has_same(client, &held) || free_place(client) == FILTERS_MAX)
        return;
    uint32_t log_from = client->log_count;
    uint32_t answers = client->answer_count;
    ck_assert_uint_ne(client_subscribe(model->world, index, &held), FILTERS_MAX);
    world_settle(model->world);
    ck_assert_uint_eq(client->answer_count, answers + 1);
    ck_assert_int_eq(client->refusal, TOPICS_OK);
    check_replay(model, index, &held, log_from);
}

static void change_one(struct model *model) {
    uint32_t index = below(model, model->client_count), k = below(model, FILTERS_MAX);
    struct client *client = &model->world->clients[index];
    struct held *held = &client->held[k];
    if (held->subscription == SLAB_NONE)
        return;
    struct held wanted = draw_held(model);
    held->qos = wanted.qos;
    held->is_no_local = !held->group[0] && wanted.is_no_local;
    held->as_published = wanted.as_published;
    held->id = wanted.id;
    uint32_t log_from = client->log_count;
    uint32_t answers = client->answer_count;
    struct topics_request request = request_of(client, index, held);
    topics_change(topics_of(model->world, index), held->subscription, &request);
    world_settle(model->world);
    ck_assert_uint_eq(client->answer_count, answers + 1);
    check_replay(model, index, held, log_from);
}

static void unsubscribe_one(struct model *model) {
    uint32_t index = below(model, model->client_count), k = below(model, FILTERS_MAX);
    if (model->world->clients[index].held[k].subscription != SLAB_NONE)
        client_unsubscribe(model->world, index, k);
}

static void toggle_one(struct model *model) {
    uint32_t index = below(model, model->client_count);
    client_set_offline(model->world, index, !model->world->clients[index].is_offline);
}

static void publish_some(struct model *model) {
    struct world *world = model->world;
    uint32_t first = world->sent_count;
    char topic[160];
    for (uint32_t i = 1 + below(model, 6); i > 0; i--) {
        draw(model, topic, sizeof(topic), false);
        struct publish publish = {.by = below(model, model->client_count),
                                  .topic = topic,
                                  .qos = (uint8_t)below(model, 3),
                                  .is_retained = below(model, 3) == 0,
                                  .is_empty = below(model, 6) == 0,
                                  .note = below(model, 2)};
        uint32_t number = client_publish(world, &publish);
        ck_assert_uint_ne(number, 0);
        if (publish.is_retained)
            remember_retained(model, topic, publish.is_empty ? 0 : number);
        if (publish.is_retained)
            world_settle(world); // publishers on other cores have no order among them
    }
    world_settle(world);
    for (uint32_t number = first; number < world->sent_count; number++) {
        check_number(model, number);
        check_shared(model, number);
    }
}

static void run_settled(uint32_t cores, uint64_t seed, bool has_shared) {
    struct model *model = calloc(1, sizeof(*model));
    const struct rig_config config = {.core_count = cores, .turn_deliveries_max = seed % 2 ? 7 : 0};
    model->world = world_open(&config);
    model->rng.state = seed;
    model->client_count = 12;
    model->has_shared = has_shared;
    for (uint32_t step = 0; step < 400; step++) {
        switch (below(model, 10)) {
        case 0:
        case 1:
        case 2:
            subscribe_one(model);
            break;
        case 3:
            change_one(model);
            break;
        case 4:
            unsubscribe_one(model);
            break;
        case 5:
            toggle_one(model);
            break;
        default:
            publish_some(model);
        }
    }
    world_close(model->world);
    free(model);
}

START_TEST(topics_delivers_what_a_naive_broker_would) {
    for (uint32_t seed = 1; seed <= 12; seed++)
        run_settled(1 + seed % 3, seed, seed > 4);
}
END_TEST

// --- without settling ------------------------------------------------------------------------

struct owed {
    uint32_t client;
    uint32_t number;
    uint32_t subscription;
    bool is_optional; // it unsubscribed since
};

struct storm {
    struct model model;
    struct owed *owed;
    uint32_t owed_count;
};

static void storm_publish(struct storm *storm) {
    struct model *model = &storm->model;
    struct world *world = model->world;
    char topic[160];
    snprintf(topic, sizeof(topic), "%s/%s", levels[below(model, 3)], levels[below(model, 3)]);
    struct publish publish = {.by = below(model, model->client_count),
                              .topic = topic,
                              .qos = (uint8_t)below(model, 3),
                              .note = world->sent_count};
    uint32_t number = client_publish(world, &publish);
    for (uint32_t i = 0; number > 0 && i < model->client_count; i++)
        for (uint32_t k = 0; k < FILTERS_MAX; k++) {
            const struct held *held = &world->clients[i].held[k];
            if (held->subscription == SLAB_NONE || !held->is_confirmed ||
                !matches(held->filter, topic))
                continue;
            storm->owed[storm->owed_count++] = (struct owed){i, number, held->subscription, false};
            break; // one copy
        }
}

static void storm_subscribe(struct storm *storm) {
    struct model *model = &storm->model;
    uint32_t index = below(model, model->client_count);
    struct client *client = &model->world->clients[index];
    struct held held = {.qos = (uint8_t)below(model, 2), .id = below(model, 2)};
    draw(model, held.filter, sizeof(held.filter), true);
    if (!has_same(client, &held) && free_place(client) < FILTERS_MAX &&
        client_subscribe(model->world, index, &held) == FILTERS_MAX)
        ck_assert_int_eq(client->refusal, TOPICS_BUSY);
}

static void storm_unsubscribe(struct storm *storm) {
    struct model *model = &storm->model;
    uint32_t index = below(model, model->client_count), k = below(model, FILTERS_MAX);
    uint32_t subscription = model->world->clients[index].held[k].subscription;
    if (subscription == SLAB_NONE)
        return;
    client_unsubscribe(model->world, index, k);
    for (uint32_t i = 0; i < storm->owed_count; i++)
        if (storm->owed[i].client == index && storm->owed[i].subscription == subscription)
            storm->owed[i].is_optional = true;
}

// No message twice; of one publisher and topic in order.
static void check_order(const struct world *world, const struct client *client) {
    for (uint32_t i = 0; i < client->log_count; i++)
        for (uint32_t k = i + 1; k < client->log_count && k < i + 400; k++) {
            const struct sent *a = &world->sent[client->log[i].number];
            const struct sent *b = &world->sent[client->log[k].number];
            ck_assert_uint_ne(client->log[i].number, client->log[k].number);
            if (a->publisher == b->publisher && strcmp(a->topic, b->topic) == 0)
                ck_assert_uint_lt(client->log[i].number, client->log[k].number);
        }
}

static void run_storm(uint32_t cores, uint32_t seed) {
    struct storm *storm = calloc(1, sizeof(*storm));
    struct model *model = &storm->model;
    const struct rig_config config = {.core_count = cores,
                                      .turn_deliveries_max = 1 + (uint32_t)seed % 9 * 4,
                                      .jobs_max = 4 + (uint32_t)seed % 60,
                                      .ring_cells = 64};
    model->world = world_open(&config);
    model->rng.state = seed;
    model->client_count = 20;
    storm->owed = calloc(SENT_MAX, 20 * sizeof(*storm->owed));
    for (uint32_t step = 0; step < 3000; step++) {
        uint32_t what = below(model, 20);
        if (what < 2)
            storm_subscribe(storm);
        else if (what == 2)
            storm_unsubscribe(storm);
        else if (what == 3)
            toggle_one(model);
        else if (what < 12)
            storm_publish(storm);
        else if (what == 12)
            model->world->cores[below(model, cores)].sleeps ^= true;
        else
            (void)core_turn(&model->world->cores[below(model, cores)]);
    }
    for (uint32_t i = 0; i < cores; i++)
        model->world->cores[i].sleeps = false;
    world_settle(model->world);
    uint32_t found = 0;
    for (uint32_t i = 0; i < storm->owed_count; i++) {
        const struct owed *owed = &storm->owed[i];
        uint32_t count = client_got(&model->world->clients[owed->client], owed->number);
        found += count;
        bool is_refused = model->world->sent[owed->number].is_refused;
        ck_assert_msg(is_refused ? count == 0 : count == 1 || (count == 0 && owed->is_optional),
                      "seed %u: %u of %u to %u", seed, count, owed->number, owed->client);
    }
    ck_assert_uint_gt(found, 300);
    ck_assert_uint_eq(world_sum(model->world, COUNTER_DROPPED_BUSY), 0);
    for (uint32_t i = 0; i < model->client_count; i++)
        check_order(model->world, &model->world->clients[i]);
    world_close(model->world);
    free(storm->owed);
    free(storm);
}

START_TEST(topics_under_way_come_once_and_in_order_whatever_else_happens) {
    for (uint32_t seed = 1; seed <= 12; seed++)
        run_storm(1 + seed % 3, seed);
}
END_TEST

UNIT_MAIN("topics/model", topics_delivers_what_a_naive_broker_would,
          topics_under_way_come_once_and_in_order_whatever_else_happens)
