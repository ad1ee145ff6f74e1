// A floor is a measuring stick: a server that carries the same traffic as Fairlead with no protocol
// behind it, as cheaply as one thread can. This part is what both floors share: a table of
// connections, rooms as arrays of connections, the WebSocket upgrade, and frames built once.
//
// What a floor does: it answers the HTTP upgrade, a join and a heartbeat, so that `fairlead load`
// can drive it; afterwards a push is unmasked, rebuilt once as the broadcast
// `[null,null,topic,event,payload,N]` and sent to every connection of the room, one send per
// message and connection, and `ping` is answered to its sender. Over MQTT, which a first byte 0x10
// chooses, a PUBLISH of QoS 0 goes to the topic's subscribers byte for byte, one of QoS 1 gets its
// PUBACK (floor_mqtt.c). What it leaves out: every check,
// JSON, UTF-8, queues, budgets, timers, presence, order across cores, leaving a room other than by
// closing. A peer that does not read loses messages, counted (`sends_dropped`).
//
// Single thread. Two bodies define what is declared last: floor_uring.c and floor_epoll.c.
#ifndef FAIRLEAD_TESTS_BENCH_FLOOR_H
#define FAIRLEAD_TESTS_BENCH_FLOOR_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    FLOOR_ROOMS_MAX = 65536,          // a power of two: the table is probed by mask
    FLOOR_NAME_SIZE_MAX = 160,        // a topic, `room:` included
    FLOOR_FRAME_SIZE_MAX = 64 * 1024, // a message from a client
    FLOOR_ARENA_SIZE = 4 * 1024 * 1024,
    FLOOR_NO_ROOM = 0xffffffff,
};

struct floor_room {
    char name[FLOOR_NAME_SIZE_MAX];
    uint32_t name_size; // 0: the entry is free
    uint32_t member_count;
    uint32_t member_max;
    uint32_t *members; // slots of connections
    uint64_t seq;
};

struct floor_conn {
    bool is_upgraded; // to a WebSocket
    bool is_mqtt;     // its first byte was a CONNECT's
    bool is_mqtt_5;
    uint32_t room;     // index, or FLOOR_NO_ROOM
    uint32_t position; // in the room's members
    uint32_t partial_size;
    uint8_t *partial; // bytes of an unfinished request or frame, FLOOR_FRAME_SIZE_MAX, or NULL
};

struct floor_counters {
    uint64_t accepts;
    uint64_t joins;
    uint64_t publishes;
    uint64_t deliveries; // broadcast sends asked of the kernel, the dropped ones included
    uint64_t echoes;
    uint64_t enters;        // system calls of the loop: io_uring_enter, or epoll_wait + recv + send
    uint64_t sends_dropped; // the kernel took nothing: EAGAIN, a peer that does not read
    uint64_t sends_gone;    // the connection had ended
    uint64_t sends_cut;     // the kernel took a part; the connection is shut down
};

struct floor {
    const char *host;
    uint16_t port;
    int cpu; // -1: not pinned
    int listen_fd;
    uint32_t conn_max;
    struct floor_conn *conns; // by slot: a descriptor, or an index of the table of direct ones
    struct floor_room *rooms;
    uint8_t *arena; // frames on their way to the kernel, until floor_flush
    size_t arena_used;
    struct floor_counters counters;
};

// True from SIGTERM or SIGINT on.
extern volatile sig_atomic_t floor_stop;

// Reads the options (--listen HOST:PORT --cpu N), pins, raises the limit of descriptors, listens.
// Prints a sentence and exits with 2 (usage) or 1 when it cannot.
void floor_open(struct floor *floor, int argc, char **argv);

// One line of JSON with the counters and getrusage on stdout.
void floor_report(const struct floor *floor, const char *body);

// Gives the memory back.
void floor_close(struct floor *floor);

// A new connection in this slot.
void floor_on_open(struct floor *floor, uint32_t slot);

// Bytes came. False: the peer closed or sent what the floor does not speak; the body closes.
bool floor_on_bytes(struct floor *floor, uint32_t slot, uint8_t *data, size_t size);

// The connection is gone: out of its room.
void floor_on_close(struct floor *floor, uint32_t slot);

// Into the room of this name, out of another: a connection is in one at most. False: no memory, or
// the table is full.
bool floor_room_join(struct floor *floor, uint32_t slot, const char *name, size_t size);

// NULL when nobody ever joined it.
const struct floor_room *floor_room_lookup(const struct floor *floor, const char *name,
                                           size_t size);

// Takes one MQTT packet from the front: its size, 0 when it is not whole yet, -1 to close.
ssize_t floor_mqtt_take(struct floor *floor, uint32_t slot, const uint8_t *data, size_t size);

// --- defined by the body ---

// Sends these bytes of the arena, or queues the send; `data` stays as it is until floor_flush.
void floor_send(struct floor *floor, uint32_t slot, const uint8_t *data, size_t size);

// After this the kernel needs nothing of the arena any more.
void floor_flush(struct floor *floor);

#endif
