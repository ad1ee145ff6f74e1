// The sending half of a client, and its connection. client_receive.c is the other.
#include "tests/sim/client.h"

#include <inttypes.h>
#include <stdio.h>

#include "io/ring_sim.h"
#include "sched/base/clock.h"
#include "sched/base/hash.h"
#include "tests/sim/world.h"

#define OUTBOX_BYTES_MAX (256u << 10)
#define HEAD_BYTES_MAX 2048

void client_init(struct client *client, uint32_t id, uint32_t user) {
    *client = (struct client){.id = id, .user = user};
}

static void membership_clear(struct membership *membership) {
    free(membership->shown);
    free(membership->heard);
    *membership = (struct membership){0};
}

void client_forget(struct client *client) {
    for (uint32_t i = 0; i < MODEL_ROOMS_MAX; i++)
        membership_clear(&client->rooms[i]);
    client->request_count = 0;
    client->next_ref = 0;
    client->outbox.size = 0;
    client->inbox.size = 0;
    client->pings_owed = 0;
    client->is_mute = client->has_sinned = client->must_close = client->saw_close = false;
    client->is_stalled = false;
    client->phase = CLIENT_AWAY;
}

void client_fini(struct client *client) {
    client_forget(client);
    sim_buffer_free(&client->outbox);
    sim_buffer_free(&client->inbox);
}

static struct ring *ring_of(const struct world *world, const struct client *client) {
    return world->cores[client->core].core.ring;
}

void client_connect(struct world *world, struct client *client, uint32_t core) {
    char request[HEAD_BYTES_MAX];
    CHECK(client->phase == CLIENT_AWAY);
    client_forget(client);
    client->core = core;
    client->peer = ring_sim_connect(ring_of(world, client), world_listen_fd(core));
    client->phase = CLIENT_SHAKING;
    client->connects++;
    client->beat_ns = world->now_ns;
    int size = snprintf(request, sizeof(request),
                        "GET /socket/websocket?vsn=2.0.0&user=u%u HTTP/1.1\r\nHost: sim\r\n"
                        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        client->user);
    sim_buffer_append(&client->outbox, request, (size_t)size);
    sim_trace("client %u connects to core %u as peer %u", client->id, core, client->peer);
}

// --- sending -------------------------------------------------------------------------------------

static void put_frame(struct world *world, struct client *client, uint8_t first, const void *data,
                      size_t size) {
    uint8_t header[14] = {first};
    size_t at = 2;
    if (size < 126) {
        header[1] = (uint8_t)(0x80 | size);
    } else if (size < 65536) {
        header[1] = 0x80 | 126;
        header[at++] = (uint8_t)(size >> 8);
        header[at++] = (uint8_t)size;
    } else {
        header[1] = 0x80 | 127;
        for (uint32_t shift = 64; shift > 0; shift -= 8)
            header[at++] = (uint8_t)((uint64_t)size >> (shift - 8));
    }
    uint32_t mask = (uint32_t)rng_next(&world->rng);
    memcpy(header + at, &mask, 4);
    const uint8_t *key = header + at;
    sim_buffer_append(&client->outbox, header, at + 4);
    size_t from = client->outbox.size;
    sim_buffer_append(&client->outbox, data, size);
    for (size_t i = 0; i < size; i++)
        client->outbox.data[from + i] ^= key[i & 3];
    client->beat_ns = world->now_ns;
}

static void put_message(struct world *world, struct client *client, bool is_binary,
                        const struct sim_buffer *message) {
    put_frame(world, client, is_binary ? 0x82 : 0x81, message->data, message->size);
}

// In up to four frames, with a ping between the first two.
static void put_fragments(struct world *world, struct client *client, bool is_binary,
                          const struct sim_buffer *message) {
    size_t at = 0;
    for (uint32_t i = 0; i < 3; i++) {
        size_t size = rng_below(&world->rng, (uint32_t)(message->size - at) + 1);
        put_frame(world, client, i > 0 ? 0 : is_binary ? 2 : 1, message->data + at, size);
        at += size;
        if (i == 0)
            client_frame_ping(world, client);
    }
    put_frame(world, client, 0x80, message->data + at, message->size - at);
}

