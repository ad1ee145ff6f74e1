// Goal: links, monitors and exit signals do what OTP's do, on one core and across cores, and every
// bad use of an exit has its defined outcome. Method: puppets on two or three cores of one thread.
#include "tests/unit/sched/cores.h"

#include <errno.h>

// Two puppets on the cores given, of the kinds given.
static void pair(uint32_t core_a, uint8_t kind_a, uint32_t core_b, uint8_t kind_b, uint64_t *a,
                 uint64_t *b) {
    cores_open(3, NULL);
    *a = cores_spawn(core_a, kind_a);
    *b = cores_spawn(core_b, kind_b);
}

static void exit_self(uint64_t pid, uint32_t reason) {
    cores_send(PID_NONE, pid, DO_EXIT_SELF, reason);
    cores_settle();
}

static void check_link(uint32_t core_a, uint32_t core_b, uint8_t kind, uint32_t reason,
                       bool survives) {
    uint64_t a;
    uint64_t b;
    pair(core_a, kind, core_b, PUPPET, &a, &b);
    cores_send(PID_NONE, a, DO_LINK, b);
    cores_settle();
    exit_self(b, reason);
    ck_assert(!cores_is_alive(b));
    ck_assert_int_eq(cores_is_alive(a), survives);
    struct cores_entry entry;
    if (!survives) {
        ck_assert_uint_eq(cores_logged(a, 0, &entry), 1);
        ck_assert_uint_eq(entry.small, reason);
    }
    if (kind == TRAPPER) {
        ck_assert_uint_eq(cores_logged(a, MESSAGE_EXIT, &entry), 1);
        ck_assert_uint_eq(entry.small, reason);
        ck_assert_uint_eq(entry.sender, b);
    }
    cores_close();
}

START_TEST(a_link_takes_along_unless_it_is_trapped_or_the_exit_normal) {
    for (uint32_t b = 0; b < 3; b++) {
        check_link(0, b, PUPPET, EXIT_PEER, false);
        check_link(0, b, PUPPET, EXIT_SHUTDOWN, false);
        check_link(0, b, PUPPET, EXIT_USER + 7, false);
        check_link(0, b, PUPPET, EXIT_KILLED, false);
        check_link(0, b, PUPPET, EXIT_NORMAL, true);
        check_link(0, b, TRAPPER, EXIT_PEER, true);
        check_link(0, b, TRAPPER, EXIT_NORMAL, true);
        check_link(0, b, TRAPPER, EXIT_KILLED, true); // by a link a kill can be trapped
    }
}
END_TEST

START_TEST(a_link_works_from_the_side_that_did_not_make_it) {
    uint64_t a;
    uint64_t b;
    pair(0, PUPPET, 1, PUPPET, &a, &b);
    cores_send(PID_NONE, a, DO_LINK, b);
    cores_settle();
    exit_self(a, EXIT_BUDGET);
    ck_assert(!cores_is_alive(b));
    cores_close();
}
END_TEST

START_TEST(a_link_to_the_dead_is_an_exit_with_noproc) {
    for (uint32_t core = 0; core < 2; core++) {
        uint64_t a;
        uint64_t b;
        pair(0, TRAPPER, core, PUPPET, &a, &b);
        exit_self(b, EXIT_NORMAL);
        cores_send(PID_NONE, a, DO_LINK, b);
        cores_settle();
        struct cores_entry entry;
        ck_assert_uint_eq(cores_logged(a, MESSAGE_EXIT, &entry), 1);
        ck_assert_uint_eq(entry.small, EXIT_NOPROC);
        cores_close();
    }
}
END_TEST

START_TEST(an_exit_wave_goes_round_a_ring_of_links_once) {
    cores_open(3, NULL);
    uint64_t ring[30];
    for (uint32_t i = 0; i < 30; i++)
        ring[i] = cores_spawn(i % 3, PUPPET);
    for (uint32_t i = 0; i < 30; i++)
        cores_send(PID_NONE, ring[i], DO_LINK, ring[(i + 1) % 30]);
    cores_settle();
    exit_self(ring[4], EXIT_PEER);
    cores_settle();
    cores_settle();
    for (uint32_t i = 0; i < 30; i++) {
        ck_assert(!cores_is_alive(ring[i]));
        ck_assert_uint_eq(cores_logged(ring[i], 0, NULL), 1);
    }
    cores_close();
}
END_TEST

