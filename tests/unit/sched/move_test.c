// Goal: an actor that moves loses nothing and changes no order, keeps its ties and timers, and what
// happens to it on the way happens once. Method: movers on up to four cores of one thread whose
// turns come in random order, by seed.
#include "tests/unit/sched/cores.h"

#include <errno.h>

#define SENDERS 12

static uint32_t random_state;

static uint32_t random_below(uint32_t bound) {
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(random_state >> 8) * bound >> 24);
}

// The latest pid of an actor, as core 0 sees it.
static uint64_t now_at(uint64_t pid) {
    return move_translate(&cores.schedulers[0], pid);
}

static int move_to(uint64_t pid, uint8_t core) {
    pid = now_at(pid);
    return move_begin(cores_of(pid), pid, core);
}

static void move_and_settle(uint64_t pid, uint8_t core) {
    ck_assert_int_eq(move_to(pid, core), 0);
    cores_settle();
    ck_assert_uint_eq(pid_core(now_at(pid)), core);
    ck_assert(cores_is_alive(now_at(pid)));
}

static void check_translations_gone(void) {
    for (uint32_t i = 0; i < cores.count; i++)
        ck_assert_uint_eq(cores.schedulers[i].moved_count, 0);
}

static uint64_t receivers[CORES_MAX];
static uint32_t said_by_mover[CORES_MAX];

// A mover that is spoken to says something to every receiver, numbered.
static void speak(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                  const struct message *message) {
    (void)message;
    if (kind != MOVER)
        return;
    for (uint32_t i = 0; i < cores.count; i++)
        scheduler_send(scheduler, &(struct message){.target = receivers[i],
                                                    .sender = scheduler_pid(scheduler, kind, index),
                                                    .type = SAY,
                                                    .words = {said_by_mover[i]++}});
}

// Every sender's words in order, and all of them, whoever's pid got them.
static void check_order(uint64_t sender, const uint64_t *not_to, uint32_t count) {
    uint64_t next = 0;
    for (uint32_t i = 0; i < cores.log_count; i++) {
        const struct cores_entry *entry = &cores.log[i];
        if (entry->type != SAY || entry->sender != sender || entry->pid == *not_to)
            continue;
        ck_assert_msg(entry->word == next, "word %lu in place of %lu", entry->word, next);
        next++;
    }
    ck_assert_uint_eq(next, count);
}

START_TEST(mail_to_and_from_a_mover_keeps_its_order_and_is_whole) {
    for (uint32_t seed = 1; seed <= 400; seed++) {
        random_state = seed;
        cores_open(2 + seed % 3, NULL);
        cores.on_say = speak;
        memset(said_by_mover, 0, sizeof(said_by_mover));
        uint64_t senders[SENDERS];
        uint32_t sent[SENDERS] = {0};
        for (uint32_t i = 0; i < SENDERS; i++)
            senders[i] = cores_spawn(i % cores.count, PUPPET);
        for (uint32_t i = 0; i < cores.count; i++)
            receivers[i] = cores_spawn(i, PUPPET);
        uint64_t first = cores_spawn(0, MOVER);
        for (uint32_t step = 0; step < 300; step++) {
            uint32_t who = random_below(SENDERS);
            // Most use the first pid; some the latest that their own core knows of.
            uint64_t target =
                random_below(3) ? first : move_translate(cores_of(senders[who]), first);
            cores_send(senders[who], target, SAY, sent[who]++);
            if (random_below(4) == 0)
                cores_turn(random_below(cores.count));
            if (random_below(20) == 0)
                (void)move_to(first, (uint8_t)random_below(cores.count));
        }
        cores_settle();
        cores_settle();
        const uint64_t nobody = PID_NONE;
        for (uint32_t i = 0; i < SENDERS; i++)
            check_order(senders[i], &nobody, sent[i]);
        for (uint32_t i = 0; i < cores.count; i++) {
            uint64_t next = 0;
            for (uint32_t at = 0; at < cores.log_count; at++)
                if (cores.log[at].pid == receivers[i] && cores.log[at].type == SAY)
                    ck_assert_uint_eq(cores.log[at].word, next++);
            ck_assert_uint_eq(next, said_by_mover[i]);
        }
        ck_assert_uint_eq(cores.discarded, 0);
        cores_close();
        check_translations_gone();
    }
}
END_TEST

