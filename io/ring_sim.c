// The simulated ring: ring.h over sockets that exist only here. The peers' side and what makes an
// armed operation complete are in ring_sim_peer.c.
//
//   operation → done on the spot (send, shutdown, cancel, close) or armed (ops)
//   ring_enter → sim_pump: armed and ready → posted → some late, some out of order → ring_next
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/ring_sim_state.h"

uint32_t ring_descriptors_max(void) {
    return 1u << 14;
}

int ring_open(const struct ring_config *config, struct memory_ledger *ledger, struct ring **out) {
    struct ring *ring = calloc(1, sizeof(*ring));
    CHECK(ring && config->lane_count <= RING_LANES_MAX);
    ring->config = *config;
    if (ring->config.lane_count == 0)
        ring->config.lane_count = 1;
    while ((2u << ring->lane_shift) <= config->descriptors_per_lane)
        ring->lane_shift++;
    uint32_t descriptors = ring->config.lane_count << ring->lane_shift;
    ring->buffer_count = config->first.buffer_count ? config->first.buffer_count : 64;
    ring->buffer_bytes = config->first.buffer_bytes ? config->first.buffer_bytes : 4096;
    ring->sockets_of = malloc(descriptors * sizeof(*ring->sockets_of));
    ring->sockets = calloc(SIM_SOCKETS_MAX, sizeof(*ring->sockets));
    ring->ops = calloc(SIM_OPS_MAX, sizeof(*ring->ops));
    ring->posted = calloc(SIM_OPS_MAX, sizeof(*ring->posted));
    ring->buffers = malloc((size_t)ring->buffer_count * ring->buffer_bytes);
    ring->buffers_free = malloc(ring->buffer_count * sizeof(*ring->buffers_free));
    CHECK(ring->sockets_of && ring->sockets && ring->ops && ring->posted && ring->buffers &&
          ring->buffers_free);
    memset(ring->sockets_of, 0xff, descriptors * sizeof(*ring->sockets_of));
    for (uint32_t i = 0; i < ring->buffer_count; i++)
        ring->buffers_free[ring->buffer_free_count++] = i;
    *out = ring;
    return ring_prepare_lane(ring, 0);
}

void ring_close(struct ring *ring) {
    for (uint32_t i = 0; i < ring->socket_count; i++) {
        struct sim_socket *socket = ring->sockets[i];
        if (--socket->ring_count > 0)
            continue;
        free(socket->in.data);
        free(socket->out.data);
        free(socket);
    }
    free(ring->sockets_of);
    free(ring->sockets);
    free(ring->ops);
    free(ring->posted);
    free(ring->buffers);
    free(ring->buffers_free);
    free(ring);
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
    (void)ring, (void)lane;
    return SIM_OPS_MAX;
}

uint32_t ring_lane_of(const struct ring *ring, uint32_t stream_index) {
    return stream_index >> ring->lane_shift;
}

int ring_prepare_lane(struct ring *ring, uint32_t lane) {
    CHECKF(lane < ring->config.lane_count, "lane %u", lane);
    ring->lanes_open += ring->lane_is_open[lane] ? 0 : 1;
    ring->lane_is_open[lane] = true;
    return 0;
}

struct sim_posted *sim_post(struct ring *ring, struct token token, uint32_t lane, int32_t result,
                            bool more) {
    CHECK(ring->posted_count < SIM_OPS_MAX);
    struct sim_posted *posted = &ring->posted[ring->posted_count++];
    *posted = (struct sim_posted){.completion = {.op = token.op,
                                                 .more = more,
                                                 .generation = token.generation,
                                                 .index = token.index,
                                                 .lane = lane,
                                                 .result = result,
                                                 .buffer = RING_NO_BUFFER}};
    return posted;
}

static bool is_same_operation(const struct sim_posted *a, const struct sim_posted *b) {
    return a->completion.op == b->completion.op && a->completion.index == b->completion.index;
}

// Chooses who is late: whoever follows a late one of its own operation is late too.
static void choose_late(struct ring *ring) {
    for (uint32_t i = 0; i < ring->posted_count; i++) {
        struct sim_posted *posted = &ring->posted[i];
        posted->is_late =
            posted->completion.op != TOKEN_SEND && sim_one_in(ring, ring->knobs.late_one_in);
        for (uint32_t j = 0; !posted->is_late && j < i; j++)
            posted->is_late =
                ring->posted[j].is_late && is_same_operation(posted, &ring->posted[j]);
    }
}

