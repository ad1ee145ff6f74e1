// One core's actors: their slabs, mailboxes, run queue and timers, and the core's ends of the mesh.
// Pure: it knows no socket, no ring and no clock; the worker calls scheduler_turn once per turn and
// passes the time.
//
// Bounds: a turn delivers at most reductions_per_turn messages' worth of work (timers have a budget
// of their own), an actor at most ACTOR_REDUCTIONS of it before the next actor has its go; what is
// left goes to the next turn. Each go takes at least one message, also after a slice of long work
// that has used up the turn.
// Everything is owned by the core's thread.
#ifndef FAIRLEAD_SCHEDULER_H
#define FAIRLEAD_SCHEDULER_H

#include "sched/actor.h"
#include "sched/base/counters.h"
#include "sched/mesh.h"
#include "sched/recorder.h"
#include "sched/trace.h"
#include "sched/timer_wheel.h"

#define ACTOR_REDUCTIONS 64

// What a message needs stands in the first cache line.
#define SCHEDULER_NOT_NEAR 0xff // no core's number

struct scheduler_kind {
    _Alignas(64) struct slab slab; // of no slots while nothing is registered
    const struct behaviour *behaviour;
    void *context;
    struct timer_wheel timers;
    uint32_t *relations;    // by actor: newest record + 1, 0: none (sched/relation.h)
    uint32_t *timed;        // by actor: newest timed message + 1, 0: none (sched/timed.h)
    uint64_t supervisor;    // of all actors of this kind (OTP: simple_one_for_one), PID_NONE: none
    uint8_t tells_normal;   // true exactly when it is told of every end (permanent children)
    uint8_t tells_abnormal; // … of abnormal ends (transient children)
};

_Static_assert(offsetof(struct scheduler_kind, timers) == 64, "one cache line");

