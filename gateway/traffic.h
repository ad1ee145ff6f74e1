// What the traffic through one core looks like: how much of what happened in each second, how large
// messages are, how far apart in their room, and how many they reach. Numbers alone: no payload, no
// name, no user, no address. Recorded for `fairlead load record`, which plays it again.
//
//   off ──traffic_begin──▶ on ──traffic_end, or the first event after until_ns──▶ off
//   What was recorded stays until the next begin.
//
// Cost: off, one branch per message, join, leave, connect and ping, and nothing per delivery; on,
// some ten nanoseconds each, and no memory that is not reserved from the start. Bounds:
// TRAFFIC_SECONDS_MAX, and gaps of TRAFFIC_ROOMS_MAX rooms at once per core: beyond, the gaps of
// rooms that share a place are counted as unknown.
//
// Times are the scheduler's, of the turn. Owned by the core's thread.
#ifndef FAIRLEAD_TRAFFIC_H
#define FAIRLEAD_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/memory.h"

#define TRAFFIC_SECONDS_MAX 3600
#define TRAFFIC_ROOMS_MAX 65536u

// X(name, what it counts)
#define TRAFFIC_SERIES(X)                                                                          \
    X(connects, "WebSocket upgrades of Phoenix clients")                                           \
    X(disconnects, "… of these, that ended")                                                       \
    X(joins, "memberships that began")                                                             \
    X(leaves, "memberships that ended while their connection went on")                             \
    X(departures, "memberships that ended with their connection")                                  \
    X(publishes, "messages accepted by rooms")                                                     \
    X(deliveries, "… members that they were for")                                                  \
    X(whispers, "whispers accepted by rooms")                                                      \
    X(pings, "ping events")                                                                        \
    X(heartbeats, "Phoenix heartbeats")

enum traffic_series {
#define X(name, help) TRAFFIC_##name,
    TRAFFIC_SERIES(X)
#undef X
        TRAFFIC_SERIES_COUNT
};

struct traffic_second {
    uint32_t counts[TRAFFIC_SERIES_COUNT];
};

// Cells of a histogram: each value to 15 has its own, above it eight to each power of two, so that
// a cell is at most an eighth of its lowest value wide.
#define TRAFFIC_CELLS 240

struct traffic_histogram {
    uint64_t cells[TRAFFIC_CELLS];
};

static inline uint32_t traffic_cell(uint32_t value) {
    uint32_t shift = value < 16 ? 0 : 28u - (uint32_t)__builtin_clz(value);
    return shift * 8 + (value >> shift);
}

// The lowest and the highest value of a cell.
static inline uint32_t traffic_cell_low(uint32_t cell) {
    return cell < 16 ? cell : (8 + cell % 8) << (cell / 8 - 1);
}

static inline uint32_t traffic_cell_high(uint32_t cell) {
    return cell + 1 < TRAFFIC_CELLS ? traffic_cell_low(cell + 1) - 1 : UINT32_MAX;
}

static inline void traffic_histogram_add(struct traffic_histogram *h, uint32_t value) {
    h->cells[traffic_cell(value)]++;
}

// Of one core, or summed over several.
struct traffic_shape {
    uint64_t connections;  // that were open at the begin
    uint64_t members;      // memberships, likewise
    uint64_t gaps_unknown; // publishes whose room's last one was not remembered any more
    struct traffic_histogram publish_bytes;
    struct traffic_histogram publish_gap_us; // since the same room's publish before
    struct traffic_histogram fan_out;        // members of the room at each publish
    struct traffic_histogram rooms_begin;    // rooms with members by their number, at the begin
    struct traffic_histogram rooms_end;      // the same when the shape was read
    struct traffic_second seconds[TRAFFIC_SECONDS_MAX];
};

struct traffic_room;

struct traffic {
    bool is_on;
    uint64_t begin_ns; // 0: never
    uint64_t until_ns;
    struct traffic_shape *shape; // reserved, not touched before the first begin
    struct traffic_room *rooms;
};

// Reserves. Returns 0, or -ENOMEM.
MUST_USE int traffic_init(struct traffic *traffic, struct memory_ledger *ledger);

// Forgets what was recorded before. At most TRAFFIC_SECONDS_MAX lie between the two.
void traffic_begin(struct traffic *traffic, uint64_t begin_ns, uint64_t until_ns);

// Ends it, at now_ns when that is sooner.
void traffic_end(struct traffic *traffic, uint64_t now_ns);

// While it is on: one thing happened. After until_ns it is off, and nothing was counted.
void traffic_count(struct traffic *traffic, uint64_t now_ns, enum traffic_series series);

struct traffic_publish {
    uint64_t room; // its pid
    uint32_t bytes;
    uint32_t fan_out;
};

void traffic_on_publish(struct traffic *traffic, uint64_t now_ns,
                        const struct traffic_publish *publish);

// Seconds that have at least begun, of a recording that lasted, or lasts, until now_ns.
uint32_t traffic_seconds(uint64_t begin_ns, uint64_t until_ns, uint64_t now_ns);

// Adds `from` to `into`, the first `seconds` of it.
void traffic_add(struct traffic_shape *into, const struct traffic_shape *from, uint32_t seconds);

#endif
