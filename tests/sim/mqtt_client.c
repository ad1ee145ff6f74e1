#include "tests/sim/mqtt_client.h"

#include <stdio.h>

#include "io/ring_sim.h"
#include "sched/base/clock.h"
#include "sched/base/hash.h"
#include "tests/sim/world.h"

#define OUTBOX_BYTES_MAX (64u << 10)
#define RETRY_NS (200 * NS_PER_MS)

enum packet {
    CONNECT = 1,
    CONNACK,
    PUBLISH,
    PUBACK,
    PUBREC,
    PUBREL,
    PUBCOMP,
    SUBSCRIBE,
    SUBACK,
    DISCONNECT = 14,
};

static uint32_t below(struct world *world, uint32_t bound) {
    return rng_below(&world->mqtt_rng, bound);
}

static bool one_in(struct world *world, uint32_t n) {
    return below(world, n) == 0;
}

static struct ring *ring_of(const struct world *world, uint32_t core) {
    return world->cores[core].core.ring;
}

// --- packets out ---------------------------------------------------------------------------------

static void put_u16(struct sim_buffer *out, uint32_t value) {
    const uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    sim_buffer_append(out, bytes, 2);
}

static void put_u8(struct sim_buffer *out, uint32_t value) {
    const uint8_t byte = (uint8_t)value;
    sim_buffer_append(out, &byte, 1);
}

static void put_text(struct sim_buffer *out, const char *text) {
    put_u16(out, (uint32_t)strlen(text));
    sim_buffer_append(out, text, strlen(text));
}

// The body as a packet, into the outbox; the body is given up.
static void put_packet(struct mqtt_client *client, enum packet type, uint32_t flags,
                       struct sim_buffer *body) {
    put_u8(&client->outbox, (uint32_t)type << 4 | flags);
    size_t size = body->size;
    do {
        put_u8(&client->outbox, (uint32_t)(size % 128) | (size >= 128 ? 128 : 0));
        size /= 128;
    } while (size > 0);
    sim_buffer_append(&client->outbox, body->data, body->size);
    sim_buffer_free(body);
}

static void put_ack(struct mqtt_client *client, enum packet type, uint16_t packet_id) {
    struct sim_buffer body = {0};
    put_u16(&body, packet_id);
    put_packet(client, type, type == PUBREL ? 2 : 0, &body);
}

static void put_connect(struct mqtt_client *client) {
    char id[16];
    struct sim_buffer body = {0};
    snprintf(id, sizeof(id), "sim-%u", client->id);
    put_text(&body, "MQTT");
    put_u8(&body, client->is_5 ? 5 : 4);
    put_u8(&body, 0); // its session goes on
    put_u16(&body, 0);
    if (client->is_5) {
        // Session expiry: never; receive maximum; topic alias maximum, for half of them.
        const uint8_t properties[] = {0x11,
                                      0xff,
                                      0xff,
                                      0xff,
                                      0xff,
                                      0x21,
                                      0,
                                      (uint8_t)(1 + client->id),
                                      0x22,
                                      0,
                                      client->id % 2 ? MQTT_CLIENT_ALIASES_MAX : 0};
        put_u8(&body, sizeof(properties));
        sim_buffer_append(&body, properties, sizeof(properties));
    }
    put_text(&body, id);
    put_packet(client, CONNECT, 0, &body);
}

static void put_publish(struct world *world, struct mqtt_client *client,
                        const struct mqtt_open *open, bool is_duplicate) {
    const struct mqtt_publication *publication = &world->mqtt.publications[open->number];
    struct sim_buffer body = {0};
    put_text(&body, mqtt_model_topic(publication->topic));
    if (open->qos > 0)
        put_u16(&body, open->packet_id);
    if (client->is_5)
        put_u8(&body, 0);
    sim_buffer_append(&body, &open->number, sizeof(open->number));
    for (uint32_t i = 0; i < open->size; i++)
        put_u8(&body, 0x80 + i % 7); // no JSON
    put_packet(client, PUBLISH, (uint32_t)open->qos << 1 | (is_duplicate ? 8 : 0), &body);
}

static bool is_id_used(const struct mqtt_client *client, uint16_t id) {
    for (uint32_t i = 0; i < client->open_count; i++)
        if (client->open[i].packet_id == id)
            return true;
    for (uint32_t topic = 0; topic < MQTT_MODEL_TOPICS_MAX; topic++)
        if (client->subscribe_ids[topic] == id)
            return true;
    return id == 0;
}

