// PUBLISH and its answers. SUBSCRIBE and UNSUBSCRIBE are in mqtt_filters.c.
//
// An answer finds its way by (publisher's pid, note); the note says packet id, QoS and for which
// connection of the session: what a former one asked is not answered to a client that has sent the
// packet again (4.4), or has given its identifier to another.
//
// PUBACKs and PUBRECs leave in the order in which the owners of topics and rooms accept, which may
// differ from that of the PUBLISHes when they went to different ones. [MQTT-4.6.0-2 … 4] bind the
// client; what a server owes is the order of messages within a topic [MQTT-4.6.0-5], and that one
// slow owner holds back no other's answers is worth more than an order that no client relies on.
#include "gateway/mqtt_routes.h"

#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_format.h"
#include "gateway/mqtt_inbox.h"
#include "gateway/mqtt_filters.h"
#include "gateway/mqtt_pending.h"
#include "gateway/mqtt_rooms.h"
#include "gateway/wire/json.h"
#include "gateway/wire/mqtt_topic.h"
#include "gateway/wire/phoenix.h"
#include "sched/base/clock.h"
#include "sched/base/hash.h"
#include "topics/topic_message.h"

// --- notes ---------------------------------------------------------------------------------------

#define NOTE_QOS_SHIFT 16u
#define NOTE_EPOCH_SHIFT 18u
#define NOTE_EPOCH_BITS 14u

// Of the session's connection. Two that follow each other differ: each slot's generation moves on
// with every use, and the index is spread over all bits.
static uint32_t epoch_of(const struct gateway *gateway, const struct mqtt_session *session) {
    const struct slab *slab = &gateway->parts.scheduler->kinds[KIND_CONNECTION].slab;
    struct handle handle = slab_handle(slab, session->conn);
    uint32_t spread = handle.index * 0x9e3779b1u >> (32 - NOTE_EPOCH_BITS);
    return (spread + handle.generation) & ((1u << NOTE_EPOCH_BITS) - 1);
}

static uint32_t note_of(const struct gateway *gateway, const struct mqtt_session *session,
                        const struct mqtt_publish *publish) {
    if (publish->qos == 0)
        return 0;
    return publish->packet_id | (uint32_t)publish->qos << NOTE_QOS_SHIFT |
           epoch_of(gateway, session) << NOTE_EPOCH_SHIFT;
}

// --- answers -------------------------------------------------------------------------------------

// What the owner of a topic or room said.
struct accepted {
    uint64_t publisher;
    uint32_t note;
    bool has_receivers;
    enum mqtt_reason refusal; // MQTT_SUCCESS: none
    const char *cause;
};

struct answer {
    uint16_t packet_id;
    uint8_t qos;
    enum mqtt_reason reason;
    const char *cause; // for people, NULL: none
};

// PUBACK or PUBREC. 3.1.1 has no way to say no: the caller closes, or says yes.
static void send_answer(struct gateway *gateway, uint32_t index, const struct answer *answer) {
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    bool is_5 = mqtt_session_has(session, MQTT_SESSION_5);
    struct mqtt_ack ack = {.version = is_5 ? MQTT_5 : MQTT_3_1_1,
                           .reason = (uint8_t)(is_5 ? answer->reason : MQTT_SUCCESS),
                           .packet_id = answer->packet_id};
    uint8_t bytes[192];
    bool may_explain = is_5 && answer->cause && mqtt_session_has(session, MQTT_SESSION_PROBLEMS) &&
                       (session->packet_bytes_max == 0 || // [MQTT-3.4.2-2], [MQTT-3.5.2-2]
                        session->packet_bytes_max >= sizeof(bytes));
    if (may_explain)
        MQTT_PROPERTIES_SET(&ack.properties, reason_string, bytes_from_string(answer->cause));
    struct writer w = writer_on(bytes, sizeof(bytes));
    mqtt_encode_ack(&w, answer->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, &ack);
    CHECK(!w.overflow);
    mqtt_conn_send(gateway, session->conn, writer_bytes(&w));
}

// What one who is not told of it sees: 3.1.1 and QoS 0.
static void note_refusal(struct gateway *gateway, uint32_t index) {
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    gateway_count(gateway, COUNTER_MQTT_PUBLISHES_REFUSED);
    if (session->conn != SLAB_NONE)
        gateway_record_change(gateway, session->conn, RECORDER_PUBLISH_REFUSED, REFUSAL_BUSY);
}

