// The simulated ring's other side: peers and the weather, driven by a test. Deterministic by seed,
// no kernel, no waiting. Link libring_sim.a in place of libring_uring.a.
//
// What it holds to, as the kernel does: a send's completion comes with the enter that submitted it;
// completions of one operation keep their order; a closed descriptor is not given out before its
// close completed. Everything else may come in any order and any number of turns late, when the
// knobs say so.
#ifndef FAIRLEAD_IO_RING_SIM_H
#define FAIRLEAD_IO_RING_SIM_H

#include "io/ring.h"

// "one in n": 0 never.
struct ring_sim_knobs {
    uint64_t seed;                 // of all chance below
    bool reorders;                 // completions of different operations overtake each other
    uint32_t late_one_in;          // completions that come a turn or more later
    uint32_t lose_more_one_in;     // multishot completions that end their operation
    uint32_t cancel_misses_one_in; // cancels that find a multishot between two runs
    uint32_t short_send_one_in;    // sends that take only a part though there is space
    uint32_t run_max;              // completions of one multishot in one enter; 0: 32
    uint32_t send_space;           // bytes a new socket takes unread; 0: 64 KiB
    bool reports_success;          // a kernel whose sends cannot be silent
    int accept_error;              // the next accept fails so (errno), once
    int connect_error;             // every connect fails so
    bool cannot_pass;              // a kernel that does not pass descriptors
    int pass_error;                // the next pass from here fails so (errno), once; after
                                   // EOVERFLOW the other ring has the file unheard
};

// Of all chance in the knobs.
void ring_sim_seed(struct ring *ring, uint64_t seed);

// Change at any time.
struct ring_sim_knobs *ring_sim_knobs(struct ring *ring);

// A peer connects to a listening descriptor (any number that accept was armed with). Returns the
// peer, in the backlog until an accept takes it.
uint32_t ring_sim_connect(struct ring *ring, int listen_fd);

// The peer on the other end of a stream that connected.
uint32_t ring_sim_peer_of(struct ring *ring, uint32_t stream_index);

void ring_sim_peer_send(struct ring *ring, uint32_t peer, const void *data, size_t size);

// What the stream sent, at most `size` bytes; makes space.
size_t ring_sim_peer_receive(struct ring *ring, uint32_t peer, void *data, size_t size);

// Bytes the socket takes before it is full, from now on.
void ring_sim_peer_set_space(struct ring *ring, uint32_t peer, uint32_t bytes);

void ring_sim_peer_fin(struct ring *ring, uint32_t peer);
void ring_sim_peer_reset(struct ring *ring, uint32_t peer);

bool ring_sim_peer_has_bytes(const struct ring *ring, uint32_t peer);  // to receive
bool ring_sim_peer_saw_fin(const struct ring *ring, uint32_t peer);    // and has read up
bool ring_sim_peer_is_closed(const struct ring *ring, uint32_t peer);  // our descriptor is gone
bool ring_sim_peer_is_unheard(const struct ring *ring, uint32_t peer); // a full table dropped it

// The number on `other` of a peer whose stream was passed there.
uint32_t ring_sim_peer_on(struct ring *other, struct ring *ring, uint32_t peer);

// Whether a ring_enter that waits would return now: something can complete, or ring_submit_wake
// named this ring since the last enter.
bool ring_sim_is_ready(struct ring *ring);
bool ring_sim_is_woken(const struct ring *ring); // the latter alone

// Operations armed and not completed, of all streams: 0 when all is torn down.
uint32_t ring_sim_armed_count(const struct ring *ring);

// Takes buffers away (returns how many) and gives them back.
uint32_t ring_sim_hide_buffers(struct ring *ring, uint32_t count);
void ring_sim_show_buffers(struct ring *ring, uint32_t count);

#endif
