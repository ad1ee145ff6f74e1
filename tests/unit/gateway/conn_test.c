// Goal: a connection's life: frames however they are cut, every close code, budgets, timeouts,
// drain, and that nothing stays behind. Method: raw frames over the rig; time is the rig's.
#include "tests/unit/gateway/rig.h"

#include "gateway/reader.h"

static void open_default(void) {
    rig_config_default(&rig.config);
    rig.config.room.presence = CONFIG_PRESENCE_OFF;
    rig_open(128, 4);
}

static void skip_all(uint32_t peer) {
    rig.peers[peer].out_read = rig.peers[peer].out_size;
}

static void join(uint32_t peer, const char *room) {
    char text[256];
    snprintf(text, sizeof(text), "[\"1\",\"1\",\"room:%s\",\"phx_join\",{}]", room);
    rig_text(peer, text);
    rig_turns(2);
    skip_all(peer);
}

// A client's frame header by hand: what websocket_encode_masked would not write.
static void raw_frame(uint32_t peer, uint8_t first, const char *payload) {
    uint8_t bytes[256] = {first, (uint8_t)(0x80 | strlen(payload)), 0, 0, 0, 0};
    memcpy(bytes + 6, payload, strlen(payload));
    rig_bytes(peer, bytes_of(bytes, 6 + strlen(payload)));
}

#define PING_TEXT "[null,\"3\",\"phoenix\",\"ping\",{}]"
#define PING_REPLY "[null,\"3\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]"

START_TEST(an_idle_connection_takes_48_bytes_and_holds_no_reader) {
    open_default();
    ck_assert_uint_eq(sizeof(struct conn), 48);
    uint32_t ada = rig_user("ada");
    join(ada, "a");
    ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
    ck_assert_uint_eq(rig.gateway.users.classes[0].used_count, 1);
    ck_assert_uint_eq(rig.gateway.refs.classes[0].used_count, 0);
    rig_close();
}
END_TEST

START_TEST(a_message_in_fragments_and_single_bytes_is_whole_again) {
    open_default();
    uint32_t ada = rig_user("ada");
    raw_frame(ada, 0x01, "[null,\"3\",");
    ck_assert_uint_eq(rig.gateway.readers.used_count, 1);
    raw_frame(ada, 0x89, "between");
    raw_frame(ada, 0x00, "");
    raw_frame(ada, 0x00, "\"phoenix\",\"pi");
    raw_frame(ada, 0x80, "ng\",{}]");
    ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
    rig_turn();
    RIG_EXPECT_FRAME(ada, WEBSOCKET_PONG, "between");
    RIG_EXPECT(ada, PING_REPLY);
    uint8_t bytes[256];
    struct writer w = writer_on(bytes, sizeof(bytes));
    websocket_encode_masked(&w, WEBSOCKET_TEXT, bytes_from_string(PING_TEXT),
                            (const uint8_t[4]){9, 8, 7, 6});
    websocket_encode_masked(&w, WEBSOCKET_PING, BYTES_LITERAL("p"), (const uint8_t[4]){9, 8, 7, 6});
    for (size_t i = 0; i < w.size; i++)
        rig_bytes(ada, bytes_of(bytes + i, 1));
    rig_turn();
    RIG_EXPECT(ada, PING_REPLY);
    RIG_EXPECT_FRAME(ada, WEBSOCKET_PONG, "p");
    ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
    rig_close();
}
END_TEST

START_TEST(a_large_message_is_gathered_whole) {
    open_default();
    uint32_t ada = rig_user("ada");
    static uint8_t bytes[65536 + 64];
    static char text[65536 + 1];
    int head = snprintf(text, sizeof(text), "[null,\"3\",\"phoenix\",\"heartbeat\",\"");
    memset(text + head, 'x', sizeof(text) - (size_t)head);
    memcpy(text + 65534, "\"]", 3);
    struct writer w = writer_on(bytes, sizeof(bytes));
    websocket_encode_masked(&w, WEBSOCKET_TEXT, bytes_of(text, 65536),
                            (const uint8_t[4]){9, 8, 7, 6});
    for (size_t at = 0; at < w.size; at += 4096)
        rig_bytes(ada, bytes_of(bytes + at, w.size - at < 4096 ? w.size - at : 4096));
    rig_turn();
    RIG_EXPECT(ada, PING_REPLY);
    ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
    rig_close();
}
END_TEST

