#include "tuning/tune_options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/option_row.h"
#include "tuning/measure_words.h"

#define CONNECTIONS_MEASURED 5000 // that talk in --measure, --knee and --try

#define OPTION_ROW_OPTIONS tune_options

// Rows of our own choose what is done: `own` is the enum tune_mode.
#define ROW_MODE(n, m, text)                                                                       \
    { .name = n, .help = text, .own = m, .type = OPTION_ROW_OWN }
#define ROW_MODE_TEXT(n, m, f, arg, text)                                                          \
    { .name = n, .argument = arg, .help = text, .own = m, OPTION_ROW_AT(f), .type = OPTION_ROW_OWN }

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

static bool set_own(void *options, const struct option_row *row, const char *text, char *error) {
    struct tune_options *o = options;
    if (text != NULL)
        *(const char **)((uint8_t *)options + row->offset) = text;
    o->mode = (enum tune_mode)row->own;
    o->mode_count++;
    return true;
}

static const struct option_table TABLE = {ROWS, sizeof(ROWS) / sizeof(ROWS[0]), set_own};

// "50ms", "0.2s", "50": milliseconds when nothing is said.
static bool parse_slo(struct tune_options *o, char *error) {
    char *end = NULL;
    double value = strtod(o->slo, &end);
    double unit_ms = strcmp(end, "s") == 0 ? 1000 : strcmp(end, "us") == 0 ? 0.001 : 1;
    bool has_unit = *end == 0 || strcmp(end, "ms") == 0 || unit_ms != 1;
    o->slo_ms = value * unit_ms;
    if (end == o->slo || !has_unit || !(o->slo_ms > 0) || o->slo_ms > 3.6e6)
        return option_row_fail(error, "--slo wants a time such as 50ms or 1s, not '%s'", o->slo);
    return true;
}

static bool check_measuring(struct tune_options *o, char *error) {
    bool measures = o->mode == TUNE_OPTIONS_MEASURE, seeks = o->mode == TUNE_OPTIONS_KNEE;
    if (!parse_slo(o, error))
        return false;
    if (strcmp(o->scenario, "rooms") != 0 && strcmp(o->scenario, "echo") != 0)
        return option_row_fail(error, "--scenario is rooms or echo, not '%s'", o->scenario);
    if (!seeks && o->target[0])
        return option_row_fail(
            error, "--target belongs to --knee; the others start a server of their own");
    if (o->control[0] && !o->target[0])
        return option_row_fail(error, "--control belongs to --target: whose control plane is it?");
    if (o->target[0] && (o->serve_words[0] || o->has_all_cpus))
        return option_row_fail(
            error, "--serve and --all-cpus are for a server of our own, not for --target");
    if (!measures && o->from_file[0])
        return option_row_fail(error,
                               "--from belongs to --measure: --measure --from FILE --users 100000");
    if (!measure_words_validate(o->serve_words) || !measure_words_validate(o->load_words))
        return option_row_fail(error, "--serve and --load take at most 40 words of 190 bytes");
    if (seeks && o->rate_start > o->rate_max)
        return option_row_fail(error, "--rate-start %g is above --rate-max %g", o->rate_start,
                               o->rate_max);
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
        return option_row_fail(
            error, "--apply, --measure, --knee and --try exclude each other: one at a time");
    if (!applies && o->is_dry_run)
        return option_row_fail(error,
                               "--dry-run belongs to --apply; nothing else changes the host");
    if (applies && (o->json_file[0] || o->html_file[0]))
        return option_row_fail(
            error, "--json and --html tell what was found; --apply has nothing for them");
    if (!applies && o->undo_file[0])
        return option_row_fail(error, "--undo belongs to --apply");
    return check_measuring(o, error);
}

enum tune_options_outcome tune_options_parse(struct tune_options *o, int argc, char *const *argv,
                                             char error[TUNE_OPTIONS_ERROR_BYTES]) {
    *o = (struct tune_options){.mode = TUNE_OPTIONS_HOST, .profile = "", .knob = ""};
    error[0] = 0;
    option_row_init(&TABLE, o);
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            return TUNE_OPTIONS_HELP;
        if (strcmp(argv[at], "--version") == 0)
            return TUNE_OPTIONS_VERSION;
        if (strncmp(argv[at], "--", 2) != 0) {
            option_row_fail(error,
                            "no verb '%s'; did you mean --%s? options begin with --, see --help",
                            argv[at], option_row_nearest(&TABLE, argv[at]));
            return TUNE_OPTIONS_BAD;
        }
        if (option_row_take(&TABLE, o, argc, argv, &at, error) == NULL)
            return TUNE_OPTIONS_BAD;
    }
    return check_together(o, error) ? TUNE_OPTIONS_RUN : TUNE_OPTIONS_BAD;
}

void tune_options_print_help(FILE *out) {
    fputs("usage: fairlead tune [--apply PROFILE|--measure|--knee|--try KNOB] [options]\n\n"
          "Tells what this machine will hold, what stops it first, and how to lift that.\n",
          out);
    option_row_print(&TABLE, out, 20, 0);
    fputs("\n--help, --version.\n"
          "Exit: 0 ok · 1 a verdict failed · 2 usage · 3 the client was the limit ·\n"
          "      4 target unreachable or refused\n",
          out);
}
