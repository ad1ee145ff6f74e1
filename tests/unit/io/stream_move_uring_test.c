// Goal: over real rings, connections move back and forth between two threads a thousand times under
// traffic both ways without a lost, doubled or misplaced byte, over lanes; and a move that fails,
// or a peer that resets at any step of it, leaves nothing behind. Method: loopback clients; each
// thread owns a ring and its streams, and talks to the other by a mailbox.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/listener.h"
#include "io/stream_move.h"
#include "io/wake.h"
#include "sched/base/rng.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define WAIT_NS 20000000ull // of one turn
#define CONNS 4
#define MOVES 1000 // of each
#define MAILS_MAX 64

static int listen_anywhere(void) {
    struct listener_config config = {.address_size = sizeof(struct sockaddr_in),
                                     .send_buffer_bytes = 16384};
    struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = listener_open(&config);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int client_to(int listen_fd) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(listener_port(listen_fd)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct timeval timeout = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

static void reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

static void accept_on(struct rig *rig, int listen_fd) {
    struct accept_config config = {.listen_fd = listen_fd};
    CHECK(accept_open(&rig->streams, &config) >= 0);
}

// --- two threads ---------------------------------------------------------------------------------

enum mail_kind { MAIL_ASK, MAIL_TICKET, MAIL_CARRY };

struct mail {
    enum mail_kind kind;
    uint32_t conn;
    struct stream_ticket ticket;
    uint8_t *bytes; // CARRY: taken by the receiver
    uint32_t size;
    uint64_t heard;
    uint64_t pushed;
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail mails[MAILS_MAX];
    uint32_t count;
};

// A connection as one side knows it.
struct local {
    bool is_mine;
    uint32_t owner; // of the rig
    uint32_t turns; // since it came
    bool is_moving;
    bool is_passed;
    bool has_arrived;  // but not its bytes
    struct mail carry; // but not itself
    bool has_carry;
    uint64_t pushed;
};

struct side {
    struct rig *rig;
    struct side *other;
    struct mailbox box;
    struct ring_wake_target wake_target;
    struct local conns[CONNS];
    uint32_t peers_seen;
    int listen_fd; // or -1
    struct rng rng;
    pthread_t thread;
    struct shared *shared;
};

// What the threads and the clients have in common.
struct shared {
    pthread_barrier_t barrier;
    pthread_mutex_t opening; // ThreadSanitizer does not see that a probe's ring is unmapped
    atomic_uint moves[CONNS];
    atomic_ullong pushed[CONNS];
    atomic_ullong heard[CONNS];
    atomic_bool is_quiet; // no more moves and pushes
    atomic_bool is_over;
    struct side sides[2];
};

static void mail(struct side *to, struct side *from, struct mail mail) {
    pthread_mutex_lock(&to->box.lock);
    CHECK(to->box.count < MAILS_MAX);
    to->box.mails[to->box.count++] = mail;
    pthread_mutex_unlock(&to->box.lock);
    wake_from_scheduler(from->rig->ring, to->wake_target);
}

static struct rig_peer *peer_of(struct side *side, uint32_t conn) {
    return &side->rig->peers[side->conns[conn].owner];
}

static void push_some(struct side *side, uint32_t number) {
    struct local *conn = &side->conns[number];
    struct handle stream = peer_of(side, number)->stream;
    struct streams *streams = &side->rig->streams;
    if (stream_control_bytes(streams, stream.index) + stream_room_bytes(streams, stream.index) >
        40000)
        return;
    uint32_t size = 1 + rng_below(&side->rng, 6000);
    uint32_t id =
        rig_parcel(side->rig, rng_below(&side->rng, 2) ? PARCEL_CONTROL : PARCEL_ROOM, NULL, size);
    struct parcel *parcel = parcel_at(&side->rig->blocks, id);
    for (uint32_t i = 0; i < size; i++)
        parcel->data[i] = rig_byte(conn->pushed + i);
    if (parcel->class == PARCEL_ROOM) {
        parcel->message_count = 1;
        counter_add(&side->rig->counters, COUNTER_DUE, 1);
    }
    CHECK(stream_push(streams, stream, id) == STREAM_PUSH_OK);
    parcel_unref(&side->rig->blocks, id);
    conn->pushed += size;
    atomic_store(&side->shared->pushed[number], conn->pushed);
}

static void carry(struct side *side, uint32_t number) {
    struct local *conn = &side->conns[number];
    struct rig_peer *peer = peer_of(side, number);
    struct streams *streams = &side->rig->streams;
    CHECK(peer->pass_error == 0);
    struct mail letter = {.kind = MAIL_CARRY,
                          .conn = number,
                          .size = stream_move_export_size(streams, peer->stream.index),
                          .heard = peer->heard,
                          .pushed = conn->pushed};
    letter.bytes = malloc(letter.size);
    stream_move_export(streams, peer->stream.index, letter.bytes, letter.size);
    stream_move_abandon(streams, peer->stream.index);
    peer->is_open = false;
    side->rig->open_count--;
    *conn = (struct local){0};
    mail(side->other, side, letter);
}

static void take_in(struct side *side, uint32_t number) {
    struct local *conn = &side->conns[number];
    if (!conn->has_arrived || !conn->has_carry)
        return;
    struct rig_peer *peer = peer_of(side, number);
    peer->heard = conn->carry.heard;
    conn->pushed = conn->carry.pushed;
    CHECK(stream_move_import(&side->rig->streams, peer->stream.index, conn->carry.bytes,
                             conn->carry.size) == 0);
    free(conn->carry.bytes);
    *conn = (struct local){.is_mine = true, .owner = conn->owner, .pushed = conn->pushed};
    atomic_fetch_add(&side->shared->moves[number], 1);
}

static void on_mail(struct side *side, const struct mail *letter) {
    struct local *conn = &side->conns[letter->conn];
    struct mail answer = {.kind = MAIL_TICKET, .conn = letter->conn};
    switch (letter->kind) {
    case MAIL_ASK:
        CHECK(stream_move_expect(&side->rig->streams, letter->conn, &answer.ticket) == 0);
        mail(side->other, side, answer);
        return;
    case MAIL_TICKET:
        stream_move_pass(&side->rig->streams, peer_of(side, letter->conn)->stream.index,
                         &letter->ticket);
        return;
    case MAIL_CARRY:
        conn->carry = *letter;
        conn->has_carry = true;
        take_in(side, letter->conn);
        return;
    }
}

static void take_mails(struct side *side) {
    struct mail mails[MAILS_MAX];
    pthread_mutex_lock(&side->box.lock);
    uint32_t count = side->box.count;
    memcpy(mails, side->box.mails, count * sizeof(mails[0]));
    side->box.count = 0;
    pthread_mutex_unlock(&side->box.lock);
    for (uint32_t i = 0; i < count; i++)
        on_mail(side, &mails[i]);
}

// Accepted (in the order of the clients) or arrived.
static void see_peers(struct side *side) {
    for (; side->peers_seen < side->rig->peer_count; side->peers_seen++) {
        const struct rig_peer *peer = &side->rig->peers[side->peers_seen];
        bool is_arrived = peer->by == STREAM_ARRIVED;
        uint32_t number = is_arrived ? (uint32_t)peer->tag : side->peers_seen;
        side->conns[number].owner = side->peers_seen;
        side->conns[number].has_arrived = is_arrived;
        side->conns[number].is_mine = !is_arrived;
        take_in(side, number);
    }
}

static void attend(struct side *side, uint32_t number) {
    struct local *conn = &side->conns[number];
    if (!conn->is_mine)
        return;
    struct rig_peer *peer = peer_of(side, number);
    atomic_store(&side->shared->heard[number], peer->heard);
    if (!atomic_load(&side->shared->is_quiet))
        push_some(side, number);
    if (peer->passes > 0) {
        carry(side, number);
    } else if (peer->move_readys > 0 && !conn->is_passed) {
        conn->is_passed = true;
        mail(side->other, side, (struct mail){.kind = MAIL_ASK, .conn = number});
    } else if (!conn->is_moving && conn->turns++ > rng_below(&side->rng, 4) &&
               atomic_load(&side->shared->moves[number]) < MOVES) {
        conn->is_moving = true;
        CHECK(stream_move_begin(&side->rig->streams, peer->stream));
    }
}

static void *run_side(void *argument) {
    struct side *side = argument;
    struct ring_config ring = {.lane_count = 3, .descriptors_per_lane = 4};
    ring.first.buffer_bytes = ring.child.buffer_bytes = 512;
    pthread_mutex_lock(&side->shared->opening);
    side->rig = rig_new(&ring, &(struct stream_config){0});
    pthread_mutex_unlock(&side->shared->opening);
    side->rig->checks_in = true;
    side->wake_target = ring_wake_target(side->rig->ring);
    if (side->listen_fd >= 0)
        accept_on(side->rig, side->listen_fd);
    pthread_barrier_wait(&side->shared->barrier);
    while (!atomic_load(&side->shared->is_over)) {
        rig_turn(side->rig, WAIT_NS);
        CHECK(rig_audit_holds(side->rig));
        see_peers(side);
        take_mails(side);
        for (uint32_t i = 0; i < CONNS; i++)
            attend(side, i);
    }
    rig_free(side->rig, WAIT_NS);
    return NULL;
}

struct client {
    int fd;
    uint64_t sent;
    uint64_t received;
};

static void talk(struct client *client, struct rng *rng, bool is_quiet) {
    uint8_t bytes[8192];
    uint32_t size = 1 + rng_below(rng, 3000);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = rig_byte(client->sent + i);
    ssize_t done = is_quiet ? 0 : send(client->fd, bytes, size, MSG_DONTWAIT);
    client->sent += done > 0 ? (uint64_t)done : 0;
    done = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    ck_assert_msg(done != 0, "a FIN after %lu bytes", (unsigned long)client->received);
    for (ssize_t i = 0; i < done; i++)
        CHECKF(bytes[i] == rig_byte(client->received + (uint64_t)i), "byte %lu",
               (unsigned long)client->received + (unsigned long)i);
    client->received += done > 0 ? (uint64_t)done : 0;
}

START_TEST(connections_move_a_thousand_times_under_traffic) {
    static struct shared shared;
    struct client clients[CONNS] = {0};
    struct rng rng = {7};
    int listen_fd = listen_anywhere();
    pthread_barrier_init(&shared.barrier, NULL, 3);
    pthread_mutex_init(&shared.opening, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        struct side *side = &shared.sides[i];
        *side = (struct side){.other = &shared.sides[1 - i],
                              .listen_fd = i == 0 ? listen_fd : -1,
                              .rng = {i + 1},
                              .shared = &shared};
        pthread_mutex_init(&side->box.lock, NULL);
        ck_assert_int_eq(pthread_create(&side->thread, NULL, run_side, side), 0);
    }
    pthread_barrier_wait(&shared.barrier);
    for (uint32_t i = 0; i < CONNS; i++)
        clients[i].fd = client_to(listen_fd);
    bool is_quiet = false;
    for (bool is_done = false; !is_done;) {
        is_done = is_quiet;
        bool has_moved = true;
        for (uint32_t i = 0; i < CONNS; i++) {
            talk(&clients[i], &rng, is_quiet);
            has_moved = has_moved && atomic_load(&shared.moves[i]) >= MOVES;
            is_done = is_done && atomic_load(&shared.pushed[i]) == clients[i].received &&
                      atomic_load(&shared.heard[i]) == clients[i].sent;
        }
        is_quiet = is_quiet || has_moved;
        atomic_store(&shared.is_quiet, is_quiet);
    }
    atomic_store(&shared.is_over, true);
    for (uint32_t i = 0; i < 2; i++)
        pthread_join(shared.sides[i].thread, NULL);
    for (uint32_t i = 0; i < CONNS; i++) {
        ck_assert_uint_gt(clients[i].received, MOVES);
        close(clients[i].fd);
    }
    close(listen_fd);
    pthread_barrier_destroy(&shared.barrier);
}
END_TEST

// --- two rings of one thread, step by step -------------------------------------------------------

struct pair {
    struct rig *source;
    struct rig *target;
    int listen_fd;
    int client;
    struct handle stream;
    struct stream_ticket ticket;
    uint8_t bytes[4096];
    uint32_t size;
};

static const struct ring_config two_lanes = {.lane_count = 2, .descriptors_per_lane = 2};

static void turns(struct pair *pair, uint32_t count) {
    while (count-- > 0) {
        rig_turn(pair->source, 1000000);
        rig_turn(pair->target, 1000000);
    }
}

static struct pair pair_open(void) {
    struct pair pair = {.source = rig_new(&two_lanes, &(struct stream_config){0}),
                        .target = rig_new(&two_lanes, &(struct stream_config){0}),
                        .listen_fd = listen_anywhere()};
    accept_on(pair.source, pair.listen_fd);
    pair.client = client_to(pair.listen_fd);
    for (int i = 0; i < 100 && pair.source->peer_count == 0; i++)
        rig_turn(pair.source, WAIT_NS);
    pair.stream = pair.source->peers[0].stream;
    return pair;
}

static void pair_free(struct pair *pair) {
    rig_free(pair->source, WAIT_NS);
    rig_free(pair->target, WAIT_NS);
    close(pair->listen_fd);
}

static void halt(struct pair *pair) {
    ck_assert(stream_move_begin(&pair->source->streams, pair->stream));
    for (int i = 0; i < 100 && pair->source->peers[0].move_readys == 0; i++)
        turns(pair, 1);
    ck_assert_uint_eq(pair->source->peers[0].move_readys, 1);
}

static void pass(struct pair *pair) {
    ck_assert_int_eq(stream_move_expect(&pair->target->streams, 5, &pair->ticket), 0);
    stream_move_pass(&pair->source->streams, pair->stream.index, &pair->ticket);
    for (int i = 0;
         i < 100 && (pair->source->peers[0].passes == 0 || pair->target->peer_count == 0); i++)
        turns(pair, 1);
    ck_assert_uint_eq(pair->source->peers[0].passes, 1);
    ck_assert_int_eq(pair->source->peers[0].pass_error, 0);
    ck_assert_uint_eq(pair->target->peers[0].tag, 5);
}

static void hand_over(struct pair *pair) {
    pair->size = stream_move_export_size(&pair->source->streams, pair->stream.index);
    ck_assert_uint_le(pair->size, sizeof(pair->bytes));
    stream_move_export(&pair->source->streams, pair->stream.index, pair->bytes, pair->size);
    stream_move_abandon(&pair->source->streams, pair->stream.index);
    pair->source->peers[0].is_open = false;
    pair->source->open_count--;
}

static void import(struct pair *pair) {
    ck_assert_int_eq(stream_move_import(&pair->target->streams, pair->target->peers[0].stream.index,
                                        pair->bytes, pair->size),
                     0);
}

static void turn_until_ended(struct pair *pair, struct rig *rig) {
    for (int i = 0; i < 500 && streams_used_count(&rig->streams) > 0; i++)
        turns(pair, 1);
    ck_assert_uint_eq(streams_used_count(&rig->streams), 0);
}

START_TEST(an_end_at_any_step_of_a_move_is_told_once) {
    for (int way = 0; way < 12; way++) {
        int step = way % 6;
        struct pair pair = pair_open();
        for (int now = 0; now < 6; now++) {
            if (now == step) {
                if (way < 6)
                    reset(pair.client);
                else
                    close(pair.client);
                turns(&pair, 3);
            }
            if (pair.source->peers[0].ends > 0)
                continue; // halting, and seen
            if (now == 0)
                ck_assert(stream_move_begin(&pair.source->streams, pair.stream));
            if (now == 1)
                turns(&pair, 5);
            if (now == 2)
                pass(&pair);
            if (now == 3)
                hand_over(&pair);
            if (now == 4)
                import(&pair);
        }
        turn_until_ended(&pair, pair.source);
        turn_until_ended(&pair, pair.target);
        bool is_there = pair.target->peer_count > 0;
        const struct rig_peer *ended = is_there ? &pair.target->peers[0] : &pair.source->peers[0];
        ck_assert_uint_eq(ended->ends, 1);
        ck_assert_int_eq(ended->end, way < 6 ? STREAM_END_RESET : STREAM_END_PEER_CLOSED);
        ck_assert_uint_eq(pair.source->peers[0].ends, is_there ? 0 : 1);
        pair_free(&pair);
    }
}
END_TEST

START_TEST(a_cancelled_move_leaves_the_connection_as_it_was) {
    struct pair pair = pair_open();
    halt(&pair);
    pass(&pair);
    ck_assert_int_eq(send(pair.client, "abc", 3, 0), 3);
    ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
    stream_close(&pair.target->streams, pair.target->peers[0].stream, STREAM_CLOSE_ABORT);
    turn_until_ended(&pair, pair.target);
    turns(&pair, 3);
    ck_assert_uint_eq(pair.source->peers[0].bytes, 3);
    (void)rig_push(pair.source, pair.stream, PARCEL_CONTROL, "def", 3);
    turns(&pair, 3);
    char data[8];
    ck_assert_int_eq(recv(pair.client, data, sizeof(data), 0), 3);
    ck_assert_int_eq(recv(pair.client, data, sizeof(data), MSG_DONTWAIT), -1); // no FIN
    // Its close reaches the peer all the same, though it says so by a shutdown now.
    stream_close(&pair.source->streams, pair.stream, STREAM_CLOSE_ABORT);
    turn_until_ended(&pair, pair.source);
    ck_assert_int_eq(recv(pair.client, data, sizeof(data), 0), 0);
    close(pair.client);
    pair_free(&pair);
}
END_TEST

START_TEST(a_close_of_a_passed_connection_reaches_the_peer) {
    struct pair pair = pair_open();
    halt(&pair);
    pass(&pair);
    stream_close(&pair.source->streams, pair.stream, STREAM_CLOSE_ABORT);
    turn_until_ended(&pair, pair.source);
    char data[8];
    ck_assert_int_eq(recv(pair.client, data, sizeof(data), 0), 0); // the target holds it still
    close(pair.client);
    pair_free(&pair);
}
END_TEST

// Passes with this ticket and takes the connection back. The errno, or 0.
static int pass_and_cancel(struct pair *pair, const struct stream_ticket *ticket) {
    struct rig_peer *peer = &pair->source->peers[0];
    peer->move_readys = peer->passes = 0;
    halt(pair);
    stream_move_pass(&pair->source->streams, pair->stream.index, ticket);
    for (int i = 0; i < 100 && peer->passes == 0; i++)
        turns(pair, 1);
    ck_assert_uint_eq(peer->passes, 1);
    ck_assert(stream_move_cancel(&pair->source->streams, pair->stream));
    turns(pair, 3);
    return peer->pass_error;
}

// Nobody can get there by stream_move_expect: a ticket is used twice.
START_TEST(a_full_table_refuses_a_pass_by_name) {
    struct pair pair = pair_open();
    struct stream_ticket tickets[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(stream_move_expect(&pair.target->streams, 9, &tickets[i]), 0);
    ck_assert_uint_eq(tickets[0].target.lane, tickets[1].target.lane);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pass_and_cancel(&pair, &tickets[i]), 0);
    ck_assert_uint_eq(pair.target->peer_count, 2); // the lane's two slots
    ck_assert_int_eq(pass_and_cancel(&pair, &tickets[1]), ENFILE);
    ck_assert_uint_eq(pair.target->peer_count, 2);
    ck_assert_int_eq(send(pair.client, "abc", 3, 0), 3);
    turns(&pair, 5);
    ck_assert_uint_eq(pair.source->peers[0].bytes, 3);
    close(pair.client);
    pair_free(&pair);
}
END_TEST

// Opens a ring, promises a descriptor of its second lane, and exits when told, without closing it.
struct mortal {
    pthread_barrier_t barrier;
    struct rig *rig;
    struct stream_ticket ticket;
    bool sleeps; // waits without end until something arrived
};

static void *live_and_die(void *argument) {
    struct mortal *mortal = argument;
    struct stream_ticket first[2];
    mortal->rig = rig_new(&two_lanes, &(struct stream_config){0});
    for (int i = 0; i < 2; i++)
        CHECK(stream_move_expect(&mortal->rig->streams, 0, &first[i]) == 0);
    CHECK(stream_move_expect(&mortal->rig->streams, 77, &mortal->ticket) == 0);
    CHECK(mortal->ticket.target.lane == 1);
    pthread_barrier_wait(&mortal->barrier);
    while (mortal->sleeps && mortal->rig->peer_count == 0)
        rig_turn(mortal->rig, RING_WAIT_FOREVER); // a signal that got lost would hang here
    if (mortal->sleeps)
        rig_free(mortal->rig, WAIT_NS);
    return NULL;
}

static void with_mortal(struct mortal *mortal, struct pair *pair) {
    pthread_t thread;
    pthread_barrier_init(&mortal->barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, live_and_die, mortal), 0);
    pthread_barrier_wait(&mortal->barrier);
    if (mortal->sleeps)
        usleep(20000); // it sleeps by now, most likely
    else
        pthread_join(thread, NULL);
    halt(pair);
    stream_move_pass(&pair->source->streams, pair->stream.index, &mortal->ticket);
    for (int turn = 0; turn < 500 && pair->source->peers[0].passes == 0; turn++)
        rig_turn(pair->source, WAIT_NS);
    ck_assert_uint_eq(pair->source->peers[0].passes, 1);
    if (mortal->sleeps)
        pthread_join(thread, NULL);
    pthread_barrier_destroy(&mortal->barrier);
}

START_TEST(an_arrival_on_a_child_lane_ends_a_wait_without_end) {
    for (int round = 0; round < 20; round++) {
        struct pair pair = pair_open();
        struct mortal mortal = {.sleeps = true};
        with_mortal(&mortal, &pair);
        ck_assert_int_eq(pair.source->peers[0].pass_error, 0);
        close(pair.client);
        pair_free(&pair);
    }
}
END_TEST

START_TEST(a_pass_to_a_ring_that_is_gone_is_named_and_harmless) {
    struct pair pair = pair_open();
    struct mortal mortal = {0};
    with_mortal(&mortal, &pair); // its thread is gone
    ck_assert_int_eq(pair.source->peers[0].pass_error, EOWNERDEAD);
    // Its descriptor too.
    pair.source->peers[0].passes = 0;
    ring_close(mortal.rig->ring);
    stream_move_pass(&pair.source->streams, pair.stream.index, &mortal.ticket);
    for (int turn = 0; turn < 500 && pair.source->peers[0].passes == 0; turn++)
        rig_turn(pair.source, WAIT_NS);
    ck_assert_int_eq(pair.source->peers[0].pass_error, EBADF);
    memory_release_all(&mortal.rig->ledger);
    free(mortal.rig);
    ck_assert(stream_move_cancel(&pair.source->streams, pair.stream));
    ck_assert_int_eq(send(pair.client, "abc", 3, 0), 3);
    turns(&pair, 5);
    ck_assert_uint_eq(pair.source->peers[0].bytes, 3);
    close(pair.client);
    pair_free(&pair);
}
END_TEST

UNIT_MAIN("io/stream_move (real ring)", an_end_at_any_step_of_a_move_is_told_once,
          a_cancelled_move_leaves_the_connection_as_it_was,
          a_close_of_a_passed_connection_reaches_the_peer, a_full_table_refuses_a_pass_by_name,
          an_arrival_on_a_child_lane_ends_a_wait_without_end,
          a_pass_to_a_ring_that_is_gone_is_named_and_harmless,
          connections_move_a_thousand_times_under_traffic)
