// What must hold, seen from inside: the audit and the budgets after every turn, all structures now
// and then, the truth when it is quiet.
#include <inttypes.h>

#include "chat/leaf.h"
#include "chat/room.h"
#include "gateway/mqtt_outbox.h"
#include "io/ring_sim.h"
#include "sched/base/clock.h"
#include "sched/supervisor.h"
#include "tests/sim/world.h"

#define FRAME_BYTES_MAX 512 // what stands around a payload

static void check_audit(const struct core *core) {
    const struct counters *counters = &core->counters;
    uint64_t due = counter_read(counters, COUNTER_DUE);
    uint64_t delivered = counter_read(counters, COUNTER_DELIVERED);
    uint64_t dropped = counters_dropped(counters);
    uint64_t pending =
        counter_read(counters, COUNTER_PENDING) + counter_read(counters, COUNTER_GATHERED);
    uint64_t moved_in = counter_read(counters, COUNTER_MOVED_IN);
    uint64_t moved_out = counter_read(counters, COUNTER_MOVED_OUT);
    SIM_REQUIRE(due + moved_in == delivered + dropped + pending + moved_out,
                "audit: core %u: due %lu, delivered %lu, dropped %lu, pending %lu, moved in %lu, "
                "out %lu",
                core->id, due, delivered, dropped, pending, moved_in, moved_out);
}

static void check_budgets(const struct world *world, const struct core *core) {
    const struct config *config = &world->config;
    uint32_t one_max = config->message_bytes_max + FRAME_BYTES_MAX;
    // An empty queue takes any one parcel; a batch holds half a queue, and the message that fills
    // it.
    uint32_t batch_max = config->out_queue_bytes_max / 2 + one_max;
    uint32_t room_max =
        config->out_queue_bytes_max > batch_max ? config->out_queue_bytes_max : batch_max;
    const struct slab *streams = &core->streams.slots;
    // What a connection brings along comes in front of what it was given here meanwhile.
    uint32_t times = counter_read(&core->counters, COUNTER_STREAMS_ARRIVED) > 0 ? 2 : 1;
    for (uint32_t i = 0; i < streams->touched_count; i++) {
        if (!slab_is_used(streams, i))
            continue;
        uint32_t room_bytes = stream_room_bytes(&core->streams, i);
        uint32_t control_bytes = stream_control_bytes(&core->streams, i);
        SIM_REQUIRE(room_bytes <= times * room_max,
                    "budget: core %u, stream %u: %u bytes of room messages", core->id, i,
                    room_bytes);
        SIM_REQUIRE(control_bytes <= times * (core->streams.config.control_bytes_max + one_max),
                    "budget: core %u, stream %u: %u bytes of replies", core->id, i, control_bytes);
    }
    SIM_REQUIRE(core->blocks.bytes_used <= core->blocks.bytes_max,
                "budget: core %u: blocks of %zu bytes", core->id, core->blocks.bytes_used);
    SIM_REQUIRE(core->chat.publish_count <= core->chat.config.publishes_max,
                "budget: core %u: %u publishes under way", core->id, core->chat.publish_count);
}

void world_check_core(struct world *world, struct sim_core *core) {
    check_audit(&core->core);
    check_budgets(world, &core->core);
}

static void validate_chat(const struct chat *chat) {
    const struct slab *rooms = &chat->scheduler->kinds[KIND_ROOM].slab;
    const struct slab *leaves = &chat->scheduler->kinds[KIND_LEAF].slab;
    for (uint32_t i = 0; i < rooms->touched_count; i++)
        if (slab_is_used(rooms, i))
            presence_validate(chat, &((const struct room *)slab_at(rooms, i))->presence);
    for (uint32_t i = 0; i < leaves->touched_count; i++)
        if (slab_is_used(leaves, i))
            leaf_validate(chat, i);
    registry_validate(&chat->rooms);
    registry_validate(&chat->leaves);
    slab_validate(&chat->members);
}

