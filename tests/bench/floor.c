// The part that both floors share: see floor.h for what a floor is and is not.
#include "tests/bench/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

volatile sig_atomic_t floor_stop;

static void floor_die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void floor_on_signal(int number) {
    (void)number;
    floor_stop = 1;
    alarm(1); // once more: this one may have come between the loop's look and its wait
}

// --- options and the listening socket ---

static void floor_options_read(struct floor *floor, int argc, char **argv) {
    floor->host = "127.0.0.1";
    floor->port = 18400;
    floor->cpu = -1;
    for (int i = 1; i < argc; i += 2) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *colon = value ? strrchr(value, ':') : NULL;
        if (strcmp(argv[i], "--listen") == 0 && colon) {
            *colon = 0;
            floor->host = value;
            floor->port = (uint16_t)strtoul(colon + 1, NULL, 10);
        } else if (strcmp(argv[i], "--cpu") == 0 && value) {
            floor->cpu = (int)strtol(value, NULL, 10);
        } else {
            fprintf(stderr, "usage: %s [--listen HOST:PORT] [--cpu N]\n", argv[0]);
            exit(2);
        }
    }
}

static int floor_listen(const char *host, uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "floor: not an IPv4 address: %s\n", host);
        exit(2);
    }
    // What is set on the listener is inherited by what it accepts.
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    // The ring of a floor that just ended may hold the port for some milliseconds.
    for (int tries = 0; bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0; tries++) {
        if (errno != EADDRINUSE || tries == 100)
            floor_die("bind");
        usleep(20000);
    }
    if (listen(fd, 65535) < 0)
        floor_die("listen");
    return fd;
}

void floor_open(struct floor *floor, int argc, char **argv) {
    memset(floor, 0, sizeof(*floor));
    floor_options_read(floor, argc, argv);
    if (floor->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)floor->cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
            floor_die("pin");
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    floor->conn_max = limit.rlim_max > 1048576 ? 1048576 : (uint32_t)limit.rlim_max;
    floor->conns = calloc(floor->conn_max, sizeof(struct floor_conn));
    floor->rooms = calloc(FLOOR_ROOMS_MAX, sizeof(struct floor_room));
    floor->arena = malloc(FLOOR_ARENA_SIZE);
    if (!floor->conns || !floor->rooms || !floor->arena)
        floor_die("memory");
    // No SA_RESTART: a wait must return.
    struct sigaction action = {.sa_handler = floor_on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    floor->listen_fd = floor_listen(floor->host, floor->port);
}

void floor_report(const struct floor *floor, const char *body) {
    const struct floor_counters *c = &floor->counters;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    long long user_us = usage.ru_utime.tv_sec * 1000000LL + usage.ru_utime.tv_usec;
    long long system_us = usage.ru_stime.tv_sec * 1000000LL + usage.ru_stime.tv_usec;
    printf(
        "{\"body\":\"%s\",\"accepts\":%lu,\"joins\":%lu,\"publishes\":%lu,\"deliveries\":%lu,"
        "\"echoes\":%lu,\"enters\":%lu,\"sends_dropped\":%lu,\"sends_gone\":%lu,\"sends_cut\":%lu,"
        "\"user_us\":%lld,\"system_us\":%lld}\n",
        body, c->accepts, c->joins, c->publishes, c->deliveries, c->echoes, c->enters,
        c->sends_dropped, c->sends_gone, c->sends_cut, user_us, system_us);
    fflush(stdout);
}

void floor_close(struct floor *floor) {
    for (uint32_t i = 0; i < FLOOR_ROOMS_MAX; i++)
        free(floor->rooms[i].members);
    for (uint32_t i = 0; i < floor->conn_max; i++)
        free(floor->conns[i].partial);
    free(floor->rooms);
    free(floor->conns);
    free(floor->arena);
}

// --- rooms ---

// Its entry, or the free one where it belongs; FLOOR_NO_ROOM when the table is full.
static uint32_t floor_room_find(const struct floor *floor, const char *name, size_t name_size) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name_size; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    for (uint32_t probe = 0; probe < FLOOR_ROOMS_MAX; probe++) {
        uint32_t index = (hash + probe) & (FLOOR_ROOMS_MAX - 1);
        const struct floor_room *room = &floor->rooms[index];
        if (room->name_size == 0 ||
            (room->name_size == name_size && memcmp(room->name, name, name_size) == 0))
            return index;
    }
    return FLOOR_NO_ROOM;
}

