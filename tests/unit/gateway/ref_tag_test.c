// Goal: a tag gives back the refs it was made of, small decimal numbers without memory.
#include "tests/unit/unit.h"

#include "gateway/ref_tag.h"
#include "gateway/wire/wire_limits.h"

static struct memory_ledger ledger;
static struct texts texts;

static void open_texts(uint32_t texts_max) {
    ledger = (struct memory_ledger){0};
    ck_assert_int_eq(texts_init(&texts, &ledger, texts_max), 0);
}

static uint32_t used(void) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < TEXT_CLASS_COUNT; i++)
        count += texts.classes[i].used_count;
    return count;
}

static struct bytes view(const char *text) {
    return text ? bytes_from_string(text) : (struct bytes){0};
}

static void expect_ref(struct bytes ref, const char *text) {
    ck_assert_int_eq(ref.data == NULL, text == NULL);
    ck_assert(bytes_equal(ref, view(text)));
}

static void round_trip(const char *join_ref, const char *ref, uint32_t texts_used) {
    struct ref_tag_refs refs = {view(join_ref), view(ref)};
    uint32_t tag = ref_tag_acquire(&texts, &refs);
    ck_assert_uint_ne(tag, REF_TAG_NONE);
    ck_assert_uint_eq(used(), texts_used);
    struct ref_tag_scratch scratch;
    struct ref_tag_refs seen = ref_tag_get(&texts, tag, &scratch);
    expect_ref(seen.join_ref, join_ref);
    expect_ref(seen.ref, ref);
    ck_assert(ref_tag_is(&texts, tag, view(join_ref)));
    ck_assert(!ref_tag_is(&texts, tag, view("other")));
    ck_assert(!ref_tag_is(&texts, tag, view("77")));
    if (join_ref)
        ck_assert(!ref_tag_is(&texts, tag, view(NULL)));
    ref_tag_release(&texts, tag);
    ck_assert_uint_eq(used(), 0);
}

START_TEST(small_decimal_numbers_take_no_text) {
    open_texts(4);
    round_trip("0", "0", 0);
    round_trip("1", "1", 0);
    round_trip("2147483647", "2147483647", 0);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(all_else_is_kept_as_it_was) {
    open_texts(4);
    round_trip("2147483648", "2147483648", 1);
    round_trip("99999999999", "99999999999", 1);
    round_trip("01", "01", 1);
    round_trip("-1", "-1", 1);
    round_trip("", "", 1);
    round_trip("1", "2", 1);
    round_trip("1", NULL, 1);
    round_trip(NULL, "1", 1);
    round_trip(NULL, NULL, 1);
    round_trip("", NULL, 1);
    round_trip("0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e", 1);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(refs_fill_a_text_to_its_limit_and_not_beyond) {
    open_texts(4);
    char join_ref[80], ref[80];
    for (size_t total = REF_TAG_BYTES_MAX - 1; total <= REF_TAG_BYTES_MAX + 1; total++) {
        memset(join_ref, 'j', 30);
        join_ref[30] = 0;
        memset(ref, 'r', total - 30);
        ref[total - 30] = 0;
        struct ref_tag_refs refs = {view(join_ref), view(ref)};
        if (total <= REF_TAG_BYTES_MAX)
            round_trip(join_ref, ref, 1);
        else
            ck_assert_uint_eq(ref_tag_acquire(&texts, &refs), REF_TAG_NONE);
    }
    memset(join_ref, 'j', WIRE_REF_BYTES_MAX);
    join_ref[REF_TAG_BYTES_MAX] = 0;
    round_trip(join_ref, join_ref, 1);
    memory_release_all(&ledger);
}
END_TEST

START_TEST(no_text_left_is_told) {
    open_texts(1);
    struct ref_tag_refs refs = {view("a"), view("a")};
    uint32_t first = ref_tag_acquire(&texts, &refs);
    ck_assert_uint_ne(first, REF_TAG_NONE);
    ck_assert_uint_eq(ref_tag_acquire(&texts, &refs), REF_TAG_NONE);
    ref_tag_release(&texts, first);
    memory_release_all(&ledger);
}
END_TEST

UNIT_MAIN("gateway/ref_tag", small_decimal_numbers_take_no_text, all_else_is_kept_as_it_was,
          refs_fill_a_text_to_its_limit_and_not_beyond, no_text_left_is_told)
