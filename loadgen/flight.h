// Messages on their way: for every publish how many members it is due to, how many have it, and so
// when the first, the median and the last of them got it, and how many it reached. "Last-receiver
// lag" is what a room feels: a message is there when everybody has it.
//
// Each room has a ring of the most recent publishes, a power of two; all rooms together at most
// 2^20 (24 MiB). A publish that finds its place taken by one that is not complete ends that one as
// incomplete. Owned by one thread.
#ifndef FAIRLEAD_FLIGHT_H
#define FAIRLEAD_FLIGHT_H

#include <stdbool.h>

#include "loadgen/histogram.h"
#include "sched/base/memory.h"

#define FLIGHT_SLOTS_MAX (1u << 20)
#define FLIGHT_PER_ROOM_MAX 65536u
#define FLIGHT_PER_ROOM_MIN 16u
#define FLIGHT_FORGIVEN_MAX 256u

struct flight {
    uint64_t intended_ns;
    uint32_t number; // 0: the place is free
    uint32_t due;
    uint32_t received;
    uint32_t is_measured;
};

_Static_assert(sizeof(struct flight) == 24, "the memory that the header promises");

struct flight_table {
    struct flight *flights;
    uint32_t room_count;
    uint32_t per_room; // a power of two
    uint64_t begun;    // less those that were forgiven
    uint64_t complete;
    uint64_t incomplete;
    uint64_t due;              // receivers of all messages that are complete or incomplete
    uint64_t received;         // of them: those that were reached
    uint32_t missed_worst_ppm; // of one message: the largest share not reached, in millionths
};

// Reserves in the ledger. 0, or -ENOMEM.
MUST_USE int flight_init(struct flight_table *table, struct memory_ledger *ledger,
                         uint32_t room_count);

struct flight_publish {
    uint32_t room;
    uint32_t number; // in its room, from 1
    uint32_t due;    // members who are to get it, the publisher included; > 0
    uint64_t intended_ns;
    bool is_measured;
};

void flight_begin(struct flight_table *table, const struct flight_publish *publish);

enum flight_step {
    FLIGHT_UNKNOWN, // not one of ours, or long gone
    FLIGHT_FIRST,
    FLIGHT_BETWEEN,
    FLIGHT_LAST, // everybody has it now; also when one member was all there is
};

struct flight_receipt {
    uint32_t room;
    uint32_t number;
    uint64_t now_ns;
};

struct flight_times {
    struct histogram *first;
    struct histogram *median; // of an even number, the lower of the two in the middle
    struct histogram *last;
};

// One member has it (each member once: verify.h tells). Records the first, the median and the last
// receiver of measured messages.
enum flight_step flight_take(struct flight_table *table, const struct flight_receipt *receipt,
                             const struct flight_times *times);

// A member of the room went away by our own doing: of messages that are under way there it cannot
// be told any more whom they reached, so they count neither as complete nor as incomplete.
// `published` is the room's last number; looks at the last FLIGHT_FORGIVEN_MAX.
void flight_forgive(struct flight_table *table, uint32_t room, uint32_t published);

// What is still under way is incomplete.
void flight_finish(struct flight_table *table);

#endif
