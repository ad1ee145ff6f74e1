// Directory of client ids on one core: which session each belongs to. Open addressing over 32 bits
// of the id's hash and the session's slot, 8 bytes an entry in a table that doubles at 3/4 full;
// ids of up to TEXT_BYTES_MAX bytes lie in slots of 16 to 72 bytes, longer ones in blocks.
//
// (A struct registry would cost 64 B for each name and 24 B an entry: more than the session's own
// slot, which must fit the budget of an idle connection with its subscription.)
//
// Bounds: sessions_max entries. LIMITATION: doubling moves every entry in one go (a few ms at a
// million). Nothing in it is a pointer. Owned by the core's thread.
#ifndef FAIRLEAD_MQTT_DIRECTORY_H
#define FAIRLEAD_MQTT_DIRECTORY_H

#include "sched/base/blocks.h"
#include "sched/base/text.h"

#define MQTT_DIRECTORY_ID_BYTES_MAX 65535u // [MQTT-1.5.4-1]; CONNECT's own bound is lower
#define MQTT_ID_NONE UINT32_MAX

struct mqtt_directory_entry {
    uint32_t tag;     // of the id's hash
    uint32_t session; // slot + 1; 0: empty
};

struct mqtt_directory {
    struct blocks *blocks;
    struct texts ids;
    uint64_t seed;
    uint32_t table; // block of `capacity` entries, BLOCK_NONE before the first
    uint32_t capacity;
    uint32_t count;
};

// Address space for ids. Returns 0, or -ENOMEM.
MUST_USE int mqtt_directory_init(struct mqtt_directory *directory, struct memory_ledger *ledger,
                                 struct blocks *blocks, uint32_t sessions_max, uint64_t seed);
// No id is left by now (CHECKs).
void mqtt_directory_fini(struct mqtt_directory *directory);

// A copy of a client id (1 … MQTT_DIRECTORY_ID_BYTES_MAX bytes) for a session that has none yet;
// MQTT_ID_NONE when memory is out. Not entered yet.
MUST_USE uint32_t mqtt_directory_id_acquire(struct mqtt_directory *directory, struct bytes id);
void mqtt_directory_id_release(struct mqtt_directory *directory, uint32_t id);

// Borrowed until the release.
struct bytes mqtt_directory_id(const struct mqtt_directory *directory, uint32_t id);

// How the directory learns which id a session has: `id_of` gives it for a slot that was entered.
typedef struct bytes mqtt_directory_id_of(const void *context, uint32_t session);

// The session's slot, SLAB_NONE when there is none.
uint32_t mqtt_directory_lookup(const struct mqtt_directory *directory, struct bytes id,
                               mqtt_directory_id_of *id_of, const void *context);

// False: memory is out. The id must not be entered yet.
MUST_USE bool mqtt_directory_insert(struct mqtt_directory *directory, struct bytes id,
                                    uint32_t session);

// It was entered (CHECKs).
void mqtt_directory_remove(struct mqtt_directory *directory, struct bytes id, uint32_t session);

#endif
