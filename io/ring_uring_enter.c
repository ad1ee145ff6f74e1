// Entering the kernel and taking completions.
//
//   ring_enter: children submit -> lane 0 submits and waits -> children that have work get events
//   ring_next:  lane 0, then each child, up to where its queue ended when ring_enter returned
//
// A child that has work sets TASKRUN in its ring (read without a system call) and signals its
// eventfd, which is polled by lane 0 and only there to end its wait; it is never read: each signal
// wakes the poll again.
#include "io/ring_uring.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sched/base/clock.h"

#define OVERFLOW_ROUNDS_MAX 64 // of one lane in one turn
#define WORK_ROUNDS_MAX 16     // from Linux 6.13 a pass runs 20 completions (docs/KERNEL.md 3)
#define BUSY_COMPLETIONS 4     // in the last turn: then min-wait gathers more
#define BUSY_WAIT_COUNT 64

static bool has_work(const struct lane *lane) {
    return (lane_sq_flags(lane) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static bool has_completions(const struct lane *lane) {
    return lane_cq_tail(lane) != lane->cq_head;
}

static void enter_kernel(struct ring *ring, struct lane *lane, uint64_t wait_ns) {
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(wait_ns / NS_PER_S),
                                        .tv_nsec = (long long)(wait_ns % NS_PER_S)};
    struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8};
    uint32_t wait_count = wait_ns == 0 ? 0 : 1;
    unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
    if (wait_ns != 0 && wait_ns != RING_WAIT_FOREVER)
        arg.ts = (uint64_t)(uintptr_t)&timeout;
    if (wait_ns != 0 && ring->config.min_wait_us > 0 && ring->features.min_wait &&
        ring->taken >= BUSY_COMPLETIONS) {
        arg.pad = ring->config.min_wait_us;
        wait_count = BUSY_WAIT_COUNT;
    }
    if (lane->is_registered)
        flags |= IORING_ENTER_REGISTERED_RING;
    uint32_t prepared = lane->sqe_tail - lane->sqe_submitted;
    io_uring_smp_store_release(lane->uring.sq.ktail, lane->sqe_tail);
    long result = syscall(__NR_io_uring_enter, lane->uring.enter_ring_fd, prepared, wait_count,
                          flags, &arg, sizeof(arg));
    lane->sqe_submitted = io_uring_smp_load_acquire(lane->uring.sq.khead);
    counter_add(ring->counters, COUNTER_SYSCALLS, 1);
    // ETIME: the time is over. EINTR: a signal; the turn goes on. EAGAIN, EBUSY: the kernel took
    // only a part; the head says which, the next enter goes on.
    CHECKF(result >= 0 || errno == ETIME || errno == EINTR || errno == EAGAIN || errno == EBUSY,
           "io_uring_enter: %s", strerror(errno));
}

void lane_enter(struct ring *ring, struct lane *lane, uint64_t wait_ns) {
    enter_kernel(ring, lane, wait_ns);
    for (uint32_t round = 0; round < WORK_ROUNDS_MAX; round++) {
        // More would find no buffers; what is left keeps the next enter from waiting.
        uint32_t ready = lane_cq_tail(lane) - lane->cq_head;
        if (!(lane_sq_flags(lane) & IORING_SQ_TASKRUN) || ready >= lane->buffer_count / 2)
            break;
        enter_kernel(ring, lane, 0);
    }
}

static void submit_lane(struct ring *ring, struct lane *lane) {
    // EAGAIN is the kernel out of memory for a request; nothing else of ours can go on either.
    for (uint32_t round = 0; lane_has_unsubmitted(lane); round++) {
        if (round > 0)
            sched_yield();
        enter_kernel(ring, lane, 0);
    }
}

void ring_submit_all(struct ring *ring) {
    for (uint32_t i = 0; i < ring->config.lane_count; i++) {
        if (ring->lanes[i].is_open && lane_has_unsubmitted(&ring->lanes[i]))
            submit_lane(ring, &ring->lanes[i]);
    }
    ring->message_count = 0;
    ring->piece_count = 0;
}

struct io_uring_sqe *lane_sqe(struct ring *ring, struct lane *lane) {
    struct io_uring_sq *sq = &lane->uring.sq;
    if (UNLIKELY(lane->sqe_tail - lane->sqe_submitted >= sq->ring_entries))
        submit_lane(ring, lane);
    struct io_uring_sqe *sqe = &sq->sqes[lane->sqe_tail & (sq->ring_entries - 1)];
    lane->sqe_tail++;
    memset(sqe, 0, sizeof(*sqe));
    counter_add(ring->counters, COUNTER_SUBMISSIONS, 1);
    return sqe;
}

