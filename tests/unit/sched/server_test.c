// Goal: every call has exactly one outcome, whatever ends when, and leaves nothing behind. Method:
// servers and clients on one and on two cores of one thread; cores_close checks that no record,
// timed message, cell or block is left.
#include "sched/server.h"

#include "sched/mailbox.h"
#include "tests/unit/sched/cores.h"

enum {
    SERVER = 8,
    CLIENT = 9,
    TIGHT = 10, // a server with a mailbox of 4 that drops the oldest
    KEPT_MAX = 2048,
};

enum { ECHO = 1, KEEP, STOP, EXIT_AND_REPLY, TAKE_PAYLOAD };

struct kept_state {
    struct actor actor;
    uint32_t casts;
    uint32_t infos;
};

struct outcome {
    uint64_t pid;
    uint64_t server;
    uint16_t type;
    uint16_t code;
    uint32_t small;
    uint64_t word;
    uint64_t call;
};

struct test_context {
    struct scheduler *scheduler; // first: server_handle reads it
    uint8_t kind;
};

static struct test_context contexts[CORES_MAX][ACTOR_KINDS_MAX];
static struct server_from kept[KEPT_MAX];
static uint32_t kept_count;
static struct outcome outcomes[4096];
static uint32_t outcome_count;

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)state, (void)index, (void)argument;
    return 0;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)index, (void)reason;
}

// Payloads travel in words[0] of TAKE_PAYLOAD, and of answers with that code.
static void on_discard(void *context, const struct message *message) {
    const struct test_context *my = context;
    cores.discarded++;
    if ((message->type == MESSAGE_CALL || message->type == MESSAGE_REPLY) &&
        message->flags == TAKE_PAYLOAD)
        payload_unref(my->scheduler, message->words[0]);
}

static enum server_next on_call(void *context, void *state, uint32_t index,
                                const struct message *request, struct server_answer *answer,
                                enum exit_reason *stop_reason) {
    const struct test_context *my = context;
    (void)state;
    answer->code = request->flags;
    answer->words[0] = request->words[0] + 1;
    switch (request->flags) {
    case KEEP:
        ck_assert_uint_lt(kept_count, KEPT_MAX);
        kept[kept_count++] = server_later(my->scheduler, my->kind, index, request);
        return SERVER_LATER;
    case STOP:
        *stop_reason = EXIT_BUDGET;
        return SERVER_STOP;
    case EXIT_AND_REPLY:
        scheduler_exit(my->scheduler, my->kind, index, EXIT_FAILED);
        return SERVER_REPLY;
    case TAKE_PAYLOAD:
        answer->words[0] = request->words[0];
        return SERVER_REPLY;
    default:
        return SERVER_REPLY;
    }
}

static void on_cast(void *context, void *state, uint32_t index, const struct message *request) {
    (void)context, (void)index;
    ((struct kept_state *)state)->casts += request->flags;
}

static void on_info(void *context, void *state, uint32_t index, const struct message *message) {
    (void)context, (void)index, (void)message;
    ((struct kept_state *)state)->infos++;
}

static void on_client(void *context, void *state, uint32_t index, const struct message *message) {
    const struct test_context *my = context;
    (void)state;
    ck_assert_uint_lt(outcome_count, 4096);
    outcomes[outcome_count++] = (struct outcome){scheduler_pid(my->scheduler, my->kind, index),
                                                 message->sender,
                                                 message->type,
                                                 message->flags,
                                                 message->small,
                                                 message->words[0],
                                                 message->words[3]};
    if (message->type == MESSAGE_REPLY && message->flags == TAKE_PAYLOAD)
        payload_unref(my->scheduler, message->words[0]);
}

#define SERVER_BEHAVIOUR(kind_, ...)                                                               \
    {                                                                                              \
        .behaviour = {.name = "servers",                                                           \
                      .kind = kind_,                                                               \
                      .version = 1,                                                                \
                      .slot_size = sizeof(struct kept_state),                                      \
                      .init = on_init,                                                             \
                      .handle = server_handle,                                                     \
                      .terminate = on_terminate,                                                   \
                      .discard = on_discard,                                                       \
                      __VA_ARGS__},                                                                \
        .callbacks = {on_call, on_cast, on_info},                                                  \
    }

static const struct server_behaviour servers =
    SERVER_BEHAVIOUR(SERVER, .mailbox_max = 2000, .is_movable = true);
