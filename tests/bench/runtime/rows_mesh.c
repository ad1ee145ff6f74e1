// Rows about messages between cores: two pinned threads, a scheduler each, a real mesh. A driver
// sends batches of 256 to a counting actor on the other core, which answers the last of a batch;
// at most 16 batches are under way.
#include <pthread.h>
#include <sched.h>

#include "tests/bench/runtime/runtime_bench.h"

#define BATCHES_UNDER_WAY 16
#define RING_CELLS 8192 // room for all that may be under way, so that nothing is declined

struct side {
    struct world world;
    pthread_t thread;
    pthread_barrier_t *barrier;
    uint32_t cpu;
    uint64_t to_receive; // messages
};

static bool is_done(const struct side *side) {
    return side->world.done_count >= side->to_receive && side->world.batches_left == 0 &&
           side->world.window_left == BATCHES_UNDER_WAY;
}

static void pin(uint32_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    CHECKF(sched_setaffinity(0, sizeof(set), &set) == 0, "CPU %u", cpu);
}

static void turn(struct side *side) {
    struct scheduler *scheduler = &side->world.scheduler;
    (void)scheduler_turn(scheduler, scheduler->now_ns);
    uint64_t wake = scheduler_publish(scheduler);
    CHECK(wake == 0); // nobody sleeps
}

static void *side_main(void *argument) {
    struct side *side = argument;
    pin(side->cpu);
    pthread_barrier_wait(side->barrier);
    while (!is_done(side))
        turn(side);
    return NULL;
}

// Both on their own threads from the barrier to their end; or in turns on this one.
static void run_to_end(struct side sides[2], pthread_barrier_t *barrier, bool is_alternating) {
    if (is_alternating) {
        while (!is_done(&sides[0]) || !is_done(&sides[1])) {
            turn(&sides[0]);
            turn(&sides[1]);
        }
        return;
    }
    pthread_barrier_wait(barrier);
    for (uint32_t core = 0; core < 2; core++)
        pthread_join(sides[core].thread, NULL);
}

static struct row_result run_sides(const struct row_options *options, bool is_both,
                                   bool is_alternating) {
    static struct side sides[2]; // large: its schedulers hold their backlogs
    static struct mesh mesh;
    struct mesh_config config = {.scheduler_count = 2, .ring_cells = RING_CELLS};
    CHECK(mesh_init(&mesh, &config) == 0);
    uint64_t messages = options->operations ? options->operations : 20000000;
    messages -= messages % BATCH_MESSAGES;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 3);
    for (uint8_t core = 0; core < 2; core++) {
        struct side *side = &sides[core];
        world_init(&side->world, core, &mesh);
        side->barrier = &barrier;
        side->cpu = options->cpus[core];
        side->to_receive = core == 1 || is_both ? messages : 0;
        side->world.window_left = BATCHES_UNDER_WAY;
        side->world.batches_left = core == 0 || is_both ? messages / BATCH_MESSAGES : 0;
        world_spawn_nodes(&side->world, 1);
    }
    for (uint32_t core = 0; core < 2; core++) {
        struct world *world = &sides[core].world;
        world->send_target = sides[!core].world.pids[0];
        world_spawn_driver(world);
        if (!is_alternating)
            CHECK(pthread_create(&sides[core].thread, NULL, side_main, &sides[core]) == 0);
    }
    uint64_t begin_ns = clock_monotonic_ns();
    run_to_end(sides, &barrier, is_alternating);
    uint64_t end_ns = clock_monotonic_ns();
    for (uint32_t core = 0; core < 2; core++)
        world_fini(&sides[core].world);
    mesh_fini(&mesh);
    pthread_barrier_destroy(&barrier);
    return (struct row_result){.operations = messages * (is_both ? 2 : 1),
                               .elapsed_ns = end_ns - begin_ns};
}

struct row_result row_mesh_one_way(const struct row_options *options) {
    return run_sides(options, false, false);
}

struct row_result row_mesh_both(const struct row_options *options) {
    return run_sides(options, true, false);
}

struct row_result row_mesh_one_thread(const struct row_options *options) {
    return run_sides(options, false, true);
}
