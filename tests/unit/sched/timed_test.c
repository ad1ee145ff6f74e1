// Goal: timed messages come once, or repeatedly, never early; cancelled ones do not; a million
// armed ones cost nothing. Method: puppets and a clock that the test moves.
#include "tests/unit/sched/cores.h"

static uint64_t after(uint64_t target, uint64_t delay_ns, uint64_t interval_ns) {
    struct message message = {.target = target, .type = SAY, .words = {5, 6, 7, 8}, .small = 9};
    return timed_send_after(&cores.schedulers[0], &message, delay_ns, interval_ns);
}

START_TEST(a_timed_message_comes_once_and_not_early) {
    cores_open(2, NULL);
    for (uint32_t core = 0; core < 2; core++) {
        uint64_t a = cores_spawn(core, PUPPET);
        ck_assert_uint_ne(after(a, 50 * NS_PER_MS, 0), 0);
        cores_pass(49 * NS_PER_MS);
        ck_assert_uint_eq(cores_logged(a, SAY, NULL), 0);
        cores_pass(2 * NS_PER_MS);
        struct cores_entry entry;
        ck_assert_uint_eq(cores_logged(a, SAY, &entry), 1);
        ck_assert_uint_eq(entry.word, 5);
        ck_assert_uint_eq(entry.small, 9);
        cores_pass(NS_PER_S);
        ck_assert_uint_eq(cores_logged(a, SAY, NULL), 1);
    }
    cores_close();
}
END_TEST

START_TEST(a_repeated_one_comes_each_interval_and_makes_up_for_nothing) {
    cores_open(1, NULL);
    uint64_t a = cores_spawn(0, PUPPET);
    uint64_t name = after(a, 10 * NS_PER_MS, 10 * NS_PER_MS);
    for (uint32_t i = 0; i < 50; i++)
        cores_pass(NS_PER_MS);
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 5);
    cores_pass(5 * NS_PER_S); // a jump of the clock: one message, not 500
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 6);
    uint64_t remaining_ns;
    ck_assert(timed_cancel(&cores.schedulers[0], a, name, &remaining_ns));
    ck_assert_uint_le(remaining_ns, 10 * NS_PER_MS);
    cores_pass(NS_PER_S);
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 6);
    cores_close();
}
END_TEST

START_TEST(a_cancelled_one_tells_what_was_left_and_never_comes) {
    cores_open(2, NULL);
    for (uint32_t core = 0; core < 2; core++) {
        uint64_t a = cores_spawn(core, PUPPET);
        uint64_t name = after(a, 100 * NS_PER_MS, 0);
        uint64_t other = after(a, 100 * NS_PER_MS, 0);
        cores_pass(30 * NS_PER_MS);
        uint64_t remaining_ns = 0;
        ck_assert(timed_cancel(&cores.schedulers[0], a, name, &remaining_ns));
        ck_assert_uint_eq(remaining_ns, 70 * NS_PER_MS);
        ck_assert(!timed_cancel(&cores.schedulers[0], a, name, &remaining_ns));
        cores_pass(NS_PER_S);
        ck_assert_uint_eq(cores_logged(a, SAY, NULL), 1);
        ck_assert(!timed_cancel(&cores.schedulers[0], a, other, &remaining_ns)); // it has come
    }
    cores_close();
}
END_TEST

START_TEST(timed_messages_go_with_their_target) {
    cores_open(1, NULL);
    uint64_t a = cores_spawn(0, PUPPET);
    for (uint32_t i = 0; i < 10; i++)
        ck_assert_uint_ne(after(a, (i + 1) * NS_PER_MS, i % 2 * NS_PER_MS), 0);
    signal_exit(&cores.schedulers[0], PID_NONE, a, EXIT_KILLED);
    cores_settle();
    ck_assert_uint_eq(cores.schedulers[0].timed.used_count, 0);
    ck_assert_uint_eq(scheduler_wait_ns(&cores.schedulers[0], cores.now_ns), UINT64_MAX);
    cores_close();
}
END_TEST

