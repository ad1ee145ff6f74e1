// MQTT sessions on one core without sockets, rooms or topics: the real scheduler, blocks, sessions
// and directory, and of what stands around them stand-ins that keep a log. Connections are bare
// actors; a "stream" is a list of parcels with the budget of io/stream, which the test takes or
// loses. Header-only: one per test program, which must pull in no conn.o, stream.o or mqtt_conn.o.
#ifndef FAIRLEAD_TESTS_GATEWAY_MQTT_RIG_H
#define FAIRLEAD_TESTS_GATEWAY_MQTT_RIG_H

#include "tests/unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "chat/message.h"
#include "gateway/limits.h"
#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_format.h"
#include "gateway/mqtt_inbox.h"
#include "gateway/mqtt_outbox.h"
#include "gateway/mqtt_routes.h"
#include "gateway/mqtt_session.h"
#include "gateway/mqtt_will.h"
#include "sched/base/clock.h"
#include "topics/topic_message.h"

#define MQTT_RIG_CONNS_MAX 256
#define MQTT_RIG_QUEUE_MAX 4096

struct mqtt_rig_peer {
    uint32_t queue[MQTT_RIG_QUEUE_MAX]; // parcels, a reference each
    uint32_t queue_count;
};

struct mqtt_rig {
    struct memory_ledger ledger;
    struct counters counters;
    struct blocks blocks;
    struct scheduler scheduler;
    struct streams streams;
    struct chat chat; // its configuration alone
    struct gateway gateway;
    struct config config;
    uint64_t now_ns;
    struct mqtt_rig_peer peers[MQTT_RIG_CONNS_MAX];
    bool is_push_without_memory; // stream_push refuses
    bool is_encode_without_memory;
    char log[1 << 16];
    size_t log_size;
};

static struct mqtt_rig rig;

#define RIG_COUNT(id) counter_read(&rig.counters, COUNTER_##id)

__attribute__((format(printf, 1, 2))) static inline void rig_log(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(rig.log + rig.log_size, sizeof(rig.log) - rig.log_size, format, arguments);
    va_end(arguments);
    rig.log_size += (size_t)size;
    ck_assert_uint_lt(rig.log_size, sizeof(rig.log));
}

// What the stand-ins were told since the last look, a line each.
#define RIG_EXPECT_LOG(expected)                                                                   \
    do {                                                                                           \
        rig.log[rig.log_size] = 0;                                                                 \
        ck_assert_str_eq(rig.log, expected);                                                       \
        rig.log_size = 0;                                                                          \
    } while (0)

static inline void rig_log_clear(void) {
    rig.log_size = 0;
}

// --- stand-ins: io/stream ------------------------------------------------------------------------

static struct stream *rig_stream(uint32_t index) {
    return slab_get(&rig.streams.slots, index);
}

static bool rig_is_room(const struct parcel *parcel) {
    return parcel->class == PARCEL_ROOM;
}

enum stream_push_result stream_push(struct streams *streams, struct handle handle, uint32_t id) {
    struct stream *stream = slab_lookup(&streams->slots, handle);
    struct parcel *parcel = parcel_at(&rig.blocks, id);
    uint32_t messages = rig_is_room(parcel) ? parcel->message_count : 0;
    if (!stream) {
        counter_add(&rig.counters, COUNTER_DROPPED_CLOSED, messages);
        return STREAM_PUSH_CLOSING;
    }
    if (rig.is_push_without_memory) {
        counter_add(&rig.counters, COUNTER_DROPPED_MEMORY, messages);
        return STREAM_PUSH_NO_MEMORY;
    }
    struct mqtt_rig_peer *peer = &rig.peers[handle.index];
    if (rig_is_room(parcel)) {
        bool fits = stream->room_bytes == 0 ||
                    stream->room_bytes + parcel->size <= rig.config.out_queue_bytes_max;
        // The module under test has looked before: what has an acknowledgement always fits.
        ck_assert(fits || !parcel->is_moved);
        if (!fits) {
            counter_add(&rig.counters, COUNTER_DROPPED_SLOW, messages);
            return STREAM_PUSH_OK;
        }
        stream->room_bytes += parcel->size;
    } else {
        stream->control_bytes += parcel->size;
    }
    counter_add(&rig.counters, COUNTER_PENDING, messages);
    ck_assert_uint_lt(peer->queue_count, MQTT_RIG_QUEUE_MAX);
    peer->queue[peer->queue_count++] = id;
    parcel_ref(&rig.blocks, id);
    return STREAM_PUSH_OK;
}

