// Fan-out: published messages under way to the subscribers on this core. A job is a message and the
// filters that match it; jobs are delivered at the end of turns (topics_flush), in slices.
//
//   fanout_push --> queued behind jobs of the same topic --first--> walking --all had it--> gone
//                                                                    ^    |
//                                                                    +----+ its slice, then the
//                                                                    others
// Order: jobs of one topic one after the other (topics are told apart by FANOUT_QUEUES hash values;
// two that share one wait for each other). Jobs at the head of their queues take turns, a slice of
// FANOUT_SLICE entries each: a big topic does not keep small ones.
//
// Who gets it: the entries of the matching nodes as they were when the job was made. The nodes are
// pinned (topic_entries.h): one who unsubscribes leaves a hole, which counts as dropped{closed};
// one who subscribes meanwhile stands behind the end and gets nothing from before; readdressing
// changes the entry in its place.
//
// One filter: each entry is delivered straight, its 8 bytes alone are read when its address has a
// shared format. Several: the entries of all but the biggest are first gathered by owner (copies);
// an owner of the biggest that is among them joins his copy, all others get theirs straight; the
// copies come last: one per owner, with the highest QoS and all identifiers.
//
// Audit: one filter: `due` and `gathered` grow by its entries when the job is made. Several: by
// each copy when it is made, by the others as they are delivered. Memory: 88 B a job; 8 B a match
// beyond one; 40 … 48 B for each entry that is gathered, of FANOUT_COPIES_MAX jobs at a time: the
// others wait, so that many small publishes do not become much memory. Owned by the core's thread.
#ifndef FAIRLEAD_FANOUT_H
#define FAIRLEAD_FANOUT_H

#include "sched/base/address.h"
#include "topics/topic_message.h"
#include "topics/topic_trie.h"

#define FANOUT_QUEUES 4096u
#define FANOUT_SLICE 1024u
#define FANOUT_COPIES_MAX 64u

struct topics;

struct fanout_match {
    uint32_t node;
    uint32_t end; // entries there when the job was made
};

struct fanout_job {
    uint32_t slab_word;
    uint32_t next; // in its queue
    uint32_t run_next;
    uint32_t queue;
    uint64_t payload;
    struct fanout_match biggest;
    uint32_t others; // block of struct fanout_match, BLOCK_NONE
    uint32_t other_count;
    uint32_t copies;                   // block (struct fanout_copies), BLOCK_NONE
    uint32_t phase;                    // enum fanout_phase
    uint32_t at;                       // of `others`, while they are gathered
    uint32_t cursor;                   // entry, or copy
    uint32_t parcels[ADDRESS_FORMATS]; // encoded when first wanted, BLOCK_NONE: not yet
    uint32_t failed;                   // formats that could not be encoded: it is not tried again
    uint32_t owed;                     // with one filter: entries that have not had it yet
};

_Static_assert(sizeof(struct fanout_job) == 88, "as the header says");

struct fanout_queue {
    uint32_t head; // the one that may run; SLAB_NONE
    uint32_t tail;
};

struct fanout {
    struct slab jobs;
    struct fanout_queue *queues;
    uint32_t run_head; // jobs that may run, in turn
    uint32_t run_tail;
    uint32_t jobs_max;
    uint32_t copies_count; // jobs that have copies
};

// Returns 0, or -ENOMEM.
MUST_USE int fanout_init(struct fanout *fanout, uint32_t jobs_max, struct memory_ledger *ledger);

// Gives up what is under way (dropped{closed}).
void fanout_fini(struct topics *topics);

// No further job is to be made now.
static inline bool fanout_is_full(const struct fanout *fanout) {
    return fanout->jobs.used_count >= fanout->jobs_max;
}

// Queues a message for those of the nodes (the latest match, node_count of them) that have entries.
// Takes a count of the payload. Returns whether there were any; when memory is out they are counted
// as dropped.
bool fanout_push(struct topics *topics, uint64_t payload, uint32_t node_count);

// Delivers, at most *budget. True: work is left.
bool fanout_flush(struct topics *topics, uint32_t *budget);

// A message for one member of a shared group, or a retained one for one subscription: at once.
void fanout_deliver_shared(struct topics *topics, uint64_t payload, uint32_t subscription);
void fanout_deliver_retained(struct topics *topics, uint64_t payload, uint32_t subscription);

void fanout_validate(const struct topics *topics);

#endif
