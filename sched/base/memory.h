// Address space reserved for a limit, committed by touch, and a ledger that names every reservation
// (`--print-memory` and /metrics read it). One ledger per scheduler; written at start, read later.
//
// LIMITATION: with vm.overcommit_memory=2 the whole reservation counts as committed.
#ifndef FAIRLEAD_MEMORY_H
#define FAIRLEAD_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "sched/base/check.h"

#define MEMORY_ENTRIES_MAX 128

struct memory_entry {
    const char *name; // static string
    size_t reserved_bytes;
    void *base;
};

struct memory_ledger {
    struct memory_entry entries[MEMORY_ENTRIES_MAX];
    uint32_t entry_count;
};

// Zeroed, page-aligned memory for `bytes`; NULL when the kernel refuses the address space.
MUST_USE void *memory_reserve(struct memory_ledger *ledger, const char *name, size_t bytes);

// Gives all reservations of the ledger back.
void memory_release_all(struct memory_ledger *ledger);

size_t memory_reserved_bytes(const struct memory_ledger *ledger);

#endif
