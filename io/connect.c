#include "io/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/stream_internal.h"

// A socket with its options; they cannot be set on a direct descriptor before Linux 6.7.
static int open_socket(const struct connect_config *config) {
    int one = 1;
    int fd = socket(config->remote->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    // These may fail on an odd kernel without harm: the connection works all the same.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (config->linger_zero) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    if (config->receive_buffer_bytes > 0) {
        int bytes = (int)config->receive_buffer_bytes;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
    if (!config->local)
        return fd;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(fd, config->local, config->local_size) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int connect_open(struct streams *streams, uint32_t owner, const struct connect_config *config,
                 struct handle *out) {
    CHECK(streams->config.connects);
    uint32_t index;
    struct stream *stream = slab_acquire(&streams->slots, &index);
    if (!stream)
        return -ENOSPC;
    uint32_t lane = ring_lane_of(streams->ring, index);
    int result = ring_prepare_lane(streams->ring, lane);
    int fd = result < 0 ? result : open_socket(config);
    if (fd >= 0) {
        result = ring_adopt(streams->ring, index, fd);
        if (result < 0)
            close(fd);
    }
    if (fd < 0 || result < 0) {
        slab_release(&streams->slots, index);
        return fd < 0 ? fd : result;
    }
    streams->lane_used[lane]++;
    stream->owner = owner;
    stream->head = BLOCK_NONE;
    stream_set_state(stream, STREAM_CONNECTING);
    stream->in_flight = 1;
    *out = stream_handle(streams, index);
    ring_submit_connect(streams->ring, *out, config->remote, config->remote_size);
    return 0;
}
