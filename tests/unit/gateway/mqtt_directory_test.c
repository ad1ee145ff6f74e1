// Goal: every client id finds its session and no other, through growth and removal, whatever its
// size. Method: random operations beside an array that knows.
#include "tests/unit/unit.h"

#include <stdio.h>

#include "gateway/mqtt_directory.h"
#include "sched/base/rng.h"

#define SESSIONS 500

static struct memory_ledger ledger;
static struct blocks blocks;
static struct mqtt_directory directory;
static uint32_t ids[SESSIONS]; // MQTT_ID_NONE: not entered

static struct bytes id_of(const void *context, uint32_t session) {
    ck_assert_uint_ne(ids[session], MQTT_ID_NONE);
    return mqtt_directory_id(&directory, ids[session]);
}

static void open_directory(size_t blocks_bytes) {
    memset(&ledger, 0, sizeof(ledger));
    ck_assert_int_eq(blocks_init(&blocks, &ledger, blocks_bytes), 0);
    ck_assert_int_eq(mqtt_directory_init(&directory, &ledger, &blocks, SESSIONS, 5), 0);
    for (uint32_t i = 0; i < SESSIONS; i++)
        ids[i] = MQTT_ID_NONE;
}

static void close_directory(void) {
    mqtt_directory_fini(&directory);
    blocks_check_empty(&blocks);
    blocks_fini(&blocks);
    memory_release_all(&ledger);
}

// Of sizes around those of the slots, and of a block.
static struct bytes name(uint32_t session, uint8_t *text) {
    static const uint32_t sizes[] = {5, 11, 12, 19, 20, 43, 44, 64, 65, 255, 1000};
    uint32_t size = sizes[session % (sizeof(sizes) / sizeof(sizes[0]))];
    memset(text, 'x', size);
    uint32_t written = (uint32_t)snprintf((char *)text, size, "%u", session);
    text[written] = '-';
    return bytes_of(text, size);
}

static void enter(uint32_t session) {
    uint8_t text[1000];
    ids[session] = mqtt_directory_id_acquire(&directory, name(session, text));
    ck_assert_uint_ne(ids[session], MQTT_ID_NONE);
    ck_assert(bytes_equal(mqtt_directory_id(&directory, ids[session]), name(session, text)));
    ck_assert(mqtt_directory_insert(&directory, name(session, text), session));
}

static void leave(uint32_t session) {
    uint8_t text[1000];
    mqtt_directory_remove(&directory, name(session, text), session);
    mqtt_directory_id_release(&directory, ids[session]);
    ids[session] = MQTT_ID_NONE;
}

START_TEST(ids_find_their_sessions_through_growth_and_removal) {
    struct rng rng = {9};
    open_directory(8 << 20);
    for (uint32_t step = 0; step < 20000; step++) {
        uint8_t text[1000];
        uint32_t session = rng_below(&rng, SESSIONS);
        bool is_entered = ids[session] != MQTT_ID_NONE;
        ck_assert_uint_eq(mqtt_directory_lookup(&directory, name(session, text), id_of, NULL),
                          is_entered ? session : SLAB_NONE);
        bool grows = rng_below(&rng, 3) > step / 7000;
        if (!is_entered && grows)
            enter(session);
        else if (is_entered && !grows)
            leave(session);
    }
    for (uint32_t i = 0; i < SESSIONS; i++)
        if (ids[i] != MQTT_ID_NONE)
            leave(i);
    close_directory();
}
END_TEST

START_TEST(without_memory_nothing_is_entered) {
    uint8_t text[1000];
    open_directory(1024); // the first table of 64 entries takes it all
    ck_assert(mqtt_directory_insert(&directory, name(0, text), 0));
    ck_assert_uint_eq(mqtt_directory_id_acquire(&directory, name(8, text)), MQTT_ID_NONE);
    ids[0] = mqtt_directory_id_acquire(&directory, name(0, text));
    for (uint32_t i = 1; i < 48; i++)
        ck_assert(mqtt_directory_insert(&directory, bytes_of(&i, sizeof(i)), i));
    ck_assert(!mqtt_directory_insert(&directory, name(1, text), 48)); // at 3/4, and no larger one
    for (uint32_t i = 1; i < 48; i++)
        mqtt_directory_remove(&directory, bytes_of(&i, sizeof(i)), i);
    ck_assert_uint_eq(mqtt_directory_lookup(&directory, name(0, text), id_of, NULL), 0);
    leave(0);
    close_directory();
}
END_TEST

UNIT_MAIN("gateway/mqtt_directory", ids_find_their_sessions_through_growth_and_removal,
          without_memory_nothing_is_entered)
