// Whoever is asked to go goes at its next go, as after a signal from anywhere: the core it is on is
// woken for it. What must come of it: members are told and join again (client_receive.c), services
// are there again (world_check.c), nothing stays behind (world.c).
#include "tests/sim/faults.h"

#include "gateway/conn_move.h"
#include "sched/base/clock.h"
#include "sched/signal.h"

// Of services on one core; their supervisors give up at more than five in ten seconds.
#define SERVICE_INTERVAL_NS (3 * NS_PER_S)

// A slot in use of the kind, by chance; SLAB_NONE.
static uint32_t pick(struct world *world, const struct core *core, uint8_t kind) {
    const struct slab *slab = &core->scheduler.kinds[kind].slab;
    if (slab->used_count == 0)
        return SLAB_NONE;
    uint32_t index = rng_below(&world->rng, slab->touched_count);
    while (!slab_is_used(slab, index))
        index = index + 1 == slab->touched_count ? 0 : index + 1;
    return index;
}

// A connection that moves, on the core that it leaves or the one that it comes to; by chance one
// that does not.
static uint32_t pick_connection(struct world *world, const struct core *core) {
    uint32_t index = pick(world, core, KIND_CONNECTION);
    const struct slab *slab = &core->scheduler.kinds[KIND_CONNECTION].slab;
    if (index == SLAB_NONE || core->gateway.moves.used_count == 0 || rng_below(&world->rng, 2))
        return index;
    for (uint32_t i = 0; i < slab->touched_count; i++) {
        uint32_t at = (index + i) % slab->touched_count;
        if (!slab_is_used(slab, at))
            continue;
        const struct conn *conn = conn_at(&core->gateway, at);
        if (conn_has(conn, CONN_MOVING) || conn_state(conn) == CONN_ARRIVING)
            return at;
    }
    return index;
}

// From outside, as the control plane's asks come: cores that stop count on it that nothing but a
// message makes one that is quiet send (sched/quiescence.h).
static void ask_from_outside(struct world *world, struct sim_core *target,
                             const struct message *signal) {
    struct mesh *mesh = &world->shared.mesh;
    if (mesh_send(mesh, world->core_count, target->core.id, signal, MESH_CONTROL))
        (void)mesh_publish(mesh, world->core_count);
    target->wake_at_ns = 0;
}

// Asked by its own core or, through the mesh, by another.
static void ask(struct world *world, struct sim_core *target, uint8_t kind, uint32_t index) {
    static const uint32_t reasons[] = {EXIT_KILLED, EXIT_KILLED, EXIT_SHUTDOWN, EXIT_FAILED};
    uint32_t reason = reasons[rng_below(&world->rng, 4)];
    struct sim_core *by = rng_below(&world->rng, 3) == 0
                              ? &world->cores[rng_below(&world->rng, world->core_count)]
                              : target;
    uint64_t pid = scheduler_pid(&target->core.scheduler, kind, index);
    if (by->has_stopped || target->has_stopped)
        return;
    if (world->is_draining) {
        ask_from_outside(world, target,
                         &(struct message){.target = pid, .type = SIGNAL_EXIT, .small = reason});
    } else {
        signal_exit(&by->core.scheduler, PID_NONE, pid, reason);
        by->wake_at_ns = 0; // it has work now
    }
    world->fault_count++;
    sim_trace("core %u asks kind %u, slot %u of core %u to go: %s", by->core.id, kind, index,
              target->core.id, exit_reason_name(reason));
}

static void end_actor(struct world *world, struct sim_core *core, uint8_t kind) {
    uint32_t index = kind == KIND_CONNECTION ? pick_connection(world, &core->core)
                                             : pick(world, &core->core, kind);
    if (index != SLAB_NONE)
        ask(world, core, kind, index);
}

static void end_service(struct world *world, struct sim_core *core) {
    if (world->now_ns < core->service_ended_ns + SERVICE_INTERVAL_NS)
        return;
    static const uint8_t kinds[] = {KIND_CONTROL, KIND_CHAT, KIND_CHAT, KIND_MOVE, KIND_MOVE};
    core->service_ended_ns = world->now_ns;
    end_actor(world, core, kinds[rng_below(&world->rng, 5)]);
}

// A connection's stream is cut without a word, as gateway_stop does it.
static void cut_connection(struct world *world, struct sim_core *core) {
    uint32_t index = pick_connection(world, &core->core);
    if (index == SLAB_NONE)
        return;
    struct streams *streams = &core->core.streams;
    uint32_t stream = conn_at(&core->core.gateway, index)->stream;
    stream_close(streams, stream_handle(streams, stream), STREAM_CLOSE_ABORT);
    core->wake_at_ns = 0;
    world->fault_count++;
    sim_trace("core %u cuts connection %u", core->core.id, index);
}

void faults_move(struct world *world) {
    struct sim_core *core = &world->cores[rng_below(&world->rng, world->core_count)];
    uint32_t to = rng_below(&world->rng, world->core_count);
    struct gateway *gateway = &core->core.gateway;
    uint32_t begun = 0;
    if (core->has_stopped)
        return;
    if (rng_below(&world->rng, 2) == 0) {
        begun = gateway_move_some(gateway, to, 1 + rng_below(&world->rng, 16));
    } else {
        uint32_t index = pick(world, &core->core, KIND_CONNECTION);
        if (index != SLAB_NONE)
            begun = conn_move_begin(gateway, index, to) == 0;
    }
    core->wake_at_ns = 0;
    world->move_count += begun;
    sim_trace("core %u begins to move %u connections to core %u", core->core.id, begun, to);
}

void faults_strike(struct world *world) {
    struct sim_core *core = &world->cores[rng_below(&world->rng, world->core_count)];
    uint32_t what = rng_below(&world->rng, 8);
    bool has_mqtt = world->mqtt.client_count > 0;
    if (has_mqtt && world->mqtt.is_gentle) { // who is accepted must be delivered
        what |= 5;
        what = what == 5 ? 5 : 7;
    } else if (has_mqtt && rng_below(&world->mqtt_rng, 4) == 0) {
        end_actor(world, core, KIND_MQTT_SESSION);
        return;
    }
    switch (what) {
    case 0:
    case 1:
    case 2:
        end_actor(world, core, KIND_ROOM);
        return;
    case 3:
    case 4:
        end_actor(world, core, KIND_LEAF);
        return;
    case 5:
        end_actor(world, core, KIND_CONNECTION);
        return;
    case 6:
        end_service(world, core);
        return;
    default:
        cut_connection(world, core);
    }
}
