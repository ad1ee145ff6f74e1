// Goal: who subscribes to a topic gets what is published to it, from any core to any core; options,
// bounds, shared groups and retained messages do what topics.h says. Method: one and three cores on
// one thread, the port writes down what each client gets.
#include "tests/unit/topics/topics_rig.h"

static const struct rig_config one_core = {.core_count = 1};
static const struct rig_config three_cores = {.core_count = 3};

static uint32_t publish_to(struct world *world, uint32_t by, const char *topic) {
    uint32_t number = client_publish(world, &(struct publish){.by = by, .topic = topic});
    ck_assert_uint_ne(number, 0);
    return number;
}

static uint64_t dropped(const struct world *world, enum counter why) {
    return world_sum(world, why);
}

// A client of that core: clients are dealt out in turn.
static uint32_t on_core(const struct world *world, uint32_t core, uint32_t nth) {
    return core + nth * world->core_count;
}

static uint32_t owner_of(const struct world *world, const char *topic) {
    return topics_owner_core(&world->cores[0].topics.config, bytes_from_string(topic));
}

static void check_matches(const struct rig_config *config) {
    struct world *world = world_open(config);
    static const char *const filters[] = {"a/b", "a/+", "#", "a/b/#", "+/b", "a/c", "$x/b", "a"};
    static const bool wanted[] = {true, true, true, true, true, false, false, false};
    for (uint32_t i = 0; i < 8; i++)
        (void)client_subscribe_to(world, i, filters[i]);
    world_settle(world);
    for (uint32_t by = 8; by < 12; by++) {
        uint32_t number = publish_to(world, by, "a/b");
        world_settle(world);
        for (uint32_t i = 0; i < 8; i++) {
            ck_assert_uint_eq(world->clients[i].answer_count, 1);
            ck_assert_uint_eq(client_got(&world->clients[i], number), wanted[i]);
        }
    }
    uint32_t system = publish_to(world, 9, "$x/b");
    world_settle(world);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(client_got(&world->clients[i], system), i == 6);
    world_close(world);
}

START_TEST(topics_delivers_to_whom_the_filter_matches_and_to_nobody_else) {
    check_matches(&one_core);
    check_matches(&three_cores);
}
END_TEST

START_TEST(topics_delivers_nothing_after_unsubscribe_also_while_it_is_not_confirmed) {
    struct world *world = world_open(&three_cores);
    uint32_t subscriber = on_core(world, (owner_of(world, "a") + 1) % 3, 0);
    uint32_t at = client_subscribe_to(world, subscriber, "a");
    client_unsubscribe(world, subscriber, at); // an answer is awaited
    at = client_subscribe_to(world, subscriber, "#");
    client_unsubscribe(world, subscriber, at);
    world_settle(world);
    ck_assert_uint_eq(world->clients[subscriber].answer_count, 0);
    at = client_subscribe_to(world, subscriber, "a");
    world_settle(world);
    (void)publish_to(world, subscriber, "a");
    client_unsubscribe(world, subscriber, at); // it is on its way
    world_settle(world);
    ck_assert_uint_eq(world->clients[subscriber].log_count, 0);
    world_close(world);
}
END_TEST

START_TEST(topics_answers_publishes_with_a_note_once_and_says_whether_somebody_listens) {
    struct world *world = world_open(&three_cores);
    (void)client_subscribe_to(world, 0, "a/#");
    world_settle(world);
    for (uint32_t by = 0; by < 3; by++) {
        struct client *client = &world->clients[by];
        (void)client_publish(world, &(struct publish){.by = by, .topic = "a/b", .note = 7});
        ck_assert_uint_eq(client->published_count, 0); // always later
        world_settle(world);
        ck_assert_uint_eq(client->published_count, 1);
        ck_assert(client->had_subscribers);
        (void)client_publish(world, &(struct publish){.by = by, .topic = "b", .note = 7});
        (void)client_publish(world, &(struct publish){.by = by, .topic = "b"});
        world_settle(world);
        ck_assert_uint_eq(client->published_count, 2);
        ck_assert(!client->had_subscribers);
        ck_assert_uint_eq(client->refused_count, 0);
    }
    world_close(world);
}
END_TEST

START_TEST(topics_encodes_once_for_each_format_and_core) {
    struct world *world = world_open(&three_cores);
    for (uint32_t i = 0; i < 60; i++)
        (void)client_subscribe_to(world, i, "a");
    world_settle(world);
    uint32_t number = publish_to(world, 0, "a");
    world_settle(world);
    for (uint32_t i = 0; i < 60; i++)
        ck_assert_uint_eq(client_got(&world->clients[i], number), 1);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(world->cores[i].encoded_count, RIG_FORMATS);
    world_close(world);
}
END_TEST

