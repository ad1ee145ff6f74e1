// Goal: the gateway's own tree starts, shows, restarts and ends what a core is made of. Method: the
// real chat and gateway over the rig's streams, with a stand-in for the control plane's actor.
#define RIG_IS_SUPERVISED true
#define RIG_HAS_TOPICS true

#include "tests/unit/gateway/rig.h"

#include "chat/message.h"
#include "gateway/tree.h"
#include "sched/base/log.h"
#include "sched/signal.h"

static struct tree tree;

static int control_init(void *context, void *state, uint32_t index, const void *argument) {
    return 0;
}

static void control_handle(void *context, void *state, uint32_t index,
                           const struct message *message) {
}

static void control_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
}

static const struct behaviour control = {.name = "control",
                                         .kind = KIND_CONTROL,
                                         .version = 1,
                                         .mailbox_max = 16,
                                         .slot_size = sizeof(struct actor),
                                         .init = control_init,
                                         .handle = control_handle,
                                         .terminate = control_terminate};

static void open_tree(void) {
    log_set_level(LOG_ERROR); // each restart is a line
    rig_config_default(&rig.config);
    rig_open(20, 2);
    ck_assert_int_eq(scheduler_register(&rig.scheduler, &control, NULL, 1), 0);
    ck_assert_int_eq(tree_open(&tree, &rig.scheduler, false), 0);
    rig_turn();
}

static void close_tree(void) {
    ck_assert(tree_is_up(&tree));
    tree_end(&tree);
    supervisor_validate(&rig.scheduler);
    slab_check_empty(&rig.scheduler.kinds[KIND_SUPERVISOR].slab);
    slab_check_empty(&rig.scheduler.kinds[KIND_CHAT].slab);
    slab_check_empty(&rig.scheduler.kinds[KIND_ROOM].slab);
    slab_check_empty(&rig.scheduler.kinds[KIND_LEAF].slab);
    slab_check_empty(&rig.scheduler.kinds[KIND_CONTROL].slab);
    rig_close();
}

static uint64_t child(const char *first, const char *second) {
    uint64_t pid = supervisor_child_pid(&rig.scheduler, tree.root, first);
    return second ? supervisor_child_pid(&rig.scheduler, pid, second) : pid;
}

static void kill_and_settle(uint64_t pid) {
    ck_assert(pid != PID_NONE);
    signal_exit(&rig.scheduler, PID_NONE, pid, EXIT_KILLED);
    rig_turns(4);
    supervisor_validate(&rig.scheduler);
}

static const char *printed(void) {
    static char text[4096];
    struct writer w = writer_on(text, sizeof(text) - 1);
    tree_print(&tree, &w);
    ck_assert(!w.overflow);
    text[w.size] = 0;
    return text;
}

static void join(uint32_t peer, const char *room) {
    char text[256];
    snprintf(text, sizeof(text), "[\"1\",\"1\",\"room:%s\",\"phx_join\",{}]", room);
    rig_text(peer, text);
    rig_turns(3);
    enum websocket_opcode opcode;
    const char *reply = rig_next(peer, &opcode);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(strstr(reply, "\"status\":\"ok\"") != NULL, "%s", reply);
}

START_TEST(all_that_a_core_is_made_of_is_in_it) {
    static const char *const lines[] = {
        "fairlead                  00f0000000000000  one_for_one, restarts=0 intensity=5/10s\n",
        "\n  control                 0050000000000000  permanent control, restarted=0\n",
        "\n  chat                    00f0000000000001  permanent supervisors, restarted=0"
        "  rest_for_one,",
        "  simple_one_for_one of 2 transient rooms,",
        "  simple_one_for_one of 2 temporary leaves,",
        "\n    service               0040000000000000  permanent chat, restarted=0\n",
        "  simple_one_for_one of 0 temporary mqtt_sessions,",
        "  simple_one_for_one of 3 temporary connections,",
    };
    open_tree();
    uint32_t first = rig_user("ann"), second = rig_user("bob");
    rig_connect();
    join(first, "a");
    join(second, "b");
    const char *at = printed();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const char *next = strstr(at, lines[i]);
        ck_assert_msg(next != NULL, "%s is not behind %s", lines[i], at);
        at = next + 1;
    }
    for (uint32_t i = 0; i < 3; i++)
        rig_hangup(i);
    rig_turns(4);
    close_tree();
}
END_TEST

