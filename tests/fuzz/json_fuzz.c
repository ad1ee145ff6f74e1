// Goal: the scanner stays inside its input, every prefix of a valid array or object is "cut", and
// strings survive encode → scan → decode. Method: the input as a JSON text, and as a string's
// value.
#include "gateway/wire/json.h"
#include "gateway/wire/utf8.h"
#include "tests/fuzz/fuzz.h"

#define PREFIXES_SIZE_MAX 256 // prefixes make the work quadratic

static void check_prefixes(struct bytes text) {
    size_t begin = json_skip_whitespace(text, 0), end;
    if (text.data[begin] != '[' && text.data[begin] != '{' && text.data[begin] != '"')
        return;
    CHECK(json_scan_value(text, begin, &end) == JSON_OK);
    for (size_t size = begin; size < end && end <= PREFIXES_SIZE_MAX; size++) {
        uint8_t *prefix = fuzz_copy(bytes_of(text.data, size));
        size_t unused;
        CHECK(json_scan_value(bytes_of(prefix, size), begin, &unused) == JSON_CUT);
        free(prefix);
    }
}

static void check_string(struct bytes value) {
    size_t size = json_encoded_string_size(value), end;
    uint8_t *encoded = malloc(size);
    struct writer w = writer_on(encoded, size);
    json_encode_string(&w, value);
    CHECK(!w.overflow && w.size == size);
    CHECK(json_scan_string(writer_bytes(&w), 0, &end) == JSON_OK && end == size);
    uint8_t *decoded = fuzz_copy(value);
    struct writer back = writer_on(decoded, value.size);
    CHECK(json_decode_string(writer_bytes(&w), &back) && !back.overflow);
    CHECK(bytes_equal(writer_bytes(&back), value));
    free(decoded);
    free(encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes text = bytes_of(data, size), value;
    if (utf8_is_valid(text))
        check_string(text);
    if (json_scan_text(text) != JSON_OK)
        return 0;
    CHECK(utf8_is_valid(text));
    check_prefixes(text);
    if (json_lookup_member(text, BYTES_LITERAL("meta"), &value))
        CHECK(json_scan_text(value) == JSON_OK && value.data >= data &&
              value.data + value.size <= data + size);
    size_t begin = json_skip_whitespace(text, 0), end;
    CHECK(json_scan_value(text, begin, &end) == JSON_OK);
    if (data[begin] == '"') {
        uint8_t *decoded = fuzz_copy(text);
        struct writer w = writer_on(decoded, size);
        if (json_decode_string(bytes_of(data + begin, end - begin), &w))
            CHECK(!w.overflow && utf8_is_valid(writer_bytes(&w)));
        free(decoded);
    }
    return 0;
}
