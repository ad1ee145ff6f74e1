// Goal: a trace is begun, shown and ended by whoever may, as they meant it; a slip or a foreign
// page changes nothing. Method: the control plane over sockets, the gateway behind it filled in by
// the test.
#include "tests/unit/gateway/control_client.h"

#include "sched/base/clock.h"

static int request(struct control *control, const char *method, const char *query,
                   const char *headers) {
    return ask(control_bound_port(control),
               "%s /trace%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", method,
               query, headers);
}

static int post(struct control *control, const char *query) {
    return request(control, "POST", query, "Content-Length: 0\r\n");
}

START_TEST(a_slip_in_an_order_is_refused_and_begins_nothing) {
    static const char *const slips[] = {
        "",
        "?",
        "?rooms=a",
        "?room=a&user=b",
        "?room=a&pid=1",
        "?room=",
        "?room=%zz",
        "?user=",
        "?user=%00",
        "?pid=0",
        "?pid=xyz",
        "?pid=",
        "?room=a&for_s=0",
        "?room=a&for_s=601",
        "?room=a&for_s=",
        "?room=a&for_s=1x",
    };
    struct control *control = open_control();
    gateway.traced = 1;
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        ck_assert_msg(post(control, slips[i]) == 400, "%s: %s", slips[i], answer);
        ck_assert_uint_eq(gateway.order.until_ns, 0);
    }
    char query[256] = "?room=";
    memset(query + strlen(query), 'r', 129);
    ck_assert_int_eq(post(control, query), 400);
    query[strlen(query) - 1] = 0;
    ck_assert_int_eq(post(control, query), 200);
    ck_assert_uint_eq(gateway.order.room.size, 128);
    control_close(control);
}
END_TEST

START_TEST(an_order_reaches_the_cores_as_it_was_meant) {
    struct control *control = open_control();
    gateway.traced = 3;
    gateway.cores_silent = 2;
    uint64_t begin_ns = clock_monotonic_ns();
    ck_assert_int_eq(post(control, "?room=a%20b"), 200);
    json_t *root = answer_json();
    ck_assert_int_eq(json_integer_value(json_object_get(root, "actors")), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "cores_silent")), 1);
    ck_assert_str_ne(json_string_value(json_object_get(root, "until")), "");
    json_decref(root);
    ck_assert(
        bytes_equal_string(bytes_of(gateway.order.room.bytes, gateway.order.room.size), "a b"));
    ck_assert_uint_ge(gateway.order.until_ns, begin_ns + 10 * NS_PER_S);
    ck_assert_int_eq(post(control, "?user=alice&for_s=600"), 200);
    ck_assert(
        bytes_equal_string(bytes_of(gateway.order.who.user, gateway.order.who.user_size), "alice"));
    ck_assert_uint_eq(gateway.order.room.size, 0);
    ck_assert_uint_ge(gateway.order.until_ns, begin_ns + 600 * NS_PER_S);
    ck_assert_int_eq(post(control, "?pid=0110000000000004"), 200);
    ck_assert_uint_eq(gateway.order.who.pid, 0x0110000000000004);
    gateway.traced = 0;
    ck_assert_int_eq(post(control, "?user=alice"), 404);
    control_close(control);
}
END_TEST

START_TEST(a_page_of_another_site_switches_nothing) {
    struct control *control = open_control();
    gateway.traced = 1;
    static const char *const foreign[] = {"https://evil.example", "null", "http://127.0.0.1.evil",
                                          "evil"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        char headers[128];
        snprintf(headers, sizeof(headers), "Content-Length: 0\r\nOrigin: %s\r\n", foreign[i]);
        ck_assert_int_eq(request(control, "POST", "?room=a", headers), 403);
        ck_assert_int_eq(request(control, "DELETE", "", headers), 403);
    }
    ck_assert_uint_eq(gateway.order.until_ns, 0);
    ck_assert_uint_eq(gateway.trace_ends, 0);
    ck_assert_int_eq(request(control, "POST", "?room=a",
                             "Content-Length: 0\r\nOrigin: http://localhost:8081\r\n"),
                     200);
    config.allow_anonymous = true;
    ck_assert_int_eq(request(control, "DELETE", "", "Origin: https://evil.example\r\n"), 200);
    ck_assert_uint_eq(gateway.trace_ends, 1);
    control_close(control);
}
END_TEST

