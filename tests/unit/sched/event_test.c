// Goal: every handler that is there gets each event once, whatever handlers do to each other, and
// each end of one reaches its terminate and its owner once. Method: a manager on one core, owners
// on it and on another; what each handler saw is written down in order.
#include "sched/event.h"

#include "tests/unit/sched/cores.h"

enum { MANAGER = 8 };
enum { PLAIN, FUSSY, HEIR, TYPES };
enum {
    HELLO = 1,
    FAIL,       // words[0]: the id that fails
    FINISH,     // words[0]: the id that is done
    DELETE_ID,  // words[0]: the id that deletes words[1]
    ADD_ID,     // words[0]: the id that adds words[1]
    REPLACE_ID, // words[0]: the id that deletes itself and adds words[1], then writes its state
    END_IT,     // words[0]: the id that ends the manager
};

struct manager {
    struct actor actor;
    struct event_manager manager;
    uint32_t first_handlers;
};

struct counting {
    uint64_t id;
    uint64_t seen;
    uint64_t filler[EVENT_STATE_BYTES / 8 - 2];
};

struct manager_context {
    struct scheduler *scheduler;
};

struct seen {
    uint64_t id;
    uint32_t what; // 1: init, 2: event, 3: terminate
    uint64_t word; // argument, type of the event, why
};

static struct manager_context contexts[2];
static struct seen seen[1024];
static uint32_t seen_count;
static uint32_t handled_count;
static uint64_t manager;

static void note(uint64_t id, uint32_t what, uint64_t word) {
    ck_assert_uint_lt(seen_count, 1024);
    seen[seen_count++] = (struct seen){id, what, word};
}

static uint32_t count(uint64_t id, uint32_t what, uint64_t word) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < seen_count; i++)
        found += seen[i].id == id && seen[i].what == what && seen[i].word == word;
    return found;
}

// The argument is the handler's id; of an heir, the inherited word comes on top.
static int on_init(void *context, void *state, void *handler, uint64_t argument,
                   uint64_t inherited) {
    (void)context, (void)state;
    struct counting *my = handler;
    ck_assert_uint_eq(my->seen + my->filler[0], 0);
    *my = (struct counting){.id = argument, .seen = inherited};
    note(argument, 1, inherited);
    return 0;
}

static int on_fussy_init(void *context, void *state, void *handler, uint64_t argument,
                         uint64_t inherited) {
    (void)context, (void)state, (void)handler, (void)inherited;
    note(argument, 1, 0);
    return -1;
}

static enum event_result on_event(void *context, void *state, void *handler,
                                  const struct message *event) {
    struct counting *my = handler;
    const struct manager_context *at = context;
    note(my->id, 2, event->flags);
    if (event->flags < FAIL || event->words[0] != my->id)
        return EVENT_KEEP;
    const struct event_addition more = {.handler = {PLAIN, (uint32_t)event->words[1]},
                                        .argument = event->words[1]};
    switch (event->flags) {
    case FAIL:
        return EVENT_FAILED;
    case FINISH:
        return EVENT_REMOVE;
    case DELETE_ID:
        ck_assert_int_eq(event_delete_here(context, state, more.handler), EVENT_OK);
        ck_assert_int_eq(event_delete_here(context, state, more.handler), EVENT_NONE);
        return EVENT_KEEP;
    case ADD_ID:
        ck_assert_int_eq(event_add_here(context, state, PID_NONE, &more), EVENT_OK);
        return EVENT_KEEP;
    case REPLACE_ID:
        ck_assert_int_eq(
            event_delete_here(context, state, (struct event_handler_id){PLAIN, (uint32_t)my->id}),
            EVENT_OK);
        ck_assert_int_eq(event_add_here(context, state, PID_NONE, &more), EVENT_OK);
        memset(my, 0xff, sizeof(*my)); // its own, not its successor's
        return EVENT_FAILED;           // nor is that one removed
    case END_IT:
        scheduler_exit(at->scheduler, MANAGER, pid_slot(event->target).index, EXIT_PEER);
        return EVENT_FAILED;
    default:
        return EVENT_KEEP;
    }
}

