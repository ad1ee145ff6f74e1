// Goal: publishes by name are answered, ordered and bounded; what a room retains is given to who
// joins, outside the sequence, keeps the room, and goes when it is replaced, cleared or expired.
// Method: the rig, limits at their edges; successions by hand.
#include "tests/unit/chat/chat_rig.h"

#include "chat/retained.h"

static const struct way wanting = {.wants_retained = true};
static const struct publish_as retained = {.note = 1, .is_retained = true};

static bool has_room(const struct world *world, const char *room, struct chat_room_info *info) {
    return chat_room_lookup(&world->cores[home_of(world, room)].chat, bytes_from_string(room),
                            info);
}

static uint32_t retained_of(struct world *world, uint32_t client, struct way way, uint64_t *body) {
    client_join_as(world, client, client % world->core_count, "lobby", way);
    world_run(world, 6, NS_PER_MS);
    ck_assert(world->clients[client].is_joined);
    *body = world->clients[client].retained_body;
    return world->clients[client].retained_count;
}

START_TEST(publish_to_reaches_members_in_the_room_s_order_and_is_answered) {
    struct world *world = world_open(3, list_settings, 64, 32768);
    client_join(world, 0, 0, "lobby");
    client_join_as(world, 1, 1, "lobby", (struct way){.format = ADDRESS_EACH});
    world_run(world, 5, NS_PER_MS);
    ck_assert(client_publish(world, 0, 1, false));
    ck_assert(world_publish_to(world, 2, "lobby", 2, (struct publish_as){.note = 8}));
    ck_assert(world_publish_to(world, 2, "lobby", 3, (struct publish_as){.note = 16}));
    ck_assert(world_publish_to(world, 2, "lobby", 4, (struct publish_as){.note = 0}));
    world_run(world, 8, NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].message_count, 4);
    ck_assert_uint_eq(world->clients[1].each_count, 4);
    ck_assert_uint_eq(world->answer_count, 2); // not of what has no note
    ck_assert_uint_eq(world->answer.note, 16);
    ck_assert(world->answer.has_members);
    ck_assert_uint_ge(world->answer.sequence, 2);
    ck_assert_int_eq(world->answer.refusal, REFUSAL_NONE);
    for (uint32_t core = 0; core < 3; core++)
        ck_assert_uint_eq(world->cores[core].chat.publish_count, 0);
    world_close(world);
}
END_TEST

START_TEST(publish_to_where_there_is_no_room_is_accepted_and_makes_none) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    struct chat_room_info info;
    ck_assert(world_publish_to(world, 0, "lobby", 1, (struct publish_as){.note = 8}));
    // Neither does the end of what is not retained.
    ck_assert(
        world_publish_to(world, 0, "lobby", 1,
                         (struct publish_as){.note = 16, .is_retained = true, .is_empty = true}));
    world_run(world, 5, NS_PER_MS);
    ck_assert_uint_eq(world->answer_count, 2);
    ck_assert_int_eq(world->answer.refusal, REFUSAL_NONE);
    ck_assert(!world->answer.has_members);
    ck_assert_uint_eq(world->answer.sequence, 0);
    ck_assert(!has_room(world, "lobby", &info));
    world_close(world);
}
END_TEST

START_TEST(publish_to_beyond_the_unanswered_is_refused_as_busy) {
    struct world *world =
        world_open_limited(2, list_settings, (struct world_limits){.publishes = 3});
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t n = 0; n < 5; n++)
            ck_assert_int_eq(world_publish_to(world, 1, "lobby", n, (struct publish_as){0}), n < 3);
        world_run(world, 6, NS_PER_MS);
        ck_assert_uint_eq(world->cores[1].chat.publish_count, 0);
    }
    world_close(world);
}
END_TEST

// It waits in the mailbox of the room that ends: it reached nobody, and its publisher is told.
START_TEST(publish_to_a_room_that_ends_is_refused_as_restarted) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    client_join(world, 0, 0, "lobby");
    world_run(world, 5, NS_PER_MS);
    ck_assert(world_publish_to(world, 0, "lobby", 1, (struct publish_as){.note = 8}));
    struct chat *chat = &world->cores[0].chat;
    uint64_t room = registry_lookup(&chat->rooms, BYTES_LITERAL("lobby"));
    scheduler_doom(chat->scheduler, KIND_ROOM, pid_slot(room).index, EXIT_KILLED);
    world_run(world, 5, NS_PER_MS);
    ck_assert_uint_eq(world->answer_count, 1);
    ck_assert_int_eq(world->answer.refusal, REFUSAL_RESTARTED);
    ck_assert_uint_eq(world->clients[0].message_count, 0);
    ck_assert_uint_eq(world->clients[0].ended_count, 1);
    world_close(world);
}
END_TEST

