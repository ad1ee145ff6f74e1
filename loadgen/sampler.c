#include "loadgen/sampler.h"

static uint32_t held(uint32_t value, const struct sampler_config *config) {
    return value < config->min ? config->min : value > config->max ? config->max : value;
}

void sampler_init(struct sampler *sampler, const struct sampler_config *config) {
    const struct shape_histogram *h = config->histogram;
    CHECKF(h->total > 0 && config->min <= config->max, "%u to %u", config->min, config->max);
    *sampler = (struct sampler){.step = config->step, .rng = {config->seed}};
    sampler->position = rng_next(&sampler->rng);
    for (uint32_t i = 0; i < h->cell_count; i++) {
        sampler->cells[i].below = sampler->total;
        sampler->cells[i].low = held(h->cells[i].low, config);
        sampler->cells[i].high = held(h->cells[i].high, config);
        sampler->total += h->cells[i].count;
    }
    sampler->cell_count = h->cell_count;
}

uint32_t sampler_next(struct sampler *sampler) {
    uint64_t place = sampler_place(&sampler->position, sampler->step, sampler->total);
    uint32_t first = 0, last = sampler->cell_count - 1;
    while (first < last) {
        uint32_t middle = (first + last + 1) / 2;
        if (sampler->cells[middle].below <= place)
            first = middle;
        else
            last = middle - 1;
    }
    uint32_t low = sampler->cells[first].low, span = sampler->cells[first].high - low;
    return span < UINT32_MAX ? low + rng_below(&sampler->rng, span + 1)
                             : (uint32_t)rng_next(&sampler->rng);
}
