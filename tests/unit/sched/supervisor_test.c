// Goal: supervisors do what OTP's do: order, strategies, restart types, intensity, shutdown in
// time; and what bad use gets is defined. Method: one rule per test, over workers that note their
// starts and ends; the whole state validated after each turn. Random walks against a model of OTP's
// rules are in supervisor_model_test.
#include "tests/unit/sched/supervisor_rig.h"

START_TEST(children_start_in_order_and_end_in_reverse) {
    struct family family;
    uint64_t root = open_family(&family, "abc", SUPERVISOR_ONE_FOR_ONE);
    RIG_EXPECT("+a +b +c ");
    supervisor_shutdown(&rig.scheduler, root);
    rig_settle();
    RIG_EXPECT("-c:shutdown -b:shutdown -a:shutdown ");
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_KILLS), 0);
    rig_close();
}
END_TEST

START_TEST(one_without_children_starts_and_ends) {
    struct family family;
    uint64_t root = open_family(&family, "", SUPERVISOR_ONE_FOR_ALL);
    rig_finish(root);
}
END_TEST

START_TEST(a_start_that_fails_ends_those_started_in_reverse) {
    struct family family;
    rig_open(0);
    family_of(&family, "abcd", SUPERVISOR_ONE_FOR_ONE);
    rig.habits['c'].declines = 1;
    ck_assert(supervisor_start(&rig.scheduler, &family.spec) == PID_NONE);
    RIG_EXPECT("+a +b c! -b:shutdown -a:shutdown ");
    rig_settle();
    rig.habits['a'].exits_in_init = 1;
    ck_assert(supervisor_start(&rig.scheduler, &family.spec) == PID_NONE);
    RIG_EXPECT("a! ");
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_START_FAILED), 0); // of restarts alone
    rig_close();
}
END_TEST

START_TEST(a_nested_start_that_fails_fails_the_whole_tree) {
    struct family root, inner;
    uint8_t packed[2048];
    rig_open(0);
    family_of(&inner, "xy", SUPERVISOR_ONE_FOR_ONE);
    family_of(&root, "a", SUPERVISOR_ONE_FOR_ONE);
    family_add(&root, "inner", &inner, SUPERVISOR_PERMANENT, packed);
    rig.habits['y'].declines = 1;
    ck_assert(supervisor_start(&rig.scheduler, &root.spec) == PID_NONE);
    RIG_EXPECT("+a +x y! -x:shutdown -a:shutdown ");
    rig_settle();
    rig_close();
}
END_TEST

START_TEST(no_memory_for_a_tie_fails_the_start) {
    struct family family;
    rig_open(2);
    family_of(&family, "abc", SUPERVISOR_ONE_FOR_ONE);
    ck_assert(supervisor_start(&rig.scheduler, &family.spec) == PID_NONE);
    RIG_EXPECT("+a +b +c -c:system_limit -b:shutdown -a:shutdown ");
    rig_settle();
    rig_close();
}
END_TEST

START_TEST(one_for_one_starts_the_one_that_ended) {
    struct family family;
    uint64_t root = open_family(&family, "abc", SUPERVISOR_ONE_FOR_ONE);
    uint64_t before = child_pid(root, "b");
    tell_to_exit(before, EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b +c -b:failed +b ");
    ck_assert(child_pid(root, "b") != before && child_pid(root, "b") != PID_NONE);
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_RESTARTS), 1);
    ck_assert_uint_eq(rig.reports[SUPERVISOR_CHILD_RESTARTED], 1);
    rig_finish(root);
}
END_TEST

