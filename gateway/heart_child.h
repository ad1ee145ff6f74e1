// The gateway's side of its supervisor (gateway/heart.h): what it is handed at birth, and what it
// says before it dies.
//
// The supervisor runs this program again with one descriptor of a pair of local sockets, whose
// number stands in the environment as FAIRLEAD_HEART (internal: never set it by hand). The first
// message on it is the orders; afterwards the gateway writes lines of text to it, which the
// supervisor reads when it is over (heart_death.h). Local sockets, not a pipe and a memory file: a
// seccomp profile that takes away System V IPC, as the unit's does, takes those away too.
//
// Main's thread, but for the fault handler. The only state is that handler's (heart_child.c).
#ifndef FAIRLEAD_HEART_CHILD_H
#define FAIRLEAD_HEART_CHILD_H

#include <sys/types.h>

#include "gateway/config.h"
#include "gateway/heart_death.h"
#include "gateway/host.h"
#include "gateway/sockets.h"

#define HEART_CHILD_ENVIRONMENT "FAIRLEAD_HEART"
#define HEART_CHILD_ERROR_SIZE 512
#define HEART_CHILD_VERSION_SIZE 32

// Parent and child are one binary (/proc/self/exe), so the structures are the same; the version is
// there to notice a number that is in the environment by mistake.
struct heart_orders {
    char version[HEART_CHILD_VERSION_SIZE];
    pid_t parent;
    struct config config; // as the supervisor read it once: a file changed since does not count
    struct host_plan plan;
    struct sockets sockets; // taken
    struct heart_report report;
};

struct heart_child {
    struct heart_orders orders;
    int heart_fd;
};

// Whether a supervisor started this process.
bool heart_child_is(void);

// Takes the orders and removes the variable; from here on a failed CHECK and a memory fault are
// told to the supervisor. false: `error` (HEART_CHILD_ERROR_SIZE bytes) says what is wrong.
MUST_USE bool heart_child_open(struct heart_child *child, char *error);

// The gateway serves: what ends it from now on is a death and no refusal to start.
void heart_child_say_up(const struct heart_child *child);

#endif