START_TEST(every_fault_closes_with_its_code) {
    open_default();
    static const struct {
        uint8_t first;
        const char *payload;
        const char *close;
    } cases[] = {
        {0xc1, "a", "1002 reserved bits are set"},
        {0x83, "a", "1002 reserved opcode"},
        {0x8b, "a", "1002 reserved opcode"},
        {0x80, "a", "1002 continuation without a message"},
        {0x09, "a", "1002 fragmented control frame"},
        {0x81, "\xff", "1007 text is not UTF-8"},
        {0x81, "\xe2\x82", "1007 text is not UTF-8"},
        {0x88, "a", "1002 close payload of one byte"},
        {0x88, "\x03\xed", "1002 close code that must not be sent"},
        {0x88, "\x03\xe9\xff", "1007 close reason is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t ada = rig_user("ada");
        join(ada, "a");
        raw_frame(ada, cases[i].first, cases[i].payload);
        rig_turn();
        RIG_EXPECT_CLOSE(ada, cases[i].close);
    }
    ck_assert_uint_eq(RIG_COUNT(CLOSED_PROTOCOL), 7);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_UTF8), 3);
    uint32_t bob = rig_user("bob");
    rig_bytes(bob, BYTES_LITERAL("\x81\x01z"));
    rig_turn();
    RIG_EXPECT_CLOSE(bob, "1002 unmasked frame from a client");
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 0);
    rig_close();
}
END_TEST

START_TEST(a_message_over_the_limit_closes_with_1009_at_its_header) {
    open_default();
    uint32_t ada = rig_user("ada");
    rig_bytes(ada, BYTES_LITERAL("\x81\xff\x00\x00\x00\x00\x00\x01\x00\x01"));
    rig_turn();
    RIG_EXPECT_CLOSE(ada, "1009 message over the limit");
    ck_assert_uint_eq(RIG_COUNT(CLOSED_TOO_BIG), 1);
    rig_close();
}
END_TEST

START_TEST(a_close_is_answered_with_its_code_and_what_follows_is_not_looked_at) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "a");
    join(bob, "a");
    rig_frame(ada, WEBSOCKET_CLOSE,
              BYTES_LITERAL("\x03\xe8"
                            "bye"));
    rig_text(ada, PING_TEXT);
    rig_text(bob, "[\"1\",null,\"room:a\",\"shout\",1]");
    rig_turn();
    RIG_EXPECT_CLOSE(ada, "1000 ");
    rig_frame(bob, WEBSOCKET_CLOSE, (struct bytes){0});
    rig_turn();
    skip_all(bob);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_PEER), 2);
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 0);
    rig_close();
}
END_TEST

START_TEST(an_idle_connection_is_closed_with_1001_and_traffic_keeps_it) {
    open_default();
    uint32_t idle = rig_user("idle"), busy = rig_user("busy");
    for (int i = 0; i < 58; i++) {
        rig_wait_ms(1000);
        if (i % 10 == 0)
            rig_text(busy, PING_TEXT);
    }
    ck_assert(rig.peers[idle].is_open);
    rig_wait_ms(4000);
    RIG_EXPECT_CLOSE(idle, "1001 idle");
    ck_assert(rig.peers[busy].is_open);
    rig_wait_ms(49000);
    ck_assert(rig.peers[busy].is_open);
    rig_wait_ms(4000);
    ck_assert(!rig.peers[busy].is_open);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_IDLE), 2);
    rig_close();
}
END_TEST

START_TEST(an_idle_timeout_below_that_of_the_handshake_holds_from_the_upgrade) {
    rig_config_default(&rig.config);
    rig.config.idle_timeout_s = 2;
    rig_open(16, 1);
    uint32_t ada = rig_user("ada");
    rig_wait_ms(1500);
    ck_assert(rig.peers[ada].is_open);
    rig_wait_ms(3000);
    RIG_EXPECT_CLOSE(ada, "1001 idle");
    rig_close();
}
END_TEST

