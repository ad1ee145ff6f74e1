#include "tuning/knee_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/clock.h"
#include "tuning/knee_report.h"
#include "tuning/measure_rig.h"
#include "tuning/measure_words.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_CLIENT 3
#define EXIT_TARGET 4

#define START_DELIVERIES_PER_S 20000.0 // where the climb begins, when nothing is said
#define STEP_MESSAGES_MIN 10.0         // at the lowest rate: fewer say nothing
#define RESOLUTION 0.05
#define STEPS_MAX 60
#define BETWEEN_MS 300 // for the server to end the connections of the step before

static bool is_rooms(const struct tune_options *o) {
    return strcmp(o->scenario, "echo") != 0;
}

static void load_arguments(const struct tune_options *o, double rate,
                           struct child_arguments *arguments) {
    *arguments = (struct child_arguments){0};
    child_argument(arguments, "%s", o->scenario);
    child_pair(arguments, "connections", "%u", o->connections);
    if (is_rooms(o))
        child_pair(arguments, "room-size", "%u", o->rooms_of);
    child_pair(arguments, "rate", "%.6f", rate);
    child_pair(arguments, "connect-rate", "%u", MEASURE_WORDS_CONNECT_RATE);
    child_pair(arguments, "warmup-s", "%g", fmin(1, o->step_s));
    child_pair(arguments, "duration-s", "%g", o->step_s);
    child_pair(arguments, "straggler-s", "1");
    measure_words_append(o->load_words, arguments);
}

static void add_counters(const struct measure_run *run, struct knee_facts *facts) {
    facts->has_server = run->has_counters;
    facts->server_drops = (uint64_t)fmax(run->counters.dropped, 0);
    facts->server_overflows = (uint64_t)fmax(run->counters.overflows, 0);
    facts->server_busy = (uint64_t)fmax(run->counters.busy, 0);
}

// One step. false: there is no result; error says why.
static bool step(struct measure_rig *rig, const struct measure_server *server,
                 const struct tune_options *o, double rate, struct knee_step *told, char *error) {
    struct child_arguments *arguments = malloc(sizeof(*arguments));
    struct measure_run *run = malloc(sizeof(*run));
    struct knee_facts *facts = malloc(sizeof(*facts));
    CHECKF(arguments && run && facts, "no memory at start-up");
    *told = (struct knee_step){.rate = rate};
    load_arguments(o, rate, arguments);
    bool has_result = measure_rig_run(rig, server, arguments, run, error);
    if (has_result) {
        measure_load_facts(&run->load, facts);
        add_counters(run, facts);
        told->verdict = knee_judge(facts, o->slo_ms * 1e6, told->why);
        if (told->verdict == KNEE_TARGET || told->verdict == KNEE_CLIENT)
            snprintf(told->why, sizeof(told->why), "%.*s", KNEE_WHY_BYTES - 1,
                     told->verdict == KNEE_CLIENT ? run->load.limit_cause : run->load.verdict);
        double window_s = (double)(run->load.end_ns - run->load.begin_ns) / (double)NS_PER_S;
        told->sent_per_s = window_s > 0 ? run->load.sent / window_s : 0;
        told->received_per_s = window_s > 0 ? run->load.received / window_s : 0;
        told->p50_ns = run->load.p50_ns;
        told->p99_ns = run->load.p99_ns;
        told->client_cpu = run->load.client_cpu;
        told->server_cpu = run->has_usage ? run->usage.server_ns / 1e9 / run->usage.seconds : NAN;
        told->foreign_cpu = run->has_usage ? run->usage.foreign_ns / 1e9 / run->usage.seconds : 0;
    }
    free(arguments);
    free(run);
    free(facts);
    return has_result;
}

static int exit_code(const struct measure_rig *rig, const struct knee_report *report) {
    const struct knee *knee = &report->knee;
    if (knee->fail_why == KNEE_TARGET)
        return EXIT_TARGET;
    if (report->was_stopped)
        return EXIT_FAILED;
    if (report->error[0] != '\0') // its words for us, when it is about our own
        return rig->ended_code == EXIT_USAGE ? EXIT_USAGE : EXIT_TARGET;
    if (knee->fail_why == KNEE_CLIENT)
        return EXIT_CLIENT;
    return knee->pass > 0 ? EXIT_OK : EXIT_FAILED;
}

static void search(struct measure_rig *rig, const struct measure_server *server,
                   const struct tune_options *o, struct knee_report *report) {
    struct knee *knee = &report->knee;
    knee_begin(knee);
    knee_report_begin(report, o);
    while (!knee->is_done && report->error[0] == '\0') {
        struct knee_step *told = &report->steps[report->step_count];
        if (!step(rig, server, o, knee->rate, told, report->error))
            break;
        report->step_count++;
        knee_tell(knee, told->verdict);
        knee_report_step(report, o);
        if (!measure_rig_sleep(rig, BETWEEN_MS))
            break;
    }
    report->was_stopped = measure_rig_is_stopped(rig);
    if (report->was_stopped)
        report->error[0] = '\0';
}

static bool open_server(struct measure_rig *rig, const struct tune_options *o,
                        struct measure_server *server, char *error) {
    if (o->target[0] != '\0') {
        measure_server_foreign(server, o->target, o->control);
        return true;
    }
    struct child_arguments *more = calloc(1, sizeof(*more));
    CHECKF(more, "no memory at start-up");
    measure_words_append(o->serve_words, more);
    struct measure_server_order order = {.has_all_cpus = o->has_all_cpus, .more = more};
    bool is_open = measure_server_start(rig, &order, server, error);
    free(more);
    return is_open;
}

static void begin_rates(const struct tune_options *o, struct knee *knee) {
    double start = o->rate_start;
    if (start <= 0)
        start = START_DELIVERIES_PER_S / (is_rooms(o) ? o->rooms_of : 1);
    knee->rate_max = o->rate_max;
    knee->rate_start = fmin(fmax(start, 1), o->rate_max);
    knee->rate_min = fmin(STEP_MESSAGES_MIN / o->step_s, knee->rate_start);
    knee->resolution = RESOLUTION;
    knee->tries = o->tries;
    knee->step_max = STEPS_MAX;
}

int knee_run(const struct tune_options *o) {
    if (!measure_words_can_write(o->json_file) || !measure_words_can_write(o->html_file))
        return EXIT_USAGE;
    struct knee_report *report = calloc(1, sizeof(*report));
    struct measure_rig rig;
    struct measure_server server = {0};
    CHECKF(report, "no memory at start-up");
    _Static_assert(STEPS_MAX <= KNEE_REPORT_STEPS_MAX, "each step has a row");
    report->is_rooms = is_rooms(o);
    begin_rates(o, &report->knee);
    int code = EXIT_TARGET;
    if (!measure_rig_open(&rig, (uint16_t)o->port, o->is_quiet, report->error)) {
        fprintf(stderr, "fairlead tune: %s\n", report->error);
        free(report);
        return code;
    }
    if (open_server(&rig, o, &server, report->error)) {
        report->is_local = server.child.pid > 0;
        report->shares_cpu = server.shares_cpu;
        report->schedulers = server.schedulers;
        search(&rig, &server, o, report);
        code = exit_code(&rig, report);
        if (!knee_report_end(report, o, code))
            code = EXIT_FAILED;
    } else {
        fprintf(stderr, "fairlead tune: %s\n", report->error);
        code = rig.ended_code == EXIT_USAGE ? EXIT_USAGE : EXIT_TARGET;
    }
    measure_server_stop(&server);
    measure_rig_close(&rig);
    free(report);
    return code;
}