static uint16_t new_id(struct mqtt_client *client) {
    do
        client->next_id = (uint16_t)(client->next_id % 200 + 1); // soon used again
    while (is_id_used(client, client->next_id));
    return client->next_id;
}

static void put_subscribe(struct world *world, struct mqtt_client *client, uint32_t topic) {
    struct sim_buffer body = {0};
    client->subscribe_ids[topic] = new_id(client);
    put_u16(&body, client->subscribe_ids[topic]);
    if (client->is_5)
        put_u8(&body, 0);
    put_text(&body, mqtt_model_topic(topic));
    put_u8(&body, world->mqtt.subscriptions[client->id][topic].qos);
    put_packet(client, SUBSCRIBE, 2, &body);
}

// --- what it does --------------------------------------------------------------------------------

static void forget_connection(struct mqtt_client *client) {
    client->phase = MQTT_CLIENT_AWAY;
    client->outbox.size = client->inbox.size = 0;
    memset(client->subscribe_ids, 0, sizeof(client->subscribe_ids));
    memset(client->alias_topics, 0, sizeof(client->alias_topics));
    client->is_stalled = false;
}

static void end_ghost(struct world *world, struct mqtt_client *client) {
    if (client->has_ghost)
        ring_sim_peer_fin(ring_of(world, client->ghost_core), client->ghost_peer);
    client->has_ghost = false;
}

static void connect_to(struct world *world, struct mqtt_client *client, uint32_t core) {
    client->core = core;
    client->peer = ring_sim_connect(ring_of(world, core), world_listen_fd(core));
    client->phase = MQTT_CLIENT_ASKING;
    client->connects++;
    put_connect(client);
    sim_trace("mqtt %u connects to core %u as peer %u", client->id, core, client->peer);
}

// Another connection while the former one stands: take-over.
static void take_over(struct world *world, struct mqtt_client *client) {
    end_ghost(world, client);
    client->has_ghost = true;
    client->ghost_core = client->core;
    client->ghost_peer = client->peer;
    forget_connection(client);
    connect_to(world, client, below(world, world->core_count));
}

static void leave(struct world *world, struct mqtt_client *client) {
    sim_trace("mqtt %u leaves", client->id);
    if (one_in(world, 2))
        ring_sim_peer_reset(ring_of(world, client->core), client->peer);
    else
        ring_sim_peer_fin(ring_of(world, client->core), client->peer);
    client->was_ended = false;
    forget_connection(client);
}

static void publish(struct world *world, struct mqtt_client *client) {
    uint32_t room = world->config.mqtt_receive_max;
    room = room < MQTT_CLIENT_OPEN_MAX ? room : MQTT_CLIENT_OPEN_MAX;
    uint8_t qos = (uint8_t)(one_in(world, 6) ? 0 : 1 + below(world, 2));
    if (client->outbox.size > OUTBOX_BYTES_MAX || (qos > 0 && client->open_count >= room))
        return;
    const struct mqtt_publication publication = {.topic =
                                                     (uint8_t)below(world, world->mqtt.topic_count),
                                                 .client = (uint8_t)client->id,
                                                 .qos = qos,
                                                 .sent_step = world->step};
    struct mqtt_open open = {.number = mqtt_model_publish(&world->mqtt, &publication),
                             .size = one_in(world, 10) ? below(world, 3000) : below(world, 60),
                             .qos = qos};
    if (qos > 0) {
        open.packet_id = new_id(client);
        client->open[client->open_count++] = open;
    }
    put_publish(world, client, &open, false);
    sim_trace("mqtt %u publishes %u on %s, QoS %u id %u", client->id, open.number,
              mqtt_model_topic(publication.topic), qos, open.packet_id);
}

static void subscribe(struct world *world, struct mqtt_client *client) {
    uint32_t topic = below(world, world->mqtt.topic_count);
    struct mqtt_subscription *subscription = &world->mqtt.subscriptions[client->id][topic];
    if (subscription->is_wanted)
        return;
    subscription->is_wanted = true;
    subscription->qos = (uint8_t)below(world, 3);
    put_subscribe(world, client, topic);
    sim_trace("mqtt %u subscribes to %s, QoS %u", client->id, mqtt_model_topic(topic),
              subscription->qos);
}

// --- packets in ----------------------------------------------------------------------------------

