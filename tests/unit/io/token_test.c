// Goal: a token survives the trip through 64 bits at every limit of its fields.
#include "io/token.h"
#include "tests/unit/unit.h"

START_TEST(token_pack_and_unpack_are_inverse_at_the_limits) {
    static const uint32_t indices[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
    static const uint32_t generations[] = {0, 1, 0xfffffe, 0xffffff};
    for (uint8_t op = 1; op < TOKEN_OP_COUNT; op++) {
        for (size_t g = 0; g < 4; g++) {
            for (size_t i = 0; i < 5; i++) {
                struct token token =
                    token_unpack(token_pack((struct token){op, generations[g], indices[i]}));
                ck_assert_uint_eq(token.op, op);
                ck_assert_uint_eq(token.generation, generations[g]);
                ck_assert_uint_eq(token.index, indices[i]);
            }
        }
    }
}
END_TEST

START_TEST(token_generation_beyond_24_bits_does_not_touch_the_op) {
    struct token token = token_unpack(token_pack((struct token){TOKEN_SEND, 0x1000001, 5}));
    ck_assert_uint_eq(token.op, TOKEN_SEND);
    ck_assert_uint_eq(token.generation, 1);
}
END_TEST

START_TEST(token_of_zeroes_is_invalid) {
    ck_assert_uint_eq(token_unpack(0).op, TOKEN_INVALID);
    ck_assert_str_eq(token_op_name(TOKEN_RECV_MULTI), "RECV_MULTI");
}
END_TEST

UNIT_MAIN("io/token", token_pack_and_unpack_are_inverse_at_the_limits,
          token_generation_beyond_24_bits_does_not_touch_the_op, token_of_zeroes_is_invalid)
