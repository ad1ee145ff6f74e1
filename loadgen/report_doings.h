// What a run did to the server beside sending: storms and who came back, churn. Lines
// of the table, each only where there was such a thing.
#ifndef FAIRLEAD_REPORT_DOINGS_H
#define FAIRLEAD_REPORT_DOINGS_H

#include <stdio.h>

#include "loadgen/result.h"

void report_doings_print(FILE *out, const struct result *r);

// After how long this share of those that were cut had joined again, in ns; UINT64_MAX when it
// never was so many.
uint64_t report_doings_back_ns(const struct result *r, double percent);

#endif
