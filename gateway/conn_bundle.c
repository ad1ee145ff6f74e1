#include "gateway/conn_bundle.h"

#include "gateway/reader.h"
#include "io/stream_move.h"

// --- who -----------------------------------------------------------------------------------------

static uint16_t count_members(const struct gateway *gateway, const struct conn *conn) {
    uint16_t count = 0;
    for (uint32_t at = conn->members; at != SLAB_NONE;
         at = chat_member(gateway->parts.chat, at)->next)
        count++;
    return count;
}

static void put_member(const struct gateway *gateway, uint32_t at, struct conn_bundle_member *to) {
    const struct chat *chat = gateway->parts.chat;
    struct ref_tag_scratch scratch;
    struct bytes room = chat_room_name(chat, at);
    struct bytes ref = ref_tag_get(&gateway->refs, chat_member(chat, at)->tag, &scratch).join_ref;
    CHECK(room.size <= sizeof(to->room) && ref.size <= sizeof(to->ref));
    *to = (struct conn_bundle_member){.member = handle_pack(slab_handle(&chat->members, at)),
                                      .room_size = (uint8_t)room.size,
                                      .ref_size = (uint8_t)ref.size,
                                      .has_ref = ref.data != NULL};
    memcpy(to->room, room.data, room.size);
    if (ref.size > 0)
        memcpy(to->ref, ref.data, ref.size);
}

uint64_t conn_bundle_pack_who(struct gateway *gateway, uint32_t index) {
    struct scheduler *scheduler = gateway->parts.scheduler;
    const struct conn *conn = conn_at(gateway, index);
    uint16_t count = count_members(gateway, conn);
    uint64_t payload = payload_acquire(scheduler, sizeof(struct conn_bundle_who) +
                                                      count * sizeof(struct conn_bundle_member));
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct conn_bundle_who *who = payload_data(scheduler, payload);
    *who = (struct conn_bundle_who){.member_count = count,
                                    .state = (uint8_t)conn_state(conn),
                                    .has_user = conn->user != TEXT_NONE,
                                    .marks = conn->actor.state_bits &
                                             (CONN_TRUSTED | CONN_MQTT | CONN_MQTT_WS)};
    who->has_ip = addresses_lookup(&gateway->addresses, index, who->ip);
    if (who->has_user) {
        struct bytes user = text_bytes(&gateway->users, conn->user);
        who->user_size = (uint8_t)user.size;
        memcpy(who->user, user.data, user.size);
    }
    uint32_t at = conn->members;
    for (uint16_t i = 0; i < count; i++, at = chat_member(gateway->parts.chat, at)->next)
        put_member(gateway, at, &who->members[i]);
    return payload;
}

// --- state ---------------------------------------------------------------------------------------

uint64_t conn_bundle_pack_state(struct gateway *gateway, uint32_t index) {
    struct scheduler *scheduler = gateway->parts.scheduler;
    struct streams *streams = gateway->parts.streams;
    struct blocks *blocks = gateway->parts.blocks;
    const struct conn *conn = conn_at(gateway, index);
    const struct reader *reader = reader_lookup(gateway, conn);
    uint32_t export_size = stream_move_export_size(streams, conn->stream);
    if (conn_has(conn, CONN_DOOMED))
        return PAYLOAD_NONE;
    uint32_t held_size = reader ? reader->size : 0;
    uint32_t waiting_size = reader && reader->waiting != BLOCK_NONE ? reader->waiting_size : 0;
    size_t size = sizeof(struct conn_bundle_state) + held_size + waiting_size + export_size;
    uint64_t payload = payload_acquire(scheduler, size);
    if (payload == PAYLOAD_NONE)
        return PAYLOAD_NONE;
    struct conn_bundle_state *state = payload_data(scheduler, payload);
    *state = (struct conn_bundle_state){.heard_s = conn->heard_s,
                                        .flags = conn->actor.state_bits &
                                                 (CONN_PAUSED_QUEUE | CONN_PAUSED_BUSY),
                                        .held_size = held_size,
                                        .waiting_size = waiting_size,
                                        .export_size = export_size,
                                        .has_reader = reader != NULL};
    if (reader) {
        state->decoder = reader->decoder;
        memcpy(state->control, reader->control, sizeof(state->control));
    }
    if (held_size > 0)
        memcpy(state->bytes, blocks_at(blocks, reader->block), held_size);
    if (waiting_size > 0)
        memcpy(state->bytes + held_size, blocks_at(blocks, reader->waiting), waiting_size);
    stream_move_export(streams, conn->stream, state->bytes + held_size + waiting_size, export_size);
    return payload;
}

static bool restore_reader(struct gateway *gateway, struct conn *conn,
                           const struct conn_bundle_state *state) {
    if (!state->has_reader)
        return true;
    struct reader *reader = reader_need(gateway, conn);
    if (!reader)
        return false;
    reader->decoder = state->decoder;
    memcpy(reader->control, state->control, sizeof(reader->control));
    return reader_append(gateway, reader, bytes_of(state->bytes, state->held_size)) &&
           reader_wait(gateway, reader,
                       bytes_of(state->bytes + state->held_size, state->waiting_size));
}

bool conn_bundle_land(struct gateway *gateway, uint32_t index,
                      const struct conn_bundle_state *state) {
    struct streams *streams = gateway->parts.streams;
    struct conn *conn = conn_at(gateway, index);
    conn->heard_s = state->heard_s;
    conn_mark(conn, state->flags);
    if (state->flags != 0)
        stream_pause_reading(streams, conn->stream);
    if (conn_state(conn) == CONN_ECHO)
        stream_read_singly(streams, conn->stream);
    bool has_reader = restore_reader(gateway, conn, state);
    return stream_move_import(streams, conn->stream,
                              state->bytes + state->held_size + state->waiting_size,
                              state->export_size) == 0 &&
           has_reader;
}