START_TEST(topics_gives_one_copy_with_the_highest_qos_and_all_identifiers) {
    static const char *const filters[] = {"a/b", "a/+",   "a/#",   "#",     "+/b",
                                          "+/+", "+/b/#", "a/b/#", "a/+/#", "+/+/#"};
    for (uint32_t count = TOPICS_IDS_MAX - 1; count <= TOPICS_IDS_MAX + 1; count++) {
        struct world *world = world_open(&three_cores);
        for (uint32_t i = 0; i < count; i++) {
            struct held held = {.id = 100 + i, .qos = i == 3 ? 2 : i % 2};
            snprintf(held.filter, sizeof(held.filter), "%s", filters[i]);
            (void)client_subscribe(world, 1, &held);
        }
        (void)client_subscribe_to(world, 4, "a/b"); // the biggest node is not his alone
        (void)client_subscribe_to(world, 7, "a/b");
        world_settle(world);
        for (uint8_t qos = 0; qos < 3; qos++) {
            const struct publish publish = {.by = 2, .topic = "a/b", .qos = qos};
            uint32_t number = client_publish(world, &publish);
            world_settle(world);
            const struct client *client = &world->clients[1];
            ck_assert_uint_eq(client->log_count, qos + 1u);
            const struct got *got = &client->log[qos];
            ck_assert_uint_eq(got->number, number);
            ck_assert_uint_eq(got->qos, qos);
            uint32_t ids = count < TOPICS_IDS_MAX ? count : TOPICS_IDS_MAX;
            ck_assert_uint_eq(got->id_count, ids);
            for (uint32_t i = 0; i < ids; i++)
                ck_assert_uint_eq(got->ids[i], 100 + i);
            ck_assert_uint_eq(client_got(&world->clients[4], number), 1);
            ck_assert_uint_eq(client_got(&world->clients[7], number), 1);
        }
        world_close(world);
    }
}
END_TEST

START_TEST(topics_keeps_from_its_publisher_what_he_does_not_want_back) {
    struct world *world = world_open(&three_cores);
    const struct held own = {.filter = "a", .is_no_local = true};
    (void)client_subscribe(world, 0, &own);
    (void)client_subscribe(world, 3, &own);
    world_settle(world);
    uint32_t number = publish_to(world, 0, "a");
    world_settle(world);
    ck_assert_uint_eq(client_got(&world->clients[0], number), 0);
    ck_assert_uint_eq(client_got(&world->clients[3], number), 1);
    ck_assert_uint_eq(dropped(world, COUNTER_DROPPED_NO_LOCAL), 1);
    (void)client_subscribe_to(world, 0, "+"); // another of his wants it
    world_settle(world);
    number = publish_to(world, 0, "a");
    world_settle(world);
    ck_assert_uint_eq(client_got(&world->clients[0], number), 1);
    ck_assert_uint_eq(dropped(world, COUNTER_DROPPED_NO_LOCAL), 1);
    world_close(world);
}
END_TEST

START_TEST(topics_keeps_the_retain_flag_for_who_asked_for_it) {
    struct world *world = world_open(&one_core);
    (void)client_subscribe(world, 0, &(struct held){.filter = "a", .as_published = true});
    (void)client_subscribe(world, 1, &(struct held){.filter = "a"});
    world_settle(world);
    const struct publish publish = {.by = 2, .topic = "a", .is_retained = true};
    (void)client_publish(world, &publish);
    world_settle(world);
    ck_assert(world->clients[0].log[0].is_each && world->clients[0].log[0].is_retained);
    ck_assert(!world->clients[1].log[0].is_each);
    world_close(world);
}
END_TEST

START_TEST(topics_drops_what_expired_before_its_turn) {
    struct world *world = world_open(&one_core);
    (void)client_subscribe_to(world, 0, "a");
    (void)client_subscribe_to(world, 1, "a");
    (void)client_subscribe_to(world, 1, "+");
    world_settle(world);
    struct publish publish = {.by = 2, .topic = "a", .expires_ns = world->now_ns + NS_PER_US};
    (void)client_publish(world, &publish);
    world_turns(world, 1); // its time is over
    world_settle(world);
    ck_assert_uint_eq(world->clients[0].log_count, 0);
    ck_assert_uint_ge(dropped(world, COUNTER_DROPPED_EXPIRED), 2);
    publish.expires_ns = world->now_ns + 10 * NS_PER_US;
    uint32_t number = client_publish(world, &publish);
    world_turns(world, 1);
    ck_assert_uint_eq(client_got(&world->clients[0], number), 1);
    ck_assert_uint_eq(client_got(&world->clients[1], number), 1);
    publish = (struct publish){.by = 2, .topic = "b", .expires_ns = world->now_ns + NS_PER_US};
    (void)client_subscribe_to(world, 0, "b");
    world_settle(world);
    (void)client_publish(world, &publish);
    world_turns(world, 1);
    ck_assert_uint_eq(dropped(world, COUNTER_DROPPED_EXPIRED), 5);
    world_close(world);
}
END_TEST

