// The control plane over real sockets, on ports of the kernel's choice.
#include "gateway/control.h"

#include "gateway/console/assets.h"
#include "tests/unit/gateway/control_client.h"

#include <fcntl.h>

START_TEST(other_methods_and_bodies_are_refused) {
    struct control *control = open_control();
    uint16_t port = control_bound_port(control);
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        ck_assert_int_eq(ask(port,
                             "%s /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                             "Content-Length: 0\r\n\r\n",
                             methods[i]),
                         405);
        ck_assert_ptr_nonnull(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    }
    ck_assert_int_eq(
        ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"), 413);
    control_close(control);
}
END_TEST

START_TEST(a_foreign_host_is_refused_unless_anonymous_use_is_allowed) {
    struct control *control = open_control();
    uint16_t port = control_bound_port(control);
    static const char request[] =
        "GET /rooms HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    ck_assert_int_eq(ask(port, "%s", request), 403);
    ck_assert_int_eq(ask(port, "GET /rooms HTTP/1.0\r\n\r\n"), 403);
    config.allow_anonymous = true;
    ck_assert_int_eq(ask(port, "%s", request), 200);
    control_close(control);
}
END_TEST

START_TEST(garbage_and_oversized_requests_do_no_harm) {
    struct control *control = open_control();
    uint16_t port = control_bound_port(control);
    static char large[3800];
    memset(large, 'a', sizeof(large) - 1);
    ck_assert_int_ne(ask(port, "\x16\x03\x01\r\n\r\n"), 200);
    ck_assert_int_eq(get(control, "/../etc/passwd"), 404);
    ck_assert_int_eq(get(control, "/%00"), 404);
    ck_assert_int_eq(get(control, large), 404);
    int fd = connect_to(port);
    // More header bytes than CONTROL_MEMORY_BYTES: refused, not kept.
    ck_assert_int_gt(send(fd, "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL), 0);
    for (int i = 0; i < 20; i++)
        if (send(fd, "X: ", 3, MSG_NOSIGNAL) < 0 ||
            send(fd, large, sizeof(large) - 1, MSG_NOSIGNAL) < 0 ||
            send(fd, "\r\n", 2, MSG_NOSIGNAL) < 0)
            break;
    char status[13] = "";
    ssize_t size = recv(fd, status, sizeof(status) - 1, MSG_WAITALL);
    ck_assert_msg(size <= 0 || strncmp(status, "HTTP/1.1 4", 10) == 0, "%s", status);
    close(fd);
    ck_assert_int_eq(get(control, "/healthz"), 200);
    control_close(control);
}
END_TEST

START_TEST(readiness_ends_at_95_percent_and_while_draining) {
    struct control *control = open_control();
    counter_add(&gateway.counters[0], COUNTER_CONNECTIONS, 50);
    counter_add(&gateway.counters[1], COUNTER_CONNECTIONS, 44);
    ck_assert_int_eq(get(control, "/readyz"), 200);
    counter_add(&gateway.counters[1], COUNTER_CONNECTIONS, 1);
    ck_assert_int_eq(get(control, "/readyz"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "full"));
    counter_subtract(&gateway.counters[0], COUNTER_CONNECTIONS, 50);
    ck_assert_int_eq(get(control, "/readyz"), 200);
    gateway.draining = true;
    ck_assert_int_eq(get(control, "/readyz"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "draining"));
    ck_assert_int_eq(get(control, "/healthz"), 200);
    control_close(control);
}
END_TEST

START_TEST(rooms_are_listed_up_to_the_limit) {
    struct control *control = open_control();
    gateway.room_count = 150;
    gateway.cores_silent = 2;
    ck_assert_int_eq(get(control, "/rooms?limit=-1"), 400);
    ck_assert_int_eq(get(control, "/rooms?limit=10001"), 400);
    ck_assert_int_eq(get(control, "/rooms?limit="), 400);
    ck_assert_int_eq(get(control, "/rooms?limit=0"), 200);
    ck_assert_int_eq(get(control, "/rooms"), 200);
    json_t *root = answer_json();
    ck_assert_int_eq(json_integer_value(json_object_get(root, "rooms_total")), 150);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "rooms")), 100);
    const json_t *silent = json_object_get(root, "cores_silent");
    ck_assert_uint_eq(json_array_size(silent), 1);
    ck_assert_str_eq(json_string_value(json_array_get(silent, 0)), "core 1");
    json_decref(root);
    ck_assert_int_eq(get(control, "/rooms?limit=150"), 200);
    root = answer_json();
    ck_assert_uint_eq(json_array_size(json_object_get(root, "rooms")), 150);
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(one_room_is_shown_or_named_missing_or_silent) {
    struct control *control = open_control();
    ck_assert_int_eq(get(control, "/rooms/other"), 404);
    ck_assert_int_eq(get(control, "/rooms/"), 404);
    ck_assert_int_eq(get(control, "/rooms/r0%00"), 404);
    ck_assert_int_eq(get(control, "/rooms/%720"), 200);
    json_t *root = answer_json();
    ck_assert_str_eq(json_string_value(json_object_get(root, "name")), "r0");
    ck_assert_str_eq(json_string_value(json_object_get(root, "epoch")), "2748");
    ck_assert_int_eq(json_integer_value(json_object_get(root, "seq")), 41);
    json_decref(root);
    gateway.cores_silent = 2;
    ck_assert_int_eq(get(control, "/rooms/r0"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "core 1 did not answer within 250 ms"));
    control_close(control);
}
END_TEST

START_TEST(the_tree_of_every_core_is_shown_or_the_core_named_silent) {
    struct control *control = open_control();
    gateway.cores_silent = 2;
    ck_assert_int_eq(get(control, "/tree"), 200);
    ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/plain"));
    ck_assert_ptr_nonnull(strstr(answer, "core 0\nroot of 0\n  child\n\n"
                                         "core 1\ndid not answer within 250 ms\n"));
    control_close(control);
}
END_TEST

static int end_room(struct control *control, const char *path, const char *more) {
    return ask(control_bound_port(control),
               "DELETE %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path, more);
}

START_TEST(one_room_is_ended_by_delete_and_nothing_else_is) {
    struct control *control = open_control();
    static const char *const others[] = {"/rooms", "/rooms?limit=1", "/", "/metrics", "/healthz"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_int_eq(end_room(control, others[i], ""), 405);
    ck_assert_int_eq(end_room(control, "/rooms/r1", ""), 404);
    ck_assert_int_eq(end_room(control, "/rooms/", ""), 404);
    ck_assert_int_eq(end_room(control, "/rooms/r0", "Content-Length: 1\r\n"), 413);
    ck_assert_int_eq(ask(control_bound_port(control),
                         "POST /rooms/r0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
                     405);
    ck_assert_ptr_nonnull(strstr(answer, "\r\nAllow: GET, HEAD, DELETE\r\n"));
    ck_assert_int_eq(
        ask(control_bound_port(control),
            "DELETE /rooms/r0 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        403);
    ck_assert_int_eq(get(control, "/rooms/r0"), 200);
    ck_assert_uint_eq(gateway.rooms_ended, 0);
    ck_assert_int_eq(end_room(control, "/rooms/r0", ""), 200);
    ck_assert_uint_eq(gateway.rooms_ended, 1);
    json_t *root = answer_json();
    ck_assert_int_eq(json_integer_value(json_object_get(root, "connections")), 3);
    json_decref(root);
    gateway.cores_silent = 2;
    ck_assert_int_eq(end_room(control, "/rooms/r0", ""), 503);
    control_close(control);
}
END_TEST

START_TEST(the_page_comes_compressed_revalidated_and_guarded) {
    struct control *control = open_control();
    uint16_t port = control_bound_port(control);
    const struct console_asset *page = console_asset_lookup("/");
    ck_assert_int_eq(get(control, "/"), 200);
    ck_assert_ptr_nonnull(
        strstr(answer, "Content-Security-Policy: default-src 'none'; script-src"));
    ck_assert_ptr_nonnull(strstr(answer, "X-Content-Type-Options: nosniff"));
    ck_assert_ptr_nonnull(strstr(answer, "Vary: Accept-Encoding"));
    ck_assert_ptr_null(strstr(answer, "Content-Encoding"));
    ck_assert_mem_eq(answer_body(), page->raw, page->raw_size);
    ck_assert_int_eq(ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"
                               "Connection: close\r\n\r\n"),
                     200);
    ck_assert_ptr_nonnull(strstr(answer, "Content-Encoding: gzip"));
    ck_assert_mem_eq(answer_body(), page->data, page->size);
    ck_assert_int_eq(ask(port,
                         "GET / HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: %s\r\n"
                         "Connection: close\r\n\r\n",
                         page->etag),
                     304);
    ck_assert_str_eq(answer_body(), "");
    ck_assert_int_eq(ask(port, "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
                     200);
    ck_assert_str_eq(answer_body(), "");
    control_close(control);
}
END_TEST

static int64_t port_told_to(struct control *control, const char *host) {
    ck_assert_int_eq(ask(control_bound_port(control),
                         "GET /config.json HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                         host),
                     200);
    json_t *root = answer_json();
    int64_t port = json_integer_value(json_object_get(root, "port"));
    ck_assert_str_eq(json_string_value(json_object_get(root, "path")), "/socket/websocket");
    json_decref(root);
    return port;
}

START_TEST(the_page_learns_the_data_port_that_it_can_reach) {
    struct control *control = open_control();
    config.allow_anonymous = true;
    ck_assert_int_eq(port_told_to(control, "localhost:1"), 8080);
    ck_assert_int_eq(port_told_to(control, "192.0.2.1"), 8080);
    ck_assert(config_address_decode("0.0.0.0:8090", &config.listen[1]));
    config.listen_count = 2;
    ck_assert_int_eq(port_told_to(control, "localhost:1"), 8080);
    ck_assert_int_eq(port_told_to(control, "192.0.2.1"), 8090);
    control_close(control);
}
END_TEST

START_TEST(a_connection_serves_several_requests) {
    struct control *control = open_control();
    static const char two[] =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    ck_assert_int_eq(ask(control_bound_port(control), "%s", two), 200);
    ck_assert_ptr_nonnull(strstr(answer, "alive"));
    ck_assert_ptr_nonnull(strstr(answer, "\"ready\""));
    control_close(control);
}
END_TEST

START_TEST(health_tells_how_the_gateway_before_died) {
    char error[CONTROL_ERROR_SIZE];
    struct control *control = open_control();
    ck_assert_int_eq(get(control, "/healthz"), 200);
    json_t *root = answer_json();
    ck_assert(json_is_false(json_object_get(root, "supervised")));
    ck_assert_ptr_null(json_object_get(root, "restarts"));
    json_decref(root);
    control_close(control);
    struct heart_report report = {.restarts = 0};
    for (; report.restarts < 2; report.restarts++) {
        struct control_config supervised = {.config = &config,
                                            .plan = &plan,
                                            .gateway = &gateway,
                                            .heart = &report,
                                            .listen_fd = open_socket()};
        control = control_open(&supervised, error);
        ck_assert_ptr_nonnull(control);
        ck_assert_int_eq(get(control, "/healthz"), 200);
        root = answer_json();
        json_t *last = json_object_get(root, "last_death");
        ck_assert_int_eq(json_integer_value(json_object_get(root, "restarts")), report.restarts);
        ck_assert(json_is_null(last) == (report.restarts == 0));
        if (report.restarts > 0) {
            ck_assert_str_eq(json_string_value(json_object_get(last, "at")),
                             "2001-09-09T01:46:40Z");
            ck_assert_str_eq(json_string_value(json_object_get(last, "reason")), "SIGSEGV");
            ck_assert_str_eq(json_string_value(json_object_get(last, "cause")), "a cause");
            ck_assert_int_eq(json_integer_value(json_object_get(last, "uptime_ms")), 1207);
            ck_assert(json_is_true(json_object_get(last, "core_dumped")));
        }
        json_decref(root);
        ck_assert_int_eq(get(control, "/metrics"), 200);
        ck_assert_ptr_nonnull(strstr(answer, report.restarts > 0
                                                 ? "\nfairlead_restarts_total 1\n"
                                                 : "\nfairlead_restarts_total 0\n"));
        control_close(control);
        report.last = (struct heart_death){.reason = "SIGSEGV",
                                           .cause = "a cause",
                                           .core_dumped = true,
                                           .uptime_ns = 1207900000,
                                           .died_s = 1000000000};
    }
}
END_TEST

START_TEST(a_socket_that_others_have_too_goes_on_listening) {
    char error[CONTROL_ERROR_SIZE];
    options_defaults(&config);
    int listen_fd = open_socket();
    for (int life = 0; life < 3; life++) {
        struct control_config one = {
            .config = &config, .plan = &plan, .gateway = &gateway, .listen_fd = dup(listen_fd)};
        struct control *control = control_open(&one, error);
        ck_assert_ptr_nonnull(control);
        ck_assert_int_eq(get(control, "/healthz"), 200);
        control_close(control);
        ck_assert_int_eq(fcntl(one.listen_fd, F_GETFD), -1);
    }
    close(connect_to(listener_port(listen_fd))); // it waits for the next
    close(listen_fd);
}
END_TEST

START_TEST(the_page_server_shows_nothing_but_the_page) {
    char error[CONTROL_ERROR_SIZE];
    int page_fd = open_socket();
    uint16_t port = listener_port(page_fd);
    static const char *const hidden[] = {"/metrics", "/rooms", "/rooms/r0", "/healthz", "/readyz"};
    options_defaults(&config);
    config.page = config.control;
    config.page.port = port;
    struct control_config two = {.config = &config,
                                 .plan = &plan,
                                 .gateway = &gateway,
                                 .listen_fd = open_socket(),
                                 .page_fd = page_fd};
    struct control *control = control_open(&two, error);
    ck_assert_msg(control != NULL, "%s", error);
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        ck_assert_int_eq(
            ask(port, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", hidden[i]),
            404);
    ck_assert_int_eq(
        ask(port, "GET /config.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        200);
    ck_assert_int_eq(ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
                     200);
    ck_assert_int_eq(get(control, "/metrics"), 200);
    control_close(control);
}
END_TEST

UNIT_MAIN("gateway/control", other_methods_and_bodies_are_refused,
          a_foreign_host_is_refused_unless_anonymous_use_is_allowed,
          garbage_and_oversized_requests_do_no_harm,
          readiness_ends_at_95_percent_and_while_draining, rooms_are_listed_up_to_the_limit,
          one_room_is_shown_or_named_missing_or_silent,
          the_tree_of_every_core_is_shown_or_the_core_named_silent,
          one_room_is_ended_by_delete_and_nothing_else_is,
          the_page_comes_compressed_revalidated_and_guarded,
          the_page_learns_the_data_port_that_it_can_reach, a_connection_serves_several_requests,
          health_tells_how_the_gateway_before_died, a_socket_that_others_have_too_goes_on_listening,
          the_page_server_shows_nothing_but_the_page)
