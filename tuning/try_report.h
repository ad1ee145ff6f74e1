// How what a knob does is told: a line a run while it is measured, a table with ranges, the
// verdict.
#ifndef FAIRLEAD_TRY_REPORT_H
#define FAIRLEAD_TRY_REPORT_H

#include "tuning/measure_rig.h"
#include "tuning/try_knob.h"
#include "tuning/try_pairs.h"
#include "tuning/tune_options.h"

#define TRY_REPORT_SENTENCE_BYTES 512

// What each run is judged by.
enum try_measure {
    TRY_CPU, // the server's CPU for a delivery
    TRY_P50, // of a delivery's latency
    TRY_P99,
    TRY_CONNECT,  // the server's CPU for a connect
    TRY_MEMORY,   // resident bytes of the server, at the end of its run
    TRY_SYSCALLS, // of the server, for a delivery
    TRY_MEASURE_COUNT,
};

struct try_report {
    struct try_knob knob;
    double rate; // publishes a second
    uint32_t run_count;
    struct try_series series[TRY_MEASURE_COUNT];
    uint32_t client_limits; // runs in which the client was the limit
    uint32_t failures;      // runs with loss or drops
    bool was_stopped;
    char error[MEASURE_RIG_ERROR_BYTES]; // why it ended early
};

void try_report_init(struct try_report *report);

// Of the whole. The latencies do not count when the client was the limit in some run.
enum try_shown try_report_verdict(const struct try_report *report);

// TRY_REPORT_SENTENCE_BYTES.
void try_report_sentence(const struct try_report *report, char *text);

// A value with its unit. Returns text (MEASURE_WORDS_BYTES).
const char *try_report_value(const struct try_series *series, double value, char *text);

void try_report_run(const struct try_report *report, const struct tune_options *options,
                    bool is_with);

// false: a file could not be written (told on stderr).
MUST_USE bool try_report_end(const struct try_report *report, const struct tune_options *options,
                             int exit_code);

#endif
