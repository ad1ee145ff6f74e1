// Goal: presence converges for every member in every phase, whatever it misses, and counts are
// exact and not more than one a second. Method: the rig of chat_rig.h.
#include "tests/unit/chat/chat_rig.h"

START_TEST(chat_presence_shows_each_device_and_converges) {
    struct world *world = world_open(3, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 40; i++)
        client_join(world, i, i % 3, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    for (uint32_t i = 0; i < 40; i++)
        ck_assert_uint_eq(world->clients[i].ref_count, 40);
    for (uint32_t i = 0; i < 15; i++)
        client_leave(world, i, true);
    client_join(world, 50, 0, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    for (uint32_t i = 15; i < 40; i++) {
        ck_assert_uint_eq(world->clients[i].ref_count, 26);
        ck_assert_uint_eq(world->clients[i].state_count, 1);
    }
    ck_assert_uint_eq(world->clients[50].ref_count, 26);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_above_the_limit_is_a_sample_and_exact_counts_and_comes_back) {
    struct room_settings settings = {.presence = PRESENCE_LIST, .presence_list_max = 100};
    struct world *world = world_open(2, settings, 1024, 32768);
    for (uint32_t i = 0; i < 200; i++) // 100 users
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].ref_count, 200);
    client_join(world, 300, 0, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_ge(world->clients[0].ref_count, 50);
    ck_assert_uint_le(world->clients[0].ref_count, 100);
    ck_assert_uint_eq(world->clients[0].shown_users, 101);
    ck_assert_uint_eq(world->clients[0].ref_count, world->clients[300].ref_count);
    for (uint32_t i = 0; i < 22; i++) // 90 users are left: not below 9/10 of the limit yet
        client_leave(world, i, true);
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_le(world->clients[299 - 100].ref_count, 100);
    client_leave(world, 22, true);
    client_leave(world, 23, true);
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[100].ref_count, 177);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_count_comes_a_last_time_when_the_list_is_whole_again) {
    struct room_settings settings = {.presence = PRESENCE_LIST, .presence_list_max = 10};
    struct world *world = world_open(2, settings, 1024, 32768);
    for (uint32_t i = 0; i < 20; i++) // 10 users
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].count_count, 0); // a list was all it ever needed
    client_join(world, 20, 0, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    for (uint32_t i = 0; i <= 20; i++)
        ck_assert_uint_eq(world->clients[i].shown_users, 11);
    world->clients[19].is_blocked = true;
    for (uint32_t i = 0; i < 6; i++) // 8 users are left, below 9/10 of the limit
        client_leave(world, i, true);
    world_run(world, 30, 100 * NS_PER_MS);
    for (uint32_t i = 6; i <= 20; i++)
        ck_assert_uint_eq(world->clients[i].shown_users, i == 19 ? 11 : 8);
    world->clients[19].is_blocked = false;
    chat_member_writable(&world->cores[1].chat, world->clients[19].member);
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[19].shown_users, 8);
    uint32_t count = world->clients[20].count_count;
    client_leave(world, 6, true);
    client_join(world, 22, 0, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[20].count_count, count); // the list tells it now
    world_close(world);
}
END_TEST