static void validate_mqtt(struct core *core) {
    const struct slab *sessions = &core->scheduler.kinds[KIND_MQTT_SESSION].slab;
    for (uint32_t i = 0; i < sessions->touched_count; i++)
        if (slab_is_used(sessions, i))
            mqtt_outbox_validate(&core->gateway, i);
}

void world_validate(struct world *world) {
    mesh_validate(&world->shared.mesh);
    for (uint32_t i = 0; i < world->core_count; i++) {
        const struct core *core = &world->cores[i].core;
        if (world->cores[i].has_stopped)
            continue;
        scheduler_validate(&core->scheduler);
        supervisor_validate(&core->scheduler);
        streams_validate(&core->streams);
        blocks_validate(&core->blocks);
        validate_chat(&core->chat);
        topics_validate(&core->topics);
        validate_mqtt(&world->cores[i].core);
    }
}

// --- quiet ---------------------------------------------------------------------------------------

// Everything of one room, as the clients together say it is.
struct truth {
    uint32_t connections;
    uint32_t users;
    uint32_t metas_shown;
    uint32_t metas[WORLD_CLIENTS_MAX]; // by user
};

static bool is_member(const struct client *client, uint32_t room) {
    return client->phase == CLIENT_OPEN && client->rooms[room].state == MEMBERSHIP_JOINED;
}

static struct truth truth_of(const struct world *world, uint32_t room) {
    struct truth truth = {0};
    for (uint32_t i = 0; i < world->client_count; i++) {
        const struct client *client = &world->clients[i];
        if (!is_member(client, room))
            continue;
        truth.connections++;
        truth.users += truth.metas[client->user]++ == 0;
        truth.metas_shown += truth.metas[client->user] <= PRESENCE_METAS_PER_USER_MAX;
    }
    return truth;
}

static bool is_live_meta(const struct world *world, uint32_t room, const struct shown_meta *meta) {
    for (uint32_t i = 0; i < world->client_count; i++) {
        const struct client *client = &world->clients[i];
        if (is_member(client, room) && client->rooms[room].serial == meta->serial)
            return client->user == meta->user;
    }
    return false;
}

static void check_list(const struct world *world, const struct client *client, uint32_t room,
                       const struct truth *truth) {
    const struct membership *membership = &client->rooms[room];
    const char *name = world->model.rooms[room].name;
    uint32_t count = truth->metas_shown;
    // A sample of more users than it holds is any of them.
    bool is_sample = truth->users > PRESENCE_SAMPLE_USERS;
    SIM_REQUIRE(membership->has_state, "presence: client %u, room %s: no state", client->id, name);
    SIM_REQUIRE(is_sample || membership->shown_count == count,
                "presence: client %u, room %s, join %u: is shown %u metas, there are %u",
                client->id, name, membership->serial, membership->shown_count, count);
    for (uint32_t i = 0; i < membership->shown_count; i++)
        SIM_REQUIRE(is_live_meta(world, room, &membership->shown[i]),
                    "presence: client %u, room %s: is shown join %u of user %u, who is gone",
                    client->id, name, membership->shown[i].serial, membership->shown[i].user);
}

static void check_member(const struct world *world, const struct client *client, uint32_t room,
                         const struct chat_room_info *info, const struct truth *truth) {
    const struct membership *membership = &client->rooms[room];
    const char *name = world->model.rooms[room].name;
    SIM_REQUIRE(membership->epoch == info->epoch, "epoch: client %u, room %s: is in another life",
                client->id, name);
    // chat/leaf.h: a gap that there was no memory for comes with the next message.
    SIM_REQUIRE(membership->sequence == info->sequence || world->has_short_memory,
                "missing: client %u, room %s, join %u: has %lu of %lu messages", client->id, name,
                membership->serial, membership->sequence, info->sequence);
    bool has_list = strcmp(info->presence, "list") == 0 || strcmp(info->presence, "sampled") == 0;
    bool has_counts =
        strcmp(info->presence, "counts") == 0 || strcmp(info->presence, "sampled") == 0;
    if (has_list)
        check_list(world, client, room, truth);
    if (has_counts)
        SIM_REQUIRE(membership->has_counts && membership->count_connections == truth->connections &&
                        membership->count_users == truth->users,
                    "presence: client %u, room %s: is told %lu users, %lu connections, there are "
                    "%u, %u",
                    client->id, name, membership->count_users, membership->count_connections,
                    truth->users, truth->connections);
}