START_TEST(rest_for_one_starts_those_behind_it_too) {
    struct family family;
    uint64_t root = open_family(&family, "abcd", SUPERVISOR_REST_FOR_ONE);
    tell_to_exit(child_pid(root, "b"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b +c +d -b:failed -d:shutdown -c:shutdown +b +c +d ");
    tell_to_exit(child_pid(root, "d"), EXIT_NORMAL);
    rig_settle();
    RIG_EXPECT("-d:normal +d ");
    rig_finish(root);
}
END_TEST

START_TEST(one_for_all_starts_all) {
    struct family family;
    uint64_t root = open_family(&family, "abc", SUPERVISOR_ONE_FOR_ALL);
    signal_exit(&rig.scheduler, PID_NONE, child_pid(root, "b"), EXIT_KILLED);
    rig_settle();
    RIG_EXPECT("+a +b +c -b:killed -c:shutdown -a:shutdown +a +b +c ");
    struct supervisor_info info;
    ck_assert(supervisor_info(&rig.scheduler, root, &info));
    ck_assert_uint_eq(info.restarts, 1); // one, though three were started
    rig_finish(root);
}
END_TEST

START_TEST(restart_types_by_reason) {
    static const struct {
        enum supervisor_restart restart;
        uint32_t reason;
        bool is_restarted;
    } rules[] = {
        {SUPERVISOR_PERMANENT, EXIT_NORMAL, true},    {SUPERVISOR_PERMANENT, EXIT_SHUTDOWN, true},
        {SUPERVISOR_PERMANENT, EXIT_KILLED, true},    {SUPERVISOR_TRANSIENT, EXIT_NORMAL, false},
        {SUPERVISOR_TRANSIENT, EXIT_SHUTDOWN, false}, {SUPERVISOR_TRANSIENT, EXIT_PEER, true},
        {SUPERVISOR_TEMPORARY, EXIT_NORMAL, false},   {SUPERVISOR_TEMPORARY, EXIT_KILLED, false},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct family family;
        struct supervisor_info info;
        rig_open(0);
        family_of(&family, "a", SUPERVISOR_ONE_FOR_ONE);
        family.children[0].restart = rules[i].restart;
        uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
        tell_to_exit(child_pid(root, "a"), rules[i].reason);
        rig_settle();
        ck_assert_uint_eq(rig.habits['a'].starts, 1u + rules[i].is_restarted);
        ck_assert(supervisor_info(&rig.scheduler, root, &info));
        ck_assert_uint_eq(info.specs, rules[i].restart != SUPERVISOR_TEMPORARY); // it is forgotten
        ck_assert_uint_eq(info.active, rules[i].is_restarted);
        rig_finish(root);
    }
}
END_TEST

START_TEST(a_temporary_that_a_sibling_takes_along_is_forgotten) {
    struct family family;
    rig_open(0);
    family_of(&family, "abc", SUPERVISOR_REST_FOR_ONE);
    family.children[1].restart = SUPERVISOR_TEMPORARY;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b +c -a:failed -c:shutdown -b:shutdown +a +c ");
    // What the tie of c says of its place is no longer so.
    tell_to_exit(child_pid(root, "c"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("-c:failed +c ");
    rig_finish(root);
}
END_TEST

START_TEST(a_transient_that_ended_well_comes_back_with_its_group) {
    struct family family;
    rig_open(0);
    family_of(&family, "ab", SUPERVISOR_ONE_FOR_ALL);
    family.children[0].restart = SUPERVISOR_TRANSIENT;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    tell_to_exit(child_pid(root, "a"), EXIT_NORMAL);
    rig_settle();
    RIG_EXPECT("+a +b -a:normal ");
    tell_to_exit(child_pid(root, "b"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("-b:failed +a +b ");
    rig_finish(root);
}
END_TEST

// --- intensity -----------------------------------------------------------------------------------

START_TEST(as_many_restarts_as_allowed_and_not_one_more) {
    struct family family;
    uint64_t root = open_family(&family, "ab", SUPERVISOR_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++) {
        tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
        rig_settle();
    }
    ck_assert_uint_eq(rig.habits['a'].starts, 4);
    rig.notes[0] = 0;
    tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("-a:failed -b:shutdown ");
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_GIVE_UPS), 1);
    ck_assert_uint_eq(rig.reports[SUPERVISOR_GAVE_UP], 1);
    rig_close();
}
END_TEST

START_TEST(restarts_older_than_the_period_do_not_count) {
    for (uint64_t beyond = 0; beyond < 2; beyond++) {
        struct family family;
        uint64_t root = open_family(&family, "a", SUPERVISOR_ONE_FOR_ONE);
        for (int i = 0; i < 3; i++) {
            tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
            rig_settle();
        }
        rig.now_ns += 5000 * NS_PER_MS + beyond; // OTP: within the period, its end included
        tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
        rig_settle();
        ck_assert_int_eq(scheduler_lookup(&rig.scheduler, root) != NULL, (int)beyond);
        if (beyond)
            rig_finish(root);
        else
            rig_close();
    }
}
END_TEST

START_TEST(no_restart_at_all_with_an_intensity_of_0) {
    struct family family;
    rig_open(0);
    family_of(&family, "ab", SUPERVISOR_ONE_FOR_ONE);
    family.spec.intensity = 0;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    tell_to_exit(child_pid(root, "b"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b -b:failed -a:shutdown ");
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    rig_close();
}
END_TEST

START_TEST(a_restart_that_fails_counts_and_is_tried_again) {
    struct family family;
    uint64_t root = open_family(&family, "ab", SUPERVISOR_ONE_FOR_ONE);
    rig.habits['a'].declines = 1;
    rig.habits['a'].exits_in_init = 1;
    tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b -a:failed a! a! +a ");
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_START_FAILED), 2);
    ck_assert_uint_eq(rig.reports[SUPERVISOR_START_FAILED], 2);
    rig.habits['b'].declines = 1;
    tell_to_exit(child_pid(root, "b"), EXIT_FAILED); // the fourth
    rig_settle();
    RIG_EXPECT("-b:failed -a:shutdown ");
    rig_close();
}
END_TEST

START_TEST(a_failed_start_within_a_group_begins_it_anew) {
    struct family family;
    uint64_t root = open_family(&family, "abc", SUPERVISOR_ONE_FOR_ALL);
    rig.habits['b'].declines = 1;
    tell_to_exit(child_pid(root, "c"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b +c -c:failed -b:shutdown -a:shutdown +a b! -a:shutdown +a +b +c ");
    rig_finish(root);
    root = open_family(&family, "abc", SUPERVISOR_REST_FOR_ONE);
    rig.habits['b'].declines = 1;
    tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b +c -a:failed -c:shutdown -b:shutdown +a b! +b +c ");
    rig_finish(root);
}
END_TEST

START_TEST(a_restart_storm_climbs_the_tree_and_ends_it) {
    struct family root_family, inner;
    uint8_t packed[2048];
    rig_open(0);
    family_of(&inner, "x", SUPERVISOR_ONE_FOR_ONE);
    family_of(&root_family, "a", SUPERVISOR_ONE_FOR_ONE);
    inner.spec.intensity = 2;
    root_family.spec.intensity = 1;
    family_add(&root_family, "inner", &inner, SUPERVISOR_PERMANENT, packed);
    uint64_t root = supervisor_start(&rig.scheduler, &root_family.spec);
    for (int i = 0; i < 6; i++) {
        ck_assert(scheduler_lookup(&rig.scheduler, root));
        tell_to_exit(child_pid(child_pid(root, "inner"), "x"), EXIT_PEER);
        rig_settle();
    }
    // Each inner one has 2 restarts, its third end ends it; the root restarts it once.
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    ck_assert_uint_eq(rig.habits['x'].starts, 6);
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_GIVE_UPS), 3);
    rig_close();
}
END_TEST

START_TEST(a_transient_supervisor_that_gave_up_stays_ended) {
    struct family root_family, inner;
    uint8_t packed[2048];
    rig_open(0);
    family_of(&inner, "x", SUPERVISOR_ONE_FOR_ONE);
    family_of(&root_family, "a", SUPERVISOR_ONE_FOR_ONE);
    inner.spec.intensity = 0;
    family_add(&root_family, "inner", &inner, SUPERVISOR_TRANSIENT, packed);
    uint64_t root = supervisor_start(&rig.scheduler, &root_family.spec);
    tell_to_exit(child_pid(child_pid(root, "inner"), "x"), EXIT_PEER);
    rig_settle();
    ck_assert(child_pid(root, "inner") == PID_NONE); // shutdown is no abnormal end
    RIG_EXPECT("+a +x -x:peer ");
    rig_finish(root);
}
END_TEST

// --- shutdown ------------------------------------------------------------------------------------

START_TEST(a_child_that_does_not_go_in_time_is_killed) {
    struct family family;
    rig_open(0);
    family_of(&family, "abc", SUPERVISOR_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++)
        family.children[i].kind = KIND_TRAPPER;
    rig.habits['a'].lingers_ns = 99 * NS_PER_MS;
    rig.habits['b'].ignores_exit = true;
    rig.habits['c'].lingers_ns = 10 * NS_PER_MS;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    supervisor_shutdown(&rig.scheduler, root);
    rig_wait_ms(20);
    RIG_EXPECT("+a +b +c -c:shutdown ");
    rig_wait_ms(80);
    RIG_EXPECT(""); // b has 100 ms since c is gone
    rig_wait_ms(20);
    RIG_EXPECT("-b:killed ");
    rig_wait_ms(110);
    RIG_EXPECT("-a:shutdown ");
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_KILLS), 1);
    ck_assert_uint_eq(rig.reports[SUPERVISOR_CHILD_KILLED], 1);
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    rig_close();
}
END_TEST

START_TEST(brutal_kill_gives_no_time_and_infinity_all) {
    struct family family;
    rig_open(0);
    family_of(&family, "ab", SUPERVISOR_ONE_FOR_ONE);
    family.children[0].kind = family.children[1].kind = KIND_TRAPPER;
    family.children[0].shutdown_ms = SUPERVISOR_INFINITY;
    family.children[1].shutdown_ms = SUPERVISOR_BRUTAL_KILL;
    rig.habits['a'].ignores_exit = true;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    supervisor_shutdown(&rig.scheduler, root);
    rig_wait_ms(10 * 1000);
    RIG_EXPECT("+a +b -b:killed ");
    tell_to_exit(child_pid(root, "a"), EXIT_NORMAL);
    rig_settle();
    RIG_EXPECT("-a:normal ");
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_KILLS), 0);
    rig_close();
}
END_TEST

