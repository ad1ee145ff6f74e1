// The client's half of WebSocket, for the protocols that are spoken over it: the upgrade, frames
// with their masks, messages put together from fragments and reads. What they mean is told to the
// protocol by its `ws_client_calls`.
//
// on_data calls ws_client_take in every state; on_end_early is ws_client_on_end_early. After any of
// the calls the client may be gone (client_fail), which is noticed here. The run's thread. Source:
// RFC 6455.
#ifndef FAIRLEAD_WS_CLIENT_H
#define FAIRLEAD_WS_CLIENT_H

#include "gateway/wire/websocket.h"
#include "gateway/wire/ws_handshake.h"
#include "loadgen/run.h"

struct ws_client_calls {
    void (*on_upgraded)(struct run *run, uint32_t index);
    // A whole text or binary message, or the head of one that is larger than a cut holds.
    void (*on_message)(struct run *run, uint32_t index, struct bytes message);
    void (*on_pong)(struct run *run, uint32_t index, struct bytes payload);
    const char *subprotocol; // that the server must choose; NULL: none
    // Binary messages are one stream of bytes, and on_message gets every part as it comes.
    bool is_stream;
};

// Asks for the upgrade: GET path, with `parameters` ("user=u1&vsn=2.0.0", or "") in its query.
// `subprotocol` NULL: none is offered.
void ws_client_open(struct run *run, uint32_t index, const char *parameters,
                    const char *subprotocol);

void ws_client_take(struct run *run, uint32_t index, struct bytes data,
                    const struct ws_client_calls *calls);

void ws_client_on_end_early(struct run *run, uint32_t index);

// Sends one masked frame. False when the server does not read or the client is gone.
MUST_USE bool ws_client_try_send(struct run *run, uint32_t index, enum websocket_opcode opcode,
                                 struct bytes payload);

// A parcel with `count` times the same text message, BLOCK_NONE without memory. All with one mask:
// what RFC 6455 5.3 guards against, scripts that choose what a proxy sees, is not at stake here.
uint32_t ws_client_encode_repeated(struct run *run, struct bytes text, uint32_t count);

// Sec-WebSocket-Key of this client, the same each time.
void ws_client_key(uint32_t index, uint8_t key[WS_HANDSHAKE_KEY_SIZE]);

#endif