START_TEST(retained_is_given_to_joiners_who_want_it_before_they_are_in) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    uint64_t body;
    client_join(world, 9, 1, "lobby");
    world_run(world, 5, NS_PER_MS);
    ck_assert(world_publish_to(world, 0, "lobby", 41, (struct publish_as){.note = 8}));
    ck_assert(world_publish_to(world, 0, "lobby", 42, retained));
    ck_assert(client_publish(world, 9, 43, false));
    world_run(world, 5, NS_PER_MS);
    ck_assert_uint_eq(world->clients[9].message_count, 3); // to members it is one like any other
    ck_assert_uint_eq(retained_of(world, 0, wanting, &body), 1);
    ck_assert_uint_eq(body, 42);
    ck_assert_uint_eq(world->clients[0].watermark, 3);
    ck_assert_uint_eq(
        retained_of(world, 1, (struct way){ADDRESS_EACH, .wants_retained = true}, &body), 1);
    ck_assert_uint_eq(body, 42);
    ck_assert_uint_eq(
        retained_of(world, 2, (struct way){FORMAT_WITH_GAPS, .wants_retained = true}, &body), 1);
    ck_assert_uint_eq(retained_of(world, 3, (struct way){0}, &body), 0);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(world->clients[i].message_count, 0);
    ck_assert(client_publish(world, 9, 44, false));
    world_run(world, 5, NS_PER_MS);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(world->clients[i].message_count, 1);
    world_close(world);
}
END_TEST

START_TEST(retained_keeps_a_room_that_nobody_is_in_until_it_is_cleared) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    struct chat_room_info info;
    uint64_t body;
    ck_assert(world_publish_to(world, 0, "lobby", 42, retained));
    world_run(world, 5, NS_PER_MS);
    ck_assert_uint_eq(world->answer.sequence, 1);
    ck_assert(!world->answer.has_members);
    world_run(world, 30, 10 * NS_PER_S);
    ck_assert(has_room(world, "lobby", &info) && info.is_retained);
    ck_assert_uint_eq(retained_of(world, 0, wanting, &body), 1);
    ck_assert_uint_eq(world->clients[0].watermark, 1);
    client_leave(world, 0, true);
    world_run(world, 30, 10 * NS_PER_S);
    ck_assert(world_publish_to(world, 1, "lobby", 43, retained)); // takes its place
    world_run(world, 5, NS_PER_MS);
    ck_assert_uint_eq(retained_of(world, 0, wanting, &body), 1);
    ck_assert_uint_eq(body, 43);
    ck_assert(world_publish_to(world, 1, "lobby", 0,
                               (struct publish_as){.is_retained = true, .is_empty = true}));
    world_run(world, 5, NS_PER_MS);
    ck_assert(has_room(world, "lobby", &info) && !info.is_retained);
    ck_assert_uint_eq(retained_of(world, 1, wanting, &body), 0);
    client_leave(world, 0, true);
    client_leave(world, 1, true);
    world_run(world, 8, 10 * NS_PER_S);
    ck_assert(!has_room(world, "lobby", &info));
    world_close(world);
}
END_TEST

START_TEST(retained_that_has_expired_is_not_given_and_keeps_no_room) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    struct chat_room_info info;
    uint64_t body;
    struct publish_as as = {.is_retained = true, .expires_ns = world->now_ns + 100 * NS_PER_S};
    ck_assert(world_publish_to(world, 0, "lobby", 42, as));
    world_run(world, 9, 10 * NS_PER_S);
    ck_assert_uint_eq(retained_of(world, 0, wanting, &body), 1);
    client_leave(world, 0, true);
    ck_assert_uint_eq(world->cores[0].chat.retained_bytes > 0, 1);
    world_run(world, 2, 10 * NS_PER_S);
    ck_assert(has_room(world, "lobby", &info) && !info.is_retained);
    ck_assert_uint_eq(world->cores[0].chat.retained_bytes, 0);
    ck_assert_uint_eq(retained_of(world, 1, wanting, &body), 0);
    client_leave(world, 1, true);
    world_run(world, 8, 10 * NS_PER_S);
    ck_assert(!has_room(world, "lobby", &info));
    world_close(world);
}
END_TEST

static size_t packed_size(const char *room) {
    struct chat_publish publish = {.event = BYTES_LITERAL("shout"),
                                   .body = {.size = sizeof(uint64_t)},
                                   .properties = BYTES_LITERAL("properties"),
                                   .room = bytes_from_string(room)};
    return publish_packed_size(&publish);
}

