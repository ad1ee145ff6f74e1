// Goal: a binary push is taken apart without a byte lost. Method: encode what was decoded and get
// the input back.
#include "gateway/wire/phoenix.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct phoenix_message message;
    enum phoenix_status status = phoenix_decode_binary(bytes_of(data, size), &message);
    CHECK(phoenix_status_cause(status) != NULL);
    if (status != PHOENIX_OK)
        return 0;
    CHECK(message.is_binary);
    uint8_t *encoded = malloc(size);
    struct writer w = writer_on(encoded, size);
    phoenix_encode_binary_client_push(&w, &message);
    CHECK(!w.overflow && bytes_equal(writer_bytes(&w), bytes_of(data, size)));
    // A server's push has no ref: one size byte and the ref's bytes fewer.
    w = writer_on(encoded, size);
    phoenix_encode_binary_push(&w, &message);
    CHECK(!w.overflow && w.size == size - 1 - message.ref.size);
    free(encoded);
    return 0;
}
