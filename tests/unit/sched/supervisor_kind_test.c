// Goal: a supervisor of all actors of a kind restarts and ends them by OTP's rules, and costs
// nothing where none applies. Method: as supervisor_test.
#include "tests/unit/sched/supervisor_rig.h"

#include <errno.h>

static uint64_t open_pool(uint8_t kind, enum supervisor_restart restart, uint32_t intensity) {
    rig_open(0);
    const struct supervisor_spec spec = {.name = "pool",
                                         .strategy = SUPERVISOR_SIMPLE_ONE_FOR_ONE,
                                         .intensity = intensity,
                                         .period_ms = 1000,
                                         .kind = kind,
                                         .restart = restart,
                                         .shutdown_ms = 100};
    uint64_t pid = supervisor_start(&rig.scheduler, &spec);
    ck_assert(pid != PID_NONE);
    return pid;
}

START_TEST(a_bound_kind_restarts_by_type_and_reason_with_the_successors_argument) {
    static const struct {
        enum supervisor_restart restart;
        const char *expected;
    } rules[] = {
        {SUPERVISOR_PERMANENT, "+a +b -a:normal -b:peer +a +b "},
        {SUPERVISOR_TRANSIENT, "+a +b -a:normal -b:peer +b "},
        {SUPERVISOR_TEMPORARY, "+a +b -a:normal -b:peer "},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        uint64_t root = open_pool(KIND_POOL, rules[i].restart, 3);
        tell_to_exit(spawn(KIND_POOL, 'a'), EXIT_NORMAL);
        tell_to_exit(spawn(KIND_POOL, 'b'), EXIT_PEER);
        rig_settle();
        RIG_EXPECT(rules[i].expected);
        rig_finish(root);
    }
}
END_TEST

START_TEST(a_temporary_kind_costs_its_supervisor_nothing) {
    uint64_t root = open_pool(KIND_POOL, SUPERVISOR_TEMPORARY, 3);
    uint64_t relations = rig.scheduler.relations.used_count;
    for (int i = 0; i < 100; i++)
        tell_to_exit(spawn(KIND_POOL, 'a'), EXIT_FAILED);
    uint64_t messages = RIG_COUNT(MESSAGES_SENT);
    ck_assert_uint_eq(rig.scheduler.relations.used_count, relations);
    rig_settle();
    ck_assert_uint_eq(RIG_COUNT(MESSAGES_SENT), messages);
    rig_finish(root);
}
END_TEST

START_TEST(a_bound_kind_gives_up_beyond_its_intensity) {
    uint64_t root = open_pool(KIND_POOL, SUPERVISOR_TRANSIENT, 2);
    spawn(KIND_POOL, 'z');
    for (int i = 0; i < 3; i++)
        tell_to_exit(spawn(KIND_POOL, (char)('a' + i)), EXIT_PEER);
    rig_settle();
    RIG_EXPECT("+z +a +b +c -a:peer -b:peer -c:peer +a +b -z:shutdown -b:shutdown -a:shutdown ");
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    ck_assert(rig.scheduler.kinds[KIND_POOL].supervisor == PID_NONE);
    rig_close();
}
END_TEST

START_TEST(a_successor_that_fails_to_start_is_tried_again) {
    uint64_t root = open_pool(KIND_POOL, SUPERVISOR_TRANSIENT, 3);
    rig.habits['a'].starts = 0;
    uint64_t pid = spawn(KIND_POOL, 'a');
    rig.habits['a'].declines = 2;
    tell_to_exit(pid, EXIT_PEER);
    rig_settle();
    RIG_EXPECT("+a -a:peer a! a! +a ");
    rig.has_no_successor = true; // then none is made
    const struct slab *slab = &rig.scheduler.kinds[KIND_POOL].slab;
    for (uint32_t i = 0; i < slab->touched_count; i++)
        if (slab_is_used(slab, i))
            tell_to_exit(scheduler_pid(&rig.scheduler, KIND_POOL, i), EXIT_PEER);
    rig_settle();
    RIG_EXPECT("-a:peer ");
    rig_finish(root);
}
END_TEST

START_TEST(retries_end_with_their_supervisor) {
    uint64_t root = open_pool(KIND_POOL, SUPERVISOR_PERMANENT, 3);
    uint64_t pid = spawn(KIND_POOL, 'a');
    rig.habits['a'].declines = 100;
    tell_to_exit(pid, EXIT_PEER);
    rig_settle();
    RIG_EXPECT("+a -a:peer a! a! a! ");
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    rig_close(); // no payload is left
}
END_TEST

