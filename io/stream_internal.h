// What the stream modules call of each other; nobody else includes this.
#ifndef FAIRLEAD_IO_STREAM_INTERNAL_H
#define FAIRLEAD_IO_STREAM_INTERNAL_H

#include "io/stream_state.h"

// Counts of one pass over many streams, added to the counters once.
struct stream_tally {
    uint64_t bytes;
    uint64_t delivered;
};

static inline struct stream *stream_at(const struct streams *streams, uint32_t index) {
    return (struct stream *)slab_at(&streams->slots, index);
}

static inline uint8_t stream_second(const struct streams *streams) {
    return (uint8_t)streams->now_s;
}

// --- stream.c ------------------------------------------------------------------------------------

// The kernel put a socket into descriptor `index`.
void stream_open_accepted(struct streams *streams, uint32_t index,
                          const struct stream_opening *opening);

// A slot that the kernel chose, without an owner.
struct stream *stream_take_slot(struct streams *streams, uint32_t index, enum stream_state state);

// The peer is gone: tells the owner, drops what is queued, tears down.
void stream_fail(struct streams *streams, uint32_t index, int error);

// The peer sent FIN.
void stream_on_peer_end(struct streams *streams, uint32_t index);

// The queue ran empty while flushing.
void stream_on_drained(struct streams *streams, uint32_t index);

// Stops all and closes when nothing is in flight any more.
void stream_quiesce(struct streams *streams, uint32_t index);

// Goes on to the close when it is quiescing and nothing is in flight or unsettled.
void stream_close_when_landed(struct streams *streams, uint32_t index);

// One operation's last completion came.
void stream_on_landed(struct streams *streams, uint32_t index);

void stream_set_state(struct stream *stream, enum stream_state state);

// Forgets entries of former owners when the list is full; live ones are at most one per stream.
void stream_list_push(struct streams *streams, struct stream_list *list, struct handle handle);

// --- stream_queue.c ------------------------------------------------------------------------------

void stream_mark_dirty(struct streams *streams, uint32_t index);

// The kernel took `bytes` more of the queue: parcels that are whole now are given back.
void stream_queue_consume(struct streams *streams, struct stream *stream, size_t bytes,
                          struct stream_tally *tally);

void stream_tally_add(struct streams *streams, const struct stream_tally *tally);

// Drops all, counted as closed.
void stream_queue_clear(struct streams *streams, struct stream *stream);

// Pieces of the next send, gaps encoded on the way. Returns their count and bytes.
uint32_t stream_queue_gather(struct streams *streams, struct stream *stream, struct iovec *pieces,
                             uint32_t *bytes);

// stream_port_writable when the control bytes fell under half again.
void stream_queue_tell_writable(struct streams *streams, uint32_t index);

// Puts the gaps' events in their places.
void stream_queue_encode_gaps(struct streams *streams, struct stream *stream);

// One parcel becomes a list of one. False without memory.
bool stream_queue_make_list(struct streams *streams, struct stream *stream);

// At the end, by no budget. False without memory.
bool stream_queue_append(struct streams *streams, struct stream *stream, uint32_t parcel_id);

// Takes the head off; BLOCK_NONE for a gap.
uint32_t stream_queue_pop(struct streams *streams, struct stream *stream);

static inline bool stream_queue_is_room(const struct parcel *parcel) {
    return parcel->class == PARCEL_ROOM || parcel->class == PARCEL_WHISPER;
}

static inline uint64_t stream_queue_messages(const struct parcel *parcel) {
    return parcel->class == PARCEL_ROOM ? parcel->message_count : 0;
}

static inline void stream_queue_account(struct streams *streams, struct stream *stream,
                                        const struct parcel *parcel) {
    if (stream_queue_is_room(parcel)) {
        stream->room_bytes += parcel->size;
        counter_add(streams->counters, COUNTER_PENDING, stream_queue_messages(parcel));
        return;
    }
    stream->control_bytes += parcel->size;
    if (stream->control_bytes > streams->config.control_bytes_max / 2)
        stream->flags |= STREAM_OVER_HALF;
}

static inline void stream_queue_unaccount(struct streams *streams, struct stream *stream,
                                          const struct parcel *parcel) {
    if (stream_queue_is_room(parcel)) {
        stream->room_bytes -= parcel->size;
        counter_subtract(streams->counters, COUNTER_PENDING, stream_queue_messages(parcel));
        return;
    }
    stream->control_bytes -= parcel->size;
}

static inline struct stream_node *stream_queue_node(const struct streams *streams, uint32_t node) {
    return (struct stream_node *)slab_at(&streams->nodes, node);
}

uint64_t stream_queue_validate(const struct streams *streams, uint32_t index);

// --- stream_send.c -------------------------------------------------------------------------------

void stream_on_send(struct streams *streams, const struct ring_completion *completion);
void stream_on_poll_out(struct streams *streams, const struct ring_completion *completion);

// --- stream_recv.c -------------------------------------------------------------------------------

void stream_recv_arm_hot(struct streams *streams, uint32_t index);

// Cancels what is armed to receive, if anything.
void stream_recv_cancel(struct streams *streams, uint32_t index);

// Arms again after something ended, as the stream's state asks.
void stream_recv_arm_next(struct streams *streams, uint32_t index);

// Reads again after a pause or a halt, when nothing is armed.
void stream_recv_resume(struct streams *streams, uint32_t index);

void stream_recv_flush_starved(struct streams *streams);
// The next slice of this second's look for quiet streams.
void stream_recv_park_quiet(struct streams *streams);
void stream_on_recv(struct streams *streams, const struct ring_completion *completion);
void stream_on_poll_in(struct streams *streams, const struct ring_completion *completion);
void stream_on_cancel_failed(struct streams *streams, const struct ring_completion *completion);

// --- stream_carry.c ------------------------------------------------------------------------------

// What is not sent yet, in runs of one budget; NULL counts only. No gaps are left. Returns its
// bytes.
uint32_t stream_carry_write(struct streams *streams, const struct stream *stream, uint8_t *out);

// Takes all off the queue, counted moved out.
void stream_carry_release(struct streams *streams, struct stream *stream);

// Puts what stream_carry_write wrote in front, counted moved in. False without memory: the queue is
// as before, the messages are counted dropped.
bool stream_carry_read(struct streams *streams, struct stream *stream, const uint8_t *bytes,
                       uint32_t size);

// --- stream_move.c -------------------------------------------------------------------------------

MUST_USE int moving_init(struct streams *streams, struct memory_ledger *ledger);
void moving_forget(struct streams *streams); // what is expected
void moving_settle(struct streams *streams); // tells who is halted
void stream_on_pass(struct streams *streams, const struct ring_completion *completion);
void stream_on_arrive(struct streams *streams, const struct ring_completion *completion);

// --- accept.c ------------------------------------------------------------------------------------

MUST_USE int accepting_init(struct streams *streams, struct memory_ledger *ledger);
MUST_USE int accepting_reserve(struct streams *streams, uint32_t *lane);
void accepting_on_slot_free(struct streams *streams);
void accepting_flush(struct streams *streams); // arms what is due
void accepting_tick(struct streams *streams);
void accepting_on_completion(struct streams *streams, const struct ring_completion *completion);
void accepting_on_cancel_failed(struct streams *streams, const struct ring_completion *completion);

#endif
