// A program run as a child: `fairlead serve`, `fairlead load`. Its stdout is
// kept up to a bound, of its stderr the end and, for whoever asks, each line as
// it comes. It does not outlive this process, however that ends
// (PR_SET_PDEATHSIG), and hears no Ctrl-C but through child_signal: it has a
// process group of its own.
//
// Life: child_start → (child_poll while it runs) → child_has_ended →
// child_fini; child_fini kills what still runs. One thread. Errors are one
// sentence with the cure (CHILD_ERROR_BYTES).
#ifndef FAIRLEAD_CHILD_H
#define FAIRLEAD_CHILD_H

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sched/base/check.h"

#define CHILD_ERROR_BYTES 512
#define CHILD_TAIL_BYTES 2048
#define CHILD_OUTPUT_BYTES_MAX (64u << 20)
#define CHILD_ARGUMENTS_MAX 96
#define CHILD_ARGUMENT_BYTES 192
#define CHILD_CANNOT_RUN 127 // exit code when the program could not be executed

// Arguments, copied: a command line that is put together piece by piece.
struct child_arguments {
    uint32_t count;
    char text[CHILD_ARGUMENTS_MAX][CHILD_ARGUMENT_BYTES];
};

struct child_order {
    const char *program; // a path
    const struct child_arguments *arguments;
    const cpu_set_t *cpus;                            // NULL: as this process
    void (*on_line)(void *context, const char *line); // of stderr; NULL: none
    void *context;
};

struct child {
    pid_t pid; // 0: none was started
    int pidfd;
    int out_fd; // -1 once it is closed
    int error_fd;
    bool has_ended;
    int exit_code; // 128 + signal
    char *output;  // stdout, 0-terminated
    size_t output_size;
    char tail[CHILD_TAIL_BYTES + 1]; // of stderr, 0-terminated
    size_t tail_size;
    char line[CHILD_TAIL_BYTES + 1]; // the unfinished one
    size_t line_size;
    void (*on_line)(void *context, const char *line);
    void *context;
};

// Appends one argument; too many or too long is our own bug. child_pair:
// "--name" and its value.
void child_argument(struct child_arguments *arguments, const char *format, ...) PRINTF_LIKE(2, 3);
void child_pair(struct child_arguments *arguments, const char *name, const char *format, ...)
    PRINTF_LIKE(3, 4);

// The program of that name beside this one, or in PATH. false: `error` says
// where it was looked for.
MUST_USE bool child_find(const char *name, char path[PATH_MAX], char *error);

// false: `error` says why. A program that cannot be executed ends with
// CHILD_CANNOT_RUN.
MUST_USE bool child_start(struct child *child, const struct child_order *order, char *error);

// Waits at most timeout_ms for output, an end, or for stop_fd (-1: none) to be
// readable, and takes what came. true: it has ended, and everything it said has
// been read.
bool child_poll(struct child *child, int stop_fd, int timeout_ms);

// Nothing when it has ended.
void child_signal(const struct child *child, int signal);

// The last line of stderr that is not empty; "" when there is none. `line` has
// CHILD_ERROR_BYTES.
void child_last_line(const struct child *child, char *line);

// Kills it when it still runs, reaps it, frees. Also for a zeroed struct.
void child_fini(struct child *child);

#endif
