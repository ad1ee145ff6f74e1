// The report as a page (report.h): the verdict in one sentence, the numbers that a manager reads,
// plots over time and of the whole distribution, then every figure in tables. html_page.h draws.
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/html_page.h"
#include "loadgen/report.h"
#include "sched/base/clock.h"

#define CELL_BYTES 64
#define CURVE_POINTS_MAX 160
#define CURVE_STEPS 8 // points for each halving of what is left to 100 %
#define BANDS_MAX (RESULT_PHASES_MAX + 4)
#define MIB ((double)(1u << 20))

// One curve over time: how a snapshot becomes a number.
struct curve {
    const char *name;
    double (*value)(const struct result_interval *row, const struct result_interval *before);
    bool is_right;
    bool is_filled;
};

// What is drawn and printed from; everything on the heap is freed at the end.
struct page {
    struct html_page html;
    const struct report *report;
    double *x;    // at_s of each snapshot
    double *y[8]; // values of the curves of the chart being drawn
    struct html_band bands[BANDS_MAX];
    uint32_t band_count;
};

// --- numbers as people write them ----------------------------------------------------------------

// 1234567 as 1,234,567.
static const char *grouped(char text[CELL_BYTES], double value) {
    char plain[CELL_BYTES];
    int size = snprintf(plain, sizeof(plain), "%.0f", value);
    int out = 0;
    for (int i = 0; i < size && out < CELL_BYTES - 2; i++) {
        if (i > 0 && (size - i) % 3 == 0 && plain[i - 1] != '-')
            text[out++] = ',';
        text[out++] = plain[i];
    }
    text[out] = 0;
    return text;
}

// Milliseconds with three digits that count.
static const char *in_ms(char text[CELL_BYTES], uint64_t ns) {
    double ms = (double)ns / 1e6;
    if (ms >= 1000)
        return grouped(text, ms);
    snprintf(text, CELL_BYTES, "%.*f", ms >= 100 ? 0 : ms >= 10 ? 1 : ms >= 1 ? 2 : 3, ms);
    return text;
}

// A sentence with its large whole numbers grouped: "2000000 connections" as "2,000,000". Numbers
// after a point or a colon (fractions, ports) stay.
static void group_numbers(char *out, size_t out_size, const char *text) {
    size_t size = 0;
    char before = 0;
    while (*text && size + 1 < out_size) {
        size_t digits = strspn(text, "0123456789");
        bool groups = digits > 4 && before != '.' && before != ':';
        for (size_t i = 0; i < (digits ? digits : 1) && size + 2 < out_size; i++) {
            if (groups && i > 0 && (digits - i) % 3 == 0)
                out[size++] = ',';
            out[size++] = text[i];
        }
        text += digits ? digits : 1;
        before = text[-1];
    }
    out[size] = 0;
}

static const char *formatted(char text[CELL_BYTES], const char *format, ...) PRINTF_LIKE(2, 3);
static const char *formatted(char text[CELL_BYTES], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, CELL_BYTES, format, arguments);
    va_end(arguments);
    return text;
}

// --- the head ------------------------------------------------------------------------------------

static enum html_tone tone_of(enum verdict_code code) {
    switch (code) {
    case VERDICT_OK:
        return HTML_GOOD;
    case VERDICT_FAILED:
    case VERDICT_TARGET:
        return HTML_BAD;
    case VERDICT_USAGE:
    case VERDICT_CLIENT_LIMIT:
        return HTML_WARNING;
    }
    UNREACHABLE();
}

static const char *label_of(enum verdict_code code) {
    switch (code) {
    case VERDICT_OK:
        return "passed";
    case VERDICT_FAILED:
        return "failed";
    case VERDICT_TARGET:
        return "not reached";
    case VERDICT_USAGE:
        return "not run";
    case VERDICT_CLIENT_LIMIT:
        return "says nothing about the server";
    }
    UNREACHABLE();
}

