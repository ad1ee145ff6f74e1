#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/options.h"
#include "io/accept.h"
#include "io/ring_sim.h"
#include "sched/base/clock.h"
#include "sched/base/hash.h"

#define START_NS (1000 * NS_PER_S)
// Beyond the idle timeout, which is what ends a peer that is gone and is not read for its full
// queue.
#define QUIET_NS (12 * NS_PER_S)
#define QUIET_STEP_NS (20 * NS_PER_US)
#define BUSY_STEPS_MAX 100000 // without a moment in which nothing is to be done
#define DRAIN_STEPS_MAX 400000
#define MQTT_WORLD_EVERY 3
#define MQTT_RING_CELLS_MIN 128

static uint32_t between(struct world *world, uint32_t low, uint32_t high) {
    return low + rng_below(&world->rng, high - low + 1);
}

static bool one_in(struct world *world, uint32_t n) {
    return rng_below(&world->rng, n) == 0;
}

// --- open ----------------------------------------------------------------------------------------

static void add_rule(struct config *config, const char *pattern,
                     struct config_room_settings settings) {
    struct config_room_rule *rule = &config->room_rules[config->room_rule_count++];
    snprintf(rule->pattern, sizeof(rule->pattern), "%s", pattern);
    rule->settings = settings;
}

// Budgets are small, so that they are met.
static void draw_config(struct world *world) {
    struct config *config = &world->config;
    options_defaults(config);
    log_set_level(LOG_ERROR);
    config->listen_count = 1;
    config->schedulers = world->core_count;
    config->connections_max = between(world, 6, WORLD_CLIENTS_MAX);
    config->rooms_max = between(world, 2, 64);
    config->idle_timeout_s = between(world, 6, 20);
    config->handshake_timeout_s = between(world, 2, 6);
    config->drain_timeout_s = between(world, 1, 8);
    config->message_bytes_max = 1u << between(world, 12, 14);
    config->out_queue_bytes_max = 1u << between(world, 10, 15);
    config->channels_per_socket_max = between(world, 2, MODEL_ROOMS_MAX);
    config->room.presence = CONFIG_PRESENCE_LIST;
    config->room.presence_list_max = one_in(world, 2) ? 1000 : between(world, 1, 20);
    struct config_room_settings settings = config->room;
    settings.presence = CONFIG_PRESENCE_COUNTS;
    add_rule(config, "room:r1", settings);
    settings.presence = CONFIG_PRESENCE_OFF;
    add_rule(config, "room:r2", settings);
    settings = config->room;
    settings.policy = CONFIG_POLICY_CLOSE;
    add_rule(config, "room:r3", settings);
}

static void draw_plan(struct world *world) {
    uint32_t count = world->core_count;
    uint32_t connections = (uint32_t)world->config.connections_max;
    world->plan = (struct host_plan){
        .scheduler_count = count,
        .connections_max = connections,
        .connections_per_scheduler = connections / count + between(world, 1, 20) +
                                     (world->mqtt.client_count > 0 ? connections : 0),
        .lane_count = between(world, 1, 3),
        .descriptors_per_lane = 1u << between(world, 4, 6),
    };
    uint32_t slots = world->plan.connections_per_scheduler + connections / 64 + 17;
    while (world->plan.lane_count * world->plan.descriptors_per_lane < slots)
        world->plan.lane_count++;
    world->plan.connections_per_lane = world->plan.descriptors_per_lane;
    world->shared.sizes = (struct core_sizes){
        .publishes_max = 1u << between(world, 3, 9),
        .turn_deliveries_max = 1u << between(world, 3, 12),
        .reductions_per_turn = 1u << between(world, 3, 12),
        .blocks_bytes_max = world->has_short_memory ? between(world, 64, 256) << 10 : 64u << 20,
        .control_bytes_max = one_in(world, 2) ? 1u << between(world, 11, 15) : 0,
        .first_lane = {.buffer_count = 1u << between(world, 2, 6),
                       .buffer_bytes = 1u << between(world, 6, 12)},
    };
    struct core_sizes *sizes = &world->shared.sizes;
    sizes->message_cells_max =
        32 * sizes->publishes_max * count + 16 * connections * MODEL_ROOMS_MAX + 1024;
}

