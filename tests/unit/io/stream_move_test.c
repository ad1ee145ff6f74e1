// Goal: a stream that moves between two rings loses, doubles and reorders nothing, both ways, and
// whatever happens on the way ends it once and leaves nothing behind. Method: two simulated rings
// in one thread, one step at a time; streams_validate and both audits after every turn.
#include <errno.h>

#include "io/ring_sim.h"
#include "io/stream_move.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define LISTEN_FD 7

// One stream (source's peers[0]) and where it shall go.
struct pair {
    struct rig *source;
    struct rig *target;
    uint32_t peer;
    struct handle stream;
    struct stream_ticket ticket;
    uint32_t owner; // on the target, from its arrival on
    uint8_t *bytes; // the export
    uint32_t size;
};

static const struct ring_config one_lane = {.lane_count = 1, .descriptors_per_lane = 16};

static void turn(struct pair *pair) {
    rig_turn(pair->source, 0);
    rig_turn(pair->target, 0);
    ck_assert(rig_audit_holds(pair->source));
    ck_assert(rig_audit_holds(pair->target));
}

static void turns(struct pair *pair, uint32_t count) {
    while (count-- > 0)
        turn(pair);
}

static struct pair pair_with(const struct stream_config *config) {
    struct pair pair = {.source = rig_new(&one_lane, config), .target = rig_new(&one_lane, config)};
    struct accept_config accept_config = {.listen_fd = LISTEN_FD};
    ck_assert_int_ge(accept_open(&pair.source->streams, &accept_config), 0);
    pair.source->checks_in = pair.target->checks_in = true;
    pair.peer = ring_sim_connect(pair.source->ring, LISTEN_FD);
    turns(&pair, 2);
    ck_assert_uint_eq(pair.source->peer_count, 1);
    accept_close_all(&pair.source->streams);
    turns(&pair, 2);
    pair.stream = pair.source->peers[0].stream;
    return pair;
}

static struct pair pair_open(void) {
    return pair_with(&(struct stream_config){0});
}

static void pair_free(struct pair *pair) {
    free(pair->bytes);
    rig_free(pair->source, 0);
    rig_free(pair->target, 0);
}

static enum stream_state source_state(const struct pair *pair) {
    const struct stream *stream = slab_at(&pair->source->streams.slots, pair->stream.index);
    return stream->state;
}

static struct rig_peer *arrived(const struct pair *pair) {
    return &pair->target->peers[pair->owner];
}

static void halt(struct pair *pair) {
    ck_assert(stream_move_begin(&pair->source->streams, pair->stream));
    ck_assert_uint_eq(pair->source->peers[0].move_readys, 0);
    turns(pair, 3);
    ck_assert_uint_eq(pair->source->peers[0].move_readys, 1);
    ck_assert_int_eq(source_state(pair), STREAM_HALTED);
    ck_assert_uint_eq(ring_sim_armed_count(pair->source->ring), 0);
}

static void expect(struct pair *pair) {
    ck_assert_int_eq(
        stream_move_expect(&pair->target->streams, 0x1234567890abcdefull, &pair->ticket), 0);
}

static void pass(struct pair *pair) {
    expect(pair);
    stream_move_pass(&pair->source->streams, pair->stream.index, &pair->ticket);
    ck_assert_int_eq(source_state(pair), STREAM_PASSING);
    pair->owner = pair->target->peer_count;
    turns(pair, 2);
    ck_assert_uint_eq(pair->source->peers[0].passes, 1);
    ck_assert_int_eq(pair->source->peers[0].pass_error, 0);
    ck_assert_int_eq(source_state(pair), STREAM_PASSED);
    ck_assert_uint_eq(pair->target->peer_count, pair->owner + 1);
    ck_assert_int_eq(arrived(pair)->by, STREAM_ARRIVED);
    ck_assert(arrived(pair)->tag == 0x1234567890abcdefull);
}

static void hand_over(struct pair *pair) {
    struct streams *streams = &pair->source->streams;
    pair->size = stream_move_export_size(streams, pair->stream.index);
    pair->bytes = realloc(pair->bytes, pair->size);
    stream_move_export(streams, pair->stream.index, pair->bytes, pair->size);
    stream_move_abandon(streams, pair->stream.index);
    pair->source->peers[0].is_open = false; // it gets no upcall any more
    pair->source->open_count--;
    arrived(pair)->heard = pair->source->peers[0].heard;
}

