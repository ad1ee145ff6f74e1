// Goal: a connection moves among cores and its peer notices nothing; whatever happens at whatever
// step, the outcome is the one that gateway/conn_move.h names, and nothing is left behind. Method:
// two and three cores over simulated rings; each misfortune is tried after every number of turns.
#include "tests/unit/gateway/move_rig.h"

#include <errno.h>

#define STEPS 24 // turns that a move takes in calm weather, and some more

static void settle(void) {
    for (int i = 0; i < 400 && (i < 60 || world_moves() > 0); i++)
        world_turn();
    ck_assert_uint_eq(world_moves(), 0);
}

START_TEST(two_hundred_moves_lose_double_and_reorder_nothing) {
    for (uint64_t seed = 0; seed < 4; seed++) {
        world_open(&(struct world_sizes){.core_count = 2 + seed % 2, .seed = seed});
        struct rng rng = {seed + 50};
        struct client *ann = client_new("ann", 0, 3), *bob = client_new("bob", 1, 3),
                      *eve = client_new("eve", 0, 3);
        world_turns(300); // presence is told
        uint32_t diffs = bob->diffs, states = ann->states;
        uint32_t begun = 0;
        for (int turn = 0; begun < 200; turn++) {
            client_publish(ann, rng_below(&rng, ROOMS));
            client_publish(turn % 2 ? bob : eve, rng_below(&rng, ROOMS));
            struct whereabouts where;
            if (client_where(ann, &where))
                begun += client_move(ann, (where.core + 1) % world.core_count) == 0;
            world_turns(1 + rng_below(&rng, 3));
        }
        settle();
        world_turns(200);
        ck_assert_uint_eq(world_sum(COUNTER_CONN_MOVES_OUT), world_sum(COUNTER_CONN_MOVES_IN));
        ck_assert_uint_eq(world_sum(COUNTER_CONN_MOVES_IN) + world_sum(COUNTER_CONN_MOVES_OFF),
                          begun);
        ck_assert_uint_ge(world_sum(COUNTER_CONN_MOVES_IN), 190);
        ck_assert_uint_eq(bob->diffs, diffs);
        ck_assert_uint_eq(bob->states, eve->states);
        ck_assert_uint_gt(ann->states, states); // anew, from each core
        const struct client *all[] = {ann, bob, eve};
        for (int i = 0; i < 3; i++) {
            ck_assert_uint_eq(all[i]->answered, all[i]->published);
            ck_assert_uint_eq(all[i]->messages + all[i]->gaps, bob->messages + bob->gaps);
            ck_assert_uint_eq(all[i]->refused, 0);
            ck_assert_uint_eq(all[i]->gaps + all[i]->errors + all[i]->close_code, 0);
        }
        world_close();
    }
}
END_TEST

START_TEST(a_frame_cut_anywhere_goes_along) {
    uint8_t frame[256];
    world_open(&(struct world_sizes){.core_count = 2});
    struct client *ann = client_new("ann", 0, 1);
    size_t size = client_frame(frame, sizeof(frame), "[\"900\",\"1\",\"room:a\",\"shout\",{}]");
    for (size_t cut = 1; cut < size; cut++) {
        ann->reply_last[0] = 0; // each is the first
        ann->published = 1;
        client_send(ann, frame, cut);
        world_turns(3);
        struct whereabouts where;
        ck_assert(client_where(ann, &where));
        ck_assert_int_eq(client_move(ann, 1 - where.core), 0);
        if (cut % 2)
            settle(); // else the rest comes in the middle
        client_send(ann, frame + cut, size - cut);
        settle();
        ck_assert_uint_eq(ann->messages, cut);
        ck_assert_uint_eq(ann->answered, cut);
    }
    world_close();
}
END_TEST

