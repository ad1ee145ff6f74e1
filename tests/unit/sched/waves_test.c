// Goal: an end that many are tied to reaches all of them, however few message cells there are and
// however full the ways are. Method: more ties than cells, on one core and between two.
#include "tests/unit/sched/cores.h"

#define CELLS 256
#define TIES 1000

static const struct scheduler_config tight = {.message_cells_max = CELLS, .relations_max = 4096};

static void watch(uint64_t watcher, uint64_t watched) {
    struct scheduler *scheduler = cores_of(watcher);
    for (uint32_t i = 0; i < TIES; i++) {
        ck_assert_uint_ne(
            signal_monitor(scheduler, pid_kind(watcher), pid_slot(watcher).index, watched), 0);
        if (i % 32 == 31) // what is set up does not pile up
            cores_settle();
    }
    cores_settle();
}

START_TEST(more_ends_in_one_moment_than_cells_are_all_told) {
    cores_open(1, &tight);
    uint64_t watcher = cores_spawn(0, TRAPPER);
    uint64_t watched = cores_spawn(0, PUPPET);
    watch(watcher, watched);
    const struct message say = {.target = watcher, .type = SAY};
    uint32_t said = 0;
    while (scheduler_try_send(&cores.schedulers[0], &say)) // all that mail may take
        said++;
    ck_assert_uint_eq(said, CELLS - CELLS / 8);
    scheduler_exit(&cores.schedulers[0], PUPPET, pid_slot(watched).index, EXIT_PEER);
    ck_assert(!scheduler_try_send(&cores.schedulers[0], &say));
    for (uint32_t i = 0; i < 4; i++)
        cores_settle();
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, NULL), TIES);
    ck_assert_uint_eq(cores_logged(watcher, SAY, NULL), said);
    cores_close();
}
END_TEST

// Each core has more to send than its cells for mail, and the rings are full both ways.
START_TEST(two_cores_with_full_ways_to_each_other_get_on) {
    cores_open(2, &tight);
    uint64_t watchers[2] = {cores_spawn(0, TRAPPER), cores_spawn(1, TRAPPER)};
    uint64_t watched[2] = {cores_spawn(0, PUPPET), cores_spawn(1, PUPPET)};
    watch(watchers[0], watched[1]);
    watch(watchers[1], watched[0]);
    for (uint32_t i = 0; i < 2; i++)
        scheduler_exit(&cores.schedulers[i], PUPPET, pid_slot(watched[i]).index, EXIT_PEER);
    for (uint32_t i = 0; i < 10; i++)
        cores_settle();
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_uint_eq(cores_logged(watchers[i], MESSAGE_DOWN, NULL), TIES);
    cores_close();
}
END_TEST

UNIT_MAIN("sched/waves", more_ends_in_one_moment_than_cells_are_all_told,
          two_cores_with_full_ways_to_each_other_get_on)
