// Goal: blocks that other threads give back all reach their owner, once each, with what those
// threads read before. Method: the owner hands blocks to N threads, which check and release them
// remotely while the owner collects and acquires again; TSan watches.
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "sched/base/blocks.h"
#include "tests/unit/unit.h"

#define THREADS 3
#define ROUNDS 20000
#define SLOTS 64

struct holder {
    pthread_t thread;
    struct blocks *blocks;
    _Atomic uint32_t slots[SLOTS]; // block id + 1, 0: empty
};

static size_t size_at(uint32_t i) {
    return i % 50 == 0 ? 150000 : 8 + i % 3000;
}

static void *hold(void *argument) {
    struct holder *holder = argument;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        _Atomic uint32_t *slot = &holder->slots[i % SLOTS];
        uint32_t id;
        while ((id = atomic_load_explicit(slot, memory_order_acquire)) == 0)
            sched_yield();
        const uint32_t *data = blocks_at(holder->blocks, id - 1);
        CHECK(data[0] == i && data[1] == ~i); // Check's asserts are for its own thread
        blocks_release_remote(holder->blocks, id - 1);
        atomic_store_explicit(slot, 0, memory_order_release);
    }
    return NULL;
}

START_TEST(blocks_released_by_other_threads_all_come_back) {
    static struct holder holders[THREADS];
    struct memory_ledger ledger = {0};
    struct blocks blocks;
    ck_assert_int_eq(blocks_init(&blocks, &ledger, 2 << 20), 0);
    for (uint32_t t = 0; t < THREADS; t++) {
        holders[t].blocks = &blocks;
        ck_assert_int_eq(pthread_create(&holders[t].thread, NULL, hold, &holders[t]), 0);
    }
    for (uint32_t i = 0; i < ROUNDS; i++) {
        for (uint32_t t = 0; t < THREADS; t++) {
            _Atomic uint32_t *slot = &holders[t].slots[i % SLOTS];
            while (atomic_load_explicit(slot, memory_order_acquire) != 0)
                sched_yield();
            uint32_t id;
            while ((id = blocks_acquire(&blocks, size_at(i))) == BLOCK_NONE) {
                sched_yield();
                blocks_collect(&blocks);
            }
            uint32_t *data = blocks_at(&blocks, id);
            data[0] = i;
            data[1] = ~i;
            atomic_store_explicit(slot, id + 1, memory_order_release);
        }
        if (i % 7 == 0)
            blocks_collect(&blocks);
    }
    for (uint32_t t = 0; t < THREADS; t++)
        pthread_join(holders[t].thread, NULL);
    blocks_validate(&blocks);
    blocks_collect(&blocks);
    blocks_validate(&blocks);
    blocks_check_empty(&blocks);
    blocks_fini(&blocks);
    memory_release_all(&ledger);
}
END_TEST

UNIT_MAIN("sched/base/blocks_threads", blocks_released_by_other_threads_all_come_back)