struct scheduler_backlog {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

struct scheduler {
    uint8_t core;       // its endpoint in the mesh
    uint8_t near_core;  // the same, or SCHEDULER_NOT_NEAR: each send is to be looked at
    uint32_t cells_max; // for mail; the slab has as many more as there may be ties
    struct mesh *mesh;
    struct memory_ledger *ledger;
    struct counters *counters;
    struct blocks *blocks;
    uint64_t now_ns;
    struct slab cells;
    struct slab relations;
    struct slab timed;
    struct timer_wheel timed_wheel;
    uint64_t unlink_id;             // the latest given out
    struct move_translation *moved; // by former pid (sched/move.h)
    uint32_t moved_count;
    uint32_t moving_count; // actors of this core that wait to move, or are on the way from it
    uint32_t starting;     // the actor whose init runs: kind 4 | index 28, SLAB_NONE: none
    uint32_t run_head;     // kind 4 | index 28, SLAB_NONE when empty
    uint32_t run_tail;
    uint32_t run_count; // ready actors, with those that ended while they were
    uint32_t reductions_per_turn;
    uint32_t reductions_left;
    uint32_t backlog_count; // cells in all backlogs
    uint64_t backlog_set;   // endpoints with a backlog
    bool is_holding;        // true exactly when `held` waits for a place
    struct message held;
    struct scheduler_kind kinds[ACTOR_KINDS_MAX];
    struct scheduler_backlog backlogs[MESH_ENDPOINTS_MAX];
    struct recorder recorder; // off until its owner calls recorder_init
    struct trace trace;       // likewise
};

struct scheduler_config {
    uint8_t core;
    uint32_t message_cells_max;   // relations_max more are kept for what ties lead to
    uint32_t reductions_per_turn; // 0: the default of 4,096
    uint32_t relations_max;       // records of links and monitors; 0: 1 Mi (32 B each, on touch)
    uint32_t timed_max;           // timed messages armed; 0: 1 Mi (104 B each, on touch)
};

// Returns 0, or -ENOMEM. `mesh` may be NULL for a single core. All pointers are borrowed for good.
MUST_USE int scheduler_init(struct scheduler *scheduler, const struct scheduler_config *config,
                            struct mesh *mesh, struct memory_ledger *ledger, struct blocks *blocks,
                            struct counters *counters, uint64_t now_ns);

// A kind of actor with room for slots_max of them. Returns 0, or -ENOMEM.
MUST_USE int scheduler_register(struct scheduler *scheduler, const struct behaviour *behaviour,
                                void *context, uint32_t slots_max);

// A new actor: its pid, or PID_NONE when the slab is full or init declined.
MUST_USE uint64_t scheduler_spawn(struct scheduler *scheduler, uint8_t kind, const void *argument);

// Ends an actor at once: terminate runs, all it is tied to is told, its mailbox is emptied, its
// slot released (later in this turn or in the next when the actor is in the run queue). From its
// own handle: return right after, the state is gone. Within its init: the spawn fails, terminate
// does not run. Within its terminate: ignored, counted. After an exit signal: with the signal's
// reason. signal_exit (sched/signal.h) is the same for actors of any core, at their next go.
void scheduler_exit(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                    enum exit_reason reason);

// A control message: copied to its target's mailbox, here or through the mesh, or kept in order
// until the mesh has room. For messages whose number is bounded by what exists; a dead target
// counts, and is no error.
void scheduler_send(struct scheduler *scheduler, const struct message *message);

// A message that peers can make many of. False: the mailbox holds mailbox_max, the mesh ring is
// full to 7/8 or cells are short (counted); nothing was sent, the sender's policy decides.
MUST_USE bool scheduler_try_send(struct scheduler *scheduler, const struct message *message);

// The running actor gets MESSAGE_CONTINUE later in this turn or in the next: long work goes in
// slices.
void scheduler_continue(struct scheduler *scheduler, uint8_t kind, uint32_t index);

// A paused actor keeps its mail and has no go, timers excepted, until it is resumed: back-pressure
// from behind.
void scheduler_pause(struct scheduler *scheduler, uint8_t kind, uint32_t index);
void scheduler_resume(struct scheduler *scheduler, uint8_t kind, uint32_t index);

// Work beyond one reduction per message, so that a turn stays short.
void scheduler_consume(struct scheduler *scheduler, uint32_t reductions);

// Mail from other cores, timers, ready actors, each within its budget. Returns true when work is
// left; mail that is left in the mesh shows in mesh_sleep_begin alone.
bool scheduler_turn(struct scheduler *scheduler, uint64_t now_ns);

// How long the worker may wait: 0 when actors are ready, UINT64_MAX when nothing is armed.
uint64_t scheduler_wait_ns(const struct scheduler *scheduler, uint64_t now_ns);

// Makes this turn's messages to other cores visible: the set of sleeping endpoints to wake.
uint64_t scheduler_publish(struct scheduler *scheduler);

void scheduler_arm(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint64_t deadline_ns);
void scheduler_disarm(struct scheduler *scheduler, uint8_t kind, uint32_t index);

// No actor is ready and nothing waits to be sent or taken in: only mail, timers or the caller can
// make it busy again. Between scheduler_turn and scheduler_publish.
bool scheduler_is_quiet(const struct scheduler *scheduler);

// After trace.running or moved_count changed: sends go the way that looks while a traced actor has
// its go, or some actor has moved.
static inline void scheduler_look_near(struct scheduler *scheduler) {
    bool looks = scheduler->trace.running != PID_NONE || scheduler->moved_count > 0;
    scheduler->near_core = looks ? SCHEDULER_NOT_NEAR : scheduler->core;
}

static inline struct actor *scheduler_run_actor(const struct scheduler *scheduler,
                                                uint32_t run_id) {
    return (struct actor *)slab_at(&scheduler->kinds[run_id >> ACTOR_INDEX_BITS].slab,
                                   run_id & ((1u << ACTOR_INDEX_BITS) - 1));
}

// The actor's state, or NULL when it is gone or lives on another core.
static inline void *scheduler_lookup(const struct scheduler *scheduler, uint64_t pid) {
    if (UNLIKELY(pid_core(pid) != scheduler->core))
        return NULL;
    const struct slab *slab = &scheduler->kinds[pid_kind(pid)].slab;
    void *state = slab_lookup(slab, pid_slot(pid));
    if (UNLIKELY(!state) && pid_slot(pid).generation == SLAB_GENERATION_MASK &&
        slab->slots_max == 1 && slab_is_used(slab, 0))
        return slab_at(slab, 0); // pid_service
    return state;
}

static inline uint64_t scheduler_pid(const struct scheduler *scheduler, uint8_t kind,
                                     uint32_t index) {
    return pid_of(scheduler->core, kind, slab_handle(&scheduler->kinds[kind].slab, index));
}

// Marks an actor to end with `reason` at its next go; its mail is discarded now. The first reason
// stands. For sched/signal.c and for callers deep inside something else.
void scheduler_doom(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint32_t reason);

// For sched/move.c: to a target's new core by way of this one, its former; an end without
// terminate; into the run queue for a departure; back into the run queue where there is reason.
void scheduler_forward(struct scheduler *scheduler, const struct message *message);
void scheduler_forget(struct scheduler *scheduler, uint8_t kind, uint32_t index, uint32_t reason);
void scheduler_enqueue_move(struct scheduler *scheduler, uint8_t kind, uint32_t index);
void scheduler_resume_moved(struct scheduler *scheduler, uint8_t kind, uint32_t index);

struct actor_info {
    uint64_t pid;
    const char *behaviour;
    uint8_t version;
    uint32_t mailbox_count;
    uint32_t link_count;
    uint32_t monitor_count;   // whom it watches, calls under way included
    uint32_t monitored_count; // who watches it
    uint32_t timed_count;
    uint64_t supervisor; // PID_NONE: none
    bool is_ready;       // in the run queue
    bool is_paused;
    bool is_doomed;
    bool is_moving;
    bool is_traced;
};

// OTP's process_info of an actor of this core: false when it is gone.
MUST_USE bool scheduler_actor_info(const struct scheduler *scheduler, uint64_t pid,
                                   struct actor_info *info);

// A new version of a kind's behaviour takes the place of the old at once, between turns or from
// another kind's handler: each actor's state is made anew by its upgrade function, in place, in one
// go (some 10 ns an actor). 0; -EINVAL: not the next version, another kind, or a slot of another
// size or timer. LIMITATION: a bigger state needs room that the first version kept free.
MUST_USE int scheduler_upgrade(struct scheduler *scheduler, const struct behaviour *behaviour);

// Slabs, run queue, mailboxes, timers and flags agree. Between turns; tests and debug builds.
void scheduler_validate(const struct scheduler *scheduler);

#endif
