#include "tuning/host_mode.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tuning/advice_html.h"
#include "tuning/advice_report.h"

#define EXIT_OK 0
#define EXIT_VERDICT 1
#define EXIT_USAGE 2

static int complain(const char *option, const char *path, int status) {
    fprintf(stderr, "fairlead tune: %s %s: %s\n", option, path, strerror(-status));
    return EXIT_USAGE;
}

static int tell(const struct tune_options *o, const struct machine *machine,
                const struct advice *advice) {
    bool json_on_stdout = strcmp(o->json_file, "-") == 0;
    if (!json_on_stdout)
        advice_report_print(stdout, machine, advice, o->is_wide);
    fflush(stdout);
    int status = o->json_file[0] ? advice_report_write_json(o->json_file, machine, advice) : 0;
    if (status < 0)
        return complain("--json", o->json_file, status);
    char when[64];
    time_t now = time(NULL);
    struct tm utc;
    strftime(when, sizeof(when), "%d %B %Y, %H:%M:%S UTC", gmtime_r(&now, &utc));
    status = o->html_file[0] ? advice_html_write(o->html_file, machine, advice, when) : 0;
    if (status < 0)
        return complain("--html", o->html_file, status);
    if (advice->connections == 0 ||
        (advice->is_wanted_asked && advice->connections < advice->wanted))
        return EXIT_VERDICT;
    return EXIT_OK;
}

int host_mode_run(const struct tune_options *o) {
    struct machine *machine = calloc(1, sizeof(*machine));
    struct advice *advice = calloc(1, sizeof(*advice));
    CHECKF(machine != NULL && advice != NULL, "no memory for %zu bytes",
           sizeof(*machine) + sizeof(*advice));
    machine_read(machine, o->root);
    int code = EXIT_USAGE;
    if (machine->kernel[0] == 0 && machine->memory.total_bytes == 0) {
        fprintf(stderr,
                "fairlead tune: nothing to read at %s/proc; --root wants a folder with "
                "proc and sys in it\n",
                o->root);
    } else {
        advice_make(advice, machine, o->connections);
        code = tell(o, machine, advice);
    }
    free(advice);
    free(machine);
    return code;
}
