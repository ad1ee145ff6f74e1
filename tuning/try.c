#include "tuning/try.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/clock.h"
#include "tuning/measure_words.h"
#include "tuning/try_report.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_TARGET 4

#define RATE_LOAD 0.5 // of one scheduler, without the knob
#define PROBE_S 1.0
#define PROBE_RATE(members) (0.2e9 / (8e3 + 2e3 * (members)))
#define BETWEEN_MS 300

struct trial {
    struct measure_rig rig;
    const struct tune_options *options;
    struct try_report *report;
    struct measure_run *run;
};

static void load_arguments(const struct tune_options *o, double rate, double seconds,
                           struct child_arguments *arguments) {
    *arguments = (struct child_arguments){0};
    child_argument(arguments, "rooms");
    child_pair(arguments, "connections", "%u", o->connections);
    child_pair(arguments, "room-size", "%u", o->rooms_of);
    child_pair(arguments, "rate", "%.6f", rate);
    child_pair(arguments, "connect-rate", "%u", MEASURE_WORDS_CONNECT_RATE);
    child_pair(arguments, "warmup-s", "%g", fmin(1, seconds));
    child_pair(arguments, "duration-s", "%g", seconds);
    child_pair(arguments, "straggler-s", "1");
    measure_words_append(o->load_words, arguments);
}

static bool is_scheduler_knob(const struct try_knob *knob) {
    return strcmp(knob->name, "schedulers") == 0 || strcmp(knob->name, "cpus") == 0;
}

// Whether `fairlead serve` has such an option and takes the value: before anything is measured.
static bool knows_knob(const struct trial *t, char *error) {
    const struct try_knob *knob = &t->report->knob;
    struct child_arguments arguments = {0};
    char line[CHILD_ERROR_BYTES];
    if (knob->is_sysctl)
        return true;
    child_argument(&arguments, "serve");
    child_argument(&arguments, "--check-config");
    measure_words_append(t->options->serve_words, &arguments);
    child_argument(&arguments, "--%s=%s", knob->name, knob->value);
    if (measure_server_ask(&t->rig, &arguments, line) == 0)
        return true;
    snprintf(error, MEASURE_RIG_ERROR_BYTES, "fairlead serve does not take --%s=%s: %s", knob->name,
             knob->value, line);
    return false;
}

// A run with a server of its own.
static bool run_once(struct trial *t, bool is_with, double rate, double seconds, double *resident,
                     char *error) {
    const struct tune_options *o = t->options;
    const struct try_knob *knob = &t->report->knob;
    struct child_arguments arguments, more = {0};
    struct measure_server server = {0};
    measure_words_append(o->serve_words, &more);
    if (is_with && !knob->is_sysctl)
        child_argument(&more, "--%s=%s", knob->name, knob->value);
    // More schedulers want more CPUs; without the knob there is one of each.
    bool has_all = o->has_all_cpus || (is_with && is_scheduler_knob(knob));
    struct measure_server_order order = {.has_all_cpus = has_all, .more = &more};
    load_arguments(o, rate, seconds, &arguments);
    if (!measure_server_start(&t->rig, &order, &server, error))
        return false;
    bool is_good = measure_rig_run(&t->rig, &server, &arguments, t->run, error);
    *resident = is_good ? measure_resident_bytes(server.child.pid) : NAN;
    measure_server_stop(&server);
    if (is_good && (!t->run->has_usage || t->run->load.received <= 0)) {
        snprintf(error, MEASURE_RIG_ERROR_BYTES, "%.*s", MEASURE_LOAD_TEXT_BYTES,
                 t->run->load.verdict);
        return false;
    }
    return is_good;
}

static void add_run(struct trial *t, bool is_with, double resident) {
    struct try_report *report = t->report;
    const struct measure_run *run = t->run;
    const struct measure_load *load = &run->load;
    double calls = run->has_counters && run->counters.delivered > 0
                       ? run->counters.enters / run->counters.delivered
                       : NAN;
    try_pairs_add(&report->series[TRY_CPU], is_with, run->usage.server_ns / load->received);
    try_pairs_add(&report->series[TRY_P50], is_with, load->p50_ns);
    try_pairs_add(&report->series[TRY_P99], is_with, load->p99_ns);
    try_pairs_add(&report->series[TRY_CONNECT], is_with, run->connect_ns);
    try_pairs_add(&report->series[TRY_MEMORY], is_with, resident);
    try_pairs_add(&report->series[TRY_SYSCALLS], is_with, calls);
    report->run_count++;
    report->client_limits += load->client_was_limit;
    report->failures += load->exit_code == 1;
}

