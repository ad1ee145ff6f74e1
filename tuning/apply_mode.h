// `fairlead tune --apply PROFILE`: shows the difference, asks, writes the undo script, applies.
#ifndef FAIRLEAD_APPLY_MODE_H
#define FAIRLEAD_APPLY_MODE_H

#include "tuning/tune_options.h"

// Exit code: 1 when something was refused, or was not agreed to; 2 for what is written wrong.
MUST_USE int apply_mode_run(const struct tune_options *o);

#endif
