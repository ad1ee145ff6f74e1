// Draws values as a recorded histogram has them: each cell as often as it was counted, and within a
// cell every value alike.
//
// The cells come from a sequence of multiples of an irrational number (Weyl's), not from random
// numbers: after n draws each cell has been drawn n times its share, give or take SAMPLER_ERROR(n),
// where independent draws would be off by the root of n. Its neighbours look as mixed as random
// ones do. Two samplers of one run have different numbers, so that what they draw together is not
// tied. A seed gives the same draws again. One thread.
#ifndef FAIRLEAD_LOADGEN_SAMPLER_H
#define FAIRLEAD_LOADGEN_SAMPLER_H

#include "loadgen/shape.h"
#include "sched/base/rng.h"

// How far a cell's count may be from its share after n draws: 2 + ln n is an upper bound of what
// these two sequences do up to 10^7 draws, found by trying (tests/unit/loadgen/sampler_test.c).
#define SAMPLER_ERROR(n) (2.0 + log((double)(n)))

// 2^64 times the fractional parts of the golden ratio, and of the roots of two and three: numbers
// that fractions come least close to.
#define SAMPLER_STEP_SIZES 0x9e3779b97f4a7c15ull
#define SAMPLER_STEP_ROOMS 0x6a09e667f3bcc909ull
#define SAMPLER_STEP_GAPS 0xbb67ae8584caa73bull

struct sampler {
    uint64_t position;
    uint64_t step;
    struct rng rng; // within cells
    uint32_t cell_count;
    uint64_t total;
    struct {
        uint64_t below; // counts of the cells before
        uint32_t low;
        uint32_t high;
    } cells[SHAPE_CELLS_MAX];
};

// The histogram has at least one cell; it is copied. Values are held to min … max.
struct sampler_config {
    const struct shape_histogram *histogram;
    uint64_t step;
    uint64_t seed;
    uint32_t min;
    uint32_t max;
};

void sampler_init(struct sampler *sampler, const struct sampler_config *config);

uint32_t sampler_next(struct sampler *sampler);

// The next place in [0, total), as the sequence has it: for who keeps cells of its own.
static inline uint64_t sampler_place(uint64_t *position, uint64_t step, uint64_t total) {
    *position += step;
    return (uint64_t)(((unsigned __int128)*position * total) >> 64);
}

#endif
