#include "gateway/core.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "gateway/conn_move.h"
#include "gateway/control_link.h"
#include "gateway/limits.h"
#include "io/accept.h"
#include "io/features.h"
#include "sched/base/clock.h"

#define MEMBERSHIPS_PER_CONNECTION 4 // address space for members; more only while others have fewer
#define SUBSCRIPTIONS_PER_SESSION 4  // the same, for topics
// A sixteenth of them: CHAT_PUBLISHES_MAX answers of rooms that cannot go yet, as many of topics.
#define CELLS_MIN (2u << 20)

// Queues and buffers of a lane beyond the first: at most 160 KiB by calculation, 136 measured, for
// 16,384 connections.
#define CHILD_LANE_SIZES                                                                           \
    .sq_entries = 512, .cq_entries = 4096, .buffer_count = 32, .buffer_bytes = 2048
#define CUT_TIME_NS (2 * NS_PER_S)
#define CUT_STEP_NS_MAX (100 * NS_PER_MS) // a longer turn is no time that connections had to go
#define CUT_INTERVAL_NS (100 * NS_PER_MS)
#define QUIET_LOOK_NS (1 * NS_PER_MS)

static uint32_t bounded(uint64_t value, uint32_t max) {
    return value < max ? (uint32_t)value : max;
}

// A quarter of the host's memory for all cores together; what is not touched costs nothing.
static size_t blocks_bytes_max(const struct serve_shared *shared) {
    if (shared->sizes.blocks_bytes_max > 0)
        return shared->sizes.blocks_bytes_max;
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t share = host / 4 / shared->plan->scheduler_count;
    return share > (64ull << 20) ? share : 64ull << 20;
}

static uint32_t spare_connections(const struct host_plan *plan) {
    return bounded(plan->connections_per_scheduler / 64 + 16, 1024);
}

static uint32_t control_bytes_max(const struct serve_shared *shared) {
    uint32_t given = shared->sizes.control_bytes_max;
    return given > 0 ? given : limits_control_bytes(shared->config);
}

// Sessions fall on cores by a hash, so that some have more than others.
static uint32_t subscriptions_max(const struct serve_shared *shared) {
    uint64_t sessions = shared->config->mqtt_sessions_max;
    if (sessions == 0)
        sessions = 2 * shared->plan->connections_max;
    uint64_t share = sessions / shared->plan->scheduler_count;
    return bounded(share * SUBSCRIPTIONS_PER_SESSION + 1024, ACTOR_INDEX_MAX);
}

static int open_topics(struct core *core) {
    const struct serve_shared *shared = core->shared;
    const struct config *config = shared->config;
    const struct topics_config topics = {
        .core_count = shared->plan->scheduler_count,
        .subscriptions_max = subscriptions_max(shared),
        .retained_max = config->mqtt_retained_max,
        .retained_bytes_max = config->mqtt_retained_bytes_max,
        .core_counters = shared->counters,
        .turn_deliveries_max = shared->sizes.turn_deliveries_max,
        .publishes_max = shared->sizes.publishes_max,
        .seed = shared->seed,
    };
    return topics_init(&core->topics, &topics, &core->scheduler, &core->ledger, &core->gateway);
}

static int open_balancer(struct core *core) {
    core->balancer = (struct balancer){.scheduler = &core->scheduler,
                                       .counters = core->shared->counters,
                                       .core_count = core->shared->plan->scheduler_count,
                                       .items = COUNTER_CONNECTIONS,
                                       .port = &core->gateway,
                                       .period_ns = NS_PER_S};
    return balancer_register(&core->balancer);
}

void balancer_port_move(void *port, uint32_t to_core, uint32_t count) {
    uint32_t begun = gateway_move_some(port, to_core, count);
    log_line(LOG_INFO, "event=balance scheduler=%u to=%u wanted=%u begun=%u",
             ((struct gateway *)port)->parts.scheduler->core, to_core, count, begun);
}

