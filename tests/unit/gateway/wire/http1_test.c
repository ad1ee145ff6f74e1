// Goal: heads are taken strictly, within bounds, and refused with the status that fits the cause.
// Method: one sound request, each fault put into it in turn; limits at max-1, max, max+1; every
// prefix; what one half encodes the other decodes.
#include "gateway/wire/http1.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define LINE "GET /socket/websocket?vsn=2.0.0&user=ann HTTP/1.1\r\n"
#define HOST "Host: localhost:8080\r\n"
#define UPGRADE                                                                                    \
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"                                    \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// The status a head is refused with, 0 when it is taken, 1 when more is wanted.
static unsigned status_of_bytes(struct bytes head) {
    // an allocation of exactly this size: the sanitizer sees a read past the end
    uint8_t *exact = malloc(head.size ? head.size : 1);
    memcpy(exact, head.data, head.size);
    struct http1_request request;
    enum http1_status status = http1_decode_request(bytes_of(exact, head.size), &request);
    free(exact);
    if (status == HTTP1_BAD)
        ck_assert(request.refusal.cause != NULL);
    return status == HTTP1_OK ? 0 : status == HTTP1_NEED_MORE ? 1 : request.refusal.status;
}

static unsigned status_of(const char *head) {
    return status_of_bytes(bytes_from_string(head));
}

