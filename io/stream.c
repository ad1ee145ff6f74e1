// The life of a stream.
//
//   FREE --accept--> OPEN --close(FLUSH)--> FLUSHING --queue empty--> LINGERING --FIN--> QUIESCING
//   FREE --connect-> CONNECTING --> OPEN                                                  |
//   any but FREE, CLOSING ------------------ abort, error, deadline -----> QUIESCING      |
//   QUIESCING --nothing in flight--> CLOSING --close completed--> FREE   <----------------+
//
//   transition              performed by
//   FREE → OPEN             stream_open_accepted
//   FREE → CONNECTING       connect_open
//   CONNECTING → OPEN       on_connect
//   OPEN → FLUSHING         begin_flush (stream_close, stream_on_peer_end)
//   FLUSHING → LINGERING    stream_on_drained: submits shutdown(WR)
//   … → QUIESCING           stream_quiesce: cancels all that is armed
//   QUIESCING → CLOSING     stream_close_when_landed: submits the close
//   CLOSING → FREE          on_close: the slot's generation moves on
//   HALTING … WAITING       io/stream_move.c; from there QUIESCING and FLUSHING as from OPEN
//
// A slot is released only after the close completed, and the close is submitted only when no other
// operation of the stream is in flight; sends never outlive the enter that submits them.
#include "io/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "io/stream_internal.h"

#define BIT(state) (1u << (state))

// Index: from. Bits: to.
static const uint16_t transitions[STREAM_STATE_COUNT] = {
    [STREAM_FREE] = BIT(STREAM_CONNECTING) | BIT(STREAM_OPEN) | BIT(STREAM_WAITING),
    [STREAM_CONNECTING] = BIT(STREAM_OPEN) | BIT(STREAM_QUIESCING),
    [STREAM_OPEN] = BIT(STREAM_FLUSHING) | BIT(STREAM_QUIESCING) | BIT(STREAM_HALTING),
    [STREAM_FLUSHING] = BIT(STREAM_LINGERING) | BIT(STREAM_QUIESCING),
    [STREAM_LINGERING] = BIT(STREAM_QUIESCING),
    [STREAM_QUIESCING] = BIT(STREAM_CLOSING),
    [STREAM_CLOSING] = BIT(STREAM_FREE),
    // io/stream_move.c
    [STREAM_HALTING] =
        BIT(STREAM_HALTED) | BIT(STREAM_OPEN) | BIT(STREAM_FLUSHING) | BIT(STREAM_QUIESCING),
    [STREAM_HALTED] =
        BIT(STREAM_PASSING) | BIT(STREAM_OPEN) | BIT(STREAM_FLUSHING) | BIT(STREAM_QUIESCING),
    [STREAM_PASSING] =
        BIT(STREAM_PASSED) | BIT(STREAM_HALTED) | BIT(STREAM_FLUSHING) | BIT(STREAM_QUIESCING),
    [STREAM_PASSED] =
        BIT(STREAM_EXPORTED) | BIT(STREAM_OPEN) | BIT(STREAM_FLUSHING) | BIT(STREAM_QUIESCING),
    [STREAM_EXPORTED] = BIT(STREAM_CLOSING) | BIT(STREAM_QUIESCING),
    [STREAM_WAITING] = BIT(STREAM_OPEN) | BIT(STREAM_QUIESCING),
};

void stream_set_state(struct stream *stream, enum stream_state state) {
    CHECKF(transitions[stream->state] & BIT(state), "stream state %u to %u",
           (unsigned)stream->state, (unsigned)state);
    stream->state = state & 15u;
}

static void *reserve_list(struct memory_ledger *ledger, const char *name, struct stream_list *list,
                          uint32_t slots) {
    list->capacity = slots * 2;
    list->items = memory_reserve(ledger, name, (size_t)list->capacity * sizeof(*list->items));
    return list->items;
}

static bool reserve_starved(struct streams *streams, struct memory_ledger *ledger) {
    struct stream_list all;
    uint32_t lanes = ring_lane_count(streams->ring);
    uint32_t per_lane = ring_descriptors_per_lane(streams->ring);
    streams->starved = memory_reserve(ledger, "starved lanes", lanes * sizeof(all));
    if (!streams->starved || !reserve_list(ledger, "starved streams", &all, lanes * per_lane))
        return false;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        streams->starved[lane].items = all.items + (size_t)lane * per_lane * 2;
        streams->starved[lane].capacity = per_lane * 2;
    }
    return true;
}

