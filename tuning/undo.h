// The script that takes back an apply: every value and file as it was before, last change first.
#ifndef FAIRLEAD_UNDO_H
#define FAIRLEAD_UNDO_H

#include "tuning/apply.h"

// A POSIX shell script that needs nothing else, mode 0700, on disk when this returns; a file that
// is there already is not overwritten. 0, or -errno.
MUST_USE int undo_write(const struct apply *apply, const char *path, const char *when);

#endif
