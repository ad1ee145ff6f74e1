// Ring: everything a scheduler asks of the kernel on the data path, as about sixteen operations and
// one plain completion. No type of liburing leaks. Two bodies, chosen at link time: the real one
// (ring_uring*.c) and a simulated one (ring_sim*.c) that can send in part, lose F_MORE, run out of
// buffers and reorder.
//
// A ring is a scheduler's set of *lanes*. Each lane is an io_uring with a table of direct
// descriptors and a ring of receive buffers of its own; a stream's index names both:
// lane = index / descriptors_per_lane (a power of two), descriptor = the rest. Lanes beyond the
// first are made when the first stream needs them and signal the first through an eventfd.
//
// Thread: the scheduler's own, from ring_open on (SINGLE_ISSUER); ring_wake_target's members may be
// given to others. Memory: the ledger. Operations never fail: a full submission queue is submitted
// on the spot. What an operation points to (bytes, iovecs, addresses) is borrowed until the next
// ring_enter returns.
//
// Completions of one operation: exactly one without `more`, which is the last; send and cancel
// report failures only (a send that was taken whole says nothing).
// Source: io_uring(7), docs/KERNEL.md. Linux >= 6.1.
#ifndef FAIRLEAD_IO_RING_H
#define FAIRLEAD_IO_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "io/token.h"
#include "sched/base/counters.h"
#include "sched/base/memory.h"
#include "sched/base/slab.h"

#define RING_WAIT_FOREVER UINT64_MAX
#define RING_IOVECS_MAX 64 // pieces of one send
#define RING_LANES_MAX 256
#define RING_NO_BUFFER UINT32_MAX

// Sizes of one lane; counts are powers of two.
struct ring_lane_config {
    uint32_t sq_entries;
    uint32_t cq_entries;   // 4 x the largest burst; an overflow is counted and survived
    uint32_t buffer_count; // <= 1024
    uint32_t buffer_bytes;
};

struct ring_config {
    uint32_t lane_count;           // at most; all but the first are made when needed
    uint32_t descriptors_per_lane; // rounded down to a power of two, <= RLIMIT_NOFILE, 2^20
    struct ring_lane_config first; // zeroes: 1024, 16384, 512, 4096
    struct ring_lane_config child; // zeroes: 1024, 8192, 128, 2048
    uint32_t min_wait_us; // when busy, wait this long for more (0: never; Linux 6.12, else unused)
    struct counters *counters; // borrowed for the ring's life
};

struct ring;

// Descriptors a lane can have on this host: min(RLIMIT_NOFILE, 2^20), rounded down to a power of
// two.
uint32_t ring_descriptors_max(void);

// 0, or -errno; features_error_text (io/features.h) says the cure.
MUST_USE int ring_open(const struct ring_config *config, struct memory_ledger *ledger,
                       struct ring **ring);

// Cancels what is armed, closes every lane. Streams are torn down before.
void ring_close(struct ring *ring);

uint32_t ring_lane_count(const struct ring *ring);           // the limit
uint32_t ring_lanes_open(const struct ring *ring);           // made so far
uint32_t ring_descriptors_per_lane(const struct ring *ring); // a power of two
uint32_t ring_cq_entries(const struct ring *ring, uint32_t lane);
uint32_t ring_lane_of(const struct ring *ring, uint32_t stream_index);

// Makes the lane when it is not there yet. 0, or -errno (ENOMEM, EMFILE).
MUST_USE int ring_prepare_lane(struct ring *ring, uint32_t lane);

// One turn's system call: submits all lanes that were touched, then waits until a completion is
// there or the time is over (0: does not wait). Completions left over from the turn before make it
// return at once.
void ring_enter(struct ring *ring, uint64_t wait_ns);

struct ring_completion {
    uint8_t op;          // enum token_op
    bool more;           // the operation is still armed
    bool nonempty;       // recv: the socket holds more
    uint32_t generation; // of the stream or acceptor
    uint32_t index;      // of the stream or acceptor
    uint32_t lane;
    int32_t result;  // >= 0, or -errno. ACCEPT, ARRIVE: a stream index. POLL: events
    uint32_t buffer; // RING_NO_BUFFER, or what ring_release_buffer takes
    uint8_t *data;   // `result` bytes, mutable, borrowed until ring_release_buffer
};

