// Goal: URLs and address lists mean what a user expects or are refused with a sentence; pairs of
// addresses are used evenly. Method: tables of good and bad texts; numeric hosts only.
#include "loadgen/target.h"

#include <arpa/inet.h>

#include "tests/unit/unit.h"

static struct target_url url;
static struct target_set set;
static char error[LOAD_OPTIONS_ERROR_BYTES];

static void url_is(const char *text, const char *host, const char *name, const char *port,
                   const char *path) {
    ck_assert_msg(target_parse_url(&url, text, error), "%s: %s", text, error);
    ck_assert_str_eq(url.host, host);
    ck_assert_str_eq(url.name, name);
    ck_assert_str_eq(url.port, port);
    ck_assert_str_eq(url.path, path);
}

START_TEST(target_url_is_taken_apart) {
    url_is("ws://127.0.0.1:8080/socket/websocket", "127.0.0.1:8080", "127.0.0.1", "8080",
           "/socket/websocket");
    url_is("ws://gate.example", "gate.example", "gate.example", "80", "/");
    url_is("ws://h:1?a=b", "h:1", "h", "1", "/?a=b");
    url_is("ws://[::1]:65535/x?y#z", "[::1]:65535", "::1", "65535", "/x?y");
    url_is("tcp://h:7", "h:7", "h", "7", "/");
    url_is("tcp://[::1]:7/", "[::1]:7", "::1", "7", "/");
    url_is("ws://[::1]/", "[::1]", "::1", "80", "/");
}
END_TEST

START_TEST(target_url_that_is_none_is_refused_with_the_reason) {
    static const char *const bad[][2] = {
        {"wss://h/", "TLS"},
        {"https://h/", "TLS"},
        {"http://h/", "write ws://"},
        {"h:80", "no URL"},
        {"ws://", "no host"},
        {"ws://:80/", "no host"},
        {"ws://h:0/", "no port"},
        {"ws://h:65536/", "no port"},
        {"ws://h:/", "no port"},
        {"ws://h:8x/", "no port"},
        {"ws://h:123456789/", "port"},
        {"ws://[::1/", "no host"},
        {"ws://[::1]x/", "no host"},
        {"ws://u@h/", "no host"},
        {"ws://h/a b", "space"},
        {"ws://h/a\tb", "space"},
        {"tcp://h", "a port and no path"},
        {"tcp://h/", "a port and no path"},
        {"tcp://h:7/x", "no path"},
        {"tcp://h:7?x", "no path"},
        {"tcp://", "no host"},
        {"tcps://h:7", "no URL"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!target_parse_url(&url, bad[i][0], error), "%s was taken", bad[i][0]);
        ck_assert_msg(strstr(error, bad[i][1]) != NULL, "%s: %s", bad[i][0], error);
    }
}
END_TEST

START_TEST(target_path_is_bounded) {
    char text[TARGET_PATH_BYTES + 64] = "ws://h";
    memset(text + 6, '/', sizeof(text) - 7);
    text[6 + TARGET_PATH_BYTES - 2] = 0;
    ck_assert(target_parse_url(&url, text, error));
    text[6 + TARGET_PATH_BYTES - 2] = '/';
    text[6 + TARGET_PATH_BYTES - 1] = 0;
    ck_assert(!target_parse_url(&url, text, error));
}
END_TEST

static const char *source_text(uint32_t i) {
    static char text[64];
    const struct sockaddr_in *in = (const struct sockaddr_in *)&set.sources[i];
    return inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
}

START_TEST(target_sources_are_single_addresses_and_ranges) {
    set.source_count = 0;
    ck_assert(target_parse_sources(&set, "10.0.0.1,127.9.8.254-127.9.9.1,10.0.0.3", error));
    ck_assert_uint_eq(set.source_count, 6);
    ck_assert_str_eq(source_text(0), "10.0.0.1");
    ck_assert_str_eq(source_text(1), "127.9.8.254");
    ck_assert_str_eq(source_text(4), "127.9.9.1");
    ck_assert_str_eq(source_text(5), "10.0.0.3");
    set.source_count = 0;
    ck_assert(target_parse_sources(&set, "::1", error));
    ck_assert_int_eq(set.sources[0].ss_family, AF_INET6);
}
END_TEST