static int import(struct pair *pair) {
    return stream_move_import(&pair->target->streams, arrived(pair)->stream.index, pair->bytes,
                              pair->size);
}

static void send_ramp(struct pair *pair, uint64_t from, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint8_t byte = rig_byte(from + i);
        ring_sim_peer_send(pair->source->ring, pair->peer, &byte, 1);
    }
}

static size_t receive(struct pair *pair, void *data, size_t size) {
    size_t at = 0;
    ring_sim_peer_set_space(pair->source->ring, pair->peer, 1u << 20);
    for (int i = 0; i < 20; i++) {
        at += ring_sim_peer_receive(pair->source->ring, pair->peer, (char *)data + at, size - at);
        turn(pair);
    }
    return at;
}

START_TEST(move_carries_bytes_both_ways_and_tells_the_peer_nothing) {
    struct pair pair = pair_open();
    send_ramp(&pair, 0, 10);
    turns(&pair, 3);
    halt(&pair);
    send_ramp(&pair, 10, 10); // stay in the socket
    pass(&pair);
    send_ramp(&pair, 20, 10);
    hand_over(&pair);
    turns(&pair, 3);
    ck_assert_uint_eq(streams_used_count(&pair.source->streams), 0);
    ck_assert_uint_eq(pair.source->peers[0].ends, 0);
    ck_assert_uint_eq(arrived(&pair)->bytes, 0); // nothing is read before the import
    ck_assert_int_eq(import(&pair), 0);
    turns(&pair, 3);
    ck_assert_uint_eq(pair.source->peers[0].heard, 10);
    ck_assert_uint_eq(arrived(&pair)->heard, 30);
    (void)rig_push(pair.target, arrived(&pair)->stream, PARCEL_CONTROL, "hello", 5);
    char data[8];
    ck_assert_uint_eq(receive(&pair, data, 8), 5);
    ck_assert(!ring_sim_peer_saw_fin(pair.source->ring, pair.peer));
    ring_sim_peer_fin(pair.source->ring, pair.peer);
    turns(&pair, 5);
    ck_assert_int_eq(arrived(&pair)->end, STREAM_END_PEER_CLOSED);
    ck_assert_uint_eq(arrived(&pair)->ends, 1);
    ck_assert(ring_sim_peer_is_closed(pair.source->ring, pair.peer));
    pair_free(&pair);
}
END_TEST

START_TEST(move_puts_what_was_unsent_before_what_is_pushed_there) {
    struct pair pair = pair_open();
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 4);
    (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, "first,", 6);
    turns(&pair, 2); // "firs" is taken
    (void)rig_push_room(pair.source, pair.stream, 1, 'r', 3, false);
    (void)rig_push_room(pair.source, pair.stream, 1, 's', 2, false);
    (void)rig_push(pair.source, pair.stream, PARCEL_STATE, "state", 5);
    (void)rig_push(pair.source, pair.stream, PARCEL_WHISPER, "psst", 4);
    halt(&pair);
    (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, ";", 1);
    pass(&pair);
    (void)rig_push_room(pair.source, pair.stream, 1, 't', 1, false);
    (void)rig_push(pair.target, arrived(&pair)->stream, PARCEL_CONTROL, "[", 1);
    (void)rig_push_room(pair.target, arrived(&pair)->stream, 1, 'u', 1, false);
    turns(&pair, 2);
    hand_over(&pair);
    ck_assert_uint_eq(counter_read(&pair.source->counters, COUNTER_PENDING), 0);
    ck_assert_uint_eq(counter_read(&pair.source->counters, COUNTER_MOVED_OUT), 3);
    turns(&pair, 2);
    ck_assert_int_eq(import(&pair), 0);
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_MOVED_IN), 3);
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_PENDING), 4);
    uint32_t index = arrived(&pair)->stream.index;
    ck_assert_uint_eq(stream_room_bytes(&pair.target->streams, index), 3 + 2 + 4 + 1 + 1);
    ck_assert_uint_eq(stream_control_bytes(&pair.target->streams, index), 2 + 5 + 1 + 1);
    (void)rig_push(pair.target, arrived(&pair)->stream, PARCEL_CONTROL, "]", 1);
    char data[64] = "";
    size_t size = receive(&pair, data, sizeof(data));
    data[size] = 0;
    ck_assert_str_eq(data, "first,rrrssstatepsst;t[u]");
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_DELIVERED), 4);
    ck_assert_uint_eq(counter_read(&pair.source->counters, COUNTER_DELIVERED), 0);
    pair_free(&pair);
}
END_TEST

