// Goal: whatever way the bytes of a server are cut into reads, the same is understood, and every
// fault of a server is counted by its name; the WebSocket below it (ws_client.h) is tested with it.
// Method: fake streams; a made-up server's bytes are fed whole and split at every byte.
#include "tests/unit/loadgen/fake_streams.h"

#include "gateway/wire/http1.h"
#include "gateway/wire/phoenix.h"
#include "loadgen/ws_client.h"

#define SERVER_BYTES_MAX 65536

// --- a run with a server made of bytes -----------------------------------------------------------

static uint8_t server_bytes[SERVER_BYTES_MAX];
static struct writer server;

// Two clients that are connecting; messages count from the beginning.
static void begin(char *const *argv, int argc) {
    fake_begin(argv, argc);
    run.measure_from_ns = 0;
    client_connect_due(&run, NS_PER_S);
    server = writer_on(server_bytes, sizeof(server_bytes));
}

#define BEGIN(...)                                                                                 \
    begin((char *[]){"fairlead-load", "--connections", "2", "--room-size", "2", __VA_ARGS__},      \
          (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)) + 5)

static void put_upgrade(uint32_t client) {
    uint8_t key[WS_HANDSHAKE_KEY_SIZE];
    ws_client_key(client, key);
    ws_handshake_encode_response(&server, bytes_of(key, sizeof(key)), (struct bytes){NULL, 0});
}

static void put_text(const char *text) {
    websocket_encode_frame(&server, WEBSOCKET_TEXT, bytes_from_string(text));
}

static void put_join_reply(void) {
    put_text("[\"1\",\"1\",\"room:bench-0\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
             "{\"epoch\":\"e\",\"seq\":10}}]");
}

static void put_broadcast(uint64_t sequence, uint32_t number) {
    uint8_t payload[64], text[256];
    struct stamp stamp = {.intended_ns = 5, .publisher = 0, .number = number};
    stamp_encode(payload, sizeof(payload), &stamp);
    struct writer w = writer_on(text, sizeof(text));
    struct phoenix_message message = {.topic = BYTES_LITERAL("room:bench-0"),
                                      .event = BYTES_LITERAL("msg"),
                                      .payload = bytes_of(payload, sizeof(payload))};
    phoenix_encode_text(&w, &message, sequence);
    websocket_encode_frame(&server, WEBSOCKET_TEXT, writer_bytes(&w));
}

