// Payload: immutable bytes shared between cores, counted atomically, in a block of the core that
// made it. A message carries its 64-bit reference in a word; each message that carries one holds
// one count, which its receiver gives back. The last holder returns the block to its core
// (blocks_release_remote).
//
// Made with one count, which the maker owns. Filled by its maker before it is sent, read only
// after.
#ifndef FAIRLEAD_PAYLOAD_H
#define FAIRLEAD_PAYLOAD_H

#include "sched/scheduler.h"

#define PAYLOAD_NONE 0ull

// Room for `size` bytes, or PAYLOAD_NONE when memory is out.
MUST_USE uint64_t payload_acquire(struct scheduler *scheduler, size_t size);

void *payload_data(const struct scheduler *scheduler, uint64_t payload);
void payload_ref(const struct scheduler *scheduler, uint64_t payload, uint32_t count);
void payload_unref(struct scheduler *scheduler, uint64_t payload);

#endif
