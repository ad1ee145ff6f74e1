// Tracing on one core, as the control plane orders it: which actors make up a connection or a room
// (sched/trace.h does the rest).
//
//   a pid    that actor
//   a user   the connections of that name: what they receive, send and their end
//   a room   its actor at its home, and its leaf on every core with members
//
// LIMITATION: what joins later is not traced; neither is what a leaf delivers to members, of which
// nothing is recorded per delivery.
// Owned by the core's thread.
#ifndef FAIRLEAD_TRACING_H
#define FAIRLEAD_TRACING_H

#include "gateway/control_port.h"
#include "gateway/core.h"

// The next slice of the search for a user; *cursor is 0 at first, when the trace before ends. Adds
// to *actor_count. True: that was the last.
MUST_USE bool tracing_begin(struct core *core, const struct control_trace_order *order,
                            uint64_t *cursor, uint32_t *actor_count);

// The events that are kept, the newest first, up to trace->events_max.
void tracing_read(const struct core *core, struct control_trace *trace);

#endif