START_TEST(move_joins_one_pushed_parcel_or_none_behind_the_import) {
    for (int pushed = 0; pushed < 2; pushed++) {
        struct pair pair = pair_open();
        ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
        (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, "a", 1);
        halt(&pair);
        pass(&pair);
        if (pushed)
            (void)rig_push_room(pair.target, arrived(&pair)->stream, 1, 'b', 1, false);
        hand_over(&pair);
        ck_assert_int_eq(import(&pair), 0);
        streams_validate(&pair.target->streams);
        char data[8];
        ck_assert_uint_eq(receive(&pair, data, sizeof(data)), pushed ? 2 : 1);
        ck_assert_int_eq(memcmp(data, "ab", pushed ? 2 : 1), 0);
        pair_free(&pair);
    }
}
END_TEST

START_TEST(move_counts_a_message_delivered_where_its_last_byte_is_sent) {
    struct pair pair = pair_open();
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 5);
    (void)rig_push_room(pair.source, pair.stream, 1, 'a', 4, false);
    (void)rig_push_room(pair.source, pair.stream, 1, 'b', 4, false);
    turns(&pair, 3);
    ck_assert_uint_eq(counter_read(&pair.source->counters, COUNTER_DELIVERED), 1);
    halt(&pair);
    pass(&pair);
    hand_over(&pair);
    ck_assert_uint_eq(counter_read(&pair.source->counters, COUNTER_MOVED_OUT), 1);
    ck_assert_int_eq(import(&pair), 0);
    char data[16];
    ck_assert_uint_eq(receive(&pair, data, 16), 8);
    ck_assert_int_eq(memcmp(data, "aaaabbbb", 8), 0);
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_DELIVERED), 1);
    pair_free(&pair);
}
END_TEST

START_TEST(move_makes_gap_events_and_never_drops_what_it_carried) {
    struct pair pair = pair_with(&(struct stream_config){.out_queue_bytes_max = 10});
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
    for (uint64_t sequence = '1'; sequence <= '4'; sequence++) // 1 and 2 are dropped
        (void)rig_push_room(pair.source, pair.stream, 1, sequence, 5, false);
    halt(&pair);
    pass(&pair);
    hand_over(&pair);
    ck_assert_uint_eq(pair.source->gap_count, 1);
    ck_assert(pair.source->gap_from == '1' && pair.source->gap_to == '2');
    ck_assert_uint_eq(counter_read(&pair.source->counters, COUNTER_DROPPED_SLOW), 2);
    ck_assert_int_eq(import(&pair), 0);
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
    (void)rig_push_room(pair.target, arrived(&pair)->stream, 1, '5', 5, false); // no room: a gap
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_DROPPED_SLOW), 1);
    char data[32] = "";
    size_t size = receive(&pair, data, sizeof(data));
    data[size] = 0;
    ck_assert_str_eq(data, "G3333344444G");
    ck_assert_uint_eq(pair.target->gap_from, '5');
    pair_free(&pair);
}
END_TEST

START_TEST(move_leaves_out_a_gap_whose_member_is_gone) {
    struct pair pair = pair_with(&(struct stream_config){.out_queue_bytes_max = 4});
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
    for (uint64_t sequence = '1'; sequence <= '3'; sequence++)
        (void)rig_push_room(pair.source, pair.stream, 1, sequence, 4, false);
    pair.source->gap_left_out = true;
    halt(&pair);
    pass(&pair);
    hand_over(&pair);
    ck_assert_int_eq(import(&pair), 0);
    char data[16] = "";
    ck_assert_uint_eq(receive(&pair, data, sizeof(data)), 4);
    ck_assert_int_eq(memcmp(data, "3333", 4), 0);
    pair_free(&pair);
}
END_TEST

