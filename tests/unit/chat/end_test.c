// Goal: a room, a leaf or the chat actor that ends at any point leaves nothing behind: members get
// what they are owed and are told, what was asked is answered, lives of a room do not mix. Method:
// the rig with kills at chosen points, then random schedules by seed with kills among them.
#include "tests/unit/chat/chat_rig.h"

static void join_many(struct world *world, uint32_t count, const char *room) {
    for (uint32_t i = 0; i < count; i++)
        client_join(world, i, i % world->core_count, room);
    world_run(world, 8, NS_PER_MS);
    for (uint32_t i = 0; i < count; i++)
        ck_assert(world->clients[i].is_joined);
}

// Permanent, as under its supervisor.
static void chat_start(struct core *core) {
    if (!slab_is_used(&core->scheduler.kinds[KIND_CHAT].slab, 0))
        ck_assert_uint_ne(scheduler_spawn(&core->scheduler, KIND_CHAT, NULL), PID_NONE);
}

static void chat_kill_or_restart(struct core *core) {
    if (slab_is_used(&core->scheduler.kinds[KIND_CHAT].slab, 0))
        scheduler_exit(&core->scheduler, KIND_CHAT, 0, EXIT_KILLED);
    else if (core->scheduler.kinds[KIND_CHAT].slab.retired_count == 0)
        chat_start(core);
}

static void check_answered(struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++)
        ck_assert_uint_eq(world->cores[i].chat.publish_count, 0);
}

START_TEST(end_of_a_room_tells_its_members_once_behind_what_they_are_owed) {
    for (uint32_t cores = 1; cores <= CORES_MAX; cores++) {
        struct world *world = world_open(cores, list_settings, 1024, 32768);
        join_many(world, 12, "lobby");
        uint64_t epoch = world->clients[0].epoch;
        for (uint32_t n = 0; n < 10; n++)
            ck_assert(client_publish(world, n, n, false));
        core_turn(&world->cores[home_of(world, "lobby")]);
        for (uint32_t i = 0; cores > 1 && i < cores; i++) // the relays of others are on their way
            core_turn(&world->cores[i]);
        room_kill(world, "lobby");
        world_run(world, 8, NS_PER_MS);
        for (uint32_t i = 0; i < 12; i++) {
            const struct client *client = &world->clients[i];
            ck_assert_uint_eq(client->ended_count, 1);
            ck_assert_uint_eq(client->member, SLAB_NONE);
            ck_assert_uint_eq(client->message_count, world->clients[0].message_count);
        }
        check_answered(world);
        join_many(world, 12, "lobby");
        for (uint32_t i = 0; i < 12; i++) {
            ck_assert_uint_ne(world->clients[i].epoch, epoch);
            ck_assert_uint_eq(world->clients[i].watermark, 0);
        }
        ck_assert(client_publish(world, 3, 1, false));
        world_run(world, 40, 20 * NS_PER_MS);
        for (uint32_t i = 0; i < 12; i++) {
            ck_assert_uint_eq(world->clients[i].last_sequence, 1);
            ck_assert_uint_eq(world->clients[i].ref_count, 12);
        }
        world_close(world);
    }
}
END_TEST

START_TEST(end_of_a_room_answers_every_publish_under_way_before_its_members_are_told) {
    for (uint32_t turns = 0; turns < 6; turns++) {
        struct world *world = world_open(3, list_settings, 1024, 32768);
        join_many(world, 12, "lobby");
        for (uint32_t n = 0; n < 24; n++) {
            ck_assert(client_publish(world, n % 12, n, n % 4 == 0));
            if (n % 8 < turns)
                core_turn(&world->cores[n % 3]);
        }
        room_kill(world, "lobby");
        for (uint32_t n = 0; n < 12; n++) { // not told yet
            if (world->clients[n].is_joined)
                ck_assert(client_publish(world, n, n, false) ||
                          world->clients[n].refusal == REFUSAL_RESTARTED);
            if (n < turns)
                core_turn(&world->cores[n % 3]);
        }
        world_run(world, 10, NS_PER_MS);
        for (uint32_t i = 0; i < 12; i++) { // chat_port_ended compares asked and answered
            ck_assert_uint_eq(world->clients[i].ended_count, 1);
            ck_assert_uint_ge(world->clients[i].refused_count, turns == 0);
        }
        check_answered(world);
        world_close(world);
    }
}
END_TEST

