#include "tuning/try_pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MIN 2 // one run has no range

bool try_pairs_is_with(uint32_t index) {
    return index % 4 == 1 || index % 4 == 2;
}

void try_pairs_add(struct try_series *series, bool is_with, double value) {
    uint32_t *count = is_with ? &series->with_count : &series->without_count;
    double *values = is_with ? series->with : series->without;
    if (isfinite(value) && *count < TRY_PAIRS_MAX)
        values[(*count)++] = value;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void try_pairs_range(const double *values, uint32_t value_count, struct try_range *range) {
    double sorted[TRY_PAIRS_MAX];
    CHECK(value_count <= TRY_PAIRS_MAX);
    *range = (struct try_range){0};
    if (value_count == 0)
        return;
    memcpy(sorted, values, value_count * sizeof(*values));
    qsort(sorted, value_count, sizeof(*sorted), by_value);
    range->min = sorted[0];
    range->max = sorted[value_count - 1];
    range->median = (sorted[(value_count - 1) / 2] + sorted[value_count / 2]) / 2;
}

enum try_shown try_pairs_compare(const struct try_series *series) {
    struct try_range without, with;
    if (series->without_count < RUNS_MIN || series->with_count < RUNS_MIN)
        return TRY_NOT_SHOWN;
    try_pairs_range(series->without, series->without_count, &without);
    try_pairs_range(series->with, series->with_count, &with);
    if (with.max < without.min)
        return series->more_is_better ? TRY_WORSE : TRY_BETTER;
    if (with.min > without.max)
        return series->more_is_better ? TRY_BETTER : TRY_WORSE;
    return TRY_NOT_SHOWN;
}

double try_pairs_chance(uint32_t pairs) {
    if (pairs < RUNS_MIN)
        return 1;
    double ways = 1; // C(2n, n)
    for (uint32_t i = 1; i <= pairs; i++)
        ways = ways * (pairs + i) / i;
    return 2 / ways;
}

enum try_shown try_pairs_combine(const enum try_shown *each, uint32_t each_count) {
    bool has_better = false, has_worse = false;
    for (uint32_t i = 0; i < each_count; i++) {
        has_better |= each[i] == TRY_BETTER || each[i] == TRY_MIXED;
        has_worse |= each[i] == TRY_WORSE || each[i] == TRY_MIXED;
    }
    if (has_better && has_worse)
        return TRY_MIXED;
    if (has_better)
        return TRY_BETTER;
    return has_worse ? TRY_WORSE : TRY_NOT_SHOWN;
}

const char *try_shown_name(enum try_shown shown) {
    static const char *const names[TRY_SHOWN_COUNT] = {
        [TRY_NOT_SHOWN] = "not shown",
        [TRY_BETTER] = "better",
        [TRY_WORSE] = "worse",
        [TRY_MIXED] = "mixed",
    };
    return names[shown];
}
