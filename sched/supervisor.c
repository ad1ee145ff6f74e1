// A supervisor with named children:
//   running --a child's end (on_child_exit)--> decide --not to be started again--> running
//   decide --restart--> ending --the group has ended (advance)--> starting --next go
//   (start_group)--> running; a start that fails is a death of that child, decided anew any of them
//   --its supervisor's word, or one restart too many (close)--> closing --all have ended--> ended
// One of a bound kind (supervisor_kind.c): running --close--> sweeping --all are gone--> ended.
//
// Between ending and starting lies a go, so that everything that ended before has left the run
// queue: slots of kinds with one slot are free again.
#include "sched/supervisor_state.h"

#include <errno.h>

#include "sched/base/clock.h"
#include "sched/payload.h"
#include "sched/signal.h"
#include "sched/timed.h"

#define CHILDREN_FIRST 4

static struct supervisor_child *child_at(const struct supervisor_go *go, uint32_t at) {
    return supervisor_child_at(go->scheduler, go->state, at);
}

// --- the table of children -----------------------------------------------------------------------

static bool reserve(struct supervisor_go *go) {
    struct supervisor *state = go->state;
    struct blocks *blocks = go->scheduler->blocks;
    if (state->child_count < state->child_capacity)
        return true;
    uint32_t capacity = state->child_capacity ? state->child_capacity * 2 : CHILDREN_FIRST;
    uint32_t block = blocks_acquire(blocks, capacity * sizeof(struct supervisor_child));
    if (block == BLOCK_NONE)
        return false;
    if (state->child_capacity > 0) {
        memcpy(blocks_at(blocks, block), child_at(go, 0),
               state->child_count * sizeof(struct supervisor_child));
        blocks_release(blocks, state->children);
    }
    state->children = block;
    state->child_capacity = capacity;
    return true;
}

int supervisor_append(struct supervisor_go *go, const struct supervisor_child_spec *spec) {
    struct blocks *blocks = go->scheduler->blocks;
    CHECKF(go->scheduler->kinds[spec->kind].behaviour, "supervisor %s: child %s of no kind",
           go->state->name, spec->name);
    if (go->state->child_count == SUPERVISOR_CHILDREN_MAX)
        return -E2BIG;
    if (!reserve(go))
        return -ENOMEM;
    uint32_t argument = BLOCK_NONE;
    if (spec->argument_size > 0) {
        argument = blocks_acquire(blocks, spec->argument_size);
        if (argument == BLOCK_NONE)
            return -ENOMEM;
        memcpy(blocks_at(blocks, argument), spec->argument, spec->argument_size);
    }
    struct supervisor_child *child = child_at(go, go->state->child_count++);
    *child = (struct supervisor_child){.argument = argument,
                                       .argument_size = spec->argument_size,
                                       .shutdown_ms = spec->shutdown_ms,
                                       .kind = spec->kind,
                                       .restart = (uint8_t)spec->restart};
    memcpy(child->name, spec->name, strlen(spec->name) + 1);
    return 0;
}

// Places behind it move up: what a tie says of them is a hint (find).
void supervisor_remove(struct supervisor_go *go, uint32_t at) {
    struct supervisor_child *child = child_at(go, at);
    CHECKF(child->pid == PID_NONE, "supervisor %s forgets %s, which runs", go->state->name,
           child->name);
    if (child->argument != BLOCK_NONE)
        blocks_release(go->scheduler->blocks, child->argument);
    go->state->child_count--;
    memmove(child, child + 1, (go->state->child_count - at) * sizeof(*child));
}

// The child's place, SLAB_NONE: it is none (any more).
static uint32_t find(const struct supervisor_go *go, uint64_t pid, uint64_t hint) {
    if (pid == PID_NONE)
        return SLAB_NONE;
    if (hint < go->state->child_count && child_at(go, (uint32_t)hint)->pid == pid)
        return (uint32_t)hint;
    for (uint32_t at = 0; at < go->state->child_count; at++)
        if (child_at(go, at)->pid == pid)
            return at;
    return SLAB_NONE;
}

// --- starting and ending one ---------------------------------------------------------------------

void supervisor_tell(struct supervisor_go *go, const struct supervisor_report *report) {
    if (!go->config->report)
        return;
    struct supervisor_report told = *report;
    told.supervisor = go->state->name;
    told.pid = supervisor_self(go);
    told.restarts = go->state->restarts;
    go->config->report(go->config->context, &told);
}

bool supervisor_is_slot_coming(const struct scheduler *scheduler, uint8_t kind) {
    const struct slab *slab = &scheduler->kinds[kind].slab;
    return slab->free_head == SLAB_NONE && slab->touched_count == slab->slots_max &&
           slab->retired_count > 0;
}

