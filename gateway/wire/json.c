// One loop and one bit per open bracket instead of recursion: `expect` says what may come next,
// `objects` tells for each depth whether it is an object or an array.
#include "gateway/wire/json.h"

#include "gateway/wire/utf8.h"

#define JSON_STEP 16
#define JSON_KEY_BYTES_MAX 64 // of the keys that we look up

typedef int8_t json_lanes __attribute__((vector_size(JSON_STEP)));

_Static_assert(WIRE_JSON_DEPTH_MAX <= 64, "one bit of a word per depth");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "json_plain_end counts from the low end");

// Position of the first byte at or after `at` that needs a look: a quote, a backslash, a control
// character or one that is not ASCII. Sixteen bytes a step; as signed numbers the last two kinds
// are simply those below a space.
static size_t json_plain_end(struct bytes text, size_t at) {
    for (; text.size - at >= JSON_STEP; at += JSON_STEP) {
        json_lanes bytes;
        memcpy(&bytes, text.data + at, JSON_STEP);
        json_lanes special = (bytes < ' ') | (bytes == '"') | (bytes == '\\');
        uint64_t halves[2];
        memcpy(halves, &special, JSON_STEP);
        if (halves[0])
            return at + (size_t)__builtin_ctzll(halves[0]) / 8;
        if (halves[1])
            return at + 8 + (size_t)__builtin_ctzll(halves[1]) / 8;
    }
    while (at < text.size) {
        uint8_t byte = text.data[at];
        if (byte < ' ' || byte >= 0x80 || byte == '"' || byte == '\\')
            break;
        at++;
    }
    return at;
}

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

// 0 … 15, or -1.
static int hex_value(uint8_t byte) {
    if (is_digit(byte))
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// text[*at] is the backslash. OK: *at is after the escape.
static enum json_status json_scan_escape(struct bytes text, size_t *at) {
    size_t next = *at + 1;
    if (next == text.size)
        return JSON_CUT;
    if (text.data[next] != 'u') {
        if (text.data[next] == 0 || strchr("\"\\/bfnrt", text.data[next]) == NULL)
            return JSON_BAD;
        *at = next + 1;
        return JSON_OK;
    }
    for (size_t digit = next + 1; digit <= next + 4; digit++) {
        if (digit == text.size)
            return JSON_CUT;
        if (hex_value(text.data[digit]) < 0)
            return JSON_BAD;
    }
    *at = next + 5;
    return JSON_OK;
}

static enum json_status json_scan_character(struct bytes text, size_t *at) {
    size_t size = utf8_character_size(text, *at);
    if (size > 0) {
        *at += size;
        return JSON_OK;
    }
    struct utf8 state = {0};
    return utf8_accepts(&state, bytes_skip(text, *at)) ? JSON_CUT : JSON_BAD;
}

enum json_status json_scan_string(struct bytes text, size_t at, size_t *end) {
    if (at >= text.size)
        return JSON_CUT;
    if (text.data[at] != '"')
        return JSON_BAD;
    at++;
    for (;;) {
        at = json_plain_end(text, at);
        if (at == text.size)
            return JSON_CUT;
        uint8_t byte = text.data[at];
        if (byte == '"') {
            *end = at + 1;
            return JSON_OK;
        }
        if (byte < ' ') // RFC 8259 7: control characters must be escaped
            return JSON_BAD;
        enum json_status status =
            byte == '\\' ? json_scan_escape(text, &at) : json_scan_character(text, &at);
        if (status != JSON_OK)
            return status;
    }
}

// At least one digit from *at on.
static enum json_status json_scan_digits(struct bytes text, size_t *at) {
    if (*at == text.size)
        return JSON_CUT;
    if (!is_digit(text.data[*at]))
        return JSON_BAD;
    while (*at < text.size && is_digit(text.data[*at]))
        ++*at;
    return JSON_OK;
}

// RFC 8259 6: [-] int [frac] [exp], no leading zeros.
static enum json_status json_scan_number(struct bytes text, size_t *at) {
    enum json_status status = JSON_OK;
    if (text.data[*at] == '-')
        ++*at;
    if (*at < text.size && text.data[*at] == '0')
        ++*at;
    else
        status = json_scan_digits(text, at);
    if (status == JSON_OK && *at < text.size && text.data[*at] == '.') {
        ++*at;
        status = json_scan_digits(text, at);
    }
    if (status == JSON_OK && *at < text.size && (text.data[*at] | 0x20) == 'e') {
        ++*at;
        if (*at < text.size && (text.data[*at] == '+' || text.data[*at] == '-'))
            ++*at;
        status = json_scan_digits(text, at);
    }
    return status;
}

static enum json_status json_scan_literal(struct bytes text, size_t *at, struct bytes literal) {
    size_t left = text.size - *at;
    size_t size = left < literal.size ? left : literal.size;
    if (memcmp(text.data + *at, literal.data, size) != 0)
        return JSON_BAD;
    *at += size;
    return size == literal.size ? JSON_OK : JSON_CUT;
}

// A string, number or literal at *at, which is inside the text.
static enum json_status json_scan_scalar(struct bytes text, size_t *at) {
    switch (text.data[*at]) {
    case '"':
        return json_scan_string(text, *at, at);
    case 't':
        return json_scan_literal(text, at, BYTES_LITERAL("true"));
    case 'f':
        return json_scan_literal(text, at, BYTES_LITERAL("false"));
    case 'n':
        return json_scan_literal(text, at, BYTES_LITERAL("null"));
    default: // json_scan_number refuses what does not begin one
        return json_scan_number(text, at);
    }
}

static enum json_status json_scan_key(struct bytes text, size_t *at) {
    enum json_status status = json_scan_string(text, *at, at);
    if (status != JSON_OK)
        return status;
    *at = json_skip_whitespace(text, *at);
    if (*at == text.size)
        return JSON_CUT;
    if (text.data[*at] != ':')
        return JSON_BAD;
    *at = json_skip_whitespace(text, *at + 1);
    return JSON_OK;
}

enum json_expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, // just after '['
    EXPECT_KEY,
    EXPECT_KEY_OR_END, // just after '{'
    EXPECT_COMMA_OR_END,
};

