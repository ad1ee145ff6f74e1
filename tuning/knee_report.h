// How a knee is told: a row a step while it is searched, the sentence, JSON. Owns nothing.
#ifndef FAIRLEAD_KNEE_REPORT_H
#define FAIRLEAD_KNEE_REPORT_H

#include "tuning/knee.h"
#include "tuning/measure_rig.h"
#include "tuning/tune_options.h"

#define KNEE_REPORT_STEPS_MAX 60
#define KNEE_REPORT_SENTENCE_BYTES 512

struct knee_step {
    double rate;
    double sent_per_s;
    double received_per_s;
    double p50_ns;
    double p99_ns;
    double client_cpu; // CPUs' worth
    double server_cpu; // NAN: not known
    double foreign_cpu;
    enum knee_verdict verdict;
    char why[KNEE_WHY_BYTES];
};

struct knee_report {
    struct knee knee;
    bool is_rooms;
    bool is_local; // a server of our own
    bool shares_cpu;
    uint32_t schedulers;
    bool was_stopped;
    uint32_t step_count;
    struct knee_step steps[KNEE_REPORT_STEPS_MAX];
    char error[MEASURE_RIG_ERROR_BYTES]; // why there was no result of a step; "" else
};

void knee_report_begin(const struct knee_report *report, const struct tune_options *options);
void knee_report_step(const struct knee_report *report, const struct tune_options *options);

// false: a file could not be written (told on stderr).
bool knee_report_end(const struct knee_report *report, const struct tune_options *options,
                     int exit_code);

// The sentence of the whole (KNEE_REPORT_SENTENCE_BYTES).
void knee_report_sentence(const struct knee_report *report, const struct tune_options *options,
                          char *text);

#endif
