// The weather: what kernel, network, clocks and people do to the gateway.
#include <errno.h>

#include "io/ring_sim.h"
#include "sched/base/clock.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

static uint32_t below(struct world *world, uint32_t bound) {
    return rng_below(&world->rng, bound);
}

static bool one_in(struct world *world, uint32_t n) {
    return below(world, n) == 0;
}

static uint32_t chance(struct world *world) {
    static const uint32_t chances[] = {0, 0, 2, 3, 5, 20};
    return chances[below(world, 6)];
}

static void show_all_buffers(struct sim_core *core) {
    ring_sim_show_buffers(core->core.ring, core->hidden_buffers);
    core->hidden_buffers = 0;
}

static void change_ring(struct world *world, struct sim_core *core) {
    struct ring_sim_knobs *knobs = ring_sim_knobs(core->core.ring);
    knobs->reorders = one_in(world, 2);
    knobs->late_one_in = chance(world);
    knobs->lose_more_one_in = chance(world);
    knobs->cancel_misses_one_in = chance(world);
    knobs->short_send_one_in = chance(world);
    knobs->run_max = one_in(world, 2) ? 1 + below(world, 4) : 0;
    knobs->send_space = one_in(world, 2) ? 64u << below(world, 10) : 0;
    knobs->reports_success = one_in(world, 4);
    static const int pass_errors[] = {0, 0, 0, EBADF, ENFILE, EOVERFLOW};
    knobs->pass_error = pass_errors[below(world, 6)];
    knobs->cannot_pass = one_in(world, 16);
}

static void hide_buffers(struct world *world, struct sim_core *core) {
    show_all_buffers(core);
    if (one_in(world, 2))
        core->hidden_buffers = ring_sim_hide_buffers(core->core.ring, 1 + below(world, 64));
}

static void change_client(struct world *world, struct client *client) {
    client->split_max = one_in(world, 3) ? 1u << below(world, 11) : 0;
    client->is_stalled = one_in(world, 4);
    if (client->phase != CLIENT_AWAY)
        ring_sim_peer_set_space(world->cores[client->core].core.ring, client->peer,
                                one_in(world, 2) ? 16u << below(world, 12) : 64u << 10);
}

// Mostly a little; enough for each of the timeouts now and then.
static void jump(struct world *world) {
    static const uint64_t jumps_ms[] = {10, 10, 60, 60, 120, 250, 600, 1100, 2500, 7000, 61000};
    uint32_t which = below(world, one_in(world, 8) ? 11 : 7);
    uint64_t ns = jumps_ms[which] * NS_PER_MS + below(world, 1000000);
    clock_sim_advance(ns);
    world->now_ns = clock_monotonic_ns();
    sim_trace("clock jumps %lu ms", (unsigned long)(ns / NS_PER_MS));
}

void weather_change(struct world *world) {
    struct sim_core *core = &world->cores[below(world, world->core_count)];
    switch (below(world, 17)) {
    case 0:
        change_ring(world, core);
        return;
    case 1:
        hide_buffers(world, core);
        return;
    case 2:
        core->stalled_until = world->step + below(world, 200);
        return;
    case 3:
        jump(world);
        return;
    case 4:
    case 5:
    case 6:
        faults_strike(world);
        return;
    case 7:
    case 8:
    case 9:
        faults_move(world);
        return;
    default:
        change_client(world, &world->clients[below(world, world->client_count)]);
    }
}

void weather_init(struct world *world) {
    for (uint32_t i = 0; i < world->core_count; i++)
        change_ring(world, &world->cores[i]);
    for (uint32_t i = 0; i < world->client_count; i++)
        change_client(world, &world->clients[i]);
}

void weather_calm(struct world *world) {
    mqtt_clients_calm(world);
    for (uint32_t i = 0; i < world->core_count; i++) {
        struct sim_core *core = &world->cores[i];
        *ring_sim_knobs(core->core.ring) = (struct ring_sim_knobs){0};
        show_all_buffers(core);
        core->stalled_until = 0;
    }
    for (uint32_t i = 0; i < world->client_count; i++) {
        struct client *client = &world->clients[i];
        client->split_max = 0;
        client->is_stalled = false;
        if (client->phase == CLIENT_AWAY)
            continue;
        ring_sim_peer_set_space(world->cores[client->core].core.ring, client->peer, 64u << 10);
        if (client->is_mute)
            client_fin(world, client);
    }
}

// --- what people do ------------------------------------------------------------------------------

static struct client_publish draw_publish(struct world *world) {
    return (struct client_publish){.size = one_in(world, 20)  ? below(world, 3500)
                                           : one_in(world, 4) ? below(world, 600)
                                                              : below(world, 40),
                                   // A binary message has no number: behind a hole that
                                   // memory made it could not be told which one it is.
                                   .is_binary = one_in(world, 6) && !world->has_short_memory,
                                   .is_fragmented = one_in(world, 8),
                                   .wants_reply = !one_in(world, 4)};
}

static void talk(struct world *world, struct client *client, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct client_publish publish = draw_publish(world);
        (void)client_publish(world, client, below(world, world->model.room_count), &publish);
    }
}

// Ends, and those who never finish their handshake.
static void leave_world(struct world *world, struct client *client) {
    switch (below(world, 6)) {
    case 0:
        client_say_goodbye(world, client);
        return;
    case 1:
    case 2:
        client_fin(world, client);
        return;
    case 3:
        client_rubbish(world, client);
        return;
    default:
        client_reset(world, client);
    }
}

void weather_client(struct world *world, struct client *client) {
    uint32_t room = below(world, world->model.room_count);
    if (client->phase == CLIENT_AWAY) {
        if (one_in(world, 2))
            client_connect(world, client, below(world, world->core_count));
        return;
    }
    if (client->phase == CLIENT_OPEN && client->next_ref == 0) { // first of all
        (void)client_join(world, client, room);
        return;
    }
    switch (below(world, 24)) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (client->rooms[room].state == MEMBERSHIP_NONE)
            (void)client_join(world, client, room);
        return;
    case 4:
        if (one_in(world, 3))
            (void)client_join(world, client, room);
        return;
    case 5:
        (void)client_leave(world, client, room);
        return;
    case 6:
        talk(world, client, 1 + below(world, 40));
        return;
    case 7:
    case 8:
    case 9:
        (void)client_whisper(world, client, room);
        return;
    case 10:
        (void)client_ping(world, client);
        return;
    case 11:
        client_frame_ping(world, client);
        return;
    case 12:
        (void)client_forbidden(world, client, room);
        return;
    case 13:
        if (one_in(world, 6))
            leave_world(world, client);
        return;
    default:
        talk(world, client, 1 + below(world, 3));
    }
}
