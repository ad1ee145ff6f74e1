// Goal: a page that is whole, loads nothing, and that no text of a peer can break out of; a full
// disk is told. Method: pages are written to memory and to /dev/full and read as text.
#include "loadgen/html_page.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/unit/unit.h"

static char *text;
static size_t text_size;
static struct html_page page;
static const struct html_head HEAD = {.tool = "tool 1",
                                      .title = "a <b> & \"c\"",
                                      .when = "",
                                      .tone = HTML_BAD,
                                      .label = "failed",
                                      .sentence = "lost </p><script>alert(1)</script>",
                                      .note = ""};

static void begin(void) {
    FILE *out = open_memstream(&text, &text_size);
    ck_assert_ptr_nonnull(out);
    html_page_begin(&page, out, &HEAD);
}

static void end(void) {
    ck_assert_int_eq(html_page_end(&page), 0);
    fclose(page.out);
}

static void has(const char *wanted) {
    ck_assert_msg(strstr(text, wanted) != NULL, "no %s", wanted);
}

static uint32_t count_of(const char *wanted) {
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
        count++;
    return count;
}

static struct html_series series_of(const char *name, const double *y, uint32_t count) {
    static const double x[] = {1, 2, 3, 4};
    return (struct html_series){.name = name, .x = x, .y = y, .count = count};
}

static struct html_chart chart_of(const struct html_series *series) {
    return (struct html_chart){.title = "plot <1>",
                               .note = "",
                               .x_label = "s",
                               .y_label = "ms",
                               .right_label = "",
                               .series = series,
                               .series_count = 1};
}

START_TEST(html_page_escapes_every_text) {
    begin();
    const struct html_column columns[] = {{"<col>", false}, {"n", true}};
    const char *const cells[] = {"<row>", "1 < 2", "x", NULL};
    const struct html_table table = {
        .caption = "<cap>", .columns = columns, .column_count = 2, .cells = cells, .row_count = 2};
    html_page_section(&page, "<sec>", "<in>");
    html_page_table(&page, &table);
    const struct html_tile tile = {"<l>", "<v>", "<u>", "<n>", HTML_PLAIN};
    html_page_tiles(&page, &tile, 1);
    html_page_code(&page, "<code>");
    html_page_text(&page, "<text>");
    end();
    has("<title>a &lt;b&gt; &amp; &quot;c&quot;</title>");
    has("lost &lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
    static const char *const raw[] = {"<row>", "<col>", "<cap>", "<sec>",  "<in>",  "<l>",
                                      "<v>",   "<u>",   "<n>",   "<code>", "<text>"};
    for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++)
        ck_assert_msg(strstr(text, raw[i]) == NULL, "%s stands as it was", raw[i]);
    has("1 &lt; 2");
    ck_assert_uint_eq(count_of("<section>"), 1);
    ck_assert_uint_eq(count_of("</section>"), 1);
    has("class=\"verdict bad\"");
    free(text);
}
END_TEST

START_TEST(html_page_keeps_names_of_series_inside_their_script) {
    const double y[] = {1.5, (double)NAN, (double)INFINITY, 4};
    const struct html_series series = series_of("</script><b a=\"\\\n", y, 4);
    struct html_chart chart = chart_of(&series);
    chart.bands = &(const struct html_band){"warm<up", 1, 2.25, true};
    chart.band_count = 1;
    begin();
    html_page_chart(&page, &chart);
    end();
    has("\"name\":\"\\u003c/script\\u003e\\u003cb a=\\u0022\\u005c\\u000a\"");
    has("\"x\":[1,2,3,4],\"y\":[1.5,null,null,4]");
    has("{\"name\":\"warm\\u003cup\",\"from\":1,\"to\":2.25,\"measured\":1}");
    ck_assert_uint_eq(count_of("<script"), 3); // data, Chart.js, ours
    ck_assert_uint_eq(count_of("</script>"), 3);
    free(text);
}
END_TEST

START_TEST(html_page_needs_nothing_from_elsewhere) {
    const double y[] = {1};
    const struct html_series series = series_of("a", y, 1);
    const struct html_chart chart = chart_of(&series);
    begin();
    html_page_chart(&page, &chart);
    end();
    has("default-src 'none'");
    has("Chart.js v");
    static const char *const outside[] = {" src=", "@import", "url(", "<link rel=\"style"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        ck_assert_msg(strstr(text, outside[i]) == NULL, "%s", outside[i]);
    free(text);
}
END_TEST

START_TEST(html_page_leaves_out_charts_without_a_point) {
    const double y[] = {(double)NAN};
    const struct html_series series = series_of("a", y, 1);
    struct html_chart chart = chart_of(&series);
    begin();
    html_page_chart(&page, &chart);
    chart.series_count = 0;
    html_page_chart(&page, &chart);
    end();
    ck_assert_uint_eq(count_of("<figure"), 0);
    ck_assert_uint_eq(count_of("<script"), 0); // nor what would draw it
    free(text);
    const double one[] = {7};
    const struct html_series both[] = {series_of("empty", y, 1), series_of("full", one, 1)};
    chart.series = both;
    chart.series_count = 2;
    begin();
    html_page_chart(&page, &chart);
    end();
    has("{\"series\":[{\"name\":\"full\"");
    ck_assert_uint_eq(count_of("\"empty\""), 0);
    free(text);
}
END_TEST

START_TEST(html_page_tells_of_a_full_disk) {
    FILE *out = fopen("/dev/full", "w");
    ck_assert_ptr_nonnull(out);
    html_page_begin(&page, out, &HEAD);
    ck_assert_int_eq(html_page_end(&page), -ENOSPC);
    fclose(out);
    // Also when the file's buffer was written out before the end.
    out = fopen("/dev/full", "w");
    html_page_begin(&page, out, &HEAD);
    fflush(out);
    ck_assert_int_lt(html_page_end(&page), 0);
    fclose(out);
}
END_TEST

UNIT_MAIN("loadgen/html_page", html_page_escapes_every_text,
          html_page_keeps_names_of_series_inside_their_script,
          html_page_needs_nothing_from_elsewhere, html_page_leaves_out_charts_without_a_point,
          html_page_tells_of_a_full_disk)