int supervisor_start_at(struct supervisor_go *go, uint32_t at) {
    struct scheduler *scheduler = go->scheduler;
    const struct supervisor_child *spec = child_at(go, at);
    uint8_t kind = spec->kind;
    const void *argument =
        spec->argument == BLOCK_NONE ? NULL : blocks_at(scheduler->blocks, spec->argument);
    CHECKF(scheduler->kinds[kind].supervisor == PID_NONE,
           "supervisor %s: child %s is of a kind that has a supervisor", go->state->name,
           spec->name);
    go->state->is_starting = true;
    uint64_t pid = scheduler_spawn(scheduler, kind, argument);
    go->state->is_starting = false;
    if (pid == PID_NONE)
        return -ECANCELED;
    uint32_t index = pid_slot(pid).index;
    struct relation *tie =
        relation_add(scheduler, kind, index, RELATION_CHILD, supervisor_self(go));
    if (!tie) {
        scheduler_exit(scheduler, kind, index, EXIT_SYSTEM_LIMIT);
        return -ENOMEM;
    }
    tie->word = at;
    struct supervisor_child *child = child_at(go, at);
    child->pid = pid;
    child->state = CHILD_RUNNING;
    child->is_asked = false;
    return 0;
}

static void kill_child(struct supervisor_go *go, const struct supervisor_child *child) {
    signal_exit(go->scheduler, supervisor_self(go), child->pid, EXIT_KILLED);
}

static void kill_late(struct supervisor_go *go, const struct supervisor_child *child) {
    counter_add(go->scheduler->counters, COUNTER_SUPERVISOR_KILLS, 1);
    supervisor_tell(go, &(struct supervisor_report){.event = SUPERVISOR_CHILD_KILLED,
                                                    .child = child->name,
                                                    .child_pid = child->pid,
                                                    .reason = EXIT_KILLED});
    kill_child(go, child);
}

void supervisor_end_at(struct supervisor_go *go, uint32_t at) {
    struct supervisor_child *child = child_at(go, at);
    child->state = CHILD_ENDING;
    if (child->shutdown_ms == SUPERVISOR_BRUTAL_KILL) {
        kill_child(go, child);
        return;
    }
    uint64_t self = supervisor_self(go);
    signal_exit(go->scheduler, self, child->pid, EXIT_SHUTDOWN);
    if (child->shutdown_ms == SUPERVISOR_INFINITY)
        return;
    const struct message late = {.target = self,
                                 .type = MESSAGE_SUPERVISOR,
                                 .flags = ORDER_CHILD_KILL,
                                 .words = {child->pid}};
    child->timer = timed_send_after(go->scheduler, &late, child->shutdown_ms * NS_PER_MS, 0);
    if (child->timer == 0) // nobody would remind us
        kill_late(go, child);
}

// It is gone; what becomes of it is decided by advance.
static void note_death(struct supervisor_go *go, uint32_t at, uint32_t reason) {
    struct supervisor_child *child = child_at(go, at);
    uint64_t remaining_ns;
    if (child->timer)
        timed_cancel(go->scheduler, supervisor_self(go), child->timer, &remaining_ns);
    child->timer = 0;
    child->pid = PID_NONE;
    child->state = CHILD_DEAD;
    child->reason = reason;
    child->death = ++go->state->deaths;
}

// --- restarts ------------------------------------------------------------------------------------

// OTP: more than `intensity` within the period, the present one included. So the restart as many
// before is what counts, and the ring holds no more.
bool supervisor_count_restart(struct supervisor_go *go) {
    struct supervisor *state = go->state;
    uint64_t now_ns = go->scheduler->now_ns;
    state->restarts++;
    if (state->intensity == 0)
        return false;
    uint64_t *times = blocks_at(go->scheduler->blocks, state->times);
    uint64_t then_ns = times[state->times_next]; // 0: there were not as many
    times[state->times_next] = now_ns > 0 ? now_ns : 1;
    state->times_next = (state->times_next + 1) % state->intensity;
    return then_ns == 0 || now_ns - then_ns > state->period_ms * NS_PER_MS;
}

static void close_down(struct supervisor_go *go, uint32_t reason) {
    if (go->state->phase == PHASE_CLOSING || go->state->phase == PHASE_SWEEPING)
        return;
    if (go->state->phase != PHASE_RUNNING)
        counter_add(go->scheduler->counters, COUNTER_SUPERVISOR_ABANDONED, 1);
    go->state->phase = PHASE_CLOSING;
    go->state->reason = reason;
}

