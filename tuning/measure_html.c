#include "tuning/measure_html.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loadgen/html_page.h"
#include "tuning/measure_words.h"

#define CURVE_POINTS 61 // room sizes of 1 to 1,000, log-spaced
#define CURVE_DECADES 3.0
#define CELL_BYTES 128
#define CELLS_MAX (8 * KNEE_REPORT_STEPS_MAX)

// Cells of a table, written one after the other; the rest of what a page needs while it is made.
struct sheet {
    struct html_page page;
    FILE *out;
    const char *path;
    char when[64];
    uint32_t cell_count;
    char text[CELLS_MAX][CELL_BYTES];
    const char *cells[CELLS_MAX];
    enum html_tone tones[CELLS_MAX];
};

static bool sheet_open(struct sheet *s, const char *path) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(s->when, sizeof(s->when), "%d %B %Y, %H:%M:%S UTC", &utc);
    s->path = path;
    s->out = fopen(path, "we");
    if (s->out == NULL)
        fprintf(stderr, "fairlead tune: cannot write %s: %s\n", path, strerror(errno));
    return s->out != NULL;
}

static bool sheet_close(struct sheet *s) {
    int status = html_page_end(&s->page);
    if (fclose(s->out) != 0 && status == 0)
        status = -errno;
    if (status != 0)
        fprintf(stderr, "fairlead tune: cannot write %s: %s\n", s->path, strerror(-status));
    return status == 0;
}

PRINTF_LIKE(2, 3)
static void cell(struct sheet *s, const char *format, ...) {
    if (s->cell_count == CELLS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->text[s->cell_count], CELL_BYTES, format, arguments);
    va_end(arguments);
    s->cells[s->cell_count] = s->text[s->cell_count];
    s->cell_count++;
}

static void table(struct sheet *s, const char *caption, const struct html_column *columns,
                  uint32_t column_count, bool has_tones) {
    struct html_table t = {.caption = caption,
                           .columns = columns,
                           .column_count = column_count,
                           .cells = s->cells,
                           .row_count = s->cell_count / column_count,
                           .row_tones = has_tones ? s->tones : NULL};
    html_page_table(&s->page, &t);
    s->cell_count = 0;
}

static void begin(struct sheet *s, const char *title, const char *sentence, const char *note,
                  int exit_code) {
    static const struct {
        enum html_tone tone;
        const char *label;
    } verdicts[] = {{HTML_GOOD, "ok"},
                    {HTML_BAD, "failed"},
                    {HTML_BAD, "usage"},
                    {HTML_WARNING, "client limit"},
                    {HTML_BAD, "no target"}};
    struct html_head head = {.tool = "fairlead tune " FAIRLEAD_VERSION,
                             .title = title,
                             .when = s->when,
                             .tone = verdicts[exit_code].tone,
                             .label = verdicts[exit_code].label,
                             .sentence = sentence,
                             .note = note};
    html_page_begin(&s->page, s->out, &head);
}

// --- measure -------------------------------------------------------------------------------------

// Deliveries a second over the size of rooms, by the model.
static void curve_of(const struct measure_result *r, const struct measure_answers *answers,
                     enum measure_side_name side, double *x, double *y) {
    struct model_costs costs;
    struct model_question question = answers->question;
    if (!measure_result_costs(r, side, &costs))
        return;
    for (uint32_t i = 0; i < CURVE_POINTS; i++) {
        struct model_answer answer;
        x[i] = question.room_members = pow(10, CURVE_DECADES * i / (CURVE_POINTS - 1));
        model_answer(&costs, &answers->machines[side], &question, &answer);
        y[i] = answer.deliveries_per_s;
    }
}

