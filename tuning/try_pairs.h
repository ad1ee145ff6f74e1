// With and without a knob, in interleaved pairs: the order of the runs, and
// what they show. Pure.
//
// A machine's speed drifts: A (without) and B (with) take turns as A B B A A B
// B A …, so that a steady drift weighs on both alike. A difference is shown
// when the two ranges do not overlap: the worst run of one is better than the
// best of the other. By chance alone that happens to two equal sets of 3 runs
// once in 10 times, of 5 once in 126, of 7 once in 1,716.
#ifndef FAIRLEAD_TRY_PAIRS_H
#define FAIRLEAD_TRY_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"

#define TRY_PAIRS_MAX 25

enum try_shown {
    TRY_NOT_SHOWN,
    TRY_BETTER,
    TRY_WORSE,
    TRY_MIXED, // of several measures: one is better, another worse
    TRY_SHOWN_COUNT,
};

struct try_series {
    const char *name; // "CPU per delivery"
    const char *unit; // "ns"
    bool more_is_better;
    uint32_t without_count;
    uint32_t with_count;
    double without[TRY_PAIRS_MAX];
    double with[TRY_PAIRS_MAX];
};

struct try_range {
    double median;
    double min;
    double max;
};

// Whether run number `index` (from 0) is one with the knob.
bool try_pairs_is_with(uint32_t index);

// NaN is no value: it is left out. Beyond TRY_PAIRS_MAX: left out, too.
void try_pairs_add(struct try_series *series, bool is_with, double value);

// All zero when there are none.
void try_pairs_range(const double *values, uint32_t value_count, struct try_range *range);

// Wants at least two runs of each; fewer: not shown.
enum try_shown try_pairs_compare(const struct try_series *series);

// How often two equal sets of so many runs do not overlap: 2 / C(2n, n). 1 for less than two.
double try_pairs_chance(uint32_t pairs);

// Better when something is better and nothing worse; worse the other way round.
enum try_shown try_pairs_combine(const enum try_shown *each, uint32_t each_count);

const char *try_shown_name(enum try_shown shown);

#endif
