// The streams' own state: open to the stream modules and to the two inline functions below; others
// go through io/stream.h, which includes this.
#ifndef FAIRLEAD_IO_STREAM_STATE_H
#define FAIRLEAD_IO_STREAM_STATE_H

#include "io/stream.h"

struct accepting; // io/accept.c

// The life of a stream; transitions and who performs them: tables in io/stream.c, stream_move.c.
enum stream_state {
    STREAM_FREE,
    STREAM_CONNECTING, // connect submitted
    STREAM_OPEN,
    STREAM_FLUSHING,  // closing: the queue is being sent
    STREAM_LINGERING, // closing: shutdown(WR) submitted, reads until the peer's FIN
    STREAM_QUIESCING, // nothing new is armed; waits for the operations in flight
    STREAM_CLOSING,   // close submitted
    // On the move (io/stream_move.h):
    STREAM_HALTING,  // what is armed is being cancelled
    STREAM_HALTED,   // nothing is armed or in flight
    STREAM_PASSING,  // the pass is in flight
    STREAM_PASSED,   // the other ring has the file too
    STREAM_EXPORTED, // the queue has left
    STREAM_WAITING,  // passed here, waits for its import
    STREAM_STATE_COUNT
};

// What is armed to receive.
enum stream_recv {
    STREAM_RECV_NONE,
    STREAM_RECV_PARKED,  // poll
    STREAM_RECV_ONCE,    // one receive
    STREAM_RECV_HOT,     // multishot
    STREAM_RECV_PARKING, // multishot or poll being cancelled
    STREAM_RECV_STARVED, // in the list of those that wait for buffers or for the next turn
    STREAM_RECV_COUNT
};

// A bit is set exactly when …
enum stream_flag {
    STREAM_LISTED = 1 << 0,      // … `head` and `tail` are nodes; else `head` is the only parcel
    STREAM_DIRTY = 1 << 1,       // … the index is in `dirty`
    STREAM_SUBMITTED = 1 << 2,   // … it is in `submitted` and no completion came for that send
    STREAM_BLOCKED = 1 << 3,     // … a poll for space is in flight
    STREAM_PAUSED = 1 << 4,      // … the owner does not want to read
    STREAM_OVER_HALF = 1 << 5,   // … control bytes passed half; stream_port_writable is owed
    STREAM_FAIR = 1 << 6,        // … it flooded: one buffer a turn until the socket is empty
    STREAM_PEER_ENDED = 1 << 7,  // … FIN, RST or an error was seen: nothing more is read
    STREAM_IN_HOT = 1 << 8,      // … it is in `hot`
    STREAM_SHARED = 1 << 9,      // … another ring may have the file: a close alone is not the end
    STREAM_SINGLY = 1 << 10,     // … the owner asked for stream_read_singly
    STREAM_IN_HALTING = 1 << 11, // … it is in `halting`
};

struct stream {
    uint32_t slab_word;
    uint32_t owner;
    uint32_t head; // parcel, or node with STREAM_LISTED; BLOCK_NONE: nothing queued
    uint32_t tail; // node with STREAM_LISTED
    uint32_t head_sent_bytes;
    uint32_t room_bytes;
    uint32_t control_bytes;
    uint32_t state : 4;     // enum stream_state
    uint32_t recv : 3;      // enum stream_recv
    uint32_t is_sealed : 1; // a node of the queue may be marked by stream_seal
    uint32_t in_flight : 4; // operations submitted and not completed, sends excluded
    uint32_t flags : 12;    // enum stream_flag
    uint32_t second : 8; // of the last bytes (open), or the deadline (flushing, lingering), mod 256
};

_Static_assert(sizeof(struct stream) == 32, "two to a cache line");

_Static_assert(STREAM_RECV_COUNT <= 8, "three bits");

#define NODE_SEALED SLAB_NONE // this parcel, and all before it, stay (stream_seal)

// A place in an out-queue.
struct stream_node {
    uint32_t slab_word;
    uint32_t next;   // node, or SLAB_NONE
    uint32_t parcel; // BLOCK_NONE: a gap
    uint32_t gap;    // when it is one; else NODE_SEALED, or 0
};

struct stream_gap {
    uint32_t slab_word;
    uint32_t room;
    uint64_t from;
    uint64_t to;
    uint64_t reserved;
};

// A stream that another ring was told it may pass here.
struct stream_expected {
    uint32_t slab_word;
    uint32_t lane;
    uint64_t tag;
};

_Static_assert(sizeof(struct stream_node) == 16, "budget of stream.h");
_Static_assert(sizeof(struct stream_gap) == 32, "budget of stream.h");

struct stream_submitted {
    uint32_t index;
    uint32_t bytes;
};

// Indices, appended; address space for every stream, committed on touch.
struct stream_list {
    struct handle *items;
    uint32_t first; // taken off the front so far (the starved ones)
    uint32_t count; // with those
    uint32_t capacity;
};

#define PARK_DONE UINT32_MAX

struct streams {
    struct slab slots; // struct stream
    struct slab nodes;
    struct slab gaps;
    struct ring *ring;
    struct blocks *blocks;
    struct counters *counters;
    void *port;
    struct stream_config config;
    uint32_t *dirty; // indices with STREAM_DIRTY, and stale ones
    uint32_t dirty_capacity;
    uint32_t dirty_count;
    uint32_t submitted_count;
    bool is_awaiting_settle; // something waits for a submitted send (stream_send.c: is_awaited)
    struct stream_submitted *submitted; // sends of the last flush
    struct stream_list hot;             // to look at for parking
    struct stream_list lingering;       // flushing and lingering
    struct stream_list *starved;        // per lane: receives to arm at the next flush, in order
    bool is_starved;                    // one of them has entries
    uint32_t park_cursor;               // in `hot`, of this second's look; PARK_DONE: none
    uint32_t *lane_used;                // streams per lane
    uint32_t *lane_expected;            // descriptors promised to arrivals, per lane
    struct slab expected;               // struct stream_expected
    struct stream_list halting;         // to look at by stream_move_settle
    struct accepting *accepting;
    uint32_t now_s;
    uint32_t burst_index; // who the last bytes of this turn were for, and how many in a row
    uint32_t burst_bytes;
};

_Static_assert(STREAM_STATE_COUNT <= 16, "4 bits");

// Begun to move, and not beyond return: pushes queue up, nothing is read or sent.
static inline bool stream_is_held(const struct stream *stream) {
    return (stream->state >= STREAM_HALTING && stream->state <= STREAM_PASSED) ||
           stream->state == STREAM_WAITING;
}

static inline struct handle stream_handle(const struct streams *streams, uint32_t index) {
    return slab_handle(&streams->slots, index);
}

// Receives still wait for buffers: the next flush arms more. Or quiet ones are being looked for. Or
// something waits for a send to be
// settled. (The receives that are armed, and the send, may stay silent, so that nothing else would
// begin a turn.)
static inline bool streams_wants_turn(const struct streams *streams) {
    return streams->is_starved || streams->is_awaiting_settle || streams->park_cursor != PARK_DONE;
}

static inline void stream_prefetch(const struct streams *streams, uint32_t index) {
    __builtin_prefetch(slab_at(&streams->slots, index), 1);
}

#endif
