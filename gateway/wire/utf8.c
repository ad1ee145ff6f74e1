// The state names what the next byte must be: how many bytes are missing and the range of the next
// one. Only the first continuation byte has a range narrower than 80..BF, and that range is what
// shuts out overlong forms, surrogates and code points above U+10FFFF (Unicode table 3-7).
#include "gateway/wire/utf8.h"

#define UTF8_STEP 16

size_t utf8_ascii_prefix(struct bytes text) {
    size_t at = 0;
    while (text.size - at >= UTF8_STEP) {
        uint64_t low, high;
        memcpy(&low, text.data + at, 8);
        memcpy(&high, text.data + at + 8, 8);
        if ((low | high) & 0x8080808080808080ull)
            break;
        at += UTF8_STEP;
    }
    return at;
}

// What must follow a lead byte; false: it is none.
static bool utf8_begin(struct utf8 *state, uint8_t lead) {
    *state = (struct utf8){.low = 0x80, .high = 0xbf};
    if (lead < 0xc2) // 80..BF continue, C0 and C1 would be overlong
        return false;
    if (lead < 0xe0) {
        state->missing = 1;
    } else if (lead < 0xf0) {
        state->missing = 2;
        if (lead == 0xe0)
            state->low = 0xa0; // overlong below
        else if (lead == 0xed)
            state->high = 0x9f; // surrogates above
    } else if (lead < 0xf5) {
        state->missing = 3;
        if (lead == 0xf0)
            state->low = 0x90; // overlong below
        else if (lead == 0xf4)
            state->high = 0x8f; // over U+10FFFF above
    } else {
        return false;
    }
    return true;
}

static bool utf8_continue(struct utf8 *state, uint8_t byte) {
    if (byte < state->low || byte > state->high)
        return false;
    if (--state->missing == 0)
        *state = (struct utf8){0};
    else
        *state = (struct utf8){.missing = state->missing, .low = 0x80, .high = 0xbf};
    return true;
}

bool utf8_accepts(struct utf8 *state, struct bytes chunk) {
    size_t at = 0;
    while (at < chunk.size) {
        if (state->missing > 0) {
            if (!utf8_continue(state, chunk.data[at++]))
                return false;
            continue;
        }
        at += utf8_ascii_prefix(bytes_skip(chunk, at));
        while (at < chunk.size && chunk.data[at] < 0x80)
            at++;
        if (at < chunk.size && !utf8_begin(state, chunk.data[at++]))
            return false;
    }
    return true;
}

bool utf8_is_valid(struct bytes text) {
    struct utf8 state = {0};
    return utf8_accepts(&state, text) && utf8_is_complete(&state);
}

size_t utf8_character_size(struct bytes text, size_t at) {
    if (text.data[at] < 0x80)
        return 1;
    struct utf8 state;
    if (!utf8_begin(&state, text.data[at]))
        return 0;
    size_t end = at + 1;
    while (state.missing > 0) {
        if (end == text.size || !utf8_continue(&state, text.data[end]))
            return 0;
        end++;
    }
    return end - at;
}

struct bytes utf8_prefix(struct bytes text, size_t size_max) {
    if (text.size <= size_max)
        return text;
    text.size = size_max;
    while (text.size > 0 && (text.data[text.size] & 0xc0) == 0x80) // within a character
        text.size--;
    return text;
}

bool utf8_has_control_character(struct bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte < ' ' || byte == 0x7f ||
            (byte == 0xc2 && i + 1 < text.size && text.data[i + 1] < 0xa0))
            return true;
    }
    return false;
}
