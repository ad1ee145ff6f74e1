// Goal: under any weather, connections that move among three rings again and again deliver every
// byte once and in order, both ways, until an end that somebody made. Method: random steps by seed
// (traffic, moves at any pace, failed passes, cancels, closes, resets); each connection's bytes are
// a known sequence; both audits and all invariants after every turn; empty slabs at the end.
#include <errno.h>

#include "io/ring_sim.h"
#include "io/stream_move.h"
#include "sched/base/rng.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define LISTEN_FD 7
#define RIGS 3
#define CONNS 5
#define SEEDS 200
#define STEPS 400

enum stage {
    STAGE_IDLE,
    STAGE_HALTING, // begun; the next stages follow the upcalls
    STAGE_PASSING,
    STAGE_PASSED,
    STAGE_CARRYING, // exported and abandoned; the bytes are on their way
    STAGE_OVER,     // the connection ended, or is being closed
};

struct conn {
    uint32_t peer; // on rigs[0]
    uint32_t at;   // the rig that it is on
    uint32_t owner;
    enum stage stage;
    uint32_t to;
    struct stream_ticket ticket;
    bool has_ticket;
    bool has_arrived;
    uint32_t there; // its owner number on the target
    uint8_t *bytes;
    uint32_t size;
    uint64_t sent_up;
    uint64_t pushed;
    uint64_t heard_down;
    bool is_whole; // nobody reset or aborted it: every byte must come
};

struct model {
    struct rng rng;
    struct rig *rigs[RIGS];
    uint32_t peers_seen[RIGS];
    struct conn conns[CONNS];
    uint32_t moves;
};

static bool one_in(struct model *model, uint32_t n) {
    return rng_below(&model->rng, n) == 0;
}

static struct rig_peer *here(const struct model *model, const struct conn *conn) {
    return &model->rigs[conn->at]->peers[conn->owner];
}

static struct streams *streams_of(const struct model *model, const struct conn *conn) {
    return &model->rigs[conn->at]->streams;
}

static void weather(struct model *model) {
    for (uint32_t i = 0; i < RIGS; i++) {
        struct ring_sim_knobs *knobs = ring_sim_knobs(model->rigs[i]->ring);
        ring_sim_seed(model->rigs[i]->ring, rng_next(&model->rng));
        knobs->reorders = one_in(model, 2);
        knobs->late_one_in = one_in(model, 2) ? 2 + rng_below(&model->rng, 4) : 0;
        knobs->lose_more_one_in = one_in(model, 2) ? 3 : 0;
        knobs->cancel_misses_one_in = one_in(model, 2) ? 2 : 0;
        knobs->reports_success = one_in(model, 4);
        knobs->send_space = 1 + rng_below(&model->rng, 5000);
    }
}

static void open_model(struct model *model, uint64_t seed) {
    static const struct ring_config ring = {.lane_count = 2, .descriptors_per_lane = 8};
    static const struct stream_config config = {.out_queue_bytes_max = 16u << 20,
                                                .control_bytes_max = 16u << 20};
    *model = (struct model){.rng = {seed}};
    for (uint32_t i = 0; i < RIGS; i++) {
        model->rigs[i] = rig_new(&ring, &config);
        model->rigs[i]->checks_in = true;
    }
    struct accept_config accept_config = {.listen_fd = LISTEN_FD};
    ck_assert_int_ge(accept_open(&model->rigs[0]->streams, &accept_config), 0);
    weather(model);
    for (uint32_t i = 0; i < CONNS; i++) {
        uint32_t before = model->rigs[0]->peer_count;
        uint32_t peer = ring_sim_connect(model->rigs[0]->ring, LISTEN_FD);
        for (int turn = 0; turn < 200 && model->rigs[0]->peer_count == before; turn++)
            rig_turn(model->rigs[0], 0);
        model->conns[i] = (struct conn){.peer = peer, .owner = before, .is_whole = true};
    }
    model->peers_seen[0] = model->rigs[0]->peer_count;
    ck_assert_uint_eq(model->peers_seen[0], CONNS);
}

// --- what befalls a connection -------------------------------------------------------------------

