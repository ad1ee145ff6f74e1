// Rows about messages on one core.
#include "tests/bench/runtime/runtime_bench.h"

static void node_send(struct world *world, uint64_t target, uint16_t type, uint32_t hops,
                      uint32_t random) {
    struct message message = {.target = target, .type = type, .small = hops, .words = {random}};
    scheduler_send(&world->scheduler, &message);
}

// Send and dispatch: a message to each of 1,000 actors in turn, then their go; again and again.
struct row_result row_send(const struct row_options *options) {
    struct world world;
    world_init(&world, 0, NULL);
    world_spawn_nodes(&world, 1000);
    uint64_t rounds = (options->operations ? options->operations : 20000000) / world.pid_count;
    uint64_t begin_ns = clock_monotonic_ns();
    for (uint64_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < world.pid_count; i++)
            node_send(&world, world.pids[i], NOTE, 0, 0);
        world_run(&world);
    }
    uint64_t end_ns = clock_monotonic_ns();
    CHECK(world.done_count == rounds * world.pid_count);
    world_fini(&world);
    return (struct row_result){.operations = rounds * 1000, .elapsed_ns = end_ns - begin_ns};
}

// One message goes round a ring of 1,000.
struct row_result row_ring(const struct row_options *options) {
    struct world world;
    world_init(&world, 0, NULL);
    world_spawn_nodes(&world, 1000);
    uint64_t hops = options->operations ? options->operations : 5000000;
    uint64_t begin_ns = clock_monotonic_ns();
    node_send(&world, world.pids[0], HOP, (uint32_t)hops, 0);
    world_run(&world);
    uint64_t end_ns = clock_monotonic_ns();
    CHECK(world.done_count == 1);
    world_fini(&world);
    return (struct row_result){.operations = hops, .elapsed_ns = end_ns - begin_ns};
}

// A million actors, 1,000 messages roam among them: each goes on to a random one.
struct row_result row_million(const struct row_options *options) {
    enum { ACTORS = 1000000, MESSAGES = 1000 };
    struct world world;
    world_init(&world, 0, NULL);
    world_spawn_nodes(&world, ACTORS);
    uint64_t hops = (options->operations ? options->operations : 5000000) / MESSAGES;
    uint64_t begin_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < MESSAGES; i++) {
        uint32_t random = random_next(i * 2654435761u);
        node_send(&world, world.pids[random_below(random, ACTORS)], ROAM, (uint32_t)hops, random);
    }
    world_run(&world);
    uint64_t end_ns = clock_monotonic_ns();
    CHECK(world.done_count == MESSAGES);
    world_fini(&world);
    return (struct row_result){.operations = hops * MESSAGES, .elapsed_ns = end_ns - begin_ns};
}
