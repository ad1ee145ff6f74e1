// The result of one run of `fairlead load --json -`, as far as a measurement needs it. Pure: text
// in, numbers out. Fields of the JSON: docs/LOADGEN.md.
#ifndef FAIRLEAD_MEASURE_LOAD_H
#define FAIRLEAD_MEASURE_LOAD_H

#include "tuning/knee.h"

#define MEASURE_LOAD_TEXT_BYTES 512

struct measure_load {
    int exit_code;
    char verdict[MEASURE_LOAD_TEXT_BYTES]; // its first line
    double wanted;
    double joined;
    double live_at_end;
    double dropped;
    double refused;
    double connect_seconds;
    uint64_t begin_ns; // of the window, CLOCK_MONOTONIC
    uint64_t end_ns;
    double offered; // messages of the window
    double sent;
    double answered;
    double received; // deliveries or replies in the window
    double heartbeats;
    double rejected;
    double unanswered;
    double lost;
    double missing;
    double duplicates;
    double disordered;
    double announced_lost;
    double p50_ns; // of deliveries or replies
    double p99_ns;
    double connect_p99_ns;
    double client_cpu; // CPUs' worth
    bool client_was_limit;
    char limit_cause[MEASURE_LOAD_TEXT_BYTES];
    uint32_t interval_count; // of the window
    double interval_p50_ns[KNEE_INTERVALS_MAX];
};

// false: `error` (MEASURE_LOAD_TEXT_BYTES) says what is wrong with the text.
MUST_USE bool measure_load_decode(const char *text, struct measure_load *load, char *error);

// What a step of the knee search sees of it; server counters are the caller's to add.
void measure_load_facts(const struct measure_load *load, struct knee_facts *facts);

#endif
