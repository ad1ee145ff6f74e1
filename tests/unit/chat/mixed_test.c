// Goal: members of several formats, those served one by one, observers and silent ones share a
// room's order and lose, or are told twice, nothing, whatever happens to one format or one member.
// Method: the rig; states of a turn by hand; then random schedules by seed.
#include "tests/unit/chat/chat_rig.h"

#include "chat/mix.h"

static const struct way each = {.format = ADDRESS_EACH};
static const struct way with_gaps = {.format = FORMAT_WITH_GAPS};
static const struct way without_gaps = {.format = FORMAT_WITHOUT_GAPS};

static bool has_mix(struct world *world, uint32_t core, const char *room) {
    return leaf_at(&world->cores[core].chat, leaf_of(world, core, room))->mix != BLOCK_NONE;
}

static uint64_t count_of(const struct world *world, uint32_t core, enum counter which) {
    return counter_read(&world->cores[core].counters, which);
}

// Clients 0 … 3: of format 0, without gaps, with gaps, one by one. Two of each when `twice`.
static struct world *mixed_world(struct world_limits limits, bool twice) {
    struct world *world = world_open_limited(1, list_settings, limits);
    const struct way ways[] = {{0}, without_gaps, with_gaps, each};
    for (uint32_t i = 0; i < (twice ? 8u : 4u); i++) {
        struct way way = ways[i % 4];
        way.is_silent = way.format != FORMAT_PLAIN;
        client_join_as(world, i, 0, "lobby", way);
    }
    world_run(world, 50, 10 * NS_PER_MS);
    return world;
}

// All of a turn but its walk.
static void half_turn(struct world *world) {
    world->now_ns += NS_PER_MS;
    (void)scheduler_turn(&world->cores[0].scheduler, world->now_ns);
}

START_TEST(mixed_a_message_is_encoded_once_for_each_format_with_members) {
    struct world *world = mixed_world((struct world_limits){0}, true);
    ck_assert(has_mix(world, 0, "lobby"));
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 2, NS_PER_MS);
    for (uint32_t format = 0; format < ADDRESS_FORMATS; format++)
        ck_assert_uint_eq(world->encode_counts[format], format <= FORMAT_WITH_GAPS);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(world->clients[i].message_count, 1);
    ck_assert_uint_eq(world->clients[3].each_count, 1);
    ck_assert_uint_eq(world->clients[2].each_count, 0);
    ck_assert_uint_eq(count_of(world, 0, COUNTER_DUE), 8);
    for (uint32_t i = 0; i < 8; i++)
        if (i % 4 != 0)
            client_leave(world, i, true);
    ck_assert(client_publish(world, 0, 2, false));
    world_run(world, 2, NS_PER_MS);
    ck_assert_uint_eq(world->encode_counts[FORMAT_PLAIN], 2);
    ck_assert_uint_eq(world->encode_counts[FORMAT_WITH_GAPS], 1);
    ck_assert(!has_mix(world, 0, "lobby")); // what it cost is given back
    world_close(world);
}
END_TEST

START_TEST(mixed_a_room_of_format_0_alone_has_no_mix) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    client_join(world, 0, 0, "lobby");
    world_run(world, 5, NS_PER_MS);
    ck_assert(!has_mix(world, 0, "lobby"));
    ck_assert_uint_eq(sizeof(struct member), 32);
    client_join_as(world, 1, 0, "lobby", (struct way){.is_silent = true});
    world_run(world, 5, NS_PER_MS);
    ck_assert(has_mix(world, 0, "lobby"));
    world_close(world);
}
END_TEST

START_TEST(mixed_formats_have_batches_of_their_own_in_one_order) {
    struct world *world = mixed_world((struct world_limits){0}, true);
    for (uint32_t n = 0; n < 5; n++)
        ck_assert(client_publish(world, 0, n, false));
    ck_assert(client_publish(world, 0, 0, true)); // only format 0 has whispers
    for (uint32_t n = 5; n < 8; n++)
        ck_assert(client_publish(world, 4, n, false));
    world->clients[6].is_blocked = true; // takes the parts
    world_run(world, 3, NS_PER_MS);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(world->clients[i].last_sequence, 8);
    ck_assert_uint_eq(world->clients[1].batch_count, 2);
    ck_assert_uint_eq(world->clients[2].batch_count, 2);
    ck_assert_uint_eq(world->clients[6].batch_count, 0);
    ck_assert_uint_eq(world->clients[3].each_count, 8);
    ck_assert_uint_eq(world->clients[4].whisper_count, 1);
    ck_assert_uint_eq(world->clients[2].whisper_count, 0);
    world_close(world);
}
END_TEST