static void check_room(struct world *world, uint32_t room) {
    struct truth truth = truth_of(world, room);
    const char *name = world->model.rooms[room].name;
    struct bytes bytes = bytes_from_string(name);
    uint32_t home = chat_home_core(&world->cores[0].core.chat, bytes);
    struct chat_room_info info = {0};
    bool is_found = chat_room_lookup(&world->cores[home].core.chat, bytes, &info);
    SIM_REQUIRE(is_found || truth.connections == 0, "room: %s has members and no home", name);
    if (!is_found)
        return;
    SIM_REQUIRE(info.connections == truth.connections, "room: %s counts %u members, there are %u",
                name, info.connections, truth.connections);
    for (uint32_t i = 0; i < world->client_count; i++)
        if (is_member(&world->clients[i], room))
            check_member(world, &world->clients[i], room, &info, &truth);
}

static void stream_dump_line(const struct streams *streams, uint32_t index) {
    const struct stream *stream = slab_at(&streams->slots, index);
    sim_trace("stream %u: state %u, recv %u, flags %x, in flight %u, owner %x, room %u, control %u",
              index, stream->state, stream->recv, stream->flags, stream->in_flight, stream->owner,
              stream->room_bytes, stream->control_bytes);
}

// Connections may have moved from the core that they came to.
static void check_connections(const struct world *world) {
    uint64_t counted = 0, open = 0;
    for (uint32_t i = 0; i < world->core_count; i++)
        counted += counter_read(&world->cores[i].core.counters, COUNTER_CONNECTIONS);
    for (uint32_t i = 0; i < world->client_count; i++)
        open += world->clients[i].phase == CLIENT_OPEN;
    open += mqtt_clients_open_count(world);
    SIM_REQUIRE(counted == open, "quiet: cores have %lu connections, clients have %lu", counted,
                open);
}

static void check_core_quiet(const struct world *world, const struct core *core) {
    SIM_REQUIRE(tree_is_up(&core->tree), "tree: core %u: the root supervisor is gone", core->id);
    SIM_REQUIRE(core->scheduler.kinds[KIND_CHAT].slab.used_count == 1 &&
                    core->scheduler.kinds[KIND_CONTROL].slab.used_count == 1 &&
                    core->scheduler.kinds[KIND_MOVE].slab.used_count == 1,
                "tree: core %u: a service was not started again", core->id);
    uint64_t pending = counter_read(&core->counters, COUNTER_PENDING) +
                       counter_read(&core->counters, COUNTER_GATHERED);
    for (uint32_t i = 0; sim_traces() && i < core->streams.slots.touched_count; i++)
        if (slab_is_used(&core->streams.slots, i))
            stream_dump_line(&core->streams, i);
    SIM_REQUIRE(pending == 0, "quiet: core %u: %lu messages are pending", core->id, pending);
    SIM_REQUIRE(core->scheduler.cells.used_count == 0, "quiet: core %u: %u message cells", core->id,
                core->scheduler.cells.used_count);
    SIM_REQUIRE(core->chat.publish_count == 0, "quiet: core %u: %u publishes without an answer",
                core->id, core->chat.publish_count);
    SIM_REQUIRE(core->gateway.moves.used_count == 0, "quiet: core %u: %u moves do not end",
                core->id, core->gateway.moves.used_count);
}

void world_check_quiet(struct world *world) {
    for (uint32_t i = 0; i < world->client_count; i++)
        client_check_quiet(world, &world->clients[i]);
    check_connections(world);
    for (uint32_t i = 0; i < world->core_count; i++)
        check_core_quiet(world, &world->cores[i].core);
    for (uint32_t i = 0; i < world->model.room_count; i++)
        check_room(world, i);
    mqtt_clients_check_quiet(world);
    probes_check(world);
}
