// Goal: a machine's events reach the handler of its state once, timeouts die with what cancels
// them, postponed events come back in order and within bounds. Method: a lock with three states on
// two cores of one thread; what each handler and enter saw is written down in order.
#include "sched/fsm.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/server.h"
#include "tests/unit/sched/cores.h"

enum { LOCK = 8, SLIDING_LOCK = 9, LEAKY_LOCK = 10 };
enum { CLOSED, OPEN, BROKEN, STATES };
enum {
    PUSH = MESSAGE_USER, // postponed while closed
    UNLOCK,              // words[0]: state timeout in ms of OPEN, 0: none
    SHUT,
    SMASH,
    WAIT,      // event timeout, words[0] ms
    STOP_NOW,  // words[0]: reason
    SLIP,      // postponed, and to the other state: for ever
    HOP,       // postponed, then OPEN
    LEAP,      // an illegal change: BROKEN to CLOSED
    DIE_IN_IT, // scheduler_exit within the handler, postponed all the same
    SET_STATE, // state timeout, words[0] ms, where it is
};

#define POSTPONED_MAX 10
#define KEPT_MAX 100

struct lock {
    struct actor actor;
    struct fsm fsm;
    uint64_t open_ms;
};

struct lock_context {
    struct fsm_context fsm;
    uint8_t kind;
};

struct seen {
    uint8_t state;
    uint16_t type; // 0: enter
    uint64_t word; // of enter: from
};

static struct lock_context contexts[2][ACTOR_KINDS_MAX];
static struct seen seen[8192];
static uint32_t seen_count;
static uint32_t ended;

static void note(uint8_t state, uint16_t type, uint64_t word) {
    if (seen_count < 8192)
        seen[seen_count++] = (struct seen){state, type, word};
}

static void on_enter(void *context, void *state, uint32_t index, uint8_t from) {
    struct lock *lock = state;
    note(lock->fsm.state, 0, from);
    if (lock->fsm.state == OPEN && lock->open_ms)
        ck_assert_int_eq(
            fsm_set_timeout(context, state, index, FSM_STATE_TIMEOUT, lock->open_ms * NS_PER_MS),
            0);
    if (lock->fsm.state == BROKEN && lock->open_ms == 999) {
        const struct lock_context *my = context;
        scheduler_exit(my->fsm.scheduler, my->kind, index, EXIT_FAILED);
    }
}

static struct fsm_action on_common(struct lock_context *my, struct lock *lock, uint32_t index,
                                   const struct message *event) {
    note(lock->fsm.state, event->type, event->words[0]);
    switch (event->type) {
    case SMASH:
        lock->open_ms = event->words[0];
        return fsm_next(BROKEN);
    case WAIT:
        ck_assert_int_eq(
            fsm_set_timeout(my, lock, index, FSM_EVENT_TIMEOUT, event->words[0] * NS_PER_MS), 0);
        return fsm_keep();
    case SET_STATE:
        ck_assert_int_eq(
            fsm_set_timeout(my, lock, index, FSM_STATE_TIMEOUT,
                            event->words[0] ? event->words[0] * NS_PER_MS : FSM_INFINITY),
            0);
        return fsm_keep();
    case STOP_NOW:
        return fsm_stop((uint32_t)event->words[0]);
    case SLIP:
        return fsm_postpone_next(lock->fsm.state == OPEN ? CLOSED : OPEN);
    case HOP:
        return lock->fsm.state == OPEN ? fsm_keep() : fsm_postpone_next(OPEN);
    case LEAP:
        return fsm_next(CLOSED);
    case DIE_IN_IT:
        scheduler_exit(my->fsm.scheduler, my->kind, index, EXIT_PEER);
        return fsm_postpone_next(OPEN);
    default:
        return fsm_keep();
    }
}

static struct fsm_action on_closed(void *context, void *state, uint32_t index,
                                   const struct message *event) {
    struct lock *lock = state;
    if (event->type == UNLOCK)
        lock->open_ms = event->words[0];
    struct fsm_action action = on_common(context, state, index, event);
    switch (event->type) {
    case PUSH:
    case MESSAGE_CALL:
        return fsm_postpone();
    case MESSAGE_TIMEOUT:
        return event->flags == FSM_EVENT_TIMEOUT ? fsm_postpone() : fsm_keep();
    case UNLOCK:
        return fsm_next(OPEN);
    default:
        return action;
    }
}

