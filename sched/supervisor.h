// Supervisors: actors that start others, watch them, and start them again by a strategy. The words
// and the rules are OTP's (stdlib, module supervisor); a supervisor that gives up leaves the
// decision to its own. Everything of one tree lives on one core: each core has its tree, as each
// node has.
//
// Strategies: one_for_one, rest_for_one, one_for_all over children with names, in an order; and
// simple_one_for_one over all actors of one kind, so that a million connections cost no byte:
// whoever spawns an actor of that kind has spawned it under that supervisor. What differs from OTP:
//
// - At most one simple_one_for_one per kind and core. Its children start with the argument that
//   behaviour.succession of the one before gave, not with the first one's, and they end in no order
//   at a shutdown (OTP's do so too).
// - No supervisor ever waits: ending and starting again are steps between which other actors run.
//   Orders that come meanwhile are declined (-EAGAIN) where OTP lets the caller wait. A restart
//   happens at the supervisor's next go, a failed one is tried again at the one after.
// - terminate runs at every end here, so of a supervisor that is killed, or exits by itself, all
//   children have ended, at once and in reverse order, with EXIT_KILLED, before its own supervisor
//   is told. (OTP's get the exit signal by their links; one that traps exits may live on there.)
// - So do the children of a supervisor whose start fails: those that were started end at once, in
//   reverse, with EXIT_SHUTDOWN. They have handled no message yet.
// - Times count in nanoseconds of the scheduler's clock, OTP's in whole seconds.
// - Absent: significant children and auto_shutdown, hibernation, `ignore` from an init,
//   code change of specs.
//
// A child whose init declines, or that finds no slot, has failed to start: for the first time the
// supervisor's own start fails; later this counts as a restart and is tried again. Beyond
// `intensity` restarts within `period_ms` the supervisor ends all children and then itself, with
// EXIT_SHUTDOWN. A child that ended while others are being ended or started is not started twice,
// and news of one that was replaced already (SUPERVISOR_STALE) change nothing.
//
// Ending a child: signal_exit(EXIT_SHUTDOWN), after shutdown_ms signal_exit(EXIT_KILLED); one after
// the other, in reverse order. A child that does not trap exits goes at its next go.
//
// Bounds: SUPERVISOR_* below; a spec with its argument is copied into blocks (no pointer is kept).
// Cost: 72 B a child in a block and one relation of 32 B; nothing per actor of a bound kind.
// Thread: the core's own; not within the init of one of its children.
#ifndef FAIRLEAD_SUPERVISOR_H
#define FAIRLEAD_SUPERVISOR_H

#include "sched/base/bytes.h"
#include "sched/scheduler.h"

#define SUPERVISOR_NAME_SIZE 24 // with the 0 at its end
#define SUPERVISOR_CHILDREN_MAX 1024
#define SUPERVISOR_ARGUMENT_MAX 8192
#define SUPERVISOR_INTENSITY_MAX 4096
#define SUPERVISOR_DEPTH_MAX 16 // of a tree that is printed

enum supervisor_strategy {
    SUPERVISOR_ONE_FOR_ONE,  // the one that ended
    SUPERVISOR_REST_FOR_ONE, // it, and those behind it
    SUPERVISOR_ONE_FOR_ALL,
    SUPERVISOR_SIMPLE_ONE_FOR_ONE, // the actors of one kind
};

enum supervisor_restart {
    SUPERVISOR_PERMANENT, // started again whatever it ended with
    SUPERVISOR_TRANSIENT, // … when it ended abnormally (exit_is_abnormal)
    SUPERVISOR_TEMPORARY, // never; it is forgotten, also when a sibling's end ends it
};

#define SUPERVISOR_BRUTAL_KILL 0u      // of shutdown_ms: no time at all
#define SUPERVISOR_INFINITY UINT32_MAX // for supervisors: they have limits of their own
#define SUPERVISOR_SHUTDOWN_MS 5000u   // OTP's default for workers

struct supervisor_child_spec {
    const char *name; // of this supervisor's children; OTP: the id
    uint8_t kind;     // KIND_SUPERVISOR: argument is what supervisor_pack made
    enum supervisor_restart restart;
    uint32_t shutdown_ms;
    const void *argument; // init gets a copy, aligned to 8; NULL when argument_size is 0
    uint32_t argument_size;
};

struct supervisor_spec {
    const char *name; // for printouts
    enum supervisor_strategy strategy;
    uint32_t intensity; // restarts allowed …
    uint32_t period_ms; // … within this time, at least 1
    // simple_one_for_one: its kind, in place of children. Those are not started, they are spawned.
    uint8_t kind;
    enum supervisor_restart restart;
    uint32_t shutdown_ms;
    const struct supervisor_child_spec *children; // started in this order, ended in reverse
    uint32_t child_count;
};

