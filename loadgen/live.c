#include "loadgen/live.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loadgen/grouped.h"
#include "loadgen/report.h"
#include "sched/base/clock.h"

#define BAR_COLUMNS_MAX 40
#define MIB ((double)(1u << 20))

// A line that is being written: what does not fit is cut.
struct line {
    char *text;
    size_t size;
    bool has_colors;
};

static void add(struct line *line, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(struct line *line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line->text + line->size, LIVE_LINE_BYTES - line->size, format, arguments);
    va_end(arguments);
    line->size += strlen(line->text + line->size);
}

static void add_color(struct line *line, const char *escape) {
    if (line->has_colors)
        add(line, "%s", escape);
}

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

// The last snapshot and what changed in its second.
struct second {
    const struct result_interval *row;
    double sent_per_s;
    double received_per_s;
    double connected_per_s;
};

static struct second last_second(const struct result *r) {
    static const struct result_interval NONE = {0};
    const struct result_interval *now = &r->intervals[r->interval_stored - 1];
    const struct result_interval *before = r->interval_stored > 1 ? now - 1 : &NONE;
    double seconds = now->at_s - before->at_s;
    seconds = seconds > 0.001 ? seconds : 1;
    return (struct second){
        .row = now,
        .sent_per_s = (double)(now->sent - before->sent) / seconds,
        .received_per_s = (double)(now->received - before->received) / seconds,
        .connected_per_s =
            now->live > before->live ? (double)(now->live - before->live) / seconds : 0,
    };
}

// "1:05:09", "4:03", "12 s"
static void add_time(struct line *line, double seconds) {
    uint64_t whole = (uint64_t)(seconds + 0.5);
    if (whole >= 3600)
        add(line, "%llu:%02u:%02u", (unsigned long long)(whole / 3600), (unsigned)(whole / 60 % 60),
            (unsigned)(whole % 60));
    else if (whole >= 60)
        add(line, "%u:%02u min", (unsigned)(whole / 60), (unsigned)(whole % 60));
    else
        add(line, "%u s", (unsigned)whole);
}

static void add_bar(struct line *line, double share, uint32_t columns) {
    uint32_t full = (uint32_t)(share * columns + 0.5);
    add_color(line, GREEN);
    for (uint32_t i = 0; i < columns; i++) {
        if (i == full)
            add_color(line, PLAIN DIM);
        add(line, "%s", i < full ? "█" : "░");
    }
    add_color(line, PLAIN);
}

// Phase, bar, time left.
static void list_progress(struct line *line, const struct live_state *state, uint32_t columns) {
    const struct result *r = state->result;
    struct second second = last_second(r);
    double share = -1, left_s = -1;
    if (r->phase == RESULT_CONNECT && r->wanted > 0) {
        uint64_t settled = (uint64_t)r->live + result_refused_count(r);
        share = (double)settled / r->wanted;
        if (second.connected_per_s > 0 && settled < r->wanted)
            left_s = (double)(r->wanted - settled) / second.connected_per_s;
    } else if (state->to_ns > state->from_ns && state->now_ns >= state->from_ns) {
        uint64_t now_ns = state->now_ns < state->to_ns ? state->now_ns : state->to_ns;
        share = (double)(now_ns - state->from_ns) / (double)(state->to_ns - state->from_ns);
        left_s = (double)(state->to_ns - now_ns) / (double)NS_PER_S;
    }
    add_color(line, BOLD);
    add(line, "%-12s", report_phase_of(r, second.row));
    add_color(line, PLAIN);
    add(line, "  ");
    if (share >= 0) {
        add_bar(line, share < 1 ? share : 1,
                columns / 3 < BAR_COLUMNS_MAX ? columns / 3 : BAR_COLUMNS_MAX);
        add(line, " %3.0f %%  ", share < 1 ? share * 100 : 100);
    }
    if (left_s >= 0) {
        add_time(line, left_s);
        add(line, " left, ");
    }
    add_time(line, second.row->at_s);
    add(line, " so far");
}

// Errors by cause; "none" is worth a word, too.
static void list_errors(struct line *line, const struct result *r) {
    const struct {
        const char *name;
        uint64_t count;
    } all[] = {{"lost", r->verify.lost},
               {"twice", r->verify.duplicates},
               {"out of order", r->is_order_checked ? r->verify.disordered : 0},
               {"announced lost", r->verify.announced},
               {"rejected", r->rejected},
               {"not sent", r->unsendable}};
    size_t before = line->size;
    add_color(line, RED);
    size_t begin = line->size;
    for (int i = 0; i < RESULT_FAILURE_COUNT; i++)
        if (r->failures[i] > 0)
            add(line, "%s%s %s", line->size > begin ? " · " : "", GROUPED(r->failures[i]),
                result_failure_name((enum result_failure)i));
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].count > 0)
            add(line, "%s%s %s", line->size > begin ? " · " : "", GROUPED(all[i].count),
                all[i].name);
    if (line->size == begin) {
        line->size = before;
        line->text[before] = 0;
        add(line, "none");
        return;
    }
    add_color(line, PLAIN);
}

static void list_latency(struct line *line, const struct result_interval *row) {
    if (row->max_ns == 0)
        add(line, "nothing came in the last second");
    else
        add(line, "p50 %.2f · p90 %.2f · p99 %.2f · max %.2f ms", (double)row->p50_ns / 1e6,
            (double)row->p90_ns / 1e6, (double)row->p99_ns / 1e6, (double)row->max_ns / 1e6);
}

