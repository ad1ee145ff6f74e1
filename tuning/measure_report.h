// How a measurement and what follows from it are told: a sentence, tables, JSON, HTML.
#ifndef FAIRLEAD_MEASURE_REPORT_H
#define FAIRLEAD_MEASURE_REPORT_H

#include "tuning/measure_result.h"
#include "tuning/tune_options.h"

#define MEASURE_REPORT_SENTENCE_BYTES 512
#define MEASURE_REPORT_MEMORY_SHARE 0.90 // of what is available: the rest is for everything else

struct measure_answers {
    bool is_known[MEASURE_SIDE_COUNT];
    struct model_machine machines[MEASURE_SIDE_COUNT];
    struct model_question question;
    struct model_answer all[MEASURE_SIDE_COUNT];
    enum measure_side_name best; // the side that stands for this machine
};

// What the model says of the questions in the options.
void measure_report_answer(const struct measure_result *result, const struct tune_options *options,
                           struct measure_answers *answers);

// The first line (MEASURE_REPORT_SENTENCE_BYTES): what this machine holds, or whether it holds
// those asked for.
void measure_report_sentence(const struct measure_result *result,
                             const struct measure_answers *answers,
                             const struct tune_options *options, char *text);

// All that was asked for: table, --json, --html. false: a file could not be written.
MUST_USE bool measure_report_print(const struct measure_result *result,
                                   const struct measure_answers *answers,
                                   const struct tune_options *options, int exit_code);

#endif
