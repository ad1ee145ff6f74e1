// When a gateway that died is started again: pure functions of time, no process in them.
//
// Back-off: the first restart is at once (connections are waiting in the listening sockets), then
// after 100 ms, 200 ms, … up to 10 s; a life of a minute begins the row anew. Intensity, as a
// supervisor's in OTP: more than `intensity` deaths within `period_s` and it is given up, for what
// dies at once every time is helped by a cure, not by another restart.
#ifndef FAIRLEAD_HEART_POLICY_H
#define FAIRLEAD_HEART_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/base/check.h"

#define HEART_POLICY_INTENSITY_MAX 100
#define HEART_POLICY_BACKOFF_MS 100
#define HEART_POLICY_BACKOFF_MS_MAX 10000
#define HEART_POLICY_HEALTHY_S 60

struct heart_policy {
    uint32_t intensity; // deaths that the period may have, up to HEART_POLICY_INTENSITY_MAX
    uint32_t period_s;
    uint32_t death_count;                               // ever
    uint32_t step;                                      // restarts since the last healthy life
    uint64_t deaths_ns[HEART_POLICY_INTENSITY_MAX + 1]; // the latest, by death_count
};

void heart_policy_init(struct heart_policy *policy, uint32_t intensity, uint32_t period_s);

// A gateway that was up for `uptime_ns` has died at `now_ns`; calls are in the order of time.
// true: start the next after *delay_ns. false: give up.
MUST_USE bool heart_policy_on_death(struct heart_policy *policy, uint64_t uptime_ns,
                                    uint64_t now_ns, uint64_t *delay_ns);

#endif
