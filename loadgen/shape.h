// The shape of a server's traffic: how much of what happened in each second, how large messages
// were, how far apart in their room and how many members they reached. Recorded by the gateway
// (GET /traffic, docs/OPERATING.md), kept in a file by `fairlead load record`, played again by
// `fairlead load replay`. No payloads, names or users.
//
// The file is JSON, format 1; what is not known in it is left alone (fields are only ever added),
// what is needed and missing or wrong is refused by its key, `day.json: per_second.joins[3]: …`,
// and what is no JSON by its line. Plain data, read before the run, constant then; about 200 KiB.
#ifndef FAIRLEAD_LOADGEN_SHAPE_H
#define FAIRLEAD_LOADGEN_SHAPE_H

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

#include "loadgen/load_options.h"

#define SHAPE_SECONDS_MAX 3600
#define SHAPE_CELLS_MAX 512
#define SHAPE_FILE_BYTES_MAX (16u << 20)

// X(name): per_second's, all needed; the others are not played.
#define SHAPE_SERIES(X)                                                                            \
    X(connects)                                                                                    \
    X(disconnects)                                                                                 \
    X(joins)                                                                                       \
    X(leaves)                                                                                      \
    X(departures)                                                                                  \
    X(publishes)                                                                                   \
    X(deliveries)                                                                                  \
    X(pings)

enum shape_series {
#define X(name) SHAPE_##name,
    SHAPE_SERIES(X)
#undef X
        SHAPE_SERIES_COUNT
};

struct shape_cell {
    uint32_t low; // the lowest and the highest value that it counts
    uint32_t high;
    uint64_t count;
};

struct shape_histogram {
    struct shape_cell cells[SHAPE_CELLS_MAX]; // ascending, not empty
    uint32_t cell_count;
    uint64_t total;
};

struct shape {
    double seconds;        // that it lasted; the last of second_count may be cut short
    uint32_t second_count; // at least 1
    uint64_t connections;  // open when it began
    uint64_t members;
    uint32_t series[SHAPE_SERIES_COUNT][SHAPE_SECONDS_MAX];
    uint64_t sums[SHAPE_SERIES_COUNT];
    struct shape_histogram publish_bytes;
    struct shape_histogram publish_gap_us;
    struct shape_histogram fan_out;
    struct shape_histogram rooms_begin;
    struct shape_histogram rooms_end;
    struct shape_histogram rooms_most; // by who recorded: when most members were seen; may lack
};

// Reads a file. False with a sentence.
MUST_USE bool shape_read(struct shape *shape, const char *path,
                         char error[LOAD_OPTIONS_ERROR_BYTES]);

// The same from memory; `name` stands for the file in errors.
MUST_USE bool shape_decode(struct shape *shape, const char *name, const json_t *root,
                           char error[LOAD_OPTIONS_ERROR_BYTES]);

#endif
