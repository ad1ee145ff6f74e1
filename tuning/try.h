// `fairlead tune --try KNOB=VALUE`: runs with the knob and without in interleaved pairs, each with
// a fresh server and fresh connections, and says what the pairs show. Changes nothing that outlives
// it: an option is our own server's, a sysctl is put back (try_knob.h). Exit codes: 0 the knob is
// better, or nothing is shown · 1 it is worse or mixed, it was stopped, or a sysctl is not as it
// was · 2 no such knob or value · 4 a program is missing or did not start.
#ifndef FAIRLEAD_TRY_H
#define FAIRLEAD_TRY_H

#include "tuning/tune_options.h"

int try_run(const struct tune_options *options);

#endif
