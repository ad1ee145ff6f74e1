// Goal: a block has the room that was asked for, belongs to one owner, and the budget holds.
// Method: every class at its limits, sizes that overflow, then a random walk in which each block is
// filled with its own pattern.
#include "sched/base/blocks.h"

#include <string.h>

#include "sched/base/parcel.h"
#include "sched/base/rng.h"
#include "tests/unit/unit.h"

static struct memory_ledger ledger;
static struct blocks blocks;

static void set_up(size_t bytes_max) {
    ck_assert_int_eq(blocks_init(&blocks, &ledger, bytes_max), 0);
}

static void tear_down(void) {
    blocks_validate(&blocks);
    blocks_check_empty(&blocks);
    ck_assert_uint_eq(blocks.bytes_used, 0);
    blocks_fini(&blocks);
    memory_release_all(&ledger);
}

START_TEST(blocks_at_each_class_limit_have_room) {
    set_up(16 << 20);
    for (size_t bytes = 64; bytes <= 128 << 10; bytes *= 2) {
        for (size_t size = bytes - 9; size <= bytes - 7; size++) {
            uint32_t id = blocks_acquire(&blocks, size);
            ck_assert_uint_ne(id, BLOCK_NONE);
            size_t capacity = blocks_capacity(&blocks, id);
            ck_assert_uint_ge(capacity, size);
            if (size <= bytes - 8)
                ck_assert_uint_eq(capacity, bytes - 8);
            ck_assert_uint_eq((uintptr_t)blocks_at(&blocks, id) % 8, 0);
            memset(blocks_at(&blocks, id), 0xa5, capacity);
            blocks_validate(&blocks);
            blocks_release(&blocks, id);
        }
    }
    uint32_t empty = blocks_acquire(&blocks, 0);
    ck_assert_uint_eq(blocks_capacity(&blocks, empty), 56);
    blocks_release(&blocks, empty);
    tear_down();
}
END_TEST

START_TEST(blocks_refuse_sizes_that_overflow) {
    set_up(1 << 20);
    for (size_t less = 0; less < 8192; less++)
        ck_assert_uint_eq(blocks_acquire(&blocks, SIZE_MAX - less), BLOCK_NONE);
    ck_assert_uint_eq(blocks_acquire(&blocks, SIZE_MAX / 2 + 1), BLOCK_NONE);
    ck_assert_uint_eq(blocks_acquire(&blocks, (1 << 20) + 1), BLOCK_NONE);
    tear_down();
}
END_TEST

START_TEST(blocks_hold_their_budget_exactly) {
    set_up(4096);
    uint32_t ids[64];
    for (uint32_t i = 0; i < 64; i++) {
        ids[i] = blocks_acquire(&blocks, 1);
        ck_assert_uint_ne(ids[i], BLOCK_NONE);
    }
    ck_assert_uint_eq(blocks.bytes_used, 4096);
    ck_assert_uint_eq(blocks_acquire(&blocks, 1), BLOCK_NONE);
    blocks_release(&blocks, ids[63]);
    ck_assert_uint_eq(blocks_acquire(&blocks, 57), BLOCK_NONE); // needs 128
    ids[63] = blocks_acquire(&blocks, 56);
    ck_assert_uint_ne(ids[63], BLOCK_NONE);
    blocks_validate(&blocks);
    for (uint32_t i = 0; i < 64; i++)
        blocks_release(&blocks, ids[i]);
    ck_assert_uint_eq(blocks.bytes_high_water, 4096);
    tear_down();
}
END_TEST

START_TEST(blocks_beyond_the_largest_class_are_budgeted_by_page) {
    set_up(1 << 20);
    uint32_t all = blocks_acquire(&blocks, 1 << 20);
    ck_assert_uint_ne(all, BLOCK_NONE);
    ck_assert_uint_eq(blocks_capacity(&blocks, all), 1 << 20);
    memset(blocks_at(&blocks, all), 1, 1 << 20);
    ck_assert_uint_eq(blocks_acquire(&blocks, 1), BLOCK_NONE);
    blocks_validate(&blocks);
    blocks_release(&blocks, all);
    uint32_t most = blocks_acquire(&blocks, (1 << 20) - 4096);
    ck_assert_uint_ne(most, BLOCK_NONE);
    ck_assert_uint_eq(blocks_acquire(&blocks, 4096), BLOCK_NONE); // 8 KiB with its header
    uint32_t rest = blocks_acquire(&blocks, 4096 - BLOCK_HEADER_BYTES);
    ck_assert_uint_ne(rest, BLOCK_NONE);
    blocks_release(&blocks, most);
    blocks_release(&blocks, rest);
    tear_down();
}
END_TEST

