// Defines chat/chat_port.h, and the gap of io/stream_port.h: room messages, presence and answers as
// WebSocket frames of Phoenix JSON, or as MQTT (gateway/mqtt_format.h), one parcel for all members
// on this core who take the same.
//
// A member's `address` holds its stream's index, so that a delivery touches the stream alone; its
// `owner` is the connection, or an MQTT session, whose half is in gateway/mqtt_rooms.h. Whom a
// delivery cannot reach is closed at its next go (conn_doom): nothing is torn down within a leaf's
// walk.
#include "chat/chat_port.h"

#include "gateway/conn_move.h"
#include "gateway/frame_out.h"
#include "gateway/mqtt_format.h"
#include "gateway/mqtt_rooms.h"
#include "gateway/mqtt_routes.h"
#include "gateway/presence_json.h"
#include "gateway/ref_tag.h"
#include "gateway/reply.h"
#include "gateway/room_settings.h"
#include "gateway/session.h"

void chat_port_settings(void *port, struct bytes room, struct room_settings *settings) {
    static const enum presence_mode modes[] = {
        [CONFIG_PRESENCE_LIST] = PRESENCE_LIST,
        [CONFIG_PRESENCE_COUNTS] = PRESENCE_COUNTS,
        [CONFIG_PRESENCE_OFF] = PRESENCE_OFF,
    };
    const struct gateway *gateway = port;
    struct config_room_settings found = room_settings_lookup(gateway->parts.config, room);
    *settings = (struct room_settings){
        .presence = modes[found.presence],
        .presence_list_max = found.presence_list_max,
        .close_when_over = found.policy == CONFIG_POLICY_CLOSE,
    };
}

// --- encoders ------------------------------------------------------------------------------------

static uint32_t encode_text(struct gateway *gateway, const struct phoenix_message *message,
                            enum parcel_class parcel_class, uint64_t sequence) {
    struct frame_out out;
    if (!frame_out_begin(&out, gateway->parts.blocks, phoenix_encoded_size(message), parcel_class))
        return BLOCK_NONE;
    phoenix_encode_text(&out.w, message, sequence);
    return frame_out_finish(&out, WEBSOCKET_TEXT);
}

static uint32_t encode_binary(struct gateway *gateway, const struct phoenix_message *message,
                              enum parcel_class parcel_class) {
    struct frame_out out;
    size_t size = 3 + message->topic.size + message->event.size + message->payload.size;
    if (!frame_out_begin(&out, gateway->parts.blocks, size, parcel_class))
        return BLOCK_NONE;
    phoenix_encode_binary_broadcast(&out.w, message->topic, message->event, message->payload);
    return frame_out_finish(&out, WEBSOCKET_BINARY);
}

static uint32_t encode_publish(struct gateway *gateway, struct bytes room,
                               const struct chat_publish *publish, enum parcel_class parcel_class,
                               uint64_t sequence) {
    uint8_t topic[WIRE_TOPIC_BYTES_MAX];
    struct phoenix_message message = {
        .topic = reply_topic(topic, room), .event = publish->event, .payload = publish->body};
    if (publish->is_binary)
        return encode_binary(gateway, &message, parcel_class);
    return encode_text(gateway, &message, parcel_class, sequence);
}

uint32_t chat_port_encode_message(void *port, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish, uint64_t sequence) {
    struct gateway *gateway = port;
    if (format != FORMAT_PHOENIX)
        return mqtt_format_room_message(gateway, format, room, publish, sequence);
    return encode_publish(gateway, room, publish, PARCEL_ROOM,
                          gateway->parts.config->strict_phoenix ? 0 : sequence);
}

uint32_t chat_port_encode_whisper(void *port, uint32_t format, struct bytes room,
                                  const struct chat_publish *publish) {
    if (format != FORMAT_PHOENIX)
        return CHAT_NOT_SENT;
    return encode_publish(port, room, publish, PARCEL_WHISPER, 0);
}

