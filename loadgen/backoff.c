#include "loadgen/backoff.h"

#include <string.h>

#include "sched/base/clock.h"

static const uint16_t PHOENIX_MS[] = {10, 50, 100, 150, 200, 250, 500, 1000, 2000};

#define PHOENIX_COUNT (sizeof(PHOENIX_MS) / sizeof(PHOENIX_MS[0]))
#define PHOENIX_LAST_MS 5000u

// Decimal digits up to *end, from 1 to BACKOFF_MS_MAX.
static bool parse_ms(const char *text, const char **end, uint32_t *ms) {
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= BACKOFF_MS_MAX; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *end = at;
    *ms = (uint32_t)value;
    return value >= 1 && value <= BACKOFF_MS_MAX;
}

static bool parse_fixed(struct backoff *b, const char *text) {
    const char *end;
    uint32_t ms;
    if (!parse_ms(text, &end, &ms) || *end != 0)
        return false;
    *b = (struct backoff){BACKOFF_FIXED, ms, ms};
    return true;
}

static bool parse_exponential(struct backoff *b, const char *text) {
    const char *end;
    uint32_t min_ms, max_ms;
    if (!parse_ms(text, &end, &min_ms) || *end != '-' || !parse_ms(end + 1, &end, &max_ms) ||
        *end != 0 || max_ms < min_ms)
        return false;
    *b = (struct backoff){BACKOFF_EXPONENTIAL, min_ms, max_ms};
    return true;
}

bool backoff_parse(struct backoff *b, const char *text) {
    static const char fixed[] = "fixed:", exponential[] = "exponential:";
    if (strncmp(text, fixed, sizeof(fixed) - 1) == 0)
        return parse_fixed(b, text + sizeof(fixed) - 1);
    if (strncmp(text, exponential, sizeof(exponential) - 1) == 0)
        return parse_exponential(b, text + sizeof(exponential) - 1);
    if (strcmp(text, "phoenix") != 0)
        return false;
    *b = (struct backoff){BACKOFF_PHOENIX, PHOENIX_MS[0], PHOENIX_LAST_MS};
    return true;
}

const char *backoff_wanted(void) {
    return "phoenix, fixed:MS or exponential:MIN-MAX, in ms from 1 to 3600000";
}

static uint64_t exponential_ns(const struct backoff *b, uint32_t attempt, struct rng *rng) {
    uint64_t ceiling_ms = b->min_ms;
    for (uint32_t i = 1; i < attempt && ceiling_ms < b->max_ms; i++)
        ceiling_ms *= 2;
    if (ceiling_ms > b->max_ms)
        ceiling_ms = b->max_ms;
    // In microseconds: an hour of them is below 2^32.
    return (uint64_t)rng_below(rng, (uint32_t)(ceiling_ms * 1000) + 1) * NS_PER_US;
}

uint64_t backoff_delay_ns(const struct backoff *b, uint32_t attempt, struct rng *rng) {
    CHECKF(attempt > 0, "attempts are counted from 1");
    switch (b->kind) {
    case BACKOFF_PHOENIX:
        return (attempt <= PHOENIX_COUNT ? PHOENIX_MS[attempt - 1] : PHOENIX_LAST_MS) * NS_PER_MS;
    case BACKOFF_FIXED:
        return b->min_ms * NS_PER_MS;
    case BACKOFF_EXPONENTIAL:
        return exponential_ns(b, attempt, rng);
    }
    UNREACHABLE();
}
