// Goal: first and last receiver of every message are told, and a message that somebody missed is
// counted. Method: small rooms, every order of receipts that matters, a ring that wraps.
#include "loadgen/flight.h"

#include "tests/unit/unit.h"

static struct memory_ledger ledger;
static struct flight_table table;
static struct histogram first, median, last;

static void open_table(uint32_t room_count) {
    ledger = (struct memory_ledger){0};
    ck_assert_int_eq(flight_init(&table, &ledger, room_count), 0);
    histogram_init(&first);
    histogram_init(&median);
    histogram_init(&last);
}

static void publish(uint32_t room, uint32_t number, uint32_t due, bool is_measured) {
    struct flight_publish p = {.room = room,
                               .number = number,
                               .due = due,
                               .intended_ns = 1000 * number,
                               .is_measured = is_measured};
    flight_begin(&table, &p);
}

static enum flight_step take(uint32_t room, uint32_t number, uint64_t now_ns) {
    struct flight_receipt r = {.room = room, .number = number, .now_ns = now_ns};
    struct flight_times times = {&first, &median, &last};
    return flight_take(&table, &r, &times);
}

START_TEST(flight_tells_first_and_last_receiver) {
    open_table(2);
    publish(1, 7, 3, true);
    ck_assert_int_eq(take(0, 7, 7100), FLIGHT_UNKNOWN);
    ck_assert_int_eq(take(1, 7, 7100), FLIGHT_FIRST);
    ck_assert_int_eq(take(1, 7, 7200), FLIGHT_BETWEEN);
    ck_assert_int_eq(take(1, 7, 7300), FLIGHT_LAST);
    ck_assert_int_eq(take(1, 7, 7400), FLIGHT_UNKNOWN);
    ck_assert_uint_eq(first.count, 1);
    ck_assert_uint_eq(first.max_ns, 100);
    ck_assert_uint_eq(last.count, 1);
    ck_assert_uint_eq(last.max_ns, 300);
    ck_assert_uint_eq(table.complete, 1);
    flight_finish(&table);
    ck_assert_uint_eq(table.incomplete, 0);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(flight_of_one_member_is_first_and_last_at_once) {
    open_table(1);
    publish(0, 1, 1, true);
    ck_assert_int_eq(take(0, 1, 1500), FLIGHT_LAST);
    ck_assert_uint_eq(first.max_ns, 500);
    ck_assert_uint_eq(last.max_ns, 500);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(flight_median_is_the_one_in_the_middle_the_lower_of_two) {
    static const uint64_t median_of[] = {0, 1, 1, 2, 2, 3, 3};
    for (uint32_t due = 1; due <= 6; due++) {
        open_table(1);
        publish(0, 1, due, true);
        for (uint32_t i = 1; i <= due; i++)
            take(0, 1, 1000 + i);
        ck_assert_uint_eq(median.count, 1);
        ck_assert_uint_eq(median.max_ns, median_of[due]);
        memory_release_all(&ledger);
    }
}
END_TEST

START_TEST(flight_reach_counts_members_of_all_messages_and_the_worst_one) {
    open_table(1);
    publish(0, 1, 4, true);
    publish(0, 2, 4, false);
    publish(0, 3, 3, true);
    for (uint32_t i = 0; i < 4; i++)
        take(0, 1, 5000);
    take(0, 2, 5000);
    take(0, 3, 5000);
    take(0, 3, 5000);
    ck_assert_uint_eq(table.missed_worst_ppm, 0); // two are still under way
    flight_finish(&table);
    ck_assert_uint_eq(table.due, 11);
    ck_assert_uint_eq(table.received, 7);
    ck_assert_uint_eq(table.missed_worst_ppm, 750000);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(flight_outside_the_window_is_counted_but_not_timed) {
    open_table(1);
    publish(0, 1, 1, false);
    ck_assert_int_eq(take(0, 1, 1500), FLIGHT_LAST);
    ck_assert_uint_eq(first.count + last.count, 0);
    ck_assert_uint_eq(table.complete, 1);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(flight_that_somebody_missed_is_incomplete_at_the_end) {
    open_table(1);
    publish(0, 1, 2, true);
    publish(0, 2, 2, true);
    take(0, 1, 1500);
    flight_finish(&table);
    ck_assert_uint_eq(table.incomplete, 2);
    ck_assert_uint_eq(table.complete, 0);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(flight_whose_place_is_taken_is_incomplete_and_forgotten) {
    open_table(FLIGHT_SLOTS_MAX / FLIGHT_PER_ROOM_MIN);
    ck_assert_uint_eq(table.per_room, FLIGHT_PER_ROOM_MIN);
    for (uint32_t n = 1; n <= FLIGHT_PER_ROOM_MIN; n++)
        publish(3, n, 2, true);
    ck_assert_uint_eq(table.incomplete, 0);
    publish(3, FLIGHT_PER_ROOM_MIN + 1, 2, true);
    ck_assert_uint_eq(table.incomplete, 1);
    ck_assert_int_eq(take(3, 1, 5000), FLIGHT_UNKNOWN);
    ck_assert_int_eq(take(3, 2, 5000), FLIGHT_FIRST);
    ck_assert_int_eq(take(3, FLIGHT_PER_ROOM_MIN + 1, 90000), FLIGHT_FIRST);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(flight_number_zero_is_no_message) {
    open_table(1);
    ck_assert_int_eq(take(0, 0, 5), FLIGHT_UNKNOWN);
    ck_assert_int_eq(take(0, table.per_room, 5), FLIGHT_UNKNOWN);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(flight_memory_is_bounded_whatever_the_rooms) {
    static const uint32_t rooms[] = {1, 16, 17, 1000, 65536};
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        open_table(rooms[i]);
        ck_assert_uint_le((uint64_t)table.per_room * rooms[i], FLIGHT_SLOTS_MAX);
        ck_assert_uint_le(table.per_room, FLIGHT_PER_ROOM_MAX);
        memory_release_all(&ledger);
    }
}
END_TEST

UNIT_MAIN("loadgen/flight", flight_tells_first_and_last_receiver,
          flight_of_one_member_is_first_and_last_at_once,
          flight_median_is_the_one_in_the_middle_the_lower_of_two,
          flight_reach_counts_members_of_all_messages_and_the_worst_one,
          flight_outside_the_window_is_counted_but_not_timed,
          flight_that_somebody_missed_is_incomplete_at_the_end,
          flight_whose_place_is_taken_is_incomplete_and_forgotten, flight_number_zero_is_no_message,
          flight_memory_is_bounded_whatever_the_rooms)
