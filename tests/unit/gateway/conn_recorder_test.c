// Goal: the flight recorder tells what happened to a connection and why it ended, while it lives
// and after. Method: peers made of bytes do what clients do wrong; the names of the events are
// compared.
#include "tests/unit/gateway/rig.h"

#include <arpa/inet.h>

#include "gateway/session.h"

#define JOIN(room) "[\"1\",\"1\",\"room:" room "\",\"phx_join\",{}]"

static struct recorder_mark marks[RECORDER_MARKS_MAX];

static void open_default(void) {
    rig_config_default(&rig.config);
    rig_open(8, 2);
}

// "accepted 0, upgraded 0, …", the oldest first.
static const char *text_of(const struct recorder_mark *from, uint32_t count) {
    static char text[1024];
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = count; i-- > 0;)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %u", used ? ", " : "",
                                 recorder_event_name(from[i].type), from[i].detail);
    return text;
}

static const char *life(uint32_t peer) {
    const struct recorder *recorder = &rig.scheduler.recorder;
    uint32_t owner = rig_slot(peer)->owner;
    return text_of(marks, recorder_read(recorder, recorder_actor(KIND_CONNECTION, owner), marks));
}

static const struct recorder_obituary *latest(void) {
    const struct recorder_obituary *obituary = recorder_lookup_obituary(&rig.scheduler.recorder, 0);
    ck_assert_ptr_nonnull(obituary);
    return obituary;
}

static const char *death(void) {
    return text_of(latest()->marks, latest()->mark_count);
}

static bool is_latest(const char *name, uint32_t reason) {
    return bytes_equal_string(bytes_of(latest()->name, latest()->name_size), name) &&
           latest()->reason == reason;
}

// `format` with the tag of room a in it.
static const char *with_tag(const char *format) {
    static char text[1024];
    uint32_t tag = chat_room_tag(&rig.chat, BYTES_LITERAL("a"));
    snprintf(text, sizeof(text), format, tag, tag); // NOLINT
    return text;
}

START_TEST(a_life_and_its_end_are_told_by_the_names_of_its_events) {
    open_default();
    uint32_t peer = rig_user("alice");
    rig_text(peer, JOIN("a"));
    rig_turns(3);
    ck_assert_str_eq(life(peer), with_tag("accepted 0, upgraded 0, joined %u"));
    rig_text(peer, "[\"1\",\"2\",\"room:a\",\"phx_leave\",{}]");
    rig_text(peer, JOIN("a"));
    rig_turns(3);
    rig_hangup(peer);
    ck_assert_str_eq(death(), with_tag("accepted 0, upgraded 0, joined %1$u, left %1$u, "
                                       "joined %1$u, stream_ended 0, left_all 1"));
    ck_assert(is_latest("alice", EXIT_PEER));
    ck_assert(!latest()->has_address);
    ck_assert_uint_eq(pid_kind(latest()->pid), KIND_CONNECTION);
    rig_close();
}
END_TEST

START_TEST(the_next_connection_in_a_slot_has_a_life_of_its_own) {
    open_default();
    uint32_t peer = rig_user("alice");
    rig_hangup(peer);
    uint32_t next = rig_user("bob");
    ck_assert_uint_eq(peer, next);
    ck_assert_str_eq(life(next), "accepted 0, upgraded 0");
    rig_close();
}
END_TEST

START_TEST(a_close_by_us_tells_its_code_and_what_came_before) {
    open_default();
    uint32_t peer = rig_user("alice");
    rig_text(peer, "nonsense");
    rig_turns(3);
    ck_assert_str_eq(death(), "accepted 0, upgraded 0, close_sent 1007, stream_ended 3");
    ck_assert(is_latest("alice", EXIT_NORMAL));
    peer = rig_user("bob");
    rig_frame(peer, WEBSOCKET_CLOSE, BYTES_LITERAL("\x0f\xa1")); // 4001
    rig_turns(3);
    ck_assert_str_eq(death(), "accepted 0, upgraded 0, close_received 4001, close_sent 4001, "
                              "stream_ended 3");
    rig_close();
}
END_TEST