static void swap(struct sim_posted *a, struct sim_posted *b) {
    struct sim_posted kept = *a;
    *a = *b;
    *b = kept;
}

// The late ones go behind posted_until, in order; the others may overtake each other.
static void arrange(struct ring *ring) {
    if (ring->knobs.late_one_in != 0) {
        choose_late(ring);
        struct sim_posted *late = malloc((ring->posted_count + 1) * sizeof(*late));
        CHECK(late);
        uint32_t late_count = 0;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < ring->posted_count; i++) {
            if (ring->posted[i].is_late)
                late[late_count++] = ring->posted[i];
            else
                ring->posted[kept++] = ring->posted[i];
        }
        memcpy(&ring->posted[kept], late, late_count * sizeof(*late));
        free(late);
        ring->posted_until = kept;
    } else {
        ring->posted_until = ring->posted_count;
    }
    for (uint32_t i = 0; ring->knobs.reorders && i < 4 * ring->posted_until; i++) {
        uint32_t at = rng_below(&ring->rng, ring->posted_until);
        if (at + 1 < ring->posted_until &&
            !is_same_operation(&ring->posted[at], &ring->posted[at + 1]))
            swap(&ring->posted[at], &ring->posted[at + 1]);
    }
}

void ring_enter(struct ring *ring, uint64_t wait_ns) {
    (void)wait_ns;
    ring->is_woken = false;
    memmove(ring->posted, &ring->posted[ring->posted_next],
            (ring->posted_count - ring->posted_next) * sizeof(*ring->posted));
    ring->posted_count -= ring->posted_next;
    ring->posted_next = 0;
    sim_pump(ring);
    arrange(ring);
    counter_add(ring->config.counters, COUNTER_SYSCALLS, 1);
}

bool ring_next(struct ring *ring, struct ring_completion *completion) {
    if (ring->posted_next == ring->posted_until)
        return false;
    *completion = ring->posted[ring->posted_next++].completion;
    if (completion->op == TOKEN_CLOSE)
        ring->sockets_of[completion->index] = SLAB_NONE; // free for an accept from here on
    counter_add(ring->config.counters, COUNTER_COMPLETIONS, 1);
    return true;
}

void ring_release_buffer(struct ring *ring, const struct ring_completion *completion) {
    if (completion->buffer == RING_NO_BUFFER)
        return;
    // Whoever still looks at it sees rubbish.
    memset(ring->buffers + (size_t)completion->buffer * ring->buffer_bytes, 0xdb,
           ring->buffer_bytes);
    CHECK(ring->buffer_free_count < ring->buffer_count);
    ring->buffers_free[ring->buffer_free_count++] = completion->buffer;
}

uint32_t ring_buffers_free(const struct ring *ring, uint32_t lane) {
    (void)lane;
    return ring->buffer_free_count > ring->buffers_hidden
               ? ring->buffer_free_count - ring->buffers_hidden
               : 0;
}

static struct sim_op *arm(struct ring *ring, enum token_op op, struct handle handle) {
    CHECK(ring->op_count < SIM_OPS_MAX);
    struct sim_op *armed = &ring->ops[ring->op_count++];
    *armed = (struct sim_op){.token = {(uint8_t)op, handle.generation, handle.index},
                             .lane = handle.index >> ring->lane_shift};
    counter_add(ring->config.counters, COUNTER_SUBMISSIONS, 1);
    return armed;
}

void ring_arm_accept(struct ring *ring, uint32_t lane, int listen_fd, struct handle acceptor) {
    ring_submit_accept(ring, lane, listen_fd, acceptor, NULL, NULL);
    ring->ops[ring->op_count - 1].multishot = true;
}

void ring_submit_accept(struct ring *ring, uint32_t lane, int listen_fd, struct handle acceptor,
                        struct sockaddr *address, socklen_t *address_size) {
    CHECKF(ring->lane_is_open[lane], "lane %u", lane);
    struct sim_op *op = arm(ring, TOKEN_ACCEPT, acceptor);
    op->lane = lane;
    op->listen_fd = listen_fd;
    op->address = address;
    op->address_size = address_size;
}

