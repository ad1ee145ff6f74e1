// Goal: whatever way the bytes of a server are cut into reads, packets and WebSocket frames, the
// same is understood in both versions. Method: fake streams; a made-up server's packets are fed
// whole and split at every byte.
#include "tests/unit/loadgen/mqtt_fixture.h"

#include "gateway/wire/websocket.h"
#include "loadgen/ws_client.h"

static void hears_everything_split_at(size_t at) {
    client_on_open(&run, 0, 0);
    put_everything();
    feed_to(0, 0, at < server.size ? at : server.size);
    if (at < server.size)
        feed_to(0, at, server.size);
    everything_was_understood();
}

START_TEST(mqtt_understands_a_whole_conversation_in_one_read) {
    for (int is_5 = 0; is_5 <= 1; is_5++) {
        BEGIN("rooms", "--qos", "2", "--mqtt-version", is_5 ? "5" : "3.1.1");
        hears_everything_split_at(SIZE_MAX);
        take_last(); // of one read, all acknowledgements leave together
        next_is_ack(MQTT_PUBACK, 1);
        next_is_ack(MQTT_PUBACK, 2);
        next_is_ack(MQTT_PUBREC, 3);
        next_is_ack(MQTT_PUBCOMP, 3);
        next_is_ack(MQTT_PUBREC, 3);
        ck_assert_uint_eq(pushed.size, 0);
        ck_assert_uint_eq(fake.pushes, 3); // CONNECT, SUBSCRIBE, these
        fake_end();
    }
}
END_TEST

START_TEST(mqtt_understands_the_same_split_in_two_at_every_byte) {
    for (int is_5 = 0; is_5 <= 1; is_5++) {
        size_t size = 1;
        for (size_t at = 0; at <= size; at++) {
            BEGIN("rooms", "--qos", "2", "--mqtt-version", is_5 ? "5" : "3.1.1");
            hears_everything_split_at(at);
            size = server.size;
            fake_end();
        }
    }
}
END_TEST

START_TEST(mqtt_understands_the_same_byte_by_byte) {
    BEGIN("rooms", "--qos", "2");
    client_on_open(&run, 0, 0);
    put_everything();
    for (size_t at = 0; at < server.size; at++)
        feed_to(0, at, at + 1);
    everything_was_understood();
    fake_end();
}
END_TEST

START_TEST(mqtt_skips_what_is_too_large_to_keep_and_goes_on) {
    static uint8_t large[100000];
    BEGIN("rooms", "--qos", "1");
    join();
    struct mqtt_publish publish = {.version = MQTT_5,
                                   .qos = 1,
                                   .packet_id = 7,
                                   .topic = BYTES_LITERAL("other"),
                                   .payload = {NULL, sizeof(large)}};
    mqtt_encode_publish_head(&server, &publish, bytes_of(NULL, 0));
    feed();
    for (size_t at = 0; at < sizeof(large); at += 4000)
        receive_data(&run, 0, large + at, 4000);
    take_last();
    next_is_ack(MQTT_PUBACK, 7);
    put_publish((struct made){.qos = 1, .packet_id = 8, .number = 1});
    feed();
    ck_assert_uint_eq(result.strange, 1); // of another topic
    ck_assert_uint_eq(result.received_all, 1);
    fake_end();
}
END_TEST

START_TEST(mqtt_takes_nothing_too_large_but_deliveries) {
    static uint8_t codes[20000];
    BEGIN("rooms");
    join();
    struct mqtt_suback suback = {
        .version = MQTT_5, .packet_id = 65534, .codes = bytes_of(codes, sizeof(codes))};
    mqtt_encode_suback(&server, MQTT_SUBACK, &suback);
    size_t size = server.size;
    for (size_t at = 0; at < size && run.clients[0].state == CLIENT_LIVE; at += 4000)
        feed_to(0, at, at + 4000 < size ? at + 4000 : size);
    server.size = 0;
    is_refused(RESULT_PROTOCOL, "the server sent a SUBACK of 20003 bytes");
}
END_TEST

// --- over WebSocket ------------------------------------------------------------------------------

static void put_upgrade(const char *subprotocol) {
    uint8_t key[WS_HANDSHAKE_KEY_SIZE];
    ws_client_key(0, key);
    ws_handshake_encode_response(&server, bytes_of(key, sizeof(key)),
                                 subprotocol ? bytes_from_string(subprotocol) : bytes_of(NULL, 0));
}

#define BEGIN_WS(...)                                                                              \
    begin((char *[]){"fairlead-load", "--connections", "2", "--room-size", "2", "--protocol",      \
                     "mqtt-ws", __VA_ARGS__},                                                      \
          (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)) + 7)

// The upgrade, and then everything in frames of `piece` bytes, fed split at `at`.
static void hears_over_ws(size_t piece, size_t at) {
    static uint8_t packets[SERVER_BYTES_MAX];
    client_on_open(&run, 0, 0);
    put_everything();
    size_t size = server.size;
    memcpy(packets, server_bytes, size);
    server.size = 0;
    put_upgrade("mqtt");
    for (size_t from = 0; from < size; from += piece)
        websocket_encode_frame(&server, WEBSOCKET_BINARY,
                               bytes_of(packets + from, size - from < piece ? size - from : piece));
    at = at < server.size ? at : server.size;
    feed_to(0, 0, at);
    feed_to(0, at, server.size);
    everything_was_understood();
}

START_TEST(mqtt_over_websocket_packets_span_frames_and_reads) {
    static const size_t pieces[] = {SIZE_MAX, 1, 3, 64, 130};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t size = 1;
        for (size_t at = 0; at <= size; at += 7) {
            BEGIN_WS("rooms", "--qos", "2");
            hears_over_ws(pieces[i], at);
            ck_assert_uint_eq(run.clients[0].cut, SLAB_NONE);
            size = server.size;
            fake_end();
        }
    }
}
END_TEST

START_TEST(mqtt_over_websocket_sends_binary_frames) {
    BEGIN_WS("rooms", "--qos", "2");
    client_on_open(&run, 0, 0);
    ck_assert_ptr_nonnull(memmem(fake.raw, fake.raw_size, "Sec-WebSocket-Protocol: mqtt\r\n", 30));
    put_upgrade("mqtt");
    feed();
    ck_assert_uint_eq(fake.raw[0], 0x82); // MQTT-6.0.0-1
    ck_assert_uint_eq(fake.last[0], MQTT_CONNECT << 4);
    fake_end();
}
END_TEST

START_TEST(mqtt_over_websocket_wants_its_subprotocol_and_no_text) {
    BEGIN_WS("rooms");
    client_on_open(&run, 0, 0);
    put_upgrade(NULL);
    is_refused(RESULT_NOT_HTTP, "does not choose the subprotocol mqtt");
    BEGIN_WS("rooms");
    client_on_open(&run, 0, 0);
    put_upgrade("mqtt");
    websocket_encode_frame(&server, WEBSOCKET_TEXT, BYTES_LITERAL("\x20\x03"));
    is_refused(RESULT_PROTOCOL, "sent text where bytes belong");
}
END_TEST

UNIT_MAIN("loadgen/mqtt_client", mqtt_understands_a_whole_conversation_in_one_read,
          mqtt_understands_the_same_split_in_two_at_every_byte,
          mqtt_understands_the_same_byte_by_byte, mqtt_skips_what_is_too_large_to_keep_and_goes_on,
          mqtt_takes_nothing_too_large_but_deliveries,
          mqtt_over_websocket_packets_span_frames_and_reads,
          mqtt_over_websocket_sends_binary_frames,
          mqtt_over_websocket_wants_its_subprotocol_and_no_text)
