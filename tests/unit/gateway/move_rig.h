// Several cores of gateway, chat and real streams over simulated rings, joined by a mesh, turned on
// one thread; and clients that read what they are sent: numbers in order, gaps, answers, presence.
// The audit is checked after every turn. Header-only: one per test program.
#ifndef FAIRLEAD_TESTS_GATEWAY_MOVE_RIG_H
#define FAIRLEAD_TESTS_GATEWAY_MOVE_RIG_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/conn_move.h"
#include "gateway/limits.h"
#include "io/accept.h"
#include "io/ring_sim.h"
#include "sched/base/clock.h"

#define CORES_MAX 3
#define CLIENTS_MAX 8
#define ROOMS 3
#define LISTEN_FD 7

struct core {
    struct memory_ledger ledger;
    struct counters counters;
    struct blocks blocks;
    struct scheduler scheduler;
    struct ring *ring;
    struct streams streams;
    struct chat chat;
    struct gateway gateway;
    uint32_t now_s;
    bool is_stalled;
};

struct client {
    const char *user;
    uint32_t core; // that it connected to, whose ring knows its peer
    uint32_t peer;
    bool is_stalled;
    uint8_t *in; // no whole frame yet
    size_t in_size;
    uint64_t last[ROOMS];       // number
    uint32_t reply_last[ROOMS]; // ref; a room answers in order
    uint32_t published;         // ref of the latest
    uint32_t answered;
    uint32_t messages, gaps, states, diffs, joined, errors, refused;
    uint32_t close_code; // 0: none came
};

struct world {
    struct config config;
    struct mesh mesh;
    uint32_t core_count;
    uint64_t now_ns;
    struct core cores[CORES_MAX];
    struct client clients[CLIENTS_MAX];
    uint32_t client_count;
};

static struct world world;

// What a test may choose before world_open.
struct world_sizes {
    uint32_t core_count;
    uint32_t connections_max; // of core 1; 0: as the others
    uint64_t seed;            // of the weather, 0: none
};

static inline void world_open_core(const struct world_sizes *sizes, uint32_t id) {
    struct core *core = &world.cores[id];
    const struct scheduler_config scheduler = {.core = (uint8_t)id, .message_cells_max = 1u << 20};
    const struct ring_config ring = {
        .lane_count = 1, .descriptors_per_lane = 512, .counters = &core->counters};
    uint32_t connections_max = id == 1 && sizes->connections_max ? sizes->connections_max : 300;
    ck_assert_int_eq(blocks_init(&core->blocks, &core->ledger, 64 << 20), 0);
    ck_assert_int_eq(scheduler_init(&core->scheduler, &scheduler, &world.mesh, &core->ledger,
                                    &core->blocks, &core->counters, world.now_ns),
                     0);
    const struct gateway_parts parts = {.scheduler = &core->scheduler,
                                        .streams = &core->streams,
                                        .chat = &core->chat,
                                        .blocks = &core->blocks,
                                        .counters = &core->counters,
                                        .ledger = &core->ledger,
                                        .config = &world.config,
                                        .connections_max = connections_max,
                                        .connections_spare = 4,
                                        .control_bytes_max = LIMITS_CONTROL_BYTES,
                                        .rng_seed = id};
    ck_assert_int_eq(gateway_init(&core->gateway, &parts), 0);
    const struct chat_config chat = {.core_count = sizes->core_count,
                                     .rooms_max = 16,
                                     .members_max = 2048,
                                     .users_max = 2048,
                                     .batch_bytes_max = world.config.out_queue_bytes_max / 2,
                                     .seed = 3,
                                     .rng_seed = id + 10};
    ck_assert_int_eq(chat_init(&core->chat, &chat, &core->scheduler, &core->ledger, &core->gateway),
                     0);
    ck_assert(scheduler_spawn(&core->scheduler, KIND_MOVE, NULL) != PID_NONE);
    ck_assert_int_eq(ring_open(&ring, &core->ledger, &core->ring), 0);
    const struct stream_config streams = {.connections_max = connections_max,
                                          .connections_spare = 4,
                                          .out_queue_bytes_max = world.config.out_queue_bytes_max,
                                          .control_bytes_max = LIMITS_CONTROL_BYTES};
    ck_assert_int_eq(streams_init(&core->streams, &core->ledger, core->ring, &core->blocks,
                                  &core->counters, &streams, &core->gateway),
                     0);
    ck_assert_int_ge(accept_open(&core->streams, &(struct accept_config){.listen_fd = LISTEN_FD}),
                     0);
    ring_sim_seed(core->ring, sizes->seed + id);
    if (sizes->seed > 0)
        *ring_sim_knobs(core->ring) = (struct ring_sim_knobs){.reorders = true,
                                                              .late_one_in = 5,
                                                              .lose_more_one_in = 7,
                                                              .cancel_misses_one_in = 3,
                                                              .short_send_one_in = 4};
}

