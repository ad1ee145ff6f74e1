// What all of the simulator share: how a simulation fails, its clock, growing bytes.
#ifndef FAIRLEAD_TESTS_SIM_H
#define FAIRLEAD_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/check.h"

// Something that must hold does not: says seed, step, time and the sentence, and ends the process.
// The sentence begins with the name of the check and a colon.
_Noreturn void sim_fail(const char *format, ...) PRINTF_LIKE(1, 2);

#define SIM_REQUIRE(condition, ...)                                                                \
    do {                                                                                           \
        if (UNLIKELY(!(condition)))                                                                \
            sim_fail(__VA_ARGS__);                                                                 \
    } while (0)

// The step that is under way, for sim_fail; and a line of the story, with TRACE=1.
void sim_at(uint64_t step);
bool sim_traces(void);
void sim_trace(const char *format, ...) PRINTF_LIKE(1, 2);

// clock_sim.c: the one clock of all cores and clients, which defines sched/base/clock.h.
void clock_sim_set(uint64_t now_ns);
void clock_sim_advance(uint64_t ns);

struct sim_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

static inline void sim_buffer_append(struct sim_buffer *buffer, const void *data, size_t size) {
    if (buffer->size + size > buffer->capacity) {
        buffer->capacity = (buffer->size + size) * 2;
        buffer->data = realloc(buffer->data, buffer->capacity);
        CHECK(buffer->data);
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

static inline void sim_buffer_skip(struct sim_buffer *buffer, size_t size) {
    buffer->size -= size;
    if (size > 0 && buffer->size > 0)
        memmove(buffer->data, buffer->data + size, buffer->size);
}

static inline void sim_buffer_free(struct sim_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct sim_buffer){0};
}

#endif