static void measure_charts(struct sheet *s, const struct measure_result *r,
                           const struct measure_answers *answers) {
    static const char *const names[] = {"one scheduler", "all schedulers"};
    double x[2][CURVE_POINTS], y[2][CURVE_POINTS], members[2][MODEL_FANOUTS_MAX],
        cost[2][MODEL_FANOUTS_MAX];
    struct html_series curves[2], costs[2];
    uint32_t count = 0;
    for (int i = 0; i < MEASURE_SIDE_COUNT; i++) {
        if (!answers->is_known[i])
            continue;
        const struct measure_side *side = &r->sides[i];
        curve_of(r, answers, (enum measure_side_name)i, x[i], y[i]);
        for (uint32_t f = 0; f < side->fanout_count; f++) {
            members[i][f] = side->fanouts[f].members;
            cost[i][f] = side->fanouts[f].publish_ns / side->fanouts[f].members / 1e3;
        }
        curves[count] =
            (struct html_series){.name = names[i], .x = x[i], .y = y[i], .count = CURVE_POINTS};
        costs[count++] = (struct html_series){
            .name = names[i], .x = members[i], .y = cost[i], .count = side->fanout_count};
    }
    struct html_chart rates = {.title = "Deliveries a second by room size",
                               .note = "By the model, the latency bound included.",
                               .x_label = "members of a room",
                               .y_label = "deliveries/s",
                               .right_label = "",
                               .x_scale = HTML_LOGARITHMIC,
                               .series = curves,
                               .series_count = count};
    struct html_chart each = {.title = "The server's CPU for a delivery",
                              .note = "As measured, near full load.",
                              .x_label = "members of a room",
                              .y_label = "µs",
                              .right_label = "",
                              .x_scale = HTML_LOGARITHMIC,
                              .series = costs,
                              .series_count = count};
    html_page_chart(&s->page, &rates);
    html_page_chart(&s->page, &each);
}

static void measure_tables(struct sheet *s, const struct measure_result *r) {
    static const struct html_column what[] = {{"what", false}, {"takes", true}};
    static const struct html_column fanouts[] = {{"members", true},      {"a message", true},
                                                 {"a delivery", true},   {"deliveries/s", true},
                                                 {"server's CPU", true}, {"client's CPU", true}};
    char text[MEASURE_WORDS_BYTES];
#define ROW(name, value)                                                                           \
    cell(s, "%s", name);                                                                           \
    cell(s, "%s", value)
    ROW("an idle connection, in the process", measure_words_bytes(r->user_bytes, text));
    ROW("in the kernel, the server's half", measure_words_bytes(r->kernel_bytes, text));
    ROW("a server that holds nothing", measure_words_bytes(r->fixed_bytes, text));
    ROW("CPU of connect, upgrade, join", measure_words_time(r->connect_ns, text));
    ROW("CPU of a heartbeat", measure_words_time(r->heartbeat_ns, text));
#undef ROW
    table(s, "A connection", what, 2, false);
    for (int i = 0; i < MEASURE_SIDE_COUNT; i++) {
        const struct measure_side *side = &r->sides[i];
        for (uint32_t f = 0; side->is_measured && f < side->fanout_count; f++) {
            const struct measure_fanout *at = &side->fanouts[f];
            cell(s, "%.0f", at->members);
            cell(s, "%s", measure_words_time(at->publish_ns, text));
            cell(s, "%s", measure_words_time(at->publish_ns / at->members, text));
            cell(s, "%s", measure_words_count(at->deliveries_per_s, text));
            cell(s, "%.0f %%", at->server_cpu * 100);
            cell(s, "%.0f %%", at->client_cpu * 100);
        }
        if (side->is_measured)
            table(s, i == MEASURE_ONE ? "A message, one scheduler" : "A message, all schedulers",
                  fanouts, 6, false);
    }
}

