// The smallest actor: a state of one number, two types of message, and an end.
#include <stdio.h>

#include "sched/scheduler.h"

enum { KIND_GREETER = 1 };
enum { GREET = MESSAGE_USER, LEAVE };

struct greeter {
    struct actor actor; // always first; the rest is zeroed
    uint32_t greeted;
};

static struct scheduler scheduler;
static struct memory_ledger ledger;
static struct blocks blocks;
static struct counters counters;

static int greeter_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)state, (void)index, (void)argument;
    return 0;
}

static void greeter_handle(void *context, void *state, uint32_t index,
                           const struct message *message) {
    (void)context;
    struct greeter *greeter = state;
    if (message->type == GREET)
        printf("hello, %u; you are number %u\n", message->small, ++greeter->greeted);
    if (message->type == LEAVE)
        scheduler_exit(&scheduler, KIND_GREETER, index, EXIT_NORMAL);
}

static void greeter_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)index;
    printf("greeted %u, ends: %s\n", ((struct greeter *)state)->greeted, exit_reason_name(reason));
}

static const struct behaviour greeter_behaviour = {
    .name = "greeter",
    .kind = KIND_GREETER,
    .version = 1,
    .mailbox_max = 2,
    .mailbox_policy = MAILBOX_DECLINE,
    .slot_size = sizeof(struct greeter),
    .init = greeter_init,
    .handle = greeter_handle,
    .terminate = greeter_terminate,
};

int main(void) {
    const struct scheduler_config config = {.message_cells_max = 64};
    if (blocks_init(&blocks, &ledger, 1 << 20) < 0 ||
        scheduler_init(&scheduler, &config, NULL, &ledger, &blocks, &counters, 0) < 0 ||
        scheduler_register(&scheduler, &greeter_behaviour, NULL, 1000) < 0)
        return 1;
    uint64_t pid = scheduler_spawn(&scheduler, KIND_GREETER, NULL);
    if (pid == PID_NONE)
        return 1;
    for (uint32_t i = 7; i < 10; i++) {
        const struct message greet = {.target = pid, .type = GREET, .small = i};
        if (!scheduler_try_send(&scheduler, &greet))
            printf("%u is declined: the mailbox holds 2\n", i);
    }
    scheduler_send(&scheduler, &(struct message){.target = pid, .type = LEAVE});
    while (scheduler_turn(&scheduler, 0)) // worker_run does this in a program with sockets
        ;
    scheduler_send(&scheduler, &(struct message){.target = pid, .type = GREET});
    printf("messages to the dead: %lu\n", counter_read(&counters, COUNTER_MESSAGES_TO_DEAD));
    blocks_fini(&blocks);
    memory_release_all(&ledger);
    return 0;
}
