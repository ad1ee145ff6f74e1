// Probes by doing: a small ring, a listening socket on the loopback, one connection to it. A
// feature whose probe could not be run counts as missing.
#include "io/features.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/uring_compat.h"

#define PROBE_BUFFERS 64
#define PROBE_BUFFER_BYTES 64
#define PROBE_SEND_BYTES (8u << 20) // more than any send buffer takes at once
#define KERNEL_RETRY_MAX 32         // Linux: MULTISHOT_MAX_RETRY

struct probe {
    struct io_uring uring;
    struct io_uring_buf_ring *buffer_ring;
    int listen_fd;
    int client_fd;
    int descriptor; // the accepted one
    uint8_t buffers[PROBE_BUFFERS * PROBE_BUFFER_BYTES];
};

// Submits and waits up to 100 ms for a completion.
static bool probe_wait(struct probe *probe, struct io_uring_cqe *out) {
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout = {.tv_nsec = 100000000};
    int result = io_uring_submit_and_wait_timeout(&probe->uring, &cqe, 1, &timeout, NULL);
    if (result < 0 || io_uring_peek_cqe(&probe->uring, &cqe) < 0)
        return false;
    *out = *cqe;
    io_uring_cqe_seen(&probe->uring, cqe);
    return true;
}

static bool open_sockets(struct probe *probe) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int bytes = 16384;
    probe->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    probe->client_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe->listen_fd < 0 || probe->client_fd < 0)
        return false;
    setsockopt(probe->listen_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    setsockopt(probe->client_fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    return bind(probe->listen_fd, (struct sockaddr *)&address, size) == 0 &&
           listen(probe->listen_fd, 1) == 0 &&
           getsockname(probe->listen_fd, (struct sockaddr *)&address, &size) == 0 &&
           connect(probe->client_fd, (struct sockaddr *)&address, size) == 0;
}

static bool probe_accept(struct probe *probe) {
    struct io_uring_cqe cqe;
    if (io_uring_register_files_sparse(&probe->uring, 4) < 0)
        return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&probe->uring);
    io_uring_prep_multishot_accept_direct(sqe, probe->listen_fd, NULL, NULL, 0);
    if (!probe_wait(probe, &cqe) || cqe.res < 0 || !(cqe.flags & IORING_CQE_F_MORE))
        return false;
    probe->descriptor = cqe.res;
    return true;
}

static bool probe_buffers(struct probe *probe) {
    static const size_t ring_bytes = PROBE_BUFFERS * sizeof(struct io_uring_buf);
    probe->buffer_ring = aligned_alloc(4096, 4096);
    if (!probe->buffer_ring)
        return false;
    memset(probe->buffer_ring, 0, ring_bytes);
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)probe->buffer_ring,
                                            .ring_entries = PROBE_BUFFERS};
    if (io_uring_register_buf_ring(&probe->uring, &registration, 0) < 0)
        return false;
    io_uring_buf_ring_init(probe->buffer_ring);
    for (int i = 0; i < PROBE_BUFFERS; i++)
        io_uring_buf_ring_add(probe->buffer_ring, probe->buffers + i * PROBE_BUFFER_BYTES,
                              PROBE_BUFFER_BYTES, (unsigned short)i, PROBE_BUFFERS - 1, i);
    io_uring_buf_ring_advance(probe->buffer_ring, PROBE_BUFFERS);
    return true;
}

