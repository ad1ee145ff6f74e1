// A tree of supervisors as text, for people: one line a child with its pid, kind, restart type and
// restarts, indented by depth; of a bound kind the count.
//
//     fairlead                  00f0000000000000  one_for_one, restarts=0 intensity=5/10s
//       control                 0050000000000000  permanent control, restarted=0
//       rooms                   00f0000000000001  permanent supervisors, restarted=0
//           simple_one_for_one of 17 transient rooms, restarts=2 intensity=1000/10s
//
// (a supervisor's own words stand on its line, not below it).
//
// Pure; thread: the core's own.
#ifndef FAIRLEAD_SUPERVISOR_TREE_H
#define FAIRLEAD_SUPERVISOR_TREE_H

#include "sched/supervisor.h"

// Bounded by the writer alone: what does not fit sets w->overflow, what is below
// SUPERVISOR_DEPTH_MAX is left out. Nothing when `root` is gone.
void supervisor_tree_print(const struct scheduler *scheduler, uint64_t root, struct writer *w);

const char *supervisor_strategy_name(enum supervisor_strategy strategy);
const char *supervisor_restart_name(enum supervisor_restart restart);

#endif
