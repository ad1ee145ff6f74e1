// The receiving half of a client: what the server may say, and when (docs/PROTOCOL.md).
#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

#include "tests/sim/client.h"
#include "tests/sim/world.h"

static uint32_t number_of(const json_t *text) {
    const char *string = json_string_value(text);
    return string ? (uint32_t)strtoul(string, NULL, 10) : 0;
}

// The room of a topic `room:rN`.
static uint32_t room_of(const struct world *world, const struct client *client, const char *topic) {
    for (uint32_t i = 0; topic && i < world->model.room_count; i++)
        if (strncmp(topic, "room:", 5) == 0 && strcmp(topic + 5, world->model.rooms[i].name) == 0)
            return i;
    sim_fail("topic: client %u was sent something for %s", client->id, topic ? topic : "null");
}

static struct membership *joined(struct world *world, struct client *client, uint32_t room,
                                 const char *what) {
    struct membership *membership = &client->rooms[room];
    SIM_REQUIRE(membership->state == MEMBERSHIP_JOINED,
                "order: client %u was given a %s of room %s, which it %s", client->id, what,
                world->model.rooms[room].name,
                membership->state == MEMBERSHIP_JOINING ? "is still joining" : "is no member of");
    return membership;
}

// --- room messages -------------------------------------------------------------------------------

// The reply comes before the publisher's own copy; not at all, and the connection ends, when
// memory was out for it.
static void note_own(struct client *client, uint32_t publication) {
    for (uint32_t i = 0; i < client->request_count; i++) {
        struct request *request = &client->requests[i];
        if (request->kind != REQUEST_PUBLISH || request->publication != publication)
            continue;
        request->is_seen = true;
        client->must_close = true;
    }
}

// Without memory for the gap the connection has to end; or without room for it, where the gaps of
// a small queue, told at once because the membership moves, fill a small budget for replies.
static void allow_hole(const struct world *world, struct client *client,
                       struct membership *membership, uint64_t sequence) {
    bool may_be_full = world->shared.sizes.control_bytes_max > 0 && world->move_count > 0;
    if ((!world->has_short_memory && !may_be_full) || sequence <= membership->sequence + 1)
        return;
    client->must_close = true;
    membership->sequence = sequence - 1;
}

static void on_message(struct world *world, struct client *client, uint32_t room, uint64_t sequence,
                       uint32_t publication) {
    struct membership *membership = joined(world, client, room, "message");
    sim_trace("client %u, room %s: message %lu, publish %u", client->id,
              world->model.rooms[room].name, sequence, publication);
    allow_hole(world, client, membership, sequence);
    SIM_REQUIRE(sequence == membership->sequence + 1,
                "order: client %u, room %s, join %u: message %lu after %lu", client->id,
                world->model.rooms[room].name, membership->serial, sequence, membership->sequence);
    membership->sequence = sequence;
    client->messages++;
    model_delivered(&world->model, room, membership->epoch, sequence, publication);
    if (world->model.publications[publication].client == client->id)
        note_own(client, publication);
}

static void on_gap(struct world *world, struct client *client, uint32_t room, json_t *payload) {
    struct membership *membership = joined(world, client, room, "gap");
    uint64_t from = (uint64_t)json_integer_value(json_object_get(payload, "from"));
    uint64_t to = (uint64_t)json_integer_value(json_object_get(payload, "to"));
    sim_trace("client %u, room %s: gap %lu to %lu", client->id, world->model.rooms[room].name, from,
              to);
    allow_hole(world, client, membership, from);
    SIM_REQUIRE(from == membership->sequence + 1 && to >= from,
                "order: client %u, room %s: gap %lu to %lu after message %lu", client->id,
                world->model.rooms[room].name, from, to, membership->sequence);
    membership->sequence = to;
    client->gaps++;
}