// The next completion of this turn, false when there is none. Yields every completion that was
// posted before ring_enter returned (stream_settle relies on that); bounded by the completion
// queues, each lane taken once a turn.
bool ring_next(struct ring *ring, struct ring_completion *completion);

// Every completion with a buffer gives it back, in any order.
void ring_release_buffer(struct ring *ring, const struct ring_completion *completion);

// Buffers that a receive on this lane would find now.
uint32_t ring_buffers_free(const struct ring *ring, uint32_t lane);

// --- operations: `stream` is the token's index and generation, and names lane and descriptor -----

// Accepts into free descriptors of the lane until it is cancelled or `more` is lost. The token is
// TOKEN_ACCEPT with `acceptor`. LIMITATION of the kernel: with a full table the socket is dropped
// unheard; io/accept keeps clear of that.
void ring_arm_accept(struct ring *ring, uint32_t lane, int listen_fd, struct handle acceptor);

// One accept. `address` may be NULL; address and size stay valid until the completion.
void ring_submit_accept(struct ring *ring, uint32_t lane, int listen_fd, struct handle acceptor,
                        struct sockaddr *address, socklen_t *address_size);

// As ring_submit_cancel; TOKEN_CANCEL_ACCEPT.
void ring_submit_cancel_accept(struct ring *ring, uint32_t lane, struct handle acceptor);

// Puts an open socket into the stream's descriptor and closes `fd`. 0, or -errno.
MUST_USE int ring_adopt(struct ring *ring, uint32_t stream_index, int fd);

void ring_submit_connect(struct ring *ring, struct handle stream, const struct sockaddr *address,
                         socklen_t address_size);

void ring_submit_poll_in(struct ring *ring, struct handle stream);
void ring_submit_poll_out(struct ring *ring, struct handle stream);
void ring_submit_recv(struct ring *ring, struct handle stream); // one buffer
void ring_arm_recv(struct ring *ring, struct handle stream);    // until cancelled

// Never waits: all bytes are taken, or a completion says how many were (short, >= 0), -EAGAIN for
// none, or why not. Where features say that the kernel cannot be silent, success completes too.
void ring_submit_send(struct ring *ring, struct handle stream, const void *data, size_t size);
void ring_submit_sendmsg(struct ring *ring, struct handle stream, const struct iovec *pieces,
                         uint32_t piece_count);

void ring_submit_shutdown(struct ring *ring, struct handle stream, int how);
void ring_submit_close(struct ring *ring, struct handle stream);

// Cancels this stream's operation `op`, whose own last completion tells the outcome. Only a cancel
// that found nothing completes (TOKEN_CANCEL, -ENOENT or -EALREADY): the operation has completed
// before, or, a multishot receive at its cap (Linux 6.8), is between two runs and still armed.
void ring_submit_cancel(struct ring *ring, struct handle stream, enum token_op op);

// --- pass: see io/stream_move.h ------------------------------------------------------------------

// Where a descriptor goes: a lane of another scheduler's ring. Made there, given away by value.
struct ring_pass_target {
    struct ring *ring; // the simulated body's; NULL in the real one
    int ring_fd;
    uint32_t lane;
};

// This kernel passes descriptors between rings and says into which slot.
bool ring_can_pass(const struct ring *ring);

// The lane is made by now (ring_prepare_lane).
struct ring_pass_target ring_pass_target(struct ring *ring, uint32_t lane);

// Puts the stream's file into a free descriptor of the target too; it stays in this ring's. The
// target gets TOKEN_ARRIVE with `arrival` and the stream index it took, at any moment; this ring
// TOKEN_PASS with >= 0, or -ENFILE (no descriptor is free there), -EOWNERDEAD, -EBADF, -EBADFD (it
// is gone), -ENOMEM: then nothing arrived; or -EOVERFLOW: the file is there and nobody was told.
void ring_submit_pass(struct ring *ring, struct handle stream, struct ring_pass_target target,
                      struct handle arrival);

// --- wake: see io/wake.h -------------------------------------------------------------------------

struct ring_wake_target {
    int ring_fd;
    int event_fd;
};

struct ring_wake_target ring_wake_target(const struct ring *ring);
void ring_submit_wake(struct ring *ring, struct ring_wake_target target);

#endif