START_TEST(target_sources_are_refused_when_wrong_or_too_many) {
    static const char *const bad[] = {"x", "10.0.0", "10.0.0.9-10.0.0.1", "10.0.0.1-", "-10.0.0.1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set.source_count = 0;
        ck_assert_msg(!target_parse_sources(&set, bad[i], error), "%s was taken", bad[i]);
    }
    set.source_count = 0;
    ck_assert(target_parse_sources(&set, "10.0.0.0-10.0.3.255", error));
    ck_assert_uint_eq(set.source_count, LOAD_OPTIONS_SOURCES_MAX);
    ck_assert(!target_parse_sources(&set, "10.1.0.0", error));
    ck_assert(!target_parse_sources(&set, "::1", error));
}
END_TEST

static int resolve(const char *first, const char *second, struct load_options *o) {
    o->targets[0] = first;
    o->targets[1] = second;
    o->target_count = second ? 2 : 1;
    o->sources = o->sources ? o->sources : "";
    return target_resolve(&set, o, error);
}

START_TEST(target_spread_gives_each_loopback_address_in_turn) {
    struct load_options o = {.spread_destinations = 3, .connections = 10};
    ck_assert_int_eq(resolve("ws://127.0.0.1:9/p", NULL, &o), 0);
    ck_assert_uint_eq(set.target_count, 3);
    for (uint32_t i = 0; i < 9; i++) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&target_of(&set, i)->address;
        ck_assert_uint_eq(ntohl(in->sin_addr.s_addr), 0x7f000001u + i % 3);
        ck_assert_uint_eq(ntohs(in->sin_port), 9);
    }
    ck_assert_int_eq(resolve("ws://10.0.0.1:9/p", NULL, &o), 2);
}
END_TEST

START_TEST(target_pairs_are_all_used_before_one_comes_again) {
    struct load_options o = {.connections = 10, .sources = "10.0.0.1-10.0.0.3"};
    ck_assert_int_eq(resolve("ws://10.1.0.1/", "ws://10.1.0.2/", &o), 0);
    ck_assert(!set.chose_sources);
    for (uint32_t a = 0; a < 6; a++)
        for (uint32_t b = 0; b < 6; b++)
            ck_assert_int_eq(target_of(&set, a) == target_of(&set, b) &&
                                 target_source_of(&set, a) == target_source_of(&set, b),
                             a == b);
}
END_TEST

START_TEST(target_chooses_loopback_sources_only_beyond_one_pair) {
    struct load_options o = {.connections = TARGET_PORTS_PER_PAIR};
    ck_assert_int_eq(resolve("ws://127.0.0.1:9/", NULL, &o), 0);
    ck_assert_uint_eq(set.source_count, 0);
    ck_assert_ptr_null(target_source_of(&set, 5));
    o.connections = TARGET_PORTS_PER_PAIR + 1;
    ck_assert_int_eq(resolve("ws://127.0.0.1:9/", NULL, &o), 0);
    ck_assert_uint_eq(set.source_count, 2);
    ck_assert(set.chose_sources);
    ck_assert_int_eq(resolve("ws://10.0.0.1:9/", NULL, &o), 0);
    ck_assert_uint_eq(set.source_count, 0);
}
END_TEST

START_TEST(target_name_that_does_not_resolve_is_unreachable) {
    struct load_options o = {.connections = 1};
    ck_assert_int_eq(resolve("ws://300.1.1.1.invalid:9/", NULL, &o), 4);
    ck_assert_ptr_nonnull(strstr(error, "does not resolve"));
}
END_TEST

UNIT_MAIN("loadgen/target", target_url_is_taken_apart,
          target_url_that_is_none_is_refused_with_the_reason, target_path_is_bounded,
          target_sources_are_single_addresses_and_ranges,
          target_sources_are_refused_when_wrong_or_too_many,
          target_spread_gives_each_loopback_address_in_turn,
          target_pairs_are_all_used_before_one_comes_again,
          target_chooses_loopback_sources_only_beyond_one_pair,
          target_name_that_does_not_resolve_is_unreachable)
