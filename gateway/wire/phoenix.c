// Text messages are read from the left, one element at a time, each validated by the scanner of
// json.c as it is passed; nothing is read twice except names that hold escapes.
#include "gateway/wire/phoenix.h"

#include "gateway/wire/json.h"
#include "gateway/wire/utf8.h"

#define BINARY_CLIENT_HEADER_BYTES 5
#define SEQUENCE_BYTES_MAX 21 // a comma and 2^64 - 1

enum binary_kind {
    BINARY_PUSH = 0,
    BINARY_REPLY = 1,
    BINARY_BROADCAST = 2,
};

const char *phoenix_status_cause(enum phoenix_status status) {
    switch (status) {
    case PHOENIX_OK:
        return "no fault";
    case PHOENIX_BAD_JSON:
        return "message is not valid JSON";
    case PHOENIX_TOO_DEEP:
        return "JSON nested too deep";
    case PHOENIX_NOT_ARRAY:
        return "message is not an array";
    case PHOENIX_TOO_FEW:
        return "message has fewer than five elements";
    case PHOENIX_BAD_JOIN_REF:
        return "join_ref is neither a string nor null";
    case PHOENIX_BAD_REF:
        return "ref is neither a string nor null";
    case PHOENIX_BAD_TOPIC:
        return "topic is not a string";
    case PHOENIX_BAD_EVENT:
        return "event is not a string";
    case PHOENIX_LONG_JOIN_REF:
        return "join_ref is too long";
    case PHOENIX_LONG_REF:
        return "ref is too long";
    case PHOENIX_LONG_TOPIC:
        return "topic is too long";
    case PHOENIX_LONG_EVENT:
        return "event is too long";
    case PHOENIX_BINARY_CUT:
        return "binary message is shorter than its sizes";
    case PHOENIX_BINARY_KIND:
        return "binary message is not a push";
    case PHOENIX_BINARY_NAME:
        return "name in a binary message is not UTF-8";
    }
    UNREACHABLE();
}

static enum phoenix_status status_of_json(enum json_status status) {
    return status == JSON_TOO_DEEP ? PHOENIX_TOO_DEEP : PHOENIX_BAD_JSON;
}

// What an element may be and what it is called when it is not.
struct name_rule {
    size_t size_max;
    bool is_nullable;
    enum phoenix_status bad;
    enum phoenix_status too_long;
};

// A string (or null) at *at, decoded; scratch holds it when it has escapes.
static enum phoenix_status decode_name(struct bytes text, size_t *at, const struct name_rule *rule,
                                       struct writer *scratch, struct bytes *name) {
    size_t begin = *at, end;
    if (begin == text.size)
        return PHOENIX_BAD_JSON;
    if (text.data[begin] != '"') {
        enum json_status status = json_scan_value(text, begin, at);
        if (status != JSON_OK)
            return status_of_json(status);
        if (!rule->is_nullable || text.data[begin] != 'n')
            return rule->bad;
        *name = (struct bytes){0};
        return PHOENIX_OK;
    }
    enum json_status status = json_scan_string(text, begin, &end);
    if (UNLIKELY(status != JSON_OK))
        return status_of_json(status);
    *at = end;
    struct bytes raw = bytes_of(text.data + begin + 1, end - begin - 2);
    if (raw.size == 0 || memchr(raw.data, '\\', raw.size) == NULL) {
        if (raw.size > rule->size_max)
            return rule->too_long;
        *name = raw;
        return PHOENIX_OK;
    }
    struct writer w = writer_on(scratch->data + scratch->size, rule->size_max);
    if (!json_decode_string(bytes_of(text.data + begin, end - begin), &w))
        return rule->bad; // a lone surrogate
    if (w.overflow)
        return rule->too_long;
    scratch->size += w.size;
    *name = writer_bytes(&w);
    return PHOENIX_OK;
}

