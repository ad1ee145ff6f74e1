// Goal: the out-queue's budgets, gaps, order and audit. Method: one simulated peer whose socket
// takes as many bytes as the test says; streams_validate after every turn (stream_rig.h).
#include "io/ring_sim.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define LISTEN_FD 7

static const struct ring_config ring_config = {.lane_count = 1, .descriptors_per_lane = 16};

// One open stream (peers[0]) whose socket takes `space` bytes. Returns its peer's number.
static uint32_t open_one(struct rig *rig, uint32_t space) {
    struct accept_config accept_config = {.listen_fd = LISTEN_FD};
    ck_assert_int_ge(accept_open(&rig->streams, &accept_config), 0);
    uint32_t peer = ring_sim_connect(rig->ring, LISTEN_FD);
    ring_sim_peer_set_space(rig->ring, peer, space);
    rig_turns(rig, 2, 0);
    ck_assert_uint_eq(rig->peer_count, 1);
    return peer;
}

static struct rig *rig_with(uint32_t room_max, uint32_t control_max) {
    struct stream_config config = {.out_queue_bytes_max = room_max,
                                   .control_bytes_max = control_max};
    return rig_new(&ring_config, &config);
}

static struct handle stream_of(struct rig *rig) {
    return rig->peers[0].stream;
}

// Everything the stream has to say, in at most 64 KiB; makes space as it reads.
static size_t read_all(struct rig *rig, uint32_t peer, uint8_t *data, size_t size) {
    size_t at = 0;
    ring_sim_peer_set_space(rig->ring, peer, 1u << 30);
    for (int turn = 0; turn < 50; turn++) {
        at += ring_sim_peer_receive(rig->ring, peer, data + at, size - at);
        rig_turn(rig, 0);
    }
    ck_assert(stream_is_empty(&rig->streams, stream_of(rig).index));
    return at;
}

static void push_room(struct rig *rig, uint32_t room, uint64_t sequence, size_t size) {
    ck_assert_int_eq(rig_push_room(rig, stream_of(rig), room, sequence, size, false),
                     STREAM_PUSH_OK);
    ck_assert(rig_audit_holds(rig));
    streams_validate(&rig->streams);
}

// A stream that is full: what is pushed from here on stays queued.
static uint32_t open_blocked(struct rig *rig) {
    uint32_t peer = open_one(rig, 0);
    return peer;
}

START_TEST(push_is_sent_and_its_parcel_given_back) {
    struct rig *rig = rig_with(0, 0);
    uint32_t peer = open_one(rig, 1000);
    uint8_t data[16];
    uint32_t id = rig_parcel(rig, PARCEL_CONTROL, "hello", 5);
    ck_assert_int_eq(stream_push(&rig->streams, stream_of(rig), id), STREAM_PUSH_OK);
    ck_assert_uint_eq(parcel_at(&rig->blocks, id)->refs, 2);
    ck_assert_uint_eq(stream_control_bytes(&rig->streams, stream_of(rig).index), 5);
    rig_turn(rig, 0);
    ck_assert_uint_eq(parcel_at(&rig->blocks, id)->refs, 1);
    parcel_unref(&rig->blocks, id);
    ck_assert_uint_eq(ring_sim_peer_receive(rig->ring, peer, data, sizeof(data)), 5);
    ck_assert(stream_is_empty(&rig->streams, stream_of(rig).index));
    rig_free(rig, 0);
}
END_TEST

START_TEST(push_of_one_turn_leaves_in_one_send_in_order) {
    struct rig *rig = rig_with(0, 0);
    uint32_t peer = open_one(rig, 1000);
    for (uint64_t i = 1; i <= 5; i++)
        push_room(rig, 1, i, 2);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_CONTROL, "ok", 2), STREAM_PUSH_OK);
    rig_turn(rig, 0);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_SENDS), 1);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DELIVERED), 5);
    uint8_t data[16];
    ck_assert_uint_eq(ring_sim_peer_receive(rig->ring, peer, data, sizeof(data)), 12);
    ck_assert_int_eq(memcmp(data, "\1\1\2\2\3\3\4\4\5\5ok", 12), 0);
    rig_free(rig, 0);
}
END_TEST

