// The pages of --measure, --knee and --try (--html FILE): verdict, the few numbers a manager reads,
// charts, tables. Each returns false when the file could not be written, and tells on stderr.
#ifndef FAIRLEAD_MEASURE_HTML_H
#define FAIRLEAD_MEASURE_HTML_H

#include "tuning/knee_report.h"
#include "tuning/measure_report.h"
#include "tuning/try_report.h"

MUST_USE bool measure_html_measure(const struct measure_result *result,
                                   const struct measure_answers *answers,
                                   const struct tune_options *options, const char *sentence,
                                   int exit_code);
MUST_USE bool measure_html_knee(const struct knee_report *report,
                                const struct tune_options *options, const char *sentence,
                                int exit_code);
MUST_USE bool measure_html_try(const struct try_report *report, const struct tune_options *options,
                               const char *sentence, int exit_code);

#endif
