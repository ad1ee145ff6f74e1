// CONNECTING --connected--> UPGRADING --101--> JOINING --phx_reply--> JOINED --delay--> ENDING
//
// Each arrow may be the end instead, as the connection's fate says; on_event, on_input and
// on_time are the only places that move one.
#include "tests/churn/churn_client.h"

#include "sched/base/bytes.h"
#include "sched/base/clock.h"
#include "sched/base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUCK_NS (20 * NS_PER_S)
#define LATER_MS 200
#define PUBLISHES_MAX 5
#define EVENTS_MAX 256
#define INPUT_SIZE 8192
#define RECV_SIZE 4096 // less than INPUT_SIZE, so that nothing is cut off before it was looked at
#define SOURCES 200    // 127.<thread + 10>.0.1 … : ports never run out

enum state {
    STATE_FREE,
    STATE_CONNECTING,
    STATE_UPGRADING,
    STATE_JOINING,
    STATE_JOINED,
    STATE_ENDING, // waits for the other side's end
};

_Static_assert(STATE_ENDING - STATE_CONNECTING == CHURN_WAIT_ENDING, "waits are named by state");

struct conn {
    int fd;
    enum state state;
    enum churn_fate fate;
    uint32_t room;
    uint64_t act_at_ns; // 0: nothing to do by time
    uint64_t stuck_at_ns;
    uint32_t input_size;
    char input[INPUT_SIZE]; // what was received since the last step, its end
};

struct client {
    const struct churn_config *config;
    struct churn_result *result;
    struct rng rng;
    int epoll_fd;
    uint32_t started;
    uint32_t open;
    struct conn *conns;
};

static enum churn_fate choose_fate(struct rng *rng) {
    static const uint32_t shares[CHURN_FATE_COUNT] = {
#define X(name, share, what) share,
        CHURN_FATES(X)
#undef X
    };
    uint32_t at = rng_below(rng, 100);
    for (uint32_t fate = 0; fate < CHURN_FATE_COUNT; fate++) {
        if (at < shares[fate])
            return (enum churn_fate)fate;
        at -= shares[fate];
    }
    return CHURN_TALKING;
}

// --- Ends ---

static void conn_free(struct client *client, struct conn *conn) {
    close(conn->fd);
    conn->state = STATE_FREE;
    client->open--;
}

static void end_reset(struct client *client, struct conn *conn) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    client->result->fates[conn->fate]++;
    conn_free(client, conn);
}

static void end_early(struct client *client, struct conn *conn) {
    client->result->ended_early++;
    conn_free(client, conn);
}

// --- What is sent ---

// The first `size` bytes of what there is to send, all when `size` is larger. What the kernel does
// not take is lost, which is one more way to break off.
static void send_part(struct conn *conn, struct bytes all, size_t size) {
    ssize_t ignored = send(conn->fd, all.data, size < all.size ? size : all.size, MSG_NOSIGNAL);
    (void)ignored;
}

static void send_request(struct client *client, struct conn *conn) {
    char text[512];
    int size =
        snprintf(text, sizeof(text),
                 "GET /socket/websocket?vsn=2.0.0&user=u%u-%u HTTP/1.1\r\n"
                 "Host: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n",
                 client->config->thread, client->started, ntohs(client->config->target.sin_port));
    size_t part =
        conn->fate == CHURN_IN_REQUEST ? rng_below(&client->rng, (uint32_t)size) : SIZE_MAX;
    send_part(conn, bytes_of(text, (size_t)size), part);
}

// RFC 6455 5.2: a final frame with a mask, payload of less than 126 bytes.
static void send_frame(struct client *client, struct conn *conn, uint8_t opcode, const char *text,
                       size_t part) {
    uint8_t space[160];
    struct writer frame = writer_on(space, sizeof(space));
    struct bytes payload = bytes_from_string(text);
    uint64_t random = rng_next(&client->rng);
    const uint8_t *mask = (const uint8_t *)&random;
    writer_put_byte(&frame, (uint8_t)(0x80 | opcode));
    writer_put_byte(&frame, (uint8_t)(0x80 | payload.size));
    writer_put(&frame, bytes_of(mask, 4));
    for (size_t i = 0; i < payload.size; i++)
        writer_put_byte(&frame, payload.data[i] ^ mask[i % 4]);
    if (payload.size >= 126 || frame.overflow)
        client->result->trouble = "a frame of this test is too large";
    send_part(conn, writer_bytes(&frame), part);
}