START_TEST(push_of_more_than_one_send_holds_goes_on_next_turn) {
    struct rig *rig = rig_with(0, 0);
    uint32_t peer = open_one(rig, 100000);
    for (uint64_t i = 1; i <= 2 * RING_IOVECS_MAX + 1; i++)
        push_room(rig, 1, i, 1);
    uint8_t data[256];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 2 * RING_IOVECS_MAX + 1);
    for (uint32_t i = 0; i < 2 * RING_IOVECS_MAX + 1; i++)
        ck_assert_uint_eq(data[i], i + 1);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_SENDS), 3);
    rig_free(rig, 0);
}
END_TEST

START_TEST(send_in_parts_keeps_every_byte_at_every_split) {
    for (int reports = 0; reports < 2; reports++) {
        for (uint32_t space = 1; space <= 24; space++) {
            struct rig *rig = rig_with(0, 0);
            ring_sim_knobs(rig->ring)->reports_success = reports;
            uint32_t peer = open_one(rig, space);
            uint8_t data[64];
            size_t at = 0;
            for (uint64_t i = 1; i <= 5; i++)
                push_room(rig, 1, i, 4);
            for (int turn = 0; turn < 100; turn++) {
                at += ring_sim_peer_receive(rig->ring, peer, data + at, sizeof(data) - at);
                rig_turn(rig, 0);
                ck_assert(rig_audit_holds(rig));
            }
            at += ring_sim_peer_receive(rig->ring, peer, data + at, sizeof(data) - at);
            ck_assert_uint_eq(at, 20);
            for (uint32_t i = 0; i < 20; i++)
                ck_assert_uint_eq(data[i], i / 4 + 1);
            ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DELIVERED), 5);
            ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_SENT_BYTES), 20);
            rig_free(rig, 0);
        }
    }
}
END_TEST

START_TEST(room_budget_is_kept_at_max_minus_1_max_and_max_plus_1) {
    for (uint32_t last = 99; last <= 101; last++) {
        struct rig *rig = rig_with(1000, 0);
        open_blocked(rig);
        push_room(rig, 1, 1, 400);
        push_room(rig, 1, 2, 500);
        push_room(rig, 1, 3, last);
        uint64_t dropped = counter_read(&rig->counters, COUNTER_DROPPED_SLOW);
        ck_assert_uint_eq(dropped, last > 100 ? 1 : 0);
        ck_assert_uint_le(stream_room_bytes(&rig->streams, stream_of(rig).index), 1000);
        rig_free(rig, 0);
    }
}
END_TEST

START_TEST(oldest_are_dropped_and_a_gap_stands_in_their_place) {
    struct rig *rig = rig_with(1000, 0);
    uint32_t peer = open_blocked(rig);
    rig_turn(rig, 0);
    for (uint64_t i = 1; i <= 10; i++)
        push_room(rig, 1, i, 250);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DROPPED_SLOW), 6);
    uint8_t data[4096];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 1 + 4 * 250);
    ck_assert_uint_eq(data[0], 'G');
    ck_assert_uint_eq(data[1], 7);
    ck_assert_uint_eq(data[1000], 10);
    ck_assert_uint_eq(rig->drop_count, 1); // told once for all of the gap
    ck_assert_uint_eq(rig->gap_count, 1);
    ck_assert_uint_eq(rig->gap_room, 1);
    ck_assert_uint_eq(rig->gap_from, 1);
    ck_assert_uint_eq(rig->gap_to, 6);
    rig_free(rig, 0);
}
END_TEST

