// Goal: what a control plane answers comes whole or not at all, and everything else is one sentence
// that names the cause. Method: a server of one thread that gives the answer of the test, to one
// connection after another.
#include "loadgen/control_client.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct server {
    int fd;
    char url[64];
    const char *answer; // NULL: nothing is answered until the client goes
    size_t answer_size;
    char request[1024];
    pthread_t thread;
};

static char error[CONTROL_CLIENT_ERROR_BYTES];

static void *serve_one(void *context) {
    struct server *server = context;
    int fd = accept(server->fd, NULL, NULL);
    ssize_t got = recv(fd, server->request, sizeof(server->request) - 1, 0);
    server->request[got > 0 ? got : 0] = '\0';
    if (server->answer)
        (void)!send(fd, server->answer, server->answer_size, MSG_NOSIGNAL);
    else
        (void)!recv(fd, server->request, 1, 0);
    close(fd);
    return NULL;
}

static void server_open(struct server *server, const char *answer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    *server = (struct server){.answer = answer, .answer_size = answer ? strlen(answer) : 0};
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(server->fd, 4), 0);
    ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&server->thread, NULL, serve_one, server), 0);
}

static void server_close(struct server *server) {
    pthread_join(server->thread, NULL);
    close(server->fd);
}

// One request to a server that answers so.
static enum control_client_result ask_of(const char *text, struct control_client_request request,
                                         struct control_client_answer *answer) {
    struct server server;
    server_open(&server, text);
    request.url = server.url;
    request.path = "/info";
    enum control_client_result result = control_client_ask(&request, answer, error);
    server_close(&server);
    return result;
}

static json_t *info_of(const char *text) {
    struct server server;
    server_open(&server, text);
    json_t *root = control_client_info(server.url, 0, error);
    server_close(&server);
    return root;
}

START_TEST(an_answer_comes_whole) {
    struct control_client_answer answer;
    struct control_client_request request = {0};
    ck_assert_int_eq(ask_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", request, &answer),
                     CONTROL_CLIENT_OK);
    ck_assert_uint_eq(answer.status, 200);
    ck_assert_uint_eq(answer.size, 5);
    ck_assert_str_eq(answer.text, "hello");
    ck_assert_str_eq(error, "");
    control_client_answer_fini(&answer);
    ck_assert_int_eq(ask_of("HTTP/1.1 204 No Content\r\n\r\n", request, &answer),
                     CONTROL_CLIENT_OK);
    ck_assert_str_eq(answer.text, "");
    control_client_answer_fini(&answer);
}
END_TEST

