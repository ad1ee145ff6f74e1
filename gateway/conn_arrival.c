// The core that a connection comes to:
//
//   transition              performed by
//   → EXPECTING             on_ask
//   EXPECTING → ARRIVED     conn_arrival_on_stream
//   ARRIVED → LANDING       on_state
//   LANDING → gone          land, once chat has all memberships here
//   EXPECTING, ARRIVED → LOST   give_up: GONE is told
//   any → gone              on_off, on_state when LOST
// Until asked (ASKED, or STATE, which follows it) the slot has the places of chat that were made:
// those that nobody took are given back, whatever became of the actor.
#include "gateway/conn_arrival.h"

#include <errno.h>

#include "chat/move.h"
#include "gateway/conn_bundle.h"
#include "gateway/mqtt_conn.h"
#include "gateway/session.h"
#include "io/stream_move.h"
#include "sched/base/clock.h"

static void tell(struct gateway *gateway, const struct conn_move *move,
                 const struct message *message) {
    conn_move_send(gateway, move->core, move->peer, message);
}

// The move that a message from A is about, SLAB_NONE when there is none.
static uint32_t target_of(const struct gateway *gateway, const struct message *message) {
    for (uint32_t i = 0; i < gateway->moves.touched_count; i++) {
        if (!slab_is_used(&gateway->moves, i))
            continue;
        const struct conn_move *move = conn_move_at(gateway, i);
        if (move->stage >= CONN_MOVE_EXPECTING && move->core == pid_core(message->sender) &&
            move->peer == (uint32_t)message->words[0])
            return i;
    }
    return SLAB_NONE;
}

// --- places --------------------------------------------------------------------------------------

static void give_back_place(struct gateway *gateway, const struct conn_move *move, uint32_t place) {
    struct chat *chat = gateway->parts.chat;
    uint32_t member = ((const uint32_t *)blocks_at(gateway->parts.blocks, move->places))[place];
    if (move->conn != SLAB_NONE && session_has(gateway, move->conn, member))
        session_forget(gateway, conn_at(gateway, move->conn), member);
    chat_move_abort(chat, member);
}

static void release_places(struct gateway *gateway, struct conn_move *move) {
    if (move->places != BLOCK_NONE)
        blocks_release(gateway->parts.blocks, move->places);
    move->places = BLOCK_NONE;
}

static void give_back_places(struct gateway *gateway, struct conn_move *move) {
    for (uint32_t i = 0; move->places != BLOCK_NONE && i < move->place_count; i++)
        give_back_place(gateway, move, i);
    release_places(gateway, move);
}

// One membership's place, in chat and in the connection's list. False: it is refused.
static bool make_place(struct gateway *gateway, uint32_t connection,
                       const struct conn_bundle_member *member, struct chat_place *place,
                       uint32_t *slot) {
    struct conn *conn = conn_at(gateway, connection);
    struct chat *chat = gateway->parts.chat;
    struct bytes ref = conn_bundle_ref(member);
    struct chat_move_request request = {
        .owner = connection, .address = conn->stream, .room = conn_bundle_room(member)};
    request.tag = ref_tag_acquire(&gateway->refs, &(struct ref_tag_refs){ref, ref});
    if (request.tag == REF_TAG_NONE)
        return false;
    enum chat_refusal refusal;
    *slot = chat_move_in(chat, &request, place, &refusal);
    if (*slot == SLAB_NONE) {
        ref_tag_release(&gateway->refs, request.tag);
        return false;
    }
    chat_member(chat, *slot)->next = conn->members;
    conn->members = *slot;
    return true;
}

// All of them, or none. *here: struct chat_place for each, PAYLOAD_NONE for none.
static bool make_places(struct gateway *gateway, struct conn_move *move,
                        const struct conn_bundle_who *who, uint64_t *here) {
    struct scheduler *scheduler = gateway->parts.scheduler;
    *here = PAYLOAD_NONE;
    move->place_count = 0;
    if (who->member_count == 0)
        return true;
    *here = payload_acquire(scheduler, who->member_count * sizeof(struct chat_place));
    move->places = blocks_acquire(gateway->parts.blocks, who->member_count * sizeof(uint32_t));
    bool is_good = *here != PAYLOAD_NONE && move->places != BLOCK_NONE;
    for (uint32_t i = 0; is_good && i < who->member_count; i++) {
        struct chat_place *place = (struct chat_place *)payload_data(scheduler, *here) + i;
        uint32_t *slot = (uint32_t *)blocks_at(gateway->parts.blocks, move->places) + i;
        is_good = make_place(gateway, move->conn, &who->members[i], place, slot);
        move->place_count += is_good;
    }
    if (is_good)
        return true;
    give_back_places(gateway, move);
    if (*here != PAYLOAD_NONE)
        payload_unref(scheduler, *here);
    return false;
}

