// Why a gateway died, in words: from its wait status and from what it said of itself before.
//
// Last words are lines of text that the dying process wrote to its supervisor (gateway/heart.h):
// "up <ns>" once it serves, the sentence of a failed CHECK (sched/base/check.h), the address and
// the thread of a memory fault. They are kept as printable ASCII, so that they fit a log line and
// JSON, and taken for nothing more than words: they come from a process with a bug.
#ifndef FAIRLEAD_HEART_DEATH_H
#define FAIRLEAD_HEART_DEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEART_REASON_SIZE 24
#define HEART_CAUSE_SIZE 512

struct heart_death {
    char reason[HEART_REASON_SIZE]; // "SIGSEGV", or "exit 1"
    char cause[HEART_CAUSE_SIZE];   // one sentence
    bool was_up;                    // it had served
    bool core_dumped;
    int exit_code;      // -1: a signal ended it
    uint64_t uptime_ns; // serving; of one that was never up: living
    uint64_t died_ns;   // clock_monotonic_ns
    uint64_t died_s;    // seconds since 1970
};

// What the gateway of a supervisor learns of those before it.
struct heart_report {
    uint32_t restarts;
    struct heart_death last; // when restarts > 0
};

// What the supervisor knows of a life that is over.
struct heart_life {
    uint64_t started_ns;
    uint64_t died_ns;
    uint64_t died_s;
    int wait_status;   // of waitpid
    const char *words; // the last words, lines; borrowed
    bool oom_killed;   // the kernel's out-of-memory killer struck somebody meanwhile
};

// Pure.
void heart_death_describe(struct heart_death *death, const struct heart_life *life);

// "signal=SIGSEGV core_dumped=yes" or "exit=1": the fields of the log line that tell them apart.
// `text` has HEART_REASON_SIZE * 2 bytes. Returns `text`.
const char *heart_death_fields(const struct heart_death *death, char *text);

// How many processes the kernel has killed for want of memory since it started; 0 where it does not
// tell (/proc/vmstat, Linux 4.13).
uint64_t heart_death_oom_kills(void);

#endif
