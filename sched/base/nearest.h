// Which of the names that exist did somebody mean? For the hint after an unknown option, verb or
// key. Pure, any thread.
#ifndef FAIRLEAD_NEAREST_H
#define FAIRLEAD_NEAREST_H

#include <stdint.h>

// How many letters to insert, drop or change to make `b` of `a` (Levenshtein); of names longer
// than 31 bytes only those count.
uint32_t nearest_distance(const char *a, const char *b);

#endif
