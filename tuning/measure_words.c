#include "tuning/measure_words.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 40

void measure_words_append(const char *words, struct child_arguments *arguments) {
    for (const char *at = words; *(at += strspn(at, " ")) != '\0';) {
        int size = (int)strcspn(at, " ");
        child_argument(arguments, "%.*s", size, at);
        at += size;
    }
}

bool measure_words_validate(const char *words) {
    uint32_t count = 0;
    for (const char *at = words; *(at += strspn(at, " ")) != '\0';) {
        size_t size = strcspn(at, " ");
        if (size >= CHILD_ARGUMENT_BYTES || ++count > WORDS_MAX)
            return false;
        at += size;
    }
    return true;
}

const char *measure_words_count(double value, char text[MEASURE_WORDS_BYTES]) {
    if (!(value >= 0) || value > 1e15)
        snprintf(text, MEASURE_WORDS_BYTES, "?");
    else if (value >= 1e6)
        snprintf(text, MEASURE_WORDS_BYTES, "%.3g M", value / 1e6);
    else if (value < 100)
        snprintf(text, MEASURE_WORDS_BYTES, "%.3g", value);
    else {
        double step = value >= 1e5 ? 1000 : value >= 1e4 ? 100 : value >= 1e3 ? 10 : 1;
        long long whole = (long long)(floor(value / step) * step);
        if (whole >= 1000)
            snprintf(text, MEASURE_WORDS_BYTES, "%lld,%03lld", whole / 1000, whole % 1000);
        else
            snprintf(text, MEASURE_WORDS_BYTES, "%lld", whole);
    }
    return text;
}

// The largest unit that leaves a number of 1 or more.
static const char *scaled(double value, double base, const char *const *units, uint32_t unit_count,
                          char *text) {
    uint32_t unit = 0;
    while (unit + 1 < unit_count && fabs(value) >= base) {
        value /= base;
        unit++;
    }
    snprintf(text, MEASURE_WORDS_BYTES, value < 1000 ? "%.3g %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *measure_words_bytes(double bytes, char text[MEASURE_WORDS_BYTES]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    // Bytes of a connection are told as they are.
    if (fabs(bytes) < 10000)
        snprintf(text, MEASURE_WORDS_BYTES, "%.0f B", bytes);
    else
        scaled(bytes, 1024, units, 5, text);
    return text;
}

const char *measure_words_time(double ns, char text[MEASURE_WORDS_BYTES]) {
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    return scaled(ns, 1000, units, 4, text);
}

bool measure_words_can_write(const char *path) {
    if (path[0] == '\0' || strcmp(path, "-") == 0)
        return true;
    FILE *file = fopen(path, "ae");
    if (file == NULL)
        fprintf(stderr, "fairlead tune: cannot write %s: %s\n", path, strerror(errno));
    else
        fclose(file);
    return file != NULL;
}

bool measure_words_write_json(const char *path, json_t *object) {
    size_t flags = JSON_INDENT(2);
    errno = 0;
    int status = strcmp(path, "-") == 0 ? json_dumpf(object, stdout, flags)
                                        : json_dump_file(object, path, flags);
    json_decref(object);
    if (strcmp(path, "-") == 0) {
        fputc('\n', stdout);
        status |= fflush(stdout);
    }
    if (status != 0)
        fprintf(stderr, "fairlead tune: cannot write %s: %s\n", path,
                errno ? strerror(errno) : "it failed");
    return status == 0;
}