START_TEST(a_fragmented_message_goes_along) {
    static const char text[] = "[\"900\",\"1\",\"room:a\",\"shout\",{\"a\":\"bcd\"}]";
    uint8_t frame[256];
    world_open(&(struct world_sizes){.core_count = 2});
    struct client *ann = client_new("ann", 0, 1);
    size_t size = client_frame(frame, sizeof(frame), text);
    ck_assert_uint_lt(size, 126 + 6);
    uint8_t first[64] = {0x01, 0x80 | 20, 7, 0, 255, 1}; // not final
    memcpy(first + 6, frame + 6, 20);
    uint8_t last[64] = {0x80, (uint8_t)(0x80 | (sizeof(text) - 1 - 20)), 7, 0, 255, 1};
    memcpy(last + 6, frame + 6 + 20, sizeof(text) - 1 - 20); // 20 is whole masks
    ann->published = 1;
    client_send(ann, first, 26);
    world_turns(3);
    ck_assert_int_eq(client_move(ann, 1), 0);
    settle();
    client_send(ann, last, 6 + sizeof(text) - 1 - 20);
    world_turns(10);
    ck_assert_uint_eq(ann->messages, 1);
    ck_assert_uint_eq(world_sum(COUNTER_CONN_MOVES_IN), 1);
    world_close();
}
END_TEST

START_TEST(a_slow_reader_is_told_what_it_missed_on_both_cores) {
    for (uint64_t seed = 0; seed < 6; seed++) {
        world_open(&(struct world_sizes){.core_count = 2, .seed = seed});
        struct client *slow = client_new("slow", 0, 2), *bob = client_new("bob", 1, 2);
        ring_sim_peer_set_space(world.cores[0].ring, slow->peer, 300);
        slow->is_stalled = true;
        for (uint32_t n = 0; n < 600; n++) {
            client_publish(bob, n % 2);
            world_turns(1);
            struct whereabouts where;
            if (n % 100 == 50 && client_where(slow, &where))
                ck_assert_int_eq(client_move(slow, 1 - where.core), 0);
        }
        settle();
        slow->is_stalled = false;
        ring_sim_peer_set_space(world.cores[0].ring, slow->peer, 65536);
        world_turns(600);
        ck_assert_uint_eq(slow->close_code, 0);
        ck_assert_uint_ge(slow->gaps, 1);
        for (int i = 0; i < 2; i++)
            ck_assert_uint_eq(slow->last[i], 300);
        ck_assert_uint_eq(world_sum(COUNTER_CONN_MOVES_IN), 6);
        world_close();
    }
}
END_TEST

// --- misfortunes at every step
// --------------------------------------------------------------------

struct scene {
    struct client *ann, *bob;
    bool bob_suffers; // is struck as well
};

// Ann moves from core 0 to core 1; after so many turns `strike` is called; then all comes to rest.
static void at_each_step(void (*strike)(struct scene *scene, uint32_t step),
                         void (*expect)(struct scene *scene, uint32_t step), uint32_t core_count) {
    for (uint32_t step = 0; step < STEPS; step++) {
        world_open(&(struct world_sizes){.core_count = core_count});
        struct scene scene = {.ann = client_new("ann", 0, 2), .bob = client_new("bob", 1, 2)};
        client_publish(scene.ann, 0);
        ck_assert_int_eq(client_move(scene.ann, 1), 0);
        for (uint32_t turn = 0; turn < step; turn++) {
            client_publish(scene.bob, turn % 2);
            world_turn();
        }
        strike(&scene, step);
        settle();
        world_turns(300);
        if (expect)
            expect(&scene, step);
        ck_assert(scene.bob_suffers || scene.bob->answered == scene.bob->published);
        ck_assert(scene.bob_suffers || scene.bob->gaps + scene.bob->close_code == 0);
        world_close();
    }
}

// Longer than a stream lingers for its peer's end.
static void outlast_linger(void) {
    for (int i = 0; i < 12; i++) {
        world.now_ns += NS_PER_S;
        world_turns(5);
    }
}

static void expect_gone(struct scene *scene, uint32_t step) {
    struct whereabouts where;
    outlast_linger();
    ck_assert_msg(!client_where(scene->ann, &where), "step %u", step);
    ck_assert(!client_where_in(scene->ann, true, &where));
    ck_assert_uint_eq(world_sum(COUNTER_MEMBERS), 2); // bob's
    ck_assert_uint_eq(world_sum(COUNTER_CONNECTIONS), 1);
}