static void send_event(struct client *client, struct conn *conn, const char *event, const char *ref,
                       size_t part) {
    char text[120];
    snprintf(text, sizeof(text), "[\"1\",\"%s\",\"room:churn-%u\",\"%s\",{}]", ref, conn->room,
             event);
    send_frame(client, conn, 0x1, text, part);
}

static void publish_some(struct client *client, struct conn *conn) {
    for (uint32_t left = 1 + rng_below(&client->rng, PUBLISHES_MAX); left > 0; left--) {
        send_event(client, conn, "shout", "9", SIZE_MAX);
        client->result->published++;
    }
}

// --- Steps ---

static void start(struct client *client, struct conn *conn) {
    const struct churn_config *config = client->config;
    uint32_t source = (127u << 24) + ((config->thread + 10) << 16) + 1 + client->started % SOURCES;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    int on = 1, small = 4096;
    *conn = (struct conn){.fate = choose_fate(&client->rng),
                          .state = STATE_CONNECTING,
                          .room = rng_below(&client->rng, config->rooms),
                          .stuck_at_ns = clock_monotonic_ns() + STUCK_NS};
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        client->result->trouble = "no descriptor left for the test";
        conn->state = STATE_FREE;
        client->started = config->connections;
        return;
    }
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    setsockopt(conn->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
    if (conn->fate == CHURN_DEAF)
        setsockopt(conn->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client->started++;
    client->open++;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u32 = (uint32_t)(conn - client->conns)};
    if (bind(conn->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        client->result->trouble = "bind or epoll failed";
    if (connect(conn->fd, (const struct sockaddr *)&config->target, sizeof(config->target)) != 0 &&
        errno != EINPROGRESS)
        end_early(client, conn);
}

static void on_connected(struct client *client, struct conn *conn) {
    if (conn->fate == CHURN_CONNECTED) {
        end_reset(client, conn);
        return;
    }
    send_request(client, conn);
    conn->state = STATE_UPGRADING;
    if (conn->fate == CHURN_IN_REQUEST)
        end_reset(client, conn);
}

static void on_upgraded(struct client *client, struct conn *conn) {
    if (strncmp(conn->input, "HTTP/1.1 101 ", 13) != 0) {
        client->result->refused++;
        conn_free(client, conn);
        return;
    }
    if (conn->fate == CHURN_UPGRADED) {
        end_reset(client, conn);
        return;
    }
    bool in_frame = conn->fate == CHURN_IN_FRAME;
    send_event(client, conn, "phx_join", "1",
               in_frame ? 1 + rng_below(&client->rng, 40) : SIZE_MAX);
    conn->state = STATE_JOINING;
    conn->input_size = 0;
    if (in_frame || conn->fate == CHURN_JOINING)
        end_reset(client, conn);
}

static void on_joined(struct client *client, struct conn *conn) {
    conn->state = STATE_JOINED;
    conn->input_size = 0;
    if (conn->fate == CHURN_JOINED) {
        end_reset(client, conn);
        return;
    }
    publish_some(client, conn);
    if (conn->fate == CHURN_TALKING) {
        end_reset(client, conn);
        return;
    }
    conn->act_at_ns = clock_monotonic_ns() + rng_below(&client->rng, LATER_MS) * NS_PER_MS;
}

// The planned moment has come.
static void on_time(struct client *client, struct conn *conn) {
    conn->act_at_ns = 0;
    switch (conn->fate) {
    case CHURN_HALF_CLOSED:
        shutdown(conn->fd, SHUT_WR);
        conn->state = STATE_ENDING;
        return;
    case CHURN_LEFT:
        send_event(client, conn, "phx_leave", "2", SIZE_MAX);
        send_frame(client, conn, 0x8, "\x03\xe9", SIZE_MAX); // 1001: going away
        conn->state = STATE_ENDING;
        return;
    case CHURN_DROPPED:
        client->result->fates[conn->fate]++;
        conn_free(client, conn);
        return;
    case CHURN_CONNECTED:
    case CHURN_IN_REQUEST:
    case CHURN_UPGRADED:
    case CHURN_IN_FRAME:
    case CHURN_JOINING:
    case CHURN_JOINED:
    case CHURN_TALKING:
    case CHURN_LATER:
    case CHURN_DEAF:
    case CHURN_FATE_COUNT:
        end_reset(client, conn);
        return;
    }
}

// Keeps the last bytes, with an end for strstr.
static void take_input(struct conn *conn, const char *data, size_t size) {
    size_t room = INPUT_SIZE - 1;
    if (size > room) {
        data += size - room;
        size = room;
    }
    if (conn->input_size + size > room) {
        size_t keep = room - size;
        memmove(conn->input, conn->input + conn->input_size - keep, keep);
        conn->input_size = (uint32_t)keep;
    }
    memcpy(conn->input + conn->input_size, data, size);
    conn->input_size += (uint32_t)size;
    conn->input[conn->input_size] = '\0';
    for (uint32_t i = 0; i < conn->input_size; i++)
        if (conn->input[i] == '\0')
            conn->input[i] = ' ';
}

static void on_input(struct client *client, struct conn *conn) {
    if (conn->state == STATE_UPGRADING && strstr(conn->input, "\r\n\r\n"))
        on_upgraded(client, conn);
    else if (conn->state == STATE_JOINING && strstr(conn->input, "\"phx_reply\""))
        on_joined(client, conn);
}

static void on_end_of_input(struct client *client, struct conn *conn) {
    if (conn->state != STATE_ENDING) {
        end_early(client, conn);
        return;
    }
    client->result->fates[conn->fate]++;
    conn_free(client, conn);
}

static void read_all(struct client *client, struct conn *conn) {
    char data[RECV_SIZE];
    while (conn->state != STATE_FREE &&
           !(conn->fate == CHURN_DEAF && conn->state == STATE_JOINED)) {
        ssize_t size = recv(conn->fd, data, sizeof(data), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size <= 0) {
            on_end_of_input(client, conn);
            return;
        }
        client->result->bytes_received += (uint64_t)size;
        take_input(conn, data, (size_t)size);
        on_input(client, conn);
    }
}

static void on_event(struct client *client, struct conn *conn, uint32_t events) {
    if (conn->state == STATE_CONNECTING && (events & EPOLLOUT) && !(events & EPOLLERR))
        on_connected(client, conn);
    if (conn->state != STATE_FREE)
        read_all(client, conn);
}

static void look_at_clock(struct client *client) {
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < client->config->concurrent; i++) {
        struct conn *conn = &client->conns[i];
        if (conn->state == STATE_FREE && client->started < client->config->connections)
            start(client, conn);
        else if (conn->state != STATE_FREE && conn->act_at_ns != 0 && now_ns >= conn->act_at_ns)
            on_time(client, conn);
        else if (conn->state != STATE_FREE && now_ns >= conn->stuck_at_ns) {
            client->result->stuck[conn->state - STATE_CONNECTING]++;
            end_reset(client, conn);
        }
    }
}

void churn_client_run(const struct churn_config *config, struct churn_result *result) {
    struct client client = {.config = config,
                            .result = result,
                            .rng = {config->seed + config->thread},
                            .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                            .conns = calloc(config->concurrent, sizeof(struct conn))};
    if (client.epoll_fd < 0 || !client.conns) {
        result->trouble = "no memory or descriptor for the test";
        return;
    }
    while (client.started < config->connections || client.open > 0) {
        struct epoll_event events[EVENTS_MAX];
        look_at_clock(&client);
        int count = epoll_wait(client.epoll_fd, events, EVENTS_MAX, 2);
        for (int i = 0; i < count; i++)
            on_event(&client, &client.conns[events[i].data.u32], events[i].events);
    }
    free(client.conns);
    close(client.epoll_fd);
}
