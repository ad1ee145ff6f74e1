// A report as one HTML file that needs nothing else: style, script and Chart.js are in it, and its
// own policy forbids it to load anything. For `fairlead load --html` and `fairlead tune --html`.
//
//     html_page_begin(&page, out, &head);     title, verdict in one big sentence
//     html_page_tiles(&page, tiles, 4);       the few numbers that a manager reads
//     html_page_section(&page, "Latency", "From the intended send time …");
//     html_page_chart(&page, &chart);
//     html_page_table(&page, &table);
//     status = html_page_end(&page);
//
// Reads without JavaScript, too (tables, verdict); prints on paper; follows the reader's light or
// dark scheme. All texts are plain text, UTF-8, and are escaped here. Everything is borrowed until
// the call returns; nothing is allocated. Errors of the file are kept until html_page_end.
//
// The file is some 210 KB and the points, of which a chart should have a few thousand at most.
#ifndef FAIRLEAD_HTML_PAGE_H
#define FAIRLEAD_HTML_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sched/base/check.h"

enum html_tone {
    HTML_GOOD,
    HTML_WARNING, // not to be trusted, or to be looked at
    HTML_BAD,
    HTML_PLAIN,
};

struct html_page {
    FILE *out;
    uint32_t chart_count;
    bool is_in_section;
};

struct html_head {
    const char *tool;     // "fairlead load 0.1.0"
    const char *title;    // "rooms: 5,000 connections to ws://…"
    const char *when;     // "21 November 2026, 18:27:33 UTC", or ""
    enum html_tone tone;  // of the verdict
    const char *label;    // one word: "ok", "failed", "client limit"
    const char *sentence; // the verdict
    const char *note;     // one sentence below it, "" for none
};

struct html_tile {
    const char *label; // "99 of 100 within"
    const char *value; // "12.3"
    const char *unit;  // "ms", or ""
    const char *note;  // "" for none
    enum html_tone tone;
};

// Cells in rows; the first column is the row's head, the others are set right when is_number.
struct html_column {
    const char *name;
    bool is_number;
};

struct html_table {
    const char *caption; // "" for none
    const struct html_column *columns;
    uint32_t column_count;
    const char *const *cells; // row by row, row_count * column_count; NULL: an empty cell
    uint32_t row_count;
    const enum html_tone *row_tones; // NULL: all plain; tone of a row's last cell
};

enum html_scale {
    HTML_LINEAR,
    HTML_LOGARITHMIC,
    HTML_PERCENTILE, // x only: values are 1/(1-p), ticks read 90 %, 99 %, 99.9 %
};

// Points x[i], y[i]; a y of NAN is a gap in the line.
struct html_series {
    const char *name;
    const double *x;
    const double *y;
    uint32_t count;
    bool is_right;   // measured on the right-hand axis
    bool is_filled;  // down to zero
    bool is_stepped; // holds until the next point
};

// A stretch of x, with its name on top: phases of a run.
struct html_band {
    const char *name;
    double from;
    double to;
    bool is_measured; // drawn stronger
};

struct html_chart {
    const char *title;
    const char *note;    // what there is to see, one sentence, "" for none
    const char *x_label; // with the unit
    const char *y_label;
    const char *right_label; // "" when no series is_right
    enum html_scale x_scale;
    enum html_scale y_scale;
    bool is_wide; // the whole width of the page
    const struct html_series *series;
    uint32_t series_count;
    const struct html_band *bands;
    uint32_t band_count;
};

void html_page_begin(struct html_page *page, FILE *out, const struct html_head *head);

// Begins a part with its heading and an introduction ("" for none); ends the one before.
void html_page_section(struct html_page *page, const char *title, const char *introduction);

void html_page_tiles(struct html_page *page, const struct html_tile *tiles, uint32_t count);

void html_page_text(struct html_page *page, const char *paragraph);

// As typed: commands, files.
void html_page_code(struct html_page *page, const char *text);

void html_page_table(struct html_page *page, const struct html_table *table);

// Series without a point are left out, and a chart without any.
void html_page_chart(struct html_page *page, const struct html_chart *chart);

// 0, or -errno of what could not be written (the caller closes the file and looks at that, too).
MUST_USE int html_page_end(struct html_page *page);

#endif
