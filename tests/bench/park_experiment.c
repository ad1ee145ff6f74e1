// The experiment behind parked and hot streams (docs/DECISIONS.md): parked (poll) → hot (multishot
// receive) → parked on direct descriptors, under load. Does anything get lost, and what does the
// switch cost? Run by `make park-experiment`; about twenty seconds, two CPUs, loopback.
//
//   part 1, loss: clients send numbered bytes as fast as they can, while every stream is parked and
//                 made hot again all the time (a second passes every few turns)
//   part 2, cost: one 64 B message to each of 1,000 streams, by three ways of receiving it,
//                 interleaved; CPU of the receiving thread per message
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "io/listener.h"
#include "sched/base/clock.h"
#include "tests/unit/io/stream_rig.h"

#define STREAMS 1000
#define MESSAGE_BYTES 64
#define ROUNDS 15
#define PASSES 21
#define LOSS_STREAMS 64
#define LOSS_SECONDS 5

struct client {
    pthread_t thread;
    uint16_t port;
    uint32_t stream_count;
    bool floods;
    int fds[STREAMS];
    uint64_t sent[STREAMS];
    _Atomic uint32_t rounds_wanted;
    _Atomic uint32_t rounds_done;
    _Atomic bool stop;
};

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void connect_all(struct client *client) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(client->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    for (uint32_t i = 0; i < client->stream_count; i++) {
        client->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(client->fds[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        CHECK(connect(client->fds[i], (struct sockaddr *)&address, sizeof(address)) == 0);
    }
}

#define PATTERN_PERIOD 251

// Byte k of a stream is k mod 251: a lost, doubled or swapped byte shows.
static void flood(struct client *client, uint32_t i) {
    uint8_t pattern[PATTERN_PERIOD * 4];
    for (uint32_t k = 0; k < sizeof(pattern); k++)
        pattern[k] = (uint8_t)(k % PATTERN_PERIOD);
    uint64_t at = client->sent[i] % PATTERN_PERIOD;
    ssize_t size = send(client->fds[i], pattern + at, 300 + i * 7, MSG_DONTWAIT);
    client->sent[i] += size > 0 ? (uint64_t)size : 0;
}

static void *client_run(void *argument) {
    struct client *client = argument;
    static uint8_t message[MESSAGE_BYTES];
    pin(1);
    connect_all(client);
    while (!client->stop) {
        if (client->floods) {
            for (uint32_t i = 0; i < client->stream_count; i++)
                flood(client, i);
            usleep(50);
        } else if (client->rounds_done < client->rounds_wanted) {
            for (uint32_t i = 0; i < client->stream_count; i++)
                CHECK(send(client->fds[i], message, sizeof(message), 0) == sizeof(message));
            client->rounds_done++;
        }
    }
    return NULL;
}

static struct client *client_new(int listen_fd, uint32_t stream_count, bool floods) {
    struct client *client = calloc(1, sizeof(*client));
    CHECK(client);
    client->port = listener_port(listen_fd);
    client->stream_count = stream_count;
    client->floods = floods;
    CHECK(pthread_create(&client->thread, NULL, client_run, client) == 0);
    return client;
}

static void client_stop(struct client *client) {
    client->stop = true;
    pthread_join(client->thread, NULL);
}

static void client_free(struct client *client) {
    for (uint32_t i = 0; i < client->stream_count; i++)
        close(client->fds[i]);
    free(client);
}

static int listen_here(void) {
    struct listener_config config = {.address_size = sizeof(struct sockaddr_in)};
    struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
    address->sin_family = AF_INET;
    address->sin_port = htons(18220);
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = listener_open(&config);
    CHECKF(fd >= 0, "port 18220: errno %d", -fd);
    return fd;
}

// --- part 1: loss --------------------------------------------------------------------------------

static struct rig_order {
    uint64_t next[RIG_PEERS_MAX];
    uint64_t wrong;
} order;

static void check_bytes(const struct ring_completion *completion, const struct rig *rig) {
    const struct stream *stream = slab_at(&rig->streams.slots, completion->index);
    for (int32_t i = 0; i < completion->result; i++)
        order.wrong += completion->data[i] != (order.next[stream->owner]++ % PATTERN_PERIOD);
}

static void loss_turn(struct rig *rig, uint64_t wait_ns) {
    struct ring_completion completion;
    stream_flush_dirty(&rig->streams);
    ring_enter(rig->ring, wait_ns);
    while (ring_next(rig->ring, &completion)) {
        if ((completion.op == TOKEN_RECV || completion.op == TOKEN_RECV_MULTI) &&
            completion.result > 0)
            check_bytes(&completion, rig);
        stream_on_completion(&rig->streams, &completion);
    }
    stream_settle(&rig->streams);
}

static bool measure_loss(void) {
    int listen_fd = listen_here();
    struct ring_config ring = {.lane_count = 1, .descriptors_per_lane = 1024};
    struct rig *rig = rig_new(&ring, &(struct stream_config){.park_after_s = 1});
    struct accept_config accept_config = {.listen_fd = listen_fd};
    CHECK(accept_open(&rig->streams, &accept_config) >= 0);
    struct client *client = client_new(listen_fd, LOSS_STREAMS, true);
    uint64_t end_ns = clock_monotonic_ns() + LOSS_SECONDS * NS_PER_S;
    for (uint64_t turn = 0; clock_monotonic_ns() < end_ns; turn++) {
        loss_turn(rig, NS_PER_MS);
        // Two seconds at a blow: whoever is hot is cancelled, also with bytes on their way.
        if (turn % 8 == 0)
            rig_tick(rig, turn % 16 == 0 ? 2 : 1);
    }
    client_stop(client);
    for (uint32_t turn = 0; turn < 500; turn++)
        loss_turn(rig, NS_PER_MS);
    uint64_t sent = 0, received = 0;
    for (uint32_t i = 0; i < LOSS_STREAMS; i++) {
        sent += client->sent[i];
        received += rig->peers[i].bytes;
    }
    printf("loss: %u streams, %llu B sent, %llu B received, %llu wrong bytes, %llu parks, %llu "
           "switches to hot\n",
           LOSS_STREAMS, (unsigned long long)sent, (unsigned long long)received,
           (unsigned long long)order.wrong,
           (unsigned long long)counter_read(&rig->counters, COUNTER_PARKS),
           (unsigned long long)counter_read(&rig->counters, COUNTER_HOTS));
    client_free(client);
    rig_free(rig, NS_PER_MS);
    close(listen_fd);
    return sent == received && order.wrong == 0;
}

// --- part 2: cost --------------------------------------------------------------------------------

enum way { WAY_HOT, WAY_PARKED, WAY_SWITCH, WAY_COUNT };
static const char *const way_names[WAY_COUNT] = {
    "hot: multishot receive, armed once", "parked: poll, one receive, poll",
    "switch: poll, one receive, multishot armed, cancelled, poll"};

struct cost {
    struct ring *ring;
    struct handle streams[STREAMS];
    uint32_t received; // messages of this round
    uint32_t settled;  // streams that are back in their waiting state
};

// One step of a stream after a completion; the three ways share what they have in common.
static void step(struct cost *cost, enum way way, const struct ring_completion *completion) {
    struct handle stream = {completion->index, completion->generation};
    switch (completion->op) {
    case TOKEN_POLL_IN:
        ring_submit_recv(cost->ring, stream);
        return;
    case TOKEN_RECV:
        cost->received++;
        if (way == WAY_SWITCH) {
            ring_arm_recv(cost->ring, stream);
            ring_submit_cancel(cost->ring, stream, TOKEN_RECV_MULTI);
        } else {
            ring_submit_poll_in(cost->ring, stream);
            cost->settled++;
        }
        return;
    case TOKEN_RECV_MULTI:
        if (completion->result > 0) {
            cost->received++;
            cost->settled++;
        } else if (completion->result == -ECANCELED) {
            ring_submit_poll_in(cost->ring, stream);
            cost->settled++;
        }
        return;
    default:
        return;
    }
}

static uint64_t thread_cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void turn_until_settled(struct cost *cost, enum way way, uint32_t wanted) {
    struct ring_completion completion;
    while (cost->settled < wanted) {
        ring_enter(cost->ring, 100 * NS_PER_MS);
        while (ring_next(cost->ring, &completion)) {
            step(cost, way, &completion);
            ring_release_buffer(cost->ring, &completion);
        }
    }
    ring_enter(cost->ring, 0);
}

static void arm_all(struct cost *cost, enum way way) {
    for (uint32_t i = 0; i < STREAMS; i++) {
        if (way == WAY_HOT)
            ring_arm_recv(cost->ring, cost->streams[i]);
        else
            ring_submit_poll_in(cost->ring, cost->streams[i]);
    }
    ring_enter(cost->ring, 0);
}

static void disarm_all(struct cost *cost, enum way way) {
    struct ring_completion completion;
    for (uint32_t i = 0; i < STREAMS; i++)
        ring_submit_cancel(cost->ring, cost->streams[i],
                           way == WAY_HOT ? TOKEN_RECV_MULTI : TOKEN_POLL_IN);
    for (uint32_t ended = 0; ended < STREAMS;) {
        ring_enter(cost->ring, NS_PER_MS);
        while (ring_next(cost->ring, &completion)) {
            ended += completion.result == -ECANCELED ? 1 : 0;
            ring_release_buffer(cost->ring, &completion);
        }
    }
}

// CPU of this thread per message, in ns.
static double measure_way(struct cost *cost, struct client *client, enum way way) {
    uint64_t cpu_ns = 0;
    arm_all(cost, way);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        client->rounds_wanted++;
        while (client->rounds_done < client->rounds_wanted)
            usleep(100);
        cost->received = cost->settled = 0;
        uint64_t before = thread_cpu_ns();
        turn_until_settled(cost, way, STREAMS);
        cpu_ns += thread_cpu_ns() - before;
        CHECKF(cost->received == STREAMS, "%u of %u messages", cost->received, STREAMS);
    }
    disarm_all(cost, way);
    return (double)cpu_ns / ROUNDS / STREAMS;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure_cost(void) {
    static struct counters counters;
    static struct memory_ledger ledger;
    struct ring_config config = {
        .lane_count = 1, .descriptors_per_lane = 2048, .counters = &counters};
    config.first.buffer_count = 1024;
    config.first.buffer_bytes = 256;
    struct cost cost = {0};
    CHECK(ring_open(&config, &ledger, &cost.ring) == 0);
    int listen_fd = listen_here();
    ring_arm_accept(cost.ring, 0, listen_fd, (struct handle){0, 0});
    struct client *client = client_new(listen_fd, STREAMS, false);
    struct ring_completion completion;
    for (uint32_t count = 0; count < STREAMS;) {
        ring_enter(cost.ring, NS_PER_S);
        while (ring_next(cost.ring, &completion)) {
            CHECK(completion.op == TOKEN_ACCEPT && completion.result >= 0);
            cost.streams[count++] = (struct handle){(uint32_t)completion.result, 1};
        }
    }
    double costs[WAY_COUNT][PASSES];
    for (uint32_t pass = 0; pass < PASSES; pass++) {
        for (int way = 0; way < WAY_COUNT; way++)
            costs[way][pass] = measure_way(&cost, client, (enum way)way);
    }
    for (int way = 0; way < WAY_COUNT; way++) {
        qsort(costs[way], PASSES, sizeof(double), compare);
        printf("cost: %6.0f ns a message (%.0f-%.0f)  %s\n", costs[way][PASSES / 2], costs[way][0],
               costs[way][PASSES - 1], way_names[way]);
    }
    client_stop(client);
    client_free(client);
    ring_close(cost.ring);
    memory_release_all(&ledger);
    close(listen_fd);
}

int main(void) {
    pin(0);
    bool is_whole = measure_loss();
    measure_cost();
    return is_whole ? 0 : 1;
}
