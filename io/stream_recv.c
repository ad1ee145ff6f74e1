// Receiving.
//
//   PARKED (poll) --readable--> ONCE (one receive) --bytes, first in a while--> PARKED
//                                    |
//                                    +--bytes twice within about a second--> HOT (multishot)
//   HOT --quiet for park_after_s--> PARKING (cancel) --last completion--> PARKED
//   HOT --over its bytes of a turn--> PARKING --last completion--> STARVED, with FAIR
//   ONCE, HOT --ENOBUFS, F_MORE lost--> STARVED --stream_flush_dirty--> HOT, or ONCE with FAIR
//   any --stream_pause_reading, stream_move_begin--> PARKING --> NONE --stream_resume_reading-->
//   HOT
//
// A parked stream costs the kernel 256 B, an armed receive 864 B (docs/KERNEL.md);
// docs/DECISIONS.md has the cost of the switch. Nothing is lost by a cancel: bytes stay in the
// socket, and a completion that was on its way is delivered.
#include <errno.h>
#include <string.h>

#include "io/stream_internal.h"

#define SECONDS_OFTEN 1 // bytes again within so many: hot
#define PREFETCH_AHEAD 8
#define PARK_SLICE 2048 // hot streams that one turn looks at

static bool wants_bytes(const struct stream *stream) {
    bool reads = stream->state == STREAM_OPEN || stream->state == STREAM_FLUSHING ||
                 stream->state == STREAM_LINGERING;
    return reads && !(stream->flags & (STREAM_PAUSED | STREAM_PEER_ENDED));
}

static void set_recv(struct stream *stream, enum stream_recv recv) {
    stream->recv = recv & 7u;
}

static uint8_t quiet_s(const struct streams *streams, const struct stream *stream) {
    return (uint8_t)(stream_second(streams) - stream->second);
}

static void arm_parked(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    set_recv(stream, STREAM_RECV_PARKED);
    stream->in_flight++;
    ring_submit_poll_in(streams->ring, stream_handle(streams, index));
}

static void list_hot(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    if (stream->flags & STREAM_IN_HOT)
        return;
    stream->flags |= STREAM_IN_HOT;
    stream_list_push(streams, &streams->hot, stream_handle(streams, index));
}

static void arm_once(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    set_recv(stream, STREAM_RECV_ONCE);
    stream->in_flight++;
    list_hot(streams, index); // an armed receive that stays quiet is parked too
    ring_submit_recv(streams->ring, stream_handle(streams, index));
}

void stream_recv_arm_hot(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    set_recv(stream, STREAM_RECV_HOT);
    stream->in_flight++;
    list_hot(streams, index);
    counter_add(streams->counters, COUNTER_HOTS, 1);
    ring_arm_recv(streams->ring, stream_handle(streams, index));
}

static void starve(struct streams *streams, uint32_t index) {
    set_recv(stream_at(streams, index), STREAM_RECV_STARVED);
    struct stream_list *list = &streams->starved[ring_lane_of(streams->ring, index)];
    stream_list_push(streams, list, stream_handle(streams, index));
    streams->is_starved = true;
}

// At most as many as there are buffers: the others keep their place.
static void flush_lane(struct streams *streams, struct stream_list *list, uint32_t buffers) {
    while (list->first < list->count && buffers > 0) {
        struct handle handle = list->items[list->first++];
        struct stream *stream = slab_lookup(&streams->slots, handle);
        if (!stream || stream->recv != STREAM_RECV_STARVED)
            continue;
        if (!wants_bytes(stream)) {
            set_recv(stream, STREAM_RECV_NONE);
            continue;
        }
        buffers--;
        if (stream->flags & (STREAM_FAIR | STREAM_SINGLY))
            arm_once(streams, handle.index);
        else
            stream_recv_arm_hot(streams, handle.index);
    }
    if (list->first == list->count)
        list->first = list->count = 0;
}

void stream_recv_flush_starved(struct streams *streams) {
    if (LIKELY(!streams->is_starved))
        return;
    streams->is_starved = false;
    uint32_t lanes = ring_lane_count(streams->ring);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        struct stream_list *list = &streams->starved[lane];
        if (list->count == 0)
            continue;
        flush_lane(streams, list, ring_buffers_free(streams->ring, lane));
        streams->is_starved = streams->is_starved || list->count > 0;
    }
}

