#include "tuning/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536
#define REAP_TIMEOUT_MS 5000

PRINTF_LIKE(2, 3)
static bool fail(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, CHILD_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static void append(struct child_arguments *arguments, const char *format, va_list values) {
    CHECK(arguments->count < CHILD_ARGUMENTS_MAX - 2);
    int size = vsnprintf(arguments->text[arguments->count++], CHILD_ARGUMENT_BYTES, format, values);
    CHECKF(size >= 0 && size < CHILD_ARGUMENT_BYTES, "an argument of %d bytes", size);
}

void child_argument(struct child_arguments *arguments, const char *format, ...) {
    va_list values;
    va_start(values, format);
    append(arguments, format, values);
    va_end(values);
}

void child_pair(struct child_arguments *arguments, const char *name, const char *format, ...) {
    child_argument(arguments, "--%s", name);
    va_list values;
    va_start(values, format);
    append(arguments, format, values);
    va_end(values);
}

// --- finding
// -------------------------------------------------------------------------------------

static bool is_program(const char *path) {
    return access(path, X_OK) == 0;
}

static bool find_in_path(const char *name, char path[PATH_MAX]) {
    const char *at = getenv("PATH");
    while (at != NULL && *at != '\0') {
        int size = (int)strcspn(at, ":");
        int written = snprintf(path, PATH_MAX, "%.*s/%s", size, at, name);
        if (size > 0 && written < PATH_MAX && is_program(path))
            return true;
        at += size + (at[size] == ':');
    }
    return false;
}

bool child_find(const char *name, char path[PATH_MAX], char *error) {
    char own[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", own, sizeof(own) - 1);
    own[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(own, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (snprintf(path, PATH_MAX, "%s/%s", own, name) < PATH_MAX && is_program(path))
            return true;
    }
    if (find_in_path(name, path))
        return true;
    return fail(error, "no %s in %s or in PATH: build it (make), or install all of Fairlead", name,
                own[0] ? own : "this program's folder");
}

// --- starting
// ------------------------------------------------------------------------------------

// In the child. What the parent holds back is let through again, and its death
// is this one's.
static void execute(const struct child_order *order, char *const *argv, pid_t parent, int out_fd,
                    int error_fd) {
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) // it died before
        _exit(CHILD_CANNOT_RUN);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null_fd, STDIN_FILENO);
    dup2(out_fd, STDOUT_FILENO);
    dup2(error_fd, STDERR_FILENO);
    // A handler of the parent's must not run here: one may signal the parent's whole group.
    static const int DEFAULT[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof(DEFAULT) / sizeof(DEFAULT[0]); i++)
        signal(DEFAULT[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    // A control group may forbid it: measured is then where the kernel puts it.
    if (order->cpus != NULL)
        (void)!sched_setaffinity(0, sizeof(*order->cpus), order->cpus);
    execv(order->program, argv);
    dprintf(STDERR_FILENO, "%s: %s\n", order->program, strerror(errno));
    _exit(CHILD_CANNOT_RUN);
}

static bool open_pipes(int out[2], int error_pipe[2]) {
    if (pipe2(out, O_CLOEXEC) < 0)
        return false;
    if (pipe2(error_pipe, O_CLOEXEC) == 0)
        return true;
    close(out[0]);
    close(out[1]);
    return false;
}

bool child_start(struct child *child, const struct child_order *order, char *error) {
    char *argv[CHILD_ARGUMENTS_MAX + 2] = {(char *)(uintptr_t)order->program};
    for (uint32_t i = 0; i < order->arguments->count; i++)
        argv[i + 1] = (char *)(uintptr_t)order->arguments->text[i];
    *child = (struct child){.pidfd = -1,
                            .out_fd = -1,
                            .error_fd = -1,
                            .on_line = order->on_line,
                            .context = order->context};
    int out[2], error_pipe[2];
    if (!open_pipes(out, error_pipe))
        return fail(error, "cannot start %s: %s", order->program, strerror(errno));
    // Signals wait until the child has its own group and the default handlers.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        execute(order, argv, parent, out[1], error_pipe[1]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(out[1]);
    close(error_pipe[1]);
    child->out_fd = out[0];
    child->error_fd = error_pipe[0];
    child->output = calloc(1, 1);
    if (pid > 0) {
        child->pid = pid;
        child->pidfd = pidfd_open(pid, 0);
    }
    if (pid < 0 || child->pidfd < 0 || child->output == NULL) {
        fail(error, "cannot start %s: %s", order->program, strerror(errno));
        child_fini(child);
        return false;
    }
    fcntl(child->out_fd, F_SETFL, O_NONBLOCK);
    fcntl(child->error_fd, F_SETFL, O_NONBLOCK);
    return true;
}

// --- what it says
// --------------------------------------------------------------------------------

static void take_output(struct child *child, const char *bytes, size_t size) {
    if (child->output_size + size > CHILD_OUTPUT_BYTES_MAX)
        return;
    char *grown = realloc(child->output, child->output_size + size + 1);
    if (grown == NULL)
        return;
    child->output = grown;
    memcpy(grown + child->output_size, bytes, size);
    child->output_size += size;
    grown[child->output_size] = '\0';
}

static void take_tail(struct child *child, const char *bytes, size_t size) {
    size_t keep = size < CHILD_TAIL_BYTES ? size : CHILD_TAIL_BYTES;
    if (child->tail_size + keep > CHILD_TAIL_BYTES) {
        size_t drop = child->tail_size + keep - CHILD_TAIL_BYTES;
        memmove(child->tail, child->tail + drop, child->tail_size - drop);
        child->tail_size -= drop;
    }
    memcpy(child->tail + child->tail_size, bytes + size - keep, keep);
    child->tail_size += keep;
    child->tail[child->tail_size] = '\0';
}

// A line beyond the buffer is told cut.
static void take_lines(struct child *child, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (child->line_size < CHILD_TAIL_BYTES)
                child->line[child->line_size++] = bytes[i];
            continue;
        }
        child->line[child->line_size] = '\0';
        child->line_size = 0;
        child->on_line(child->context, child->line);
    }
}

// Takes what is there; closes the descriptor at its end.
static void take(struct child *child, int *fd) {
    char bytes[READ_BYTES];
    while (*fd >= 0) {
        ssize_t size = read(*fd, bytes, sizeof(bytes));
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size <= 0) {
            close(*fd);
            *fd = -1;
            return;
        }
        if (fd == &child->out_fd) {
            take_output(child, bytes, (size_t)size);
            continue;
        }
        take_tail(child, bytes, (size_t)size);
        if (child->on_line != NULL)
            take_lines(child, bytes, (size_t)size);
    }
}

