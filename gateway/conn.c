// A connection's life; the diagram of states stands in conn.h, the transitions that are legal in
// `transitions`, who performs them:
//
//   spawned in handshake or over limit   stream_port_open
//   handshake → open, echo               endpoint.c, through conn_become
//   handshake → open (MQTT)              conn_opened_mqtt
//   open, echo → closing                 conn_close: faults (frames.c, session.c), timers, doom
//   handshake, over limit → closing      conn_finish: refusals (refusal.c), timers
//   spawned in arriving                  conn_arrive
//   arriving → open, echo, handshake     conn_arrival.c
//   any → gone                           stream_port_end, or a kill: then the stream is cut too
//
// The one timer is armed as long as the actor lives and never moved by traffic: when it fires it
// looks what is due (on_timer) and is armed for the next thing.
#include "gateway/conn.h"

#include <errno.h>

#include "gateway/conn_arrival.h"
#include "gateway/endpoint.h"
#include "gateway/frame_out.h"
#include "gateway/frames.h"
#include "gateway/limits.h"
#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_session.h"
#include "gateway/reader.h"
#include "gateway/refusal.h"
#include "gateway/session.h"
#include "sched/base/clock.h"

// Bit per state that may follow.
static const uint8_t transitions[] = {
    [CONN_HANDSHAKE] = 1u << CONN_OPEN | 1u << CONN_ECHO | 1u << CONN_CLOSING,
    [CONN_OPEN] = 1u << CONN_CLOSING,
    [CONN_ECHO] = 1u << CONN_CLOSING,
    [CONN_CLOSING] = 0,
    [CONN_OVER_LIMIT] = 1u << CONN_CLOSING,
    [CONN_ARRIVING] = 1u << CONN_OPEN | 1u << CONN_ECHO | 1u << CONN_HANDSHAKE,
};

void conn_become(struct conn *conn, enum conn_state state) {
    CHECKF(transitions[conn_state(conn)] >> state & 1, "connection: %d → %d", conn_state(conn),
           state);
    conn->actor.state_bits = ((conn->actor.state_bits & ~CONN_STATE_BITS) | state) & 0xfffu;
}

static uint32_t now_s(const struct gateway *gateway) {
    return (uint32_t)(gateway_now_ns(gateway) / NS_PER_S);
}

static struct handle stream_of(const struct gateway *gateway, const struct conn *conn) {
    return stream_handle(gateway->parts.streams, conn->stream);
}

static void arm(struct gateway *gateway, uint32_t index, uint64_t deadline_ns) {
    scheduler_arm(gateway->parts.scheduler, KIND_CONNECTION, index, deadline_ns);
}

static uint64_t second_ns(uint64_t second) {
    return (second + LIMITS_TIMER_SLACK_S) * NS_PER_S;
}

// --- what a connection does to its stream --------------------------------------------------------

void conn_push(struct gateway *gateway, uint32_t index, uint32_t parcel) {
    if (UNLIKELY(parcel == BLOCK_NONE)) {
        conn_doom(gateway, index, true);
        return;
    }
    const struct gateway_parts *parts = &gateway->parts;
    const struct conn *conn = conn_at(gateway, index);
    uint32_t bytes = parcel_at(parts->blocks, parcel)->size;
    enum stream_push_result result = STREAM_PUSH_OVER_CONTROL;
    if (LIKELY(stream_control_bytes(parts->streams, conn->stream) + bytes <=
                   parts->control_bytes_max - LIMITS_CLOSE_BYTES ||
               stream_is_empty(parts->streams, conn->stream)))
        result = stream_push(parts->streams, stream_of(gateway, conn), parcel);
    parcel_unref(parts->blocks, parcel);
    if (LIKELY(result == STREAM_PUSH_OK))
        gateway_count(gateway, COUNTER_FRAMES_OUT);
    else if (result != STREAM_PUSH_CLOSING)
        conn_doom(gateway, index, result == STREAM_PUSH_NO_MEMORY);
}