void stream_recv_arm_next(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    if (stream->recv != STREAM_RECV_NONE || !wants_bytes(stream))
        return;
    if (stream->flags & STREAM_FAIR)
        starve(streams, index);
    else
        arm_parked(streams, index);
}

static void cancel(struct streams *streams, uint32_t index, enum token_op op) {
    set_recv(stream_at(streams, index), STREAM_RECV_PARKING);
    ring_submit_cancel(streams->ring, stream_handle(streams, index), op);
}

void stream_recv_cancel(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    switch ((enum stream_recv)stream->recv) {
    case STREAM_RECV_PARKED:
        return cancel(streams, index, TOKEN_POLL_IN);
    case STREAM_RECV_ONCE:
        return cancel(streams, index, TOKEN_RECV);
    case STREAM_RECV_HOT:
        return cancel(streams, index, TOKEN_RECV_MULTI);
    case STREAM_RECV_STARVED: // stream_recv_flush_starved looks whether it still wants
    case STREAM_RECV_NONE:
    case STREAM_RECV_PARKING:
        return;
    case STREAM_RECV_COUNT:
        break;
    }
    UNREACHABLE();
}

void stream_pause_reading(struct streams *streams, uint32_t index) {
    struct stream *stream = slab_get(&streams->slots, index);
    if (stream->state != STREAM_OPEN && !stream_is_held(stream))
        return;
    stream->flags |= STREAM_PAUSED;
    stream_recv_cancel(streams, index);
}

void stream_resume_reading(struct streams *streams, uint32_t index) {
    struct stream *stream = slab_get(&streams->slots, index);
    bool is_held = stream_is_held(stream);
    if ((stream->state != STREAM_OPEN && !is_held) || !(stream->flags & STREAM_PAUSED))
        return;
    stream->flags &= ~STREAM_PAUSED & 0xfffu;
    if (!is_held)
        stream_recv_resume(streams, index);
}

void stream_recv_resume(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    // While a cancel is on its way its last completion arms again, while starved the next flush.
    if (stream->recv != STREAM_RECV_NONE || !wants_bytes(stream))
        return;
    if (stream->flags & (STREAM_FAIR | STREAM_SINGLY))
        starve(streams, index);
    else
        stream_recv_arm_hot(streams, index);
}

void stream_read_singly(struct streams *streams, uint32_t index) {
    struct stream *stream = slab_get(&streams->slots, index);
    stream->flags |= STREAM_SINGLY;
    if (stream->state == STREAM_OPEN && stream->recv == STREAM_RECV_HOT)
        stream_recv_cancel(streams, index);
}

// True when it stays in the list.
static bool stays_hot(struct streams *streams, struct handle handle) {
    struct stream *stream = slab_lookup(&streams->slots, handle);
    if (!stream)
        return false;
    bool is_armed = stream->recv == STREAM_RECV_HOT || stream->recv == STREAM_RECV_ONCE;
    bool is_quiet = quiet_s(streams, stream) >= streams->config.park_after_s;
    if (stream->state == STREAM_OPEN && is_armed && !is_quiet)
        return true;
    stream->flags &= ~STREAM_IN_HOT & 0xfffu;
    if (stream->state == STREAM_OPEN && is_armed) {
        counter_add(streams->counters, COUNTER_PARKS, 1);
        stream->flags &= ~STREAM_FAIR & 0xfffu;
        stream_recv_cancel(streams, handle.index);
    }
    return false;
}

// Whoever goes leaves its place to the last, who is looked at there; who comes is behind all.
void stream_recv_park_quiet(struct streams *streams) {
    struct stream_list *list = &streams->hot;
    uint32_t at = streams->park_cursor;
    for (uint32_t i = 0; i < PARK_SLICE && at < list->count; i++) {
        if (at + PREFETCH_AHEAD < list->count)
            stream_prefetch(streams, list->items[at + PREFETCH_AHEAD].index);
        if (stays_hot(streams, list->items[at]))
            at++;
        else
            list->items[at] = list->items[--list->count];
    }
    streams->park_cursor = at < list->count ? at : PARK_DONE;
}

