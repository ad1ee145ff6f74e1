// A supervisor's state, for sched/supervisor*.c alone.
#ifndef FAIRLEAD_SUPERVISOR_STATE_H
#define FAIRLEAD_SUPERVISOR_STATE_H

#include "sched/base/blocks.h"
#include "sched/relation.h"
#include "sched/supervisor.h"

enum supervisor_phase {
    PHASE_RUNNING,
    PHASE_ENDING,   // a restart: the children from `first` on (one_for_one: it alone) are ended
    PHASE_STARTING, // … and started, at the next go
    PHASE_CLOSING,  // all children are ended, then it ends itself with `reason`
    PHASE_SWEEPING, // the same for the actors of a bound kind
};

enum child_state {
    CHILD_STOPPED, // ended, and not to be started again until somebody says so
    CHILD_RUNNING,
    CHILD_ENDING, // has been told to go
    CHILD_DEAD,   // ended, or failed to start; what becomes of it is not decided yet
};

struct supervisor_child {
    char name[SUPERVISOR_NAME_SIZE];
    uint64_t pid;      // PID_NONE unless running or ending
    uint64_t timer;    // of CHILD_ENDING: name of the timed message that kills it, 0: none
    uint32_t argument; // block, BLOCK_NONE
    uint32_t argument_size;
    uint32_t shutdown_ms;
    uint32_t death;  // of CHILD_DEAD: the supervisor's how-manieth
    uint32_t reason; // what it ended with
    uint32_t restarts;
    uint8_t kind;
    uint8_t restart; // enum supervisor_restart
    uint8_t state;   // enum child_state
    bool is_asked;   // to end, by supervisor_terminate_child: it is not started again
};

_Static_assert(sizeof(struct supervisor_child) == 72, "as supervisor.h says");

struct supervisor {
    struct actor actor;
    char name[SUPERVISOR_NAME_SIZE];
    uint32_t intensity;
    uint32_t period_ms;
    uint32_t restarts; // ever
    uint32_t deaths;   // ever
    uint32_t children; // block of struct supervisor_child
    uint32_t child_count;
    uint32_t child_capacity;
    uint32_t times; // block: a ring of the last `intensity` restarts' times, u64
    uint32_t times_next;
    uint32_t first;  // PHASE_ENDING, PHASE_STARTING
    uint32_t reason; // PHASE_CLOSING, PHASE_SWEEPING
    uint8_t strategy;
    uint8_t phase;
    bool is_starting; // true exactly while a child's init runs
    // simple_one_for_one
    uint8_t kind;
    uint8_t restart;
    bool is_killing; // PHASE_SWEEPING: their time is over
    uint32_t shutdown_ms;
    uint32_t cursor; // PHASE_SWEEPING: slots before it were told
};

// A supervisor within its go: what its functions pass to each other.
struct supervisor_go {
    const struct supervisor_config *config;
    struct scheduler *scheduler;
    struct supervisor *state;
    uint32_t index;
};

// In MESSAGE_SUPERVISOR's flags.
enum supervisor_order {
    ORDER_CHILD_KILL = 1, // words[0]: the child that did not end in time
    ORDER_SWEEP,          // look whether the actors of the bound kind are gone
    ORDER_SWEEP_KILL,     // their time is over
    ORDER_RETRY,          // words[0]: payload of a successor that failed to start; small: reason
};

// A spec as bytes, and what follows it: its children, each followed by its argument.
struct supervisor_packed {
    uint32_t size; // of all
    uint32_t child_count;
    uint32_t intensity;
    uint32_t period_ms;
    uint32_t shutdown_ms;
    uint8_t strategy;
    uint8_t kind;
    uint8_t restart;
    uint8_t reserved;
    char name[SUPERVISOR_NAME_SIZE];
};

struct supervisor_packed_child {
    char name[SUPERVISOR_NAME_SIZE];
    uint32_t shutdown_ms;
    uint32_t argument_size;
    uint8_t kind;
    uint8_t restart;
    uint8_t reserved[6];
};

_Static_assert(sizeof(struct supervisor_packed) % 8 == 0 &&
                   sizeof(struct supervisor_packed_child) % 8 == 0,
               "arguments are aligned to 8");

// The next child of a packed spec, *at bytes behind it; 0 is the first.
void supervisor_packed_next(const struct supervisor_packed *packed, uint32_t *at,
                            struct supervisor_child_spec *spec);

static inline struct supervisor_child *supervisor_child_at(const struct scheduler *scheduler,
                                                           const struct supervisor *state,
                                                           uint32_t at) {
    return (struct supervisor_child *)blocks_at(scheduler->blocks, state->children) + at;
}

static inline uint64_t supervisor_self(const struct supervisor_go *go) {
    return scheduler_pid(go->scheduler, KIND_SUPERVISOR, go->index);
}

static inline bool supervisor_is_simple(const struct supervisor *state) {
    return state->strategy == SUPERVISOR_SIMPLE_ONE_FOR_ONE;
}

// --- supervisor.c, for supervisor_orders.c and supervisor_kind.c ---------------------------------

// Behind the last child. 0, -ENOMEM, or -E2BIG: SUPERVISOR_CHILDREN_MAX are there.
MUST_USE int supervisor_append(struct supervisor_go *go, const struct supervisor_child_spec *spec);
void supervisor_remove(struct supervisor_go *go, uint32_t at);

// 0: it runs; -ECANCELED its init declined or found no slot; -ENOMEM.
MUST_USE int supervisor_start_at(struct supervisor_go *go, uint32_t at);

// Tells it to go.
void supervisor_end_at(struct supervisor_go *go, uint32_t at);

// False: that is one restart too many.
MUST_USE bool supervisor_count_restart(struct supervisor_go *go);

// A retired slot (sched/base/slab.h) will be free once the run queue has come by: no failure yet.
bool supervisor_is_slot_coming(const struct scheduler *scheduler, uint8_t kind);

void supervisor_give_up(struct supervisor_go *go);
void supervisor_tell(struct supervisor_go *go, const struct supervisor_report *report);

// --- supervisor_kind.c ---------------------------------------------------------------------------

void supervisor_kind_bind(struct supervisor_go *go);

// From terminate: what is left of its actors is doomed.
void supervisor_kind_unbind(struct supervisor_go *go, enum exit_reason reason);
void supervisor_kind_on_exit(struct supervisor_go *go, const struct message *message);
void supervisor_kind_on_retry(struct supervisor_go *go, const struct message *message);

// Tells all to go, in slices; the supervisor exits when they have.
void supervisor_kind_sweep_begin(struct supervisor_go *go);
void supervisor_kind_sweep(struct supervisor_go *go);
void supervisor_kind_sweep_again(struct supervisor_go *go, bool is_killing);

#endif