START_TEST(who_takes_no_replies_is_not_read_and_then_closed_with_1008) {
    open_default();
    uint32_t ada = rig_user("ada");
    rig.peers[ada].is_stalled = true;
    uint32_t sent = 0;
    while (!rig.peers[ada].is_paused && sent < 10000) {
        rig_text(ada, PING_TEXT);
        sent++;
    }
    ck_assert_uint_gt(rig_slot(ada)->control_bytes, LIMITS_CONTROL_BYTES / 2);
    ck_assert_uint_lt(rig_slot(ada)->control_bytes, LIMITS_CONTROL_BYTES / 2 + 100);
    // It reads again: so do we.
    rig.peers[ada].is_stalled = false;
    rig_turn();
    ck_assert(!rig.peers[ada].is_paused);
    skip_all(ada);
    // What the kernel had taken before the pause still comes, and waits; not without end.
    rig.peers[ada].is_stalled = true;
    uint32_t most = 2 * LIMITS_WAITING_BYTES / sizeof(PING_TEXT);
    for (uint32_t i = 0;
         i < most && !conn_has(conn_at(&rig.gateway, rig_slot(ada)->owner), CONN_DOOMED); i++)
        rig_text(ada, PING_TEXT);
    rig_turn();
    ck_assert_uint_le(rig.peers[ada].queued_size, LIMITS_CONTROL_BYTES);
    rig.peers[ada].is_stalled = false;
    rig_turn();
    ck_assert(rig.peers[ada].out_size > 20);
    rig.peers[ada].out_read = rig.peers[ada].out_size - 20;
    RIG_EXPECT_CLOSE(ada, "1008 reads too slowly");
    ck_assert_uint_eq(RIG_COUNT(CLOSED_POLICY), 1);
    rig_close();
}
END_TEST

START_TEST(who_pushes_much_at_once_and_reads_gets_every_reply_in_order) {
    open_default();
    uint32_t ada = rig_user("ada");
    rig.peers[ada].is_stalled = true;
    char text[64], wanted[16];
    for (int i = 0; i < 6000; i++) { // replies of 3.5 times the budget's half
        snprintf(text, sizeof(text), "[null,\"%d\",\"phoenix\",\"ping\",{}]", i);
        rig_text(ada, text);
    }
    ck_assert(rig.peers[ada].is_paused);
    rig.peers[ada].is_stalled = false;
    for (int i = 0; i < 6000; i++) {
        rig_turn();
        snprintf(wanted, sizeof(wanted), "\"%d\"", i);
        enum websocket_opcode opcode;
        const char *seen = rig_next(ada, &opcode);
        ck_assert_msg(seen && strstr(seen, wanted), "reply %d: %s", i, seen ? seen : "none");
    }
    ck_assert(!rig.peers[ada].is_paused);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_POLICY), 0);
    ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
    rig_close();
}
END_TEST

START_TEST(who_is_paused_until_the_idle_timeout_is_closed_as_one_who_does_not_read) {
    rig_config_default(&rig.config);
    rig.config.idle_timeout_s = 2;
    rig_open(16, 1);
    uint32_t ada = rig_user("ada");
    rig.peers[ada].is_stalled = true;
    while (!rig.peers[ada].is_paused)
        rig_text(ada, PING_TEXT);
    rig_wait_ms(4000);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_POLICY), 1);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_IDLE), 0);
    rig_close();
}
END_TEST

START_TEST(who_takes_replies_slowly_but_steadily_is_not_idle) {
    rig_config_default(&rig.config);
    rig.config.idle_timeout_s = 4;
    rig_open(16, 1);
    uint32_t ada = rig_user("ada");
    rig.peers[ada].is_stalled = true;
    uint32_t sent_count = 9000; // replies of 4.4 times the budget's half; nothing is sent after
    for (uint32_t i = 0; i < sent_count; i++)
        rig_text(ada, PING_TEXT);
    uint32_t rounds = 0;
    while (rig.peers[ada].is_paused && rig.peers[ada].is_open) {
        rig_wait_ms(2500);
        rig.peers[ada].is_stalled = false;
        rig_turn();
        rig.peers[ada].is_stalled = true;
        rounds++;
    }
    ck_assert_uint_gt(rounds * 2500, 4000 + 1000 * LIMITS_TIMER_SLACK_S);
    rig.peers[ada].is_stalled = false;
    rig_turn();
    for (uint32_t i = 0; i < sent_count; i++)
        RIG_EXPECT(ada, PING_REPLY);
    RIG_EXPECT_NOTHING(ada);
    ck_assert(rig.peers[ada].is_open);
    // Once it takes nothing more and sends nothing it is.
    rig_wait_ms(7000);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_POLICY), 0);
    RIG_EXPECT_CLOSE(ada, "1001 idle");
    rig_close();
}
END_TEST