// After an element: the comma, and the whitespace around it. OK: *at is at the next element.
static enum phoenix_status next_element(struct bytes text, size_t *at) {
    *at = json_skip_whitespace(text, *at);
    if (*at == text.size)
        return PHOENIX_BAD_JSON;
    if (text.data[*at] != ',')
        return text.data[*at] == ']' ? PHOENIX_TOO_FEW : PHOENIX_BAD_JSON;
    *at = json_skip_whitespace(text, *at + 1);
    return PHOENIX_OK;
}

// Elements after the fifth, the closing bracket, and the text's end.
static enum phoenix_status finish_array(struct bytes text, size_t at) {
    enum phoenix_status status;
    while ((status = next_element(text, &at)) == PHOENIX_OK) {
        enum json_status extra = json_scan_value(text, at, &at);
        if (extra != JSON_OK)
            return status_of_json(extra);
    }
    if (status != PHOENIX_TOO_FEW) // which is next_element's word for the bracket
        return status;
    return json_skip_whitespace(text, at + 1) == text.size ? PHOENIX_OK : PHOENIX_BAD_JSON;
}

enum phoenix_status phoenix_decode_text(struct bytes text, struct phoenix_scratch *scratch,
                                        struct phoenix_message *message) {
    static const struct name_rule rules[] = {
        {WIRE_REF_BYTES_MAX, true, PHOENIX_BAD_JOIN_REF, PHOENIX_LONG_JOIN_REF},
        {WIRE_REF_BYTES_MAX, true, PHOENIX_BAD_REF, PHOENIX_LONG_REF},
        {WIRE_TOPIC_BYTES_MAX, false, PHOENIX_BAD_TOPIC, PHOENIX_LONG_TOPIC},
        {WIRE_EVENT_BYTES_MAX, false, PHOENIX_BAD_EVENT, PHOENIX_LONG_EVENT},
    };
    *message = (struct phoenix_message){0};
    struct bytes *const names[] = {&message->join_ref, &message->ref, &message->topic,
                                   &message->event};
    size_t at = json_skip_whitespace(text, 0);
    if (at == text.size || text.data[at] != '[') {
        enum json_status status = json_scan_text(text);
        return status == JSON_OK ? PHOENIX_NOT_ARRAY : status_of_json(status);
    }
    at = json_skip_whitespace(text, at + 1);
    if (at < text.size && text.data[at] == ']')
        return json_skip_whitespace(text, at + 1) == text.size ? PHOENIX_TOO_FEW : PHOENIX_BAD_JSON;

    struct writer names_decoded = writer_on(scratch->data, sizeof(scratch->data));
    for (size_t i = 0; i < 4; i++) {
        enum phoenix_status status = decode_name(text, &at, &rules[i], &names_decoded, names[i]);
        if (status == PHOENIX_OK)
            status = next_element(text, &at);
        if (UNLIKELY(status != PHOENIX_OK))
            return status;
    }
    size_t payload_at = at;
    enum json_status status = json_scan_value(text, at, &at);
    if (UNLIKELY(status != JSON_OK))
        return status_of_json(status);
    message->payload = bytes_of(text.data + payload_at, at - payload_at);
    return finish_array(text, at);
}

enum phoenix_status phoenix_decode_binary(struct bytes data, struct phoenix_message *message) {
    *message = (struct phoenix_message){.is_binary = true};
    if (data.size == 0)
        return PHOENIX_BINARY_CUT;
    if (data.data[0] != BINARY_PUSH)
        return PHOENIX_BINARY_KIND;
    if (data.size < BINARY_CLIENT_HEADER_BYTES)
        return PHOENIX_BINARY_CUT;
    static const struct {
        size_t size_max;
        enum phoenix_status too_long;
    } rules[] = {
        {WIRE_REF_BYTES_MAX, PHOENIX_LONG_JOIN_REF},
        {WIRE_REF_BYTES_MAX, PHOENIX_LONG_REF},
        {WIRE_TOPIC_BYTES_MAX, PHOENIX_LONG_TOPIC},
        {WIRE_EVENT_BYTES_MAX, PHOENIX_LONG_EVENT},
    };
    struct bytes *const names[] = {&message->join_ref, &message->ref, &message->topic,
                                   &message->event};
    struct bytes rest = bytes_skip(data, BINARY_CLIENT_HEADER_BYTES);
    for (size_t i = 0; i < 4; i++) {
        struct bytes name = {rest.data, data.data[1 + i]};
        if (name.size > rest.size)
            return PHOENIX_BINARY_CUT;
        if (name.size > rules[i].size_max)
            return rules[i].too_long;
        if (!utf8_is_valid(name))
            return PHOENIX_BINARY_NAME;
        rest = bytes_skip(rest, name.size);
        if (name.size > 0 || i >= 2) // an empty ref is null
            *names[i] = name;
    }
    message->payload = rest;
    return PHOENIX_OK;
}