// The server has no session of it: what was under way is anybody's guess.
static void on_session_lost(struct world *world, struct mqtt_client *client) {
    SIM_REQUIRE(!client->has_session || !world->mqtt.is_gentle,
                "mqtt: client %u: the server has lost its session", client->id);
    for (uint32_t i = 0; i < client->open_count; i++)
        if (world->mqtt.publications[client->open[i].number].fate == MQTT_FATE_SENT)
            world->mqtt.publications[client->open[i].number].fate = MQTT_FATE_UNKNOWN;
    client->open_count = 0;
    memset(client->received, 0, sizeof(client->received));
    for (uint32_t topic = 0; topic < world->mqtt.topic_count; topic++)
        world->mqtt.subscriptions[client->id][topic].is_confirmed = false;
}

static void on_connack(struct world *world, struct mqtt_client *client, const uint8_t *body,
                       size_t size) {
    SIM_REQUIRE(client->phase == MQTT_CLIENT_ASKING && size >= 2, "mqtt: client %u: CONNACK",
                client->id);
    if (body[1] != 0) { // full, or the cores do not keep up; it ends
        sim_trace("mqtt %u: refused %02x", client->id, body[1]);
        return;
    }
    client->phase = MQTT_CLIENT_OPEN;
    if (body[0] & 1)
        client->resumed++;
    else
        on_session_lost(world, client);
    client->has_session = true;
    for (uint32_t i = 0; i < client->open_count; i++) { // [MQTT-4.4.0-1]
        struct mqtt_open *open = &client->open[i];
        struct mqtt_publication *publication = &world->mqtt.publications[open->number];
        publication->was_repeated = true;
        publication->may_be_late |= client->was_ended && !client->is_5;
        if (open->is_released)
            put_ack(client, PUBREL, open->packet_id);
        else
            put_publish(world, client, open, true);
    }
    for (uint32_t topic = 0; topic < world->mqtt.topic_count; topic++) {
        const struct mqtt_subscription *at = &world->mqtt.subscriptions[client->id][topic];
        if (at->is_wanted && !at->is_confirmed)
            put_subscribe(world, client, topic);
    }
}

static uint32_t topic_of(struct mqtt_client *client, const uint8_t *text, size_t size,
                         uint32_t alias) {
    SIM_REQUIRE(alias <= (client->id % 2 && client->is_5 ? MQTT_CLIENT_ALIASES_MAX : 0),
                "mqtt: client %u was sent alias %u", client->id, alias);
    uint32_t topic = MQTT_MODEL_TOPICS_MAX;
    for (uint32_t i = 0; i < MQTT_MODEL_TOPICS_MAX; i++)
        if (size == strlen(mqtt_model_topic(i)) && memcmp(mqtt_model_topic(i), text, size) == 0)
            topic = i;
    if (alias > 0 && size > 0)
        client->alias_topics[alias] = (uint8_t)(topic + 1);
    if (alias > 0 && client->alias_topics[alias] > 0)
        topic = client->alias_topics[alias] - 1u;
    SIM_REQUIRE(topic < MQTT_MODEL_TOPICS_MAX, "mqtt: client %u was sent topic %.*s, alias %u",
                client->id, (int)size, (const char *)text, alias);
    return topic;
}

// The topic alias among a PUBLISH's properties, 0: none.
static uint32_t alias_of(const struct mqtt_client *client, const uint8_t *at, size_t size) {
    for (size_t i = 0; i < size;) {
        switch (at[i]) {
        case 0x23:
            return (uint32_t)at[i + 1] << 8 | at[i + 2];
        case 0x26: // user property: seq, event
            i += 3 + ((size_t)at[i + 1] << 8 | at[i + 2]);
            i += 2 + ((size_t)at[i] << 8 | at[i + 1]);
            break;
        default:
            sim_fail("mqtt: client %u was sent property %02x", client->id, at[i]);
        }
    }
    return 0;
}

static bool is_received(const struct mqtt_client *client, uint16_t id) {
    return client->received[id / 8] >> id % 8 & 1;
}

