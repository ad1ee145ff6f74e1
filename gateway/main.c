// `fairlead <verb>`: serve here, load and tune by running fairlead-load and fairlead-tune beside
// this program, as git does.
#include "gateway/heart.h"
#include "gateway/heart_child.h"
#include "gateway/host.h"
#include "gateway/host_port.h"
#include "gateway/metrics.h"
#include "gateway/options.h"
#include "gateway/serve.h"
#include "io/features.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static const char usage[] =
    "usage: fairlead <verb> [options]\n"
    "\n"
    "  serve   host chat rooms for Phoenix clients over WebSocket\n"
    "  load    measure a server: connections, echo, rooms (docs/LOADGEN.md)\n"
    "  tune    tell what this machine will hold, what stops it first, how to lift that\n"
    "  help    this text; `fairlead help serve`, `help load`, `help tune` for their options\n"
    "\n"
    "  --version, --help\n"
    "\n"
    "Start with `fairlead serve`, then open http://127.0.0.1:8081/.\n";

// `verb` is "load" or "tune"; argv[0] will be the program.
static int run_beside(const char *verb, char **argv) {
    char path[PATH_MAX], name[32];
    snprintf(name, sizeof(name), "fairlead-%s", verb);
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
    if (size > 0) { // ".../fairlead" becomes ".../fairlead-load"
        snprintf(path + size, sizeof(path) - (size_t)size, "-%s", verb);
        argv[0] = path;
        execv(path, argv);
    }
    argv[0] = name;
    execvp(name, argv);
    fprintf(stderr, "fairlead %s: cannot run %s beside this program or from PATH: %s\n", verb, name,
            strerror(errno));
    return EXIT_FAILURE;
}

static void print_version(void) {
    printf("fairlead %s\n\n", FAIRLEAD_VERSION);
    features_print(stdout);
}

static int check_config(const struct config *config, const struct host_plan *plan) {
    char text[1024];
    host_plan_describe(plan, config, text, sizeof(text));
    printf("ok %s\n", text);
    return EXIT_SUCCESS;
}

// What needs no look at the machine; -1: go on.
static int run_action(const struct options *options) {
    switch (options->action) {
    case OPTION_ACTION_HELP:
        options_print_help(stdout);
        return EXIT_SUCCESS;
    case OPTION_ACTION_VERSION:
        print_version();
        return EXIT_SUCCESS;
    case OPTION_ACTION_PRINT_CONFIG:
        options_print_config(stdout, &options->config);
        return EXIT_SUCCESS;
    case OPTION_ACTION_SERVE:
    case OPTION_ACTION_CHECK_CONFIG:
    case OPTION_ACTION_PRINT_MEMORY:
        return -1;
    }
    UNREACHABLE();
}

// Descriptors 0 to 2 are the standard streams, whatever started this program without them.
static void fill_standard_streams(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

// A supervisor's child: what there is to decide it has decided.
static int run_child(void) {
    static struct heart_child child;
    char error[HEART_CHILD_ERROR_SIZE];
    if (!heart_child_open(&child, error)) {
        fprintf(stderr, "fairlead serve: %s\n", error);
        return EXIT_USAGE;
    }
    log_set_level(child.orders.config.log_level);
    return serve_run(&child.orders.config, &child.orders.plan, &child);
}

// `program` is the whole of main's argv.
static int run_serve(int argc, char **argv, char **program) {
    static struct options options;
    struct host host;
    struct host_plan plan;
    char error[OPTION_ERROR_SIZE];
    _Static_assert(OPTION_ERROR_SIZE >= HOST_ERROR_SIZE, "one buffer serves both");
    fill_standard_streams();
    if (heart_child_is())
        return run_child();
    if (!options_decode(&options, argc, argv, error)) {
        fprintf(stderr, "fairlead serve: %s\n", error);
        return EXIT_USAGE;
    }
    int status = run_action(&options);
    if (status >= 0)
        return status;
    log_set_level(options.config.log_level);
    host_read(&host, "");
    if (!host_bind_policy(&options.config, error) ||
        !host_plan_make(&options.config, &host, &plan, error)) {
        fprintf(stderr, "fairlead serve: %s\n", error);
        return EXIT_FAILURE;
    }
    if (options.action == OPTION_ACTION_CHECK_CONFIG)
        return check_config(&options.config, &plan);
    if (options.action == OPTION_ACTION_PRINT_MEMORY) {
        host_plan_print(&plan, stdout);
        return EXIT_SUCCESS;
    }
    for (uint32_t i = 0; i < options.config.listen_count; i++)
        if (!host_port_is_free("listen", &options.config.listen[i], error)) {
            fprintf(stderr, "fairlead serve: %s\n", error);
            return EXIT_FAILURE;
        }
    signal(SIGPIPE, SIG_IGN); // a client of the control plane that is gone is no reason to go
    if (options.config.supervised)
        return heart_run(&options.config, &plan, program);
    return serve_run(&options.config, &plan, NULL);
}

static int run_help(int argc, char **argv) {
    const char *topic = argc > 0 ? argv[0] : "";
    char *ask[] = {NULL, (char *)(uintptr_t) "--help", NULL};
    if (strcmp(topic, "serve") == 0)
        options_print_help(stdout);
    else if (strcmp(topic, "load") == 0 || strcmp(topic, "tune") == 0)
        return run_beside(topic, ask);
    else if (strcmp(topic, "options-md") == 0) // for docs/OPERATING.md
        options_print_markdown(stdout);
    else if (strcmp(topic, "metrics-md") == 0)
        metrics_print_markdown(stdout);
    else
        fputs(usage, stdout);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "serve") == 0)
        return run_serve(argc - 2, argv + 2, argv);
    if (strcmp(verb, "load") == 0 || strcmp(verb, "tune") == 0)
        return run_beside(verb, argv + 1);
    if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
        return run_help(argc - 2, argv + 2);
    if (strcmp(verb, "--version") == 0 || strcmp(verb, "version") == 0) {
        print_version();
        return EXIT_SUCCESS;
    }
    if (*verb)
        fprintf(stderr, "fairlead: unknown verb %s; there are serve, load, tune and help\n", verb);
    else
        fputs(usage, stderr);
    return EXIT_USAGE;
}