static int open_actors(struct core *core) {
    const struct serve_shared *shared = core->shared;
    const struct host_plan *plan = shared->plan;
    const struct config *config = shared->config;
    uint64_t members =
        (uint64_t)plan->connections_per_scheduler * MEMBERSHIPS_PER_CONNECTION + 1024;
    uint64_t users = plan->connections_max * MEMBERSHIPS_PER_CONNECTION + 1024;
    const struct core_sizes *sizes = &shared->sizes;
    struct scheduler_config scheduler = {
        .core = (uint8_t)core->id,
        .message_cells_max =
            sizes->message_cells_max
                ? sizes->message_cells_max
                : bounded(CELLS_MIN + members * 2 + subscriptions_max(shared), ACTOR_INDEX_MAX),
        .reductions_per_turn = sizes->reductions_per_turn,
    };
    int result = scheduler_init(&core->scheduler, &scheduler, &core->shared->mesh, &core->ledger,
                                &core->blocks, &core->counters, clock_monotonic_ns());
    const struct recorder_config recorder = {
        .events_max = config->recorder_mib * (1u << 20) / sizeof(struct recorder_event),
        .obituaries_max = config->obituaries,
    };
    if (result == 0)
        result = recorder_init(&core->scheduler.recorder, &recorder, &core->ledger,
                               &core->scheduler.now_ns);
    if (result == 0)
        result = trace_init(&core->scheduler.trace, &core->ledger);
    if (result < 0)
        return result;
    struct gateway_parts parts = {
        .scheduler = &core->scheduler,
        .streams = &core->streams,
        .chat = &core->chat,
        .topics = &core->topics,
        .blocks = &core->blocks,
        .counters = &core->counters,
        .ledger = &core->ledger,
        .config = config,
        .connections_max = plan->connections_per_scheduler,
        .connections_spare = spare_connections(plan),
        .mqtt_sessions_max = plan->mqtt_sessions_per_scheduler,
        .control_bytes_max = control_bytes_max(core->shared),
        .rng_seed = core->rng_seed,
        .core_counters = shared->counters,
        .core_count = plan->scheduler_count,
        .connections_total_max = plan->connections_max,
        .mqtt_sessions_total_max = plan->mqtt_sessions_max,
    };
    result = gateway_init(&core->gateway, &parts);
    if (result < 0)
        return result;
    struct chat_config chat = {
        .core_count = plan->scheduler_count,
        .rooms_max = config->rooms_max,
        .members_max = bounded(members, ACTOR_INDEX_MAX),
        .users_max = bounded(users, ACTOR_INDEX_MAX),
        .batch_bytes_max = config->out_queue_bytes_max / 2,
        .retained_bytes_max =
            bounded(config->mqtt_retained_bytes_max / plan->scheduler_count, UINT32_MAX),
        .turn_deliveries_max = sizes->turn_deliveries_max,
        .publishes_max = sizes->publishes_max,
        .seed = shared->seed,
        .rng_seed = core->rng_seed + 1,
        .is_supervised = true,
    };
    result = chat_init(&core->chat, &chat, &core->scheduler, &core->ledger, &core->gateway);
    if (result == 0)
        result = open_topics(core);
    if (result == 0)
        result = control_link_open(core);
    bool has_balancer = config->balance && plan->scheduler_count > 1;
    if (result == 0 && has_balancer)
        result = open_balancer(core);
    return result < 0 ? result : tree_open(&core->tree, &core->scheduler, has_balancer);
}

int core_open(struct core *core, struct serve_shared *shared, uint32_t id) {
    core->id = id;
    core->cpu = shared->plan->cpus[id];
    core->shared = shared;
    shared->counters[id] = &core->counters;
    int result = blocks_init(&core->blocks, &core->ledger, blocks_bytes_max(shared));
    return result < 0 ? result : open_actors(core);
}

