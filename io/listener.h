// A listening TCP socket: one per scheduler and address, all on one port by SO_REUSEPORT. Options
// set here are inherited by what it accepts (setsockopt on a direct descriptor needs Linux 6.7).
// A plain descriptor, owned by the caller; io/accept.h arms it.
#ifndef FAIRLEAD_IO_LISTENER_H
#define FAIRLEAD_IO_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sched/base/check.h"

struct listener_config {
    struct sockaddr_storage address;
    socklen_t address_size;
    bool is_first; // of its address: refuses a port that anybody listens on, with SO_REUSEPORT too
    uint32_t backlog;             // 0: 4096
    uint32_t send_buffer_bytes;   // SO_SNDBUF; 0: the kernel's own (3.9 MB for a peer that sleeps)
    uint32_t notsent_lowat_bytes; // TCP_NOTSENT_LOWAT; 0: none
};

// Parses "127.0.0.1:8080", "[::1]:8080", ":8080" (all addresses), "8080" (127.0.0.1). Returns 0 or
// -EINVAL.
MUST_USE int listener_parse(const char *text, struct sockaddr_storage *address, socklen_t *size);

// "127.0.0.1:8080" into `text` (at least 64 bytes).
void listener_format(const struct sockaddr *address, char *text, size_t text_size);

// True for 127.0.0.0/8 and ::1.
bool listener_is_loopback(const struct sockaddr *address);

// Binds and listens; a port in use is tried again for a second (a ring that died holds its sockets
// a moment longer). Returns a descriptor >= 0, or -errno with a sentence in `error` that names the
// holder of the port and the cure.
MUST_USE int listener_open(const struct listener_config *config, char *error, size_t error_size);

// The port that the kernel chose for port 0.
uint16_t listener_port(int fd);

#endif
