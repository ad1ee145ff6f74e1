#include "gateway/session.h"

#include "gateway/mqtt_format.h"
#include "gateway/ref_tag.h"
#include "gateway/reply.h"
#include "gateway/wire/json.h"

#define ROOM_PREFIX "room:"

static const struct bytes empty_object = {(const uint8_t *)"{}", 2};

const char *session_refusal_reason(uint32_t refusal) {
    static const char *const reasons[] = {
        [REFUSAL_BUSY] = "busy",
        [REFUSAL_TOO_MANY_ROOMS] = "too many rooms",
        [REFUSAL_MEMORY] = "out of memory",
        [REFUSAL_RESTARTED] = "room restarted",
        [JOIN_UNMATCHED_TOPIC] = "unmatched topic",
        [JOIN_INVALID_ROOM] = "invalid room name",
        [JOIN_TOO_MANY_CHANNELS] = "too many channels joined",
        [JOIN_INVALID_META] = "invalid meta",
        [JOIN_REF_TOO_LONG] = "ref too long",
    };
    bool is_known = refusal < sizeof(reasons) / sizeof(reasons[0]) && reasons[refusal];
    return is_known ? reasons[refusal] : "unknown";
}

// --- memberships ---------------------------------------------------------------------------------

static bool is_pending(const struct chat *chat, uint32_t member) {
    return chat_member(chat, member)->slab_word & MEMBER_PENDING;
}

// The membership of a topic, SLAB_NONE when it is not joined.
static uint32_t lookup(const struct gateway *gateway, const struct conn *conn, struct bytes topic) {
    const struct chat *chat = gateway->parts.chat;
    const struct bytes prefix = BYTES_LITERAL(ROOM_PREFIX);
    if (!bytes_starts_with(topic, prefix))
        return SLAB_NONE;
    struct bytes room = bytes_skip(topic, prefix.size);
    uint32_t at = conn->members;
    while (at != SLAB_NONE && !bytes_equal(chat_room_name(chat, at), room))
        at = chat_member(chat, at)->next;
    return at;
}

static uint32_t count(const struct gateway *gateway, const struct conn *conn) {
    uint32_t members = 0;
    for (uint32_t at = conn->members; at != SLAB_NONE;
         at = chat_member(gateway->parts.chat, at)->next)
        members++;
    return members;
}

// A membership ends that had begun.
static void note_end(struct gateway *gateway, uint32_t member, enum traffic_series series) {
    if (UNLIKELY(gateway->traffic.is_on) && !is_pending(gateway->parts.chat, member))
        gateway_note_traffic(gateway, series);
}

void session_forget(struct gateway *gateway, struct conn *conn, uint32_t member) {
    struct chat *chat = gateway->parts.chat;
    uint32_t *link = &conn->members;
    while (*link != member) {
        CHECKF(*link != SLAB_NONE, "member %u is not of this connection", member);
        link = &chat_member(chat, *link)->next;
    }
    *link = chat_member(chat, member)->next;
    ref_tag_release(&gateway->refs, chat_member(chat, member)->tag);
}

void session_leave_all(struct gateway *gateway, uint32_t index) {
    struct conn *conn = conn_at(gateway, index);
    uint32_t rooms = 0;
    for (; conn->members != SLAB_NONE; rooms++) {
        uint32_t member = conn->members;
        note_end(gateway, member, TRAFFIC_departures);
        session_forget(gateway, conn, member);
        chat_leave(gateway->parts.chat, member, false);
    }
    if (rooms > 0)
        gateway_record(gateway, index, RECORDER_LEFT_ALL, rooms);
}

// The membership in this leaf has ended: gaps that wait in the queue are told under its room's
// name.
static void tell_gaps(struct gateway *gateway, uint32_t index, uint32_t leaf, struct bytes topic) {
    gateway->left_leaf = leaf;
    gateway->left_room = bytes_skip(topic, strlen(ROOM_PREFIX));
    stream_seal(gateway->parts.streams, conn_at(gateway, index)->stream);
    gateway->left_leaf = SLAB_NONE;
}

// Ends one membership: what it was still owed comes before its phx_close. `request` is the
// phx_leave to answer in between, or NULL.
static void leave(struct gateway *gateway, uint32_t index, uint32_t member,
                  const struct phoenix_message *request, struct bytes topic) {
    struct ref_tag_scratch scratch;
    uint8_t copy[WIRE_REF_BYTES_MAX];
    struct bytes join_ref =
        ref_tag_get(&gateway->refs, chat_member(gateway->parts.chat, member)->tag, &scratch)
            .join_ref;
    if (join_ref.size > 0)
        join_ref.data = memcpy(copy, join_ref.data, join_ref.size);
    struct chat *chat = gateway->parts.chat;
    gateway_record(gateway, index, RECORDER_LEFT,
                   chat_room_tag(chat, chat_room_name(chat, member)));
    uint32_t leaf = chat_member(chat, member)->leaf;
    note_end(gateway, member, TRAFFIC_leaves);
    session_forget(gateway, conn_at(gateway, index), member);
    chat_leave(chat, member, true);
    tell_gaps(gateway, index, leaf, topic);
    if (request)
        reply_ok(gateway, index, request, empty_object);
    reply_channel_closed(gateway, index, join_ref, topic);
}

