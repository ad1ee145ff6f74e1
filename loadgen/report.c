#include "loadgen/report.h"

#include <string.h>

#include "loadgen/grouped.h"
#include "loadgen/report_doings.h"
#include "sched/base/clock.h"

static void print_latency(FILE *out, const char *name, const struct histogram *h) {
    static const uint32_t asked[] = {HISTOGRAM_P50, HISTOGRAM_P90, HISTOGRAM_P99, HISTOGRAM_P999,
                                     HISTOGRAM_P100};
    if (h->count == 0)
        return;
    fprintf(out, "  %-20s %14s", name, GROUPED(h->count));
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        fprintf(out, " %9.3f", (double)histogram_quantile_ns(h, asked[i]) / 1e6);
    fputc('\n', out);
}

static void print_latencies(FILE *out, const struct report *report) {
    struct report_latency list[REPORT_LATENCIES_MAX];
    uint32_t count = report_list_latencies(report, list);
    fprintf(out, "%-22s %14s %9s %9s %9s %9s %9s\n", "latency, ms", "count", "p50", "p90", "p99",
            "p99.9", "max");
    for (uint32_t i = 0; i < count; i++)
        print_latency(out, list[i].title, list[i].histogram);
}

static void print_connections(FILE *out, const struct result *r, const struct verdict *v) {
    fprintf(out, "connections   %s of %s joined", GROUPED(r->live_max), GROUPED(r->wanted));
    if (r->connected_ns > r->begin_ns) {
        double seconds = (double)(r->connected_ns - r->begin_ns) / (double)NS_PER_S;
        fprintf(out, " in %.2f s (%s/s)", seconds, GROUPED((double)r->live_max / seconds));
    }
    fprintf(out, ", %u failed, %u dropped later\n", result_refused_count(r),
            result_dropped_count(r));
    for (int i = 0; i < RESULT_FAILURE_COUNT; i++)
        if (r->failures[i] > 0)
            fprintf(out, "              %u %s\n", r->failures[i],
                    result_failure_name((enum result_failure)i));
    if (r->detail[0] != 0 && strstr(v->sentence, r->detail) == NULL)
        fprintf(out, "              the first: %s\n", r->detail);
}

static void print_rates(FILE *out, const struct load_options *o, const struct result *r,
                        const struct verdict *v) {
    const char *what = load_options_is_echo(o) ? "requests" : "publishes";
    if (o->scenario == LOAD_OPTIONS_HOLD) {
        fprintf(out, "heartbeats    %s sent, %s answered\n", GROUPED(r->heartbeats),
                GROUPED(r->heartbeats_answered));
        return;
    }
    if (o->is_closed)
        fprintf(out, "%-13s closed loop, %s/s", what, GROUPED(v->achieved_rate));
    else
        fprintf(out, "%-13s offered %.1f/s, achieved %.1f/s (%.1f %%)", what, v->offered_rate,
                v->achieved_rate, r->offered ? 100 * (double)r->sent / (double)r->offered : 100);
    fprintf(out, ", %s answered, %s rejected", GROUPED(r->answered_all), GROUPED(r->rejected));
    if (r->unsendable > 0)
        fprintf(out, ", %s not sent (the server did not read)", GROUPED(r->unsendable));
    fputc('\n', out);
    if (r->rejected_detail[0] != 0)
        fprintf(out, "              rejected: %s\n", r->rejected_detail);
    fprintf(out, "%-13s %s in the window, %s/s, %.2f MB/s in, %.2f MB/s out\n",
            load_options_is_echo(o) ? "replies" : "deliveries", GROUPED(r->received),
            GROUPED(v->received_rate), (double)r->bytes_in / 1e6 / v->window_s,
            (double)r->bytes_out / 1e6 / v->window_s);
    if (o->has_flood)
        fprintf(out, "flood         %s pings sent, %s answered%s%s\n", GROUPED(r->flood_sent),
                GROUPED(r->flood_answered), r->flood_end[0] ? "; it ended: " : "", r->flood_end);
}

