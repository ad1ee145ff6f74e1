// Names to pids on one core: unique, open addressing with linear probing over XXH3 with a secret
// seed; the table doubles at 3/4 full. The registry owns a copy of each name, in a block that
// others may read by its id while the name is registered.
//
// Cost: one hash and one probe sequence per look-up. LIMITATION: doubling re-inserts every entry in
// one go (about 10 ms at a million names). Owned by the core's thread.
#ifndef FAIRLEAD_REGISTRY_H
#define FAIRLEAD_REGISTRY_H

#include "sched/base/blocks.h"
#include "sched/base/bytes.h"

#define REGISTRY_NAME_BYTES_MAX 255

struct registry_entry {
    uint64_t hash;
    uint64_t pid; // 0: empty
    uint32_t name;
    uint32_t note; // the caller's own
};

_Static_assert(sizeof(struct registry_entry) == 24, "the note fills what was padding");

struct registry {
    struct blocks *blocks;
    uint64_t seed;
    uint32_t table; // block of `capacity` entries
    uint32_t capacity;
    uint32_t count;
};

void registry_init(struct registry *registry, struct blocks *blocks, uint64_t seed);
void registry_fini(struct registry *registry);

// The pid, or PID_NONE.
uint64_t registry_lookup(const struct registry *registry, struct bytes name);

// Registers a name that is not yet. Returns the block with its copy, or BLOCK_NONE when memory is
// out.
MUST_USE uint32_t registry_insert(struct registry *registry, struct bytes name, uint64_t pid);

// Forgets a registered name and frees its copy.
void registry_remove(struct registry *registry, struct bytes name);

// Some registered name whose hash has these low REGISTRY_TAG_BITS, of no bytes when there is none,
// or when the table has grown beyond so many entries: for what could keep no more of a name.
#define REGISTRY_TAG_BITS 24
struct bytes registry_lookup_tag(const struct registry *registry, uint32_t tag);

// The tag of a name, registered or not.
uint32_t registry_tag(const struct registry *registry, struct bytes name);

// The entry of a name, or NULL: its pid and note may be changed. Until the next insert or remove.
struct registry_entry *registry_find(const struct registry *registry, struct bytes name);

// The same by the name's hash (with this registry's seed) and its pid.
struct registry_entry *registry_find_hash(const struct registry *registry, uint64_t hash,
                                          uint64_t pid);

// The table's entries, `capacity` of them, or NULL before the first insert.
struct registry_entry *registry_entries(const struct registry *registry);

struct bytes registry_name(const struct registry *registry, uint32_t name_block);

// Iterates: returns the pid at or after *cursor and moves it past, PID_NONE at the end. A name that
// is inserted or removed on the way moves others: then some are seen twice or not at all.
uint64_t registry_next(const struct registry *registry, uint32_t *cursor);

// Every entry is found from its hash, and counted. O(capacity).
void registry_validate(const struct registry *registry);

#endif
