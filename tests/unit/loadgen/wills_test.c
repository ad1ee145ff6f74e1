// Goal: every will is counted once, by whether it was due, and none of those that are not. Method:
// fake streams; three clients with wills and two watchers, lives begun and ended by hand.
#include "tests/unit/loadgen/fake_streams.h"

static void begin(void) {
    FAKE_BEGIN("storm", "--connections", "3", "--room-size", "3", "--will", "--will-watchers", "2",
               "--will-topic", "w/x", "mqtt://127.0.0.1:1");
    ck_assert_uint_eq(run.client_count, 5);
    client_connect_due(&run, 3600 * NS_PER_S);
}

static void say(uint32_t index, const void *bytes, size_t size) {
    uint8_t copy[256];
    memcpy(copy, bytes, size);
    receive_data(&run, index, copy, size);
}

// CONNACK, and SUBACK of QoS 0.
static void accept_client(uint32_t index) {
    say(index, "\x20\x03\x00\x00\x00", 5);
}

static void join(uint32_t index) {
    client_on_open(&run, index, index);
    accept_client(index);
    say(index, "\x90\x04\xff\xfe\x00\x00", 6);
    ck_assert_int_eq(run.clients[index].state, CLIENT_LIVE);
}

static void join_all(void) {
    for (uint32_t i = 0; i < 5; i++)
        join(i);
}

static void comes_back(uint32_t index) {
    client_connect(&run, index, 0, 1);
    client_on_open(&run, index, index);
}

static void will_comes(uint32_t watcher, uint32_t publisher, uint32_t life) {
    uint8_t packet[128], payload[WILLS_PAYLOAD_BYTES];
    struct stamp stamp = {.intended_ns = 5, .publisher = publisher, .number = life};
    stamp_encode(payload, sizeof(payload), &stamp);
    struct mqtt_publish publish = {.version = MQTT_5,
                                   .topic = BYTES_LITERAL("w/x"),
                                   .payload = bytes_of(payload, sizeof(payload))};
    struct writer w = writer_on(packet, sizeof(packet));
    mqtt_encode_publish_head(&w, &publish, bytes_of(NULL, 0));
    writer_put(&w, publish.payload);
    say(watcher, packet, w.size);
}

static void counts_are(uint64_t due, uint64_t received, uint64_t twice, uint64_t wrong) {
    ck_assert_uint_eq(result.wills_due, due);
    ck_assert_uint_eq(result.wills_received, received);
    ck_assert_uint_eq(result.wills_twice, twice);
    ck_assert_uint_eq(result.wills_wrong, wrong);
}

START_TEST(wills_travel_in_connect_and_watchers_have_none) {
    struct mqtt_connect connect;
    struct mqtt_error error;
    struct stamp stamp;
    begin();
    client_on_open(&run, 1, 1);
    ck_assert_int_eq(
        mqtt_decode_connect(bytes_of(fake.raw + 2, fake.raw_size - 2), &connect, &error), MQTT_OK);
    ck_assert(connect.has_will && !connect.will.is_retained);
    ck_assert(bytes_equal_string(connect.will.topic, "w/x"));
    ck_assert(stamp_decode(connect.will.payload, &stamp));
    ck_assert(stamp.publisher == 1 && stamp.number == 1);
    client_on_open(&run, 4, 4);
    ck_assert_int_eq(
        mqtt_decode_connect(bytes_of(fake.raw + 2, fake.raw_size - 2), &connect, &error), MQTT_OK);
    ck_assert(!connect.has_will);
    ck_assert(bytes_equal_string(connect.client_id, "w0000000-1"));
    fake_end();
}
END_TEST

START_TEST(wills_are_due_to_every_watcher_and_counted_once) {
    begin();
    join_all();
    client_depart(&run, 0);
    client_depart(&run, 2);
    counts_are(4, 0, 0, 0);
    ck_assert_uint_eq(result_wills_missing(&result), 4);
    will_comes(3, 0, 1);
    will_comes(4, 0, 1);
    will_comes(4, 2, 1);
    counts_are(4, 3, 0, 0);
    will_comes(4, 2, 1);
    counts_are(4, 3, 1, 0);
    ck_assert_uint_eq(result_wills_missing(&result), 1);
    ck_assert_uint_eq(result.will.count, 3);
    ck_assert(!scenario_is_quiet(&run));
    fake_end();
}
END_TEST

START_TEST(wills_of_later_lives_are_others) {
    begin();
    join_all();
    client_depart(&run, 0);
    comes_back(0);
    accept_client(0);
    client_depart(&run, 0);
    counts_are(4, 0, 0, 0);
    will_comes(3, 0, 1);
    will_comes(3, 0, 2);
    will_comes(4, 0, 2);
    counts_are(4, 3, 0, 0);
    will_comes(3, 0, 3); // has not begun
    ck_assert_uint_eq(result.strange, 1);
    fake_end();
}
END_TEST

START_TEST(wills_of_the_living_are_wrong_until_they_turn_out_to_have_ended) {
    begin();
    join_all();
    will_comes(3, 1, 1);
    counts_are(0, 0, 0, 1);
    client_on_end(&run, 1, STREAM_END_PEER_CLOSED); // the server had ended it
    counts_are(2, 1, 0, 0);
    will_comes(4, 1, 1);
    counts_are(2, 2, 0, 0);
    fake_end();
}
END_TEST

START_TEST(wills_of_attempts_that_were_not_accepted_are_not_due) {
    begin();
    join_all();
    client_depart(&run, 0);
    comes_back(0);
    will_comes(3, 0, 2); // accepted after all, and ended: we did not see it yet
    client_depart(&run, 0);
    counts_are(2, 0, 0, 0);
    comes_back(0);
    say(0, "\x20\x03\x00\x87\x00", 5);
    counts_are(2, 0, 0, 0);
    fake_end();
}
END_TEST

START_TEST(wills_are_not_due_to_watchers_that_are_not_there) {
    begin();
    for (uint32_t i = 0; i < 4; i++)
        join(i);
    client_depart(&run, 0);
    counts_are(1, 0, 0, 0);
    will_comes(3, 7, 1); // another process's client
    ck_assert_uint_eq(result.foreign, 1);
    counts_are(1, 0, 0, 0);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/wills", wills_travel_in_connect_and_watchers_have_none,
          wills_are_due_to_every_watcher_and_counted_once, wills_of_later_lives_are_others,
          wills_of_the_living_are_wrong_until_they_turn_out_to_have_ended,
          wills_of_attempts_that_were_not_accepted_are_not_due,
          wills_are_not_due_to_watchers_that_are_not_there)
