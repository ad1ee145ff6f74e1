// An actor is  idle --message or continue--> queued --its go--> running --mail left--> queued
//                                                                       --none------> idle
// ACTOR_QUEUED is set exactly while the actor is linked in the run queue (enqueue, run_ready). An
// actor that ends or pauses while it is linked stays so until its go, when it is skipped: taking it
// out would cost a walk over all that are ready, and peers choose how many end at once. The slot of
// one that ended is retired till then (slab_retire).
#include "sched/scheduler.h"

#include "sched/base/clock.h"

#include <errno.h>

#define REDUCTIONS_PER_TURN 4096
#define MESH_MESSAGES_PER_TURN 4096
#define TIMERS_PER_TURN 4096
#define RETRY_NS (1 * NS_PER_MS)
#define RUN_INDEX_BITS 28

static struct actor *actor_at(const struct scheduler *scheduler, uint32_t run_id) {
    return slab_at(&scheduler->kinds[run_id >> RUN_INDEX_BITS].slab,
                   run_id & ((1u << RUN_INDEX_BITS) - 1));
}

int scheduler_init(struct scheduler *scheduler, const struct scheduler_config *config,
                   struct mesh *mesh, struct memory_ledger *ledger, struct blocks *blocks,
                   struct counters *counters, uint64_t now_ns) {
    *scheduler = (struct scheduler){
        .core = config->core,
        .mesh = mesh,
        .ledger = ledger,
        .counters = counters,
        .blocks = blocks,
        .now_ns = now_ns,
        .run_head = SLAB_NONE,
        .run_tail = SLAB_NONE,
        .reductions_per_turn =
            config->reductions_per_turn ? config->reductions_per_turn : REDUCTIONS_PER_TURN,
    };
    if (mesh)
        mesh->endpoints[config->core].blocks = blocks;
    return slab_init(&scheduler->cells, ledger, "messages", sizeof(struct message),
                     config->message_cells_max);
}

int scheduler_register(struct scheduler *scheduler, const struct behaviour *behaviour,
                       void *context, uint32_t slots_max) {
    CHECKF(behaviour->kind > 0 && behaviour->kind < ACTOR_KINDS_MAX &&
               slots_max <= ACTOR_INDEX_MAX && behaviour->slot_size >= sizeof(struct actor),
           "behaviour %s", behaviour->name);
    CHECKF(!behaviour->timer_offset ||
               (behaviour->timer_offset >= sizeof(struct actor) &&
                behaviour->timer_offset + sizeof(struct timer) <= behaviour->slot_size),
           "behaviour %s: timer at %u", behaviour->name, behaviour->timer_offset);
    struct scheduler_kind *kind = &scheduler->kinds[behaviour->kind];
    CHECKF(!kind->behaviour, "kind %u is registered twice", behaviour->kind);
    int result =
        slab_init(&kind->slab, scheduler->ledger, behaviour->name, behaviour->slot_size, slots_max);
    if (result < 0)
        return result;
    kind->behaviour = behaviour;
    kind->context = context;
    if (behaviour->timer_offset)
        timer_wheel_init(&kind->timers, &kind->slab, behaviour->timer_offset,
                         behaviour->timer_tick_ns, scheduler->now_ns);
    return 0;
}

static void discard(struct scheduler *scheduler, const struct message *message) {
    const struct scheduler_kind *kind = &scheduler->kinds[pid_kind(message->target)];
    counter_add(scheduler->counters, COUNTER_MESSAGES_TO_DEAD, 1);
    if (kind->behaviour && kind->behaviour->discard)
        kind->behaviour->discard(kind->context, message);
}

// Takes the oldest cell out of the mailbox; the caller releases it.
static struct message *mailbox_pop(struct scheduler *scheduler, struct actor *actor,
                                   uint32_t *cell) {
    struct message *newest = slab_at(&scheduler->cells, actor->mailbox_tail);
    *cell = newest->next;
    struct message *oldest = slab_at(&scheduler->cells, *cell);
    if (*cell == actor->mailbox_tail)
        actor->mailbox_tail = SLAB_NONE;
    else
        newest->next = oldest->next;
    actor->mailbox_count--;
    return oldest;
}

