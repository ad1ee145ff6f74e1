#include "loadgen/stamp.h"

#define T_AT 6 // after {"t":"
#define T_DIGITS 16
#define I_AT 29
#define I_DIGITS 8
#define N_AT 44
#define N_DIGITS 8
#define P_AT 59

static const char FRAME[] =
    "{\"t\":\"tttttttttttttttt\",\"i\":\"iiiiiiii\",\"n\":\"nnnnnnnn\",\"p\":\"";

_Static_assert(sizeof(FRAME) - 1 == P_AT, "the fixed places fit the frame");
_Static_assert(STAMP_BYTES_MIN == P_AT + 2, "the frame and its two closing bytes");

static void put_hex(uint8_t *out, uint32_t digit_count, uint64_t value) {
    for (uint32_t i = digit_count; i-- > 0; value >>= 4)
        out[i] = (uint8_t) "0123456789abcdef"[value & 15];
}

// False at the first byte that is no lower-case hexadecimal digit.
static bool get_hex(const uint8_t *in, uint32_t digit_count, uint64_t *value) {
    uint64_t sum = 0;
    uint32_t bad = 0;
    for (uint32_t i = 0; i < digit_count; i++) {
        uint32_t decimal = in[i] - (uint32_t)'0';
        uint32_t letter = in[i] - (uint32_t)'a';
        uint32_t digit = decimal < 10 ? decimal : letter + 10;
        bad |= decimal >= 10 && letter >= 6;
        sum = sum << 4 | (digit & 15);
    }
    *value = sum;
    return !bad;
}

void stamp_encode(uint8_t *out, size_t size, const struct stamp *stamp) {
    CHECKF(size >= STAMP_BYTES_MIN, "payload of %zu bytes", size);
    memcpy(out, FRAME, P_AT);
    put_hex(out + T_AT, T_DIGITS, stamp->intended_ns);
    put_hex(out + I_AT, I_DIGITS, stamp->publisher);
    put_hex(out + N_AT, N_DIGITS, stamp->number);
    memset(out + P_AT, 'x', size - STAMP_BYTES_MIN);
    out[size - 2] = '"';
    out[size - 1] = '}';
}

static bool decode_fixed(struct bytes text, struct stamp *stamp) {
    const uint8_t *at = text.data;
    uint64_t publisher, number;
    if (text.size < P_AT || memcmp(at, FRAME, T_AT) != 0 ||
        memcmp(at + T_AT + T_DIGITS, FRAME + T_AT + T_DIGITS, I_AT - T_AT - T_DIGITS) != 0 ||
        memcmp(at + I_AT + I_DIGITS, FRAME + I_AT + I_DIGITS, N_AT - I_AT - I_DIGITS) != 0)
        return false;
    if (!get_hex(at + T_AT, T_DIGITS, &stamp->intended_ns) ||
        !get_hex(at + I_AT, I_DIGITS, &publisher) || !get_hex(at + N_AT, N_DIGITS, &number))
        return false;
    stamp->publisher = (uint32_t)publisher;
    stamp->number = (uint32_t)number;
    return true;
}

// The value of "key" as hexadecimal digits in quotes, wherever it stands.
static bool find_hex(struct bytes text, char key, uint32_t digit_count, uint64_t *value) {
    const uint8_t name[3] = {'"', (uint8_t)key, '"'};
    const uint8_t *found = memmem(text.data, text.size, name, sizeof(name));
    if (found == NULL)
        return false;
    struct bytes rest = bytes_skip(text, (size_t)(found - text.data) + sizeof(name));
    while (rest.size > 0 && (rest.data[0] == ' ' || rest.data[0] == ':'))
        rest = bytes_skip(rest, 1);
    if (rest.size < digit_count + 2 || rest.data[0] != '"' || rest.data[digit_count + 1] != '"')
        return false;
    return get_hex(rest.data + 1, digit_count, value);
}

bool stamp_decode(struct bytes text, struct stamp *stamp) {
    if (LIKELY(decode_fixed(text, stamp)))
        return true;
    uint64_t publisher, number;
    if (!find_hex(text, 't', T_DIGITS, &stamp->intended_ns) ||
        !find_hex(text, 'i', I_DIGITS, &publisher) || !find_hex(text, 'n', N_DIGITS, &number))
        return false;
    stamp->publisher = (uint32_t)publisher;
    stamp->number = (uint32_t)number;
    return true;
}