START_TEST(a_shutdown_comes_while_children_restart) {
    // In each moment of a one_for_all restart: before, while others end, before they start.
    uint64_t abandoned = 0;
    for (int moment = 0; moment < 5; moment++) {
        struct family family;
        rig_open(0);
        family_of(&family, "abc", SUPERVISOR_ONE_FOR_ALL);
        family.children[1].kind = KIND_TRAPPER;
        rig.habits['b'].lingers_ns = 5 * NS_PER_MS;
        uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
        tell_to_exit(child_pid(root, "c"), EXIT_FAILED);
        for (int i = 0; i < moment * 2; i++) {
            rig.now_ns += NS_PER_MS;
            rig_turn();
        }
        supervisor_shutdown(&rig.scheduler, root);
        rig_wait_ms(50);
        ck_assert(!scheduler_lookup(&rig.scheduler, root));
        ck_assert_uint_eq(rig.habits['a'].starts, moment < 3 ? 1u : 2u);
        abandoned += RIG_COUNT(SUPERVISOR_ABANDONED);
        rig_close();
    }
    ck_assert_uint_eq(abandoned, 2); // b lingers
}
END_TEST

START_TEST(a_shutdown_comes_at_any_step_of_a_restart) {
    uint64_t abandoned = 0;
    bool is_restarted = false;
    for (int step = 0; step < 30; step++) {
        struct family family;
        uint64_t root = open_family(&family, "abc", SUPERVISOR_ONE_FOR_ALL);
        rig.scheduler.reductions_per_turn = 1; // a turn is one step
        tell_to_exit(child_pid(root, "b"), EXIT_FAILED);
        for (int i = 0; i < step; i++)
            rig_turn();
        is_restarted = rig.habits['a'].starts == 2;
        supervisor_shutdown(&rig.scheduler, root);
        rig_settle();
        ck_assert(!scheduler_lookup(&rig.scheduler, root));
        ck_assert_uint_le(rig.habits['a'].starts, 2);
        abandoned += RIG_COUNT(SUPERVISOR_ABANDONED);
        rig_close();
    }
    ck_assert(is_restarted);
    ck_assert_uint_ge(abandoned, 2); // while c ends, while a does
}
END_TEST

