#include "gateway/heart_policy.h"

#include <string.h>

#include "sched/base/clock.h"

#define DEATHS_KEPT (HEART_POLICY_INTENSITY_MAX + 1)

void heart_policy_init(struct heart_policy *policy, uint32_t intensity, uint32_t period_s) {
    CHECKF(intensity <= HEART_POLICY_INTENSITY_MAX, "restart intensity %u", intensity);
    memset(policy, 0, sizeof(*policy));
    policy->intensity = intensity;
    policy->period_s = period_s;
}

// Whether intensity + 1 deaths, the one at now_ns included, lie within the period.
static bool is_too_many(const struct heart_policy *policy, uint64_t now_ns) {
    if (policy->death_count <= policy->intensity)
        return false;
    uint32_t oldest = policy->death_count - 1 - policy->intensity;
    return now_ns - policy->deaths_ns[oldest % DEATHS_KEPT] <= policy->period_s * NS_PER_S;
}

static uint64_t backoff_ms(uint32_t step) {
    if (step == 0)
        return 0;
    // 100 << 7 is beyond the limit already: no shift may run over.
    uint64_t ms = (uint64_t)HEART_POLICY_BACKOFF_MS << (step - 1 < 7 ? step - 1 : 7);
    return ms < HEART_POLICY_BACKOFF_MS_MAX ? ms : HEART_POLICY_BACKOFF_MS_MAX;
}

bool heart_policy_on_death(struct heart_policy *policy, uint64_t uptime_ns, uint64_t now_ns,
                           uint64_t *delay_ns) {
    policy->deaths_ns[policy->death_count++ % DEATHS_KEPT] = now_ns;
    if (is_too_many(policy, now_ns))
        return false;
    if (uptime_ns >= HEART_POLICY_HEALTHY_S * NS_PER_S)
        policy->step = 0;
    *delay_ns = backoff_ms(policy->step++) * NS_PER_MS;
    return true;
}