int ring_adopt(struct ring *ring, uint32_t stream_index, int fd) {
    CHECKF(ring->sockets_of[stream_index] == SLAB_NONE, "descriptor %u is taken", stream_index);
    uint32_t peer = ring_sim_connect(ring, -1);
    ring->sockets[peer]->is_waiting = false;
    ring->waiting_count--;
    ring->sockets[peer]->descriptor_count++;
    ring->sockets_of[stream_index] = peer;
    close(fd);
    return 0;
}

void ring_submit_connect(struct ring *ring, struct handle stream, const struct sockaddr *address,
                         socklen_t address_size) {
    (void)address, (void)address_size;
    arm(ring, TOKEN_CONNECT, stream);
}

// Each operation needs an open descriptor, armed once at most: that is what these check.
static void arm_on_stream(struct ring *ring, enum token_op op, struct handle stream,
                          bool multishot) {
    (void)sim_socket_of(ring, stream.index);
    for (uint32_t i = 0; i < ring->op_count; i++) {
        const struct token *token = &ring->ops[i].token;
        CHECKF(token->index != stream.index || token->op != op, "stream %u: %s armed twice",
               stream.index, token_op_name(op));
    }
    arm(ring, op, stream)->multishot = multishot;
}

void ring_submit_poll_in(struct ring *ring, struct handle stream) {
    arm_on_stream(ring, TOKEN_POLL_IN, stream, false);
}

void ring_submit_poll_out(struct ring *ring, struct handle stream) {
    arm_on_stream(ring, TOKEN_POLL_OUT, stream, false);
}

void ring_submit_recv(struct ring *ring, struct handle stream) {
    arm_on_stream(ring, TOKEN_RECV, stream, false);
}

void ring_arm_recv(struct ring *ring, struct handle stream) {
    arm_on_stream(ring, TOKEN_RECV_MULTI, stream, true);
}

void ring_submit_send(struct ring *ring, struct handle stream, const void *data, size_t size) {
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    ring_submit_sendmsg(ring, stream, &piece, 1);
}

void ring_submit_sendmsg(struct ring *ring, struct handle stream, const struct iovec *pieces,
                         uint32_t piece_count) {
    struct sim_socket *socket = sim_socket_of(ring, stream.index);
    struct token token = {TOKEN_SEND, stream.generation, stream.index};
    uint32_t lane = stream.index >> ring->lane_shift;
    CHECK(piece_count <= RING_IOVECS_MAX);
    counter_add(ring->config.counters, COUNTER_SUBMISSIONS, 1);
    if (socket->peer_reset || socket->our_fin) {
        sim_post(ring, token, lane, socket->peer_reset ? -ECONNRESET : -EPIPE, false);
        return;
    }
    size_t space = socket->out.size < socket->space ? socket->space - socket->out.size : 0;
    if (sim_one_in(ring, ring->knobs.short_send_one_in))
        space = space > 0 ? rng_below(&ring->rng, (uint32_t)space) : 0;
    size_t wanted = 0;
    size_t taken = 0;
    for (uint32_t i = 0; i < piece_count; i++) {
        size_t size = pieces[i].iov_len;
        wanted += size;
        if (size > space - taken)
            size = space - taken;
        sim_bytes_append(&socket->out, pieces[i].iov_base, size);
        taken += size;
    }
    if (taken < wanted || ring->knobs.reports_success)
        sim_post(ring, token, lane, taken == 0 ? -EAGAIN : (int32_t)taken, false);
}

void ring_submit_shutdown(struct ring *ring, struct handle stream, int how) {
    struct sim_socket *socket = sim_socket_of(ring, stream.index);
    socket->our_fin = socket->our_fin || how != SHUT_RD;
    sim_post(ring, (struct token){TOKEN_SHUTDOWN, stream.generation, stream.index},
             stream.index >> ring->lane_shift, socket->peer_reset ? -ENOTCONN : 0, false);
}

void ring_submit_close(struct ring *ring, struct handle stream) {
    struct sim_socket *socket = sim_socket_of(ring, stream.index);
    for (uint32_t i = 0; i < ring->op_count; i++)
        CHECKF(ring->ops[i].token.index != stream.index || ring->ops[i].token.op == TOKEN_ACCEPT,
               "stream %u: closed with %s in flight", stream.index,
               token_op_name(ring->ops[i].token.op));
    CHECK(!socket->is_closed && socket->descriptor_count > 0);
    if (--socket->descriptor_count == 0) { // the last one of all rings
        socket->is_closed = true;
        socket->our_fin = true;
    }
    sim_post(ring, (struct token){TOKEN_CLOSE, stream.generation, stream.index},
             stream.index >> ring->lane_shift, 0, false);
}

