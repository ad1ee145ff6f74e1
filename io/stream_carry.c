// An out-queue as bytes, for the way to another core.
//
//   head: over half, runs | run: size, budget, messages, its bytes | run … (all in the host's
//   order)
//
// A run is one parcel, or several small ones of the same budget that follow each other: it becomes
// one parcel there, so that budgets stay as they were and each message counts as delivered when
// its own run was taken.
#include <string.h>

#include "io/stream_internal.h"

#define RUN_BYTES 8192 // parcels are joined up to here: messages in flight are counted so finely

struct head {
    uint32_t is_over_half; // stream_port_writable is owed
    uint32_t run_count;
};

struct run {
    uint32_t size : 31;
    uint32_t is_room : 1; // of the room budget
    uint32_t message_count;
};

_Static_assert(sizeof(struct head) == 8 && sizeof(struct run) == 8, "STREAM_MOVE's bounds");

// Closes the run whose header stands at `at`.
static void put_run(uint8_t *out, uint32_t at, struct run run) {
    if (out)
        memcpy(out + at, &run, sizeof(run));
}

uint32_t stream_carry_write(struct streams *streams, const struct stream *stream, uint8_t *out) {
    struct head head = {.is_over_half = (stream->flags & STREAM_OVER_HALF) != 0};
    struct run run = {0};
    uint32_t run_at = 0;
    uint32_t bytes = sizeof(head);
    uint32_t skip = stream->head_sent_bytes;
    bool is_listed = (stream->flags & STREAM_LISTED) != 0;
    for (uint32_t at = stream->head; at != SLAB_NONE;) {
        const struct stream_node *node = is_listed ? stream_queue_node(streams, at) : NULL;
        const struct parcel *parcel = parcel_at(streams->blocks, node ? node->parcel : at);
        uint32_t size = parcel->size - skip;
        uint32_t is_room = stream_queue_is_room(parcel);
        if (head.run_count == 0 || run.is_room != is_room || run.size + size > RUN_BYTES) {
            put_run(out, run_at, run); // the first time where the head comes later
            head.run_count++;
            run_at = bytes;
            run = (struct run){.is_room = is_room & 1u};
            bytes += (uint32_t)sizeof(run);
        }
        if (out)
            memcpy(out + bytes, parcel->data + skip, size);
        bytes += size;
        run.size = (run.size + size) & INT32_MAX;
        run.message_count += (uint32_t)stream_queue_messages(parcel);
        skip = 0;
        at = node ? node->next : SLAB_NONE;
    }
    put_run(out, run_at, run);
    if (out)
        memcpy(out, &head, sizeof(head));
    return bytes;
}

void stream_carry_release(struct streams *streams, struct stream *stream) {
    while (stream->head != BLOCK_NONE) {
        uint32_t id = stream_queue_pop(streams, stream);
        const struct parcel *parcel = parcel_at(streams->blocks, id);
        counter_add(streams->counters, COUNTER_MOVED_OUT, stream_queue_messages(parcel));
        stream_queue_unaccount(streams, stream, parcel);
        parcel_unref(streams->blocks, id);
    }
    stream->head_sent_bytes = 0;
}

// What was pushed since the stream arrived, set aside.
struct aside {
    uint32_t head;
    uint32_t tail;
    bool is_listed;
};

static struct aside set_aside(struct stream *stream) {
    struct aside aside = {stream->head, stream->tail, (stream->flags & STREAM_LISTED) != 0};
    stream->head = BLOCK_NONE;
    stream->flags &= ~STREAM_LISTED & 0xfffu;
    return aside;
}

static void put_back(struct stream *stream, struct aside aside) {
    stream->head = aside.head;
    stream->tail = aside.tail;
    if (aside.is_listed)
        stream->flags |= STREAM_LISTED;
}

// Behind what the queue holds now. False without memory.
static bool join(struct streams *streams, struct stream *stream, struct aside aside) {
    if (stream->head == BLOCK_NONE) {
        put_back(stream, aside);
    } else if (aside.is_listed) {
        if (!stream_queue_make_list(streams, stream))
            return false;
        stream_queue_node(streams, stream->tail)->next = aside.head;
        stream->tail = aside.tail;
    } else if (aside.head != BLOCK_NONE) {
        const struct parcel *parcel = parcel_at(streams->blocks, aside.head);
        if (!stream_queue_append(streams, stream, aside.head))
            return false;
        stream_queue_unaccount(streams, stream, parcel); // counted when it was pushed
        parcel_unref(streams->blocks, aside.head);
    }
    return true;
}

// One run becomes one parcel at the end of the queue. False without memory.
static bool append_run(struct streams *streams, struct stream *stream, struct run run,
                       const uint8_t *bytes) {
    uint32_t id =
        parcel_acquire(streams->blocks, run.size, run.is_room ? PARCEL_ROOM : PARCEL_CONTROL);
    if (id == BLOCK_NONE)
        return false;
    struct parcel *parcel = parcel_at(streams->blocks, id);
    parcel->is_moved = true;
    parcel->message_count = run.message_count;
    memcpy(parcel->data, bytes, run.size);
    bool is_queued = stream_queue_append(streams, stream, id);
    parcel_unref(streams->blocks, id);
    return is_queued;
}

static bool append_runs(struct streams *streams, struct stream *stream, uint32_t run_count,
                        const uint8_t *bytes, uint32_t size) {
    for (uint32_t i = 0, at = 0; i < run_count; i++) {
        struct run run;
        memcpy(&run, bytes + at, sizeof(run));
        at += (uint32_t)sizeof(run);
        CHECK(run.size <= size - at);
        if (!append_run(streams, stream, run, bytes + at))
            return false;
        at += run.size;
    }
    return true;
}

// The whole of it, so that memory that is out in the middle leaves no message uncounted.
static uint64_t count_messages(uint32_t run_count, const uint8_t *bytes, uint32_t size) {
    uint64_t messages = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < run_count; i++) {
        struct run run;
        CHECK(size - at >= sizeof(run));
        memcpy(&run, bytes + at, sizeof(run));
        at += (uint32_t)sizeof(run);
        CHECK(size - at >= run.size);
        at += run.size;
        messages += run.message_count;
    }
    CHECKF(at == size, "an export of %u bytes holds %u", size, at);
    return messages;
}

bool stream_carry_read(struct streams *streams, struct stream *stream, const uint8_t *bytes,
                       uint32_t size) {
    struct head head;
    CHECKF(size >= sizeof(head), "an export of %u bytes", size);
    memcpy(&head, bytes, sizeof(head));
    bytes += sizeof(head);
    size -= (uint32_t)sizeof(head);
    uint64_t messages = count_messages(head.run_count, bytes, size);
    counter_add(streams->counters, COUNTER_MOVED_IN, messages);
    struct aside aside = set_aside(stream);
    if (!append_runs(streams, stream, head.run_count, bytes, size) ||
        !join(streams, stream, aside)) {
        while (stream->head != BLOCK_NONE) {
            uint32_t id = stream_queue_pop(streams, stream);
            stream_queue_unaccount(streams, stream, parcel_at(streams->blocks, id));
            parcel_unref(streams->blocks, id);
        }
        put_back(stream, aside);
        counter_add(streams->counters, COUNTER_DROPPED_MEMORY, messages);
        return false;
    }
    // Also where the part that was sent took it under half: the owner still waits to be told.
    if (head.is_over_half)
        stream->flags |= STREAM_OVER_HALF;
    counter_raise(streams->counters, COUNTER_QUEUE_BYTES_MAX,
                  (uint64_t)stream->room_bytes + stream->control_bytes);
    return true;
}
