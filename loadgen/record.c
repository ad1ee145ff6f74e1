#include "loadgen/record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "loadgen/control_client.h"
#include "loadgen/shape.h"
#include "loadgen/verdict.h"
#include "sched/base/clock.h"
#include "sched/base/nearest.h"

#define URL_DEFAULT "http://127.0.0.1:8081"
#define FILE_DEFAULT "shape.json"
#define DURATION_S_DEFAULT 60
#define LOOK_NS (2 * NS_PER_S) // a look at the server's counts costs it a walk over its rooms
#define LOOKS_MAX 60
#define PATH_BYTES_MAX 4096

static const char help[] =
    "usage: fairlead load record [http://HOST:PORT] [options]\n\n"
    "Has a gateway record the shape of its traffic (connects, joins, messages by the second;\n"
    "sizes, gaps, fan-out; no payloads, names or users) and keeps it in a file for\n"
    "`fairlead load replay`. The address is that of the control plane (default " URL_DEFAULT
    ").\n\n"
    "  --duration-s N    how long, 1 to 3600 (default 60); Ctrl-C ends it sooner\n"
    "  --out FILE        where to, - for stdout (default " FILE_DEFAULT ")\n"
    "  --replace         when a recording is under way: forget that one\n"
    "  --quiet           no progress\n"
    "  --help\n\n"
    "Exit: 0 ok · 1 the file could not be written · 2 usage · 4 unreachable, refused, or no "
    "Fairlead\n";

// --- options -------------------------------------------------------------------------------------

static bool read_duration(struct record_options *o, const char *text, char *error) {
    char *end;
    double seconds = strtod(text, &end);
    if (*text == 0 || *end != 0 || !(seconds >= 1) || seconds > SHAPE_SECONDS_MAX ||
        seconds != floor(seconds))
        return option_row_fail(error, "--duration-s wants a whole number from 1 to %d, not '%s'",
                               SHAPE_SECONDS_MAX, text);
    o->duration_s = seconds;
    return true;
}

static bool set_flag(struct record_options *o, const char *name) {
    if (strcmp(name, "--replace") == 0)
        o->replaces = true;
    else if (strcmp(name, "--quiet") == 0)
        o->is_quiet = true;
    else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        o->wants_help = true;
    else
        return false;
    return true;
}

// "--name=value", or the next word; NULL when there is none.
static const char *value_of(int argc, char *const *argv, int *at) {
    const char *equals = strchr(argv[*at], '=');
    if (equals)
        return equals + 1;
    return *at + 1 < argc ? argv[++*at] : NULL;
}

static bool unknown(const char *word, char *error) {
    static const char *const names[] = {"--duration-s", "--out", "--replace", "--quiet", "--help"};
    size_t nearest = 0;
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++)
        if (nearest_distance(word, names[i]) < nearest_distance(word, names[nearest]))
            nearest = i;
    return option_row_fail(error, "record has no option %s; did you mean %s?", word,
                           names[nearest]);
}

bool record_options_parse(struct record_options *o, int argc, char *const *argv,
                          char error[LOAD_OPTIONS_ERROR_BYTES]) {
    bool has_url = false;
    *o = (struct record_options){
        .url = URL_DEFAULT, .file = FILE_DEFAULT, .duration_s = DURATION_S_DEFAULT};
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        size_t size = strcspn(word, "=");
        bool is_duration =
            size == strlen("--duration-s") && strncmp(word, "--duration-s", size) == 0;
        bool is_out = size == strlen("--out") && strncmp(word, "--out", size) == 0;
        if (word[0] != '-') {
            if (has_url)
                return option_row_fail(error, "record asks one gateway; '%s' is one too many",
                                       word);
            o->url = word;
            has_url = true;
            continue;
        }
        if (set_flag(o, word))
            continue;
        if (!is_duration && !is_out)
            return unknown(word, error);
        const char *value = value_of(argc, argv, &at);
        if (!value || *value == 0)
            return option_row_fail(error, "%s wants a value", word);
        if (is_out)
            o->file = value;
        else if (!read_duration(o, value, error))
            return false;
    }
    return true;
}

// --- the server ----------------------------------------------------------------------------------

struct recording {
    const struct record_options *options;
    const volatile sig_atomic_t *interrupts;
    char version[64]; // of the server
    uint64_t begin_ns;
    json_t *rooms_most; // the rooms_end of the look with most members, NULL: none
    double members_most;
};

static json_t *ask(const struct recording *r, const char *method, const char *path,
                   enum control_client_result *result, char *error) {
    struct control_client_request request = {.url = r->options->url,
                                             .path = path,
                                             .method = method,
                                             .answer_bytes_max = SHAPE_FILE_BYTES_MAX};
    return control_client_ask_json(&request, result, error);
}