bool stream_is_empty(const struct streams *streams, uint32_t index) {
    return rig.peers[index].queue_count == 0;
}

uint32_t stream_room_bytes(const struct streams *streams, uint32_t index) {
    return rig_stream(index)->room_bytes;
}

uint32_t stream_control_bytes(const struct streams *streams, uint32_t index) {
    return rig_stream(index)->control_bytes;
}

// The first parcel of a peer's queue: delivered, or lost with its connection.
static inline void rig_pop(uint32_t peer_index, enum counter to) {
    struct mqtt_rig_peer *peer = &rig.peers[peer_index];
    struct parcel *parcel = parcel_at(&rig.blocks, peer->queue[0]);
    uint32_t messages = rig_is_room(parcel) ? parcel->message_count : 0;
    counter_subtract(&rig.counters, COUNTER_PENDING, messages);
    counter_add(&rig.counters, to, messages);
    if (rig_is_room(parcel))
        rig_stream(peer_index)->room_bytes -= parcel->size;
    else
        rig_stream(peer_index)->control_bytes -= parcel->size;
    parcel_unref(&rig.blocks, peer->queue[0]);
    peer->queue_count--;
    memmove(peer->queue, peer->queue + 1, peer->queue_count * sizeof(peer->queue[0]));
}

// --- stand-ins: connections ----------------------------------------------------------------------

static inline int rig_conn_init(void *context, void *state, uint32_t index, const void *argument) {
    struct conn *conn = state;
    conn->user = TEXT_NONE;
    conn->reader = SLAB_NONE;
    conn->session = SLAB_NONE;
    conn->actor.state_bits = CONN_HANDSHAKE;
    conn_mark(conn, CONN_MQTT);
    uint32_t stream;
    ck_assert_ptr_nonnull(slab_acquire(&rig.streams.slots, &stream));
    conn->stream = stream;
    return 0;
}

static inline void rig_conn_handle(void *context, void *state, uint32_t index,
                                   const struct message *message) {
}

static inline void rig_conn_terminate(void *context, void *state, uint32_t index,
                                      enum exit_reason reason) {
    struct conn *conn = state;
    if (conn->session != SLAB_NONE)
        mqtt_session_on_conn_end(&rig.gateway, conn->session, MQTT_UNSPECIFIED_ERROR);
    while (rig.peers[conn->stream].queue_count > 0)
        rig_pop(conn->stream, COUNTER_DROPPED_CLOSED);
    if (conn->user != TEXT_NONE)
        text_release(&rig.gateway.users, conn->user);
    slab_release(&rig.streams.slots, conn->stream);
}

static const struct behaviour rig_conns = {.name = "connections",
                                           .kind = KIND_CONNECTION,
                                           .version = 1,
                                           .mailbox_max = 16,
                                           .slot_size = sizeof(struct conn),
                                           .init = rig_conn_init,
                                           .handle = rig_conn_handle,
                                           .terminate = rig_conn_terminate};

static inline uint32_t rig_connect(void) {
    uint64_t pid = scheduler_spawn(&rig.scheduler, KIND_CONNECTION, NULL);
    ck_assert(pid != PID_NONE);
    return pid_slot(pid).index;
}

// The connection is lost.
static inline void rig_cut(uint32_t conn) {
    scheduler_exit(&rig.scheduler, KIND_CONNECTION, conn, EXIT_PEER);
}

void mqtt_conn_close(struct gateway *gateway, uint32_t index, enum mqtt_reason reason,
                     const char *cause, enum counter counter) {
    struct conn *conn = conn_at(gateway, index);
    ck_assert(conn->session != SLAB_NONE); // its version is the session's
    rig_log("close %u %02x\n", index, reason);
    counter_add(&rig.counters, counter, 1);
    mqtt_session_on_conn_end(gateway, conn->session, reason);
    ck_assert_uint_eq(conn->session, SLAB_NONE);
    rig_cut(index);
}