static uint64_t on_end(void *context, void *state, void *handler, enum event_why why) {
    (void)context, (void)state;
    const struct counting *my = handler;
    note(my->id, 3, why);
    return my->id * 100;
}

static const struct event_handler_type types[TYPES] = {
    [PLAIN] = {"plain", on_init, on_event, on_end},
    [FUSSY] = {"fussy", on_fussy_init, on_event, on_end},
    [HEIR] = {"heir", on_init, on_event, on_end},
};

static int on_manager_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)index;
    for (uint32_t i = 0; argument && i < *(const uint32_t *)argument; i++)
        ck_assert_int_eq(event_add_here(context, state, PID_NONE,
                                        &(struct event_addition){{PLAIN, i}, i, false}),
                         EVENT_OK);
    return argument && *(const uint32_t *)argument > 5 ? -1 : 0;
}

static void on_handled(void *context, const struct message *event) {
    (void)context, (void)event;
    handled_count++;
}

static const struct event_behaviour behaviour = {
    .behaviour = {.name = "managers",
                  .kind = MANAGER,
                  .version = 1,
                  .mailbox_max = 100,
                  .slot_size = sizeof(struct manager),
                  .init = event_init,
                  .handle = event_handle,
                  .terminate = event_terminate},
    .types = types,
    .type_count = TYPES,
    .init = on_manager_init,
    .handled = on_handled,
};

static void open_manager(const struct scheduler_config *config) {
    cores_open(2, config);
    seen_count = handled_count = 0;
    for (uint32_t i = 0; i < 2; i++) {
        contexts[i].scheduler = &cores.schedulers[i];
        ck_assert_int_eq(
            scheduler_register(&cores.schedulers[i], &behaviour.behaviour, &contexts[i], 4), 0);
    }
    manager = cores_spawn(0, MANAGER);
}

static struct manager *manager_at(void) {
    return scheduler_lookup(&cores.schedulers[0], manager);
}

static void settle(void) {
    cores_settle();
    if (manager_at())
        event_validate(manager_at());
}

static void close_manager(void) {
    if (manager_at())
        scheduler_exit(&cores.schedulers[0], MANAGER, pid_slot(manager).index, EXIT_NORMAL);
    cores_settle();
    uint32_t begun = 0;
    uint32_t over = 0;
    for (uint32_t i = 0; i < seen_count; i++) {
        begun += seen[i].what == 1 && seen[i].id != 99; // 99: declined
        over += seen[i].what == 3;
    }
    ck_assert_uint_eq(begun, over);
    cores_close();
}

// What a puppet was last told: the code of a reply is not in its log, so it is asked of the count.
static void add_as(uint64_t owner, uint16_t type, uint32_t id, bool is_supervised) {
    const struct event_addition addition = {{type, id}, id, is_supervised};
    ck_assert_uint_ne(event_add(cores_of(owner), PUPPET, pid_slot(owner).index, manager, &addition),
                      0);
    settle();
}

static void say(uint16_t type, uint64_t id, uint64_t other) {
    ck_assert(event_notify(&cores.schedulers[0], PID_NONE, manager,
                           &(struct server_request){.type = type, .words = {id, other}}));
    settle();
}

static uint32_t handlers(void) {
    return manager_at()->manager.count;
}

START_TEST(every_handler_gets_every_event_once) {
    for (uint32_t core = 0; core < 2; core++) {
        open_manager(NULL);
        uint64_t owner = cores_spawn(core, PUPPET);
        say(HELLO, 0, 0); // to nobody
        for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++)
            add_as(owner, PLAIN, i, false);
        ck_assert_uint_eq(handlers(), EVENT_HANDLERS_MAX);
        say(HELLO, 0, 0);
        for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++)
            ck_assert_uint_eq(count(i, 2, HELLO), 1);
        cores_send(PID_NONE, manager, SAY, 1); // info is an event
        settle();
        for (uint32_t i = 0; i < EVENT_HANDLERS_MAX; i++)
            ck_assert_uint_eq(count(i, 2, 0), 1);
        ck_assert_uint_eq(handled_count, 3);
        add_as(owner, PLAIN, 77, true); // full
        ck_assert_uint_eq(handlers(), EVENT_HANDLERS_MAX);
        ck_assert_uint_eq(cores_logged(owner, MESSAGE_REPLY, NULL), EVENT_HANDLERS_MAX + 1);
        close_manager();
    }
}
END_TEST