void ring_enter(struct ring *ring, uint64_t wait_ns) {
    struct lane *first = &ring->lanes[0];
    bool ready = has_completions(first) || has_work(first);
    uint32_t children = ring->lanes_open > 1 ? ring->config.lane_count : 1;
    for (uint32_t i = 1; i < children; i++) {
        struct lane *lane = &ring->lanes[i];
        if (!lane->is_open)
            continue;
        if (lane_has_unsubmitted(lane))
            submit_lane(ring, lane);
        ready = ready || has_completions(lane) || has_work(lane);
    }
    lane_enter(ring, first, ready ? 0 : wait_ns);
    if (lane_has_unsubmitted(first))
        submit_lane(ring, first);
    first->cq_until = lane_cq_tail(first);
    first->overflow_rounds = 0;
    for (uint32_t i = 1; i < children; i++) {
        struct lane *lane = &ring->lanes[i];
        if (!lane->is_open)
            continue;
        if (has_work(lane))
            lane_enter(ring, lane, 0);
        lane->cq_until = lane_cq_tail(lane);
        lane->overflow_rounds = 0;
    }
    ring->lane_now = 0;
    ring->taken = 0;
    ring->message_count = 0;
    ring->piece_count = 0;
}

// The lane's completions of this turn are all taken: an overflowed queue is flushed into the space,
// since stream_settle must see every completion of this turn's sends.
static bool flush_overflow(struct ring *ring, struct lane *lane) {
    if (LIKELY(!(lane_sq_flags(lane) & IORING_SQ_CQ_OVERFLOW)) ||
        lane->overflow_rounds >= OVERFLOW_ROUNDS_MAX)
        return false;
    lane->overflow_rounds++;
    counter_add(ring->counters, COUNTER_CQ_OVERFLOWS, 1);
    enter_kernel(ring, lane, 0);
    lane->cq_until = lane_cq_tail(lane);
    return lane->cq_until != lane->cq_head;
}

static void translate(struct ring *ring, uint32_t index, const struct io_uring_cqe *cqe,
                      struct ring_completion *completion) {
    struct lane *lane = &ring->lanes[index];
    struct token token = token_unpack(cqe->user_data);
    *completion =
        (struct ring_completion){.op = token.op,
                                 .more = (cqe->flags & IORING_CQE_F_MORE) != 0,
                                 .nonempty = (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0,
                                 .generation = token.generation,
                                 .index = token.index,
                                 .lane = index,
                                 .result = cqe->res,
                                 .buffer = RING_NO_BUFFER};
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        completion->buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        completion->data = lane->buffers + (size_t)completion->buffer * lane->buffer_bytes;
        lane->buffers_out++;
    }
    if ((token.op == TOKEN_ACCEPT || token.op == TOKEN_ARRIVE) && cqe->res >= 0)
        completion->result = (int32_t)(index << ring->lane_shift | (uint32_t)cqe->res);
}

// Lanes' own events end here. True when the completion is the caller's.
static bool is_for_caller(struct ring *ring, const struct ring_completion *completion) {
    if (completion->op != TOKEN_LANE && completion->op != TOKEN_EVENT)
        return true;
    if (!completion->more)
        ring_arm_event(ring, completion->op == TOKEN_LANE ? completion->index : 0);
    return completion->op == TOKEN_EVENT;
}

bool ring_next(struct ring *ring, struct ring_completion *completion) {
    for (;;) {
        struct lane *lane = &ring->lanes[ring->lane_now];
        if (!lane->is_open || (lane->cq_head == lane->cq_until && !flush_overflow(ring, lane))) {
            if (ring->lanes_open == 1 || ring->lane_now + 1 >= ring->config.lane_count)
                return false;
            ring->lane_now++;
            continue;
        }
        const struct io_uring_cqe *cqe =
            &lane->uring.cq.cqes[lane->cq_head & (lane->uring.cq.ring_entries - 1)];
        translate(ring, ring->lane_now, cqe, completion);
        lane->cq_head++;
        io_uring_smp_store_release(lane->uring.cq.khead, lane->cq_head);
        ring->taken++;
        counter_add(ring->counters, COUNTER_COMPLETIONS, 1);
        if (is_for_caller(ring, completion))
            return true;
    }
}

void ring_release_buffer(struct ring *ring, const struct ring_completion *completion) {
    if (completion->buffer == RING_NO_BUFFER)
        return;
    struct lane *lane = ring_lane(ring, completion->lane);
    io_uring_buf_ring_add(lane->buffer_ring,
                          lane->buffers + (size_t)completion->buffer * lane->buffer_bytes,
                          lane->buffer_bytes, (unsigned short)completion->buffer,
                          io_uring_buf_ring_mask(lane->buffer_count), 0);
    io_uring_buf_ring_advance(lane->buffer_ring, 1);
    lane->buffers_out--;
}

uint32_t ring_buffers_free(const struct ring *ring, uint32_t lane) {
    return ring->lanes[lane].buffer_count - ring->lanes[lane].buffers_out;
}
