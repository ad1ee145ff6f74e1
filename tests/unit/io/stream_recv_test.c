// Goal: parked, hot and starved receiving hands over every byte in order, and arms what it should.
#include "io/ring_sim.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define LISTEN_FD 7

static struct rig *rig_open(const struct ring_config *ring, const struct stream_config *config,
                            uint32_t count) {
    struct rig *rig = rig_new(ring, config);
    struct accept_config accept_config = {.listen_fd = LISTEN_FD};
    ck_assert_int_ge(accept_open(&rig->streams, &accept_config), 0);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_uint_eq(ring_sim_connect(rig->ring, LISTEN_FD), i);
    for (int turn = 0; turn < 50 && rig->peer_count < count; turn++)
        rig_turn(rig, 0);
    ck_assert_uint_eq(rig->peer_count, count);
    rig_turn(rig, 0);
    return rig;
}

static const struct ring_config one_lane = {
    .lane_count = 1, .descriptors_per_lane = 16, .first = {.buffer_count = 4, .buffer_bytes = 8}};

static uint32_t recv_of(const struct rig *rig, uint32_t owner) {
    return ((const struct stream *)slab_at(&rig->streams.slots, rig->peers[owner].stream.index))
        ->recv;
}

START_TEST(stream_is_hot_at_first_parks_when_quiet_and_goes_hot_at_the_second_bytes) {
    struct rig *rig = rig_open(&one_lane, &(struct stream_config){.park_after_s = 3}, 1);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_HOT);
    rig_tick(rig, 2);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_HOT);
    rig_tick(rig, 1);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_PARKING);
    rig_turns(rig, 2, 0);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_PARKED);
    rig_tick(rig, 10);
    ring_sim_peer_send(rig->ring, 0, "a", 1);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(rig->peers[0].bytes, 1);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_PARKED); // once in a while
    rig_tick(rig, 1);
    ring_sim_peer_send(rig->ring, 0, "b", 1);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(rig->peers[0].bytes, 2);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_HOT);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_PARKS), 1);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_HOTS), 2);
    rig_free(rig, 0);
}
END_TEST

START_TEST(many_quiet_streams_are_parked_in_slices_turn_by_turn) {
    static const struct ring_config ring = {.lane_count = 1, .descriptors_per_lane = 6100};
    enum { COUNT = 3000 };
    struct rig *rig = rig_open(&ring, &(struct stream_config){.park_after_s = 1}, COUNT);
    for (uint32_t i = 0; i < COUNT; i += 3) // these go, those behind them take their places
        stream_close(&rig->streams, rig->peers[i].stream, STREAM_CLOSE_ABORT);
    rig_tick(rig, 1);
    uint64_t first = counter_read(&rig->counters, COUNTER_PARKS);
    ck_assert_uint_gt(first, 0);
    ck_assert_uint_lt(first, COUNT / 2);
    ck_assert(streams_wants_turn(&rig->streams)); // nobody else might begin a turn
    rig_turns(rig, 4, 0);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_PARKS), COUNT * 2 / 3);
    for (uint32_t i = 1; i < COUNT; i += 3)
        ck_assert_uint_eq(recv_of(rig, i), STREAM_RECV_PARKED);
    ck_assert(!streams_wants_turn(&rig->streams));
    rig_free(rig, 0);
}
END_TEST

START_TEST(bytes_that_cross_the_cancel_are_not_lost) {
    for (uint32_t miss = 0; miss <= 6; miss += 2) {
        struct rig *rig = rig_open(&one_lane, &(struct stream_config){.park_after_s = 1}, 1);
        ring_sim_knobs(rig->ring)->cancel_misses_one_in = miss;
        uint64_t sent = 0;
        for (uint32_t round = 0; round < 50; round++) {
            rig_tick(rig, 1);
            ring_sim_peer_send(rig->ring, 0, "0123456789", 10);
            sent += 10;
            rig_turns(rig, round % 3, 0);
        }
        rig_turns(rig, 100, 0);
        ck_assert_uint_eq(rig->peers[0].bytes, sent);
        rig_free(rig, 0);
    }
}
END_TEST

START_TEST(lost_more_is_armed_again) {
    struct rig *rig = rig_open(&one_lane, &(struct stream_config){0}, 1);
    ring_sim_knobs(rig->ring)->lose_more_one_in = 1;
    for (int i = 0; i < 20; i++) {
        ring_sim_peer_send(rig->ring, 0, "x", 1);
        rig_turns(rig, 2, 0);
    }
    ck_assert_uint_eq(rig->peers[0].bytes, 20);
    rig_free(rig, 0);
}
END_TEST

