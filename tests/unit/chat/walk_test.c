// Goal: a walk in slices loses, repeats and reorders nothing, whoever leaves or joins meanwhile,
// and large rooms do not keep small ones waiting. Method: the rig with a few deliveries per turn.
#include "tests/unit/chat/chat_rig.h"

START_TEST(walk_in_slices_gives_all_members_all_messages) {
    for (uint32_t slice = 1; slice <= 12; slice++) {
        struct world *world =
            world_open_limited(1, list_settings, (struct world_limits){.turn_deliveries = slice});
        for (uint32_t i = 0; i < 10; i++)
            client_join(world, i, 0, "lobby");
        world_run(world, 100, NS_PER_MS);
        for (uint32_t n = 0; n < 5; n++) {
            ck_assert(client_publish(world, 0, n, false));
            world_run(world, 1, NS_PER_MS); // the next finds the walk under way
        }
        world_run(world, 100, NS_PER_MS);
        for (uint32_t i = 0; i < 10; i++)
            ck_assert_uint_eq(world->clients[i].message_count, 5);
        world_close(world);
    }
}
END_TEST

START_TEST(walk_is_bounded_by_deliveries_also_when_nothing_can_be_batched) {
    struct world *world =
        world_open_limited(1, list_settings, (struct world_limits){.turn_deliveries = 100});
    for (uint32_t i = 0; i < 50; i++)
        client_join(world, i, 0, "lobby");
    world_run(world, 100, NS_PER_MS);
    for (uint32_t n = 0; n < 40; n++)
        ck_assert(client_publish(world, 0, n, true)); // whispers
    world_run(world, 1, NS_PER_MS);
    uint32_t got = 0;
    for (uint32_t i = 0; i < 50; i++)
        got += world->clients[i].whisper_count;
    ck_assert_uint_gt(got, 0);
    ck_assert_uint_le(got, 100 + 40); // a member that is begun gets all
    world_run(world, 100, NS_PER_MS);
    for (uint32_t i = 1; i < 50; i++)
        ck_assert_uint_eq(world->clients[i].whisper_count, 40);
    world_close(world);
}
END_TEST

START_TEST(walk_of_a_large_room_lets_small_ones_pass) {
    struct world *world =
        world_open_limited(1, list_settings, (struct world_limits){.turn_deliveries = 10});
    for (uint32_t i = 0; i < 200; i++)
        client_join(world, i, 0, "large");
    client_join(world, 300, 0, "small");
    client_join(world, 301, 0, "small");
    world_run(world, 200, 10 * NS_PER_MS);
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 2, NS_PER_MS);
    ck_assert(client_publish(world, 300, 1, false));
    world_run(world, 3, NS_PER_MS);
    ck_assert_uint_eq(world->clients[301].message_count, 1);
    ck_assert_uint_eq(world->clients[199].message_count, 0);
    world_run(world, 30, NS_PER_MS);
    ck_assert_uint_eq(world->clients[199].message_count, 1);
    world_close(world);
}
END_TEST

// Leaves before and behind the cursor, with and without flush, and joins, between slices; the rig
// checks each member's order, the audit and the array after every turn.
START_TEST(walk_survives_leaves_and_joins_between_its_slices) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng = {seed};
        struct world_limits limits = {.turn_deliveries = 1 + rng_below(&rng, 9),
                                      .batch_bytes = 64 + rng_below(&rng, 512)};
        struct world *world = world_open_limited(1 + seed % 2, list_settings, limits);
        for (uint32_t i = 0; i < 40; i++)
            client_join(world, i, i % world->core_count, "lobby");
        world_run(world, 100, NS_PER_MS);
        for (uint32_t step = 0; step < 200; step++) {
            uint32_t i = 1 + rng_below(&rng, 59);
            struct client *client = &world->clients[i];
            if (client->member == SLAB_NONE)
                client_join(world, i, i % world->core_count, "lobby");
            else if (rng_below(&rng, 2))
                client_leave(world, i, rng_below(&rng, 2));
            else if (client->is_joined)
                client->is_blocked = !client->is_blocked;
            (void)client_publish(world, 0, step, rng_below(&rng, 4) == 0);
            world_run(world, rng_below(&rng, 3), NS_PER_MS);
        }
        world_run(world, 3000, NS_PER_MS);
        for (uint32_t i = 1; i < 60; i++)
            if (world->clients[i].is_joined)
                ck_assert_uint_eq(world->clients[i].last_sequence, world->clients[0].last_sequence);
        world_close(world);
    }
}
END_TEST

UNIT_MAIN("chat/walk", walk_in_slices_gives_all_members_all_messages,
          walk_is_bounded_by_deliveries_also_when_nothing_can_be_batched,
          walk_of_a_large_room_lets_small_ones_pass,
          walk_survives_leaves_and_joins_between_its_slices)
