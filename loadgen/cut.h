// What a read left over: the head of the message under way, as far as it came and is worth keeping,
// and the few bytes of state with which the protocol's decoder goes on. Before a connection is
// live: what there is of the answer to its hello.
//
// At most one per client, from a slab that holds nothing until bytes are cut; released when the
// message is whole or the client gone. Bound: run->cut_bytes, what is beyond is counted in
// `is_truncated` and forgotten. The run's thread.
#ifndef FAIRLEAD_CUT_H
#define FAIRLEAD_CUT_H

#include "loadgen/run.h"

#define CUT_STATE_BYTES 176

struct cut {
    uint32_t slab_word;
    uint32_t size;
    bool is_truncated;                          // the message is larger than what is held
    _Alignas(8) uint8_t state[CUT_STATE_BYTES]; // the protocol's own; undefined in a fresh one
    uint8_t bytes[];
};

// Reserves for run->client_count clients with cut_bytes each. 0, or -ENOMEM.
MUST_USE int cut_init(struct run *run);

static inline bool cut_is_held(const struct client *client) {
    return client->cut != SLAB_NONE;
}

// The client's own; a fresh one, of size 0, when it has none.
struct cut *cut_get(struct run *run, struct client *client);

void cut_append(const struct run *run, struct cut *cut, struct bytes bytes);

// Forgets it, if there is one.
void cut_release(struct run *run, struct client *client);

#endif
