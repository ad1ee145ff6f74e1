// Goal: a name has one holder on all cores, is forgotten everywhere when that ends, and survives
// the end of any names service. Method: four cores on one thread, turned in any order; replicas are
// compared with each other, registry, homes and ties validated after each step.
#include "sched/names.h"

#include <errno.h>
#include <stdio.h>

#include "sched/base/hash.h"
#include "sched/base/rng.h"
#include "tests/unit/sched/cores.h"

#define CORES 4
#define NAMES_MAX 16
#define SEED 7

static struct names names[CORES];
static uint64_t request;

static void validate(void) {
    for (uint32_t i = 0; i < CORES; i++)
        names_validate(&names[i]);
}

static void settle(void) {
    cores_settle();
    validate();
}

static void start_service(uint32_t core) {
    ck_assert_uint_ne(scheduler_spawn(&cores.schedulers[core], KIND_NAMES, NULL), PID_NONE);
}

static void open_names(uint32_t names_max, const struct scheduler_config *config) {
    cores_open(CORES, config);
    const struct names_config wanted = {CORES, names_max, SEED};
    for (uint32_t i = 0; i < CORES; i++)
        ck_assert_int_eq(names_init(&names[i], &cores.schedulers[i], &wanted), 0);
    for (uint32_t i = 0; i < CORES; i++)
        start_service(i);
    settle();
}

static void close_names(void) {
    settle();
    for (uint32_t i = 0; i < CORES; i++)
        if (slab_is_used(&cores.schedulers[i].kinds[KIND_NAMES].slab, 0))
            scheduler_exit(&cores.schedulers[i], KIND_NAMES, 0, EXIT_SHUTDOWN);
    cores_settle();
    for (uint32_t i = 0; i < CORES; i++)
        names_fini(&names[i]);
    cores_close();
}

static struct bytes text(const char *name) {
    return bytes_from_string(name);
}

static uint8_t home_of(const char *name) {
    return (uint8_t)((hash_bytes(SEED, text(name)) >> 32) % CORES);
}

// A name whose home is that core: "n0", "n1" …
static const char *name_at(uint8_t core, uint32_t nth) {
    static char found[4][16];
    static uint32_t next;
    char *name = found[next++ % 4];
    for (uint32_t i = 0;; i++) {
        (void)snprintf(name, 16, "n%u", i);
        if (home_of(name) == core && nth-- == 0)
            return name;
    }
}

static void ask(const char *name, uint64_t pid) {
    ck_assert_int_eq(names_register(cores_of(pid), text(name), pid, pid, &request), 0);
}

static uint64_t whereis(uint32_t core, const char *name) {
    return names_whereis(&cores.schedulers[core], text(name));
}

static void expect_everywhere(const char *name, uint64_t pid) {
    for (uint32_t i = 0; i < CORES; i++)
        ck_assert_uint_eq(whereis(i, name), pid);
}

// The pid that the MESSAGE_NAME told; *flags needs the log to keep more, so it is asked of the pid.
static uint64_t told(uint64_t pid) {
    struct cores_entry entry = {0};
    ck_assert_uint_ge(cores_logged(pid, MESSAGE_NAME, &entry), 1);
    return entry.word;
}

static void end(uint64_t pid, enum exit_reason reason) {
    scheduler_exit(cores_of(pid), pid_kind(pid), pid_slot(pid).index, reason);
}

static uint64_t counted(uint32_t core, enum counter which) {
    return counter_read(&cores.counters[core], which);
}

static uint64_t counted_all(enum counter which) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < CORES; i++)
        sum += counted(i, which);
    return sum;
}

START_TEST(a_name_is_known_on_all_cores_until_its_holder_ends) {
    for (uint8_t home = 0; home < CORES; home++)
        for (uint32_t core = 0; core < CORES; core++) {
            open_names(NAMES_MAX, NULL);
            const char *name = name_at(home, 0);
            uint64_t pid = cores_spawn(core, PUPPET);
            expect_everywhere(name, PID_NONE);
            ask(name, pid);
            settle();
            expect_everywhere(name, pid);
            ck_assert_uint_eq(told(pid), pid);
            ck_assert_uint_eq(counted(home, COUNTER_NAMES), 1);
            end(pid, EXIT_FAILED);
            ck_assert_uint_eq(whereis(core, name), PID_NONE); // at once on its own core
            settle();
            expect_everywhere(name, PID_NONE);
            ck_assert_uint_eq(counted(home, COUNTER_NAMES), 0);
            for (uint32_t i = 0; i < CORES; i++)
                ck_assert_uint_eq(names[i].replica.count, 0);
            close_names();
        }
}
END_TEST

