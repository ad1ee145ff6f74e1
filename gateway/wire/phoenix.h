// Phoenix Channels, serializer 2.0.0: text messages [join_ref, ref, topic, event, payload] and the
// binary ones. Decoding gives views; payloads stay raw, as validated JSON or as binary bytes.
//
// Names (refs, topic, event) come out decoded: views of the input, or of the caller's scratch where
// they held JSON escapes. Encoders take decoded names, escape what needs it, and append to a writer
// whose overflow flag is the only error. Payloads given to encoders must be valid JSON.
//
// Refs are strings or null. An absent (null) ref is a view with data NULL.
//
// Pure functions, any thread. Source: docs/PROTOCOL.md, phoenix.js serializer.js,
// Phoenix.Socket.V2.JSONSerializer. docs/PROTOCOL.md restates it for users.
#ifndef FAIRLEAD_PHOENIX_H
#define FAIRLEAD_PHOENIX_H

#include "gateway/wire/wire_limits.h"
#include "sched/base/bytes.h"
#include "sched/base/check.h"

enum phoenix_status {
    PHOENIX_OK,
    PHOENIX_BAD_JSON,      // not valid JSON as a whole
    PHOENIX_TOO_DEEP,      // nested deeper than WIRE_JSON_DEPTH_MAX
    PHOENIX_NOT_ARRAY,     // JSON, but no array
    PHOENIX_TOO_FEW,       // fewer than five elements
    PHOENIX_BAD_JOIN_REF,  // neither a string nor null, or a lone surrogate in it
    PHOENIX_BAD_REF,       // the same
    PHOENIX_BAD_TOPIC,     // no string
    PHOENIX_BAD_EVENT,     // no string
    PHOENIX_LONG_JOIN_REF, // over WIRE_REF_BYTES_MAX
    PHOENIX_LONG_REF,      // over WIRE_REF_BYTES_MAX
    PHOENIX_LONG_TOPIC,    // over WIRE_TOPIC_BYTES_MAX
    PHOENIX_LONG_EVENT,    // over WIRE_EVENT_BYTES_MAX
    PHOENIX_BINARY_CUT,    // a binary message shorter than its sizes say
    PHOENIX_BINARY_KIND,   // a binary message of another kind than push
    PHOENIX_BINARY_NAME,   // a name in a binary message that is not UTF-8
};

// A static sentence for close reasons and logs.
const char *phoenix_status_cause(enum phoenix_status status);

struct phoenix_message {
    struct bytes join_ref;
    struct bytes ref;
    struct bytes topic;
    struct bytes event;
    struct bytes payload;
    bool is_binary; // payload is bytes, not JSON
};

// Room for every name at its limit.
#define PHOENIX_SCRATCH_BYTES (2 * WIRE_REF_BYTES_MAX + WIRE_TOPIC_BYTES_MAX + WIRE_EVENT_BYTES_MAX)

struct phoenix_scratch {
    uint8_t data[PHOENIX_SCRATCH_BYTES];
};

// One whole text message. Elements after the fifth are ignored (they must be valid JSON all the
// same). When the status is not OK, join_ref and ref are what was understood before the fault (data
// NULL otherwise), so that an error reply can be addressed.
MUST_USE enum phoenix_status phoenix_decode_text(struct bytes text, struct phoenix_scratch *scratch,
                                                 struct phoenix_message *message);

// One whole binary message of a client: 0, size(join_ref), size(ref), size(topic), size(event),
// the four names, the payload to the end. An empty ref is null.
MUST_USE enum phoenix_status phoenix_decode_binary(struct bytes data,
                                                   struct phoenix_message *message);

enum phoenix_topic {
    PHOENIX_TOPIC_ROOM,     // "room:" and a valid room name
    PHOENIX_TOPIC_PHOENIX,  // "phoenix": heartbeats
    PHOENIX_TOPIC_BAD_ROOM, // "room:" and a name against the rules of docs/PROTOCOL.md
    PHOENIX_TOPIC_OTHER,
};

// What a topic names. ROOM: *room is the name.
enum phoenix_topic phoenix_room_of_topic(struct bytes topic, struct bytes *room);

// 1 … WIRE_ROOM_BYTES_MAX bytes of UTF-8, no control characters, none of / + #.
bool phoenix_room_is_valid(struct bytes room);

// [join_ref, ref, topic, event, payload]: the text form that all those below are made of.
// `sequence` is the sixth element, 0: none. A room's messages have neither join_ref nor ref, and
// their sequence number; presence events are the same without one (phoenix.js takes a
// presence_state with a null join_ref, so one text serves several members).
void phoenix_encode_text(struct writer *w, const struct phoenix_message *message,
                         uint64_t sequence);

// An upper bound of what phoenix_encode_text appends for the message, a sequence number included.
size_t phoenix_encoded_size(const struct phoenix_message *message);

// Whose request is answered: join_ref, ref and topic of `request`. `response` is JSON.
void phoenix_encode_reply(struct writer *w, const struct phoenix_message *request, bool is_ok,
                          struct bytes response);

// The error reply {"reason": reason}; the reason is plain text.
void phoenix_encode_error_reply(struct writer *w, const struct phoenix_message *request,
                                const char *reason);

// The channel's end after a leave: phx_close with ref == join_ref.
void phoenix_encode_close(struct writer *w, struct bytes join_ref, struct bytes topic);

// Event gap {"from":N,"to":M}: these messages were lost to this member.
struct phoenix_gap {
    uint64_t from;
    uint64_t to;
};
void phoenix_encode_gap(struct writer *w, struct bytes topic, struct phoenix_gap gap);

// Binary frames of a server; names within their limits. Push carries no ref.
void phoenix_encode_binary_reply(struct writer *w, const struct phoenix_message *request,
                                 bool is_ok, struct bytes response);
void phoenix_encode_binary_push(struct writer *w, const struct phoenix_message *message);
void phoenix_encode_binary_broadcast(struct writer *w, struct bytes topic, struct bytes event,
                                     struct bytes payload);

// A client's binary push, for tests and the load generator.
void phoenix_encode_binary_client_push(struct writer *w, const struct phoenix_message *message);

// A client's join (ref == join_ref) and heartbeat; its push is phoenix_encode_text.
void phoenix_encode_join(struct writer *w, struct bytes join_ref, struct bytes topic,
                         struct bytes payload);
void phoenix_encode_heartbeat(struct writer *w, struct bytes ref);

#endif
