// Goal: sets of CPUs as the kernel writes them. Method: lists and masks, good and bad, and back.
#include "tests/unit/unit.h"
#include "tuning/cpu_list.h"

static struct cpu_list list;

START_TEST(refuses_what_is_no_list) {
    static const char *const BAD[] = {"x", "0-", "-3", "3-1", "0,,2", "0 2", "1,", "0-3x"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        ck_assert_msg(!cpu_list_decode(&list, BAD[i]), "%s", BAD[i]);
        ck_assert_uint_eq(cpu_list_count(&list), 0);
    }
    ck_assert(!cpu_list_decode_mask(&list, ""));
    ck_assert(!cpu_list_decode_mask(&list, "fg"));
    ck_assert_uint_eq(cpu_list_count(&list), 0);
}
END_TEST

START_TEST(lists_are_read_and_written_the_same) {
    static const char *const GOOD[] = {"", "0", "0-1", "0-3,8", "0,2,4-7", "60-1023"};
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        char text[64];
        ck_assert(cpu_list_decode(&list, GOOD[i]));
        cpu_list_encode(&list, text, sizeof(text));
        ck_assert_str_eq(text, GOOD[i]);
    }
}
END_TEST

START_TEST(cpus_beyond_the_limit_are_not_seen) {
    ck_assert(cpu_list_decode(&list, "1022-1030,4000000000"));
    ck_assert_uint_eq(cpu_list_count(&list), 2);
    ck_assert(cpu_list_has(&list, 1023));
    ck_assert(!cpu_list_has(&list, 1024));
}
END_TEST

START_TEST(masks_count_from_the_right) {
    char text[64];
    ck_assert(cpu_list_decode_mask(&list, "00000001,80000003\n"));
    cpu_list_encode(&list, text, sizeof(text));
    ck_assert_str_eq(text, "0-1,31-32");
    ck_assert(cpu_list_decode_mask(&list, "0"));
    ck_assert_uint_eq(cpu_list_count(&list), 0);
}
END_TEST

START_TEST(what_does_not_fit_the_text_is_left_out) {
    char text[12];
    ck_assert(cpu_list_decode(&list, "0,2,4,6,8,10,12,14"));
    cpu_list_encode(&list, text, sizeof(text));
    ck_assert_str_eq(text, "0,2,4,6,…");
}
END_TEST

UNIT_MAIN("tuning/cpu_list", refuses_what_is_no_list, lists_are_read_and_written_the_same,
          cpus_beyond_the_limit_are_not_seen, masks_count_from_the_right,
          what_does_not_fit_the_text_is_left_out)