static void begin_page(struct page *page, FILE *out) {
    const struct report *report = page->report;
    const struct load_options *o = report->options;
    const struct result *r = report->result;
    char title[320], note[400] = "", ms[3][CELL_BYTES], count[CELL_BYTES];
    snprintf(title, sizeof(title), "%s: %s connections to %s%s",
             load_options_scenario_name(o->scenario), grouped(count, o->connections), o->targets[0],
             o->target_count > 1 ? " and others" : "");
    if (report->verdict->code == VERDICT_CLIENT_LIMIT)
        snprintf(note, sizeof(note),
                 "The rates and latencies below are those of the load tool and its machine.");
    else if (r->latency.count > 0)
        snprintf(note, sizeof(note),
                 "Half of all messages arrived within %s ms of the moment they were due, 99 of 100 "
                 "within %s ms; the slowest took %s ms.",
                 in_ms(ms[0], histogram_quantile_ns(&r->latency, HISTOGRAM_P50)),
                 in_ms(ms[1], histogram_quantile_ns(&r->latency, HISTOGRAM_P99)),
                 in_ms(ms[2], r->latency.max_ns));
    else if (r->heartbeat.count > 0)
        snprintf(note, sizeof(note), "99 of 100 heartbeats were answered within %s ms.",
                 in_ms(ms[0], histogram_quantile_ns(&r->heartbeat, HISTOGRAM_P99)));
    char sentence[sizeof(report->verdict->sentence) * 2];
    group_numbers(sentence, sizeof(sentence), report->verdict->sentence);
    bool is_disturbed =
        report->verdict->code == VERDICT_OK && report->verdict->wait >= VERDICT_WAIT_TOLD;
    const struct html_head head = {
        .tool = report->environment->tool,
        .title = title,
        .when = report->environment->began,
        .tone = is_disturbed ? HTML_WARNING : tone_of(report->verdict->code),
        .label = is_disturbed ? "passed, disturbed" : label_of(report->verdict->code),
        .sentence = sentence,
        .note = note,
    };
    html_page_begin(&page->html, out, &head);
}

static void put_tiles(struct page *page) {
    const struct report *report = page->report;
    const struct result *r = report->result;
    const struct verdict *v = report->verdict;
    char value[8][CELL_BYTES], note[8][CELL_BYTES], plain[CELL_BYTES];
    struct html_tile tiles[8];
    uint32_t count = 0;
    tiles[count++] = (struct html_tile){
        "connections", grouped(value[0], r->live_max), "",
        formatted(note[0], "of %s asked for", grouped(plain, r->wanted)),
        result_refused_count(r) + result_dropped_count(r) > 0 ? HTML_BAD : HTML_PLAIN};
    if (r->sent > 0)
        tiles[count++] = (struct html_tile){
            "sent", grouped(value[1], v->achieved_rate), "/s",
            report->options->is_closed
                ? "as fast as answered"
                : formatted(note[1], "%s/s asked for", grouped(plain, v->offered_rate)),
            HTML_PLAIN};
    if (r->received > 0)
        tiles[count++] = (struct html_tile){
            "received", grouped(value[2], v->received_rate), "/s",
            formatted(note[2], "%s in all", grouped(plain, (double)r->received)), HTML_PLAIN};
    const struct histogram *h = r->latency.count > 0 ? &r->latency : &r->heartbeat;
    const char *what = h == &r->heartbeat ? "heartbeat, " : "";
    if (h->count > 0) {
        tiles[count++] =
            (struct html_tile){formatted(note[3], "%s99 of 100 within", what),
                               in_ms(value[3], histogram_quantile_ns(h, HISTOGRAM_P99)), "ms",
                               formatted(note[4], "half within %s ms",
                                         in_ms(plain, histogram_quantile_ns(h, HISTOGRAM_P50))),
                               HTML_PLAIN};
        tiles[count++] = (struct html_tile){formatted(note[5], "%sslowest", what),
                                            in_ms(value[4], h->max_ns), "ms", "", HTML_PLAIN};
    }
    uint64_t gone = r->verify.lost + r->verify.missing;
    if (report->options->scenario != LOAD_OPTIONS_ECHO && r->received_all > 0)
        tiles[count++] = (struct html_tile){"lost", grouped(value[5], (double)gone), "", "messages",
                                            gone > 0 ? HTML_BAD : HTML_GOOD};
    struct report_server server;
    if (report_measure_server(report, &server)) {
        tiles[count++] = (struct html_tile){
            "server CPU", formatted(value[6], "%.0f", server.cpu_mean * 100), "%",
            formatted(note[6], "of a core; %.0f %% at most", server.cpu_max * 100), HTML_PLAIN};
        tiles[count++] = (struct html_tile){
            "server memory", grouped(value[7], (double)server.memory_max_bytes / MIB), "MiB",
            "resident, at most", HTML_PLAIN};
    }
    html_page_tiles(&page->html, tiles, count);
}