START_TEST(request_line_faults_are_refused) {
    const struct {
        const char *head;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.0\r\n" HOST "\r\n", 505},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\n", 505},
        {"POST / HTTP/1.1\r\n" HOST "\r\n", 405},
        {"get / HTTP/1.1\r\n" HOST "\r\n", 405},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405},
        {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET localhost:80 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
        {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
        {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /\r\n" HOST "\r\n", 400},
        {"GET\r\n", 400},
        {"\r\n\r\n", 400},
        {"G@T / HTTP/1.1\r\n", 400},
        {"GET / http/1.1\r\n", 400},
        {"GET / HTTP/1.10\r\n", 400},
        {"GET / HTTP/11\r\n", 400},
        {"GET /#x HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http:// HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http://host HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http://u@host/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET ftp://host/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"ABCDEFGHIJKLMNOPQ", 400},    // no method is that long
        {"\x16\x03\x01\x02", 400},     // TLS
        {"\x10\x10\x00\x04MQTT", 400}, // MQTT
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(status_of(cases[i].head) == cases[i].status, "case %zu: %u", i,
                      status_of(cases[i].head));
}
END_TEST

START_TEST(header_faults_and_smuggling_shapes_are_refused) {
    const char *const lines[] = {
        "Content-Length: 0\r\n",
        "Content-Length: 5\r\n",
        "content-length: 5, 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: a\r\n folded\r\n",
        "X: a\r\n\tfolded\r\n",
        "X : a\r\n",
        ": a\r\n",
        "no colon\r\n",
        "X(y): a\r\n",
        "X\xc3\xa9: a\r\n",
        "X: a\rb\r\n",
        "X: a\nY: b\r\n",
        "X: a\n",
        "X: a\r\r\n",
        "X: \x01\r\n",
        "X: \x7f\r\n",
        "Host: other\r\n",
        "host: localhost:8080\r\n",
        "Origin: http://a\r\nOrigin: http://b\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char head[1024];
        snprintf(head, sizeof(head), LINE HOST UPGRADE "%s\r\n", lines[i]);
        ck_assert_msg(status_of(head) == 400, "after: %s", lines[i]);
        snprintf(head, sizeof(head), LINE "%s" HOST UPGRADE "\r\n", lines[i]);
        ck_assert_msg(status_of(head) == 400, "before: %s", lines[i]);
    }
    ck_assert_uint_eq(status_of_bytes(BYTES_LITERAL(LINE HOST "X: a\0b\r\n\r\n")), 400);
    ck_assert_uint_eq(status_of_bytes(BYTES_LITERAL(LINE "Ho\0st: a\r\n\r\n")), 400);
}
END_TEST

START_TEST(host_must_be_there_once_and_be_a_host) {
    ck_assert_uint_eq(status_of(LINE UPGRADE "\r\n"), 400);
    const char *const hosts[] = {"",      "a b",       "a/b", "u@h",  "h?x",
                                 "a,b c", "h\xc3\xa9", "h#",  "\"h\""};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char head[512];
        snprintf(head, sizeof(head), LINE "Host: %s\r\n" UPGRADE "\r\n", hosts[i]);
        ck_assert_msg(status_of(head) == 400, "%s", hosts[i]);
    }
    ck_assert_uint_eq(status_of(LINE "Host:[::1]:8080\r\n\r\n"), 0);
    ck_assert_uint_eq(status_of(LINE "Host:\t chat.example \t\r\n\r\n"), 0);
}
END_TEST

START_TEST(request_gives_every_view) {
    struct http1_request request;
    const char *head = LINE HOST UPGRADE "Origin: http://localhost:8081\r\n"
                                         "Sec-WebSocket-Protocol: phoenix, x\r\n"
                                         "Sec-WebSocket-Extensions: one\r\n"
                                         "Sec-WebSocket-Extensions: two\r\n"
                                         "X-Forwarded-For: 6.6.6.6\r\n"
                                         "X-Forwarded-For: 192.0.2.7\r\n"
                                         "X-Forwarded-Host: chat.example\r\n"
                                         "x-forwarded-proto:https\r\n"
                                         "User-Agent: \xc3\xa9\r\n\r\nrest";
    ck_assert_int_eq(http1_decode_request(bytes_from_string(head), &request), HTTP1_OK);
    ck_assert_uint_eq(request.size, strlen(head) - 4);
    ck_assert(bytes_equal_string(request.path, "/socket/websocket"));
    ck_assert(bytes_equal_string(request.query, "vsn=2.0.0&user=ann"));
    ck_assert(bytes_equal_string(request.host, "localhost:8080"));
    ck_assert(bytes_equal_string(request.origin, "http://localhost:8081"));
    ck_assert(bytes_equal_string(request.ws_key, "dGhlIHNhbXBsZSBub25jZQ=="));
    ck_assert(bytes_equal_string(request.ws_version, "13"));
    ck_assert(bytes_equal_string(request.ws_protocol, "phoenix, x"));
    ck_assert(bytes_equal_string(request.ws_extensions, "one"));
    ck_assert(bytes_equal_string(request.forwarded_for, "192.0.2.7"));
    ck_assert(bytes_equal_string(request.forwarded_host, "chat.example"));
    ck_assert(bytes_equal_string(request.forwarded_proto, "https"));
    ck_assert(request.has_upgrade_websocket && request.has_connection_upgrade);
}
END_TEST

START_TEST(request_without_upgrade_is_taken_and_says_so) {
    struct http1_request request;
    ck_assert_int_eq(http1_decode_request(BYTES_LITERAL("GET / HTTP/1.1\r\n" HOST
                                                        "Connection: upgraded, close\r\n"
                                                        "Upgrade: h2c, websockets\r\n\r\n"),
                                          &request),
                     HTTP1_OK);
    ck_assert(!request.has_upgrade_websocket && !request.has_connection_upgrade);
    ck_assert(!request.query.data && !request.origin.data && !request.ws_key.data);
    ck_assert(bytes_equal_string(request.path, "/"));
}
END_TEST

START_TEST(tokens_of_several_lines_add_up_in_any_case) {
    struct http1_request request;
    ck_assert_int_eq(
        http1_decode_request(BYTES_LITERAL("GET /? HTTP/1.1\r\n" HOST
                                           "CONNECTION: keep-alive\r\nconnection:,UPGRADE,\r\n"
                                           "UPGRADE: h2c\r\nupgrade: WebSocket\r\n\r\n"),
                             &request),
        HTTP1_OK);
    ck_assert(request.has_upgrade_websocket && request.has_connection_upgrade);
    ck_assert(request.query.data && request.query.size == 0);
}
END_TEST

START_TEST(absolute_target_gives_path_and_host) {
    struct http1_request request;
    ck_assert_int_eq(
        http1_decode_request(BYTES_LITERAL("GET HTTP://chat.example:81/echo?a=b HTTP/1.1\r\n"
                                           "Host: other\r\n\r\n"),
                             &request),
        HTTP1_OK);
    ck_assert(bytes_equal_string(request.host, "chat.example:81"));
    ck_assert(bytes_equal_string(request.path, "/echo"));
    ck_assert(bytes_equal_string(request.query, "a=b"));
}
END_TEST

START_TEST(every_prefix_of_a_request_wants_more) {
    const char *heads[] = {LINE HOST UPGRADE "\r\n", "\r\n" LINE HOST "\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct bytes head = bytes_from_string(heads[i]);
        for (size_t size = 0; size < head.size; size++)
            ck_assert_msg(status_of_bytes(bytes_of(head.data, size)) == 1, "%zu bytes", size);
        ck_assert_uint_eq(status_of_bytes(head), 0);
    }
}
END_TEST

// A head whose target has this many bytes.
static unsigned status_with_target(size_t target_size) {
    char head[WIRE_HTTP_TARGET_BYTES_MAX + 256], target[WIRE_HTTP_TARGET_BYTES_MAX + 2];
    memset(target, 'a', target_size);
    target[0] = '/';
    target[target_size] = '\0';
    snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    return status_of(head);
}

START_TEST(target_is_bounded) {
    ck_assert_uint_eq(status_with_target(WIRE_HTTP_TARGET_BYTES_MAX - 1), 0);
    ck_assert_uint_eq(status_with_target(WIRE_HTTP_TARGET_BYTES_MAX), 0);
    ck_assert_uint_eq(status_with_target(WIRE_HTTP_TARGET_BYTES_MAX + 1), 414);
    // told before the line's end has come
    static char endless[WIRE_HTTP_TARGET_BYTES_MAX + 6] = "GET /";
    memset(endless + 5, 'a', sizeof(endless) - 5);
    ck_assert_uint_eq(status_of_bytes(bytes_of(endless, sizeof(endless) - 1)), 414);
    ck_assert_uint_eq(status_of_bytes(bytes_of(endless, sizeof(endless) - 2)), 1);
}
END_TEST

// A whole head of exactly `size` bytes.
static unsigned status_with_head(size_t size) {
    static char head[WIRE_HTTP_HEAD_BYTES_MAX + 2];
    const char *begin = "GET / HTTP/1.1\r\n" HOST "X: ";
    memset(head, 'x', sizeof(head));
    memcpy(head, begin, strlen(begin));
    memcpy(head + size - 4, "\r\n\r\n", 4);
    return status_of_bytes(bytes_of(head, size));
}

START_TEST(head_is_bounded) {
    ck_assert_uint_eq(status_with_head(WIRE_HTTP_HEAD_BYTES_MAX - 1), 0);
    ck_assert_uint_eq(status_with_head(WIRE_HTTP_HEAD_BYTES_MAX), 0);
    ck_assert_uint_eq(status_with_head(WIRE_HTTP_HEAD_BYTES_MAX + 1), 431);
    static char endless[WIRE_HTTP_HEAD_BYTES_MAX] = "GET / HTTP/1.1\r\nX: ";
    memset(endless + 19, 'a', sizeof(endless) - 19);
    ck_assert_uint_eq(status_of_bytes(bytes_of(endless, sizeof(endless) - 1)), 1);
    ck_assert_uint_eq(status_of_bytes(bytes_of(endless, sizeof(endless))), 431);
    // also where the version never ends
    memcpy(endless, "GET / AAAAAAAAAAAAA", 19);
    ck_assert_uint_eq(status_of_bytes(bytes_of(endless, sizeof(endless))), 431);
}
END_TEST

START_TEST(header_count_is_bounded) {
    for (size_t count = WIRE_HTTP_HEADERS_MAX - 1; count <= WIRE_HTTP_HEADERS_MAX + 1; count++) {
        char head[1024] = "GET / HTTP/1.1\r\n" HOST;
        size_t size = strlen(head);
        for (size_t i = 1; i < count; i++)
            size += (size_t)snprintf(head + size, sizeof(head) - size, "A: b\r\n");
        snprintf(head + size, sizeof(head) - size, "\r\n");
        ck_assert_uint_eq(status_of(head), count > WIRE_HTTP_HEADERS_MAX ? 431 : 0);
    }
}
END_TEST

static enum http1_parameter lookup(const char *query, const char *name, size_t capacity,
                                   const char *expected) {
    uint8_t value[64];
    struct writer w = writer_on(value, capacity);
    enum http1_parameter status = http1_query_lookup(bytes_from_string(query), name, &w);
    if (status == HTTP1_PARAMETER_OK)
        ck_assert(bytes_equal_string(writer_bytes(&w), expected));
    return status;
}

START_TEST(query_lookup_decodes) {
    ck_assert_int_eq(lookup("user=ann", "user", 64, "ann"), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("a=1&user=a%20b+c%2B%c3%A9&b", "user", 64, "a b c+\xc3\xa9"), 0);
    ck_assert_int_eq(lookup("%75ser=x", "user", 64, "x"), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("user=1&user=2", "user", 64, "1"), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("user", "user", 64, ""), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("user=", "user", 64, ""), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("&&user=a=b&", "user", 64, "a=b"), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("", "user", 64, NULL), HTTP1_PARAMETER_ABSENT);
    ck_assert_int_eq(lookup("use=1&users=2&=3&%=4", "user", 64, NULL), HTTP1_PARAMETER_ABSENT);
}
END_TEST

START_TEST(query_lookup_refuses_broken_and_long_values) {
    const char *const broken[] = {"user=%", "user=%4", "user=%4x", "user=%x4", "user=a%zz"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        ck_assert_int_eq(lookup(broken[i], "user", 64, NULL), HTTP1_PARAMETER_BAD);
    ck_assert_int_eq(lookup("user=abc", "user", 4, "abc"), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("user=abcd", "user", 4, "abcd"), HTTP1_PARAMETER_OK);
    ck_assert_int_eq(lookup("user=abcde", "user", 4, NULL), HTTP1_PARAMETER_TOO_LONG);
    ck_assert_int_eq(http1_query_lookup((struct bytes){0}, "user", &(struct writer){0}),
                     HTTP1_PARAMETER_ABSENT);
}
END_TEST

static bool answer_has(uint16_t status, uint32_t retry_after_s, const char *needle) {
    char text[HTTP1_ANSWER_BYTES_MAX + 1] = "";
    struct writer w = writer_on(text, HTTP1_ANSWER_BYTES_MAX);
    struct http1_answer answer = {status, "the cause", retry_after_s};
    http1_encode_answer(&w, &answer);
    ck_assert(!w.overflow);
    struct http1_response response;
    ck_assert_int_eq(http1_decode_response(writer_bytes(&w), &response), HTTP1_OK);
    ck_assert_uint_eq(response.status, status);
    ck_assert_uint_eq(response.retry_after_s, retry_after_s);
    ck_assert(bytes_equal_string(bytes_skip(writer_bytes(&w), response.size), "the cause\n"));
    ck_assert(strstr(text, "Content-Length: 10\r\n") && strstr(text, "Connection: close"));
    return strstr(text, needle) != NULL;
}

START_TEST(answers_name_the_cause_and_carry_their_headers) {
    ck_assert(answer_has(400, 0, "HTTP/1.1 400 Bad Request\r\n"));
    ck_assert(answer_has(403, 0, "HTTP/1.1 403 Forbidden\r\n"));
    ck_assert(answer_has(405, 0, "\r\nAllow: GET\r\n"));
    ck_assert(answer_has(426, 0, "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    ck_assert(answer_has(503, 17, "\r\nRetry-After: 17\r\n"));
    ck_assert(!answer_has(503, 0, "Retry-After"));
    char cause[129];
    memset(cause, 'c', 128);
    cause[128] = '\0';
    uint8_t bytes[HTTP1_ANSWER_BYTES_MAX];
    struct writer w = writer_on(bytes, sizeof(bytes));
    http1_encode_answer(&w, &(struct http1_answer){431, cause, UINT32_MAX});
    ck_assert(!w.overflow);
}
END_TEST

START_TEST(upgrade_of_the_client_half_is_taken_by_the_server_half) {
    uint8_t bytes[512];
    struct writer w = writer_on(bytes, sizeof(bytes));
    struct http1_upgrade upgrade = {.target = BYTES_LITERAL("/socket/websocket?vsn=2.0.0"),
                                    .host = BYTES_LITERAL("127.0.0.1:8080"),
                                    .ws_key = BYTES_LITERAL("dGhlIHNhbXBsZSBub25jZQ=="),
                                    .ws_protocol = BYTES_LITERAL("phoenix"),
                                    .origin = BYTES_LITERAL("http://127.0.0.1")};
    http1_encode_upgrade(&w, &upgrade);
    struct http1_request request;
    ck_assert(!w.overflow);
    ck_assert_int_eq(http1_decode_request(writer_bytes(&w), &request), HTTP1_OK);
    ck_assert_uint_eq(request.size, w.size);
    ck_assert(bytes_equal_string(request.path, "/socket/websocket"));
    ck_assert(bytes_equal(request.host, upgrade.host) &&
              bytes_equal(request.ws_key, upgrade.ws_key));
    ck_assert(bytes_equal(request.ws_protocol, upgrade.ws_protocol));
    ck_assert(bytes_equal(request.origin, upgrade.origin));
    ck_assert(request.has_upgrade_websocket && request.has_connection_upgrade);
}
END_TEST

START_TEST(response_faults_are_told) {
    const char *const heads[] = {"HTTP/2 200\r\n\r\n",
                                 "HTTP/1.1 20\r\n\r\n",
                                 "HTTP/1.1 2000 OK\r\n\r\n",
                                 "HTTP/1.1 abc\r\n\r\n",
                                 "HTTP/1.1 099 x\r\n\r\n",
                                 "SSH-2.0-OpenSSH\r\n",
                                 "HTTP/1.1 200 OK\n\n",
                                 "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                                 "HTTP/1.1 200 OK\r\nX : y\r\n\r\n"};
    struct http1_response response;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        ck_assert_msg(http1_decode_response(bytes_from_string(heads[i]), &response) == HTTP1_BAD &&
                          response.cause,
                      "%s", heads[i]);
    static char endless[WIRE_HTTP_HEAD_BYTES_MAX];
    memset(endless, 'a', sizeof(endless));
    ck_assert_int_eq(http1_decode_response(bytes_of(endless, sizeof(endless) - 1), &response),
                     HTTP1_NEED_MORE);
    ck_assert_int_eq(http1_decode_response(bytes_of(endless, sizeof(endless)), &response),
                     HTTP1_BAD);
}
END_TEST

START_TEST(response_header_count_is_bounded) {
    for (size_t count = WIRE_HTTP_HEADERS_MAX - 1; count <= WIRE_HTTP_HEADERS_MAX + 1; count++) {
        char head[1024] = "HTTP/1.1 200 OK\r\n";
        size_t size = strlen(head);
        for (size_t i = 0; i < count; i++)
            size += (size_t)snprintf(head + size, sizeof(head) - size, "A: b\r\n");
        snprintf(head + size, sizeof(head) - size, "\r\n");
        struct http1_response response;
        ck_assert_int_eq(http1_decode_response(bytes_from_string(head), &response),
                         count > WIRE_HTTP_HEADERS_MAX ? HTTP1_BAD : HTTP1_OK);
    }
}
END_TEST

START_TEST(every_prefix_of_a_response_wants_more) {
    struct bytes head = BYTES_LITERAL("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 9\r\n"
                                      "Connection: close\r\n\r\n");
    struct http1_response response;
    for (size_t size = 0; size < head.size; size++)
        ck_assert_int_eq(http1_decode_response(bytes_of(head.data, size), &response),
                         HTTP1_NEED_MORE);
    ck_assert_int_eq(http1_decode_response(head, &response), HTTP1_OK);
    ck_assert_uint_eq(response.retry_after_s, 9);
    ck_assert_int_eq(http1_decode_response(BYTES_LITERAL("HTTP/1.1 429\r\nRetry-After: Wed, 1"
                                                         "\r\n\r\n"),
                                           &response),
                     HTTP1_OK);
    ck_assert(response.status == 429 && response.retry_after_s == 0);
}
END_TEST

UNIT_MAIN("gateway/wire/http1", request_line_faults_are_refused,
          header_faults_and_smuggling_shapes_are_refused, host_must_be_there_once_and_be_a_host,
          request_gives_every_view, request_without_upgrade_is_taken_and_says_so,
          tokens_of_several_lines_add_up_in_any_case, absolute_target_gives_path_and_host,
          every_prefix_of_a_request_wants_more, target_is_bounded, head_is_bounded,
          header_count_is_bounded, query_lookup_decodes,
          query_lookup_refuses_broken_and_long_values,
          answers_name_the_cause_and_carry_their_headers,
          upgrade_of_the_client_half_is_taken_by_the_server_half, response_faults_are_told,
          response_header_count_is_bounded, every_prefix_of_a_response_wants_more)
