// Goal: a ring keeps order and its limits, publishing makes visible, and only sleepers are woken.
// Method: one thread plays all endpoints; a random walk against counters. Threads:
// mesh_threads_test.
#include "sched/mesh.h"

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

static struct mesh mesh;

static void set_up(uint32_t schedulers, uint32_t ring_cells) {
    struct mesh_config config = {
        .scheduler_count = schedulers, .outsider_count = 1, .ring_cells = ring_cells};
    ck_assert_int_eq(mesh_init(&mesh, &config), 0);
}

static void tear_down(void) {
    mesh_validate(&mesh);
    mesh_fini(&mesh);
}

static bool send(uint32_t from, uint32_t to, uint64_t value, enum mesh_class class_of_message) {
    struct message message = {.sender = from, .target = to, .words = {value}};
    return mesh_send(&mesh, from, to, &message, class_of_message);
}

START_TEST(mesh_message_is_seen_after_publish_and_not_before) {
    set_up(2, 16);
    struct message message;
    ck_assert(send(0, 1, 5, MESH_ROOM));
    ck_assert(!mesh_receive(&mesh, 1, &message));
    ck_assert_uint_eq(mesh_publish(&mesh, 0), 0); // nobody sleeps
    ck_assert(!mesh_receive(&mesh, 0, &message));
    ck_assert(mesh_receive(&mesh, 1, &message));
    ck_assert(message.words[0] == 5 && message.sender == 0 && message.target == 1);
    ck_assert(!mesh_receive(&mesh, 1, &message));
    tear_down();
}
END_TEST

START_TEST(mesh_ring_keeps_its_last_eighth_for_control) {
    set_up(2, 16);
    for (uint32_t i = 0; i < 14; i++) {
        ck_assert_uint_eq(mesh_fill_eighths(&mesh, 0, 1), i / 2);
        ck_assert(send(0, 1, i, MESH_ROOM));
    }
    ck_assert(!send(0, 1, 99, MESH_ROOM));
    ck_assert_uint_eq(mesh_fill_eighths(&mesh, 0, 1), 7);
    ck_assert(send(0, 1, 14, MESH_CONTROL));
    ck_assert(send(0, 1, 15, MESH_CONTROL));
    ck_assert(!send(0, 1, 99, MESH_CONTROL));
    ck_assert_uint_eq(mesh_fill_eighths(&mesh, 0, 1), 8);
    ck_assert_uint_eq(mesh_publish(&mesh, 0), 0);
    struct message message;
    ck_assert(mesh_receive(&mesh, 1, &message));
    mesh_validate(&mesh);
    ck_assert(send(0, 1, 16, MESH_CONTROL));
    ck_assert(!send(0, 1, 99, MESH_CONTROL));
    ck_assert_uint_eq(mesh_publish(&mesh, 0), 0);
    for (uint64_t i = 1; i < 17; i++) {
        ck_assert(mesh_receive(&mesh, 1, &message));
        ck_assert(message.words[0] == i);
    }
    ck_assert(!mesh_receive(&mesh, 1, &message));
    ck_assert_uint_eq(mesh_fill_eighths(&mesh, 0, 1), 0);
    tear_down();
}
END_TEST

START_TEST(mesh_ring_goes_on_across_the_wrap_of_its_numbers) {
    set_up(2, 16);
    struct mesh_ring *ring = &mesh.rings[0 * mesh.endpoint_count + 1];
    uint32_t start = UINT32_MAX - 20;
    ring->written = ring->taken_seen = ring->published_seen = start;
    atomic_store(&ring->published, start);
    atomic_store(&ring->taken, start);
    struct message message;
    uint64_t sent = 0;
    uint64_t received = 0;
    for (uint32_t round = 0; round < 40; round++) {
        while (send(0, 1, sent, MESH_CONTROL))
            sent++;
        ck_assert_uint_eq(mesh_publish(&mesh, 0), 0);
        mesh_validate(&mesh);
        ck_assert_uint_eq(sent - received, 16);
        for (uint32_t i = 0; i < 3; i++) {
            ck_assert(mesh_receive(&mesh, 1, &message));
            ck_assert(message.words[0] == received++);
        }
    }
    tear_down();
}
END_TEST

