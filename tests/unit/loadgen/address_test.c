// Goal: host:port in its forms, and a sentence for everything else. Method: texts.
#include "loadgen/address.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct address a;
static char error[ADDRESS_ERROR_BYTES];

static bool parse(const char *text) {
    return address_parse(&a, text, strlen(text), error) == 0;
}

START_TEST(address_takes_numbers_with_and_without_a_port) {
    ck_assert(parse("127.0.0.1:20410"));
    ck_assert_str_eq(a.text, "127.0.0.1:20410");
    ck_assert(parse("10.0.0.2"));
    ck_assert_str_eq(a.text, "10.0.0.2:" ADDRESS_PORT_DEFAULT);
    ck_assert(parse("[::1]:9"));
    ck_assert_str_eq(a.text, "[::1]:9");
    ck_assert(parse("[::1]"));
    ck_assert_str_eq(a.text, "[::1]:" ADDRESS_PORT_DEFAULT);
    char printed[ADDRESS_TEXT_BYTES];
    address_print(&a.socket, a.size, printed);
    ck_assert_str_eq(printed, a.text);
}
END_TEST

START_TEST(address_refuses_what_is_none) {
    static const char *const bad[] = {
        "",           ":9",   "1.2.3.4:",   "1.2.3.4:0", "1.2.3.4:65536", "[::1",         "[::1]9",
        "1.2.3.4:9x", "[]:9", "1.2.3.4:-1", "[]",        "::1:9:1",       "1.2.3.4:9:10 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        error[0] = 0;
        ck_assert_msg(!parse(bad[i]), "%s", bad[i]);
        ck_assert_uint_gt(strlen(error), 0);
    }
    ck_assert_int_eq(address_parse(&a, "x:y", 3, error), 2);
    ck_assert_int_eq(address_parse(&a, "no.such.host.invalid:9", 22, error), 4);
    char longest[ADDRESS_TEXT_BYTES * 2];
    memset(longest, '1', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    ck_assert(!parse(longest));
}
END_TEST

START_TEST(address_tells_what_only_this_machine_reaches) {
    ck_assert(parse("127.255.0.9:1") && address_is_loopback(&a));
    ck_assert(parse("[::1]:1") && address_is_loopback(&a));
    ck_assert(parse("0.0.0.0:1") && !address_is_loopback(&a));
    ck_assert(parse("128.0.0.1:1") && !address_is_loopback(&a));
    ck_assert(parse("[::]:1") && !address_is_loopback(&a));
    ck_assert(parse("[::ffff:10.0.0.1]:1") && !address_is_loopback(&a));
}
END_TEST

UNIT_MAIN("loadgen/address", address_takes_numbers_with_and_without_a_port,
          address_refuses_what_is_none, address_tells_what_only_this_machine_reaches)
