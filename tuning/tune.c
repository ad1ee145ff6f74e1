// fairlead-tune: main. What will this machine hold, what stops it first, and how is that lifted?
// One mode a run (tune_options.h); each has a file of its own.
#include <stdio.h>

#include "tuning/apply_mode.h"
#include "tuning/host_mode.h"
#include "tuning/knee_run.h"
#include "tuning/measure.h"
#include "tuning/try.h"

#define EXIT_OK 0
#define EXIT_USAGE 2

static int run_mode(const struct tune_options *o) {
    switch (o->mode) {
    case TUNE_OPTIONS_HOST:
        return host_mode_run(o);
    case TUNE_OPTIONS_APPLY:
        return apply_mode_run(o);
    case TUNE_OPTIONS_MEASURE:
        return measure_run(o);
    case TUNE_OPTIONS_KNEE:
        return knee_run(o);
    case TUNE_OPTIONS_TRY:
        return try_run(o);
    }
    UNREACHABLE();
}

int main(int argc, char **argv) {
    struct tune_options options;
    char error[TUNE_OPTIONS_ERROR_BYTES];
    switch (tune_options_parse(&options, argc, argv, error)) {
    case TUNE_OPTIONS_HELP:
        tune_options_print_help(stdout);
        return EXIT_OK;
    case TUNE_OPTIONS_VERSION:
        printf("fairlead-tune %s\n", FAIRLEAD_VERSION);
        return EXIT_OK;
    case TUNE_OPTIONS_BAD:
        fprintf(stderr, "fairlead tune: %s\n", error);
        return EXIT_USAGE;
    case TUNE_OPTIONS_RUN:
        break;
    }
    return run_mode(&options);
}
