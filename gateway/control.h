// The control plane: page, health, rooms and metrics over HTTP, by libmicrohttpd in a thread of its
// own on a port of its own. Read-only, /trace and /traffic excepted: GET and HEAD. With --page a
// second server shows the page and /config.json alone.
//
//   / and its files   the console (gateway/console)
//   /config.json      where the page finds the data port
//   /healthz          200 while the process lives; how the one before it died, under a supervisor
//   /readyz           503 while draining and from 95 % of connections_max
//   /rooms[/<name>]   JSON; ?limit=N
//   /obituaries, /connections, /actors   gateway/control_lives.h
//   /trace            gateway/control_trace.h: also POST and DELETE
//   /traffic          gateway/control_traffic.h: also POST and DELETE
//   /metrics          Prometheus text
//   /info             gateway/control_info.h
//
// Bounds: CONTROL_CONNECTIONS_MAX connections, each with CONTROL_MEMORY_BYTES for its request and
// CONTROL_TIMEOUT_S without progress; bodies are refused. While it listens on loopback only
// requests whose Host is a loopback name or address are answered (DNS rebinding), unless
// --allow-anonymous.
#ifndef FAIRLEAD_CONTROL_H
#define FAIRLEAD_CONTROL_H

#include "gateway/config.h"
#include "gateway/heart_death.h"
#include "gateway/host.h"
#include "io/features.h"

#define CONTROL_ERROR_SIZE 512
#define CONTROL_CONNECTIONS_MAX 64
#define CONTROL_MEMORY_BYTES (16 * 1024)
#define CONTROL_TIMEOUT_S 15

struct control;

struct control_config {
    const struct config *config; // borrowed until control_close, as are the others
    const struct host_plan *plan;
    void *gateway;                    // for control_port.h
    const struct heart_report *heart; // what went before this process; NULL: it is not supervised
    const struct features *features;  // for /info; NULL: not known
    uint64_t started_ns;              // of clock_monotonic_ns
    int listen_fd;                    // taken; listening, not blocking
    int page_fd;                      // the same for the page's server, 0: there is none
};

// Starts the thread(s). NULL: `error` (CONTROL_ERROR_SIZE bytes) says why.
MUST_USE struct control *control_open(const struct control_config *config, char *error);

// Stops; requests under way are answered first. The listening sockets are closed here, but go on
// listening where another process has them too.
void control_close(struct control *control);

// The port that the control address was bound to: of the kernel's choice where config said 0.
uint16_t control_bound_port(const struct control *control);

#endif
