#include "loadgen/html_page.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "loadgen/html_assets.h"

static const char *const TONES[] = {
    [HTML_GOOD] = "good",
    [HTML_WARNING] = "warning",
    [HTML_BAD] = "bad",
    [HTML_PLAIN] = "plain",
};
static const char *const SCALES[] = {
    [HTML_LINEAR] = "linear",
    [HTML_LOGARITHMIC] = "logarithmic",
    [HTML_PERCENTILE] = "percentile",
};

static void put(struct html_page *page, const char *text) {
    fputs(text, page->out);
}

static void put_asset(struct html_page *page, struct html_asset asset) {
    fwrite(asset.data, 1, asset.size, page->out);
}

// As text of an element and in quoted attributes.
static void put_text(struct html_page *page, const char *text) {
    for (; *text; text++)
        switch (*text) {
        case '<':
            put(page, "&lt;");
            break;
        case '>':
            put(page, "&gt;");
            break;
        case '&':
            put(page, "&amp;");
            break;
        case '"':
            put(page, "&quot;");
            break;
        default:
            fputc(*text, page->out);
        }
}

static void put_element(struct html_page *page, const char *begin, const char *text,
                        const char *end) {
    if (text[0] == 0)
        return;
    put(page, begin);
    put_text(page, text);
    put(page, end);
}

// A JSON string inside <script>: no "<" may stand there as such.
static void put_string(struct html_page *page, const char *text) {
    fputc('"', page->out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&')
            fprintf(page->out, "\\u%04x", c);
        else
            fputc(c, page->out);
    }
    fputc('"', page->out);
}

static void put_member(struct html_page *page, const char *name, const char *value) {
    fprintf(page->out, ",\"%s\":", name);
    put_string(page, value);
}

static void put_numbers(struct html_page *page, const double *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            fprintf(page->out, "%s%.7g", i ? "," : "", values[i]);
        else
            put(page, i ? ",null" : "null");
}

void html_page_begin(struct html_page *page, FILE *out, const struct html_head *head) {
    *page = (struct html_page){.out = out};
    put(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n"
              "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
              "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n"
              "<link rel=\"icon\" href=\"data:,\">\n<title>");
    put_text(page, head->title);
    put(page, "</title>\n<style>\n");
    put_asset(page, html_assets_css());
    put(page, "</style>\n</head>\n<body>\n<header class=\"head\">\n<p class=\"tool\">");
    put_text(page, head->tool);
    put_element(page, "<span class=\"when\">", head->when, "</span>");
    put(page, "</p>\n<h1>");
    put_text(page, head->title);
    fprintf(out, "</h1>\n<div class=\"verdict %s\">\n<span class=\"label\">", TONES[head->tone]);
    put_text(page, head->label);
    put(page, "</span>\n<p class=\"sentence\">");
    put_text(page, head->sentence);
    put(page, "</p>\n");
    put_element(page, "<p class=\"note\">", head->note, "</p>\n");
    put(page, "</div>\n</header>\n<main>\n<noscript><p>The plots need JavaScript; the tables hold "
              "the same figures.</p></noscript>\n");
}

static void end_section(struct html_page *page) {
    if (page->is_in_section)
        put(page, "</section>\n");
    page->is_in_section = false;
}

void html_page_section(struct html_page *page, const char *title, const char *introduction) {
    end_section(page);
    put(page, "<section>\n<h2>");
    put_text(page, title);
    put(page, "</h2>\n");
    put_element(page, "<p class=\"intro\">", introduction, "</p>\n");
    page->is_in_section = true;
}

void html_page_tiles(struct html_page *page, const struct html_tile *tiles, uint32_t count) {
    put(page, "<dl class=\"tiles\">\n");
    for (uint32_t i = 0; i < count; i++) {
        const struct html_tile *tile = &tiles[i];
        fprintf(page->out, "<div class=\"tile %s\"><dt>", TONES[tile->tone]);
        put_text(page, tile->label);
        put(page, "</dt><dd><b>");
        put_text(page, tile->value);
        put(page, "</b>");
        put_element(page, " <span class=\"unit\">", tile->unit, "</span>");
        put_element(page, "<small>", tile->note, "</small>");
        put(page, "</dd></div>\n");
    }
    put(page, "</dl>\n");
}

void html_page_text(struct html_page *page, const char *paragraph) {
    put_element(page, "<p>", paragraph, "</p>\n");
}

void html_page_code(struct html_page *page, const char *text) {
    put_element(page, "<pre>", text, "</pre>\n");
}

