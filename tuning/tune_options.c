#include "tuning/tune_options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/wrap.h"
#include "sched/base/nearest.h"
#include "tuning/measure_words.h"

#define CONNECTIONS_MEASURED 5000 // that talk in --measure, --knee and --try

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
              "holds). Measuring: so many talk (0: 5,000)"),
    ROW_FLAG("wide", is_wide, "every value that was read, with the arithmetic"),
    ROW_TEXT("root", root, "DIR", "",
             "read DIR/proc, DIR/sys and DIR/etc in place of this host's (and write there)"),
    ROW_GROUP("Applying"),
    ROW_FLAG("dry-run", is_dry_run, "show the difference, change nothing"),
    ROW_FLAG("yes", says_yes, "do not ask"),
    ROW_TEXT("undo", undo_file, "FILE", "",
             "where the undo script goes (default /var/lib/fairlead/undo-PROFILE-TIME.sh)"),
    ROW_TEXT("profiles", profiles, "DIR", "", "where the profiles are (default: as installed)"),
    ROW_GROUP("Measuring, a server and a load tool of our own (--measure, --knee, --try)"),
    ROW_COUNT("rooms-of", rooms_of, "N", "50", 1, 1000000, "members of each room"),
    ROW_TEXT("slo", slo, "TIME", "50ms", "p99 of a delivery from its intended send time: 50ms, 1s"),
    ROW_NUMBER("step-s", step_s, "S", "0", 0, 600,
               "measured window of each run (0: 5 for --knee, 2.5 for --measure, 4 for --try)"),
    ROW_FLAG("all-cpus", has_all_cpus,
             "--knee, --try: a scheduler on every CPU, not on the first alone"),
    ROW_TEXT("serve", serve_words, "OPTIONS", "", "further options of our own `fairlead serve`"),
    ROW_TEXT("load", load_words, "OPTIONS", "", "further options of `fairlead load`"),
    ROW_COUNT("port", port, "N", "17900", 1024, 32000, "servers of our own use 50 ports from here"),
    ROW_FLAG("quiet", is_quiet, "no progress"),
    ROW_GROUP("Questions to --measure"),
    ROW_TEXT("from", from_file, "FILE", "",
             "answer from the JSON of an earlier --measure, in no time"),
    ROW_NUMBER("users", users, "N", "0", 0, 1e9, "do so many fit? (0: how many fit?)"),
    ROW_NUMBER("messages-per-minute", messages_per_minute, "N", "1", 0, 1e6,
               "of each user (0: how many may --users send?)"),
    ROW_NUMBER("heartbeat-s", heartbeat_s, "S", "30", 0, 86400,
               "between a client's heartbeats (0: none)"),
    ROW_COUNT("hold", hold, "N", "40000", 400, 4000000,
              "idle connections to weigh, both ends on this machine"),
    ROW_GROUP("The search of --knee"),
    ROW_TEXT("target", target, "URL", "", "another server, ours or not: ws://host:port/path"),
    ROW_TEXT("control", control, "URL", "",
             "its control plane, when it is a Fairlead: its counters are looked at, too"),
    ROW_TEXT("scenario", scenario, "NAME", "rooms", "rooms or echo"),
    ROW_NUMBER("rate-start", rate_start, "N", "0", 0, 1e7,
               "first rate a second (0: 20,000 deliveries a second)"),
    ROW_NUMBER("rate-max", rate_max, "N", "1000000", 1, 1e7, "no faster"),
    ROW_COUNT("tries", tries, "N", "2", 1, 9, "a rate fails when it failed so often in a row"),
    ROW_GROUP("The pairs of --try"),
    ROW_COUNT("pairs", pairs, "N", "5", 2, 25, "runs with and without the knob"),
    ROW_NUMBER("rate", rate, "N", "0", 0, 1e7,
               "publishes a second (0: what takes half of a scheduler without the knob)"),
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

// "50ms", "0.2s", "50": milliseconds when nothing is said.
static bool parse_slo(struct tune_options *o, char *error) {
    char *end = NULL;
    double value = strtod(o->slo, &end);
    double unit_ms = strcmp(end, "s") == 0 ? 1000 : strcmp(end, "us") == 0 ? 0.001 : 1;
    bool has_unit = *end == 0 || strcmp(end, "ms") == 0 || unit_ms != 1;
    o->slo_ms = value * unit_ms;
    if (end == o->slo || !has_unit || !(o->slo_ms > 0) || o->slo_ms > 3.6e6)
        return fail(error, "--slo wants a time such as 50ms or 1s, not '%s'", o->slo);
    return true;
}

static bool check_measuring(struct tune_options *o, char *error) {
    bool measures = o->mode == TUNE_OPTIONS_MEASURE, seeks = o->mode == TUNE_OPTIONS_KNEE;
    if (!parse_slo(o, error))
        return false;
    if (strcmp(o->scenario, "rooms") != 0 && strcmp(o->scenario, "echo") != 0)
        return fail(error, "--scenario is rooms or echo, not '%s'", o->scenario);
    if (!seeks && o->target[0])
        return fail(error, "--target belongs to --knee; the others start a server of their own");
    if (o->control[0] && !o->target[0])
        return fail(error, "--control belongs to --target: whose control plane is it?");
    if (o->target[0] && (o->serve_words[0] || o->has_all_cpus))
        return fail(error, "--serve and --all-cpus are for a server of our own, not for --target");
    if (!measures && o->from_file[0])
        return fail(error, "--from belongs to --measure: --measure --from FILE --users 100000");
    if (!measure_words_validate(o->serve_words) || !measure_words_validate(o->load_words))
        return fail(error, "--serve and --load take at most 40 words of 190 bytes");
    if (seeks && o->rate_start > o->rate_max)
        return fail(error, "--rate-start %g is above --rate-max %g", o->rate_start, o->rate_max);
    if (o->connections == 0 && o->mode != TUNE_OPTIONS_HOST && o->mode != TUNE_OPTIONS_APPLY)
        o->connections = CONNECTIONS_MEASURED;
    if (o->step_s == 0)
        o->step_s = seeks ? 5 : measures ? 2.5 : 4;
    return true;
}

// What no single option can tell.
static bool check_together(struct tune_options *o, char *error) {
    bool applies = o->mode == TUNE_OPTIONS_APPLY;
    if (o->mode_count > 1)
        return fail(error,
                    "--apply, --measure, --knee and --try exclude each other: one at a time");
    if (!applies && o->is_dry_run)
        return fail(error, "--dry-run belongs to --apply; nothing else changes the host");
    if (applies && (o->json_file[0] || o->html_file[0]))
        return fail(error, "--json and --html tell what was found; --apply has nothing for them");
    if (!applies && o->undo_file[0])
        return fail(error, "--undo belongs to --apply");
    return check_measuring(o, error);
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
        if (strlen(left) > 20)
            fprintf(out, "\n%*s", 23, "");
        wrap_print(out, text, (struct wrap){.indent = 23, .column = 23});
    }
    fputs("\n--help, --version.\n"
          "Exit: 0 ok · 1 a verdict failed · 2 usage · 3 the client was the limit ·\n"
          "      4 target unreachable or refused\n",
          out);
}
