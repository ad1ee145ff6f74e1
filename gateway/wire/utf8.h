// UTF-8 validation, whole or in pieces: the state of a character that is cut by a fragment's end is
// three bytes that the caller holds. Accepts exactly Unicode's table 3-7 (no overlong forms, no
// surrogates, nothing above U+10FFFF), and fails at the first byte that cannot be right.
//
// Pure functions, any thread. Source: RFC 3629, Unicode 15 table 3-7.
#ifndef FAIRLEAD_UTF8_H
#define FAIRLEAD_UTF8_H

#include "sched/base/bytes.h"
#include "sched/base/check.h"

// All zero: between two characters.
struct utf8 {
    uint8_t missing; // bytes of the current character still to come, 0 … 3
    uint8_t low;     // the next byte must be within low … high
    uint8_t high;
};

// Takes the next bytes of the text. False: no continuation can make the text valid; the state is
// then of no further use.
MUST_USE bool utf8_accepts(struct utf8 *state, struct bytes chunk);

// True exactly when the text may end here.
static inline bool utf8_is_complete(const struct utf8 *state) {
    return state->missing == 0;
}

// The whole text at once.
MUST_USE bool utf8_is_valid(struct bytes text);

// Size of the ASCII prefix, at 16 bytes a step: it may end up to 15 bytes before the first byte
// that is not ASCII.
size_t utf8_ascii_prefix(struct bytes text);

// Size (1 … 4) of the valid character that starts at text[at], or 0; at < text.size.
size_t utf8_character_size(struct bytes text, size_t at);

// As many whole characters of valid text as size_max bytes hold.
struct bytes utf8_prefix(struct bytes text, size_t size_max);

// C0 (00 … 1F), DEL, or C1 (C2 80 … C2 9F) in valid text.
bool utf8_has_control_character(struct bytes text);

#endif