// --- plots over time -----------------------------------------------------------------------------

static double seconds_between(const struct result_interval *row,
                              const struct result_interval *before) {
    double seconds = row->at_s - before->at_s;
    return seconds > 0.001 ? seconds : 1;
}

static double sent_rate(const struct result_interval *row, const struct result_interval *before) {
    return (double)(row->sent - before->sent) / seconds_between(row, before);
}

static double received_rate(const struct result_interval *row,
                            const struct result_interval *before) {
    return (double)(row->received - before->received) / seconds_between(row, before);
}

static double live(const struct result_interval *row, const struct result_interval *before) {
    return (double)row->live;
}

static double failures(const struct result_interval *row, const struct result_interval *before) {
    return (double)row->failures;
}

static double positive(double value) {
    return value > 0 ? value : (double)NAN;
}

#define PERCENTILE(name)                                                                           \
    static double name(const struct result_interval *row, const struct result_interval *before) {  \
        return positive((double)row->name##_ns / 1e6);                                             \
    }
PERCENTILE(p50)
PERCENTILE(p90)
PERCENTILE(p99)
PERCENTILE(p999)
PERCENTILE(max)
#undef PERCENTILE

static double client_cpu(const struct result_interval *row, const struct result_interval *before) {
    return row->client_cpu >= 0 ? row->client_cpu * 100 : (double)NAN;
}

static double server_cpu(const struct result_interval *row, const struct result_interval *before) {
    return row->server_cpu >= 0 ? row->server_cpu * 100 : (double)NAN;
}

static double client_memory(const struct result_interval *row,
                            const struct result_interval *before) {
    return positive((double)row->client_memory_bytes / MIB);
}

static double server_memory(const struct result_interval *row,
                            const struct result_interval *before) {
    return positive((double)row->server_memory_bytes / MIB);
}

static void put_time_chart(struct page *page, struct html_chart chart, const struct curve *curves,
                           uint32_t curve_count) {
    static const struct result_interval NONE = {0};
    const struct result *r = page->report->result;
    struct html_series series[8];
    for (uint32_t k = 0; k < curve_count; k++) {
        for (uint32_t i = 0; i < r->interval_stored; i++)
            page->y[k][i] = curves[k].value(&r->intervals[i], i > 0 ? &r->intervals[i - 1] : &NONE);
        series[k] = (struct html_series){.name = curves[k].name,
                                         .x = page->x,
                                         .y = page->y[k],
                                         .count = r->interval_stored,
                                         .is_right = curves[k].is_right,
                                         .is_filled = curves[k].is_filled};
    }
    chart.x_label = "s";
    chart.series = series;
    chart.series_count = curve_count;
    chart.bands = page->bands;
    chart.band_count = page->band_count;
    html_page_chart(&page->html, &chart);
}

static void put_time_charts(struct page *page) {
    static const struct curve rates[] = {{"received", received_rate, false, true},
                                         {"sent", sent_rate, true, false}};
    static const struct curve latencies[] = {{"p50", p50, false, false},
                                             {"p90", p90, false, false},
                                             {"p99", p99, false, false},
                                             {"p99.9", p999, false, false},
                                             {"max", max, false, false}};
    static const struct curve cpus[] = {{"server", server_cpu, false, false},
                                        {"client (this tool)", client_cpu, false, false}};
    static const struct curve memories[] = {{"server", server_memory, false, false},
                                            {"client (this tool)", client_memory, false, false}};
    static const struct curve connections[] = {{"connections up", live, false, true},
                                               {"failed or dropped so far", failures, true, false}};
    if (page->report->result->interval_stored == 0)
        return;
    uint32_t last = page->report->result->interval_stored - 1;
    html_page_section(&page->html, "While it ran",
                      "One point a second. The bands are the phases of the run; the darker one is "
                      "what was measured.");
    if (page->report->result->sent_all + page->report->result->received_all > 0)
        put_time_chart(page,
                       (struct html_chart){.title = "Messages a second",
                                           .note = "Received on the left scale, sent on the right.",
                                           .y_label = "received a second",
                                           .right_label = "sent a second",
                                           .is_wide = true},
                       rates, 2);
    put_time_chart(page,
                   (struct html_chart){.title = "Latency",
                                       .note = "Of the messages that arrived in each second, from "
                                               "the time they were due, on a logarithmic scale.",
                                       .y_label = "ms",
                                       .right_label = "",
                                       .y_scale = HTML_LOGARITHMIC,
                                       .is_wide = true},
                   latencies, 5);
    put_time_chart(page,
                   (struct html_chart){.title = "CPU",
                                       .note = "100 % is one core busy all the time.",
                                       .y_label = "% of a core",
                                       .right_label = ""},
                   cpus, 2);
    put_time_chart(page,
                   (struct html_chart){.title = "Memory",
                                       .note = "Resident memory of the processes; sockets in the "
                                               "kernel are not in it.",
                                       .y_label = "MiB",
                                       .right_label = ""},
                   memories, 2);
    put_time_chart(page,
                   (struct html_chart){.title = "Connections",
                                       .note = "Up at the time, and how many had failed by then.",
                                       .y_label = "connections",
                                       .right_label = "failed",
                                       .is_wide = true},
                   connections, page->report->result->intervals[last].failures > 0 ? 2 : 1);
}

// --- the whole distribution ----------------------------------------------------------------------

struct points {
    double x[CURVE_POINTS_MAX];
    double y[CURVE_POINTS_MAX];
};

// From 0 % to where fewer values are left than one; then the largest.
static uint32_t list_quantiles(const struct histogram *h, struct points *points) {
    uint32_t count = 0;
    double last = fmin((double)h->count, 1e6);
    for (double x = 1; x < last && count + 1 < CURVE_POINTS_MAX; x *= pow(2, 1.0 / CURVE_STEPS)) {
        uint32_t ppm = (uint32_t)lround((1 - 1 / x) * HISTOGRAM_P100);
        points->x[count] = x;
        points->y[count++] = positive((double)histogram_quantile_ns(h, ppm) / 1e6);
    }
    points->x[count] = last;
    points->y[count++] = positive((double)h->max_ns / 1e6);
    return count;
}

static void put_distribution(struct page *page) {
    struct report_latency list[REPORT_LATENCIES_MAX];
    uint32_t count = report_list_latencies(page->report, list), series_count = 0;
    struct points *points = calloc(count, sizeof(*points));
    struct html_series series[REPORT_LATENCIES_MAX];
    if (points == NULL)
        return; // the table below has the same figures
    for (uint32_t i = 0; i < count; i++)
        if (list[i].histogram->count > 0)
            series[series_count++] =
                (struct html_series){.name = list[i].title,
                                     .x = points[i].x,
                                     .y = points[i].y,
                                     .count = list_quantiles(list[i].histogram, &points[i])};
    const struct html_chart chart = {
        .title = "The whole distribution",
        .note = "How many of 100 arrived within what time: at 99 % stands the time that one in a "
                "hundred exceeded. A click on a name hides its curve.",
        .x_label = "of all values",
        .y_label = "ms",
        .right_label = "",
        .x_scale = HTML_PERCENTILE,
        .y_scale = HTML_LOGARITHMIC,
        .is_wide = true,
        .series = series,
        .series_count = series_count,
    };
    html_page_chart(&page->html, &chart);
    free(points);
}

// --- bands ---------------------------------------------------------------------------------------

static void add_band(struct page *page, struct html_band band) {
    if (page->band_count < BANDS_MAX && band.to > band.from)
        page->bands[page->band_count++] = band;
}

static double seconds_at(const struct result *r, uint64_t at_ns) {
    return at_ns > r->begin_ns ? (double)(at_ns - r->begin_ns) / (double)NS_PER_S : 0;
}

// Connecting, then the plan's phases (or, without a plan, warm-up and window), then stragglers.
static void find_bands(struct page *page) {
    const struct result *r = page->report->result;
    const struct result_window *window = &r->window;
    double end_s = r->interval_stored > 0 ? r->intervals[r->interval_stored - 1].at_s : 0;
    double at_s = r->connected_ns > 0 ? seconds_at(r, r->connected_ns) : end_s;
    add_band(page, (struct html_band){"connect", 0, at_s, false});
    for (uint32_t i = 0; i < r->phase_row_count && r->phase_rows[i].begin_ns > 0; i++) {
        const struct result_phase_row *row = &r->phase_rows[i];
        double from_s = seconds_at(r, row->begin_ns);
        at_s = row->end_ns > 0 ? seconds_at(r, row->end_ns) : end_s;
        add_band(page, (struct html_band){row->name, from_s, at_s, row->is_measured});
    }
    if (r->phase_row_count == 0 && window->end_ns > window->begin_ns) {
        double from_s = seconds_at(r, window->begin_ns);
        add_band(page, (struct html_band){"warm-up", at_s, from_s, false});
        at_s = seconds_at(r, window->end_ns);
        add_band(page, (struct html_band){"measured", from_s, at_s, true});
    }
    add_band(page, (struct html_band){"stragglers", at_s, end_s, false});
}

// --- tables --------------------------------------------------------------------------------------

static void put_latency_table(struct page *page) {
    static const struct html_column columns[] = {
        {"milliseconds", false}, {"values", true}, {"p50", true},
        {"p90", true},           {"p99", true},    {"p99.9", true},
        {"p99.99", true},        {"max", true},    {"from … to", false}};
    static const uint32_t asked[] = {HISTOGRAM_P50,  HISTOGRAM_P90,   HISTOGRAM_P99,
                                     HISTOGRAM_P999, HISTOGRAM_P9999, HISTOGRAM_P100};
    enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };
    struct report_latency list[REPORT_LATENCIES_MAX];
    uint32_t count = report_list_latencies(page->report, list), row = 0;
    char text[REPORT_LATENCIES_MAX][COLUMNS][CELL_BYTES];
    const char *cells[REPORT_LATENCIES_MAX * COLUMNS];
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].histogram->count == 0)
            continue;
        const char **cell = &cells[row * COLUMNS];
        cell[0] = list[i].title;
        cell[1] = grouped(text[row][1], (double)list[i].histogram->count);
        for (uint32_t k = 0; k < sizeof(asked) / sizeof(asked[0]); k++)
            cell[2 + k] =
                in_ms(text[row][2 + k], histogram_quantile_ns(list[i].histogram, asked[k]));
        cell[COLUMNS - 1] = list[i].help;
        row++;
    }
    const struct html_table table = {.caption = "",
                                     .columns = columns,
                                     .column_count = COLUMNS,
                                     .cells = cells,
                                     .row_count = row};
    html_page_table(&page->html, &table);
}

