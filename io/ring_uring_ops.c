// The operations: each prepares one submission entry (32 and 34 of the house style). Flags and the
// minimum kernel stand at the line that uses them; all are in Linux 6.1.
#include "io/ring_uring.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct io_uring_sqe *prepare(struct ring *ring, uint32_t lane, uint8_t opcode,
                                    struct token token) {
    struct io_uring_sqe *sqe = lane_sqe(ring, ring_lane(ring, lane));
    sqe->opcode = opcode;
    sqe->user_data = token_pack(token);
    return sqe;
}

// An operation on the stream's direct descriptor.
static struct io_uring_sqe *prepare_stream(struct ring *ring, uint8_t opcode, enum token_op op,
                                           struct handle stream) {
    struct io_uring_sqe *sqe =
        prepare(ring, stream.index >> ring->lane_shift, opcode,
                (struct token){(uint8_t)op, stream.generation, stream.index});
    sqe->flags = IOSQE_FIXED_FILE;
    sqe->fd = (int)(stream.index & ((1u << ring->lane_shift) - 1));
    return sqe;
}

void ring_arm_event(struct ring *ring, uint32_t lane) {
    enum token_op op = lane == 0 ? TOKEN_EVENT : TOKEN_LANE;
    struct io_uring_sqe *sqe =
        prepare(ring, 0, IORING_OP_POLL_ADD, (struct token){(uint8_t)op, 0, lane});
    sqe->fd = ring->lanes[lane].event_fd;
    sqe->len = IORING_POLL_ADD_MULTI;
    sqe->poll32_events = POLLIN;
}

static struct io_uring_sqe *prepare_accept(struct ring *ring, uint32_t lane, int listen_fd,
                                           struct handle acceptor) {
    struct io_uring_sqe *sqe =
        prepare(ring, lane, IORING_OP_ACCEPT,
                (struct token){TOKEN_ACCEPT, acceptor.generation, acceptor.index});
    ring_lane(ring, lane)->has_accepted = true;
    sqe->fd = listen_fd;
    // The kernel picks the descriptor. Set by hand: docs/KERNEL.md 1.
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
    return sqe;
}

void ring_arm_accept(struct ring *ring, uint32_t lane, int listen_fd, struct handle acceptor) {
    prepare_accept(ring, lane, listen_fd, acceptor)->ioprio = IORING_ACCEPT_MULTISHOT;
}

void ring_submit_accept(struct ring *ring, uint32_t lane, int listen_fd, struct handle acceptor,
                        struct sockaddr *address, socklen_t *address_size) {
    struct io_uring_sqe *sqe = prepare_accept(ring, lane, listen_fd, acceptor);
    sqe->addr = (uint64_t)(uintptr_t)address;
    sqe->addr2 = (uint64_t)(uintptr_t)address_size;
}

// Success of a cancel says nothing that the cancelled operation's own completion does not say.
static void prepare_cancel(struct ring *ring, uint32_t lane, enum token_op op,
                           struct token target) {
    struct io_uring_sqe *sqe =
        prepare(ring, lane, IORING_OP_ASYNC_CANCEL,
                (struct token){(uint8_t)op, target.generation, target.index});
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->fd = -1;
    sqe->addr = token_pack(target);
}

void ring_submit_cancel_accept(struct ring *ring, uint32_t lane, struct handle acceptor) {
    prepare_cancel(ring, lane, TOKEN_CANCEL_ACCEPT,
                   (struct token){TOKEN_ACCEPT, acceptor.generation, acceptor.index});
}

void ring_submit_cancel(struct ring *ring, struct handle stream, enum token_op op) {
    prepare_cancel(ring, stream.index >> ring->lane_shift, TOKEN_CANCEL,
                   (struct token){(uint8_t)op, stream.generation, stream.index});
}

int ring_adopt(struct ring *ring, uint32_t stream_index, int fd) {
    struct lane *lane = ring_lane(ring, stream_index >> ring->lane_shift);
    uint32_t descriptor = stream_index & ((1u << ring->lane_shift) - 1);
    int result = io_uring_register_files_update(&lane->uring, descriptor, &fd, 1);
    if (result < 0)
        return result;
    close(fd);
    return 0;
}

void ring_submit_connect(struct ring *ring, struct handle stream, const struct sockaddr *address,
                         socklen_t address_size) {
    CHECK(address_size <= sizeof(struct sockaddr_storage));
    if (ring->message_count == RING_MESSAGES_MAX)
        ring_submit_all(ring);
    struct sockaddr_storage *copy = &ring->addresses[ring->message_count++];
    memcpy(copy, address, address_size);
    struct io_uring_sqe *sqe = prepare_stream(ring, IORING_OP_CONNECT, TOKEN_CONNECT, stream);
    sqe->addr = (uint64_t)(uintptr_t)copy;
    sqe->off = address_size;
}

void ring_submit_poll_in(struct ring *ring, struct handle stream) {
    prepare_stream(ring, IORING_OP_POLL_ADD, TOKEN_POLL_IN, stream)->poll32_events = POLLIN;
}