// Only its members miss the message; those who can be told of it are, in its place.
START_TEST(mixed_memory_that_is_out_for_one_format_is_a_gap_for_its_members_alone) {
    for (uint32_t format = 0; format <= FORMAT_WITH_GAPS; format++) {
        struct world *world = mixed_world((struct world_limits){0}, true);
        ck_assert(client_publish(world, 0, 1, false));
        world_run(world, 2, NS_PER_MS);
        world->formats_out = 1u << format;
        ck_assert(client_publish(world, 0, 2, false));
        ck_assert(client_publish(world, 0, 3, false));
        world_run(world, 2, NS_PER_MS);
        world->formats_out = 0;
        ck_assert(client_publish(world, 0, 4, false));
        world_run(world, 2, NS_PER_MS);
        for (uint32_t i = 0; i < 8; i++) {
            bool misses = address_format(world->clients[i].address) == format;
            ck_assert_uint_eq(world->clients[i].message_count, misses ? 2 : 4);
            ck_assert_uint_eq(world->clients[i].gap_count, misses && format != FORMAT_WITHOUT_GAPS);
            ck_assert_uint_eq(world->clients[i].last_sequence, 4);
        }
        ck_assert_uint_eq(count_of(world, 0, COUNTER_DROPPED_MEMORY), 2 * 2);
        world_close(world);
    }
}
END_TEST

START_TEST(mixed_observers_get_presence_and_nothing_else_and_are_not_in_it) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    client_join(world, 0, 0, "lobby");
    client_join_as(world, 1, 0, "lobby", (struct way){FORMAT_WITH_GAPS, .is_observer = true});
    client_join_as(world, 2, 1, "lobby", (struct way){ADDRESS_EACH, .is_observer = true});
    client_join_as(world, 3, 1, "lobby", (struct way){.is_observer = true});
    // As one may be that only asks what is retained: neither messages nor presence.
    client_join_as(world, 4, 1, "lobby",
                   (struct way){ADDRESS_EACH, .is_observer = true, .is_silent = true});
    world_run(world, 50, 10 * NS_PER_MS);
    client_join(world, 6, 1, "lobby");
    world_run(world, 50, 10 * NS_PER_MS);
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 4, NS_PER_MS);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(world->clients[i].ref_count, 2); // clients 0 and 6
        ck_assert_uint_ge(world->clients[i].state_count, 1);
    }
    ck_assert_uint_ge(world->clients[2].diff_count, 1);
    ck_assert_uint_eq(world->clients[4].state_count + world->clients[4].diff_count, 0);
    ck_assert_uint_eq(count_of(world, 0, COUNTER_DUE) + count_of(world, 1, COUNTER_DUE), 2);
    struct chat_room_info info;
    ck_assert(chat_room_lookup(&world->cores[home_of(world, "lobby")].chat, BYTES_LITERAL("lobby"),
                               &info));
    ck_assert_uint_eq(info.connections, 2);
    ck_assert_uint_eq(info.observers, 4);
    // Observers alone keep a room.
    client_leave(world, 0, true);
    client_leave(world, 6, true);
    world_run(world, 10, 10 * NS_PER_S);
    ck_assert_uint_eq(world->clients[2].ref_count, 0);
    ck_assert_uint_eq(count_of(world, home_of(world, "lobby"), COUNTER_ROOMS), 1);
    world_close(world);
}
END_TEST

START_TEST(mixed_silent_members_are_in_the_presence_that_they_do_not_get) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    client_join(world, 0, 0, "lobby");
    client_join_as(world, 2, 0, "lobby", (struct way){.is_silent = true});
    client_join_as(world, 4, 0, "lobby", (struct way){FORMAT_WITH_GAPS, .is_silent = true});
    client_join_as(world, 6, 0, "lobby", (struct way){ADDRESS_EACH, .is_silent = true});
    world_run(world, 50, 10 * NS_PER_MS);
    ck_assert(client_publish(world, 2, 1, false));
    world_run(world, 2, NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].ref_count, 4);
    for (uint32_t i = 0; i < 8; i += 2) {
        ck_assert_uint_eq(world->clients[i].message_count, 1);
        ck_assert(i == 0 || world->clients[i].state_count + world->clients[i].diff_count == 0);
    }
    world_close(world);
}
END_TEST