static void say_farewell(struct gateway *gateway, uint32_t index,
                         const struct conn_farewell *farewell) {
    const struct conn *conn = conn_at(gateway, index);
    gateway_record(gateway, index, RECORDER_CLOSE_SENT, farewell->code);
    if (conn->members != SLAB_NONE)
        stream_seal(gateway->parts.streams, conn->stream);
    session_leave_all(gateway, index);
    uint8_t frame[WEBSOCKET_CLOSE_BYTES_MAX];
    struct writer w = writer_on(frame, sizeof(frame));
    websocket_encode_close(&w, farewell->code, farewell->reason);
    uint32_t parcel = frame_out_raw(gateway->parts.blocks, writer_bytes(&w));
    struct handle stream = stream_of(gateway, conn);
    if (parcel != BLOCK_NONE) {
        // When even this finds no place the peer sees the connection end without a frame.
        (void)stream_push(gateway->parts.streams, stream, parcel);
        parcel_unref(gateway->parts.blocks, parcel);
    }
}

void conn_close(struct gateway *gateway, uint32_t index, const struct conn_farewell *farewell) {
    struct conn *conn = conn_at(gateway, index);
    bool was_open = conn_state(conn) == CONN_OPEN;
    if (conn_state(conn) == CONN_CLOSING)
        return;
    conn_become(conn, CONN_CLOSING);
    if (UNLIKELY(conn_has(conn, CONN_MOVING)))
        conn_move_gone(gateway, index);
    gateway_count(gateway, farewell->counter);
    if (conn_has(conn, CONN_MQTT))
        mqtt_conn_say_farewell(gateway, index, was_open, farewell);
    else
        say_farewell(gateway, index, farewell);
    stream_close(gateway->parts.streams, stream_of(gateway, conn), STREAM_CLOSE_FLUSH);
}

void conn_finish(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    if (conn_state(conn) == CONN_CLOSING)
        return;
    conn_become(conn, CONN_CLOSING);
    if (UNLIKELY(conn_has(conn, CONN_MOVING))) // MQTT, on the way to its home
        conn_move_gone(gateway, index);
    stream_close(gateway->parts.streams, stream_of(gateway, conn), STREAM_CLOSE_FLUSH);
}

void conn_doom(struct gateway *gateway, uint32_t index, bool is_memory) {
    struct conn *conn = conn_at(gateway, index);
    if (conn_state(conn) == CONN_CLOSING || conn_has(conn, CONN_DOOMED))
        return;
    gateway_record(gateway, index, RECORDER_DOOMED, is_memory);
    conn_mark(conn, CONN_DOOMED | (is_memory ? CONN_DOOM_MEMORY : 0));
    scheduler_continue(gateway->parts.scheduler, KIND_CONNECTION, index);
}

// MQTT, before its CONNECT was accepted.
static bool is_greeting(const struct conn *conn) {
    return conn_has(conn, CONN_MQTT) && conn_state(conn) == CONN_HANDSHAKE &&
           !conn_has(conn, CONN_DOOMED);
}

static void resume_unless_paused(struct gateway *gateway, const struct conn *conn) {
    if (!conn_has(conn, CONN_PAUSED_QUEUE | CONN_PAUSED_BUSY) && conn_state(conn) != CONN_CLOSING)
        stream_resume_reading(gateway->parts.streams, conn->stream);
}

void conn_pause_if_full(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    struct streams *streams = gateway->parts.streams;
    if (LIKELY(stream_control_bytes(streams, conn->stream) <=
               gateway->parts.control_bytes_max / 2) ||
        conn_state(conn) == CONN_CLOSING)
        return;
    if (!conn_has(conn, CONN_PAUSED_QUEUE))
        gateway_record(gateway, index, RECORDER_PAUSED, 0);
    conn_mark(conn, CONN_PAUSED_QUEUE);
    stream_pause_reading(streams, conn->stream);
}

