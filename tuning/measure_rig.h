// The rig of a measurement: servers and clients of its own (`fairlead serve`, `fairlead load`), on
// CPUs apart where there are two, watched while they run. Used by --measure, --knee and --try.
//
// CPUs: the server has the first that this process may use, the client the last; a server that is
// given all of them shares the last with the client (the last stays the client's own where there
// are four or more). Ports: pairs (data, control) from port_first up, each server the next free
// pair.
//
// Ctrl-C, SIGTERM and SIGHUP are held back from measure_rig_open to measure_rig_close and end every
// wait here: each function then returns early, measure_rig_is_stopped says so, and the caller
// undoes what it did. Children die with this process in any case. One thread. Errors are one
// sentence.
#ifndef FAIRLEAD_MEASURE_RIG_H
#define FAIRLEAD_MEASURE_RIG_H

#include <signal.h>
#include <stdio.h>

#include "tuning/child.h"
#include "tuning/measure_load.h"
#include "tuning/measure_sample.h"

#define MEASURE_RIG_ERROR_BYTES 1024
#define MEASURE_RIG_PORTS 50
#define MEASURE_RIG_PORT_DEFAULT 17900
#define MEASURE_RIG_URL_BYTES 96
#define MEASURE_RIG_CLIENT_OWN_MIN 4 // CPUs: so many leave the client one of its own

struct measure_rig {
    char server_path[PATH_MAX];
    char client_path[PATH_MAX];
    uint32_t cpu_count; // that this process may use
    cpu_set_t cpus_first;
    cpu_set_t cpus_last;
    cpu_set_t cpus_all; // for a server that has them all
    uint32_t cpus_all_count;
    int stop_fd; // readable once a signal came
    sigset_t signals_before;
    uint16_t port_first;
    uint32_t port_step; // pairs handed out so far
    int ended_code; // exit code of the program that ended where it should not; 2: its words were
                    // bad
    bool is_quiet;
};

struct measure_server {
    struct child child;
    uint32_t schedulers;
    cpu_set_t cpus;
    uint32_t cpu_count;
    bool shares_cpu; // with the client
    char target[MEASURE_RIG_URL_BYTES];
    char control[MEASURE_RIG_URL_BYTES]; // "" for a server that is not ours
};

struct measure_server_order {
    bool has_all_cpus;                  // else the first, with one scheduler
    const struct child_arguments *more; // of `fairlead serve`; NULL: none
};

// Counters of a Fairlead, over all its cores.
struct measure_counters {
    bool is_known;
    double dropped; // room messages, for slow readers and for want of memory
    double overflows;
    double busy;
    double members;
    double delivered;
    double enters; // system calls
    double sends;
};

struct measure_client {
    struct child child;
    uint64_t started_ns;
    uint64_t connected_ns; // 0 before
    bool has_begun;        // its measured window
    bool has_finished;
};

// One run of the load tool from its start to its end.
struct measure_run {
    bool has_load;
    struct measure_load load;
    bool has_usage; // of the server, over the window
    struct measure_usage usage;
    double connect_ns; // the server's CPU until all had joined, per connection; NAN: not known
    bool has_counters;
    struct measure_counters counters; // what the run added
    bool has_window;
    struct measure_counters window; // what its measured window added
    struct measure_samples samples;
};

// false: `error` (MEASURE_RIG_ERROR_BYTES) says which program is missing.
MUST_USE bool measure_rig_open(struct measure_rig *rig, uint16_t port_first, bool is_quiet,
                               char *error);
void measure_rig_close(struct measure_rig *rig);

bool measure_rig_is_stopped(const struct measure_rig *rig);

// false: stopped meanwhile.
bool measure_rig_sleep(const struct measure_rig *rig, uint32_t ms);

// A line of progress on stderr, unless it is quiet.
void measure_rig_say(const struct measure_rig *rig, const char *format, ...) PRINTF_LIKE(2, 3);

// Starts a server and waits until it is ready. false: `error` says why, or it was stopped.
MUST_USE bool measure_server_start(struct measure_rig *rig,
                                   const struct measure_server_order *order,
                                   struct measure_server *server, char *error);

// Runs `fairlead serve` with these arguments to its end (--check-config), at most a few seconds.
// Its exit code, -1 when it did not end; `line` (CHILD_ERROR_BYTES) is the last that it said on
// stderr.
int measure_server_ask(const struct measure_rig *rig, const struct child_arguments *arguments,
                       char *line);

// A server that is not ours, at a URL; control may be "".
void measure_server_foreign(struct measure_server *server, const char *target, const char *control);

// Also for one that did not start.
void measure_server_stop(struct measure_server *server);

void measure_server_counters(const struct measure_server *server,
                             struct measure_counters *counters);

// `fairlead load` with these arguments against the server; --json, --quiet and --target are added.
MUST_USE bool measure_client_start(struct measure_rig *rig, const struct measure_server *server,
                                   const struct child_arguments *arguments,
                                   struct measure_client *client, char *error);

// Until all its connections have joined. Samples (may be NULL) are taken meanwhile. false: it
// ended, or it was stopped; `error` says why.
MUST_USE bool measure_client_connected(struct measure_rig *rig, const struct measure_server *server,
                                       struct measure_client *client,
                                       struct measure_samples *samples, char *error);

void measure_client_stop(struct measure_client *client);

// A whole run. false: no result; `error` says why, also when it was stopped. A result that tells of
// a failure is a result.
MUST_USE bool measure_rig_run(struct measure_rig *rig, const struct measure_server *server,
                              const struct child_arguments *arguments, struct measure_run *run,
                              char *error);

#endif