// --- slices --------------------------------------------------------------------------------------

#define BUDGET 8

static const struct rig_config sliced = {.core_count = 1, .turn_deliveries_max = BUDGET};

START_TEST(topics_delivers_no_more_in_a_turn_than_it_may) {
    struct world *world = world_open(&sliced);
    for (uint32_t i = 0; i < 20; i++)
        (void)client_subscribe_to(world, i, "a");
    world_settle(world);
    (void)publish_to(world, 0, "a");
    static const uint32_t parts[] = {BUDGET, BUDGET, 20 - 2 * BUDGET, 0};
    for (uint32_t i = 0; i < 4; i++) {
        world_turns(world, 1);
        ck_assert_uint_eq(world->cores[0].delivered_in_flush, parts[i]);
    }
    world_close(world);
}
END_TEST

START_TEST(topics_under_way_follow_who_moves_and_forget_who_leaves) {
    struct world *world = world_open(&sliced);
    uint32_t at[20];
    for (uint32_t i = 0; i < 20; i++)
        at[i] = client_subscribe_to(world, i, "a");
    world_settle(world);
    uint32_t number = publish_to(world, 0, "a");
    world_turns(world, 1); // clients 0 … 7 have it
    client_unsubscribe(world, 3, at[3]);
    client_unsubscribe(world, 12, at[12]);
    client_set_offline(world, 13, true);
    client_set_offline(world, 2, true);
    (void)client_subscribe_to(world, 30, "a"); // from before he was there
    world_turns(world, 1);
    ck_assert_uint_eq(world->clients[30].answer_count, 1);
    uint32_t later = publish_to(world, 0, "a");
    world_settle(world);
    for (uint32_t i = 0; i < 20; i++)
        ck_assert_uint_eq(client_got(&world->clients[i], number), i != 12);
    ck_assert(world->clients[13].log[0].is_each);
    ck_assert(!world->clients[14].log[0].is_each);
    ck_assert_uint_eq(client_got(&world->clients[30], number), 0);
    ck_assert_uint_eq(client_got(&world->clients[30], later), 1);
    ck_assert_uint_eq(client_got(&world->clients[3], later), 0);
    ck_assert_uint_eq(dropped(world, COUNTER_DROPPED_CLOSED), 1);
    world_close(world);
}
END_TEST

#define CROWD 3000

// So many subscriptions to one topic, of all clients of a single core in turn.
static uint32_t *crowd_open(struct world *world, const char *filter) {
    uint32_t *slots = calloc(CROWD, sizeof(*slots));
    enum topics_refusal refusal;
    world->is_crowded = true;
    for (uint32_t i = 0; i < CROWD; i++) {
        const struct topics_request request = {.owner = i % CLIENTS_MAX,
                                               .address = address_of(0, i % CLIENTS_MAX),
                                               .filter = bytes_from_string(filter)};
        slots[i] = topics_subscribe(&world->cores[0].topics, &request, &refusal);
        ck_assert_uint_ne(slots[i], SLAB_NONE);
    }
    world_settle(world);
    return slots;
}

static void crowd_close(struct world *world, uint32_t *slots) {
    for (uint32_t i = 0; i < CROWD; i++)
        topics_unsubscribe(&world->cores[0].topics, slots[i]);
    free(slots);
}

START_TEST(topics_take_turns_and_those_of_one_topic_keep_their_order) {
    const struct rig_config config = {.core_count = 1, .turn_deliveries_max = 2 * FANOUT_SLICE};
    struct world *world = world_open(&config);
    uint32_t *slots = crowd_open(world, "big");
    (void)client_subscribe_to(world, 5, "small");
    world_settle(world);
    uint32_t first = publish_to(world, 0, "big");
    uint32_t second = publish_to(world, 0, "big");
    uint32_t small = publish_to(world, 0, "small");
    world_turns(world, 1);
    ck_assert_uint_eq(client_got(&world->clients[5], small), 1);
    ck_assert_uint_eq(client_got(&world->clients[5], second), 0);
    world_settle(world);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *client = &world->clients[i];
        ck_assert_uint_eq(client_got(client, first), client_got(client, second));
        for (uint32_t k = 1; k < client->log_count; k++)
            ck_assert(client->log[k].number == small || client->log[k - 1].number == small ||
                      client->log[k].number >= client->log[k - 1].number);
    }
    ck_assert_uint_eq(world_sum(world, COUNTER_DELIVERED), 2 * CROWD + 1);
    crowd_close(world, slots);
    world_close(world);
}
END_TEST

