// Goal: the vector leaf does what the byte-by-byte twin does, and nothing outside its range.
// Method: all sizes 0–300, all alignments of a vector, all phases.
#include "gateway/wire/websocket_mask.h"

#include "tests/unit/unit.h"

#define SIZE_MAX_TRIED 300
#define ALIGNMENTS 17
#define GUARD 0xa5

static const uint8_t mask[4] = {0x12, 0x9f, 0x00, 0xe7};

START_TEST(mask_agrees_with_its_scalar_twin) {
    static uint8_t fast[SIZE_MAX_TRIED + ALIGNMENTS + 1], plain[sizeof(fast)];
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++)
        for (size_t align = 0; align < ALIGNMENTS; align++)
            for (size_t phase = 0; phase < 4; phase++) {
                memset(fast, GUARD, sizeof(fast));
                for (size_t i = 0; i < size; i++)
                    fast[align + i] = (uint8_t)(i * 7 + phase);
                memcpy(plain, fast, sizeof(fast));
                websocket_mask(fast + align, size, mask, phase);
                websocket_mask_scalar(plain + align, size, mask, phase);
                ck_assert_mem_eq(fast, plain, sizeof(fast));
            }
}
END_TEST

START_TEST(mask_twice_is_the_text_again_wherever_it_is_cut) {
    uint8_t text[100], again[100];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = again[i] = (uint8_t)i;
    for (size_t cut = 0; cut <= sizeof(text); cut++) {
        websocket_mask(again, sizeof(again), mask, 0);
        websocket_mask(again, cut, mask, 0);
        websocket_mask(again + cut, sizeof(again) - cut, mask, cut & 3);
        ck_assert_mem_eq(text, again, sizeof(text));
    }
}
END_TEST

START_TEST(mask_twin_is_the_definition_of_rfc_6455) {
    uint8_t text[6] = {0, 0, 0, 0, 0, 0xff};
    websocket_mask_scalar(text, sizeof(text), mask, 0);
    const uint8_t expected[6] = {0x12, 0x9f, 0x00, 0xe7, 0x12, 0x60};
    ck_assert_mem_eq(text, expected, sizeof(text));
}
END_TEST

UNIT_MAIN("gateway/wire/websocket_mask", mask_agrees_with_its_scalar_twin,
          mask_twice_is_the_text_again_wherever_it_is_cut, mask_twin_is_the_definition_of_rfc_6455)
