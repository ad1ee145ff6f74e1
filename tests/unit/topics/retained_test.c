// Goal: what is retained is found by every filter that matches it, exactly once, within bounds.
// Method: random names, filters, replacements and clears against a list; walks in slices while the
// tree changes; expiry by the scheduler's clock.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/wire/mqtt_topic.h"
#include "sched/base/clock.h"
#include "sched/base/rng.h"
#include "topics/retained.h"

#define NAMES 200

struct rig {
    struct memory_ledger ledger;
    struct blocks blocks;
    struct counters counters;
    struct scheduler scheduler;
    struct retained retained;
};

static struct rig *rig_open(uint32_t messages_max, size_t bytes_max) {
    struct rig *rig = calloc(1, sizeof(*rig));
    const struct scheduler_config scheduler = {.message_cells_max = 64};
    const struct retained_config config = {
        .messages_max = messages_max, .bytes_max = bytes_max, .nodes_max = 1 << 12, .seed = 3};
    ck_assert_int_eq(blocks_init(&rig->blocks, &rig->ledger, 1 << 24), 0);
    ck_assert_int_eq(scheduler_init(&rig->scheduler, &scheduler, NULL, &rig->ledger, &rig->blocks,
                                    &rig->counters, NS_PER_S),
                     0);
    ck_assert_int_eq(retained_init(&rig->retained, &config, &rig->scheduler, &rig->ledger), 0);
    return rig;
}

static void rig_close(struct rig *rig) {
    retained_fini(&rig->retained);
    blocks_check_empty(&rig->blocks);
    blocks_fini(&rig->blocks);
    memory_release_all(&rig->ledger);
    free(rig);
}

static bool store_until(struct rig *rig, const char *topic, struct bytes body,
                        uint64_t expires_ns) {
    struct topic_path path;
    struct topic_message message = {.topic = bytes_from_string(topic),
                                    .body = body,
                                    .expires_ns = expires_ns,
                                    .is_retained = true};
    uint64_t payload = topic_message_pack(&rig->scheduler, &message);
    ck_assert_uint_ne(payload, PAYLOAD_NONE);
    ck_assert(topic_levels_split(&rig->retained.levels, message.topic, &path));
    bool is_stored = retained_store(&rig->retained, &path, payload);
    payload_unref(&rig->scheduler, payload);
    retained_validate(&rig->retained);
    return is_stored;
}

static bool store(struct rig *rig, const char *topic, const char *body) {
    return store_until(rig, topic, bytes_from_string(body), 0);
}

static bool is_body(const struct rig *rig, uint64_t payload, const char *body) {
    return bytes_equal_string(topic_message_view(&rig->scheduler, payload).body, body);
}

static uint64_t lookup(const struct rig *rig, const char *topic) {
    struct topic_path path;
    ck_assert(topic_levels_split(&rig->retained.levels, bytes_from_string(topic), &path));
    return retained_lookup(&rig->retained, &path);
}

static uint32_t count_matches(struct rig *rig, const char *filter, uint32_t slice) {
    struct topic_path path;
    ck_assert(topic_levels_split(&rig->retained.levels, bytes_from_string(filter), &path));
    struct retained_walk walk = retained_walk_begin(&rig->retained, &path);
    uint32_t count = 0;
    while (!retained_walk_is_over(&walk)) {
        uint32_t budget = slice;
        count += retained_walk_next(&rig->retained, &walk, &budget) != PAYLOAD_NONE;
        retained_validate(&rig->retained);
    }
    return count;
}

START_TEST(retained_replaces_clears_and_finds_by_topic) {
    struct rig *rig = rig_open(10, 1000);
    ck_assert(store(rig, "a/b", "1"));
    ck_assert(store(rig, "a", "2"));
    ck_assert(store(rig, "a/b", "3"));
    ck_assert_uint_eq(rig->retained.count, 2);
    ck_assert(is_body(rig, lookup(rig, "a/b"), "3"));
    ck_assert(is_body(rig, lookup(rig, "a"), "2"));
    ck_assert_uint_eq(lookup(rig, "a/c"), PAYLOAD_NONE);
    ck_assert(store(rig, "a/b", ""));
    ck_assert(store(rig, "never/was", ""));
    ck_assert_uint_eq(lookup(rig, "a/b"), PAYLOAD_NONE);
    ck_assert_uint_eq(rig->retained.count, 1);
    ck_assert_uint_eq(rig->retained.levels.count, 1);
    rig_close(rig);
}
END_TEST

START_TEST(retained_takes_as_many_messages_as_it_may_and_no_more) {
    struct rig *rig = rig_open(3, 1000);
    ck_assert(store(rig, "1", "x"));
    ck_assert(store(rig, "2", "x"));
    ck_assert(store(rig, "3", "x"));
    ck_assert(!store(rig, "4/5/6", "x"));
    ck_assert(store(rig, "3", "y")); // in the place of another
    ck_assert(store(rig, "1", ""));
    ck_assert(store(rig, "4/5/6", "x"));
    rig_close(rig);
}
END_TEST

