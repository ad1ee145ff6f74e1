// One core's gateway and chat with peers made of bytes: the real scheduler, chat and gateway over a
// stand-in for io/stream that copies what is pushed. A peer can stall (its queue then grows against
// the same budgets), hang up, and see what the gateway did to its stream. Header-only: one per test
// program, which links no io.
#ifndef FAIRLEAD_TESTS_GATEWAY_RIG_H
#define FAIRLEAD_TESTS_GATEWAY_RIG_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/conn.h"
#include "gateway/limits.h"
#include "io/stream_move.h"
#include "gateway/wire/websocket.h"
#include "sched/base/clock.h"
#include "sched/base/parcel.h"

#define RIG_PEERS_MAX 256

// Who tests what is outside rooms says true.
#ifndef RIG_HAS_TOPICS
#define RIG_HAS_TOPICS false
#endif

// Who tests the tree says true, and opens it.
#ifndef RIG_IS_SUPERVISED
#define RIG_IS_SUPERVISED false
#endif

struct rig_peer {
    uint8_t *queued; // pushed, not yet taken by the peer
    size_t queued_size;
    uint8_t *out; // taken by the peer
    size_t out_size;
    size_t out_read; // looked at by the test
    bool is_open;    // the stream exists
    bool is_stalled; // takes nothing
    bool is_paused;
    bool is_read_singly;
    bool is_closing;
    bool is_aborted;
    bool is_over_half;
    bool has_gap; // gap_from to gap_to of the leaf gap_room waits in the queue
    uint32_t gap_room;
    uint64_t gap_from;
    uint64_t gap_to;
};

struct rig {
    struct memory_ledger ledger;
    struct counters counters;
    struct blocks blocks;
    struct scheduler scheduler;
    struct streams streams;
    struct chat chat;
    struct topics topics;
    struct gateway gateway;
    struct config config;
    uint64_t now_ns;
    struct rig_peer peers[RIG_PEERS_MAX];
    uint32_t peer_count;
};

static struct rig rig;

// That the next connections come through (struct stream_opening).
static uint32_t rig_acceptor;

// --- the stand-in for io/stream ------------------------------------------------------------------

static struct stream *rig_slot(uint32_t index) {
    return slab_get(&rig.streams.slots, index);
}

void stream_set_owner(struct streams *streams, uint32_t index, uint32_t owner) {
    rig_slot(index)->owner = owner;
}

static bool rig_is_room(const struct parcel *parcel) {
    return parcel->class == PARCEL_ROOM || parcel->class == PARCEL_WHISPER;
}

enum stream_push_result stream_push(struct streams *streams, struct handle handle, uint32_t id) {
    struct stream *stream = slab_lookup(&streams->slots, handle);
    const struct parcel *parcel = parcel_at(&rig.blocks, id);
    struct rig_peer *peer = &rig.peers[handle.index];
    uint32_t messages = parcel->class == PARCEL_ROOM ? parcel->message_count : 0;
    if (!stream || peer->is_closing) {
        counter_add(&rig.counters, COUNTER_DROPPED_CLOSED, messages);
        return STREAM_PUSH_CLOSING;
    }
    if (rig_is_room(parcel)) {
        if (stream->room_bytes > 0 &&
            stream->room_bytes + parcel->size > rig.config.out_queue_bytes_max) {
            counter_add(&rig.counters, COUNTER_DROPPED_SLOW, messages);
            return parcel->close_when_over ? STREAM_PUSH_OVER_ROOM : STREAM_PUSH_OK;
        }
        counter_add(&rig.counters, COUNTER_DELIVERED, messages);
        stream->room_bytes += parcel->size;
    } else {
        if (stream->control_bytes > 0 &&
            stream->control_bytes + parcel->size > limits_control_bytes(&rig.config))
            return STREAM_PUSH_OVER_CONTROL;
        stream->control_bytes += parcel->size;
        peer->is_over_half |= stream->control_bytes > limits_control_bytes(&rig.config) / 2;
    }
    peer->queued = realloc(peer->queued, peer->queued_size + parcel->size);
    memcpy(peer->queued + peer->queued_size, parcel->data, parcel->size);
    peer->queued_size += parcel->size;
    return STREAM_PUSH_OK;
}

