// One fuzz target: a decoder fed with any bytes, and the properties that must hold whatever they
// are. A broken property is a CHECK, which both libFuzzer and the replay take for a crash.
#ifndef FAIRLEAD_TESTS_FUZZ_H
#define FAIRLEAD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "sched/base/bytes.h"
#include "sched/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A copy with nothing after its end that could be read unnoticed; the caller frees it.
static inline uint8_t *fuzz_copy(struct bytes source) {
    uint8_t *copy = malloc(source.size ? source.size : 1);
    CHECK(copy != NULL);
    if (source.size > 0)
        memcpy(copy, source.data, source.size);
    return copy;
}

#endif
