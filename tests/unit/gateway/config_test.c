#include "gateway/config.h"

#include "tests/unit/unit.h"

#include <string.h>

START_TEST(addresses_read_back_as_written) {
    static const char *const good[] = {"127.0.0.1:8080", "0.0.0.0:1", "[::1]:65535", "[::]:80",
                                       "[2001:db8::7]:443"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct config_address address;
        char text[CONFIG_ADDRESS_TEXT_SIZE];
        ck_assert_msg(config_address_decode(good[i], &address), "%s", good[i]);
        ck_assert_str_eq(config_address_encode(&address, text), good[i]);
    }
    struct config_address address;
    char text[CONFIG_ADDRESS_TEXT_SIZE];
    ck_assert(config_address_decode("localhost:9", &address));
    ck_assert_str_eq(config_address_encode(&address, text), "127.0.0.1:9");
}
END_TEST

START_TEST(bad_addresses_are_refused) {
    static const char *const bad[] = {"",
                                      "8080",
                                      ":8080",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "1.2.3:80",
                                      "1.2.3.4:0",
                                      "1.2.3.4:65536",
                                      "1.2.3.4:-1",
                                      "1.2.3.4:80x",
                                      "::1:80",
                                      "[::1]",
                                      "[::1]80",
                                      "[::1:80",
                                      "[]:80",
                                      "[",
                                      "[]",
                                      "[1.2.3.4]:80",
                                      "example.org:1",
                                      "1.2.3.4:000080",
                                      "[:",
                                      "[::1%lo]:80",
                                      "1.2.3.4:4294967376"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config_address address;
        ck_assert_msg(!config_address_decode(bad[i], &address), "%s", bad[i]);
    }
}
END_TEST

START_TEST(overlong_addresses_are_refused) {
    char text[200];
    memset(text, '1', sizeof(text));
    memcpy(text + 190, ":80", 4);
    struct config_address address;
    struct config_cidr cidr;
    ck_assert(!config_address_decode(text, &address));
    ck_assert(!config_cidr_decode(text, &cidr));
}
END_TEST

START_TEST(loopback_is_the_whole_127_net_and_ipv6_one) {
    static const char *const inside[] = {"127.0.0.1:1", "127.255.255.254:1", "[::1]:1"};
    static const char *const outside[] = {"126.255.255.255:1", "128.0.0.1:1", "0.0.0.0:1", "[::]:1",
                                          "[::2]:1"};
    struct config_address address;
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        ck_assert(config_address_decode(inside[i], &address));
        ck_assert_msg(config_address_is_loopback(&address), "%s", inside[i]);
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        ck_assert(config_address_decode(outside[i], &address));
        ck_assert_msg(!config_address_is_loopback(&address), "%s", outside[i]);
    }
}
END_TEST

START_TEST(sockaddr_has_the_family_and_port) {
    struct sockaddr_storage sockaddr;
    struct config_address address;
    ck_assert(config_address_decode("10.1.2.3:8080", &address));
    ck_assert_uint_eq(config_address_sockaddr(&address, &sockaddr), sizeof(struct sockaddr_in));
    const struct sockaddr_in *in = (const struct sockaddr_in *)&sockaddr;
    ck_assert_int_eq(in->sin_family, AF_INET);
    ck_assert_uint_eq(ntohl(in->sin_addr.s_addr), 0x0a010203);
    ck_assert_uint_eq(ntohs(in->sin_port), 8080);
    ck_assert(config_address_decode("[::1]:8080", &address));
    ck_assert_uint_eq(config_address_sockaddr(&address, &sockaddr), sizeof(struct sockaddr_in6));
    ck_assert_int_eq(sockaddr.ss_family, AF_INET6);
}
END_TEST

static bool proxy_matches(const char *network, const char *ip) {
    struct config config = {.trusted_proxy_count = 1};
    struct config_cidr peer;
    ck_assert_msg(config_cidr_decode(network, &config.trusted_proxies[0]), "%s", network);
    ck_assert(config_cidr_decode(ip, &peer));
    return config_is_trusted_proxy(&config, peer.ip);
}

START_TEST(networks_match_at_their_prefix_and_not_beyond) {
    ck_assert(proxy_matches("10.0.0.0/8", "10.255.255.255"));
    ck_assert(!proxy_matches("10.0.0.0/8", "11.0.0.0"));
    ck_assert(proxy_matches("10.0.0.0/9", "10.127.255.255"));
    ck_assert(!proxy_matches("10.0.0.0/9", "10.128.0.0"));
    ck_assert(proxy_matches("192.0.2.1", "192.0.2.1"));
    ck_assert(!proxy_matches("192.0.2.1", "192.0.2.2"));
    ck_assert(proxy_matches("192.0.2.0/31", "192.0.2.1"));
    ck_assert(!proxy_matches("0.0.0.0/0", "2001:db8::1"));
    ck_assert(proxy_matches("0.0.0.0/0", "203.0.113.9"));
    ck_assert(proxy_matches("fd00::/8", "fdff::1"));
    ck_assert(!proxy_matches("fd00::/8", "fe00::1"));
    ck_assert(proxy_matches("::/0", "1.2.3.4"));
    struct config none = {0};
    ck_assert(!config_is_trusted_proxy(&none, none.trusted_proxies[0].ip));
}
END_TEST

START_TEST(bad_networks_are_refused) {
    static const char *const bad[] = {"",           "/",           "10.0.0.0/33", "10.0.0.0/",
                                      "fd00::/129", "10.0.0.0/-1", "10.0.0/8",    "10.0.0.0/0008",
                                      "proxy",      "10.0.0.0/8 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct config_cidr cidr;
        ck_assert_msg(!config_cidr_decode(bad[i], &cidr), "%s", bad[i]);
    }
}
END_TEST

START_TEST(networks_read_back_as_written) {
    static const char *const good[] = {"10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/0", "::1/128"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct config_cidr cidr;
        char text[CONFIG_ADDRESS_TEXT_SIZE];
        ck_assert(config_cidr_decode(good[i], &cidr));
        ck_assert_str_eq(config_cidr_encode(&cidr, text), good[i]);
    }
}
END_TEST

START_TEST(origins_match_whole_and_in_any_case) {
    struct config config = {.origin_count = 1, .origins = {"https://chat.example.org"}};
    ck_assert(config_has_origin(&config, "https://Chat.example.org", 24));
    ck_assert(!config_has_origin(&config, "https://chat.example.org", 23));
    ck_assert(!config_has_origin(&config, "https://chat.example.org.evil", 29));
    ck_assert(!config_has_origin(&config, "", 0));
}
END_TEST

UNIT_MAIN("gateway/config", addresses_read_back_as_written, bad_addresses_are_refused,
          overlong_addresses_are_refused, loopback_is_the_whole_127_net_and_ipv6_one,
          sockaddr_has_the_family_and_port, networks_match_at_their_prefix_and_not_beyond,
          bad_networks_are_refused, networks_read_back_as_written,
          origins_match_whole_and_in_any_case)