static void on_whisper(struct world *world, struct client *client, uint32_t room, json_t *payload) {
    struct membership *membership = joined(world, client, room, "whisper");
    uint32_t serial = (uint32_t)json_integer_value(json_object_get(payload, "w"));
    uint32_t number = (uint32_t)json_integer_value(json_object_get(payload, "n"));
    SIM_REQUIRE(serial != membership->serial, "whisper: client %u heard itself", client->id);
    uint32_t i = 0;
    while (i < membership->heard_count && membership->heard[i].serial != serial)
        i++;
    if (i == membership->heard_count) {
        if (i == membership->heard_capacity) {
            membership->heard_capacity = i * 2 + 8;
            membership->heard =
                realloc(membership->heard, membership->heard_capacity * sizeof(*membership->heard));
            CHECK(membership->heard);
        }
        membership->heard[membership->heard_count++] = (struct heard_whisper){.serial = serial};
    }
    struct heard_whisper *heard = &membership->heard[i];
    SIM_REQUIRE(number > heard->number, "whisper: client %u heard %u of join %u after %u",
                client->id, number, serial, heard->number);
    heard->number = number;
}

// --- presence ------------------------------------------------------------------------------------

static uint32_t find_shown(const struct membership *membership, uint32_t phx_ref) {
    uint32_t i = 0;
    while (i < membership->shown_count && membership->shown[i].phx_ref != phx_ref)
        i++;
    return i;
}

static void add_shown(struct membership *membership, struct shown_meta meta) {
    if (membership->shown_count == membership->shown_capacity) {
        membership->shown_capacity = membership->shown_count * 2 + 16;
        membership->shown =
            realloc(membership->shown, membership->shown_capacity * sizeof(*membership->shown));
        CHECK(membership->shown);
    }
    membership->shown[membership->shown_count++] = meta;
}

// Adds or removes every meta of {"user":{"metas":[…]}, …}.
static void change_shown(const struct client *client, struct membership *membership, json_t *users,
                         bool is_join) {
    const char *name;
    json_t *user, *meta;
    size_t i;
    json_object_foreach(users, name, user) {
        json_array_foreach(json_object_get(user, "metas"), i, meta) {
            struct shown_meta shown = {.phx_ref = number_of(json_object_get(meta, "phx_ref")),
                                       .serial =
                                           (uint32_t)json_integer_value(json_object_get(meta, "k")),
                                       .user = (uint32_t)strtoul(name + 1, NULL, 10)};
            uint32_t at = find_shown(membership, shown.phx_ref);
            if (is_join) {
                SIM_REQUIRE(at == membership->shown_count,
                            "presence: client %u, join %u: meta %u (join %u) joins twice",
                            client->id, membership->serial, shown.phx_ref, shown.serial);
                add_shown(membership, shown);
            } else {
                SIM_REQUIRE(at < membership->shown_count,
                            "presence: client %u, join %u: meta %u (join %u) leaves, which it was "
                            "never shown",
                            client->id, membership->serial, shown.phx_ref, shown.serial);
                membership->shown[at] = membership->shown[--membership->shown_count];
            }
        }
    }
}

static void on_presence_state(struct world *world, struct client *client, uint32_t room,
                              json_t *payload) {
    struct membership *membership = joined(world, client, room, "presence_state");
    membership->has_state = true;
    membership->shown_count = 0;
    change_shown(client, membership, payload, true);
}

static void on_presence_diff(struct world *world, struct client *client, uint32_t room,
                             json_t *payload) {
    struct membership *membership = joined(world, client, room, "presence_diff");
    SIM_REQUIRE(membership->has_state, "presence: client %u, room %s: a diff before the state",
                client->id, world->model.rooms[room].name);
    change_shown(client, membership, json_object_get(payload, "joins"), true);
    change_shown(client, membership, json_object_get(payload, "leaves"), false);
}

static void on_presence_count(struct world *world, struct client *client, uint32_t room,
                              json_t *payload) {
    struct membership *membership = joined(world, client, room, "presence_count");
    membership->has_counts = true;
    membership->count_users = (uint64_t)json_integer_value(json_object_get(payload, "users"));
    membership->count_connections =
        (uint64_t)json_integer_value(json_object_get(payload, "connections"));
}

// --- answers -------------------------------------------------------------------------------------

static struct request take_request(struct client *client, uint32_t ref) {
    uint32_t i = 0;
    while (i < client->request_count && client->requests[i].ref != ref)
        i++;
    SIM_REQUIRE(i < client->request_count, "answers: client %u got a reply to ref %u, of nothing",
                client->id, ref);
    struct request request = client->requests[i];
    client->request_count--;
    memmove(&client->requests[i], &client->requests[i + 1],
            (client->request_count - i) * sizeof(request));
    return request;
}

static void clear_membership(struct membership *membership, enum membership_state state,
                             uint32_t serial) {
    free(membership->shown);
    free(membership->heard);
    *membership = (struct membership){.state = state, .serial = serial};
}

