// Goal: a payload has the size asked for and gives its fields back, also after a server printed it
// anew; a ref brings its time and lag back. Method: round trips over sizes and values; every prefix
// and every damaged byte.
#include "loadgen/stamp.h"

#include "tests/unit/unit.h"

static const struct stamp SAMPLE = {0x0123456789abcdefull, 0xdeadbeef, 7, 0xfedcba98};

static bool decodes(const char *text, struct stamp *out) {
    return stamp_decode(bytes_from_string(text), out);
}

static void is_sample(const struct stamp *stamp) {
    ck_assert_uint_eq(stamp->intended_ns, SAMPLE.intended_ns);
    ck_assert_uint_eq(stamp->publisher, SAMPLE.publisher);
    ck_assert_uint_eq(stamp->number, SAMPLE.number);
    ck_assert_uint_eq(stamp->lag_us, SAMPLE.lag_us);
}

START_TEST(stamp_has_exactly_the_size_asked_for) {
    static const size_t sizes[] = {55, 56, 57, 64, 65, 512, 65536};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *text = malloc(sizes[i] + 1);
        struct stamp back;
        text[sizes[i]] = 0xee;
        stamp_encode(text, sizes[i], &SAMPLE);
        ck_assert_uint_eq(text[sizes[i]], 0xee);
        ck_assert(text[0] == '{' && text[sizes[i] - 1] == '}');
        ck_assert(stamp_decode(bytes_of(text, sizes[i]), &back));
        is_sample(&back);
        free(text);
    }
}
END_TEST

START_TEST(stamp_of_64_bytes_is_the_documented_text) {
    uint8_t text[64];
    struct stamp p = {0x0000f3a1c2d4e5b6ull, 0x2a, 7, 18};
    stamp_encode(text, 64, &p);
    ck_assert_mem_eq(
        text, "{\"t\":\"0000f3a1c2d4e5b60000002a0000000700000012\",\"p\":\"xxxxxxxxx\"}", 64);
}
END_TEST

START_TEST(stamp_printed_anew_is_still_understood) {
    struct stamp back;
    ck_assert(decodes("{ \"p\": \"xx\",\n"
                      " \"t\" : \"0123456789abcdefdeadbeef00000007fedcba98\" }",
                      &back));
    is_sample(&back);
}
END_TEST

START_TEST(stamp_of_others_is_refused) {
    struct stamp back;
    ck_assert(!decodes("", &back));
    ck_assert(!decodes("{}", &back));
    ck_assert(!decodes("{\"t\":\"", &back));
    ck_assert(!decodes("{\"t\":\"0123456789abcdef\",\"i\":\"deadbeef\"}", &back));
    ck_assert(!decodes("{\"t\":12,\"p\":\"0123456789abcdefdeadbeef00000007fedcba98\"}", &back));
    ck_assert(!decodes("{\"t\":\"0123456789abcdefdeadbeef00000007fedcba9\"}", &back));
    ck_assert(!decodes("{\"t\":\"0123456789abcdefdeadbeef00000007fedcba98a\"}", &back));
    ck_assert(!decodes("{\"t\":\"0123456789ABCDEFdeadbeef00000007fedcba98\"}", &back));
}
END_TEST

START_TEST(stamp_prefix_is_refused_until_its_digits_are_there) {
    uint8_t text[64];
    stamp_encode(text, 64, &SAMPLE);
    for (size_t size = 0; size <= 64; size++) {
        uint8_t *prefix = malloc(size ? size : 1); // its exact size: sanitizers see an overrun
        struct stamp back;
        memcpy(prefix, text, size);
        ck_assert_int_eq(stamp_decode(bytes_of(prefix, size), &back), size >= 47);
        free(prefix);
    }
}
END_TEST