void mqtt_conn_send(struct gateway *gateway, uint32_t index, struct bytes packet) {
    const struct conn *conn = conn_at(gateway, index);
    uint32_t parcel = parcel_acquire(&rig.blocks, packet.size, PARCEL_CONTROL);
    ck_assert(parcel != BLOCK_NONE);
    memcpy(parcel_at(&rig.blocks, parcel)->data, packet.data, packet.size);
    (void)stream_push(&rig.streams, stream_handle(&rig.streams, conn->stream), parcel);
    parcel_unref(&rig.blocks, parcel);
}

// --- stand-ins: routes ---------------------------------------------------------------------------

void mqtt_routes_publish_message(struct gateway *gateway, const struct topic_message *message) {
    rig_log("publish %.*s %.*s qos %u retain %u expires %llu\n", (int)message->topic.size,
            message->topic.data, (int)message->body.size, message->body.data, message->qos,
            message->is_retained, message->expires_ns / NS_PER_S);
    for (size_t i = 0; i < message->properties.size; i++)
        rig_log("%02x%s", message->properties.data[i],
                i + 1 < message->properties.size ? "" : "\n");
}

void mqtt_routes_readdress(struct gateway *gateway, uint32_t session) {
    rig_log("readdress %u\n", session);
}

void mqtt_routes_leave_all(struct gateway *gateway, uint32_t session) {
    rig_log("leave %u\n", session);
}

void mqtt_routes_on_offline(struct gateway *gateway, uint32_t session) {
    ck_assert_uint_eq(mqtt_session_at(gateway, session)->conn, SLAB_NONE);
}

// --- the rig -------------------------------------------------------------------------------------

static inline void rig_open_with(uint32_t sessions_max, size_t blocks_bytes) {
    memset(&rig, 0, sizeof(rig));
    rig.now_ns = 1000 * NS_PER_S;
    rig.config = (struct config){.out_queue_bytes_max = 64 * 1024,
                                 .message_bytes_max = 64 * 1024,
                                 .mqtt_receive_max = 1000,
                                 .mqtt_inflight_max = 64,
                                 .mqtt_session_queue_max = 1000,
                                 .mqtt_session_queue_bytes_max = 1 << 20,
                                 .mqtt_session_expiry_max_s = 86400,
                                 .mqtt_topic_alias_max = 16};
    ck_assert_int_eq(blocks_init(&rig.blocks, &rig.ledger, blocks_bytes), 0);
    const struct scheduler_config scheduler = {.message_cells_max = 1024};
    ck_assert_int_eq(scheduler_init(&rig.scheduler, &scheduler, NULL, &rig.ledger, &rig.blocks,
                                    &rig.counters, rig.now_ns),
                     0);
    rig.scheduler.now_ns = rig.now_ns;
    ck_assert_int_eq(slab_init(&rig.streams.slots, &rig.ledger, "streams", sizeof(struct stream),
                               MQTT_RIG_CONNS_MAX),
                     0);
    rig.chat.config = (struct chat_config){.core_count = 1, .seed = 11};
    rig.gateway = (struct gateway){.parts = {.scheduler = &rig.scheduler,
                                             .streams = &rig.streams,
                                             .chat = &rig.chat,
                                             .blocks = &rig.blocks,
                                             .counters = &rig.counters,
                                             .ledger = &rig.ledger,
                                             .config = &rig.config,
                                             .connections_max = MQTT_RIG_CONNS_MAX,
                                             .control_bytes_max = LIMITS_CONTROL_BYTES,
                                             .mqtt_sessions_max = sessions_max,
                                             .rng_seed = 7},
                                   .rng = {7}};
    ck_assert_int_eq(texts_init(&rig.gateway.users, &rig.ledger, MQTT_RIG_CONNS_MAX), 0);
    ck_assert_int_eq(
        scheduler_register(&rig.scheduler, &rig_conns, &rig.gateway, MQTT_RIG_CONNS_MAX), 0);
    ck_assert_int_eq(mqtt_session_open(&rig.gateway), 0);
}

static inline void rig_open(void) {
    rig_open_with(64, 64 << 20);
}