START_TEST(end_of_a_room_refuses_publishes_at_once_where_it_is_known) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    join_many(world, 4, "lobby");
    uint32_t home = home_of(world, "lobby");
    uint32_t other = 1 - home; // clients 0 and 1 are on cores 0 and 1
    room_kill(world, "lobby");
    core_turn(&world->cores[home]);
    core_turn(&world->cores[other]); // knows, and asks whether all was answered
    ck_assert(world->clients[other].is_joined);
    ck_assert(!client_publish(world, other, 1, false));
    ck_assert_int_eq(world->clients[other].refusal, REFUSAL_RESTARTED);
    client_leave(world, other, true); // and may leave all the same
    world_run(world, 8, NS_PER_MS);
    ck_assert_uint_eq(world->clients[other].ended_count, 0);
    ck_assert_uint_eq(world->clients[other + 2].ended_count, 1);
    world_close(world);
}
END_TEST

START_TEST(end_of_a_room_refuses_the_joins_in_its_mailbox) {
    struct world *world = world_open(1, list_settings, 1024, 32768);
    join_many(world, 1, "lobby");
    for (uint32_t i = 1; i < 200; i++)
        client_join(world, i, 0, "lobby");
    world->cores[0].scheduler.reductions_per_turn = 100; // the chat actor forwards some
    core_turn(&world->cores[0]);
    client_leave(world, 150, false);
    room_kill(world, "lobby");
    world->cores[0].scheduler.reductions_per_turn = 4096;
    world_run(world, 8, NS_PER_MS);
    uint32_t joined = 0;
    uint32_t refused = 0;
    for (uint32_t i = 1; i < 200; i++) {
        const struct client *client = &world->clients[i];
        joined += client->is_joined;
        refused += client->is_refused;
        ck_assert(!client->is_refused || client->refusal == REFUSAL_RESTARTED);
        ck_assert(i == 150 || client->is_joined || client->is_refused || client->ended_count);
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert_uint_gt(joined, 0); // in the room's next life
    world_close(world);
}
END_TEST

// Slices of the walk that ends memberships; the next life's members come in between and get its
// messages only.
START_TEST(end_of_a_large_room_goes_in_slices_and_lives_do_not_mix) {
    struct world *world =
        world_open_limited(2, list_settings, (struct world_limits){.turn_deliveries = 7});
    for (uint32_t i = 0; i < 300; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 300, 20 * NS_PER_MS);
    for (uint32_t n = 0; n < 5; n++)
        ck_assert(client_publish(world, n, n, false));
    room_kill(world, "lobby");
    for (uint32_t i = 300; i < 310; i++)
        client_join(world, i, i % 2, "lobby");
    uint32_t before = 0;
    uint32_t slices = 0;
    for (uint32_t turn = 0; turn < 1500; turn++) {
        world_run(world, 1, NS_PER_MS);
        uint32_t ended = 0;
        for (uint32_t i = 0; i < 300; i++)
            ended += world->clients[i].ended_count;
        ck_assert_uint_le(ended - before, 2 * 7);
        slices += ended > before;
        before = ended;
        if (turn % 16 == 0 && world->clients[300].is_joined)
            (void)client_publish(world, 300, turn, false);
        if (turn < 100 && turn % 10 == 0 && world->clients[turn].is_joined)
            client_leave(world, turn, turn % 20 == 0);
    }
    ck_assert_uint_gt(before, 280);
    ck_assert_uint_ge(slices, 300 / 14);
    for (uint32_t i = 300; i < 310; i++) {
        ck_assert(world->clients[i].is_joined);
        ck_assert_uint_ge(world->clients[i].message_count, 1);
        ck_assert_uint_eq(world->clients[i].last_sequence, world->clients[300].last_sequence);
        ck_assert_uint_eq(world->clients[i].ref_count, 10);
    }
    check_answered(world);
    world_close(world);
}
END_TEST

START_TEST(end_of_a_room_without_memory_cuts_its_members_untold) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    join_many(world, 6, "lobby");
    world->has_no_memory = true;
    ck_assert(client_publish(world, 1, 1, false));
    core_turn(&world->cores[1]);
    world_run(world, 3, NS_PER_MS);
    room_kill(world, "lobby");
    world_run(world, 8, NS_PER_MS);
    for (uint32_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(world->clients[i].cut_count, 1);
        ck_assert_uint_eq(world->clients[i].member, SLAB_NONE);
    }
    world->has_no_memory = false;
    world_close(world);
}
END_TEST