START_TEST(topics_are_busy_at_so_many_jobs_and_relays_wait) {
    const struct rig_config config = {.core_count = 2, .turn_deliveries_max = 2, .jobs_max = 4};
    struct world *world = world_open(&config);
    const char *topic = owner_of(world, "a") == 0 ? "a" : "b";
    while (owner_of(world, topic) != 0)
        topic = topic[0] == 'b' ? "c" : "d";
    for (uint32_t i = 0; i < 20; i++)
        (void)client_subscribe_to(world, i, topic);
    world_settle(world);
    world->cores[1].sleeps = true;
    for (uint32_t i = 0; i < 4; i++)
        (void)publish_to(world, 0, topic);
    ck_assert_uint_eq(client_publish(world, &(struct publish){.by = 0, .topic = topic}), 0);
    ck_assert_int_eq(world->clients[0].refusal, TOPICS_BUSY);
    ck_assert_uint_gt(counter_read(&world->cores[0].counters, COUNTER_BUSY), 0);
    world->cores[1].sleeps = false;
    bool has_waited = false;
    for (uint32_t i = 0; i < 30; i++) { // from the other core: they wait in the mailbox
        (void)publish_to(world, 1, topic);
        world_turns(world, 1);
        ck_assert_uint_le(world->cores[0].topics.fanout.jobs.used_count, 4);
        ck_assert_uint_le(world->cores[1].topics.fanout.jobs.used_count, 4);
        const struct actor *service =
            slab_at(&world->cores[0].scheduler.kinds[KIND_TOPICS].slab, 0);
        has_waited |= service->mailbox_count > 0;
    }
    ck_assert(has_waited);
    world_settle(world);
    for (uint32_t i = 0; i < 20; i++)
        ck_assert_uint_eq(world->clients[i].log_count, 34);
    world_close(world);
}
END_TEST

// --- bounds --------------------------------------------------------------------------------------

START_TEST(topics_take_as_many_subscriptions_as_they_may_and_no_more) {
    const struct rig_config config = {.core_count = 1, .subscriptions_max = 3};
    struct world *world = world_open(&config);
    char filter[8];
    for (uint32_t i = 0; i < 5; i++) {
        snprintf(filter, sizeof(filter), "a/%u", i);
        uint32_t at = client_subscribe_to(world, i, filter);
        ck_assert_int_eq(at != FILTERS_MAX, i < 3);
        if (i >= 3)
            ck_assert_int_eq(world->clients[i].refusal, TOPICS_MEMORY);
    }
    client_unsubscribe(world, 0, 0); // its slot waits for the answer
    ck_assert_uint_eq(client_subscribe_to(world, 3, "b"), FILTERS_MAX);
    world_settle(world);
    ck_assert_uint_ne(client_subscribe_to(world, 3, "b"), FILTERS_MAX);
    world_close(world);
}
END_TEST

START_TEST(topics_refuse_more_than_128_levels) {
    struct world *world = world_open(&three_cores);
    char text[2 * TOPICS_LEVELS_MAX + 2];
    enum topics_refusal refusal;
    for (uint32_t levels = TOPICS_LEVELS_MAX - 1; levels <= TOPICS_LEVELS_MAX + 1; levels++) {
        memset(text, '/', levels - 1);
        struct topic_message message = {.topic = bytes_of(text, levels - 1),
                                        .properties = bytes_of("none", 4)};
        bool is_taken = topics_publish(&world->cores[0].topics, &message, 0, &refusal);
        ck_assert_int_eq(is_taken, levels <= TOPICS_LEVELS_MAX);
        struct topics_request request = {.filter = message.topic};
        uint32_t slot = topics_subscribe(&world->cores[0].topics, &request, &refusal);
        ck_assert_int_eq(slot != SLAB_NONE, levels <= TOPICS_LEVELS_MAX);
        ck_assert(slot != SLAB_NONE || refusal == TOPICS_LEVELS);
        if (slot != SLAB_NONE)
            topics_unsubscribe(&world->cores[0].topics, slot);
    }
    world_close(world);
}
END_TEST

START_TEST(topics_wait_for_so_many_answers_and_no_more) {
    const struct rig_config config = {.core_count = 3, .publishes_max = 3};
    struct world *world = world_open(&config);
    ck_assert_uint_ne(client_subscribe_to(world, 0, "a"), FILTERS_MAX);
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_uint_ne(
            client_publish(world, &(struct publish){.by = 0, .topic = "b", .note = 1}), 0);
    ck_assert_uint_eq(client_publish(world, &(struct publish){.by = 0, .topic = "b", .note = 1}),
                      0);
    ck_assert_uint_eq(client_subscribe_to(world, 0, "c"), FILTERS_MAX);
    ck_assert_int_eq(world->clients[0].refusal, TOPICS_BUSY);
    (void)publish_to(world, 0, "b"); // nothing to answer
    world_settle(world);
    ck_assert_uint_ne(client_subscribe_to(world, 0, "c"), FILTERS_MAX);
    world_close(world);
}
END_TEST

