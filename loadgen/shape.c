#include "loadgen/shape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 96

// Where in the file we are, for errors.
struct at {
    const char *name;
    char key[KEY_BYTES];
    char *error;
};

static void PRINTF_LIKE(2, 3) set_key(struct at *at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(at->key, sizeof(at->key), format, arguments);
    va_end(arguments);
}

static bool refuse(const struct at *at, const char *wanted, const json_t *value) {
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    option_row_fail(at->error, "%s: %s: want %s, %s%.60s", at->name, at->key, wanted,
                    text ? "not " : "and there is none", text ? text : "");
    free(text);
    return false;
}

static bool read_whole(const struct at *at, const json_t *value, uint64_t max, uint64_t *out) {
    char wanted[80];
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= 0 && (uint64_t)number <= max) {
        *out = (uint64_t)number;
        return true;
    }
    snprintf(wanted, sizeof(wanted), "a whole number from 0 to %llu", (unsigned long long)max);
    return refuse(at, wanted, value);
}

static bool read_begin(struct shape *shape, const json_t *root, struct at *at) {
    const json_t *begin = json_object_get(root, "begin");
    set_key(at, "begin.connections");
    if (!read_whole(at, json_object_get(begin, "connections"), UINT32_MAX, &shape->connections))
        return false;
    set_key(at, "begin.members");
    return read_whole(at, json_object_get(begin, "members"), UINT32_MAX, &shape->members);
}

static bool read_series(struct shape *shape, const json_t *seconds, enum shape_series series,
                        const char *name, struct at *at) {
    const json_t *list = json_object_get(seconds, name);
    size_t count = json_array_size(list);
    set_key(at, "per_second.%s", name);
    if (!json_is_array(list) || count == 0 || count > SHAPE_SECONDS_MAX)
        return refuse(at, "a list of 1 to 3600 counts, one for each second", list);
    if (shape->second_count == 0)
        shape->second_count = (uint32_t)count;
    if (shape->second_count != count)
        return option_row_fail(at->error, "%s: %s: want %u counts as in the lists before, not %zu",
                               at->name, at->key, shape->second_count, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        set_key(at, "per_second.%s[%zu]", name, i);
        if (!read_whole(at, json_array_get(list, i), UINT32_MAX, &value))
            return false;
        shape->series[series][i] = (uint32_t)value;
        shape->sums[series] += value;
    }
    return true;
}

// [lowest, highest, count]
static bool read_cell(struct shape_histogram *h, const json_t *row, struct at *at) {
    uint64_t low, high, count;
    if (!json_is_array(row) || json_array_size(row) != 3)
        return refuse(at, "[lowest, highest, count]", row);
    if (!read_whole(at, json_array_get(row, 0), UINT32_MAX, &low) ||
        !read_whole(at, json_array_get(row, 1), UINT32_MAX, &high) ||
        !read_whole(at, json_array_get(row, 2), 1ull << 48, &count))
        return false;
    if (low > high)
        return refuse(at, "the lowest value before the highest", row);
    if (h->cell_count > 0 && low <= h->cells[h->cell_count - 1].high)
        return refuse(at, "cells in ascending order that share no value", row);
    if (count > 0)
        h->cells[h->cell_count++] = (struct shape_cell){(uint32_t)low, (uint32_t)high, count};
    h->total += count;
    return true;
}

static bool read_histogram(struct shape_histogram *h, const json_t *root, const char *name,
                           struct at *at) {
    const json_t *list = json_object_get(root, name);
    size_t count = json_array_size(list);
    set_key(at, "%s", name);
    if (!json_is_array(list) || count > SHAPE_CELLS_MAX)
        return refuse(at, "a list of at most 512 cells [lowest, highest, count]", list);
    for (size_t i = 0; i < count; i++) {
        set_key(at, "%s[%zu]", name, i);
        if (!read_cell(h, json_array_get(list, i), at))
            return false;
    }
    return true;
}