void conn_pause_busy(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    if ((!conn_is_live(conn) && !is_greeting(conn)) || conn_has(conn, CONN_PAUSED_BUSY))
        return;
    conn_mark(conn, CONN_PAUSED_BUSY);
    stream_pause_reading(gateway->parts.streams, conn->stream);
    arm(gateway, index, gateway_now_ns(gateway) + LIMITS_BUSY_PAUSE_MS * NS_PER_MS);
}

void conn_look_again(struct gateway *gateway, uint32_t index) {
    if (conn_has(conn_at(gateway, index), CONN_PAUSED_BUSY))
        scheduler_continue(gateway->parts.scheduler, KIND_CONNECTION, index);
}

void conn_mark_stale(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    bool is_arriving = conn_state(conn) == CONN_ARRIVING;
    if ((!conn_is_live(conn) && !is_arriving) || conn_has(conn, CONN_STALE))
        return;
    conn_mark(conn, CONN_STALE);
    gateway_record_change(gateway, index, RECORDER_PRESENCE_MISSED, 0);
    // Busy: its timer is due sooner, and armed again after. Arriving: armed when it has landed.
    if (!conn_has(conn, CONN_PAUSED_BUSY) && !is_arriving)
        arm(gateway, index, gateway_now_ns(gateway) + LIMITS_STALE_RETRY_MS * NS_PER_MS);
}

void conn_drain_at(struct gateway *gateway, uint32_t index, uint64_t at_ns) {
    if (conn_state(conn_at(gateway, index)) != CONN_CLOSING)
        arm(gateway, index, at_ns);
}

void conn_upgraded(struct gateway *gateway, uint32_t index, enum conn_state state) {
    const struct config *config = gateway->parts.config;
    struct conn *conn = conn_at(gateway, index);
    conn_become(conn, state);
    conn->heard_s = now_s(gateway);
    gateway_count(gateway, COUNTER_UPGRADES);
    if (state == CONN_OPEN)
        gateway_note_traffic(gateway, TRAFFIC_connects);
    gateway_record(gateway, index, RECORDER_UPGRADED, state == CONN_ECHO);
    if (state == CONN_ECHO) // its queue grows by all that is read
        stream_read_singly(gateway->parts.streams, conn->stream);
    // Usually the handshake's timer fires first, and is then armed for the silence.
    if (config->idle_timeout_s < config->handshake_timeout_s)
        arm(gateway, index, second_ns((uint64_t)conn->heard_s + config->idle_timeout_s));
}

void conn_upgraded_mqtt(struct gateway *gateway, uint32_t index) {
    conn_mark(conn_at(gateway, index), CONN_MQTT | CONN_MQTT_WS);
    gateway_count(gateway, COUNTER_UPGRADES);
    gateway_record(gateway, index, RECORDER_UPGRADED, 2);
}

void conn_opened_mqtt(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    conn_become(conn, CONN_OPEN);
    conn->heard_s = now_s(gateway);
    gateway_note_traffic(gateway, TRAFFIC_connects);
    gateway_record(gateway, index, RECORDER_MQTT_OPENED, conn_has(conn, CONN_MQTT_WS));
    uint64_t silent_at_ns = mqtt_conn_silent_at_ns(gateway, index);
    if (silent_at_ns < UINT64_MAX) // else the handshake's timer fires, and is armed for nothing
        arm(gateway, index, silent_at_ns);
}

// --- the actor -----------------------------------------------------------------------------------

struct conn_birth {
    uint32_t stream;
    uint32_t marks; // CONN_TRUSTED, CONN_MQTT, CONN_MQTT_WS
    bool is_over_limit;
    bool is_arriving;
    bool has_ip;
    uint8_t ip[16];
};