START_TEST(a_sync_notification_is_answered_when_all_have_it) {
    open_manager(NULL);
    uint64_t owner = cores_spawn(1, PUPPET);
    add_as(owner, PLAIN, 1, false);
    ck_assert_uint_ne(event_sync_notify(&cores.schedulers[1], PUPPET, pid_slot(owner).index,
                                        manager, &(struct server_request){.type = HELLO},
                                        SERVER_TIMEOUT_NS),
                      0);
    for (uint32_t i = 0; i < 10; i++) {
        cores_turn(i % 2);
        ck_assert(cores_logged(owner, MESSAGE_REPLY, NULL) < 2 || count(1, 2, HELLO) == 1);
    }
    ck_assert_uint_eq(cores_logged(owner, MESSAGE_REPLY, NULL), 2);
    close_manager();
}
END_TEST

START_TEST(what_cannot_be_added_or_deleted_changes_nothing) {
    open_manager(NULL);
    uint64_t owner = cores_spawn(0, PUPPET);
    add_as(owner, PLAIN, 1, false);
    add_as(owner, PLAIN, 1, true); // exists
    add_as(owner, TYPES, 2, true); // no such type
    add_as(owner, FUSSY, 99, true);
    ck_assert_uint_eq(handlers(), 1);
    ck_assert_uint_eq(count(1, 1, 0), 1);
    ck_assert_uint_ne(event_delete(&cores.schedulers[0], PUPPET, pid_slot(owner).index, manager,
                                   (struct event_handler_id){PLAIN, 5}),
                      0);
    settle();
    ck_assert_uint_eq(handlers(), 1);
    ck_assert_uint_eq(cores.schedulers[0].relations.used_count, 0);
    close_manager();
}
END_TEST

START_TEST(a_failing_handler_goes_alone_and_its_owner_is_told) {
    for (uint32_t core = 0; core < 2; core++) {
        open_manager(NULL);
        uint64_t owner = cores_spawn(core, PUPPET);
        for (uint32_t i = 1; i < 4; i++)
            add_as(owner, PLAIN, i, i > 1);
        say(FAIL, 2, 0);
        ck_assert_uint_eq(count(2, 3, EVENT_BROKEN), 1);
        ck_assert_uint_eq(count(3, 2, FAIL), 1);
        ck_assert_uint_eq(handlers(), 2);
        ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_HANDLERS_FAILED), 1);
        struct cores_entry entry = {0};
        ck_assert_uint_eq(cores_logged(owner, MESSAGE_HANDLER_GONE, &entry), 1);
        ck_assert_uint_eq(entry.word, 2);
        ck_assert_uint_eq(entry.sender, manager);
        say(FINISH, 1, 0); // has no owner
        say(FINISH, 3, 0);
        ck_assert_uint_eq(cores_logged(owner, MESSAGE_HANDLER_GONE, NULL), 2);
        ck_assert_uint_eq(counter_read(&cores.counters[0], COUNTER_HANDLERS_FAILED), 1);
        ck_assert_uint_eq(handlers(), 0);
        settle();
        ck_assert_uint_eq(cores.schedulers[core].relations.used_count, 0);
        close_manager();
    }
}
END_TEST

START_TEST(a_supervised_handler_goes_with_its_owner) {
    for (uint32_t core = 0; core < 2; core++) {
        open_manager(NULL);
        uint64_t owner = cores_spawn(core, PUPPET);
        uint64_t other = cores_spawn(core, PUPPET);
        add_as(owner, PLAIN, 1, true);
        add_as(owner, PLAIN, 2, false);
        add_as(other, PLAIN, 3, true);
        cores_send(PID_NONE, owner, DO_EXIT_SELF, EXIT_PEER);
        settle();
        ck_assert_uint_eq(count(1, 3, EVENT_OWNER_DOWN), 1);
        ck_assert_uint_eq(handlers(), 2);
        close_manager(); // the other is told
        ck_assert_uint_eq(count(3, 3, EVENT_STOP), 1);
    }
}
END_TEST