START_TEST(an_unlinked_actor_stays) {
    for (uint32_t core = 0; core < 2; core++) {
        uint64_t a;
        uint64_t b;
        pair(0, PUPPET, core, PUPPET, &a, &b);
        cores_send(PID_NONE, a, DO_LINK, b);
        cores_send(PID_NONE, a, DO_LINK, b); // idempotent
        cores_settle();
        cores_send(PID_NONE, b, DO_UNLINK, a);
        cores_settle();
        ck_assert_uint_eq(cores_of(a)->relations.used_count, 0);
        ck_assert_uint_eq(cores_of(b)->relations.used_count, 0);
        exit_self(b, EXIT_PEER);
        ck_assert(cores_is_alive(a));
        cores_close();
    }
}
END_TEST

// Both sides link and unlink at random, crossing on the way: in the end both agree.
START_TEST(crossing_links_and_unlinks_end_the_same_on_both_sides) {
    for (uint32_t seed = 1; seed <= 300; seed++) {
        uint64_t pids[2];
        pair(0, PUPPET, 1, PUPPET, &pids[0], &pids[1]);
        uint32_t random = seed * 2654435761u;
        for (uint32_t step = 0; step < 40; step++) {
            random = random * 1664525u + 1013904223u;
            uint32_t side = random >> 30 & 1;
            cores_send(pids[side], pids[side], random >> 29 & 1 ? DO_LINK : DO_UNLINK,
                       pids[1 - side]);
            if (random >> 28 & 1)
                cores_turn(random >> 27 & 1);
        }
        cores_settle();
        const struct relation *link[2];
        for (uint32_t i = 0; i < 2; i++) {
            link[i] = relation_first(cores_of(pids[i]), PUPPET, pid_slot(pids[i]).index);
            ck_assert(!link[i] || link[i]->word == 0);
        }
        ck_assert_msg(!link[0] == !link[1], "seed %u: linked on one side only", seed);
        cores_close();
    }
}
END_TEST

START_TEST(a_monitor_tells_once_with_the_reason) {
    for (uint32_t core = 0; core < 3; core++) {
        uint64_t a;
        uint64_t b;
        pair(0, PUPPET, core, PUPPET, &a, &b);
        cores_send(PID_NONE, a, DO_MONITOR, b);
        cores_send(PID_NONE, a, DO_MONITOR, b); // each has a name of its own
        cores_settle();
        cores_send(b, a, SAY, 77);
        exit_self(b, EXIT_BUDGET);
        struct cores_entry entry;
        ck_assert_uint_eq(cores_logged(a, MESSAGE_DOWN, &entry), 2);
        ck_assert_uint_eq(entry.small, EXIT_BUDGET);
        ck_assert_uint_eq(entry.sender, b);
        ck_assert(cores_is_alive(a));
        uint32_t at = 0; // its last words came first
        while (cores.log[at].pid != a)
            at++;
        ck_assert_uint_eq(cores.log[at].type, SAY);
        cores_close();
    }
}
END_TEST

START_TEST(a_monitor_of_the_dead_tells_noproc) {
    for (uint32_t core = 0; core < 2; core++) {
        uint64_t a;
        uint64_t b;
        pair(0, PUPPET, core, PUPPET, &a, &b);
        exit_self(b, EXIT_PEER);
        cores_send(PID_NONE, a, DO_MONITOR, b);
        cores_settle();
        struct cores_entry entry;
        ck_assert_uint_eq(cores_logged(a, MESSAGE_DOWN, &entry), 1);
        ck_assert_uint_eq(entry.small, EXIT_NOPROC);
        ck_assert_uint_eq(entry.word, cores.monitor);
        cores_close();
    }
}
END_TEST

START_TEST(a_demonitored_actor_tells_nothing_even_when_its_down_is_on_the_way) {
    uint64_t a;
    uint64_t b;
    pair(0, PUPPET, 1, PUPPET, &a, &b);
    cores_send(PID_NONE, a, DO_MONITOR, b);
    cores_settle();
    cores_send(b, b, DO_EXIT_SELF, EXIT_PEER);
    cores_turn(1); // the down is in the mesh
    ck_assert(signal_demonitor(cores_of(a), PUPPET, pid_slot(a).index, cores.monitor));
    ck_assert(!signal_demonitor(cores_of(a), PUPPET, pid_slot(a).index, cores.monitor));
    cores_settle();
    ck_assert_uint_eq(cores_logged(a, MESSAGE_DOWN, NULL), 0);
    cores_close();
}
END_TEST

