#include "tuning/knee_report.h"

#include <math.h>
#include <string.h>

#include "tuning/measure_html.h"
#include "tuning/measure_words.h"

static FILE *table_of(const struct tune_options *o) {
    return strcmp(o->json_file, "-") == 0 ? stderr : stdout;
}

static const char *unit_of(const struct knee_report *report) {
    return report->is_rooms ? "publishes/s" : "requests/s";
}

void knee_report_begin(const struct knee_report *report, const struct tune_options *o) {
    FILE *out = table_of(o);
    if (report->is_local)
        fprintf(out,
                "A server of our own, %u scheduler%s; client and server share this machine%s.\n",
                report->schedulers, report->schedulers == 1 ? "" : "s",
                report->shares_cpu ? ", and a CPU" : "");
    else
        fprintf(out, "%s\n", o->target);
    fprintf(out, "%u connections", o->connections);
    if (report->is_rooms)
        fprintf(out, " in rooms of %u", o->rooms_of);
    fprintf(out, ", steps of %g s, p99 under %.4g ms\n\n", o->step_s, o->slo_ms);
    fprintf(out, "step %13s %13s %9s %9s %7s %7s  result\n", unit_of(report), "received/s",
            "p50 ms", "p99 ms", "server", "client");
    fflush(out);
}

void knee_report_step(const struct knee_report *report, const struct tune_options *o) {
    FILE *out = table_of(o);
    const struct knee_step *step = &report->steps[report->step_count - 1];
    char server[16] = "-";
    if (isfinite(step->server_cpu))
        snprintf(server, sizeof(server), "%.0f %%", step->server_cpu * 100);
    fprintf(out, "%4u %13.1f %13.0f %9.2f %9.2f %7s %5.0f %%  %s%s%s\n", report->step_count,
            step->rate, step->received_per_s, step->p50_ns / 1e6, step->p99_ns / 1e6, server,
            step->client_cpu * 100, step->verdict == KNEE_PASS ? "pass" : "FAIL ",
            step->verdict == KNEE_PASS ? "" : knee_verdict_name(step->verdict),
            step->verdict == KNEE_PASS ? "" : ": ");
    if (step->verdict != KNEE_PASS)
        fprintf(out, "%*s%s\n", 5, "", step->why);
    fflush(out);
}

void knee_report_sentence(const struct knee_report *report, const struct tune_options *o,
                          char *text) {
    char plain[KNEE_REPORT_SENTENCE_BYTES - 96];
    if (report->error[0] != '\0') {
        snprintf(text, KNEE_REPORT_SENTENCE_BYTES, "no answer: %.380s", report->error);
        return;
    }
    if (report->was_stopped && report->knee.pass == 0) {
        snprintf(text, KNEE_REPORT_SENTENCE_BYTES, "stopped before a rate had passed");
        return;
    }
    if (report->knee.fail_why == KNEE_TARGET) {
        snprintf(text, KNEE_REPORT_SENTENCE_BYTES, "no answer: %s",
                 report->steps[report->step_count - 1].why);
        return;
    }
    knee_describe(&report->knee, unit_of(report), o->slo_ms * 1e6, plain, sizeof(plain));
    char deliveries[64] = "";
    if (report->is_rooms && report->knee.pass > 0)
        snprintf(deliveries, sizeof(deliveries), " (%.0f deliveries/s)",
                 report->knee.pass * fmin(o->rooms_of, o->connections));
    snprintf(text, KNEE_REPORT_SENTENCE_BYTES, "%s%s%s",
             report->was_stopped ? "stopped; so far " : "", plain, deliveries);
}

static json_t *real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *steps_json(const struct knee_report *report) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < report->step_count; i++) {
        const struct knee_step *step = &report->steps[i];
        json_t *row = json_object();
        json_object_set_new(row, "rate", real(step->rate));
        json_object_set_new(row, "sent_per_s", real(step->sent_per_s));
        json_object_set_new(row, "received_per_s", real(step->received_per_s));
        json_object_set_new(row, "p50_ns", real(step->p50_ns));
        json_object_set_new(row, "p99_ns", real(step->p99_ns));
        json_object_set_new(row, "server_cpu", real(step->server_cpu));
        json_object_set_new(row, "foreign_cpu", real(step->foreign_cpu));
        json_object_set_new(row, "client_cpu", real(step->client_cpu));
        json_object_set_new(row, "passed", json_boolean(step->verdict == KNEE_PASS));
        json_object_set_new(row, "reason", json_string(knee_verdict_name(step->verdict)));
        json_object_set_new(row, "why", json_string(step->why));
        json_array_append_new(all, row);
    }
    return all;
}

static json_t *report_json(const struct knee_report *report, const struct tune_options *o,
                           const char *sentence, int code) {
    const struct knee *knee = &report->knee;
    json_t *all = json_object();
    json_object_set_new(all, "tool", json_string("fairlead-tune " FAIRLEAD_VERSION));
    json_object_set_new(all, "mode", json_string("knee"));
    json_object_set_new(all, "verdict", json_string(sentence));
    json_object_set_new(all, "exit_code", json_integer(code));
    json_object_set_new(all, "interrupted", json_boolean(report->was_stopped));
    json_object_set_new(all, "target", json_string(report->is_local ? "" : o->target));
    json_object_set_new(all, "schedulers", json_integer(report->schedulers));
    json_object_set_new(all, "shares_cpu", json_boolean(report->shares_cpu));
    json_object_set_new(all, "scenario", json_string(o->scenario));
    json_object_set_new(all, "connections", json_integer(o->connections));
    json_object_set_new(all, "rooms_of", json_integer(o->rooms_of));
    json_object_set_new(all, "slo_ms", real(o->slo_ms));
    json_object_set_new(all, "step_s", real(o->step_s));
    json_object_set_new(all, "rate", knee->pass > 0 ? real(knee->pass) : json_null());
    json_object_set_new(all, "deliveries_per_s",
                        knee->pass > 0 && report->is_rooms
                            ? real(knee->pass * fmin(o->rooms_of, o->connections))
                            : json_null());
    json_object_set_new(all, "fails_at", knee->fail > 0 ? real(knee->fail) : json_null());
    json_object_set_new(all, "fails_by", json_string(knee_verdict_name(knee->fail_why)));
    bool is_bound = knee->pass > 0 && (knee->fail == 0 || knee->fail_why == KNEE_CLIENT);
    json_object_set_new(all, "at_least", json_boolean(is_bound || report->was_stopped));
    json_object_set_new(all, "steps", steps_json(report));
    return all;
}

bool knee_report_end(const struct knee_report *report, const struct tune_options *o, int code) {
    char sentence[KNEE_REPORT_SENTENCE_BYTES];
    knee_report_sentence(report, o, sentence);
    fprintf(table_of(o), "\n%s\n", sentence);
    bool is_written = true;
    if (o->json_file[0] != '\0')
        is_written = measure_words_write_json(o->json_file, report_json(report, o, sentence, code));
    if (o->html_file[0] != '\0')
        is_written &= measure_html_knee(report, o, sentence, code);
    return is_written;
}