static void put_cell(struct html_page *page, const struct html_table *table, uint32_t row,
                     uint32_t column) {
    const char *text = table->cells[row * table->column_count + column];
    bool is_last = column + 1 == table->column_count;
    enum html_tone tone = is_last && table->row_tones ? table->row_tones[row] : HTML_PLAIN;
    bool is_head = column == 0;
    fprintf(page->out, "<%s class=\"%s %s\">", is_head ? "th scope=\"row\"" : "td",
            table->columns[column].is_number ? "number" : "words", TONES[tone]);
    put_text(page, text ? text : "");
    put(page, is_head ? "</th>" : "</td>");
}

void html_page_table(struct html_page *page, const struct html_table *table) {
    put(page, "<div class=\"scroll\" tabindex=\"0\"><table>\n");
    put_element(page, "<caption>", table->caption, "</caption>\n");
    put(page, "<thead><tr>");
    for (uint32_t i = 0; i < table->column_count; i++) {
        fprintf(page->out, "<th scope=\"col\"%s>",
                table->columns[i].is_number ? " class=\"number\"" : "");
        put_text(page, table->columns[i].name);
        put(page, "</th>");
    }
    put(page, "</tr></thead>\n<tbody>\n");
    for (uint32_t row = 0; row < table->row_count; row++) {
        put(page, "<tr>");
        for (uint32_t i = 0; i < table->column_count; i++)
            put_cell(page, table, row, i);
        put(page, "</tr>\n");
    }
    put(page, "</tbody></table></div>\n");
}

static void put_series(struct html_page *page, const struct html_series *series) {
    put(page, "{\"name\":");
    put_string(page, series->name);
    fprintf(page->out, ",\"right\":%d,\"filled\":%d,\"stepped\":%d,\"x\":[", series->is_right,
            series->is_filled, series->is_stepped);
    put_numbers(page, series->x, series->count);
    put(page, "],\"y\":[");
    put_numbers(page, series->y, series->count);
    put(page, "]}");
}

static void put_bands(struct html_page *page, const struct html_chart *chart) {
    put(page, ",\"bands\":[");
    for (uint32_t i = 0; i < chart->band_count; i++) {
        const struct html_band *band = &chart->bands[i];
        fprintf(page->out, "%s{\"name\":", i ? "," : "");
        put_string(page, band->name);
        fprintf(page->out, ",\"from\":%.7g,\"to\":%.7g,\"measured\":%d}", band->from, band->to,
                band->is_measured);
    }
    put(page, "]");
}

static bool is_empty(const struct html_series *series) {
    for (uint32_t i = 0; i < series->count; i++)
        if (isfinite(series->y[i]))
            return false;
    return true;
}

// Series without a point would only stand in the legend.
static void put_all_series(struct html_page *page, const struct html_chart *chart) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < chart->series_count; i++) {
        if (is_empty(&chart->series[i]))
            continue;
        put(page, count++ > 0 ? "," : "");
        put_series(page, &chart->series[i]);
    }
}

static bool has_points(const struct html_chart *chart) {
    for (uint32_t i = 0; i < chart->series_count; i++)
        if (!is_empty(&chart->series[i]))
            return true;
    return false;
}

void html_page_chart(struct html_page *page, const struct html_chart *chart) {
    if (!has_points(chart))
        return;
    fprintf(page->out, "<figure class=\"chart%s\">\n<figcaption><h3>",
            chart->is_wide ? " wide" : "");
    put_text(page, chart->title);
    put(page, "</h3>");
    put_element(page, "<p>", chart->note, "</p>");
    put(page, "</figcaption>\n<div class=\"canvas\"><canvas role=\"img\" aria-label=\"");
    put_text(page, chart->title);
    put(page, "\"></canvas></div>\n<script type=\"application/json\">{\"series\":[");
    put_all_series(page, chart);
    put(page, "]");
    put_bands(page, chart);
    put_member(page, "xLabel", chart->x_label);
    put_member(page, "yLabel", chart->y_label);
    put_member(page, "rightLabel", chart->right_label);
    put_member(page, "xScale", SCALES[chart->x_scale]);
    put_member(page, "yScale", SCALES[chart->y_scale]);
    put(page, "}</script>\n</figure>\n");
    page->chart_count++;
}

int html_page_end(struct html_page *page) {
    end_section(page);
    put(page, "</main>\n");
    if (page->chart_count > 0) {
        put(page, "<script>\n");
        put_asset(page, html_assets_chart_js());
        put(page, "</script>\n<script>\n");
        put_asset(page, html_assets_js());
        put(page, "</script>\n");
    }
    put(page, "</body>\n</html>\n");
    errno = 0;
    if (fflush(page->out) != 0 || ferror(page->out))
        return errno != 0 ? -errno : -EIO;
    return 0;
}
