#include "tuning/try_knob.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name, *stands_for;
} SHORT_NAMES[] = {
    {"min-wait", "min-wait-us"},
    {"park-after", "park-after-s"},
    {"park-time", "park-after-s"},
    {"receive-buffers", "recv-buffers"},
    {"receive-buffer", "recv-buffer-bytes"},
    {"send-buffer", "send-buffer-bytes"},
    {"busy-poll", "net.core.busy_poll"},
    {"busy-read", "net.core.busy_read"},
};

PRINTF_LIKE(2, 3)
static bool fail(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, TRY_KNOB_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static bool is_name(const char *name) {
    for (const char *at = name; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL)
            return false;
    return name[0] != '\0' && name[0] != '-' && strstr(name, "..") == NULL;
}

bool try_knob_parse(const char *text, struct try_knob *knob, char *error) {
    const char *equals = strchr(text, '=');
    *knob = (struct try_knob){0};
    if (equals == NULL || equals == text || equals[1] == '\0' ||
        equals - text >= TRY_KNOB_NAME_BYTES || strlen(equals + 1) >= TRY_KNOB_VALUE_BYTES)
        return fail(
            error,
            "--try wants KNOB=VALUE, not '%.100s': min-wait=0, schedulers=2, park-after=10, "
            "receive-buffers=1024, net.core.busy_poll=50",
            text);
    snprintf(knob->name, sizeof(knob->name), "%.*s", (int)(equals - text), text);
    snprintf(knob->value, sizeof(knob->value), "%s", equals + 1);
    for (size_t i = 0; i < sizeof(SHORT_NAMES) / sizeof(SHORT_NAMES[0]); i++)
        if (strcmp(knob->name, SHORT_NAMES[i].name) == 0)
            snprintf(knob->name, sizeof(knob->name), "%s", SHORT_NAMES[i].stands_for);
    if (!is_name(knob->name))
        return fail(error, "'%.90s' is no name of an option of fairlead serve or of a sysctl",
                    knob->name);
    knob->is_sysctl = strchr(knob->name, '.') != NULL;
    return true;
}

// --- sysctls -------------------------------------------------------------------------------------

// Values of several numbers stand apart by tabs: told and compared with single spaces.
static void normalise(char *text) {
    char *into = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (!isspace((unsigned char)*at))
            *into++ = *at;
        else if (into > text && into[-1] != ' ')
            *into++ = ' ';
    }
    while (into > text && into[-1] == ' ')
        into--;
    *into = '\0';
}

static bool read_value(const char *path, char value[TRY_KNOB_VALUE_BYTES]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, value, TRY_KNOB_VALUE_BYTES - 1) : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    value[size > 0 ? size : 0] = '\0';
    normalise(value);
    return size > 0;
}

static bool write_value(const char *path, const char *value) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
    ssize_t size = fd >= 0 ? write(fd, value, strlen(value)) : -1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return size == (ssize_t)strlen(value);
}

bool try_knob_look(struct try_knob *knob, const char *root, char *error) {
    if (!knob->is_sysctl)
        return true;
    snprintf(knob->path, sizeof(knob->path), "%.80s/proc/sys/%s", root, knob->name);
    char *at = strstr(knob->path, "/proc/sys/");
    for (at += strlen("/proc/sys/"); *at != '\0'; at++)
        *at = *at == '.' ? '/' : *at;
    if (!read_value(knob->path, knob->before))
        return fail(error, "no sysctl %s here (%s): %s", knob->name, knob->path, strerror(errno));
    if (access(knob->path, W_OK) < 0)
        return fail(error, "%s may not be changed: %s; run as root", knob->name, strerror(errno));
    normalise(knob->value);
    if (strcmp(knob->value, knob->before) == 0)
        return fail(error, "%s is %s already: there is nothing to compare", knob->name,
                    knob->before);
    return true;
}

bool try_knob_write(const struct try_knob *knob, const char *value, char *error) {
    char now[TRY_KNOB_VALUE_BYTES];
    if (!write_value(knob->path, value))
        return fail(error, "the kernel refuses %s=%s: %s", knob->name, value, strerror(errno));
    if (!read_value(knob->path, now) || strcmp(now, value) != 0)
        return fail(error, "the kernel made %s=%s of %s", knob->name, now, value);
    return true;
}

// --- the guard -----------------------------------------------------------------------------------

// In the guard: the pipe ends when the other process closes it or is gone.
static void guard_run(const struct try_knob *knob, int fd) {
    char byte, now[TRY_KNOB_VALUE_BYTES];
    sigset_t all;
    setsid();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        continue;
    bool is_back = read_value(knob->path, now) && strcmp(now, knob->before) == 0;
    _exit(is_back || write_value(knob->path, knob->before) ? 0 : 1);
}

bool try_guard_open(struct try_guard *guard, const struct try_knob *knob, char *error) {
    int fds[2];
    *guard = (struct try_guard){.fd = -1};
    if (!knob->is_sysctl)
        return true;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return fail(error, "no guard for %s: %s", knob->name, strerror(errno));
    guard->pid = fork();
    if (guard->pid == 0) {
        close(fds[1]);
        guard_run(knob, fds[0]);
    }
    close(fds[0]);
    guard->fd = fds[1];
    if (guard->pid > 0)
        return true;
    close(guard->fd);
    *guard = (struct try_guard){.fd = -1};
    return fail(error, "no guard for %s: %s", knob->name, strerror(errno));
}

bool try_guard_close(struct try_guard *guard, const struct try_knob *knob, char *error) {
    char now[TRY_KNOB_VALUE_BYTES];
    if (guard->pid == 0)
        return true;
    close(guard->fd);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *guard = (struct try_guard){.fd = -1};
    if (read_value(knob->path, now) && strcmp(now, knob->before) == 0)
        return true;
    return fail(error, "%s is %s and was %s; put it back: sysctl -w %s='%s'", knob->name, now,
                knob->before, knob->name, knob->before);
}
