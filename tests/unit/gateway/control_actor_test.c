// Goal: one actor is shown, and killed by DELETE alone; what is no pid is refused. Method: the real
// HTTP server over a gateway that the test fills in.
#include "tests/unit/gateway/control_client.h"

static int end_actor(struct control *control, const char *pid) {
    return ask(control_bound_port(control),
               "DELETE /actors/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", pid);
}

static const char *text_of(const json_t *root, const char *key) {
    return json_string_value(json_object_get(root, key));
}

START_TEST(one_actor_is_shown) {
    struct control *control = open_control();
    ck_assert_int_eq(get(control, "/actors/0123456789ABCDEF"), 200);
    json_t *root = answer_json();
    ck_assert_str_eq(text_of(root, "pid"), "0123456789abcdef");
    ck_assert_str_eq(text_of(root, "name"), "chat");
    ck_assert_str_eq(text_of(root, "state"), "paused");
    ck_assert_str_eq(text_of(root, "supervisor"), "00000000000000f1");
    ck_assert_int_eq(json_integer_value(json_object_get(root, "mail_waiting")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "version")), 2);
    json_decref(root);
    ck_assert_uint_eq(gateway.actors_ended, 0);
    control_close(control);
}
END_TEST

START_TEST(one_actor_is_ended_by_delete) {
    struct control *control = open_control();
    ck_assert_int_eq(end_actor(control, "123456789abcdef"), 200);
    json_t *root = answer_json();
    ck_assert_str_eq(text_of(root, "pid"), "0123456789abcdef");
    json_decref(root);
    ck_assert_uint_eq(gateway.actors_ended, 1);
    control_close(control);
}
END_TEST

START_TEST(what_is_no_actor_is_refused) {
    static const char *const bad[] = {"", "0x1", "g", "-1", "01234567890123456", "1/", "%31"};
    struct control *control = open_control();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(end_actor(control, bad[i]), 400);
    ck_assert_int_eq(end_actor(control, "0"), 404);
    ck_assert_int_eq(end_actor(control, "0123456789abcdee"), 404);
    ck_assert_int_eq(get(control, "/actors/1"), 404);
    ck_assert_int_eq(ask(control_bound_port(control),
                         "DELETE /actors HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
                     405);
    gateway.cores_silent = 2;
    ck_assert_int_eq(end_actor(control, "0123456789abcdef"), 503);
    ck_assert_ptr_nonnull(strstr(answer, "core 1 did not answer within 250 ms"));
    ck_assert_uint_eq(gateway.actors_ended, 0);
    control_close(control);
}
END_TEST

UNIT_MAIN("gateway/control_actor", one_actor_is_shown, one_actor_is_ended_by_delete,
          what_is_no_actor_is_refused)
