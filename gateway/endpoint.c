#include "gateway/endpoint.h"

#include <strings.h>

#include "gateway/conn.h"
#include "gateway/frame_out.h"
#include "gateway/frames.h"
#include "gateway/mqtt_conn.h"
#include "gateway/reader.h"
#include "gateway/refusal.h"
#include "gateway/wire/utf8.h"
#include "gateway/wire/ws_handshake.h"

#define FIRST_BYTE_TLS 0x16  // RFC 8446 5.1: a handshake record
#define FIRST_BYTE_MQTT 0x10 // CONNECT [MQTT-3.1.0-1]

// --- who may connect -----------------------------------------------------------------------------

// "example.com:8080" → "example.com", "[::1]:8080" → "[::1]".
static struct bytes without_port(struct bytes authority) {
    if (authority.size > 0 && authority.data[0] == '[') {
        const uint8_t *end = memchr(authority.data, ']', authority.size);
        return end ? bytes_of(authority.data, (size_t)(end - authority.data) + 1) : authority;
    }
    const uint8_t *colon = authority.size > 0 ? memchr(authority.data, ':', authority.size) : NULL;
    return colon ? bytes_of(authority.data, (size_t)(colon - authority.data)) : authority;
}

bool endpoint_origin_is_allowed(const struct config *config, struct bytes origin,
                                struct bytes host) {
    if (!origin.data)
        return true;
    if (config_has_origin(config, (const char *)origin.data, origin.size))
        return true;
    // RFC 6454 6.2: scheme "://" host [ ":" port ]
    const uint8_t *mark = memmem(origin.data, origin.size, "://", 3);
    if (!mark)
        return false;
    struct bytes theirs = without_port(bytes_skip(origin, (size_t)(mark - origin.data) + 3));
    struct bytes ours = without_port(host);
    return theirs.size > 0 && theirs.size == ours.size &&
           strncasecmp((const char *)theirs.data, (const char *)ours.data, ours.size) == 0;
}

// A refusal of the request's head; status 0: none.
static const struct http1_refusal allowed = {0, NULL};

static struct http1_refusal check_origin(const struct gateway *gateway, const struct conn *conn,
                                         const struct http1_request *request) {
    bool is_forwarded = conn_has(conn, CONN_TRUSTED) && request->forwarded_host.size > 0;
    struct bytes host = is_forwarded ? request->forwarded_host : request->host;
    if (endpoint_origin_is_allowed(gateway->parts.config, request->origin, host))
        return allowed;
    return (struct http1_refusal){403, "this Origin may not connect (see --origins)"};
}

static struct http1_refusal check_version(const struct http1_request *request) {
    uint8_t version[16];
    struct writer w = writer_on(version, sizeof(version));
    if (http1_query_lookup(request->query, "vsn", &w) != HTTP1_PARAMETER_OK)
        return (struct http1_refusal){403, "parameter vsn=2.0.0 is missing"};
    if (!bytes_equal_string(writer_bytes(&w), "2.0.0"))
        return (struct http1_refusal){403, "only serializer vsn=2.0.0 is spoken here"};
    return allowed;
}

// The parameter, or "anon-" and ten random characters.
static struct http1_refusal read_user(struct gateway *gateway, const struct http1_request *request,
                                      struct writer *user) {
    switch (http1_query_lookup(request->query, "user", user)) {
    case HTTP1_PARAMETER_ABSENT:
        writer_put_string(user, "anon-");
        for (uint64_t random = rng_next(&gateway->rng), i = 0; i < 10; i++, random >>= 5)
            writer_put_byte(user, (uint8_t) "abcdefghijkmnpqrstuvwxyz23456789"[random & 31]);
        return allowed;
    case HTTP1_PARAMETER_BAD:
        return (struct http1_refusal){403, "parameter user: broken percent-encoding"};
    case HTTP1_PARAMETER_TOO_LONG:
        return (struct http1_refusal){403, "parameter user is longer than 64 bytes"};
    case HTTP1_PARAMETER_OK:
        break;
    }
    struct bytes name = writer_bytes(user);
    if (name.size == 0)
        return (struct http1_refusal){403, "parameter user is empty"};
    if (!utf8_is_valid(name))
        return (struct http1_refusal){403, "parameter user is not UTF-8"};
    if (utf8_has_control_character(name))
        return (struct http1_refusal){403, "parameter user holds a control character"};
    return allowed;
}

// --- the request ---------------------------------------------------------------------------------

// HANDSHAKE: of MQTT, which goes on until its CONNECT; CLOSING: no such path.
static enum conn_state state_of_path(const struct config *config, struct bytes path) {
    if (bytes_equal_string(path, "/socket/websocket"))
        return CONN_OPEN;
    if (bytes_equal_string(path, "/mqtt"))
        return CONN_HANDSHAKE;
    if (config->echo && bytes_equal_string(path, "/echo"))
        return CONN_ECHO;
    return CONN_CLOSING;
}

// [MQTT-6.0.0-3], [MQTT-6.0.0-4]: the client must offer it, and is answered with it.
static struct http1_refusal check_subprotocol(const struct http1_request *request) {
    if (ws_handshake_decode_offer(request->ws_protocol).has_mqtt)
        return allowed;
    return (struct http1_refusal){400, "subprotocol mqtt is not offered"};
}

static struct bytes subprotocol_of(const struct http1_request *request, enum conn_state state) {
    if (state == CONN_HANDSHAKE)
        return BYTES_LITERAL("mqtt");
    if (state == CONN_OPEN && ws_handshake_decode_offer(request->ws_protocol).has_phoenix)
        return BYTES_LITERAL("phoenix");
    return (struct bytes){0};
}