bool session_has(const struct gateway *gateway, uint32_t index, uint32_t member) {
    uint32_t at = conn_at(gateway, index)->members;
    while (at != SLAB_NONE && at != member)
        at = chat_member(gateway->parts.chat, at)->next;
    return at == member;
}

void session_drop(struct gateway *gateway, uint32_t index, uint32_t member) {
    struct chat *chat = gateway->parts.chat;
    uint8_t text[WIRE_TOPIC_BYTES_MAX];
    struct bytes topic = reply_topic(text, chat_room_name(chat, member));
    uint32_t leaf = chat_member(chat, member)->leaf;
    note_end(gateway, member, TRAFFIC_leaves);
    session_forget(gateway, conn_at(gateway, index), member);
    chat_leave(chat, member, true);
    tell_gaps(gateway, index, leaf, topic);
    conn_push(
        gateway, index,
        chat_port_encode_ended(gateway, FORMAT_PHOENIX, bytes_skip(topic, strlen(ROOM_PREFIX))));
}

// --- phx_join ------------------------------------------------------------------------------------

// The meta of a join's payload; false when it is no object or too large.
static bool read_meta(const struct phoenix_message *message, struct bytes *meta) {
    *meta = (struct bytes){0};
    if (message->is_binary || !json_lookup_member(message->payload, BYTES_LITERAL("meta"), meta))
        return true;
    return meta->size <= CHAT_META_BYTES_MAX && meta->data[0] == '{';
}

static void refuse_join(struct gateway *gateway, uint32_t index,
                        const struct phoenix_message *message, uint32_t refusal) {
    gateway_record_change(gateway, index, RECORDER_JOIN_REFUSED, refusal);
    reply_join_refused(gateway, index, message, session_refusal_reason(refusal));
}

static void join(struct gateway *gateway, uint32_t index, const struct phoenix_message *message) {
    struct conn *conn = conn_at(gateway, index);
    struct chat_join_request request = {.owner = index,
                                        .address = address_of(FORMAT_PHOENIX, conn->stream),
                                        .wants_retained = true};
    switch (phoenix_room_of_topic(message->topic, &request.room)) {
    case PHOENIX_TOPIC_ROOM:
        break;
    case PHOENIX_TOPIC_BAD_ROOM:
        refuse_join(gateway, index, message, JOIN_INVALID_ROOM);
        return;
    case PHOENIX_TOPIC_PHOENIX:
    case PHOENIX_TOPIC_OTHER:
        refuse_join(gateway, index, message, JOIN_UNMATCHED_TOPIC);
        return;
    }
    if (count(gateway, conn) >= gateway->parts.config->channels_per_socket_max) {
        refuse_join(gateway, index, message, JOIN_TOO_MANY_CHANNELS);
        return;
    }
    if (!read_meta(message, &request.meta)) {
        refuse_join(gateway, index, message, JOIN_INVALID_META);
        return;
    }
    struct ref_tag_refs refs = {message->join_ref, message->ref};
    request.tag = ref_tag_acquire(&gateway->refs, &refs);
    if (request.tag == REF_TAG_NONE) {
        bool is_long = refs.join_ref.size + refs.ref.size > REF_TAG_BYTES_MAX;
        refuse_join(gateway, index, message,
                    is_long ? (uint32_t)JOIN_REF_TOO_LONG : (uint32_t)REFUSAL_MEMORY);
        return;
    }
    request.user = text_bytes(&gateway->users, conn->user);
    enum chat_refusal refusal;
    uint32_t member = chat_join(gateway->parts.chat, &request, &refusal);
    if (member == SLAB_NONE) {
        ref_tag_release(&gateway->refs, request.tag);
        refuse_join(gateway, index, message, refusal);
        return;
    }
    chat_member(gateway->parts.chat, member)->next = conn->members;
    conn->members = member;
}

// --- messages ------------------------------------------------------------------------------------

static bool is_reserved(struct bytes event) {
    return bytes_starts_with(event, BYTES_LITERAL("phx_")) ||
           bytes_starts_with(event, BYTES_LITERAL("presence_")) ||
           bytes_equal(event, BYTES_LITERAL("heartbeat")) ||
           bytes_equal(event, BYTES_LITERAL("gap"));
}

