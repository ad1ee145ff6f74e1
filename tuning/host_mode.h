// `fairlead tune` without a verb: reads the host, judges it, tells.
#ifndef FAIRLEAD_HOST_MODE_H
#define FAIRLEAD_HOST_MODE_H

#include "tuning/tune_options.h"

// Exit code: 1 when Fairlead does not run here, or --connections do not fit; 2 when a file cannot
// be written.
MUST_USE int host_mode_run(const struct tune_options *o);

#endif
