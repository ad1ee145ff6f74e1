// The simulator: the real gateway, rooms and schedulers on simulated rings and one simulated clock.
//
//   sim SEED [SEEDS=n] [CORES=n] [STEPS=n] [JOBS=n] [TRACE=1]
//
// One seed: runs it and prints its counts and digest. SEEDS: a campaign from SEED on, each seed in
// a process of its own, so that a CHECK that fails is one seed's failure; ends in the line
// `sim: N passed, N failed`. Exit 0: all passed, 1: a seed failed, 2: usage.
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/base/clock.h"
#include "tests/sim/world.h"

#define SEED_TIMEOUT_S 120 // a turn that never ends; everything else is bounded by steps
#define JOBS_MAX 64
#define FAILURES_SHOWN_MAX 5

struct options {
    struct world_options world;
    uint64_t seed_count;
    uint32_t jobs;
    bool traces;
    bool stops_at_first;
};

static struct {
    struct world world;
    uint64_t step;
    bool traces;
} sim;

void sim_at(uint64_t step) {
    sim.step = step;
}

bool sim_traces(void) {
    return sim.traces;
}

void sim_trace(const char *format, ...) {
    if (!sim.traces)
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%8" PRIu64 " %12.6f ", sim.step, (double)sim.world.now_ns / 1e9);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void sim_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "sim: seed %" PRIu64 ", step %" PRIu64 ", %.6f s: ", sim.world.options.seed,
            sim.step, (double)sim.world.now_ns / 1e9);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "%s\n", sim.world.has_short_memory ? " (memory is short)" : "");
    va_end(arguments);
    fflush(stdout);
    _exit(1);
}

// The gateway's own CHECK has said why.
static void on_abort(int signal_number) {
    char text[128];
    int size = snprintf(text, sizeof(text), "sim: seed %" PRIu64 ", step %" PRIu64 ": signal %d\n",
                        sim.world.options.seed, sim.step, signal_number);
    (void)!write(STDERR_FILENO, text, (size_t)size);
    _exit(1);
}

static void run_seed(const struct options *options, uint64_t seed) {
    struct world_options world = options->world;
    world.seed = seed;
    signal(SIGABRT, on_abort);
    sim.traces = options->traces;
    world_open(&sim.world, &world);
    world_run(&sim.world);
    if (options->seed_count == 0)
        world_print(&sim.world);
    for (uint32_t i = 0; i < sim.world.client_count; i++)
        client_fini(&sim.world.clients[i]);
    model_fini(&sim.world.model);
    mqtt_clients_fini(&sim.world);
    free(sim.world.probes);
    free(sim.world.cores);
}

// --- campaign ------------------------------------------------------------------------------------

struct job {
    pid_t pid;
    uint64_t seed;
    FILE *words;
};

struct campaign {
    const struct options *options;
    struct job jobs[JOBS_MAX];
    uint64_t next_seed;
    uint64_t end_seed;
    uint32_t running;
    uint64_t passed;
    uint64_t failed;
};

static void start(struct campaign *campaign) {
    struct job *job = campaign->jobs;
    while (job->pid != 0)
        job++;
    job->seed = campaign->next_seed++;
    job->words = tmpfile();
    CHECK(job->words);
    fflush(stdout);
    job->pid = fork();
    CHECK(job->pid >= 0);
    if (job->pid == 0) {
        dup2(fileno(job->words), STDERR_FILENO);
        alarm(SEED_TIMEOUT_S);
        run_seed(campaign->options, job->seed);
        exit(0);
    }
    campaign->running++;
}

static void show(const struct job *job, int status) {
    char line[512];
    rewind(job->words);
    printf("seed %" PRIu64 " failed", job->seed);
    if (WIFSIGNALED(status))
        printf(": %s", WTERMSIG(status) == SIGALRM ? "a turn does not end" : "killed");
    printf("; replay: make sim SEED=%" PRIu64 "\n", job->seed);
    while (fgets(line, sizeof(line), job->words))
        printf("    %s", line);
}

static void finish(struct campaign *campaign) {
    int status;
    pid_t pid = wait(&status);
    struct job *job = campaign->jobs;
    while (job->pid != pid)
        job++;
    if (status == 0) {
        campaign->passed++;
    } else {
        campaign->failed++;
        if (campaign->failed <= FAILURES_SHOWN_MAX)
            show(job, status);
        if (campaign->options->stops_at_first)
            campaign->end_seed = campaign->next_seed;
    }
    fclose(job->words);
    *job = (struct job){0};
    campaign->running--;
    uint64_t done = campaign->passed + campaign->failed;
    uint64_t tenth = campaign->options->seed_count / 10;
    if (tenth > 0 && done % tenth == 0) {
        printf("  %" PRIu64 " of %" PRIu64 " seeds\n", done, campaign->options->seed_count);
        fflush(stdout);
    }
}

static int run_campaign(const struct options *options) {
    struct campaign campaign = {.options = options,
                                .next_seed = options->world.seed,
                                .end_seed = options->world.seed + options->seed_count};
    while (campaign.next_seed < campaign.end_seed || campaign.running > 0) {
        if (campaign.next_seed < campaign.end_seed && campaign.running < options->jobs)
            start(&campaign);
        else
            finish(&campaign);
    }
    printf("sim: %" PRIu64 " passed, %" PRIu64 " failed\n", campaign.passed, campaign.failed);
    return campaign.failed > 0;
}

// --- main ----------------------------------------------------------------------------------------

static bool read_number(const char *argument, const char *name, uint64_t *value) {
    size_t size = strlen(name);
    if (strncmp(argument, name, size) != 0 || argument[size] != '=')
        return false;
    char *end;
    *value = strtoull(argument + size + 1, &end, 10);
    return *end == '\0';
}

static bool read_options(int argc, char **argv, struct options *options) {
    uint64_t seed = 1, cores = 0, steps = 0, jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t traces = 0, first = 0;
    for (int i = 1; i < argc; i++) {
        if (!read_number(argv[i], "SEED", &seed) &&
            !read_number(argv[i], "SEEDS", &options->seed_count) &&
            !read_number(argv[i], "CORES", &cores) && !read_number(argv[i], "STEPS", &steps) &&
            !read_number(argv[i], "JOBS", &jobs) && !read_number(argv[i], "TRACE", &traces) &&
            !read_number(argv[i], "FIRST", &first))
            return false;
    }
    options->world = (struct world_options){
        .seed = seed, .core_count = (uint32_t)cores, .step_count = (uint32_t)steps};
    options->jobs = jobs < 1 ? 1 : jobs < JOBS_MAX ? (uint32_t)jobs : JOBS_MAX;
    options->traces = traces > 0;
    options->stops_at_first = first > 0;
    return cores <= WORLD_CORES_MAX;
}

int main(int argc, char **argv) {
    struct options options = {0};
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr, "usage: sim SEED=n [SEEDS=n [FIRST=1] [JOBS=n]] [CORES=1..8] [STEPS=n] "
                        "[TRACE=1]\n");
        return 2;
    }
    if (options.seed_count > 0)
        return run_campaign(&options);
    run_seed(&options, options.world.seed);
    return 0;
}
