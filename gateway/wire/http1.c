// A head is read line by line, each line checked byte by byte before anything in it is believed.
// What a header means is in two tables (request, response): where its value goes and what a second
// one does. A call with more bytes starts over: heads are small and come whole nearly always.
#include "gateway/wire/http1.h"

#include <stdio.h>
#include <strings.h>

#define METHOD_BYTES_MAX 16
#define VERSION_BYTES 8 // "HTTP/1.1"

enum line_status {
    LINE_OK,
    LINE_CUT,
    LINE_BAD,
};

// Goes through the lines of a head, at most WIRE_HTTP_HEAD_BYTES_MAX of them.
struct line_reader {
    struct bytes input;
    size_t at;
    const char *cause; // LINE_BAD
};

// The next line without its CRLF; when LINE_CUT, what there is of it.
static enum line_status next_line(struct line_reader *reader, struct bytes *line) {
    const uint8_t *data = reader->input.data;
    size_t size = reader->input.size, at = reader->at;
    while (at < size && ((data[at] >= ' ' && data[at] != 0x7f) || data[at] == '\t'))
        at++;
    *line = bytes_of(data + reader->at, at - reader->at);
    if (at == size || (data[at] == '\r' && at + 1 == size))
        return LINE_CUT;
    if (data[at] == '\r' && data[at + 1] == '\n') {
        reader->at = at + 2;
        return LINE_OK;
    }
    // RFC 9112 2.2: a lone LF may be taken for a line's end; a lone CR must not. We take neither.
    reader->cause = data[at] == '\r'   ? "CR without LF in the head"
                    : data[at] == '\n' ? "LF without CR in the head"
                                       : "control character in the head";
    return LINE_BAD;
}

static bool is_alphanumeric(uint8_t byte) {
    uint8_t lower = byte | 0x20;
    return (byte >= '0' && byte <= '9') || (lower >= 'a' && lower <= 'z');
}

// RFC 9110 5.6.2.
static bool is_token(struct bytes text) {
    for (size_t i = 0; i < text.size; i++)
        if (!is_alphanumeric(text.data[i]) &&
            (text.data[i] == 0 || !strchr("!#$%&'*+-.^_`|~", text.data[i])))
            return false;
    return text.size > 0;
}

static bool equal_any_case(struct bytes text, const char *word) {
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t';
}

static struct bytes trim(struct bytes text) {
    while (text.size > 0 && is_blank(text.data[0]))
        text = bytes_skip(text, 1);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

bool http1_list_has(struct bytes list, const char *token) {
    while (list.size > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.size);
        size_t size = comma ? (size_t)(comma - list.data) : list.size;
        if (equal_any_case(trim(bytes_of(list.data, size)), token))
            return true;
        list = bytes_skip(list, comma ? size + 1 : size);
    }
    return false;
}

enum header_rule {
    HEADER_ONCE,  // a second one is refused
    HEADER_FIRST, // the first line counts
    HEADER_LAST,  // the last line counts
    HEADER_UPGRADE,
    HEADER_CONNECTION,
    HEADER_BODY, // announces a body
    HEADER_SECONDS,
};

struct header_kind {
    const char *name;
    size_t offset; // of the field in the result
    enum header_rule rule;
};

// One header line into the result at `base`; NULL, or the cause why it is refused.
static const char *take_header(const struct header_kind *kinds, size_t kind_count, void *base,
                               struct bytes line) {
    if (is_blank(line.data[0])) // RFC 9112 5.2: obs-fold
        return "header folded over two lines";
    const uint8_t *colon = memchr(line.data, ':', line.size);
    if (!colon)
        return "header without a colon";
    struct bytes name = bytes_of(line.data, (size_t)(colon - line.data));
    if (name.size > 0 && is_blank(name.data[name.size - 1])) // RFC 9112 5.1
        return "space before a header's colon";
    if (!is_token(name))
        return "header name is no token";
    struct bytes value = trim(bytes_skip(line, name.size + 1));

    const struct header_kind *kind = kinds;
    while (kind < kinds + kind_count && !equal_any_case(name, kind->name))
        kind++;
    if (kind == kinds + kind_count)
        return NULL;
    void *field = (uint8_t *)base + kind->offset;
    struct bytes *view = field; // or, for the rules that say so:
    bool *flag = field;
    uint32_t *number = field;
    switch (kind->rule) {
    case HEADER_ONCE:
        if (view->data)
            return "header given twice that may be given once";
        *view = value;
        break;
    case HEADER_FIRST:
        if (!view->data)
            *view = value;
        break;
    case HEADER_LAST:
        *view = value;
        break;
    case HEADER_UPGRADE:
        *flag |= http1_list_has(value, "websocket");
        break;
    case HEADER_CONNECTION:
        *flag |= http1_list_has(value, "upgrade");
        break;
    case HEADER_BODY:
        return "a request body is not accepted";
    case HEADER_SECONDS: {
        uint32_t seconds = 0;
        for (size_t i = 0; i < value.size && i < 9; i++) {
            if (value.data[i] < '0' || value.data[i] > '9')
                return NULL;
            seconds = seconds * 10 + (uint32_t)(value.data[i] - '0');
        }
        *number = seconds;
        break;
    }
    }
    return NULL;
}