const struct floor_room *floor_room_lookup(const struct floor *floor, const char *name,
                                           size_t size) {
    uint32_t index = floor_room_find(floor, name, size);
    bool is_there = index != FLOOR_NO_ROOM && floor->rooms[index].name_size > 0;
    return is_there ? &floor->rooms[index] : NULL;
}

static uint32_t floor_room_acquire(struct floor *floor, const char *name, size_t name_size) {
    uint32_t index = floor_room_find(floor, name, name_size);
    if (index != FLOOR_NO_ROOM && floor->rooms[index].name_size == 0) {
        memcpy(floor->rooms[index].name, name, name_size);
        floor->rooms[index].name_size = (uint32_t)name_size;
    }
    return index;
}

static void floor_room_leave(struct floor *floor, uint32_t slot) {
    struct floor_conn *conn = &floor->conns[slot];
    if (conn->room == FLOOR_NO_ROOM)
        return;
    struct floor_room *room = &floor->rooms[conn->room];
    uint32_t last = room->members[--room->member_count];
    room->members[conn->position] = last;
    floor->conns[last].position = conn->position;
    conn->room = FLOOR_NO_ROOM;
}

bool floor_room_join(struct floor *floor, uint32_t slot, const char *name, size_t size) {
    floor_room_leave(floor, slot);
    uint32_t index = floor_room_acquire(floor, name, size);
    if (index == FLOOR_NO_ROOM)
        return false;
    struct floor_room *room = &floor->rooms[index];
    if (room->member_count == room->member_max) {
        uint32_t member_max = room->member_max ? room->member_max * 2 : 64;
        uint32_t *members = realloc(room->members, member_max * sizeof(*members));
        if (!members)
            return false;
        room->members = members;
        room->member_max = member_max;
    }
    floor->conns[slot].room = index;
    floor->conns[slot].position = room->member_count;
    room->members[room->member_count++] = slot;
    floor->counters.joins++;
    return true;
}

// --- frames out ---

// Space for a frame in the arena; the caller says with floor_frame_end how much it filled.
// RFC 6455 5.2: the payload starts behind the longest header, the header is put in front of it.
static char *floor_frame_begin(struct floor *floor, size_t payload_size_max) {
    if (floor->arena_used + payload_size_max + 16 > FLOOR_ARENA_SIZE) {
        floor_flush(floor);
        floor->arena_used = 0;
    }
    return (char *)floor->arena + floor->arena_used + 10;
}

static const uint8_t *floor_frame_end(struct floor *floor, uint8_t opcode, size_t payload_size,
                                      size_t *frame_size) {
    uint8_t *payload = floor->arena + floor->arena_used + 10;
    uint8_t *start = payload;
    if (payload_size < 126) {
        *--start = (uint8_t)payload_size;
    } else if (payload_size < 65536) {
        *--start = (uint8_t)payload_size;
        *--start = (uint8_t)(payload_size >> 8);
        *--start = 126;
    } else {
        for (int shift = 0; shift < 64; shift += 8)
            *--start = (uint8_t)(payload_size >> shift);
        *--start = 127;
    }
    *--start = 0x80 | opcode;
    *frame_size = (size_t)(payload - start) + payload_size;
    floor->arena_used += (10 + payload_size + 15) & ~(size_t)15;
    return start;
}

// --- one message of a client: the five elements by quotes and commas alone ---

struct floor_push {
    const char *at[4]; // join_ref, ref, topic, event, quotes included (or null)
    size_t size[4];
    const char *payload;
    size_t payload_size;
};

static bool floor_push_scan(const char *text, size_t size, struct floor_push *push) {
    const char *end = text + size;
    const char *cursor = text + 1; // behind the bracket
    for (int i = 0; i < 4; i++) {
        push->at[i] = cursor;
        if (cursor < end && *cursor == '"') {
            cursor = memchr(cursor + 1, '"', (size_t)(end - cursor - 1));
            if (!cursor)
                return false;
            cursor++;
        } else {
            cursor += 4;
        }
        if (cursor >= end)
            return false;
        push->size[i] = (size_t)(cursor - push->at[i]);
        cursor++; // the comma
    }
    push->payload = cursor;
    push->payload_size = (size_t)(end - cursor) - 1; // the closing bracket
    return cursor < end && push->size[2] - 2 < FLOOR_NAME_SIZE_MAX;
}

