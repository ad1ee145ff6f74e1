// Messages between cores: one single-producer single-consumer ring of 64-byte cells per ordered
// pair of endpoints. An endpoint is a scheduler (0 … scheduler_count-1) or an outsider: a thread
// that is no scheduler (the control plane) and only ever talks to schedulers.
//
// What an endpoint sends in a turn becomes visible at mesh_publish, once a turn; only a receiver
// that declared that it sleeps is woken, by the caller (io/wake knows how). When a ring is full:
// mesh_send declines, and the sender has a policy (docs/PROTOCOL.md): past 3/4 homes refuse
// publishes, the last 1/8 is kept for control.
//
// Memory: ring_cells × 64 B per ordered pair, committed on touch. Threads: each function names
// whose. This file, blocks and counters are the only places with atomics on the data path.
#ifndef FAIRLEAD_MESH_H
#define FAIRLEAD_MESH_H

#include <stdatomic.h>
#include <stdbool.h>

#include "sched/base/blocks.h"
#include "sched/message.h"

#define MESH_ENDPOINTS_MAX 64
#define MESH_RUN_MAX 64

struct mesh_ring {
    _Alignas(64) _Atomic uint32_t published; // written by the producer
    uint32_t written;                        // producer's own: cells filled, not yet published
    uint32_t taken_seen;                     // producer's copy of `taken`
    _Alignas(64) _Atomic uint32_t taken;     // written by the consumer
    uint32_t published_seen;                 // consumer's copy of `published`
    struct message *cells;
};

struct mesh_endpoint {
    _Alignas(64) _Atomic bool sleeping; // true exactly when the endpoint waits and must be woken
    uint64_t touched;                   // endpoint's own: receivers it wrote to since mesh_publish
    uint32_t next_from;                 // endpoint's own: where the next mesh_receive begins
    uint32_t run_count;                 // endpoint's own: taken from there in a row
    struct blocks *blocks;              // shared payloads of this core
};

struct mesh {
    uint32_t endpoint_count;
    uint32_t scheduler_count;
    uint32_t ring_cells; // a power of two
    struct memory_ledger ledger;
    struct mesh_ring *rings; // [from * endpoint_count + to]
    struct mesh_endpoint endpoints[MESH_ENDPOINTS_MAX];
};

struct mesh_config {
    uint32_t scheduler_count;
    uint32_t outsider_count;
    uint32_t ring_cells;
};

enum mesh_class {
    MESH_ROOM,      // declined in the last eighth
    MESH_CONTROL,   // may fill the ring
    MESH_FORWARDED, // the same, by way of its target's former core (sched/move.h)
};

// Main thread, before any other runs. Returns 0, or -ENOMEM.
MUST_USE int mesh_init(struct mesh *mesh, const struct mesh_config *config);
void mesh_fini(struct mesh *mesh);

// Sender `from`: copies the message. False when the ring is full for this class; nothing was sent
// then.
MUST_USE bool mesh_send(struct mesh *mesh, uint32_t from, uint32_t to,
                        const struct message *message, enum mesh_class class_of_message);

// Sender `from`: makes what it sent visible. Returns the set (bit per endpoint) of receivers that
// sleep and that this caller must wake.
uint64_t mesh_publish(struct mesh *mesh, uint32_t from);

// Sender `from`: eighths of the ring in use, 0 … 8.
uint32_t mesh_fill_eighths(struct mesh *mesh, uint32_t from, uint32_t to);

// Receiver `to`: takes one message; the next sender has its turn when one has no more, or after
// MESH_RUN_MAX messages. False when there is none.
MUST_USE bool mesh_receive(struct mesh *mesh, uint32_t to, struct message *message);

// Receiver `to`: the next messages of one sender, where they lie: how many, at most MESH_RUN_MAX; 0
// when there is none. They stay the receiver's until it takes them; the sender sees their room
// then. What it does not take comes again.
MUST_USE uint32_t mesh_run(struct mesh *mesh, uint32_t to, const struct message **messages);
void mesh_take(struct mesh *mesh, uint32_t to, uint32_t count);

// Receiver `to`: declares that it will sleep. False when a message is there already: do not sleep
// then.
MUST_USE bool mesh_sleep_begin(struct mesh *mesh, uint32_t to);
void mesh_sleep_end(struct mesh *mesh, uint32_t to);

// Any thread: messages that endpoint `to` has taken from schedulers since the start (modulo 2^32
// per ring), and whether some that schedulers published are not taken yet. Outsiders do not count.
uint64_t mesh_taken_count(const struct mesh *mesh, uint32_t to);
MUST_USE bool mesh_has_untaken(const struct mesh *mesh, uint32_t to);

// taken ≤ published ≤ written ≤ taken + ring_cells in every ring. No thread may use the mesh
// meanwhile.
void mesh_validate(struct mesh *mesh);

#endif
