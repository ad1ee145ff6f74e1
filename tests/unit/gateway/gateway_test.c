// Goal: the whole data plane of a core, in bad weather: what one member publishes another receives
// in order, each number once, as a message or within a gap; resets at any moment leave nothing.
// Method: gateway, chat and real streams over the simulated ring, turned as the worker turns.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/limits.h"
#include "gateway/wire/websocket.h"
#include "io/accept.h"
#include "io/ring_sim.h"
#include "sched/base/clock.h"

#define LISTEN_FD 7

struct core {
    struct memory_ledger ledger;
    struct counters counters;
    struct blocks blocks;
    struct scheduler scheduler;
    struct ring *ring;
    struct streams streams;
    struct chat chat;
    struct gateway gateway;
    struct config config;
    uint64_t now_ns;
};

static struct core core;

static void open_core(uint64_t seed) {
    memset(&core, 0, sizeof(core));
    core.now_ns = 1000 * NS_PER_S;
    core.config = (struct config){.handshake_timeout_s = 10,
                                  .idle_timeout_s = 60,
                                  .message_bytes_max = 65536,
                                  .out_queue_bytes_max = 4096,
                                  .channels_per_socket_max = 4,
                                  .room = {.presence_list_max = 100}};
    const struct scheduler_config scheduler = {.message_cells_max = 4096};
    const struct ring_config ring = {
        .lane_count = 1, .descriptors_per_lane = 64, .counters = &core.counters};
    ck_assert_int_eq(blocks_init(&core.blocks, &core.ledger, 64 << 20), 0);
    ck_assert_int_eq(scheduler_init(&core.scheduler, &scheduler, NULL, &core.ledger, &core.blocks,
                                    &core.counters, core.now_ns),
                     0);
    const struct gateway_parts parts = {.scheduler = &core.scheduler,
                                        .streams = &core.streams,
                                        .chat = &core.chat,
                                        .blocks = &core.blocks,
                                        .counters = &core.counters,
                                        .ledger = &core.ledger,
                                        .config = &core.config,
                                        .connections_max = 40,
                                        .connections_spare = 4,
                                        .control_bytes_max = LIMITS_CONTROL_BYTES};
    ck_assert_int_eq(gateway_init(&core.gateway, &parts), 0);
    const struct chat_config chat = {.core_count = 1,
                                     .rooms_max = 16,
                                     .members_max = 256,
                                     .users_max = 256,
                                     .batch_bytes_max = 2048};
    ck_assert_int_eq(chat_init(&core.chat, &chat, &core.scheduler, &core.ledger, &core.gateway), 0);
    ck_assert_int_eq(ring_open(&ring, &core.ledger, &core.ring), 0);
    const struct stream_config streams = {.connections_max = 40,
                                          .connections_spare = 4,
                                          .out_queue_bytes_max = 4096,
                                          .control_bytes_max = LIMITS_CONTROL_BYTES};
    ck_assert_int_eq(streams_init(&core.streams, &core.ledger, core.ring, &core.blocks,
                                  &core.counters, &streams, &core.gateway),
                     0);
    ck_assert_int_ge(accept_open(&core.streams, &(struct accept_config){.listen_fd = LISTEN_FD}),
                     0);
    ring_sim_seed(core.ring, seed);
    struct ring_sim_knobs *knobs = ring_sim_knobs(core.ring);
    knobs->reorders = true;
    knobs->late_one_in = 5;
    knobs->lose_more_one_in = 7;
    knobs->cancel_misses_one_in = 3;
}

static void turn(void) {
    struct ring_completion completion;
    core.now_ns += 5 * NS_PER_MS;
    ring_enter(core.ring, 0);
    core.scheduler.now_ns = core.now_ns;
    while (ring_next(core.ring, &completion))
        stream_on_completion(&core.streams, &completion);
    stream_settle(&core.streams);
    stream_tick(&core.streams, (uint32_t)(core.now_ns / NS_PER_S));
    (void)scheduler_turn(&core.scheduler, core.now_ns);
    (void)chat_flush(&core.chat);
    (void)gateway_turn_end(&core.gateway);
    streams_validate(&core.streams);
    stream_flush_dirty(&core.streams);
}