START_TEST(an_owner_that_is_dead_already_takes_its_handler_along) {
    open_manager(NULL);
    uint64_t owner = cores_spawn(1, PUPPET);
    const struct event_addition addition = {{PLAIN, 1}, 1, true};
    ck_assert_uint_ne(
        event_add(&cores.schedulers[1], PUPPET, pid_slot(owner).index, manager, &addition), 0);
    scheduler_exit(&cores.schedulers[1], PUPPET, pid_slot(owner).index, EXIT_NORMAL);
    settle();
    ck_assert_uint_eq(count(1, 3, EVENT_OWNER_DOWN), 1);
    ck_assert_uint_eq(handlers(), 0);
    close_manager();
}
END_TEST

START_TEST(handlers_may_delete_themselves_and_others_while_they_are_notified) {
    open_manager(NULL);
    uint64_t owner = cores_spawn(0, PUPPET);
    for (uint32_t i = 0; i < 5; i++)
        add_as(owner, PLAIN, i, i == 3);
    say(DELETE_ID, 1, 3); // one behind it: is not called any more
    ck_assert_uint_eq(count(3, 2, DELETE_ID), 0);
    ck_assert_uint_eq(count(4, 2, DELETE_ID), 1);
    ck_assert_uint_eq(cores_logged(owner, MESSAGE_HANDLER_GONE, NULL), 1);
    say(DELETE_ID, 4, 0); // one before it
    say(DELETE_ID, 2, 2); // itself
    ck_assert_uint_eq(count(2, 3, EVENT_DELETED), 1);
    ck_assert_uint_eq(handlers(), 2);
    close_manager();
}
END_TEST

START_TEST(a_handler_added_while_others_are_notified_gets_the_next_event) {
    open_manager(NULL);
    uint64_t owner = cores_spawn(0, PUPPET);
    add_as(owner, PLAIN, 1, false);
    add_as(owner, PLAIN, 2, false);
    say(ADD_ID, 1, 7);
    ck_assert_uint_eq(count(7, 1, 0), 1);
    ck_assert_uint_eq(count(7, 2, ADD_ID), 0);
    say(HELLO, 0, 0);
    ck_assert_uint_eq(count(7, 2, HELLO), 1);
    say(REPLACE_ID, 2, 8);
    say(HELLO, 0, 0);
    ck_assert_uint_eq(count(8, 2, HELLO), 1);
    ck_assert_uint_eq(handlers(), 3);
    close_manager();
}
END_TEST

START_TEST(a_swap_hands_on_and_takes_the_place) {
    open_manager(NULL);
    uint64_t owner = cores_spawn(1, PUPPET);
    for (uint32_t i = 1; i < 4; i++)
        add_as(owner, PLAIN, i, true);
    const struct event_addition heir = {{HEIR, 5}, 5, true};
    const struct event_handler_id old = {PLAIN, 1};
    for (uint32_t i = 0; i < 2; i++) { // the second time there is no old one, and the new exists
        ck_assert_uint_ne(
            event_swap(&cores.schedulers[1], PUPPET, pid_slot(owner).index, manager, old, &heir),
            0);
        settle();
        ck_assert_uint_eq(count(1, 3, EVENT_SWAPPED), 1);
        ck_assert_uint_eq(count(5, 1, 100), 1);
        ck_assert_uint_eq(handlers(), 3);
        ck_assert_uint_eq(manager_at()->manager.handlers[0].type, HEIR);
    }
    const struct event_addition taken = {{HEIR, 5}, 5, true};
    ck_assert_uint_ne(event_swap(&cores.schedulers[1], PUPPET, pid_slot(owner).index, manager,
                                 (struct event_handler_id){PLAIN, 2}, &taken),
                      0);
    settle();
    ck_assert_uint_eq(count(2, 3, EVENT_SWAPPED), 0); // as it was
    ck_assert_uint_eq(handlers(), 3);
    close_manager();
}
END_TEST