static const struct server_behaviour tight =
    SERVER_BEHAVIOUR(TIGHT, .mailbox_max = 4, .mailbox_policy = MAILBOX_DROP_OLDEST);
static const struct behaviour clients = {.name = "clients",
                                         .kind = CLIENT,
                                         .version = 1,
                                         .mailbox_max = 2000,
                                         .slot_size = sizeof(struct actor),
                                         .init = on_init,
                                         .handle = on_client,
                                         .terminate = on_terminate,
                                         .discard = on_discard};

static uint64_t client;
static uint64_t server;

// A client on core 0, a server on the core given.
static void open_pair(uint32_t server_core, const struct scheduler_config *config) {
    cores_open(3, config);
    kept_count = outcome_count = 0;
    const struct behaviour *const kinds[] = {&servers.behaviour, &tight.behaviour, &clients};
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t k = 0; k < 3; k++) {
            struct test_context *context = &contexts[i][kinds[k]->kind];
            *context = (struct test_context){&cores.schedulers[i], kinds[k]->kind};
            ck_assert_int_eq(scheduler_register(&cores.schedulers[i], kinds[k], context, 16), 0);
        }
    client = cores_spawn(0, CLIENT);
    server = cores_spawn(server_core, SERVER);
}

static void close_all(void) {
    for (uint32_t i = 0; i < cores.count; i++)
        for (uint8_t kind = SERVER; kind <= TIGHT; kind++)
            for (uint32_t at = 0; at < 16; at++)
                if (slab_is_used(&cores.schedulers[i].kinds[kind].slab, at))
                    scheduler_exit(&cores.schedulers[i], kind, at, EXIT_SHUTDOWN);
    cores_close();
}

static uint64_t call(uint64_t from, uint64_t to, uint16_t type, uint64_t word,
                     uint64_t timeout_ns) {
    return server_call(cores_of(from), pid_kind(from), pid_slot(from).index, to,
                       &(struct server_request){.type = type, .words = {word}}, timeout_ns);
}

static void end(uint64_t pid, enum exit_reason reason) {
    scheduler_exit(cores_of(pid), pid_kind(pid), pid_slot(pid).index, reason);
}

static uint32_t relations_of(uint32_t core) {
    return cores.schedulers[core].relations.used_count;
}

static uint64_t counted(uint32_t core, enum counter which) {
    return counter_read(&cores.counters[core], which);
}

// The one outcome there is.
static const struct outcome *outcome(uint16_t type, uint64_t name) {
    ck_assert_uint_eq(outcome_count, 1);
    ck_assert_uint_eq(outcomes[0].pid, client);
    ck_assert_uint_eq(outcomes[0].type, type);
    ck_assert_uint_eq(outcomes[0].call, name);
    return &outcomes[0];
}

static void expect_failed(uint64_t name, uint32_t reason) {
    ck_assert_uint_ne(name, 0);
    ck_assert_uint_eq(outcome(MESSAGE_CALL_FAILED, name)->small, reason);
}

// Each test runs with the server on the client's core and on another.
#define ON_BOTH for (uint32_t core = 0; core < 2; core++)

START_TEST(a_call_is_answered_once) {
    ON_BOTH {
        open_pair(core, NULL);
        uint64_t name = call(client, server, ECHO, 41, SERVER_TIMEOUT_NS);
        ck_assert_uint_ne(name, 0);
        cores_settle();
        const struct outcome *got = outcome(MESSAGE_REPLY, name);
        ck_assert_uint_eq(got->word, 42);
        ck_assert_uint_eq(got->code, ECHO);
        ck_assert_uint_eq(got->server, server);
        ck_assert_uint_eq(relations_of(0) + relations_of(1), 0);
        ck_assert_uint_eq(cores.schedulers[0].timed.used_count, 0);
        cores_pass(10 * NS_PER_S);
        ck_assert_uint_eq(outcome_count, 1);
        close_all();
    }
}
END_TEST

START_TEST(casts_and_info_reach_their_callbacks) {
    ON_BOTH {
        open_pair(core, NULL);
        const struct server_request request = {.type = 7};
        ck_assert(server_cast(&cores.schedulers[0], client, server, &request));
        cores_send(client, server, SAY, 1);
        cores_settle();
        const struct kept_state *state = scheduler_lookup(cores_of(server), server);
        ck_assert_uint_eq(state->casts, 7);
        ck_assert_uint_eq(state->infos, 1);
        close_all();
    }
}
END_TEST