START_TEST(methods_and_paths_are_sent_as_asked) {
    static const char *const methods[] = {NULL, "POST", "DELETE"};
    static const char *const lines[] = {"GET /a?b=c HTTP/1.1\r\n", "POST /a?b=c HTTP/1.1\r\n",
                                        "DELETE /a?b=c HTTP/1.1\r\n"};
    for (int i = 0; i < 3; i++) {
        struct server server;
        struct control_client_answer answer;
        server_open(&server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        struct control_client_request request = {
            .url = server.url, .path = "/a?b=c", .method = methods[i]};
        ck_assert_int_eq(control_client_ask(&request, &answer, error), CONTROL_CLIENT_OK);
        server_close(&server);
        ck_assert_msg(strncmp(server.request, lines[i], strlen(lines[i])) == 0, "%s",
                      server.request);
        control_client_answer_fini(&answer);
    }
}
END_TEST

START_TEST(a_refusal_tells_status_and_first_line) {
    struct control_client_answer answer;
    ck_assert_int_eq(ask_of("HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nnot you\nmore",
                            (struct control_client_request){0}, &answer),
                     CONTROL_CLIENT_REFUSED);
    ck_assert_uint_eq(answer.status, 403);
    ck_assert_ptr_nonnull(strstr(error, "answers 403: not you"));
    ck_assert_ptr_null(strstr(error, "more"));
    control_client_answer_fini(&answer);
    ck_assert_int_eq(ask_of("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                            "Content-Length: 0\r\n\r\n",
                            (struct control_client_request){0}, &answer),
                     CONTROL_CLIENT_REFUSED);
    ck_assert_uint_eq(answer.status, 302);
    control_client_answer_fini(&answer);
}
END_TEST

START_TEST(an_answer_is_taken_up_to_its_bound_and_not_beyond) {
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
    for (uint32_t max = 9; max <= 11; max++) {
        struct control_client_answer answer;
        enum control_client_result result =
            ask_of(text, (struct control_client_request){.answer_bytes_max = max}, &answer);
        ck_assert_int_eq(result, max < 10 ? CONTROL_CLIENT_TOO_BIG : CONTROL_CLIENT_OK);
        if (max < 10)
            ck_assert_ptr_nonnull(strstr(error, "more than 9 bytes"));
        control_client_answer_fini(&answer);
    }
}
END_TEST

START_TEST(silence_ends_at_the_timeout) {
    struct control_client_answer answer;
    ck_assert_int_eq(ask_of(NULL, (struct control_client_request){.timeout_ms = 50}, &answer),
                     CONTROL_CLIENT_TIMED_OUT);
    ck_assert_ptr_nonnull(strstr(error, "within 50 ms"));
    control_client_answer_fini(&answer);
}
END_TEST

START_TEST(what_does_not_listen_or_speak_http_is_unreachable) {
    struct server server;
    struct control_client_answer answer;
    ck_assert_int_eq(ask_of("SSH-2.0-OpenSSH_9\r\n", (struct control_client_request){0}, &answer),
                     CONTROL_CLIENT_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(error, "--control"));
    control_client_answer_fini(&answer);
    ck_assert_int_eq(ask_of("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012",
                            (struct control_client_request){0}, &answer),
                     CONTROL_CLIENT_UNREACHABLE); // cut short
    control_client_answer_fini(&answer);
    server_open(&server, "");
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    struct control_client_request request = {.url = server.url, .path = "/"};
    ck_assert_int_eq(control_client_ask(&request, &answer, error), CONTROL_CLIENT_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(error, "cannot ask http://127.0.0.1:"));
    control_client_answer_fini(&answer);
}
END_TEST

START_TEST(a_wrong_address_asks_nobody) {
    static const char *const wrong[] = {
        "",
        "http://",
        "https://127.0.0.1:8081",
        "ws://127.0.0.1:8081",
        "file:///etc/passwd",
        "http://127.0.0.1:8081/metrics",
        "http://127.0.0.1:8081?x",
        "http://user@127.0.0.1:8081",
        "127.0.0.1 :8081",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct control_client_answer answer;
        struct control_client_request request = {.url = wrong[i], .path = "/"};
        ck_assert_msg(control_client_ask(&request, &answer, error) == CONTROL_CLIENT_BAD_URL, "%s",
                      wrong[i]);
        ck_assert_ptr_nonnull(strstr(error, "want http://HOST:PORT"));
        control_client_answer_fini(&answer);
    }
}
END_TEST

START_TEST(an_address_may_lack_the_scheme_or_end_in_a_slash) {
    static const char *const formats[] = {"127.0.0.1:%s", "HTTP://127.0.0.1:%s",
                                          "http://127.0.0.1:%s/"};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct server server;
        struct control_client_answer answer;
        char url[64];
        server_open(&server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        snprintf(url, sizeof(url), formats[i], strrchr(server.url, ':') + 1);
        struct control_client_request request = {.url = url, .path = "/healthz"};
        ck_assert_int_eq(control_client_ask(&request, &answer, error), CONTROL_CLIENT_OK);
        server_close(&server);
        ck_assert_ptr_nonnull(strstr(server.request, "GET /healthz "));
        control_client_answer_fini(&answer);
    }
}
END_TEST

START_TEST(info_is_of_a_fairlead_or_the_sentence_says_what_else) {
    json_t *root = info_of("HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n"
                           "{\"name\":\"fairlead\",\"pid\":4711}  ");
    ck_assert_msg(root != NULL, "%s", error);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "pid")), 4711);
    json_decref(root);
    ck_assert_ptr_null(
        info_of("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"name\":\"other\"}"));
    ck_assert_ptr_nonnull(strstr(error, "is no control plane of Fairlead"));
    ck_assert_ptr_null(info_of("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"));
    ck_assert_ptr_nonnull(strstr(error, "is no control plane of Fairlead"));
    ck_assert_ptr_null(info_of("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    ck_assert_ptr_nonnull(strstr(error, "older than this tool"));
    ck_assert_ptr_null(info_of("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"));
    ck_assert_ptr_nonnull(strstr(error, "answers 403: no"));
}
END_TEST

UNIT_MAIN("loadgen/control_client", an_answer_comes_whole, methods_and_paths_are_sent_as_asked,
          a_refusal_tells_status_and_first_line, an_answer_is_taken_up_to_its_bound_and_not_beyond,
          silence_ends_at_the_timeout, what_does_not_listen_or_speak_http_is_unreachable,
          a_wrong_address_asks_nobody, an_address_may_lack_the_scheme_or_end_in_a_slash,
          info_is_of_a_fairlead_or_the_sentence_says_what_else)