uint32_t chat_port_encode_gap(void *port, uint32_t format, struct bytes room, uint64_t from,
                              uint64_t to) {
    struct gateway *gateway = port;
    if (mqtt_format_is_5(format))
        return mqtt_format_gap(gateway, format, room, from, to);
    if (format != FORMAT_PHOENIX) // 3.1.1 has no place for it: who must know takes QoS 1
        return CHAT_NOT_SENT;
    uint8_t topic[WIRE_TOPIC_BYTES_MAX];
    struct phoenix_message message = {.topic = reply_topic(topic, room),
                                      .event = BYTES_LITERAL("gap")};
    struct frame_out out;
    if (!frame_out_begin(&out, gateway->parts.blocks, phoenix_encoded_size(&message) + 64,
                         PARCEL_CONTROL))
        return BLOCK_NONE;
    phoenix_encode_gap(&out.w, message.topic, (struct phoenix_gap){from, to});
    return frame_out_finish(&out, WEBSOCKET_TEXT);
}

uint32_t chat_port_encode_presence(void *port, uint32_t format, struct bytes room,
                                   struct bytes records, bool is_state) {
    struct gateway *gateway = port;
    if (format != FORMAT_PHOENIX)
        return mqtt_format_presence(gateway,
                                    &(struct mqtt_format_presence){.format = format, .room = room},
                                    records, is_state);
    uint8_t topic[WIRE_TOPIC_BYTES_MAX];
    struct phoenix_message message = {.topic = reply_topic(topic, room),
                                      .event = is_state ? BYTES_LITERAL("presence_state")
                                                        : BYTES_LITERAL("presence_diff")};
    struct frame_out out;
    if (!frame_out_begin(&out, gateway->parts.blocks,
                         phoenix_encoded_size(&message) + presence_json_size_max(records),
                         PARCEL_STATE))
        return BLOCK_NONE;
    phoenix_encode_text(&out.w, &message, 0);
    CHECK(!out.w.overflow);
    out.w.size--; // the bracket that closes the message: its payload is written in before it
    presence_json_encode(&out.w, records, is_state);
    writer_put_byte(&out.w, ']');
    return frame_out_finish(&out, WEBSOCKET_TEXT);
}

uint32_t chat_port_encode_count(void *port, uint32_t format, struct bytes room, uint32_t users,
                                uint32_t connections) {
    if (format != FORMAT_PHOENIX)
        return mqtt_format_count(port,
                                 &(struct mqtt_format_presence){.format = format, .room = room},
                                 users, connections);
    uint8_t text[PRESENCE_JSON_COUNT_BYTES_MAX];
    struct writer w = writer_on(text, sizeof(text));
    presence_json_encode_count(&w, users, connections);
    CHECK(!w.overflow);
    uint8_t topic[WIRE_TOPIC_BYTES_MAX];
    struct phoenix_message message = {.topic = reply_topic(topic, room),
                                      .event = BYTES_LITERAL("presence_count"),
                                      .payload = writer_bytes(&w)};
    return encode_text(port, &message, PARCEL_STATE, 0);
}

void stream_port_drops(void *port, uint32_t owner, uint32_t room) {
    struct gateway *gateway = port;
    const struct chat *chat = gateway->parts.chat;
    gateway_record(gateway, owner, RECORDER_DROPPED,
                   chat_room_tag(chat, chat_leaf_name(chat, room)));
}

uint32_t chat_port_encode_ended(void *port, uint32_t format, struct bytes room) {
    if (format != FORMAT_PHOENIX) // its session joins again, and says nothing of it
        return CHAT_NOT_SENT;
    uint8_t topic[WIRE_TOPIC_BYTES_MAX];
    struct phoenix_message message = {.topic = reply_topic(topic, room),
                                      .event = BYTES_LITERAL("phx_error"),
                                      .payload = BYTES_LITERAL("{}")};
    return encode_text(port, &message, PARCEL_CONTROL, 0);
}

