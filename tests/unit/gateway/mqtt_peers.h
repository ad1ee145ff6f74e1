// MQTT clients of the whole gateway on one core (rig.h): real connections, sessions, rooms and
// topics. Packets go in as structs, what comes back is read as lines of text. Header-only: one per
// test program.
#ifndef FAIRLEAD_TESTS_GATEWAY_MQTT_PEERS_H
#define FAIRLEAD_TESTS_GATEWAY_MQTT_PEERS_H

#define RIG_HAS_TOPICS true
#include "tests/unit/gateway/rig.h"

#include <stdarg.h>

#include "gateway/mqtt_session.h"
#include "gateway/wire/mqtt_connect.h"
#include "gateway/wire/mqtt_publish.h"
#include "gateway/wire/mqtt_subscribe.h"

struct peer {
    uint32_t at; // rig's
    uint8_t version;
    bool is_ws;
};

static inline void peers_open(void) {
    rig_config_default(&rig.config);
    rig.config.mqtt_receive_max = 8;
    rig.config.mqtt_inflight_max = 64;
    rig.config.mqtt_session_queue_max = 100;
    rig.config.mqtt_session_queue_bytes_max = 1 << 20;
    rig.config.mqtt_session_expiry_max_s = 86400;
    rig.config.mqtt_subscriptions_max = 4;
    rig.config.mqtt_topic_alias_max = 16;
    rig.config.mqtt_keep_alive_max_s = 3600;
    rig_open(64, 4);
}

// due = delivered + dropped + pending: nothing vanishes.
static inline void peers_audit(void) {
    ck_assert_uint_eq(RIG_COUNT(GATHERED), 0);
    ck_assert_uint_eq(RIG_COUNT(DUE), RIG_COUNT(DELIVERED) + counters_dropped(&rig.counters));
}

static inline void peers_close(void) {
    const struct slab *sessions = &rig.scheduler.kinds[KIND_MQTT_SESSION].slab;
    for (uint32_t i = 0; i < rig.peer_count; i++)
        rig_hangup(i);
    rig_turns(2);
    for (uint32_t i = 0; i < sessions->touched_count; i++)
        if (slab_is_used(sessions, i))
            scheduler_exit(&rig.scheduler, KIND_MQTT_SESSION, i, EXIT_SHUTDOWN);
    rig_turns(4);
    peers_audit();
    rig_close();
}

static inline void peer_send(const struct peer *peer, const struct writer *w) {
    ck_assert(!w->overflow);
    if (peer->is_ws)
        rig_frame(peer->at, WEBSOCKET_BINARY, writer_bytes(w));
    else
        rig_bytes(peer->at, writer_bytes(w));
}

static uint8_t peer_packet[1 << 18];

#define PEER_WRITER writer_on(peer_packet, sizeof(peer_packet))

// --- what came -----------------------------------------------------------------------------------

static char peer_text[1 << 17];
static size_t peer_text_size;

__attribute__((format(printf, 1, 2))) static inline void peer_put(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(peer_text + peer_text_size, sizeof(peer_text) - peer_text_size, format,
                         arguments);
    va_end(arguments);
    peer_text_size += (size_t)size;
    ck_assert_uint_lt(peer_text_size, sizeof(peer_text));
}

static inline void peer_show_publish(const struct mqtt_header *header, struct bytes body,
                                     enum mqtt_version version) {
    struct mqtt_publish p;
    struct mqtt_error error;
    ck_assert_int_eq(mqtt_decode_publish(body, header->flags, version, &p, &error), MQTT_OK);
    peer_put("%.*s=%.*s q%u", (int)p.topic.size, p.topic.data, (int)p.payload.size, p.payload.data,
             p.qos);
    if (p.packet_id)
        peer_put(" id%u", p.packet_id);
    if (p.is_retained)
        peer_put(" retain");
    if (p.is_duplicate)
        peer_put(" dup");
    struct mqtt_pair pair;
    for (size_t at = 0; version == MQTT_5 && mqtt_properties_next_user(&p.properties, &at, &pair);)
        peer_put(" %.*s:%.*s", (int)pair.name.size, pair.name.data, (int)pair.value.size,
                 pair.value.data);
    uint32_t id;
    for (size_t at = 0;
         version == MQTT_5 && mqtt_properties_next_subscription_id(&p.properties, &at, &id);)
        peer_put(" sub%u", id);
    if (mqtt_properties_has(&p.properties, MQTT_PROPERTY_message_expiry_s))
        peer_put(" expires%u", p.properties.message_expiry_s);
    peer_put("\n");
}

