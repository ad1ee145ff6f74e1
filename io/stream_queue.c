// The out-queue of a stream: one parcel in the slot, or a list of nodes.
//
//   head: parcel                      one parcel, nothing allocated (not STREAM_LISTED)
//   head: node -> node -> … -> tail   parcels and gaps in the order of sending (STREAM_LISTED)
//
//   change                         performed by
//   empty → one parcel             stream_push
//   one parcel → list              stream_queue_make_list
//   list grows                     append
//   parcel → gap, in its place     drop_node (drop_oldest, the room's policy)
//   gap → parcel                   stream_queue_gather, when its turn to be sent comes
//   list shrinks, → empty          pop_head (stream_queue_consume, stream_queue_clear)
//
// What is of no room (parcel.room SLAB_NONE) leaves no gap: whoever it was for is not told by
// number.
//
// Never dropped: a parcel of which the kernel took a byte, or that is in a send not settled yet, or
// that came with the stream from another core (io/stream_move.h).
#include <string.h>

#include "io/stream_internal.h"

static struct stream_gap *gap_at(const struct streams *streams, uint32_t gap) {
    return (struct stream_gap *)slab_at(&streams->gaps, gap);
}

void stream_mark_dirty(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    if (stream->flags & STREAM_DIRTY)
        return;
    if (UNLIKELY(streams->dirty_count == streams->dirty_capacity)) {
        uint32_t kept = 0; // slots reused within a turn left stale entries
        for (uint32_t i = 0; i < streams->dirty_count; i++) {
            if (stream_at(streams, streams->dirty[i])->flags & STREAM_DIRTY)
                streams->dirty[kept++] = streams->dirty[i];
        }
        streams->dirty_count = kept;
    }
    stream->flags |= STREAM_DIRTY;
    streams->dirty[streams->dirty_count++] = index;
}

// --- pushing -------------------------------------------------------------------------------------

bool stream_queue_make_list(struct streams *streams, struct stream *stream) {
    if (stream->flags & STREAM_LISTED)
        return true;
    uint32_t index;
    struct stream_node *node = slab_acquire(&streams->nodes, &index);
    if (!node)
        return false;
    node->next = SLAB_NONE;
    node->parcel = stream->head;
    stream->head = stream->tail = index;
    stream->flags |= STREAM_LISTED;
    return true;
}

static struct stream_node *append(struct streams *streams, struct stream *stream) {
    uint32_t index;
    struct stream_node *node = slab_acquire(&streams->nodes, &index);
    if (!node)
        return NULL;
    node->next = SLAB_NONE;
    node->parcel = BLOCK_NONE;
    stream_queue_node(streams, stream->tail)->next = index;
    stream->tail = index;
    return node;
}

static bool leaves_gap(const struct parcel *parcel) {
    return parcel->message_count > 0 && parcel->room != SLAB_NONE;
}

// An earlier gap that ends where `parcel` begins.
static struct stream_gap *adjacent_gap(const struct streams *streams, const struct stream *stream,
                                       uint32_t until, const struct parcel *parcel) {
    for (uint32_t at = stream->head; at != until && at != SLAB_NONE;
         at = stream_queue_node(streams, at)->next) {
        const struct stream_node *node = stream_queue_node(streams, at);
        if (node->parcel != BLOCK_NONE)
            continue;
        struct stream_gap *gap = gap_at(streams, node->gap);
        if (gap->room == parcel->room && gap->to + 1 == parcel->sequence_from)
            return gap;
    }
    return NULL;
}

static bool make_gap(struct streams *streams, const struct stream *stream, struct stream_node *node,
                     const struct parcel *parcel) {
    uint32_t index;
    struct stream_gap *gap = slab_acquire(&streams->gaps, &index);
    if (!gap)
        return false;
    gap->room = parcel->room;
    gap->from = parcel->sequence_from;
    gap->to = parcel->sequence_from + parcel->message_count - 1;
    node->parcel = BLOCK_NONE;
    node->gap = index;
    if (stream->owner != STREAM_NO_OWNER)
        stream_port_drops(streams->port, stream->owner, parcel->room);
    return true;
}