// Every third world has MQTT clients, with sessions that outlast whatever happens to them, and room
// for all; what they drop there is a bug. By chance of their own: the other worlds are as ever.
static void draw_mqtt(struct world *world) {
    struct config *config = &world->config;
    world->mqtt_rng = (struct rng){world->options.seed ^ 0x4d515454};
    (void)rng_next(&world->mqtt_rng);
    if (world->options.seed % MQTT_WORLD_EVERY != 0)
        return;
    world->mqtt.client_count = 2 + rng_below(&world->mqtt_rng, MQTT_MODEL_CLIENTS_MAX - 1);
    mqtt_clients_init(world);
    // The others may take every place there is; three each, with those that were taken over.
    config->connections_max = WORLD_CLIENTS_MAX + world->mqtt.client_count * 3;
    config->rooms_max += MODEL_ROOMS_MAX + MQTT_MODEL_TOPICS_MAX;
    config->mqtt_receive_max = 1 + rng_below(&world->mqtt_rng, 40);
    config->mqtt_inflight_max = 1 + rng_below(&world->mqtt_rng, 40);
    config->mqtt_session_queue_max = 1000000;
    config->mqtt_session_queue_bytes_max = 1u << 30;
    if (world->mqtt.is_gentle)
        world->has_short_memory = false;
}

static void open_cores(struct world *world) {
    struct mesh_config mesh = {.scheduler_count = world->core_count,
                               .outsider_count = 1,
                               .ring_cells = 1u << between(world, 3, 9)};
    // A 3.1.1 client cannot be told that a publish was refused: it is closed, comes back, and sends
    // all again at once. The smallest rings never take that.
    if (world->mqtt.client_count > 0 && mesh.ring_cells < MQTT_RING_CELLS_MIN)
        mesh.ring_cells = MQTT_RING_CELLS_MIN;
    CHECK(mesh_init(&world->shared.mesh, &mesh) == 0);
    size_t size = world->core_count * sizeof(struct sim_core);
    world->cores = aligned_alloc(_Alignof(struct sim_core), size);
    CHECK(world->cores);
    memset(world->cores, 0, size);
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct core *core = &world->cores[i].core;
        core->rng_seed = rng_next(&world->rng);
        core->listen_fds[0] = world_listen_fd(i);
        CHECK(core_open(core, &world->shared, i) == 0);
    }
    probes_open(world);
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct core *core = &world->cores[i].core;
        CHECK(core_start(core) == 0);
        core->worker.next = WORKER_AGAIN;
        ring_sim_seed(core->ring, rng_next(&world->rng));
    }
}

void world_open(struct world *world, const struct world_options *options) {
    *world = (struct world){.options = *options, .rng = {options->seed}, .now_ns = START_NS};
    (void)rng_next(&world->rng);
    world->core_count = options->core_count ? options->core_count : between(world, 1, 4);
    world->client_count = between(world, 2, one_in(world, 4) ? WORLD_CLIENTS_MAX : 24);
    world->user_count = between(world, 1, world->client_count);
    world->has_short_memory = one_in(world, 8);
    world->validate_every = 1u << between(world, 2, 8);
    world->step_ns_max = (uint32_t)(NS_PER_US << between(world, 0, 11));
    world->pump_share = between(world, 25, 70);
    world->talk_share = between(world, 5, 60);
    world->weather_every = between(world, 20, 300);
    clock_sim_set(world->now_ns);
    model_init(&world->model, between(world, 1, MODEL_ROOMS_MAX));
    draw_config(world);
    draw_mqtt(world);
    world->shared.config = &world->config;
    world->shared.plan = &world->plan;
    world->shared.seed = rng_next(&world->rng);
    draw_plan(world);
    open_cores(world);
    for (uint32_t i = 0; i < world->client_count; i++)
        client_init(&world->clients[i], i, rng_below(&world->rng, world->user_count));
    weather_init(world);
}

// --- turns ---------------------------------------------------------------------------------------

static void set_clock(struct world *world, uint64_t now_ns) {
    world->now_ns = now_ns;
    clock_sim_set(now_ns);
}

static bool is_runnable(const struct world *world, const struct sim_core *core) {
    if (core->has_stopped || core->stalled_until > world->step)
        return false;
    return world->now_ns >= core->wake_at_ns || ring_sim_is_ready(core->core.ring);
}

static void check_wakes(const struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct core *core = &world->cores[i].core;
        bool is_called = world->cores[i].wake_at_ns == 0; // from outside: faults.c
        SIM_REQUIRE(world->cores[i].has_stopped || is_called || !core->worker.is_asleep ||
                        !mesh_has_untaken(&world->shared.mesh, i) || ring_sim_is_woken(core->ring),
                    "wake: core %u sleeps beside its mail", i);
    }
}

