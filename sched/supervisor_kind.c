// simple_one_for_one: a supervisor of all actors of a kind. The scheduler tells it of those ends
// alone that may lead to a restart (scheduler_kind.tells_*), with the successor's argument.
#include "sched/supervisor_state.h"

#include "sched/base/clock.h"
#include "sched/payload.h"
#include "sched/signal.h"
#include "sched/timed.h"

// Actors told to go in one slice: some 50 µs.
#define SWEEP_SLICE 1024

// Those that trap exits or wait for something of their own are looked for so often.
#define SWEEP_NS (10 * NS_PER_MS)

static struct scheduler_kind *kind_of(const struct supervisor_go *go) {
    return &go->scheduler->kinds[go->state->kind];
}

void supervisor_kind_bind(struct supervisor_go *go) {
    struct scheduler_kind *kind = kind_of(go);
    CHECKF(kind->behaviour && kind->supervisor == PID_NONE,
           "supervisor %s: kind %u has a supervisor, or is none", go->state->name, go->state->kind);
    kind->supervisor = supervisor_self(go);
    kind->tells_normal = go->state->restart == SUPERVISOR_PERMANENT;
    kind->tells_abnormal = go->state->restart != SUPERVISOR_TEMPORARY;
}

void supervisor_kind_unbind(struct supervisor_go *go, enum exit_reason reason) {
    struct scheduler_kind *kind = kind_of(go);
    kind->supervisor = PID_NONE;
    kind->tells_normal = kind->tells_abnormal = false;
    for (uint32_t i = 0; kind->slab.used_count > 0 && i < kind->slab.touched_count; i++) {
        const struct actor *actor = slab_at(&kind->slab, i);
        if (slab_is_used(&kind->slab, i) && !(actor->slab_word & ACTOR_DOOMED))
            scheduler_doom(go->scheduler, go->state->kind, i, reason);
    }
}

static void send_retry(struct supervisor_go *go, uint64_t payload, uint32_t reason,
                       bool is_counted) {
    scheduler_send(go->scheduler, &(struct message){.target = supervisor_self(go),
                                                    .type = MESSAGE_SUPERVISOR,
                                                    .flags = ORDER_RETRY,
                                                    .small = reason,
                                                    .words = {payload, is_counted}});
}

// Takes the payload.
static void restart(struct supervisor_go *go, uint64_t payload, uint32_t reason, bool is_counted) {
    struct scheduler *scheduler = go->scheduler;
    const struct scheduler_kind *kind = kind_of(go);
    if (!is_counted && !supervisor_count_restart(go)) {
        if (payload != PAYLOAD_NONE)
            payload_unref(scheduler, payload);
        supervisor_give_up(go);
        return;
    }
    if (supervisor_is_slot_coming(scheduler, go->state->kind)) {
        send_retry(go, payload, reason, true);
        return;
    }
    go->state->is_starting = true;
    uint64_t pid =
        scheduler_spawn(scheduler, go->state->kind,
                        payload == PAYLOAD_NONE ? NULL : payload_data(scheduler, payload));
    go->state->is_starting = false;
    bool is_started = pid != PID_NONE;
    counter_add(scheduler->counters,
                is_started ? COUNTER_SUPERVISOR_RESTARTS : COUNTER_SUPERVISOR_START_FAILED, 1);
    supervisor_tell(go, &(struct supervisor_report){.event = is_started ? SUPERVISOR_CHILD_RESTARTED
                                                                        : SUPERVISOR_START_FAILED,
                                                    .child = kind->behaviour->name,
                                                    .child_pid = pid,
                                                    .reason = reason});
    if (!is_started)
        send_retry(go, payload, reason, false);
    else if (payload != PAYLOAD_NONE)
        payload_unref(scheduler, payload);
}

// A kind that names successors and named none wants none.
static bool wants_successor(const struct supervisor_go *go, uint64_t payload) {
    return payload != PAYLOAD_NONE || !kind_of(go)->behaviour->succession;
}

static void abandon(struct supervisor_go *go, uint64_t payload, enum counter why) {
    counter_add(go->scheduler->counters, why, 1);
    if (payload != PAYLOAD_NONE)
        payload_unref(go->scheduler, payload);
}