static const struct header_kind request_headers[] = {
    {"Host", offsetof(struct http1_request, host), HEADER_ONCE},
    {"Origin", offsetof(struct http1_request, origin), HEADER_ONCE},
    {"Upgrade", offsetof(struct http1_request, has_upgrade_websocket), HEADER_UPGRADE},
    {"Connection", offsetof(struct http1_request, has_connection_upgrade), HEADER_CONNECTION},
    {"Sec-WebSocket-Key", offsetof(struct http1_request, ws_key), HEADER_ONCE},
    {"Sec-WebSocket-Version", offsetof(struct http1_request, ws_version), HEADER_ONCE},
    {"Sec-WebSocket-Protocol", offsetof(struct http1_request, ws_protocol), HEADER_ONCE},
    {"Sec-WebSocket-Extensions", offsetof(struct http1_request, ws_extensions), HEADER_FIRST},
    {"X-Forwarded-For", offsetof(struct http1_request, forwarded_for), HEADER_LAST},
    {"X-Forwarded-Host", offsetof(struct http1_request, forwarded_host), HEADER_LAST},
    {"X-Forwarded-Proto", offsetof(struct http1_request, forwarded_proto), HEADER_LAST},
    {"Content-Length", 0, HEADER_BODY},
    {"Transfer-Encoding", 0, HEADER_BODY},
};

static enum http1_status refuse(struct http1_request *request, uint16_t status, const char *cause) {
    request->refusal = (struct http1_refusal){status, cause};
    return HTTP1_BAD;
}

// uri-host [":" port] (RFC 9110 7.2) by its characters.
static bool is_authority(struct bytes text) {
    for (size_t i = 0; i < text.size; i++)
        if (!is_alphanumeric(text.data[i]) && !strchr("-._~!$&'()*+,;=%:[]", text.data[i]))
            return false;
    return text.size > 0;
}

// RFC 9112 3.2.1 and 3.2.2: "/path?query", or "http://authority/path?query".
static enum http1_status take_target(struct http1_request *request, struct bytes target,
                                     struct bytes *authority) {
    for (size_t i = 0; i < target.size; i++)
        if (target.data[i] <= ' ' || target.data[i] >= 0x7f || target.data[i] == '#')
            return refuse(request, 400, "character in the target that no URI has");
    const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t size = strlen(schemes[i]);
        if (target.size < size || !equal_any_case(bytes_of(target.data, size), schemes[i]))
            continue;
        target = bytes_skip(target, size);
        size_t end = 0;
        while (end < target.size && target.data[end] != '/' && target.data[end] != '?')
            end++;
        *authority = bytes_of(target.data, end);
        if (!is_authority(*authority))
            return refuse(request, 400, "malformed host in the target");
        target = bytes_skip(target, end);
        if (target.size == 0 || target.data[0] != '/')
            return refuse(request, 400, "target without a path");
        break;
    }
    if (target.size == 0 || target.data[0] != '/')
        return refuse(request, 400, "target does not begin with a slash");
    const uint8_t *mark = memchr(target.data, '?', target.size);
    request->path = target;
    if (mark) {
        request->path.size = (size_t)(mark - target.data);
        request->query = bytes_skip(target, request->path.size + 1);
    }
    return HTTP1_OK;
}

// method SP target SP version. While the line is not whole, only its bounds are checked.
static enum http1_status take_request_line(struct http1_request *request, struct bytes line,
                                           bool is_whole, struct bytes *authority) {
    const uint8_t *space = line.size ? memchr(line.data, ' ', line.size) : NULL;
    struct bytes method = bytes_of(line.data, space ? (size_t)(space - line.data) : line.size);
    if (method.size > METHOD_BYTES_MAX || ((method.size > 0 || is_whole) && !is_token(method)) ||
        (is_whole && !space))
        return refuse(request, 400, "malformed request line");
    if (!space)
        return HTTP1_NEED_MORE;
    struct bytes rest = bytes_skip(line, method.size + 1);
    space = rest.size ? memchr(rest.data, ' ', rest.size) : NULL;
    struct bytes target = bytes_of(rest.data, space ? (size_t)(space - rest.data) : rest.size);
    if (target.size > WIRE_HTTP_TARGET_BYTES_MAX)
        return refuse(request, 414, "target too long");
    if (!is_whole)
        return HTTP1_NEED_MORE;
    struct bytes version = bytes_skip(rest, target.size + 1);
    if (!space || version.size != VERSION_BYTES ||
        !bytes_starts_with(version, BYTES_LITERAL("HTTP/")) || version.data[6] != '.')
        return refuse(request, 400, "malformed request line");
    if (!bytes_equal(version, BYTES_LITERAL("HTTP/1.1")))
        return refuse(request, 505, "only HTTP/1.1 is spoken here");
    if (!bytes_equal(method, BYTES_LITERAL("GET")))
        return refuse(request, 405, "only GET is served here");
    return take_target(request, target, authority);
}