START_TEST(links_and_monitors_move_along) {
    for (uint32_t variant = 0; variant < 4; variant++) {
        cores_open(3, NULL);
        uint64_t mover = cores_spawn(0, MOVER);
        uint64_t linked = cores_spawn(1, TRAPPER);
        uint64_t watcher = cores_spawn(2, PUPPET);
        uint64_t watched = cores_spawn(0, PUPPET);
        cores_send(PID_NONE, variant & 1 ? linked : mover, DO_LINK, variant & 1 ? mover : linked);
        cores_send(PID_NONE, watcher, DO_MONITOR, mover);
        cores_settle();
        cores_send(PID_NONE, mover, DO_MONITOR, watched);
        cores_settle();
        uint64_t monitor = cores.monitor;
        for (uint8_t hop = 1; hop < 8; hop++)
            move_and_settle(mover, hop % 3);
        uint64_t now = now_at(mover);
        ck_assert_uint_gt(cores_logged(linked, MESSAGE_MOVED, NULL), 0);
        if (variant & 2) {
            cores_send(PID_NONE, watched, DO_EXIT_SELF, EXIT_PEER);
            cores_settle();
            struct cores_entry entry;
            ck_assert_uint_eq(cores_logged(now, MESSAGE_DOWN, &entry), 1);
            ck_assert_uint_eq(entry.word, monitor);
        } else {
            ck_assert(signal_demonitor(cores_of(now), MOVER, pid_slot(now).index, monitor));
        }
        cores_send(PID_NONE, mover, DO_EXIT_SELF, EXIT_BUDGET);
        cores_settle();
        ck_assert_uint_eq(cores_logged(linked, MESSAGE_EXIT, NULL), 1);
        ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, NULL), 1);
        ck_assert_uint_eq(cores_of(watched)->relations.used_count, 0);
        check_translations_gone();
        cores_close();
    }
}
END_TEST

// Links made and ends met while the mover is on its way, at every turn of it.
START_TEST(a_link_made_on_the_way_holds) {
    for (uint32_t seed = 1; seed <= 600; seed++) {
        random_state = seed;
        cores_open(3, NULL);
        uint64_t mover = cores_spawn(0, MOVER);
        uint64_t other = cores_spawn(random_below(3), TRAPPER);
        ck_assert_int_eq(move_to(mover, 1), 0);
        for (uint32_t i = random_below(8); i > 0; i--)
            cores_turn(random_below(3));
        bool is_by_mover = random_below(2);
        cores_send(other, is_by_mover ? mover : other, DO_LINK, is_by_mover ? other : mover);
        for (uint32_t i = random_below(8); i > 0; i--)
            cores_turn(random_below(3));
        if (random_below(2))
            (void)move_to(mover, 2);
        for (uint32_t i = random_below(8); i > 0; i--)
            cores_turn(random_below(3));
        // Behind the link, and in line with it.
        cores_send(is_by_mover ? other : PID_NONE, mover, DO_EXIT_SELF, EXIT_USER + 1);
        cores_settle();
        cores_settle();
        struct cores_entry entry;
        ck_assert_msg(cores_logged(other, MESSAGE_EXIT, &entry) == 1, "seed %u", seed);
        ck_assert(entry.small == EXIT_USER + 1 || (!is_by_mover && entry.small == EXIT_NOPROC));
        ck_assert_uint_eq(cores_of(other)->relations.used_count, 0);
        cores_close();
        check_translations_gone();
    }
}
END_TEST

START_TEST(timers_move_along) {
    cores_open(3, NULL);
    uint64_t mover = cores_spawn(0, MOVER);
    struct message say = {.target = mover, .type = SAY, .words = {1}};
    struct scheduler *first = &cores.schedulers[0];
    uint64_t once = timed_send_after(first, &say, 50 * NS_PER_MS, 0);
    uint64_t again = timed_send_after(first, &say, 20 * NS_PER_MS, 20 * NS_PER_MS);
    scheduler_arm(first, MOVER, pid_slot(mover).index, cores.now_ns + 70 * NS_PER_MS);
    move_and_settle(mover, 1);
    move_and_settle(mover, 2);
    ck_assert_uint_eq(first->timed.used_count, 0);
    uint64_t now = now_at(mover);
    uint64_t remaining_ns = 0;
    cores_pass(10 * NS_PER_MS);
    ck_assert(timed_cancel(cores_of(now), now, once, &remaining_ns));
    ck_assert_uint_eq(remaining_ns, 40 * NS_PER_MS);
    for (uint32_t i = 0; i < 55; i++)
        cores_pass(NS_PER_MS);
    ck_assert_uint_eq(cores_logged(now, SAY, NULL), 3);
    ck_assert_uint_eq(cores_logged(now, MESSAGE_TIMER, NULL), 0);
    for (uint32_t i = 0; i < 10; i++)
        cores_pass(NS_PER_MS);
    ck_assert_uint_eq(cores_logged(now, MESSAGE_TIMER, NULL), 1);
    ck_assert(timed_cancel(cores_of(now), now, again, &remaining_ns));
    cores_close();
}
END_TEST