static void turn(struct world *world, struct sim_core *core) {
    struct worker *worker = &core->core.worker;
    ring_enter(core->core.ring, 0);
    worker_turn(worker);
    core->turns++;
    world->now_ns = clock_monotonic_ns(); // a core that looks again soon has slept
    if (worker->next == WORKER_STOP) {
        ring_enter(core->core.ring, 0);
        core->has_stopped = true;
        sim_trace("core %u stops", core->core.id);
    } else {
        core->wake_at_ns = world->now_ns + worker_wait_begin(worker);
    }
    world_check_core(world, core);
    check_wakes(world);
}

// When the first core that waits has waited long enough; at least a little later than now.
static uint64_t next_wake_ns(const struct world *world) {
    uint64_t first = world->now_ns + NS_PER_S;
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct sim_core *core = &world->cores[i];
        if (!core->has_stopped && core->stalled_until <= world->step && core->wake_at_ns < first)
            first = core->wake_at_ns;
    }
    return first > world->now_ns ? first : world->now_ns + NS_PER_US;
}

// One step of a storm: a core has its turn, or a client its moment, or the weather changes.
static void storm_step(struct world *world) {
    world->step++;
    sim_at(world->step);
    set_clock(world, world->now_ns + rng_below(&world->rng, world->step_ns_max));
    if (one_in(world, world->weather_every))
        weather_change(world);
    if (!world->is_draining && one_in(world, 8))
        probes_act(world);
    mqtt_clients_storm(world);
    if (rng_below(&world->rng, 100) < world->pump_share) {
        struct client *client = &world->clients[rng_below(&world->rng, world->client_count)];
        if (rng_below(&world->rng, 100) < world->talk_share)
            weather_client(world, client);
        for (uint32_t moves = 1 + rng_below(&world->rng, 8); moves > 0; moves--)
            client_pump(world, client);
    } else {
        uint32_t first = rng_below(&world->rng, world->core_count);
        uint32_t i = 0;
        while (i < world->core_count &&
               !is_runnable(world, &world->cores[(first + i) % world->core_count]))
            i++;
        if (i < world->core_count)
            turn(world, &world->cores[(first + i) % world->core_count]);
        else
            set_clock(world, next_wake_ns(world));
    }
    if (world->step % world->validate_every == 0)
        world_validate(world);
}

// Everybody does at once what there is to do. False: there was nothing.
static bool quiet_step(struct world *world, bool beats) {
    bool is_busy = false;
    world->step++;
    sim_at(world->step);
    for (uint32_t i = 0; i < world->core_count; i++) {
        if (!is_runnable(world, &world->cores[i]))
            continue;
        turn(world, &world->cores[i]);
        is_busy = true;
    }
    for (uint32_t i = 0; i < world->client_count; i++) {
        struct client *client = &world->clients[i];
        if (beats && client->phase == CLIENT_OPEN &&
            world->now_ns - client->beat_ns > world->config.idle_timeout_s * NS_PER_S / 3)
            (void)client_ping(world, client);
        if (!client_is_busy(world, client))
            continue;
        client_pump(world, client);
        is_busy = true;
    }
    return mqtt_clients_pump(world) || is_busy;
}

static void quiet(struct world *world) {
    weather_calm(world);
    uint64_t until_ns = world->now_ns + QUIET_NS + world->config.idle_timeout_s * NS_PER_S;
    uint32_t busy = 0;
    while (world->now_ns < until_ns) {
        bool is_busy = quiet_step(world, world->now_ns + NS_PER_S < until_ns);
        busy = is_busy ? busy + 1 : 0;
        SIM_REQUIRE(busy < BUSY_STEPS_MAX, "quiet: the cores do not come to rest");
        set_clock(world, is_busy ? world->now_ns + QUIET_STEP_NS : next_wake_ns(world));
    }
    world_validate(world);
    world_check_quiet(world);
}

// --- the end -------------------------------------------------------------------------------------

static bool have_all_stopped(const struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++)
        if (!world->cores[i].has_stopped)
            return false;
    return true;
}

static void drain(struct world *world) {
    bool is_storm = one_in(world, 2); // people go on as if nothing had been said
    if (!is_storm)
        weather_calm(world);
    for (uint32_t i = 0; i < world->core_count; i++)
        world->cores[i].stalled_until = 0;
    uint32_t drain_s = world->config.drain_timeout_s;
    world->shared.drain_deadline_ns = world->now_ns + drain_s * NS_PER_S;
    atomic_store(&world->shared.phase, (int)SERVE_DRAINING);
    uint64_t last_step = world->step + DRAIN_STEPS_MAX;
    world->is_draining = true;
    probes_end(world);
    sim_trace("drain");
    while (!have_all_stopped(world)) {
        bool is_busy = true;
        if (is_storm)
            storm_step(world);
        else
            is_busy = quiet_step(world, false);
        SIM_REQUIRE(world->step < last_step, "drain: the cores do not stop");
        if (one_in(world, 1000))
            atomic_store(&world->shared.phase, (int)SERVE_STOPPING);
        if (!is_storm)
            set_clock(world, is_busy ? world->now_ns + QUIET_STEP_NS : next_wake_ns(world));
    }
}

