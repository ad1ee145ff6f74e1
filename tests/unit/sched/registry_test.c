// Goal: a name finds its pid and nothing else does, whatever was removed before. Method: limits of
// names and memory, then a random walk against a plain array in a table kept nearly full, so that
// probe sequences are long and wrap.
#include "sched/registry.h"

#include <stdio.h>

#include "sched/actor.h"
#include "sched/base/rng.h"
#include "tests/unit/unit.h"

static struct memory_ledger ledger;
static struct blocks blocks;
static struct registry registry;

static void set_up(size_t bytes_max) {
    ck_assert_int_eq(blocks_init(&blocks, &ledger, bytes_max), 0);
    registry_init(&registry, &blocks, 42);
}

static void tear_down(void) {
    registry_fini(&registry);
    blocks_validate(&blocks);
    blocks_check_empty(&blocks);
    memory_release_all(&ledger);
}

START_TEST(registry_without_names_finds_none) {
    set_up(1 << 20);
    uint32_t cursor = 0;
    ck_assert(registry_lookup(&registry, BYTES_LITERAL("a")) == PID_NONE);
    ck_assert(registry_lookup(&registry, (struct bytes){0}) == PID_NONE);
    ck_assert(registry_next(&registry, &cursor) == PID_NONE);
    registry_validate(&registry);
    tear_down();
}
END_TEST

START_TEST(registry_tells_names_apart_to_the_last_byte) {
    set_up(1 << 20);
    uint8_t text[REGISTRY_NAME_BYTES_MAX + 1] = {0};
    for (size_t size = 0; size <= REGISTRY_NAME_BYTES_MAX; size++)
        ck_assert_uint_ne(registry_insert(&registry, bytes_of(text, size), size + 1), BLOCK_NONE);
    registry_validate(&registry);
    for (size_t size = 0; size <= REGISTRY_NAME_BYTES_MAX; size++)
        ck_assert(registry_lookup(&registry, bytes_of(text, size)) == size + 1);
    ck_assert(registry_lookup(&registry, bytes_of(text, sizeof(text))) == PID_NONE);
    text[REGISTRY_NAME_BYTES_MAX - 1] = 1;
    ck_assert(registry_lookup(&registry, bytes_of(text, REGISTRY_NAME_BYTES_MAX)) == PID_NONE);
    text[REGISTRY_NAME_BYTES_MAX - 1] = 0;
    for (size_t size = 0; size <= REGISTRY_NAME_BYTES_MAX; size++)
        registry_remove(&registry, bytes_of(text, size));
    tear_down();
}
END_TEST

START_TEST(registry_remove_takes_the_view_that_it_frees) {
    set_up(1 << 20);
    uint32_t block = registry_insert(&registry, BYTES_LITERAL("lobby"), 7);
    registry_remove(&registry, registry_name(&registry, block));
    ck_assert(registry_lookup(&registry, BYTES_LITERAL("lobby")) == PID_NONE);
    ck_assert_uint_ne(registry_insert(&registry, BYTES_LITERAL("lobby"), 8), BLOCK_NONE);
    ck_assert(registry_lookup(&registry, BYTES_LITERAL("lobby")) == 8);
    registry_remove(&registry, BYTES_LITERAL("lobby"));
    tear_down();
}
END_TEST

START_TEST(registry_without_memory_declines_and_stays_whole) {
    set_up(8 << 10);
    char text[32];
    uint32_t count = 0;
    for (; count < 1000; count++) {
        snprintf(text, sizeof(text), "room %u", count);
        if (registry_insert(&registry, bytes_from_string(text), count + 1) == BLOCK_NONE)
            break;
        registry_validate(&registry);
    }
    ck_assert(count > 40 && count < 1000);
    ck_assert(registry_lookup(&registry, bytes_from_string(text)) == PID_NONE);
    while (count-- > 0) {
        snprintf(text, sizeof(text), "room %u", count);
        ck_assert(registry_lookup(&registry, bytes_from_string(text)) == count + 1);
        registry_remove(&registry, bytes_from_string(text));
        registry_validate(&registry);
    }
    tear_down();
}
END_TEST