static void set_defaults(struct stream_config *config, uint32_t slots) {
    if (config->connections_max == 0 || config->connections_max > slots)
        config->connections_max = slots;
    if (config->out_queue_bytes_max == 0)
        config->out_queue_bytes_max = 64u << 10;
    if (config->control_bytes_max == 0)
        config->control_bytes_max = 256u << 10;
    if (config->send_bytes_max == 0)
        config->send_bytes_max = 256u << 10;
    if (config->recv_turn_bytes_max == 0)
        config->recv_turn_bytes_max = 64u << 10;
    if (config->park_after_s == 0)
        config->park_after_s = 2;
    if (config->linger_s == 0)
        config->linger_s = 5;
    if (config->queued_parcels_max == 0)
        config->queued_parcels_max = 1u << 20;
    CHECKF(config->park_after_s <= 100 && config->linger_s <= 100,
           "park_after_s %u, linger_s %u: seconds are kept modulo 256", config->park_after_s,
           config->linger_s);
}

int streams_init(struct streams *streams, struct memory_ledger *ledger, struct ring *ring,
                 struct blocks *blocks, struct counters *counters,
                 const struct stream_config *config, void *port) {
    *streams = (struct streams){.park_cursor = PARK_DONE,
                                .ring = ring,
                                .blocks = blocks,
                                .counters = counters,
                                .port = port,
                                .config = *config,
                                .burst_index = SLAB_NONE};
    uint32_t slots = ring_lane_count(ring) * ring_descriptors_per_lane(ring);
    set_defaults(&streams->config, slots);
    uint32_t nodes = streams->config.queued_parcels_max;
    if (slab_init(&streams->slots, ledger, "streams", sizeof(struct stream), slots) < 0 ||
        slab_init(&streams->nodes, ledger, "queued parcels", sizeof(struct stream_node), nodes) <
            0 ||
        slab_init(&streams->gaps, ledger, "queued gaps", sizeof(struct stream_gap), nodes) < 0)
        return -ENOMEM;
    streams->slots.chosen_by_kernel = !config->connects;
    streams->dirty_capacity = slots * 2;
    streams->dirty =
        memory_reserve(ledger, "dirty streams", (size_t)slots * 2 * sizeof(*streams->dirty));
    streams->submitted =
        memory_reserve(ledger, "submitted sends", (size_t)slots * sizeof(*streams->submitted));
    streams->lane_used = memory_reserve(ledger, "lane use", RING_LANES_MAX * sizeof(uint32_t));
    if (!streams->dirty || !streams->submitted || !streams->lane_used ||
        !reserve_list(ledger, "hot streams", &streams->hot, slots) ||
        !reserve_list(ledger, "lingering streams", &streams->lingering, slots) ||
        !reserve_list(ledger, "halting streams", &streams->halting, slots) ||
        !reserve_starved(streams, ledger) || moving_init(streams, ledger) < 0)
        return -ENOMEM;
    return accepting_init(streams, ledger);
}

void streams_fini(struct streams *streams) {
    slab_check_empty(&streams->slots);
    slab_check_empty(&streams->nodes);
    slab_check_empty(&streams->gaps);
    slab_check_empty(&streams->expected);
}

void streams_close_all(struct streams *streams, enum stream_close_how how) {
    moving_forget(streams);
    for (uint32_t i = 0; i < streams->slots.touched_count; i++) {
        if (slab_is_used(&streams->slots, i))
            stream_close(streams, stream_handle(streams, i), how);
    }
}

uint32_t streams_used_count(const struct streams *streams) {
    return streams->slots.used_count;
}

void stream_set_owner(struct streams *streams, uint32_t index, uint32_t owner) {
    ((struct stream *)slab_get(&streams->slots, index))->owner = owner;
}

void stream_list_push(struct streams *streams, struct stream_list *list, struct handle handle) {
    if (UNLIKELY(list->count == list->capacity)) {
        uint32_t kept = 0;
        for (uint32_t i = list->first; i < list->count; i++) {
            if (slab_lookup(&streams->slots, list->items[i]))
                list->items[kept++] = list->items[i];
        }
        list->first = 0;
        list->count = kept;
    }
    CHECKF(list->count < list->capacity, "stream list of %u", list->capacity);
    list->items[list->count++] = handle;
}

