// Insides of the real ring, shared by ring_uring*.c only.
#ifndef FAIRLEAD_IO_RING_URING_H
#define FAIRLEAD_IO_RING_URING_H

#include "io/features.h"
#include "io/ring.h"
#include "io/uring_compat.h"

#define RING_MESSAGES_MAX 1024 // sendmsg headers and addresses between two submissions
#define RING_PIECES_MAX 8192   // iovecs, the same

struct lane {
    struct io_uring uring;
    bool is_open;
    bool is_registered;       // enter_ring_fd is an index of registered rings
    bool has_accepted;        // an accept was armed here at some time
    int event_fd;             // children: signals lane 0; lane 0: outsiders' wake
    uint32_t sqe_tail;        // prepared
    uint32_t sqe_submitted;   // the kernel's head after the last submission
    uint32_t cq_head;         // ours
    uint32_t cq_until;        // completions of this turn end here
    uint32_t overflow_rounds; // flushes of an overflowed queue in this turn
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    uint32_t buffer_count;
    uint32_t buffer_bytes;
    uint32_t buffers_out; // taken by completions and not given back
};

struct ring {
    struct ring_config config;
    struct features features;
    struct counters *counters;
    uint32_t lane_shift; // log2 of descriptors per lane
    uint32_t lanes_open;
    uint32_t lane_now; // ring_next is here
    uint32_t taken;    // completions in this turn
    uint32_t message_count;
    uint32_t piece_count;
    struct msghdr messages[RING_MESSAGES_MAX];
    struct sockaddr_storage addresses[RING_MESSAGES_MAX];
    struct iovec pieces[RING_PIECES_MAX];
    uint8_t *buffer_area;
    uint8_t *buffer_ring_area;
    struct lane lanes[];
};

static inline struct lane *ring_lane(struct ring *ring, uint32_t lane) {
    CHECKF(lane < ring->config.lane_count && ring->lanes[lane].is_open, "lane %u", lane);
    return &ring->lanes[lane];
}

static inline bool lane_has_unsubmitted(const struct lane *lane) {
    return lane->sqe_tail != lane->sqe_submitted;
}

// Completions in the queue now.
static inline uint32_t lane_cq_tail(const struct lane *lane) {
    return io_uring_smp_load_acquire(lane->uring.cq.ktail);
}

static inline uint32_t lane_sq_flags(const struct lane *lane) {
    return IO_URING_READ_ONCE(*lane->uring.sq.kflags);
}

// One io_uring_enter: submits what is prepared and gets events; wait_ns as ring_enter.
void lane_enter(struct ring *ring, struct lane *lane, uint64_t wait_ns);

// Submits every lane until the kernel has taken all, and gives the scratch back.
void ring_submit_all(struct ring *ring);

// A zeroed submission entry; submits when the queue is full.
struct io_uring_sqe *lane_sqe(struct ring *ring, struct lane *lane);

// Polls of eventfds on lane 0: of a child lane, or the ring's own (outsiders).
void ring_arm_event(struct ring *ring, uint32_t lane);

#endif
