// The listening sockets of one gateway, all of them: one per scheduler and data address
// (SO_REUSEPORT), the control plane's and the page's. Opened together, before any thread, by the
// gateway itself or by its supervisor (gateway/heart.h), which hands them on from child to child.
//
// Plain descriptors, close-on-exec; 0 is none (main keeps 0 to 2 for the standard streams). Owned
// by whoever opened or took them; main's thread.
#ifndef FAIRLEAD_SOCKETS_H
#define FAIRLEAD_SOCKETS_H

#include "gateway/config.h"

#define SOCKETS_ERROR_SIZE 512
#define SOCKETS_DATA_MAX (2 * CONFIG_LISTEN_MAX) // --listen, and behind them --listen-mqtt

struct sockets {
    int data[CONFIG_SCHEDULERS_MAX][SOCKETS_DATA_MAX]; // [scheduler][address]
    int control;
    int page;
};

// Binds and listens on all. false: none is left open, `error` (SOCKETS_ERROR_SIZE bytes) names the
// option, who holds the port and the cure.
MUST_USE bool sockets_open(struct sockets *sockets, const struct config *config,
                           uint32_t scheduler_count, char *error);

// Closes what is there, and forgets it.
void sockets_close(struct sockets *sockets);

// Whether the next program of an exec gets them.
void sockets_set_inherited(const struct sockets *sockets, bool is_inherited);

#endif