START_TEST(move_carries_both_budgets_full_and_keeps_them) {
    struct pair pair = pair_open();
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
    for (int i = 0; i < 64; i++) {
        (void)rig_push_room(pair.source, pair.stream, 1, (uint64_t)i, 1024, false);
        (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, NULL, 4096);
    }
    halt(&pair);
    pass(&pair);
    hand_over(&pair);
    ck_assert_int_eq(import(&pair), 0);
    struct handle there = arrived(&pair)->stream;
    ck_assert_uint_eq(stream_room_bytes(&pair.target->streams, there.index), 64 << 10);
    ck_assert_uint_eq(stream_control_bytes(&pair.target->streams, there.index), 256 << 10);
    ck_assert_int_eq(rig_push(pair.target, there, PARCEL_CONTROL, "x", 1),
                     STREAM_PUSH_OVER_CONTROL);
    static uint8_t data[512 << 10];
    ck_assert_uint_eq(receive(&pair, data, sizeof(data)), 320 << 10);
    for (size_t i = 0; i < 64; i++) {
        ck_assert_uint_eq(data[i * 5120], i);
        ck_assert_uint_eq(data[i * 5120 + 1023], i);
        ck_assert_uint_eq(data[i * 5120 + 1024], 'x');
    }
    ck_assert_uint_eq(arrived(&pair)->writables, 1);
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_DELIVERED), 64);
    pair_free(&pair);
}
END_TEST

START_TEST(move_still_tells_writable_when_the_sent_part_took_it_under_half) {
    struct pair pair = pair_with(&(struct stream_config){.control_bytes_max = 100});
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 40);
    (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, NULL, 60); // 20 are left, 60 counted
    turns(&pair, 2);
    halt(&pair);
    pass(&pair);
    hand_over(&pair);
    ck_assert_uint_eq(pair.source->peers[0].writables, 0);
    ck_assert_int_eq(import(&pair), 0);
    char data[64];
    ck_assert_uint_eq(receive(&pair, data, 64), 60);
    ck_assert_uint_eq(arrived(&pair)->writables, 1);
    pair_free(&pair);
}
END_TEST

START_TEST(halting_of_what_nothing_is_armed_for_asks_for_a_turn) {
    struct pair pair = pair_open();
    stream_pause_reading(&pair.source->streams, pair.stream.index);
    turns(&pair, 2);
    ck_assert_uint_eq(ring_sim_armed_count(pair.source->ring), 0);
    ck_assert(!streams_wants_turn(&pair.source->streams));
    ck_assert(stream_move_begin(&pair.source->streams, pair.stream));
    stream_flush_dirty(&pair.source->streams);
    ck_assert(streams_wants_turn(&pair.source->streams)); // else the worker would sleep
    turn(&pair);
    ck_assert_uint_eq(pair.source->peers[0].move_readys, 1);
    ck_assert(!streams_wants_turn(&pair.source->streams));
    pair_free(&pair);
}
END_TEST

START_TEST(move_of_a_paused_or_singly_read_stream_goes_on_so) {
    struct pair pair = pair_open();
    stream_pause_reading(&pair.source->streams, pair.stream.index);
    turns(&pair, 2);
    halt(&pair);
    send_ramp(&pair, 0, 5);
    pass(&pair);
    hand_over(&pair);
    stream_pause_reading(&pair.target->streams, arrived(&pair)->stream.index);
    stream_read_singly(&pair.target->streams, arrived(&pair)->stream.index);
    ck_assert_int_eq(import(&pair), 0);
    turns(&pair, 3);
    ck_assert_uint_eq(arrived(&pair)->bytes, 0);
    stream_resume_reading(&pair.target->streams, arrived(&pair)->stream.index);
    turns(&pair, 3);
    ck_assert_uint_eq(arrived(&pair)->bytes, 5);
    const struct stream *slot = slab_at(&pair.target->streams.slots, arrived(&pair)->stream.index);
    ck_assert_uint_ne(slot->recv, STREAM_RECV_HOT);
    pair_free(&pair);
}
END_TEST

START_TEST(halting_hands_up_what_still_comes) {
    struct pair pair = pair_open();
    send_ramp(&pair, 0, 100);
    ring_sim_knobs(pair.source->ring)->cancel_misses_one_in = 1; // the multishot runs on
    ck_assert(stream_move_begin(&pair.source->streams, pair.stream));
    turns(&pair, 3);
    ck_assert_uint_eq(pair.source->peers[0].heard, 100);
    ck_assert_uint_eq(pair.source->peers[0].move_readys, 0);
    ring_sim_knobs(pair.source->ring)->cancel_misses_one_in = 0;
    turns(&pair, 3);
    ck_assert_uint_eq(pair.source->peers[0].move_readys, 1);
    pair_free(&pair);
}
END_TEST

