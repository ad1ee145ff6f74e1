// Goal: an MQTT connection is on its client id's home core before anything is made of its CONNECT,
// however it comes, and whatever happens on the way; no other state of it moves. Method: cores over
// simulated rings; sessions are stand-ins, whose home is the last byte of the client id.
#include "tests/unit/gateway/move_rig.h"

#include <errno.h>

#include "gateway/mqtt_conn.h"
#include "tests/unit/gateway/mqtt_conn_standin.h"

#define MANY 1000
#define MANY_AT_ONCE 200

static void open_cores(uint64_t seed) {
    memset(&standin, 0, sizeof(standin));
    standin.core_count = 2;
    world_open(&(struct world_sizes){.core_count = 2, .seed = seed});
    world.config.mqtt_keep_alive_max_s = 3600;
    world.config.mqtt_receive_max = 1000;
    for (uint32_t i = 0; i < 2; i++)
        if (!world.cores[i].scheduler.kinds[KIND_MQTT_SESSION].behaviour)
            ck_assert_int_eq(mqtt_session_open(&world.cores[i].gateway), 0);
}

static struct client *connect_to(uint32_t core) {
    struct client *client = &world.clients[world.client_count++];
    *client = (struct client){.user = "", .core = core, .is_stalled = true}; // read by the test
    client->peer = ring_sim_connect(world.cores[core].ring, LISTEN_FD);
    return client;
}

static size_t put_connect(uint8_t *packet, size_t size, const char *client_id) {
    struct writer w = writer_on(packet, size);
    mqtt_encode_connect(&w, &(struct mqtt_connect){.version = 5,
                                                   .is_clean = true,
                                                   .keep_alive_s = 600,
                                                   .client_id = bytes_from_string(client_id)});
    ck_assert(!w.overflow);
    return w.size;
}

// The user's core, or 9.
static uint32_t core_of(const char *user) {
    struct whereabouts where;
    const struct client client = {.user = user};
    return client_where(&client, &where) ? where.core : 9;
}

static const uint8_t ping[] = {0xc0, 0};

// CONNACK and PINGRESP, nothing else.
static void expect_answers(const struct client *client, uint32_t pings) {
    uint8_t bytes[256];
    size_t size =
        ring_sim_peer_receive(world.cores[client->core].ring, client->peer, bytes, sizeof(bytes));
    ck_assert_uint_ge(size, 2);
    size_t connack = bytes[1] + 2u;
    ck_assert_uint_eq(bytes[0], 0x20);
    ck_assert_uint_eq(bytes[3], 0);
    ck_assert_uint_eq(size, connack + 2 * pings);
    for (size_t at = connack; at < size; at += 2)
        ck_assert_uint_eq(bytes[at], 0xd0);
}

START_TEST(a_connect_goes_home_with_what_follows_it) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        open_cores(seed);
        for (uint32_t to = 0; to < 2; to++) {
            uint8_t bytes[256];
            char id[8];
            snprintf(id, sizeof(id), "it-%u", to);
            const struct client *client = connect_to(0);
            size_t size = put_connect(bytes, sizeof(bytes), id);
            memcpy(bytes + size, ping, 2);
            client_send(client, bytes, size + 2);
            world_turns(1 + (uint32_t)seed % 7); // in the middle of its move more comes
            client_send(client, ping, 1);
            world_turns(3);
            client_send(client, ping + 1, 1);
            world_turns(100);
            ck_assert_uint_eq(core_of(id), to);
            expect_answers(client, 2);
        }
        ck_assert_uint_eq(world_sum(COUNTER_CONN_MOVES_IN), 1);
        ck_assert_uint_eq(world_moves(), 0);
        world_close();
    }
}
END_TEST

START_TEST(a_connect_that_comes_byte_by_byte_goes_home) {
    open_cores(0);
    uint8_t bytes[256];
    const struct client *client = connect_to(0);
    size_t size = put_connect(bytes, sizeof(bytes), "slow-1");
    for (size_t i = 0; i < size; i++) {
        client_send(client, bytes + i, 1);
        world_turns(2);
    }
    world_turns(50);
    ck_assert_uint_eq(core_of("slow-1"), 1);
    expect_answers(client, 0);
    world_close();
}
END_TEST

// Over WebSocket the decoder goes along, in the middle of a frame.
START_TEST(a_websocket_cut_within_a_frame_goes_home) {
    static const char upgrade[] = "GET /mqtt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Protocol: mqtt\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    uint8_t packets[256], frame[512], heard[1024];
    size_t connect_size = put_connect(packets, sizeof(packets), "web-1");
    memcpy(packets + connect_size, ping, 2);
    struct writer w = writer_on(frame, sizeof(frame));
    websocket_encode_masked(&w, WEBSOCKET_BINARY, bytes_of(packets, connect_size + 2),
                            (const uint8_t[4]){7, 0, 255, 1});
    for (size_t cut = 1; cut < w.size; cut++) {
        open_cores(cut);
        const struct client *client = connect_to(0);
        client_send(client, upgrade, sizeof(upgrade) - 1);
        client_send(client, frame, cut);
        world_turns(4);
        client_send(client, frame + cut, w.size - cut);
        world_turns(100);
        ck_assert_uint_eq(core_of("web-1"), 1);
        size_t size =
            ring_sim_peer_receive(world.cores[0].ring, client->peer, heard, sizeof(heard));
        ck_assert_uint_gt(size, 4);
        ck_assert_int_eq(memcmp(heard + size - 4, "\x82\x02\xd0\x00", 4), 0);
        world_close();
    }
}
END_TEST

