// What is looked at beside a run: the machine it stands on, the server's build, CPU and memory of
// the server's process and of our own once a second; and the reports, which tell all of it.
//
// Fills run->environment, run->self, run->server; the run's thread.
#ifndef FAIRLEAD_OBSERVE_H
#define FAIRLEAD_OBSERVE_H

#include "loadgen/report.h"
#include "loadgen/run.h"

#define OBSERVE_COMMAND_BYTES 4096

// Before the run: reads the environment, asks the control plane (a second at most), finds the
// server's process. 0, or an exit code with a sentence (LOAD_OPTIONS_ERROR_BYTES).
MUST_USE int observe_begin(struct run *run, char *error);

// Completes a snapshot by CPU and memory: two or three small files of /proc, some 50 us.
void observe_second(struct run *run, struct result_interval *row, uint64_t now_ns);

// Takes the live view away, prints the result and writes the files; the exit code.
MUST_USE int observe_publish(struct run *run, const struct verdict *v);

// The command as it was typed, cut to fit; quotes only where a shell needs them.
const char *observe_join_command(char command[OBSERVE_COMMAND_BYTES], int argc, char *const *argv);

#endif
