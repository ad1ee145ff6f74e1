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
_Static_assert(INTENDED_DIGITS + 3 * FIELD_DIGITS == DIGITS && INTENDED_DIGITS == 2 * FIELD_DIGITS,
               "four fields");
_Static_assert(STAMP_BYTES_MIN == PADDING_AT + 2, "the frame and its two closing bytes");

static uint8_t *put_hex(uint8_t *out, uint32_t digit_count, uint64_t value) {
    for (uint32_t i = digit_count; i-- > 0; value >>= 4)
        out[i] = (uint8_t) "0123456789abcdef"[value & 15];
    return out + digit_count;
}

#define BYTES_OF(value) (0x0101010101010101ull * (value)) // the same in each of eight bytes

// The value of eight lower-case digits, all at once: a quarter of what a delivery costs this tool
// was spent here when it went digit by digit. What is no such digit sets bits of *bad.
static uint32_t get_hex8(const uint8_t *in, uint64_t *bad) {
    uint64_t text;
    memcpy(&text, in, sizeof(text));
    uint64_t letters = text >> 6 & BYTES_OF(1); // 1 in each byte from 0x40 on, so in a … f
    uint64_t nibbles = (text & BYTES_OF(0x0f)) + 9 * letters;
    // Written back, they must give the same text: '0' + nibble, and 39 more from ten on.
    uint64_t tens = (nibbles + BYTES_OF(6)) >> 4 & BYTES_OF(1);
    *bad |= (nibbles & BYTES_OF(0xf0)) | (text ^ (nibbles + BYTES_OF('0') + 39 * tens));
    // The first digit is the highest, and stands in the lowest byte.
    nibbles = __builtin_bswap64(nibbles);
    nibbles = (nibbles | nibbles >> 4) & 0x00ff00ff00ff00ffull;
    nibbles = (nibbles | nibbles >> 8) & 0x0000ffff0000ffffull;
    return (uint32_t)(nibbles | nibbles >> 16);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "io_uring machines that we build for");

static bool get_fields(const uint8_t *in, struct stamp *stamp) {
    uint64_t bad = 0;
    stamp->intended_ns = (uint64_t)get_hex8(in, &bad) << 32;
    stamp->intended_ns |= get_hex8(in + FIELD_DIGITS, &bad);
    stamp->publisher = get_hex8(in + 2 * FIELD_DIGITS, &bad);
    stamp->number = get_hex8(in + 3 * FIELD_DIGITS, &bad);
    stamp->lag_us = get_hex8(in + 4 * FIELD_DIGITS, &bad);
    return bad == 0;
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