static bool read_head(struct shape *shape, const json_t *root, struct at *at) {
    const char *kind = json_string_value(json_object_get(root, "shape"));
    const json_t *format = json_object_get(root, "format");
    const json_t *seconds = json_object_get(root, "seconds");
    if (!kind || strcmp(kind, "fairlead-traffic") != 0)
        return option_row_fail(at->error,
                               "%s: shape: this is no recorded traffic; make one with `fairlead "
                               "load record http://HOST:8081 --out FILE`",
                               at->name);
    set_key(at, "format");
    if (json_integer_value(format) != 1)
        return refuse(at, "1 (a file of a newer Fairlead wants a newer tool)", format);
    set_key(at, "seconds");
    if (!json_is_number(seconds) || !(json_number_value(seconds) > 0) ||
        json_number_value(seconds) > SHAPE_SECONDS_MAX)
        return refuse(at, "how long it lasted, above 0 and at most 3600", seconds);
    shape->seconds = json_number_value(seconds);
    return true;
}

// What no single key can tell.
static bool check_together(const struct shape *shape, const struct at *at) {
    double least = (double)shape->second_count - 1;
    if (shape->seconds <= least || shape->seconds > (double)shape->second_count)
        return option_row_fail(at->error, "%s: seconds: %.10g s do not have %u counts a second",
                               at->name, shape->seconds, shape->second_count);
    if (shape->publish_bytes.total != shape->sums[SHAPE_publishes])
        return option_row_fail(at->error,
                               "%s: publish_bytes: counts %llu sizes, of %llu messages in "
                               "per_second.publishes; each message has one",
                               at->name, (unsigned long long)shape->publish_bytes.total,
                               (unsigned long long)shape->sums[SHAPE_publishes]);
    return true;
}

bool shape_decode(struct shape *shape, const char *name, const json_t *root,
                  char error[LOAD_OPTIONS_ERROR_BYTES]) {
    struct at at = {.name = name, .error = error};
    *shape = (struct shape){0};
    if (!read_head(shape, root, &at) || !read_begin(shape, root, &at))
        return false;
    const json_t *seconds = json_object_get(root, "per_second");
#define X(series)                                                                                  \
    if (!read_series(shape, seconds, SHAPE_##series, #series, &at))                                \
        return false;
    SHAPE_SERIES(X)
#undef X
    return read_histogram(&shape->publish_bytes, root, "publish_bytes", &at) &&
           read_histogram(&shape->publish_gap_us, root, "publish_gap_us", &at) &&
           read_histogram(&shape->fan_out, root, "fan_out", &at) &&
           read_histogram(&shape->rooms_begin, root, "rooms_begin", &at) &&
           read_histogram(&shape->rooms_end, root, "rooms_end", &at) &&
           (!json_object_get(root, "rooms_most") ||
            read_histogram(&shape->rooms_most, root, "rooms_most", &at)) &&
           check_together(shape, &at);
}

// The whole file, 0-terminated; NULL with a sentence.
static char *read_file(const char *path, size_t *size, char *error) {
    FILE *file = fopen(path, "re");
    if (!file) {
        option_row_fail(error, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(SHAPE_FILE_BYTES_MAX + 1);
    *size = text ? fread(text, 1, SHAPE_FILE_BYTES_MAX + 1, file) : 0;
    bool is_good = text && !ferror(file);
    int cause = errno;
    fclose(file);
    if (is_good && *size <= SHAPE_FILE_BYTES_MAX)
        return text;
    if (is_good)
        option_row_fail(error, "%s: more than 16 MiB: that is no recorded traffic", path);
    else
        option_row_fail(error, "cannot read %s: %s", path, strerror(text ? cause : ENOMEM));
    free(text);
    return NULL;
}

bool shape_read(struct shape *shape, const char *path, char error[LOAD_OPTIONS_ERROR_BYTES]) {
    size_t size;
    json_error_t cause;
    char *text = read_file(path, &size, error);
    if (!text)
        return false;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &cause);
    free(text);
    if (!root)
        return option_row_fail(error, "%s:%d: column %d: no JSON: %s", path, cause.line,
                               cause.column, cause.text);
    bool is_good = shape_decode(shape, path, root, error);
    json_decref(root);
    return is_good;
}
