// The result for people (a table, a page of HTML), for programs (JSON) and for spreadsheets and
// plotters (CSV, HdrHistogram's text). The live view while it runs is live.h.
//
// Latencies are milliseconds in tables and nanoseconds in JSON. The JSON's `window` gives begin and
// end of the measured window on both clocks, so that whoever watches the server can cut its CPU
// figures exactly there.
//
// After the run, in one thread; allocates. What is given is borrowed.
#ifndef FAIRLEAD_REPORT_H
#define FAIRLEAD_REPORT_H

#include "loadgen/environment.h"
#include "loadgen/verdict.h"

struct report {
    const struct load_options *options;
    const struct result *result;
    const struct verdict *verdict;
    const struct environment *environment;
    enum server_watch_source server_source; // whose CPU and memory the intervals have
    const char *command;                    // as it was typed, "" when not known
};

// One kind of latency, with its names.
struct report_latency {
    const char *title; // "last receiver"
    const char *key;   // in JSON: "last_receiver"
    const char *help;
    const struct histogram *histogram;
};

#define REPORT_LATENCIES_MAX 16

// All kinds, also those that have no value, in the order of reading.
uint32_t report_list_latencies(const struct report *report,
                               struct report_latency list[REPORT_LATENCIES_MAX]);

// One check: what was counted, what it means, and whether it is a fault.
struct report_check {
    const char *name;
    uint64_t count;
    const char *help;
    bool is_fault; // none of these should be
};

#define REPORT_CHECKS_MAX 16

// Those that the scenario makes.
uint32_t report_list_checks(const struct report *report,
                            struct report_check list[REPORT_CHECKS_MAX]);

// Of the server while it was measured; false when nobody watched it.
struct report_server {
    double cpu_mean; // share of one core
    double cpu_max;
    uint64_t memory_max_bytes;
};
MUST_USE bool report_measure_server(const struct report *report, struct report_server *server);

// The phase that a snapshot belongs to: the plan's name for it when it has one.
const char *report_phase_of(const struct result *r, const struct result_interval *row);

void report_print_table(FILE *out, const struct report *report);

// `path` "-" is stdout. 0, or -errno of what could not be written: the file is then incomplete.
MUST_USE int report_write_json(const char *path, const struct report *report);
MUST_USE int report_write_csv(const char *path, const struct report *report);
MUST_USE int report_write_hgrm(const char *path, const struct report *report);
MUST_USE int report_write_html(const char *path, const struct report *report);

// True when every file that the options name can be opened for writing; else a sentence. Before the
// run: nobody wants to learn it afterwards.
MUST_USE bool report_can_write(const struct load_options *o, char *error, size_t error_size);

// Prints the table and writes the files. What fails is told on stderr, one sentence each, and the
// rest is still written. The exit code: the verdict's, or 1 when that is 0 and something that was
// asked for is not there.
MUST_USE int report_publish(const struct report *report);

#endif