static struct fsm_action on_open(void *context, void *state, uint32_t index,
                                 const struct message *event) {
    const struct lock_context *my = context;
    struct fsm_action action = on_common(context, state, index, event);
    switch (event->type) {
    case MESSAGE_CALL:
        server_answer(my->fsm.scheduler, event, &(struct server_answer){.words = {7}});
        return fsm_keep();
    case MESSAGE_TIMEOUT:
        return event->flags == FSM_STATE_TIMEOUT ? fsm_next(CLOSED) : fsm_keep();
    case SHUT:
        return fsm_next(CLOSED);
    default:
        return action;
    }
}

static struct fsm_action on_broken(void *context, void *state, uint32_t index,
                                   const struct message *event) {
    return on_common(context, state, index, event);
}

static const struct fsm_state states[STATES] = {
    [CLOSED] = {"closed", 1u << OPEN | 1u << BROKEN, on_enter, on_closed},
    [OPEN] = {"open", 1u << CLOSED | 1u << BROKEN, on_enter, on_open},
    [BROKEN] = {"broken", 0, on_enter, on_broken},
};

static void on_end(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)index;
    ended = (uint32_t)reason + 1;
}

static void on_discard(void *context, const struct message *message) {
    (void)context, (void)message;
    cores.discarded++;
}

#define LOCK_BEHAVIOUR(kind_, policy_)                                                             \
    {                                                                                              \
        .behaviour = {.name = "locks",                                                             \
                      .kind = kind_,                                                               \
                      .version = 1,                                                                \
                      .mailbox_max = 4000,                                                         \
                      .mailbox_policy = policy_,                                                   \
                      .slot_size = sizeof(struct lock),                                            \
                      .init = fsm_init,                                                            \
                      .handle = fsm_handle,                                                        \
                      .terminate = fsm_terminate,                                                  \
                      .discard = on_discard},                                                      \
        .states = states, .state_count = STATES, .initial = CLOSED,                                \
        .postponed_max = POSTPONED_MAX, .terminate = on_end,                                       \
    }

static const struct fsm_behaviour behaviours[] = {
    LOCK_BEHAVIOUR(LOCK, MAILBOX_DECLINE),
    LOCK_BEHAVIOUR(SLIDING_LOCK, MAILBOX_DROP_OLDEST),
    LOCK_BEHAVIOUR(LEAKY_LOCK, MAILBOX_DROP_NEWEST),
};

static uint64_t open_lock(uint8_t kind) {
    cores_open(2, NULL);
    seen_count = ended = 0;
    for (uint32_t core = 0; core < 2; core++)
        for (uint32_t k = 0; k < 3; k++) {
            uint8_t id = behaviours[k].behaviour.kind;
            struct lock_context *context = &contexts[core][id];
            context->kind = id;
            ck_assert_int_eq(fsm_context_init(&context->fsm, &cores.schedulers[core], KEPT_MAX), 0);
            ck_assert_int_eq(
                scheduler_register(&cores.schedulers[core], &behaviours[k].behaviour, context, 16),
                0);
        }
    return cores_spawn(1, kind);
}

static struct lock *lock_at(uint64_t pid) {
    return scheduler_lookup(cores_of(pid), pid);
}

static void settle(uint64_t pid) {
    cores_settle();
    if (lock_at(pid))
        fsm_validate(&contexts[1][pid_kind(pid)].fsm, lock_at(pid));
}

static void tell(uint64_t pid, uint16_t type, uint64_t word) {
    cores_send(PID_NONE, pid, type, word);
    settle(pid);
}

static void close_lock(uint64_t pid) {
    if (lock_at(pid))
        scheduler_exit(cores_of(pid), pid_kind(pid), pid_slot(pid).index, EXIT_NORMAL);
    cores_settle();
    for (uint32_t core = 0; core < 2; core++)
        for (uint8_t kind = LOCK; kind <= LEAKY_LOCK; kind++)
            slab_check_empty(&contexts[core][kind].fsm.kept);
    cores_close();
}

static uint32_t count_seen(uint8_t state, uint16_t type) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < seen_count; i++)
        found += seen[i].state == state && seen[i].type == type;
    return found;
}