static bool refuse(struct gateway *gateway, uint32_t index, struct http1_refusal refusal) {
    if (refusal.status == 0)
        return false;
    refusal_http(gateway, index, refusal.status, refusal.cause);
    return true;
}

// True when the connection is a WebSocket now.
static bool upgrade(struct gateway *gateway, uint32_t index, const struct http1_request *request) {
    struct conn *conn = conn_at(gateway, index);
    const struct config *config = gateway->parts.config;
    enum conn_state state = state_of_path(config, request->path);
    uint8_t name[CHAT_USER_BYTES_MAX];
    struct writer user = writer_on(name, sizeof(name));
    if (state == CONN_CLOSING) {
        refusal_http(gateway, index, 404,
                     config->echo ? "here are /socket/websocket (Phoenix Channels), /mqtt and /echo"
                                  : "here are /socket/websocket (Phoenix Channels) and /mqtt");
        return false;
    }
    if (refuse(gateway, index, ws_handshake_check(request)) ||
        refuse(gateway, index, check_origin(gateway, conn, request)))
        return false;
    if (state == CONN_OPEN && (refuse(gateway, index, check_version(request)) ||
                               refuse(gateway, index, read_user(gateway, request, &user))))
        return false;
    if (state == CONN_HANDSHAKE && refuse(gateway, index, check_subprotocol(request)))
        return false;

    if (state == CONN_OPEN) {
        conn->user = text_acquire(&gateway->users, writer_bytes(&user));
        CHECK(conn->user != TEXT_NONE); // there is one for every connection
    }
    uint8_t text[WS_HANDSHAKE_RESPONSE_BYTES_MAX];
    struct writer w = writer_on(text, sizeof(text));
    ws_handshake_encode_response(&w, request->ws_key, subprotocol_of(request, state));
    if (conn_has(conn, CONN_TRUSTED))
        addresses_set_forwarded(&gateway->addresses, index, config, request->forwarded_for);
    if (state == CONN_HANDSHAKE)
        conn_upgraded_mqtt(gateway, index);
    else
        conn_upgraded(gateway, index, state);
    conn_push(gateway, index, frame_out_raw(gateway->parts.blocks, writer_bytes(&w)));
    return true;
}

// The head as far as it has come; returns how many of its bytes were the head's, or 0 when the
// connection is no WebSocket (yet).
static size_t on_head(struct gateway *gateway, uint32_t index, struct bytes head) {
    struct http1_request request;
    switch (http1_decode_request(head, &request)) {
    case HTTP1_OK:
        return upgrade(gateway, index, &request) ? request.size : 0;
    case HTTP1_NEED_MORE:
        return 0;
    case HTTP1_BAD:
        (void)refuse(gateway, index, request.refusal);
        return 0;
    }
    UNREACHABLE();
}

// What came behind the head.
static void go_on(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size) {
    const struct conn *conn = conn_at(gateway, index);
    if (conn_has(conn, CONN_MQTT))
        mqtt_conn_on_data(gateway, index, data, size);
    else if (conn_is_live(conn))
        frames_on_data(gateway, index, data, size);
}

// Keeps the first part of a head, which was looked at already, or adds to it: decoded again only
// when a line of it has ended or it is too long, so that one that comes byte by byte costs no more
// than its lines.
static void on_more(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size) {
    struct conn *conn = conn_at(gateway, index);
    struct reader *reader = reader_need(gateway, conn);
    size_t held = reader ? reader->size : 0;
    size_t take = WIRE_HTTP_HEAD_BYTES_MAX + 1 - held;
    take = take < size ? take : size;
    if (!reader || !reader_append(gateway, reader, bytes_of(data, take))) {
        conn_doom(gateway, index, true);
        return;
    }
    if (held == 0 || (!memchr(data, '\n', take) && reader->size <= WIRE_HTTP_HEAD_BYTES_MAX))
        return;
    size_t used = on_head(gateway, index, reader_bytes(gateway, reader));
    if (used == 0 && conn_state(conn) == CONN_HANDSHAKE)
        return;
    reader_release(gateway, conn);
    CHECK(used == 0 || used >= held);
    if (used > 0 && used - held < size)
        go_on(gateway, index, data + (used - held), size - (used - held));
}

void endpoint_on_data(struct gateway *gateway, uint32_t index, uint8_t *data, size_t size) {
    struct conn *conn = conn_at(gateway, index);
    if (size == 0)
        return;
    if (conn->reader != SLAB_NONE) {
        on_more(gateway, index, data, size);
        return;
    }
    if (data[0] == FIRST_BYTE_MQTT) {
        conn_mark(conn, CONN_MQTT);
        mqtt_conn_on_data(gateway, index, data, size);
        return;
    }
    if (data[0] == FIRST_BYTE_TLS) {
        refusal_tls(gateway, index);
        return;
    }
    if (data[0] < 'A' || data[0] > 'Z') {
        refusal_protocol(gateway, index);
        return;
    }
    size_t used = on_head(gateway, index, bytes_of(data, size));
    if (used > 0 && used < size)
        go_on(gateway, index, data + used, size - used);
    else if (used == 0 && conn_state(conn) == CONN_HANDSHAKE)
        on_more(gateway, index, data, size);
}

void endpoint_on_data_over_limit(struct gateway *gateway, uint32_t index, uint8_t *data,
                                 size_t size) {
    if (size == 0 || data[0] != FIRST_BYTE_MQTT) {
        refusal_full(gateway, index);
        return;
    }
    conn_mark(conn_at(gateway, index), CONN_MQTT);
    mqtt_conn_on_data(gateway, index, data, size);
}
