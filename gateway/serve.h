// `fairlead serve`: schedulers, listeners, control plane and signals, from start to drain.
#ifndef FAIRLEAD_SERVE_H
#define FAIRLEAD_SERVE_H

#include "gateway/config.h"
#include "gateway/heart_child.h"
#include "gateway/host.h"

// Runs until it is told to stop. Returns the exit code: 0, or 1 after a sentence on stderr.
// `child`: as which a supervisor started it, with its sockets, which are taken; NULL: it opens its
// own.
int serve_run(const struct config *config, const struct host_plan *plan,
              const struct heart_child *child);

#endif