static char *floor_put(char *out, const char *bytes, size_t size) {
    memcpy(out, bytes, size);
    return out + size;
}

#define FLOOR_PUT(out, literal) floor_put(out, literal, sizeof(literal) - 1)

// Decimal, without printf: it runs once per message.
static char *floor_put_number(char *out, uint64_t value) {
    char digits[20];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

static void floor_reply(struct floor *floor, uint32_t slot, const struct floor_push *push,
                        const char *response, size_t response_size) {
    char *start = floor_frame_begin(floor, 512 + response_size);
    char *out = FLOOR_PUT(start, "[");
    for (int i = 0; i < 3; i++) {
        out = floor_put(out, push->at[i], push->size[i]);
        out = FLOOR_PUT(out, ",");
    }
    out = FLOOR_PUT(out, "\"phx_reply\",{\"status\":\"ok\",\"response\":");
    out = floor_put(out, response, response_size);
    out = FLOOR_PUT(out, "}]");
    size_t size;
    const uint8_t *frame = floor_frame_end(floor, 1, (size_t)(out - start), &size);
    floor_send(floor, slot, frame, size);
}

static void floor_publish(struct floor *floor, uint32_t slot, const struct floor_push *push) {
    if (floor->conns[slot].room == FLOOR_NO_ROOM)
        return;
    struct floor_room *room = &floor->rooms[floor->conns[slot].room];
    room->seq++;
    char response[40];
    char *response_end = FLOOR_PUT(response, "{\"seq\":");
    response_end = floor_put_number(response_end, room->seq);
    response_end = FLOOR_PUT(response_end, "}");
    floor_reply(floor, slot, push, response, (size_t)(response_end - response));

    char *start = floor_frame_begin(floor, push->payload_size + 512);
    char *out = FLOOR_PUT(start, "[null,null,");
    out = floor_put(out, push->at[2], push->size[2]);
    out = FLOOR_PUT(out, ",");
    out = floor_put(out, push->at[3], push->size[3]);
    out = FLOOR_PUT(out, ",");
    out = floor_put(out, push->payload, push->payload_size);
    out = FLOOR_PUT(out, ",");
    out = floor_put_number(out, room->seq);
    out = FLOOR_PUT(out, "]");
    size_t size;
    const uint8_t *frame = floor_frame_end(floor, 1, (size_t)(out - start), &size);
    for (uint32_t i = 0; i < room->member_count; i++)
        floor_send(floor, room->members[i], frame, size);
    floor->counters.publishes++;
    floor->counters.deliveries += room->member_count;
}

static bool floor_event_is(const struct floor_push *push, const char *name, size_t size) {
    return push->size[3] == size + 2 && memcmp(push->at[3] + 1, name, size) == 0;
}

static bool floor_on_text(struct floor *floor, uint32_t slot, const char *text, size_t size) {
    struct floor_push push;
    if (!floor_push_scan(text, size, &push))
        return false;
    if (floor_event_is(&push, "ping", 4)) {
        floor_reply(floor, slot, &push, push.payload, push.payload_size);
        floor->counters.echoes++;
    } else if (floor_event_is(&push, "phx_join", 8)) {
        if (!floor_room_join(floor, slot, push.at[2] + 1, push.size[2] - 2))
            return false;
        char response[64];
        int response_size = snprintf(response, sizeof(response), "{\"epoch\":\"0\",\"seq\":%lu}",
                                     floor->rooms[floor->conns[slot].room].seq);
        floor_reply(floor, slot, &push, response, (size_t)response_size);
    } else if (floor_event_is(&push, "heartbeat", 9) || floor_event_is(&push, "phx_leave", 9)) {
        floor_reply(floor, slot, &push, "{}", 2);
    } else {
        floor_publish(floor, slot, &push);
    }
    return true;
}

// --- bytes in ---

// RFC 6455 4.2.2: the accept value is base64(SHA-1(key + GUID)).
static bool floor_on_upgrade(struct floor *floor, uint32_t slot, const char *head, size_t size) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const char *line = memmem(head, size, "\r\nSec-WebSocket-Key:", 20);
    if (!line)
        line = memmem(head, size, "\r\nsec-websocket-key:", 20);
    if (!line)
        return false;
    line += 20;
    line += *line == ' ';
    char source[24 + sizeof(guid)];
    if (line + 24 > head + size)
        return false;
    memcpy(source, line, 24);
    memcpy(source + 24, guid, sizeof(guid));
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA1((const uint8_t *)source, 24 + sizeof(guid) - 1, digest);
    char *start = floor_frame_begin(floor, 256);
    char *out = FLOOR_PUT(start, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    out += EVP_EncodeBlock((uint8_t *)out, digest, sizeof(digest));
    out = FLOOR_PUT(out, "\r\n\r\n");
    floor->arena_used += 256 + 16;
    floor_send(floor, slot, (const uint8_t *)start, (size_t)(out - start));
    floor->conns[slot].is_upgraded = true;
    return true;
}

// Takes one request or frame from the front: its size, 0 when it is not whole yet, -1 to close.
static ssize_t floor_take(struct floor *floor, uint32_t slot, uint8_t *data, size_t size) {
    struct floor_conn *conn = &floor->conns[slot];
    if (!conn->is_upgraded && data[0] == 0x10)
        conn->is_mqtt = true;
    if (conn->is_mqtt)
        return floor_mqtt_take(floor, slot, data, size);
    if (!conn->is_upgraded) {
        const char *end = memmem(data, size, "\r\n\r\n", 4);
        if (!end)
            return 0;
        size_t head_size = (size_t)(end - (const char *)data) + 4;
        return floor_on_upgrade(floor, slot, (const char *)data, head_size) ? (ssize_t)head_size
                                                                            : -1;
    }
    if (size < 6)
        return 0;
    size_t payload_size = data[1] & 0x7f, header_size = 6;
    if (payload_size == 126) {
        payload_size = (size_t)data[2] << 8 | data[3];
        header_size = 8;
    }
    if (payload_size == 127 || header_size + payload_size > FLOOR_FRAME_SIZE_MAX)
        return -1;
    if (size < header_size + payload_size)
        return 0;
    uint8_t *payload = data + header_size;
    const uint8_t *mask = payload - 4;
    for (size_t i = 0; i < payload_size; i++)
        payload[i] ^= mask[i & 3];
    uint8_t opcode = data[0] & 0x0f;
    if (opcode == 1 && !floor_on_text(floor, slot, (const char *)payload, payload_size))
        return -1;
    if (opcode == 8)
        return -1;
    if (opcode == 9) {
        size_t frame_size;
        memcpy(floor_frame_begin(floor, payload_size), payload, payload_size);
        const uint8_t *frame = floor_frame_end(floor, 10, payload_size, &frame_size);
        floor_send(floor, slot, frame, frame_size);
    }
    return (ssize_t)(header_size + payload_size);
}

void floor_on_open(struct floor *floor, uint32_t slot) {
    floor->conns[slot] = (struct floor_conn){.room = FLOOR_NO_ROOM};
    floor->counters.accepts++;
}

bool floor_on_bytes(struct floor *floor, uint32_t slot, uint8_t *data, size_t size) {
    struct floor_conn *conn = &floor->conns[slot];
    uint8_t *partial = conn->partial;
    if (partial) {
        if (conn->partial_size + size > 2 * FLOOR_FRAME_SIZE_MAX)
            return false;
        memcpy(partial + conn->partial_size, data, size);
        data = partial;
        size += conn->partial_size;
    }
    while (size > 0) {
        ssize_t taken = floor_take(floor, slot, data, size);
        if (taken < 0)
            return false;
        if (taken == 0)
            break;
        data += taken;
        size -= (size_t)taken;
    }
    if (size > 0 && !partial)
        conn->partial = partial = malloc(2 * FLOOR_FRAME_SIZE_MAX);
    if (size > 0) {
        if (!partial || size > FLOOR_FRAME_SIZE_MAX)
            return false;
        memmove(partial, data, size);
    } else if (partial) {
        free(partial);
        conn->partial = NULL;
    }
    conn->partial_size = (uint32_t)size;
    return true;
}

void floor_on_close(struct floor *floor, uint32_t slot) {
    floor_room_leave(floor, slot);
    free(floor->conns[slot].partial);
    floor->conns[slot].partial = NULL;
}