START_TEST(end_of_a_room_frees_much_presence_in_slices) {
    struct world *world =
        world_open_limited(1, list_settings, (struct world_limits){.turn_deliveries = 64});
    world->is_one_user = true; // many metas of one, and of others
    for (uint32_t i = 0; i < 250; i++)
        client_join(world, i, 0, "lobby");
    world->is_one_user = false;
    for (uint32_t i = 250; i < 500; i++)
        client_join(world, i, 0, "lobby");
    world_run(world, 200, 20 * NS_PER_MS);
    struct chat *chat = &world->cores[0].chat;
    ck_assert_uint_eq(chat->metas.used_count, 500);
    room_kill(world, "lobby");
    uint32_t left = chat->metas.used_count;
    for (uint32_t turn = 0; turn < 400 && chat->graves != BLOCK_NONE; turn++) {
        world_run(world, 1, NS_PER_MS);
        ck_assert_uint_le(left - chat->metas.used_count, 64 / 4 + 2);
        left = chat->metas.used_count;
    }
    ck_assert_uint_eq(chat->graves, BLOCK_NONE);
    ck_assert_uint_eq(chat->users.used_count, 0);
    world_run(world, 200, NS_PER_MS);
    world_close(world);
}
END_TEST

START_TEST(a_leaf_that_is_killed_ends_its_members_and_the_others_see_them_leave) {
    for (uint32_t cores = 1; cores <= CORES_MAX; cores++) {
        struct world *world = world_open(cores, list_settings, 1024, 32768);
        join_many(world, 30, "lobby");
        world_run(world, 10, 50 * NS_PER_MS);
        ck_assert(client_publish(world, 0, 1, false));
        world_run(world, 2, 0);
        leaf_kill(world, 0, "lobby");
        world_run(world, 20, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < 30; i++) {
            const struct client *client = &world->clients[i];
            ck_assert_uint_eq(client->ended_count, i % cores == 0);
            ck_assert_int_eq(client->is_joined, i % cores != 0);
            if (client->is_joined)
                ck_assert_uint_eq(client->ref_count, 30 - (30 + cores - 1) / cores);
        }
        check_answered(world);
        for (uint32_t i = 0; i < 30; i += cores)
            client_join(world, i, 0, "lobby");
        world_run(world, 20, 50 * NS_PER_MS);
        ck_assert(client_publish(world, 0, 2, false));
        world_run(world, 6, NS_PER_MS);
        for (uint32_t i = 0; i < 30; i++) {
            ck_assert_uint_eq(world->clients[i].last_sequence, 2);
            ck_assert_uint_eq(world->clients[i].ref_count, 30);
        }
        world_close(world);
    }
}
END_TEST

START_TEST(a_leaf_that_is_killed_refuses_the_joins_under_way) {
    for (uint32_t turns = 0; turns < 4; turns++) {
        struct world *world = world_open(2, list_settings, 1024, 32768);
        uint32_t other = 1 - home_of(world, "lobby");
        for (uint32_t i = 0; i < 8; i++)
            client_join(world, i, other, "lobby");
        client_leave(world, 7, false);
        for (uint32_t t = 0; t < turns; t++) // to the home, and back
            core_turn(&world->cores[t % 2 ? 1 - other : other]);
        leaf_kill(world, other, "lobby");
        for (uint32_t i = 0; i < 7; i++)
            ck_assert(world->clients[i].is_refused || world->clients[i].ended_count == 1);
        for (uint32_t i = 0; i < 7; i++)
            client_join(world, i, other, "lobby");
        world_run(world, 20, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < 7; i++) {
            ck_assert(world->clients[i].is_joined);
            ck_assert_uint_eq(world->clients[i].ref_count, 7);
        }
        world_close(world);
    }
}
END_TEST

// Parts gathered, a walk cut short, a room ended, a walk that ends memberships cut short.
START_TEST(a_leaf_may_be_killed_in_every_phase) {
    for (uint32_t turns = 0; turns < 24; turns++) {
        struct world *world =
            world_open_limited(2, list_settings, (struct world_limits){.turn_deliveries = 5});
        uint32_t home = home_of(world, "lobby");
        for (uint32_t i = 0; i < 40; i++)
            client_join(world, i, home, "lobby");
        world_run(world, 100, 20 * NS_PER_MS);
        for (uint32_t n = 0; n < 4; n++)
            ck_assert(client_publish(world, n, n, false));
        if (turns >= 4) {
            world_run(world, (turns - 4) / 2, NS_PER_MS);
            room_kill(world, "lobby");
        }
        world_run(world, turns / 2 + turns % 2, NS_PER_MS);
        (void)scheduler_turn(&world->cores[home].scheduler, world->now_ns); // parts, and no flush
        if (registry_lookup(&world->cores[home].chat.leaves, BYTES_LITERAL("lobby")))
            leaf_kill(world, home, "lobby");
        for (uint32_t i = 0; i < 40; i++) {
            ck_assert_uint_eq(world->clients[i].ended_count, 1);
            ck_assert_uint_eq(world->clients[i].member, SLAB_NONE);
        }
        world_run(world, 20, NS_PER_MS);
        check_answered(world);
        world_close(world);
    }
}
END_TEST

