#include "gateway/host_port.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOLDER_SIZE 160

// A listening socket on a port of the kernel's choice.
static int listen_at(const char *text, struct config_address *address) {
    struct sockaddr_storage sockaddr;
    ck_assert(config_address_decode(text, address));
    address->port = 0;
    socklen_t size = config_address_sockaddr(address, &sockaddr);
    int fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sockaddr, size) != 0)
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

UNIT_MAIN("gateway/host_port", the_process_that_listens_is_named,
          a_wildcard_conflicts_with_every_address)