static void reap(struct child *child) {
    int status = 0;
    if (child->has_ended || waitpid(child->pid, &status, WNOHANG) != child->pid)
        return;
    child->has_ended = true;
    child->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool child_poll(struct child *child, int stop_fd, int timeout_ms) {
    struct pollfd fds[] = {{child->has_ended ? -1 : child->pidfd, POLLIN, 0},
                           {child->out_fd, POLLIN, 0},
                           {child->error_fd, POLLIN, 0},
                           {stop_fd, POLLIN, 0}};
    if (poll(fds, 4, child->has_ended ? 0 : timeout_ms) < 0)
        return child->has_ended;
    reap(child);
    // A grandchild may hold the pipes open: after the end only what is there
    // already is read.
    take(child, &child->out_fd);
    take(child, &child->error_fd);
    return child->has_ended;
}

void child_signal(const struct child *child, int signal) {
    if (child->pid > 0 && !child->has_ended)
        kill(child->pid, signal);
}

void child_last_line(const struct child *child, char *line) {
    const char *end = child->tail + child->tail_size;
    while (end > child->tail && end[-1] == '\n')
        end--;
    const char *begin = end;
    while (begin > child->tail && begin[-1] != '\n')
        begin--;
    snprintf(line, CHILD_ERROR_BYTES, "%.*s", (int)(end - begin), begin);
}

void child_fini(struct child *child) {
    if (child->pid > 0) {
        child_signal(child, SIGKILL);
        for (int waited = 0; !child->has_ended && waited < REAP_TIMEOUT_MS; waited += 10)
            child_poll(child, -1, 10);
        close(child->pidfd);
        if (child->out_fd >= 0)
            close(child->out_fd);
        if (child->error_fd >= 0)
            close(child->error_fd);
    }
    free(child->output);
    *child = (struct child){0};
}
