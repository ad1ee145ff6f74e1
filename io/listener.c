#include "io/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define BACKLOG 4096

static int set_options(int fd, const struct listener_config *config) {
    int one = 1;
    // REUSEADDR: a restart must not wait for TIME_WAIT.
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        return -errno;
    if (!config->exclusive && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
        return -errno;
    if (config->address.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
        return -errno;
    int bytes = (int)config->send_buffer_bytes;
    if (bytes > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0)
        return -errno;
    bytes = (int)config->notsent_lowat_bytes;
    if (bytes > 0 && setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes)) < 0)
        return -errno;
    return 0;
}

int listener_open(const struct listener_config *config) {
    int type = SOCK_STREAM | SOCK_CLOEXEC | (config->nonblocking ? SOCK_NONBLOCK : 0);
    int fd = socket(config->address.ss_family, type, 0);
    if (fd < 0)
        return -errno;
    int result = set_options(fd, config);
    if (result == 0 &&
        (bind(fd, (const struct sockaddr *)&config->address, config->address_size) < 0 ||
         listen(fd, config->backlog > 0 ? (int)config->backlog : BACKLOG) < 0))
        result = -errno;
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

uint16_t listener_port(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return 0;
    // Both families keep the port in bytes 2 and 3 (RFC 3493 3.3).
    return ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
}
