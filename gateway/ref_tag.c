#include "gateway/ref_tag.h"

#define TAG_TEXT 0x80000000u
#define SIZE_NULL 255
#define SIZE_SAME 254

// "0", or digits without a leading zero, below 2^31; TAG_TEXT otherwise.
static uint32_t number_of(struct bytes ref) {
    uint64_t number = 0;
    if (ref.size == 0 || ref.size > 10 || (ref.data[0] == '0' && ref.size > 1))
        return TAG_TEXT;
    for (size_t i = 0; i < ref.size; i++) {
        if (ref.data[i] < '0' || ref.data[i] > '9')
            return TAG_TEXT;
        number = number * 10 + (ref.data[i] - '0');
    }
    return number < TAG_TEXT ? (uint32_t)number : TAG_TEXT;
}

static bool refs_equal(struct bytes a, struct bytes b) {
    return !a.data == !b.data && bytes_equal(a, b);
}

uint32_t ref_tag_acquire(struct texts *texts, const struct ref_tag_refs *refs) {
    bool is_same = refs_equal(refs->join_ref, refs->ref);
    uint32_t number = refs->join_ref.data ? number_of(refs->join_ref) : TAG_TEXT;
    if (is_same && number != TAG_TEXT)
        return number;
    uint8_t text[TEXT_BYTES_MAX];
    struct writer w = writer_on(text, sizeof(text));
    writer_put_byte(&w, refs->join_ref.data ? (uint8_t)refs->join_ref.size : SIZE_NULL);
    writer_put_byte(&w, is_same ? SIZE_SAME : refs->ref.data ? (uint8_t)refs->ref.size : SIZE_NULL);
    writer_put(&w, refs->join_ref);
    if (!is_same)
        writer_put(&w, refs->ref);
    if (w.overflow)
        return REF_TAG_NONE;
    uint32_t id = text_acquire(texts, writer_bytes(&w));
    return id == TEXT_NONE ? REF_TAG_NONE : id | TAG_TEXT;
}

void ref_tag_release(struct texts *texts, uint32_t tag) {
    if (tag & TAG_TEXT)
        text_release(texts, tag & ~TAG_TEXT);
}

struct ref_tag_refs ref_tag_get(const struct texts *texts, uint32_t tag,
                                struct ref_tag_scratch *scratch) {
    struct ref_tag_refs refs = {0};
    if (!(tag & TAG_TEXT)) {
        struct writer w = writer_on(scratch->digits, sizeof(scratch->digits));
        writer_put_u64(&w, tag);
        refs.join_ref = refs.ref = writer_bytes(&w);
        return refs;
    }
    struct bytes text = text_bytes(texts, tag & ~TAG_TEXT);
    struct bytes rest = bytes_skip(text, 2);
    if (text.data[0] != SIZE_NULL) {
        refs.join_ref = bytes_of(rest.data, text.data[0]);
        rest = bytes_skip(rest, text.data[0]);
    }
    if (text.data[1] == SIZE_SAME)
        refs.ref = refs.join_ref;
    else if (text.data[1] != SIZE_NULL)
        refs.ref = rest;
    return refs;
}

bool ref_tag_is(const struct texts *texts, uint32_t tag, struct bytes join_ref) {
    if (!(tag & TAG_TEXT) && join_ref.data)
        return number_of(join_ref) == tag;
    struct ref_tag_scratch scratch;
    return refs_equal(ref_tag_get(texts, tag, &scratch).join_ref, join_ref);
}