static inline void peer_show(const struct mqtt_header *header, struct bytes body,
                             enum mqtt_version version) {
    struct mqtt_error error;
    struct mqtt_ack ack;
    struct mqtt_suback suback;
    struct mqtt_farewell farewell;
    enum mqtt_type type = (enum mqtt_type)header->type;
    if (type == MQTT_PUBLISH) {
        peer_show_publish(header, body, version);
        return;
    }
    if (type == MQTT_SUBACK || (type == MQTT_UNSUBACK)) {
        ck_assert_int_eq(mqtt_decode_suback(body, type, version, &suback, &error), MQTT_OK);
        peer_put("%s %u", mqtt_type_name(type), suback.packet_id);
        for (size_t i = 0; i < suback.codes.size; i++)
            peer_put(" %02x", suback.codes.data[i]);
        peer_put("\n");
        return;
    }
    if (type >= MQTT_PUBACK && type <= MQTT_PUBCOMP) {
        ck_assert_int_eq(mqtt_decode_ack(body, type, version, &ack, &error), MQTT_OK);
        peer_put("%s %u %02x\n", mqtt_type_name(type), ack.packet_id, ack.reason);
        return;
    }
    if (type == MQTT_DISCONNECT) {
        ck_assert_int_eq(mqtt_decode_disconnect(body, version, &farewell, &error), MQTT_OK);
        peer_put("DISCONNECT %02x\n", farewell.reason);
        return;
    }
    peer_put("%s\n", mqtt_type_name(type));
}

// Everything that came since, a line each; packets of a WebSocket stand alone in their frames.
static inline const char *peer_heard(const struct peer *peer) {
    struct bytes unread = rig_unread(peer->at);
    peer_text_size = 0;
    peer_text[0] = 0;
    while (unread.size > 0) {
        struct mqtt_header header;
        struct mqtt_error error;
        if (peer->is_ws && unread.data[0] != 0x82)
            break; // a close frame
        if (peer->is_ws)
            unread = bytes_skip(unread, unread.data[1] < 126 ? 2 : unread.data[1] == 126 ? 4 : 10);
        ck_assert_int_eq(mqtt_decode_header(unread, 0, &header, &error), MQTT_OK);
        unread = bytes_skip(unread, header.size);
        ck_assert_uint_le(header.remaining_size, unread.size);
        peer_show(&header, bytes_of(unread.data, header.remaining_size),
                  (enum mqtt_version)peer->version);
        unread = bytes_skip(unread, header.remaining_size);
    }
    rig.peers[peer->at].out_read = rig.peers[peer->at].out_size;
    return peer_text;
}

#define EXPECT(peer, expected) ck_assert_str_eq(peer_heard(&(peer)), expected)

// --- what they say -------------------------------------------------------------------------------

struct coming {
    const char *id;
    const char *user; // NULL: none
    uint8_t version;  // 0: 5
    bool is_ws;
    bool is_kept; // session expiry of an hour, and no clean start
    uint32_t packet_bytes_max;
    const char *will; // topic; its body is "will"
};

static inline struct peer peer_come(const struct coming *coming) {
    struct peer peer = {.version = coming->version ? coming->version : (uint8_t)MQTT_5,
                        .is_ws = coming->is_ws,
                        .at = rig_connect()};
    if (peer.is_ws) {
        rig_string(peer.at, RIG_UPGRADE("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n"));
        rig_turn();
        ck_assert_ptr_nonnull(strstr(rig_answer(peer.at), "101 Switching"));
    }
    struct mqtt_connect connect = {.version = peer.version,
                                   .is_clean = !coming->is_kept,
                                   .keep_alive_s = 600,
                                   .client_id = bytes_from_string(coming->id)};
    if (coming->user) {
        connect.has_user_name = true;
        connect.user_name = bytes_from_string(coming->user);
    }
    if (coming->will) {
        connect.has_will = true;
        connect.will.topic = bytes_from_string(coming->will);
        connect.will.payload = BYTES_LITERAL("will");
    }
    if (coming->is_kept && peer.version == MQTT_5)
        MQTT_PROPERTIES_SET(&connect.properties, session_expiry_s, 3600);
    if (coming->packet_bytes_max)
        MQTT_PROPERTIES_SET(&connect.properties, packet_bytes_max, coming->packet_bytes_max);
    struct writer w = PEER_WRITER;
    mqtt_encode_connect(&w, &connect);
    peer_send(&peer, &w);
    rig_turns(2);
    const char *heard = peer_heard(&peer);
    ck_assert_int_eq(strncmp(heard, "CONNACK\n", 8), 0);
    if (coming->is_kept) { // what it was owed is for the test to see
        rig.peers[peer.at].out_read = 0;
        struct mqtt_header header;
        struct mqtt_error error;
        struct bytes all = rig_unread(peer.at);
        ck_assert_int_eq(mqtt_decode_header(all, 0, &header, &error), MQTT_OK);
        rig.peers[peer.at].out_read = header.size + header.remaining_size;
    }
    return peer;
}