static void tell_end(struct streams *streams, struct stream *stream, uint32_t index,
                     enum stream_end reason) {
    uint32_t owner = stream->owner;
    stream->owner = STREAM_NO_OWNER;
    if (owner != STREAM_NO_OWNER)
        stream_port_end(streams->port, index, owner, reason);
}

void stream_close_when_landed(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    if (stream->state != STREAM_QUIESCING || stream->in_flight > 0 ||
        (stream->flags & STREAM_SUBMITTED))
        return;
    stream->in_flight = 1;
    if (UNLIKELY(stream->flags & STREAM_SHARED)) { // closing our descriptor would say nothing
        stream->flags &= ~STREAM_SHARED & 0xfffu;
        ring_submit_shutdown(streams->ring, stream_handle(streams, index), SHUT_RDWR);
        return;
    }
    stream_set_state(stream, STREAM_CLOSING);
    ring_submit_close(streams->ring, stream_handle(streams, index));
}

void stream_on_landed(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    CHECKF(stream->in_flight > 0, "stream %u: more completions than operations", index);
    stream->in_flight--;
    stream_close_when_landed(streams, index);
}

void stream_quiesce(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    if (stream->state == STREAM_QUIESCING || stream->state == STREAM_CLOSING)
        return;
    if (stream->state == STREAM_CONNECTING && stream->in_flight > 0)
        ring_submit_cancel(streams->ring, stream_handle(streams, index), TOKEN_CONNECT);
    stream_set_state(stream, STREAM_QUIESCING);
    stream_recv_cancel(streams, index);
    if (stream->flags & STREAM_BLOCKED)
        ring_submit_cancel(streams->ring, stream_handle(streams, index), TOKEN_POLL_OUT);
    // What was submitted and is not settled may have been taken: stream_settle clears it.
    if (stream->flags & STREAM_SUBMITTED)
        return;
    stream_queue_clear(streams, stream);
    stream_close_when_landed(streams, index);
}

void stream_fail(struct streams *streams, uint32_t index, int error) {
    struct stream *stream = stream_at(streams, index);
    if (stream->state == STREAM_QUIESCING || stream->state == STREAM_CLOSING)
        return;
    bool is_reset = error == -ECONNRESET || error == -EPIPE || error == -ECONNABORTED;
    if (is_reset)
        counter_add(streams->counters, COUNTER_STREAMS_RESET, 1);
    stream->flags |= STREAM_PEER_ENDED;
    tell_end(streams, stream, index, is_reset ? STREAM_END_RESET : STREAM_END_ERROR);
    stream_quiesce(streams, index);
}

static void begin_flush(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    stream_set_state(stream, STREAM_FLUSHING);
    stream->second = (streams->now_s + streams->config.linger_s) & 255u;
    stream_list_push(streams, &streams->lingering, stream_handle(streams, index));
    if (stream->head == BLOCK_NONE)
        stream_on_drained(streams, index);
    else if (!(stream->flags & (STREAM_BLOCKED | STREAM_SUBMITTED)))
        stream_mark_dirty(streams, index);
}

void stream_on_drained(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    if (stream->flags & STREAM_PEER_ENDED) {
        stream_quiesce(streams, index);
        return;
    }
    stream_set_state(stream, STREAM_LINGERING);
    stream->second = (streams->now_s + streams->config.linger_s) & 255u;
    stream->in_flight++;
    ring_submit_shutdown(streams->ring, stream_handle(streams, index), SHUT_WR);
    // From here on it reads, also where the owner had paused it: for the FIN.
    stream->flags &= ~STREAM_PAUSED & 0xfffu;
    stream_recv_arm_next(streams, index);
}