// Takes the actor out of everything it may be in: mailbox, timers, run queue, slab.
static void forget(struct scheduler *scheduler, struct scheduler_kind *kind, uint32_t index,
                   struct actor *actor, enum exit_reason reason) {
    recorder_obituary(&scheduler->recorder, scheduler_pid(scheduler, kind->behaviour->kind, index),
                      reason);
    while (actor->mailbox_tail != SLAB_NONE) {
        uint32_t cell;
        discard(scheduler, mailbox_pop(scheduler, actor, &cell));
        slab_release(&scheduler->cells, cell);
    }
    if (kind->behaviour->timer_offset)
        timer_wheel_disarm(&kind->timers, index);
    if (actor->slab_word & ACTOR_QUEUED)
        slab_retire(&kind->slab, index);
    else
        slab_release(&kind->slab, index);
}

uint64_t scheduler_spawn(struct scheduler *scheduler, uint8_t kind_id, const void *argument) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    uint32_t index;
    struct actor *actor = slab_acquire(&kind->slab, &index);
    if (!actor)
        return PID_NONE;
    actor->mailbox_tail = SLAB_NONE;
    actor->run_next = SLAB_NONE;
    if (kind->behaviour->init(kind->context, actor, index, argument) < 0) {
        // It may have armed its timer, or mail itself, before it declined.
        forget(scheduler, kind, index, actor, EXIT_NORMAL);
        return PID_NONE;
    }
    return scheduler_pid(scheduler, kind_id, index);
}

void scheduler_exit(struct scheduler *scheduler, uint8_t kind_id, uint32_t index,
                    enum exit_reason reason) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    struct actor *actor = slab_get(&kind->slab, index);
    kind->behaviour->terminate(kind->context, actor, index, reason);
    forget(scheduler, kind, index, actor, reason);
}

static void enqueue(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                    struct actor *actor) {
    if (actor->slab_word & (ACTOR_QUEUED | ACTOR_PAUSED))
        return;
    uint32_t run_id = (uint32_t)kind << RUN_INDEX_BITS | index;
    actor->slab_word |= ACTOR_QUEUED;
    actor->run_next = SLAB_NONE;
    if (scheduler->run_tail == SLAB_NONE)
        scheduler->run_head = run_id;
    else
        actor_at(scheduler, scheduler->run_tail)->run_next = run_id;
    scheduler->run_tail = run_id;
}

// Room messages leave an eighth of the cells to control messages, which are bounded by what exists
// (members, rooms, publishes under way) and so always find one.
static bool has_cell(struct scheduler *scheduler, enum mesh_class class_of_message) {
    const struct slab *cells = &scheduler->cells;
    if (cells->used_count < cells->slots_max - cells->slots_max / 8)
        return true;
    return class_of_message == MESH_CONTROL && cells->used_count < cells->slots_max;
}

static struct message *cell_fill(struct scheduler *scheduler, const struct message *message,
                                 uint32_t *index) {
    struct message *cell = slab_acquire(&scheduler->cells, index);
    CHECKF(cell, "core %u: no message cell", scheduler->core);
    uint32_t word = cell->slab_word;
    *cell = *message;
    cell->slab_word = word;
    return cell;
}

static bool deliver(struct scheduler *scheduler, const struct message *message,
                    enum mesh_class class_of_message) {
    uint8_t kind_id = pid_kind(message->target);
    const struct behaviour *behaviour = scheduler->kinds[kind_id].behaviour;
    struct actor *actor = behaviour ? scheduler_lookup(scheduler, message->target) : NULL;
    if (!actor) {
        discard(scheduler, message);
        return true;
    }
    if (actor->mailbox_count >=
        (class_of_message == MESH_ROOM ? behaviour->mailbox_max : ACTOR_MAILBOX_MAX)) {
        counter_add(scheduler->counters, COUNTER_MAILBOX_FULL, 1);
        return false;
    }
    if (!has_cell(scheduler, class_of_message)) {
        counter_add(scheduler->counters, COUNTER_MESSAGE_CELLS_OUT, 1);
        return false;
    }
    uint32_t index;
    struct message *cell = cell_fill(scheduler, message, &index);
    if (actor->mailbox_tail == SLAB_NONE) {
        cell->next = index;
    } else {
        struct message *newest = slab_at(&scheduler->cells, actor->mailbox_tail);
        cell->next = newest->next;
        newest->next = index;
    }
    actor->mailbox_tail = index;
    actor->mailbox_count++;
    counter_add(scheduler->counters, COUNTER_MESSAGES_SENT, 1);
    enqueue(scheduler, kind_id, pid_slot(message->target).index, actor);
    return true;
}

