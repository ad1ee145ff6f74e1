// Goal: RFC 8259, the whole and nothing else; what is cut is told from what is wrong. Method: the
// classes of accepted and refused texts, every prefix, strings there and back.
#include "gateway/wire/json.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static const char *const good[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "12",
    "-1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "0.0",
    "0e0",
    "123456789012345678901234567890",
    "1.7976931348623157e+400",
    "\"\"",
    "\"a\"",
    "\"\\u0000\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u00e9\\uD83D\\uDE00\"",
    "\"\\ud800\"",
    "\"\x7f\"",
    "\"\xc3\xa9 \xf0\x9f\x98\x80\"",
    "[]",
    "{}",
    "[[]]",
    "[1]",
    "[1,2,[3,{\"a\":null}]]",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "{\"\":{}}",
    " \t\r\n[ 1 , 2 ] \n",
    "{ \"a\" : { \"b\" : [ true , false ] } , \"c\" : 0 }",
    "\"a string that is longer than sixteen bytes, so that whole steps are taken\"",
};

static const char *const bad[] = {
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1,,2]",
    "[}",
    "{]",
    "{,}",
    "{\"a\":1,}",
    "{\"a\" 1}",
    "{\"a\"::1}",
    "{a:1}",
    "{1:1}",
    "{'a':1}",
    "{\"a\":}",
    "{\"a\",1}",
    "{null:1}",
    "01",
    "-01",
    "+1",
    ".5",
    "1.e5",
    "1.x",
    "1ex",
    "-x",
    "--1",
    "0x10",
    "NaN",
    "Infinity",
    "-Infinity",
    "1 2",
    "tru ",
    "nulL",
    "True",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\U0041\"",
    "\"\t\"",
    "\"\n\"",
    "\"\x01\"",
    "\"\x1f\"",
    "'a'",
    "\"a\"b",
    "[]]",
    "{}}",
    "[1]//c",
    "/**/1",
    "\xef\xbb\xbf[]",
    "\"\xff\"",
    "\"\x80\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xe2(\"",
    "[\v]",
    "[\f]",
    "\xc2\xa0[]",
    "@",
    "]",
    "}",
    ",",
    ":",
};

static const char *const cut[] = {
    "",           " ",
    "[",          "[1",
    "[1,",        "{",
    "{\"a\"",     "{\"a\":",
    "{\"a\":1",   "{\"a\":1,",
    "\"",         "\"abc",
    "\"\\",       "\"\\u",
    "\"\\u00",    "\"\\u004",
    "-",          "1.",
    "1e",         "1e+",
    "t",          "nul",
    "fals",       "\"\xc3",
    "\"\xe2\x82", "\"\xf0\x9f\x98",
};

START_TEST(json_rejects_what_no_continuation_can_mend) {
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(json_scan_text(bytes_from_string(bad[i])) == JSON_BAD, "%s", bad[i]);
    ck_assert_int_eq(json_scan_text(bytes_of("\"a\0b\"", 5)), JSON_BAD);
    ck_assert_int_eq(json_scan_text(bytes_of("\"\\\0\"", 4)), JSON_BAD);
    ck_assert_int_eq(json_scan_text(bytes_of("1\0", 2)), JSON_BAD);
}
END_TEST

START_TEST(json_tells_cut_from_bad) {
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++)
        ck_assert_msg(json_scan_text(bytes_from_string(cut[i])) == JSON_CUT, "%s", cut[i]);
}
END_TEST

START_TEST(json_accepts_the_grammar) {
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(json_scan_text(bytes_from_string(good[i])) == JSON_OK, "%s", good[i]);
}
END_TEST

START_TEST(json_every_prefix_of_a_container_or_string_is_cut) {
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct bytes text = bytes_from_string(good[i]);
        size_t begin = json_skip_whitespace(text, 0), end;
        if (!strchr("[{\"", text.data[begin]))
            continue;
        ck_assert_int_eq(json_scan_value(text, begin, &end), JSON_OK);
        for (size_t size = 0; size < end; size++) {
            uint8_t *exact = malloc(size + 1); // the sanitizer sees a read past the prefix
            memcpy(exact, text.data, size);
            exact = realloc(exact, size ? size : 1);
            ck_assert_int_eq(json_scan_text(bytes_of(exact, size)), JSON_CUT);
            free(exact);
        }
    }
}
END_TEST