#define NAMES 700

static struct bytes name_of(char *text, uint32_t i) {
    return bytes_of(text, (size_t)snprintf(text, 32, "%u", i * 7919));
}

// At most `fill` names at once: 48 is a table of 64 at its limit.
static void walk(uint32_t fill, uint64_t seed) {
    set_up(4 << 20);
    registry.seed = seed;
    struct rng rng = {seed};
    uint64_t pids[NAMES] = {0};
    uint32_t count = 0;
    char text[32];
    for (uint32_t step = 0; step < 8000; step++) {
        uint32_t i = rng_below(&rng, NAMES);
        if (pids[i]) {
            registry_remove(&registry, name_of(text, i));
            pids[i] = 0;
            count--;
        } else if (count < fill) {
            pids[i] = 1 + rng_next(&rng) / 2;
            uint32_t block = registry_insert(&registry, name_of(text, i), pids[i]);
            ck_assert(bytes_equal(registry_name(&registry, block), name_of(text, i)));
            count++;
        }
        registry_validate(&registry);
        i = rng_below(&rng, NAMES);
        ck_assert(registry_lookup(&registry, name_of(text, i)) == pids[i]);
    }
    uint32_t cursor = 0;
    uint64_t sum = 0;
    for (uint64_t pid; (pid = registry_next(&registry, &cursor)) != PID_NONE; count--)
        sum += pid;
    ck_assert_uint_eq(count, 0);
    for (uint32_t i = 0; i < NAMES; i++) {
        ck_assert(registry_lookup(&registry, name_of(text, i)) == pids[i]);
        sum -= pids[i];
        if (pids[i])
            registry_remove(&registry, name_of(text, i));
    }
    ck_assert(sum == 0);
    tear_down();
}

START_TEST(registry_agrees_with_an_array_in_a_full_table) {
    for (uint64_t seed = 1; seed <= 5; seed++)
        walk(48, seed);
}
END_TEST

START_TEST(registry_agrees_with_an_array_as_it_grows) {
    walk(49, 6);
    walk(NAMES, 7);
}
END_TEST

START_TEST(a_name_is_found_by_its_tag_while_it_is_registered) {
    char name[16];
    set_up(16 << 20);
    ck_assert_uint_eq(registry_lookup_tag(&registry, 7).size, 0);
    for (uint32_t round = 0; round < 2; round++) { // registered, then removed
        for (uint32_t i = 0; i < 1000; i++) {
            snprintf(name, sizeof(name), "room %u", i);
            if (round == 0)
                ck_assert_uint_ne(
                    registry_insert(&registry, bytes_from_string(name), 1ull << 52 | i),
                    BLOCK_NONE);
            else
                registry_remove(&registry, bytes_from_string(name));
        }
        uint32_t found = 0;
        for (uint32_t i = 0; i < 1000; i++) {
            snprintf(name, sizeof(name), "room %u", i);
            uint32_t tag = registry_tag(&registry, bytes_from_string(name));
            ck_assert_uint_lt(tag, 1u << REGISTRY_TAG_BITS);
            found += bytes_equal_string(registry_lookup_tag(&registry, tag), name);
        }
        ck_assert_uint_eq(found, round == 0 ? 1000 : 0); // with this seed no two share a tag
    }
    tear_down();
}
END_TEST

UNIT_MAIN("sched/registry", a_name_is_found_by_its_tag_while_it_is_registered,
          registry_without_names_finds_none, registry_tells_names_apart_to_the_last_byte,
          registry_remove_takes_the_view_that_it_frees,
          registry_without_memory_declines_and_stays_whole,
          registry_agrees_with_an_array_in_a_full_table, registry_agrees_with_an_array_as_it_grows)
