// Goal: a listener can be had, shared and refused by name of the error. Method: the real kernel.
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "io/listener.h"

static struct listener_config config_at(const char *ip, uint16_t port) {
    struct listener_config config = {.address_size = sizeof(struct sockaddr_in)};
    struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
    address->sin_family = AF_INET;
    address->sin_port = htons(port);
    ck_assert_int_eq(inet_pton(AF_INET, ip, &address->sin_addr), 1);
    return config;
}

START_TEST(listeners_of_one_port_share_it_and_what_they_accept_inherits_their_options) {
    struct listener_config config = config_at("127.0.0.1", 0);
    config.send_buffer_bytes = 64 * 1024;
    config.notsent_lowat_bytes = 16 * 1024;
    int first = listener_open(&config);
    ck_assert_int_ge(first, 0);
    config = config_at("127.0.0.1", listener_port(first));
    config.send_buffer_bytes = 64 * 1024;
    config.notsent_lowat_bytes = 16 * 1024;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&config.address, config.address_size), 0);
    int accepted = accept(first, NULL, NULL);
    int value = 0;
    socklen_t size = sizeof(value);
    ck_assert_int_eq(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    ck_assert_int_ne(value, 0);
    ck_assert_int_eq(getsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &value, &size), 0);
    ck_assert_int_eq(value, 2 * 64 * 1024); // socket(7): the kernel doubles it
    ck_assert_int_eq(getsockopt(accepted, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &size), 0);
    ck_assert_int_eq(value, 16 * 1024);
    int second = listener_open(&config);
    ck_assert_int_ge(second, 0);
    close(accepted);
    close(client);
    close(second);
    close(first);
}
END_TEST

START_TEST(listener_open_returns_why_an_address_cannot_be_had) {
    struct listener_config config = config_at("192.0.2.1", 18201);
    ck_assert_int_eq(listener_open(&config), -EADDRNOTAVAIL);
    ck_assert_uint_eq(listener_port(-1), 0);
}
END_TEST

UNIT_MAIN("io/listener", listeners_of_one_port_share_it_and_what_they_accept_inherits_their_options,
          listener_open_returns_why_an_address_cannot_be_had)
