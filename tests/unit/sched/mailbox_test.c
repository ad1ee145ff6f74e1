// Goal: a mailbox that is full does what its behaviour says, from its own core and from another;
// control messages are never dropped. Method: puppets with mailboxes of four, paused.
#include "tests/unit/sched/cores.h"

#define MAX 4

// Tries to send `count` messages, numbered, from a core; returns how many were taken.
static uint32_t fill(uint32_t core, uint64_t to, uint32_t count) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < count; i++)
        taken += scheduler_try_send(&cores.schedulers[core],
                                    &(struct message){.target = to, .type = SAY, .words = {i}});
    return taken;
}

static uint64_t paused(uint8_t kind) {
    uint64_t pid = cores_spawn(0, kind);
    scheduler_pause(&cores.schedulers[0], kind, pid_slot(pid).index);
    return pid;
}

static void resume(uint64_t pid) {
    scheduler_resume(&cores.schedulers[0], pid_kind(pid), pid_slot(pid).index);
    cores_settle();
}

static uint64_t first_said(void) {
    for (uint32_t i = 0; i < cores.log_count; i++)
        if (cores.log[i].type == SAY)
            return cores.log[i].word;
    return UINT64_MAX;
}

START_TEST(one_that_declines_tells_the_sender_at_its_bound) {
    cores_open(2, NULL);
    uint64_t a = paused(WALL);
    ck_assert_uint_eq(fill(0, a, MAX - 1), MAX - 1);
    ck_assert_uint_eq(fill(0, a, 1), 1);
    ck_assert_uint_eq(fill(0, a, 3), 0);
    cores_send(PID_NONE, a, SAY, 9);     // control messages pass
    ck_assert_uint_eq(fill(1, a, 3), 3); // into the mesh, where they wait
    cores_settle();
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 0);
    resume(a);
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), MAX + 1 + 3);
    ck_assert_uint_eq(cores.discarded, 0);
    cores_close();
}
END_TEST

START_TEST(one_that_drops_the_newest_keeps_the_oldest) {
    for (uint32_t core = 0; core < 2; core++) {
        cores_open(2, NULL);
        uint64_t a = paused(LEAKY);
        ck_assert_uint_eq(fill(core, a, MAX + 3), MAX + 3);
        cores_settle();
        resume(a);
        ck_assert_uint_eq(cores_logged(a, SAY, NULL), MAX);
        ck_assert_uint_eq(first_said(), 0);
        ck_assert_uint_eq(cores.discarded, 3);
        ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_MAIL_DROPPED), 3);
        cores_close();
    }
}
END_TEST

START_TEST(one_that_drops_the_oldest_keeps_the_newest_and_all_control) {
    for (uint32_t core = 0; core < 2; core++) {
        cores_open(2, NULL);
        uint64_t a = paused(SLIDING);
        cores_send(PID_NONE, a, SAY, 100);
        cores_settle();
        ck_assert_uint_eq(fill(core, a, MAX + 3), MAX + 3);
        cores_settle();
        cores_send(PID_NONE, a, SAY, 101);
        resume(a);
        ck_assert_uint_eq(cores_logged(a, SAY, NULL), MAX + 1);
        ck_assert_uint_eq(first_said(), 100);
        struct cores_entry entry;
        (void)cores_logged(a, SAY, &entry);
        ck_assert_uint_eq(entry.word, 101);
        ck_assert_uint_eq(cores.discarded, 4);
        cores_close();
    }
}
END_TEST

START_TEST(one_with_nothing_but_control_drops_the_new) {
    cores_open(1, NULL);
    uint64_t a = paused(SLIDING);
    for (uint32_t i = 0; i < MAX; i++)
        cores_send(PID_NONE, a, SAY, i);
    ck_assert_uint_eq(fill(0, a, 2), 2);
    ck_assert_uint_eq(cores.discarded, 2);
    resume(a);
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), MAX);
    cores_close();
}
END_TEST

START_TEST(one_that_exits_goes_with_budget) {
    for (uint32_t core = 0; core < 2; core++) {
        cores_open(2, NULL);
        uint64_t a = paused(BRITTLE);
        ck_assert_uint_eq(fill(core, a, MAX), MAX);
        cores_settle();
        ck_assert(cores_is_alive(a));
        ck_assert_uint_eq(fill(core, a, 1), 1);
        cores_settle();
        ck_assert(!cores_is_alive(a));
        struct cores_entry entry;
        ck_assert_uint_eq(cores_logged(a, 0, &entry), 1);
        ck_assert_uint_eq(entry.small, EXIT_BUDGET);
        ck_assert_uint_eq(cores.discarded, MAX + 1);
        cores_close();
    }
}
END_TEST

START_TEST(a_service_is_found_under_one_pid_over_its_lives) {
    cores_open(2, NULL);
    static const struct behaviour service = PUPPET_BEHAVIOUR(10, "service", .mailbox_max = 100);
    puppet_contexts[0][10] = (struct puppet_context){&cores.schedulers[0], 10};
    ck_assert_int_eq(scheduler_register(&cores.schedulers[0], &service, &puppet_contexts[0][10], 1),
                     0);
    uint64_t alias = pid_service(0, 10);
    cores_send(PID_NONE, alias, SAY, 1); // nobody is there
    ck_assert_uint_eq(cores.discarded, 1);
    for (uint32_t life = 0; life < 3; life++) {
        uint64_t pid = cores_spawn(0, 10);
        for (uint32_t core = 0; core < 2; core++)
            ck_assert(scheduler_try_send(
                &cores.schedulers[core],
                &(struct message){.target = alias, .type = SAY, .words = {life}}));
        cores_settle();
        ck_assert_uint_eq(cores_logged(pid, SAY, NULL), 2);
        uint64_t watcher = cores_spawn(1, PUPPET);
        cores_send(PID_NONE, watcher, DO_MONITOR, alias);
        cores_settle();
        signal_exit(&cores.schedulers[1], PID_NONE, alias, EXIT_PEER);
        cores_settle();
        ck_assert(!cores_is_alive(pid));
        ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, NULL), 1);
    }
    cores_close();
}
END_TEST

UNIT_MAIN("sched/mailbox", one_that_declines_tells_the_sender_at_its_bound,
          one_that_drops_the_newest_keeps_the_oldest,
          one_that_drops_the_oldest_keeps_the_newest_and_all_control,
          one_with_nothing_but_control_drops_the_new, one_that_exits_goes_with_budget,
          a_service_is_found_under_one_pid_over_its_lives)
