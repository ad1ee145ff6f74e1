// Goal: a membership that moves to another core gets every message once and in order, from the one
// core up to a number and from the other after it, whatever ends meanwhile. Method: the rig, whose
// client reads what waits on the new core behind what the old one gives, with publishes at every
// step; then random schedules by seed with moves, kills and lack of memory.
#include "tests/unit/chat/chat_rig.h"

static void join_many(struct world *world, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        client_join(world, i, i % world->core_count, "lobby");
    world_run(world, 10, 50 * NS_PER_MS);
    for (uint32_t i = 0; i < count; i++)
        ck_assert(world->clients[i].is_joined);
}

// Each core a turn, in an order of its own, with a publish before each.
static void turns(struct world *world, uint32_t count, uint32_t order, uint32_t *number) {
    for (uint32_t t = 0; t < count; t++) {
        world->now_ns += NS_PER_MS;
        for (uint32_t c = 0; c < world->core_count; c++) {
            uint32_t core = (c * (1 + order % 2) + order) % world->core_count;
            ++*number;
            ck_assert(client_publish(world, 4 + core, *number, *number % 3 == 0));
            core_turn(&world->cores[core]);
        }
        world_validate(world);
    }
}

START_TEST(move_between_any_two_cores_gives_every_message_once_in_order) {
    for (uint32_t variant = 0; variant < 54; variant++) {
        uint32_t cores = 2 + variant % 2;
        struct world *world = world_open(cores, list_settings, 1024, 32768);
        join_many(world, 8); // 4 and on publish and stay
        uint32_t number = 0;
        uint32_t from = world->clients[0].core;
        uint32_t to = (from + 1 + variant / 2 % (cores - 1)) % cores;
        turns(world, 2, variant, &number);
        for (uint32_t n = 0; n < variant % 3; n++) // answered on the core it leaves
            ck_assert(client_publish(world, 0, ++number, n == 1));
        ck_assert(client_move(world, 0, to));
        ck_assert(!client_publish(world, 0, 1, false));
        turns(world, 12, variant, &number);
        ck_assert_uint_eq(world->clients[0].moved_count, 1);
        ck_assert_uint_eq(world->clients[0].core, to);
        ck_assert(client_publish(world, 0, ++number, false));
        world_run(world, 20, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < 8; i++) {
            ck_assert_uint_eq(world->clients[i].last_sequence, world->clients[4].last_sequence);
            ck_assert_uint_eq(world->clients[i].message_count, world->clients[4].message_count);
            ck_assert_uint_eq(world->clients[i].ref_count, 8);
            ck_assert_uint_eq(world->clients[i].gap_count, 0);
        }
        // Whispers too: none is lost, and the rig checks each sender's order.
        ck_assert_uint_eq(world->clients[0].whisper_count + (variant % 3 == 2),
                          world->clients[1].whisper_count);
        world_close(world);
    }
}
END_TEST

START_TEST(move_shows_nobody_a_change_of_presence) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    join_many(world, 6);
    world_run(world, 10, 50 * NS_PER_MS);
    uint32_t diffs = world->clients[1].diff_count;
    uint32_t states = world->clients[1].state_count;
    ck_assert(client_move(world, 0, 1));
    world_run(world, 20, 50 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].moved_count, 1);
    ck_assert_uint_eq(world->clients[1].diff_count, diffs);
    ck_assert_uint_eq(world->clients[1].state_count, states);
    client_leave(world, 0, true); // from there
    world_run(world, 20, 50 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 5);
    world_close(world);
}
END_TEST

START_TEST(move_to_a_core_without_a_leaf_and_back_and_the_empty_leaf_goes) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    uint32_t home = home_of(world, "lobby");
    client_join(world, 0, home, "lobby");
    world_run(world, 6, NS_PER_MS);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t to = 1 - world->clients[0].core;
        ck_assert(client_publish(world, 0, i, false));
        ck_assert(client_move(world, 0, to));
        world_run(world, 8, NS_PER_MS);
        ck_assert_uint_eq(world->clients[0].moved_count, i + 1);
        ck_assert_uint_eq(world->cores[1 - to].scheduler.kinds[KIND_LEAF].slab.used_count, 0);
        ck_assert_uint_eq(counter_read(&world->cores[to].counters, COUNTER_MEMBERS), 1);
        ck_assert_uint_eq(counter_read(&world->cores[1 - to].counters, COUNTER_MEMBERS), 0);
    }
    ck_assert_uint_eq(world->clients[0].last_sequence, 6);
    world_close(world);
}
END_TEST

START_TEST(move_is_declined_where_there_is_no_place_and_before_the_join_is_answered) {
    struct world *world = world_open_limited(2, list_settings, (struct world_limits){.members = 3});
    for (uint32_t i = 0; i < 4; i++)
        client_join(world, i, i > 0, "lobby"); // one on core 0, three on core 1
    ck_assert(!client_move(world, 1, 0));
    world_run(world, 10, NS_PER_MS);
    ck_assert(!client_move(world, 0, 1)); // full
    ck_assert(client_move(world, 1, 0));
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 10, NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].moved_count, 1);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(world->clients[i].last_sequence, 1);
    world_close(world);
}
END_TEST

// The room, leaf A, leaf B or the client ends after each number of turns of a move.
static void end_one(struct world *world, uint32_t who) {
    struct client *client = &world->clients[0];
    uint32_t core = who == 1 ? 0 : 1;
    if (who == 0) {
        room_kill(world, "lobby");
    } else if (who <= 2) {
        world->kills_leaves = true;
        if (registry_lookup(&world->cores[core].chat.leaves, BYTES_LITERAL("lobby")))
            leaf_kill(world, core, "lobby");
    } else if (client->member != SLAB_NONE || client->arriving != SLAB_NONE) {
        client_leave(world, 0, who == 3);
    }
}

