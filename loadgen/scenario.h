// What is sent, and by whom: arrivals of the open loop as phases.h calls for them, the next request
// of the closed one, heartbeats, the flood. The run's thread.
#ifndef FAIRLEAD_SCENARIO_H
#define FAIRLEAD_SCENARIO_H

#include "loadgen/run.h"

// Heartbeats run from now on; prepares what is sent unchanged. False when memory is out.
MUST_USE bool scenario_init(struct run *run, uint64_t now_ns);

void scenario_fini(struct run *run);

// Everyone is connected: the phases begin at begin_ns. Sets run->measure_from_ns and measure_to_ns.
void scenario_begin(struct run *run, uint64_t begin_ns);

// Sends what is due.
void scenario_turn(struct run *run, uint64_t now_ns);

// When something is due next, SCHEDULE_NEVER when nothing is.
uint64_t scenario_next_ns(const struct run *run);

// No new load; heartbeats go on.
void scenario_end(struct run *run, uint64_t now_ns);

// Nobody is there any more, and nobody will come.
bool scenario_is_deserted(const struct run *run);

// Nothing is on its way any more, but to slow readers.
bool scenario_is_quiet(const struct run *run);

// From phases.c: what was meant for this time, one arrival each; the closed loop begins or ends.
void scenario_send_publishes(struct run *run, uint64_t intended_ns);
void scenario_send_ping(struct run *run, uint64_t intended_ns);
void scenario_set_closed(struct run *run, bool is_closed, uint64_t now_ns);

// From receive.c: a request was answered (echo), everybody has a message (rooms).
void scenario_on_answer(struct run *run, uint32_t client, uint64_t now_ns);
void scenario_on_complete(struct run *run, uint32_t room, uint64_t now_ns);

// Once a second: a closed loop that lost its requests begins anew.
void scenario_tick(struct run *run, uint64_t now_ns);

// Requests or publishes that the window called for, until `until_ns`.
uint64_t scenario_offered(const struct run *run, uint64_t until_ns);

#endif