START_TEST(halting_ends_as_ever_when_the_peer_does) {
    for (int resets = 0; resets < 2; resets++) {
        struct pair pair = pair_open();
        if (resets)
            ring_sim_peer_reset(pair.source->ring, pair.peer);
        else
            ring_sim_peer_fin(pair.source->ring, pair.peer);
        ring_sim_knobs(pair.source->ring)->cancel_misses_one_in = 1;
        ck_assert(stream_move_begin(&pair.source->streams, pair.stream));
        turns(&pair, 5);
        ck_assert_uint_eq(pair.source->peers[0].move_readys, 0);
        ck_assert_uint_eq(pair.source->peers[0].ends, 1);
        ck_assert_int_eq(pair.source->peers[0].end,
                         resets ? STREAM_END_RESET : STREAM_END_PEER_CLOSED);
        ck_assert_uint_eq(streams_used_count(&pair.source->streams), 0);
        pair_free(&pair);
    }
}
END_TEST

START_TEST(halting_waits_for_the_poll_of_a_blocked_stream) {
    struct pair pair = pair_open();
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 2);
    (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, "abc", 3);
    turns(&pair, 2);
    const struct stream *slot = slab_at(&pair.source->streams.slots, pair.stream.index);
    ck_assert(slot->flags & STREAM_BLOCKED);
    halt(&pair);
    ck_assert(!(slot->flags & STREAM_BLOCKED));
    ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
    char data[8];
    ck_assert_uint_eq(receive(&pair, data, 8), 3);
    pair_free(&pair);
}
END_TEST

// The peer ends when nobody looks: seen where the stream goes on.
START_TEST(an_end_while_on_the_move_is_seen_after_it) {
    for (int way = 0; way < 4; way++) {
        bool resets = way & 1;
        struct pair pair = pair_open();
        halt(&pair);
        pass(&pair);
        if (resets)
            ring_sim_peer_reset(pair.source->ring, pair.peer);
        else
            ring_sim_peer_fin(pair.source->ring, pair.peer);
        turns(&pair, 3);
        ck_assert_uint_eq(pair.source->peers[0].ends, 0);
        const struct rig_peer *ended = arrived(&pair);
        if (way & 2) {
            ended = &pair.source->peers[0];
            stream_close(&pair.target->streams, arrived(&pair)->stream, STREAM_CLOSE_ABORT);
            ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
        } else {
            hand_over(&pair);
            ck_assert_int_eq(import(&pair), 0);
        }
        turns(&pair, 6);
        ck_assert_uint_eq(ended->ends, 1);
        ck_assert_int_eq(ended->end, resets ? STREAM_END_RESET : STREAM_END_PEER_CLOSED);
        ck_assert_uint_eq(streams_used_count(&pair.source->streams), 0);
        ck_assert_uint_eq(streams_used_count(&pair.target->streams), 0);
        ck_assert(ring_sim_peer_is_closed(pair.source->ring, pair.peer));
        pair_free(&pair);
    }
}
END_TEST

START_TEST(cancel_resumes_at_every_step_before_the_export) {
    for (int step = 0; step < 3; step++) {
        struct pair pair = pair_open();
        ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
        if (step == 0)
            ck_assert(stream_move_begin(&pair.source->streams, pair.stream));
        else
            halt(&pair);
        if (step == 2)
            pass(&pair);
        (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, "x", 1);
        send_ramp(&pair, 0, 5);
        ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
        ck_assert(!stream_move_cancel(&pair.source->streams, pair.stream));
        if (step == 2)
            stream_close(&pair.target->streams, arrived(&pair)->stream, STREAM_CLOSE_FLUSH);
        turns(&pair, 4);
        char data[4];
        ck_assert_uint_eq(receive(&pair, data, 4), 1);
        ck_assert_uint_eq(pair.source->peers[0].heard, 5);
        ck_assert_uint_eq(pair.source->peers[0].ends, 0);
        ck_assert(!ring_sim_peer_saw_fin(pair.source->ring, pair.peer));
        ck_assert_uint_eq(streams_used_count(&pair.target->streams), 0);
        if (step == 2) {
            ck_assert_uint_eq(arrived(&pair)->ends, 1);
            ck_assert_int_eq(arrived(&pair)->end, STREAM_END_LOCAL);
        }
        pair_free(&pair);
    }
}
END_TEST

START_TEST(a_stream_can_begin_again_after_a_cancel_in_the_same_turn) {
    struct pair pair = pair_open();
    for (int i = 0; i < 100; i++) { // far more than the list of those that halt could hold
        ck_assert(stream_move_begin(&pair.source->streams, pair.stream));
        ck_assert(!stream_move_begin(&pair.source->streams, pair.stream));
        if (i < 99)
            ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
    }
    turns(&pair, 3);
    ck_assert_uint_eq(pair.source->peers[0].move_readys, 1);
    pair_free(&pair);
}
END_TEST

