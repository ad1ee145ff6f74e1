// `fairlead tune --measure`: about a minute of measuring with a server and a load tool of our own,
// then what this machine will hold by that. With --from FILE: the same answers from what was
// measured before. Exit codes: 0 · 1 the users asked for do not fit, or it was stopped · 2 a file
// that cannot be read · 4 a program is missing or did not start.
#ifndef FAIRLEAD_MEASURE_H
#define FAIRLEAD_MEASURE_H

#include "tuning/tune_options.h"

int measure_run(const struct tune_options *options);

#endif
