// A small program over streams, for the tests of both rings: it records what the upcalls say, can
// echo, and turns as a worker does. Included by exactly one .c per test program.
#ifndef FAIRLEAD_TESTS_STREAM_RIG_H
#define FAIRLEAD_TESTS_STREAM_RIG_H

#include <stdlib.h>
#include <string.h>

#include "io/accept.h"
#include "io/connect.h"
#include "io/stream.h"

#define RIG_PEERS_MAX 16384

// What the upcalls told about one stream; the owner number is its place.
struct rig_peer {
    struct handle stream;
    bool is_open;
    bool over_limit;
    uint32_t ends;
    enum stream_end end;
    uint32_t writables;
    uint64_t bytes;
    uint8_t last[64]; // the first bytes of the latest data
    size_t last_size;
    struct sockaddr_storage address;
    enum stream_opened_by by;
    uint64_t tag;         // STREAM_ARRIVED
    uint32_t move_readys; // stream_port_move_ready
    uint32_t passes;      // stream_port_move_passed, and its latest error
    int pass_error;
    uint64_t heard; // checks_in: bytes that came, over all rings that it was on
};

// Byte `at` of a stream of bytes in which a lost, doubled or misplaced one shows.
static inline uint8_t rig_byte(uint64_t at) {
    return (uint8_t)(at * 37 + (at >> 8) * 11 + (at >> 16));
}

struct rig {
    struct memory_ledger ledger;
    struct counters counters;
    struct ring *ring;
    struct blocks blocks;
    struct streams streams;
    struct rig_peer peers[RIG_PEERS_MAX];
    uint32_t peer_count;
    uint32_t open_count;
    uint32_t connect_failures;
    int connect_error;
    bool echo;
    bool close_on_data; // FLUSH after each data
    bool pause_on_data;
    uint32_t drop_count;
    bool checks_in; // what comes are the bytes of rig_byte
    uint32_t gap_count;
    uint64_t gap_from, gap_to;
    uint32_t gap_room;
    bool gap_left_out;
    uint32_t now_s;
};

static inline struct rig *rig_new(const struct ring_config *ring,
                                  const struct stream_config *config) {
    struct rig *rig = calloc(1, sizeof(*rig));
    struct ring_config ring_config = *ring;
    ring_config.counters = &rig->counters;
    rig->now_s = 1000;
    CHECK(ring_open(&ring_config, &rig->ledger, &rig->ring) == 0);
    CHECK(blocks_init(&rig->blocks, &rig->ledger, 256u << 20) == 0);
    CHECK(streams_init(&rig->streams, &rig->ledger, rig->ring, &rig->blocks, &rig->counters, config,
                       rig) == 0);
    stream_tick(&rig->streams, rig->now_s);
    return rig;
}

static inline void rig_turn(struct rig *rig, uint64_t wait_ns) {
    struct ring_completion completion;
    stream_flush_dirty(&rig->streams);
    ring_enter(rig->ring, wait_ns);
    while (ring_next(rig->ring, &completion))
        stream_on_completion(&rig->streams, &completion);
    stream_settle(&rig->streams);
    streams_validate(&rig->streams);
}

static inline void rig_turns(struct rig *rig, uint32_t count, uint64_t wait_ns) {
    while (count-- > 0)
        rig_turn(rig, wait_ns);
}

static inline void rig_tick(struct rig *rig, uint32_t seconds) {
    rig->now_s += seconds;
    stream_tick(&rig->streams, rig->now_s);
}

// Closes everything as a clean exit does; every slab must be empty then.
static inline void rig_free(struct rig *rig, uint64_t wait_ns) {
    accept_close_all(&rig->streams);
    streams_close_all(&rig->streams, STREAM_CLOSE_ABORT);
    for (uint32_t turn = 0; turn < 2000; turn++) {
        if (streams_used_count(&rig->streams) == 0 && accept_is_quiet(&rig->streams))
            break;
        rig_turn(rig, wait_ns);
        streams_close_all(&rig->streams, STREAM_CLOSE_ABORT);
    }
    CHECK(accept_is_quiet(&rig->streams));
    streams_fini(&rig->streams);
    blocks_check_empty(&rig->blocks);
    CHECK(counter_read(&rig->counters, COUNTER_PENDING) == 0);
    ring_close(rig->ring);
    memory_release_all(&rig->ledger);
    free(rig);
}

static inline uint32_t rig_parcel(struct rig *rig, enum parcel_class class, const void *data,
                                  size_t size) {
    uint32_t id = parcel_acquire(&rig->blocks, size, class);
    CHECK(id != BLOCK_NONE);
    if (data)
        memcpy(parcel_at(&rig->blocks, id)->data, data, size);
    else
        memset(parcel_at(&rig->blocks, id)->data, 'x', size);
    return id;
}

// Pushes one parcel and lets go of it.
static inline enum stream_push_result rig_push(struct rig *rig, struct handle stream,
                                               enum parcel_class class, const void *data,
                                               size_t size) {
    uint32_t id = rig_parcel(rig, class, data, size);
    enum stream_push_result result = stream_push(&rig->streams, stream, id);
    parcel_unref(&rig->blocks, id);
    return result;
}