START_TEST(begin_refuses_what_is_not_open) {
    struct pair pair = pair_open();
    stream_close(&pair.source->streams, pair.stream, STREAM_CLOSE_FLUSH);
    ck_assert(!stream_move_begin(&pair.source->streams, pair.stream));
    ck_assert(!stream_move_cancel(&pair.source->streams, pair.stream));
    stream_close(&pair.source->streams, pair.stream, STREAM_CLOSE_ABORT);
    turns(&pair, 4);
    ck_assert(!stream_move_begin(&pair.source->streams, pair.stream)); // stale
    ck_assert(!stream_move_cancel(&pair.source->streams, pair.stream));
    pair_free(&pair);
}
END_TEST

START_TEST(a_failed_pass_is_named_and_harmless) {
    static const int errors[] = {ENFILE, EOWNERDEAD, EBADF, ENOMEM};
    for (size_t i = 0; i < 4; i++) {
        struct pair pair = pair_open();
        halt(&pair);
        expect(&pair);
        ring_sim_knobs(pair.source->ring)->pass_error = errors[i];
        stream_move_pass(&pair.source->streams, pair.stream.index, &pair.ticket);
        ck_assert(!stream_move_cancel(&pair.source->streams, pair.stream)); // in flight
        turns(&pair, 2);
        ck_assert_uint_eq(pair.source->peers[0].passes, 1);
        ck_assert_int_eq(pair.source->peers[0].pass_error, errors[i]);
        ck_assert_int_eq(source_state(&pair), STREAM_HALTED);
        ck_assert_uint_eq(counter_read(&pair.source->counters, COUNTER_PASSES_FAILED), 1);
        ck_assert_uint_eq(pair.target->peer_count, 0);
        stream_move_unexpect(&pair.target->streams, pair.ticket.expected);
        stream_move_unexpect(&pair.target->streams, pair.ticket.expected); // stale
        ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
        send_ramp(&pair, 0, 3);
        turns(&pair, 3);
        ck_assert_uint_eq(pair.source->peers[0].heard, 3);
        pair_free(&pair);
    }
}
END_TEST

START_TEST(a_pass_that_nobody_heard_of_ends_the_connection) {
    struct pair pair = pair_open();
    halt(&pair);
    expect(&pair);
    ring_sim_knobs(pair.source->ring)->pass_error = EOVERFLOW;
    stream_move_pass(&pair.source->streams, pair.stream.index, &pair.ticket);
    turns(&pair, 5);
    ck_assert_uint_eq(pair.source->peers[0].passes, 0);
    ck_assert_uint_eq(pair.source->peers[0].ends, 1);
    ck_assert_int_eq(pair.source->peers[0].end, STREAM_END_ERROR);
    ck_assert_uint_eq(streams_used_count(&pair.source->streams), 0);
    ck_assert(ring_sim_peer_saw_fin(pair.source->ring, pair.peer)); // though a table has it still
    ck_assert(!ring_sim_peer_is_closed(pair.source->ring, pair.peer));
    pair_free(&pair);
}
END_TEST

static void to_step(struct pair *pair, int step) {
    if (step == 0)
        ck_assert(stream_move_begin(&pair->source->streams, pair->stream));
    if (step >= 1)
        halt(pair);
    if (step == 2) {
        expect(pair);
        stream_move_pass(&pair->source->streams, pair->stream.index, &pair->ticket);
    }
    if (step >= 3)
        pass(pair);
    if (step == 4) {
        pair->size = stream_move_export_size(&pair->source->streams, pair->stream.index);
        pair->bytes = malloc(pair->size);
        stream_move_export(&pair->source->streams, pair->stream.index, pair->bytes, pair->size);
    }
}

// What arrived there is let go, as an owner does that is told.
static void let_go_there(struct pair *pair) {
    for (uint32_t i = 0; i < pair->target->peer_count; i++)
        stream_close(&pair->target->streams, pair->target->peers[i].stream, STREAM_CLOSE_ABORT);
}