START_TEST(a_full_mailbox_puts_it_off) {
    cores_open(1, NULL);
    uint64_t a = cores_spawn(0, WALL);
    scheduler_pause(&cores.schedulers[0], WALL, pid_slot(a).index);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_ne(after(a, NS_PER_MS, 0), 0);
    cores_pass(5 * NS_PER_MS);
    ck_assert_uint_eq(cores.schedulers[0].timed.used_count, 1);
    ck_assert_uint_gt(counter_read(&cores.counters[0], COUNTER_TIMED_LATE), 0);
    scheduler_resume(&cores.schedulers[0], WALL, pid_slot(a).index);
    cores_pass(5 * NS_PER_MS);
    cores_pass(5 * NS_PER_MS);
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 5);
    cores_close();
}
END_TEST

START_TEST(beyond_timed_max_none_is_taken) {
    const struct scheduler_config config = {.message_cells_max = 64, .timed_max = 3};
    cores_open(1, &config);
    uint64_t a = cores_spawn(0, PUPPET);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_ne(after(a, NS_PER_MS, 0), 0);
    ck_assert_uint_eq(after(a, NS_PER_MS, 0), 0);
    cores_pass(5 * NS_PER_MS);
    ck_assert_uint_ne(after(a, NS_PER_MS, 0), 0);
    cores_close();
}
END_TEST

START_TEST(a_million_armed_ones_cost_nothing_while_quiet) {
    cores_open(1, NULL);
    uint64_t a = cores_spawn(0, PUPPET);
    for (uint32_t i = 0; i < 1000000; i++)
        ck_assert_uint_ne(after(a, NS_PER_S * 3600 + i * 1000ull, 0), 0);
    struct scheduler *scheduler = &cores.schedulers[0];
    uint64_t wait_ns = scheduler_wait_ns(scheduler, cores.now_ns);
    ck_assert_uint_gt(wait_ns, NS_PER_S); // nothing to look at for long
    uint64_t before = counter_read(&cores.counters[0], COUNTER_TIMERS_FIRED);
    uint32_t turns = 0; // that the timers ask for in half an hour
    for (uint64_t end_ns = cores.now_ns + 1800 * NS_PER_S; cores.now_ns < end_ns; turns++) {
        (void)scheduler_turn(scheduler, cores.now_ns);
        cores.now_ns += scheduler_wait_ns(scheduler, cores.now_ns);
    }
    ck_assert_uint_lt(turns, 1100); // the move to the next level of the wheel, in slices
    ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_TIMERS_FIRED), before);
    cores_close();
}
END_TEST

// A policy may drop a program's message; a timeout is the runtime's word.
START_TEST(a_timeout_is_not_dropped_by_a_full_mailbox) {
    static const uint8_t kinds[] = {LEAKY, SLIDING, BRITTLE};
    for (uint32_t i = 0; i < 3; i++) {
        cores_open(1, NULL);
        struct scheduler *scheduler = &cores.schedulers[0];
        uint64_t pid = cores_spawn(0, kinds[i]);
        const struct message timeout = {.target = pid, .type = MESSAGE_TIMEOUT};
        ck_assert_uint_ne(timed_send_after(scheduler, &timeout, NS_PER_S, 0), 0);
        for (uint32_t at = 0; at < 4; at++)
            ck_assert(scheduler_try_send(scheduler, &(struct message){.target = pid, .type = SAY}));
        cores_pass(2 * NS_PER_S);
        ck_assert_uint_eq(cores_logged(pid, MESSAGE_TIMEOUT, NULL), 1);
        ck_assert_uint_eq(cores_logged(pid, SAY, NULL), 4);
        cores_close();
    }
}
END_TEST

UNIT_MAIN("sched/timed", a_timeout_is_not_dropped_by_a_full_mailbox,
          a_timed_message_comes_once_and_not_early,
          a_repeated_one_comes_each_interval_and_makes_up_for_nothing,
          a_cancelled_one_tells_what_was_left_and_never_comes, timed_messages_go_with_their_target,
          a_full_mailbox_puts_it_off, beyond_timed_max_none_is_taken,
          a_million_armed_ones_cost_nothing_while_quiet)
