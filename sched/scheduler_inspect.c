// What looks at a whole scheduler, and what changes a kind of actors in one go: nothing of a
// turn's.
#include "sched/scheduler.h"

#include <errno.h>

#include "sched/mailbox.h"
#include "sched/move.h"
#include "sched/signal.h"
#include "sched/timed.h"

bool scheduler_actor_info(const struct scheduler *scheduler, uint64_t pid,
                          struct actor_info *info) {
    const struct scheduler_kind *kind = &scheduler->kinds[pid_kind(pid)];
    const struct actor *actor = kind->behaviour ? scheduler_lookup(scheduler, pid) : NULL;
    if (!actor)
        return false;
    uint32_t index = pid_slot(pid).index;
    *info = (struct actor_info){
        .pid = scheduler_pid(scheduler, pid_kind(pid), index),
        .behaviour = kind->behaviour->name,
        .version = kind->behaviour->version,
        .mailbox_count = actor->mailbox_count,
        .supervisor = kind->supervisor,
        .is_ready = actor->slab_word & ACTOR_QUEUED,
        .is_paused = actor->slab_word & ACTOR_PAUSED,
        .is_doomed = actor->slab_word & ACTOR_DOOMED,
        .is_moving = actor->slab_word & ACTOR_MOVING,
        .is_traced = actor->slab_word & ACTOR_TRACED,
    };
    for (const struct relation *at = relation_first(scheduler, pid_kind(pid), index); at;
         at = relation_next(scheduler, at)) {
        enum relation_kind type = relation_kind(at);
        info->link_count += type == RELATION_LINK && at->word == 0;
        info->monitor_count +=
            type == RELATION_MONITOR || type == RELATION_WATCH || type == RELATION_CALL;
        info->monitored_count += type == RELATION_MONITORED;
        if (type == RELATION_CHILD)
            info->supervisor = at->other;
    }
    for (uint32_t at = timed_first(scheduler, pid_kind(pid), index); at != SLAB_NONE;
         at = timed_at(scheduler, at)->next)
        info->timed_count++;
    return true;
}

int scheduler_upgrade(struct scheduler *scheduler, const struct behaviour *behaviour) {
    struct scheduler_kind *kind = &scheduler->kinds[behaviour->kind];
    const struct behaviour *old = kind->behaviour;
    if (!old || behaviour->version != old->version + 1 || behaviour->slot_size > old->slot_size ||
        behaviour->timer_offset != old->timer_offset ||
        behaviour->timer_tick_ns != old->timer_tick_ns)
        return -EINVAL;
    kind->behaviour = behaviour;
    for (uint32_t i = 0; behaviour->upgrade && i < kind->slab.touched_count; i++)
        if (slab_is_used(&kind->slab, i))
            behaviour->upgrade(kind->context, slab_at(&kind->slab, i), i);
    return 0;
}

void scheduler_validate(const struct scheduler *scheduler) {
    slab_validate(&scheduler->cells);
    relation_validate(scheduler);
    timed_validate(scheduler);
    move_validate(scheduler);
    uint32_t linked = 0;
    uint32_t last = SLAB_NONE;
    for (uint32_t at = scheduler->run_head; at != SLAB_NONE;
         at = scheduler_run_actor(scheduler, at)->run_next) {
        CHECKF(scheduler_run_actor(scheduler, at)->slab_word & ACTOR_QUEUED,
               "actor %x in the run queue", at);
        last = at;
        linked++;
    }
    CHECK(last == scheduler->run_tail);
    uint32_t queued = 0;
    uint32_t cells = 0;
    for (uint8_t id = 1; id < ACTOR_KINDS_MAX; id++) {
        const struct scheduler_kind *kind = &scheduler->kinds[id];
        if (!kind->behaviour)
            continue;
        slab_validate(&kind->slab);
        if (kind->behaviour->timer_offset)
            timer_wheel_validate(&kind->timers);
        queued += kind->slab.retired_count;
        for (uint32_t i = 0; i < kind->slab.touched_count; i++) {
            const struct actor *actor = slab_at(&kind->slab, i);
            if (!(actor->slab_word & SLAB_USED))
                continue;
            uint64_t pid = scheduler_pid(scheduler, id, i);
            if (!(actor->slab_word & ACTOR_DOOMED))
                mailbox_validate(scheduler, actor, pid);
            bool is_ready = actor->mailbox_tail != SLAB_NONE || actor->slab_word & ACTOR_CONTINUE;
            bool is_queued = actor->slab_word & ACTOR_QUEUED;
            // Queued without mail: it wrote to itself, and took it in the same go.
            CHECKF(is_queued || !is_ready || actor->slab_word & (ACTOR_PAUSED | ACTOR_MOVING),
                   "actor %lx is ready and not queued", pid);
            cells += actor->mailbox_count;
            queued += is_queued;
        }
    }
    CHECK(linked == scheduler->run_count);
    CHECKF(queued == linked, "%u actors in the run queue, %u marked so", linked, queued);
    cells += move_early_count(scheduler);
    for (uint32_t i = 0; i < MESH_ENDPOINTS_MAX; i++)
        cells += scheduler->backlogs[i].count;
    CHECKF(cells == scheduler->cells.used_count, "%u message cells in use, %u found",
           scheduler->cells.used_count, cells);
}
