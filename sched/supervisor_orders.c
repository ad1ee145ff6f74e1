// What others ask of a supervisor: orders, each one step, and views of what it has.
#include "sched/supervisor_state.h"

#include <errno.h>

static struct supervisor *lookup(const struct scheduler *scheduler, uint64_t pid) {
    if (pid_kind(pid) != KIND_SUPERVISOR || !scheduler->kinds[KIND_SUPERVISOR].behaviour)
        return NULL;
    struct supervisor *state = scheduler_lookup(scheduler, pid);
    return state && !(state->actor.slab_word & ACTOR_DOOMED) ? state : NULL;
}

// 0, or why it takes no order now.
static int begin(struct scheduler *scheduler, uint64_t pid, struct supervisor_go *go) {
    struct supervisor *state = lookup(scheduler, pid);
    if (!state)
        return -ESRCH;
    *go = (struct supervisor_go){scheduler->kinds[KIND_SUPERVISOR].context, scheduler, state,
                                 pid_slot(pid).index};
    return state->phase != PHASE_RUNNING || state->is_starting ? -EAGAIN : 0;
}

static uint32_t find(const struct scheduler *scheduler, const struct supervisor *state,
                     const char *name) {
    for (uint32_t at = 0; at < state->child_count; at++)
        if (strcmp(supervisor_child_at(scheduler, state, at)->name, name) == 0)
            return at;
    return SLAB_NONE;
}

// The same, and the child's place.
static int begin_child(struct scheduler *scheduler, uint64_t pid, const char *name,
                       struct supervisor_go *go, uint32_t *at) {
    int result = begin(scheduler, pid, go);
    if (result < 0)
        return result;
    if (supervisor_is_simple(go->state))
        return -EINVAL;
    *at = find(scheduler, go->state, name);
    return *at == SLAB_NONE ? -ENOENT : 0;
}

static int start_simple(struct supervisor_go *go, const struct supervisor_child_spec *spec,
                        uint64_t *pid) {
    if (spec->kind != go->state->kind)
        return -EINVAL;
    *pid = scheduler_spawn(go->scheduler, spec->kind, spec->argument);
    return *pid == PID_NONE ? -ECANCELED : 0;
}

int supervisor_start_child(struct scheduler *scheduler, uint64_t supervisor,
                           const struct supervisor_child_spec *spec, uint64_t *pid) {
    struct supervisor_go go;
    int result = begin(scheduler, supervisor, &go);
    if (result < 0)
        return result;
    if (supervisor_is_simple(go.state))
        return start_simple(&go, spec, pid);
    if (find(scheduler, go.state, spec->name) != SLAB_NONE)
        return -EEXIST;
    result = supervisor_append(&go, spec);
    if (result < 0)
        return result;
    uint32_t at = go.state->child_count - 1;
    result = supervisor_start_at(&go, at);
    if (result < 0)
        supervisor_remove(&go, at);
    else
        *pid = supervisor_child_at(scheduler, go.state, at)->pid;
    return result;
}

int supervisor_terminate_child(struct scheduler *scheduler, uint64_t supervisor, const char *name) {
    struct supervisor_go go;
    uint32_t at;
    int result = begin_child(scheduler, supervisor, name, &go, &at);
    if (result < 0)
        return result;
    struct supervisor_child *child = supervisor_child_at(scheduler, go.state, at);
    if (child->state == CHILD_RUNNING) {
        child->is_asked = true;
        supervisor_end_at(&go, at);
    }
    return 0;
}

int supervisor_restart_child(struct scheduler *scheduler, uint64_t supervisor, const char *name,
                             uint64_t *pid) {
    struct supervisor_go go;
    uint32_t at;
    int result = begin_child(scheduler, supervisor, name, &go, &at);
    if (result < 0)
        return result;
    if (supervisor_child_at(scheduler, go.state, at)->state != CHILD_STOPPED)
        return -EEXIST;
    result = supervisor_start_at(&go, at);
    if (result == 0)
        *pid = supervisor_child_at(scheduler, go.state, at)->pid;
    return result;
}

int supervisor_delete_child(struct scheduler *scheduler, uint64_t supervisor, const char *name) {
    struct supervisor_go go;
    uint32_t at;
    int result = begin_child(scheduler, supervisor, name, &go, &at);
    if (result < 0)
        return result;
    if (supervisor_child_at(scheduler, go.state, at)->state != CHILD_STOPPED)
        return -EBUSY;
    supervisor_remove(&go, at);
    return 0;
}

// --- views ---------------------------------------------------------------------------------------