static void on_accepted(struct gateway *gateway, const struct accepted *what) {
    uint32_t index = mqtt_session_lookup(gateway, what->publisher);
    if (index == SLAB_NONE)
        return;
    const struct mqtt_session *session = mqtt_session_at(gateway, index);
    struct answer answer = {.packet_id = (uint16_t)what->note,
                            .qos = what->note >> NOTE_QOS_SHIFT & 3,
                            .reason =
                                what->has_receivers ? MQTT_SUCCESS : MQTT_NO_MATCHING_SUBSCRIBERS};
    // A QoS 2 has one answer, whichever connection it was sent on: sent again meanwhile it is not
    // passed on, and waits for this one (mqtt_inbox.h). A QoS 1 was forgotten with its connection.
    bool is_now = session->conn != SLAB_NONE &&
                  (answer.qos == 2 || what->note >> NOTE_EPOCH_SHIFT == epoch_of(gateway, session));
    if (what->refusal != MQTT_SUCCESS) {
        answer.reason = what->refusal;
        answer.cause = what->cause;
        note_refusal(gateway, index);
    }
    if (answer.qos == 2 && what->refusal == MQTT_SUCCESS)
        is_now &= mqtt_inbox_accept(gateway, index, answer.packet_id);
    else if (answer.qos == 2 || is_now)
        mqtt_inbox_end(gateway, index, answer.packet_id);
    if (!is_now)
        return;
    if (what->refusal != MQTT_SUCCESS && !mqtt_session_has(session, MQTT_SESSION_5))
        conn_doom(gateway, session->conn, false);
    else
        send_answer(gateway, index, &answer);
}

// --- PUBLISH -------------------------------------------------------------------------------------

// Why a PUBLISH goes nowhere.
struct verdict {
    enum mqtt_reason reason;
    const char *cause;
    bool is_for_later; // busy: it may be offered again
};

static const struct verdict fine = {.reason = MQTT_SUCCESS};

enum mqtt_routes_place mqtt_routes_place_of(struct bytes topic, struct bytes *room) {
    const struct bytes prefix = BYTES_LITERAL(MQTT_FORMAT_ROOM_PREFIX);
    const struct bytes suffix = BYTES_LITERAL(MQTT_FORMAT_PRESENCE_SUFFIX);
    if (topic.size > 0 && topic.data[0] == '$')
        return MQTT_PLACE_SERVER;
    if (!bytes_starts_with(topic, prefix))
        return MQTT_PLACE_TOPIC;
    *room = bytes_skip(topic, prefix.size);
    if (phoenix_room_is_valid(*room))
        return MQTT_PLACE_ROOM;
    bool is_long = room->size > suffix.size;
    size_t name_size = is_long ? room->size - suffix.size : 0;
    if (!is_long || !bytes_equal(bytes_skip(*room, name_size), suffix))
        return MQTT_PLACE_BAD_ROOM;
    room->size = name_size;
    return phoenix_room_is_valid(*room) ? MQTT_PLACE_PRESENCE : MQTT_PLACE_BAD_ROOM;
}

static struct verdict of_topics(enum topics_refusal refusal) {
    switch (refusal) {
    case TOPICS_OK:
        break;
    case TOPICS_BUSY:
        return (struct verdict){MQTT_QUOTA_EXCEEDED, "busy", true};
    case TOPICS_MEMORY:
        return (struct verdict){MQTT_QUOTA_EXCEEDED, "out of memory", false};
    case TOPICS_LEVELS:
        return (struct verdict){MQTT_TOPIC_NAME_INVALID, "too many levels", false};
    }
    return fine;
}

static struct verdict of_chat(enum chat_refusal refusal) {
    switch (refusal) {
    case REFUSAL_BUSY:
        return (struct verdict){MQTT_QUOTA_EXCEEDED, "busy", true};
    case REFUSAL_TOO_MANY_ROOMS:
        return (struct verdict){MQTT_QUOTA_EXCEEDED, "too many rooms", false};
    case REFUSAL_MEMORY:
        return (struct verdict){MQTT_QUOTA_EXCEEDED, "out of memory", false};
    case REFUSAL_RESTARTED:
        return (struct verdict){MQTT_QUOTA_EXCEEDED, "room restarted", false};
    case REFUSAL_NONE:
        break;
    }
    return fine;
}

void mqtt_routes_on_topic_published(struct gateway *gateway,
                                    const struct topics_published *published) {
    struct verdict verdict = of_topics(published->refusal);
    const struct accepted what = {.publisher = published->publisher,
                                  .note = published->note,
                                  .has_receivers = published->has_subscribers,
                                  .refusal = verdict.reason,
                                  .cause = verdict.cause};
    on_accepted(gateway, &what);
}

void mqtt_routes_on_room_published(struct gateway *gateway,
                                   const struct chat_published_to *published) {
    struct verdict verdict = of_chat(published->refusal);
    const struct accepted what = {.publisher = published->publisher,
                                  .note = published->note,
                                  .has_receivers = published->has_members,
                                  .refusal = verdict.reason,
                                  .cause = verdict.cause};
    on_accepted(gateway, &what);
}