START_TEST(a_close_at_any_step_reaches_the_peer_and_leaves_nothing) {
    for (int way = 0; way < 20; way++) {
        int step = way % 5;
        bool flushes = way / 5 & 1;
        bool late = way >= 10;
        struct pair pair = pair_open();
        ring_sim_knobs(pair.source->ring)->late_one_in = late ? 2 : 0;
        ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
        (void)rig_push_room(pair.source, pair.stream, 1, 'a', 1, false);
        turns(&pair, 2);
        ring_sim_knobs(pair.source->ring)->late_one_in = 0;
        turns(&pair, 2);
        to_step(&pair, step);
        ring_sim_knobs(pair.source->ring)->late_one_in = late ? 2 : 0;
        stream_close(&pair.source->streams, pair.stream,
                     flushes ? STREAM_CLOSE_FLUSH : STREAM_CLOSE_ABORT);
        ck_assert_int_eq(rig_push_room(pair.source, pair.stream, 1, 'b', 1, false),
                         STREAM_PUSH_CLOSING);
        turns(&pair, 4);
        char data[4];
        ck_assert_uint_eq(receive(&pair, data, 4), flushes && step < 4 ? 1 : 0);
        ck_assert(ring_sim_peer_saw_fin(pair.source->ring, pair.peer));
        ring_sim_peer_fin(pair.source->ring, pair.peer);
        let_go_there(&pair);
        turns(&pair, 20);
        ck_assert_uint_eq(pair.source->peers[0].ends, 1);
        ck_assert_uint_eq(streams_used_count(&pair.source->streams), 0);
        ck_assert_uint_eq(streams_used_count(&pair.target->streams), 0);
        ck_assert(ring_sim_peer_is_closed(pair.source->ring, pair.peer));
        pair_free(&pair);
    }
}
END_TEST

START_TEST(an_arrival_that_is_not_expected_any_more_is_let_go) {
    struct pair pair = pair_open();
    halt(&pair);
    expect(&pair);
    stream_move_pass(&pair.source->streams, pair.stream.index, &pair.ticket);
    stream_move_unexpect(&pair.target->streams, pair.ticket.expected);
    turns(&pair, 5);
    ck_assert_uint_eq(pair.target->peer_count, 0);
    ck_assert_uint_eq(streams_used_count(&pair.target->streams), 0);
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_STALE_COMPLETIONS), 1);
    ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
    ck_assert(!ring_sim_peer_saw_fin(pair.source->ring, pair.peer));
    pair_free(&pair);
}
END_TEST

static int expect_one(struct rig *rig, struct stream_ticket *ticket) {
    return stream_move_expect(&rig->streams, 1, ticket);
}

START_TEST(expect_refuses_by_name_at_each_limit) {
    struct stream_ticket tickets[16], ticket;
    struct rig *rig =
        rig_new(&one_lane, &(struct stream_config){.connections_max = 3, .connections_spare = 2});
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(expect_one(rig, &tickets[i]), 0);
    ck_assert_int_eq(expect_one(rig, &ticket), -ENOSPC); // the spare ones are for refusals
    stream_move_unexpect(&rig->streams, tickets[1].expected);
    ck_assert_int_eq(expect_one(rig, &ticket), 0);
    ck_assert_int_eq(expect_one(rig, &ticket), -ENOSPC);
    streams_close_all(&rig->streams, STREAM_CLOSE_ABORT); // forgets them
    ck_assert_int_eq(expect_one(rig, &ticket), 0);
    stream_move_unexpect(&rig->streams, ticket.expected);
    ring_sim_knobs(rig->ring)->cannot_pass = true;
    ck_assert_int_eq(expect_one(rig, &ticket), -EOPNOTSUPP);
    ring_sim_knobs(rig->ring)->cannot_pass = false;
    accept_close_all(&rig->streams);
    ck_assert_int_eq(expect_one(rig, &ticket), -ESHUTDOWN);
    rig_free(rig, 0);
    rig = rig_new(&one_lane, &(struct stream_config){.connects = true});
    ck_assert_int_eq(expect_one(rig, &ticket), -EOPNOTSUPP);
    rig_free(rig, 0);
}
END_TEST