static void print_checks(FILE *out, const struct load_options *o, const struct result *r) {
    if (load_options_is_echo(o)) {
        fprintf(out, "checks        unanswered %s · answered twice %s · out of order %s\n",
                GROUPED(r->unanswered), GROUPED(r->verify.duplicates),
                GROUPED(r->verify.disordered));
        return;
    }
    if (!load_options_publishes(o))
        return;
    fprintf(out,
            "checks        lost %s · missing at the end %s · announced as lost %s (%s gaps) · "
            "twice %s · ",
            GROUPED(r->verify.lost), GROUPED(r->verify.missing), GROUPED(r->verify.announced),
            GROUPED(r->verify.gap_events), GROUPED(r->verify.duplicates));
    if (r->is_order_checked)
        fprintf(out, "out of order %s\n", GROUPED(r->verify.disordered));
    else
        fprintf(out, "order not checked (the server numbers nothing)\n");
    fprintf(out, "messages      %s reached all members, %s did not", GROUPED(r->flights_complete),
            GROUPED(r->flights_incomplete));
    if (r->reach_due > 0)
        fprintf(out, "; reach %.4f %%, of the worst message %.4f %%",
                100 * (double)r->reach_received / (double)r->reach_due,
                100 - (double)r->missed_worst_ppm / 1e4);
    fputc('\n', out);
    if (r->slow.count > 0)
        fprintf(out,
                "slow readers  throttled by --slow-…: %s announced as lost to them (%s gaps), %s "
                "not read at the end\n",
                GROUPED(r->slow_announced), GROUPED(r->slow_gap_events), GROUPED(r->slow_behind));
}

static void print_expectations(FILE *out, const struct report *report) {
    const struct expect *e = &report->options->expect;
    struct expect_seen seen = verdict_seen(report->verdict, report->result);
    for (uint32_t i = 0; i < e->count; i++) {
        char value[EXPECT_VALUE_BYTES];
        bool holds = expect_judge(&e->terms[i], &seen, value) == EXPECT_HOLDS;
        fprintf(out, "%-13s %s: %s, %s\n", i == 0 ? "expected" : "", e->terms[i].text, value,
                holds ? "holds" : "DOES NOT HOLD");
    }
}

static void print_phases(FILE *out, const struct result *r) {
    if (r->phase_row_count < 2)
        return;
    fprintf(out, "%-22s %14s %9s %9s %9s %9s %9s\n", "phase", "count", "p50", "p90", "p99", "p99.9",
            "max ms");
    for (uint32_t i = 0; i < r->phase_row_count; i++)
        print_latency(out, r->phase_rows[i].name, r->phase_rows[i].latency);
}

static void print_processes(FILE *out, const struct report *report) {
    const struct result *r = report->result;
    const struct verdict *v = report->verdict;
    fprintf(out,
            "client        CPU %.0f %% of one core in a window of %.1f s, waited %.1f %% for one, "
            "its loop %.1f ms late at worst: %s\n",
            v->cpu * 100, v->window_s, v->wait * 100, (double)r->window.late_max_ns / 1e6,
            v->client_was_limit ? v->limit_cause : "not the limit");
    struct report_server server;
    if (report_measure_server(report, &server))
        fprintf(out,
                "server        CPU %.0f %% of one core, %.0f %% at most, %.1f MiB resident at "
                "most (found by %s)\n",
                server.cpu_mean * 100, server.cpu_max * 100,
                (double)server.memory_max_bytes / (double)(1u << 20),
                server_watch_source_name(report->server_source));
}

static void print_parts(FILE *out, const struct result *r) {
    for (uint32_t i = 0; i < r->part_count; i++) {
        const struct result_part *part = &r->parts[i];
        fprintf(out,
                "%-13s %s (%s): %s of %s up, %s sent, %s received, CPU %.0f %%, p99 of its send "
                "lag %.3f ms: %s\n",
                i == 0 ? "agents" : "", part->address, part->machine, GROUPED(part->live_max),
                GROUPED(part->wanted), GROUPED(part->sent), GROUPED(part->received),
                part->cpu * 100, (double)part->lag_p99_ns / 1e6,
                part->limit[0] ? part->limit : "not the limit");
    }
}

static void print_environment(FILE *out, const struct report *report) {
    struct environment_row rows[ENVIRONMENT_ROWS_MAX];
    uint32_t count = environment_rows(report->environment, rows);
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%-13s %s\n", rows[i].name, rows[i].value);
}

void report_print_table(FILE *out, const struct report *report) {
    const struct result *r = report->result;
    const struct verdict *v = report->verdict;
    const char *sharing = environment_sharing(report->environment);
    fprintf(out, "%s\n", v->sentence);
    if (sharing[0] != 0)
        fprintf(out, "(%s)\n", sharing);
    fputc('\n', out);
    print_connections(out, r, v);
    if (v->window_s > 0) {
        print_rates(out, report->options, r, v);
        print_latencies(out, report);
        print_phases(out, r);
        print_checks(out, report->options, r);
        report_doings_print(out, r);
        print_expectations(out, report);
        print_parts(out, r);
        print_processes(out, report);
    }
    if (r->strange > 0)
        fprintf(out, "strange       %s messages that this tool did not understand\n",
                GROUPED(r->strange));
    print_environment(out, report);
    fprintf(out, "verdict       exit %d\n", v->code);
}
