#include "loadgen/plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loadgen/schedule.h"

// --- presets -------------------------------------------------------------------------------------

struct phase *plan_add(struct plan *plan, const char *name) {
    if (plan->count == PLAN_PHASES_MAX)
        return NULL;
    struct phase *phase = &plan->phases[plan->count++];
    *phase = (struct phase){.is_measured = true, .connections_percent = 100};
    snprintf(phase->name, sizeof(phase->name), "%s", name);
    return phase;
}

// What the warm-up and the measured phase of a preset have in common.
static struct phase *add_preset(struct plan *plan, const struct load_options *o, const char *name,
                                double duration_s) {
    struct phase *phase = plan_add(plan, name);
    phase->duration_s = duration_s;
    phase->is_poisson = o->is_poisson;
    phase->is_closed = o->is_closed;
    struct plan_rate rate = {o->rate, o->rate};
    if (o->is_closed || o->scenario == LOAD_OPTIONS_HOLD)
        return phase;
    if (o->scenario == LOAD_OPTIONS_ECHO)
        phase->ping = rate;
    else
        phase->publish = rate;
    phase->churn_rate = o->churn_rate;
    return phase;
}

void plan_from_options(struct plan *plan, const struct load_options *o) {
    const char *name = load_options_scenario_name(o->scenario);
    *plan = (struct plan){0};
    CHECKF(o->scenario < LOAD_OPTIONS_MIX, "the phases of %s stand in its file", name);
    if (o->scenario == LOAD_OPTIONS_HOLD) {
        struct phase *hold = add_preset(plan, o, name, o->duration_s);
        hold->is_endless = o->holds_until_signal;
        hold->is_closed = false;
        return;
    }
    if (o->warmup_s > 0)
        add_preset(plan, o, "warm-up", o->warmup_s)->is_measured = false;
    struct phase *phase = add_preset(plan, o, name, o->duration_s);
    if (o->rate_end >= 0 && o->scenario == LOAD_OPTIONS_ECHO)
        phase->ping.end = o->rate_end;
    else if (o->rate_end >= 0)
        phase->publish.end = o->rate_end;
    if (o->scenario == LOAD_OPTIONS_STORM)
        phase->cut_percent = o->cut_percent;
    if (o->scenario == LOAD_OPTIONS_SLOW) {
        phase->slow_percent = o->slow_percent;
        phase->slow_bytes_per_s = o->slow_bytes_per_s;
    }
}

// --- the whole -----------------------------------------------------------------------------------

void plan_scale(struct plan *plan, const struct plan_scale *scale) {
    CHECKF(scale->speed > 0 && scale->rates > 0, "speed %f, rates %f", scale->speed, scale->rates);
    for (uint32_t i = 0; i < plan->count; i++) {
        struct phase *phase = &plan->phases[i];
        phase->duration_s /= scale->speed;
        phase->publish.begin *= scale->rates;
        phase->publish.end *= scale->rates;
        phase->ping.begin *= scale->rates;
        phase->ping.end *= scale->rates;
        phase->churn_rate *= scale->rates;
        phase->turnover_rate *= scale->rates;
    }
}

static bool has_rate(const struct plan_rate *rate) {
    return rate->begin > 0 || rate->end > 0;
}

static double highest(const struct plan_rate *rate) {
    return fmax(rate->begin, rate->end);
}

void plan_measure(const struct plan *plan, struct plan_needs *needs) {
    *needs = (struct plan_needs){.first_percent = 100};
    if (plan->count > 0)
        needs->first_percent = plan->phases[0].connections_percent;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct phase *phase = &plan->phases[i];
        needs->rooms |= has_rate(&phase->publish) || phase->churn_rate > 0;
        needs->requests |= has_rate(&phase->ping);
        needs->churn |= phase->churn_rate > 0;
        needs->cuts |= phase->cut_percent > 0;
        needs->moves |= phase->connections_percent < 100;
        needs->returns |= phase->cut_percent > 0 || phase->turnover_rate > 0 || needs->moves;
        needs->slow_percent = fmax(needs->slow_percent, phase->slow_percent);
        needs->rate_max = fmax(needs->rate_max, highest(&phase->publish) + highest(&phase->ping));
        needs->duration_s += phase->is_endless ? 0 : phase->duration_s;
        if (!phase->is_measured)
            continue;
        needs->measured_first = needs->measured_count == 0 ? i : needs->measured_first;
        needs->measured_count++;
        needs->measured_s += phase->duration_s;
    }
}

// --- what is wrong with it -----------------------------------------------------------------------

PRINTF_LIKE(4, 5)
static bool refuse(struct plan_fault *fault, uint32_t phase, const char *key, const char *format,
                   ...) {
    va_list arguments;
    *fault = (struct plan_fault){.phase = phase, .key = key};
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof(fault->text), format, arguments);
    va_end(arguments);
    return false;
}

// A number of a phase and its bounds, for checks that are alike.
struct bounds {
    const char *key;
    double value;
    double min;
    double max;
};