START_TEST(each_state_has_its_handler_and_its_enter) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, UNLOCK, 0);
    tell(lock, SHUT, 0);
    tell(lock, SHUT, 0); // kept in closed: no change, no enter
    tell(lock, SMASH, 0);
    const struct seen want[] = {{CLOSED, 0, FSM_NONE}, {CLOSED, UNLOCK, 0}, {OPEN, 0, CLOSED},
                                {OPEN, SHUT, 0},       {CLOSED, 0, OPEN},   {CLOSED, SHUT, 0},
                                {CLOSED, SMASH, 0},    {BROKEN, 0, CLOSED}};
    ck_assert_uint_eq(seen_count, sizeof(want) / sizeof(want[0]));
    for (uint32_t i = 0; i < seen_count; i++) {
        ck_assert_uint_eq(seen[i].state, want[i].state);
        ck_assert_uint_eq(seen[i].type, want[i].type);
        ck_assert_uint_eq(seen[i].word, want[i].word);
    }
    ck_assert_uint_eq(fsm_state_of(lock_at(lock)), BROKEN);
    close_lock(lock);
}
END_TEST

START_TEST(postponed_events_come_back_in_order_before_newer_mail) {
    uint64_t lock = open_lock(LOCK);
    for (uint64_t i = 0; i < 5; i++)
        tell(lock, PUSH, i);
    ck_assert_uint_eq(lock_at(lock)->fsm.kept_count, 5);
    cores_send(PID_NONE, lock, UNLOCK, 0);
    cores_send(PID_NONE, lock, PUSH, 5);
    settle(lock);
    ck_assert_uint_eq(lock_at(lock)->fsm.kept_count, 0);
    uint64_t next = 0;
    for (uint32_t i = 0; i < seen_count; i++)
        if (seen[i].state == OPEN && seen[i].type == PUSH)
            ck_assert_uint_eq(seen[i].word, next++);
    ck_assert_uint_eq(next, 6);
    close_lock(lock);
}
END_TEST

START_TEST(an_event_postponed_with_a_change_is_the_next) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, PUSH, 1);
    tell(lock, HOP, 2);
    ck_assert_uint_eq(count_seen(CLOSED, HOP), 1);
    ck_assert_uint_eq(seen[seen_count - 2].type, PUSH); // older, so before it
    ck_assert_uint_eq(seen[seen_count - 1].type, HOP);
    ck_assert_uint_eq(seen[seen_count - 1].state, OPEN);
    close_lock(lock);
}
END_TEST

START_TEST(two_states_that_postpone_for_each_other_starve_no_other_actor) {
    uint64_t lock = open_lock(LOCK);
    uint64_t puppet = cores_spawn(1, PUPPET);
    cores_send(PID_NONE, lock, SLIP, 0);
    cores_send(PID_NONE, puppet, SAY, 1);
    settle(lock);
    ck_assert_uint_gt(count_seen(OPEN, SLIP), 100);
    ck_assert_uint_eq(cores_logged(puppet, SAY, NULL), 1);
    for (uint64_t i = 0; i < POSTPONED_MAX; i++)
        tell(lock, STOP_NOW, EXIT_NORMAL); // newer mail waits behind, up to the bound
    ck_assert_ptr_null(lock_at(lock));
    ck_assert_uint_eq(ended, EXIT_BUDGET + 1);
    close_lock(lock);
}
END_TEST

START_TEST(a_state_timeout_fires_once_and_dies_with_its_state) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, UNLOCK, 5);
    cores_pass(4 * NS_PER_MS);
    ck_assert_uint_eq(fsm_state_of(lock_at(lock)), OPEN);
    tell(lock, PUSH, 0); // an event does not cancel it
    cores_pass(2 * NS_PER_MS);
    ck_assert_uint_eq(fsm_state_of(lock_at(lock)), CLOSED);
    ck_assert_uint_eq(count_seen(OPEN, MESSAGE_TIMEOUT), 1);
    tell(lock, UNLOCK, 5);
    tell(lock, SHUT, 0);
    ck_assert_uint_eq(cores.schedulers[1].timed.used_count, 0);
    cores_pass(20 * NS_PER_MS);
    ck_assert_uint_eq(count_seen(OPEN, MESSAGE_TIMEOUT) + count_seen(CLOSED, MESSAGE_TIMEOUT), 1);
    close_lock(lock);
}
END_TEST