START_TEST(a_call_may_be_answered_later_and_from_anywhere) {
    ON_BOTH for (uint32_t elsewhere = 0; elsewhere < 3; elsewhere++) {
        open_pair(core, NULL);
        uint64_t name = call(client, server, KEEP, 0, SERVER_TIMEOUT_NS);
        cores_settle();
        ck_assert_uint_eq(outcome_count, 0);
        ck_assert_uint_eq(relations_of(0) + relations_of(1), 2);
        server_reply(&cores.schedulers[elsewhere], &kept[0], &(struct server_answer){.words = {5}});
        cores_settle();
        ck_assert_uint_eq(outcome(MESSAGE_REPLY, name)->word, 5);
        ck_assert_uint_eq(relations_of(0) + relations_of(1), 0);
        end(server, EXIT_FAILED); // after it has answered: no news
        server_reply(&cores.schedulers[elsewhere], &kept[0], &(struct server_answer){0});
        cores_settle();
        ck_assert_uint_eq(outcome_count, 1);
        ck_assert_uint_eq(counted(0, COUNTER_REPLIES_LATE), 1);
        close_all();
    }
}
END_TEST

START_TEST(an_answer_after_the_timeout_is_dropped_with_its_payload) {
    ON_BOTH {
        open_pair(core, NULL);
        uint64_t name = call(client, server, KEEP, 0, 3 * NS_PER_MS);
        cores_settle();
        cores_pass(2 * NS_PER_MS);
        ck_assert_uint_eq(outcome_count, 0);
        cores_pass(2 * NS_PER_MS);
        expect_failed(name, EXIT_TIMEOUT);
        ck_assert_uint_eq(relations_of(0) + relations_of(1), 0); // nor does the server wait
        uint64_t payload = payload_acquire(cores_of(server), 10);
        server_reply(cores_of(server), &kept[0],
                     &(struct server_answer){.code = TAKE_PAYLOAD, .words = {payload}});
        cores_settle();
        ck_assert_uint_eq(outcome_count, 1);
        ck_assert_uint_eq(cores.discarded, 1);
        ck_assert_uint_eq(counted(0, COUNTER_REPLIES_LATE), 1);
        ck_assert_uint_eq(counted(0, COUNTER_CALLS_TIMED_OUT), 1);
        close_all();
    }
}
END_TEST

START_TEST(a_timeout_beats_a_request_that_the_server_has_not_seen) {
    ON_BOTH {
        open_pair(core, NULL);
        scheduler_pause(cores_of(server), SERVER, pid_slot(server).index);
        uint64_t name = call(client, server, KEEP, 0, NS_PER_MS);
        cores_pass(2 * NS_PER_MS);
        expect_failed(name, EXIT_TIMEOUT);
        scheduler_resume(cores_of(server), SERVER, pid_slot(server).index);
        cores_settle(); // it keeps a call that is over: told so at once
        ck_assert_uint_eq(kept_count, 1);
        ck_assert_uint_eq(relations_of(0) + relations_of(1), 0);
        server_reply(cores_of(server), &kept[0], &(struct server_answer){0});
        cores_settle();
        ck_assert_uint_eq(outcome_count, 1);
        close_all();
    }
}
END_TEST

START_TEST(a_call_to_the_dead_the_doomed_and_the_never_born_fails) {
    ON_BOTH {
        open_pair(core, NULL);
        end(server, EXIT_NORMAL);
        expect_failed(
            (call(client, server, ECHO, 0, SERVER_TIMEOUT_NS), cores_settle(), outcomes[0].call),
            EXIT_NOPROC);
        outcome_count = 0;
        server = cores_spawn(core, SERVER);
        signal_exit(cores_of(server), PID_NONE, server, EXIT_USER + 3);
        uint64_t name = call(client, server, ECHO, 0, SERVER_TIMEOUT_NS);
        cores_settle();
        expect_failed(name, EXIT_USER + 3);
        outcome_count = 0;
        name = call(client, PID_NONE, ECHO, 0, SERVER_TIMEOUT_NS);
        cores_settle();
        expect_failed(name, EXIT_NOPROC);
        ck_assert_uint_eq(cores.schedulers[0].timed.used_count, 0);
        close_all();
    }
}
END_TEST

