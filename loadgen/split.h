// How a run is cut into parts for several processes: exactly, so that the parts of connections,
// rooms, rates and requests under way add up to what was asked. Rooms are not cut: all members of a
// room are in one part, since only there their times can be compared.
//
// A part is a run of neighbouring rooms with their connections: those whose begin is nearest to
// index/count of all connections, at least one room each. Pure.
#ifndef FAIRLEAD_SPLIT_H
#define FAIRLEAD_SPLIT_H

#include "loadgen/layout.h"
#include "loadgen/plan.h"

#define SPLIT_PARTS_MAX 64

struct split_part {
    uint32_t index;
    uint32_t count; // 0: nothing is split
    uint32_t first_room;
    uint32_t room_count;
    uint32_t first_connection;
    uint32_t connections;
    uint32_t rooms_all;
    uint32_t connections_all;
};

// The part of that index of a layout with at least `count` rooms.
struct split_part split_layout(const struct layout *l, uint32_t index, uint32_t count);

// The share of `all` that belongs to from … to of total; the shares of neighbouring ranges add up.
struct split_range {
    uint64_t from;
    uint64_t to;
    uint64_t total; // at least 1
};

uint64_t split_count(uint64_t all, const struct split_range *range);

// The same of a rate, in steps of 0.001 a second.
double split_rate(double all, const struct split_range *range);

// The rates of a plan: publishes by rooms, the others by connections.
void split_plan(struct plan *plan, const struct split_part *part);

// Makes options and plan of the whole run those of its part. False with a sentence.
MUST_USE bool split_run(struct load_options *o, struct plan *plan, uint32_t index, uint32_t count,
                        char error[LOAD_OPTIONS_ERROR_BYTES]);

// Connections, rooms, names, rates and all else that is of the whole run in the options. False with
// a sentence when they cannot be cut into so many parts.
MUST_USE bool split_options(struct load_options *o, const struct split_part *part,
                            char error[LOAD_OPTIONS_ERROR_BYTES]);

#endif
