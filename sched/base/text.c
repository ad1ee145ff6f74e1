#include "sched/base/text.h"

#define CLASS_SHIFT 29

struct text_slot {
    uint32_t slab_word;
    uint8_t size;
    uint8_t bytes[];
};

static const uint32_t slot_sizes[TEXT_CLASS_COUNT] = {16, 24, 48, 72};

int texts_init(struct texts *texts, struct memory_ledger *ledger, uint32_t texts_max) {
    static const char *const names[TEXT_CLASS_COUNT] = {"texts 11", "texts 19", "texts 43",
                                                        "texts 64"};
    for (uint32_t i = 0; i < TEXT_CLASS_COUNT; i++) {
        int result = slab_init(&texts->classes[i], ledger, names[i], slot_sizes[i], texts_max);
        if (result < 0)
            return result;
    }
    return 0;
}

uint32_t text_acquire(struct texts *texts, struct bytes bytes) {
    CHECK(bytes.size >= 1 && bytes.size <= TEXT_BYTES_MAX);
    uint32_t size_class = 0;
    while (bytes.size + sizeof(struct text_slot) - 3 > slot_sizes[size_class])
        size_class++;
    uint32_t index;
    struct text_slot *slot = slab_acquire(&texts->classes[size_class], &index);
    if (!slot)
        return TEXT_NONE;
    slot->size = (uint8_t)bytes.size;
    memcpy(slot->bytes, bytes.data, bytes.size);
    return size_class << CLASS_SHIFT | index;
}

void text_release(struct texts *texts, uint32_t id) {
    slab_release(&texts->classes[id >> CLASS_SHIFT], id & ((1u << CLASS_SHIFT) - 1));
}

struct bytes text_bytes(const struct texts *texts, uint32_t id) {
    const struct text_slot *slot =
        slab_get(&texts->classes[id >> CLASS_SHIFT], id & ((1u << CLASS_SHIFT) - 1));
    return bytes_of(slot->bytes, slot->size);
}
