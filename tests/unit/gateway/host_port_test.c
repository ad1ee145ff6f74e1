#include "gateway/host_port.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOLDER_SIZE 160

// A socket on a port of the kernel's choice, shared as the gateway's are.
static int listen_at(const char *text, struct config_address *address) {
    struct sockaddr_storage sockaddr;
    ck_assert(config_address_decode(text, address));
    address->port = 0;
    socklen_t size = config_address_sockaddr(address, &sockaddr);
    int on = 1, fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&sockaddr, size) != 0)
        return -1;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sockaddr, &size), 0);
    address->port = ntohs(((struct sockaddr_in *)&sockaddr)->sin_port); // both families: bytes 2, 3
    return fd;
}

static void holder_is_named(const char *at, const char *asked) {
    char holder[HOLDER_SIZE], pid[32];
    struct config_address address, other;
    int fd = listen_at(at, &address);
    if (fd < 0)
        return; // no IPv6 here
    ck_assert(config_address_decode(asked, &other));
    other.port = address.port;
    host_port_holder(&other, holder, sizeof(holder));
    ck_assert_msg(strstr(holder, "does not listen") != NULL, "%s", holder);
    ck_assert_int_eq(listen(fd, 1), 0);
    snprintf(pid, sizeof(pid), "(pid %d)", getpid());
    host_port_holder(&other, holder, sizeof(holder));
    ck_assert_msg(strstr(holder, pid) != NULL, "%s", holder);
    close(fd);
}

START_TEST(the_process_that_listens_is_named) {
    holder_is_named("127.0.0.1:1", "127.0.0.1:1");
    holder_is_named("[::1]:1", "[::1]:1");
}
END_TEST

START_TEST(a_wildcard_conflicts_with_every_address) {
    holder_is_named("127.0.0.1:1", "0.0.0.0:1");
    holder_is_named("0.0.0.0:1", "127.0.0.1:1");
}
END_TEST

// A listener of SO_REUSEPORT, as the gateway's are, must not let a second gateway in.
START_TEST(a_shared_port_is_not_free) {
    char error[HOST_PORT_ERROR_SIZE], pid[32];
    struct config_address address;
    int fd = listen_at("127.0.0.1:1", &address);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert(!host_port_is_free("listen", &address, error));
    snprintf(pid, sizeof(pid), "(pid %d)", getpid());
    ck_assert_msg(strstr(error, "--listen 127.0.0.1:") == error && strstr(error, pid) != NULL, "%s",
                  error);
    close(fd);
    ck_assert(host_port_is_free("listen", &address, error));
}
END_TEST

START_TEST(an_address_of_another_machine_is_named) {
    char error[HOST_PORT_ERROR_SIZE];
    struct config_address address;
    ck_assert(config_address_decode("192.0.2.1:1025", &address));
    ck_assert(!host_port_is_free("listen", &address, error));
    ck_assert_msg(strstr(error, "is no address of this machine") != NULL, "%s", error);
}
END_TEST

UNIT_MAIN("gateway/host_port", a_shared_port_is_not_free, an_address_of_another_machine_is_named,
          the_process_that_listens_is_named, a_wildcard_conflicts_with_every_address)