void stream_on_peer_end(struct streams *streams, uint32_t index) {
    struct stream *stream = stream_at(streams, index);
    enum stream_state state = stream->state;
    stream->flags |= STREAM_PEER_ENDED;
    switch (state) {
    case STREAM_OPEN:
    case STREAM_HALTING:                           // the move is off
        stream_queue_encode_gaps(streams, stream); // it may read on
        tell_end(streams, stream, index, STREAM_END_PEER_CLOSED);
        if (stream->state != state)
            return; // the owner closed it meanwhile
        if (stream->head == BLOCK_NONE)
            stream_quiesce(streams, index);
        else
            begin_flush(streams, index);
        return;
    case STREAM_LINGERING:
        stream_quiesce(streams, index);
        return;
    case STREAM_FLUSHING: // stream_on_drained goes on
    case STREAM_QUIESCING:
    case STREAM_CLOSING:
    case STREAM_FREE:
    case STREAM_CONNECTING:
    case STREAM_HALTED: // nothing is read in these
    case STREAM_PASSING:
    case STREAM_PASSED:
    case STREAM_EXPORTED:
    case STREAM_WAITING:
    case STREAM_STATE_COUNT:
        return;
    }
    UNREACHABLE();
}

void stream_close(struct streams *streams, struct handle handle, enum stream_close_how how) {
    struct stream *stream = slab_lookup(&streams->slots, handle);
    if (!stream)
        return;
    bool is_source = stream_is_held(stream) && stream->state != STREAM_WAITING;
    if (how == STREAM_CLOSE_FLUSH && (stream->state == STREAM_OPEN || is_source)) {
        begin_flush(streams, handle.index);
        if (is_source)
            stream_recv_arm_next(streams, handle.index); // a reset is noticed at once
    } else if (how == STREAM_CLOSE_ABORT || stream->state == STREAM_CONNECTING ||
               stream->state == STREAM_EXPORTED || stream->state == STREAM_WAITING) {
        stream_quiesce(streams, handle.index);
    }
}

struct stream *stream_take_slot(struct streams *streams, uint32_t index, enum stream_state state) {
    struct stream *stream = slab_acquire_at(&streams->slots, index);
    streams->lane_used[ring_lane_of(streams->ring, index)]++;
    stream->owner = STREAM_NO_OWNER;
    stream->head = BLOCK_NONE;
    stream->second = stream_second(streams);
    stream_set_state(stream, state);
    counter_add(streams->counters, COUNTER_STREAMS_OPENED, 1);
    return stream;
}

void stream_open_accepted(struct streams *streams, uint32_t index,
                          const struct stream_opening *opening) {
    struct stream *stream = stream_take_slot(streams, index, STREAM_OPEN);
    counter_add(streams->counters, COUNTER_ACCEPTS, 1);
    stream_port_open(streams->port, index, opening);
    if (stream->state == STREAM_OPEN)
        stream_recv_arm_hot(streams, index); // the request follows at once, most likely
}

static void on_connect(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    if (stream->state != STREAM_CONNECTING) {
        stream_on_landed(streams, index);
        return;
    }
    stream->in_flight--;
    uint32_t owner = stream->owner;
    if (completion->result < 0) {
        stream->owner = STREAM_NO_OWNER;
        stream_quiesce(streams, index);
        stream_port_connect_failed(streams->port, owner, -completion->result);
        return;
    }
    stream_set_state(stream, STREAM_OPEN);
    stream->second = stream_second(streams);
    counter_add(streams->counters, COUNTER_STREAMS_OPENED, 1);
    struct stream_opening opening = {.by = STREAM_CONNECTED, .owner = owner, .acceptor = SLAB_NONE};
    stream_port_open(streams->port, index, &opening);
    if (stream->state == STREAM_OPEN)
        stream_recv_arm_hot(streams, index);
}

static void on_shutdown(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    bool is_gone = completion->result < 0; // ENOTCONN: a reset was faster
    if (is_gone && stream_at(streams, index)->state == STREAM_LINGERING)
        stream_quiesce(streams, index);
    stream_on_landed(streams, index);
}

static void on_close(struct streams *streams, const struct ring_completion *completion) {
    uint32_t index = completion->index;
    struct stream *stream = stream_at(streams, index);
    CHECKF(stream->state == STREAM_CLOSING && stream->head == BLOCK_NONE, "stream %u", index);
    tell_end(streams, stream, index, STREAM_END_LOCAL);
    stream_set_state(stream, STREAM_FREE);
    streams->lane_used[ring_lane_of(streams->ring, index)]--;
    counter_add(streams->counters, COUNTER_STREAMS_CLOSED, 1);
    slab_release(&streams->slots, index);
    accepting_on_slot_free(streams);
}