static inline void world_open(const struct world_sizes *sizes) {
    const struct mesh_config mesh = {
        .scheduler_count = sizes->core_count, .outsider_count = 0, .ring_cells = 1024};
    memset(&world, 0, sizeof(world));
    world.now_ns = 1000 * NS_PER_S;
    world.core_count = sizes->core_count;
    world.config = (struct config){.handshake_timeout_s = 10,
                                   .idle_timeout_s = 60,
                                   .message_bytes_max = 65536,
                                   .out_queue_bytes_max = 4096,
                                   .channels_per_socket_max = 4,
                                   .room = {.presence_list_max = 100}};
    ck_assert_int_eq(mesh_init(&world.mesh, &mesh), 0);
    for (uint32_t i = 0; i < world.core_count; i++)
        world_open_core(sizes, i);
    for (uint32_t i = 0; i < world.core_count; i++)
        world.mesh.endpoints[i].blocks = &world.cores[i].blocks;
}

static inline void world_check_audit(const struct core *core) {
    const struct counters *c = &core->counters;
    ck_assert_uint_eq(counter_read(c, COUNTER_DUE) + counter_read(c, COUNTER_MOVED_IN),
                      counter_read(c, COUNTER_DELIVERED) + counter_read(c, COUNTER_DROPPED_SLOW) +
                          counter_read(c, COUNTER_DROPPED_CLOSED) +
                          counter_read(c, COUNTER_DROPPED_MEMORY) +
                          counter_read(c, COUNTER_PENDING) + counter_read(c, COUNTER_GATHERED) +
                          counter_read(c, COUNTER_MOVED_OUT));
}

static inline void world_turn_core(struct core *core) {
    struct ring_completion completion;
    ring_enter(core->ring, 0);
    core->scheduler.now_ns = world.now_ns;
    while (ring_next(core->ring, &completion))
        stream_on_completion(&core->streams, &completion);
    stream_settle(&core->streams);
    if (world.now_ns / NS_PER_S != core->now_s) {
        core->now_s = (uint32_t)(world.now_ns / NS_PER_S);
        stream_tick(&core->streams, core->now_s);
    }
    (void)scheduler_turn(&core->scheduler, world.now_ns);
    (void)chat_flush(&core->chat);
    (void)gateway_turn_end(&core->gateway);
    stream_flush_dirty(&core->streams);
    (void)scheduler_publish(&core->scheduler);
    world_check_audit(core);
}

// --- clients -------------------------------------------------------------------------------------

static const char *const world_rooms[ROOMS] = {"a", "b", "c"};

static inline uint32_t client_room(const char *text) {
    const char *topic = strstr(text, "\"room:");
    for (uint32_t i = 0; topic && i < ROOMS; i++)
        if (topic[6] == world_rooms[i][0])
            return i;
    return 0;
}

static inline void client_on_reply(struct client *client, const char *text) {
    unsigned ref = 0;
    if (strstr(text, "\"epoch\"")) {
        client->joined++;
        return;
    }
    if (strstr(text, "\"status\":\"error\""))
        client->refused++;
    if (sscanf(text, "[\"%*u\",\"%u\"", &ref) != 1)
        return;
    uint32_t *last = &client->reply_last[client_room(text)];
    ck_assert_msg(ref > *last && ref <= client->published, "%s: reply %u after %u", client->user,
                  ref, *last);
    *last = ref;
    client->answered++;
}

