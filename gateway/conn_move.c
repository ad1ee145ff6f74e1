// The core that a connection leaves, and the messages of both halves:
//
//   transition              performed by
//   → HALTING               conn_move_begin
//   HALTING → ASKED         conn_move_on_ready
//   ASKED → PASSING         on_ticket
//   PASSING → LEAVING       ask_chat, once passed and told HERE
//   LEAVING → gone          leave, once no membership is left
//   HALTING … PASSING → gone, the connection goes on   call_off
//   any → gone, the connection ends                    conn_move_gone
// The other core's transitions stand in gateway/conn_arrival.c.
#include "gateway/conn_move.h"

#include <errno.h>

#include "chat/move.h"
#include "gateway/conn_arrival.h"
#include "gateway/conn_bundle.h"
#include "gateway/session.h"
#include "gateway/wire/mqtt.h"
#include "io/stream_move.h"
#include "sched/base/clock.h"

static const struct conn_farewell moved_badly = {.code = WEBSOCKET_CLOSE_SERVICE_RESTART,
                                                 .mqtt = MQTT_SERVER_BUSY,
                                                 .reason =
                                                     BYTES_LITERAL("could not move: come back"),
                                                 .counter = COUNTER_CLOSED_MOVE};

static const struct conn_farewell no_memory = {.code = WEBSOCKET_CLOSE_TRY_AGAIN_LATER,
                                               .mqtt = MQTT_QUOTA_EXCEEDED,
                                               .reason = BYTES_LITERAL("out of memory"),
                                               .counter = COUNTER_CLOSED_MEMORY};

// --- messages ------------------------------------------------------------------------------------

void conn_move_send(struct gateway *gateway, uint8_t core, uint64_t names,
                    const struct message *message) {
    struct scheduler *scheduler = gateway->parts.scheduler;
    struct message copy = *message;
    copy.target = pid_service(core, KIND_MOVE);
    copy.sender = pid_service(scheduler->core, KIND_MOVE);
    copy.words[0] = names;
    scheduler_send(scheduler, &copy);
}

// A's messages carry its name of the move, which is how B finds its own.
static void tell(struct gateway *gateway, uint32_t move, const struct message *message) {
    conn_move_send(gateway, conn_move_at(gateway, move)->core, conn_move_name(gateway, move),
                   message);
}

static bool is_source(const struct conn_move *move) {
    return move->stage <= CONN_MOVE_LEAVING;
}

uint32_t conn_move_of(const struct gateway *gateway, uint32_t connection) {
    uint32_t at = 0;
    while (!slab_is_used(&gateway->moves, at) || conn_move_at(gateway, at)->conn != connection) {
        at++;
        CHECKF(at < gateway->moves.touched_count, "connection %u does not move", connection);
    }
    return at;
}

// The move that a message from B is about, NULL when it is over.
static struct conn_move *source_of(const struct gateway *gateway, uint64_t names) {
    const struct handle handle = {(uint32_t)names & 0xff, (uint32_t)names >> 8};
    struct conn_move *move = slab_lookup(&gateway->moves, handle);
    return move && is_source(move) ? move : NULL;
}

static uint32_t index_of(const struct gateway *gateway, const struct conn_move *move) {
    return (uint32_t)(((const uint8_t *)move - gateway->moves.slots) / sizeof(*move));
}

// --- the core that it leaves ---------------------------------------------------------------------

static void unref(struct gateway *gateway, uint64_t *payload) {
    if (*payload != PAYLOAD_NONE)
        payload_unref(gateway->parts.scheduler, *payload);
    *payload = PAYLOAD_NONE;
}

static void release(struct gateway *gateway, uint32_t index) {
    struct conn_move *move = conn_move_at(gateway, index);
    unref(gateway, &move->who);
    unref(gateway, &move->here);
    conn_unmark(conn_at(gateway, move->conn), CONN_MOVING);
    slab_release(&gateway->moves, index);
    gateway->departure_count--;
}

static void end_there(struct gateway *gateway, uint32_t index) {
    if (conn_move_at(gateway, index)->stage >= CONN_MOVE_ASKED)
        tell(gateway, index, &(struct message){.type = CONN_MOVE_OFF});
}

static struct handle stream_of(const struct gateway *gateway, uint32_t connection) {
    return stream_handle(gateway->parts.streams, conn_at(gateway, connection)->stream);
}

