// The key repeats every four bytes, so one vector of it, turned to the phase, serves the whole run.
#include "gateway/wire/websocket_mask.h"

#include <string.h>

#define MASK_STEP 16

typedef uint32_t mask_lanes __attribute__((vector_size(MASK_STEP)));

void websocket_mask_scalar(uint8_t *data, size_t size, const uint8_t mask[4], size_t phase) {
    for (size_t i = 0; i < size; i++)
        data[i] ^= mask[(phase + i) & 3];
}

void websocket_mask(uint8_t *data, size_t size, const uint8_t mask[4], size_t phase) {
    uint8_t turned[8];
    for (size_t i = 0; i < 8; i++)
        turned[i] = mask[(phase + i) & 3];
    uint32_t word;
    memcpy(&word, turned, 4);
    mask_lanes key = {word, word, word, word};
    size_t at = 0;
    for (; size - at >= MASK_STEP; at += MASK_STEP) {
        mask_lanes bytes;
        memcpy(&bytes, data + at, MASK_STEP);
        bytes ^= key;
        memcpy(data + at, &bytes, MASK_STEP);
    }
    if (size - at >= 8) {
        uint64_t bytes, key_long;
        memcpy(&bytes, data + at, 8);
        memcpy(&key_long, turned, 8);
        bytes ^= key_long;
        memcpy(data + at, &bytes, 8);
        at += 8;
    }
    for (size_t i = 0; at < size; i++, at++)
        data[at] ^= turned[i];
}
