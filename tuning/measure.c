#include "tuning/measure.h"

#include <stdlib.h>
#include <string.h>

#include "sched/base/clock.h"
#include "tuning/machine.h"
#include "tuning/measure_memory.h"
#include "tuning/measure_messages.h"
#include "tuning/measure_report.h"
#include "tuning/measure_words.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_TARGET 4

#define FEW_SCHEDULERS_MAX 2 // with one CPU there is no second side

// How many connections the server's descriptors allow, when that is less than `wanted`: it is asked
// whether so many fit, and names the number when they do not. 0: they fit, or memory ends first.
static double descriptors_limit(const struct measure_rig *rig, uint32_t schedulers, double wanted) {
    static const char mark[] = " fit with --schedulers";
    struct child_arguments arguments = {0};
    char line[CHILD_ERROR_BYTES];
    child_argument(&arguments, "serve");
    child_argument(&arguments, "--check-config");
    child_pair(&arguments, "schedulers", "%u", schedulers);
    child_pair(&arguments, "connections-max", "%.0f", wanted);
    if (measure_server_ask(rig, &arguments, line) == 0)
        return 0;
    const char *at = strstr(line, mark);
    if (at == NULL)
        return 0;
    while (at > line && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return strtod(at, NULL);
}

static void read_machine(const struct measure_rig *rig, struct measure_result *result) {
    struct measure_memory *memory = calloc(1, sizeof(*memory));
    struct machine *machine = calloc(1, sizeof(*machine));
    char text[4096];
    CHECKF(memory && machine, "no memory at start-up");
    measure_memory_read(0, 0, memory);
    machine_read(machine, "");
    // The tighter of host and control group, and of nofile and the whole host's open files.
    double group_bytes = (double)machine_memory_bytes(machine);
    result->cpu_count = rig->cpu_count;
    result->memory_available_bytes = memory->available_bytes;
    if (group_bytes > 0 && group_bytes < memory->available_bytes)
        result->memory_available_bytes = group_bytes;
    if (machine_has(machine, MACHINE_FILE_MAX) && machine_has(machine, MACHINE_FILE_NR))
        result->files_max = (double)machine_get(machine, MACHINE_FILE_MAX) -
                            (double)machine_get(machine, MACHINE_FILE_NR);
    free(machine);
    measure_file_read("/proc/meminfo", text, sizeof(text));
    result->memory_total_bytes = measure_field_decode(text, "MemTotal");
    free(memory);
}

static void read_limits(const struct measure_rig *rig, struct measure_result *result) {
    struct model_costs costs;
    for (int side = 0; side < MEASURE_SIDE_COUNT; side++) {
        if (!measure_result_costs(result, (enum measure_side_name)side, &costs))
            continue;
        double wanted = model_connections_in(&costs, result->memory_available_bytes);
        result->connections_max[side] =
            descriptors_limit(rig, side == MEASURE_ALL ? rig->cpu_count : 1, wanted);
        double *limit = &result->connections_max[side];
        if (result->files_max > 0 && result->files_max < wanted &&
            (*limit == 0 || result->files_max < *limit))
            *limit = result->files_max;
    }
}

// Each part in turn; false: an error stands in `error`. What was measured before it stays.
static bool measure_all(struct measure_rig *rig, const struct tune_options *o,
                        struct measure_result *result, char *error) {
    read_machine(rig, result);
    if (rig->cpu_count == 1)
        measure_remark(result, "one CPU: the client's work slows the server's");
    if (!measure_memory_run(rig, o, result, error) ||
        !measure_heartbeats_run(rig, o, result, error) ||
        !measure_messages_run(rig, o, MEASURE_ONE, result, error))
        return false;
    if (rig->cpus_all_count >= FEW_SCHEDULERS_MAX &&
        !measure_messages_run(rig, o, MEASURE_ALL, result, error))
        return false;
    read_limits(rig, result);
    if (result->connections_max[MEASURE_ONE] > 0 &&
        result->connections_max[MEASURE_ONE] == result->files_max)
        measure_remark(result, "open files of the host (fs.file-max) end before memory does: "
                               "`fairlead tune` tells how to lift it");
    return true;
}

static int read_file(const struct tune_options *o, struct measure_result *result) {
    json_error_t cause;
    char error[MEASURE_ERROR_BYTES];
    json_t *all = json_load_file(o->from_file, 0, &cause);
    const json_t *measured = json_object_get(all, "measured");
    bool is_good = false;
    if (all == NULL)
        fprintf(stderr, "fairlead tune: %s: %s\n", o->from_file, cause.text);
    else if (measured == NULL)
        fprintf(stderr, "fairlead tune: %s is no result of --measure --json\n", o->from_file);
    else if (!(is_good = measure_result_decode(measured, result, error)))
        fprintf(stderr, "fairlead tune: %s: %s\n", o->from_file, error);
    json_decref(all);
    return is_good ? EXIT_OK : EXIT_USAGE;
}

static int measure_now(const struct tune_options *o, struct measure_result *result) {
    char error[MEASURE_RIG_ERROR_BYTES] = "";
    struct measure_rig rig;
    if (!measure_rig_open(&rig, (uint16_t)o->port, o->is_quiet, error)) {
        fprintf(stderr, "fairlead tune: %s\n", error);
        return EXIT_TARGET;
    }
    uint64_t begin_ns = clock_monotonic_ns();
    result->rooms_of = o->rooms_of;
    int code = EXIT_OK;
    if (!measure_all(&rig, o, result, error)) {
        result->was_stopped = measure_rig_is_stopped(&rig);
        code = result->was_stopped            ? EXIT_FAILED
               : rig.ended_code == EXIT_USAGE ? EXIT_USAGE
                                              : EXIT_TARGET;
        fprintf(stderr, "fairlead tune: %s\n", error);
    }
    result->seconds = (double)(clock_monotonic_ns() - begin_ns) / (double)NS_PER_S;
    measure_rig_close(&rig);
    return code;
}

int measure_run(const struct tune_options *o) {
    if (!measure_words_can_write(o->json_file) || !measure_words_can_write(o->html_file))
        return EXIT_USAGE;
    struct measure_result *result = calloc(1, sizeof(*result));
    struct measure_answers answers;
    CHECKF(result, "no memory at start-up");
    int code = o->from_file[0] ? read_file(o, result) : measure_now(o, result);
    bool has_parts = result->user_bytes > 0;
    if (code == EXIT_OK || has_parts) {
        measure_report_answer(result, o, &answers);
        if (code == EXIT_OK && o->users > 0 && !answers.all[answers.best].users_fit)
            code = EXIT_FAILED;
        if (!measure_report_print(result, &answers, o, code))
            code = EXIT_FAILED;
    }
    free(result);
    return code;
}
