#include "sched/base/hash.h"

#include <xxhash.h>

uint64_t hash_bytes(uint64_t seed, struct bytes name) {
    return XXH3_64bits_withSeed(name.data, name.size, seed);
}
