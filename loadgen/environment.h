// Where a run took place: this machine (kernel, CPUs, limits, what its io_uring does) and the
// server, as far as its control plane tells (GET /info). A figure without these says nothing about
// another machine, so every result carries them.
//
// Read once, before the run: files of /proc, and one HTTP request that waits a second at most. The
// start's thread only. What cannot be found out reads "unknown" and why.
#ifndef FAIRLEAD_ENVIRONMENT_H
#define FAIRLEAD_ENVIRONMENT_H

#include <jansson.h>

#include "io/features.h"
#include "loadgen/server_watch.h"

#define ENVIRONMENT_TEXT_BYTES 200
#define ENVIRONMENT_ROWS_MAX 20
#define ENVIRONMENT_CONTROL_PORT 8081 // where the control plane is looked for

struct environment {
    char tool[ENVIRONMENT_TEXT_BYTES];   // fairlead-load 0.1.0 (build 3df3f40)
    char began[ENVIRONMENT_TEXT_BYTES];  // 2026-11-21 18:27:33 UTC
    char host[ENVIRONMENT_TEXT_BYTES];   // its name
    char kernel[ENVIRONMENT_TEXT_BYTES]; // Linux 6.18.5 x86_64
    char cpu[ENVIRONMENT_TEXT_BYTES];    // the model's name
    char cpus_used[64];                  // that this process may run on: "0-1,4"
    uint32_t cpu_count;                  // online
    uint64_t memory_bytes;
    uint64_t files_max;  // RLIMIT_NOFILE
    uint32_t port_first; // net.ipv4.ip_local_port_range; 0: unknown
    uint32_t port_last;
    struct features features;
    bool is_loopback;
    bool is_here; // the server's address is one of this machine's

    json_t *server_info;                       // GET /info as it came; NULL: unknown
    char server[ENVIRONMENT_TEXT_BYTES + 600]; // in one line, or "unknown: " and why
    char control[ENVIRONMENT_TEXT_BYTES];      // the URL that was asked, "" for none
    pid_t server_pid;                          // by its control plane; 0: unknown
};

struct environment_asked {
    const char *control; // --control: a URL, "none", or "" for the target's host
    const char *host;    // the target's, as in a Host header but without the port
    uint16_t port;       // the target's
    const struct sockaddr *target;
};

// Fills everything. 0, or with --control given and nobody there: 4 and a sentence.
MUST_USE int environment_read(struct environment *e, const struct environment_asked *asked,
                              char *error, size_t error_size);

void environment_fini(struct environment *e);

// Takes an answer of GET /info; the reference is taken over. False (server stays unknown, with the
// reason) when it is of a Fairlead that does not listen on `port` and `must_match` says so.
bool environment_take_info(struct environment *e, json_t *info, uint16_t port, bool must_match);

// For the table, and the first lines: name and value.
struct environment_row {
    const char *name;
    char value[ENVIRONMENT_TEXT_BYTES + 600];
};

uint32_t environment_rows(const struct environment *e,
                          struct environment_row rows[ENVIRONMENT_ROWS_MAX]);

// The caller's to json_decref.
json_t *environment_json(const struct environment *e);

// "client and server share this machine …", "" when they do not.
const char *environment_sharing(const struct environment *e);

#endif