bool measure_html_measure(const struct measure_result *r, const struct measure_answers *answers,
                          const struct tune_options *o, const char *sentence, int exit_code) {
    struct sheet *s = calloc(1, sizeof(*s));
    CHECKF(s, "no memory");
    bool is_good = sheet_open(s, o->html_file);
    if (is_good) {
        const struct model_answer *a = &answers->all[answers->best];
        char idle[MEASURE_WORDS_BYTES], rate[MEASURE_WORDS_BYTES], users[MEASURE_WORDS_BYTES],
            bytes[MEASURE_WORDS_BYTES];
        const struct html_tile tiles[] = {
            {"idle connections", measure_words_count(a->idle_connections, idle), "",
             model_limit_name(a->idle_limit), HTML_PLAIN},
            {"deliveries a second", measure_words_count(a->deliveries_per_s, rate), "", "",
             HTML_PLAIN},
            {"users", measure_words_count(a->users, users), "", model_limit_name(a->users_limit),
             a->users_fit ? HTML_PLAIN : HTML_BAD},
            {"an idle connection", measure_words_bytes(r->user_bytes + r->kernel_bytes, bytes), "",
             "process and kernel", HTML_PLAIN},
        };
        begin(s, "What this machine will hold", sentence,
              "Server and client shared this machine over loopback; with clients elsewhere it is "
              "less work.",
              exit_code);
        html_page_tiles(&s->page, tiles, 4);
        html_page_section(&s->page, "Messages", "");
        measure_charts(s, r, answers);
        html_page_section(&s->page, "What things cost", "");
        measure_tables(s, r);
        for (uint32_t i = 0; i < r->remark_count; i++)
            html_page_text(&s->page, r->remarks[i]);
        is_good = sheet_close(s);
    }
    free(s);
    return is_good;
}

// --- knee ----------------------------------------------------------------------------------------

static int by_rate(const void *a, const void *b) {
    const struct knee_step *const *x = a, *const *y = b;
    return ((*x)->rate > (*y)->rate) - ((*x)->rate < (*y)->rate);
}

static void knee_chart(struct sheet *s, const struct knee_report *report,
                       const struct tune_options *o) {
    const struct knee_step *sorted[KNEE_REPORT_STEPS_MAX];
    double x[KNEE_REPORT_STEPS_MAX], p50[KNEE_REPORT_STEPS_MAX], p99[KNEE_REPORT_STEPS_MAX],
        bound[KNEE_REPORT_STEPS_MAX];
    for (uint32_t i = 0; i < report->step_count; i++)
        sorted[i] = &report->steps[i];
    qsort(sorted, report->step_count, sizeof(sorted[0]), by_rate);
    for (uint32_t i = 0; i < report->step_count; i++) {
        x[i] = sorted[i]->rate;
        p50[i] = sorted[i]->p50_ns / 1e6;
        p99[i] = sorted[i]->p99_ns / 1e6;
        bound[i] = o->slo_ms;
    }
    const struct html_series series[] = {
        {.name = "p99", .x = x, .y = p99, .count = report->step_count},
        {.name = "p50", .x = x, .y = p50, .count = report->step_count},
        {.name = "the bound", .x = x, .y = bound, .count = report->step_count},
    };
    struct html_chart chart = {.title = "Latency over the rate",
                               .note = "Each step of the search, sorted by its rate.",
                               .x_label = report->is_rooms ? "publishes/s" : "requests/s",
                               .y_label = "ms",
                               .right_label = "",
                               .x_scale = HTML_LOGARITHMIC,
                               .y_scale = HTML_LOGARITHMIC,
                               .is_wide = true,
                               .series = series,
                               .series_count = 3};
    html_page_chart(&s->page, &chart);
}

static void knee_table(struct sheet *s, const struct knee_report *report) {
    static const struct html_column columns[] = {
        {"step", true},         {"rate", true},         {"received/s", true}, {"p99", true},
        {"server's CPU", true}, {"client's CPU", true}, {"result", false}};
    char text[MEASURE_WORDS_BYTES];
    for (uint32_t i = 0; i < report->step_count; i++) {
        const struct knee_step *step = &report->steps[i];
        bool is_pass = step->verdict == KNEE_PASS;
        s->tones[i] = is_pass ? HTML_GOOD : step->verdict == KNEE_CLIENT ? HTML_WARNING : HTML_BAD;
        cell(s, "%u", i + 1);
        cell(s, "%.1f", step->rate);
        cell(s, "%.0f", step->received_per_s);
        cell(s, "%s", measure_words_time(step->p99_ns, text));
        if (isfinite(step->server_cpu))
            cell(s, "%.0f %%", step->server_cpu * 100);
        else
            cell(s, "unknown");
        cell(s, "%.0f %%", step->client_cpu * 100);
        cell(s, "%s", is_pass ? "pass" : step->why);
    }
    table(s, "Steps", columns, 7, true);
}

