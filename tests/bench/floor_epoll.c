// The bare epoll loop: level-triggered, one recv per readable connection, one send per message and
// connection. See floor.h.
#include "tests/bench/floor.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENT_COUNT = 512, RECV_SIZE = 64 * 1024 };

void floor_send(struct floor *floor, uint32_t slot, const uint8_t *data, size_t size) {
    floor->counters.enters++;
    ssize_t sent = send((int)slot, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == (ssize_t)size)
        return;
    if (sent < 0 && errno == EAGAIN) {
        floor->counters.sends_dropped++;
    } else if (sent < 0) {
        floor->counters.sends_gone++;
    } else {
        floor->counters.sends_cut++;
        shutdown((int)slot, SHUT_RDWR); // the stream is out of step: recv sees the end
    }
}

// send has copied the bytes.
void floor_flush(struct floor *floor) {
    (void)floor;
}

static void accept_all(struct floor *floor, int epoll_fd) {
    for (;;) {
        int fd = accept4(floor->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if ((uint32_t)fd >= floor->conn_max) {
            close(fd);
            continue;
        }
        floor_on_open(floor, (uint32_t)fd);
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void on_readable(struct floor *floor, int fd, uint8_t *buffer) {
    floor->counters.enters++;
    ssize_t size = recv(fd, buffer, RECV_SIZE, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size > 0 && floor_on_bytes(floor, (uint32_t)fd, buffer, (size_t)size))
        return;
    floor_on_close(floor, (uint32_t)fd);
    close(fd);
}

int main(int argc, char **argv) {
    struct floor floor;
    floor_open(&floor, argc, argv);
    static uint8_t buffer[RECV_SIZE];
    static struct epoll_event events[EVENT_COUNT];
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = floor.listen_fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, floor.listen_fd, &event);
    while (!floor_stop) {
        floor.counters.enters++;
        int count = epoll_wait(epoll_fd, events, EVENT_COUNT, -1);
        floor.arena_used = 0;
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == floor.listen_fd)
                accept_all(&floor, epoll_fd);
            else
                on_readable(&floor, events[i].data.fd, buffer);
        }
    }
    floor_report(&floor, "epoll");
    floor_close(&floor);
    return 0;
}
