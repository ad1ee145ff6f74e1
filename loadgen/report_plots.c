#include "loadgen/report_plots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/clock.h"

#define CURVES_MAX 8
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

// What the charts over time are drawn from. One allocation, `x` is its beginning.
struct plots {
    struct html_page *html;
    const struct report *report;
    double *x;             // at_s of each snapshot
    double *y[CURVES_MAX]; // values of the curves of the chart being drawn
    struct html_band bands[BANDS_MAX];
    uint32_t band_count;
};

// --- bands ---------------------------------------------------------------------------------------

static void add_band(struct plots *plots, struct html_band band) {
    if (plots->band_count < BANDS_MAX && band.to > band.from)
        plots->bands[plots->band_count++] = band;
}

static double seconds_at(const struct result *r, uint64_t at_ns) {
    return at_ns > r->begin_ns ? (double)(at_ns - r->begin_ns) / (double)NS_PER_S : 0;
}

// Connecting, then the plan's phases (or, without a plan, warm-up and window), then stragglers.
static void find_bands(struct plots *plots) {
    const struct result *r = plots->report->result;
    const struct result_window *window = &r->window;
    double end_s = r->interval_stored > 0 ? r->intervals[r->interval_stored - 1].at_s : 0;
    double at_s = r->connected_ns > 0 ? seconds_at(r, r->connected_ns) : end_s;
    add_band(plots, (struct html_band){"connect", 0, at_s, false});
    for (uint32_t i = 0; i < r->phase_row_count && r->phase_rows[i].begin_ns > 0; i++) {
        const struct result_phase_row *row = &r->phase_rows[i];
        double from_s = seconds_at(r, row->begin_ns);
        at_s = row->end_ns > 0 ? seconds_at(r, row->end_ns) : end_s;
        add_band(plots, (struct html_band){row->name, from_s, at_s, row->is_measured});
    }
    if (r->phase_row_count == 0 && window->end_ns > window->begin_ns) {
        double from_s = seconds_at(r, window->begin_ns);
        add_band(plots, (struct html_band){"warm-up", at_s, from_s, false});
        at_s = seconds_at(r, window->end_ns);
        add_band(plots, (struct html_band){"measured", from_s, at_s, true});
    }
    add_band(plots, (struct html_band){"stragglers", at_s, end_s, false});
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

static void put_time_chart(struct plots *plots, struct html_chart chart, const struct curve *curves,
                           uint32_t curve_count) {
    static const struct result_interval NONE = {0};
    const struct result *r = plots->report->result;
    struct html_series series[8];
    for (uint32_t k = 0; k < curve_count; k++) {
        for (uint32_t i = 0; i < r->interval_stored; i++)
            plots->y[k][i] =
                curves[k].value(&r->intervals[i], i > 0 ? &r->intervals[i - 1] : &NONE);
        series[k] = (struct html_series){.name = curves[k].name,
                                         .x = plots->x,
                                         .y = plots->y[k],
                                         .count = r->interval_stored,
                                         .is_right = curves[k].is_right,
                                         .is_filled = curves[k].is_filled};
    }
    chart.x_label = "s";
    chart.series = series;
    chart.series_count = curve_count;
    chart.bands = plots->bands;
    chart.band_count = plots->band_count;
    html_page_chart(plots->html, &chart);
}

static void put_time_charts(struct plots *plots) {
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
    uint32_t last = plots->report->result->interval_stored - 1;
    html_page_section(plots->html, "While it ran",
                      "One point a second. The bands are the phases of the run; the darker one is "
                      "what was measured.");
    if (plots->report->result->sent_all + plots->report->result->received_all > 0)
        put_time_chart(plots,
                       (struct html_chart){.title = "Messages a second",
                                           .note = "Received on the left scale, sent on the right.",
                                           .y_label = "received a second",
                                           .right_label = "sent a second",
                                           .is_wide = true},
                       rates, 2);
    put_time_chart(plots,
                   (struct html_chart){.title = "Latency",
                                       .note = "Of the messages that arrived in each second, from "
                                               "the time they were due, on a logarithmic scale.",
                                       .y_label = "ms",
                                       .right_label = "",
                                       .y_scale = HTML_LOGARITHMIC,
                                       .is_wide = true},
                   latencies, 5);
    put_time_chart(plots,
                   (struct html_chart){.title = "CPU",
                                       .note = "100 % is one core busy all the time.",
                                       .y_label = "% of a core",
                                       .right_label = ""},
                   cpus, 2);
    put_time_chart(plots,
                   (struct html_chart){.title = "Memory",
                                       .note = "Resident memory of the processes; sockets in the "
                                               "kernel are not in it.",
                                       .y_label = "MiB",
                                       .right_label = ""},
                   memories, 2);
    put_time_chart(plots,
                   (struct html_chart){.title = "Connections",
                                       .note = "Up at the time, and how many had failed by then.",
                                       .y_label = "connections",
                                       .right_label = "failed",
                                       .is_wide = true},
                   connections, plots->report->result->intervals[last].failures > 0 ? 2 : 1);
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

static bool plots_init(struct plots *plots, struct html_page *page, const struct report *report) {
    const struct result *r = report->result;
    size_t count = r->interval_stored;
    *plots = (struct plots){.html = page, .report = report};
    plots->x = calloc(count * (CURVES_MAX + 1), sizeof(*plots->x));
    if (plots->x == NULL)
        return false;
    for (size_t i = 0; i < CURVES_MAX; i++)
        plots->y[i] = plots->x + count * (i + 1);
    for (size_t i = 0; i < count; i++)
        plots->x[i] = r->intervals[i].at_s;
    find_bands(plots);
    return true;
}

void report_plot_over_time(struct html_page *page, const struct report *report) {
    struct plots plots;
    if (report->result->interval_stored == 0)
        return;
    if (!plots_init(&plots, page, report)) {
        html_page_text(page, "There was no memory for the plots over time.");
        return;
    }
    put_time_charts(&plots);
    if (report->result->interval_count > report->result->interval_stored)
        html_page_text(page,
                       "Later seconds are counted in all totals, but not drawn: only the first "
                       "two hours are.");
    free(plots.x);
}

void report_plot_distribution(struct html_page *page, const struct report *report) {
    struct report_latency list[REPORT_LATENCIES_MAX];
    uint32_t count = report_list_latencies(report, list), series_count = 0;
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
    html_page_chart(page, &chart);
    free(points);
}