START_TEST(a_timeout_that_ran_out_but_was_cancelled_does_not_come) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, UNLOCK, 5);
    scheduler_pause(&cores.schedulers[1], LOCK, pid_slot(lock).index);
    cores_send(PID_NONE, lock, SHUT, 0);
    cores_settle();
    cores_pass(10 * NS_PER_MS); // it is in the mailbox, behind SHUT
    ck_assert_uint_eq(lock_at(lock)->actor.mailbox_count, 2);
    scheduler_resume(&cores.schedulers[1], LOCK, pid_slot(lock).index);
    settle(lock);
    ck_assert_uint_eq(count_seen(CLOSED, MESSAGE_TIMEOUT), 0);
    close_lock(lock);
}
END_TEST

START_TEST(a_state_timeout_may_be_set_again_and_taken_back) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, SET_STATE, 5);
    tell(lock, SET_STATE, 10);
    cores_pass(7 * NS_PER_MS);
    ck_assert_uint_eq(count_seen(CLOSED, MESSAGE_TIMEOUT), 0);
    cores_pass(7 * NS_PER_MS);
    ck_assert_uint_eq(count_seen(CLOSED, MESSAGE_TIMEOUT), 1);
    tell(lock, SET_STATE, 5);
    tell(lock, SET_STATE, 0);
    cores_pass(20 * NS_PER_MS);
    ck_assert_uint_eq(count_seen(CLOSED, MESSAGE_TIMEOUT), 1);
    close_lock(lock);
}
END_TEST

START_TEST(an_event_timeout_is_cancelled_by_any_event) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, WAIT, 5);
    tell(lock, SHUT, 0);
    cores_pass(20 * NS_PER_MS);
    ck_assert_uint_eq(count_seen(CLOSED, MESSAGE_TIMEOUT), 0);
    tell(lock, WAIT, 5);
    cores_pass(20 * NS_PER_MS);
    ck_assert_uint_eq(count_seen(CLOSED, MESSAGE_TIMEOUT), 1);
    close_lock(lock);
}
END_TEST

START_TEST(a_postponed_timeout_comes_back) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, WAIT, 5);
    cores_pass(20 * NS_PER_MS); // closed postpones it
    ck_assert_uint_eq(lock_at(lock)->fsm.kept_count, 1);
    tell(lock, UNLOCK, 0);
    ck_assert_uint_eq(count_seen(OPEN, MESSAGE_TIMEOUT), 1);
    close_lock(lock);
}
END_TEST

START_TEST(a_machine_that_postpones_everything_meets_its_policy_at_the_bound) {
    uint64_t lock = open_lock(LOCK);
    for (uint64_t i = 0; i < POSTPONED_MAX; i++)
        tell(lock, PUSH, i);
    ck_assert_uint_eq(ended, 0);
    tell(lock, PUSH, 10);
    ck_assert_ptr_null(lock_at(lock));
    ck_assert_uint_eq(ended, EXIT_BUDGET + 1);
    ck_assert_uint_eq(cores.discarded, POSTPONED_MAX + 1);
    ck_assert_uint_eq(counter_read(&cores.counters[1], COUNTER_POSTPONED_OUT), 1);
    close_lock(lock);

    for (uint8_t kind = SLIDING_LOCK; kind <= LEAKY_LOCK; kind++) {
        lock = open_lock(kind);
        for (uint64_t i = 0; i < POSTPONED_MAX + 2; i++)
            tell(lock, PUSH, i);
        ck_assert_uint_eq(lock_at(lock)->fsm.kept_count, POSTPONED_MAX);
        ck_assert_uint_eq(cores.discarded, 2);
        tell(lock, UNLOCK, 0);
        ck_assert_uint_eq(count_seen(OPEN, PUSH), POSTPONED_MAX);
        ck_assert_uint_eq(seen[seen_count - POSTPONED_MAX].word, kind == SLIDING_LOCK ? 2 : 0);
        close_lock(lock);
    }
}
END_TEST

