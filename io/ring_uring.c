// The real ring: making and unmaking lanes. Entering the kernel is in ring_uring_enter.c, the
// operations in ring_uring_ops.c.
//
//   lane 0            lane 1 … n (made when the first stream needs them)
//   io_uring  <-----  io_uring + registered eventfd, polled (multishot) by lane 0
//   table of direct descriptors, ring of receive buffers: one each
#include "io/ring_uring.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define DESCRIPTORS_LIMIT (1u << 20) // Linux: IORING_MAX_FIXED_FILES
#define BUFFER_GROUP 0
#define BUFFER_COUNT_MAX 1024 // docs/KERNEL.md 4
#define PAGE_BYTES 4096

static uint32_t power_of_two_down(uint32_t value) {
    return value < 2 ? 1 : 1u << (31 - __builtin_clz(value));
}

uint32_t ring_descriptors_max(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > DESCRIPTORS_LIMIT)
        return DESCRIPTORS_LIMIT;
    return power_of_two_down((uint32_t)limit.rlim_cur);
}

static void set_defaults(struct ring_lane_config *lane, struct ring_lane_config defaults) {
    if (lane->sq_entries == 0)
        lane->sq_entries = defaults.sq_entries;
    if (lane->cq_entries == 0)
        lane->cq_entries = defaults.cq_entries;
    if (lane->buffer_count == 0)
        lane->buffer_count = defaults.buffer_count;
    if (lane->buffer_bytes == 0)
        lane->buffer_bytes = defaults.buffer_bytes;
    CHECKF(lane->buffer_count <= BUFFER_COUNT_MAX &&
               (lane->buffer_count & (lane->buffer_count - 1)) == 0,
           "buffer_count %u", lane->buffer_count);
}

static const struct ring_lane_config *config_of(const struct ring *ring, uint32_t index) {
    return index == 0 ? &ring->config.first : &ring->config.child;
}

