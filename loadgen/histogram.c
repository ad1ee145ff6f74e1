// Cells: values below 2^11 index themselves; above, the top eleven bits of a value choose the cell
// and the number of bits below them the group. Groups are 1,024 cells, the first two share one
// rule.
#include "loadgen/histogram.h"

#include <string.h>

#include "sched/base/check.h"

_Static_assert(sizeof(struct histogram) <= 33 * 8192 + 64, "the memory that the header promises");

#define SUB_COUNT (1u << HISTOGRAM_SUB_BITS)
#define PPM 1000000ull

uint32_t histogram_cell(uint64_t value_ns) {
    if (value_ns > HISTOGRAM_VALUE_MAX)
        value_ns = HISTOGRAM_VALUE_MAX;
    if (value_ns < 2 * SUB_COUNT)
        return (uint32_t)value_ns;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value_ns) - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (uint32_t)(value_ns >> shift);
}

static uint32_t cell_shift(uint32_t cell) {
    return cell < 2 * SUB_COUNT ? 0 : (cell >> HISTOGRAM_SUB_BITS) - 1;
}

uint64_t histogram_cell_low_ns(uint32_t cell) {
    uint32_t shift = cell_shift(cell);
    return (uint64_t)(cell - (shift << HISTOGRAM_SUB_BITS)) << shift;
}

uint64_t histogram_cell_high_ns(uint32_t cell) {
    return histogram_cell_low_ns(cell) + (1ull << cell_shift(cell)) - 1;
}

void histogram_init(struct histogram *h) {
    memset(h, 0, sizeof(*h));
    h->min_ns = UINT64_MAX;
}

void histogram_record(struct histogram *h, uint64_t value_ns) {
    h->cells[histogram_cell(value_ns)]++;
    h->count++;
    h->sum_ns += value_ns;
    if (value_ns < h->min_ns)
        h->min_ns = value_ns;
    if (value_ns > h->max_ns)
        h->max_ns = value_ns;
    if (value_ns > HISTOGRAM_VALUE_MAX)
        h->saturated++;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (uint32_t i = 0; i < HISTOGRAM_CELL_COUNT; i++)
        into->cells[i] += from->cells[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    into->saturated += from->saturated;
    if (from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
}

static uint64_t clamp_ns(const struct histogram *h, uint32_t cell) {
    // The last cell has no honest upper end: what lies beyond the range is in it too.
    uint64_t high = cell == HISTOGRAM_CELL_COUNT - 1 ? UINT64_MAX : histogram_cell_high_ns(cell);
    if (high > h->max_ns)
        return h->max_ns;
    return high < h->min_ns ? h->min_ns : high;
}

uint64_t histogram_quantile_ns(const struct histogram *h, uint32_t ppm) {
    CHECKF(ppm <= PPM, "%u parts per million", ppm);
    if (h->count == 0)
        return 0;
    uint64_t rank = (uint64_t)(((unsigned __int128)h->count * ppm + PPM - 1) / PPM);
    if (rank == 0)
        return h->min_ns;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_CELL_COUNT; i++) {
        seen += h->cells[i];
        if (seen >= rank)
            return clamp_ns(h, i);
    }
    UNREACHABLE();
}

uint64_t histogram_count_to(const struct histogram *h, uint64_t value_ns) {
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_CELL_COUNT && histogram_cell_high_ns(i) <= value_ns; i++)
        seen += h->cells[i];
    return seen;
}

double histogram_mean_ns(const struct histogram *h) {
    return h->count == 0 ? 0 : (double)h->sum_ns / (double)h->count;
}

static void dump_step(const struct histogram *h, uint32_t ppm, FILE *out) {
    uint64_t value_ns = histogram_quantile_ns(h, ppm);
    uint64_t count = histogram_count_to(h, histogram_cell_high_ns(histogram_cell(value_ns)));
    double part = (double)ppm / (double)PPM;
    fprintf(out, "%12.6f %14.12f %10llu", (double)value_ns / 1e6, part, (unsigned long long)count);
    if (ppm < PPM)
        fprintf(out, " %14.2f\n", 1 / (1 - part));
    else
        fputc('\n', out);
}

void histogram_dump(const struct histogram *h, FILE *out) {
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    // Five steps to half way, five more to half of what is left, down to one part per million.
    uint64_t left = PPM;
    while (h->count > 0 && left > 5) {
        for (uint64_t step = 0; step < 5; step++)
            dump_step(h, (uint32_t)(PPM - left + step * (left / 2) / 5), out);
        left /= 2;
    }
    if (h->count > 0)
        dump_step(h, HISTOGRAM_P100, out);
    fprintf(out, "#[Mean    = %12.6f, Min           = %12.6f]\n", histogram_mean_ns(h) / 1e6,
            h->count ? (double)h->min_ns / 1e6 : 0);
    fprintf(out, "#[Max     = %12.6f, Total count   = %12llu]\n", (double)h->max_ns / 1e6,
            (unsigned long long)h->count);
    fprintf(out, "#[Buckets = %12d, SubBuckets    = %12d]\n",
            HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS, 2 << HISTOGRAM_SUB_BITS);
}
