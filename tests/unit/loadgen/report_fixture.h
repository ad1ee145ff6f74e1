// A run as the reports see it: rooms, ten seconds, a server that was watched, a phase with a name
// that no format may stumble over.
#ifndef FAIRLEAD_TESTS_REPORT_FIXTURE_H
#define FAIRLEAD_TESTS_REPORT_FIXTURE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loadgen/report.h"
#include "sched/base/clock.h"
#include "tests/unit/unit.h"

#define FIXTURE_PHASE "noon, \"busy\" <hour>"

struct report_fixture {
    struct load_options options;
    struct result result;
    struct verdict verdict;
    struct environment environment;
    struct report report;
    char file[64]; // a fresh file of its own, empty
};

static inline void fixture_fill_result(struct result *r) {
    result_init(r);
    r->begin_ns = NS_PER_S;
    r->connected_ns = 2 * NS_PER_S;
    r->wanted = r->live = r->live_max = 200;
    r->window.begin_ns = r->window.intended_from_ns = 3 * NS_PER_S;
    r->window.end_ns = r->window.intended_to_ns = 11 * NS_PER_S;
    r->window.cpu_ns = NS_PER_S;
    r->offered = r->sent = 800;
    r->received = 40000;
    r->is_order_checked = true;
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_record(&r->latency, i * 10000); // to 10 ms
    histogram_record(&r->last, 20 * NS_PER_MS);
    struct result_phase_row *noon = result_add_phase(r, FIXTURE_PHASE, true, 8);
    ck_assert_ptr_nonnull(noon);
    noon->begin_ns = r->window.begin_ns;
    noon->end_ns = r->window.end_ns;
    for (uint64_t i = 1; i <= 10; i++) {
        r->phase = i < 3 ? RESULT_CONNECT : RESULT_MEASURE;
        r->sent_all = i < 3 ? 0 : (i - 2) * 100;
        r->received_all = r->sent_all * 50;
        for (uint64_t k = 1; k <= (i < 3 ? 0 : 100); k++)
            histogram_record(&r->interval, k * 100000);
        struct result_interval *row = result_snapshot(r, r->begin_ns + i * NS_PER_S);
        row->client_cpu = 0.125;
        row->client_memory_bytes = 3u << 20;
        row->server_cpu = i == 1 ? RESULT_CPU_UNKNOWN : 0.5;
        row->server_memory_bytes = i == 1 ? 0 : 64u << 20;
    }
}

static inline void fixture_init(struct report_fixture *f) {
    static char *const argv[] = {"fairlead-load", "ws://127.0.0.1:1/<socket>?a&b"};
    char error[LOAD_OPTIONS_ERROR_BYTES];
    memset(f, 0, sizeof(*f));
    ck_assert_int_eq(load_options_parse(&f->options, 2, argv, error), LOAD_OPTIONS_RUN);
    fixture_fill_result(&f->result);
    verdict_decide(&f->verdict, &f->options, &f->result);
    snprintf(f->environment.tool, sizeof(f->environment.tool), "fairlead-load test");
    snprintf(f->environment.began, sizeof(f->environment.began), "2026-11-21 12:00:00 UTC");
    snprintf(f->environment.server, sizeof(f->environment.server), "unknown: <nobody> asked");
    f->environment.is_here = f->environment.is_loopback = true;
    f->report = (struct report){.options = &f->options,
                                .result = &f->result,
                                .verdict = &f->verdict,
                                .environment = &f->environment,
                                .server_source = SERVER_WATCH_LISTENER,
                                .command = "fairlead load --event 'a<b'"};
    snprintf(f->file, sizeof(f->file), "/tmp/report_test_%s",
             "XX"
             "XX"
             "XX");
    int fd = mkstemp(f->file);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static inline void fixture_fini(struct report_fixture *f) {
    unlink(f->file);
    result_fini(&f->result);
    environment_fini(&f->environment);
}

// The whole file, the caller's to free.
static inline char *fixture_read(const struct report_fixture *f) {
    FILE *in = fopen(f->file, "r");
    ck_assert_ptr_nonnull(in);
    char *text = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, in), (1 << 20) - 1);
    fclose(in);
    return text;
}

#endif