static void turns(int count) {
    while (count-- > 0)
        turn();
}

static void send_text(uint32_t peer, const char *text) {
    uint8_t frame[512];
    struct writer w = writer_on(frame, sizeof(frame));
    websocket_encode_masked(&w, WEBSOCKET_TEXT, bytes_from_string(text),
                            (const uint8_t[4]){7, 0, 255, 1});
    ring_sim_peer_send(core.ring, peer, w.data, w.size);
}

static uint32_t join(const char *user) {
    char request[512];
    uint32_t peer = ring_sim_connect(core.ring, LISTEN_FD);
    int size = snprintf(request, sizeof(request),
                        "GET /socket/websocket?vsn=2.0.0&user=%s HTTP/1.1\r\nHost: a\r\n"
                        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        user);
    ring_sim_peer_send(core.ring, peer, request, (size_t)size);
    send_text(peer, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]");
    turns(100);
    return peer;
}

// Adds what the peer has received to `text`, as text.
static size_t receive(uint32_t peer, char *text, size_t size, size_t capacity) {
    size_t got;
    while ((got = ring_sim_peer_receive(core.ring, peer, text + size, capacity - size - 1)) > 0) {
        for (size_t i = size; i < size + got; i++)
            text[i] = text[i] ? text[i] : ' '; // frame headers are not looked at
        size += got;
        turn();
    }
    text[size] = 0;
    return size;
}

static bool audit_holds(void) {
    const struct counters *c = &core.counters;
    return counter_read(c, COUNTER_DUE) + counter_read(c, COUNTER_MOVED_IN) ==
           counter_read(c, COUNTER_MOVED_OUT) + counter_read(c, COUNTER_DELIVERED) +
               counter_read(c, COUNTER_DROPPED_SLOW) + counter_read(c, COUNTER_DROPPED_CLOSED) +
               counter_read(c, COUNTER_DROPPED_MEMORY) + counter_read(c, COUNTER_PENDING) +
               counter_read(c, COUNTER_GATHERED);
}

static void close_core(void) {
    gateway_stop(&core.gateway);
    accept_close_all(&core.streams);
    for (int i = 0;
         i < 500 && (streams_used_count(&core.streams) > 0 || !accept_is_quiet(&core.streams)); i++)
        turn();
    ck_assert(gateway_is_empty(&core.gateway));
    ck_assert(audit_holds());
    ck_assert_uint_eq(counter_read(&core.counters, COUNTER_PENDING), 0);
    gateway_fini(&core.gateway);
    core.now_ns += 61 * NS_PER_S;
    turns(4);
    chat_fini(&core.chat);
    streams_fini(&core.streams);
    blocks_check_empty(&core.blocks);
    ring_close(core.ring);
    blocks_fini(&core.blocks);
    memory_release_all(&core.ledger);
}

// Every number from 1 to `last` once, in order, as a shout or in a gap. Returns how many gaps.
static uint32_t expect_all(const char *text, uint64_t last) {
    uint64_t next = 1;
    uint32_t gaps = 0;
    for (const char *at = text; next <= last;) {
        const char *shout = strstr(at, "\"shout\",{\"n\":");
        const char *gap = strstr(at, "\"gap\",{\"from\":");
        ck_assert_msg(shout || gap, "number %lu never came", next);
        if (gap && (!shout || gap < shout)) {
            unsigned long from, to;
            ck_assert_int_eq(sscanf(gap, "\"gap\",{\"from\":%lu,\"to\":%lu}", &from, &to), 2);
            ck_assert_uint_eq(from, next);
            ck_assert_uint_ge(to, from);
            next = to + 1;
            gaps++;
            at = gap + 5;
        } else {
            unsigned long n, sequence;
            ck_assert_int_eq(sscanf(shout, "\"shout\",{\"n\":%lu},%lu]", &n, &sequence), 2);
            ck_assert_uint_eq(n, next);
            ck_assert_uint_eq(sequence, next);
            next++;
            at = shout + 5;
        }
    }
    return gaps;
}