// A stream that takes more than its share of a turn goes on with one buffer a turn.
static void watch_burst(struct streams *streams, uint32_t index, uint32_t size) {
    if (streams->burst_index != index) {
        streams->burst_index = index;
        streams->burst_bytes = 0;
    }
    streams->burst_bytes += size;
    struct stream *stream = stream_at(streams, index);
    if (LIKELY(streams->burst_bytes <= streams->config.recv_turn_bytes_max) ||
        (stream->flags & STREAM_FAIR))
        return;
    stream->flags |= STREAM_FAIR;
    if (stream->recv == STREAM_RECV_HOT)
        stream_recv_cancel(streams, index);
}

static void take_bytes(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    uint32_t size = (uint32_t)completion->result;
    counter_add(streams->counters, COUNTER_RECV_BYTES, size);
    if (stream->state != STREAM_OPEN && stream->state != STREAM_HALTING)
        return; // closing: read past
    watch_burst(streams, index, size);
    if (stream->owner != STREAM_NO_OWNER)
        stream_port_data(streams->port, index, stream->owner, completion->data, size);
}

// What follows bytes that ended their operation.
static void arm_after_bytes(struct streams *streams, uint32_t index, bool was_often,
                            const struct ring_completion *completion) {
    struct stream *stream = stream_at(streams, index);
    if (stream->recv != STREAM_RECV_NONE || !wants_bytes(stream))
        return;
    if (completion->op == TOKEN_RECV && !completion->nonempty)
        stream->flags &= ~STREAM_FAIR & 0xfffu; // it has read up
    if (stream->flags & STREAM_FAIR || completion->op == TOKEN_RECV_MULTI)
        starve(streams, index); // F_MORE was lost: an overflow or a lack of buffers; next turn
    else if (was_often && !(stream->flags & STREAM_SINGLY))
        stream_recv_arm_hot(streams, index);
    else
        arm_parked(streams, index);
}

static void on_recv_error(struct streams *streams, uint32_t index, int error) {
    struct stream *stream = stream_at(streams, index);
    switch (-error) {
    case ENOBUFS:
        counter_add(streams->counters, COUNTER_BUFFERS_EMPTY, 1);
        if (stream->recv == STREAM_RECV_NONE && wants_bytes(stream))
            starve(streams, index);
        return;
    case ECANCELED: // parked, paused or torn down
    case EAGAIN:
    case EINTR:
        stream_recv_arm_next(streams, index);
        return;
    default:
        if (!(stream->flags & STREAM_PEER_ENDED))
            stream_fail(streams, index, error);
        return;
    }
}

void stream_on_recv(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    bool is_last = !completion->more;
    if (is_last)
        set_recv(stream, STREAM_RECV_NONE);
    if (LIKELY(completion->result > 0)) {
        bool was_often = quiet_s(streams, stream) <= SECONDS_OFTEN;
        if (stream->state == STREAM_OPEN)
            stream->second = stream_second(streams);
        take_bytes(streams, completion);
        ring_release_buffer(streams->ring, completion);
        if (is_last)
            arm_after_bytes(streams, index, was_often, completion);
    } else {
        ring_release_buffer(streams->ring, completion);
        if (completion->result < 0)
            on_recv_error(streams, index, completion->result);
        else if (!(stream->flags & STREAM_PEER_ENDED))
            stream_on_peer_end(streams, index);
    }
    if (is_last)
        stream_on_landed(streams, index);
}

void stream_on_poll_in(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    set_recv(stream, STREAM_RECV_NONE);
    if (completion->result < 0)
        stream_recv_arm_next(streams, index);
    else if (wants_bytes(stream))
        arm_once(streams, index);
    stream_on_landed(streams, index);
}

// The operation is still armed exactly when none of its completions came before this one: a
// multishot between two runs.
void stream_on_cancel_failed(struct streams *streams, const struct ring_completion *completion) {
    struct handle handle = {completion->index, completion->generation};
    const struct stream *stream = slab_lookup(&streams->slots, handle);
    if (stream && stream->recv == STREAM_RECV_PARKING)
        ring_submit_cancel(streams->ring, handle, TOKEN_RECV_MULTI);
}
