// A turnstile that lets three visitors a second pass: a server with a name and a supervisor. And a
// visitor: it enters until it is refused, comes back a second later, waits for an answer that does
// not come, kills the turnstile, and enters by its successor.
#include <errno.h>
#include <stdio.h>

#include "sched/base/clock.h"
#include "sched/names.h"
#include "sched/server.h"
#include "sched/signal.h"
#include "sched/supervisor.h"
#include "sched/timed.h"

#define NAME BYTES_LITERAL("gate")
#define MS NS_PER_MS

enum { KIND_TURNSTILE = 1, KIND_VISITOR = 2 };
enum { ENTER, WAIT };               // what the turnstile is asked
enum { PASSED, REFUSED };           // what it answers; words[0]: how many there were
enum { REFILL = MESSAGE_USER, GO }; // timed messages: to the turnstile, to the visitor

static struct scheduler scheduler;
static struct scheduler *server_context = &scheduler; // of a server: begins with its scheduler
static struct memory_ledger ledger;
static struct blocks blocks;
static struct counters counters;
static struct names names;

// --- the turnstile: a server ---------------------------------------------------------------------

struct turnstile {
    struct actor actor;
    uint32_t places_max;
    uint32_t places; // left in this second
    uint64_t count;
    struct server_from kept;
};

static int turnstile_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context;
    struct turnstile *turnstile = state;
    turnstile->places = turnstile->places_max = *(const uint32_t *)argument;
    uint64_t self = scheduler_pid(&scheduler, KIND_TURNSTILE, index);
    const struct message refill = {.target = self, .type = REFILL};
    if (!timed_send_after(&scheduler, &refill, NS_PER_S, NS_PER_S))
        return -ENOMEM; // what was set up until here is given back

    uint64_t request; // its MESSAGE_NAME comes to turnstile_info
    printf("turnstile: starts\n");
    return names_register(&scheduler, NAME, self, self, &request);
}

static enum server_next turnstile_call(void *context, void *state, uint32_t index,
                                       const struct message *request, struct server_answer *answer,
                                       enum exit_reason *stop_reason) {
    (void)context, (void)stop_reason;
    struct turnstile *turnstile = state;
    if (request->flags == WAIT) { // for server_reply, which never comes
        turnstile->kept = server_later(&scheduler, KIND_TURNSTILE, index, request);
        return SERVER_LATER;
    }
    answer->code = turnstile->places > 0 ? PASSED : REFUSED;
    if (turnstile->places > 0) {
        turnstile->places--;
        turnstile->count++;
    }
    answer->words[0] = turnstile->count;
    return SERVER_REPLY;
}

static void turnstile_cast(void *context, void *state, uint32_t index,
                           const struct message *request) {
    (void)context, (void)state, (void)index, (void)request;
}

static void turnstile_info(void *context, void *state, uint32_t index,
                           const struct message *message) {
    (void)context;
    struct turnstile *turnstile = state;
    if (message->type == REFILL)
        turnstile->places = turnstile->places_max;
    else if (message->type == MESSAGE_NAME && message->flags != NAMES_DONE)
        scheduler_exit(&scheduler, KIND_TURNSTILE, index, EXIT_NAME_TAKEN);
}

static void turnstile_terminate(void *context, void *state, uint32_t index,
                                enum exit_reason reason) {
    (void)context, (void)index;
    printf("turnstile: ends at %lu: %s\n", ((struct turnstile *)state)->count,
           exit_reason_name(reason));
}

static const struct server_behaviour turnstile_behaviour = {
    .behaviour = {.name = "turnstile",
                  .kind = KIND_TURNSTILE,
                  .version = 1,
                  .mailbox_max = 1000,
                  .mailbox_policy = MAILBOX_DECLINE,
                  .slot_size = sizeof(struct turnstile),
                  .init = turnstile_init,
                  .handle = server_handle,
                  .terminate = turnstile_terminate},
    .callbacks = {turnstile_call, turnstile_cast, turnstile_info},
};

// --- the visitor: a behaviour with a handler of its own ------------------------------------------

struct visitor {
    struct actor actor;
    uint32_t step;
};

static void call(uint32_t index, uint16_t type) {
    const struct server_request request = {.type = type};
    uint64_t to = names_target(&scheduler, NAME, KIND_TURNSTILE);
    if (!server_call(&scheduler, KIND_VISITOR, index, to, &request, 200 * MS))
        printf("visitor: the call was declined\n");
}

static void go_on_after(uint32_t index, uint64_t delay_ns) {
    const struct message go = {.target = scheduler_pid(&scheduler, KIND_VISITOR, index),
                               .type = GO};
    if (!timed_send_after(&scheduler, &go, delay_ns, 0))
        scheduler_exit(&scheduler, KIND_VISITOR, index, EXIT_SYSTEM_LIMIT);
}

