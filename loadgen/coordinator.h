// One run by several agents: gives each its part (split.h), lets all begin together once everybody
// is connected, shows the sum of what they see once a second, and merges their results exactly.
//
//     connect, greet → order → (agents connect) → all settled: go → … → results → merged
//     Ctrl-C: stop to all, and their results are waited for
//     an agent that is unreachable, no agent, of another version, busy, silent for
//     COORDINATOR_SILENCE_S or gone: one sentence, the others are stopped, exit 4
//
// Percentiles of a second are those of all agents' histograms of that second; seconds are counted
// from each agent's own beginning, so they lie as far apart as their orders came. This process does
// no load. Memory: 4 MB and 4 MB for each agent. One thread.
#ifndef FAIRLEAD_COORDINATOR_H
#define FAIRLEAD_COORDINATOR_H

#include <signal.h>

#include "loadgen/result.h"
#include "loadgen/verdict.h"

#define COORDINATOR_CONNECT_TIMEOUT_S 5
#define COORDINATOR_GREETING_TIMEOUT_S 5
#define COORDINATOR_SILENCE_S 30
#define COORDINATOR_ERROR_BYTES 768

struct coordinator_config {
    const struct load_options *options; // of the whole run; options->agents is not ""
    int argc;                           // the command line that they were read from
    char *const *argv;
    const volatile sig_atomic_t *interrupts; // Ctrl-C so far
    // Once a second, with the sum of what is known; its last interval is that second.
    void (*on_second)(void *context, const struct result *r);
    // Everybody has joined or failed, and load begins.
    void (*on_go)(void *context, const struct result *r);
    void *context;
};

// The exit code of a run that could not be, with a sentence; VERDICT_OK: `merged` holds the result,
// for verdict_decide. It is initialised by this.
MUST_USE enum verdict_code coordinator_run(const struct coordinator_config *config,
                                           struct result *merged,
                                           char error[COORDINATOR_ERROR_BYTES]);

#endif