static void cancel(struct ring *ring, struct token target, uint32_t lane, enum token_op op) {
    struct token own = {(uint8_t)op, target.generation, target.index};
    for (uint32_t i = 0; i < ring->op_count; i++) {
        struct sim_op armed = ring->ops[i];
        if (token_pack(armed.token) != token_pack(target))
            continue;
        if (armed.multishot && sim_one_in(ring, ring->knobs.cancel_misses_one_in))
            break;
        memmove(&ring->ops[i], &ring->ops[i + 1], (ring->op_count - i - 1) * sizeof(ring->ops[0]));
        ring->op_count--;
        sim_post(ring, target, armed.lane, -ECANCELED, false);
        return;
    }
    sim_post(ring, own, lane, -ENOENT, false);
}

void ring_submit_cancel(struct ring *ring, struct handle stream, enum token_op op) {
    cancel(ring, (struct token){(uint8_t)op, stream.generation, stream.index},
           stream.index >> ring->lane_shift, TOKEN_CANCEL);
}

void ring_submit_cancel_accept(struct ring *ring, uint32_t lane, struct handle acceptor) {
    cancel(ring, (struct token){TOKEN_ACCEPT, acceptor.generation, acceptor.index}, lane,
           TOKEN_CANCEL_ACCEPT);
}

bool ring_can_pass(const struct ring *ring) {
    return !ring->knobs.cannot_pass;
}

struct ring_pass_target ring_pass_target(struct ring *ring, uint32_t lane) {
    CHECKF(ring->lane_is_open[lane], "lane %u", lane);
    return (struct ring_pass_target){.ring = ring, .ring_fd = -1, .lane = lane};
}

// Installs the file there, as the kernel does at any moment. 0 or more, or -errno.
static int32_t pass(struct ring *ring, uint32_t stream, struct ring_pass_target target,
                    struct handle arrival) {
    struct ring *other = target.ring;
    int error = ring->knobs.pass_error;
    ring->knobs.pass_error = 0;
    if (error != 0 && error != EOVERFLOW)
        return -error;
    uint32_t descriptor = sim_free_descriptor(other, target.lane);
    if (descriptor == SLAB_NONE)
        return -ENFILE;
    struct sim_socket *socket = sim_socket_of(ring, stream);
    other->sockets_of[descriptor] = sim_peer_of_socket(other, socket);
    socket->descriptor_count++;
    if (error == EOVERFLOW)
        return -EOVERFLOW;
    sim_post(other, (struct token){TOKEN_ARRIVE, arrival.generation, arrival.index}, target.lane,
             (int32_t)descriptor, false);
    return (int32_t)descriptor;
}

void ring_submit_pass(struct ring *ring, struct handle stream, struct ring_pass_target target,
                      struct handle arrival) {
    CHECK(target.ring && target.ring != ring);
    counter_add(ring->config.counters, COUNTER_SUBMISSIONS, 1);
    sim_post(ring, (struct token){TOKEN_PASS, stream.generation, stream.index},
             stream.index >> ring->lane_shift, pass(ring, stream.index, target, arrival), false);
}

bool ring_sim_is_ready(struct ring *ring) {
    if (ring->is_woken || ring->posted_next < ring->posted_count)
        return true;
    for (uint32_t i = 0; i < ring->op_count; i++)
        if (sim_is_ready(ring, &ring->ops[i]))
            return true;
    return false;
}

bool ring_sim_is_woken(const struct ring *ring) {
    return ring->is_woken;
}

// A target is the ring's address in two halves: nothing but ring_submit_wake looks at it.
struct ring_wake_target ring_wake_target(const struct ring *ring) {
    uintptr_t address = (uintptr_t)ring;
    return (struct ring_wake_target){(int)(uint32_t)address, (int)(uint32_t)(address >> 32)};
}

void ring_submit_wake(struct ring *ring, struct ring_wake_target target) {
    (void)ring;
    uintptr_t address = (uintptr_t)(uint32_t)target.event_fd << 32 | (uint32_t)target.ring_fd;
    ((struct ring *)address)->is_woken = true; // NOLINT
}