static void step(struct visitor *visitor, uint32_t index) {
    uint64_t turnstile = names_whereis(&scheduler, NAME);
    switch (visitor->step++) {
    case 4: // it was refused: the next second
        go_on_after(index, NS_PER_S);
        return;
    case 6:
        call(index, WAIT);
        return;
    case 7: // the kill overtakes the call, which fails; the monitor tells too
        if (!signal_monitor(&scheduler, KIND_VISITOR, index, turnstile))
            printf("visitor: no memory for a monitor\n");
        call(index, ENTER);
        signal_exit(&scheduler, PID_NONE, turnstile, EXIT_KILLED);
        return;
    case 8: // its supervisor has its go first
        go_on_after(index, 10 * MS);
        return;
    case 10:
        scheduler_exit(&scheduler, KIND_VISITOR, index, EXIT_NORMAL);
        return; // at once: the state is gone
    default:
        call(index, ENTER);
    }
}

static int visitor_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)argument;
    step(state, index);
    return 0;
}

static void visitor_handle(void *context, void *state, uint32_t index,
                           const struct message *message) {
    (void)context;
    if (message->type == MESSAGE_DOWN) {
        printf("visitor: the turnstile went: %s\n", exit_reason_name(message->small));
        return;
    }
    if (message->type == MESSAGE_REPLY)
        printf("visitor: %s, number %lu\n", message->flags == PASSED ? "passed" : "refused",
               message->words[0]);
    if (message->type == MESSAGE_CALL_FAILED)
        printf("visitor: no answer: %s\n", exit_reason_name(message->small));
    step(state, index);
}

static void visitor_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)index;
    printf("visitor: ends: %s\n", exit_reason_name(reason));
}

static const struct behaviour visitor_behaviour = {
    .name = "visitor",
    .kind = KIND_VISITOR,
    .version = 1,
    .mailbox_max = 10,
    .mailbox_policy = MAILBOX_DECLINE,
    .slot_size = sizeof(struct visitor),
    .init = visitor_init,
    .handle = visitor_handle,
    .terminate = visitor_terminate,
};

// --- the program: a tree, a clock, an orderly end ------------------------------------------------

static void report(void *context, const struct supervisor_report *report) {
    (void)context;
    if (report->event == SUPERVISOR_CHILD_RESTARTED)
        printf("supervisor: started %s again\n", report->child);
}

static uint64_t start_tree(void) {
    static const uint32_t places = 3;
    const struct supervisor_child_spec children[] = {
        {.name = "names",
         .kind = KIND_NAMES,
         .restart = SUPERVISOR_PERMANENT,
         .shutdown_ms = SUPERVISOR_SHUTDOWN_MS},
        {.name = "turnstile",
         .kind = KIND_TURNSTILE,
         .restart = SUPERVISOR_PERMANENT,
         .shutdown_ms = SUPERVISOR_SHUTDOWN_MS,
         .argument = &places,
         .argument_size = sizeof(places)},
    };
    return supervisor_start(&scheduler,
                            &(struct supervisor_spec){.name = "root",
                                                      .strategy = SUPERVISOR_ONE_FOR_ONE,
                                                      .intensity = 3,
                                                      .period_ms = 5000,
                                                      .children = children,
                                                      .child_count = 2});
}

// Time is an argument: worker_run passes the real one, this program's passes as it likes.
static void run(uint64_t duration_ns) {
    uint64_t end_ns = scheduler.now_ns + duration_ns;
    for (uint64_t now_ns = scheduler.now_ns; now_ns < end_ns; now_ns += MS)
        while (scheduler_turn(&scheduler, now_ns))
            ;
}

int main(void) {
    const struct scheduler_config config = {.message_cells_max = 1000};
    static const struct names_config names_config = {.core_count = 1, .names_max = 100, .seed = 1};
    static struct supervisor_config supervisors = {
        .scheduler = &scheduler, .supervisors_max = 8, .report = report};
    if (blocks_init(&blocks, &ledger, 1 << 20) < 0 ||
        scheduler_init(&scheduler, &config, NULL, &ledger, &blocks, &counters, 0) < 0 ||
        names_init(&names, &scheduler, &names_config) < 0 ||
        supervisor_register(&supervisors) < 0 ||
        scheduler_register(&scheduler, &turnstile_behaviour.behaviour, &server_context, 10) < 0 ||
        scheduler_register(&scheduler, &visitor_behaviour, NULL, 10) < 0)
        return 1;
    uint64_t root = start_tree();
    if (root == PID_NONE)
        return 1;
    run(10 * MS);
    uint64_t visitor = scheduler_spawn(&scheduler, KIND_VISITOR, NULL);
    run(3 * NS_PER_S);
    supervisor_shutdown(&scheduler, root);
    run(10 * MS);
    bool is_clean = visitor != PID_NONE && !scheduler_lookup(&scheduler, root);
    names_fini(&names);
    blocks_fini(&blocks);
    memory_release_all(&ledger);
    return is_clean ? 0 : 1;
}
