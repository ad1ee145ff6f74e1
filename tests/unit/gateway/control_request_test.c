#include "gateway/control_request.h"

#include "tests/unit/unit.h"

#include <string.h>

START_TEST(bad_escapes_and_overlong_names_are_refused) {
    static const char *const bad[] = {"%", "%4", "%4g", "%g4", "a%00b", "abcde", "%61%62%63%64%65"};
    uint8_t name[4];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(control_request_name(bad[i], name, sizeof(name)) == -1, "%s", bad[i]);
}
END_TEST

START_TEST(names_are_decoded) {
    uint8_t name[4];
    ck_assert_int_eq(control_request_name("", name, sizeof(name)), 0);
    ck_assert_int_eq(control_request_name("abcd", name, sizeof(name)), 4);
    ck_assert_int_eq(control_request_name("%c3%A4+%2f", name, sizeof(name)), 4);
    ck_assert_mem_eq(name, "\xc3\xa4+/", 4);
}
END_TEST

static bool host_is_local(const char *host) {
    struct config_address bound;
    ck_assert(config_address_decode("192.0.2.7:18300", &bound));
    return control_request_host_is_local(host, &bound);
}

START_TEST(foreign_hosts_are_told_from_local_ones) {
    static const char *const foreign[] = {"",
                                          "evil.example",
                                          "localhost.evil.example",
                                          "127.0.0.1.evil.example",
                                          "evil.example:80",
                                          "192.0.2.8",
                                          "[2001:db8::1]:80",
                                          "[::1",
                                          ":80",
                                          "127.0.0.1:0",
                                          "2130706433"};
    static const char *const local[] = {"localhost",       "LocalHost:18300", "127.0.0.1",
                                        "127.0.0.1:18300", "127.9.9.9:1",     "[::1]",
                                        "[::1]:18300",     "192.0.2.7",       "192.0.2.7:80"};
    ck_assert(!host_is_local(NULL));
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        ck_assert_msg(!host_is_local(foreign[i]), "%s", foreign[i]);
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        ck_assert_msg(host_is_local(local[i]), "%s", local[i]);
}
END_TEST

START_TEST(gzip_is_taken_only_when_listed_with_weight) {
    static const char *const no[] = {"",           "identity",      "gzip;q=0", "gzip; q=0.000",
                                     "br, x-gzip", "deflate, gzipx"};
    static const char *const yes[] = {"gzip", "br, gzip", "GZIP;q=0.1", "deflate,gzip;q=1, br"};
    ck_assert(!control_request_accepts_gzip(NULL));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        ck_assert_msg(!control_request_accepts_gzip(no[i]), "%s", no[i]);
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        ck_assert_msg(control_request_accepts_gzip(yes[i]), "%s", yes[i]);
}
END_TEST

START_TEST(etags_compare_weakly) {
    static const char etag[] = "W/\"12-34\"";
    static const char *const no[] = {"", "\"12\"", "12-34", "W/", "\"12-34", "W/\"12-35\", \"x\""};
    static const char *const yes[] = {"W/\"12-34\"", "\"12-34\"", "\"x\" , W/\"12-34\"", "*"};
    ck_assert(!control_request_has_etag(NULL, etag));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        ck_assert_msg(!control_request_has_etag(no[i], etag), "%s", no[i]);
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        ck_assert_msg(control_request_has_etag(yes[i], etag), "%s", yes[i]);
}
END_TEST

UNIT_MAIN("gateway/control_request", bad_escapes_and_overlong_names_are_refused, names_are_decoded,
          foreign_hosts_are_told_from_local_ones, gzip_is_taken_only_when_listed_with_weight,
          etags_compare_weakly)