// She is there, in both rooms, and talks.
static void expect_well(struct scene *scene, uint32_t step) {
    struct whereabouts where;
    ck_assert_msg(client_where(scene->ann, &where), "step %u", step);
    ck_assert_uint_eq(scene->ann->close_code, 0);
    for (uint32_t room = 0; room < 2; room++)
        client_publish(scene->ann, room);
    world_turns(30);
    ck_assert_uint_eq(scene->ann->answered, scene->ann->published);
    ck_assert_uint_eq(scene->ann->refused, 0);
    for (uint32_t room = 0; room < 2; room++)
        ck_assert_uint_eq(scene->ann->last[room], scene->bob->last[room]);
    ck_assert_uint_eq(world_sum(COUNTER_CONNECTIONS), 2);
}

// Well, or told to come back.
static void expect_well_or_1012(struct scene *scene, uint32_t step) {
    if (scene->ann->close_code == 0)
        expect_well(scene, step);
    else
        ck_assert_uint_eq(scene->ann->close_code, 1012);
}

static void reset(struct scene *scene, uint32_t step) {
    ring_sim_peer_reset(world.cores[0].ring, scene->ann->peer);
}

static void fin(struct scene *scene, uint32_t step) {
    ring_sim_peer_fin(world.cores[0].ring, scene->ann->peer);
}

static void say_goodbye(struct scene *scene, uint32_t step) {
    static const uint8_t close[] = {0x88, 0x82, 0, 0, 0, 0, 3, 232};
    client_send(scene->ann, close, sizeof(close));
}

START_TEST(a_peer_that_ends_at_any_step_is_gone_from_both_cores) {
    at_each_step(reset, expect_gone, 2);
    at_each_step(fin, expect_gone, 2);
    at_each_step(say_goodbye, expect_gone, 2);
}
END_TEST

static void kill_in(const struct scene *scene, bool is_arriving) {
    struct whereabouts where;
    if (client_where_in(scene->ann, is_arriving, &where))
        scheduler_exit(&world.cores[where.core].scheduler, KIND_CONNECTION, where.index,
                       EXIT_KILLED);
}

static void kill_there(struct scene *scene, uint32_t step) {
    kill_in(scene, false);
}

static void kill_arriving(struct scene *scene, uint32_t step) {
    kill_in(scene, true);
}

static void expect_well_or_ended(struct scene *scene, uint32_t step) {
    struct whereabouts where;
    if (scene->ann->close_code == 0 && client_where(scene->ann, &where))
        expect_well(scene, step);
    else
        expect_gone(scene, step);
}

START_TEST(a_kill_on_either_core_at_any_step_leaves_nothing_half) {
    at_each_step(kill_there, expect_gone, 2);
    at_each_step(kill_arriving, expect_well_or_ended, 2);
}
END_TEST

static void kill_services(struct scene *scene, uint32_t step) {
    for (uint32_t i = 0; i < 2; i++) {
        scheduler_exit(&world.cores[i].scheduler, KIND_MOVE, 0, EXIT_KILLED);
        world_turns(step % 3);
        ck_assert(scheduler_spawn(&world.cores[i].scheduler, KIND_MOVE, NULL) != PID_NONE);
    }
}

START_TEST(services_that_are_killed_at_any_step_hold_nothing_up) {
    at_each_step(kill_services, expect_well, 2);
}
END_TEST

static void drain_all(struct scene *scene, uint32_t step) {
    for (uint32_t i = 0; i < 2; i++)
        gateway_drain_begin(&world.cores[i].gateway, world.now_ns + NS_PER_S);
}

static void expect_1012(struct scene *scene, uint32_t step) {
    ck_assert_msg(scene->ann->close_code == 1012, "step %u: %u", step, scene->ann->close_code);
    ck_assert_uint_eq(scene->bob->close_code, 1012);
    outlast_linger();
    ck_assert_uint_eq(world_sum(COUNTER_CONNECTIONS), 0);
    scene->bob_suffers = true;
}

