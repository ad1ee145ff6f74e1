// A result as JSON, for whoever merges results of several processes: everything that struct result
// holds, exactly, histograms as their filled cells. Built from the lists of result.h, so a counter
// or histogram added there travels without a line here.
//
//     {"phase": "done", "begin_ns": 1, "counters": {"sent": 12}, "histograms": {"latency":
//      {"count": 3, "sum": 70, "min": 10, "max": 40, "cells": [10, 1, 10, 1, 20, 1]}}, ...}
//
// What is zero or empty is left out. Cells are pairs: how far from the cell before, how many. Whole
// numbers above 2^63 - 1 are decimal texts, JSON's libraries know no larger ones. A snapshot is the
// same object without what is not of the last second or a plain sum: no histograms but `interval`,
// and one interval row.
//
// Decoding trusts nothing: an unknown name, a number out of range, a histogram whose cells do not
// add up to its count or do not fit its minimum and maximum is refused with a sentence; texts lose
// control characters, since people see them. Size: at most RESULT_WIRE_BYTES_MAX as text, which
// the reader of the text bounds. Pure, but for the memory of phases that a decoded result owns
// (result_fini).
#ifndef FAIRLEAD_RESULT_WIRE_H
#define FAIRLEAD_RESULT_WIRE_H

#include <jansson.h>

#include "loadgen/result.h"

#define RESULT_WIRE_ERROR_BYTES 160
// 11 histograms and 64 of phases with every cell filled, 20 bytes a cell, and 7,200 intervals.
#define RESULT_WIRE_BYTES_MAX ((size_t)64 << 20)
#define RESULT_WIRE_CELL_MAX (1ull << 56) // a cell's count, and a histogram's
#define RESULT_WIRE_LEVEL_MAX (1u << 26)  // of connections, of failures by cause

// The whole result, or a snapshot with `second`, the latencies since the one before; NULL: the
// whole. The caller's to decref; NULL when memory is out.
MUST_USE json_t *result_wire_encode(const struct result *r, const struct histogram *second);

// `r` is initialised by this. False: error holds a sentence, and r is empty.
MUST_USE bool result_wire_decode(struct result *r, const json_t *json,
                                 char error[RESULT_WIRE_ERROR_BYTES]);

// Differs where any name of the lists does: two programs that agree on it understand each other.
uint64_t result_wire_fingerprint(void);

#endif
