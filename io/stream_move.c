// Moving a stream, both ends; the manual is io/stream_move.h.
//
//   source:  OPEN → HALTING → HALTED → PASSING → PASSED → EXPORTED → CLOSING
//   target:  (expected) → WAITING → OPEN
//
//   transition                  performed by
//   OPEN → HALTING              stream_move_begin: cancels what is armed
//   HALTING → HALTED            moving_settle: nothing in flight, no send unsettled
//   HALTED → PASSING            stream_move_pass
//   PASSING → PASSED, HALTED    stream_on_pass
//   PASSED → EXPORTED           stream_move_export: the queue is off
//   EXPORTED → CLOSING          stream_move_abandon: closes without a shutdown
//   HALTING, HALTED, PASSED → OPEN  stream_move_cancel
//   FREE → WAITING              stream_on_arrive
//   WAITING → OPEN              stream_move_import
//   → FLUSHING, QUIESCING       io/stream.c, as from OPEN
//
// STREAM_SHARED is set from the moment that the other ring may have the file until abandon: whoever
// closes meanwhile shuts the socket down first.
#include "io/stream_move.h"

#include <errno.h>

#include "io/stream_internal.h"

int moving_init(struct streams *streams, struct memory_ledger *ledger) {
    uint32_t lanes = ring_lane_count(streams->ring);
    streams->lane_expected = memory_reserve(ledger, "expected per lane", lanes * sizeof(uint32_t));
    if (!streams->lane_expected)
        return -ENOMEM;
    return slab_init(&streams->expected, ledger, "expected streams", sizeof(struct stream_expected),
                     STREAM_MOVES_EXPECTED_MAX);
}

// --- source --------------------------------------------------------------------------------------

bool stream_move_begin(struct streams *streams, struct handle handle) {
    struct stream *stream = slab_lookup(&streams->slots, handle);
    if (!stream || stream->state != STREAM_OPEN)
        return false;
    stream_set_state(stream, STREAM_HALTING);
    stream_recv_cancel(streams, handle.index);
    if (stream->flags & STREAM_BLOCKED)
        ring_submit_cancel(streams->ring, handle, TOKEN_POLL_OUT);
    if (!(stream->flags & STREAM_IN_HALTING)) {
        stream->flags |= STREAM_IN_HALTING;
        stream_list_push(streams, &streams->halting, handle);
    }
    streams->is_awaiting_settle = true; // nothing may be armed that would begin a turn
    return true;
}

// Every send is settled by now. Those that are there when it begins, each once: an upcall may begin
// another.
void moving_settle(struct streams *streams) {
    struct stream_list *list = &streams->halting;
    for (uint32_t left = list->count - list->first; left > 0 && list->first < list->count; left--) {
        struct handle handle = list->items[list->first++];
        struct stream *stream = slab_lookup(&streams->slots, handle);
        if (!stream)
            continue;
        if (stream->state == STREAM_HALTING && stream->in_flight > 0) {
            stream_list_push(streams, list, handle);
            continue;
        }
        stream->flags &= ~STREAM_IN_HALTING & 0xfffu;
        if (stream->state != STREAM_HALTING)
            continue;
        stream_set_state(stream, STREAM_HALTED);
        if (stream->owner != STREAM_NO_OWNER)
            stream_port_move_ready(streams->port, handle.index, stream->owner);
    }
    if (list->first == list->count)
        list->first = list->count = 0;
}

void stream_move_pass(struct streams *streams, uint32_t index, const struct stream_ticket *ticket) {
    struct stream *stream = slab_get(&streams->slots, index);
    CHECKF(stream->state == STREAM_HALTED, "stream %u: state %u", index, (unsigned)stream->state);
    stream_set_state(stream, STREAM_PASSING);
    stream->in_flight = 1;
    ring_submit_pass(streams->ring, stream_handle(streams, index), ticket->target,
                     ticket->expected);
}

void stream_on_pass(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    int32_t result = completion->result;
    if (result >= 0 || result == -EOVERFLOW)
        stream->flags |= STREAM_SHARED;
    if (result < 0)
        counter_add(streams->counters, COUNTER_PASSES_FAILED, 1);
    if (stream->state != STREAM_PASSING) { // closed meanwhile
        stream_on_landed(streams, index);
        return;
    }
    stream->in_flight--;
    if (result == -EOVERFLOW) {
        stream_fail(streams, index, result);
        return;
    }
    stream_set_state(stream, result >= 0 ? STREAM_PASSED : STREAM_HALTED);
    if (stream->owner != STREAM_NO_OWNER)
        stream_port_move_passed(streams->port, index, stream->owner, result < 0 ? -result : 0);
}

uint32_t stream_move_export_size(struct streams *streams, uint32_t index) {
    struct stream *stream = slab_get(&streams->slots, index);
    CHECKF(stream->state == STREAM_HALTED || stream->state == STREAM_PASSED, "stream %u: state %u",
           index, (unsigned)stream->state);
    stream_queue_encode_gaps(streams, stream);
    return stream_carry_write(streams, stream, NULL);
}

