// Gather: what a leaf is told becomes parts: encoded once for each format that has members here,
// in order. What cannot be had for lack of memory is owed as a gap, to that format alone, and
// nothing passes it.
//
// Bounds: LEAF_PARTS_MAX parts and batch_bytes_max bytes, then the leaf is paused until its walk is
// done. Owned by the core's thread.
#ifndef FAIRLEAD_CHAT_GATHER_H
#define FAIRLEAD_CHAT_GATHER_H

#include "chat/leaf.h"

// A room message, a whisper of `publisher` (a member here, SLAB_NONE). `payload` is borrowed.
void gather_message(struct chat *chat, uint32_t index, uint64_t payload,
                    const struct chat_publish *publish, uint64_t sequence);
void gather_whisper(struct chat *chat, uint32_t index, const struct chat_publish *publish,
                    uint32_t publisher);

// Messages that nobody here gets; then the gaps that are owed, as far as there is memory.
void gather_lost(struct chat *chat, uint32_t index, struct leaf_loss loss);
void gather_gaps_owed(struct chat *chat, uint32_t index);

static inline void gather_gaps(struct chat *chat, uint32_t index) {
    const struct leaf *leaf = leaf_at(chat, index);
    if (UNLIKELY(leaf->loss.to || leaf->mix != BLOCK_NONE))
        gather_gaps_owed(chat, index);
}

// Forgets the gaps that are still owed. True when none is owed to members of this address.
void gather_forget_gaps(struct chat *chat, uint32_t index);
MUST_USE bool gather_is_whole(const struct chat *chat, uint32_t index, uint32_t address);

// Presence, and counts. False: somebody was not told for lack of memory.
MUST_USE bool gather_presence(struct chat *chat, uint32_t index, uint64_t payload,
                              enum leaf_part_kind kind);
MUST_USE bool gather_count(struct chat *chat, uint32_t index, uint32_t users, uint32_t connections);

#endif