bool stream_is_empty(const struct streams *streams, uint32_t index) {
    return rig.peers[index].queued_size == 0;
}

void stream_seal(struct streams *streams, uint32_t index) {
    struct rig_peer *peer = &rig.peers[index];
    if (!peer->has_gap)
        return;
    peer->has_gap = false;
    uint32_t id = stream_port_gap(&rig.gateway, rig_slot(index)->owner, peer->gap_room,
                                  peer->gap_from, peer->gap_to);
    if (id == BLOCK_NONE)
        return;
    (void)stream_push(streams, stream_handle(streams, index), id);
    parcel_unref(&rig.blocks, id);
}

uint32_t stream_control_bytes(const struct streams *streams, uint32_t index) {
    return rig_slot(index)->control_bytes;
}

uint32_t stream_room_bytes(const struct streams *streams, uint32_t index) {
    return rig_slot(index)->room_bytes;
}

void stream_pause_reading(struct streams *streams, uint32_t index) {
    rig.peers[index].is_paused = true;
}

void stream_resume_reading(struct streams *streams, uint32_t index) {
    rig.peers[index].is_paused = false;
}

void stream_read_singly(struct streams *streams, uint32_t index) {
    rig.peers[index].is_read_singly = true;
}

void stream_close(struct streams *streams, struct handle handle, enum stream_close_how how) {
    if (!slab_lookup(&streams->slots, handle))
        return;
    rig.peers[handle.index].is_closing = true;
    rig.peers[handle.index].is_aborted |= how == STREAM_CLOSE_ABORT;
}

void streams_close_all(struct streams *streams, enum stream_close_how how) {
    for (uint32_t i = 0; i < rig.peer_count; i++)
        if (rig.peers[i].is_open)
            stream_close(streams, stream_handle(streams, i), how);
}

static void rig_flush(uint32_t index) {
    struct rig_peer *peer = &rig.peers[index];
    struct stream *stream = rig_slot(index);
    if (peer->is_stalled || peer->queued_size == 0)
        return;
    peer->out = realloc(peer->out, peer->out_size + peer->queued_size);
    memcpy(peer->out + peer->out_size, peer->queued, peer->queued_size);
    peer->out_size += peer->queued_size;
    peer->queued_size = 0;
    stream->room_bytes = stream->control_bytes = 0;
    bool was_over_half = peer->is_over_half;
    peer->is_over_half = false;
    if (was_over_half && !peer->is_closing)
        stream_port_writable(&rig.gateway, index, stream->owner);
}

static void rig_end(uint32_t index, enum stream_end reason) {
    uint32_t owner = rig_slot(index)->owner;
    if (owner != STREAM_NO_OWNER)
        stream_port_end(&rig.gateway, index, owner, reason);
    slab_release(&rig.streams.slots, index);
    rig.peers[index].is_open = false;
}

// What moves stands in conn_move_test.c, over real streams.
bool stream_move_begin(struct streams *streams, struct handle handle) {
    return false;
}

int stream_move_expect(struct streams *streams, uint64_t tag, struct stream_ticket *ticket) {
    return -EOPNOTSUPP;
}

void stream_move_unexpect(struct streams *streams, struct handle expected) {
}

bool stream_move_cancel(struct streams *streams, struct handle handle) {
    return false;
}

void stream_move_pass(struct streams *streams, uint32_t index, const struct stream_ticket *ticket) {
}

uint32_t stream_move_export_size(struct streams *streams, uint32_t index) {
    return 0;
}

void stream_move_export(struct streams *streams, uint32_t index, uint8_t *out, uint32_t size) {
}

void stream_move_abandon(struct streams *streams, uint32_t index) {
}

int stream_move_import(struct streams *streams, uint32_t index, const uint8_t *bytes,
                       uint32_t size) {
    return 0;
}