START_TEST(a_server_that_ends_fails_the_calls_in_its_mailbox_and_those_it_kept) {
    ON_BOTH {
        open_pair(core, NULL);
        uint64_t payload = payload_acquire(&cores.schedulers[0], 10);
        uint64_t first = call(client, server, KEEP, 0, SERVER_INFINITY);
        cores_settle();
        scheduler_pause(cores_of(server), SERVER, pid_slot(server).index);
        uint64_t second = call(client, server, TAKE_PAYLOAD, payload, SERVER_INFINITY);
        cores_settle();
        end(server, EXIT_USER + 1);
        cores_settle();
        ck_assert_uint_eq(outcome_count, 2);
        for (uint32_t i = 0; i < 2; i++) {
            ck_assert_uint_eq(outcomes[i].type, MESSAGE_CALL_FAILED);
            ck_assert_uint_eq(outcomes[i].small, EXIT_USER + 1);
            ck_assert(outcomes[i].call == first || outcomes[i].call == second);
        }
        ck_assert_uint_ne(outcomes[0].call, outcomes[1].call);
        ck_assert_uint_eq(cores.discarded, 1);
        server_reply(&cores.schedulers[2], &kept[0], &(struct server_answer){0});
        close_all();
    }
}
END_TEST

START_TEST(a_kill_fails_the_calls_in_the_mailbox_with_killed) {
    ON_BOTH {
        open_pair(core, NULL);
        scheduler_pause(cores_of(server), SERVER, pid_slot(server).index);
        uint64_t name = call(client, server, ECHO, 0, SERVER_TIMEOUT_NS);
        cores_settle();
        signal_exit(cores_of(server), PID_NONE, server, EXIT_KILLED);
        cores_settle();
        expect_failed(name, EXIT_KILLED);
        close_all();
    }
}
END_TEST

START_TEST(a_server_may_stop_with_and_without_an_answer) {
    ON_BOTH {
        open_pair(core, NULL);
        uint64_t name = call(client, server, STOP, 0, SERVER_TIMEOUT_NS);
        cores_settle();
        expect_failed(name, EXIT_BUDGET);
        ck_assert(!cores_is_alive(server));
        outcome_count = 0;
        server = cores_spawn(core, SERVER);
        name = call(client, server, EXIT_AND_REPLY, 8, SERVER_TIMEOUT_NS);
        cores_settle();
        ck_assert_uint_eq(outcome(MESSAGE_REPLY, name)->word, 9);
        ck_assert(!cores_is_alive(server));
        close_all();
    }
}
END_TEST

START_TEST(a_caller_that_ends_leaves_nothing_with_the_server) {
    ON_BOTH {
        open_pair(core, NULL);
        ck_assert_uint_ne(call(client, server, KEEP, 0, SERVER_TIMEOUT_NS), 0);
        ck_assert_uint_ne(call(client, server, KEEP, 0, SERVER_INFINITY), 0);
        cores_settle();
        ck_assert_uint_ne(call(client, server, KEEP, 0, SERVER_INFINITY), 0); // not seen yet
        end(client, EXIT_PEER);
        cores_settle();
        ck_assert_uint_eq(kept_count, 3);
        ck_assert_uint_eq(relations_of(0) + relations_of(1), 0);
        ck_assert_uint_eq(cores.schedulers[0].timed.used_count, 0);
        uint64_t payload = payload_acquire(cores_of(server), 10);
        server_reply(cores_of(server), &kept[0],
                     &(struct server_answer){.code = TAKE_PAYLOAD, .words = {payload}});
        cores_settle();
        ck_assert_uint_eq(outcome_count, 0);
        close_all();
    }
}
END_TEST

START_TEST(a_cancelled_call_is_over_on_both_sides) {
    ON_BOTH {
        open_pair(core, NULL);
        uint64_t name = call(client, server, KEEP, 0, SERVER_TIMEOUT_NS);
        cores_settle();
        ck_assert(server_cancel(&cores.schedulers[0], name));
        ck_assert(!server_cancel(&cores.schedulers[0], name));
        ck_assert(!server_cancel(&cores.schedulers[0], 0));
        cores_settle();
        ck_assert_uint_eq(relations_of(0) + relations_of(1), 0);
        server_reply(cores_of(server), &kept[0], &(struct server_answer){0});
        cores_pass(10 * NS_PER_S);
        ck_assert_uint_eq(outcome_count, 0);
        close_all();
    }
}
END_TEST