static inline struct peer peer_5(const char *id) {
    return peer_come(&(struct coming){.id = id});
}

static inline struct peer peer_3(const char *id) {
    return peer_come(&(struct coming){.id = id, .version = MQTT_3_1_1});
}

struct saying {
    const char *topic;
    const char *body;
    uint8_t qos;
    uint16_t id;
    bool is_retained;
    bool is_duplicate;
    uint32_t expiry_s; // 0: none
    const char *user;  // value of a user property "k"
};

static inline void peer_publish(const struct peer *peer, const struct saying *saying) {
    static uint8_t raw[256];
    struct mqtt_publish publish = {.version = peer->version,
                                   .qos = saying->qos,
                                   .packet_id = saying->id,
                                   .is_retained = saying->is_retained,
                                   .is_duplicate = saying->is_duplicate,
                                   .topic = bytes_from_string(saying->topic),
                                   .payload = bytes_from_string(saying->body)};
    if (saying->expiry_s)
        MQTT_PROPERTIES_SET(&publish.properties, message_expiry_s, saying->expiry_s);
    struct writer more = writer_on(raw, sizeof(raw));
    if (saying->user)
        mqtt_properties_put_user(&more, BYTES_LITERAL("k"), bytes_from_string(saying->user));
    struct writer w = PEER_WRITER;
    mqtt_encode_publish_head(&w, &publish, writer_bytes(&more));
    writer_put(&w, publish.payload);
    peer_send(peer, &w);
    rig_turns(3);
}

#define SAY(peer, ...) peer_publish(&(peer), &(struct saying){__VA_ARGS__})

// Filters as `struct mqtt_filter`, up to 8.
static inline void peer_ask(const struct peer *peer, enum mqtt_type type, uint16_t packet_id,
                            uint32_t subscription_id, const struct mqtt_filter *filters,
                            uint32_t count) {
    struct mqtt_subscribe subscribe = {.version = peer->version,
                                       .has_options = type == MQTT_SUBSCRIBE,
                                       .packet_id = packet_id,
                                       .filter_count = count};
    if (subscription_id)
        MQTT_PROPERTIES_SET(&subscribe.properties, subscription_id, subscription_id);
    struct writer w = PEER_WRITER;
    mqtt_encode_subscribe(&w, type, &subscribe, filters);
    peer_send(peer, &w);
    rig_turns(4);
}

#define FILTER(filter, ...)                                                                        \
    (struct mqtt_filter) {                                                                         \
        .text = BYTES_LITERAL(filter), __VA_ARGS__                                                 \
    }

#define SUBSCRIBE_AS(peer, subscription_id, ...)                                                   \
    do {                                                                                           \
        const struct mqtt_filter peer_filters[] = {__VA_ARGS__};                                   \
        peer_ask(&(peer), MQTT_SUBSCRIBE, 1, subscription_id, peer_filters,                        \
                 sizeof(peer_filters) / sizeof(peer_filters[0]));                                  \
    } while (0)

#define SUBSCRIBE(peer, ...) SUBSCRIBE_AS(peer, 0, __VA_ARGS__)

#define UNSUBSCRIBE(peer, ...)                                                                     \
    do {                                                                                           \
        const struct mqtt_filter peer_filters[] = {__VA_ARGS__};                                   \
        peer_ask(&(peer), MQTT_UNSUBSCRIBE, 2, 0, peer_filters,                                    \
                 sizeof(peer_filters) / sizeof(peer_filters[0]));                                  \
    } while (0)

static inline void peer_ack(const struct peer *peer, enum mqtt_type type, uint16_t packet_id) {
    struct writer w = PEER_WRITER;
    mqtt_encode_ack(&w, type, &(struct mqtt_ack){.version = peer->version, .packet_id = packet_id});
    peer_send(peer, &w);
    rig_turns(2);
}

#endif
