// Flight recorder: the last events of every actor, kept in one ring of 16-byte events per core, and
// the last events of those that died, kept in a ring of obituaries. What happened to a connection
// can so be read after it has gone.
//
//   last[kind][index] ──▶ event ──previous──▶ event ──previous──▶ … until one was overwritten
//
// An event is named by its sequence number, of which the ring holds the newest `mask + 1`; links
// hold the low 32 bits. A chain ends at 0, or at a number that lies no longer in the ring, is
// another actor's or does not lead into the past: so the numbers may wrap. An actor's end cuts its
// chain, so that the slot's next owner begins with none. Times are milliseconds modulo 2^32 (49
// days); where the ring stood when they wrapped is kept (`eras`), so that old events of a quiet
// core are dated right as well.
//
// Bounds and memory: the ring, touched at the start so that it is a fixed price; RECORDER_MARKS_MAX
// events per obituary; 4 B per slot of the kinds that are tracked, committed on touch. Cost of an
// event, of an obituary: docs/BENCHMARKS.md. A recorder of zero bytes is off: it records nothing
// and costs a test. Everything is owned by the core's thread; time comes from the owner.
#ifndef FAIRLEAD_RECORDER_H
#define FAIRLEAD_RECORDER_H

#include <stdbool.h>

#include "sched/actor.h"
#include "sched/base/bytes.h"
#include "sched/recorder_events.h"

#define RECORDER_MARKS_MAX 16
#define RECORDER_NAME_BYTES_MAX 128
#define RECORDER_DETAIL_MAX 0xffffffu
#define RECORDER_EVENTS_MAX (1u << 26) // of a ring: 1 GiB
#define RECORDER_ERAS 8
#define RECORDER_INDEX_BITS 28

struct recorder_event {
    uint32_t previous; // sequence number of the same actor's event before it, 0: none
    uint32_t actor;    // kind 4 | index 28
    uint32_t time_ms;  // since the recorder's start, modulo 2^32
    uint32_t type : 8; // enum recorder_event_type
    uint32_t detail : 24;
};

_Static_assert(sizeof(struct recorder_event) == 16, "262,144 of them in 4 MiB");

// An event as it is read.
struct recorder_mark {
    uint64_t time_ns; // of the clock that recorder_init got
    uint32_t type;
    uint32_t detail;
};

// A dead actor. Its events are the newest first.
struct recorder_obituary {
    uint64_t pid;
    uint64_t time_ns;
    uint16_t reason; // enum exit_reason, or a program's own
    uint8_t mark_count;
    uint8_t name_size;
    bool has_address;
    uint8_t address[16]; // IPv4 as ::ffff:a.b.c.d
    uint8_t name[RECORDER_NAME_BYTES_MAX];
    struct recorder_mark marks[RECORDER_MARKS_MAX];
};

_Static_assert(sizeof(struct recorder_obituary) == 424, "what --obituaries says of itself");

struct recorder {
    struct recorder_event *events; // NULL: off
    const uint64_t *now_ns;        // borrowed
    uint64_t begin_ns;
    uint32_t mask;
    uint32_t era;                 // times of 2^32 ms that have passed
    uint64_t sequence;            // of the newest event; those whose low 32 bits are 0 are skipped
    uint64_t eras[RECORDER_ERAS]; // the newest event at the end of era e: eras[e % RECORDER_ERAS]
    uint32_t *last[ACTOR_KINDS_MAX]; // by slot: the newest event; NULL: the kind is not tracked
    struct recorder_obituary *obituaries; // obituaries_max + 1: one is being written
    uint32_t obituaries_max;
    uint64_t obituary_count; // ever written; the newest: count - 1, modulo max + 1
    uint64_t described;      // pid whose description stands in the next obituary
};

struct recorder_config {
    uint32_t events_max; // rounded down to a power of two, at most RECORDER_EVENTS_MAX; 0: off
    uint32_t obituaries_max;
};

// Returns 0, or -ENOMEM. `now_ns` is read at each event, and borrowed for good.
MUST_USE int recorder_init(struct recorder *recorder, const struct recorder_config *config,
                           struct memory_ledger *ledger, const uint64_t *now_ns);

// Events of this kind of actor are kept from now on. Returns 0, or -ENOMEM; when off, nothing.
MUST_USE int recorder_track(struct recorder *recorder, struct memory_ledger *ledger, uint8_t kind,
                            uint32_t slots_max);

static inline bool recorder_is_on(const struct recorder *recorder) {
    return recorder->events != NULL;
}

static inline uint32_t recorder_actor(uint8_t kind, uint32_t index) {
    return (uint32_t)kind << RECORDER_INDEX_BITS | index;
}

static inline uint32_t recorder_actor_of_pid(uint64_t pid) {
    return recorder_actor(pid_kind(pid), pid_slot(pid).index);
}

// For details that are larger than they should be: the largest that fits.
static inline uint32_t recorder_clamp(uint64_t detail) {
    return detail < RECORDER_DETAIL_MAX ? (uint32_t)detail : RECORDER_DETAIL_MAX;
}

// Notes an event. `actor` as recorder_actor makes it, its index within the kind's slots_max. Of
// `detail` the low 24 bits count.
void recorder_record(struct recorder *recorder, uint32_t actor, enum recorder_event_type type,
                     uint32_t detail);

// The same, unless the actor's newest event is of this type and detail already: for what repeats
// itself, so that it does not push out all that was before.
void recorder_record_change(struct recorder *recorder, uint32_t actor,
                            enum recorder_event_type type, uint32_t detail);

// The last events of a living actor, newest first: how many.
uint32_t recorder_read(const struct recorder *recorder, uint32_t actor,
                       struct recorder_mark marks[RECORDER_MARKS_MAX]);

// What an obituary says beside the events. Views are copied; a name is cut to
// RECORDER_NAME_BYTES_MAX.
struct recorder_subject {
    struct bytes name;
    const uint8_t *address; // 16 bytes; NULL: not known
};

// The last thing that a behaviour's terminate does for an actor that deserves an obituary: who it
// was. Its kind is tracked.
void recorder_describe(struct recorder *recorder, uint64_t pid,
                       const struct recorder_subject *subject);

void recorder_bury(struct recorder *recorder, uint64_t pid, uint32_t reason);

// An actor is gone: writes its obituary when it was described, and cuts its chain. The scheduler
// calls it for every end.
static inline void recorder_obituary(struct recorder *recorder, uint64_t pid, uint32_t reason) {
    if (recorder->last[pid_kind(pid)]) // its kind is tracked
        recorder_bury(recorder, pid, reason);
}

// Obituaries from the newest (age 0) to the oldest that is kept; NULL behind it.
const struct recorder_obituary *recorder_lookup_obituary(const struct recorder *recorder,
                                                         uint32_t age);

// "joined", …; "unknown" for a type that there is not.
const char *recorder_event_name(uint32_t type);

// What the detail of such an event means (sched/recorder_events.h); "" for nothing.
const char *recorder_event_detail_name(uint32_t type);

#endif