START_TEST(mesh_wakes_a_sleeper_once_and_nobody_else) {
    set_up(3, 16);
    ck_assert(mesh_sleep_begin(&mesh, 1));
    ck_assert(send(0, 1, 1, MESH_ROOM));
    ck_assert(send(0, 2, 1, MESH_ROOM));
    ck_assert_uint_eq(mesh_publish(&mesh, 0), 1u << 1);
    ck_assert(send(2, 1, 1, MESH_ROOM));
    ck_assert_uint_eq(mesh_publish(&mesh, 2), 0); // already woken
    ck_assert(!mesh_sleep_begin(&mesh, 1));       // mail is there
    ck_assert(!atomic_load(&mesh.endpoints[1].sleeping));
    struct message message;
    ck_assert(mesh_receive(&mesh, 1, &message));
    ck_assert(mesh_receive(&mesh, 1, &message));
    ck_assert(mesh_sleep_begin(&mesh, 1));
    mesh_sleep_end(&mesh, 1);
    ck_assert(send(0, 1, 1, MESH_ROOM));
    ck_assert_uint_eq(mesh_publish(&mesh, 0), 0);
    ck_assert_uint_eq(mesh_publish(&mesh, 0), 0);
    tear_down();
}
END_TEST

START_TEST(mesh_receive_gives_every_sender_its_turn) {
    set_up(4, 256);
    for (uint32_t i = 0; i < 256; i++)
        ck_assert(send(0, 3, i, MESH_CONTROL));
    ck_assert(send(1, 3, 7, MESH_ROOM));
    ck_assert(send(4, 3, 8, MESH_ROOM)); // the outsider
    for (uint32_t from = 0; from < 5; from++)
        ck_assert_uint_eq(mesh_publish(&mesh, from), 0);
    uint32_t seen_at[5] = {0};
    struct message message;
    for (uint32_t i = 0; mesh_receive(&mesh, 3, &message); i++)
        seen_at[message.sender] = i;
    ck_assert_uint_eq(seen_at[0], 257);
    ck_assert_uint_le(seen_at[1], MESH_RUN_MAX);
    ck_assert_uint_le(seen_at[4], MESH_RUN_MAX + 1);
    tear_down();
}
END_TEST

START_TEST(mesh_lone_sender_is_received_beyond_its_run) {
    set_up(1, 256);
    struct message message;
    for (uint32_t i = 0; i < 256; i++)
        ck_assert(send(1, 0, i, MESH_CONTROL));
    ck_assert_uint_eq(mesh_publish(&mesh, 1), 0);
    for (uint32_t i = 0; i < 256; i++)
        ck_assert(mesh_receive(&mesh, 0, &message) && message.words[0] == i);
    ck_assert(!mesh_receive(&mesh, 0, &message));
    tear_down();
}
END_TEST