// --- the rig -------------------------------------------------------------------------------------

static inline void rig_config_default(struct config *config) {
    *config = (struct config){.handshake_timeout_s = 10,
                              .idle_timeout_s = 60,
                              .message_bytes_max = 64 * 1024,
                              .out_queue_bytes_max = 64 * 1024,
                              .channels_per_socket_max = 4,
                              .rooms_max = 64,
                              .room = {.presence_list_max = 100}};
}

// After rig.config was filled.
static inline void rig_open(uint32_t connections_max, uint32_t connections_spare) {
    struct config config = rig.config;
    memset(&rig, 0, sizeof(rig));
    rig.config = config;
    rig.now_ns = 1000 * NS_PER_S;
    ck_assert_int_eq(blocks_init(&rig.blocks, &rig.ledger, 64 << 20), 0);
    const struct scheduler_config scheduler = {.message_cells_max = 4096};
    ck_assert_int_eq(scheduler_init(&rig.scheduler, &scheduler, NULL, &rig.ledger, &rig.blocks,
                                    &rig.counters, rig.now_ns),
                     0);
    const struct recorder_config recorder = {.events_max = 4096, .obituaries_max = 32};
    ck_assert_int_eq(
        recorder_init(&rig.scheduler.recorder, &recorder, &rig.ledger, &rig.scheduler.now_ns), 0);
    ck_assert_int_eq(
        slab_init(&rig.streams.slots, &rig.ledger, "streams", sizeof(struct stream), RIG_PEERS_MAX),
        0);
    const struct gateway_parts parts = {.scheduler = &rig.scheduler,
                                        .streams = &rig.streams,
                                        .chat = &rig.chat,
                                        .topics = RIG_HAS_TOPICS ? &rig.topics : NULL,
                                        .blocks = &rig.blocks,
                                        .counters = &rig.counters,
                                        .ledger = &rig.ledger,
                                        .config = &rig.config,
                                        .connections_max = connections_max,
                                        .connections_spare = connections_spare,
                                        .control_bytes_max = limits_control_bytes(&rig.config),
                                        .rng_seed = 7};
    ck_assert_int_eq(gateway_init(&rig.gateway, &parts), 0);
    const struct chat_config chat = {.core_count = 1,
                                     .rooms_max = rig.config.rooms_max,
                                     .members_max = 1024,
                                     .users_max = 1024,
                                     .batch_bytes_max = 32 * 1024,
                                     .seed = 1,
                                     .rng_seed = 2,
                                     .is_supervised = RIG_IS_SUPERVISED};
    ck_assert_int_eq(chat_init(&rig.chat, &chat, &rig.scheduler, &rig.ledger, &rig.gateway), 0);
    const struct topics_config topics = {.core_count = 1,
                                         .subscriptions_max = 1024,
                                         .retained_max = 1024,
                                         .retained_bytes_max = 1 << 20,
                                         .seed = 1};
    if (!RIG_HAS_TOPICS)
        return;
    ck_assert_int_eq(topics_init(&rig.topics, &topics, &rig.scheduler, &rig.ledger, &rig.gateway),
                     0);
    if (!RIG_IS_SUPERVISED)
        ck_assert_uint_ne(scheduler_spawn(&rig.scheduler, KIND_TOPICS, NULL), PID_NONE);
}

// One turn of the worker.
static inline void rig_turn(void) {
    rig.scheduler.now_ns = rig.now_ns;
    for (uint32_t i = 0; i < rig.peer_count; i++) {
        struct rig_peer *peer = &rig.peers[i];
        if (peer->is_open && peer->is_closing && (peer->queued_size == 0 || peer->is_aborted))
            rig_end(i, STREAM_END_LOCAL);
    }
    (void)scheduler_turn(&rig.scheduler, rig.now_ns);
    (void)chat_flush(&rig.chat);
    if (RIG_HAS_TOPICS)
        (void)topics_flush(&rig.topics);
    (void)gateway_turn_end(&rig.gateway);
    for (uint32_t i = 0; i < rig.peer_count; i++)
        if (rig.peers[i].is_open)
            rig_flush(i);
    scheduler_validate(&rig.scheduler);
}

