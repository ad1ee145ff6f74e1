// The last words of a process with a bug: one line on stderr, then abort for the core file.
#include "sched/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_SIZE 512

static int witness_fd = -1;

void check_set_witness(int fd) {
    witness_fd = fd;
}

static size_t written(int size) {
    return size < 0 ? 0 : (size_t)size;
}

void check_failed(const char *file, int line, const char *condition, const char *format, ...) {
    char text[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    size_t size = written(
        snprintf(text, LINE_SIZE, "fairlead: bug: %s:%d: CHECK(%s) ", file, line, condition));
    if (size < LINE_SIZE)
        size += written(vsnprintf(text + size, LINE_SIZE - size, format, arguments));
    va_end(arguments);
    if (size > LINE_SIZE - 1)
        size = LINE_SIZE - 1;
    text[size++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, text, size);
    (void)ignored;
    if (witness_fd >= 0)
        (void)send(witness_fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    abort();
}
