// The world: N cores of the real gateway on simulated rings, one mesh, one clock, clients, and the
// weather between them, all by one seed.
//
// A core is turned as its thread would turn it: it waits in ring_enter until its time is over,
// something completes or another core wakes it. What wakes it not, is not seen: a wake that is lost
// shows as a core that sleeps beside its mail.
//
//   open → rounds of (storm, then quiet: everybody settles, and is compared with the truth) →
//   drain → every core stops → everything is empty → close
#ifndef FAIRLEAD_TESTS_SIM_WORLD_H
#define FAIRLEAD_TESTS_SIM_WORLD_H

#include "gateway/core.h"
#include "sched/base/rng.h"
#include "tests/sim/client.h"
#include "tests/sim/model.h"
#include "tests/sim/mqtt_client.h"
#include "tests/sim/probes.h"

#define WORLD_CORES_MAX 8
#define WORLD_CLIENTS_MAX 64

struct world_options {
    uint64_t seed;
    uint32_t core_count; // 0: by seed
    uint32_t step_count; // of all storms; 0: by seed
};

struct sim_core {
    struct core core;
    uint64_t wake_at_ns;    // it waits in ring_enter until then
    uint64_t stalled_until; // step before which it has no turn
    uint64_t turns;
    uint64_t service_ended_ns; // faults.c
    uint32_t hidden_buffers;
    bool has_stopped;
};

struct world {
    struct world_options options;
    struct rng rng;
    uint64_t now_ns;
    uint64_t step;
    struct config config;
    struct host_plan plan;
    struct serve_shared shared;
    struct sim_core *cores;
    uint32_t core_count;
    struct client clients[WORLD_CLIENTS_MAX];
    uint32_t client_count;
    uint32_t user_count;
    struct model model;
    struct probes *probes;
    struct rng mqtt_rng;
    struct mqtt_model mqtt; // client_count 0: a world without
    struct mqtt_client mqtt_clients[MQTT_MODEL_CLIENTS_MAX];
    bool is_draining;
    bool has_short_memory; // blocks are few: answers and messages may be missing for it
    uint32_t validate_every;
    uint32_t step_ns_max;   // time that one step takes at most
    uint32_t pump_share;    // of 100 steps, those of clients
    uint32_t weather_every; // steps, about
    uint32_t talk_share;    // of 100 of those, when a client says something new
    // What happened; printed, and the same whenever the seed is.
    uint64_t digest; // of all bytes that clients received
    uint64_t bytes_received;
    uint64_t refused_count;
    uint64_t fault_count;
    uint64_t ended_count; // memberships whose room ended
    uint64_t move_count;  // of connections to another core, begun
    uint64_t moved_count; // and landed
};

void world_open(struct world *world, const struct world_options *options);
void world_run(struct world *world);

// One line of counts and the digest.
void world_print(const struct world *world);

// The descriptor that a core's simulated listener has.
static inline int world_listen_fd(uint32_t core) {
    return 1000 + (int)core;
}

// Everything that must hold between two turns of this core.
void world_check_core(struct world *world, struct sim_core *core);
// … and all structures in whole.
void world_validate(struct world *world);
// After quiet: clients agree with the truth.
void world_check_quiet(struct world *world);

// weather.c
void weather_init(struct world *world);   // by seed
void weather_change(struct world *world); // one thing of it
void weather_calm(struct world *world);   // none at all
// What a client does next, in a storm.
void weather_client(struct world *world, struct client *client);

#endif
