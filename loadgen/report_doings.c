#include "loadgen/report_doings.h"

#include <math.h>

static unsigned long long whole(uint64_t value) {
    return value;
}

// The histogram holds those that came back; the share is of those that were cut.
uint64_t report_doings_back_ns(const struct result *r, double percent) {
    double rank = ceil((double)r->storm_cut * percent / 100);
    if (r->recovery.count == 0 || rank > (double)r->recovery.count)
        return UINT64_MAX;
    double ppm = floor(rank * HISTOGRAM_P100 / (double)r->recovery.count);
    return histogram_quantile_ns(&r->recovery, (uint32_t)ppm);
}

static void print_back(FILE *out, const struct result *r, const char *who, double percent) {
    uint64_t back_ns = report_doings_back_ns(r, percent);
    if (back_ns == UINT64_MAX)
        fprintf(out, ", %s never", who);
    else
        fprintf(out, ", %s after %.3f s", who, (double)back_ns / 1e9);
}

static void print_cause(FILE *out, uint64_t count, const char *what) {
    if (count > 0)
        fprintf(out, ", %llu %s", whole(count), what);
}

static void print_attempts(FILE *out, const struct result *r) {
    if (r->storm_attempts == 0)
        return;
    fprintf(out, "              %llu attempts", whole(r->storm_attempts));
    print_cause(out, r->storm_refused_http, "refused the upgrade");
    print_cause(out, r->storm_refused_connack, "refused by CONNACK");
    print_cause(out, r->storm_refused_join, "refused the join");
    print_cause(out, r->storm_unreachable, "unreachable");
    print_cause(out, r->storm_timeouts, "timed out");
    print_cause(out, r->storm_closed, "closed before joined");
    print_cause(out, r->storm_local, "failed on this machine");
    fputc('\n', out);
}

void report_doings_print(FILE *out, const struct result *r) {
    if (r->storm_cut > 0) {
        fprintf(out, "storm         %llu cut, %llu back", whole(r->storm_cut),
                whole(r->storm_back));
        print_back(out, r, "half", 50);
        print_back(out, r, "99 %", 99);
        print_back(out, r, "all", 100);
        fputc('\n', out);
    }
    if (r->dropped_back > 0)
        fprintf(out, "reconnected   %llu that the server had dropped\n", whole(r->dropped_back));
    print_attempts(out, r);
    if (r->wills_due + r->wills_twice + r->wills_wrong > 0)
        fprintf(out,
                "wills         %llu due, %llu came, %llu twice, %llu of connections that were "
                "there\n",
                whole(r->wills_due), whole(r->wills_received), whole(r->wills_twice),
                whole(r->wills_wrong));
    if (r->redelivered > 0)
        fprintf(out, "redelivered   %llu with the DUP flag, as MQTT may\n", whole(r->redelivered));
    if (r->foreign > 0)
        fprintf(out, "foreign       %llu messages of other publishers in these rooms\n",
                whole(r->foreign));
    if (r->churn_leaves > 0)
        fprintf(out,
                "churn         %llu left, %llu joined again, %llu were not in when it was their "
                "turn\n",
                whole(r->churn_leaves), whole(r->churn_joins), whole(r->churn_skipped));
    if (r->absent > 0)
        fprintf(out, "absent        %llu not sent: who was to was away by this tool's doing\n",
                whole(r->absent));
}
