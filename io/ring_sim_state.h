// Insides of the simulated ring, shared by ring_sim*.c only. Memory is malloc's: this is a test's.
#ifndef FAIRLEAD_IO_RING_SIM_STATE_H
#define FAIRLEAD_IO_RING_SIM_STATE_H

#include "io/ring_sim.h"
#include "sched/base/rng.h"

#define SIM_SOCKETS_MAX 8192
#define SIM_OPS_MAX 65536

struct sim_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

struct sim_socket {
    int listen_fd;       // in the backlog of
    uint32_t ring_count; // rings that know it: the last frees it
    uint32_t descriptor_count;
    struct sim_bytes in; // to the stream
    struct sim_bytes out;
    uint32_t space;
    bool is_waiting; // in the backlog
    bool peer_fin;
    bool peer_reset;
    bool our_fin;
    bool is_closed;
    bool is_unheard;
};

// An operation that is armed.
struct sim_op {
    struct token token;
    bool multishot;
    uint32_t lane;
    int listen_fd;
    struct sockaddr *address;
    socklen_t *address_size;
};

struct sim_posted {
    struct ring_completion completion;
    bool is_late;
};

struct ring {
    struct ring_config config;
    struct ring_sim_knobs knobs;
    struct rng rng;
    uint32_t lane_shift;
    uint32_t lanes_open;
    bool lane_is_open[RING_LANES_MAX];
    uint32_t *sockets_of;        // per descriptor: socket, or SLAB_NONE
    struct sim_socket **sockets; // a peer is an index of it
    uint32_t socket_count;
    uint32_t waiting_count; // sockets in backlogs
    bool is_woken;          // since the last enter
    struct sim_op *ops;     // armed, oldest first
    uint32_t op_count;
    struct sim_posted *posted; // completed, oldest first
    uint32_t posted_count;
    uint32_t posted_next; // ring_next is here
    uint32_t posted_until;
    uint8_t *buffers;
    uint32_t *buffers_free;
    uint32_t buffer_count;
    uint32_t buffer_free_count;
    uint32_t buffers_hidden;
    uint32_t buffer_bytes;
};

static inline struct sim_socket *sim_socket_of(struct ring *ring, uint32_t stream) {
    uint32_t index = ring->sockets_of[stream];
    CHECKF(index != SLAB_NONE, "operation on stream %u, whose descriptor is empty", stream);
    return ring->sockets[index];
}

static inline bool sim_one_in(struct ring *ring, uint32_t n) {
    return n != 0 && rng_below(&ring->rng, n) == 0;
}

// The lowest free descriptor of the lane, or SLAB_NONE.
uint32_t sim_free_descriptor(const struct ring *ring, uint32_t lane);

// The peer's number on this ring, which did not know it perhaps.
uint32_t sim_peer_of_socket(struct ring *ring, struct sim_socket *socket);

void sim_bytes_append(struct sim_bytes *bytes, const void *data, size_t size);
void sim_bytes_skip(struct sim_bytes *bytes, size_t size);

struct sim_posted *sim_post(struct ring *ring, struct token token, uint32_t lane, int32_t result,
                            bool more);

bool sim_is_ready(struct ring *ring, const struct sim_op *op);

// Completes what is ready.
void sim_pump(struct ring *ring);

#endif
