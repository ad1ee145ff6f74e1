// The command line of `fairlead serve`: defaults, then the --config file, then the flags, into one
// struct config. Called by main before other threads exist. A mistake is one sentence that names
// the option, the value and what is allowed; main prints it and exits with 2.
#ifndef FAIRLEAD_OPTIONS_H
#define FAIRLEAD_OPTIONS_H

#include <stdio.h>

#include "gateway/option_table.h"

struct options {
    struct config config;
    enum option_action action;
    const char *file; // of --config, borrowed from argv; NULL: none
};

// `argv[0]` is the first argument, not the program. false: `error` (OPTION_ERROR_SIZE bytes) says
// what is wrong.
MUST_USE bool options_decode(struct options *options, int argc, char *const *argv, char *error);

// What holds when nothing is said.
void options_defaults(struct config *config);

// --help.
void options_print_help(FILE *out);

// --print-config: a YAML file with comments that reads back as the same settings.
void options_print_config(FILE *out, const struct config *config);

// The table in docs/OPERATING.md, in Markdown.
void options_print_markdown(FILE *out);

#endif