// 48 buffers' worth of bytes lie ready: a fair kernel stops after 32 and comes back later.
static void probe_recv(struct probe *probe, struct features *features) {
    uint8_t bytes[48 * PROBE_BUFFER_BYTES] = {0};
    if (send(probe->client_fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&probe->uring);
    io_uring_prep_recv_multishot(sqe, probe->descriptor, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    io_uring_submit(&probe->uring);
    uint32_t first_pass = io_uring_cq_ready(&probe->uring);
    features->recv_fair = first_pass <= KERNEL_RETRY_MAX + 1;
    struct io_uring_cqe cqe;
    uint32_t received = 0;
    while (received < 48 && probe_wait(probe, &cqe) && cqe.res > 0) {
        received++;
        features->recv_multishot = (cqe.flags & IORING_CQE_F_MORE) != 0;
    }
    features->recv_multishot = features->recv_multishot && received == 48;
}

static void prepare_silent_send(struct probe *probe, const void *data, uint32_t size) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&probe->uring);
    io_uring_prep_send(sqe, probe->descriptor, data, size,
                       MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = 1;
}

// Taken whole: silence. Taken in part: one completion with how much. Not at all: EAGAIN.
static bool probe_send(struct probe *probe) {
    struct io_uring_cqe cqe;
    uint8_t *bytes = calloc(1, PROBE_SEND_BYTES);
    if (!bytes)
        return false;
    prepare_silent_send(probe, bytes, 64);
    io_uring_submit_and_get_events(&probe->uring);
    bool silent = io_uring_cq_ready(&probe->uring) == 0;
    prepare_silent_send(probe, bytes, PROBE_SEND_BYTES);
    bool in_part = probe_wait(probe, &cqe) && cqe.user_data == 1 && cqe.res > 0 &&
                   cqe.res < (int)PROBE_SEND_BYTES;
    bool refused = false; // the peer's window may take a little more first
    for (int round = 0; in_part && !refused && round < 100; round++) {
        prepare_silent_send(probe, bytes, PROBE_SEND_BYTES);
        if (!probe_wait(probe, &cqe))
            break;
        refused = cqe.res == -EAGAIN;
    }
    free(bytes);
    return silent && in_part && refused;
}

static bool probe_msg_ring(struct probe *probe) {
    struct io_uring other;
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    if (io_uring_queue_init_params(4, &other, &params) < 0)
        return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&probe->uring);
    io_uring_prep_msg_ring(sqe, other.ring_fd, 0, 7, 0);
    struct io_uring_cqe cqe;
    bool sent = probe_wait(probe, &cqe) && cqe.res == 0;
    io_uring_get_events(&other);
    struct io_uring_cqe *arrived;
    bool works = sent && io_uring_peek_cqe(&other, &arrived) == 0 && arrived->user_data == 7;
    io_uring_queue_exit(&other);
    return works;
}

static void prepare_pass(struct probe *probe, int target_fd) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&probe->uring);
    io_uring_prep_msg_ring(sqe, target_fd, 0, 7, 0);
    sqe->addr = IORING_MSG_SEND_FD;
    sqe->addr3 = (uint64_t)probe->descriptor;
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
}

// Into a table of two whose first is taken: slot 1, and both rings told so (an older kernel tells
// the target 0). Then into a full one: refused here, unheard there.
static bool probe_pass(struct probe *probe) {
    struct io_uring other;
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    if (io_uring_queue_init_params(4, &other, &params) < 0)
        return false;
    struct io_uring_cqe here, *there;
    bool works = io_uring_register_files_sparse(&other, 2) == 0 &&
                 io_uring_register_files_update(&other, 0, &probe->client_fd, 1) == 1;
    if (works) {
        prepare_pass(probe, other.ring_fd);
        works = probe_wait(probe, &here) && here.res == 1;
        io_uring_get_events(&other);
        works = works && io_uring_peek_cqe(&other, &there) == 0 && there->user_data == 7 &&
                there->res == 1;
    }
    if (works) {
        io_uring_cqe_seen(&other, there);
        prepare_pass(probe, other.ring_fd);
        works = probe_wait(probe, &here) && here.res == -ENFILE;
        io_uring_get_events(&other);
        works = works && io_uring_cq_ready(&other) == 0;
    }
    io_uring_queue_exit(&other);
    return works;
}