// Whether there is a Fairlead that can record and does not already.
static bool look_first(struct recording *r, char *error) {
    enum control_client_result result;
    struct control_client_answer answer;
    json_t *info = control_client_info(r->options->url, 0, error);
    if (!info)
        return false;
    const char *version = json_string_value(json_object_get(info, "version"));
    snprintf(r->version, sizeof(r->version), "%s", version ? version : "unknown");
    json_decref(info);
    struct control_client_request request = {
        .url = r->options->url, .path = "/traffic", .answer_bytes_max = SHAPE_FILE_BYTES_MAX};
    result = control_client_ask(&request, &answer, error);
    bool is_missing = result == CONTROL_CLIENT_REFUSED && answer.status == 404;
    bool is_new = is_missing && strncmp(answer.text, "nothing was recorded", 20) == 0;
    json_t *before = result == CONTROL_CLIENT_OK ? json_loads(answer.text, 0, NULL) : NULL;
    bool is_on = json_is_true(json_object_get(before, "on"));
    const char *begun = json_string_value(json_object_get(before, "begun"));
    if (is_missing && !is_new)
        option_row_fail(error,
                        "the Fairlead at %s (version %s) cannot record its traffic: it is older "
                        "than this tool",
                        r->options->url, r->version);
    else if (is_on && !r->options->replaces)
        option_row_fail(error,
                        "%s is recording already, since %s: wait for that one, or forget it with "
                        "--replace",
                        r->options->url, begun ? begun : "a while");
    bool is_good = is_new || (result == CONTROL_CLIENT_OK && (!is_on || r->options->replaces));
    json_decref(before);
    control_client_answer_fini(&answer);
    return is_good;
}

static bool begin(struct recording *r, char *error) {
    char path[64];
    snprintf(path, sizeof(path), "/traffic?for_s=%.0f", r->options->duration_s);
    json_t *root = ask(r, "POST", path, NULL, error);
    r->begin_ns = clock_monotonic_ns();
    bool is_good = root != NULL;
    if (json_array_size(json_object_get(root, "cores_silent")) > 0)
        fprintf(stderr, "fairlead load: some cores of the gateway did not answer: their part is "
                        "missing from the recording\n");
    json_decref(root);
    return is_good;
}

// --- progress ------------------------------------------------------------------------------------

static uint64_t last_of(const json_t *root, const char *series, size_t second) {
    const json_t *list = json_object_get(json_object_get(root, "per_second"), series);
    return (uint64_t)json_integer_value(json_array_get(list, second));
}

// One line: how far, and what the last whole second was like.
static void show(const struct recording *r, const json_t *root, double elapsed_s) {
    bool is_terminal = isatty(STDERR_FILENO);
    size_t count =
        json_array_size(json_object_get(json_object_get(root, "per_second"), "publishes"));
    size_t second = count >= 2 ? count - 2 : 0; // the last one has only begun
    fprintf(stderr,
            "%s%3.0f of %.0f s  %llu publishes/s, %llu deliveries/s, %llu joins/s, %llu "
            "connects/s%s",
            is_terminal ? "\r" : "", elapsed_s, r->options->duration_s,
            (unsigned long long)last_of(root, "publishes", second),
            (unsigned long long)last_of(root, "deliveries", second),
            (unsigned long long)last_of(root, "joins", second),
            (unsigned long long)last_of(root, "connects", second), is_terminal ? "   " : "\n");
    fflush(stderr);
}

// The server tells of rooms as they are when it is asked: who asks in the end alone may find that
// everybody has gone home.
static void keep_rooms(struct recording *r, const json_t *root) {
    json_t *rooms = json_object_get(root, "rooms_end");
    double members = 0;
    for (size_t i = 0; i < json_array_size(rooms); i++) {
        const json_t *cell = json_array_get(rooms, i);
        members += (json_number_value(json_array_get(cell, 0)) +
                    json_number_value(json_array_get(cell, 1))) /
                   2 * json_number_value(json_array_get(cell, 2));
    }
    if (!json_is_array(rooms) || (r->rooms_most && members <= r->members_most))
        return;
    json_decref(r->rooms_most);
    r->rooms_most = json_incref(rooms);
    r->members_most = members;
}

// Until the time is over or Ctrl-C. A look that fails is no end: the server may be busy.
static void wait_for(struct recording *r) {
    uint64_t duration_ns = (uint64_t)(r->options->duration_s * 1e9);
    uint64_t end_ns = r->begin_ns + duration_ns;
    uint64_t every_ns = duration_ns / LOOKS_MAX > LOOK_NS ? duration_ns / LOOKS_MAX : LOOK_NS;
    uint64_t look_ns = r->begin_ns + every_ns;
    for (uint64_t now_ns; (now_ns = clock_monotonic_ns()) < end_ns && *r->interrupts == 0;) {
        uint64_t next_ns = look_ns < end_ns ? look_ns : end_ns;
        uint64_t pause_ns = next_ns > now_ns ? next_ns - now_ns : 0;
        if (pause_ns > 100 * NS_PER_MS)
            pause_ns = 100 * NS_PER_MS;
        struct timespec pause = {.tv_nsec = (long)pause_ns};
        nanosleep(&pause, NULL);
        if (clock_monotonic_ns() < look_ns || look_ns >= end_ns)
            continue;
        char error[CONTROL_CLIENT_ERROR_BYTES];
        look_ns += every_ns;
        json_t *root = ask(r, "GET", "/traffic", NULL, error);
        keep_rooms(r, root);
        if (root && !r->options->is_quiet)
            show(r, root, (double)(clock_monotonic_ns() - r->begin_ns) / 1e9);
        json_decref(root);
    }
    if (!r->options->is_quiet && isatty(STDERR_FILENO))
        fputc('\n', stderr);
}