START_TEST(mixed_counts_go_to_observers_of_every_format) {
    struct world *world =
        world_open(1, (struct room_settings){.presence = PRESENCE_COUNTS}, 64, 32768);
    client_join(world, 0, 0, "lobby");
    client_join_as(world, 1, 0, "lobby", (struct way){FORMAT_WITHOUT_GAPS, .is_observer = true});
    client_join_as(world, 2, 0, "lobby", (struct way){ADDRESS_EACH, .is_observer = true});
    client_join_as(world, 3, 0, "lobby", (struct way){FORMAT_WITH_GAPS, .is_silent = true});
    world_run(world, 50, 100 * NS_PER_MS);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_ge(world->clients[i].count_count, 1);
        ck_assert_uint_eq(world->clients[i].shown_users, 2);
    }
    ck_assert_uint_eq(world->clients[3].count_count, 0);
    world_close(world);
}
END_TEST

// It cannot take presence now, as an offline one: it gets a state when it can, and when it comes
// back elsewhere.
START_TEST(mixed_an_observer_that_missed_presence_gets_a_new_state) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    client_join_as(world, 1, 0, "lobby", (struct way){ADDRESS_EACH, .is_observer = true});
    world_run(world, 50, 10 * NS_PER_MS);
    world->clients[1].is_blocked = true;
    client_join(world, 2, 0, "lobby");
    world_run(world, 50, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 0);
    world->clients[1].is_blocked = false;
    chat_member_writable(&world->cores[0].chat, world->clients[1].member);
    world_run(world, 50, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 1);
    world->clients[1].is_blocked = true;
    client_leave(world, 2, false);
    world_run(world, 50, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 1);
    world->clients[1].is_blocked = false;
    client_readdress(world, 1, FORMAT_WITH_GAPS);
    uint32_t states = world->clients[1].state_count;
    world_run(world, 50, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 0);
    ck_assert_uint_eq(world->clients[1].state_count, states + 1);
    world_close(world);
}
END_TEST

// --- readdressing --------------------------------------------------------------------------------

// What was gathered comes once, before what follows: from every kind of address to every other.
START_TEST(mixed_who_is_readdressed_before_the_walk_gets_what_it_is_owed_once) {
    static const uint32_t formats[] = {FORMAT_WITHOUT_GAPS, FORMAT_WITH_GAPS, 4, ADDRESS_EACH};
    for (uint32_t from = 0; from < 4; from++) {
        for (uint32_t to = 0; to < 4; to++) {
            struct world *world = mixed_world((struct world_limits){0}, false);
            client_join_as(world, 5, 0, "lobby",
                           (struct way){.format = formats[from], .is_silent = true});
            world_run(world, 4, NS_PER_MS);
            ck_assert(client_publish(world, 0, 1, false));
            ck_assert(client_publish(world, 0, 2, false));
            half_turn(world);
            half_turn(world);
            ck_assert_uint_eq(world->clients[5].message_count, 0);
            client_readdress(world, 5, formats[to]);
            ck_assert_uint_eq(world->clients[5].each_count, 2);
            ck_assert(client_publish(world, 0, 3, false)); // waits: the walk has begun
            world_run(world, 4, NS_PER_MS);
            for (uint32_t i = 0; i < 6; i++)
                ck_assert_uint_eq(world->clients[i].message_count, i == 4 ? 0 : 3);
            ck_assert_uint_eq(world->clients[5].each_count, formats[to] == ADDRESS_EACH ? 3 : 2);
            world_close(world);
        }
    }
}
END_TEST

// In slices of one delivery, at each point of the walk.
START_TEST(mixed_who_is_readdressed_in_the_middle_of_a_walk_gets_all_once) {
    for (uint32_t turns = 0; turns < 24; turns++) {
        struct world *world = mixed_world((struct world_limits){.turn_deliveries = 1}, true);
        world_run(world, 100, 10 * NS_PER_MS);
        ck_assert(client_publish(world, 0, 1, false));
        ck_assert(client_publish(world, 0, 2, false));
        world_run(world, turns, NS_PER_MS);
        client_readdress(world, 2, ADDRESS_EACH);
        client_readdress(world, 7, FORMAT_WITH_GAPS);
        world_run(world, 1, NS_PER_MS);
        client_readdress(world, 5, FORMAT_WITH_GAPS);
        client_readdress(world, 2, FORMAT_WITH_GAPS);
        ck_assert(client_publish(world, 4, 3, false));
        world_run(world, 200, 10 * NS_PER_MS);
        for (uint32_t i = 0; i < 8; i++) {
            ck_assert_uint_eq(world->clients[i].message_count, 3);
            ck_assert_uint_eq(world->clients[i].last_sequence, 3);
        }
        world_close(world);
    }
}
END_TEST