struct json_scan {
    uint64_t objects; // bit 0: the innermost open bracket is a brace; bit 1: the one around it …
    uint32_t depth;
    enum json_expect expect;
};

// The byte at *at opens a container.
static enum json_status json_open(struct json_scan *scan, bool is_object) {
    if (scan->depth == WIRE_JSON_DEPTH_MAX)
        return JSON_TOO_DEEP;
    scan->depth++;
    scan->objects = scan->objects << 1 | is_object;
    scan->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return JSON_OK;
}

static void json_close(struct json_scan *scan) {
    scan->depth--;
    scan->objects >>= 1;
    scan->expect = EXPECT_COMMA_OR_END;
}

// One step: a bracket, a comma, a key with its colon, or a scalar.
static enum json_status json_step(struct json_scan *scan, struct bytes text, size_t *at) {
    uint8_t byte = text.data[*at];
    bool in_object = scan->objects & 1;
    if (scan->expect == EXPECT_COMMA_OR_END && byte == ',') {
        ++*at;
        scan->expect = in_object ? EXPECT_KEY : EXPECT_VALUE;
        return JSON_OK;
    }
    if (scan->expect != EXPECT_VALUE && scan->expect != EXPECT_KEY &&
        byte == (in_object ? '}' : ']')) {
        ++*at;
        json_close(scan);
        return JSON_OK;
    }
    if (scan->expect == EXPECT_COMMA_OR_END)
        return JSON_BAD;
    if (scan->expect == EXPECT_KEY || scan->expect == EXPECT_KEY_OR_END) {
        scan->expect = EXPECT_VALUE;
        return json_scan_key(text, at);
    }
    if (byte == '{' || byte == '[') {
        ++*at;
        return json_open(scan, byte == '{');
    }
    scan->expect = EXPECT_COMMA_OR_END;
    return json_scan_scalar(text, at);
}

enum json_status json_scan_value(struct bytes text, size_t at, size_t *end) {
    struct json_scan scan = {.expect = EXPECT_VALUE};
    do {
        if (at >= text.size)
            return JSON_CUT;
        enum json_status status = json_step(&scan, text, &at);
        if (UNLIKELY(status != JSON_OK))
            return status;
        if (scan.depth > 0)
            at = json_skip_whitespace(text, at);
    } while (scan.depth > 0);
    *end = at;
    return JSON_OK;
}

enum json_status json_scan_text(struct bytes text) {
    size_t end;
    enum json_status status = json_scan_value(text, json_skip_whitespace(text, 0), &end);
    if (status == JSON_OK && json_skip_whitespace(text, end) != text.size)
        return JSON_BAD;
    return status;
}

// Whether a scanned string (with its quotes) means exactly `key`.
static bool json_string_means(struct bytes string, struct bytes key) {
    struct bytes inside = bytes_of(string.data + 1, string.size - 2);
    if (inside.size == 0 || memchr(inside.data, '\\', inside.size) == NULL)
        return bytes_equal(inside, key);
    uint8_t decoded[JSON_KEY_BYTES_MAX];
    struct writer w = writer_on(decoded, key.size);
    return json_decode_string(string, &w) && !w.overflow && bytes_equal(writer_bytes(&w), key);
}

