// What servers send, from bytes to meaning: the answer to the upgrade, frames, messages; deliveries
// are checked and timed, replies matched, announced gaps counted.
//
// A reply is matched by its ref, which is the request's intended time in ns since the run began
// plus RECEIVE_REF_BASE: no table of requests is needed, and refs of one connection only grow.
#ifndef FAIRLEAD_RECEIVE_H
#define FAIRLEAD_RECEIVE_H

#include "loadgen/run.h"

#define RECEIVE_REF_JOIN 1u
#define RECEIVE_REF_HEARTBEAT 2u
#define RECEIVE_REF_FLOOD 3u
#define RECEIVE_REF_BASE 1000u

void receive_data(struct run *run, uint32_t index, uint8_t *data, size_t size);

// The server ended the connection while its answer to the upgrade was incomplete: tells what there
// is of it.
void receive_refusal(struct run *run, uint32_t index);

// At the end of the run: what is missing at each member's end counts as lost.
void receive_finish(struct run *run);

#endif
