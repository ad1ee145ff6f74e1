// Goal: the client's half holds against any server. Method: every prefix beside the whole.
#include "gateway/wire/ws_handshake.h"
#include "tests/fuzz/fuzz.h"

#define PREFIXES_SIZE_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http1_response response, part;
    enum http1_status status = http1_decode_response(bytes_of(data, size), &response);
    if (status == HTTP1_OK) {
        CHECK(response.size <= size && response.status >= 100 && response.status <= 999);
        (void)ws_handshake_is_accepted(&response, BYTES_LITERAL("dGhlIHNhbXBsZSBub25jZQ=="));
    }
    if (status == HTTP1_BAD)
        CHECK(response.cause != NULL);
    for (size_t cut = 0; cut < size && size <= PREFIXES_SIZE_MAX; cut++) {
        uint8_t *prefix = fuzz_copy(bytes_of(data, cut));
        enum http1_status early = http1_decode_response(bytes_of(prefix, cut), &part);
        free(prefix);
        if (early != HTTP1_NEED_MORE)
            CHECK(early == status && cut >= part.size);
    }
    return 0;
}
