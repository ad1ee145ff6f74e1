// Goal: texts of every length come back as they were, within their limits. Method: all lengths, the
// limits of each size, then a random walk.
#include "sched/base/text.h"

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

static struct memory_ledger ledger;
static struct texts texts;

START_TEST(text_of_every_length_comes_back) {
    uint8_t bytes[TEXT_BYTES_MAX];
    uint32_t ids[TEXT_BYTES_MAX + 1];
    ck_assert_int_eq(texts_init(&texts, &ledger, TEXT_BYTES_MAX), 0);
    for (uint32_t size = 1; size <= TEXT_BYTES_MAX; size++) {
        memset(bytes, (int)size, size);
        ids[size] = text_acquire(&texts, bytes_of(bytes, size));
        ck_assert_uint_ne(ids[size], TEXT_NONE);
    }
    ck_assert_uint_eq(texts.classes[0].used_count, 11);
    ck_assert_uint_eq(texts.classes[1].used_count, 19 - 11);
    ck_assert_uint_eq(texts.classes[2].used_count, 43 - 19);
    for (uint32_t size = 1; size <= TEXT_BYTES_MAX; size++) {
        memset(bytes, (int)size, size);
        ck_assert(bytes_equal(text_bytes(&texts, ids[size]), bytes_of(bytes, size)));
        text_release(&texts, ids[size]);
    }
    for (uint32_t i = 0; i < TEXT_CLASS_COUNT; i++) {
        slab_validate(&texts.classes[i]);
        slab_check_empty(&texts.classes[i]);
    }
    memory_release_all(&ledger);
}
END_TEST

START_TEST(text_beyond_the_limit_of_its_size_is_declined) {
    ck_assert_int_eq(texts_init(&texts, &ledger, 2), 0);
    struct bytes small = BYTES_LITERAL("a");
    uint32_t first = text_acquire(&texts, small);
    ck_assert_uint_ne(first, TEXT_NONE);
    ck_assert_uint_ne(text_acquire(&texts, small), TEXT_NONE);
    ck_assert_uint_eq(text_acquire(&texts, small), TEXT_NONE);
    ck_assert_uint_ne(text_acquire(&texts, BYTES_LITERAL("twenty bytes of text")), TEXT_NONE);
    text_release(&texts, first);
    ck_assert_uint_eq(text_acquire(&texts, small), first);
    memory_release_all(&ledger);
}
END_TEST

UNIT_MAIN("sched/base/text", text_of_every_length_comes_back,
          text_beyond_the_limit_of_its_size_is_declined)