static inline void client_on_text(struct client *client, const char *text) {
    uint64_t *last = &client->last[client_room(text)];
    unsigned long from, to;
    const char *at;
    if (strstr(text, "\"phx_reply\"")) {
        client_on_reply(client, text);
    } else if ((at = strstr(text, "\"shout\",")) != NULL) {
        at = strrchr(text, ',');
        ck_assert_int_eq(sscanf(at, ",%lu]", &from), 1);
        ck_assert_msg(from == *last + 1 || *last == 0, "%s: %s after %lu", client->user, text,
                      *last);
        *last = from;
        client->messages++;
    } else if ((at = strstr(text, "\"gap\",")) != NULL) {
        ck_assert_int_eq(sscanf(at, "\"gap\",{\"from\":%lu,\"to\":%lu}", &from, &to), 2);
        ck_assert_msg(from == *last + 1, "%s: %s after %lu", client->user, text, *last);
        *last = to;
        client->gaps++;
    } else if (strstr(text, "\"presence_state\"")) {
        client->states++;
    } else if (strstr(text, "\"presence_diff\"")) {
        client->diffs++;
    } else if (strstr(text, "\"phx_error\"")) {
        *last = 0;
        client->errors++;
    } else if (strstr(text, "\"phx_close\"")) { // joined again
        *last = 0;
    } else {
        ck_abort_msg("%s was sent %s", client->user, text);
    }
}

// Takes whole frames from the front.
static inline void client_parse(struct client *client) {
    static char text[70000];
    size_t at = 0;
    const uint8_t *head =
        client->in_size > 4 ? memmem(client->in, client->in_size, "\r\n\r\n", 4) : NULL;
    if (client->in_size > 4 && memcmp(client->in, "HTTP", 4) == 0) {
        if (!head)
            return;
        at = (size_t)(head - client->in) + 4;
    }
    while (client->in_size - at >= 2) {
        const uint8_t *frame = client->in + at;
        size_t size = frame[1], start = 2;
        if (size == 126 && client->in_size - at >= 4) {
            size = (size_t)frame[2] << 8 | frame[3];
            start = 4;
        } else if (size >= 126) {
            break;
        }
        if (client->in_size - at < start + size)
            break;
        ck_assert_uint_lt(size, sizeof(text));
        memcpy(text, frame + start, size);
        text[size] = 0;
        if ((frame[0] & 15) == 8)
            client->close_code = (uint32_t)frame[start] << 8 | frame[start + 1];
        else if ((frame[0] & 15) == 1)
            client_on_text(client, text);
        at += start + size;
    }
    memmove(client->in, client->in + at, client->in_size - at);
    client->in_size -= at;
}

static inline void client_read(struct client *client) {
    uint8_t bytes[4096];
    size_t got;
    struct ring *ring = world.cores[client->core].ring;
    while (!client->is_stalled &&
           (got = ring_sim_peer_receive(ring, client->peer, bytes, sizeof(bytes))) > 0) {
        client->in = realloc(client->in, client->in_size + got);
        memcpy(client->in + client->in_size, bytes, got);
        client->in_size += got;
        client_parse(client);
    }
}

static inline void world_turn(void) {
    world.now_ns += NS_PER_MS;
    for (uint32_t i = 0; i < world.core_count; i++)
        if (!world.cores[i].is_stalled)
            world_turn_core(&world.cores[i]);
    for (uint32_t i = 0; i < world.client_count; i++)
        client_read(&world.clients[i]);
}

static inline void world_turns(uint32_t count) {
    while (count-- > 0)
        world_turn();
}

static inline void client_send(const struct client *client, const void *bytes, size_t size) {
    ring_sim_peer_send(world.cores[client->core].ring, client->peer, bytes, size);
}

static inline size_t client_frame(uint8_t *frame, size_t capacity, const char *text) {
    struct writer w = writer_on(frame, capacity);
    websocket_encode_masked(&w, WEBSOCKET_TEXT, bytes_from_string(text),
                            (const uint8_t[4]){7, 0, 255, 1});
    ck_assert(!w.overflow);
    return w.size;
}

static inline void client_text(const struct client *client, const char *text) {
    uint8_t frame[4096];
    client_send(client, frame, client_frame(frame, sizeof(frame), text));
}

// Answered in the order of their refs.
static inline void client_publish(struct client *client, uint32_t room) {
    char text[128];
    snprintf(text, sizeof(text), "[\"%u\",\"%u\",\"room:%s\",\"shout\",{\"x\":%lu}]", 900 + room,
             ++client->published, world_rooms[room], (unsigned long)world.now_ns);
    client_text(client, text);
}

