// WebSocket echo: each text message is expected back as it was. For any echo server. Heartbeats are
// pings with a stamp as their payload (RFC 6455 5.5.3: the pong has the same).
#include "loadgen/client.h"
#include "loadgen/protocol.h"
#include "loadgen/receive.h"
#include "loadgen/ws_client.h"

static bool try_request(struct run *run, uint32_t index, const struct stamp *stamp) {
    stamp_encode(run->scratch, run->options.payload_bytes, stamp);
    return ws_client_try_send(run, index, WEBSOCKET_TEXT,
                              bytes_of(run->scratch, run->options.payload_bytes));
}

static bool try_heartbeat(struct run *run, uint32_t index, const struct stamp *stamp) {
    uint8_t text[STAMP_REF_BYTES_MAX];
    struct writer w = writer_on(text, sizeof(text));
    stamp_encode_ref(&w, run->result->begin_ns, stamp);
    return ws_client_try_send(run, index, WEBSOCKET_PING, writer_bytes(&w));
}

static void on_message(struct run *run, uint32_t index, struct bytes message) {
    if (!receive_echo(run, index, message))
        receive_strange(run);
}

static void on_pong(struct run *run, uint32_t index, struct bytes payload) {
    struct stamp stamp;
    if (stamp_decode_ref(payload, run->result->begin_ns, &stamp))
        receive_heartbeat(run, index, &stamp);
    else
        receive_strange(run); // one that nobody asked for, which RFC 6455 5.5.3 allows
}

static void on_open(struct run *run, uint32_t index) {
    ws_client_open(run, index, "", NULL);
}

static void on_data(struct run *run, uint32_t index, uint8_t *data, size_t size) {
    static const struct ws_client_calls calls = {
        .on_upgraded = client_set_live, .on_message = on_message, .on_pong = on_pong};
    ws_client_take(run, index, bytes_of(data, size), &calls);
}

const struct protocol PROTOCOL_WS_ECHO = {
    .name = "ws-echo",
    .scheme = "ws",
    .default_target = "ws://127.0.0.1:8080/echo",
    .stranger = RESULT_NOT_HTTP,
    .has_requests = true,
    .has_heartbeats = true,
    .hello = "the WebSocket upgrade",
    .on_open = on_open,
    .on_data = on_data,
    .on_end_early = ws_client_on_end_early,
    .try_request = try_request,
    .try_heartbeat = try_heartbeat,
};