void supervisor_kind_on_exit(struct supervisor_go *go, const struct message *message) {
    uint64_t payload = message->words[0];
    if (pid_kind(message->sender) != go->state->kind)
        abandon(go, payload, COUNTER_SUPERVISOR_STALE);
    else if (!wants_successor(go, payload))
        return;
    else if (go->state->phase != PHASE_RUNNING)
        abandon(go, payload, COUNTER_SUPERVISOR_ABANDONED);
    else
        restart(go, payload, message->small, false);
}

void supervisor_kind_on_retry(struct supervisor_go *go, const struct message *message) {
    if (go->state->phase == PHASE_RUNNING)
        restart(go, message->words[0], message->small, message->words[1]);
    else
        abandon(go, message->words[0], COUNTER_SUPERVISOR_ABANDONED);
}

// --- shutdown ------------------------------------------------------------------------------------

static bool remind(struct supervisor_go *go, enum supervisor_order order, uint64_t delay_ns) {
    return timed_send_after(go->scheduler,
                            &(struct message){.target = supervisor_self(go),
                                              .type = MESSAGE_SUPERVISOR,
                                              .flags = (uint16_t)order},
                            delay_ns, 0) != 0;
}

void supervisor_kind_sweep_begin(struct supervisor_go *go) {
    struct supervisor *state = go->state;
    struct scheduler_kind *kind = kind_of(go);
    kind->tells_normal = kind->tells_abnormal = false;
    state->phase = PHASE_SWEEPING;
    state->is_killing = state->shutdown_ms == SUPERVISOR_BRUTAL_KILL;
    if (!state->is_killing && state->shutdown_ms != SUPERVISOR_INFINITY &&
        !remind(go, ORDER_SWEEP_KILL, state->shutdown_ms * NS_PER_MS))
        state->is_killing = true; // nobody would remind us
    supervisor_kind_sweep(go);
}

void supervisor_kind_sweep(struct supervisor_go *go) {
    struct supervisor *state = go->state;
    const struct slab *slab = &kind_of(go)->slab;
    if (slab->used_count == 0) {
        scheduler_exit(go->scheduler, KIND_SUPERVISOR, go->index, (enum exit_reason)state->reason);
        return;
    }
    if (state->cursor >= slab->touched_count) {
        if (!remind(go, ORDER_SWEEP, SWEEP_NS))
            scheduler_continue(go->scheduler, KIND_SUPERVISOR, go->index);
        return;
    }
    uint32_t end = slab->touched_count - state->cursor > SWEEP_SLICE ? state->cursor + SWEEP_SLICE
                                                                     : slab->touched_count;
    scheduler_consume(go->scheduler, (end - state->cursor) / 16);
    for (; state->cursor < end; state->cursor++) {
        const struct actor *actor = slab_at(slab, state->cursor);
        if (slab_is_used(slab, state->cursor) && !(actor->slab_word & ACTOR_DOOMED))
            signal_exit(go->scheduler, supervisor_self(go),
                        scheduler_pid(go->scheduler, state->kind, state->cursor),
                        state->is_killing ? EXIT_KILLED : EXIT_SHUTDOWN);
    }
    // Behind all that were doomed, in the run queue: the next look finds them gone.
    scheduler_continue(go->scheduler, KIND_SUPERVISOR, go->index);
}

// Who came while it swept is told as well; those that trap exits were told once, and no more until
// their time is over.
void supervisor_kind_sweep_again(struct supervisor_go *go, bool is_killing) {
    struct supervisor *state = go->state;
    if (state->phase != PHASE_SWEEPING)
        return;
    const struct scheduler_kind *kind = kind_of(go);
    if (is_killing && !state->is_killing)
        counter_add(go->scheduler->counters, COUNTER_SUPERVISOR_KILLS, kind->slab.used_count);
    state->is_killing |= is_killing;
    if (state->is_killing || !kind->behaviour->traps_exit)
        state->cursor = 0;
    supervisor_kind_sweep(go);
}
