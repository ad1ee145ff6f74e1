#include "tuning/try_report.h"

#include <string.h>

#include "tuning/measure_html.h"
#include "tuning/measure_words.h"

void try_report_init(struct try_report *report) {
    static const struct try_series rows[TRY_MEASURE_COUNT] = {
        [TRY_CPU] = {.name = "CPU per delivery", .unit = "ns"},
        [TRY_P50] = {.name = "p50", .unit = "ns"},
        [TRY_P99] = {.name = "p99", .unit = "ns"},
        [TRY_CONNECT] = {.name = "CPU per connect", .unit = "ns"},
        [TRY_MEMORY] = {.name = "resident memory of the server", .unit = "B"},
        [TRY_SYSCALLS] = {.name = "system calls per delivery", .unit = ""},
    };
    memcpy(report->series, rows, sizeof(rows));
}

static bool counts(const struct try_report *report, uint32_t measure) {
    bool is_latency = measure == TRY_P50 || measure == TRY_P99;
    return !is_latency || report->client_limits == 0;
}

enum try_shown try_report_verdict(const struct try_report *report) {
    enum try_shown each[TRY_MEASURE_COUNT];
    uint32_t each_count = 0;
    for (uint32_t i = 0; i < TRY_MEASURE_COUNT; i++)
        // System calls are a cause, not what anybody pays: told, not judged.
        if (i != TRY_SYSCALLS && counts(report, i))
            each[each_count++] = try_pairs_compare(&report->series[i]);
    return try_pairs_combine(each, each_count);
}

static void list(const struct try_report *report, enum try_shown wanted, char *text,
                 size_t text_size) {
    size_t size = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < TRY_MEASURE_COUNT; i++)
        if (i != TRY_SYSCALLS && counts(report, i) && size < text_size &&
            try_pairs_compare(&report->series[i]) == wanted)
            size += (size_t)snprintf(text + size, text_size - size, "%s%s", size ? ", " : "",
                                     report->series[i].name);
}

void try_report_sentence(const struct try_report *report, char *text) {
    char better[160], worse[160];
    const struct try_knob *knob = &report->knob;
    if (report->error[0] != '\0' && !report->was_stopped) {
        snprintf(text, TRY_REPORT_SENTENCE_BYTES, "%s=%s: ended early, nothing is shown: %.250s",
                 knob->name, knob->value, report->error);
        return;
    }
    enum try_shown verdict = try_report_verdict(report);
    list(report, TRY_BETTER, better, sizeof(better));
    list(report, TRY_WORSE, worse, sizeof(worse));
    int size = snprintf(text, TRY_REPORT_SENTENCE_BYTES, "%s%s=%s: %s",
                        report->was_stopped ? "stopped; so far " : "", knob->name, knob->value,
                        try_shown_name(verdict));
    char *more = text + size;
    size_t left = TRY_REPORT_SENTENCE_BYTES - (size_t)size;
    switch (verdict) {
    case TRY_BETTER:
        if (knob->is_sysctl)
            snprintf(more, left, " (%s). It was put back; to keep it: sysctl -w %s='%s'", better,
                     knob->name, knob->value);
        else
            snprintf(more, left, " (%s). To keep it: fairlead serve --%s %s", better, knob->name,
                     knob->value);
        break;
    case TRY_WORSE:
        snprintf(more, left, " (%s)", worse);
        break;
    case TRY_MIXED:
        snprintf(more, left, " (better: %s; worse: %s): what counts is yours to say", better,
                 worse);
        break;
    case TRY_NOT_SHOWN:
        snprintf(more, left, ": every range overlaps the other; leave it as it is");
        break;
    case TRY_SHOWN_COUNT:
        break;
    }
}

static FILE *table_of(const struct tune_options *o) {
    return strcmp(o->json_file, "-") == 0 ? stderr : stdout;
}

const char *try_report_value(const struct try_series *series, double value, char *text) {
    if (strcmp(series->unit, "ns") == 0)
        return measure_words_time(value, text);
    if (strcmp(series->unit, "B") == 0)
        return measure_words_bytes(value, text);
    snprintf(text, MEASURE_WORDS_BYTES, "%.3g", value);
    return text;
}

static double last_of(const struct try_series *series, bool is_with) {
    uint32_t count = is_with ? series->with_count : series->without_count;
    return count == 0 ? 0 : is_with ? series->with[count - 1] : series->without[count - 1];
}