// Control messages that the mesh had no room for wait here, in order; room messages are declined
// meanwhile.
static void backlog_push(struct scheduler *scheduler, uint8_t core, const struct message *message) {
    uint32_t index;
    struct message *cell = cell_fill(scheduler, message, &index);
    struct scheduler_backlog *backlog = &scheduler->backlogs[core];
    cell->next = SLAB_NONE;
    if (backlog->count++ == 0)
        backlog->head = index;
    else
        ((struct message *)slab_at(&scheduler->cells, backlog->tail))->next = index;
    backlog->tail = index;
    scheduler->backlog_set |= 1ull << core;
}

static void backlogs_send(struct scheduler *scheduler) {
    for (uint64_t rest = scheduler->backlog_set; rest; rest &= rest - 1) {
        uint8_t core = (uint8_t)__builtin_ctzll(rest);
        struct scheduler_backlog *backlog = &scheduler->backlogs[core];
        while (backlog->count > 0) {
            uint32_t index = backlog->head;
            const struct message *cell = slab_at(&scheduler->cells, index);
            if (!mesh_send(scheduler->mesh, scheduler->core, core, cell, MESH_CONTROL))
                break;
            backlog->head = cell->next;
            backlog->count--;
            slab_release(&scheduler->cells, index);
            counter_add(scheduler->counters, COUNTER_MESH_SENT, 1);
        }
        if (backlog->count == 0)
            scheduler->backlog_set &= ~(1ull << core);
    }
}

static bool send_class(struct scheduler *scheduler, const struct message *message,
                       enum mesh_class class_of_message) {
    uint8_t core = pid_core(message->target);
    if (core == scheduler->core)
        return deliver(scheduler, message, class_of_message);
    CHECKF(scheduler->mesh && core < scheduler->mesh->endpoint_count, "pid %lx", message->target);
    bool is_backed_up = scheduler->backlog_set >> core & 1;
    if (is_backed_up ||
        !mesh_send(scheduler->mesh, scheduler->core, core, message, class_of_message)) {
        counter_add(scheduler->counters, COUNTER_MESH_FULL, 1);
        if (class_of_message == MESH_ROOM)
            return false;
        backlog_push(scheduler, core, message);
        return true;
    }
    counter_add(scheduler->counters, COUNTER_MESH_SENT, 1);
    return true;
}

void scheduler_send(struct scheduler *scheduler, const struct message *message) {
    bool sent = send_class(scheduler, message, MESH_CONTROL);
    CHECKF(sent, "control message %u to %lx found no room", message->type, message->target);
}

bool scheduler_try_send(struct scheduler *scheduler, const struct message *message) {
    return send_class(scheduler, message, MESH_ROOM);
}

void scheduler_continue(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    actor->slab_word |= ACTOR_CONTINUE;
    enqueue(scheduler, kind, index, actor);
}

void scheduler_pause(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    actor->slab_word |= ACTOR_PAUSED;
}

void scheduler_resume(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    struct actor *actor = slab_get(&scheduler->kinds[kind].slab, index);
    actor->slab_word &= ~ACTOR_PAUSED;
    if (actor->mailbox_tail != SLAB_NONE || actor->slab_word & ACTOR_CONTINUE)
        enqueue(scheduler, kind, index, actor);
}

void scheduler_consume(struct scheduler *scheduler, uint32_t reductions) {
    uint32_t left = scheduler->reductions_left;
    scheduler->reductions_left = left > reductions ? left - reductions : 0;
    counter_add(scheduler->counters, COUNTER_REDUCTIONS, reductions);
}

static bool is_mailbox_full(const struct scheduler *scheduler, uint64_t pid) {
    const struct behaviour *behaviour = scheduler->kinds[pid_kind(pid)].behaviour;
    const struct actor *actor = behaviour ? scheduler_lookup(scheduler, pid) : NULL;
    return actor && actor->mailbox_count >= behaviour->mailbox_max;
}

