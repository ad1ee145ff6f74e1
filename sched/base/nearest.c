#include "sched/base/nearest.h"

#include <stddef.h>
#include <string.h>

#define NAME_SIZE_MAX 31

uint32_t nearest_distance(const char *a, const char *b) {
    uint32_t row[NAME_SIZE_MAX + 1]; // of the matrix, the one for the letters of `a` so far
    size_t a_size = strnlen(a, NAME_SIZE_MAX), b_size = strnlen(b, NAME_SIZE_MAX);
    for (uint32_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= a_size; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b_size; j++) {
            uint32_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_size];
}