static enum stream_state stream_state_of(const struct gateway *gateway, uint32_t connection) {
    const struct slab *streams = &gateway->parts.streams->slots;
    const struct conn *conn = conn_at(gateway, connection);
    return (enum stream_state)((const struct stream *)slab_get(streams, conn->stream))->state;
}

// It goes on here as if nothing had been; or its stream was cut, and it will end. The other core
// knows nothing of it (any more) when `is_unknown`.
static void go_on(struct gateway *gateway, uint32_t index, bool is_unknown) {
    uint32_t connection = conn_move_at(gateway, index)->conn;
    bool goes_on = stream_move_cancel(gateway->parts.streams, stream_of(gateway, connection));
    if (!is_unknown)
        end_there(gateway, index);
    release(gateway, index);
    counter_add(gateway->parts.counters, COUNTER_CONN_MOVES_OFF, goes_on);
    gateway_record(gateway, connection, RECORDER_MOVE_OFF, 0);
    if (goes_on && conn_has(conn_at(gateway, connection), CONN_MQTT))
        conn_pause_busy(gateway, connection); // then it tries to go home again
}

// Nothing comes of it. From leaving on memberships live there already: then it ends.
static void call_off(struct gateway *gateway, uint32_t index) {
    struct conn_move *move = conn_move_at(gateway, index);
    if (move->stage == CONN_MOVE_LEAVING)
        conn_close(gateway, move->conn, &moved_badly); // comes back to conn_move_gone
    else if (move->stage == CONN_MOVE_PASSING && !move->is_passed)
        move->is_off = true;
    else
        go_on(gateway, index, false);
}

void conn_move_gone(struct gateway *gateway, uint32_t connection) {
    uint32_t index = conn_move_of(gateway, connection);
    end_there(gateway, index);
    release(gateway, index);
}

void conn_move_break(struct gateway *gateway, uint32_t connection) {
    conn_move_at(gateway, conn_move_of(gateway, connection))->is_broken = true;
}

static bool has_pending(const struct gateway *gateway, const struct conn *conn) {
    const struct chat *chat = gateway->parts.chat;
    uint32_t at = conn->members; // MQTT: no session yet, and so none
    while (at != SLAB_NONE && !(chat_member(chat, at)->slab_word & MEMBER_PENDING))
        at = chat_member(chat, at)->next;
    return at != SLAB_NONE;
}

// MQTT goes before its CONNECT is acted on, all others when they are open.
static bool may_go(const struct conn *conn) {
    bool is_ready = conn_has(conn, CONN_MQTT)
                        ? conn_state(conn) == CONN_HANDSHAKE && !conn_has(conn, CONN_DOOMED)
                        : conn_is_live(conn);
    return is_ready && !(conn->actor.slab_word & ACTOR_DOOMED);
}

int conn_move_begin(struct gateway *gateway, uint32_t index, uint32_t to_core) {
    return conn_has(conn_at(gateway, index), CONN_MQTT) ? -EOPNOTSUPP
                                                        : conn_move_home(gateway, index, to_core);
}

int conn_move_home(struct gateway *gateway, uint32_t index, uint32_t to_core) {
    const struct gateway_parts *parts = &gateway->parts;
    struct conn *conn = conn_at(gateway, index);
    if (to_core >= parts->chat->config.core_count || to_core == parts->scheduler->core)
        return -EINVAL;
    if (gateway->drain_begin_ns)
        return -ESHUTDOWN;
    if (conn_has(conn, CONN_MOVING))
        return -EALREADY;
    if (!may_go(conn))
        return -ENOTCONN;
    if (has_pending(gateway, conn))
        return -EAGAIN;
    if (gateway->departure_count == CONN_DEPARTURES_MAX)
        return -EBUSY;
    uint32_t at;
    struct conn_move *move = slab_acquire(&gateway->moves, &at);
    if (!move)
        return -EBUSY;
    if (!stream_move_begin(parts->streams, stream_of(gateway, index))) {
        slab_release(&gateway->moves, at);
        return -ENOTCONN;
    }
    conn_mark(conn, CONN_MOVING);
    gateway->departure_count++;
    move->stage = CONN_MOVE_HALTING;
    move->core = (uint8_t)to_core;
    move->conn = index;
    move->places = BLOCK_NONE;
    move->who = move->here = move->state = PAYLOAD_NONE;
    move->deadline_ns = gateway_now_ns(gateway) + CONN_MOVE_TIMEOUT_S * NS_PER_S;
    return 0;
}