static bool can_send(const struct client *client) {
    return client->phase == CLIENT_OPEN && !client->is_mute &&
           client->outbox.size < OUTBOX_BYTES_MAX;
}

static bool can_ask(const struct client *client) {
    return can_send(client) && client->request_count < CLIENT_REQUESTS_MAX;
}

static uint32_t ask(struct client *client, struct request request) {
    request.ref = ++client->next_ref;
    client->requests[client->request_count++] = request;
    return request.ref;
}

// A request as text; serial 0: no join_ref.
static void put_text(struct world *world, struct client *client, uint32_t serial, uint32_t ref,
                     const char *topic, const char *event, const char *payload) {
    char text[1024];
    char join_ref[16] = "null";
    if (serial > 0)
        snprintf(join_ref, sizeof(join_ref), "\"%u\"", serial);
    int size = snprintf(text, sizeof(text), "[%s,\"%u\",\"%s\",\"%s\",%s]", join_ref, ref, topic,
                        event, payload);
    put_frame(world, client, 0x81, text, (size_t)size);
}

static void room_topic(const struct world *world, uint32_t room, char topic[48]) {
    snprintf(topic, 48, "room:%s", world->model.rooms[room].name);
}

bool client_join(struct world *world, struct client *client, uint32_t room) {
    struct membership *membership = &client->rooms[room];
    char topic[48], payload[64];
    if (!can_ask(client) || membership->next_serial != 0)
        return false;
    uint32_t serial = model_membership(&world->model);
    if (membership->state == MEMBERSHIP_NONE) {
        *membership = (struct membership){.state = MEMBERSHIP_JOINING, .serial = serial};
    } else {
        membership->next_serial = serial;
    }
    room_topic(world, room, topic);
    snprintf(payload, sizeof(payload), "{\"meta\":{\"k\":%u}}", serial);
    uint32_t ref = ask(
        client, (struct request){.serial = serial, .room = (uint8_t)room, .kind = REQUEST_JOIN});
    put_text(world, client, serial, ref, topic, "phx_join", payload);
    sim_trace("client %u joins %s as %u", client->id, topic, serial);
    return true;
}

bool client_leave(struct world *world, struct client *client, uint32_t room) {
    struct membership *membership = &client->rooms[room];
    char topic[48];
    if (!can_ask(client) || membership->state == MEMBERSHIP_NONE || membership->is_leaving ||
        membership->next_serial != 0)
        return false;
    membership->is_leaving = true;
    room_topic(world, room, topic);
    uint32_t ref = ask(client, (struct request){.serial = membership->serial,
                                                .room = (uint8_t)room,
                                                .kind = REQUEST_LEAVE});
    put_text(world, client, membership->serial, ref, topic, "phx_leave", "{}");
    sim_trace("client %u leaves %s as %u", client->id, topic, membership->serial);
    return true;
}

// The payload of a publish carries its number.
static void encode_publish(struct sim_buffer *out, const struct client_publish *publish,
                           const char *refs, const char *topic, uint32_t number) {
    char head[160];
    int size =
        snprintf(head, sizeof(head), "[%s,\"%s\",\"m\",{\"id\":%u,\"pad\":\"", refs, topic, number);
    sim_buffer_append(out, head, (size_t)size);
    for (uint32_t i = 0; i < publish->size; i++)
        sim_buffer_append(out, &"abcdefgh"[i & 7], 1);
    sim_buffer_append(out, "\"}]", 3);
}

