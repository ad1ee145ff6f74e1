// An order in which everybody has a turn and neighbours do not follow each other: what is next to
// each other in a table shares a lane, of this tool and of the server, and real users who are busy
// at the same moment do not. Pure, any thread.
#ifndef FAIRLEAD_STRIDE_H
#define FAIRLEAD_STRIDE_H

#include <stdint.h>

// Without a common divisor with `count`, near its golden section; 1 below 3.
uint32_t stride_of(uint32_t count);

// The k-th of `count`: k from 0 to count - 1 gives each once.
static inline uint32_t stride_at(uint32_t stride, uint32_t count, uint32_t k) {
    return (uint32_t)((uint64_t)k * stride % count);
}

#endif