START_TEST(what_is_of_no_room_is_dropped_without_a_gap) {
    struct rig *rig = rig_with(1000, 0);
    uint32_t peer = open_blocked(rig);
    rig_turn(rig, 0);
    for (uint64_t i = 1; i <= 10; i++)
        push_room(rig, SLAB_NONE, i, i == 10 ? 1000 : 250); // the last one drops all before it
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DROPPED_SLOW), 9);
    push_room(rig, SLAB_NONE, 11, 1001); // larger than the budget: an empty queue takes it
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DROPPED_SLOW), 10);
    uint8_t data[4096];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 1001);
    ck_assert_uint_eq(data[0], 11);
    ck_assert_uint_eq(rig->gap_count, 0);
    ck_assert_uint_eq(rig->drop_count, 0);
    ck_assert(rig_audit_holds(rig));
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_message_partly_sent_is_never_dropped) {
    struct rig *rig = rig_with(1000, 0);
    uint32_t peer = open_one(rig, 10);
    push_room(rig, 1, 1, 250);
    rig_turn(rig, 0); // 10 bytes of it are out
    for (uint64_t i = 2; i <= 9; i++)
        push_room(rig, 1, i, 250);
    uint8_t data[4096];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 250 + 1 + 3 * 250);
    for (uint32_t i = 0; i < 250; i++)
        ck_assert_uint_eq(data[i], 1);
    ck_assert_uint_eq(data[250], 'G');
    ck_assert_uint_eq(data[251], 7);
    ck_assert_uint_eq(rig->gap_from, 2);
    ck_assert_uint_eq(rig->gap_to, 6);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_message_in_a_send_that_is_not_settled_is_not_dropped) {
    struct rig *rig = rig_with(1000, 0);
    uint32_t peer = open_one(rig, 100000);
    push_room(rig, 1, 1, 900);
    stream_flush_dirty(&rig->streams); // submitted: the kernel may have it
    push_room(rig, 1, 2, 900);
    push_room(rig, 1, 3, 900);
    uint8_t data[4096];
    size_t size = read_all(rig, peer, data, sizeof(data));
    ck_assert_uint_eq(data[0], 1);
    ck_assert_uint_eq(size, 900 + 1);
    ck_assert_uint_eq(rig->gap_from, 2);
    ck_assert_uint_eq(rig->gap_to, 3);
    rig_free(rig, 0);
}
END_TEST

START_TEST(gaps_of_two_rooms_stay_apart_and_grow_each) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    for (uint64_t i = 1; i <= 10; i++) {
        push_room(rig, 1, i, 50);
        push_room(rig, 2, 100 + i, 50);
    }
    uint8_t data[4096];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 2 + 100);
    ck_assert_uint_eq(rig->drop_count, 2);
    ck_assert_uint_eq(rig->gap_count, 2);
    ck_assert_uint_eq(data[0], 'G');
    ck_assert_uint_eq(data[1], 'G');
    ck_assert_uint_eq(rig->gap_room, 2);
    ck_assert_uint_eq(rig->gap_from, 101);
    ck_assert_uint_eq(rig->gap_to, 109);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_gap_keeps_its_place_between_replies) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    (void)rig_push(rig, stream_of(rig), PARCEL_CONTROL, "a", 1);
    push_room(rig, 1, 1, 60);
    (void)rig_push(rig, stream_of(rig), PARCEL_CONTROL, "b", 1);
    push_room(rig, 1, 2, 60);
    uint8_t data[256];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 3 + 60);
    ck_assert_int_eq(memcmp(data, "aGb\2", 4), 0);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_gap_is_left_out_when_the_owner_says_so) {
    struct rig *rig = rig_with(100, 0);
    rig->gap_left_out = true;
    uint32_t peer = open_blocked(rig);
    push_room(rig, 1, 1, 60);
    push_room(rig, 1, 2, 60);
    uint8_t data[256];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 60);
    ck_assert_uint_eq(rig->gap_count, 1);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_message_beyond_the_whole_budget_becomes_the_gap_itself) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_one(rig, 10);
    push_room(rig, 1, 1, 60);
    rig_turn(rig, 0);
    push_room(rig, 1, 2, 5000);
    push_room(rig, 1, 3, 5000);
    uint8_t data[256];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 60 + 1);
    ck_assert_uint_eq(rig->gap_from, 2);
    ck_assert_uint_eq(rig->gap_to, 3);
    rig_free(rig, 0);
}
END_TEST

