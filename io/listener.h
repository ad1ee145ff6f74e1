// A listening TCP socket: one per scheduler and address, all on one port by SO_REUSEPORT, unless it
// is exclusive. Options set here are inherited by what it accepts (setsockopt on a direct
// descriptor needs Linux 6.7). A plain descriptor, close-on-exec, owned by the caller; io/accept.h
// arms it.
//
// SO_REUSEPORT lets a second server of the same user take part of the connections unheard: who
// opens the first listener of an address asks before whether it is free (gateway/host_port.h).
#ifndef FAIRLEAD_IO_LISTENER_H
#define FAIRLEAD_IO_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sched/base/check.h"

struct listener_config {
    struct sockaddr_storage address;
    socklen_t address_size;
    uint32_t backlog;             // 0: 4096
    uint32_t send_buffer_bytes;   // SO_SNDBUF; 0: the kernel's own (3.9 MB for a peer that sleeps)
    uint32_t notsent_lowat_bytes; // TCP_NOTSENT_LOWAT; 0: none
    bool exclusive;               // no SO_REUSEPORT: whoever comes second gets -EADDRINUSE
    bool nonblocking;             // for those who accept from it by poll
};

// Binds and listens. Returns a descriptor >= 0, or -errno.
MUST_USE int listener_open(const struct listener_config *config);

// The port that the kernel chose for port 0, in host order; 0 when `fd` is no socket.
uint16_t listener_port(int fd);

#endif
