#include "loadgen/grouped.h"

#include <stdio.h>

const char *grouped(char text[GROUPED_BYTES], double value) {
    char plain[GROUPED_BYTES];
    int size = snprintf(plain, sizeof(plain), "%.0f", value), out = 0;
    size = size < GROUPED_BYTES ? size : GROUPED_BYTES - 1;
    for (int i = 0; i < size && out < GROUPED_BYTES - 2; i++) {
        if (i > 0 && (size - i) % 3 == 0 && plain[i - 1] != '-')
            text[out++] = ',';
        text[out++] = plain[i];
    }
    text[out] = 0;
    return text;
}