START_TEST(other_methods_are_refused_and_a_body_too) {
    struct control *control = open_control();
    static const char *const methods[] = {"PUT", "PATCH", "OPTIONS"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        ck_assert_int_eq(request(control, methods[i], "", ""), 405);
        ck_assert_ptr_nonnull(strstr(answer, "\r\nAllow: GET, HEAD, POST, DELETE\r\n"));
    }
    ck_assert_int_eq(ask(control_bound_port(control),
                         "POST /trace?room=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                         "Connection: close\r\n\r\n{}"),
                     413);
    ck_assert_int_eq(ask(control_bound_port(control),
                         "POST /rooms HTTP/1.1\r\nHost: localhost\r\n"
                         "Content-Length: 0\r\nConnection: close\r\n\r\n"),
                     405);
    control_close(control);
}
END_TEST

// The n-th line of the answer's body.
static json_t *line(uint32_t n) {
    const char *at = answer_body();
    for (; n > 0; n--) {
        at = strchr(at, '\n');
        ck_assert_ptr_nonnull(at);
        at++;
    }
    json_t *root = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_msg(root != NULL, "%s", at);
    return root;
}

static const char *string_of(const json_t *root, const char *key) {
    const char *text = json_string_value(json_object_get(root, key));
    return text ? text : "(null)";
}

START_TEST(events_of_all_cores_are_told_in_lines_by_time_and_order) {
    struct control *control = open_control();
    uint64_t now_ns = clock_monotonic_ns();
    static const uint64_t sequences[] = {9, 8, 3, 2};
    for (uint32_t i = 0; i < 4; i++)
        gateway.trace_events[i] =
            (struct control_trace_event){.event = {.time_ns = now_ns - (i < 2 ? 0 : NS_PER_S),
                                                   .actor = 0x0120000000000001,
                                                   .other = i,
                                                   .what = TRACE_IN},
                                         .core = i == 3 ? 0 : 1,
                                         .sequence = sequences[i],
                                         .kind = "rooms"};
    gateway.trace_events[0].event.what = TRACE_SEND;
    gateway.trace_events[0].message = "relay";
    gateway.trace_events[0].event.words[2] = 0xabc;
    gateway.trace_events[1].event.what = TRACE_RECEIVE;
    gateway.trace_events[1].event.type = 99;
    gateway.trace_events[2].event.what = TRACE_EXIT;
    gateway.trace_events[2].event.small = EXIT_KILLED;
    gateway.trace = (struct control_trace){
        .event_count = 4, .kept = 4, .lost = 7, .actor_count = 2, .is_on = true};
    ck_assert_int_eq(request(control, "GET", "", ""), 200);
    ck_assert_ptr_nonnull(strstr(answer, "application/x-ndjson"));
    json_t *head = line(0), *second = line(2), *third = line(3), *last = line(4);
    ck_assert(json_is_true(json_object_get(head, "on")));
    ck_assert_int_eq(json_integer_value(json_object_get(head, "lost")), 7);
    ck_assert_int_eq(json_integer_value(json_object_get(head, "shown")), 4);
    ck_assert_str_eq(string_of(second, "what"), "exit"); // core 0 first, at the same time
    ck_assert_str_eq(string_of(second, "reason"), "killed");
    ck_assert_str_eq(string_of(third, "what"), "receive");
    ck_assert_str_eq(string_of(third, "message"), "99"); // it has no name
    ck_assert_str_eq(string_of(third, "from"), "0000000000000001");
    ck_assert_str_eq(string_of(last, "what"), "send");
    ck_assert_str_eq(string_of(last, "message"), "relay");
    ck_assert_str_eq(string_of(last, "actor"), "0120000000000001");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(last, "words"), 2)), "abc");
    json_decref(head);
    json_decref(second);
    json_decref(third);
    json_decref(last);
    ck_assert_int_eq(request(control, "GET", "?limit=4097", ""), 400);
    ck_assert_int_eq(request(control, "GET", "?limit=0", ""), 200);
    ck_assert_ptr_null(strstr(answer_body(), "\n{"));
    control_close(control);
}
END_TEST

UNIT_MAIN("gateway/control_trace", a_slip_in_an_order_is_refused_and_begins_nothing,
          an_order_reaches_the_cores_as_it_was_meant, a_page_of_another_site_switches_nothing,
          other_methods_are_refused_and_a_body_too,
          events_of_all_cores_are_told_in_lines_by_time_and_order)
