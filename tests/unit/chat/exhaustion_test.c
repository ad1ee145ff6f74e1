// Goal: no limit that peers can reach aborts, reorders, hides a loss or leaks. Method: each limit
// at its edge, then random schedules with limits so small that each is reached, by seed.
#include "tests/unit/chat/chat_rig.h"

START_TEST(chat_members_beyond_the_limit_are_refused_and_their_places_reused) {
    struct world *world = world_open_limited(2, list_settings, (struct world_limits){.members = 5});
    for (uint32_t i = 0; i < 12; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 10, NS_PER_MS);
    for (uint32_t i = 0; i < 12; i++) {
        ck_assert_int_eq(world->clients[i].is_joined, i < 10);
        if (i >= 10)
            ck_assert_int_eq(world->clients[i].refusal, REFUSAL_MEMORY);
    }
    client_leave(world, 0, true);
    client_join(world, 10, 0, "lobby");
    world_run(world, 10, NS_PER_MS);
    ck_assert(world->clients[10].is_joined);
    world_close(world);
}
END_TEST

START_TEST(chat_rooms_beyond_the_limit_of_leaves_are_refused_by_name) {
    struct world *world = world_open_limited(2, list_settings, (struct world_limits){.rooms = 2});
    char name[16];
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "room-%u", i);
        client_join(world, i, 0, name);
    }
    ck_assert_uint_eq(world->clients[2].member, SLAB_NONE);
    ck_assert_int_eq(world->clients[2].refusal, REFUSAL_TOO_MANY_ROOMS);
    world_run(world, 10, NS_PER_MS);
    world_close(world);
}
END_TEST

START_TEST(chat_publishes_without_an_answer_are_bounded) {
    struct world *world =
        world_open_limited(2, list_settings, (struct world_limits){.publishes = 4});
    for (uint32_t i = 0; i < 4; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 4, NS_PER_MS);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t core = 0; core < 2; core++)
            for (uint32_t n = 0; n < 6; n++)
                ck_assert_int_eq(client_publish(world, core, n, n % 2), n < 4);
        world_run(world, 6, NS_PER_MS);
    }
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(world->clients[i].message_count, 12);
    // Those who leave before the answer free its place too.
    ck_assert(client_publish(world, 0, 1, false));
    client_leave(world, 0, false);
    client_leave(world, 2, false);
    world_run(world, 6, NS_PER_MS);
    ck_assert_uint_eq(world->cores[0].chat.publish_count, 0);
    ck_assert_uint_eq(world->cores[1].chat.publish_count, 0);
    world_close(world);
}
END_TEST

// Two rooms: the ring to the other core is filled by leaves of one, so a message of the other is
// lost; who joins after that is not told of it.
START_TEST(chat_a_joiner_is_not_told_of_what_was_lost_before_it) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    const char *rooms[2] = {NULL, NULL}; // by home
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (uint32_t i = 0; i < 8; i++)
        rooms[chat_home_core(&world->cores[0].chat, bytes_from_string(names[i]))] = names[i];
    ck_assert(rooms[0] && rooms[1]);
    client_join(world, 0, 0, rooms[0]);
    client_join(world, 1, 1, rooms[0]);
    for (uint32_t i = 100; i < 200; i++) {
        client_join(world, i, 0, rooms[1]);
        world_run(world, 1, NS_PER_MS);
    }
    world_run(world, 20, 100 * NS_PER_MS);
    for (uint32_t i = 100; i < 200; i++)
        client_leave(world, i, false);
    core_turn(&world->cores[0]); // 64 of them fill the ring, the rest wait
    client_join(world, 3, 1, rooms[0]);
    core_turn(&world->cores[1]); // takes the ring, sends the join
    ck_assert(client_publish(world, 0, 1, false));
    core_turn(&world->cores[0]);
    world_run(world, 20, NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].gap_count, 1);
    ck_assert_uint_eq(world->clients[1].last_sequence, 1);
    ck_assert(world->clients[3].is_joined);
    ck_assert_uint_eq(world->clients[3].gap_count, 0);
    ck_assert_uint_eq(world->clients[3].watermark, 1);
    world_close(world);
}
END_TEST

START_TEST(chat_a_message_that_no_memory_was_left_for_is_a_gap_in_its_place) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    for (uint32_t i = 0; i < 4; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 20, 20 * NS_PER_MS);
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 4, NS_PER_MS);
    world->has_no_memory = true;
    ck_assert(client_publish(world, 0, 2, false));
    ck_assert(client_publish(world, 1, 3, false));
    client_join(world, 4, 0, "lobby"); // who cannot be let in before the others are told
    world_run(world, 4, NS_PER_MS);
    world->has_no_memory = false;
    ck_assert_int_eq(world->clients[4].refusal, REFUSAL_MEMORY);
    ck_assert(world->clients[4].is_refused);
    client_join(world, 5, 1, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(client_publish(world, 0, 4, false));
    world_run(world, 4, NS_PER_MS);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(world->clients[i].gap_count, 1);
        ck_assert_uint_eq(world->clients[i].message_count, 2);
        ck_assert_uint_eq(world->clients[i].last_sequence, 4);
    }
    ck_assert_uint_eq(world->clients[5].gap_count, 0);
    ck_assert_uint_eq(world->clients[5].message_count, 1);
    world_close(world);
}
END_TEST

