// Small replies are encoded on the stack and copied once, into a block of the right size; a reply
// with a large response goes straight into a parcel.
#include "gateway/reply.h"

#include "gateway/frame_out.h"

// Every name at its limit with all of its bytes escaped (\u00XX), and the fixed text around them.
#define ENVELOPE_BYTES_MAX                                                                         \
    (6 * (2 * WIRE_REF_BYTES_MAX + WIRE_TOPIC_BYTES_MAX + WIRE_EVENT_BYTES_MAX) + 128)
#define SMALL_BYTES 2048

static void push_text(struct gateway *gateway, uint32_t index, const struct writer *w) {
    CHECK(!w->overflow);
    conn_push(
        gateway, index,
        frame_out_parcel(gateway->parts.blocks, PARCEL_CONTROL, WEBSOCKET_TEXT, writer_bytes(w)));
}

static void push_large_ok(struct gateway *gateway, uint32_t index,
                          const struct phoenix_message *request, struct bytes response) {
    struct frame_out out;
    uint32_t parcel = BLOCK_NONE;
    if (frame_out_begin(&out, gateway->parts.blocks, ENVELOPE_BYTES_MAX + response.size,
                        PARCEL_CONTROL)) {
        phoenix_encode_reply(&out.w, request, true, response);
        parcel = frame_out_finish(&out, WEBSOCKET_TEXT);
    }
    conn_push(gateway, index, parcel);
}

void reply_joined(struct gateway *gateway, uint32_t index, const struct phoenix_message *request,
                  struct bytes response) {
    if (UNLIKELY(response.size > SMALL_BYTES)) {
        push_large_ok(gateway, index, request, response);
        return;
    }
    uint8_t text[ENVELOPE_BYTES_MAX + SMALL_BYTES];
    struct writer w = writer_on(text, sizeof(text));
    phoenix_encode_reply(&w, request, true, response);
    push_text(gateway, index, &w);
}

void reply_join_refused(struct gateway *gateway, uint32_t index,
                        const struct phoenix_message *request, const char *reason) {
    uint8_t text[ENVELOPE_BYTES_MAX + SMALL_BYTES];
    struct writer w = writer_on(text, sizeof(text));
    phoenix_encode_error_reply(&w, request, reason);
    push_text(gateway, index, &w);
}

void reply_ok(struct gateway *gateway, uint32_t index, const struct phoenix_message *request,
              struct bytes response) {
    if (request->ref.data)
        reply_joined(gateway, index, request, response);
}

void reply_error(struct gateway *gateway, uint32_t index, const struct phoenix_message *request,
                 const char *reason) {
    if (request->ref.data)
        reply_join_refused(gateway, index, request, reason);
}

void reply_channel_closed(struct gateway *gateway, uint32_t index, struct bytes join_ref,
                          struct bytes topic) {
    uint8_t text[ENVELOPE_BYTES_MAX + SMALL_BYTES];
    struct writer w = writer_on(text, sizeof(text));
    phoenix_encode_close(&w, join_ref, topic);
    push_text(gateway, index, &w);
}

struct bytes reply_topic(uint8_t *topic, struct bytes room) {
    struct writer w = writer_on(topic, WIRE_TOPIC_BYTES_MAX);
    writer_put_string(&w, "room:");
    writer_put(&w, room);
    CHECK(!w.overflow);
    return writer_bytes(&w);
}