static int conn_init(void *context, void *state, uint32_t index, const void *argument) {
    struct gateway *gateway = context;
    struct conn *conn = state;
    const struct conn_birth *birth = argument;
    conn->stream = birth->stream;
    conn->user = TEXT_NONE;
    conn->members = SLAB_NONE;
    conn->reader = SLAB_NONE;
    conn->heard_s = now_s(gateway);
    conn->actor.state_bits = birth->is_arriving     ? CONN_ARRIVING
                             : birth->is_over_limit ? CONN_OVER_LIMIT
                                                    : CONN_HANDSHAKE;
    conn_mark(conn, birth->marks);
    gateway_count(gateway, COUNTER_CONNECTIONS);
    addresses_set(&gateway->addresses, index, birth->has_ip ? birth->ip : NULL);
    if (birth->is_arriving)
        return 0;
    uint32_t timeout_s = birth->is_over_limit ? LIMITS_OVER_LIMIT_TIMEOUT_S
                                              : gateway->parts.config->handshake_timeout_s;
    arm(gateway, index, second_ns((uint64_t)conn->heard_s + timeout_s));
    gateway_record(gateway, index, RECORDER_ACCEPTED, birth->is_over_limit);
    return 0;
}

uint32_t conn_arrive(struct gateway *gateway, const struct conn_newcomer *newcomer) {
    struct conn_birth birth = {.stream = newcomer->stream,
                               .is_arriving = true,
                               .marks = newcomer->marks,
                               .has_ip = newcomer->ip != NULL};
    if (newcomer->ip)
        memcpy(birth.ip, newcomer->ip, sizeof(birth.ip));
    uint64_t pid = scheduler_spawn(gateway->parts.scheduler, KIND_CONNECTION, &birth);
    if (pid == PID_NONE)
        return SLAB_NONE;
    uint32_t index = pid_slot(pid).index;
    if (newcomer->has_user) {
        struct conn *conn = conn_at(gateway, index);
        conn->user = text_acquire(&gateway->users, newcomer->user);
        CHECK(conn->user != TEXT_NONE); // there is one for every connection
    }
    stream_set_owner(gateway->parts.streams, newcomer->stream, index);
    return index;
}

void conn_landed(struct gateway *gateway, uint32_t index) {
    const struct conn *conn = conn_at(gateway, index);
    uint64_t now_ns = gateway_now_ns(gateway);
    const struct config *config = gateway->parts.config;
    uint32_t timeout_s =
        conn_state(conn) == CONN_HANDSHAKE ? config->handshake_timeout_s : config->idle_timeout_s;
    uint64_t at_ns = second_ns((uint64_t)conn->heard_s + timeout_s);
    if (conn_has(conn, CONN_STALE) && now_ns + LIMITS_STALE_RETRY_MS * NS_PER_MS < at_ns)
        at_ns = now_ns + LIMITS_STALE_RETRY_MS * NS_PER_MS;
    if (conn_has(conn, CONN_PAUSED_BUSY))
        at_ns = now_ns + LIMITS_BUSY_PAUSE_MS * NS_PER_MS;
    arm(gateway, index, gateway->drain_begin_ns ? now_ns : at_ns); // the drain may have passed it
    if (conn_has(conn, CONN_DOOMED))
        scheduler_continue(gateway->parts.scheduler, KIND_CONNECTION, index);
}

static void on_drained(struct gateway *gateway, uint32_t index) {
    enum conn_state state = conn_state(conn_at(gateway, index));
    gateway_record(gateway, index, RECORDER_DRAINED, 0);
    if (state == CONN_OPEN || state == CONN_ECHO) {
        conn_close(gateway, index,
                   &(struct conn_farewell){.code = WEBSOCKET_CLOSE_SERVICE_RESTART,
                                           .mqtt = MQTT_SERVER_SHUTTING_DOWN,
                                           .reason = BYTES_LITERAL("server restarts"),
                                           .counter = COUNTER_CLOSED_DRAIN});
        return;
    }
    gateway_count(gateway, COUNTER_CLOSED_DRAIN);
    conn_finish(gateway, index);
}