START_TEST(chat_a_gap_that_no_memory_was_left_for_comes_with_whatever_comes_next) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    client_join(world, 0, 0, "lobby");
    client_join(world, 2, 0, "lobby");
    world_run(world, 20, 20 * NS_PER_MS);
    world->has_no_memory = true;
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 4, NS_PER_MS);
    world->has_no_memory = false;
    client_join(world, 4, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].gap_count, 1);
    ck_assert_uint_eq(world->clients[2].gap_count, 1);
    ck_assert_uint_eq(world->clients[4].gap_count, 0);
    ck_assert(world->clients[4].is_joined);
    world_close(world);
}
END_TEST

// Blocks have classes: a gap may find none where a message of another size does.
START_TEST(chat_a_message_behind_a_gap_that_cannot_be_told_belongs_to_the_gap) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    client_join(world, 0, 0, "lobby");
    client_join(world, 2, 0, "lobby");
    world_run(world, 20, 20 * NS_PER_MS);
    world->has_no_memory = world->has_no_gap_memory = true;
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 4, NS_PER_MS);
    world->has_no_memory = false;
    ck_assert(client_publish(world, 0, 2, false));
    world_run(world, 4, NS_PER_MS);
    world->has_no_gap_memory = false;
    ck_assert(client_publish(world, 0, 3, false));
    world_run(world, 4, NS_PER_MS);
    for (uint32_t i = 0; i < 4; i += 2) {
        ck_assert_uint_eq(world->clients[i].gap_count, 1);
        ck_assert_uint_eq(world->clients[i].message_count, 1);
        ck_assert_uint_eq(world->clients[i].last_sequence, 3);
    }
    world_close(world);
}
END_TEST

static struct world_limits small_limits(struct rng *rng) {
    struct world_limits limits = {.ring_cells = 16u << rng_below(rng, 3),
                                  .cells = 2048,
                                  .batch_bytes = 64 + rng_below(rng, 2048),
                                  .turn_deliveries = 1 + rng_below(rng, 200),
                                  .publishes = 1 + rng_below(rng, 32)};
    if (rng_below(rng, 2))
        limits.rooms = 1 + rng_below(rng, 4);
    if (rng_below(rng, 2))
        limits.members = 1 + rng_below(rng, 40);
    if (rng_below(rng, 2))
        limits.users = 1 + rng_below(rng, 30);
    if (rng_below(rng, 2))
        limits.blocks_bytes = 2048 + rng_below(rng, 30000);
    return limits;
}

static void step(struct world *world, struct rng *rng, uint32_t number) {
    static const char *const rooms[] = {"a", "b", "c", "lobby", "x"};
    uint32_t i = rng_below(rng, 100);
    struct client *client = &world->clients[i];
    uint32_t dice = rng_below(rng, 100);
    if (client->member == SLAB_NONE && dice < 60)
        client_join(world, i, rng_below(rng, world->core_count), rooms[i % 5]);
    else if (client->member != SLAB_NONE && dice < 12)
        client_leave(world, i, dice < 6);
    else if (client->is_joined && dice < 55)
        (void)client_publish(world, i, number, dice < 20);
    else if (client->is_joined && dice < 60)
        client->is_blocked = true;
    else if (client->is_blocked) {
        client->is_blocked = false;
        chat_member_writable(&world->cores[client->core].chat, client->member);
    }
    if (dice < 30) {
        world->now_ns += rng_below(rng, 50) * NS_PER_MS;
        core_turn(&world->cores[rng_below(rng, world->core_count)]);
    }
    if (dice == 0)
        world->has_no_memory = !world->has_no_memory;
    if (dice < 2)
        world_validate(world);
}

// What every limit leaves whole: order and gaps (the rig), the audit, and that all is given back.
START_TEST(chat_random_schedules_at_small_limits_abort_nothing_and_leak_nothing) {
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rng rng = {seed};
        struct room_settings settings = {.presence = rng_below(&rng, 3),
                                         .presence_list_max = 1 + rng_below(&rng, 30)};
        uint32_t cores = 1 + rng_below(&rng, CORES_MAX);
        struct world *world = world_open_limited(cores, settings, small_limits(&rng));
        for (uint32_t number = 0; number < 1500; number++)
            step(world, &rng, number);
        world->has_no_memory = false;
        world_run(world, 100, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < cores; i++)
            ck_assert_uint_eq(world->cores[i].chat.publish_count, 0);
        world_close(world);
    }
}
END_TEST

UNIT_MAIN("chat/exhaustion", chat_members_beyond_the_limit_are_refused_and_their_places_reused,
          chat_rooms_beyond_the_limit_of_leaves_are_refused_by_name,
          chat_publishes_without_an_answer_are_bounded,
          chat_a_joiner_is_not_told_of_what_was_lost_before_it,
          chat_a_message_that_no_memory_was_left_for_is_a_gap_in_its_place,
          chat_a_gap_that_no_memory_was_left_for_comes_with_whatever_comes_next,
          chat_a_message_behind_a_gap_that_cannot_be_told_belongs_to_the_gap,
          chat_random_schedules_at_small_limits_abort_nothing_and_leak_nothing)
