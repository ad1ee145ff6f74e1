// The YAML configuration file: option names as keys, plus `rooms`, the ordered list of room rules.
// libcyaml checks it against a schema made from the option table; libyaml, which libcyaml stands
// on, tells the line of what is wrong.
//
//     listen: ["0.0.0.0:8080"]
//     rooms:
//       - match: "room:lobby-*"
//         presence: counts
//
// Called by main before other threads exist. Errors are one sentence with file, line and cure.
#ifndef FAIRLEAD_OPTION_FILE_H
#define FAIRLEAD_OPTION_FILE_H

#include "gateway/option_table.h"
#include "sched/base/bytes.h"

#define OPTION_FILE_BYTES_MAX (1 << 20)

// Puts the file's settings over those in `config`. false: `error` (OPTION_ERROR_SIZE bytes) says
// what is wrong, `config` may be half changed.
MUST_USE bool option_file_read(const char *path, struct config *config, char *error);

// The same for a text in memory; `name` stands for it in errors.
MUST_USE bool option_file_decode(const char *name, struct bytes text, struct config *config,
                                 char *error);

#endif
