// The simulated peers, and what completes an armed operation.
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "io/ring_sim_state.h"

#define RUN_MAX 32 // as Linux 6.8
#define SPACE_BYTES (64u << 10)

void sim_bytes_append(struct sim_bytes *bytes, const void *data, size_t size) {
    if (size == 0)
        return;
    if (bytes->size + size > bytes->capacity) {
        bytes->capacity = (bytes->size + size) * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        CHECK(bytes->data);
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

void sim_bytes_skip(struct sim_bytes *bytes, size_t size) {
    if (size == 0)
        return;
    memmove(bytes->data, bytes->data + size, bytes->size - size);
    bytes->size -= size;
}

static bool is_readable(const struct sim_socket *socket) {
    return socket->in.size > 0 || socket->peer_fin || socket->peer_reset;
}

// One receive that is ready. Returns whether it stays armed.
static bool complete_recv(struct ring *ring, struct sim_op *op) {
    struct sim_socket *socket = sim_socket_of(ring, op->token.index);
    if (socket->peer_reset || socket->in.size == 0) {
        sim_post(ring, op->token, op->lane, socket->peer_reset ? -ECONNRESET : 0, false);
        return false;
    }
    if (ring_buffers_free(ring, op->lane) == 0) {
        sim_post(ring, op->token, op->lane, -ENOBUFS, false);
        return false;
    }
    size_t size = socket->in.size < ring->buffer_bytes ? socket->in.size : ring->buffer_bytes;
    uint32_t buffer = ring->buffers_free[--ring->buffer_free_count];
    uint8_t *data = ring->buffers + (size_t)buffer * ring->buffer_bytes;
    memcpy(data, socket->in.data, size);
    sim_bytes_skip(&socket->in, size);
    bool more = op->multishot && !sim_one_in(ring, ring->knobs.lose_more_one_in);
    struct sim_posted *posted = sim_post(ring, op->token, op->lane, (int32_t)size, more);
    posted->completion.nonempty = socket->in.size > 0;
    posted->completion.buffer = buffer;
    posted->completion.data = data;
    return more;
}

static struct sim_socket *first_waiting(struct ring *ring, int listen_fd) {
    for (uint32_t i = 0; ring->waiting_count > 0 && i < ring->socket_count; i++) {
        if (ring->sockets[i]->is_waiting && ring->sockets[i]->listen_fd == listen_fd)
            return ring->sockets[i];
    }
    return NULL;
}

uint32_t sim_free_descriptor(const struct ring *ring, uint32_t lane) {
    uint32_t descriptor = lane << ring->lane_shift;
    uint32_t end = (lane + 1) << ring->lane_shift;
    while (descriptor < end && ring->sockets_of[descriptor] != SLAB_NONE)
        descriptor++;
    return descriptor < end ? descriptor : SLAB_NONE;
}

uint32_t sim_peer_of_socket(struct ring *ring, struct sim_socket *socket) {
    for (uint32_t i = 0; i < ring->socket_count; i++) {
        if (ring->sockets[i] == socket)
            return i;
    }
    CHECK(ring->socket_count < SIM_SOCKETS_MAX);
    socket->ring_count++;
    ring->sockets[ring->socket_count] = socket;
    return ring->socket_count++;
}

static bool complete_accept(struct ring *ring, struct sim_op *op, struct sim_socket *socket) {
    if (ring->knobs.accept_error != 0) {
        sim_post(ring, op->token, op->lane, -ring->knobs.accept_error, false);
        ring->knobs.accept_error = 0;
        return false;
    }
    uint32_t descriptor = sim_free_descriptor(ring, op->lane);
    socket->is_waiting = false;
    ring->waiting_count--;
    if (descriptor == SLAB_NONE) { // docs/KERNEL.md 8: dropped unheard
        socket->is_unheard = true;
        sim_post(ring, op->token, op->lane, -ENFILE, false);
        return false;
    }
    ring->sockets_of[descriptor] = sim_peer_of_socket(ring, socket);
    socket->descriptor_count++;
    if (op->address) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)ring->sockets_of[descriptor])};
        memcpy(op->address, &address, sizeof(address));
        *op->address_size = sizeof(address);
    }
    bool more = op->multishot && !sim_one_in(ring, ring->knobs.lose_more_one_in);
    sim_post(ring, op->token, op->lane, (int32_t)descriptor, more);
    return more;
}

bool sim_is_ready(struct ring *ring, const struct sim_op *op) {
    switch ((enum token_op)op->token.op) {
    case TOKEN_ACCEPT:
        return first_waiting(ring, op->listen_fd) != NULL;
    case TOKEN_CONNECT:
        return true;
    case TOKEN_POLL_OUT: {
        const struct sim_socket *socket = sim_socket_of(ring, op->token.index);
        return socket->out.size < socket->space || socket->peer_reset;
    }
    case TOKEN_POLL_IN:
    case TOKEN_RECV:
    case TOKEN_RECV_MULTI:
        return is_readable(sim_socket_of(ring, op->token.index));
    case TOKEN_INVALID:
    case TOKEN_SEND:
    case TOKEN_SHUTDOWN:
    case TOKEN_PASS:
    case TOKEN_CLOSE:
    case TOKEN_CANCEL:
    case TOKEN_CANCEL_ACCEPT:
    case TOKEN_ARRIVE:
    case TOKEN_WAKE:
    case TOKEN_WAKE_SENT:
    case TOKEN_EVENT:
    case TOKEN_LANE:
    case TOKEN_OP_COUNT:
        break;
    }
    UNREACHABLE();
}