static void send_up(struct model *model, struct conn *conn) {
    uint8_t bytes[9000];
    uint32_t size = 1 + rng_below(&model->rng, one_in(model, 8) ? sizeof(bytes) : 50);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = rig_byte(conn->sent_up + i);
    ring_sim_peer_send(model->rigs[0]->ring, conn->peer, bytes, size);
    conn->sent_up += size;
}

static void push_down(struct model *model, struct conn *conn) {
    static const enum parcel_class classes[] = {PARCEL_CONTROL, PARCEL_ROOM, PARCEL_ROOM,
                                                PARCEL_STATE, PARCEL_WHISPER};
    bool is_there = conn->stage == STAGE_CARRYING && conn->has_arrived;
    struct rig *rig = model->rigs[is_there ? conn->to : conn->at];
    struct handle stream = rig->peers[is_there ? conn->there : conn->owner].stream;
    if (conn->stage == STAGE_CARRYING && !is_there)
        return;
    uint32_t size = 1 + rng_below(&model->rng, one_in(model, 8) ? 20000 : 300);
    uint32_t id = rig_parcel(rig, classes[rng_below(&model->rng, 5)], NULL, size);
    struct parcel *parcel = parcel_at(&rig->blocks, id);
    // Behind an export: what the target sends comes after what is carried.
    for (uint32_t i = 0; i < size; i++)
        parcel->data[i] = rig_byte(conn->pushed + i);
    if (parcel->class == PARCEL_ROOM) {
        parcel->message_count = 1 + rng_below(&model->rng, 3);
        counter_add(&rig->counters, COUNTER_DUE, parcel->message_count);
    }
    enum stream_push_result result = stream_push(&rig->streams, stream, id);
    parcel_unref(&rig->blocks, id);
    ck_assert(result == STREAM_PUSH_OK || !conn->is_whole);
    if (result == STREAM_PUSH_OK)
        conn->pushed += size;
}

static void read_down(struct model *model, struct conn *conn, uint32_t size) {
    uint8_t bytes[4096];
    struct ring *ring = model->rigs[0]->ring;
    size_t got = ring_sim_peer_receive(ring, conn->peer, bytes, size < 4096 ? size : 4096);
    for (size_t i = 0; i < got; i++)
        CHECKF(bytes[i] == rig_byte(conn->heard_down + i), "byte %zu",
               (size_t)conn->heard_down + i);
    conn->heard_down += got;
}

static void end_by_somebody(struct model *model, struct conn *conn) {
    struct ring *ring = model->rigs[0]->ring;
    conn->is_whole = false;
    switch (rng_below(&model->rng, 4)) {
    case 0:
        ring_sim_peer_fin(ring, conn->peer);
        return;
    case 1:
        ring_sim_peer_reset(ring, conn->peer);
        return;
    default:
        if (conn->stage == STAGE_CARRYING)
            return; // nobody here owns it
        stream_close(streams_of(model, conn), here(model, conn)->stream,
                     one_in(model, 2) ? STREAM_CLOSE_ABORT : STREAM_CLOSE_FLUSH);
        conn->stage = STAGE_OVER;
        return;
    }
}

// --- the move, as two owners do it ---------------------------------------------------------------

// Nothing will come of it: what was promised or has arrived there is given back.
static void call_off(struct model *model, struct conn *conn) {
    struct streams *target = &model->rigs[conn->to]->streams;
    if (conn->has_arrived)
        stream_close(target, model->rigs[conn->to]->peers[conn->there].stream,
                     one_in(model, 2) ? STREAM_CLOSE_ABORT : STREAM_CLOSE_FLUSH);
    else if (conn->has_ticket)
        stream_move_unexpect(target, conn->ticket.expected);
    conn->has_arrived = conn->has_ticket = false;
}

static void cancel(struct model *model, struct conn *conn) {
    if (!stream_move_cancel(streams_of(model, conn), here(model, conn)->stream))
        return;
    call_off(model, conn);
    conn->stage = STAGE_IDLE;
}

