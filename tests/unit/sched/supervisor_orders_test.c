// Goal: children come and go by order, errors have their names, limits hold, and what is told of
// them is so. Method: as supervisor_test.
#include "tests/unit/sched/supervisor_rig.h"

#include <errno.h>

START_TEST(children_come_and_go_by_order) {
    struct family family, more;
    uint64_t pid = PID_NONE;
    uint64_t root = open_family(&family, "ab", SUPERVISOR_REST_FOR_ONE);
    struct scheduler *scheduler = &rig.scheduler;
    family_of(&more, "cde", SUPERVISOR_ONE_FOR_ONE);
    ck_assert_int_eq(supervisor_start_child(scheduler, root, &more.children[0], &pid), 0);
    ck_assert(pid != PID_NONE && pid == child_pid(root, "c"));
    ck_assert_int_eq(supervisor_start_child(scheduler, root, &more.children[0], &pid), -EEXIST);
    rig.habits['d'].declines = 1;
    ck_assert_int_eq(supervisor_start_child(scheduler, root, &more.children[1], &pid), -ECANCELED);
    ck_assert_int_eq(supervisor_delete_child(scheduler, root, "d"), -ENOENT); // it was not kept
    RIG_EXPECT("+a +b +c d! ");
    ck_assert_int_eq(supervisor_restart_child(scheduler, root, "b", &pid), -EEXIST);
    ck_assert_int_eq(supervisor_delete_child(scheduler, root, "b"), -EBUSY);
    ck_assert_int_eq(supervisor_terminate_child(scheduler, root, "b"), 0);
    ck_assert_int_eq(supervisor_terminate_child(scheduler, root, "b"), 0);
    ck_assert_int_eq(supervisor_restart_child(scheduler, root, "b", &pid), -EEXIST); // it is ending
    rig_settle();
    RIG_EXPECT("-b:shutdown "); // and c, behind it, stays
    ck_assert_int_eq(supervisor_terminate_child(scheduler, root, "b"), 0);
    ck_assert_int_eq(supervisor_restart_child(scheduler, root, "b", &pid), 0);
    ck_assert(pid == child_pid(root, "b"));
    ck_assert_int_eq(supervisor_terminate_child(scheduler, root, "b"), 0);
    rig_settle();
    ck_assert_int_eq(supervisor_delete_child(scheduler, root, "b"), 0);
    ck_assert_int_eq(supervisor_restart_child(scheduler, root, "b", &pid), -ENOENT);
    more.children[2].restart = SUPERVISOR_TEMPORARY;
    ck_assert_int_eq(supervisor_start_child(scheduler, root, &more.children[2], &pid), 0);
    ck_assert_int_eq(supervisor_terminate_child(scheduler, root, "e"), 0);
    rig_settle();
    ck_assert_int_eq(supervisor_terminate_child(scheduler, root, "e"), -ENOENT);
    rig_finish(root);
}
END_TEST

START_TEST(orders_are_declined_while_it_restarts_and_after_its_end) {
    struct family family, more;
    uint64_t pid = PID_NONE;
    rig_open(0);
    family_of(&family, "ab", SUPERVISOR_ONE_FOR_ALL);
    family_of(&more, "c", SUPERVISOR_ONE_FOR_ONE);
    family.children[0].kind = KIND_TRAPPER;
    rig.habits['a'].lingers_ns = 5 * NS_PER_MS;
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    tell_to_exit(child_pid(root, "b"), EXIT_FAILED);
    rig_turn();
    rig_turn();
    ck_assert_int_eq(supervisor_start_child(&rig.scheduler, root, &more.children[0], &pid),
                     -EAGAIN);
    ck_assert_int_eq(supervisor_terminate_child(&rig.scheduler, root, "a"), -EAGAIN);
    struct supervisor_child_info info;
    uint32_t cursor = 0;
    ck_assert(supervisor_child_next(&rig.scheduler, root, &cursor, &info) && info.is_ending);
    ck_assert(supervisor_child_next(&rig.scheduler, root, &cursor, &info) && info.is_restarting);
    ck_assert(!supervisor_child_next(&rig.scheduler, root, &cursor, &info));
    rig_wait_ms(10);
    ck_assert_int_eq(supervisor_start_child(&rig.scheduler, root, &more.children[0], &pid), 0);
    signal_exit(&rig.scheduler, PID_NONE, root, EXIT_KILLED);
    ck_assert_int_eq(supervisor_delete_child(&rig.scheduler, root, "a"), -ESRCH);
    rig_settle();
    ck_assert_int_eq(supervisor_start_child(&rig.scheduler, root, &more.children[0], &pid), -ESRCH);
    ck_assert_int_eq(supervisor_start_child(&rig.scheduler, PID_NONE, &more.children[0], &pid),
                     -ESRCH);
    rig_close();
}
END_TEST

START_TEST(as_many_children_as_are_allowed) {
    struct family family;
    char name[SUPERVISOR_NAME_SIZE];
    uint64_t pid;
    uint64_t root = open_family(&family, "a", SUPERVISOR_ONE_FOR_ALL);
    struct supervisor_child_spec spec = family.children[0];
    spec.name = name;
    for (uint32_t i = 1; i <= SUPERVISOR_CHILDREN_MAX; i++) {
        snprintf(name, sizeof(name), "child number %u......", i); // 23 bytes when i has 4 digits
        int result = supervisor_start_child(&rig.scheduler, root, &spec, &pid);
        ck_assert_int_eq(result, i < SUPERVISOR_CHILDREN_MAX ? 0 : -E2BIG);
    }
    struct supervisor_info info;
    ck_assert(supervisor_info(&rig.scheduler, root, &info));
    ck_assert_uint_eq(info.active, SUPERVISOR_CHILDREN_MAX);
    rig_finish(root);
}
END_TEST

START_TEST(a_spec_that_does_not_fit_is_refused) {
    struct family family;
    static uint8_t argument[SUPERVISOR_ARGUMENT_MAX];
    rig_open(0);
    family_of(&family, "a", SUPERVISOR_ONE_FOR_ONE);
    family.children[0].argument = argument;
    family.children[0].argument_size = sizeof(argument);
    ck_assert(supervisor_start(&rig.scheduler, &family.spec) == PID_NONE);
    rig_close();
}
END_TEST

UNIT_MAIN("sched/supervisor_orders", children_come_and_go_by_order,
          orders_are_declined_while_it_restarts_and_after_its_end, as_many_children_as_are_allowed,
          a_spec_that_does_not_fit_is_refused)
