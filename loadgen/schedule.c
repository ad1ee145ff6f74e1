#include "loadgen/schedule.h"

#include "sched/base/check.h"
#include "sched/base/clock.h"

#define RATE_SCALE                                                                                 \
    1000ull // rates are stored per 1,000 s, so that one arrival in 1,000 s is the least

void schedule_init(struct schedule *s, uint64_t start_ns, double rate_per_s) {
    CHECKF(rate_per_s >= 0 && rate_per_s <= SCHEDULE_RATE_MAX, "rate %f", rate_per_s);
    *s = (struct schedule){.start_ns = start_ns,
                           .rate_per_1000_s = (uint64_t)(rate_per_s * (double)RATE_SCALE + 0.5),
                           .stop_ns = SCHEDULE_NEVER};
}

void schedule_stop_at(struct schedule *s, uint64_t stop_ns) {
    s->stop_ns = stop_ns;
}

uint64_t schedule_next_ns(const struct schedule *s) {
    if (s->rate_per_1000_s == 0)
        return SCHEDULE_NEVER;
    unsigned __int128 scaled = (unsigned __int128)s->taken * NS_PER_S * RATE_SCALE;
    uint64_t at = s->start_ns + (uint64_t)(scaled / s->rate_per_1000_s);
    return at < s->stop_ns ? at : SCHEDULE_NEVER;
}

bool schedule_try_pop(struct schedule *s, uint64_t now_ns, uint64_t *intended_ns) {
    uint64_t next = schedule_next_ns(s);
    if (next == SCHEDULE_NEVER || next > now_ns)
        return false;
    s->taken++;
    *intended_ns = next;
    return true;
}

uint64_t schedule_offered(const struct schedule *s, uint64_t until_ns) {
    if (until_ns > s->stop_ns)
        until_ns = s->stop_ns;
    if (s->rate_per_1000_s == 0 || until_ns <= s->start_ns)
        return 0;
    // Arrival k lies before `until` when floor(k·10^12/rate) < elapsed, that is k <
    // elapsed·rate/10^12.
    unsigned __int128 unit = (unsigned __int128)NS_PER_S * RATE_SCALE;
    unsigned __int128 scaled = (unsigned __int128)(until_ns - s->start_ns) * s->rate_per_1000_s;
    return (uint64_t)((scaled + unit - 1) / unit);
}
