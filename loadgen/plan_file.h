// The YAML file of `fairlead load mix FILE`: options by their own names, and the phases in order.
//
//     options:                      # may be left out; the command line wins
//       connections: 2000
//       room-sizes: zipf:1:2-500
//     phases:
//       - name: morning             # phase 1, 2, … by itself
//         duration_s: 600           # the only key that must be there
//         publish_rate: 5           # a second, all rooms together
//         publish_rate_end: 50      # reached in a straight line; else the rate stays
//         ping_rate: 10             # requests a second; ping_rate_end likewise
//         arrivals: poisson         # even by itself, or what --arrivals says
//         churn_rate: 2             # members a second who leave and join again
//         turnover_rate: 1          # connections a second that end and come anew
//         connections_percent: 100  # up at the phase's end
//         cut_percent: 20           # reset at its begin
//         slow_percent: 5
//         slow_bytes_per_s: 2000
//         measured: true            # false: warm-up, before all measured ones
//
// Every error names file, line and key: `day.yaml:12: phases[2].publish_rate: …`. Before the run.
#ifndef FAIRLEAD_PLAN_FILE_H
#define FAIRLEAD_PLAN_FILE_H

#include "loadgen/plan.h"
#include "sched/base/bytes.h"

#define PLAN_FILE_BYTES_MAX (1u << 20)

// Reads o->plan_file: sets options that argv did not give, then the phases at --speed, and checks
// all of it. False with a sentence; *o and *plan are then of no use.
MUST_USE bool plan_file_read(struct plan *plan, struct load_options *o,
                             char error[LOAD_OPTIONS_ERROR_BYTES]);

// The same from memory; `name` stands for the file in errors.
MUST_USE bool plan_file_decode(const char *name, struct bytes text, struct plan *plan,
                               struct load_options *o, char error[LOAD_OPTIONS_ERROR_BYTES]);

#endif