// Into a room as event `shout`: JSON as it is, other bytes as a binary frame, decided once.
static struct verdict publish_to_room(struct gateway *gateway, const struct topic_message *message,
                                      struct bytes room, uint32_t note) {
    const struct chat_publish publish = {
        .event = BYTES_LITERAL(MQTT_FORMAT_SHOUT),
        .body = message->body,
        .is_binary = json_scan_text(message->body) != JSON_OK,
        .properties = message->properties,
        .publisher = message->publisher,
        .expires_ns = message->expires_ns,
        .qos = message->qos,
        .is_retained = message->is_retained,
    };
    enum chat_refusal refusal;
    if (chat_publish_to(gateway->parts.chat, room, &publish, note, &refusal))
        return fine;
    return of_chat(refusal);
}

static struct verdict pass_on(struct gateway *gateway, const struct topic_message *message,
                              uint32_t note) {
    struct bytes room;
    enum topics_refusal refusal;
    switch (mqtt_routes_place_of(message->topic, &room)) {
    case MQTT_PLACE_SERVER: // 4.7.2: such names are not for clients to talk to each other
        return (struct verdict){MQTT_NOT_AUTHORIZED, "topics that begin with $ are read only",
                                false};
    case MQTT_PLACE_PRESENCE:
        return (struct verdict){MQTT_NOT_AUTHORIZED, "presence is read only", false};
    case MQTT_PLACE_BAD_ROOM:
        return (struct verdict){MQTT_TOPIC_NAME_INVALID, "invalid room name", false};
    case MQTT_PLACE_ROOM:
        return publish_to_room(gateway, message, room, note);
    case MQTT_PLACE_TOPIC:
        if (topics_publish(gateway->parts.topics, message, note, &refusal))
            return fine;
        return of_topics(refusal);
    }
    UNREACHABLE();
}

static uint64_t expires_ns(const struct gateway *gateway, const struct mqtt_properties *p) {
    if (!mqtt_properties_has(p, MQTT_PROPERTY_message_expiry_s))
        return 0;
    return gateway_now_ns(gateway) + p->message_expiry_s * NS_PER_S;
}

static struct verdict take(struct gateway *gateway, uint32_t index,
                           const struct mqtt_publish *publish, struct bytes topic) {
    struct mqtt_format_block block;
    if (!mqtt_format_block_take(gateway, &publish->properties, &block))
        return of_topics(TOPICS_MEMORY);
    const struct topic_message message = {
        .topic = topic,
        .body = publish->payload,
        .properties = block.bytes,
        .publisher = mqtt_session_pid(gateway, index),
        .expires_ns = expires_ns(gateway, &publish->properties),
        .qos = publish->qos,
        .is_retained = publish->is_retained,
    };
    struct verdict verdict =
        pass_on(gateway, &message, note_of(gateway, mqtt_session_at(gateway, index), publish));
    mqtt_format_block_release(gateway, &block);
    return verdict;
}

static enum mqtt_next stop(struct gateway *gateway, uint32_t index, enum mqtt_reason reason,
                           const char *cause, enum counter counter) {
    mqtt_conn_close(gateway, mqtt_session_at(gateway, index)->conn, reason, cause, counter);
    return MQTT_STOP;
}

// It was refused for good. What 3.1.1 cannot be told is either of no use to repeat (acknowledged
// and dropped), or ends the connection, so that the client keeps the message and comes again.
static enum mqtt_next refuse(struct gateway *gateway, uint32_t index,
                             const struct mqtt_publish *publish, const struct verdict *verdict) {
    bool is_5 = mqtt_session_has(mqtt_session_at(gateway, index), MQTT_SESSION_5);
    note_refusal(gateway, index);
    if (publish->qos == 0)
        return MQTT_NEXT;
    if (!is_5 && verdict->reason == MQTT_QUOTA_EXCEEDED) {
        mqtt_inbox_end(gateway, index, publish->packet_id); // sent again it is new
        return stop(gateway, index, verdict->reason, verdict->cause, COUNTER_CLOSED_POLICY);
    }
    const struct answer answer = {.packet_id = publish->packet_id,
                                  .qos = publish->qos,
                                  .reason = verdict->reason,
                                  .cause = verdict->cause};
    // A 3.1.1 client releases its QoS 2 yet: as accepted.
    if (is_5 || publish->qos == 1 || !mqtt_inbox_accept(gateway, index, publish->packet_id))
        mqtt_inbox_end(gateway, index, publish->packet_id);
    send_answer(gateway, index, &answer);
    return MQTT_NEXT;
}