START_TEST(an_empty_queue_takes_any_one_message) {
    struct rig *rig = rig_with(100, 100);
    open_blocked(rig);
    push_room(rig, 1, 1, 60000);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_PENDING), 1);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_CONTROL, NULL, 300000), STREAM_PUSH_OK);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_CONTROL, NULL, 1),
                     STREAM_PUSH_OVER_CONTROL);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_batch_counts_all_its_messages_and_gaps_as_a_range) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    for (uint64_t from = 1; from <= 11; from += 5) {
        uint32_t id = rig_parcel(rig, PARCEL_ROOM, NULL, 60);
        struct parcel *parcel = parcel_at(&rig->blocks, id);
        parcel->room = 3;
        parcel->sequence_from = from;
        parcel->message_count = 5;
        counter_add(&rig->counters, COUNTER_DUE, 5);
        ck_assert_int_eq(stream_push(&rig->streams, stream_of(rig), id), STREAM_PUSH_OK);
        parcel_unref(&rig->blocks, id);
        ck_assert(rig_audit_holds(rig));
    }
    uint8_t data[256];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 61);
    ck_assert_uint_eq(rig->gap_from, 1);
    ck_assert_uint_eq(rig->gap_to, 10);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DELIVERED), 5);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_room_with_policy_close_says_so_and_keeps_what_is_queued) {
    struct rig *rig = rig_with(100, 0);
    open_blocked(rig);
    ck_assert_int_eq(rig_push_room(rig, stream_of(rig), 1, 1, 60, true), STREAM_PUSH_OK);
    ck_assert_int_eq(rig_push_room(rig, stream_of(rig), 1, 2, 60, true), STREAM_PUSH_OVER_ROOM);
    ck_assert(rig_audit_holds(rig));
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_PENDING), 1);
    rig_free(rig, 0);
}
END_TEST

// The one refused may be large, and the next one small enough.
START_TEST(what_comes_behind_a_message_refused_by_policy_close_stands_behind_a_gap) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    ck_assert_int_eq(rig_push_room(rig, stream_of(rig), 1, 1, 60, true), STREAM_PUSH_OK);
    ck_assert_int_eq(rig_push_room(rig, stream_of(rig), 1, 2, 60, true), STREAM_PUSH_OVER_ROOM);
    ck_assert_int_eq(rig_push_room(rig, stream_of(rig), 1, 3, 10, true), STREAM_PUSH_OK);
    ck_assert(rig_audit_holds(rig));
    uint8_t data[4096];
    size_t size = read_all(rig, peer, data, sizeof(data));
    ck_assert_uint_eq(rig->gap_count, 1);
    ck_assert_uint_eq(rig->gap_from, 2);
    ck_assert_uint_eq(rig->gap_to, 2);
    ck_assert_int_eq(data[size - 11], 'G');
    ck_assert_int_eq(data[size - 1], 3);
    rig_free(rig, 0);
}
END_TEST

START_TEST(gaps_are_told_at_once_when_asked_for_and_keep_their_place) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    for (uint64_t i = 1; i <= 7; i++)
        push_room(rig, 1, i, 60);
    ck_assert_uint_eq(rig->gap_count, 0);
    stream_seal(&rig->streams, stream_of(rig).index);
    ck_assert_uint_eq(rig->gap_count, 1);
    ck_assert_uint_eq(rig->gap_to, 6);
    streams_validate(&rig->streams);
    uint8_t data[4096];
    size_t size = read_all(rig, peer, data, sizeof(data));
    ck_assert_uint_eq(rig->gap_count, 1);
    ck_assert_int_eq(data[size - 61], 'G');
    rig_free(rig, 0);
}
END_TEST

