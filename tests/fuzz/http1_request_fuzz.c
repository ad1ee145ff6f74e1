// Goal: what is decided about a head does not change with what comes after, and is not decided
// before it is whole. Method: every prefix beside the whole; queries and refusals on top.
#include "gateway/wire/http1.h"
#include "gateway/wire/ws_handshake.h"
#include "tests/fuzz/fuzz.h"

#define PREFIXES_SIZE_MAX 512

static void check_inside(struct bytes view, struct bytes input) {
    if (view.data)
        CHECK(view.data >= input.data && view.data + view.size <= input.data + input.size);
}

static void check_request(const struct http1_request *request, struct bytes input) {
    CHECK(request->size <= input.size && request->size <= WIRE_HTTP_HEAD_BYTES_MAX);
    CHECK(request->path.size > 0 && request->path.data[0] == '/' && request->host.size > 0);
    const struct bytes views[] = {request->path,          request->query,
                                  request->host,          request->origin,
                                  request->ws_key,        request->ws_version,
                                  request->ws_protocol,   request->ws_extensions,
                                  request->forwarded_for, request->forwarded_host};
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
        check_inside(views[i], input);
    uint8_t value[64];
    struct writer w = writer_on(value, sizeof(value));
    if (http1_query_lookup(request->query, "user", &w) == HTTP1_PARAMETER_OK)
        CHECK(!w.overflow);
    struct ws_handshake_offer offer = ws_handshake_decode_offer(request->ws_protocol);
    check_inside(offer.token, input);
    if (ws_handshake_check(request).status == 0) {
        uint8_t response[WS_HANDSHAKE_RESPONSE_BYTES_MAX];
        struct writer out = writer_on(response, sizeof(response));
        ws_handshake_encode_response(&out, request->ws_key, BYTES_LITERAL("phoenix"));
        CHECK(!out.overflow);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes input = bytes_of(data, size);
    struct http1_request request, part;
    enum http1_status status = http1_decode_request(input, &request);
    if (status == HTTP1_OK)
        check_request(&request, input);
    if (status == HTTP1_BAD) {
        uint8_t bytes[HTTP1_ANSWER_BYTES_MAX];
        struct writer w = writer_on(bytes, sizeof(bytes));
        struct http1_answer answer = {request.refusal.status, request.refusal.cause, 30};
        http1_encode_answer(&w, &answer);
        CHECK(!w.overflow && answer.status >= 400);
    }
    if (status == HTTP1_NEED_MORE)
        CHECK(size < WIRE_HTTP_HEAD_BYTES_MAX);
    for (size_t cut = 0; cut < size && size <= PREFIXES_SIZE_MAX; cut++) {
        uint8_t *prefix = fuzz_copy(bytes_of(data, cut));
        enum http1_status early = http1_decode_request(bytes_of(prefix, cut), &part);
        free(prefix);
        if (early == HTTP1_OK)
            CHECK(status == HTTP1_OK && part.size == request.size && cut >= part.size);
        if (early == HTTP1_BAD)
            CHECK(status == HTTP1_BAD && part.refusal.status == request.refusal.status);
        if (early == HTTP1_NEED_MORE && status == HTTP1_OK)
            CHECK(cut < request.size);
    }
    return 0;
}
