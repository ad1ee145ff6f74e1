#include "sched/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static _Atomic int level_max = LOG_INFO;

void log_set_level(enum log_level level) {
    atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *format, ...) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed))
        return;
    char line[1024];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    size_t size = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ", &utc);
    size += (size_t)snprintf(line + size, sizeof(line) - size, "%s ", names[level]);
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(line + size, sizeof(line) - size - 1, format, arguments);
    va_end(arguments);
    size += written < 0 ? 0 : (size_t)written;
    if (size > sizeof(line) - 2)
        size = sizeof(line) - 2;
    // A value that came from a peer must not make a second line, or steer a terminal.
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    }
    line[size++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, size);
    (void)ignored;
}