static void put_phase_table(struct page *page) {
    static const struct html_column columns[] = {
        {"phase", false}, {"seconds", true}, {"sent", true},  {"received", true},
        {"p50 ms", true}, {"p99 ms", true},  {"max ms", true}};
    enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };
    const struct result *r = page->report->result;
    char text[RESULT_PHASES_MAX][COLUMNS][CELL_BYTES];
    const char *cells[RESULT_PHASES_MAX * COLUMNS];
    if (r->phase_row_count < 2)
        return;
    for (uint32_t i = 0; i < r->phase_row_count; i++) {
        const struct result_phase_row *phase = &r->phase_rows[i];
        const char **cell = &cells[i * COLUMNS];
        uint64_t lasted_ns = phase->end_ns > phase->begin_ns ? phase->end_ns - phase->begin_ns : 0;
        cell[0] = phase->name;
        cell[1] = formatted(text[i][1], "%.1f", (double)lasted_ns / (double)NS_PER_S);
        cell[2] = grouped(text[i][2], (double)phase->sent);
        cell[3] = grouped(text[i][3], (double)phase->received);
        cell[4] = in_ms(text[i][4], histogram_quantile_ns(phase->latency, HISTOGRAM_P50));
        cell[5] = in_ms(text[i][5], histogram_quantile_ns(phase->latency, HISTOGRAM_P99));
        cell[6] = in_ms(text[i][6], phase->latency->max_ns);
    }
    const struct html_table table = {.caption = "Phases",
                                     .columns = columns,
                                     .column_count = COLUMNS,
                                     .cells = cells,
                                     .row_count = r->phase_row_count};
    html_page_table(&page->html, &table);
}