enum http1_status http1_decode_request(struct bytes input, struct http1_request *request) {
    *request = (struct http1_request){0};
    bool is_full = input.size >= WIRE_HTTP_HEAD_BYTES_MAX;
    struct line_reader reader = {.input = input};
    if (is_full)
        reader.input.size = WIRE_HTTP_HEAD_BYTES_MAX;
    // RFC 9112 2.2: one empty line before the request line is ignored
    if (bytes_starts_with(input, BYTES_LITERAL("\r\n")))
        reader.at = 2;

    struct bytes line, authority = {0};
    enum line_status line_status = next_line(&reader, &line);
    if (line_status == LINE_BAD)
        return refuse(request, 400, reader.cause);
    enum http1_status status = take_request_line(request, line, line_status == LINE_OK, &authority);
    if (status == HTTP1_NEED_MORE && is_full)
        return refuse(request, 431, "request head too large");
    if (status != HTTP1_OK)
        return status;
    for (size_t count = 0;; count++) {
        line_status = next_line(&reader, &line);
        if (line_status == LINE_BAD)
            return refuse(request, 400, reader.cause);
        if (line_status == LINE_CUT) {
            if (is_full)
                return refuse(request, 431, "request head too large");
            return HTTP1_NEED_MORE;
        }
        if (line.size == 0)
            break;
        if (count == WIRE_HTTP_HEADERS_MAX)
            return refuse(request, 431, "too many headers");
        const char *fault = take_header(
            request_headers, sizeof(request_headers) / sizeof(request_headers[0]), request, line);
        if (fault)
            return refuse(request, 400, fault);
    }
    // RFC 9112 3.2: absent, twice (take_header) or malformed: 400
    if (!request->host.data)
        return refuse(request, 400, "no Host header");
    if (!is_authority(request->host))
        return refuse(request, 400, "malformed Host header");
    if (authority.data) // RFC 9112 3.2.2: the target's counts, Host is ignored
        request->host = authority;
    request->size = reader.at;
    return HTTP1_OK;
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// The next byte of an encoded text, which it shortens; -1: broken encoding.
static int decode_byte(struct bytes *text) {
    uint8_t byte = text->data[0];
    size_t size = 1;
    if (byte == '+') {
        byte = ' ';
    } else if (byte == '%') {
        int high = text->size > 2 ? hex_digit(text->data[1]) : -1;
        int low = text->size > 2 ? hex_digit(text->data[2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        byte = (uint8_t)(high << 4 | low);
        size = 3;
    }
    *text = bytes_skip(*text, size);
    return byte;
}

static bool encoded_name_is(struct bytes encoded, const char *name) {
    for (; encoded.size > 0; name++)
        if (*name == '\0' || decode_byte(&encoded) != (uint8_t)*name)
            return false;
    return *name == '\0';
}

enum http1_parameter http1_query_lookup(struct bytes query, const char *name, struct writer *out) {
    while (query.size > 0) {
        const uint8_t *end = memchr(query.data, '&', query.size);
        struct bytes pair = bytes_of(query.data, end ? (size_t)(end - query.data) : query.size);
        query = bytes_skip(query, end ? pair.size + 1 : pair.size);
        const uint8_t *equals = pair.size ? memchr(pair.data, '=', pair.size) : NULL;
        struct bytes key = bytes_of(pair.data, equals ? (size_t)(equals - pair.data) : pair.size);
        if (!encoded_name_is(key, name))
            continue;
        struct bytes value = bytes_skip(pair, equals ? key.size + 1 : key.size);
        while (value.size > 0) {
            int byte = decode_byte(&value);
            if (byte < 0)
                return HTTP1_PARAMETER_BAD;
            writer_put_byte(out, (uint8_t)byte);
        }
        return out->overflow ? HTTP1_PARAMETER_TOO_LONG : HTTP1_PARAMETER_OK;
    }
    return HTTP1_PARAMETER_ABSENT;
}

static const char *reason_phrase(uint16_t status) {
    static const struct {
        uint16_t status;
        const char *phrase;
    } phrases[] = {
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {414, "URI Too Long"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Refused";
}

void http1_encode_answer(struct writer *w, const struct http1_answer *answer) {
    writer_put_string(w, "HTTP/1.1 ");
    writer_put_u64(w, answer->status);
    writer_put_byte(w, ' ');
    writer_put_string(w, reason_phrase(answer->status));
    writer_put_string(w, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ");
    writer_put_u64(w, strlen(answer->cause) + 1);
    if (answer->status == 405) // RFC 9110 15.5.6: MUST send Allow
        writer_put_string(w, "\r\nAllow: GET");
    if (answer->status == 426) // RFC 9110 15.5.22: MUST send Upgrade; RFC 6455 4.4 the version
        writer_put_string(w, "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13");
    if (answer->retry_after_s > 0) {
        writer_put_string(w, "\r\nRetry-After: ");
        writer_put_u64(w, answer->retry_after_s);
    }
    writer_put_string(w, answer->status == 426 ? "\r\nConnection: close, Upgrade\r\n\r\n"
                                               : "\r\nConnection: close\r\n\r\n");
    writer_put_string(w, answer->cause);
    writer_put_byte(w, '\n');
}

static void put_header(struct writer *w, const char *name, struct bytes value) {
    writer_put_string(w, "\r\n");
    writer_put_string(w, name);
    writer_put_string(w, ": ");
    writer_put(w, value);
}

void http1_encode_upgrade(struct writer *w, const struct http1_upgrade *upgrade) {
    writer_put_string(w, "GET ");
    writer_put(w, upgrade->target);
    writer_put_string(w, " HTTP/1.1");
    put_header(w, "Host", upgrade->host);
    put_header(w, "Upgrade", BYTES_LITERAL("websocket"));
    put_header(w, "Connection", BYTES_LITERAL("Upgrade"));
    put_header(w, "Sec-WebSocket-Key", upgrade->ws_key);
    put_header(w, "Sec-WebSocket-Version", BYTES_LITERAL("13"));
    if (upgrade->ws_protocol.data)
        put_header(w, "Sec-WebSocket-Protocol", upgrade->ws_protocol);
    if (upgrade->origin.data)
        put_header(w, "Origin", upgrade->origin);
    writer_put_string(w, "\r\n\r\n");
}

static const struct header_kind response_headers[] = {
    {"Upgrade", offsetof(struct http1_response, has_upgrade_websocket), HEADER_UPGRADE},
    {"Connection", offsetof(struct http1_response, has_connection_upgrade), HEADER_CONNECTION},
    {"Sec-WebSocket-Accept", offsetof(struct http1_response, ws_accept), HEADER_ONCE},
    {"Sec-WebSocket-Protocol", offsetof(struct http1_response, ws_protocol), HEADER_ONCE},
    {"Sec-WebSocket-Extensions", offsetof(struct http1_response, ws_extensions), HEADER_FIRST},
    {"Retry-After", offsetof(struct http1_response, retry_after_s), HEADER_SECONDS},
};

static enum http1_status reject(struct http1_response *response, const char *cause) {
    response->cause = cause;
    return HTTP1_BAD;
}

// "HTTP/1.1" SP three digits [SP reason] (RFC 9112 4).
static bool take_status_line(struct http1_response *response, struct bytes line) {
    if (line.size < 12 || !bytes_starts_with(line, BYTES_LITERAL("HTTP/1.")) ||
        line.data[8] != ' ' || (line.size > 12 && line.data[12] != ' '))
        return false;
    uint32_t status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return false;
        status = status * 10 + (uint32_t)(line.data[i] - '0');
    }
    response->status = (uint16_t)status;
    return status >= 100;
}

enum http1_status http1_decode_response(struct bytes input, struct http1_response *response) {
    *response = (struct http1_response){0};
    bool is_full = input.size >= WIRE_HTTP_HEAD_BYTES_MAX;
    struct line_reader reader = {.input = input};
    if (is_full)
        reader.input.size = WIRE_HTTP_HEAD_BYTES_MAX;
    for (size_t count = 0;; count++) {
        struct bytes line;
        enum line_status status = next_line(&reader, &line);
        if (status == LINE_BAD)
            return reject(response, reader.cause);
        if (status == LINE_CUT && is_full)
            return reject(response, "response head too large");
        if (status == LINE_CUT)
            return HTTP1_NEED_MORE;
        if (count == 0) {
            if (!take_status_line(response, line))
                return reject(response, "malformed status line");
            continue;
        }
        if (line.size == 0)
            break;
        if (count > WIRE_HTTP_HEADERS_MAX)
            return reject(response, "too many headers");
        const char *fault =
            take_header(response_headers, sizeof(response_headers) / sizeof(response_headers[0]),
                        response, line);
        if (fault)
            return reject(response, fault);
    }
    response->size = reader.at;
    return HTTP1_OK;
}
