// The report as a page (report.h): the verdict in one sentence, the numbers that a manager reads,
// plots over time and of the whole distribution, then every figure in tables. html_page.h draws.
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/grouped.h"
#include "loadgen/html_page.h"
#include "loadgen/report.h"
#include "loadgen/report_doings.h"
#include "loadgen/report_plots.h"
#include "sched/base/clock.h"

#define CELL_BYTES 64
#define DOINGS_MAX 32
#define MIB ((double)(1u << 20))

// What is printed from.
struct page {
    struct html_page html;
    const struct report *report;
};

// --- numbers as people write them ----------------------------------------------------------------

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
    if (!load_options_is_echo(report->options) && r->received_all > 0)
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

// What was asked, in a sentence for those who did not type it.
static void put_asked(struct page *page) {
    const struct load_options *o = page->report->options;
    char text[600], rate[160] = "", room[80] = "", plain[3][CELL_BYTES];
    bool sends = o->scenario != LOAD_OPTIONS_HOLD;
    bool has_rooms = !load_options_is_echo(o);
    if (has_rooms)
        snprintf(room, sizeof(room), " in rooms of %s%s",
                 o->sizes.min != o->sizes.max ? "up to " : "", grouped(plain[0], o->sizes.max));
    if (o->scenario == LOAD_OPTIONS_MIX)
        snprintf(rate, sizeof(rate), ", with the load of a plan of phases");
    else if (sends && o->is_closed)
        snprintf(rate, sizeof(rate),
                 ", each new message sent as soon as an earlier one was answered");
    else if (sends)
        snprintf(rate, sizeof(rate),
                 ", %s messages a second in all, sent when they are due whatever "
                 "the server does",
                 grouped(plain[1], o->rate));
    snprintf(text, sizeof(text),
             "Asked for: %s connections%s%s; measured for %.10g s after %.10g s "
             "of warm-up. Messages have %u bytes.",
             grouped(plain[2], o->connections), room, rate, o->duration_s, o->warmup_s,
             o->payload_bytes);
    if (o->scenario == LOAD_OPTIONS_REPLAY)
        snprintf(text, sizeof(text),
                 "Asked for: the traffic that %.200s holds, recorded from a server, at %.10g times "
                 "its speed: %s connections%s.",
                 o->plan_file, o->speed, grouped(plain[2], o->connections), room);
    if (o->scenario == LOAD_OPTIONS_MIX)
        snprintf(text, sizeof(text),
                 "Asked for: %s connections%s%s, of which %.0f s were measured. Messages have %u "
                 "bytes.",
                 grouped(plain[2], o->connections), room, rate, page->report->verdict->window_s,
                 o->payload_bytes);
    if (!sends)
        snprintf(text, sizeof(text),
                 "Asked for: %s connections%s, held for %.10g s with a heartbeat "
                 "every %.10g s.",
                 grouped(plain[2], o->connections), room, o->duration_s, o->heartbeat_s);
    html_page_text(&page->html, text);
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

// Storms, churn, slow readers: whatever the lists of result.h count of them.
static bool is_doing(const char *name) {
    static const char *const prefixes[] = {"storm_", "churn_", "slow_", "dropped_back", "absent"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void put_doings_table(struct page *page) {
    static const struct html_column columns[] = {{"", false}, {"", false}, {"count", true}};
    size_t field_count;
    const struct result_field *fields = result_fields(RESULT_LIST_COUNTERS, &field_count);
    char names[DOINGS_MAX][CELL_BYTES], counts[DOINGS_MAX][CELL_BYTES];
    const char *cells[DOINGS_MAX * 3];
    uint32_t row = 0;
    for (size_t i = 0; i < field_count && row < DOINGS_MAX; i++) {
        const char *at = (const char *)page->report->result + fields[i].offset;
        uint64_t count = *(const uint64_t *)(const void *)at;
        if (count == 0 || !is_doing(fields[i].name))
            continue;
        snprintf(names[row], CELL_BYTES, "%s", fields[i].name);
        for (char *c = names[row]; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        cells[row * 3] = names[row];
        cells[row * 3 + 1] = fields[i].help;
        cells[row * 3 + 2] = grouped(counts[row], (double)count);
        row++;
    }
    static const struct {
        double percent;
        const char *name;
    } shares[] = {{50, "half back"}, {99, "99 % back"}, {100, "all back"}};
    for (size_t i = 0; page->report->result->storm_cut > 0 && i < 3 && row < DOINGS_MAX; i++) {
        uint64_t back_ns = report_doings_back_ns(page->report->result, shares[i].percent);
        cells[row * 3] = shares[i].name;
        cells[row * 3 + 1] = "so long after the cut had they joined again";
        cells[row * 3 + 2] = back_ns == UINT64_MAX
                                 ? "never"
                                 : formatted(counts[row], "%.3f s", (double)back_ns / 1e9);
        row++;
    }
    if (row == 0)
        return;
    const struct html_table table = {.caption = "What the tool did to the server",
                                     .columns = columns,
                                     .column_count = 3,
                                     .cells = cells,
                                     .row_count = row};
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

static int write_page(struct page *page, FILE *out) {
    begin_page(page, out);
    put_tiles(page);
    put_asked(page);
    report_plot_over_time(&page->html, page->report);
    html_page_section(&page->html, "Latency",
                      "From the moment a message was due to the moment this tool read it, so a "
                      "server that stalls is charged for everybody who waited. pN: N of 100 values "
                      "are at most this.");
    report_plot_distribution(&page->html, page->report);
    put_latency_table(page);
    put_phase_table(page);
    html_page_section(&page->html, "Checks", "");
    put_expectation_table(page);
    put_check_table(page);
    put_failure_table(page);
    put_doings_table(page);
    put_agent_table(page);
    put_client(page);
    put_environment(page);
    return html_page_end(&page->html);
}

int report_write_html(const char *path, const struct report *report) {
    struct page page = {.report = report};
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (out == NULL)
        return -errno;
    int status = write_page(&page, out);
    if (out != stdout && fclose(out) != 0 && status == 0)
        status = -errno;
    return status;
}
