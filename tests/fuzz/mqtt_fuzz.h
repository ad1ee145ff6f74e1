// What the targets of MQTT's packet families share: the first input byte chooses the packet (two
// low bits) and the version (the next), the rest is a body.
#ifndef FAIRLEAD_TESTS_FUZZ_MQTT_H
#define FAIRLEAD_TESTS_FUZZ_MQTT_H

#include "gateway/wire/mqtt.h"
#include "tests/fuzz/fuzz.h"

// A refusal has a reason of the error range and a sentence.
static inline bool mqtt_fuzz_is_ok(enum mqtt_status status, const struct mqtt_error *error) {
    CHECK(status != MQTT_NEED_MORE);
    CHECK(status == MQTT_OK || (error->reason >= 0x80 && error->cause != NULL));
    return status == MQTT_OK;
}

// Decodes the body and writes the packet anew; false when it is bad.
typedef bool mqtt_fuzz_encode(struct writer *w, uint8_t which, enum mqtt_version version,
                              struct bytes body);

// The second encoding has the bytes of the first: the first may be shorter than the input, and in
// another order, but says the same.
static inline int mqtt_fuzz_round_trip(struct bytes input, mqtt_fuzz_encode *encode) {
    if (input.size == 0)
        return 0;
    enum mqtt_version version = input.data[0] & 4 ? MQTT_5 : MQTT_3_1_1;
    struct bytes body = bytes_skip(input, 1);
    size_t capacity = input.size * 2 + 64;
    uint8_t *first = malloc(capacity), *second = malloc(capacity), *copy = fuzz_copy(body);
    CHECK(first != NULL && second != NULL);
    struct writer w = writer_on(first, capacity), again = writer_on(second, capacity);
    struct mqtt_header header;
    struct mqtt_error error;
    if (encode(&w, input.data[0], version, bytes_of(copy, body.size))) {
        CHECK(!w.overflow);
        CHECK(mqtt_decode_header(writer_bytes(&w), 0, &header, &error) == MQTT_OK);
        CHECK(header.size + header.remaining_size == w.size);
        CHECK(encode(&again, input.data[0], version, bytes_skip(writer_bytes(&w), header.size)));
        CHECK(bytes_equal(writer_bytes(&w), writer_bytes(&again)));
    }
    free(first);
    free(second);
    free(copy);
    return 0;
}

#endif