void features_probe(struct features *features) {
    memset(features, 0, sizeof(*features));
    struct probe probe = {.listen_fd = -1, .client_fd = -1};
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                                              IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG,
                                     .cq_entries = 256};
    features->error = io_uring_queue_init_params(8, &probe.uring, &params);
    if (features->error < 0)
        return;
    features->error = 0;
    features->defer_taskrun = true;
    features->ext_arg = (params.features & IORING_FEAT_EXT_ARG) != 0;
    features->min_wait = (params.features & IORING_FEAT_MIN_TIMEOUT) != 0;
    features->buffer_ring = probe_buffers(&probe);
    features->msg_ring = probe_msg_ring(&probe);
    if (open_sockets(&probe) && probe_accept(&probe)) {
        features->direct_accept = true;
        if (features->buffer_ring)
            probe_recv(&probe, features);
        features->send_skip_success = probe_send(&probe);
        features->pass_descriptor = probe_pass(&probe);
    }
    features->registered_ring = io_uring_register_ring_fd(&probe.uring) == 1;
    io_uring_queue_exit(&probe.uring);
    free(probe.buffer_ring);
    if (probe.listen_fd >= 0)
        close(probe.listen_fd);
    if (probe.client_fd >= 0)
        close(probe.client_fd);
}

static int read_disabled_knob(void) {
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    if (!file)
        return 0;
    int value = fgetc(file);
    fclose(file);
    return value >= '0' && value <= '9' ? value - '0' : 0;
}

void features_error_text(int error, char *text, size_t text_size) {
    int knob = read_disabled_knob();
    if (error == -EPERM && knob > 0)
        snprintf(text, text_size,
                 "io_uring is disabled by kernel.io_uring_disabled=%d; run: sysctl -w "
                 "kernel.io_uring_disabled=0",
                 knob);
    else if (error == -EPERM || error == -EACCES)
        snprintf(text, text_size,
                 "io_uring is denied here, by a container's seccomp profile most likely; with "
                 "Docker or Podman run with a profile that allows io_uring_setup, io_uring_enter "
                 "and io_uring_register (--security-opt seccomp=FILE)");
    else if (error == -ENOSYS)
        snprintf(text, text_size,
                 "this kernel or container has no io_uring (ENOSYS); Linux 6.1 or newer with "
                 "CONFIG_IO_URING is needed, in a container a seccomp profile that allows it");
    else if (error == -ENOMEM)
        snprintf(text, text_size,
                 "no memory for an io_uring (ENOMEM); raise the memory limit of this service or "
                 "container, or RLIMIT_MEMLOCK (ulimit -l), or lower --connections-max");
    else if (error == -EINVAL)
        snprintf(text, text_size,
                 "this kernel's io_uring is too old; Linux 6.1 or newer is needed");
    else if (error == -EMFILE || error == -ENFILE)
        snprintf(text, text_size,
                 "no descriptor left for an io_uring; raise RLIMIT_NOFILE "
                 "(ulimit -n)");
    else
        snprintf(text, text_size, "io_uring cannot be used: %s", strerror(-error));
}

bool features_is_usable(const struct features *features, char *text, size_t text_size) {
    if (features->error < 0) {
        features_error_text(features->error, text, text_size);
        return false;
    }
#define X(name, required, purpose)                                                                 \
    if ((required) && !features->name) {                                                           \
        snprintf(text, text_size,                                                                  \
                 "this kernel's io_uring lacks " #name " (" purpose                                \
                 "); Linux 6.1 or newer is needed");                                               \
        return false;                                                                              \
    }
    FEATURES(X)
#undef X
    return true;
}

void features_print(FILE *out) {
    struct features features;
    char text[512];
    features_probe(&features);
    if (!features_is_usable(&features, text, sizeof(text)))
        fprintf(out, "%s\n", text);
    fprintf(out, "io_uring, tried out on this kernel:\n");
#define X(name, required, purpose)                                                                 \
    fprintf(out, "  %-18s %-4s %s%s\n", #name, features.name ? "yes" : "no", purpose,              \
            (required) ? " (required)" : "");
    FEATURES(X)
#undef X
}