static void on_join_reply(struct world *world, struct client *client, const struct request *request,
                          bool is_ok, json_t *response) {
    struct membership *membership = &client->rooms[request->room];
    SIM_REQUIRE(membership->serial == request->serial && membership->state == MEMBERSHIP_JOINING,
                "answers: client %u: join %u was answered, now it is %u", client->id,
                request->serial, membership->serial);
    if (!is_ok) {
        const char *reason = json_string_value(json_object_get(response, "reason"));
        bool is_known =
            reason &&
            (strcmp(reason, "too many rooms") == 0 || strcmp(reason, "out of memory") == 0 ||
             strcmp(reason, "busy") == 0 || strcmp(reason, "too many channels joined") == 0 ||
             (strcmp(reason, "room restarted") == 0 && world->fault_count > 0));
        SIM_REQUIRE(is_known, "answers: client %u: join refused: %s", client->id, reason);
        SIM_REQUIRE(strcmp(reason, "out of memory") != 0 || world->has_short_memory,
                    "answers: client %u: join refused: %s", client->id, reason);
        uint32_t next = membership->next_serial;
        clear_membership(membership, next ? MEMBERSHIP_JOINING : MEMBERSHIP_NONE, next);
        return;
    }
    membership->state = MEMBERSHIP_JOINED;
    membership->epoch = strtoull(json_string_value(json_object_get(response, "epoch")), NULL, 10);
    membership->sequence = (uint64_t)json_integer_value(json_object_get(response, "seq"));
    sim_trace("client %u: join %u answered, seq %lu", client->id, request->serial,
              membership->sequence);
}

static void on_publish_reply(struct world *world, struct client *client,
                             const struct request *request, bool is_ok, json_t *response) {
    if (!is_ok) {
        const char *reason = json_string_value(json_object_get(response, "reason"));
        bool is_known =
            reason && (strcmp(reason, "busy") == 0 ||
                       (strcmp(reason, "room restarted") == 0 && world->fault_count > 0) ||
                       (strcmp(reason, "unmatched topic") == 0 && request->is_moot) ||
                       (strcmp(reason, "out of memory") == 0 && world->has_short_memory));
        SIM_REQUIRE(is_known, "answers: client %u: publish refused: %s", client->id, reason);
        model_refused(&world->model, request->publication);
        world->refused_count++;
        return;
    }
    const struct membership *membership = &client->rooms[request->room];
    SIM_REQUIRE(membership->serial == request->serial && !request->is_moot,
                "answers: client %u: publish of join %u", client->id, request->serial);
    model_accepted(&world->model, request->publication, membership->epoch,
                   (uint64_t)json_integer_value(json_object_get(response, "seq")));
}

static void on_reply(struct world *world, struct client *client, uint32_t serial, uint32_t ref,
                     json_t *payload) {
    struct request request = take_request(client, ref);
    SIM_REQUIRE(!request.is_seen, "order: client %u had its own message before the reply",
                client->id);
    SIM_REQUIRE(request.serial == serial, "answers: client %u: ref %u of join %u came with join %u",
                client->id, ref, request.serial, serial);
    const char *status = json_string_value(json_object_get(payload, "status"));
    bool is_ok = status && strcmp(status, "ok") == 0;
    json_t *response = json_object_get(payload, "response");
    switch ((enum request_kind)request.kind) {
    case REQUEST_JOIN:
        on_join_reply(world, client, &request, is_ok, response);
        return;
    case REQUEST_PUBLISH:
        on_publish_reply(world, client, &request, is_ok, response);
        return;
    case REQUEST_LEAVE:
        // Of a membership that is none any more: also ok.
        SIM_REQUIRE(is_ok, "answers: client %u: a leave was refused", client->id);
        return;
    case REQUEST_WHISPER: // may be refused as busy
        return;
    case REQUEST_PING:
        SIM_REQUIRE(is_ok, "answers: client %u: a heartbeat was refused", client->id);
        return;
    case REQUEST_FORBIDDEN:
        SIM_REQUIRE(!is_ok, "answers: client %u: what is forbidden was done", client->id);
        return;
    }
}

