#include "tuning/tune_options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/nearest.h"

enum option_type {
    OPTION_FLAG,
    OPTION_COUNT,  // uint32_t
    OPTION_NUMBER, // double
    OPTION_TEXT,
    OPTION_MODE,      // a flag that chooses what is done
    OPTION_MODE_TEXT, // the same, with a value
};

// One row per option: everything that is known about it.
struct option_row {
    const char *name;     // without the dashes; NULL: `help` is the title of a group
    const char *argument; // NULL for flags
    const char *initial;  // parsed before argv is; NULL: zero
    const char *help;
    size_t offset;
    double min;
    double max;
    enum tune_mode mode;
    enum option_type type;
};

#define AT(field) .offset = offsetof(struct tune_options, field)
#define ROW_TEXT(n, f, arg, init, text)                                                            \
    { .name = n, .argument = arg, .initial = init, .help = text, AT(f), .type = OPTION_TEXT }
#define ROW_FLAG(n, f, text)                                                                       \
    { .name = n, .help = text, AT(f), .type = OPTION_FLAG }
#define ROW_COUNT(n, f, arg, init, lo, hi, text)                                                   \
    {                                                                                              \
        .name = n, .argument = arg, .initial = init, .help = text, AT(f), .min = lo, .max = hi,    \
        .type = OPTION_COUNT                                                                       \
    }
#define ROW_NUMBER(n, f, arg, init, lo, hi, text)                                                  \
    {                                                                                              \
        .name = n, .argument = arg, .initial = init, .help = text, AT(f), .min = lo, .max = hi,    \
        .type = OPTION_NUMBER                                                                      \
    }
#define ROW_MODE(n, m, text)                                                                       \
    { .name = n, .help = text, .mode = m, .type = OPTION_MODE }
#define ROW_MODE_TEXT(n, m, f, arg, text)                                                          \
    { .name = n, .argument = arg, .help = text, .mode = m, AT(f), .type = OPTION_MODE_TEXT }
#define ROW_GROUP(title)                                                                           \
    { .name = NULL, .help = title }

static const struct option_row ROWS[] = {
    ROW_GROUP("What to do (without any of these: read the host, tell which limit is hit first)"),
    ROW_MODE_TEXT(
        "apply", TUNE_OPTIONS_APPLY, profile, "PROFILE",
        "set the host up by a profile (chat, hold or bench): shows the difference, writes "
        "an undo script, asks"),
    ROW_MODE("measure", TUNE_OPTIONS_MEASURE,
             "a minute of measuring: what a connection and a message cost here, and what this "
             "machine will hold by that"),
    ROW_MODE("knee", TUNE_OPTIONS_KNEE, "find the highest rate that keeps its promise"),
    ROW_MODE_TEXT("try", TUNE_OPTIONS_TRY, knob, "KNOB",
                  "change one knob, measure in pairs with and without, keep it only if it shows"),
    ROW_GROUP("The host"),
    ROW_COUNT("connections", connections, "N", "0", 0, TUNE_OPTIONS_CONNECTIONS_MAX,
              "judge by this many connections; exit 1 when they do not fit (0: as many as memory "
              "holds)"),
    ROW_FLAG("wide", is_wide, "every value that was read, with the arithmetic"),
    ROW_TEXT("root", root, "DIR", "",
             "read DIR/proc, DIR/sys and DIR/etc in place of this host's (and write there)"),
    ROW_GROUP("Applying"),
    ROW_FLAG("dry-run", is_dry_run, "show the difference, change nothing"),
    ROW_FLAG("yes", says_yes, "do not ask"),
    ROW_TEXT("undo", undo_file, "FILE", "",
             "where the undo script goes (default /var/lib/fairlead/undo-PROFILE-TIME.sh)"),
    ROW_TEXT("profiles", profiles, "DIR", "", "where the profiles are (default: as installed)"),
    ROW_GROUP("Result"),
    ROW_TEXT("json", json_file, "FILE", "", "write the result as JSON too (- for stdout)"),
    ROW_TEXT("html", html_file, "FILE", "", "write the result as one self-contained page"),
};

#define ROW_TOTAL (sizeof(ROWS) / sizeof(ROWS[0]))

