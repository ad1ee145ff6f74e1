#include "tuning/host_mode.h"

#include <stdlib.h>
#include <string.h>

#include "tuning/advice_report.h"

#define EXIT_OK 0
#define EXIT_VERDICT 1
#define EXIT_USAGE 2

static int tell(const struct tune_options *o, const struct machine *machine,
                const struct advice *advice) {
    bool json_on_stdout = strcmp(o->json_file, "-") == 0;
    if (!json_on_stdout)
        advice_report_print(stdout, machine, advice, o->is_wide);
    int status = o->json_file[0] ? advice_report_write_json(o->json_file, machine, advice) : 0;
    if (status < 0) {
        fprintf(stderr, "fairlead tune: --json %s: %s\n", o->json_file, strerror(-status));
        return EXIT_USAGE;
    }
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