START_TEST(what_was_sealed_is_not_dropped_and_mixes_with_nothing_later) {
    struct rig *rig = rig_with(150, 0);
    uint32_t peer = open_blocked(rig);
    push_room(rig, 1, 1, 60);
    push_room(rig, 1, 2, 60);
    stream_seal(&rig->streams, stream_of(rig).index);
    for (uint64_t i = 3; i <= 5; i++)
        push_room(rig, 1, i, 60);
    push_room(rig, 1, 6, 10);
    ck_assert(rig_audit_holds(rig));
    uint8_t data[4096];
    size_t size = read_all(rig, peer, data, sizeof(data));
    ck_assert_uint_eq(rig->gap_count, 1);
    ck_assert_uint_eq(rig->gap_from, 3);
    ck_assert_uint_eq(rig->gap_to, 5);
    ck_assert_int_eq(data[size - 1], 6);
    ck_assert_int_eq(data[size - 11], 'G');
    ck_assert_int_eq(data[size - 12], 2);
    ck_assert_int_eq(data[size - 72], 1);
    for (uint64_t i = 7; i <= 9; i++) // the seal went with what was sealed
        push_room(rig, 1, i, 60);
    ck_assert(rig_audit_holds(rig));
    rig_free(rig, 0);
}
END_TEST

START_TEST(gaps_are_told_to_a_peer_that_closed_its_side_and_reads_on) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    for (uint64_t i = 1; i <= 7; i++)
        push_room(rig, 1, i, 60);
    ring_sim_peer_fin(rig->ring, peer);
    rig_turn(rig, 0);
    ck_assert_uint_eq(rig->gap_count, 1);
    uint8_t data[4096];
    size_t size = read_all(rig, peer, data, sizeof(data));
    ck_assert_int_eq(data[size - 61], 'G');
    rig_free(rig, 0);
}
END_TEST

START_TEST(control_budget_is_kept_at_max_minus_1_max_and_max_plus_1) {
    for (uint32_t last = 99; last <= 101; last++) {
        struct rig *rig = rig_with(0, 1000);
        open_blocked(rig);
        ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_CONTROL, NULL, 400), STREAM_PUSH_OK);
        ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_STATE, NULL, 500), STREAM_PUSH_OK);
        ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_CONTROL, NULL, last),
                         last > 100 ? STREAM_PUSH_OVER_CONTROL : STREAM_PUSH_OK);
        rig_free(rig, 0);
    }
}
END_TEST

START_TEST(control_is_never_dropped_for_room_messages) {
    struct rig *rig = rig_with(100, 1000);
    uint32_t peer = open_blocked(rig);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_CONTROL, NULL, 900), STREAM_PUSH_OK);
    for (uint64_t i = 1; i <= 20; i++)
        push_room(rig, 1, i, 60);
    uint8_t data[4096];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 900 + 1 + 60);
    rig_free(rig, 0);
}
END_TEST

START_TEST(writable_is_told_once_when_control_falls_under_half) {
    struct rig *rig = rig_with(0, 1000);
    uint32_t peer = open_one(rig, 100);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_CONTROL, NULL, 100), STREAM_PUSH_OK);
    rig_turn(rig, 0); // 100 taken, 500 left: half
    ck_assert_uint_eq(rig->peers[0].writables, 1);
    uint8_t data[4096];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 600);
    ck_assert_uint_eq(rig->peers[0].writables, 1);
    rig_free(rig, 0);
}
END_TEST

START_TEST(whispers_over_budget_go_without_a_gap) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    push_room(rig, 1, 1, 50);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_WHISPER, NULL, 50), STREAM_PUSH_OK);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_WHISPER, NULL, 1), STREAM_PUSH_OK);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_WHISPERS_DROPPED), 1);
    push_room(rig, 1, 2, 100); // the message and the whisper before it go
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_WHISPERS_DROPPED), 2);
    uint8_t data[256];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 101);
    ck_assert_uint_eq(rig->gap_count, 1);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_queue_of_whispers_only_makes_room_entirely) {
    struct rig *rig = rig_with(100, 0);
    uint32_t peer = open_blocked(rig);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_WHISPER, NULL, 60), STREAM_PUSH_OK);
    ck_assert_int_eq(rig_push(rig, stream_of(rig), PARCEL_WHISPER, NULL, 40), STREAM_PUSH_OK);
    push_room(rig, 1, 1, 100);
    uint8_t data[256];
    ck_assert_uint_eq(read_all(rig, peer, data, sizeof(data)), 100);
    rig_free(rig, 0);
}
END_TEST