bool phoenix_room_is_valid(struct bytes room) {
    if (room.size == 0 || room.size > WIRE_ROOM_BYTES_MAX)
        return false;
    return !memchr(room.data, '/', room.size) && !memchr(room.data, '+', room.size) &&
           !memchr(room.data, '#', room.size) && utf8_is_valid(room) &&
           !utf8_has_control_character(room);
}

enum phoenix_topic phoenix_room_of_topic(struct bytes topic, struct bytes *room) {
    const struct bytes prefix = BYTES_LITERAL("room:");
    _Static_assert(sizeof("room:") - 1 == WIRE_TOPIC_PREFIX_BYTES, "the prefix of room topics");
    if (!bytes_starts_with(topic, prefix))
        return bytes_equal_string(topic, "phoenix") ? PHOENIX_TOPIC_PHOENIX : PHOENIX_TOPIC_OTHER;
    struct bytes name = bytes_skip(topic, prefix.size);
    if (!phoenix_room_is_valid(name))
        return PHOENIX_TOPIC_BAD_ROOM;
    *room = name;
    return PHOENIX_TOPIC_ROOM;
}

static void put_ref(struct writer *w, struct bytes ref) {
    if (ref.data)
        json_encode_string(w, ref);
    else
        writer_put(w, BYTES_LITERAL("null"));
}

// `[join_ref,ref,topic,event,` of a message.
static void put_envelope(struct writer *w, const struct phoenix_message *message) {
    writer_put_byte(w, '[');
    put_ref(w, message->join_ref);
    writer_put_byte(w, ',');
    put_ref(w, message->ref);
    writer_put_byte(w, ',');
    json_encode_string(w, message->topic);
    writer_put_byte(w, ',');
    json_encode_string(w, message->event);
    writer_put_byte(w, ',');
}

void phoenix_encode_text(struct writer *w, const struct phoenix_message *message,
                         uint64_t sequence) {
    put_envelope(w, message);
    writer_put(w, message->payload);
    if (sequence > 0) {
        writer_put_byte(w, ',');
        writer_put_u64(w, sequence);
    }
    writer_put_byte(w, ']');
}

static size_t ref_size(struct bytes ref) {
    return ref.data ? json_encoded_string_size(ref) : 4;
}

size_t phoenix_encoded_size(const struct phoenix_message *message) {
    return 6 + ref_size(message->join_ref) + ref_size(message->ref) +
           json_encoded_string_size(message->topic) + json_encoded_string_size(message->event) +
           message->payload.size + SEQUENCE_BYTES_MAX;
}

// The reply's envelope up to the response: `…,"phx_reply",{"status":"ok","response":`.
static void begin_reply(struct writer *w, const struct phoenix_message *request, bool is_ok) {
    struct phoenix_message reply = {.join_ref = request->join_ref,
                                    .ref = request->ref,
                                    .topic = request->topic,
                                    .event = BYTES_LITERAL("phx_reply")};
    put_envelope(w, &reply);
    writer_put_string(w, is_ok ? "{\"status\":\"ok\",\"response\":"
                               : "{\"status\":\"error\",\"response\":");
}

