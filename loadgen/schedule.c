#include "loadgen/schedule.h"

#include <math.h>

#include "sched/base/check.h"
#include "sched/base/clock.h"

// Constant rates are stored per 1,000 s, so that one arrival in 1,000 s is the least.
#define RATE_SCALE 1000ull
#define POSITION_BITS 24
#define POSITION_ONE (1ull << POSITION_BITS)

// --- N(t) and its inverse -----------------------------------------------------------------------

// When N(t) reaches `position` arrivals (in 2^-24), in ns since the start; SCHEDULE_NEVER when a
// ramp down to nothing never gets there.
static uint64_t due_after_ns(const struct schedule *s, unsigned __int128 position) {
    if (s->rise_per_s2 == 0) {
        unsigned __int128 scaled = position * NS_PER_S * RATE_SCALE;
        return (uint64_t)((scaled / s->rate_per_1000_s) >> POSITION_BITS);
    }
    // N(t) = rate t + rise t² / 2, solved for t in the form that does not cancel. A double has
    // 10 ps at a day, a thousandth of what lies between two arrivals.
    double count = (double)position / (double)POSITION_ONE;
    double square = s->rate_per_s * s->rate_per_s + 2 * s->rise_per_s2 * count;
    if (square < 0)
        return SCHEDULE_NEVER;
    double below = s->rate_per_s + sqrt(square);
    if (below <= 0)
        return count > 0 ? SCHEDULE_NEVER : 0;
    double at_ns = 2 * count / below * (double)NS_PER_S;
    return at_ns < 1e18 ? (uint64_t)at_ns : SCHEDULE_NEVER;
}

static bool is_empty(const struct schedule *s) {
    return s->rate_per_1000_s == 0 && s->rise_per_s2 == 0;
}

static uint64_t due_ns(const struct schedule *s, unsigned __int128 position) {
    uint64_t after_ns = due_after_ns(s, position);
    if (after_ns == SCHEDULE_NEVER)
        return SCHEDULE_NEVER;
    uint64_t at = s->start_ns + after_ns;
    return at < s->stop_ns ? at : SCHEDULE_NEVER;
}

static unsigned __int128 even_position(uint64_t number) {
    return (unsigned __int128)number << POSITION_BITS;
}

// An exponential step of mean one: -ln of a uniform number in (0, 1].
static uint64_t exponential_step(struct rng *rng) {
    double uniform = (double)((rng_next(rng) >> 11) + 1) * 0x1p-53;
    return (uint64_t)(-log(uniform) * (double)POSITION_ONE + 0.5);
}

// --- the header's functions ----------------------------------------------------------------------

void schedule_init(struct schedule *s, uint64_t start_ns, double rate_per_s) {
    const struct schedule_shape shape = {.start_ns = start_ns,
                                         .duration_ns = SCHEDULE_NEVER,
                                         .rate_per_s = rate_per_s,
                                         .rate_end_per_s = rate_per_s};
    schedule_init_shape(s, &shape);
}

void schedule_init_shape(struct schedule *s, const struct schedule_shape *shape) {
    double rate = shape->rate_per_s, end_rate = shape->rate_end_per_s;
    CHECKF(rate >= 0 && rate <= SCHEDULE_RATE_MAX, "rate %f", rate);
    CHECKF(end_rate >= 0 && end_rate <= SCHEDULE_RATE_MAX, "rate %f", end_rate);
    bool has_end = shape->duration_ns < SCHEDULE_NEVER - shape->start_ns;
    CHECKF(has_end || rate == end_rate, "a ramp without an end");
    *s = (struct schedule){.start_ns = shape->start_ns,
                           .stop_ns = SCHEDULE_NEVER,
                           .rate_per_s = rate,
                           .is_poisson = shape->is_poisson,
                           .rng = {shape->seed}};
    if (has_end)
        s->stop_ns = shape->start_ns + shape->duration_ns;
    if (rate == end_rate)
        s->rate_per_1000_s = (uint64_t)(rate * (double)RATE_SCALE + 0.5);
    else if (shape->duration_ns > 0)
        s->rise_per_s2 = (end_rate - rate) / ((double)shape->duration_ns / (double)NS_PER_S);
    if (s->is_poisson)
        s->position = exponential_step(&s->rng);
}

void schedule_stop_at(struct schedule *s, uint64_t stop_ns) {
    s->stop_ns = stop_ns;
}

uint64_t schedule_next_ns(const struct schedule *s) {
    if (is_empty(s))
        return SCHEDULE_NEVER;
    return due_ns(s, s->is_poisson ? s->position : even_position(s->taken));
}

bool schedule_try_pop(struct schedule *s, uint64_t now_ns, uint64_t *intended_ns) {
    uint64_t next = schedule_next_ns(s);
    if (next == SCHEDULE_NEVER || next > now_ns)
        return false;
    s->taken++;
    if (s->is_poisson)
        s->position += exponential_step(&s->rng);
    *intended_ns = next;
    return true;
}

static uint64_t offered_poisson(const struct schedule *s, uint64_t until_ns) {
    struct schedule rest = *s;
    uint64_t intended_ns;
    while (schedule_try_pop(&rest, until_ns - 1, &intended_ns))
        ;
    return rest.taken;
}

// The estimate is off by a rounding; the arrivals themselves decide.
static uint64_t offered_even(const struct schedule *s, uint64_t until_ns) {
    double elapsed_s = (double)(until_ns - s->start_ns) / (double)NS_PER_S;
    double estimate = elapsed_s * (s->rate_per_s + s->rise_per_s2 * elapsed_s / 2);
    uint64_t count = estimate > 0 ? (uint64_t)estimate : 0;
    while (count > 0 && due_ns(s, even_position(count - 1)) >= until_ns)
        count--;
    while (due_ns(s, even_position(count)) < until_ns)
        count++;
    return count;
}

uint64_t schedule_offered(const struct schedule *s, uint64_t until_ns) {
    if (until_ns > s->stop_ns)
        until_ns = s->stop_ns;
    if (is_empty(s) || until_ns <= s->start_ns)
        return 0;
    if (s->is_poisson)
        return offered_poisson(s, until_ns);
    if (s->rise_per_s2 != 0)
        return offered_even(s, until_ns);
    // Arrival k lies before `until` when floor(k·10^12/rate) < elapsed, that is k <
    // elapsed·rate/10^12.
    unsigned __int128 unit = (unsigned __int128)NS_PER_S * RATE_SCALE;
    unsigned __int128 scaled = (unsigned __int128)(until_ns - s->start_ns) * s->rate_per_1000_s;
    return (uint64_t)((scaled + unit - 1) / unit);
}