static inline void client_join(struct client *client, uint32_t room) {
    char text[128];
    snprintf(text, sizeof(text), "[\"%u\",\"%u\",\"room:%s\",\"phx_join\",{}]", 900 + room,
             900 + room, world_rooms[room]);
    client->last[room] = 0;
    client_text(client, text);
}

// Connected to a core and in the first `rooms` rooms.
static inline struct client *client_new(const char *user, uint32_t core, uint32_t rooms) {
    char request[512];
    struct client *client = &world.clients[world.client_count++];
    *client = (struct client){.user = user, .core = core};
    client->peer = ring_sim_connect(world.cores[core].ring, LISTEN_FD);
    int size = snprintf(request, sizeof(request),
                        "GET /socket/websocket?vsn=2.0.0&user=%s HTTP/1.1\r\nHost: a\r\n"
                        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        user);
    client_send(client, request, (size_t)size);
    for (uint32_t i = 0; i < rooms; i++)
        client_join(client, i);
    world_turns(150);
    ck_assert_uint_eq(client->joined, rooms);
    return client;
}

// Where the user's connection is: core and slot; false when it is nowhere. The one that is not
// arriving, if there are two.
struct whereabouts {
    uint32_t core;
    uint32_t index;
};

static inline bool client_where_in(const struct client *client, bool is_arriving,
                                   struct whereabouts *where) {
    for (uint32_t i = 0; i < world.core_count; i++) {
        const struct gateway *gateway = &world.cores[i].gateway;
        const struct slab *slab = &world.cores[i].scheduler.kinds[KIND_CONNECTION].slab;
        for (uint32_t at = 0; at < slab->touched_count; at++) {
            if (!slab_is_used(slab, at))
                continue;
            const struct conn *conn = conn_at(gateway, at);
            if (conn->user == TEXT_NONE || (conn_state(conn) == CONN_ARRIVING) != is_arriving ||
                !bytes_equal_string(text_bytes(&gateway->users, conn->user), client->user))
                continue;
            *where = (struct whereabouts){i, at};
            return true;
        }
    }
    return false;
}

static inline bool client_where(const struct client *client, struct whereabouts *where) {
    return client_where_in(client, false, where);
}

static inline int client_move(const struct client *client, uint32_t to) {
    struct whereabouts where;
    ck_assert(client_where(client, &where));
    return conn_move_begin(&world.cores[where.core].gateway, where.index, to);
}

static inline uint64_t world_sum(enum counter which) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world.core_count; i++)
        sum += counter_read(&world.cores[i].counters, which);
    return sum;
}

static inline uint32_t world_moves(void) {
    uint32_t moves = 0;
    for (uint32_t i = 0; i < world.core_count; i++)
        moves += world.cores[i].gateway.moves.used_count;
    return moves;
}

// Everybody is cut, rooms die, nothing is left on any core.
static inline void world_close(void) {
    for (uint32_t i = 0; i < world.core_count; i++) {
        world.cores[i].is_stalled = false;
        gateway_stop(&world.cores[i].gateway);
        accept_close_all(&world.cores[i].streams);
    }
    world_turns(300);
    world.now_ns += 61 * NS_PER_S;
    world_turns(50);
    for (uint32_t i = 0; i < world.core_count; i++) {
        struct core *core = &world.cores[i];
        ck_assert(gateway_is_empty(&core->gateway));
        ck_assert_uint_eq(core->chat.members.used_count, 0);
        ck_assert_uint_eq(counter_read(&core->counters, COUNTER_PENDING), 0);
        scheduler_exit(&core->scheduler, KIND_MOVE, 0, EXIT_SHUTDOWN);
        gateway_fini(&core->gateway);
        chat_fini(&core->chat);
        streams_fini(&core->streams);
    }
    for (uint32_t i = 0; i < world.core_count; i++) {
        struct core *core = &world.cores[i];
        blocks_collect(&core->blocks);
        blocks_check_empty(&core->blocks);
        ring_close(core->ring);
    }
    for (uint32_t i = 0; i < world.core_count; i++) {
        blocks_fini(&world.cores[i].blocks);
        memory_release_all(&world.cores[i].ledger);
    }
    for (uint32_t i = 0; i < world.client_count; i++)
        free(world.clients[i].in);
    mesh_fini(&world.mesh);
}

#endif
