// Goal: the validator agrees with a plain decoder written from the definition, and cutting the text
// anywhere changes nothing. Method: whole, byte by byte, and the oracle, side by side.
#include "gateway/wire/utf8.h"
#include "tests/fuzz/fuzz.h"

// Decodes by arithmetic and then asks whether the code point needed that many bytes.
static bool oracle(struct bytes text) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t at = 0; at < text.size;) {
        uint8_t lead = text.data[at];
        size_t size = lead < 0x80             ? 1
                      : (lead & 0xe0) == 0xc0 ? 2
                      : (lead & 0xf0) == 0xe0 ? 3
                      : (lead & 0xf8) == 0xf0 ? 4
                                              : 0;
        if (size == 0 || size > text.size - at)
            return false;
        uint32_t code = size == 1 ? lead : lead & (0xffu >> (size + 1));
        for (size_t i = 1; i < size; i++) {
            if ((text.data[at + i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (text.data[at + i] & 0x3f);
        }
        if (code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        CHECK(utf8_character_size(text, at) == size);
        at += size;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes text = bytes_of(data, size);
    bool is_valid = oracle(text);
    CHECK(utf8_is_valid(text) == is_valid);
    struct utf8 state = {0};
    bool is_accepted = true;
    for (size_t i = 0; i < size && is_accepted; i++)
        is_accepted = utf8_accepts(&state, bytes_of(data + i, 1));
    CHECK((is_accepted && utf8_is_complete(&state)) == is_valid);
    size_t ascii = utf8_ascii_prefix(text);
    CHECK(ascii <= size);
    for (size_t i = 0; i < ascii; i++)
        CHECK(data[i] < 0x80);
    return 0;
}
