// Goal: what a room promises (order, join watermark, replies, whispers, back-pressure, room life),
// over one to three cores. Method: the rig, and random schedules by seed.
#include "tests/unit/chat/chat_rig.h"

START_TEST(chat_every_member_gets_every_message_in_order_and_the_sender_its_number) {
    for (uint32_t cores = 1; cores <= CORES_MAX; cores++) {
        struct world *world = world_open(cores, list_settings, 1024, 32768);
        for (uint32_t i = 0; i < 30; i++)
            client_join(world, i, i % cores, "lobby");
        world_run(world, 4, NS_PER_MS);
        for (uint32_t i = 0; i < 30; i++)
            ck_assert(world->clients[i].is_joined);
        for (uint64_t n = 1; n <= 100; n++)
            ck_assert(client_publish(world, (uint32_t)n % 30, n, false));
        world_run(world, 6, NS_PER_MS);
        for (uint32_t i = 0; i < 30; i++) {
            ck_assert_uint_eq(world->clients[i].message_count, 100);
            ck_assert_uint_ge(world->clients[i].accepted_count, 3);
            ck_assert_uint_ge(world->clients[i].batch_count, 1);
        }
        world_close(world);
    }
}
END_TEST

START_TEST(chat_a_joiner_gets_exactly_the_messages_after_its_watermark) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    client_join(world, 0, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    // Publishes and joins interleave within turns; client_message asserts that none is missing or
    // early.
    for (uint32_t i = 1; i < 60; i++) {
        ck_assert(client_publish(world, 0, i, false));
        client_join(world, i, i % 2, "lobby");
        ck_assert(client_publish(world, 0, i, false));
        if (i % 3 == 0)
            world_run(world, 1, NS_PER_MS);
    }
    world_run(world, 6, NS_PER_MS);
    for (uint32_t i = 0; i < 60; i++)
        ck_assert_uint_eq(world->clients[i].last_sequence, 118);
    world_close(world);
}
END_TEST

START_TEST(chat_a_whisper_reaches_all_but_its_sender_and_takes_no_number) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(client_publish(world, 3, 1, true));
    ck_assert(client_publish(world, 3, 2, false));
    world_run(world, 4, NS_PER_MS);
    for (uint32_t i = 0; i < 10; i++) {
        ck_assert_uint_eq(world->clients[i].whisper_count, i != 3);
        ck_assert_uint_eq(world->clients[i].last_sequence, 1);
    }
    ck_assert_uint_eq(world->clients[3].accepted_count, 2);
    world_close(world);
}
END_TEST

START_TEST(chat_who_watches_is_told_of_each_publish_once_and_else_of_none) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(client_publish(world, 3, 1, false));
    world_run(world, 4, NS_PER_MS);
    ck_assert_uint_eq(world->published_count, 0);
    for (uint32_t core = 0; core < 2; core++)
        world->cores[core].chat.is_watched = true;
    ck_assert(client_publish(world, 3, 2, false));
    world_run(world, 4, NS_PER_MS);
    ck_assert_uint_eq(world->published_count, 1);
    ck_assert_uint_eq(world->published.member_count, 10);
    ck_assert_uint_eq(world->published.body_size, sizeof(uint64_t));
    ck_assert(!world->published.is_whisper);
    ck_assert(client_publish(world, 4, 3, true));
    world_run(world, 4, NS_PER_MS);
    ck_assert_uint_eq(world->published_count, 2);
    ck_assert(world->published.is_whisper);
    world_close(world);
}
END_TEST

START_TEST(chat_a_core_that_stalls_makes_its_rooms_busy_and_nothing_vanishes_untold) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 4, NS_PER_MS);
    uint32_t home = registry_lookup(&world->cores[0].chat.rooms, BYTES_LITERAL("lobby")) ? 0 : 1;
    uint32_t publisher = home; // clients 0 and 1 are on cores 0 and 1
    uint64_t refused = 0;
    for (uint32_t n = 0; n < 200; n++) {
        if (!client_publish(world, publisher, n, false))
            refused++;
        world->now_ns += NS_PER_MS;
        core_turn(&world->cores[home]); // the other core takes nothing
    }
    refused += world->clients[publisher].refused_count;
    ck_assert_uint_gt(refused, 100);
    world_run(world, 40, NS_PER_MS);
    for (uint32_t i = 0; i < 10;
         i++) // every message, or a gap that says which: the same end for all
        ck_assert_uint_eq(world->clients[i].last_sequence, 200 - refused);
    ck_assert(client_publish(world, publisher, 1, false));
    world_run(world, 4, NS_PER_MS);
    ck_assert_uint_eq(world->clients[1 - home].last_sequence, 201 - refused);
    world_close(world);
}
END_TEST

