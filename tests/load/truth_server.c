// The truth server: main. Sockets, what is held back for --delay-ms, the stall, the last word.
//
//     accept → read → (what it --speaks) → truth_rooms → truth_say → held for the delay → written
//
// SIGTERM ends it with one line of JSON on stdout: every count, and what it was told. Before that
// stdout says one word, "listening", once it does.
#include "tests/load/truth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENT_COUNT = 256, READ_SIZE = 65536 };

#define TICK_NS (100 * TRUTH_NS_PER_MS)

struct truth_parcel {
    struct truth_parcel *next;
    uint64_t due_ns;
    uint32_t fd;
    uint32_t generation;
    size_t size; // 0: end the connection
    uint8_t bytes[];
};

static volatile sig_atomic_t is_over;

static void on_signal(int number) {
    (void)number;
    is_over = 1;
}

static void die(const char *what) {
    fprintf(stderr, "truth_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t truth_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TRUTH_NS_PER_S + (uint64_t)now.tv_nsec;
}

// --- connections ---------------------------------------------------------------------------------

static void watch(struct truth *truth, uint32_t fd, int operation) {
    const struct truth_conn *conn = &truth->conns[fd];
    struct epoll_event event = {.events = EPOLLIN | (conn->waits_to_write ? EPOLLOUT : 0u),
                                .data.fd = (int)fd};
    epoll_ctl(truth->epoll_fd, operation, (int)fd, &event);
}

static void close_conn(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    truth_rooms_leave(truth, fd);
    truth_mqtt_on_closed(truth, fd);
    truth_buffer_fini(&conn->held);
    truth_buffer_fini(&conn->in);
    truth_buffer_fini(&conn->out);
    truth->held_count -= conn->held_for > 0;
    conn->held_for = 0;
    conn->is_open = false;
    conn->generation++;
    close((int)fd);
}

void truth_reset(struct truth *truth, uint32_t fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    truth->conns[fd].is_ending = true;
    close_conn(truth, fd);
}

static void say_hello(struct truth *truth, uint32_t fd) {
    static const char banner[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
    if (truth->options.speaks == TRUTH_SSH)
        truth_say(truth, fd, (const uint8_t *)banner, sizeof(banner) - 1);
}

static void accept_all(struct truth *truth) {
    for (;;) {
        int fd = accept4(truth->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if ((uint32_t)fd >= truth->conn_max)
            die("too many connections");
        uint32_t generation = truth->conns[fd].generation;
        truth->conns[fd] = (struct truth_conn){.is_open = true,
                                               .generation = generation,
                                               .room = TRUTH_NO_ROOM,
                                               .user = TRUTH_USERS_MAX};
        truth->counts.accepts++;
        watch(truth, (uint32_t)fd, EPOLL_CTL_ADD);
        say_hello(truth, (uint32_t)fd);
    }
}

// --- out -----------------------------------------------------------------------------------------

// Writes what the kernel takes; the rest waits. A connection that broke ends by its next event.
static void write_out(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    while (conn->out.size > 0) {
        ssize_t sent = send((int)fd, conn->out.data, conn->out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            conn->out.size = 0;
        if (sent <= 0)
            break;
        truth->counts.bytes_out += (uint64_t)sent;
        conn->queued_bytes -= (uint64_t)sent;
        truth_buffer_skip(&conn->out, (size_t)sent);
    }
    bool waits = conn->out.size > 0;
    if (waits != conn->waits_to_write) {
        conn->waits_to_write = waits;
        watch(truth, fd, EPOLL_CTL_MOD);
    }
    if (!waits && conn->gap_from > 0)
        truth_rooms_on_drained(truth, fd);
    if (!waits && conn->is_ending)
        shutdown((int)fd, SHUT_WR);
}

// One write for all that was said to a connection within a turn: behind, it catches up.
static void write_dirty(struct truth *truth) {
    for (uint32_t i = 0; i < truth->dirty_count; i++) {
        struct truth_conn *conn = &truth->conns[truth->dirty[i]];
        conn->is_dirty = false;
        if (conn->is_open)
            write_out(truth, truth->dirty[i]);
    }
    truth->dirty_count = 0;
}

static void put_out(struct truth *truth, uint32_t fd, const uint8_t *data, size_t size) {
    struct truth_conn *conn = &truth->conns[fd];
    if (size == 0)
        conn->is_ending = true;
    truth_buffer_append(&conn->out, data, size);
    if (conn->is_dirty)
        return;
    if (truth->dirty_count == truth->conn_max)
        write_dirty(truth);
    conn->is_dirty = true;
    truth->dirty[truth->dirty_count++] = fd;
}

void truth_say(struct truth *truth, uint32_t fd, const uint8_t *data, size_t size) {
    struct truth_conn *conn = &truth->conns[fd];
    conn->queued_bytes += size;
    if (truth->options.delay_ms <= 0) {
        put_out(truth, fd, data, size);
        return;
    }
    struct truth_parcel *parcel = malloc(sizeof(*parcel) + size);
    if (parcel == NULL)
        die("memory");
    *parcel = (struct truth_parcel){.due_ns = truth_now_ns() +
                                              (uint64_t)(truth->options.delay_ms * TRUTH_NS_PER_MS),
                                    .fd = fd,
                                    .generation = conn->generation,
                                    .size = size};
    if (size > 0)
        memcpy(parcel->bytes, data, size);
    if (truth->last)
        truth->last->next = parcel;
    else
        truth->first = parcel;
    truth->last = parcel;
}

static void say_due(struct truth *truth, uint64_t now_ns) {
    while (truth->first && truth->first->due_ns <= now_ns) {
        struct truth_parcel *parcel = truth->first;
        const struct truth_conn *conn = &truth->conns[parcel->fd];
        truth->first = parcel->next;
        if (truth->first == NULL)
            truth->last = NULL;
        if (conn->is_open && conn->generation == parcel->generation)
            put_out(truth, parcel->fd, parcel->bytes, parcel->size);
        free(parcel);
    }
}

// The end comes after what was said before it, the delay included.
static void say_end(struct truth *truth, uint32_t fd) {
    truth_say(truth, fd, NULL, 0);
}

// --- in ------------------------------------------------------------------------------------------

// The answer of what is no server for the tool. True when `speaks` is such.
static bool answer_strangely(struct truth *truth, uint32_t fd) {
    static const char page[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n"
        "Connection: close\r\n\r\n<h1>It works!</h1>\r\n";
    static const char bad_key[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    static const char half[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso";
    static const char garbage[] = "\x01\x02\xff\xfe what is this?\r\n\r\n";
    static const char alert[] = "\x15\x03\x01\x00\x02\x02\x0a"; // unexpected_message
    static const struct {
        enum truth_speaks speaks;
        bool ends;
        const char *text;
        size_t size;
    } answers[] = {
        {TRUTH_HTTP_200, true, page, sizeof(page) - 1},
        {TRUTH_BAD_KEY, false, bad_key, sizeof(bad_key) - 1},
        {TRUTH_HALF, true, half, sizeof(half) - 1},
        {TRUTH_GARBAGE, false, garbage, sizeof(garbage) - 1},
        {TRUTH_TLS, true, alert, sizeof(alert) - 1},
        {TRUTH_SSH, false, NULL, 0},
        {TRUTH_CLOSE, true, NULL, 0},
        {TRUTH_SILENCE, false, NULL, 0},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (answers[i].speaks != truth->options.speaks)
            continue;
        truth->conns[fd].in.size = 0;
        if (answers[i].size > 0)
            truth_say(truth, fd, (const uint8_t *)answers[i].text, answers[i].size);
        if (answers[i].ends)
            say_end(truth, fd);
        return true;
    }
    return false;
}

// Takes one request, frame or message from the front: bytes, 0 when it is not whole, -1 to end.
static long take_one(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    struct truth_buffer *in = &conn->in;
    if (truth->options.speaks == TRUTH_TCP_ECHO) {
        size_t size = truth->options.message_bytes;
        conn->is_echo = true;
        if (in->size < size)
            return 0;
        return truth_rooms_take(truth, fd, (const char *)in->data, size) ? (long)size : -1;
    }
    if (truth->options.speaks == TRUTH_MQTT)
        return truth_mqtt_take(truth, fd, in->data, in->size);
    if (!conn->is_upgraded) {
        const char *end = memmem(in->data, in->size, "\r\n\r\n", 4);
        if (end == NULL)
            return 0;
        size_t size = (size_t)(end + 4 - (const char *)in->data);
        return truth_rooms_upgrade(truth, fd, (const char *)in->data, size) ? (long)size : -1;
    }
    struct truth_frame frame;
    long taken = truth_wire_take(in->data, in->size, &frame);
    if (taken <= 0)
        return taken;
    if (frame.opcode == 8)
        return -1;
    if (frame.opcode == 9 && truth->options.speaks != TRUTH_DEAF) {
        truth->counts.heartbeats++;
        struct truth_buffer pong = {0};
        truth_wire_frame(&pong, 10, frame.payload, frame.payload_size);
        if (!truth->options.ignores_heartbeats)
            truth_say(truth, fd, pong.data, pong.size);
        truth_buffer_fini(&pong);
    }
    if (frame.opcode != 1 && frame.opcode != 2)
        return taken;
    return truth_rooms_take(truth, fd, (const char *)frame.payload, frame.payload_size) ? taken
                                                                                        : -1;
}

static void on_readable(struct truth *truth, uint32_t fd) {
    static uint8_t bytes[READ_SIZE];
    struct truth_conn *conn = &truth->conns[fd];
    uint32_t generation = conn->generation;
    ssize_t size = recv((int)fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        close_conn(truth, fd);
        return;
    }
    truth->counts.bytes_in += (uint64_t)size;
    if (conn->is_ending)
        return;
    truth_buffer_append(&conn->in, bytes, (size_t)size);
    if (answer_strangely(truth, fd))
        return;
    long taken = 1;
    while (taken > 0 && conn->in.size > 0) {
        taken = take_one(truth, fd);
        if (!conn->is_open || conn->generation != generation)
            return; // it was reset
        if (taken > 0)
            truth_buffer_skip(&conn->in, (size_t)taken);
    }
    if (taken < 0) {
        conn->in.size = 0;
        say_end(truth, fd);
    }
}

// --- what happens by the clock -------------------------------------------------------------------

static void close_everybody(struct truth *truth) {
    uint8_t code[2] = {(uint8_t)(truth->options.close_code >> 8),
                       (uint8_t)truth->options.close_code};
    struct truth_buffer frame = {0};
    truth_wire_frame(&frame, 8, code, sizeof(code));
    for (uint32_t fd = 0; fd < truth->conn_max; fd++)
        if (truth->conns[fd].is_open && truth->conns[fd].is_upgraded) {
            truth_rooms_leave(truth, fd);
            truth->counts.closed++;
            if (truth->options.speaks != TRUTH_MQTT)
                truth_say(truth, fd, frame.data, frame.size);
            say_end(truth, fd);
        }
    truth_buffer_fini(&frame);
}

// Reads nothing and writes nothing, as a process that is stopped.
static void stall(struct truth *truth) {
    uint64_t until_ns = truth_now_ns() + (uint64_t)(truth->options.stall_ms * TRUTH_NS_PER_MS);
    truth->counts.stalls++;
    while (!is_over && truth_now_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = TRUTH_NS_PER_MS}, NULL);
}

// True when the clock was held up on purpose.
static bool on_clock(struct truth *truth, uint64_t now_ns) {
    const struct truth_options *o = &truth->options;
    truth_rooms_release_old(truth, now_ns);
    if (truth->begin_ns == 0)
        return false;
    double since_s = (double)(now_ns - truth->begin_ns) / TRUTH_NS_PER_S;
    if (o->close_at_s > 0 && truth->counts.closed == 0 && since_s >= o->close_at_s)
        close_everybody(truth);
    if (o->stall_ms > 0 && truth->counts.stalls == 0 && since_s >= o->stall_at_s) {
        stall(truth);
        return true;
    }
    return false;
}

// When epoll is to return at the latest.
static uint64_t next_ns(const struct truth *truth, uint64_t now_ns) {
    const struct truth_options *o = &truth->options;
    uint64_t next = now_ns + TICK_NS;
    uint64_t moments[] = {
        truth->first ? truth->first->due_ns : next,
        o->stall_ms > 0 && truth->counts.stalls == 0 && truth->begin_ns > 0
            ? truth->begin_ns + (uint64_t)(o->stall_at_s * TRUTH_NS_PER_S)
            : next,
        o->close_at_s > 0 && truth->counts.closed == 0 && truth->begin_ns > 0
            ? truth->begin_ns + (uint64_t)(o->close_at_s * TRUTH_NS_PER_S)
            : next,
    };
    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++)
        next = moments[i] < next ? moments[i] : next;
    return next > now_ns ? next : now_ns;
}

static int wait_until(struct truth *truth, struct epoll_event *events, uint64_t until_ns,
                      uint64_t now_ns) {
    uint64_t ns = until_ns - now_ns;
    struct timespec timeout = {.tv_sec = (time_t)(ns / TRUTH_NS_PER_S),
                               .tv_nsec = (long)(ns % TRUTH_NS_PER_S)};
    return epoll_pwait2(truth->epoll_fd, events, EVENT_COUNT, &timeout, NULL);
}

static void serve(struct truth *truth) {
    static struct epoll_event events[EVENT_COUNT];
    uint64_t now_ns = truth_now_ns();
    while (!is_over) {
        uint64_t until_ns = next_ns(truth, now_ns);
        int count = wait_until(truth, events, until_ns, now_ns);
        now_ns = truth_now_ns();
        if (now_ns > until_ns && now_ns - until_ns > truth->counts.late_max_ns)
            truth->counts.late_max_ns = now_ns - until_ns;
        // The stall comes before what it is to hold up.
        if (on_clock(truth, now_ns))
            now_ns = truth_now_ns();
        say_due(truth, now_ns);
        for (int i = 0; i < count; i++) {
            uint32_t fd = (uint32_t)events[i].data.fd;
            if ((int)fd == truth->listen_fd)
                accept_all(truth);
            else if (truth->conns[fd].is_open && (events[i].events & EPOLLOUT))
                write_out(truth, fd);
            if ((int)fd != truth->listen_fd && truth->conns[fd].is_open &&
                (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
                on_readable(truth, fd);
        }
        write_dirty(truth);
    }
}

// --- begin and end -------------------------------------------------------------------------------

static void open_listener(struct truth *truth) {
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(truth->options.port)};
    truth->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, truth->options.host, &address.sin_addr) != 1)
        die("not an IPv4 address");
    setsockopt(truth->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(truth->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    int buffer_bytes = (int)truth->options.send_buffer_bytes;
    if (buffer_bytes > 0)
        setsockopt(truth->listen_fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    if (bind(truth->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("bind");
    if (listen(truth->listen_fd, 4096) < 0)
        die("listen");
}

static void open_truth(struct truth *truth) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    truth->conn_max = limit.rlim_max > 65536 ? 65536 : (uint32_t)limit.rlim_max;
    truth->random = truth->options.seed;
    truth->conns = calloc(truth->conn_max, sizeof(*truth->conns));
    truth->rooms = calloc(TRUTH_ROOMS_MAX, sizeof(*truth->rooms));
    truth->dirty = calloc(truth->conn_max, sizeof(*truth->dirty));
    truth->users = calloc(TRUTH_USERS_MAX, sizeof(*truth->users));
    truth->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!truth->conns || !truth->dirty || !truth->rooms || !truth->users || truth->epoll_fd < 0)
        die("start");
    struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART: the wait must return
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1);
    open_listener(truth);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = truth->listen_fd};
    epoll_ctl(truth->epoll_fd, EPOLL_CTL_ADD, truth->listen_fd, &event);
}

static void report(const struct truth *truth) {
    const char *comma = "";
    putchar('{');
#define X(name)                                                                                    \
    printf("%s\"" #name "\":%llu", comma, (unsigned long long)truth->counts.name);                 \
    comma = ",";
    TRUTH_COUNTS(X)
#undef X
    puts("}");
    fflush(stdout);
}

static void close_truth(struct truth *truth) {
    for (uint32_t fd = 0; fd < truth->conn_max; fd++)
        if (truth->conns[fd].is_open)
            truth_reset(truth, fd);
    for (uint32_t i = 0; i < TRUTH_ROOMS_MAX; i++)
        free(truth->rooms[i].members);
    while (truth->first) {
        struct truth_parcel *parcel = truth->first;
        truth->first = parcel->next;
        free(parcel);
    }
    free(truth->conns);
    free(truth->dirty);
    free(truth->rooms);
    free(truth->users);
}

int main(int argc, char **argv) {
    static struct truth truth;
    truth_options_parse(&truth.options, argc, argv);
    open_truth(&truth);
    puts("listening");
    fflush(stdout);
    serve(&truth);
    truth_rooms_finish(&truth);
    report(&truth);
    close_truth(&truth);
    return 0;
}
