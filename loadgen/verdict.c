#include "loadgen/verdict.h"

#include <stdarg.h>
#include <string.h>

#include "sched/base/clock.h"

static void say(struct verdict *v, enum verdict_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void say(struct verdict *v, enum verdict_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->sentence, sizeof(v->sentence), format, arguments);
    va_end(arguments);
    v->code = code;
}

static void measure(struct verdict *v, const struct load_options *o, const struct result *r) {
    if (r->window.end_ns <= r->window.begin_ns)
        return;
    v->window_s = (double)(r->window.end_ns - r->window.begin_ns) / (double)NS_PER_S;
    v->cpu = (double)r->window.cpu_ns / (double)NS_PER_S / v->window_s;
    if (r->part_count == 0) // a sum of several says nothing
        v->wait = (double)r->wait_ns / (double)NS_PER_S / v->window_s;
    double intended_s =
        (double)(r->window.intended_to_ns - r->window.intended_from_ns) / (double)NS_PER_S;
    v->offered_rate = (double)r->offered / intended_s;
    v->achieved_rate = (double)r->sent / intended_s;
    v->received_rate = (double)r->received / v->window_s;
}

struct expect_seen verdict_seen(const struct verdict *v, const struct result *r) {
    return (struct expect_seen){.result = r,
                                .sent_per_s = v->achieved_rate,
                                .received_per_s = v->received_rate,
                                .cpu = v->cpu};
}

static void find_client_limit(struct verdict *v, const struct load_options *o,
                              const struct result *r) {
    double lag_p99_ms = (double)histogram_quantile_ns(&r->send_lag, HISTOGRAM_P99) / 1e6;
    if (r->part_count > 0) // each agent judged itself: a sum of CPUs says nothing
        snprintf(v->limit_cause, sizeof(v->limit_cause), "%.*s", (int)sizeof(v->limit_cause) - 1,
                 r->limit);
    else if (v->cpu >= VERDICT_CPU_MAX && !o->has_flood)
        snprintf(v->limit_cause, sizeof(v->limit_cause), "its own CPU was %.0f %% busy",
                 v->cpu * 100);
    else if (v->wait >= VERDICT_WAIT_TOLD && v->cpu + v->wait >= VERDICT_CPU_MAX && !o->has_flood)
        snprintf(v->limit_cause, sizeof(v->limit_cause),
                 "it used a CPU for %.0f %% of the time and waited for one for %.0f %%, other load "
                 "on this machine had it",
                 v->cpu * 100, v->wait * 100);
    else if (!o->is_closed && lag_p99_ms > o->send_lag_max_ms)
        snprintf(v->limit_cause, sizeof(v->limit_cause),
                 "it sent late: p99 %.1f ms after the intended time (bound %.1f ms)", lag_p99_ms,
                 o->send_lag_max_ms);
    else if (!o->is_closed && r->offered > 0 &&
             (double)(r->sent + r->unsendable_window) < VERDICT_ACHIEVED_MIN * (double)r->offered)
        snprintf(v->limit_cause, sizeof(v->limit_cause), "it achieved %.1f %% of the offered rate",
                 100 * (double)r->sent / (double)r->offered);
    v->client_was_limit = v->limit_cause[0] != 0;
    size_t size = strlen(v->limit_cause);
    if (v->client_was_limit && v->wait >= VERDICT_WAIT_TOLD &&
        strstr(v->limit_cause, "waited") == NULL)
        snprintf(v->limit_cause + size, sizeof(v->limit_cause) - size,
                 "; own thread waited %.0f %% for a CPU", v->wait * 100);
}

// Appends "3 lost, " to `text` when there are any.
static void list(char *text, size_t capacity, uint64_t count, const char *what) {
    size_t size = strlen(text);
    if (count > 0)
        snprintf(text + size, capacity - size, "%s%llu %s", size ? ", " : "",
                 (unsigned long long)count, what);
}

static void say_failed(struct verdict *v, const char *text) {
    if (v->client_was_limit)
        say(v, VERDICT_FAILED, "FAILED: %s (and the client was the limit: %s)", text,
            v->limit_cause);
    else
        say(v, VERDICT_FAILED, "FAILED: %s", text);
}

