// Core: everything of one scheduler put together (ledger, blocks, actors, ring, streams, chat,
// topics, gateway) and the thread that turns it. Opened and closed by `serve`.
//
// Life: core_open (main) → core_run, the thread: core_start (ring, accepts), worker_run, core_stop,
// the ring closed → core_end_actors, core_is_clean, core_close (main, after all threads have
// ended). A simulation calls core_start and core_stop itself, and turns the worker step by step.
// The shared struct serve_shared is written by main, read by the cores.
#ifndef FAIRLEAD_CORE_H
#define FAIRLEAD_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/config.h"
#include "gateway/gateway.h"
#include "gateway/host.h"
#include "gateway/sockets.h"
#include "gateway/tree.h"
#include "sched/balancer.h"
#include "sched/quiescence.h"
#include "sched/worker.h"

#define CORE_ERROR_SIZE 512

enum serve_phase {
    SERVE_RUNNING,
    SERVE_DRAINING, // no new connections, those there are told to go
    SERVE_STOPPING, // those left are cut
};

// What a core reserves, where a simulation wants it small. All zeroes: as the plan, and what is
// written beside each, ask for.
struct core_sizes {
    uint32_t message_cells_max; // a sixteenth must hold the publishes of all cores together
    uint32_t publishes_max;     // of one core (chat_config)
    uint32_t turn_deliveries_max;
    uint32_t reductions_per_turn;
    uint32_t control_bytes_max; // of one connection
    size_t blocks_bytes_max;    // of one core
    struct ring_lane_config first_lane;
};

struct serve_shared {
    const struct config *config;
    const struct host_plan *plan;
    struct core_sizes sizes;
    struct mesh mesh;
    struct ring_wake_target wake_targets[MESH_ENDPOINTS_MAX];
    const struct counters *counters[MESH_ENDPOINTS_MAX]; // by core
    // Main and all cores: rings are open; then: go, or not; then: all have ended, close the rings.
    pthread_barrier_t barrier;
    bool is_refused;              // some core could not start; written before the second barrier
    uint64_t seed;                // of room names and tables, the same on all cores
    uint64_t drain_deadline_ns;   // written before the phase changes
    _Atomic int phase;            // enum serve_phase
    struct quiescence quiescence; // of cores that have nothing left, while draining
};

struct core {
    uint32_t id;
    uint16_t cpu;
    struct serve_shared *shared;
    pthread_t thread;
    struct counters counters;
    struct memory_ledger ledger;
    struct blocks blocks;
    struct scheduler scheduler;
    struct ring *ring;
    struct streams streams;
    struct chat chat;
    struct topics topics;
    struct gateway gateway;
    struct balancer balancer; // used with --balance
    struct tree tree;
    struct worker worker;
    int listen_fds[SOCKETS_DATA_MAX];
    uint64_t rng_seed;
    uint64_t cut_ns;      // of the latest turn since connections are cut, 0: they are not
    uint64_t cut_time_ns; // the core has turned since then; a stopped process does not count
    uint64_t next_cut_ns; // of cut_time_ns
    bool is_draining;
    bool has_leaked; // connections, or messages under way, were left when it stopped
    _Atomic bool has_ended;
    char error[CORE_ERROR_SIZE]; // why it could not start; empty: it did
};

// Main: reserves what needs no thread. Returns 0, or -ENOMEM.
MUST_USE int core_open(struct core *core, struct serve_shared *shared, uint32_t id);

// What must be made on the thread that uses it: the ring, and with it streams and accepts. Returns
// 0, or -errno with the cause in core->error.
MUST_USE int core_start(struct core *core);

// The worker has stopped: the streams are gone. The ring is the caller's to close.
void core_stop(struct core *core);

// The thread: waits at the barrier twice, turns until the process stops, waits once more.
void *core_run(void *core);

// Main, after every core's thread has ended, for all cores, then core_is_clean for all, then
// core_close: cores hold each other's memory. Ends the actors that are left; not when any core's
// connections leaked, whose members they would miss.
void core_end_actors(struct core *core);

// Main: nothing is left; else says in the log what.
MUST_USE bool core_is_clean(struct core *core);

// Main: gives the memory back.
void core_close(struct core *core);

#endif