START_TEST(a_slow_member_of_a_room_that_closes_is_closed_and_the_others_go_on) {
    rig_config_default(&rig.config);
    rig.config.room.presence = CONFIG_PRESENCE_OFF;
    rig.config.room.policy = CONFIG_POLICY_CLOSE;
    rig.config.out_queue_bytes_max = 4096;
    rig_open(16, 1);
    uint32_t slow = rig_user("slow"), ada = rig_user("ada");
    join(slow, "a");
    join(ada, "a");
    rig.peers[slow].is_stalled = true;
    for (int i = 0; i < 100; i++) {
        rig_text(ada, "[\"1\",null,\"room:a\",\"shout\",\"0123456789012345678901234567890\"]");
        rig_turns(2);
    }
    ck_assert(rig.peers[slow].is_closing);
    rig.peers[slow].is_stalled = false;
    rig_turns(2);
    ck_assert(!rig.peers[slow].is_open);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_POLICY), 1);
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 1);
    uint32_t received = 0;
    enum websocket_opcode opcode;
    while (rig_next(ada, &opcode))
        received++;
    ck_assert_uint_eq(received, 100);
    rig_close();
}
END_TEST

START_TEST(presence_that_found_no_room_comes_when_there_is_some) {
    rig_config_default(&rig.config);
    rig_open(16, 1);
    uint32_t slow = rig_user("slow"), ada = rig_user("ada");
    join(slow, "a");
    rig_wait_ms(300);
    skip_all(slow);
    rig.peers[slow].is_stalled = true;
    while (rig_slot(slow)->control_bytes <= LIMITS_CONTROL_BYTES / 2)
        rig_text(slow, PING_TEXT);
    join(ada, "a");
    rig_wait_ms(1000);
    ck_assert_uint_gt(RIG_COUNT(PRESENCE_STALE), 0);
    rig.peers[slow].is_stalled = false;
    rig_turn();
    skip_all(slow);
    rig_wait_ms(1000);
    enum websocket_opcode opcode;
    const char *state = rig_next(slow, &opcode);
    ck_assert_ptr_nonnull(state);
    ck_assert_msg(strstr(state, "presence_state") && strstr(state, "\"ada\"") &&
                      strstr(state, "\"slow\""),
                  "%s", state);
    RIG_EXPECT_NOTHING(slow);
    rig_close();
}
END_TEST

START_TEST(a_drain_closes_all_with_1012_paced_and_refuses_the_new) {
    open_default();
    uint32_t peers[100];
    for (int i = 0; i < 100; i++)
        peers[i] = rig_user("u");
    uint32_t half = rig_connect();
    rig_string(half, "GET /socket");
    join(peers[3], "a");
    rig.scheduler.now_ns = rig.now_ns;
    gateway_drain_begin(&rig.gateway, rig.now_ns + 30 * NS_PER_S);
    gateway_drain_begin(&rig.gateway, rig.now_ns + 90 * NS_PER_S);
    uint32_t late = rig_connect();
    rig_string(late, "GET /");
    rig_turn();
    ck_assert(strstr(rig_answer(late), "HTTP/1.1 503 ") != NULL);
    ck_assert_uint_eq(RIG_COUNT(REFUSED_DRAIN), 1);
    rig_wait_ms(50);
    uint32_t open = 0;
    for (int i = 0; i < 100; i++)
        open += rig.peers[peers[i]].is_open;
    ck_assert_uint_gt(open, 20);
    ck_assert_uint_lt(open, 100);
    rig_wait_ms(200);
    for (int i = 0; i < 100; i++) {
        skip_all(0);
        ck_assert(!rig.peers[peers[i]].is_open);
    }
    RIG_EXPECT_FRAME(peers[7], WEBSOCKET_CLOSE, "1012 server restarts");
    ck_assert(!rig.peers[half].is_open);
    ck_assert(gateway_is_empty(&rig.gateway));
    ck_assert_uint_eq(RIG_COUNT(CLOSED_DRAIN), 101);
    rig_close();
}
END_TEST

START_TEST(a_stop_ends_all_at_once) {
    open_default();
    uint32_t ada = rig_user("ada"), raw = rig_connect();
    join(ada, "a");
    gateway_stop(&rig.gateway);
    rig_turn();
    ck_assert(gateway_is_empty(&rig.gateway));
    RIG_EXPECT_NOTHING(ada);
    RIG_EXPECT_NOTHING(raw);
    rig_close();
}
END_TEST

