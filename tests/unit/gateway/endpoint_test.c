// Goal: a connection's first bytes lead to a WebSocket or to the refusal that docs/PROTOCOL.md
// names, however they are cut. Method: raw bytes over the rig.
#include "tests/unit/gateway/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/endpoint.h"

static void open_default(void) {
    rig_config_default(&rig.config);
    rig_open(64, 4);
}

// A connection that sends this; its whole answer, and that it is closed.
static const char *refused(const char *request) {
    uint32_t peer = rig_connect();
    rig_string(peer, request);
    rig_turn();
    const char *answer = rig_answer(peer);
    rig_turn();
    ck_assert_msg(!rig.peers[peer].is_open, "still open after: %s", answer);
    return answer;
}

#define EXPECT_REFUSED(request, status, cause)                                                     \
    do {                                                                                           \
        const char *refused_answer = refused(request);                                             \
        ck_assert_msg(strncmp(refused_answer, "HTTP/1.1 " status " ", 13) == 0, "%s",              \
                      refused_answer);                                                             \
        ck_assert_msg(strstr(refused_answer, cause) != NULL, "%s", refused_answer);                \
    } while (0)

#define TARGET "/socket/websocket?vsn=2.0.0"

START_TEST(an_upgrade_is_accepted_and_the_subprotocol_answered) {
    open_default();
    uint32_t peer = rig_connect();
    rig_string(peer, RIG_UPGRADE(TARGET "&user=ada",
                                 "Sec-WebSocket-Protocol: phoenix, base64url.bearer.phx.QUJD\r\n"));
    rig_turn();
    ck_assert_str_eq(rig_answer(peer), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                       "Connection: Upgrade\r\nSec-WebSocket-Accept: "
                                       "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                       "Sec-WebSocket-Protocol: phoenix\r\n\r\n");
    ck_assert(rig.peers[peer].is_open);
    ck_assert_uint_eq(RIG_COUNT(UPGRADES), 1);
    ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
    rig_close();
}
END_TEST

START_TEST(a_head_may_come_byte_by_byte_with_frames_right_behind) {
    open_default();
    uint8_t bytes[1024];
    struct writer w = writer_on(bytes, sizeof(bytes));
    writer_put_string(&w, RIG_UPGRADE(TARGET, ""));
    static const uint8_t mask[4] = {1, 2, 3, 4};
    websocket_encode_masked(&w, WEBSOCKET_TEXT,
                            BYTES_LITERAL("[null,\"3\",\"phoenix\",\"ping\",{}]"), mask);
    websocket_encode_masked(&w, WEBSOCKET_PING, BYTES_LITERAL("hi"), mask);
    for (size_t step = 1; step <= w.size; step = step < 8 ? step + 1 : step * 2) {
        uint32_t peer = rig_connect();
        for (size_t at = 0; at < w.size; at += step)
            rig_bytes(peer, bytes_of(bytes + at, step < w.size - at ? step : w.size - at));
        rig_turn();
        ck_assert(strstr(rig_answer(peer), "101 Switching") != NULL);
        RIG_EXPECT(peer, "[null,\"3\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
                         "{}}]");
        RIG_EXPECT_FRAME(peer, WEBSOCKET_PONG, "hi");
        ck_assert_uint_eq(rig.gateway.readers.used_count, 0);
        rig_hangup(peer);
    }
    // Two pieces, cut at every place.
    for (size_t cut = 1; cut < w.size; cut++) {
        uint32_t peer = rig_connect();
        rig_bytes(peer, bytes_of(bytes, cut));
        rig_bytes(peer, bytes_of(bytes + cut, w.size - cut));
        rig_turn();
        ck_assert(strstr(rig_answer(peer), "101 Switching") != NULL);
        RIG_EXPECT(peer, "[null,\"3\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":"
                         "{}}]");
        RIG_EXPECT_FRAME(peer, WEBSOCKET_PONG, "hi");
        rig_hangup(peer);
    }
    rig_close();
}
END_TEST

START_TEST(malformed_requests_are_refused_with_their_status) {
    open_default();
    EXPECT_REFUSED("GET " TARGET " HTTP/1.1\r\n\r\n", "400", "Host");
    EXPECT_REFUSED("POST " TARGET " HTTP/1.1\r\nHost: a\r\n\r\n", "405", "Allow: GET");
    EXPECT_REFUSED("GET " TARGET " HTTP/1.0\r\nHost: a\r\n\r\n", "505", "");
    EXPECT_REFUSED("GET " TARGET " HTTP/1.1\nHost: a\r\n\r\n", "400", "");
    EXPECT_REFUSED("GET " TARGET " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "400", "");
    EXPECT_REFUSED("GET " TARGET " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                   "400", "");
    EXPECT_REFUSED("GET " TARGET " HTTP/1.1\r\nHost: a\r\n\r\n", "426", "Sec-WebSocket-Version");
    ck_assert_uint_eq(RIG_COUNT(HTTP_BAD), 7);
    rig_close();
}
END_TEST

START_TEST(a_head_over_its_limit_is_refused_at_once_however_it_comes) {
    open_default();
    char *head = malloc(9000);
    memset(head, 'a', 9000);
    static const char start[] = "GET " TARGET " HTTP/1.1\r\nHost: a\r\nX: ";
    memcpy(head, start, sizeof(start) - 1);
    uint32_t whole = rig_connect();
    rig_bytes(whole, bytes_of(head, 8193));
    rig_turn();
    ck_assert(strstr(rig_answer(whole), "HTTP/1.1 431 ") != NULL);
    for (size_t step = 1; step < 4000; step = step * 3 + 1) {
        uint32_t peer = rig_connect();
        for (size_t at = 0; at < 8192; at += step)
            rig_bytes(peer, bytes_of(head + at, step < 8192 - at ? step : 8192 - at));
        rig_turn();
        RIG_EXPECT_NOTHING(peer);
        rig_bytes(peer, BYTES_LITERAL("a"));
        rig_turn();
        ck_assert(strstr(rig_answer(peer), "HTTP/1.1 431 ") != NULL);
    }
    free(head);
    rig_close();
}
END_TEST

START_TEST(unknown_paths_are_told_what_exists) {
    open_default();
    EXPECT_REFUSED("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404", "/socket/websocket");
    EXPECT_REFUSED(RIG_UPGRADE("/socket/websocket/", ""), "404", "/socket/websocket");
    EXPECT_REFUSED(RIG_UPGRADE("/echo", ""), "404", "/socket/websocket");
    ck_assert_uint_eq(RIG_COUNT(HTTP_NOT_FOUND), 3);
    rig.config.echo = true;
    EXPECT_REFUSED("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404", "/echo");
    rig_close();
}
END_TEST

START_TEST(versions_but_two_are_forbidden) {
    open_default();
    EXPECT_REFUSED(RIG_UPGRADE("/socket/websocket", ""), "403", "vsn");
    EXPECT_REFUSED(RIG_UPGRADE("/socket/websocket?user=a", ""), "403", "vsn");
    EXPECT_REFUSED(RIG_UPGRADE("/socket/websocket?vsn=1.0.0", ""), "403", "vsn=2.0.0");
    EXPECT_REFUSED(RIG_UPGRADE("/socket/websocket?vsn=2.0.00000000000000000000", ""), "403", "vsn");
    ck_assert_uint_eq(RIG_COUNT(HTTP_FORBIDDEN), 4);
    rig_close();
}
END_TEST

START_TEST(users_out_of_bounds_are_forbidden) {
    open_default();
    EXPECT_REFUSED(RIG_UPGRADE(TARGET "&user=", ""), "403", "empty");
    EXPECT_REFUSED(RIG_UPGRADE(TARGET "&user=a%00", ""), "403", "control character");
    EXPECT_REFUSED(RIG_UPGRADE(TARGET "&user=a%7f", ""), "403", "control character");
    EXPECT_REFUSED(RIG_UPGRADE(TARGET "&user=%c2%85", ""), "403", "control character");
    EXPECT_REFUSED(RIG_UPGRADE(TARGET "&user=%ff", ""), "403", "not UTF-8");
    EXPECT_REFUSED(RIG_UPGRADE(TARGET "&user=%e2%82", ""), "403", "not UTF-8");
    EXPECT_REFUSED(RIG_UPGRADE(TARGET "&user=%zz", ""), "403", "percent-encoding");
    for (int size = 63; size <= 65; size++) {
        char user[80], request[512];
        memset(user, 'u', sizeof(user));
        snprintf(request, sizeof(request), RIG_UPGRADE(TARGET "&user=%.*s", ""), size, user);
        if (size > 64) {
            EXPECT_REFUSED(request, "403", "longer than 64 bytes");
            continue;
        }
        uint32_t peer = rig_connect();
        rig_string(peer, request);
        rig_turn();
        ck_assert(strstr(rig_answer(peer), "101 Switching") != NULL);
        uint32_t user_text = conn_at(&rig.gateway, rig_slot(peer)->owner)->user;
        ck_assert_uint_eq(text_bytes(&rig.gateway.users, user_text).size, size);
    }
    rig_close();
}
END_TEST

START_TEST(who_gives_no_user_gets_a_random_one) {
    open_default();
    struct bytes names[2];
    for (int i = 0; i < 2; i++) {
        uint32_t peer = rig_connect();
        rig_string(peer, RIG_UPGRADE(TARGET, ""));
        names[i] =
            text_bytes(&rig.gateway.users, conn_at(&rig.gateway, rig_slot(peer)->owner)->user);
        ck_assert(bytes_starts_with(names[i], BYTES_LITERAL("anon-")));
    }
    ck_assert(!bytes_equal(names[0], names[1]));
    rig_turn();
    rig_close();
}
END_TEST

START_TEST(origins_are_the_own_host_or_listed) {
    struct config config;
    rig_config_default(&config);
    memcpy(config.origins[0], "https://app.example.com", 24);
    config.origin_count = 1;
    static const struct {
        const char *origin;
        const char *host;
        bool is_allowed;
    } cases[] = {
        {"http://chat.example.com", "chat.example.com", true},
        {"https://chat.example.com:444", "chat.example.com:80", true},
        {"https://CHAT.example.com", "chat.EXAMPLE.com", true},
        {"http://[::1]:3000", "[::1]:8080", true},
        {"http://[::2]", "[::1]", false},
        {"https://app.example.com", "chat.example.com", true},
        {"https://evil.example.com", "chat.example.com", false},
        {"https://chat.example.com.evil.com", "chat.example.com", false},
        {"https://evil.com/chat.example.com", "chat.example.com", false},
        {"https://evilchat.example.com", "chat.example.com", false},
        {"null", "chat.example.com", false},
        {"", "chat.example.com", false},
        {"https://", "chat.example.com", false},
        {"https://:80", ":80", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(endpoint_origin_is_allowed(&config, bytes_from_string(cases[i].origin),
                                                 bytes_from_string(cases[i].host)) ==
                          cases[i].is_allowed,
                      "%s", cases[i].origin);
    ck_assert(endpoint_origin_is_allowed(&config, (struct bytes){0}, BYTES_LITERAL("a")));
}
END_TEST

START_TEST(a_foreign_origin_is_forbidden_and_a_trusted_proxy_says_the_host) {
    open_default();
    EXPECT_REFUSED(RIG_UPGRADE(TARGET, "Origin: https://chat.example.com\r\n"), "403", "Origin");
#define FORWARDED "Origin: https://chat.example.com\r\nX-Forwarded-Host: chat.example.com\r\n"
    EXPECT_REFUSED(RIG_UPGRADE(TARGET, FORWARDED), "403", "Origin");
    ck_assert(config_cidr_decode("10.0.0.0/8", &rig.config.trusted_proxies[0]));
    rig.config.trusted_proxy_count = 1;
    struct sockaddr_in proxy = {.sin_family = AF_INET};
    static const char *const addresses[] = {"10.1.2.3", "11.1.2.3"};
    for (int i = 0; i < 2; i++) {
        inet_pton(AF_INET, addresses[i], &proxy.sin_addr);
        uint32_t peer = rig_connect_as(STREAM_ACCEPTED, (struct sockaddr *)&proxy);
        rig_string(peer, RIG_UPGRADE(TARGET, FORWARDED));
        rig_turn();
        ck_assert(strstr(rig_answer(peer), i == 0 ? "HTTP/1.1 101 " : "HTTP/1.1 403 ") != NULL);
    }
    rig_close();
}
END_TEST

START_TEST(tls_gets_an_alert_and_other_protocols_a_400) {
    open_default();
    uint32_t tls = rig_connect();
    rig_bytes(tls, BYTES_LITERAL("\x16\x03\x01\x02\x00\x01"));
    rig_turns(2);
    ck_assert(bytes_equal(rig_unread(tls), BYTES_LITERAL("\x15\x03\x03\x00\x02\x02\x28")));
    ck_assert(!rig.peers[tls].is_open);
    ck_assert_uint_eq(RIG_COUNT(REFUSED_TLS), 1);
    EXPECT_REFUSED("\x11\x0c", "400", "HTTP/1.1");
    EXPECT_REFUSED("get / HTTP/1.1\r\n", "400", "HTTP/1.1");
    EXPECT_REFUSED("\n", "400", "HTTP/1.1");
    ck_assert_uint_eq(RIG_COUNT(REFUSED_PROTOCOL), 3);
    rig_close();
}
END_TEST

START_TEST(beyond_the_limit_connections_get_503_and_beyond_the_spare_ones_nothing) {
    rig_config_default(&rig.config);
    rig_open(2, 1);
    uint32_t first = rig_user("a");
    (void)rig_user("b");
    uint32_t spare = rig_connect_as(STREAM_ACCEPTED_OVER_LIMIT, NULL);
    uint32_t beyond = rig_connect_as(STREAM_ACCEPTED_OVER_LIMIT, NULL);
    rig_turn();
    ck_assert(!rig.peers[beyond].is_open);
    RIG_EXPECT_NOTHING(beyond);
    rig_string(spare, "GET / HT");
    rig_turn();
    const char *answer = rig_answer(spare);
    ck_assert_msg(strncmp(answer, "HTTP/1.1 503 ", 13) == 0, "%s", answer);
    const char *retry = strstr(answer, "Retry-After: ");
    ck_assert_ptr_nonnull(retry);
    ck_assert_int_ge(strtol(retry + 13, NULL, 10), 1);
    ck_assert_int_le(strtol(retry + 13, NULL, 10), 30);
    rig_turn();
    ck_assert(!rig.peers[spare].is_open);
    ck_assert_uint_eq(RIG_COUNT(REFUSED_FULL), 2);
    // A silent one leaves the spare slot soon.
    spare = rig_connect_as(STREAM_ACCEPTED_OVER_LIMIT, NULL);
    rig_wait_ms(3500);
    ck_assert(!rig.peers[spare].is_open);
    ck_assert(rig.peers[first].is_open);
    rig_close();
}
END_TEST

START_TEST(a_slow_handshake_is_closed_without_a_word_however_busy_it_looks) {
    open_default();
    uint32_t silent = rig_connect(), slow = rig_connect();
    for (int i = 0; i < 9; i++) {
        rig_string(slow, i == 0 ? "GET /" : "a");
        rig_wait_ms(1000);
    }
    ck_assert(rig.peers[silent].is_open && rig.peers[slow].is_open);
    rig_wait_ms(3000);
    ck_assert(!rig.peers[silent].is_open && !rig.peers[slow].is_open);
    RIG_EXPECT_NOTHING(silent);
    RIG_EXPECT_NOTHING(slow);
    ck_assert_uint_eq(RIG_COUNT(CLOSED_HANDSHAKE), 2);
    rig_close();
}
END_TEST

UNIT_MAIN("gateway/endpoint", an_upgrade_is_accepted_and_the_subprotocol_answered,
          a_head_may_come_byte_by_byte_with_frames_right_behind,
          malformed_requests_are_refused_with_their_status,
          a_head_over_its_limit_is_refused_at_once_however_it_comes,
          unknown_paths_are_told_what_exists, versions_but_two_are_forbidden,
          users_out_of_bounds_are_forbidden, who_gives_no_user_gets_a_random_one,
          origins_are_the_own_host_or_listed,
          a_foreign_origin_is_forbidden_and_a_trusted_proxy_says_the_host,
          tls_gets_an_alert_and_other_protocols_a_400,
          beyond_the_limit_connections_get_503_and_beyond_the_spare_ones_nothing,
          a_slow_handshake_is_closed_without_a_word_however_busy_it_looks)
