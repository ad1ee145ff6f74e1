// A profile: what `fairlead tune --apply` sets, read from the very files that are installed
// (tuning/profiles/README.md tells their format). Values of /proc and /sys become settings, the
// other files are carried as they are.
//
// A file that is written wrong is refused by name and line. Owned by the caller; one thread.
#ifndef FAIRLEAD_PROFILE_H
#define FAIRLEAD_PROFILE_H

#include "tuning/host_file.h"

#define PROFILE_SETTINGS_MAX 512 // interrupts of cards among them
#define PROFILE_KEY_BYTES 256
#define PROFILE_VALUE_BYTES 160
#define PROFILE_TEXT_BYTES 400
#define PROFILE_ERROR_BYTES 768
#define PROFILE_CONTENT_BYTES 16384

enum profile_rule {
    PROFILE_EXACTLY,
    PROFILE_AT_LEAST, // never lowers what the host has, each number for itself
    PROFILE_AT_MOST,
};

struct profile_setting {
    char path[PROFILE_KEY_BYTES];    // "/proc/sys/net/core/somaxconn"; without a prefix
    char value[PROFILE_VALUE_BYTES]; // numbers apart by one blank
    char why[PROFILE_TEXT_BYTES];
    enum profile_rule rule;
    uint64_t memory_bytes_min; // of the host, else left out; 0: always
    bool is_sysctl;            // else a file of /sys or /proc/irq
};

enum profile_file {
    PROFILE_SYSCTL,
    PROFILE_TMPFILES,
    PROFILE_LIMITS,
    PROFILE_SERVICE,
    PROFILE_FILE_COUNT,
};

struct profile {
    const char *name; // "chat", "hold", "bench"
    char folder[HOST_FILE_PATH_BYTES];
    struct profile_setting settings[PROFILE_SETTINGS_MAX];
    uint32_t count;
    char contents[PROFILE_FILE_COUNT][PROFILE_CONTENT_BYTES];
};

// Where a file of a profile is installed, and what it is: "/etc/sysctl.d/60-fairlead.conf".
const char *profile_target(enum profile_file file);
const char *profile_help(enum profile_file file);

// The folder of the profiles: `given`, or that beside this program, as installed or as built.
MUST_USE bool profile_find_folder(const char *given, char folder[HOST_FILE_PATH_BYTES],
                                  char error[PROFILE_ERROR_BYTES]);

// Reads all files of a profile. Patterns of tmpfiles.conf are looked up under `root`, one setting
// for each file that is there. False with a sentence; an unknown name gets the nearest.
MUST_USE bool profile_load(struct profile *profile, const char *folder, const char *name,
                           const char *root, char error[PROFILE_ERROR_BYTES]);

// Adds what irq.sh plans for the cards under `root`. False with a sentence.
MUST_USE bool profile_load_cards(struct profile *profile, const char *root,
                                 char error[PROFILE_ERROR_BYTES]);

// One sysctl.conf, for the tests: `file` is named in errors.
MUST_USE bool profile_decode_sysctl(struct profile *profile, const char *file, const char *text,
                                    char error[PROFILE_ERROR_BYTES]);

// What the setting makes of `current`: each number by the rule. Other texts than numbers, and
// unequal counts, are replaced.
void profile_wanted(const struct profile_setting *setting, const char *current,
                    char wanted[PROFILE_VALUE_BYTES]);

// Blanks and tabs become one blank, none at the ends.
void profile_normalize(const char *text, char normal[PROFILE_VALUE_BYTES]);

#endif