START_TEST(a_manager_may_end_in_a_handler_and_fails_the_sync_notification) {
    open_manager(NULL);
    uint64_t owner = cores_spawn(1, PUPPET);
    for (uint32_t i = 1; i < 4; i++)
        add_as(owner, PLAIN, i, true);
    ck_assert_uint_ne(
        event_sync_notify(&cores.schedulers[1], PUPPET, pid_slot(owner).index, manager,
                          &(struct server_request){.type = END_IT, .words = {2}}, SERVER_INFINITY),
        0);
    settle();
    ck_assert_ptr_null(manager_at());
    for (uint32_t i = 1; i < 4; i++)
        ck_assert_uint_eq(count(i, 3, EVENT_STOP), 1);
    ck_assert_uint_eq(count(3, 2, END_IT), 0);
    ck_assert_uint_eq(cores_logged(owner, MESSAGE_HANDLER_GONE, NULL), 3);
    ck_assert_uint_eq(cores_logged(owner, MESSAGE_CALL_FAILED, NULL), 1);
    ck_assert_uint_eq(handled_count, 1);
    close_manager();
}
END_TEST

START_TEST(a_manager_starts_with_handlers_and_a_declined_one_ends_them) {
    open_manager(NULL);
    uint32_t wanted = 3;
    uint64_t pid = scheduler_spawn(&cores.schedulers[0], MANAGER, &wanted);
    ck_assert_uint_ne(pid, PID_NONE);
    const struct manager *with = scheduler_lookup(&cores.schedulers[0], pid);
    ck_assert_uint_eq(with->manager.count, 3);
    scheduler_exit(&cores.schedulers[0], MANAGER, pid_slot(pid).index, EXIT_NORMAL);
    wanted = 6;
    ck_assert_uint_eq(scheduler_spawn(&cores.schedulers[0], MANAGER, &wanted), PID_NONE);
    close_manager();
}
END_TEST

START_TEST(a_handler_whose_owner_cannot_be_watched_goes) {
    const struct scheduler_config few = {.message_cells_max = 100, .relations_max = 2};
    open_manager(&few);
    uint64_t owner = cores_spawn(1, PUPPET);
    add_as(owner, PLAIN, 1, true);
    add_as(owner, PLAIN, 2, true); // the call takes the owner's last record, the watch finds none
    ck_assert_uint_eq(count(2, 3, EVENT_UNWATCHED), 1);
    ck_assert_uint_eq(cores_logged(owner, MESSAGE_HANDLER_GONE, NULL), 1);
    ck_assert_uint_eq(handlers(), 1);
    const struct event_addition third = {{PLAIN, 3}, 3, true};
    ck_assert_int_eq(event_add_here(&contexts[0], manager_at(), owner, &third), EVENT_OK);
    const struct event_addition fourth = {{PLAIN, 4}, 4, true};
    ck_assert_int_eq(event_add_here(&contexts[0], manager_at(), owner, &fourth), EVENT_FULL);
    ck_assert_uint_eq(count(4, 3, EVENT_STOP), 1);
    settle();
    ck_assert_uint_eq(handlers(), 2);
    close_manager();
}
END_TEST

UNIT_MAIN("sched/event", every_handler_gets_every_event_once,
          a_sync_notification_is_answered_when_all_have_it,
          what_cannot_be_added_or_deleted_changes_nothing,
          a_failing_handler_goes_alone_and_its_owner_is_told,
          a_supervised_handler_goes_with_its_owner,
          an_owner_that_is_dead_already_takes_its_handler_along,
          handlers_may_delete_themselves_and_others_while_they_are_notified,
          a_handler_added_while_others_are_notified_gets_the_next_event,
          a_swap_hands_on_and_takes_the_place,
          a_manager_may_end_in_a_handler_and_fails_the_sync_notification,
          a_manager_starts_with_handlers_and_a_declined_one_ends_them,
          a_handler_whose_owner_cannot_be_watched_goes)
