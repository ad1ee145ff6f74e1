// Sending: one send per dirty stream and turn, which never outlives the enter that submits it.
//
//   push → DIRTY --stream_flush_dirty--> SUBMITTED --silence, stream_settle--> delivered
//                                            |
//                                            +--short or EAGAIN--> BLOCKED (poll) --> DIRTY
//                                            +--reset, error-----> stream_fail
#include <errno.h>

#include "io/stream_internal.h"

// Slots ahead in a walk: 32 B each, the next lines are on their way while one is worked on.
#define PREFETCH_AHEAD 8

_Static_assert(BLOCK_NONE == SLAB_NONE, "an empty queue ends a walk over nodes too");

static bool can_send(const struct stream *stream) {
    return (stream->state == STREAM_OPEN || stream->state == STREAM_FLUSHING) &&
           !(stream->flags & STREAM_BLOCKED) && stream->head != BLOCK_NONE;
}

static uint32_t submit_list(struct streams *streams, struct stream *stream, uint32_t index) {
    struct iovec pieces[RING_IOVECS_MAX];
    uint32_t bytes;
    uint32_t count = stream_queue_gather(streams, stream, pieces, &bytes);
    struct handle handle = stream_handle(streams, index);
    if (count == 1)
        ring_submit_send(streams->ring, handle, pieces[0].iov_base, pieces[0].iov_len);
    else if (count > 1)
        ring_submit_sendmsg(streams->ring, handle, pieces, count);
    return bytes;
}

// True exactly when settling this send lets something go on: the rest of a queue that is longer
// than one send, the end of a stream, an owner that waits for its queue to shrink.
static bool is_awaited(const struct stream *stream, uint32_t bytes) {
    return stream->state == STREAM_FLUSHING || stream->flags & STREAM_OVER_HALF ||
           stream->room_bytes + stream->control_bytes - stream->head_sent_bytes > bytes;
}

static void submit(struct streams *streams, struct stream *stream, uint32_t index) {
    uint32_t bytes;
    if (LIKELY(!(stream->flags & STREAM_LISTED))) {
        const struct parcel *parcel = parcel_at(streams->blocks, stream->head);
        bytes = parcel->size - stream->head_sent_bytes;
        ring_submit_send(streams->ring, stream_handle(streams, index),
                         parcel->data + stream->head_sent_bytes, bytes);
    } else {
        bytes = submit_list(streams, stream, index);
    }
    if (bytes == 0) { // only gaps that the owner left out
        if (stream->head == BLOCK_NONE && stream->state == STREAM_FLUSHING)
            stream_on_drained(streams, index);
        return;
    }
    stream->flags |= STREAM_SUBMITTED;
    streams->is_awaiting_settle |= is_awaited(stream, bytes);
    streams->submitted[streams->submitted_count++] = (struct stream_submitted){index, bytes};
}

void stream_flush_dirty(struct streams *streams) {
    uint32_t kept = 0;
    uint32_t count = streams->dirty_count;
    uint32_t submitted_before = streams->submitted_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = streams->dirty[i];
        if (i + PREFETCH_AHEAD < count)
            stream_prefetch(streams, streams->dirty[i + PREFETCH_AHEAD]);
        struct stream *stream = stream_at(streams, index);
        if (!(stream->flags & STREAM_DIRTY))
            continue;
        if (UNLIKELY(stream->flags & STREAM_SUBMITTED)) { // not settled yet
            streams->dirty[kept++] = index;
            continue;
        }
        stream->flags &= ~STREAM_DIRTY & 0xfffu;
        if (can_send(stream))
            submit(streams, stream, index);
    }
    CHECK(streams->dirty_count == count); // stream_port_gap must not push
    streams->dirty_count = kept;
    counter_add(streams->counters, COUNTER_SENDS, streams->submitted_count - submitted_before);
    streams->burst_index = SLAB_NONE;
    if (UNLIKELY(streams->park_cursor != PARK_DONE))
        stream_recv_park_quiet(streams);
    stream_recv_flush_starved(streams);
    accepting_flush(streams);
}

// After the stream's send is settled: what is left, what was waited for.
static void go_on(struct streams *streams, struct stream *stream, uint32_t index) {
    if (UNLIKELY(stream->state == STREAM_QUIESCING || stream->state == STREAM_CLOSING)) {
        stream_queue_clear(streams, stream);
        stream_close_when_landed(streams, index);
        return;
    }
    if (stream->head != BLOCK_NONE)
        stream_mark_dirty(streams, index);
    else if (stream->state == STREAM_FLUSHING)
        stream_on_drained(streams, index);
    stream_queue_tell_writable(streams, index);
}

void stream_settle(struct streams *streams) {
    struct stream_tally tally = {0};
    uint32_t count = streams->submitted_count;
    for (uint32_t i = 0; i < count; i++) {
        struct stream_submitted submitted = streams->submitted[i];
        if (i + PREFETCH_AHEAD < count)
            stream_prefetch(streams, streams->submitted[i + PREFETCH_AHEAD].index);
        struct stream *stream = stream_at(streams, submitted.index);
        if (UNLIKELY(!(stream->flags & STREAM_SUBMITTED)))
            continue; // its completion came
        stream->flags &= ~STREAM_SUBMITTED & 0xfffu;
        stream_queue_consume(streams, stream, submitted.bytes, &tally);
        if (LIKELY(stream->head == BLOCK_NONE && stream->state == STREAM_OPEN &&
                   !(stream->flags & STREAM_OVER_HALF)))
            continue;
        stream_tally_add(streams, &tally); // an upcall may look at the audit
        tally = (struct stream_tally){0};
        go_on(streams, stream, submitted.index);
    }
    stream_tally_add(streams, &tally);
    streams->submitted_count = 0;
    streams->is_awaiting_settle = false;
    if (UNLIKELY(streams->halting.count > 0))
        moving_settle(streams);
}

static bool is_full(int32_t result) {
    return result == -EAGAIN || result == -ENOBUFS || result == -ENOMEM || result == -EINTR;
}

void stream_on_send(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    if (!(stream->flags & STREAM_SUBMITTED)) {
        counter_add(streams->counters, COUNTER_STALE_COMPLETIONS, 1);
        return;
    }
    stream->flags &= ~STREAM_SUBMITTED & 0xfffu;
    if (completion->result > 0) {
        struct stream_tally tally = {0};
        stream_queue_consume(streams, stream, (size_t)completion->result, &tally);
        stream_tally_add(streams, &tally);
    } else if (!is_full(completion->result) && completion->result < 0) {
        stream_fail(streams, index, completion->result);
        if (stream->state == STREAM_QUIESCING)
            go_on(streams, stream, index);
        return;
    }
    // Taken up to a parcel's end: full, or a kernel that reports success too; the next send tells.
    bool is_short = completion->result <= 0 || stream->head_sent_bytes > 0;
    if (is_short) {
        counter_add(streams->counters, COUNTER_SENDS_PARTIAL, 1);
        if (stream->state == STREAM_OPEN || stream->state == STREAM_FLUSHING) {
            stream->flags |= STREAM_BLOCKED;
            stream->in_flight++;
            ring_submit_poll_out(streams->ring, stream_handle(streams, index));
            return;
        }
    }
    go_on(streams, stream, index);
}

void stream_on_poll_out(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    stream->flags &= ~STREAM_BLOCKED & 0xfffu;
    // A hangup shows in the send that follows.
    if ((stream->state == STREAM_OPEN || stream->state == STREAM_FLUSHING) &&
        stream->head != BLOCK_NONE)
        stream_mark_dirty(streams, index);
    stream_on_landed(streams, index);
}
