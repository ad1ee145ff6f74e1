// A core's copy of all names (sched/names.h), and the ties that tell an actor's names. For the
// names service alone.
#ifndef FAIRLEAD_NAMES_REPLICA_H
#define FAIRLEAD_NAMES_REPLICA_H

#include "sched/names.h"

// A name whose home is here.
struct names_homed {
    uint32_t slab_word;
    uint32_t name; // block of its copy
    uint64_t pid;
    uint64_t monitor;
};

// The core that decides about the name with this hash.
static inline uint8_t names_home(const struct names *names, uint64_t hash) {
    return (uint8_t)((hash >> 32) % names->core_count);
}

// Enters a name or changes its pid. The entry, or NULL when memory is out.
struct registry_entry *names_replica_set(struct names *names, struct bytes name, uint64_t pid);

// Forgets a name; harmless without it.
void names_replica_forget(struct names *names, uint64_t hash, uint64_t pid);

// Forgets the names of that home whose mark is not `mark`.
void names_replica_sweep(struct names *names, uint8_t home, uint32_t mark);

#endif
