// Options of a command line as a table: each row holds a name, a type, bounds, a default and help,
// and parsing, --help and the nearest-name hint are made from it. For `fairlead load` and `fairlead
// tune`; what an option means beyond its value is theirs (rows of type OWN).
//
// Values go to the field at `offset` of the caller's struct. Pure; views point into argv. Errors:
// one sentence that says what is wrong and what would be right, in OPTION_ROW_ERROR_BYTES.
#ifndef FAIRLEAD_OPTION_ROW_H
#define FAIRLEAD_OPTION_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sched/base/check.h"

#define OPTION_ROW_ERROR_BYTES 512

enum option_row_type {
    OPTION_ROW_FLAG,   // bool
    OPTION_ROW_COUNT,  // uint32_t
    OPTION_ROW_NUMBER, // double
    OPTION_ROW_TEXT,   // const char *
    OPTION_ROW_OWN,    // the table's set_own
};

struct option_row {
    const char *name;     // without the dashes; NULL: `help` is the title of a group
    const char *argument; // NULL: it takes no value
    const char *initial;  // parsed before argv is; NULL: the field stays as it is
    const char *help;
    size_t offset;
    double min;
    double max;
    enum option_row_type type;
    uint32_t own; // OWN: which of the caller's kinds
    bool stays;   // on a group's title: the caller's
};

struct option_table {
    const struct option_row *rows;
    size_t count;
    // Sets a row of type OWN; `text` is NULL for one without an argument. NULL: there are none.
    bool (*set_own)(void *options, const struct option_row *row, const char *text, char *error);
};

// Rows: OPTION_ROW_AT_… are for a struct that the table's file names OPTION_ROW_OPTIONS.
#define OPTION_ROW_AT(field) .offset = offsetof(struct OPTION_ROW_OPTIONS, field)
#define ROW_COUNT(n, f, arg, init, lo, hi, text)                                                   \
    {                                                                                              \
        .name = n, .argument = arg, .initial = init, .help = text, OPTION_ROW_AT(f), .min = lo,    \
        .max = hi, .type = OPTION_ROW_COUNT                                                        \
    }
#define ROW_NUMBER(n, f, arg, init, lo, hi, text)                                                  \
    {                                                                                              \
        .name = n, .argument = arg, .initial = init, .help = text, OPTION_ROW_AT(f), .min = lo,    \
        .max = hi, .type = OPTION_ROW_NUMBER                                                       \
    }
#define ROW_TEXT(n, f, arg, init, text)                                                            \
    {                                                                                              \
        .name = n, .argument = arg, .initial = init, .help = text, OPTION_ROW_AT(f),               \
        .type = OPTION_ROW_TEXT                                                                    \
    }
#define ROW_FLAG(n, f, text)                                                                       \
    { .name = n, .help = text, OPTION_ROW_AT(f), .type = OPTION_ROW_FLAG }
#define ROW_GROUP(title)                                                                           \
    { .name = NULL, .help = title }

// Writes the sentence, cut to fit, and returns false.
bool option_row_fail(char error[OPTION_ROW_ERROR_BYTES], const char *format, ...) PRINTF_LIKE(2, 3);

// A number within the row's bounds, whole unless the row is of type NUMBER.
MUST_USE bool option_row_parse_number(const struct option_row *row, const char *text, double *value,
                                      char *error);

// Every row's `initial`; CHECKs that it is one.
void option_row_init(const struct option_table *table, void *options);

MUST_USE bool option_row_set(const struct option_table *table, void *options,
                             const struct option_row *row, const char *text, char *error);

// NULL when there is none of that name.
const struct option_row *option_row_lookup(const struct option_table *table, const char *name,
                                           size_t name_size);

// The name of the row that is nearest, "help" among them.
const char *option_row_nearest(const struct option_table *table, const char *name);

// "no option --x; did you mean --y?"; false.
bool option_row_refuse(const struct option_table *table, const char *name, char *error);

// --name value, --name=value, --flag at argv[*at]. Moves *at past what it used. NULL: error says
// why, else the row that was set.
const struct option_row *option_row_take(const struct option_table *table, void *options, int argc,
                                         char *const *argv, int *at, char *error);

// Every group and row with its help; `name_size` columns for names, lines of `width` (0: wrap.h's).
void option_row_print(const struct option_table *table, FILE *out, int name_size, int width);

#endif