static void encode_binary(struct sim_buffer *out, const struct client_publish *publish,
                          const char *names[3], uint32_t number) {
    uint8_t head[5] = {0, (uint8_t)strlen(names[0]), (uint8_t)strlen(names[1]),
                       (uint8_t)strlen(names[2]), 1};
    sim_buffer_append(out, head, sizeof(head));
    for (uint32_t i = 0; i < 3; i++)
        sim_buffer_append(out, names[i], strlen(names[i]));
    sim_buffer_append(out, "m", 1);
    sim_buffer_append(out, &number, sizeof(number));
    for (uint32_t i = 0; i < publish->size; i++)
        sim_buffer_append(out, &"\0\377ab"[i & 3], 1);
}

bool client_publish(struct world *world, struct client *client, uint32_t room,
                    const struct client_publish *publish) {
    const struct membership *membership = &client->rooms[room];
    char topic[48], serial[16], ref[16] = "", refs[40];
    if (!can_send(client) || membership->state != MEMBERSHIP_JOINED || membership->is_leaving ||
        membership->next_serial != 0)
        return false;
    uint32_t number = model_publish(&world->model, room, client->id);
    bool has_ref = publish->wants_reply && client->request_count < CLIENT_REQUESTS_MAX;
    room_topic(world, room, topic);
    snprintf(serial, sizeof(serial), "%u", membership->serial);
    if (has_ref)
        snprintf(ref, sizeof(ref), "%u",
                 ask(client, (struct request){.serial = membership->serial,
                                              .publication = number,
                                              .room = (uint8_t)room,
                                              .kind = REQUEST_PUBLISH}));
    struct sim_buffer message = {0};
    if (publish->is_binary) {
        encode_binary(&message, publish, (const char *[]){serial, ref, topic}, number);
    } else {
        if (has_ref)
            snprintf(refs, sizeof(refs), "\"%s\",\"%s\"", serial, ref);
        else
            snprintf(refs, sizeof(refs), "\"%s\",null", serial);
        encode_publish(&message, publish, refs, topic, number);
    }
    if (publish->is_fragmented)
        put_fragments(world, client, publish->is_binary, &message);
    else
        put_message(world, client, publish->is_binary, &message);
    sim_buffer_free(&message);
    return true;
}

bool client_whisper(struct world *world, struct client *client, uint32_t room) {
    const struct membership *membership = &client->rooms[room];
    char topic[48], payload[64];
    if (!can_ask(client) || membership->state != MEMBERSHIP_JOINED || membership->is_leaving ||
        membership->next_serial != 0)
        return false;
    room_topic(world, room, topic);
    snprintf(payload, sizeof(payload), "{\"w\":%u,\"n\":%u}", membership->serial,
             ++client->whisper_count);
    uint32_t ref = ask(client, (struct request){.serial = membership->serial,
                                                .room = (uint8_t)room,
                                                .kind = REQUEST_WHISPER});
    put_text(world, client, membership->serial, ref, topic, "whisper", payload);
    return true;
}

bool client_ping(struct world *world, struct client *client) {
    if (!can_ask(client))
        return false;
    uint32_t ref = ask(client, (struct request){.kind = REQUEST_PING});
    put_text(world, client, 0, ref, "phoenix", "heartbeat", "{}");
    return true;
}

// To a room that it is no member of, or an event that is not a client's.
bool client_forbidden(struct world *world, struct client *client, uint32_t room) {
    const struct membership *membership = &client->rooms[room];
    char topic[48];
    if (!can_ask(client))
        return false;
    bool is_member = membership->state == MEMBERSHIP_JOINED && membership->next_serial == 0;
    room_topic(world, room, topic);
    uint32_t ref = ask(client, (struct request){.room = (uint8_t)room, .kind = REQUEST_FORBIDDEN});
    put_text(world, client, 0, ref, topic, is_member ? "presence_state" : "gap", "{}");
    return true;
}

void client_frame_ping(struct world *world, struct client *client) {
    if (client->phase != CLIENT_OPEN)
        return;
    client->pings_owed++;
    put_frame(world, client, 0x89, "ping", 4);
}