START_TEST(topics_owner_refuses_what_a_core_that_sleeps_could_not_take) {
    const struct rig_config config = {.core_count = 2, .ring_cells = 16};
    struct world *world = world_open(&config);
    const char *topic = owner_of(world, "a") == 0 ? "a" : owner_of(world, "b") == 0 ? "b" : "c";
    while (owner_of(world, topic) != 0)
        topic++;
    (void)client_subscribe_to(world, 1, topic);
    world_settle(world);
    world->cores[1].sleeps = true;
    uint32_t taken = 0;
    for (uint32_t i = 0; i < 40; i++)
        taken += client_publish(world, &(struct publish){.by = 0, .topic = topic}) > 0;
    ck_assert_int_eq(world->clients[0].refusal, TOPICS_BUSY);
    ck_assert_uint_eq(taken, 12);
    world->cores[1].sleeps = false;
    world_settle(world);
    ck_assert_uint_eq(world->clients[1].log_count, taken);
    ck_assert_uint_eq(dropped(world, COUNTER_DROPPED_BUSY), 0);
    world_close(world);
}
END_TEST

// --- retained ------------------------------------------------------------------------------------

START_TEST(topics_replay_what_is_retained_before_the_confirmation) {
    struct world *world = world_open(&three_cores);
    char topic[16];
    for (uint32_t i = 0; i < 30; i++) {
        snprintf(topic, sizeof(topic), "%u/%u", i % 10, i);
        struct publish publish = {.by = i, .topic = topic, .qos = 1, .is_retained = true};
        ck_assert_uint_ne(client_publish(world, &publish), 0);
    }
    world_settle(world);
    (void)client_subscribe(world, 1, &(struct held){.filter = "#", .qos = 2, .id = 9});
    struct client *client = &world->clients[1];
    while (client->answer_count == 0) {
        ck_assert_uint_le(client->log_count, 30);
        world_turns(world, 1);
    }
    ck_assert_uint_eq(client->log_count, 30);
    for (uint32_t i = 0; i < 30; i++) {
        const struct got *got = &client->log[i];
        ck_assert(got->is_replay && got->is_retained && got->is_each);
        ck_assert_uint_eq(got->qos, 1);
        ck_assert_uint_eq(got->id_count, 1);
        ck_assert_uint_eq(got->ids[0], 9);
    }
    (void)client_subscribe(world, 2, &(struct held){.filter = "#", .group = "g"});
    world_settle(world);
    ck_assert_uint_eq(world->clients[2].log_count, 0); // not to shared ones
    client_unsubscribe(world, 2, 0);
    world_close(world);
}
END_TEST

START_TEST(topics_give_once_what_was_retained_before_and_whose_relay_is_under_way) {
    struct world *world = world_open(&three_cores);
    uint32_t owner = owner_of(world, "a"), other = (owner + 1) % 3;
    (void)client_subscribe_to(world, on_core(world, other, 0), "a"); // so that there is a relay
    world_settle(world);
    world->cores[other].sleeps = true;
    struct publish publish = {
        .by = on_core(world, owner, 0), .topic = "a", .is_retained = true, .note = 1};
    uint32_t number = client_publish(world, &publish);
    world_turns(world, 4);
    ck_assert_uint_eq(world->clients[publish.by].published_count, 1);
    static const char *const filters[] = {"a", "+"};
    for (uint32_t i = 0; i < 2; i++)
        (void)client_subscribe_to(world, on_core(world, other, 1 + i), filters[i]);
    world->cores[other].sleeps = false;
    world_settle(world);
    ck_assert(!world->clients[on_core(world, other, 0)].log[0].is_replay);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(client_got(&world->clients[on_core(world, other, i)], number), 1);
    ck_assert(world->clients[on_core(world, other, 1)].log[0].is_replay);
    world_close(world);
}
END_TEST

START_TEST(topics_refuse_to_retain_beyond_the_bound_and_say_so) {
    const struct rig_config config = {.core_count = 1, .retained_max = 2};
    struct world *world = world_open(&config);
    (void)client_subscribe_to(world, 1, "#");
    world_settle(world);
    struct publish publish = {.by = 0, .topic = "a", .is_retained = true, .note = 1};
    ck_assert_uint_ne(client_publish(world, &publish), 0);
    publish.topic = "b";
    ck_assert_uint_ne(client_publish(world, &publish), 0);
    publish.topic = "c";
    ck_assert_uint_eq(client_publish(world, &publish), 0);
    ck_assert_int_eq(world->clients[0].refusal, TOPICS_MEMORY);
    publish.note = 0; // nobody is told: the subscribers get it all the same
    ck_assert_uint_ne(client_publish(world, &publish), 0);
    ck_assert_uint_eq(world_sum(world, COUNTER_MQTT_RETAINED_LOST), 1);
    world_settle(world);
    ck_assert_uint_eq(world->clients[1].log_count, 3);
    ck_assert_uint_eq(world_sum(world, COUNTER_MQTT_RETAINED), 2);
    world_close(world);
}
END_TEST