// A PUBLISH without a body on a room's topic tells a gap of QoS 0.
static void on_publish(struct world *world, struct mqtt_client *client, uint8_t flags,
                       const uint8_t *body, size_t size) {
    uint8_t qos = flags >> 1 & 3;
    size_t topic_size = (size_t)body[0] << 8 | body[1];
    size_t at = 2 + topic_size;
    uint16_t id = 0;
    if (qos > 0) {
        id = (uint16_t)(body[at] << 8 | body[at + 1]);
        at += 2;
    }
    uint32_t alias = 0;
    if (client->is_5) {
        SIM_REQUIRE(body[at] < 128, "mqtt: client %u: many properties", client->id);
        alias = alias_of(client, body + at + 1, body[at]);
        at += 1u + body[at];
    }
    uint32_t topic = topic_of(client, body + 2, topic_size, alias);
    struct mqtt_delivered delivered = {
        .client = client->id, .topic = topic, .qos = qos, .is_duplicate = flags & 8};
    bool is_gap = size == at && qos == 0 && client->is_5;
    SIM_REQUIRE(is_gap || size - at >= sizeof(delivered.number), "mqtt: client %u: a body of %zu",
                client->id, size - at);
    if (!is_gap) {
        memcpy(&delivered.number, body + at, sizeof(delivered.number));
        SIM_REQUIRE(qos == 0 || id != 0, "mqtt: client %u was sent identifier 0", client->id);
        sim_trace("mqtt %u is given %u on %s, QoS %u id %u%s", client->id, delivered.number,
                  mqtt_model_topic(topic), qos, id, delivered.is_duplicate ? " dup" : "");
        if (qos < 2 || !is_received(client, id))
            mqtt_model_delivered(&world->mqtt, &delivered);
    }
    if (qos == 2)
        client->received[id / 8] |= (uint8_t)(1 << id % 8);
    if (qos > 0)
        put_ack(client, qos == 1 ? PUBACK : PUBREC, id);
}

static void close_open(struct mqtt_client *client, uint32_t at) {
    client->open_count--;
    memmove(&client->open[at], &client->open[at + 1],
            (client->open_count - at) * sizeof(client->open[0]));
}

// PUBACK, PUBREC, PUBCOMP of what it published.
static void on_answer(struct world *world, struct mqtt_client *client, enum packet type,
                      const uint8_t *body, size_t size) {
    uint16_t id = (uint16_t)(body[0] << 8 | body[1]);
    uint8_t reason = size > 2 ? body[2] : 0;
    uint32_t at = 0;
    while (at < client->open_count && client->open[at].packet_id != id)
        at++;
    // A late answer of a former connection may come for what was answered on this one.
    SIM_REQUIRE(at < client->open_count || client->connects > 1,
                "mqtt: client %u was sent an answer to identifier %u", client->id, id);
    if (at == client->open_count) {
        if (type == PUBREC && reason < 0x80)
            put_ack(client, PUBREL, id);
        return;
    }
    struct mqtt_open *open = &client->open[at];
    struct mqtt_publication *publication = &world->mqtt.publications[open->number];
    sim_trace("mqtt %u: answer %u to %u: %02x", client->id, type, open->number, reason);
    SIM_REQUIRE((open->qos == 1) == (type == PUBACK), "mqtt: client %u: answer %u to QoS %u",
                client->id, type, open->qos);
    if (type == PUBCOMP) {
        SIM_REQUIRE(open->is_released, "mqtt: client %u: PUBCOMP before PUBREC", client->id);
        close_open(client, at);
        return;
    }
    if (!open->is_released)
        publication->fate = reason < 0x80 ? MQTT_FATE_ACCEPTED : MQTT_FATE_REFUSED;
    if (type == PUBACK || reason >= 0x80) {
        close_open(client, at);
        return;
    }
    open->is_released = true;
    put_ack(client, PUBREL, id);
}

static void on_suback(struct world *world, struct mqtt_client *client, const uint8_t *body,
                      size_t size) {
    uint16_t id = (uint16_t)(body[0] << 8 | body[1]);
    uint8_t code = body[size - 1];
    for (uint32_t topic = 0; topic < world->mqtt.topic_count; topic++) {
        struct mqtt_subscription *at = &world->mqtt.subscriptions[client->id][topic];
        if (client->subscribe_ids[topic] != id)
            continue;
        client->subscribe_ids[topic] = 0;
        if (code >= 0x80) { // busy: once more
            put_subscribe(world, client, topic);
            return;
        }
        SIM_REQUIRE(code == at->qos, "mqtt: client %u was granted QoS %u, asked for %u", client->id,
                    code, at->qos);
        at->is_confirmed = true;
        at->since_step = world->step;
        return;
    }
    sim_fail("mqtt: client %u was sent a SUBACK of %u", client->id, id);
}

