// Goal: who measures a gateway can write down what it measured, and only who may ask for metrics
// may ask for that. Method: the control plane over sockets, settings filled in by the test.
#include "tests/unit/gateway/control_client.h"

#include "sched/base/clock.h"

static struct features features;

static struct control *open_with_features(void) {
    char error[CONTROL_ERROR_SIZE];
    control_close(open_control()); // fills in the defaults
    plan = (struct host_plan){.connections_max = 19000,
                              .connections_per_scheduler = 10000,
                              .scheduler_count = 2,
                              .cpus = {0, 3},
                              .lane_count = 2,
                              .descriptors_per_lane = 8192};
    features = (struct features){.defer_taskrun = true, .min_wait = false};
    struct control *control =
        control_open(&(struct control_config){.config = &config,
                                              .plan = &plan,
                                              .gateway = &gateway,
                                              .features = &features,
                                              .started_ns = clock_monotonic_ns() - 90 * NS_PER_S,
                                              .listen_fd = open_socket()},
                     error);
    ck_assert_msg(control != NULL, "%s", error);
    return control;
}

static int64_t number_at(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    ck_assert_msg(json_is_integer(value), "%s", key);
    return json_integer_value(value);
}

static const char *string_at(const json_t *root, const char *key) {
    const char *text = json_string_value(json_object_get(root, key));
    ck_assert_msg(text != NULL, "%s", key);
    return text;
}

START_TEST(info_tells_the_program_its_host_and_its_limits) {
    struct control *control = open_with_features();
    ck_assert_int_eq(get(control, "/info"), 200);
    json_t *root = answer_json();
    const json_t *limits = json_object_get(root, "limits");
    const json_t *io_uring = json_object_get(root, "io_uring");
    ck_assert_str_eq(string_at(root, "name"), "fairlead");
    ck_assert_str_eq(string_at(root, "version"), FAIRLEAD_VERSION);
    ck_assert_str_ne(string_at(root, "build"), "");
    ck_assert_str_ne(string_at(root, "kernel"), "");
    ck_assert_int_eq(number_at(root, "pid"), getpid());
    ck_assert_int_ge(number_at(root, "uptime_s"), 90);
    ck_assert_int_eq(number_at(root, "schedulers"), 2);
    ck_assert_int_eq(number_at(root, "lanes"), 4);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(root, "cpus"), 1)), 3);
    ck_assert_int_eq(number_at(limits, "connections_max"), 19000);
    ck_assert_int_eq(number_at(limits, "message_bytes_max"), config.message_bytes_max);
    ck_assert(json_is_true(json_object_get(io_uring, "defer_taskrun")));
    ck_assert(json_is_false(json_object_get(io_uring, "min_wait")));
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", control_bound_port(control));
    ck_assert_str_eq(string_at(root, "control"), address);
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(info_lists_echo_where_it_is_spoken) {
    struct control *control = open_with_features();
    for (int echo = 0; echo <= 1; echo++) {
        config.echo = echo == 1;
        config.listen_mqtt_count = 1; // MQTT alone
        ck_assert_int_eq(get(control, "/info"), 200);
        json_t *root = answer_json();
        const json_t *list = json_object_get(root, "listen");
        ck_assert_uint_eq(json_array_size(list), config.listen_count * (echo ? 4 : 3) + 1);
        ck_assert_str_eq(string_at(json_array_get(list, 0), "protocol"), "phoenix");
        if (echo)
            ck_assert_str_eq(string_at(json_array_get(list, 3), "protocol"), "ws-echo");
        ck_assert_str_eq(string_at(json_array_get(list, 1), "protocol"), "mqtt");
        ck_assert_str_eq(string_at(json_array_get(list, 2), "path"), "/mqtt");
        json_decref(root);
    }
    control_close(control);
}
END_TEST

START_TEST(info_without_a_probe_says_so) {
    struct control *control = open_control();
    ck_assert_int_eq(get(control, "/info"), 200);
    json_t *root = answer_json();
    ck_assert(json_is_null(json_object_get(root, "io_uring")));
    json_decref(root);
    control_close(control);
}
END_TEST

START_TEST(info_is_kept_from_pages_of_other_names_and_from_other_methods) {
    struct control *control = open_control();
    uint16_t port = control_bound_port(control);
    ck_assert_int_eq(
        ask(port, "GET /info HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), 403);
    ck_assert_int_eq(ask(port, "POST /info HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                               "0\r\nConnection: close\r\n\r\n"),
                     405);
    control_close(control);
}
END_TEST

START_TEST(info_is_not_on_the_page_server) {
    char error[CONTROL_ERROR_SIZE];
    control_close(open_control());
    int page_fd = open_socket();
    struct sockaddr_in bound;
    socklen_t size = sizeof(bound);
    ck_assert_int_eq(getsockname(page_fd, (struct sockaddr *)&bound, &size), 0);
    struct control *control = control_open(&(struct control_config){.config = &config,
                                                                    .plan = &plan,
                                                                    .gateway = &gateway,
                                                                    .listen_fd = open_socket(),
                                                                    .page_fd = page_fd},
                                           error);
    ck_assert_msg(control != NULL, "%s", error);
    ck_assert_int_eq(ask(ntohs(bound.sin_port), "GET /info HTTP/1.1\r\nHost: "
                                                "localhost\r\nConnection: close\r\n\r\n"),
                     404);
    control_close(control);
}
END_TEST

UNIT_MAIN("gateway/control_info", info_tells_the_program_its_host_and_its_limits,
          info_lists_echo_where_it_is_spoken, info_without_a_probe_says_so,
          info_is_kept_from_pages_of_other_names_and_from_other_methods,
          info_is_not_on_the_page_server)
