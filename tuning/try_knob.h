// What --try may change: an option of `fairlead serve` (min-wait-us=0), or a kernel setting
// (net.core.busy_poll=50). Short names stand for the common ones.
//
// A sysctl is changed for the runs with the knob only, and put back by a guard: a process forked
// before the first change, which writes the old value when this process lets go of it or dies,
// however it dies. It ignores the signals that end this one.
#ifndef FAIRLEAD_TRY_KNOB_H
#define FAIRLEAD_TRY_KNOB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sched/base/check.h"

#define TRY_KNOB_NAME_BYTES 96
#define TRY_KNOB_VALUE_BYTES 96
#define TRY_KNOB_PATH_BYTES 192
#define TRY_KNOB_ERROR_BYTES 512

struct try_knob {
    char name[TRY_KNOB_NAME_BYTES]; // "min-wait-us", "net.core.busy_poll"
    char value[TRY_KNOB_VALUE_BYTES];
    bool is_sysctl;
    char path[TRY_KNOB_PATH_BYTES];    // of a sysctl
    char before[TRY_KNOB_VALUE_BYTES]; // of a sysctl: as it was
};

struct try_guard {
    pid_t pid; // 0: none
    int fd;    // its end is the guard's signal
};

// "NAME=VALUE". false: `error` (TRY_KNOB_ERROR_BYTES) says what is wanted; nothing was looked up.
MUST_USE bool try_knob_parse(const char *text, struct try_knob *knob, char *error);

// Reads what a sysctl is now and whether it may be written. `root` is "" in life. false: `error`
// says why. Options are left to `fairlead serve`, which knows them.
MUST_USE bool try_knob_look(struct try_knob *knob, const char *root, char *error);

// Writes one value and reads it back; false: `error` says what the kernel made of it.
MUST_USE bool try_knob_write(const struct try_knob *knob, const char *value, char *error);

// From here on the sysctl goes back to `before` whatever happens. Nothing for an option.
MUST_USE bool try_guard_open(struct try_guard *guard, const struct try_knob *knob, char *error);

// Lets the guard put it back, waits for it, and looks. false: it is not as it was; `error` says so
// and how to mend it.
MUST_USE bool try_guard_close(struct try_guard *guard, const struct try_knob *knob, char *error);

#endif