START_TEST(push_without_memory_for_a_node_is_counted) {
    struct stream_config config = {.queued_parcels_max = 2};
    struct rig *rig = rig_new(&ring_config, &config);
    open_blocked(rig);
    push_room(rig, 1, 1, 10);
    push_room(rig, 1, 2, 10);
    ck_assert_int_eq(rig_push_room(rig, stream_of(rig), 1, 3, 10, false), STREAM_PUSH_NO_MEMORY);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DROPPED_MEMORY), 1);
    ck_assert(rig_audit_holds(rig));
    rig_free(rig, 0);
}
END_TEST

START_TEST(push_to_a_stream_that_is_gone_counts_as_closed) {
    struct rig *rig = rig_with(0, 0);
    open_blocked(rig);
    struct handle stream = stream_of(rig);
    push_room(rig, 1, 1, 10);
    push_room(rig, 1, 2, 10);
    stream_close(&rig->streams, stream, STREAM_CLOSE_ABORT);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DROPPED_CLOSED), 2);
    ck_assert_int_eq(rig_push_room(rig, stream, 1, 3, 10, false), STREAM_PUSH_CLOSING);
    rig_turns(rig, 5, 0);
    ck_assert_uint_eq(streams_used_count(&rig->streams), 0);
    ck_assert_int_eq(rig_push_room(rig, stream, 1, 4, 10, false), STREAM_PUSH_CLOSING);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DROPPED_CLOSED), 4);
    ck_assert(rig_audit_holds(rig));
    rig_free(rig, 0);
}
END_TEST

START_TEST(abort_after_a_flush_keeps_the_bytes_until_the_send_is_settled) {
    struct rig *rig = rig_with(0, 0);
    uint32_t peer = open_one(rig, 100);
    push_room(rig, 1, 1, 10);
    stream_flush_dirty(&rig->streams);
    stream_close(&rig->streams, stream_of(rig), STREAM_CLOSE_ABORT);
    rig_turns(rig, 5, 0);
    uint8_t data[16];
    ck_assert_uint_eq(ring_sim_peer_receive(rig->ring, peer, data, sizeof(data)), 10);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DELIVERED), 1);
    ck_assert_uint_eq(streams_used_count(&rig->streams), 0);
    rig_free(rig, 0);
}
END_TEST

UNIT_MAIN("io/stream_queue", push_is_sent_and_its_parcel_given_back,
          push_of_one_turn_leaves_in_one_send_in_order,
          push_of_more_than_one_send_holds_goes_on_next_turn,
          send_in_parts_keeps_every_byte_at_every_split,
          room_budget_is_kept_at_max_minus_1_max_and_max_plus_1,
          oldest_are_dropped_and_a_gap_stands_in_their_place,
          what_is_of_no_room_is_dropped_without_a_gap, a_message_partly_sent_is_never_dropped,
          a_message_in_a_send_that_is_not_settled_is_not_dropped,
          gaps_of_two_rooms_stay_apart_and_grow_each, a_gap_keeps_its_place_between_replies,
          a_gap_is_left_out_when_the_owner_says_so,
          what_comes_behind_a_message_refused_by_policy_close_stands_behind_a_gap,
          gaps_are_told_at_once_when_asked_for_and_keep_their_place,
          gaps_are_told_to_a_peer_that_closed_its_side_and_reads_on,
          what_was_sealed_is_not_dropped_and_mixes_with_nothing_later,
          a_message_beyond_the_whole_budget_becomes_the_gap_itself,
          an_empty_queue_takes_any_one_message, a_batch_counts_all_its_messages_and_gaps_as_a_range,
          a_room_with_policy_close_says_so_and_keeps_what_is_queued,
          control_budget_is_kept_at_max_minus_1_max_and_max_plus_1,
          control_is_never_dropped_for_room_messages,
          writable_is_told_once_when_control_falls_under_half,
          whispers_over_budget_go_without_a_gap, a_queue_of_whispers_only_makes_room_entirely,
          push_without_memory_for_a_node_is_counted, push_to_a_stream_that_is_gone_counts_as_closed,
          abort_after_a_flush_keeps_the_bytes_until_the_send_is_settled)