// Between its time and the tick of the room's timer that gives it up.
START_TEST(retained_that_has_expired_just_now_is_not_given) {
    for (uint64_t ms = 1; ms <= 12; ms++) {
        struct world *world = world_open(1, list_settings, 64, 32768);
        client_join(world, 9, 0, "lobby");
        world_run(world, 3, NS_PER_MS);
        uint64_t expires_ns = world->now_ns + ms * NS_PER_MS;
        ck_assert(
            world_publish_to(world, 0, "lobby", 42,
                             (struct publish_as){.is_retained = true, .expires_ns = expires_ns}));
        world_run(world, 3, NS_PER_MS);
        client_join_as(world, 0, 0, "lobby", wanting);
        world_run(world, 1, NS_PER_MS); // the room's answer is made in this turn
        bool is_live = world->now_ns < expires_ns;
        world_run(world, 3, NS_PER_MS);
        ck_assert(world->clients[0].is_joined);
        ck_assert_uint_eq(world->clients[0].retained_count, is_live);
        world_close(world);
    }
}
END_TEST

START_TEST(retained_bytes_beyond_the_limit_are_refused_and_what_was_kept_stays) {
    for (int32_t by = -1; by <= 1; by++) {
        uint32_t limit = (uint32_t)((int32_t)(packed_size("one") + packed_size("two")) + by);
        struct world *world =
            world_open_limited(1, list_settings, (struct world_limits){.retained_bytes = limit});
        ck_assert(world_publish_to(world, 0, "one", 1,
                                   (struct publish_as){.note = 8, .is_retained = true}));
        ck_assert(world_publish_to(world, 0, "two", 2,
                                   (struct publish_as){.note = 17, .is_retained = true}));
        world_run(world, 5, NS_PER_MS);
        ck_assert_int_eq(world->answer.refusal, by < 0 ? REFUSAL_MEMORY : REFUSAL_NONE);
        // In place of another there is always room for as much.
        ck_assert(world_publish_to(world, 0, "one", 3,
                                   (struct publish_as){.note = 24, .is_retained = true}));
        world_run(world, 5, NS_PER_MS);
        ck_assert_int_eq(world->answer.refusal, REFUSAL_NONE);
        client_join_as(world, 0, 0, "one", wanting);
        client_join_as(world, 1, 0, "two", wanting);
        world_run(world, 5, NS_PER_MS);
        ck_assert_uint_eq(world->clients[0].retained_body, 3);
        ck_assert_uint_eq(world->clients[1].retained_count, by >= 0);
        world_close(world);
    }
}
END_TEST

START_TEST(retained_for_more_rooms_than_there_may_be_is_refused) {
    struct world *world = world_open_limited(1, list_settings, (struct world_limits){.rooms = 1});
    ck_assert(
        world_publish_to(world, 0, "one", 1, (struct publish_as){.note = 8, .is_retained = true}));
    world_run(world, 5, NS_PER_MS);
    ck_assert_int_eq(world->answer.refusal, REFUSAL_NONE);
    ck_assert(
        world_publish_to(world, 0, "two", 2, (struct publish_as){.note = 17, .is_retained = true}));
    world_run(world, 5, NS_PER_MS);
    ck_assert_int_eq(world->answer.refusal, REFUSAL_TOO_MANY_ROOMS);
    world_close(world);
}
END_TEST

START_TEST(retained_messages_keep_half_of_the_rooms_at_most) {
    static const char *const names[] = {"one", "two", "three"};
    struct world *world = world_open_limited(1, list_settings, (struct world_limits){.rooms = 4});
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert(world_publish_to(world, 0, names[i], i,
                                   (struct publish_as){.note = 8 * (i + 1), .is_retained = true}));
        world_run(world, 5, NS_PER_MS);
        ck_assert_int_eq(world->answer.refusal, i < 2 ? REFUSAL_NONE : REFUSAL_MEMORY);
    }
    ck_assert(world_publish_to(world, 0, "one", 4,
                               (struct publish_as){.note = 32, .is_retained = true})); // in place
    world_run(world, 5, NS_PER_MS);
    ck_assert_int_eq(world->answer.refusal, REFUSAL_NONE);
    ck_assert(
        world_publish_to(world, 0, "two", 1,
                         (struct publish_as){.note = 40, .is_retained = true, .is_empty = true}));
    ck_assert(world_publish_to(world, 0, "three", 5,
                               (struct publish_as){.note = 48, .is_retained = true}));
    world_run(world, 5, NS_PER_MS);
    ck_assert_uint_eq(world->answer.note, 48);
    ck_assert_int_eq(world->answer.refusal, REFUSAL_NONE);
    world_close(world);
}
END_TEST