// --- the file ------------------------------------------------------------------------------------

static bool put_value(FILE *out, const json_t *value) {
    return json_dumpf(value, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) == 0;
}

static bool put_series(FILE *out, const json_t *seconds) {
    const char *key, *before = "{";
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)seconds, key, value) {
        fprintf(out, "%s\n    \"%s\": ", before, key);
        if (!put_value(out, value))
            return false;
        before = ",";
    }
    return fputs("\n  }", out) != EOF;
}

// One key a line, so that the line of a mistake says something.
static bool put(FILE *out, const json_t *root) {
    const char *key, *before = "{";
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)root, key, value) {
        fprintf(out, "%s\n  \"%s\": ", before, key);
        if (!(strcmp(key, "per_second") == 0 ? put_series(out, value) : put_value(out, value)))
            return false;
        before = ",";
    }
    return fputs("\n}\n", out) != EOF;
}

// Beside a file and then in its place, so that an old one survives a full disk; straight into what
// is no plain file (a pipe, a device, a link), which must not be replaced by one.
static bool write_file(const char *path, const json_t *root, char *error) {
    char beside[PATH_BYTES_MAX];
    struct stat status;
    bool is_stdout = strcmp(path, "-") == 0;
    bool is_plain = !is_stdout && (lstat(path, &status) != 0 || S_ISREG(status.st_mode));
    snprintf(beside, sizeof(beside), "%s%s", path, is_plain ? ".part" : "");
    FILE *out = is_stdout ? stdout : fopen(beside, "we");
    bool is_good = out != NULL && put(out, root);
    if (out)
        is_good = (is_stdout ? fflush(out) : fclose(out)) == 0 && is_good;
    if (is_good && is_plain)
        is_good = rename(beside, path) == 0;
    if (is_good)
        return true;
    option_row_fail(error, "cannot write %s: %s", path, strerror(errno));
    if (out && is_plain)
        unlink(beside);
    return false;
}

static void say_done(const struct record_options *o, const struct shape *shape) {
    fprintf(stderr,
            "recorded %.10g s: %llu publishes to %llu members, %llu joins, %llu connects, %llu "
            "pings\n",
            shape->seconds, (unsigned long long)shape->sums[SHAPE_publishes],
            (unsigned long long)shape->sums[SHAPE_deliveries],
            (unsigned long long)shape->sums[SHAPE_joins],
            (unsigned long long)shape->sums[SHAPE_connects],
            (unsigned long long)shape->sums[SHAPE_pings]);
    if (strcmp(o->file, "-") != 0)
        fprintf(stderr, "written to %s; play it with: fairlead load replay %s\n", o->file, o->file);
}

// What the gateway has counted, checked as replay would, into the file.
static int keep(struct recording *r, char *error) {
    struct shape *shape = calloc(1, sizeof(*shape));
    json_t *root = ask(r, "GET", "/traffic", NULL, error);
    int code = VERDICT_TARGET;
    if (root) {
        keep_rooms(r, root);
        json_object_set(root, "rooms_most", r->rooms_most);
        json_object_set_new(root, "recorded_from", json_string(r->options->url));
        if (shape && shape_decode(shape, r->options->url, root, error))
            code = write_file(r->options->file, root, error) ? VERDICT_OK : VERDICT_FAILED;
    }
    if (code == VERDICT_OK)
        say_done(r->options, shape);
    json_decref(root);
    free(shape);
    return code;
}

static int record(const struct record_options *o, const volatile sig_atomic_t *interrupts,
                  char *error) {
    struct recording r = {.options = o, .interrupts = interrupts};
    if (!look_first(&r, error) || !begin(&r, error))
        return VERDICT_TARGET;
    if (!o->is_quiet)
        fprintf(stderr, "fairlead load: records the traffic of %s (version %s) for %.0f s\n",
                o->url, r.version, o->duration_s);
    wait_for(&r);
    json_decref(ask(&r, "DELETE", "/traffic", NULL, error)); // sooner, by Ctrl-C
    int code = keep(&r, error);
    json_decref(r.rooms_most);
    return code;
}

int record_main(int argc, char *const *argv, const volatile sig_atomic_t *interrupts) {
    struct record_options o;
    char error[CONTROL_CLIENT_ERROR_BYTES];
    _Static_assert(CONTROL_CLIENT_ERROR_BYTES >= LOAD_OPTIONS_ERROR_BYTES, "one serves both");
    if (!record_options_parse(&o, argc, argv, error)) {
        fprintf(stderr, "fairlead load: %s\n", error);
        return VERDICT_USAGE;
    }
    if (o.wants_help) {
        fputs(help, stdout);
        return VERDICT_OK;
    }
    int code = record(&o, interrupts, error);
    if (code != VERDICT_OK)
        fprintf(stderr, "fairlead load: %s\n", error);
    return code;
}