static void unlink_node(struct streams *streams, struct stream *stream, uint32_t previous,
                        uint32_t at) {
    uint32_t next = stream_queue_node(streams, at)->next;
    if (previous == SLAB_NONE)
        stream->head = next;
    else
        stream_queue_node(streams, previous)->next = next;
    if (stream->tail == at)
        stream->tail = previous;
    slab_release(&streams->nodes, at);
}

enum drop { DROP_REMOVED, DROP_KEPT_NODE, DROP_NO_MEMORY };

// Drops the parcel of a node; its messages stay as a gap, unless it is a whisper.
static enum drop drop_node(struct streams *streams, struct stream *stream, uint32_t previous,
                           uint32_t at) {
    struct stream_node *node = stream_queue_node(streams, at);
    uint32_t id = node->parcel;
    struct parcel *parcel = parcel_at(streams->blocks, id);
    enum drop result = DROP_REMOVED;
    if (parcel->class == PARCEL_WHISPER) {
        counter_add(streams->counters, COUNTER_WHISPERS_DROPPED, 1);
    } else if (leaves_gap(parcel)) {
        struct stream_gap *gap = adjacent_gap(streams, stream, at, parcel);
        if (gap)
            gap->to += parcel->message_count;
        else if (make_gap(streams, stream, node, parcel))
            result = DROP_KEPT_NODE;
        else
            return DROP_NO_MEMORY;
    }
    counter_add(streams->counters, COUNTER_DROPPED_SLOW, stream_queue_messages(parcel));
    stream_queue_unaccount(streams, stream, parcel);
    parcel_unref(streams->blocks, id);
    if (result == DROP_REMOVED)
        unlink_node(streams, stream, previous, at);
    return result;
}

// The last node that stream_seal marked, SLAB_NONE when it has been sent.
static uint32_t last_sealed(const struct streams *streams, struct stream *stream) {
    uint32_t sealed = SLAB_NONE;
    if (LIKELY(!stream->is_sealed))
        return sealed;
    for (uint32_t at = stream->head; at != SLAB_NONE; at = stream_queue_node(streams, at)->next) {
        const struct stream_node *node = stream_queue_node(streams, at);
        if (node->parcel != BLOCK_NONE && node->gap == NODE_SEALED)
            sealed = at;
    }
    stream->is_sealed = sealed != SLAB_NONE;
    return sealed;
}

// Makes room for `size` bytes. False when the gaps' memory is out.
static bool drop_oldest(struct streams *streams, struct stream *stream, uint32_t size) {
    uint32_t protected = stream->head_sent_bytes > 0 ? 1 : 0;
    if (stream->flags & STREAM_SUBMITTED)
    protected = RING_IOVECS_MAX; // at most so many are in the send
    uint32_t sealed = last_sealed(streams, stream);
    uint32_t previous = SLAB_NONE;
    uint32_t at = stream->head;
    while (at != SLAB_NONE && stream->room_bytes + size > streams->config.out_queue_bytes_max) {
        const struct stream_node *node = stream_queue_node(streams, at);
        uint32_t next = node->next;
        bool is_droppable = protected == 0 && sealed == SLAB_NONE && node->parcel != BLOCK_NONE &&
                            stream_queue_is_room(parcel_at(streams->blocks, node->parcel)) &&
                            !parcel_at(streams->blocks, node->parcel)->is_moved;
        protected -= protected > 0 ? 1 : 0;
        sealed = at == sealed ? SLAB_NONE : sealed;
        enum drop result = is_droppable ? drop_node(streams, stream, previous, at) : DROP_KEPT_NODE;
        if (result == DROP_NO_MEMORY)
            return false;
        if (result == DROP_KEPT_NODE)
            previous = at;
        at = next;
    }
    if (stream->head == SLAB_NONE) { // only whispers were queued
        stream->head = BLOCK_NONE;
        stream->flags &= ~STREAM_LISTED & 0xfffu;
    }
    return true;
}

// The new parcel itself finds no room: it becomes a gap at the end.
static enum stream_push_result drop_new(struct streams *streams, struct stream *stream,
                                        const struct parcel *parcel) {
    bool tells = leaves_gap(parcel);
    struct stream_gap *gap = tells ? adjacent_gap(streams, stream, SLAB_NONE, parcel) : NULL;
    if (gap) {
        gap->to += parcel->message_count;
    } else if (tells) {
        uint32_t tail = stream->tail;
        struct stream_node *node = append(streams, stream);
        if (!node || !make_gap(streams, stream, node, parcel)) {
            if (node)
                unlink_node(streams, stream, tail, stream->tail);
            counter_add(streams->counters, COUNTER_DROPPED_MEMORY, stream_queue_messages(parcel));
            return STREAM_PUSH_NO_MEMORY;
        }
    }
    counter_add(streams->counters, COUNTER_DROPPED_SLOW, stream_queue_messages(parcel));
    return STREAM_PUSH_OK;
}

