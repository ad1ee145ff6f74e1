// Relations: what ties an actor to others. One record of 32 bytes in a slab per tie and side,
// listed per actor; an actor without any costs nothing but 4 bytes of address space in its kind's
// side table (committed on touch) and has ACTOR_RELATED clear.
//
//   RELATION_LINK       other: whom it is linked to; word: id of an unlinking under way, or 0
//   RELATION_MONITOR    other: whom it watches; the record's own name (relation_ref) is the
//                       monitor; word: the watcher's tag, which a move forgets
//   RELATION_WATCH      the same after a move; word: the monitor's name from before
//   RELATION_MONITORED  other: who watches; word: the watcher's monitor
//   RELATION_CHILD      other: its supervisor; word: its place there (sched/supervisor.h)
//   RELATION_CALL       other: whom it calls; word: its timeout, the record there (sched/server.h)
//   RELATION_NAME       word: the name it is registered under (sched/names.h)
//   RELATION_MOVE       it is on the move (sched/move.c)
//   RELATION_FORMER     word: a pid that it had before a move
//
// Bounds: relations_max of the scheduler's configuration; beyond it relation_add declines. Finding
// one by whom it is about walks the actor's list, newest first: an actor with very many links pays
// for each unlink. By its name (relation_at) it is O(1). Owned by the core's thread.
#ifndef FAIRLEAD_RELATION_H
#define FAIRLEAD_RELATION_H

#include "sched/scheduler.h"

enum relation_kind {
    RELATION_LINK,
    RELATION_MONITOR,
    RELATION_MONITORED,
    RELATION_CHILD,
    RELATION_CALL,
    RELATION_NAME,
    RELATION_MOVE,
    RELATION_FORMER,
    RELATION_WATCH,
};

struct relation {
    uint32_t slab_word; // owner bits: enum relation_kind
    uint32_t next;      // of the same actor, newest first; SLAB_NONE at the end
    uint32_t previous;  // SLAB_NONE: the newest
    uint32_t owner;     // kind 4 | index 28
    uint64_t other;     // pid
    uint64_t word;
};

_Static_assert(sizeof(struct relation) == 32, "two to a cache line");

static inline enum relation_kind relation_kind(const struct relation *relation) {
    return (enum relation_kind)(relation->slab_word >> 24 & 0x7f);
}

// A new record of the actor, or NULL when memory is out (counted).
MUST_USE struct relation *relation_add(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                       enum relation_kind type, uint64_t other);

void relation_remove(struct scheduler *scheduler, struct relation *relation);

// The newest of this type about `other`, or NULL.
struct relation *relation_find(const struct scheduler *scheduler, uint8_t kind, uint32_t index,
                               enum relation_kind type, uint64_t other);

// The newest of this type with this word, or NULL.
struct relation *relation_find_word(const struct scheduler *scheduler, uint8_t kind, uint32_t index,
                                    enum relation_kind type, uint64_t word);

// The actor's newest record, or NULL; relation_next goes on.
struct relation *relation_first(const struct scheduler *scheduler, uint8_t kind, uint32_t index);
struct relation *relation_next(const struct scheduler *scheduler, const struct relation *relation);

// A name of 64 bits that dies with the record (a pid of kind 0), and back: NULL when it is gone.
uint64_t relation_ref(const struct scheduler *scheduler, const struct relation *relation);
struct relation *relation_at(const struct scheduler *scheduler, uint64_t ref);

// The actor that a record belongs to.
static inline uint8_t relation_owner_kind(const struct relation *relation) {
    return (uint8_t)(relation->owner >> 28);
}

static inline uint32_t relation_owner_index(const struct relation *relation) {
    return relation->owner & ((1u << 28) - 1);
}

// Lists, flags and counts agree.
void relation_validate(const struct scheduler *scheduler);

#endif