static bool is_of_a_stream(const struct ring_completion *completion) {
    return completion->op >= TOKEN_CONNECT && completion->op <= TOKEN_CLOSE;
}

void stream_on_completion(struct streams *streams, const struct ring_completion *completion) {
    if (is_of_a_stream(completion)) {
        struct handle handle = {completion->index, completion->generation};
        if (UNLIKELY(!slab_lookup(&streams->slots, handle))) {
            counter_add(streams->counters, COUNTER_STALE_COMPLETIONS, 1);
            ring_release_buffer(streams->ring, completion);
            return;
        }
    }
    switch ((enum token_op)completion->op) {
    case TOKEN_ACCEPT:
        return accepting_on_completion(streams, completion);
    case TOKEN_CONNECT:
        return on_connect(streams, completion);
    case TOKEN_POLL_IN:
        return stream_on_poll_in(streams, completion);
    case TOKEN_POLL_OUT:
        return stream_on_poll_out(streams, completion);
    case TOKEN_RECV:
    case TOKEN_RECV_MULTI:
        return stream_on_recv(streams, completion);
    case TOKEN_SEND:
        return stream_on_send(streams, completion);
    case TOKEN_SHUTDOWN:
        return on_shutdown(streams, completion);
    case TOKEN_PASS:
        return stream_on_pass(streams, completion);
    case TOKEN_CLOSE:
        return on_close(streams, completion);
    case TOKEN_ARRIVE:
        return stream_on_arrive(streams, completion);
    case TOKEN_CANCEL:
        return stream_on_cancel_failed(streams, completion);
    case TOKEN_CANCEL_ACCEPT:
        return accepting_on_cancel_failed(streams, completion);
    case TOKEN_WAKE:      // being awake is all
    case TOKEN_WAKE_SENT: // that ring is gone
    case TOKEN_EVENT:
    case TOKEN_LANE:
        return;
    case TOKEN_INVALID:
    case TOKEN_OP_COUNT:
        break;
    }
    UNREACHABLE();
}

static void end_lingering(struct streams *streams) {
    struct stream_list *list = &streams->lingering;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        struct handle handle = list->items[i];
        struct stream *stream = slab_lookup(&streams->slots, handle);
        if (!stream || (stream->state != STREAM_FLUSHING && stream->state != STREAM_LINGERING))
            continue;
        if ((int8_t)(stream_second(streams) - stream->second) >= 0)
            stream_quiesce(streams, handle.index);
        else
            list->items[kept++] = handle;
    }
    list->count = kept;
}

void stream_tick(struct streams *streams, uint32_t now_s) {
    streams->now_s = now_s;
    if (streams->park_cursor == PARK_DONE) // else the last look is still under way
        streams->park_cursor = 0;
    stream_recv_park_quiet(streams);
    end_lingering(streams);
    accepting_tick(streams);
}

void streams_validate(const struct streams *streams) {
    uint64_t pending = 0;
    uint32_t used = 0;
    for (uint32_t i = 0; i < streams->slots.touched_count; i++) {
        if (!slab_is_used(&streams->slots, i))
            continue;
        const struct stream *stream = stream_at(streams, i);
        used++;
        CHECKF(stream->state != STREAM_FREE && stream->in_flight <= 6, "stream %u", i);
        CHECKF(stream->state != STREAM_CLOSING || stream->in_flight == 1, "stream %u", i);
        CHECKF(!(stream->flags & STREAM_BLOCKED) || stream->in_flight > 0, "stream %u", i);
        bool is_still = stream->state >= STREAM_HALTED;
        CHECKF(!is_still || !(stream->flags & (STREAM_SUBMITTED | STREAM_BLOCKED)), "stream %u", i);
        CHECKF(!is_still || stream->in_flight == (stream->state == STREAM_PASSING), "stream %u", i);
        pending += stream_queue_validate(streams, i);
    }
    CHECK(used == streams->slots.used_count);
    uint64_t counted = counter_read(streams->counters, COUNTER_PENDING);
    CHECKF(pending == counted, "pending: %llu queued, %llu counted", (unsigned long long)pending,
           (unsigned long long)counted);
}