// --- ends ----------------------------------------------------------------------------------------

void client_say_goodbye(struct world *world, struct client *client) {
    if (!can_send(client))
        return;
    put_frame(world, client, 0x88, "\x03\xe9", 2);
    client->is_mute = true;
}

void client_fin(struct world *world, struct client *client) {
    sim_trace("client %u: fin", client->id);
    ring_sim_peer_fin(ring_of(world, client), client->peer);
    client_forget(client);
}

void client_reset(struct world *world, struct client *client) {
    sim_trace("client %u: reset", client->id);
    ring_sim_peer_reset(ring_of(world, client), client->peer);
    client_forget(client);
}

void client_rubbish(struct world *world, struct client *client) {
    static const char *const rubbish[] = {"\xff\xff\xff\xff", "\x81\x01x", "\x81\xfe\xff\xff....",
                                          "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x88\x80"};
    const char *chosen = rubbish[rng_below(&world->rng, 5)];
    sim_buffer_append(&client->outbox, chosen, strlen(chosen));
    client->has_sinned = true;
    client->is_mute = true;
}

// --- bytes ---------------------------------------------------------------------------------------

static void on_frame(struct world *world, struct client *client, uint8_t first, const uint8_t *data,
                     size_t size) {
    SIM_REQUIRE(first & 0x80, "frame: client %u was sent a fragment", client->id);
    SIM_REQUIRE(!client->saw_close, "frame: client %u was sent a frame after the close frame",
                client->id);
    switch (first & 0x7f) {
    case 1:
        client_on_text(world, client, data, size);
        return;
    case 2:
        client_on_binary(world, client, data, size);
        return;
    case 8: {
        uint32_t code = size >= 2 ? (uint32_t)data[0] << 8 | data[1] : 1005;
        client->saw_close = true;
        client->closes[code == 1001 ? 0 : code == 1008 ? 1 : code == 1012 ? 2 : 3]++;
        SIM_REQUIRE(client->has_sinned || client->is_mute || code == 1001 || code == 1008 ||
                        code == 1012 || (code == 1013 && world->has_short_memory),
                    "close: client %u was closed with %u", client->id, code);
        sim_trace("client %u: close %u", client->id, code);
        return;
    }
    case 10:
        SIM_REQUIRE(client->pings_owed > 0 && size == 4 && memcmp(data, "ping", 4) == 0,
                    "frame: client %u was sent a pong that it did not ask for", client->id);
        client->pings_owed--;
        return;
    default:
        sim_fail("frame: client %u was sent opcode %u", client->id, first);
    }
}

// Takes the answer to the upgrade; false when it is not all there, or none.
static bool take_head(struct client *client) {
    const uint8_t *end = memmem(client->inbox.data, client->inbox.size, "\r\n\r\n", 4);
    if (!end)
        return false;
    size_t size = (size_t)(end - client->inbox.data) + 4;
    bool is_upgrade =
        client->inbox.size > 12 && memcmp(client->inbox.data, "HTTP/1.1 101", 12) == 0;
    bool is_full = client->inbox.size > 12 && memcmp(client->inbox.data, "HTTP/1.1 503", 12) == 0;
    SIM_REQUIRE(is_upgrade || is_full || client->has_sinned, "upgrade: client %u was told %.12s",
                client->id, (const char *)client->inbox.data);
    sim_buffer_skip(&client->inbox, size);
    if (is_upgrade)
        client->phase = CLIENT_OPEN;
    else
        client->is_mute = true;
    return is_upgrade;
}