START_TEST(topics_retain_no_more_on_all_cores_together_than_they_may) {
    const struct rig_config config = {.core_count = 3, .retained_max = 5, .bounds_all = true};
    struct world *world = world_open(&config);
    uint32_t owners = 0;
    char topic[8];
    for (uint32_t i = 0; i < 12; i++) {
        snprintf(topic, sizeof(topic), "%u", i);
        struct publish publish = {.by = 0, .topic = topic, .is_retained = true, .note = 1};
        uint32_t before = world->clients[0].refused_count;
        bool is_taken = client_publish(world, &publish) > 0;
        world_settle(world);
        ck_assert_int_eq(is_taken && world->clients[0].refused_count == before, i < 5);
        owners |= i < 5 ? 1u << owner_of(world, topic) : 0;
    }
    ck_assert_int_gt(__builtin_popcount(owners), 1);
    ck_assert_uint_eq(world_sum(world, COUNTER_MQTT_RETAINED), 5);
    ck_assert_uint_eq(world_sum(world, COUNTER_MQTT_RETAINED_BYTES), 5 * (1 + 4 + 4));
    struct publish clear = {.by = 0, .topic = "0", .is_retained = true, .is_empty = true};
    (void)client_publish(world, &clear);
    world_settle(world);
    struct publish publish = {.by = 0, .topic = "7", .is_retained = true};
    (void)client_publish(world, &publish);
    world_settle(world);
    ck_assert_uint_eq(world_sum(world, COUNTER_MQTT_RETAINED), 5);
    world_close(world);
}
END_TEST

START_TEST(topics_answer_each_change_also_those_that_come_while_one_waits) {
    struct world *world = world_open(&three_cores);
    struct publish publish = {.by = 0, .topic = "a", .is_retained = true};
    (void)client_publish(world, &publish);
    world_settle(world);
    for (uint32_t shared = 0; shared < 2; shared++) {
        uint32_t index = 1 + shared;
        struct client *client = &world->clients[index];
        struct held held = {.filter = "+"};
        snprintf(held.group, sizeof(held.group), "%s", shared ? "g" : "");
        uint32_t at = client_subscribe(world, index, &held);
        for (uint32_t i = 0; i < 3; i++) {
            struct topics_request request = request_of(client, index, &client->held[at]);
            topics_change(topics_of(world, index), client->held[at].subscription, &request);
        }
        world_settle(world);
        ck_assert_uint_eq(client->answer_count, 4);
        ck_assert_uint_eq(client->log_count, shared ? 0 : 2); // two rounds had a replay
        client_unsubscribe(world, index, at);
        world_settle(world);
    }
    world_close(world);
}
END_TEST

// --- shared groups -------------------------------------------------------------------------------

START_TEST(topics_give_each_member_of_a_group_its_turn_on_whatever_core) {
    struct world *world = world_open(&three_cores);
    static const uint32_t members[] = {0, 1, 3, 4, 7, 10}; // 2, 4 and 0 of the three cores
    for (uint32_t i = 0; i < 6; i++)
        (void)client_subscribe(world, members[i], &(struct held){.filter = "a", .group = "g"});
    (void)client_subscribe(world, 2, &(struct held){.filter = "a", .group = "h"});
    world_settle(world);
    for (uint32_t i = 0; i < 60; i++) {
        (void)publish_to(world, i % 3, "a");
        world_settle(world);
    }
    for (uint32_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(world->clients[members[i]].log_count, 10);
        ck_assert(world->clients[members[i]].log[0].is_shared);
    }
    ck_assert_uint_eq(world->clients[2].log_count, 60);
    world_close(world);
}
END_TEST

START_TEST(topics_prefer_members_that_are_online_and_take_others_when_there_is_none) {
    struct world *world = world_open(&three_cores);
    for (uint32_t i = 0; i < 6; i++) {
        (void)client_subscribe(world, i, &(struct held){.filter = "a", .group = "g", .qos = 1});
        client_set_offline(world, i, i != 4);
    }
    world_settle(world);
    for (uint32_t i = 0; i < 20; i++) {
        (void)publish_to(world, i % 3, "a");
        world_settle(world);
    }
    ck_assert_uint_eq(world->clients[4].log_count, 20);
    client_set_offline(world, 4, true);
    for (uint32_t i = 0; i < 12; i++) {
        (void)publish_to(world, 0, "a");
        world_settle(world);
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 6; i++)
        sum += world->clients[i].log_count;
    ck_assert_uint_eq(sum, 32);
    world_close(world);
}
END_TEST