static void kill_connection(uint32_t peer) {
    ck_assert(rig.peers[peer].is_open);
    scheduler_exit(&rig.scheduler, KIND_CONNECTION, rig_slot(peer)->owner, EXIT_KILLED);
    ck_assert(rig.peers[peer].is_aborted);
    rig_turns(2);
    ck_assert(!rig.peers[peer].is_open);
}

START_TEST(a_connection_killed_in_any_state_takes_its_stream_along_and_leaves_nothing) {
    rig_config_default(&rig.config);
    rig.config.echo = true;
    rig_open(16, 4);
    uint32_t witness = rig_user("witness");
    join(witness, "lobby");
    kill_connection(rig_connect()); // handshake
    uint32_t half = rig_connect();
    rig_string(half, "GET /socket");
    kill_connection(half); // with half a request in a reader
    kill_connection(rig_connect_as(STREAM_ACCEPTED_OVER_LIMIT, NULL));
    uint32_t echo = rig_connect();
    rig_string(echo, RIG_UPGRADE("/echo", ""));
    rig_turn();
    kill_connection(echo);
    kill_connection(rig_user("idle"));
    uint32_t joined = rig_user("joined");
    join(joined, "lobby");
    rig_text(joined, "[\"1\",\"2\",\"room:lobby\",\"shout\",{}]"); // not answered yet
    rig_bytes(joined, BYTES_LITERAL("\x81\xfe"));                  // half a frame
    kill_connection(joined);
    uint32_t pending = rig_user("pending");
    rig_text(pending, "[\"1\",\"1\",\"room:lobby\",\"phx_join\",{}]");
    kill_connection(pending);
    uint32_t closing = rig_user("closing");
    join(closing, "lobby");
    rig.peers[closing].is_stalled = true;
    rig_text(closing, "{");
    rig_turn();
    kill_connection(closing);
    uint32_t doomed = rig_user("doomed");
    join(doomed, "lobby");
    conn_doom(&rig.gateway, rig_slot(doomed)->owner, true);
    kill_connection(doomed);
    uint32_t ended = rig_user("ended");
    join(ended, "lobby");
    ck_assert(chat_room_end(&rig.chat, BYTES_LITERAL("lobby"), EXIT_KILLED));
    (void)scheduler_turn(&rig.scheduler, rig.now_ns); // its leaf knows, it does not
    kill_connection(ended);
    rig_turns(4);
    ck_assert_uint_eq(RIG_COUNT(CONNECTIONS), 1);
    ck_assert_uint_eq(RIG_COUNT(MEMBERS), 0);
    ck_assert_uint_eq(rig.chat.members.used_count, 0);
    ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
    rig_close();
}
END_TEST

START_TEST(an_echo_returns_messages_as_they_were_and_large_ones_in_fragments) {
    rig_config_default(&rig.config);
    rig.config.echo = true;
    rig.config.message_bytes_max = 16 << 20;
    rig_open(16, 1);
    uint32_t ada = rig_connect();
    rig_string(ada, RIG_UPGRADE("/echo", ""));
    rig_turn();
    ck_assert(strstr(rig_answer(ada), "101 Switching") != NULL);
    rig_text(ada, "hello");
    rig_text(ada, "");
    rig_frame(ada, WEBSOCKET_BINARY, BYTES_LITERAL("\x01\x02"));
    rig_frame(ada, WEBSOCKET_PING, BYTES_LITERAL("x"));
    rig_turn();
    RIG_EXPECT_FRAME(ada, WEBSOCKET_TEXT, "hello");
    RIG_EXPECT_FRAME(ada, WEBSOCKET_TEXT, "");
    RIG_EXPECT_FRAME(ada, WEBSOCKET_BINARY, "\x01\x02");
    RIG_EXPECT_FRAME(ada, WEBSOCKET_PONG, "x");

    size_t size = 16 << 20;
    uint8_t *payload = malloc(size), *frame = malloc(size + 14);
    for (size_t i = 0; i < size; i++)
        payload[i] = (uint8_t)(i * 7 + i / 251);
    struct writer w = writer_on(frame, size + 14);
    websocket_encode_masked(&w, WEBSOCKET_BINARY, bytes_of(payload, size),
                            (const uint8_t[4]){1, 2, 3, 4});
    for (size_t at = 0; at < w.size; at += 16384) {
        rig_bytes(ada, bytes_of(frame + at, w.size - at < 16384 ? w.size - at : 16384));
        ck_assert(!rig.peers[ada].is_paused);
        rig_turn();
    }
    struct websocket_decoder decoder = {0};
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    const struct websocket_rules rules = {.message_bytes_max = size, .is_client = true};
    struct bytes out = rig_unread(ada);
    struct websocket_input input = {(uint8_t *)out.data, out.size, control};
    struct websocket_event event = {0};
    size_t seen = 0;
    while (websocket_decode(&decoder, &rules, &input, &event) == WEBSOCKET_OK) {
        ck_assert_int_eq(event.opcode, WEBSOCKET_BINARY);
        ck_assert(memcmp(payload + seen, event.payload.data, event.payload.size) == 0);
        seen += event.payload.size;
        if (event.is_last)
            break;
    }
    ck_assert_uint_eq(seen, size);
    ck_assert(event.is_last);
    ck_assert_uint_eq(input.size, 0);
    free(payload);
    free(frame);
    rig_close();
}
END_TEST

