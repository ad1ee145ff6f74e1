// /metrics: every counter of sched/base/counters.h per core, and what the cores report at the end
// of a turn, in the Prometheus text format 0.0.4. The table in docs/OPERATING.md is printed from
// the same lists. Control plane's thread.
#ifndef FAIRLEAD_METRICS_H
#define FAIRLEAD_METRICS_H

#include <stdio.h>

#include "gateway/control_port.h"
#include "gateway/heart_death.h"
#include "gateway/host.h"

// Asks the cores (at most CONTROL_ANSWER_MS). `heart`: NULL without a supervisor.
void metrics_print(FILE *out, void *gateway, const struct host_plan *plan,
                   const struct heart_report *heart);

// The table of docs/OPERATING.md, in Markdown.
void metrics_print_markdown(FILE *out);

#endif