START_TEST(retained_takes_as_many_bytes_as_it_may_and_no_more) {
    for (size_t size = 97; size <= 101; size++) { // of the body; the topic has one
        struct rig *rig = rig_open(10, 200);
        uint8_t body[200] = {1};
        ck_assert(store_until(rig, "a", bytes_of(body, 99), 0));
        ck_assert_int_eq(store_until(rig, "b", bytes_of(body, size), 0), size <= 99);
        ck_assert(
            store_until(rig, "a", bytes_of(body, 90), 0)); // replaced: its own bytes count not
        ck_assert(!store_until(rig, "a", bytes_of(body, 200), 0));
        ck_assert_uint_eq(topic_message_view(&rig->scheduler, lookup(rig, "a")).body.size, 90);
        rig_close(rig);
    }
}
END_TEST

START_TEST(retained_forgets_what_has_expired) {
    struct rig *rig = rig_open(10, 1000);
    uint64_t now_ns = rig->scheduler.now_ns;
    ck_assert(store_until(rig, "a", BYTES_LITERAL("x"), now_ns + 2));
    ck_assert(store_until(rig, "b", BYTES_LITERAL("x"), now_ns + 3));
    ck_assert(store_until(rig, "c", BYTES_LITERAL("x"), 0));
    rig->scheduler.now_ns = now_ns + 1;
    ck_assert_uint_eq(count_matches(rig, "#", 100), 3);
    rig->scheduler.now_ns = now_ns + 2;
    ck_assert_uint_eq(count_matches(rig, "#", 100), 2);
    ck_assert_uint_eq(rig->retained.count, 2);
    rig->scheduler.now_ns = now_ns + 3;
    for (uint32_t i = 0; i < 4; i++)
        retained_sweep(&rig->retained, 2);
    ck_assert_uint_eq(rig->retained.count, 1);
    ck_assert_uint_eq(rig->retained.expiring_count, 0);
    retained_validate(&rig->retained);
    rig_close(rig);
}
END_TEST

static void draw(struct rng *rng, char *text, size_t size, bool is_filter) {
    static const char *const levels[] = {"a", "b", "c", "", "$s", "nineteen-bytes-long"};
    uint32_t count = 1 + rng_below(rng, 4);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *level = levels[rng_below(rng, 6)];
        uint32_t wild = is_filter ? rng_below(rng, 6) : 9;
        if (wild < 2)
            level = "+";
        else if (wild == 2)
            level = "#";
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "/" : "", level);
        if (wild == 2)
            break;
    }
    if (at == 0)
        snprintf(text, size, "a");
}

START_TEST(retained_walks_find_what_the_scalar_match_finds) {
    struct rig *rig = rig_open(NAMES, 1 << 20);
    static char names[NAMES][64];
    static bool is_stored[NAMES];
    struct rng rng = {5};
    memset(is_stored, 0, sizeof(is_stored));
    for (uint32_t i = 0; i < NAMES; i++) { // each name once
        bool is_new;
        do {
            draw(&rng, names[i], sizeof(names[i]), false);
            is_new = true;
            for (uint32_t k = 0; k < i; k++)
                is_new &= strcmp(names[i], names[k]) != 0;
        } while (!is_new);
    }
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t i = rng_below(&rng, NAMES);
        is_stored[i] = rng_below(&rng, 3) > 0;
        ck_assert(store(rig, names[i], is_stored[i] ? "body" : ""));
        char filter[64];
        draw(&rng, filter, sizeof(filter), true);
        uint32_t wanted = 0;
        for (uint32_t k = 0; k < NAMES; k++)
            wanted += is_stored[k] &&
                      mqtt_topic_matches(bytes_from_string(filter), bytes_from_string(names[k]));
        uint32_t slice = 1 + rng_below(&rng, 8);
        ck_assert_msg(count_matches(rig, filter, slice) == wanted, "%s: %u", filter, wanted);
    }
    rig_close(rig);
}
END_TEST

// Others come and go; those that stay are found once.
START_TEST(retained_walks_find_once_what_is_there_all_the_while) {
    struct rng rng = {9};
    for (uint32_t round = 0; round < 200; round++) {
        struct rig *rig = rig_open(1000, 1 << 20);
        char topic[64];
        for (uint32_t i = 0; i < 30; i++) {
            snprintf(topic, sizeof(topic), "%u/%u/stays", i % 5, i);
            ck_assert(store(rig, topic, "stays"));
        }
        struct topic_path path;
        ck_assert(topic_levels_split(&rig->retained.levels, BYTES_LITERAL("#"), &path));
        struct retained_walk walk = retained_walk_begin(&rig->retained, &path);
        uint32_t found = 0;
        while (!retained_walk_is_over(&walk)) {
            uint32_t budget = 1 + rng_below(&rng, 3);
            uint64_t payload = retained_walk_next(&rig->retained, &walk, &budget);
            found += payload != PAYLOAD_NONE && is_body(rig, payload, "stays");
            for (uint32_t i = rng_below(&rng, 4); i > 0; i--) {
                snprintf(topic, sizeof(topic), "%u/%u/%s", rng_below(&rng, 6), rng_below(&rng, 30),
                         rng_below(&rng, 2) ? "goes" : "goes/too");
                ck_assert(store(rig, topic, rng_below(&rng, 2) ? "goes" : ""));
            }
        }
        ck_assert_uint_eq(found, 30);
        rig_close(rig);
    }
}
END_TEST

UNIT_MAIN("topics/retained", retained_replaces_clears_and_finds_by_topic,
          retained_takes_as_many_messages_as_it_may_and_no_more,
          retained_takes_as_many_bytes_as_it_may_and_no_more, retained_forgets_what_has_expired,
          retained_walks_find_what_the_scalar_match_finds,
          retained_walks_find_once_what_is_there_all_the_while)
