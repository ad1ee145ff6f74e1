// The result for people (a table) and for programs (JSON), and the live line while it runs.
//
// Latencies are milliseconds in the table and nanoseconds in JSON. The JSON's `window` gives begin
// and end of the measured window on both clocks, so that whoever watches the server can cut its CPU
// figures exactly there.
#ifndef FAIRLEAD_REPORT_H
#define FAIRLEAD_REPORT_H

#include "loadgen/verdict.h"

void report_print_table(FILE *out, const struct load_options *o, const struct result *r,
                        const struct verdict *v);

// `path` "-" is stdout. 0, or -errno of what could not be written.
MUST_USE int report_write_json(const char *path, const struct load_options *o,
                               const struct result *r, const struct verdict *v);
MUST_USE int report_write_histogram(const char *path, const struct result *r);

// One line of progress from the last two snapshots: rewritten in place on a terminal.
void report_print_progress(FILE *out, bool is_terminal, const struct load_options *o,
                           const struct result *r);

#endif
