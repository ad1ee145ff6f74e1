// MQTT clients over the rig: packets to the gateway, packets back, over TCP or in binary frames;
// sessions are stand-ins. Header-only: one per test program.
#ifndef FAIRLEAD_TESTS_GATEWAY_MQTT_CONN_RIG_H
#define FAIRLEAD_TESTS_GATEWAY_MQTT_CONN_RIG_H

#include "tests/unit/gateway/rig.h"

#include "tests/unit/gateway/mqtt_conn_standin.h"

static inline void mqtt_rig_open(void) {
    memset(&standin, 0, sizeof(standin));
    rig_config_default(&rig.config);
    rig.config.mqtt_receive_max = 1000;
    rig.config.mqtt_topic_alias_max = 16;
    rig.config.mqtt_keep_alive_max_s = 3600;
    rig.config.mqtt_session_expiry_max_s = 86400;
    rig_open(32, 4);
    if (!rig.scheduler.kinds[KIND_MQTT_SESSION].behaviour)
        ck_assert_int_eq(mqtt_session_open(&rig.gateway), 0);
}

// What a connection closed with still waits for its turn.
static inline void mqtt_rig_close(void) {
    rig_turns(2);
    rig_close();
    ck_assert_uint_eq(rig.scheduler.kinds[KIND_MQTT_SESSION].slab.used_count, 0);
}

static inline struct bytes mqtt_rig_connect_packet(const struct mqtt_connect *connect) {
    static uint8_t packet[1 << 17];
    struct writer w = writer_on(packet, sizeof(packet));
    mqtt_encode_connect(&w, connect);
    ck_assert(!w.overflow);
    return writer_bytes(&w);
}

// Bytes of MQTT, in a frame where the peer is a WebSocket.
static inline void mqtt_rig_send(uint32_t peer, bool is_ws, struct bytes bytes) {
    if (is_ws)
        rig_frame(peer, WEBSOCKET_BINARY, bytes);
    else
        rig_bytes(peer, bytes);
}

// What came since, as hexadecimal digits: packets, or frames with their headers.
static inline const char *mqtt_rig_heard(uint32_t peer) {
    static char text[1 << 17];
    struct bytes unread = rig_unread(peer);
    text[0] = 0;
    for (size_t i = 0; i < unread.size && i < sizeof(text) / 2 - 1; i++)
        snprintf(text + 2 * i, 3, "%02x", unread.data[i]);
    rig.peers[peer].out_read += unread.size;
    return text;
}

static inline uint32_t mqtt_rig_ws(void) {
    uint32_t peer = rig_connect();
    rig_string(peer, RIG_UPGRADE("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n"));
    rig_turn();
    ck_assert_ptr_nonnull(strstr(rig_answer(peer), "Sec-WebSocket-Protocol: mqtt"));
    return peer;
}

// Connected with a CONNECT of this version and client id; what was said of it is thrown away.
static inline uint32_t mqtt_rig_client(uint8_t version, bool is_ws, const char *client_id) {
    uint32_t peer = is_ws ? mqtt_rig_ws() : rig_connect();
    mqtt_rig_send(
        peer, is_ws,
        mqtt_rig_connect_packet(&(struct mqtt_connect){.version = version,
                                                       .is_clean = true,
                                                       .keep_alive_s = 20,
                                                       .client_id = bytes_from_string(client_id)}));
    rig_turn();
    (void)standin_said();
    ck_assert_ptr_nonnull(strstr(mqtt_rig_heard(peer), "20"));
    return peer;
}

static inline struct conn *mqtt_rig_conn(uint32_t peer) {
    return conn_at(&rig.gateway, rig_slot(peer)->owner);
}

static inline bool mqtt_rig_is_closed(uint32_t peer) {
    rig_turns(2);
    return !rig.peers[peer].is_open;
}

#endif