START_TEST(an_end_during_a_restart_is_not_restarted_twice) {
    struct family family;
    rig_open(0);
    family_of(&family, "abc", SUPERVISOR_ONE_FOR_ALL);
    family.children[1].kind = KIND_TRAPPER;
    rig.habits['b'].lingers_ns = 5 * NS_PER_MS;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    tell_to_exit(child_pid(root, "c"), EXIT_FAILED);
    rig_turn();
    rig_turn();
    tell_to_exit(child_pid(root, "a"), EXIT_PEER); // while b lingers
    rig_wait_ms(20);
    RIG_EXPECT("+a +b +c -c:failed -a:peer -b:shutdown +a +b +c ");
    struct supervisor_info info;
    ck_assert(supervisor_info(&rig.scheduler, root, &info));
    ck_assert_uint_eq(info.restarts, 1);
    rig.habits['b'].lingers_ns = 0;
    rig_finish(root);
}
END_TEST

START_TEST(an_end_outside_the_group_waits_for_its_turn) {
    struct family family;
    rig_open(0);
    family_of(&family, "abc", SUPERVISOR_REST_FOR_ONE);
    family.children[2].kind = KIND_TRAPPER;
    rig.habits['c'].lingers_ns = 5 * NS_PER_MS;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    tell_to_exit(child_pid(root, "b"), EXIT_FAILED);
    rig_turn();
    rig_turn();
    tell_to_exit(child_pid(root, "a"), EXIT_PEER); // while c lingers
    rig_wait_ms(30);
    RIG_EXPECT("+a +b +c -b:failed -a:peer -c:shutdown +b +c "
               "-c:shutdown -b:shutdown +a +b +c ");
    rig.habits['c'].lingers_ns = 0;
    rig_finish(root);
}
END_TEST

