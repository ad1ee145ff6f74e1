// XXH3-64 with a secret seed per process, for tables that peers can fill with names of their
// choosing.
#ifndef FAIRLEAD_HASH_H
#define FAIRLEAD_HASH_H

#include "sched/base/bytes.h"

uint64_t hash_bytes(uint64_t seed, struct bytes name);

#endif