START_TEST(an_echo_that_is_not_taken_is_not_read) {
    rig_config_default(&rig.config);
    rig.config.echo = true;
    rig_open(16, 1);
    uint32_t ada = rig_connect();
    rig_string(ada, RIG_UPGRADE("/echo", ""));
    rig_turn();
    rig.peers[ada].is_stalled = true;
    static uint8_t payload[16384];
    uint32_t sent = 0;
    while (!rig.peers[ada].is_paused && sent++ < 1000)
        rig_frame(ada, WEBSOCKET_BINARY, bytes_of(payload, sizeof(payload)));
    ck_assert(rig.peers[ada].is_read_singly);
    // What the kernel had taken already when the upgrade came finds its place: 128 KiB do.
    for (int i = 0; i < 8; i++)
        rig_frame(ada, WEBSOCKET_BINARY, bytes_of(payload, sizeof(payload)));
    ck_assert(rig.peers[ada].is_open && !rig.peers[ada].is_closing);
    rig.peers[ada].is_stalled = false;
    rig_turn();
    ck_assert(!rig.peers[ada].is_paused);
    rig_close();
}
END_TEST

START_TEST(out_of_memory_closes_with_1013_and_nothing_leaks) {
    open_default();
    uint32_t ada = rig_user("ada"), bob = rig_user("bob");
    join(ada, "a");
    join(bob, "a");
    size_t bytes_max = rig.blocks.bytes_max;
    rig.blocks.bytes_max = rig.blocks.bytes_used;
    rig_text(ada, PING_TEXT);
    raw_frame(bob, 0x01, "half");
    rig.blocks.bytes_max = bytes_max;
    rig_turn();
    RIG_EXPECT_CLOSE(ada, "1013 out of memory");
    RIG_EXPECT_CLOSE(bob, "1013 out of memory");
    ck_assert_uint_eq(RIG_COUNT(CLOSED_MEMORY), 2);
    rig_close();
}
END_TEST

START_TEST(a_publish_that_is_refused_as_busy_stops_reading_for_a_moment) {
    open_default();
    uint32_t ada = rig_user("ada");
    join(ada, "a");
    uint32_t sent = 0;
    while (!rig.peers[ada].is_paused && sent++ < 20000)
        rig_text(ada, "[\"1\",null,\"room:a\",\"shout\",1]");
    ck_assert(rig.peers[ada].is_paused);
    rig_text(ada, "[\"1\",\"9\",\"room:a\",\"shout\",1]");
    rig_turn();
    RIG_EXPECT(ada, "[\"1\",\"9\",\"room:a\",\"phx_reply\",{\"status\":\"error\",\"response\":"
                    "{\"reason\":\"busy\"}}]");
    ck_assert(rig.peers[ada].is_paused);
    rig_wait_ms(150);
    ck_assert(!rig.peers[ada].is_paused);
    rig_wait_ms(50000);
    ck_assert(rig.peers[ada].is_open && !rig.peers[ada].is_closing);
    rig_wait_ms(15000);
    ck_assert(!rig.peers[ada].is_open);
    rig_close();
}
END_TEST