// Whoever is left ends; nothing may stay.
static inline void rig_close(void) {
    const uint8_t kinds[] = {KIND_CONNECTION, KIND_MQTT_SESSION};
    for (uint32_t k = 0; k < 2; k++) {
        const struct slab *slab = &rig.scheduler.kinds[kinds[k]].slab;
        for (uint32_t i = 0; i < slab->touched_count; i++)
            if (slab_is_used(slab, i))
                scheduler_exit(&rig.scheduler, kinds[k], i, EXIT_SHUTDOWN);
    }
    (void)scheduler_turn(&rig.scheduler, rig.now_ns);
    mqtt_session_close(&rig.gateway);
    ck_assert_uint_eq(RIG_COUNT(MQTT_SESSIONS_ONLINE), 0);
    ck_assert_uint_eq(RIG_COUNT(MQTT_SESSIONS_OFFLINE), 0);
    ck_assert_uint_eq(RIG_COUNT(GATHERED), 0);
    ck_assert_uint_eq(RIG_COUNT(PENDING), 0);
    blocks_check_empty(&rig.blocks);
    blocks_fini(&rig.blocks);
    memory_release_all(&rig.ledger);
}

static inline void rig_turn(void) {
    (void)scheduler_turn(&rig.scheduler, rig.now_ns);
    scheduler_validate(&rig.scheduler);
}

static inline void rig_wait_ms(uint64_t ms) {
    uint64_t end_ns = rig.now_ns + ms * NS_PER_MS;
    while (rig.now_ns < end_ns) {
        uint64_t step_ns = end_ns - rig.now_ns;
        rig.now_ns += step_ns < 500 * NS_PER_MS ? step_ns : 500 * NS_PER_MS;
        rig_turn();
    }
}

// --- CONNECT -------------------------------------------------------------------------------------

struct rig_connect {
    const char *id;
    bool is_clean;
    bool is_3; // 3.1.1
    bool is_ws;
    uint32_t expiry_s;
    const char *will; // its body, on topic "will"
    uint32_t will_delay_s;
    uint32_t will_expiry_s;
    bool will_is_retained;
    uint16_t receive_max;
    uint32_t packet_bytes_max;
    uint16_t alias_max;
};

static enum mqtt_reason rig_reason;
static bool rig_is_present;

// A CONNECT on `conn`: the session, or SLAB_NONE with rig_reason.
static inline uint32_t rig_start_on(uint32_t conn, const struct rig_connect *how) {
    struct mqtt_connect connect = {.version = how->is_3 ? MQTT_3_1_1 : MQTT_5,
                                   .is_clean = how->is_clean,
                                   .client_id = bytes_from_string(how->id),
                                   .has_will = how->will != NULL};
    if (how->will) {
        connect.will = (struct mqtt_will){.topic = BYTES_LITERAL("will"),
                                          .payload = bytes_from_string(how->will),
                                          .qos = 1,
                                          .is_retained = how->will_is_retained};
        if (how->will_delay_s)
            MQTT_PROPERTIES_SET(&connect.will.properties, will_delay_s, how->will_delay_s);
        if (how->will_expiry_s)
            MQTT_PROPERTIES_SET(&connect.will.properties, message_expiry_s, how->will_expiry_s);
    }
    if (how->receive_max)
        MQTT_PROPERTIES_SET(&connect.properties, receive_max, how->receive_max);
    if (how->packet_bytes_max)
        MQTT_PROPERTIES_SET(&connect.properties, packet_bytes_max, how->packet_bytes_max);
    if (how->alias_max)
        MQTT_PROPERTIES_SET(&connect.properties, topic_alias_max, how->alias_max);
    const struct mqtt_session_start start = {
        .conn = conn, .connect = &connect, .expiry_s = how->expiry_s, .is_ws = how->is_ws};
    uint32_t session = mqtt_session_start(&rig.gateway, &start, &rig_is_present, &rig_reason);
    if (session != SLAB_NONE)
        mqtt_session_resume(&rig.gateway, session);
    else
        rig_cut(conn);
    return session;
}

static inline uint32_t rig_start(const struct rig_connect *how) {
    return rig_start_on(rig_connect(), how);
}

#define RIG_START(...) rig_start(&(struct rig_connect){__VA_ARGS__})

static inline struct mqtt_session *rig_session(uint32_t index) {
    return mqtt_session_at(&rig.gateway, index);
}

#endif
