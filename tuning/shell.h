// Texts in a POSIX shell's scripts: quoted so that nothing in them means anything. Pure.
#ifndef FAIRLEAD_SHELL_H
#define FAIRLEAD_SHELL_H

#include "sched/base/check.h"

#include <stdbool.h>

#define SHELL_WORD_BYTES 4096

// 'text', with each ' as '\''. False when it does not fit.
MUST_USE bool shell_quote(const char *text, char quoted[SHELL_WORD_BYTES]);

#endif
