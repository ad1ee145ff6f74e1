// CPU and resident memory of processes on this machine, from /proc: a server's while it is loaded,
// and our own. A sample opens and reads one small file per process, some 20 us: once a second.
//
// CPU is counted by the kernel in ticks (10 ms as a rule), so a share over a second is good to one
// per cent. The memory of several processes is summed, pages that they share are counted in each.
// A pid that was given to another process is noticed by its start time. One thread.
#ifndef FAIRLEAD_PROCESS_WATCH_H
#define FAIRLEAD_PROCESS_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sched/base/check.h"

#define PROCESS_WATCH_PIDS_MAX 32
#define PROCESS_WATCH_ROOT_BYTES 200

struct process_watch {
    char root[PROCESS_WATCH_ROOT_BYTES]; // "/proc"
    uint32_t pid_count;
    pid_t pids[PROCESS_WATCH_PIDS_MAX];
    uint64_t started_ticks[PROCESS_WATCH_PIDS_MAX];
    uint64_t cpu_ns; // at the last sample
    uint64_t sampled_ns;
};

struct process_sample {
    double cpu; // share of one core since the last sample; 2.0: two cores
    uint64_t resident_bytes;
    uint64_t cpu_ns; // since the process began
};

// What one line of /proc/PID/stat says. False for anything else.
struct process_stat {
    uint64_t cpu_ticks; // user and system
    uint64_t started_ticks;
    uint64_t resident_pages;
};

MUST_USE bool process_watch_decode(struct process_stat *stat, const char *line);

// Nobody is watched. `root` is "/proc" but in tests.
void process_watch_init(struct process_watch *w, const char *root);

// Watches one more from now on. False: no such process, it may not be read, or there are too many.
MUST_USE bool process_watch_add(struct process_watch *w, pid_t pid, uint64_t now_ns);

// False when nobody is watched, or one of them is gone (all are forgotten then), or no time passed.
MUST_USE bool process_watch_sample(struct process_watch *w, uint64_t now_ns,
                                   struct process_sample *sample);

// How long the calling thread was ready and got no CPU, since it began: the second number of
// /proc/self/task/TID/schedstat. 0 where the kernel does not count it.
uint64_t process_watch_own_wait_ns(void);

#endif
