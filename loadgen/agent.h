// `fairlead load agent`: waits for coordinators and drives each one's part of a run in a process of
// its own, one at a time. The waiting process does no load and keeps no state of a run, so a run
// that dies takes nothing with it.
//
//     wait → (a coordinator connects) fork → the child returns from agent_wait with its session and
//     runs; the parent refuses others with a sentence until the child has ended
//
// Security: whoever reaches the port can make this machine send load to any address. Therefore it
// listens on loopback only, unless --allow-remote; orders cannot name files of this machine.
#ifndef FAIRLEAD_AGENT_H
#define FAIRLEAD_AGENT_H

#include "loadgen/session.h"

#define AGENT_RUN (-1) // not an exit code: in the child

// In the parent: the exit code, when it is told to end or cannot listen. In a child: AGENT_RUN,
// with a session that is open. What the child writes to stderr is told by the parent when the run
// fails.
MUST_USE int agent_wait(const struct load_options *o, struct session *s);

// In a child, at the end of a run that has not sent its result: tells the coordinator the last line
// of stderr.
void agent_fail(struct session *s, enum verdict_code code);

#endif
