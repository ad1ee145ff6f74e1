// `fairlead tune --knee`: drives a server, of its own or at --target, with `fairlead load` step by
// step, as tuning/knee.h asks, and tells each step with the reason for its failure. Exit codes:
// 0 found · 1 no rate keeps the bound, or it was stopped · 3 the client was the limit before the
// server · 4 the target is unreachable or refuses.
#ifndef FAIRLEAD_KNEE_RUN_H
#define FAIRLEAD_KNEE_RUN_H

#include "tuning/tune_options.h"

int knee_run(const struct tune_options *options);

#endif