START_TEST(a_chat_actor_that_is_killed_refuses_its_joins_as_busy_and_answers_are_still_taken) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    uint32_t home = home_of(world, "lobby");
    join_many(world, 4, "lobby");
    struct client *away = &world->clients[1 - home];
    client_join(world, 10, 1 - home, "lobby");
    client_join(world, 11, home, "lobby");
    core_turn(&world->cores[1 - home]);
    for (uint32_t core = 0; core < 2; core++)
        chat_kill_or_restart(&world->cores[core]);
    ck_assert(client_publish(world, 1 - home, 1, false));
    room_kill(world, "lobby");
    world_run(world, 8, NS_PER_MS);
    for (uint32_t i = 10; i < 12; i++) {
        ck_assert(world->clients[i].is_refused);
        ck_assert_int_eq(world->clients[i].refusal, REFUSAL_BUSY);
    }
    ck_assert_uint_eq(away->refused_count, 1);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(world->clients[i].ended_count, 1);
    check_answered(world);
    for (uint32_t core = 0; core < 2; core++)
        chat_kill_or_restart(&world->cores[core]); // it is found where the one before was
    join_many(world, 4, "lobby");
    world_close(world);
}
END_TEST

START_TEST(a_successor_of_a_room_has_its_name_and_gives_way_to_one_that_a_join_made) {
    struct world *world = world_open(1, list_settings, 1024, 32768);
    struct scheduler *scheduler = &world->cores[0].scheduler;
    struct chat *chat = &world->cores[0].chat;
    join_many(world, 2, "lobby");
    uint64_t epoch = world->clients[0].epoch;
    uint64_t pid = registry_lookup(&chat->rooms, BYTES_LITERAL("lobby"));
    uint64_t payload =
        room_behaviour.succession(chat, scheduler_lookup(scheduler, pid), pid_slot(pid).index);
    ck_assert_uint_ne(payload, PAYLOAD_NONE);
    room_kill(world, "lobby");
    ck_assert_uint_ne(scheduler_spawn(scheduler, KIND_ROOM, payload_data(scheduler, payload)),
                      PID_NONE);
    struct chat_room_info info;
    ck_assert(chat_room_lookup(chat, BYTES_LITERAL("lobby"), &info));
    ck_assert_uint_ne(info.epoch, epoch);
    ck_assert_uint_eq(info.connections, 0);
    uint64_t spare = scheduler_spawn(scheduler, KIND_ROOM, payload_data(scheduler, payload));
    ck_assert_uint_ne(spare, PID_NONE);
    payload_unref(scheduler, payload);
    world_run(world, 8, NS_PER_MS);
    ck_assert_ptr_null(scheduler_lookup(scheduler, spare));
    join_many(world, 2, "lobby");
    ck_assert_uint_eq(world->clients[0].epoch, info.epoch);
    ck_assert(!chat_room_end(chat, BYTES_LITERAL("another"), EXIT_KILLED));
    world_close(world);
}
END_TEST

static void kill_some(struct world *world, struct rng *rng) {
    struct core *core = &world->cores[rng_below(rng, world->core_count)];
    if (rng_below(rng, 8) == 0) {
        chat_kill_or_restart(core);
        return;
    }
    uint8_t kind = rng_below(rng, 2) ? KIND_ROOM : KIND_LEAF;
    const struct slab *slab = &core->scheduler.kinds[kind].slab;
    if (slab->used_count == 0)
        return;
    uint32_t index = rng_below(rng, slab->touched_count);
    if (!slab_is_used(slab, index))
        return;
    world->kills_leaves |= kind == KIND_LEAF;
    if (rng_below(rng, 2))
        scheduler_exit(&core->scheduler, kind, index, EXIT_KILLED);
    else // by a signal: its mail goes before it does
        scheduler_doom(&core->scheduler, kind, index, EXIT_KILLED);
}