START_TEST(chat_presence_counts_mode_shows_numbers_only) {
    struct room_settings settings = {.presence = PRESENCE_COUNTS, .presence_list_max = 100};
    struct world *world = world_open(2, settings, 1024, 32768);
    for (uint32_t i = 0; i < 20; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    for (uint32_t i = 0; i < 20; i++) {
        ck_assert_uint_eq(world->clients[i].shown_users, 10);
        ck_assert_uint_eq(world->clients[i].state_count + world->clients[i].diff_count, 0);
    }
    world_close(world);
}
END_TEST

START_TEST(chat_a_blocked_member_misses_presence_and_gets_a_fresh_state) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    world->clients[1].is_blocked = true;
    for (uint32_t i = 10; i < 20; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 10);
    world->clients[1].is_blocked = false;
    chat_member_writable(&world->cores[1].chat, world->clients[1].member);
    world_run(world, 30, 10 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[1].ref_count, 20);
    ck_assert_uint_eq(world->clients[1].state_count, 2);
    ck_assert_uint_eq(world->clients[2].state_count, 1);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_news_for_a_leaf_that_is_gone_frees_nothing_twice) {
    struct world *world = world_open(1, list_settings, 1024, 32768);
    client_join(world, 0, 0, "lobby");
    client_join(world, 2, 0, "lobby");
    world_run(world, 20, 20 * NS_PER_MS); // the first window has ended
    client_leave(world, 0, true);
    world_run(world, 1, NS_PER_MS); // its leave makes the list dirty
    client_leave(world, 2, true);
    world_run(world, 1, NS_PER_S);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_count_missed_by_a_blocked_member_comes_once_it_reads) {
    struct room_settings settings = {.presence = PRESENCE_COUNTS, .presence_list_max = 100};
    struct world *world = world_open(2, settings, 1024, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    for (uint32_t round = 0; round < 3; round++) { // more than once
        world->clients[1].is_blocked = true;
        client_join(world, 20 + 2 * round, 0, "lobby");
        world_run(world, 30, 100 * NS_PER_MS);
        ck_assert_uint_eq(world->clients[0].shown_users, 6 + round);
        ck_assert_uint_eq(world->clients[1].shown_users, 5 + round);
        world->clients[1].is_blocked = false;
        chat_member_writable(&world->cores[1].chat, world->clients[1].member);
        world_run(world, 30, 100 * NS_PER_MS);
        ck_assert_uint_eq(world->clients[1].shown_users, 6 + round);
        ck_assert_uint_eq(world->clients[1].state_count, 0);
    }
    world_close(world);
}
END_TEST

START_TEST(chat_presence_that_no_memory_was_left_for_comes_later) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    for (uint32_t i = 0; i < 6; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 10 * NS_PER_MS);
    world->has_no_memory = true;
    for (uint32_t i = 6; i < 12; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 50, 10 * NS_PER_MS);
    for (uint32_t i = 0; i < 12; i++)
        ck_assert_uint_eq(world->clients[i].ref_count, i < 6 ? 6 : 0);
    world->has_no_memory = false;
    world_run(world, 50, 10 * NS_PER_MS);
    for (uint32_t i = 0; i < 12; i++)
        ck_assert_uint_eq(world->clients[i].ref_count, 12);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_count_that_no_memory_was_left_for_comes_later) {
    struct room_settings settings = {.presence = PRESENCE_COUNTS, .presence_list_max = 100};
    struct world *world = world_open(2, settings, 1024, 32768);
    world->has_no_memory = true;
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 100 * NS_PER_MS);
    world->has_no_memory = false;
    world_run(world, 30, 100 * NS_PER_MS);
    for (uint32_t i = 0; i < 10; i++)
        ck_assert_uint_eq(world->clients[i].shown_users, 5);
    world_close(world);
}
END_TEST

START_TEST(chat_presence_shows_sixteen_devices_of_a_user_and_replaces_those_that_leave) {
    struct world *world = world_open(2, list_settings, 1024, 32768);
    world->is_one_user = true;
    for (uint32_t i = 0; i < 300; i++)
        client_join(world, i, i % 2, "lobby");
    world_run(world, 30, 20 * NS_PER_MS);
    ck_assert_uint_eq(world->clients[0].ref_count, PRESENCE_METAS_PER_USER_MAX);
    for (uint32_t i = 1; i < 300; i++) {
        client_leave(world, i, true);
        world_run(world, i % 7 == 0 ? 6 : 1, 20 * NS_PER_MS);
        uint32_t left = 299 - i + 1;
        if (i % 7 == 0)
            ck_assert_uint_eq(world->clients[0].ref_count, left < PRESENCE_METAS_PER_USER_MAX
                                                               ? left
                                                               : PRESENCE_METAS_PER_USER_MAX);
    }
    world_close(world);
}
END_TEST

START_TEST(chat_presence_off_says_nothing) {
    struct room_settings settings = {.presence = PRESENCE_OFF, .presence_list_max = 100};
    struct world *world = world_open(2, settings, 1024, 32768);
    for (uint32_t i = 0; i < 10; i++)
        client_join(world, i, i % 2, "lobby");
    ck_assert(!world->clients[0].is_joined);
    world_run(world, 30, 100 * NS_PER_MS);
    for (uint32_t i = 0; i < 10; i++) {
        ck_assert(world->clients[i].is_joined);
        ck_assert_uint_eq(world->clients[i].shown_users + world->clients[i].state_count +
                              world->clients[i].diff_count,
                          0);
    }
    world_close(world);
}
END_TEST

UNIT_MAIN("chat/presence", chat_presence_shows_each_device_and_converges,
          chat_presence_above_the_limit_is_a_sample_and_exact_counts_and_comes_back,
          chat_presence_count_comes_a_last_time_when_the_list_is_whole_again,
          chat_presence_counts_mode_shows_numbers_only,
          chat_a_blocked_member_misses_presence_and_gets_a_fresh_state,
          chat_presence_news_for_a_leaf_that_is_gone_frees_nothing_twice,
          chat_presence_count_missed_by_a_blocked_member_comes_once_it_reads,
          chat_presence_that_no_memory_was_left_for_comes_later,
          chat_presence_count_that_no_memory_was_left_for_comes_later,
          chat_presence_shows_sixteen_devices_of_a_user_and_replaces_those_that_leave,
          chat_presence_off_says_nothing)