START_TEST(json_scan_value_stops_where_the_value_ends) {
    struct bytes text = BYTES_LITERAL("[1.5,\"a]\",{\"b\":null}] , 2");
    size_t end = 0;
    ck_assert_int_eq(json_scan_value(text, 0, &end), JSON_OK);
    ck_assert_uint_eq(end, 21);
    ck_assert_int_eq(json_scan_value(text, 1, &end), JSON_OK);
    ck_assert_uint_eq(end, 4);
    ck_assert_int_eq(json_scan_value(text, text.size, &end), JSON_CUT);
    ck_assert_int_eq(json_scan_string(text, 5, &end), JSON_OK);
    ck_assert_uint_eq(end, 9);
    ck_assert_int_eq(json_scan_string(text, 0, &end), JSON_BAD);
    ck_assert_int_eq(json_scan_string(text, text.size, &end), JSON_CUT);
}
END_TEST

static enum json_status nested(size_t depth, const char *open, const char *inner,
                               const char *shut) {
    char text[1024];
    size_t size = 0;
    for (size_t i = 0; i < depth; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s", open);
    size += (size_t)snprintf(text + size, sizeof(text) - size, "%s", inner);
    for (size_t i = 0; i < depth; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s", shut);
    return json_scan_text(bytes_of(text, size));
}

START_TEST(json_nesting_is_bounded) {
    for (size_t depth = WIRE_JSON_DEPTH_MAX - 1; depth <= WIRE_JSON_DEPTH_MAX + 1; depth++) {
        enum json_status expected = depth > WIRE_JSON_DEPTH_MAX ? JSON_TOO_DEEP : JSON_OK;
        ck_assert_int_eq(nested(depth, "[", "", "]"), expected);
        ck_assert_int_eq(nested(depth, "{\"a\":", "1", "}"), expected);
    }
    ck_assert_int_eq(nested(WIRE_JSON_DEPTH_MAX / 2, "[{\"a\":", "1", "}]"), JSON_OK);
    // each bracket is closed by its own kind, at any depth
    ck_assert_int_eq(nested(WIRE_JSON_DEPTH_MAX / 2, "[{\"a\":", "1", "]}"), JSON_BAD);
}
END_TEST

START_TEST(json_finds_a_special_byte_at_every_offset) {
    const struct {
        uint8_t byte;
        enum json_status expected;
    } cases[] = {{'"', JSON_BAD},  {'\\', JSON_BAD}, {0x1f, JSON_BAD}, {0x80, JSON_BAD},
                 {0xff, JSON_BAD}, {' ', JSON_OK},   {0x7f, JSON_OK},  {'~', JSON_OK}};
    for (size_t size = 1; size < 70; size++)
        for (size_t at = 0; at < size; at++)
            for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint8_t text[72];
                memset(text, '!', sizeof(text));
                text[0] = text[size + 1] = '"';
                text[1 + at] = cases[i].byte;
                enum json_status expected = cases[i].expected;
                if (cases[i].byte == '\\' && at == size - 1)
                    expected = JSON_CUT; // it escapes the closing quote
                ck_assert_int_eq(json_scan_text(bytes_of(text, size + 2)), expected);
            }
}
END_TEST

static bool member_is(const char *text, const char *key, const char *expected) {
    struct bytes value = {0};
    if (!json_lookup_member(bytes_from_string(text), bytes_from_string(key), &value))
        return expected == NULL;
    return expected && bytes_equal_string(value, expected);
}

START_TEST(json_lookup_member_finds_by_key) {
    ck_assert(member_is("{\"meta\":{\"a\":[1, 2]},\"b\":2}", "meta", "{\"a\":[1, 2]}"));
    ck_assert(member_is(" { \"x\" : \"meta\" , \"meta\" : -1.5e3 } ", "meta", "-1.5e3"));
    ck_assert(member_is("{\"m\\u0065ta\":1}", "meta", "1"));
    ck_assert(member_is("{\"meta\":1,\"meta\":2}", "meta", "2"));
    ck_assert(member_is("{\"meta\\n\":1}", "meta", NULL));
    ck_assert(member_is("{\"met\\u0061x\":1}", "meta", NULL));
    ck_assert(member_is("{\"\\ud800\":1,\"meta\":3}", "meta", "3"));
    ck_assert(member_is("{\"a\":{\"meta\":1}}", "meta", NULL));
    ck_assert(member_is("{}", "meta", NULL));
    ck_assert(member_is("[\"meta\",1]", "meta", NULL));
    ck_assert(member_is("\"meta\"", "meta", NULL));
    ck_assert(member_is("", "meta", NULL));
    ck_assert(member_is("{\"\":1}", "", "1"));
}
END_TEST

static void decodes_to(const char *string, struct bytes expected) {
    uint8_t buffer[64];
    struct writer w = writer_on(buffer, sizeof(buffer));
    ck_assert_msg(json_decode_string(bytes_from_string(string), &w), "%s", string);
    ck_assert(!w.overflow && bytes_equal(writer_bytes(&w), expected));
}

START_TEST(json_decode_string_turns_escapes_into_bytes) {
    decodes_to("\"\"", BYTES_LITERAL(""));
    decodes_to("\"plain \xc3\xa9\"", BYTES_LITERAL("plain \xc3\xa9"));
    decodes_to("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", BYTES_LITERAL("\"\\/\b\f\n\r\t"));
    decodes_to("\"a\\u0000b\"", BYTES_LITERAL("a\0b"));
    decodes_to("\"\\u007f\\u0080\\u07FF\"", BYTES_LITERAL("\x7f\xc2\x80\xdf\xbf"));
    decodes_to("\"\\u0800\\uffff\"", BYTES_LITERAL("\xe0\xa0\x80\xef\xbf\xbf"));
    decodes_to("\"\\ud800\\udc00\\uDBFF\\uDFFF\"",
               BYTES_LITERAL("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}
END_TEST

START_TEST(json_decode_string_refuses_lone_surrogates_and_overflow) {
    const char *const lone[] = {"\"\\ud800\"",        "\"\\udc00\"",    "\"\\ud800x\"",
                                "\"\\ud800\\u0041\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\""};
    uint8_t buffer[64];
    for (size_t i = 0; i < sizeof(lone) / sizeof(lone[0]); i++) {
        struct writer w = writer_on(buffer, sizeof(buffer));
        ck_assert_msg(!json_decode_string(bytes_from_string(lone[i]), &w), "%s", lone[i]);
    }
    struct writer w = writer_on(buffer, 3);
    ck_assert(json_decode_string(BYTES_LITERAL("\"\\u20ac\""), &w) && !w.overflow && w.size == 3);
    w = writer_on(buffer, 2);
    ck_assert(json_decode_string(BYTES_LITERAL("\"\\u20ac\""), &w) && w.overflow);
    w = writer_on(buffer, sizeof(buffer));
    ck_assert(!json_decode_string(BYTES_LITERAL("12"), &w));
}
END_TEST

START_TEST(json_encode_string_escapes_what_must_be) {
    uint8_t buffer[256];
    struct writer w = writer_on(buffer, sizeof(buffer));
    json_encode_string(&w, BYTES_LITERAL("a\"\\/\b\f\n\r\t\0\x1f\x7f\xc3\xa9"));
    ck_assert(bytes_equal_string(writer_bytes(&w), "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f"
                                                   "\xc3\xa9\""));
}
END_TEST

START_TEST(json_strings_survive_encode_and_decode) {
    for (uint32_t byte = 0; byte < 0x80; byte++)
        for (size_t at = 0; at < 40; at++) {
            uint8_t text[40], encoded[256], decoded[40];
            memset(text, 'x', sizeof(text));
            text[at] = (uint8_t)byte;
            struct writer w = writer_on(encoded, sizeof(encoded));
            json_encode_string(&w, bytes_of(text, sizeof(text)));
            ck_assert_uint_eq(w.size, json_encoded_string_size(bytes_of(text, sizeof(text))));
            ck_assert_int_eq(json_scan_text(writer_bytes(&w)), JSON_OK);
            struct writer back = writer_on(decoded, sizeof(decoded));
            ck_assert(json_decode_string(writer_bytes(&w), &back) && !back.overflow);
            ck_assert(bytes_equal(writer_bytes(&back), bytes_of(text, sizeof(text))));
        }
}
END_TEST

UNIT_MAIN("gateway/wire/json", json_rejects_what_no_continuation_can_mend, json_tells_cut_from_bad,
          json_accepts_the_grammar, json_every_prefix_of_a_container_or_string_is_cut,
          json_scan_value_stops_where_the_value_ends, json_nesting_is_bounded,
          json_finds_a_special_byte_at_every_offset, json_lookup_member_finds_by_key,
          json_decode_string_turns_escapes_into_bytes,
          json_decode_string_refuses_lone_surrogates_and_overflow,
          json_encode_string_escapes_what_must_be, json_strings_survive_encode_and_decode)