START_TEST(mixed_who_is_readdressed_while_it_joins_gets_what_follows_its_join) {
    struct world *world = mixed_world((struct world_limits){0}, false);
    client_join_as(world, 5, 0, "lobby", with_gaps);
    client_readdress(world, 5, ADDRESS_EACH); // not answered yet
    ck_assert(client_publish(world, 0, 1, false));
    half_turn(world);
    half_turn(world);
    client_join_as(world, 6, 0, "lobby", with_gaps);
    half_turn(world); // behind some parts, before others
    half_turn(world);
    ck_assert(client_publish(world, 0, 2, false));
    half_turn(world);
    half_turn(world);
    ck_assert(world->clients[6].is_joined);
    ck_assert_uint_eq(world->clients[6].watermark, 1);
    client_readdress(world, 6, ADDRESS_EACH);
    ck_assert_uint_eq(world->clients[6].each_count, 1);
    client_readdress(world, 5, FORMAT_WITH_GAPS);
    ck_assert(client_publish(world, 0, 3, false));
    world_run(world, 4, NS_PER_MS);
    ck_assert_uint_eq(world->clients[5].watermark, 1);
    ck_assert_uint_eq(world->clients[5].message_count, 2);
    ck_assert_uint_eq(world->clients[6].message_count, 2);
    ck_assert_uint_eq(world->clients[6].last_sequence, 3);
    world_close(world);
}
END_TEST

// The gap of its former format goes with it; that of its new one is none of its.
START_TEST(mixed_who_is_readdressed_is_told_of_its_own_gap) {
    struct world *world = mixed_world((struct world_limits){0}, true);
    world->formats_out = 1u << FORMAT_WITH_GAPS;
    ck_assert(client_publish(world, 0, 1, false));
    world_run(world, 2, NS_PER_MS);
    client_readdress(world, 2, ADDRESS_EACH);
    ck_assert_uint_eq(world->clients[2].gap_count, 1);
    world->formats_out = 0;
    ck_assert(client_publish(world, 0, 2, false));
    world_run(world, 2, NS_PER_MS);
    ck_assert_uint_eq(world->clients[2].gap_count, 1);
    ck_assert_uint_eq(world->clients[6].gap_count, 1);
    for (uint32_t i = 2; i < 8; i += 4)
        ck_assert_uint_eq(world->clients[i].message_count, 1);
    world_close(world);
}
END_TEST

// --- the end of memberships ----------------------------------------------------------------------

START_TEST(mixed_who_leaves_gets_what_it_is_owed_or_has_it_counted) {
    for (uint32_t flush = 0; flush < 2; flush++) {
        struct world *world = mixed_world((struct world_limits){0}, true);
        ck_assert(client_publish(world, 0, 1, false));
        ck_assert(client_publish(world, 0, 2, false));
        half_turn(world);
        half_turn(world);
        for (uint32_t i = 1; i < 4; i++) {
            client_leave(world, i, flush);
            ck_assert_uint_eq(world->clients[i].message_count, flush ? 2 : 0);
        }
        ck_assert_uint_eq(count_of(world, 0, COUNTER_DROPPED_CLOSED), flush ? 0 : 6);
        world_run(world, 2, NS_PER_MS);
        ck_assert_uint_eq(world->clients[7].message_count, 2);
        world_close(world);
    }
}
END_TEST

