#include "loadgen/process_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sched/base/clock.h"

#define STAT_BYTES 1024

// Reads what fits; 0 terminated. False when it cannot be read.
static bool read_text(const char *path, char *text, size_t text_size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, text_size - 1);
    close(fd);
    text[size > 0 ? size : 0] = 0;
    return size > 0;
}

bool process_watch_decode(struct process_stat *stat, const char *line) {
    // The second field is a name in parentheses that may hold anything, also ")" and spaces.
    const char *end = strrchr(line, ')');
    unsigned long long user, system, started;
    long long resident;
    // proc(5): state is field 3, utime 14, stime 15, starttime 22, rss 24.
    if (end == NULL || sscanf(end + 1,
                              " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %*s %*s %*s "
                              "%*s %*s %*s %llu %*s %lld",
                              &user, &system, &started, &resident) != 4)
        return false;
    *stat = (struct process_stat){.cpu_ticks = user + system,
                                  .started_ticks = started,
                                  .resident_pages = resident > 0 ? (uint64_t)resident : 0};
    return true;
}

static bool read_stat(const struct process_watch *w, pid_t pid, struct process_stat *stat) {
    char path[PROCESS_WATCH_ROOT_BYTES + 32], line[STAT_BYTES];
    snprintf(path, sizeof(path), "%s/%d/stat", w->root, (int)pid);
    return read_text(path, line, sizeof(line)) && process_watch_decode(stat, line);
}

static uint64_t ns_of_ticks(uint64_t ticks) {
    return ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

void process_watch_init(struct process_watch *w, const char *root) {
    *w = (struct process_watch){0};
    snprintf(w->root, sizeof(w->root), "%s", root);
}

bool process_watch_add(struct process_watch *w, pid_t pid, uint64_t now_ns) {
    struct process_stat stat;
    if (pid <= 0 || w->pid_count == PROCESS_WATCH_PIDS_MAX || !read_stat(w, pid, &stat))
        return false;
    w->pids[w->pid_count] = pid;
    w->started_ticks[w->pid_count++] = stat.started_ticks;
    w->cpu_ns += ns_of_ticks(stat.cpu_ticks);
    w->sampled_ns = now_ns;
    return true;
}

bool process_watch_sample(struct process_watch *w, uint64_t now_ns, struct process_sample *sample) {
    uint64_t ticks = 0, pages = 0;
    for (uint32_t i = 0; i < w->pid_count; i++) {
        struct process_stat stat;
        if (!read_stat(w, w->pids[i], &stat) || stat.started_ticks != w->started_ticks[i]) {
            w->pid_count = 0;
            return false;
        }
        ticks += stat.cpu_ticks;
        pages += stat.resident_pages;
    }
    if (w->pid_count == 0 || now_ns <= w->sampled_ns)
        return false;
    uint64_t cpu_ns = ns_of_ticks(ticks);
    *sample = (struct process_sample){
        .cpu = cpu_ns > w->cpu_ns ? (double)(cpu_ns - w->cpu_ns) / (double)(now_ns - w->sampled_ns)
                                  : 0,
        .resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE),
        .cpu_ns = cpu_ns,
    };
    w->cpu_ns = cpu_ns;
    w->sampled_ns = now_ns;
    return true;
}

uint64_t process_watch_own_wait_ns(void) {
    char path[64], text[128];
    unsigned long long wait_ns = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)gettid());
    if (!read_text(path, text, sizeof(text)) || sscanf(text, "%*s %llu", &wait_ns) != 1)
        return 0;
    return wait_ns;
}