START_TEST(a_watcher_that_goes_is_forgotten_by_whom_it_watched) {
    uint64_t a;
    uint64_t b;
    pair(0, PUPPET, 1, PUPPET, &a, &b);
    cores_send(PID_NONE, a, DO_MONITOR, b);
    cores_settle();
    exit_self(a, EXIT_NORMAL);
    ck_assert_uint_eq(cores_of(b)->relations.used_count, 0);
    cores_close();
}
END_TEST

START_TEST(an_exit_signal_can_be_trapped_but_a_kill_cannot) {
    for (uint32_t core = 0; core < 2; core++) {
        uint64_t a;
        uint64_t b;
        pair(core, PUPPET, core, TRAPPER, &a, &b);
        signal_exit(&cores.schedulers[0], PID_NONE, a, EXIT_NORMAL);
        signal_exit(&cores.schedulers[0], PID_NONE, b, EXIT_SHUTDOWN);
        cores_settle();
        ck_assert(cores_is_alive(a) && cores_is_alive(b));
        ck_assert_uint_eq(cores_logged(b, MESSAGE_EXIT, NULL), 1);
        signal_exit(&cores.schedulers[0], PID_NONE, a, EXIT_SHUTDOWN);
        signal_exit(&cores.schedulers[0], PID_NONE, b, EXIT_KILLED);
        cores_settle();
        ck_assert(!cores_is_alive(a) && !cores_is_alive(b));
        struct cores_entry entry;
        ck_assert_uint_eq(cores_logged(b, 0, &entry), 1);
        ck_assert_uint_eq(entry.small, EXIT_KILLED);
        cores_close();
    }
}
END_TEST

START_TEST(a_kill_overtakes_mail_and_reaches_the_paused) {
    cores_open(1, NULL);
    uint64_t a = cores_spawn(0, PUPPET);
    uint32_t index = pid_slot(a).index;
    for (uint32_t i = 0; i < 10; i++)
        cores_send(PID_NONE, a, SAY, i);
    scheduler_pause(&cores.schedulers[0], PUPPET, index);
    signal_exit(&cores.schedulers[0], PID_NONE, a, EXIT_KILLED);
    signal_exit(&cores.schedulers[0], PID_NONE, a, EXIT_SHUTDOWN); // the first reason stands
    ck_assert(cores_is_alive(a)); // not within the sender's handler
    cores_send(PID_NONE, a, SAY, 99);
    cores_settle();
    ck_assert(!cores_is_alive(a));
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 0);
    ck_assert_uint_eq(cores.discarded, 11);
    struct cores_entry entry;
    ck_assert_uint_eq(cores_logged(a, 0, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_KILLED);
    cores_close();
}
END_TEST

static int exit_in_init(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    scheduler_exit(scheduler, kind, index, EXIT_BUDGET);
    cores_send(PID_NONE, scheduler_pid(scheduler, kind, index), SAY, 1);
    return 0;
}

static uint64_t linked_to;

static int link_and_decline(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    if (kind != PUPPET)
        return 0;
    ck_assert_int_eq(signal_link(scheduler, kind, index, linked_to), 0);
    return -ENOMEM;
}

START_TEST(an_exit_inside_init_is_a_spawn_that_failed) {
    cores_open(1, NULL);
    cores.on_init = exit_in_init;
    ck_assert_uint_eq(scheduler_spawn(&cores.schedulers[0], PUPPET, NULL), PID_NONE);
    ck_assert_uint_eq(cores.log_count, 0); // no terminate
    ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_SPAWNS_FAILED), 1);
    cores.on_init = link_and_decline;
    linked_to = cores_spawn(0, TRAPPER);
    ck_assert_uint_eq(scheduler_spawn(&cores.schedulers[0], PUPPET, NULL), PID_NONE);
    cores_settle();
    struct cores_entry entry;
    ck_assert_uint_eq(cores_logged(linked_to, MESSAGE_EXIT, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_FAILED);
    cores_close();
}
END_TEST

static void exit_in_terminate(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    scheduler_exit(scheduler, kind, index, EXIT_PEER);
    cores_send(PID_NONE, scheduler_pid(scheduler, kind, index), SAY, 1);
    signal_exit(scheduler, PID_NONE, scheduler_pid(scheduler, kind, index), EXIT_KILLED);
}

START_TEST(an_exit_inside_terminate_is_ignored_and_counted) {
    cores_open(1, NULL);
    cores.on_terminate = exit_in_terminate;
    uint64_t a = cores_spawn(0, PUPPET);
    exit_self(a, EXIT_NORMAL);
    ck_assert_uint_eq(cores_logged(a, 0, NULL), 1);
    ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_EXITS_IGNORED), 1);
    ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_SIGNALS_TO_DEAD), 1);
    cores_close();
}
END_TEST

