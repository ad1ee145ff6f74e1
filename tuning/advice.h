// From the facts of a machine to its limits, ordered by which is hit first: what each one bounds,
// by what arithmetic, and the command that lifts it. Rules only, no measuring: what a message costs
// here is `--measure`'s to say.
//
// Two kinds of server are judged. Fairlead keeps connections as direct descriptors in rings of its
// own ("lanes"), of which a process has many, so that RLIMIT_NOFILE bounds a lane and not the
// server. Nearly all others spend one descriptor of the process on each connection.
//
// Pure functions of their arguments, any thread. Figures of Fairlead are those of
// docs/BENCHMARKS.md.
#ifndef FAIRLEAD_ADVICE_H
#define FAIRLEAD_ADVICE_H

#include "tuning/machine.h"

// An idle connection that joined one room: in the server, and in the kernel for the server's end of
// the socket with its descriptor and poll (docs/BENCHMARKS.md, 50,000 to 190,000 connections).
#define ADVICE_USER_BYTES 232
#define ADVICE_KERNEL_BYTES 3983
#define ADVICE_BYTES (ADVICE_USER_BYTES + ADVICE_KERNEL_BYTES)

// Of the available memory; the rest is for messages on their way and for everything else.
#define ADVICE_MEMORY_PERCENT 90

// Descriptors that are no connections, of servers that spend one on each.
#define ADVICE_DESCRIPTORS_RESERVED 100

// Of the server itself: with one scheduler, and for each further one (docs/BENCHMARKS.md).
#define ADVICE_FIXED_BYTES (13612ull * 1024)
#define ADVICE_SCHEDULER_BYTES (4632ull * 1024)

#define ADVICE_SCHEDULERS_MAX 60 // gateway/config.h

#define ADVICE_ROWS_MAX 48
#define ADVICE_UNBOUNDED UINT64_MAX
#define ADVICE_SUMMARY_BYTES 512

enum advice_verdict {
    ADVICE_STOPS, // Fairlead does not run at all
    ADVICE_LOW,   // hit before the connections that are wanted, or before memory
    ADVICE_MIND,  // bounds no count, but costs messages or time under some load
    ADVICE_OK,
};

struct advice_row {
    char name[32];               // "nofile", "file-max"
    char value[48];              // as it is now
    char bounds[48];             // "2.47 M connections", "28,232 per address pair"
    char why[480];               // what it limits, with the arithmetic
    char lift[320];              // a command or two, "" when there is nothing to do
    uint64_t connections;        // of Fairlead, ADVICE_UNBOUNDED: not bounded by this
    uint64_t connections_others; // of a server with a descriptor for each
    enum advice_verdict verdict;
};

struct advice {
    struct advice_row rows[ADVICE_ROWS_MAX]; // ordered: what is hit first comes first
    uint32_t count;
    uint64_t wanted;      // connections: asked for, or what memory holds
    bool is_wanted_asked; // by the caller
    uint64_t connections; // that Fairlead will hold
    uint64_t connections_others;
    uint32_t schedulers;                       // one a CPU, ADVICE_SCHEDULERS_MAX at most
    char summary[ADVICE_SUMMARY_BYTES];        // one sentence for Fairlead
    char summary_others[ADVICE_SUMMARY_BYTES]; // and one for others
};

// wanted 0: as many as memory holds.
void advice_make(struct advice *advice, const struct machine *machine, uint64_t wanted);

const char *advice_verdict_name(enum advice_verdict verdict);

// NULL when no row has that name.
const struct advice_row *advice_lookup(const struct advice *advice, const char *name);

// Connections that Fairlead's lanes hold: gateway/host.c's plan, stated again because that is none
// of this layer's to call; a test holds both against each other.
uint64_t advice_lane_connections(uint64_t nofile, uint32_t schedulers);

// "19,900", "5.17 M", "2.10 G".
void advice_count_text(uint64_t count, char *text, size_t text_size);
// "2,466,170": every digit.
void advice_exact_text(uint64_t count, char *text, size_t text_size);
// "512 KiB", "22.6 GiB".
void advice_bytes_text(uint64_t bytes, char *text, size_t text_size);

#endif