START_TEST(all_machines_of_a_context_share_its_bound) {
    uint64_t lock = open_lock(LEAKY_LOCK);
    uint64_t others[KEPT_MAX / POSTPONED_MAX];
    for (uint32_t i = 0; i < KEPT_MAX / POSTPONED_MAX; i++) {
        others[i] = cores_spawn(1, LEAKY_LOCK);
        for (uint32_t j = 0; j < POSTPONED_MAX; j++)
            tell(others[i], PUSH, j);
    }
    tell(lock, PUSH, 0);
    ck_assert_uint_eq(cores.discarded, 1);
    for (uint32_t i = 0; i < KEPT_MAX / POSTPONED_MAX; i++)
        scheduler_exit(&cores.schedulers[1], LEAKY_LOCK, pid_slot(others[i]).index, EXIT_NORMAL);
    tell(lock, PUSH, 0);
    ck_assert_uint_eq(lock_at(lock)->fsm.kept_count, 1);
    close_lock(lock);
}
END_TEST

START_TEST(a_postponed_call_is_answered_later_or_fails_with_its_machine) {
    for (uint32_t ends = 0; ends < 2; ends++) {
        uint64_t lock = open_lock(LOCK);
        uint64_t caller = cores_spawn(0, PUPPET);
        ck_assert_uint_ne(server_call(&cores.schedulers[0], PUPPET, pid_slot(caller).index, lock,
                                      &(struct server_request){0}, SERVER_TIMEOUT_NS),
                          0);
        settle(lock);
        ck_assert_uint_eq(lock_at(lock)->fsm.kept_count, 1);
        tell(lock, ends ? STOP_NOW : UNLOCK, ends ? EXIT_USER : 0);
        struct cores_entry entry = {0};
        ck_assert_uint_eq(cores_logged(caller, MESSAGE_REPLY, &entry), !ends);
        ck_assert_uint_eq(cores_logged(caller, MESSAGE_CALL_FAILED, &entry), ends);
        ck_assert_uint_eq(ends ? entry.small : entry.word, ends ? EXIT_USER : 7);
        close_lock(lock);
    }
}
END_TEST

START_TEST(a_machine_may_end_in_a_handler_and_in_an_enter) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, PUSH, 0);
    tell(lock, DIE_IN_IT, 0);
    ck_assert_uint_eq(ended, EXIT_PEER + 1);
    close_lock(lock);
    lock = open_lock(LOCK);
    tell(lock, PUSH, 0);
    tell(lock, SMASH, 999);
    ck_assert_uint_eq(ended, EXIT_FAILED + 1);
    ck_assert_uint_eq(count_seen(BROKEN, PUSH), 0);
    close_lock(lock);
    lock = open_lock(LOCK);
    tell(lock, STOP_NOW, EXIT_USER + 9);
    ck_assert_uint_eq(ended, EXIT_USER + 10);
    close_lock(lock);
}
END_TEST

START_TEST(an_illegal_change_stops_the_process_and_names_the_actor) {
    uint64_t lock = open_lock(LOCK);
    tell(lock, SMASH, 0);
    int channel[2];
    ck_assert_int_eq(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(channel[1], STDERR_FILENO);
        tell(lock, LEAP, 0);
        _exit(0);
    }
    (void)close(channel[1]);
    char said[512] = "";
    ck_assert_int_gt(read(channel[0], said, sizeof(said) - 1), 0);
    (void)close(channel[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_ptr_nonnull(strstr(said, "(locks) goes from broken to state 0"));
    close_lock(lock);
}
END_TEST

UNIT_MAIN("sched/fsm", each_state_has_its_handler_and_its_enter,
          postponed_events_come_back_in_order_before_newer_mail,
          an_event_postponed_with_a_change_is_the_next,
          two_states_that_postpone_for_each_other_starve_no_other_actor,
          a_state_timeout_fires_once_and_dies_with_its_state,
          a_timeout_that_ran_out_but_was_cancelled_does_not_come,
          a_state_timeout_may_be_set_again_and_taken_back,
          an_event_timeout_is_cancelled_by_any_event, a_postponed_timeout_comes_back,
          a_machine_that_postpones_everything_meets_its_policy_at_the_bound,
          all_machines_of_a_context_share_its_bound,
          a_postponed_call_is_answered_later_or_fails_with_its_machine,
          a_machine_may_end_in_a_handler_and_in_an_enter,
          an_illegal_change_stops_the_process_and_names_the_actor)
