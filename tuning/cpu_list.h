// A set of CPUs as the kernel writes it: lists ("0-3,8") and masks ("ff,00000000"). Pure.
#ifndef FAIRLEAD_CPU_LIST_H
#define FAIRLEAD_CPU_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/base/check.h"

#define CPU_LIST_MAX 1024 // CPUs beyond are not seen
#define CPU_LIST_WORDS (CPU_LIST_MAX / 64)

struct cpu_list {
    uint64_t words[CPU_LIST_WORDS];
};

// "" is the empty set. False, and the set is empty, when the text is no list.
MUST_USE bool cpu_list_decode(struct cpu_list *list, const char *text);

// A hexadecimal mask, commas between words of 32 bits.
MUST_USE bool cpu_list_decode_mask(struct cpu_list *list, const char *text);

uint32_t cpu_list_count(const struct cpu_list *list);
bool cpu_list_has(const struct cpu_list *list, uint32_t cpu);
void cpu_list_add(struct cpu_list *list, const struct cpu_list *more);

// "0-3,8"; what does not fit is left out after a comma.
void cpu_list_encode(const struct cpu_list *list, char *text, size_t text_size);

#endif