START_TEST(ends_at_once_are_restarted_each) {
    struct family family;
    uint64_t root = open_family(&family, "abc", SUPERVISOR_ONE_FOR_ONE);
    tell_to_exit(child_pid(root, "c"), EXIT_FAILED);
    tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
    tell_to_exit(child_pid(root, "b"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b +c -c:failed -a:failed -b:failed +c +a +b ");
    rig_finish(root);
}
END_TEST

START_TEST(a_killed_supervisor_takes_its_tree_along) {
    struct family root_family, inner, leaf;
    uint8_t packed[2048], packed_leaf[2048];
    rig_open(0);
    family_of(&leaf, "x", SUPERVISOR_ONE_FOR_ONE);
    family_of(&inner, "mn", SUPERVISOR_ONE_FOR_ONE);
    family_of(&root_family, "a", SUPERVISOR_ONE_FOR_ONE);
    inner.children[0].kind = KIND_TRAPPER;
    inner.children[1].kind = KIND_SERVICE; // free again when it is started
    rig.habits['m'].ignores_exit = true;
    family_add(&inner, "leaf", &leaf, SUPERVISOR_PERMANENT, packed_leaf);
    family_add(&root_family, "inner", &inner, SUPERVISOR_PERMANENT, packed);
    uint64_t root = supervisor_start(&rig.scheduler, &root_family.spec);
    uint64_t killed = child_pid(root, "inner");
    signal_exit(&rig.scheduler, PID_NONE, killed, EXIT_KILLED);
    rig_settle();
    RIG_EXPECT("+a +m +n +x -x:killed -n:killed -m:killed +m +n +x ");
    ck_assert(!scheduler_lookup(&rig.scheduler, killed));
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_RESTARTS), 1);
    rig.habits['m'].ignores_exit = false;
    rig_finish(root);
}
END_TEST

START_TEST(only_its_own_supervisor_ends_a_supervisor) {
    struct family root_family, inner;
    uint8_t packed[2048];
    rig_open(0);
    family_of(&inner, "x", SUPERVISOR_ONE_FOR_ONE);
    family_of(&root_family, "a", SUPERVISOR_ONE_FOR_ONE);
    family_add(&root_family, "inner", &inner, SUPERVISOR_PERMANENT, packed);
    uint64_t root = supervisor_start(&rig.scheduler, &root_family.spec);
    signal_exit(&rig.scheduler, child_pid(root, "a"), child_pid(root, "inner"), EXIT_SHUTDOWN);
    signal_exit(&rig.scheduler, child_pid(root, "a"), root, EXIT_SHUTDOWN);
    rig_settle();
    RIG_EXPECT("+a +x ");
    rig_finish(root);
}
END_TEST

