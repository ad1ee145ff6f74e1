// Goal: what a WebSocket echo server brings back is matched, anything else is strange; heartbeats
// are pings. Method: fake streams; a server made of bytes.
#include "tests/unit/loadgen/fake_streams.h"

#include "loadgen/ws_client.h"

static uint8_t server_bytes[4096];
static struct writer server;

static void feed(void) {
    uint8_t *copy = malloc(server.size);
    memcpy(copy, server_bytes, server.size);
    receive_data(&run, 0, copy, server.size);
    free(copy);
    server.size = 0;
}

static void begin(void) {
    FAKE_BEGIN("echo", "--raw-echo", "--connections", "1", "--first-user", "5");
    ck_assert_ptr_eq(run.protocol, &PROTOCOL_WS_ECHO);
    run.measure_from_ns = 0;
    client_connect_due(&run, NS_PER_S);
    server = writer_on(server_bytes, sizeof(server_bytes));
    client_on_open(&run, 0, 0);
    ck_assert_int_eq(run.clients[0].state, CLIENT_OPENING);
    uint8_t key[WS_HANDSHAKE_KEY_SIZE];
    ws_client_key(0, key);
    ws_handshake_encode_response(&server, bytes_of(key, sizeof(key)), (struct bytes){NULL, 0});
    feed();
    ck_assert_int_eq(run.clients[0].state, CLIENT_LIVE); // nothing to join
}

static void put_echo(uint32_t publisher, size_t size) {
    uint8_t payload[64];
    struct stamp stamp = {.intended_ns = 77, .publisher = publisher, .number = 1};
    stamp_encode(payload, sizeof(payload), &stamp);
    websocket_encode_frame(&server, WEBSOCKET_TEXT, bytes_of(payload, size));
}

START_TEST(ws_echo_matches_what_comes_back) {
    begin();
    run.clients[0].asked = run.clients[0].unanswered = 1;
    run.outstanding = 1;
    put_echo(5, 63); // a byte is missing
    put_echo(6, 64); // of another client
    websocket_encode_frame(&server, WEBSOCKET_TEXT, BYTES_LITERAL("hello"));
    feed();
    put_echo(5, 64);
    server_bytes[server.size - 3] = 'y'; // of the padding
    feed();
    ck_assert_uint_eq(result.strange, 4);
    ck_assert_uint_eq(result.answered_all, 0);
    put_echo(5, 64);
    feed();
    ck_assert_uint_eq(result.answered_all, 1);
    ck_assert_uint_eq(result.strange, 4);
    fake_end();
}
END_TEST

START_TEST(ws_echo_heartbeat_is_a_ping_whose_pong_is_timed) {
    begin();
    struct stamp stamp = {.intended_ns = 2000, .lag_us = 4};
    ck_assert(run.protocol->try_heartbeat(&run, 0, &stamp));
    websocket_encode_frame(&server, WEBSOCKET_PONG, bytes_of(fake.last, fake.last_size));
    feed();
    ck_assert_uint_eq(result.heartbeats_answered, 1);
    ck_assert_uint_eq(result.strange, 0);
    websocket_encode_frame(&server, WEBSOCKET_PONG, BYTES_LITERAL(""));
    feed();
    ck_assert_uint_eq(result.heartbeats_answered, 1);
    ck_assert_uint_eq(result.strange, 1);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/protocol_ws_echo", ws_echo_matches_what_comes_back,
          ws_echo_heartbeat_is_a_ping_whose_pong_is_timed)
