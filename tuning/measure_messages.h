// The half of --measure that is about messages: the server's CPU for one message at several
// fan-outs, near full load, with one scheduler and with all.
//
// Each fan-out is run twice: slowly, to learn what a message takes, then at a rate that takes
// MEASURE_MESSAGES_LOAD of the server's CPUs (less where the client would be full first). Cost
// falls with load, since more leaves with each system call; near full load is what a capacity is
// made of.
#ifndef FAIRLEAD_MEASURE_MESSAGES_H
#define FAIRLEAD_MEASURE_MESSAGES_H

#include "tuning/measure_result.h"
#include "tuning/measure_rig.h"
#include "tuning/tune_options.h"

#define MEASURE_MESSAGES_LOAD 0.8

// false: nothing to go on with; `error` (MEASURE_RIG_ERROR_BYTES) says why.
MUST_USE bool measure_messages_run(struct measure_rig *rig, const struct tune_options *options,
                                   enum measure_side_name side, struct measure_result *result,
                                   char *error);

#endif
