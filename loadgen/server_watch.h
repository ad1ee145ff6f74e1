// Which process on this machine is the server: the one named by --server-pid, else the one that its
// control plane names (GET /info), else whoever listens on the target's port; and that process
// watched once a second (process_watch.h).
//
// LIMITATION: a listener that is a direct descriptor of an io_uring is in no descriptor table, so
// /proc tells its socket but not its process: such a server (Fairlead is one) is found by its
// control plane or by --server-pid. Nor is a server in another network namespace found by its port.
#ifndef FAIRLEAD_SERVER_WATCH_H
#define FAIRLEAD_SERVER_WATCH_H

#include <sys/socket.h>

#include "loadgen/process_watch.h"

enum server_watch_source {
    SERVER_WATCH_NONE,
    SERVER_WATCH_OPTION,   // --server-pid
    SERVER_WATCH_CONTROL,  // GET /info
    SERVER_WATCH_LISTENER, // /proc/net/tcp and descriptors
};

struct server_watch {
    struct process_watch processes;
    enum server_watch_source source;
};

struct server_watch_asked {
    pid_t option_pid;  // 0: not given
    pid_t control_pid; // 0: not known; taken only when the server is on this machine
    const struct sockaddr *target;
    const char *proc; // "/proc" but in tests
};

// Finds the server. source says how, NONE when it was not found or is not on this machine.
void server_watch_init(struct server_watch *w, const struct server_watch_asked *asked,
                       uint64_t now_ns);

MUST_USE bool server_watch_is_loopback(const struct sockaddr *address);

// True for loopback and for the addresses of this machine's interfaces.
MUST_USE bool server_watch_is_here(const struct sockaddr *address);

// The processes that hold a socket listening on that TCP port, up to `pid_max`; how many.
uint32_t server_watch_find_listeners(const char *proc, uint16_t port, pid_t *pids,
                                     uint32_t pid_max);

// "--server-pid", "its control plane", "its listener", "".
const char *server_watch_source_name(enum server_watch_source source);

#endif
