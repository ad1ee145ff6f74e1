// Goal: everybody is in one room, rooms have the sizes asked for, and each room its share of slow
// readers and churners. Method: layouts of many shapes are validated whole (layout_validate looks
// at every room), mixes are held against Zipf's law.
#include "loadgen/layout.h"

#include <math.h>

#include "tests/unit/unit.h"

static struct memory_ledger ledger;

static struct layout made(const char *sizes, uint32_t connections, double slow, double churn) {
    struct layout_config config = {
        .connections = connections, .slow_percent = slow, .churn_percent = churn};
    struct layout l;
    ck_assert(layout_parse_sizes(&config.sizes, sizes));
    ck_assert_int_eq(layout_init(&l, &ledger, &config), 0);
    layout_validate(&l);
    ck_assert_uint_eq(l.room_count, layout_count_rooms(&config.sizes, connections));
    return l;
}

START_TEST(layout_refuses_sizes_that_are_none) {
    static const char *const bad[] = {
        "",
        "0",
        "-1",
        "50x",
        "zipf",
        "zipf:1",
        "zipf:1:5",
        "zipf:1:0-5",
        "zipf:1:5-5",
        "zipf:1:6-5",
        "zipf:0:2-5",
        "zipf:4.1:2-5",
        "zipf:x:2-5",
        "zipf:1:2-5-9",
        "zipf:nan:2-5",
        "Zipf:1:2-5",
        "zipf:1:2-4294967296",
    };
    struct layout_sizes sizes = {.min = 7, .max = 8, .exponent = 9};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!layout_parse_sizes(&sizes, bad[i]), "'%s' was taken", bad[i]);
        ck_assert(sizes.min == 7 && sizes.max == 8 && sizes.exponent == 9);
    }
    // What is not in the text is not left as it was: a part of the rooms would be laid out.
    sizes.whole_connections = sizes.first_room = 5;
    ck_assert(layout_parse_sizes(&sizes, "zipf:1:2-5"));
    ck_assert(sizes.whole_connections == 0 && sizes.first_room == 0);
    ck_assert(layout_parse_sizes(&sizes, "zipf:0.1:1-4294967295"));
    ck_assert(layout_parse_sizes(&sizes, "zipf:4:1-2"));
}
END_TEST

