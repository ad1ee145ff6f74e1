// Stream: a connection's bytes. Parked (a poll) or hot (a multishot receive), an out-queue of
// parcels with two budgets, one send per turn, teardown in named steps. One `struct streams` per
// scheduler; a stream is named by {index, generation}, the index is its direct descriptor.
//
// A turn of the owner, in this order:
//     ring_enter; while (ring_next) stream_on_completion; stream_settle; … pushes …;
//     stream_flush_dirty
// stream_settle relies on all completions of the enter having been taken: a send that was submitted
// and reported nothing was taken whole by the kernel, its parcels are then given back.
//
// Bounds: out_queue_bytes_max for room messages and whispers, control_bytes_max for the rest, per
// stream; an empty queue takes any one parcel. Only room messages and whispers are ever dropped,
// never one that is partly sent; a dropped room message leaves a gap in its place.
// Audit (docs/PROTOCOL.md): each push of a PARCEL_ROOM adds its message_count to exactly one of
// delivered, dropped or pending, whatever stream_push returns and also for a stale handle.
// Memory: 32 B per stream, 16 B per queued parcel beyond the first, 32 B per gap; nothing else
// until bytes move. Thread: the scheduler's own. States and transitions: io/README.md.
#ifndef FAIRLEAD_IO_STREAM_H
#define FAIRLEAD_IO_STREAM_H

#include "io/ring.h"
#include "io/stream_port.h"
#include "sched/base/parcel.h"

#define STREAM_NO_OWNER SLAB_NONE

struct stream_config {
    uint32_t connections_max;     // accepted beyond it: STREAM_ACCEPTED_OVER_LIMIT
    uint32_t connections_spare;   // so many more get that answer; beyond them accept pauses
    uint32_t out_queue_bytes_max; // 0: 64 KiB
    uint32_t control_bytes_max;   // 0: 256 KiB
    uint32_t send_bytes_max;      // of one send; 0: 256 KiB
    uint32_t recv_turn_bytes_max; // of one stream in one turn, before it gets one buffer a turn
                                  // only; 0: 64 KiB
    uint32_t park_after_s;        // a hot stream that is quiet so long is parked; 0: 2; at most 100
    uint32_t linger_s; // after a flushing close: for the peer to take the rest; 0: 5; at most 100
    uint32_t queued_parcels_max; // nodes of all queues together; 0: 1 Mi
    bool connects; // a client: slots are chosen here (connect_open), nothing is accepted
};

struct streams;

enum stream_push_result {
    STREAM_PUSH_OK,           // taken, or dropped by policy with a gap in its place, or a whisper
    STREAM_PUSH_OVER_CONTROL, // not taken: close it (1008)
    STREAM_PUSH_OVER_ROOM,    // not taken, the room's policy is `close`: close it (1008)
    STREAM_PUSH_CLOSING,      // not taken: the stream is gone or going
    STREAM_PUSH_NO_MEMORY,    // not taken: close it
};

enum stream_close_how {
    STREAM_CLOSE_FLUSH, // send what is queued, shutdown(WR), wait for the peer's FIN or linger_s
    STREAM_CLOSE_ABORT, // drop what is queued, at once
};

// Reserves its memory in `ledger`; all pointers are borrowed until streams_fini. Returns 0 or
// -ENOMEM. `port` is passed to the upcalls.
MUST_USE int streams_init(struct streams *streams, struct memory_ledger *ledger, struct ring *ring,
                          struct blocks *blocks, struct counters *counters,
                          const struct stream_config *config, void *port);

// Every stream is released by now (CHECKs); see streams_close_all.
void streams_fini(struct streams *streams);

// Begins to close every stream, for a clean exit: go on turning until streams_used_count is 0. What
// is expected (io/stream_move.h) is forgotten: if it arrives all the same, it is let go.
void streams_close_all(struct streams *streams, enum stream_close_how how);

uint32_t streams_used_count(const struct streams *streams);

// The number passed to upcalls (the program's own slot), STREAM_NO_OWNER for none.
void stream_set_owner(struct streams *streams, uint32_t index, uint32_t owner);

static inline struct handle stream_handle(const struct streams *streams, uint32_t index);

// Queues the parcel and takes a reference of its own when it keeps it (the caller keeps his). It
// leaves with the next stream_flush_dirty.
enum stream_push_result stream_push(struct streams *streams, struct handle stream,
                                    uint32_t parcel_id);

// After stream_flush_dirty: enter without waiting, the next turn has more to do.
static inline bool streams_wants_turn(const struct streams *streams);

// A hint for a walk over many streams, a few pushes ahead.
static inline void stream_prefetch(const struct streams *streams, uint32_t index);

// Nothing is queued: then a parcel of any size is taken.
bool stream_is_empty(const struct streams *streams, uint32_t index);

// What is queued now stays as it is: nothing of it is dropped for what comes later, and its gaps
// become their events while the owner still knows the rooms that they are about. For the end of a
// membership: what is left of it comes before its end, and what comes after does not mix with it.
// Costs a walk over the queue.
void stream_seal(struct streams *streams, uint32_t index);

uint32_t stream_room_bytes(const struct streams *streams, uint32_t index); // queued, with whispers
uint32_t stream_control_bytes(const struct streams *streams, uint32_t index); // queued

// No receive is armed until resumed; a reset is then noticed when sending.
void stream_pause_reading(struct streams *streams, uint32_t index);
void stream_resume_reading(struct streams *streams, uint32_t index);

// From now on one buffer at a time, never hot, so that a pause holds at once: a multishot receive
// may have filled hundreds of buffers by the turn that pauses it, and run again before its cancel
// finds it. For owners that queue what they read. Costs a poll for each buffer.
void stream_read_singly(struct streams *streams, uint32_t index);

// A second call may turn FLUSH into ABORT; of a stale handle it does nothing.
void stream_close(struct streams *streams, struct handle stream, enum stream_close_how how);

// One send per stream that has something to say, and receives that waited for buffers.
void stream_flush_dirty(struct streams *streams);

// After the last completion of an enter: gives back what was sent.
void stream_settle(struct streams *streams);

// Once a second: begins to park what is quiet (the first slice now, others by stream_flush_dirty),
// ends what lingers, retries accepts that were put off.
void stream_tick(struct streams *streams, uint32_t now_s);

// One switch, one line per operation. Releases the completion's buffer.
void stream_on_completion(struct streams *streams, const struct ring_completion *completion);

// All invariants over all streams; the audit's pending recomputed. For tests and debug builds.
void streams_validate(const struct streams *streams);

#include "io/stream_state.h"

#endif