START_TEST(mesh_run_is_cut_at_its_limit_and_at_the_wrap_and_comes_again_when_not_taken) {
    set_up(2, 128);
    const struct message *messages;
    ck_assert_uint_eq(mesh_run(&mesh, 0, &messages), 0);
    for (uint32_t i = 0; i < MESH_RUN_MAX + 1; i++)
        ck_assert(send(1, 0, i, MESH_CONTROL));
    ck_assert_uint_eq(mesh_run(&mesh, 0, &messages), 0); // not published
    ck_assert_uint_eq(mesh_publish(&mesh, 1), 0);
    ck_assert_uint_eq(mesh_run(&mesh, 0, &messages), MESH_RUN_MAX);
    ck_assert(messages[0].words[0] == 0 && messages[MESH_RUN_MAX - 1].words[0] == MESH_RUN_MAX - 1);
    ck_assert_uint_eq(mesh_taken_count(&mesh, 0), 0);
    mesh_take(&mesh, 0, 0);
    mesh_validate(&mesh);
    ck_assert_uint_eq(mesh_run(&mesh, 0, &messages), MESH_RUN_MAX);
    mesh_take(&mesh, 0, 10);
    ck_assert_uint_eq(mesh_taken_count(&mesh, 0), 10);
    ck_assert_uint_eq(mesh_run(&mesh, 0, &messages), MESH_RUN_MAX - 10); // still that sender's run
    ck_assert(messages[0].words[0] == 10);
    mesh_take(&mesh, 0, MESH_RUN_MAX - 10);
    ck_assert_uint_eq(mesh_run(&mesh, 0, &messages), 1);
    ck_assert(messages[0].words[0] == MESH_RUN_MAX);
    mesh_take(&mesh, 0, 1);
    for (uint32_t i = 0; i < 70; i++) // cells 65 … 127, then 0 … 6
        ck_assert(send(1, 0, i, MESH_CONTROL));
    ck_assert_uint_eq(mesh_publish(&mesh, 1), 0);
    ck_assert_uint_eq(mesh_run(&mesh, 0, &messages), 63);
    mesh_take(&mesh, 0, 63);
    ck_assert(mesh_run(&mesh, 0, &messages) > 0 && messages[0].words[0] == 63);
    tear_down();
}
END_TEST

#define ENDPOINTS 4

START_TEST(mesh_keeps_order_per_pair_over_a_random_walk) {
    set_up(ENDPOINTS - 1, 32);
    struct rng rng = {8};
    uint64_t sent[ENDPOINTS][ENDPOINTS] = {{0}};
    uint64_t received[ENDPOINTS][ENDPOINTS] = {{0}};
    for (uint32_t step = 0; step < 50000; step++) {
        uint32_t a = rng_below(&rng, ENDPOINTS);
        uint32_t b = rng_below(&rng, ENDPOINTS);
        uint32_t action = rng_below(&rng, 8);
        struct message message;
        if (action < 4) {
            uint64_t used = sent[a][b] - received[a][b];
            enum mesh_class class_of_message = action == 0 ? MESH_CONTROL : MESH_ROOM;
            bool fits = send(a, b, sent[a][b], class_of_message);
            ck_assert(fits == (used < (class_of_message == MESH_CONTROL ? 32 : 28)));
            sent[a][b] += fits;
        } else if (action < 5) {
            (void)mesh_publish(&mesh, a);
        } else if (mesh_receive(&mesh, a, &message)) {
            ck_assert(message.target == a);
            ck_assert(message.words[0] == received[message.sender][a]++);
        }
        mesh_validate(&mesh);
    }
    for (uint32_t a = 0; a < ENDPOINTS; a++)
        (void)mesh_publish(&mesh, a);
    for (uint32_t to = 0; to < ENDPOINTS; to++) {
        struct message message;
        while (mesh_receive(&mesh, to, &message))
            ck_assert(message.words[0] == received[message.sender][to]++);
        for (uint32_t from = 0; from < ENDPOINTS; from++)
            ck_assert(sent[from][to] == received[from][to] && sent[from][to] > 100);
    }
    tear_down();
}
END_TEST

UNIT_MAIN("sched/mesh", mesh_message_is_seen_after_publish_and_not_before,
          mesh_ring_keeps_its_last_eighth_for_control,
          mesh_ring_goes_on_across_the_wrap_of_its_numbers,
          mesh_wakes_a_sleeper_once_and_nobody_else, mesh_receive_gives_every_sender_its_turn,
          mesh_lone_sender_is_received_beyond_its_run,
          mesh_run_is_cut_at_its_limit_and_at_the_wrap_and_comes_again_when_not_taken,
          mesh_keeps_order_per_pair_over_a_random_walk)