void supervisor_give_up(struct supervisor_go *go) {
    counter_add(go->scheduler->counters, COUNTER_SUPERVISOR_GIVE_UPS, 1);
    supervisor_tell(go, &(struct supervisor_report){
                            .event = SUPERVISOR_GAVE_UP, .child = "", .reason = EXIT_SHUTDOWN});
    close_down(go, EXIT_SHUTDOWN);
}

static uint32_t oldest_death(const struct supervisor_go *go) {
    uint32_t oldest = SLAB_NONE;
    for (uint32_t at = 0; at < go->state->child_count; at++) {
        const struct supervisor_child *child = child_at(go, at);
        // Counted in 32 bits, over and over: what is older is so by less than half of them.
        if (child->state == CHILD_DEAD &&
            (oldest == SLAB_NONE || (int32_t)(child->death - child_at(go, oldest)->death) < 0))
            oldest = at;
    }
    return oldest;
}

static bool is_restarted(const struct supervisor_child *child) {
    if (child->is_asked)
        return false;
    switch ((enum supervisor_restart)child->restart) {
    case SUPERVISOR_PERMANENT:
        return true;
    case SUPERVISOR_TRANSIENT:
        return exit_is_abnormal(child->reason);
    case SUPERVISOR_TEMPORARY:
        return false;
    }
    UNREACHABLE();
}

// A child has ended by itself, or as it was asked to, or has failed to start.
static void decide(struct supervisor_go *go, uint32_t at) {
    struct supervisor *state = go->state;
    struct supervisor_child *child = child_at(go, at);
    if (!is_restarted(child)) {
        child->state = CHILD_STOPPED;
        if (child->restart == SUPERVISOR_TEMPORARY)
            supervisor_remove(go, at);
        return;
    }
    if (!supervisor_count_restart(go)) {
        supervisor_give_up(go);
        return;
    }
    state->first = state->strategy == SUPERVISOR_ONE_FOR_ALL ? 0 : at;
    state->phase = PHASE_ENDING;
}

// One past the last of those that a restart concerns.
static uint32_t group_end(const struct supervisor *state) {
    return state->strategy == SUPERVISOR_ONE_FOR_ONE ? state->first + 1 : state->child_count;
}

// Ends children from the last to the first, one after the other. True: none is left.
static bool end_group(struct supervisor_go *go, uint32_t first, uint32_t end) {
    for (uint32_t at = end; at > first; at--) {
        enum child_state child_state = (enum child_state)child_at(go, at - 1)->state;
        if (child_state == CHILD_RUNNING)
            supervisor_end_at(go, at - 1);
        if (child_state == CHILD_RUNNING || child_state == CHILD_ENDING)
            return false;
    }
    return true;
}

// All of the group have ended: what their ends were does not matter any more.
static void settle_group(struct supervisor_go *go) {
    for (uint32_t at = group_end(go->state); at > go->state->first; at--) {
        child_at(go, at - 1)->state = CHILD_STOPPED;
        if (child_at(go, at - 1)->restart == SUPERVISOR_TEMPORARY)
            supervisor_remove(go, at - 1);
    }
}

static void note_restarted(struct supervisor_go *go, uint32_t at) {
    struct supervisor_child *child = child_at(go, at);
    child->restarts++;
    counter_add(go->scheduler->counters, COUNTER_SUPERVISOR_RESTARTS, 1);
    supervisor_tell(go, &(struct supervisor_report){.event = SUPERVISOR_CHILD_RESTARTED,
                                                    .child = child->name,
                                                    .child_pid = child->pid,
                                                    .reason = child->reason});
}

static void note_start_failed(struct supervisor_go *go, uint32_t at) {
    counter_add(go->scheduler->counters, COUNTER_SUPERVISOR_START_FAILED, 1);
    supervisor_tell(go, &(struct supervisor_report){.event = SUPERVISOR_START_FAILED,
                                                    .child = child_at(go, at)->name,
                                                    .reason = EXIT_FAILED});
    note_death(go, at, EXIT_FAILED);
    child_at(go, at)->is_asked = false;
}

// OTP: a child that fails to start is tried again, those behind it wait for that.
static void start_group(struct supervisor_go *go) {
    struct supervisor *state = go->state;
    for (uint32_t at = state->first; at < group_end(state); at++) {
        if (supervisor_is_slot_coming(go->scheduler, child_at(go, at)->kind)) {
            if (state->strategy != SUPERVISOR_ONE_FOR_ONE)
                state->first = at;
            scheduler_continue(go->scheduler, KIND_SUPERVISOR, go->index);
            return;
        }
        if (supervisor_start_at(go, at) < 0) {
            note_start_failed(go, at);
            break;
        }
        note_restarted(go, at);
    }
    state->phase = PHASE_RUNNING;
}

