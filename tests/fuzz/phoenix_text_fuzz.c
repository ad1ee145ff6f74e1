// Goal: what is understood of a message can be said again and is understood the same. Method:
// decode, encode, decode, compare; every prefix is refused.
#include "gateway/wire/json.h"
#include "gateway/wire/phoenix.h"
#include "gateway/wire/utf8.h"
#include "tests/fuzz/fuzz.h"

#define PREFIXES_SIZE_MAX 200

static void check_equal(struct bytes a, struct bytes b) {
    CHECK((a.data == NULL) == (b.data == NULL) && bytes_equal(a, b));
}

static void check_again(const struct phoenix_message *message) {
    size_t capacity = phoenix_encoded_size(message);
    uint8_t *encoded = malloc(capacity);
    struct writer w = writer_on(encoded, capacity);
    phoenix_encode_text(&w, message, UINT64_MAX);
    CHECK(!w.overflow);
    struct phoenix_scratch scratch;
    struct phoenix_message again;
    uint8_t *exact = fuzz_copy(writer_bytes(&w));
    CHECK(phoenix_decode_text(bytes_of(exact, w.size), &scratch, &again) == PHOENIX_OK);
    check_equal(message->join_ref, again.join_ref);
    check_equal(message->ref, again.ref);
    check_equal(message->topic, again.topic);
    check_equal(message->event, again.event);
    check_equal(message->payload, again.payload);
    free(exact);
    free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes text = bytes_of(data, size), room;
    struct phoenix_scratch scratch;
    struct phoenix_message message;
    enum phoenix_status status = phoenix_decode_text(text, &scratch, &message);
    CHECK(phoenix_status_cause(status) != NULL);
    if (status == PHOENIX_NOT_ARRAY)
        CHECK(json_scan_text(text) == JSON_OK);
    if (status != PHOENIX_OK)
        return 0;
    // The payload's depth is bounded, the array around it comes on top.
    CHECK(json_scan_text(text) == JSON_OK || json_scan_text(text) == JSON_TOO_DEEP);
    CHECK(json_scan_text(message.payload) == JSON_OK);
    CHECK(message.join_ref.size <= WIRE_REF_BYTES_MAX && message.ref.size <= WIRE_REF_BYTES_MAX);
    CHECK(message.topic.size <= WIRE_TOPIC_BYTES_MAX && message.event.size <= WIRE_EVENT_BYTES_MAX);
    CHECK(utf8_is_valid(message.topic) && utf8_is_valid(message.event));
    if (phoenix_room_of_topic(message.topic, &room) == PHOENIX_TOPIC_ROOM)
        CHECK(room.size >= 1 && room.size <= WIRE_ROOM_BYTES_MAX);
    check_again(&message);
    for (size_t cut = 0; cut < size && size <= PREFIXES_SIZE_MAX; cut++) {
        if (data[cut] == ' ' || data[cut] == '\n' || data[cut] == '\t' || data[cut] == '\r')
            continue; // whitespace after the end may be cut
        uint8_t *prefix = fuzz_copy(bytes_of(data, cut));
        struct phoenix_message part;
        CHECK(phoenix_decode_text(bytes_of(prefix, cut), &scratch, &part) != PHOENIX_OK);
        free(prefix);
    }
    return 0;
}
