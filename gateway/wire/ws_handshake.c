// RFC 6455 4.2.1 (what the client must have sent) and 4.2.2 (what the server answers).
#include "gateway/wire/ws_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#define KEY_BYTES 16
#define PHOENIX_TOKEN_PREFIX "base64url.bearer.phx."

_Static_assert(4 * ((KEY_BYTES + 2) / 3) == WS_HANDSHAKE_KEY_SIZE, "base64 of the key");
_Static_assert(4 * ((SHA_DIGEST_LENGTH + 2) / 3) == WS_HANDSHAKE_ACCEPT_SIZE, "base64 of SHA-1");

// Base64 of exactly 16 bytes: 22 digits, the last of which ends in four zero bits, and "==".
static bool key_is_valid(struct bytes key) {
    if (key.size != WS_HANDSHAKE_KEY_SIZE || key.data[22] != '=' || key.data[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        uint8_t byte = key.data[i], lower = byte | 0x20;
        if (!((lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '+' ||
              byte == '/'))
            return false;
    }
    return memchr("AQgw", key.data[21], 4) != NULL;
}

struct http1_refusal ws_handshake_check(const struct http1_request *request) {
    if (!request->has_upgrade_websocket)
        return (struct http1_refusal){426, "this address speaks WebSocket only"};
    if (!request->has_connection_upgrade)
        return (struct http1_refusal){400, "Connection does not name upgrade"};
    if (!request->ws_version.data)
        return (struct http1_refusal){400, "no Sec-WebSocket-Version"};
    if (!bytes_equal_string(request->ws_version, "13"))
        return (struct http1_refusal){426, "only WebSocket version 13 is spoken here"};
    if (!request->ws_key.data)
        return (struct http1_refusal){400, "no Sec-WebSocket-Key"};
    if (!key_is_valid(request->ws_key))
        return (struct http1_refusal){400, "Sec-WebSocket-Key is not base64 of 16 bytes"};
    return (struct http1_refusal){0, NULL};
}

void ws_handshake_accept_key(struct bytes key, uint8_t accept[WS_HANDSHAKE_ACCEPT_SIZE]) {
    CHECK(key.size == WS_HANDSHAKE_KEY_SIZE);
    uint8_t joined[WS_HANDSHAKE_KEY_SIZE + 36];
    memcpy(joined, key.data, WS_HANDSHAKE_KEY_SIZE);
    memcpy(joined + WS_HANDSHAKE_KEY_SIZE, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA1(joined, sizeof(joined), digest);
    uint8_t encoded[WS_HANDSHAKE_ACCEPT_SIZE + 1];
    EVP_EncodeBlock(encoded, digest, sizeof(digest));
    memcpy(accept, encoded, WS_HANDSHAKE_ACCEPT_SIZE);
}

void ws_handshake_encode_key(const uint8_t random[16], uint8_t key[WS_HANDSHAKE_KEY_SIZE]) {
    uint8_t encoded[WS_HANDSHAKE_KEY_SIZE + 1];
    EVP_EncodeBlock(encoded, random, KEY_BYTES);
    memcpy(key, encoded, WS_HANDSHAKE_KEY_SIZE);
}

struct ws_handshake_offer ws_handshake_decode_offer(struct bytes ws_protocol) {
    struct ws_handshake_offer offer = {.has_phoenix = http1_list_has(ws_protocol, "phoenix")};
    const struct bytes prefix = BYTES_LITERAL(PHOENIX_TOKEN_PREFIX);
    while (ws_protocol.size > 0) {
        const uint8_t *comma = memchr(ws_protocol.data, ',', ws_protocol.size);
        size_t size = comma ? (size_t)(comma - ws_protocol.data) : ws_protocol.size;
        struct bytes item = bytes_of(ws_protocol.data, size);
        while (item.size > 0 && (item.data[0] == ' ' || item.data[0] == '\t'))
            item = bytes_skip(item, 1);
        while (item.size > 0 &&
               (item.data[item.size - 1] == ' ' || item.data[item.size - 1] == '\t'))
            item.size--;
        offer.has_mqtt |= bytes_equal_string(item, "mqtt");
        if (!offer.token.data && bytes_starts_with(item, prefix))
            offer.token = bytes_skip(item, prefix.size);
        ws_protocol = bytes_skip(ws_protocol, comma ? size + 1 : size);
    }
    return offer;
}

void ws_handshake_encode_response(struct writer *w, struct bytes key, struct bytes subprotocol) {
    uint8_t accept[WS_HANDSHAKE_ACCEPT_SIZE];
    ws_handshake_accept_key(key, accept);
    writer_put_string(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    writer_put(w, bytes_of(accept, sizeof(accept)));
    if (subprotocol.data) {
        writer_put_string(w, "\r\nSec-WebSocket-Protocol: ");
        writer_put(w, subprotocol);
    }
    writer_put_string(w, "\r\n\r\n");
}

bool ws_handshake_is_accepted(const struct http1_response *response, struct bytes key) {
    uint8_t accept[WS_HANDSHAKE_ACCEPT_SIZE];
    ws_handshake_accept_key(key, accept);
    return response->status == 101 && response->has_upgrade_websocket &&
           response->has_connection_upgrade && !response->ws_extensions.data &&
           bytes_equal(response->ws_accept, bytes_of(accept, sizeof(accept)));
}