START_TEST(the_answer_comes_when_the_askers_core_knows_the_name) {
    open_names(NAMES_MAX, NULL);
    const char *name = name_at(2, 0);
    uint64_t pid = cores_spawn(1, PUPPET);
    ask(name, pid);
    bool is_told = false;
    for (uint32_t i = 0; i < 40 && !is_told; i++) {
        cores_turn(i % CORES);
        is_told = cores_logged(pid, MESSAGE_NAME, NULL) == 1;
        ck_assert(!is_told || whereis(1, name) == pid);
    }
    ck_assert(is_told);
    close_names();
}
END_TEST

START_TEST(of_two_who_want_a_name_in_one_turn_one_gets_it_on_all_cores) {
    struct rng rng = {3};
    for (uint32_t round = 0; round < 64; round++) {
        open_names(NAMES_MAX, NULL);
        const char *name = name_at((uint8_t)(round % CORES), 0);
        uint64_t rivals[CORES];
        for (uint32_t i = 0; i < CORES; i++) {
            rivals[i] = cores_spawn(i, PUPPET);
            ask(name, rivals[i]);
        }
        for (uint32_t i = 0; i < 60; i++) {
            cores_turn((uint32_t)(rng_next(&rng) % CORES));
            for (uint32_t j = 0; j < CORES; j++) // who is seen anywhere has won
                ck_assert(whereis(j, name) == PID_NONE ||
                          whereis(j, name) == whereis(home_of(name), name));
        }
        settle();
        uint64_t winner = whereis(0, name);
        ck_assert_uint_ne(winner, PID_NONE);
        expect_everywhere(name, winner);
        for (uint32_t i = 0; i < CORES; i++)
            ck_assert_uint_eq(told(rivals[i]), winner);
        ck_assert_uint_eq(counted_all(COUNTER_NAMES_TAKEN), CORES - 1);
        close_names();
    }
}
END_TEST

START_TEST(a_name_registered_again_is_done_for_its_holder_and_taken_for_others) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(0, PUPPET);
    uint64_t other = cores_spawn(0, PUPPET);
    ask("one", pid);
    settle();
    ask("one", pid);
    settle();
    ck_assert_uint_eq(cores_logged(pid, MESSAGE_NAME, NULL), 2);
    ck_assert_uint_eq(counted_all(COUNTER_NAMES_TAKEN), 0);
    ask("one", other);
    settle();
    ck_assert_uint_eq(told(other), pid);
    ck_assert_uint_eq(counted_all(COUNTER_NAMES_TAKEN), 1);
    expect_everywhere("one", pid);
    end(pid, EXIT_NORMAL);
    settle();
    ask("one", other);
    settle();
    expect_everywhere("one", other);
    close_names();
}
END_TEST

START_TEST(a_name_may_be_given_up_by_its_holder_or_by_anybody_who_says_so) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(3, PUPPET);
    uint64_t other = cores_spawn(1, PUPPET);
    ask("one", pid);
    settle();
    ck_assert_int_eq(names_unregister(&cores.schedulers[1], text("one"), other, other, &request),
                     0);
    settle();
    ck_assert_uint_eq(told(other), pid); // unknown as its own
    expect_everywhere("one", pid);
    ck_assert_int_eq(names_unregister(&cores.schedulers[1], text("one"), PID_NONE, other, &request),
                     0);
    settle();
    expect_everywhere("one", PID_NONE);
    ck_assert_uint_eq(told(other), PID_NONE);
    for (uint32_t i = 0; i < CORES; i++)
        ck_assert_uint_eq(cores.schedulers[i].relations.used_count, 0);
    ask("one", other); // from before: the old monitor has no say
    end(pid, EXIT_NORMAL);
    settle();
    expect_everywhere("one", other);
    close_names();
}
END_TEST

START_TEST(news_of_a_former_holder_do_not_touch_the_next_one) {
    open_names(NAMES_MAX, NULL);
    const char *name = name_at(1, 0);
    uint64_t former = cores_spawn(1, PUPPET);
    uint64_t next = cores_spawn(1, PUPPET);
    ask(name, former);
    settle();
    ck_assert_int_eq(names_unregister(cores_of(former), text(name), former, PID_NONE, &request), 0);
    ask(name, next);
    end(former, EXIT_NORMAL); // its down waits behind both: the same place, another monitor
    settle();
    expect_everywhere(name, next);
    close_names();
}
END_TEST