static const struct conn_farewell over_budget = {.code = WEBSOCKET_CLOSE_POLICY,
                                                 .mqtt = MQTT_QUOTA_EXCEEDED,
                                                 .reason = BYTES_LITERAL("reads too slowly"),
                                                 .counter = COUNTER_CLOSED_POLICY};

// A membership whose presence did not fit is told as soon as nothing waits for the peer. Whether
// one does is chat's knowledge (it may have been short of memory too), so all are asked.
static void try_stale(struct gateway *gateway, struct conn *conn) {
    if (!stream_is_empty(gateway->parts.streams, conn->stream))
        return;
    conn_unmark(conn, CONN_STALE);
    struct chat *chat = gateway->parts.chat;
    for (uint32_t at = conn->members; at != SLAB_NONE; at = chat_member(chat, at)->next)
        chat_member_writable(chat, at);
}

static void on_live_timer(struct gateway *gateway, uint32_t index, struct conn *conn) {
    if (conn_has(conn, CONN_PAUSED_BUSY)) {
        conn_unmark(conn, CONN_PAUSED_BUSY);
        resume_unless_paused(gateway, conn);
    }
    try_stale(gateway, conn);
    uint64_t idle_at_ns =
        second_ns((uint64_t)conn->heard_s + gateway->parts.config->idle_timeout_s);
    if (gateway_now_ns(gateway) >= idle_at_ns) {
        gateway_record(gateway, index, RECORDER_SILENT,
                       recorder_clamp(now_s(gateway) - conn->heard_s));
        // Nothing was heard because nothing was read: that is not idleness.
        const struct conn_farewell idle = {.code = WEBSOCKET_CLOSE_GOING_AWAY,
                                           .reason = BYTES_LITERAL("idle"),
                                           .counter = COUNTER_CLOSED_IDLE};
        conn_close(gateway, index, conn_has(conn, CONN_PAUSED_QUEUE) ? &over_budget : &idle);
        return;
    }
    uint64_t retry_at_ns = gateway_now_ns(gateway) + LIMITS_STALE_RETRY_MS * NS_PER_MS;
    bool retries = conn_has(conn, CONN_STALE) && retry_at_ns < idle_at_ns;
    arm(gateway, index, retries ? retry_at_ns : idle_at_ns);
}

static void on_mqtt_timer(struct gateway *gateway, uint32_t index, struct conn *conn) {
    if (conn_has(conn, CONN_PAUSED_BUSY)) {
        conn_unmark(conn, CONN_PAUSED_BUSY);
        conn->heard_s = now_s(gateway); // a packet of its waits
        mqtt_conn_resume(gateway, index);
        resume_unless_paused(gateway, conn);
    }
    uint64_t at_ns = conn_state(conn) == CONN_OPEN && !conn_has(conn, CONN_DOOMED)
                         ? mqtt_conn_on_timer(gateway, index)
                         : 0;
    if (conn_state(conn) == CONN_OPEN)
        arm(gateway, index, at_ns);
}

// True when its time is not over: it waited to be moved to its home, or to be looked at again.
static bool on_greeting_timer(struct gateway *gateway, uint32_t index, struct conn *conn) {
    uint64_t at_ns =
        second_ns((uint64_t)conn->heard_s + gateway->parts.config->handshake_timeout_s);
    if (!is_greeting(conn) || gateway_now_ns(gateway) >= at_ns)
        return false;
    bool was_busy = conn_has(conn, CONN_PAUSED_BUSY);
    conn_unmark(conn, CONN_PAUSED_BUSY);
    if (was_busy)
        mqtt_conn_resume(gateway, index);
    resume_unless_paused(gateway, conn);
    if (is_greeting(conn) && !conn_has(conn, CONN_PAUSED_BUSY))
        arm(gateway, index, at_ns);
    return true;
}