static enum stream_push_result drop_for_memory(struct streams *streams,
                                               const struct parcel *parcel) {
    counter_add(streams->counters, COUNTER_DROPPED_MEMORY, stream_queue_messages(parcel));
    return STREAM_PUSH_NO_MEMORY;
}

// Whether the parcel may be queued behind others; when not, it was dealt with by policy.
static bool admit(struct streams *streams, struct stream *stream, const struct parcel *parcel,
                  enum stream_push_result *result) {
    const struct stream_config *config = &streams->config;
    *result = STREAM_PUSH_OK;
    if (!stream_queue_is_room(parcel)) {
        if (stream->control_bytes == 0 ||
            stream->control_bytes + parcel->size <= config->control_bytes_max)
            return true;
        *result = STREAM_PUSH_OVER_CONTROL;
        return false;
    }
    if (stream->room_bytes == 0 || stream->room_bytes + parcel->size <= config->out_queue_bytes_max)
        return true;
    if (parcel->class == PARCEL_WHISPER) {
        counter_add(streams->counters, COUNTER_WHISPERS_DROPPED, 1);
        return false;
    }
    if (parcel->close_when_over) { // what may still come before the close stands behind a gap
        *result = stream_queue_make_list(streams, stream) ? drop_new(streams, stream, parcel)
                                                          : drop_for_memory(streams, parcel);
        if (*result == STREAM_PUSH_OK)
            *result = STREAM_PUSH_OVER_ROOM;
        return false;
    }
    if (!stream_queue_make_list(streams, stream) || !drop_oldest(streams, stream, parcel->size)) {
        *result = drop_for_memory(streams, parcel);
        return false;
    }
    if (stream->room_bytes == 0 || stream->room_bytes + parcel->size <= config->out_queue_bytes_max)
        return true;
    *result = drop_new(streams, stream, parcel);
    return false;
}

enum stream_push_result stream_push(struct streams *streams, struct handle handle,
                                    uint32_t parcel_id) {
    struct parcel *parcel = parcel_at(streams->blocks, parcel_id);
    struct stream *stream = slab_lookup(&streams->slots, handle);
    if (UNLIKELY(!stream || stream->state != STREAM_OPEN)) {
        if (!stream || !stream_is_held(stream)) {
            counter_add(streams->counters, COUNTER_DROPPED_CLOSED, stream_queue_messages(parcel));
            return STREAM_PUSH_CLOSING;
        }
    }
    if (UNLIKELY(stream->head != BLOCK_NONE)) {
        enum stream_push_result result;
        if (!admit(streams, stream, parcel, &result))
            return result;
    }
    if (LIKELY(stream->head == BLOCK_NONE)) {
        stream->head = parcel_id;
    } else {
        struct stream_node *node =
            stream_queue_make_list(streams, stream) ? append(streams, stream) : NULL;
        if (!node) {
            counter_add(streams->counters, COUNTER_DROPPED_MEMORY, stream_queue_messages(parcel));
            return STREAM_PUSH_NO_MEMORY;
        }
        node->parcel = parcel_id;
    }
    parcel->refs++;
    stream_queue_account(streams, stream, parcel);
    if (UNLIKELY(stream->flags & STREAM_LISTED))
        counter_raise(streams->counters, COUNTER_QUEUE_BYTES_MAX,
                      (uint64_t)stream->room_bytes + stream->control_bytes);
    if (LIKELY(!(stream->flags & (STREAM_BLOCKED | STREAM_DIRTY))))
        stream_mark_dirty(streams, handle.index);
    return STREAM_PUSH_OK;
}

