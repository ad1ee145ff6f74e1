#include "gateway/heart_death.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define UP "up "

// What a signal means when its victim left no words.
static const char *signal_cause(int number, bool oom_killed) {
    switch (number) {
    case SIGKILL:
        return oom_killed ? "out of memory: the kernel killed it (dmesg shows it); give it more "
                            "memory or lower --connections-max"
                          : "killed from outside; if nobody sent that, the memory limit of its "
                            "container or control group did (dmesg shows it)";
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
        return "a fault of the program itself; please report it, with the core dump";
    case SIGABRT:
        return "it found itself in error; its last lines on stderr say how: please report them";
    case SIGSYS:
        return "a seccomp profile forbids a system call that it needs";
    case SIGXCPU:
    case SIGXFSZ:
        return "a resource limit (ulimit, or Limit…= in the unit)";
    default:
        return "a signal from outside";
    }
}

// The first line that is no "up", printable, with nothing that ends a quoted value.
static bool take_words(const char *words, char *cause) {
    while (strncmp(words, UP, strlen(UP)) == 0) {
        words += strcspn(words, "\n");
        words += *words == '\n';
    }
    size_t size = strcspn(words, "\n");
    if (size > HEART_CAUSE_SIZE - 1)
        size = HEART_CAUSE_SIZE - 1;
    for (size_t i = 0; i < size; i++) {
        char c = words[i];
        cause[i] = c < ' ' || c > '~' ? '?' : c;
        if (c == '"' || c == '\\')
            cause[i] = '\'';
    }
    cause[size] = '\0';
    return size > 0;
}

void heart_death_describe(struct heart_death *death, const struct heart_life *life) {
    *death =
        (struct heart_death){.exit_code = -1, .died_ns = life->died_ns, .died_s = life->died_s};
    uint64_t up_ns = life->started_ns;
    if (strncmp(life->words, UP, strlen(UP)) == 0) {
        death->was_up = true;
        up_ns = strtoull(life->words + strlen(UP), NULL, 10);
        if (up_ns < life->started_ns || up_ns > life->died_ns)
            up_ns = life->started_ns;
    }
    death->uptime_ns = life->died_ns - up_ns;
    bool has_words = take_words(life->words, death->cause);
    if (WIFSIGNALED(life->wait_status)) {
        int number = WTERMSIG(life->wait_status);
        const char *name = sigabbrev_np(number);
        if (name)
            snprintf(death->reason, sizeof(death->reason), "SIG%s", name);
        else
            snprintf(death->reason, sizeof(death->reason), "signal %d", number);
        death->core_dumped = WCOREDUMP(life->wait_status);
        if (!has_words)
            snprintf(death->cause, sizeof(death->cause), "%s",
                     signal_cause(number, life->oom_killed));
        return;
    }
    death->exit_code = WEXITSTATUS(life->wait_status);
    snprintf(death->reason, sizeof(death->reason), "exit %d", death->exit_code);
    if (!has_words)
        snprintf(death->cause, sizeof(death->cause), "%s",
                 death->exit_code == 0 ? "it was told to stop itself; SIGTERM to its supervisor "
                                         "stops both"
                                       : "it ended by itself; its last lines on stderr say why");
}

const char *heart_death_fields(const struct heart_death *death, char *text) {
    if (death->exit_code >= 0)
        snprintf(text, HEART_REASON_SIZE * 2, "exit=%d", death->exit_code);
    else
        snprintf(text, HEART_REASON_SIZE * 2, "signal=%s core_dumped=%s", death->reason,
                 death->core_dumped ? "yes" : "no");
    return text;
}

uint64_t heart_death_oom_kills(void) {
    char line[128];
    uint64_t count = 0;
    FILE *file = fopen("/proc/vmstat", "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "oom_kill %" SCNu64, &count) == 1)
            break;
    if (file)
        fclose(file);
    return count;
}