// As far as it gets without waiting. The supervisor may be gone afterwards.
static void advance(struct supervisor_go *go) {
    struct supervisor *state = go->state;
    uint32_t at;
    for (;;) {
        switch ((enum supervisor_phase)state->phase) {
        case PHASE_RUNNING:
            at = oldest_death(go);
            if (at == SLAB_NONE)
                return;
            decide(go, at);
            break;
        case PHASE_ENDING:
            if (!end_group(go, state->first, group_end(state)))
                return;
            settle_group(go);
            state->phase = PHASE_STARTING;
            scheduler_continue(go->scheduler, KIND_SUPERVISOR, go->index);
            return;
        case PHASE_CLOSING:
            if (!end_group(go, 0, state->child_count))
                return;
            if (supervisor_is_simple(state))
                supervisor_kind_sweep_begin(go);
            else
                scheduler_exit(go->scheduler, KIND_SUPERVISOR, go->index,
                               (enum exit_reason)state->reason);
            return;
        case PHASE_STARTING:
        case PHASE_SWEEPING:
            return;
        }
    }
}

// --- the actor -----------------------------------------------------------------------------------

static void end_all_at_once(struct supervisor_go *go, enum exit_reason reason) {
    struct scheduler *scheduler = go->scheduler;
    for (uint32_t at = go->state->child_count; at > 0; at--) {
        const struct supervisor_child *child = child_at(go, at - 1);
        if (child->pid == PID_NONE || !scheduler_lookup(scheduler, child->pid))
            continue;
        uint32_t index = pid_slot(child->pid).index;
        struct relation *tie =
            relation_find(scheduler, child->kind, index, RELATION_CHILD, supervisor_self(go));
        if (tie)
            relation_remove(scheduler, tie);
        // A supervisor among them does the same: as deep as the tree.
        scheduler_exit(scheduler, child->kind, index, reason);
    }
}

static void release(struct supervisor_go *go) {
    struct supervisor *state = go->state;
    struct blocks *blocks = go->scheduler->blocks;
    for (uint32_t at = 0; at < state->child_count; at++)
        if (child_at(go, at)->argument != BLOCK_NONE)
            blocks_release(blocks, child_at(go, at)->argument);
    if (state->child_capacity > 0)
        blocks_release(blocks, state->children);
    if (state->times != BLOCK_NONE)
        blocks_release(blocks, state->times);
}

static int start_all(struct supervisor_go *go, const struct supervisor_packed *packed) {
    uint32_t position = 0;
    for (uint32_t at = 0; at < packed->child_count; at++) {
        struct supervisor_child_spec spec;
        supervisor_packed_next(packed, &position, &spec);
        int result = supervisor_append(go, &spec);
        if (result == 0)
            result = supervisor_start_at(go, at);
        if (result < 0)
            return result;
    }
    // Somebody may have asked it to go already: its terminate will not run then.
    return go->state->actor.slab_word & ACTOR_DOOMED ? -ECANCELED : 0;
}

static int on_init(void *context, void *data, uint32_t index, const void *argument) {
    const struct supervisor_config *config = context;
    const struct supervisor_packed *packed = argument;
    struct supervisor *state = data;
    struct supervisor_go go = {config, config->scheduler, state, index};
    state->strategy = packed->strategy;
    state->intensity = packed->intensity;
    state->period_ms = packed->period_ms;
    state->kind = packed->kind;
    state->restart = packed->restart;
    state->shutdown_ms = packed->shutdown_ms;
    state->children = state->times = BLOCK_NONE;
    memcpy(state->name, packed->name, sizeof(state->name));
    if (state->intensity > 0) {
        size_t size = state->intensity * sizeof(uint64_t);
        state->times = blocks_acquire(go.scheduler->blocks, size);
        if (state->times == BLOCK_NONE)
            return -ENOMEM;
        memset(blocks_at(go.scheduler->blocks, state->times), 0, size);
    }
    int result = start_all(&go, packed);
    if (result < 0) {
        end_all_at_once(&go, EXIT_SHUTDOWN);
        release(&go);
    } else if (supervisor_is_simple(state)) {
        supervisor_kind_bind(&go);
    }
    return result;
}

// Children are left when it was killed, or when the start of a tree that it is in failed.
static void on_terminate(void *context, void *data, uint32_t index, enum exit_reason reason) {
    reason = reason == EXIT_SHUTDOWN ? EXIT_SHUTDOWN : EXIT_KILLED;
    const struct supervisor_config *config = context;
    struct supervisor_go go = {config, config->scheduler, data, index};
    end_all_at_once(&go, reason);
    if (supervisor_is_simple(go.state))
        supervisor_kind_unbind(&go, reason);
    release(&go);
}