static void on_packet(struct world *world, struct mqtt_client *client, uint8_t first,
                      const uint8_t *body, size_t size) {
    SIM_REQUIRE(client->phase == MQTT_CLIENT_OPEN || first >> 4 == CONNACK,
                "mqtt: client %u was sent %02x before its CONNACK", client->id, first);
    switch (first >> 4) {
    case CONNACK:
        on_connack(world, client, body, size);
        return;
    case PUBLISH:
        on_publish(world, client, first & 15, body, size);
        return;
    case PUBACK:
    case PUBREC:
    case PUBCOMP:
        on_answer(world, client, (enum packet)(first >> 4), body, size);
        return;
    case PUBREL: {
        uint16_t id = (uint16_t)(body[0] << 8 | body[1]);
        client->received[id / 8] &= (uint8_t) ~(1 << id % 8);
        put_ack(client, PUBCOMP, id);
        return;
    }
    case SUBACK:
        on_suback(world, client, body, size);
        return;
    case DISCONNECT:
        sim_trace("mqtt %u: disconnect %02x", client->id, size > 0 ? body[0] : 0);
        return;
    default:
        sim_fail("mqtt: client %u was sent packet %02x", client->id, first);
    }
}

static bool take_packet(struct world *world, struct mqtt_client *client) {
    const uint8_t *data = client->inbox.data;
    size_t remaining = 0;
    size_t at = 1;
    uint32_t shift = 0;
    do {
        if (at >= client->inbox.size)
            return false;
        remaining |= (size_t)(data[at] & 127) << shift;
        shift += 7;
    } while (data[at++] & 128);
    if (client->inbox.size - at < remaining)
        return false;
    on_packet(world, client, data[0], data + at, remaining);
    sim_buffer_skip(&client->inbox, at + remaining);
    return true;
}

// --- bytes ---------------------------------------------------------------------------------------

static void take_in(struct world *world, struct mqtt_client *client, size_t wanted) {
    uint8_t bytes[16384];
    size_t size = ring_sim_peer_receive(ring_of(world, client->core), client->peer, bytes,
                                        wanted < sizeof(bytes) ? wanted : sizeof(bytes));
    if (size == 0)
        return;
    world->digest = hash_bytes(world->digest + client->id, bytes_of(bytes, size));
    world->bytes_received += size;
    sim_buffer_append(&client->inbox, bytes, size);
    while (take_packet(world, client))
        ;
}

static bool has_ended(const struct world *world, const struct mqtt_client *client) {
    const struct ring *ring = ring_of(world, client->core);
    return ring_sim_peer_is_unheard(ring, client->peer) ||
           ring_sim_peer_saw_fin(ring, client->peer) || ring_sim_peer_is_closed(ring, client->peer);
}

static void pump(struct world *world, struct mqtt_client *client) {
    if (client->phase == MQTT_CLIENT_AWAY)
        return;
    size_t size = client->outbox.size;
    if (client->split_max > 0 && size > client->split_max)
        size = 1 + below(world, client->split_max);
    if (size > 0)
        ring_sim_peer_send(ring_of(world, client->core), client->peer, client->outbox.data, size);
    sim_buffer_skip(&client->outbox, size);
    if (client->is_stalled)
        return;
    take_in(world, client, client->split_max > 0 ? client->split_max * 4 : 16384);
    if (!has_ended(world, client))
        return;
    for (uint64_t seen = UINT64_MAX; seen != world->bytes_received;) {
        seen = world->bytes_received;
        take_in(world, client, 16384);
    }
    ring_sim_peer_fin(ring_of(world, client->core), client->peer);
    client->was_ended = true;
    client->retry_ns = world->now_ns + RETRY_NS;
    forget_connection(client);
}

static bool is_busy(const struct world *world, const struct mqtt_client *client) {
    if (client->phase == MQTT_CLIENT_AWAY)
        return false;
    return client->outbox.size > 0 || has_ended(world, client) ||
           ring_sim_peer_has_bytes(ring_of(world, client->core), client->peer);
}

// --- all of them ---------------------------------------------------------------------------------

void mqtt_clients_init(struct world *world) {
    struct mqtt_model *model = &world->mqtt;
    model->topic_count = 1 + below(world, MQTT_MODEL_TOPICS_MAX);
    model->is_gentle = !one_in(world, 4);
    for (uint32_t i = 0; i < model->client_count; i++)
        world->mqtt_clients[i] = (struct mqtt_client){.id = i, .is_5 = !one_in(world, 3)};
}

