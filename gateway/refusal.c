#include "gateway/refusal.h"

#include "gateway/frame_out.h"
#include "gateway/limits.h"
#include "gateway/wire/http1.h"
#include "sched/base/clock.h"
#include "sched/base/log.h"

#define TLS_LOG_INTERVAL_NS (60 * NS_PER_S)

static void answer(struct gateway *gateway, uint32_t index, struct bytes bytes) {
    uint32_t parcel = frame_out_raw(gateway->parts.blocks, bytes);
    if (parcel != BLOCK_NONE) { // else it ends without an answer
        (void)stream_push(gateway->parts.streams,
                          stream_handle(gateway->parts.streams, conn_at(gateway, index)->stream),
                          parcel);
        parcel_unref(gateway->parts.blocks, parcel);
    }
    conn_finish(gateway, index);
}

static void answer_http(struct gateway *gateway, uint32_t index, const struct http1_answer *what) {
    uint8_t text[HTTP1_ANSWER_BYTES_MAX];
    struct writer w = writer_on(text, sizeof(text));
    http1_encode_answer(&w, what);
    answer(gateway, index, writer_bytes(&w));
}

void refusal_http(struct gateway *gateway, uint32_t index, uint16_t status, const char *cause) {
    gateway_record(gateway, index, RECORDER_HTTP_REFUSED, status);
    gateway_count(gateway, status == 403   ? COUNTER_HTTP_FORBIDDEN
                           : status == 404 ? COUNTER_HTTP_NOT_FOUND
                                           : COUNTER_HTTP_BAD);
    answer_http(gateway, index, &(struct http1_answer){.status = status, .cause = cause});
}

void refusal_full(struct gateway *gateway, uint32_t index) {
    bool drains = gateway->drain_begin_ns != 0;
    gateway_record(gateway, index, RECORDER_HTTP_REFUSED, 503);
    gateway_count(gateway, drains ? COUNTER_REFUSED_DRAIN : COUNTER_REFUSED_FULL);
    answer_http(gateway, index,
                &(struct http1_answer){
                    .status = 503,
                    .cause = drains ? "the server restarts" : "all connections are taken",
                    .retry_after_s = 1 + rng_below(&gateway->rng, LIMITS_RETRY_AFTER_S_MAX),
                });
}

void refusal_tls(struct gateway *gateway, uint32_t index) {
    // RFC 8446 6: an alert record (21), version 3.3, two bytes: fatal (2), handshake_failure (40).
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 40};
    gateway_record(gateway, index, RECORDER_TLS_REFUSED, 0);
    gateway_count(gateway, COUNTER_REFUSED_TLS);
    uint64_t now_ns = gateway_now_ns(gateway);
    if (!gateway->tls_logged_ns || now_ns - gateway->tls_logged_ns >= TLS_LOG_INTERVAL_NS) {
        gateway->tls_logged_ns = now_ns;
        log_line(LOG_WARN,
                 "event=tls_on_plain_port cure=\"clients use wss:// or https://: let them "
                 "use ws://, or put a TLS proxy in front (README)\"");
    }
    answer(gateway, index, bytes_of(alert, sizeof(alert)));
}

void refusal_protocol(struct gateway *gateway, uint32_t index) {
    gateway_record(gateway, index, RECORDER_HTTP_REFUSED, 400);
    gateway_count(gateway, COUNTER_REFUSED_PROTOCOL);
    answer_http(
        gateway, index,
        &(struct http1_answer){.status = 400, .cause = "only HTTP/1.1 and MQTT are spoken here"});
}
