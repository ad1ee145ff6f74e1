// The control plane of a gateway that a test fills in, and a client that asks it over real sockets,
// on ports of the kernel's choice. Included by one test program each.
#ifndef FAIRLEAD_TESTS_CONTROL_CLIENT_H
#define FAIRLEAD_TESTS_CONTROL_CLIENT_H

#include "gateway/control.h"

#include "gateway/options.h"
#include "io/listener.h"
#include "tests/unit/gateway/control_gateway.h"
#include "tests/unit/unit.h"

#include <jansson.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_SIZE (256 * 1024)

static struct gateway gateway;
static struct config config;
static struct host_plan plan;
static char answer[ANSWER_SIZE];

static inline int open_socket(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct listener_config listener = {
        .address_size = sizeof(address), .exclusive = true, .nonblocking = true};
    memcpy(&listener.address, &address, sizeof(address));
    int fd = listener_open(&listener);
    ck_assert_int_gt(fd, 0);
    return fd;
}

static inline struct control *open_control(void) {
    char error[CONTROL_ERROR_SIZE];
    gateway = (struct gateway){0};
    options_defaults(&config);
    config.control.port = 0;
    plan = (struct host_plan){.connections_max = 100};
    struct control *control = control_open(
        &(struct control_config){
            .config = &config, .plan = &plan, .gateway = &gateway, .listen_fd = open_socket()},
        error);
    ck_assert_msg(control != NULL, "%s", error);
    return control;
}

static inline int connect_to(uint16_t port) {
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
    return fd;
}

// Sends the request as it is and reads to the end of the connection into `answer`. Returns the
// status, or 0 when nothing was answered.
static inline int ask(uint16_t port, const char *format, ...) {
    char request[4096];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(request, sizeof(request), format, arguments);
    va_end(arguments);
    int fd = connect_to(port);
    ck_assert_int_eq(send(fd, request, (size_t)size, MSG_NOSIGNAL), size);
    size_t used = 0;
    ssize_t got;
    while ((got = recv(fd, answer + used, sizeof(answer) - 1 - used, 0)) > 0)
        used += (size_t)got;
    answer[used] = '\0';
    close(fd);
    int status = 0;
    return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static inline int get(struct control *control, const char *path) {
    return ask(control_bound_port(control),
               "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
}

static inline const char *answer_body(void) {
    const char *end = strstr(answer, "\r\n\r\n");
    return end ? end + 4 : "";
}

static inline json_t *answer_json(void) {
    json_t *root = json_loads(answer_body(), 0, NULL);
    ck_assert_msg(root != NULL, "%s", answer);
    return root;
}

#endif