// Both halves of the way from a joiner's leave, or kill, to the answer that is under way.
START_TEST(retained_on_its_way_to_who_is_gone_is_given_back) {
    for (uint32_t turns = 0; turns < 4; turns++) {
        for (uint32_t kills = 0; kills < 2; kills++) {
            struct world *world = world_open(2, list_settings, 64, 32768);
            ck_assert(world_publish_to(world, 0, "lobby", 42, retained));
            world_run(world, 5, NS_PER_MS);
            client_join_as(world, 0, 1 - home_of(world, "lobby"), "lobby", wanting);
            world_run(world, turns, NS_PER_MS);
            if (!kills)
                client_leave(world, 0, false);
            else if (world->clients[0].member != SLAB_NONE)
                leaf_kill(world, 1 - home_of(world, "lobby"), "lobby");
            world_run(world, 5, NS_PER_MS);
            world_close(world);
        }
    }
}
END_TEST

// --- restarts ------------------------------------------------------------------------------------

static uint64_t succession_of(struct world *world, const char *room) {
    struct chat *chat = &world->cores[home_of(world, room)].chat;
    uint64_t pid = registry_lookup(&chat->rooms, bytes_from_string(room));
    return room_behaviour.succession(chat, scheduler_lookup(chat->scheduler, pid),
                                     pid_slot(pid).index);
}

// As a supervisor would.
static void succeed(struct world *world, const char *room, uint64_t birth) {
    struct scheduler *scheduler = &world->cores[home_of(world, room)].scheduler;
    ck_assert_uint_ne(scheduler_spawn(scheduler, KIND_ROOM, payload_data(scheduler, birth)),
                      PID_NONE);
    payload_unref(scheduler, birth);
}

START_TEST(retained_lives_on_in_the_successor_of_a_room_that_was_killed) {
    struct world *world = world_open(2, list_settings, 64, 32768);
    uint64_t body;
    ck_assert(world_publish_to(world, 0, "lobby", 42, retained));
    world_run(world, 5, NS_PER_MS);
    uint64_t birth = succession_of(world, "lobby");
    room_kill(world, "lobby");
    ck_assert_uint_eq(world->cores[home_of(world, "lobby")].chat.retained_bytes, 0);
    succeed(world, "lobby", birth);
    world_run(world, 20, 10 * NS_PER_S);
    ck_assert_uint_eq(retained_of(world, 0, wanting, &body), 1);
    ck_assert_uint_eq(body, 42);
    ck_assert_uint_eq(world->clients[0].watermark, 0);
    world_close(world);
}
END_TEST

// A join, or a publish, was faster than the supervisor: what that room has said itself stands.
START_TEST(retained_is_handed_to_a_room_that_was_made_in_between) {
    for (uint32_t speaks = 0; speaks < 3; speaks++) {
        struct world *world = world_open(1, list_settings, 64, 32768);
        uint64_t body;
        ck_assert(world_publish_to(world, 0, "lobby", 42, retained));
        world_run(world, 5, NS_PER_MS);
        uint64_t birth = succession_of(world, "lobby");
        room_kill(world, "lobby");
        ck_assert_uint_eq(retained_of(world, 0, wanting, &body), 0);
        struct publish_as as = {.is_retained = true, .is_empty = speaks == 2};
        if (speaks > 0)
            ck_assert(world_publish_to(world, 0, "lobby", 43, as));
        world_run(world, 5, NS_PER_MS);
        succeed(world, "lobby", birth);
        world_run(world, 5, NS_PER_MS);
        ck_assert_uint_eq(retained_of(world, 2, wanting, &body), speaks != 2);
        ck_assert_uint_eq(body, speaks == 0 ? 42 : speaks == 1 ? 43 : 0);
        ck_assert_uint_eq(counter_read(&world->cores[0].counters, COUNTER_RETAINED_LOST), 0);
        world_close(world);
    }
}
END_TEST

UNIT_MAIN("chat/retained", publish_to_reaches_members_in_the_room_s_order_and_is_answered,
          publish_to_where_there_is_no_room_is_accepted_and_makes_none,
          publish_to_beyond_the_unanswered_is_refused_as_busy,
          publish_to_a_room_that_ends_is_refused_as_restarted,
          retained_is_given_to_joiners_who_want_it_before_they_are_in,
          retained_keeps_a_room_that_nobody_is_in_until_it_is_cleared,
          retained_that_has_expired_is_not_given_and_keeps_no_room,
          retained_that_has_expired_just_now_is_not_given,
          retained_bytes_beyond_the_limit_are_refused_and_what_was_kept_stays,
          retained_messages_keep_half_of_the_rooms_at_most,
          retained_for_more_rooms_than_there_may_be_is_refused,
          retained_on_its_way_to_who_is_gone_is_given_back,
          retained_lives_on_in_the_successor_of_a_room_that_was_killed,
          retained_is_handed_to_a_room_that_was_made_in_between)