START_TEST(topics_count_as_dropped_what_a_group_that_is_gone_should_have_had) {
    struct world *world = world_open(&three_cores);
    uint32_t owner = owner_of(world, "a");
    uint32_t member = on_core(world, (owner + 1) % 3, 0);
    uint32_t at = client_subscribe(world, member, &(struct held){.filter = "a", .group = "g"});
    world_settle(world);
    (void)publish_to(world, on_core(world, owner, 0), "a");
    client_unsubscribe(world, member, at); // the owner has picked its core
    world_settle(world);
    ck_assert_uint_eq(world->clients[member].log_count, 0);
    ck_assert_uint_eq(dropped(world, COUNTER_DROPPED_CLOSED), 1);
    world_close(world);
}
END_TEST

// --- the rest ------------------------------------------------------------------------------------

START_TEST(topics_know_where_filters_stand_and_who_listens) {
    struct world *world = world_open(&one_core);
    struct topics *topics = &world->cores[0].topics;
    struct held held[] = {{.filter = "a//b/+/#"},
                          {.filter = "#"},
                          {.filter = "x/+", .group = "a group"},
                          {.filter = "/"}};
    ck_assert(!topics_has_interest(topics, BYTES_LITERAL("a")));
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t at = client_subscribe(world, 0, &held[i]);
        uint32_t subscription = world->clients[0].held[at].subscription;
        struct bytes filter = bytes_from_string(held[i].filter);
        struct bytes group = bytes_from_string(held[i].group);
        struct topics_place place;
        ck_assert(topics_lookup_place(topics, filter, group, &place));
        ck_assert_uint_eq(place.node, topics_subscription(topics, subscription)->node);
        ck_assert(place.is_shared == (group.size > 0));
        ck_assert(!topics_lookup_place(topics, filter, BYTES_LITERAL("other"), &place));
        ck_assert(!topics_lookup_place(topics, BYTES_LITERAL("a/nobody"), group, &place));
    }
    world_settle(world);
    ck_assert(topics_has_interest(topics, BYTES_LITERAL("other"))); // by #
    ck_assert(!topics_has_interest(topics, BYTES_LITERAL("$SYS")));
    (void)client_subscribe_to(world, 0, "$SYS/x");
    ck_assert(topics_has_interest(topics, BYTES_LITERAL("$SYS")));
    world_close(world);
}
END_TEST

START_TEST(topics_lose_nothing_when_their_service_starts_anew) {
    struct world *world = world_open(&three_cores);
    for (uint32_t i = 0; i < 6; i++)
        (void)client_subscribe_to(world, i, i % 2 ? "a" : "#");
    for (uint32_t round = 0; round < 30; round++) {
        uint32_t number = publish_to(world, round, "a");
        world_turns(world, round % 3);
        if (round < 3) // subscribes are still under way
            continue;
        struct scheduler *scheduler = &world->cores[round % 3].scheduler;
        scheduler_exit(scheduler, KIND_TOPICS, 0, EXIT_KILLED);
        world_turns(world, round % 2); // nobody is there meanwhile
        world_settle(world);
        ck_assert_uint_ne(scheduler_spawn(scheduler, KIND_TOPICS, NULL), PID_NONE);
        for (uint32_t i = 0; i < 6; i++)
            ck_assert_uint_eq(client_got(&world->clients[i], number), 1);
    }
    for (uint32_t i = 0; i < 6; i++)
        ck_assert_uint_eq(world->clients[i].answer_count, 1);
    world_close(world);
}
END_TEST

START_TEST(topics_without_memory_for_parcels_count_what_is_dropped) {
    struct world *world = world_open(&one_core);
    for (uint32_t i = 0; i < 10; i++)
        (void)client_subscribe_to(world, i, "a");
    world_settle(world);
    world->has_no_memory = true;
    (void)publish_to(world, 0, "a");
    world_settle(world);
    ck_assert_uint_eq(dropped(world, COUNTER_DROPPED_MEMORY), 10);
    ck_assert_uint_eq(world->cores[0].encoded_count, RIG_FORMATS);
    world_close(world);
}
END_TEST

// One core's blocks are taken away.
static uint32_t hoard(struct core *core, uint32_t *blocks, uint32_t max) {
    uint32_t count = 0;
    for (size_t size = 64 << 10; size >= 16; size /= 2)
        while (count < max && (blocks[count] = blocks_acquire(&core->blocks, size)) != BLOCK_NONE)
            count++;
    return count;
}

