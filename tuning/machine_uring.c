#include "tuning/machine_parts.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tuning/shell.h"

void machine_probe_uring(struct machine *machine) {
    // struct io_uring_params, whose 120 bytes are all zero for a plain ring.
    uint32_t params[30] = {0};
    long fd = syscall(SYS_io_uring_setup, 2, params);
    machine->uring_error = fd < 0 ? errno : 0;
    if (fd >= 0)
        close((int)fd);
    if (fd >= 0)
        machine->uring = MACHINE_URING_OK;
    else if (machine->uring_error == EPERM || machine->uring_error == EACCES)
        machine->uring = MACHINE_URING_DENIED;
    else if (machine->uring_error == ENOSYS)
        machine->uring = MACHINE_URING_MISSING;
    else
        machine->uring = MACHINE_URING_FAILED;
}

void machine_decode_features(struct machine *machine, const char *line) {
    char name[MACHINE_NAME_BYTES], answer[8];
    if (sscanf(line, " %31[a-z_] %7[a-z]", name, answer) != 2)
        return;
    bool is_there = strcmp(answer, "yes") == 0;
    if (!is_there && strcmp(answer, "no") != 0)
        return;
    size_t used = strlen(machine->uring_missing);
    machine->uring_feature_count++;
    machine->uring_features_there += is_there;
    if (!is_there)
        snprintf(machine->uring_missing + used, sizeof(machine->uring_missing) - used, "%s%s",
                 used > 0 ? ", " : "", name);
}

// The server knows best what of io_uring works for it: it tries all of it out for `--version`.
static void read_features(struct machine *machine) {
    char program[PATH_MAX], word[SHELL_WORD_BYTES], command[SHELL_WORD_BYTES + 32], line[256];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[size > 0 ? size : 0] = 0;
    char *end = strrchr(program, '/');
    end = end ? strchr(end, '-') : NULL; // fairlead-tune is beside fairlead
    if (end == NULL)
        return;
    *end = 0;
    if (access(program, X_OK) < 0 || !shell_quote(program, word))
        return;
    snprintf(command, sizeof(command), "exec %s --version 2>/dev/null", word);
    FILE *out = popen(command, "re");
    while (out != NULL && fgets(line, sizeof(line), out))
        machine_decode_features(machine, line);
    if (out != NULL)
        pclose(out);
}

void machine_uring_read(struct machine *machine) {
    machine_probe_uring(machine);
    if (machine->uring == MACHINE_URING_OK)
        read_features(machine);
}
