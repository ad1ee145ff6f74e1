// Goal: the parts of a run add up exactly to the whole, no room is cut, and a part's own layout is
// the whole's between its bounds. Method: every part of many layouts, sums compared.
#include "loadgen/split.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct load_options whole, part_options;
static struct plan plan, part_plan;
static char error[LOAD_OPTIONS_ERROR_BYTES];

static void parse(const char *const *words, int count) {
    char *argv[32] = {(char *)"fairlead-load"};
    for (int i = 0; i < count; i++)
        argv[i + 1] = (char *)words[i];
    ck_assert_msg(load_options_parse(&whole, count + 1, argv, error) == LOAD_OPTIONS_RUN, "%s",
                  error);
    plan_from_options(&plan, &whole);
}

#define PARSE(...)                                                                                 \
    do {                                                                                           \
        const char *const words[] = {__VA_ARGS__};                                                 \
        parse(words, sizeof(words) / sizeof(words[0]));                                            \
    } while (0)

static bool cut(uint32_t index, uint32_t count) {
    part_options = whole;
    part_plan = plan;
    return split_run(&part_options, &part_plan, index, count, error);
}

static uint64_t milli(double rate) {
    return (uint64_t)(rate * 1000 + 0.5);
}

static void assert_adds_up(uint32_t count) {
    struct layout all, mine;
    struct memory_ledger ledger = {0}, mine_ledger;
    struct layout_config config = {
        .sizes = whole.sizes, .connections = whole.connections, .churn_percent = 20};
    ck_assert_int_eq(layout_init(&all, &ledger, &config), 0);
    uint64_t rate = 0, connect_rate = 0, churn = 0, publish = 0, closed = 0, floods = 0;
    uint32_t connections = 0, rooms = 0;
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_msg(cut(i, count), "%s", error);
        const struct load_options *o = &part_options;
        ck_assert_uint_eq(o->first_user, whole.first_user + connections);
        ck_assert_uint_eq(o->first_room, whole.first_room + rooms);
        config.sizes = o->sizes;
        config.connections = o->connections;
        mine_ledger = (struct memory_ledger){0};
        ck_assert_int_eq(layout_init(&mine, &mine_ledger, &config), 0);
        ck_assert_uint_eq(mine.room_count, load_options_room_count(o));
        ck_assert_uint_gt(mine.room_count, 0);
        layout_validate(&mine);
        for (uint32_t room = 0; room < mine.room_count; room++) {
            struct layout_parts a = layout_parts_of(&mine, room);
            struct layout_parts b = layout_parts_of(&all, rooms + room);
            ck_assert_uint_eq(layout_size(&mine, room), layout_size(&all, rooms + room));
            ck_assert_uint_eq(a.churner_count, b.churner_count);
        }
        memory_release_all(&mine_ledger);
        connections += o->connections;
        rooms += mine.room_count;
        rate += milli(o->rate);
        connect_rate += milli(o->connect_rate);
        churn += milli(o->churn_rate);
        closed += o->closed;
        floods += o->has_flood;
        publish += milli(part_plan.phases[part_plan.count - 1].publish.end);
    }
    ck_assert_uint_eq(connections, whole.connections);
    ck_assert_uint_eq(rooms, all.room_count);
    ck_assert_uint_eq(rate, milli(whole.rate));
    ck_assert_uint_eq(connect_rate, milli(whole.connect_rate));
    ck_assert_uint_eq(churn, milli(whole.churn_rate));
    ck_assert_uint_eq(publish, milli(plan.phases[plan.count - 1].publish.end));
    ck_assert_uint_eq(closed, whole.closed);
    ck_assert_uint_eq(floods, whole.has_flood);
    memory_release_all(&ledger);
}

START_TEST(split_parts_add_up_for_rooms_of_one_size) {
    PARSE("rooms", "--connections=1003", "--room-size=7", "--rate=333.337", "--connect-rate=77.7",
          "--churn-rate=11.111", "--flood", "--first-user=100", "--first-room=9");
    for (uint32_t count = 1; count <= SPLIT_PARTS_MAX; count++)
        assert_adds_up(count);
}
END_TEST

START_TEST(split_parts_add_up_for_a_mix_of_sizes) {
    PARSE("rooms", "--connections=5000", "--room-sizes=zipf:1.2:2-700", "--rate=1000",
          "--churn-rate=5");
    for (uint32_t count = 1; count <= SPLIT_PARTS_MAX; count += 7)
        assert_adds_up(count);
}
END_TEST

START_TEST(split_parts_are_even_where_rooms_are) {
    PARSE("rooms", "--connections=1000", "--room-size=10");
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert(cut(i, 4));
        ck_assert_uint_eq(part_options.connections, 250);
        ck_assert_uint_eq(part_options.first_user, 250 * i);
        ck_assert_double_eq(part_options.rate, whole.rate / 4);
    }
}
END_TEST

START_TEST(split_gives_each_part_a_room_even_beside_a_huge_one) {
    PARSE("rooms", "--connections=1000", "--room-sizes=zipf:4:1-990");
    uint32_t rooms = load_options_room_count(&whole);
    for (uint32_t count = rooms - 1; count <= rooms; count++)
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_msg(cut(i, count), "%s", error);
            ck_assert_uint_ge(part_options.connections, 1);
        }
    ck_assert(!cut(0, rooms + 1));
}
END_TEST

START_TEST(split_refuses_fewer_requests_under_way_than_parts) {
    PARSE("echo", "--connections=100", "--room-size=1", "--closed=3");
    ck_assert(cut(2, 3));
    ck_assert_uint_eq(part_options.closed, 1);
    ck_assert(!cut(0, 4));
    ck_assert_ptr_nonnull(strstr(error, "--closed 3"));
}
END_TEST

START_TEST(split_shares_of_neighbours_add_up_whatever_the_numbers) {
    const uint64_t all[] = {0, 1, 2, 999, UINT64_MAX};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        for (uint64_t total = 1; total < 50; total++) {
            uint64_t sum = 0;
            for (uint64_t at = 0; at < total; at++)
                sum += split_count(all[i], &(struct split_range){at, at + 1, total});
            ck_assert_uint_eq(sum, all[i]);
        }
}
END_TEST

START_TEST(split_part_of_a_closed_loop_with_a_request_each_stays_one) {
    PARSE("echo", "--connections=100", "--rate=0");
    ck_assert(cut(1, 2));
    ck_assert(part_options.is_closed);
    ck_assert_uint_eq(part_options.closed, 0);
}
END_TEST

UNIT_MAIN("loadgen/split", split_parts_add_up_for_rooms_of_one_size,
          split_parts_add_up_for_a_mix_of_sizes, split_parts_are_even_where_rooms_are,
          split_gives_each_part_a_room_even_beside_a_huge_one,
          split_refuses_fewer_requests_under_way_than_parts,
          split_shares_of_neighbours_add_up_whatever_the_numbers,
          split_part_of_a_closed_loop_with_a_request_each_stays_one)