START_TEST(topics_refuse_a_filter_that_one_of_its_owners_has_no_memory_for) {
    for (uint32_t poor = 0; poor < 3; poor++)
        for (uint32_t shared = 0; shared < 2; shared++) {
            const struct rig_config config = {.core_count = 3, .blocks_bytes_max = 1 << 18};
            struct world *world = world_open(&config);
            static uint32_t blocks[8192];
            uint32_t by = on_core(world, (poor + 1) % 3, 0);
            uint32_t count = hoard(&world->cores[poor], blocks, 8192);
            struct held held = {.filter = "+/a-level-of-more-than-18-bytes"};
            snprintf(held.group, sizeof(held.group), "%s", shared ? "g" : "");
            ck_assert_uint_ne(client_subscribe(world, by, &held), FILTERS_MAX);
            world_settle(world);
            ck_assert_uint_eq(world->clients[by].answer_count, 1);
            ck_assert_int_eq(world->clients[by].refusal, TOPICS_MEMORY);
            for (uint32_t i = 0; i < 3; i++)
                ck_assert_uint_eq(world->cores[i].topics.trie.levels.count, 0);
            for (uint32_t i = 0; i < count; i++)
                blocks_release(&world->cores[poor].blocks, blocks[i]);
            ck_assert_uint_ne(client_subscribe(world, by, &held), FILTERS_MAX);
            world_settle(world);
            ck_assert_int_eq(world->clients[by].refusal, TOPICS_OK);
            world_close(world);
        }
}
END_TEST

START_TEST(topics_come_to_no_harm_wherever_memory_runs_out) {
    uint32_t refused = 0, done = 0;
    for (size_t bytes = 512; bytes < 24 << 10; bytes += 128) {
        const struct rig_config config = {.core_count = 2, .blocks_bytes_max = bytes};
        struct world *world = world_open(&config);
        static const char *const filters[] = {"a/b", "#", "a/+", "a/a-level-of-more-than-18-bytes"};
        for (uint32_t i = 0; i < 24; i++) {
            struct held held = {.qos = i % 2, .id = i % 3};
            snprintf(held.filter, sizeof(held.filter), "%s", filters[i % 4]);
            snprintf(held.group, sizeof(held.group), "%s", i % 5 == 0 ? "g" : "");
            refused += client_subscribe(world, i / 4 * 4 + i % 2, &held) == FILTERS_MAX;
            if (i % 3 == 0)
                world_turns(world, 1);
            struct publish publish = {
                .by = i, .topic = "a/b", .is_retained = i % 4 == 0, .note = i % 2};
            uint32_t number = client_publish(world, &publish);
            refused += number == 0;
            done += number > 0;
        }
        world_settle(world);
        world_close(world);
    }
    ck_assert_uint_gt(refused, 100);
    ck_assert_uint_gt(done, 100);
}
END_TEST

UNIT_MAIN("topics/topics", topics_delivers_to_whom_the_filter_matches_and_to_nobody_else,
          topics_delivers_nothing_after_unsubscribe_also_while_it_is_not_confirmed,
          topics_answers_publishes_with_a_note_once_and_says_whether_somebody_listens,
          topics_encodes_once_for_each_format_and_core,
          topics_gives_one_copy_with_the_highest_qos_and_all_identifiers,
          topics_keeps_from_its_publisher_what_he_does_not_want_back,
          topics_keeps_the_retain_flag_for_who_asked_for_it,
          topics_drops_what_expired_before_its_turn, topics_delivers_no_more_in_a_turn_than_it_may,
          topics_under_way_follow_who_moves_and_forget_who_leaves,
          topics_take_turns_and_those_of_one_topic_keep_their_order,
          topics_are_busy_at_so_many_jobs_and_relays_wait,
          topics_take_as_many_subscriptions_as_they_may_and_no_more,
          topics_refuse_more_than_128_levels, topics_wait_for_so_many_answers_and_no_more,
          topics_owner_refuses_what_a_core_that_sleeps_could_not_take,
          topics_replay_what_is_retained_before_the_confirmation,
          topics_give_once_what_was_retained_before_and_whose_relay_is_under_way,
          topics_refuse_to_retain_beyond_the_bound_and_say_so,
          topics_retain_no_more_on_all_cores_together_than_they_may,
          topics_answer_each_change_also_those_that_come_while_one_waits,
          topics_give_each_member_of_a_group_its_turn_on_whatever_core,
          topics_prefer_members_that_are_online_and_take_others_when_there_is_none,
          topics_count_as_dropped_what_a_group_that_is_gone_should_have_had,
          topics_know_where_filters_stand_and_who_listens,
          topics_lose_nothing_when_their_service_starts_anew,
          topics_without_memory_for_parcels_count_what_is_dropped,
          topics_refuse_a_filter_that_one_of_its_owners_has_no_memory_for,
          topics_come_to_no_harm_wherever_memory_runs_out)
