// Goal: whatever way the echoed bytes are cut into reads, each message is answered once; bytes that
// are not what was sent end the connection. Method: fake streams; an echo server made of bytes, fed
// whole, at every split, byte by byte and damaged at every byte.
#include "tests/unit/loadgen/fake_streams.h"

#define SIZE 64
#define COUNT 3

static uint8_t echoed[COUNT * SIZE];

static void begin(void) {
    FAKE_BEGIN("echo", "tcp://127.0.0.1:7", "--connections", "1", "--first-user", "9");
    ck_assert_ptr_eq(run.protocol, &PROTOCOL_TCP_ECHO);
    fake_join_all();
    run.measure_from_ns = 0;
    run.clients[0].asked = run.clients[0].unanswered = COUNT;
    run.outstanding = COUNT;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct stamp stamp = {.intended_ns = 1000 + i, .publisher = 9, .number = i + 1};
        stamp_encode(echoed + (size_t)i * SIZE, SIZE, &stamp);
    }
}

// A fresh copy in memory of its exact size: sanitizers see an overrun.
static void feed(size_t from, size_t to) {
    uint8_t *copy = malloc(to - from ? to - from : 1);
    memcpy(copy, echoed + from, to - from);
    receive_data(&run, 0, copy, to - from);
    free(copy);
}

static void all_were_answered(void) {
    ck_assert_uint_eq(result.answered_all, COUNT);
    ck_assert_uint_eq(result.verify.duplicates + result.verify.disordered, 0);
    ck_assert_uint_eq(run.outstanding, 0);
    ck_assert_int_eq(run.clients[0].state, CLIENT_LIVE);
    ck_assert(!cut_is_held(&run.clients[0]));
    fake_end();
}

START_TEST(tcp_echo_is_live_when_connected) {
    FAKE_BEGIN("echo", "tcp://127.0.0.1:7", "--connections", "1");
    client_connect_due(&run, NS_PER_S);
    client_on_open(&run, 0, 0);
    ck_assert_int_eq(run.clients[0].state, CLIENT_LIVE);
    ck_assert_uint_eq(fake.pushes, 0);
    ck_assert_uint_eq(schedule_next_ns(&run.heartbeats), SCHEDULE_NEVER); // it has none
    fake_end();
}
END_TEST

START_TEST(tcp_echo_understands_every_split) {
    for (size_t at = 0; at <= sizeof(echoed); at++) {
        begin();
        feed(0, at);
        ck_assert_uint_eq(result.answered_all, at / SIZE);
        feed(at, sizeof(echoed));
        all_were_answered();
    }
    begin();
    for (size_t at = 0; at < sizeof(echoed); at++)
        feed(at, at + 1);
    all_were_answered();
}
END_TEST

START_TEST(tcp_echo_ends_at_the_first_byte_that_was_not_sent) {
    for (size_t at = SIZE; at < 2 * SIZE; at++) {
        begin();
        echoed[at] ^= 1;
        feed(0, sizeof(echoed));
        // A damaged digit of time, number or lag is another message of the same form.
        bool is_digit = at >= SIZE + 6 && at < SIZE + 46;
        bool is_publisher = at >= SIZE + 22 && at < SIZE + 30;
        if (!is_digit || is_publisher) {
            ck_assert_int_eq(run.clients[0].state, CLIENT_GONE);
            ck_assert_uint_eq(result.answered_all, 1);
            ck_assert_uint_eq(result.failures[RESULT_PROTOCOL], 1);
            ck_assert_ptr_nonnull(strstr(result.detail, "is no echo server"));
            ck_assert_uint_eq(result.unanswered, COUNT - 1);
        }
        fake_end();
    }
}
END_TEST

START_TEST(tcp_echo_sends_the_bare_payload) {
    FAKE_BEGIN("echo", "tcp://127.0.0.1:7", "--connections", "1", "--payload-bytes", "55");
    fake_join_all();
    struct stamp stamp = {.intended_ns = 5, .publisher = 0};
    ck_assert(run.protocol->try_request(&run, 0, &stamp));
    ck_assert_uint_eq(fake.pushes, 1);
    ck_assert_uint_eq(result.bytes_out_all, 55);
    fake_end();
}
END_TEST

UNIT_MAIN("loadgen/protocol_tcp_echo", tcp_echo_is_live_when_connected,
          tcp_echo_understands_every_split, tcp_echo_ends_at_the_first_byte_that_was_not_sent,
          tcp_echo_sends_the_bare_payload)
