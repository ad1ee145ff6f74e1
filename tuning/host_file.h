// Small files of the host (/proc, /sys, /etc), under a prefix: "" in life, a folder in tests and
// with --root, so that whole machines can be read that are not here.
//
// What cannot be read counts as not there: kernels and containers differ in what they show. Paths
// begin with a slash; what is read and is not ASCII becomes '?'. Any thread; no state.
#ifndef FAIRLEAD_HOST_FILE_H
#define FAIRLEAD_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sched/base/check.h"

#define HOST_FILE_PATH_BYTES 768
#define HOST_FILE_UNLIMITED UINT64_MAX // what the kernel writes as "max", "unlimited" or -1

// The prefixed path. False when it does not fit.
MUST_USE bool host_file_path(char path[HOST_FILE_PATH_BYTES], const char *root, const char *format,
                             ...) PRINTF_LIKE(3, 4);

// NULL when there is none; the caller closes it.
FILE *host_file_open(const char *root, const char *path);

// The file's first bytes without the line's end at the end. False (and "") when it is not there.
MUST_USE bool host_file_read_text(const char *root, const char *path, char *text, size_t text_size);

// Up to three numbers apart by blanks. How many there were, 0 when it is not there or no number.
uint32_t host_file_read_numbers(const char *root, const char *path, uint64_t numbers[3]);

MUST_USE bool host_file_read_number(const char *root, const char *path, uint64_t *number);

// The same for a text: "4096 131072 6291456", "max".
uint32_t host_file_parse_numbers(const char *text, uint64_t numbers[3]);

// The first line that begins with `prefix`, without it and without blanks after it.
MUST_USE bool host_file_read_line(const char *root, const char *path, const char *prefix,
                                  char *text, size_t text_size);

// Overwrites a file that is there (create: or is not). 0, or -errno.
MUST_USE int host_file_write_text(const char *root, const char *path, const char *text,
                                  bool create);

// Makes the folders above `path`. 0, or -errno.
MUST_USE int host_file_make_parents(const char *root, const char *path);

#endif