START_TEST(stamp_digits_are_lower_case_hexadecimal_and_nothing_else) {
    uint8_t text[64];
    struct stamp back;
    for (size_t at = 6; at < 46; at++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            bool is_decimal = byte >= '0' && byte <= '9', is_letter = byte >= 'a' && byte <= 'f';
            uint64_t digit = is_decimal ? byte - '0' : byte - 'a' + 10;
            stamp_encode(text, 64, &(struct stamp){0});
            text[at] = (uint8_t)byte;
            ck_assert_int_eq(stamp_decode(bytes_of(text, 64), &back), is_decimal || is_letter);
            if (!is_decimal && !is_letter)
                continue;
            uint64_t sum = back.intended_ns + back.publisher + back.number + back.lag_us;
            ck_assert_uint_eq(sum, digit << 4 * (at < 22 ? 21 - at : (45 - at) % 8));
        }
}
END_TEST

START_TEST(stamp_lag_is_never_negative_and_saturates) {
    ck_assert_uint_eq(stamp_lag_us(5000, 4000), 0);
    ck_assert_uint_eq(stamp_lag_us(5000, 5999), 0);
    ck_assert_uint_eq(stamp_lag_us(5000, 6000), 1);
    ck_assert_uint_eq(stamp_lag_us(0, UINT32_MAX * 1000ull), UINT32_MAX);
    ck_assert_uint_eq(stamp_lag_us(0, UINT64_MAX), UINT32_MAX);
}
END_TEST

// --- refs ----------------------------------------------------------------------------------------

static bool ref_decodes(const char *text, uint64_t begin_ns, struct stamp *out) {
    return stamp_decode_ref(bytes_from_string(text), begin_ns, out);
}

START_TEST(stamp_ref_brings_time_and_lag_back) {
    static const uint64_t since_ns[] = {0, 1, 999, 1000, 86400000000000ull, UINT64_MAX - 5000};
    static const uint32_t lags_us[] = {0, 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof(since_ns) / sizeof(since_ns[0]); i++)
        for (size_t j = 0; j < sizeof(lags_us) / sizeof(lags_us[0]); j++) {
            uint8_t text[STAMP_REF_BYTES_MAX];
            struct writer w = writer_on(text, sizeof(text));
            struct stamp back, s = {.intended_ns = 4000 + since_ns[i],
                                    .number = lags_us[2 - j],
                                    .lag_us = lags_us[j]};
            stamp_encode_ref(&w, 4000, &s);
            ck_assert(!w.overflow);
            ck_assert(stamp_decode_ref(writer_bytes(&w), 4000, &back));
            ck_assert_uint_eq(back.intended_ns, s.intended_ns);
            ck_assert_uint_eq(back.lag_us, s.lag_us);
            ck_assert_uint_eq(back.number, s.number);
        }
}
END_TEST

START_TEST(stamp_ref_of_another_is_refused) {
    struct stamp back;
    static const char *const bad[] = {
        "",
        "1",
        "999.0.0",
        "1000",
        "1000.",
        "1000.1",
        "1000.1.",
        ".1.1",
        "1000,1,1",
        "1000.1.1.",
        "-1.0.0",
        "1000.x.1",
        "1000.1.x",
        "1000.4294967296.1",
        "1000.1.4294967296",
        "18446744073709551616.0.0",
        " 1000.0.0",
        "1000.1.1 ",
        "0x10.0.0",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!ref_decodes(bad[i], 0, &back), "taken: %s", bad[i]);
    ck_assert(!stamp_decode_ref((struct bytes){NULL, 0}, 0, &back));
    ck_assert(ref_decodes("1000.4294967295.4294967295", 0, &back));
    ck_assert(ref_decodes("1010.0.0", UINT64_MAX - 10, &back)); // the last time there is
    ck_assert_uint_eq(back.intended_ns, UINT64_MAX);
    ck_assert(!ref_decodes("1011.0.0", UINT64_MAX - 10, &back));
}
END_TEST

UNIT_MAIN("loadgen/stamp", stamp_has_exactly_the_size_asked_for,
          stamp_of_64_bytes_is_the_documented_text, stamp_printed_anew_is_still_understood,
          stamp_of_others_is_refused, stamp_prefix_is_refused_until_its_digits_are_there,
          stamp_digits_are_lower_case_hexadecimal_and_nothing_else,
          stamp_lag_is_never_negative_and_saturates, stamp_ref_brings_time_and_lag_back,
          stamp_ref_of_another_is_refused)
