// A tree of supervisors as text, for people: one line a child with its pid, kind, restart type and
// restarts, indented by depth; of a bound kind the count.
//
//     fairlead                 0f00000000000000  rest_for_one, 3 restarts in 5 s, restarts 0
//       chat                   0f00000000000001  permanent supervisor, one_for_all, …
//         service              0040000000000000  permanent chat, restarts 0
//         rooms                0f00000000000002  permanent supervisor, transient rooms: 17, …
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