START_TEST(chat_a_leaf_pauses_at_its_batch_bound_and_delivers_all) {
    struct world *world = world_open(1, list_settings, 64, 256);
    for (uint32_t i = 0; i < 5; i++)
        client_join(world, i, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    for (uint32_t n = 0; n < 500; n++)
        ck_assert(client_publish(world, 0, n, false));
    world_run(world, 200, NS_PER_MS);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(world->clients[i].message_count, 500);
    world_close(world);
}
END_TEST

START_TEST(chat_rooms_beyond_the_limit_are_refused_by_name) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    char name[16];
    for (uint32_t i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "room-%u", i);
        client_join(world, i, 0, name);
    }
    world_run(world, 4, NS_PER_MS);
    for (uint32_t i = 0; i < 9; i++) {
        ck_assert_int_eq(world->clients[i].is_joined, i < 8);
        ck_assert_int_eq(world->clients[i].is_refused, i >= 8);
    }
    world_close(world);
}
END_TEST

START_TEST(chat_a_room_that_dies_comes_back_with_a_new_epoch) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    struct chat_room_info first;
    struct chat_room_info second;
    client_join(world, 0, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 4, NS_PER_MS);
    ck_assert(chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &first));
    ck_assert_uint_eq(first.sequence, 1);
    client_leave(world, 0, true);
    world_run(world, 5, 10 * NS_PER_S);
    ck_assert(chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &second));
    ck_assert_uint_eq(first.epoch, second.epoch);
    world_run(world, 3, 10 * NS_PER_S);
    ck_assert(!chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &second));
    client_join(world, 0, 0, "lobby");
    world_run(world, 4, NS_PER_MS);
    ck_assert(chat_room_lookup(&world->cores[0].chat, BYTES_LITERAL("lobby"), &second));
    ck_assert_uint_ne(first.epoch, second.epoch);
    ck_assert_uint_eq(world->clients[0].watermark, 0);
    world_close(world);
}
END_TEST

// The room's timer comes before the leave in its mailbox: its news finds the leaf gone.
// Random schedules: joins, leaves (also while pending), publishes, whispers, blocked members,
// stalled cores.
static void campaign(uint64_t seed) {
    struct rng rng = {seed};
    struct room_settings settings = {.presence = PRESENCE_LIST,
                                     .presence_list_max = 5 + rng_below(&rng, 100)};
    uint32_t cores = 1 + rng_below(&rng, CORES_MAX);
    struct world *world = world_open(cores, settings, 64, 256 + rng_below(&rng, 4096));
    static const char *const rooms[] = {"a", "b", "lobby"};
    for (uint32_t step = 0; step < 2000; step++) {
        uint32_t i = rng_below(&rng, 120);
        struct client *client = &world->clients[i];
        uint32_t dice = rng_below(&rng, 100);
        if (client->member == SLAB_NONE && dice < 60)
            client_join(world, i, rng_below(&rng, cores), rooms[i % 3]);
        else if (client->member != SLAB_NONE && dice < 10)
            client_leave(world, i, dice < 5);
        else if (client->is_joined && dice < 50)
            (void)client_publish(world, i, step, dice < 15);
        else if (client->is_joined && dice < 55)
            client->is_blocked = true;
        else if (client->is_blocked) {
            client->is_blocked = false;
            chat_member_writable(&world->cores[client->core].chat, client->member);
        }
        if (dice < 30) {
            world->now_ns += rng_below(&rng, 50) * NS_PER_MS;
            core_turn(&world->cores[rng_below(&rng, cores)]);
        }
        if (dice < 2)
            world_validate(world);
    }
    for (uint32_t i = 0; i < 120; i++) {
        struct client *client = &world->clients[i];
        if (client->is_joined && client->is_blocked) {
            client->is_blocked = false;
            chat_member_writable(&world->cores[client->core].chat, client->member);
        }
    }
    world_run(world, 200, 50 * NS_PER_MS);
    // Quiet: members of one room agree on the last message and on who is there.
    for (uint32_t i = 0; i < 120; i++) {
        for (uint32_t j = i % 3; j < i; j += 3) {
            const struct client *a = &world->clients[i];
            const struct client *b = &world->clients[j];
            if (!a->is_joined || !b->is_joined)
                continue;
            ck_assert_uint_eq(a->last_sequence, b->last_sequence);
            ck_assert_uint_eq(a->ref_count, b->ref_count);
        }
    }
    world_close(world);
}

START_TEST(chat_random_schedules_keep_order_presence_and_the_audit) {
    for (uint64_t seed = 1; seed <= 24; seed++)
        campaign(seed);
}
END_TEST

UNIT_MAIN("chat/chat", chat_every_member_gets_every_message_in_order_and_the_sender_its_number,
          chat_a_joiner_gets_exactly_the_messages_after_its_watermark,
          chat_a_whisper_reaches_all_but_its_sender_and_takes_no_number,
          chat_who_watches_is_told_of_each_publish_once_and_else_of_none,
          chat_a_core_that_stalls_makes_its_rooms_busy_and_nothing_vanishes_untold,
          chat_a_leaf_pauses_at_its_batch_bound_and_delivers_all,
          chat_rooms_beyond_the_limit_are_refused_by_name,
          chat_a_room_that_dies_comes_back_with_a_new_epoch,
          chat_random_schedules_keep_order_presence_and_the_audit)
