#include "tuning/cpu_list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct cpu_list *list, unsigned long cpu) {
    if (cpu < CPU_LIST_MAX)
        list->words[cpu / 64] |= 1ull << (cpu % 64);
}

bool cpu_list_decode(struct cpu_list *list, const char *text) {
    *list = (struct cpu_list){0};
    while (isspace((unsigned char)*text))
        text++;
    while (*text != 0) {
        char *end = NULL;
        if (!isdigit((unsigned char)*text))
            goto bad;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1]))
                goto bad;
            last = strtoul(end + 1, &end, 10);
        }
        if (last < first)
            goto bad;
        for (unsigned long cpu = first; cpu <= last && cpu < CPU_LIST_MAX; cpu++)
            set(list, cpu);
        text = end + strspn(end, " \t\n");
        if (*text == ',' && text[1] != 0)
            text++;
        else if (*text != 0)
            goto bad;
    }
    return true;
bad:
    *list = (struct cpu_list){0};
    return false;
}

bool cpu_list_decode_mask(struct cpu_list *list, const char *text) {
    *list = (struct cpu_list){0};
    uint32_t bit = 0;
    for (size_t at = strcspn(text, " \t\n"); at-- > 0;) {
        if (text[at] == ',')
            continue;
        if (!isxdigit((unsigned char)text[at])) {
            *list = (struct cpu_list){0};
            return false;
        }
        char digit[2] = {text[at], 0};
        unsigned long value = strtoul(digit, NULL, 16);
        for (uint32_t i = 0; i < 4; i++)
            if (value & (1u << i))
                set(list, bit + i);
        bit += 4;
    }
    return bit > 0;
}

uint32_t cpu_list_count(const struct cpu_list *list) {
    uint32_t count = 0;
    for (size_t i = 0; i < CPU_LIST_WORDS; i++)
        count += (uint32_t)__builtin_popcountll(list->words[i]);
    return count;
}

bool cpu_list_has(const struct cpu_list *list, uint32_t cpu) {
    return cpu < CPU_LIST_MAX && (list->words[cpu / 64] >> (cpu % 64) & 1);
}

void cpu_list_add(struct cpu_list *list, const struct cpu_list *more) {
    for (size_t i = 0; i < CPU_LIST_WORDS; i++)
        list->words[i] |= more->words[i];
}

void cpu_list_encode(const struct cpu_list *list, char *text, size_t text_size) {
    size_t used = 0;
    text[0] = 0;
    for (uint32_t cpu = 0; cpu < CPU_LIST_MAX; cpu++) {
        if (!cpu_list_has(list, cpu))
            continue;
        uint32_t last = cpu;
        while (cpu_list_has(list, last + 1))
            last++;
        char part[32];
        int size = snprintf(part, sizeof(part), last > cpu ? "%s%u-%u" : "%s%u", used ? "," : "",
                            cpu, last);
        if (used + (size_t)size + 3 >= text_size) {
            snprintf(text + used, text_size - used, ",…");
            return;
        }
        memcpy(text + used, part, (size_t)size + 1);
        used += (size_t)size;
        cpu = last;
    }
}