bool measure_html_knee(const struct knee_report *report, const struct tune_options *o,
                       const char *sentence, int exit_code) {
    struct sheet *s = calloc(1, sizeof(*s));
    CHECKF(s, "no memory");
    bool is_good = sheet_open(s, o->html_file);
    if (is_good) {
        char title[256];
        snprintf(title, sizeof(title), "The knee of %.200s",
                 report->is_local ? "a server of our own" : o->target);
        begin(s, title, sentence,
              report->is_local ? "Client and server share this machine over loopback." : "",
              exit_code);
        html_page_section(
            &s->page, "The search",
            "Rates double until one fails, then halve the gap; a failed rate is tried "
            "again before it counts.");
        knee_chart(s, report, o);
        knee_table(s, report);
        is_good = sheet_close(s);
    }
    free(s);
    return is_good;
}

// --- try -----------------------------------------------------------------------------------------

static void try_chart(struct sheet *s, const struct try_report *report) {
    const struct try_series *cpu = &report->series[TRY_CPU];
    double x[2][TRY_PAIRS_MAX], y[2][TRY_PAIRS_MAX];
    uint32_t counts[2] = {0, 0};
    for (uint32_t i = 0; i < report->run_count; i++) {
        bool is_with = try_pairs_is_with(i);
        uint32_t at = counts[is_with];
        if (at >= (is_with ? cpu->with_count : cpu->without_count))
            continue;
        x[is_with][at] = i + 1;
        y[is_with][at] = (is_with ? cpu->with : cpu->without)[at] / 1e3;
        counts[is_with]++;
    }
    const struct html_series series[] = {
        {.name = "without", .x = x[0], .y = y[0], .count = counts[0]},
        {.name = "with", .x = x[1], .y = y[1], .count = counts[1]},
    };
    struct html_chart chart = {.title = "CPU per delivery, run by run",
                               .note = "A drift of the machine shows in both lines.",
                               .x_label = "run",
                               .y_label = "µs",
                               .right_label = "",
                               .is_wide = true,
                               .series = series,
                               .series_count = 2};
    html_page_chart(&s->page, &chart);
}

static void try_cells(struct sheet *s, const struct try_series *series, const double *values,
                      uint32_t count) {
    struct try_range range;
    char median[MEASURE_WORDS_BYTES], min[MEASURE_WORDS_BYTES], max[MEASURE_WORDS_BYTES];
    try_pairs_range(values, count, &range);
    cell(s, "%s [%s–%s]", try_report_value(series, range.median, median),
         try_report_value(series, range.min, min), try_report_value(series, range.max, max));
}

bool measure_html_try(const struct try_report *report, const struct tune_options *o,
                      const char *sentence, int exit_code) {
    static const struct html_column columns[] = {
        {"measure", false}, {"without", true}, {"with", true}, {"shown", false}};
    static const enum html_tone tones[TRY_SHOWN_COUNT] = {HTML_PLAIN, HTML_GOOD, HTML_BAD,
                                                          HTML_WARNING};
    struct sheet *s = calloc(1, sizeof(*s));
    CHECKF(s, "no memory");
    bool is_good = sheet_open(s, o->html_file);
    if (is_good) {
        char title[256];
        snprintf(title, sizeof(title), "%s=%s", report->knob.name, report->knob.value);
        begin(s, title, sentence,
              "Runs with and without take turns; ranges that overlap show nothing.", exit_code);
        html_page_section(&s->page, "The pairs", "");
        try_chart(s, report);
        for (uint32_t i = 0; i < TRY_MEASURE_COUNT; i++) {
            const struct try_series *series = &report->series[i];
            s->tones[i] = tones[try_pairs_compare(series)];
            cell(s, "%s", series->name);
            try_cells(s, series, series->without, series->without_count);
            try_cells(s, series, series->with, series->with_count);
            cell(s, "%s", try_shown_name(try_pairs_compare(series)));
        }
        table(s, "Medians and ranges", columns, 4, true);
        is_good = sheet_close(s);
    }
    free(s);
    return is_good;
}