void phoenix_encode_reply(struct writer *w, const struct phoenix_message *request, bool is_ok,
                          struct bytes response) {
    begin_reply(w, request, is_ok);
    writer_put(w, response);
    writer_put(w, BYTES_LITERAL("}]"));
}

void phoenix_encode_error_reply(struct writer *w, const struct phoenix_message *request,
                                const char *reason) {
    begin_reply(w, request, false);
    writer_put_string(w, "{\"reason\":");
    json_encode_string(w, bytes_from_string(reason));
    writer_put(w, BYTES_LITERAL("}}]"));
}

void phoenix_encode_close(struct writer *w, struct bytes join_ref, struct bytes topic) {
    struct phoenix_message message = {.join_ref = join_ref,
                                      .ref = join_ref,
                                      .topic = topic,
                                      .event = BYTES_LITERAL("phx_close"),
                                      .payload = BYTES_LITERAL("{}")};
    phoenix_encode_text(w, &message, 0);
}

void phoenix_encode_gap(struct writer *w, struct bytes topic, struct phoenix_gap gap) {
    struct phoenix_message message = {.topic = topic, .event = BYTES_LITERAL("gap")};
    put_envelope(w, &message);
    writer_put_string(w, "{\"from\":");
    writer_put_u64(w, gap.from);
    writer_put_string(w, ",\"to\":");
    writer_put_u64(w, gap.to);
    writer_put(w, BYTES_LITERAL("}]"));
}

// kind, one byte of size per name, the names, the payload.
static void put_binary(struct writer *w, enum binary_kind kind, const struct bytes *names,
                       size_t name_count, struct bytes payload) {
    writer_put_byte(w, (uint8_t)kind);
    for (size_t i = 0; i < name_count; i++) {
        CHECKF(names[i].size <= UINT8_MAX, "name of %zu bytes", names[i].size);
        writer_put_byte(w, (uint8_t)names[i].size);
    }
    for (size_t i = 0; i < name_count; i++)
        writer_put(w, names[i]);
    writer_put(w, payload);
}

void phoenix_encode_binary_reply(struct writer *w, const struct phoenix_message *request,
                                 bool is_ok, struct bytes response) {
    const struct bytes names[] = {request->join_ref, request->ref, request->topic,
                                  is_ok ? BYTES_LITERAL("ok") : BYTES_LITERAL("error")};
    put_binary(w, BINARY_REPLY, names, 4, response);
}

void phoenix_encode_binary_push(struct writer *w, const struct phoenix_message *message) {
    const struct bytes names[] = {message->join_ref, message->topic, message->event};
    put_binary(w, BINARY_PUSH, names, 3, message->payload);
}

void phoenix_encode_binary_broadcast(struct writer *w, struct bytes topic, struct bytes event,
                                     struct bytes payload) {
    const struct bytes names[] = {topic, event};
    put_binary(w, BINARY_BROADCAST, names, 2, payload);
}

void phoenix_encode_binary_client_push(struct writer *w, const struct phoenix_message *message) {
    const struct bytes names[] = {message->join_ref, message->ref, message->topic, message->event};
    put_binary(w, BINARY_PUSH, names, 4, message->payload);
}

void phoenix_encode_join(struct writer *w, struct bytes join_ref, struct bytes topic,
                         struct bytes payload) {
    struct phoenix_message message = {.join_ref = join_ref,
                                      .ref = join_ref,
                                      .topic = topic,
                                      .event = BYTES_LITERAL("phx_join"),
                                      .payload = payload};
    phoenix_encode_text(w, &message, 0);
}

void phoenix_encode_heartbeat(struct writer *w, struct bytes ref) {
    struct phoenix_message message = {.ref = ref,
                                      .topic = BYTES_LITERAL("phoenix"),
                                      .event = BYTES_LITERAL("heartbeat"),
                                      .payload = BYTES_LITERAL("{}")};
    phoenix_encode_text(w, &message, 0);
}