// --- expected, arrived ---------------------------------------------------------------------------

static void unref(struct gateway *gateway, uint64_t *payload) {
    if (*payload != PAYLOAD_NONE)
        payload_unref(gateway->parts.scheduler, *payload);
    *payload = PAYLOAD_NONE;
}

// The slot's end. Its connection has landed, or has ended.
static void release(struct gateway *gateway, uint32_t index) {
    struct conn_move *move = conn_move_at(gateway, index);
    unref(gateway, &move->who);
    unref(gateway, &move->state);
    release_places(gateway, move);
    slab_release(&gateway->moves, index);
}

static void refuse(struct gateway *gateway, const struct message *message, int error) {
    conn_move_send(gateway, pid_core(message->sender), message->words[0],
                   &(struct message){.type = CONN_MOVE_REFUSED, .small = (uint32_t)-error});
    payload_unref(gateway->parts.scheduler, message->words[1]);
    gateway_count(gateway, COUNTER_CONN_MOVES_REFUSED);
}

static void on_ask(struct gateway *gateway, const struct message *message) {
    const struct slab *connections = &gateway->parts.scheduler->kinds[KIND_CONNECTION].slab;
    if (gateway->drain_begin_ns) {
        refuse(gateway, message, -ESHUTDOWN);
        return;
    }
    uint32_t index;
    struct conn_move *move = connections->used_count < gateway->parts.connections_max
                                 ? slab_acquire(&gateway->moves, &index)
                                 : NULL;
    if (!move) {
        refuse(gateway, message, -ENOSPC);
        return;
    }
    struct stream_ticket ticket;
    int result = stream_move_expect(gateway->parts.streams,
                                    handle_pack(slab_handle(&gateway->moves, index)), &ticket);
    if (result < 0) {
        slab_release(&gateway->moves, index);
        refuse(gateway, message, result);
        return;
    }
    move->stage = CONN_MOVE_EXPECTING;
    move->core = pid_core(message->sender);
    move->peer = (uint32_t)message->words[0];
    move->conn = SLAB_NONE;
    move->places = BLOCK_NONE;
    move->who = message->words[1];
    move->here = move->state = PAYLOAD_NONE;
    move->expected = ticket.expected;
    tell(gateway, move,
         &(struct message){
             .type = CONN_MOVE_TICKET,
             .words = {0, (uint64_t)(uintptr_t)ticket.target.ring, // NOLINT
                       (uint64_t)ticket.target.lane << 32 | (uint32_t)ticket.target.ring_fd,
                       handle_pack(ticket.expected)}});
}

// A answers OFF, or STATE when that was on its way.
static void give_up(struct gateway *gateway, struct conn_move *move) {
    move->stage = CONN_MOVE_LOST;
    move->conn = SLAB_NONE;
    tell(gateway, move, &(struct message){.type = CONN_MOVE_GONE});
}

// The actor ends without a word; its memberships leave.
static void end_actor(struct gateway *gateway, struct conn_move *move) {
    uint32_t connection = move->conn;
    move->conn = SLAB_NONE;
    if (connection != SLAB_NONE)
        scheduler_exit(gateway->parts.scheduler, KIND_CONNECTION, connection, EXIT_NORMAL);
}

void conn_arrival_on_stream(struct gateway *gateway, uint32_t stream, uint64_t tag) {
    struct streams *streams = gateway->parts.streams;
    struct conn_move *move = slab_lookup(&gateway->moves, handle_unpack(tag));
    CHECKF(move && move->stage == CONN_MOVE_EXPECTING, "stream %u arrives, and is not expected",
           stream);
    const struct conn_bundle_who *who = payload_data(gateway->parts.scheduler, move->who);
    const struct conn_newcomer newcomer = {.stream = stream,
                                           .marks = who->marks,
                                           .ip = who->has_ip ? who->ip : NULL,
                                           .has_user = who->has_user,
                                           .user = bytes_of(who->user, who->user_size)};
    uint32_t connection = conn_arrive(gateway, &newcomer);
    if (connection == SLAB_NONE) {
        stream_close(streams, stream_handle(streams, stream), STREAM_CLOSE_ABORT);
        give_up(gateway, move);
        return;
    }
    uint64_t here;
    move->conn = connection;
    gateway_record(gateway, connection, RECORDER_MOVED, move->core);
    if (!make_places(gateway, move, who, &here)) {
        end_actor(gateway, move);
        give_up(gateway, move);
        return;
    }
    move->stage = CONN_MOVE_ARRIVED;
    tell(gateway, move, &(struct message){.type = CONN_MOVE_HERE, .words = {0, here}});
}

