// Goal: exactly the well-formed byte sequences of Unicode table 3-7 pass, however they are cut.
// Method: every edge of the table, every code point, every cut.
#include "gateway/wire/utf8.h"

#include "tests/unit/unit.h"

static const char *const valid[] = {
    "",
    "plain text that is longer than one step of sixteen bytes",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbf",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbf",
    "0123456789abcde\xc3\xa9 0123456789abcdef\xf0\x9f\x98\x80",
};

static const char *const invalid[] = {
    "\x80",             // continuation without a lead
    "\xbf",             //
    "\xc0\x80",         // overlong
    "\xc1\xbf",         //
    "\xe0\x80\x80",     //
    "\xe0\x9f\xbf",     //
    "\xf0\x80\x80\x80", //
    "\xf0\x8f\xbf\xbf", //
    "\xed\xa0\x80",     // surrogates
    "\xed\xbf\xbf",     //
    "\xf4\x90\x80\x80", // over U+10FFFF
    "\xf5\x80\x80\x80", //
    "\xff",             //
    "\xc3(",            // not a continuation
    "\xe2\x82(",        //
    "\xf0\x9f\x98(",    //
    "0123456789abcdef\x80",
};

START_TEST(utf8_rejects_every_malformed_class) {
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        struct bytes text = bytes_from_string(invalid[i]);
        ck_assert_msg(!utf8_is_valid(text), "case %zu", i);
        // and fails at once, not only at the end of the text
        struct utf8 state = {0};
        ck_assert_msg(!utf8_accepts(&state, text), "case %zu", i);
    }
}
END_TEST

START_TEST(utf8_accepts_valid_text_cut_anywhere) {
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        struct bytes text = bytes_from_string(valid[i]);
        ck_assert_msg(utf8_is_valid(text), "case %zu", i);
        for (size_t cut = 0; cut <= text.size; cut++) {
            struct utf8 state = {0};
            ck_assert(utf8_accepts(&state, bytes_of(text.data, cut)));
            ck_assert_int_eq(utf8_is_complete(&state), utf8_is_valid(bytes_of(text.data, cut)));
            ck_assert(utf8_accepts(&state, bytes_skip(text, cut)));
            ck_assert(utf8_is_complete(&state));
        }
    }
}
END_TEST

START_TEST(utf8_cut_character_is_not_valid_as_a_whole) {
    ck_assert(!utf8_is_valid(BYTES_LITERAL("ok\xc3")));
    ck_assert(!utf8_is_valid(BYTES_LITERAL("ok\xe2\x82")));
    ck_assert(!utf8_is_valid(BYTES_LITERAL("ok\xf0\x9f\x98")));
}
END_TEST

static size_t encode(uint32_t code, uint8_t out[4]) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)((0xf00 >> size) | code);
    return size;
}

START_TEST(utf8_accepts_each_code_point_but_surrogates) {
    for (uint32_t code = 0; code < 0x110400; code++) {
        uint8_t bytes[4];
        size_t size = encode(code, bytes);
        bool expected = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
        ck_assert_msg(utf8_is_valid(bytes_of(bytes, size)) == expected, "U+%04X", code);
        ck_assert(utf8_character_size(bytes_of(bytes, size), 0) == (expected ? size : 0));
    }
}
END_TEST

START_TEST(utf8_ascii_prefix_stops_before_the_first_other_byte) {
    uint8_t text[64];
    for (size_t other = 0; other <= sizeof(text); other++) {
        memset(text, 'a', sizeof(text));
        if (other < sizeof(text))
            text[other] = 0xc3;
        ck_assert_uint_eq(utf8_ascii_prefix(bytes_of(text, sizeof(text))), other / 16 * 16);
    }
}
END_TEST

START_TEST(utf8_control_characters_are_exactly_c0_del_and_c1) {
    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        uint8_t bytes[6] = {'a'};
        size_t size = encode(code, bytes + 1) + 2;
        bytes[size - 1] = 'z';
        bool expected = code < 0x20 || (code >= 0x7f && code < 0xa0);
        ck_assert_msg(utf8_has_control_character(bytes_of(bytes, size)) == expected, "U+%04X",
                      code);
    }
    ck_assert(!utf8_has_control_character((struct bytes){0}));
}
END_TEST

START_TEST(utf8_prefix_ends_between_characters) {
    const struct bytes text = BYTES_LITERAL("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    static const size_t sizes[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < sizeof(sizes) / sizeof(sizes[0]); max++)
        ck_assert_uint_eq(utf8_prefix(text, max).size, sizes[max]);
}
END_TEST

UNIT_MAIN("gateway/wire/utf8", utf8_rejects_every_malformed_class,
          utf8_accepts_valid_text_cut_anywhere, utf8_cut_character_is_not_valid_as_a_whole,
          utf8_accepts_each_code_point_but_surrogates,
          utf8_ascii_prefix_stops_before_the_first_other_byte,
          utf8_control_characters_are_exactly_c0_del_and_c1, utf8_prefix_ends_between_characters)