uint32_t gateway_move_some(struct gateway *gateway, uint32_t to_core, uint32_t count) {
    const struct slab *slab = &gateway->parts.scheduler->kinds[KIND_CONNECTION].slab;
    uint32_t left =
        slab->touched_count < CONN_MOVE_SCAN_MAX ? slab->touched_count : CONN_MOVE_SCAN_MAX;
    uint32_t begun = 0;
    for (; left > 0 && begun < count && gateway->departure_count < CONN_DEPARTURES_MAX; left--) {
        uint32_t index = gateway->move_cursor < slab->touched_count ? gateway->move_cursor : 0;
        gateway->move_cursor = index + 1;
        begun += slab_is_used(slab, index) && conn_move_begin(gateway, index, to_core) == 0;
    }
    return begun;
}

// What came while it halted was still taken in: a join among it is waited for by nobody.
void conn_move_on_ready(struct gateway *gateway, uint32_t connection) {
    uint32_t index = conn_move_of(gateway, connection);
    struct conn_move *move = conn_move_at(gateway, index);
    const struct conn *conn = conn_at(gateway, connection);
    uint64_t who = PAYLOAD_NONE;
    if (may_go(conn) && !has_pending(gateway, conn))
        who = conn_bundle_pack_who(gateway, connection);
    if (who == PAYLOAD_NONE) {
        go_on(gateway, index, true);
        return;
    }
    move->who = who;
    move->stage = CONN_MOVE_ASKED;
    payload_ref(gateway->parts.scheduler, who, 1);
    tell(gateway, index, &(struct message){.type = CONN_MOVE_ASK, .words = {0, who}});
}

static void on_ticket(struct gateway *gateway, struct conn_move *move,
                      const struct message *message) {
    if (move->stage != CONN_MOVE_ASKED)
        return;
    if (stream_state_of(gateway, move->conn) != STREAM_HALTED) { // cut: its end is on the way
        conn_move_gone(gateway, move->conn);
        return;
    }
    const struct stream_ticket ticket = {
        .target = {.ring = (struct ring *)(uintptr_t)message->words[1], // NOLINT
                   .ring_fd = (int)(uint32_t)message->words[2],
                   .lane = (uint32_t)(message->words[2] >> 32)},
        .expected = handle_unpack(message->words[3])};
    move->stage = CONN_MOVE_PASSING;
    stream_move_pass(gateway->parts.streams, conn_at(gateway, move->conn)->stream, &ticket);
}

// Both cores have the socket: chat moves the memberships. Those that cannot go are dealt with in
// look_leaving, their places given back.
static void ask_chat(struct gateway *gateway, uint32_t index) {
    struct conn_move *move = conn_move_at(gateway, index);
    struct chat *chat = gateway->parts.chat;
    const struct conn_bundle_who *who = payload_data(gateway->parts.scheduler, move->who);
    const struct chat_place *places =
        move->here == PAYLOAD_NONE ? NULL : payload_data(gateway->parts.scheduler, move->here);
    move->stage = CONN_MOVE_LEAVING;
    for (uint32_t i = 0; i < who->member_count; i++) {
        struct handle member = handle_unpack(who->members[i].member);
        if (!slab_lookup(&chat->members, member) || !chat_move_out(chat, member.index, &places[i]))
            tell(gateway, index, &(struct message){.type = CONN_MOVE_UNASKED, .small = i});
    }
    tell(gateway, index, &(struct message){.type = CONN_MOVE_ASKED_ALL});
    unref(gateway, &move->who);
    unref(gateway, &move->here);
}

static void on_here(struct gateway *gateway, struct conn_move *move,
                    const struct message *message) {
    move->here = message->words[1];
    move->is_here = true;
    if (move->is_passed)
        ask_chat(gateway, index_of(gateway, move));
}

void conn_move_on_passed(struct gateway *gateway, uint32_t connection, int error) {
    uint32_t index = conn_move_of(gateway, connection);
    struct conn_move *move = conn_move_at(gateway, index);
    move->is_passed = error == 0;
    if (error || move->is_off)
        go_on(gateway, index, false);
    else if (move->is_here)
        ask_chat(gateway, index);
}

// A membership that chat would not move ends: its owner joins again, on the other core.
static void drop_unmoved(struct gateway *gateway, uint32_t connection) {
    const struct chat *chat = gateway->parts.chat;
    uint32_t next;
    for (uint32_t at = conn_at(gateway, connection)->members; at != SLAB_NONE; at = next) {
        next = chat_member(chat, at)->next;
        if (!(chat_member(chat, at)->slab_word & MEMBER_MOVING))
            session_drop(gateway, connection, at);
    }
}