// Completes one that is ready. Returns whether it stays armed.
static bool complete(struct ring *ring, struct sim_op *op) {
    switch (op->token.op) {
    case TOKEN_ACCEPT:
        return complete_accept(ring, op, first_waiting(ring, op->listen_fd));
    case TOKEN_CONNECT:
        sim_post(ring, op->token, op->lane, -ring->knobs.connect_error, false);
        return false;
    case TOKEN_POLL_OUT:
        sim_post(ring, op->token, op->lane, POLLOUT, false);
        return false;
    case TOKEN_POLL_IN:
        sim_post(ring, op->token, op->lane, POLLIN, false);
        return false;
    default:
        return complete_recv(ring, op);
    }
}

void sim_pump(struct ring *ring) {
    uint32_t run_max = ring->knobs.run_max ? ring->knobs.run_max : RUN_MAX;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ring->op_count; i++) {
        struct sim_op op = ring->ops[i];
        bool stays = true;
        uint32_t runs = op.token.op == TOKEN_ACCEPT ? SIM_SOCKETS_MAX : run_max;
        for (uint32_t run = 0; stays && run < runs && sim_is_ready(ring, &op); run++)
            stays = complete(ring, &op);
        if (stays)
            ring->ops[kept++] = op;
    }
    ring->op_count = kept;
}

struct ring_sim_knobs *ring_sim_knobs(struct ring *ring) {
    return &ring->knobs;
}

void ring_sim_seed(struct ring *ring, uint64_t seed) {
    ring->rng.state = seed;
}

uint32_t ring_sim_connect(struct ring *ring, int listen_fd) {
    struct sim_socket *socket = calloc(1, sizeof(*socket));
    CHECK(socket);
    socket->listen_fd = listen_fd;
    socket->is_waiting = true;
    socket->space = ring->knobs.send_space ? ring->knobs.send_space : SPACE_BYTES;
    ring->waiting_count++;
    return sim_peer_of_socket(ring, socket);
}

uint32_t ring_sim_peer_of(struct ring *ring, uint32_t stream_index) {
    return sim_peer_of_socket(ring, sim_socket_of(ring, stream_index));
}

static struct sim_socket *socket_at(const struct ring *ring, uint32_t peer) {
    CHECKF(peer < ring->socket_count, "peer %u", peer);
    return ring->sockets[peer];
}

void ring_sim_peer_send(struct ring *ring, uint32_t peer, const void *data, size_t size) {
    struct sim_socket *socket = socket_at(ring, peer);
    if (!socket->is_closed && !socket->peer_fin && !socket->peer_reset)
        sim_bytes_append(&socket->in, data, size);
}

size_t ring_sim_peer_receive(struct ring *ring, uint32_t peer, void *data, size_t size) {
    struct sim_socket *socket = socket_at(ring, peer);
    if (size > socket->out.size)
        size = socket->out.size;
    if (size > 0)
        memcpy(data, socket->out.data, size);
    sim_bytes_skip(&socket->out, size);
    return size;
}

void ring_sim_peer_set_space(struct ring *ring, uint32_t peer, uint32_t bytes) {
    socket_at(ring, peer)->space = bytes;
}

void ring_sim_peer_fin(struct ring *ring, uint32_t peer) {
    socket_at(ring, peer)->peer_fin = true;
}

void ring_sim_peer_reset(struct ring *ring, uint32_t peer) {
    socket_at(ring, peer)->peer_reset = true;
    socket_at(ring, peer)->in.size = 0;
    socket_at(ring, peer)->out.size = 0;
}

bool ring_sim_peer_has_bytes(const struct ring *ring, uint32_t peer) {
    return socket_at(ring, peer)->out.size > 0;
}

bool ring_sim_peer_saw_fin(const struct ring *ring, uint32_t peer) {
    const struct sim_socket *socket = socket_at(ring, peer);
    return socket->our_fin && socket->out.size == 0;
}

bool ring_sim_peer_is_closed(const struct ring *ring, uint32_t peer) {
    return socket_at(ring, peer)->is_closed;
}

bool ring_sim_peer_is_unheard(const struct ring *ring, uint32_t peer) {
    return socket_at(ring, peer)->is_unheard;
}

uint32_t ring_sim_peer_on(struct ring *other, struct ring *ring, uint32_t peer) {
    return sim_peer_of_socket(other, socket_at(ring, peer));
}

uint32_t ring_sim_armed_count(const struct ring *ring) {
    return ring->op_count;
}

uint32_t ring_sim_hide_buffers(struct ring *ring, uint32_t count) {
    uint32_t left = ring->buffer_count - ring->buffers_hidden;
    count = count < left ? count : left;
    ring->buffers_hidden += count;
    return count;
}

void ring_sim_show_buffers(struct ring *ring, uint32_t count) {
    CHECK(count <= ring->buffers_hidden);
    ring->buffers_hidden -= count;
}