static void check_sums(const struct world *world) {
    uint64_t relayed = 0, taken = 0;
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct core *core = &world->cores[i].core;
        relayed += counter_read(&core->counters, COUNTER_RELAYED);
        taken += counter_read(&core->counters, COUNTER_RELAYS_TAKEN);
        SIM_REQUIRE(!core->has_leaked,
                    "drain: core %u leaks: %lu connections, %u streams, %u members, %s", i,
                    counter_read(&core->counters, COUNTER_CONNECTIONS),
                    streams_used_count(&core->streams), core->chat.members.used_count,
                    accept_is_quiet(&core->streams) ? "accepts are quiet" : "accepts are armed");
        SIM_REQUIRE(core->chat.publish_count == 0, "drain: core %u: %u publishes without an answer",
                    i, core->chat.publish_count);
        SIM_REQUIRE(ring_sim_armed_count(core->ring) == 0,
                    "drain: core %u: %u operations are still armed", i,
                    ring_sim_armed_count(core->ring));
    }
    SIM_REQUIRE(relayed == taken, "audit: %lu messages were relayed, %lu taken", relayed, taken);
}

static void close_world(struct world *world) {
    check_sums(world);
    probes_check_empty(world);
    for (uint32_t i = 0; i < world->core_count; i++) {
        core_stop(&world->cores[i].core);
        ring_close(world->cores[i].core.ring);
    }
    for (uint32_t i = 0; i < world->core_count; i++)
        core_end_actors(&world->cores[i].core);
    for (uint32_t i = 0; i < world->core_count; i++)
        SIM_REQUIRE(core_is_clean(&world->cores[i].core), "leak: core %u is not empty", i);
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct core *core = &world->cores[i].core;
        blocks_check_empty(&core->blocks);
        slab_check_empty(&core->scheduler.cells);
        for (uint32_t kind = 1; kind < ACTOR_KINDS_MAX; kind++)
            if (core->scheduler.kinds[kind].behaviour)
                slab_check_empty(&core->scheduler.kinds[kind].slab);
    }
}

// What the cores counted belongs to what must be the same again; the clock's share of it too.
static void digest_counters(struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct core *core = &world->cores[i].core;
        world->moved_count += counter_read(&core->counters, COUNTER_CONN_MOVES_IN);
        world->digest = hash_bytes(world->digest, bytes_of((const uint8_t *)core->counters.values,
                                                           sizeof(core->counters.values)));
    }
}

void world_run(struct world *world) {
    uint32_t steps =
        world->options.step_count ? world->options.step_count : between(world, 2000, 24000);
    uint32_t rounds = between(world, 1, 3);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < steps / rounds; i++)
            storm_step(world);
        if (round + 1 < rounds || !one_in(world, 3)) {
            quiet(world);
            weather_init(world);
        }
    }
    drain(world);
    digest_counters(world);
    world->digest += world->probes->events;
    close_world(world);
    for (uint32_t i = 0; i < world->core_count; i++)
        core_close(&world->cores[i].core);
    mesh_fini(&world->shared.mesh);
}

void world_print(const struct world *world) {
    uint64_t turns = 0, messages = 0, gaps = 0, connects = 0;
    for (uint32_t i = 0; i < world->core_count; i++)
        turns += world->cores[i].turns;
    for (uint32_t i = 0; i < world->client_count; i++) {
        messages += world->clients[i].messages;
        gaps += world->clients[i].gaps;
        connects += world->clients[i].connects;
    }
    printf("seed=%" PRIu64 " digest=%016" PRIx64 " cores=%u clients=%u rooms=%u steps=%" PRIu64
           " turns=%" PRIu64 " connects=%" PRIu64 " joins=%u publishes=%u refused=%" PRIu64
           " messages=%" PRIu64 " gaps=%" PRIu64 " bytes=%" PRIu64 " faults=%" PRIu64
           " ended=%" PRIu64 " moves=%" PRIu64 "/%" PRIu64 "\n",
           world->options.seed, world->digest, world->core_count, world->client_count,
           world->model.room_count, world->step, turns, connects, world->model.membership_count,
           world->model.publication_count - 1, world->refused_count, messages, gaps,
           world->bytes_received, world->fault_count, world->ended_count, world->moved_count,
           world->move_count);
}
