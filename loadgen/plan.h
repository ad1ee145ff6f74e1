// What a run does, in order: phases. Presets (rooms, echo, hold, storm, slow) make one or two of
// them from the options, a YAML file for `mix` lists them (plan_file.h), a recorded shape is turned
// into them; whoever executes a plan (scenario.h) does not know where it came from.
//
// A phase says how much is asked for while it lasts. Everything else (where to, how many
// connections, which rooms, payloads, back-off) is an option and holds for the whole run.
//
// Plain data: made before the run, constant then.
#ifndef FAIRLEAD_PLAN_H
#define FAIRLEAD_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "loadgen/load_options.h"

#define PLAN_PHASES_MAX 64
#define PLAN_NAME_BYTES 40
#define PLAN_DURATION_S_MIN 0.01     // after --speed
#define PLAN_DURATION_S_MAX 604800.0 // a week
#define PLAN_CHURN_RATE_MAX 1000000.0
#define PLAN_SLOW_BYTES_PER_S_MAX 1000000000u
// One thread of today reads less than a tenth of this (docs/BENCHMARKS.md), so what is above is a
// slip of the pen; what is below and too much is found out by running it (exit 3).
#define PLAN_RECEIVED_PER_S_MAX 20000000.0

// A rate that moves in a straight line within its phase.
struct plan_rate {
    double begin; // a second
    double end;   // the same: no ramp
};

struct phase {
    char name[PLAN_NAME_BYTES];
    double duration_s;
    bool is_measured;         // else warm-up: before all measured phases
    bool is_poisson;          // arrivals of publishes, pings and churn; else evenly spaced
    bool is_endless;          // until a signal; the last phase only
    bool is_closed;           // closed loop, in place of the rates of publishes or pings
    struct plan_rate publish; // of all rooms together
    struct plan_rate ping;    // of all connections together
    double churn_rate;        // members who leave and come back, a second
    double turnover_rate;     // connections that end and come anew, a second
    // Share of all connections that are to be up at the phase's end, reached in a straight line by
    // connecting those that are missing, or by closing those that are too many. In the first phase
    // the line begins where the connect phase ended: at this phase's own share.
    double connections_percent;
    double cut_percent;  // of those that are up: reset at the phase's begin, all at once
    double slow_percent; // of all connections: they read slowly while the phase lasts
    uint32_t slow_bytes_per_s;
};

struct plan {
    struct phase phases[PLAN_PHASES_MAX];
    uint32_t count;
};

// The phases of the options' scenario, which is not `mix`.
void plan_from_options(struct plan *plan, const struct load_options *o);

// Adds a phase with the defaults: measured, even, nothing sent, all connections up. NULL when there
// are PLAN_PHASES_MAX already. It lasts 0 s until the caller says how long.
struct phase *plan_add(struct plan *plan, const char *name);

// Time runs `speed` times as fast: durations shrink, and by `rates` each rate grows. With both the
// same, as many messages are sent as before, in less time.
struct plan_scale {
    double speed; // > 0
    double rates; // > 0
};

void plan_scale(struct plan *plan, const struct plan_scale *scale);

// What the phases need, for who sets the run up.
struct plan_needs {
    bool rooms;    // something is published, or members come and go
    bool requests; // something is asked
    bool churn;
    bool cuts;
    bool moves;              // connections come and go to reach a share of them
    bool returns;            // connections go away and come back in the course of it
    double slow_percent;     // the largest
    double first_percent;    // of connections, to be up when the first phase begins
    double rate_max;         // requests and publishes a second, together, at their highest
    double duration_s;       // of all phases, without an endless one
    double measured_s;       // of the measured ones
    uint32_t measured_first; // index
    uint32_t measured_count;
};

void plan_measure(const struct plan *plan, struct plan_needs *needs);

// Where a plan is wrong: the phase, its key in the YAML file, and a sentence.
struct plan_fault {
    uint32_t phase; // PLAN_PHASES_MAX: the plan as a whole
    const char *key;
    char text[200];
};

// True when the plan can be executed with these options: values within bounds, measured phases
// after the others, nothing asked for that the protocol, the rooms or one client cannot give.
MUST_USE bool plan_check(const struct plan *plan, const struct load_options *o,
                         struct plan_fault *fault);

// The option that a preset takes a phase's key from: "--rate" for publish_rate.
const char *plan_option_of(const char *key);

#endif
