// Goal: views never reach past their bytes and the writer never past its array. Method: empty
// views, and puts that fit by one byte or miss by one.
#include "sched/base/bytes.h"

#include <stdio.h>

#include "sched/base/hash.h"
#include "sched/base/memory.h"
#include "sched/base/rng.h"
#include "tests/unit/unit.h"

START_TEST(bytes_of_nothing_equal_each_other_and_no_byte) {
    struct bytes nothing = {0};
    ck_assert(bytes_equal(nothing, bytes_of("x", 0)));
    ck_assert(!bytes_equal(nothing, BYTES_LITERAL("x")));
    ck_assert(bytes_starts_with(nothing, nothing));
    ck_assert(!bytes_starts_with(nothing, BYTES_LITERAL("x")));
    ck_assert_ptr_null(bytes_skip(nothing, 3).data);
    ck_assert_uint_eq(bytes_skip(nothing, 3).size, 0);
    ck_assert(hash_bytes(1, nothing) == hash_bytes(1, bytes_of("", 0)));
}
END_TEST

START_TEST(bytes_skip_stops_at_the_end) {
    struct bytes three = BYTES_LITERAL("abc");
    ck_assert(bytes_equal_string(bytes_skip(three, 0), "abc"));
    ck_assert(bytes_equal_string(bytes_skip(three, 2), "c"));
    ck_assert_uint_eq(bytes_skip(three, 3).size, 0);
    ck_assert_uint_eq(bytes_skip(three, SIZE_MAX).size, 0);
}
END_TEST

START_TEST(bytes_with_a_nul_inside_compare_whole) {
    ck_assert(!bytes_equal(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0c")));
    ck_assert(bytes_starts_with(BYTES_LITERAL("a\0bc"), BYTES_LITERAL("a\0b")));
    ck_assert(!bytes_starts_with(BYTES_LITERAL("ab"), BYTES_LITERAL("abc")));
}
END_TEST

START_TEST(writer_takes_what_fits_and_tells_what_does_not) {
    for (size_t capacity = 4; capacity <= 6; capacity++) {
        char array[8] = "zzzzzzz";
        struct writer w = writer_on(array, capacity);
        writer_put_string(&w, "ab");
        writer_put_string(&w, "cde");
        ck_assert(w.overflow == (capacity < 5));
        ck_assert_uint_eq(w.size, capacity < 5 ? 2 : 5);
        ck_assert_int_eq(array[capacity], 'z');
        ck_assert(bytes_starts_with(writer_bytes(&w), BYTES_LITERAL("ab")));
    }
    struct writer none = writer_on(NULL, 0);
    writer_put(&none, (struct bytes){0});
    ck_assert(!none.overflow);
    writer_put_byte(&none, 1);
    ck_assert(none.overflow);
}
END_TEST

START_TEST(writer_puts_every_length_of_number) {
    uint64_t value = 0;
    for (uint32_t digits = 1; digits <= 20; digits++) {
        char expected[24];
        char array[20];
        snprintf(expected, sizeof(expected), "%lu", value);
        struct writer w = writer_on(array, sizeof(array));
        writer_put_u64(&w, value);
        ck_assert(bytes_equal_string(writer_bytes(&w), expected));
        value = digits < 19 ? value * 10 + 9 : UINT64_MAX;
    }
}
END_TEST

START_TEST(hash_depends_on_seed_and_bytes) {
    struct bytes name = BYTES_LITERAL("room:lobby");
    ck_assert(hash_bytes(1, name) == hash_bytes(1, name));
    ck_assert(hash_bytes(1, name) != hash_bytes(2, name));
    ck_assert(hash_bytes(1, name) != hash_bytes(1, BYTES_LITERAL("room:lobbz")));
}
END_TEST

START_TEST(rng_below_stays_below_and_reaches_all) {
    struct rng rng = {1};
    uint32_t seen = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(rng_below(&rng, 1), 0);
        uint32_t value = rng_below(&rng, 7);
        ck_assert_uint_lt(value, 7);
        seen |= 1u << value;
        ck_assert_uint_lt(rng_below(&rng, UINT32_MAX), UINT32_MAX);
    }
    ck_assert_uint_eq(seen, 0x7f);
}
END_TEST

START_TEST(memory_refuses_what_no_address_space_has) {
    struct memory_ledger ledger = {0};
    ck_assert_ptr_null(memory_reserve(&ledger, "wraps", SIZE_MAX));
    ck_assert_ptr_null(memory_reserve(&ledger, "wraps", SIZE_MAX - 4095));
    ck_assert_ptr_null(memory_reserve(&ledger, "too much", SIZE_MAX / 2));
    ck_assert_uint_eq(ledger.entry_count, 0);
    uint8_t *page = memory_reserve(&ledger, "nothing", 0);
    ck_assert(page && page[0] == 0 && page[4095] == 0);
    page = memory_reserve(&ledger, "a page and a byte", 4097);
    ck_assert(page && page[8191] == 0 && (uintptr_t)page % 4096 == 0);
    ck_assert_uint_eq(memory_reserved_bytes(&ledger), 3 * 4096);
    memory_release_all(&ledger);
    ck_assert_uint_eq(memory_reserved_bytes(&ledger), 0);
}
END_TEST

UNIT_MAIN("sched/base/bytes", bytes_of_nothing_equal_each_other_and_no_byte,
          bytes_skip_stops_at_the_end, bytes_with_a_nul_inside_compare_whole,
          writer_takes_what_fits_and_tells_what_does_not, writer_puts_every_length_of_number,
          hash_depends_on_seed_and_bytes, rng_below_stays_below_and_reaches_all,
          memory_refuses_what_no_address_space_has)