// A message that finds no place is held, and the mesh left as it is: the senders notice that it
// fills. What class it was sent in is not known here, so a mailbox takes no more than mailbox_max
// from the mesh (what is behind waits with it: its actor needs nobody else to get on), and the last
// sixteenth of the cells is kept from it: peers on other cores must not take the place that
// scheduler_send relies on.
static void receive_mesh(struct scheduler *scheduler) {
    const struct slab *cells = &scheduler->cells;
    for (uint32_t i = 0; i < MESH_MESSAGES_PER_TURN; i++) {
        if (!scheduler->is_holding &&
            !mesh_receive(scheduler->mesh, scheduler->core, &scheduler->held))
            return;
        scheduler->is_holding = true;
        if (cells->used_count >= cells->slots_max - cells->slots_max / 16) {
            counter_add(scheduler->counters, COUNTER_MESSAGE_CELLS_OUT, 1);
            return;
        }
        if (is_mailbox_full(scheduler, scheduler->held.target)) {
            counter_add(scheduler->counters, COUNTER_MAILBOX_FULL, 1);
            return;
        }
        if (!deliver(scheduler, &scheduler->held, MESH_CONTROL))
            return;
        scheduler->is_holding = false;
    }
}

static void run_timers(struct scheduler *scheduler) {
    for (uint8_t id = 1; id < ACTOR_KINDS_MAX; id++) {
        struct scheduler_kind *kind = &scheduler->kinds[id];
        if (!kind->behaviour || !kind->behaviour->timer_offset)
            continue;
        for (uint32_t i = 0; i < TIMERS_PER_TURN; i++) {
            uint32_t index = timer_wheel_expire(&kind->timers, scheduler->now_ns);
            if (index == SLAB_NONE)
                break;
            counter_add(scheduler->counters, COUNTER_TIMERS_FIRED, 1);
            struct message message = {.type = MESSAGE_TIMER,
                                      .target = scheduler_pid(scheduler, id, index)};
            kind->behaviour->handle(kind->context, slab_at(&kind->slab, index), index, &message);
        }
    }
}

// One actor's go: its continuation, then mail up to ACTOR_REDUCTIONS.
static void run_actor(struct scheduler *scheduler, uint8_t kind_id, uint32_t index) {
    struct scheduler_kind *kind = &scheduler->kinds[kind_id];
    struct actor *actor = slab_at(&kind->slab, index);
    uint64_t pid = scheduler_pid(scheduler, kind_id, index);
    if (actor->slab_word & ACTOR_CONTINUE) {
        actor->slab_word &= ~ACTOR_CONTINUE;
        struct message message = {.type = MESSAGE_CONTINUE, .target = pid};
        scheduler_consume(scheduler, 1);
        kind->behaviour->handle(kind->context, actor, index, &message);
    }
    // The first message passes the turn's budget: mail gets on beside slices that use up a turn.
    for (uint32_t i = 0; i == 0 || (i < ACTOR_REDUCTIONS && scheduler->reductions_left > 0); i++) {
        if (!scheduler_lookup(scheduler, pid) || actor->mailbox_tail == SLAB_NONE ||
            actor->slab_word & ACTOR_PAUSED)
            return;
        uint32_t cell;
        const struct message *message = mailbox_pop(scheduler, actor, &cell);
        scheduler_consume(scheduler, 1);
        kind->behaviour->handle(kind->context, actor, index, message);
        slab_release(&scheduler->cells, cell);
    }
    if (scheduler_lookup(scheduler, pid) && actor->mailbox_tail != SLAB_NONE)
        enqueue(scheduler, kind_id, index, actor);
}

// Those that are ready now; who becomes ready meanwhile has its go in the same turn while
// reductions last.
static void run_ready(struct scheduler *scheduler) {
    scheduler->reductions_left = scheduler->reductions_per_turn;
    while (scheduler->run_head != SLAB_NONE && scheduler->reductions_left > 0) {
        uint32_t run_id = scheduler->run_head;
        struct actor *actor = actor_at(scheduler, run_id);
        scheduler->run_head = actor->run_next;
        if (scheduler->run_head == SLAB_NONE)
            scheduler->run_tail = SLAB_NONE;
        actor->slab_word &= ~ACTOR_QUEUED;
        uint8_t kind = (uint8_t)(run_id >> RUN_INDEX_BITS);
        uint32_t index = run_id & ((1u << RUN_INDEX_BITS) - 1);
        if (UNLIKELY(!(actor->slab_word & SLAB_USED)))
            slab_recycle(&scheduler->kinds[kind].slab, index);
        else if (LIKELY(!(actor->slab_word & ACTOR_PAUSED)))
            run_actor(scheduler, kind, index);
    }
}

