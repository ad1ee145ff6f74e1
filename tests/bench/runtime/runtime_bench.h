// What the rows of the runtime's benchmark share: a world (one scheduler with its memory), the
// actors' kinds, the stopwatch. A row is a function that runs its shape once and fills a result;
// runtime_bench.erl has the same rows in Erlang, in the same shape (docs/BENCHMARKS.md, "The actor
// runtime").
//
// Links sched and sched/base alone: no ring, no socket. Nothing here is part of Fairlead.
#ifndef FAIRLEAD_RUNTIME_BENCH_H
#define FAIRLEAD_RUNTIME_BENCH_H

#include "sched/base/blocks.h"
#include "sched/base/clock.h"
#include "sched/scheduler.h"
#include "sched/supervisor.h"

enum {
    KIND_BARE = 1, // nothing but its header and a word of state
    KIND_DRIVER,   // starts a row and counts what comes back
    KIND_NODE,     // forwards or counts
    KIND_ARMED,    // has a timer
    KIND_SERVER,
    KIND_CALLER,
};

enum {
    NOTE = MESSAGE_USER, // counted by who gets it
    HOP,                 // small = hops left, forwarded
    ROAM,                // the same, to a random actor; words[0] = the random number
    BATCH,               // the last of BATCH_MESSAGES: counted, and answered with ACK
    ACK,
};

#define BATCH_MESSAGES 256

// One core's runtime.
struct world {
    struct scheduler *self; // first: a server's context begins so
    struct memory_ledger ledger;
    struct blocks blocks;
    struct counters counters;
    struct supervisor_config supervisors;
    struct scheduler scheduler;
    const struct row_options *options;
    uint64_t *pids; // the nodes
    uint32_t pid_count;
    uint64_t calls_wanted;
    uint64_t done_count; // messages that came to their end
    // The driver's: batches still to send, to whom, how many may be under way.
    uint64_t batches_left;
    uint64_t send_target;
    uint32_t window_left;
};

struct row_options {
    uint64_t operations; // 0: the row's own
    uint32_t cpus[2];
};

// What a row prints, as JSON.
struct row_result {
    uint64_t operations;
    uint64_t elapsed_ns;
    double bytes; // per actor, where the row is about memory
    double count; // of what the row counts instead of timing it
};

void world_init(struct world *world, uint8_t core, struct mesh *mesh);
void world_fini(struct world *world);

// From here on the bare actors have a supervisor.
void world_supervise(struct world *world);

// Turns until no actor is ready.
void world_run(struct world *world);

// `count` actors of KIND_NODE, their pids in world->pids.
void world_spawn_nodes(struct world *world, uint32_t count);

// The driver of batches, which begins at once.
void world_spawn_driver(struct world *world);

// 32 bits of a linear congruence (Numerical Recipes): the same numbers in Erlang, at a cost that
// does not count there either.
static inline uint32_t random_next(uint32_t random) {
    return random * 1664525u + 1013904223u;
}

// The upper bits are the random ones; `count` is at most 2^24.
static inline uint32_t random_below(uint32_t random, uint32_t count) {
    return (uint32_t)((uint64_t)(random >> 8) * count >> 24);
}

// Rows, by file.
struct row_result row_spawn(const struct row_options *options);       // rows_actors.c
struct row_result row_spawn_fresh(const struct row_options *options); // rows_actors.c
struct row_result row_memory(const struct row_options *options);      // rows_actors.c
struct row_result row_timer(const struct row_options *options);       // rows_actors.c
struct row_result row_timed(const struct row_options *options);
struct row_result row_timer_quiet(const struct row_options *options);  // rows_actors.c
struct row_result row_send(const struct row_options *options);         // rows_messages.c
struct row_result row_ring(const struct row_options *options);         // rows_messages.c
struct row_result row_million(const struct row_options *options);      // rows_messages.c
struct row_result row_call(const struct row_options *options);         // rows_behaviours.c
struct row_result row_mesh_one_way(const struct row_options *options); // rows_mesh.c
struct row_result row_mesh_both(const struct row_options *options);    // rows_mesh.c
// One thread plays both cores: not timed beside Erlang, but its instructions can be counted.
struct row_result row_mesh_one_thread(const struct row_options *options);

#endif