void stream_move_export(struct streams *streams, uint32_t index, uint8_t *out, uint32_t size) {
    struct stream *stream = slab_get(&streams->slots, index);
    stream_queue_encode_gaps(streams, stream);
    uint32_t bytes = stream_carry_write(streams, stream, NULL);
    CHECKF(bytes == size, "stream %u: an export of %u bytes into %u", index, bytes, size);
    stream_set_state(stream, STREAM_EXPORTED);
    (void)stream_carry_write(streams, stream, out);
    stream_carry_release(streams, stream);
}

void stream_move_abandon(struct streams *streams, uint32_t index) {
    struct stream *stream = slab_get(&streams->slots, index);
    CHECKF(stream->state == STREAM_EXPORTED, "stream %u: state %u", index, (unsigned)stream->state);
    stream->owner = STREAM_NO_OWNER;
    stream->flags &= ~STREAM_SHARED & 0xfffu;
    stream_set_state(stream, STREAM_CLOSING);
    stream->in_flight = 1;
    counter_add(streams->counters, COUNTER_STREAMS_LEFT, 1);
    ring_submit_close(streams->ring, stream_handle(streams, index));
}

// Opens it, again or at last.
static void go_on(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    stream_set_state(stream, STREAM_OPEN);
    stream->second = stream_second(streams);
    stream_recv_resume(streams, index);
    if (stream->head != BLOCK_NONE && !(stream->flags & (STREAM_BLOCKED | STREAM_SUBMITTED)))
        stream_mark_dirty(streams, index);
}

bool stream_move_cancel(struct streams *streams, struct handle handle) {
    const struct stream *stream = slab_lookup(&streams->slots, handle);
    if (!stream || (stream->state != STREAM_HALTING && stream->state != STREAM_HALTED &&
                    stream->state != STREAM_PASSED))
        return false;
    go_on(streams, handle.index);
    return true;
}

// --- target --------------------------------------------------------------------------------------

int stream_move_expect(struct streams *streams, uint64_t tag, struct stream_ticket *ticket) {
    if (!ring_can_pass(streams->ring) || !streams->slots.chosen_by_kernel)
        return -EOPNOTSUPP;
    if (streams->expected.used_count == STREAM_MOVES_EXPECTED_MAX)
        return -EBUSY;
    uint32_t lane;
    int result = accepting_reserve(streams, &lane);
    if (result < 0)
        return result;
    uint32_t index;
    struct stream_expected *expected = slab_acquire(&streams->expected, &index);
    CHECK(expected);
    expected->lane = lane;
    expected->tag = tag;
    ticket->target = ring_pass_target(streams->ring, lane);
    ticket->expected = slab_handle(&streams->expected, index);
    return 0;
}

void stream_move_unexpect(struct streams *streams, struct handle handle) {
    const struct stream_expected *expected = slab_lookup(&streams->expected, handle);
    if (!expected)
        return;
    streams->lane_expected[expected->lane]--;
    slab_release(&streams->expected, handle.index);
    accepting_on_slot_free(streams);
}

void moving_forget(struct streams *streams) {
    for (uint32_t i = 0; streams->expected.used_count > 0; i++) {
        if (slab_is_used(&streams->expected, i))
            stream_move_unexpect(streams, slab_handle(&streams->expected, i));
    }
}

void stream_on_arrive(struct streams *streams, const struct ring_completion *completion) {
    struct handle handle = {completion->index, completion->generation};
    const struct stream_expected *expected = slab_lookup(&streams->expected, handle);
    if (completion->result < 0) { // none is known; the pass tells its sender
        counter_add(streams->counters, COUNTER_STALE_COMPLETIONS, 1);
        return;
    }
    uint32_t index = (uint32_t)completion->result;
    (void)stream_take_slot(streams, index, STREAM_WAITING);
    if (!expected) { // unexpected meanwhile: it lets go of it
        counter_add(streams->counters, COUNTER_STALE_COMPLETIONS, 1);
        stream_quiesce(streams, index);
        return;
    }
    struct stream_opening opening = {
        .by = STREAM_ARRIVED, .owner = SLAB_NONE, .acceptor = SLAB_NONE, .tag = expected->tag};
    stream_move_unexpect(streams, handle);
    counter_add(streams->counters, COUNTER_STREAMS_ARRIVED, 1);
    stream_port_open(streams->port, index, &opening);
}

int stream_move_import(struct streams *streams, uint32_t index, const uint8_t *bytes,
                       uint32_t size) {
    struct stream *stream = slab_get(&streams->slots, index);
    CHECKF(stream->state == STREAM_WAITING, "stream %u: state %u", index, (unsigned)stream->state);
    if (!stream_carry_read(streams, stream, bytes, size))
        return -ENOMEM;
    go_on(streams, index);
    return 0;
}