START_TEST(a_drain_at_any_step_closes_it_wherever_it_is) {
    at_each_step(drain_all, expect_1012, 2);
}
END_TEST

static void end_room(struct scene *scene, uint32_t step) {
    uint32_t home = chat_home_core(&world.cores[0].chat, BYTES_LITERAL("a"));
    ck_assert(chat_room_end(&world.cores[home].chat, BYTES_LITERAL("a"), EXIT_KILLED));
}

// Told once, by one core, and back in the room's next life.
static void expect_error(struct scene *scene, uint32_t step) {
    struct whereabouts where;
    ck_assert(client_where(scene->ann, &where));
    ck_assert_msg(scene->ann->errors == 1, "step %u: %u", step, scene->ann->errors);
    client_join(scene->ann, 0);
    client_join(scene->bob, 0);
    world_turns(30);
    scene->bob_suffers = true; // what was asked of the room that ended has no answer
    scene->ann->answered = scene->ann->published;
    scene->ann->refused = scene->bob->refused = 0;
    expect_well(scene, step);
}

static void kill_leaves(uint32_t core) {
    struct scheduler *scheduler = &world.cores[core].scheduler;
    const struct slab *leaves = &scheduler->kinds[KIND_LEAF].slab;
    for (uint32_t i = 0; i < leaves->touched_count; i++)
        if (slab_is_used(leaves, i))
            scheduler_exit(scheduler, KIND_LEAF, i, EXIT_KILLED);
}

static void kill_leaves_here(struct scene *scene, uint32_t step) {
    kill_leaves(0);
}

// As by a signal, with mail that waits: it is discarded first, the answer to a move too.
static void doom_leaves_here(struct scene *scene, uint32_t step) {
    struct scheduler *scheduler = &world.cores[0].scheduler;
    const struct slab *leaves = &scheduler->kinds[KIND_LEAF].slab;
    for (uint32_t i = 0; i < leaves->touched_count; i++)
        if (slab_is_used(leaves, i))
            scheduler_pause(scheduler, KIND_LEAF, i);
    world_turns(10);
    for (uint32_t i = 0; i < leaves->touched_count; i++)
        if (slab_is_used(leaves, i))
            scheduler_doom(scheduler, KIND_LEAF, i, EXIT_KILLED);
}

static void kill_leaves_there(struct scene *scene, uint32_t step) {
    kill_leaves(1);
}

// Each membership is told phx_error, or lives; where that is not known she is told to come back.
static void expect_errors_or_1012(struct scene *scene, uint32_t step) {
    uint32_t members = 4 - scene->ann->errors;
    ck_assert_msg(scene->ann->close_code == 0 || scene->ann->close_code == 1012, "step %u: %u",
                  step, scene->ann->close_code);
    if (scene->ann->close_code != 0)
        members = 2;
    ck_assert_uint_eq(world_sum(COUNTER_MEMBERS), members);
}

// Of both rooms, or of none: she had not come there yet, or had gone on.
static void expect_told_or_well(struct scene *scene, uint32_t step) {
    ck_assert_uint_le(scene->ann->errors, 2);
    ck_assert_uint_eq(scene->bob->errors, 2);
    for (uint32_t room = 0; room < 2; room++) {
        client_join(scene->bob, room);
        if (scene->ann->last[room] == 0 || scene->ann->errors == 2)
            client_join(scene->ann, room);
    }
    world_turns(30);
    scene->bob_suffers = true;
    struct whereabouts where;
    ck_assert(client_where(scene->ann, &where));
    ck_assert_uint_eq(world_sum(COUNTER_MEMBERS), 4);
}

START_TEST(a_room_or_leaf_that_ends_at_any_step_is_told) {
    at_each_step(end_room, expect_error, 2);
    at_each_step(end_room, expect_error, 3);
    at_each_step(kill_leaves_there, expect_told_or_well, 2);
    at_each_step(kill_leaves_here, expect_errors_or_1012, 2);
    at_each_step(kill_leaves_here, expect_errors_or_1012, 3);
    at_each_step(doom_leaves_here, expect_errors_or_1012, 2);
    at_each_step(doom_leaves_here, expect_errors_or_1012, 3);
}
END_TEST