static inline void rig_turns(uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        rig_turn();
}

// Time passes in steps, with a turn at each.
static inline void rig_wait_ms(uint64_t ms) {
    for (uint64_t passed = 0; passed < ms; passed += 50) {
        rig.now_ns += 50 * NS_PER_MS;
        rig_turn();
    }
    rig_turns(2);
}

static inline uint32_t rig_connect_as(enum stream_opened_by by, const struct sockaddr *peer) {
    uint32_t index;
    struct stream *stream = slab_acquire(&rig.streams.slots, &index);
    ck_assert_ptr_nonnull(stream);
    stream->owner = STREAM_NO_OWNER;
    free(rig.peers[index].queued);
    free(rig.peers[index].out);
    rig.peers[index] = (struct rig_peer){.is_open = true};
    if (index >= rig.peer_count)
        rig.peer_count = index + 1;
    stream_port_open(&rig.gateway, index,
                     &(struct stream_opening){
                         .by = by, .owner = SLAB_NONE, .acceptor = rig_acceptor, .peer = peer});
    return index;
}

static inline uint32_t rig_connect(void) {
    return rig_connect_as(STREAM_ACCEPTED, NULL);
}

// A copy in memory of its own, so that sanitizers see what is read beyond it.
static inline void rig_bytes(uint32_t peer, struct bytes bytes) {
    if (!rig.peers[peer].is_open)
        return;
    uint8_t *copy = malloc(bytes.size + 1);
    memcpy(copy, bytes.data, bytes.size);
    copy = realloc(copy, bytes.size ? bytes.size : 1);
    stream_port_data(&rig.gateway, peer, rig_slot(peer)->owner, copy, bytes.size);
    free(copy);
}

static inline void rig_string(uint32_t peer, const char *text) {
    rig_bytes(peer, bytes_from_string(text));
}

static inline void rig_frame(uint32_t peer, enum websocket_opcode opcode, struct bytes payload) {
    static const uint8_t mask[4] = {0x11, 0x80, 0xfe, 0x07};
    uint8_t *bytes = malloc(payload.size + WEBSOCKET_HEADER_BYTES_MAX);
    struct writer w = writer_on(bytes, payload.size + WEBSOCKET_HEADER_BYTES_MAX);
    websocket_encode_masked(&w, opcode, payload, mask);
    rig_bytes(peer, writer_bytes(&w));
    free(bytes);
}

static inline void rig_text(uint32_t peer, const char *text) {
    rig_frame(peer, WEBSOCKET_TEXT, bytes_from_string(text));
}

static inline void rig_hangup(uint32_t peer) {
    if (rig.peers[peer].is_open)
        rig_end(peer, STREAM_END_PEER_CLOSED);
}

#define RIG_UPGRADE(target, more)                                                                  \
    "GET " target " HTTP/1.1\r\nHost: localhost:8080\r\nConnection: Upgrade\r\n"                   \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                          \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" more "\r\n"

static inline struct bytes rig_unread(uint32_t index) {
    const struct rig_peer *peer = &rig.peers[index];
    return bytes_of(peer->out + peer->out_read, peer->out_size - peer->out_read);
}

// The HTTP answer, up to its empty line; the rest of an answer with a body as well.
static inline const char *rig_answer(uint32_t index) {
    static char text[1024];
    struct bytes unread = rig_unread(index);
    const uint8_t *end = unread.size ? memmem(unread.data, unread.size, "\r\n\r\n", 4) : NULL;
    size_t size = end ? (size_t)(end - unread.data) + 4 : unread.size;
    if (end && !bytes_starts_with(unread, BYTES_LITERAL("HTTP/1.1 101")))
        size = unread.size;
    ck_assert_uint_lt(size, sizeof(text));
    if (size > 0)
        memcpy(text, unread.data, size);
    text[size] = 0;
    rig.peers[index].out_read += size;
    return text;
}