START_TEST(mixed_members_of_every_format_are_told_that_their_room_or_leaf_has_ended) {
    for (uint32_t kills_leaf = 0; kills_leaf < 2; kills_leaf++) {
        struct world *world = mixed_world((struct world_limits){0}, true);
        client_join_as(world, 9, 0, "lobby", (struct way){FORMAT_WITH_GAPS, .is_observer = true});
        world_run(world, 50, 10 * NS_PER_MS);
        ck_assert(client_publish(world, 0, 1, false));
        half_turn(world);
        half_turn(world);
        if (kills_leaf)
            leaf_kill(world, 0, "lobby");
        else
            room_kill(world, "lobby");
        world_run(world, 10, NS_PER_MS);
        for (uint32_t i = 0; i < 10; i++) {
            struct client *client = &world->clients[i];
            if (i == 8)
                continue;
            ck_assert_msg(client->ended_count == 1, "client %u cut %u member %u kl %u", i,
                          client->cut_count, client->member, kills_leaf);
            ck_assert_uint_eq(client->message_count, i != 9); // what it was owed came before
            client_join_as(world, i, 0, "lobby",
                           (struct way){address_format(client->address), .is_silent = i % 4 > 0});
        }
        world_run(world, 10, NS_PER_MS);
        ck_assert(client_publish(world, 0, 2, false));
        world_run(world, 4, NS_PER_MS);
        for (uint32_t i = 0; i < 8; i++)
            ck_assert_uint_eq(world->clients[i].message_count, 1);
        world_close(world);
    }
}
END_TEST

// What a session keeps for later outlives the leaf, and still says which room it is of.
START_TEST(mixed_a_payload_that_is_kept_names_its_room_when_the_leaf_is_gone) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    world->keeps_payloads = true;
    client_join_as(world, 1, 0, "lobby", each);
    client_join(world, 2, 1, "lobby");
    world_run(world, 10, NS_PER_MS);
    ck_assert(client_publish(world, 2, 42, false));
    world_run(world, 5, NS_PER_MS);
    client_leave(world, 1, false);
    client_leave(world, 2, false);
    world_run(world, 10, 10 * NS_PER_S);
    const struct scheduler *scheduler = &world->cores[0].scheduler;
    struct chat_publish publish = publish_view(scheduler, world->clients[1].kept);
    ck_assert(bytes_equal_string(publish.room, "lobby"));
    ck_assert(bytes_equal_string(publish.event, "shout"));
    ck_assert_uint_eq(body_of(&publish), 42);
    world_close(world);
}
END_TEST

START_TEST(mixed_members_that_move_keep_their_format) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    for (uint32_t core = 0; core < 2; core++) {
        client_join(world, core, core, "lobby");
        client_join_as(world, 2 + core, core, "lobby", each);
        client_join_as(world, 4 + core, core, "lobby", with_gaps);
    }
    client_join_as(world, 7, 0, "lobby", (struct way){.is_silent = true});
    world_run(world, 50, 10 * NS_PER_MS);
    ck_assert(!client_move(world, 7, 1)); // presence would not know
    for (uint32_t round = 0; round < 4; round++) {
        ck_assert(client_move(world, 0, 1 - round % 2));
        ck_assert(client_move(world, 4, 1 - round % 2));
        for (uint32_t n = 0; n < 3; n++)
            ck_assert(client_publish(world, 1, n, false));
        world_run(world, 20, NS_PER_MS);
    }
    ck_assert_uint_eq(world->clients[0].moved_count, 4);
    ck_assert_uint_eq(world->clients[4].moved_count, 4);
    for (uint32_t i = 0; i < 6; i++)
        ck_assert_uint_eq(world->clients[i].message_count, 12);
    world_close(world);
}
END_TEST

// --- all at once ---------------------------------------------------------------------------------

static struct way any_way(struct rng *rng) {
    static const uint32_t formats[] = {FORMAT_PLAIN, FORMAT_WITHOUT_GAPS, FORMAT_WITH_GAPS,
                                       ADDRESS_EACH};
    return (struct way){.format = formats[rng_below(rng, 4)],
                        .is_observer = rng_below(rng, 6) == 0,
                        .is_silent = rng_below(rng, 2) == 0,
                        .wants_retained = rng_below(rng, 2) == 0};
}

static void change(struct world *world, struct rng *rng, uint32_t i, uint32_t dice) {
    struct client *client = &world->clients[i];
    bool can_readdress = address_format(client->address) != FORMAT_PLAIN && !client->is_moving &&
                         client->arriving == SLAB_NONE && !client->leaves_there;
    if (dice < 10)
        client_leave(world, i, dice < 5);
    else if (dice < 35 && client_is_settled(client))
        (void)client_publish(world, i, dice, dice < 15);
    else if (dice < 60 && can_readdress)
        client_readdress(world, i, dice < 45 ? ADDRESS_EACH : 1 + rng_below(rng, 2));
    else if (dice < 64 && client_is_settled(client) && world->core_count > 1 &&
             address_format(client->address) % FORMAT_WITH_GAPS == 0)
        (void)client_move(world, i, (client->core + 1) % world->core_count);
    else if (dice < 70)
        client->is_blocked = true;
    else if (client->is_blocked && client_is_settled(client)) {
        client->is_blocked = false;
        chat_member_writable(&world->cores[client->core].chat, client->member);
    }
}

