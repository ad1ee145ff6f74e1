// Goal: a recording is begun, shown and ended by whoever may, as they meant it, and its shape is
// told without a hole. Method: the control plane over sockets, the gateway behind it filled in by
// the test.
#include "tests/unit/gateway/control_client.h"

#include "sched/base/clock.h"

static int request(struct control *control, const char *method, const char *query,
                   const char *headers) {
    return ask(control_bound_port(control),
               "%s /traffic%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", method,
               query, headers);
}

static int post(struct control *control, const char *query) {
    return request(control, "POST", query, "Content-Length: 0\r\n");
}

START_TEST(a_slip_in_an_order_is_refused_and_begins_nothing) {
    static const char *const slips[] = {"?for_s=",   "?for_s=0",   "?for_s=-1", "?for_s=3601",
                                        "?for_s=1x", "?for_s=1.5", "?for_s=+1"};
    struct control *control = open_control();
    for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
        ck_assert_msg(post(control, slips[i]) == 400, "%s: %s", slips[i], answer);
        ck_assert_uint_eq(gateway.traffic_order.until_ns, 0);
    }
    control_close(control);
}
END_TEST

START_TEST(an_order_lasts_as_long_as_it_was_meant_to) {
    static const struct {
        const char *query;
        uint64_t seconds;
    } orders[] = {{"", 60}, {"?for_s=1", 1}, {"?for_s=3600", 3600}};
    struct control *control = open_control();
    for (size_t i = 0; i < 3; i++) {
        uint64_t before_ns = clock_monotonic_ns();
        ck_assert_int_eq(post(control, orders[i].query), 200);
        ck_assert_uint_ge(gateway.traffic_order.begin_ns, before_ns);
        ck_assert_uint_eq(gateway.traffic_order.until_ns - gateway.traffic_order.begin_ns,
                          orders[i].seconds * NS_PER_S);
        json_t *root = answer_json();
        ck_assert(json_is_true(json_object_get(root, "on")));
        ck_assert_uint_eq((uint64_t)json_integer_value(json_object_get(root, "for_s")),
                          orders[i].seconds);
        json_decref(root);
    }
    ck_assert_int_eq(request(control, "DELETE", "", ""), 200);
    ck_assert_uint_eq(gateway.traffic_ends, 1);
    control_close(control);
}
END_TEST

static json_int_t cell(const json_t *root, const char *key, size_t row, size_t column) {
    const json_t *list = json_array_get(json_object_get(root, key), row);
    ck_assert_msg(json_array_size(list) == 3, "%s", key);
    return json_integer_value(json_array_get(list, column));
}

START_TEST(a_shape_is_told_by_second_and_by_cell) {
    struct control *control = open_control();
    gateway.traffic = (struct control_traffic){
        .begin_ns = clock_monotonic_ns() - 10 * NS_PER_S, .second_count = 3, .is_on = true};
    gateway.traffic.until_ns = gateway.traffic.begin_ns + 2500 * NS_PER_MS;
    struct traffic_shape *shape = &gateway.traffic.shape;
    shape->connections = 11;
    shape->members = 12;
    shape->gaps_unknown = 13;
    shape->seconds[0].counts[TRAFFIC_publishes] = 4;
    shape->seconds[2].counts[TRAFFIC_publishes] = 5;
    shape->seconds[1].counts[TRAFFIC_heartbeats] = 6;
    traffic_histogram_add(&shape->publish_bytes, 15);
    traffic_histogram_add(&shape->publish_bytes, 65536);
    traffic_histogram_add(&shape->rooms_end, 100);
    gateway.cores_silent = 2;
    ck_assert_int_eq(request(control, "GET", "", ""), 200);
    json_t *root = answer_json();
    const json_t *seconds = json_object_get(root, "per_second");
    const json_t *publishes = json_object_get(seconds, "publishes");
    ck_assert_str_eq(json_string_value(json_object_get(root, "shape")), "fairlead-traffic");
    ck_assert_int_eq(json_integer_value(json_object_get(root, "format")), 1);
    ck_assert(json_real_value(json_object_get(root, "seconds")) == 2.5);
    ck_assert_uint_eq(json_object_size(seconds), TRAFFIC_SERIES_COUNT);
    ck_assert_uint_eq(json_array_size(publishes), 3);
    ck_assert_int_eq(json_integer_value(json_array_get(publishes, 0)), 4);
    ck_assert_int_eq(json_integer_value(json_array_get(publishes, 1)), 0);
    ck_assert_int_eq(json_integer_value(json_array_get(publishes, 2)), 5);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(seconds, "heartbeats"), 1)),
                     6);
    ck_assert_int_eq(cell(root, "publish_bytes", 0, 0), 15);
    ck_assert_int_eq(cell(root, "publish_bytes", 0, 1), 15);
    ck_assert_int_eq(cell(root, "publish_bytes", 1, 0), 65536);
    ck_assert_int_eq(cell(root, "publish_bytes", 1, 1), 73727);
    ck_assert_int_eq(cell(root, "publish_bytes", 1, 2), 1);
    ck_assert_int_eq(cell(root, "rooms_end", 0, 0), 96);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "rooms_begin")), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "gaps_unknown")), 13);
    const json_t *begin = json_object_get(root, "begin");
    ck_assert_int_eq(json_integer_value(json_object_get(begin, "connections")), 11);
    ck_assert_int_eq(json_integer_value(json_object_get(begin, "members")), 12);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "cores_silent")), 1);
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(nothing_recorded_is_said_and_not_shown_as_silence) {
    struct control *control = open_control();
    ck_assert_int_eq(request(control, "GET", "", ""), 404);
    ck_assert_ptr_nonnull(strstr(answer_body(), "POST /traffic"));
    gateway.cores_silent = 3;
    ck_assert_int_eq(request(control, "GET", "", ""), 503);
    control_close(control);
}
END_TEST

START_TEST(a_page_of_another_site_switches_nothing) {
    struct control *control = open_control();
    const char *headers = "Content-Length: 0\r\nOrigin: https://evil.example\r\n";
    ck_assert_int_eq(request(control, "POST", "", headers), 403);
    ck_assert_int_eq(request(control, "DELETE", "", headers), 403);
    ck_assert_uint_eq(gateway.traffic_order.until_ns, 0);
    ck_assert_uint_eq(gateway.traffic_ends, 0);
    ck_assert_int_eq(ask(control_bound_port(control),
                         "POST /traffic HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n"
                         "Connection: close\r\n\r\n"),
                     403);
    ck_assert_int_eq(request(control, "PUT", "", ""), 405);
    ck_assert_uint_eq(gateway.traffic_order.until_ns, 0);
    control_close(control);
}
END_TEST

UNIT_MAIN("gateway/control_traffic", a_slip_in_an_order_is_refused_and_begins_nothing,
          an_order_lasts_as_long_as_it_was_meant_to, a_shape_is_told_by_second_and_by_cell,
          nothing_recorded_is_said_and_not_shown_as_silence,
          a_page_of_another_site_switches_nothing)
