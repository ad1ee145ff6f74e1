// The bare io_uring loop: multishot accept into direct descriptors, multishot recv from one buffer
// ring, and one send per message and connection, queued and submitted together with the wait.
//
// Sends carry MSG_DONTWAIT | MSG_WAITALL and CQE_SKIP_SUCCESS: the kernel is done with the bytes
// when io_uring_enter returns, and a completion comes only for a send that was cut short or
// refused. See floor.h.
#include "tests/bench/floor.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum {
    SQ_ENTRIES = 1024, // stays in the cache: 4,096 cost a fifth more per delivery, 128 a tenth
    CQ_ENTRIES = 32768,
    BUFFER_COUNT = 1024, // docs/KERNEL.md 4: rings of more entries run into kernel bugs
    BUFFER_SIZE = 4096,
    BUFFER_GROUP = 0,
    PASSES_MAX = 16,
};

enum op { OP_ACCEPT, OP_RECV, OP_SEND, OP_CLOSE, OP_SHUTDOWN };

struct uring {
    struct floor floor; // first: the shared part hands it back to floor_send
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint32_t *starved; // connections whose recv ended for want of a buffer
    uint32_t starved_count;
};

static void enter(struct uring *uring, unsigned wait_count) {
    uring->floor.counters.enters++;
    int result = io_uring_submit_and_wait(&uring->ring, wait_count);
    if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN) {
        fprintf(stderr, "floor: io_uring_enter: %s\n", strerror(-result));
        exit(1);
    }
}

// From Linux 6.13 a pass takes some 20 completions; the rest of what is there joins this batch.
static void enter_and_gather(struct uring *uring) {
    enter(uring, 1);
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        if (!(IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_TASKRUN))
            break;
        uring->floor.counters.enters++;
        io_uring_get_events(&uring->ring);
    }
}

static struct io_uring_sqe *sqe_get(struct uring *uring, enum op op, uint32_t slot) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    while (!sqe) {
        enter(uring, 0);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    sqe->user_data = (uint64_t)op << 32 | slot;
    return sqe;
}

// The liburing helpers clear user_data: the token is set once more behind them.
static void sqe_finish(struct io_uring_sqe *sqe, enum op op, uint32_t slot, unsigned flags) {
    sqe->flags |= (uint8_t)flags;
    sqe->user_data = (uint64_t)op << 32 | slot;
}

