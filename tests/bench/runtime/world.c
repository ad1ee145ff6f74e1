// One core's runtime and the actors of the rows. What a node does with a message is what the
// processes of runtime_bench.erl do with theirs.
#include <stdlib.h>

#include "tests/bench/runtime/runtime_bench.h"

#define ACTORS_MAX 1100000
#define CELLS_MAX 200000
#define BLOCKS_MAX (1u << 20)

struct node {
    struct actor actor;
    uint64_t next; // pid of the next in the ring
    uint64_t received_count;
};

struct armed {
    struct actor actor;
    struct timer timer;
    uint32_t fired_count;
};

struct bare {
    struct actor actor;
    uint64_t word;
};

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    return 0;
}

static int node_init(void *context, void *state, uint32_t index, const void *argument) {
    struct node *node = state;
    if (argument)
        node->next = *(const uint64_t *)argument;
    return 0;
}

static int bare_init(void *context, void *state, uint32_t index, const void *argument) {
    struct bare *bare = state;
    bare->word = index;
    return 0;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
}

static void on_nothing(void *context, void *state, uint32_t index, const struct message *message) {
}

static void forward(struct world *world, uint64_t target, const struct message *message) {
    struct message next = {.target = target, .type = message->type, .small = message->small - 1};
    next.words[0] = message->words[0];
    scheduler_send(&world->scheduler, &next);
}

static void node_handle(void *context, void *state, uint32_t index, const struct message *message) {
    struct world *world = context;
    struct node *node = state;
    node->received_count++;
    switch (message->type) {
    case BATCH: {
        struct message ack = {.target = message->sender, .type = ACK};
        scheduler_send(&world->scheduler, &ack);
        world->done_count++;
        return;
    }
    case NOTE:
        world->done_count++;
        return;
    case HOP:
        if (message->small > 0)
            forward(world, node->next, message);
        else
            world->done_count++;
        return;
    case ROAM:
        if (message->small > 0) {
            uint32_t random = random_next((uint32_t)message->words[0]);
            struct message next = {
                .target = world->pids[random_below(random, world->pid_count)],
                .type = ROAM,
                .small = message->small - 1,
                .words = {random},
            };
            scheduler_send(&world->scheduler, &next);
        } else {
            world->done_count++;
        }
        return;
    default:
        UNREACHABLE();
    }
}

// One batch a go, so that a turn's end makes it visible while the next is written.
static void driver_handle(void *context, void *state, uint32_t index,
                          const struct message *message) {
    struct world *world = context;
    world->window_left += message->type == ACK;
    if (world->batches_left == 0 || world->window_left == 0)
        return;
    world->batches_left--;
    world->window_left--;
    struct message note = {.target = world->send_target, .type = NOTE};
    for (uint32_t i = 1; i < BATCH_MESSAGES; i++)
        scheduler_send(&world->scheduler, &note);
    note.type = BATCH;
    note.sender = scheduler_pid(&world->scheduler, KIND_DRIVER, index);
    scheduler_send(&world->scheduler, &note);
    if (world->batches_left > 0 && world->window_left > 0)
        scheduler_continue(&world->scheduler, KIND_DRIVER, index);
}

static const struct behaviour behaviours[] = {
    {
        .name = "bare",
        .kind = KIND_BARE,
        .mailbox_max = 1000,
        .slot_size = sizeof(struct bare),
        .init = bare_init,
        .handle = on_nothing,
        .terminate = on_terminate,
    },
    {
        .name = "node",
        .kind = KIND_NODE,
        .mailbox_max = 10000,
        .slot_size = sizeof(struct node),
        .init = node_init,
        .handle = node_handle,
        .terminate = on_terminate,
    },
    {
        .name = "driver",
        .kind = KIND_DRIVER,
        .mailbox_max = 1000,
        .slot_size = sizeof(struct bare),
        .init = on_init,
        .handle = driver_handle,
        .terminate = on_terminate,
    },
    {
        .name = "armed",
        .kind = KIND_ARMED,
        .mailbox_max = 1000,
        .slot_size = sizeof(struct armed),
        .timer_offset = offsetof(struct armed, timer),
        .timer_tick_ns = NS_PER_MS,
        .init = on_init,
        .handle = on_nothing,
        .terminate = on_terminate,
    },
};

void world_init(struct world *world, uint8_t core, struct mesh *mesh) {
    *world = (struct world){.self = &world->scheduler};
    CHECK(blocks_init(&world->blocks, &world->ledger, BLOCKS_MAX) == 0);
    struct scheduler_config config = {.core = core, .message_cells_max = CELLS_MAX};
    CHECK(scheduler_init(&world->scheduler, &config, mesh, &world->ledger, &world->blocks,
                         &world->counters, NS_PER_S) == 0);
    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
        CHECK(scheduler_register(&world->scheduler, &behaviours[i], world, ACTORS_MAX) == 0);
}

// Whoever spawns a bare actor spawns it under this supervisor (OTP: simple_one_for_one).
void world_supervise(struct world *world) {
    world->supervisors =
        (struct supervisor_config){.scheduler = &world->scheduler, .supervisors_max = 1};
    CHECK(supervisor_register(&world->supervisors) == 0);
    struct supervisor_spec spec = {.name = "bare actors",
                                   .strategy = SUPERVISOR_SIMPLE_ONE_FOR_ONE,
                                   .intensity = 10,
                                   .period_ms = 1000,
                                   .kind = KIND_BARE,
                                   .restart = SUPERVISOR_TRANSIENT,
                                   .shutdown_ms = SUPERVISOR_SHUTDOWN_MS};
    CHECK(supervisor_start(&world->scheduler, &spec) != PID_NONE);
    world_run(world);
}

void world_fini(struct world *world) {
    free(world->pids);
    memory_release_all(&world->ledger);
}

void world_run(struct world *world) {
    while (scheduler_turn(&world->scheduler, world->scheduler.now_ns)) {
    }
}

void world_spawn_nodes(struct world *world, uint32_t count) {
    world->pids = malloc(count * sizeof(*world->pids));
    CHECK(world->pids);
    world->pid_count = count;
    uint64_t previous = PID_NONE;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t pid = scheduler_spawn(&world->scheduler, KIND_NODE, &previous);
        CHECK(pid != PID_NONE);
        world->pids[i] = previous = pid;
    }
    // Closes the ring: each sends to the one that was spawned before it, the first to the last.
    struct node *first = scheduler_lookup(&world->scheduler, world->pids[0]);
    first->next = previous;
}

void world_spawn_driver(struct world *world) {
    uint64_t pid = scheduler_spawn(&world->scheduler, KIND_DRIVER, NULL);
    CHECK(pid != PID_NONE);
    if (world->batches_left > 0)
        scheduler_continue(&world->scheduler, KIND_DRIVER, pid_slot(pid).index);
}