// What tests ask for, else the settings'.
static struct ring_lane_config first_lane(const struct serve_shared *shared) {
    struct ring_lane_config lane = shared->sizes.first_lane;
    const struct config *config = shared->config;
    if (lane.buffer_count == 0 && config->recv_buffers > 0)
        lane.buffer_count = 1u << (31 - __builtin_clz(config->recv_buffers));
    if (lane.buffer_bytes == 0)
        lane.buffer_bytes = config->recv_buffer_bytes;
    return lane;
}

int core_start(struct core *core) {
    const struct host_plan *plan = core->shared->plan;
    const struct config *config = core->shared->config;
    struct ring_config ring = {.lane_count = plan->lane_count,
                               .descriptors_per_lane = plan->descriptors_per_lane,
                               .first = first_lane(core->shared),
                               .child = {CHILD_LANE_SIZES},
                               .min_wait_us = config->min_wait_us,
                               .counters = &core->counters};
    int result = ring_open(&ring, &core->ledger, &core->ring);
    if (result < 0) {
        features_error_text(result, core->error, sizeof(core->error));
        return result;
    }
    struct stream_config streams = {.connections_max = plan->connections_per_scheduler,
                                    .connections_spare = spare_connections(plan),
                                    .out_queue_bytes_max = config->out_queue_bytes_max,
                                    .park_after_s = config->park_after_s,
                                    .control_bytes_max = control_bytes_max(core->shared)};
    result = streams_init(&core->streams, &core->ledger, core->ring, &core->blocks, &core->counters,
                          &streams, &core->gateway);
    // In this order: an acceptor's number tells what is spoken there (stream_port_open).
    uint32_t listen_count = config->listen_count + config->listen_mqtt_count;
    for (uint32_t i = 0; result >= 0 && i < listen_count; i++) {
        struct accept_config accept = {.listen_fd = core->listen_fds[i],
                                       .peer_addresses = config->peer_addresses ||
                                                         config->trusted_proxy_count > 0};
        result = accept_open(&core->streams, &accept);
    }
    if (result < 0) {
        snprintf(core->error, sizeof(core->error), "scheduler %u: %s", core->id, strerror(-result));
        return result;
    }
    core->worker = (struct worker){.scheduler = &core->scheduler,
                                   .ring = core->ring,
                                   .streams = &core->streams,
                                   .counters = &core->counters,
                                   .wake_targets = core->shared->wake_targets,
                                   .port = core};
    core->shared->wake_targets[core->id] = ring_wake_target(core->ring);
    return 0;
}

void core_stop(struct core *core) {
    if (!core->has_leaked)
        streams_fini(&core->streams);
}

static void pin(const struct core *core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core->cpu, &set);
    // A control group may forbid it: slower, not wrong.
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        log_line(LOG_WARN, "event=not_pinned scheduler=%u cpu=%u errno=%d", core->id, core->cpu,
                 errno);
}

void *core_run(void *argument) {
    struct core *core = argument;
    if (!core->shared->plan->cpus_shared)
        pin(core);
    int result = core_start(core);
    pthread_barrier_wait(&core->shared->barrier);
    pthread_barrier_wait(&core->shared->barrier);
    if (result == 0 && !core->shared->is_refused)
        worker_run(&core->worker);
    if (result == 0)
        core_stop(core);
    atomic_store_explicit(&core->has_ended, true, memory_order_release);
    // Until nobody is left who might wake this ring: its descriptors may soon be somebody else's.
    pthread_barrier_wait(&core->shared->barrier);
    if (core->ring)
        ring_close(core->ring);
    return NULL;
}

static void drain_begin(struct core *core) {
    core->is_draining = true;
    accept_close_all(&core->streams);
    gateway_drain_begin(&core->gateway, core->shared->drain_deadline_ns);
}