START_TEST(a_holder_that_moves_keeps_its_name) {
    for (uint8_t home = 0; home < CORES; home++) {
        open_names(NAMES_MAX, NULL);
        const char *name = name_at(home, 0);
        uint64_t pid = cores_spawn(0, MOVER);
        ask(name, pid);
        ask(name_at(home, 1), pid);
        settle();
        for (uint8_t to = 2; to < 4; to++) {
            ck_assert_int_eq(move_begin(cores_of(pid), pid, to), 0);
            settle();
            uint64_t now = move_translate(&cores.schedulers[0], pid);
            ck_assert_uint_ne(now, pid);
            pid = now;
            expect_everywhere(name, pid);
            const struct relation *cursor = NULL;
            ck_assert_uint_gt(names_next_of(cores_of(pid), pid, &cursor).size, 0);
            ck_assert_uint_gt(names_next_of(cores_of(pid), pid, &cursor).size, 0);
            ck_assert_uint_eq(names_next_of(cores_of(pid), pid, &cursor).size, 0);
        }
        end(pid, EXIT_PEER);
        settle();
        expect_everywhere(name, PID_NONE);
        close_names();
    }
}
END_TEST

START_TEST(a_dead_holder_is_forgotten_again) {
    for (uint32_t core = 0; core < CORES; core++) {
        open_names(NAMES_MAX, NULL);
        uint64_t pid = cores_spawn(core, PUPPET);
        end(pid, EXIT_NORMAL);
        ck_assert_int_eq(names_register(&cores.schedulers[0], text("one"), pid, PID_NONE, &request),
                         0);
        settle();
        expect_everywhere("one", PID_NONE);
        close_names();
    }
}
END_TEST

START_TEST(names_have_their_bounds) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(0, PUPPET);
    char longest[NAMES_BYTES_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    longest[NAMES_BYTES_MAX + 1] = 0;
    ck_assert_int_eq(names_register(cores_of(pid), text(longest), pid, pid, &request), -EINVAL);
    ck_assert_int_eq(names_register(cores_of(pid), text(""), pid, pid, &request), -EINVAL);
    uint64_t spawned;
    ck_assert_int_eq(names_spawn(cores_of(pid), PUPPET, NULL, text(longest), PID_NONE, &spawned),
                     -EINVAL);
    longest[NAMES_BYTES_MAX] = 0;
    ask(longest, pid);
    settle();
    expect_everywhere(longest, pid);
    uint8_t home = home_of(longest);
    for (uint32_t i = 0; i < NAMES_MAX - 1; i++)
        ask(name_at(home, i), pid);
    settle();
    ck_assert_uint_eq(names[home].homed.used_count, NAMES_MAX);
    ask(name_at(home, NAMES_MAX), pid);
    settle();
    ck_assert_uint_eq(told(pid), PID_NONE); // the limit
    expect_everywhere(name_at(home, NAMES_MAX), PID_NONE);
    ask(name_at((uint8_t)(home ^ 1), 0), pid); // another home has room
    settle();
    expect_everywhere(name_at((uint8_t)(home ^ 1), 0), pid);
    const struct relation *cursor = NULL;
    uint32_t count = 0;
    while (names_next_of(cores_of(pid), pid, &cursor).size > 0)
        count++;
    ck_assert_uint_eq(count, NAMES_MAX + 1);
    close_names();
}
END_TEST

START_TEST(no_memory_for_a_monitor_is_a_limit) {
    const struct scheduler_config few = {.message_cells_max = 4096, .relations_max = 2};
    open_names(NAMES_MAX, &few);
    uint64_t pid = cores_spawn(0, PUPPET);
    ask(name_at(1, 0), pid);
    ask(name_at(1, 1), pid);
    settle();
    ask(name_at(1, 2), pid);
    settle();
    ck_assert_uint_eq(told(pid), PID_NONE);
    ck_assert_uint_eq(names[1].homed.used_count + (whereis(1, name_at(1, 1)) == PID_NONE), 2);
    close_names();
}
END_TEST

