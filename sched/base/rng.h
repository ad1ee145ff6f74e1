// splitmix64 (Steele, Lea, Flood 2014): small, seedable, not for secrets. Each worker owns one,
// seeded by main from OpenSSL's generator, or by a simulation from its seed.
#ifndef FAIRLEAD_RNG_H
#define FAIRLEAD_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r) {
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

// Uniform in [0, bound), bound > 0 (multiply-shift, bias below 2^-32).
static inline uint32_t rng_below(struct rng *r, uint32_t bound) {
    return (uint32_t)(((rng_next(r) >> 32) * bound) >> 32);
}

#endif
