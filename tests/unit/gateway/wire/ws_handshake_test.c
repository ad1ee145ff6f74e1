// Goal: only a sound WebSocket upgrade passes, and both ends agree on the accept key. Method: the
// example of RFC 6455, each field wrong in turn, a whole handshake between the two halves.
#include "gateway/wire/ws_handshake.h"

#include "tests/unit/unit.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static struct http1_request sound(void) {
    return (struct http1_request){.has_upgrade_websocket = true,
                                  .has_connection_upgrade = true,
                                  .ws_version = BYTES_LITERAL("13"),
                                  .ws_key = BYTES_LITERAL(KEY)};
}

START_TEST(handshake_refuses_each_missing_or_wrong_field) {
    struct http1_request request = sound();
    ck_assert_uint_eq(ws_handshake_check(&request).status, 0);
    request.has_upgrade_websocket = false;
    ck_assert_uint_eq(ws_handshake_check(&request).status, 426);
    request = sound();
    request.has_connection_upgrade = false;
    ck_assert_uint_eq(ws_handshake_check(&request).status, 400);
    request = sound();
    request.ws_version = (struct bytes){0};
    ck_assert_uint_eq(ws_handshake_check(&request).status, 400);
    const char *const versions[] = {"8", "12", "14", "013", "13, 8", ""};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        request = sound();
        request.ws_version = bytes_from_string(versions[i]);
        ck_assert_uint_eq(ws_handshake_check(&request).status, 426);
    }
}
END_TEST

START_TEST(handshake_refuses_keys_that_are_not_16_bytes_in_base64) {
    const char *const keys[] = {"",
                                "dGhlIHNhbXBsZSBub25jZQ=",   // 23 characters
                                "dGhlIHNhbXBsZSBub25jZQ===", // 25
                                "dGhlIHNhbXBsZSBub25jZQQ=",  // 17 bytes
                                "dGhlIHNhbXBsZSBub25jZQAA",  // 18 bytes
                                "dGhlIHNhbXBsZSBub25jZR==",  // bits after the last byte
                                "dGhlIHNhbX-sZSBub25jZQ==",  // another alphabet
                                "dGhlIHNhbX sZSBub25jZQ=="};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct http1_request request = sound();
        request.ws_key = bytes_from_string(keys[i]);
        ck_assert_msg(ws_handshake_check(&request).status == 400, "%s", keys[i]);
    }
    struct http1_request request = sound();
    request.ws_key = (struct bytes){0};
    ck_assert_uint_eq(ws_handshake_check(&request).status, 400);
}
END_TEST

START_TEST(handshake_accept_key_is_that_of_rfc_6455) {
    uint8_t accept[WS_HANDSHAKE_ACCEPT_SIZE], key[WS_HANDSHAKE_KEY_SIZE];
    ws_handshake_accept_key(BYTES_LITERAL(KEY), accept);
    ck_assert_mem_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(accept));
    ws_handshake_encode_key((const uint8_t *)"the sample nonce", key);
    ck_assert_mem_eq(key, KEY, sizeof(key));
}
END_TEST

START_TEST(handshake_offer_names_phoenix_and_its_token) {
    struct ws_handshake_offer offer = ws_handshake_decode_offer((struct bytes){0});
    ck_assert(!offer.has_phoenix && !offer.token.data);
    offer = ws_handshake_decode_offer(BYTES_LITERAL("phoenix, base64url.bearer.phx.YWJj"));
    ck_assert(offer.has_phoenix && bytes_equal_string(offer.token, "YWJj"));
    offer = ws_handshake_decode_offer(BYTES_LITERAL("mqtt,\tphoenix "));
    ck_assert(offer.has_phoenix && !offer.token.data);
    offer = ws_handshake_decode_offer(BYTES_LITERAL("phoenixes, xphoenix"));
    ck_assert(!offer.has_phoenix);
}
END_TEST

static bool complete(struct bytes subprotocol, struct http1_response *response, uint8_t *buffer) {
    struct writer w = writer_on(buffer, WS_HANDSHAKE_RESPONSE_BYTES_MAX);
    ws_handshake_encode_response(&w, BYTES_LITERAL(KEY), subprotocol);
    ck_assert(!w.overflow);
    ck_assert_int_eq(http1_decode_response(writer_bytes(&w), response), HTTP1_OK);
    ck_assert_uint_eq(response->size, w.size);
    return ws_handshake_is_accepted(response, BYTES_LITERAL(KEY));
}

START_TEST(handshake_of_both_halves_agrees) {
    uint8_t buffer[WS_HANDSHAKE_RESPONSE_BYTES_MAX];
    struct http1_response response;
    ck_assert(complete((struct bytes){0}, &response, buffer) && !response.ws_protocol.data);
    ck_assert(complete(BYTES_LITERAL("phoenix"), &response, buffer));
    ck_assert(bytes_equal_string(response.ws_protocol, "phoenix"));
    ck_assert(!ws_handshake_is_accepted(&response, BYTES_LITERAL("AAAAAAAAAAAAAAAAAAAAAA==")));
    response.status = 200;
    ck_assert(!ws_handshake_is_accepted(&response, BYTES_LITERAL(KEY)));
    uint8_t longest[WS_HANDSHAKE_RESPONSE_BYTES_MAX];
    struct writer w = writer_on(longest, sizeof(longest));
    ws_handshake_encode_response(&w, BYTES_LITERAL(KEY),
                                 BYTES_LITERAL("0123456789abcdef0123456789abcdef"));
    ck_assert(!w.overflow);
}
END_TEST

UNIT_MAIN("gateway/wire/ws_handshake", handshake_refuses_each_missing_or_wrong_field,
          handshake_refuses_keys_that_are_not_16_bytes_in_base64,
          handshake_accept_key_is_that_of_rfc_6455, handshake_offer_names_phoenix_and_its_token,
          handshake_of_both_halves_agrees)
