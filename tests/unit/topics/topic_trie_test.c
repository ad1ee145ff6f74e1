// Goal: the tree of filters finds exactly the filters that match, holds its bounds, and forgets
// what nobody refers to. Method: random filters and names against the scalar match of the wire
// codec; depths at the limit; memory that runs out at each acquire.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/wire/mqtt_topic.h"
#include "sched/base/rng.h"
#include "topics/topic_trie.h"

#define FILTERS 400

struct rig {
    struct memory_ledger ledger;
    struct blocks blocks;
    struct topic_trie trie;
    uint32_t positions[1u << 16];
};

static void on_moved(void *context, uint32_t key, uint32_t position) {
    ((struct rig *)context)->positions[key] = position;
}

static struct rig *rig_open(size_t blocks_bytes_max, uint32_t nodes_max) {
    struct rig *rig = calloc(1, sizeof(*rig));
    const struct topic_trie_config config = {
        .nodes_max = nodes_max, .seed = 7, .on_moved = on_moved, .context = rig};
    ck_assert_int_eq(blocks_init(&rig->blocks, &rig->ledger, blocks_bytes_max), 0);
    ck_assert_int_eq(topic_trie_init(&rig->trie, &config, &rig->ledger, &rig->blocks), 0);
    return rig;
}

static void rig_close(struct rig *rig) {
    topic_trie_fini(&rig->trie);
    blocks_check_empty(&rig->blocks);
    blocks_fini(&rig->blocks);
    memory_release_all(&rig->ledger);
    free(rig);
}

static uint32_t open_filter(struct rig *rig, const char *filter) {
    struct topic_path path;
    ck_assert(topic_levels_split(&rig->trie.levels, bytes_from_string(filter), &path));
    return topic_trie_open(&rig->trie, &path);
}

static uint32_t match(struct rig *rig, const char *topic) {
    struct topic_path path;
    ck_assert(topic_levels_split(&rig->trie.levels, bytes_from_string(topic), &path));
    return topic_trie_match(&rig->trie, &path);
}

static bool add(struct rig *rig, uint32_t node, uint32_t key) {
    return topic_entries_add(&rig->trie.owner, &topic_trie_at(&rig->trie, node)->entries,
                             (struct topic_entry){key, key}, &rig->positions[key]);
}

static void take(struct rig *rig, uint32_t node, uint32_t key) {
    topic_entries_remove(&rig->trie.owner, &topic_trie_at(&rig->trie, node)->entries,
                         rig->positions[key]);
    topic_trie_prune(&rig->trie, node);
}