START_TEST(move_survives_the_end_of_room_leaf_or_client_at_every_step) {
    for (uint32_t variant = 0; variant < 5 * 12 * 2; variant++) {
        struct world *world = world_open(2 + variant % 2, list_settings, 1024, 32768);
        uint32_t number = 0;
        uint32_t who = variant / 2 % 5;
        client_join(world, 0, 0, "lobby");
        for (uint32_t i = 4; i < 7; i++)
            client_join(world, i, i % world->core_count, "lobby");
        world_run(world, 10, 50 * NS_PER_MS);
        ck_assert(client_move(world, 0, 1));
        for (uint32_t s = 0; s < variant / 10; s++) {
            ck_assert(client_publish(world, 4, ++number, false));
            core_turn(&world->cores[(s + variant) % world->core_count]);
        }
        end_one(world, who);
        world_run(world, 30, 50 * NS_PER_MS);
        const struct client *client = &world->clients[0];
        ck_assert(!client->is_moving && client->arriving == SLAB_NONE);
        ck_assert(client->is_joined || client->ended_count > 0 || who >= 3);
        if (client->is_joined)
            ck_assert_uint_eq(client->last_sequence, number);
        for (uint32_t i = 0; i < 7; i++)
            if (world->clients[i].member == SLAB_NONE)
                client_join(world, i, i % world->core_count, "lobby");
        world_run(world, 30, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < 7; i++)
            ck_assert_uint_eq(world->clients[i].ref_count, 7);
        world_close(world);
    }
}
END_TEST

static void kill_some(struct world *world, struct rng *rng) {
    struct core *core = &world->cores[rng_below(rng, world->core_count)];
    uint8_t kind = rng_below(rng, 2) ? KIND_ROOM : KIND_LEAF;
    const struct slab *slab = &core->scheduler.kinds[kind].slab;
    uint32_t index = slab->touched_count ? rng_below(rng, slab->touched_count) : 0;
    if (!slab_is_used(slab, index))
        return;
    world->kills_leaves |= kind == KIND_LEAF;
    if (rng_below(rng, 2))
        scheduler_exit(&core->scheduler, kind, index, EXIT_KILLED);
    else
        scheduler_doom(&core->scheduler, kind, index, EXIT_KILLED);
}

static void step(struct world *world, struct rng *rng, uint32_t number, bool kills) {
    static const char *const rooms[] = {"a", "b", "lobby"};
    uint32_t i = rng_below(rng, 60);
    struct client *client = &world->clients[i];
    uint32_t dice = rng_below(rng, 100);
    if (client->member == SLAB_NONE && client->arriving == SLAB_NONE && dice < 70)
        client_join(world, i, rng_below(rng, world->core_count), rooms[i % 3]);
    else if (client->member != SLAB_NONE && dice < 5)
        client_leave(world, i, dice < 3);
    else if (client_is_settled(client) && dice < 40)
        (void)client_move(world, i,
                          (client->core + 1 + rng_below(rng, world->core_count - 1)) %
                              world->core_count);
    else if (client_is_settled(client) && dice < 75)
        (void)client_publish(world, i, number, dice < 50);
    if (dice < 40) {
        world->now_ns += rng_below(rng, 50) * NS_PER_MS;
        core_turn(&world->cores[rng_below(rng, world->core_count)]);
    }
    if (kills && rng_below(rng, 60) == 0)
        kill_some(world, rng);
    if (kills && rng_below(rng, 800) == 0)
        world->has_no_memory = !world->has_no_memory;
    if (dice < 2)
        world_validate(world);
}

START_TEST(move_random_schedules_keep_order_presence_and_the_audit) {
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rng rng = {seed};
        struct room_settings settings = {.presence = PRESENCE_LIST,
                                         .presence_list_max = 5 + rng_below(&rng, 100)};
        struct world_limits limits = {.ring_cells = 16u << rng_below(&rng, 4),
                                      .batch_bytes = 64 + rng_below(&rng, 4096),
                                      .turn_deliveries = 8 + rng_below(&rng, 300)};
        struct world *world =
            world_open_limited(2 + rng_below(&rng, CORES_MAX - 1), settings, limits);
        world->stalls_long = true;
        for (uint32_t number = 0; number < 1500; number++)
            step(world, &rng, number, seed % 2);
        world->has_no_memory = false;
        world_run(world, 300, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < 60; i++) {
            const struct client *a = &world->clients[i];
            ck_assert(!a->is_moving && a->arriving == SLAB_NONE);
            for (uint32_t j = i % 3; j < i; j += 3) {
                const struct client *b = &world->clients[j];
                if (!a->is_joined || !b->is_joined || seed % 2)
                    continue;
                ck_assert_uint_eq(a->last_sequence, b->last_sequence);
                ck_assert_uint_eq(a->ref_count, b->ref_count);
            }
        }
        for (uint32_t i = 0; i < world->core_count; i++)
            ck_assert_uint_eq(world->cores[i].chat.publish_count, 0);
        world_close(world);
    }
}
END_TEST

UNIT_MAIN("chat/move", move_between_any_two_cores_gives_every_message_once_in_order,
          move_shows_nobody_a_change_of_presence,
          move_to_a_core_without_a_leaf_and_back_and_the_empty_leaf_goes,
          move_is_declined_where_there_is_no_place_and_before_the_join_is_answered,
          move_survives_the_end_of_room_leaf_or_client_at_every_step,
          move_random_schedules_keep_order_presence_and_the_audit)
