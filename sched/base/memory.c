#include "sched/base/memory.h"

#include <sys/mman.h>

void *memory_reserve(struct memory_ledger *ledger, const char *name, size_t bytes) {
    CHECKF(ledger->entry_count < MEMORY_ENTRIES_MAX, "memory ledger is full at %s", name);
    if (bytes > SIZE_MAX - 4095)
        return NULL;
    size_t rounded = (bytes + 4095) & ~(size_t)4095;
    if (rounded == 0)
        rounded = 4096;
    void *base = mmap(NULL, rounded, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    // Slots are touched one by one; a huge page would commit 2 MiB for the first of them.
    (void)madvise(base, rounded, MADV_NOHUGEPAGE);
    ledger->entries[ledger->entry_count++] = (struct memory_entry){name, rounded, base};
    return base;
}

void memory_release_all(struct memory_ledger *ledger) {
    for (uint32_t i = 0; i < ledger->entry_count; i++)
        munmap(ledger->entries[i].base, ledger->entries[i].reserved_bytes);
    ledger->entry_count = 0;
}

size_t memory_reserved_bytes(const struct memory_ledger *ledger) {
    size_t total = 0;
    for (uint32_t i = 0; i < ledger->entry_count; i++)
        total += ledger->entries[i].reserved_bytes;
    return total;
}
