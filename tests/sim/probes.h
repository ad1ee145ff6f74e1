// Probes: actors of the simulation's own beside the gateway's, on the same schedulers and mesh,
// that write to each other, link, monitor, move between cores and go. They hold the runtime to what
// sched/signal.h and sched/move.h promise: mail in order and once between any two, exactly one
// MESSAGE_DOWN a monitor, links that take along or tell, also across cores, also while they move.
#ifndef FAIRLEAD_TESTS_SIM_PROBES_H
#define FAIRLEAD_TESTS_SIM_PROBES_H

#include "gateway/core.h"

#define PROBES_MAX 48 // ever; numbers are not used again
#define PROBE_WATCHES_MAX 256
#define PROBE_MOVES_MAX 6 // sched/move.h: MOVE_FORMER_MAX names are kept

struct world;

enum probe_state {
    PROBE_NONE,
    PROBE_LIVE,
    PROBE_DEAD,
};

struct probe {
    enum probe_state state;
    bool traps;
    bool was_asked; // to go; else it goes for a link's sake
    bool is_moving;
    uint32_t moves;
    uint32_t reason; // dead: why
    uint64_t pid;    // its first
    uint32_t sent[PROBES_MAX];
    uint32_t received[PROBES_MAX];
    bool is_linked[PROBES_MAX]; // both ways
    bool was_linked[PROBES_MAX];
    uint32_t exits[PROBES_MAX]; // MESSAGE_EXIT, by whom
};

struct probe_watch {
    uint64_t monitor;
    uint32_t watcher;
    uint32_t target;
    bool was_dead; // the target, as it was made
    bool has_fired;
    bool is_cancelled;
};

struct probe_context {
    struct probes *probes;
    uint32_t core;
};

struct probes {
    struct probe probes[PROBES_MAX];
    uint32_t count;
    struct probe_watch watches[PROBE_WATCHES_MAX];
    uint32_t watch_count;
    struct probe_context contexts[MESH_ENDPOINTS_MAX];
    uint32_t latest_moved; // who writes to it most, for a while
    uint32_t writer;
    uint64_t events; // mail, exits, downs: part of the digest
};

void probes_open(struct world *world);

// One of them does something, by chance. Between two turns.
void probes_act(struct world *world);

// All is told that was to be told. Quiet.
void probes_check(const struct world *world);

// All go, for the drain; then nothing of them is left.
void probes_end(struct world *world);
void probes_check_empty(const struct world *world);

#endif