bool scheduler_turn(struct scheduler *scheduler, uint64_t now_ns) {
    scheduler->now_ns = now_ns;
    blocks_collect(scheduler->blocks);
    if (scheduler->mesh)
        receive_mesh(scheduler);
    run_timers(scheduler);
    run_ready(scheduler);
    return scheduler->run_head != SLAB_NONE;
}

uint64_t scheduler_wait_ns(const struct scheduler *scheduler, uint64_t now_ns) {
    if (scheduler->run_head != SLAB_NONE)
        return 0;
    // Nobody wakes us when a full ring or mailbox has room again.
    uint64_t first = UINT64_MAX;
    if (scheduler->backlog_set || scheduler->is_holding)
        first = now_ns + RETRY_NS;
    for (uint8_t id = 1; id < ACTOR_KINDS_MAX; id++) {
        const struct scheduler_kind *kind = &scheduler->kinds[id];
        if (!kind->behaviour || !kind->behaviour->timer_offset)
            continue;
        uint64_t next = timer_wheel_next_ns(&kind->timers);
        first = next < first ? next : first;
    }
    if (first == UINT64_MAX)
        return UINT64_MAX;
    return first > now_ns ? first - now_ns : 0;
}

bool scheduler_is_quiet(const struct scheduler *scheduler) {
    return scheduler->run_head == SLAB_NONE && !scheduler->backlog_set && !scheduler->is_holding &&
           (!scheduler->mesh || scheduler->mesh->endpoints[scheduler->core].touched == 0);
}

uint64_t scheduler_publish(struct scheduler *scheduler) {
    if (!scheduler->mesh)
        return 0;
    backlogs_send(scheduler);
    uint64_t wake = mesh_publish(scheduler->mesh, scheduler->core);
    if (wake)
        counter_add(scheduler->counters, COUNTER_MESH_WAKES, (uint64_t)__builtin_popcountll(wake));
    return wake;
}

void scheduler_arm(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                   uint64_t deadline_ns) {
    timer_wheel_arm(&scheduler->kinds[kind].timers, index, deadline_ns);
}

void scheduler_disarm(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    timer_wheel_disarm(&scheduler->kinds[kind].timers, index);
}

// Walks a mailbox: its cells are in use, addressed to its actor, and as many as counted.
static void mailbox_validate(const struct scheduler *scheduler, const struct actor *actor,
                             uint64_t pid) {
    uint32_t at = actor->mailbox_tail;
    for (uint32_t i = 0; i < actor->mailbox_count; i++) {
        const struct message *cell = slab_get(&scheduler->cells, at);
        CHECKF(cell->target == pid, "mail for %lx in the mailbox of %lx", cell->target, pid);
        at = cell->next;
    }
    CHECKF(at == actor->mailbox_tail && (actor->mailbox_count > 0) == (at != SLAB_NONE),
           "mailbox of %lx: %u cells counted", pid, actor->mailbox_count);
}

void scheduler_validate(const struct scheduler *scheduler) {
    slab_validate(&scheduler->cells);
    uint32_t linked = 0;
    uint32_t last = SLAB_NONE;
    for (uint32_t at = scheduler->run_head; at != SLAB_NONE;
         at = actor_at(scheduler, at)->run_next) {
        CHECKF(actor_at(scheduler, at)->slab_word & ACTOR_QUEUED, "actor %x in the run queue", at);
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
            mailbox_validate(scheduler, actor, pid);
            bool is_ready = actor->mailbox_tail != SLAB_NONE || actor->slab_word & ACTOR_CONTINUE;
            bool is_queued = actor->slab_word & ACTOR_QUEUED;
            // Queued without mail: it wrote to itself, and took it in the same go.
            CHECKF(is_queued || !is_ready || actor->slab_word & ACTOR_PAUSED,
                   "actor %lx is ready and not queued", pid);
            cells += actor->mailbox_count;
            queued += is_queued;
        }
    }
    CHECKF(queued == linked, "%u actors in the run queue, %u marked so", linked, queued);
    for (uint32_t i = 0; i < MESH_ENDPOINTS_MAX; i++)
        cells += scheduler->backlogs[i].count;
    CHECKF(cells == scheduler->cells.used_count, "%u message cells in use, %u found",
           scheduler->cells.used_count, cells);
}
