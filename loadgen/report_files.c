// The report's files (report.h): CSV, HdrHistogram's text, and what becomes of all of them on a
// full disk.
#include "loadgen/report.h"

#include <errno.h>
#include <string.h>

// A file, or stdout for "-"; NULL with errno.
static FILE *open_output(const char *path) {
    return strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
}

static int close_output(FILE *out) {
    errno = 0;
    bool failed = fflush(out) != 0 || ferror(out) != 0;
    int error = errno;
    if (out != stdout && fclose(out) != 0 && !failed) {
        failed = true;
        error = errno;
    }
    if (!failed)
        return 0;
    return error != 0 ? -error : -EIO;
}

int report_write_hgrm(const char *path, const struct report *report) {
    FILE *out = open_output(path);
    if (out == NULL)
        return -errno;
    histogram_dump(&report->result->latency, out);
    return close_output(out);
}

static void put_share(FILE *out, double share) {
    if (share >= 0)
        fprintf(out, ",%.1f", share * 100);
    else
        fputc(',', out); // not known
}

static void put_bytes(FILE *out, uint64_t bytes) {
    if (bytes > 0)
        fprintf(out, ",%llu", (unsigned long long)bytes);
    else
        fputc(',', out);
}

// A name that a plan chose, as RFC 4180 wants it.
static void put_name(FILE *out, const char *name) {
    fputs(",\"", out);
    for (; *name; name++) {
        if (*name == '"')
            fputc('"', out);
        fputc(*name, out);
    }
    fputc('"', out);
}

int report_write_csv(const char *path, const struct report *report) {
    const struct result *r = report->result;
    FILE *out = open_output(path);
    if (out == NULL)
        return -errno;
    fputs("at_s,phase,live,failures,sent,received,sent_per_s,received_per_s,p50_ms,p90_ms,p99_ms,"
          "p99_9_ms,max_ms,client_cpu_percent,client_memory_bytes,server_cpu_percent,"
          "server_memory_bytes\n",
          out);
    struct result_interval before = {0};
    for (uint32_t i = 0; i < r->interval_stored; i++) {
        const struct result_interval *row = &r->intervals[i];
        double seconds = row->at_s - before.at_s;
        fprintf(out, "%.3f", row->at_s);
        put_name(out, report_phase_of(r, row));
        fprintf(out, ",%llu,%llu,%llu,%llu,%.1f,%.1f", (unsigned long long)row->live,
                (unsigned long long)row->failures, (unsigned long long)row->sent,
                (unsigned long long)row->received,
                seconds > 0 ? (double)(row->sent - before.sent) / seconds : 0,
                seconds > 0 ? (double)(row->received - before.received) / seconds : 0);
        const uint64_t times_ns[] = {row->p50_ns, row->p90_ns, row->p99_ns, row->p999_ns,
                                     row->max_ns};
        for (size_t k = 0; k < sizeof(times_ns) / sizeof(times_ns[0]); k++)
            if (row->max_ns > 0) // else nothing came in that second
                fprintf(out, ",%.6f", (double)times_ns[k] / 1e6);
            else
                fputc(',', out);
        put_share(out, row->client_cpu);
        put_bytes(out, row->client_memory_bytes);
        put_share(out, row->server_cpu);
        put_bytes(out, row->server_memory_bytes);
        fputc('\n', out);
        before = *row;
    }
    return close_output(out);
}

// --- all of them ---------------------------------------------------------------------------------

#define REPORT_FILES 4

struct file {
    const char *option;
    const char *path;
    int (*write)(const char *path, const struct report *report);
};

static void list_files(struct file list[REPORT_FILES], const struct load_options *o) {
    const struct file all[REPORT_FILES] = {{"--json", o->json_file, report_write_json},
                                           {"--csv", o->csv_file, report_write_csv},
                                           {"--hgrm", o->histogram_file, report_write_hgrm},
                                           {"--html", o->html_file, report_write_html}};
    memcpy(list, all, sizeof(all));
}

bool report_can_write(const struct load_options *o, char *error, size_t error_size) {
    struct file files[REPORT_FILES];
    const char *on_stdout = NULL;
    list_files(files, o);
    for (size_t i = 0; i < REPORT_FILES; i++) {
        if (files[i].path[0] == 0)
            continue;
        if (strcmp(files[i].path, "-") == 0) {
            if (on_stdout != NULL) {
                snprintf(error, error_size, "%s - and %s -: only one of them can go to stdout",
                         on_stdout, files[i].option);
                return false;
            }
            on_stdout = files[i].option;
            continue;
        }
        FILE *file = fopen(files[i].path, "a"); // what stands there stays until there is a result
        if (file == NULL) {
            snprintf(error, error_size, "%s %s: %s", files[i].option, files[i].path,
                     strerror(errno));
            return false;
        }
        fclose(file);
    }
    return true;
}

int report_publish(const struct report *report) {
    struct file files[REPORT_FILES];
    list_files(files, report->options);
    bool failed = false, stdout_is_taken = false;
    for (size_t i = 0; i < REPORT_FILES; i++)
        stdout_is_taken |= strcmp(files[i].path, "-") == 0;
    FILE *table = stdout_is_taken ? stderr : stdout;
    report_print_table(table, report);
    errno = 0;
    if (fflush(table) != 0 || ferror(table)) {
        fprintf(stderr, "fairlead load: stdout: %s, so the result is not there; it was: %s\n",
                strerror(errno != 0 ? errno : EIO), report->verdict->sentence);
        failed = true;
    }
    for (size_t i = 0; i < REPORT_FILES; i++) {
        int status = files[i].path[0] == 0 ? 0 : files[i].write(files[i].path, report);
        if (status == 0)
            continue;
        fprintf(stderr,
                "fairlead load: %s: %s (%s): that file is incomplete, the result above stands\n",
                files[i].path, strerror(-status), files[i].option);
        failed = true;
    }
    return failed && report->verdict->code == VERDICT_OK ? VERDICT_FAILED
                                                         : (int)report->verdict->code;
}
