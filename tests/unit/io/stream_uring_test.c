// Goal: streams over a real ring do what they promise towards real sockets. Method: clients are
// plain sockets of this thread on the loopback; small tables and several lanes.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/features.h"
#include "io/listener.h"
#include "io/wake.h"
#include "tests/unit/io/stream_rig.h"
#include "tests/unit/unit.h"

#define WAIT_NS 20000000ull // of one turn

static int listen_anywhere(uint32_t send_buffer_bytes) {
    struct listener_config config = {.address_size = sizeof(struct sockaddr_in),
                                     .send_buffer_bytes = send_buffer_bytes};
    struct sockaddr_in *address = (struct sockaddr_in *)&config.address;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = listener_open(&config);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int client_to(int listen_fd, int receive_buffer_bytes) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(listener_port(listen_fd)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    if (receive_buffer_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    struct timeval timeout = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

static struct rig *rig_listening(const struct ring_config *ring, const struct stream_config *config,
                                 int listen_fd) {
    struct rig *rig = rig_new(ring, config);
    struct accept_config accept_config = {.listen_fd = listen_fd};
    ck_assert_int_ge(accept_open(&rig->streams, &accept_config), 0);
    return rig;
}

static void turn_until_open(struct rig *rig, uint32_t count) {
    for (int turn = 0; turn < 1000 && rig->peer_count < count; turn++)
        rig_turn(rig, WAIT_NS);
    ck_assert_uint_eq(rig->peer_count, count);
}

static void turn_until_ended(struct rig *rig) {
    for (int turn = 0; turn < 1000 && streams_used_count(&rig->streams) > 0; turn++)
        rig_turn(rig, WAIT_NS);
    ck_assert_uint_eq(streams_used_count(&rig->streams), 0);
}

static void reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

static const struct ring_config one_lane = {.lane_count = 1, .descriptors_per_lane = 256};

START_TEST(stream_echoes_what_a_client_sends) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0}, listen_fd);
    rig->echo = true;
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    for (int round = 0; round < 20; round++) {
        char text[16], back[16];
        int size = snprintf(text, sizeof(text), "hello %d", round);
        ck_assert_int_eq(send(client, text, (size_t)size, 0), size);
        for (int turn = 0; turn < 100 && recv(client, back, 1, MSG_DONTWAIT | MSG_PEEK) < 1; turn++)
            rig_turn(rig, WAIT_NS);
        ck_assert_int_eq(recv(client, back, sizeof(back), 0), size);
        ck_assert_int_eq(memcmp(text, back, (size_t)size), 0);
    }
    close(client);
    turn_until_ended(rig);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_PEER_CLOSED);
    ck_assert_uint_eq(rig->peers[0].ends, 1);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(streams_fill_several_lanes_to_the_last_slot) {
    enum { LANES = 4, PER_LANE = 16, CLIENTS = LANES * PER_LANE };
    struct ring_config ring = {.lane_count = LANES, .descriptors_per_lane = PER_LANE};
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&ring, &(struct stream_config){0}, listen_fd);
    rig->echo = true;
    int clients[CLIENTS];
    ck_assert_uint_eq(ring_lanes_open(rig->ring), 1);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_to(listen_fd, 0);
    turn_until_open(rig, CLIENTS);
    ck_assert_uint_eq(ring_lanes_open(rig->ring), LANES);
    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(send(clients[i], "ping", 4, 0), 4);
    for (int i = 0; i < CLIENTS; i++) {
        char back[8];
        for (int turn = 0; turn < 100 && recv(clients[i], back, 1, MSG_DONTWAIT | MSG_PEEK) < 1;
             turn++)
            rig_turn(rig, WAIT_NS);
        ck_assert_int_eq(recv(clients[i], back, sizeof(back), 0), 4);
    }
    // One more waits in the backlog until a slot comes free, and is not lost.
    int late = client_to(listen_fd, 0);
    rig_turns(rig, 5, 1000000);
    ck_assert_uint_eq(rig->peer_count, CLIENTS);
    close(clients[7]);
    turn_until_open(rig, CLIENTS + 1);
    close(late);
    for (int i = 0; i < CLIENTS; i++) {
        if (i != 7)
            close(clients[i]);
    }
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_reset_ends_once_with_reset) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0}, listen_fd);
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    reset(client);
    turn_until_ended(rig);
    ck_assert_uint_eq(rig->peers[0].ends, 1);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_RESET);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_close_flush_sends_all_then_fin_and_waits_for_the_peer) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0}, listen_fd);
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    ck_assert_int_eq(rig_push(rig, rig->peers[0].stream, PARCEL_CONTROL, "bye", 3), STREAM_PUSH_OK);
    stream_close(&rig->streams, rig->peers[0].stream, STREAM_CLOSE_FLUSH);
    ck_assert_int_eq(rig_push(rig, rig->peers[0].stream, PARCEL_CONTROL, "no", 2),
                     STREAM_PUSH_CLOSING);
    rig_turns(rig, 10, 1000000);
    char back[8];
    ck_assert_int_eq(recv(client, back, sizeof(back), 0), 3);
    ck_assert_int_eq(recv(client, back, sizeof(back), 0), 0); // FIN
    ck_assert_uint_eq(streams_used_count(&rig->streams), 1);  // waits for ours
    ck_assert_uint_eq(rig->peers[0].ends, 0);
    close(client);
    turn_until_ended(rig);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_LOCAL);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_close_flush_gives_up_after_the_linger) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){.linger_s = 3}, listen_fd);
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    stream_close(&rig->streams, rig->peers[0].stream, STREAM_CLOSE_FLUSH);
    rig_turns(rig, 3, 1000000);
    rig_tick(rig, 2);
    rig_turns(rig, 3, 1000000);
    ck_assert_uint_eq(streams_used_count(&rig->streams), 1);
    rig_tick(rig, 1);
    turn_until_ended(rig);
    close(client);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_answers_a_peer_that_closed_its_half) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0}, listen_fd);
    rig->echo = true;
    int client = client_to(listen_fd, 0);
    ck_assert_int_eq(send(client, "last words", 10, 0), 10);
    shutdown(client, SHUT_WR);
    turn_until_open(rig, 1);
    turn_until_ended(rig);
    char back[16];
    ck_assert_int_eq(recv(client, back, sizeof(back), 0), 10);
    ck_assert_int_eq(recv(client, back, sizeof(back), 0), 0);
    ck_assert_int_eq(rig->peers[0].end, STREAM_END_PEER_CLOSED);
    close(client);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_keeps_every_byte_for_a_slow_reader) {
    enum { SIZE = 8 << 20 };
    int listen_fd = listen_anywhere(16384);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0}, listen_fd);
    int client = client_to(listen_fd, 8192);
    turn_until_open(rig, 1);
    uint32_t id = rig_parcel(rig, PARCEL_CONTROL, NULL, SIZE);
    uint8_t *data = parcel_at(&rig->blocks, id)->data;
    for (uint32_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    ck_assert_int_eq(stream_push(&rig->streams, rig->peers[0].stream, id), STREAM_PUSH_OK);
    parcel_unref(&rig->blocks, id);
    uint32_t at = 0;
    static uint8_t back[65536];
    for (int turn = 0; turn < 100000 && at < SIZE; turn++) {
        rig_turn(rig, 100000);
        ssize_t size = recv(client, back, sizeof(back), MSG_DONTWAIT);
        for (ssize_t i = 0; i < size; i++, at++)
            ck_assert_uint_eq(back[i], (uint8_t)(at * 2654435761u >> 24));
    }
    ck_assert_uint_eq(at, SIZE);
    ck_assert_uint_gt(counter_read(&rig->counters, COUNTER_SENDS_PARTIAL), 0);
    ck_assert_uint_eq(rig->peers[0].writables, 1);
    ck_assert(stream_is_empty(&rig->streams, rig->peers[0].stream.index));
    close(client);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_parks_when_quiet_and_loses_nothing) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0}, listen_fd);
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    uint64_t sent = 0;
    for (int round = 0; round < 50; round++) {
        ck_assert_int_eq(send(client, "abc", 3, 0), 3);
        sent += 3;
        rig_turns(rig, 2, 100000);
        if (round % 3 == 0) {
            rig_tick(rig, 2); // the cancel leaves in the same turn as bytes may come
            ck_assert_int_eq(send(client, "de", 2, 0), 2);
            sent += 2;
        }
    }
    for (int turn = 0; turn < 100 && rig->peers[0].bytes < sent; turn++)
        rig_turn(rig, WAIT_NS);
    ck_assert_uint_eq(rig->peers[0].bytes, sent);
    ck_assert_uint_gt(counter_read(&rig->counters, COUNTER_PARKS), 0);
    ck_assert_uint_gt(counter_read(&rig->counters, COUNTER_HOTS), 1);
    close(client);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_pause_stops_reading_until_resumed) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &(struct stream_config){0}, listen_fd);
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    stream_pause_reading(&rig->streams, rig->peers[0].stream.index);
    rig_turns(rig, 3, 100000);
    ck_assert_int_eq(send(client, "wait", 4, 0), 4);
    rig_turns(rig, 5, 1000000);
    ck_assert_uint_eq(rig->peers[0].bytes, 0);
    stream_resume_reading(&rig->streams, rig->peers[0].stream.index);
    rig_turns(rig, 5, 1000000);
    ck_assert_uint_eq(rig->peers[0].bytes, 4);
    close(client);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(stream_flood_is_read_in_shares_and_whole) {
    enum { SIZE = 4 << 20 };
    int listen_fd = listen_anywhere(0);
    struct ring_config ring = one_lane;
    ring.first.buffer_count = 16; // fewer than a run of the kernel takes
    struct rig *rig =
        rig_listening(&ring, &(struct stream_config){.recv_turn_bytes_max = 8192}, listen_fd);
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    static uint8_t bytes[65536];
    uint64_t sent = 0;
    for (int turn = 0; turn < 100000 && rig->peers[0].bytes < SIZE; turn++) {
        if (sent < SIZE) {
            size_t want = SIZE - sent < sizeof(bytes) ? SIZE - sent : sizeof(bytes);
            ssize_t size = send(client, bytes, want, MSG_DONTWAIT);
            sent += size > 0 ? (uint64_t)size : 0;
        }
        uint64_t before = rig->peers[0].bytes;
        rig_turn(rig, 100000);
        ck_assert_uint_le(rig->peers[0].bytes - before, 16 * 4096);
    }
    ck_assert_uint_eq(rig->peers[0].bytes, SIZE);
    close(client);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(streams_survive_resets_at_any_moment) {
    enum { ROUNDS = 40, CLIENTS = 24 };
    struct ring_config ring = {.lane_count = 3, .descriptors_per_lane = 16};
    int listen_fd = listen_anywhere(16384);
    struct rig *rig = rig_listening(&ring, &(struct stream_config){.linger_s = 1}, listen_fd);
    rig->echo = true;
    uint32_t random = 1;
    for (int round = 0; round < ROUNDS; round++) {
        int clients[CLIENTS];
        static uint8_t bytes[3000];
        for (int i = 0; i < CLIENTS; i++) {
            clients[i] = client_to(listen_fd, 4096);
            (void)!send(clients[i], bytes, random % sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
            random = random * 1103515245u + 12345u;
            if (random >> 28 == 0)
                rig_turn(rig, 0);
        }
        rig_turn(rig, 100000);
        for (int i = 0; i < CLIENTS; i++) {
            random = random * 1103515245u + 12345u;
            if (random >> 31)
                reset(clients[i]);
            else
                close(clients[i]);
            if (random >> 29 == 1)
                rig_turn(rig, 0);
        }
        rig->peer_count = 0; // the peers of earlier rounds may still end: their places are reused
        for (int turn = 0; turn < 1000 && (streams_used_count(&rig->streams) > 0 || turn < 3);
             turn++)
            rig_turn(rig, 1000000);
        ck_assert_uint_eq(streams_used_count(&rig->streams), 0);
    }
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_STREAMS_OPENED),
                      counter_read(&rig->counters, COUNTER_STREAMS_CLOSED));
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(accept_beyond_the_limit_is_marked_and_then_paused) {
    struct stream_config config = {.connections_max = 4, .connections_spare = 2};
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&one_lane, &config, listen_fd);
    int clients[8];
    for (int i = 0; i < 8; i++)
        clients[i] = client_to(listen_fd, 0);
    rig_turns(rig, 20, 1000000);
    ck_assert_uint_eq(rig->peer_count, 6);
    for (uint32_t i = 0; i < 6; i++)
        ck_assert_int_eq(rig->peers[i].over_limit, i >= 4);
    for (uint32_t i = 4; i < 6; i++)
        stream_close(&rig->streams, rig->peers[i].stream, STREAM_CLOSE_ABORT);
    turn_until_open(rig, 8);
    for (int i = 0; i < 8; i++)
        close(clients[i]);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(accept_tells_the_peers_address_when_asked) {
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_new(&one_lane, &(struct stream_config){0});
    struct accept_config accept_config = {.listen_fd = listen_fd, .peer_addresses = true};
    ck_assert_int_ge(accept_open(&rig->streams, &accept_config), 0);
    int client = client_to(listen_fd, 0);
    turn_until_open(rig, 1);
    struct sockaddr_in local;
    socklen_t size = sizeof(local);
    getsockname(client, (struct sockaddr *)&local, &size);
    const struct sockaddr_in *told = (const struct sockaddr_in *)&rig->peers[0].address;
    ck_assert_uint_eq(told->sin_port, local.sin_port);
    ck_assert_uint_eq(told->sin_addr.s_addr, local.sin_addr.s_addr);
    close(client);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(connect_opens_many_over_lanes_and_reports_refusal) {
    enum { CLIENTS = 100 };
    struct ring_config ring = {.lane_count = 8, .descriptors_per_lane = 16};
    int listen_fd = listen_anywhere(0);
    struct rig *server = rig_listening(&ring, &(struct stream_config){0}, listen_fd);
    struct rig *client = rig_new(&ring, &(struct stream_config){.connects = true});
    server->echo = true;
    struct sockaddr_in remote = {.sin_family = AF_INET,
                                 .sin_port = htons(listener_port(listen_fd)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f090807)};
    struct connect_config config = {.local = (struct sockaddr *)&local,
                                    .local_size = sizeof(local),
                                    .remote = (struct sockaddr *)&remote,
                                    .remote_size = sizeof(remote),
                                    .linger_zero = true};
    struct handle stream;
    for (uint32_t i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(connect_open(&client->streams, i, &config, &stream), 0);
    for (int turn = 0; turn < 500 && (client->peer_count < CLIENTS || server->peer_count < CLIENTS);
         turn++) {
        rig_turn(client, 1000000);
        rig_turn(server, 1000000);
    }
    ck_assert_uint_eq(client->open_count, CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(rig_push(client, client->peers[i].stream, PARCEL_CONTROL, "hi", 2),
                         STREAM_PUSH_OK);
    uint64_t echoed = 0;
    for (int turn = 0; turn < 500 && echoed < 2 * CLIENTS; turn++) {
        rig_turn(client, 1000000);
        rig_turn(server, 1000000);
        echoed = counter_read(&client->counters, COUNTER_RECV_BYTES);
    }
    ck_assert_uint_eq(echoed, 2 * CLIENTS);
    remote.sin_port = htons(1); // nobody listens there
    ck_assert_int_eq(connect_open(&client->streams, 7, &config, &stream), 0);
    for (int turn = 0; turn < 100 && client->connect_failures == 0; turn++)
        rig_turn(client, WAIT_NS);
    ck_assert_int_eq(client->connect_error, ECONNREFUSED);
    rig_free(client, WAIT_NS);
    turn_until_ended(server);
    rig_free(server, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(wake_ends_a_wait_from_a_ring_and_from_outside) {
    struct rig *sleeper = rig_new(&one_lane, &(struct stream_config){0});
    struct rig *waker = rig_new(&one_lane, &(struct stream_config){0});
    struct ring_completion completion;
    for (int round = 0; round < 3; round++) {
        wake_from_scheduler(waker->ring, ring_wake_target(sleeper->ring));
        rig_turn(waker, 0);
        ring_enter(sleeper->ring, 5000000000ull);
        ck_assert(ring_next(sleeper->ring, &completion));
        ck_assert_int_eq(completion.op, TOKEN_WAKE);
        ck_assert(!ring_next(sleeper->ring, &completion));
        wake_from_outside(ring_wake_target(sleeper->ring));
        ring_enter(sleeper->ring, 5000000000ull);
        ck_assert(ring_next(sleeper->ring, &completion));
        ck_assert_int_eq(completion.op, TOKEN_EVENT);
        ck_assert(!ring_next(sleeper->ring, &completion));
    }
    rig_free(sleeper, WAIT_NS);
    rig_free(waker, WAIT_NS);
}
END_TEST

struct late_sender {
    int fds[12];
    uint32_t rounds;
};

// Sends to one client after the other, late enough that the ring sleeps.
static void *send_late(void *argument) {
    const struct late_sender *sender = argument;
    for (uint32_t round = 0; round < sender->rounds; round++) {
        usleep(3000);
        CHECK(send(sender->fds[round % 12], "x", 1, 0) == 1);
    }
    return NULL;
}

START_TEST(bytes_on_a_child_lane_end_a_wait_without_end) {
    struct ring_config ring = {.lane_count = 3, .descriptors_per_lane = 4};
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&ring, &(struct stream_config){0}, listen_fd);
    struct late_sender sender = {.rounds = 120};
    for (int i = 0; i < 12; i++)
        sender.fds[i] = client_to(listen_fd, 0);
    turn_until_open(rig, 12);
    rig_turns(rig, 10, 1000000);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_late, &sender), 0);
    // A signal that got lost would hang here.
    while (counter_read(&rig->counters, COUNTER_RECV_BYTES) < sender.rounds)
        rig_turn(rig, RING_WAIT_FOREVER);
    pthread_join(thread, NULL);
    for (int i = 0; i < 12; i++)
        close(sender.fds[i]);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(overflow_of_the_completion_queue_loses_nothing) {
    enum { CLIENTS = 64, ROUNDS = 20 };
    struct ring_config ring = {.lane_count = 2, .descriptors_per_lane = 32};
    ring.first.sq_entries = ring.child.sq_entries = 4;
    ring.first.cq_entries = ring.child.cq_entries = 8; // far below the burst
    int listen_fd = listen_anywhere(0);
    struct rig *rig = rig_listening(&ring, &(struct stream_config){0}, listen_fd);
    rig->echo = true;
    int clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_to(listen_fd, 0);
    turn_until_open(rig, CLIENTS);
    uint64_t sent = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            sent += send(clients[i], "ping", 4, 0) == 4 ? 4 : 0;
        rig_turn(rig, 1000000);
    }
    for (int turn = 0; turn < 500 && counter_read(&rig->counters, COUNTER_SENT_BYTES) < sent;
         turn++)
        rig_turn(rig, 1000000);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_RECV_BYTES), sent);
    ck_assert_uint_eq(counter_read(&rig->counters, COUNTER_SENT_BYTES), sent);
    ck_assert_uint_gt(counter_read(&rig->counters, COUNTER_CQ_OVERFLOWS), 0);
    for (int i = 0; i < CLIENTS; i++)
        reset(clients[i]);
    turn_until_ended(rig);
    rig_free(rig, WAIT_NS);
    close(listen_fd);
}
END_TEST

START_TEST(features_that_are_required_are_there) {
    struct features features;
    char text[512];
    features_probe(&features);
    ck_assert_msg(features_is_usable(&features, text, sizeof(text)), "%s", text);
}
END_TEST

UNIT_MAIN("io/stream (real ring)", stream_echoes_what_a_client_sends,
          streams_fill_several_lanes_to_the_last_slot, stream_reset_ends_once_with_reset,
          stream_close_flush_sends_all_then_fin_and_waits_for_the_peer,
          stream_close_flush_gives_up_after_the_linger, stream_answers_a_peer_that_closed_its_half,
          stream_keeps_every_byte_for_a_slow_reader, stream_parks_when_quiet_and_loses_nothing,
          stream_pause_stops_reading_until_resumed, stream_flood_is_read_in_shares_and_whole,
          streams_survive_resets_at_any_moment, accept_beyond_the_limit_is_marked_and_then_paused,
          accept_tells_the_peers_address_when_asked,
          connect_opens_many_over_lanes_and_reports_refusal,
          wake_ends_a_wait_from_a_ring_and_from_outside,
          bytes_on_a_child_lane_end_a_wait_without_end,
          overflow_of_the_completion_queue_loses_nothing, features_that_are_required_are_there)