START_TEST(connections_that_come_and_go_at_random_leave_nothing) {
    struct rng rng = {20};
    rig_config_default(&rig.config);
    rig.config.handshake_timeout_s = 2;
    rig.config.idle_timeout_s = 3;
    rig_open(60, 4);
    uint8_t script[1024];
    struct writer w = writer_on(script, sizeof(script));
    writer_put_string(&w, RIG_UPGRADE("/socket/websocket?vsn=2.0.0", ""));
    static const char *const lines[] = {
        "[\"1\",\"1\",\"room:%u\",\"phx_join\",{\"meta\":{\"n\":1}}]",
        "[\"1\",\"2\",\"room:%u\",\"shout\",{}]",
        "[\"x\",\"y\",\"room:%u\",\"phx_join\",{}]",
        "[\"x\",null,\"room:%u\",\"whisper\",{}]",
        "[\"x\",\"5\",\"room:%u\",\"phx_leave\",{}]",
    };
    size_t handshake_size = w.size, sent[64] = {0};
    uint32_t peers[64], used = 0;
    for (int step = 0; step < 30000; step++) {
        if (used < 64 && rng_below(&rng, 4) == 0) {
            sent[used] = 0;
            peers[used++] = rig_connect();
        }
        for (uint32_t i = 0; i < used; i++) {
            if (rng_below(&rng, 200) == 0)
                rig_hangup(peers[i]);
            if (!rig.peers[peers[i]].is_open) {
                used--;
                peers[i] = peers[used];
                sent[i] = sent[used];
                continue;
            }
            rig.peers[peers[i]].is_stalled ^= rng_below(&rng, 50) == 0;
            if (sent[i] < handshake_size) {
                size_t size = 1 + rng_below(&rng, 200);
                size = size < handshake_size - sent[i] ? size : handshake_size - sent[i];
                rig_bytes(peers[i], bytes_of(script + sent[i], size));
                sent[i] += size;
            } else if (rng_below(&rng, 3) == 0) {
                char text[128];
                snprintf(text, sizeof(text), lines[rng_below(&rng, 5)], rng_below(&rng, 6));
                rig_text(peers[i], text);
            } else if (rng_below(&rng, 300) == 0) {
                raw_frame(peers[i], (uint8_t)rng_next(&rng), "noise");
            }
        }
        if (rng_below(&rng, 2) == 0) {
            rig.now_ns += rng_below(&rng, 100) * NS_PER_MS;
            rig_turn();
        }
    }
    ck_assert_uint_gt(RIG_COUNT(UPGRADES), 500);
    ck_assert_uint_gt(RIG_COUNT(JOINS), 500);
    ck_assert_uint_gt(RIG_COUNT(PUBLISHES), 500);
    rig_close();
}
END_TEST

UNIT_MAIN("gateway/conn", an_idle_connection_takes_48_bytes_and_holds_no_reader,
          a_message_in_fragments_and_single_bytes_is_whole_again, a_large_message_is_gathered_whole,
          every_fault_closes_with_its_code, a_message_over_the_limit_closes_with_1009_at_its_header,
          a_close_is_answered_with_its_code_and_what_follows_is_not_looked_at,
          an_idle_connection_is_closed_with_1001_and_traffic_keeps_it,
          an_idle_timeout_below_that_of_the_handshake_holds_from_the_upgrade,
          who_takes_no_replies_is_not_read_and_then_closed_with_1008,
          who_pushes_much_at_once_and_reads_gets_every_reply_in_order,
          who_is_paused_until_the_idle_timeout_is_closed_as_one_who_does_not_read,
          who_takes_replies_slowly_but_steadily_is_not_idle,
          a_slow_member_of_a_room_that_closes_is_closed_and_the_others_go_on,
          presence_that_found_no_room_comes_when_there_is_some,
          a_drain_closes_all_with_1012_paced_and_refuses_the_new, a_stop_ends_all_at_once,
          a_connection_killed_in_any_state_takes_its_stream_along_and_leaves_nothing,
          an_echo_returns_messages_as_they_were_and_large_ones_in_fragments,
          an_echo_that_is_not_taken_is_not_read, out_of_memory_closes_with_1013_and_nothing_leaks,
          a_publish_that_is_refused_as_busy_stops_reading_for_a_moment,
          connections_that_come_and_go_at_random_leave_nothing)