// QoS 1 and 2: *next is what to do when it goes no further.
static bool begin(struct gateway *gateway, uint32_t index, const struct mqtt_publish *publish,
                  enum mqtt_next *next) {
    bool is_5 = mqtt_session_has(mqtt_session_at(gateway, index), MQTT_SESSION_5);
    struct answer answer = {.packet_id = publish->packet_id, .qos = publish->qos};
    *next = MQTT_NEXT;
    switch (mqtt_inbox_begin(gateway, index, publish->packet_id, publish->qos)) {
    case MQTT_INBOX_NEW:
        return true;
    case MQTT_INBOX_DUPLICATE: // unless its answer is on the way
        if (mqtt_inbox_has(gateway, index, publish->packet_id))
            send_answer(gateway, index, &answer);
        return false;
    case MQTT_INBOX_IN_USE:
        if (publish->is_duplicate) // its answer is on the way
            return false;
        if (!is_5) {
            *next = stop(gateway, index, MQTT_PACKET_ID_IN_USE, "packet id in use",
                         COUNTER_CLOSED_PROTOCOL);
            return false;
        }
        answer.reason = MQTT_PACKET_ID_IN_USE;
        send_answer(gateway, index, &answer);
        return false;
    case MQTT_INBOX_FULL: // 3.3.4: more than our receive maximum
        *next = stop(gateway, index, MQTT_RECEIVE_MAXIMUM_EXCEEDED,
                     "more QoS 1 and 2 than the receive maximum [MQTT-3.3.4-7]",
                     COUNTER_CLOSED_PROTOCOL);
        return false;
    case MQTT_INBOX_MEMORY:
        *next = stop(gateway, index, MQTT_QUOTA_EXCEEDED, "out of memory", COUNTER_CLOSED_MEMORY);
        return false;
    }
    UNREACHABLE();
}

enum mqtt_next mqtt_routes_publish(struct gateway *gateway, uint32_t index,
                                   const struct mqtt_publish *publish) {
    static const enum counter counters[] = {COUNTER_MQTT_PUBLISHES_0, COUNTER_MQTT_PUBLISHES_1,
                                            COUNTER_MQTT_PUBLISHES_2};
    struct bytes topic = publish->topic;
    enum mqtt_reason reason;
    enum mqtt_next next;
    if (mqtt_properties_has(&publish->properties, MQTT_PROPERTY_subscription_id))
        return stop(gateway, index, MQTT_PROTOCOL_ERROR,
                    "a subscription identifier from a client [MQTT-3.3.4-6]",
                    COUNTER_CLOSED_PROTOCOL);
    if (publish->version == MQTT_5 &&
        !mqtt_inbox_resolve_alias(gateway, index, publish, &topic, &reason))
        return stop(gateway, index, reason, "topic alias [MQTT-3.3.2-9]", COUNTER_CLOSED_PROTOCOL);
    if (publish->qos > 0 && !begin(gateway, index, publish, &next))
        return next;
    struct verdict verdict = take(gateway, index, publish, topic);
    if (verdict.is_for_later) {
        if (publish->qos > 0)
            mqtt_inbox_end(gateway, index, publish->packet_id);
        return MQTT_RETRY;
    }
    gateway_count(gateway, counters[publish->qos]);
    return verdict.reason == MQTT_SUCCESS ? MQTT_NEXT : refuse(gateway, index, publish, &verdict);
}

void mqtt_routes_publish_message(struct gateway *gateway, const struct topic_message *message) {
    struct verdict verdict = pass_on(gateway, message, 0);
    if (verdict.reason != MQTT_SUCCESS)
        gateway_count(gateway, COUNTER_MQTT_PUBLISHES_REFUSED);
}

// --- sessions ------------------------------------------------------------------------------------

enum mqtt_next mqtt_routes_subscribe(struct gateway *gateway, uint32_t session,
                                     const struct mqtt_subscribe *subscribe) {
    return mqtt_filters_subscribe(gateway, session, subscribe);
}

enum mqtt_next mqtt_routes_unsubscribe(struct gateway *gateway, uint32_t session,
                                       const struct mqtt_subscribe *unsubscribe) {
    return mqtt_filters_unsubscribe(gateway, session, unsubscribe);
}

void mqtt_routes_readdress(struct gateway *gateway, uint32_t session) {
    mqtt_rooms_readdress(gateway, session);
    mqtt_filters_readdress(gateway, session);
}

void mqtt_routes_leave_all(struct gateway *gateway, uint32_t session) {
    mqtt_pending_release(gateway, session);
    mqtt_rooms_leave_all(gateway, session);
    mqtt_filters_leave_all(gateway, session);
}

void mqtt_routes_on_offline(struct gateway *gateway, uint32_t session) {
    mqtt_pending_release(gateway, session);
}