static void publish(struct gateway *gateway, uint32_t index, uint32_t member,
                    const struct phoenix_message *message) {
    bool is_whisper = bytes_equal(message->event, BYTES_LITERAL("whisper"));
    const struct chat_publish what = {
        .ref = message->ref,
        .event = message->event,
        .body = message->payload,
        .qos = 2, // each gets what it subscribed with
        .is_binary = message->is_binary,
        .is_whisper = is_whisper,
        .wants_reply = message->ref.data && !is_whisper,
    };
    enum chat_refusal refusal;
    if (!chat_publish(gateway->parts.chat, member, &what, &refusal)) {
        gateway_record_change(gateway, index, RECORDER_PUBLISH_REFUSED, refusal);
        reply_error(gateway, index, message, session_refusal_reason(refusal));
        if (refusal == REFUSAL_BUSY)
            conn_pause_busy(gateway, index);
    } else if (is_whisper) {
        reply_ok(gateway, index, message, empty_object);
    }
}

static void ping(struct gateway *gateway, uint32_t index, const struct phoenix_message *message) {
    gateway_note_traffic(gateway, TRAFFIC_pings);
    reply_ok(gateway, index, message, message->is_binary ? empty_object : message->payload);
}

static void on_unjoined(struct gateway *gateway, uint32_t index,
                        const struct phoenix_message *message) {
    bool is_phoenix = bytes_equal(message->topic, BYTES_LITERAL("phoenix"));
    if (is_phoenix && bytes_equal(message->event, BYTES_LITERAL("heartbeat"))) {
        gateway_note_traffic(gateway, TRAFFIC_heartbeats);
        reply_ok(gateway, index, message, empty_object);
    } else if (is_phoenix && bytes_equal(message->event, BYTES_LITERAL("ping")))
        ping(gateway, index, message);
    else if (bytes_equal(message->event, BYTES_LITERAL("phx_join")))
        join(gateway, index, message);
    else if (bytes_equal(message->event, BYTES_LITERAL("phx_leave")))
        reply_ok(gateway, index, message, empty_object);
    else
        reply_error(gateway, index, message, "unmatched topic");
}

static void on_joined_topic(struct gateway *gateway, uint32_t index, uint32_t member,
                            const struct phoenix_message *message) {
    const struct chat *chat = gateway->parts.chat;
    if (bytes_equal(message->event, BYTES_LITERAL("phx_join"))) {
        leave(gateway, index, member, NULL, message->topic);
        join(gateway, index, message);
    } else if (message->join_ref.data &&
               !ref_tag_is(&gateway->refs, chat_member(chat, member)->tag, message->join_ref)) {
        return; // for a membership that has ended: phoenix.js lets these pass too
    } else if (bytes_equal(message->event, BYTES_LITERAL("ping"))) {
        ping(gateway, index, message);
    } else if (bytes_equal(message->event, BYTES_LITERAL("phx_leave"))) {
        leave(gateway, index, member, message, message->topic);
    } else if (is_reserved(message->event)) {
        reply_error(gateway, index, message, "reserved event");
    } else if (is_pending(chat, member)) {
        reply_error(gateway, index, message, "unmatched topic");
    } else {
        publish(gateway, index, member, message);
    }
}

// A message that is none: what its bytes cannot be is 1007, what they may be elsewhere is 1003.
static void on_bad(struct gateway *gateway, uint32_t index, enum phoenix_status status) {
    bool is_invalid =
        status == PHOENIX_BAD_JSON || status == PHOENIX_TOO_DEEP || status == PHOENIX_BINARY_NAME;
    conn_close(gateway, index,
               &(struct conn_farewell){.code = is_invalid ? WEBSOCKET_CLOSE_INVALID_DATA
                                                          : WEBSOCKET_CLOSE_UNSUPPORTED_DATA,
                                       .reason = bytes_from_string(phoenix_status_cause(status)),
                                       .counter = is_invalid ? COUNTER_CLOSED_UTF8
                                                             : COUNTER_CLOSED_MESSAGE});
}

void session_on_message(struct gateway *gateway, uint32_t index, enum websocket_opcode opcode,
                        struct bytes bytes) {
    struct phoenix_scratch scratch;
    struct phoenix_message message;
    enum phoenix_status status = opcode == WEBSOCKET_TEXT
                                     ? phoenix_decode_text(bytes, &scratch, &message)
                                     : phoenix_decode_binary(bytes, &message);
    if (UNLIKELY(status != PHOENIX_OK)) {
        on_bad(gateway, index, status);
        return;
    }
    uint32_t member = lookup(gateway, conn_at(gateway, index), message.topic);
    if (member == SLAB_NONE)
        on_unjoined(gateway, index, &message);
    else
        on_joined_topic(gateway, index, member, &message);
}