START_TEST(a_message_too_big_tells_the_limit) {
    static uint8_t large[64 * 1024 + 1];
    memset(large, 'a', sizeof(large));
    open_default();
    uint32_t peer = rig_user("alice");
    rig_frame(peer, WEBSOCKET_TEXT, bytes_of(large, sizeof(large)));
    rig_turns(3);
    ck_assert_str_eq(death(), "accepted 0, upgraded 0, message_too_big 64, close_sent 1009, "
                              "stream_ended 3");
    rig_close();
}
END_TEST

START_TEST(silence_and_a_slow_handshake_tell_how_long) {
    open_default();
    uint32_t quiet = rig_user("alice");
    uint32_t slow = rig_connect();
    rig_string(slow, "GET /");
    rig_wait_ms(13000);
    ck_assert_str_eq(death(), "accepted 0, handshake_timeout 11, stream_ended 3");
    ck_assert(is_latest("", EXIT_NORMAL));
    rig_wait_ms(50000);
    ck_assert_str_eq(death(), "accepted 0, upgraded 0, silent 61, close_sent 1001, "
                              "stream_ended 3");
    ck_assert(!rig.peers[quiet].is_open);
    rig_close();
}
END_TEST

START_TEST(refusals_before_the_upgrade_tell_their_status) {
    open_default();
    uint32_t peer = rig_connect();
    rig_string(peer, RIG_UPGRADE("/nowhere", ""));
    rig_turns(2);
    ck_assert_str_eq(death(), "accepted 0, http_refused 404, stream_ended 3");
    peer = rig_connect();
    rig_string(peer, "\x16\x03\x01");
    rig_turns(2);
    ck_assert_str_eq(death(), "accepted 0, tls_refused 0, stream_ended 3");
    peer = rig_connect_as(STREAM_ACCEPTED_OVER_LIMIT, NULL);
    rig_string(peer, "GET");
    rig_turns(2);
    ck_assert_str_eq(death(), "accepted 1, http_refused 503, stream_ended 3");
    rig_close();
}
END_TEST

START_TEST(a_peer_that_comes_and_goes_without_a_word_gets_no_obituary) {
    open_default();
    rig_hangup(rig_connect());
    ck_assert_uint_eq(rig.scheduler.recorder.obituary_count, 0);
    uint32_t peer = rig_connect();
    rig_string(peer, "G");
    rig_hangup(peer);
    ck_assert_uint_eq(rig.scheduler.recorder.obituary_count, 1);
    rig_close();
}
END_TEST

START_TEST(a_join_that_is_refused_again_and_again_is_told_once) {
    open_default();
    uint32_t peer = rig_user("alice");
    for (uint32_t i = 0; i < 30; i++)
        rig_text(peer, "[\"1\",\"1\",\"news:a\",\"phx_join\",{}]");
    ck_assert_str_eq(life(peer), "accepted 0, upgraded 0, join_refused 16");
    rig_text(peer, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"meta\":3}]");
    ck_assert_str_eq(life(peer), "accepted 0, upgraded 0, join_refused 16, join_refused 19");
    ck_assert_str_eq(session_refusal_reason(16), "unmatched topic");
    ck_assert_str_eq(session_refusal_reason(19), "invalid meta");
    ck_assert_str_eq(session_refusal_reason(4), "unknown");
    rig_close();
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_paused_resumed_and_told_its_gap) {
    open_default();
    uint32_t peer = rig_user("alice");
    rig.peers[peer].is_stalled = true;
    static char ping[40000];
    size_t size =
        (size_t)snprintf(ping, sizeof(ping), "[\"1\",\"1\",\"phoenix\",\"ping\",{\"a\":\"");
    memset(ping + size, 'x', sizeof(ping) - 10 - size);
    snprintf(ping + sizeof(ping) - 10, 10, "\"}]");
    for (uint32_t i = 0; i < 5; i++)
        rig_text(peer, ping);
    ck_assert_str_eq(life(peer), "accepted 0, upgraded 0, reading_paused 0");
    rig.peers[peer].is_stalled = false;
    rig_turns(2);
    ck_assert_str_eq(life(peer), "accepted 0, upgraded 0, reading_paused 0, reading_resumed 0");
    rig_text(peer, JOIN("a"));
    rig_turns(3);
    uint32_t owner = rig_slot(peer)->owner;
    uint32_t leaf = chat_member(&rig.chat, conn_at(&rig.gateway, owner)->members)->leaf;
    stream_port_drops(&rig.gateway, owner, leaf);
    uint32_t gap = stream_port_gap(&rig.gateway, owner, leaf, 3, 7);
    parcel_unref(&rig.blocks, gap);
    ck_assert_str_eq(life(peer),
                     with_tag("accepted 0, upgraded 0, reading_paused 0, reading_resumed 0, "
                              "joined %u, dropping %u, gap_told 5"));
    rig_close();
}
END_TEST