// A timer that runs out while its actor is frozen goes off where it arrives, once.
START_TEST(a_timer_that_runs_out_on_the_way_is_not_lost) {
    for (uint32_t turns = 0; turns < 10; turns++) {
        cores_open(2, NULL);
        uint64_t mover = cores_spawn(0, MOVER);
        struct scheduler *first = &cores.schedulers[0];
        struct message say = {.target = mover, .type = SAY, .words = {1}};
        ck_assert_uint_ne(timed_send_after(first, &say, 5 * NS_PER_MS, 0), 0);
        scheduler_arm(first, MOVER, pid_slot(mover).index, cores.now_ns + 5 * NS_PER_MS);
        ck_assert_int_eq(move_to(mover, 1), 0);
        for (uint32_t i = 0; i < turns; i++)
            cores_turn(i % 2);
        cores.now_ns += 10 * NS_PER_MS;
        cores_settle();
        cores_pass(5 * NS_PER_MS);
        uint64_t now = now_at(mover);
        ck_assert_uint_eq(cores_logged(now, SAY, NULL) + cores_logged(mover, SAY, NULL),
                          now == mover ? 2 : 1);
        ck_assert_uint_eq(cores_logged(now, MESSAGE_TIMER, NULL) +
                              cores_logged(mover, MESSAGE_TIMER, NULL),
                          now == mover ? 2 : 1);
        cores_close();
    }
}
END_TEST

START_TEST(an_exit_on_the_way_takes_effect_once_and_leaves_nothing) {
    for (uint32_t seed = 1; seed <= 400; seed++) {
        random_state = seed;
        cores_open(3, NULL);
        uint8_t kind = seed % 2 ? MOVER : CARRIER;
        uint64_t mover = cores_spawn(0, kind);
        uint64_t watcher = cores_spawn(2, PUPPET);
        cores_send(PID_NONE, watcher, DO_MONITOR, mover);
        cores_settle();
        if (random_below(4) == 0)
            cores.arrivals_to_decline = 1;
        ck_assert_int_eq(move_begin(&cores.schedulers[0], mover, 1), 0);
        for (uint32_t i = random_below(8); i > 0; i--)
            cores_turn(random_below(3));
        uint32_t how = random_below(3);
        bool is_at_home = scheduler_lookup(&cores.schedulers[0], mover) != NULL;
        if (how == 0 && is_at_home)
            scheduler_exit(&cores.schedulers[0], kind, pid_slot(mover).index, EXIT_PEER);
        else if (kind == MOVER)
            signal_exit(&cores.schedulers[random_below(3)], PID_NONE, mover, EXIT_KILLED);
        else
            scheduler_exit(&cores.schedulers[is_at_home ? 0 : 1], kind,
                           is_at_home ? pid_slot(mover).index : 0, EXIT_PEER);
        cores_settle();
        cores_settle();
        uint32_t ends = 0;
        for (uint32_t i = 0; i < cores.log_count; i++)
            ends += cores.log[i].type == 0;
        ck_assert_msg(ends == 1, "seed %u: %u ends", seed, ends);
        ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, NULL), 1);
        ck_assert_uint_eq(cores.departed, 0);
        cores_close();
        check_translations_gone();
    }
}
END_TEST

START_TEST(a_refused_move_changes_nothing) {
    cores_open(2, NULL);
    uint64_t a = cores_spawn(0, CARRIER);
    uint64_t linked = cores_spawn(1, PUPPET);
    ((struct puppet *)scheduler_lookup(cores_of(a), a))->value = 1234;
    cores_send(PID_NONE, a, DO_LINK, linked);
    struct message say = {.target = a, .type = SAY, .words = {77}};
    ck_assert_uint_ne(timed_send_after(&cores.schedulers[0], &say, NS_PER_S, 0), 0);
    cores_settle();
    for (uint32_t i = 0; i < CORES_SLOTS; i++)
        (void)cores_spawn(1, CARRIER); // no slot is left there
    ck_assert_int_eq(move_begin(&cores.schedulers[0], a, 1), 0);
    cores_send(linked, a, SAY, 5);
    cores_settle();
    ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_MOVES_REFUSED), 1);
    ck_assert_uint_eq(((struct puppet *)scheduler_lookup(cores_of(a), a))->value, 1234);
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 1);
    cores_pass(2 * NS_PER_S);
    ck_assert_uint_eq(cores_logged(a, SAY, NULL), 2);
    cores_send(PID_NONE, linked, DO_EXIT_SELF, EXIT_PEER);
    cores_settle();
    ck_assert(!cores_is_alive(a));
    cores_close();
}
END_TEST