static void starve(uint32_t core, uint32_t turns) {
    struct blocks *blocks = &world.cores[core].blocks;
    size_t bytes_max = blocks->bytes_max;
    blocks->bytes_max = blocks->bytes_used;
    world_turns(turns);
    blocks->bytes_max = bytes_max;
}

static void starve_here(struct scene *scene, uint32_t step) {
    starve(0, 4);
}

static void starve_there(struct scene *scene, uint32_t step) {
    scene->bob_suffers = true;
    starve(1, 4);
}

static void expect_well_or_1013(struct scene *scene, uint32_t step) {
    if (scene->ann->close_code == 0)
        expect_well(scene, step);
    else
        ck_assert_uint_eq(scene->ann->close_code, 1013);
}

START_TEST(memory_that_is_out_at_any_step_calls_it_off_or_closes_it) {
    at_each_step(starve_here, expect_well_or_1013, 2);
    at_each_step(starve_there, expect_well_or_1013, 2);
}
END_TEST

// Nothing is heard of a core for longer than a move may take.
static void stall(uint32_t core) {
    world.cores[core].is_stalled = true;
    for (int i = 0; i < 7; i++) {
        world.now_ns += NS_PER_S;
        world_turns(2);
    }
    world.cores[core].is_stalled = false;
}

static void stall_there(struct scene *scene, uint32_t step) {
    scene->bob_suffers = true;
    stall(1);
}

static void stall_home(struct scene *scene, uint32_t step) {
    stall(2);
}

START_TEST(a_core_that_stalls_at_any_step_ends_the_move_in_time) {
    at_each_step(stall_there, expect_well_or_1012, 2);
    at_each_step(stall_home, expect_well_or_1012, 3);
}
END_TEST

static const int pass_errors[] = {ENFILE, ENOMEM, EBADFD, EOWNERDEAD};

static void expect_called_off(struct scene *scene, uint32_t step) {
    expect_well(scene, step);
}

static void fail_pass(struct scene *scene, uint32_t step) {
    ring_sim_knobs(world.cores[0].ring)->pass_error = pass_errors[step % 4];
}

START_TEST(a_pass_that_fails_calls_it_off) {
    at_each_step(fail_pass, expect_called_off, 2);
}
END_TEST

// --- refusals and limits
// --------------------------------------------------------------------------

START_TEST(a_full_or_incapable_core_refuses_and_it_goes_on) {
    for (int which = 0; which < 2; which++) {
        world_open(&(struct world_sizes){.core_count = 2, .connections_max = which ? 1 : 0});
        struct scene scene = {.ann = client_new("ann", 0, 2), .bob = client_new("bob", 1, 2)};
        if (which == 0)
            ring_sim_knobs(world.cores[1].ring)->cannot_pass = true;
        ck_assert_int_eq(client_move(scene.ann, 1), 0);
        settle();
        ck_assert_uint_eq(counter_read(&world.cores[1].counters, COUNTER_CONN_MOVES_REFUSED), 1);
        ck_assert_uint_eq(counter_read(&world.cores[0].counters, COUNTER_CONN_MOVES_OFF), 1);
        expect_well(&scene, 0);
        world_close();
    }
}
END_TEST