bool stream_queue_append(struct streams *streams, struct stream *stream, uint32_t parcel_id) {
    if (stream->head == BLOCK_NONE) {
        stream->head = parcel_id;
    } else {
        struct stream_node *node =
            stream_queue_make_list(streams, stream) ? append(streams, stream) : NULL;
        if (!node)
            return false;
        node->parcel = parcel_id;
    }
    parcel_at(streams->blocks, parcel_id)->refs++;
    stream_queue_account(streams, stream, parcel_at(streams->blocks, parcel_id));
    return true;
}

bool stream_is_empty(const struct streams *streams, uint32_t index) {
    return stream_at(streams, index)->head == BLOCK_NONE;
}

uint32_t stream_room_bytes(const struct streams *streams, uint32_t index) {
    return stream_at(streams, index)->room_bytes;
}

uint32_t stream_control_bytes(const struct streams *streams, uint32_t index) {
    return stream_at(streams, index)->control_bytes;
}

// --- sending and clearing ------------------------------------------------------------------------

// Takes the head off; BLOCK_NONE for a gap.
static inline uint32_t pop_head(struct streams *streams, struct stream *stream) {
    uint32_t id = stream->head;
    if (LIKELY(!(stream->flags & STREAM_LISTED))) {
        stream->head = BLOCK_NONE;
        return id;
    }
    uint32_t at = stream->head;
    struct stream_node *node = stream_queue_node(streams, at);
    id = node->parcel;
    if (id == BLOCK_NONE)
        slab_release(&streams->gaps, node->gap);
    stream->head = node->next;
    slab_release(&streams->nodes, at);
    if (stream->head == SLAB_NONE) {
        stream->head = BLOCK_NONE;
        stream->flags &= ~STREAM_LISTED & 0xfffu;
    }
    return id;
}

uint32_t stream_queue_pop(struct streams *streams, struct stream *stream) {
    return pop_head(streams, stream);
}

static uint32_t head_parcel(const struct streams *streams, const struct stream *stream) {
    return stream->flags & STREAM_LISTED ? stream_queue_node(streams, stream->head)->parcel
                                         : stream->head;
}

void stream_queue_consume(struct streams *streams, struct stream *stream, size_t bytes,
                          struct stream_tally *tally) {
    tally->bytes += bytes;
    while (bytes > 0) {
        CHECK(stream->head != BLOCK_NONE);
        uint32_t id = head_parcel(streams, stream);
        struct parcel *parcel = parcel_at(streams->blocks, id);
        uint32_t left = parcel->size - stream->head_sent_bytes;
        if (bytes < left) {
            stream->head_sent_bytes += (uint32_t)bytes;
            return;
        }
        bytes -= left;
        stream->head_sent_bytes = 0;
        tally->delivered += stream_queue_messages(parcel);
        // Pending falls with delivered, in stream_tally_add.
        if (stream_queue_is_room(parcel))
            stream->room_bytes -= parcel->size;
        else
            stream->control_bytes -= parcel->size;
        (void)pop_head(streams, stream);
        parcel_unref(streams->blocks, id);
    }
}

void stream_tally_add(struct streams *streams, const struct stream_tally *tally) {
    counter_add(streams->counters, COUNTER_SENT_BYTES, tally->bytes);
    counter_add(streams->counters, COUNTER_DELIVERED, tally->delivered);
    counter_subtract(streams->counters, COUNTER_PENDING, tally->delivered);
}

void stream_queue_clear(struct streams *streams, struct stream *stream) {
    while (stream->head != BLOCK_NONE) {
        uint32_t id = pop_head(streams, stream);
        if (id == BLOCK_NONE)
            continue;
        struct parcel *parcel = parcel_at(streams->blocks, id);
        counter_add(streams->counters, COUNTER_DROPPED_CLOSED, stream_queue_messages(parcel));
        stream_queue_unaccount(streams, stream, parcel);
        parcel_unref(streams->blocks, id);
    }
    stream->head_sent_bytes = 0;
}

// The gap's turn has come: its event takes its place. False when the owner leaves it out.
static bool encode_gap(struct streams *streams, struct stream *stream, struct stream_node *node) {
    struct stream_gap gap = *gap_at(streams, node->gap);
    uint32_t id = stream->owner == STREAM_NO_OWNER
                      ? BLOCK_NONE
                      : stream_port_gap(streams->port, stream->owner, gap.room, gap.from, gap.to);
    if (id == BLOCK_NONE)
        return false;
    slab_release(&streams->gaps, node->gap);
    node->parcel = id;
    node->gap = 0;
    stream_queue_account(streams, stream, parcel_at(streams->blocks, id));
    return true;
}

