// Goal: accepting keeps clear of full tables, of the limit, and survives errors.
#include "io/accept.h"

#include <errno.h>
#include <netinet/in.h>

#include "io/ring_sim.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define LISTEN_FD 7

static const struct ring_config small = {.lane_count = 3, .descriptors_per_lane = 4};

static struct rig *rig_accepting(const struct ring_config *ring, const struct stream_config *config,
                                 uint32_t acceptors) {
    struct rig *rig = rig_new(ring, config);
    for (uint32_t i = 0; i < acceptors; i++) {
        struct accept_config accept_config = {.listen_fd = LISTEN_FD + (int)i};
        ck_assert_int_eq(accept_open(&rig->streams, &accept_config), i);
    }
    return rig;
}

START_TEST(accept_fills_every_slot_and_drops_nobody) {
    struct rig *rig = rig_accepting(&small, &(struct stream_config){0}, 1);
    for (uint32_t i = 0; i < 20; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 20, 0);
    ck_assert_uint_eq(rig->open_count, 12);
    ck_assert_uint_eq(ring_lanes_open(rig->ring), 3);
    stream_close(&rig->streams, rig->peers[5].stream, STREAM_CLOSE_ABORT);
    rig_turns(rig, 10, 0);
    ck_assert_uint_eq(rig->peer_count, 13);
    for (uint32_t i = 0; i < 20; i++)
        ck_assert(!ring_sim_peer_is_unheard(rig->ring, i));
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_opens_a_lane_only_when_it_is_needed) {
    struct rig *rig = rig_accepting(&small, &(struct stream_config){0}, 1);
    for (uint32_t i = 0; i < 3; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 10, 0);
    ck_assert_uint_eq(rig->open_count, 3);
    ck_assert_uint_eq(ring_lanes_open(rig->ring), 1);
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_leaves_slots_for_every_listener) {
    struct rig *rig = rig_accepting(&small, &(struct stream_config){0}, 3);
    for (int fd = LISTEN_FD; fd < LISTEN_FD + 3; fd++) {
        for (uint32_t i = 0; i < 4; i++)
            (void)ring_sim_connect(rig->ring, fd);
    }
    rig_turns(rig, 30, 0);
    ck_assert_uint_eq(rig->open_count, 12);
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_marks_spare_slots_and_then_pauses) {
    struct stream_config config = {.connections_max = 5, .connections_spare = 2};
    struct rig *rig = rig_accepting(&small, &config, 1);
    for (uint32_t i = 0; i < 10; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 20, 0);
    ck_assert_uint_eq(rig->open_count, 7);
    for (uint32_t i = 0; i < 7; i++)
        ck_assert_int_eq(rig->peers[i].over_limit, i >= 5);
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_with_room_for_bursts_uses_one_multishot) {
    struct ring_config ring = {.lane_count = 2, .descriptors_per_lane = 8192};
    struct rig *rig = rig_accepting(&ring, &(struct stream_config){0}, 1);
    rig_turn(rig, 0);
    ck_assert_uint_eq(ring_sim_armed_count(rig->ring), 1);
    uint64_t submissions = counter_read(&rig->counters, COUNTER_SUBMISSIONS);
    ck_assert_uint_eq(submissions, 1);
    for (uint32_t i = 0; i < 3000; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 10, 0);
    ck_assert_uint_eq(rig->open_count, 3000); // beyond its margin by now: cancelled, one-shots
    for (uint32_t i = 0; i < 500; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 30, 0);
    ck_assert_uint_eq(rig->open_count, 3500);
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_that_lost_more_is_armed_again) {
    struct ring_config ring = {.lane_count = 1, .descriptors_per_lane = 8192};
    struct rig *rig = rig_accepting(&ring, &(struct stream_config){0}, 1);
    ring_sim_knobs(rig->ring)->lose_more_one_in = 1;
    for (uint32_t i = 0; i < 20; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 40, 0);
    ck_assert_uint_eq(rig->open_count, 20);
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_waits_after_emfile_and_goes_on) {
    struct rig *rig = rig_accepting(&small, &(struct stream_config){0}, 1);
    ring_sim_knobs(rig->ring)->accept_error = EMFILE;
    for (uint32_t i = 0; i < 8; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 10, 0);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_ACCEPT_ERRORS), 1);
    uint32_t before = rig->open_count; // the one-shots that were armed beside it
    ck_assert_uint_lt(before, 8);
    rig_turns(rig, 10, 0);
    ck_assert_uint_eq(rig->open_count, before);
    rig_tick(rig, 1);
    rig_turns(rig, 10, 0);
    ck_assert_uint_eq(rig->open_count, 8);
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_closed_opens_nobody_and_becomes_quiet) {
    struct rig *rig = rig_accepting(&small, &(struct stream_config){0}, 2);
    rig_turns(rig, 3, 0);
    ck_assert(!accept_is_quiet(&rig->streams));
    accept_close_all(&rig->streams);
    rig_turns(rig, 3, 0);
    ck_assert(accept_is_quiet(&rig->streams));
    ck_assert_uint_eq(ring_sim_armed_count(rig->ring), 0);
    (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_tick(rig, 1);
    rig_turns(rig, 3, 0);
    ck_assert_uint_eq(rig->peer_count, 0);
    rig_free(rig, 0);
}
END_TEST

START_TEST(accept_with_addresses_tells_each_its_own) {
    struct rig *rig = rig_new(&small, &(struct stream_config){0});
    struct accept_config config = {.listen_fd = LISTEN_FD, .peer_addresses = true};
    ck_assert_int_ge(accept_open(&rig->streams, &config), 0);
    for (uint32_t i = 0; i < 12; i++)
        (void)ring_sim_connect(rig->ring, LISTEN_FD);
    rig_turns(rig, 20, 0);
    bool seen[12] = {0};
    for (uint32_t i = 0; i < 12; i++) {
        uint16_t port = ntohs(((struct sockaddr_in *)&rig->peers[i].address)->sin_port);
        ck_assert_uint_lt(port, 12);
        ck_assert(!seen[port]);
        seen[port] = true;
    }
    rig_free(rig, 0);
}
END_TEST

UNIT_MAIN("io/accept", accept_fills_every_slot_and_drops_nobody,
          accept_opens_a_lane_only_when_it_is_needed, accept_leaves_slots_for_every_listener,
          accept_marks_spare_slots_and_then_pauses, accept_with_room_for_bursts_uses_one_multishot,
          accept_that_lost_more_is_armed_again, accept_waits_after_emfile_and_goes_on,
          accept_closed_opens_nobody_and_becomes_quiet, accept_with_addresses_tells_each_its_own)