START_TEST(a_holder_that_cannot_be_watched_loses_its_name_and_is_told) {
    const struct scheduler_config few = {.message_cells_max = 4096, .relations_max = 1};
    open_names(NAMES_MAX, &few);
    uint64_t pid = cores_spawn(0, PUPPET);
    ask(name_at(1, 0), pid);
    settle();
    expect_everywhere(name_at(1, 0), pid); // its only record is the watch: it has no tie
    ask(name_at(2, 0), pid);
    settle();
    expect_everywhere(name_at(2, 0), PID_NONE);
    ck_assert_uint_eq(cores_logged(pid, MESSAGE_NAME, NULL), 3);
    ck_assert_uint_eq(told(pid), PID_NONE);
    close_names();
}
END_TEST

START_TEST(the_loser_of_a_spawn_ends) {
    open_names(NAMES_MAX, NULL);
    uint64_t pids[CORES];
    const char *name = name_at(1, 0);
    for (uint32_t i = 0; i < CORES; i++)
        ck_assert_int_eq(names_spawn(&cores.schedulers[i], i % 2 ? PUPPET : TRAPPER, NULL,
                                     text(name), PID_NONE, &pids[i]),
                         0);
    settle();
    uint64_t winner = whereis(0, name);
    for (uint32_t i = 0; i < CORES; i++) {
        struct cores_entry entry = {0};
        ck_assert_int_eq(cores_is_alive(pids[i]), pids[i] == winner);
        if (pids[i] == winner)
            continue;
        ck_assert_uint_eq(cores_logged(pids[i], 0, &entry), 1);
        ck_assert_uint_eq(entry.small, EXIT_NAME_TAKEN);
    }
    uint64_t pid;
    ck_assert_int_eq(names_spawn(&cores.schedulers[2], PUPPET, NULL, text(name), PID_NONE, &pid),
                     -EEXIST);
    close_names();
}
END_TEST

START_TEST(messages_and_calls_go_by_name_and_to_nobody_are_discarded) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(2, PUPPET);
    uint64_t caller = cores_spawn(0, PUPPET);
    ask("one", pid);
    settle();
    const struct message hello = {.type = SAY, .words = {5}};
    ck_assert(names_send(&cores.schedulers[0], text("one"), PUPPET, &hello));
    settle();
    ck_assert_uint_eq(cores_logged(pid, SAY, NULL), 1);
    ck_assert(names_send(&cores.schedulers[0], text("two"), PUPPET, &hello));
    ck_assert_uint_eq(cores.discarded, 1);
    ck_assert_uint_eq(counted(0, COUNTER_NAMES_DEAD), 1);
    uint64_t name = server_call(&cores.schedulers[0], PUPPET, pid_slot(caller).index,
                                names_target(&cores.schedulers[0], text("two"), PUPPET),
                                &(struct server_request){0}, SERVER_TIMEOUT_NS);
    ck_assert_uint_ne(name, 0);
    settle();
    struct cores_entry entry = {0};
    ck_assert_uint_eq(cores_logged(caller, MESSAGE_CALL_FAILED, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_NOPROC);
    ck_assert_uint_eq(cores.discarded, 2);
    close_names();
}
END_TEST

START_TEST(an_actor_tells_its_names) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(2, PUPPET);
    ask("one", pid);
    ask("two", pid);
    settle();
    ck_assert_int_eq(names_unregister(cores_of(pid), text("one"), pid, PID_NONE, &request), 0);
    settle();
    const struct relation *cursor = NULL;
    ck_assert(bytes_equal_string(names_next_of(cores_of(pid), pid, &cursor), "two"));
    ck_assert_uint_eq(names_next_of(cores_of(pid), pid, &cursor).size, 0);
    ck_assert_uint_eq(names_next_of(cores_of(pid), pid + 1, &cursor).size, 0);
    close_names();
}
END_TEST

// --- a service between two lives -----------------------------------------------------------------

START_TEST(a_home_that_is_started_again_knows_its_names_and_who_ended) {
    open_names(NAMES_MAX, NULL);
    uint64_t stays = cores_spawn(2, PUPPET);
    uint64_t goes = cores_spawn(3, PUPPET);
    const char *kept = name_at(1, 0);
    const char *lost = name_at(1, 1);
    ask(kept, stays);
    ask(lost, goes);
    settle();
    end(pid_service(1, KIND_NAMES), EXIT_FAILED);
    end(goes, EXIT_NORMAL); // nobody is told
    cores_settle();
    ck_assert_uint_eq(whereis(0, kept), stays); // look-ups go on
    start_service(1);
    settle();
    expect_everywhere(kept, stays);
    expect_everywhere(lost, PID_NONE);
    end(stays, EXIT_NORMAL); // it watches again
    settle();
    expect_everywhere(kept, PID_NONE);
    close_names();
}
END_TEST