START_TEST(a_service_that_is_killed_is_there_again) {
    open_tree();
    uint32_t peer = rig_user("ann");
    join(peer, "a");
    uint64_t before = child("chat", "service");
    kill_and_settle(before);
    ck_assert(child("chat", "service") != before);
    kill_and_settle(child("control", NULL));
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_RESTARTS), 2);
    join(peer, "b"); // by the service's address, which is the same
    ck_assert_uint_eq(RIG_COUNT(ROOMS), 2);
    rig_hangup(peer);
    rig_turns(4);
    close_tree();
}
END_TEST

START_TEST(a_room_that_fails_starts_anew_under_its_name) {
    open_tree();
    uint32_t peer = rig_user("ann");
    join(peer, "a");
    const struct slab *rooms = &rig.scheduler.kinds[KIND_ROOM].slab;
    ck_assert_uint_eq(rooms->used_count, 1);
    kill_and_settle(scheduler_pid(&rig.scheduler, KIND_ROOM, 0));
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_RESTARTS), 1);
    struct chat_room_info info;
    ck_assert(chat_room_lookup(&rig.chat, BYTES_LITERAL("a"), &info));
    ck_assert_uint_eq(info.connections, 0); // its member was told, and comes back by itself
    enum websocket_opcode opcode;
    ck_assert_ptr_nonnull(strstr(rig_next(peer, &opcode), "phx_error"));
    join(peer, "a");
    // Ended on purpose it is not made again.
    ck_assert(chat_room_end(&rig.chat, BYTES_LITERAL("a"), EXIT_SHUTDOWN));
    rig_turns(4);
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_RESTARTS), 1);
    ck_assert(!chat_room_lookup(&rig.chat, BYTES_LITERAL("a"), &info));
    rig_hangup(peer);
    rig_turns(4);
    close_tree();
}
END_TEST

START_TEST(the_tree_gives_up_when_services_fail_for_good) {
    open_tree();
    uint32_t kills = 0;
    while (tree_is_up(&tree) && kills < 100) {
        kill_and_settle(child("chat", "service"));
        kills++;
    }
    // 5 of the service's, then the chat supervisor's end: 6 times over.
    ck_assert_uint_eq(kills, 36);
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_GIVE_UPS), 7);
    ck_assert_uint_gt(tree.lines, TREE_LINES_PER_S); // and the log got no more than those
    rig_close();
}
END_TEST

START_TEST(failures_that_are_far_apart_are_borne_for_ever) {
    open_tree();
    for (uint32_t i = 0; i < 40; i++) {
        kill_and_settle(child("chat", "service"));
        rig_wait_ms(2100);
    }
    ck_assert_uint_eq(RIG_COUNT(SUPERVISOR_GIVE_UPS), 0);
    close_tree();
}
END_TEST

START_TEST(an_end_while_rooms_linger_ends_them) {
    open_tree();
    uint32_t peer = rig_user("ann");
    join(peer, "a");
    rig_hangup(peer);
    rig_turns(4);
    ck_assert_uint_eq(RIG_COUNT(ROOMS), 1);
    close_tree();
    ck_assert_uint_eq(RIG_COUNT(ROOMS), 0);
}
END_TEST

UNIT_MAIN("gateway/tree", all_that_a_core_is_made_of_is_in_it,
          a_service_that_is_killed_is_there_again, a_room_that_fails_starts_anew_under_its_name,
          the_tree_gives_up_when_services_fail_for_good,
          failures_that_are_far_apart_are_borne_for_ever, an_end_while_rooms_linger_ends_them)
