// The supervisor of `fairlead serve --supervised`: a parent process that makes the listening
// sockets once, runs the gateway as its child and starts it again when it dies. While none runs,
// connections wait in the sockets' queues and the next gateway answers them: nobody is refused.
//
//   sockets → child → it dies → log, policy → pause → child → …
//
// - A child is a fork that runs this program again (/proc/self/exe): a clean address space with
//   other addresses each time, and the same binary as the parent's, whatever lies on disk by now.
// - Settings, plan and sockets are made once; every child gets the same (heart_child.h), so the
//   number of schedulers is fixed for the supervisor's life.
// - Restarts follow heart_policy.h. Not retried: exit code 2, and whatever ends the very first
//   child before it serves: what it refused it would refuse again. Its exit code is passed on.
// - SIGTERM and SIGINT are passed to the child, each once (the second stops it at once, as without
//   a supervisor); the supervisor ends when it does, with its exit code. While no child runs they
//   end the supervisor with 0.
// - When the supervisor dies the kernel kills its child (PR_SET_PDEATHSIG): no orphan keeps ports.
//
// It runs no threads, sees no traffic and keeps nothing but the sockets. What a child wrote on its
// way out it takes for words, so a child gone wild cannot harm it.
//
// LIMITATION: a gateway that hangs is not noticed; /healthz or /metrics not answering tells.
#ifndef FAIRLEAD_HEART_H
#define FAIRLEAD_HEART_H

#include "gateway/config.h"
#include "gateway/host.h"

// Until the end; returns the exit code. `argv` is the program's whole, for the eyes of `ps`.
int heart_run(const struct config *config, const struct host_plan *plan, char *const *argv);

#endif