static void on_timer(struct gateway *gateway, uint32_t index, struct conn *conn) {
    enum conn_state state = conn_state(conn);
    if (state == CONN_CLOSING || state == CONN_ARRIVING) // the stream's linger, the move ends it
        return;
    if (gateway->drain_begin_ns) {
        on_drained(gateway, index);
    } else if (state == CONN_OPEN && conn_has(conn, CONN_MQTT)) {
        on_mqtt_timer(gateway, index, conn);
    } else if (state == CONN_OPEN || state == CONN_ECHO) {
        on_live_timer(gateway, index, conn);
    } else if (!on_greeting_timer(gateway, index, conn)) {
        gateway_count(gateway,
                      state == CONN_OVER_LIMIT ? COUNTER_REFUSED_FULL : COUNTER_CLOSED_HANDSHAKE);
        gateway_record(gateway, index, RECORDER_HANDSHAKE_TIMEOUT,
                       recorder_clamp(now_s(gateway) - conn->heard_s));
        conn_finish(gateway, index);
    }
}

static void on_doomed(struct gateway *gateway, uint32_t index, const struct conn *conn) {
    if (!conn_has(conn, CONN_DOOMED) || conn_state(conn) == CONN_ARRIVING) // conn_landed asks again
        return;
    bool is_memory = conn_has(conn, CONN_DOOM_MEMORY);
    enum conn_state state = conn_state(conn);
    if (state != CONN_OPEN && state != CONN_ECHO) {
        conn_finish(gateway, index);
        return;
    }
    const struct conn_farewell out_of_memory = {.code = WEBSOCKET_CLOSE_TRY_AGAIN_LATER,
                                                .mqtt = MQTT_QUOTA_EXCEEDED,
                                                .reason = BYTES_LITERAL("out of memory"),
                                                .counter = COUNTER_CLOSED_MEMORY};
    conn_close(gateway, index, is_memory ? &out_of_memory : &over_budget);
}

static void conn_handle(void *context, void *state, uint32_t index, const struct message *message) {
    struct gateway *gateway = context;
    struct conn *conn = state;
    if (message->type == MESSAGE_TIMER)
        on_timer(gateway, index, conn);
    else if (message->type == MESSAGE_CONTINUE && conn_has(conn, CONN_DOOMED))
        on_doomed(gateway, index, conn);
    else if (message->type == MESSAGE_CONTINUE && conn_has(conn, CONN_MQTT) &&
             conn_has(conn, CONN_PAUSED_BUSY) && conn_state(conn) == CONN_OPEN)
        on_mqtt_timer(gateway, index, conn);
}

// Not of one that lives on, on another core; nor of a peer that came and went without a word: a
// probe every second would push out the others.
static void describe(struct gateway *gateway, uint32_t index, const struct conn *conn,
                     enum exit_reason reason) {
    struct scheduler *scheduler = gateway->parts.scheduler;
    uint8_t ip[16];
    struct recorder_subject subject = {0};
    if (conn_state(conn) == CONN_HANDSHAKE && conn->reader == SLAB_NONE && reason == EXIT_PEER)
        return;
    if (reason == EXIT_MOVED || conn_state(conn) == CONN_ARRIVING)
        return;
    if (conn->user != TEXT_NONE)
        subject.name = text_bytes(&gateway->users, conn->user);
    if (addresses_lookup(&gateway->addresses, index, ip))
        subject.address = ip;
    recorder_describe(&scheduler->recorder, scheduler_pid(scheduler, KIND_CONNECTION, index),
                      &subject);
}

