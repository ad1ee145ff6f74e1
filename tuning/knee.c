#include "tuning/knee.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define TREND_INTERVALS_MIN 4
#define TREND_PAIRS_MIN 0.9
#define TREND_GROWTH_MIN 0.1 // of the bound

PRINTF_LIKE(3, 4)
static enum knee_verdict say(enum knee_verdict verdict, char *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, KNEE_WHY_BYTES, format, arguments);
    va_end(arguments);
    return verdict;
}

// The middle of the intervals from `from`, `count` of them; count is 1, 2 or a
// third of all.
static double mean_of(const double *values, uint32_t from, uint32_t count) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += values[from + i];
    return sum / count;
}

bool knee_is_growing(const double *p50_ns, uint32_t interval_count, double slo_ns) {
    if (interval_count < TREND_INTERVALS_MIN)
        return false;
    uint64_t rising = 0, pairs = 0;
    for (uint32_t i = 0; i < interval_count; i++)
        for (uint32_t j = i + 1; j < interval_count; j++, pairs++)
            rising += p50_ns[j] > p50_ns[i];
    uint32_t third = interval_count / 3;
    double growth = mean_of(p50_ns, interval_count - third, third) - mean_of(p50_ns, 0, third);
    return (double)rising >= TREND_PAIRS_MIN * (double)pairs && growth > TREND_GROWTH_MIN * slo_ns;
}

static enum knee_verdict judge_server(const struct knee_facts *f, char *why) {
    if (f->is_unreachable)
        return say(KNEE_TARGET, why, "the target is unreachable or refuses connections");
    if (f->lost + f->duplicates + f->disordered > 0)
        return say(KNEE_LOST, why,
                   "%" PRIu64 " messages lost or still missing, %" PRIu64 " twice, %" PRIu64
                   " out of order",
                   f->lost, f->duplicates, f->disordered);
    if (f->announced_lost > 0)
        return say(KNEE_LOST, why, "the server announced %" PRIu64 " messages as lost",
                   f->announced_lost);
    if (f->unanswered + f->rejected > 0)
        return say(KNEE_LOST, why, "%" PRIu64 " requests unanswered, %" PRIu64 " rejected",
                   f->unanswered, f->rejected);
    if (f->dropped_connections > 0)
        return say(KNEE_DROPPED, why, "%" PRIu64 " connections closed by the server",
                   f->dropped_connections);
    if (f->refused_connections > 0)
        return say(KNEE_DROPPED, why, "%" PRIu64 " connections did not come about",
                   f->refused_connections);
    if (f->has_server && f->server_drops + f->server_overflows + f->server_busy > 0)
        return say(KNEE_OVERFLOW, why,
                   "the server counts %" PRIu64 " dropped, %" PRIu64 " queue overflows, %" PRIu64
                   " refused as busy",
                   f->server_drops, f->server_overflows, f->server_busy);
    return KNEE_PASS;
}

enum knee_verdict knee_judge(const struct knee_facts *f, double slo_ns, char *why) {
    why[0] = '\0';
    enum knee_verdict verdict = judge_server(f, why);
    if (verdict != KNEE_PASS)
        return verdict;
    if (f->client_was_limit)
        return say(KNEE_CLIENT, why, "the client was the limit");
    if (f->offered <= 0 || f->sent < KNEE_ACHIEVED_MIN * f->offered)
        return say(KNEE_ACHIEVED, why, "only %.1f %% of the offered rate was achieved",
                   f->offered > 0 ? 100 * f->sent / f->offered : 0.0);
    if (f->p99_ns > slo_ns)
        return say(KNEE_LATENCY, why, "p99 %.1f ms, the bound is %.4g ms", f->p99_ns / 1e6,
                   slo_ns / 1e6);
    if (knee_is_growing(f->p50_ns, f->interval_count, slo_ns))
        return say(KNEE_BACKLOG, why, "the backlog grows: p50 %.2f ms at first, %.2f ms at last",
                   f->p50_ns[0] / 1e6, f->p50_ns[f->interval_count - 1] / 1e6);
    return KNEE_PASS;
}

