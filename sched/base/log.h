// State changes of the process on stderr, one line each: `2026-01-02T03:04:05Z info
// event=listener_open port=9000`. Never per message. Any thread; a line is one write(2).
#ifndef FAIRLEAD_LOG_H
#define FAIRLEAD_LOG_H

#include "sched/base/check.h"

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
};

// Lines above `level` are not written. Set once by main before other threads exist.
void log_set_level(enum log_level level);

// `format` begins with event=<name>; values with spaces are quoted by the caller. Control
// characters are written as `?`; a line ends after 1,023 bytes.
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