// The payload of the next frame to this peer, ended by 0; NULL when there is none.
static inline const char *rig_next(uint32_t index, enum websocket_opcode *opcode) {
    static char text[1 << 17];
    struct bytes unread = rig_unread(index);
    if (unread.size == 0)
        return NULL;
    struct websocket_decoder decoder = {0};
    uint8_t control[WIRE_CONTROL_BYTES_MAX];
    const struct websocket_rules rules = {.message_bytes_max = 1 << 30, .is_client = true};
    struct websocket_input input = {(uint8_t *)unread.data, unread.size, control};
    struct websocket_event event;
    ck_assert_int_eq(websocket_decode(&decoder, &rules, &input, &event), WEBSOCKET_OK);
    ck_assert(event.is_frame_last);
    *opcode = event.opcode;
    size_t at = 0;
    if (event.opcode == WEBSOCKET_CLOSE)
        at = (size_t)snprintf(text, sizeof(text), "%u ", event.close_code);
    ck_assert_uint_lt(at + event.payload.size, sizeof(text));
    if (event.payload.size > 0)
        memcpy(text + at, event.payload.data, event.payload.size);
    text[at + event.payload.size] = 0;
    rig.peers[index].out_read = rig.peers[index].out_size - input.size;
    return text;
}

#define RIG_EXPECT_FRAME(peer, expected_opcode, expected)                                          \
    do {                                                                                           \
        enum websocket_opcode rig_opcode = WEBSOCKET_CONTINUATION;                                 \
        const char *rig_text_seen = rig_next(peer, &rig_opcode);                                   \
        ck_assert_pstr_eq(rig_text_seen, expected);                                                \
        ck_assert_int_eq(rig_opcode, expected_opcode);                                             \
    } while (0)

#define RIG_EXPECT(peer, expected) RIG_EXPECT_FRAME(peer, WEBSOCKET_TEXT, expected)

// A close frame "<code> <reason>", and nothing after it.
#define RIG_EXPECT_CLOSE(peer, expected)                                                           \
    do {                                                                                           \
        RIG_EXPECT_FRAME(peer, WEBSOCKET_CLOSE, expected);                                         \
        RIG_EXPECT_NOTHING(peer);                                                                  \
        rig_turn();                                                                                \
        ck_assert(!rig.peers[peer].is_open);                                                       \
    } while (0)

#define RIG_EXPECT_NOTHING(peer) ck_assert_uint_eq(rig_unread(peer).size, 0)

#define RIG_COUNT(id) counter_read(&rig.counters, COUNTER_##id)

// Connected and upgraded as `user`.
static inline uint32_t rig_user(const char *user) {
    char request[512];
    uint32_t peer = rig_connect();
    snprintf(request, sizeof(request),
             "GET /socket/websocket?user=%s&vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\n"
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             user);
    rig_string(peer, request);
    rig_turn();
    ck_assert(strstr(rig_answer(peer), "101 Switching") != NULL);
    return peer;
}

// Every connection hangs up, rooms die, slabs are empty.
static inline void rig_close(void) {
    for (uint32_t i = 0; i < rig.peer_count; i++)
        rig_hangup(i);
    rig_turns(4);
    ck_assert(gateway_is_empty(&rig.gateway));
    ck_assert_uint_eq(RIG_COUNT(CONNECTIONS), 0);
    gateway_fini(&rig.gateway);
    rig.now_ns += 61 * NS_PER_S;
    rig_turns(4);
    chat_fini(&rig.chat);
    if (RIG_HAS_TOPICS)
        topics_fini(&rig.topics);
    blocks_check_empty(&rig.blocks);
    slab_check_empty(&rig.streams.slots);
    blocks_fini(&rig.blocks);
    memory_release_all(&rig.ledger);
    for (uint32_t i = 0; i < RIG_PEERS_MAX; i++) {
        free(rig.peers[i].queued);
        free(rig.peers[i].out);
    }
}

#endif