void conn_arrival_lost(struct gateway *gateway, uint32_t connection) {
    for (uint32_t i = 0; i < gateway->moves.touched_count; i++) {
        if (!slab_is_used(&gateway->moves, i) || conn_move_at(gateway, i)->conn != connection)
            continue;
        struct conn_move *move = conn_move_at(gateway, i);
        if (move->stage == CONN_MOVE_LANDING) // A has done its part
            release(gateway, i);
        else
            give_up(gateway, move);
        return;
    }
}

// --- landing -------------------------------------------------------------------------------------

static bool is_complete(const struct gateway *gateway, const struct conn *conn) {
    const struct chat *chat = gateway->parts.chat;
    uint32_t at = conn->members;
    while (at != SLAB_NONE && !(chat_member(chat, at)->slab_word & MEMBER_ARRIVING))
        at = chat_member(chat, at)->next;
    return at == SLAB_NONE;
}

static void land(struct gateway *gateway, uint32_t index) {
    struct conn_move *move = conn_move_at(gateway, index);
    struct scheduler *scheduler = gateway->parts.scheduler;
    const struct conn_bundle_who *who = payload_data(scheduler, move->who);
    uint32_t connection = move->conn;
    bool is_whole = is_complete(gateway, conn_at(gateway, connection));
    conn_become(conn_at(gateway, connection), (enum conn_state)who->state);
    gateway_count(gateway, COUNTER_CONN_MOVES_IN);
    if (!conn_bundle_land(gateway, connection, payload_data(scheduler, move->state)))
        conn_close(gateway, connection,
                   &(struct conn_farewell){.code = WEBSOCKET_CLOSE_TRY_AGAIN_LATER,
                                           .mqtt = MQTT_QUOTA_EXCEEDED,
                                           .reason = BYTES_LITERAL("out of memory"),
                                           .counter = COUNTER_CLOSED_MEMORY});
    else if (!is_whole)
        conn_close(gateway, connection,
                   &(struct conn_farewell){.code = WEBSOCKET_CLOSE_SERVICE_RESTART,
                                           .reason = BYTES_LITERAL("could not move: come back"),
                                           .counter = COUNTER_CLOSED_MOVE});
    else
        conn_landed(gateway, connection);
    release(gateway, index);
    if (conn_has(conn_at(gateway, connection), CONN_MQTT)) // the CONNECT that came along
        mqtt_conn_resume(gateway, connection);
}

void conn_arrival_look(struct gateway *gateway, uint32_t index) {
    const struct conn_move *move = conn_move_at(gateway, index);
    if (move->stage != CONN_MOVE_LANDING)
        return;
    const struct slab *streams = &gateway->parts.streams->slots;
    const struct stream *stream = slab_get(streams, conn_at(gateway, move->conn)->stream);
    if (stream->state != STREAM_WAITING) // cut: its end is on the way
        release(gateway, index);
    else if (is_complete(gateway, conn_at(gateway, move->conn)) ||
             gateway_now_ns(gateway) >= move->deadline_ns)
        land(gateway, index);
}

// --- what A says ---------------------------------------------------------------------------------

static void on_state(struct gateway *gateway, uint32_t index, uint64_t state) {
    struct conn_move *move = conn_move_at(gateway, index);
    move->state = state;
    if (move->stage == CONN_MOVE_LOST) { // its bytes go with it: the peer saw its end
        release(gateway, index);
        return;
    }
    move->stage = CONN_MOVE_LANDING;
    move->deadline_ns = gateway_now_ns(gateway) + CONN_MOVE_TIMEOUT_S * NS_PER_S;
}

static void on_off(struct gateway *gateway, uint32_t index) {
    struct conn_move *move = conn_move_at(gateway, index);
    if (move->stage == CONN_MOVE_EXPECTING)
        stream_move_unexpect(gateway->parts.streams, move->expected);
    give_back_places(gateway, move);
    end_actor(gateway, move);
    release(gateway, index);
}

void conn_arrival_on_message(struct gateway *gateway, const struct message *message) {
    if (message->type == CONN_MOVE_ASK) {
        on_ask(gateway, message);
        return;
    }
    uint32_t index = target_of(gateway, message);
    if (index == SLAB_NONE) { // OFF of what was refused, or of what has landed
        if (message->type == CONN_MOVE_STATE)
            payload_unref(gateway->parts.scheduler, message->words[1]);
        return;
    }
    switch (message->type) {
    case CONN_MOVE_UNASKED:
        give_back_place(gateway, conn_move_at(gateway, index), message->small);
        return;
    case CONN_MOVE_ASKED_ALL:
        release_places(gateway, conn_move_at(gateway, index));
        return;
    case CONN_MOVE_OFF:
        on_off(gateway, index);
        return;
    case CONN_MOVE_STATE:
        on_state(gateway, index, message->words[1]);
        return;
    default:
        CHECKF(false, "a move got message %u", message->type);
    }
}