static bool room_exists(const struct world *world, const char *room) {
    struct chat_room_info info;
    return chat_room_lookup(&world->cores[home_of(world, room)].chat, bytes_from_string(room),
                            &info);
}

static void step(struct world *world, struct rng *rng, uint32_t *note) {
    static const char *const rooms[] = {"a", "b", "lobby"};
    uint32_t i = rng_below(rng, 60);
    uint32_t dice = rng_below(rng, 100);
    if (world->clients[i].member == SLAB_NONE && !world->clients[i].leaves_there)
        client_join_as(world, i, rng_below(rng, world->core_count), rooms[i % 3], any_way(rng));
    else if (!world->clients[i].leaves_there)
        change(world, rng, i, dice);
    if (dice < 20)
        (void)world_publish_to(
            world, rng_below(rng, world->core_count), rooms[i % 3], i,
            (struct publish_as){.note = ++*note * PUBLISH_ROOMS + i % 3,
                                .is_retained = dice < 6,
                                .is_empty = dice < 2,
                                .expires_ns = dice < 4 ? world->now_ns + NS_PER_S : 0});
    uint32_t what = rng_below(rng, 1000);
    if (what < 20)
        world->formats_out ^= 1u << rng_below(rng, 3);
    else if (what < 26)
        world->has_no_memory = !world->has_no_memory;
    else if (what < 30 && room_exists(world, rooms[i % 3]))
        room_kill(world, rooms[i % 3]);
    if (rng_below(rng, 3) == 0) {
        world->now_ns += rng_below(rng, 50) * NS_PER_MS;
        core_turn(&world->cores[rng_below(rng, world->core_count)]);
    }
    if (what % 16 == 0)
        world_validate(world);
}

START_TEST(mixed_random_schedules_lose_repeat_and_leak_nothing) {
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rng rng = {seed};
        struct room_settings settings = {.presence = rng_below(&rng, 3),
                                         .presence_list_max = 1 + rng_below(&rng, 30)};
        struct world_limits limits = {.ring_cells = 64,
                                      .batch_bytes = 64 + rng_below(&rng, 1024),
                                      .turn_deliveries = 1 + rng_below(&rng, 60)};
        if (rng_below(&rng, 3) == 0)
            limits.blocks_bytes = 40000 + rng_below(&rng, 60000);
        struct world *world = world_open_limited(1 + rng_below(&rng, CORES_MAX), settings, limits);
        world->keeps_payloads = seed % 2;
        uint32_t note = 1;
        for (uint32_t number = 0; number < 1500; number++)
            step(world, &rng, &note);
        world->has_no_memory = false;
        world->formats_out = 0;
        world_run(world, 200, 50 * NS_PER_MS);
        for (uint32_t i = 0; i < world->core_count; i++)
            ck_assert_uint_eq(world->cores[i].chat.publish_count, 0);
        world_close(world);
    }
}
END_TEST

UNIT_MAIN("chat/mixed", mixed_a_message_is_encoded_once_for_each_format_with_members,
          mixed_a_room_of_format_0_alone_has_no_mix,
          mixed_formats_have_batches_of_their_own_in_one_order,
          mixed_memory_that_is_out_for_one_format_is_a_gap_for_its_members_alone,
          mixed_observers_get_presence_and_nothing_else_and_are_not_in_it,
          mixed_silent_members_are_in_the_presence_that_they_do_not_get,
          mixed_counts_go_to_observers_of_every_format,
          mixed_an_observer_that_missed_presence_gets_a_new_state,
          mixed_who_is_readdressed_before_the_walk_gets_what_it_is_owed_once,
          mixed_who_is_readdressed_in_the_middle_of_a_walk_gets_all_once,
          mixed_who_is_readdressed_while_it_joins_gets_what_follows_its_join,
          mixed_who_is_readdressed_is_told_of_its_own_gap,
          mixed_who_leaves_gets_what_it_is_owed_or_has_it_counted,
          mixed_members_of_every_format_are_told_that_their_room_or_leaf_has_ended,
          mixed_a_payload_that_is_kept_names_its_room_when_the_leaf_is_gone,
          mixed_members_that_move_keep_their_format,
          mixed_random_schedules_lose_repeat_and_leak_nothing)
