// What is published: JSON of exactly the size asked for, with three fields at fixed places, so that
// any receiver, of this process or another on this machine, can tell the latency without a table:
//
//     {"t":"0000f3a1c2d4e5b6","i":"0000002a","n":"00000007","p":"xxx"}
//
// t: the intended send time, CLOCK_MONOTONIC in ns; i: the publisher's user number; n: the number
// of the message in its room (of this process), from 1. All hexadecimal and in quotes: servers that
// parse and print JSON again keep strings as they are, and would round such numbers.
//
// Pure functions, any thread.
#ifndef FAIRLEAD_STAMP_H
#define FAIRLEAD_STAMP_H

#include "sched/base/bytes.h"
#include "sched/base/check.h"

#define STAMP_BYTES_MIN 61 // an empty "p"

struct stamp {
    uint64_t intended_ns;
    uint32_t publisher;
    uint32_t number;
};

// Writes exactly `size` bytes, STAMP_BYTES_MIN or more.
void stamp_encode(uint8_t *out, size_t size, const struct stamp *stamp);

// True when `text` has the three fields: at their places, or, printed anew by a server that sorts
// or spaces them, anywhere in it (slower). Of a text cut after the fields it is true, too.
MUST_USE bool stamp_decode(struct bytes text, struct stamp *stamp);

#endif