START_TEST(a_drain_and_a_cut_are_told) {
    open_default();
    (void)rig_user("alice");
    gateway_drain_begin(&rig.gateway, rig.now_ns + NS_PER_S);
    rig_wait_ms(1000);
    ck_assert_str_eq(death(), "accepted 0, upgraded 0, drained 0, close_sent 1012, "
                              "stream_ended 3");
    rig_close();
    open_default();
    (void)rig_user("bob");
    gateway_stop(&rig.gateway);
    rig_turns(2);
    ck_assert_str_eq(death(), "accepted 0, upgraded 0, cut 0, stream_ended 3");
    ck_assert(is_latest("bob", EXIT_NORMAL));
    rig_close();
}
END_TEST

START_TEST(an_address_is_in_the_obituary_where_it_is_kept) {
    struct sockaddr_in client = {.sin_family = AF_INET};
    static const uint8_t expected[16] = {[10] = 0xff, [11] = 0xff, 11, 1, 2, 3};
    inet_pton(AF_INET, "11.1.2.3", &client.sin_addr);
    rig_config_default(&rig.config);
    rig.config.peer_addresses = true;
    rig_open(8, 2);
    uint32_t peer = rig_connect_as(STREAM_ACCEPTED, (struct sockaddr *)&client);
    rig_string(peer, RIG_UPGRADE("/socket/websocket?user=eve&vsn=2.0.0",
                                 "X-Forwarded-For: 6.6.6.6\r\n")); // it is no trusted proxy
    rig_turn();
    rig_hangup(peer);
    ck_assert(is_latest("eve", EXIT_PEER));
    ck_assert(latest()->has_address);
    ck_assert_mem_eq(latest()->address, expected, 16);
    rig_close();
    rig.config.peer_addresses = false;
    rig.config.trusted_proxy_count = 1;
    ck_assert(config_cidr_decode("11.0.0.0/8", &rig.config.trusted_proxies[0]));
    rig_open(8, 2);
    peer = rig_connect_as(STREAM_ACCEPTED, (struct sockaddr *)&client);
    rig_string(peer, RIG_UPGRADE("/socket/websocket?user=eve&vsn=2.0.0",
                                 "X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\n"));
    rig_turn();
    rig_hangup(peer);
    ck_assert_uint_eq(latest()->address[12], 7);
    rig_close();
}
END_TEST

START_TEST(a_room_has_a_life_too) {
    open_default();
    uint32_t peer = rig_user("alice");
    rig_text(peer, JOIN("a"));
    rig_turns(3);
    rig_hangup(peer);
    rig_wait_ms(61000);
    ck_assert_str_eq(death(), "room_made 0, room_occupied 0, room_empty 0");
    ck_assert(is_latest("a", EXIT_NORMAL));
    ck_assert_uint_eq(pid_kind(latest()->pid), KIND_ROOM);
    rig_close();
}
END_TEST

UNIT_MAIN("gateway/conn recorder", a_life_and_its_end_are_told_by_the_names_of_its_events,
          the_next_connection_in_a_slot_has_a_life_of_its_own,
          a_close_by_us_tells_its_code_and_what_came_before, a_message_too_big_tells_the_limit,
          silence_and_a_slow_handshake_tell_how_long, refusals_before_the_upgrade_tell_their_status,
          a_peer_that_comes_and_goes_without_a_word_gets_no_obituary,
          a_join_that_is_refused_again_and_again_is_told_once,
          a_peer_that_does_not_read_is_paused_resumed_and_told_its_gap, a_drain_and_a_cut_are_told,
          an_address_is_in_the_obituary_where_it_is_kept, a_room_has_a_life_too)
