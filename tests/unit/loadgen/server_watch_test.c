// Goal: the process behind a port is found, and nobody is taken for it who is not. Method: we
// listen ourselves and look for us; the order of the sources with made-up pids.
#include "loadgen/server_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static int listen_on(struct sockaddr_in *address) {
    socklen_t size = sizeof(*address);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static enum server_watch_source found(struct server_watch *w, const struct sockaddr_in *target,
                                      pid_t option_pid, pid_t control_pid) {
    const struct server_watch_asked asked = {.option_pid = option_pid,
                                             .control_pid = control_pid,
                                             .target = (const struct sockaddr *)target,
                                             .proc = "/proc"};
    server_watch_init(w, &asked, 1);
    return w->source;
}

START_TEST(server_watch_finds_who_listens_and_only_while_listening) {
    struct sockaddr_in address;
    struct server_watch w;
    int fd = listen_on(&address);
    ck_assert_int_eq(found(&w, &address, 0, 0), SERVER_WATCH_NONE); // bound, not listening
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(found(&w, &address, 0, 0), SERVER_WATCH_LISTENER);
    ck_assert_uint_eq(w.processes.pid_count, 1);
    ck_assert_int_eq(w.processes.pids[0], getpid());
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, (const struct sockaddr *)&address, sizeof(address)), 0);
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(accepted, 0);
    close(fd);
    // A connection from that port is no listener.
    ck_assert_int_eq(found(&w, &address, 0, 0), SERVER_WATCH_NONE);
    close(accepted);
    close(client);
}
END_TEST

START_TEST(server_watch_prefers_what_it_was_told) {
    struct sockaddr_in address;
    struct server_watch w;
    int fd = listen_on(&address);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(found(&w, &address, 0, getppid()), SERVER_WATCH_CONTROL);
    ck_assert_int_eq(w.processes.pids[0], getppid());
    ck_assert_int_eq(found(&w, &address, getpid(), getppid()), SERVER_WATCH_OPTION);
    ck_assert_int_eq(w.processes.pids[0], getpid());
    // A wrong --server-pid is not made good by a guess.
    ck_assert_int_eq(found(&w, &address, 0x7fffffff, getppid()), SERVER_WATCH_NONE);
    close(fd);
}
END_TEST

START_TEST(server_watch_takes_no_pid_of_another_machine) {
    struct server_watch w;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.7", &address.sin_addr), 1); // RFC 5737: nobody's
    ck_assert(!server_watch_is_here((const struct sockaddr *)&address));
    ck_assert_int_eq(found(&w, &address, 0, getpid()), SERVER_WATCH_NONE);
    ck_assert_int_eq(inet_pton(AF_INET, "127.200.1.2", &address.sin_addr), 1);
    ck_assert(server_watch_is_here((const struct sockaddr *)&address));
}
END_TEST

UNIT_MAIN("loadgen/server_watch", server_watch_finds_who_listens_and_only_while_listening,
          server_watch_prefers_what_it_was_told, server_watch_takes_no_pid_of_another_machine)