START_TEST(without_memory_a_tie_is_refused_by_name) {
    const struct scheduler_config config = {.message_cells_max = 256, .relations_max = 3};
    cores_open(2, &config);
    uint64_t a = cores_spawn(0, TRAPPER);
    uint64_t b = cores_spawn(1, PUPPET);
    uint64_t c = cores_spawn(1, PUPPET);
    struct scheduler *first = cores_of(a);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_ne(signal_monitor(first, TRAPPER, pid_slot(a).index, b), 0);
    ck_assert_uint_eq(signal_monitor(first, TRAPPER, pid_slot(a).index, b), 0);
    ck_assert_int_eq(signal_link(first, TRAPPER, pid_slot(a).index, b), -ENOMEM);
    cores_settle(); // b has no record left either: its watcher is told
    ck_assert_int_eq(signal_link(cores_of(c), PUPPET, pid_slot(c).index, b), -ENOMEM);
    ck_assert_uint_gt(counter_read(&cores.counters[0], COUNTER_RELATIONS_OUT), 0);
    cores_close();
}
END_TEST

START_TEST(the_far_side_without_memory_answers_with_system_limit) {
    const struct scheduler_config config = {.message_cells_max = 256, .relations_max = 2};
    cores_open(2, &config);
    uint64_t a = cores_spawn(0, TRAPPER);
    uint64_t b = cores_spawn(1, PUPPET);
    uint64_t c = cores_spawn(1, PUPPET);
    cores_send(PID_NONE, c, DO_LINK, b); // takes both records of core 1
    cores_settle();
    ck_assert_int_eq(signal_link(cores_of(a), TRAPPER, pid_slot(a).index, b), 0);
    ck_assert_uint_ne(signal_monitor(cores_of(a), TRAPPER, pid_slot(a).index, b), 0);
    cores_settle();
    struct cores_entry entry;
    ck_assert_uint_eq(cores_logged(a, MESSAGE_EXIT, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_SYSTEM_LIMIT);
    ck_assert_uint_eq(cores_logged(a, MESSAGE_DOWN, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_SYSTEM_LIMIT);
    cores_close();
}
END_TEST

START_TEST(info_names_what_an_actor_is_tied_to) {
    uint64_t a;
    uint64_t b;
    pair(0, PUPPET, 1, PUPPET, &a, &b);
    cores_send(PID_NONE, a, DO_LINK, b);
    cores_send(PID_NONE, a, DO_MONITOR, b);
    cores_settle();
    struct actor_info info;
    ck_assert(scheduler_actor_info(cores_of(a), a, &info));
    ck_assert_uint_eq(info.pid, a);
    ck_assert_str_eq(info.behaviour, "puppets");
    ck_assert_uint_eq(info.link_count, 1);
    ck_assert_uint_eq(info.monitor_count, 1);
    ck_assert_uint_eq(info.monitored_count, 0);
    ck_assert(scheduler_actor_info(cores_of(b), b, &info));
    ck_assert_uint_eq(info.monitored_count, 1);
    exit_self(b, EXIT_NORMAL);
    ck_assert(!scheduler_actor_info(cores_of(b), b, &info));
    cores_close();
}
END_TEST

UNIT_MAIN("sched/signal", a_link_takes_along_unless_it_is_trapped_or_the_exit_normal,
          a_link_works_from_the_side_that_did_not_make_it,
          a_link_to_the_dead_is_an_exit_with_noproc, an_exit_wave_goes_round_a_ring_of_links_once,
          an_unlinked_actor_stays, crossing_links_and_unlinks_end_the_same_on_both_sides,
          a_monitor_tells_once_with_the_reason, a_monitor_of_the_dead_tells_noproc,
          a_demonitored_actor_tells_nothing_even_when_its_down_is_on_the_way,
          a_watcher_that_goes_is_forgotten_by_whom_it_watched,
          an_exit_signal_can_be_trapped_but_a_kill_cannot,
          a_kill_overtakes_mail_and_reaches_the_paused, an_exit_inside_init_is_a_spawn_that_failed,
          an_exit_inside_terminate_is_ignored_and_counted, without_memory_a_tie_is_refused_by_name,
          the_far_side_without_memory_answers_with_system_limit,
          info_names_what_an_actor_is_tied_to)