START_TEST(starved_streams_get_their_bytes_in_order_when_buffers_return) {
    struct rig *rig = rig_open(&one_lane, &(struct stream_config){0}, 8);
    ck_assert_uint_eq(ring_sim_hide_buffers(rig->ring, 4), 4);
    for (uint32_t i = 0; i < 8; i++)
        ring_sim_peer_send(rig->ring, i, "12345678", 8);
    rig_turns(rig, 3, 0);
    for (uint32_t i = 0; i < 8; i++) {
        ck_assert_uint_eq(rig->peers[i].bytes, 0);
        ck_assert_uint_eq(recv_of(rig, i), STREAM_RECV_STARVED);
    }
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_BUFFERS_EMPTY), 8); // none asked again
    ring_sim_show_buffers(rig->ring, 2);
    rig_turn(rig, 0);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(rig->peers[i].bytes, i < 2 ? 8 : 0);
    ring_sim_show_buffers(rig->ring, 2);
    rig_turns(rig, 10, 0);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(rig->peers[i].bytes, 8);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_flooding_peer_gets_one_buffer_a_turn_and_the_others_theirs) {
    struct ring_config ring = one_lane;
    ring.first.buffer_count = 64;
    struct rig *rig = rig_open(&ring, &(struct stream_config){.recv_turn_bytes_max = 64}, 2);
    static uint8_t flood[4000];
    ring_sim_peer_send(rig->ring, 0, flood, sizeof(flood));
    rig_turns(rig, 3, 0);
    uint64_t before = rig->peers[0].bytes;
    ring_sim_peer_send(rig->ring, 1, "hi", 2);
    rig_turn(rig, 0);
    ck_assert_uint_eq(rig->peers[1].bytes, 2);
    ck_assert_uint_le(rig->peers[0].bytes - before, 8);
    rig_turns(rig, 1000, 0);
    ck_assert_uint_eq(rig->peers[0].bytes, sizeof(flood));
    // Once it has read up it may be hot again.
    ring_sim_peer_send(rig->ring, 0, "x", 1);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_HOT);
    rig_free(rig, 0);
}
END_TEST

START_TEST(paused_streams_have_nothing_armed_and_resume_at_any_point) {
    struct rig *rig = rig_open(&one_lane, &(struct stream_config){0}, 1);
    uint32_t index = rig->peers[0].stream.index;
    uint64_t sent = 0;
    for (uint32_t turns = 0; turns < 5; turns++) {
        stream_pause_reading(&rig->streams, index);
        stream_pause_reading(&rig->streams, index);
        rig_turns(rig, turns, 0);
        uint64_t before = rig->peers[0].bytes;
        ring_sim_peer_send(rig->ring, 0, "abc", 3);
        sent += 3;
        if (turns >= 2) {
            rig_turns(rig, 3, 0);
            ck_assert_uint_eq(rig->peers[0].bytes, before);
        }
        stream_resume_reading(&rig->streams, index);
        stream_resume_reading(&rig->streams, index);
        rig_turns(rig, 4, 0);
        ck_assert_uint_eq(rig->peers[0].bytes, sent);
    }
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_pause_holds_at_once_where_buffers_come_singly) {
    struct ring_config ring = one_lane;
    ring.first.buffer_count = 64;
    struct rig *rig = rig_open(&ring, &(struct stream_config){.park_after_s = 3}, 1);
    uint32_t index = rig->peers[0].stream.index;
    static uint8_t flood[4000];
    stream_read_singly(&rig->streams, index);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_PARKED);
    ring_sim_peer_send(rig->ring, 0, flood, sizeof(flood));
    for (uint32_t round = 0; round < 50; round++) {
        uint64_t before = rig->peers[0].bytes;
        rig_turn(rig, 0);
        ck_assert_uint_le(rig->peers[0].bytes - before, 8);
        ck_assert_uint_ne(recv_of(rig, 0), STREAM_RECV_HOT);
        stream_pause_reading(&rig->streams, index);
        before = rig->peers[0].bytes;
        rig_turns(rig, 5, 0);
        ck_assert_uint_le(rig->peers[0].bytes - before, 8); // the one that was armed
        stream_resume_reading(&rig->streams, index);
    }
    rig_turns(rig, 2000, 0);
    ck_assert_uint_eq(rig->peers[0].bytes, sizeof(flood));
    rig_tick(rig, 3);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(recv_of(rig, 0), STREAM_RECV_PARKED);
    rig_free(rig, 0);
}
END_TEST

START_TEST(a_paused_stream_notices_a_reset_when_it_sends) {
    struct rig *rig = rig_open(&one_lane, &(struct stream_config){0}, 1);
    stream_pause_reading(&rig->streams, rig->peers[0].stream.index);
    rig_turns(rig, 3, 0);
    ring_sim_peer_reset(rig->ring, 0);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(rig->peers[0].ends, 0);
    (void)rig_push(rig, rig->peers[0].stream, PARCEL_CONTROL, "x", 1);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(rig->peers[0].ends, 1);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_RESET);
    rig_free(rig, 0);
}
END_TEST

UNIT_MAIN("io/stream_recv",
          stream_is_hot_at_first_parks_when_quiet_and_goes_hot_at_the_second_bytes,
          many_quiet_streams_are_parked_in_slices_turn_by_turn,
          bytes_that_cross_the_cancel_are_not_lost, lost_more_is_armed_again,
          starved_streams_get_their_bytes_in_order_when_buffers_return,
          a_flooding_peer_gets_one_buffer_a_turn_and_the_others_theirs,
          paused_streams_have_nothing_armed_and_resume_at_any_point,
          a_pause_holds_at_once_where_buffers_come_singly,
          a_paused_stream_notices_a_reset_when_it_sends)