START_TEST(a_call_to_itself_is_answered) {
    open_pair(0, NULL);
    uint64_t name = call(server, server, ECHO, 0, SERVER_TIMEOUT_NS);
    ck_assert_uint_ne(name, 0);
    cores_settle();
    const struct kept_state *state = scheduler_lookup(cores_of(server), server);
    ck_assert_uint_eq(state->infos, 1); // the reply
    ck_assert_uint_ne(call(server, server, KEEP, 0, SERVER_TIMEOUT_NS), 0);
    cores_settle();
    ck_assert_uint_ne(call(server, server, ECHO, 0, SERVER_TIMEOUT_NS), 0);
    end(server, EXIT_FAILED); // one kept, one in its mailbox
    close_all();
}
END_TEST

START_TEST(a_thousand_calls_end_in_any_order) {
    ON_BOTH {
        open_pair(core, NULL);
        for (uint32_t i = 0; i < 1000; i++) {
            ck_assert_uint_ne(call(client, server, KEEP, 0, (1 + i % 7) * NS_PER_MS), 0);
            if (i % 50 == 0)
                cores_settle();
        }
        cores_settle();
        ck_assert_uint_eq(kept_count, 1000);
        for (uint32_t i = 0; i < 1000; i += 2)
            server_reply(cores_of(server), &kept[(i * 7) % 1000], &(struct server_answer){0});
        cores_settle();
        cores_pass(3 * NS_PER_MS);
        end(server, EXIT_FAILED);
        cores_settle();
        cores_pass(NS_PER_S);
        ck_assert_uint_eq(outcome_count, 1000);
        uint32_t replies = 0;
        for (uint32_t i = 0; i < 1000; i++) {
            replies += outcomes[i].type == MESSAGE_REPLY;
            for (uint32_t j = 0; j < i; j++)
                ck_assert_uint_ne(outcomes[i].call, outcomes[j].call);
        }
        ck_assert_uint_eq(replies, 500);
        close_all();
    }
}
END_TEST

// how: 0: answered by the server, 1: from elsewhere, 2: out of time, 3: the server ends,
// 4: the caller does.
static void check_moved(uint32_t core, uint32_t how) {
    open_pair(core, NULL);
    uint64_t other = call(client, server, KEEP, 0, SERVER_INFINITY); // so that places change
    cores_settle();
    uint64_t name = call(client, server, KEEP, 0, 5 * NS_PER_MS);
    cores_settle();
    ck_assert(server_cancel(&cores.schedulers[0], other));
    cores_settle();
    ck_assert_int_eq(move_begin(cores_of(server), server, 2), 0);
    cores_settle();
    server = move_translate(&cores.schedulers[0], server);
    ck_assert_uint_eq(pid_core(server), 2);
    ck_assert_uint_eq(relations_of(2), 2); // the call, and who it was
    if (how < 2)
        server_reply(&cores.schedulers[how ? 1 : 2], &kept[1], &(struct server_answer){0});
    else if (how == 2)
        cores_pass(10 * NS_PER_MS);
    else
        end(how == 3 ? server : client, EXIT_USER);
    cores_settle();
    ck_assert_msg(relations_of(0) + relations_of(1) + relations_of(2) == (how != 3),
                  "core %u how %u: %u %u %u", core, how, relations_of(0), relations_of(1),
                  relations_of(2));
    ck_assert_uint_eq(counted(0, COUNTER_SIGNALS_TO_DEAD), 0);
    uint32_t ends = 0; // besides what it is told of the move
    for (uint32_t i = 0; i < outcome_count; i++)
        ends += outcomes[i].call == name &&
                (outcomes[i].type == MESSAGE_REPLY || outcomes[i].type == MESSAGE_CALL_FAILED);
    ck_assert_uint_eq(ends, how != 4);
    close_all();
}

START_TEST(a_server_that_moves_takes_the_calls_along_that_it_keeps) {
    ON_BOTH for (uint32_t how = 0; how < 5; how++) check_moved(core, how);
}
END_TEST

START_TEST(a_call_without_memory_declines_and_leaves_nothing) {
    const struct scheduler_config few = {
        .message_cells_max = 100, .relations_max = 2, .timed_max = 1};
    open_pair(1, &few);
    ck_assert_uint_ne(call(client, server, KEEP, 0, SERVER_TIMEOUT_NS), 0);
    ck_assert_uint_eq(call(client, server, KEEP, 0, SERVER_TIMEOUT_NS), 0); // no timed message
    ck_assert_uint_ne(call(client, server, KEEP, 0, SERVER_INFINITY), 0);
    ck_assert_uint_eq(call(client, server, KEEP, 0, SERVER_INFINITY), 0); // no record
    ck_assert_uint_eq(relations_of(0), 2);
    uint64_t other = cores_spawn(2, CLIENT);
    ck_assert_uint_ne(call(other, server, KEEP, 0, SERVER_TIMEOUT_NS), 0);
    cores_settle(); // the third finds the server's records used up
    ck_assert_uint_eq(outcome_count, 1);
    ck_assert_uint_eq(outcomes[0].type, MESSAGE_CALL_FAILED);
    ck_assert_uint_eq(outcomes[0].small, EXIT_SYSTEM_LIMIT);
    for (uint32_t i = 0; i < 3; i++)
        server_reply(cores_of(server), &kept[i], &(struct server_answer){0});
    cores_settle();
    ck_assert_uint_eq(outcome_count, 3);
    close_all();
}
END_TEST