void knee_begin(struct knee *knee) {
    CHECK(knee->rate_min > 0 && knee->rate_min <= knee->rate_start &&
          knee->rate_start <= knee->rate_max);
    CHECK(knee->resolution > 0 && knee->tries > 0 && knee->step_max > 0);
    knee->rate = knee->rate_start;
    knee->pass = knee->fail = 0;
    knee->fail_why = KNEE_PASS;
    knee->failures = knee->step_count = knee->client_rates = 0;
    knee->is_done = false;
}

// The next rate by what passed and what failed so far.
static void choose_next(struct knee *knee) {
    double next = 0;
    if (knee->pass == 0)
        next = knee->fail / 2;
    else if (knee->fail == 0)
        next = knee->pass * 2;
    else if (knee->fail / knee->pass > 1 + knee->resolution)
        next = sqrt(knee->fail * knee->pass);
    // The last doubling and the last halving end at the bounds themselves.
    if (next > knee->rate_max)
        next = knee->pass < knee->rate_max ? knee->rate_max : 0;
    if (next > 0 && next < knee->rate_min)
        next = knee->fail > knee->rate_min ? knee->rate_min : 0;
    if (next == 0)
        knee->is_done = true;
    else
        knee->rate = next;
}

void knee_tell(struct knee *knee, enum knee_verdict verdict) {
    CHECK(!knee->is_done);
    knee->step_count++;
    if (verdict == KNEE_PASS) {
        knee->pass = knee->rate;
        knee->failures = 0;
        choose_next(knee);
    } else if (verdict == KNEE_TARGET) {
        knee->fail_why = verdict;
        knee->is_done = true;
    } else if (++knee->failures >= knee->tries) {
        knee->fail = knee->rate;
        knee->fail_why = verdict;
        knee->failures = 0;
        knee->client_rates += verdict == KNEE_CLIENT && knee->pass == 0;
        choose_next(knee);
    }
    knee->is_done |= knee->pass == 0 && knee->client_rates >= KNEE_CLIENT_RATES_MAX;
    if (knee->step_count >= knee->step_max)
        knee->is_done = true;
}

const char *knee_verdict_name(enum knee_verdict verdict) {
    static const char *const names[KNEE_VERDICT_COUNT] = {
        [KNEE_PASS] = "pass",       [KNEE_TARGET] = "target",     [KNEE_LOST] = "lost",
        [KNEE_DROPPED] = "dropped", [KNEE_OVERFLOW] = "overflow", [KNEE_CLIENT] = "client",
        [KNEE_ACHIEVED] = "rate",   [KNEE_LATENCY] = "p99",       [KNEE_BACKLOG] = "backlog",
    };
    return names[verdict];
}

// Four digits of a small rate, all of a large one.
static void rate_text(double rate, char text[32]) {
    snprintf(text, 32, rate < 1000 ? "%.4g" : "%.0f", rate);
}

void knee_describe(const struct knee *knee, const char *unit, double slo_ns, char *text,
                   uint32_t text_size) {
    double slo_ms = slo_ns / 1e6;
    char pass[32], fail[32];
    const char *why = knee_verdict_name(knee->fail_why);
    rate_text(knee->pass, pass);
    rate_text(knee->fail > 0 ? knee->fail : knee->rate, fail);
    if (knee->fail_why == KNEE_TARGET)
        snprintf(text, text_size, "no answer: the target is unreachable or refuses connections");
    else if (knee->pass == 0 && knee->fail_why == KNEE_CLIENT)
        snprintf(text, text_size,
                 "no answer: the client was the limit even at %s %s; is this machine busy with "
                 "something else?",
                 fail, unit);
    else if (knee->pass == 0)
        snprintf(text, text_size, "no rate keeps p99 under %.4g ms: even %s %s fail (%s)", slo_ms,
                 fail, unit, why);
    else if (knee->fail == 0)
        snprintf(text, text_size, "at least %s %s with p99 under %.4g ms: no faster was tried",
                 pass, unit, slo_ms);
    else if (knee->fail_why == KNEE_CLIENT)
        snprintf(text, text_size,
                 "at least %s %s with p99 under %.4g ms; at %s the client was the limit", pass,
                 unit, slo_ms, fail);
    else
        snprintf(text, text_size, "%s %s with p99 under %.4g ms; %s fail (%s)", pass, unit, slo_ms,
                 fail, why);
}