// One whole frame off the inbox. False: there is none.
static bool take_frame(struct world *world, struct client *client) {
    const uint8_t *data = client->inbox.data;
    size_t size = client->inbox.size;
    if (size < 2)
        return false;
    SIM_REQUIRE(!(data[1] & 0x80), "frame: client %u was sent a masked frame", client->id);
    size_t header = data[1] == 127 ? 10 : data[1] == 126 ? 4 : 2;
    if (size < header)
        return false;
    uint64_t payload = data[1];
    if (header > 2)
        payload = 0;
    for (size_t i = 2; i < header; i++)
        payload = payload << 8 | data[i];
    if (size - header < payload)
        return false;
    on_frame(world, client, data[0], data + header, payload);
    if (client->phase == CLIENT_OPEN)
        sim_buffer_skip(&client->inbox, header + payload);
    return client->phase == CLIENT_OPEN;
}

static void take_in(struct world *world, struct client *client, size_t wanted) {
    uint8_t bytes[16384];
    if (wanted > sizeof(bytes))
        wanted = sizeof(bytes);
    size_t size = ring_sim_peer_receive(ring_of(world, client), client->peer, bytes, wanted);
    if (size == 0)
        return;
    world->digest = hash_bytes(world->digest + client->id, bytes_of(bytes, size));
    world->bytes_received += size;
    sim_buffer_append(&client->inbox, bytes, size);
    if (client->phase == CLIENT_SHAKING && !client->is_mute && !take_head(client))
        return;
    while (client->phase == CLIENT_OPEN && take_frame(world, client))
        ;
}

static void give_out(struct world *world, struct client *client) {
    size_t size = client->outbox.size;
    if (size == 0)
        return;
    if (client->split_max > 0 && size > client->split_max)
        size = 1 + rng_below(&world->rng, client->split_max);
    ring_sim_peer_send(ring_of(world, client), client->peer, client->outbox.data, size);
    sim_buffer_skip(&client->outbox, size);
}

static bool has_ended(const struct world *world, const struct client *client) {
    const struct ring *ring = world->cores[client->core].core.ring;
    return ring_sim_peer_is_unheard(ring, client->peer) ||
           ring_sim_peer_saw_fin(ring, client->peer) || ring_sim_peer_is_closed(ring, client->peer);
}

void client_pump(struct world *world, struct client *client) {
    if (client->phase == CLIENT_AWAY)
        return;
    give_out(world, client);
    if (!client->is_stalled)
        take_in(world, client, client->split_max > 0 ? client->split_max * 4 : 16384);
    if (client->phase != CLIENT_AWAY && !client->is_stalled && has_ended(world, client)) {
        // What is left is read before the end.
        for (uint64_t seen = UINT64_MAX; seen != world->bytes_received;) {
            seen = world->bytes_received;
            take_in(world, client, 16384);
        }
        client_fin(world, client);
    }
}

bool client_is_busy(struct world *world, struct client *client) {
    if (client->phase == CLIENT_AWAY)
        return false;
    struct ring *ring = ring_of(world, client);
    return client->outbox.size > 0 || has_ended(world, client) ||
           (!client->is_stalled && ring_sim_peer_has_bytes(ring, client->peer));
}

void client_check_quiet(const struct world *world, const struct client *client) {
    SIM_REQUIRE(client->phase != CLIENT_SHAKING || client->is_mute,
                "upgrade: client %u was not answered", client->id);
    if (client->phase != CLIENT_OPEN || client->is_mute)
        return;
    SIM_REQUIRE(client->inbox.size == 0, "quiet: client %u has %zu bytes of a frame", client->id,
                client->inbox.size);
    uint32_t open = 0;
    for (uint32_t i = 0; i < client->request_count; i++)
        open += !client->requests[i].is_moot;
    SIM_REQUIRE(open == 0,
                "answers: client %u: %u requests were not answered, ref %u of kind %u (room %u, "
                "join %u) first",
                client->id, open, client->requests[0].ref, client->requests[0].kind,
                client->requests[0].room, client->requests[0].serial);
    SIM_REQUIRE(client->pings_owed == 0, "answers: client %u: %u pongs are missing", client->id,
                client->pings_owed);
    SIM_REQUIRE(!client->must_close, "order: client %u was skipped something, and is not closed",
                client->id);
    (void)world;
}
