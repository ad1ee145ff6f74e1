// Goal: all sockets of a gateway or none, and who holds a port is named. Method: the real kernel,
// on ports that it chose a moment ago.
#include "gateway/sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/options.h"
#include "io/listener.h"
#include "tests/unit/unit.h"

static struct config config;
static struct sockets sockets;
static char error[SOCKETS_ERROR_SIZE];

// Free, but for somebody who comes in between.
static uint16_t free_port(void) {
    struct listener_config listener = {.exclusive = true};
    listener.address_size = config_address_sockaddr(
        &(struct config_address){.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}}, &listener.address);
    int fd = listener_open(&listener);
    ck_assert_int_gt(fd, 0);
    uint16_t port = listener_port(fd);
    close(fd);
    return port;
}

static void choose_ports(void) {
    options_defaults(&config);
    config.listen[1] = config.listen[0];
    config.listen_count = 2;
    config.page = config.control;
    struct config_address *all[] = {&config.listen[0], &config.listen[1], &config.control,
                                    &config.page};
    for (size_t i = 0; i < 4; i++)
        all[i]->port = free_port();
}

static bool is_inherited(int fd) {
    int flags = fcntl(fd, F_GETFD);
    ck_assert_int_ge(flags, 0);
    return !(flags & FD_CLOEXEC);
}

START_TEST(every_scheduler_has_a_socket_per_address_on_its_port) {
    choose_ports();
    ck_assert_msg(sockets_open(&sockets, &config, 3, error), "%s", error);
    for (uint32_t s = 0; s < 3; s++)
        for (uint32_t i = 0; i < 2; i++) {
            ck_assert_uint_eq(listener_port(sockets.data[s][i]), config.listen[i].port);
            ck_assert(!(fcntl(sockets.data[s][i], F_GETFL) & O_NONBLOCK));
        }
    ck_assert_int_eq(sockets.data[3][0], 0);
    ck_assert_int_eq(sockets.data[0][2], 0);
    ck_assert_uint_eq(listener_port(sockets.control), config.control.port);
    ck_assert_uint_eq(listener_port(sockets.page), config.page.port);
    ck_assert(fcntl(sockets.control, F_GETFL) & O_NONBLOCK);
    sockets_close(&sockets);
    ck_assert_int_eq(sockets.data[2][1] + sockets.control + sockets.page, 0);
}
END_TEST

START_TEST(sockets_are_inherited_only_while_asked_to) {
    choose_ports();
    config.page.port = 0;
    ck_assert(sockets_open(&sockets, &config, 2, error));
    ck_assert_int_eq(sockets.page, 0);
    for (int round = 0; round < 2; round++) {
        for (uint32_t s = 0; s < 2; s++)
            ck_assert_int_eq(is_inherited(sockets.data[s][1]), round == 1);
        ck_assert_int_eq(is_inherited(sockets.control), round == 1);
        sockets_set_inherited(&sockets, true);
    }
    sockets_set_inherited(&sockets, false);
    ck_assert(!is_inherited(sockets.data[0][0]));
    ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFD), 0); // 0 is none, and not stdin
    sockets_close(&sockets);
}
END_TEST

START_TEST(a_port_in_use_names_its_holder_and_leaves_nothing_open) {
    static const char *const options[] = {"listen", "control", "page"};
    char pid[32], start[32];
    choose_ports();
    ck_assert(sockets_open(&sockets, &config, 1, error));
    snprintf(pid, sizeof(pid), "(pid %d)", getpid());
    for (size_t i = 0; i < 3; i++) {
        static struct config second;
        static struct sockets none, empty;
        second = config;
        choose_ports(); // for the second
        struct config swap = config;
        config = second;
        second = swap;
        *(i == 0 ? &second.listen[1] : i == 1 ? &second.control : &second.page) = config.control;
        ck_assert(!sockets_open(&none, &second, 2, error));
        snprintf(start, sizeof(start), "--%s 127.0.0.1:%u is in use by", options[i],
                 config.control.port);
        ck_assert_msg(strstr(error, start) == error && strstr(error, pid), "%s", error);
        ck_assert_mem_eq(&none, &empty, sizeof(none));
    }
    sockets_close(&sockets);
}
END_TEST

START_TEST(sockets_of_mqtt_alone_stand_behind_the_others) {
    choose_ports();
    config.listen_mqtt[0] = config.page;
    config.listen_mqtt_count = 1;
    config.page.port = 0;
    ck_assert(sockets_open(&sockets, &config, 2, error));
    for (uint32_t s = 0; s < 2; s++) {
        ck_assert_int_gt(sockets.data[s][config.listen_count], 0);
        ck_assert_int_eq(sockets.data[s][config.listen_count + 1], 0);
    }
    static struct sockets none;
    static struct config second;
    second = config;
    second.listen_mqtt[0] = config.control; // taken
    ck_assert(!sockets_open(&none, &second, 2, error));
    ck_assert_msg(strstr(error, "--listen-mqtt 127.0.0.1:") == error, "%s", error);
    config.listen_mqtt_count = 0;
    sockets_close(&sockets);
}
END_TEST

UNIT_MAIN("gateway/sockets", every_scheduler_has_a_socket_per_address_on_its_port,
          sockets_are_inherited_only_while_asked_to, sockets_of_mqtt_alone_stand_behind_the_others,
          a_port_in_use_names_its_holder_and_leaves_nothing_open)