static void put_check_table(struct page *page) {
    static const struct html_column columns[] = {
        {"check", false}, {"means", false}, {"found", true}};
    struct report_check list[REPORT_CHECKS_MAX];
    uint32_t count = report_list_checks(page->report, list);
    char text[REPORT_CHECKS_MAX][CELL_BYTES];
    const char *cells[REPORT_CHECKS_MAX * 3];
    enum html_tone tones[REPORT_CHECKS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        cells[i * 3] = list[i].name;
        cells[i * 3 + 1] = list[i].help;
        cells[i * 3 + 2] = grouped(text[i], (double)list[i].count);
        tones[i] = list[i].count == 0 ? HTML_GOOD : list[i].is_fault ? HTML_BAD : HTML_WARNING;
    }
    const struct html_table table = {.caption = "Every message is checked",
                                     .columns = columns,
                                     .column_count = 3,
                                     .cells = cells,
                                     .row_count = count,
                                     .row_tones = tones};
    html_page_table(&page->html, &table);
}

static void put_agent_table(struct page *page) {
    static const struct html_column columns[] = {
        {"agent", false},           {"up", true},  {"sent", true},
        {"received", true},         {"CPU", true}, {"own send lag, p99", true},
        {"was it the limit", false}};
    enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };
    const struct result *r = page->report->result;
    char text[RESULT_PARTS_MAX][COLUMNS][CELL_BYTES];
    const char *cells[RESULT_PARTS_MAX * COLUMNS];
    enum html_tone tones[RESULT_PARTS_MAX];
    if (r->part_count == 0)
        return;
    for (uint32_t i = 0; i < r->part_count; i++) {
        const struct result_part *part = &r->parts[i];
        const char **cell = &cells[i * COLUMNS];
        cell[0] = part->address;
        cell[1] = grouped(text[i][1], part->live_max);
        cell[2] = grouped(text[i][2], (double)part->sent);
        cell[3] = grouped(text[i][3], (double)part->received);
        cell[4] = formatted(text[i][4], "%.0f %%", part->cpu * 100);
        cell[5] = formatted(text[i][5], "%.3f ms", (double)part->lag_p99_ns / 1e6);
        cell[6] = part->limit[0] ? part->limit : "no";
        tones[i] = part->limit[0] ? HTML_WARNING : HTML_PLAIN;
    }
    const struct html_table table = {.caption = "Agents",
                                     .columns = columns,
                                     .column_count = COLUMNS,
                                     .cells = cells,
                                     .row_count = r->part_count,
                                     .row_tones = tones};
    html_page_table(&page->html, &table);
}

