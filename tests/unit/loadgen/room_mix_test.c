// Goal: rooms have the recorded sizes and exactly all members, and are chosen as often as the
// recorded fan-out says. Method: histograms of one, some and odd sizes; many draws.
#include "loadgen/room_mix.h"

#include "loadgen/sampler.h"
#include "sched/base/clock.h"
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

static struct shape_histogram rooms, fan_out, gaps;
static struct room_mix mix;
static double fill = 1;

static void clear(void) {
    rooms = (struct shape_histogram){0};
    fan_out = (struct shape_histogram){0};
    gaps = (struct shape_histogram){0};
}

static void add(struct shape_histogram *h, uint32_t low, uint32_t high, uint64_t count) {
    h->cells[h->cell_count++] = (struct shape_cell){low, high, count};
    h->total += count;
}

static void open_at(uint32_t members, double speed) {
    ck_assert(room_mix_init(&mix, &(struct room_mix_config){.rooms = &rooms,
                                                            .fan_out = &fan_out,
                                                            .gaps = &gaps,
                                                            .fill = fill,
                                                            .speed = speed,
                                                            .members = members,
                                                            .seed = 5}));
    uint64_t sum = 0;
    for (uint32_t i = 0; i < mix.room_count; i++) {
        ck_assert_uint_ge(mix.sizes[i], 1);
        ck_assert(i == 0 || mix.sizes[i] <= mix.sizes[i - 1]);
        sum += mix.sizes[i];
    }
    ck_assert_uint_eq(sum, members);
}

static void open_mix(uint32_t members) {
    open_at(members, 1);
}

START_TEST(rooms_of_one_size_are_that) {
    clear();
    add(&rooms, 50, 50, 4);
    open_mix(200);
    ck_assert_uint_eq(mix.room_count, 4);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_eq(mix.sizes[i], 50);
    room_mix_fini(&mix);
}
END_TEST

START_TEST(every_size_keeps_its_share_of_the_rooms_at_any_number_of_members) {
    clear();
    add(&rooms, 2, 2, 70);
    add(&rooms, 10, 10, 25);
    add(&rooms, 100, 100, 5); // 890 members
    for (uint32_t members = 890; members <= 890 * 64; members *= 4) {
        uint32_t seen[3] = {0};
        open_mix(members);
        for (uint32_t i = 0; i < mix.room_count; i++)
            seen[mix.sizes[i] < 5 ? 0 : mix.sizes[i] < 50 ? 1 : 2]++;
        ck_assert_uint_eq(mix.room_count, members / 890 * 100);
        ck_assert_uint_eq(seen[0], members / 890 * 70);
        ck_assert_uint_eq(seen[1], members / 890 * 25);
        ck_assert_uint_eq(seen[2], members / 890 * 5);
        room_mix_fini(&mix);
    }
}
END_TEST

START_TEST(all_members_have_a_room_however_odd_their_number) {
    clear();
    add(&rooms, 0, 0, 1);
    add(&rooms, 3, 3, 10);
    add(&rooms, 96, 103, 2);
    for (uint32_t members = 1; members < 400; members++) {
        open_mix(members);
        room_mix_fini(&mix);
    }
    clear();
    add(&rooms, 1, 1, 1000);
    add(&rooms, 1u << 20, (1u << 20) + 131071, 1);
    open_mix(10);
    room_mix_fini(&mix);
    open_mix(4000000);
    room_mix_fini(&mix);
}
END_TEST

START_TEST(rooms_are_spoken_in_as_the_fan_out_says) {
    clear();
    add(&rooms, 2, 2, 80);
    add(&rooms, 96, 103, 20);
    add(&fan_out, 2, 2, 100);
    add(&fan_out, 96, 103, 300);
    open_mix(80 * 2 + 20 * 100);
    uint32_t large = 0, most = 0, least = UINT32_MAX, seen[128] = {0};
    for (uint32_t n = 0; n < 40000; n++) {
        uint32_t room = room_mix_next(&mix, n + 1);
        large += mix.sizes[room] > 50;
        seen[room]++;
    }
    ck_assert_msg(fabs(large - 30000.0) <= SAMPLER_ERROR(40000), "%u of 40000", large);
    for (uint32_t i = 0; i < 20; i++) { // the large rooms alike
        most = seen[i] > most ? seen[i] : most;
        least = seen[i] < least ? seen[i] : least;
    }
    ck_assert_msg(most - least <= 2 * SAMPLER_ERROR(40000), "%u and %u", least, most);
    room_mix_fini(&mix);
}
END_TEST

START_TEST(rooms_that_were_partly_filled_are_found_by_what_they_hold_when_full) {
    clear();
    add(&rooms, 10, 10, 10);
    add(&rooms, 40, 40, 10);
    add(&rooms, 80, 80, 10);
    add(&fan_out, 40, 43, 300); // rooms of 80, half full
    fill = 0.5;
    open_mix(1300);
    for (uint32_t n = 0; n < 100; n++)
        ck_assert_uint_eq(mix.sizes[room_mix_next(&mix, n + 1)], 80);
    room_mix_fini(&mix);
    fill = 1;
    open_mix(1300);
    for (uint32_t n = 0; n < 100; n++)
        ck_assert_uint_eq(mix.sizes[room_mix_next(&mix, n + 1)], 40);
    room_mix_fini(&mix);
}
END_TEST

