// Goal: a payload lives as long as somebody holds it and goes back to the core that made it.
// Method: two cores played by one thread; threads are in scheduler_threads_test.
#include "sched/payload.h"

#include <string.h>

#include "tests/unit/unit.h"

#define CORES 2

static struct mesh mesh;
static struct core {
    struct memory_ledger ledger;
    struct blocks blocks;
    struct counters counters;
    struct scheduler scheduler;
} cores[CORES];

static void set_up(size_t bytes_max) {
    struct mesh_config mesh_config = {.scheduler_count = CORES, .ring_cells = 16};
    ck_assert_int_eq(mesh_init(&mesh, &mesh_config), 0);
    for (uint8_t i = 0; i < CORES; i++) {
        struct core *core = &cores[i];
        struct scheduler_config config = {.core = i, .message_cells_max = 16};
        ck_assert_int_eq(blocks_init(&core->blocks, &core->ledger, bytes_max), 0);
        ck_assert_int_eq(scheduler_init(&core->scheduler, &config, &mesh, &core->ledger,
                                        &core->blocks, &core->counters, 0),
                         0);
    }
}

static void tear_down(void) {
    for (uint32_t i = 0; i < CORES; i++) {
        blocks_validate(&cores[i].blocks);
        blocks_check_empty(&cores[i].blocks);
        memory_release_all(&cores[i].ledger);
    }
    mesh_fini(&mesh);
}

START_TEST(payload_goes_with_its_last_holder) {
    set_up(1 << 20);
    struct scheduler *scheduler = &cores[1].scheduler;
    uint64_t payload = payload_acquire(scheduler, 100);
    ck_assert(payload != PAYLOAD_NONE);
    memset(payload_data(scheduler, payload), 7, 100);
    payload_ref(scheduler, payload, 2);
    for (uint32_t holders = 3; holders > 0; holders--) {
        ck_assert_uint_gt(cores[1].blocks.bytes_used, 0);
        payload_unref(scheduler, payload);
    }
    ck_assert_uint_eq(cores[1].blocks.bytes_used, 0);
    tear_down();
}
END_TEST

START_TEST(payload_of_the_first_block_of_core_0_is_not_none) {
    set_up(1 << 20);
    uint64_t payload = payload_acquire(&cores[0].scheduler, 0);
    ck_assert(payload != PAYLOAD_NONE);
    payload_unref(&cores[0].scheduler, payload);
    tear_down();
}
END_TEST

START_TEST(payload_unref_by_another_core_waits_for_the_turn_of_its_own) {
    set_up(1 << 20);
    uint64_t payload = payload_acquire(&cores[0].scheduler, 300 << 10);
    memset(payload_data(&cores[0].scheduler, payload), 7, 300 << 10);
    payload_ref(&cores[0].scheduler, payload, 1);
    payload_unref(&cores[0].scheduler, payload);
    ck_assert_int_eq(((uint8_t *)payload_data(&cores[1].scheduler, payload))[(300 << 10) - 1], 7);
    payload_unref(&cores[1].scheduler, payload);
    ck_assert_uint_gt(cores[0].blocks.bytes_used, 0);
    ck_assert_uint_eq(cores[1].blocks.bytes_used, 0);
    (void)scheduler_turn(&cores[0].scheduler, 1);
    ck_assert_uint_eq(cores[0].blocks.bytes_used, 0);
    tear_down();
}
END_TEST

START_TEST(payload_without_memory_is_none) {
    set_up(4096);
    ck_assert(payload_acquire(&cores[0].scheduler, 4096) == PAYLOAD_NONE);
    ck_assert(payload_acquire(&cores[0].scheduler, SIZE_MAX) == PAYLOAD_NONE);
    ck_assert(payload_acquire(&cores[0].scheduler, SIZE_MAX - 8) == PAYLOAD_NONE);
    uint64_t most = payload_acquire(&cores[0].scheduler, 4096 - 16);
    ck_assert(most != PAYLOAD_NONE);
    payload_unref(&cores[0].scheduler, most);
    tear_down();
}
END_TEST

UNIT_MAIN("sched/payload", payload_goes_with_its_last_holder,
          payload_of_the_first_block_of_core_0_is_not_none,
          payload_unref_by_another_core_waits_for_the_turn_of_its_own,
          payload_without_memory_is_none)
