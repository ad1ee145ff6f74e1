// Goal: whatever happens in whatever order, a stream is torn down by its named steps, tells its end
// once, and leaves nothing behind. Method: simulated peers and weather, thousands of random steps
// per seed; all invariants (streams_validate, the audit) after every turn, empty slabs at the end.
#include <errno.h>

#include "io/ring_sim.h"
#include "sched/base/rng.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define LISTEN_FD 7
#define SEEDS 150
#define STEPS 300

static struct rig *rig_listening(const struct ring_config *ring,
                                 const struct stream_config *config) {
    struct rig *rig = rig_new(ring, config);
    struct accept_config accept_config = {.listen_fd = LISTEN_FD};
    ck_assert_int_ge(accept_open(&rig->streams, &accept_config), 0);
    return rig;
}

static const struct ring_config one_lane = {.lane_count = 1, .descriptors_per_lane = 16};

static void turn_until_ended(struct rig *rig) {
    for (int turn = 0; turn < 500 && streams_used_count(&rig->streams) > 0; turn++)
        rig_turn(rig, 0);
    ck_assert_uint_eq(streams_used_count(&rig->streams), 0);
}

START_TEST(stream_ends_with_peer_closed_after_fin) {
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0});
    uint32_t peer = ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 2, 0);
    ring_sim_peer_send(rig->ring, peer, "x", 1);
    ring_sim_peer_fin(rig->ring, peer);
    turn_until_ended(rig);
    ck_assert_uint_eq(rig->peers[0].bytes, 1);
    ck_assert_uint_eq(rig->peers[0].ends, 1);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_PEER_CLOSED);
    ck_assert(ring_sim_peer_is_closed(rig->ring, peer));
    rig_free(rig, 0);
}
END_TEST

START_TEST(stream_close_flush_walks_every_step) {
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0});
    uint32_t peer = ring_sim_connect(rig->ring, LISTEN_FD);
    ring_sim_peer_set_space(rig->ring, peer, 2);
    rig_turns(rig, 2, 0);
    struct handle stream = rig->peers[0].stream;
    const struct stream *slot = slab_at(&rig->streams.slots, stream.index);
    (void)rig_push(rig, stream, PARCEL_CONTROL, "bye", 3);
    stream_close(&rig->streams, stream, STREAM_CLOSE_FLUSH);
    ck_assert_uint_eq(slot->state, STREAM_FLUSHING);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(slot->state, STREAM_FLUSHING);
    ck_assert(!ring_sim_peer_saw_fin(rig->ring, peer));
    char data[4];
    ck_assert_uint_eq(ring_sim_peer_receive(rig->ring, peer, data, 4), 2);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(slot->state, STREAM_LINGERING);
    ck_assert_uint_eq(ring_sim_peer_receive(rig->ring, peer, data, 4), 1);
    ck_assert(ring_sim_peer_saw_fin(rig->ring, peer));
    ring_sim_peer_send(rig->ring, peer, "late", 4); // read past
    rig_turn(rig, 0);
    ck_assert_uint_eq(rig->peers[0].bytes, 0);
    ring_sim_peer_fin(rig->ring, peer);
    turn_until_ended(rig);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_LOCAL);
    rig_free(rig, 0);
}
END_TEST

START_TEST(stream_close_flush_of_a_paused_stream_still_sees_the_fin) {
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0});
    uint32_t peer = ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 2, 0);
    stream_pause_reading(&rig->streams, rig->peers[0].stream.index);
    rig_turns(rig, 2, 0);
    stream_close(&rig->streams, rig->peers[0].stream, STREAM_CLOSE_FLUSH);
    rig_turns(rig, 2, 0);
    ring_sim_peer_fin(rig->ring, peer);
    turn_until_ended(rig);
    rig_free(rig, 0);
}
END_TEST

START_TEST(stream_of_a_peer_that_never_reads_is_dropped_after_the_linger) {
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){.linger_s = 5});
    uint32_t peer = ring_sim_connect(rig->ring, LISTEN_FD);
    ring_sim_peer_set_space(rig->ring, peer, 0);
    rig_turns(rig, 2, 0);
    (void)rig_push_room(rig, rig->peers[0].stream, 1, 1, 10, false);
    rig_turn(rig, 0);
    ring_sim_peer_fin(rig->ring, peer);
    rig_turns(rig, 3, 0);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_PEER_CLOSED); // told at once
    rig_tick(rig, 4);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(streams_used_count(&rig->streams), 1);
    rig_tick(rig, 1);
    turn_until_ended(rig);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_DROPPED_CLOSED), 1);
    ck_assert_uint_eq(rig->peers[0].ends, 1);
    rig_free(rig, 0);
}
END_TEST

START_TEST(stream_without_an_owner_gets_no_upcall) {
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0});
    uint32_t peer = ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 2, 0);
    stream_set_owner(&rig->streams, rig->peers[0].stream.index, STREAM_NO_OWNER);
    ring_sim_peer_send(rig->ring, peer, "x", 1);
    ring_sim_peer_reset(rig->ring, peer);
    turn_until_ended(rig);
    ck_assert_uint_eq(rig->peers[0].ends, 0);
    ck_assert_uint_eq(rig->peers[0].bytes, 0);
    rig_free(rig, 0);
}
END_TEST

