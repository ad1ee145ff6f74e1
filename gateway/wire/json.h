// A validating JSON scanner (RFC 8259, whole) that builds no tree: it tells whether bytes are one
// valid value and where that ends, finds a member of an object, and turns strings into bytes and
// back. Valid includes valid UTF-8, so what it accepts may be broadcast to any client as it is.
//
// A lone surrogate (\ud800) is valid syntax (RFC 8259 8.2) and passes the scanner; it is no
// character, so json_decode_string refuses it.
//
// Bounds: nesting WIRE_JSON_DEPTH_MAX, without recursion; time linear in the input. Pure functions
// on borrowed bytes, any thread. Views that come out lie inside the input.
#ifndef FAIRLEAD_JSON_H
#define FAIRLEAD_JSON_H

#include "gateway/wire/wire_limits.h"
#include "sched/base/bytes.h"
#include "sched/base/check.h"

enum json_status {
    JSON_OK,
    JSON_CUT,      // valid so far, but the input ends inside the value
    JSON_BAD,      // no continuation makes it valid
    JSON_TOO_DEEP, // deeper than WIRE_JSON_DEPTH_MAX
};

// Position of the first byte at or after `at` that is no JSON whitespace; text.size when none.
static inline size_t json_skip_whitespace(struct bytes text, size_t at) {
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\n' ||
                              text.data[at] == '\r' || text.data[at] == '\t'))
        at++;
    return at;
}

// Validates the one value that starts at text[at] (no whitespace before it). OK: *end is the
// position after it. A number is taken as far as it goes; what follows is the caller's matter.
MUST_USE enum json_status json_scan_value(struct bytes text, size_t at, size_t *end);

// Validates the string whose opening quote is at text[at]. OK: *end is after the closing quote.
MUST_USE enum json_status json_scan_string(struct bytes text, size_t at, size_t *end);

// The whole text is one value, whitespace around it allowed.
MUST_USE enum json_status json_scan_text(struct bytes text);

// The value of the member `key` (plain bytes, compared after decoding escapes) of an object. The
// text must have passed json_scan_value or json_scan_text. False when the text is no object or has
// no such member. Of several the last counts, as in JSON.parse.
MUST_USE bool json_lookup_member(struct bytes object, struct bytes key, struct bytes *value);

// Appends what the string means, as UTF-8. `string` has its quotes and has passed the scanner.
// False when it holds a lone surrogate or is no string; too little room sets out->overflow.
MUST_USE bool json_decode_string(struct bytes string, struct writer *out);

// Appends `text` (valid UTF-8) as a JSON string with its quotes: `"`, `\` and control characters
// are escaped, all else stays as it is.
void json_encode_string(struct writer *w, struct bytes text);

// Bytes that json_encode_string appends.
size_t json_encoded_string_size(struct bytes text);

#endif
