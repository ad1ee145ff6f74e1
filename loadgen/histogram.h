// A histogram of times that never grows: log-linear counts after Gil Tene's HdrHistogram.
//
// Range: 0 ns to 2^42 ns (73 minutes); what is larger is counted in the last cell and `saturated`.
// Precision: three significant digits. Below 2,048 ns a cell is one nanosecond wide; above, every
// power of two is cut into 1,024 cells, so that a cell is never wider than 1/1,024 (0.098 %) of the
// value in it. Count, sum, minimum and maximum are kept exactly. Memory: 256 KiB + 56 bytes,
// always; recording is a shift and an addition, no allocation, no floating point.
//
// What it cannot tell: the order of the values, and anything finer than a cell. Two histograms
// merge without loss; percentiles of percentiles never do, so merge first and ask afterwards.
//
// Owned by one thread. Source: hdrhistogram.org; Tene, "How NOT to measure latency".
#ifndef FAIRLEAD_HISTOGRAM_H
#define FAIRLEAD_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_SUB_BITS 10 // 1,024 cells in each power of two
#define HISTOGRAM_VALUE_BITS 42
#define HISTOGRAM_VALUE_MAX ((1ull << HISTOGRAM_VALUE_BITS) - 1) // inclusive, in ns
#define HISTOGRAM_CELL_COUNT ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

// Parts per million of the recorded values: percentiles as integers, so that ranks are exact.
#define HISTOGRAM_P50 500000u
#define HISTOGRAM_P90 900000u
#define HISTOGRAM_P99 990000u
#define HISTOGRAM_P999 999000u
#define HISTOGRAM_P9999 999900u
#define HISTOGRAM_P100 1000000u

struct histogram {
    uint64_t cells[HISTOGRAM_CELL_COUNT];
    uint64_t count;
    uint64_t sum_ns;
    uint64_t min_ns; // UINT64_MAX while empty
    uint64_t max_ns; // exact, also beyond the range
    uint64_t saturated;
};

void histogram_init(struct histogram *h);

void histogram_record(struct histogram *h, uint64_t value_ns);

void histogram_merge(struct histogram *into, const struct histogram *from);

// The value that at least `ppm` parts per million of all recorded values do not exceed (nearest
// rank, counted in integers: p99.9 of 1,000 values is the 999th). It is the upper end of that
// value's cell, yet never above the exact maximum nor below the exact minimum; 0 while empty.
uint64_t histogram_quantile_ns(const struct histogram *h, uint32_t ppm);

// How many recorded values lie in cells wholly at or below `value_ns`.
uint64_t histogram_count_to(const struct histogram *h, uint64_t value_ns);

double histogram_mean_ns(const struct histogram *h);

// Index and bounds of the cell of a value (inclusive): for the tests and for dumps.
uint32_t histogram_cell(uint64_t value_ns);
uint64_t histogram_cell_low_ns(uint32_t cell);
uint64_t histogram_cell_high_ns(uint32_t cell);

// Every filled step of the distribution as `value_ms percentile total_count 1/(1-percentile)`, the
// text form that HdrHistogram's plotters read. Steps halve the distance to 100 % five times each.
void histogram_dump(const struct histogram *h, FILE *out);

#endif
