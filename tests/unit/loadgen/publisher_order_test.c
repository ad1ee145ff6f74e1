// Goal: of every talker's messages each member's order is told, and of nobody else's. Method: rooms
// of several sizes, deliveries by hand.
#include "tests/unit/loadgen/fake_streams.h"

static void begin(char *const *argv, int argc) {
    fake_begin(argv, argc);
    fake_join_all();
}

#define BEGIN(...)                                                                                 \
    begin((char *[]){"fairlead-load", "rooms", __VA_ARGS__},                                       \
          (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)) + 2)

static bool comes(uint32_t member, uint32_t publisher, uint32_t number) {
    struct stamp stamp = {
        .publisher = run.options.first_user + publisher, .number = number, .intended_ns = 1};
    return publisher_order_take(&run, member, &stamp);
}

START_TEST(publisher_order_is_of_each_member_and_talker) {
    // Rooms of 10, of whom 0, 3 and 6 talk.
    BEGIN("--connections", "20", "--room-size", "10", "--talkers", "3", "--first-user", "50");
    ck_assert(publisher_order_is_on(&run.order));
    ck_assert(comes(2, 0, 1));
    ck_assert(comes(2, 3, 5));
    ck_assert(comes(2, 6, 3)); // lower than another talker's
    ck_assert(comes(2, 0, 4));
    ck_assert(comes(9, 0, 1)); // another member
    ck_assert(!comes(2, 3, 2));
    ck_assert(!comes(2, 0, 3));
    ck_assert(comes(2, 0, 7));
    ck_assert(comes(15, 16, 4)); // of the second room
    ck_assert(!comes(15, 16, 1));
    fake_end();
}
END_TEST

START_TEST(publisher_order_knows_who_talks_in_rooms_of_every_size) {
    for (uint32_t size = 1; size <= 12; size++)
        for (uint32_t talkers = 2; talkers <= size; talkers++) {
            char size_text[8], talkers_text[8];
            snprintf(size_text, sizeof(size_text), "%u", size);
            snprintf(talkers_text, sizeof(talkers_text), "%u", talkers);
            BEGIN("--connections", "12", "--room-size", size_text, "--talkers", talkers_text);
            uint32_t known = 0;
            for (uint32_t publisher = 0; publisher < size; publisher++) {
                ck_assert(comes(0, publisher, 9));
                known += !comes(0, publisher, 8);
            }
            ck_assert_uint_eq(known, talkers); // a stand-in is not looked at
            fake_end();
        }
}
END_TEST

START_TEST(publisher_order_is_left_out_where_it_is_known_or_too_large) {
    FAKE_BEGIN("rooms", "--connections", "20", "--room-size", "10");
    ck_assert(!publisher_order_is_on(&run.order)); // one talker: verify.h
    fake_end();
    FAKE_BEGIN("rooms", "--connections", "8192", "--room-size", "8192", "--talkers", "8192");
    ck_assert(publisher_order_is_on(&run.order)); // exactly the limit
    fake_end();
    FAKE_BEGIN("rooms", "--connections", "8193", "--room-size", "8193", "--talkers", "8192");
    ck_assert(!publisher_order_is_on(&run.order));
    fake_end();
}
END_TEST

START_TEST(publisher_order_counts_into_disorder_but_never_duplicates) {
    struct stamp stamp = {.intended_ns = 1};
    BEGIN("--connections", "4", "--room-size", "4", "--talkers", "2");
    static const struct {
        uint32_t publisher, number;
    } came[] = {{0, 1}, {2, 4}, {0, 3}, {2, 2}, {2, 4}, {0, 5}};
    for (size_t i = 0; i < sizeof(came) / sizeof(came[0]); i++) {
        stamp.publisher = came[i].publisher;
        stamp.number = came[i].number;
        receive_delivery(&run, 1, &stamp, 0);
    }
    ck_assert_uint_eq(result.verify.disordered, 1); // 2 after 4
    ck_assert_uint_eq(result.verify.duplicates, 1); // 4
    ck_assert_uint_eq(result.verify.lost, 0);
    receive_finish(&run);
    ck_assert(result.is_order_checked);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/publisher_order", publisher_order_is_of_each_member_and_talker,
          publisher_order_knows_who_talks_in_rooms_of_every_size,
          publisher_order_is_left_out_where_it_is_known_or_too_large,
          publisher_order_counts_into_disorder_but_never_duplicates)