void floor_send(struct floor *floor, uint32_t slot, const uint8_t *data, size_t size) {
    struct io_uring_sqe *sqe = sqe_get((struct uring *)floor, OP_SEND, slot);
    io_uring_prep_send(sqe, (int)slot, data, size, MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    sqe_finish(sqe, OP_SEND, slot, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
}

void floor_flush(struct floor *floor) {
    enter((struct uring *)floor, 0);
}

static void accept_arm(struct uring *uring) {
    struct io_uring_sqe *sqe = sqe_get(uring, OP_ACCEPT, 0);
    io_uring_prep_multishot_accept_direct(sqe, uring->floor.listen_fd, NULL, NULL, 0);
    sqe_finish(sqe, OP_ACCEPT, 0, 0);
}

static void recv_arm(struct uring *uring, uint32_t slot) {
    struct io_uring_sqe *sqe = sqe_get(uring, OP_RECV, slot);
    io_uring_prep_recv_multishot(sqe, (int)slot, NULL, 0, 0);
    sqe->buf_group = BUFFER_GROUP;
    sqe_finish(sqe, OP_RECV, slot, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
}

static void shutdown_queue(struct uring *uring, uint32_t slot) {
    struct io_uring_sqe *sqe = sqe_get(uring, OP_SHUTDOWN, slot);
    io_uring_prep_shutdown(sqe, (int)slot, SHUT_RDWR);
    sqe_finish(sqe, OP_SHUTDOWN, slot, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
}

static void buffer_return(struct uring *uring, uint16_t id) {
    io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + (size_t)id * BUFFER_SIZE,
                          BUFFER_SIZE, id, io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

static void on_recv(struct uring *uring, uint32_t slot, const struct io_uring_cqe *cqe) {
    bool is_open = cqe->res > 0 || cqe->res == -ENOBUFS;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        uint16_t id = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        uint8_t *bytes = uring->buffers + (size_t)id * BUFFER_SIZE;
        if (cqe->res > 0 && !floor_on_bytes(&uring->floor, slot, bytes, (size_t)cqe->res))
            shutdown_queue(uring, slot);
        buffer_return(uring, id);
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (is_open) {
        uring->starved[uring->starved_count++] = slot;
        return;
    }
    floor_on_close(&uring->floor, slot);
    struct io_uring_sqe *sqe = sqe_get(uring, OP_CLOSE, slot);
    io_uring_prep_close_direct(sqe, slot);
    sqe_finish(sqe, OP_CLOSE, slot, IOSQE_CQE_SKIP_SUCCESS);
}

static void on_completion(struct uring *uring, const struct io_uring_cqe *cqe) {
    uint32_t slot = (uint32_t)cqe->user_data;
    switch ((enum op)(cqe->user_data >> 32)) {
    case OP_ACCEPT:
        if (cqe->res >= 0) {
            floor_on_open(&uring->floor, (uint32_t)cqe->res);
            recv_arm(uring, (uint32_t)cqe->res);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE) && !floor_stop)
            accept_arm(uring);
        return;
    case OP_RECV:
        on_recv(uring, slot, cqe);
        return;
    case OP_SEND:
        if (cqe->res == -EAGAIN) {
            uring->floor.counters.sends_dropped++;
        } else if (cqe->res < 0) {
            uring->floor.counters.sends_gone++;
        } else {
            uring->floor.counters.sends_cut++;
            shutdown_queue(uring, slot); // the stream is out of step
        }
        return;
    case OP_CLOSE:
    case OP_SHUTDOWN:
        return;
    }
}

static void uring_check(int result, const char *what) {
    if (result >= 0)
        return;
    fprintf(stderr, "floor: %s: %s\n", what, strerror(-result));
    exit(1);
}

static void uring_open(struct uring *uring) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = CQ_ENTRIES,
    };
    uring_check(io_uring_queue_init_params(SQ_ENTRIES, &uring->ring, &params), "io_uring_setup");
    uring_check(io_uring_register_ring_fd(&uring->ring), "register the ring");
    uring_check(io_uring_register_files_sparse(&uring->ring, uring->floor.conn_max), "files");
    size_t ring_size = BUFFER_COUNT * sizeof(struct io_uring_buf);
    uring->buffer_ring = mmap(NULL, ring_size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uring->buffers = malloc((size_t)BUFFER_COUNT * BUFFER_SIZE);
    uring->starved = calloc(uring->floor.conn_max, sizeof(uint32_t));
    if (uring->buffer_ring == MAP_FAILED || !uring->buffers || !uring->starved)
        uring_check(-ENOMEM, "memory");
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)uring->buffer_ring,
                                   .ring_entries = BUFFER_COUNT,
                                   .bgid = BUFFER_GROUP};
    uring_check(io_uring_register_buf_ring(&uring->ring, &reg, 0), "buffer ring");
    io_uring_buf_ring_init(uring->buffer_ring);
    for (uint16_t id = 0; id < BUFFER_COUNT; id++)
        buffer_return(uring, id);
}

int main(int argc, char **argv) {
    static struct uring uring;
    floor_open(&uring.floor, argc, argv);
    uring_open(&uring);
    accept_arm(&uring);
    while (!floor_stop) {
        enter_and_gather(&uring);
        uring.floor.arena_used = 0; // nothing is left in the kernel's hands
        unsigned head, count = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&uring.ring, head, cqe) {
            struct io_uring_cqe copy = *cqe;
            on_completion(&uring, &copy);
            count++;
        }
        io_uring_cq_advance(&uring.ring, count);
        for (uint32_t i = 0; i < uring.starved_count; i++)
            recv_arm(&uring, uring.starved[i]);
        uring.starved_count = 0;
    }
    floor_report(&uring.floor, "io_uring");
    io_uring_queue_exit(&uring.ring);
    floor_close(&uring.floor);
    free(uring.buffers);
    free(uring.starved);
    return 0;
}
