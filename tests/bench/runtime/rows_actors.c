// Rows about actors themselves: their birth, their memory, their timers.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sched/timed.h"
#include "tests/bench/runtime/runtime_bench.h"

static void spawn_many(struct world *world, uint8_t kind, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        CHECK(scheduler_spawn(&world->scheduler, kind, NULL) != PID_NONE);
}

// 100,000 at a time: spawned, which is timed, and ended, which is not. All but the first time slots
// are reused.
struct row_result row_spawn(const struct row_options *options) {
    enum { ALIVE = 100000 };
    struct world world;
    world_init(&world, 0, NULL);
    world_supervise(&world);
    uint64_t rounds = (options->operations ? options->operations : 20000000) / ALIVE;
    uint64_t elapsed_ns = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t begin_ns = clock_monotonic_ns();
        spawn_many(&world, KIND_BARE, ALIVE);
        elapsed_ns += clock_monotonic_ns() - begin_ns;
        for (uint32_t i = 0; i < ALIVE; i++)
            scheduler_exit(&world.scheduler, KIND_BARE, i, EXIT_NORMAL);
        world_run(&world);
    }
    world_fini(&world);
    return (struct row_result){.operations = rounds * ALIVE, .elapsed_ns = elapsed_ns};
}

// 300,000 in memory that was never touched: the kernel's page faults are part of it.
struct row_result row_spawn_fresh(const struct row_options *options) {
    enum { FRESH = 300000 };
    uint64_t rounds = (options->operations ? options->operations : 10 * FRESH) / FRESH;
    uint64_t elapsed_ns = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        struct world world;
        world_init(&world, 0, NULL);
        world_supervise(&world);
        uint64_t begin_ns = clock_monotonic_ns();
        spawn_many(&world, KIND_BARE, FRESH);
        elapsed_ns += clock_monotonic_ns() - begin_ns;
        world_fini(&world);
    }
    return (struct row_result){.operations = rounds * FRESH, .elapsed_ns = elapsed_ns};
}

static uint64_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%*u %lu", &pages) == 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

// What the kernel committed for 900,000 more of them, per actor: nothing is left out.
struct row_result row_memory(const struct row_options *options) {
    struct world world;
    world_init(&world, 0, NULL);
    world_supervise(&world);
    spawn_many(&world, KIND_BARE, 100000);
    uint64_t before = resident_bytes();
    spawn_many(&world, KIND_BARE, 900000);
    uint64_t after = resident_bytes();
    world_fini(&world);
    return (struct row_result){.bytes = (double)(after - before) / 900000};
}

// Arm and cancel while 100,000 others are armed and 1,000 are under way: the oldest of them is
// cancelled, then armed anew for a random moment 1 to 61 s ahead.
struct row_result row_timer(const struct row_options *options) {
    enum { OTHERS = 100000, UNDER_WAY = 1000 };
    struct world world;
    world_init(&world, 0, NULL);
    spawn_many(&world, KIND_ARMED, OTHERS + UNDER_WAY);
    struct scheduler *scheduler = &world.scheduler;
    uint64_t operations = options->operations ? options->operations : 10000000;
    uint32_t random = 1;
    for (uint32_t i = 0; i < OTHERS + UNDER_WAY; i++) {
        random = random_next(random);
        scheduler_arm(scheduler, KIND_ARMED, i,
                      scheduler->now_ns + (1000 + random_below(random, 60000)) * NS_PER_MS);
    }
    uint64_t begin_ns = clock_monotonic_ns();
    for (uint64_t i = 0; i < operations; i += UNDER_WAY)
        for (uint32_t at = OTHERS; at < OTHERS + UNDER_WAY; at++) {
            random = random_next(random);
            scheduler_disarm(scheduler, KIND_ARMED, at);
            scheduler_arm(scheduler, KIND_ARMED, at,
                          scheduler->now_ns + (1000 + random_below(random, 60000)) * NS_PER_MS);
        }
    uint64_t end_ns = clock_monotonic_ns();
    CHECK(scheduler->kinds[KIND_ARMED].timers.armed_count == OTHERS + UNDER_WAY);
    world_fini(&world);
    return (struct row_result){.operations = operations, .elapsed_ns = end_ns - begin_ns};
}

static uint64_t send_later(struct scheduler *scheduler, uint64_t target, uint32_t *random) {
    struct message note = {.target = target, .type = NOTE};
    *random = random_next(*random);
    uint64_t name =
        timed_send_after(scheduler, &note, (1000 + random_below(*random, 60000)) * NS_PER_MS, 0);
    CHECK(name);
    return name;
}

// The same with timed messages, of which an actor may have any number: one actor has them all.
struct row_result row_timed(const struct row_options *options) {
    enum { OTHERS = 100000, UNDER_WAY = 1000 };
    static uint64_t names[UNDER_WAY];
    struct world world;
    world_init(&world, 0, NULL);
    struct scheduler *scheduler = &world.scheduler;
    uint64_t target = scheduler_spawn(scheduler, KIND_BARE, NULL);
    uint64_t operations = options->operations ? options->operations : 10000000;
    uint32_t random = 1;
    for (uint32_t i = 0; i < OTHERS + UNDER_WAY; i++)
        names[i % UNDER_WAY] = send_later(scheduler, target, &random);
    uint64_t begin_ns = clock_monotonic_ns();
    for (uint64_t i = 0; i < operations; i += UNDER_WAY)
        for (uint32_t at = 0; at < UNDER_WAY; at++) {
            uint64_t remaining_ns;
            CHECK(timed_cancel(scheduler, target, names[at], &remaining_ns));
            names[at] = send_later(scheduler, target, &random);
        }
    uint64_t end_ns = clock_monotonic_ns();
    CHECK(scheduler->timed_wheel.armed_count == OTHERS + UNDER_WAY);
    world_fini(&world);
    return (struct row_result){.operations = operations, .elapsed_ns = end_ns - begin_ns};
}

// A million timers due one to two hours ahead, the clock driven to where the scheduler next wants a
// turn. `count`: the turns it wants in the first hour on account of them, when nothing is due.
// ns: a turn in which nothing happens, with the million armed.
struct row_result row_timer_quiet(const struct row_options *options) {
    enum { ARMED = 1000000 };
    const uint64_t hour_ns = 3600 * NS_PER_S;
    struct world world;
    world_init(&world, 0, NULL);
    struct scheduler *scheduler = &world.scheduler;
    spawn_many(&world, KIND_ARMED, ARMED);
    uint64_t start_ns = scheduler->now_ns;
    uint32_t random = 1;
    for (uint32_t i = 0; i < ARMED; i++) {
        random = random_next(random);
        scheduler_arm(scheduler, KIND_ARMED, i,
                      start_ns + hour_ns + random_below(random, 3600000) * NS_PER_MS);
    }
    uint64_t operations = options->operations ? options->operations : 10000000;
    uint64_t begin_ns = clock_monotonic_ns();
    for (uint64_t i = 0; i < operations; i++)
        CHECK(!scheduler_turn(scheduler, start_ns + i));
    uint64_t end_ns = clock_monotonic_ns();
    uint32_t turns = 0;
    for (uint64_t now_ns = scheduler->now_ns;; turns++) {
        now_ns += scheduler_wait_ns(scheduler, now_ns);
        if (now_ns >= start_ns + hour_ns)
            break;
        CHECK(!scheduler_turn(scheduler, now_ns));
    }
    CHECK(counter_read(&world.counters, COUNTER_TIMERS_FIRED) == 0);
    world_fini(&world);
    return (struct row_result){
        .operations = operations, .elapsed_ns = end_ns - begin_ns, .count = turns};
}