static void conn_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    struct gateway *gateway = context;
    struct conn *conn = state;
    bool is_mqtt = conn_has(conn, CONN_MQTT);
    bool is_told = is_mqtt && conn->stream != SLAB_NONE && reason == EXIT_KILLED &&
                   conn_state(conn) == CONN_OPEN;
    if (is_told)
        mqtt_conn_close(gateway, index, MQTT_ADMINISTRATIVE_ACTION, "ended by an operator",
                        COUNTER_CLOSED_KILLED);
    if (conn->stream != SLAB_NONE) { // it did not end with its stream: the stream ends with it
        struct streams *streams = gateway->parts.streams;
        stream_set_owner(streams, conn->stream, STREAM_NO_OWNER);
        if (!is_told)
            stream_close(streams, stream_of(gateway, conn), STREAM_CLOSE_ABORT);
    }
    if (is_mqtt && conn->session != SLAB_NONE) {
        uint32_t session = conn->session;
        conn->session = SLAB_NONE;
        mqtt_session_on_conn_end(gateway, session, MQTT_UNSPECIFIED_ERROR);
    } else if (!is_mqtt) {
        session_leave_all(gateway, index);
    }
    // A user has who was upgraded; who moves goes on elsewhere.
    if (conn->user != TEXT_NONE && reason != EXIT_MOVED && conn_state(conn) != CONN_ARRIVING)
        gateway_note_traffic(gateway, TRAFFIC_disconnects);
    if (UNLIKELY(conn_has(conn, CONN_MOVING)))
        conn_move_gone(gateway, index);
    else if (UNLIKELY(conn_state(conn) == CONN_ARRIVING))
        conn_arrival_lost(gateway, index);
    describe(gateway, index, conn, reason);
    reader_release(gateway, conn);
    if (conn->user != TEXT_NONE)
        text_release(&gateway->users, conn->user);
    if (reason == EXIT_PEER && conn_state(conn) != CONN_CLOSING)
        gateway_count(gateway, COUNTER_CLOSED_PEER);
    counter_subtract(gateway->parts.counters, COUNTER_CONNECTIONS, 1);
}

const struct behaviour conn_behaviour = {
    .name = "connections",
    .kind = KIND_CONNECTION,
    .version = 1,
    .mailbox_max = 16, // nobody sends to connections; timers and continuations take no mail
    .slot_size = sizeof(struct conn),
    .timer_offset = offsetof(struct conn, timer),
    .timer_tick_ns = LIMITS_TIMER_TICK_MS * NS_PER_MS,
    .init = conn_init,
    .handle = conn_handle,
    .terminate = conn_terminate,
};

// --- what the stream calls upward ----------------------------------------------------------------

// The kernel spreads connections unevenly, so that a core may hold more than its share: what
// counts is the sum. Cores that accept at the same moment may each see the last place, so that one
// connection more per further core can get in.
static bool is_process_full(const struct gateway *gateway) {
    const struct gateway_parts *parts = &gateway->parts;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < parts->core_count; i++)
        sum += counter_read(parts->core_counters[i], COUNTER_CONNECTIONS);
    return parts->core_count > 0 && sum >= parts->connections_total_max;
}

void stream_port_open(void *port, uint32_t index, const struct stream_opening *opening) {
    struct gateway *gateway = port;
    if (UNLIKELY(opening->by == STREAM_ARRIVED)) {
        conn_arrival_on_stream(gateway, index, opening->tag);
        return;
    }
    struct conn_birth birth = {
        .stream = index,
        .is_over_limit = opening->by == STREAM_ACCEPTED_OVER_LIMIT ||
                         gateway->drain_begin_ns != 0 || is_process_full(gateway),
    };
    birth.has_ip = addresses_of_peer(opening->peer, birth.ip);
    const struct config *config = gateway->parts.config;
    if (birth.has_ip && config_is_trusted_proxy(config, birth.ip))
        birth.marks |= CONN_TRUSTED;
    if (config->listen_mqtt_count > 0 && opening->acceptor >= config->listen_count)
        birth.marks |= CONN_MQTT; // the acceptors of --listen come first (core.c)
    uint64_t pid = scheduler_spawn(gateway->parts.scheduler, KIND_CONNECTION, &birth);
    if (pid == PID_NONE) {
        gateway_count(gateway, COUNTER_REFUSED_FULL);
        stream_close(gateway->parts.streams, stream_handle(gateway->parts.streams, index),
                     STREAM_CLOSE_ABORT);
        return;
    }
    stream_set_owner(gateway->parts.streams, index, pid_slot(pid).index);
}