// Connections that did not go in time are cut; those the kernel does not give back are left.
static void cut(struct core *core) {
    uint64_t now_ns = core->scheduler.now_ns;
    uint64_t step_ns = core->cut_ns ? now_ns - core->cut_ns : 0;
    core->cut_time_ns += step_ns < CUT_STEP_NS_MAX ? step_ns : CUT_STEP_NS_MAX;
    if (core->cut_ns == 0 || core->cut_time_ns >= core->next_cut_ns) {
        core->next_cut_ns = core->cut_time_ns + CUT_INTERVAL_NS;
        gateway_stop(&core->gateway); // again and again: an accept may have been under way
    }
    core->cut_ns = now_ns;
}

// Nobody of this core is left who could start anything.
static bool is_deserted(const struct core *core) {
    return gateway_is_empty(&core->gateway) && accept_is_quiet(&core->streams) &&
           streams_used_count(&core->streams) == 0 && core->chat.members.used_count == 0 &&
           core->topics.subscriptions.used_count == 0;
}

// A core stops once no core has a connection or a member and no message is under way.
static enum worker_next stop_when_quiet(struct core *core, bool has_work) {
    struct serve_shared *shared = core->shared;
    if (core->cut_time_ns > CUT_TIME_NS && !is_deserted(core))
        core->has_leaked = true;
    if (core->cut_time_ns > 2 * CUT_TIME_NS) { // a core beside it never gets quiet
        core->has_leaked = true;
        return WORKER_STOP;
    }
    bool is_quiet = !has_work && (is_deserted(core) || core->has_leaked) &&
                    scheduler_is_quiet(&core->scheduler);
    if (is_quiet) {
        quiescence_mark(&shared->quiescence, &shared->mesh, core->id);
        if (quiescence_is_reached(&shared->quiescence, &shared->mesh))
            return WORKER_STOP;
    } else {
        quiescence_clear(&shared->quiescence, core->id);
        if (has_work || core->cut_ns == 0)
            return has_work ? WORKER_AGAIN : WORKER_WAIT;
    }
    // Nobody wakes a core for another's end, nor for the time of a cut: look again soon, and leave
    // the CPU to the others.
    clock_sleep_ns(QUIET_LOOK_NS);
    return WORKER_AGAIN;
}

enum worker_next worker_port_turn_end(void *port) {
    struct core *core = port;
    // Its services fail again and again: a new process may fare better (--supervised makes one).
    CHECKF(tree_is_up(&core->tree), "scheduler %u: its root supervisor ended; the log says why",
           core->id);
    bool has_work = chat_flush(&core->chat);
    has_work |= topics_flush(&core->topics);
    has_work |= gateway_turn_end(&core->gateway);
    int phase = atomic_load_explicit(&core->shared->phase, memory_order_acquire);
    if (LIKELY(phase == SERVE_RUNNING))
        return has_work ? WORKER_AGAIN : WORKER_WAIT;
    if (!core->is_draining)
        drain_begin(core);
    if (phase == SERVE_STOPPING || core->scheduler.now_ns >= core->shared->drain_deadline_ns)
        cut(core);
    return stop_when_quiet(core, has_work);
}

void core_end_actors(struct core *core) {
    tree_end(&core->tree);
    chat_fini(&core->chat);
    topics_fini(&core->topics);
    gateway_fini(&core->gateway);
}

bool core_is_clean(struct core *core) {
    blocks_collect(&core->blocks);
    uint64_t pending = counter_read(&core->counters, COUNTER_PENDING) +
                       counter_read(&core->counters, COUNTER_GATHERED);
    if (!core->has_leaked && core->blocks.bytes_used == 0 &&
        core->scheduler.cells.used_count == 0 && pending == 0)
        return true;
    log_line(LOG_ERROR,
             "event=leak scheduler=%u connections=%lu blocks_bytes=%zu messages=%u pending=%lu",
             core->id, counter_read(&core->counters, COUNTER_CONNECTIONS), core->blocks.bytes_used,
             core->scheduler.cells.used_count, pending);
    return false;
}

void core_close(struct core *core) {
    blocks_fini(&core->blocks);
    memory_release_all(&core->ledger);
}