START_TEST(layout_of_one_size_fills_rooms_one_after_another) {
    struct layout l = made("50", 200, 0, 0);
    ck_assert_uint_eq(l.room_count, 4);
    ck_assert_uint_eq(layout_room_of(&l, 49), 0);
    ck_assert_uint_eq(layout_room_of(&l, 50), 1);
    ck_assert_uint_eq(layout_first(&l, 3), 150);
    ck_assert_ptr_null(l.room_of); // no memory at all
    l = made("50", 201, 0, 0);
    ck_assert_uint_eq(l.room_count, 5);
    ck_assert_uint_eq(layout_size(&l, 4), 1);
    l = made("4000000", 3, 0, 0);
    ck_assert_uint_eq(l.room_count, 1);
    ck_assert_uint_eq(layout_size(&l, 0), 3);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(layout_mix_falls_from_the_largest_to_the_smallest) {
    struct layout l = made("zipf:1:2-1000", 20000, 0, 0);
    ck_assert_uint_eq(layout_size(&l, 0), 1000);
    ck_assert_uint_eq(layout_size(&l, l.room_count - 2), 2);
    for (uint32_t room = 1; room < l.room_count; room++)
        ck_assert_uint_le(layout_size(&l, room), layout_size(&l, room - 1));
    // 1/rank: the sum of n rooms is about 1000 + 20000/ln(500)… : the mean tells.
    double mean = 20000.0 / l.room_count, law = log(500) / (1 / 2.0 - 1 / 1000.0);
    ck_assert_msg(fabs(mean - law) < law / 10, "mean %f, law %f", mean, law);
    memory_release_all(&ledger);
}
END_TEST

// The share of rooms of ten and more, in closed form.
START_TEST(layout_mix_follows_its_exponent) {
    static const char *const mixes[] = {"zipf:0.5:1-1000", "zipf:1:1-1000", "zipf:2:1-1000"};
    static const double exponents[] = {0.5, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        struct layout l = made(mixes[i], 1000000, 0, 0);
        uint32_t above_ten = 0;
        while (layout_size(&l, above_ten) >= 10)
            above_ten++;
        double p = 1 / exponents[i];
        double law = (pow(9.5, -p) - pow(1000, -p)) / (1 - pow(1000, -p));
        ck_assert_msg(fabs((double)above_ten / l.room_count - law) < 0.02, "%s: %f, law %f",
                      mixes[i], (double)above_ten / l.room_count, law);
        memory_release_all(&ledger);
    }
}
END_TEST

START_TEST(layout_mix_serves_any_number_of_connections) {
    static const char *const mixes[] = {"zipf:1:2-5000", "zipf:0.1:1-3", "zipf:4:1-4000000",
                                        "zipf:1:100-101"};
    for (size_t i = 0; i < 4; i++)
        for (uint32_t connections = 1; connections < 200000; connections = connections * 3 + 1) {
            (void)made(mixes[i], connections, 3, 20); // validates
            memory_release_all(&ledger);
        }
}
END_TEST

START_TEST(layout_shares_hold_in_total_and_leave_a_plain_member) {
    struct layout l = made("10", 1000, 20, 10);
    ck_assert_uint_eq(layout_count_role(&l, LAYOUT_PLAIN), 700);
    ck_assert_uint_eq(layout_count_role(&l, LAYOUT_SLOW), 200);
    ck_assert_uint_eq(layout_count_role(&l, LAYOUT_CHURNER), 100);
    struct layout_parts parts = layout_parts_of(&l, 99);
    ck_assert(parts.plain_count == 7 && parts.slow_count == 2 && parts.churner_count == 1);
    ck_assert_int_eq(layout_role_of(&l, 990), LAYOUT_PLAIN);
    ck_assert_int_eq(layout_role_of(&l, 996), LAYOUT_PLAIN);
    ck_assert_int_eq(layout_role_of(&l, 997), LAYOUT_SLOW);
    ck_assert_int_eq(layout_role_of(&l, 998), LAYOUT_SLOW);
    ck_assert_int_eq(layout_role_of(&l, 999), LAYOUT_CHURNER);
    // A tenth of rooms of two: every fifth room has one.
    l = made("2", 1000, 0, 10);
    ck_assert_uint_eq(layout_count_role(&l, LAYOUT_CHURNER), 100);
    l = made("5", 100, 0, 100);
    ck_assert_uint_eq(layout_count_role(&l, LAYOUT_PLAIN), 20);
    l = made("1", 100, 50, 50);
    ck_assert_uint_eq(layout_count_role(&l, LAYOUT_PLAIN), 100);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(layout_roles_agree_with_the_parts) {
    struct layout l = made("zipf:1:1-200", 5000, 13, 29);
    for (uint32_t room = 0; room < l.room_count; room++) {
        struct layout_parts parts = layout_parts_of(&l, room);
        for (uint32_t i = 0; i < layout_size(&l, room); i++) {
            enum layout_role role = layout_role_of(&l, layout_first(&l, room) + i);
            ck_assert_int_eq(role, i < parts.plain_count                      ? LAYOUT_PLAIN
                                   : i < parts.plain_count + parts.slow_count ? LAYOUT_SLOW
                                                                              : LAYOUT_CHURNER);
            ck_assert_uint_eq(layout_room_of(&l, layout_first(&l, room) + i), room);
        }
    }
    memory_release_all(&ledger);
}
END_TEST

START_TEST(layout_of_a_list_is_that) {
    static const uint32_t lists[][3] = {{5, 3, 1}, {3, 3, 3}, {1, 1, 1}};
    for (size_t i = 0; i < 3; i++) {
        const uint32_t *list = lists[i];
        const struct layout_config config = {
            .sizes = {.min = list[2], .max = list[0], .list = list, .list_count = 3},
            .connections = list[0] + list[1] + list[2],
            .churn_percent = 50};
        struct layout l;
        ck_assert_int_eq(layout_init(&l, &ledger, &config), 0);
        layout_validate(&l);
        ck_assert_uint_eq(l.room_count, 3);
        ck_assert_uint_eq(layout_count_rooms(&config.sizes, config.connections), 3);
        for (uint32_t room = 0; room < 3; room++)
            ck_assert_uint_eq(layout_size(&l, room), list[room]);
    }
    memory_release_all(&ledger);
}
END_TEST

UNIT_MAIN("loadgen/layout", layout_of_a_list_is_that, layout_refuses_sizes_that_are_none,
          layout_of_one_size_fills_rooms_one_after_another,
          layout_mix_falls_from_the_largest_to_the_smallest, layout_mix_follows_its_exponent,
          layout_mix_serves_any_number_of_connections,
          layout_shares_hold_in_total_and_leave_a_plain_member, layout_roles_agree_with_the_parts)
