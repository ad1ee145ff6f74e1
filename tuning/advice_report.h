// Limits told: a table for people (80 columns), JSON for programs.
#ifndef FAIRLEAD_ADVICE_REPORT_H
#define FAIRLEAD_ADVICE_REPORT_H

#include <stdio.h>

#include "tuning/advice.h"

// Summary first, then the rows that matter: everything that bounds connections and everything that
// is not fine. is_wide: all rows, and every number that was read.
void advice_report_print(FILE *out, const struct machine *machine, const struct advice *advice,
                         bool is_wide);

// `path` "-" is stdout. 0, or -errno of what could not be written.
MUST_USE int advice_report_write_json(const char *path, const struct machine *machine,
                                      const struct advice *advice);

#endif
