// What `fairlead tune` is asked to do: one table holds every option with its bounds and help;
// parsing, --help and the nearest-name hint are made from it.
//
//     fairlead tune [--apply PROFILE | --measure | --knee | --try KNOB] [--option value]...
//
// Without one of those it reads the host and changes nothing. Pure. Views point into argv. Errors:
// one sentence that says what is wrong and what would be right.
#ifndef FAIRLEAD_TUNE_OPTIONS_H
#define FAIRLEAD_TUNE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "loadgen/option_row.h"
#include "sched/base/check.h"

#define TUNE_OPTIONS_ERROR_BYTES OPTION_ROW_ERROR_BYTES
#define TUNE_OPTIONS_CONNECTIONS_MAX 1000000000

enum tune_mode {
    TUNE_OPTIONS_HOST, // the table of limits
    TUNE_OPTIONS_APPLY,
    TUNE_OPTIONS_MEASURE,
    TUNE_OPTIONS_KNEE,
    TUNE_OPTIONS_TRY,
};

enum tune_options_outcome {
    TUNE_OPTIONS_RUN,
    TUNE_OPTIONS_HELP,
    TUNE_OPTIONS_VERSION,
    TUNE_OPTIONS_BAD, // `error` says why; exit code 2
};

struct tune_options {
    enum tune_mode mode;
    uint32_t mode_count;  // options that chose a mode: one at most
    const char *profile;  // --apply
    const char *knob;     // --try
    const char *root;     // a tree with /proc, /sys, /etc to read (and write) in place of the host
    const char *profiles; // the folder of the profiles, "" for the installed one
    const char *undo_file;
    const char *json_file; // "" when none, "-" for stdout
    const char *html_file;
    uint32_t connections; // that are wanted; 0: as many as memory holds; measuring: that talk
    bool is_dry_run;
    bool says_yes; // asks nothing
    bool is_wide;  // the commands and the arithmetic, also where nothing is wrong
    // --measure, --knee, --try:
    const char *target;      // "" for a server of our own
    const char *control;     // its control plane, "" for none
    const char *scenario;    // "rooms" or "echo"
    const char *slo;         // as written
    const char *serve_words; // further options of our own server
    const char *load_words;  // and of the load tool
    const char *from_file;   // a measurement to answer from, "" for a new one
    double slo_ms;
    double rate_start; // 0: by the size of rooms
    double rate_max;
    double rate;   // --try; 0: as much as half a CPU
    double step_s; // 0: as the mode likes it
    double users;  // 0: as many as fit
    double messages_per_minute;
    double heartbeat_s;
    uint32_t hold;
    uint32_t rooms_of;
    uint32_t tries;
    uint32_t pairs;
    uint32_t port;
    bool has_all_cpus;
    bool is_quiet;
};

// argv[0] is skipped. BAD: error holds a sentence.
MUST_USE enum tune_options_outcome tune_options_parse(struct tune_options *o, int argc,
                                                      char *const *argv,
                                                      char error[TUNE_OPTIONS_ERROR_BYTES]);

void tune_options_print_help(FILE *out);

#endif
