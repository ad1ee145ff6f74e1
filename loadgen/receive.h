// What came, counted: answers, deliveries, announced gaps, heartbeats. A protocol decodes and calls
// these; here it is timed, checked for loss, order and duplicates, and told to the scenario.
//
// Everything of one read has the time of that read (run->read_ns). After a call the client may be
// gone only where it says so. The run's thread.
#ifndef FAIRLEAD_RECEIVE_H
#define FAIRLEAD_RECEIVE_H

#include "loadgen/run.h"

// Bytes for client `index`: the clock is read, the protocol decodes them in place.
void receive_data(struct run *run, uint32_t index, uint8_t *data, size_t size);

// The join was accepted: everything up to `watermark` is from before it, VERIFY_UNKNOWN when the
// server did not say. The first makes the client live.
void receive_joined(struct run *run, uint32_t index, uint64_t watermark);

// The leave was answered.
void receive_left(struct run *run, uint32_t index);

// A request has its answer; stamp->number tells which of the connection's.
void receive_answer(struct run *run, uint32_t index, const struct stamp *stamp);

// Of echo protocols: true when `message` is byte for byte a request of this client's; then it has
// its answer.
MUST_USE bool receive_echo(struct run *run, uint32_t index, struct bytes message);

// A publish has its answer.
void receive_accepted(struct run *run, uint32_t index, const struct stamp *stamp);

// The answer is a refusal; one of the two follows.
void receive_rejection(struct run *run, struct bytes reason);

// The server gave this number to a message of ours in the client's room: at the end everybody must
// have come so far. Others may go on talking then.
void receive_sequence(struct run *run, uint32_t index, uint64_t sequence);

// A room's message for one member; sequence 0: the server numbers nothing.
void receive_delivery(struct run *run, uint32_t index, const struct stamp *stamp,
                      uint64_t sequence);

// The same for one that the server says it may have delivered before (MQTT's DUP flag): seen again
// it is no duplicate.
void receive_redelivery(struct run *run, uint32_t index, const struct stamp *stamp,
                        uint64_t sequence);

// A message of somebody else to the client's room.
void receive_foreign(struct run *run, uint32_t index, uint64_t sequence);

// The server announces that from … to are lost to this member.
void receive_gap(struct run *run, uint32_t index, uint64_t from, uint64_t to);

void receive_heartbeat(struct run *run, uint32_t index, const struct stamp *stamp);

// One ping of the flood was answered.
void receive_flood(struct run *run);

// A message that the protocol does not know.
void receive_strange(struct run *run);

// True when no member who comes and goes is behind its room: flights (flight.h) do not wait for
// them. O(connections), for the end of a run.
bool receive_is_complete(const struct run *run);

// At the end of the run: what is missing at each member's end counts as lost.
void receive_finish(struct run *run);

#endif