bool json_lookup_member(struct bytes object, struct bytes key, struct bytes *value) {
    CHECKF(key.size <= JSON_KEY_BYTES_MAX, "key of %zu bytes", key.size);
    size_t at = json_skip_whitespace(object, 0);
    if (at == object.size || object.data[at] != '{')
        return false;
    bool found = false;
    // The text was scanned before, so that '}' ends the loop; a text that was not is left by the
    // statuses.
    for (at++;; at++) {
        at = json_skip_whitespace(object, at);
        size_t name_at = at, name_end, value_end;
        if (json_scan_string(object, at, &name_end) != JSON_OK)
            return found;
        at = name_at;
        if (json_scan_key(object, &at) != JSON_OK ||
            json_scan_value(object, at, &value_end) != JSON_OK)
            return found;
        if (json_string_means(bytes_of(object.data + name_at, name_end - name_at), key)) {
            *value = bytes_of(object.data + at, value_end - at);
            found = true;
        }
        at = json_skip_whitespace(object, value_end);
        if (at == object.size || object.data[at] != ',')
            return found;
    }
}

static uint32_t hex4(const uint8_t *digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex_value(digits[i]);
    return value;
}

static void put_character(struct writer *w, uint32_t code) {
    uint8_t utf8[4];
    size_t size;
    if (code < 0x80) {
        utf8[0] = (uint8_t)code;
        size = 1;
    } else if (code < 0x800) {
        utf8[0] = (uint8_t)(0xc0 | code >> 6);
        utf8[1] = (uint8_t)(0x80 | (code & 0x3f));
        size = 2;
    } else if (code < 0x10000) {
        utf8[0] = (uint8_t)(0xe0 | code >> 12);
        utf8[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        utf8[2] = (uint8_t)(0x80 | (code & 0x3f));
        size = 3;
    } else {
        utf8[0] = (uint8_t)(0xf0 | code >> 18);
        utf8[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
        utf8[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        utf8[3] = (uint8_t)(0x80 | (code & 0x3f));
        size = 4;
    }
    writer_put(w, bytes_of(utf8, size));
}

// text[*at] is the `u` of a scanned \u and four digits. Moves past them, and past the low half
// of a pair.
static bool decode_unicode(struct bytes text, size_t *at, struct writer *out) {
    uint32_t code = hex4(text.data + *at + 1);
    *at += 5;
    if (code >= 0xd800 && code <= 0xdfff) {
        const uint8_t *next = text.data + *at;
        if (code >= 0xdc00 || text.size - *at < 6 || next[0] != '\\' || next[1] != 'u')
            return false;
        uint32_t low = hex4(next + 2);
        if (low < 0xdc00 || low > 0xdfff)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    put_character(out, code);
    return true;
}

bool json_decode_string(struct bytes string, struct writer *out) {
    if (string.size < 2 || string.data[0] != '"')
        return false;
    struct bytes text = bytes_of(string.data + 1, string.size - 2);
    size_t at = 0;
    while (at < text.size) {
        const uint8_t *escape = memchr(text.data + at, '\\', text.size - at);
        size_t plain_end = escape ? (size_t)(escape - text.data) : text.size;
        writer_put(out, bytes_of(text.data + at, plain_end - at));
        if (!escape)
            break;
        at = plain_end + 1;
        if (text.data[at] == 'u') {
            if (!decode_unicode(text, &at, out))
                return false;
            continue;
        }
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        const char *which = strchr(from, text.data[at]);
        writer_put_byte(out, which ? (uint8_t)to[which - from] : text.data[at]);
        at++;
    }
    return true;
}

// The escape of a byte that needs one, in `escape`; its size, or 0.
static size_t escape_of(uint8_t byte, uint8_t escape[6]) {
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    if (byte >= ' ' && byte != '"' && byte != '\\')
        return 0;
    escape[0] = '\\';
    const char *which = byte ? strchr(from, byte) : NULL;
    if (which) {
        escape[1] = (uint8_t)to[which - from];
        return 2;
    }
    memcpy(escape + 1, "u00", 3);
    escape[4] = (uint8_t)('0' + (byte >> 4));
    escape[5] = (uint8_t) "0123456789abcdef"[byte & 15];
    return 6;
}

// The next byte from `at` on that must be escaped.
static size_t next_escape(struct bytes text, size_t at) {
    for (;;) {
        at = json_plain_end(text, at);
        if (at == text.size || text.data[at] < 0x80)
            return at;
        at++; // part of a character that is not ASCII: stays as it is
    }
}

void json_encode_string(struct writer *w, struct bytes text) {
    writer_put_byte(w, '"');
    for (size_t at = 0; at < text.size;) {
        size_t plain_end = next_escape(text, at);
        writer_put(w, bytes_of(text.data + at, plain_end - at));
        at = plain_end;
        if (at < text.size) {
            uint8_t escape[6];
            writer_put(w, bytes_of(escape, escape_of(text.data[at++], escape)));
        }
    }
    writer_put_byte(w, '"');
}

size_t json_encoded_string_size(struct bytes text) {
    size_t size = 2;
    for (size_t at = 0; at < text.size;) {
        size_t plain_end = next_escape(text, at);
        size += plain_end - at;
        at = plain_end;
        uint8_t escape[6];
        if (at < text.size)
            size += escape_of(text.data[at++], escape);
    }
    return size;
}