START_TEST(stale_completions_change_nothing) {
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0});
    ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 2, 0);
    struct handle stream = rig->peers[0].stream;
    struct stream before = *(struct stream *)slab_at(&rig->streams.slots, stream.index);
    for (uint8_t op = TOKEN_CONNECT; op <= TOKEN_CLOSE; op++) {
        for (int32_t result = -ECONNRESET; result < 3; result += ECONNRESET + 1) {
            struct ring_completion completion = {.op = op,
                                                 .generation = stream.generation + 1,
                                                 .index = stream.index,
                                                 .result = result,
                                                 .buffer = RING_NO_BUFFER};
            stream_on_completion(&rig->streams, &completion);
        }
    }
    ck_assert_int_eq(memcmp(&before, slab_at(&rig->streams.slots, stream.index), sizeof(before)),
                     0);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_STALE_COMPLETIONS),
                      2 * (TOKEN_CLOSE - TOKEN_CONNECT + 1));
    rig_free(rig, 0);
}
END_TEST

START_TEST(connect_that_fails_says_why_and_leaves_nothing) {
    struct rig *rig = rig_new(&one_lane, &(struct stream_config){.connects = true});
    struct sockaddr_storage remote = {.ss_family = AF_INET};
    struct connect_config config = {.remote = (struct sockaddr *)&remote,
                                    .remote_size = sizeof(remote)};
    struct handle stream;
    ring_sim_knobs(rig->ring)->connect_error = ECONNREFUSED;
    ck_assert_int_eq(connect_open(&rig->streams, 5, &config, &stream), 0);
    turn_until_ended(rig);
    ck_assert_uint_eq(rig->connect_failures, 1);
    ck_assert_int_eq(rig->connect_error, ECONNREFUSED);
    ring_sim_knobs(rig->ring)->connect_error = 0;
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(connect_open(&rig->streams, 0, &config, &stream), 0);
    ck_assert_int_eq(connect_open(&rig->streams, 0, &config, &stream), -ENOSPC);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(rig->open_count, 16);
    rig_free(rig, 0);
}
END_TEST

// --- the storm -----------------------------------------------------------------------------------

static void choose_weather(struct rig *rig, struct rng *rng) {
    struct ring_sim_knobs *knobs = ring_sim_knobs(rig->ring);
    ring_sim_seed(rig->ring, rng_next(rng));
    // One in one would be never: 0 (never), 2, 3, 4.
    static const uint32_t chances[] = {0, 2, 3, 4};
    *knobs = (struct ring_sim_knobs){.reorders = rng_below(rng, 2),
                                     .late_one_in = chances[rng_below(rng, 4)],
                                     .lose_more_one_in = rng_below(rng, 6),
                                     .cancel_misses_one_in = chances[rng_below(rng, 4)],
                                     .run_max = 1 + rng_below(rng, 8),
                                     .send_space = rng_below(rng, 3000),
                                     .reports_success = rng_below(rng, 2)};
}

static void one_peer_step(struct rig *rig, struct rng *rng, uint32_t peer) {
    static uint8_t bytes[2000];
    switch (rng_below(rng, 16)) {
    case 0:
        ring_sim_peer_reset(rig->ring, peer);
        break;
    case 1:
        ring_sim_peer_fin(rig->ring, peer);
        break;
    case 2:
    case 3:
    case 4:
        (void)ring_sim_peer_receive(rig->ring, peer, bytes, rng_below(rng, sizeof(bytes)));
        break;
    default:
        ring_sim_peer_send(rig->ring, peer, bytes, 1 + rng_below(rng, 600));
        break;
    }
}

static void one_own_step(struct rig *rig, struct rng *rng, uint32_t owner, uint64_t sequence) {
    struct handle stream = rig->peers[owner].stream;
    bool is_live = rig->peers[owner].is_open;
    switch (rng_below(rng, 16)) {
    case 0:
        stream_close(&rig->streams, stream, STREAM_CLOSE_FLUSH);
        break;
    case 1:
        stream_close(&rig->streams, stream, STREAM_CLOSE_ABORT);
        break;
    case 2:
        if (is_live)
            stream_pause_reading(&rig->streams, stream.index);
        break;
    case 3:
    case 4:
        if (is_live)
            stream_resume_reading(&rig->streams, stream.index);
        break;
    case 5:
        (void)rig_push(rig, stream, PARCEL_WHISPER, NULL, 1 + rng_below(rng, 200));
        break;
    case 6:
        (void)rig_push(rig, stream, PARCEL_CONTROL, NULL, 1 + rng_below(rng, 900));
        break;
    case 7:
        rig_tick(rig, rng_below(rng, 3));
        break;
    default:
        (void)rig_push_room(rig, stream, rng_below(rng, 3), sequence, 1 + rng_below(rng, 900),
                            rng_below(rng, 4) == 0);
        break;
    }
}