static size_t buffer_ring_bytes(const struct ring_lane_config *config) {
    size_t bytes = config->buffer_count * sizeof(struct io_uring_buf);
    return (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

static size_t buffers_bytes(const struct ring_lane_config *config) {
    return (size_t)config->buffer_count * config->buffer_bytes;
}

static int open_buffers(struct ring *ring, uint32_t index) {
    struct lane *lane = &ring->lanes[index];
    const struct ring_lane_config *config = config_of(ring, index);
    lane->buffer_count = config->buffer_count;
    lane->buffer_bytes = config->buffer_bytes;
    lane->buffers = ring->buffer_area;
    uint8_t *area = ring->buffer_ring_area;
    if (index > 0) {
        lane->buffers +=
            buffers_bytes(&ring->config.first) + (index - 1) * buffers_bytes(&ring->config.child);
        area += buffer_ring_bytes(&ring->config.first) +
                (index - 1) * buffer_ring_bytes(&ring->config.child);
    }
    lane->buffer_ring = (struct io_uring_buf_ring *)(void *)area;
    struct io_uring_buf_reg registration = {.ring_addr = (uint64_t)(uintptr_t)area,
                                            .ring_entries = lane->buffer_count,
                                            .bgid = BUFFER_GROUP};
    int result = io_uring_register_buf_ring(&lane->uring, &registration, 0);
    if (result < 0)
        return result;
    io_uring_buf_ring_init(lane->buffer_ring);
    for (uint32_t i = 0; i < lane->buffer_count; i++)
        io_uring_buf_ring_add(lane->buffer_ring, lane->buffers + (size_t)i * lane->buffer_bytes,
                              lane->buffer_bytes, (unsigned short)i,
                              io_uring_buf_ring_mask(lane->buffer_count), (int)i);
    io_uring_buf_ring_advance(lane->buffer_ring, (int)lane->buffer_count);
    return 0;
}

static int open_uring(struct ring *ring, uint32_t index) {
    struct lane *lane = &ring->lanes[index];
    const struct ring_lane_config *config = config_of(ring, index);
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CLAMP,
        .cq_entries = config->cq_entries};
    int result = io_uring_queue_init_params(config->sq_entries, &lane->uring, &params);
    if (result < 0)
        return result;
    // We keep head and tail of the queue ourselves: entry i is always at place i.
    for (uint32_t i = 0; i < lane->uring.sq.ring_entries; i++)
        lane->uring.sq.array[i] = i;
    // A thread may register 16 rings (Linux: IO_RINGFD_REG_MAX); the others cost 13 ns more.
    if (ring->features.registered_ring)
        lane->is_registered = io_uring_register_ring_fd(&lane->uring) == 1;
    return 0;
}

static int open_lane(struct ring *ring, uint32_t index) {
    struct lane *lane = &ring->lanes[index];
    memset(lane, 0, sizeof(*lane));
    int result = open_uring(ring, index);
    if (result < 0)
        return result;
    result = io_uring_register_files_sparse(&lane->uring, 1u << ring->lane_shift);
    if (result == 0)
        result = open_buffers(ring, index);
    lane->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (result == 0 && lane->event_fd < 0)
        result = -errno;
    if (result == 0 && index > 0)
        result = io_uring_register_eventfd(&lane->uring, lane->event_fd);
    if (result < 0) {
        if (lane->event_fd >= 0)
            close(lane->event_fd);
        io_uring_queue_exit(&lane->uring);
        return result;
    }
    lane->is_open = true;
    ring->lanes_open++;
    ring_arm_event(ring, index);
    return 0;
}

int ring_open(const struct ring_config *config, struct memory_ledger *ledger, struct ring **out) {
    uint32_t lane_count = config->lane_count == 0 ? 1 : config->lane_count;
    CHECKF(lane_count <= RING_LANES_MAX, "lane_count %u", lane_count);
    size_t bytes = sizeof(struct ring) + lane_count * sizeof(struct lane);
    struct ring *ring = memory_reserve(ledger, "ring", bytes);
    if (!ring)
        return -ENOMEM;
    ring->config = *config;
    ring->config.lane_count = lane_count;
    ring->counters = config->counters;
    set_defaults(&ring->config.first, (struct ring_lane_config){1024, 16384, 512, 4096});
    set_defaults(&ring->config.child, (struct ring_lane_config){1024, 8192, 128, 2048});
    uint32_t descriptors = power_of_two_down(config->descriptors_per_lane);
    ring->lane_shift = (uint32_t)__builtin_ctz(descriptors);
    ring->buffer_area = memory_reserve(ledger, "recv buffers",
                                       buffers_bytes(&ring->config.first) +
                                           (lane_count - 1) * buffers_bytes(&ring->config.child));
    ring->buffer_ring_area =
        memory_reserve(ledger, "recv buffer rings",
                       buffer_ring_bytes(&ring->config.first) +
                           (lane_count - 1) * buffer_ring_bytes(&ring->config.child));
    if (!ring->buffer_area || !ring->buffer_ring_area)
        return -ENOMEM;
    features_probe(&ring->features);
    if (ring->features.error < 0)
        return ring->features.error;
    int result = open_lane(ring, 0);
    if (result == 0)
        *out = ring;
    return result;
}

int ring_prepare_lane(struct ring *ring, uint32_t lane) {
    CHECKF(lane < ring->config.lane_count, "lane %u", lane);
    return ring->lanes[lane].is_open ? 0 : open_lane(ring, lane);
}

// An accept that is still armed would hold its listening socket beyond our exit (docs/KERNEL.md
// 11).
static void cancel_all(struct ring *ring, struct lane *lane) {
    struct io_uring_sqe *sqe = lane_sqe(ring, lane);
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->cancel_flags = IORING_ASYNC_CANCEL_ANY;
    sqe->user_data = token_pack((struct token){.op = TOKEN_CANCEL});
    for (uint32_t round = 0; round < 8; round++) {
        lane_enter(ring, lane, 0);
        io_uring_smp_store_release(lane->uring.cq.khead, lane_cq_tail(lane));
    }
}

// What else is armed the kernel lets go of by itself: cancelling it here would take the square of
// its count (a lane of 19,000 polls: a second).
static void close_lane(struct ring *ring, struct lane *lane) {
    if (lane->has_accepted)
        cancel_all(ring, lane);
    close(lane->event_fd);
    io_uring_queue_exit(&lane->uring);
    lane->is_open = false;
}

void ring_close(struct ring *ring) {
    for (uint32_t i = ring->config.lane_count; i-- > 0;) {
        if (ring->lanes[i].is_open)
            close_lane(ring, &ring->lanes[i]);
    }
    ring->lanes_open = 0;
}

uint32_t ring_lane_count(const struct ring *ring) {
    return ring->config.lane_count;
}

uint32_t ring_lanes_open(const struct ring *ring) {
    return ring->lanes_open;
}

uint32_t ring_descriptors_per_lane(const struct ring *ring) {
    return 1u << ring->lane_shift;
}

uint32_t ring_cq_entries(const struct ring *ring, uint32_t lane) {
    return config_of(ring, lane)->cq_entries;
}

uint32_t ring_lane_of(const struct ring *ring, uint32_t stream_index) {
    return stream_index >> ring->lane_shift;
}

struct ring_wake_target ring_wake_target(const struct ring *ring) {
    return (struct ring_wake_target){.ring_fd = ring->lanes[0].uring.ring_fd,
                                     .event_fd = ring->lanes[0].event_fd};
}