START_TEST(a_full_mailbox_declines_or_drops_a_call_by_its_policy) {
    open_pair(0, NULL);
    uint64_t wall = cores_spawn(0, WALL); // declines; it answers no call
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_uint_ne(call(client, wall, ECHO, 0, NS_PER_MS), 0);
    ck_assert_uint_eq(call(client, wall, ECHO, 0, NS_PER_MS), 0);
    cores_pass(2 * NS_PER_MS);
    ck_assert_uint_eq(outcome_count, 4); // who does not know calls lets them run out
    ck_assert_uint_eq(outcomes[3].small, EXIT_TIMEOUT);
    close_all();

    ON_BOTH {
        open_pair(core, NULL);
        uint64_t sliding = cores_spawn(core, TIGHT);
        uint64_t first = call(client, sliding, ECHO, 0, SERVER_TIMEOUT_NS);
        for (uint32_t i = 0; i < 4; i++)
            ck_assert_uint_ne(call(client, sliding, ECHO, 0, SERVER_TIMEOUT_NS), 0);
        cores_settle();
        ck_assert_uint_eq(outcome_count, 5);
        ck_assert_uint_eq(outcomes[0].type, MESSAGE_CALL_FAILED);
        ck_assert_uint_eq(outcomes[0].small, EXIT_BUDGET);
        ck_assert_uint_eq(outcomes[0].call, first);
        close_all();
    }
}
END_TEST

START_TEST(timeouts_wait_for_room_and_none_is_lost) {
    const struct scheduler_config few = {.message_cells_max = 64};
    open_pair(1, &few);
    for (uint32_t i = 0; i < 10; i++) {
        ck_assert_uint_ne(call(client, server, KEEP, 0, NS_PER_MS), 0);
        cores_settle();
    }
    uint64_t stuck = cores_spawn(0, SERVER);
    scheduler_pause(&cores.schedulers[0], SERVER, pid_slot(stuck).index);
    while (
        scheduler_try_send(&cores.schedulers[0], &(struct message){.target = stuck, .type = SAY}))
        ;
    cores_pass(2 * NS_PER_MS);
    ck_assert_uint_eq(outcome_count, 0);
    server_reply(cores_of(server), &kept[0], &(struct server_answer){0}); // still in time
    cores_settle();
    ck_assert_uint_eq(outcome_count, 1);
    scheduler_resume(&cores.schedulers[0], SERVER, pid_slot(stuck).index);
    cores_settle();
    cores_pass(2 * NS_PER_MS);
    ck_assert_uint_eq(outcome_count, 10);
    ck_assert_uint_eq(counted(0, COUNTER_CALLS_TIMED_OUT), 9);
    close_all();
}
END_TEST

UNIT_MAIN("sched/server", a_call_is_answered_once, casts_and_info_reach_their_callbacks,
          a_call_may_be_answered_later_and_from_anywhere,
          an_answer_after_the_timeout_is_dropped_with_its_payload,
          a_timeout_beats_a_request_that_the_server_has_not_seen,
          a_call_to_the_dead_the_doomed_and_the_never_born_fails,
          a_server_that_ends_fails_the_calls_in_its_mailbox_and_those_it_kept,
          a_kill_fails_the_calls_in_the_mailbox_with_killed,
          a_server_may_stop_with_and_without_an_answer,
          a_caller_that_ends_leaves_nothing_with_the_server, a_cancelled_call_is_over_on_both_sides,
          a_call_to_itself_is_answered, a_thousand_calls_end_in_any_order,
          a_server_that_moves_takes_the_calls_along_that_it_keeps,
          a_call_without_memory_declines_and_leaves_nothing,
          a_full_mailbox_declines_or_drops_a_call_by_its_policy,
          timeouts_wait_for_room_and_none_is_lost)