static void storm(uint64_t seed) {
    struct rng rng = {seed};
    struct ring_config ring = {
        .lane_count = 2,
        .descriptors_per_lane = 8,
        .first = {.buffer_count = 1u << rng_below(&rng, 5), .buffer_bytes = 64}};
    struct stream_config config = {.connections_max = 12,
                                   .connections_spare = 1 + rng_below(&rng, 4),
                                   .out_queue_bytes_max = 2000,
                                   .control_bytes_max = 2000,
                                   .recv_turn_bytes_max = 256,
                                   .queued_parcels_max = 64,
                                   .linger_s = 1 + rng_below(&rng, 4)};
    struct rig *rig = rig_listening(&ring, &config);
    rig->echo = rng_below(&rng, 2);
    uint32_t peers = 0;
    for (uint64_t step = 1; step <= STEPS; step++) {
        if (step % 50 == 1)
            choose_weather(rig, &rng);
        if (rng_below(&rng, 4) == 0)
            peers = ring_sim_connect(rig->ring, LISTEN_FD) + 1;
        for (int i = 0; i < 3 && peers > 0; i++)
            one_peer_step(rig, &rng, rng_below(&rng, peers));
        for (int i = 0; i < 3 && rig->peer_count > 0; i++)
            one_own_step(rig, &rng, rng_below(&rng, rig->peer_count), step * 3 + (uint64_t)i);
        rig_turn(rig, 0);
        ck_assert_msg(rig_audit_holds(rig), "seed %llu", (unsigned long long)seed);
    }
    for (uint32_t i = 0; i < peers; i++)
        ck_assert_msg(!ring_sim_peer_is_unheard(rig->ring, i), "seed %llu: peer %u dropped unheard",
                      (unsigned long long)seed, i);
    accept_close_all(&rig->streams);
    streams_close_all(&rig->streams, STREAM_CLOSE_ABORT);
    for (int turn = 0;
         turn < 500 && !(streams_used_count(&rig->streams) == 0 && accept_is_quiet(&rig->streams));
         turn++) {
        rig_turn(rig, 0);
        streams_close_all(&rig->streams, STREAM_CLOSE_ABORT);
    }
    ck_assert_uint_eq(streams_used_count(&rig->streams), 0);
    ck_assert_uint_eq(ring_sim_armed_count(rig->ring), 0);
    ck_assert(rig_audit_holds(rig));
    for (uint32_t i = 0; i < rig->peer_count; i++)
        ck_assert_msg(rig->peers[i].ends == 1, "seed %llu: stream %u ended %u times",
                      (unsigned long long)seed, i, rig->peers[i].ends);
    rig_free(rig, 0);
}

START_TEST(streams_survive_a_storm_of_every_order) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        storm(seed);
}
END_TEST

// Without it the rest would wait for whatever comes next: a send that was taken whole is silent.
START_TEST(a_send_that_something_waits_for_wants_another_turn_and_no_other_does) {
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0});
    uint32_t peer = ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 2, 0);
    struct handle stream = rig->peers[0].stream;
    (void)rig_push(rig, stream, PARCEL_CONTROL, "one", 3);
    stream_flush_dirty(&rig->streams);
    ck_assert(!streams_wants_turn(&rig->streams));
    rig_turns(rig, 2, 0);
    for (uint32_t i = 0; i < RING_IOVECS_MAX + 1; i++)
        (void)rig_push(rig, stream, PARCEL_CONTROL, "one", 3);
    stream_flush_dirty(&rig->streams);
    ck_assert(streams_wants_turn(&rig->streams));
    rig_turn(rig, 0);
    stream_flush_dirty(&rig->streams);
    ck_assert(!streams_wants_turn(&rig->streams));
    rig_turn(rig, 0);
    ck_assert(stream_is_empty(&rig->streams, stream.index));
    (void)rig_push(rig, stream, PARCEL_CONTROL, "bye", 3);
    stream_close(&rig->streams, stream, STREAM_CLOSE_FLUSH);
    stream_flush_dirty(&rig->streams);
    ck_assert(streams_wants_turn(&rig->streams));
    rig_turns(rig, 2, 0);
    char data[512];
    ck_assert_uint_eq(ring_sim_peer_receive(rig->ring, peer, data, sizeof(data)),
                      3 * (RING_IOVECS_MAX + 3));
    ck_assert(ring_sim_peer_saw_fin(rig->ring, peer));
    ring_sim_peer_fin(rig->ring, peer);
    turn_until_ended(rig);
    rig_free(rig, 0);
}
END_TEST

UNIT_MAIN("io/stream", stream_ends_with_peer_closed_after_fin, stream_close_flush_walks_every_step,
          stream_close_flush_of_a_paused_stream_still_sees_the_fin,
          stream_of_a_peer_that_never_reads_is_dropped_after_the_linger,
          stream_without_an_owner_gets_no_upcall, stale_completions_change_nothing,
          connect_that_fails_says_why_and_leaves_nothing,
          a_send_that_something_waits_for_wants_another_turn_and_no_other_does,
          streams_survive_a_storm_of_every_order)