// A membership has ended: what it asked for is answered no more.
static void on_close(struct world *world, struct client *client, uint32_t room, uint32_t serial) {
    struct membership *membership = &client->rooms[room];
    SIM_REQUIRE(membership->state != MEMBERSHIP_NONE && membership->serial == serial,
                "answers: client %u, room %s: phx_close of join %u, it is %u", client->id,
                world->model.rooms[room].name, serial, membership->serial);
    SIM_REQUIRE(membership->is_leaving || membership->next_serial != 0,
                "answers: client %u, room %s: phx_close of join %u that was not asked for",
                client->id, world->model.rooms[room].name, serial);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < client->request_count; i++)
        if (client->requests[i].serial != serial)
            client->requests[kept++] = client->requests[i];
    client->request_count = kept;
    uint32_t next = membership->next_serial;
    clear_membership(membership, next ? MEMBERSHIP_JOINING : MEMBERSHIP_NONE, next);
    sim_trace("client %u: join %u closed", client->id, serial);
}

// The room has ended, and this membership with it. What was asked before, and reached the server
// after, is refused.
static void on_room_ended(struct world *world, struct client *client, uint32_t room) {
    struct membership *membership = &client->rooms[room];
    SIM_REQUIRE(membership->state == MEMBERSHIP_JOINED,
                "ended: client %u, room %s: phx_error for a member that is none", client->id,
                world->model.rooms[room].name);
    for (uint32_t i = 0; i < client->request_count; i++)
        if (client->requests[i].serial == membership->serial &&
            client->requests[i].kind == REQUEST_PUBLISH)
            client->requests[i].is_moot = true;
    sim_trace("client %u: join %u: the room has ended", client->id, membership->serial);
    uint32_t next = membership->next_serial;
    clear_membership(membership, next ? MEMBERSHIP_JOINING : MEMBERSHIP_NONE, next);
    world->ended_count++;
}

static void on_event(struct world *world, struct client *client, json_t *message) {
    const char *topic = json_string_value(json_array_get(message, 2));
    const char *event = json_string_value(json_array_get(message, 3));
    json_t *payload = json_array_get(message, 4);
    uint32_t serial = number_of(json_array_get(message, 0));
    if (strcmp(event, "phx_reply") == 0) {
        on_reply(world, client, serial, number_of(json_array_get(message, 1)), payload);
        return;
    }
    uint32_t room = room_of(world, client, topic);
    if (strcmp(event, "phx_error") == 0)
        on_room_ended(world, client, room);
    else if (strcmp(event, "m") == 0)
        on_message(world, client, room, (uint64_t)json_integer_value(json_array_get(message, 5)),
                   (uint32_t)json_integer_value(json_object_get(payload, "id")));
    else if (strcmp(event, "gap") == 0)
        on_gap(world, client, room, payload);
    else if (strcmp(event, "whisper") == 0)
        on_whisper(world, client, room, payload);
    else if (strcmp(event, "presence_state") == 0)
        on_presence_state(world, client, room, payload);
    else if (strcmp(event, "presence_diff") == 0)
        on_presence_diff(world, client, room, payload);
    else if (strcmp(event, "presence_count") == 0)
        on_presence_count(world, client, room, payload);
    else if (strcmp(event, "phx_close") == 0)
        on_close(world, client, room, serial);
    else
        sim_fail("event: client %u was sent %s", client->id, event);
}

void client_on_text(struct world *world, struct client *client, const uint8_t *text, size_t size) {
    json_error_t error;
    json_t *message = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, &error);
    SIM_REQUIRE(message && json_is_string(json_array_get(message, 3)),
                "frame: client %u was sent no message: %s: %.*s", client->id, error.text,
                (int)(size < 200 ? size : 200), (const char *)text);
    on_event(world, client, message);
    json_decref(message);
}

// A binary broadcast carries no number: it is the next one.
void client_on_binary(struct world *world, struct client *client, const uint8_t *data,
                      size_t size) {
    char topic[48] = "";
    SIM_REQUIRE(size > 3 && data[0] == 2 && data[1] < sizeof(topic) &&
                    size >= 3u + data[1] + data[2] + 4,
                "frame: client %u was sent a binary message of %zu bytes", client->id, size);
    memcpy(topic, data + 3, data[1]);
    uint32_t room = room_of(world, client, topic);
    uint32_t publication;
    memcpy(&publication, data + 3 + data[1] + data[2], sizeof(publication));
    on_message(world, client, room, client->rooms[room].sequence + 1, publication);
}
