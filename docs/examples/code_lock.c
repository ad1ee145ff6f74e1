// A state machine: the code lock of OTP's design principles. It opens at 1 2 3, locks itself after
// ten seconds, and looks at what was pressed while it was open when it is locked again.
#include <stdio.h>

#include "sched/base/clock.h"
#include "sched/fsm.h"

enum { KIND_LOCK = 1 };
enum { BUTTON = MESSAGE_USER }; // small: the digit
enum { LOCKED, OPEN };

struct lock {
    struct actor actor;
    struct fsm fsm; // right behind it
    uint32_t entered;
};

static struct scheduler scheduler;
static struct fsm_context lock_context;
static struct memory_ledger ledger;
static struct blocks blocks;
static struct counters counters;

static void enter_locked(void *context, void *state, uint32_t index, uint8_t from) {
    (void)context, (void)index;
    ((struct lock *)state)->entered = 0;
    printf("%s\n", from == FSM_NONE ? "locked, from the start" : "locked again");
}

static struct fsm_action in_locked(void *context, void *state, uint32_t index,
                                   const struct message *event) {
    (void)context, (void)index;
    struct lock *lock = state;
    if (event->type != BUTTON)
        return fsm_keep();
    printf("button %u\n", event->small);
    lock->entered = (lock->entered * 10 + event->small) % 1000;
    return lock->entered == 123 ? fsm_next(OPEN) : fsm_keep();
}

static void enter_open(void *context, void *state, uint32_t index, uint8_t from) {
    (void)from;
    if (fsm_set_timeout(context, state, index, FSM_STATE_TIMEOUT, 10 * NS_PER_S) < 0)
        scheduler_exit(&scheduler, KIND_LOCK, index, EXIT_FAILED); // not open for ever
    printf("open\n");
}

static struct fsm_action in_open(void *context, void *state, uint32_t index,
                                 const struct message *event) {
    (void)context, (void)state, (void)index;
    return event->type == MESSAGE_TIMEOUT ? fsm_next(LOCKED) : fsm_postpone();
}

static const struct fsm_state states[] = {
    [LOCKED] = {"locked", 1u << OPEN, enter_locked, in_locked},
    [OPEN] = {"open", 1u << LOCKED, enter_open, in_open},
};

static const struct fsm_behaviour lock_behaviour = {
    .behaviour = {.name = "lock",
                  .kind = KIND_LOCK,
                  .version = 1,
                  .mailbox_max = 16,
                  .mailbox_policy = MAILBOX_DROP_NEWEST,
                  .slot_size = sizeof(struct lock),
                  .init = fsm_init,
                  .handle = fsm_handle,
                  .terminate = fsm_terminate},
    .states = states,
    .state_count = 2,
    .initial = LOCKED,
    .postponed_max = 8,
};

static void press(uint64_t lock, uint32_t digit) {
    const struct message button = {.target = lock, .type = BUTTON, .small = digit};
    if (!scheduler_try_send(&scheduler, &button))
        printf("no room\n");
}

int main(void) {
    const struct scheduler_config config = {.message_cells_max = 64};
    if (blocks_init(&blocks, &ledger, 1 << 20) < 0 ||
        scheduler_init(&scheduler, &config, NULL, &ledger, &blocks, &counters, 0) < 0 ||
        fsm_context_init(&lock_context, &scheduler, 64) < 0 ||
        scheduler_register(&scheduler, &lock_behaviour.behaviour, &lock_context, 10) < 0)
        return 1;
    uint64_t lock = scheduler_spawn(&scheduler, KIND_LOCK, NULL);
    for (uint32_t digit = 1; digit <= 4; digit++)
        press(lock, digit); // 4 comes when it is open
    for (uint64_t now_ns = 0; now_ns <= 11 * NS_PER_S; now_ns += NS_PER_MS)
        while (scheduler_turn(&scheduler, now_ns))
            ;
    scheduler_exit(&scheduler, KIND_LOCK, pid_slot(lock).index, EXIT_SHUTDOWN);
    blocks_fini(&blocks);
    memory_release_all(&ledger);
    return 0;
}