static void ask(struct model *model, struct conn *conn) {
    uint64_t tag = (uint64_t)(conn - model->conns) | 1ull << 63;
    struct streams *target = &model->rigs[conn->to]->streams;
    if (conn->has_ticket)
        return;
    ck_assert_int_eq(stream_move_expect(target, tag, &conn->ticket), 0);
    conn->has_ticket = true;
}

static void begin(struct model *model, struct conn *conn) {
    if (!stream_move_begin(streams_of(model, conn), here(model, conn)->stream))
        return; // ends
    conn->to = (conn->at + 1 + rng_below(&model->rng, RIGS - 1)) % RIGS;
    conn->has_arrived = conn->has_ticket = false;
    conn->stage = STAGE_HALTING;
    here(model, conn)->move_readys = here(model, conn)->passes = 0;
}

static void pass(struct model *model, struct conn *conn) {
    ask(model, conn);
    if (one_in(model, 10))
        ring_sim_knobs(model->rigs[conn->at]->ring)->pass_error = EBADFD;
    here(model, conn)->passes = 0;
    stream_move_pass(streams_of(model, conn), here(model, conn)->stream.index, &conn->ticket);
    conn->stage = STAGE_PASSING;
}

static void on_passed(struct model *model, struct conn *conn) {
    if (here(model, conn)->pass_error == 0) {
        conn->stage = STAGE_PASSED;
        return;
    }
    ck_assert_int_eq(here(model, conn)->pass_error, EBADFD);
    cancel(model, conn);
}

static void carry(struct model *model, struct conn *conn) {
    struct streams *streams = streams_of(model, conn);
    uint32_t index = here(model, conn)->stream.index;
    conn->size = stream_move_export_size(streams, index);
    conn->bytes = malloc(conn->size);
    stream_move_export(streams, index, conn->bytes, conn->size);
    stream_move_abandon(streams, index);
    here(model, conn)->is_open = false;
    model->rigs[conn->at]->open_count--;
    conn->stage = STAGE_CARRYING;
}

static void take_in(struct model *model, struct conn *conn) {
    if (!conn->has_arrived)
        return;
    struct rig *rig = model->rigs[conn->to];
    rig->peers[conn->there].heard = here(model, conn)->heard;
    ck_assert_int_eq(stream_move_import(&rig->streams, rig->peers[conn->there].stream.index,
                                        conn->bytes, conn->size),
                     0);
    free(conn->bytes);
    conn->bytes = NULL;
    conn->at = conn->to;
    conn->owner = conn->there;
    conn->stage = STAGE_IDLE;
    model->moves++;
}

static void go_on(struct model *model, struct conn *conn) {
    struct rig_peer *peer = here(model, conn);
    if (conn->stage != STAGE_CARRYING && peer->ends > 0) {
        call_off(model, conn);
        conn->stage = STAGE_OVER;
    }
    switch (conn->stage) {
    case STAGE_IDLE:
        if (one_in(model, 4))
            begin(model, conn);
        return;
    case STAGE_HALTING:
        if (one_in(model, 4))
            ask(model, conn);
        if (peer->move_readys > 0 && one_in(model, 2))
            pass(model, conn);
        else if (one_in(model, 20))
            cancel(model, conn);
        return;
    case STAGE_PASSING:
        if (peer->passes > 0)
            on_passed(model, conn);
        return;
    case STAGE_PASSED:
        if (conn->has_arrived && one_in(model, 10))
            cancel(model, conn);
        else if (one_in(model, 2))
            carry(model, conn);
        return;
    case STAGE_CARRYING:
        if (one_in(model, 2))
            take_in(model, conn);
        return;
    case STAGE_OVER:
        // The pass may have been in flight: what it brings there is given back too.
        call_off(model, conn);
        return;
    }
}

static void see_arrivals(struct model *model, uint32_t at) {
    struct rig *rig = model->rigs[at];
    for (; model->peers_seen[at] < rig->peer_count; model->peers_seen[at]++) {
        struct rig_peer *peer = &rig->peers[model->peers_seen[at]];
        ck_assert_int_eq(peer->by, STREAM_ARRIVED);
        struct conn *conn = &model->conns[peer->tag & 0xff];
        ck_assert(peer->tag >> 63);
        if (conn->to != at || !conn->has_ticket || conn->stage == STAGE_OVER) {
            stream_close(&rig->streams, peer->stream, STREAM_CLOSE_ABORT);
            continue;
        }
        conn->there = model->peers_seen[at];
        conn->has_arrived = true;
    }
}