// Of a fact that --expect speaks of, nothing more is wanted than that: such faults are listed when
// `is_expected`, all others when not.
static void list_faults(char *text, size_t capacity, const struct load_options *o,
                        const struct result *r, bool is_expected) {
    const struct {
        enum expect_metric metric;
        uint64_t count;
        const char *what;
    } faults[] = {
        {EXPECT_loss, r->verify.lost, "messages lost without a word"},
        {EXPECT_loss, r->verify.missing, "messages had not arrived when waiting ended"},
        {EXPECT_duplicates, r->verify.duplicates, "came twice"},
        {EXPECT_disorder, r->is_order_checked ? r->verify.disordered : 0, "came out of order"},
        {EXPECT_unanswered, r->unanswered, "requests were not answered"},
        {EXPECT_rejected, r->rejected, "requests were rejected"},
        {EXPECT_dropped, result_dropped_count(r), "connections were dropped by the server"},
        {EXPECT_will_loss, result_wills_missing(r), "wills did not come"},
        {EXPECT_will_duplicates, r->wills_twice, "wills came twice"},
        {EXPECT_will_duplicates, r->wills_wrong, "wills came of connections that were there"},
        {EXPECT_announced, o->fails_on_gap ? r->verify.announced : 0, "messages announced as lost"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (expect_has(&o->expect, faults[i].metric) == is_expected)
            list(text, capacity, faults[i].count, faults[i].what);
}

static bool has_failed(struct verdict *v, const struct load_options *o, const struct result *r) {
    char text[320] = "";
    list_faults(text, sizeof(text), o, r, false);
    list(text, sizeof(text), r->heartbeats_unanswered, "heartbeats were not answered");
    list(text, sizeof(text), r->was_interrupted ? 0 : r->storm_cut - r->storm_back,
         "of the clients that were cut had not come back when the run ended");
    struct expect_seen seen = verdict_seen(v, r);
    size_t size = strlen(text), between = size ? 2 : 0;
    if (size + 2 < sizeof(text) &&
        expect_list_failed(&o->expect, &seen, true, text + size + between,
                           sizeof(text) - size - between) > 0)
        memcpy(text + size, ", ", between);
    if (text[0] == 0)
        return false;
    say_failed(v, text);
    return true;
}

// Adds to the sentence.
static void append(struct verdict *v, const char *format, ...) PRINTF_LIKE(2, 3);
static void append(struct verdict *v, const char *format, ...) {
    size_t size = strlen(v->sentence);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->sentence + size, sizeof(v->sentence) - size, format, arguments);
    va_end(arguments);
}

// Also in an `ok` there may be loss, where --expect allowed it.
static void say_fate(struct verdict *v, const struct load_options *o, const struct result *r) {
    bool is_echo = load_options_is_echo(o);
    if (is_echo && r->unanswered == 0)
        append(v, ", all answered");
    else if (!is_echo && r->verify.lost + r->verify.missing == 0)
        append(v, r->verify.announced ? ", none lost unannounced" : ", none lost");
}

static void say_allowed(struct verdict *v, const struct load_options *o, const struct result *r) {
    char text[320] = "";
    list_faults(text, sizeof(text), o, r, true);
    list(text, sizeof(text), result_refused_count(r), "connections did not come about");
    if (text[0] != 0)
        append(v, " (allowed: %s)", text);
}

static void say_ok(struct verdict *v, const struct load_options *o, const struct result *r) {
    double p99_ms = (double)histogram_quantile_ns(&r->latency, HISTOGRAM_P99) / 1e6;
    double beat_p99_ms = (double)histogram_quantile_ns(&r->heartbeat, HISTOGRAM_P99) / 1e6;
    const char *again = r->was_interrupted ? " (interrupted)" : "";
    if (o->scenario == LOAD_OPTIONS_HOLD)
        say(v, VERDICT_OK, "ok%s: %u connections held", again, r->live);
    else if (load_options_is_echo(o))
        say(v, VERDICT_OK, "ok%s: %.0f replies/s, p99 %.2f ms", again, v->received_rate, p99_ms);
    else
        say(v, VERDICT_OK, "ok%s: %.0f publishes/s became %.0f deliveries/s, p99 %.2f ms", again,
            v->achieved_rate, v->received_rate, p99_ms);
    if (o->scenario == LOAD_OPTIONS_HOLD && r->heartbeat.count > 0)
        append(v, ", heartbeat p99 %.2f ms", beat_p99_ms);
    else if (o->scenario != LOAD_OPTIONS_HOLD)
        say_fate(v, o, r);
    if (r->storm_cut > 0 && r->storm_back == r->storm_cut && r->dropped_back == 0)
        append(v, "; all %llu that were cut were back within %.2f s",
               (unsigned long long)r->storm_cut, (double)r->recovery.max_ns / 1e9);
}

// Not enough to make the figures worthless, enough to be told before anybody reads them.
static void tell_disturbance(struct verdict *v) {
    if (v->wait >= VERDICT_WAIT_TOLD && !v->client_was_limit && v->window_s > 0)
        append(v,
               " (disturbed: own thread waited %.0f %% for a CPU that other load on this machine "
               "had; latencies are longer by that)",
               v->wait * 100);
}

static void decide(struct verdict *v, const struct load_options *o, const struct result *r) {
    struct expect_seen seen = verdict_seen(v, r);
    char failed[320];
    uint32_t refused = result_refused_count(r);
    if (r->live_max == 0 && refused == 0)
        say(v, r->was_interrupted ? VERDICT_OK : VERDICT_TARGET, "no connection was made");
    else if (r->live_max == 0)
        say(v, r->failures[RESULT_LOCAL] == refused ? VERDICT_CLIENT_LIMIT : VERDICT_TARGET,
            "no connection came about: %s", r->detail);
    else if (has_failed(v, o, r))
        return;
    else if (refused > 0 && !expect_has(&o->expect, EXPECT_refused))
        say(v, r->failures[RESULT_LOCAL] == refused ? VERDICT_CLIENT_LIMIT : VERDICT_TARGET,
            "%u of %u connections did not come about: %s", refused, r->wanted, r->detail);
    else if (v->client_was_limit)
        say(v, VERDICT_CLIENT_LIMIT, "THE CLIENT WAS THE LIMIT, not the server: %s",
            v->limit_cause);
    else if (expect_list_failed(&o->expect, &seen, false, failed, sizeof(failed)) > 0)
        say_failed(v, failed);
    else {
        say_ok(v, o, r);
        say_allowed(v, o, r);
    }
}

void verdict_decide(struct verdict *v, const struct load_options *o, const struct result *r) {
    *v = (struct verdict){0};
    measure(v, o, r);
    find_client_limit(v, o, r);
    decide(v, o, r);
    tell_disturbance(v);
}