START_TEST(a_replica_that_missed_news_is_made_right_by_a_fetch) {
    open_names(600, NULL);
    uint64_t early = cores_spawn(2, PUPPET);
    for (uint32_t i = 0; i < 5; i++)
        ask(name_at(2, i), early);
    ask("gone", early);
    settle();
    end(pid_service(0, KIND_NAMES), EXIT_FAILED);
    uint64_t late = cores_spawn(3, PUPPET);
    for (uint32_t i = 5; i < 505; i++) { // more than a slice
        ask(name_at(2, i), late);
        if (i % 20 == 0)
            cores_settle();
    }
    if (home_of("gone") != 0)
        ck_assert_int_eq(names_unregister(cores_of(early), text("gone"), early, PID_NONE, &request),
                         0);
    cores_settle();
    ck_assert_uint_eq(whereis(0, name_at(2, 300)), PID_NONE);
    start_service(0);
    cores_settle();
    for (uint32_t i = 0; i < 40; i++)
        cores_pass(NS_PER_S / 10);
    validate();
    for (uint32_t i = 0; i < 505; i++)
        ck_assert_uint_eq(whereis(0, name_at(2, i)), i < 5 ? early : late);
    ck_assert_uint_eq(whereis(0, "gone"), home_of("gone") ? PID_NONE : early);
    ck_assert_uint_eq(names[0].awaited_set, 0);
    close_names();
}
END_TEST

START_TEST(two_services_that_start_at_once_do_not_wait_for_each_other_for_ever) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(3, PUPPET);
    ask(name_at(0, 0), pid);
    ask(name_at(1, 0), pid);
    settle();
    end(pid_service(0, KIND_NAMES), EXIT_FAILED);
    end(pid_service(1, KIND_NAMES), EXIT_FAILED);
    cores_settle();
    start_service(0);
    cores_settle(); // its fetch from core 1 is lost
    ck_assert_uint_eq(names[0].awaited_set, 1u << 1);
    start_service(1);
    settle();
    for (uint32_t i = 0; i < CORES; i++)
        ck_assert_uint_eq(names[i].awaited_set, 0);
    expect_everywhere(name_at(0, 0), pid);
    expect_everywhere(name_at(1, 0), pid);
    close_names();
}
END_TEST

START_TEST(who_asks_a_home_without_service_is_told_to_ask_again) {
    for (uint32_t core = 0; core < 2; core++) {
        open_names(NAMES_MAX, NULL);
        const char *name = name_at(1, 0);
        uint64_t pid = cores_spawn(core, PUPPET);
        end(pid_service(1, KIND_NAMES), EXIT_FAILED);
        ask(name, pid);
        uint64_t spawned;
        ck_assert_int_eq(
            names_spawn(&cores.schedulers[core], PUPPET, NULL, text(name), PID_NONE, &spawned), 0);
        cores_settle();
        ck_assert_uint_eq(told(pid), PID_NONE);
        ck_assert(!cores_is_alive(spawned));
        struct cores_entry entry = {0};
        ck_assert_uint_eq(cores_logged(spawned, 0, &entry), 1);
        ck_assert_uint_eq(entry.small, EXIT_SYSTEM_LIMIT);
        start_service(1);
        settle();
        ask(name, pid);
        settle();
        expect_everywhere(name, pid);
        close_names();
    }
}
END_TEST

START_TEST(an_asker_without_service_gets_its_answer_all_the_same) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(0, PUPPET);
    end(pid_service(0, KIND_NAMES), EXIT_FAILED);
    ask(name_at(1, 0), pid);
    cores_settle();
    ck_assert_uint_eq(told(pid), pid);
    ck_assert_uint_eq(whereis(0, name_at(1, 0)), PID_NONE); // not before the fetch
    start_service(0);
    settle();
    expect_everywhere(name_at(1, 0), pid);
    close_names();
}
END_TEST

