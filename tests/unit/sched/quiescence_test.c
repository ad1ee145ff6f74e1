// Goal: cores that stop agree that nothing is under way, and not a message earlier. Method: three
// endpoints of a mesh, driven by hand; then random runs in which a message may cause another.
#include "tests/unit/unit.h"

#include "sched/base/rng.h"
#include "sched/quiescence.h"

#define CORES 3

static void send(struct mesh *mesh, uint32_t from, uint32_t to) {
    struct message message = {.type = MESSAGE_USER};
    ck_assert(mesh_send(mesh, from, to, &message, MESH_CONTROL));
}

static void mesh_make(struct mesh *mesh) {
    struct mesh_config config = {.scheduler_count = CORES, .outsider_count = 1, .ring_cells = 64};
    ck_assert_int_eq(mesh_init(mesh, &config), 0);
}

START_TEST(quiescence_needs_every_core) {
    struct mesh mesh;
    struct quiescence quiescence = {0};
    mesh_make(&mesh);
    for (uint32_t core = 0; core < CORES; core++) {
        ck_assert(!quiescence_is_reached(&quiescence, &mesh));
        quiescence_mark(&quiescence, &mesh, core);
    }
    ck_assert(quiescence_is_reached(&quiescence, &mesh));
    quiescence_clear(&quiescence, 1);
    ck_assert(!quiescence_is_reached(&quiescence, &mesh));
    mesh_fini(&mesh);
}
END_TEST

START_TEST(quiescence_is_not_reached_while_a_message_waits_or_was_taken_since) {
    struct mesh mesh;
    struct quiescence quiescence = {0};
    struct message message;
    mesh_make(&mesh);
    send(&mesh, 0, 2);
    (void)mesh_publish(&mesh, 0);
    for (uint32_t core = 0; core < CORES; core++)
        quiescence_mark(&quiescence, &mesh, core);
    ck_assert(!quiescence_is_reached(&quiescence, &mesh)); // it waits
    ck_assert(mesh_receive(&mesh, 2, &message));
    ck_assert(!quiescence_is_reached(&quiescence, &mesh)); // core 2 may be about to send
    quiescence_mark(&quiescence, &mesh, 2);
    ck_assert(quiescence_is_reached(&quiescence, &mesh));
    mesh_fini(&mesh);
}
END_TEST

START_TEST(quiescence_does_not_wait_for_outsiders) {
    struct mesh mesh;
    struct quiescence quiescence = {0};
    mesh_make(&mesh);
    for (uint32_t core = 0; core < CORES; core++)
        quiescence_mark(&quiescence, &mesh, core);
    send(&mesh, CORES, 1);
    (void)mesh_publish(&mesh, CORES);
    send(&mesh, 1, CORES);
    (void)mesh_publish(&mesh, 1);
    ck_assert(quiescence_is_reached(&quiescence, &mesh));
    mesh_fini(&mesh);
}
END_TEST

// Messages cause messages for a while; whenever quiescence is seen, none is under way.
START_TEST(quiescence_is_never_seen_too_early_and_always_in_the_end) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rng rng = {seed};
        struct mesh mesh;
        struct quiescence quiescence = {0};
        mesh_make(&mesh);
        uint32_t alive = 1 + rng_below(&rng, 8);
        for (uint32_t i = 0; i < alive; i++)
            send(&mesh, 0, 1 + rng_below(&rng, 2));
        (void)mesh_publish(&mesh, 0);
        bool is_reached = false;
        for (uint32_t step = 0; step < 2000 && !is_reached; step++) {
            uint32_t core = rng_below(&rng, CORES);
            struct message message;
            bool has_sent = false;
            for (uint32_t take = rng_below(&rng, 3); take > 0; take--) {
                if (!mesh_receive(&mesh, core, &message))
                    break;
                alive--;
                is_reached |= quiescence_is_reached(&quiescence, &mesh); // in mid turn
                if (rng_below(&rng, 10) < 9 && alive < 40) {
                    send(&mesh, core, rng_below(&rng, CORES));
                    alive++;
                    has_sent = true;
                }
            }
            ck_assert(!is_reached || alive == 0);
            if (has_sent)
                quiescence_clear(&quiescence, core);
            else
                quiescence_mark(&quiescence, &mesh, core);
            (void)mesh_publish(&mesh, core);
            is_reached |= quiescence_is_reached(&quiescence, &mesh);
            ck_assert(!is_reached || alive == 0);
        }
        ck_assert(is_reached);
        mesh_fini(&mesh);
    }
}
END_TEST

UNIT_MAIN("sched/quiescence", quiescence_needs_every_core,
          quiescence_is_not_reached_while_a_message_waits_or_was_taken_since,
          quiescence_does_not_wait_for_outsiders,
          quiescence_is_never_seen_too_early_and_always_in_the_end)
