// From a profile and a host to a list of changes, then to a host that has them. Steps, in order:
//
//     apply_plan    reads every value as it is now, decides by rule what changes    (reads only)
//     apply_print   the difference, with reasons                                    (writes
//     nothing) undo_write    the script that restores all of it (undo.h)                     (one
//     new file) apply_run     sets values, writes files, reads back what came of it
//
// A value that is refused does not stop the others: the undo script restores what was before in any
// case. Everything is under a prefix. Owned by the caller; one thread.
#ifndef FAIRLEAD_APPLY_H
#define FAIRLEAD_APPLY_H

#include <stdio.h>

#include "tuning/profile.h"

enum apply_state {
    APPLY_SAME,     // is so, or better, already
    APPLY_CHANGE,   // will be, or was, set
    APPLY_ABSENT,   // this kernel, container or namespace does not have it
    APPLY_READONLY, // not to be changed from here: a container's /proc/sys
    APPLY_SKIPPED,  // its condition does not hold: too little memory
    APPLY_REFUSED,  // tried, and the kernel said no (apply_run)
};

struct apply_value {
    const struct profile_setting *setting;
    enum apply_state state;
    char current[PROFILE_VALUE_BYTES]; // as read, blanks normal
    char wanted[PROFILE_VALUE_BYTES];
    int error; // REFUSED: errno, or 0 when it was taken and reads otherwise
};

struct apply_file {
    enum profile_file file;
    enum apply_state state;
    bool existed;
    char before[PROFILE_CONTENT_BYTES]; // "" when it did not exist
    char after[PROFILE_CONTENT_BYTES];
    int error;
};

struct apply {
    const struct profile *profile;
    const char *root;
    struct apply_value values[PROFILE_SETTINGS_MAX];
    uint32_t value_count;
    struct apply_file files[PROFILE_FILE_COUNT];
    uint32_t file_count;
    uint32_t change_count; // values and files that change
};

// False with a sentence when a file that is to be replaced cannot be kept (too large).
MUST_USE bool apply_plan(struct apply *apply, const struct profile *profile, const char *root,
                         char error[PROFILE_ERROR_BYTES]);

void apply_print(FILE *out, const struct apply *apply);

// How many changes were refused; each is told on `out`.
MUST_USE uint32_t apply_run(struct apply *apply, FILE *out);

// The value's name for people: "net.core.somaxconn", or the file's path.
void apply_name(const struct profile_setting *setting, char name[PROFILE_KEY_BYTES]);

#endif
