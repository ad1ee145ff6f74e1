// Goal: every way to write an address is understood, every other is refused.
#include "io/listener.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static void expect(const char *text, const char *formatted, bool is_loopback) {
    struct sockaddr_storage address;
    socklen_t size;
    char back[64];
    ck_assert_msg(listener_parse(text, &address, &size) == 0, "%s", text);
    listener_format((struct sockaddr *)&address, back, sizeof(back));
    ck_assert_str_eq(back, formatted);
    ck_assert_int_eq(listener_is_loopback((struct sockaddr *)&address), is_loopback);
}

START_TEST(listener_parse_takes_every_form) {
    expect("127.0.0.1:8080", "127.0.0.1:8080", true);
    expect("127.9.8.7:1", "127.9.8.7:1", true);
    expect("8080", "127.0.0.1:8080", true);
    expect("localhost:80", "127.0.0.1:80", true);
    expect(":8080", "0.0.0.0:8080", false);
    expect("0.0.0.0:65535", "0.0.0.0:65535", false);
    expect("[::1]:8080", "[::1]:8080", true);
    expect("[::]:0", "[::]:0", false);
    expect("10.0.0.1:9", "10.0.0.1:9", false);
}
END_TEST

START_TEST(listener_parse_refuses_what_is_no_address) {
    static const char *const bad[] = {"",
                                      ":",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "127.0.0.1:+1",
                                      "127.0.0.1:80x",
                                      "127.0.0.1: 80",
                                      "256.0.0.1:80",
                                      "::1:80",
                                      "[::1]",
                                      "[::1:80",
                                      "[]:80",
                                      "host.example:80",
                                      "99999999999999999999:80",
                                      "127.0.0.1:99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sockaddr_storage address;
        socklen_t size;
        ck_assert_msg(listener_parse(bad[i], &address, &size) < 0, "%s", bad[i]);
    }
}
END_TEST

START_TEST(listener_open_says_why_an_address_cannot_be_had) {
    struct listener_config config = {0};
    char error[512];
    ck_assert_int_eq(listener_parse("192.0.2.1:18201", &config.address, &config.address_size), 0);
    ck_assert_int_lt(listener_open(&config, error, sizeof(error)), 0);
    ck_assert_msg(strstr(error, "192.0.2.1:18201 is no address of this host") != NULL, "%s", error);
}
END_TEST

UNIT_MAIN("io/listener", listener_parse_takes_every_form, listener_parse_refuses_what_is_no_address,
          listener_open_says_why_an_address_cannot_be_had)
