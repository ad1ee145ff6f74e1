// The half of --measure that is about connections: bytes in the process and in the kernel, CPU of a
// connect, CPU of a heartbeat. Two sizes of idle connections, each until memory stands still; the
// slope between them is a connection, what is left of the first is the server itself.
#ifndef FAIRLEAD_MEASURE_MEMORY_H
#define FAIRLEAD_MEASURE_MEMORY_H

#include "tuning/measure_result.h"
#include "tuning/measure_rig.h"
#include "tuning/tune_options.h"

// false: nothing to go on with; `error` (MEASURE_RIG_ERROR_BYTES) says why.
MUST_USE bool measure_memory_run(struct measure_rig *rig, const struct tune_options *options,
                                 struct measure_result *result, char *error);
MUST_USE bool measure_heartbeats_run(struct measure_rig *rig, const struct tune_options *options,
                                     struct measure_result *result, char *error);

#endif