void ring_submit_poll_out(struct ring *ring, struct handle stream) {
    prepare_stream(ring, IORING_OP_POLL_ADD, TOKEN_POLL_OUT, stream)->poll32_events = POLLOUT;
}

void ring_submit_recv(struct ring *ring, struct handle stream) {
    struct io_uring_sqe *sqe = prepare_stream(ring, IORING_OP_RECV, TOKEN_RECV, stream);
    sqe->flags |= IOSQE_BUFFER_SELECT;
}

void ring_arm_recv(struct ring *ring, struct handle stream) {
    struct io_uring_sqe *sqe = prepare_stream(ring, IORING_OP_RECV, TOKEN_RECV_MULTI, stream);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->ioprio = IORING_RECV_MULTISHOT; // Linux 6.0
}

// docs/KERNEL.md 2: DONTWAIT with WAITALL, so that a skipped completion means taken whole, and a
// short send says so; nothing stays pending.
#define SEND_FLAGS (MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL)

static struct io_uring_sqe *prepare_send(struct ring *ring, uint8_t opcode, struct handle stream) {
    struct io_uring_sqe *sqe = prepare_stream(ring, opcode, TOKEN_SEND, stream);
    if (LIKELY(ring->features.send_skip_success))
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->msg_flags = SEND_FLAGS;
    return sqe;
}

void ring_submit_send(struct ring *ring, struct handle stream, const void *data, size_t size) {
    struct io_uring_sqe *sqe = prepare_send(ring, IORING_OP_SEND, stream);
    sqe->addr = (uint64_t)(uintptr_t)data;
    sqe->len = (uint32_t)size;
}

void ring_submit_sendmsg(struct ring *ring, struct handle stream, const struct iovec *pieces,
                         uint32_t piece_count) {
    CHECKF(piece_count <= RING_IOVECS_MAX, "%u pieces", piece_count);
    if (ring->message_count == RING_MESSAGES_MAX ||
        ring->piece_count + piece_count > RING_PIECES_MAX)
        ring_submit_all(ring);
    struct iovec *copy = &ring->pieces[ring->piece_count];
    memcpy(copy, pieces, piece_count * sizeof(*copy));
    ring->piece_count += piece_count;
    struct msghdr *message = &ring->messages[ring->message_count++];
    *message = (struct msghdr){.msg_iov = copy, .msg_iovlen = piece_count};
    struct io_uring_sqe *sqe = prepare_send(ring, IORING_OP_SENDMSG, stream);
    sqe->addr = (uint64_t)(uintptr_t)message;
    sqe->len = 1;
}

void ring_submit_shutdown(struct ring *ring, struct handle stream, int how) {
    prepare_stream(ring, IORING_OP_SHUTDOWN, TOKEN_SHUTDOWN, stream)->len = (uint32_t)how;
}

void ring_submit_close(struct ring *ring, struct handle stream) {
    struct io_uring_sqe *sqe = prepare_stream(ring, IORING_OP_CLOSE, TOKEN_CLOSE, stream);
    // io_uring_prep_close_direct: the slot goes into file_index, one higher, and no FIXED_FILE.
    sqe->file_index = (uint32_t)sqe->fd + 1;
    sqe->fd = 0;
    sqe->flags = 0;
}

bool ring_can_pass(const struct ring *ring) {
    return ring->features.pass_descriptor;
}

struct ring_pass_target ring_pass_target(struct ring *ring, uint32_t lane) {
    return (struct ring_pass_target){.ring_fd = ring_lane(ring, lane)->uring.ring_fd, .lane = lane};
}

// Linux 6.0: IORING_MSG_SEND_FD. The target's thread installs the file when it next is in the
// kernel, where it is woken from a wait; its completion is posted there before ours here.
void ring_submit_pass(struct ring *ring, struct handle stream, struct ring_pass_target target,
                      struct handle arrival) {
    struct io_uring_sqe *sqe = prepare(ring, stream.index >> ring->lane_shift, IORING_OP_MSG_RING,
                                       (struct token){TOKEN_PASS, stream.generation, stream.index});
    sqe->fd = target.ring_fd;
    sqe->addr = IORING_MSG_SEND_FD;
    sqe->addr3 = stream.index & ((1u << ring->lane_shift) - 1);
    sqe->file_index = IORING_FILE_INDEX_ALLOC;
    sqe->off = token_pack((struct token){TOKEN_ARRIVE, arrival.generation, arrival.index});
}

void ring_submit_wake(struct ring *ring, struct ring_wake_target target) {
    if (!ring->features.msg_ring) {
        uint64_t one = 1;
        (void)!write(target.event_fd, &one, sizeof(one)); // full counter: a wake is due anyway
        return;
    }
    struct io_uring_sqe *sqe =
        prepare(ring, 0, IORING_OP_MSG_RING, (struct token){.op = TOKEN_WAKE_SENT});
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
    sqe->fd = target.ring_fd;
    sqe->off = token_pack((struct token){.op = TOKEN_WAKE}); // the receiver's completion
}