// A room message `sequence` of `size` bytes whose bytes are all its sequence number.
static inline enum stream_push_result rig_push_room(struct rig *rig, struct handle stream,
                                                    uint32_t room, uint64_t sequence, size_t size,
                                                    bool close_when_over) {
    uint32_t id = rig_parcel(rig, PARCEL_ROOM, NULL, size);
    struct parcel *parcel = parcel_at(&rig->blocks, id);
    memset(parcel->data, (int)sequence, size);
    parcel->room = room;
    parcel->message_count = 1;
    parcel->sequence_from = sequence;
    parcel->close_when_over = close_when_over;
    counter_add(&rig->counters, COUNTER_DUE, 1);
    enum stream_push_result result = stream_push(&rig->streams, stream, id);
    parcel_unref(&rig->blocks, id);
    return result;
}

// The audit of docs/PROTOCOL.md.
static inline bool rig_audit_holds(const struct rig *rig) {
    const struct counters *c = &rig->counters;
    return counter_read(c, COUNTER_DUE) + counter_read(c, COUNTER_MOVED_IN) ==
           counter_read(c, COUNTER_MOVED_OUT) + counter_read(c, COUNTER_DELIVERED) +
               counter_read(c, COUNTER_DROPPED_SLOW) + counter_read(c, COUNTER_DROPPED_CLOSED) +
               counter_read(c, COUNTER_DROPPED_MEMORY) + counter_read(c, COUNTER_PENDING);
}

void stream_port_open(void *port, uint32_t index, const struct stream_opening *opening) {
    struct rig *rig = port;
    uint32_t owner = rig->peer_count++;
    CHECK(owner < RIG_PEERS_MAX);
    struct rig_peer *peer = &rig->peers[owner];
    *peer = (struct rig_peer){.stream = stream_handle(&rig->streams, index),
                              .is_open = true,
                              .by = opening->by,
                              .tag = opening->tag,
                              .over_limit = opening->by == STREAM_ACCEPTED_OVER_LIMIT};
    if (opening->peer)
        memcpy(&peer->address, opening->peer, sizeof(peer->address));
    stream_set_owner(&rig->streams, index, owner);
    rig->open_count++;
}

void stream_port_data(void *port, uint32_t index, uint32_t owner, uint8_t *data, size_t size) {
    struct rig *rig = port;
    struct rig_peer *peer = &rig->peers[owner];
    CHECK(peer->is_open && peer->stream.index == index);
    peer->bytes += size;
    peer->last_size = size < sizeof(peer->last) ? size : sizeof(peer->last);
    memcpy(peer->last, data, peer->last_size);
    for (size_t i = 0; rig->checks_in && i < size; i++)
        CHECKF(data[i] == rig_byte(peer->heard + i), "byte %zu", (size_t)peer->heard + i);
    peer->heard += size;
    if (rig->echo)
        (void)rig_push(rig, peer->stream, PARCEL_CONTROL, data, size);
    if (rig->pause_on_data)
        stream_pause_reading(&rig->streams, index);
    if (rig->close_on_data)
        stream_close(&rig->streams, peer->stream, STREAM_CLOSE_FLUSH);
}

void stream_port_writable(void *port, uint32_t index, uint32_t owner) {
    struct rig *rig = port;
    CHECK(rig->peers[owner].stream.index == index);
    rig->peers[owner].writables++;
}

void stream_port_end(void *port, uint32_t index, uint32_t owner, enum stream_end reason) {
    struct rig *rig = port;
    struct rig_peer *peer = &rig->peers[owner];
    CHECK(peer->is_open && peer->stream.index == index);
    peer->is_open = false;
    peer->ends++;
    peer->end = reason;
    rig->open_count--;
}

void stream_port_drops(void *port, uint32_t owner, uint32_t room) {
    struct rig *rig = port;
    rig->drop_count++;
    rig->gap_room = room;
}

// One byte 'G' stands for the event.
uint32_t stream_port_gap(void *port, uint32_t owner, uint32_t room, uint64_t from, uint64_t to) {
    struct rig *rig = port;
    rig->gap_count++;
    rig->gap_room = room;
    rig->gap_from = from;
    rig->gap_to = to;
    return rig->gap_left_out ? BLOCK_NONE : rig_parcel(rig, PARCEL_CONTROL, "G", 1);
}

void stream_port_move_ready(void *port, uint32_t index, uint32_t owner) {
    struct rig *rig = port;
    CHECK(rig->peers[owner].is_open && rig->peers[owner].stream.index == index);
    rig->peers[owner].move_readys++;
}

void stream_port_move_passed(void *port, uint32_t index, uint32_t owner, int error) {
    struct rig *rig = port;
    CHECK(rig->peers[owner].is_open && rig->peers[owner].stream.index == index);
    rig->peers[owner].passes++;
    rig->peers[owner].pass_error = error;
}

void stream_port_connect_failed(void *port, uint32_t owner, int error) {
    struct rig *rig = port;
    rig->connect_failures++;
    rig->connect_error = error;
}

#endif
