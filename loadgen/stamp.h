// What travels with a request, so that any receiver, of this process or another on this machine,
// can tell its latency without a table: when it was meant to leave, how much later it did, who sent
// it and which it is. In one of two forms.
//
// A payload: JSON of exactly the size asked for, with 40 hexadecimal digits at a fixed place:
//
//     {"t":"0000f3a1c2d4e5b60000002a0000000700000012","p":"xxxxxxxxx"}
//           intended_ns     publishr number  lag_us
//
// In quotes: servers that parse and print JSON again keep strings as they are, and would round such
// numbers. A ref, of messages whose answer brings back nothing else: "<ns since the run began +
// 1000>.<lag in us>.<number>"; below 1000 are the refs of what is not timed.
//
// Pure functions, any thread.
#ifndef FAIRLEAD_STAMP_H
#define FAIRLEAD_STAMP_H

#include "sched/base/bytes.h"
#include "sched/base/check.h"

#define STAMP_BYTES_MIN 55 // an empty "p"
#define STAMP_REF_BASE 1000u
#define STAMP_REF_BYTES_MAX 42 // 20 digits, 10, 10, and two points

struct stamp {
    uint64_t intended_ns; // CLOCK_MONOTONIC
    uint32_t publisher;   // its user number
    uint32_t number;      // from 1, of the message in its room (of this process); of a request on
                          // its connection
    uint32_t lag_us;      // handed to the socket layer so much later; UINT32_MAX: that or more
};

// The stamp's lag for a moment of handing over.
static inline uint32_t stamp_lag_us(uint64_t intended_ns, uint64_t now_ns) {
    uint64_t lag_us = now_ns > intended_ns ? (now_ns - intended_ns) / 1000 : 0;
    return lag_us < UINT32_MAX ? (uint32_t)lag_us : UINT32_MAX;
}

// Writes exactly `size` bytes, STAMP_BYTES_MIN or more.
void stamp_encode(uint8_t *out, size_t size, const struct stamp *stamp);

// True when `text` has the digits: at their place, or, printed anew by a server that sorts or
// spaces its members, anywhere in it (slower). Of a text cut after them it is true, too.
MUST_USE bool stamp_decode(struct bytes text, struct stamp *stamp);

// All but the publisher; intended_ns is begin_ns or later.
void stamp_encode_ref(struct writer *w, uint64_t begin_ns, const struct stamp *stamp);

// The publisher is 0. False when `text` is no such ref.
MUST_USE bool stamp_decode_ref(struct bytes text, uint64_t begin_ns, struct stamp *stamp);

#endif
