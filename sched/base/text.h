// Short texts that live long (user names): 1 to 64 bytes in slots of 16, 24, 48 or 72 B, named by a
// 32-bit id. Owned by one thread.
#ifndef FAIRLEAD_TEXT_H
#define FAIRLEAD_TEXT_H

#include "sched/base/bytes.h"
#include "sched/base/slab.h"

#define TEXT_BYTES_MAX 64
#define TEXT_NONE UINT32_MAX
#define TEXT_CLASS_COUNT 4

struct texts {
    struct slab classes[TEXT_CLASS_COUNT];
};

// Address space for texts_max of each size. Returns 0, or -ENOMEM.
MUST_USE int texts_init(struct texts *texts, struct memory_ledger *ledger, uint32_t texts_max);

// A copy of 1 … TEXT_BYTES_MAX bytes, or TEXT_NONE when all slots are in use.
MUST_USE uint32_t text_acquire(struct texts *texts, struct bytes bytes);
void text_release(struct texts *texts, uint32_t id);

// Borrowed until the release.
struct bytes text_bytes(const struct texts *texts, uint32_t id);

#endif
