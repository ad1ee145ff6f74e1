// Goal: a result names what it was measured on, and never a server that was not the one measured.
// Method: answers of a control plane made up; this machine as it is; ports where nobody listens.
#include "loadgen/environment.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static struct environment e;
static char error[1024];

static int read_of(const char *control, const char *address, uint16_t port) {
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port)};
    ck_assert_int_eq(inet_pton(AF_INET, address, &target.sin_addr), 1);
    const struct environment_asked asked = {
        .control = control,
        .host = address,
        .port = port,
        .target = (const struct sockaddr *)&target,
    };
    error[0] = 0;
    return environment_read(&e, &asked, error, sizeof(error));
}

static json_t *info_of(const char *listen) {
    json_t *info =
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:[{s:s}]}", "name", "fairlead", "version", "0.1.0",
                  "build", "abc", "pid", 4711, "schedulers", 2, "listen", "address", listen);
    ck_assert_ptr_nonnull(info);
    return info;
}

START_TEST(environment_names_this_machine) {
    ck_assert_int_eq(read_of("none", "127.0.0.1", 20390), 0);
    struct environment_row rows[ENVIRONMENT_ROWS_MAX];
    uint32_t count = environment_rows(&e, rows);
    ck_assert_uint_ge(count, 9);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_msg(rows[i].value[0] != 0, "%s says nothing", rows[i].name);
    ck_assert_uint_ge(e.cpu_count, 1);
    ck_assert_uint_gt(e.memory_bytes, 1u << 20);
    ck_assert_uint_gt(e.files_max, 0);
    ck_assert(e.cpus_used[0] >= '0' && e.cpus_used[0] <= '9');
    ck_assert_ptr_nonnull(strstr(e.kernel, "Linux "));
    ck_assert(e.is_loopback && e.is_here);
    ck_assert_ptr_nonnull(strstr(environment_sharing(&e), "share this machine"));
    ck_assert_str_eq(e.server, "unknown: not asked (--control none)");
    environment_fini(&e);
    ck_assert_int_eq(read_of("none", "192.0.2.7", 80), 0); // RFC 5737: nobody's
    ck_assert(!e.is_loopback && !e.is_here);
    ck_assert_str_eq(environment_sharing(&e), "");
    environment_fini(&e);
}
END_TEST

START_TEST(environment_of_a_server_that_does_not_answer_is_unknown) {
    ck_assert_int_eq(read_of("http://127.0.0.1:20399", "127.0.0.1", 20390), 4);
    ck_assert_msg(strncmp(error, "--control: ", 11) == 0 && strlen(error) > 20, "%s", error);
    environment_fini(&e);
    // 127.77.66.55:8081, a guess: nobody there is no mistake.
    ck_assert_int_eq(read_of("", "127.77.66.55", 20390), 0);
    ck_assert_msg(strncmp(e.server, "unknown: ", 9) == 0, "%s", e.server);
    ck_assert_int_eq(e.server_pid, 0);
    environment_fini(&e);
}
END_TEST

START_TEST(environment_takes_only_the_server_of_the_target_s_port) {
    ck_assert_int_eq(read_of("none", "127.0.0.1", 20390), 0);
    ck_assert(!environment_take_info(&e, info_of("127.0.0.1:8080"), 20390, true));
    ck_assert_msg(strstr(e.server, "does not listen on port 20390") != NULL, "%s", e.server);
    ck_assert(!environment_take_info(&e, info_of("127.0.0.1:120390"), 20390, true));
    ck_assert_ptr_null(e.server_info);
    ck_assert(environment_take_info(&e, info_of("[::]:20390"), 20390, true));
    ck_assert_int_eq(e.server_pid, 4711);
    ck_assert_msg(strstr(e.server, "fairlead 0.1.0 (build abc), pid 4711") != NULL, "%s", e.server);
    json_t *all = environment_json(&e);
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(all, "server_info"), "pid")), 4711);
    ck_assert(json_is_true(json_object_get(all, "loopback")));
    json_decref(all);
    environment_fini(&e);
    // Told by --control: as told.
    ck_assert_int_eq(read_of("none", "127.0.0.1", 20390), 0);
    ck_assert(environment_take_info(&e, info_of("10.0.0.1:80"), 20390, false));
    environment_fini(&e);
}
END_TEST

UNIT_MAIN("loadgen/environment", environment_names_this_machine,
          environment_of_a_server_that_does_not_answer_is_unknown,
          environment_takes_only_the_server_of_the_target_s_port)