START_TEST(members_see_every_number_once_in_order_and_a_slow_one_is_told_what_it_missed) {
    static char fast_text[1 << 20], slow_text[1 << 20];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        open_core(seed);
        uint32_t fast = join("fast"), slow = join("slow"), writer = join("writer");
        size_t fast_size = 0;
        ring_sim_peer_set_space(core.ring, slow, 600);
        for (int n = 1; n <= 500; n++) {
            char text[128];
            snprintf(text, sizeof(text), "[\"1\",null,\"room:a\",\"shout\",{\"n\":%d}]", n);
            send_text(writer, text);
            if (n % 8 == 0) {
                turns(6);
                fast_size = receive(fast, fast_text, fast_size, sizeof(fast_text));
            }
            if (n % 8 == 0)
                (void)receive(writer, slow_text, 0, sizeof(slow_text));
        }
        turns(300);
        (void)receive(fast, fast_text, fast_size, sizeof(fast_text));
        size_t slow_size = 0;
        ring_sim_peer_set_space(core.ring, slow, 65536);
        for (int i = 0; i < 40; i++) {
            slow_size = receive(slow, slow_text, slow_size, sizeof(slow_text));
            turns(5);
        }
        ck_assert_uint_eq(expect_all(fast_text, 500), 0);
        ck_assert_uint_ge(expect_all(slow_text, 500), 1);
        ck_assert(audit_holds());
        close_core();
    }
}
END_TEST

START_TEST(peers_that_reset_at_any_moment_leave_nothing) {
    struct rng rng = {3};
    static char text[1 << 16];
    open_core(99);
    for (int round = 0; round < 300; round++) {
        uint32_t peer = ring_sim_connect(core.ring, LISTEN_FD);
        static const char request[] =
            "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        ring_sim_peer_send(core.ring, peer, request, sizeof(request) - 1 - rng_below(&rng, 2) * 9);
        turns((int)rng_below(&rng, 20));
        send_text(peer, "[\"x\",\"y\",\"room:a\",\"phx_join\",{}]");
        turns((int)rng_below(&rng, 4));
        send_text(peer, "[\"x\",\"z\",\"room:a\",\"shout\",{}]");
        turns((int)rng_below(&rng, 10));
        if (rng_below(&rng, 3) == 0)
            (void)receive(peer, text, 0, sizeof(text));
        if (rng_below(&rng, 2) == 0)
            ring_sim_peer_reset(core.ring, peer);
        else
            ring_sim_peer_fin(core.ring, peer);
        turns((int)rng_below(&rng, 10));
        ck_assert(audit_holds());
    }
    ck_assert_uint_gt(counter_read(&core.counters, COUNTER_JOINS), 50);
    close_core();
}
END_TEST

// Its connection has ended, what was queued for it has not: it would stay for the linger's time.
START_TEST(a_stop_cuts_a_peer_that_closed_its_side_and_does_not_read) {
    open_core(5);
    *ring_sim_knobs(core.ring) = (struct ring_sim_knobs){.send_space = 256};
    uint32_t peer = join("ada");
    for (int i = 0; i < 20; i++)
        send_text(peer,
                  "[\"1\",\"2\",\"phoenix\",\"ping\",{\"a\":\"0123456789012345678901234567\"}]");
    turns(10);
    ring_sim_peer_fin(core.ring, peer);
    turns(20);
    ck_assert(gateway_is_empty(&core.gateway));
    ck_assert_uint_eq(streams_used_count(&core.streams), 1);
    gateway_stop(&core.gateway);
    turns(20);
    ck_assert_uint_eq(streams_used_count(&core.streams), 0);
    close_core();
}
END_TEST

UNIT_MAIN("gateway/gateway",
          members_see_every_number_once_in_order_and_a_slow_one_is_told_what_it_missed,
          peers_that_reset_at_any_moment_leave_nothing,
          a_stop_cuts_a_peer_that_closed_its_side_and_does_not_read)