START_TEST(exits_within_init_and_terminate_are_defined) {
    struct family family;
    uint64_t root = open_family(&family, "ab", SUPERVISOR_ONE_FOR_ONE);
    rig.habits['a'].exits_in_terminate = true; // ignored: it is ending
    rig.habits['a'].exits_in_init = 1;         // a failed start
    rig.habits['b'].dooms_in_terminate = child_pid(root, "a");
    tell_to_exit(child_pid(root, "a"), EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b -a:failed a! +a ");
    rig.habits['b'].dooms_in_terminate = child_pid(root, "a");
    tell_to_exit(child_pid(root, "b"), EXIT_NORMAL); // and a with it
    rig.habits['a'].exits_in_init = 0;
    rig_settle();
    ck_assert(!scheduler_lookup(&rig.scheduler, root)); // 4 restarts
    ck_assert_uint_ge(RIG_COUNT(EXITS_IGNORED), 2);
    rig_close();
}
END_TEST

START_TEST(a_slot_that_is_still_linked_is_no_failed_start) {
    struct family family;
    rig_open(0);
    family_of(&family, "a", SUPERVISOR_ONE_FOR_ONE);
    family.children[0].kind = KIND_SERVICE;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    for (int i = 0; i < 3; i++) {
        scheduler_send(&rig.scheduler, &(struct message){.target = child_pid(root, "a"),
                                                         .type = DO_SELF_MAIL_AND_EXIT});
        rig_settle();
    }
    ck_assert_uint_eq(rig.habits['a'].starts, 4);
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_START_FAILED), 0);
    rig_finish(root);
}
END_TEST

START_TEST(stale_news_change_nothing) {
    struct family family;
    uint64_t root = open_family(&family, "ab", SUPERVISOR_ONE_FOR_ONE);
    uint64_t before = child_pid(root, "a");
    tell_to_exit(before, EXIT_FAILED);
    rig_settle();
    RIG_EXPECT("+a +b -a:failed +a ");
    scheduler_send(&rig.scheduler, &(struct message){.target = root,
                                                     .sender = before,
                                                     .type = MESSAGE_CHILD_EXIT,
                                                     .small = EXIT_KILLED});
    scheduler_send(&rig.scheduler, &(struct message){.target = root, .type = MESSAGE_CHILD_EXIT});
    scheduler_send(&rig.scheduler, &(struct message){.target = root, .type = MESSAGE_USER});
    rig_settle();
    RIG_EXPECT("");
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_STALE), 2);
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_RESTARTS), 1);
    rig_finish(root);
}
END_TEST

UNIT_MAIN("sched/supervisor", children_start_in_order_and_end_in_reverse,
          one_without_children_starts_and_ends, a_start_that_fails_ends_those_started_in_reverse,
          a_nested_start_that_fails_fails_the_whole_tree, no_memory_for_a_tie_fails_the_start,
          one_for_one_starts_the_one_that_ended, rest_for_one_starts_those_behind_it_too,
          one_for_all_starts_all, restart_types_by_reason,
          a_temporary_that_a_sibling_takes_along_is_forgotten,
          a_transient_that_ended_well_comes_back_with_its_group,
          as_many_restarts_as_allowed_and_not_one_more, restarts_older_than_the_period_do_not_count,
          no_restart_at_all_with_an_intensity_of_0, a_restart_that_fails_counts_and_is_tried_again,
          a_failed_start_within_a_group_begins_it_anew, a_restart_storm_climbs_the_tree_and_ends_it,
          a_transient_supervisor_that_gave_up_stays_ended,
          a_child_that_does_not_go_in_time_is_killed, brutal_kill_gives_no_time_and_infinity_all,
          a_shutdown_comes_while_children_restart, a_shutdown_comes_at_any_step_of_a_restart,
          an_end_during_a_restart_is_not_restarted_twice,
          an_end_outside_the_group_waits_for_its_turn, ends_at_once_are_restarted_each,
          a_killed_supervisor_takes_its_tree_along, only_its_own_supervisor_ends_a_supervisor,
          exits_within_init_and_terminate_are_defined,
          a_slot_that_is_still_linked_is_no_failed_start, stale_news_change_nothing)