// The name of the room that a gap in this connection's queue is about; empty: it has left the room
// without a word, because the connection has ended.
static struct bytes gap_room(const struct gateway *gateway, uint32_t owner, uint32_t leaf) {
    const struct chat *chat = gateway->parts.chat;
    const struct conn *conn = conn_at(gateway, owner);
    if (leaf == gateway->left_leaf)
        return gateway->left_room;
    if (conn_has(conn, CONN_MQTT))
        return conn->session == SLAB_NONE ? (struct bytes){0}
                                          : mqtt_rooms_name_of_leaf(gateway, conn->session, leaf);
    uint32_t at = conn->members;
    while (at != SLAB_NONE && chat_member(chat, at)->leaf != leaf)
        at = chat_member(chat, at)->next;
    return at == SLAB_NONE ? (struct bytes){0} : chat_leaf_name(chat, leaf);
}

uint32_t stream_port_gap(void *port, uint32_t owner, uint32_t room, uint64_t from, uint64_t to) {
    struct gateway *gateway = port;
    struct bytes name = gap_room(gateway, owner, room);
    if (name.size == 0)
        return BLOCK_NONE;
    const struct conn *conn = conn_at(gateway, owner);
    uint32_t format = FORMAT_PHOENIX;
    if (conn_has(conn, CONN_MQTT)) // without a session nobody is told: the gap is left out
        format = conn->session == SLAB_NONE ? (uint32_t)FORMAT_MQTT_3
                                            : mqtt_session_format(gateway, conn->session);
    uint32_t parcel = chat_port_encode_gap(port, format, name, from, to);
    if (parcel == CHAT_NOT_SENT)
        return BLOCK_NONE;
    gateway_record(gateway, owner, RECORDER_GAP_TOLD, recorder_clamp(to - from + 1));
    if (parcel == BLOCK_NONE) // a hole that nobody is told of: the connection must not go on
        conn_doom(gateway, owner, true);
    return parcel;
}

// --- delivery ------------------------------------------------------------------------------------

static uint32_t owner_of(const struct gateway *gateway, uint32_t stream) {
    return ((const struct stream *)slab_get(&gateway->parts.streams->slots, stream))->owner;
}

static enum counter counter_of(uint32_t address) {
    return address_format(address) == FORMAT_PHOENIX ? COUNTER_FRAMES_OUT
                                                     : COUNTER_MQTT_PUBLISHES_OUT;
}

void chat_port_deliver(void *port, uint32_t address, uint32_t parcel) {
    struct gateway *gateway = port;
    struct streams *streams = gateway->parts.streams;
    uint32_t stream = address_place(address);
    enum stream_push_result result = stream_push(streams, stream_handle(streams, stream), parcel);
    if (LIKELY(result == STREAM_PUSH_OK)) {
        uint32_t messages = parcel_at(gateway->parts.blocks, parcel)->message_count;
        counter_add(gateway->parts.counters, counter_of(address), messages ? messages : 1);
    } else if (result != STREAM_PUSH_CLOSING) {
        conn_doom(gateway, owner_of(gateway, stream), result == STREAM_PUSH_NO_MEMORY);
    }
}

bool chat_port_deliver_state(void *port, uint32_t address, uint32_t parcel) {
    struct gateway *gateway = port;
    struct streams *streams = gateway->parts.streams;
    uint32_t stream = address_place(address);
    uint32_t half = gateway->parts.control_bytes_max / 2;
    enum stream_push_result result = STREAM_PUSH_OVER_CONTROL;
    // Presence takes no more than half of the budget, so that replies always have the other.
    if (LIKELY(stream_is_empty(streams, stream) ||
               stream_control_bytes(streams, stream) +
                       parcel_at(gateway->parts.blocks, parcel)->size <=
                   half))
        result = stream_push(streams, stream_handle(streams, stream), parcel);
    if (LIKELY(result == STREAM_PUSH_OK)) {
        gateway_count(gateway, counter_of(address));
        return true;
    }
    if (result == STREAM_PUSH_CLOSING)
        return true; // nobody is left to be told again
    conn_mark_stale(gateway, owner_of(gateway, stream));
    return false;
}

bool chat_port_is_empty(void *port, uint32_t address) {
    const struct gateway *gateway = port;
    return stream_is_empty(gateway->parts.streams, address_place(address));
}

void chat_port_prefetch(void *port, uint32_t address) {
    const struct gateway *gateway = port;
    stream_prefetch(gateway->parts.streams, address_place(address));
}