static bool check_bounds(const struct phase *p, uint32_t index, struct plan_fault *fault) {
    const struct bounds all[] = {
        {"publish_rate", p->publish.begin, 0, SCHEDULE_RATE_MAX},
        {"publish_rate_end", p->publish.end, 0, SCHEDULE_RATE_MAX},
        {"ping_rate", p->ping.begin, 0, SCHEDULE_RATE_MAX},
        {"ping_rate_end", p->ping.end, 0, SCHEDULE_RATE_MAX},
        {"churn_rate", p->churn_rate, 0, PLAN_CHURN_RATE_MAX},
        {"turnover_rate", p->turnover_rate, 0, PLAN_CHURN_RATE_MAX},
        {"connections_percent", p->connections_percent, 0, 100},
        {"cut_percent", p->cut_percent, 0, 100},
        {"slow_percent", p->slow_percent, 0, 100},
        {"slow_bytes_per_s", p->slow_bytes_per_s, 0, PLAN_SLOW_BYTES_PER_S_MAX},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!(all[i].value >= all[i].min && all[i].value <= all[i].max))
            return refuse(fault, index, all[i].key, "%.10g is out of range: %.10g to %.10g",
                          all[i].value, all[i].min, all[i].max);
    if (!p->is_endless && !(p->duration_s >= PLAN_DURATION_S_MIN))
        return refuse(fault, index, "duration_s",
                      "a phase of %.10g s is too short to be one; %.10g s at least (after --speed)",
                      p->duration_s, PLAN_DURATION_S_MIN);
    return true;
}

static bool check_phase(const struct plan *plan, uint32_t index, const struct load_options *o,
                        struct plan_fault *fault) {
    const struct phase *p = &plan->phases[index];
    bool has_rooms = o->protocol->has_rooms;
    if (!check_bounds(p, index, fault))
        return false;
    if (p->is_endless && index + 1 < plan->count)
        return refuse(fault, index, "duration_s", "only the last phase may be without an end");
    if (has_rate(&p->publish) && !has_rooms)
        return refuse(fault, index, "publish_rate", "this protocol has no rooms; use ping_rate");
    if (has_rate(&p->ping) && !o->protocol->has_requests)
        return refuse(fault, index, "ping_rate", "this protocol has no requests; use publish_rate");
    if (p->churn_rate > 0 && !has_rooms)
        return refuse(fault, index, "churn_rate", "this protocol has no rooms to leave and join");
    if (p->churn_rate > 0 && o->sizes.max == 1)
        return refuse(fault, index, "churn_rate",
                      "rooms of one member have nobody who may leave; raise --room-size");
    if (p->slow_percent > 0 && p->slow_bytes_per_s == 0)
        return refuse(fault, index, "slow_percent",
                      "how slow? give slow_bytes_per_s beside it, 1 or more");
    if (p->slow_percent > 0 && o->sizes.max == 1)
        return refuse(fault, index, "slow_percent",
                      "rooms of one member have nobody who may be slow; raise --room-size");
    return true;
}

static bool check_measured(const struct plan *plan, const struct plan_needs *needs,
                           struct plan_fault *fault) {
    if (needs->measured_count == 0)
        return refuse(fault, 0, "measured",
                      "no phase is measured; leave `measured: false` out "
                      "of at least one");
    for (uint32_t i = needs->measured_first; i < plan->count; i++)
        if (!plan->phases[i].is_measured)
            return refuse(fault, i, "measured",
                          "phases that are not measured stand before the measured ones (each "
                          "phase has results of its own, so none needs to be left out)");
    return true;
}

// What one thread can read.
static bool check_client(const struct phase *p, uint32_t index, const struct load_options *o,
                         struct plan_fault *fault) {
    double rooms = load_options_room_count(o);
    double deliveries = highest(&p->publish) * o->connections / rooms;
    if (deliveries / o->clients > PLAN_RECEIVED_PER_S_MAX)
        return refuse(fault, index, "publish_rate",
                      "%.10g publishes a second are %.3g deliveries a second in rooms of this "
                      "size, more than any one client can read (%.3g at most); share them between "
                      "several with --agents",
                      highest(&p->publish), deliveries, PLAN_RECEIVED_PER_S_MAX);
    return true;
}

bool plan_check(const struct plan *plan, const struct load_options *o, struct plan_fault *fault) {
    struct plan_needs needs;
    plan_measure(plan, &needs);
    double churn_percent = needs.churn ? o->churn_percent : 0;
    if (plan->count == 0)
        return refuse(fault, PLAN_PHASES_MAX, "phases", "a plan wants at least one phase");
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct phase *p = &plan->phases[i];
        if (!check_phase(plan, i, o, fault) || !check_client(p, i, o, fault))
            return false;
        if (p->slow_percent > 0 && p->slow_percent + churn_percent > 100)
            return refuse(fault, i, "slow_percent",
                          "%.10g %% slow readers and %.10g %% churners (--churn-percent) are more "
                          "than everybody",
                          p->slow_percent, churn_percent);
    }
    if (needs.duration_s > PLAN_DURATION_S_MAX)
        return refuse(fault, PLAN_PHASES_MAX, "phases",
                      "all phases take %.10g s, a week is the most (%.10g s); --speed makes them "
                      "shorter",
                      needs.duration_s, PLAN_DURATION_S_MAX);
    return check_measured(plan, &needs, fault);
}

const char *plan_option_of(const char *key) {
    static const char *const names[][2] = {
        {"publish_rate", "--rate"},         {"ping_rate", "--rate"},
        {"publish_rate_end", "--rate-end"}, {"ping_rate_end", "--rate-end"},
        {"churn_rate", "--churn-rate"},     {"cut_percent", "--cut-percent"},
        {"slow_percent", "--slow-percent"}, {"slow_bytes_per_s", "--slow-bytes-per-s"},
        {"duration_s", "--duration-s"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i][0], key) == 0)
            return names[i][1];
    return key;
}
