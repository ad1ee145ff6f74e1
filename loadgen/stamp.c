#include "loadgen/stamp.h"

#define DIGITS_AT 6 // after {"t":"
#define DIGITS 40
#define INTENDED_DIGITS 16
#define FIELD_DIGITS 8
#define PADDING_AT 53

static const char HEAD[] = "{\"t\":\"";
static const char TAIL[] = "\",\"p\":\"";

_Static_assert(sizeof(HEAD) - 1 == DIGITS_AT, "the fixed place fits the head");
_Static_assert(DIGITS_AT + DIGITS + sizeof(TAIL) - 1 == PADDING_AT, "and the tail");
_Static_assert(INTENDED_DIGITS + 3 * FIELD_DIGITS == DIGITS, "four fields");
_Static_assert(STAMP_BYTES_MIN == PADDING_AT + 2, "the frame and its two closing bytes");

static uint8_t *put_hex(uint8_t *out, uint32_t digit_count, uint64_t value) {
    for (uint32_t i = digit_count; i-- > 0; value >>= 4)
        out[i] = (uint8_t) "0123456789abcdef"[value & 15];
    return out + digit_count;
}

// The value of lower-case digits; *bad is set at any other byte.
static uint64_t get_hex(const uint8_t *in, uint32_t digit_count, bool *bad) {
    uint64_t sum = 0;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < digit_count; i++) {
        uint32_t decimal = in[i] - (uint32_t)'0';
        uint32_t letter = in[i] - (uint32_t)'a';
        uint32_t digit = decimal < 10 ? decimal : letter + 10;
        wrong |= decimal >= 10 && letter >= 6;
        sum = sum << 4 | (digit & 15);
    }
    *bad |= wrong;
    return sum;
}

static bool get_fields(const uint8_t *in, struct stamp *stamp) {
    bool bad = false;
    stamp->intended_ns = get_hex(in, INTENDED_DIGITS, &bad);
    in += INTENDED_DIGITS;
    stamp->publisher = (uint32_t)get_hex(in, FIELD_DIGITS, &bad);
    stamp->number = (uint32_t)get_hex(in + FIELD_DIGITS, FIELD_DIGITS, &bad);
    stamp->lag_us = (uint32_t)get_hex(in + 2 * FIELD_DIGITS, FIELD_DIGITS, &bad);
    return !bad;
}

void stamp_encode(uint8_t *out, size_t size, const struct stamp *stamp) {
    CHECKF(size >= STAMP_BYTES_MIN, "payload of %zu bytes", size);
    memcpy(out, HEAD, DIGITS_AT);
    uint8_t *at = put_hex(out + DIGITS_AT, INTENDED_DIGITS, stamp->intended_ns);
    at = put_hex(at, FIELD_DIGITS, stamp->publisher);
    at = put_hex(at, FIELD_DIGITS, stamp->number);
    at = put_hex(at, FIELD_DIGITS, stamp->lag_us);
    memcpy(at, TAIL, sizeof(TAIL) - 1);
    memset(out + PADDING_AT, 'x', size - STAMP_BYTES_MIN);
    out[size - 2] = '"';
    out[size - 1] = '}';
}

// The value of "t", wherever it stands.
static bool decode_anywhere(struct bytes text, struct stamp *stamp) {
    const uint8_t *found = memmem(text.data, text.size, "\"t\"", 3);
    if (found == NULL)
        return false;
    struct bytes rest = bytes_skip(text, (size_t)(found - text.data) + 3);
    while (rest.size > 0 && (rest.data[0] == ' ' || rest.data[0] == ':'))
        rest = bytes_skip(rest, 1);
    return rest.size >= DIGITS + 2 && rest.data[0] == '"' && rest.data[DIGITS + 1] == '"' &&
           get_fields(rest.data + 1, stamp);
}

bool stamp_decode(struct bytes text, struct stamp *stamp) {
    if (LIKELY(text.size > DIGITS_AT + DIGITS && memcmp(text.data, HEAD, DIGITS_AT) == 0 &&
               text.data[DIGITS_AT + DIGITS] == '"'))
        return get_fields(text.data + DIGITS_AT, stamp);
    return decode_anywhere(text, stamp);
}

// --- refs ----------------------------------------------------------------------------------------

void stamp_encode_ref(struct writer *w, uint64_t begin_ns, const struct stamp *stamp) {
    CHECKF(stamp->intended_ns >= begin_ns, "meant for before the run");
    writer_put_u64(w, stamp->intended_ns - begin_ns + STAMP_REF_BASE);
    writer_put_byte(w, '.');
    writer_put_u64(w, stamp->lag_us);
    writer_put_byte(w, '.');
    writer_put_u64(w, stamp->number);
}

// Decimal digits up to one that is none; false at more than 2^64 - 1 or at none.
static bool take_decimal(struct bytes *text, uint64_t *value) {
    uint64_t sum = 0;
    size_t i = 0;
    for (; i < text->size; i++) {
        uint32_t digit = text->data[i] - (uint32_t)'0';
        if (digit > 9)
            break;
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *text = bytes_skip(*text, i);
    *value = sum;
    return i > 0;
}

static bool take_point(struct bytes *text) {
    if (text->size == 0 || text->data[0] != '.')
        return false;
    *text = bytes_skip(*text, 1);
    return true;
}

bool stamp_decode_ref(struct bytes text, uint64_t begin_ns, struct stamp *stamp) {
    uint64_t since, lag_us, number;
    if (!take_decimal(&text, &since) || since < STAMP_REF_BASE ||
        since - STAMP_REF_BASE > UINT64_MAX - begin_ns)
        return false;
    if (!take_point(&text) || !take_decimal(&text, &lag_us) || lag_us > UINT32_MAX ||
        !take_point(&text) || !take_decimal(&text, &number) || number > UINT32_MAX || text.size > 0)
        return false;
    *stamp = (struct stamp){.intended_ns = since - STAMP_REF_BASE + begin_ns,
                            .number = (uint32_t)number,
                            .lag_us = (uint32_t)lag_us};
    return true;
}