static void put_failure_table(struct page *page) {
    static const struct html_column columns[] = {{"why", false}, {"connections", true}};
    const struct result *r = page->report->result;
    char text[RESULT_FAILURE_COUNT][CELL_BYTES], first[RESULT_DETAIL_BYTES + 32];
    const char *cells[RESULT_FAILURE_COUNT * 2];
    uint32_t row = 0;
    for (int i = 0; i < RESULT_FAILURE_COUNT; i++)
        if (r->failures[i] > 0) {
            cells[row * 2] = result_failure_name((enum result_failure)i);
            cells[row * 2 + 1] = grouped(text[row], r->failures[i]);
            row++;
        }
    if (row == 0)
        return;
    const struct html_table table = {.caption = "Connections that failed",
                                     .columns = columns,
                                     .column_count = 2,
                                     .cells = cells,
                                     .row_count = row};
    html_page_table(&page->html, &table);
    snprintf(first, sizeof(first), "The first of them: %s", r->detail);
    html_page_text(&page->html, first);
}

static void put_expectation_table(struct page *page) {
    static const struct html_column columns[] = {{"expected", false}, {"was", true}, {"", false}};
    const struct expect *e = &page->report->options->expect;
    struct expect_seen seen = verdict_seen(page->report->verdict, page->report->result);
    char values[EXPECT_TERMS_MAX][EXPECT_VALUE_BYTES];
    const char *cells[EXPECT_TERMS_MAX * 3];
    enum html_tone tones[EXPECT_TERMS_MAX];
    if (e->count == 0)
        return;
    for (uint32_t i = 0; i < e->count; i++) {
        bool holds = expect_judge(&e->terms[i], &seen, values[i]) == EXPECT_HOLDS;
        cells[i * 3] = e->terms[i].text;
        cells[i * 3 + 1] = values[i];
        cells[i * 3 + 2] = holds ? "holds" : "does not hold";
        tones[i] = holds ? HTML_GOOD : HTML_BAD;
    }
    const struct html_table table = {.caption = "What was expected",
                                     .columns = columns,
                                     .column_count = 3,
                                     .cells = cells,
                                     .row_count = e->count,
                                     .row_tones = tones};
    html_page_table(&page->html, &table);
}