static void turn(struct model *model, uint32_t at) {
    rig_turn(model->rigs[at], 0);
    see_arrivals(model, at);
    CHECK(rig_audit_holds(model->rigs[at])); // a ck_assert costs a system call
}

static void step(struct model *model) {
    for (uint32_t i = 0; i < CONNS; i++) {
        struct conn *conn = &model->conns[i];
        if (one_in(model, 3))
            send_up(model, conn);
        if (one_in(model, 3))
            push_down(model, conn);
        if (one_in(model, 3))
            read_down(model, conn, 1 + rng_below(&model->rng, 4096));
        if (one_in(model, 3 * STEPS) && conn->stage != STAGE_OVER)
            end_by_somebody(model, conn);
        go_on(model, conn);
    }
    if (one_in(model, 50))
        weather(model);
    for (uint32_t i = 0; i < RIGS; i++) {
        if (one_in(model, 2))
            turn(model, i);
        if (one_in(model, 30))
            rig_tick(model->rigs[i], 1);
    }
}

// Fine weather until all that moves has arrived and all bytes are there.
static void settle(struct model *model) {
    for (uint32_t i = 0; i < RIGS; i++)
        *ring_sim_knobs(model->rigs[i]->ring) = (struct ring_sim_knobs){0};
    for (uint32_t i = 0; i < CONNS; i++)
        ring_sim_peer_set_space(model->rigs[0]->ring, model->conns[i].peer, 1u << 16);
    for (int round = 0; round < 3000; round++) {
        bool is_done = round > 50;
        for (uint32_t i = 0; i < CONNS; i++) {
            struct conn *conn = &model->conns[i];
            read_down(model, conn, 4096);
            if (conn->stage != STAGE_IDLE || here(model, conn)->ends > 0)
                go_on(model, conn);
            is_done = is_done && (conn->stage == STAGE_IDLE || conn->stage == STAGE_OVER) &&
                      (!conn->is_whole || (conn->heard_down == conn->pushed &&
                                           here(model, conn)->heard == conn->sent_up));
        }
        for (uint32_t i = 0; i < RIGS; i++)
            turn(model, i);
        if (is_done)
            return;
    }
    ck_abort_msg("it does not settle");
}

START_TEST(connections_move_among_rings_in_any_weather) {
    uint32_t moves = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct model model;
        open_model(&model, seed);
        for (int i = 0; i < STEPS; i++)
            step(&model);
        settle(&model);
        for (uint32_t i = 0; i < CONNS; i++) {
            const struct conn *conn = &model.conns[i];
            const struct rig_peer *peer = here(&model, conn);
            ck_assert_msg(conn->stage == STAGE_OVER || !conn->is_whole || peer->ends == 0,
                          "seed %lu: connection %u ended by itself", (unsigned long)seed, i);
            ck_assert_uint_le(peer->ends, 1);
            ck_assert_msg(!conn->is_whole || conn->stage == STAGE_IDLE, "seed %lu: connection %u",
                          (unsigned long)seed, i);
        }
        moves += model.moves;
        for (uint32_t i = 0; i < RIGS; i++)
            streams_close_all(&model.rigs[i]->streams, STREAM_CLOSE_ABORT);
        for (int i = 0; i < 20; i++)
            turn(&model, (uint32_t)i % RIGS);
        for (uint32_t i = 0; i < CONNS; i++)
            ck_assert(ring_sim_peer_is_closed(model.rigs[0]->ring, model.conns[i].peer));
        for (uint32_t i = 0; i < RIGS; i++)
            rig_free(model.rigs[i], 0);
    }
    ck_assert_uint_gt(moves, SEEDS * 50);
}
END_TEST

UNIT_MAIN("io/stream_move (model)", connections_move_among_rings_in_any_weather)
