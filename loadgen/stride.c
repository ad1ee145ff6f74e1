#include "loadgen/stride.h"

static uint32_t greatest_divisor(uint32_t a, uint32_t b) {
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint32_t stride_of(uint32_t count) {
    if (count < 3)
        return 1;
    uint32_t stride = (uint32_t)(count * 0.6180339887);
    while (greatest_divisor(count, stride) != 1)
        stride++;
    return stride;
}