static void on_child_exit(struct supervisor_go *go, const struct message *message) {
    uint32_t at = find(go, message->sender, message->words[1]);
    if (at == SLAB_NONE) {
        counter_add(go->scheduler->counters, COUNTER_SUPERVISOR_STALE, 1);
        if (message->words[0] != PAYLOAD_NONE)
            payload_unref(go->scheduler, message->words[0]);
        return;
    }
    note_death(go, at, message->small);
    advance(go);
}

// Only its own supervisor's word counts (the root's: nobody's); OTP's ignores other exits too.
static void on_exit(struct supervisor_go *go, const struct message *message) {
    uint64_t parent = PID_NONE;
    for (const struct relation *tie = relation_first(go->scheduler, KIND_SUPERVISOR, go->index);
         tie; tie = relation_next(go->scheduler, tie))
        if (relation_kind(tie) == RELATION_CHILD)
            parent = tie->other;
    if (message->sender != parent)
        return;
    close_down(go, message->small);
    advance(go);
}

static void on_order(struct supervisor_go *go, const struct message *message) {
    uint32_t at;
    switch ((enum supervisor_order)message->flags) {
    case ORDER_CHILD_KILL:
        at = find(go, message->words[0], SLAB_NONE);
        if (at == SLAB_NONE || child_at(go, at)->state != CHILD_ENDING)
            return;
        child_at(go, at)->timer = 0;
        kill_late(go, child_at(go, at));
        return;
    case ORDER_SWEEP:
        supervisor_kind_sweep_again(go, false);
        return;
    case ORDER_SWEEP_KILL:
        supervisor_kind_sweep_again(go, true);
        return;
    case ORDER_RETRY:
        supervisor_kind_on_retry(go, message);
        advance(go);
        return;
    }
    UNREACHABLE();
}

static void on_continue(struct supervisor_go *go) {
    if (go->state->phase == PHASE_STARTING) {
        start_group(go);
        advance(go);
    } else if (go->state->phase == PHASE_SWEEPING) {
        supervisor_kind_sweep(go);
    }
}

static void on_message(void *context, void *data, uint32_t index, const struct message *message) {
    const struct supervisor_config *config = context;
    struct supervisor_go go = {config, config->scheduler, data, index};
    switch (message->type) {
    case MESSAGE_CONTINUE:
        on_continue(&go);
        return;
    case MESSAGE_CHILD_EXIT:
        if (supervisor_is_simple(go.state)) {
            supervisor_kind_on_exit(&go, message);
            advance(&go);
        } else {
            on_child_exit(&go, message);
        }
        return;
    case MESSAGE_EXIT:
        on_exit(&go, message);
        return;
    case MESSAGE_SUPERVISOR:
        on_order(&go, message);
        return;
    default:
        return; // OTP: logged as unexpected; nobody has a reason to write to it
    }
}

static void on_discard(void *context, const struct message *message) {
    const struct supervisor_config *config = context;
    bool has_payload = message->type == MESSAGE_CHILD_EXIT ||
                       (message->type == MESSAGE_SUPERVISOR && message->flags == ORDER_RETRY);
    if (has_payload && message->words[0] != PAYLOAD_NONE)
        payload_unref(config->scheduler, message->words[0]);
}

static const struct behaviour supervisor_behaviour = {
    .name = "supervisors",
    .kind = KIND_SUPERVISOR,
    .version = 1,
    .mailbox_max = 1024,
    .traps_exit = true,
    .slot_size = sizeof(struct supervisor),
    .init = on_init,
    .handle = on_message,
    .terminate = on_terminate,
    .discard = on_discard,
};

int supervisor_register(struct supervisor_config *config) {
    return scheduler_register(config->scheduler, &supervisor_behaviour, config,
                              config->supervisors_max);
}

uint64_t supervisor_start(struct scheduler *scheduler, const struct supervisor_spec *spec) {
    _Alignas(8) uint8_t packed[SUPERVISOR_ARGUMENT_MAX];
    struct writer w = writer_on(packed, sizeof(packed));
    if (!supervisor_pack(spec, &w))
        return PID_NONE;
    return scheduler_spawn(scheduler, KIND_SUPERVISOR, packed);
}

void supervisor_shutdown(struct scheduler *scheduler, uint64_t root) {
    signal_exit(scheduler, PID_NONE, root, EXIT_SHUTDOWN);
}
