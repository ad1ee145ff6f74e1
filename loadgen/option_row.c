#include "loadgen/option_row.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/wrap.h"
#include "sched/base/nearest.h"

#define NAME_BYTES 64 // of a name in a sentence

bool option_row_fail(char error[OPTION_ROW_ERROR_BYTES], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, OPTION_ROW_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

bool option_row_parse_number(const struct option_row *row, const char *text, double *value,
                             char *error) {
    char *end = NULL;
    errno = 0;
    *value = strtod(text, &end);
    bool is_whole = row->type != OPTION_ROW_NUMBER;
    if (end == text || *end != 0 || errno != 0 || !isfinite(*value) ||
        (is_whole && *value != floor(*value)))
        return option_row_fail(error, "--%s wants %s, not '%s'", row->name,
                               is_whole ? "a whole number" : "a number", text);
    if (*value < row->min || *value > row->max)
        return option_row_fail(error, "--%s %s is out of range: %.10g to %.10g", row->name, text,
                               row->min, row->max);
    return true;
}

bool option_row_set(const struct option_table *table, void *options, const struct option_row *row,
                    const char *text, char *error) {
    void *field = (uint8_t *)options + row->offset;
    double number = 0;
    switch (row->type) {
    case OPTION_ROW_FLAG:
        *(bool *)field = true;
        return true;
    case OPTION_ROW_COUNT:
        if (!option_row_parse_number(row, text, &number, error))
            return false;
        *(uint32_t *)field = (uint32_t)number;
        return true;
    case OPTION_ROW_NUMBER:
        return option_row_parse_number(row, text, field, error);
    case OPTION_ROW_TEXT:
        *(const char **)field = text;
        return true;
    case OPTION_ROW_OWN:
        return table->set_own(options, row, text, error);
    }
    UNREACHABLE();
}

void option_row_init(const struct option_table *table, void *options) {
    char error[OPTION_ROW_ERROR_BYTES] = "";
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].initial != NULL)
            CHECKF(option_row_set(table, options, &table->rows[i], table->rows[i].initial, error),
                   "%s", error);
}

const struct option_row *option_row_lookup(const struct option_table *table, const char *name,
                                           size_t name_size) {
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->name != NULL && strlen(row->name) == name_size &&
            memcmp(row->name, name, name_size) == 0)
            return row;
    }
    return NULL;
}

const char *option_row_nearest(const struct option_table *table, const char *name) {
    const char *best = "help";
    uint32_t best_distance = nearest_distance(name, best);
    for (size_t i = 0; i < table->count; i++) {
        const char *other = table->rows[i].name;
        uint32_t distance = other != NULL ? nearest_distance(name, other) : UINT32_MAX;
        if (distance < best_distance) {
            best = other;
            best_distance = distance;
        }
    }
    return best;
}

bool option_row_refuse(const struct option_table *table, const char *name, char *error) {
    return option_row_fail(error, "no option --%.100s; did you mean --%s?", name,
                           option_row_nearest(table, name));
}

static const char *const NO_VALUE = "";

// The value of the option at argv[*at], NO_VALUE for one that takes none; NULL with a sentence.
static const char *take_value(const struct option_row *row, int argc, char *const *argv, int *at,
                              char *error) {
    const char *equals = strchr(argv[*at], '=');
    if (row->argument == NULL && equals) {
        option_row_fail(error, "--%s takes no value", row->name);
        return NULL;
    }
    if (row->argument == NULL)
        return NO_VALUE;
    if (equals)
        return equals + 1;
    if (*at + 1 < argc)
        return argv[++*at];
    option_row_fail(error, "--%s wants a value: --%s %s", row->name, row->name, row->argument);
    return NULL;
}

const struct option_row *option_row_take(const struct option_table *table, void *options, int argc,
                                         char *const *argv, int *at, char *error) {
    const char *name = argv[*at] + 2;
    size_t name_size = strcspn(name, "=");
    const struct option_row *row = option_row_lookup(table, name, name_size);
    if (row == NULL) {
        char plain[NAME_BYTES];
        snprintf(plain, sizeof(plain), "%.*s",
                 (int)(name_size < NAME_BYTES ? name_size : NAME_BYTES - 1), name);
        option_row_refuse(table, plain, error);
        return NULL;
    }
    const char *value = take_value(row, argc, argv, at, error);
    if (value == NULL)
        return NULL;
    bool is_set = option_row_set(table, options, row, row->argument != NULL ? value : NULL, error);
    return is_set ? row : NULL;
}

void option_row_print(const struct option_table *table, FILE *out, int name_size, int width) {
    int column = name_size + 3;
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->name == NULL) {
            fprintf(out, "\n%s\n", row->help);
            continue;
        }
        char left[NAME_BYTES], text[400];
        snprintf(left, sizeof(left), "--%s %s", row->name, row->argument ? row->argument : "");
        bool tells_default = row->initial && row->initial[0];
        snprintf(text, sizeof(text), tells_default ? "%s (default %s)" : "%s", row->help,
                 row->initial);
        fprintf(out, "  %-*s ", name_size, left);
        if (strlen(left) > (size_t)name_size)
            fprintf(out, "\n%*s", column, "");
        wrap_print(out, text, (struct wrap){.indent = column, .column = column, .width = width});
    }
}