// For logs and counters of the program; called within a supervisor's go.
enum supervisor_event {
    SUPERVISOR_CHILD_RESTARTED, // child: the new one's pid
    SUPERVISOR_START_FAILED,    // child: PID_NONE; it is tried again
    SUPERVISOR_CHILD_KILLED,    // did not end in time
    SUPERVISOR_GAVE_UP,         // intensity was passed; child: PID_NONE
};

struct supervisor_report {
    enum supervisor_event event;
    const char *supervisor; // names: until the call returns
    const char *child;
    uint64_t pid; // the supervisor's
    uint64_t child_pid;
    uint32_t reason;   // what the child before ended with
    uint32_t restarts; // of this supervisor, ever
};

struct supervisor_config {
    struct scheduler *scheduler;
    uint32_t supervisors_max;
    void (*report)(void *context, const struct supervisor_report *report); // may be NULL
    void *context;
};

// Registers KIND_SUPERVISOR on config->scheduler. `config` is borrowed for good. Returns 0, or
// -ENOMEM.
MUST_USE int supervisor_register(struct supervisor_config *config);

// A supervisor that is no one's child: the root of a tree. PID_NONE when it could not start: a
// child failed to (none is left then), or memory is out.
MUST_USE uint64_t supervisor_start(struct scheduler *scheduler, const struct supervisor_spec *spec);

// A spec with its children and their arguments as bytes: the argument of a child of
// KIND_SUPERVISOR, so that a tree is packed from its leaves up. False: it does not fit.
MUST_USE bool supervisor_pack(const struct supervisor_spec *spec, struct writer *w);

// Orders to one supervisor of this core. 0, or: -ESRCH it is gone; -EAGAIN it is ending or starting
// children, or itself; -EINVAL not of a simple_one_for_one (or, start_child, only of its own kind).
//
// A new child, the last in order, started at once. Also: -EEXIST the name is taken; -E2BIG it
// has SUPERVISOR_CHILDREN_MAX; -ENOMEM; -ECANCELED its init declined: it is not kept.
// simple_one_for_one: scheduler_spawn with the spec's argument.
MUST_USE int supervisor_start_child(struct scheduler *scheduler, uint64_t supervisor,
                                    const struct supervisor_child_spec *spec, uint64_t *pid);

// Ends a child in its own time; it is not started again, its spec stays (a temporary's goes).
// Also: -ENOENT. 0 when it had ended already.
MUST_USE int supervisor_terminate_child(struct scheduler *scheduler, uint64_t supervisor,
                                        const char *name);

// Starts one that has ended. Also: -ENOENT; -EEXIST it runs; -ECANCELED as above.
MUST_USE int supervisor_restart_child(struct scheduler *scheduler, uint64_t supervisor,
                                      const char *name, uint64_t *pid);

// Forgets one that has ended. Also: -ENOENT; -EBUSY it runs.
MUST_USE int supervisor_delete_child(struct scheduler *scheduler, uint64_t supervisor,
                                     const char *name);

struct supervisor_child_info {
    char name[SUPERVISOR_NAME_SIZE];
    uint64_t pid; // PID_NONE: it has ended
    uint8_t kind;
    enum supervisor_restart restart;
    bool is_ending;
    bool is_restarting; // ended, and to be started again
    uint32_t restarts;
};

// OTP's which_children, one by one in their order: call with *cursor 0 first; false at the end. The
// actors of a bound kind are not listed.
MUST_USE bool supervisor_child_next(const struct scheduler *scheduler, uint64_t supervisor,
                                    uint32_t *cursor, struct supervisor_child_info *info);

struct supervisor_info {
    char name[SUPERVISOR_NAME_SIZE];
    enum supervisor_strategy strategy;
    uint32_t intensity;
    uint32_t period_ms;
    uint32_t restarts; // ever
    bool is_ending;    // itself
    // OTP's count_children
    uint32_t specs;
    uint32_t active;
    uint32_t supervisors; // specs, whether active or not
    uint32_t workers;
    // simple_one_for_one: 0 otherwise
    uint8_t kind;
    enum supervisor_restart restart;
};

// False: there is no such supervisor (any more).
MUST_USE bool supervisor_info(const struct scheduler *scheduler, uint64_t supervisor,
                              struct supervisor_info *info);

// Asks for an ordered shutdown of the whole tree below a root, as its supervisor would: children in
// reverse order, then itself with EXIT_SHUTDOWN. Done when scheduler_lookup(root) is NULL.
void supervisor_shutdown(struct scheduler *scheduler, uint64_t root);

// The pid of a child by its name, PID_NONE when it has ended or there is none.
uint64_t supervisor_child_pid(const struct scheduler *scheduler, uint64_t supervisor,
                              const char *name);

// Every supervisor's children, ties and kinds agree. Between turns; tests and debug builds.
void supervisor_validate(const struct scheduler *scheduler);

#endif
