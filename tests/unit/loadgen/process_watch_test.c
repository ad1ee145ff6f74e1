// Goal: CPU and memory of a process as /proc has them, also for names that are no words, and no
// figure for a process that is gone. Method: made-up lines, a made-up /proc, and ourselves.
#include "loadgen/process_watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

#define REST " S 1 2 3 4 -1 6 7 8 9 10 "
#define AFTER " 0 0 20 0 3 0 "

static void write_stat(const char *root, int pid, const char *line) {
    char path[400];
    snprintf(path, sizeof(path), "%s/%d", root, pid);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/%d/stat", root, pid);
    FILE *out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    fputs(line, out);
    fclose(out);
}

static void remove_stat(const char *root, int pid) {
    char path[400];
    snprintf(path, sizeof(path), "%s/%d/stat", root, pid);
    unlink(path);
    snprintf(path, sizeof(path), "%s/%d", root, pid);
    rmdir(path);
}

START_TEST(process_watch_decodes_the_fields_whatever_the_name) {
    struct process_stat stat;
    static const char *const names[] = {"(a)", "(a b)", "(a) S 1 1 1)", "())", "(\n)"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char line[200];
        snprintf(line, sizeof(line), "42 %s" REST "70 30" AFTER "777 1000000 25 18446744\n",
                 names[i]);
        ck_assert_msg(process_watch_decode(&stat, line), "%s", names[i]);
        ck_assert_uint_eq(stat.cpu_ticks, 100);
        ck_assert_uint_eq(stat.started_ticks, 777);
        ck_assert_uint_eq(stat.resident_pages, 25);
    }
}
END_TEST

START_TEST(process_watch_refuses_every_prefix_of_a_line) {
    struct process_stat stat;
    const char *line = "42 (a)" REST "70 30" AFTER "777 1000000 2";
    char prefix[200];
    for (size_t size = 0; size < strlen(line); size++) {
        memcpy(prefix, line, size);
        prefix[size] = 0;
        ck_assert_msg(!process_watch_decode(&stat, prefix), "%s", prefix);
    }
    ck_assert(process_watch_decode(&stat, line));
}
END_TEST

START_TEST(process_watch_samples_shares_sums_and_forgets_the_dead) {
    char root[] = "/tmp/process_watch_XX"
                  "XX"
                  "XX";
    ck_assert_ptr_nonnull(mkdtemp(root));
    struct process_watch w;
    struct process_sample sample;
    process_watch_init(&w, root);
    ck_assert(!process_watch_sample(&w, NS_PER_S, &sample)); // nobody
    ck_assert(!process_watch_add(&w, 7, NS_PER_S));          // no such process
    write_stat(root, 7, "7 (a)" REST "100 0" AFTER "5 0 10 0");
    write_stat(root, 8, "8 (b)" REST "0 100" AFTER "6 0 20 0");
    ck_assert(process_watch_add(&w, 7, NS_PER_S) && process_watch_add(&w, 8, NS_PER_S));
    ck_assert(!process_watch_sample(&w, NS_PER_S, &sample)); // no time has passed
    uint64_t tick_s = (uint64_t)sysconf(_SC_CLK_TCK);
    char line[200];
    snprintf(line, sizeof(line), "7 (a)" REST "%llu 0" AFTER "5 0 11 0",
             100 + (unsigned long long)tick_s);
    write_stat(root, 7, line);
    ck_assert(process_watch_sample(&w, 3 * NS_PER_S, &sample));
    ck_assert(sample.cpu > 0.499 && sample.cpu < 0.501); // a second of CPU in two
    ck_assert_uint_eq(sample.resident_bytes, 31 * (uint64_t)sysconf(_SC_PAGESIZE));
    ck_assert(process_watch_sample(&w, 4 * NS_PER_S, &sample) && sample.cpu == 0);
    write_stat(root, 8, "8 (c)" REST "0 100" AFTER "9 0 20 0"); // another process of that number
    ck_assert(!process_watch_sample(&w, 5 * NS_PER_S, &sample));
    ck_assert_uint_eq(w.pid_count, 0);
    remove_stat(root, 7);
    remove_stat(root, 8);
    rmdir(root);
}
END_TEST

START_TEST(process_watch_sees_ourselves) {
    struct process_watch w;
    struct process_sample sample;
    process_watch_init(&w, "/proc");
    ck_assert(process_watch_add(&w, getpid(), 1));
    ck_assert(process_watch_sample(&w, 1 + NS_PER_S, &sample));
    ck_assert_uint_gt(sample.resident_bytes, 100000);
    ck_assert_uint_le(process_watch_own_wait_ns(), clock_monotonic_ns());
}
END_TEST

UNIT_MAIN("loadgen/process_watch", process_watch_decodes_the_fields_whatever_the_name,
          process_watch_refuses_every_prefix_of_a_line,
          process_watch_samples_shares_sums_and_forgets_the_dead, process_watch_sees_ourselves)