void chat_port_deliver_each(void *port, const struct chat_delivery *delivery) {
    mqtt_rooms_on_delivery(port, delivery);
}

static uint32_t session_of(uint32_t owner) {
    CHECKF(mqtt_is_owner(owner), "connection %u is no session", owner);
    return owner & ~MQTT_OWNER;
}

void chat_port_gap_each(void *port, uint32_t owner, uint32_t member, uint64_t from, uint64_t to) {
    mqtt_rooms_on_gap(port, session_of(owner), member, from, to);
}

bool chat_port_presence_each(void *port, const struct chat_presence *presence) {
    return mqtt_rooms_on_presence(port, presence);
}

void chat_port_published_to(void *port, const struct chat_published_to *published) {
    mqtt_routes_on_room_published(port, published);
}

// Not numbered, so that nothing is told where the stream is over its budget and drops it.
void chat_port_retained(void *port, uint32_t owner, uint32_t member,
                        const struct chat_publish *publish) {
    struct gateway *gateway = port;
    const struct chat *chat = gateway->parts.chat;
    uint32_t id = encode_publish(gateway, chat_room_name(chat, member), publish, PARCEL_ROOM, 0);
    if (id == BLOCK_NONE) {
        counter_add(gateway->parts.counters, COUNTER_DROPPED_MEMORY, 1);
        return;
    }
    parcel_at(gateway->parts.blocks, id)->message_count = 1;
    chat_port_deliver(port, chat_member(chat, member)->address, id);
    parcel_unref(gateway->parts.blocks, id);
}

// --- answers -------------------------------------------------------------------------------------

// A request of the member's, put together again for its reply.
struct asked {
    struct phoenix_message message;
    struct ref_tag_refs refs;
    struct ref_tag_scratch scratch;
    uint8_t topic[WIRE_TOPIC_BYTES_MAX];
};

static void ask_again(const struct gateway *gateway, uint32_t member, struct asked *asked) {
    asked->refs =
        ref_tag_get(&gateway->refs, chat_member(gateway->parts.chat, member)->tag, &asked->scratch);
    asked->message = (struct phoenix_message){
        .join_ref = asked->refs.join_ref,
        .ref = asked->refs.ref,
        .topic = reply_topic(asked->topic, chat_room_name(gateway->parts.chat, member)),
    };
}

// The ref of the phx_join is answered: only the join_ref is still needed.
static void shorten_tag(struct gateway *gateway, uint32_t member, const struct asked *asked) {
    struct member *slot = chat_member(gateway->parts.chat, member);
    struct ref_tag_refs refs = {asked->refs.join_ref, asked->refs.join_ref};
    uint32_t tag = ref_tag_acquire(&gateway->refs, &refs);
    if (tag == REF_TAG_NONE)
        return; // no text is free: the longer one stays
    ref_tag_release(&gateway->refs, slot->tag);
    slot->tag = tag;
}

void chat_port_published(void *port, const struct chat_published *published) {
    struct gateway *gateway = port;
    const struct traffic_publish publish = {
        .room = published->room, .bytes = published->body_size, .fan_out = published->member_count};
    if (published->is_whisper)
        traffic_count(&gateway->traffic, gateway_now_ns(gateway), TRAFFIC_whispers);
    else
        traffic_on_publish(&gateway->traffic, gateway_now_ns(gateway), &publish);
    gateway->parts.chat->is_watched = gateway->traffic.is_on;
}

void chat_port_joined(void *port, uint32_t owner, uint32_t member, uint64_t epoch,
                      uint64_t sequence) {
    struct gateway *gateway = port;
    if (mqtt_is_owner(owner)) {
        mqtt_rooms_on_joined(gateway, session_of(owner), member);
        return;
    }
    struct asked asked;
    uint8_t text[64];
    struct writer w = writer_on(text, sizeof(text));
    writer_put_string(&w, "{\"epoch\":\"");
    writer_put_u64(&w, epoch);
    writer_put_string(&w, "\",\"seq\":");
    writer_put_u64(&w, sequence);
    writer_put_byte(&w, '}');
    CHECK(!w.overflow);
    ask_again(gateway, member, &asked);
    gateway_note_traffic(gateway, TRAFFIC_joins);
    gateway_record(gateway, owner, RECORDER_JOINED,
                   chat_room_tag(gateway->parts.chat, chat_room_name(gateway->parts.chat, member)));
    reply_joined(gateway, owner, &asked.message, writer_bytes(&w));
    if (asked.refs.ref.data != asked.refs.join_ref.data)
        shorten_tag(gateway, member, &asked);
}