static void remove_gap(struct streams *streams, struct stream *stream, uint32_t previous,
                       uint32_t at) {
    slab_release(&streams->gaps, stream_queue_node(streams, at)->gap);
    unlink_node(streams, stream, previous, at);
    if (stream->head == SLAB_NONE) {
        stream->head = BLOCK_NONE;
        stream->flags &= ~STREAM_LISTED & 0xfffu;
    }
}

uint32_t stream_queue_gather(struct streams *streams, struct stream *stream, struct iovec *pieces,
                             uint32_t *bytes) {
    uint32_t count = 0;
    uint32_t skip = stream->head_sent_bytes;
    uint32_t previous = SLAB_NONE;
    uint32_t at = stream->head;
    *bytes = 0;
    while (at != SLAB_NONE && count < RING_IOVECS_MAX) {
        struct stream_node *node = stream_queue_node(streams, at);
        uint32_t next = node->next;
        if (node->parcel == BLOCK_NONE && !encode_gap(streams, stream, node)) {
            remove_gap(streams, stream, previous, at);
            at = next;
            continue;
        }
        struct parcel *parcel = parcel_at(streams->blocks, node->parcel);
        uint32_t size = parcel->size - skip;
        if (count > 0 && *bytes + size > streams->config.send_bytes_max)
            break;
        pieces[count++] = (struct iovec){parcel->data + skip, size};
        *bytes += size;
        skip = 0;
        previous = at;
        at = next;
    }
    return count;
}

void stream_queue_encode_gaps(struct streams *streams, struct stream *stream) {
    if (!(stream->flags & STREAM_LISTED))
        return;
    uint32_t previous = SLAB_NONE;
    for (uint32_t at = stream->head; at != SLAB_NONE && at != BLOCK_NONE;) {
        struct stream_node *node = stream_queue_node(streams, at);
        uint32_t next = node->next;
        if (node->parcel == BLOCK_NONE && !encode_gap(streams, stream, node))
            remove_gap(streams, stream, previous, at);
        else
            previous = at;
        at = next;
    }
}

void stream_seal(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    stream_queue_encode_gaps(streams, stream);
    if (stream->room_bytes == 0 || !stream_queue_make_list(streams, stream))
        return; // nothing that could be dropped; or no memory to list more: the same
    stream_queue_node(streams, stream->tail)->gap = NODE_SEALED;
    stream->is_sealed = true;
}

void stream_queue_tell_writable(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    if (LIKELY(!(stream->flags & STREAM_OVER_HALF)) ||
        stream->control_bytes > streams->config.control_bytes_max / 2)
        return;
    stream->flags &= ~STREAM_OVER_HALF & 0xfffu;
    bool is_open = stream->state == STREAM_OPEN || stream->state == STREAM_HALTING;
    if (stream->owner != STREAM_NO_OWNER && is_open)
        stream_port_writable(streams->port, index, stream->owner);
}

uint64_t stream_queue_validate(const struct streams *streams, uint32_t index) {
    const struct stream *stream = stream_at(streams, index);
    uint64_t pending = 0;
    uint32_t room_bytes = 0;
    uint32_t control_bytes = 0;
    bool is_listed = (stream->flags & STREAM_LISTED) != 0;
    for (uint32_t at = stream->head; at != SLAB_NONE;) {
        uint32_t id = is_listed ? stream_queue_node(streams, at)->parcel : at;
        uint32_t next = is_listed ? stream_queue_node(streams, at)->next : SLAB_NONE;
        CHECKF(!is_listed || next != SLAB_NONE || at == stream->tail, "stream %u: tail", index);
        at = next;
        if (id == BLOCK_NONE)
            continue;
        const struct parcel *parcel = parcel_at(streams->blocks, id);
        CHECKF(parcel->refs > 0, "stream %u: parcel %u", index, id);
        pending += stream_queue_messages(parcel);
        if (stream_queue_is_room(parcel))
            room_bytes += parcel->size;
        else
            control_bytes += parcel->size;
    }
    CHECKF(room_bytes == stream->room_bytes && control_bytes == stream->control_bytes,
           "stream %u: bytes", index);
    return pending;
}