static void on_data(struct gateway *gateway, uint32_t owner, struct conn *conn, uint8_t *data,
                    size_t size) {
    if (conn_has(conn, CONN_DOOMED))
        return;
    if (conn_has(conn, CONN_MQTT)) { // closing or arriving: it does not look
        mqtt_conn_on_data(gateway, owner, data, size);
        return;
    }
    switch (conn_state(conn)) {
    case CONN_OPEN:
    case CONN_ECHO:
        conn->heard_s = now_s(gateway);
        frames_on_data(gateway, owner, data, size);
        return;
    case CONN_HANDSHAKE:
        endpoint_on_data(gateway, owner, data, size);
        return;
    case CONN_OVER_LIMIT:
        endpoint_on_data_over_limit(gateway, owner, data, size);
        return;
    case CONN_CLOSING:
    case CONN_ARRIVING:
        return;
    }
    UNREACHABLE();
}

COLD static void on_traced_data(struct gateway *gateway, uint32_t owner, struct conn *conn,
                                uint8_t *data, size_t size) {
    struct scheduler *scheduler = gateway->parts.scheduler;
    uint64_t pid = scheduler_pid(scheduler, KIND_CONNECTION, owner);
    uint64_t before = trace_on_in(scheduler, pid);
    trace_on_bytes(scheduler, pid, size);
    on_data(gateway, owner, conn, data, size);
    trace_on_out(scheduler, pid, before);
}

void stream_port_data(void *port, uint32_t index, uint32_t owner, uint8_t *data, size_t size) {
    struct gateway *gateway = port;
    struct conn *conn = conn_at(gateway, owner);
    if (UNLIKELY(conn->actor.slab_word & ACTOR_TRACED))
        on_traced_data(gateway, owner, conn, data, size);
    else
        on_data(gateway, owner, conn, data, size);
}

void stream_port_writable(void *port, uint32_t index, uint32_t owner) {
    struct gateway *gateway = port;
    struct conn *conn = conn_at(gateway, owner);
    if (conn_has(conn, CONN_PAUSED_QUEUE))
        gateway_record(gateway, owner, RECORDER_RESUMED, 0);
    conn_unmark(conn, CONN_PAUSED_QUEUE);
    if (conn_state(conn) != CONN_HANDSHAKE)
        conn->heard_s = now_s(gateway); // while it was not read, what it took is its sign of life
    if (conn_has(conn, CONN_MQTT))
        mqtt_conn_resume(gateway, owner);
    else if (conn_is_live(conn))
        frames_resume(gateway, owner);
    resume_unless_paused(gateway, conn);
}

void stream_port_end(void *port, uint32_t index, uint32_t owner, enum stream_end reason) {
    struct gateway *gateway = port;
    gateway_record(gateway, owner, RECORDER_ENDED, reason);
    conn_at(gateway, owner)->stream = SLAB_NONE;
    scheduler_exit(gateway->parts.scheduler, KIND_CONNECTION, owner,
                   reason == STREAM_END_LOCAL ? EXIT_NORMAL : EXIT_PEER);
}

void stream_port_move_ready(void *port, uint32_t index, uint32_t owner) {
    conn_move_on_ready(port, owner);
}

void stream_port_move_passed(void *port, uint32_t index, uint32_t owner, int error) {
    conn_move_on_passed(port, owner, error);
}

void stream_port_connect_failed(void *port, uint32_t owner, int error) {
    CHECKF(false, "the gateway connects to nobody (error %d)", error);
}
