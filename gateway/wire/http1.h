// HTTP/1.1 heads, strict and bounded: the request that asks for an upgrade, the small answers that
// refuse it, and the client's half of both. The data plane answers only upgrades, so a request has
// no body: whatever announces one is refused, and with it every request smuggling shape.
//
// Refused with 400: bare CR or LF, NUL and other control characters, a line folded over two, space
// before a colon, names that are no tokens, Host absent, twice or malformed, Content-Length or
// Transfer-Encoding, a second Origin or Sec-WebSocket-Key, -Version or -Protocol. 405: another
// method. 414: target over WIRE_HTTP_TARGET_BYTES_MAX. 431: head over WIRE_HTTP_HEAD_BYTES_MAX, or
// over WIRE_HTTP_HEADERS_MAX lines. 505: another version. A fault is told when its line is
// whole, a bound or a bad byte at once; never as late as the head's end.
//
// Pure functions on borrowed bytes, any thread. Views lie inside the input; data NULL: absent.
// Source: RFC 9112, RFC 9110.
#ifndef FAIRLEAD_HTTP1_H
#define FAIRLEAD_HTTP1_H

#include "gateway/wire/wire_limits.h"
#include "sched/base/bytes.h"
#include "sched/base/check.h"

enum http1_status {
    HTTP1_OK,
    HTTP1_NEED_MORE, // valid so far; call again with the same bytes and more
    HTTP1_BAD,
};

// Why a request is refused: status 4xx/5xx and a static sentence that names the cause.
struct http1_refusal {
    uint16_t status;
    const char *cause;
};

struct http1_request {
    size_t size; // bytes of the head, its empty line included; what follows is not HTTP
    struct bytes path;
    struct bytes query; // without '?', still percent-encoded; data NULL when there is no '?'
    struct bytes host;  // with the port if given; of an absolute target: its authority
    struct bytes origin;
    struct bytes ws_key;
    struct bytes ws_version;
    struct bytes ws_protocol;
    struct bytes ws_extensions;  // the first such line
    struct bytes forwarded_for;  // the last line of each X-Forwarded-*: the nearest proxy's;
    struct bytes forwarded_host; // to be believed only when the peer is a trusted proxy
    struct bytes forwarded_proto;
    bool has_upgrade_websocket;   // Upgrade names "websocket"
    bool has_connection_upgrade;  // Connection names "upgrade"
    struct http1_refusal refusal; // BAD only
};

MUST_USE enum http1_status http1_decode_request(struct bytes input, struct http1_request *request);

enum http1_parameter {
    HTTP1_PARAMETER_OK,
    HTTP1_PARAMETER_ABSENT,
    HTTP1_PARAMETER_BAD,      // broken percent-encoding
    HTTP1_PARAMETER_TOO_LONG, // more than the caller's buffer holds
};

// The first parameter `name` of a query, decoded (%XX, and '+' as a space) into out, which may be
// appended to on failure too. Not checked for UTF-8.
MUST_USE enum http1_parameter http1_query_lookup(struct bytes query, const char *name,
                                                 struct writer *out);

// True exactly when the comma-separated `list` holds `token`, in any case.
bool http1_list_has(struct bytes list, const char *token);

struct http1_answer {
    uint16_t status;
    const char *cause;      // the body, one sentence
    uint32_t retry_after_s; // 0: no Retry-After
};

// A whole response of text/plain with Connection: close; 405 carries Allow, 426 the version that is
// spoken here. At most HTTP1_ANSWER_BYTES_MAX when the cause is at most 128 bytes.
#define HTTP1_ANSWER_BYTES_MAX 512
void http1_encode_answer(struct writer *w, const struct http1_answer *answer);

// The client's half, for the load generator.
struct http1_upgrade {
    struct bytes target; // path and query
    struct bytes host;
    struct bytes ws_key;      // 24 characters
    struct bytes ws_protocol; // data NULL: none
    struct bytes origin;      // data NULL: none
};

void http1_encode_upgrade(struct writer *w, const struct http1_upgrade *upgrade);

struct http1_response {
    size_t size; // bytes of the head
    uint16_t status;
    struct bytes ws_accept;
    struct bytes ws_protocol;
    struct bytes ws_extensions;
    uint32_t retry_after_s; // 0: absent or not a number of seconds
    bool has_upgrade_websocket;
    bool has_connection_upgrade;
    const char *cause; // BAD only, static
};

MUST_USE enum http1_status http1_decode_response(struct bytes input,
                                                 struct http1_response *response);

#endif