bool supervisor_child_next(const struct scheduler *scheduler, uint64_t supervisor, uint32_t *cursor,
                           struct supervisor_child_info *info) {
    const struct supervisor *state = lookup(scheduler, supervisor);
    if (!state || *cursor >= state->child_count)
        return false;
    const struct supervisor_child *child = supervisor_child_at(scheduler, state, (*cursor)++);
    bool is_closing = state->phase == PHASE_CLOSING;
    *info = (struct supervisor_child_info){
        .pid = child->pid,
        .kind = child->kind,
        .restart = (enum supervisor_restart)child->restart,
        .is_ending = child->state == CHILD_ENDING,
        .is_restarting = child->state == CHILD_DEAD && !is_closing,
        .restarts = child->restarts,
    };
    memcpy(info->name, child->name, sizeof(info->name));
    return true;
}

bool supervisor_info(const struct scheduler *scheduler, uint64_t supervisor,
                     struct supervisor_info *info) {
    const struct supervisor *state = lookup(scheduler, supervisor);
    if (!state)
        return false;
    *info = (struct supervisor_info){
        .strategy = (enum supervisor_strategy)state->strategy,
        .intensity = state->intensity,
        .period_ms = state->period_ms,
        .restarts = state->restarts,
        .is_ending = state->phase == PHASE_CLOSING || state->phase == PHASE_SWEEPING,
        .specs = state->child_count,
        .kind = state->kind,
        .restart = (enum supervisor_restart)state->restart,
    };
    memcpy(info->name, state->name, sizeof(info->name));
    for (uint32_t at = 0; at < state->child_count; at++) {
        const struct supervisor_child *child = supervisor_child_at(scheduler, state, at);
        info->active += child->pid != PID_NONE;
        info->supervisors += child->kind == KIND_SUPERVISOR;
        info->workers += child->kind != KIND_SUPERVISOR;
    }
    if (supervisor_is_simple(state)) {
        info->specs = 1;
        info->active = info->workers = scheduler->kinds[state->kind].slab.used_count;
    }
    return true;
}

uint64_t supervisor_child_pid(const struct scheduler *scheduler, uint64_t supervisor,
                              const char *name) {
    const struct supervisor *state = lookup(scheduler, supervisor);
    uint32_t at = state ? find(scheduler, state, name) : SLAB_NONE;
    return at == SLAB_NONE ? PID_NONE : supervisor_child_at(scheduler, state, at)->pid;
}

// --- validation ----------------------------------------------------------------------------------

static void validate_child(const struct scheduler *scheduler, uint64_t self,
                           const struct supervisor *state, const struct supervisor_child *child) {
    bool has_pid = child->state == CHILD_RUNNING || child->state == CHILD_ENDING;
    CHECKF(has_pid == (child->pid != PID_NONE), "supervisor %s: %s in state %u with pid %lx",
           state->name, child->name, child->state, child->pid);
    CHECKF(child->state != CHILD_ENDING || child->is_asked || state->phase != PHASE_RUNNING,
           "supervisor %s ends %s for nothing", state->name, child->name);
    CHECKF(child->state != CHILD_DEAD || state->phase != PHASE_RUNNING,
           "supervisor %s has not decided about %s", state->name, child->name);
    CHECKF(child->timer == 0 || child->state == CHILD_ENDING, "supervisor %s: a timer for %s",
           state->name, child->name);
    if (!has_pid)
        return;
    if (!scheduler_lookup(scheduler, child->pid)) {
        CHECKF(state->actor.mailbox_count > 0 || state->actor.slab_word & ACTOR_DOOMED,
               "supervisor %s was not told that %s has ended", state->name, child->name);
        return;
    }
    CHECKF(relation_find(scheduler, child->kind, pid_slot(child->pid).index, RELATION_CHILD, self),
           "supervisor %s: %s has no tie to it", state->name, child->name);
}

void supervisor_validate(const struct scheduler *scheduler) {
    const struct slab *slab = &scheduler->kinds[KIND_SUPERVISOR].slab;
    for (uint32_t i = 0; i < slab->touched_count; i++) {
        if (!slab_is_used(slab, i))
            continue;
        const struct supervisor *state = slab_at(slab, i);
        uint64_t self = scheduler_pid(scheduler, KIND_SUPERVISOR, i);
        CHECKF(state->child_count <= state->child_capacity, "supervisor %s: %u children",
               state->name, state->child_count);
        CHECKF(!supervisor_is_simple(state) || scheduler->kinds[state->kind].supervisor == self,
               "supervisor %s is not that of kind %u", state->name, state->kind);
        for (uint32_t at = 0; at < state->child_count; at++)
            validate_child(scheduler, self, state, supervisor_child_at(scheduler, state, at));
    }
}
