// Goal: schedulers on threads of their own lose no message and no payload between them, keep order
// per pair, and need no wake-up that does not come. Method: actors on every core send messages with
// shared payloads round, through rings so small that control goes to the backlog; each thread
// sleeps on a pipe as the worker does on its ring; TSan watches.
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "sched/base/clock.h"
#include "sched/base/rng.h"
#include "sched/payload.h"
#include "tests/unit/unit.h"

#define CORES 3
#define KIND 1
#define ROUNDS 3000
#define NOTE MESSAGE_USER

struct core {
    pthread_t thread;
    uint8_t id;
    int (*pipes)[2];
    struct scheduler scheduler;
    struct memory_ledger ledger;
    struct blocks blocks;
    struct counters counters;
    struct rng rng;
    uint64_t received[CORES];
    uint32_t sent;
    _Atomic uint32_t *done_count;
};

struct state {
    struct actor actor;
};

static uint64_t pid_on(uint32_t core) {
    return pid_of((uint8_t)core, KIND, (struct handle){0, 0});
}

// One payload to all cores, as a room does.
static void send_round(struct core *core) {
    uint64_t payload = payload_acquire(&core->scheduler, 8 + rng_below(&core->rng, 2000));
    if (payload == PAYLOAD_NONE)
        return; // others hold much of ours: later
    *(uint64_t *)payload_data(&core->scheduler, payload) = core->sent;
    payload_ref(&core->scheduler, payload, CORES - 1);
    for (uint32_t to = 0; to < CORES; to++) {
        struct message message = {.target = pid_on(to),
                                  .sender = pid_on(core->id),
                                  .type = NOTE,
                                  .words = {core->sent, payload}};
        scheduler_send(&core->scheduler, &message);
    }
    core->sent++;
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)state, (void)index, (void)argument;
    return 0;
}

static void on_handle(void *context, void *state, uint32_t index, const struct message *message) {
    (void)state;
    struct core *core = context;
    if (message->type == MESSAGE_CONTINUE) {
        send_round(core);
        if (core->sent < ROUNDS)
            scheduler_continue(&core->scheduler, KIND, index);
        return;
    }
    uint8_t from = pid_core(message->sender);
    CHECK(message->words[0] == core->received[from]);
    CHECK(*(uint64_t *)payload_data(&core->scheduler, message->words[1]) == message->words[0]);
    payload_unref(&core->scheduler, message->words[1]);
    core->received[from]++;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)index, (void)reason;
}

static const struct behaviour behaviour = {.name = "threads",
                                           .kind = KIND,
                                           .mailbox_max = 100,
                                           .slot_size = sizeof(struct state),
                                           .init = on_init,
                                           .handle = on_handle,
                                           .terminate = on_terminate};

static bool has_all(const struct core *core) {
    for (uint32_t i = 0; i < CORES; i++) {
        if (core->received[i] < ROUNDS)
            return false;
    }
    return core->sent == ROUNDS;
}

static void publish(struct core *core) {
    for (uint64_t set = scheduler_publish(&core->scheduler); set; set &= set - 1)
        CHECK(write(core->pipes[__builtin_ctzll(set)][1], "w", 1) == 1);
}

// Waits as the worker does. Without a timer of its own it waits for ever: a lost wake-up hangs
// here.
static void wait_for_work(struct core *core) {
    uint64_t wait_ns = scheduler_wait_ns(&core->scheduler, core->scheduler.now_ns);
    if (wait_ns == 0 || !mesh_sleep_begin(core->scheduler.mesh, core->id))
        return;
    struct pollfd fd = {.fd = core->pipes[core->id][0], .events = POLLIN};
    int ready = poll(&fd, 1, wait_ns == UINT64_MAX ? -1 : (int)(wait_ns / NS_PER_MS) + 1);
    char bytes[16];
    if (ready == 1)
        CHECK(read(fd.fd, bytes, sizeof(bytes)) > 0);
    mesh_sleep_end(core->scheduler.mesh, core->id);
}

static void *run(void *argument) {
    struct core *core = argument;
    bool is_counted = false;
    // Goes on for the others, whose last messages may wait for our ring to empty.
    while (atomic_load(core->done_count) < CORES) {
        (void)scheduler_turn(&core->scheduler, core->scheduler.now_ns + 1);
        publish(core);
        if (!is_counted && has_all(core)) {
            is_counted = true;
            if (atomic_fetch_add(core->done_count, 1) + 1 == CORES) {
                for (uint32_t i = 0; i < CORES; i++)
                    CHECK(write(core->pipes[i][1], "e", 1) == 1);
            }
        }
        wait_for_work(core);
    }
    return NULL;
}

START_TEST(scheduler_threads_lose_no_message_and_no_payload) {
    static struct core cores[CORES];
    static struct mesh mesh;
    static _Atomic uint32_t done_count;
    int pipes[CORES][2];
    struct mesh_config mesh_config = {.scheduler_count = CORES, .ring_cells = 32};
    ck_assert_int_eq(mesh_init(&mesh, &mesh_config), 0);
    for (uint8_t i = 0; i < CORES; i++) {
        struct core *core = &cores[i];
        ck_assert_int_eq(pipe(pipes[i]), 0);
        *core = (struct core){.id = i, .pipes = pipes, .rng = {i}, .done_count = &done_count};
        // Cells for all that can be under way: a control message must always find one.
        struct scheduler_config config = {
            .core = i, .message_cells_max = 2 * CORES * ROUNDS, .reductions_per_turn = 64};
        ck_assert_int_eq(blocks_init(&core->blocks, &core->ledger, 1 << 20), 0);
        ck_assert_int_eq(scheduler_init(&core->scheduler, &config, &mesh, &core->ledger,
                                        &core->blocks, &core->counters, 0),
                         0);
        ck_assert_int_eq(scheduler_register(&core->scheduler, &behaviour, core, 1), 0);
        ck_assert(scheduler_spawn(&core->scheduler, KIND, NULL) == pid_on(i));
        scheduler_continue(&core->scheduler, KIND, 0);
    }
    for (uint32_t i = 0; i < CORES; i++)
        ck_assert_int_eq(pthread_create(&cores[i].thread, NULL, run, &cores[i]), 0);
    for (uint32_t i = 0; i < CORES; i++)
        pthread_join(cores[i].thread, NULL);
    mesh_validate(&mesh);
    for (uint32_t i = 0; i < CORES; i++) {
        scheduler_exit(&cores[i].scheduler, KIND, 0, EXIT_SHUTDOWN);
        (void)scheduler_turn(&cores[i].scheduler, 1);
        scheduler_validate(&cores[i].scheduler);
        slab_check_empty(&cores[i].scheduler.cells);
        blocks_validate(&cores[i].blocks);
        blocks_check_empty(&cores[i].blocks);
        ck_assert_uint_gt(counter_read(&cores[i].counters, COUNTER_MESH_SENT), ROUNDS);
        memory_release_all(&cores[i].ledger);
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    mesh_fini(&mesh);
}
END_TEST

UNIT_MAIN("sched/scheduler_threads", scheduler_threads_lose_no_message_and_no_payload)