void mqtt_clients_fini(struct world *world) {
    for (uint32_t i = 0; i < world->mqtt.client_count; i++) {
        sim_buffer_free(&world->mqtt_clients[i].outbox);
        sim_buffer_free(&world->mqtt_clients[i].inbox);
    }
    mqtt_model_fini(&world->mqtt);
}

static void act(struct world *world, struct mqtt_client *client) {
    if (client->phase == MQTT_CLIENT_AWAY) {
        if (one_in(world, 2))
            connect_to(world, client, below(world, world->core_count));
        return;
    }
    switch (below(world, 32)) {
    case 0:
        leave(world, client);
        return;
    case 1:
        if (client->phase == MQTT_CLIENT_OPEN)
            take_over(world, client);
        return;
    case 2:
        end_ghost(world, client);
        return;
    case 3:
        client->is_stalled = one_in(world, 3);
        return;
    case 4:
        client->split_max = one_in(world, 2) ? 1 + below(world, 200) : 0;
        return;
    case 5:
        ring_sim_peer_set_space(ring_of(world, client->core), client->peer,
                                one_in(world, 2) ? 16u << below(world, 10) : 64u << 10);
        return;
    case 6:
    case 7:
        if (client->phase == MQTT_CLIENT_OPEN)
            subscribe(world, client);
        return;
    default:
        if (client->phase == MQTT_CLIENT_OPEN)
            publish(world, client);
    }
}

void mqtt_clients_storm(struct world *world) {
    if (world->mqtt.client_count == 0)
        return;
    struct mqtt_client *client = &world->mqtt_clients[below(world, world->mqtt.client_count)];
    for (uint32_t i = 0; i < world->core_count; i++)
        world->mqtt.has_refusals |=
            counter_read(&world->cores[i].core.counters, COUNTER_MQTT_PUBLISHES_REFUSED) > 0;
    if (one_in(world, 3))
        act(world, client);
    for (uint32_t moves = below(world, 6); moves > 0; moves--)
        pump(world, client);
}

void mqtt_clients_calm(struct world *world) {
    for (uint32_t i = 0; i < world->mqtt.client_count; i++) {
        struct mqtt_client *client = &world->mqtt_clients[i];
        end_ghost(world, client);
        client->split_max = 0;
        client->is_stalled = false;
        if (client->phase != MQTT_CLIENT_AWAY)
            ring_sim_peer_set_space(ring_of(world, client->core), client->peer, 64u << 10);
    }
}

bool mqtt_clients_pump(struct world *world) {
    bool was_busy = false;
    for (uint32_t i = 0; i < world->mqtt.client_count; i++) {
        struct mqtt_client *client = &world->mqtt_clients[i];
        if (client->phase == MQTT_CLIENT_AWAY && !world->is_draining &&
            world->now_ns >= client->retry_ns) {
            connect_to(world, client, i % world->core_count);
            ring_sim_peer_set_space(ring_of(world, client->core), client->peer, 64u << 10);
        }
        if (!is_busy(world, client))
            continue;
        pump(world, client);
        was_busy = true;
    }
    return was_busy;
}

void mqtt_clients_check_quiet(const struct world *world) {
    for (uint32_t i = 0; i < world->mqtt.client_count; i++) {
        const struct mqtt_client *client = &world->mqtt_clients[i];
        SIM_REQUIRE(client->phase == MQTT_CLIENT_OPEN, "mqtt: client %u is not connected", i);
        SIM_REQUIRE(client->inbox.size == 0, "mqtt: client %u has %zu bytes of a packet", i,
                    client->inbox.size);
        SIM_REQUIRE(client->open_count == 0,
                    "mqtt: client %u: %u publishes without an answer, %u first", i,
                    client->open_count, client->open[0].number);
        for (uint32_t topic = 0; topic < world->mqtt.topic_count; topic++)
            SIM_REQUIRE(!world->mqtt.subscriptions[i][topic].is_wanted ||
                            world->mqtt.subscriptions[i][topic].is_confirmed,
                        "mqtt: client %u: no SUBACK for %s", i, mqtt_model_topic(topic));
    }
    mqtt_model_check(&world->mqtt);
}

uint32_t mqtt_clients_open_count(const struct world *world) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < world->mqtt.client_count; i++)
        open += world->mqtt_clients[i].phase == MQTT_CLIENT_OPEN;
    return open;
}