// The rate that takes half of a scheduler: learnt without the knob.
static bool choose_rate(struct trial *t, char *error) {
    const struct tune_options *o = t->options;
    double resident, probe = fmax(PROBE_RATE((double)o->rooms_of), 1);
    t->report->rate = o->rate;
    if (o->rate > 0)
        return true;
    if (!run_once(t, false, probe, fmin(PROBE_S, o->step_s), &resident, error))
        return false;
    double publish_ns = t->run->usage.server_ns / t->run->load.received * o->rooms_of;
    double client_ns = t->run->load.client_cpu * 1e9 *
                       ((double)(t->run->load.end_ns - t->run->load.begin_ns) / 1e9) /
                       t->run->load.received * o->rooms_of;
    t->report->rate = fmax(floor(RATE_LOAD * 1e9 / fmax(publish_ns, client_ns)), 1);
    return true;
}

// Sets or puts back a sysctl for the run that comes; options need nothing.
static bool turn_knob(const struct try_knob *knob, bool is_with, char *error) {
    if (!knob->is_sysctl)
        return true;
    return try_knob_write(knob, is_with ? knob->value : knob->before, error);
}

static void run_pairs(struct trial *t) {
    const struct tune_options *o = t->options;
    struct try_report *report = t->report;
    FILE *out = strcmp(o->json_file, "-") == 0 ? stderr : stdout;
    if (!choose_rate(t, report->error))
        return;
    fprintf(out,
            "%s=%s: %u pairs, %u connections in rooms of %u, %.0f publishes/s, windows of %g s\n",
            report->knob.name, report->knob.value, o->pairs, o->connections, o->rooms_of,
            report->rate, o->step_s);
    fflush(out);
    for (uint32_t i = 0; i < 2 * o->pairs; i++) {
        bool is_with = try_pairs_is_with(i);
        double resident;
        if (!turn_knob(&report->knob, is_with, report->error) ||
            !run_once(t, is_with, report->rate, o->step_s, &resident, report->error))
            return;
        add_run(t, is_with, resident);
        try_report_run(report, o, is_with);
        if (!measure_rig_sleep(&t->rig, BETWEEN_MS))
            return;
    }
}

static int exit_code(const struct trial *t) {
    const struct try_report *report = t->report;
    if (report->was_stopped)
        return EXIT_FAILED;
    if (report->error[0] != '\0')
        return t->rig.ended_code == EXIT_USAGE ? EXIT_USAGE : EXIT_TARGET;
    enum try_shown verdict = try_report_verdict(report);
    return verdict == TRY_WORSE || verdict == TRY_MIXED ? EXIT_FAILED : EXIT_OK;
}

// With the knob's guard in place.
static int run_guarded(struct trial *t) {
    struct try_report *report = t->report;
    struct try_guard guard;
    char error[TRY_KNOB_ERROR_BYTES];
    if (!try_guard_open(&guard, &report->knob, error)) {
        fprintf(stderr, "fairlead tune: %s\n", error);
        return EXIT_FAILED;
    }
    run_pairs(t);
    report->was_stopped = measure_rig_is_stopped(&t->rig);
    bool is_back = try_guard_close(&guard, &report->knob, error);
    int code = exit_code(t);
    if (report->run_count > 0) {
        if (!try_report_end(report, t->options, code))
            code = EXIT_FAILED;
    } else {
        fprintf(stderr, "fairlead tune: %s\n", report->error);
    }
    if (!is_back) {
        fprintf(stderr, "fairlead tune: %s\n", error);
        return EXIT_FAILED;
    }
    return code;
}

int try_run(const struct tune_options *o) {
    if (!measure_words_can_write(o->json_file) || !measure_words_can_write(o->html_file))
        return EXIT_USAGE;
    struct trial t = {.options = o,
                      .report = calloc(1, sizeof(struct try_report)),
                      .run = calloc(1, sizeof(struct measure_run))};
    char error[MEASURE_RIG_ERROR_BYTES];
    CHECKF(t.report && t.run, "no memory at start-up");
    int code = EXIT_USAGE;
    try_report_init(t.report);
    if (!try_knob_parse(o->knob, &t.report->knob, error) ||
        !try_knob_look(&t.report->knob, o->root, error)) {
        fprintf(stderr, "fairlead tune: %s\n", error);
    } else if (!measure_rig_open(&t.rig, (uint16_t)o->port, o->is_quiet, error)) {
        fprintf(stderr, "fairlead tune: %s\n", error);
        code = EXIT_TARGET;
    } else {
        if (knows_knob(&t, error))
            code = run_guarded(&t);
        else
            fprintf(stderr, "fairlead tune: %s\n", error);
        measure_rig_close(&t.rig);
    }
    free(t.report);
    free(t.run);
    return code;
}