static void put_environment(struct page *page) {
    static const struct html_column columns[] = {{"", false}, {"", false}};
    const struct report *report = page->report;
    struct environment_row rows[ENVIRONMENT_ROWS_MAX];
    uint32_t count = environment_rows(report->environment, rows);
    const char *cells[ENVIRONMENT_ROWS_MAX * 2];
    for (uint32_t i = 0; i < count; i++) {
        cells[i * 2] = rows[i].name;
        cells[i * 2 + 1] = rows[i].value;
    }
    html_page_section(&page->html, "Where this was measured",
                      environment_sharing(report->environment));
    const struct html_table table = {
        .caption = "", .columns = columns, .column_count = 2, .cells = cells, .row_count = count};
    html_page_table(&page->html, &table);
    if (report->command[0] != 0) {
        html_page_text(&page->html, "The command:");
        html_page_code(&page->html, report->command);
    }
}

static void put_client(struct page *page) {
    const struct report *report = page->report;
    const struct verdict *v = report->verdict;
    char text[600];
    if (v->window_s <= 0 || report->result->part_count > 0)
        return;
    snprintf(text, sizeof(text),
             "The load tool itself used %.0f %% of one core in the %.1f s that were measured, "
             "waited for a CPU %.1f %% of that time, and its loop came round %.1f ms late at "
             "worst: %s%s.",
             v->cpu * 100, v->window_s, v->wait * 100,
             (double)report->result->window.late_max_ns / 1e6,
             v->client_was_limit ? "it was the limit, " : "it was not the limit",
             v->client_was_limit ? v->limit_cause : "");
    html_page_text(&page->html, text);
}

// --- the page ------------------------------------------------------------------------------------

static bool page_init(struct page *page, const struct report *report) {
    const struct result *r = report->result;
    size_t count = r->interval_stored + 1;
    *page = (struct page){.report = report};
    double *all = calloc(count * 9, sizeof(*all));
    if (all == NULL)
        return false;
    page->x = all;
    for (size_t i = 0; i < 8; i++)
        page->y[i] = all + count * (i + 1);
    for (uint32_t i = 0; i < r->interval_stored; i++)
        page->x[i] = r->intervals[i].at_s;
    return true;
}

static int write_page(struct page *page, FILE *out) {
    begin_page(page, out);
    put_tiles(page);
    find_bands(page);
    put_time_charts(page);
    html_page_section(&page->html, "Latency",
                      "From the moment a message was due to the moment this tool read it, so a "
                      "server that stalls is charged for everybody who waited. pN: N of 100 values "
                      "are at most this.");
    put_distribution(page);
    put_latency_table(page);
    put_phase_table(page);
    html_page_section(&page->html, "Checks", "");
    put_expectation_table(page);
    put_check_table(page);
    put_failure_table(page);
    put_agent_table(page);
    put_client(page);
    put_environment(page);
    return html_page_end(&page->html);
}

int report_write_html(const char *path, const struct report *report) {
    struct page *page = malloc(sizeof(*page));
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    int status = out == NULL ? -errno : page == NULL || !page_init(page, report) ? -ENOMEM : 0;
    if (status == 0) {
        status = write_page(page, out);
        free(page->x);
    }
    if (out != NULL && out != stdout && fclose(out) != 0 && status == 0)
        status = -errno;
    free(page);
    return status;
}
