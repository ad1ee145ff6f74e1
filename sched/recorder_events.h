// What the flight recorder notes of an actor's life: one row per type of event, for all layers, as
// sched/base/counters.h has their counters. A row is X(id, name, detail): `name` stands in the
// answers of the control plane, `detail` says what the event's 24 bits mean there:
//   ""          nothing
//   "room"      registry_tag of the room's name (sched/registry.h)
//   "code"      of a WebSocket close frame (RFC 6455 7.4; 1005: an empty frame)
//   others      a number, or one of the words that gateway/life_words.c lists for that event
// Nothing is noted per delivery or per message that went well.
#ifndef FAIRLEAD_RECORDER_EVENTS_H
#define FAIRLEAD_RECORDER_EVENTS_H

#define RECORDER_EVENTS_SCHED(X) X(MOVED, "moved", "core")

#define RECORDER_EVENTS_CONNECTION(X)                                                              \
    X(ACCEPTED, "accepted", "admission")                                                           \
    X(UPGRADED, "upgraded", "protocol")                                                            \
    X(HTTP_REFUSED, "http_refused", "status")                                                      \
    X(TLS_REFUSED, "tls_refused", "")                                                              \
    X(HANDSHAKE_TIMEOUT, "handshake_timeout", "after_s")                                           \
    X(JOINED, "joined", "room")                                                                    \
    X(JOIN_REFUSED, "join_refused", "reason")                                                      \
    X(LEFT, "left", "room")                                                                        \
    X(LEFT_ALL, "left_all", "rooms")                                                               \
    X(PUBLISH_REFUSED, "publish_refused", "reason")                                                \
    X(TOO_BIG, "message_too_big", "limit_kib")                                                     \
    X(PAUSED, "reading_paused", "cause")                                                           \
    X(RESUMED, "reading_resumed", "cause")                                                         \
    X(PRESENCE_MISSED, "presence_missed", "")                                                      \
    X(DROPPED, "dropping", "room")                                                                 \
    X(GAP_TOLD, "gap_told", "messages")                                                            \
    X(DOOMED, "doomed", "cause")                                                                   \
    X(SILENT, "silent", "for_s")                                                                   \
    X(DRAINED, "drained", "")                                                                      \
    X(CLOSE_RECEIVED, "close_received", "code")                                                    \
    X(CLOSE_SENT, "close_sent", "code")                                                            \
    X(MOVE_OFF, "move_called_off", "")                                                             \
    X(MQTT_OPENED, "mqtt_connected", "over")                                                       \
    X(MQTT_REFUSED, "mqtt_refused", "mqtt_reason")                                                 \
    X(MQTT_CLOSED, "mqtt_closed", "mqtt_reason")                                                   \
    X(CUT, "cut", "")                                                                              \
    X(ENDED, "stream_ended", "by")

#define RECORDER_EVENTS_ROOM(X)                                                                    \
    X(ROOM_MADE, "room_made", "")                                                                  \
    X(ROOM_EMPTY, "room_empty", "")                                                                \
    X(ROOM_OCCUPIED, "room_occupied", "")                                                          \
    X(ROOM_LOST, "room_lost_messages", "core")

#define RECORDER_EVENTS(X)                                                                         \
    RECORDER_EVENTS_SCHED(X) RECORDER_EVENTS_CONNECTION(X) RECORDER_EVENTS_ROOM(X)

enum recorder_event_type {
    RECORDER_NOTHING, // an event that was never written
#define X(id, name, detail) RECORDER_##id,
    RECORDER_EVENTS(X)
#undef X
        RECORDER_TYPE_COUNT
};

_Static_assert(RECORDER_TYPE_COUNT <= 256, "8 bits of an event");

#endif
