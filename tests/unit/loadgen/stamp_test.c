// Goal: a payload has the size asked for and gives its fields back, also after a server printed it
// anew. Method: round trips over sizes and values; every prefix and every damaged byte.
#include "loadgen/stamp.h"

#include "tests/unit/unit.h"

static const struct stamp SAMPLE = {0x0123456789abcdefull, 0xdeadbeef, 7};

static bool decodes(const char *text, struct stamp *out) {
    return stamp_decode(bytes_from_string(text), out);
}

START_TEST(stamp_has_exactly_the_size_asked_for) {
    static const size_t sizes[] = {61, 62, 63, 64, 65, 512, 65536};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *text = malloc(sizes[i] + 1);
        struct stamp back;
        text[sizes[i]] = 0xee;
        stamp_encode(text, sizes[i], &SAMPLE);
        ck_assert_uint_eq(text[sizes[i]], 0xee);
        ck_assert(text[0] == '{' && text[sizes[i] - 1] == '}');
        ck_assert(stamp_decode(bytes_of(text, sizes[i]), &back));
        ck_assert_mem_eq(&back, &SAMPLE, sizeof(back));
        free(text);
    }
}
END_TEST

START_TEST(stamp_of_64_bytes_is_the_documented_text) {
    uint8_t text[64];
    struct stamp p = {0x0000f3a1c2d4e5b6ull, 0x2a, 7};
    stamp_encode(text, 64, &p);
    ck_assert_mem_eq(
        text, "{\"t\":\"0000f3a1c2d4e5b6\",\"i\":\"0000002a\",\"n\":\"00000007\",\"p\":\"xxx\"}",
        64);
}
END_TEST

START_TEST(stamp_printed_anew_is_still_understood) {
    struct stamp back;
    ck_assert(decodes("{ \"i\": \"deadbeef\", \"n\" : \"00000007\", \"p\": \"xx\",\n"
                      " \"t\": \"0123456789abcdef\" }",
                      &back));
    ck_assert_mem_eq(&back, &SAMPLE, sizeof(back));
}
END_TEST

START_TEST(stamp_of_others_is_refused) {
    struct stamp back;
    ck_assert(!decodes("", &back));
    ck_assert(!decodes("{}", &back));
    ck_assert(!decodes("{\"t\":\"0123456789abcdef\",\"i\":\"deadbeef\"}", &back));
    ck_assert(!decodes("{\"t\":12,\"i\":\"deadbeef\",\"n\":\"00000007\"}", &back));
    ck_assert(
        !decodes("{\"t\":\"0123456789abcdeF\",\"i\":\"deadbeef\",\"n\":\"00000007\"}", &back));
    ck_assert(!decodes("{\"t\":\"0123456789abcde\",\"i\":\"deadbeef\",\"n\":\"00000007\"}", &back));
}
END_TEST

START_TEST(stamp_prefix_is_refused_until_its_fields_are_there) {
    uint8_t text[64];
    struct stamp back;
    stamp_encode(text, 64, &SAMPLE);
    for (size_t size = 0; size <= 64; size++)
        ck_assert_int_eq(stamp_decode(bytes_of(text, size), &back), size >= 53);
}
END_TEST

START_TEST(stamp_with_a_damaged_digit_is_refused) {
    uint8_t text[64];
    struct stamp back;
    for (size_t at = 6; at < 52; at++) {
        bool is_digit = at < 22 || (at >= 29 && at < 37) || at >= 44;
        stamp_encode(text, 64, &SAMPLE);
        text[at] = is_digit ? 'g' : text[at];
        ck_assert_int_eq(stamp_decode(bytes_of(text, 64), &back), !is_digit);
    }
}
END_TEST

UNIT_MAIN("loadgen/stamp", stamp_has_exactly_the_size_asked_for,
          stamp_of_64_bytes_is_the_documented_text, stamp_printed_anew_is_still_understood,
          stamp_of_others_is_refused, stamp_prefix_is_refused_until_its_fields_are_there,
          stamp_with_a_damaged_digit_is_refused)
