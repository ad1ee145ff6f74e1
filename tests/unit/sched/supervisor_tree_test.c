// Goal: a tree reads as it is. Method: one tree with every case, its text byte for byte.
#include "tests/unit/sched/supervisor_rig.h"

START_TEST(a_tree_is_printed) {
    struct family family, inner;
    uint8_t packed[2048], packed_pool[2048], text[2048] = {0};
    struct family pool = {.spec = {.name = "pool",
                                   .strategy = SUPERVISOR_SIMPLE_ONE_FOR_ONE,
                                   .intensity = 100,
                                   .period_ms = 500,
                                   .kind = KIND_POOL,
                                   .restart = SUPERVISOR_TRANSIENT}};
    rig_open(0);
    family_of(&inner, "x", SUPERVISOR_ONE_FOR_ALL);
    family_of(&family, "ab", SUPERVISOR_REST_FOR_ONE);
    family.children[1].restart = SUPERVISOR_TRANSIENT;
    family_add(&inner, "pool", &pool, SUPERVISOR_PERMANENT, packed_pool);
    family_add(&family, "inner", &inner, SUPERVISOR_PERMANENT, packed);
    uint64_t root = supervisor_start(&rig.scheduler, &family.spec);
    spawn(KIND_POOL, 'q');
    spawn(KIND_POOL, 'r');
    tell_to_exit(child_pid(root, "b"), EXIT_NORMAL);
    tell_to_exit(child_pid(child_pid(root, "inner"), "x"), EXIT_FAILED);
    rig_settle();
    spawn(KIND_POOL, 's');
    struct writer w = writer_on(text, sizeof(text) - 1);
    supervisor_tree_print(&rig.scheduler, root, &w);
    ck_assert(!w.overflow);
    ck_assert_str_eq(
        (const char *)text,
        "sup                       00f0000000000000  rest_for_one, restarts=0 intensity=3/5s\n"
        "  a                       0010000000000000  permanent worker, restarted=0\n"
        "  b                       -                 transient worker, restarted=0, ended\n"
        "  inner                   00f0000000000001  permanent supervisors, restarted=0"
        "  one_for_all, restarts=1 intensity=3/5s\n"
        "    x                     0010000010000002  permanent worker, restarted=1\n"
        "    pool                  00f0000010000002  permanent supervisors, restarted=1"
        "  simple_one_for_one of 1 transient pool, restarts=0 intensity=100/500ms\n");
    w = writer_on(text, 100);
    supervisor_tree_print(&rig.scheduler, root, &w);
    ck_assert(w.overflow);
    w = writer_on(text, 100);
    rig_finish(root);
}
END_TEST

UNIT_MAIN("sched/supervisor_tree", a_tree_is_printed)