START_TEST(expect_fills_lane_after_lane_and_leaves_armed_accepts_their_slots) {
    struct ring_config ring = {.lane_count = 2, .descriptors_per_lane = 4};
    struct stream_ticket ticket;
    struct rig *rig = rig_new(&ring, &(struct stream_config){0});
    for (uint32_t i = 0; i < 8; i++) {
        ck_assert_int_eq(expect_one(rig, &ticket), 0);
        ck_assert_uint_eq(ticket.target.lane, i / 4);
    }
    ck_assert_int_eq(expect_one(rig, &ticket), -ENOSPC);
    streams_close_all(&rig->streams, STREAM_CLOSE_ABORT);
    // With accepts armed for their share, arrivals get what is left, and no accept is unheard.
    struct accept_config accept_config = {.listen_fd = LISTEN_FD};
    ck_assert_int_ge(accept_open(&rig->streams, &accept_config), 0);
    rig_turn(rig, 0);
    uint32_t expected = 0;
    while (expect_one(rig, &ticket) == 0)
        expected++;
    uint32_t peers[8];
    for (int i = 0; i < 8; i++)
        peers[i] = ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 20, 0);
    ck_assert_uint_gt(expected, 0);
    ck_assert_uint_eq(rig->peer_count, 8 - expected);
    for (int i = 0; i < 8; i++)
        ck_assert(!ring_sim_peer_is_unheard(rig->ring, peers[i]));
    streams_close_all(&rig->streams, STREAM_CLOSE_ABORT);
    rig_free(rig, 0);
}
END_TEST

START_TEST(expect_has_a_bound) {
    struct ring_config ring = {.lane_count = 1, .descriptors_per_lane = 8192};
    struct stream_ticket ticket;
    struct rig *rig = rig_new(&ring, &(struct stream_config){0});
    for (uint32_t i = 0; i < STREAM_MOVES_EXPECTED_MAX; i++)
        ck_assert_int_eq(expect_one(rig, &ticket), 0);
    ck_assert_int_eq(expect_one(rig, &ticket), -EBUSY);
    rig_free(rig, 0);
}
END_TEST

START_TEST(an_import_without_memory_is_counted_and_can_be_closed) {
    struct pair pair = pair_with(&(struct stream_config){.queued_parcels_max = 2});
    ring_sim_peer_set_space(pair.source->ring, pair.peer, 0);
    (void)rig_push_room(pair.source, pair.stream, 1, 'a', 1, false);
    (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, "b", 1);
    halt(&pair);
    pass(&pair);
    (void)rig_push_room(pair.target, arrived(&pair)->stream, 1, 'c', 1, false);
    hand_over(&pair);
    ck_assert_int_eq(import(&pair), -ENOMEM); // three parcels need three nodes
    streams_validate(&pair.target->streams);
    ck_assert(rig_audit_holds(pair.target));
    ck_assert_uint_eq(counter_read(&pair.target->counters, COUNTER_DROPPED_MEMORY), 1);
    stream_close(&pair.target->streams, arrived(&pair)->stream, STREAM_CLOSE_ABORT);
    turns(&pair, 4);
    ck_assert_uint_eq(arrived(&pair)->ends, 1);
    ck_assert(ring_sim_peer_is_closed(pair.source->ring, pair.peer));
    pair_free(&pair);
}
END_TEST

UNIT_MAIN("io/stream_move", move_carries_bytes_both_ways_and_tells_the_peer_nothing,
          move_puts_what_was_unsent_before_what_is_pushed_there,
          move_joins_one_pushed_parcel_or_none_behind_the_import,
          move_counts_a_message_delivered_where_its_last_byte_is_sent,
          move_makes_gap_events_and_never_drops_what_it_carried,
          move_leaves_out_a_gap_whose_member_is_gone, move_carries_both_budgets_full_and_keeps_them,
          move_still_tells_writable_when_the_sent_part_took_it_under_half,
          move_of_a_paused_or_singly_read_stream_goes_on_so, halting_hands_up_what_still_comes,
          halting_of_what_nothing_is_armed_for_asks_for_a_turn,
          halting_ends_as_ever_when_the_peer_does, halting_waits_for_the_poll_of_a_blocked_stream,
          an_end_while_on_the_move_is_seen_after_it, cancel_resumes_at_every_step_before_the_export,
          a_stream_can_begin_again_after_a_cancel_in_the_same_turn, begin_refuses_what_is_not_open,
          a_failed_pass_is_named_and_harmless, a_pass_that_nobody_heard_of_ends_the_connection,
          a_close_at_any_step_reaches_the_peer_and_leaves_nothing,
          an_arrival_that_is_not_expected_any_more_is_let_go, expect_refuses_by_name_at_each_limit,
          expect_fills_lane_after_lane_and_leaves_armed_accepts_their_slots, expect_has_a_bound,
          an_import_without_memory_is_counted_and_can_be_closed)
