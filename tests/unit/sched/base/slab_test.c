// Goal: a handle finds its owner's slot and no other's, and no slot is lost. Method: limits by
// hand, then a random walk against a plain array, validated at every step.
#include "sched/base/slab.h"

#include <string.h>

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

struct slot {
    uint32_t slab_word;
    uint32_t a;
    uint64_t b;
};

#define SLOTS 37

static struct memory_ledger ledger;

static struct slab slab_of(uint32_t slots_max) {
    struct slab slab;
    ck_assert_int_eq(slab_init(&slab, &ledger, "test", sizeof(struct slot), slots_max), 0);
    return slab;
}

START_TEST(slab_gives_max_slots_and_no_more) {
    struct slab slab = slab_of(3);
    uint32_t index;
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_ptr_nonnull(slab_acquire(&slab, &index));
        ck_assert_uint_eq(index, i);
    }
    ck_assert_ptr_null(slab_acquire(&slab, &index));
    slab_validate(&slab);
    slab_release(&slab, 1);
    ck_assert_ptr_nonnull(slab_acquire(&slab, &index));
    ck_assert_uint_eq(index, 1);
    ck_assert_uint_eq(slab.used_high_water, 3);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(slab_of_no_slots_finds_nothing) {
    struct slab slab = slab_of(0);
    uint32_t index;
    ck_assert_ptr_null(slab_acquire(&slab, &index));
    ck_assert_ptr_null(slab_lookup(&slab, (struct handle){0, 0}));
    ck_assert(!slab_is_used(&slab, 0));
    slab_check_empty(&slab);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(slab_lookup_of_a_stale_or_foreign_handle_is_null) {
    struct slab slab = slab_of(2);
    uint32_t index;
    ck_assert_ptr_null(slab_lookup(&slab, HANDLE_NONE));
    ck_assert_ptr_null(slab_lookup(&slab, (struct handle){0, 0})); // never handed out
    ck_assert_ptr_nonnull(slab_acquire(&slab, &index));
    struct handle first = slab_handle(&slab, index);
    ck_assert_ptr_nonnull(slab_lookup(&slab, first));
    slab_release(&slab, index);
    ck_assert_ptr_null(slab_lookup(&slab, first));
    ck_assert_ptr_nonnull(slab_acquire(&slab, &index));
    ck_assert_uint_eq(index, first.index);
    ck_assert_ptr_null(slab_lookup(&slab, first));
    ck_assert_ptr_null(slab_lookup(&slab, (struct handle){2, 0}));
    memory_release_all(&ledger);
}
END_TEST

START_TEST(slab_generation_wraps_within_24_bits) {
    struct slab slab = slab_of(1);
    uint32_t index;
    struct slot *slot = slab_acquire(&slab, &index);
    slot->slab_word = SLAB_USED | SLAB_OWNER_MASK | SLAB_GENERATION_MASK;
    ck_assert_uint_eq(slab_handle(&slab, 0).generation, SLAB_GENERATION_MASK);
    slab_release(&slab, 0);
    ck_assert_uint_eq(slot->slab_word, 0);
    slab_validate(&slab);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(slab_acquire_zeroes_what_the_former_owner_left) {
    struct slab slab = slab_of(1);
    uint32_t index;
    struct slot *slot = slab_acquire(&slab, &index);
    slot->slab_word |= SLAB_OWNER_MASK;
    slot->a = 7;
    slot->b = 9;
    slab_release(&slab, index);
    slot = slab_acquire(&slab, &index);
    ck_assert_uint_eq(slot->slab_word, SLAB_USED | 1);
    ck_assert(slot->a == 0 && slot->b == 0);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(slab_takes_slots_that_the_kernel_chose) {
    struct slab slab = slab_of(8);
    slab.chosen_by_kernel = true;
    ck_assert_ptr_nonnull(slab_acquire_at(&slab, 7));
    ck_assert_ptr_nonnull(slab_acquire_at(&slab, 0));
    slab_validate(&slab);
    struct handle seventh = slab_handle(&slab, 7);
    slab_release(&slab, 7);
    ck_assert_ptr_null(slab_lookup(&slab, seventh));
    ck_assert_ptr_nonnull(slab_acquire_at(&slab, 7));
    slab_release(&slab, 0);
    slab_release(&slab, 7);
    slab_validate(&slab);
    slab_check_empty(&slab);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(slab_retired_slot_is_dead_and_not_reused_until_recycled) {
    struct slab slab = slab_of(1);
    uint32_t index;
    struct slot *slot = slab_acquire(&slab, &index);
    struct handle handle = slab_handle(&slab, index);
    slot->slab_word |= 0x01000000u;
    slot->b = 5;
    slab_retire(&slab, index);
    slab_validate(&slab);
    slab_check_empty(&slab);
    ck_assert_ptr_null(slab_lookup(&slab, handle));
    ck_assert(!slab_is_used(&slab, index));
    ck_assert_uint_eq(slot->b, 5);
    ck_assert(slot->slab_word & 0x01000000u);
    ck_assert_ptr_null(slab_acquire(&slab, &index));
    ck_assert(slab_is_full(&slab));
    slab_recycle(&slab, handle.index);
    ck_assert(!slab_is_full(&slab));
    slab_validate(&slab);
    ck_assert_ptr_nonnull(slab_acquire(&slab, &index));
    ck_assert_ptr_null(slab_lookup(&slab, handle));
    ck_assert_uint_eq(slot->slab_word, SLAB_USED | 1);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(slab_agrees_with_an_array_over_a_random_walk) {
    struct slab slab = slab_of(SLOTS);
    struct rng rng = {20};
    struct handle handles[SLOTS];
    uint64_t values[SLOTS];
    struct handle stale[SLOTS] = {0};
    uint32_t count = 0;
    uint32_t stale_count = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        if (rng_below(&rng, 2) == 0) {
            uint32_t index;
            struct slot *slot = slab_acquire(&slab, &index);
            ck_assert((slot == NULL) == (count == SLOTS));
            if (slot) {
                values[count] = slot->b = rng_next(&rng);
                handles[count++] = slab_handle(&slab, index);
            }
        } else if (count > 0) {
            uint32_t i = rng_below(&rng, count);
            stale[stale_count++ % SLOTS] = handles[i];
            slab_release(&slab, handles[i].index);
            handles[i] = handles[--count];
            values[i] = values[count];
        }
        slab_validate(&slab);
        bool agrees = true;
        for (uint32_t i = 0; i < count; i++) {
            const struct slot *slot = slab_lookup(&slab, handles[i]);
            agrees = agrees && slot && slot->b == values[i];
        }
        for (uint32_t i = 0; i < SLOTS && i < stale_count; i++)
            agrees = agrees && !slab_lookup(&slab, stale[i]);
        ck_assert(agrees);
    }
    memory_release_all(&ledger);
}
END_TEST

UNIT_MAIN("sched/base/slab", slab_gives_max_slots_and_no_more, slab_of_no_slots_finds_nothing,
          slab_lookup_of_a_stale_or_foreign_handle_is_null, slab_generation_wraps_within_24_bits,
          slab_acquire_zeroes_what_the_former_owner_left, slab_takes_slots_that_the_kernel_chose,
          slab_retired_slot_is_dead_and_not_reused_until_recycled,
          slab_agrees_with_an_array_over_a_random_walk)