static void put_everything(void) {
    put_upgrade(0);
    put_join_reply();
    put_text("[\"1\",null,\"room:bench-0\",\"presence_state\",{\"u1\":{\"metas\":[{}]}}]");
    put_broadcast(11, 1);
    put_broadcast(12, 2);
    websocket_encode_frame(&server, WEBSOCKET_PING, BYTES_LITERAL("are you there"));
    put_text("[null,null,\"room:bench-0\",\"gap\",{\"from\":13,\"to\":20}]");
    put_broadcast(21, 3);
    put_text("[null,\"1000.7.0\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
}

static void open_client(uint32_t index) {
    client_on_open(&run, index, index);
    ck_assert_int_eq(run.clients[index].state, CLIENT_OPENING);
}

// A fresh copy in memory of its exact size: decoders unmask in place, sanitizers see an overrun.
static void feed(size_t from, size_t to) {
    uint8_t *copy = malloc(to - from ? to - from : 1);
    memcpy(copy, server_bytes + from, to - from);
    receive_data(&run, 0, copy, to - from);
    free(copy);
}

static void everything_was_understood(void) {
    ck_assert_int_eq(run.clients[0].state, CLIENT_LIVE);
    ck_assert_uint_eq(run.clients[0].cut, SLAB_NONE);
    ck_assert_uint_eq(result.received_all, 3);
    ck_assert_uint_eq(result.verify.received, 3);
    ck_assert_uint_eq(result.verify.lost, 0);
    ck_assert_uint_eq(result.verify.announced, 8);
    ck_assert_uint_eq(result.verify.gap_events, 1);
    ck_assert_uint_eq(result.verify.disordered + result.verify.duplicates, 0);
    ck_assert_uint_eq(result.strange, 0);
    ck_assert_uint_eq(result.heartbeats_answered, 1);
    ck_assert_uint_eq(result.latency.count, 3);
    ck_assert_uint_eq(fake.pushes, 3); // upgrade, join, pong
    ck_assert_uint_eq(fake.closes, 0);
    ck_assert_int_eq(run.numbers, RUN_NUMBERS_SERVER);
}

START_TEST(phoenix_understands_a_whole_conversation_in_one_read) {
    BEGIN("rooms");
    open_client(0);
    put_everything();
    feed(0, server.size);
    everything_was_understood();
    fake_end();
}
END_TEST

START_TEST(phoenix_understands_the_same_split_in_two_at_every_byte) {
    size_t size = 1;
    for (size_t at = 0; at <= size; at++) {
        BEGIN("rooms");
        open_client(0);
        put_everything();
        size = server.size;
        feed(0, at);
        feed(at, size);
        everything_was_understood();
        fake_end();
    }
}
END_TEST

START_TEST(phoenix_understands_the_same_byte_by_byte) {
    BEGIN("rooms");
    open_client(0);
    put_everything();
    for (size_t at = 0; at < server.size; at++)
        feed(at, at + 1);
    everything_was_understood();
    fake_end();
}
END_TEST

START_TEST(phoenix_joins_fragments_and_skips_what_is_too_large_to_keep) {
    static char large[20000];
    static uint8_t text[25000];
    BEGIN("rooms");
    open_client(0);
    put_upgrade(0);
    put_join_reply();
    memset(large, 'x', sizeof(large) - 1);
    int size = snprintf((char *)text, sizeof(text),
                        "[\"1\",null,\"room:bench-0\",\"presence_state\",{\"%s\":1}]", large);
    websocket_encode_frame(&server, WEBSOCKET_TEXT, bytes_of(text, (size_t)size));
    struct websocket_frame part = {
        .opcode = WEBSOCKET_TEXT, .is_not_final = true, .payload_size = 30};
    static const char gap[] = "[null,null,\"room:bench-0\",\"gap\",{\"from\":11,\"to\":12}]";
    websocket_encode_header(&server, &part);
    writer_put(&server, bytes_of(gap, 30));
    websocket_encode_frame(&server, WEBSOCKET_PING, BYTES_LITERAL(""));
    websocket_encode_frame(&server, WEBSOCKET_CONTINUATION,
                           bytes_of(gap + 30, sizeof(gap) - 1 - 30));
    put_broadcast(13, 1);
    for (size_t at = 0; at < server.size; at += 4096)
        feed(at, at + 4096 < server.size ? at + 4096 : server.size);
    ck_assert_uint_eq(result.strange, 0);
    ck_assert_uint_eq(result.verify.announced, 2);
    ck_assert_uint_eq(result.verify.lost, 0);
    ck_assert_uint_eq(result.received_all, 1);
    ck_assert_uint_eq(run.clients[0].cut, SLAB_NONE);
    fake_end();
}
END_TEST

START_TEST(phoenix_counts_loss_duplicates_and_order) {
    BEGIN("rooms");
    open_client(0);
    put_upgrade(0);
    put_join_reply();
    put_broadcast(12, 2); // 11 comes late
    put_broadcast(11, 1);
    put_broadcast(12, 2);
    put_broadcast(15, 5); // 13 and 14 never come
    feed(0, server.size);
    ck_assert_uint_eq(result.verify.disordered, 1);
    ck_assert_uint_eq(result.verify.duplicates, 1);
    ck_assert_uint_eq(result.verify.lost, 2);
    run.rooms[0].last_sequence = 17;
    receive_finish(&run);
    ck_assert_uint_eq(result.verify.lost, 2);
    ck_assert_uint_eq(result.verify.missing, 2);
    ck_assert(result.has_sequence && result.is_order_checked);
    fake_end();
}
END_TEST

START_TEST(phoenix_falls_back_to_its_own_numbers) {
    BEGIN("rooms");
    open_client(0);
    put_upgrade(0);
    put_join_reply(); // a watermark of 10, and yet no numbers in the messages
    put_broadcast(0, 1);
    put_broadcast(0, 3);
    feed(0, server.size);
    run.rooms[0].published = 4;
    receive_finish(&run);
    ck_assert_uint_eq(result.verify.lost, 1);    // 2
    ck_assert_uint_eq(result.verify.missing, 1); // 4
    ck_assert_uint_eq(result.verify.duplicates, 0);
    ck_assert(!result.has_sequence && result.is_order_checked);
    fake_end();
}
END_TEST

static void is_refused(enum result_failure why, const char *sentence) {
    ck_assert_int_eq(run.clients[0].state, CLIENT_GONE);
    ck_assert_uint_eq(result.failures[why], 1);
    ck_assert_msg(strstr(result.detail, sentence) != NULL, "told: %s", result.detail);
    ck_assert_uint_eq(fake.closes, 1);
    ck_assert_uint_eq(run.waiting, 1); // the other one
    fake_end();
}

START_TEST(phoenix_tells_http_status_and_body) {
    BEGIN("rooms");
    open_client(0);
    writer_put_string(&server, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nfull");
    feed(0, server.size);
    is_refused(RESULT_HTTP, "/socket/websocket answered HTTP 503: full");
}
END_TEST

START_TEST(phoenix_waits_for_the_body_of_a_refusal) {
    BEGIN("rooms");
    open_client(0);
    writer_put_string(&server, "HTTP/1.1 403 Forbidden\r\n\r\n");
    feed(0, server.size);
    ck_assert_int_eq(run.clients[0].state, CLIENT_OPENING);
    size_t head_size = server.size;
    writer_put_string(&server, "origin not allowed");
    feed(head_size, server.size);
    is_refused(RESULT_HTTP, "HTTP 403: origin not allowed");
}
END_TEST

START_TEST(phoenix_tells_a_refusal_without_a_body_when_the_server_closes) {
    BEGIN("rooms");
    open_client(0);
    writer_put_string(&server, "HTTP/1.1 404 Not Found\r\n\r\n");
    feed(0, server.size);
    client_on_end(&run, 0, STREAM_END_PEER_CLOSED);
    is_refused(RESULT_HTTP, "HTTP 404 (is the path right?)");
}
END_TEST

START_TEST(phoenix_tells_when_a_server_speaks_something_else) {
    BEGIN("rooms");
    open_client(0);
    writer_put_string(&server, "SSH-2.0-OpenSSH_9.2p1\r\n");
    feed(0, server.size);
    is_refused(RESULT_NOT_HTTP, "it said 'SSH-2.0-OpenSSH_9.2p1'");
    BEGIN("rooms");
    open_client(0);
    writer_put(&server, BYTES_LITERAL("\x15\x03\x01\x00\x02\x02\x46")); // an alert
    feed(0, server.size);
    is_refused(RESULT_NOT_HTTP, "speaks TLS, which this tool does not");
    BEGIN("rooms");
    open_client(0);
    put_upgrade(1); // the key of another
    feed(0, server.size);
    is_refused(RESULT_NOT_HTTP, "does not answer our Sec-WebSocket-Key");
    BEGIN("rooms");
    open_client(0);
    client_on_end(&run, 0, STREAM_END_PEER_CLOSED);
    is_refused(RESULT_NOT_HTTP, "before it answered the WebSocket upgrade");
}
END_TEST

START_TEST(phoenix_tells_why_a_join_was_refused) {
    BEGIN("rooms");
    open_client(0);
    put_upgrade(0);
    put_text("[\"1\",\"1\",\"room:bench-0\",\"phx_reply\",{\"status\":\"error\",\"response\":"
             "{\"reason\":\"too many\"}}]");
    feed(0, server.size);
    is_refused(RESULT_JOIN, "the join of room:bench-0 was refused: too many");
}
END_TEST

START_TEST(phoenix_tells_close_codes_and_protocol_errors) {
    BEGIN("rooms");
    open_client(0);
    put_upgrade(0);
    put_join_reply();
    websocket_encode_close(&server, 1012, BYTES_LITERAL("restarting"));
    feed(0, server.size);
    is_refused(RESULT_CLOSED, "closed a connection with code 1012: restarting");
    BEGIN("rooms");
    open_client(0);
    put_upgrade(0);
    websocket_encode_masked(&server, WEBSOCKET_TEXT, BYTES_LITERAL("x"), (uint8_t[4]){1, 2, 3, 4});
    feed(0, server.size);
    is_refused(RESULT_PROTOCOL, "broke the WebSocket protocol");
}
END_TEST

static void put_ping_reply(uint32_t number, const char *status) {
    char text[256];
    snprintf(text, sizeof(text),
             "[\"1\",\"%u.3.%u\",\"room:bench-0\",\"phx_reply\",{\"status\":\"%s\",\"response\":"
             "{\"reason\":\"busy\"}}]",
             1000 * number + STAMP_REF_BASE, number, status);
    put_text(text);
}

START_TEST(phoenix_matches_replies_and_finds_those_that_come_twice_or_disordered) {
    BEGIN("echo");
    open_client(0);
    put_upgrade(0);
    put_join_reply();
    run.clients[0].asked = run.clients[0].unanswered = 5;
    run.outstanding = 5;
    put_ping_reply(1, "ok");
    put_ping_reply(1, "ok"); // twice: answers nothing else
    put_ping_reply(3, "ok");
    put_ping_reply(2, "ok");
    put_ping_reply(2, "ok");
    put_ping_reply(4, "error");
    feed(0, server.size);
    server.size = 0;
    ck_assert_uint_eq(result.answered_all, 4);
    ck_assert_uint_eq(result.latency.count, 4);
    ck_assert_uint_eq(result.verify.disordered, 1);
    ck_assert_uint_eq(result.verify.duplicates, 2);
    ck_assert_uint_eq(result.verify.lost, 0); // what is not answered is counted as that
    ck_assert_uint_eq(result.rejected, 1);
    ck_assert_str_eq(result.rejected_detail, "busy");
    ck_assert_uint_eq(run.outstanding, 1);
    put_ping_reply(5, "ok");
    put_ping_reply(6, "ok"); // was never asked
    feed(0, server.size);
    ck_assert_uint_eq(run.outstanding, 0);
    ck_assert_uint_eq(result.answered_all, 5);
    ck_assert_uint_eq(result.verify.duplicates, 2);
    ck_assert_uint_eq(result.strange, 1);
    fake_end();
}
END_TEST

START_TEST(phoenix_ends_of_a_channel_are_failures_unless_we_left) {
    BEGIN("rooms");
    open_client(0);
    put_upgrade(0);
    put_join_reply();
    feed(0, server.size);
    server.size = 0;
    ck_assert(client_try_leave(&run, 0));
    struct scan_message message;
    ck_assert(scan_message(bytes_of(fake.last, fake.last_size), &message));
    ck_assert(bytes_equal_string(message.event, "phx_leave"));
    put_broadcast(11, 1); // under way when we left
    put_text("[\"1\",\"2\",\"room:bench-0\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
    put_text("[\"1\",\"1\",\"room:bench-0\",\"phx_close\",{}]");
    feed(0, server.size);
    server.size = 0;
    ck_assert_uint_eq(result.received_all, 1);
    ck_assert_int_eq(run.clients[0].member, CLIENT_OUT);
    ck_assert_uint_eq(run.rooms[0].live, 0);
    ck_assert(client_try_join(&run, 0));
    ck_assert(scan_message(bytes_of(fake.last, fake.last_size), &message));
    ck_assert(bytes_equal_string(message.event, "phx_join"));
    put_text("[\"1\",\"1\",\"room:bench-0\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
             "{\"epoch\":\"e\",\"seq\":30}}]");
    put_broadcast(31, 2);
    feed(0, server.size);
    server.size = 0;
    ck_assert_int_eq(run.clients[0].member, CLIENT_IN);
    ck_assert_uint_eq(result.verify.lost, 0);
    ck_assert_uint_eq(result.strange, 0);
    put_text("[\"1\",\"1\",\"room:bench-0\",\"phx_close\",{}]");
    feed(0, server.size);
    is_refused(RESULT_CLOSED, "ended a channel with phx_close");
}
END_TEST

START_TEST(phoenix_times_heartbeats_by_their_ref) {
    BEGIN("hold");
    open_client(0);
    put_upgrade(0);
    put_join_reply();
    feed(0, server.size);
    server.size = 0;
    run.measure_to_ns = SCHEDULE_NEVER;
    struct stamp stamp = {.intended_ns = 5000, .lag_us = 7};
    struct scan_message message;
    ck_assert(run.protocol->try_heartbeat(&run, 0, &stamp));
    ck_assert(scan_message(bytes_of(fake.last, fake.last_size), &message));
    ck_assert(bytes_equal_string(message.event, "heartbeat"));
    char text[256];
    snprintf(text, sizeof(text),
             "[null,\"%.*s\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]",
             (int)message.ref.size, (const char *)message.ref.data);
    put_text(text);
    feed(0, server.size);
    ck_assert_uint_eq(result.heartbeats_answered, 1);
    ck_assert_uint_eq(result.heartbeat.count, 1);
    ck_assert_uint_eq(result.heartbeat.max_ns, run.read_ns - 5000);
    ck_assert_uint_eq(result.strange + result.answered_all, 0);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/protocol_phoenix", phoenix_understands_a_whole_conversation_in_one_read,
          phoenix_understands_the_same_split_in_two_at_every_byte,
          phoenix_understands_the_same_byte_by_byte,
          phoenix_joins_fragments_and_skips_what_is_too_large_to_keep,
          phoenix_counts_loss_duplicates_and_order, phoenix_falls_back_to_its_own_numbers,
          phoenix_tells_http_status_and_body, phoenix_waits_for_the_body_of_a_refusal,
          phoenix_tells_a_refusal_without_a_body_when_the_server_closes,
          phoenix_tells_when_a_server_speaks_something_else, phoenix_tells_why_a_join_was_refused,
          phoenix_tells_close_codes_and_protocol_errors,
          phoenix_matches_replies_and_finds_those_that_come_twice_or_disordered,
          phoenix_ends_of_a_channel_are_failures_unless_we_left,
          phoenix_times_heartbeats_by_their_ref)