START_TEST(blocks_fini_gives_huge_blocks_back) {
    set_up(1 << 20);
    ck_assert_uint_ne(blocks_acquire(&blocks, 300 << 10), BLOCK_NONE);
    blocks_fini(&blocks);
    tear_down();
}
END_TEST

START_TEST(blocks_given_back_remotely_are_free_after_collect) {
    set_up(1 << 20);
    uint32_t small = blocks_acquire(&blocks, 1);
    uint32_t large = blocks_acquire(&blocks, 5000);
    uint32_t huge = blocks_acquire(&blocks, 200 << 10);
    blocks_release_remote(&blocks, small);
    blocks_release_remote(&blocks, huge);
    blocks_release_remote(&blocks, large);
    blocks_validate(&blocks);
    ck_assert_uint_gt(blocks.bytes_used, 200 << 10);
    blocks_collect(&blocks);
    ck_assert_uint_eq(blocks.bytes_used, 0);
    blocks_collect(&blocks);
    tear_down();
}
END_TEST

#define HELD 200

START_TEST(blocks_keep_their_bytes_over_a_random_walk) {
    static const size_t sizes_max[] = {64, 4096, 140 << 10, 400 << 10};
    set_up(4 << 20);
    struct rng rng = {3};
    uint32_t ids[HELD];
    size_t sizes[HELD];
    uint32_t count = 0;
    uint32_t refused = 0;
    for (uint32_t step = 0; step < 6000; step++) {
        if (count < HELD && rng_below(&rng, 5) < 3) {
            size_t size = rng_below(&rng, (uint32_t)sizes_max[rng_below(&rng, 4)]);
            uint32_t id = blocks_acquire(&blocks, size);
            if (id == BLOCK_NONE) {
                refused++;
                continue;
            }
            uint8_t *data = blocks_at(&blocks, id);
            memset(data, (int)(id & 255), size);
            sizes[count] = size;
            ids[count++] = id;
        } else if (count > 0) {
            uint32_t i = rng_below(&rng, count);
            const uint8_t *data = blocks_at(&blocks, ids[i]);
            bool whole = true;
            for (size_t at = 0; at < sizes[i]; at++)
                whole = whole && data[at] == (ids[i] & 255);
            ck_assert(whole);
            if (rng_below(&rng, 2) == 0)
                blocks_release(&blocks, ids[i]);
            else
                blocks_release_remote(&blocks, ids[i]);
            ids[i] = ids[--count];
            sizes[i] = sizes[count];
        }
        if (rng_below(&rng, 10) == 0)
            blocks_collect(&blocks);
        blocks_validate(&blocks);
    }
    ck_assert_uint_gt(refused, 0);
    while (count > 0)
        blocks_release(&blocks, ids[--count]);
    blocks_collect(&blocks);
    tear_down();
}
END_TEST

START_TEST(parcel_goes_with_its_last_reference) {
    set_up(1 << 20);
    uint32_t id = parcel_acquire(&blocks, 24, PARCEL_ROOM);
    struct parcel *parcel = parcel_at(&blocks, id);
    ck_assert(parcel->refs == 1 && parcel->size == 24 && parcel->room == SLAB_NONE);
    ck_assert_uint_eq(blocks.bytes_used, 64); // the header's promise
    parcel_ref(&blocks, id);
    parcel_unref(&blocks, id);
    ck_assert_uint_eq(blocks.bytes_used, 64);
    parcel_unref(&blocks, id);
    ck_assert_uint_eq(blocks.bytes_used, 0);
    ck_assert_uint_eq(parcel_acquire(&blocks, 1 << 20, PARCEL_ROOM), BLOCK_NONE);
    tear_down();
}
END_TEST

UNIT_MAIN("sched/base/blocks", blocks_at_each_class_limit_have_room,
          blocks_refuse_sizes_that_overflow, blocks_hold_their_budget_exactly,
          blocks_beyond_the_largest_class_are_budgeted_by_page, blocks_fini_gives_huge_blocks_back,
          blocks_given_back_remotely_are_free_after_collect,
          blocks_keep_their_bytes_over_a_random_walk, parcel_goes_with_its_last_reference)
