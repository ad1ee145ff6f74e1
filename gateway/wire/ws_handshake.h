// The WebSocket handshake over a decoded HTTP head: is it an upgrade that we take, what is the
// accept key, which subprotocol is spoken. Both ends.
//
// Pure functions, any thread. Source: RFC 6455 4.1, 4.2; SHA-1 is OpenSSL's.
#ifndef FAIRLEAD_WS_HANDSHAKE_H
#define FAIRLEAD_WS_HANDSHAKE_H

#include "gateway/wire/http1.h"

#define WS_HANDSHAKE_KEY_SIZE 24    // base64 of 16 bytes
#define WS_HANDSHAKE_ACCEPT_SIZE 28 // base64 of a SHA-1

// status 0: an upgrade that may be answered with 101. Otherwise 400, or 426 for another version or
// a request that asks for no upgrade.
struct http1_refusal ws_handshake_check(const struct http1_request *request);

void ws_handshake_accept_key(struct bytes key, uint8_t accept[WS_HANDSHAKE_ACCEPT_SIZE]);

// The client's key for 16 random bytes.
void ws_handshake_encode_key(const uint8_t random[16], uint8_t key[WS_HANDSHAKE_KEY_SIZE]);

// What a Sec-WebSocket-Protocol line offers.
struct ws_handshake_offer {
    bool has_phoenix;   // answer subprotocol "phoenix"
    bool has_mqtt;      // answer subprotocol "mqtt", as it is written: RFC 6455 compares exactly
    struct bytes token; // authToken as phoenix.js sends it: what follows "base64url.bearer.phx.",
                        // base64 without '='; data NULL: none
};

struct ws_handshake_offer ws_handshake_decode_offer(struct bytes ws_protocol);

// The 101 response; at most WS_HANDSHAKE_RESPONSE_BYTES_MAX with a subprotocol of 32 bytes at most.
// `subprotocol` data NULL: none.
#define WS_HANDSHAKE_RESPONSE_BYTES_MAX 256
void ws_handshake_encode_response(struct writer *w, struct bytes key, struct bytes subprotocol);

// Client: the response is a 101 that answers this key (RFC 6455 4.1).
bool ws_handshake_is_accepted(const struct http1_response *response, struct bytes key);

#endif