// The point of no return.
static void leave(struct gateway *gateway, uint32_t index) {
    struct conn_move *move = conn_move_at(gateway, index);
    uint32_t connection = move->conn;
    uint64_t state = conn_bundle_pack_state(gateway, connection);
    struct conn *conn = conn_at(gateway, connection);
    if (conn_has(conn, CONN_DOOMED))
        return;
    if (state == PAYLOAD_NONE) {
        conn_close(gateway, connection, &no_memory);
        return;
    }
    tell(gateway, index, &(struct message){.type = CONN_MOVE_STATE, .words = {0, state}});
    gateway_record(gateway, connection, RECORDER_MOVED, move->core);
    gateway_count(gateway, COUNTER_CONN_MOVES_OUT);
    stream_move_abandon(gateway->parts.streams, conn->stream);
    conn->stream = SLAB_NONE;
    release(gateway, index);
    scheduler_exit(gateway->parts.scheduler, KIND_CONNECTION, connection, EXIT_MOVED);
}

static void look_leaving(struct gateway *gateway, uint32_t index) {
    uint32_t connection = conn_move_at(gateway, index)->conn;
    const struct conn *conn = conn_at(gateway, connection);
    if (stream_state_of(gateway, connection) != STREAM_PASSED) { // cut: its end is on the way
        conn_move_gone(gateway, connection);
        return;
    }
    drop_unmoved(gateway, connection);
    if (conn->members == SLAB_NONE && may_go(conn))
        leave(gateway, index);
}

// --- both ----------------------------------------------------------------------------------------

void conn_move_turn_end(struct gateway *gateway) {
    uint64_t now_ns = gateway_now_ns(gateway);
    for (uint32_t i = 0; i < gateway->moves.touched_count; i++) {
        if (!slab_is_used(&gateway->moves, i))
            continue;
        const struct conn_move *move = conn_move_at(gateway, i);
        if (!is_source(move))
            conn_arrival_look(gateway, i);
        else if ((now_ns >= move->deadline_ns || move->is_broken) && !move->is_off)
            call_off(gateway, i);
        else if (move->stage == CONN_MOVE_LEAVING)
            look_leaving(gateway, i);
    }
}

// Needs no actor: what a service that was killed had in its mailbox is acted on all the same.
static void take(struct gateway *gateway, const struct message *message) {
    struct conn_move *move = source_of(gateway, message->words[0]);
    switch (message->type) {
    case CONN_MOVE_TICKET:
        if (move)
            on_ticket(gateway, move, message);
        return;
    case CONN_MOVE_REFUSED:
        if (move)
            go_on(gateway, index_of(gateway, move), true);
        return;
    case CONN_MOVE_HERE:
        if (move)
            on_here(gateway, move, message);
        else if (message->words[1] != PAYLOAD_NONE)
            payload_unref(gateway->parts.scheduler, message->words[1]);
        return;
    case CONN_MOVE_GONE:
        if (move)
            call_off(gateway, index_of(gateway, move));
        return;
    default:
        conn_arrival_on_message(gateway, message);
    }
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    return 0;
}

static void on_message(void *context, void *state, uint32_t index, const struct message *message) {
    take(context, message);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
}

static void on_discard(void *context, const struct message *message) {
    take(context, message);
}

static const char *name_of(uint16_t type) {
    static const char *const names[] = {"ask",     "ticket", "refused", "here", "gone",
                                        "unasked", "asked",  "off",     "state"};
    uint32_t at = type - CONN_MOVE_ASK;
    return at < sizeof(names) / sizeof(names[0]) ? names[at] : NULL;
}

static const struct behaviour move_behaviour = {
    .name = "moves",
    .kind = KIND_MOVE,
    .version = 1,
    .mailbox_max = 1024,
    .slot_size = sizeof(struct actor),
    .init = on_init,
    .handle = on_message,
    .terminate = on_terminate,
    .discard = on_discard,
    .message_name = name_of,
};

int conn_move_open(struct gateway *gateway) {
    int result = slab_init(&gateway->moves, gateway->parts.ledger, "moves under way",
                           sizeof(struct conn_move), CONN_MOVES_MAX);
    return result < 0 ? result
                      : scheduler_register(gateway->parts.scheduler, &move_behaviour, gateway, 1);
}