static void draw(struct rng *rng, char *text, size_t size, bool is_filter) {
    static const char *const levels[] = {
        "a", "b", "", "$", "$s", "eighteen-bytes-ago", "nineteen-bytes-long"};
    uint32_t count = 1 + rng_below(rng, 5);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *level = levels[rng_below(rng, 7)];
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

static void check_match(struct rig *rig, char filters[][128], const uint32_t *nodes,
                        const char *topic) {
    uint32_t count = match(rig, topic), wanted = 0;
    for (uint32_t i = 0; i < count; i++) // none twice
        for (uint32_t k = 0; k < i; k++)
            ck_assert_uint_ne(rig->trie.matches[i], rig->trie.matches[k]);
    for (uint32_t i = 0; i < FILTERS; i++) {
        if (nodes[i] == SLAB_NONE)
            continue;
        bool is_wanted =
            mqtt_topic_matches(bytes_from_string(filters[i]), bytes_from_string(topic));
        bool is_found = false, is_first = true;
        for (uint32_t k = 0; k < count; k++)
            is_found |= rig->trie.matches[k] == nodes[i];
        for (uint32_t k = 0; k < i; k++)
            is_first &= nodes[k] != nodes[i];
        ck_assert_msg(is_found == is_wanted, "%s and %s", filters[i], topic);
        wanted += is_wanted && is_first;
    }
    ck_assert_uint_eq(count, wanted);
}

START_TEST(topic_trie_matches_as_the_scalar_match_does) {
    struct rig *rig = rig_open(1 << 24, 1 << 14);
    static char filters[FILTERS][128];
    static uint32_t nodes[FILTERS];
    struct rng rng = {11};
    memset(nodes, 0xff, sizeof(nodes));
    for (uint32_t round = 0; round < 6000; round++) {
        uint32_t i = rng_below(&rng, FILTERS);
        if (nodes[i] == SLAB_NONE) {
            draw(&rng, filters[i], sizeof(filters[i]), true);
            nodes[i] = open_filter(rig, filters[i]);
            ck_assert_uint_ne(nodes[i], SLAB_NONE);
            ck_assert(add(rig, nodes[i], i));
        } else if (rng_below(&rng, 2) == 0) {
            take(rig, nodes[i], i);
            nodes[i] = SLAB_NONE;
        }
        char topic[128];
        draw(&rng, topic, sizeof(topic), false);
        check_match(rig, filters, nodes, topic);
        if (round % 100 == 0)
            topic_trie_validate(&rig->trie);
    }
    for (uint32_t i = 0; i < FILTERS; i++) {
        uint8_t text[256];
        struct writer w = writer_on(text, sizeof(text));
        if (nodes[i] == SLAB_NONE)
            continue;
        topic_levels_encode(&rig->trie.levels, nodes[i], &w);
        ck_assert(bytes_equal_string(writer_bytes(&w), filters[i]));
        take(rig, nodes[i], i);
    }
    ck_assert_uint_eq(rig->trie.levels.count, 0);
    rig_close(rig);
}
END_TEST

// "a/a/…" of so many levels.
static struct bytes deep(char *text, uint32_t level_count, char level) {
    for (uint32_t i = 0; i < level_count; i++) {
        text[2 * i] = level;
        text[2 * i + 1] = '/';
    }
    return bytes_of(text, 2 * level_count - 1);
}

START_TEST(topic_trie_takes_filters_and_topics_of_128_levels_and_no_more) {
    struct rig *rig = rig_open(1 << 24, 1 << 14);
    static struct topic_path path;
    char text[2 * TOPICS_LEVELS_MAX + 8];
    for (uint32_t count = TOPICS_LEVELS_MAX - 1; count <= TOPICS_LEVELS_MAX + 1; count++) {
        bool fits = topic_levels_split(&rig->trie.levels, deep(text, count, '+'), &path);
        ck_assert_int_eq(fits, count <= TOPICS_LEVELS_MAX);
        if (!fits)
            continue;
        uint32_t all = topic_trie_open(&rig->trie, &path);
        ck_assert(add(rig, all, 1));
        ck_assert(topic_levels_split(&rig->trie.levels, deep(text, count, 'a'), &path));
        uint32_t one = topic_trie_open(&rig->trie, &path);
        ck_assert(add(rig, one, 2));
        ck_assert_uint_eq(topic_trie_match(&rig->trie, &path), 2);
        take(rig, all, 1);
        take(rig, one, 2);
    }
    rig_close(rig);
}
END_TEST

// The widest stack: a text and a '+' at every level, all the way down.
START_TEST(topic_trie_matches_filters_that_branch_at_every_level) {
    struct rig *rig = rig_open(1 << 24, 1 << 14);
    char filters[256][16];
    uint32_t nodes[256];
    for (uint32_t i = 0; i < 256; i++) {
        for (uint32_t k = 0; k < 8; k++) {
            filters[i][2 * k] = i >> k & 1 ? '+' : 'a';
            filters[i][2 * k + 1] = k < 7 ? '/' : '\0';
        }
        nodes[i] = open_filter(rig, filters[i]);
        ck_assert(add(rig, nodes[i], i));
    }
    ck_assert_uint_eq(match(rig, "a/a/a/a/a/a/a/a"), 256);
    ck_assert_uint_eq(match(rig, "a/a/a/a/a/a/a/b"), 128);
    ck_assert_uint_eq(match(rig, "a/a/a/a/a/a/a"), 0);
    for (uint32_t i = 0; i < 256; i++)
        take(rig, nodes[i], i);
    rig_close(rig);
}
END_TEST

START_TEST(topic_trie_takes_as_many_nodes_as_it_may_and_no_more) {
    struct rig *rig = rig_open(1 << 24, 5); // the root among them
    uint32_t full = open_filter(rig, "a/b/c/d");
    ck_assert_uint_ne(full, SLAB_NONE);
    ck_assert(add(rig, full, 1));
    ck_assert_uint_eq(open_filter(rig, "a/x"), SLAB_NONE);
    ck_assert_uint_eq(open_filter(rig, "x"), SLAB_NONE);
    take(rig, full, 1);
    ck_assert_uint_eq(open_filter(rig, "1/2/3/4/5"), SLAB_NONE); // nothing is left of it
    ck_assert_uint_eq(rig->trie.levels.count, 0);
    rig_close(rig);
}
END_TEST

START_TEST(topic_trie_is_as_it_was_wherever_memory_runs_out) {
    uint32_t failures = 0;
    for (size_t bytes = 0; bytes <= 4096; bytes += 64) {
        struct rig *rig = rig_open(bytes, 1 << 10);
        uint32_t node = open_filter(rig, "a-level-of-more-than-18-bytes/another-of-so-many/x");
        bool is_added = node != SLAB_NONE;
        for (uint32_t key = 0; key < 20 && is_added; key++)
            is_added = add(rig, node, key);
        failures += !is_added;
        topic_trie_validate(&rig->trie);
        if (node != SLAB_NONE) {
            for (uint32_t key = 20; key-- > 0;)
                if (key < topic_trie_at(&rig->trie, node)->entries.count)
                    take(rig, node, key);
        }
        ck_assert_uint_eq(rig->trie.levels.count, 0);
        rig_close(rig);
    }
    ck_assert_uint_gt(failures, 3);
    ck_assert_uint_lt(failures, 60);
}
END_TEST

START_TEST(topic_entries_keep_their_places_while_they_are_pinned) {
    struct rig *rig = rig_open(1 << 20, 16);
    uint32_t node = open_filter(rig, "a");
    struct topic_entries *entries = &topic_trie_at(&rig->trie, node)->entries;
    for (uint32_t key = 0; key < 10; key++)
        ck_assert(add(rig, node, key));
    topic_entries_pin(entries);
    topic_entries_pin(entries);
    take(rig, node, 3);
    take(rig, node, 9);
    ck_assert(add(rig, node, 10));
    ck_assert_uint_eq(rig->positions[10], 10);
    ck_assert_uint_eq(rig->positions[8], 8);
    ck_assert_uint_eq(topic_entries_length(entries), 11);
    ck_assert_uint_eq(entries->count, 9);
    ck_assert_uint_eq(topic_entries_data(&rig->blocks, entries)[3].key, SLAB_NONE);
    topic_entries_unpin(&rig->trie.owner, entries);
    ck_assert_uint_eq(topic_entries_length(entries), 11);
    topic_entries_unpin(&rig->trie.owner, entries);
    ck_assert_uint_eq(topic_entries_length(entries), 9);
    for (uint32_t i = 0; i < 9; i++)
        ck_assert_uint_eq(rig->positions[topic_entries_data(&rig->blocks, entries)[i].key], i);
    for (uint32_t key = 0; key <= 10; key++)
        if (key != 3 && key != 9)
            take(rig, node, key);
    rig_close(rig);
}
END_TEST

START_TEST(topic_entries_are_cluttered_beyond_so_many_holes) {
    struct rig *rig = rig_open(1 << 22, 16);
    uint32_t node = open_filter(rig, "a");
    struct topic_entries *entries = &topic_trie_at(&rig->trie, node)->entries;
    topic_entries_pin(entries);
    for (uint32_t key = 0; key <= TOPIC_ENTRIES_HOLES_MAX; key++) {
        ck_assert(!topic_entries_is_cluttered(entries));
        ck_assert(add(rig, node, key));
        topic_entries_remove(&rig->trie.owner, entries, rig->positions[key]);
    }
    ck_assert(topic_entries_is_cluttered(entries));
    topic_entries_unpin(&rig->trie.owner, entries);
    ck_assert(!topic_entries_is_cluttered(entries));
    topic_trie_prune(&rig->trie, node);
    rig_close(rig);
}
END_TEST

// The header's figures: a filter of its own, and one more subscription to it.
START_TEST(topic_trie_spends_at_most_96_bytes_on_a_filter_and_18_on_an_entry) {
    struct rig *rig = rig_open(1 << 26, 1 << 17);
    char text[32];
    const uint32_t count = 50000;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "device-%08u", i);
        ck_assert(add(rig, open_filter(rig, text), i));
        if (i >= 16384) // smaller tables stand in blocks of twice their size
            ck_assert_uint_le(sizeof(struct topic_node) * 1000 +
                                  rig->blocks.bytes_used * 1000 / (i + 1),
                              96 * 1000);
    }
    uint32_t common = open_filter(rig, "device-00000000");
    size_t before = rig->blocks.bytes_used;
    for (uint32_t i = count; i < count + 10000; i++)
        ck_assert(add(rig, common, i));
    ck_assert_uint_le(rig->blocks.bytes_used - before, 18 * 10000);
    for (uint32_t i = count + 10000; i-- > count;)
        take(rig, common, i);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "device-%08u", i);
        take(rig, open_filter(rig, text), i);
    }
    rig_close(rig);
}
END_TEST

UNIT_MAIN("topics/topic_trie", topic_trie_matches_as_the_scalar_match_does,
          topic_trie_takes_filters_and_topics_of_128_levels_and_no_more,
          topic_trie_matches_filters_that_branch_at_every_level,
          topic_trie_takes_as_many_nodes_as_it_may_and_no_more,
          topic_trie_is_as_it_was_wherever_memory_runs_out,
          topic_entries_keep_their_places_while_they_are_pinned,
          topic_entries_are_cluttered_beyond_so_many_holes,
          topic_trie_spends_at_most_96_bytes_on_a_filter_and_18_on_an_entry)