void chat_port_join_refused(void *port, uint32_t owner, uint32_t member, enum chat_refusal reason) {
    struct gateway *gateway = port;
    if (mqtt_is_owner(owner)) {
        mqtt_rooms_on_refused(gateway, session_of(owner), member, reason);
        return;
    }
    struct asked asked;
    ask_again(gateway, member, &asked);
    gateway_record_change(gateway, owner, RECORDER_JOIN_REFUSED, reason);
    reply_join_refused(gateway, owner, &asked.message, session_refusal_reason(reason));
    session_forget(gateway, conn_at(gateway, owner), member);
}

void chat_port_accepted(void *port, uint32_t owner, uint32_t member,
                        const struct chat_publish *publish, uint64_t sequence) {
    struct gateway *gateway = port;
    struct asked asked;
    uint8_t text[32];
    struct writer w = writer_on(text, sizeof(text));
    writer_put_string(&w, "{\"seq\":");
    writer_put_u64(&w, sequence);
    writer_put_byte(&w, '}');
    CHECK(!w.overflow);
    ask_again(gateway, member, &asked);
    asked.message.ref = publish->ref;
    reply_ok(gateway, owner, &asked.message, writer_bytes(&w));
    conn_pause_if_full(gateway, owner);
}

void chat_port_refused(void *port, uint32_t owner, uint32_t member,
                       const struct chat_publish *publish, enum chat_refusal reason) {
    struct gateway *gateway = port;
    struct asked asked;
    ask_again(gateway, member, &asked);
    asked.message.ref = publish->ref;
    gateway_record_change(gateway, owner, RECORDER_PUBLISH_REFUSED, reason);
    reply_error(gateway, owner, &asked.message, session_refusal_reason(reason));
    if (reason == REFUSAL_BUSY)
        conn_pause_busy(gateway, owner);
}

void chat_port_ended(void *port, uint32_t owner, uint32_t member, uint32_t parcel) {
    struct gateway *gateway = port;
    if (mqtt_is_owner(owner)) {
        gateway_note_traffic(gateway, TRAFFIC_leaves);
        mqtt_rooms_on_ended(gateway, session_of(owner), member);
        return;
    }
    struct conn *conn = conn_at(gateway, owner);
    stream_seal(gateway->parts.streams, conn->stream); // its gaps, while the room has a name
    gateway_note_traffic(gateway, TRAFFIC_leaves);
    session_forget(gateway, conn, member);
    if (parcel == BLOCK_NONE)
        conn_doom(gateway, owner, true); // it comes back, and learns by that
    else
        chat_port_deliver(port, conn->stream, parcel);
}

void chat_port_torn(void *port, uint32_t owner, uint32_t member) {
    struct gateway *gateway = port;
    struct conn *conn = conn_at(gateway, owner);
    conn_move_break(gateway, owner);
    stream_seal(gateway->parts.streams, conn->stream);
    session_forget(gateway, conn, member);
}

// Its gaps are told while the room has a name here; its ref goes along with the connection.
void chat_port_moved_out(void *port, uint32_t owner, uint32_t member, uint64_t sequence) {
    struct gateway *gateway = port;
    struct conn *conn = conn_at(gateway, owner);
    stream_seal(gateway->parts.streams, conn->stream);
    session_forget(gateway, conn, member);
}

// gateway/conn_arrival.c looks itself, at the end of the turn.
void chat_port_moved_in(void *port, uint32_t owner, uint32_t member, uint64_t sequence) {
}

void chat_port_move_refused(void *port, uint32_t owner, uint32_t member) {
    struct gateway *gateway = port;
    if (chat_member(gateway->parts.chat, member)->slab_word & MEMBER_ARRIVING)
        session_forget(gateway, conn_at(gateway, owner), member);
}
