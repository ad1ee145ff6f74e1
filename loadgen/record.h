// `fairlead load record http://HOST:8081 --duration-s 60 --out day.json`: has a running gateway
// record the shape of its traffic (no payloads, no names), waits, and writes what it counted to a
// file for `fairlead load replay`.
//
// Ctrl-C ends the recording early; what there is by then is written. Blocking, main's thread.
#ifndef FAIRLEAD_LOADGEN_RECORD_H
#define FAIRLEAD_LOADGEN_RECORD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "loadgen/load_options.h"

struct record_options {
    const char *url;  // of the control plane
    const char *file; // "-": stdout
    double duration_s;
    bool replaces; // a recording that is under way
    bool is_quiet;
    bool wants_help;
};

// argv[0] is "record". False with a sentence.
MUST_USE bool record_options_parse(struct record_options *o, int argc, char *const *argv,
                                   char error[LOAD_OPTIONS_ERROR_BYTES]);

// main of the verb: returns the exit code. *interrupts grows with each Ctrl-C.
int record_main(int argc, char *const *argv, const volatile sig_atomic_t *interrupts);

#endif