START_TEST(a_fan_out_without_rooms_goes_to_those_near_or_to_all) {
    clear();
    add(&rooms, 10, 10, 5);
    add(&rooms, 100, 100, 5);
    add(&fan_out, 60, 63, 10); // rooms of 100 that were filling up
    open_mix(550);
    for (uint32_t n = 0; n < 100; n++)
        ck_assert_uint_eq(mix.sizes[room_mix_next(&mix, n + 1)], 100);
    room_mix_fini(&mix);
    clear();
    add(&rooms, 10, 10, 5);
    add(&fan_out, 0, 0, 1);
    add(&fan_out, 4096, 4607, 1);
    open_mix(50);
    uint32_t seen[5] = {0};
    for (uint32_t n = 0; n < 1000; n++)
        seen[room_mix_next(&mix, n + 1)]++;
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_msg(fabs(seen[i] - 200.0) <= SAMPLER_ERROR(1000), "%u", seen[i]);
    room_mix_fini(&mix);
}
END_TEST

START_TEST(without_messages_all_rooms_are_alike) {
    clear();
    add(&rooms, 10, 10, 4);
    open_mix(40);
    uint32_t seen[4] = {0};
    for (uint32_t n = 0; n < 400; n++)
        seen[room_mix_next(&mix, n + 1)]++;
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_msg(fabs(seen[i] - 100.0) <= SAMPLER_ERROR(400), "%u", seen[i]);
    room_mix_fini(&mix);
}
END_TEST

// The share of gaps from `low` to `high` us, of publishes that come evenly.
// Twice, for a while, none comes.
static double share_of_gaps(uint32_t count, double every_us, double low, double high) {
    static uint64_t last[16384];
    uint32_t seen = 0, within = 0;
    memset(last, 0, sizeof(last));
    for (uint32_t n = 0; n < count; n++) {
        uint64_t pauses = (n > count / 3) + (n > count / 2);
        uint64_t now_ns = (uint64_t)((n + 1 + 7.3 * (double)pauses) * every_us * 1000);
        uint32_t room = room_mix_next(&mix, now_ns);
        double gap_us = (double)(now_ns - last[room]) / 1000;
        if (last[room] > 0 && n > count / 10) { // after it has begun
            seen++;
            within += gap_us >= low && gap_us <= high;
        }
        last[room] = now_ns;
    }
    return (double)within / seen;
}

START_TEST(rooms_that_spoke_in_turn_do_so_again_at_every_speed) {
    for (double speed = 1; speed <= 25; speed *= 5) {
        clear();
        add(&rooms, 10, 10, 4);
        add(&gaps, 18432, 20479, 100); // four rooms, every 5 ms one
        open_at(40, speed);
        double share = share_of_gaps(10000, 5000 / speed, 15000 / speed, 25000 / speed);
        ck_assert_msg(share > 0.95, "%f at %f", share, speed);
        room_mix_fini(&mix);
    }
}
END_TEST

START_TEST(lively_and_resting_rooms_are_so_again) {
    clear();
    add(&rooms, 10, 10, 10000);
    add(&gaps, 9216, 10239, 90);       // in a conversation, as one room in a hundred is
    add(&gaps, 9437184, 10485759, 10); // between them; ten messages a ms
    open_mix(100000);
    double lively = share_of_gaps(400000, 100, 8000, 12000);
    ck_assert_msg(lively > 0.8 && lively < 0.95, "lively: %f", lively);
    room_mix_fini(&mix);
    gaps.total = 0; // alike: next to none are that near
    open_mix(100000);
    lively = share_of_gaps(400000, 100, 8000, 12000);
    ck_assert_msg(lively < 0.05, "alike: %f", lively);
    room_mix_fini(&mix);
}
END_TEST

START_TEST(gaps_leave_the_fan_out_as_it_is) {
    clear();
    add(&rooms, 2, 2, 80);
    add(&rooms, 96, 103, 20);
    add(&fan_out, 2, 2, 100);
    add(&fan_out, 96, 103, 300);
    add(&gaps, 9216, 10239, 80);
    add(&gaps, 425984, 491519, 20);
    open_mix(80 * 2 + 20 * 100);
    uint32_t large = 0;
    for (uint32_t n = 0; n < 40000; n++)
        large += mix.sizes[room_mix_next(&mix, (n + 1) * NS_PER_MS)] > 50;
    ck_assert_msg(fabs(large - 30000.0) <= SAMPLER_ERROR(40000), "%u of 40000", large);
    room_mix_fini(&mix);
}
END_TEST

UNIT_MAIN("loadgen/room_mix", rooms_of_one_size_are_that,
          every_size_keeps_its_share_of_the_rooms_at_any_number_of_members,
          all_members_have_a_room_however_odd_their_number, rooms_are_spoken_in_as_the_fan_out_says,
          rooms_that_were_partly_filled_are_found_by_what_they_hold_when_full,
          a_fan_out_without_rooms_goes_to_those_near_or_to_all,
          without_messages_all_rooms_are_alike, rooms_that_spoke_in_turn_do_so_again_at_every_speed,
          lively_and_resting_rooms_are_so_again, gaps_leave_the_fan_out_as_it_is)