void try_report_run(const struct try_report *report, const struct tune_options *o, bool is_with) {
    FILE *out = table_of(o);
    char cpu[MEASURE_WORDS_BYTES], p99[MEASURE_WORDS_BYTES], memory[MEASURE_WORDS_BYTES];
    fprintf(
        out, "%3u of %u  %-8s  CPU per delivery %-10s  p99 %-10s  memory %s\n", report->run_count,
        2 * o->pairs, is_with ? "with" : "without",
        try_report_value(&report->series[TRY_CPU], last_of(&report->series[TRY_CPU], is_with), cpu),
        try_report_value(&report->series[TRY_P99], last_of(&report->series[TRY_P99], is_with), p99),
        try_report_value(&report->series[TRY_MEMORY], last_of(&report->series[TRY_MEMORY], is_with),
                         memory));
    fflush(out);
}

static void range_text(const struct try_series *series, const double *values, uint32_t count,
                       char text[3 * MEASURE_WORDS_BYTES]) {
    struct try_range range;
    char median[MEASURE_WORDS_BYTES], min[MEASURE_WORDS_BYTES], max[MEASURE_WORDS_BYTES];
    try_pairs_range(values, count, &range);
    snprintf(text, 3 * MEASURE_WORDS_BYTES, "%s [%s–%s]",
             try_report_value(series, range.median, median),
             try_report_value(series, range.min, min), try_report_value(series, range.max, max));
}

static void print_series(FILE *out, const struct try_report *report, uint32_t measure) {
    const struct try_series *series = &report->series[measure];
    char without[3 * MEASURE_WORDS_BYTES], with[3 * MEASURE_WORDS_BYTES];
    if (series->without_count == 0 || series->with_count == 0)
        return;
    range_text(series, series->without, series->without_count, without);
    range_text(series, series->with, series->with_count, with);
    fprintf(out, "%s\n    without  %s\n    with     %s  → %s%s\n", series->name, without, with,
            try_shown_name(try_pairs_compare(series)),
            counts(report, measure) ? "" : " (not counted: the client was the limit in some runs)");
}

static json_t *values_json(const double *values, uint32_t count) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(all, json_real(values[i]));
    return all;
}

static json_t *report_json(const struct try_report *report, const char *sentence, int code) {
    json_t *all = json_object(), *measures = json_array();
    for (uint32_t i = 0; i < TRY_MEASURE_COUNT; i++) {
        const struct try_series *series = &report->series[i];
        json_array_append_new(measures,
                              json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", series->name, "unit",
                                        series->unit, "without",
                                        values_json(series->without, series->without_count), "with",
                                        values_json(series->with, series->with_count), "shown",
                                        try_shown_name(try_pairs_compare(series))));
    }
    json_object_set_new(all, "tool", json_string("fairlead-tune " FAIRLEAD_VERSION));
    json_object_set_new(all, "mode", json_string("try"));
    json_object_set_new(all, "verdict", json_string(sentence));
    json_object_set_new(all, "shown", json_string(try_shown_name(try_report_verdict(report))));
    json_object_set_new(all, "exit_code", json_integer(code));
    json_object_set_new(all, "interrupted", json_boolean(report->was_stopped));
    json_object_set_new(all, "knob", json_string(report->knob.name));
    json_object_set_new(all, "value", json_string(report->knob.value));
    json_object_set_new(all, "rate", json_real(report->rate));
    json_object_set_new(all, "runs", json_integer(report->run_count));
    json_object_set_new(all, "client_limits", json_integer(report->client_limits));
    json_object_set_new(all, "failures", json_integer(report->failures));
    json_object_set_new(all, "measures", measures);
    return all;
}

bool try_report_end(const struct try_report *report, const struct tune_options *o, int code) {
    FILE *out = table_of(o);
    char sentence[TRY_REPORT_SENTENCE_BYTES];
    try_report_sentence(report, sentence);
    fputc('\n', out);
    for (uint32_t i = 0; i < TRY_MEASURE_COUNT; i++)
        print_series(out, report, i);
    if (report->failures > 0)
        fprintf(out, "%u of %u runs lost messages or connections\n", report->failures,
                report->run_count);
    fprintf(out, "Two equal sides would be told apart by chance once in %.0f, for each measure.\n",
            1 / try_pairs_chance(report->run_count / 2));
    fprintf(out, "\n%s\n", sentence);
    fflush(out);
    bool is_written = true;
    if (o->json_file[0] != '\0')
        is_written = measure_words_write_json(o->json_file, report_json(report, sentence, code));
    if (o->html_file[0] != '\0')
        is_written &= measure_html_try(report, o, sentence, code);
    return is_written;
}