START_TEST(what_cannot_move_now_is_refused_by_name) {
    world_open(&(struct world_sizes){.core_count = 2});
    struct client *ann = client_new("ann", 0, 1);
    ck_assert_int_eq(client_move(ann, 0), -EINVAL);
    ck_assert_int_eq(client_move(ann, 2), -EINVAL);
    client_join(ann, 1);
    world.cores[1].is_stalled = true; // whoever answers, answers later
    world.cores[0].is_stalled = false;
    struct whereabouts where;
    ck_assert(client_where(ann, &where));
    struct gateway *gateway = &world.cores[where.core].gateway;
    world_turn();
    bool is_pending = false;
    for (uint32_t at = conn_at(gateway, where.index)->members; at != SLAB_NONE;
         at = chat_member(gateway->parts.chat, at)->next)
        is_pending |= (chat_member(gateway->parts.chat, at)->slab_word & MEMBER_PENDING) != 0;
    ck_assert(is_pending);
    ck_assert_int_eq(client_move(ann, 1), -EAGAIN);
    world.cores[1].is_stalled = false;
    world_turns(20);
    ck_assert_int_eq(client_move(ann, 1), 0);
    ck_assert_int_eq(client_move(ann, 1), -EALREADY);
    settle();
    ck_assert(client_where(ann, &where));
    ck_assert_uint_eq(where.core, 1);
    conn_doom(&world.cores[1].gateway, where.index, false);
    ck_assert_int_eq(client_move(ann, 0), -ENOTCONN);
    world_turns(100);
    struct client *bob = client_new("bob", 1, 0);
    gateway_drain_begin(&world.cores[1].gateway, world.now_ns + NS_PER_S);
    ck_assert_int_eq(client_move(bob, 0), -ESHUTDOWN);
    world_close();
}
END_TEST

static void connect_many(uint32_t count) {
    static const char request[] =
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (uint32_t i = 0; i < count; i++) {
        uint32_t peer = ring_sim_connect(world.cores[0].ring, LISTEN_FD);
        ring_sim_peer_send(world.cores[0].ring, peer, request, sizeof(request) - 1);
    }
    world_turns(100);
    ck_assert_uint_eq(counter_read(&world.cores[0].counters, COUNTER_UPGRADES), count);
}

START_TEST(some_are_moved_up_to_the_bound_and_all_in_the_end) {
    const uint32_t count = CONN_DEPARTURES_MAX + 10;
    world_open(&(struct world_sizes){.core_count = 2});
    connect_many(count);
    struct gateway *gateway = &world.cores[0].gateway;
    ck_assert_uint_eq(gateway_move_some(gateway, 1, 0), 0);
    ck_assert_uint_eq(gateway_move_some(gateway, 1, CONN_DEPARTURES_MAX - 1),
                      CONN_DEPARTURES_MAX - 1);
    ck_assert_uint_eq(gateway_move_some(gateway, 1, 5), 1);
    ck_assert_uint_eq(gateway_move_some(gateway, 1, 1), 0);
    struct conn *last = conn_at(gateway, count - 1);
    ck_assert(!conn_has(last, CONN_MOVING));
    ck_assert_int_eq(conn_move_begin(gateway, count - 1, 1), -EBUSY);
    settle();
    ck_assert_uint_eq(gateway_move_some(gateway, 1, UINT32_MAX), 10);
    settle();
    ck_assert_uint_eq(counter_read(&world.cores[1].counters, COUNTER_CONNECTIONS), count);
    ck_assert_uint_eq(counter_read(&world.cores[0].counters, COUNTER_CONNECTIONS), 0);
    world_close();
}
END_TEST

UNIT_MAIN("gateway/conn_move", two_hundred_moves_lose_double_and_reorder_nothing,
          a_frame_cut_anywhere_goes_along, a_fragmented_message_goes_along,
          a_slow_reader_is_told_what_it_missed_on_both_cores,
          a_peer_that_ends_at_any_step_is_gone_from_both_cores,
          a_kill_on_either_core_at_any_step_leaves_nothing_half,
          services_that_are_killed_at_any_step_hold_nothing_up,
          a_drain_at_any_step_closes_it_wherever_it_is,
          a_room_or_leaf_that_ends_at_any_step_is_told,
          memory_that_is_out_at_any_step_calls_it_off_or_closes_it,
          a_core_that_stalls_at_any_step_ends_the_move_in_time, a_pass_that_fails_calls_it_off,
          a_full_or_incapable_core_refuses_and_it_goes_on, what_cannot_move_now_is_refused_by_name,
          some_are_moved_up_to_the_bound_and_all_in_the_end)