static void list_processes(struct line *line, const struct result_interval *row) {
    if (row->client_cpu >= 0)
        add(line, "client %.0f %%, %.0f MiB", row->client_cpu * 100,
            (double)row->client_memory_bytes / MIB);
    else
        add(line, "client unknown");
    if (row->server_cpu >= 0)
        add(line, " · server %.0f %%, %.0f MiB", row->server_cpu * 100,
            (double)row->server_memory_bytes / MIB);
    else
        add(line, " · server unknown");
}

static struct line begin_line(char *text, bool has_colors, const char *title) {
    struct line line = {.text = text, .has_colors = has_colors};
    text[0] = 0;
    add_color(&line, DIM);
    add(&line, "%-12s  ", title);
    add_color(&line, PLAIN);
    return line;
}

uint32_t live_list_lines(char lines[LIVE_LINES_MAX][LIVE_LINE_BYTES],
                         const struct live_state *state, uint32_t columns, bool has_colors) {
    const struct result *r = state->result;
    if (r->interval_stored == 0)
        return 0;
    struct second second = last_second(r);
    uint32_t count = 0;
    struct line line = {.text = lines[count++], .has_colors = has_colors};
    line.text[0] = 0;
    list_progress(&line, state, columns);
    line = begin_line(lines[count++], has_colors, "connections");
    add(&line, "%s of %s up", GROUPED(r->live), GROUPED(r->wanted));
    if (r->phase == RESULT_CONNECT)
        add(&line, " · %s/s", GROUPED(second.connected_per_s));
    if (state->options->scenario != LOAD_OPTIONS_HOLD || second.sent_per_s > 0) {
        line = begin_line(lines[count++], has_colors, "a second");
        add(&line, "sent %s · received %s", GROUPED(second.sent_per_s),
            GROUPED(second.received_per_s));
    }
    line = begin_line(lines[count++], has_colors, "latency");
    list_latency(&line, second.row);
    line = begin_line(lines[count++], has_colors, "errors");
    list_errors(&line, r);
    line = begin_line(lines[count++], has_colors, "CPU, memory");
    list_processes(&line, second.row);
    return count;
}

void live_print_plain(char text[LIVE_LINE_BYTES], const struct live_state *state) {
    const struct result *r = state->result;
    struct line line = {.text = text};
    text[0] = 0;
    if (r->interval_stored == 0)
        return;
    struct second second = last_second(r);
    const struct result_interval *row = second.row;
    add(&line, "%6.1f s  %-10s %s connections", row->at_s, report_phase_of(r, row),
        GROUPED(row->live));
    if (row->phase != RESULT_CONNECT && (row->sent > 0 || row->received > 0))
        add(&line, "  sent %s/s  received %s/s  p50 %.2f  p99 %.2f  max %.2f ms  lost %s",
            GROUPED(second.sent_per_s), GROUPED(second.received_per_s), (double)row->p50_ns / 1e6,
            (double)row->p99_ns / 1e6, (double)row->max_ns / 1e6, GROUPED(r->verify.lost));
    if (row->failures > 0)
        add(&line, "  failed %s", GROUPED(row->failures));
    if (row->server_cpu >= 0)
        add(&line, "  server %.0f %% CPU %.0f MiB", row->server_cpu * 100,
            (double)row->server_memory_bytes / MIB);
}

// --- the terminal --------------------------------------------------------------------------------

void live_init(struct live *live, FILE *out) {
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool can_move = isatty(fileno(out)) && term != NULL && strcmp(term, "dumb") != 0;
    *live = (struct live){
        .out = out,
        .is_terminal = can_move,
        .has_colors = can_move && (no_color == NULL || no_color[0] == 0),
    };
}

static uint32_t columns_of(const struct live *live) {
    struct winsize size;
    if (ioctl(fileno(live->out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return LIVE_COLUMNS_DEFAULT;
    return size.ws_col;
}

// At most `columns` characters; escapes take no column, UTF-8's later bytes neither.
static void put_cut(FILE *out, const char *text, uint32_t columns) {
    bool in_escape = false;
    uint32_t column = 0;
    for (; *text; text++) {
        in_escape |= *text == '\033';
        bool is_later = ((unsigned char)*text & 0xC0) == 0x80;
        if (!in_escape && !is_later && ++column > columns)
            break;
        fputc(*text, out);
        in_escape &= *text != 'm';
    }
    fputs(PLAIN, out);
}

void live_clear(struct live *live) {
    if (!live->is_terminal || live->line_count == 0)
        return;
    fprintf(live->out, "\r\033[%uA\033[J", live->line_count);
    live->line_count = 0;
    fflush(live->out);
}

void live_draw(struct live *live, const struct live_state *state) {
    char lines[LIVE_LINES_MAX][LIVE_LINE_BYTES];
    if (state->result->interval_stored == 0)
        return;
    if (!live->is_terminal) {
        live_print_plain(lines[0], state);
        fprintf(live->out, "%s\n", lines[0]);
        fflush(live->out);
        return;
    }
    uint32_t columns = columns_of(live);
    uint32_t count = live_list_lines(lines, state, columns, live->has_colors);
    if (live->line_count > 0)
        fprintf(live->out, "\r\033[%uA", live->line_count);
    for (uint32_t i = 0; i < count; i++) {
        put_cut(live->out, lines[i], columns - 1);
        fputs("\033[K\n", live->out);
    }
    fputs("\033[J", live->out); // there were more lines before
    live->line_count = count;
    fflush(live->out);
}
