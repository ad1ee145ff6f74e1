// One row of the actor runtime's benchmark, once: `runtime_bench ROW [--operations N] [--cpus A,B]`
// prints one line of JSON. The runner (tests/bench/rows_runtime.mjs) pins it, runs it in turns with
// runtime_bench.erl, and judges.
#include "tests/bench/runtime/runtime_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct row {
    const char *name;
    struct row_result (*run)(const struct row_options *options);
} rows[] = {
    {"spawn", row_spawn},
    {"spawn-fresh", row_spawn_fresh},
    {"memory", row_memory},
    {"send", row_send},
    {"ring", row_ring},
    {"million", row_million},
    {"mesh-one-way", row_mesh_one_way},
    {"mesh-both", row_mesh_both},
    {"mesh-one-thread", row_mesh_one_thread},
    {"call", row_call},
    {"timer", row_timer},
    {"timed", row_timed},
    {"timer-quiet", row_timer_quiet},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static int usage(void) {
    fprintf(stderr, "usage: runtime_bench ROW [--operations N] [--cpus A,B]\nrows:");
    for (size_t i = 0; i < ROW_COUNT; i++)
        fprintf(stderr, " %s", rows[i].name);
    fprintf(stderr, "\n");
    return 2;
}

// Of this process, so that the runner knows what others used meanwhile.
static uint64_t cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void print(const struct row *row, const struct row_result *result) {
    printf("{\"row\":\"%s\",\"operations\":%lu,\"elapsed_ns\":%lu", row->name, result->operations,
           result->elapsed_ns);
    if (result->operations > 0)
        printf(",\"ns\":%.3f", (double)result->elapsed_ns / (double)result->operations);
    printf(",\"cpu_ns\":%lu,\"bytes\":%.3f,\"count\":%.3f}\n", cpu_ns(), result->bytes,
           result->count);
}

int main(int argc, char **argv) {
    struct row_options options = {.cpus = {0, 1}};
    const struct row *row = NULL;
    for (size_t i = 0; argc > 1 && i < ROW_COUNT; i++)
        if (strcmp(argv[1], rows[i].name) == 0)
            row = &rows[i];
    if (!row)
        return usage();
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc)
            return usage();
        if (strcmp(argv[i], "--operations") == 0)
            options.operations = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--cpus") != 0 ||
                 sscanf(argv[i + 1], "%u,%u", &options.cpus[0], &options.cpus[1]) != 2)
            return usage();
    }
    struct row_result result = row->run(&options);
    print(row, &result);
    return 0;
}