START_TEST(one_that_cannot_come_back_ends_and_its_watcher_is_told) {
    cores_open(2, NULL);
    uint64_t a = cores_spawn(0, CARRIER);
    uint64_t watcher = cores_spawn(1, PUPPET);
    cores_send(PID_NONE, watcher, DO_MONITOR, a);
    cores_settle();
    cores.arrivals_to_decline = 2;
    ck_assert_int_eq(move_begin(&cores.schedulers[0], a, 1), 0);
    cores_send(watcher, a, SAY, 5);
    cores_settle();
    ck_assert(!cores_is_alive(a));
    struct cores_entry entry;
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_SYSTEM_LIMIT);
    ck_assert_uint_eq(cores.discarded, 1);
    cores_close();
}
END_TEST

START_TEST(moves_that_cannot_be_are_refused_by_name) {
    cores_open(2, NULL);
    uint64_t puppet = cores_spawn(0, PUPPET);
    uint64_t mover = cores_spawn(0, MOVER);
    struct scheduler *first = &cores.schedulers[0];
    ck_assert_int_eq(move_begin(first, puppet, 1), -EINVAL);
    ck_assert_int_eq(move_begin(first, mover, 0), -EINVAL);
    ck_assert_int_eq(move_begin(first, mover, 2), -EINVAL);
    ck_assert_int_eq(move_begin(first, mover, 1), 0);
    ck_assert_int_eq(move_begin(first, mover, 1), -EALREADY);
    cores_settle();
    ck_assert_int_eq(move_begin(first, mover, 1), -ESRCH);
    uint64_t child = cores_spawn(0, MOVER);
    ck_assert_ptr_nonnull(
        relation_add(first, MOVER, pid_slot(child).index, RELATION_CHILD, puppet));
    ck_assert_int_eq(move_begin(first, child, 1), -EPERM);
    uint64_t caller = cores_spawn(0, MOVER);
    struct relation *call =
        relation_add(first, MOVER, pid_slot(caller).index, RELATION_CALL, puppet);
    ck_assert_int_eq(move_begin(first, caller, 1), -EBUSY);
    relation_remove(first, call);
    cores_close();
}
END_TEST

START_TEST(former_pids_serve_up_to_their_bound) {
    cores_open(2, NULL);
    uint64_t pids[MOVE_FORMER_MAX + 2];
    pids[0] = cores_spawn(0, MOVER);
    for (uint32_t i = 1; i < MOVE_FORMER_MAX + 2; i++) {
        ck_assert_int_eq(move_begin(cores_of(pids[i - 1]), pids[i - 1], i % 2), 0);
        cores_settle();
        pids[i] = move_translate(&cores.schedulers[0], pids[i - 1]);
        ck_assert_uint_ne(pids[i], pids[i - 1]);
    }
    uint64_t now = pids[MOVE_FORMER_MAX + 1];
    for (uint32_t i = 0; i < MOVE_FORMER_MAX + 2; i++)
        cores_send(PID_NONE, pids[i], SAY, i);
    cores_settle();
    ck_assert_uint_eq(cores_logged(now, SAY, NULL), MOVE_FORMER_MAX + 1);
    ck_assert_uint_eq(cores.discarded, 1); // the oldest
    cores_close();
    check_translations_gone();
}
END_TEST

START_TEST(a_private_kind_leaves_no_translation) {
    cores_open(3, NULL);
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t a = cores_spawn(0, CARRIER);
        ck_assert_int_eq(move_begin(&cores.schedulers[0], a, 1 + i % 2), 0);
    }
    cores_settle();
    check_translations_gone();
    ck_assert_uint_eq(cores.schedulers[1].kinds[CARRIER].slab.used_count, 10);
    ck_assert_uint_eq(cores.schedulers[0].kinds[CARRIER].slab.used_count, 0);
    cores_close();
}
END_TEST

UNIT_MAIN("sched/move", mail_to_and_from_a_mover_keeps_its_order_and_is_whole,
          links_and_monitors_move_along, a_link_made_on_the_way_holds, timers_move_along,
          a_timer_that_runs_out_on_the_way_is_not_lost,
          an_exit_on_the_way_takes_effect_once_and_leaves_nothing, a_refused_move_changes_nothing,
          one_that_cannot_come_back_ends_and_its_watcher_is_told,
          moves_that_cannot_be_are_refused_by_name, former_pids_serve_up_to_their_bound,
          a_private_kind_leaves_no_translation)