static void step(struct world *world, struct rng *rng, uint32_t number) {
    static const char *const rooms[] = {"a", "b", "lobby"};
    uint32_t i = rng_below(rng, 90);
    struct client *client = &world->clients[i];
    uint32_t dice = rng_below(rng, 100);
    if (client->member == SLAB_NONE && dice < 70)
        client_join(world, i, rng_below(rng, world->core_count), rooms[i % 3]);
    else if (client->member != SLAB_NONE && dice < 8)
        client_leave(world, i, dice < 4);
    else if (client->is_joined && dice < 60)
        (void)client_publish(world, i, number, dice < 20);
    else if (client->is_joined && dice < 65)
        client->is_blocked = true;
    else if (client->is_blocked) {
        client->is_blocked = false;
        chat_member_writable(&world->cores[client->core].chat, client->member);
    }
    if (dice < 30) {
        world->now_ns += rng_below(rng, 50) * NS_PER_MS;
        core_turn(&world->cores[rng_below(rng, world->core_count)]);
    }
    if (rng_below(rng, 40) == 0)
        kill_some(world, rng);
    if (dice == 99 && rng_below(rng, 8) == 0)
        world->has_no_memory = !world->has_no_memory;
    if (dice < 2)
        world_validate(world);
}

// Once quiet: members of one room agree on its life, the last message and who is there.
static void check_agreement(struct world *world) {
    for (uint32_t i = 0; i < 90; i++) {
        for (uint32_t j = i % 3; j < i; j += 3) {
            const struct client *a = &world->clients[i];
            const struct client *b = &world->clients[j];
            if (!a->is_joined || !b->is_joined)
                continue;
            ck_assert_uint_eq(a->epoch, b->epoch);
            ck_assert_uint_eq(a->last_sequence, b->last_sequence);
            ck_assert_uint_eq(a->ref_count, b->ref_count);
        }
    }
}

START_TEST(random_schedules_with_kills_keep_order_presence_answers_and_the_audit) {
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rng rng = {seed};
        struct room_settings settings = {.presence = PRESENCE_LIST,
                                         .presence_list_max = 5 + rng_below(&rng, 100)};
        struct world_limits limits = {.ring_cells = 16u << rng_below(&rng, 4),
                                      .batch_bytes = 64 + rng_below(&rng, 4096),
                                      .turn_deliveries = 1 + rng_below(&rng, 300)};
        struct world *world = world_open_limited(1 + rng_below(&rng, CORES_MAX), settings, limits);
        world->stalls_long = true;
        for (uint32_t number = 0; number < 1500; number++)
            step(world, &rng, number);
        world->has_no_memory = false;
        world_run(world, 2, NS_PER_MS);
        for (uint32_t i = 0; i < world->core_count; i++)
            chat_start(&world->cores[i]);
        for (uint32_t i = 0; i < 90; i++) {
            struct client *client = &world->clients[i];
            if (client->is_joined && client->is_blocked) {
                client->is_blocked = false;
                chat_member_writable(&world->cores[client->core].chat, client->member);
            }
        }
        world_run(world, 300, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < 3; i++) // gaps that had no memory come with the next message
            if (world->clients[i].is_joined)
                (void)client_publish(world, i, 1, false);
        world_run(world, 300, 50 * NS_PER_MS);
        check_agreement(world);
        check_answered(world);
        world_close(world);
    }
}
END_TEST

UNIT_MAIN("chat/end", end_of_a_room_tells_its_members_once_behind_what_they_are_owed,
          end_of_a_room_answers_every_publish_under_way_before_its_members_are_told,
          end_of_a_room_refuses_publishes_at_once_where_it_is_known,
          end_of_a_room_refuses_the_joins_in_its_mailbox,
          end_of_a_large_room_goes_in_slices_and_lives_do_not_mix,
          end_of_a_room_without_memory_cuts_its_members_untold,
          end_of_a_room_frees_much_presence_in_slices,
          a_leaf_that_is_killed_ends_its_members_and_the_others_see_them_leave,
          a_leaf_that_is_killed_refuses_the_joins_under_way, a_leaf_may_be_killed_in_every_phase,
          a_chat_actor_that_is_killed_refuses_its_joins_as_busy_and_answers_are_still_taken,
          a_successor_of_a_room_has_its_name_and_gives_way_to_one_that_a_join_made,
          random_schedules_with_kills_keep_order_presence_answers_and_the_audit)