PRINTF_LIKE(2, 3)
static bool fail(char error[TUNE_OPTIONS_ERROR_BYTES], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, TUNE_OPTIONS_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

static void *field_of(struct tune_options *o, const struct option_row *row) {
    return (uint8_t *)o + row->offset;
}

static bool parse_number(const struct option_row *row, const char *text, double *value,
                         char *error) {
    char *end = NULL;
    errno = 0;
    *value = strtod(text, &end);
    bool is_whole = row->type == OPTION_COUNT;
    if (end == text || *end != 0 || errno != 0 || !isfinite(*value) ||
        (is_whole && *value != floor(*value)))
        return fail(error, "--%s wants %s, not '%s'", row->name,
                    is_whole ? "a whole number" : "a number", text);
    if (*value < row->min || *value > row->max)
        return fail(error, "--%s %s is out of range: %.10g to %.10g", row->name, text, row->min,
                    row->max);
    return true;
}

static bool set_option(struct tune_options *o, const struct option_row *row, const char *text,
                       char *error) {
    double number = 0;
    switch (row->type) {
    case OPTION_FLAG:
        *(bool *)field_of(o, row) = true;
        return true;
    case OPTION_COUNT:
        if (!parse_number(row, text, &number, error))
            return false;
        *(uint32_t *)field_of(o, row) = (uint32_t)number;
        return true;
    case OPTION_NUMBER:
        return parse_number(row, text, field_of(o, row), error);
    case OPTION_TEXT:
        *(const char **)field_of(o, row) = text;
        return true;
    case OPTION_MODE_TEXT:
        *(const char **)field_of(o, row) = text;
        o->mode = row->mode;
        o->mode_count++;
        return true;
    case OPTION_MODE:
        o->mode = row->mode;
        o->mode_count++;
        return true;
    }
    UNREACHABLE();
}

static const char *nearest_option(const char *name) {
    const char *best = "help";
    for (size_t i = 0; i < ROW_TOTAL; i++)
        if (ROWS[i].name && nearest_distance(name, ROWS[i].name) < nearest_distance(name, best))
            best = ROWS[i].name;
    return best;
}

static const struct option_row *lookup_row(const char *name, size_t name_size) {
    for (size_t i = 0; i < ROW_TOTAL; i++)
        if (ROWS[i].name != NULL && strlen(ROWS[i].name) == name_size &&
            memcmp(ROWS[i].name, name, name_size) == 0)
            return &ROWS[i];
    return NULL;
}

// --name value, --name=value, --flag. Moves *at past what it used.
static bool parse_option(struct tune_options *o, int argc, char *const *argv, int *at,
                         char *error) {
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t name_size = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row = lookup_row(name, name_size);
    if (row == NULL) {
        char plain[64];
        snprintf(plain, sizeof(plain), "%.*s", (int)(name_size < 63 ? name_size : 63), name);
        return fail(error, "no option --%s; did you mean --%s?", plain, nearest_option(plain));
    }
    if (row->argument == NULL && equals)
        return fail(error, "--%s takes no value", row->name);
    if (row->argument == NULL)
        return set_option(o, row, NULL, error);
    if (equals)
        return set_option(o, row, equals + 1, error);
    if (*at + 1 >= argc)
        return fail(error, "--%s wants a value: --%s %s", row->name, row->name, row->argument);
    return set_option(o, row, argv[++*at], error);
}

// What no single option can tell.
static bool check_together(const struct tune_options *o, char *error) {
    bool applies = o->mode == TUNE_OPTIONS_APPLY;
    if (o->mode_count > 1)
        return fail(error,
                    "--apply, --measure, --knee and --try exclude each other: one at a time");
    if (!applies && o->is_dry_run)
        return fail(error, "--dry-run belongs to --apply; nothing else changes the host");
    if (!applies && o->undo_file[0])
        return fail(error, "--undo belongs to --apply");
    return true;
}

enum tune_options_outcome tune_options_parse(struct tune_options *o, int argc, char *const *argv,
                                             char error[TUNE_OPTIONS_ERROR_BYTES]) {
    *o = (struct tune_options){.mode = TUNE_OPTIONS_HOST, .profile = "", .knob = ""};
    error[0] = 0;
    for (size_t i = 0; i < ROW_TOTAL; i++)
        if (ROWS[i].initial != NULL)
            CHECKF(set_option(o, &ROWS[i], ROWS[i].initial, error), "%s", error);
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            return TUNE_OPTIONS_HELP;
        if (strcmp(argv[at], "--version") == 0)
            return TUNE_OPTIONS_VERSION;
        if (strncmp(argv[at], "--", 2) != 0) {
            fail(error, "no verb '%s'; did you mean --%s? options begin with --, see --help",
                 argv[at], nearest_option(argv[at]));
            return TUNE_OPTIONS_BAD;
        }
        if (!parse_option(o, argc, argv, &at, error))
            return TUNE_OPTIONS_BAD;
    }
    return check_together(o, error) ? TUNE_OPTIONS_RUN : TUNE_OPTIONS_BAD;
}

// Words of `text` in lines of at most `width` columns, continued at column `indent`.
static void print_wrapped(FILE *out, const char *text, int indent, int width) {
    int column = indent;
    while (*text != 0) {
        int word_size = (int)strcspn(text, " ");
        if (column > indent && column + 1 + word_size > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", word_size, text);
        column += word_size;
        text += word_size;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void tune_options_print_help(FILE *out) {
    fputs("usage: fairlead tune [--apply PROFILE|--measure|--knee|--try KNOB] [options]\n\n"
          "Tells what this machine will hold, what stops it first, and how to lift that.\n",
          out);
    for (size_t i = 0; i < ROW_TOTAL; i++) {
        const struct option_row *row = &ROWS[i];
        if (row->name == NULL) {
            fprintf(out, "\n%s\n", row->help);
            continue;
        }
        char left[48], text[400];
        snprintf(left, sizeof(left), "--%s %s", row->name, row->argument ? row->argument : "");
        bool tells_default = row->initial && row->initial[0];
        snprintf(text, sizeof(text), tells_default ? "%s (default %s)" : "%s", row->help,
                 row->initial);
        fprintf(out, "  %-20s ", left);
        print_wrapped(out, text, 23, 80);
    }
    fputs("\n--help, --version.\n"
          "Exit: 0 ok · 1 a verdict failed · 2 usage · 3 the client was the limit ·\n"
          "      4 target unreachable or refused\n",
          out);
}