// More than may leave at once: those that must wait try again.
START_TEST(a_thousand_on_two_cores_all_land_at_home) {
    char id[16];
    uint8_t bytes[256];
    open_cores(0);
    uint32_t peers[MANY_AT_ONCE];
    for (uint32_t round = 0; round < MANY / MANY_AT_ONCE; round++) {
        for (uint32_t i = 0; i < MANY_AT_ONCE; i++) {
            snprintf(id, sizeof(id), "n%u-%u", round * MANY_AT_ONCE + i, i % 4 / 2);
            peers[i] = ring_sim_connect(world.cores[i % 2].ring, LISTEN_FD);
            size_t size = put_connect(bytes, sizeof(bytes), id);
            ring_sim_peer_send(world.cores[i % 2].ring, peers[i], bytes, size);
        }
        world_turns(600);
        for (uint32_t i = 0; i < MANY_AT_ONCE; i++) {
            snprintf(id, sizeof(id), "n%u-%u", round * MANY_AT_ONCE + i, i % 4 / 2);
            ck_assert_uint_eq(core_of(id), i % 4 / 2);
            size_t size =
                ring_sim_peer_receive(world.cores[i % 2].ring, peers[i], bytes, sizeof(bytes));
            ck_assert(size > 4 && bytes[0] == 0x20 && bytes[3] == 0);
            ring_sim_peer_reset(world.cores[i % 2].ring, peers[i]);
        }
        world_turns(50);
        ck_assert_uint_eq(world_sum(COUNTER_CONNECTIONS), 0);
    }
    ck_assert_uint_eq(world_sum(COUNTER_MQTT_CONNECTS), MANY);
    ck_assert_uint_eq(world_sum(COUNTER_CONN_MOVES_IN), MANY / 2);
    world_close();
}
END_TEST

START_TEST(a_peer_that_ends_at_any_step_leaves_nothing) {
    uint8_t bytes[256];
    for (uint32_t step = 0; step < 40; step++) {
        open_cores(step % 3);
        const struct client *client = connect_to(0);
        client_send(client, bytes, put_connect(bytes, sizeof(bytes), "gone-1"));
        world_turns(step);
        if (step % 2)
            ring_sim_peer_reset(world.cores[0].ring, client->peer);
        else
            ring_sim_peer_fin(world.cores[0].ring, client->peer);
        for (int i = 0; i < 12; i++) {
            world.now_ns += NS_PER_S;
            world_turns(10);
        }
        ck_assert_uint_eq(world_sum(COUNTER_CONNECTIONS), 0);
        ck_assert_uint_eq(world_moves(), 0);
        world_close();
    }
}
END_TEST

START_TEST(a_home_that_is_full_is_tried_until_the_handshake_is_over) {
    uint8_t bytes[256];
    memset(&standin, 0, sizeof(standin));
    open_cores(0);
    world.cores[1].gateway.parts.connections_max = 0;
    const struct client *client = connect_to(0);
    client_send(client, bytes, put_connect(bytes, sizeof(bytes), "full-1"));
    world_turns(2000);
    ck_assert_uint_eq(world_sum(COUNTER_MQTT_CONNECTS), 0);
    ck_assert_uint_gt(world_sum(COUNTER_CONN_MOVES_REFUSED), 5);
    world.cores[1].gateway.parts.connections_max = 300;
    world_turns(200);
    ck_assert_uint_eq(core_of("full-1"), 1);
    world.cores[1].gateway.parts.connections_max = 0;
    (void)connect_to(0);
    client_send(&world.clients[1], bytes, put_connect(bytes, sizeof(bytes), "late-1"));
    for (int i = 0; i < 20; i++) {
        world.now_ns += NS_PER_S;
        world_turns(200);
    }
    ck_assert_uint_eq(world_sum(COUNTER_CLOSED_HANDSHAKE), 1);
    ck_assert_uint_eq(world_sum(COUNTER_CONNECTIONS), 1);
    world_close();
}
END_TEST

START_TEST(an_open_one_is_at_home_and_is_not_moved) {
    uint8_t bytes[256];
    struct whereabouts where;
    open_cores(0);
    const struct client *client = connect_to(0);
    client_send(client, bytes, put_connect(bytes, sizeof(bytes), "home-0"));
    world_turns(50);
    const struct client named = {.user = "home-0"};
    ck_assert(client_where(&named, &where));
    ck_assert_int_eq(client_move(&named, 1), -EOPNOTSUPP);
    ck_assert_uint_eq(gateway_move_some(&world.cores[0].gateway, 1, 10), 0);
    world_close();
}
END_TEST

UNIT_MAIN("gateway/conn_move (MQTT)", a_connect_goes_home_with_what_follows_it,
          a_connect_that_comes_byte_by_byte_goes_home, a_websocket_cut_within_a_frame_goes_home,
          a_thousand_on_two_cores_all_land_at_home, a_peer_that_ends_at_any_step_leaves_nothing,
          a_home_that_is_full_is_tried_until_the_handshake_is_over,
          an_open_one_is_at_home_and_is_not_moved)
