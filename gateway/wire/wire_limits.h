// Bounds of the wire formats, in one place: what a peer may send at most, before any budget that is
// configured. All are inclusive and in bytes unless the name says otherwise.
#ifndef FAIRLEAD_WIRE_LIMITS_H
#define FAIRLEAD_WIRE_LIMITS_H

// HTTP (RFC 9112 leaves the bounds to us; beyond them 414 and 431).
#define WIRE_HTTP_TARGET_BYTES_MAX 4096
#define WIRE_HTTP_HEAD_BYTES_MAX 8192
#define WIRE_HTTP_HEADERS_MAX 64 // count

// WebSocket (RFC 6455 5.5: control frames).
#define WIRE_CONTROL_BYTES_MAX 125
#define WIRE_CLOSE_REASON_BYTES_MAX (WIRE_CONTROL_BYTES_MAX - 2)

// JSON: arrays and objects inside each other.
#define WIRE_JSON_DEPTH_MAX 64 // count

// Phoenix names, decoded from their JSON escapes.
#define WIRE_ROOM_BYTES_MAX 128
#define WIRE_TOPIC_PREFIX_BYTES 5 // "room:"
#define WIRE_TOPIC_BYTES_MAX (WIRE_TOPIC_PREFIX_BYTES + WIRE_ROOM_BYTES_MAX)
#define WIRE_EVENT_BYTES_MAX 128
#define WIRE_REF_BYTES_MAX 64

// Binary frames carry each size in one byte.
_Static_assert(WIRE_TOPIC_BYTES_MAX <= 255 && WIRE_EVENT_BYTES_MAX <= 255 &&
                   WIRE_REF_BYTES_MAX <= 255,
               "names fit the one-byte sizes of Phoenix binary frames");

#endif