START_TEST(a_replica_without_memory_is_healed_later) {
    open_names(NAMES_MAX, NULL);
    uint64_t pid = cores_spawn(0, PUPPET);
    const char *name = name_at(1, 0);
    struct blocks *blocks = cores.schedulers[3].blocks;
    size_t bytes_max = blocks->bytes_max;
    blocks->bytes_max = blocks->bytes_used;
    ask(name, pid);
    cores_settle();
    ck_assert_uint_eq(whereis(3, name), PID_NONE);
    ck_assert_uint_eq(whereis(2, name), pid);
    cores_pass(NS_PER_S);
    ck_assert_uint_eq(whereis(3, name), PID_NONE);
    blocks->bytes_max = bytes_max;
    cores_pass(NS_PER_S);
    cores_pass(NS_PER_S);
    expect_everywhere(name, pid);
    close_names();
}
END_TEST

START_TEST(a_walk_of_registrations_ends_and_restarts_agrees_everywhere) {
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct rng rng = {seed};
        open_names(NAMES_MAX, NULL);
        uint64_t pids[12] = {0};
        bool is_up[CORES] = {true, true, true, true};
        for (uint32_t step = 0; step < 300; step++) {
            uint32_t at = (uint32_t)(rng_next(&rng) % 12);
            uint32_t core = (uint32_t)(rng_next(&rng) % CORES);
            char name[8];
            (void)snprintf(name, sizeof(name), "w%u", (uint32_t)(rng_next(&rng) % 10));
            if (!pids[at] || !cores_is_alive(pids[at]))
                pids[at] = cores_spawn(core, PUPPET);
            switch (rng_next(&rng) % 6) {
            case 0:
                end(pids[at], EXIT_PEER);
                break;
            case 1:
                ck_assert_int_eq(
                    names_unregister(cores_of(pids[at]), text(name), pids[at], PID_NONE, &request),
                    0);
                break;
            case 2:
                if (is_up[core] && step % 5 == 0)
                    end(pid_service((uint8_t)core, KIND_NAMES), EXIT_FAILED);
                else if (!is_up[core]) // its slot may be linked in the run queue for a turn
                    (void)!scheduler_spawn(&cores.schedulers[core], KIND_NAMES, NULL);
                is_up[core] = slab_is_used(&cores.schedulers[core].kinds[KIND_NAMES].slab, 0);
                break;
            default:
                ck_assert_int_eq(
                    names_register(cores_of(pids[at]), text(name), pids[at], PID_NONE, &request),
                    0);
            }
            cores_turn((uint32_t)(rng_next(&rng) % CORES));
            validate();
        }
        cores_settle();
        for (uint32_t i = 0; i < CORES; i++)
            if (!is_up[i])
                start_service(i);
        settle();
        cores_pass(NS_PER_S);
        for (uint32_t i = 0; i < 10; i++) {
            char name[8];
            (void)snprintf(name, sizeof(name), "w%u", i);
            uint64_t holder = whereis(home_of(name), name);
            expect_everywhere(name, holder);
            ck_assert(holder == PID_NONE || cores_is_alive(holder));
        }
        uint32_t homed = 0;
        for (uint32_t i = 0; i < CORES; i++)
            homed += names[i].homed.used_count;
        for (uint32_t i = 0; i < CORES; i++)
            ck_assert_uint_eq(names[i].replica.count, homed);
        close_names();
    }
}
END_TEST

UNIT_MAIN("sched/names", a_name_is_known_on_all_cores_until_its_holder_ends,
          the_answer_comes_when_the_askers_core_knows_the_name,
          of_two_who_want_a_name_in_one_turn_one_gets_it_on_all_cores,
          a_name_registered_again_is_done_for_its_holder_and_taken_for_others,
          a_name_may_be_given_up_by_its_holder_or_by_anybody_who_says_so,
          a_holder_that_moves_keeps_its_name, news_of_a_former_holder_do_not_touch_the_next_one,
          a_dead_holder_is_forgotten_again, names_have_their_bounds,
          no_memory_for_a_monitor_is_a_limit,
          a_holder_that_cannot_be_watched_loses_its_name_and_is_told, the_loser_of_a_spawn_ends,
          messages_and_calls_go_by_name_and_to_nobody_are_discarded, an_actor_tells_its_names,
          a_home_that_is_started_again_knows_its_names_and_who_ended,
          a_replica_that_missed_news_is_made_right_by_a_fetch,
          two_services_that_start_at_once_do_not_wait_for_each_other_for_ever,
          who_asks_a_home_without_service_is_told_to_ask_again,
          an_asker_without_service_gets_its_answer_all_the_same,
          a_replica_without_memory_is_healed_later,
          a_walk_of_registrations_ends_and_restarts_agrees_everywhere)