START_TEST(a_shutdown_with_news_in_the_mailbox_loses_no_payload) {
    for (int how = 0; how < 2; how++) {
        uint64_t root = open_pool(KIND_POOL, SUPERVISOR_TRANSIENT, 3);
        tell_to_exit(spawn(KIND_POOL, 'a'), EXIT_PEER);
        tell_to_exit(spawn(KIND_POOL, 'b'), EXIT_PEER);
        if (how == 0)
            supervisor_shutdown(&rig.scheduler, root);
        else
            signal_exit(&rig.scheduler, PID_NONE, root, EXIT_KILLED);
        rig_settle();
        ck_assert(!scheduler_lookup(&rig.scheduler, root));
        rig_close();
    }
}
END_TEST

START_TEST(a_big_kind_ends_in_slices) {
    uint64_t root = open_pool(KIND_POOL, SUPERVISOR_PERMANENT, 3);
    for (int i = 0; i < WORKERS_MAX; i++)
        spawn(KIND_POOL, 'a');
    supervisor_shutdown(&rig.scheduler, root);
    uint32_t turns = 0;
    while (scheduler_lookup(&rig.scheduler, root) && turns < 100) {
        rig_turn();
        turns++;
    }
    ck_assert_uint_lt(turns, 100);
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_RESTARTS), 0);
    rig_close();
}
END_TEST

START_TEST(those_of_a_kind_that_do_not_go_in_time_are_killed) {
    uint64_t root = open_pool(KIND_TRAPPER_POOL, SUPERVISOR_TEMPORARY, 3);
    rig.habits['a'].ignores_exit = true;
    rig.habits['b'].lingers_ns = 50 * NS_PER_MS;
    spawn(KIND_TRAPPER_POOL, 'a');
    spawn(KIND_TRAPPER_POOL, 'b');
    spawn(KIND_TRAPPER_POOL, 'c');
    supervisor_shutdown(&rig.scheduler, root);
    rig_wait_ms(98);
    RIG_EXPECT("+a +b +c -c:shutdown -b:shutdown ");
    rig_wait_ms(20);
    RIG_EXPECT("-a:killed ");
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_KILLS), 1);
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    rig_close();
}
END_TEST

START_TEST(a_killed_supervisor_of_a_kind_leaves_none_of_it) {
    struct family family;
    uint8_t packed[2048];
    struct family pool = {.spec = {.name = "pool",
                                   .strategy = SUPERVISOR_SIMPLE_ONE_FOR_ONE,
                                   .intensity = 1,
                                   .period_ms = 1000,
                                   .kind = KIND_POOL,
                                   .restart = SUPERVISOR_PERMANENT,
                                   .shutdown_ms = 100}};
    rig_open(0);
    family_of(&family, "a", SUPERVISOR_ONE_FOR_ONE);
    family_add(&family, "pool", &pool, SUPERVISOR_PERMANENT, packed);
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    spawn(KIND_POOL, 'x');
    spawn(KIND_POOL, 'y');
    signal_exit(&rig.scheduler, PID_NONE, child_pid(root, "pool"), EXIT_KILLED);
    rig_settle();
    // The next one's actors begin anew: it was told of no end before its time.
    RIG_EXPECT("+a +x +y -x:killed -y:killed ");
    ck_assert(rig.scheduler.kinds[KIND_POOL].supervisor == child_pid(root, "pool"));
    tell_to_exit(spawn(KIND_POOL, 'z'), EXIT_NORMAL);
    rig_settle();
    RIG_EXPECT("+z -z:normal +z ");
    rig_finish(root);
}
END_TEST

START_TEST(orders_to_a_supervisor_of_a_kind) {
    uint64_t root = open_pool(KIND_POOL, SUPERVISOR_TEMPORARY, 3);
    uint32_t letter = 'q';
    uint64_t pid;
    struct supervisor_child_spec spec = {
        .name = "q", .kind = KIND_POOL, .argument = &letter, .argument_size = sizeof(letter)};
    ck_assert_int_eq(supervisor_start_child(&rig.scheduler, root, &spec, &pid), 0);
    RIG_EXPECT("+q ");
    spec.kind = KIND_WORKER;
    ck_assert_int_eq(supervisor_start_child(&rig.scheduler, root, &spec, &pid), -EINVAL);
    ck_assert_int_eq(supervisor_terminate_child(&rig.scheduler, root, "q"), -EINVAL);
    struct supervisor_info info;
    ck_assert(supervisor_info(&rig.scheduler, root, &info));
    ck_assert_uint_eq(info.active, 1);
    rig_finish(root);
}
END_TEST

UNIT_MAIN("sched/supervisor_kind",
          a_bound_kind_restarts_by_type_and_reason_with_the_successors_argument,
          a_temporary_kind_costs_its_supervisor_nothing, a_bound_kind_gives_up_beyond_its_intensity,
          a_successor_that_fails_to_start_is_tried_again, retries_end_with_their_supervisor,
          a_shutdown_with_news_in_the_mailbox_loses_no_payload, a_big_kind_ends_in_slices,
          those_of_a_kind_that_do_not_go_in_time_are_killed,
          a_killed_supervisor_of_a_kind_leaves_none_of_it, orders_to_a_supervisor_of_a_kind)
