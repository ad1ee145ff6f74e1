// Goal: an address comes back as it was given, whatever family the slot's earlier owner had; what a
// proxy says is taken from the right, and nonsense changes nothing. Method: tables of texts.
#include "gateway/addresses.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "tests/unit/unit.h"

static struct memory_ledger ledger;
static struct addresses addresses;

static void set_up(void) {
    addresses = (struct addresses){0};
    ck_assert_int_eq(addresses_init(&addresses, &ledger, 16), 0);
}

static void set(uint32_t index, const char *text) {
    struct config_cidr cidr;
    if (text)
        ck_assert_msg(config_cidr_decode(text, &cidr), "%s", text);
    addresses_set(&addresses, index, text ? cidr.ip : NULL);
}

static const char *get(uint32_t index) {
    static char text[INET6_ADDRSTRLEN];
    uint8_t ip[16];
    return addresses_lookup(&addresses, index, ip) ? inet_ntop(AF_INET6, ip, text, sizeof(text))
                                                   : "none";
}

START_TEST(addresses_that_are_not_kept_are_not_known) {
    struct addresses none = {0};
    uint8_t ip[16] = {1};
    addresses_set(&none, 3, ip);
    addresses_set_forwarded(&none, 3, NULL, BYTES_LITERAL("1.2.3.4"));
    ck_assert(!addresses_lookup(&none, 3, ip));
    ck_assert(!addresses_are_kept(&none));
}
END_TEST

START_TEST(an_address_is_that_of_the_slots_latest_owner) {
    static const char *const owners[] = {"10.0.0.1", "fd00::1",         NULL,
                                         "fd00::2",  "10.0.0.2",        NULL,
                                         "::1",      "255.255.255.255", "fd00::3"};
    set_up();
    ck_assert_str_eq(get(5), "none");
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "%s%s",
                 owners[i] && !strchr(owners[i], ':') ? "::ffff:" : "",
                 owners[i] ? owners[i] : "none");
        set(5, owners[i]);
        ck_assert_str_eq(get(5), expected);
        ck_assert_str_eq(get(4), "none");
        ck_assert_str_eq(get(6), "none");
    }
    memory_release_all(&ledger);
}
END_TEST

START_TEST(a_peer_is_read_from_either_family_and_no_other) {
    uint8_t ip[16];
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr other = {.sa_family = AF_UNIX};
    char text[INET6_ADDRSTRLEN];
    inet_pton(AF_INET, "9.8.7.6", &v4.sin_addr);
    inet_pton(AF_INET6, "fd00::9", &v6.sin6_addr);
    ck_assert(addresses_of_peer((struct sockaddr *)&v4, ip));
    ck_assert_str_eq(inet_ntop(AF_INET6, ip, text, sizeof(text)), "::ffff:9.8.7.6");
    ck_assert(addresses_of_peer((struct sockaddr *)&v6, ip));
    ck_assert_str_eq(inet_ntop(AF_INET6, ip, text, sizeof(text)), "fd00::9");
    ck_assert(!addresses_of_peer(&other, ip));
    ck_assert(!addresses_of_peer(NULL, ip));
}
END_TEST

START_TEST(a_forwarded_address_is_the_last_that_is_no_proxys) {
    static const struct {
        const char *header;
        const char *expected; // the peer's own, 10.9.9.9, stays where nothing else is said
    } cases[] = {
        {"1.2.3.4", "::ffff:1.2.3.4"},
        {"6.6.6.6, 1.2.3.4", "::ffff:1.2.3.4"}, // what the client itself sent stands on the left
        {"1.2.3.4, 10.0.0.7", "::ffff:1.2.3.4"},
        {"1.2.3.4,10.0.0.7 ,\t10.0.0.8", "::ffff:1.2.3.4"},
        {"1.2.3.4:5678", "::ffff:1.2.3.4"},
        {"fd00::5", "fd00::5"},
        {"[fd00::5]", "fd00::5"},
        {"[fd00::5]:5678", "fd00::5"},
        {"", "::ffff:10.9.9.9"},
        {",", "::ffff:10.9.9.9"},
        {"10.0.0.7", "::ffff:10.9.9.9"},
        {"1.2.3.4, unknown", "::ffff:10.9.9.9"},
        {"1.2.3.4,", "::ffff:10.9.9.9"},
        {"1.2.3.4/8", "::ffff:10.9.9.9"},
        {"1.2.3", "::ffff:10.9.9.9"},
        {"[fd00::5", "::ffff:10.9.9.9"},
        {"_hidden, 10.0.0.7", "::ffff:10.9.9.9"},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333", "::ffff:10.9.9.9"},
    };
    struct config config = {.trusted_proxy_count = 1};
    ck_assert(config_cidr_decode("10.0.0.0/8", &config.trusted_proxies[0]));
    set_up();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set(1, "10.9.9.9");
        addresses_set_forwarded(&addresses, 1, &config, bytes_from_string(cases[i].header));
        ck_assert_msg(strcmp(get(1), cases[i].expected) == 0, "\"%s\": %s", cases[i].header,
                      get(1));
    }
    memory_release_all(&ledger);
}
END_TEST

UNIT_MAIN("gateway/addresses", addresses_that_are_not_kept_are_not_known,
          an_address_is_that_of_the_slots_latest_owner,
          a_peer_is_read_from_either_family_and_no_other,
          a_forwarded_address_is_the_last_that_is_no_proxys)
